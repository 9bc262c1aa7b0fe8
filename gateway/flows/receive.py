"""The only way in from the broker: verify, store with its receipt in ONE transaction, then acknowledge.

Order of work as in protocol 4.5: nothing is done for a sender that is not proven, beyond one decapsulation,
one AEAD and one verification. Garbage is quarantined without an answer (no oracle). A duplicate gets its
stored receipt again. No content part is opened here: the agencies' keys to them are taken out of their slots
(the subkey may be gone in two weeks) and wrapped; plaintext waits for the adapter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import structlog

from gateway.core.deadlines import deadlines
from gateway.core.encoding import Json, JsonObject, b64, fields
from gateway.core.envelope import (
    Kind,
    Parsed,
    Slot,
    Statement,
    check_slot,
    open_part,
    open_slot,
    open_statement,
    split,
    unbundle,
)
from gateway.core.receipts import Receipt, open_receipt
from gateway.core.states import HandoverState, LegState
from gateway.errors import Forged, Malformed, NotForUs, Refused, Replayed, Unsupported
from gateway.flows import receipts
from gateway.flows.node import Node, area_of, log_leaf
from gateway.flows.vault import ROUTING, RecordKey, Secrets, new_record_key, read_sections
from gateway.ports import (
    Delivery,
    EnvelopeRow,
    HandoverRow,
    HeldRow,
    LegRow,
    Parcel,
    Side,
    StreamRow,
    TaskRow,
    Transaction,
)

NOTIFICATION, REPLY = "HANDOVER_NOTIFICATION", "REPLY"
NODE_PARTS = (0, ROUTING)
"""What the node itself opens of any message: the statement and the routing table."""

CATCH_UP = 1000
"""Sequence numbers absorbed at once when a hole is filled; the rest follow with the next message."""

log = structlog.get_logger("receive")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the routing table: whose slot, which leg, and to whom its answer goes."""

    slot: int
    principal: str
    leg: str
    reply_to: str


@dataclass(frozen=True, slots=True)
class Routing:
    kind: str
    handover: str
    version: int
    urgency: str
    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class Opened:
    """One envelope from a proven sender, with everything that must be stored about it."""

    parsed: Parsed
    statement: Statement
    peer: str
    routing: Routing | None = None
    notes: Sequence[Receipt] = ()
    secrets: Secrets | None = field(repr=False, default=None)
    record_key: RecordKey | None = None


async def receive(node: Node, delivery: Delivery) -> None:
    """Settle one AMQP message: every envelope in it is stored, or put aside with its code.

    Raises Unavailable when the store cannot take it now; the delivery is then not settled.
    """
    try:
        envelopes = unbundle(delivery.body)
    except Refused as error:
        await _quarantine(delivery, error)
        return
    if len(envelopes) == 1:
        await _one(node, delivery, envelopes[0])
        return
    for envelope in envelopes:
        try:
            await accept(node, envelope, via=delivery.sender)
        except Refused as error:
            await _hold(node, delivery, envelope, error)
    await delivery.ack()


async def _one(node: Node, delivery: Delivery, envelope: bytes) -> None:
    try:
        await accept(node, envelope, via=delivery.sender)
    except Replayed as error:  # proven equivocation is evidence: kept in our own store
        await _hold(node, delivery, envelope, error)
    except Refused as error:
        await _quarantine(delivery, error)
        return
    await delivery.ack()


async def _quarantine(delivery: Delivery, error: Refused) -> None:
    log.warning("quarantined", lane=delivery.lane.value, via=delivery.sender, code=error.code)
    await delivery.quarantine(error.code)


async def _hold(node: Node, delivery: Delivery, envelope: bytes, error: Refused) -> None:
    log.warning("held", lane=delivery.lane.value, via=delivery.sender, code=error.code)
    digest, now = hashlib.sha256(envelope).digest(), node.clock.now()
    row = HeldRow("", now, error.code, delivery.lane, delivery.sender or "", digest, envelope)
    await node.store.write(lambda tx: tx.put_held(row))


async def accept(node: Node, envelope: bytes, *, via: str | None = None) -> None:
    """Verify and store one envelope. Raises Refused of any kind, or Unavailable; else it is committed."""
    now = node.clock.now()
    opened = open_envelope(node, envelope, now)
    if via is not None and via != opened.peer:
        raise Forged("the broker says another area sent this", code="via")
    news = await node.store.write(lambda tx: _store(tx, node, opened, now))
    node.wake.receipts.set()
    for task in news:
        node.wake.agency(task.principal)


def open_envelope(node: Node, envelope: bytes, now: int) -> Opened:
    """All cryptography of one receipt, in the order of protocol 4.5. Touches no store."""
    network = node.network
    parsed = split(envelope)
    statement, slot = open_statement(
        parsed,
        net=network.net,
        opener=node.keys.opener(node.principal),
        area=node.area,
        keyring=network.keyring,
        now=now,
    )
    opened = Opened(parsed, statement, area_of(statement.sender))
    sections = _node_part(node, parsed, slot)
    if statement.kind is Kind.RECEIPTS:
        return replace(opened, notes=_receipts(node, sections))
    if statement.kind is not Kind.MESSAGE:
        raise Unsupported("control messages are not spoken by this release", code="kind")
    routing = read_routing(sections.get("routing"))
    secrets = _secrets(node, parsed, statement, slot, routing)
    record_key = new_record_key(node, statement.mid, now)
    return replace(opened, routing=routing, secrets=secrets, record_key=record_key)


def _node_part(node: Node, parsed: Parsed, slot: Slot) -> JsonObject:
    key = slot.keys[ROUTING] if len(slot.keys) > ROUTING else None
    if key is None:
        raise Malformed("a message without a routing part for its node", code="routing")
    return read_sections(open_part(parsed, ROUTING, key, net=node.network.net))


def _receipts(node: Node, sections: JsonObject) -> Sequence[Receipt]:
    notes = sections.get("receipts")
    if not isinstance(notes, list):
        raise Malformed("a receipts envelope without receipts", code="receipts")
    return [
        open_receipt(str(note).encode(), net=node.network.net, keyring=node.network.keyring) for note in notes
    ]


def read_routing(value: Json) -> Routing:
    """The routing table of part 1. Raises Malformed."""
    table = fields(value, {"type": str, "handover": str, "version": int, "urgency": str, "legs": list})
    legs = table["legs"]
    assert isinstance(legs, list)  # noqa: S101 - `fields` checked it; this tells the type checker
    entries = [_entry(leg) for leg in legs]
    if table["type"] not in (NOTIFICATION, REPLY):
        raise Unsupported("a kind of message that this release does not speak", code="message_type")
    if not entries or len({entry.slot for entry in entries}) != len(entries):
        raise Malformed("a routing table without legs, or two for one slot", code="routing")
    return Routing(
        str(table["type"]), str(table["handover"]), int(str(table["version"])), str(table["urgency"]), entries
    )


def _entry(value: Json) -> Entry:
    leg = fields(value, {"slot": int, "principal": str, "leg": str, "reply_to": str})
    return Entry(int(str(leg["slot"])), str(leg["principal"]), str(leg["leg"]), str(leg["reply_to"]))


def _secrets(node: Node, parsed: Parsed, statement: Statement, slot: Slot, routing: Routing) -> Secrets:
    """The node's own keys, and those of each agency it hosts, out of its slot."""
    keys = _held_keys(slot, NODE_PARTS)
    readers: dict[str, tuple[int, ...]] = {}
    for entry in routing.entries:
        if area_of(entry.principal) != node.area:
            raise NotForUs("a leg for another area's agency", code="leg_area")
        theirs = _agency_slot(node, parsed, statement, entry)
        numbers = tuple(n for n, key in enumerate(theirs.keys) if key is not None and n > ROUTING)
        keys |= _held_keys(theirs, numbers)
        readers[entry.principal] = numbers
    return Secrets(keys, readers)


def _agency_slot(node: Node, parsed: Parsed, statement: Statement, entry: Entry) -> Slot:
    if not 0 < entry.slot < len(parsed.slots):
        raise Malformed("the routing table names a slot that is not there", code="routing")
    node.network.principal(entry.principal)
    theirs = open_slot(parsed, entry.slot, net=node.network.net, opener=node.keys.opener(entry.principal))
    check_slot(statement, theirs)
    return theirs


def _held_keys(slot: Slot, numbers: Sequence[int]) -> dict[int, bytes]:
    return {number: key for number in numbers if (key := slot.keys[number]) is not None}


# --- the one transaction ----------------------------------------------------------------------------


def _store(tx: Transaction, node: Node, opened: Opened, now: int) -> Sequence[TaskRow]:
    statement = opened.statement
    known = tx.envelope_at(opened.peer, statement.stream, statement.seq)
    if known is not None:
        return _repeated(tx, node, known, opened)
    if tx.envelope(statement.mid) is not None or not tx.put_envelope(_row(opened, now)):
        raise Replayed("a message id that was used before, with another content", code="mid")
    _advance_stream(tx, opened)
    tx.settle_seen(opened.peer, statement.seen.stream, statement.seen.seq)
    log_leaf(tx, "received", now, mid=statement.mid, stmt=b64(statement.hash), env=b64(opened.parsed.digest))
    if opened.routing is None:
        return _store_receipts(tx, node, opened, now)
    return _store_message(tx, node, opened, opened.routing, now)


def _repeated(tx: Transaction, node: Node, known: EnvelopeRow, opened: Opened) -> Sequence[TaskRow]:
    """Same place, same statement: answer with the stored receipts, byte for byte. Another statement:
    the peer has said two things in one place."""
    if known.statement != opened.statement.hash:
        raise Replayed("two different messages in one place of a stream", code="equivocation")
    ours = tx.receipts(mid=known.mid, by=node.principal)
    tx.mark_sent([receipt.hash for receipt in ours], "")
    return ()


def _advance_stream(tx: Transaction, opened: Opened) -> None:
    """Keep the highest sequence number below which nothing is missing, for our next ``seen``."""
    statement, peer = opened.statement, opened.peer
    row = tx.stream(peer, outgoing=False)
    if row is None or row.stream != statement.stream:
        if row is not None:
            log.warning("a peer began a new stream", peer=peer, code="new_stream")
        row = StreamRow(peer, False, statement.stream, 0, bytes(32))
    if statement.seq == row.seq + 1 and statement.prev != row.head:
        log.warning("a statement does not follow its predecessor", peer=peer, code="prev", seq=statement.seq)
    for seq, head in tx.received_after(peer, statement.stream, row.seq, CATCH_UP):
        if seq != row.seq + 1:
            break
        row = replace(row, seq=seq, head=head)
    tx.put_stream(row)


def _store_receipts(tx: Transaction, node: Node, opened: Opened, now: int) -> Sequence[TaskRow]:
    """Each receipt stands by itself: one that is not acceptable is logged and leaves the others standing."""
    news: list[TaskRow] = []
    for receipt in opened.notes:
        try:
            news += receipts.take(tx, node, receipt, peer=opened.peer, came_in=opened.statement.mid, now=now)
        except Refused as error:
            log.warning("receipt refused", peer=opened.peer, by=receipt.by, code=error.code)
    return news


def _store_message(
    tx: Transaction, node: Node, opened: Opened, routing: Routing, now: int
) -> Sequence[TaskRow]:
    envelope = tx.envelope(opened.statement.mid)
    assert envelope is not None  # noqa: S101 - stored in this very transaction
    if routing.kind == REPLY:
        news = _store_reply(tx, node, opened, routing, now)
    else:
        news = _store_legs(tx, node, opened, routing, now)
    receipts.sign(tx, node, by=node.principal, envelope=envelope, state="received", now=now, parts=NODE_PARTS)
    return news


def _store_legs(tx: Transaction, node: Node, opened: Opened, routing: Routing, now: int) -> Sequence[TaskRow]:
    """Legs and their tasks. A leg we already hold is not made twice: the origin sealed it again."""
    if not routing.handover.startswith(f"HO-{opened.peer}-"):
        raise Forged("a handover under another area's reference", code="handover_area")
    tx.put_handover(
        HandoverRow(
            ref=routing.handover,
            version=routing.version,
            side=Side.DESTINATION,
            origin=opened.peer,
            destination=node.area,
            urgency=routing.urgency,
            state=HandoverState.ISSUED,
            submitted_by="",
            created=now,
            updated=now,
        )
    )
    fresh = [leg for leg in _legs(node, opened, routing, now) if tx.put_leg(leg)]
    tasks = [_task(node, leg, Parcel.NOTIFICATION, now) for leg in fresh]
    for task in tasks:
        tx.put_task(task)
    return tasks


def _legs(node: Node, opened: Opened, routing: Routing, now: int) -> Sequence[LegRow]:
    """Our deadlines run from the same moment as the origin's: that of the receipt signed with this."""
    due = deadlines(routing.urgency, now)
    return [
        LegRow(
            id=entry.leg,
            ref=routing.handover,
            version=routing.version,
            side=Side.DESTINATION,
            principal=entry.principal,
            agency=node.network.principal(entry.principal).agency,
            counterpart=entry.reply_to,
            state=LegState.DELIVERED,
            urgency=routing.urgency,
            mid=opened.statement.mid,
            delivered=now,
            acknowledge_by=due.acknowledge_by,
            decide_by=due.decide_by,
            updated=now,
        )
        for entry in routing.entries
    ]


def _store_reply(
    tx: Transaction, node: Node, opened: Opened, routing: Routing, now: int
) -> Sequence[TaskRow]:
    """A sealed reply goes to the agency it is sealed to, if the leg is one of ours with this peer."""
    tasks = []
    for entry in routing.entries:
        leg = tx.leg(entry.leg)
        if leg is None or leg.side is not Side.ORIGIN or area_of(leg.principal) != opened.peer:
            raise Forged("a reply about a leg that this peer does not hold", code="reply_leg")
        task = replace(
            _task(node, leg, Parcel.REPLY, now), principal=entry.principal, mid=opened.statement.mid
        )
        task = replace(
            task, id=f"reply-{opened.statement.mid}", state=receipts.parking(node, entry.principal)
        )
        tx.put_task(task)
        tasks.append(task)
    return tasks


def _task(node: Node, leg: LegRow, kind: Parcel, now: int) -> TaskRow:
    return TaskRow(
        id=f"{kind.value}-{leg.id}",
        kind=kind,
        principal=leg.principal,
        leg=leg.id,
        mid=leg.mid,
        state=receipts.parking(node, leg.principal),
        due=now,
        created=now,
    )


def _row(opened: Opened, now: int) -> EnvelopeRow:
    statement, routing = opened.statement, opened.routing
    row = EnvelopeRow(
        mid=statement.mid,
        side=Side.DESTINATION,
        kind=int(statement.kind),
        peer=opened.peer,
        stream=statement.stream,
        seq=statement.seq,
        statement=statement.hash,
        digest=opened.parsed.digest,
        expires=statement.expires,
        body=opened.parsed.raw,
        ref=routing.handover if routing else "",
        version=routing.version if routing else 0,
        created=now,
    )
    if opened.record_key is None or opened.secrets is None:
        return row
    wrapped = opened.record_key.wrap(opened.secrets)
    return replace(row, secrets=wrapped.secrets, record_key=wrapped.record_key, epoch=wrapped.epoch)
