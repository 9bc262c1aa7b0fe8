"""The leaves about one message, under the earliest checkpoint that another borough has cosigned with them.

The earliest, because its cosignatures say since when the message could not be taken back. Where nobody has
cosigned one yet, the newest of our own serves: then the log is our word alone, and whoever judges it is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.core.log import origin
from gateway.core.logged import Leaf, Logged
from gateway.errors import NotFound
from gateway.flows import logbook
from gateway.flows.logbook import Keeper
from gateway.flows.standing import note_at
from gateway.ports import Transaction


@dataclass(frozen=True, slots=True)
class _Found:
    """Where the leaves stand; ``note``: the cosigned checkpoint over all of them, b"" for none."""

    places: Sequence[int]
    note: bytes


async def pinned(node: Keeper, mid: str) -> Logged:
    """Raises NotFound when the log has no leaf about this message; GatewayError for a log that is broken."""
    found = await node.store.read(lambda tx: _find(tx, node, mid))
    if not found.places:
        raise NotFound("the log has no leaf about this message", code="no_leaf")
    note = found.note or (await logbook.checkpoint(node)).note
    signed = logbook.opened(node, note)
    inside = [index for index in found.places if index < signed.size]
    proven = await logbook.prove(node, signed, inside)
    return Logged(note, [Leaf(one.index, one.leaf, one.proof) for one in proven])


def _find(tx: Transaction, node: Keeper, mid: str) -> _Found:
    places = logbook.find_places(tx, mid=mid)
    newest = max(places, default=-1)
    sizes = sorted({row.size for row in tx.cosignatures(origin(node.network.net, node.area))})
    notes = (note_at(tx, node, size) for size in sizes if size > newest)
    return _Found(places, next((note for note in notes if note), b""))
