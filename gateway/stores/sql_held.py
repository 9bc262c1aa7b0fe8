"""What could not be taken in, in SQL. The contract is :class:`gateway.ports.Transaction`.

Rules: a list never reads a body (a row may hold four megabytes); how much is held is asked of the index
``ix_held_open`` alone, for it is asked with every message that is put aside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from gateway.ports import HeldRow, Holding, TaskRow
from gateway.stores import tables
from gateway.stores.database import Part, Session
from gateway.stores.records import HELD, TASK
from gateway.stores.statements import Statement, put, select

_d, _t = tables.held.c, tables.tasks.c

_ONE: Final[sa.ColumnElement[int]] = sa.literal_column("1")
_AGAIN: Final = Statement(
    sa.update(tables.held)
    .where(_d.digest == bindparam("of"))
    .values(count=_d.count + _ONE, seen=bindparam("at"))
)
_PUT: Final = put(HELD)
_newest = (_d.at.desc(), _d.id.desc())
_ALL: Final = Statement(select(HELD).order_by(*_newest).limit(bindparam("limit")))
_ROW: Final = Statement(select(HELD, _d.id == bindparam("row")))
_none: Final[sa.ColumnElement[Any]] = sa.cast(sa.literal_column("''"), sa.LargeBinary)
_head_columns = [_none.label("body") if column.name == "body" else column for column in HELD.columns]


def _heads(state: sa.TextClause) -> Statement:
    place, code = bindparam("place", type_=_d.place.type), bindparam("code", type_=_d.code.type)
    empty: sa.ColumnElement[str] = sa.literal_column("''")
    wanted = (sa.or_(place == empty, _d.place == place), sa.or_(code == empty, _d.code == code))
    heads = sa.select(*_head_columns).where(state, *wanted)
    return Statement(heads.order_by(*_newest).limit(bindparam("limit")))


_HEADS: Final = _heads(tables.HELD_BYTES)
_SETTLED: Final = _heads(sa.text("state <> 'held'"))
_LOAD: Final = Statement(
    sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(_d.size), sa.literal_column("0")))
    .select_from(tables.held)
    .where(tables.HELD_BYTES)
)
_RECODE: Final = Statement(
    sa.update(tables.held).where(_d.id == bindparam("row"), tables.HELD_BYTES).values(code=bindparam("why"))
)
_SETTLE: Final = Statement(
    sa.update(tables.held)
    .where(_d.id == bindparam("row"), tables.HELD_BYTES)
    .values(state=bindparam("new"), settled=bindparam("at"), by=bindparam("who"), body=bindparam("empty"))
)
_TASKS: Final = Statement(
    select(TASK, tables.HELD_TASK).order_by(_t.created, _t.id).limit(bindparam("limit"))
)
_COUNT: Final = Statement(
    sa.select(_d.place, _d.code, sa.func.count()).where(tables.HELD_BYTES).group_by(_d.place, _d.code)
)


def held_counts(session: Session) -> Mapping[str, int]:
    found = {f"held_by.{place}.{code}": count for place, code, count in session.rows(_COUNT)}
    return {"held": sum(found.values()), **found}


class HeldPart(Part):
    """The part of a transaction that this file holds."""

    def put_held(self, row: HeldRow) -> bool:
        if self._session.change(_AGAIN, {"of": row.digest, "at": row.seen}):
            return False
        return self._session.change(_PUT, HELD.dump(row)) == 1

    def held(self, limit: int) -> Sequence[HeldRow]:
        return HELD.load_all(self._session.rows(_ALL, limit=limit))

    def held_heads(
        self, limit: int, *, place: str = "", code: str = "", settled: bool = False
    ) -> Sequence[HeldRow]:
        heads = _SETTLED if settled else _HEADS
        return HELD.load_all(self._session.rows(heads, limit=limit, place=place, code=code))

    def held_row(self, identity: str) -> HeldRow | None:
        found = self._session.one(_ROW, row=identity)
        return HELD.load(found) if found else None

    def held_load(self) -> tuple[int, int]:
        found = self._session.one(_LOAD)
        return (found[0], int(found[1])) if found else (0, 0)

    def recode_held(self, identity: str, code: str) -> bool:
        return self._session.change(_RECODE, {"row": identity, "why": code}) == 1

    def settle_held(self, identity: str, after: Holding, now: int, by: str) -> bool:
        values = {"row": identity, "new": after.value, "at": now, "who": by, "empty": b""}
        return self._session.change(_SETTLE, values) == 1

    def held_tasks(self, limit: int) -> Sequence[TaskRow]:
        return TASK.load_all(self._session.rows(_TASKS, limit=limit))
