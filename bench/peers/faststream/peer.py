"""FastStream over RabbitMQ: publish, handler, reply, confirmed, durable quorum queues; 256 in flight."""

from __future__ import annotations

import asyncio
import logging
import sys
from itertools import count
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:] = [entry for entry in sys.path if Path(entry) != HERE]
sys.path.insert(0, str(HERE.parent))

from _line import broker, document, serve_many  # noqa: E402
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue  # noqa: E402
from faststream.rabbit.annotations import RabbitMessage  # noqa: E402
from faststream.rabbit.schemas.queue import QueueType  # noqa: E402

IN_FLIGHT = 256


def queue(name: str) -> RabbitQueue:
    return RabbitQueue(name, durable=True, queue_type=QueueType.QUORUM)


def main() -> None:
    loop, waiting, numbers = asyncio.new_event_loop(), dict[str, asyncio.Future[None]](), count()
    asyncio.set_event_loop(loop)
    # It works one message at a time unless told how many.
    rabbit = RabbitBroker(
        broker(), logger=logging.getLogger("quiet"), default_channel=Channel(prefetch_count=IN_FLIGHT)
    )
    logging.getLogger("quiet").setLevel(logging.CRITICAL)
    there, back, body = queue("bench.fast.there"), queue("bench.fast.back"), document()

    async def raw(message: RabbitMessage) -> bytes:
        return message.body  # left to itself it parses JSON: the echo carries bytes

    @rabbit.subscriber(there, decoder=raw)
    @rabbit.publisher(back, persist=True)
    async def answer(message: bytes) -> bytes:
        return message

    @rabbit.subscriber(back, decoder=raw)
    async def done(_: bytes, message: RabbitMessage) -> None:
        waiting.pop(message.correlation_id).set_result(None)

    loop.run_until_complete(rabbit.start())

    async def cycle() -> None:
        number = str(next(numbers))
        waiting[number] = future = loop.create_future()
        await rabbit.publish(body, there, correlation_id=number, persist=True)
        await future

    serve_many(loop, cycle, IN_FLIGHT)


if __name__ == "__main__":
    main()
