"""A whole copy of the node's database beside a running node, and putting one back.

Duty: SQLite here, PostgreSQL by its own tools in :mod:`gateway.stores.backup_pg`; what is beside the copy is
in :mod:`gateway.stores.manifest`. It leaves out the key folder, on purpose: with last month's epoch keys in
it a backup would bring back what was shredded.

Rules:

* A copy is one moment (``VACUUM INTO`` reads one snapshot of the WAL and stops nobody), holds no freed page
  with what was deleted, is looked at before it gets its name, and is on disk when this returns.
* Nothing is put back over a database in use, nor, without ``force``, over one that holds more than the copy;
  and nothing is overwritten: what was there is kept under another name.
* What is put back is made ready aside, upgraded and told that it is an old one (``mark``), and takes its
  place by one rename. Killed at any moment there is the old database or the new one, never half of either.

Example::

    take(url, Path("monday.backup"), area="E09000012", now=now)
    restored = put_back(url, Path("monday.backup"), area="E09000012", stamp="20261123T013000Z", mark=begin)
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from gateway.core.merkle import Head, leaf_hash
from gateway.errors import Conflict, Misconfigured, Unsupported
from gateway.stores import backup_pg, faults, migrations
from gateway.stores.database import parse
from gateway.stores.faults import TransactionError
from gateway.stores.manifest import Manifest, beside, digest, read, sync, unwritable, write

Mark = Callable[[str], None]
"""Given the url of a database that was put back: say in it that it may be older than what was sent."""

JOURNALS: Final = ("-wal", "-shm", "-journal")
_LOCKS: Final = (0x40000000, 512)
"""The bytes of its file in which SQLite keeps its locks, by process: https://sqlite.org/fileformat2.html"""

_HEADER: Final = b"SQLite format 3\x00"
_LEAVES: Final = "SELECT leaf FROM log ORDER BY n"
_REVISION: Final = "SELECT version_num FROM alembic_version"


@dataclass(frozen=True, slots=True)
class Restored:
    """``kept``: where what was there before is now, "" for nothing; ``lost``: leaves of the log that it has
    and the backup has not; -1 when it could not be read."""

    manifest: Manifest
    kept: str
    lost: int


def take(url: str, file: Path, *, area: str, now: int) -> Manifest:
    """Write ``file`` and its manifest. Raises Conflict when there is one, Misconfigured, Unavailable."""
    for path in (file, beside(file)):
        if path.exists() or path.is_symlink():
            raise Conflict(
                f"{path.name} is there already",
                code="backup_exists",
                remedy="choose another name: a backup is never written over another",
            )
    part = file.with_name(f".{file.name}.part")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
        try:
            made = _copy(url, part, Manifest(_kind(url), area, "", 0, "", now, "", 0))
            sync(part)
            write(file, made)  # first: a file without it is no backup, and that is what a crash leaves
            part.rename(file)
            sync(file.parent)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(file, error) from None
    return made


def put_back(url: str, file: Path, *, area: str, stamp: str, mark: Mark, force: bool = False) -> Restored:
    """Put a backup in the place of the database at ``url``; ``stamp`` is part of the name under which what is
    there is kept. Raises Refused, NotFound, Conflict, Misconfigured, Unavailable: all is as it was."""
    manifest = read(file)
    _check_fits(manifest, url, area)
    if manifest.kind == "postgresql":
        kept, lost = backup_pg.put_back(url, file, manifest, stamp=stamp, force=force)
        migrations.upgrade(url)
        mark(url)
        return Restored(manifest, kept, lost)
    return _put_back(Path(parse(url).database or ""), file, manifest, stamp=stamp, mark=mark, force=force)


def _kind(url: str) -> str:
    return "postgresql" if parse(url).get_backend_name() == "postgresql" else "sqlite"


def _check_fits(manifest: Manifest, url: str, area: str) -> None:
    if manifest.area != area:
        raise Conflict(
            f"this is a backup of {manifest.area}, and the configuration is that of {area}",
            code="backup_area",
            remedy="name the configuration of that area with --config, or the right file",
        )
    if manifest.kind != _kind(url):
        raise Conflict(
            f"this is a backup of {manifest.kind}, and the configuration names another kind of database",
            code="backup_kind",
            remedy="set the url of [database] to one of the same kind",
        )
    if manifest.revision > migrations.HEAD:
        raise Unsupported(
            f"the backup is at revision {manifest.revision}, this release knows {migrations.HEAD}",
            code="backup_newer",
            remedy="install the release that made it, or a newer one",
        )


def log_of(leaves: Iterable[bytes]) -> Head:
    """The tree over all leaves, made anew."""
    head = Head()
    for leaf in leaves:
        head.append(leaf_hash(leaf))
    return head


# --- taking -------------------------------------------------------------------------------------------


def _copy(url: str, part: Path, blank: Manifest) -> Manifest:
    """Raises Unavailable or Misconfigured for the database, OSError for the file."""
    if blank.kind == "postgresql":
        made = backup_pg.dump(url, part, blank)
    else:
        made = _copy_sqlite(Path(parse(url).database or ""), part, blank)
    sha256, count = digest(part)
    return replace(made, sha256=sha256, bytes=count)


def _copy_sqlite(source: Path, part: Path, blank: Manifest) -> Manifest:
    with _translated():
        with closing(_open(source)) as connection:
            connection.execute("VACUUM INTO ?", (str(part),))
        with closing(_open(part)) as copy:
            found = copy.execute("PRAGMA integrity_check(1)").fetchone()
            if found != ("ok",):
                raise _damaged("the copy is damaged: the disk of one of the two files fails")
            revision = str(copy.execute(_REVISION).fetchone()[0])
            head = log_of(row[0] for row in copy.execute(_LEAVES))
    return replace(blank, revision=revision, leaves=head.size, root=head.root.hex())


def _open(path: Path) -> sqlite3.Connection:
    """Of an existing file alone: SQLite would make a new one."""
    if not path.is_file():
        raise Misconfigured(
            "there is no database where the configuration says",
            code="no_database",
            field="/database/url",
            remedy="check url and data in the configuration; a node makes it at its first start",
        )
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)


def _damaged(message: str) -> Misconfigured:
    return Misconfigured(message, code="store_damaged", remedy="check the disk; restore the newest backup")


@contextmanager
def _translated() -> Iterator[None]:
    """Raises GatewayError for what SQLite raises."""
    try:
        yield
    except sqlite3.Error as error:
        meaning = faults.of_sqlite(error)
        raise (meaning.error if isinstance(meaning, TransactionError) else meaning) from None


# --- putting back -------------------------------------------------------------------------------------


def _put_back(
    place: Path, file: Path, manifest: Manifest, *, stamp: str, mark: Mark, force: bool
) -> Restored:
    lost = _weighed(place, manifest, force=force)
    staged = place.with_name(f".{place.name}.restoring")
    try:
        _stage(file, staged)
        mark_as = f"sqlite:///{staged}"
        migrations.upgrade(mark_as)
        mark(mark_as)
        _fold(staged)
        sync(staged)
        with _alone(place):
            kept = _set_aside(place, f"{place.name}.before-{stamp}")
            staged.replace(place)
            sync(place.parent)
    except OSError as error:
        raise unwritable(place, error) from None
    finally:
        for name in ("", *JOURNALS):
            staged.with_name(staged.name + name).unlink(missing_ok=True)
    return Restored(manifest, kept, lost)


def _weighed(place: Path, manifest: Manifest, *, force: bool) -> int:
    """How many leaves would be lost. Raises Conflict for a database in use, or with more than the backup."""
    if not place.exists():
        return 0
    with _alone(place):
        pass
    with place.open("rb") as file:
        begins = file.read(len(_HEADER))
    if begins != _HEADER:
        return -1  # not even opened: SQLite clears away the journals of what it cannot read
    try:
        with closing(_open(place)) as connection:  # closing it folds its journals in: see _set_aside
            leaves = connection.execute("SELECT count(*) FROM log").fetchone()[0]
    except sqlite3.DatabaseError:  # damaged, or no database of ours: what is restored for
        return -1
    if leaves > manifest.leaves and not force:
        raise backup_pg.holds_more(leaves - manifest.leaves)
    return max(0, int(leaves) - manifest.leaves)


def _stage(file: Path, staged: Path) -> None:
    for name in ("", *JOURNALS):  # of a restore that was killed
        staged.with_name(staged.name + name).unlink(missing_ok=True)
    handle = os.open(staged, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as out, file.open("rb") as source:
        while block := source.read(1 << 20):
            out.write(block)


def _fold(place: Path) -> None:
    """Everything into the one file: a journal left beside would be taken for that of another database."""
    with _translated(), closing(_open(place)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode=DELETE")


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Nobody else has the database open, and nobody can begin to use it meanwhile. Raises Conflict.

    A process in WAL mode holds SQLite's shared lock for as long as it has the file open, a writer or not.
    """
    if not place.exists():
        yield
        return
    handle = os.open(place, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, _LOCKS[1], _LOCKS[0])
    except OSError:
        os.close(handle)
        raise Conflict(
            "the database is in use",
            code="database_in_use",
            remedy="stop the node and whatever else has it open, then run this again",
        ) from None
    try:
        yield
    finally:
        os.close(handle)


def _set_aside(place: Path, name: str) -> str:
    """The old database under another name, with its journals, and under its own as well until it is replaced.

    The journals go first: one beside a replaced file would be read as the new one's.
    """
    if not place.exists():
        return ""
    aside = place.with_name(name)
    for end in JOURNALS:
        with suppress(FileNotFoundError):
            place.with_name(place.name + end).rename(aside.with_name(aside.name + end))
    os.link(place, aside)
    return str(aside)
