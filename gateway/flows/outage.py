"""What is done with a message that cannot be stored now: it stays in hand, and is tried until it can be.

Giving it back instead would lose it. A quorum queue counts every return, and after a hundred of them moves
the message to quarantine as poison: a database away for two minutes would condemn whatever was in flight.
Held unsettled it costs no count; the broker keeps it, and what follows it, for as long as it takes; and
should its connection break meanwhile, it comes again and is told by its place in the stream.

Rules: of all that wait one tries, once a :data:`PAUSE`, so a full disk costs no processor and a database that
starts is not stormed; the first success lets the next one try at once. It leaves out bounding how many wait:
the consumer takes no more than it has room for.

Example::

    outage = Outage()
    await outage.until_stored(lambda: receive(node, delivery))
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from gateway.errors import Unavailable

PAUSE = 1.0
"""Seconds between two tries."""

log = structlog.get_logger("outage")


class Outage:
    """One for each consumer."""

    def __init__(self, *, pause: float = PAUSE) -> None:
        self._turn = asyncio.Lock()
        self._pause = pause
        self._code = ""

    async def until_stored(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run ``work``, again and again while it raises Unavailable. It has to bear being repeated."""
        try:
            await work()
        except Unavailable as error:
            self._say(error.code)
        else:
            return
        async with self._turn:
            while True:
                try:
                    await work()
                except Unavailable as error:
                    self._say(error.code)
                    await asyncio.sleep(self._pause)
                else:
                    self._say("")
                    return

    def _say(self, code: str) -> None:
        """One line when it begins, changes or ends: the same one every second would fill the disk."""
        if code and code != self._code:
            log.warning("not stored, kept until it can be", code=code)
        elif self._code and not code:
            log.info("stored again", code=self._code)
        self._code = code
