"""Taking from an area's two shelves, quarantine and returned, one message at a time, over one connection.

Duty: fetch the oldest, say why the broker put it there, settle it by hand. Left out: what to do with it
(:mod:`gateway.flows.held`).

Rules: nothing is fetched ahead and nothing is subscribed to. A shelf is read slowly, and not at all while the
store has no room: what lay unsettled in a buffer meanwhile would be delivered again and again, and RabbitMQ 4
throws away what was delivered twenty times from a queue without a limit of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from gateway.errors import GatewayError
from gateway.ports import Lane, Shelf
from gateway.transports import topology
from gateway.transports._errors import translated, unavailable
from gateway.transports._link import MakeLink
from gateway.transports._session import Session

_ENDS: Final = {
    lane: topology.intake("", lane).removeprefix(topology.intake("", Lane.STANDARD))
    for lane in (Lane.URGENT, Lane.RECEIPTS)
}
"""How the queues of these lanes end, in an intake and in a mesh's relay alike."""

_REASON: Final = "x-first-death-reason"
_QUEUE: Final = "x-first-death-queue"
_EXCHANGE: Final = "x-first-death-exchange"


class _Aside:
    """One message of one session. Once that session is lost, settling does nothing: it is there again."""

    __slots__ = ("_headers", "_message", "_session", "_settled", "_timeout")

    def __init__(self, message: DeliveredMessage, session: Session, timeout: float) -> None:
        self._message = message
        self._headers: Mapping[str, Any] = message.header.properties.headers or {}
        self._session = session
        self._timeout = timeout
        self._settled = False

    @property
    def body(self) -> bytes:
        return self._message.body

    @property
    def lane(self) -> Lane:
        """By the queue of its first death; by its routing key where it never lay in one (a mesh)."""
        queue, key = self._said(_QUEUE), self._message.routing_key or ""
        if not queue:
            return next((lane for lane in Lane if key.endswith(f".{lane.value}")), Lane.STANDARD)
        return next((lane for lane, end in _ENDS.items() if queue.endswith(end)), Lane.STANDARD)

    @property
    def sender(self) -> str | None:
        return topology.sender(self._said(_EXCHANGE) or self._message.exchange)

    @property
    def reason(self) -> str:
        return self._said(_REASON)

    def _said(self, name: str) -> str:
        value = self._headers.get(name, "")
        return value.decode(errors="replace") if isinstance(value, bytes) else str(value)

    async def ack(self) -> None:
        await self._settle(self._session.channel.basic_ack)

    async def release(self) -> None:
        await self._settle(lambda tag: self._session.channel.basic_nack(tag, requeue=True))

    async def _settle(self, how: Callable[[int], Awaitable[None]]) -> None:
        tag = self._message.delivery_tag
        if self._settled or self._session.lost.is_set() or tag is None:
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
                self._session.doubt()


class Shelves:
    """Both shelves of one area. The connection is made with the first question."""

    def __init__(self, area: str, link: MakeLink, timeout: float) -> None:
        self._queues = {
            Shelf.QUARANTINE: topology.quarantine(area),
            Shelf.RETURNED: topology.returned(area),
        }
        self._timeout = timeout
        self.link = link(_nothing)

    async def take(self, shelf: Shelf) -> _Aside | None:
        """Raises Unavailable."""
        self.link.start()
        session = await self.link.session()
        answered = False
        try:
            with translated("take what was put aside"):
                async with asyncio.timeout(self._timeout):
                    message = await session.channel.basic_get(self._queues[shelf], no_ack=False)
            answered = True
        except GatewayError as error:
            raise unavailable(error) from error
        finally:
            if not answered:  # also when cancelled: a message may be on its way to nobody
                session.doubt()
        if isinstance(message.delivery, Basic.GetEmpty):
            return None
        return _Aside(message, session, self._timeout)


async def _nothing(_: Session) -> None:
    """A get needs no preparation."""
