"""The node's log and its tree, in SQL.

Rules: leaves of the log get their index at the very end of the group, just before COMMIT. The lock that keeps
the index free of holes among several processes is then held for one insert, not for the length of a group.
A transaction that asks for the log sees its own leaves, with the index they would get.

The tree costs no row of its own: with each leaf stand the hashes of the subtrees that it completes, 32 bytes
a leaf on average, written once. The subtree (level, index) is found with the last leaf under it, which is one
look by primary key, so the root or a proof of a million leaves is some twenty rows.

A leaf is found by a short hash of its message's id: this index is the one thing here that is not written at
its end, so it is kept small.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from gateway.core.merkle import HASH, Head, Place, leaf_hash, peaks
from gateway.ports import CheckpointRow
from gateway.stores import tables
from gateway.stores.common import broken_log
from gateway.stores.database import Part, Session
from gateway.stores.records import CHECKPOINT
from gateway.stores.statements import Statement, put, select

LOG_LOCK: Final = "gateway log"
AT_ONCE: Final = (
    32  # rows that one statement looks up: the peaks of any log under four thousand million leaves
)

_g, _c = tables.log.c, tables.checkpoints.c

_LOCK_LOG: Final = Statement(
    sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(sa.literal_column(f"'{LOG_LOCK}'"))))
)
_SIZE: Final = Statement(
    sa.select(sa.func.coalesce(sa.func.max(_g.n) + sa.literal_column("1"), sa.literal_column("0")))
)
_APPEND: Final = Statement(
    sa.insert(tables.log).values({name: bindparam(name) for name in ("n", "leaf", "nodes", "about")})
)
_LOG: Final = Statement(
    sa.select(_g.n, _g.leaf).where(_g.n >= bindparam("start")).order_by(_g.n).limit(bindparam("limit"))
)
_LOG_OF: Final = Statement(
    sa.select(_g.n, _g.leaf).where(tables.ABOUT_MESSAGE, _g.about == bindparam("about")).order_by(_g.n)
)
_NAMES: Final = tuple(f"n{number}" for number in range(AT_ONCE))
_ROWS: Final = Statement(
    sa.select(_g.n, _g.leaf, _g.nodes).where(
        _g.n.in_([bindparam(name, type_=sa.BigInteger) for name in _NAMES])
    )
)
_CHECKPOINT: Final = Statement(select(CHECKPOINT, _c.origin == bindparam("origin")))
_FIRST_CHECKPOINT: Final = put(CHECKPOINT)
_NEXT_CHECKPOINT: Final = Statement(
    sa.update(tables.checkpoints)
    .where(_c.origin == bindparam("of"), _c.size == bindparam("after"))
    .values({name: bindparam(name) for name in ("size", "root", "at", "note")})
)


class LogPart(Part):
    """The part of a transaction that this file holds."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._kept: list[tuple[bytes, str]] = []  # leaves of the units of work before this one in the group
        self._fresh: list[tuple[bytes, str]] = []  # leaves of this one

    def append_log(self, leaf: bytes, *, mid: str = "") -> None:
        self._session.must_write()
        self._fresh.append((leaf, mid))

    def log(self, start: int, limit: int) -> Sequence[tuple[int, bytes]]:
        own = self._kept + self._fresh
        first = self._size(lock=True) if own else 0  # before the rows are read: nobody may come between
        rows = [(row[0], row[1]) for row in self._session.rows(_LOG, start=start, limit=limit)]
        rows += [(index, leaf) for index, (leaf, _) in enumerate(own, first) if index >= start]
        return rows[:limit]

    def log_of(self, mid: str) -> Sequence[tuple[int, bytes]]:
        if not mid:
            return []
        return [(row[0], row[1]) for row in self._session.rows(_LOG_OF, about=_about(mid))]

    def log_size(self) -> int:
        return self._size(lock=False)

    def log_nodes(self, places: Sequence[Place]) -> Sequence[bytes]:
        found: dict[int, tuple[bytes, bytes]] = {}
        wanted = sorted({_last(place) for place in places})
        for start in range(0, len(wanted), AT_ONCE):
            some = wanted[start : start + AT_ONCE]
            some += some[-1:] * (AT_ONCE - len(some))  # one text of the statement for any number of rows
            rows = self._session.rows(_ROWS, **dict(zip(_NAMES, some, strict=True)))
            found |= {row[0]: (row[1], row[2]) for row in rows}
        return [_node(place, found) for place in places]

    def checkpoint(self, origin: str) -> CheckpointRow | None:
        found = self._session.one(_CHECKPOINT, origin=origin)
        return CHECKPOINT.load(found) if found else None

    def put_checkpoint(self, row: CheckpointRow, *, after: int | None) -> bool:
        values = CHECKPOINT.dump(row)
        if after is None:
            return self._session.change(_FIRST_CHECKPOINT, values) == 1
        return self._session.change(_NEXT_CHECKPOINT, {**values, "of": row.origin, "after": after}) == 1

    # the group that this transaction runs for
    def keep(self) -> None:
        """The unit of work is done: its leaves belong to the group."""
        self._kept += self._fresh
        self._fresh = []

    def forget(self) -> None:
        """The unit of work failed: it leaves no trace."""
        self._fresh = []

    def flush(self) -> None:
        """Number and write the leaves of the group. The last thing before COMMIT."""
        if self._kept:
            size = self._size(lock=True)
            head = Head(size, self.log_nodes(peaks(size)))
            rows = [
                {
                    "n": index,
                    "leaf": leaf,
                    "nodes": b"".join(head.append(leaf_hash(leaf))),
                    "about": _about(mid),
                }
                for index, (leaf, mid) in enumerate(self._kept, size)
            ]
            self._session.change_many(_APPEND, rows)
            self._kept = []

    def _unnumbered(self) -> int:
        return len(self._kept) + len(self._fresh)

    def _size(self, *, lock: bool) -> int:
        """Leaves committed so far, which is the index of the next. ``lock``: until the transaction ends."""
        if lock and self._session.postgres:
            self._session.one(_LOCK_LOG)
        found = self._session.one(_SIZE)
        return int(found[0]) if found else 0


def _about(mid: str) -> int:
    """What a leaf is found by: 56 bits, so two messages share one about never, and its reader compares."""
    return int.from_bytes(sha256(mid.encode()).digest()[:7], "big") if mid else 0


def _last(place: Place) -> int:
    """The index of the last leaf under a subtree."""
    level, index = place
    return ((index + 1) << level) - 1


def _node(place: Place, rows: dict[int, tuple[bytes, bytes]]) -> bytes:
    level, _ = place
    leaf, nodes = rows.get(_last(place), (b"", b""))
    found = nodes[HASH * (level - 1) : HASH * level] if level else leaf_hash(leaf)
    if _last(place) not in rows or len(found) != HASH:
        raise broken_log()
    return found
