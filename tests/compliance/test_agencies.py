"""Duties of single agencies: caretaking by youth justice, and what does not move with a person."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.flows import acknowledge, show
from gateway.flows.checklist import rows_of
from gateway.testing.anywhere import boroughs
from gateway.testing.boroughs import BEXLEY, HACKNEY, Borough, World
from gateway.testing.people import everything, told, young_person

DAY = 86_400
HOME, HOST = f"{HACKNEY}/youth_justice", f"{BEXLEY}/youth_justice"


async def responsible(borough: Borough, ref: str) -> dict[str, Any]:
    """By function, as `GET /v1/handovers/{ref}` says it."""

    def look(tx: Any) -> Any:
        standing = show.find(tx, ref, None)
        return show.summary(borough.node, standing, rows_of(tx, standing.legs))["responsible"]

    return dict(await borough.node.store.read(look))


async def review(world: World, leg: str, ref: str, result: str, **more: str) -> None:
    rows = await world.bexley.node.store.read(lambda tx: tx.actions(leg))
    [action] = [row.action for row in rows if row.code == "YJ-04"]
    words = {"result": result, "role": "Team manager", **more}
    answer = acknowledge.read_action(json.dumps(words).encode())
    caller = world.bexley.caller("youth_justice")
    await acknowledge.answer_action(world.bexley.node, caller, leg, action, answer)
    await world.settle()


@pytest.mark.row("YJS")
async def test_yjs_home_stays_responsible_until_the_three_month_review_is_completed() -> None:
    """The host accepts, works and finishes all else; the pointer moves with the formal transfer, on both
    nodes, and at no moment is it nobody's."""
    async with boroughs(HACKNEY, BEXLEY) as world:
        ref = (await world.hackney.submit(everything(young_person()))).ref
        await world.settle()
        seen = []
        leg = (await world.bexley.legs(ref))["youth_justice"]
        for state in ("RECEIVED", "ACCEPTED", "IN_PROGRESS"):
            await world.bexley.answer("youth_justice", leg.id, state)
            await world.settle()
            seen += [(await responsible(one, ref))["YOUTH_JUSTICE"] for one in world.boroughs]
        assert seen == [HOME] * 6
        await world.bexley.answer("education", (await world.bexley.legs(ref))["education"].id, "ACCEPTED")
        await world.settle()
        assert (await responsible(world.hackney, ref))["EDUCATION"] == f"{BEXLEY}/education"
        world.clock.advance(60 * 3600)
        await review(world, leg.id, ref, "NOT_DONE", reason_code="AWAITING_OTHER_AGENCY")
        assert [(await responsible(one, ref))["YOUTH_JUSTICE"] for one in world.boroughs] == [HOME] * 2
        await review(world, leg.id, ref, "COMPLETED")
        assert [(await responsible(one, ref))["YOUTH_JUSTICE"] for one in world.boroughs] == [HOST] * 2
        for one in world.boroughs:
            legs = await one.legs(ref)
            history = await one.node.store.read(lambda tx, own=legs: tx.history(own["youth_justice"].id))
            assert [line.event for line in history].count("duty:TRANSFERRED") == 1


@pytest.mark.row("YJS")
async def test_yjs_the_review_is_due_three_months_after_the_signed_receipt() -> None:
    async with boroughs(HACKNEY, BEXLEY) as world:
        ref = (await world.hackney.submit(everything(young_person()))).ref
        await world.settle()
        for one in world.boroughs:
            leg = (await one.legs(ref))["youth_justice"]
            rows = await one.node.store.read(lambda tx, leg=leg: tx.actions(leg.id))
            [row] = [row for row in rows if row.code == "YJ-04"]
            assert (row.started, row.due) == (leg.delivered, 1_803_488_400)  # 24 February 2027, 17:00


@pytest.mark.row("YJS")
async def test_yjs_without_caretaking_the_service_that_accepts_is_responsible() -> None:
    async with boroughs(HACKNEY, BEXLEY) as world:
        document = young_person(caretaking=False)
        document["actions"] = [one for one in document["actions"] if one["code"] != "YJ-04"]
        ref = (await world.hackney.submit(document)).ref
        await world.settle()
        leg = (await world.bexley.legs(ref))["youth_justice"]
        await world.bexley.answer("youth_justice", leg.id, "ACCEPTED")
        await world.settle()
        assert [(await responsible(one, ref))["YOUTH_JUSTICE"] for one in world.boroughs] == [HOST] * 2


@pytest.mark.row("YJS")
async def test_yjs_nor_does_the_responsible_authority_of_a_care_leaver_change() -> None:
    """Children Act 1989 s.23C: the receiving service supports, the responsible authority stays."""
    async with boroughs(HACKNEY, BEXLEY) as world:
        document = told("LEAVING_CARE", of=young_person())
        ref = (await world.hackney.submit(document)).ref
        await world.settle()
        leg = (await world.bexley.legs(ref))["leaving_care"]
        await world.bexley.answer("leaving_care", leg.id, "ACCEPTED")
        await world.settle()
        for one in world.boroughs:
            assert (await responsible(one, ref))["LEAVING_CARE"] == f"{HACKNEY}/leaving_care"
