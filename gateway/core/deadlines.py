"""By when a leg is to be acknowledged and decided (domain 6.5: ALL-A, ALL-B; 4.3 for the clock).

Duty: working days of England and Wales, and the two deadlines that every leg has. The clock starts at the
receiving node's signed receipt, so both nodes compute the same deadline from the same signed second.

Also the moments between clock and deadline at which people are warned.

It leaves out escalation and the deadlines of single actions (``due_at`` in a document is the origin's plan).

Rules
-----
- Working days: Europe/London calendar days that are neither weekend nor bank holiday. The day of the receipt
  is not counted, at whatever hour it came; a deadline is 17:00 London time on the last day.
- URGENT runs in elapsed hours and does not stop at night, on a Sunday or when the clocks change.
- PRIORITY has the clocks of STANDARD: domain 6.5 knows only these two columns.
- A warning falls after that part of the seconds that lie between the start of the clock and the deadline,
  nights and days off included: both nodes compute it from the two signed times, whatever their calendars.
- Beyond :func:`gateway.core.holidays.holidays_known_until` only weekends are left out.

Times are unix seconds, in and out.

>>> deadlines("URGENT", 1_780_000_000)
Deadlines(acknowledge_by=1780007200, decide_by=1780014400)
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gateway.core.durations import HOUR
from gateway.core.holidays import BANK_HOLIDAYS
from gateway.errors import Malformed

LONDON = ZoneInfo("Europe/London")
END_OF_DAY = time(17, 0)
"""Domain 6.6: standard deadlines stop at 17:00."""

ACKNOWLEDGE_HOURS, DECIDE_HOURS = 2, 4
ACKNOWLEDGE_DAYS, DECIDE_DAYS = 1, 5

WHOLE = 100
"""Percent: the deadline itself."""

_SATURDAY = 5


class Deadlines(NamedTuple):
    """Unix seconds."""

    acknowledge_by: int
    decide_by: int


def london_day(moment: int) -> date:
    """The calendar day in London at ``moment`` (unix seconds)."""
    return datetime.fromtimestamp(moment, UTC).astimezone(LONDON).date()


def is_working_day(day: date) -> bool:
    return day.weekday() < _SATURDAY and day not in BANK_HOLIDAYS


def add_working_days(start: int, days: int) -> int:
    """17:00 London time on the ``days``-th working day after the day of ``start``, in unix seconds.

    Raises ValueError unless ``days`` is at least 1.
    """
    if days < 1:
        raise ValueError("at least one working day")
    return _end_of_working_day(london_day(start), days)


@lru_cache(maxsize=64)  # every handover of a day asks for the same two
def _end_of_working_day(day: date, days: int) -> int:
    while days:
        day += timedelta(days=1)
        days -= is_working_day(day)
    return int(datetime.combine(day, END_OF_DAY, LONDON).timestamp())


def part_of_way(started: int, due: int, percent: int) -> int:
    """The second at which ``percent`` of the time from ``started`` to ``due`` is over; a deadline that lies
    before its clock (it was moved) is all over at once.

    >>> part_of_way(1_000, 2_000, 80)
    1800
    """
    return min(due, started + (due - started) * percent // WHOLE)


def deadlines(urgency: str, started: int) -> Deadlines:
    """ALL-A and ALL-B of domain 6.5 for a leg whose clock started at ``started`` (unix seconds).

    Raises Malformed for an urgency that domain 6.2 does not know.
    """
    match urgency:
        case "URGENT":
            return Deadlines(started + ACKNOWLEDGE_HOURS * HOUR, started + DECIDE_HOURS * HOUR)
        case "STANDARD" | "PRIORITY":
            return Deadlines(
                add_working_days(started, ACKNOWLEDGE_DAYS), add_working_days(started, DECIDE_DAYS)
            )
        case _:
            raise Malformed("no such urgency", code="urgency", remedy="use STANDARD, PRIORITY or URGENT")
