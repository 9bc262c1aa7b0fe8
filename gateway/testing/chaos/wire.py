"""Hands in the wire: what travelled is seen, repeated, spoilt, held back and put into another order.

Duty: a tap beside the queues (a copy of everything that an area publishes), and publishing with that area's
own account, as whoever has stolen it could. It leaves out the judgement whether a node minds.

Rules: a tap is a queue of the operator's, bound to ``gw.out.<area>`` as the intakes are; a node cannot see
it. What is taken out of an intake is put back through its sender's exchange: the broker's own mark of who
sent it is what nodes go by.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aio_pika
from aio_pika.abc import AbstractChannel

from gateway.ports import Lane
from gateway.testing.chaos.world import AREAS, World
from gateway.transports import topology

MOST: Final = 60
PATIENCE: Final = 20.0
Change = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True, slots=True)
class Seen:
    """One message as it travelled: from which area, by which key."""

    area: str
    key: str
    body: bytes
    message_id: str


def same(body: bytes, _chance: random.Random) -> bytes:
    return body


def spoilt(body: bytes, chance: random.Random) -> bytes:
    """Bytes flipped, cut off, repeated or put before."""
    at = chance.randrange(len(body))
    way = chance.randrange(4)
    if way == 0:
        return body[:at] + bytes([body[at] ^ (1 << chance.randrange(8))]) + body[at + 1 :]
    if way == 1:
        return body[:at]
    if way == 2:  # noqa: PLR2004 - one of four ways
        return body + body[:at]
    return chance.randbytes(16) + body


async def listen(world: World) -> None:
    """Bind the taps, before anything is sent."""
    async with _channel(world, "") as channel:
        for area in AREAS:
            queue = await channel.declare_queue(_tap(area), durable=True)
            for other in AREAS:
                for lane in Lane:
                    if other != area:
                        await queue.bind(topology.outgoing(area), topology.routing_key(other, lane))


async def again(world: World, area: str, chance: random.Random, change: Change) -> None:
    """What ``area`` has sent, once more, changed, in another order. Counted in ``world.extra``."""
    seen = await _heard(world, area)
    chosen = chance.sample(seen, min(len(seen), MOST))
    await _publish(world, area, [(one.key, change(one.body, chance), one.message_id) for one in chosen])
    _count(world, "changed" if change is spoilt else "repeated", len(chosen))


async def garbage(world: World, area: str, chance: random.Random) -> None:
    """Bytes that are nothing, by the account of ``area``, to every lane of the other."""
    other = next(one for one in AREAS if one != area)
    sent = [
        (topology.routing_key(other, lane), chance.randbytes(chance.choice([0, 1, 40, 5_000])), "x")
        for lane in Lane
        for _ in range(4)
    ]
    await _publish(world, area, sent)
    _count(world, "garbage", len(sent))


async def take(world: World, area: str, found: list[Seen]) -> None:
    """Everything that waits for ``area``, out of its queues and into ``found``, one by one: what was taken
    before it failed is there to be put back."""
    async with _channel(world, "") as channel:
        for lane in Lane:
            queue = await channel.get_queue(topology.intake(area, lane), ensure=False)
            while (message := await queue.get(fail=False)) is not None:
                sender = topology.sender(message.exchange) or area
                found.append(Seen(sender, message.routing_key or "", message.body, message.message_id or ""))
                await message.ack()
    _count(world, "held back", len(found))


async def put_back(world: World, taken: list[Seen], chance: random.Random) -> None:
    """Again until the broker has every one: these are the only copies."""
    chance.shuffle(taken)
    while taken:
        try:
            one = taken[-1]
            await _publish(world, one.area, [(one.key, one.body, one.message_id)])
            taken.pop()
        except (OSError, aio_pika.exceptions.AMQPError, TimeoutError):
            await asyncio.sleep(0.5)


async def _heard(world: World, area: str) -> list[Seen]:
    """All that the tap of ``area`` ever saw."""
    kept: list[Seen] = world.extra.setdefault(f"heard {area}", [])
    async with _channel(world, "") as channel:
        queue = await channel.get_queue(_tap(area), ensure=False)
        while (message := await queue.get(fail=False)) is not None:
            kept.append(Seen(area, message.routing_key or "", message.body, message.message_id or ""))
            await message.ack()
    return kept


async def _publish(world: World, area: str, messages: list[tuple[str, bytes, str]]) -> None:
    async with _channel(world, area) as channel:
        exchange = await channel.get_exchange(topology.outgoing(area), ensure=False)
        for key, body, message_id in messages:
            await exchange.publish(
                aio_pika.Message(
                    body,
                    content_type="application/octet-stream",
                    delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                    message_id=message_id,
                ),
                routing_key=key,
                timeout=PATIENCE,
            )


@asynccontextmanager
async def _channel(world: World, area: str) -> AsyncIterator[AbstractChannel]:
    connection = await aio_pika.connect(world.hub.url(area), timeout=PATIENCE)
    try:
        async with asyncio.timeout(PATIENCE):
            yield await connection.channel()
    finally:
        await connection.close()


def _count(world: World, what: str, number: int) -> None:
    world.extra[what] = world.extra.get(what, 0) + number


def _tap(area: str) -> str:
    return f"chaos.tap.{area}"
