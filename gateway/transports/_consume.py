"""Consuming one lane of one area's intake, across reconnects, over one connection.

Duty: keep a subscription, buffer what arrives up to the prefetch count, hand it out one by one, settle each
by hand. Left out: what a message means, and when it may be acknowledged (after the commit; the flows do).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from aiormq.abc import DeliveredMessage

from gateway.errors import GatewayError
from gateway.ports import Delivery, Lane
from gateway.transports import topology
from gateway.transports._errors import translated
from gateway.transports._link import MakeLink
from gateway.transports._session import Session

_log = logging.getLogger(__name__)


class _Delivery:
    """One message of one session. Once that session is lost, settling does nothing: it comes again."""

    __slots__ = ("_lane", "_message", "_session", "_settled", "_timeout")

    def __init__(self, message: DeliveredMessage, lane: Lane, session: Session, timeout: float) -> None:
        self._message = message
        self._lane = lane
        self._session = session
        self._timeout = timeout
        self._settled = False

    @property
    def body(self) -> bytes:
        return self._message.body

    @property
    def lane(self) -> Lane:
        return self._lane

    @property
    def sender(self) -> str | None:
        return topology.sender(self._message.exchange)

    @property
    def stale(self) -> bool:
        return self._session.lost.is_set()

    async def ack(self) -> None:
        await self._settle(self._session.channel.basic_ack)

    async def quarantine(self, code: str) -> None:
        if not self._settled and not self.stale:
            _log.warning("a message of lane %s goes to quarantine: %s", self._lane.name, code)
        await self._settle(lambda tag: self._session.channel.basic_reject(tag, requeue=False))

    async def release(self) -> None:
        await self._settle(lambda tag: self._session.channel.basic_nack(tag, requeue=True))

    async def _settle(self, how: Callable[[int], Awaitable[None]]) -> None:
        tag = self._message.delivery_tag
        if self._settled or self.stale or tag is None:
            return
        self._settled = True
        sent = False
        try:
            with translated("settle a message"):
                async with asyncio.timeout(self._timeout):
                    await how(tag)
            sent = True
        except GatewayError:
            return
        finally:
            if not sent:
                # Also when cancelled half way: nobody knows whether it was sent, and an unsettled message
                # would sit on a good connection for ever. A new connection brings it again.
                self._session.doubt()


class Intake:
    """All deliveries of one lane, across reconnects. The buffer is bounded by the prefetch count."""

    def __init__(
        self,
        queue: str,
        lane: Lane,
        link: MakeLink,
        *,
        prefetch: int,
        timeout: float,
    ) -> None:
        self._queue = queue
        self._lane = lane
        self._prefetch = prefetch
        self._timeout = timeout
        self._buffer: deque[_Delivery] = deque()
        self._arrived = asyncio.Event()
        self._closed = False
        self.link = link(self._subscribe)

    async def probe(self, session: Session) -> None:
        await session.channel.queue_declare(self._queue, passive=True)

    async def _subscribe(self, session: Session) -> None:
        self._buffer.clear()  # of the session before: the broker sends them again

        # No more than an append: whatever is awaited here could be cancelled with the message in hand.
        async def arrive(message: DeliveredMessage) -> None:
            self._buffer.append(_Delivery(message, self._lane, session, self._timeout))
            self._arrived.set()
            session.heard = asyncio.get_running_loop().time()

        await self.probe(session)
        await session.channel.basic_qos(prefetch_count=self._prefetch)
        await session.channel.basic_consume(self._queue, arrive)

    def end(self) -> None:
        self._closed = True
        self._buffer.clear()
        self._arrived.set()

    def __aiter__(self) -> AsyncIterator[Delivery]:
        return self

    async def __anext__(self) -> Delivery:
        while not self._closed:
            while self._buffer:
                delivery = self._buffer.popleft()
                if not delivery.stale:
                    return delivery
            self._arrived.clear()
            await self._arrived.wait()
        raise StopAsyncIteration
