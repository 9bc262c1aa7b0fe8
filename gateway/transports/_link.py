"""One connection with one channel to the broker, kept alive by a supervisor.

Duty: connect (with a time-out, through a list of addresses, with growing pauses), prepare the channel, hand
it out while it is good, and at the first doubt throw channel AND connection away and begin again. Nothing
is repaired: a fresh pair lost nothing in any fault run, a mended one did (aio-pika's robust connection).

Left out: one session from open to close (``_session``), what is published or consumed (``rabbit``), what
foreign errors mean (``_errors``).

Rules:

- Every wait has an end.
- A session that died young counts as a failed attempt, so a broker that accepts and then hangs up is not
  hammered.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence
from itertools import cycle
from random import SystemRandom

from gateway.errors import GatewayError, Misconfigured, Unavailable
from gateway.transports._errors import LOST, translated, unavailable
from gateway.transports._session import Session, Timeouts, open_session
from gateway.transports.certificates import Identity

_log = logging.getLogger(__name__)
_jitter = SystemRandom()

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between attempts: doubled each time, each drawn from its upper half (33 nodes must not come
back in step)."""

STEADY = 5.0
"""Seconds a session must last for the next pause to be short again."""


class Link:
    """A session that is always there or on its way. ``prepare`` makes a fresh channel ready for its work.

    ``quiet``: seconds after which a session that has heard nothing is made anew; None: never.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        *,
        name: str,
        timeouts: Timeouts,
        prepare: Callable[[Session], Awaitable[None]],
        quiet: float | None = None,
        ssl_context: ssl.SSLContext | None = None,
        identity: Identity | None = None,
    ) -> None:
        self._quiet = quiet
        self._identity = identity
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
        self._address = ""
        self._retiring: set[asyncio.Task[None]] = set()

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
        tasks = [task for task in (self._probe, self._supervisor, *self._retiring) if task is not None]
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
            self._address = address
            await self._serve(session)
            lived = asyncio.get_running_loop().time() - born
            self._failures = 1 if lived >= STEADY else self._failures + 1

    async def _open(self, address: str) -> Session:
        session = await open_session(
            address,
            name=self._name,
            timeouts=self._timeouts,
            ssl_context=self._ssl_context,
            identity=self._identity,
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
            await self._while_good(session)
            while (successor := self._session) is not session and successor is not None:
                self._retire(session)
                session = successor
                await self._while_good(session)
        finally:
            standing, self._session = self._session, None
            self._up.clear()
            for one in {session, standing} - {None}:
                await one.close(self._timeouts.close)

    def _retire(self, session: Session) -> None:
        task = asyncio.create_task(session.retire(self._timeouts.settle), name=f"retire {self._name}")
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def renew(self, turn: int) -> None:
        """Put a session with certificates of ``turn`` in the place of an older one, which stays until the new
        one is ready, and ends when what is in flight on it is answered. Raises Unavailable or Misconfigured:
        then the old one goes on."""
        standing = self._good()
        if standing is None or standing.turn >= turn:
            return  # the next one is made with them anyway
        fresh = await self._open(self._address)
        if self._session is standing and not standing.lost.is_set():
            self._session = fresh
            standing.over.set()
            _log.info("%s: connected with the new certificate", self._name)
        else:  # lost meanwhile, and the supervisor is on its way to another
            await fresh.close(self._timeouts.close)

    async def _while_good(self, session: Session) -> None:
        loop = asyncio.get_running_loop()
        session.heard = loop.time()
        while not session.over.is_set():
            try:
                async with asyncio.timeout_at(session.heard + self._quiet if self._quiet else None):
                    await session.over.wait()
            except TimeoutError:
                if self._quiet and loop.time() >= session.heard + self._quiet:
                    _log.info("%s: quiet for long, connecting again to be sure", self._name)
                    return
        if session.lost.is_set():
            _log.warning("%s: connection lost, connecting again", self._name)

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
