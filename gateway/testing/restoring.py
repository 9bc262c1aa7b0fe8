"""A database put back from a backup, a broker that withholds, and time that passes: for tests of streams.

Example::

    taps, stores = Taps(), {BEXLEY: lambda: open_store(f"sqlite:///{path}")}
    async with two_boroughs(stores=stores, wrap=taps.wrap) as world:
        back_up(path, copy)
        ...
        async with restored(world, path, copy, taps) as bexley:
            await passes(world, 700)
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

from gateway.core.envelope import unbundle
from gateway.flows import anchor, heartbeat
from gateway.flows.opening import Opened, prove
from gateway.ports import Anchor, Aside, Delivery, Lane, Outgoing, Shelf, Transport
from gateway.stores import open_store
from gateway.testing.boroughs import START, Borough, World, assemble
from gateway.transports.memory import MemoryTransport


class MemoryAnchor:
    """See :class:`gateway.ports.Anchor`."""

    def __init__(self) -> None:
        self.content: bytes | None = None

    def read(self) -> bytes | None:
        return self.content

    def write(self, content: bytes, *, durable: bool = True) -> None:
        self.content = content


class Taps:
    """What every transport published, in order; ``withhold`` chooses what the broker then shows to nobody."""

    def __init__(self) -> None:
        self.published: list[tuple[Tap, Outgoing]] = []
        self.withhold: Callable[[Outgoing], bool] = lambda message: False

    def wrap(self, transport: Transport) -> Transport:
        return Tap(transport, self)

    def envelopes(self, to: str) -> Iterator[bytes]:
        """Every envelope to an area, withheld ones too."""
        for _, message in self.published:
            if message.to == to:
                yield from unbundle(message.body)


class Tap:
    """See :class:`gateway.ports.Transport`."""

    def __init__(self, inner: Transport, taps: Taps) -> None:
        self._inner, self._taps = inner, taps

    async def start(self) -> None:
        await self._inner.start()

    async def publish(self, message: Outgoing) -> None:
        self._taps.published.append((self, message))
        if not self._taps.withhold(message):
            await self._inner.publish(message)

    def deliveries(self, lane: Lane) -> AsyncIterator[Delivery]:
        return self._inner.deliveries(lane)

    async def waiting(self, lane: Lane) -> int:
        return await self._inner.waiting(lane)

    async def aside(self, shelf: Shelf) -> Aside | None:
        return await self._inner.aside(shelf)

    async def check(self) -> None:
        await self._inner.check()

    async def close(self) -> None:
        await self._inner.close()


def back_up(path: Path, copy: Path) -> None:
    """As operators do it, while the node runs (docs/operations.md)."""
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)


@asynccontextmanager
async def restored(
    world: World, path: Path, copy: Path, taps: Taps, held: Anchor | None = None
) -> AsyncIterator[Borough]:
    """Bexley killed, its database put back, and started again: the same keys, desks and anchor, if any."""
    old = world.bexley
    await old.node.transport.close()
    await old.node.store.close()
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)
    back_up(copy, path)
    store, transport = open_store(f"sqlite:///{path}"), taps.wrap(MemoryTransport(world.broker, old.area))
    await store.start()
    await transport.start()
    fresh = await assemble(old.area, store, transport, world.clock, old.desks, old.node.pace)
    world.bexley = Borough(replace(fresh.node, anchor=held), old.desks)
    for lane in Lane:
        world.taken.pop((old.area, lane), None)
    try:
        await anchor.weigh(world.bexley.node)
        yield world.bexley
    finally:
        await transport.close()
        await store.close()


async def pulse(world: World, *, since: int = START) -> None:
    """What time has made due, at both, and everything that follows from it."""
    for borough in world.boroughs:
        await heartbeat.beat(borough.node, since)
    await world.settle()


async def passes(world: World, seconds: int, step: int = 5, *, since: int = START) -> None:
    """Time goes by, with a look at what is due every ``step`` seconds."""
    for _ in range(0, seconds, step):
        world.clock.advance(step)
        await pulse(world, since=since)


def proven(borough: Borough, envelope: bytes) -> Opened:
    """An envelope to this borough, its statement verified as of its own time."""
    at = int.from_bytes(envelope[25:33], "big") - 600
    return prove(borough.node, envelope, at)[0]
