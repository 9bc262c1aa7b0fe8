"""What each kind of notice does to what is stored: at the node that sends it, and at the node that gets it.

Duty: one function a kind and side, in :data:`ON_ISSUE` and :data:`ON_ARRIVAL`, run inside the transaction
that keeps the notice. What destroys keys marks it there; :mod:`gateway.flows.shred` follows the commit.

It leaves out who may send what (:mod:`gateway.core.notices`) and everything about envelopes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from gateway.core.encoding import JsonObject, decode_object
from gateway.core.notices import NoticeKind
from gateway.flows.node import Node
from gateway.flows.notice_out import Drawn
from gateway.ports import HandoverRow, NoticeRow, TaskRow, TimerRow, Transaction
from schemas.notice import Notice

Effect = Callable[[Transaction, Node, NoticeRow, JsonObject, int], Sequence[TaskRow]]
"""``(tx, node, notice, facts, now)`` -> parcels for agencies, not put yet."""


ON_ISSUE: Mapping[NoticeKind, Effect] = {}
"""Kind -> what the node that sends it does besides."""

ON_ARRIVAL: Mapping[NoticeKind, Effect] = {}
"""Kind -> what the node that gets it does at once."""


def facts_of(tx: Transaction, handover: HandoverRow, notice: Notice) -> JsonObject:
    """The codes that both nodes act on, out of what an agency handed in."""
    facts: JsonObject = {}
    for name in ("new_version", "section", "about", "evidence", "contested"):
        if (value := getattr(notice, name)) is not None:
            facts[name] = value
    if notice.due is not None:
        facts["due"] = int(notice.due.timestamp())
    if notice.attestation is not None:
        facts |= notice.attestation.model_dump()
    return facts


def before(tx: Transaction, node: Node, drawn: Drawn, handover: HandoverRow, now: int) -> Drawn:
    """What the law makes of a notice before it is sent; raises what forbids it."""
    return replace(drawn)


def on_issue(tx: Transaction, node: Node, row: NoticeRow, now: int) -> Sequence[TaskRow]:
    effect = ON_ISSUE.get(NoticeKind(row.kind))
    return effect(tx, node, row, decode_object(row.facts.encode()), now) if effect else ()


def on_arrival(tx: Transaction, node: Node, row: NoticeRow, now: int) -> Sequence[TaskRow]:
    effect = ON_ARRIVAL.get(NoticeKind(row.kind))
    return effect(tx, node, row, decode_object(row.facts.encode()), now) if effect else ()


def check_destroyed(tx: Transaction, node: Node, row: NoticeRow) -> None:
    """Raises Conflict while this node can still open what an agency says is destroyed."""


def settled(tx: Transaction, node: Node, timer: TimerRow, now: int) -> Sequence[TaskRow]:
    """Everybody has taken in a notice that this node sent."""
    return ()
