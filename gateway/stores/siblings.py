"""Which processes of one area live, where they share a file: a lock beside the database for each.

Duty: :class:`gateway.ports.Siblings` for SQLite, and for a process that is alone by its nature (``memory:``).
Rules: ``flock`` belongs to the open file, so it ends with its process, whatever ends that; the file that is
left is taken away by whoever finds it unlocked. Nobody is rung: one process does everything here, and a
second one on the same file looks by itself once a second.

Example::

    siblings = open_siblings("sqlite:////var/lib/gateway/store.db")
    await siblings.start(worker)          # holds /var/lib/gateway/store.db.worker-<id>
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path

from gateway.errors import Unavailable
from gateway.ports import Siblings
from gateway.stores import MEMORY


def open_siblings(url: str) -> Siblings:
    """Not started yet. Raises Misconfigured."""
    if url == MEMORY:
        return Alone()
    from gateway.stores.database import parse  # noqa: PLC0415 - SQLAlchemy is slow to load, see stores

    parsed = parse(url)
    if parsed.get_backend_name() == "sqlite":
        return FileSiblings(Path(parsed.database or ""))
    from gateway.stores.siblings_pg import PostgresSiblings  # noqa: PLC0415 - an extra

    return PostgresSiblings(parsed)


class Alone:
    """Whoever was here before is gone: what it kept has gone with it."""

    async def start(self, worker: str) -> None: ...

    async def gone(self, workers: Sequence[str]) -> AbstractSet[str]:
        return set(workers)

    async def ring(self, bell: str) -> None: ...

    async def bells(self) -> AsyncIterator[str]:
        await asyncio.Event().wait()
        yield ""

    async def close(self) -> None: ...


class FileSiblings(Alone):
    """See :class:`gateway.ports.Siblings`. ``database``: the file beside which the locks lie."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._held: tuple[Path, int] | None = None

    async def start(self, worker: str) -> None:
        place = self._place(worker)
        try:
            handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Unavailable(
                f"the lock beside the database cannot be taken: {os.strerror(error.errno or 0)}",
                code="worker_lock",
                remedy="the folder of the database must be writable, with room on its disk",
            ) from None
        self._held = place, handle

    async def gone(self, workers: Sequence[str]) -> AbstractSet[str]:
        return {worker for worker in workers if self._is_free(self._place(worker))}

    async def close(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            with suppress(OSError):
                held[0].unlink()
            os.close(held[1])

    def _place(self, worker: str) -> Path:
        return self._database.with_name(f"{self._database.name}.worker-{worker}")

    def _is_free(self, place: Path) -> bool:
        try:
            handle = os.open(place, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        except OSError:
            return False  # nobody can tell, so nothing is taken from it
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            place.unlink(missing_ok=True)
        except OSError:
            return False
        finally:
            os.close(handle)
        return True


__all__ = ["Alone", "FileSiblings", "open_siblings"]
