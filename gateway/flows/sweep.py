"""What time does by itself: every timer that is due fires, each once.

Every timer is a row, so a node that was stopped catches up when it starts. Each fires in a transaction of its
own, with what it does: a crash leaves it due, and of two processes on one database one finds it unfired.

Rule: what one timer meets stops no other. One whose fire is refused is tried again after :data:`AGAIN`
seconds, with an alarm; one of a kind that this release does not know is fired with an alarm, for it would
come back with every look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import structlog

from gateway.errors import GatewayError, Unavailable
from gateway.flows import receipts
from gateway.flows.alarms import sound
from gateway.flows.fires import FIRES
from gateway.flows.node import Node
from gateway.ports import LegEvent, LegRow, Parcel, Side, TaskRow, TimerRow, Transaction

BATCH = 64
"""Timers of one look: as many as the store puts into one commit."""

AGAIN = 3600
"""Seconds until a timer is tried again whose fire was refused."""

log = structlog.get_logger("sweep")


async def sweep(node: Node) -> int:
    """Fire what is due. Returns how many timers that were; 0 when nothing is left."""
    now = node.clock.now()
    late = await _late(node, now)
    due = await node.store.read(lambda tx: tx.due_timers(now, BATCH))
    news = await asyncio.gather(*(_fire(node, row, now) for row in due))
    for task in (task for tasks in news for task in tasks):
        node.wake.agency(task.principal)
    return late + len(due)


async def _fire(node: Node, row: TimerRow, now: int) -> Sequence[TaskRow]:
    try:
        return await node.store.write(partial(_work, node=node, row=row, now=now))
    except Unavailable:
        raise
    except GatewayError as error:
        log.error("a timer could not fire", kind=row.kind, subject=row.subject, code=error.code)
        await node.store.write(partial(_put_off, node=node, row=row, now=now))
        return ()


def _work(tx: Transaction, *, node: Node, row: TimerRow, now: int) -> Sequence[TaskRow]:
    if not tx.fire_timer(row, now):
        return ()  # another process was here, or its clock was started anew
    fire = FIRES.get(row.kind)
    if fire is None:
        sound(tx, "timer_unknown", peer=node.area, at=now, subject=row.kind)
        return ()
    return fire(tx, node, row, now)


def _put_off(tx: Transaction, *, node: Node, row: TimerRow, now: int) -> None:
    tx.delay_timer(row, now + AGAIN)
    sound(tx, "timer_failed", peer=node.area, at=now, subject=f"{row.kind} {row.subject}")


async def _late(node: Node, now: int) -> int:
    def work(tx: Transaction) -> list[TaskRow]:
        return [task for leg in tx.overdue_legs(now, BATCH) for task in _fire_leg(tx, node, leg, now)]

    news = await node.store.write(work)
    for task in news:
        node.wake.agency(task.principal)
    return len(news)


def _fire_leg(tx: Transaction, node: Node, leg: LegRow, now: int) -> Sequence[TaskRow]:
    """Mark the leg late and tell the agency that has to chase: the counterpart here, the leg's own there.
    Nothing when an answer came in between (another worker)."""
    fired = [name for name in leg.overdue.split(",") if name]
    which = (
        "acknowledge"
        if leg.acknowledge_by <= now and _unread(leg) and "acknowledge" not in fired
        else "decide"
    )
    event = LegEvent(leg.id, now, f"overdue:{which}", leg.state, leg.state, node.principal)
    if not tx.advance_leg(leg.id, leg.state, leg.state, event, overdue=",".join([*fired, which])):
        return ()
    log.warning("overdue", leg=leg.id, agency=leg.agency, deadline=which)
    told = leg.counterpart if leg.side is Side.ORIGIN else leg.principal
    task = TaskRow(
        id=f"overdue-{leg.id}-{which}",
        kind=Parcel.STATUS,
        principal=told,
        leg=leg.id,
        mid="",
        state=receipts.parking(node, told),
        due=now,
        created=now,
        subject=f"overdue_{which}",
    )
    tx.put_task(task)
    return (task,)


def _unread(leg: LegRow) -> bool:
    return leg.state == "DELIVERED"
