"""One database, SQLite or PostgreSQL: how it is opened, and one session on it.

Duty: everything in which the two differ, in one place. Above this file there is one code base.

===================  ==============================================  =====================================
                     SQLite                                          PostgreSQL (psycopg 3)
===================  ==============================================  =====================================
write                ``BEGIN IMMEDIATE``: one writer at a time       ``READ COMMITTED``, row locks
read                 deferred transaction on the WAL                 ``REPEATABLE READ, READ ONLY``
durable              ``journal_mode=WAL``, ``synchronous=FULL``      the server's ``synchronous_commit``
waits                ``busy_timeout``                                ``lock_timeout``, ``statement_timeout``
a lost COMMIT        cannot happen                                   ``pg_xact_status`` says what became of it
===================  ==============================================  =====================================

Rules: the driver stands in autocommit mode and every BEGIN is ours, so that a read is one snapshot (Python's
sqlite3 opens no transaction for a SELECT) and a write takes SQLite's lock before it reads (an upgrade of a
read lock cannot wait and fails). The file of SQLite is made 0600 and its journals inherit that.

Example::

    database = Database("sqlite:////var/lib/gateway/store.db")
    with database.session(writable=False) as session:
        session.begin()
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import PoolProxiedConnection

from gateway.errors import Misconfigured
from gateway.stores import faults
from gateway.stores.common import refuse_write
from gateway.stores.faults import TransactionError
from gateway.stores.statements import Statement

BUSY_MS: Final = 5_000  # how long a process waits for another one's write: far over any group's length
LOCK_MS: Final = 10_000  # the same for one row of PostgreSQL; after it the group is run again
STATEMENT_MS: Final = 30_000  # nothing here takes a second; a statement that hangs must not hold the writer
CONNECT_S: Final = 5
DEAD_MS: Final = 15_000  # unacknowledged TCP data for this long means the server is gone (tcp(7))

_SQLITE: Final = (
    f"PRAGMA busy_timeout={BUSY_MS}",  # first: the switch to WAL waits for a lock, too
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA journal_size_limit=67108864",
)
_POSTGRES: Final = (
    f"SET lock_timeout={LOCK_MS}",
    f"SET statement_timeout={STATEMENT_MS}",
    f"SET idle_in_transaction_session_timeout={STATEMENT_MS}",
)
_POSTGRES_ARGUMENTS: Final = {
    "autocommit": True,
    "application_name": "gateway",
    "connect_timeout": CONNECT_S,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": DEAD_MS,
}
_BEGIN: Final = {
    ("sqlite", True): "BEGIN IMMEDIATE",
    ("sqlite", False): "BEGIN",
    ("postgresql", True): "BEGIN ISOLATION LEVEL READ COMMITTED",
    ("postgresql", False): "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
}
_KEEP: Final = {
    "sqlite": ("RELEASE SAVEPOINT work", "SAVEPOINT work"),  # one statement at a time, but no round trip
    "postgresql": ("RELEASE SAVEPOINT work; SAVEPOINT work",),
}


class Later:
    """Inserts left for later, by statement, in the order in which they came; and what a work that fails takes
    back of them, which is its own and no more."""

    def __init__(self) -> None:
        self._rows: dict[Statement, list[Mapping[str, Any]]] = {}
        self._kept: dict[Statement, int] = {}  # how many of them are of works that have ended well
        self._done: list[tuple[Statement, list[Mapping[str, Any]]]] = []  # theirs, done since this one began
        self.tables: set[str] = set()  # for which there may be something

    def put(self, statement: Statement, values: Mapping[str, Any]) -> None:
        self._rows.setdefault(statement, []).append(values)
        self.tables |= statement.tables

    def take(self, tables: frozenset[str] | None) -> list[tuple[Statement, list[Mapping[str, Any]]]]:
        """What is to be done now."""
        wanted = [one for one in self._rows if tables is None or not tables.isdisjoint(one.tables)]
        taken = [(statement, self._rows.pop(statement)) for statement in wanted]
        self.tables = {name for statement in self._rows for name in statement.tables}
        self._done += [(one, rows[: self._kept.pop(one)]) for one, rows in taken if one in self._kept]
        return taken

    def keep(self) -> None:
        """The work has ended well."""
        self._kept = {statement: len(rows) for statement, rows in self._rows.items()}
        self._done.clear()

    def undo(self) -> None:
        """The work has failed. What was done meanwhile for those before it is taken back with it, so it is
        to be done again."""
        self._rows = {one: rows[: self._kept[one]] for one, rows in self._rows.items() if one in self._kept}
        for statement, rows in self._done:
            self._rows[statement] = rows + self._rows.get(statement, [])
        self.tables = {name for statement in self._rows for name in statement.tables}
        self.keep()


class Session:
    """One connection with one transaction at a time. Belongs to one thread at a time."""

    def __init__(self, database: Database, proxy: PoolProxiedConnection, *, writable: bool) -> None:
        self.writable = writable
        self.dialect = database.engine.dialect
        self.postgres = database.postgres
        self._proxy = proxy
        self._database = database
        self._driver: Any = proxy.driver_connection
        self._error = database.error
        self._later = Later()

    # transactions
    def begin(self) -> None:
        self._later = Later()
        self._plain(_BEGIN[self.dialect.name, self.writable])

    def commit(self) -> None:
        self._plain("COMMIT")

    def rollback(self) -> None:
        self._plain("ROLLBACK")

    def savepoint(self) -> None:
        self._plain("SAVEPOINT work")

    def keep(self) -> None:
        """What was done since the savepoint stays; the savepoint moves here. One round trip, not two."""
        self._later.keep()
        for text in _KEEP[self.dialect.name]:
            self._plain(text)

    def undo(self) -> None:
        """Back to the savepoint, which stays where it is."""
        self._later.undo()
        self._plain("ROLLBACK TO SAVEPOINT work")

    # statements
    def rows(self, statement: Statement, **values: Any) -> list[tuple[Any, ...]]:
        result: list[tuple[Any, ...]] = self._run(statement, values).fetchall()
        return result

    def one(self, statement: Statement, **values: Any) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._run(statement, values).fetchone()
        return row

    def change(self, statement: Statement, values: Mapping[str, Any]) -> int:
        """How many rows it touched."""
        self.must_write()
        count: int = self._run(statement, values).rowcount
        return count

    def change_many(self, statement: Statement, values: Sequence[Mapping[str, Any]]) -> None:
        self.must_write()
        if not values:
            return
        statement.text(self.dialect)
        if not statement.tables.isdisjoint(self._later.tables):
            self.settle(statement.tables)
        self._many(statement, values)

    def later(self, statement: Statement, values: Mapping[str, Any]) -> None:
        """An insert that nobody waits for an answer of: done with others of its kind in one call, before
        anything else touches its table, and at the latest when the group ends (:meth:`settle`)."""
        self.must_write()
        statement.text(self.dialect)  # so that its tables are known
        self._later.put(statement, values)

    def settle(self, tables: frozenset[str] | None = None) -> None:
        """Do what was left for later, in these tables or in all."""
        for statement, values in self._later.take(tables):
            self._many(statement, values)

    def must_write(self) -> None:
        if not self.writable:
            raise refuse_write()

    # ending
    def close(self, *, broken: bool = False) -> None:
        """Give the connection back, or throw it away when it is ``broken``."""
        if broken:
            self._proxy.invalidate()
        with suppress(sa.exc.SQLAlchemyError, self._error):
            self._proxy.close()

    def _run(self, statement: Statement, values: Mapping[str, Any]) -> Any:
        text, bind = statement.text(self.dialect)
        if not statement.tables.isdisjoint(self._later.tables):
            self.settle(statement.tables)
        try:
            return self._driver.execute(text, bind(values))
        except self._error as error:
            raise self._meaning(error) from None

    def _many(self, statement: Statement, values: Sequence[Mapping[str, Any]]) -> None:
        text, bind = statement.text(self.dialect)
        try:
            self._driver.cursor().executemany(text, [bind(row) for row in values])
        except self._error as error:
            raise self._meaning(error) from None

    def _plain(self, text: str) -> None:
        try:
            self._driver.execute(text)
        except self._error as error:
            raise self._meaning(error) from None

    def _meaning(self, error: Exception) -> Exception:
        closed = bool(getattr(self._driver, "closed", False) or getattr(self._driver, "broken", False))
        return self._database.meaning(error, closed=closed)


class Part:
    """What every part of a transaction has: the session it runs on."""

    def __init__(self, session: Session) -> None:
        self._session = session


class Database:
    """An engine and what it takes to get a session. Raises Misconfigured for a url it cannot serve."""

    def __init__(self, url: str, *, readers: int = 4) -> None:
        self.url = parse(url)
        self.postgres = self.url.get_backend_name() == "postgresql"
        self.path = None if self.postgres else Path(self.url.database or "")
        self.engine = self._engine(readers)
        dbapi: Any = self.engine.dialect.loaded_dbapi
        self.error: type[Exception] = dbapi.Error

    def _engine(self, readers: int) -> sa.Engine:
        arguments = dict(_POSTGRES_ARGUMENTS) if self.postgres else {"check_same_thread": False}
        try:
            engine = sa.create_engine(
                self.url,
                pool_size=readers,
                max_overflow=2,
                isolation_level="AUTOCOMMIT",
                hide_parameters=True,
                connect_args=arguments,
            )
        except ImportError:
            raise Misconfigured(
                "the driver of PostgreSQL is not installed",
                field="/store/url",
                remedy="run: pip install 'borough-handover-gateway[postgres]'",
            ) from None
        event.listen(engine, "connect", _prepare_postgres if self.postgres else _prepare_sqlite)
        return engine

    def open(self, *, writable: bool) -> Session:
        """Blocks up to CONNECT_S. Raises TransactionError."""
        try:
            return Session(self, self.engine.raw_connection(), writable=writable)
        except sa.exc.DBAPIError as error:
            raise self.unreachable(error) from None
        except self.error as error:
            raise self.meaning(error, closed=True) from None

    def forget(self) -> None:
        """One connection was found dead: the others that lie idle are too, so begin with new ones."""
        self.engine.dispose()

    def make_file(self) -> bool:
        """Make SQLite's file 0600 if there is none. True when it is new, or as empty as new.

        A link is not followed: whoever may write the folder could aim it at a file of his choice.
        """
        if self.path is None:
            return False
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            os.close(os.open(self.path, flags, 0o600))
            return self.path.stat().st_size == 0
        except OSError as error:
            raise Misconfigured(
                f"the file of the store cannot be opened: {os.strerror(error.errno or 0)}",
                field="/store/url",
                remedy="create its folder, owned by and writable to the user that runs the gateway",
            ) from None

    @contextmanager
    def session(self, *, writable: bool) -> Iterator[Session]:
        """One session; what is left open is rolled back when its connection returns to the pool."""
        session = self.open(writable=writable)
        broken = False
        try:
            yield session
        except TransactionError:
            broken = True
            raise
        finally:
            session.close(broken=broken)

    def meaning(self, error: Exception, *, closed: bool) -> Exception:
        if isinstance(error, sqlite3.Error):
            return faults.of_sqlite(error)
        return faults.of_postgres(error, closed=closed)

    def unreachable(self, error: sa.exc.DBAPIError) -> Exception:
        if isinstance(error.orig, sqlite3.Error):
            return faults.of_sqlite(error.orig)
        if error.orig is not None and getattr(error.orig, "sqlstate", None):  # a server that answers, and why
            return faults.of_postgres(error.orig, closed=bool(error.connection_invalidated))
        return faults.lost(
            "check that the server runs and has connections left, and host, user, password and database in "
            "the url"
        )


def parse(url: str) -> sa.URL:
    """Raises Misconfigured. The url is not repeated in the message: it may hold a password."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        parsed = sa.URL.create("unreadable")
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in {"sqlite", "sqlite+pysqlite"} and parsed.database in {None, "", ":memory:"}:
        parsed = parsed.set(drivername="unreadable")
    if parsed.drivername not in {"sqlite", "sqlite+pysqlite", "postgresql+psycopg"}:
        raise Misconfigured(
            "the url of the store is none that this gateway can open",
            field="/store/url",
            remedy="write sqlite:///PATH, postgresql+psycopg://USER@HOST/DATABASE, or memory: for a trial",
        )
    return parsed


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    for line in _SQLITE:
        connection.execute(line)


def _prepare_postgres(connection: Any, _record: Any) -> None:
    for line in _POSTGRES:
        connection.execute(line)


__all__ = ["Database", "Part", "Session", "TransactionError", "parse"]
