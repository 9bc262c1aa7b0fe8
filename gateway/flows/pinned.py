"""The leaves about one message, under the earliest checkpoint that another borough has cosigned with them.

The earliest, because its cosignatures say since when the message could not be taken back. Where nobody has
cosigned one yet, the newest of our own serves: then the log is our word alone, and whoever judges it is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.core.log import make_checkpoint, origin
from gateway.core.logged import Leaf, Logged
from gateway.core.witness import attach
from gateway.errors import NotFound
from gateway.flows import logbook
from gateway.flows.node import Node
from gateway.ports import CosignatureRow, Transaction


@dataclass(frozen=True, slots=True)
class _Found:
    places: Sequence[int]
    cosignatures: Sequence[CosignatureRow]


async def pinned(node: Node, mid: str) -> Logged:
    """Raises NotFound when the log has no leaf about this message; GatewayError for a log that is broken."""
    name = origin(node.network.net, node.area)
    found = await node.store.read(lambda tx: _find(tx, name, mid))
    if not found.places:
        raise NotFound("the log has no leaf about this message", code="no_leaf")
    note = _cosigned(node, found) or (await logbook.checkpoint(node)).note
    signed = logbook.opened(node, note)
    inside = [index for index in found.places if index < signed.size]
    proven = await logbook.prove(node, signed, inside)
    return Logged(note, [Leaf(one.index, one.leaf, one.proof) for one in proven])


def _find(tx: Transaction, name: str, mid: str) -> _Found:
    others = [row for row in tx.cosignatures(name) if not name.endswith(row.by)]
    return _Found(logbook.find_places(tx, mid=mid), others)


def _cosigned(node: Node, found: _Found) -> bytes | None:
    """The checkpoint signed once more: Ed25519 gives the same bytes, so only its size and root are kept."""
    sizes = [row.size for row in found.cosignatures if row.size > max(found.places)]
    if not sizes:
        return None
    rows = [row for row in found.cosignatures if row.size == min(sizes)]
    signer = node.keys.log_signer(node.area)
    again = make_checkpoint(
        signer, net=node.network.net, area=node.area, size=rows[0].size, root=rows[0].root
    )
    return attach(again.note, [row.line.decode() for row in rows if row.root == again.root])
