"""The bar: a raw aio-pika echo of the same bytes, as confirmed and as durable as the gateway's.

A client publishes to a quorum queue, persistent and confirmed; a server consumes it, publishes the bytes to a
second quorum queue, persistent and confirmed, and acknowledges; the client consumes and acknowledges. No
cryptography, no database, nothing looked at. Client and server in one process, each with a connection to
publish and one to consume.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

THERE, BACK = "bench.echo.there", "bench.echo.back"
PREFETCH = 256


@dataclass(slots=True)
class Echo:
    """:meth:`send` starts one echo; ``ended`` was given at the start."""

    channel: AbstractChannel
    body: bytes

    async def send(self) -> None:
        await _publish(self.channel, self.body, THERE)


async def _publish(channel: AbstractChannel, body: bytes, queue: str) -> None:
    message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
    await channel.default_exchange.publish(message, routing_key=queue)


@asynccontextmanager
async def echo(broker: str, body: bytes, ended: Callable[[int], None]) -> AsyncIterator[Echo]:
    async with AsyncExitStack() as stack:

        async def channel() -> AbstractChannel:
            connection = await stack.enter_async_context(await aio_pika.connect(broker))
            opened = await connection.channel(publisher_confirms=True)
            await opened.set_qos(prefetch_count=PREFETCH)
            return opened

        asking, answering = await channel(), await channel()

        async def answer(message: AbstractIncomingMessage) -> None:
            await _publish(answering, message.body, BACK)
            await message.ack()

        async def done(message: AbstractIncomingMessage) -> None:
            await message.ack()
            ended(1)

        for name, callback in ((THERE, answer), (BACK, done)):
            queue = await (await channel()).declare_queue(
                name, durable=True, arguments={"x-queue-type": "quorum"}
            )
            await queue.consume(callback)
        yield Echo(asking, body)
