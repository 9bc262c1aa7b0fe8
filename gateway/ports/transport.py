"""The broker, as the flows see it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol


class Lane(StrEnum):
    """One queue of an area's intake. Urgent traffic has its own, on its own connection (broker.md)."""

    STANDARD = "n"
    URGENT = "u"
    RECEIPTS = "r"


PARCELS: Final = (Lane.URGENT, Lane.STANDARD)
"""What is handed to agencies, in this order. Receipts are the nodes' own."""


class Shelf(StrEnum):
    """Where the broker keeps what no reader took. QUARANTINE: what we rejected, or what the delivery limit
    stopped. RETURNED: what we sent, and what lay too long in a peer's queue."""

    QUARANTINE = "quarantine"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One AMQP message: an envelope or a bundle (protocol 4.6) for one area and one lane.

    ``message_id`` is unique per ATTEMPT: two messages in flight with one id get each other's returns.
    """

    to: str
    lane: Lane
    body: bytes = field(repr=False)
    message_id: str
    urgent: bool = False


class Delivery(Protocol):
    """One message taken from a queue and not yet settled. Exactly one of the three calls settles it."""

    @property
    def body(self) -> bytes: ...

    @property
    def lane(self) -> Lane: ...

    @property
    def sender(self) -> str | None:
        """The area whose exchange the broker says it came through. A second line, never proof."""
        ...

    async def ack(self) -> None:
        """The row is committed; the broker may forget the message."""
        ...

    async def quarantine(self, code: str) -> None:
        """Put it aside for a person; it is never delivered again by itself."""
        ...

    async def release(self) -> None:
        """Give it back untouched: we are shutting down, or cannot store now."""
        ...


class Aside(Protocol):
    """One message taken from a shelf and not yet settled. Exactly one of the two calls settles it."""

    @property
    def body(self) -> bytes: ...

    @property
    def lane(self) -> Lane:
        """Of the queue that it lay in first."""
        ...

    @property
    def sender(self) -> str | None:
        """The area whose exchange the broker says it came through first. Never proof."""
        ...

    @property
    def reason(self) -> str:
        """The broker's word: ``rejected``, ``delivery_limit``, ``expired``; "" when it gives none."""
        ...

    async def ack(self) -> None:
        """The row is committed; the broker may forget the message."""
        ...

    async def release(self) -> None:
        """Give it back to its shelf."""
        ...


class Transport(Protocol):
    """Contract: ``publish`` returns only when the broker owns the message durably, and every wait on the
    broker has a time-out. Messages may be duplicated and reordered; none is lost once ``publish``
    returned. A lost connection is rebuilt without the caller's help; unsettled deliveries come again."""

    async def start(self) -> None:
        """Connect. Raises Unavailable when no broker answers within the time-out."""
        ...

    async def publish(self, message: Outgoing) -> None:
        """Raises Unavailable (not confirmed: it may or may not be there) or UnknownRecipient (unroutable)."""
        ...

    def deliveries(self, lane: Lane) -> AsyncIterator[Delivery]:
        """Every message of one lane of our own intake, for as long as the transport is open."""
        ...

    async def waiting(self, lane: Lane) -> int:
        """Messages of one lane of our own intake that nobody has been given, about. Raises Unavailable."""
        ...

    async def aside(self, shelf: Shelf) -> Aside | None:
        """The oldest message of one of our own shelves, None when there is none. Nothing is fetched ahead:
        what nobody asks for stays on the broker. Raises Unavailable."""
        ...

    async def check(self) -> None:
        """Raises Unavailable when it could not publish or consume now."""
        ...

    async def close(self) -> None: ...
