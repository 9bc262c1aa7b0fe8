"""The handover notification: one subject, one move, everything the receiving agencies are told.

Duty: :class:`HandoverNotification`, :func:`parse_notification` (the one way in) and :func:`to_document` (the
one way on). It leaves out every rule about content: :mod:`gateway.core.policy` judges a document, at a moment
it is given. A section that domain 6.4 requires of every handover is required here; one required only in some
cases is optional here.

Rules: domain 6.4. The shape is closed at every level, and what may not be sent is refused by name
(:mod:`schemas.denied`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.assertions import Assertion, GangAssociation, RiskFrom, RiskTo, RoleAssertion
from schemas.base import MAX_FEW, MAX_MANY, JsonObject, Section, to_json, unique
from schemas.message import Action, Contact, DataQuality, Message, Retention, Transparency, Urgent
from schemas.orders import Associate, Order
from schemas.person import Aspirations, Core, Identifiers, Move, Safeguarding, Support
from schemas.reading import read
from schemas.routing import LawfulBasis, Routing

DEPTH = 8
"""Lists and objects inside one another, counted from ``{"v": 1, "sections": {...}}`` (protocol 2)."""


class HandoverNotification(Section):
    """Hands the support, supervision and protection of one person who moves from one area to another."""

    schema_version: Literal["1.0"]
    fictional: bool | None = None
    """True in examples and demonstrations."""
    message: Message
    urgent: Urgent | None = None
    routing: Routing
    lawful_basis: Annotated[tuple[LawfulBasis, ...], Field(min_length=1, max_length=MAX_FEW), unique("id")]
    core: Core
    identifiers: Identifiers | None = None
    move: Move
    roles: Annotated[
        tuple[RoleAssertion, ...], Field(min_length=1, max_length=MAX_FEW), unique("role", "assertion")
    ]
    gang_association: GangAssociation | None = None
    risk_to: RiskTo
    risk_from: RiskFrom | None = None
    orders: Annotated[tuple[Order, ...], Field(max_length=MAX_FEW), unique("order_id")] = ()
    history: Annotated[tuple[Assertion, ...], Field(max_length=MAX_MANY), unique("assertion_id")] = ()
    associates: Annotated[tuple[Associate, ...], Field(max_length=MAX_MANY), unique("third_party_id")] = ()
    safeguarding: Safeguarding | None = None
    support: Support | None = None
    aspirations: Aspirations | None = None
    contacts: Annotated[tuple[Contact, ...], Field(max_length=MAX_MANY)] = ()
    actions: Annotated[tuple[Action, ...], Field(min_length=1, max_length=MAX_MANY), unique("action_id")]
    data_quality: DataQuality
    transparency: Transparency | None = None
    retention: Retention


def parse_notification(body: bytes) -> HandoverNotification:
    """A handover out of its JSON bytes. Raises ShapeError with every problem found."""
    return read(HandoverNotification, body, name="handover")


def to_document(notification: HandoverNotification) -> JsonObject:
    """The notification as JSON-able values, at most :data:`DEPTH` - 2 deep, integers only.

    What was absent stays absent, an explicit null stays null, an older agency name has become today's, a time
    is in UTC. Reading the result again gives an equal notification.
    """
    return to_json(notification)
