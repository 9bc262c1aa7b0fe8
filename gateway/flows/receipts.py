"""Receipts: making our own in their chain, judging a peer's, and moving legs by them.

``prev`` chains one principal's receipts for one message (protocol 5). Receipts travel in separate envelopes
and may overtake each other, so a receipt is stored when it verifies and applied when its predecessor has
been: what a leg went through is the signed chain, whatever the order of arrival.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from gateway.core.encoding import b64, integer
from gateway.core.envelope import SKEW, Kind
from gateway.core.notes import peek_body
from gateway.core.receipts import ZERO, About, Receipt, make_receipt
from gateway.core.states import ANSWERED, DECISIONS, HandoverState, LegState, advance_leg, follow
from gateway.errors import Conflict, Forged, Refused
from gateway.flows import actions, closing, notice_legs, purge_clock, stale, streams
from gateway.flows.alarms import sound
from gateway.flows.clocks import restart, start
from gateway.flows.disclosed import check_parts
from gateway.flows.node import Node, area_of, lane_for, log_leaf
from gateway.flows.slots import keeps_own_key
from gateway.flows.timers import set_again
from gateway.flows.urgency import due_for
from gateway.ports import (
    EnvelopeRow,
    LegEvent,
    LegRow,
    NoticeRow,
    Parcel,
    ReceiptRow,
    Side,
    Task,
    TaskRow,
    Transaction,
)

NODE_RECEIPTS = frozenset({"received", "refused"})
"""What a node answers with its own key; every other state is an agency's to sign."""

RETURNED = "returned"
"""The timer by which a leg that came back as misdirected is dealt with (:mod:`gateway.flows.returned`)."""

log = structlog.get_logger("receive")


def about(envelope: EnvelopeRow) -> About:
    """What a receipt for this stored envelope is about; the sender is its own signed name."""
    return About(envelope.digest, f"{envelope.peer}/node", envelope.mid, envelope.statement)


def sign(
    tx: Transaction,
    node: Node,
    *,
    by: str,
    envelope: EnvelopeRow,
    state: str,
    now: int,
    leg: LegRow | None = None,
    code: str = "",
    parts: Sequence[int] = (),
    reply: bytes | None = None,
    first: bool = False,
    urgent: bool = False,
) -> Receipt:
    """Make the next receipt of ``by`` for a received message and leave it to be packed.

    ``first``: the message was stored a moment ago in this transaction, so there can be none before it.
    ``urgent``: it is, where no ``leg`` says so.
    """
    earlier = () if first else tx.receipts(mid=envelope.mid, by=by)
    receipt = make_receipt(
        node.keys.signer(by),
        net=node.network.net,
        about=about(envelope),
        at=now if first else _dated(node, envelope, now),
        state=state,
        code=code,
        parts=parts,
        prev=earlier[-1].hash if earlier else ZERO,
        reply=reply,
    )
    keep(tx, receipt, envelope, leg, now, urgent=urgent)
    return receipt


def _dated(node: Node, envelope: EnvelopeRow, now: int) -> int:
    """``now``, and of a clock that went back since the message came: not before the message, as its sender
    dated it. A receipt from before its message is refused, and would be missed for ever; one from the
    message's own second leaves when our clock has come so far (:mod:`gateway.flows.dispatch`)."""
    if now >= envelope.created or not (note := streams.stored_note(node, envelope)):
        return now
    return max(now, integer(peek_body(note), "created"))


def keep(
    tx: Transaction,
    receipt: Receipt,
    envelope: EnvelopeRow,
    leg: LegRow | None,
    now: int,
    *,
    urgent: bool = False,
) -> None:
    """Leave a receipt of our side to be packed: signed here, or by an agency that keeps its own key."""
    urgent = urgent or (leg is not None and leg.urgency == "URGENT")
    tx.put_receipt(_row(receipt, envelope, ours=True, applied=True, leg=leg.id if leg else "", urgent=urgent))
    log_leaf(
        tx, "receipt", now, receipt=b64(receipt.hash), mid=envelope.mid, by=receipt.by, state=receipt.state
    )


def chain_lock(tx: Transaction, peer: str) -> None:
    """Hold off other workers that answer to ``peer`` until this transaction ends.

    Two of an agency's receipts with one predecessor would fork its chain, which proves to nobody then what
    it said. The lock of our outgoing stream serves: whoever answers takes it anyway.
    """
    tx.stream(peer, outgoing=True)


def take(
    tx: Transaction, node: Node, notes: Sequence[Receipt], *, peer: str, came_in: str, now: int
) -> list[TaskRow]:
    """Store a peer's verified receipts and apply what their arrival makes possible.

    Returns the news for agencies. Each receipt stands by itself: one that is about no message of ours, about
    other bytes, by somebody who was not asked or from another time is logged and leaves the others standing.
    """
    by_message: Mapping[str, list[Receipt]] = defaultdict(list)
    for receipt in notes:
        by_message[receipt.about.mid].append(receipt)
    news: list[TaskRow] = []
    for mid, told in by_message.items():
        message = _message(tx, mid)
        for receipt in told:
            try:
                news += _take(tx, node, receipt, message, peer=peer, came_in=came_in, now=now)
            except Refused as error:
                log.warning("receipt refused", peer=peer, by=receipt.by, code=error.code)
        if message.moved and message.envelope:
            settle_handover(tx, message.envelope.ref, message.envelope.version, now)
    return news


@dataclass(slots=True)
class _Message:
    """What receipts are about: looked up once for all that tell of it. ``moved``: a leg has changed state."""

    envelope: EnvelopeRow | None
    legs: list[LegRow]
    moved: bool = False
    notice: NoticeRow | None = None
    readers: frozenset[str] = frozenset()


def _message(tx: Transaction, mid: str) -> _Message:
    """``legs``: those this message of ours carries; none when it is our reply to another area's handover, or
    a notice: no answer to a notice moves a leg."""
    envelope = tx.envelope(mid)
    legs = tx.legs(envelope.ref, envelope.version) if envelope else ()
    if envelope and all(leg.mid != mid for leg in legs) and (notice := tx.notice_of(mid)) is not None:
        readers = frozenset(reader.principal for reader in tx.notice_legs(notice.id))
        return _Message(envelope, [], False, notice, readers)
    return _Message(envelope, [leg for leg in legs if leg.side is Side.ORIGIN])


def _take(
    tx: Transaction, node: Node, receipt: Receipt, message: _Message, *, peer: str, came_in: str, now: int
) -> Sequence[TaskRow]:
    """One receipt. Raises Forged."""
    envelope = _belongs(node, receipt, message.envelope, peer)
    if receipt.at > now + SKEW:  # deadlines run from it: one from the future would never fall due
        raise Forged("a receipt from the future", code="receipt_date")
    leg = next((leg for leg in message.legs if leg.principal == receipt.by), None)
    if receipt.state not in NODE_RECEIPTS and leg is None and receipt.by not in message.readers:
        raise Forged("a receipt by an agency that this message was not for", code="receipt_by")
    chain = tx.receipts(mid=envelope.mid, by=receipt.by)
    next_one = receipt.prev in _applied(chain)
    row = _row(receipt, envelope, applied=next_one, leg=leg.id if leg else "", sent_in=came_in)
    if not tx.put_receipt(row):
        stale.again(tx, node, row, envelope, now)  # its mark may have met a publisher's commit and been lost
        return ()
    if leg is not None:
        check_parts(tx, node, receipt, envelope, leg, now)
    log_leaf(
        tx, "receipt", now, receipt=b64(receipt.hash), mid=envelope.mid, by=receipt.by, state=receipt.state
    )
    if not next_one:
        return ()
    news = list(_apply(tx, node, envelope, message, row, now))
    for waited in _successors(chain, receipt.hash):
        tx.mark_applied(waited.hash)
        news += _apply(tx, node, envelope, message, waited, now)
    return news


def _belongs(node: Node, receipt: Receipt, envelope: EnvelopeRow | None, peer: str) -> EnvelopeRow:
    """The message that a receipt is about. Raises Forged."""
    told = receipt.about
    if envelope is None or envelope.side is not Side.ORIGIN or envelope.kind != Kind.MESSAGE:
        raise Forged("a receipt for a message that we did not send", code="receipt_about")
    if (told.env, told.stmt, told.sender) != (envelope.digest, envelope.statement, node.principal):
        raise Forged("a receipt for other bytes than those we sent", code="receipt_hash")
    if area_of(receipt.by) != peer or peer != envelope.peer:
        raise Forged("a receipt by an area that this message was not for", code="receipt_by")
    if (receipt.state in NODE_RECEIPTS) != (receipt.by == f"{peer}/node"):
        raise Forged("a node answers for itself and an agency for itself", code="receipt_role")
    if receipt.at < envelope.created - SKEW:
        raise Forged("a receipt dated before its message", code="receipt_date")
    return envelope


def _applied(chain: Sequence[ReceiptRow]) -> Collection[bytes]:
    """What a receipt may follow. Not the newest alone: a peer whose database was put back from a backup
    begins its agencies' chains again where the backup stood, and what they decide then is their word. The
    table of states says what it moves; what was decided before stands."""
    return {ZERO, *(row.hash for row in chain if row.applied)}


def _successors(chain: Sequence[ReceiptRow], head: bytes) -> Sequence[ReceiptRow]:
    """Those that waited for ``head``, each after its predecessor."""
    waiting = [row for row in chain if not row.applied]
    ready, heads = [], [head]
    for one in heads:
        found = [row for row in waiting if row.prev == one]
        ready += found
        heads += [row.hash for row in found]
    return ready


def _apply(
    tx: Transaction, node: Node, envelope: EnvelopeRow, message: _Message, receipt: ReceiptRow, now: int
) -> Sequence[TaskRow]:
    if stale.again(tx, node, receipt, envelope, now):
        for leg in message.legs:
            if _concerns(receipt, leg, envelope):
                stale.note_refusal(tx, leg, receipt, now)
        return ()
    if receipt.state in NODE_RECEIPTS:
        tx.settle_message(envelope.mid)
    if receipt.state == "refused" and not envelope.ref:  # a segment of a file: no leg says that it is lost
        code, note = receipt.code, receipt.note
        sound(tx, "attachment_refused", peer=envelope.peer, at=now, subject=code, evidence=note)
    if message.notice is not None and notice_legs.apply(tx, message.notice, receipt):
        set_again(tx, notice_legs.SETTLED, message.notice.id, now)
    news: list[TaskRow] = []
    for place, leg in enumerate(message.legs):
        if _concerns(receipt, leg, envelope):
            after, told = move(tx, node, leg, receipt, now)
            message.moved |= after.state != leg.state
            message.legs[place] = after
            news += told
    return news


def _concerns(receipt: ReceiptRow, leg: LegRow, envelope: EnvelopeRow) -> bool:
    """A node answers for every leg; but of a message that was sealed again and then refused, none: its
    successor stands."""
    if receipt.state == "refused":
        return leg.mid == envelope.mid
    if receipt.state in NODE_RECEIPTS:  # of a two-tier destination each node answers for its own tier
        return area_of(leg.principal) == envelope.peer
    return leg.principal == receipt.by


def move(
    tx: Transaction, node: Node, leg: LegRow, receipt: ReceiptRow, now: int
) -> tuple[LegRow, Sequence[TaskRow]]:
    """Move one leg by one applied receipt and make the news for its counterpart, if there is any.

    Returns the leg as it stands then, and the news. A receipt that the table does not allow from here is kept
    as evidence and moves nothing: states go along the table only, whatever a peer signs.
    """
    try:
        after = advance_leg(LegState(leg.state), receipt.state)
    except Conflict:
        event = LegEvent(
            leg.id, now, f"ignored:{receipt.state}", leg.state, leg.state, receipt.by, receipt.code
        )
        tx.advance_leg(leg.id, leg.state, leg.state, event)
        if leg.state in ANSWERED and leg.state not in DECISIONS.get(receipt.state, ANSWERED):
            # Decided anew at a node whose database was put back. What its people say and what stands here
            # differ: each may believe that the other has the case.
            sound(tx, "decided_twice", peer=receipt.peer, at=now, subject=leg.id, evidence=receipt.note)
        return leg, ()
    changes = clocks(tx, leg, receipt.state, receipt.at)
    event = LegEvent(leg.id, receipt.at, receipt.state, leg.state, after, receipt.by, receipt.code)
    if not tx.advance_leg(leg.id, leg.state, after, event, **changes):
        # Another worker moved it since we looked (dispatch: transmitted). The receipt is applied once only,
        # so it is applied now, to where the leg stands now.
        return move(tx, node, tx.leg(leg.id) or leg, receipt, now)
    told = [news_for(tx, node, leg, receipt, now)] if changes or after != leg.state else ()
    moved = replace(leg, state=after, updated=receipt.at, **changes)
    if "delivered" in changes:
        (restart if leg.delivered else start)(tx, moved)
    if after in (LegState.RETURNED, LegState.PURGED) and receipt.state in ("returned", "opened"):
        set_again(tx, RETURNED, leg.id, now)
    started = "delivered" in changes
    return actions.follow(tx, moved, receipt.state, receipt.at, now, started=started), told


def clocks(tx: Transaction, leg: LegRow, state: str, at: int) -> dict[str, Any]:
    """The columns that a receipt's own time sets. Deadlines run from the receiving node's signed receipt; an
    agency's that overtook it starts them for the while, and never lets them end later."""
    changes: dict[str, Any] = {}
    if not leg.delivered or (state == "received" and at < leg.delivered):
        due = due_for(tx, leg.ref, leg.urgency, at)
        changes = {"delivered": at, "acknowledge_by": due.acknowledge_by, "decide_by": due.decide_by}
    if state == "opened" and not leg.opened:
        changes["opened"] = at
    return changes


def news_for(tx: Transaction, node: Node, leg: LegRow, receipt: ReceiptRow, now: int) -> TaskRow:
    """Tell the counterpart agency. The id follows from the receipt, so a repeat makes no second parcel."""
    task = TaskRow(
        id=f"status-{leg.id}-{receipt.hash.hex()[:16]}",
        kind=Parcel.STATUS,
        principal=leg.counterpart,
        leg=leg.id,
        mid="",
        state=parking(node, leg.counterpart),
        due=now,
        created=now,
        subject=receipt.state,
        lane=lane_for(leg.urgency),
    )
    tx.put_task(task)
    return task


def parking(node: Node, principal: str) -> Task:
    """Agencies that fetch, or keep their own key, find their parcels parked; for the others they are due."""
    binding = node.agencies.get(principal)
    fetches = binding is None or binding.adapter.pulls or keeps_own_key(node, principal)
    return Task.PARKED if fetches else Task.WAITING


def settle_handover(tx: Transaction, ref: str, version: int, now: int) -> None:
    """Advance the handover to where its legs have brought it."""
    row = tx.handover(ref, version)
    if row is None:
        return
    legs = tx.legs(ref, version)
    after = follow(HandoverState(row.state), [LegState(leg.state) for leg in legs])
    if after != row.state:
        tx.advance_handover(ref, version, row.state, after, now)
        row = tx.handover(ref, version) or row  # another worker may have been quicker
    purge_clock.nearer(tx, row, legs)
    closing.when_ready(tx, row, now)


def _row(
    receipt: Receipt,
    envelope: EnvelopeRow,
    *,
    applied: bool,
    ours: bool = False,
    leg: str = "",
    sent_in: str = "",
    urgent: bool = False,
) -> ReceiptRow:
    return ReceiptRow(
        hash=receipt.hash,
        mid=envelope.mid,
        by=receipt.by,
        state=receipt.state,
        code=receipt.code,
        at=receipt.at,
        prev=receipt.prev,
        note=receipt.note,
        peer=envelope.peer,
        ours=ours,
        leg=leg,
        ref=envelope.ref,
        version=envelope.version,
        sent_in=sent_in,
        applied=applied,
        urgent=urgent,
    )
