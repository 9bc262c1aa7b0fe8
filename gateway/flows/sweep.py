"""What time does by itself: deadlines that pass.

Every timer is a column in the database, so a node that was stopped catches up when it starts. A deadline
fires once: the leg says which have.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from gateway.flows import receipts
from gateway.flows.node import Node
from gateway.ports import LegEvent, LegRow, Parcel, Side, TaskRow, Transaction

BATCH = 200

log = structlog.get_logger("sweep")


async def sweep(node: Node) -> int:
    """Fire every deadline that has passed. Returns how many legs are newly late."""
    now = node.clock.now()

    def work(tx: Transaction) -> list[TaskRow]:
        return [task for leg in tx.overdue_legs(now, BATCH) for task in _fire(tx, node, leg, now)]

    news = await node.store.write(work)
    for task in news:
        node.wake.agency(task.principal)
    return len(news)


def _fire(tx: Transaction, node: Node, leg: LegRow, now: int) -> Sequence[TaskRow]:
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
