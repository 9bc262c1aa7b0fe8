"""What a shredding would destroy, and what stands against it. Looks, and changes nothing.

A part is an audience (protocol 4.3): its one key opens everything in it, so a section can be destroyed alone
only where it stands alone. Which parts hold what is found by opening them here for a moment; afterwards only
names of sections are left. What stands against it is never a fault of the request: a message that has not
reached whoever it is for would be lost for good.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol

from gateway.core.envelope import Kind, Parsed, open_part, open_slot, split
from gateway.core.states import ANSWERED, TERMINAL, LegState
from gateway.core.trust import Network
from gateway.errors import GatewayError, Malformed, NotFound
from gateway.flows.opening import read_routing
from gateway.flows.vault import ROUTING, Secrets, read_sections, secrets_of
from gateway.ports import (
    Clock,
    EnvelopeRow,
    Keys,
    LegRow,
    Outbound,
    Parcel,
    Side,
    Store,
    Task,
    Transaction,
)

"""Seconds after its end at which a month can be destroyed or compacted: nothing is stored in it any more,
also by whoever took the time just before midnight, or has a clock that is a little slow."""

REMEDIES: Final = {
    "unsettled": "the peer's receipt is not here yet: `gateway handover why REF` says whose turn it is",
    "undelivered": "an agency has not been given it: `gateway handover why REF` says where it waits",
    "unanswered": "an agency has still to decide: wait for its answer",
    "held": "a legal hold stands: `gateway retention hold list` says whose; --force does not lift it",
}
"""What can stand against it, and what to do."""

HELD: Final = "held"
"""The one of them that nothing overrules."""


class Shredder(Protocol):
    """Whoever destroys: a running node (``flows.node.Node``), or a command beside it."""

    @property
    def area(self) -> str: ...
    @property
    def network(self) -> Network: ...
    @property
    def store(self) -> Store: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def keys(self) -> Keys: ...


@dataclass(frozen=True, slots=True)
class Piece:
    """One message. ``parts`` go, and ``sections`` are what they hold. ``shared``: parts that hold the section
    asked for together with others, and stay. ``already``: shredded before. ``against``: see `REMEDIES`.
    ``slots``: the agencies' own keys to it are still in this key store, so that a copy of the database
    TOGETHER with these key files opens it until they are destroyed."""

    row: EnvelopeRow = field(repr=False)
    secrets: Secrets
    parts: tuple[int, ...]
    sections: tuple[str, ...]
    shared: Mapping[int, tuple[str, ...]]
    already: tuple[int, ...]
    against: tuple[str, ...]
    slots: bool

    @property
    def whole(self) -> bool:
        """Nothing of its content is left after it."""
        return not {number for number in self.secrets.keys if number > ROUTING}.difference(self.parts)

    @property
    def closed(self) -> frozenset[int]:
        """The parts that may never be opened here again. Of a message that goes whole also those of agencies
        whose slots were never opened here."""
        count = len(split(self.row.body).parts)
        return frozenset(range(ROUTING + 1, count) if self.whole else self.parts)


@dataclass(frozen=True, slots=True)
class Plan:
    """Every message of a handover that is stored here with its keys."""

    ref: str
    section: str | None
    pieces: Sequence[Piece]

    @property
    def against(self) -> frozenset[str]:
        return frozenset(reason for piece in self.pieces if piece.parts for reason in piece.against)

    @property
    def sections(self) -> tuple[str, ...]:
        return tuple(sorted({name for piece in self.pieces for name in piece.sections}))


def make(
    tx: Transaction, node: Shredder, ref: str, version: int | None, section: str | None, *, others: bool
) -> Plan:
    """Raises NotFound for a handover that is not here, and for a section that no part here holds."""
    rows = [row for row in tx.envelopes_of(ref, version) if row.kind == Kind.MESSAGE and row.secrets]
    if not rows:
        raise NotFound(
            "no message of this handover is stored here with its keys",
            code="no_handover",
            remedy="check the reference: HO-<area>-<year>-<6 digits>, and its version",
        )
    plan = Plan(ref, section, [_piece(tx, node, row, section, others=others) for row in rows])
    if section is not None and not any(piece.parts or piece.shared for piece in plan.pieces):
        raise NotFound(
            "no part that is still held here holds this section",
            code="no_section",
            remedy="look with --preview what there is; it may be shredded already",
        )
    return plan


def _piece(tx: Transaction, node: Shredder, row: EnvelopeRow, section: str | None, *, others: bool) -> Piece:
    secrets, parsed = secrets_of(node, row), split(row.body)
    found = holding(node, parsed, secrets)
    with_it = {n: names for n, names in found.items() if section is None or section in names}
    shared = {n: names for n, names in with_it.items() if section is not None and len(names) > 1}
    parts = [number for number in with_it if others or number not in shared]
    return Piece(
        row=row,
        secrets=secrets,
        parts=tuple(sorted(parts)),
        sections=tuple(sorted({name for number in parts for name in found[number]})),
        shared={} if others else shared,
        already=tuple(sorted(secrets.shredded)),
        against=tuple(sorted(against(tx, row.mid, row.side))),
        slots=row.side is Side.DESTINATION and bool(parts) and _slots_open(node, parsed, secrets),
    )


def holding(node: Shredder, parsed: Parsed, secrets: Secrets) -> Mapping[int, tuple[str, ...]]:
    """Names of sections by part. PLAINTEXT is looked at and let go."""
    numbers = [number for number in secrets.keys if number > ROUTING]
    return {
        number: _names(open_part(parsed, number, secrets.keys[number], net=node.network.net))
        for number in numbers
    }


def _names(content: bytes) -> tuple[str, ...]:
    try:
        return tuple(sorted(read_sections(content)))
    except Malformed:  # what a peer sealed and nobody can read is destroyed all the same
        return ()


def _slots_open(node: Shredder, parsed: Parsed, secrets: Secrets) -> bool:
    """Whether a subkey here still opens the slot of an agency in the envelope itself."""
    net = node.network.net
    try:
        routing = read_routing(
            read_sections(open_part(parsed, ROUTING, secrets.keys[ROUTING], net=net)).get("routing")
        )
    except GatewayError:
        return False
    return any(_opens(node, parsed, entry.slot, entry.principal) for entry in routing.entries)


def _opens(node: Shredder, parsed: Parsed, slot: int, principal: str) -> bool:
    try:
        open_slot(parsed, slot, net=node.network.net, opener=node.keys.opener(principal))
    except GatewayError:
        return False
    return True


def against(tx: Transaction, mid: str, side: Side) -> frozenset[str]:
    """What stands against shredding one message: see `REMEDIES`."""
    found = set()
    outbox = tx.outbox_of(mid) if side is Side.ORIGIN else None
    if outbox is not None and outbox.state is not Outbound.SETTLED:
        found.add("unsettled")
    envelope = tx.envelope(mid)
    if envelope and envelope.ref and tx.holds(envelope.ref):
        found.add(HELD)
    legs = _legs(tx, mid)
    if any(LegState(leg.state) not in ANSWERED | TERMINAL for leg in legs):
        found.add("unanswered")
    if any(_waits(tx, leg, mid) for leg in legs):
        found.add("undelivered")
    return frozenset(found)


def _legs(tx: Transaction, mid: str) -> Collection[LegRow]:
    """The legs a message is about: those that it carries, or those of its handover for a reply."""
    if legs := tx.legs_of_message(mid):
        return legs
    row = tx.envelope(mid)
    return tx.legs(row.ref, row.version) if row else ()


def _waits(tx: Transaction, leg: LegRow, mid: str) -> bool:
    return any(
        task.mid == mid and task.kind is not Parcel.STATUS and task.state is not Task.DONE
        for task in tx.tasks_of(leg.id)
    )


def ended(month: str) -> int:
    """When a month is over, unix seconds. Raises NotFound for what is no month."""
    try:
        first = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise NotFound("not a month", code="no_epoch", remedy="a month is written 2026-08") from None
    after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return int(after.timestamp())
