"""Sealing and opening is work that never waits; it must not keep everybody else from the processor.

Duty: before each, a look at the sockets when the last one is :data:`SLICE` seconds ago. Left out: the work.
A node that was off finds its queue full, and a bundle holds up to 64 envelopes: thousands of tasks may want
to open one in the same turn of the event loop, a millisecond or two each; a commit that sixty shared wakes
sixty that go on at once. Without this an agency's request waited two seconds behind them, and heartbeats to
the broker as well.

Rule: one object a lane, so that what is urgent does not stand in the line of the others.

Example::

    await node.turns[delivery.lane].wait()
    refused = await accept(node, envelope)           # opens it before it waits for anything
"""

from __future__ import annotations

import asyncio
from typing import Final

SLICE: Final = 0.005


class Turns:
    def __init__(self) -> None:
        self._line = asyncio.Lock()
        self._until = 0.0

    async def wait(self) -> None:
        """Return when it is one's turn. The work begins at once, in the same step."""
        async with self._line:
            loop = asyncio.get_running_loop()
            if loop.time() >= self._until:
                await asyncio.sleep(0)
                self._until = loop.time() + SLICE
