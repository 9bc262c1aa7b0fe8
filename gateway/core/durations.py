"""Seconds of a minute, an hour and a day.

All time here is counted in seconds, and no day is longer because clocks are changed in it. Days by London's
calendar are the matter of :mod:`gateway.core.deadlines`.
"""

from __future__ import annotations

from typing import Final

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
