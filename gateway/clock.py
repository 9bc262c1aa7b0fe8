"""The only reader of the wall clock."""

from __future__ import annotations

import asyncio
import time


class SystemClock:
    """This machine's time, never backwards within one process: a step back of the system clock holds ours
    still until it has caught up."""

    def __init__(self) -> None:
        self._latest = 0

    def now(self) -> int:
        self._latest = max(self._latest, int(time.time()))
        return self._latest

    async def sleep_until(self, when: float) -> None:
        while (left := when - time.time()) > 0:
            await asyncio.sleep(min(left, 60))
