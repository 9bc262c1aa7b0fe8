"""Publishing to the exchange of one area, over one connection.

Duty: send one message and return when the broker has confirmed it; judge from what went wrong whether the
connection is still to be trusted. Left out: which of several publishers takes a message (``rabbit``).
"""

from __future__ import annotations

import asyncio
from collections import Counter

from pamqp.commands import Basic

from gateway.errors import Misconfigured, Unavailable, UnknownRecipient
from gateway.ports import Outgoing
from gateway.transports import topology
from gateway.transports._errors import REFUSED, TIMEOUT, translated, unavailable
from gateway.transports._link import MakeLink
from gateway.transports._session import Session

PERSISTENT = 2
"""AMQP delivery mode: on disk before it is confirmed. The default of aio-pika is not."""

NACKS = 3
"""Refusals in a row for one queue before the connection is renewed: on RabbitMQ 3.10 a channel whose first
publish met a queue without a leader is refused for ever, and so is one that met a full queue whose limit
was then lifted, while a new channel works."""

FIRST_RENEWAL, RENEWAL = 1.0, 30.0
"""Seconds between two such renewals, doubled each time. Short at first, for the new channel may meet a queue
that still has no leader, and is refused for ever like the one before it; long in the end, for a queue that is
simply full refuses too, and the traffic of the other areas must not pay for it."""


class Publisher:
    """One connection that publishes to the exchange of one area."""

    def __init__(self, area: str, link: MakeLink, timeout: float) -> None:
        self._exchange = topology.outgoing(area)
        self._timeout = timeout
        self._refusals: Counter[str] = Counter()
        self._renewed, self._pause = 0.0, 0.0
        self.link = link(self.probe)

    async def probe(self, session: Session) -> None:
        await session.channel.exchange_declare(self._exchange, passive=True)

    async def publish(self, message: Outgoing) -> None:
        session, queue = await self.link.session(), topology.routing_key(message.to, message.lane)
        began = asyncio.get_running_loop().time()
        try:
            with translated("publish"):
                await self._send(session, message)
        except Misconfigured as error:
            session.doubt()  # the broker has closed the channel
            raise unavailable(error) from error
        except Unavailable as error:
            self._judge(session, queue, error.code, began)
            raise
        except UnknownRecipient:
            self._heard(session, queue)
            raise
        self._heard(session, queue)

    async def _send(self, session: Session, message: Outgoing) -> None:
        await session.channel.basic_publish(
            message.body,
            exchange=self._exchange,
            routing_key=topology.routing_key(message.to, message.lane),
            properties=Basic.Properties(
                content_type="application/octet-stream",
                delivery_mode=PERSISTENT,
                message_id=message.message_id,
            ),
            mandatory=True,
            timeout=self._timeout,
        )

    def _heard(self, session: Session, queue: str) -> None:
        session.heard = asyncio.get_running_loop().time()
        self._refusals.pop(queue, None)

    def _judge(self, session: Session, queue: str, code: str, began: float) -> None:
        """Whether a publish that failed throws the whole connection into doubt. Each queue has a leader of
        its own: that an area's receipts are taken says nothing about its handovers."""
        if code == REFUSED:
            session.heard = asyncio.get_running_loop().time()
            self._refusals[queue] += 1
            if self._refusals[queue] >= NACKS:
                self._renew(session)
        elif code != TIMEOUT or session.heard <= began:
            # A time-out while others were confirmed is one queue without a quorum, not a dead broker.
            session.doubt()

    def _renew(self, session: Session) -> None:
        now = asyncio.get_running_loop().time()
        if self._renewed and now - self._renewed < self._pause:
            return
        lasting = self._renewed and now - self._renewed < 2 * RENEWAL
        self._pause = min(RENEWAL, self._pause * 2) if lasting else FIRST_RENEWAL
        self._renewed = now
        self._refusals.clear()
        session.doubt()
