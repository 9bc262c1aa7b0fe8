"""One connection with one channel to the broker, kept alive by a supervisor.

Duty: connect (with a time-out, through a list of addresses, with growing pauses), prepare the channel, hand
it out while it is good, and at the first doubt throw channel AND connection away and begin again. Nothing
is repaired: a fresh pair lost nothing in any fault run, a mended one did (aio-pika's robust connection).

Left out: what is published or consumed (``rabbit``), what foreign errors mean (``_errors``).

Rules:

- Every wait has an end. A socket that is doubted is aborted, not closed: a frozen broker never answers a
  close, and what it has not read is sent again anyway.
- A session that died young counts as a failed attempt, so a broker that accepts and then hangs up is not
  hammered.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from random import SystemRandom
from typing import Any

from aio_pika.connection import Connection
from aiormq.abc import AbstractChannel
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from yarl import URL

from gateway.errors import GatewayError, Misconfigured, Unavailable
from gateway.transports._errors import LOST, translated, unavailable

_log = logging.getLogger(__name__)
_jitter = SystemRandom()

HEARTBEAT = 10
"""Seconds. A dead peer is noticed after about three; RabbitMQ advises against less than five."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between attempts: doubled each time, each drawn from its upper half (33 nodes must not come
back in step)."""

STEADY = 5.0
"""Seconds a session must last for the next pause to be short again."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for each wait on the broker. ``confirm`` covers writing the message and its confirm."""

    connect: float = 5.0
    confirm: float = 10.0
    settle: float = 5.0
    close: float = 3.0


class _Wire(TransportFactory):
    """Remembers the socket that aiormq opens, because aiormq itself has no way to abort it."""

    def __init__(self) -> None:
        self._writer: asyncio.StreamWriter | None = None

    # Any: the signature is aiormq's.
    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        factory = TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory()
        reader, self._writer = await factory.create(url, **kwargs)
        return reader, self._writer

    def cut(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()


class Session:
    """One connection and its channel, good until ``lost`` is set, and never again after."""

    def __init__(self, connection: Connection, wire: _Wire, channel: AbstractChannel) -> None:
        self.channel = channel
        self.lost = asyncio.Event()
        self.heard = 0.0
        self._connection = connection
        self._wire = wire
        for end in (channel.closing, channel.connection.closing):
            end.add_done_callback(lambda _: self.doubt())
        # The queue was deleted or its leader moved: the broker stops sending and says so only here.
        channel.on_consumer_cancel_callbacks.add(lambda _: self.doubt())

    def doubt(self) -> None:
        """Have it thrown away. May be called at any time, any number of times."""
        self.lost.set()

    async def close(self, patience: float) -> None:
        """Close in order when it is good, else abort the socket. Never raises, never outlasts
        twice ``patience`` seconds."""
        if self.lost.is_set():
            self._wire.cut()
        self.lost.set()
        await _finish(self._connection, self._wire, patience)


async def open_session(
    url: str,
    *,
    name: str,
    timeouts: Timeouts,
    ssl_context: ssl.SSLContext | None = None,
) -> Session:
    """Connect and open a channel with confirms. Raises Unavailable or Misconfigured, leaving nothing open.

    ``url``: amqp(s)://user:password@host:port/vhost. ``name`` is what the broker's operator sees.
    """
    wire = _Wire()
    connection = Connection(
        URL(url) if "heartbeat" in URL(url).query else URL(url).update_query(heartbeat=HEARTBEAT),
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
                session = Session(connection, wire, await channel.get_underlay_channel())
        opened = True
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


class Link:
    """A session that is always there or on its way. ``prepare`` makes a fresh channel ready for its work."""

    def __init__(
        self,
        addresses: Sequence[str],
        *,
        name: str,
        timeouts: Timeouts,
        prepare: Callable[[Session], Awaitable[None]],
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._addresses = tuple(addresses)
        self._name = name
        self._timeouts = timeouts
        self._prepare = prepare
        self._ssl_context = ssl_context
        self._session: Session | None = None
        self._up = asyncio.Event()
        self._tried = asyncio.Event()
        self._failures = 0
        self._problem: GatewayError | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._probe: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin connecting. Calling it again changes nothing."""
        if self._supervisor is None:
            self._supervisor = asyncio.create_task(self._supervise(), name=f"link {self._name}")

    async def ready(self) -> None:
        """Return when a session is up. Raises Misconfigured at once, Unavailable when its time is over."""
        patience = self._timeouts.connect * len(self._addresses)
        with translated("connect to the broker"):
            async with asyncio.timeout(patience):
                await self._tried.wait()
        if isinstance(self._problem, Misconfigured):
            raise self._problem
        await self.session(patience)

    async def session(self, patience: float | None = None) -> Session:
        """The current session, waiting for one up to ``patience`` seconds. Raises Unavailable."""
        if self._good() is None:
            await self._wait(self._timeouts.connect if patience is None else patience)
        session = self._good()
        if session is None:
            raise unavailable(self._problem or Unavailable("not connected to the broker", code=LOST))
        return session

    def _good(self) -> Session | None:
        # A session in doubt is not handed out, not even before the supervisor has had its turn: work on it
        # fails without ever waiting, and a caller that tries again at once would keep that turn from coming.
        return None if self._session is None or self._session.lost.is_set() else self._session

    async def _wait(self, patience: float) -> None:
        try:
            async with asyncio.timeout(patience):
                while self._good() is None:
                    self._up.clear()
                    await self._up.wait()
        except TimeoutError:
            return

    async def check(self, probe: Callable[[Session], Awaitable[None]]) -> None:
        """Ask the broker something over this link. Raises Unavailable when no right answer comes."""
        # Shielded and shared: aiormq closes the channel, with all that is in flight on it, when a call is
        # cancelled half way, and a health check is cancelled whenever its HTTP client hangs up.
        if self._probe is None or self._probe.done():
            self._probe = asyncio.create_task(self._ask(probe))
        await asyncio.shield(self._probe)

    async def _ask(self, probe: Callable[[Session], Awaitable[None]]) -> None:
        session = await self.session()
        try:
            with translated("get an answer from the broker"):
                async with asyncio.timeout(self._timeouts.connect):
                    # Blocked by a memory or disk alarm: it answers, but would not take a message.
                    await session.channel.connection.ready()
                    await probe(session)
        except GatewayError as error:
            session.doubt()
            raise unavailable(error) from error

    async def close(self) -> None:
        """Stop for good. Messages not settled go back to their queue."""
        tasks = [task for task in (self._probe, self._supervisor) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _supervise(self) -> None:
        for address in cycle(self._addresses):
            await self._pause()
            born = asyncio.get_running_loop().time()
            try:
                session = await self._open(address)
            except GatewayError as error:
                self._failed(error)
                continue
            await self._serve(session)
            lived = asyncio.get_running_loop().time() - born
            self._failures = 1 if lived >= STEADY else self._failures + 1

    async def _open(self, address: str) -> Session:
        session = await open_session(
            address, name=self._name, timeouts=self._timeouts, ssl_context=self._ssl_context
        )
        prepared = False
        try:
            with translated("use the broker"):
                async with asyncio.timeout(self._timeouts.connect):
                    await self._prepare(session)
            prepared = True
            return session
        finally:
            if not prepared:
                session.doubt()
                await session.close(self._timeouts.close)

    async def _serve(self, session: Session) -> None:
        _log.info("%s: connected", self._name)
        self._session, self._problem = session, None
        self._up.set()
        self._tried.set()
        try:
            await session.lost.wait()
            _log.warning("%s: connection lost, connecting again", self._name)
        finally:
            self._session = None
            self._up.clear()
            await session.close(self._timeouts.close)

    def _failed(self, error: GatewayError) -> None:
        # One line when the trouble begins or changes, not one an attempt.
        if self._problem is None or self._problem.code != error.code:
            _log.warning("%s: %s. %s", self._name, error.message, error.remedy)
        self._problem = error
        self._failures += 1
        self._tried.set()

    async def _pause(self) -> None:
        if self._failures:
            longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self._failures - 1, 10))
            await asyncio.sleep(_jitter.uniform(longest / 2, longest))


MakeLink = Callable[[Callable[[Session], Awaitable[None]]], Link]
"""Makes a link whose fresh sessions are prepared by the function given."""
