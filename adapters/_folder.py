"""One agency's folder on disk: whole files in, whole files out, whatever crashes.

::

    <root>/in/       the node writes, the agency takes
    <root>/out/      the agency writes, the node takes
    <root>/done/     what the node took and recorded
    <root>/refused/  what the node could not record, each beside its ``<name>.problem.json``

Duty: files and their names. Leaves out what they mean, and time. Rules: a file appears under its name only
when it is whole and on disk (temporary name, fsync, rename, fsync of the directory); links are never
followed, because who may write into ``out`` may not thereby read what the node can; every call blocks and
belongs into a thread; OSError passes through to the caller, which is the edge.

Example::

    folder = DropFolder(Path("/srv/handover/police"))
    folder.prepare()
    folder.put("in", "0192.json", b"{}")
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gateway.errors import InvalidDocument, TooLarge

IN, OUT, DONE, REFUSED = "in", "out", "done", "refused"

_PLACES = (IN, OUT, DONE, REFUSED)
_PART = ".part"
_MAX_NAME = 200
"""Bytes. File systems allow 255; what we add to a name (``.problem.json``, the temporary part) must fit."""

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # NONBLOCK: a pipe must not hold us
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which file it is and how far it has been written; the name alone does not say."""

    inode: int
    size: int
    modified: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        return cls(status.st_ino, status.st_size, status.st_mtime_ns)


class DropFolder:
    """See the module. ``place`` is one of ``in``, ``out``, ``done``, ``refused``."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def prepare(self) -> None:
        """Make what is missing (0700) and clear what a crash left half-written, which is plaintext."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for place in _PLACES:
            path = self._root / place
            with suppress(FileExistsError):
                path.mkdir(mode=0o700)
            if not stat.S_ISDIR(path.lstat().st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            for left in path.glob(f".*{_PART}"):
                left.unlink()

    def check(self) -> None:
        """Raises OSError when the folder could not be written to now."""
        for place in _PLACES:
            path = self._root / place
            if not stat.S_ISDIR(path.lstat().st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    def put(self, place: str, name: str, content: bytes) -> None:
        """Make ``name`` hold ``content`` (0600), durably. Nothing happens when it already does."""
        path = self._root / place / name
        if _holds(path, content):
            _sync(path.parent)  # the crash may have come before this was done
        else:
            _write(path, content)

    def begin(self, place: str, name: str) -> Part:
        """A file to be written piece by piece; ``name`` is not there before :meth:`Part.finish`."""
        return Part(self._root / place / name)

    def holds(self, place: str, name: str, size: int) -> bool:
        """Whether a regular file of that size lies there. For a name that only one content can have."""
        try:
            status = (self._root / place / name).lstat()
        except FileNotFoundError:
            return False
        return stat.S_ISREG(status.st_mode) and status.st_size == size

    def names(self, place: str, suffix: str) -> Mapping[str, Stamp]:
        """What lies there under names with that ending, oldest first. Hidden names are not ready yet."""
        found: list[tuple[str, Stamp]] = []
        with os.scandir(self._root / place) as entries:
            for entry in entries:
                if entry.name.endswith(suffix) and not entry.name.startswith("."):
                    with suppress(FileNotFoundError):  # renamed away meanwhile
                        found.append((entry.name, Stamp.of(entry.stat(follow_symlinks=False))))
        return dict(sorted(found, key=lambda item: (item[1].modified, item[0])))

    def read(self, place: str, name: str, limit: int) -> tuple[bytes, Stamp]:
        """Content and the stamp it was read under. Raises InvalidDocument for anything but a regular file,
        TooLarge above ``limit`` bytes."""
        with _open(self._root / place / name) as file:
            status = os.fstat(file.fileno())
            content = file.read(limit + 1)
        if len(content) > limit:
            raise TooLarge(f"the file is over {limit} bytes", remedy="Leave out what is not needed.")
        return content, Stamp.of(status)

    def move(self, name: str, stamp: Stamp, place: str) -> None:
        """Move ``name`` out of ``out`` if it is still the file of that stamp.

        A newer file of the same name was never read: it stays and is taken next. A missing one was moved
        before a crash. An older one of that name in ``place`` is replaced.
        """
        source = self._root / OUT / name
        try:
            found = Stamp.of(source.lstat())
        except FileNotFoundError:
            return
        if found == stamp:
            source.rename(self._root / place / settled_name(name))
            _sync(self._root / place)
            _sync(source.parent)

    def has(self, name: str) -> bool:
        """Whether the agency ever wrote ``name``: it waits, was recorded or was refused."""
        settled = settled_name(name)
        return any(
            (self._root / place / each).exists()
            for place, each in ((OUT, name), (DONE, settled), (REFUSED, settled))
        )


class Part:
    """A file that is being written: private (0600), under a hidden name that :meth:`DropFolder.prepare`
    clears after a crash, and under its own name only when it is whole and on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_PART}")
        self._file = os.fdopen(os.open(self._part, _CREATE, 0o600), "wb")

    def write(self, piece: bytes) -> None:
        self._file.write(piece)

    def finish(self) -> None:
        """Durable, then visible."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.rename(self._path)
        _sync(self._path.parent)

    def discard(self) -> None:
        """Nothing of it stays, if it was not finished."""
        with suppress(OSError):  # a full disk may refuse what is left in the buffer: it is thrown away anyway
            self._file.close()
        self._part.unlink(missing_ok=True)


def settled_name(name: str) -> str:
    """The name in ``done`` and ``refused``: the agency's own unless it leaves no room for our ending."""
    raw = os.fsencode(name)
    return name if len(raw) <= _MAX_NAME else hashlib.sha256(raw).hexdigest()


def _open(path: Path) -> BinaryIO:
    """A regular file for reading. Raises InvalidDocument for anything else, without waiting on a pipe."""
    try:
        handle = os.open(path, _READ)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link, or a socket
            raise _not_a_file() from None
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise _not_a_file()
    return os.fdopen(handle, "rb")


def _not_a_file() -> InvalidDocument:
    return InvalidDocument(
        "this is not a regular file; links are not followed",
        code="not_a_file",
        remedy="Put the file itself into the folder.",
    )


def _holds(path: Path, content: bytes) -> bool:
    try:
        with _open(path) as file:
            return file.read(len(content) + 1) == content
    except (OSError, InvalidDocument):
        return False  # missing, a link or unreadable: written anew, and that write reports what is wrong


def _write(path: Path, content: bytes) -> None:
    part = Part(path)
    try:
        part.write(content)
        part.finish()
    except OSError:
        part.discard()
        raise


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
