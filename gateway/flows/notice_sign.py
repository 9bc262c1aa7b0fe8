"""One signed receipt of an agency about a notice, and the move of that reader which it stands for."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.flows import notice_legs, receipts
from gateway.flows.node import Node
from gateway.flows.slots import readable
from gateway.ports import EnvelopeRow, NoticeLegRow, TaskRow, Transaction


def sign(
    tx: Transaction,
    node: Node,
    leg: NoticeLegRow,
    envelope: EnvelopeRow,
    state: str,
    now: int,
    *,
    code: str = "",
    parts: Sequence[int] = (),
) -> NoticeLegRow:
    receipts.sign(tx, node, by=leg.principal, envelope=envelope, state=state, now=now, code=code, parts=parts)
    moved = notice_legs.move(tx, leg, state, now, code)
    notice_legs.settle(tx, leg.notice)
    return moved


def opened(tx: Transaction, node: Node, task: TaskRow, envelope: EnvelopeRow, now: int) -> None:
    """The agency has the notice of this parcel, for the first time."""
    receipts.chain_lock(tx, envelope.peer)
    reader = next((one for one in tx.notice_legs(task.subject) if one.principal == task.principal), None)
    if reader is not None and reader.state == "DELIVERED":
        parts = readable(node, envelope, task.principal).readers[task.principal]
        sign(tx, node, reader, envelope, "opened", now, parts=parts)
