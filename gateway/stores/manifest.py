"""What stands beside a backup: what it is a backup of, and how to tell that it is whole.

``FILE.manifest.json``, canonical JSON, mode 0600. It names the area, the revision of the tables, the size and
root of the node's log and the hash of the file. It is not signed: it tells a damaged or mistaken file from
a good one. Who forges a whole database is met by the log in it, which holds to the last checkpoint that the
node signed (``gateway db check``) and to what the peers have cosigned.

Example::

    manifest = read(Path("monday.backup"))       # Refused unless the file is what the manifest says
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from gateway.core.encoding import AREA, decode_object, encode, fields, integer, text
from gateway.errors import Forged, Malformed, Misconfigured, NotFound, Unsupported

VERSION: Final = 1
KINDS: Final = ("sqlite", "postgresql")

_BLOCK: Final = 1 << 20
_SPEC: Final = {
    "area": str,
    "at": int,
    "bytes": int,
    "kind": str,
    "leaves": int,
    "revision": str,
    "root": str,
    "sha256": str,
    "v": int,
}
_HASH: Final = re.compile(r"[0-9a-f]{64}\Z")
_REVISION: Final = re.compile(r"[0-9]{4}\Z")


@dataclass(frozen=True, slots=True)
class Manifest:
    """``leaves``, ``root`` (hex): the node's log in it; ``at``: when, in unix seconds; ``sha256``, ``bytes``:
    the file itself."""

    kind: str
    area: str
    revision: str
    leaves: int
    root: str
    at: int
    sha256: str
    bytes: int


def beside(file: Path) -> Path:
    """Where the manifest of a backup stands."""
    return file.with_name(f"{file.name}.manifest.json")


def read(file: Path) -> Manifest:
    """The manifest of a backup that is whole. Raises NotFound, Malformed, Forged, Unsupported."""
    manifest = _decode(_content(beside(file)))
    if digest(file) != (manifest.sha256, manifest.bytes):
        raise Forged(
            "the backup is not what its manifest says: it was cut short or changed",
            code="backup_damaged",
            remedy="copy it again, or take another one; nothing was touched",
        )
    return manifest


def write(file: Path, manifest: Manifest) -> None:
    """Raises OSError."""
    write_new(beside(file), encode({**asdict(manifest), "v": VERSION}))


def write_new(path: Path, content: bytes) -> None:
    """A file of mode 0600, all of it or none. Raises OSError, FileExistsError too."""
    aside = path.with_name(f".{path.name}.part")
    aside.unlink(missing_ok=True)
    handle = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        os.link(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    sync(path.parent)


def sync(path: Path) -> None:
    """A file's bytes, or a folder's names, on disk."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def digest(file: Path) -> tuple[str, int]:
    """SHA-256 in hex, and how many bytes. Raises NotFound."""
    found, count = hashlib.sha256(), 0
    try:
        with file.open("rb") as source:
            while block := source.read(_BLOCK):
                found.update(block)
                count += len(block)
    except OSError as error:
        raise _missing("the backup", error) from None
    return found.hexdigest(), count


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _missing("the manifest of the backup", error) from None


def _missing(what: str, error: OSError) -> NotFound:
    return NotFound(
        f"{what} cannot be read: {error.strerror}",
        code="no_backup",
        remedy="name the file that `gateway db backup` wrote, with its .manifest.json beside it",
    )


def _decode(content: bytes) -> Manifest:
    body = fields(decode_object(content), _SPEC)
    if integer(body, "v") != VERSION:
        raise Unsupported("a newer release wrote this backup", code="backup_newer", remedy="install it")
    kind = str(body["kind"])
    if kind not in KINDS:
        raise Malformed("a backup of another kind of database", code="backup_kind")
    return Manifest(
        kind=kind,
        area=text(body, "area", AREA),
        revision=text(body, "revision", _REVISION),
        leaves=integer(body, "leaves"),
        root=text(body, "root", _HASH),
        at=integer(body, "at"),
        sha256=text(body, "sha256", _HASH),
        bytes=integer(body, "bytes"),
    )


def unwritable(path: Path, error: OSError) -> Misconfigured:
    """A file of a backup or a restore that cannot be written."""
    return Misconfigured(
        f"{path.name} cannot be written: {error.strerror}",
        code="backup_unwritable",
        remedy=f"make room, and let this user write to {path.parent}",
    )
