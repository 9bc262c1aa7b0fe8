"""``file_drop``: a folder that the agency's own system reads and writes.

The node writes one JSON file a parcel into ``<folder>/in/``: ``<key>.json``, mode 0600, whole or not there::

    {"key": "...", "kind": "notification", "handover": "HO-...", "version": 1, "leg": "...",
     "principal": "E09000004/police", "urgency": "STANDARD", "content": {what the profile presents}}

Files that came with it stand beside it as ``<key>.<blob>.pdf`` (or .txt, .csv), and the parcel lists them::

    "attachments": [{"file": "<key>.<blob>.pdf", "blob": "...", "name": "order.pdf",
                     "media_type": "application/pdf", "size": 9}]

``name`` is what the sender calls the file; it is no path, and no file bears it. A large file may come after
its parcel, which does not wait for it: each appears when it is whole and verified, and not before.

A parcel may come twice, always under the same ``key``. The agency writes into ``<folder>/out/``:

- ``*.ack.json``: ``{"leg": "...", "state": "ACCEPTED", "role": "Duty sergeant", ...}``, one acknowledgement;
  of a notice ``leg`` is the notice's id, and the state ACKNOWLEDGED, COMPLETED or REJECTED;
- ``*.handover.json``: one handover document to send.

What was recorded moves to ``done/`` (a handover beside ``<name>.accepted.json`` with its reference); what
could not be, to ``refused/`` beside ``<name>.problem.json`` (RFC 9457). Files of one kind are taken in the
order they were last written.

Rules. A file is taken only when two scans ``poll`` seconds apart found it unchanged: write it under another
ending (or a leading dot) and rename it. A crash between the node's commit and the move brings the same file
again, with the same key, and it gets the same answer. A file that the flow could not settle comes again.
Rescan only: inotify does not see network shares.

Options: ``folder``; ``poll`` seconds (2). Example::

    [agencies.police]
    adapter = "file_drop"
    options = { folder = "/srv/handover/police" }
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, TypeVar

from pydantic import Field

from adapters._folder import DONE, IN, OUT, REFUSED, DropFolder, Stamp, settled_name
from adapters._options import AdapterOptions, option_error, parse_options
from adapters._parcels import (
    MAX_ANSWER,
    MAX_DOCUMENT,
    encode_json,
    parse_object,
    problem_document,
    safe_key,
)
from gateway.errors import GatewayError, InvalidDocument, Rejected, Unavailable
from gateway.ports import Answer, Attachment, Delivered, Json, Submission, View
from schemas.attachments import ENDINGS

T = TypeVar("T")

ANSWERS, HANDOVERS = ".ack.json", ".handover.json"


class Options(AdapterOptions):
    """``folder``: made when missing. ``poll``: seconds between two looks into ``out``."""

    folder: Path
    poll: Annotated[float, Field(gt=0, le=300)] = 2.0


class Adapter:
    """See the module."""

    pulls: ClassVar[bool] = False
    one_reader: ClassVar[bool] = True
    """Every process of the node sees the folder; two would take the same answer."""

    def __init__(self, principal: str, options: Mapping[str, object]) -> None:
        self._options = parse_options(Options, "file_drop", options)
        self._principal = principal
        self._folder = DropFolder(self._options.folder)
        self._closed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<adapters.file_drop.Adapter {self._principal}>"

    async def start(self) -> None:
        """Make the folders. Raises Misconfigured when they cannot be made."""
        try:
            await asyncio.to_thread(self._folder.prepare)
        except OSError as error:
            raise option_error(
                "file_drop",
                "folder",
                f"cannot be used: {_reason(error)}",
                "Name a folder that the node's account may write to; none of its four parts may be a link.",
            ) from None

    async def deliver(self, view: View, *, key: str) -> Delivered:
        """Write the parcel. Raises Unavailable when the folder does not take it, Rejected for a bad key."""
        name = f"{safe_key(key)}.json"
        await in_thread(lambda: self._folder.put(IN, name, parcel(view, key)))
        for file in view.attachments:  # after it: an urgent parcel does not wait for a file
            await self._write(file, file_name(key, file))
        return Delivered(reference=name)

    async def _write(self, file: Attachment, name: str) -> None:
        """Raises Unavailable while the file is on its way, Refused when it is not what was signed."""
        if await in_thread(lambda: self._folder.holds(IN, name, file.size)):
            return  # written before a crash: whole, or it would not be there
        pieces = file.pieces()
        first = await anext(pieces)  # verified to its last byte: nothing else touches the disk
        part = await in_thread(lambda: self._folder.begin(IN, name))
        try:
            await in_thread(partial(part.write, first))
            async for piece in pieces:
                await in_thread(partial(part.write, piece))
            await in_thread(part.finish)
        except BaseException:
            part.discard()
            raise

    async def acknowledgements(self) -> AsyncIterator[Answer]:
        async for file in self._arrivals(ANSWERS, MAX_ANSWER):
            try:
                leg, body = split_leg(file.content)
            except InvalidDocument as error:
                await self._set_aside(file.name, file.stamp, error)
                continue
            yield FileAnswer(leg, body, file)

    async def submissions(self) -> AsyncIterator[Submission]:
        async for file in self._arrivals(HANDOVERS, MAX_DOCUMENT):
            yield FileSubmission(file.content, file)

    async def check(self) -> None:
        """Raises Unavailable when the folder is gone, full of links, or not writable."""
        await in_thread(self._folder.check)

    async def close(self) -> None:
        """Both iterators end at their next step; nothing is left half-written."""
        self._closed.set()

    async def _arrivals(self, suffix: str, limit: int) -> AsyncIterator[Arrived]:
        before: Mapping[str, Stamp] = {}
        while not self._closed.is_set():
            found = await self._look(suffix)
            for name, stamp in found.items():
                if self._closed.is_set():
                    return
                if before.get(name) == stamp and (file := await self._take(name, stamp, limit)):
                    yield file
            before = found
            await self._pause()

    async def _look(self, suffix: str) -> Mapping[str, Stamp]:
        try:
            return await in_thread(lambda: self._folder.names(OUT, suffix))
        except Unavailable:
            return {}  # a share that is away for a while: check() says so, the next look may find it

    async def _take(self, name: str, stamp: Stamp, limit: int) -> Arrived | None:
        try:
            content, seen = await in_thread(lambda: self._folder.read(OUT, name, limit))
        except Unavailable:
            return None
        except Rejected as error:
            await self._set_aside(name, stamp, error)
            return None
        return Arrived(self._folder, name, content, seen) if seen == stamp else None

    async def _set_aside(self, name: str, stamp: Stamp, error: GatewayError) -> None:
        try:
            await in_thread(lambda: _refuse(self._folder, name, stamp, error))
        except Unavailable:
            return  # still in ``out``: refused at the next look

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._closed.wait(), self._options.poll)
        except TimeoutError:
            return


@dataclass(frozen=True, slots=True)
class Arrived:
    """A whole file taken from ``out``, not yet settled. ``content`` is plaintext."""

    folder: DropFolder
    name: str = field(repr=False)  # chosen by a person at the agency: it may hold a name
    content: bytes = field(repr=False)
    stamp: Stamp

    async def settle(self) -> None:
        await in_thread(lambda: self.folder.move(self.name, self.stamp, DONE))

    async def refuse(self, error: GatewayError) -> None:
        await in_thread(lambda: _refuse(self.folder, self.name, self.stamp, error))


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """An ``*.ack.json``. ``done`` and ``refuse`` raise Unavailable when the file cannot be moved; it is then
    brought again."""

    leg: str
    body: bytes = field(repr=False)
    _file: Arrived = field(repr=False)

    async def done(self) -> None:
        await self._file.settle()

    async def refuse(self, error: GatewayError) -> None:
        await self._file.refuse(error)


@dataclass(frozen=True, slots=True)
class FileSubmission:
    """A ``*.handover.json``. Its key stays between the folder and the node, so a plain hash is enough."""

    body: bytes = field(repr=False)
    _file: Arrived = field(repr=False)

    @property
    def key(self) -> str:
        """SHA-256 (hex) of name and content: another content under the same name is another hand-in."""
        return hashlib.sha256(os.fsencode(self._file.name) + b"\0" + self.body).hexdigest()

    async def done(self, ref: str) -> None:
        name = f"{settled_name(self._file.name)}.accepted.json"
        content = encode_json({"handover": ref}, indent=1)
        await in_thread(lambda: self._file.folder.put(DONE, name, content))
        await self._file.settle()

    async def refuse(self, error: GatewayError) -> None:
        await self._file.refuse(error)


def parcel(view: View, key: str) -> bytes:
    """One parcel as the agency finds it (see the module)."""
    files: list[Json] = [
        {
            "file": file_name(key, file),
            "blob": file.blob,
            "name": file.name,
            "media_type": file.media_type,
            "size": file.size,
        }
        for file in view.attachments
    ]
    listed: dict[str, Json] = {"attachments": files} if files else {}
    return encode_json(
        {
            "key": key,
            "kind": view.kind.value,
            "handover": view.handover,
            "version": view.version,
            "leg": view.leg,
            "principal": view.principal,
            "urgency": view.urgency,
            **listed,
            "content": dict(view.content),
        },
        indent=1,
    )


def file_name(key: str, file: Attachment) -> str:
    """Made of ids alone: what the sender calls a file becomes no path, and no two are one."""
    return f"{safe_key(key)}.{file.blob}{ENDINGS[file.media_type]}"


def split_leg(content: bytes) -> tuple[str, bytes]:
    """``(leg, JSON of the acknowledgement alone)``. Raises InvalidDocument, pointing at ``/leg``."""
    document = parse_object(content)
    leg = document.pop("leg", None)
    if not isinstance(leg, str) or not leg:
        raise InvalidDocument(
            "the leg is missing",
            field="/leg",
            remedy="Name the leg of the parcel this answers: its field leg, as text.",
        )
    return leg, encode_json(document)


def _refuse(folder: DropFolder, name: str, stamp: Stamp, error: GatewayError) -> None:
    """The reason first: after a crash between the two, the file is refused once more, with its reason."""
    problem = encode_json(problem_document(error), indent=1)
    folder.put(REFUSED, f"{settled_name(name)}.problem.json", problem)
    folder.move(name, stamp, REFUSED)


async def in_thread(work: Callable[[], T]) -> T:
    """The edge to the file system: its errors become Unavailable, without the path, which a person named."""
    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        reason = _reason(error)
    raise Unavailable(
        f"the agency's folder cannot be used now: {reason}",
        code="folder",
        remedy="Check that the folder is there, that the node's account may write to it, and the space left.",
    )


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else type(error).__name__
