"""Where a handover goes, to whom, and under which power.

Leaves out whether the power reaches the recipient (:mod:`gateway.core.policy`) and who may read which field
(:mod:`gateway.core.entitlements`). Rules: domain 3.4, 6.4; one subject, one destination area.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from schemas.base import (
    MAX_FEW,
    AreaCode,
    Code,
    Day,
    ItemId,
    Line,
    Reference,
    Section,
    Text,
    UtcTime,
    once,
    unique,
)
from schemas.vocabulary import Agencies, AgencyName, DestinationProfile, Regime, SectionName, Transport

MAX_RECIPIENTS = 15
"""An envelope has 16 slots and one of them is the destination node's (protocol 4.1)."""


class Origin(Section):
    """The area that hands over."""

    area_code: AreaCode
    area_name: Line | None = None
    """For people; the code is the identity."""
    profile: DestinationProfile


class Bridge(Section):
    """The way to an area without a node: its contact is verified by call-back before anything leaves."""

    contact_verified_by: Line
    verified_on: Day
    delivery: Text


class TwoTier(Section):
    """County and district divide the work: every leg belongs to one of them."""

    county: AreaCode
    district: AreaCode
    county_agencies: Agencies
    district_agencies: Agencies


SectionNames = Annotated[tuple[SectionName, ...], Field(max_length=MAX_FEW), AfterValidator(once)]


class Spoc(Section):
    """A single point of contact: what it may open itself, and whose sealed parts it passes on."""

    role: Line
    deputy_required: bool
    may_open_sections: SectionNames
    relays_sealed: Agencies


class Destination(Origin):
    """The area that takes over."""

    transport: Transport | None = None
    """BROKER when absent."""
    bridge: Bridge | None = None
    two_tier: TwoTier | None = None
    spoc: Spoc | None = None


class OnBehalfOf(Section):
    """The public authority for which a recipient acts, as s.115 Crime and Disorder Act 1998 allows."""

    authority: AgencyName
    area: AreaCode | None = None
    contract_ref: Reference


class Recipient(Section):
    """One leg: an agency of the destination, what it is sent, and on which basis."""

    agency: AgencyName
    organisation: Line | None = None
    """Outside the area's own services, or to tell two recipients of one type apart."""
    endpoint: Line | None = None
    """A name out of the directory, where the agency has more than one."""
    sections: Annotated[SectionNames, Field(min_length=1)]
    lawful_basis: Annotated[tuple[ItemId, ...], Field(min_length=1, max_length=MAX_FEW), AfterValidator(once)]
    """Ids of entries in ``lawful_basis``."""
    via: Literal["SPOC"] | None = None
    """Relayed, sealed, by the single point of contact."""
    victim_inclusion_justification: Text | None = None
    """Why an enforcement agency is told of somebody who is only a victim."""
    acting_on_behalf_of: OnBehalfOf | None = None
    relevant_because: Text | None = None
    """Why an agency is told that does not deal with a subject of this age."""
    reciprocal_ref: Reference | None = None
    """A housing reciprocal request: this reference (``ARC-01-16``) stands for the person, whose name, date of
    birth and contact details this recipient is not sent."""


class NotRelevant(Section):
    """An agency that was considered and ruled out, with the reason code."""

    agency: AgencyName
    reason: Code


class Routing(Section):
    """Origin, destination, one leg per recipient."""

    origin: Origin
    destination: Destination
    recipients: Annotated[
        tuple[Recipient, ...],
        Field(min_length=1, max_length=MAX_RECIPIENTS),
        unique("agency", "organisation"),
    ]
    not_relevant: Annotated[tuple[NotRelevant, ...], Field(max_length=MAX_FEW), unique("agency")] = ()


class Agreement(Section):
    """The subject's agreement, recorded. It can be withdrawn."""

    given: bool
    at: UtcTime
    recorded_by: Line
    withdrawn_at: UtcTime | None = None


class OneOff(Section):
    """Sharing without a standing agreement: why, and the data protection officer's record of it."""

    justification: Text
    dpo_ref: Reference


class LawfulBasis(Section):
    """Why the discloser may send. Each receiver records its own basis when it accepts."""

    id: ItemId
    regime: Regime
    power: Text
    """The power in words."""
    powers: Annotated[tuple[Code, ...], Field(min_length=1, max_length=MAX_FEW), AfterValidator(once)]
    """The same as codes, which the rules read: ``CDA1998_S115``, ``AGREEMENT``, ..."""
    purpose: Text
    necessity: Text
    article6: Line | None = None
    article9_10: Line | None = None
    sch8_condition: Line | None = None
    dsa_ref: Reference | None = None
    """Data sharing agreement."""
    apd_ref: Reference | None = None
    """Appropriate policy document (s.42 DPA 2018)."""
    agreement: Agreement | None = None
    one_off: OneOff | None = None
    """In place of ``dsa_ref``."""
    note: Text | None = None
