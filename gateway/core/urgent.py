"""Urgent moves (domain 6.6): what URGENT demands, what it excuses, and its clocks.

Duty: the part of R14 that is about more than the evidence; office hours; the moments at which a full version,
a second authoriser, a telephone call and the review fall due; and what a leg's deadlines become when an
urgent handover is downgraded. It leaves out the timers and records of all this (:mod:`gateway.flows.urgent`)
and who may read an address (:mod:`gateway.core.narrowing`).

Rules
-----
- URGENT shortens lawful basis, it never skips it: no rule but those that ask ``case.partial`` knows of it.
- A partial document exists only under message urgency URGENT, whose evidence R14 demands. It always carries
  its quality block: s.38(5) DPA 2018 knows no exception.
- A downgrade never lengthens a deadline that has passed, and both nodes compute the same deadlines: out of
  the signed second of receipt and the signed second of the downgrade, and of nothing else.

>>> in_office_hours(1_796_510_400)                    # Saturday 5 December 2026, 22:40 London
False
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, time
from typing import Final

from gateway.core.deadlines import (
    ACKNOWLEDGE_HOURS,
    END_OF_DAY,
    LONDON,
    Deadlines,
    add_working_days,
    deadlines,
    is_working_day,
)
from gateway.core.durations import HOUR
from gateway.core.narrowing import ADULT_AGE
from gateway.core.rules import Case
from gateway.core.rules.sharing import r14_urgent_evidence
from gateway.errors import Problem
from schemas.handover import HandoverNotification
from schemas.message import Completeness, Contact
from schemas.vocabulary import Agency, Urgency

START_OF_DAY: Final = time(9, 0)

REVIEW: Final = 72 * HOUR
"""Seconds from issue, and from every review that keeps it urgent (domain 6.6)."""

GRACE: Final = 4 * HOUR
"""Seconds after the review fell due until somebody else is told: the urgent clock of a decision (ALL-B)."""

OWED_DAYS: Final = 1
"""Working days for the full version, and for a second authoriser after the event."""

_ROUND_THE_CLOCK: Final = re.compile(r"\b24 ?(?:h|hr|hrs|hour|hours|/ ?7)\b", re.IGNORECASE)


def in_office_hours(at: int) -> bool:
    """09:00 to 17:00 London time on a working day of England and Wales."""
    moment = datetime.fromtimestamp(at, UTC).astimezone(LONDON)
    return is_working_day(moment.date()) and START_OF_DAY <= moment.time() < END_OF_DAY


def owed_by(at: int) -> int:
    """When the full version of what was sent at ``at`` is due, and a second authoriser's agreement to it."""
    return add_working_days(at, OWED_DAYS)


def call_by(at: int) -> int:
    """Until when the telephone call of an urgent handover may be recorded: its shortest acknowledgement."""
    return at + ACKNOWLEDGE_HOURS * HOUR


def softened(started: int, at: int) -> Deadlines:
    """A leg's deadlines when its clock started at ``started`` and the handover was downgraded at ``at``.

    One that had passed by then stays: a downgrade excuses nobody who was late.
    """
    urgent, standard = deadlines("URGENT", started), deadlines("STANDARD", started)
    return Deadlines(*(old if old <= at else new for old, new in zip(urgent, standard, strict=True)))


def r14_urgent_move(case: Case) -> Iterator[Problem]:
    """R14 whole. Evidence; no partial document and no trigger without it, whatever the urgency is called; and
    out of hours somebody who is awake: a call with call-back, police and, for a child, children's social care
    among the recipients, and a contact of each that answers at night (domain 6.6)."""
    yield from r14_urgent_evidence(case)
    document = case.document
    urgent = document.message.urgency is Urgency.URGENT
    if not urgent and document.data_quality.completeness is Completeness.PARTIAL_URGENT:
        yield Problem(
            "/data_quality/completeness",
            "only an urgent handover may be partial",
            "complete it, or send it as URGENT with its evidence",
            "R14",
        )
    if document.urgent is not None and not document.urgent.evidence_ref and not _judged(case):
        yield Problem("/urgent/evidence_ref", "a trigger without evidence", "give the reference", "R14")
    if urgent:
        yield from _call(case)
        if out_of_hours(document, case.now):
            yield from _awake(case)


def out_of_hours(document: HandoverNotification, now: int) -> bool:
    """It says so itself, was issued then, or is handed in then: the last two keep the first honest."""
    issued = int(document.message.issued_at.timestamp())
    said = document.urgent is not None and document.urgent.out_of_hours
    return bool(said) or not in_office_hours(issued) or not in_office_hours(now)


def _judged(case: Case) -> bool:
    """Whether the first part of R14 has asked for the evidence already."""
    return "URGENT" in (case.document.message.urgency, case.document.move.kind)


def _call(case: Case) -> Iterator[Problem]:
    """A call that nobody called back may have been anybody's: it is no record of a handover."""
    call = case.document.urgent.verbal_handover if case.document.urgent else None
    if call is not None and not call.callback_verified:
        yield Problem(
            "/urgent/verbal_handover/callback_verified",
            "the number was not called back",
            "call back and say so, or leave the call out and record it by `gateway handover verbal`",
            "R14",
        )


def _awake(case: Case) -> Iterator[Problem]:
    """Both ends at night: a leg for each agency that must act, and a contact who answers their questions."""
    needed = [Agency.POLICE, *([Agency.CHILDRENS_SOCIAL_CARE] if case.age < ADULT_AGE else [])]
    told = {leg.agency for leg in case.document.routing.recipients}
    reached = {contact.agency for contact in case.document.contacts if at_night(contact)}
    for agency in needed:
        if agency not in told:
            yield Problem(
                "/routing/recipients",
                f"out of hours, and no leg for {agency.value}",
                "add the recipient whose duty desk is awake",
                "R14",
            )
        if agency not in reached:
            yield Problem(
                "/contacts",
                f"out of hours, and no contact of {agency.value} that answers at night",
                "give one with out_of_hours, or a telephone and (24h) in its role",
                "R14",
            )


def at_night(contact: Contact) -> bool:
    """Says how it is reached out of hours, or has a telephone and a role that is staffed round the clock."""
    return bool(contact.out_of_hours) or bool(contact.phone and _ROUND_THE_CLOCK.search(contact.role))
