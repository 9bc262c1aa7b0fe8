"""What a reader must see of a handover before anything else: that it is a drill, partial, downgraded, and
what its sender still owes. Codes and times only.

Leaves out what a leg waits for (:mod:`gateway.flows.show`). Rule: the receiving side is told what it acts on;
what the sender owes its own people (a second person, a review) is shown at the origin alone.
"""

from __future__ import annotations

from gateway.core.encoding import Json, JsonObject
from gateway.flows import urgent
from gateway.flows.show import when
from gateway.ports import HandoverRow, Side, TimerRow, Transaction

_OWED = {
    urgent.CALL: "the telephone call is to be on record by",
    urgent.AUTHORISER: "a second person is to agree by",
    urgent.REVIEWING: "to be reviewed by",
}


def of(tx: Transaction, ref: str, version: int) -> JsonObject:
    """``drill`` and ``notes``, to stand first in whatever is shown."""
    row = tx.handover(ref, version)
    notes: list[Json] = [*_notes(tx, row)] if row is not None else []
    return {"drill": row is not None and row.drill, "notes": notes}


def _notes(tx: Transaction, row: HandoverRow) -> list[str]:
    notes = []
    if owed := urgent.full_by(tx, row):
        notes.append(f"partial, full version owed by {when(owed)}")
    move = tx.urgent(row.ref)
    if move is not None and move.downgraded:
        notes.append(f"urgent no more since {when(move.downgraded)}")
    if row.side is Side.ORIGIN:
        notes += [f"{_OWED[timer.kind]} {when(timer.due)}" for timer in _owing(tx, row.ref)]
    return notes


def _owing(tx: Transaction, ref: str) -> list[TimerRow]:
    """The last step of each clock that runs: when it is missing for good."""
    return [row for row in tx.timers(ref) if row.kind in _OWED and row.step % 2 and not row.fired]
