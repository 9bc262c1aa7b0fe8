"""What a leg is waiting for, who of ours has to act, and how they are told.

Duty: shared by the clocks of a leg (:mod:`gateway.flows.late`), by the calls to people
(:mod:`gateway.flows.escalation`) and by the watch over what is not delivered
(:mod:`gateway.flows.undelivered`). It decides nothing about time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.core.states import HandoverState, LegState
from gateway.flows import receipts
from gateway.flows.clocks import ACKNOWLEDGE, DECIDE
from gateway.flows.node import Node, area_of, lane_for
from gateway.ports import LegEvent, LegRow, Parcel, Side, TaskRow, Transaction

DELIVER: Final = "deliver"

_L = LegState
OPEN: Final[Mapping[str, frozenset[str]]] = {
    DELIVER: frozenset({_L.QUEUED, _L.TRANSMITTED}),
    ACKNOWLEDGE: frozenset({_L.DELIVERED}),
    DECIDE: frozenset({_L.DELIVERED, _L.RECEIVED, _L.INFO_REQUESTED}),
}
"""The states of a leg in which each of these has not happened yet."""

_H = HandoverState
UNDER_WAY: Final = frozenset({_H.ISSUED, _H.PARTLY_ACKNOWLEDGED, _H.FULLY_ACKNOWLEDGED, _H.ACTIVE})


NEXT_STEPS: Final[Mapping[str, str]] = {
    "undelivered": "it is sent again by itself; telephone the agency, and see `gateway handover why`",
    "resealed": "nobody there has taken it in its life of three days: it was sealed and sent once more",
    "expired": "it may not be sent any more: telephone the agency, then hand in a reviewed version",
    "undeliverable": "it is not sent again: telephone the agency, and hand it over another way",
    "overdue_acknowledge": "nobody has acknowledged: telephone, or acknowledge it",
    "overdue_decide": "nobody has accepted or declined: telephone, or answer it",
}
"""What the agency that is told of these can do next."""


def awaits(tx: Transaction, leg: LegRow, what: str) -> bool:
    """Whether it is still waited for. Not when a newer version has come, or the handover has ended."""
    if leg.state not in OPEN[what]:
        return False
    newest = tx.handover(leg.ref)
    return newest is not None and newest.version == leg.version and newest.state in UNDER_WAY


def ours(leg: LegRow) -> str:
    """The agency of this area that has to act: the counterpart at the origin, the leg's own where it went."""
    return leg.counterpart if leg.side is Side.ORIGIN else leg.principal


def theirs(leg: LegRow) -> str:
    """The area on the other side."""
    return area_of(leg.principal if leg.side is Side.ORIGIN else leg.counterpart)


def note(tx: Transaction, node: Node, leg: LegRow, what: str, event: str, now: int, **more: str) -> bool:
    """A line ``event:what`` in the leg's history, with ``more`` of its columns. False when ``what`` has
    happened since we looked."""
    code = more.pop("code", "")
    line = LegEvent(leg.id, now, f"{event}:{what}", leg.state, leg.state, node.principal, code)
    if tx.advance_leg(leg.id, leg.state, leg.state, line, **more):
        return True
    moved = tx.leg(leg.id)  # another worker moved it; what we wait for may not have come all the same
    if moved is None or not awaits(tx, moved, what):
        return False
    return note(tx, node, moved, what, event, now, code=code, **more)


def tell(tx: Transaction, node: Node, leg: LegRow, subject: str, now: int, *, again: str = "") -> TaskRow:
    """A parcel with news of a leg to our agency. Its id follows from what it says (and from ``again``, where
    that may be said more than once), so that a repeat makes no second one."""
    told = ours(leg)
    task = TaskRow(
        id="-".join(filter(None, (subject, leg.id, again))),
        kind=Parcel.STATUS,
        principal=told,
        leg=leg.id,
        mid="",
        state=receipts.parking(node, told),
        due=now,
        created=now,
        subject=subject,
        lane=lane_for(leg.urgency),
    )
    tx.put_task(task)
    return task
