"""A handover goes to the wrong borough: example 5 through three nodes, step by step, read from its file;
and what is late, asked for and attested where people do nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.core.breach import What
from gateway.flows import attest, breaches, custody, notice_answer, shred
from gateway.flows.breaches import Step
from gateway.flows.deliver import open_parked
from gateway.ports import Parcel, Side
from gateway.testing.anywhere import boroughs
from gateway.testing.boroughs import Borough, World, sections
from schemas.samples import example_text, restamp

EXAMPLE: dict[str, Any] = json.loads(example_text("returned"))
STEPS: dict[int, dict[str, Any]] = {step["seq"]: step for step in EXAMPLE["sequence"]}
REF: str = EXAMPLE["handover_id"]
LAMBETH, SOUTHWARK, LEWISHAM = "E09000022", "E09000028", "E09000023"
HOUSING = "housing"
HOUR = 3600
UNSENT = ("orders", "associates", "support", "identifiers")
OTHERS = ("POLICE", "PROBATION", "COMMUNITY_SAFETY", "LEAVING_CARE", "DWP")
"""The example follows one section set; who else is told is another matter."""


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def said(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    start = at(STEPS[1]["issued_at"])
    async with boroughs(LAMBETH, SOUTHWARK, LEWISHAM, at=start, pulling=[HOUSING]) as world:
        yield world


def document(step: dict[str, Any]) -> dict[str, Any]:
    """A whole document for one HANDOVER_NOTIFICATION of the example: one leg, the sections that it lists."""
    made = restamp(json.loads(example_text("adult")), at(step["issued_at"]))
    area, agency = step["to"].split("/")
    made["message"].update(
        handover_id=REF,
        version=step["version"],
        message_id=step["message_id"],
        supersedes=step.get("supersedes"),
    )
    made["message"]["authorised_by"]["area"] = LAMBETH
    made["routing"]["origin"] = {"area_code": LAMBETH, "area_name": "Lambeth", "profile": "STANDARD"}
    made["routing"]["destination"] = {"area_code": area, "area_name": area, "profile": "STANDARD"}
    [leg] = [one for one in made["routing"]["recipients"] if one["agency"] == agency]
    made["routing"]["recipients"] = [leg | {"sections": step["sections"]}]
    made["move"].update(from_area=LAMBETH, to_area=area, safe_areas=[area], unsafe_areas=[LAMBETH])
    for name in UNSENT:
        made.pop(name, None)
    made["routing"]["not_relevant"] = [{"agency": name, "reason": "SEPARATE_HANDOVER"} for name in OTHERS]
    made["core"]["family_name"] = STEPS[1]["subject"]["family_name"]
    return made


async def until(world: World, moment: str) -> None:
    world.clock.advance(at(moment) - world.clock.now())
    await world.settle()


async def read(borough: Borough, work: Any) -> Any:
    return await borough.node.store.read(work)


async def destroyed(world: World) -> None:
    """What a running node's housekeeping does within minutes."""
    for _ in range(2):
        for borough in world.boroughs:
            await shred.take_up(borough.node)
            await attest.sign_waiting(borough.node)
        world.clock.advance(61)
        await world.settle()


async def issued(world: World) -> None:
    await world.of(LAMBETH).submit(document(STEPS[1]))
    await until(world, STEPS[2]["at"])


async def returned(world: World) -> None:
    """Steps 1 to 3."""
    await issued(world)
    southwark, step = world.of(SOUTHWARK), STEPS[3]
    await until(world, step["opened_at"])
    leg = (await southwark.legs(REF))[HOUSING]
    caller = southwark.caller(HOUSING)
    await open_parked(southwark.node, caller, f"notification-{leg.id}", justification="ALLOCATED_CASE")
    words = {name: step[name] for name in ("reason_code", "reason_text", "suggested_area")}
    await southwark.answer(HOUSING, leg.id, step["state"], **words)
    await world.settle()


async def order_of(world: World) -> Any:
    found = await read(world.of(LAMBETH), lambda tx: tx.notices(ref=REF))
    [order] = [row for row in found if row.kind == STEPS[4]["type"]]
    return order


async def attested(world: World) -> None:
    """Steps 4 and 5."""
    southwark, order = world.of(SOUTHWARK), await order_of(world)
    await destroyed(world)
    await until(world, STEPS[5]["at"])
    [leg] = await read(southwark, lambda tx: tx.notice_legs(order.id))
    caller = southwark.caller(HOUSING)
    await open_parked(southwark.node, caller, f"notice-{order.id}-{leg.leg}", justification="ALLOCATED_CASE")
    told = {"copies_destroyed": True, "onward_disclosure": False, "log_contains_payload": False}
    words = {"state": "COMPLETED", "role": STEPS[5]["statement_signed_by_role"], "attestation": told}
    answer = notice_answer.read(json.dumps(words).encode())
    await notice_answer.answer(southwark.node, caller, order.id, answer)
    await world.settle()


async def decided(world: World) -> None:
    """Step 6."""
    lambeth, step = world.of(LAMBETH), STEPS[6]
    [row] = await read(lambeth, lambda tx: tx.breaches(REF))
    decision = Step(
        What(step["risk_decision"]), step["decided_by_role"], "dpo-1", rationale=step["rationale"]
    )
    await breaches.decide(lambeth.node, row.id, decision)


async def sent_again(world: World) -> None:
    """Steps 7 and 8."""
    await until(world, STEPS[8]["issued_at"])
    await world.of(LAMBETH).submit(document(STEPS[8]), key="k2")
    await world.settle()


@pytest.mark.row("MISDIRECTED")
@pytest.mark.row("F14_BREACH")
async def test_example_5_a_misdirected_handover_is_returned_purged_attested_and_sent_again(
    world: World,
) -> None:
    lambeth, southwark, lewisham = (world.of(area) for area in (LAMBETH, SOUTHWARK, LEWISHAM))
    await returned(world)

    # 2: the technical receipt, signed by the node within the time of the example
    leg = (await lambeth.legs(REF))[HOUSING]
    assert said(leg.delivered) == STEPS[2]["at"]
    # 3: RETURNED, with who, why and when in signed receipts; the words go to the agency alone
    receipts = await read(lambeth, lambda tx: tx.receipts(mid=leg.mid, by=f"{SOUTHWARK}/{HOUSING}"))
    assert [(row.state, row.code) for row in receipts] == [
        ("opened", ""),
        ("acknowledged", ""),
        ("returned", STEPS[3]["reason_code"]),
    ]
    assert {said(row.at) for row in receipts} == {STEPS[3]["opened_at"]}
    tasks = await read(lambeth, lambda tx: tx.tasks_of(leg.id))
    [reply] = [task for task in tasks if task.kind is Parcel.REPLY]
    view = await open_parked(lambeth.node, lambeth.caller(HOUSING), reply.id, justification="ALLOCATED_CASE")
    assert STEPS[3]["suggested_area"] in json.dumps(view.content)
    # 4: the order, by itself, due a day later
    order = await order_of(world)
    assert said(json.loads(order.facts)["due"]) == STEPS[4]["due_at"]
    # 6 (its first half): we are aware when we have the signed receipt, and 72 hours run from there
    [record] = await read(lambeth, lambda tx: [breaches.shown(tx, row) for row in tx.breaches(REF)])
    assert at(record["aware_at"]) == at(STEPS[6]["aware_at"])
    assert at(record["notify_ico_by"]) == at(STEPS[6]["notify_ico_by"])
    assert (record["kind"], record["state"], record["area"]) == ("BREACH", "OPEN", SOUTHWARK)

    # 5: attested by node and agency, and nothing opens there any more
    await attested(world)
    row = await read(lambeth, lambda tx: tx.notice(order.id))
    assert row.state == "DONE"
    [reader] = await read(lambeth, lambda tx: tx.notice_legs(order.id))
    assert (said(reader.updated), reader.code) == (STEPS[5]["at"], "COPIES_DESTROYED")
    assert (await read(southwark, lambda tx: tx.handover(REF))).state == "PURGED"
    assert all(open_ == [] for _, open_ in await attest.audit(southwark.node))

    # 6: decided; nobody is called and neither the Commissioner nor the person was told
    await decided(world)
    [record] = await read(lambeth, lambda tx: [breaches.shown(tx, row) for row in tx.breaches(REF)])
    assert record["state"] == "DECIDED"
    assert [(step["what"], step["role"]) for step in record["steps"]] == [
        (STEPS[6]["risk_decision"], STEPS[6]["decided_by_role"])
    ]

    # 7, 8: the wrong borough is told that it was an error, and no more; the right one gets version 2
    await sent_again(world)
    notices = await read(southwark, lambda tx: tx.notices(ref=REF))
    [correction] = [one for one in notices if one.kind == "CORRECTION"]
    assert (correction.version, correction.code, json.loads(correction.facts)) == (1, "SENT_IN_ERROR", {})
    parcel = f"notice-{correction.id}-{leg.id}"
    view = await open_parked(
        southwark.node, southwark.caller(HOUSING), parcel, justification="ALLOCATED_CASE"
    )
    assert "do not act on it" in json.dumps(view.content)
    assert LEWISHAM not in json.dumps(view.content)
    assert await read(southwark, lambda tx: tx.handover(REF, 2)) is None
    again = await read(lewisham, lambda tx: tx.handover(REF))
    assert (again.version, again.side, again.state) == (2, Side.DESTINATION, "ISSUED")
    first, second = [await read(lambeth, lambda tx, n=n: tx.handover(REF, n)) for n in (1, 2)]
    assert (first.state, first.destination, second.destination) == ("SUPERSEDED", SOUTHWARK, LEWISHAM)

    # 9: accepted the next morning, and only now is somebody else responsible
    await until(world, STEPS[9]["at"])
    new = (await lewisham.legs(REF, 2))[HOUSING]
    view = await open_parked(
        lewisham.node, lewisham.caller(HOUSING), f"notification-{new.id}", justification="ALLOCATED_CASE"
    )
    assert set(STEPS[8]["sections"]) <= set(sections(view))
    await lewisham.answer(HOUSING, new.id, STEPS[9]["state"])
    await world.settle()
    accepted = (await lambeth.legs(REF, 2))[HOUSING]
    assert (accepted.state, said(accepted.updated)) == (STEPS[9]["state"], STEPS[9]["at"])


@pytest.mark.row("MISDIRECTED")
async def test_the_chain_of_custody_says_who_had_it_and_that_it_is_gone_and_not_where_it_went(
    world: World,
) -> None:
    await returned(world)
    await attested(world)
    await sent_again(world)
    chain = {
        area: await read(world.of(area), lambda tx, area=area: custody.shown(tx, REF, f"{area}/{HOUSING}"))
        for area in (LAMBETH, SOUTHWARK, LEWISHAM)
    }
    [ours], [theirs] = chain[LAMBETH]["earlier"], chain[LEWISHAM]["earlier"]
    assert (ours.pop("area"), theirs.pop("area")) == (SOUTHWARK, None)
    assert ours == theirs
    assert (ours["version"], ours["agency"], ours["code"]) == (1, "HOUSING", "WRONG_AREA")
    assert at(ours["returned_at"]) == at(STEPS[3]["opened_at"])
    assert at(ours["agency_attested_at"]) == at(STEPS[5]["at"])
    assert at(ours["returned_at"]) <= at(ours["purge_ordered_at"]) <= at(ours["node_attested_at"])
    assert chain[SOUTHWARK] == {"handover": REF, "version": 1, "earlier": []}
    kept = await read(world.of(SOUTHWARK), lambda tx: (tx.notices(ref=REF), tx.legs(REF, 1)))
    assert LEWISHAM not in repr(kept)


@pytest.mark.row("F14_BREACH")
async def test_s67_a_breach_is_counted_from_the_signed_receipt_and_people_are_called_at_24_48_and_60_hours(
    world: World,
) -> None:
    await returned(world)
    lambeth, aware = world.of(LAMBETH), world.clock.now()
    for hours, code in ((24, "breach_24h"), (48, "breach_48h"), (60, "breach_60h"), (72, "breach_overdue")):
        world.clock.advance(aware + hours * HOUR - 1 - world.clock.now())
        await world.settle()
        assert await read(lambeth, lambda tx, code=code: tx.standing_alarms(code)) == []
        world.clock.advance(1)
        await world.settle()
        [alarm] = await read(lambeth, lambda tx, code=code: tx.standing_alarms(code))
        assert (alarm.at, alarm.peer) == (aware + hours * HOUR, SOUTHWARK)
    [late] = await read(lambeth, lambda tx: tx.standing_alarms("purge_overdue"))
    assert late.subject.endswith(f"{SOUTHWARK}/{HOUSING}")


@pytest.mark.row("MISDIRECTED")
async def test_whoever_had_it_by_mistake_is_told_once_and_hears_of_no_later_version(world: World) -> None:
    await returned(world)
    await attested(world)
    await sent_again(world)
    southwark = world.of(SOUTHWARK)
    before = await read(southwark, lambda tx: tx.notices(ref=REF))
    third = document({**STEPS[8], "version": 3, "supersedes": STEPS[8]["message_id"]})
    third["message"]["message_id"] = "00000003-00c2-59aa-b088-95b3c29e1261"
    await world.of(LAMBETH).submit(third, key="k3")
    await world.settle()
    assert await read(southwark, lambda tx: tx.notices(ref=REF)) == before
    chain = await read(world.of(LEWISHAM), lambda tx: custody.shown(tx, REF, f"{LEWISHAM}/{HOUSING}"))
    assert [(one["version"], one["code"]) for one in chain["earlier"]] == [(1, "WRONG_AREA")]
    kinds = [row.kind for row in await read(world.of(LEWISHAM), lambda tx: tx.notices(ref=REF))]
    assert kinds == ["UPDATE"], "the others hear what they always heard"


@pytest.mark.row("MISDIRECTED")
async def test_sent_again_before_it_is_attested_stands_against_no_attestation(world: World) -> None:
    """Nobody who is at risk waits for the wrong borough: version 2 may go at once."""
    await returned(world)
    second = document({**STEPS[8], "issued_at": said(world.clock.now())})
    await world.of(LAMBETH).submit(second, key="k2")
    await world.settle()
    await attested(world)
    assert (await order_of(world)).state == "DONE"
