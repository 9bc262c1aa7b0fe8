"""What an agency says in its reply: on record with the parcel, refused without holding it, or said again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.errors import UnknownRecipient
from gateway.flows import acknowledge, deliver, notices, outgoing
from gateway.ports import Delivered, Parcel, Task, View
from gateway.testing.boroughs import Borough, World, two_boroughs

CANARY = "CanaryZebulonQuux"


def said(state: str = "ACCEPTED", **more: Any) -> bytes:
    return json.dumps({"state": state, "role": "Duty sergeant", **more}).encode()


async def sent(world: World, document: Any) -> str:
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    return ref


async def task_of(borough: Borough, leg: str) -> Any:
    (task,) = [
        task
        for task in await borough.node.store.read(lambda tx: tx.tasks_of(leg))
        if task.kind is Parcel.NOTIFICATION
    ]
    return task


async def test_it_is_on_record_in_the_commit_that_marks_the_parcel_delivered(
    world: World, document: Any, check_all_accepted: Any
) -> None:
    """After each commit: no leg is opened whose agency has said yes, and is not accepted."""
    for desk in world.bexley.desks.values():
        desk.replies = {Parcel.NOTIFICATION: said(reason_text="words")}
    ref, seen = "", set()
    real = world.bexley.node.store.write

    async def write(work: Any, *, first: bool = False) -> Any:
        result = await real(work, first=first)
        for leg in await world.bexley.node.store.read(lambda tx: tx.legs(ref, 1) if ref else ()):
            seen.add((bool(leg.opened), leg.state))
        return result

    ref = (await world.hackney.submit(document)).ref
    world.bexley.node.store.write = write  # type: ignore[method-assign]  # watched
    await world.settle()
    assert seen == {(False, "DELIVERED"), (True, "ACCEPTED")}
    await check_all_accepted(world, ref)
    for leg in (await world.bexley.legs(ref)).values():
        steps = await world.bexley.node.store.read(lambda tx, leg=leg: tx.history(leg.id))
        assert [step.event for step in steps][-3:] == ["opened", "acknowledged", "accepted"]


async def test_a_parcel_with_an_answer_takes_no_more_transactions_than_one_without(document: Any) -> None:
    counted = []
    for answer in (b"", said()):
        async with two_boroughs() as world:
            for desk in world.bexley.desks.values():
                desk.replies = {Parcel.NOTIFICATION: answer}
            await world.hackney.submit(document)
            await world.hackney.turn()
            await world.deliver_mail(world.bexley)
            calls, store = {"read": 0, "write": 0}, world.bexley.node.store
            for name in calls:
                setattr(store, name, _counting(getattr(store, name), calls, name))
            for binding in world.bexley.node.agencies.values():
                await deliver.deliver(world.bexley.node, binding)
            counted.append(calls)
    assert counted[0] == counted[1] == {"read": 0, "write": 14}, "a claim and a commit for each of seven"


def _counting(real: Any, calls: dict[str, int], name: str) -> Any:
    async def counted(work: Any, **how: bool) -> Any:
        calls[name] += 1
        return await real(work, **how)

    return counted


REFUSED = {
    "no document": b"{",
    "a field of nobody's": said(canary=CANARY),
    "no such state": said("NO_SUCH_STATE"),
    "a step that is not possible": said("COMPLETED"),
    "no such action": said(actions=[{"action_id": "nobody", "result": "COMPLETED"}]),
    "no UTF-8": b"\xff\xfe",
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("answer", REFUSED.values(), ids=REFUSED)
async def test_one_that_is_refused_does_not_hold_the_parcel(
    world: World, document: Any, check_histories: Any, answer: bytes
) -> None:
    world.bexley.desks["dwp"].replies = {Parcel.NOTIFICATION: answer}
    with capture_logs() as logs:
        ref = await sent(world, document)
    leg = (await world.bexley.legs(ref))["dwp"]
    assert (leg.state, bool(leg.opened)) == ("DELIVERED", True)
    assert (await world.hackney.legs(ref))["dwp"].opened
    assert (await task_of(world.bexley, leg.id)).state is Task.DONE
    assert len(world.bexley.desks["dwp"].given) == 1
    (line,) = [line for line in logs if line["event"] == "an answer was refused"]
    assert set(line) == {"event", "principal", "code", "log_level"}
    assert CANARY not in repr(logs)
    rows = await world.bexley.node.store.read(lambda tx: tx.accesses(ref=ref, limit=999))
    assert "ALTERATION" not in {row.operation for row in rows}, "nothing is left of what was refused"
    receipts = await world.bexley.node.store.read(lambda tx: tx.receipts(ref=ref, by=leg.principal))
    assert [row.state for row in receipts] == ["opened"]
    await check_histories(world.bexley, ref)
    await world.bexley.answer("dwp", leg.id)  # and it may still answer, as any
    await world.settle()
    assert (await world.hackney.legs(ref))["dwp"].state == "ACCEPTED"


async def test_an_answer_to_news_is_refused(world: World, document: Any) -> None:
    world.hackney.desks["dwp"].replies = {Parcel.STATUS: said(), Parcel.REPLY: said()}
    with capture_logs() as logs:
        await sent(world, document)
    refused = [line for line in logs if line["event"] == "an answer was refused"]
    assert {line["code"] for line in refused} == {"no_answer"}
    assert len(refused) == len(world.hackney.desks["dwp"].given)


async def test_one_that_cannot_be_sealed_now_is_said_again(
    world: World, document: Any, monkeypatch: pytest.MonkeyPatch, check_all_accepted: Any
) -> None:
    """Results of actions have no other way than sealed to an agency whose key is being renewed."""
    action = next(one for one in document["actions"] if one["agency"] == "DWP")
    results = [{"action_id": action["action_id"], "result": "NOT_DONE", "reason_code": "SUBJECT_NOT_REACHED"}]
    answer = said(actions=results)
    world.bexley.desks["dwp"].replies = {Parcel.NOTIFICATION: answer}
    real = outgoing.seal

    def lacking(node: Any, **more: Any) -> Any:
        if node is world.bexley.node and set(more["readers"]) == {f"{world.hackney.area}/dwp"}:
            raise UnknownRecipient("no valid key", code="no_card")
        return real(node, **more)

    monkeypatch.setattr(outgoing, "seal", lacking)
    ref = await sent(world, document)
    leg = (await world.bexley.legs(ref))["dwp"]
    task = await task_of(world.bexley, leg.id)
    assert (task.state, task.error, bool(leg.opened)) == (Task.WAITING, "counterpart_key", False)
    monkeypatch.setattr(outgoing, "seal", real)
    world.clock.advance(60)
    await world.settle()
    assert set(world.bexley.desks["dwp"].keys) == {task.id}
    assert len(world.bexley.desks["dwp"].keys) == 2
    assert (await world.hackney.legs(ref))["dwp"].state == "IN_PROGRESS"


async def test_a_fault_over_an_answer_is_one_parcels_affair(
    world: World, document: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would come again after every restart; and to drop the answer would lose it."""
    world.bexley.desks["dwp"].replies = {Parcel.NOTIFICATION: said(reason_text=CANARY)}

    def faulty(*_: Any) -> None:
        raise ZeroDivisionError(CANARY)

    monkeypatch.setattr(acknowledge, "record", faulty)
    with capture_logs() as logs:
        ref = await sent(world, document)
    leg = (await world.bexley.legs(ref))["dwp"]
    task = await task_of(world.bexley, leg.id)
    assert (task.state, task.error, bool(leg.opened)) == (Task.HELD, "answer_fault", False)
    assert [line["error"] for line in logs if line["log_level"] == "critical"] == ["ZeroDivisionError"]
    assert CANARY not in repr(logs)
    assert sum(bool(one.opened) for one in (await world.bexley.legs(ref)).values()) == 6
    monkeypatch.undo()
    now = world.clock.now()
    await world.bexley.node.store.write(lambda tx: tx.advance_task(task.id, Task.HELD, Task.WAITING, due=now))
    await world.settle()
    assert (await world.hackney.legs(ref))["dwp"].state == "ACCEPTED"


async def test_a_notice_is_answered_in_the_same_commit(world: World, document: Any) -> None:
    ref = await sent(world, document)
    for desk in world.bexley.desks.values():
        desk.replies = {Parcel.NOTICE: said("ACKNOWLEDGED")}
    attested = {"copies_destroyed": True, "onward_disclosure": False, "log_contains_payload": False}
    world.bexley.desks["dwp"].replies = {Parcel.NOTICE: said("COMPLETED", attestation=attested)}
    told = {"kind": "CORRECTION", "role": "Lead", "reason_code": "DATA_INACCURATE", "text": "Another flat."}
    words, lead = notices.read(json.dumps(told).encode()), world.hackney.caller("community_safety")
    made = await notices.issue(world.hackney.node, lead, ref, words, key="n1")
    await world.settle()
    for borough in world.boroughs:
        legs = await borough.node.store.read(lambda tx: tx.notice_legs(made.id))
        states = {leg.principal.partition("/")[2]: leg.state for leg in legs}
        assert states.pop("dwp") == "OPENED", "a correction has nothing destroyed: refused"
        assert set(states.values()) == {"ACKNOWLEDGED"}


async def test_an_adapter_that_knows_nothing_of_answers_goes_on(world: World, document: Any) -> None:
    desk = world.bexley.desks["dwp"]
    real = desk.deliver

    async def older(view: View, *, key: str) -> Delivered:
        await real(view, key=key)
        return None  # type: ignore[return-value]  # as adapters did whose result nobody looked at

    desk.deliver = older  # type: ignore[method-assign]  # a desk of its own
    ref = await sent(world, document)
    assert (await world.hackney.legs(ref))["dwp"].opened


@pytest.mark.parametrize(
    ("state", "step"), [("RECEIVED", "acknowledged"), ("RETURNED", "returned"), ("REJECTED", "rejected")]
)
async def test_every_answer_may_come_at_once(world: World, document: Any, state: str, step: str) -> None:
    code = {"RETURNED": "WRONG_AREA", "REJECTED": "IDENTITY_MISMATCH"}.get(state)
    more = {"reason_code": code} if code else {}
    world.bexley.desks["dwp"].replies = {Parcel.NOTIFICATION: said(state, **more)}
    ref = await sent(world, document)
    for borough in world.boroughs:
        leg = (await borough.legs(ref))["dwp"]
        events = await borough.node.store.read(lambda tx, leg=leg: tx.history(leg.id))
        assert [event.code for event in events if event.event == step] == [code or ""]
