"""The words of the domain that a document may use: closed lists, and the older names that still come in.

Leaves out what follows from a word; :mod:`gateway.core` knows that. Rules: domain 6.2; a name of 2017 is read
as the agency that does the work today and written back as today's name (domain 5).

>>> current("YOT")
<Agency.YOUTH_JUSTICE: 'YOUTH_JUSTICE'>
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from schemas.base import MAX_AGENCIES, once


class Agency(StrEnum):
    """Who takes part. The force is an attribute of POLICE, the organisation one of the recipient."""

    POLICE = "POLICE"
    PROBATION = "PROBATION"
    YOUTH_JUSTICE = "YOUTH_JUSTICE"
    COMMUNITY_SAFETY = "COMMUNITY_SAFETY"
    CHILDRENS_SOCIAL_CARE = "CHILDRENS_SOCIAL_CARE"
    LEAVING_CARE = "LEAVING_CARE"
    HOUSING = "HOUSING"
    DWP = "DWP"
    VICTIM_SUPPORT = "VICTIM_SUPPORT"
    VOLUNTARY_SECTOR = "VOLUNTARY_SECTOR"
    EDUCATION = "EDUCATION"
    HEALTH = "HEALTH"
    ADULT_SOCIAL_CARE = "ADULT_SOCIAL_CARE"
    SPOC = "SPOC"


LEGACY_AGENCIES: Mapping[str, Agency] = MappingProxyType(
    {
        "NPS": Agency.PROBATION,  # with the CRCs one Probation Service since 26 June 2021
        "CRC": Agency.PROBATION,
        "NATIONAL_PROBATION_SERVICE": Agency.PROBATION,
        "COMMUNITY_REHABILITATION_COMPANY": Agency.PROBATION,
        "YOT": Agency.YOUTH_JUSTICE,  # "youth offending team" in statute, Youth Justice Service in guidance
        "YOS": Agency.YOUTH_JUSTICE,
        "YOUTH_OFFENDING_TEAM": Agency.YOUTH_JUSTICE,
        "YOUTH_OFFENDING_SERVICE": Agency.YOUTH_JUSTICE,
        "CCG": Agency.HEALTH,  # Integrated Care Boards since July 2022
        "CLINICAL_COMMISSIONING_GROUP": Agency.HEALTH,
        "SAFER_LONDON_FOUNDATION": Agency.VOLUNTARY_SECTOR,
        "LONDON_GANG_EXIT": Agency.VOLUNTARY_SECTOR,  # with the next two: VESS since June 2024
        "EMPOWER": Agency.VOLUNTARY_SECTOR,
        "RESCUE_AND_RESPONSE": Agency.VOLUNTARY_SECTOR,
    }
)
"""Names of 2017 -> the agency type of today (domain 5)."""


def current(value: object) -> object:
    """Today's agency for an older name; anything else unchanged."""
    return LEGACY_AGENCIES.get(value, value) if isinstance(value, str) else value


def agency_type(text: str) -> str:
    """What somebody typed as an agency's type, as today's name: capitals, spaces and hyphens do not matter.
    Of a name that nobody has had, its capitals; whoever asks refuses it."""
    return str(current(text.strip().upper().replace("-", "_").replace(" ", "_")))


AgencyName = Annotated[Agency, BeforeValidator(current)]
Agencies = Annotated[tuple[AgencyName, ...], Field(max_length=MAX_AGENCIES), AfterValidator(once)]


class SubjectRole(StrEnum):
    """VICTIM, SUSPECTED, CONVICTED and WITNESS are categories of s.38(3) DPA 2018; AT_RISK is one of welfare;
    ASSOCIATE is a third party named in an order."""

    VICTIM = "VICTIM"
    AT_RISK = "AT_RISK"
    SUSPECTED = "SUSPECTED"
    CONVICTED = "CONVICTED"
    WITNESS = "WITNESS"
    ASSOCIATE = "ASSOCIATE"


class AssertionKind(StrEnum):
    """What kind of knowledge a statement is (s.38(2) DPA 2018: facts are told from assessments)."""

    FACT = "FACT"
    ASSESSMENT = "ASSESSMENT"
    INTELLIGENCE = "INTELLIGENCE"
    SELF_REPORT = "SELF_REPORT"


class DestinationProfile(StrEnum):
    """How an area takes handovers in."""

    INTEGRATED_UNIT = "INTEGRATED_UNIT"
    STANDARD = "STANDARD"
    SINGLE_POINT_OF_CONTACT = "SINGLE_POINT_OF_CONTACT"
    EXTERNAL_NON_LONDON = "EXTERNAL_NON_LONDON"


class Transport(StrEnum):
    """How a handover reaches its destination."""

    BROKER = "BROKER"
    EXTERNAL_BRIDGE = "EXTERNAL_BRIDGE"


class Urgency(StrEnum):
    """PRIORITY: the move is within 5 working days, no live threat. URGENT: evidenced violence or threat."""

    STANDARD = "STANDARD"
    PRIORITY = "PRIORITY"
    URGENT = "URGENT"


class MoveKind(StrEnum):
    """DISCOVERED: the receiving borough noticed first."""

    PLANNED = "PLANNED"
    URGENT = "URGENT"
    TEMPORARY = "TEMPORARY"
    RELEASE_FROM_CUSTODY = "RELEASE_FROM_CUSTODY"
    ONWARD = "ONWARD"
    RETURN = "RETURN"
    DISCOVERED = "DISCOVERED"


class OrderType(StrEnum):
    """KCPO: knife crime prevention order. SVRO: serious violence reduction order. DTO: detention and
    training."""

    GANG_INJUNCTION = "GANG_INJUNCTION"
    ANTISOCIAL_INJUNCTION = "ANTISOCIAL_INJUNCTION"
    CRIMINAL_BEHAVIOUR_ORDER = "CRIMINAL_BEHAVIOUR_ORDER"
    KCPO = "KCPO"
    SVRO = "SVRO"
    LICENCE = "LICENCE"
    COMMUNITY_ORDER = "COMMUNITY_ORDER"
    SUSPENDED_SENTENCE = "SUSPENDED_SENTENCE"
    YOUTH_REHABILITATION_ORDER = "YOUTH_REHABILITATION_ORDER"
    REFERRAL_ORDER = "REFERRAL_ORDER"
    DTO_OR_CUSTODY = "DTO_OR_CUSTODY"
    BAIL = "BAIL"
    RESTRAINING = "RESTRAINING"
    OTHER = "OTHER"


class Regime(StrEnum):
    """Which part of data protection law the discloser works under (domain 3.1)."""

    DPA2018_PART3 = "DPA2018_PART3"
    UK_GDPR = "UK_GDPR"


class Rating(StrEnum):
    """A dated professional judgement; never added up, never ranked (domain 4.6)."""

    RED = "RED"
    AMBER = "AMBER"
    GREEN = "GREEN"


class SectionName(StrEnum):
    """What a leg's ``sections`` may name. The other blocks go with every leg; ``gang_association`` goes with
    ``history``."""

    CORE = "core"
    IDENTIFIERS = "identifiers"
    MOVE = "move"
    ROLES = "roles"
    RISK_TO = "risk_to"
    RISK_FROM = "risk_from"
    ORDERS = "orders"
    HISTORY = "history"
    ASSOCIATES = "associates"
    SAFEGUARDING = "safeguarding"
    SUPPORT = "support"
    ASPIRATIONS = "aspirations"
    CONTACTS = "contacts"
    ACTIONS = "actions"
