"""The node's log, the access log, what is held for a person, trust documents, settings and counts, in SQL.

Rules: leaves of the log get their index at the very end of the group, just before COMMIT. The lock that keeps
the index free of holes among several processes is then held for one insert, not for the length of a group.
A transaction that asks for the log sees its own leaves, with the index they would get.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.dialects import postgresql

from gateway.ports import AccessRow, HeldRow, TrustRow
from gateway.stores import tables
from gateway.stores.database import Part, Session
from gateway.stores.records import ACCESS, HELD, TRUST
from gateway.stores.statements import Statement, append, put, select

LOG_LOCK: Final = "gateway log"

_g, _a, _d, _t, _s = tables.log.c, tables.accesses.c, tables.held.c, tables.trust.c, tables.settings.c

_LOCK_LOG: Final = Statement(
    sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(sa.literal_column(f"'{LOG_LOCK}'"))))
)
_SIZE: Final = Statement(
    sa.select(sa.func.coalesce(sa.func.max(_g.n) + sa.literal_column("1"), sa.literal_column("0")))
)
_APPEND_LEAF: Final = Statement(sa.insert(tables.log).values(n=bindparam("n"), leaf=bindparam("leaf")))
_LOG: Final = Statement(
    sa.select(_g.n, _g.leaf).where(_g.n >= bindparam("start")).order_by(_g.n).limit(bindparam("limit"))
)
_APPEND_ACCESS: Final = append(ACCESS)
_newest_accesses = select(ACCESS).order_by(_a.n.desc()).limit(bindparam("limit"))
_ACCESSES: Final = Statement(_newest_accesses)
_ACCESSES_OF: Final = Statement(_newest_accesses.where(_a.ref == bindparam("ref")))
_PUT_HELD: Final = put(HELD)
_HELD: Final = Statement(select(HELD).order_by(_d.at.desc(), _d.id.desc()).limit(bindparam("limit")))
_PUT_TRUST: Final = put(TRUST)
_TRUST: Final = Statement(
    select(TRUST, _t.kind == bindparam("kind"), _t.subject == bindparam("subject")).order_by(_t.version)
)
_other = tables.trust.alias("other")
_newest_version = (
    sa.select(sa.func.max(_other.c.version))
    .where(_other.c.kind == _t.kind, _other.c.subject == _t.subject)
    .scalar_subquery()
)
_NEWEST_CARDS: Final = Statement(
    select(TRUST, _t.kind == sa.literal_column("'keycard'"), _t.version == _newest_version).order_by(
        _t.subject
    )
)
_PUT_SETTING: Final = Statement(
    postgresql.insert(tables.settings)
    .values(name=bindparam("name"), value=bindparam("value"))
    .on_conflict_do_nothing()
)
_SETTING: Final = Statement(sa.select(_s.value).where(_s.name == bindparam("name")))
_COUNTS: Final = {
    "outbox": sa.select(tables.outbox.c.state, sa.func.count()).where(tables.UNSETTLED),
    "task": sa.select(tables.tasks.c.state, sa.func.count()).where(
        sa.text("state IN ('waiting', 'parked', 'held')")
    ),
    "leg": sa.select(tables.legs.c.state, sa.func.count()),
}
_COUNT_STATES: Final = {
    name: Statement(query.group_by(query.selected_columns[0])) for name, query in _COUNTS.items()
}
_COUNT_HELD: Final = Statement(sa.select(sa.func.count()).select_from(tables.held))
ALWAYS: Final = ("outbox.waiting", "outbox.published", "task.waiting", "task.parked", "task.held")


class RecordPart(Part):
    """The part of a transaction that this file holds."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._kept: list[bytes] = []  # leaves of the units of work before this one in the group
        self._fresh: list[bytes] = []  # leaves of this one

    def append_log(self, leaf: bytes) -> None:
        self._session.must_write()
        self._fresh.append(leaf)

    def log(self, start: int, limit: int) -> Sequence[tuple[int, bytes]]:
        own = self._kept + self._fresh
        first = self._size(lock=True) if own else 0  # before the rows are read: nobody may come between
        rows = [(row[0], row[1]) for row in self._session.rows(_LOG, start=start, limit=limit)]
        rows += [(index, leaf) for index, leaf in enumerate(own, first) if index >= start]
        return rows[:limit]

    def put_access(self, row: AccessRow) -> None:
        self._session.change(_APPEND_ACCESS, ACCESS.dump(row))

    def accesses(self, *, ref: str = "", limit: int = 100) -> Sequence[AccessRow]:
        if ref:
            return ACCESS.load_all(self._session.rows(_ACCESSES_OF, ref=ref, limit=limit))
        return ACCESS.load_all(self._session.rows(_ACCESSES, limit=limit))

    def put_held(self, row: HeldRow) -> bool:
        return self._session.change(_PUT_HELD, HELD.dump(row)) == 1

    def held(self, limit: int) -> Sequence[HeldRow]:
        return HELD.load_all(self._session.rows(_HELD, limit=limit))

    def put_trust(self, row: TrustRow) -> bool:
        return self._session.change(_PUT_TRUST, TRUST.dump(row)) == 1

    def trust(self, kind: str, subject: str = "") -> Sequence[TrustRow]:
        if kind == "keycard" and not subject:
            return TRUST.load_all(self._session.rows(_NEWEST_CARDS))
        return TRUST.load_all(self._session.rows(_TRUST, kind=kind, subject=subject))

    def setting(self, name: str) -> bytes | None:
        found = self._session.one(_SETTING, name=name)
        return found[0] if found else None

    def put_setting(self, name: str, value: bytes) -> bool:
        return self._session.change(_PUT_SETTING, {"name": name, "value": value}) == 1

    def counts(self) -> Mapping[str, int]:
        counts = dict.fromkeys(ALWAYS, 0)
        for name, statement in _COUNT_STATES.items():
            counts |= {f"{name}.{state}": count for state, count in self._session.rows(statement)}
        held = self._session.one(_COUNT_HELD)
        counts["held"] = held[0] if held else 0
        counts["log"] = self._size(lock=False) + len(self._kept) + len(self._fresh)
        return counts

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
            first = self._size(lock=True)
            rows = [{"n": index, "leaf": leaf} for index, leaf in enumerate(self._kept, first)]
            self._session.change_many(_APPEND_LEAF, rows)
            self._kept = []

    def _size(self, *, lock: bool) -> int:
        """Leaves committed so far, which is the index of the next. ``lock``: until the transaction ends."""
        if lock and self._session.postgres:
            self._session.one(_LOCK_LOG)
        found = self._session.one(_SIZE)
        return int(found[0]) if found else 0
