"""The record of a breach: 72 hours from the signed receipt, calls at 24, 48 and 60, decisions of people."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.breach import Delay, Exemption, What
from gateway.core.encoding import decode_object
from gateway.errors import GatewayError, InvalidDocument, NotAllowed
from gateway.flows import breaches, notices
from gateway.flows.breaches import Step
from gateway.flows.deliver import open_parked
from gateway.ports import BreachRow
from gateway.testing.boroughs import BEXLEY, Borough, World, two_boroughs

REF = "HO-E09000012-2026-000417"
HOUR = 3600
DPO = {"role": "Data Protection Officer", "actor": "dpo-1"}
WHY = "one officer under a duty of confidence, destroyed in two hours"
ALARMS = ("breach_24h", "breach_48h", "breach_60h", "breach_overdue")


async def read(borough: Borough, work: Any) -> Any:
    return await borough.node.store.read(work)


async def standing(borough: Borough) -> list[str]:
    rows = await read(borough, lambda tx: tx.alarms(cleared=False, limit=100))
    return [row.code for row in rows if row.code.startswith("breach")]


async def give_back(world: World, document: dict[str, Any]) -> BreachRow:
    await world.hackney.submit(document)
    await world.settle()
    leg = (await world.bexley.legs(REF))["housing"]
    await world.bexley.answer("housing", leg.id, "RETURNED", reason_code="WRONG_AREA")
    await world.settle()
    [row] = await read(world.hackney, lambda tx: tx.breaches(REF))
    return row  # type: ignore[no-any-return]


async def wait_until(world: World, at: int) -> None:
    world.clock.advance(at - world.clock.now())
    await world.settle()


async def test_people_are_called_at_24_48_60_and_72_hours_and_to_the_second(
    world: World, document: dict[str, Any]
) -> None:
    row = await give_back(world, document)
    assert not row.near_miss
    assert row.opened > 0
    assert row.parts > 0
    assert await standing(world.hackney) == ["breach"]
    for hours, code in zip((24, 48, 60, 72), ALARMS, strict=True):
        await wait_until(world, row.aware + hours * HOUR - 1)
        assert code not in await standing(world.hackney)
        await wait_until(world, row.aware + hours * HOUR)
        assert sorted(await standing(world.hackney)) == sorted(["breach", code]), "the newest alone"
    told = await read(world.bexley, lambda tx: tx.notices(ref=REF))
    [record] = [one for one in told if one.kind == "BREACH_RECORD"]
    assert json.loads(record.facts) == {"handover": REF, "until": row.aware + 72 * HOUR}


async def test_a_decision_stops_the_clock_and_everything_is_on_record(
    world: World, document: dict[str, Any]
) -> None:
    row, node = await give_back(world, document), world.hackney.node
    step = Step(What.UNLIKELY_TO_RESULT_IN_RISK, **DPO, rationale=WHY)
    await breaches.decide(node, row.id, step)
    assert await standing(world.hackney) == []
    await wait_until(world, row.aware + 96 * HOUR)
    assert await standing(world.hackney) == []
    [kept] = await read(world.hackney, lambda tx: tx.breach_steps(row.id))
    assert (kept.what, kept.role) == ("UNLIKELY_TO_RESULT_IN_RISK", "Data Protection Officer")
    assert WHY.encode() not in kept.sealed
    assert breaches.words(node.keys, kept) == WHY
    size = await read(world.hackney, lambda tx: tx.log_size())
    leaves = await read(world.hackney, lambda tx: [decode_object(leaf) for _, leaf in tx.log(0, size)])
    said = [leaf for leaf in leaves if leaf.get("breach") == row.id]
    assert [leaf["t"] for leaf in said] == ["breach", "breach_step"]
    assert WHY not in json.dumps(leaves)


@pytest.mark.parametrize(
    ("step", "field"),
    [
        (Step(What.UNLIKELY_TO_RESULT_IN_RISK, **DPO), "/rationale"),
        (Step(What.NOTIFY_ICO, **DPO, delay=Delay.FACTS_NOT_KNOWN), "/delay"),
        (Step(What.NOTIFY_ICO, **DPO, at=1), "/at"),
        (Step(What.SUBJECT_NOT_TOLD, **DPO, rationale=WHY), "/exemption"),
        (Step(What.TELL_SUBJECT, **DPO, high_risk=True), "/high_risk"),
        (Step(What.NOTIFY_ICO, role=" ", actor="x"), "/role"),
    ],
)
async def test_what_cannot_be_recorded_so(
    world: World, document: dict[str, Any], step: Step, field: str
) -> None:
    row = await give_back(world, document)
    with pytest.raises(InvalidDocument) as caught:
        await breaches.decide(world.hackney.node, row.id, step)
    assert [problem.field for problem in caught.value.problems] == [field]
    assert await read(world.hackney, lambda tx: tx.breach_steps(row.id)) == []


async def test_later_than_72_hours_it_has_to_be_said_why(world: World, document: dict[str, Any]) -> None:
    row, node = await give_back(world, document), world.hackney.node
    await wait_until(world, row.aware + 72 * HOUR)
    on_time = Step(What.NOTIFY_ICO, **DPO, at=row.aware + 72 * HOUR)
    await wait_until(world, row.aware + 72 * HOUR + 1)
    with pytest.raises(InvalidDocument) as caught:
        await breaches.decide(node, row.id, Step(What.NOTIFY_ICO, **DPO))
    assert [problem.rule for problem in caught.value.problems] == ["R30"]
    await breaches.decide(node, row.id, Step(What.NOTIFY_ICO, **DPO, delay=Delay.OTHER_CONTROLLER_LATE))
    await breaches.decide(node, row.id, on_time)
    steps = await read(world.hackney, lambda tx: tx.breach_steps(row.id))
    assert [step.code for step in steps] == ["OTHER_CONTROLLER_LATE", ""]


async def test_s68_where_the_risk_is_high_the_person_is_told_or_the_ground_recorded(
    world: World, document: dict[str, Any]
) -> None:
    row, node = await give_back(world, document), world.hackney.node
    await breaches.decide(node, row.id, Step(What.NOTIFY_ICO, **DPO, high_risk=True))
    assert await standing(world.hackney) == ["breach_tell_subject"]
    not_told = Step(
        What.SUBJECT_NOT_TOLD,
        **DPO,
        rationale="it would expose the address",
        exemption=Exemption.RISK_REMOVED,
    )
    await breaches.decide(node, row.id, not_told)
    assert await standing(world.hackney) == []


async def test_a_near_miss_has_no_clock_and_is_not_reported(document: dict[str, Any]) -> None:
    async with two_boroughs(pulling=["housing"]) as world:
        row, node = await give_back(world, document), world.hackney.node
        assert row.near_miss
        assert await standing(world.hackney) == []
        with pytest.raises(NotAllowed):
            await breaches.decide(node, row.id, Step(What.NOTIFY_ICO, **DPO))
        with pytest.raises(NotAllowed):
            await read(world.hackney, lambda tx: breaches.report(tx, node, row, "DPO"))
        told = await read(world.bexley, lambda tx: tx.notices(ref=REF))
        assert "BREACH_RECORD" not in {one.kind for one in told}


async def test_an_unlawful_disclosure_opens_one_and_a_drill_none(
    world: World, document: dict[str, Any]
) -> None:
    await world.hackney.submit(document)
    await world.settle()
    words = {"kind": "UNLAWFUL_DISCLOSURE", "role": "Team leader", "reason_code": "EXCESSIVE_DATA"}
    notice = notices.read(json.dumps(words).encode())
    await notices.issue(world.hackney.node, world.hackney.caller("community_safety"), REF, notice, key="1")
    [row] = await read(world.hackney, lambda tx: tx.breaches())
    assert (row.source, row.code, row.area, row.near_miss) == (
        "UNLAWFUL_DISCLOSURE",
        "EXCESSIVE_DATA",
        BEXLEY,
        False,
    )
    assert await read(world.bexley, lambda tx: tx.breaches()) == [], "it is the origin's"


async def test_the_report_has_what_the_law_asks_for_and_no_name(
    world: World, document: dict[str, Any]
) -> None:
    row, node = await give_back(world, document), world.hackney.node
    await breaches.decide(node, row.id, Step(What.NOTIFY_ICO, **DPO, rationale=WHY))
    found = await read(world.hackney, lambda tx: breaches.report(tx, node, row, "DPO, dpo@hackney.test"))
    assert found["people"] == 1
    assert "core" in found["categories_of_data"]
    assert found["measures"][0]["what"] == "PURGE_ORDER"
    assert found["consequences"][0]["why"] == WHY
    assert found["contact"] == "DPO, dpo@hackney.test"
    assert found["delay"] is None
    core = document["core"]["value"] if "value" in document["core"] else document["core"]
    assert str(core["family_name"]) not in json.dumps(found)


async def test_a_record_by_hand_counts_from_when_it_was_known(world: World, document: dict[str, Any]) -> None:
    await world.hackney.submit(document)
    node, now = world.hackney.node, world.clock.now()
    said = {"area": BEXLEY, "code": "PRINT_LOST", **DPO}
    row = await breaches.open_by_hand(node, REF, **said, aware=now - 50 * HOUR, people=3)
    await world.settle()
    assert sorted(await standing(world.hackney)) == ["breach", "breach_48h"]
    with pytest.raises(InvalidDocument):
        await breaches.open_by_hand(node, REF, **said, aware=now + 1)
    with pytest.raises(GatewayError):
        await breaches.open_by_hand(node, "HO-E09000012-2026-999999", **said)
    assert (row.people, row.version) == (3, 1)


async def test_a_near_miss_that_was_opened_after_all_is_a_breach_from_that_receipt_on(
    document: dict[str, Any],
) -> None:
    """The agency says RETURNED, and opens it before the order has reached its node."""
    async with two_boroughs(pulling=["housing"]) as world:
        await world.hackney.submit(document)
        await world.settle()
        leg = (await world.bexley.legs(REF))["housing"]
        await world.bexley.answer("housing", leg.id, "RETURNED", reason_code="WRONG_AREA")
        await world.bexley.turn()
        await world.deliver_mail(world.hackney)
        await world.hackney.turn()
        [before] = await read(world.hackney, lambda tx: tx.breaches(REF))
        assert before.near_miss
        near = Step(What.UNLIKELY_TO_RESULT_IN_RISK, **DPO, rationale="nobody opened it")
        await breaches.decide(world.hackney.node, before.id, near)
        world.clock.advance(HOUR)
        caller = world.bexley.caller("housing")
        parcel = f"notification-{leg.id}"
        await open_parked(world.bexley.node, caller, parcel, justification="ALLOCATED_CASE")
        await world.settle()
        [after] = await read(world.hackney, lambda tx: tx.breaches(REF))
        assert (after.id, after.near_miss, after.aware) == (before.id, False, before.aware + HOUR)
        assert after.opened == after.aware
        assert await standing(world.hackney) == ["breach"], (
            "what was decided of the near miss stands for nothing"
        )
        await wait_until(world, after.aware + 24 * HOUR)
        assert "breach_24h" in await standing(world.hackney)
        told = await read(world.bexley, lambda tx: tx.notices(ref=REF))
        assert sorted(one.kind for one in told if one.ref == REF and one.side == "destination") == [
            "BREACH_RECORD",
            "PURGE_ORDER",
        ]
        shown = await read(world.hackney, lambda tx: breaches.shown(tx, after))
        assert (shown["kind"], shown["state"]) == ("BREACH", "OPEN")
