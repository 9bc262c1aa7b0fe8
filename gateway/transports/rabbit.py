"""The transport over RabbitMQ: confirmed publishing and settled consuming for one area.

Duty: ``gateway.ports.Transport`` on aio-pika. Durable quorum queues, persistent messages, publisher confirms,
mandatory routing, acknowledgement by hand, a time-out on every wait.

Left out: reconnecting (``_link``, ``_session``), names (``topology``), translating errors (``_errors``), and
when to publish again (the outbox is the truth, not this object).

Rules:

- Publishing and consuming use separate connections: a broker in a memory or disk alarm blocks whole
  connections that publish. Urgent traffic has its own in both directions; so has each lane of the intake.
- A message repeats nothing outside but what the envelope's own outer bytes say: no header, no user id.
- Names on the broker are only looked up, never created: an area's account may configure nothing.

Example::

    transport = RabbitTransport("amqps://hackney:...@broker/handover", "E09000012")
    await transport.start()
    await transport.publish(Outgoing(to="E09000004", lane=Lane.STANDARD, body=..., message_id=...))
    async for delivery in transport.deliveries(Lane.STANDARD):
        ...                                            # commit first
        await delivery.ack()
    await transport.close()
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

from gateway.errors import GatewayError, Misconfigured, TooLarge, Unavailable
from gateway.ports import Aside, Delivery, Lane, Outgoing, Shelf
from gateway.transports import topology
from gateway.transports._aside import Shelves
from gateway.transports._consume import Intake
from gateway.transports._declare import declare
from gateway.transports._errors import LOST
from gateway.transports._link import Link
from gateway.transports._publish import Publisher
from gateway.transports._session import Session, Timeouts
from gateway.transports.certificates import Identity

__all__ = ["Identity", "RabbitTransport", "Timeouts", "declare"]

_log = logging.getLogger(__name__)

PREFETCH = 256
"""Messages a lane may hold unsettled: the bound of its buffer."""


class RabbitTransport:
    """``gateway.ports.Transport`` for one area.

    ``urls``: one broker address or several of one cluster, tried in turn. ``prefetch``: messages each lane
    may hold unsettled. ``identity``: for amqps, the certificates, read anew when their files change; else
    ``ssl_context``, or what the URL names.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        area: str,
        *,
        prefetch: int = PREFETCH,
        timeouts: Timeouts | None = None,
        ssl_context: ssl.SSLContext | None = None,
        identity: Identity | None = None,
    ) -> None:
        self._addresses = (urls,) if isinstance(urls, str) else tuple(urls)
        if not self._addresses:
            raise Misconfigured(
                "no broker address", field="/broker/urls", remedy="name at least one broker URL"
            )
        self._area = area
        self._prefetch = prefetch
        self._timeouts = timeouts or Timeouts()
        self._ssl_context = ssl_context
        self._identity = identity
        self._watching: asyncio.Task[None] | None = None
        self._bulk = self._publisher("publish")
        self._urgent = self._publisher("publish urgent")
        self._intakes: dict[Lane, Intake] = {}
        self._shelves = Shelves(area, lambda prepare: self._link("put aside", prepare), self._timeouts.settle)
        self._closed = False

    async def start(self) -> None:
        """Connect both publishers.

        Raises Unavailable when no broker answers in time, Misconfigured when one answers and refuses the
        account, the virtual host or this area's exchange. It goes on trying in either case, so a node may
        start before its broker does; ``close`` ends that.
        """
        if self._identity is not None and self._watching is None:
            self._watching = asyncio.create_task(self._watch(self._identity), name="broker certificate")
        publishers = (self._bulk, self._urgent)
        for publisher in publishers:
            publisher.link.start()
        for publisher in publishers:
            await publisher.link.ready()

    async def publish(self, message: Outgoing) -> None:
        """Return when a quorum of the broker has the message on disk.

        Raises Unavailable (it may or may not be there: publish again, the receiver tells duplicates apart),
        UnknownRecipient (no queue for that area, or it is our own), TooLarge (over protocol 4.6's 4 MiB).
        """
        if self._closed:
            raise Unavailable("the transport is closed", code=LOST)
        if len(message.body) > topology.MAX_BODY:
            raise TooLarge("a message of the transport is at most 4 MiB", remedy="bundle fewer envelopes")
        urgent = message.urgent or message.lane is Lane.URGENT
        await (self._urgent if urgent else self._bulk).publish(message)

    def deliveries(self, lane: Lane) -> AsyncIterator[Delivery]:
        """The one stream of this lane: who asks twice gets the same, and shares it. Ends with ``close``."""
        if lane not in self._intakes:
            self._intakes[lane] = intake = self._intake(lane)
            if self._closed:
                intake.end()
            else:
                intake.link.start()
        return self._intakes[lane]

    async def waiting(self, lane: Lane) -> int:
        """Raises Unavailable. What this process has prefetched is not among them."""
        queue, found = topology.intake(self._area, lane), list[int]()

        async def ask(session: Session) -> None:
            declared = await session.channel.queue_declare(queue, passive=True)
            found.append(declared.message_count or 0)

        while not found:  # a link asks one thing at a time: this may have been somebody else's question
            await self._urgent.link.check(ask)
        return found[0]

    async def aside(self, shelf: Shelf) -> Aside | None:
        """Over a connection of its own, made when it is first asked for."""
        if self._closed:
            raise Unavailable("the transport is closed", code=LOST)
        return await self._shelves.take(shelf)

    async def check(self) -> None:
        """Ask the broker over every connection in use. Raises Unavailable with what to do about it."""
        if self._closed:
            raise Unavailable("the transport is closed", code=LOST)
        await asyncio.gather(*(end.link.check(end.probe) for end in self._ends()))

    async def close(self) -> None:
        """End every iterator, give unsettled messages back, close every connection. May be called twice."""
        self._closed = True
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        for intake in self._intakes.values():
            intake.end()
        await asyncio.gather(*(end.link.close() for end in self._ends()), self._shelves.link.close())

    def certificates(self) -> Mapping[str, int]:
        """When each ends, unix seconds: ours ("node") and the one that the broker showed last ("broker")."""
        if self._identity is None:
            return {}
        found = {"node": self._identity.ends, "broker": self._identity.broker_ends}
        return {name: ends for name, ends in found.items() if ends}

    async def _watch(self, identity: Identity) -> None:
        """Take up a new certificate, and renew the connections that stand, one after another, while the old
        one is still good: a new one that the broker refuses shows before it is needed."""
        while True:
            await asyncio.sleep(self._timeouts.look)
            try:
                identity.look()
                for link in (*(end.link for end in self._ends()), self._shelves.link):
                    await link.renew(identity.turn)
            except GatewayError as error:
                _log.warning("a connection with the new certificate failed: %s. %s", error, error.remedy)

    def _ends(self) -> tuple[Publisher | Intake, ...]:
        return (self._bulk, self._urgent, *self._intakes.values())

    def _publisher(self, name: str) -> Publisher:
        return Publisher(self._area, lambda prepare: self._link(name, prepare), self._timeouts.confirm)

    def _intake(self, lane: Lane) -> Intake:
        return Intake(
            topology.intake(self._area, lane),
            lane,
            lambda prepare: self._link(f"consume {lane.name.lower()}", prepare, self._timeouts.quiet),
            prefetch=self._prefetch,
            timeout=self._timeouts.settle,
        )

    def _link(
        self, name: str, prepare: Callable[[Session], Awaitable[None]], quiet: float | None = None
    ) -> Link:
        return Link(
            self._addresses,
            name=f"gateway {self._area} {name}",
            timeouts=self._timeouts,
            prepare=prepare,
            quiet=quiet,
            ssl_context=self._ssl_context,
            identity=self._identity,
        )
