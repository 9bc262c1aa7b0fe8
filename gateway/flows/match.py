"""An agency may have its node look whether a handover is for this area at all, before anybody opens it (F14).

Duty: for an agency that has asked for it (``checks_address``, off by default), hold the new address in what
was sealed to it against this area's table of addresses (:class:`gateway.ports.Places`), and give the leg back
as WRONG_AREA where the table says that the address lies elsewhere. It leaves out what follows from a return.

Rules
-----
- "Elsewhere" is said by the table alone. An address that it does not hold, a leg without one, a key that is
  not here: a person decides. Nobody is matched: there is no list of people anywhere (domain 6.1).
- Nothing is shown or handed over: no "opened" receipt, no consultation, no parcel. What is looked at is one
  number, with the agency's own key, in the node that holds it for the agency anyway.
- Until it has been looked at a parcel for an adapter waits, :data:`PATIENCE` seconds at most: a check that
  fails must not stop a handover. A person who opens it in that moment is faster, and nothing is given back.

Example::

    [agencies.housing]
    checks_address = true
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from gateway.core.encoding import JsonObject
from gateway.core.states import LegState
from gateway.errors import GatewayError
from gateway.flows import acknowledge
from gateway.flows.node import Caller, Node
from gateway.flows.slots import view_for
from gateway.flows.timers import set_timer
from gateway.ports import LegRow, Task, TaskRow, TimerRow, Transaction
from schemas.acknowledgement import Acknowledgement, AcknowledgementState, ReasonCode

TIMER: Final = "match"
PATIENCE: Final = 60
BLIND: Final = "not_ours"
"""Why a parcel was ended without being handed over."""

ROLE: Final = "Address check of the node"


def hold(tx: Transaction, node: Node, task: TaskRow, now: int) -> TaskRow:
    """The parcel of a new leg, to be put: waiting for the look where its agency wants one."""
    binding = node.agencies.get(task.principal)
    if binding is None or not binding.checks_address or node.places is None:
        return task
    set_timer(tx, TIMER, task.leg, now)
    return replace(task, due=now + PATIENCE)


def fire(tx: Transaction, node: Node, timer: TimerRow, now: int) -> Sequence[TaskRow]:
    """``match``: give it back, or let it on."""
    leg = tx.leg(timer.subject)
    task = tx.task(f"notification-{timer.subject}")
    if (
        leg is None
        or task is None
        or task.state is Task.DONE
        or LegState(leg.state) is not LegState.DELIVERED
    ):
        return ()
    if area := elsewhere(tx, node, leg):
        give_back(tx, node, leg, area, now)
        tx.advance_task(task.id, task.state, Task.DONE, error=BLIND)
        return ()
    tx.advance_task(task.id, task.state, task.state, due=now)
    return [task]


def elsewhere(tx: Transaction, node: Node, leg: LegRow) -> str:
    """The other area in which, by the table, the new address lies; "" where it does not say so."""
    envelope = tx.envelope(leg.mid)
    try:
        view = view_for(node, envelope, leg.principal) if envelope else {}
    except GatewayError:  # the key is not here, or it is gone: a person sees why
        return ""
    uprn = _uprn(view)
    area = node.places.area_of(uprn) if node.places and uprn else None
    return area if area and area != node.area else ""


def _uprn(view: JsonObject) -> str:
    move = view.get("move")
    address = move.get("new_address") if isinstance(move, dict) else None
    uprn = address.get("uprn") if isinstance(address, dict) else None
    return uprn if isinstance(uprn, str) else ""


def give_back(tx: Transaction, node: Node, leg: LegRow, area: str, now: int) -> None:
    """Signed with the agency's key, as its own answer, over a role that says who looked."""
    answer = Acknowledgement(
        state=AcknowledgementState.RETURNED,
        role=ROLE,
        reason_code=ReasonCode.WRONG_AREA,
        suggested_area=area,
    )
    caller = Caller(leg.principal, leg.agency, actor="gateway", role=ROLE)
    acknowledge.record_now(tx, node, caller, leg, answer, now)
