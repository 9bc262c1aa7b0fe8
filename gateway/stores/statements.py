"""SQL statements written once in SQLAlchemy Core and compiled once for each database.

Duty: from a statement object to the text and the shape of parameters that the driver takes. SQLAlchemy's own
execution costs about 10 us a statement beside 2 us of SQLite; an exchange takes some fifty statements, so
that is half a millisecond of a budget of two. What we give up for it are result types: the records convert
the three that differ (:mod:`gateway.stores.records`).

Rules: every value is a ``bindparam`` or an inserted column; constants are literal text, because a partial
index is found only by literal conditions. No ``IN`` with a list: its text would change with the list.

Example::

    _FIND = Statement(sa.select(tables.tokens.c.id).where(tables.tokens.c.digest == sa.bindparam("digest")))
    session.one(_FIND, digest=digest)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.compiler import SQLCompiler

from gateway.stores import tables
from gateway.stores.records import Record

R = TypeVar("R")
Binder = Callable[[Mapping[str, Any]], Any]

_WORD = re.compile(r"\w+")


class Statement:
    """One statement. :meth:`text` gives the driver's SQL and the function that shapes its parameters.
    ``tables``: the names of those that it may touch, one too many rather than one too few; known with the
    first :meth:`text`."""

    __slots__ = ("_compiled", "_executable", "tables")

    def __init__(self, executable: sa.Executable) -> None:
        self._executable = executable
        self._compiled: dict[str, tuple[str, Binder]] = {}
        self.tables: frozenset[str] = frozenset()

    def text(self, dialect: sa.Dialect) -> tuple[str, Binder]:
        found = self._compiled.get(dialect.name)
        if found is None:
            found = self._compiled[dialect.name] = self._compile(dialect)
        return found

    def _compile(self, dialect: sa.Dialect) -> tuple[str, Binder]:
        compiled = self._executable.compile(dialect=dialect)  # type: ignore[attr-defined] # every executable here is a clause
        fixed = {name: value for name, value in compiled.params.items() if value is not None}
        self.tables = frozenset(_WORD.findall(str(compiled))) & tables.metadata.tables.keys()
        return str(compiled), _binder(compiled, fixed)


def _binder(compiled: SQLCompiler, fixed: Mapping[str, Any]) -> Binder:
    names = compiled.positiontup
    if names is None:
        return (lambda values: {**fixed, **values}) if fixed else (lambda values: values)
    if fixed:
        return lambda values: tuple(fixed[name] if name in fixed else values[name] for name in names)
    return lambda values: tuple([values[name] for name in names])


def put(record: Record[R], **more: Any) -> Statement:
    """Insert, or do nothing when any unique constraint finds the row already there.

    ``more`` are columns that the record does not show. PostgreSQL's construct serves both: SQLite took its
    syntax over (https://sqlite.org/lang_upsert.html), and ``OR IGNORE`` would also swallow a missing value.
    """
    columns: dict[str, Any] = {name: sa.bindparam(name) for name in record.names}
    return Statement(postgresql.insert(record.table).values(**columns, **more).on_conflict_do_nothing())


def replacing(record: Record[R], *key: str) -> Statement:
    """Insert, or replace the row of the same primary key."""
    insert = postgresql.insert(record.table).values({name: sa.bindparam(name) for name in record.names})
    rest = {name: insert.excluded[name] for name in record.names if name not in key}
    return Statement(insert.on_conflict_do_update(index_elements=list(key), set_=rest))


def append(record: Record[R]) -> Statement:
    """Insert; a row that is already there is a fault of the program."""
    return Statement(sa.insert(record.table).values({name: sa.bindparam(name) for name in record.names}))


def select(record: Record[R], *where: sa.ColumnElement[bool] | sa.TextClause) -> sa.Select[Any]:
    """The columns of a record in the order of its fields."""
    return sa.select(*record.columns).where(*where)


def at_attempt(attempts: sa.Column[int]) -> sa.ColumnElement[bool]:
    """Only while a row stands at this number of attempts: ``attempt`` of :class:`gateway.ports.Transaction`.
    The value bound as ``attempt`` is that of :func:`fence`."""
    wanted = sa.bindparam("attempt", type_=sa.BigInteger())
    return sa.or_(wanted < sa.literal_column("0"), attempts == wanted)


def fence(attempt: int | None) -> int:
    """-1: at any."""
    return -1 if attempt is None else attempt
