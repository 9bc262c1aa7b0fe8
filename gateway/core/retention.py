"""When the content of a handover must go, when it is reviewed, and how long everything else is kept.

Duty: one pure function for the date of a purge, so that both nodes, the preview and the running node never
disagree; and the table of what the node prunes by itself. It leaves out who destroys
(:mod:`gateway.flows.retention`, :mod:`gateway.flows.prune`), legal holds (:mod:`gateway.flows.holds`) and the
72-hour review of an urgent handover (:mod:`gateway.core.urgent`).

Rules (domain 3.5; s.39 DPA 2018; R16, R17; ICO finding F4)
-----
- Content goes at the EARLIEST of: the day that the document itself names; 30 days after every leg was
  acknowledged, or ended; 90 days after issue. The last holds whatever happens, also for a leg that nobody
  answered: the gateway is not the record of truth, and must not become one by waiting.
- A date of the document that lies before its issue is no date: the rules refuse it at the door, and content
  that came through another door is not destroyed before it was delivered.
- What says who sent what to whom, and who answered, is kept for six years and then looked at by a person.

>>> purge_due(1_000_000, 0, [1_086_400, 1_172_800])
Due(at=3764800, why=<Why.ACKNOWLEDGED: 'ALL_ACKNOWLEDGED'>)
>>> purge_due(1_000_000, 0, [1_086_400, 0])
Due(at=8776000, why=<Why.ISSUED: 'NINETY_DAYS'>)
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from gateway.core.durations import DAY
from schemas.assertions import Assertion
from schemas.handover import HandoverNotification

AFTER_ACKNOWLEDGED: Final = 30 * DAY
AFTER_ISSUE: Final = 90 * DAY

YEARS: Final = 6 * 366 * DAY
"""Seconds for which metadata and log are kept, in whole years at least."""


class Why(StrEnum):
    """Which of the dates came first, or that the content came after it."""

    DOCUMENT = "DOCUMENT_DATE"
    ACKNOWLEDGED = "ALL_ACKNOWLEDGED"
    ISSUED = "NINETY_DAYS"
    LATE = "CAME_AFTER_PURGE"
    DRILL = "DRILL_ENDED"
    SUPERSEDED = "SUPERSEDED"
    WITHDRAWN = "WITHDRAWAL"
    UNLAWFUL = "UNLAWFUL_DISCLOSURE"
    ERASED = "ERASURE"
    ORDERED = "PURGE_ORDER"


BY_NOTICE: Final = frozenset({Why.WITHDRAWN, Why.UNLAWFUL, Why.ERASED, Why.ORDERED})
"""Destructions that a notice asks for: the notice itself stays, until its agencies have read it."""


class Due(NamedTuple):
    """Unix seconds, and the reason."""

    at: int
    why: Why


def purge_due(issued: int, named: int, acknowledged: Collection[int]) -> Due:
    """The date as far as it is known now: it may still come nearer, and never goes further away.

    ``named``: what the document says, 0 for nothing. ``acknowledged``: of each leg when it was, or when it
    ended without; 0 while it has not.
    """
    dates = [Due(issued + AFTER_ISSUE, Why.ISSUED)]
    if named > issued:
        dates.append(Due(named, Why.DOCUMENT))
    if acknowledged and all(acknowledged):
        dates.append(Due(max(acknowledged) + AFTER_ACKNOWLEDGED, Why.ACKNOWLEDGED))
    return min(dates)


def look_again(due: Due, acknowledged: Collection[int], now: int) -> int:
    """When the date has to be computed anew: at the date itself, or at the first moment at which it could lie
    if the last leg were acknowledged now. So nobody has to watch the legs."""
    settled = bool(acknowledged) and all(acknowledged)
    return due.at if settled else min(due.at, now + AFTER_ACKNOWLEDGED)


def first_review(document: HandoverNotification) -> date:
    """The earliest day by which something in it is to be reviewed (R16), also that of the whole."""
    return min((document.retention.review_date, *_reviews(document)))


def _reviews(document: HandoverNotification) -> Iterator[date]:
    for assertion in (*(document.history or ()), document.gang_association):
        if isinstance(assertion, Assertion):
            yield assertion.review_by
    yield document.risk_to.review_by
    if document.risk_from is not None:
        yield document.risk_from.review_by


# --- everything else --------------------------------------------------------------------------------


class Kept(NamedTuple):
    """``seconds`` after its end of life something is kept, and ``why`` as long as that. ``pruned``: by the
    node itself; otherwise a person decides when the time is over."""

    seconds: int
    why: str
    pruned: bool = True


TABLE: Final[Mapping[str, Kept]] = MappingProxyType(
    {
        "sent": Kept(
            14 * DAY,
            "control and receipts envelopes that we sent: a peer may ask for them again only while they live",
        ),
        "control": Kept(
            14 * DAY,
            "control envelopes that we received: the body goes, the signed statement stays (see `stream`)",
        ),
        "stream": Kept(
            130 * DAY,
            "what a peer's node said, receipts and statements: its silence is shown with them (a handover"
            " lives 90 days, its last deadline 20 working days)",
        ),
        "files": Kept(
            90 * DAY,
            "segments of attachments as they travelled, without their body: the file itself goes with its"
            " handover",
        ),
        "cosignatures": Kept(
            14 * DAY,
            "every cosignature; afterwards one checkpoint a day and log, so that a proof says the day",
        ),
        "idempotency": Kept(130 * DAY, "keys of requests and answers: a repetition is told from another"),
        "timers": Kept(130 * DAY, "clocks that have fired: none may be set a second time"),
        "tasks": Kept(130 * DAY, "parcels that were delivered"),
        "pages": Kept(130 * DAY, "calls to people that were made or dropped"),
        "held": Kept(
            90 * DAY,
            "bytes that could not be accepted: sealed, and nobody's to keep for longer; that they were"
            " settled, as long after that",
        ),
        "alarms": Kept(2 * 366 * DAY, "alarms that somebody cleared"),
        "metadata": Kept(
            YEARS,
            "handovers, legs, receipts, sealed messages without their keys, attestations, holds: who sent"
            " what to whom, and who answered",
            pruned=False,
        ),
        "log": Kept(YEARS, "the log and the s.62 access log, after the last event", pruned=False),
    }
)
"""What is kept how long, and why (docs/retention.md shows it)."""
