"""Agencies that are away, slow, wrong, or fetch for themselves; and what is on record before each look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.errors import Conflict, NotFound, Rejected, Unavailable
from gateway.flows import accounts, deliver, show
from gateway.flows.node import Pace
from gateway.ports import Delivered, Parcel, Task, View
from gateway.testing.boroughs import BEXLEY, Borough, World, sections, two_boroughs

PULLING = ("housing", "police")


async def task_of(borough: Borough, ref: str, role: str, kind: str = "notification") -> Any:
    leg = (await borough.legs(ref))[role]
    tasks = await borough.node.store.read(lambda tx: tx.tasks_of(leg.id))
    return next(task for task in tasks if task.id.startswith(kind))


async def accesses(borough: Borough, ref: str, operation: str, role: str) -> Sequence[Any]:
    rows = await borough.node.store.read(lambda tx: tx.accesses(ref=ref, limit=999))
    return [row for row in rows if row.operation == operation and row.principal.endswith(role)]


async def test_an_agency_that_is_away_is_called_again_later_with_the_same_key(
    world: World, document: Any
) -> None:
    desk = world.bexley.desks["dwp"]
    desk.fail = [Unavailable("away", code="away")] * 3
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    assert all(len(other.given) == 1 for role, other in world.bexley.desks.items() if role != "dwp")
    for tries, pause in enumerate((30, 60, 120), start=1):
        task = await task_of(world.bexley, ref, "dwp")
        assert (task.state, task.error, task.attempts) == (Task.WAITING, "away", tries)
        assert task.due == world.clock.now() + pause
        world.clock.advance(pause - 1)
        await world.settle()
        assert len(desk.fail) == 3 - tries
        world.clock.advance(1)
        await world.settle()
    (key,) = desk.keys
    assert key == (await task_of(world.bexley, ref, "dwp")).id
    # every try was about to disclose, so every try is on record
    assert len(await accesses(world.bexley, ref, "DISCLOSURE", "dwp")) == 4


async def test_the_pause_grows_to_its_cap_and_no_further() -> None:
    pace = Pace(resend=30, resend_cap=900)
    assert [pace.again(n) for n in (0, 1, 2, 5, 6, 7, 1000)] == [30, 30, 60, 480, 900, 900, 900]


class Breaking:
    """A profile with a bug in it."""

    agency = "DWP"

    def present(self, view: Any, leg: Any) -> Any:
        raise KeyError(view["core"]["family_name"])


async def _hold(world: World, document: Any) -> str:
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    return ref


async def test_a_refusal_is_held_for_a_person_and_blocks_nobody(world: World, document: Any) -> None:
    world.bexley.desks["dwp"].fail = [Rejected("not this", code="bad_parcel")]
    ref = await _hold(world, document)
    task = await task_of(world.bexley, ref, "dwp")
    assert (task.state, task.error) == (Task.HELD, "bad_parcel")
    legs = await world.hackney.legs(ref)
    assert [role for role, leg in legs.items() if not leg.opened] == ["dwp"]
    assert legs["dwp"].state == "DELIVERED"
    world.clock.advance(86_400)
    await world.bexley.turn()
    assert world.bexley.desks["dwp"].keys == []  # never called again by itself for the held parcel
    standing = await world.bexley.node.store.read(lambda tx: show.why(tx, show.find(tx, ref, None)))
    assert [line["where"] for line in standing if line["agency"] == "DWP"] == ["held here"]


async def test_a_bug_in_foreign_code_is_one_parcels_affair(world: World, document: Any) -> None:
    """It would meet the same parcel after every restart: letting it end the node stops seven agencies."""
    document["core"]["family_name"] = "XQ7CANARY"
    principal = f"{BEXLEY}/dwp"
    binding = world.bexley.node.agencies[principal]
    agencies = {
        **world.bexley.node.agencies,
        principal: type(binding)(principal, binding.adapter, Breaking(), "X"),
    }
    object.__setattr__(world.bexley.node, "agencies", agencies)
    with capture_logs() as logs:
        ref = await _hold(world, document)
    assert (await task_of(world.bexley, ref, "dwp")).error == "adapter_fault"
    assert {"event": "an adapter or profile failed", "error": "KeyError"}.items() <= next(
        line for line in logs if line["log_level"] == "critical"
    ).items()
    assert "XQ7CANARY" not in repr(logs)
    assert sum(bool(leg.opened) for leg in (await world.hackney.legs(ref)).values()) == 6


async def test_a_slow_agency_holds_up_itself_alone(document: Any) -> None:
    async with two_boroughs(pace=Pace(adapter_timeout=0)) as world:
        never = asyncio.Event()

        async def stuck(view: View, *, key: str) -> Delivered:
            await never.wait()
            raise AssertionError

        world.bexley.desks["dwp"].deliver = stuck  # type: ignore[method-assign]  # a desk of its own
        ref = (await world.hackney.submit(document)).ref
        await world.settle()
        task = await task_of(world.bexley, ref, "dwp")
        assert (task.state, task.error) == (Task.WAITING, "adapter_timeout")
        assert sum(bool(leg.opened) for leg in (await world.bexley.legs(ref)).values()) == 6


# --- agencies that fetch ----------------------------------------------------------------------------


@pytest.fixture
async def fetching() -> AsyncIterator[World]:
    async with two_boroughs(pulling=PULLING) as world:
        yield world


async def _parked(world: World, document: Any) -> tuple[str, Any]:
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    return ref, await task_of(world.bexley, ref, "housing")


async def test_a_parcel_waits_unopened_until_it_is_fetched(fetching: World, document: Any) -> None:
    ref, task = await _parked(fetching, document)
    assert task.state is Task.PARKED
    assert not fetching.bexley.desks["housing"].given
    assert not await accesses(fetching.bexley, ref, "DISCLOSURE", "housing")
    assert not (await fetching.hackney.legs(ref))["housing"].opened
    caller = fetching.bexley.caller("housing", actor="h-77")
    view = await deliver.open_parked(
        fetching.bexley.node, caller, task.id, justification="DUTY", note="new tenant"
    )
    assert sections(view)["core"]["family_name"] == "EXAMPLE"
    (row,) = await accesses(fetching.bexley, ref, "CONSULTATION", "housing")
    assert (row.actor, row.justification, row.note) == ("h-77", "DUTY", "")
    assert accounts.words(fetching.bexley.node.keys, row) == "new tenant"
    await fetching.settle()
    assert (await fetching.hackney.legs(ref))["housing"].opened


async def test_looking_again_is_on_record_again_and_receipted_once(fetching: World, document: Any) -> None:
    ref, task = await _parked(fetching, document)
    caller = fetching.bexley.caller("housing")
    for _ in range(3):
        await deliver.open_parked(fetching.bexley.node, caller, task.id, justification="DUTY")
    assert len(await accesses(fetching.bexley, ref, "CONSULTATION", "housing")) == 3
    receipts = await fetching.bexley.node.store.read(lambda tx: tx.receipts(ref=ref, by=f"{BEXLEY}/housing"))
    assert [row.state for row in receipts] == ["opened"]


@pytest.mark.parametrize("who", ["police", "dwp", "community_safety"])
async def test_another_agency_is_told_that_there_is_no_such_parcel(
    fetching: World, document: Any, dump: Any, who: str
) -> None:
    _, task = await _parked(fetching, document)
    before = dump(fetching.bexley)
    for wanted in (task.id, "notification-ffff"):
        with pytest.raises(NotFound) as refused:
            await deliver.open_parked(
                fetching.bexley.node, fetching.bexley.caller(who), wanted, justification="DUTY"
            )
        assert refused.value.message == "no such parcel for this agency"  # the same for what there is not
    assert dump(fetching.bexley) == before


async def test_the_look_is_on_record_before_there_is_plaintext(
    fetching: World, document: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the record and the view, the record is there and the parcel is still unopened."""
    ref, task = await _parked(fetching, document)

    def killed(*_: object, **__: object) -> View:
        raise SystemError("killed here")

    monkeypatch.setattr(deliver, "present", killed)
    with pytest.raises(SystemError):
        await deliver.open_parked(
            fetching.bexley.node, fetching.bexley.caller("housing"), task.id, justification="DUTY"
        )
    assert len(await accesses(fetching.bexley, ref, "CONSULTATION", "housing")) == 1
    assert (await task_of(fetching.bexley, ref, "housing")).state is Task.PARKED


async def test_an_adapters_disclosure_is_on_record_before_there_is_plaintext(
    world: World, document: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_look: dict[str, int] = {}
    real = deliver.present

    def looking(node: Any, binding: Any, *rest: Any, **more: Any) -> View:
        rows = node.store.memory.tables.accesses
        at_look[binding.principal] = sum(row.principal == binding.principal for row in rows)
        return real(node, binding, *rest, **more)

    monkeypatch.setattr(deliver, "present", looking)
    await world.hackney.submit(document)
    for _ in range(2):
        await world.hackney.turn()
        await world.deliver_mail(world.bexley)
        await world.bexley.turn()
    assert {role: at_look[f"{BEXLEY}/{role}"] for role in world.bexley.desks} == dict.fromkeys(
        world.bexley.desks, 1
    )


@pytest.mark.parametrize("answer", ["RECEIVED", "ACCEPTED"])
async def test_nobody_takes_on_what_nobody_has_read(fetching: World, document: Any, answer: str) -> None:
    ref, task = await _parked(fetching, document)
    with pytest.raises(Conflict) as refused:
        await fetching.bexley.answer("housing", task.leg, answer)
    assert refused.value.code == "not_opened"
    await deliver.open_parked(
        fetching.bexley.node, fetching.bexley.caller("housing"), task.id, justification="DUTY"
    )
    await fetching.bexley.answer("housing", task.leg, answer)
    assert (await fetching.bexley.legs(ref))["housing"].state == answer


@pytest.mark.parametrize(
    ("answer", "reason"), [("RETURNED", "WRONG_AREA"), ("DECLINED_NOT_RELEVANT", "ALREADY_HELD")]
)
async def test_what_is_not_theirs_goes_back_unread(
    fetching: World, document: Any, answer: str, reason: str
) -> None:
    ref, task = await _parked(fetching, document)
    await fetching.bexley.answer("housing", task.leg, answer, reason_code=reason)
    await fetching.settle()
    leg = (await fetching.hackney.legs(ref))["housing"]
    assert (leg.state, leg.opened) == (answer, 0)


async def test_an_adapters_parcel_cannot_be_fetched_around_it(world: World, document: Any) -> None:
    world.bexley.desks["dwp"].fail = [Unavailable("away")]
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    task = await task_of(world.bexley, ref, "dwp")
    with pytest.raises(Conflict):
        await deliver.open_parked(
            world.bexley.node, world.bexley.caller("dwp"), task.id, justification="DUTY"
        )


async def test_an_agency_that_changes_to_fetching_finds_what_was_due(fetching: World, document: Any) -> None:
    ref, task = await _parked(fetching, document)
    await fetching.bexley.node.store.write(lambda tx: tx.advance_task(task.id, Task.PARKED, Task.WAITING))
    await fetching.settle()
    assert (await task_of(fetching.bexley, ref, "housing")).state is Task.PARKED
    assert not fetching.bexley.desks["housing"].given


# --- answers ----------------------------------------------------------------------------------------


async def test_an_answer_given_while_the_adapter_is_still_at_it_stays_an_answer(
    world: World, document: Any, check_histories: Any
) -> None:
    """The receipt "opened" comes after "accepted" then. The same answer again is a repetition."""
    desk = world.bexley.desks["dwp"]
    real = desk.deliver

    async def quick(view: View, *, key: str) -> Delivered:
        if view.kind is Parcel.NOTIFICATION:
            await world.bexley.answer("dwp", view.leg)
        return await real(view, key=key)

    desk.deliver = quick  # type: ignore[method-assign]  # a desk of its own
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    leg = (await world.bexley.legs(ref))["dwp"]
    assert (await world.bexley.answer("dwp", leg.id)).repeated
    await world.settle()
    ours = (await world.hackney.legs(ref))["dwp"]
    assert (ours.state, bool(ours.opened)) == ("ACCEPTED", True)
    for borough in world.boroughs:
        await check_histories(borough, ref)


async def test_the_same_answer_with_other_words_is_not_called_a_repetition(
    world: World, document: Any, dump: Any
) -> None:
    """The words of the second would be lost, and the caller told that all is well."""
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    leg = (await world.bexley.legs(ref))["dwp"]
    await world.bexley.answer("dwp", leg.id, reason_text="first")
    before = dump(world.bexley)
    assert (await world.bexley.answer("dwp", leg.id, reason_text="first")).repeated
    with pytest.raises(Conflict) as refused:
        await world.bexley.answer("dwp", leg.id, reason_text="second")
    assert refused.value.code == "answered_otherwise"
    assert dump(world.bexley) == before


@pytest.mark.parametrize("who", ["police", "housing"])
async def test_nobody_answers_for_another_agency(world: World, document: Any, who: str) -> None:
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    leg = (await world.bexley.legs(ref))["dwp"]
    with pytest.raises(NotFound):
        await world.bexley.answer(who, leg.id)
    with pytest.raises(NotFound):
        await world.hackney.answer("dwp", leg.id)  # nor the counterpart, at its own node


async def test_news_and_words_reach_the_counterpart_of_their_own_leg(
    world: World, document: Any, answer_all: Any, check_all_accepted: Any
) -> None:
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    for role, leg in (await world.bexley.legs(ref)).items():
        await world.bexley.answer(role, leg.id, reason_text=f"words of {role}")
    await world.settle()
    await check_all_accepted(world, ref)
    legs = await world.hackney.legs(ref)
    for role, desk in world.hackney.desks.items():
        assert {view.leg for _, view in desk.given} == {legs[role].id}
        told = repr([dict(view.content) for _, view in desk.given])
        assert [other for other in legs if f"words of {other}'" in told] == [role]
    kept = b"".join(row.note for row in await world.hackney.node.store.read(lambda tx: tx.receipts(ref=ref)))
    assert b"words of" not in kept


async def test_the_information_asked_for_comes_and_goes(
    world: World, document: Any, check_histories: Any
) -> None:
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    leg = (await world.bexley.legs(ref))["dwp"]
    for state in ("INFO_REQUESTED", "RECEIVED", "ACCEPTED", "IN_PROGRESS", "COMPLETED", "CLOSED"):
        more: Any = {"reason_code": "INSUFFICIENT_INFORMATION"} if state == "INFO_REQUESTED" else {}
        if state == "COMPLETED":
            more = {"actions": [{"action_id": "AC10", "result": "COMPLETED"}]}
        await world.bexley.answer("dwp", leg.id, state, **more)
        await world.settle()
        assert (await world.hackney.legs(ref))["dwp"].state == state
    for borough in world.boroughs:
        await check_histories(borough, ref)
    with pytest.raises(Conflict):
        await world.bexley.answer("dwp", leg.id, "REJECTED", reason_code="EXCESSIVE_DATA")
