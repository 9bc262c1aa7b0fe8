"""In: a peer asks for what it misses of our stream, or says that it is there (``resend``, ``heartbeat``).

What is asked for is published again out of the outbox, byte for byte, once: what was settled is settled again
when it has left, so that nothing goes on for ever because somebody asked. Bound and rate stand in the outbox
rows, and no process has to remember who asked. Only what was sent to the asker is looked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.core.encoding import HEX_ID, Json, fields, integer, text
from gateway.errors import Malformed
from gateway.flows.control import Came
from gateway.flows.node import Node
from gateway.flows.outgoing import MARGIN, ONCE
from gateway.ports import Outbound, Transaction

MAX_QUESTIONS: Final = 16
"""Ranges in one section ``resend``."""

MAX_RESENT: Final = 128
"""Envelopes published again for one section ``resend``; who misses more asks again."""

AGAIN: Final = 60
"""Seconds for which an envelope that was published is not published again because a peer asks."""


def heartbeat(_tx: Transaction, _node: Node, _came: Came, value: Json) -> None:
    """Section ``heartbeat``: that it came is all it says; the statement holds the rest. Raises Malformed."""
    fields(value, {"at": int})


def resend(tx: Transaction, node: Node, came: Came, value: Json) -> None:
    """Section ``resend``: publish again what the peer misses of our stream to it, byte for byte, while it
    lives. Raises Malformed. Only envelopes to that peer are looked for, whatever stream it names."""
    room = MAX_RESENT
    for stream, first, last in _questions(value):
        for _, mid, expires in tx.sent_between(came.peer, stream, first, last, room):
            if expires > came.now + MARGIN:
                room -= _publish_again(tx, node, mid, came.now)


def _questions(value: Json) -> Sequence[tuple[str, int, int]]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_QUESTIONS:
        raise Malformed("no question, or too many at once", code="resend")
    asked = [fields(one, {"stream": str, "first": int, "last": int}) for one in value]
    return [
        (text(one, "stream", HEX_ID), integer(one, "first", low=1), integer(one, "last", low=1))
        for one in asked
    ]


def _publish_again(tx: Transaction, node: Node, mid: str, now: int) -> bool:
    """Make the outbox row due, once: what was settled is settled again when it has left."""
    row = tx.outbox_of(mid)
    if row is None:
        return False
    if row.state is Outbound.PUBLISHED:
        left = row.due - node.pace.again(row.attempts)
        return left + AGAIN <= now and tx.advance_outbox(row.id, [row.state], row.state, due=now)
    if row.state is Outbound.WAITING or (row.error == ONCE and row.due + AGAIN > now):
        return False
    return tx.advance_outbox(row.id, [row.state], Outbound.WAITING, due=now, error=ONCE)
