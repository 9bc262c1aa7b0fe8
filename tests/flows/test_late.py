"""A leg's clocks: warned, late, called about, rung by rung, and never about what has come."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from gateway.core.deadlines import add_working_days, deadlines
from gateway.core.ladder import DEFAULT
from gateway.errors import Rejected, Unavailable
from gateway.flows import clocks, paging, sweep, waiting
from gateway.ports import CoverRow, LegEvent, Paging, Parcel
from gateway.testing.anywhere import boroughs
from gateway.testing.boroughs import HACKNEY, START, Borough, World
from gateway.testing.pager import LADDERS, hang
from schemas.samples import example_text

MINUTE, HOUR, DAY = 60, 3600, 86_400
NEWHAM, HILLINGDON = "E09000025", "E09000017"
SATURDAY = 1_796_510_400
"""2026-12-05 22:40 in London."""
HOUSING = replace(LADDERS, ladders={"housing": LADDERS.ladders[DEFAULT]})
"""The same ladder, for one agency."""


async def issued(world: World, document: Mapping[str, Any]) -> Any:
    """Example 1 has arrived: its leg for housing as the receiving side has it."""
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    return (await world.bexley.legs(ref))["housing"]


@pytest.fixture
async def night() -> AsyncIterator[World]:
    """Newham (in the place of ``hackney``) and Hillingdon, on a Saturday at 22:40."""
    async with boroughs(NEWHAM, HILLINGDON, at=SATURDAY) as opened:
        yield opened


async def urgent(world: World) -> Any:
    """Example 2 has arrived: its leg for housing."""
    document = json.loads(example_text("urgent"))
    ref = (await world.hackney.submit(document, role="childrens_social_care")).ref
    await world.settle()
    return (await world.bexley.legs(ref))["housing"]


def news(borough: Borough, role: str = "housing") -> list[str]:
    return [str(v.content["event"]) for _, v in borough.desks[role].given if v.kind is Parcel.STATUS]


async def history(borough: Borough, leg: str) -> list[tuple[int, str]]:
    events = await borough.node.store.read(lambda tx: tx.history(leg))
    return [(event.at, event.event) for event in events if event.event.endswith((":acknowledge", ":decide"))]


async def alarms(borough: Borough, code: str) -> list[str]:
    return [row.subject for row in await borough.node.store.read(lambda tx: tx.standing_alarms(code))]


async def until(world: World, moment: int, step: int = 0) -> None:
    """Let time pass to ``moment``, with a look every ``step`` seconds."""
    while world.clock.now() < moment:
        world.clock.advance(min(step or moment, moment - world.clock.now()))
        await world.settle()


async def test_both_sides_are_warned_at_half_and_at_four_fifths_and_late_at_the_end(
    world: World, document: Any, check_histories: Any
) -> None:
    leg = await issued(world, document)
    due = deadlines("STANDARD", START)
    half, fifths = START + (due.acknowledge_by - START) // 2, START + (due.acknowledge_by - START) * 4 // 5
    for moment in (half - 1, half, fifths - 1, fifths, due.acknowledge_by - 1, due.acknowledge_by):
        await until(world, moment)
    expected = [
        (half, "due50:acknowledge"),
        (fifths, "due80:acknowledge"),
        (due.acknowledge_by, "overdue:acknowledge"),
    ]
    for borough in world.boroughs:
        seen = await history(borough, leg.id)
        assert seen == expected
        assert [e for e in news(borough) if "acknowledge" in e] == [
            "due50_acknowledge",
            "due80_acknowledge",
            "overdue_acknowledge",
        ]
        await check_histories(borough, leg.ref)


async def test_an_agency_that_has_acknowledged_is_warned_of_the_decision_alone(
    world: World, document: Any
) -> None:
    leg = await issued(world, document)
    await world.bexley.answer("housing", leg.id, "RECEIVED")
    await world.settle()
    due = deadlines("STANDARD", START)
    await until(world, due.decide_by, 6 * HOUR)
    for borough in world.boroughs:
        marks = [event for _, event in await history(borough, leg.id)]
        assert marks == ["due50:decide", "due80:decide", "overdue:decide"]


async def test_a_node_that_was_away_says_what_is_late_and_not_what_was_nearly(
    world: World, document: Any
) -> None:
    leg = await issued(world, document)
    await until(world, START + 20 * DAY)
    for borough in world.boroughs:
        marks = [event for _, event in await history(borough, leg.id)]
        assert marks == ["overdue:acknowledge", "overdue:decide"]


async def test_a_node_that_looks_as_the_second_warning_falls_due_gives_that_one_alone(
    world: World, document: Any
) -> None:
    leg = await issued(world, document)
    await until(world, START + (leg.acknowledge_by - START) * 4 // 5)
    assert [event for _, event in await history(world.bexley, leg.id)] == ["due80:acknowledge"]


async def test_what_an_older_release_has_marked_late_is_not_marked_again(world: World, document: Any) -> None:
    leg = await issued(world, document)
    line = LegEvent(leg.id, START, "overdue:acknowledge", leg.state, leg.state, "")
    await world.bexley.node.store.write(
        lambda tx: tx.advance_leg(leg.id, leg.state, leg.state, line, overdue="acknowledge")
    )
    await until(world, leg.acknowledge_by)
    assert "overdue_acknowledge" not in news(world.bexley)
    assert (await world.bexley.legs(leg.ref))["housing"].overdue == "acknowledge"


async def test_a_handover_that_was_withdrawn_is_waited_for_no_more(world: World, document: Any) -> None:
    leg = await issued(world, document)
    for borough in world.boroughs:
        await borough.node.store.write(
            lambda tx: tx.advance_handover(leg.ref, 1, "ISSUED", "WITHDRAWN", START)
        )
    await until(world, START + 20 * DAY)
    assert [await history(borough, leg.id) for borough in world.boroughs] == [[], []]


async def test_a_superseded_version_is_waited_for_no_more(world: World, document: Any) -> None:
    leg = await issued(world, document)
    handover = await world.hackney.node.store.read(lambda tx: tx.handover(leg.ref))
    assert handover is not None
    for borough in world.boroughs:
        await borough.node.store.write(lambda tx: tx.put_handover(replace(handover, version=2, id="")))
    await until(world, START + 20 * DAY)
    assert [await history(borough, leg.id) for borough in world.boroughs] == [[], []]


async def test_an_earlier_receipt_starts_the_clocks_anew_and_what_has_fired_does_not_fire_again(
    world: World, document: Any
) -> None:
    leg = await issued(world, document)
    store = world.hackney.node.store
    await until(world, START + (leg.acknowledge_by - START) // 2)
    before = await store.read(lambda tx: tx.timers(leg.id))
    assert [(row.kind, row.step) for row in before if row.fired] == [("acknowledge", 50)]
    earlier = replace(leg, delivered=START - DAY, acknowledge_by=leg.acknowledge_by - DAY)
    await store.write(lambda tx: clocks.restart(tx, earlier))
    after = {(row.kind, row.step): row for row in await store.read(lambda tx: tx.timers(leg.id))}
    assert sorted(after) == [("acknowledge", 50), ("acknowledge", 80), ("decide", 50)]
    moved = after["acknowledge", 80]
    assert moved.due == earlier.delivered + (earlier.acknowledge_by - earlier.delivered) * 4 // 5
    assert moved.due < next(row.due for row in before if row.step == 80)


# --- the ladder -----------------------------------------------------------------------------------------


async def test_urgent_the_next_role_every_half_hour_until_a_named_human_has_it(night: World) -> None:
    """The adapter's receipt "opened" stops nothing; RECEIVED, by a named human, does, on both sides."""
    bells = {borough.area: hang(borough, HOUSING) for borough in night.boroughs}
    leg = await urgent(night)
    assert leg.opened
    late = SATURDAY + 2 * HOUR
    await until(night, late - 1, 10 * MINUTE)
    assert [bell.roles for bell in bells.values()] == [[], []]
    await until(night, late + 2 * HOUR - 1, 10 * MINUTE)
    climbed = ["duty_officer", "manager", "director", "director"]
    assert [bell.roles for bell in bells.values()] == [climbed, climbed]
    keys = [page.key for bell in bells.values() for page in bell.rung]
    assert len(set(keys)) == len(keys)  # both areas may have the same pager service
    (subject,) = await alarms(night.hackney, "escalation_exhausted")
    assert subject == f"{leg.id} acknowledge"

    await night.bexley.answer("housing", leg.id, "RECEIVED")
    await night.settle()
    await until(night, late + 4 * HOUR, 10 * MINUTE)
    pages = [page.code for bell in bells.values() for page in bell.rung]
    assert pages.count("acknowledge") == 2 * len(climbed)
    assert await alarms(night.hackney, "escalation_exhausted") == [f"{leg.id} decide"]
    for borough in night.boroughs:
        marks = [event for _, event in await history(borough, leg.id)]
        assert (
            marks.count("escalated:acknowledge") == 3
        )  # the roles, each once; the calls stand in their table
        assert (await borough.legs(leg.ref))["housing"].state == "RECEIVED"


async def test_what_is_late_twice_is_called_about_once_at_a_time(night: World) -> None:
    """Both deadlines have passed and nobody has even acknowledged: the decision's ladder begins when somebody
    has, from its foot."""
    bell = hang(night.bexley, HOUSING)
    leg = await urgent(night)
    await until(night, SATURDAY + 5 * HOUR - 1, 10 * MINUTE)
    assert {page.code for page in bell.rung} == {"acknowledge"}
    await night.bexley.answer("housing", leg.id, "RECEIVED")
    await until(night, night.clock.now() + 30 * MINUTE, MINUTE)
    assert [page.role for page in bell.rung if page.code == "decide"] == ["duty_officer"]
    await until(night, night.clock.now() + 3 * HOUR, 10 * MINUTE)
    assert [page.role for page in bell.rung if page.code == "decide"] == [
        "duty_officer",
        "manager",
        "director",
        "director",
    ]
    await until(night, night.clock.now() + 6 * HOUR, 10 * MINUTE)  # somebody has it: not every half hour
    assert [page.code for page in bell.rung].count("decide") == 4


async def test_standard_a_rung_a_working_day_and_the_last_one_daily_with_an_alarm(
    world: World, document: Any
) -> None:
    bell = hang(world.bexley, HOUSING)
    leg = await issued(world, document)
    await world.bexley.answer("housing", leg.id, "RECEIVED")
    await world.settle()
    late = leg.decide_by  # Tuesday 1 December, 17:00
    calls = [late, *(add_working_days(late, days) for days in range(1, 8))]
    for number, moment in enumerate(calls):
        await until(world, moment - 1)
        assert len(bell.rung) == number
        await until(world, moment)
    assert bell.roles == ["duty_officer", "manager", *["director"] * 6]
    assert late == deadlines("STANDARD", START).decide_by
    assert await alarms(world.bexley, "escalation_exhausted") == [f"{leg.id} decide"]
    await world.bexley.answer("housing", leg.id, "ACCEPTED")
    await until(world, world.clock.now() + 4 * DAY, DAY)
    assert await alarms(world.bexley, "escalation_exhausted") == []
    assert len(bell.rung) == len(calls)


@pytest.mark.parametrize(("ends", "called"), [(1, "deputy"), (0, "duty_officer")])
async def test_an_absent_role_is_covered_by_its_deputy_until_it_is_back(
    night: World, ends: int, called: str
) -> None:
    bell = hang(night.bexley, HOUSING)
    late = SATURDAY + 2 * HOUR
    cover = CoverRow("duty_officer", late + ends, SATURDAY, "ops")
    await night.bexley.node.store.write(lambda tx: tx.put_cover(cover))
    await urgent(night)
    await until(night, late)
    assert bell.roles == [called]


async def test_each_agency_has_its_own_ladder(night: World) -> None:
    ladders = replace(LADDERS, ladders={DEFAULT: ("director",), "housing": ("manager",)})
    bell = hang(night.bexley, ladders)
    await urgent(night)
    await until(night, SATURDAY + 2 * HOUR)
    late = {page.agency: page.role for page in bell.rung if page.code == "acknowledge"}
    assert (late["HOUSING"], late["POLICE"]) == ("manager", "director")


async def test_an_agency_that_nobody_is_named_for_is_an_alarm(night: World) -> None:
    await urgent(night)
    await until(night, SATURDAY + 3 * HOUR, 10 * MINUTE)
    assert f"{HILLINGDON}/housing" in await alarms(night.bexley, "nobody_to_call")
    assert f"{NEWHAM}/housing" in await alarms(night.hackney, "nobody_to_call")


async def test_a_ladder_that_is_set_up_later_is_climbed_for_the_decision(night: World) -> None:
    """Nobody was named when the acknowledgement was late; somebody is when the decision is."""
    leg = await urgent(night)
    await until(night, SATURDAY + 3 * HOUR)
    bell = hang(night.bexley, HOUSING)
    await until(night, SATURDAY + 4 * HOUR)
    assert [(page.role, page.code) for page in bell.rung if page.agency == leg.agency] == [
        ("duty_officer", "decide")
    ]


async def test_a_call_holds_references_and_times_and_nothing_of_the_document(night: World) -> None:
    document = json.loads(example_text("urgent"))
    bell = hang(night.hackney, HOUSING)
    leg = await urgent(night)
    await until(night, SATURDAY + 2 * HOUR)
    (page,) = bell.rung
    assert (page.handover, page.agency, page.area, page.code) == (
        leg.ref,
        "HOUSING",
        "Hillingdon",
        "acknowledge",
    )
    assert page.since == "2026-12-06T00:40:00Z"
    assert page.link == f"https://gateway.example/v1/handovers/{leg.ref}"
    assert (page.urgent, page.drill) == (True, False)
    words = {value for value in leaves(document["core"]) if isinstance(value, str)}
    assert words
    assert not [word for word in words if len(word) > 3 and word in str(page)]


def leaves(value: Any) -> Sequence[Any]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


# --- the calls themselves -------------------------------------------------------------------------------


async def test_a_channel_that_fails_is_tried_again_under_one_key_and_becomes_an_alarm(night: World) -> None:
    bell = hang(night.bexley, HOUSING)
    await urgent(night)
    bell.fail = [Unavailable("down", code="pager_unreachable") for _ in range(paging.PATIENCE)]
    await until(night, SATURDAY + 2 * HOUR)
    node = night.bexley.node
    (first,) = await node.store.read(lambda tx: tx.pages())
    assert (first.state, first.error, first.attempts) == (Paging.WAITING, "pager_unreachable", 1)
    assert await alarms(night.bexley, "page_failed") == []
    await until(night, first.due - 1)
    assert (await node.store.read(lambda tx: tx.pages()))[0].attempts == 1
    await until(night, SATURDAY + 2 * HOUR + 100, 10)
    assert await alarms(night.bexley, "page_failed") == ["bell"]
    await until(night, SATURDAY + 2 * HOUR + 600, 10)
    assert [page.key for page in bell.rung] == [first.id]
    assert await alarms(night.bexley, "page_failed") == []


async def test_a_channel_that_refuses_is_an_alarm_at_once(night: World) -> None:
    bell = hang(night.bexley, HOUSING)
    await urgent(night)
    bell.fail = [Rejected("no", code="pager_refused")]
    await until(night, SATURDAY + 2 * HOUR)
    assert await alarms(night.bexley, "page_failed") == ["bell"]


async def test_what_is_answered_before_the_call_is_made_is_not_called_about(night: World) -> None:
    bell = hang(night.bexley, HOUSING)
    leg = await urgent(night)
    bell.fail = [Unavailable("down", code="pager_unreachable")]
    await until(night, SATURDAY + 2 * HOUR)
    await night.bexley.answer("housing", leg.id, "RECEIVED")
    await until(night, SATURDAY + 3 * HOUR, 10 * MINUTE)
    assert bell.rung == []
    pages = await night.bexley.node.store.read(lambda tx: tx.pages(ref=leg.ref))
    assert [page.state for page in pages] == [Paging.DROPPED]


async def test_a_call_that_is_a_day_old_is_dropped(world: World) -> None:
    bell = hang(world.bexley)
    node = world.bexley.node
    bell.fail = [Unavailable("down", code="pager_unreachable") for _ in range(999)]
    await node.store.write(
        lambda tx: paging.page(tx, node, "breach", ref="HO-1", area=HACKNEY, step=1, now=START)
    )
    await until(world, START + paging.OLD - 1, 900)
    (row,) = await node.store.read(lambda tx: tx.pages())
    assert (row.state, row.role) == (Paging.WAITING, "manager")
    await until(world, START + paging.OLD + 2 * node.pace.resend_cap, 900)
    (row,) = await node.store.read(lambda tx: tx.pages())
    assert row.state is Paging.DROPPED


async def test_a_role_that_was_taken_out_of_the_settings_is_an_alarm(world: World) -> None:
    bell = hang(world.bexley)
    node = world.bexley.node
    await node.store.write(lambda tx: paging.page(tx, node, "breach", ref="HO-1", now=START))
    world.bexley.node = replace(node, ladders=replace(LADDERS, roles={}))
    await paging.send(world.bexley.node)
    assert await alarms(world.bexley, "page_failed") == ["duty_officer"]
    assert bell.rung == []


async def test_a_call_is_queued_once(world: World) -> None:
    hang(world.bexley)
    node = world.bexley.node
    for expected in (True, False):
        assert (
            await node.store.write(lambda tx: paging.page(tx, node, "breach", ref="HO-1", now=START))
            is expected
        )


# --- what is answered while it falls due ----------------------------------------------------------------


@pytest.mark.parametrize("state", ["ACCEPTED", "REJECTED", "RETURNED", "PURGED", "EXPIRED"])
async def test_what_has_ended_awaits_nothing(world: World, document: Any, state: str) -> None:
    leg = await issued(world, document)
    ended = replace(leg, state=state)
    store = world.bexley.node.store
    assert not any([await store.read(lambda tx, w=w: waiting.awaits(tx, ended, w)) for w in waiting.OPEN])


async def test_the_end_of_the_list_of_holidays_is_an_alarm_half_a_year_before(world: World) -> None:
    await sweep.sweep(world.hackney.node)
    assert await alarms(world.hackney, "holidays_end") == []
    world.clock.advance(1_846_108_800 - START)  # 2 July 2028
    await sweep.sweep(world.hackney.node)
    await sweep.sweep(world.hackney.node)
    assert await alarms(world.hackney, "holidays_end") == ["2028"]
