"""A message whose life ended before the peer took it is sealed again, never lost (protocol 4.5).

New message id, new sequence number, current keys; the same parts byte for byte, the same legs. The receiver
tells a handover that it already has by (handover, version, leg) and answers the new message all the same.
Its sender is told. What may not be sent any more, or cannot be sealed, ends its legs instead
(:mod:`gateway.flows.undelivered`). Receipts are packed again; nothing else of kinds 2 and 3 outlives its day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import structlog

from gateway.core.envelope import Kind, split
from gateway.flows import outgoing, stale, undelivered
from gateway.flows.node import Node
from gateway.flows.opening import REKEY
from gateway.flows.vault import open_parts
from gateway.flows.waiting import tell
from gateway.ports import EnvelopeRow, LegEvent, Outbound, OutboxRow, TaskRow, Transaction

log = structlog.get_logger("reseal")

OPEN = (Outbound.WAITING, Outbound.PUBLISHED)


async def reseal(node: Node, row: OutboxRow) -> None:
    """Replace one outbox row by a fresh message with the same content."""
    envelope = await node.store.read(lambda tx: tx.envelope(row.mid))
    if envelope is None or envelope.kind != Kind.MESSAGE:
        await node.store.write(lambda tx: _again(tx, row))
        return
    if not envelope.secrets:
        await _end(node, row, "undeliverable", "no_keys")
        return
    handover = await node.store.read(lambda tx: tx.handover(envelope.ref, envelope.version))
    if not undelivered.may_go_again(handover, node.clock.now()):
        await _end(node, row, "expired", "expired")
        return
    sending = sending_again(node, envelope, row, node.clock.now())
    await node.store.write(lambda tx: _replace(tx, node, row, sending))
    why = "its key is gone" if row.error == REKEY else "its life ended unanswered"
    log.warning("sealed again", peer=row.peer, mid=row.mid, reason=why)


async def _end(node: Node, row: OutboxRow, event: str, why: str) -> None:
    """It is sent no more: its legs end, and their counterparts are told."""
    log.error("not sealed again", peer=row.peer, mid=row.mid, code=why)
    news = await node.store.write(partial(_give_up, node=node, row=row, event=event, why=why))
    for task in news:
        node.wake.agency(task.principal, task.lane)


def _give_up(tx: Transaction, *, node: Node, row: OutboxRow, event: str, why: str) -> Sequence[TaskRow]:
    if not tx.advance_outbox(row.id, OPEN, Outbound.SETTLED, error=why):
        return ()  # its receipt came
    return undelivered.give_up(tx, node, row.mid, event, node.clock.now())


def _again(tx: Transaction, row: OutboxRow) -> None:
    if tx.advance_outbox(row.id, OPEN, Outbound.SETTLED, error="expired"):
        tx.mark_sent([receipt.hash for receipt in tx.receipts(sent_in=row.mid)], "")


def sending_again(node: Node, envelope: EnvelopeRow, row: OutboxRow, now: int) -> outgoing.Sending:
    """The same parts for the same readers, under the keys of today. Raises as :func:`outgoing.seal` does."""
    secrets, contents = open_parts(node, envelope)
    return outgoing.seal(
        node,
        kind=Kind.MESSAGE,
        to=row.peer,
        lane=row.lane,
        priority=split(envelope.body).priority,
        readers=secrets.readers,
        contents=contents,
        now=now,
        ref=envelope.ref,
        version=envelope.version,
    )


def _replace(tx: Transaction, node: Node, row: OutboxRow, sending: outgoing.Sending) -> None:
    now = node.clock.now()
    why = REKEY if row.error == REKEY else ""
    if not tx.advance_outbox(row.id, OPEN, Outbound.SETTLED, error=why or "expired"):
        return  # its receipt came while we sealed
    legs = tx.legs_of_message(row.mid)
    sealed = outgoing.store(tx, node, sending, now)
    if (notice := tx.notice_of(row.mid)) is not None:
        tx.put_notice_message(sealed.mid, notice.id)
        tx.change_notice(notice, replace(notice, mid=sealed.mid))
    if why:
        stale.count(tx, row.mid, sealed.mid)
    for leg in legs:
        event = LegEvent(leg.id, now, "resealed", leg.state, leg.state, node.principal, why)
        tx.advance_leg(leg.id, leg.state, leg.state, event, mid=sealed.mid)
        if not why:
            tell(tx, node, leg, "resealed", now, again=sealed.mid)
