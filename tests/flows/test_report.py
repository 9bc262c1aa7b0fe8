"""Quarterly figures: what is counted, of when, and what is never printed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.cli import figures
from gateway.errors import NotAllowed
from gateway.flows import deliver, report
from gateway.flows.node import Caller
from gateway.flows.processing import record
from gateway.testing.boroughs import START, World, two_boroughs
from schemas.samples import minimal_example

ANALYST = Caller("E09000012/node", "NODE", actor="an-1", role="analyst")


def numbered(number: int, **more: Any) -> Any:
    """Example 1 as another person's handover."""
    document = json.loads(minimal_example())
    document["message"] |= {
        "handover_id": f"HO-E09000012-2026-{number:06}",
        "message_id": f"00000000-0000-4000-8000-{number:012}",
        **more,
    }
    return document


@pytest.fixture
async def busy() -> Any:
    """Twelve handovers, of which six were answered by the community safety unit; housing opened one."""
    async with two_boroughs(pulling=["housing"]) as world:
        for number in range(1, 13):
            await world.hackney.submit(numbered(number), key=f"k{number}")
        await world.settle()
        world.clock.advance(600)
        for number in range(1, 7):
            legs = await world.bexley.legs(f"HO-E09000012-2026-{number:06}")
            await world.bexley.answer("community_safety", legs["community_safety"].id)
        await world.settle()
        leg = (await world.bexley.legs("HO-E09000012-2026-000001"))["housing"].id
        await deliver.open_parked(
            world.bexley.node,
            world.bexley.caller("housing"),
            f"notification-{leg}",
            justification="ALLOCATED_CASE",
        )
        yield world


async def test_what_is_counted(busy: World) -> None:
    found: Any = await report.quarter(busy.hackney.node, ANALYST, "2026Q4")
    assert found["sent"]["handovers"] == 12
    assert found["received"]["handovers"] == 0
    assert found["sent"]["by_urgency"] == {"cells": {"STANDARD": 12}, "total": 12}
    agencies = found["sent"]["legs_by_agency"]
    assert agencies["total"] == 84
    assert agencies["cells"]["POLICE"] == 12
    assert found["sent"]["legs_by_state"]["cells"]["ACCEPTED"] == 6
    assert found["sent"]["acknowledged_after_minutes"] == {"median": 10, "percentile_90": None}
    assert found["sent"]["legs_overdue"] == 0
    theirs: Any = await report.quarter(busy.bexley.node, ANALYST, "2026Q4")
    assert (theirs["received"]["handovers"], theirs["sent"]["handovers"]) == (12, 0)
    assert theirs["openings"]["cells"] == {"ALLOCATED_CASE": None}  # one person


async def test_another_quarter_holds_none_of_it(busy: World) -> None:
    for name in ("2026Q3", "2027Q1"):
        found: Any = await report.quarter(busy.hackney.node, ANALYST, name)
        assert found["sent"]["handovers"] == 0


@pytest.mark.parametrize(
    ("name", "since", "until"),
    [("2026Q4", 1_790_809_200, 1_798_761_600), ("2026Q1", 1_767_225_600, 1_774_998_000)],
)
def test_a_quarter_is_of_london_time(name: str, since: int, until: int) -> None:
    found = report.period_of(name)
    assert (found.since, found.until) == (since, until)
    assert report.period_of("2026Q4").since < START < report.period_of("2026Q4").until


@pytest.mark.parametrize("name", ["2026", "2026Q5", "2026Q0", "26Q1", "2026Q4 "])
def test_what_is_no_quarter_is_refused(name: str) -> None:
    with pytest.raises(NotAllowed) as error:
        report.period_of(name)
    assert error.value.code == "quarter"


async def test_the_report_is_a_reading_of_the_log_and_on_record(busy: World) -> None:
    await report.quarter(busy.hackney.node, ANALYST, "2026Q4")
    rows = await busy.hackney.node.store.read(lambda tx: tx.accesses(limit=5))
    (row,) = [row for row in rows if row.operation == "AUDIT"]
    assert (row.actor, row.justification) == ("an-1", "SELF_MONITORING")
    assert "report=2026Q4" in row.sections


async def test_nothing_in_it_is_a_reference_or_a_name(busy: World) -> None:
    text = json.dumps(await report.quarter(busy.hackney.node, ANALYST, "2026Q4"))
    assert "HO-" not in text
    assert "EXAMPLE" not in text


async def test_drills_are_counted_nowhere(world: World) -> None:
    for number in range(1, 7):
        document = numbered(number, drill=True)
        document["core"]["given_names"] = "Somebody (fictional)"
        await world.hackney.submit(document, key=f"k{number}")
    await world.settle()
    for side in world.boroughs:
        found: Any = await report.quarter(side.node, ANALYST, "2026Q4")
        assert (found["sent"]["handovers"], found["received"]["handovers"]) == (0, 0)
        assert found["sent"]["legs_by_agency"]["total"] == 0


async def test_the_boroughs_own_counts_are_suppressed_like_the_others(world: World) -> None:
    counts = {"ethnic group": {"A": 40, "B": 3, "C": 12, "D": 0}}
    found: Any = await report.quarter(world.hackney.node, ANALYST, "2026Q4", equality=counts)
    assert found["equality"]["ethnic group"] == {
        "cells": {"A": 40, "B": None, "C": None, "D": 0},
        "total": 55,
    }


@pytest.mark.parametrize("counts", [{"a": {"b": -1}}, {"a": {"b": "7"}}, {"a": [1]}, {"a": {"b": True}}])
async def test_what_are_no_counts_is_refused(world: World, counts: Any) -> None:
    with pytest.raises(NotAllowed) as error:
        await report.quarter(world.hackney.node, ANALYST, "2026Q4", equality=counts)
    assert error.value.code == "equality_counts"


async def test_it_prints_as_text_and_as_a_page(busy: World) -> None:
    found = await report.quarter(busy.bexley.node, ANALYST, "2026Q4")
    text, page = figures.told(found), figures.page("Quarterly report 2026Q4", found)
    for printed in (text, page):
        assert "under 5 or withheld" in printed
        assert "legs by agency" in printed
        assert "None" not in printed
    assert page.count("OFFICIAL") == 2
    assert "<script" not in figures.page("<script>", {"<script>": "<script>"})


def test_nested_counts_leave_no_small_difference() -> None:
    assert report._within(7, 10, 40) is None
    assert report._within(5, 10, 40) == 5
    assert report._within(3, 10, 40) is None
    assert report._within(10, 10, 40) == 10
    assert report._within(10, 10, 12) is None


async def test_the_record_of_processing_is_made_of_directory_and_settings(world: World) -> None:
    found: Any = record(world.hackney.node.network, "E09000012", log_years=6)
    assert found["controller"]["name"] == "Hackney"
    assert "E09000012/police" in found["controller"]["agencies"]
    readers = found["recipients_and_categories"]
    assert "associates" in readers["POLICE"]
    assert "associates" not in readers["DWP"]
    assert set(found["purposes"]) >= {"SAFEGUARDING", "ENFORCEMENT"}
    assert found["retention"]["access_log_years_after_last_event"] == 6
