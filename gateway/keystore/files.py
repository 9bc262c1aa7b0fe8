"""Files that are nobody else's: created whole or not at all, read only if nobody else could, and destroyed.

Duty: what a crash, another process or another user can do to a key file, and what stands against it. It knows
nothing of what is in them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeAlias

from gateway.errors import Misconfigured, Unavailable

LONGEST: Final = 64 * 1024
"""Bytes of a key file that are read at all; a real one has under 1 KiB."""

LONGEST_EPOCH: Final = 32 * 1024 * 1024
"""The same for an epoch: some 18 KiB for each handover or section destroyed in a month that still runs, and
less after it."""

GONE: Final = ".gone"
"""The end of the name of a file that is being destroyed: no key file any more, whatever crashes."""

_PASSING: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})

Stamp: TypeAlias = tuple[int, int, int] | None
"""Inode, time in ns and size of a file; None for no file."""


def write_private(path: Path, data: bytes) -> None:
    """Create a file with mode 0600 and all of ``data``, or none. Raises FileExistsError, never overwrites.

    Written aside and linked into place: a crash leaves no half key under the real name, and linking, unlike
    renaming, fails when the name is taken.
    """
    aside = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    handle = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, path)
    finally:
        with suppress(FileNotFoundError):
            aside.unlink()
    _sync_folder(path.parent)


def replace_private(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Put a file with mode 0600 and all of ``data`` in the place of ``path``: whoever looks sees the old file
    or the new one, and after a crash, too. Not ``durable``: after a crash of this process, and after one of
    the machine neither for certain."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    handle = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        aside.replace(path)
    finally:
        with suppress(FileNotFoundError):
            aside.unlink()
    if durable:
        _sync_folder(path.parent)


def destroy(path: Path) -> None:
    """Overwrite and remove, so that neither the name nor, where the disk writes in place, the bytes are left.

    Renamed first: who lists keys meanwhile, or after a crash, finds none that cannot be read.
    """
    aside = path if path.name.endswith(GONE) else path.with_name(f".{path.name}{GONE}")
    try:
        if aside != path:
            path.rename(aside)
        handle = os.open(aside, os.O_WRONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return  # another process was faster
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(os.fstat(handle).st_size))
        file.flush()
        os.fsync(handle)
    aside.unlink(missing_ok=True)
    _sync_folder(path.parent)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else who asks, in this process or another, until the body is left; a crash lets go, too."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def unwritable(path: Path) -> Iterator[None]:
    """Tell an error of the disk as one of the operator's; that the file is there already is no error yet."""
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        # What ends when somebody makes room is worth another try: a node must not stop over it.
        kind = Unavailable if error.errno in _PASSING else Misconfigured
        raise kind(
            f"{path.name} cannot be written: {error.strerror}",
            code="key_unwritable",
            remedy=f"let this user write to {path.parent}, on a local disk with free space",
        ) from None


def stamp_of(path: Path) -> Stamp:
    """What changes when a file is replaced; None when there is none. No link is followed."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_private(path: Path, *, follow: bool = False) -> bytes:
    """The bytes of a file that only its owner can read. Raises Misconfigured for other modes, for one that is
    not there, and for a link unless ``follow``: then what it leads to is judged."""
    # Opened first and judged by the open handle, so that nothing can be put in its place in between; without
    # blocking, so that a pipe in its place does not hang the start.
    flags = os.O_RDONLY | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    try:
        handle = os.open(path, flags)
    except OSError as error:
        raise Misconfigured(
            f"{path} cannot be opened: {error.strerror}",
            code="key_unreadable",
            remedy="no links; check the path",
        ) from None
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or stat.S_IMODE(found.st_mode) & 0o077:
            raise Misconfigured(f"{path} can be read by others", code="key_mode", remedy=f"chmod 600 {path}")
        return file.read(LONGEST_EPOCH if path.name.startswith("epoch.") else LONGEST)
