"""Any order of events: pumps in turns of anybody's choosing, messages twice, late and again, jumps of time.

The schedule is drawn; what must hold at its end is always the same. Every delivery may be taken and given
back (a reader that died), taken and kept while others pass it (out of order), or stored and not acknowledged
(a death between commit and ack).
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.flows import deliver, dispatch, receive, sweep
from gateway.flows.node import Wake
from gateway.ports import Delivery, Lane
from gateway.stores import open_store
from gateway.testing.boroughs import BEXLEY, HACKNEY, Borough, World
from gateway.testing.faults import FaultPlan, FaultyTransport
from gateway.transports.memory import MemoryTransport

ROLES = {"police", "dwp"}
STEPS = (
    "pack",
    "bulk",
    "urgent",
    "deliver",
    "sweep",
    "take",
    "give back",
    "unheard",
    "keep",
    "answer",
    "time",
)


class Schedule:
    """One drawn run on one world."""

    def __init__(self, world: World, ref: str) -> None:
        self.world, self.ref = world, ref
        self.kept: list[tuple[Borough, Delivery]] = []

    async def step(self, name: str, borough: Borough, number: int) -> None:
        node = borough.node
        match name:
            case "pack":
                await dispatch.pack(node)
            case "bulk":
                await dispatch.dispatch(node, dispatch.BULK)
            case "urgent":
                await dispatch.dispatch(node, dispatch.URGENT)
            case "deliver":
                binding = sorted(node.agencies.items())[number % len(node.agencies)][1]
                await deliver.deliver(node, binding)
            case "sweep":
                await sweep.sweep(node)
            case "answer":
                await self.answer()
            case "time":
                self.world.clock.advance((1, 31, 400, 3600)[number % 4])
            case _:
                await self.mail(name, borough, number)

    async def mail(self, name: str, borough: Borough, number: int) -> None:
        """One message from a lane, and what becomes of it."""
        if name == "take" and self.kept and number % 2:
            borough, late = self.kept.pop(number % len(self.kept))
            await receive.receive(borough.node, late)
            return
        lane = tuple(Lane)[number % len(Lane)]
        taken = await self.world.next_delivery(borough, lane)
        if taken is None:
            return
        if name == "keep":
            self.kept.append((borough, taken))
        elif name == "give back":
            await taken.release()
        elif name == "unheard":  # committed, and the process died before it could say so
            await receive.accept(borough.node, taken.body, via=taken.sender)
            await taken.release()
        else:
            await receive.receive(borough.node, taken)

    async def answer(self) -> None:
        for role, leg in (await self.world.bexley.legs(self.ref)).items():
            if leg.opened:
                await self.world.bexley.answer(role, leg.id)

    async def finish(self) -> None:
        """Everything works from here on: what is left must come to its end by itself."""
        for borough, late in self.kept:
            await receive.receive(borough.node, late)
        for _ in range(4):
            await self.world.settle()
            await self.answer()
            self.world.clock.advance(1000)
        await self.world.settle()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(STEPS), st.booleans(), st.integers(0, 60)), min_size=5, max_size=80
    )
)
async def test_any_schedule_ends_with_every_agency_heard_once(
    kit: Any, document: Any, steps: list[tuple[str, bool, int]]
) -> None:
    machines = kit.machines()
    world = await machines.world(kit.moment())
    try:
        small = kit.narrowed(document, "POLICE", "DWP")
        schedule = Schedule(world, (await world.hackney.submit(small)).ref)
        for name, home, number in steps:
            await schedule.step(name, world.hackney if home else world.bexley, number)
        await schedule.finish()
        await kit.check(world, schedule.ref, ROLES, calls=1)
    finally:
        await machines.down()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seeds=st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)))
async def test_a_bad_broker_costs_time_and_nothing_else(
    kit: Any, document: Any, seeds: tuple[int, int]
) -> None:
    """Refused, confirmed too late, twice, reordered, given again: whatever its contract allows."""
    machines = kit.machines()
    world = await machines.world(kit.moment())
    try:
        for borough, seed in zip(world.boroughs, seeds, strict=True):
            plan = FaultPlan.seeded(seed, length=40, rate=0.4, delay=0.001)
            faulty = FaultyTransport(borough.node.transport, plan)
            object.__setattr__(borough.node, "transport", faulty)
        schedule = Schedule(world, (await world.hackney.submit(kit.narrowed(document, "POLICE", "DWP"))).ref)
        for _ in range(6):
            await schedule.finish()
        await kit.check(world, schedule.ref, ROLES, calls=1)
    finally:
        await machines.down()


@pytest.mark.parametrize("order", ["straight", "backwards"])
async def test_receipts_that_overtake_each_other_wait_for_their_predecessor(
    kit: Any, document: Any, order: str
) -> None:
    """Each receipt in an envelope of its own, the last first: accepted before acknowledged before received,
    while the leg is still QUEUED here (the publish was confirmed, the process died before it wrote so)."""
    machines = kit.machines()
    world = await machines.world(kit.moment())
    try:
        ref = (await world.hackney.submit(kit.narrowed(document, "POLICE", "DWP"))).ref
        rows = await world.hackney.node.store.read(lambda tx: tx.legs(ref, 1))
        body = await world.hackney.node.store.read(lambda tx: tx.envelope(rows[0].mid))
        await receive.accept(world.bexley.node, body.body)
        carriers = [await _carried(world)]
        for binding in world.bexley.node.agencies.values():
            await deliver.deliver(world.bexley.node, binding)
        carriers.append(await _carried(world))
        for state in ("RECEIVED", "ACCEPTED"):
            for role, leg in (await world.bexley.legs(ref)).items():
                await world.bexley.answer(role, leg.id, state)
            carriers.append(await _carried(world))
        assert {leg.state for leg in (await world.hackney.legs(ref)).values()} == {"QUEUED"}
        for carrier in carriers if order == "straight" else reversed(carriers):
            await receive.accept(world.hackney.node, carrier)
            await receive.accept(world.hackney.node, carrier)
        assert {leg.state for leg in (await world.hackney.legs(ref)).values()} == {"ACCEPTED"}
        await Schedule(world, ref).finish()
        await kit.check(world, ref, ROLES, calls=1, answers=2)
    finally:
        await machines.down()


async def _carried(world: World) -> bytes:
    """The envelope that the receipts made since are packed into."""
    before = set(world.bexley.node.store.inner.memory.tables.envelopes)
    assert await dispatch.pack(world.bexley.node)
    tables = world.bexley.node.store.inner.memory.tables
    ((mid, side),) = set(tables.envelopes) - before
    body: bytes = tables.envelopes[mid, side].body
    return body


async def test_two_processes_on_one_database_do_everything_once(
    kit: Any, document: Any, tmp_path: Path
) -> None:
    """Two nodes of each borough over one file each, all pumps of all four at the same time."""
    machines = kit.machines(folder=tmp_path)
    world = await machines.world(kit.moment())
    async with AsyncExitStack() as stack:
        stack.push_async_callback(machines.down)
        twins = []
        for borough in world.boroughs:
            store = open_store(f"sqlite:///{tmp_path / borough.area}.db")
            await store.start()
            stack.push_async_callback(store.close)
            transport = MemoryTransport(machines.broker, borough.area)
            await transport.start()
            stack.push_async_callback(transport.close)
            wake = Wake.of(borough.node.wake.tasks)
            twin = replace(borough.node, store=store, transport=transport, wake=wake)
            twins.append(Borough(twin, borough.desks))
        other = World(world.clock, world.broker, twins[0], twins[1])
        both = (world, other)
        submitted = await asyncio.gather(*(one.hackney.submit(document) for one in both))
        assert sorted(one.repeated for one in submitted) == [False, True]
        ref = submitted[0].ref
        for _ in range(4):
            for _ in range(6):
                await asyncio.gather(
                    *(borough.turn() for one in both for borough in one.boroughs),
                    *(one.deliver_mail(borough) for one in both for borough in one.boroughs),
                )
            for role, leg in (await world.bexley.legs(ref)).items():
                if leg.opened:
                    await asyncio.gather(*(one.bexley.answer(role, leg.id) for one in both))
        await world.settle()
        await kit.check(world, ref, set(world.bexley.desks), calls=1)
        for borough, area in zip(world.boroughs, (HACKNEY, BEXLEY), strict=True):
            assert borough.area == area
            log = await borough.node.store.read(lambda tx: tx.log(0, 9999))
            assert [index for index, _ in log] == list(range(len(log)))
