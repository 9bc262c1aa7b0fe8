"""Rules about court orders, their terms and the third parties they name: R7, R8, R9, R10.

Leaves out who may ever read a term (R4, :mod:`gateway.core.narrowing`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from gateway.core.entitlements import agencies
from gateway.core.rules import Case, years_after
from gateway.errors import Problem
from schemas.orders import Condition, ConditionType, Order, PlaceRule
from schemas.vocabulary import OrderType, SectionName

THIRD_PARTY_READERS = agencies("P B Y")
MINIMAL_ONLY = agencies("D H")
"""Told what to do about a term, never the term."""
MAX_INJUNCTION_YEARS = 2
REVIEW_AFTER_YEARS = 1


def r7_terms_to_order_legs(case: Case) -> Iterator[Problem]:
    """R7. A term is shown, in full or in its minimal view, to agencies whose leg has ``orders``, or the
    sender believes that somebody will act on it who never sees it (need to know; domain 6.4)."""
    told = {leg.agency for leg in case.document.routing.recipients if SectionName.ORDERS in leg.sections}
    for pointer, _, condition in case.conditions():
        minimal = condition.minimal_view.agencies if condition.minimal_view else ()
        for field, named in (("visible_to", condition.visible_to), ("minimal_view/agencies", minimal)):
            for index, agency in enumerate(named):
                if agency not in told:
                    yield Problem(
                        f"{pointer}/{field}/{index}",
                        "no leg of this agency has the section orders",
                        "add orders to its leg, or remove the agency here",
                        "R7",
                    )


def r7_minimal_views(case: Case) -> Iterator[Problem]:
    """R7. Who has to act on a term but not to know it is told what to do and no reason: the job centre makes
    no appointment in the excluded area, and does not learn why (domain 0, 8; s.37 DPA 2018)."""
    for pointer, _, condition in case.conditions():
        minimal = condition.minimal_view.agencies if condition.minimal_view else ()
        for index, agency in enumerate(condition.visible_to):
            if agency in MINIMAL_ONLY and agency not in minimal:
                yield Problem(
                    f"{pointer}/visible_to/{index}",
                    "this agency is shown no term in full",
                    "write a minimal_view for it, or remove the agency here",
                    "R7",
                )


def r8_third_parties(case: Case) -> Iterator[Problem]:
    """R8. Other people are named only because a term of an order in this document names them, and only to
    those who enforce or supervise it (domain 0: they are data subjects too)."""
    naming = {order.order_id for _, order, term in case.conditions() if term.third_party_list}
    for index, person in enumerate(case.document.associates or ()):
        if person.in_order not in naming:
            yield Problem(
                f"/associates/{index}/in_order",
                "no term of such an order here lists third parties",
                "name the order whose term does, or leave the person out",
                "R8",
            )
        for at, agency in enumerate(person.visible_to or ()):
            if agency not in THIRD_PARTY_READERS:
                yield Problem(
                    f"/associates/{index}/visible_to/{at}",
                    "third parties are for those who enforce or supervise the term",
                    "remove the agency here",
                    "R8",
                )


def r9_conflicting_terms(case: Case) -> Iterator[Problem]:
    """R9. A requirement is not met inside an area that a prohibition keeps the subject out of, unless its
    place lies elsewhere or a written permission is recorded (the conflict in case study J; domain 0)."""
    excluded = {
        area
        for _, _, term in case.conditions()
        if term.type is ConditionType.PROHIBITION
        for area in term.area_codes or ()
    }
    for pointer, _, term in case.conditions():
        conflict = term.type is ConditionType.REQUIREMENT and term.provider_area in excluded
        if conflict and not _resolved(term, case.today):
            yield Problem(
                f"{pointer}/place_rule",
                "the requirement is provided in an area that the subject may not enter",
                "set NOT_IN_EXCLUDED_AREA, or record a permission in force",
                "R9",
            )


def _resolved(term: Condition, today: date) -> bool:
    permitted = term.permission is not None and term.permission.expires_on >= today
    return permitted or term.place_rule is PlaceRule.NOT_IN_EXCLUDED_AREA


def r10_injunction_length(case: Case) -> Iterator[Problem]:
    """R10. A gang injunction runs two years at most; one of more than a year has its review hearing within
    the first year (Policing and Crime Act 2009 s.36)."""
    for index, order in enumerate(case.document.orders or ()):
        if order.type is OrderType.GANG_INJUNCTION:
            yield from _injunction(f"/orders/{index}", order)


def _injunction(pointer: str, order: Order) -> Iterator[Problem]:
    if order.granted_on is None:
        yield Problem(f"{pointer}/granted_on", "its length cannot be judged", "give the date of grant", "R10")
        return
    if order.expires_on > years_after(order.granted_on, MAX_INJUNCTION_YEARS):
        yield Problem(f"{pointer}/expires_on", "over two years", "check the order's end", "R10")
    reviewed_by, window = years_after(order.granted_on, REVIEW_AFTER_YEARS), order.review_hearing_window
    if order.expires_on <= reviewed_by:
        return
    if window is None or not order.granted_on <= window.from_ <= window.to <= reviewed_by:
        yield Problem(
            f"{pointer}/review_hearing_window",
            "over one year without a review hearing in the first year",
            "give the window of the review hearing",
            "R10",
        )
