"""Who is called about a leg that is late, and who next (domain 6.6): a ladder of roles, rung by rung.

Duty: the timers ``escalate_...``, one rung each; each sets the next. It leaves out who is late
(:mod:`gateway.flows.late`, :mod:`gateway.flows.undelivered`), the ladder (:mod:`gateway.core.ladder`) and how
a call is made (:mod:`gateway.flows.paging`).

Rules
-----
- Each node calls its own people: the receiving agency's, who are late, and the origin's, who are responsible
  until somebody accepts and must pick up the telephone.
- The ladder is climbed until what is late has come; the calls about an acknowledgement stop with RECEIVED, by
  a named human, and not with an adapter's receipt. Nobody has to stop them.
- Past its end the last role is called again: about an urgent leg that nobody has acknowledged every half
  hour, else once a working day. And it is an alarm, ``escalation_exhausted``, that clears itself when what
  was late has come.
- One ladder at a time: while nobody has even acknowledged, nobody is called about the decision.
- An agency without a ladder is an alarm, ``nobody_to_call``, at the first leg that is late.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.core.deadlines import add_working_days
from gateway.core.states import LegState
from gateway.flows import paging
from gateway.flows.alarms import settle, sound
from gateway.flows.clocks import ACKNOWLEDGE, DECIDE
from gateway.flows.node import Node
from gateway.flows.timers import set_timer
from gateway.flows.waiting import DELIVER, awaits, note, ours, theirs
from gateway.ports import LegRow, TaskRow, TimerRow, Transaction

PREFIX: Final = "escalate_"
KINDS: Final = tuple(f"{PREFIX}{what}" for what in (DELIVER, ACKNOWLEDGE, DECIDE))

EXHAUSTED: Final = "escalation_exhausted"
NOBODY: Final = "nobody_to_call"


def begin(tx: Transaction, leg: LegRow, what: str, now: int) -> None:
    """Start calling, unless somebody is being called about the leg's acknowledgement."""
    if what == DECIDE and leg.state == LegState.DELIVERED and _climbing(tx, leg):
        return
    set_timer(tx, PREFIX + what, leg.id, now)


def _climbing(tx: Transaction, leg: LegRow) -> bool:
    return any(row.kind == PREFIX + ACKNOWLEDGE and not row.fired for row in tx.timers(leg.id))


def fire(tx: Transaction, node: Node, timer: TimerRow, now: int) -> Sequence[TaskRow]:
    leg, what = tx.leg(timer.subject), timer.kind.removeprefix(PREFIX)
    if leg is None:
        return ()
    if not awaits(tx, leg, what):
        _over(tx, leg, what, now)
    elif role := node.ladders.rung(ours(leg), timer.step):
        _call(tx, node, leg, timer, role, now)
    else:
        sound(tx, NOBODY, peer=theirs(leg), at=now, subject=ours(leg))
    return ()


def _over(tx: Transaction, leg: LegRow, what: str, now: int) -> None:
    """It has come. What the leg is late with as well is taken up from the ladder's foot."""
    settle(tx, EXHAUSTED, peer=theirs(leg), at=now, why="answered", about=_subject(leg, what))
    if what == ACKNOWLEDGE and DECIDE in leg.overdue.split(",") and awaits(tx, leg, DECIDE):
        begin(tx, leg, DECIDE, now)


def _call(tx: Transaction, node: Node, leg: LegRow, timer: TimerRow, role: str, now: int) -> None:
    what, past = timer.kind.removeprefix(PREFIX), timer.step >= len(node.ladders.of(ours(leg)))
    if past:
        sound(tx, EXHAUSTED, peer=theirs(leg), at=now, subject=_subject(leg, what))
    elif not note(tx, node, leg, what, "escalated", now, code=role):
        return
    paging.page(tx, node, what, leg=leg, step=timer.step, now=now)
    again = node.ladders.next_call(role, leg.urgency, now)
    if past and what != ACKNOWLEDGE:
        again = max(again, add_working_days(now, 1))
    set_timer(tx, timer.kind, leg.id, again, timer.step + 1)


def _subject(leg: LegRow, what: str) -> str:
    return f"{leg.id} {what}"
