"""The subject: who it is, the move, safeguarding, support, aspirations.

Leaves out assertions and risk (:mod:`schemas.assertions`) and who may read what
(:mod:`gateway.core.entitlements`). Rules: domain 4.2, 6.4.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from schemas.attachments import Attachments
from schemas.base import (
    MAX_FEW,
    AreaCode,
    Areas,
    Code,
    Crn,
    CroNumber,
    Day,
    Line,
    Name,
    NhsNumber,
    Nino,
    NomisNumber,
    Phone,
    PncId,
    Postcode,
    Reference,
    Section,
    Text,
    Uprn,
)
from schemas.vocabulary import Agencies, MoveKind

MAX_AGE = 120
"""Older than anybody has become in this country."""


class SafeContact(Section):
    """How the subject can be reached without putting anybody at risk."""

    phone: Phone | None = None
    safe_to_call: bool
    best_time: Line | None = None
    use_instead: Line | None = None
    do_not_contact_via: Annotated[tuple[Line, ...], Field(max_length=MAX_FEW)] = ()


class BirthDateCertainty(StrEnum):
    """How far the date of birth can be relied on."""

    VERIFIED = "VERIFIED"
    STATED = "STATED"
    ESTIMATED = "ESTIMATED"


class Core(Section):
    """What every recipient needs: who it is, and how to reach them safely."""

    family_name: Name
    given_names: Name
    known_as: Annotated[tuple[Name, ...], Field(max_length=MAX_FEW)] = ()
    date_of_birth: Day
    dob_certainty: BirthDateCertainty | None = None
    age_at_issue: Annotated[int, Field(ge=0, le=MAX_AGE)] | None = None
    """Completed years at ``message.issued_at``."""
    safe_contact: SafeContact
    interpreter_needed: bool | None = None
    reasonable_adjustments: Text | None = None
    parent_or_carer_informed: bool | None = None
    """For a subject under 18."""


class Identifiers(Section):
    """Numbers by which agencies know the subject; each goes to the agencies that use it."""

    pnc_id: PncId | None = None
    cro: CroNumber | None = None
    crn: Crn | None = None
    """Probation case number."""
    nomis: NomisNumber | None = None
    nhs_number: NhsNumber | None = None
    nino: Nino | None = None


class NewAddress(Section):
    """The place, by reference numbers. In an urgent move for three agencies alone (domain 6.6)."""

    uprn: Uprn | None = None
    postcode: Postcode | None = None
    tenure: Code | None = None
    """``LEAVING_CARE_SUPPORTED``, ``EMERGENCY_PLACEMENT``, ``SOCIAL_RENT``, ..."""
    outside_area_reason: Text | None = None
    """Why it goes to this destination although it lies outside; takes a second role in ``authorisations``."""
    visible_to: Agencies | None = None


class Move(Section):
    """From where to where, when and why. The reason is written so that it says nothing of anybody's role."""

    kind: MoveKind
    reason: Text
    moved_on: Day
    from_area: AreaCode
    to_area: AreaCode
    address_known_to_threat: bool
    temporary: bool | None = None
    evidence_of_threat_ref: Reference | None = None
    """A reference, no narrative."""
    new_address: NewAddress | None = None
    safe_areas: Areas = ()
    unsafe_areas: Areas = ()
    """Areas without reasons."""
    area_safety_check_requested: bool | None = None


class Enquiry(StrEnum):
    """State of an enquiry under s.47 Children Act 1989."""

    NONE = "NONE"
    CONSIDERED = "CONSIDERED"
    OPEN = "OPEN"
    CLOSED = "CLOSED"


class LookedAfter(StrEnum):
    """Whether a local authority looks after the child."""

    YES = "YES"
    NO = "NO"
    NOT_YET_DECIDED = "NOT_YET_DECIDED"


class NrmReferral(StrEnum):
    """National Referral Mechanism for victims of modern slavery."""

    NOT_NEEDED = "NOT_NEEDED"
    CONSIDER = "CONSIDER"
    MADE = "MADE"
    DECIDED = "DECIDED"


class Hospital(Section):
    """What follows from a stay in hospital."""

    discharged: bool
    wound_care_needed: bool | None = None


class Safeguarding(Section):
    """State of the safeguarding work for a child."""

    s47_enquiry: Enquiry | None = None
    child_protection_plan: bool | None = None
    looked_after: LookedAfter | None = None
    nrm_referral: NrmReferral | None = None
    hospital: Hospital | None = None
    attachments: Attachments = ()
    visible_to: Agencies | None = None


class CareStatus(StrEnum):
    """Leaving-care categories of the Children Act 1989."""

    NONE = "NONE"
    LOOKED_AFTER = "LOOKED_AFTER"
    ELIGIBLE = "ELIGIBLE"
    RELEVANT = "RELEVANT"
    FORMER_RELEVANT = "FORMER_RELEVANT"
    QUALIFYING = "QUALIFYING"


class BenefitType(StrEnum):
    """JSA stays in the list for claims and orders that still name it."""

    UNIVERSAL_CREDIT = "UNIVERSAL_CREDIT"
    JSA = "JSA"
    NEW_STYLE_JSA = "NEW_STYLE_JSA"
    ESA = "ESA"
    NEW_STYLE_ESA = "NEW_STYLE_ESA"
    PIP = "PIP"
    HOUSING_BENEFIT = "HOUSING_BENEFIT"
    OTHER = "OTHER"


class BenefitStatus(StrEnum):
    """Where a claim stands."""

    NONE = "NONE"
    CLAIMED = "CLAIMED"
    IN_PAYMENT = "IN_PAYMENT"
    SUSPENDED = "SUSPENDED"
    CLOSED = "CLOSED"


class Benefit(Section):
    """A claim that has to move without a break."""

    type: BenefitType
    status: BenefitStatus
    jobcentre_from: Line | None = None
    jobcentre_to: Line | None = None
    continuity_from: Day | None = None
    legacy_note: Text | None = None


class CaseworkerContinuity(Section):
    """Whether the same person goes on working with the subject."""

    organisation: Line
    same_caseworker: bool
    until: Day | None = None


class Support(Section):
    """What the subject is entitled to or helped with. Health fields go to health, children's social
    care and probation alone."""

    visible_to: Agencies | None = None
    care_status: CareStatus | None = None
    responsible_authority: AreaCode | None = None
    """The authority that stays responsible for a care leaver; a move does not change it (CA 1989 s.23C)."""
    pathway_plan_ref: Reference | None = None
    housing_need: Text | None = None
    education_training: Text | None = None
    benefit: Benefit | None = None
    caseworker_continuity: CaseworkerContinuity | None = None
    substance: Text | None = None
    mental_health: Text | None = None
    attachments: Attachments = ()


class Aspirations(Section):
    """What the subject wants, in the subject's words."""

    in_subject_words: Text
    recorded_by: Line
    recorded_on: Day
    goals: Annotated[tuple[Line, ...], Field(max_length=MAX_FEW)] = ()
