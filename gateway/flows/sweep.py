"""What time does by itself: every timer that is due fires, each once.

Every timer is a row, so a node that was stopped catches up when it starts. Each fires in a transaction of its
own, with what it does: a crash leaves it due, and of two processes on one database one finds it unfired.

Rules: what one timer meets stops no other. One whose fire is refused is tried again after :data:`AGAIN`
seconds, with an alarm; one of a kind that this release does not know is fired with an alarm, for it would
come back with every look. A look takes :data:`BATCH` of them and no more, however many are due, and the other
pumps' transactions come in between. A node that was off for a week has many to fire: half of each look is for
what has fallen due just now, so that a call that is due today does not wait behind last week's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import structlog

from gateway.core.deadlines import london_day
from gateway.core.holidays import holidays_end_soon, holidays_known_until
from gateway.errors import GatewayError, Unavailable
from gateway.flows import undelivered
from gateway.flows.alarms import sound
from gateway.flows.fires import FIRES
from gateway.flows.node import Node
from gateway.ports import TaskRow, TimerRow, Transaction

BATCH = 64
"""Timers of one look: as many as the store puts into one commit."""

FRESH = 600
"""Seconds for which a timer counts as fallen due just now."""

AGAIN = 3600
"""Seconds until a timer is tried again whose fire was refused."""

log = structlog.get_logger("sweep")


async def sweep(node: Node) -> int:
    """Fire what is due. Returns how many timers that were; 0 when nothing is left."""
    now = node.clock.now()
    due = await node.store.read(lambda tx: _due(tx, now))
    news = await asyncio.gather(*(_fire(node, row, now) for row in due))
    for task in (task for tasks in news for task in tasks):
        node.wake.agency(task.principal, task.lane)
    await undelivered.look(node, now)
    await _warn(node, now)
    return len(due)


def _due(tx: Transaction, now: int) -> Sequence[TimerRow]:
    oldest = tx.due_timers(now, BATCH)
    if len(oldest) < BATCH or oldest[-1].due >= now - FRESH:
        return oldest
    fresh = tx.due_timers(now, BATCH // 2, since=now - FRESH)
    return [*fresh, *oldest[: BATCH - len(fresh)]]  # none is in both: the oldest are all older


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


async def _warn(node: Node, now: int) -> None:
    """The bank holidays that this release knows end within half a year: standing until a newer one runs."""
    if holidays_end_soon(london_day(now)) and "holidays" not in node.told:
        year = str(holidays_known_until().year)
        await node.store.write(lambda tx: sound(tx, "holidays_end", peer=node.area, at=now, subject=year))
        node.told["holidays"] = now
