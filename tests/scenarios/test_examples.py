"""Examples 1 and 2 through two whole nodes, from the issue to the closing note: what each agency sees."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.errors import Conflict
from gateway.flows import acknowledge
from gateway.ports import Parcel
from gateway.testing.anywhere import boroughs
from gateway.testing.boroughs import START, World, two_boroughs
from gateway.testing.pager import hang
from schemas.actions import may_answer
from schemas.samples import example_text
from tests.scenarios.story import (
    DAY,
    HOUR,
    absent,
    accesses,
    answer_all,
    chain,
    check_history,
    given,
    news,
    page,
    say,
    text_of,
    until,
    why,
)

NEWHAM, HILLINGDON = "E09000025", "E09000017"
HACKNEY, BEXLEY = "E09000012", "E09000004"
SATURDAY_2240 = 1_796_510_400
EDT = "childrens_social_care"


def example(name: str) -> dict[str, Any]:
    return dict(json.loads(example_text(name)))


async def finish(world: World, ref: str) -> None:
    """Every agency does what it is asked, and says so."""
    there = world.boroughs[1]
    for role, leg in (await there.legs(ref)).items():
        rows = await there.node.store.read(lambda tx, leg=leg: tx.actions(leg.id))
        for row in rows:
            answers = {"answer": may_answer(row.code).answers[0]} if may_answer(row.code).answers else {}
            words = {"result": "COMPLETED", "role": "Duty officer", **answers}
            done = acknowledge.read_action(json.dumps(words).encode())
            await acknowledge.answer_action(there.node, there.caller(role), leg.id, row.action, done)
        await there.answer(role, leg.id, "COMPLETED")


# --- example 1 ------------------------------------------------------------------------------------------


async def test_example_1_j_moves_from_hackney_to_bexley_and_seven_agencies_take_him_on() -> None:
    async with two_boroughs() as world:
        ref = (await world.hackney.submit(example("adult"))).ref
        assert ref == "HO-E09000012-2026-000417"
        await world.settle()
        for borough in world.boroughs:
            seen = await page(borough, "community_safety", ref)
            assert set(seen["responsible"].values()) == {
                f"{HACKNEY}/{leg['principal'].partition('/')[2]}" for leg in seen["legs"]
            }
        ours = await page(world.hackney, "community_safety", ref)
        assert ours["summary"] == (
            "0 of 7 agencies of Bexley have taken this on; waiting for COMMUNITY_SAFETY, DWP, HOUSING, "
            "LEAVING_CARE, POLICE, PROBATION, VOLUNTARY_SECTOR."
        )
        assert (await why(world.hackney, "police", ref))["POLICE"]["turn"] == f"{BEXLEY}/police"
        await answer_all(world.bexley, ref)
        await world.settle()
        ours = await page(world.hackney, "community_safety", ref)
        assert ours["summary"] == (
            "6 of 7 agencies of Bexley have taken this on; LEAVING_CARE works with you, the duty stays with "
            "Hackney; nobody is left to answer."
        )
        assert ours["state"] == "ACTIVE"
        assert ours["responsible"]["LEAVING_CARE"] == f"{HACKNEY}/leaving_care"
        assert ours["responsible"]["POLICE"] == f"{BEXLEY}/police"
        await check_history(world, ref)


async def test_example_1_each_desk_is_given_its_own_part_and_no_word_of_the_others() -> None:
    async with two_boroughs() as world:
        ref = (await world.hackney.submit(example("adult"))).ref
        await world.settle()
        desks = {role: text_of(world.bexley, role) for role in world.bexley.desks}
        for role, text in desks.items():
            assert len(given(world.bexley, role)) == 1, role
            assert "EXAMPLE" in text, role
        for role in desks.keys() - {"police", "probation"}:
            absent(desks[role], ["TP01", "2099/0000001G", "X000001", "firearm", "street group"])
        for role in ("dwp", "housing", "leaving_care", "st_giles"):
            absent(desks[role], ["FCC/26/0001", "SUSPECTED", "CONVICTED", "OASys"])
            assert "Do not ask this person to attend any place" in desks[role]
        absent(desks["housing"], ["plumbing", "JSA", "pathway"])
        absent(desks["community_safety"], ["999999000001", "JSA"])
        assert "999999000001" in desks["housing"]
        for role in desks:
            log = await accesses(world.bexley, ref, f"{BEXLEY}/{role}")
            assert ("DISCLOSURE", "STANDING_ADAPTER") in log, role
        sent = await accesses(world.hackney, ref, f"{HACKNEY}/community_safety")
        assert [operation for operation, _ in sent].count("DISCLOSURE") >= 7


async def test_example_1_is_closed_when_every_agency_has_said_what_became_of_its_actions() -> None:
    async with two_boroughs() as world:
        ref = (await world.hackney.submit(example("adult"))).ref
        await world.settle()
        await answer_all(world.bexley, ref)
        await world.settle()
        closing = {"kind": "CLOSURE", "reason_code": "WORK_COMPLETED"}
        with pytest.raises(Conflict) as early:
            await say(world.hackney, "community_safety", ref, closing)
        assert early.value.code == "undecided_action"
        await finish(world, ref)
        await world.settle()
        seen = await page(world.hackney, "community_safety", ref)
        assert {line["state"] for line in seen["checklist"]} == {"COMPLETED"}
        assert {line["action"] for line in seen["checklist"]} == {f"AC{n}" for n in range(1, 12)}
        await say(world.hackney, "community_safety", ref, closing)
        await world.settle()
        for borough in world.boroughs:
            assert (await page(borough, "police", ref))["state"] == "CLOSED"
        assert await chain(world.hackney, ref, f"{BEXLEY}/police") == [
            "opened",
            "acknowledged",
            "accepted",
            "in_progress",
            "in_progress",
            "completed",
        ]
        await check_history(world, ref)


async def test_example_1_the_receiving_agency_sees_its_own_leg_alone() -> None:
    async with two_boroughs() as world:
        ref = (await world.hackney.submit(example("adult"))).ref
        await world.settle()
        for role in world.bexley.desks:
            seen = await page(world.bexley, role, ref)
            assert [leg["principal"] for leg in seen["legs"]] == [f"{BEXLEY}/{role}"]
            assert {line["owner"] for line in seen["checklist"]} <= {f"{BEXLEY}/{role}"}


async def test_example_1_the_binding_dates_are_reckoned_from_the_receipt() -> None:
    async with two_boroughs() as world:
        ref = (await world.hackney.submit(example("adult"))).ref
        world.clock.advance(2 * HOUR)
        await world.settle()
        seen = await page(world.hackney, "community_safety", ref)
        due = {line["code"]: line["due"] for line in seen["checklist"]}
        assert due["PR-02"] == "2026-12-08T17:00:00Z"  # 10 working days
        assert due["PR-03"] == "2026-12-22T17:00:00Z"  # 20
        leg = next(leg for leg in seen["legs"] if leg["agency"] == "POLICE")
        assert leg["delivered"] == "2026-11-24T12:05:00Z"
        assert leg["acknowledge_by"] == "2026-11-25T17:00:00Z"
        await until(world, START + 2 * DAY)
        late = await page(world.hackney, "community_safety", ref)
        assert all("acknowledge" in leg["overdue"] for leg in late["legs"])
        assert late["summary"].endswith("of which 7 late.")
        assert "overdue_acknowledge" in news(world.hackney, "police")
        assert "overdue_acknowledge" in news(world.bexley, "police")


# --- example 2 ------------------------------------------------------------------------------------------


async def test_example_2_a_child_is_moved_on_saturday_night_and_taken_on_before_sunday_00_40() -> None:
    async with boroughs(NEWHAM, HILLINGDON, at=SATURDAY_2240) as world:
        newham, hillingdon = world.boroughs
        ref = (await newham.submit(example("urgent"), role=EDT)).ref
        await world.settle()
        seen = await page(newham, EDT, ref)
        assert {leg["acknowledge_by"] for leg in seen["legs"]} == {"2026-12-06T00:40:00Z"}
        assert {leg["decide_by"] for leg in seen["legs"]} == {"2026-12-06T02:40:00Z"}
        assert set(seen["responsible"].values()) == {
            f"{NEWHAM}/{leg['principal'].partition('/')[2]}" for leg in seen["legs"]
        }
        bell = hang(newham)
        world.clock.advance(HOUR)
        await answer_all(hillingdon, ref)
        await world.settle()
        seen = await page(newham, EDT, ref)
        assert seen["summary"] == (
            "7 of 7 agencies of Hillingdon have taken this on; nobody is left to answer."
        )
        await until(world, SATURDAY_2240 + 5 * HOUR)
        assert bell.rung == [], "whoever has answered in time calls nobody out of bed"
        assert set(seen["responsible"].values()) == {leg["principal"] for leg in seen["legs"]}
        await check_history(world, ref)


async def test_example_2_the_address_is_for_three_and_the_school_is_told_no_more_than_that_he_moved() -> None:
    async with boroughs(NEWHAM, HILLINGDON, at=SATURDAY_2240) as world:
        hillingdon = world.of(HILLINGDON)
        ref = (await world.of(NEWHAM).submit(example("urgent"), role=EDT)).ref
        await world.settle()
        reached = {role for role in hillingdon.desks if given(hillingdon, role)}
        assert reached == {
            EDT, "police", "housing", "education", "health", "victim_support", "community_safety"
        }  # fmt: skip
        desks = {role: text_of(hillingdon, role) for role in reached}
        assert {role for role, text in desks.items() if "999999000002" in text} == {EDT, "police", "housing"}
        # What was left out is told to all, and each is told the powers of its own leg.
        views = {role: dict(given(hillingdon, role)[0].content["view"]) for role in reached}
        for view in views.values():
            del view["data_quality"], view["lawful_basis"]
        school = json.dumps(views["education"])
        absent(school, ["shoot", "shot", "threat", "E09000030", "CRIME-", "VICTIM", "s47", "wound"])
        assert "move" not in views["education"]
        for role in ("victim_support", "health", "education"):
            absent(json.dumps(views[role]), ["suspect", "offend", "gang", "convict", "injunction"])
        assert "wound_care_needed" in json.dumps(views["health"])
        assert all("PARTIAL_URGENT" in text for text in desks.values()), (
            "who reads little knows that it is little"
        )
        for role in reached:
            assert await chain(world.of(NEWHAM), ref, f"{HILLINGDON}/{role}") == ["opened"], role


async def test_example_2_after_the_review_the_full_version_takes_the_place_of_the_early_account() -> None:
    async with boroughs(NEWHAM, HILLINGDON, at=SATURDAY_2240) as world:
        newham, hillingdon = world.boroughs
        ref = (await newham.submit(example("urgent"), role=EDT)).ref
        await world.settle()
        await answer_all(hillingdon, ref)
        await world.settle()
        await until(world, SATURDAY_2240 + 36 * HOUR)
        full = example("urgent")
        full["message"] |= {"version": 2, "supersedes": full["message"]["message_id"]}
        full["message"]["message_id"] = "00000002-00c2-59aa-b088-95b3c29e1261"
        full["message"]["issued_at"] = "2026-12-07T10:40:00+00:00"
        full["data_quality"] |= {
            "completeness": "COMPLETE_FOR_PURPOSE", "verified_at": "2026-12-07T10:30:00+00:00"
        }  # fmt: skip
        full["history"][0]["statement"] = "Victim of a stabbing on 2026-12-05; injuries not life-threatening."
        await newham.submit(full, role=EDT, key="k2", reason="DATA_INACCURATE")
        await world.settle()
        assert (await page(newham, EDT, ref))["version"] == 2
        assert (await page(newham, EDT, ref, version=1))["state"] == "SUPERSEDED"
        for role in (EDT, "police"):
            kinds = [view.kind for _, view in hillingdon.desks[role].given if view.kind is not Parcel.STATUS]
            assert kinds == [Parcel.NOTIFICATION, Parcel.NOTICE, Parcel.NOTIFICATION], role
            assert "stabbing" in text_of(hillingdon, role)
        notice = given(hillingdon, EDT, Parcel.NOTICE)[0].content
        assert notice["kind"] == "CORRECTION"
        assert "/history/0/statement" in json.dumps(notice)
        housing = given(hillingdon, "housing", Parcel.NOTICE)[0].content
        absent(json.dumps(housing), ["/history"])
