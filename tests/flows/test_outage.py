"""A message that cannot be stored stays in hand: never given back, tried by one at a time, stored at last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.errors import Unavailable
from gateway.flows import runtime
from gateway.flows.node import Pace
from gateway.flows.outage import Outage
from gateway.flows.runtime import running
from gateway.ports import Delivery, Lane, Transaction
from gateway.testing.boroughs import World, two_boroughs


class Away:
    """A unit of work that fails while the store is away, and who is at it."""

    def __init__(self) -> None:
        self.away = True
        self.tries = self.at_once = self.most = self.stored = 0

    async def __call__(self) -> None:
        self.tries += 1
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if self.away:
            raise Unavailable("the disk is full", code="store_full")
        self.stored += 1


async def test_of_many_that_wait_one_tries_and_all_are_stored_when_it_ends() -> None:
    work, outage = Away(), Outage(pause=0.02)
    with capture_logs() as lines:
        tasks = [asyncio.create_task(outage.until_stored(work)) for _ in range(100)]
        await asyncio.sleep(0.05)
        work.most = 0
        await asyncio.sleep(0.2)
        assert work.most == 1
        assert 100 < work.tries < 115, "a pause between two tries, whoever tries"
        work.away = False
        async with asyncio.timeout(5):
            await asyncio.gather(*tasks)
    assert work.stored == 100
    said = [(line["event"], line["code"]) for line in lines]
    assert said == [("not stored, kept until it can be", "store_full"), ("stored again", "store_full")]


async def test_a_cancelled_one_lets_the_next_try() -> None:
    work, outage = Away(), Outage(pause=0.01)
    first = asyncio.create_task(outage.until_stored(work))
    second = asyncio.create_task(outage.until_stored(work))
    await asyncio.sleep(0.03)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    work.away = False
    async with asyncio.timeout(5):
        await second
    assert work.stored == 1


class Counted:
    """A delivery whose returns are counted, as a quorum queue does against its delivery limit."""

    def __init__(self, inner: Delivery, returned: list[bytes]) -> None:
        self._inner, self._returned = inner, returned

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def release(self) -> None:
        self._returned.append(self._inner.body)
        await self._inner.release()


class CountedTransport:
    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.returned: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def deliveries(self, lane: Lane) -> AsyncIterator[Delivery]:
        async for delivery in self._inner.deliveries(lane):
            yield Counted(delivery, self.returned)


class FullStore:
    """Takes no write while ``full``; reads go on."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.full = False
        self.refused = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def write(self, work: Callable[[Transaction], Any], *, first: bool = False) -> Any:
        if self.full:
            self.refused += 1
            raise Unavailable("the disk of the database is full", code="store_full")
        return await self._inner.write(work, first=first)


async def test_while_the_store_takes_nothing_no_message_goes_back_to_the_broker(
    document: Any, check_all_accepted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "PAUSE", 0.02)
    async with two_boroughs(pace=Pace(poll=0.01, sweep=0.01)) as world:
        bexley = world.bexley.node
        store, transport = FullStore(bexley.store), CountedTransport(bexley.transport)
        world.bexley.node = replace(bexley, store=store, transport=transport)
        async with running(world.hackney.node, accept=_any), running(world.bexley.node, accept=_any):
            store.full = True
            ref = (await world.hackney.submit(document)).ref
            await _until(lambda: _sent(world, ref))
            before = store.refused
            await asyncio.sleep(0.3)
            assert store.refused > before, "it is tried again"
            assert transport.returned == []
            store.full = False
            await _all_accepted(world, ref)
            await check_all_accepted(world, ref)
        assert transport.returned == []


async def _sent(world: World, ref: str) -> bool:
    legs = await world.hackney.legs(ref)
    return bool(legs) and all(leg.state == "TRANSMITTED" for leg in legs.values())


async def _all_accepted(world: World, ref: str) -> None:
    async def opened() -> bool:
        legs = await world.bexley.legs(ref)
        return bool(legs) and all(leg.opened for leg in legs.values())

    async def accepted() -> bool:
        return all(leg.state == "ACCEPTED" for leg in (await world.hackney.legs(ref)).values())

    await _until(opened)
    for role, leg in (await world.bexley.legs(ref)).items():
        await world.bexley.answer(role, leg.id)
    await _until(accepted)


async def _until(reached: Callable[[], Awaitable[bool]]) -> None:
    """Look again until it is so. There is no event to wait for: what is looked at is what a store holds."""
    async with asyncio.timeout(20):
        while not await reached():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)


def _any(_: object) -> None:
    """Any newer network will do here."""


class Floor:
    """A disk whose room a test sets."""

    def __init__(self) -> None:
        self.low = False

    def free(self) -> int:
        return 0 if self.low else 1 << 40

    def check(self) -> None:
        if self.low:
            raise Unavailable("less than 64 MiB of disk are free", code="disk_low")


async def test_below_the_floor_standard_work_waits_and_urgent_work_and_receipts_go_on(
    document: Any, check_all_accepted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "PAUSE", 0.02)
    async with two_boroughs(pace=Pace(poll=0.01, sweep=0.01)) as world:
        floor = Floor()
        transport = CountedTransport(world.bexley.node.transport)
        world.bexley.node = replace(world.bexley.node, room=floor, transport=transport)
        async with running(world.hackney.node, accept=_any), running(world.bexley.node, accept=_any):
            floor.low = True
            ref = (await world.hackney.submit(document)).ref
            await _until(lambda: _sent(world, ref))
            await asyncio.sleep(0.2)
            assert await world.bexley.legs(ref) == {}
            assert transport.returned == []
            floor.low = False
            await _until(lambda: _has_opened(world, ref))
            floor.low = True  # what was taken is answered for all the same
            await _all_accepted(world, ref)
            await check_all_accepted(world, ref)


async def _has_opened(world: World, ref: str) -> bool:
    legs = await world.bexley.legs(ref)
    return bool(legs) and all(leg.opened for leg in legs.values())
