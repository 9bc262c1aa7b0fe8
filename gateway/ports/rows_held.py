"""What could not be taken in, as the store keeps it: one row for each different message."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.ports.transport import Lane


class Place(StrEnum):
    """Where a held message comes from. INTAKE: its sender is proven, or it lay in a bundle with others that
    were taken. QUARANTINE: the node rejected it whole, or the broker's delivery limit stopped it. RETURNED:
    it lay too long in a peer's queue and came back; its bytes prove nothing."""

    INTAKE = "intake"
    QUARANTINE = "quarantine"
    RETURNED = "returned"


class Holding(StrEnum):
    """HELD: a person has to look. TAKEN: it was taken in after all. DISCARDED: a person has decided so."""

    HELD = "held"
    TAKEN = "taken"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class HeldRow:
    """Bytes that could not be accepted. ``peer``: the area whose exchange they came through, "" for none.
    ``digest``: keyed hash of the bytes; ``body``: the bytes sealed, empty once somebody has settled the row.
    ``size``: of the bytes; ``count``: how often they came; ``seen``: when they came last. ``by`` settled it
    at ``settled``."""

    id: str
    at: int
    code: str
    lane: Lane
    peer: str
    digest: bytes
    body: bytes = field(repr=False)
    place: Place = Place.INTAKE
    state: Holding = Holding.HELD
    size: int = 0
    count: int = 1
    seen: int = 0
    settled: int = 0
    by: str = ""
