"""Rules about what is said of the subject: R1, R2, R6, R12, R16.

Leaves out orders (:mod:`gateway.core.rules.orders`) and who is told (:mod:`gateway.core.rules.sharing`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from gateway.core.entitlements import agencies
from gateway.core.narrowing import ADULT_AGE, age_on
from gateway.core.rules import Case
from gateway.errors import Problem
from schemas.assertions import Assertion, EvidenceType, Grading, Handling, InformationAssessment
from schemas.orders import Order
from schemas.vocabulary import AssertionKind, OrderType, SubjectRole

OFFENDER = frozenset({SubjectRole.SUSPECTED, SubjectRole.CONVICTED})
"""The categories of s.38(3)(a) and (b) DPA 2018."""

ENFORCEMENT = agencies("P B Y")
"""Who enforces or supervises: told of somebody who is only a victim with a recorded reason (finding F12)."""

GROUP_LINK = "GROUP_LINK"
INDEPENDENT_SOURCES = 2
"""The threshold of the Met itself (finding F11)."""
UNTESTED_SOURCE = 3
GANG_INJUNCTION_AGE = 14
"""Policing and Crime Act 2009 s.34, as amended: the respondent is 14 or over."""

AGES: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "PROBATION": (18, 200),
        "YOUTH_JUSTICE": (10, 17),  # 18 while a youth order runs out
        "CHILDRENS_SOCIAL_CARE": (0, 17),
        "LEAVING_CARE": (16, 24),
        "ADULT_SOCIAL_CARE": (18, 200),
        "DWP": (18, 200),  # 16 and 17 with a claim, or an order term it provides
        "EDUCATION": (0, 24),  # from 18 with an EHC plan, which the document does not carry
    }
)
"""Agency -> youngest and oldest subject it deals with (domain 6.3). Agencies not named deal with any age."""

_YOUTH_ORDERS = frozenset(
    {OrderType.YOUTH_REHABILITATION_ORDER, OrderType.REFERRAL_ORDER, OrderType.DTO_OR_CUSTODY}
)
_DWP_AGE = 16
_NO_WORD = re.compile(r"[\W_]+")


def r1_role_per_assertion(case: Case) -> Iterator[Problem]:
    """R1. Every role rests on an assertion of the history about that very role (s.38(3) DPA 2018; ICO finding
    F1: victims and perpetrators were not told apart). ASSOCIATE is a third party's, never the only role. A
    partial urgent handover may leave out the history whole, never the assertion that it names: that is owed
    with the full version (domain 6.6)."""
    if case.partial and not case.document.history:
        return
    held = {a.assertion_id: a.subject_role for a in case.document.history or ()}
    for index, item in enumerate(case.document.roles):
        if item.assertion not in held:
            yield Problem(
                f"/roles/{index}/assertion",
                "the history has no such assertion",
                "add it, or drop the role",
                "R1",
            )
        elif held[item.assertion] != item.role:
            yield Problem(
                f"/roles/{index}/role",
                "its assertion is about another role",
                "name the assertion's role",
                "R1",
            )
    if {item.role for item in case.document.roles} == {SubjectRole.ASSOCIATE}:
        yield Problem("/roles", "ASSOCIATE is never the only role", "state the subject's own role", "R1")


def r2_grounds(case: Case) -> Iterator[Problem]:
    """R2. Fact, assessment and intelligence are told apart, and each brings its ground (s.38(2) DPA 2018;
    3x5x2; finding F11: two independent sources)."""
    for pointer, assertion in case.assertions():
        if assertion.kind is AssertionKind.FACT and not assertion.evidence_ref:
            yield Problem(f"{pointer}/evidence_ref", "a fact without evidence", "give the reference", "R2")
        if assertion.kind is AssertionKind.ASSESSMENT and not assertion.assessor:
            yield Problem(
                f"{pointer}/assessor", "an assessment by nobody", "name the role that assessed", "R2"
            )
        if assertion.kind is AssertionKind.INTELLIGENCE:
            yield from _grading(case, f"{pointer}/grading", assertion.grading)
            yield from _named_readers(pointer, assertion)
        if assertion.kind is AssertionKind.INTELLIGENCE or pointer == "/gang_association":
            yield from _corroboration(pointer, assertion)
        if assertion.evidence_type is EvidenceType.SOCIAL_MEDIA:
            yield from _social_media(pointer, assertion)


def _named_readers(pointer: str, assertion: Assertion) -> Iterator[Problem]:
    """Handling C goes to agencies that somebody named, never to those that a default would give."""
    grading = assertion.grading
    if grading is not None and grading.handling is Handling.C and assertion.visible_to is None:
        yield Problem(
            f"{pointer}/visible_to",
            "handling C without the agencies that it is limited to",
            "name the agencies",
            "R2",
        )


def _social_media(pointer: str, assertion: Assertion) -> Iterator[Problem]:
    """What somebody saw on social media was looked for under an authorisation, and something else bears it
    out: a post or a song is not evidence of anything alone (finding F13)."""
    if not assertion.authorisation_ref:
        yield Problem(
            f"{pointer}/authorisation_ref",
            "social media without the authorisation to look",
            "give its reference, or leave the item out",
            "R2",
        )
    if not any("social media" not in source for source in _sources(assertion)):
        yield Problem(
            f"{pointer}/corroboration_sources",
            "social media as the only source",
            "name a source of another kind, or leave the item out",
            "R2",
        )


def _sources(assertion: Assertion) -> set[str]:
    """Each kind of source once, however it is spelt: one report told twice is one report."""
    return {" ".join(_NO_WORD.sub(" ", one).casefold().split()) for one in assertion.corroboration_sources}


def _grading(case: Case, pointer: str, grading: Grading | None) -> Iterator[Problem]:
    if grading is None:
        yield Problem(pointer, "intelligence without a grade", "give its 3x5x2 grade", "R2")
        return
    if grading.assessment is InformationAssessment.E:
        yield Problem(
            f"{pointer}/assessment", "suspected to be false: never sent", "leave the item out", "R2"
        )
    if grading.source == UNTESTED_SOURCE and not case.document.message.authorisations:
        yield Problem(
            f"{pointer}/source",
            "an unreliable source needs a supervisor's authorisation",
            "add it to message.authorisations",
            "R2",
        )
    if grading.handling is Handling.C and not grading.conditions:
        yield Problem(f"{pointer}/conditions", "handling C without conditions", "state the conditions", "R2")


def _corroboration(pointer: str, assertion: Assertion) -> Iterator[Problem]:
    if len(_sources(assertion)) < INDEPENDENT_SOURCES:
        yield Problem(
            f"{pointer}/corroboration_sources",
            "fewer than two independent sources",
            "name another source, or leave the item out",
            "R2",
        )


def r6_victim_only(case: Case) -> Iterator[Problem]:
    """R6. Risk FROM somebody belongs to a suspected or convicted person and to nobody else; a handover of
    somebody who is only victim, witness or at risk carries nothing of an offender's, and an enforcement
    agency gets it with a reason (findings F1, F12)."""
    document = case.document
    if {item.role for item in document.roles} & OFFENDER:
        if document.risk_from is None and not case.partial:
            yield Problem("/risk_from", "missing for this role", "add the assessment of risk from", "R6")
        return
    remedy = "leave it out: the subject is neither suspected nor convicted"
    if document.risk_from is not None:
        yield Problem("/risk_from", "no role of the subject allows it", remedy, "R6")
    if document.orders:
        yield Problem("/orders", "no role of the subject allows it", remedy, "R6")
    for pointer, assertion in case.assertions():
        if pointer == "/gang_association" or assertion.category == GROUP_LINK:
            yield Problem(pointer, "a group link of somebody who is no suspect", remedy, "R6")
        elif assertion.subject_role in OFFENDER:
            yield Problem(f"{pointer}/subject_role", "not one of the subject's roles", remedy, "R6")
    for index, leg in enumerate(document.routing.recipients):
        if leg.agency in ENFORCEMENT and not leg.victim_inclusion_justification:
            yield Problem(
                f"/routing/recipients/{index}/victim_inclusion_justification",
                "an enforcement agency is told of somebody who is only a victim",
                "give the reason, or leave the agency out",
                "R6",
            )


def r12_ages(case: Case) -> Iterator[Problem]:
    """R12. An agency is told of a subject of the age it deals with (domain 6.3); a child's handover says what
    the parent knows and where safeguarding stands (domain 6.4); a gang injunction is for 14 and over."""
    document, age = case.document, case.age
    for index, leg in enumerate(document.routing.recipients):
        low, high = AGES.get(leg.agency, (0, 200))
        if not (low <= age <= high or leg.relevant_because or _exception(case, leg.agency)):
            yield Problem(
                f"/routing/recipients/{index}/agency",
                "this agency does not deal with a subject of this age",
                "list it in routing.not_relevant with OUT_OF_AGE_RANGE, or give relevant_because",
                "R12",
            )
    if document.core.age_at_issue not in (None, age):
        yield Problem("/core/age_at_issue", "not the age on the day of issue", "correct or drop it", "R12")
    if age < ADULT_AGE and document.core.parent_or_carer_informed is None and not case.partial:
        yield Problem("/core/parent_or_carer_informed", "missing for a child", "say true or false", "R12")
    if age < ADULT_AGE and document.safeguarding is None and not case.partial:
        yield Problem("/safeguarding", "missing for a child", "state the safeguarding work", "R12")
    for index, order in enumerate(document.orders or ()):
        yield from _injunction_age(case, f"/orders/{index}", order)


def _exception(case: Case, agency: str) -> bool:
    """The two exceptions of domain 6.3 that a document itself can show."""
    document = case.document
    if agency == "YOUTH_JUSTICE" and case.age == ADULT_AGE:
        return any(order.type in _YOUTH_ORDERS for order in document.orders or ())
    if agency == "DWP" and case.age >= _DWP_AGE:
        claim = document.support is not None and document.support.benefit is not None
        return claim or any(term.provider_agency == agency for _, _, term in case.conditions())
    return False


def _injunction_age(case: Case, pointer: str, order: Order) -> Iterator[Problem]:
    if order.type is not OrderType.GANG_INJUNCTION or order.granted_on is None:
        return
    if age_on(case.document.core.date_of_birth, order.granted_on) < GANG_INJUNCTION_AGE:
        yield Problem(
            f"{pointer}/type", "no gang injunction lies against a child of this age", "check the order", "R12"
        )


def r16_review(case: Case) -> Iterator[Problem]:
    """R16. What is past its review is reviewed before it is sent again (s.39(2) DPA 2018; finding F4). The
    day itself still counts."""
    document = case.document
    dated = [(pointer, assertion.review_by) for pointer, assertion in case.assertions()]
    dated.append(("/risk_to", document.risk_to.review_by))
    if document.risk_from is not None:
        dated.append(("/risk_from", document.risk_from.review_by))
    for pointer, review_by in dated:
        if review_by < case.today:
            yield Problem(
                f"{pointer}/review_by", "its review is overdue", "review it, or leave it out", "R16"
            )
    if document.retention.review_date < case.today:
        yield Problem(
            "/retention/review_date", "its review is overdue", "review it, and give the next date", "R16"
        )
