"""Whose duty a person is, function by function (R28; domain 6.5, 6.7, 7 "YJS caretaking"). Pure.

Duty: when responsibility for a function moves from the origin's agency to the one that takes the leg on. It
is the origin's until the leg is ACCEPTED and never nobody's; two agencies have a later moment, or none.

- YOUTH_JUSTICE under caretaking: the home service stays responsible for the stability period, although the
  host has accepted and does the day-to-day work, until the three-month review with its formal transfer
  (YJ-04) is completed (YJB protocol).
- LEAVING_CARE: the responsible authority does not change on a move (Children Act 1989 s.23C). The receiving
  service supports. A young person who returns to the responsible authority's own area is the exception.

Only the origin reads orders and support, so it writes one code into the leg's entry of the routing table, and
both nodes derive the same from it. The code is a fact about services, not about the person.

It leaves out the leg's states themselves (:mod:`gateway.core.states`).

>>> responsible(Duty.STAYS, LegState.ACCEPTED, "E09000012/leaving_care", "E09000004/leaving_care")
'E09000012/leaving_care'
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from gateway.core import states
from gateway.core.rules import Case
from gateway.core.states import LegState
from gateway.errors import Problem
from schemas.handover import HandoverNotification
from schemas.vocabulary import Agency

REVIEW: Final = "YJ-04"
"""The action that ends caretaking."""


class Duty(StrEnum):
    """When responsibility for a leg's function moves. TRANSFERRED: caretaking that a review has ended; it is
    never sent, a node sets it when the review is completed."""

    MOVES = ""
    CARETAKING = "CARETAKING"
    STAYS = "STAYS"
    TRANSFERRED = "TRANSFERRED"


SENT: Final = frozenset({Duty.CARETAKING, Duty.STAYS})
"""What a routing table may say."""


def duty_of(document: HandoverNotification, agency: str) -> Duty:
    """The code that the origin writes for a leg to ``agency``."""
    if agency == Agency.YOUTH_JUSTICE and _caretaken(document):
        return Duty.CARETAKING
    if agency == Agency.LEAVING_CARE and not _goes_home(document):
        return Duty.STAYS
    return Duty.MOVES


def responsible(duty: str, state: LegState, origin: str, destination: str) -> str:
    """Whose duty it is now: a principal, never empty."""
    if duty in SENT:
        return origin
    return states.responsible(state, origin, destination)


def reviewed(duty: str, *, completed: bool) -> str:
    """The code after the review was completed, or was said not to be after all."""
    if duty not in (Duty.CARETAKING, Duty.TRANSFERRED):
        return duty
    return Duty.TRANSFERRED if completed else Duty.CARETAKING


def r28_caretaking_ends(case: Case) -> Iterator[Problem]:
    """R28. Caretaking ends with a review, so a handover under caretaking asks for it: otherwise home would
    stay responsible for ever, or everybody would assume that host is (YJB protocol: 3 months)."""
    document = case.document
    legs = {leg.agency for leg in document.routing.recipients}
    asked = {action.code for action in document.actions if action.agency is Agency.YOUTH_JUSTICE}
    under = any(order.caretaking is not None for order in document.orders)
    if under and Agency.YOUTH_JUSTICE in legs and REVIEW not in asked:
        yield Problem(
            "/actions",
            "caretaking without the review that ends it",
            f"ask {REVIEW} of YOUTH_JUSTICE",
            "R28",
        )


def _caretaken(document: HandoverNotification) -> bool:
    """By an order that says so, or because the review that ends it is asked."""
    asked = any(
        action.agency is Agency.YOUTH_JUSTICE and action.code == REVIEW for action in document.actions
    )
    return asked or any(order.caretaking is not None for order in document.orders)


def _goes_home(document: HandoverNotification) -> bool:
    support = document.support
    home = support.responsible_authority if support else None
    return home is not None and home == document.routing.destination.area_code
