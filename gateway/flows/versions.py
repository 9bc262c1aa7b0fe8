"""A newer version takes the place of an older one: that is opened no more, and shredded where it came to.

Whatever order they come in: a version 1 that arrives after version 2 is superseded on arrival. What it holds
goes once every agency here has opened the newer one, and :data:`KEEP` seconds after the newer came at the
latest; never while a legal hold or a restriction stands. The origin keeps its own: it is the evidence of what
was sent, and what the next version is compared with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from gateway.core.durations import DAY
from gateway.core.retention import Why
from gateway.core.states import HandoverState, LegState, advance_handover
from gateway.errors import Conflict
from gateway.flows import holds, parcels, retention
from gateway.flows.destruction import versions
from gateway.flows.node import Node
from gateway.flows.purge_clock import name, named
from gateway.flows.shred import Person
from gateway.flows.timers import set_again, set_timer
from gateway.ports import HandoverRow, Parcel, Side, Task, TaskRow, TimerRow, Transaction

TIMER: Final = parcels.SUPERSEDED

KEEP: Final = 7 * DAY
"""Seconds that what is superseded is kept, where an agency does not open the newer version [D]."""

BY: Final = Person("superseded", "node")


def arrived(tx: Transaction, ref: str, now: int) -> None:
    """A version was stored: every one but the newest is superseded."""
    for row in versions(tx, ref)[:-1]:
        try:
            after = advance_handover(HandoverState(row.state), "superseded", ())
        except Conflict:
            continue  # it has ended already, in this or another way
        tx.advance_handover(row.ref, row.version, row.state, after, now)
        _end(tx, row)
        set_timer(tx, TIMER, name(row.ref, row.version), now + KEEP)


def _end(tx: Transaction, row: HandoverRow) -> None:
    for leg in tx.legs(row.ref, row.version):
        for task in tx.tasks_of(leg.id):
            if task.kind is Parcel.NOTIFICATION and task.state is not Task.DONE:
                tx.advance_task(task.id, task.state, Task.DONE, error=TIMER)


def fire(tx: Transaction, node: Node, timer: TimerRow, now: int) -> Sequence[TaskRow]:
    """The keys go, unless something stands against it; then it is looked at again a day later."""
    row = tx.handover(*named(timer.subject))
    if row is None or row.side is not Side.DESTINATION or row.state != HandoverState.SUPERSEDED:
        return ()
    if holds.held(tx, row.ref) or _restricted(tx, row):
        set_again(tx, TIMER, timer.subject, now + DAY)
        return ()
    plan = retention.plan_of(tx, node, row)
    kept = replace(plan, pieces=[one for one in plan.pieces if tx.notice_of(one.row.mid) is None])
    retention.destroy(tx, node, row, kept, Why.SUPERSEDED, BY, now)
    after = advance_handover(HandoverState(row.state), "purged", [LegState.PURGED])
    tx.advance_handover(row.ref, row.version, row.state, after, now)
    return ()


def _restricted(tx: Transaction, row: HandoverRow) -> bool:
    bars = [parcels.bar(tx, leg) for leg in tx.legs(row.ref, row.version)]
    return any(bar.code == parcels.RESTRICTED or bar.sections for bar in bars)
