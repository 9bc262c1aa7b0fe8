"""The one reader of the wall clock.

Duty: `ports.Clock` over the machine's clock. Everything else takes ``now`` as a parameter. What it leaves
out: judging whether the machine's clock is right (rule R26).

Rules:

- Never backwards within one process. When the wall clock is set back, time does not stand still either, for
  due rows would then not become due: it goes on at half speed until the wall clock has caught up, so a step
  back of an hour is worked off in two.
- A step forwards is taken at once.

Example::

    clock = SystemClock()
    await clock.sleep_until(clock.now() + 30)
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Final

_SLEW: Final = 0.5  # seconds of ours for each real second while the wall clock is behind
_LONGEST_NAP: Final = 30.0  # seconds; the wall clock may be set while we sleep, so look again


class SystemClock:
    """`ports.Clock` of this machine. Safe to share between threads.

    ``wall`` and ``monotonic`` are the two sources, in seconds; given only by tests.
    """

    def __init__(
        self,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._shown, self._at = wall(), monotonic()

    def now(self) -> int:
        """Unix seconds, whole."""
        return int(self._time())

    async def sleep_until(self, when: float) -> None:
        """Return no earlier than ``when`` (unix seconds); at once if it has passed.

        Measured on OUR time: a nap on the wall clock would last an hour longer when that is set back by one.
        """
        # No Event can stand in for this loop: what it waits for is the wall clock, which nobody announces.
        while (left := when - self._time()) > 0:  # noqa: ASYNC110 - see above
            await asyncio.sleep(min(left, _LONGEST_NAP))

    def _time(self) -> float:
        with self._lock:
            at = self._monotonic()
            floor = self._shown + (at - self._at) * _SLEW
            self._shown, self._at = max(self._wall(), floor), at
            return self._shown
