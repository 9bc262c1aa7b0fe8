"""A notice goes on to those who got the person from us (R23; s.48(7), (9) DPA 2018), and back comes how far.

A node that receives a notice about a handover from which an onward handover was sent passes it on by itself:
in codes, to every recipient of any version of the onward handover, with a task for its own agencies to verify
what they had sent. It knows the onward handover by ``onward_of``; nobody has to remember.

Rules
-----
- Words are not passed on: they were sealed to our agencies and are theirs to weigh. The onward handover is a
  message of ours, and its correction is our agencies' to write.
- Nobody is reported done before every reader further on has taken it in: each node tells the one before it
  how many are outstanding, and again when that has changed (:mod:`gateway.flows.onward`).
- It is a clock, so that a peer without a key, or an expired directory, loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.core.encoding import JsonObject
from gateway.core.notices import NoticeKind
from gateway.flows import effects
from gateway.flows.destruction import to_sender
from gateway.flows.node import Node
from gateway.flows.notice_legs import outstanding
from gateway.flows.notice_out import Drawn, Reader, send, send_all, words_of
from gateway.flows.notices import newest_legs
from gateway.flows.parcels import concerns, facts
from gateway.flows.receipts import parking
from gateway.ports import HandoverRow, Lane, NoticeRow, Parcel, Side, TaskRow, TimerRow, Transaction

KEPT = ("section", "evidence", "contested", "due")
"""Facts that mean the same of an onward handover. Legs, versions and ids are those of another one."""


def fire(tx: Transaction, node: Node, timer: TimerRow, now: int) -> Sequence[TaskRow]:
    """``notice_cascade``: pass a notice on, once."""
    row = tx.notice(timer.subject)
    if row is None:
        return ()
    tasks: list[TaskRow] = []
    for onward in _onward(tx, row):
        if not any(one.ref == onward.ref for one in _passed_on(tx, row)):
            for child in _pass_on(tx, node, row, onward, now):
                effects.on_issue(tx, node, child, now)
            tasks += _verify(tx, node, row, onward, now)
    if tasks:
        _report(tx, node, row, now)
    for task in tasks:
        tx.put_task(task)
    return tasks


def _onward(tx: Transaction, row: NoticeRow) -> Iterator[HandoverRow]:
    """The newest version of each handover that drew on this one, by an agency that the notice concerns."""
    for onward in tx.onward_from(row.ref):
        newest = tx.handover(onward.ref)
        whole = "legs" not in facts(row)
        if newest and newest.version == onward.version and (whole or concerns(tx, row, onward.submitted_by)):
            yield onward


def _passed_on(tx: Transaction, row: NoticeRow) -> Sequence[NoticeRow]:
    return [one for one in tx.notices(parent=row.id) if one.kind == row.kind and one.side is Side.ORIGIN]


def _pass_on(
    tx: Transaction, node: Node, row: NoticeRow, onward: HandoverRow, now: int
) -> Sequence[NoticeRow]:
    kind = NoticeKind(row.kind)
    told: JsonObject = {name: value for name, value in facts(row).items() if name in KEPT}
    if kind is NoticeKind.RESTRICTION_LIFTED:
        lifted = [one for one in tx.notices(parent=row.parent) if one.ref == onward.ref]
        if not lifted:
            return ()
        told["about"] = lifted[0].id
    drawn = Drawn(onward.ref, onward.version, kind, row.code, node.principal, (), told, row.id)
    words = words_of(node, drawn, "NODE")
    legs = newest_legs(tx, onward.ref, onward.version)
    readers = [Reader(leg.principal, leg.id, leg.counterpart, words) for leg in legs]
    return send_all(tx, node, drawn, readers, now)


def _verify(tx: Transaction, node: Node, row: NoticeRow, onward: HandoverRow, now: int) -> Sequence[TaskRow]:
    """For our agencies that had passed the person on: what they sent rests on what is wrong now."""
    legs = tx.legs(onward.ref, onward.version)
    ours = {leg.counterpart: leg.id for leg in legs} | {onward.submitted_by: legs[0].id if legs else ""}
    return [
        TaskRow(
            id=f"notice-{row.id}-{leg}-{principal.partition('/')[2]}",
            kind=Parcel.NOTICE,
            principal=principal,
            leg=leg,
            mid="",
            state=parking(node, principal),
            due=now,
            created=now,
            subject=row.id,
            lane=Lane.URGENT,
        )
        for principal, leg in sorted(ours.items())
        if leg
    ]


# --- back to whoever told us ------------------------------------------------------------------------


def settled(tx: Transaction, node: Node, timer: TimerRow, now: int) -> Sequence[TaskRow]:
    """``notice_settled``: how far those are to whom a notice was passed on has changed."""
    row = tx.notice(timer.subject)
    before = tx.notice(row.parent) if row and row.parent else None
    if row is not None and before is not None and row.kind == before.kind:
        _report(tx, node, before, now)
    return ()


def _report(tx: Transaction, node: Node, row: NoticeRow, now: int) -> None:
    """One line for each area that we passed a notice on to."""
    for child in _passed_on(tx, row):
        told: JsonObject = {
            "about": row.id,
            "area": child.peer,
            "onward": len(tx.notice_legs(child.id)),
            "unresolved": len(outstanding(tx, child)),
        }
        drawn = Drawn(
            row.ref, row.version, NoticeKind.CASCADE_REPORT, row.code, node.principal, (), told, row.id
        )
        if reader := to_sender(tx, node, row, drawn):
            send(tx, node, drawn, [reader], now)
