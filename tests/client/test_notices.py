"""Notices at an agency with a key of its own: opened, receipted and answered there, sealed at its node."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from gateway.client.signing import sign
from gateway.errors import Conflict, Forged, GatewayError, NotAllowed
from gateway.flows import notices, shred
from gateway.flows.vault import secrets_of
from gateway.ports import Parcel

CORRECTION = {
    "kind": "CORRECTION",
    "role": "Team leader",
    "reason_code": "DATA_INACCURATE",
    "text": "CanaryZebulonQuux",
}
WITHDRAWAL = {"kind": "WITHDRAWAL", "role": "Team leader", "reason_code": "SENT_IN_ERROR"}
DONE = {"copies_destroyed": True, "onward_disclosure": False, "log_contains_payload": False}


async def issue(side: Any, ref: str, notice: Any) -> str:
    hackney = side.world.hackney
    words = notices.read(json.dumps(notice).encode())
    made = await notices.issue(
        hackney.node, hackney.caller("community_safety"), ref, words, key=notice["kind"]
    )
    await side.world.settle()
    return made.id


def answer(side: Any, notice: str, state: str = "ACKNOWLEDGED", **more: Any) -> Any:
    said = side.reply(notice)
    said.body = json.dumps({"state": state, "role": "Duty inspector", **more}).encode()
    return said


async def reader(side: Any, notice: str, borough: Any = None) -> Any:
    node = (borough or side.world.hackney).node
    legs = await node.store.read(lambda tx: tx.notice_legs(notice))
    return next(leg for leg in legs if leg.principal.endswith("/police"))


async def test_a_notice_is_read_and_answered_with_the_agencys_own_key(side: Any) -> None:
    agent = await side.ready()
    ref = await side.send()
    await agent.turn()
    notice = await issue(side, ref, CORRECTION)
    assert await agent.turn() == 1
    view = side.desk.given[-1][1]
    assert (view.kind, view.content["heading"]) == (Parcel.NOTICE, "Something in this handover is wrong")
    assert view.content["view"]["notice"]["text"] == CORRECTION["text"]
    said = answer(side, notice)
    await agent.take_answer(said)
    assert (said.settled, said.refused) == (1, [])
    await side.world.settle()
    for borough in side.world.boroughs:
        assert (await reader(side, notice, borough)).state == "ACKNOWLEDGED"
    row = await side.world.hackney.node.store.read(lambda tx: tx.notice(notice))
    kept = await side.world.hackney.node.store.read(
        lambda tx: tx.receipts(mid=row.mid, by=side.keys.principal)
    )
    assert [(one.state, one.applied) for one in kept] == [("opened", True), ("acknowledged", True)]
    assert await agent.turn() == 0
    written = b"".join(path.read_bytes() for path in side.folder.iterdir() if path.name != "network.json")
    assert b"CanaryZebulonQuux" not in written
    envelope = await side.node.store.read(lambda tx: tx.envelope(row.mid))
    assert side.keys.principal not in secrets_of(side.node, envelope).readers


async def test_the_handover_waits_for_its_notice(side: Any) -> None:
    agent = await side.ready()
    ref = await side.send()
    await issue(side, ref, CORRECTION)
    for _ in range(4):
        await agent.turn()
    assert [view.kind for _, view in side.desk.given] == [Parcel.NOTICE, Parcel.NOTIFICATION]


async def test_a_crash_between_receipt_and_answer_signs_nothing_twice(side: Any) -> None:
    agent = await side.ready()
    ref = await side.send()
    await agent.turn()
    notice = await issue(side, ref, CORRECTION)
    await agent.turn()
    agent = side.another()
    await agent.upkeep()
    await agent.take_answer(answer(side, notice))
    again = answer(side, notice)
    await agent.take_answer(again)
    assert (again.settled, again.refused) == (1, [])
    await side.world.settle()
    row = await side.world.hackney.node.store.read(lambda tx: tx.notice(notice))
    kept = await side.world.hackney.node.store.read(
        lambda tx: tx.receipts(mid=row.mid, by=side.keys.principal)
    )
    assert [one.state for one in kept] == ["opened", "acknowledged"]


async def test_a_lost_state_takes_up_the_chain_that_the_node_has(side: Any) -> None:
    agent = await side.ready()
    ref = await side.send()
    await agent.turn()
    notice = await issue(side, ref, CORRECTION)
    (entry,) = await agent.client.parcels()
    await agent.handle(entry)
    for path in side.folder.glob(f"{notice}*"):
        path.unlink()
    await agent.handle(entry)
    assert (await reader(side, notice, side.world.bexley)).state == "OPENED"
    row = await side.node.store.read(lambda tx: tx.notice(notice))
    kept = await side.node.store.read(lambda tx: tx.receipts(mid=row.mid, by=side.keys.principal))
    assert [one.state for one in kept] == ["opened"]


async def test_it_attests_what_is_destroyed_and_not_before_its_node_has_destroyed_it(side: Any) -> None:
    agent = await side.ready()
    ref = await side.send()
    await agent.turn()
    notice = await issue(side, ref, WITHDRAWAL)
    await agent.turn()
    unfit = answer(side, notice, "COMPLETED")
    await agent.take_answer(unfit)
    assert unfit.refused == ["attestation"]
    await shred.take_up(side.node)
    said = answer(side, notice, "COMPLETED", attestation=DONE)
    await agent.take_answer(said)
    assert said.refused == []
    await side.world.settle()
    leg = await reader(side, notice)
    assert (leg.state, leg.code) == ("COMPLETED", "COPIES_DESTROYED")


async def test_its_node_takes_no_attestation_while_it_holds_keys_itself(side: Any) -> None:
    agent = await side.ready()
    ref = await side.send()
    await agent.turn()
    notice = await issue(side, ref, WITHDRAWAL)
    await agent.turn()
    record = agent.records.find(notice)
    net, prev = agent.client.network.net, record.signed[-1]
    signed = []
    for state, code in (("acknowledged", ""), ("completed", "COPIES_DESTROYED")):
        at = side.world.clock.now()
        prev = sign(side.keys, net, record.about, state, at=at, prev=prev, code=code)
        signed.append(prev)
    with pytest.raises(Conflict) as caught:
        await agent.client.bring_receipts(notice, signed)
    assert caught.value.code == "not_destroyed"
    await shred.take_up(side.node)
    await agent.client.bring_receipts(notice, signed)
    assert (await reader(side, notice, side.world.bexley)).state == "COMPLETED"


async def test_what_is_withdrawn_is_relayed_no_more(side: Any) -> None:
    agent = await side.ready()
    ref = await side.send()
    leg = await side.leg(ref)
    await issue(side, ref, WITHDRAWAL)
    with pytest.raises(NotAllowed):
        await agent.client.fetch(f"notification-{leg.id}")


async def test_a_notice_under_another_id_than_the_sender_sealed_reaches_no_adapter(side: Any) -> None:
    agent = await side.ready()
    ref = await side.send()
    await agent.turn()
    notice = await issue(side, ref, CORRECTION)
    (entry,) = await agent.client.parcels()
    sealed = await agent.client.fetch(entry.parcel)
    swapped = replace(sealed, parcel=sealed.parcel.replace(notice, "0" * 32))
    with pytest.raises(Forged) as caught:
        agent.client.opened(swapped)
    assert caught.value.code == "relay_facts"


async def test_a_notice_is_taken_with_a_signature_and_not_by_saying_so(side: Any) -> None:
    agent = await side.ready()
    ref = await side.send()
    await agent.turn()
    await issue(side, ref, CORRECTION)
    (entry,) = await agent.client.parcels()
    with pytest.raises(Conflict) as caught:
        await agent.client.settle(entry.parcel)
    assert caught.value.code == "not_receipted"


@pytest.mark.parametrize(
    ("state", "code", "refused"),
    [
        ("accepted", "", "receipt_state"),
        ("completed", "", "illegal_transition"),
        ("acknowledged", "WHY", "reason_code"),
    ],
)
async def test_the_node_takes_no_receipt_that_the_sender_would_refuse(
    side: Any, state: str, code: str, refused: str
) -> None:
    agent = await side.ready()
    ref = await side.send()
    await agent.turn()
    notice = await issue(side, ref, CORRECTION)
    await agent.turn()
    record = agent.records.find(notice)
    note = sign(
        side.keys,
        agent.client.network.net,
        record.about,
        state,
        at=side.world.clock.now(),
        prev=record.signed[-1],
        code=code,
    )
    with pytest.raises(GatewayError) as caught:
        await agent.client.bring_receipts(notice, [note])
    assert caught.value.code == refused
