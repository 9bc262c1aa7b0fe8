"""The actions of a leg through two real nodes: asked, dated alike, answered, signed, and late."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from gateway.core.actions import deadline
from gateway.errors import Conflict, InvalidDocument, NotFound
from gateway.flows import acknowledge, actions, asked, show
from gateway.flows.acknowledge import Recorded
from gateway.flows.checklist import rows_of
from gateway.flows.sweep import sweep
from gateway.ports import ActionRow, ActionState, Parcel, ResultRow
from gateway.testing.boroughs import Borough, World

HOUR, DAY = 3600, 86_400
OPEN, COMPLETED, NOT_DONE = ActionState.OPEN, ActionState.COMPLETED, ActionState.NOT_DONE


async def rows(borough: Borough, role: str, ref: str) -> dict[str, ActionRow]:
    leg = (await borough.legs(ref))[role]
    return {row.action: row for row in await borough.node.store.read(lambda tx: tx.actions(leg.id))}


async def sent(world: World, document: Any) -> str:
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    return ref


async def say(
    world: World, ref: str, role: str, action: str, result: str = "COMPLETED", **more: str
) -> Recorded:
    leg = (await world.bexley.legs(ref))[role]
    told = acknowledge.read_action(json.dumps({"result": result, "role": "Sergeant", **more}).encode())
    node, caller = world.bexley.node, world.bexley.caller(role)
    return await acknowledge.answer_action(node, caller, leg.id, action, told)


async def accept(world: World, ref: str, role: str, **more: Any) -> Recorded:
    leg = (await world.bexley.legs(ref))[role]
    made = await world.bexley.answer(role, leg.id, "ACCEPTED", **more)
    await world.settle()
    return made


async def look(borough: Borough, ref: str, role: str | None = None) -> dict[str, Any]:
    node = borough.node
    principal = f"{node.area}/{role}" if role else None

    def work(tx: Any) -> Any:
        standing = show.find(tx, ref, principal)
        return show.summary(node, standing, rows_of(tx, standing.legs))

    return await node.store.read(work)


def both_alike(ours: dict[str, ActionRow], theirs: dict[str, ActionRow]) -> bool:
    return {name: dataclasses.replace(row, late=0) for name, row in ours.items()} == {
        name: dataclasses.replace(row, late=0) for name, row in theirs.items()
    }


# --- asked and dated ------------------------------------------------------------------------------------


async def test_both_nodes_date_every_action_from_the_same_signed_second(world: World, document: Any) -> None:
    world.clock.advance(7)
    ref = await sent(world, document)
    for role, leg in (await world.bexley.legs(ref)).items():
        here, there = await rows(world.hackney, role, ref), await rows(world.bexley, role, ref)
        assert both_alike(here, there), role
        wanted = [one for one in document["actions"] if one["agency"] == leg.agency]
        assert list(there) == [one["action_id"] for one in wanted]
        for row, one in zip(there.values(), wanted, strict=True):
            assert (row.code, row.blocks) == (one["code"], one["blocks_closure"])
            assert row.due == deadline(row.code, "STANDARD", received=leg.delivered).due
            assert row.started == leg.delivered


async def test_before_the_receipt_no_clock_runs(world: World, document: Any) -> None:
    ref = (await world.hackney.submit(document)).ref
    assert {row.due for row in (await rows(world.hackney, "police", ref)).values()} == {0}
    assert {row.planned for row in (await rows(world.hackney, "police", ref)).values()} == {1795712400}


async def test_what_starts_with_acceptance_starts_with_the_signed_acceptance(
    world: World, document: Any
) -> None:
    document["actions"].append(
        {**document["actions"][4], "action_id": "PR4", "code": "PR-04", "blocks_closure": False}
    )
    ref = await sent(world, document)
    assert (await rows(world.bexley, "probation", ref))["PR4"].due == 0
    world.clock.advance(3 * DAY)
    await accept(world, ref, "probation")
    theirs = (await rows(world.bexley, "probation", ref))["PR4"]
    assert theirs.due == deadline("PR-04", "STANDARD", received=1, accepted=world.clock.now()).due
    assert (await rows(world.hackney, "probation", ref))["PR4"] == theirs


async def test_the_agency_is_shown_the_binding_date_beside_the_plan(world: World, document: Any) -> None:
    await sent(world, document)
    _, view = world.bexley.desks["police"].given[0]
    asked: Any = view.content["asked"]
    assert asked[1]["action_id"] == "AC4"
    assert asked[1]["due_at"] == "2026-11-26T17:00:00+00:00"
    assert asked[1]["due"] == "2026-11-26T17:00:00Z"
    assert asked[1]["may_answer"]["COMPLETED"] == ["CLEAR", "CONCERN"]
    assert asked[0]["may_answer"]["COMPLETED"] == []
    assert list(view.content)[-1] == "view"


# --- answered -------------------------------------------------------------------------------------------


async def test_an_action_is_answered_alone_signed_and_shown_at_the_origin(
    world: World, document: Any, check_histories: Any
) -> None:
    ref = await sent(world, document)
    await accept(world, ref, "police")
    made = await say(world, ref, "police", "AC4", answer="CONCERN", reason_text="known rivals nearby")
    assert (made.state, list(made.receipts)) == ("IN_PROGRESS", ["in_progress"])
    assert (await rows(world.hackney, "police", ref))["AC4"].state is OPEN, "not before it has come"
    await world.settle()
    for borough in world.boroughs:
        row = (await rows(borough, "police", ref))["AC4"]
        assert (row.state, row.reason) == (COMPLETED, "CONCERN")
        await check_histories(borough, ref)
    line = next(one for one in (await look(world.hackney, ref))["checklist"] if one["action"] == "AC4")
    assert (line["state"], line["answer"], line["owner"]) == ("COMPLETED", "CONCERN", "E09000004/police")
    assert "rivals" not in json.dumps(await look(world.hackney, ref))
    replies = [view for _, view in world.hackney.desks["police"].given if view.kind is Parcel.REPLY]
    assert any("known rivals nearby" in json.dumps(dict(view.content)) for view in replies)
    for role, desk in world.hackney.desks.items():
        if role != "police":
            assert "rivals" not in repr(desk.given)


async def test_the_receipt_binds_the_codes(world: World, document: Any) -> None:
    """The results count because the agency's own receipt names the message that brought them."""
    ref = await sent(world, document)
    await accept(world, ref, "police")
    await say(world, ref, "police", "AC3")
    await world.settle()
    leg = (await world.hackney.legs(ref))["police"]
    results = await world.hackney.node.store.read(lambda tx: tx.results(leg.id))
    assert [(one.action, one.result, one.code) for one in results] == [("AC3", "COMPLETED", "")]
    receipts = await world.hackney.node.store.read(lambda tx: tx.receipts(ref=ref, by="E09000004/police"))
    last = [row for row in receipts if row.state == "in_progress"][-1]
    assert actions._reply_of(last) == results[0].statement


async def test_results_come_in_an_answer_too(world: World, document: Any) -> None:
    ref = await sent(world, document)
    done = [
        {"action_id": "AC3", "result": "COMPLETED"},
        {"action_id": "AC4", "result": "COMPLETED", "answer": "CLEAR"},
    ]
    made = await accept(world, ref, "police", actions=done)
    assert list(made.receipts) == ["acknowledged", "accepted", "in_progress"]
    assert (await world.hackney.legs(ref))["police"].state == "IN_PROGRESS"
    for borough in world.boroughs:
        assert {row.state for row in (await rows(borough, "police", ref)).values()} == {COMPLETED}
    leg = (await world.bexley.legs(ref))["police"]
    again = await world.bexley.answer("police", leg.id, "ACCEPTED", actions=done)
    assert again.repeated


async def test_the_last_result_stands_and_the_same_again_is_no_error(world: World, document: Any) -> None:
    ref = await sent(world, document)
    await accept(world, ref, "police")
    first = {"result": "NOT_DONE", "reason_code": "AWAITING_OTHER_AGENCY"}
    assert not (await say(world, ref, "police", "AC3", **first)).repeated
    assert (await say(world, ref, "police", "AC3", **first)).repeated
    await say(world, ref, "police", "AC4", answer="CLEAR")
    assert (await say(world, ref, "police", "AC3", **first)).repeated, (
        "its answer was lost, and much came after"
    )
    await say(world, ref, "police", "AC3")
    await world.settle()
    assert not (await say(world, ref, "police", "AC3", **first)).repeated, "it stands no more"
    await say(world, ref, "police", "AC3")
    await world.settle()
    for borough in world.boroughs:
        row = (await rows(borough, "police", ref))["AC3"]
        assert (row.state, row.reason) == (COMPLETED, "")
    mine = await world.hackney.node.store.read(lambda tx: tx.receipts(ref=ref, by="E09000004/police"))
    assert [row.state for row in mine].count("in_progress") == 5


async def test_before_it_has_taken_the_leg_on_an_agency_does_nothing(world: World, document: Any) -> None:
    ref = await sent(world, document)
    with pytest.raises(Conflict) as refused:
        await say(world, ref, "police", "AC3")
    assert refused.value.code == "illegal_transition"
    assert (await rows(world.bexley, "police", ref))["AC3"].state is OPEN


@pytest.mark.parametrize(
    ("action", "told", "field"),
    [
        ("AC4", {}, "/answer"),
        ("AC4", {"answer": "SAFE"}, "/answer"),
        ("AC3", {"answer": "CLEAR"}, "/answer"),
        ("AC3", {"result": "NOT_DONE", "reason_code": "SUBJECT_DECLINED"}, "/reason_code"),
    ],
)
async def test_what_does_not_fit_is_refused_by_its_field(
    world: World, document: Any, action: str, told: Any, field: str
) -> None:
    ref = await sent(world, document)
    await accept(world, ref, "police")
    before = await rows(world.bexley, "police", ref)
    with pytest.raises(InvalidDocument) as refused:
        await say(world, ref, "police", action, **told)
    assert [problem.field for problem in refused.value.problems] == [field]
    assert await rows(world.bexley, "police", ref) == before


async def test_another_agencys_action_is_not_there(world: World, document: Any) -> None:
    ref = await sent(world, document)
    await accept(world, ref, "police")
    with pytest.raises(NotFound) as refused:
        await say(world, ref, "police", "AC10")
    assert refused.value.code == "no_action"


# --- completed ------------------------------------------------------------------------------------------


async def test_r15_a_leg_is_not_completed_over_an_undecided_action_that_blocks(
    world: World, document: Any
) -> None:
    ref = await sent(world, document)
    await accept(world, ref, "police")
    leg = (await world.bexley.legs(ref))["police"]
    with pytest.raises(Conflict) as refused:
        await world.bexley.answer("police", leg.id, "COMPLETED")
    assert refused.value.rule == "R15"
    assert "PO-01 (AC3), PO-02 (AC4)" in refused.value.message
    await say(world, ref, "police", "AC4", answer="CLEAR")
    with pytest.raises(Conflict, match=r"PO-01 \(AC3\)"):
        await world.bexley.answer("police", leg.id, "COMPLETED")
    last = [{"action_id": "AC3", "result": "NOT_DONE", "reason_code": "NOT_MOVED"}]
    await world.bexley.answer("police", leg.id, "COMPLETED", actions=last)
    await world.settle()
    assert (await world.hackney.legs(ref))["police"].state == "COMPLETED"
    assert (await rows(world.hackney, "police", ref))["AC3"].reason == "NOT_MOVED"
    open_ones = await world.hackney.node.store.read(lambda tx: actions.undecided_of(tx, ref, 1))
    assert open_ones == []


async def test_what_does_not_block_does_not_hinder_and_may_be_said_later(world: World, document: Any) -> None:
    ref = await sent(world, document)
    await accept(world, ref, "housing")
    leg = (await world.bexley.legs(ref))["housing"]
    await world.bexley.answer("housing", leg.id, "COMPLETED")
    await say(world, ref, "housing", "AC9", answer="CLEAR")
    await world.settle()
    for borough in world.boroughs:
        assert (await borough.legs(ref))["housing"].state == "COMPLETED"
        assert (await rows(borough, "housing", ref))["AC9"].state is COMPLETED


async def test_a_leg_that_is_not_done_leaves_no_action_open(world: World, document: Any) -> None:
    ref = await sent(world, document)
    await accept(world, ref, "police")
    await say(world, ref, "police", "AC4", answer="CLEAR")
    leg = (await world.bexley.legs(ref))["police"]
    await world.bexley.answer("police", leg.id, "NOT_DONE", reason_code="NOT_MOVED")
    await world.settle()
    for borough in world.boroughs:
        found = await rows(borough, "police", ref)
        assert (found["AC3"].state, found["AC3"].reason) == (NOT_DONE, "NOT_MOVED")
        assert (found["AC4"].state, found["AC4"].reason) == (COMPLETED, "CLEAR")


# --- receipts and replies overtake each other -------------------------------------------------------------


async def test_in_whatever_order_they_come_the_origin_shows_the_same(world: World, document: Any) -> None:
    """Receipts first, replies later and in the other order: the signed chain decides."""
    ref = await sent(world, document)
    await accept(world, ref, "police")
    await say(world, ref, "police", "AC3", result="NOT_DONE", reason_code="INSUFFICIENT_INFORMATION")
    await say(world, ref, "police", "AC3")
    leg = (await world.hackney.legs(ref))["police"]

    def both(tx: Any) -> Any:
        return tx.results(leg.id), tx.receipts(ref=ref, by="E09000004/police")

    results, signed = await world.bexley.node.store.read(both)
    order = [actions._reply_of(row) for row in signed if row.state == "in_progress"]
    await world.settle()
    wanted = await rows(world.hackney, "police", ref)
    assert wanted["AC3"].state is COMPLETED
    by_statement = {one.statement: one for one in results}
    tables = world.hackney.node.store.memory.tables
    for kept in (order[1:], order[::-1]):
        for key in [key for key in tables.action_results if key[0] == leg.id]:
            del tables.action_results[key]
        for statement in kept:
            await world.hackney.node.store.write(
                lambda tx, row=by_statement[statement]: (tx.put_result(row), actions.settle(tx, leg, 0))
            )
            tables = world.hackney.node.store.memory.tables
        assert (await rows(world.hackney, "police", ref))["AC3"].state is COMPLETED


async def test_a_result_that_no_receipt_names_counts_for_nothing(world: World, document: Any) -> None:
    ref = await sent(world, document)
    await accept(world, ref, "police")
    leg = (await world.hackney.legs(ref))["police"]

    forged = ResultRow(leg.id, b"\x07" * 32, "AC4", "COMPLETED", "CLEAR")
    await world.hackney.node.store.write(lambda tx: (tx.put_result(forged), actions.settle(tx, leg, 0)))
    assert (await rows(world.hackney, "police", ref))["AC4"].state is OPEN


# --- late -----------------------------------------------------------------------------------------------


async def events(borough: Borough, role: str) -> list[tuple[str, str]]:
    return [
        (str(view.content.get("event")), str(view.content.get("action")))
        for _, view in borough.desks[role].given
        if view.kind is Parcel.STATUS and "action" in view.content
    ]


async def test_an_action_reminds_at_half_and_four_fifths_and_is_late_once_on_both_sides(
    world: World, document: Any
) -> None:
    ref = await sent(world, document)
    await accept(world, ref, "dwp")
    row = (await rows(world.bexley, "dwp", ref))["AC10"]
    half, most = (row.started + (row.due - row.started) * part // 100 for part in (50, 80))
    for moment, told in (
        (half - 1, []),
        (half, [("action_due50", "AC10")]),
        (most, [("action_due50", "AC10"), ("action_due80", "AC10")]),
    ):
        world.clock.advance(moment - world.clock.now())
        await world.settle()
        assert await events(world.bexley, "dwp") == told
        assert await events(world.hackney, "dwp") == []
    world.clock.advance(row.due - world.clock.now())
    for _ in range(3):
        await world.settle()
        world.clock.advance(HOUR)
    assert (await events(world.bexley, "dwp"))[2:] == [("action_overdue", "AC10")]
    assert await events(world.hackney, "dwp") == [("action_overdue", "AC10")]
    for borough in world.boroughs:
        found = (await rows(borough, "dwp", ref))["AC10"]
        assert row.due <= found.late
        leg = (await borough.legs(ref))["dwp"]
        history = await borough.node.store.read(lambda tx, leg=leg: tx.history(leg.id))
        assert [one.event for one in history].count("overdue:AC10") == 1
        line = next(one for one in (await look(borough, ref))["checklist"] if one["action"] == "AC10")
        assert line["late"]
    await say(world, ref, "dwp", "AC10")
    await world.settle()
    line = next(one for one in (await look(world.hackney, ref))["checklist"] if one["action"] == "AC10")
    assert not line["late"]


async def test_what_is_done_is_not_chased(world: World, document: Any) -> None:
    ref = await sent(world, document)
    await accept(world, ref, "dwp")
    await say(world, ref, "dwp", "AC10")
    await world.settle()
    world.clock.advance(30 * DAY)
    await world.settle()
    for borough in world.boroughs:
        assert await events(borough, "dwp") == []


async def test_after_a_month_switched_off_there_is_one_thing_to_say(world: World, document: Any) -> None:
    ref = await sent(world, document)
    await accept(world, ref, "dwp")
    world.clock.advance(30 * DAY)
    await world.settle()
    assert await events(world.bexley, "dwp") == [("action_overdue", "AC10")]
    assert ref


async def test_a_leg_that_was_turned_away_is_not_chased_for_its_actions(world: World, document: Any) -> None:
    ref = await sent(world, document)
    leg = (await world.bexley.legs(ref))["dwp"]
    await world.bexley.answer("dwp", leg.id, "DECLINED_NOT_RELEVANT", reason_code="ALREADY_HELD")
    await world.settle()
    world.clock.advance(30 * DAY)
    await world.settle()
    assert await events(world.bexley, "dwp") == []
    assert await sweep(world.bexley.node) == 0


# --- what a peer may not make us believe -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "result", "code"),
    [
        ("AC4", "COMPLETED", ""),
        ("AC4", "COMPLETED", "MAYBE"),
        ("AC3", "COMPLETED", "CLEAR"),
        ("AC3", "NOT_DONE", ""),
        ("AC3", "NOT_DONE", "SUBJECT_DECLINED"),
        ("AC10", "COMPLETED", ""),
    ],
)
async def test_a_result_that_does_not_fit_is_passed_over_though_it_is_signed(
    world: World, document: Any, monkeypatch: pytest.MonkeyPatch, action: str, result: str, code: str
) -> None:
    """A peer that does not hold its agencies to the catalogue: the origin does."""
    ref = await sent(world, document)
    await accept(world, ref, "police")
    monkeypatch.setattr(asked, "said_of", lambda _: (asked.Said(action, result, code),))
    leg = (await world.bexley.legs(ref))["police"]
    done = [{"action_id": "AC3", "result": "COMPLETED"}]
    await world.bexley.answer("police", leg.id, "IN_PROGRESS", actions=done)
    await world.settle()
    for borough in world.boroughs:
        assert {row.state for row in (await rows(borough, "police", ref)).values()} == {OPEN}
    results = await world.hackney.node.store.read(lambda tx: tx.results(leg.id))
    assert [(one.action, one.result, one.code) for one in results] == [(action, result, code)]


async def test_a_receipt_that_waits_for_its_predecessor_says_nothing_yet(world: World, document: Any) -> None:
    ref = await sent(world, document)
    await accept(world, ref, "police")
    await say(world, ref, "police", "AC3")
    await world.settle()
    tables = world.hackney.node.store.memory.tables
    last = next(row for row in tables.receipts.values() if row.state == "in_progress")
    tables.receipts[last.hash] = dataclasses.replace(last, applied=False)
    leg = (await world.hackney.legs(ref))["police"]
    await world.hackney.node.store.write(lambda tx: actions.settle(tx, leg, 0))
    assert (await rows(world.hackney, "police", ref))["AC3"].state is OPEN


async def test_a_clock_that_proves_to_have_started_earlier_runs_from_there_once(
    world: World, document: Any
) -> None:
    """An agency's receipt overtook its node's: the timers of the later second are gone."""
    ref = await sent(world, document)
    leg = (await world.hackney.legs(ref))["dwp"]
    row = (await rows(world.hackney, "dwp", ref))["AC10"]
    await world.hackney.node.store.write(lambda tx: actions.received(tx, leg, leg.delivered - 2 * DAY))
    moved = (await rows(world.hackney, "dwp", ref))["AC10"]
    assert moved.due < row.due
    timers = await world.hackney.node.store.read(lambda tx: tx.timers(actions.subject(row)))
    assert [(one.step, one.due, one.fired) for one in timers] == [(100, moved.due, 0)]
    await accept(world, ref, "dwp")
    await say(world, ref, "dwp", "AC10")
    await world.settle()
    for borough in world.boroughs:
        left = await borough.node.store.read(lambda tx: tx.timers(actions.subject(row)))
        assert [one for one in left if not one.fired] == []
