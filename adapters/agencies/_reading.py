"""Reading a view in which anything may be missing: each look gives a value of the asked kind or an empty one.

A view is what one agency could open, so every section and field is absent for somebody. Leaves out what the
values mean.

Example::

    text(view, "core", "family_name")              # "EXAMPLE" or ""
    [text(order, "type") for order in tables(view, "orders")]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from gateway.ports import Json

Table: TypeAlias = Mapping[str, Json]


def at(table: Table, *path: str) -> Json:
    """The value at ``path``; None where a step is missing or no table."""
    value: Json = None
    within: Table = table
    for step in path:
        value = within.get(step)
        within = value if isinstance(value, dict) else {}
    return value


def text(table: Table, *path: str) -> str:
    """A string or whole number on one line, without control characters; else ""."""
    value = at(table, *path)
    if isinstance(value, str):
        if not value.isprintable():
            value = "".join(c if c.isprintable() else " " for c in value)
        return " ".join(value.split())
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def table(whole: Table, *path: str) -> Table:
    value = at(whole, *path)
    return value if isinstance(value, dict) else {}


def tables(whole: Table, *path: str) -> tuple[Table, ...]:
    """The tables of a list."""
    value = at(whole, *path)
    return tuple(item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()


def texts(whole: Table, *path: str) -> tuple[str, ...]:
    """The strings of a list that are not empty."""
    value = at(whole, *path)
    if not isinstance(value, list):
        return ()
    return tuple(line for item in value if (line := text({"": item}, "")))


def clauses(parts: Iterable[tuple[str, str]], between: str = ", ") -> str:
    """``label value`` for each value that is there: ``[("of ", "X"), ("on ", "")]`` gives ``of X``."""
    return between.join(label + value for label, value in parts if value)


def words(code: str) -> str:
    """A code as words: ``GANG_INJUNCTION`` gives ``gang injunction``."""
    return code.replace("_", " ").lower()
