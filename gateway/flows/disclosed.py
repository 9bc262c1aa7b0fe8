"""Over-disclosure, flagged on both sides (protocol 6): what an agency was given, and what it says it opened.

The signed entitlements are the measure. The receiver holds its agencies' views against them; the origin holds
the parts that a receipt names against those it gave that agency keys for. Both deliver and apply what came:
what was sent has been sent, and a person has to act on it. Names of field groups, no content.
"""

from __future__ import annotations

from collections.abc import Collection

from gateway.core import disclosure
from gateway.core.encoding import JsonObject
from gateway.core.receipts import Receipt
from gateway.flows.alarms import sound
from gateway.flows.node import Node, area_of, log_leaf
from gateway.flows.vault import secrets_of
from gateway.ports import EnvelopeRow, LegRow, Transaction


def undue(node: Node, leg: LegRow, sections: JsonObject) -> frozenset[str]:
    """The field groups in one agency's view that its type may not read."""
    return disclosure.undue(sections, leg.agency, node.network.entitlements)


def flag(tx: Transaction, leg: LegRow, mid: str, groups: Collection[str], now: int) -> None:
    """At the receiver: alarm and leaf, once for each leg."""
    if groups:
        named = sorted(groups)
        sound(
            tx,
            "over_disclosure",
            peer=area_of(leg.counterpart),
            at=now,
            subject=f"{leg.id} {' '.join(named)}",
        )
        log_leaf(tx, "over_disclosure", now, mid=mid, leg=leg.id, groups=[*named])


def check_parts(
    tx: Transaction, node: Node, receipt: Receipt, envelope: EnvelopeRow, leg: LegRow, now: int
) -> None:
    """At the origin: an agency that says it opened parts which we gave it no keys for."""
    if not receipt.parts:
        return
    given = secrets_of(node, envelope).readers.get(receipt.by, ())
    if stray := set(receipt.parts).difference(given):
        told = " ".join(str(number) for number in sorted(stray))
        sound(
            tx,
            "parts_not_given",
            peer=area_of(receipt.by),
            at=now,
            subject=f"{leg.id} {told}",
            evidence=receipt.note,
        )
