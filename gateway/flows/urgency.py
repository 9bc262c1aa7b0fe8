"""The deadlines of one leg, as both sides compute them: by its urgency, or by what a downgrade made of it.

Leaves out how an urgent move is downgraded (:mod:`gateway.flows.urgent_review`). Rule: they follow from
signed seconds alone, those of the receipt and of the downgrade, in whatever order the two arrive.
"""

from __future__ import annotations

from gateway.core.deadlines import Deadlines, deadlines
from gateway.core.urgent import softened
from gateway.ports import Transaction
from schemas.vocabulary import Urgency


def due_for(tx: Transaction, ref: str, urgency: str, started: int) -> Deadlines:
    """ALL-A and ALL-B of a leg of ``ref`` whose clock started at ``started`` (unix seconds)."""
    if urgency == Urgency.URGENT:
        row = tx.urgent(ref)
        if row is not None and row.downgraded:
            return softened(started, row.downgraded)
    return deadlines(urgency, started)
