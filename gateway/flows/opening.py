"""Open one received envelope: who sent it, and what it says to this node. Cryptography only, no store.

Two steps with a line between them that matters (protocol 4.5): :func:`prove` may fail for anybody's garbage,
which gets no answer; after it the sender is known, and what :func:`read` refuses is answered with a signed
receipt. No content part is opened here: the agencies' keys to them are taken out of their slots (the subkey
may be gone in two weeks), to be wrapped; plaintext waits for the adapter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from gateway.core.blob import Segment, read_segment
from gateway.core.breakglass import BreakGlass
from gateway.core.encoding import HEX_ID, PRINCIPAL, Json, JsonObject, fields, integer, text
from gateway.core.envelope import (
    Kind,
    Opener,
    Parsed,
    Slot,
    Statement,
    check_key,
    check_slot,
    open_part,
    open_slot,
    open_statement,
    split,
)
from gateway.core.notices import Block, read_block
from gateway.core.receipts import Receipt, open_receipt
from gateway.errors import Malformed, Misconfigured, NotForUs, Refused, UnknownRecipient, Unsupported
from gateway.flows import asked, facts
from gateway.flows.asked import Ask, Said
from gateway.flows.glass import SECTION, judge
from gateway.flows.node import PRIORITY, Node, area_of
from gateway.flows.vault import ROUTING, RecordKey, Secrets, new_record_key, read_sections
from gateway.ports import Side
from schemas.base import MAX_VERSION

REKEY: Final = "rekey"
"""The code of a refusal: the agency's slot opens under none of the keys held (:mod:`gateway.flows.stale`)."""

VIA: Final = "SPOC"
"""Who relays a leg's sealed part at the destination, where somebody does."""

NOTIFICATION, REPLY, ATTACHMENT, NOTICE = "HANDOVER_NOTIFICATION", "REPLY", "ATTACHMENT", "NOTICE"
STATEMENT = 0
NODE_PARTS = (STATEMENT, ROUTING)
"""What the node itself opens of any message: the statement and the routing table."""

_TYPE = re.compile(r"[A-Z_]{1,40}\Z")

MAX_RECEIPTS: Final = 64
"""Receipts in one envelope: each costs a verification on the event loop."""

log = structlog.get_logger("receive")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the routing table: whose slot, which leg, and to whom its answer goes."""

    slot: int
    principal: str
    leg: str
    reply_to: str
    via: str = ""
    asks: Sequence[Ask] = ()
    duty: str = ""
    said: Sequence[Said] = ()


@dataclass(frozen=True, slots=True)
class Routing:
    kind: str
    handover: str
    version: int
    urgency: str
    entries: Sequence[Entry]
    facts: facts.Facts = facts.NONE


@dataclass(frozen=True, slots=True)
class Opened:
    """One envelope from a proven sender, with everything that must be stored about it."""

    parsed: Parsed
    statement: Statement
    peer: str
    routing: Routing | None = None
    segment: Segment | None = None
    notice: Block | None = None
    notes: Sequence[Receipt] = ()
    sections: JsonObject = field(default_factory=dict)
    secrets: Secrets | None = field(repr=False, default=None)
    record_key: RecordKey | None = None
    glass: BreakGlass | None = None
    glass_note: bytes = b""


def prove(node: Node, envelope: bytes, now: int) -> tuple[Opened, Slot]:
    """Who sent it and that it is ours, in the order of protocol 4.5. Touches no store."""
    parsed = split(envelope)
    statement, slot = open_statement(
        parsed,
        net=node.network.net,
        opener=node.keys.opener(node.principal),
        area=node.area,
        keyring=node.network.keyring_at(now),
        now=now,
    )
    return Opened(parsed, statement, area_of(statement.sender)), slot


def read(node: Node, proven: Opened, slot: Slot, now: int) -> Opened:
    """What a proven sender sent: receipts and sections for this node, or a routing table with our agencies'
    keys. Touches no store.

    Raises Refused of any kind; the sender is proven, so it is answered.
    """
    parsed, statement = proven.parsed, proven.statement
    sections = _node_part(node, parsed, slot)
    glass = judge(node, sections, statement, now)
    proven = replace(proven, glass=glass, glass_note=str(sections.pop(SECTION, "")).encode())
    record_key = new_record_key(node, statement.mid, Side.DESTINATION, now)
    if statement.kind is not Kind.MESSAGE:
        # Kept openable: what a peer signed, and in which order, also proves what it did not sign.
        kept = Secrets(_held_keys(slot, NODE_PARTS), {})
        notes = _receipts(node, sections, now) if statement.kind is Kind.RECEIPTS else ()
        told = {name: value for name, value in sections.items() if name != "receipts"}
        return replace(proven, notes=notes, sections=told, secrets=kept, record_key=record_key)
    routing = read_routing(sections.get("routing"))
    notice = read_block(sections.get("notice")) if routing.kind == NOTICE else None
    segment = read_segment(sections.get("segment")) if routing.kind == ATTACHMENT else None
    secrets = _secrets(node, parsed, statement, slot, routing)
    opened = replace(proven, routing=routing, segment=segment, notice=notice)
    return replace(opened, secrets=secrets, record_key=record_key)


def _node_part(node: Node, parsed: Parsed, slot: Slot) -> JsonObject:
    key = slot.keys[ROUTING] if len(slot.keys) > ROUTING else None
    if key is None:
        raise Malformed("a message without a routing part for its node", code="routing")
    return read_sections(open_part(parsed, ROUTING, key, net=node.network.net))


def _receipts(node: Node, sections: JsonObject, now: int) -> Sequence[Receipt]:
    """Those that verify. Each stands by itself: one that does not (a key revoked since) must not take the
    answers of the other agencies with it."""
    notes = sections.get("receipts")
    if not isinstance(notes, list) or len(notes) > MAX_RECEIPTS:
        raise Malformed("a receipts envelope without receipts, or with too many", code="receipts")
    found, keyring = [], node.network.keyring_at(now)
    for note in notes:
        try:
            found.append(open_receipt(str(note).encode(), net=node.network.net, keyring=keyring))
        except Refused as error:
            log.warning("receipt refused", code=error.code)
    return found


def read_routing(value: Json) -> Routing:
    """The routing table of part 1. Raises Malformed or Unsupported.

    Every value that will be stored or looked up by has its form: a peer's free text gets no further.
    """
    spec = {"type": str, "handover": str, "version": int, "urgency": str, "legs": list} | facts.SPEC
    table = fields(value, spec, optional=facts.SPEC)
    kind = text(table, "type", _TYPE)
    if kind not in (NOTIFICATION, REPLY, ATTACHMENT, NOTICE):
        raise Unsupported("a kind of message that this release does not speak", code="message_type")
    if table["urgency"] not in PRIORITY:
        raise Malformed("no such urgency", code="urgency")
    legs = table["legs"]
    assert isinstance(legs, list)  # noqa: S101 - `fields` checked it; this tells the type checker
    entries = [_entry(leg) for leg in legs]
    _check_distinct(kind, entries)
    about = not (kind == NOTICE and table["handover"] == "")  # a request comes before its handover
    return Routing(
        kind,
        text(table, "handover", facts.HANDOVER) if about else "",
        integer(table, "version", low=1, high=MAX_VERSION) if about else integer(table, "version", high=0),
        str(table["urgency"]),
        entries,
        facts.read(table),
    )


def _check_distinct(kind: str, entries: Sequence[Entry]) -> None:
    """One slot, one agency, one leg: what came twice would be delivered once and called delivered twice."""
    for column in ("slot", "principal", "leg"):
        if len({getattr(entry, column) for entry in entries}) != len(entries):
            raise Malformed(f"a routing table that names one {column} twice", code="routing")
    if kind == ATTACHMENT:  # for the node: its readers are those of the section that names it
        if entries:
            raise Malformed("an attachment with legs", code="routing")
    elif not entries or (kind == REPLY and len(entries) > 1):
        raise Malformed("a routing table without legs, or a reply about several", code="routing")


def _entry(value: Json) -> Entry:
    spec = {"slot": int, "principal": str, "leg": str, "reply_to": str, "via": str} | asked.SPEC
    leg = fields(value, spec, optional=("via", *asked.SPEC))
    if leg.get("via", VIA) != VIA:
        raise Malformed("a leg is relayed by the single point of contact or by nobody", code="routing")
    return Entry(
        integer(leg, "slot", low=1),
        text(leg, "principal", PRINCIPAL),
        text(leg, "leg", HEX_ID),
        text(leg, "reply_to", PRINCIPAL),
        str(leg.get("via", "")),
        asked.read_asks(leg),
        asked.read_duty(leg),
        asked.read_said(leg),
    )


def _secrets(node: Node, parsed: Parsed, statement: Statement, slot: Slot, routing: Routing) -> Secrets:
    """The node's own keys, and those of each agency it hosts, out of its slot. Who is not among the readers
    keeps its own key, or its key is missing here: its slot stays shut, and nobody else waits for it."""
    keys = _held_keys(slot, NODE_PARTS)
    readers: dict[str, tuple[int, ...]] = {}
    for entry in routing.entries:
        if area_of(entry.principal) != node.area:
            raise NotForUs("a leg for another area's agency", code="leg_area")
        theirs = _agency_slot(node, parsed, statement, entry)
        if theirs is None:
            continue
        numbers = tuple(n for n, key in enumerate(theirs.keys) if key is not None and n > ROUTING)
        keys |= _checked_keys(node, parsed, theirs, (STATEMENT, *numbers))
        readers[entry.principal] = numbers
    return Secrets(keys, readers)


def _agency_slot(node: Node, parsed: Parsed, statement: Statement, entry: Entry) -> Slot | None:
    if entry.slot >= len(parsed.slots):
        raise Malformed("the routing table names a slot that is not there", code="routing")
    opener = _hosted(node, entry.principal)
    if opener is None:
        return None
    try:
        theirs = open_slot(parsed, entry.slot, net=node.network.net, opener=opener)
    except NotForUs:  # keys are here and none of them opens it: the sender knows our newest card not yet
        raise NotForUs("sealed to a subkey that is gone", code="rekey") from None
    check_slot(statement, theirs)
    return theirs


def _hosted(node: Node, principal: str) -> Opener | None:
    """The keys of an agency of ours; None where it keeps its own (even if some lie here under its name), or
    where they are missing. What the peer named must never stop this node: a name that we do not know is
    answered as not for us."""
    try:
        found = node.network.principal(principal)
    except UnknownRecipient as error:
        log.error("a leg for an agency that the directory does not hold", code=error.code)
        raise NotForUs("no such agency is here", code="not_hosted") from None
    if found.agency == "NODE":
        raise NotForUs("a leg for the node itself", code="leg_agency")
    try:
        return node.keys.opener(principal) if found.hosted else None
    except Misconfigured as error:
        log.error("the key of an agency of ours is missing", principal=principal, code=error.code)
        return None


def _checked_keys(node: Node, parsed: Parsed, slot: Slot, numbers: Sequence[int]) -> dict[int, bytes]:
    """Held against the parts before anything is signed: another key in one agency's bag would take the place
    of the true one, and "received" would be said of what nobody can open."""
    keys = _held_keys(slot, numbers)
    for number, key in keys.items():
        check_key(parsed, number, key, net=node.network.net)
    return keys


def _held_keys(slot: Slot, numbers: Sequence[int]) -> dict[int, bytes]:
    return {number: key for number in numbers if (key := slot.keys[number]) is not None}
