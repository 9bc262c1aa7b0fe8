"""How much one caller may ask: a token bucket for each, bounded in number, in this process alone.

Time is passed in (seconds of any clock that never goes backwards). What a bucket holds is lost with the
process, which errs on the caller's side.

>>> bucket = Buckets(rate=1, burst=2)
>>> [bucket.take("police", now=0.0) for _ in range(3)]
[0, 0, 1]
"""

from __future__ import annotations

from collections import OrderedDict
from math import ceil

MAX_CALLERS = 4096
"""Buckets kept. The one unused for longest goes first: by then it is full again, or nearly."""


class Buckets:
    """``rate`` calls a second on average, ``burst`` at once."""

    def __init__(self, *, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, burst
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, *, now: float) -> int:
        """0 when the call may go on; else the whole seconds until one does."""
        level, since = self._held.pop(caller, (float(self._burst), now))
        level = min(self._burst, level + (now - since) * self._rate)
        allowed = level >= 1
        self._held[caller] = (level - 1 if allowed else level, now)
        if len(self._held) > MAX_CALLERS:
            self._held.popitem(last=False)
        return 0 if allowed else ceil((1 - level) / self._rate)
