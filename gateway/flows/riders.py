"""What rides along in every envelope of receipts and every heartbeat: it costs no message of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from gateway.core.encoding import JsonObject
from gateway.flows import documents, witness
from gateway.flows.node import Node
from gateway.ports import Transaction

Rider = Callable[[Transaction, Node, str, int], JsonObject]

RIDERS: Final[Sequence[Rider]] = (witness.ride, documents.ride)
"""Each gives the sections it has for this peer now, or none."""


def riders(tx: Transaction, node: Node, peer: str, now: int) -> JsonObject:
    """The sections to put beside what is sent to ``peer`` anyway."""
    sections: JsonObject = {}
    for rider in RIDERS:
        sections |= rider(tx, node, peer, now)
    return sections
