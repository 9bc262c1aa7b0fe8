"""A handover closes once somebody has said CLOSURE and nothing stands open any more (R15), the later of both.

A CLOSURE travels on the urgent lane and overtakes receipts, and either side may send one: so what it says is
no more than that the other side is ready. This node looks for itself at its own legs and actions, again with
every answer that comes.

Example::

    when_ready(tx, tx.handover("HO-E09000012-2026-000417", 1), now)   # safe to call again
"""

from __future__ import annotations

from gateway.core.notices import NoticeKind
from gateway.core.states import HandoverState, LegState, advance_handover
from gateway.errors import Conflict
from gateway.flows.actions import undecided_of
from gateway.ports import HandoverRow, Transaction


def when_ready(tx: Transaction, row: HandoverRow, now: int) -> None:
    """Close this version, where a CLOSURE about it is here, every leg is answered and nothing that blocks
    closure is undecided. Otherwise nothing happens."""
    ref, version = row.ref, row.version
    if row.state != HandoverState.ACTIVE or not _said(tx, ref, version):
        return
    legs = [LegState(leg.state) for leg in tx.legs(ref, version)]
    try:
        after = advance_handover(HandoverState(row.state), "closed", legs)
    except Conflict:
        return
    if not undecided_of(tx, ref, version):
        tx.advance_handover(ref, version, row.state, after, now)


def _said(tx: Transaction, ref: str, version: int) -> bool:
    """A closure of an earlier version does not close what was sent after it."""
    return any(one.kind == NoticeKind.CLOSURE and one.version >= version for one in tx.notices(ref=ref))
