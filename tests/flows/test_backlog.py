"""Very many messages wait: what is asked here is shape, not speed (bench/backlog.py measures a million)."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from gateway.errors import Unavailable
from gateway.flows.dispatch import BULK, URGENT, WINDOW, dispatch
from gateway.flows.rests import LINE, LONGEST, LONGEST_URGENT, Rests
from gateway.ports import EnvelopeRow, Lane, Outbound, OutboxRow, Outgoing, Side, Transaction, Transport
from gateway.stores import open_store
from gateway.testing.boroughs import HACKNEY, START, Borough, World, two_boroughs

AWAY = "E09000033"
MANY = 20_000


class Picky:
    """A transport that takes nothing for one area, until it does."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self.open = False
        self.taken: list[Outgoing] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    async def publish(self, message: Outgoing) -> None:
        if message.to == AWAY:
            if not self.open:
                raise Unavailable("its queue is full", code="broker_refused")
            self.taken.append(message)
        else:
            await self.inner.publish(message)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    stores = {HACKNEY: lambda: open_store(f"sqlite:///{tmp_path}/hackney.db")}
    async with two_boroughs(stores=stores, wrap=Picky) as made:  # type: ignore[arg-type] # it passes on the rest
        yield made


async def wait_for(borough: Borough, count: int, *, lane: Lane = Lane.STANDARD, first: int = 0) -> None:
    """``count`` messages for the area that is away, older than anything else."""

    def put(tx: Transaction, numbers: range) -> None:
        for number in numbers:
            mid = f"{number:032x}"
            end = START + 72 * 3600
            tx.put_envelope(EnvelopeRow(mid, Side.ORIGIN, 1, AWAY, "s", number, b"", b"", end, b"x" * 2000))
            due = START - 10_000 + number // 100
            tx.put_outbox(OutboxRow("", AWAY, lane, mid, Outbound.WAITING, due, expires=end))

    for start in range(first, first + count, 1000):
        numbers = range(start, min(start + 1000, first + count))
        await borough.node.store.write(partial(put, numbers=numbers))


async def tried(borough: Borough, among: int) -> int:
    def count(tx: Transaction) -> int:
        rows = (tx.outbox_of(f"{number:032x}") for number in range(among))
        return sum(row is not None and row.attempts > 0 for row in rows)

    return await borough.node.store.read(count)


async def test_rows_for_a_peer_that_is_away_stand_before_nobody(
    world: World, document: dict[str, object]
) -> None:
    hackney = world.hackney
    await wait_for(hackney, MANY)
    ref = (await hackney.submit(document)).ref
    assert 0 < await dispatch(hackney.node, BULK) <= WINDOW
    assert {leg.state for leg in (await hackney.legs(ref)).values()} == {"TRANSMITTED"}
    assert await dispatch(hackney.node, BULK) == 0, "the peer rests"
    assert 0 < await tried(hackney, MANY) <= WINDOW


async def test_a_pause_costs_one_window_and_the_end_of_it_is_near(world: World) -> None:
    node = world.hackney.node
    await wait_for(world.hackney, 5 * WINDOW)
    for _ in range(12):
        await dispatch(node, BULK)
        assert await dispatch(node, BULK) == 0
        world.clock.advance(LONGEST)
    transport = node.transport
    assert isinstance(transport, Picky)
    transport.open = True
    rounds = 0
    while await dispatch(node, BULK):
        rounds += 1
    assert rounds == 5
    assert sum(len(message.body) for message in transport.taken) > 5 * WINDOW * 2000


async def test_an_urgent_one_is_claimed_before_any_backlog(world: World) -> None:
    node = world.hackney.node
    await wait_for(world.hackney, 5 * WINDOW)
    await wait_for(world.hackney, 1, lane=Lane.URGENT, first=90_000)
    transport = node.transport
    assert isinstance(transport, Picky)
    transport.open = True
    assert await dispatch(node, URGENT) == 1
    assert [message.lane for message in transport.taken] == [Lane.URGENT]


async def test_memory_does_not_grow_with_what_waits(world: World) -> None:
    node = world.hackney.node

    async def peak() -> int:
        world.clock.advance(LONGEST)
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        assert await dispatch(node, BULK) > 0
        return tracemalloc.get_traced_memory()[1] - before

    await wait_for(world.hackney, 2 * WINDOW)
    tracemalloc.start()
    try:
        await peak()  # statements are compiled
        few = max([await peak() for _ in range(4)])  # one alone is between 45 and 160 KB
        await wait_for(world.hackney, MANY, first=10 * WINDOW)
        many = max([await peak() for _ in range(4)])
    finally:
        tracemalloc.stop()
    assert many < 2 * few


def test_a_rest_doubles_is_counted_once_and_ends_with_a_word() -> None:
    rests = Rests()
    now, pauses = 1000, []
    for _ in range(10):
        until = rests.failed(AWAY, Lane.STANDARD, now)
        assert rests.failed(AWAY, Lane.STANDARD, now) == until, "several of one pause count once"
        assert rests.standing(until - 1) == {(AWAY, Lane.STANDARD)}
        pauses.append(until - now)
        now = until
    assert pauses == [1, 1, 1, 2, 4, 8, 16, LONGEST, LONGEST, LONGEST]
    assert rests.failed(AWAY, Lane.STANDARD, now, LINE) == now + 1, "our line was lost"
    assert rests.failed(AWAY, Lane.STANDARD, now + 1) == now + 1 + LONGEST, "and their queue is as full"
    rests.heard(AWAY, Lane.STANDARD)
    assert rests.failed(AWAY, Lane.STANDARD, now) == now + 1


def test_an_urgent_lane_rests_for_seconds() -> None:
    rests, now = Rests(), 1000
    for _ in range(8):
        until = rests.failed(AWAY, Lane.URGENT, now)
        assert until - now <= LONGEST_URGENT
        now = until
    assert rests.standing(now) == frozenset()
