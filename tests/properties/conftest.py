"""A process that dies at a chosen moment, and two boroughs that are built again on what it left behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gateway.core.states import LEG, LegState, responsible
from gateway.flows.node import Pace
from gateway.ports import (
    Aside,
    Delivered,
    Delivery,
    Keys,
    Lane,
    Outgoing,
    Parcel,
    Shelf,
    Store,
    Transaction,
    Transport,
    View,
)
from gateway.stores import open_store
from gateway.stores.memory import Memory, MemoryStore
from gateway.testing.boroughs import (
    BEXLEY,
    HACKNEY,
    Borough,
    Desk,
    ManualClock,
    World,
    assemble,
    with_recipients,
)
from gateway.testing.histories import OVERLAY, OWN_CLOCK
from gateway.transports.memory import MemoryBroker, MemoryTransport
from keys_example import AGENCIES
from schemas.samples import minimal_example

T = TypeVar("T")
LEASES = 421
"""Seconds after which all that a dead worker had claimed is due again (those of deliver are the longest)."""


class Crash(BaseException):
    """The process is gone: nothing of the gateway may catch this."""


@dataclass
class Moment:
    """Counts the moments at which a process could die, before and after each effect, and dies at one.

    ``at`` None: never. ``count`` after a whole run is how many moments it has.
    """

    at: int | None = None
    count: int = 0
    dead: bool = False
    what: str = ""
    passed: list[str] = field(default_factory=list)

    def passes(self, what: str) -> None:
        if self.dead:
            raise Crash  # what is left of the dead process does nothing more
        self.count += 1
        self.passed.append(what)
        if self.at == self.count:
            self.dead, self.what = True, what
            raise Crash


class CrashingStore:
    """A store whose writer may die before or after a commit. A write that changes nothing is no moment."""

    def __init__(self, inner: Store, moment: Moment) -> None:
        self.inner, self.moment = inner, moment

    async def start(self) -> None:
        await self.inner.start()

    async def write(self, work: Callable[[Transaction], T], *, first: bool = False) -> T:
        if self.moment.dead:
            raise Crash
        if not isinstance(self.inner, MemoryStore):
            self.moment.passes("before a commit")
            result = await self.inner.write(work, first=first)
            self.moment.passes("after a commit")
            return result
        before = self.inner.memory.tables
        result = await self.inner.write(work, first=first)
        if self.inner.memory.tables != before:
            committed, self.inner.memory.tables = self.inner.memory.tables, before
            self.moment.passes("before a commit")
            self.inner.memory.tables = committed
            self.moment.passes("after a commit")
        return result

    async def read(self, work: Callable[[Transaction], T]) -> T:
        if self.moment.dead:
            raise Crash
        return await self.inner.read(work)

    async def check(self) -> None:
        await self.inner.check()

    async def close(self) -> None:
        await self.inner.close()


class CrashingTransport:
    def __init__(self, inner: Transport, moment: Moment) -> None:
        self.inner, self.moment = inner, moment

    async def start(self) -> None:
        await self.inner.start()

    async def publish(self, message: Outgoing) -> None:
        self.moment.passes("before a publish")
        await self.inner.publish(message)
        self.moment.passes("after a publish")

    async def deliveries(self, lane: Lane) -> AsyncIterator[Delivery]:
        async for delivery in self.inner.deliveries(lane):
            yield _CrashingDelivery(delivery, self.moment)

    async def waiting(self, lane: Lane) -> int:
        return await self.inner.waiting(lane)

    async def aside(self, shelf: Shelf) -> Aside | None:
        return await self.inner.aside(shelf)

    async def check(self) -> None:
        await self.inner.check()

    async def close(self) -> None:
        await self.inner.close()


class _CrashingDelivery:
    def __init__(self, inner: Delivery, moment: Moment) -> None:
        self.inner, self.moment = inner, moment
        self.body, self.lane, self.sender = inner.body, inner.lane, inner.sender

    async def ack(self) -> None:
        self.moment.passes("before an ack")
        await self.inner.ack()
        self.moment.passes("after an ack")

    async def quarantine(self, code: str) -> None:
        raise AssertionError(f"an honest message was quarantined: {code}")

    async def release(self) -> None:
        await self.inner.release()


class CrashingDesk(Desk):
    """The agency's system outlives the node: what it was given before the crash, it has."""

    def __init__(self) -> None:
        super().__init__()
        self.moment = Moment()

    async def deliver(self, view: View, *, key: str) -> Delivered:
        self.moment.passes("before an adapter")
        given = await super().deliver(view, key=key)
        self.moment.passes("after an adapter")
        return given


@dataclass
class Machines:
    """What survives a crash: both databases and key stores, the broker, the agencies' systems, the time."""

    folder: Path | None = None
    clock: ManualClock = field(default_factory=ManualClock)
    broker: MemoryBroker = field(default_factory=lambda: MemoryBroker([HACKNEY, BEXLEY]))
    memories: dict[str, Memory] = field(default_factory=lambda: {HACKNEY: Memory(), BEXLEY: Memory()})
    desks: dict[str, dict[str, CrashingDesk]] = field(
        default_factory=lambda: {
            area: {role: CrashingDesk() for role in AGENCIES} for area in (HACKNEY, BEXLEY)
        }
    )
    keys: dict[str, Keys] = field(default_factory=dict)
    built: list[Borough] = field(default_factory=list)

    async def world(self, moment: Moment) -> World:
        """Both nodes, started on what there is."""
        await self.down()
        self.built = [await self._borough(area, moment) for area in (HACKNEY, BEXLEY)]
        return World(self.clock, self.broker, self.built[0], self.built[1])

    async def _borough(self, area: str, moment: Moment) -> Borough:
        inner: Store = MemoryStore(self.memories[area])
        if self.folder:
            inner = open_store(f"sqlite:///{self.folder / area}.db")
        await inner.start()
        transport = CrashingTransport(MemoryTransport(self.broker, area), moment)
        await transport.start()
        for desk in self.desks[area].values():
            desk.moment = Moment()  # joining the network on first start is not what these tests kill
        keys = self.keys.get(area)
        borough = await assemble(area, inner, transport, self.clock, self.desks[area], Pace(), keys)
        self.keys[area] = borough.node.keys
        for desk in self.desks[area].values():
            desk.moment = moment
        object.__setattr__(borough.node, "store", CrashingStore(inner, moment))
        return borough

    async def down(self) -> None:
        for borough in self.built:
            await borough.node.transport.close()
            await borough.node.store.close()
        self.built = []


async def story(world: World, document: dict[str, Any]) -> str:
    """Hand in, deliver, answer, bring the answers home. Safe to be told again from the start."""
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    for role, leg in (await world.bexley.legs(ref)).items():
        await world.bexley.answer(role, leg.id)
    await world.settle()
    return ref


async def bury() -> None:
    """End every task that the dead process left."""
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


async def check(world: World, ref: str, roles: set[str], *, calls: int, answers: int = 1) -> None:
    """Accepted everywhere, every history legal, responsibility somebody's, nothing done under two keys."""
    for borough in world.boroughs:
        legs = await borough.legs(ref)
        assert {role: leg.state for role, leg in legs.items()} == dict.fromkeys(roles, "ACCEPTED")
        for leg in legs.values():
            await _check_history(borough, leg)
    for role, leg in (await world.hackney.legs(ref)).items():
        receipts = await world.hackney.node.store.read(
            lambda tx, leg=leg: tx.receipts(ref=ref, by=leg.principal)
        )
        assert sorted(r.state for r in receipts) == ["accepted", "acknowledged", "opened"], role
        assert all(r.applied for r in receipts)
        given, told = world.bexley.desks[role].given, world.hackney.desks[role].given
        assert {key for key, v in given if v.kind is Parcel.NOTIFICATION} == {f"notification-{leg.id}"}
        assert len({key for key, v in told if v.kind is Parcel.REPLY}) == answers
        news = [str(event) for event in dict(_news(told)).values() if not OWN_CLOCK.match(str(event))]
        assert sorted(set(news) - {"received"}) == ["accepted", "acknowledged", "opened"], role
        assert len(set(news)) == len(news)  # "received" is no news once "opened" has overtaken it
        for keys in ([key for key, _ in given], [key for key, _ in told]):
            assert max(keys.count(key) for key in keys) <= calls
        own = {f"{BEXLEY}/{role}"}
        assert {v.content.get("principal") for _, v in told if v.kind is Parcel.STATUS} == own


def _news(told: Sequence[tuple[str, View]]) -> list[tuple[str, Any]]:
    return [(key, view.content["event"]) for key, view in told if view.kind is Parcel.STATUS]


async def _check_history(borough: Borough, leg: Any) -> None:
    events = await borough.node.store.read(lambda tx: tx.history(leg.id))
    at = events[0].before
    for event in events:
        assert event.before == at
        overlay = OVERLAY.match(event.event) is not None
        assert event.after == (at if overlay else LEG[LegState(at), event.event]), event
        assert responsible(LegState(event.after), leg.counterpart, leg.principal)
        at = event.after
    assert at == leg.state


def narrowed(document: dict[str, Any], *agencies: str) -> dict[str, Any]:
    """The example for some of its agencies: nothing in it is visible to anybody who is not asked (R7)."""

    def narrow(value: Any) -> Any:
        if isinstance(value, list):
            return [narrow(item) for item in value if not _hidden(item)]
        if not isinstance(value, dict):
            return value
        return {
            name: [a for a in item if a in agencies] if name in {"visible_to", "agencies"} else narrow(item)
            for name, item in value.items()
            if not _hidden(item)
        }

    def _hidden(value: Any) -> bool:
        readers = value.get("visible_to", value.get("agencies")) if isinstance(value, dict) else None
        return readers is not None and not set(readers) & set(agencies)

    narrow_document: dict[str, Any] = narrow(with_recipients(document, *agencies))
    return narrow_document


class Kit:
    """The helpers above, for tests that cannot import a conftest."""

    machines, moment, crash, leases = Machines, Moment, Crash, LEASES
    story, bury, check, narrowed = map(staticmethod, (story, bury, check, narrowed))


@pytest.fixture
def kit() -> Kit:
    return Kit()


@pytest.fixture
def document() -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(minimal_example())
    return copy
