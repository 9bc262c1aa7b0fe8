"""What every store shares: how ids are made, what of a leg may change, and how a writing read is refused.

Leaves out everything that needs a database, so that the memory store loads without SQLAlchemy.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Final, TypeVar

from uuid_utils import uuid7

from gateway.errors import GatewayError
from gateway.ports import OutboxRow

R = TypeVar("R")

LEG_COLUMNS: Final = frozenset(
    {"delivered", "opened", "acknowledge_by", "decide_by", "overdue", "mid", "duty"}
)
"""The columns that ``advance_leg`` takes beside the state (ports.Transaction)."""

SUBJECTED: Final = frozenset({"keycard", "suspension", "break_glass"})
"""The kinds of trust documents of which there is one newest for each subject (ports.Transaction.trust)."""


def new_id() -> str:
    """A UUIDv7 (RFC 9562) in hex: ascending in time, so the index of a big table stays warm."""
    return uuid7().hex


def numbered(row: R) -> R:
    """The same row, with an id where it had none."""
    record: Any = row
    filled: R = record if record.id else dataclasses.replace(record, id=new_id())
    return filled


def shared(groups: Sequence[Sequence[OutboxRow]], limit: int) -> Sequence[OutboxRow]:
    """``limit`` rows of ``groups``, each of which is in the order of its due times, and the whole is so, too.
    Where there are more, each group first gives its share: who has the most does not crowd out the others."""
    waiting = [group for group in groups if group]
    share = max(1, limit // len(waiting)) if waiting else 0
    first = sorted((row for group in waiting for row in group[:share]), key=_due)[:limit]
    rest = sorted((row for group in waiting for row in group[share:]), key=_due)
    return sorted([*first, *rest[: limit - len(first)]], key=_due)


def _due(row: OutboxRow) -> tuple[int, str]:
    return row.due, row.id


def check_leg_columns(names: frozenset[str]) -> None:
    """Raises TypeError: a misspelt column is a fault of the program, and must not be ignored."""
    if unknown := names - LEG_COLUMNS:
        raise TypeError(f"no column of a leg that may change: {', '.join(sorted(unknown))}")


def refuse_write() -> RuntimeError:
    """What a read gets that tries to change something."""
    return RuntimeError("a read must not change anything: use Store.write")


def broken_log() -> GatewayError:
    """For a subtree whose leaves or hashes are not all there. No log comes to that by itself."""
    return GatewayError(
        "the log of this node has a hole",
        code="log_broken",
        remedy="keep the database as evidence and tell the peers: docs/operations.md, under Log",
    )
