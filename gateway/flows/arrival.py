"""The one transaction of a receipt (protocol 4.5): envelope, stream, log, legs, tasks, receipt "received".

What a proven sender may not send is kept too, with the signed receipt "refused": its place in the stream must
be filled, for a hole would stop our ``seen`` there and the peer would publish its receipts again for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from gateway.core.encoding import b64
from gateway.core.envelope import Kind
from gateway.core.notices import Block
from gateway.core.states import HandoverState, LegState
from gateway.errors import Forged, Replayed
from gateway.flows import (
    actions,
    attachments,
    clocks,
    documents,
    effects,
    glass,
    match,
    notice_in,
    operations,
    purge_clock,
    receipts,
    seen,
    spoc,
    stale,
    streams,
    urgent,
    versions,
)
from gateway.flows.alarms import sound
from gateway.flows.control import Came
from gateway.flows.heard import hear
from gateway.flows.node import PRIORITY, Node, area_of, lane_for, log_leaf
from gateway.flows.opening import NODE_PARTS, REKEY, REPLY, Opened, Routing
from gateway.flows.slots import KEY_MISSING, keeps_own_key
from gateway.flows.urgency import due_for
from gateway.ports import (
    EnvelopeRow,
    HandoverRow,
    LegRow,
    Parcel,
    Side,
    Task,
    TaskRow,
    Transaction,
)

log = structlog.get_logger("receive")


def store(tx: Transaction, node: Node, opened: Opened, now: int) -> Sequence[TaskRow]:
    """Keep one message with what follows from it.

    Returns the parcels for agencies. Raises Replayed for what contradicts the stream, Refused otherwise.
    """
    envelope = _keep(tx, node, opened, now)
    if envelope is None:
        return _repeated(tx, node, opened, now)
    if opened.glass is not None:
        glass.flag(tx, opened.glass, opened.glass_note, opened.statement.mid, now)
    if opened.routing is None:
        hear(tx, node, Came(opened.peer, opened.statement, now), opened.sections)
        return receipts.take(tx, node, opened.notes, peer=opened.peer, came_in=opened.statement.mid, now=now)
    return _store_message(tx, node, opened, opened.routing, envelope, now)


def store_carried(tx: Transaction, node: Node, opened: Opened, now: int) -> Sequence[TaskRow] | None:
    """The same for an answer that a person brought from an area without a gateway; None for one that was
    brought before. It has no place in a stream that anybody follows, and no receipt goes back by itself."""
    row = _row(opened, now)
    if not tx.put_envelope(row):
        stored = tx.envelope(row.mid)
        if stored is None or stored.side is not Side.DESTINATION or stored.digest != row.digest:
            raise _reused()
        return None
    if row.ref:
        purge_clock.late(tx, row.ref, row.version, now)
    log_leaf(tx, "received", now, mid=row.mid, stmt=b64(row.statement), env=b64(row.digest))
    if opened.routing is not None:
        return _store_reply(tx, node, opened, opened.routing, now)
    return receipts.take(tx, node, opened.notes, peer=opened.peer, came_in=row.mid, now=now)


def store_refused(tx: Transaction, node: Node, proven: Opened, code: str, now: int) -> None:
    """The sealed bytes as evidence, their place in the stream, and the signed refusal (protocol 4.5)."""
    envelope = _keep(tx, node, proven, now)
    if envelope is None:
        _repeated(tx, node, proven, now)
    elif proven.statement.kind is Kind.MESSAGE:  # receipts are never receipted, and control has no receipts
        if code == REKEY:
            stale.send_cards(tx, node, proven.peer, now)
        receipts.sign(
            tx,
            node,
            by=node.principal,
            envelope=envelope,
            state="refused",
            now=now,
            code=code,
            first=True,
            urgent=pressing(proven),
        )


def _keep(tx: Transaction, node: Node, opened: Opened, now: int) -> EnvelopeRow | None:
    """The row that was put; None when its message id or its place in the stream is taken."""
    statement, row = opened.statement, _row(opened, now)
    if not tx.put_envelope(row):
        return None
    stored = tx.envelope(statement.mid)
    if stored is None or stored.side is not Side.DESTINATION:
        raise _reused()
    streams.advance(tx, node, opened, now)
    if row.ref:
        purge_clock.late(tx, row.ref, row.version, now)
    seen.heed(tx, node, opened, now)
    documents.heed(tx, node, Came(opened.peer, statement, now))
    tx.settle_seen(opened.peer, statement.seen.stream, statement.seen.seq, now)
    log_leaf(tx, "received", now, mid=statement.mid, stmt=b64(statement.hash), env=b64(opened.parsed.digest))
    return row


def _reused() -> Replayed:
    return Replayed("a message id that was used before, with another content", code="mid")


def _repeated(tx: Transaction, node: Node, opened: Opened, now: int) -> Sequence[TaskRow]:
    """Same place, same statement: answer with the stored receipts, byte for byte. Another statement:
    the peer has said two things in one place. Another place: it has used a message id twice."""
    known = tx.envelope_at(opened.peer, opened.statement.stream, opened.statement.seq)
    if known is None:
        raise _reused()
    if known.statement != opened.statement.hash:
        raise Replayed("two different messages in one place of a stream", code="equivocation")
    streams.repeated(tx, opened, now)
    ours = tx.receipts(mid=known.mid, by=node.principal)
    tx.mark_sent([receipt.hash for receipt in ours], "")
    return ()


def _store_message(
    tx: Transaction, node: Node, opened: Opened, routing: Routing, envelope: EnvelopeRow, now: int
) -> Sequence[TaskRow]:
    if routing.kind == REPLY:
        news = _store_reply(tx, node, opened, routing, now)
    elif opened.notice is not None:
        news = _store_notice(tx, node, opened, routing, opened.notice, now)
    elif opened.segment is not None:
        news = attachments.take(tx, opened.peer, routing, opened.segment, envelope.mid, now)
    else:
        news = _store_legs(tx, node, opened, routing, now)
    receipts.sign(
        tx,
        node,
        by=node.principal,
        envelope=envelope,
        state="received",
        now=now,
        parts=NODE_PARTS,
        first=True,
        urgent=pressing(opened),
    )
    return news


def pressing(opened: Opened) -> bool:
    """Whether what is signed for it goes with what is urgent. The lane does not say so: a notice comes on the
    urgent one."""
    return opened.parsed.priority == PRIORITY["URGENT"]


def _store_legs(tx: Transaction, node: Node, opened: Opened, routing: Routing, now: int) -> Sequence[TaskRow]:
    """Legs and their tasks. A leg we already hold is not made twice: the origin sealed it again."""
    if not routing.handover.startswith(f"HO-{opened.peer}-"):
        raise Forged("a handover under another area's reference", code="handover_area")
    newest = tx.handover(routing.handover)
    if newest and newest.drill != routing.facts.drill:
        # A rehearsal that supersedes what is real would have it shredded; the other way round, nobody acts.
        raise Forged("a handover becomes no drill, and a drill no handover", code="drill_changed")
    before = newest.version if newest and newest.version < routing.version else 0
    row = HandoverRow(
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
        **routing.facts.columns(),
        issued=opened.statement.created,
    )
    if tx.put_handover(row):
        purge_clock.start(tx, row, now)
    urgent.arrived(tx, row, routing.facts, opened.statement.created, first=newest is None)
    fresh = [leg for leg in _legs(tx, node, opened, routing, now) if _is_new(tx, leg)]
    if fresh:
        step = operations.Step(routing.handover, routing.version, routing.facts, before, now)
        operations.arrived(tx, step, node.area, fresh)
    asks = {entry.leg: entry.asks for entry in routing.entries}
    for leg in fresh:
        actions.ask(tx, leg, asks[leg.id], node.tailoring)
        actions.received(tx, leg, now, node.tailoring)
        spoc.watch(tx, leg, now)
    parcels = [match.hold(tx, node, _task(node, leg, Parcel.NOTIFICATION, now), now) for leg in fresh]
    tasks = [_shut(tx, node, opened, parcel) for parcel in parcels]
    for task in tasks:
        tx.put_task(task)
    if fresh:
        if newest is not None:
            versions.arrived(tx, routing.handover, now)
        effects.on_handover(tx, node, routing.handover, routing.version, now)
    return tasks


def _is_new(tx: Transaction, leg: LegRow) -> bool:
    """False for a leg that we hold already. Raises Forged when its id, or its place in the handover, is
    taken by another leg: we would sign for a message that reaches nobody."""
    if tx.put_leg(leg):
        clocks.start(tx, leg)
        return True
    held = tx.leg(leg.id)
    named = ("ref", "version", "side", "principal", "counterpart")
    if held is None or any(getattr(held, name) != getattr(leg, name) for name in named):
        raise Forged("a leg under another leg's id or in another leg's place", code="leg_id")
    return False


def _legs(tx: Transaction, node: Node, opened: Opened, routing: Routing, now: int) -> Sequence[LegRow]:
    """Our deadlines run from the same moment as the origin's: that of the receipt signed with this."""
    if any(area_of(entry.reply_to) != opened.peer for entry in routing.entries):
        raise Forged("answers would go to an area that did not send this", code="reply_to")
    due = due_for(tx, routing.handover, routing.urgency, now)
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
            via=entry.via,
            duty=entry.duty,
        )
        for entry in routing.entries
    ]


def _store_reply(
    tx: Transaction, node: Node, opened: Opened, routing: Routing, now: int
) -> Sequence[TaskRow]:
    """A sealed reply goes to the counterpart of its leg, if that leg is one of ours with this peer."""
    (entry,) = routing.entries
    leg = tx.leg(entry.leg)
    if leg is None or leg.side is not Side.ORIGIN or area_of(leg.principal) != opened.peer:
        raise Forged("a reply about a leg that this peer does not hold", code="reply_leg")
    said = (entry.principal, entry.reply_to, routing.handover, routing.version)
    if said != (leg.counterpart, leg.principal, leg.ref, leg.version):
        raise Forged("a reply to another agency than the leg's counterpart", code="reply_to")
    task = replace(
        _task(node, leg, Parcel.REPLY, now),
        id=f"reply-{opened.statement.mid}",
        principal=leg.counterpart,
        mid=opened.statement.mid,
        state=receipts.parking(node, leg.counterpart),
    )
    task = _shut(tx, node, opened, task)
    tx.put_task(task)
    actions.keep(tx, leg, opened.statement.hash, entry.said)
    if entry.said:  # the receipt that names it may have overtaken it
        actions.settle(tx, leg, now)
        receipts.settle_handover(tx, leg.ref, leg.version, now)
    return [task]


def _store_notice(
    tx: Transaction, node: Node, opened: Opened, routing: Routing, block: Block, now: int
) -> Sequence[TaskRow]:
    made = notice_in.store(tx, node, opened, routing, block, now)
    tasks = [_shut(tx, node, opened, task) if task.mid else task for task in made]
    for task in tasks:
        tx.put_task(task)
    return tasks


def _shut(tx: Transaction, node: Node, opened: Opened, task: TaskRow) -> TaskRow:
    """Held, with an alarm, where this node hosts the agency and lacks its key: the message is stored and
    receipted for the others all the same, and the parcel goes on when the key is back."""
    readers = opened.secrets.readers if opened.secrets else {}
    if task.principal in readers or keeps_own_key(node, task.principal):
        return task
    sound(tx, KEY_MISSING, peer=opened.peer, at=task.created, subject=task.principal)
    return replace(task, state=Task.HELD, error=KEY_MISSING)


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
        lane=lane_for(leg.urgency),
    )


def _row(opened: Opened, now: int) -> EnvelopeRow:
    # A segment is about no leg: under its handover's name its receipts would stand among those of the legs.
    statement, routing = opened.statement, None if opened.segment else opened.routing
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
    return replace(row, secrets=wrapped.secrets, epoch=wrapped.epoch)
