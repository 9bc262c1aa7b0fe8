"""The only way out: due outbox rows -> bundles -> the broker, confirmed -> rows advanced.

A row stays, and is published again with growing pauses, until the peer has answered: a handover with its
signed receipt, receipts by the peer's cumulative ``seen``. A crash after the publish and before the commit
publishes twice; the receiver tells by (sender, stream, sequence). Our own receipts wait in their table and
are packed here, several to one envelope, so that the broker learns no states (protocol 5).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import structlog
from uuid_utils.compat import uuid4

from gateway.core.encoding import Json
from gateway.core.envelope import MAX_BUNDLE, MAX_BUNDLE_COUNT, Kind, bundle
from gateway.core.states import LegState, advance_leg
from gateway.errors import GatewayError, Unavailable, UnknownRecipient
from gateway.flows import anchor, outgoing, reseal
from gateway.flows.node import Node
from gateway.flows.opening import MAX_RECEIPTS, REKEY
from gateway.flows.riders import riders
from gateway.flows.vault import write_sections
from gateway.ports import (
    EnvelopeRow,
    Lane,
    LegEvent,
    LegRow,
    Outbound,
    OutboxRow,
    Outgoing,
    ReceiptRow,
    Side,
    Transaction,
)

WINDOW = 256
"""Rows claimed at once: enough to fill bundles, few enough that urgent rows never wait behind many."""

FULL = WINDOW // 2
"""Rows from which on there may be more that are due: see ``Store.claim_outbox``."""

LEASE = 60
"""Seconds a claimed row is ours alone; longer than any wait on the broker."""

PACK = MAX_RECEIPTS
"""Receipts in one envelope: as many as envelopes in a bundle, well under the envelope's 1 MiB."""

BULK = (Lane.RECEIPTS, Lane.STANDARD)
URGENT = (Lane.URGENT,)

PRESSING = (True,)
"""Of receipts: those about what is urgent, and no others."""

log = structlog.get_logger("dispatch")


@dataclass(frozen=True, slots=True)
class _Load:
    """What goes out in one AMQP message."""

    peer: str
    lane: Lane
    rows: Sequence[OutboxRow]
    envelopes: Sequence[EnvelopeRow]


@dataclass(frozen=True, slots=True)
class _Taken:
    """What was claimed, of it what must be sealed again, and what goes out. ``sent``: where the log stands
    with all of that in it (:mod:`gateway.flows.anchor`)."""

    rows: Sequence[OutboxRow]
    late: Sequence[OutboxRow]
    loads: Sequence[_Load]
    sent: bytes


async def dispatch(node: Node, lanes: Sequence[Lane]) -> int:
    """Publish what is due on ``lanes``. Returns how many rows were claimed; 0 means nothing is due."""
    now, first = node.clock.now(), Lane.URGENT in lanes
    resting = node.rests.standing(now)

    known = anchor.held(node)

    def take(tx: Transaction) -> _Taken:
        anchor.check(tx, known)
        rows = tx.claim_outbox(now, WINDOW, LEASE, lanes, worker=node.worker, resting=resting)
        late = [row for row in rows if row.expires <= now + outgoing.MARGIN or row.error == REKEY]
        loads = _loads(tx, [row for row in rows if row not in late])
        return _Taken(rows, late, loads, anchor.content_of(tx) if loads else b"")

    taken = await node.store.write(take, first=first)
    for row in taken.late:
        if row.error == outgoing.ONCE:
            await node.store.write(partial(_let_go, row=row))
        else:
            await _reseal(node, row)
    for lane in lanes if taken.late else ():
        node.wake.outbox[lane].set()  # what was sealed again waits there
    if taken.loads:
        anchor.note(node, taken.sent)
    await asyncio.gather(*(_publish(node, load) for load in taken.loads))
    return len(taken.rows)


async def _reseal(node: Node, row: OutboxRow) -> None:
    """One message that cannot be sealed now (its peer has no valid key, our directory has expired) waits; it
    must not stop the pump, and so the node, for everybody else."""
    try:
        await reseal.reseal(node, row)
    except GatewayError as error:
        log.error("cannot be sealed again", peer=row.peer, mid=row.mid, code=error.code)
        failed = error
        await node.store.write(lambda tx: _postpone(tx, node, [row], failed))


def _loads(tx: Transaction, rows: Sequence[OutboxRow]) -> Sequence[_Load]:
    grouped: Mapping[tuple[str, Lane], list[tuple[OutboxRow, EnvelopeRow]]] = defaultdict(list)
    for row in rows:
        envelope = tx.envelope(row.mid)
        if envelope is not None:
            grouped[row.peer, row.lane].append((row, envelope))
    return [
        _Load(peer, lane, *_split(chunk))
        for (peer, lane), group in grouped.items()
        for chunk in _chunks(group)
    ]


def _split(
    chunk: Sequence[tuple[OutboxRow, EnvelopeRow]],
) -> tuple[Sequence[OutboxRow], Sequence[EnvelopeRow]]:
    return [row for row, _ in chunk], [envelope for _, envelope in chunk]


def _chunks(
    group: Sequence[tuple[OutboxRow, EnvelopeRow]],
) -> Sequence[Sequence[tuple[OutboxRow, EnvelopeRow]]]:
    """Bundles within the limits of protocol 4.6."""
    chunks: list[list[tuple[OutboxRow, EnvelopeRow]]] = [[]]
    size = 0
    for pair in group:
        weight = len(pair[1].body) + 4
        if len(chunks[-1]) == MAX_BUNDLE_COUNT or size + weight > MAX_BUNDLE - 6:
            chunks.append([])
            size = 0
        chunks[-1].append(pair)
        size += weight
    return [chunk for chunk in chunks if chunk]


async def _publish(node: Node, load: _Load) -> None:
    first = load.lane is Lane.URGENT
    message = Outgoing(
        to=load.peer,
        lane=load.lane,
        body=bundle([envelope.body for envelope in load.envelopes]),
        message_id=uuid4().hex,
        urgent=load.lane is Lane.URGENT,
    )
    try:
        await node.transport.publish(message)
    except (Unavailable, UnknownRecipient) as error:
        log.warning(
            "not published", peer=load.peer, lane=load.lane.value, code=error.code, rows=len(load.rows)
        )
        failed = error
        again = node.rests.failed(load.peer, load.lane, node.clock.now(), error.code)
        await node.store.write(lambda tx: _postpone(tx, node, load.rows, failed, again), first=first)
        return
    node.rests.heard(load.peer, load.lane)
    now = node.clock.now()
    await node.store.write(lambda tx: _published(tx, node, load, now), first=first)


def _postpone(
    tx: Transaction, node: Node, rows: Sequence[OutboxRow], error: GatewayError, again: int = 0
) -> None:
    """``again``: when the peer's rest ends (:mod:`gateway.flows.rests`); 0: each by its own attempts."""
    now = node.clock.now()
    for row in rows:
        why = row.error if row.error in (outgoing.ONCE, REKEY) else error.code
        due = again or now + node.pace.again(row.attempts)
        tx.advance_outbox(row.id, [row.state], row.state, due=due, error=why, attempt=row.attempts)


def _let_go(tx: Transaction, row: OutboxRow) -> None:
    """What was to be published once and could not be while it lived: its number is asked for no more."""
    tx.advance_outbox(row.id, [row.state], Outbound.SETTLED, error="expired")


def _published(tx: Transaction, node: Node, load: _Load, now: int) -> None:
    """Conditional on the old state: the receipt may have settled the row before we got here."""
    for row, envelope in zip(load.rows, load.envelopes, strict=True):
        before = [Outbound.WAITING, Outbound.PUBLISHED]
        if row.error == outgoing.ONCE:  # settled, with the time at which it left: see flows.resend
            tx.advance_outbox(row.id, before, Outbound.SETTLED, due=now, error=row.error)
            continue
        tx.advance_outbox(row.id, before, Outbound.PUBLISHED, due=now + node.pace.again(row.attempts))
        if envelope.kind == Kind.MESSAGE:
            for leg in tx.legs_of_message(envelope.mid):
                _transmitted(tx, leg, node.principal, now)


def _transmitted(tx: Transaction, leg: LegRow, by: str, now: int) -> None:
    if leg.side is Side.ORIGIN and leg.state == LegState.QUEUED:
        after = advance_leg(LegState(leg.state), "transmitted")
        event = LegEvent(leg.id, now, "transmitted", leg.state, after, by)
        tx.advance_leg(leg.id, leg.state, after, event)


async def pack(node: Node, urgent: Sequence[bool] = (True, False)) -> int:
    """Put waiting receipts of ours into envelopes, one a peer. Returns how many were taken up: fewer than
    PACK when no others can go now.

    Sealed inside the transaction, unlike messages: the rows are locked, so no other worker packs the same
    receipt, and one seal serves up to PACK of them. Those about what is urgent travel apart, on its lane.
    """
    # The clock is read inside, after every commit whose receipts can be found: none of those is dated later.
    taken = await node.store.write(
        lambda tx: [_pack(tx, node, node.clock.now(), urgent=which) for which in urgent],
        first=False not in urgent,
    )
    for which, count in zip(urgent, taken, strict=True):
        if count:
            node.wake.outbox[_lane(urgent=which)].set()
    return sum(taken)


def _lane(*, urgent: bool) -> Lane:
    return Lane.URGENT if urgent else Lane.RECEIPTS


def _pack(tx: Transaction, node: Node, now: int, *, urgent: bool) -> int:
    """Looks further when few could be sealed: the oldest rows may all be for one peer without a key."""
    limit, taken = PACK, 0
    while True:
        rows = tx.unsent_receipts(limit, urgent=urgent)
        taken += _pack_rows(tx, node, rows, now)
        if taken >= PACK or len(rows) < limit:
            return taken
        limit *= 4


def _pack_rows(tx: Transaction, node: Node, rows: Sequence[ReceiptRow], now: int) -> int:
    by_peer: Mapping[str, list[ReceiptRow]] = defaultdict(list)
    for receipt in rows:
        if _may_go(node, receipt, now):
            by_peer[receipt.peer].append(receipt)
    return sum(_pack_for(tx, node, peer, receipts[:PACK], now) for peer, receipts in by_peer.items())


def _may_go(node: Node, receipt: ReceiptRow, now: int) -> bool:
    """Whether its reader would take it now. What a suspended key has signed, or was dated while our clock was
    ahead, would be refused alone out of an envelope that is answered, and missed for ever: it waits for its
    day. An envelope is never older than what it carries, so whoever takes the one takes the other."""
    return receipt.at <= now and not node.network.suspended(receipt.by, now)


def _pack_for(tx: Transaction, node: Node, peer: str, receipts: Sequence[ReceiptRow], now: int) -> int:
    notes: list[Json] = [receipt.note.decode() for receipt in receipts]
    sections = riders(tx, node, peer, now)
    try:
        sending = outgoing.seal(
            node,
            kind=Kind.RECEIPTS,
            to=peer,
            lane=_lane(urgent=receipts[0].urgent),
            priority=0,
            readers={},
            contents=[write_sections({**sections, "receipts": notes})],
            now=now,
        )
    except GatewayError as error:  # one peer without a valid key must not hold up the others
        log.error("receipts cannot be sealed", peer=peer, code=error.code, receipts=len(receipts))
        return 0
    sealed = outgoing.store(tx, node, sending, now)
    tx.mark_sent([receipt.hash for receipt in receipts], sealed.mid)
    return len(receipts)
