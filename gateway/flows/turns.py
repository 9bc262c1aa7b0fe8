"""Sealing and opening is work that never waits; it must not keep everybody else from the processor.

Duty: :data:`AT_ONCE` of such works, then a look at the sockets. Left out: the work. A node that was off
finds its queue full, and a bundle holds up to 64 envelopes: thousands of tasks may want to open one in the
same turn of the event loop, a millisecond or two each; a commit that sixty shared wakes sixty that go on at
once. Without this an agency's request waited two seconds behind them, and heartbeats to the broker as well.

Rules:

* One object a lane, so that what is urgent does not stand in the line of the others.
* Several at once, and whoever finds no line goes on in the same step: works that come one by one are
  committed one by one, which doubled the processor's time of an exchange.

Example::

    await node.turns[delivery.lane].wait()
    refused = await accept(node, envelope)           # opens it before it waits for anything
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

AT_ONCE: Final = 16
"""Works of a millisecond or two: some 20 ms between two looks."""


class Turns:
    def __init__(self) -> None:
        self._line: deque[asyncio.Future[None]] = deque()
        self._given = 0
        self._waits = False

    async def wait(self) -> None:
        """Return when it is one's turn. The work begins at once, in the same step."""
        loop = asyncio.get_running_loop()
        if not self._line and self._given < AT_ONCE:
            self._given += 1
            self._look(loop)
            return
        place: asyncio.Future[None] = loop.create_future()
        self._line.append(place)
        self._look(loop)
        await place

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._waits:
            self._waits = True
            loop.call_soon(self._next, loop)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        """The sockets were looked at. Those who have gone away meanwhile take nobody's turn."""
        self._waits, self._given = False, 0
        while self._line and self._given < AT_ONCE:
            place = self._line.popleft()
            if not place.done():
                place.set_result(None)
                self._given += 1
        if self._given:
            self._look(loop)
