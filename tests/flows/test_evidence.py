"""Evidence: gathered at the origin, judged by somebody who has the file and a fingerprint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from gateway.core.envelope import split
from gateway.core.evidence import Evidence, Finding, judge_evidence, unpack
from gateway.core.judgement import Verdict
from gateway.errors import GatewayError, NotAllowed, NotFound
from gateway.flows.evidence import Gathered, gather
from gateway.testing.boroughs import START, World, two_boroughs
from schemas.samples import minimal_example, restamp

REF = "HO-E09000012-2026-000417"
DAY = 86_400


def document() -> Mapping[str, Any]:
    return restamp(json.loads(minimal_example()), START)


async def run(world: World, state: str = "ACCEPTED") -> str:
    """The whole handover; every agency answers. Returns the network's fingerprint."""
    await world.hackney.submit(document())
    await world.settle()
    for role, leg in (await world.bexley.legs(REF)).items():
        await world.bexley.answer(role, leg.id, state)
    await world.settle()
    return world.hackney.node.network.fingerprint


async def evidence(world: World, *sections: str) -> Gathered:
    caller = world.hackney.caller("community_safety")
    return await gather(world.hackney.node, caller, REF, None, sections, "AUDIT")


def found(bundle: Evidence, fingerprint: str) -> Finding:
    return judge_evidence(bundle.pack(), fingerprint)


def failing(finding: Finding) -> Mapping[str, Verdict]:
    return {check.what: check.verdict for check in finding.checks if check.verdict is not Verdict.VALID}


async def test_it_proves_who_sent_what_when_and_who_answered() -> None:
    async with two_boroughs() as world:
        fingerprint = await run(world)
        finding = found((await evidence(world)).evidence, fingerprint)
    assert failing(finding) == {}
    assert finding.verdict is Verdict.VALID
    assert finding.statement is not None
    assert (finding.statement.sender, finding.statement.created) == ("E09000012/node", START)
    states = {signer: [receipt.state for receipt in chain] for signer, chain in finding.legs.items()}
    assert states.pop("E09000004/node") == ["received"]
    assert len(states) == 7
    assert all(answered == ["opened", "acknowledged", "accepted"] for answered in states.values())


async def test_without_being_asked_it_discloses_nobody() -> None:
    async with two_boroughs() as world:
        fingerprint = await run(world)
        gathered = await evidence(world)
        finding = found(gathered.evidence, fingerprint)
        assert set(gathered.evidence.keys) == {0, 1}
        assert {name for part in finding.sections for name in part} == {"routing"}
        assert "EXAMPLE" not in gathered.evidence.pack().decode()
        accesses = await world.hackney.node.store.read(lambda tx: tx.accesses(ref=REF))
        assert all(row.justification != "AUDIT" for row in accesses)


async def test_it_discloses_only_what_was_asked_for_and_says_what_it_kept_back() -> None:
    """History and associates have the same readers, so they stand in one part: neither is shown alone."""
    async with two_boroughs() as world:
        fingerprint = await run(world)
        one = await evidence(world, "support", "history")
        assert {n for part in found(one.evidence, fingerprint).sections for n in part} == {
            "routing",
            "support",
        }
        assert one.withheld == ["history"]
        both = await evidence(world, *json.loads(minimal_example()))
        assert set(both.evidence.keys) == set(range(len(split(both.evidence.envelope).parts)))
        assert both.withheld == []


async def test_a_disclosure_is_on_record_with_its_sections() -> None:
    async with two_boroughs() as world:
        await run(world)
        await evidence(world, *json.loads(minimal_example()))
        newest = (await world.hackney.node.store.read(lambda tx: tx.accesses(ref=REF)))[0]
        assert (newest.operation, newest.justification, newest.actor) == ("DISCLOSURE", "AUDIT", "staff-0001")
        assert {"core", "history", "associates"} <= set(newest.sections)


async def test_only_the_origin_gives_it_and_only_to_whom_it_concerns() -> None:
    async with two_boroughs() as world:
        await run(world)
        with pytest.raises(NotAllowed):
            await gather(world.bexley.node, world.bexley.caller("police"), REF, None, (), "")
        stranger = replace(world.hackney.caller("police"), principal="E09000012/somebody")
        with pytest.raises(NotFound):
            await gather(world.hackney.node, stranger, REF, None, (), "")


async def test_it_outlives_the_directory_it_was_made_under() -> None:
    async with two_boroughs() as world:
        fingerprint = await run(world)
        bundle = (await evidence(world)).evidence
        world.clock.advance(400 * DAY)
        assert found(bundle, fingerprint).verdict is Verdict.VALID


async def test_another_fingerprint_is_another_network() -> None:
    async with two_boroughs() as world:
        await run(world)
        finding = found((await evidence(world)).evidence, "aaaa-" * 7 + "aaaa")
    assert finding.verdict is Verdict.INVALID
    assert finding.statement is None


@pytest.mark.parametrize("place", ["envelope", "directory", "root", "key", "receipt"])
async def test_a_changed_byte_anywhere_does_not_pass(place: str) -> None:
    async with two_boroughs() as world:
        fingerprint = await run(world)
        good = (await evidence(world, "support")).evidence
    wrong = {
        "envelope": replace(good, envelope=flipped(good.envelope, -1)),
        "directory": replace(good, directory=flipped(good.directory, 200)),
        "root": replace(good, roots=[flipped(good.roots[0], 100)]),
        "key": replace(good, keys={**good.keys, 1: flipped(good.keys[1], 0)}),
        "receipt": replace(good, receipts=[flipped(good.receipts[0], -10), *good.receipts[1:]]),
    }[place]
    assert found(wrong, fingerprint).verdict is not Verdict.VALID


def flipped(data: bytes, place: int) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 1
    return bytes(changed)


async def test_a_receipt_left_out_of_the_middle_cannot_be_told() -> None:
    async with two_boroughs() as world:
        fingerprint = await run(world)
        good = (await evidence(world)).evidence
    middle = (b'"by":"E09000004/police"', b'"acknowledged"')
    without = [note for note in good.receipts if not all(word in note for word in middle)]
    assert len(without) == len(good.receipts) - 1
    finding = found(replace(good, receipts=without), fingerprint)
    assert finding.verdict is Verdict.CANNOT_TELL
    assert failing(finding) == {"E09000004/police answered in one chain": Verdict.CANNOT_TELL}


async def test_a_receipt_for_another_message_is_invalid() -> None:
    async with two_boroughs() as world:
        fingerprint = await run(world)
        first = (await evidence(world)).evidence
        other = {**document()}
        other["message"] = {**other["message"], "handover_id": REF[:-1] + "8"}
        await world.hackney.submit(other, key="k2")
        await world.settle()
        stranger = await world.hackney.node.store.read(lambda tx: tx.receipts(ref=REF[:-1] + "8"))
    finding = found(replace(first, receipts=[*first.receipts, stranger[0].note]), fingerprint)
    assert finding.verdict is Verdict.INVALID
    assert list(failing(finding).values()) == [Verdict.INVALID]


@pytest.mark.parametrize("garbage", [b"", b"{}", b"[]", b'{"v":1}', b"\xff", b"{" * 5000])
def test_garbage_is_judged_and_never_raises(garbage: bytes) -> None:
    assert judge_evidence(garbage, "aaaa").verdict is Verdict.INVALID
    with pytest.raises(GatewayError):
        unpack(garbage)
