"""The access log, trust documents, settings and counts, in SQL. The contract is
:class:`gateway.ports.Transaction`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.dialects import postgresql

from gateway.ports import AccessRow, TrustRow
from gateway.stores import tables
from gateway.stores.common import SUBJECTED
from gateway.stores.records import ACCESS, TRUST
from gateway.stores.sql_held import held_counts
from gateway.stores.sql_log import LogPart
from gateway.stores.statements import Statement, append, put, select

_a, _t, _s = tables.accesses.c, tables.trust.c, tables.settings.c

_APPEND_ACCESS: Final = append(ACCESS)
_newest_accesses = select(ACCESS).order_by(_a.n.desc()).limit(bindparam("limit"))
_ACCESSES: Final = Statement(_newest_accesses)
_ACCESSES_OF: Final = Statement(_newest_accesses.where(_a.ref == bindparam("ref")))
_ACCESS_ROWS: Final = Statement(
    sa.select(_a.n, *ACCESS.columns).where(_a.n > bindparam("after")).order_by(_a.n).limit(bindparam("limit"))
)
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
_NEWEST_TRUST: Final = Statement(
    select(TRUST, _t.kind == bindparam("kind"), _t.version == _newest_version).order_by(_t.subject)
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
_COUNT_ALARMS: Final = Statement(sa.select(sa.func.count()).select_from(tables.alarms).where(tables.STANDING))
ALWAYS: Final = ("outbox.waiting", "outbox.published", "task.waiting", "task.parked", "task.held")


class RecordPart(LogPart):
    """The part of a transaction that this file holds; it counts the log, too."""

    def put_access(self, row: AccessRow) -> None:
        self._session.later(_APPEND_ACCESS, ACCESS.dump(row))

    def accesses(self, *, ref: str = "", limit: int = 100) -> Sequence[AccessRow]:
        if ref:
            return ACCESS.load_all(self._session.rows(_ACCESSES_OF, ref=ref, limit=limit))
        return ACCESS.load_all(self._session.rows(_ACCESSES, limit=limit))

    def access_rows(self, after: int, limit: int) -> Sequence[tuple[int, AccessRow]]:
        rows = self._session.rows(_ACCESS_ROWS, after=after, limit=limit)
        return [(row[0], ACCESS.load(row[1:])) for row in rows]

    def put_trust(self, row: TrustRow) -> bool:
        return self._session.change(_PUT_TRUST, TRUST.dump(row)) == 1

    def trust(self, kind: str, subject: str = "") -> Sequence[TrustRow]:
        if kind in SUBJECTED and not subject:
            return TRUST.load_all(self._session.rows(_NEWEST_TRUST, kind=kind))
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
        counts |= held_counts(self._session)
        alarms = self._session.one(_COUNT_ALARMS)
        counts["alarm"] = alarms[0] if alarms else 0
        counts["log"] = self.log_size() + self._unnumbered()
        return counts
