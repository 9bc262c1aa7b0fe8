"""Court orders, their conditions, and the third parties that an order names.

Leaves out whether the terms are lawful or in conflict (R7-R10, :mod:`gateway.core.policy`). Rules: domain
6.4; Policing and Crime Act 2009 Part 4. Each condition says who may read it, and what others are told
instead.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from schemas.attachments import Attachments
from schemas.base import MAX_MANY, AreaCode, Areas, Day, ItemId, Line, Reference, Section, Text, unique
from schemas.vocabulary import Agencies, AgencyName, OrderType


class ConditionType(StrEnum):
    """What a condition does."""

    PROHIBITION = "PROHIBITION"
    REQUIREMENT = "REQUIREMENT"


class PlaceRule(StrEnum):
    """Where a requirement is met when an order also keeps the subject out of an area (R9)."""

    NOT_IN_EXCLUDED_AREA = "NOT_IN_EXCLUDED_AREA"
    WITH_WRITTEN_PERMISSION = "WITH_WRITTEN_PERMISSION"


class MinimalView(Section):
    """What agencies are told that need to act on a condition but not to know it."""

    agencies: Annotated[Agencies, Field(min_length=1)]
    text: Text


class Permission(Section):
    """A recorded written permission to enter an excluded area."""

    ref: Reference
    granted_by: Line
    granted_on: Day
    expires_on: Day


class Condition(Section):
    """One term of an order."""

    no: Annotated[int, Field(ge=1, le=999)]
    type: ConditionType
    text: Text
    visible_to: Agencies
    area_codes: Areas = ()
    """Areas the term is about."""
    provider_agency: AgencyName | None = None
    provider_area: AreaCode | None = None
    """Who provides what is required, and where that service is."""
    permission_holder: Line | None = None
    """The role that may permit an exception."""
    permission: Permission | None = None
    place_rule: PlaceRule | None = None
    third_party_list: Literal["associates"] | None = None
    """The names stand in ``associates``, which fewer may read than the term itself."""
    third_party_count: Annotated[int, Field(ge=1, le=MAX_MANY)] | None = None
    minimal_view: MinimalView | None = None
    expires_on: Day | None = None
    """When the term ends before the order does."""


class ReviewWindow(Section):
    """When the court must look at an injunction again (2009 Act s.36)."""

    from_: Annotated[Day, Field(alias="from")]
    to: Day
    why: Text | None = None


class Caretaking(Section):
    """Youth orders: the home service stays responsible for a stability period."""

    rule: Text
    from_: Annotated[Day, Field(alias="from")]
    review_on: Day


class Order(Section):
    """An order, licence or bail the subject is under."""

    order_id: ItemId
    type: OrderType
    expires_on: Day
    court: Line
    order_ref: Reference
    power_of_arrest: bool
    variation_contact: Line
    """The role to ask about a change of terms."""
    conditions: Annotated[tuple[Condition, ...], Field(min_length=1, max_length=MAX_MANY), unique("no")]
    statute: Line | None = None
    granted_on: Day | None = None
    applicant: Line | None = None
    review_hearing_window: ReviewWindow | None = None
    data_controller_for_order: AreaCode | None = None
    responsible_officer_area: AreaCode | None = None
    home_service: AreaCode | None = None
    host_service: AreaCode | None = None
    caretaking: Caretaking | None = None
    court_amendment_needed: bool | None = None
    attachments: Attachments = ()
    """The order as served: read by whoever reads the order, so also by those from whom a term is kept."""


class Associate(Section):
    """A third party whom an order names. Another data subject: never searchable, and for few (R8)."""

    third_party_id: ItemId
    label: Line
    in_order: ItemId
    """``order_id`` of the order that names this person."""
    why_included: Text
    visible_to: Agencies | None = None
    """Absent: police and probation; youth justice too for a subject under 18. Empty: nobody."""
