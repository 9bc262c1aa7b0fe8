"""What a handover says of itself: header, marking, urgency, contacts, actions, quality, openness, retention.

Leaves out whether it is true or allowed (:mod:`gateway.core.policy`). Rules: domain 4.4, 6.4, 6.6; s.38(5),
s.39 DPA 2018.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from schemas.attachments import Attachments
from schemas.base import (
    MAX_FEW,
    MAX_MANY,
    AreaCode,
    Day,
    HandoverRef,
    ItemId,
    Line,
    Mailbox,
    MessageId,
    NoticeId,
    Phone,
    Reference,
    Section,
    Text,
    UtcTime,
    Version,
)
from schemas.vocabulary import AgencyName, Urgency

ACTION_CODE = r"^[A-Z]{2,8}-[A-Z0-9]{1,8}$"


class Authority(Section):
    """A named role that stands behind the handover. A role, not a person's name."""

    role: Line
    agency: AgencyName
    area: AreaCode


class Authorisation(Authority):
    """A further role that agreed: the second person for URGENT, an unreliable source, more than 8 legs."""

    at: UtcTime | None = None
    """When it was given."""
    why: Text | None = None
    """What made it necessary."""


class Classification(StrEnum):
    """Tiers of the Government Security Classifications Policy. Only OFFICIAL travels; the others are here so
    that the refusal can name its rule (R19)."""

    OFFICIAL = "OFFICIAL"
    SECRET = "SECRET"  # noqa: S105 - a tier of the classification policy, no password
    TOP_SECRET = "TOP_SECRET"  # noqa: S105 - the same


class Marking(Section):
    """The protective marking, shown on every screen and print (domain 4.4)."""

    classification: Classification
    sensitive: bool
    text: Line
    handling_instruction: Line | None = None
    onward_sharing: Literal["ORIGINATOR_CONSENT_REQUIRED"] | None = None
    """Recipients cannot forward (R20): there is no other value."""


class Message(Section):
    """The header, read by the destination node and by every reader. It holds no personal data (R21)."""

    message_id: MessageId
    handover_id: HandoverRef
    version: Version
    supersedes: MessageId | None
    """``message_id`` of the version before; null for the first."""
    type: Literal["HANDOVER_NOTIFICATION"]
    urgency: Urgency
    created_at: UtcTime
    issued_at: UtcTime
    authorised_by: Authority
    authorisations: Annotated[tuple[Authorisation, ...], Field(max_length=MAX_FEW)] = ()
    marking: Marking
    drill: bool | None = None
    """True: a rehearsal with an invented person. It travels every step and never enters a case system."""
    onward_of: HandoverRef | None = None
    """The handover by which the sender itself got this person, who now moves on or back."""
    answers: NoticeId | None = None
    """The request for a handover that this one answers."""


class Trigger(StrEnum):
    """What made a move urgent (domain 6.6)."""

    SHOOTING = "SHOOTING"
    STABBING = "STABBING"
    CREDIBLE_THREAT = "CREDIBLE_THREAT"
    THREAT_TO_LIFE_NOTICE = "THREAT_TO_LIFE_NOTICE"
    KIDNAP = "KIDNAP"
    WITNESS_INTIMIDATION = "WITNESS_INTIMIDATION"
    OTHER_EVIDENCED = "OTHER_EVIDENCED"


class VerbalHandover(Section):
    """The telephone call that went before: who to whom, and whether the number was called back."""

    at: UtcTime
    from_role: Line
    to_role: Line
    callback_verified: bool


class Urgent(Section):
    """Why the short clocks apply, and who is called when nobody answers."""

    trigger: Trigger
    evidence_ref: Reference | None = None
    """A reference to the evidence, no narrative."""
    threat_to_life_ref: Reference | None = None
    verbal_handover: VerbalHandover | None = None
    out_of_hours: bool | None = None
    escalation_chain: Annotated[tuple[Line, ...], Field(max_length=MAX_FEW)] = ()
    """Roles, in the order in which they are called."""


class Contact(Section):
    """A role that can be asked later. Staff roles and their mailboxes, never private numbers."""

    agency: AgencyName
    area: AreaCode
    role: Line
    mailbox: Mailbox | None = None
    phone: Phone | None = None
    out_of_hours: Line | None = None
    """How the role is reached at night and at weekends."""


class Action(Section):
    """One headline action asked of one agency (domain 6.5; local profiles may add codes of their own)."""

    action_id: ItemId
    agency: AgencyName
    code: Annotated[str, Field(pattern=ACTION_CODE)]
    title: Line
    due_at: UtcTime
    """The origin's plan; the binding deadline is computed by both nodes from the signed receipt."""
    blocks_closure: bool
    attachments: Attachments = ()
    """What this agency needs for it; nobody else reads them."""


class Completeness(StrEnum):
    """How much of what is known and needed stands in the document."""

    COMPLETE_FOR_PURPOSE = "COMPLETE_FOR_PURPOSE"
    PARTIAL = "PARTIAL"
    PARTIAL_URGENT = "PARTIAL_URGENT"


class Omission(Section):
    """Something left out on purpose. May name what may not be sent; that is what it is for."""

    what: Line
    why: Text


class DataQuality(Section):
    """What a reader needs to judge accuracy, completeness, reliability and currency (s.38(5) DPA 2018)."""

    verified_by: Line
    verified_at: UtcTime
    completeness: Completeness
    reliability_note: Text
    currency: Line
    omitted: Annotated[tuple[Omission, ...], Field(max_length=MAX_MANY)]


class Transparency(Section):
    """Whether the subject knows, and what the subject says to it."""

    subject_informed: bool
    informed_on: Day | None = None
    by: Line | None = None
    not_informed_reason: Text | None = None
    subject_statement: Text | None = None
    """The subject's own words; read by community safety, children's social care, police, probation, youth
    justice."""


class Retention(Section):
    """How long the gateway keeps it (s.39 DPA 2018). Each agency's own schedule governs its case record."""

    gateway_payload_purge_after: Day
    review_date: Day
    deletion_basis: Line | None = None
    record_of_truth: Line | None = None
