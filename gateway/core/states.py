"""Where a leg and a handover stand, and what may happen to them next (domain 6.7). Nothing else knows a move.

Duty: two tables ``{(state, event): state}`` and what follows from them: the next state, the receipts an
agency's answer implies, who is responsible. :mod:`gateway.core.diagrams` draws ``docs/states.md`` from them.

It leaves out deadlines, the overlays OVERDUE, ESCALATED and RESTRICTED (they never change a state),
signatures and the chain of one principal's receipts (:mod:`gateway.core.receipts`).

Rules
-----
- Events of a leg are ``transmitted``, ``undeliverable``, ``expired``, ``purged`` and the states of a receipt
  (protocol 5).
- Receipts of different keys overtake each other, and a receipt can arrive before our own row says that the
  message left. So a receipt that proves delivery moves a leg from QUEUED too, and an event that the leg has
  gone past (``transmitted``, ``received``, ``opened``) leaves it where it is, in every later state.
- ``not_done`` ends a leg's work as ``completed`` does; which of the two it was stands in the receipt.
- ``refused`` comes from the node, and only before anybody has taken the leg on.
- ``purged`` ends a leg only while the origin is responsible: erasing the payload of an accepted leg on its
  date does not give the responsibility back. The handover is PURGED then, not its legs.
- A handover is ``purged`` from every state: 90 days after issue its content goes, answered or not.
- ``in_progress`` again leaves work and what is completed where it is: it carries what became of single
  actions, also of one that did not block the end (a review after three months).
- Nobody else decides: an answer may imply that it was acknowledged and that work began, never that it was
  accepted or completed.

>>> advance_leg(LegState.QUEUED, "received")
<LegState.DELIVERED: 'DELIVERED'>
>>> path(LegState.DELIVERED, "accepted")
('acknowledged', 'accepted')
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from gateway.errors import Conflict


class LegState(StrEnum):
    """One agency's part of a handover."""

    QUEUED = "QUEUED"
    TRANSMITTED = "TRANSMITTED"
    DELIVERED = "DELIVERED"
    RECEIVED = "RECEIVED"
    INFO_REQUESTED = "INFO_REQUESTED"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    RETURNED = "RETURNED"
    DECLINED_NOT_RELEVANT = "DECLINED_NOT_RELEVANT"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    CLOSED = "CLOSED"
    UNDELIVERABLE = "UNDELIVERABLE"
    EXPIRED = "EXPIRED"
    PURGED = "PURGED"


class HandoverState(StrEnum):
    """One version of one handover."""

    DRAFT = "DRAFT"
    AUTHORISED = "AUTHORISED"
    ISSUED = "ISSUED"
    PARTLY_ACKNOWLEDGED = "PARTLY_ACKNOWLEDGED"
    FULLY_ACKNOWLEDGED = "FULLY_ACKNOWLEDGED"
    ACTIVE = "ACTIVE"
    CLOSED = "CLOSED"
    WITHDRAWN = "WITHDRAWN"
    SUPERSEDED = "SUPERSEDED"
    ONWARD_MOVED = "ONWARD_MOVED"
    DIED_OR_NO_LONGER_RELEVANT = "DIED_OR_NO_LONGER_RELEVANT"
    PURGED = "PURGED"


_L = LegState
_H = HandoverState

TERMINAL = frozenset({_L.UNDELIVERABLE, _L.EXPIRED, _L.PURGED})
"""Failures; nothing leaves them."""

TAKEN_ON = frozenset({_L.ACCEPTED, _L.IN_PROGRESS, _L.COMPLETED, _L.CLOSED})
"""The receiving agency is responsible."""

ANSWERED = TAKEN_ON | {_L.REJECTED, _L.RETURNED, _L.DECLINED_NOT_RELEVANT}
"""The agency has decided."""

DECISIONS: Mapping[str, frozenset[LegState]] = MappingProxyType(
    {
        "accepted": TAKEN_ON,
        "rejected": frozenset({_L.REJECTED}),
        "returned": frozenset({_L.RETURNED}),
        "declined": frozenset({_L.DECLINED_NOT_RELEVANT}),
    }
)
"""What an agency may decide -> where its leg then stands."""

ACKNOWLEDGED = ANSWERED | {_L.RECEIVED, _L.INFO_REQUESTED}
"""A named role has it."""

SETTLED = TERMINAL | {_L.CLOSED, _L.REJECTED, _L.RETURNED, _L.DECLINED_NOT_RELEVANT}
"""No further answer is awaited."""

_MOVES: Mapping[tuple[LegState, str], LegState] = {
    (_L.QUEUED, "transmitted"): _L.TRANSMITTED,
    (_L.QUEUED, "received"): _L.DELIVERED,
    (_L.QUEUED, "opened"): _L.DELIVERED,
    (_L.QUEUED, "acknowledged"): _L.RECEIVED,
    (_L.QUEUED, "refused"): _L.UNDELIVERABLE,
    (_L.QUEUED, "undeliverable"): _L.UNDELIVERABLE,
    (_L.QUEUED, "expired"): _L.EXPIRED,
    (_L.TRANSMITTED, "received"): _L.DELIVERED,
    (_L.TRANSMITTED, "opened"): _L.DELIVERED,
    (_L.TRANSMITTED, "acknowledged"): _L.RECEIVED,
    (_L.TRANSMITTED, "refused"): _L.UNDELIVERABLE,
    (_L.TRANSMITTED, "undeliverable"): _L.UNDELIVERABLE,
    (_L.TRANSMITTED, "expired"): _L.EXPIRED,
    (_L.DELIVERED, "acknowledged"): _L.RECEIVED,
    (_L.DELIVERED, "refused"): _L.UNDELIVERABLE,
    (_L.RECEIVED, "accepted"): _L.ACCEPTED,
    (_L.RECEIVED, "rejected"): _L.REJECTED,
    (_L.RECEIVED, "returned"): _L.RETURNED,
    (_L.RECEIVED, "declined"): _L.DECLINED_NOT_RELEVANT,
    (_L.RECEIVED, "info_requested"): _L.INFO_REQUESTED,
    (_L.INFO_REQUESTED, "acknowledged"): _L.RECEIVED,
    (_L.ACCEPTED, "in_progress"): _L.IN_PROGRESS,
    (_L.IN_PROGRESS, "in_progress"): _L.IN_PROGRESS,
    (_L.IN_PROGRESS, "completed"): _L.COMPLETED,
    (_L.IN_PROGRESS, "not_done"): _L.COMPLETED,
    (_L.COMPLETED, "in_progress"): _L.COMPLETED,
    (_L.COMPLETED, "closed"): _L.CLOSED,
}

_PURGES = {(state, "purged"): _L.PURGED for state in LegState if state not in TERMINAL | TAKEN_ON}

_LATE = {
    (state, event): state
    for event, before in (
        ("transmitted", {_L.QUEUED}),
        ("received", {_L.QUEUED, _L.TRANSMITTED}),
        ("opened", {_L.QUEUED, _L.TRANSMITTED}),
    )
    for state in LegState
    if state not in before
}

LEG: Mapping[tuple[LegState, str], LegState] = MappingProxyType({**_MOVES, **_PURGES, **_LATE})
"""``(state, event) -> state``. A pair that is not here is refused."""

RECEIPT_OF: Mapping[str, str] = MappingProxyType(
    {
        "RECEIVED": "acknowledged",
        "ACCEPTED": "accepted",
        "REJECTED": "rejected",
        "RETURNED": "returned",
        "DECLINED_NOT_RELEVANT": "declined",
        "INFO_REQUESTED": "info_requested",
        "IN_PROGRESS": "in_progress",
        "COMPLETED": "completed",
        "NOT_DONE": "not_done",
        "CLOSED": "closed",
    }
)
"""What an agency answers -> the state of the receipt that says so (protocol 5)."""

_IMPLIED = ("acknowledged", "in_progress")

_LIVE = (_H.ISSUED, _H.PARTLY_ACKNOWLEDGED, _H.FULLY_ACKNOWLEDGED, _H.ACTIVE)
_BEFORE = (_H.DRAFT, _H.AUTHORISED)
_ENDED = (_H.CLOSED, _H.WITHDRAWN, _H.SUPERSEDED, _H.ONWARD_MOVED, _H.DIED_OR_NO_LONGER_RELEVANT)

HANDOVER: Mapping[tuple[HandoverState, str], HandoverState] = MappingProxyType(
    {
        (_H.DRAFT, "authorised"): _H.AUTHORISED,
        (_H.AUTHORISED, "issued"): _H.ISSUED,
        (_H.ISSUED, "partly_acknowledged"): _H.PARTLY_ACKNOWLEDGED,
        (_H.PARTLY_ACKNOWLEDGED, "fully_acknowledged"): _H.FULLY_ACKNOWLEDGED,
        (_H.FULLY_ACKNOWLEDGED, "activated"): _H.ACTIVE,
        (_H.ACTIVE, "closed"): _H.CLOSED,
        **{(state, "withdrawn"): _H.WITHDRAWN for state in _BEFORE + _LIVE},
        **{(state, "no_longer_relevant"): _H.DIED_OR_NO_LONGER_RELEVANT for state in _BEFORE + _LIVE},
        **{(state, "superseded"): _H.SUPERSEDED for state in _LIVE},
        **{(state, "onward_moved"): _H.ONWARD_MOVED for state in _LIVE},
        **{(state, "purged"): _H.PURGED for state in HandoverState if state is not _H.PURGED},
    }
)
"""``(state, event) -> state``. :func:`follow` takes the steps that the legs decide."""

LEG_EVENTS = frozenset(event for _, event in LEG)
HANDOVER_EVENTS = frozenset(event for _, event in HANDOVER)

_State = TypeVar("_State", LegState, HandoverState)


def advance_leg(state: LegState, event: str) -> LegState:
    """The leg's next state. Raises Conflict that names what is possible instead."""
    return _advance(LEG, state, event)


def path(state: LegState, event: str) -> tuple[str, ...]:
    """The receipts to sign, in order, so that ``event`` is legal: an agency that answers has acknowledged.

    Raises Conflict when nothing but acknowledging or beginning leads there.
    """
    steps, at = [event], state
    while (at, event) not in LEG:
        implied = next((step for step in _IMPLIED if LEG.get((at, step), at) != at), None)
        if implied is None:
            raise _conflict(LEG, state)
        steps.insert(-1, implied)
        at = LEG[at, implied]
    return tuple(steps)


def responsible(state: LegState, origin: str, destination: str) -> str:
    """Whose duty it is now (R28): the origin's until the leg is accepted, never nobody's."""
    return destination if state in TAKEN_ON else origin


def advance_handover(state: HandoverState, event: str, legs: Collection[LegState]) -> HandoverState:
    """The handover's next state. Raises Conflict that names what is possible instead.

    R15: nothing closes with an unanswered leg. A leg that could not be delivered has not been answered; a
    purged one is no longer asked.
    """
    after = _advance(HANDOVER, state, event)
    if event == "closed" and not (legs and all(leg in ANSWERED for leg in _asked(legs))):
        raise Conflict(
            "a leg of this handover has not been answered",
            code="unanswered_leg",
            rule="R15",
            remedy="wait for the answer, or withdraw or supersede the handover",
        )
    return after


def standing(legs: Iterable[LegState]) -> HandoverState:
    """Where an issued handover stands by its legs alone; purged legs do not count.

    ACTIVE: each leg is decided and at least one is taken on. FULLY_ACKNOWLEDGED: a named role has each of
    them. PARTLY_ACKNOWLEDGED: a named role has at least one. Otherwise, and without legs, ISSUED. When all
    agencies have decided and none has taken it on, it stays FULLY_ACKNOWLEDGED: nobody is active.
    """
    asked = _asked(legs)
    if any(leg in TAKEN_ON for leg in asked) and all(leg in ANSWERED for leg in asked):
        return _H.ACTIVE
    if asked and all(leg in ACKNOWLEDGED for leg in asked):
        return _H.FULLY_ACKNOWLEDGED
    return _H.PARTLY_ACKNOWLEDGED if any(leg in ACKNOWLEDGED for leg in asked) else _H.ISSUED


def follow(state: HandoverState, legs: Iterable[LegState]) -> HandoverState:
    """The handover's state after its legs moved: never back, and no step for one that is not issued or has
    ended. Safe to call again."""
    return max(state, standing(legs), key=_LIVE.index) if state in _LIVE else state


def _asked(legs: Iterable[LegState]) -> list[LegState]:
    return [leg for leg in legs if leg is not _L.PURGED]


def _advance(table: Mapping[tuple[_State, str], _State], state: _State, event: str) -> _State:
    if (state, event) not in table:
        raise _conflict(table, state)
    return table[state, event]


def _conflict(table: Mapping[tuple[_State, str], _State], state: _State) -> Conflict:
    possible = sorted(event for (at, event), after in table.items() if at == state and after != state)
    return Conflict(
        f"not possible in state {state.value}",
        code="illegal_transition",
        remedy=f"possible now: {', '.join(possible)}" if possible else "nothing more can happen to it",
    )
