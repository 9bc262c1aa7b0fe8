"""One connection with one channel: opened under a time-out, used until the first doubt, thrown away whole.

Duty: open, notice that it is lost, close or abort. Left out: opening the next one (``_link``), and what is
published or consumed on it.

Rules: every wait has an end. A socket that is doubted is aborted, not closed: a frozen broker never answers
a close, and what it has not read is sent again anyway.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from dataclasses import dataclass
from typing import Any

from aio_pika.connection import Connection
from aiormq.abc import AbstractChannel
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from yarl import URL

from gateway.errors import GatewayError
from gateway.transports._errors import translated
from gateway.transports.certificates import Identity

_log = logging.getLogger(__name__)

STEP = 0.05
"""Seconds between two looks at what a retiring session has in flight: aiormq tells nobody when that ends."""

HEARTBEAT = 10
"""Seconds. RabbitMQ advises against less than five."""

SILENCE, LEAST = 1.2, 10.0
"""Heartbeats, and seconds at least, without one byte before a connection is given up. A broker that has
nothing else to say speaks once a heartbeat; aiormq waits for more than three, and until then a subscription
at a frozen member of a cluster hears nothing, though the others go on."""

LISTENS = 8
"""Looks in that time. Looks without a byte are counted, not seconds: a node that was itself stopped, or too
busy, makes one look late and then hears what has come meanwhile."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for each wait on the broker.

    ``confirm`` covers writing the message and its confirm. More than the 10 s in which a cluster elects
    another leader for one that froze (RabbitMQ 3.10): the channel that waits is confirmed then, while a new
    one may have to wait for the cluster's ``net_ticktime``.

    ``quiet``: a subscription that has heard nothing for so long is made anew. RabbitMQ 3.10 can leave one
    deaf without a word: after its queue is deleted and made again at once, messages are handed to a consumer
    that is never told of them. Nothing but a new connection brings them back. ``look``: how often the files
    of our certificate are looked at.
    """

    connect: float = 5.0
    confirm: float = 15.0
    settle: float = 5.0
    close: float = 3.0
    quiet: float = 300.0
    look: float = 60.0


class _Wire(TransportFactory):
    """Remembers the socket that aiormq opens, because aiormq itself has no way to abort it, and counts what
    comes, because aiormq tells nobody."""

    def __init__(self) -> None:
        self._writer: asyncio.StreamWriter | None = None
        self.tls: ssl.SSLObject | None = None
        self.heard = 0  # pieces of bytes

    # Any: the signature is aiormq's.
    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        factory = TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory()
        reader, self._writer = await factory.create(url, **kwargs)
        # Now: a transport of asyncio that was closed raises AttributeError when asked.
        self.tls = self._writer.get_extra_info("ssl_object")
        self._listen(reader)
        return reader, self._writer

    def _listen(self, reader: asyncio.StreamReader) -> None:
        take = reader.feed_data

        def feed_data(data: bytes) -> None:
            self.heard += 1
            take(data)

        # In the reader itself: once a piece off the socket, and not once a frame.
        vars(reader)["feed_data"] = feed_data

    def cut(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()


class Session:
    """One connection and its channel, good until ``lost`` is set, and never again after."""

    def __init__(
        self,
        connection: Connection,
        wire: _Wire,
        channel: AbstractChannel,
        turn: int = 0,
        beat: int = HEARTBEAT,
    ) -> None:
        """``beat``: seconds of its heartbeat; 0: it has none, and silence says nothing."""
        self.channel = channel
        self.turn = turn  # of the certificates it was opened with
        self.lost = asyncio.Event()
        self.over = asyncio.Event()  # lost, or another has taken its place
        self.heard = 0.0  # loop time of the broker's last word on our work
        self._connection = connection
        self._wire = wire
        for end in (channel.closing, channel.connection.closing):
            end.add_done_callback(lambda _: self.doubt())
        # The queue was deleted or its leader moved: the broker stops sending and says so only here.
        channel.on_consumer_cancel_callbacks.add(lambda _: self.doubt())
        pause = max(LEAST, beat * SILENCE) / LISTENS
        self._listening = asyncio.create_task(self._listen(pause)) if beat else None

    def doubt(self) -> None:
        """Have it thrown away. May be called at any time, any number of times."""
        self.lost.set()
        self.over.set()

    async def _listen(self, pause: float) -> None:
        silent = 0
        while silent < LISTENS and not self.lost.is_set():
            before = self._wire.heard
            try:
                async with asyncio.timeout(pause):
                    await self.lost.wait()
            except TimeoutError:
                silent = silent + 1 if self._wire.heard == before else 0
        if not self.lost.is_set():
            _log.warning("the broker says nothing any more: the connection is given up")
            self.doubt()

    async def retire(self, patience: float) -> None:
        """Close after another has taken its place: what is in flight is answered first, what was handed out
        may still be settled, for ``patience`` seconds. The rest comes again."""
        channel: Any = self.channel  # its tables of what is open are not in aiormq's abstract class
        try:
            with translated("leave a subscription"):
                async with asyncio.timeout(patience):
                    consuming = list(channel.consumers)
                    for tag in consuming:
                        await channel.basic_cancel(tag)
                    await asyncio.sleep(
                        STEP
                    )  # for a publish that has this session in hand and has not written
                    while not self.lost.is_set() and (consuming or channel.confirmations):  # noqa: ASYNC110
                        await asyncio.sleep(STEP)
        except GatewayError:
            pass  # its time is over, or the broker has gone: either way it closes
        finally:
            await self.close(patience)

    async def close(self, patience: float) -> None:
        """Close in order when it is good, else abort the socket. Never raises, never outlasts
        twice ``patience`` seconds."""
        if self.lost.is_set():
            self._wire.cut()
        self.lost.set()
        if self._listening is not None:
            await asyncio.wait({self._listening})
        await _finish(self._connection, self._wire, patience)


async def open_session(
    url: str,
    *,
    name: str,
    timeouts: Timeouts,
    ssl_context: ssl.SSLContext | None = None,
    identity: Identity | None = None,
) -> Session:
    """Connect and open a channel with confirms. Raises Unavailable or Misconfigured, leaving nothing open.

    ``url``: amqp(s)://user:password@host:port/vhost. ``name`` is what the broker's operator sees.
    """
    wire = _Wire()
    if identity is not None and URL(url).scheme == "amqps":
        ssl_context = identity.context()
    beat = int(URL(url).query.get("heartbeat", HEARTBEAT))
    connection = Connection(
        URL(url).update_query(heartbeat=beat),
        ssl_context=ssl_context,
        client_properties={"connection_name": name},
    )
    connection.kwargs["transport_factory"] = wire
    opened = False
    try:
        with translated("connect to the broker"):
            async with asyncio.timeout(timeouts.connect):
                await connection.connect()
                channel = connection.channel(publisher_confirms=True, on_return_raises=True)
                await channel.initialize()
                turn = identity.turn if identity is not None else 0
                session = Session(connection, wire, await channel.get_underlay_channel(), turn, beat)
        if identity is not None:
            identity.seen(wire.tls)
        opened = True
    except GatewayError as error:
        if identity is None:
            raise
        raise identity.explain(error, reached=wire.tls is not None) from error
    else:
        return session
    finally:
        if not opened:
            wire.cut()
            await _finish(connection, wire, timeouts.close)


async def _finish(connection: Connection, wire: _Wire, patience: float) -> None:
    # A task of its own: aiormq may cancel what awaits a close, and that must not end the supervisor.
    closing = asyncio.ensure_future(connection.close())
    done, _ = await asyncio.wait({closing}, timeout=patience)
    if not done:
        wire.cut()
        done, _ = await asyncio.wait({closing}, timeout=patience)
    if not done:
        closing.cancel()
    elif not closing.cancelled():
        closing.exception()  # retrieved, so that asyncio does not report it: it is closed either way
