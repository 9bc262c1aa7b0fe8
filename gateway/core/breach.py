"""The clock and the words of a personal data breach: 72 hours, what may be decided, what has to be said when.

Duty: the closed lists of :class:`What` and :class:`Delay`, when people are called (:data:`HOURS`), and
:func:`check`, whether a step may be recorded now. It leaves out rows, alarms, sealing (``flows/breaches``).

Rules (s.67, s.68 DPA 2018; Art 33, 34 UK GDPR)
-----
- The Commissioner hears within 72 hours of our being aware, unless a risk to anybody is unlikely. The clock
  stops at a decision that is recorded, not at silence.
- Later than that it has to be said why (s.67(3); Art 33(1)). Nothing is refused for being late, but silence
  about it is.
- Where the risk is high the person is told (s.68), or it is recorded on which ground not (s.68(3)).
- A near miss is counted and has no clock: what nobody opened was disclosed to nobody.

>>> [(left, code) for left, code in HOURS][-1]
(72, 'breach_overdue')
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Final

from gateway.core.durations import HOUR
from gateway.errors import InvalidDocument, NotAllowed, Problem

LIMIT: Final = 72 * HOUR
"""Seconds from being aware until the Commissioner has to be told."""

HOURS: Final = ((24, "breach_24h"), (48, "breach_48h"), (60, "breach_60h"), (72, "breach_overdue"))
"""Hours after which people are called while nothing is decided, and the alarm of each."""


class Source(StrEnum):
    """Why there is a record."""

    RETURNED = "RETURNED"
    UNLAWFUL_DISCLOSURE = "UNLAWFUL_DISCLOSURE"
    BY_HAND = "BY_HAND"


class What(StrEnum):
    """What can be recorded of one."""

    UNLIKELY_TO_RESULT_IN_RISK = "UNLIKELY_TO_RESULT_IN_RISK"
    NOTIFY_ICO = "NOTIFY_ICO"
    TELL_SUBJECT = "TELL_SUBJECT"
    SUBJECT_NOT_TOLD = "SUBJECT_NOT_TOLD"


class Delay(StrEnum):
    """Why the Commissioner hears after 72 hours (s.67(3))."""

    FACTS_NOT_KNOWN = "FACTS_NOT_KNOWN"
    OTHER_CONTROLLER_LATE = "OTHER_CONTROLLER_LATE"
    SYSTEMS_DOWN = "SYSTEMS_DOWN"
    OVERLOOKED = "OVERLOOKED"


class Exemption(StrEnum):
    """Why the person is not told of a high risk (s.68(3), (7))."""

    UNINTELLIGIBLE = "UNINTELLIGIBLE"
    RISK_REMOVED = "RISK_REMOVED"
    DISPROPORTIONATE = "DISPROPORTIONATE"
    SAFETY_OF_OTHERS = "SAFETY_OF_OTHERS"


DECIDED: Final = frozenset({What.UNLIKELY_TO_RESULT_IN_RISK, What.NOTIFY_ICO, What.TELL_SUBJECT})
"""Decisions that stop the clock of 72 hours."""

HIGH_RISK: Final = "HIGH_RISK"
"""The code of a decision to notify by which the person has to be told, too."""

_TOLD: Final = frozenset({What.TELL_SUBJECT, What.SUBJECT_NOT_TOLD})


def notify_by(aware: int) -> int:
    """When the 72 hours are over. They run through nights, weekends and bank holidays.

    >>> notify_by(0)
    259200
    """
    return aware + LIMIT


def stopped(steps: Collection[str]) -> bool:
    """Whether something is decided, so that nobody has to be called."""
    return bool(DECIDED & set(steps))


def owes_subject(steps: Collection[tuple[str, str]]) -> bool:
    """Whether the risk was called high and the person has neither been told nor the ground for that recorded.

    ``steps``: (what, code) of each.
    """
    high = any(what == What.NOTIFY_ICO and HIGH_RISK in code.split() for what, code in steps)
    return high and not any(what in _TOLD for what, _ in steps)


def check(
    what: What,
    *,
    near_miss: bool,
    aware: int,
    at: int,
    now: int,
    delay: Delay | None,
    exemption: Exemption | None,
    high_risk: bool,
    rationale: str,
    done: Collection[str],
) -> str:
    """The code to record with a step. Raises InvalidDocument with every field named, NotAllowed."""
    if near_miss and what is not What.UNLIKELY_TO_RESULT_IN_RISK:
        raise NotAllowed(
            "this was never opened, so nothing was disclosed",
            code="near_miss",
            field="/decision",
            remedy="record a breach by hand if you know otherwise: `gateway breach open`",
        )
    late = what is What.NOTIFY_ICO and at > notify_by(aware)
    wrong = []
    if not aware <= at <= now:
        wrong.append(Problem("/at", "is before the breach was known, or has not come yet", "give the time"))
    if late != (delay is not None):
        wrong.append(
            Problem("/delay", "the Commissioner hears after 72 hours", f"say why: {', '.join(Delay)}", "R30")
            if late
            else Problem("/delay", "it was not late, or is no notification", "leave it out", "R30")
        )
    if (what is What.SUBJECT_NOT_TOLD) != (exemption is not None):
        wrong.append(
            Problem("/exemption", "belongs to SUBJECT_NOT_TOLD alone", f"one of {', '.join(Exemption)}")
        )
    if high_risk and what is not What.NOTIFY_ICO:
        wrong.append(Problem("/high_risk", "belongs to NOTIFY_ICO", "leave it out"))
    if not rationale and what in (What.UNLIKELY_TO_RESULT_IN_RISK, What.SUBJECT_NOT_TOLD):
        wrong.append(Problem("/rationale", "not to tell needs a reason in words", "say why; it is sealed"))
    if what is What.UNLIKELY_TO_RESULT_IN_RISK and What.NOTIFY_ICO in done:
        wrong.append(Problem("/decision", "the Commissioner was notified already", "record what came of it"))
    if wrong:
        raise InvalidDocument("this cannot be recorded so", code="breach_step", problems=wrong)
    codes = [str(code) for code in (delay, exemption) if code] + ([HIGH_RISK] if high_risk else [])
    return " ".join(codes)
