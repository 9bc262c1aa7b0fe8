"""Who an envelope is sealed to, and every limit on that, before anything is spent on it (protocol 4.1, 4.3).

Duty: refuse at the sender what no honest envelope has: a stranger to the destination area, a second slot
for one reader, the routing table in other hands, more than fits. What it leaves out: who is ENTITLED to a
part (policy.py, audience.py).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.core.encoding import PRINCIPAL, ZERO
from gateway.core.layout import (
    MAX_ENVELOPE,
    MAX_HEADER,
    MAX_SLOTS,
    SLOT_STEPS,
    Kind,
    framed_part_size,
    slot_size,
)
from gateway.errors import Malformed, TooLarge

STATEMENT: Final = 0  # part number of the signed statement, which every reader opens
ROUTING: Final = 1  # part number of the routing table, which the destination node alone opens

_MAX_STATEMENT: Final = 5000  # bytes: over the longest note with 16 slots, 64 parts and full numbers
_STATEMENT_ROOM: Final = framed_part_size(_MAX_STATEMENT)


@dataclass(frozen=True, slots=True)
class Recipient:
    """A reader, its X-Wing public key, and the numbers (1..) of the parts it may open besides part 0."""

    principal: str
    key: bytes = field(repr=False)
    parts: Collection[int] = frozenset()


def padded_count(kind: Kind, recipients: Sequence[Recipient]) -> int:
    """How many slots these recipients get: 2, 4, 8, 12 or 16. Raises Malformed for none, TooLarge over 16."""
    if not recipients:
        raise Malformed("no recipient", code="recipients")
    if kind is not Kind.MESSAGE and len(recipients) != 1:
        raise Malformed("receipts and control messages have one reader", code="recipients")
    if len(recipients) > MAX_SLOTS:
        raise TooLarge(f"over {MAX_SLOTS} recipients", code="recipients")
    return next(step for step in SLOT_STEPS if step >= len(recipients))


def check_recipients(recipients: Sequence[Recipient], area: str, nparts: int) -> None:
    """One destination area, its node first, nobody twice, nobody else at the routing table. Malformed."""
    names, within = [one.principal for one in recipients], f"{area}/"
    if names[0] != f"{area}/node" or len(set(names)) != len(names):
        raise Malformed("the node comes first, and nobody twice", code="recipients")
    lowest = ROUTING
    for one in recipients:
        if not PRINCIPAL.match(one.principal) or not one.principal.startswith(within):
            raise Malformed("a recipient outside the destination area", code="recipients")
        if one.parts and not lowest <= min(one.parts) <= max(one.parts) < nparts:
            raise Malformed("a part that this recipient cannot have", code="recipient_parts")
        lowest = ROUTING + 1


def check_room(slots: int, contents: Sequence[bytes]) -> None:
    """TooLarge for contents that would not fit with their statement. Asked here because the statement is
    sealed inside a transaction, where it is too late to say so."""
    nparts = 1 + len(contents)
    parts = _STATEMENT_ROOM + sum([framed_part_size(len(content)) for content in contents])
    if MAX_HEADER + slots * slot_size(nparts) + parts > MAX_ENVELOPE:
        raise TooLarge(f"an envelope over {MAX_ENVELOPE} bytes", code="envelope_size")


def bag_of(keys: Sequence[bytes], index: int, recipient: Recipient) -> bytes:
    """All part keys of a reader, zeros where it has none: the same size for everybody, so that it tells
    nobody else how much one may read."""
    entitled = {STATEMENT, *recipient.parts} | ({ROUTING} if index == 0 else set())
    return b"".join(key if number in entitled else ZERO for number, key in enumerate(keys))
