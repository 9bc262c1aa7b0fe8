"""A file that came with a relayed handover: sealed bytes from the node, opened with the section's key.

They are fetched twice: once to know that every one of them is there and is what the signed section says,
once to give them out. So nobody is given the beginning of a file whose end is wrong, and no disk sees any.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from gateway.core.blob import Item, Unsealer, sealed_size, segment_count

Fetch = Callable[[str, int], Awaitable[bytes]]
"""(blob, number of the segment) -> its sealed bytes. Raises Unavailable while they are not there."""


@dataclass(frozen=True, slots=True)
class RelayedFile:
    """See :class:`gateway.ports.Attachment`."""

    _item: Item
    _fetch: Fetch = field(repr=False)

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
        """Every byte of it is at the node and is what the signed section says; raises as `pieces` does."""
        async for _ in self._opened():
            pass

    async def _opened(self) -> AsyncIterator[bytes]:
        unsealer = Unsealer(self._item)
        for no in range(segment_count(sealed_size(self.size))):
            yield unsealer.push(await self._fetch(self.blob, no))
        yield unsealer.finish()
