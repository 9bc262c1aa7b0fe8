"""Worlds for the transport suite, and helpers that look into a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import aio_pika
import pytest

from gateway.ports import Transport
from gateway.testing.broker import PrivateBroker
from gateway.testing.transport_suite import HERE, PATIENCE, THERE
from gateway.transports import topology
from gateway.transports.memory import MemoryBroker, MemoryTransport
from gateway.transports.rabbit import RabbitTransport, declare


@dataclass
class MemoryWorld:
    broker: MemoryBroker

    def transport(self, area: str) -> Transport:
        return MemoryTransport(self.broker, area)

    async def quarantined(self, area: str, expected: int) -> Sequence[bytes]:
        return self.broker.quarantined(area)


@dataclass
class RabbitWorld:
    url: str

    def transport(self, area: str) -> Transport:
        return RabbitTransport(self.url, area)

    async def quarantined(self, area: str, expected: int) -> Sequence[bytes]:
        return [message.body for message in await read(self.url, topology.quarantine(area), expected)]


async def read(url: str, queue: str, expected: int) -> list[aio_pika.abc.AbstractIncomingMessage]:
    """Take what is in ``queue``: at least ``expected`` messages, and all that is there then."""
    connection = await aio_pika.connect(url, timeout=PATIENCE)
    async with connection, connection.channel() as channel, asyncio.timeout(PATIENCE):
        source = await channel.get_queue(queue)
        taken: list[aio_pika.abc.AbstractIncomingMessage] = []
        while True:
            message = await source.get(fail=False, no_ack=True)
            if message is not None:
                taken.append(message)
            elif len(taken) >= expected:
                return taken


@pytest.fixture(name="read")
def read_fixture() -> Callable[[str, str, int], Awaitable[list[aio_pika.abc.AbstractIncomingMessage]]]:
    return read


@pytest.fixture
def memory_world() -> MemoryWorld:
    return MemoryWorld(MemoryBroker([HERE, THERE]))


@pytest.fixture
async def url(broker_url: str) -> str:
    """A virtual host that holds the topology of two areas."""
    await declare(broker_url, [HERE, THERE])
    return broker_url


@pytest.fixture
async def safe_url(broker: PrivateBroker, url: str) -> str:
    """The same, safe against kill -9 (see ``PrivateBroker.sync``)."""
    await asyncio.to_thread(broker.sync)
    return url


@pytest.fixture
def rabbit_world(url: str) -> RabbitWorld:
    return RabbitWorld(url)
