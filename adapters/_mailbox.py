"""Answers that arrive inside this process, waiting to be recorded.

Leaves out durability: what waits here is lost with the process. An adapter that uses it says what that means
for its agency.

Example::

    mailbox = Mailbox()
    mailbox.put(leg="0192", body=b'{"state": "RECEIVED", "role": "Duty officer"}')
    async for answer in mailbox: ...
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from gateway.errors import GatewayError
from gateway.ports import Answer


@dataclass(frozen=True, slots=True)
class MemoryAnswer:
    """An answer with nowhere to note that it was recorded or refused: its agency sees the leg's state."""

    leg: str
    body: bytes = field(repr=False)

    async def done(self) -> None:
        """Nothing to tidy."""

    async def refuse(self, error: GatewayError) -> None:
        """Nothing to tell: the flow records the refusal."""


class Mailbox:
    """A queue whose iterators end when it is closed, after what was put before."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[MemoryAnswer | None] = asyncio.Queue()
        self._closed = False

    def put(self, *, leg: str, body: bytes) -> None:
        """Dropped once closed: nobody would take it."""
        if not self._closed:
            self._queue.put_nowait(MemoryAnswer(leg, body))

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._queue.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[Answer]:
        while (answer := await self._queue.get()) is not None:
            yield answer
        self._queue.put_nowait(None)  # for the next iterator: closed stays closed
