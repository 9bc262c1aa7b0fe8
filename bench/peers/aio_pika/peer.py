"""Raw aio-pika: the document to a durable quorum queue, confirmed, back through another; 256 in flight."""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:] = [entry for entry in sys.path if Path(entry) != HERE]
sys.path.insert(0, str(HERE.parent))

import aio_pika  # noqa: E402 - our folder has its name
from _line import broker, document, serve_many  # noqa: E402

THERE, BACK, IN_FLIGHT = "bench.peer.there", "bench.peer.back", 256


async def connect(waiting: dict[str, asyncio.Future[None]]) -> aio_pika.abc.AbstractChannel:
    channels = []
    for _ in range(4):
        connection = await aio_pika.connect(broker())
        channels.append(await connection.channel(publisher_confirms=True))
        await channels[-1].set_qos(prefetch_count=IN_FLIGHT)
    asking, answering, served, answered = channels

    async def answer(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        await publish(answering, message.body, BACK, message.correlation_id)
        await message.ack()

    async def done(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        await message.ack()
        waiting.pop(message.correlation_id).set_result(None)

    for channel, name, callback in ((served, THERE, answer), (answered, BACK, done)):
        queue = await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
        await queue.consume(callback)
    return asking


async def publish(channel: aio_pika.abc.AbstractChannel, body: bytes, queue: str, number: str) -> None:
    message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT, correlation_id=number)
    await channel.default_exchange.publish(message, routing_key=queue)


def main() -> None:
    loop, waiting, numbers = asyncio.new_event_loop(), dict[str, asyncio.Future[None]](), count()
    channel, body = loop.run_until_complete(connect(waiting)), document()

    async def cycle() -> None:
        number = str(next(numbers))
        waiting[number] = future = loop.create_future()
        await publish(channel, body, THERE, number)
        await future

    serve_many(loop, cycle, IN_FLIGHT)


if __name__ == "__main__":
    main()
