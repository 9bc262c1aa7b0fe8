"""Sent again to another place under the same reference: what became of each earlier version stays to be seen.

Duty: which version went to whom, came back, was ordered to be destroyed and attested (:func:`links`), what of
it travels with a new version, and :func:`shown`, what each side is shown. It leaves out the order and the
attestation (:mod:`gateway.flows.returned`) and the form (:mod:`gateway.core.custody`).

Rules
-----
- A recipient learns that another agency had an earlier version and that it is gone there; the area is shown
  to the origin alone.
- Whoever had it by mistake is told once that it was sent in error (CORRECTION), and hears nothing more: not
  that there is another version, nor where that went.
- What travels is how it stood when the new version was issued. The origin's own list is as of now.

Example::

    shown(tx, "HO-E09000022-2027-000112", principal)["earlier"][0]["attested_at"]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.core.custody import MAX_LINKS, Link, read_links
from gateway.core.encoding import Json, JsonObject, decode
from gateway.core.notices import NoticeKind
from gateway.flows import show
from gateway.flows.destruction import gave_back
from gateway.flows.node import Node, area_of
from gateway.flows.notice_out import Drawn, Reader, send, words_of
from gateway.flows.parcels import IN_ERROR, facts
from gateway.flows.returned import ordered
from gateway.flows.show import when
from gateway.ports import LegRow, Side, Transaction

TEXT: Final = "This was sent to you in error; do not act on it."


def links(tx: Transaction, ref: str, before: int) -> list[tuple[str, Link]]:
    """At the origin: of every version below ``before`` each leg that came back, with its area."""
    legs = [leg for version in range(1, before) for leg in tx.legs(ref, version)]
    back = [leg for leg in legs if leg.side is Side.ORIGIN and gave_back(tx, leg)]
    return [(area_of(leg.principal), _link(tx, leg)) for leg in back[:MAX_LINKS]]


def told(tx: Transaction, ref: str, version: int) -> tuple[Link, ...]:
    """What travels with ``version``."""
    return tuple(link for _, link in links(tx, ref, version))


def _link(tx: Transaction, leg: LegRow) -> Link:
    said = [row for row in tx.receipts(mid=leg.mid, by=leg.principal) if row.state == "returned"][-1]
    order = ordered(tx, leg)
    if order is None:
        return Link(leg.version, leg.agency, said.code, said.at)
    reader = next(one for one in tx.notice_legs(order.id) if one.leg == leg.id)
    by_node = [
        row.created
        for row in tx.notices(parent=order.id)
        if row.kind == NoticeKind.PURGE_ATTESTATION and "agencies" not in facts(row)
    ]
    return Link(
        leg.version,
        leg.agency,
        said.code,
        said.at,
        ordered=order.created,
        purged=min(by_node, default=0),
        attested=reader.updated if reader.state == "COMPLETED" else 0,
    )


def shown(tx: Transaction, ref: str, principal: str) -> JsonObject:
    """For one agency of either side. Raises NotFound for a handover that does not concern it."""
    row = show.find(tx, ref, principal).handover
    if row.side is Side.ORIGIN:
        found = links(tx, ref, row.version + 1)
    else:
        found = [("", link) for link in (read_links(decode(row.custody.encode())) if row.custody else ())]
    earlier: list[Json] = [_line(area, link) for area, link in found]
    return {"handover": ref, "version": row.version, "earlier": earlier}


def _line(area: str, link: Link) -> JsonObject:
    return {
        "version": link.version,
        "area": area or None,
        "agency": link.agency,
        "code": link.code,
        "returned_at": when(link.returned),
        "purge_ordered_at": when(link.ordered),
        "node_attested_at": when(link.purged),
        "agency_attested_at": when(link.attested),
    }


# --- whoever had it by mistake ----------------------------------------------------------------------


def misdirected(tx: Transaction, old: Mapping[str, LegRow], new: set[str]) -> set[str]:
    """Of the readers of earlier versions those that gave theirs back and are not sent the new one."""
    return {name for name, leg in old.items() if name not in new and gave_back(tx, leg)}


def say_in_error(tx: Transaction, node: Node, leg: LegRow, agency: str, now: int) -> None:
    """Once for a leg. The notice is about the version that it had: of a later one it says nothing."""
    for row in tx.notices(ref=leg.ref):
        if row.code == IN_ERROR and any(one.leg == leg.id for one in tx.notice_legs(row.id)):
            return
    drawn = Drawn(leg.ref, leg.version, NoticeKind.CORRECTION, IN_ERROR, leg.counterpart)
    words = words_of(node, drawn, agency) | {"text": TEXT}
    send(tx, node, drawn, [Reader(leg.principal, leg.id, leg.counterpart, words)], now)
