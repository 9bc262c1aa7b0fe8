"""A file that came with a handover, for whoever reads its section: verified whole, then given out in pieces.

What an agency is shown of an attachment is what the sender wrote (blob, name, type, size); key and hash stay
here. The sealed bytes are read twice: once to know that every one of them is there and is what the signed
section says, once to give them out. So nobody is given the beginning of a file whose end is wrong.

Example::

    shown, files = take_out(node, envelope.peer, sections)
    async for piece in files[0].pieces(): ...
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

from gateway.core.blob import Item, Unsealer, read_item, sealed_size, segment_count
from gateway.core.encoding import JsonObject
from gateway.errors import Malformed, Unavailable
from gateway.flows.attachments import MISSING, items
from gateway.flows.node import Node
from gateway.ports import Attachment, Transaction

SHOWN = frozenset({"blob", "name", "media_type", "size"})
"""What an agency sees of an attachment: what the sending agency wrote."""


def take_out(node: Node, peer: str, sections: JsonObject) -> tuple[JsonObject, Sequence[Attachment]]:
    """One reader's merged sections without the keys in them, and the files that these open. Raises as
    :func:`split_items` does."""
    shown, found = split_items(sections)
    return shown, tuple(File(node, peer, item) for item in found)


def split_items(sections: JsonObject) -> tuple[JsonObject, Sequence[Item]]:
    """One reader's merged sections without the keys in them, and what was taken out of them.

    Raises Malformed for an item that no honest node sends: a path for a name, another form.
    """
    if next(items(sections), None) is None:  # the usual case: nothing to take out
        return sections, ()
    shown = deepcopy(sections)
    found: dict[str, Item] = {}
    for _, item in items(shown):
        found[str(item.get("blob"))] = read_item(item)
        for name in item.keys() - SHOWN:
            del item[name]
    return shown, tuple(found.values())


@dataclass(frozen=True, slots=True)
class File:
    """See :class:`gateway.ports.Attachment`. Opens nothing until it is asked for its pieces."""

    _node: Node = field(repr=False)
    _peer: str
    _item: Item

    @property
    def blob(self) -> str:
        return self._item.blob

    @property
    def name(self) -> str:
        return self._item.name

    @property
    def media_type(self) -> str:
        return self._item.media_type

    @property
    def size(self) -> int:
        return self._item.size

    async def pieces(self) -> AsyncIterator[bytes]:
        """PLAINTEXT. Raises Unavailable while segments are missing, Refused when they are not the file."""
        await self.check()
        async for piece in self._opened():
            yield piece

    async def check(self) -> None:
        """Every byte of it is here and is what the signed section says; raises as :meth:`pieces` does."""
        await self._node.store.read(self._complete)
        async for _ in self._opened():
            pass

    def _complete(self, tx: Transaction) -> None:
        row = tx.blob(self._peer, self.blob)
        sealed = sealed_size(self.size)
        if row is not None and row.sealed != sealed:
            raise Malformed("the sealed bytes are not those of a file of this size", code="blob_size")
        if row is None or len(tx.segments(self._peer, self.blob)) < segment_count(sealed):
            raise _missing()

    async def _opened(self) -> AsyncIterator[bytes]:
        unsealer = Unsealer(self._item)
        for no in range(segment_count(sealed_size(self.size))):
            segment = await self._node.store.read(lambda tx, no=no: tx.segment(self._peer, self.blob, no))  # type: ignore[misc] # bound at once
            if segment is None:
                raise _missing()
            yield unsealer.push(segment.data)
        yield unsealer.finish()


def _missing() -> Unavailable:
    return Unavailable(
        "this attachment has not come whole yet",
        code=MISSING,
        remedy="try again in a minute; if it lasts, ask the sending area's operators",
    )
