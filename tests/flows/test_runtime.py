"""The pumps really running: they start, stop without a trace, rest while something is away, and die aloud."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.errors import GatewayError, Rejected, Unavailable
from gateway.flows import paging, runtime
from gateway.flows.node import Pace
from gateway.flows.runtime import running
from gateway.ports import Answer, Transaction
from gateway.testing.boroughs import Borough, Desk, World, two_boroughs
from gateway.testing.pager import hang

QUICK = Pace(poll=0.01, sweep=0.01)
SOON = 20.0
"""Seconds that a test waits at most for what takes milliseconds."""


@pytest.fixture(autouse=True)
def short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "PAUSE", 0.01)


@pytest.fixture
async def quick() -> AsyncIterator[World]:
    async with two_boroughs(pace=QUICK) as world:
        yield world


def accept(_: object) -> None:
    """Any newer network will do here."""


async def eventually(what: Callable[[], Awaitable[bool]]) -> None:
    """Look again until it is so. There is no event to wait for: what is looked at is what a store holds."""
    async with asyncio.timeout(SOON):
        while not await what():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.005)


async def until(borough: Borough, ref: str, what: Callable[[Any], bool]) -> None:
    async def reached() -> bool:
        legs = await borough.legs(ref)
        return bool(legs) and all(what(leg) for leg in legs.values())

    await eventually(reached)


async def test_both_nodes_run_the_whole_story_and_leave_no_task(
    quick: World, document: Any, check_all_accepted: Any
) -> None:
    before = asyncio.all_tasks()
    async with AsyncExitStack() as stack:
        for borough in quick.boroughs:
            await stack.enter_async_context(running(borough.node, accept=accept))
        ref = (await quick.hackney.submit(document)).ref
        await until(quick.bexley, ref, lambda leg: leg.opened)
        for role, leg in (await quick.bexley.legs(ref)).items():
            await quick.bexley.answer(role, leg.id)
        await until(quick.hackney, ref, lambda leg: leg.state == "ACCEPTED")

        async def told() -> bool:
            return all(len(desk.given) == 5 for desk in quick.hackney.desks.values())

        await eventually(told)
        assert len(asyncio.all_tasks()) > len(before)
        for borough in quick.boroughs:  # closing gives the stores up: look while they are open
            await borough.node.store.check()
        await check_all_accepted(quick, ref)
    assert asyncio.all_tasks() == before
    with pytest.raises(Unavailable):
        await quick.hackney.node.store.read(lambda tx: tx.counts())


async def test_calls_are_made_by_a_pump_of_their_own_and_what_a_killed_process_had_claimed_at_once(
    quick: World,
) -> None:
    bell, now = hang(quick.bexley), quick.clock.now()
    node = quick.bexley.node

    def claimed(tx: Transaction) -> None:
        paging.page(tx, node, "breach", ref="HO-1", now=now)
        tx.claim_pages(now, 9, 9999)

    await node.store.write(claimed)
    async with running(node, accept=accept):
        assert bell.open

        async def rung() -> bool:
            return bell.roles == ["duty_officer"]

        await eventually(rung)
    assert not bell.open


async def _run_for_ever(borough: Borough) -> None:
    async with running(borough.node, accept=accept):
        await asyncio.wait_for(asyncio.Event().wait(), SOON)


async def _break(borough: Borough, error: BaseException) -> None:
    real = borough.node.store.read

    async def read(work: Callable[[Transaction], Any]) -> Any:
        if "_due" in work.__code__.co_names:
            raise error
        return await real(work)

    borough.node.store.read = read  # type: ignore[method-assign]  # a store that breaks under one pump


async def test_a_pump_that_meets_what_it_did_not_foresee_ends_the_node_aloud(quick: World) -> None:
    await _break(quick.bexley, LookupError("EXAMPLE, Jordan"))
    with capture_logs() as logs, pytest.raises(GatewayError) as failed:
        await _run_for_ever(quick.bexley)
    assert (failed.value.code, bool(failed.value.remedy)) == ("pump_ended", True)
    assert isinstance(failed.value.__cause__, LookupError)
    (line,) = [line for line in logs if line["log_level"] == "critical"]
    assert (line["pump"], line["error"]) == ("sweep", "LookupError")
    assert "sweep.py:" in line["where"]
    assert "Jordan" not in json.dumps(logs) + failed.value.message + failed.value.remedy
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]  # a test runs in a task
    await asyncio.sleep(0)  # nothing cancels us afterwards


async def test_a_fault_in_a_receiving_pump_is_named_out_of_its_group(
    quick: World, document: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(runtime, "receive", broken)
    await quick.hackney.submit(document)
    await quick.hackney.turn()
    with capture_logs() as logs, pytest.raises(GatewayError) as failed:
        await _run_for_ever(quick.bexley)
    assert isinstance(failed.value.__cause__, ZeroDivisionError)
    assert [line["error"] for line in logs if line["log_level"] == "critical"] == ["ZeroDivisionError"]


async def test_a_real_cancellation_stays_one(quick: World) -> None:
    inside = asyncio.Event()

    async def run() -> None:
        async with running(quick.bexley.node, accept=accept):
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(run())
    await asyncio.wait_for(inside.wait(), SOON)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_the_body_raises_comes_out_as_it_is(quick: World) -> None:
    with pytest.raises(KeyError):
        async with running(quick.bexley.node, accept=accept):
            raise KeyError


async def test_an_adapter_that_does_not_start_leaves_nothing_open(quick: World) -> None:
    closed: list[str] = []

    async def close() -> None:
        closed.append("desk")

    async def refuse() -> None:
        raise Unavailable("no such folder")

    quick.bexley.desks["police"].start = refuse  # type: ignore[method-assign]  # desks of their own
    quick.bexley.desks["community_safety"].close = close  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        async with running(quick.bexley.node, accept=accept):
            raise AssertionError("it must not run")
    assert closed == ["desk"]
    with pytest.raises(Unavailable):
        await quick.bexley.node.store.read(lambda tx: tx.counts())
    with pytest.raises(Unavailable):
        await quick.bexley.node.transport.check()


async def test_a_store_that_is_away_is_waited_for(quick: World, document: Any) -> None:
    """Every write of Bexley fails for a while: nothing is acknowledged, nothing is lost, nothing ends."""
    real, away = quick.bexley.node.store.write, asyncio.Event()
    failed = 0

    async def write(work: Callable[[Transaction], Any], *, first: bool = False) -> Any:
        nonlocal failed
        if not away.is_set():
            failed += 1
            raise Unavailable("away", code="store_away")
        return await real(work, first=first)

    async with AsyncExitStack() as stack:
        for borough in quick.boroughs:
            await stack.enter_async_context(running(borough.node, accept=accept))
        quick.bexley.node.store.write = write  # type: ignore[method-assign]  # a store that goes away
        ref = (await quick.hackney.submit(document)).ref

        async def noticed() -> bool:
            return failed >= 20

        await eventually(noticed)
        away.set()
        await until(quick.hackney, ref, lambda leg: leg.opened)


async def test_a_broker_that_is_away_is_waited_for(quick: World, document: Any) -> None:
    real, refused = quick.hackney.node.transport.publish, 0

    async def publish(message: Any) -> None:
        nonlocal refused
        if refused < 3:
            refused += 1
            raise Unavailable("away", code="broker_lost")
        await real(message)

    quick.hackney.node.transport.publish = publish  # type: ignore[method-assign]  # a broker that goes away
    async with AsyncExitStack() as stack:
        for borough in quick.boroughs:
            await stack.enter_async_context(running(borough.node, accept=accept))
        ref = (await quick.hackney.submit(document)).ref

        async def opened() -> bool:
            quick.clock.advance(1)
            return all(leg.opened for leg in (await quick.hackney.legs(ref)).values())

        await eventually(opened)
    assert refused == 3


class Given:
    """An answer that an adapter brings, and what became of it."""

    def __init__(self, leg: str, body: bytes) -> None:
        self.leg, self.body = leg, body
        self.outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def done(self) -> None:
        self.outcome.set_result("done")

    async def refuse(self, error: GatewayError) -> None:
        self.outcome.set_result(error.code)


class Handed(Given):
    """A document that an adapter brings."""

    key = "file-1"

    async def done(self, ref: str) -> None:  # type: ignore[override]  # a submission is told its reference
        self.outcome.set_result(ref)


async def test_an_adapter_that_is_away_for_a_while_brings_its_answers_later(
    quick: World, document: Any
) -> None:
    ref = (await quick.hackney.submit(document)).ref
    await quick.settle()
    leg = (await quick.bexley.legs(ref))["dwp"].id
    good = Given(leg, b'{"state":"ACCEPTED","role":"Duty officer"}')
    bad = Given(leg, b'{"state":"SURE","role":"Jordan"}')
    foreign = Given((await quick.bexley.legs(ref))["police"].id, good.body)
    desk, calls = quick.bexley.desks["dwp"], 0

    async def answers(self: Desk) -> AsyncIterator[Answer]:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise Unavailable("the share is not mounted", code="folder")
        for answer in (bad, foreign, good):
            yield answer

    desk.acknowledgements = answers.__get__(desk)  # type: ignore[method-assign]  # a desk of its own
    async with running(quick.bexley.node, accept=accept), asyncio.timeout(SOON):
        assert [await g.outcome for g in (bad, foreign, good)] == ["invalid_document", "no_leg", "done"]
        assert (await quick.bexley.legs(ref))["dwp"].state == "ACCEPTED"
        assert (await quick.bexley.legs(ref))["police"].state == "DELIVERED"


async def test_documents_are_taken_from_an_adapter(quick: World, document: Any) -> None:
    body = json.dumps(document).encode()
    good, bad = Handed("", body), Handed("", b"{}")

    async def handed(self: Desk) -> AsyncIterator[Any]:
        for submission in (good, bad):
            yield submission

    desk = quick.hackney.desks["community_safety"]
    desk.submissions = handed.__get__(desk)  # type: ignore[method-assign]  # a desk of its own
    bad.key = "file-2"
    async with running(quick.hackney.node, accept=accept), asyncio.timeout(SOON):
        assert await good.outcome == document["message"]["handover_id"]
        assert await bad.outcome == "invalid_document"


async def test_a_restart_hands_over_what_was_held(quick: World, document: Any) -> None:
    """An operator who has mended an adapter restarts the node: the same parcel, under the same key."""
    desk = quick.bexley.desks["dwp"]
    desk.fail = [Rejected("not this", code="bad_parcel")]
    ref = (await quick.hackney.submit(document)).ref
    await quick.settle()
    leg = (await quick.bexley.legs(ref))["dwp"]
    assert desk.keys == []
    async with running(quick.bexley.node, accept=accept):
        await until(quick.bexley, ref, lambda leg: leg.opened)
        assert desk.keys == [f"notification-{leg.id}"]
