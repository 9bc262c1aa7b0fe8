"""The headline actions asked of agencies, with their clocks, as data (domain 6.5).

Leaves out the reckoning of a deadline (:mod:`gateway.core.deadlines`) and the choice of actions for a case.
Rules: the clock of a leg runs from the receiving node's signed receipt; ``XX-Un`` codes are the origin's own
urgent actions and local profiles may add theirs, so a code that is not here is not an error.

>>> ACTIONS["PR-02"].standard
Term(amount=10, unit=<Unit.WORKING_DAYS: 'WORKING_DAYS'>, starts=<Start.RECEIPT: 'RECEIPT'>)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from schemas.acknowledgement import REASONS_FOR, AcknowledgementState, ReasonCode
from schemas.vocabulary import Agency

ORIGIN: Final = "ORIGIN"
EVERY_LEG: Final = "EVERY_LEG"


class Unit(StrEnum):
    """HOURS is elapsed time and does not stop at night; WORKING_DAYS are those of England."""

    HOURS = "HOURS"
    WORKING_DAYS = "WORKING_DAYS"
    MONTHS = "MONTHS"
    STANDING = "STANDING"
    UNTIL_ACCEPTED = "UNTIL_ACCEPTED"


class Start(StrEnum):
    """What sets a clock going."""

    RECEIPT = "RECEIPT"
    ACCEPTANCE = "ACCEPTANCE"


@dataclass(frozen=True, slots=True)
class Term:
    """``amount`` is 0 for the units that are no length of time."""

    amount: int
    unit: Unit
    starts: Start = Start.RECEIPT


@dataclass(frozen=True, slots=True)
class HeadlineAction:
    """``standard`` None: only in urgent handovers. ``interim``: something due before the urgent term."""

    code: str
    agency: str
    title: str
    standard: Term | None
    urgent: Term
    interim: Term | None = None


def _days(amount: int, starts: Start = Start.RECEIPT) -> Term:
    return Term(amount, Unit.WORKING_DAYS, starts)


def _hours(amount: int) -> Term:
    return Term(amount, Unit.HOURS)


_MONTHS_3 = Term(3, Unit.MONTHS)
_STANDING = Term(0, Unit.STANDING)
_UNTIL_ACCEPTED = Term(0, Unit.UNTIL_ACCEPTED)

_A = HeadlineAction
_CATALOGUE = (
    _A("ALL-A", EVERY_LEG, "Acknowledge by a named role", _days(1), _hours(2)),
    _A("ALL-B", EVERY_LEG, "Accept, reject or decline", _days(5), _hours(4)),
    _A(
        "CS-01",
        Agency.COMMUNITY_SAFETY,
        "Name lead; confirm which agencies hold the case",
        _days(2),
        _hours(2),
    ),
    _A("CS-02", Agency.COMMUNITY_SAFETY, "Ask for missing information", _days(5), _hours(4)),
    _A("CS-03", Agency.COMMUNITY_SAFETY, "Put on the partnership agenda; report back", _days(10), _days(3)),
    _A("CS-04", Agency.COMMUNITY_SAFETY, "Close-out note to the origin; keep contacts", _days(60), _days(20)),
    _A(
        "PO-01",
        Agency.POLICE,
        "Record order and conditions; brief local teams; confirm power of arrest and copy of the order held",
        _days(2),
        _hours(4),
    ),
    _A(
        "PO-02",
        Agency.POLICE,
        "Area safety check: known threat, rival links in the new area; answer CLEAR or CONCERN",
        _days(2),
        _hours(2),
    ),
    _A(
        "PO-03",
        Agency.POLICE,
        "Transfer intelligence on police systems, outside this gateway; confirm done",
        _days(5),
        _hours(24),
    ),
    _A("PO-04", Agency.POLICE, "Agree the owner of the threat-to-life record", None, _hours(4)),
    _A(
        "PR-01",
        Agency.PROBATION,
        "Name receiving practitioner; responsible officer at all times",
        _days(5),
        _days(1),
    ),
    _A("PR-02", Agency.PROBATION, "Address assessment", _days(10), _days(2)),
    _A(
        "PR-03",
        Agency.PROBATION,
        "Complete transfer; full briefing on orders and positive conditions",
        _days(20),
        _days(5),
    ),
    _A("PR-04", Agency.PROBATION, "First appointment in the new area", _days(5, Start.ACCEPTANCE), _days(1)),
    _A("YJ-01", Agency.YOUTH_JUSTICE, "Agree caretaking; name host case manager", _days(5), _days(1)),
    _A(
        "YJ-02",
        Agency.YOUTH_JUSTICE,
        "Meeting of home and host with child and parent; face to face if high risk",
        _days(10),
        _days(3),
    ),
    _A(
        "YJ-03",
        Agency.YOUTH_JUSTICE,
        "Apply to court at once to amend the area of the order; record it",
        _days(10),
        _days(5),
    ),
    _A("YJ-04", Agency.YOUTH_JUSTICE, "Three-month review and formal transfer", _MONTHS_3, _MONTHS_3),
    _A(
        "CC-01",
        Agency.CHILDRENS_SOCIAL_CARE,
        "Transfer-in conference if there is a child protection plan",
        _days(15),
        _days(15),
        interim=_hours(24),
    ),
    _A("CC-02", Agency.CHILDRENS_SOCIAL_CARE, "Decide on assessment; reply", _days(5), _hours(24)),
    _A("CC-U1", Agency.CHILDRENS_SOCIAL_CARE, "Acknowledge by telephone", None, _hours(2)),
    _A("CC-U2", Agency.CHILDRENS_SOCIAL_CARE, "See the child", None, _hours(24)),
    _A("CC-U3", Agency.CHILDRENS_SOCIAL_CARE, "Strategy discussion", None, _days(1)),
    _A(
        "LC-01",
        Agency.LEAVING_CARE,
        "Acknowledge; responsible authority unchanged; name local offer contact",
        _days(5),
        _days(1),
    ),
    _A("LC-02", Agency.LEAVING_CARE, "Review the pathway plan for the move", _days(20), _days(10)),
    _A(
        "HO-01",
        Agency.HOUSING,
        "Safety of address and area; tenancy flag without reason",
        _days(5),
        _hours(4),
    ),
    _A(
        "HO-02",
        Agency.HOUSING,
        "Acknowledge the s.208 notice; no name in reciprocal requests",
        _days(10),
        _days(5),
    ),
    _A("HO-03", Agency.HOUSING, "Preserve tenure; reciprocal nomination", _days(20), _days(5)),
    _A(
        "DW-01",
        Agency.DWP,
        "Move claim without a break; name coach; no appointment in an excluded area",
        _days(5),
        _days(2),
    ),
    _A("DW-02", Agency.DWP, "Tell the originator before a sanction or closure", _STANDING, _STANDING),
    _A("VC-01", Agency.VICTIM_SUPPORT, "Contact by a safe route", _days(5), _days(2)),
    _A(
        "VS-01",
        Agency.VOLUNTARY_SECTOR,
        "Same or handed-over caseworker; meeting place outside excluded areas",
        _days(5),
        _days(2),
    ),
    _A("ED-01", Agency.EDUCATION, "Place found; the old school is told only 'moved'", _days(10), _days(5)),
    _A("HE-01", Agency.HEALTH, "Registration and follow-up", _days(10), _days(2)),
    _A("SP-01", Agency.SPOC, "Name an owner for each agency", _days(1), _hours(2)),
    _A("SP-02", Agency.SPOC, "Relay sealed sections", _days(2), _hours(4)),
    _A("OR-01", ORIGIN, "Supervise until accepted; do not close", _UNTIL_ACCEPTED, _UNTIL_ACCEPTED),
    _A(
        "OR-02",
        ORIGIN,
        "Written permission for the exclusion area; monthly check of the order's list",
        _STANDING,
        _STANDING,
    ),
)

CLEAR_OR_CONCERN: Final = ("CLEAR", "CONCERN")
"""The answer of a safety check. What the concern is goes nowhere but into the sealed words."""

ANSWERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "PO-02": CLEAR_OR_CONCERN,
        "HO-01": CLEAR_OR_CONCERN,
        "PR-02": ("SUITABLE", "NOT_SUITABLE"),
        "CC-02": ("ASSESSMENT", "NO_FURTHER_ACTION"),
    }
)
"""Actions whose COMPLETED says what was found -> the codes of which it takes exactly one."""

_R = ReasonCode
_WORK = frozenset(
    {
        _R.ALREADY_HELD,
        _R.AWAITING_OTHER_AGENCY,
        _R.INSUFFICIENT_INFORMATION,
        _R.NOT_MOVED,
        _R.OVERTAKEN_BY_EVENTS,
    }
)
_PERSON = frozenset({_R.SUBJECT_DECLINED, _R.SUBJECT_NOT_REACHED})
_PLACE = frozenset({_R.NOT_AT_ADDRESS, _R.AREA_UNSAFE_FOR_SUBJECT})
_SERVICE = frozenset({_R.SERVICE_NOT_AVAILABLE})
_MEETING = _WORK | _PERSON | _PLACE | _SERVICE

_REASONS: Mapping[str, frozenset[ReasonCode]] = MappingProxyType(
    {
        "CS-01": _WORK,
        "CS-02": _WORK,
        "CS-03": _WORK | _SERVICE,
        "CS-04": _WORK,
        "PO-01": _WORK,
        "PO-02": _WORK | _PLACE,
        "PO-03": _WORK,
        "PO-04": _WORK,
        "PR-01": _WORK,
        "PR-02": _WORK | _PLACE | _PERSON,
        "PR-03": _WORK | _PLACE,
        "PR-04": _MEETING,
        "YJ-01": _WORK | _SERVICE,
        "YJ-02": _MEETING,
        "YJ-03": _WORK,
        "YJ-04": _WORK | _PLACE,
        "CC-01": _WORK,
        "CC-02": _WORK,
        "CC-U1": _WORK,
        "CC-U2": _WORK | _PLACE | frozenset({_R.SUBJECT_NOT_REACHED}),
        "CC-U3": _WORK,
        "LC-01": _WORK | _SERVICE,
        "LC-02": _WORK | _PERSON,
        "HO-01": _WORK | _PLACE,
        "HO-02": _WORK,
        "HO-03": _WORK | _SERVICE | frozenset({_R.SUBJECT_DECLINED}),
        "DW-01": _WORK | frozenset({_R.SUBJECT_NOT_REACHED}),
        "DW-02": _WORK,
        "SP-01": _WORK,
        "SP-02": _WORK,
    }
)


@dataclass(frozen=True, slots=True)
class MayAnswer:
    """``answers``: with COMPLETED, exactly one of these; none when empty. ``reasons``: with NOT_DONE, one."""

    answers: tuple[str, ...]
    reasons: frozenset[ReasonCode]


def may_answer(code: str) -> MayAnswer:
    """What may be said of an action. One that the catalogue does not know takes every reason of NOT_DONE.

    A court or a duty cannot be declined by the person; a visit can: so the reasons differ by action.
    """
    return MayAnswer(ANSWERS.get(code, ()), _REASONS.get(code, REASONS_FOR[AcknowledgementState.NOT_DONE]))


ACTIONS: Mapping[str, HeadlineAction] = MappingProxyType({action.code: action for action in _CATALOGUE})
"""Code -> action, in the order of domain 6.5."""
