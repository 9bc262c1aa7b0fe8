"""Where the ``echo`` robot keeps what it was given and lays down its answers: in memory, or in a folder.

Leaves out what it answers and when. Rule: a parcel is answered once under its key, however often it comes.

Example::

    desk = FolderDesk("E09000004/police", Path("/tmp/police"))
    await desk.answer("0192", "a1", [b'{"state": "RECEIVED", "role": "Robot"}'])
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Protocol

from adapters import file_drop
from adapters._folder import IN, OUT, DropFolder
from adapters._mailbox import Mailbox
from adapters._parcels import MAX_DOCUMENT, encode_json, parse_object
from gateway.errors import Rejected
from gateway.ports import Answer, Parcel, View

_POLL = 0.2
"""Seconds. The robot renames its own files into place, so only people at a demonstration wait for it."""

_MAX_PARCEL = 4 * MAX_DOCUMENT
"""Bytes. A presentation holds the sections once more as sentences, indented."""


class Desk(Protocol):
    """``answer`` is idempotent by key. ``start`` gives (key, leg) of notifications from before a crash."""

    async def start(self) -> Sequence[tuple[str, str]]: ...

    async def take(self, view: View, key: str) -> None: ...

    async def answer(self, key: str, leg: str, bodies: Sequence[bytes]) -> None: ...

    def answers(self) -> AsyncIterator[Answer]: ...

    async def check(self) -> None: ...

    async def close(self) -> None: ...


class MemoryDesk:
    """Forgets everything with the process."""

    def __init__(self) -> None:
        self._mailbox = Mailbox()
        self._answered: set[str] = set()

    async def start(self) -> Sequence[tuple[str, str]]:
        return ()

    async def take(self, view: View, key: str) -> None:
        """Looked at and thrown away."""

    async def answer(self, key: str, leg: str, bodies: Sequence[bytes]) -> None:
        if key not in self._answered:
            self._answered.add(key)
            for body in bodies:
                self._mailbox.put(leg=leg, body=body)

    def answers(self) -> AsyncIterator[Answer]:
        return aiter(self._mailbox)

    async def check(self) -> None:
        """Always ready."""

    async def close(self) -> None:
        self._mailbox.close()


class FolderDesk:
    """A ``file_drop`` folder with the robot at its other end."""

    def __init__(self, principal: str, root: Path) -> None:
        self._drop = file_drop.Adapter(principal, {"folder": root, "poll": _POLL})
        self._folder = DropFolder(root)

    async def start(self) -> Sequence[tuple[str, str]]:
        await self._drop.start()
        return await file_drop.in_thread(self._waiting)

    async def take(self, view: View, key: str) -> None:
        await self._drop.deliver(view, key=key)

    async def answer(self, key: str, leg: str, bodies: Sequence[bytes]) -> None:
        await file_drop.in_thread(lambda: self._write(key, leg, bodies))

    def answers(self) -> AsyncIterator[Answer]:
        return self._drop.acknowledgements()

    async def check(self) -> None:
        await self._drop.check()

    async def close(self) -> None:
        await self._drop.close()

    def _waiting(self) -> Sequence[tuple[str, str]]:
        """Every notification in ``in``. Those answered before are found again by name and left alone."""
        found = []
        for name in self._folder.names(IN, ".json"):
            try:
                given = parse_object(self._folder.read(IN, name, _MAX_PARCEL)[0])
            except Rejected:
                continue  # something a person laid there
            key, leg = given.get("key"), given.get("leg")
            notification = given.get("kind") == Parcel.NOTIFICATION.value
            if notification and isinstance(key, str) and isinstance(leg, str) and name == f"{key}.json":
                found.append((key, leg))
        return found

    def _write(self, key: str, leg: str, bodies: Sequence[bytes]) -> None:
        for number, body in enumerate(bodies, 1):
            # numbered, so that two answers of one instant are taken in their order
            name = f"{key}.{number:02}{file_drop.ANSWERS}"
            if not self._folder.has(name):
                self._folder.put(OUT, name, encode_json({"leg": leg, **parse_object(body)}))
