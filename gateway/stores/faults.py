"""What the two databases' errors mean to us: the one place where a driver's exception is read.

Duty: an exception of ``sqlite3`` or ``psycopg`` in, one of ours out. What leaves here is either a
:class:`~gateway.errors.GatewayError` that aborts one unit of work, or :class:`TransactionError`, which ends
the whole transaction and says whether running it again makes sense.

Rules: no message repeats the driver's text where that may quote a row (PostgreSQL's DETAIL does); the name of
a constraint and a state code are enough to find the fault.

Example::

    try:
        connection.execute(sql, values)
    except sqlite3.Error as error:
        raise faults.of_sqlite(error) from None
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Mapping
from typing import Final

from gateway.errors import GatewayError, Misconfigured, Unavailable

MIGRATE: Final = "run: gateway db upgrade"


class TransactionError(Exception):
    """The transaction is over. ``error`` is for the caller, unless ``retry`` and another run goes through.

    ``lost``: the connection is gone with it, and with a COMMIT under way nobody knows yet whether it took.
    Not a GatewayError, so that a unit of work that handles those cannot swallow it.
    """

    def __init__(self, error: GatewayError, *, retry: bool = False, lost: bool = False) -> None:
        super().__init__(error.message)
        self.error = error
        self.retry = retry
        self.lost = lost


def _refused(detail: str) -> GatewayError:
    return GatewayError(
        f"the database refused a statement ({detail})",
        code="store_refused",
        remedy="this is a fault of the program: report it with this line",
    )


def _locked() -> TransactionError:
    return TransactionError(
        Unavailable(
            "the database is locked by another process",
            code="store_locked",
            remedy="stop whatever else writes to it (a backup, a second node, an open sqlite3 shell)",
        ),
        retry=True,
    )


def _full() -> TransactionError:
    return TransactionError(
        Unavailable(
            "the disk of the database is full", code="store_full", remedy="make room; nothing was lost"
        )
    )


def _read_only() -> TransactionError:
    return TransactionError(
        Unavailable(
            "the database is read-only",
            code="store_read_only",
            remedy="make the file and its folder writable to this process, or name the primary server",
        )
    )


def _denied() -> TransactionError:
    return TransactionError(
        Unavailable(
            "the database does not let this user do what it must",
            code="store_denied",
            remedy="GRANT it what was taken away, on every table; it goes on by itself",
        )
    )


def _stale() -> TransactionError:
    """A statement prepared before the tables were changed: on a new connection it is prepared anew."""
    return TransactionError(
        Unavailable(
            "the tables were changed by an upgrade",
            code="store_changed",
            remedy="restart this process when every try fails",
        ),
        retry=True,
    )


def _no_schema() -> TransactionError:
    return TransactionError(
        Misconfigured("a table or column is missing", code="store_schema", remedy=MIGRATE)
    )


def lost(remedy: str = "check that the server runs and is reachable") -> TransactionError:
    error = Unavailable("the database does not answer", code="store_lost", remedy=remedy)
    return TransactionError(error, retry=True, lost=True)


def in_doubt() -> TransactionError:
    """The connection went during COMMIT and the server cannot be asked what became of it."""
    return TransactionError(
        Unavailable(
            "the connection to the database was lost during a commit; it may or may not be stored",
            code="store_in_doubt",
            remedy="check that the server runs; then ask again, every operation can be repeated",
        )
    )


def _unreadable() -> TransactionError:
    return TransactionError(
        Unavailable(
            "the files of the database cannot be read or written",
            code="store_io",
            remedy="check the disk, and that the folder exists and belongs to this process or the server",
        )
    )


def _damaged() -> TransactionError:
    return TransactionError(
        Misconfigured(
            "the database is damaged, or the file is none of SQLite",
            code="store_damaged",
            remedy="check the url of the store; or restore the newest backup: gateway db restore FILE",
        )
    )


_SQLITE: Final[Mapping[int, Callable[[], TransactionError]]] = {
    sqlite3.SQLITE_BUSY: _locked,
    sqlite3.SQLITE_LOCKED: _locked,
    sqlite3.SQLITE_PROTOCOL: _locked,  # many begin to use the WAL at once
    sqlite3.SQLITE_FULL: _full,
    sqlite3.SQLITE_READONLY: _read_only,
    sqlite3.SQLITE_IOERR: _unreadable,
    sqlite3.SQLITE_CANTOPEN: _unreadable,
    sqlite3.SQLITE_PERM: _unreadable,
    sqlite3.SQLITE_CORRUPT: _damaged,
    sqlite3.SQLITE_NOTADB: _damaged,
}


def of_sqlite(error: sqlite3.Error) -> Exception:
    """By the primary result code (https://sqlite.org/rescode.html), the low byte of the extended one."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _SQLITE:
        return _SQLITE[code]()
    if code == sqlite3.SQLITE_ERROR and re.match("no such (table|column)", str(error)):
        return _no_schema()
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    # Of these alone the text is safe to repeat: it names the constraint and no value.
    return _refused(f"{name}: {error}" if name.startswith("SQLITE_CONSTRAINT") else name)


_POSTGRES: Final[Mapping[str, Callable[[], TransactionError]]] = {
    "40001": _locked,  # serialization failure
    "40P01": _locked,  # deadlock
    "55P03": _locked,  # lock_timeout
    "57P01": lost,  # shut down by an administrator
    "57P02": lost,  # another session crashed
    "57P03": lost,  # starting up or shutting down
    "57P04": lost,  # the database was dropped
    "57P05": lost,  # idle_session_timeout
    "25P03": lost,  # idle_in_transaction_session_timeout
    "0A000": _stale,  # cached plan must not change result type
    "26000": _stale,  # the prepared statement is gone: a pooler, or DISCARD ALL
    "42501": _denied,
    "58030": _unreadable,  # I/O error
    "58P01": _unreadable,  # a file of the server is missing
    "XX001": _damaged,
    "XX002": _damaged,  # index corrupted
    "53100": _full,
    "25006": _read_only,
    "42P01": _no_schema,  # undefined table
    "42703": _no_schema,  # undefined column
    "3F000": _no_schema,  # undefined schema
}


def of_postgres(error: Exception, *, closed: bool) -> Exception:
    """By SQLSTATE (PostgreSQL manual, appendix A). ``closed``: the connection did not survive the error."""
    state = str(getattr(error, "sqlstate", None) or "")
    if closed or state.startswith("08"):
        return lost()
    if state in _POSTGRES:
        return _POSTGRES[state]()
    if state.startswith("53") or state == "57014":  # short of memory or connections; statement_timeout
        return _overloaded(state)
    diagnosis = getattr(error, "diag", None)
    place = getattr(diagnosis, "constraint_name", None) or getattr(diagnosis, "column_name", None)
    return _refused(f"SQLSTATE {state or type(error).__name__} {place or ''}".rstrip())


def _overloaded(state: str) -> TransactionError:
    return TransactionError(
        Unavailable(
            f"the database is overloaded (SQLSTATE {state})",
            code="store_busy",
            remedy="check its load, its memory and max_connections",
        )
    )
