"""10,000 garbage messages on a live node's queue, and a handover in their middle (attack case 117)."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aio_pika import DeliveryMode, Message, connect
from aio_pika.abc import AbstractChannel, AbstractExchange

from gateway.clock import SystemClock
from gateway.core.envelope import MAX_LIFE, Kind, Position, Recipient, Seen, bundle, prepare
from gateway.core.root import network_id
from gateway.flows.held import ROWS
from gateway.ports import Lane
from gateway.testing.boroughs import BEXLEY, HACKNEY
from gateway.transports.topology import intake, outgoing, quarantine, routing_key
from keys_example import HERE, unlocked
from tests.e2e.conftest import Pair, Process, check_legal, pair

GARBAGE = 10_000
WARM = 1_000
"""Messages after which the memory is looked at first: caches, pools and the database have their size then."""

SEED = 117
GROWTH = 48 * 1024
"""KiB that the node may grow by over the rest: some 40 MB of garbage go through."""

EACH = 0.004
"""Seconds of processor that one of them may cost. The dearest are opened, verified and kept in a database."""

PIECES = 3
"""In each bundle of garbage."""

PATIENCE = 60.0


def sealed_by_hackney(to: str) -> bytes:
    """A good envelope, sealed to the subkeys of both areas' demo nodes, whatever its destination says."""
    now = SystemClock().now()
    opener = unlocked(to).opener(f"{to}/node")
    draft = prepare(
        net=network_id((HERE / "root.note").read_bytes()),
        kind=Kind.MESSAGE,
        priority=0,
        to=to,
        expires=now + MAX_LIFE,
        recipients=[Recipient(f"{to}/node", opener.publics()[0])],
        contents=[random.randbytes(900), random.randbytes(2000)],
    )
    position = Position("f0" * 16, 1, bytes(32))
    signer = unlocked(HACKNEY).signer(f"{HACKNEY}/node")
    return draft.finish(signer, created=now, directory=1, position=position, seen=Seen()).envelope


def makers(chance: random.Random) -> Mapping[str, Callable[[], bytes]]:
    ours, theirs = sealed_by_hackney(BEXLEY), sealed_by_hackney(HACKNEY)

    def noise() -> bytes:
        return chance.randbytes(chance.randrange(1, 1500))

    def cut() -> bytes:
        return ours[: chance.randrange(1, len(ours))]

    def flipped() -> bytes:
        at = chance.randrange(len(ours))
        return ours[:at] + bytes((ours[at] ^ 1 << chance.randrange(8),)) + ours[at + 1 :]

    def pieces() -> bytes:
        return bundle([flipped(), noise(), cut()])

    return {
        "noise": noise,
        "cut": cut,
        "flipped": flipped,
        "for another area": lambda: theirs,
        "bundle": pieces,
    }


class Queue:
    """Publishes as Hackney's account would, and looks at how deep Bexley's queues are."""

    def __init__(self, channel: AbstractChannel, exchange: AbstractExchange) -> None:
        self._channel, self._exchange = channel, exchange

    async def publish(self, bodies: list[bytes], lane: Lane) -> None:
        key = routing_key(BEXLEY, lane)
        messages = (Message(body, delivery_mode=DeliveryMode.PERSISTENT) for body in bodies)
        await asyncio.gather(*(self._exchange.publish(message, key) for message in messages))

    async def depth(self, name: str) -> int:
        found = await self._channel.declare_queue(name, passive=True)
        return found.declaration_result.message_count or 0


def memory(node: Process) -> int:
    """KiB resident."""
    assert node.process is not None
    status = Path(f"/proc/{node.process.pid}/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def processor(node: Process) -> float:
    """Seconds of user and system time."""
    assert node.process is not None
    after = Path(f"/proc/{node.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(after[11]) + int(after[12])) / os.sysconf("SC_CLK_TCK")


async def until(reached: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not await reached():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.2)


async def test_117_garbage_holds_up_no_good_message(
    tmp_path: Path, broker_url: str, document: Mapping[str, Any]
) -> None:
    async with pair(tmp_path / "p", broker_url) as both:
        for node in (both.hackney, both.bexley):
            await node.start()
        assert await both.hackney.ready()
        assert await both.bexley.ready()
        connection = await connect(broker_url)
        async with connection:
            channel = await connection.channel()
            queue = Queue(channel, await channel.get_exchange(outgoing(HACKNEY)))
            await flood(both, queue, document)
            await look_and_make_room(both.bexley, queue)
        assert await both.bexley.stop() == 0
        assert await both.hackney.stop() == 0
        assert {"magic", "slot", "truncated"} <= held_by(both.bexley).keys()
        check_legal(both.bexley.borough.folder / "gateway.db")


async def flood(both: Pair, queue: Queue, document: Mapping[str, Any]) -> None:
    """A tenth first; then all the rest, with a handover into the middle of it.

    The node keeps as much of it as its table may hold, each different message once; the rest stays on the
    broker's shelf. Nothing is in neither place.
    """
    chance = random.Random(SEED)
    kinds = list(makers(chance).values())
    garbage = [kinds[number % len(kinds)]() for number in range(GARBAGE)]
    node = both.bexley
    await queue.publish(garbage[:WARM], Lane.STANDARD)
    await until(
        lambda: _settled(queue, node, WARM + WARM // len(kinds) * (PIECES - 1)), "not the first tenth"
    )
    memory_before, processor_before = memory(node), processor(node)
    half = (GARBAGE + WARM) // 2
    await queue.publish(garbage[WARM:half], Lane.STANDARD)
    ref = await both.send(document)
    rest = asyncio.create_task(queue.publish(garbage[half:], Lane.STANDARD))
    await both.all_accepted(ref, within=PATIENCE)
    assert len(both.given("police")) == 1
    await rest
    await until(lambda: _settled(queue, node, GARBAGE), "not all garbage was put aside")
    await until(lambda: _full(node), "the table was not filled")
    assert await queue.depth(intake(BEXLEY, Lane.STANDARD)) == 0
    # A bundle is one on the shelf, or three pieces in the table; one that met the end of the room is both.
    assert await aside(queue, node) <= GARBAGE + GARBAGE // len(kinds) * (PIECES - 1)
    grown, spent = memory(node) - memory_before, processor(node) - processor_before
    print(f"memory +{grown} KiB, processor {spent:.1f} s")
    assert grown < GROWTH
    assert spent < EACH * GARBAGE


async def look_and_make_room(node: Process, queue: Queue) -> None:
    """``gateway held`` beside the running node: looking takes nothing; what is discarded makes room."""
    before, shelf = held_by(node), await queue.depth(quarantine(BEXLEY))
    listed = (await gateway(node, "list", "--place", "quarantine", "--limit", "1000"))["held"]
    shown = await gateway(node, "show", listed[0]["id"])
    assert shown["now"] == listed[0]["code"]
    assert held_by(node) == before
    assert await queue.depth(quarantine(BEXLEY)) >= shelf  # the broker may still be putting some there
    await gateway(node, "discard", listed[0]["id"], "--reason", "a flood")
    await until(lambda: _full(node), "what was discarded made no room")


async def gateway(node: Process, *arguments: str) -> Mapping[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "gateway", "held", *arguments, "--config", str(node.borough.config), "--json"),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 0, out
    found: Mapping[str, Any] = json.loads(out)
    return found


async def aside(queue: Queue, node: Process) -> int:
    """How much was put aside, on the shelf or in the table: messages, and pieces of bundles."""
    return await queue.depth(quarantine(BEXLEY)) + counted(node)


async def _settled(queue: Queue, node: Process, messages: int) -> bool:
    return await queue.depth(intake(BEXLEY, Lane.STANDARD)) == 0 and await aside(queue, node) >= messages


async def _full(node: Process) -> bool:
    return sum(held_by(node).values()) == ROWS


def counted(node: Process) -> int:
    """Not rows: the same bytes stand in one."""
    found = asked(node, "select sum(count) from held")
    return int(found[0][0] or 0)


def held_by(node: Process) -> Mapping[str, int]:
    return dict(asked(node, "select code, count(*) from held where state = 'held' group by code"))


def asked(node: Process, statement: str) -> list[Any]:
    with sqlite3.connect(f"file:{node.borough.folder / 'gateway.db'}?mode=ro", uri=True) as connection:
        return connection.execute(statement).fetchall()
