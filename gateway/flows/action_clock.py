"""What the clock of an action does: two reminders to the agency that owes it, then it is late, on both sides.

Duty: the timer ``action`` of :mod:`gateway.flows.actions`. Each node fires by itself, from the same signed
second: the agency that owes it is reminded at half and at four fifths of the time, the one that has to chase
hears when it is late. Codes, ids and times go into the parcel; what is to be done stands in the handover.

It leaves out the deadlines of the leg itself (:mod:`gateway.flows.late`). A local action is
nobody's to chase: its own agency alone is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import structlog

from gateway.core.states import SETTLED, LegState
from gateway.flows import actions
from gateway.flows.actions import STEPS, WHOLE
from gateway.flows.node import Node
from gateway.flows.waiting import UNDER_WAY, tell
from gateway.ports import ActionRow, ActionState, LegEvent, LegRow, TaskRow, TimerRow, Transaction

EVENTS: Final = {50: "action_due50", 80: "action_due80", WHOLE: "action_overdue"}

log = structlog.get_logger("sweep")


def fire(tx: Transaction, node: Node, timer: TimerRow, now: int) -> Sequence[TaskRow]:
    found = actions.of_subject(tx, timer.subject)
    if found is None or not awaits(tx, *found):
        return ()
    leg, row = found
    if timer.step == WHOLE:
        return _late(tx, node, leg, row, now)
    following = STEPS[leg.side][STEPS[leg.side].index(timer.step) + 1]
    if actions.set_step(tx, row, following) <= now:
        return ()  # its successor has fallen due, too: what is, not what was
    return (_tell(tx, node, leg, row, timer.step, now),)


def awaits(tx: Transaction, leg: LegRow, row: ActionRow) -> bool:
    """Whether it is still to be done: open, of a leg that has not been settled, of a handover that stands."""
    newest = tx.handover(leg.ref)
    current = newest is not None and newest.version == leg.version and newest.state in UNDER_WAY
    return current and row.state is ActionState.OPEN and LegState(leg.state) not in SETTLED


def _late(tx: Transaction, node: Node, leg: LegRow, row: ActionRow, now: int) -> Sequence[TaskRow]:
    if row.late or not tx.change_action(row, replace(row, late=now)):
        return ()
    event = LegEvent(leg.id, now, f"overdue:{row.action}", leg.state, leg.state, node.principal, "")
    tx.advance_leg(leg.id, leg.state, leg.state, event)
    log.warning("overdue", leg=leg.id, agency=leg.agency, action=row.code)
    return (_tell(tx, node, leg, row, WHOLE, now),)


def _tell(tx: Transaction, node: Node, leg: LegRow, row: ActionRow, step: int, now: int) -> TaskRow:
    return tell(tx, node, leg, f"{EVENTS[step]}.{row.code}.{row.action}", now)
