"""What is said about the subject, by whom, on what ground: assertions, roles, risk, group association.

Leaves out what each kind must bring (R2: evidence, assessor, grading), which is :mod:`gateway.core.policy`'s.
Rules: facts are told from assessments (s.38(2) DPA 2018), a role hangs on an assertion (R1), risk TO and risk
FROM are two things (domain 0), membership of a group is never a boolean.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from schemas.attachments import Attachments
from schemas.base import MAX_FEW, Code, Day, ItemId, Line, Reference, Section, Text
from schemas.vocabulary import Agencies, AgencyName, AssertionKind, Rating, SubjectRole


class InformationAssessment(StrEnum):
    """A known directly, B known indirectly but corroborated, C known indirectly, D not known, E suspected
    to be false. E is never sent (R2); it is here so that the refusal can say so."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"


class Handling(StrEnum):
    """P: lawful sharing permitted. C: permitted under the conditions given."""

    P = "P"
    C = "C"


class EvidenceType(StrEnum):
    """Where the evidence of a statement comes from. SOCIAL_MEDIA needs an authorisation, and is never the
    only source (finding F13)."""

    COURT_RECORD = "COURT_RECORD"
    POLICE_RECORD = "POLICE_RECORD"
    AGENCY_RECORD = "AGENCY_RECORD"
    WITNESS_ACCOUNT = "WITNESS_ACCOUNT"
    OBSERVATION = "OBSERVATION"
    SOCIAL_MEDIA = "SOCIAL_MEDIA"
    OTHER = "OTHER"


class Grading(Section):
    """The 3x5x2 grade of a piece of intelligence (College of Policing). The source itself is never named."""

    scheme: Literal["3x5x2"] | None = None
    """Grades of the older 5x5x5 are not converted: they are graded again before they are sent."""
    source: Annotated[int, Field(ge=1, le=3)]
    """1 reliable, 2 untested, 3 not reliable."""
    assessment: InformationAssessment
    handling: Handling
    conditions: Text | None = None


class Assertion(Section):
    """One statement about the subject, with who says so, since when, and until when it may be relied on."""

    assertion_id: ItemId
    kind: AssertionKind
    category: Code
    statement: Text
    as_of: Day
    source_agency: AgencyName
    subject_role: SubjectRole
    review_by: Day
    evidence_ref: Reference | None = None
    evidence_type: EvidenceType | None = None
    authorisation_ref: Reference | None = None
    """Under which social media was looked at."""
    grading: Grading | None = None
    corroboration_sources: Annotated[tuple[Line, ...], Field(max_length=MAX_FEW)] = ()
    """Kinds of independent sources (``police``, ``probation``), never a person."""
    assessor: Line | None = None
    """The role that assessed."""
    visible_to: Agencies | None = None
    """Absent: police and probation; youth justice too for a subject under 18. Empty: nobody."""
    disputed_by_subject: bool | None = None
    supplementary_statement: Text | None = None
    """The subject's side; it travels with the statement (s.46 DPA 2018)."""
    attachments: Attachments = ()


class RoleAssertion(Section):
    """A role the subject has, and the assertion it rests on. One person may have several."""

    role: SubjectRole
    assertion: ItemId


class Risk(Section):
    """A dated professional judgement by a named role. No score, no arithmetic (domain 4.6)."""

    rating: Rating
    assessed_on: Day
    assessor_role: Line
    review_by: Day
    tool: Line | None = None
    attachments: Attachments = ()


class RiskTo(Risk):
    """Risk TO the subject."""

    who_is_the_threat: Text
    """Role-neutral; no names."""


class RiskFrom(Risk):
    """Risk FROM the subject. Not for somebody who is only a victim or at risk (R6)."""


def _which(value: object) -> str:
    return "=none" if isinstance(value, str) else "=assertion"


# A tag begins with "=" so that the reader of errors can tell it from a field name in an error's place.
GangAssociation = Annotated[
    Annotated[Literal["NOT_ASSERTED"], Tag("=none")] | Annotated[Assertion, Tag("=assertion")],
    Discriminator(_which),
]
"""``NOT_ASSERTED``, or an assertion with at least two independent sources."""
