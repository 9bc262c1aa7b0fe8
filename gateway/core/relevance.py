"""Which agency a handover concerns, and with which headline actions (domain 6.3, 6.5). Pure.

Duty: the table of 6.3 over a few :class:`Facts`, and reading the facts out of a document. A rule that asks
whether an agency was left out in silence, and the command that proposes recipients, ask here.

It leaves out whether a leg is lawful (:mod:`gateway.core.policy`) and the shape of an action
(:mod:`schemas.actions`).

Rules
-----
- Age is that of the day of ISSUE (Europe/London). Who turns 18 before an agency accepts keeps its legs: the
  origin sent what was right then, and the service that holds a child's case is the one that knows it.
- POLICE and one co-ordinator always: SPOC where the destination has a single point of contact, else
  COMMUNITY_SAFETY.
- Agreement counts where the document records it for that recipient. A document without it says nothing of an
  agreement, so victim support or a charity is never called left out.
- What a document does not carry as a field is read from an assertion's category: :data:`CARE_NEEDS`,
  :data:`EHC_PLAN`.

>>> judge(Facts(age=17)).ruled_out[Agency.DWP].code
'OUT_OF_AGE_RANGE'
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gateway.core.deadlines import LONDON
from gateway.core.narrowing import ADULT_AGE, age_on
from schemas.actions import ACTIONS
from schemas.handover import HandoverNotification
from schemas.message import Completeness
from schemas.person import BenefitStatus, CareStatus, LookedAfter
from schemas.routing import Recipient
from schemas.vocabulary import Agency, DestinationProfile, MoveKind, OrderType, SubjectRole, Urgency

AGREEMENT: Final = "AGREEMENT"
CARE_NEEDS: Final = "CARE_NEEDS"
"""Category of an assertion: an adult's needs for care and support (Care Act 2014)."""
EHC_PLAN: Final = "EHC_PLAN"
"""Category of an assertion: an education, health and care plan, to 25."""
INJURY: Final = "INJURY"

OUT_OF_AGE_RANGE: Final = "OUT_OF_AGE_RANGE"

SUPERVISED = frozenset(
    {OrderType.LICENCE, OrderType.COMMUNITY_ORDER, OrderType.SUSPENDED_SENTENCE, OrderType.DTO_OR_CUSTODY}
)
"""Orders under which probation supervises an adult."""
YOUTH_ORDERS = frozenset(
    {OrderType.YOUTH_REHABILITATION_ORDER, OrderType.REFERRAL_ORDER, OrderType.DTO_OR_CUSTODY}
)
"""Orders that a youth justice service may finish with somebody who has turned 18."""
OFFENDER = frozenset({SubjectRole.SUSPECTED, SubjectRole.CONVICTED})
OWN_HOME = frozenset({"FAMILY", "FAMILY_HOME", "OWNER_OCCUPIED"})
"""Tenures that are no matter of the housing service."""
ASSURED = frozenset({"SOCIAL_RENT", "SECURE", "ASSURED", "LIFETIME"})
"""Tenures that a move must not lose (HO-03)."""
TEMPORARY = frozenset({"EMERGENCY_PLACEMENT", "TEMPORARY_ACCOMMODATION"})
"""Placements of which the other council is told (Housing Act 1996 s.208; HO-02)."""

_YOUTH_FROM, _CARE_FROM, _CARE_TO, _CLAIM_FROM, _EHC_TO = 10, 16, 24, 16, 24


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an agency is concerned, or is not. ``actions``: the catalogue's codes to ask of it."""

    code: str
    actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What the table looks at. ``age``: completed years on the day of issue."""

    age: int
    orders: frozenset[OrderType] = frozenset()
    roles: frozenset[SubjectRole] = frozenset()
    providers: frozenset[Agency] = frozenset()
    """Agencies that an order's terms name as the provider of something."""
    agreed: frozenset[Agency] = frozenset()
    """Agencies for which the subject's agreement is recorded."""
    supervised: bool = False
    care_leaver: bool = False
    care_needs: bool = False
    protection_plan: bool = False
    tenure: str = ""
    housing_need: bool = False
    claim: bool = False
    ehc_plan: bool = False
    health_need: bool = False
    caseworker: bool = False
    single_point: bool = False
    urgent: bool = False
    threat_to_life: bool = False
    incomplete: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """Every agency type is in exactly one of the two."""

    relevant: Mapping[Agency, Reason]
    ruled_out: Mapping[Agency, Reason]


def relevant(document: HandoverNotification) -> Mapping[Agency, Reason]:
    """The agencies this handover concerns, judged on the day it is issued."""
    return judge(facts_of(document)).relevant


def ruled_out(document: HandoverNotification) -> Mapping[Agency, Reason]:
    """The others, each with the code for ``routing.not_relevant``."""
    return judge(facts_of(document)).ruled_out


def judge(facts: Facts) -> Judgement:
    """Every agency type, concerned or not, with the reason."""
    found = {agency: _RULES[agency](facts) for agency in Agency}
    return Judgement(
        MappingProxyType({a: Reason(code, headline(facts, a)) for a, (yes, code) in found.items() if yes}),
        MappingProxyType({a: Reason(code) for a, (yes, code) in found.items() if not yes}),
    )


def headline(facts: Facts, agency: Agency) -> tuple[str, ...]:
    """The catalogue's actions for one agency that fit this case, in the catalogue's order."""
    return tuple(
        action.code
        for action in ACTIONS.values()
        if action.agency == agency
        and (action.standard is not None or facts.urgent)
        and _WHEN.get(action.code, _always)(facts)
    )


# --- the table of 6.3: (concerned, code) --------------------------------------------------------------

_Verdict = tuple[bool, str]


def _always(_: Facts) -> bool:
    return True


def _either(concerned: bool, code: str, otherwise: str) -> _Verdict:
    return (True, code) if concerned else (False, otherwise)


def _police(_: Facts) -> _Verdict:
    return True, "ALWAYS"


def _coordinator(facts: Facts) -> _Verdict:
    return _either(not facts.single_point, "ALWAYS", "SINGLE_POINT_OF_CONTACT")


def _spoc(facts: Facts) -> _Verdict:
    return _either(facts.single_point, "ALWAYS", "NO_SINGLE_POINT_OF_CONTACT")


def _probation(facts: Facts) -> _Verdict:
    if facts.age < ADULT_AGE:
        return False, OUT_OF_AGE_RANGE
    return _either(_is_supervised(facts), "SUPERVISION", "NOT_SUPERVISED")


def _is_supervised(facts: Facts) -> bool:
    return facts.supervised or bool(facts.orders & SUPERVISED) or Agency.PROBATION in facts.providers


def _youth_justice(facts: Facts) -> _Verdict:
    if facts.age == ADULT_AGE and facts.orders & YOUTH_ORDERS:
        return True, "FINISHING_YOUTH_ORDER"
    if not _YOUTH_FROM <= facts.age < ADULT_AGE:
        return False, OUT_OF_AGE_RANGE
    if facts.orders:
        return True, "ORDER_OR_BAIL"
    return _either(bool(facts.roles & OFFENDER), "PREVENTION", "NO_ORDER")


def _childrens(facts: Facts) -> _Verdict:
    return _either(facts.age < ADULT_AGE, "UNDER_18", OUT_OF_AGE_RANGE)


def _leaving_care(facts: Facts) -> _Verdict:
    if not _CARE_FROM <= facts.age <= _CARE_TO:
        return False, OUT_OF_AGE_RANGE
    return _either(facts.care_leaver, "CARE_STATUS", "NO_CARE_STATUS")


def _adult_care(facts: Facts) -> _Verdict:
    if facts.age < ADULT_AGE:
        return False, OUT_OF_AGE_RANGE
    return _either(facts.care_needs, "CARE_NEEDS", "NO_CARE_NEEDS")


def _housing(facts: Facts) -> _Verdict:
    housed = bool(facts.tenure) and facts.tenure not in OWN_HOME
    return _either(housed or facts.housing_need, "TENANCY_OR_NEED", "NO_HOUSING_NEED")


def _dwp(facts: Facts) -> _Verdict:
    if facts.age < _CLAIM_FROM:
        return False, OUT_OF_AGE_RANGE
    if facts.claim or Agency.DWP in facts.providers:
        return True, "CLAIM_OR_ORDER_TERM"
    return False, "NO_CLAIM" if facts.age >= ADULT_AGE else OUT_OF_AGE_RANGE


def _education(facts: Facts) -> _Verdict:
    if facts.age < ADULT_AGE:
        return True, "UNDER_18"
    return _either(facts.ehc_plan and facts.age <= _EHC_TO, "EHC_PLAN", OUT_OF_AGE_RANGE)


def _health(facts: Facts) -> _Verdict:
    return _either(facts.health_need, "HEALTH_NEED", "NO_HEALTH_NEED")


def _victim_support(facts: Facts) -> _Verdict:
    if not facts.roles & {SubjectRole.VICTIM, SubjectRole.WITNESS}:
        return False, "NOT_A_VICTIM_OR_WITNESS"
    return _either(Agency.VICTIM_SUPPORT in facts.agreed, "AGREED", "NOT_AGREED")


def _voluntary(facts: Facts) -> _Verdict:
    if not facts.caseworker:
        return False, "NO_CASEWORKER"
    return _either(Agency.VOLUNTARY_SECTOR in facts.agreed, "AGREED", "NOT_AGREED")


_RULES: Mapping[Agency, Callable[[Facts], _Verdict]] = MappingProxyType(
    {
        Agency.POLICE: _police,
        Agency.PROBATION: _probation,
        Agency.YOUTH_JUSTICE: _youth_justice,
        Agency.COMMUNITY_SAFETY: _coordinator,
        Agency.CHILDRENS_SOCIAL_CARE: _childrens,
        Agency.LEAVING_CARE: _leaving_care,
        Agency.HOUSING: _housing,
        Agency.DWP: _dwp,
        Agency.VICTIM_SUPPORT: _victim_support,
        Agency.VOLUNTARY_SECTOR: _voluntary,
        Agency.EDUCATION: _education,
        Agency.HEALTH: _health,
        Agency.ADULT_SOCIAL_CARE: _adult_care,
        Agency.SPOC: _spoc,
    }
)

_WHEN: Mapping[str, Callable[[Facts], bool]] = MappingProxyType(
    {
        "CS-02": lambda facts: facts.incomplete,
        "PO-01": lambda facts: bool(facts.orders),
        "PO-03": lambda facts: bool(facts.roles & OFFENDER),
        "PO-04": lambda facts: facts.threat_to_life,
        "YJ-03": lambda facts: bool(facts.orders),
        "CC-01": lambda facts: facts.protection_plan,
        "HO-02": lambda facts: facts.tenure in TEMPORARY,
        "HO-03": lambda facts: facts.tenure in ASSURED,
        "DW-01": lambda facts: facts.claim,
    }
)
"""Actions that not every case of their agency needs. A code that is not here always fits."""


# --- reading a document -------------------------------------------------------------------------------


def facts_of(document: HandoverNotification) -> Facts:
    """What :func:`judge` looks at, out of a document."""
    support, safeguarding, move = document.support, document.safeguarding, document.move
    categories = {assertion.category for assertion in document.history}
    issued = document.message.issued_at.astimezone(LONDON).date()
    benefit = support.benefit if support else None
    return Facts(
        age=age_on(document.core.date_of_birth, issued),
        orders=frozenset(order.type for order in document.orders),
        roles=frozenset(role.role for role in document.roles),
        providers=_providers(document),
        agreed=frozenset(one.agency for one in document.routing.recipients if _agreed(document, one)),
        supervised=_supervised(document),
        care_leaver=_in_care(document),
        care_needs=CARE_NEEDS in categories,
        protection_plan=bool(safeguarding and safeguarding.child_protection_plan),
        tenure=(move.new_address.tenure or "") if move.new_address else "",
        housing_need=bool(support and support.housing_need),
        claim=benefit is not None and benefit.status not in (BenefitStatus.NONE, BenefitStatus.CLOSED),
        ehc_plan=EHC_PLAN in categories,
        health_need=_needs_health(document) or INJURY in categories,
        caseworker=bool(support and support.caseworker_continuity),
        single_point=document.routing.destination.profile is DestinationProfile.SINGLE_POINT_OF_CONTACT,
        urgent=document.message.urgency is Urgency.URGENT or move.kind is MoveKind.URGENT,
        threat_to_life=bool(document.urgent and document.urgent.threat_to_life_ref),
        incomplete=document.data_quality.completeness is not Completeness.COMPLETE_FOR_PURPOSE,
    )


def _providers(document: HandoverNotification) -> frozenset[Agency]:
    terms = (term for order in document.orders for term in order.conditions)
    return frozenset(term.provider_agency for term in terms if term.provider_agency)


def _agreed(document: HandoverNotification, leg: Recipient) -> bool:
    held = {basis.id: basis for basis in document.lawful_basis}
    bases = [held[name] for name in leg.lawful_basis if name in held]
    return any(
        AGREEMENT in basis.powers
        and basis.agreement is not None
        and basis.agreement.given
        and basis.agreement.withdrawn_at is None
        for basis in bases
    )


def _supervised(document: HandoverNotification) -> bool:
    """By what shows it beside the orders: a probation case number, or a release from custody."""
    numbered = bool(document.identifiers and document.identifiers.crn)
    return numbered or document.move.kind is MoveKind.RELEASE_FROM_CUSTODY


def _in_care(document: HandoverNotification) -> bool:
    support, safeguarding = document.support, document.safeguarding
    status = support.care_status if support else None
    looked_after = bool(safeguarding and safeguarding.looked_after is LookedAfter.YES)
    return looked_after or status not in (None, CareStatus.NONE)


def _needs_health(document: HandoverNotification) -> bool:
    support, safeguarding = document.support, document.safeguarding
    named = bool(support and (support.mental_health or support.substance))
    return named or bool(safeguarding and safeguarding.hospital)
