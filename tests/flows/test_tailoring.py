"""A node with local tailoring: extra actions, its own earlier dates, guidance; the origin sees none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway import bootstrap
from gateway.config import Tailoring
from gateway.core.tailoring import tailor
from gateway.errors import Misconfigured
from gateway.flows import acknowledge
from gateway.ports import ActionState, Parcel
from gateway.testing.boroughs import World

DAY = 86_400
LOCAL = tailor(
    actions=[
        {
            "code": "DW-L1",
            "agency": "DWP",
            "title": "Tell the district desk",
            "standard": "2 working days",
            "blocks": True,
        }
    ],
    deadlines={"DW-01": {"standard": "3 working days"}},
    guidance={"DWP": ["Ring the single point of contact first."]},
    titles={"DW-01": "Fast-track transfer"},
)


@pytest.fixture
def tailored(world: World) -> World:
    object.__setattr__(world.bexley.node, "tailoring", LOCAL)
    return world


async def rows(borough: Any, ref: str) -> Any:
    leg = (await borough.legs(ref))["dwp"]
    return {row.action: row for row in await borough.node.store.read(lambda tx: tx.actions(leg.id))}


async def test_an_agency_is_shown_what_its_area_adds(tailored: World, document: Any) -> None:
    ref = (await tailored.hackney.submit(document)).ref
    await tailored.settle()
    [(_, view)] = tailored.bexley.desks["dwp"].given
    asked: Any = view.content["asked"]
    assert [one["code"] for one in asked] == ["DW-01", "DW-L1"]
    assert asked[0]["known_here_as"] == "Fast-track transfer"
    assert (asked[0]["due"], asked[0]["target"]) == ("2026-12-01T17:00:00Z", "2026-11-27T17:00:00Z")
    assert (asked[1]["title"], asked[1]["local"]) == ("Tell the district desk", True)
    assert asked[1]["due"] == "2026-11-26T17:00:00Z"
    assert view.content["guidance"] == ["Ring the single point of contact first."]
    ours, theirs = await rows(tailored.hackney, ref), await rows(tailored.bexley, ref)
    assert list(ours) == ["AC10"]
    assert ours["AC10"].due == theirs["AC10"].due, "the binding date is the core's, for both"
    [(_, other)] = tailored.bexley.desks["police"].given
    assert "guidance" not in other.content


async def test_its_result_stays_in_the_area(tailored: World, document: Any) -> None:
    ref = (await tailored.hackney.submit(document)).ref
    await tailored.settle()
    leg = (await tailored.bexley.legs(ref))["dwp"]
    await tailored.bexley.answer("dwp", leg.id, "ACCEPTED")
    await tailored.settle()
    before = len(await tailored.bexley.node.store.read(lambda tx: tx.receipts(ref=ref)))
    words = acknowledge.read_action(json.dumps({"result": "COMPLETED", "role": "Coach"}).encode())
    caller = tailored.bexley.caller("dwp")
    made = await acknowledge.answer_action(tailored.bexley.node, caller, leg.id, "local-DW-L1", words)
    assert list(made.receipts) == []
    await tailored.settle()
    assert (await rows(tailored.bexley, ref))["local-DW-L1"].state is ActionState.COMPLETED
    assert len(await tailored.bexley.node.store.read(lambda tx: tx.receipts(ref=ref))) == before
    assert "DW-L1" not in repr([dict(view.content) for _, view in tailored.hackney.desks["dwp"].given])


async def test_an_own_action_that_blocks_does_block_here(tailored: World, document: Any) -> None:
    ref = (await tailored.hackney.submit(document)).ref
    await tailored.settle()
    leg = (await tailored.bexley.legs(ref))["dwp"]
    await tailored.bexley.answer("dwp", leg.id, "ACCEPTED")
    done = [{"action_id": "AC10", "result": "COMPLETED"}]
    with pytest.raises(Exception, match="DW-L1"):
        await tailored.bexley.answer("dwp", leg.id, "COMPLETED", actions=done)
    done.append({"action_id": "local-DW-L1", "result": "COMPLETED"})
    await tailored.bexley.answer("dwp", leg.id, "COMPLETED", actions=done)
    await tailored.settle()
    assert (await tailored.hackney.legs(ref))["dwp"].state == "COMPLETED"
    assert "DW-L1" not in repr([dict(view.content) for _, view in tailored.hackney.desks["dwp"].given])


async def test_reminders_run_to_the_areas_own_date_and_lateness_to_the_binding_one(
    tailored: World, document: Any
) -> None:
    ref = (await tailored.hackney.submit(document)).ref
    await tailored.settle()
    leg = (await tailored.bexley.legs(ref))["dwp"]
    await tailored.bexley.answer("dwp", leg.id, "ACCEPTED")
    row = (await rows(tailored.bexley, ref))["AC10"]
    tailored.clock.advance(row.started + (row.target - row.started) * 80 // 100 - tailored.clock.now())
    await tailored.settle()
    tailored.clock.advance(row.target - tailored.clock.now())
    await tailored.settle()

    def told(borough: Any) -> list[Any]:
        return [
            view.content["event"]
            for _, view in borough.desks["dwp"].given
            if view.kind is Parcel.STATUS and view.content.get("action") == "AC10"
        ]

    assert "action_due80" in told(tailored.bexley)
    assert "action_overdue" not in told(tailored.bexley)
    tailored.clock.advance(row.due - tailored.clock.now())
    await tailored.settle()
    assert told(tailored.bexley)[-1] == "action_overdue"
    assert told(tailored.hackney) == ["action_overdue"]


def test_a_node_with_a_weaker_rule_does_not_start() -> None:
    weaker = Tailoring(deadlines={"PO-02": {"urgent": "8 hours"}})
    with pytest.raises(Misconfigured) as refused:
        bootstrap.tailoring_of(weaker)
    assert "/tailoring/deadlines/PO-02/urgent" in refused.value.message
    assert bootstrap.tailoring_of(Tailoring(deadlines={"PO-02": {"urgent": "1 hours"}})).shorter
