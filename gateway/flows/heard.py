"""In: what a peer's node tells ours beside its receipts, by the name of the section (protocol 4.3).

Every section has one handler, which runs inside the receiving transaction. What one of them refuses is logged
and leaves the others standing. A name that this release does not know is passed over: a newer one may say
more, and a node that answers nothing else must still be heard.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import structlog

from gateway.core.encoding import JsonObject
from gateway.errors import Refused
from gateway.flows import (
    attest,
    checkup,
    documents,
    drill_end,
    forks,
    resend,
    streams,
    urgent_review,
    witness,
)
from gateway.flows.control import Came, Handler
from gateway.flows.node import Node
from gateway.ports import Transaction

log = structlog.get_logger("heard")


HANDLERS: Final[Mapping[str, Handler]] = {
    attest.ASK: attest.asked,
    attest.SECTION: attest.hear,
    "documents": documents.take,
    drill_end.SECTION: drill_end.hear,
    urgent_review.SECTION: urgent_review.hear,
    forks.SECTION: forks.hear,
    "heartbeat": resend.heartbeat,
    witness.SECTION: witness.hear,
    checkup.PING: checkup.hear_ping,
    checkup.PONG: checkup.hear_pong,
    "resend": resend.resend,
    "stream": streams.announced,
    "trust": documents.hear,
    "want": documents.answer,
}
"""Section -> who takes it. ``receipts`` is not among them: :mod:`gateway.flows.receipts` has its own way."""


def hear(tx: Transaction, node: Node, came: Came, sections: JsonObject) -> None:
    """Hand every section to its handler, in the order of their names."""
    for name in sorted(sections):
        handler = HANDLERS.get(name)
        if handler is None:
            log.info("a section that this release does not know", peer=came.peer, code="unknown_section")
            continue
        try:
            handler(tx, node, came, sections[name])
        except Refused as error:
            log.warning("a section was refused", peer=came.peer, section=name, code=error.code)
