"""Three boroughs whose processes die and stop while databases, broker and agencies' systems live on.

Duty: what survives, how a node is started on it, and trust that is renewed however far the clock jumps. It
leaves out what is done with it (:mod:`tests.properties.test_lifecycle`) and what must hold of it
(:mod:`tests.properties.model_lifecycle`).

Example::

    machines = Machines()
    hackney = await machines.up(HACKNEY)
    hackney = await machines.again(HACKNEY)      # kill -9, and started on the same data
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

from gateway.core.ceremony import Bundle
from gateway.core.keys import KemKey
from gateway.flows.node import Pace
from gateway.flows.trust import join, refresh_trust
from gateway.ports import Delivered, Store, Transaction, View
from gateway.stores import open_store
from gateway.stores.memory import Memory, MemoryStore
from gateway.testing.anywhere import SeededKeys, _seed, bundle_of
from gateway.testing.boroughs import START, Borough, Desk, ManualClock, World, _Memory, assemble
from gateway.transports.memory import MemoryBroker, MemoryTransport
from keys_example import CARD_LIFE

T = TypeVar("T")
DAY: Final = 86_400
HACKNEY, BEXLEY, NEWHAM = AREAS = ("E09000012", "E09000004", "E09000025")
ROLES: Final = {
    "community_safety": ("COMMUNITY_SAFETY", ""),
    "police": ("POLICE", ""),
    "dwp": ("DWP", ""),
    "housing": ("HOUSING", ""),
}
EPOCH: Final = START // DAY * DAY - DAY
"""From when on the network is there."""


class Crash(BaseException):
    """The process is gone: nothing of the gateway may catch this."""


@dataclass
class Fuse:
    """``left``: commits of one node until it dies, None: never. ``after``: with the commit, or without."""

    left: int | None = None
    after: bool = False
    dead: bool = False


class FusedStore:
    """A store whose process dies at a commit."""

    def __init__(self, inner: Store, fuse: Fuse) -> None:
        self.inner, self.fuse = inner, fuse

    async def start(self) -> None:
        await self.inner.start()

    async def write(self, work: Callable[[Transaction], T], *, first: bool = False) -> T:
        fuse = self.fuse
        if fuse.dead:
            raise Crash
        if fuse.left is None:
            return await self.inner.write(work, first=first)
        fuse.left -= 1
        if fuse.left < 0 and not fuse.after:
            fuse.dead = True
            raise Crash
        result = await self.inner.write(work, first=first)
        if fuse.left < 0:
            fuse.dead = True
            raise Crash
        return result

    async def read(self, work: Callable[[Transaction], T]) -> T:
        if self.fuse.dead:
            raise Crash
        return await self.inner.read(work)

    async def check(self) -> None:
        await self.inner.check()

    async def close(self) -> None:
        await self.inner.close()


class Watched(Desk):
    """An agency's system; ``look`` is called before it takes anything, with what it is given."""

    def __init__(self, area: str, role: str, look: Callable[[str, str, View, str], None]) -> None:
        super().__init__()
        self._who, self._look = (area, role), look

    async def deliver(self, view: View, *, key: str) -> Delivered:
        self._look(*self._who, view, key)
        return await super().deliver(view, key=key)


@lru_cache
def bundle_at(day: int) -> Bundle:
    """The network as its operators sign it anew each day."""
    return bundle_of(dict.fromkeys(AREAS, ROLES), EPOCH + day * DAY, version=day + 1)


@lru_cache
def _key(principal: str, until: int) -> KemKey:
    return KemKey(_seed(f"kem {principal}"), EPOCH, until)


@dataclass
class Machines:
    """What survives a crash; ``built``: the processes that run now."""

    look: Callable[[str, str, View, str], None] = lambda area, role, view, key: None
    folder: Path | None = None
    clock: ManualClock = field(default_factory=ManualClock)
    broker: MemoryBroker = field(default_factory=lambda: MemoryBroker(list(AREAS)))
    memories: dict[str, Memory] = field(default_factory=lambda: {area: Memory() for area in AREAS})
    desks: dict[str, dict[str, Desk]] = field(default_factory=dict)
    keys: dict[str, _Memory] = field(default_factory=dict)
    built: dict[str, Borough] = field(default_factory=dict)
    fuses: dict[str, Fuse] = field(default_factory=dict)
    crashes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(AREAS, 0))

    def __post_init__(self) -> None:
        for area in AREAS:
            self.desks[area] = {role: Watched(area, role, self.look) for role in ROLES}
            self.keys[area] = _Memory(SeededKeys(area, ROLES, EPOCH))

    @property
    def day(self) -> int:
        return (self.clock.now() - EPOCH) // DAY

    async def up(self, area: str) -> Borough:
        """Start a node on what there is."""
        self._renew_keys(area)
        inner: Store = MemoryStore(self.memories[area])
        if self.folder:
            inner = open_store(f"sqlite:///{self.folder / area}.db")
        await inner.start()
        transport = MemoryTransport(self.broker, area)
        await transport.start()
        keys: Any = self.keys[area]
        borough = await assemble(
            area, inner, transport, self.clock, self.desks[area], Pace(), keys, bundle_at(self.day)
        )
        self.fuses[area] = Fuse()
        object.__setattr__(borough.node, "store", FusedStore(inner, self.fuses[area]))
        self.built[area] = borough
        return borough

    async def down(self, area: str) -> None:
        borough = self.built.pop(area)
        await borough.node.transport.close()
        await borough.node.store.close()

    async def again(self, area: str) -> Borough:
        """The process is killed, and started on the same data. What it held of the broker comes again."""
        self.crashes[area] += 1
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self.down(area)
        return await self.up(area)

    async def renew(self) -> None:
        """Every node that runs hears of the directory and cards of today."""
        now = self.clock.now()
        for area, borough in self.built.items():
            self._renew_keys(area)
            await borough.node.store.write(lambda tx: join(tx, bundle_at(self.day), now))
            await refresh_trust(borough.node, lambda _: None)

    def _renew_keys(self, area: str) -> None:
        until = EPOCH + self.day * DAY + CARD_LIFE
        keys = self.keys[area]
        keys.terms = {name: [_key(name, until)] for name in keys.principals()}

    def world(self, running: Sequence[Borough]) -> World:
        """For its pumps of mail; any of them may stand first."""
        return World(self.clock, self.broker, running[0], running[0])

    async def close(self) -> None:
        for area in list(self.built):
            await self.down(area)
