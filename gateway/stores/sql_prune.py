"""What grows is cut back, in SQL. The contract is :class:`gateway.ports.Transaction`.

Rules: a batch is one DELETE of a bounded subselect, so that no lock is held for long and no write of an
agency waits behind it. The envelopes among them have an index of their own (``ix_envelopes_passing``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from gateway.ports import EnvelopeRow
from gateway.stores import tables
from gateway.stores.database import Part
from gateway.stores.records import ENVELOPE
from gateway.stores.statements import Statement, select

_DAY: Final[sa.ColumnClause[int]] = sa.literal_column("86400", sa.BigInteger)

_v, _o, _c, _t = tables.envelopes.c, tables.outbox.c, tables.cosignatures.c, tables.timers.c
_h = tables.held.c


def _delete(table: sa.Table, order: str, *where: sa.ColumnElement[bool] | sa.TextClause) -> Statement:
    keys = list(table.primary_key.columns)
    old = sa.select(*keys).where(*where).order_by(table.c[order], *keys).limit(bindparam("limit"))
    return Statement(sa.delete(table).where(sa.tuple_(*keys).in_(old)))


_BEFORE: Final[sa.BindParameter[int]] = bindparam("before")


def _passing(side: str, kinds: str) -> tuple[sa.ColumnElement[bool] | sa.TextClause, ...]:
    return (
        tables.PASSING,
        sa.text(f"side = '{side}'"),
        sa.text(f"kind IN ({kinds})"),
        _v.expires < _BEFORE,
    )


_SENT: Final = _passing("origin", "1, 2, 3")
_SENT_MIDS: Final = (
    sa.select(_v.mid).where(*_SENT).order_by(_v.expires, _v.mid, _v.side).limit(bindparam("limit"))
)
_OUTBOX: Final = Statement(sa.delete(tables.outbox).where(_o.mid.in_(_SENT_MIDS)))

_HELD_SINCE: Final[sa.ColumnElement[int]] = sa.case((sa.text("settled > 0"), _h.settled), else_=_h.at)

_PRUNE: Final[Mapping[str, Statement]] = {
    "idempotency": _delete(tables.idempotency, "created", tables.idempotency.c.created < _BEFORE),
    "timers": _delete(tables.timers, "fired", sa.text("fired > 0"), _t.fired < _BEFORE),
    "tasks": _delete(tables.tasks, "id", sa.text("state = 'done'"), tables.tasks.c.created < _BEFORE),
    "pages": _delete(tables.pages, "id", sa.text("state <> 'waiting'"), tables.pages.c.created < _BEFORE),
    "held": _delete(tables.held, "id", _HELD_SINCE < _BEFORE),
    "alarms": _delete(tables.alarms, "id", sa.text("cleared > 0"), tables.alarms.c.cleared < _BEFORE),
    "sent": _delete(tables.envelopes, "expires", *_SENT),
    "heard": _delete(tables.envelopes, "expires", *_passing("destination", "2, 3")),
    "files": _delete(tables.envelopes, "expires", *_passing("destination", "1")),
}

_UNSTRIPPED: Final = Statement(
    select(ENVELOPE, tables.UNSTRIPPED, _v.expires < _BEFORE)
    .order_by(_v.expires, _v.mid)
    .limit(bindparam("limit"))
)

_other = tables.cosignatures.alias("other")
_first_of_day = (
    sa.select(_other.c.origin, sa.func.min(_other.c.size))
    .where(sa.text("other.origin NOT LIKE '%/' || other.by"))
    .group_by(_other.c.origin, _other.c.at // _DAY)
)
_last = tables.cosignatures.alias("last")
_largest = sa.select(_last.c.origin, sa.func.max(_last.c.size)).group_by(_last.c.origin)
_SPARE: Final = Statement(
    sa.select(_c.origin, _c.size)
    .where(
        sa.tuple_(_c.origin, _c.size).not_in(_first_of_day), sa.tuple_(_c.origin, _c.size).not_in(_largest)
    )
    .group_by(_c.origin, _c.size)
    .having(sa.func.max(_c.at) < _BEFORE)
    .order_by(_c.origin, _c.size)
    .limit(bindparam("limit"))
)
_DROP: Final = Statement(
    sa.delete(tables.cosignatures).where(_c.origin == bindparam("of"), _c.size == bindparam("at_size"))
)


class PrunePart(Part):
    """The part of a transaction that this file holds."""

    def prune(self, what: str, before: int, limit: int) -> int:
        statement, values = _PRUNE[what], {"before": before, "limit": limit}
        if what == "sent":
            self._session.change(_OUTBOX, values)
        return self._session.change(statement, values)

    def unstripped(self, before: int, limit: int) -> Sequence[EnvelopeRow]:
        return ENVELOPE.load_all(self._session.rows(_UNSTRIPPED, before=before, limit=limit))

    def spare_cosignatures(self, before: int, limit: int) -> Sequence[tuple[str, int]]:
        rows: Sequence[Any] = self._session.rows(_SPARE, before=before, limit=limit)
        return [(row[0], row[1]) for row in rows]

    def drop_cosignatures(self, origin: str, size: int) -> int:
        return self._session.change(_DROP, {"of": origin, "at_size": size})
