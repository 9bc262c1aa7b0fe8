"""An urgent handover stands in nobody's line: not in the store, not before an agency, not on its way back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from gateway.demo.processes import documents
from gateway.flows.node import Pace
from gateway.flows.runtime import running
from gateway.ports import Delivered, Parcel, Transaction, View
from gateway.testing.boroughs import Borough, Desk, World, two_boroughs

SOON = 20.0


class Slow(Desk):
    """Its system has what is not urgent in hand until ``go``."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.in_hand = 0

    async def deliver(self, view: View, *, key: str) -> Delivered:
        if view.urgency != "URGENT":
            self.in_hand += 1
            await self.go.wait()
        return await super().deliver(view, key=key)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with two_boroughs(pace=Pace(poll=0.01, sweep=0.01)) as world:
        yield world


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON):
        while not what():  # noqa: ASYNC110 - what a desk was given tells nobody
            await asyncio.sleep(0.005)


async def test_an_agency_with_its_hands_full_is_given_what_is_urgent(world: World) -> None:
    slow, now = Slow(), world.clock.now()
    node = world.bexley.node
    binding = node.agencies[f"{node.area}/housing"]
    object.__setattr__(binding, "adapter", slow)
    async with AsyncExitStack() as stack:
        for borough in world.boroughs:
            await stack.enter_async_context(running(borough.node, accept=lambda _: None))
        plain, urgent = documents(now - 5), documents(now - 5, urgent=True, first=500_000)
        for number in range(3):  # what it has in hand, and what waits behind that
            await world.hackney.submit(next(plain), key=f"n{number}")
        await until(lambda: slow.in_hand > 0)
        ref = (await world.hackney.submit(next(urgent), key="u")).ref
        await until(lambda: bool(slow.given))
        assert [(view.handover, view.kind) for _, view in slow.given] == [(ref, Parcel.NOTIFICATION)]

        def opened(tx: Transaction) -> bool:
            return any(leg.opened for leg in tx.legs(ref, 1))

        async with asyncio.timeout(SOON):
            while not await world.hackney.node.store.read(opened):  # noqa: ASYNC110 - nor does a store
                await asyncio.sleep(0.005)
        assert len(slow.given) == 1, "the origin hears of it while the others still wait"
        slow.go.set()
        await until(lambda: len(slow.given) == 4)


@pytest.mark.parametrize("urgent", [True, False])
async def test_its_works_go_before_others_at_both_ends(world: World, *, urgent: bool) -> None:
    seen: dict[str, set[bool]] = {}
    for borough in world.boroughs:
        watch(borough, seen)
    made = next(documents(world.clock.now() - 5, urgent=urgent))
    await world.hackney.submit(made, key="k")
    await world.settle()
    steps = {name: seen[name] for name in ("submit", "_publish", "_delivered")}
    assert steps == {
        "submit": {urgent},
        "_publish": {urgent},
        "_delivered": {urgent},
    }
    assert seen["accept"] == {urgent}


def watch(borough: Borough, seen: dict[str, set[bool]]) -> None:
    """Remember of each function's works whether they went first."""
    real = borough.node.store.write

    async def write(work: Callable[[Transaction], Any], *, first: bool = False) -> Any:
        seen.setdefault(work.__qualname__.partition(".")[0], set()).add(first)
        return await real(work, first=first)

    borough.node.store.write = write  # type: ignore[method-assign]  # watched
