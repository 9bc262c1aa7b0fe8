"""What one node tells another about streams, trust and logs, in an envelope of kind 3 (protocol 4.3).

A control envelope is sealed like a message, takes its place in the stream, travels with the receipts and is
settled by the peer's ``seen``. What it may say is named by its sections (:mod:`gateway.flows.heard`). Nothing
of it outlives its day: what is still true then is said again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from gateway.core.encoding import Json, JsonObject
from gateway.core.envelope import Kind, Statement
from gateway.errors import GatewayError
from gateway.flows import outgoing
from gateway.flows.node import Node
from gateway.flows.vault import write_sections
from gateway.ports import Lane, Transaction

log = structlog.get_logger("control")


@dataclass(frozen=True, slots=True)
class Came:
    """What a section came in: a proven peer's statement, at ``now`` by our clock."""

    peer: str
    statement: Statement
    now: int


Handler = Callable[[Transaction, Node, Came, Json], None]
"""Takes one section within the receiving transaction. Raises Refused for what the peer may not say."""


def tell(
    tx: Transaction, node: Node, peer: str, sections: JsonObject, now: int, *, once: bool = False
) -> bool:
    """Seal ``sections`` to the peer's node and queue them, within ``tx``. False when it has no valid key or
    our directory is too old to send under: whoever has something to say says it again later. ``once``: it is
    not published again until the peer has seen it, but when the peer asks for its number."""
    if node.network.external(peer):  # nobody listens there: what matters goes with the next file
        return False
    try:
        sending = outgoing.seal(
            node,
            kind=Kind.CONTROL,
            to=peer,
            lane=Lane.RECEIPTS,
            priority=0,
            readers={},
            contents=[write_sections(sections)],
            now=now,
        )
    except GatewayError as error:
        log.error("cannot be told", peer=peer, code=error.code, sections=sorted(sections))
        return False
    outgoing.store(tx, node, sending, now, once=once)
    return True
