"""Which processes of one area live, and what they call to each other, on PostgreSQL.

Duty: :class:`gateway.ports.Siblings` by two connections of its own. One holds a session's advisory lock under
the worker's number and rings (``NOTIFY``); the other hears (``LISTEN``). The server lets the lock go when the
connection ends, so a killed process is seen by the next look; what ends without a word (a machine without
power) is told by its missing beats.

Rules:

* The server forgets every lock when it is restarted, and processes come back one after another. So for
  :data:`GRACE` seconds after our own connection came back nobody is judged by a lock.
* A connection that died without a word is ended by the server within half a minute, too: until then it holds
  our lock against ourselves.
* Both need a connection that stays the same: a pooler between (pgbouncer) must run in session mode.
* What is rung names a pump and nothing else; one is lost with its connection, so after every new one
  :data:`gateway.ports.EVERY_BELL` is brought.

Example::

    siblings = PostgresSiblings(parse("postgresql://gateway@/gateway"))
    await siblings.start(worker)
    await siblings.ring("urgent")
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Any, Final, LiteralString

import psycopg
import sqlalchemy as sa

from gateway.errors import Unavailable
from gateway.ports import EVERY_BELL

GRACE: Final = 10.0
"""Seconds after a new connection in which the others may not have come back yet."""

PAUSE: Final = 1.0

SPACE: Final = 0x67777377
"""The class of our locks, so that nobody else's number is one of ours."""

CHANNEL: Final = "gateway_bells"

_ARGUMENTS: Final = {
    "autocommit": True,
    "application_name": "gateway worker",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
}
_TAKE: Final = (
    "SELECT pg_try_advisory_lock(%s, %s), set_config('tcp_keepalives_idle', '10', false),"
    " set_config('tcp_keepalives_interval', '5', false), set_config('tcp_keepalives_count', '2', false)"
)
_HELD: Final = (
    "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2"
    " AND classid = %s::bigint::oid"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def number(worker: str) -> int:
    """The number of a worker's lock: 31 bits of its random id."""
    return int(worker[:8], 16) >> 1


class PostgresSiblings:
    """See :class:`gateway.ports.Siblings`."""

    def __init__(self, url: sa.URL) -> None:
        _, self._place = url.get_dialect()().create_connect_args(url)
        self._worker = ""
        self._hand: psycopg.AsyncConnection[Any] | None = None
        self._mending = asyncio.Lock()
        self._back = float("-inf")

    async def start(self, worker: str) -> None:
        self._worker = worker
        await self._connected()

    async def gone(self, workers: Sequence[str]) -> AbstractSet[str]:
        held = {row[0] for row in await self._ask(_HELD, SPACE)}
        if asyncio.get_running_loop().time() < self._back + GRACE:
            return set()
        return {worker for worker in workers if number(worker) not in held}

    async def ring(self, bell: str) -> None:
        await self._ask("SELECT pg_notify(%s, %s)", CHANNEL, bell)

    async def bells(self) -> AsyncIterator[str]:
        while True:
            with suppress(psycopg.Error):
                async with await self._connect() as ear:
                    await ear.execute(f"LISTEN {CHANNEL}")
                    yield EVERY_BELL
                    async for heard in ear.notifies():
                        yield heard.payload
            await asyncio.sleep(PAUSE)

    async def close(self) -> None:
        hand, self._hand = self._hand, None
        if hand is not None:
            await hand.close()

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        return await psycopg.AsyncConnection.connect(**{**self._place, **_ARGUMENTS})

    async def _connected(self) -> psycopg.AsyncConnection[Any]:
        """The connection that holds our lock; a new one, with the lock, where it was lost."""
        async with self._mending:
            if self._hand is None or self._hand.closed:
                try:
                    hand = await self._connect()
                    taken = await (await hand.execute(_TAKE, (SPACE, number(self._worker)))).fetchone()
                except psycopg.Error as error:
                    raise _lost() from error
                if not taken or not taken[0]:
                    # Our last connection is not dead yet for the server, or another one drew our number.
                    await hand.close()
                    raise _lost()
                if self._hand is not None:
                    self._back = asyncio.get_running_loop().time()
                self._hand = hand
            return self._hand

    async def _ask(self, query: LiteralString, *values: object) -> Sequence[tuple[Any, ...]]:
        hand = await self._connected()
        try:
            return await (await hand.execute(query, values)).fetchall()
        except psycopg.Error as error:
            with suppress(psycopg.Error):
                await hand.close()
            raise _lost() from error


def _lost() -> Unavailable:
    return Unavailable(
        "the connection on which this process shows that it lives was lost",
        code="siblings_lost",
        remedy="it connects again by itself once the database answers",
    )
