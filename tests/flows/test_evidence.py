"""Evidence: gathered at the origin, judged by somebody who has the file and a fingerprint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from gateway.core.encoding import b64
from gateway.core.envelope import split
from gateway.core.evidence import Evidence, unpack
from gateway.core.examination import Finding, judge_evidence
from gateway.core.judgement import Verdict
from gateway.core.keys import IdentityKey
from gateway.core.log import own_line
from gateway.core.notes import peek_body, sign_note
from gateway.core.silence import Link
from gateway.core.witness import make_cosignature
from gateway.errors import GatewayError, NotAllowed, NotFound
from gateway.flows import logbook
from gateway.flows.control import tell
from gateway.flows.evidence import Gathered, Unanswered, gather
from gateway.ports import CosignatureRow, StreamRow
from gateway.testing.boroughs import START, World, two_boroughs
from keys_example import SIGNER, unlocked
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


# --- pinned to the log, and seen by others ----------------------------------------------------------

HACKNEY, BEXLEY, POLICE = "E09000012", "E09000004", "E09000004/police"


async def cosign(world: World, at: int) -> None:
    """Bexley has seen Hackney's log as it stands, at this time."""
    node = world.hackney.node
    signed = await logbook.checkpoint(node)
    signer = world.bexley.node.keys.log_signer(BEXLEY)
    made = make_cosignature(signer, signed, net=node.network.net, area=BEXLEY, at=at)
    lines = {HACKNEY: own_line(signed), BEXLEY: made.line}
    for by, line in lines.items():
        row = CosignatureRow(signed.origin, signed.size, signed.root, by, at, line.encode())
        await node.store.write(lambda tx, row=row: tx.put_cosignature(row))


async def test_the_message_and_every_answer_stand_in_the_senders_log() -> None:
    async with two_boroughs() as world:
        fingerprint = await run(world)
        bundle = (await evidence(world)).evidence
    finding = found(bundle, fingerprint)
    told = [check.what for check in finding.checks]
    assert "the log holds the message" in told
    assert sum(what.startswith("the log holds what") for what in told) == 8
    assert finding.witnesses == {}


async def test_who_has_cosigned_the_log_is_told_with_the_time_of_the_first_that_did() -> None:
    async with two_boroughs() as world:
        fingerprint = await run(world)
        await cosign(world, START + 60)
        world.clock.advance(3600)
        await world.hackney.node.store.write(lambda tx: tx.append_log(b'{"t":"later"}'))
        await cosign(world, START + 3700)
        bundle = (await evidence(world)).evidence
    finding = found(bundle, fingerprint)
    assert failing(finding) == {}
    assert finding.witnesses == {BEXLEY: START + 60}


async def test_a_leaf_of_another_log_a_changed_leaf_and_a_missing_one_are_not_taken() -> None:
    async with two_boroughs() as world:
        fingerprint = await run(world)
        bundle = (await evidence(world)).evidence
    log = bundle.log
    assert log is not None
    changed = replace(log.leaves[0], leaf=log.leaves[0].leaf.replace(b'"at":1', b'"at":2'))
    forged = replace(log, leaves=[changed, *log.leaves[1:]])
    assert found(replace(bundle, log=forged), fingerprint).verdict is Verdict.INVALID
    for place, leaf in enumerate(log.leaves):
        without = replace(log, leaves=[*log.leaves[:place], *log.leaves[place + 1 :]])
        finding = found(replace(bundle, log=without), fingerprint)
        known = b'"t":"sent"' in leaf.leaf or b'"t":"receipt"' in leaf.leaf
        assert finding.verdict is (Verdict.CANNOT_TELL if known else Verdict.VALID)


async def test_a_key_revoked_since_is_good_for_what_others_had_seen_before() -> None:
    async with two_boroughs() as world:
        fingerprint = await run(world)
        unseen = (await evidence(world)).evidence
        await cosign(world, START + 60)
        seen = (await evidence(world)).evidence
        for revoked, verdicts in {
            START + 61: (Verdict.CANNOT_TELL, Verdict.VALID),
            START + 60: (Verdict.CANNOT_TELL, Verdict.CANNOT_TELL),
            None: (Verdict.VALID, Verdict.VALID),
        }.items():
            later = later_directory(unseen, revoked)
            for bundle, verdict in zip((unseen, seen), verdicts, strict=True):
                finding = found(replace(bundle, later=later), fingerprint)
                assert finding.verdict is verdict
                assert set(failing(finding)) <= {"its sender's key was good"}


def later_directory(bundle: Evidence, revoked: int | None) -> bytes:
    """The next version, a day on, in which Hackney's node key is revoked at this time."""
    body = dict(peek_body(bundle.directory))
    now = START + DAY
    body |= {"version": body["version"] + 1, "created": now, "expires": now + 30 * DAY}
    if revoked is not None:
        key = body["members"][HACKNEY]["principals"][f"{HACKNEY}/node"]["sign"]
        body["revoked"] = [{"key": key, "at": revoked, "reason": "lost"}]
        body["members"][HACKNEY]["principals"][f"{HACKNEY}/node"]["sign"] = b64(
            IdentityKey(f"{HACKNEY}/node", bytes(32)).public
        )
    return sign_note("bx/1/directory", body, [unlocked("network").named_signer(SIGNER, "directory")])


# --- silence ----------------------------------------------------------------------------------------


async def speak(world: World) -> None:
    """Bexley's node says something, as with a heartbeat."""
    node = world.bexley.node
    await node.store.write(lambda tx: tell(tx, node, HACKNEY, {"heartbeat": {}}, node.clock.now()))
    await world.settle()


async def silence(world: World, until: int, principal: str = POLICE) -> Gathered:
    caller = world.hackney.caller("community_safety")
    return await gather(
        world.hackney.node, caller, REF, None, (), "", unanswered=Unanswered(principal, until)
    )


async def test_it_proves_that_an_agency_had_not_acknowledged_by_a_time() -> None:
    async with two_boroughs() as world:
        fingerprint = world.hackney.node.network.fingerprint
        await world.hackney.submit(document())
        await world.settle()
        housing = (await world.bexley.legs(REF))["housing"]
        await world.bexley.answer("housing", housing.id, "ACCEPTED")
        await world.settle()
        world.clock.advance(3 * DAY)
        with pytest.raises(NotFound) as refused:
            await silence(world, START + 2 * DAY)
        assert refused.value.code == "silence_end"
        await speak(world)
        bundle = (await silence(world, START + 2 * DAY)).evidence
        finding = found(bundle, fingerprint)
        assert failing(finding) == {}
        assert finding.silent == (POLICE, START + 2 * DAY)
        answered = found((await silence(world, START + 2 * DAY, f"{BEXLEY}/housing")).evidence, fingerprint)
        assert failing(answered) == {f"{BEXLEY}/housing had not acknowledged it by then": Verdict.INVALID}
        with pytest.raises(NotFound):
            await silence(world, START + 2 * DAY, f"{BEXLEY}/nobody")


async def test_an_answer_that_came_after_the_time_does_not_break_the_silence_before() -> None:
    async with two_boroughs() as world:
        fingerprint = world.hackney.node.network.fingerprint
        await world.hackney.submit(document())
        await world.settle()
        world.clock.advance(DAY)
        await speak(world)
        world.clock.advance(DAY)
        leg = (await world.bexley.legs(REF))["police"]
        await world.bexley.answer("police", leg.id, "ACCEPTED")
        await world.settle()
        assert found((await silence(world, START + DAY)).evidence, fingerprint).verdict is Verdict.VALID
        world.clock.advance(DAY)
        await speak(world)
        late = found((await silence(world, START + 3 * DAY)).evidence, fingerprint)
        assert late.verdict is Verdict.INVALID


async def test_a_chain_with_a_hole_or_cut_at_either_end_proves_nothing() -> None:
    async with two_boroughs() as world:
        fingerprint = world.hackney.node.network.fingerprint
        await speak(world)
        world.clock.advance(60)
        other = restamp(json.loads(minimal_example()), world.clock.now())
        await world.hackney.submit(other)
        await world.settle()
        for _ in range(3):
            world.clock.advance(3600)
            await speak(world)
        bundle = (await silence(world, world.clock.now())).evidence
    assert found(bundle, fingerprint).verdict is Verdict.VALID
    told = bundle.silence
    assert told is not None
    links = list(told.links)
    assert len(links) >= 4

    def verdict(links: list[Link], **changes: Any) -> Verdict:
        return found(replace(bundle, silence=replace(told, links=links, **changes)), fingerprint).verdict

    assert verdict(links[1:]) is Verdict.CANNOT_TELL
    assert verdict(links[:-1]) is Verdict.CANNOT_TELL
    assert [verdict(links[:n] + links[n + 1 :]) for n in range(1, len(links) - 1)] == [Verdict.INVALID] * (
        len(links) - 2
    )
    assert verdict(links, until=told.until + 1) is Verdict.CANNOT_TELL
    assert verdict(links, by=f"{HACKNEY}/police") is Verdict.INVALID
    carrying = next(n for n, link in enumerate(links) if b"bx/1/receipts" in link.note)
    for other_part in (b"", flipped(links[carrying].part, 40)):
        swapped = [*links[:carrying], replace(links[carrying], part=other_part), *links[carrying + 1 :]]
        assert verdict(swapped) is Verdict.INVALID


async def test_the_first_word_of_a_new_stream_is_no_beginning() -> None:
    """After a restore the peer's earlier words stand in another stream, which the origin might not show."""
    async with two_boroughs() as world:
        fingerprint = world.hackney.node.network.fingerprint
        await world.hackney.submit(document())
        await world.settle()
        world.clock.advance(DAY)
        node = world.bexley.node
        fresh = StreamRow(HACKNEY, outgoing=True, stream="ab" * 16, seq=0, head=bytes(32))
        previous = {"previous": {"stream": "cd" * 16, "seq": 4}, "reason": "restored"}
        await node.store.write(lambda tx: tx.put_stream(fresh))
        await node.store.write(lambda tx: tell(tx, node, HACKNEY, {"stream": previous}, node.clock.now()))
        await world.settle()
        finding = found((await silence(world, START + DAY)).evidence, fingerprint)
    assert failing(finding) == {f"{POLICE} had not acknowledged it by then": Verdict.CANNOT_TELL}
