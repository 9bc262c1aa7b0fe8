"""A notice has content destroyed: at once and by the node itself, attested, watched until all have done it.

Kinds: WITHDRAWAL, UNLAWFUL_DISCLOSURE, ERASURE, PURGE_ORDER. From the transaction that keeps such a notice on
nobody opens what it is about (:func:`gateway.flows.parcels.bar`). The rest is clocks, each in a transaction
of its own, so that a crash leaves nothing half done:

    notice_destroy   the keys go (:mod:`gateway.flows.retention`, :mod:`gateway.flows.shred`)
    notice_attest    once the key store has forgotten them and nothing opens: PURGE_ATTESTATION to the sender
    purge_overdue    whoever has not said COMPLETED by its date: an alarm at both sides

Rules
-----
- A legal hold comes first: nothing is destroyed while it stands, an alarm says so, and every day it is looked
  at again. Nobody opens it meanwhile.
- Of one section, the parts that hold it go, with what else is in them: what is left could not be told apart.
- Where the person's agreement is withdrawn, only what nobody else may read goes.
- The attestation of the node is of its own store. What an agency has destroyed, the agency attests, with its
  own key, in its receipt ``completed`` (:mod:`gateway.flows.notice_answer`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from gateway.core.deadlines import add_working_days
from gateway.core.durations import DAY
from gateway.core.encoding import JsonObject
from gateway.core.notices import PURGE_DAYS, TYPES, NoticeKind
from gateway.core.retention import Why
from gateway.core.states import HandoverState, advance_handover
from gateway.errors import Conflict, NotFound
from gateway.flows import holds, retention, shred
from gateway.flows.alarms import settle, sound
from gateway.flows.node import Node
from gateway.flows.notice_legs import outstanding
from gateway.flows.notice_out import Drawn, Reader, send, words_of
from gateway.flows.parcels import facts, spared
from gateway.flows.shred import Person
from gateway.flows.shred_plan import Piece, Plan, make
from gateway.flows.timers import set_again, set_timer
from gateway.ports import (
    HandoverRow,
    LegRow,
    NoticeRow,
    Parcel,
    Side,
    Task,
    TaskRow,
    TimerRow,
    Transaction,
)

DESTROY: Final = "notice_destroy"
ATTEST: Final = "notice_attest"
OVERDUE: Final = "purge_overdue"
"""Kinds of timers; the last is the alarm, too."""

HELD: Final = "erasure_held"
"""The alarm: a notice asks for what a legal hold forbids."""

SOON: Final = 60
"""Seconds until it is looked at again whether the key store has forgotten."""

BY: Final = Person("notice", "node")

WHY: Final = {
    NoticeKind.WITHDRAWAL: Why.WITHDRAWN,
    NoticeKind.UNLAWFUL_DISCLOSURE: Why.UNLAWFUL,
    NoticeKind.ERASURE: Why.ERASED,
    NoticeKind.PURGE_ORDER: Why.ORDERED,
}
ENDS: Final = frozenset({NoticeKind.ERASURE, NoticeKind.PURGE_ORDER})
"""Kinds after which the handover is PURGED; after the others it is WITHDRAWN."""


def begin(tx: Transaction, node: Node, row: NoticeRow, told: JsonObject, now: int) -> Sequence[TaskRow]:
    """Effect of such a notice at the node that gets it: see the module."""
    if NoticeKind(row.kind) not in ENDS and "legs" not in told:
        withdraw(tx, row, now)
    set_again(tx, DESTROY, row.id, now)
    watch(tx, row, told, now)
    return ()


def watch(tx: Transaction, row: NoticeRow, told: JsonObject, now: int) -> None:
    """The clock until which the agencies have destroyed their copies; at both sides."""
    due = told.get("due")
    set_timer(tx, OVERDUE, row.id, due if isinstance(due, int) else add_working_days(now, PURGE_DAYS))


def withdraw(tx: Transaction, notice: NoticeRow, now: int) -> None:
    """Every version that it is about and that is under way is WITHDRAWN."""
    for row in about(tx, notice):
        try:
            after = advance_handover(HandoverState(row.state), "withdrawn", ())
        except Conflict:  # it has ended another way
            continue
        tx.advance_handover(row.ref, row.version, row.state, after, now)


def about(tx: Transaction, notice: NoticeRow) -> Sequence[HandoverRow]:
    """The versions that a notice is about: those that its sender had sent. A later one is another matter."""
    return [row for row in versions(tx, notice.ref) if row.version <= notice.version]


def versions(tx: Transaction, ref: str) -> Sequence[HandoverRow]:
    newest = tx.handover(ref)
    if newest is None:
        return ()
    older = (tx.handover(ref, version) for version in range(1, newest.version))
    return [*(row for row in older if row is not None), newest]


# --- the keys ---------------------------------------------------------------------------------------


def fire(tx: Transaction, node: Node, timer: TimerRow, now: int) -> Sequence[TaskRow]:
    """``notice_destroy``: the keys go, unless a legal hold stands."""
    row = tx.notice(timer.subject)
    if row is None:
        return ()
    if holds.held(tx, row.ref):
        sound(tx, HELD, peer=row.peer, at=now, subject=row.id)
        set_again(tx, DESTROY, row.id, now + DAY)
        return ()
    settle(tx, HELD, peer=row.peer, at=now, why="hold_ended", about=row.id)
    if whole(row):
        for version in about(tx, row):
            _version(tx, node, version, row, now)
    else:
        for plan in partial_plans(tx, node, row):
            shred.destroy(tx, node, BY, plan, f"NOTICE_{row.kind}", now, force=True)
    if row.side is Side.DESTINATION:
        set_again(tx, ATTEST, row.id, now)
    return ()


def whole(row: NoticeRow) -> bool:
    return not {"section", "legs"} & facts(row).keys()


def _version(tx: Transaction, node: Node, version: HandoverRow, row: NoticeRow, now: int) -> None:
    why = WHY[NoticeKind(row.kind)]
    plan = keeping_notices(tx, retention.plan_of(tx, node, version))
    if plan.pieces:
        retention.destroy(tx, node, version, plan, why, BY, now)
    end_deliveries(tx, version)
    if NoticeKind(row.kind) in ENDS and version.state != HandoverState.PURGED:
        tx.advance_handover(version.ref, version.version, version.state, HandoverState.PURGED, now)


def keeping_notices(tx: Transaction, plan: Plan) -> Plan:
    """Without the messages that say that it is to be destroyed."""
    return replace(plan, pieces=[one for one in plan.pieces if one.parts and not spared(tx, one.row.mid)])


def end_deliveries(tx: Transaction, version: HandoverRow) -> None:
    """No agency is given what is gone; notices still reach it."""
    for leg in tx.legs(version.ref, version.version):
        for task in tx.tasks_of(leg.id):
            if task.kind in (Parcel.NOTIFICATION, Parcel.REPLY) and task.state is not Task.DONE:
                tx.advance_task(task.id, task.state, Task.DONE, error="withdrawn")


def partial_plans(tx: Transaction, node: Node, row: NoticeRow) -> Sequence[Plan]:
    """What goes of each version where not all of it does; none where nothing is left to go."""
    section = facts(row).get("section")
    only = _alone_of(tx, row) if "legs" in facts(row) else None
    plans = []
    for version in about(tx, row):
        try:
            found = make(tx, node, version.ref, version.version, _text(section), others=True)
        except NotFound:  # it stands in no part here, or is gone
            continue
        plan = keeping_notices(tx, found)
        plans.append(plan if only is None else _alone(plan, only))
    return [plan for plan in plans if plan.pieces]


def _alone_of(tx: Transaction, row: NoticeRow) -> set[str]:
    """The agencies whose parts go, with those that gave it back before: none of these reads it any more."""
    legs = [leg for one in about(tx, row) for leg in tx.legs(one.ref, one.version)]
    back = {leg.principal for leg in legs if gave_back(tx, leg)}
    return {reader.principal for reader in tx.notice_legs(row.id)} | back


def gave_back(tx: Transaction, leg: LegRow) -> bool:
    """Whether a leg was returned as misdirected, whatever became of it since."""
    return any(one.state == "returned" for one in tx.receipts(mid=leg.mid, by=leg.principal))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _alone(plan: Plan, readers: set[str]) -> Plan:
    """The parts that nobody but ``readers`` may read."""
    return replace(plan, pieces=[one for piece in plan.pieces if (one := _of(piece, readers)).parts])


def _of(piece: Piece, readers: set[str]) -> Piece:
    others = {n for name, parts in piece.secrets.readers.items() if name not in readers for n in parts}
    return replace(piece, parts=tuple(number for number in piece.parts if number not in others))


def opens(tx: Transaction, node: Node, row: NoticeRow) -> bool:
    """Whether this node still holds a key to what a notice says is to go."""
    if not whole(row):
        return bool(partial_plans(tx, node, row))
    plans = [keeping_notices(tx, retention.plan_of(tx, node, one)) for one in about(tx, row)]
    return any(plan.pieces for plan in plans)


def check_destroyed(tx: Transaction, node: Node, row: NoticeRow) -> None:
    """Raises Conflict while this node can still open what an agency says is destroyed."""
    if tx.punctures() or opens(tx, node, row):
        held = holds.held(tx, row.ref)
        raise Conflict(
            "this node still holds keys to what you say is destroyed",
            code="not_destroyed",
            remedy="a legal hold stands on it: answer REJECTED with LEGAL_HOLD"
            if held
            else "it destroys them within moments: say it again then",
        )


# --- the attestation --------------------------------------------------------------------------------


def attest(tx: Transaction, node: Node, timer: TimerRow, now: int) -> Sequence[TaskRow]:
    """``notice_attest``: tell the sender that nothing opens here any more, once that is so."""
    row = tx.notice(timer.subject)
    if row is None or _attested(tx, row):
        return ()
    if tx.punctures():
        set_again(tx, ATTEST, row.id, now + SOON)
    elif opens(tx, node, row):
        sound(tx, "purge_readable", peer=node.area, at=now, subject=row.id)
        set_again(tx, ATTEST, row.id, now + DAY)
    else:
        _send(tx, node, row, now)
    return ()


def _attested(tx: Transaction, row: NoticeRow) -> bool:
    return any(
        one.kind == NoticeKind.PURGE_ATTESTATION and one.by.endswith("/node")
        for one in tx.notices(parent=row.id)
    )


def _send(tx: Transaction, node: Node, row: NoticeRow, now: int) -> None:
    passed_on = any(one.kind == row.kind for one in tx.notices(parent=row.id))
    told: JsonObject = {
        "about": row.id,
        "copies_destroyed": True,
        "log_contains_payload": False,
        "onward_disclosure": passed_on,
    }
    drawn = Drawn(
        row.ref, row.version, NoticeKind.PURGE_ATTESTATION, "ORDERED", node.principal, (), told, row.id
    )
    if reader := to_sender(tx, node, row, drawn):
        send(tx, node, drawn, [reader], now)


def to_sender(tx: Transaction, node: Node, row: NoticeRow, drawn: Drawn) -> Reader | None:
    """Whoever at the other side stands behind a notice that came; None while its leg is not known here."""
    for reader in tx.notice_legs(row.id):
        if not reader.onward and tx.leg(reader.leg) is not None:
            words = words_of(node, drawn, "NODE")
            return Reader(reader.counterpart, reader.leg, reader.principal, words)
    return None


# --- whoever has not done it ------------------------------------------------------------------------


def overdue(tx: Transaction, node: Node, timer: TimerRow, now: int) -> Sequence[TaskRow]:
    """``purge_overdue``: people at both sides hear of agencies that have not attested; every day again."""
    row = tx.notice(timer.subject)
    late = [leg for leg in outstanding(tx, row) if TYPES[NoticeKind(row.kind)].destroys] if row else []
    if row is None or not late:
        return ()
    for leg in late:
        sound(tx, OVERDUE, peer=row.peer, at=now, subject=f"{row.id} {leg.principal}")
    set_timer(tx, OVERDUE, row.id, now + DAY, step=timer.step + 1)
    return ()
