"""Clocks, in SQL. The contract is :class:`gateway.ports.Transaction`.

Rule: a timer is fired by one conditional UPDATE inside the transaction of what it does, so that its lock
makes a second worker wait and then find nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from gateway.ports import TimerRow
from gateway.stores import tables
from gateway.stores.database import Part
from gateway.stores.records import TIMER
from gateway.stores.statements import Statement, put, select

_t = tables.timers.c

_PUT: Final = put(TIMER)
_DUE: Final = Statement(
    select(TIMER, tables.UNFIRED, _t.due <= bindparam("now"), _t.due >= bindparam("since"))
    .order_by(_t.due, _t.subject, _t.kind, _t.step)
    .limit(bindparam("limit"))
)
_as_seen = sa.update(tables.timers).where(
    _t.subject == bindparam("of"),
    _t.kind == bindparam("sort"),
    _t.step == bindparam("number"),
    _t.due == bindparam("was_due"),
    tables.UNFIRED,
)
_FIRE: Final = Statement(_as_seen.values(fired=bindparam("at")))
_DELAY: Final = Statement(_as_seen.values(due=bindparam("at")))
_DROP: Final = Statement(
    sa.delete(tables.timers).where(
        _t.subject == bindparam("subject"), _t.kind == bindparam("kind"), tables.UNFIRED
    )
)
_TIMERS: Final = Statement(select(TIMER, _t.subject == bindparam("subject")).order_by(_t.kind, _t.step))


class TimerPart(Part):
    """The part of a transaction that this file holds."""

    def put_timer(self, row: TimerRow) -> bool:
        return self._session.change(_PUT, TIMER.dump(row)) == 1

    def add_timer(self, row: TimerRow) -> None:
        self._session.later(_PUT, TIMER.dump(row))

    def due_timers(self, now: int, limit: int, *, since: int = 0) -> Sequence[TimerRow]:
        return TIMER.load_all(self._session.rows(_DUE, now=now, since=since, limit=limit))

    def fire_timer(self, row: TimerRow, at: int) -> bool:
        return self._session.change(_FIRE, _seen(row, at)) == 1

    def delay_timer(self, row: TimerRow, due: int) -> bool:
        return self._session.change(_DELAY, _seen(row, due)) == 1

    def drop_timers(self, kind: str, subject: str) -> None:
        self._session.change(_DROP, {"kind": kind, "subject": subject})

    def timers(self, subject: str) -> Sequence[TimerRow]:
        return TIMER.load_all(self._session.rows(_TIMERS, subject=subject))


def _seen(row: TimerRow, at: int) -> dict[str, object]:
    return {"of": row.subject, "sort": row.kind, "number": row.step, "was_due": row.due, "at": at}
