"""Receipts: making our own in their chain, judging a peer's, and moving legs by them.

``prev`` chains one principal's receipts for one message (protocol 5). Receipts travel in separate envelopes
and may overtake each other, so a receipt is stored when it verifies and applied when its predecessor has
been: what a leg went through is the signed chain, whatever the order of arrival.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.deadlines import deadlines
from gateway.core.encoding import b64
from gateway.core.envelope import SKEW, Kind
from gateway.core.receipts import ZERO, About, Receipt, make_receipt
from gateway.core.states import HandoverState, LegState, advance_leg, follow
from gateway.errors import Conflict, Forged
from gateway.flows.node import Node, area_of, log_leaf
from gateway.ports import (
    EnvelopeRow,
    LegEvent,
    LegRow,
    Outbound,
    Parcel,
    ReceiptRow,
    Side,
    Task,
    TaskRow,
    Transaction,
)

NODE_RECEIPTS = frozenset({"received", "refused"})
"""What a node answers with its own key; every other state is an agency's to sign."""


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
) -> Receipt:
    """Make the next receipt of ``by`` for a received message and leave it to be packed."""
    earlier = tx.receipts(mid=envelope.mid, by=by)
    receipt = make_receipt(
        node.keys.signer(by),
        net=node.network.net,
        about=about(envelope),
        at=now,
        state=state,
        code=code,
        parts=parts,
        prev=earlier[-1].hash if earlier else ZERO,
        reply=reply,
    )
    urgent = leg is not None and leg.urgency == "URGENT"
    tx.put_receipt(_row(receipt, envelope, ours=True, leg=leg.id if leg else "", urgent=urgent))
    log_leaf(tx, "receipt", now, receipt=b64(receipt.hash), mid=envelope.mid, by=by, state=state)
    return receipt


def chain_lock(tx: Transaction, peer: str) -> None:
    """Hold off other workers that answer to ``peer`` until this transaction ends.

    Two of an agency's receipts with one predecessor would fork its chain, and the origin applies one branch
    only. The lock of our outgoing stream serves: whoever answers takes it anyway.
    """
    tx.stream(peer, outgoing=True)


def take(
    tx: Transaction, node: Node, receipt: Receipt, *, peer: str, came_in: str, now: int
) -> Sequence[TaskRow]:
    """Store a peer's verified receipt and apply what its arrival makes possible.

    Returns the news for agencies. Raises Forged when it is about no message of ours, about other bytes, by
    somebody who was not asked, or from another time.
    """
    envelope = tx.envelope(receipt.about.mid)
    _belongs(node, receipt, envelope, peer)
    if receipt.at > now + SKEW:  # deadlines run from it: one from the future would never fall due
        raise Forged("a receipt from the future", code="receipt_date")
    assert envelope is not None  # noqa: S101 - _belongs raised otherwise; this tells the type checker
    legs = _legs(tx, envelope)
    leg = next((leg for leg in legs if leg.principal == receipt.by), None)
    if receipt.state not in NODE_RECEIPTS and leg is None:
        raise Forged("a receipt by an agency that this message was not for", code="receipt_by")
    row = _row(receipt, envelope, ours=False, leg=leg.id if leg else "", sent_in=came_in)
    if not tx.put_receipt(row):
        return ()
    log_leaf(
        tx, "receipt", now, receipt=b64(receipt.hash), mid=envelope.mid, by=receipt.by, state=receipt.state
    )
    return [news for next_one in _in_order(tx, row) for news in _apply(tx, node, envelope, next_one, now)]


def _belongs(node: Node, receipt: Receipt, envelope: EnvelopeRow | None, peer: str) -> None:
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


def _legs(tx: Transaction, envelope: EnvelopeRow) -> Sequence[LegRow]:
    """The legs this message of ours carries: none when it is our reply to somebody else's handover."""
    return [leg for leg in tx.legs(envelope.ref, envelope.version) if leg.side is Side.ORIGIN]


def _in_order(tx: Transaction, new: ReceiptRow) -> Sequence[ReceiptRow]:
    """The receipts that can be applied now, each after its predecessor."""
    chain = tx.receipts(mid=new.mid, by=new.by)
    head = next((row.hash for row in reversed(_applied(chain))), ZERO)
    waiting = {row.prev: row for row in chain if not row.applied}
    ready = []
    while head in waiting:
        ready.append(waiting.pop(head))
        head = ready[-1].hash
    return ready


def _applied(chain: Sequence[ReceiptRow]) -> Sequence[ReceiptRow]:
    """The applied ones along their own links, whatever order they were stored in."""
    by_prev = {row.prev: row for row in chain if row.applied}
    ordered, head = [], ZERO
    while head in by_prev:
        ordered.append(by_prev.pop(head))
        head = ordered[-1].hash
    return ordered


def _apply(
    tx: Transaction, node: Node, envelope: EnvelopeRow, receipt: ReceiptRow, now: int
) -> Sequence[TaskRow]:
    tx.mark_applied(receipt.hash)
    legs = _legs(tx, envelope)
    if receipt.state in NODE_RECEIPTS:
        if outbox := tx.outbox_of(envelope.mid):
            tx.advance_outbox(outbox.id, [Outbound.WAITING, Outbound.PUBLISHED], Outbound.SETTLED)
        if receipt.state == "refused":  # a message since sealed again was refused: its successor stands
            legs = [leg for leg in legs if leg.mid == envelope.mid]
    else:
        legs = [leg for leg in legs if leg.principal == receipt.by]
    news = [task for leg in legs for task in move(tx, node, leg, receipt, now)]
    if legs:
        settle_handover(tx, envelope.ref, envelope.version, now)
    return news


def move(tx: Transaction, node: Node, leg: LegRow, receipt: ReceiptRow, now: int) -> Sequence[TaskRow]:
    """Move one leg by one applied receipt and make the news for its counterpart, if there is any.

    A receipt that the table does not allow from here is kept as evidence and moves nothing: states go along
    the table only, whatever a peer signs.
    """
    try:
        after = advance_leg(LegState(leg.state), receipt.state)
    except Conflict:
        event = LegEvent(
            leg.id, now, f"ignored:{receipt.state}", leg.state, leg.state, receipt.by, receipt.code
        )
        tx.advance_leg(leg.id, leg.state, leg.state, event)
        return ()
    changes = clocks(leg, receipt.state, receipt.at)
    event = LegEvent(leg.id, receipt.at, receipt.state, leg.state, after, receipt.by, receipt.code)
    if not tx.advance_leg(leg.id, leg.state, after, event, **changes):
        # Another worker moved it since we looked (dispatch: transmitted). The receipt is applied once only,
        # so it is applied now, to where the leg stands now.
        return move(tx, node, tx.leg(leg.id) or leg, receipt, now)
    return [news_for(tx, node, leg, receipt, now)] if changes or after != leg.state else ()


def clocks(leg: LegRow, state: str, at: int) -> dict[str, object]:
    """The columns that a receipt's own time sets. Deadlines run from the receiving node's signed receipt; an
    agency's that overtook it starts them for the while, and never lets them end later."""
    changes: dict[str, object] = {}
    if not leg.delivered or (state == "received" and at < leg.delivered):
        due = deadlines(leg.urgency, at)
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
    )
    tx.put_task(task)
    return task


def parking(node: Node, principal: str) -> Task:
    """Agencies that fetch find their parcels parked; for the others they are due."""
    binding = node.agencies.get(principal)
    return Task.PARKED if binding is None or binding.adapter.pulls else Task.WAITING


def settle_handover(tx: Transaction, ref: str, version: int, now: int) -> None:
    """Advance the handover to where its legs have brought it."""
    row = tx.handover(ref, version)
    if row is None:
        return
    after = follow(HandoverState(row.state), [LegState(leg.state) for leg in tx.legs(ref, version)])
    if after != row.state:
        tx.advance_handover(ref, version, row.state, after, now)


def _row(
    receipt: Receipt,
    envelope: EnvelopeRow,
    *,
    ours: bool,
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
        applied=ours,
        urgent=urgent,
    )
