"""A leg comes back as misdirected: the order to destroy it goes out by itself, and its agency attests (F14).

Duty: what follows from the signed receipt ``returned``, at the origin (:func:`fire`) and at the agency that
gave it back (:func:`attest`). It leaves out the destruction (:mod:`gateway.flows.destruction`), the record of
a breach (:mod:`gateway.flows.breaches`) and sending it to the right place (:mod:`gateway.flows.custody`).

Rules
-----
- It is a clock, set in the transaction that moves the leg: a crash, a peer without a key or a directory that
  has expired loses nothing, and nobody has to remember.
- The order is due :data:`WITHIN` after our node had the receipt; who is late is the alarm ``purge_overdue``.
- Once every leg that an area got in a version is returned, that whole version goes there; before, what nobody
  reads but those who gave it back: other agencies of that area may still need what they share.
- Nobody attests what its own node can still open (:mod:`gateway.flows.notice_answer`).

Example::

    fire(tx, node, TimerRow("returned", leg.id, due=when the receipt came), now)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.core.durations import DAY
from gateway.core.encoding import JsonObject
from gateway.core.notices import NoticeKind
from gateway.flows import breaches, effects
from gateway.flows.destruction import gave_back
from gateway.flows.node import Node, area_of
from gateway.flows.notice_out import Drawn, Reader, send, words_of
from gateway.ports import LegRow, NoticeLegRow, NoticeRow, Side, TaskRow, TimerRow, Transaction
from schemas.notice import NoticeAnswer

WITHIN: Final = DAY
"""Seconds until every copy has to be gone."""

CODE: Final = "RETURNED"
"""Why the order is given."""


def fire(tx: Transaction, node: Node, timer: TimerRow, now: int) -> Sequence[TaskRow]:
    """``returned``: the record of it, and the order. May run again: each is made once for a leg."""
    leg = tx.leg(timer.subject)
    if leg is None or leg.side is not Side.ORIGIN or not gave_back(tx, leg):
        return ()
    breaches.of_returned(tx, node, leg, timer.due, now)
    if not ordered(tx, leg):
        order(tx, node, leg, timer.due + WITHIN, now)
    return ()


def ordered(tx: Transaction, leg: LegRow) -> NoticeRow | None:
    """The order to destroy what was sent to this leg; None while there is none."""
    for row in tx.notices(ref=leg.ref):
        ours = row.kind == NoticeKind.PURGE_ORDER and row.code == CODE and row.version == leg.version
        if ours and any(reader.leg == leg.id for reader in tx.notice_legs(row.id)):
            return row
    return None


def order(tx: Transaction, node: Node, leg: LegRow, due: int, now: int) -> NoticeRow:
    """Raises Unavailable when nothing can be sealed now; the timer is tried again then."""
    told: JsonObject = {"due": due}
    if not all_returned(tx, leg):
        told["legs"] = [leg.id]
    drawn = Drawn(leg.ref, leg.version, NoticeKind.PURGE_ORDER, CODE, leg.counterpart, facts=told)
    words = words_of(node, drawn, node.network.principal(leg.counterpart).agency)
    row = send(tx, node, drawn, [Reader(leg.principal, leg.id, leg.counterpart, words)], now)
    effects.on_issue(tx, node, row, now)
    return row


def all_returned(tx: Transaction, leg: LegRow) -> bool:
    """Whether every agency of its area has given this version back."""
    there = [one for one in tx.legs(leg.ref, leg.version) if area_of(one.principal) == area_of(leg.principal)]
    return all(gave_back(tx, one) for one in there)


def attest(
    tx: Transaction, node: Node, row: NoticeRow, reader: NoticeLegRow, answer: NoticeAnswer, now: int
) -> None:
    """The agency has signed that its copies are gone: over which role, and what it says of them, goes to
    whoever gave the order, as a notice of its own."""
    leg = tx.leg(reader.leg)
    if row.kind != NoticeKind.PURGE_ORDER or answer.attestation is None or leg is None:
        return
    told: JsonObject = {"about": row.id, "agencies": [leg.agency], **answer.attestation.model_dump()}
    drawn = Drawn(
        row.ref, row.version, NoticeKind.PURGE_ATTESTATION, "ORDERED", reader.principal, (), told, row.id
    )
    words = words_of(node, drawn, leg.agency) | {"role": answer.role}
    send(tx, node, drawn, [Reader(reader.counterpart, reader.leg, reader.principal, words)], now)
