"""Consuming one lane of one area's intake, across reconnects, over one connection.

Duty: keep a subscription, buffer what arrives up to the prefetch count, hand it out one by one, settle each
by hand. Left out: what a message means, and when it may be acknowledged (after the commit; the flows do).

Rules: a reader that dies costs every message it held one of its deliveries, the innocent with the one that
killed it, so a message that came :data:`SUSPECT` times to nothing is handed out ALONE, when all others are
settled, in random order. Whoever it is that kills its reader reaches the delivery limit by itself; those that
lay beside it get through before, one restart or the next.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from random import SystemRandom
from typing import Final

from aiormq.abc import DeliveredMessage

from gateway.errors import GatewayError
from gateway.ports import Delivery, Lane
from gateway.transports import topology
from gateway.transports._errors import translated
from gateway.transports._link import MakeLink
from gateway.transports._session import Session

SUSPECT: Final = 3
"""Deliveries that came to nothing. A restart or a lost connection or two are no suspicion."""

_log = logging.getLogger(__name__)
_chance = SystemRandom()


class _Delivery:
    """One message of one session. Once that session is lost, settling does nothing: it comes again."""

    __slots__ = ("_lane", "_message", "_over", "_session", "_settled", "_timeout")

    def __init__(
        self,
        message: DeliveredMessage,
        lane: Lane,
        session: Session,
        timeout: float,
        over: Callable[[_Delivery], None] | None = None,
    ) -> None:
        """``over`` is told when it is settled."""
        self._over = over
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
            self._tell()
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
            self._tell()

    def _tell(self) -> None:
        if self._over is not None:
            self._over(self)


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
        self._suspects: list[_Delivery] = []
        self._out: set[_Delivery] = set()
        self._alone = False  # what is out is a suspect
        self._given = 0  # to others, since a suspect had its turn
        self._arrived = asyncio.Event()
        self._closed = False
        self.link = link(self._subscribe)

    async def probe(self, session: Session) -> None:
        await session.channel.queue_declare(self._queue, passive=True)

    async def _subscribe(self, session: Session) -> None:
        # Of a session that was lost: the broker sends them again. One that retires settles what it brought.
        self._buffer = deque(delivery for delivery in self._buffer if not delivery.stale)
        self._suspects = [delivery for delivery in self._suspects if not delivery.stale]
        self._out = {delivery for delivery in self._out if not delivery.stale}
        self._alone = self._alone and bool(self._out)

        # No more than an append: whatever is awaited here could be cancelled with the message in hand.
        async def arrive(message: DeliveredMessage) -> None:
            delivery = _Delivery(message, self._lane, session, self._timeout, self._over)
            (self._suspects if _in_vain(message) >= SUSPECT else self._buffer).append(delivery)
            self._arrived.set()
            session.heard = asyncio.get_running_loop().time()

        await self.probe(session)
        await session.channel.basic_qos(prefetch_count=self._prefetch)
        await session.channel.basic_consume(self._queue, arrive)

    def end(self) -> None:
        self._closed = True
        self._buffer.clear()
        self._suspects.clear()
        self._arrived.set()

    def _over(self, delivery: _Delivery) -> None:
        self._out.discard(delivery)
        if not self._out:
            self._alone = False
            self._arrived.set()

    def _next(self) -> _Delivery | None:
        """The next that may be handed out now. A suspect's turn comes when nothing else waits, and at the
        latest after a buffer of others: a stream that never rests must not keep it waiting."""
        if self._alone:
            return None
        if self._suspects and (not self._buffer or self._given >= self._prefetch):
            if self._out:
                return None
            self._alone, self._given = True, 0
            return self._suspects.pop(_chance.randrange(len(self._suspects)))
        if not self._buffer:
            return None
        self._given += bool(self._suspects)
        return self._buffer.popleft()

    def __aiter__(self) -> AsyncIterator[Delivery]:
        return self

    async def __anext__(self) -> Delivery:
        while not self._closed:
            while (delivery := self._next()) is not None:
                if not delivery.stale:
                    self._out.add(delivery)
                    return delivery
                self._alone = False
            self._arrived.clear()
            await self._arrived.wait()
        raise StopAsyncIteration


def _in_vain(message: DeliveredMessage) -> int:
    """How often it was delivered before. A quorum queue counts, and says so from the second time on."""
    count = (message.header.properties.headers or {}).get("x-delivery-count", 0)
    return count if isinstance(count, int) else 0
