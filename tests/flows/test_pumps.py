"""A pump goes on while there may be more, and waits to be called when there is not: a look that finds nothing
costs a transaction, and an exchange has many."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from gateway.demo.processes import documents
from gateway.flows import deliver, dispatch, notice_view, notices, runtime, show
from gateway.flows.node import Pace
from gateway.ports import Lane, Transaction
from gateway.testing.boroughs import Borough, World, two_boroughs

SOON = 20.0
NEVER = 3600.0
"""Seconds between two looks that nobody called for: longer than a test."""


NOTICE = {
    "kind": "CORRECTION",
    "role": "Integrated gangs team leader",
    "reason_code": "DATA_INACCURATE",
    "text": "The flat number is another one.",
    "changes": ["/core/family_name"],
}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with two_boroughs(pace=Pace(poll=NEVER, sweep=NEVER)) as world:
        yield world


async def turns(count: int = 30) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_it_looks_again_only_when_there_may_be_more_or_it_is_called() -> None:
    event, found, looked = asyncio.Event(), iter([9, 10, 3, 9, 0, 0]), list[int]()

    async def work() -> int:
        looked.append(next(found))
        if len(looked) == 5:
            event.set()  # something came while it was at work
        return looked[-1]

    pump = asyncio.create_task(runtime._repeat(work, event, None, full=9))
    await turns()
    assert looked == [9, 10, 3]
    event.set()
    await turns()
    assert looked == [9, 10, 3, 9, 0, 0]
    pump.cancel()
    await asyncio.gather(pump, return_exceptions=True)


async def test_a_backlog_of_many_claims_is_worked_off_in_one_go(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made while nothing ran, so that nobody calls: twelve handovers and their receipts, two at a time."""
    for place, name, size in (
        (dispatch, "WINDOW", 4),
        (runtime, "FULL", 2),
        (dispatch, "PACK", 2),
        (runtime, "PACK", 2),
        (deliver, "BATCH", 2),
        (runtime, "BATCH", 2),
    ):
        monkeypatch.setattr(place, name, size)
    made = documents(world.clock.now() - 5)
    refs = [(await world.hackney.submit(next(made), key=f"k{number}")).ref for number in range(12)]
    world.hackney.node.wake.outbox[Lane.STANDARD].clear()
    async with AsyncExitStack() as stack:
        for borough in world.boroughs:
            await stack.enter_async_context(runtime.running(borough.node, accept=lambda _: None))
        async with asyncio.timeout(SOON):
            while not await _all_opened(world.hackney, refs):  # noqa: ASYNC110 - a store tells nobody
                await asyncio.sleep(0.005)


async def test_every_receipt_leaves_though_nobody_looks_by_himself(world: World) -> None:
    """Of a handover, of an urgent one, and of a notice, which comes on the urgent lane."""
    made = documents(world.clock.now() - 5), documents(world.clock.now() - 5, urgent=True, first=500_000)
    words = notices.read(json.dumps(NOTICE).encode())
    async with AsyncExitStack() as stack:
        for borough in world.boroughs:
            await stack.enter_async_context(runtime.running(borough.node, accept=lambda _: None))
        refs = [(await world.hackney.submit(next(one), key=f"k{n}")).ref for n, one in enumerate(made)]
        async with asyncio.timeout(SOON):
            while not await _all_opened(world.hackney, refs):  # noqa: ASYNC110 - a store tells nobody
                await asyncio.sleep(0.005)
        caller = world.hackney.caller("community_safety")
        await notices.issue(world.hackney.node, caller, refs[0], words, key="n")
        async with asyncio.timeout(SOON):
            while not await _heard_of(world.hackney, refs[0]):  # noqa: ASYNC110 - nor here
                await asyncio.sleep(0.005)


async def _heard_of(borough: Borough, ref: str) -> bool:
    """That it was opened."""

    def opened(tx: Transaction) -> bool:
        told = notice_view.listing(tx, show.find(tx, ref, None), None)
        return {one["state"] for one in told["unresolved"]} == {"OPENED"}

    return await borough.node.store.read(opened)


async def _all_opened(borough: Borough, refs: list[str]) -> bool:
    def opened(tx: Transaction) -> bool:
        return all(leg.opened for ref in refs for leg in tx.legs(ref, 1))

    return await borough.node.store.read(opened)


@pytest.mark.parametrize("urgent", [True, False])
async def test_who_signs_nothing_calls_nobody_to_send_it(world: World, *, urgent: bool) -> None:
    """The origin takes receipts and tells its own agency; the destination signs."""
    await world.hackney.submit(next(documents(world.clock.now() - 5, urgent=urgent)), key="k")
    await world.settle()
    assert sum(len(desk.given) for desk in world.hackney.desks.values()) > 0
    (ours, theirs) = (borough.node.wake for borough in world.boroughs)
    assert (ours.receipts.is_set(), ours.urgent_receipts.is_set()) == (False, False)
    assert (theirs.receipts.is_set(), theirs.urgent_receipts.is_set()) == (not urgent, urgent)
