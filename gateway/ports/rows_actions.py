"""What is stored of actions: a row for each that a leg asks, and what was said of them, by message."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ActionState(StrEnum):
    """OPEN: nobody has said yet what became of it."""

    OPEN = "OPEN"
    COMPLETED = "COMPLETED"
    NOT_DONE = "NOT_DONE"


@dataclass(frozen=True, slots=True)
class ActionRow:
    """One headline action of one leg, on either side. Identity: (leg, action).

    ``planned``: the origin's plan (``due_at`` of the document). ``started``, ``due``: its clock, 0 until it
    starts and where it has none; both nodes have the same. ``target``: an earlier day of this area (0:
    none). ``reason``: why it was not done, or the answer that it asks for: a code. ``late``: when it was
    marked overdue. ``local``: this node's own, of which the origin knows nothing. ``place``: its order.
    """

    leg: str
    action: str
    code: str
    blocks: bool
    place: int = 0
    planned: int = 0
    started: int = 0
    due: int = 0
    target: int = 0
    state: ActionState = ActionState.OPEN
    reason: str = ""
    late: int = 0
    local: bool = False
    updated: int = 0


@dataclass(frozen=True, slots=True)
class ResultRow:
    """What one message said of one action. ``statement``: the message's statement hash, which the agency's
    signed receipt names. Identity: (leg, statement, action)."""

    leg: str
    statement: bytes
    action: str
    result: str
    code: str
