"""What the processes of one area tell each other beside the tables: that they live, and what is to do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, Protocol

EVERY_BELL: Final = ""
"""What :meth:`Siblings.bells` brings when some may have been missed: look at everything."""


class Siblings(Protocol):
    """Contract: a process that has started holds a lock under its worker's id that ends with the process,
    however it ends (kill -9, a power cut), and with nothing else that it can help. Whoever sees the lock free
    knows that nobody works under that id; a lock that is held may be that of a process that is stopped, which
    only its missing beats tell (``WorkerRow.beats``)."""

    async def start(self, worker: str) -> None:
        """Take the lock. Raises Unavailable."""
        ...

    async def gone(self, workers: Sequence[str]) -> AbstractSet[str]:
        """Those whose lock nobody holds; none while it cannot be told. Mends a lost lock of our own. Raises
        Unavailable."""
        ...

    async def ring(self, bell: str) -> None:
        """Tell the others that there is work of this name. May be lost: they also look by themselves. Raises
        Unavailable."""
        ...

    def bells(self) -> AsyncIterator[str]:
        """What is rung, until closed; it looks again by itself after a lost connection."""
        ...

    async def close(self) -> None:
        """Let the lock go."""
        ...
