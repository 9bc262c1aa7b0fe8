"""By when an action is to be done, reckoned alike by both nodes (domain 6.5, 4.3). Pure.

Duty: from the catalogue's term and the signed second of a receipt to a moment in unix seconds. It leaves out
the two deadlines that every leg has (:mod:`gateway.core.deadlines`) and what happens when one passes.

Rules
-----
- The clock of an action starts at the receiving node's signed receipt, or where the catalogue says so at the
  agency's signed acceptance. Neither node needs to ask the other: both hold both receipts.
- URGENT reads the urgent column; STANDARD and PRIORITY the standard one.
- A code that the catalogue does not know (``XX-Un``, a local code) is due when the origin planned it.
- Months are calendar months, ending at 17:00 in London on the same day of the month, or on its last.

>>> deadline("PO-02", "URGENT", received=1_780_000_000)
Clock(started=1780000000, due=1780007200)
"""

from __future__ import annotations

import calendar
from datetime import date, datetime
from typing import Final, NamedTuple

from gateway.core.deadlines import END_OF_DAY, LONDON, add_working_days, london_day
from gateway.core.durations import HOUR
from schemas.actions import ACTIONS, Start, Term, Unit

MONTHS_A_YEAR: Final = 12
INTERIM: Final = "-interim"
"""Ends the id of what is due before the action itself (CC-01: an interim plan within 24 hours)."""

WARNINGS: Final = (50, 80)
"""Per cent of an action's time after which its agency is reminded."""


class Clock(NamedTuple):
    """Unix seconds; 0: has not started, or has no end."""

    started: int
    due: int


def term_of(code: str, urgency: str) -> Term | None:
    """None for a code of the origin's own, and for one that no handover of this urgency asks."""
    action = ACTIONS.get(code)
    if action is None:
        return None
    return action.urgent if urgency == "URGENT" else action.standard


def interim_of(code: str, urgency: str) -> Term | None:
    """What an urgent handover asks before the action itself."""
    action = ACTIONS.get(code)
    return action.interim if action and urgency == "URGENT" else None


def deadline(code: str, urgency: str, *, received: int = 0, accepted: int = 0, planned: int = 0) -> Clock:
    """The binding clock. ``received``, ``accepted``: seconds of the two receipts, 0 for not yet."""
    term = term_of(code, urgency)
    if term is None:
        return Clock(received, planned) if received else Clock(0, 0)
    started = accepted if term.starts is Start.ACCEPTANCE else received
    return Clock(started, ends(term, started)) if started else Clock(0, 0)


def ends(term: Term, started: int) -> int:
    """0 for a standing duty, and for one that lasts until somebody accepts."""
    match term.unit:
        case Unit.HOURS:
            return started + term.amount * HOUR
        case Unit.WORKING_DAYS:
            return add_working_days(started, term.amount)
        case Unit.MONTHS:
            return _months(started, term.amount)
        case _:
            return 0


def _months(started: int, amount: int) -> int:
    day = london_day(started)
    years, month = divmod(day.month - 1 + amount, MONTHS_A_YEAR)
    year, month = day.year + years, month + 1
    last = calendar.monthrange(year, month)[1]
    return int(datetime.combine(date(year, month, min(day.day, last)), END_OF_DAY, LONDON).timestamp())


def share(clock: Clock, percent: int) -> int:
    """The moment at which ``percent`` of the time has gone."""
    return clock.started + (clock.due - clock.started) * percent // 100
