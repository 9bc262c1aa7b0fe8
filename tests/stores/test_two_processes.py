"""Two processes of one node on one PostgreSQL: one stream, each number once, one heartbeat, no deadlock."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

from gateway.flows import heartbeat
from gateway.flows.dispatch import pack
from gateway.flows.node import Wake
from gateway.flows.receive import accept
from gateway.stores import open_store
from gateway.testing.boroughs import BEXLEY, HACKNEY, START, two_boroughs
from gateway.testing.restoring import Taps, passes, proven
from schemas.samples import minimal_example


def numbered(number: int) -> bytes:
    reference = json.loads(minimal_example())["message"]["handover_id"]
    return minimal_example().replace(reference, f"{reference[:-2]}{number:02}").encode()


async def test_two_processes_share_a_stream(postgres_url: str) -> None:
    taps = Taps()
    stores = {BEXLEY: lambda: open_store(postgres_url)}
    async with two_boroughs(stores=stores, wrap=taps.wrap) as world:
        first = world.bexley.node
        store = open_store(postgres_url)
        await store.start()
        second = replace(first, store=store, wake=Wake.of(first.wake.tasks), used={})
        try:
            await _in_any_order(world, taps, [first, second])
            await _both_answer(world, taps, [first, second])
            await _one_speaks(world, [first, second])
        finally:
            await store.close()


async def _in_any_order(world: Any, taps: Taps, nodes: list[Any]) -> None:
    """Messages of one stream come in at both, out of order: the rows are those of the whole stream."""
    taps.withhold = lambda message: message.to == BEXLEY
    for number in range(24):
        await world.hackney.submit(numbered(number), key=f"k{number}")
    await world.hackney.turn()
    envelopes = list(dict.fromkeys(taps.envelopes(BEXLEY)))
    shuffled = envelopes[::2][::-1] + envelopes[1::2]
    await asyncio.gather(
        *(accept(nodes[number % 2], envelope) for number, envelope in enumerate(shuffled + shuffled[:6]))
    )
    row, gaps = await nodes[0].store.read(lambda tx: (tx.stream(HACKNEY, outgoing=False), tx.gaps()))
    assert (row.seq, row.top, gaps) == (24, 24, [])
    assert await nodes[0].store.read(lambda tx: tx.alarms()) == []
    taps.withhold = lambda message: False


async def _both_answer(world: Any, taps: Taps, nodes: list[Any]) -> None:
    """Both pack receipts and speak at once."""
    for _ in range(4):
        await asyncio.gather(*(pack(node) for node in nodes * 2), *(heartbeat.beat(n, START) for n in nodes))
    await world.settle()
    places: dict[tuple[str, int], set[bytes]] = {}
    for envelope in taps.envelopes(HACKNEY):
        said = proven(world.hackney, envelope).statement
        places.setdefault((said.stream, said.seq), set()).add(said.hash)
    assert {len(said) for said in places.values()} == {1}
    assert sorted(seq for _, seq in places) == list(range(1, len(places) + 1))
    assert len({stream for stream, _ in places}) == 1
    assert await world.hackney.node.store.read(lambda tx: tx.alarms()) == []


async def _one_speaks(world: Any, nodes: list[Any]) -> None:
    await passes(world, 60, 20)
    world.clock.advance(600)
    assert sum(await asyncio.gather(*(heartbeat.beat(node, START) for node in nodes * 3))) == 1
