"""What a leg's clocks do: two warnings, then it is late, and somebody is called (domain 6.5 to 6.7).

Duty: the timers ``acknowledge`` and ``decide`` of :mod:`gateway.flows.clocks`. It leaves out who is called
and how often (:mod:`gateway.flows.escalation`).

Rules
-----
- OVERDUE and ESCALATED are overlays: lines in the history, and ``overdue`` for what is shown. No state
  changes.
- Both nodes fire by themselves, from the same two signed times: the receiving agency learns that it is late,
  and the agency that stays responsible learns that it must chase.
- A warning whose successor has fallen due, too, is not given: a node that was away says what is, and not
  what was.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from gateway.core.deadlines import WHOLE
from gateway.flows import clocks, escalation
from gateway.flows.node import Node
from gateway.flows.waiting import awaits, note, tell
from gateway.ports import LegRow, TaskRow, TimerRow, Transaction

log = structlog.get_logger("sweep")


def fire(tx: Transaction, node: Node, timer: TimerRow, now: int) -> Sequence[TaskRow]:
    leg = tx.leg(timer.subject)
    if leg is None or not awaits(tx, leg, timer.kind):
        return ()
    if timer.step == WHOLE:
        return _late(tx, node, leg, timer.kind, now)
    following = clocks.STEPS[clocks.STEPS.index(timer.step) + 1]
    if clocks.set_step(tx, leg, timer.kind, following) <= now:
        return ()
    if not note(tx, node, leg, timer.kind, f"due{timer.step}", now):
        return ()
    return (tell(tx, node, leg, f"due{timer.step}_{timer.kind}", now),)


def _late(tx: Transaction, node: Node, leg: LegRow, kind: str, now: int) -> Sequence[TaskRow]:
    fired = [name for name in leg.overdue.split(",") if name]
    if kind in fired:  # by an older release
        return ()
    if not note(tx, node, leg, kind, "overdue", now, overdue=",".join([*fired, kind])):
        return ()
    log.warning("overdue", leg=leg.id, agency=leg.agency, deadline=kind)
    escalation.begin(tx, leg, kind, now)
    return (tell(tx, node, leg, f"overdue_{kind}", now),)
