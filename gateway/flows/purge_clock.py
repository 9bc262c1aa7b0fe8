"""The clock of a purge: set when a version is stored, and what is known of its date (domain 3.5).

Apart from the purge itself (:mod:`gateway.flows.retention`), so that whoever stores a message can set it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.core.retention import AFTER_ACKNOWLEDGED, Due, look_again, purge_due
from gateway.core.states import ACKNOWLEDGED, TERMINAL, HandoverState, LegState
from gateway.flows.timers import set_timer
from gateway.ports import HandoverRow, LegRow, Transaction

PURGE: Final = "purge"
REVIEW: Final = "review"
ATTEST: Final = "attest"
"""Kinds of timers."""

_SETTLED: Final = ACKNOWLEDGED | TERMINAL


def start(tx: Transaction, row: HandoverRow, now: int) -> None:
    """The clocks of a version that was put a moment ago: none of its legs can have ended."""
    due = purge_due(row.issued or row.created, row.purge_after, ())
    set_timer(tx, PURGE, name(row.ref, row.version), look_again(due, (), now))
    if row.review_by:
        set_timer(tx, REVIEW, name(row.ref, row.version), row.review_by)


def nearer(tx: Transaction, row: HandoverRow, legs: Sequence[LegRow]) -> None:
    """A leg has moved by a receipt: with the last of them the date may lie before the next look, for what
    counts is when each was signed and not when it came. ``legs``: all of this version."""
    if row.state == HandoverState.PURGED or not all(LegState(leg.state) in _SETTLED for leg in legs):
        return
    due = due_of(tx, row)
    for clock in tx.timers(name(row.ref, row.version)):
        if clock.kind == PURGE and not clock.fired and due.at < clock.due:
            tx.delay_timer(clock, due.at)


def name(ref: str, version: int) -> str:
    """What a timer is about."""
    return f"{ref}/{version}"


def named(subject: str) -> tuple[str, int]:
    ref, _, version = subject.rpartition("/")
    return ref, int(version)


def late(tx: Transaction, ref: str, version: int, now: int) -> None:
    """A message about a handover was stored: should that be purged already, this goes in its turn."""
    row = tx.handover(ref, version)
    if row is None or row.state != HandoverState.PURGED:
        return
    clocks = [one for one in tx.timers(name(ref, version)) if one.kind == PURGE]
    if all(one.fired for one in clocks):
        step = max((one.step for one in clocks), default=-1) + 1
        set_timer(tx, PURGE, name(ref, version), now + AFTER_ACKNOWLEDGED, step)


def due_of(tx: Transaction, row: HandoverRow, leg: LegRow | None = None) -> Due:
    """When this version is to be purged, as far as is known now. ``leg``: one of its; while that has not
    ended, no other has to be looked at."""
    waits = leg is not None and LegState(leg.state) not in _SETTLED
    return purge_due(row.issued or row.created, row.purge_after, () if waits else times(tx, row))


def times(tx: Transaction, row: HandoverRow) -> list[int]:
    """Of each leg when it was acknowledged, or ended without; 0 while neither."""
    return [_acknowledged(tx, leg) for leg in tx.legs(row.ref, row.version)]


def _acknowledged(tx: Transaction, leg: LegRow) -> int:
    if LegState(leg.state) not in _SETTLED:
        return 0
    moves = [event.at for event in tx.history(leg.id) if event.after in _SETTLED]
    return moves[0] if moves else leg.updated
