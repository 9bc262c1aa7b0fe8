"""A leg's clocks: started by the signed receipt, started anew when that turns out to have been earlier.

Duty: to set the timers ``acknowledge`` and ``decide`` of a leg. :mod:`gateway.flows.late` says what they do.

Each deadline has one timer at a time; firing sets the next. So a leg that is answered on its first day has
cost two rows, and there is nothing to drop.
"""

from __future__ import annotations

from typing import Final

from gateway.core.deadlines import WHOLE, part_of_way
from gateway.flows.timers import set_timer
from gateway.ports import LegRow, Transaction

STEPS: Final = (50, 80, WHOLE)
"""Percent of the way: two warnings, and the deadline."""

ACKNOWLEDGE: Final = "acknowledge"
DECIDE: Final = "decide"


def start(tx: Transaction, leg: LegRow) -> None:
    """The clock of a leg that had none: its three columns say from when and until when."""
    for kind in (ACKNOWLEDGE, DECIDE):
        set_step(tx, leg, kind, STEPS[0])


def restart(tx: Transaction, leg: LegRow) -> None:
    """The same leg with other times: an earlier receipt has come, or the deadlines were moved. What has
    fired does not fire again."""
    told = tx.timers(leg.id)
    for kind in (ACKNOWLEDGE, DECIDE):
        tx.drop_timers(kind, leg.id)
        fired = {row.step for row in told if row.kind == kind and row.fired}
        left = [step for step in STEPS if step not in fired]
        if left:
            set_step(tx, leg, kind, left[0])


def set_step(tx: Transaction, leg: LegRow, kind: str, step: int) -> int:
    """Set one, and return when it falls due."""
    due = part_of_way(leg.delivered, deadline(leg, kind), step)
    set_timer(tx, kind, leg.id, due, step)
    return due


def deadline(leg: LegRow, kind: str) -> int:
    return leg.acknowledge_by if kind == ACKNOWLEDGE else leg.decide_by
