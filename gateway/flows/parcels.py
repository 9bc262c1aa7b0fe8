"""Parcels and notices: the leg that a parcel belongs to, and what an agency must see before a handover.

A notice that says that something is wrong is shown before what it is about, to an adapter and to a person
alike (s.38(5)(c) DPA 2018): until it has been handed over, the handover waits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.core.notices import HELD_BACK, NoticeKind
from gateway.errors import Conflict
from gateway.ports import LegRow, Parcel, Side, Task, TaskRow, Transaction

NOTICE_FIRST: Final = "notice_first"
"""Why a parcel waits: a notice about it has to be seen before."""

LONG: Final = 3600
"""Seconds until a parcel that waits for a notice is looked at without being called."""


def leg_of(tx: Transaction, task: TaskRow) -> LegRow | None:
    """A notice may have come before its handover, or be about none: then a leg that says what is known."""
    leg = tx.leg(task.leg)
    row = tx.notice(task.subject) if leg is None and task.kind is Parcel.NOTICE else None
    if row is None:
        return leg
    reader = next((one for one in tx.notice_legs(row.id) if one.leg == task.leg), None)
    return LegRow(
        id=task.leg,
        ref=row.ref,
        version=row.version,
        side=row.side,
        principal=task.principal,
        agency=task.principal.partition("/")[2].upper(),
        counterpart=reader.counterpart if reader else row.by,
        state="DELIVERED",
        urgency=row.urgency,
        mid=row.mid,
    )


def notice_waits(tx: Transaction, leg: LegRow) -> bool:
    """Whether this leg's agency has to see a notice before its handover."""
    for row in tx.notices(ref=leg.ref):
        if row.side is Side.DESTINATION and NoticeKind(row.kind) in HELD_BACK:
            task = tx.task(task_id(row.id, next(_legs(tx, row.id, leg.principal), "")))
            if task is not None and task.state is not Task.DONE:
                return True
    return False


def check_notice_seen(tx: Transaction, leg: LegRow) -> None:
    """Raises Conflict while it has not."""
    if notice_waits(tx, leg):
        raise Conflict(
            "a notice about this handover has to be read first",
            code=NOTICE_FIRST,
            remedy="GET /v1/inbox lists it as a parcel of kind notice: open that one, then this",
        )


def _legs(tx: Transaction, notice: str, principal: str) -> Iterator[str]:
    return (reader.leg for reader in tx.notice_legs(notice) if reader.principal == principal)


def task_id(notice: str, leg: str) -> str:
    return f"notice-{notice}-{leg}"


def set_back(tx: Transaction, task: TaskRow, now: int) -> None:
    """A handover that was claimed and may not be shown yet."""
    tx.advance_task(task.id, Task.WAITING, Task.WAITING, due=now + LONG, error=NOTICE_FIRST)


def let_on(tx: Transaction, notice: TaskRow, leg: LegRow, now: int) -> None:
    """The agency has the notice: what waited for it is due."""
    newest = tx.handover(leg.ref) if leg.ref else None
    for version in range(1, newest.version + 1 if newest else 1):
        for other in tx.legs(leg.ref, version):
            if other.principal == notice.principal:
                _due(tx, other.id, now)


def _due(tx: Transaction, leg: str, now: int) -> None:
    for task in tx.tasks_of(leg):
        if task.kind is Parcel.NOTIFICATION and task.error == NOTICE_FIRST:
            tx.advance_task(task.id, Task.WAITING, Task.WAITING, due=now)
