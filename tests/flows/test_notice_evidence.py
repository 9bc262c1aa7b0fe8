"""Notices in the evidence of a handover: judged offline like the handover itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.core.evidence import Evidence, unpack
from gateway.core.examination import Finding, judge_evidence
from gateway.core.judgement import Verdict
from gateway.flows import attest, notice_answer, notices, shred
from gateway.flows.evidence import gather
from gateway.testing.boroughs import BEXLEY, World

REF = "HO-E09000012-2026-000417"
SECRET = "CanaryZebulonQuux"
CORRECTION = {"kind": "CORRECTION", "role": SECRET, "reason_code": "DATA_INACCURATE", "text": SECRET}
WITHDRAWAL = {"kind": "WITHDRAWAL", "role": "Lead", "reason_code": "SENT_IN_ERROR"}
DONE = {"copies_destroyed": True, "onward_disclosure": False, "log_contains_payload": False}


async def told(world: World, document: Mapping[str, Any]) -> Evidence:
    """A handover, corrected, withdrawn, and attested by the police and the node."""
    hackney, bexley = world.hackney, world.bexley
    await hackney.submit(document)
    await world.settle()
    for said in (CORRECTION, WITHDRAWAL):
        words = notices.read(json.dumps(said).encode())
        made = await notices.issue(
            hackney.node, hackney.caller("community_safety"), REF, words, key=said["kind"]
        )
        await world.settle()
    await shred.take_up(bexley.node)
    await attest.sign_waiting(bexley.node)
    world.clock.advance(61)
    await world.settle()
    body = json.dumps({"state": "COMPLETED", "role": "Duty officer", "attestation": DONE}).encode()
    await notice_answer.answer(bexley.node, bexley.caller("police"), made.id, notice_answer.read(body))
    await world.settle()
    found = await gather(hackney.node, hackney.caller("community_safety"), REF, None, (), "AUDIT")
    return unpack(found.evidence.pack())


def judged(bundle: Evidence, world: World) -> Finding:
    return judge_evidence(bundle.pack(), world.hackney.node.network.fingerprint)


def failing(finding: Finding) -> list[str]:
    return [check.what for check in finding.checks if check.verdict is not Verdict.VALID]


async def test_it_shows_every_notice_and_who_took_it_in(world: World, document: dict[str, Any]) -> None:
    bundle = await told(world, document)
    finding = judged(bundle, world)
    assert failing(finding) == []
    kinds = [(one.notice.kind.value, one.by) for one in finding.notices]
    assert kinds == [
        ("CORRECTION", "E09000012/node"),
        ("WITHDRAWAL", "E09000012/node"),
        ("PURGE_ATTESTATION", "E09000004/node"),
    ]
    chain = finding.notices[1].readers[f"{BEXLEY}/police"]
    assert [(one.state, one.code) for one in chain] == [
        ("opened", ""),
        ("acknowledged", ""),
        ("completed", "COPIES_DESTROYED"),
    ]
    assert SECRET.encode() not in bundle.pack()


async def test_a_notice_that_was_changed_or_taken_from_another_handover_does_not_stand(
    world: World, document: dict[str, Any]
) -> None:
    bundle = await told(world, document)
    first, *rest = bundle.notices
    at = len(first.envelope) - 40
    changed = first.envelope[:at] + bytes((first.envelope[at] ^ 1,)) + first.envelope[at + 1 :]
    finding = judged(replace(bundle, notices=[replace(first, envelope=changed), *rest]), world)
    assert finding.verdict is Verdict.INVALID
    assert [one.notice.kind.value for one in finding.notices] == ["WITHDRAWAL", "PURGE_ATTESTATION"]
    other = replace(first, envelope=bundle.envelope, keys=bundle.keys, receipts=bundle.receipts)
    finding = judged(replace(bundle, notices=[other]), world)
    assert "notice 0: it is a notice about this handover" in failing(finding)
    assert finding.notices == []


async def test_a_receipt_about_the_handover_is_none_about_its_notice(
    world: World, document: dict[str, Any]
) -> None:
    bundle = await told(world, document)
    mixed = replace(bundle.notices[1], receipts=[*bundle.notices[1].receipts, bundle.receipts[0]])
    finding = judged(replace(bundle, notices=[bundle.notices[0], mixed]), world)
    assert finding.verdict is Verdict.INVALID
