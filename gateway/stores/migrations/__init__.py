"""Bringing a database to this release's tables, and telling whether it is there.

Duty: what ``gateway db upgrade`` and the start of a store call. Alembic runs the steps in ``versions/``; they
need no ``alembic.ini``. Revisions are numbered "0001", "0002", ... so that behind and ahead can be told apart
by any release.

Rules: an upgrade is one transaction under a lock, so two processes that start at once do it once, and one
that fails leaves the database as it was. It runs beside nodes that write: on PostgreSQL it waits for a table
no longer than :data:`LOCK_MS`, for whoever comes after it waits behind it, then lets everybody through and
begins again. Alembic itself (a second to import) is loaded only to upgrade.

Example::

    migrations.upgrade("postgresql+psycopg://gateway@db/gateway")
    migrations.check("postgresql+psycopg://gateway@db/gateway")    # Misconfigured unless at HEAD
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from gateway.errors import Misconfigured
from gateway.stores.database import Database
from gateway.stores.faults import MIGRATE, TransactionError

if TYPE_CHECKING:
    from alembic.config import Config

HEAD: Final = "0011"
FOLDER: Final = Path(__file__).parent

_VERSIONS: Final = sa.table("alembic_version", sa.column("version_num", sa.Text))
# Another process that upgrades may take its time, on a slow disk or a large table.
_SQLITE_WAITS: Final = "PRAGMA busy_timeout=120000"
_POSTGRES_WAITS: Final = "SET LOCAL lock_timeout=120000; SET LOCAL statement_timeout=600000"
LOCK_MS: Final = 2_000
"""How long a step may keep others waiting behind it for a table that somebody reads, a backup for one."""
PATIENCE: Final = 120.0
BREATH: Final = 1.0
"""Seconds until an upgrade gives up, and between two of its tries."""

_POSTGRES_STEPS: Final = f"SET LOCAL lock_timeout={LOCK_MS}"
_LOCK_NOT_AVAILABLE: Final = "55P03"
_SQLITE_KIND: Final = 0xFF
"""The kind of an error; what stands above it says more (sqlite.org/rescode)."""
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('gateway migrations'))"


def upgrade(url: str) -> None:
    """Bring the database to :data:`HEAD`. Raises Misconfigured or Unavailable."""
    _with_engine(url, upgrade_engine, make=True)


def check(url: str) -> None:
    """Raises Misconfigured unless the database is at :data:`HEAD`; Unavailable when it does not answer."""
    _with_engine(url, check_engine)


def revision(url: str) -> str | None:
    """Where the database stands; None without tables of ours. Raises Misconfigured or Unavailable."""
    found: list[str | None] = []

    def look(engine: sa.Engine) -> None:
        with engine.connect() as connection:
            found.append(_revision(connection))

    database = Database(url, readers=1)
    if database.path is not None and not database.path.exists():
        return None  # looking would make the file
    _with_engine(url, look)
    return found[0]


def steps(after: str | None) -> list[str]:
    """The revisions from ``after`` to :data:`HEAD`, in order. Raises Misconfigured when it is ahead."""
    if after and after > HEAD:
        raise _ahead()
    known = sorted(path.name[:4] for path in (FOLDER / "versions").glob("[0-9]*_*.py"))
    return [name for name in known if name > (after or "")]


def upgrade_engine(engine: sa.Engine) -> None:
    """The same on an engine in autocommit mode."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return _upgrade_once(engine)
        except sa.exc.DBAPIError as error:
            if not _waits(error.orig) or time.monotonic() > deadline:
                raise
        time.sleep(BREATH)  # those who waited behind this one go first


def _waits(error: BaseException | None) -> bool:
    """Whether somebody else has what this try needs. SQLite asks its busy handler only for some locks: to
    open a new file twice at once is refused without waiting."""
    busy = getattr(error, "sqlite_errorcode", 0) & _SQLITE_KIND in (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
    )
    return busy or getattr(error, "sqlstate", "") == _LOCK_NOT_AVAILABLE


def _upgrade_once(engine: sa.Engine) -> None:
    from alembic import command  # noqa: PLC0415 - a second to import, for a thing done once a release

    sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as connection:
        if sqlite:
            connection.exec_driver_sql(_SQLITE_WAITS)
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql("BEGIN")
            connection.exec_driver_sql(_POSTGRES_WAITS)
            connection.exec_driver_sql(_LOCK)
            connection.exec_driver_sql(_POSTGRES_STEPS)
        if (revision := _revision(connection)) and revision > HEAD:
            raise _ahead()
        command.upgrade(configuration(connection), "head")
        connection.exec_driver_sql("COMMIT")


def check_engine(engine: sa.Engine) -> None:
    """The same on an engine."""
    with engine.connect() as connection:
        revision = _revision(connection)
    if revision is None:
        raise Misconfigured(
            "the database holds no tables of the gateway", code="store_schema", remedy=MIGRATE
        )
    if revision < HEAD:
        raise Misconfigured(
            f"the database is at revision {revision}, this release needs {HEAD}",
            code="store_schema",
            remedy=MIGRATE,
        )
    if revision > HEAD:
        raise _ahead()


def configuration(connection: sa.Connection) -> Config:
    """What Alembic needs to know, with the connection it shall work on."""
    from alembic.config import Config  # noqa: PLC0415 - see upgrade_engine

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _ahead() -> Misconfigured:
    return Misconfigured(
        f"the database was upgraded by a newer release (this one knows revision {HEAD})",
        code="store_schema",
        remedy=f"install the newer release; going back needs the backup made before its '{MIGRATE[5:]}'",
    )


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(_VERSIONS.name):
        return None
    return connection.execute(sa.select(_VERSIONS.c.version_num)).scalar()


def _with_engine(url: str, do: Callable[[sa.Engine], None], *, make: bool = False) -> None:
    database = Database(url, readers=1)
    try:
        if make:
            database.make_file()
        do(database.engine)
    except sa.exc.DBAPIError as error:
        meaning = database.unreachable(error)
        raise (meaning.error if isinstance(meaning, TransactionError) else meaning) from None
    finally:
        database.engine.dispose()
