"""Deadlines through two whole nodes: hours by day and night when urgent, working days when not."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager
from datetime import datetime

import pytest

from gateway.core.deadlines import LONDON, london_day
from gateway.testing.anywhere import boroughs
from gateway.testing.boroughs import BEXLEY, HACKNEY, Borough, World
from gateway.testing.pager import LADDERS, hang
from keys_example import AGENCIES
from schemas.samples import example_text, minimal_example, restamp

NEWHAM, HILLINGDON = "E09000025", "E09000017"
DAY = 86_400


def at(text: str) -> int:
    """Local time in London -> unix seconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=LONDON).timestamp())


def adult(moment: int) -> AbstractAsyncContextManager[World]:
    """Hackney and Bexley with the agencies of the case study."""
    return boroughs(HACKNEY, BEXLEY, at=moment, roles=dict.fromkeys((HACKNEY, BEXLEY), AGENCIES))


async def issued(world: World) -> str:
    """Example 1, issued now and received in the same second."""
    document = restamp(json.loads(minimal_example()), world.clock.now())
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    return ref


async def urgent(world: World, *, conference: bool = False) -> str:
    """Example 2, issued now. ``conference``: with the child protection conference among its actions."""
    document = restamp(json.loads(example_text("urgent")), world.clock.now())
    for item in (document["risk_to"], *document["history"]):
        item["review_by"] = str(london_day(world.clock.now() + 60 * DAY))
    if conference:
        (first, *_) = [one for one in document["actions"] if one["agency"] == "CHILDRENS_SOCIAL_CARE"]
        document["actions"].append(first | {"action_id": "CP1", "code": "CC-01"})
    ref = (await world.hackney.submit(document, role="childrens_social_care")).ref
    await world.settle()
    return ref


async def due(borough: Borough, ref: str, role: str, code: str) -> int:
    """By when an action of a leg is to be done, as this node keeps it; its interim part left out."""
    leg = (await borough.legs(ref))[role]
    rows = await borough.node.store.read(lambda tx: tx.actions(leg.id))
    (found,) = [row for row in rows if row.code == code and not row.action.endswith("-interim")]
    return found.due


async def late(borough: Borough, ref: str, role: str) -> str:
    return str((await borough.legs(ref))[role].overdue)


async def pass_to(world: World, moment: int) -> None:
    world.clock.advance(moment - world.clock.now())
    await world.settle()


# --- urgent ---------------------------------------------------------------------------------------------


@pytest.mark.row("URGENT")
async def test_urgent_move_issued_on_saturday_at_22_40_is_to_be_acknowledged_by_sunday_00_40() -> None:
    async with boroughs(NEWHAM, HILLINGDON, at=at("2026-12-05T22:40")) as world:
        ref = await urgent(world)
        for borough in world.boroughs:
            for leg in (await borough.legs(ref)).values():
                assert leg.acknowledge_by == at("2026-12-06T00:40")
                assert leg.decide_by == at("2026-12-06T02:40")
        await pass_to(world, at("2026-12-06T00:40") - 1)
        assert [await late(borough, ref, "police") for borough in world.boroughs] == ["", ""]
        await pass_to(world, at("2026-12-06T00:40"))
        assert [await late(b, ref, "police") for b in world.boroughs] == ["acknowledge", "acknowledge"]


@pytest.mark.row("URGENT")
async def test_urgent_move_that_nobody_acknowledges_climbs_the_chain_on_both_sides_at_night() -> None:
    """Every half hour the next named role, until a named human has it; then the telephone is silent."""
    async with boroughs(NEWHAM, HILLINGDON, at=at("2026-12-05T22:40")) as world:
        bells = [hang(borough, LADDERS) for borough in world.boroughs]
        ref = await urgent(world)
        leg = (await world.bexley.legs(ref))["police"]
        for moment in ("2026-12-06T00:40", "2026-12-06T01:10", "2026-12-06T01:40", "2026-12-06T02:10"):
            await pass_to(world, at(moment))
        for bell in bells:
            called = [page.role for page in bell.rung if page.agency == "POLICE" and page.handover == ref]
            assert called == ["duty_officer", "manager", "director", "director"]
        await world.bexley.answer("police", leg.id, "RECEIVED")
        await world.settle()
        rung = [len(bell.rung) for bell in bells]
        await pass_to(world, at("2026-12-06T02:39"))
        for bell, before in zip(bells, rung, strict=True):
            assert not [page for page in bell.rung[before:] if page.agency == "POLICE"]


@pytest.mark.row("URGENT")
@pytest.mark.parametrize(
    ("begin", "wall"), [("2027-03-28T00:30", "2027-03-28T03:30"), ("2027-10-31T00:30", "2027-10-31T01:30")]
)
async def test_urgent_hours_are_elapsed_hours_when_the_clocks_change(begin: str, wall: str) -> None:
    """In March two hours after 00:30 are 03:30 by the wall; in October 01:30, for the second time."""
    async with boroughs(NEWHAM, HILLINGDON, at=at(begin)) as world:
        ref = await urgent(world)
        for borough in world.boroughs:
            leg = (await borough.legs(ref))["police"]
            assert leg.acknowledge_by == at(begin) + 2 * 3600
            assert datetime.fromtimestamp(leg.acknowledge_by, LONDON).strftime("%Y-%m-%dT%H:%M") == wall
        await pass_to(world, at(begin) + 2 * 3600 - 1)
        assert [await late(borough, ref, "police") for borough in world.boroughs] == ["", ""]
        await pass_to(world, at(begin) + 2 * 3600)
        assert [await late(b, ref, "police") for b in world.boroughs] == ["acknowledge", "acknowledge"]


@pytest.mark.row("URGENT")
@pytest.mark.parametrize(
    ("begin", "acknowledge", "decide"),
    [
        ("2026-11-27T16:00", "2026-11-30T17:00", "2026-12-04T17:00"),  # a weekend
        ("2026-12-24T10:00", "2026-12-29T17:00", "2027-01-05T17:00"),  # 25 and 28 December, 1 January
        ("2026-12-31T10:00", "2027-01-04T17:00", "2027-01-08T17:00"),
        ("2027-03-25T10:00", "2027-03-30T17:00", "2027-04-05T17:00"),  # Easter, and the clocks go forward
        ("2027-10-29T10:00", "2027-11-01T17:00", "2027-11-05T17:00"),  # the clocks go back
    ],
)
async def test_standard_deadlines_skip_weekends_and_bank_holidays_and_end_at_five_in_london(
    begin: str, acknowledge: str, decide: str
) -> None:
    async with adult(at(begin)) as world:
        ref = await issued(world)
        for moment, before, after in (
            (at(acknowledge), "", "acknowledge"),
            (at(decide), "acknowledge", "acknowledge,decide"),
        ):
            await pass_to(world, moment - 1)
            assert [await late(borough, ref, "housing") for borough in world.boroughs] == [before, before]
            await pass_to(world, moment)
            assert [await late(borough, ref, "housing") for borough in world.boroughs] == [after, after]


# --- working days of one action -------------------------------------------------------------------------


@pytest.mark.row("PROBATION")
@pytest.mark.parametrize(
    ("begin", "ten", "twenty"),
    [("2026-11-24T10:05", "2026-12-08", "2026-12-22"), ("2026-12-14T10:05", "2026-12-30", "2027-01-14")],
)
async def test_probation_assesses_the_address_in_ten_working_days_and_completes_the_transfer_in_twenty(
    begin: str, ten: str, twenty: str
) -> None:
    """Both nodes keep the same second, from the receiving node's signed receipt."""
    async with adult(at(begin)) as world:
        ref = await issued(world)
        for borough in world.boroughs:
            assert await due(borough, ref, "probation", "PR-02") == at(f"{ten}T17:00")
            assert await due(borough, ref, "probation", "PR-03") == at(f"{twenty}T17:00")


@pytest.mark.row("PROBATION")
async def test_probation_the_clock_starts_at_the_receiving_nodes_receipt_and_not_at_the_issue() -> None:
    """Issued on Tuesday, taken in on Thursday: the days are counted from Thursday, on both sides."""
    async with adult(at("2026-11-24T10:05")) as world:
        document = restamp(json.loads(minimal_example()), world.clock.now())
        ref = (await world.hackney.submit(document)).ref
        await world.hackney.turn()
        world.clock.advance(2 * 86_400)
        await world.settle()
        for borough in world.boroughs:
            assert (await borough.legs(ref))["probation"].acknowledge_by == at("2026-11-27T17:00")
            assert await due(borough, ref, "probation", "PR-02") == at("2026-12-10T17:00")


@pytest.mark.row("CP15")
@pytest.mark.parametrize(
    ("begin", "fifteen"), [("2026-11-24T10:05", "2026-12-15"), ("2026-12-14T10:05", "2027-01-07")]
)
async def test_child_protection_the_transfer_in_conference_is_due_in_fifteen_working_days(
    begin: str, fifteen: str
) -> None:
    """Urgent or not: the conference has the same fifteen working days, across Christmas as well."""
    async with boroughs(NEWHAM, HILLINGDON, at=at(begin)) as world:
        ref = await urgent(world, conference=True)
        for borough in world.boroughs:
            found = await due(borough, ref, "childrens_social_care", "CC-01")
            assert found == at(f"{fifteen}T17:00")
