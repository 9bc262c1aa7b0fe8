"""Handovers, legs and their history, in SQL. The contract is :class:`gateway.ports.Transaction`.

Rules: a leg moves by one conditional UPDATE, and its history line is written only when that UPDATE found the
row: the row's lock is what puts the history of one leg into commit order, whatever number of processes write.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from gateway.ports import HandoverRow, LegEvent, LegRow, Side
from gateway.stores import tables
from gateway.stores.common import check_leg_columns
from gateway.stores.database import Part
from gateway.stores.records import HANDOVER, LEG, LEG_EVENT
from gateway.stores.statements import Statement, append, put, select

TOP: Final = "~"  # greater than every id, which is hex or at least ASCII letters (see tables: by byte)

_h, _l, _e = tables.handovers.c, tables.legs.c, tables.leg_events.c

_PUT: Final = put(HANDOVER)
_OF_VERSION: Final = Statement(
    select(HANDOVER, _h.ref == bindparam("ref"), _h.version == bindparam("version"))
)
_NEWEST: Final = Statement(
    select(HANDOVER, _h.ref == bindparam("ref")).order_by(_h.version.desc()).limit(sa.literal_column("1"))
)
_ADVANCE: Final = Statement(
    sa.update(tables.handovers)
    .where(_h.ref == bindparam("of"), _h.version == bindparam("number"), _h.state == bindparam("old"))
    .values(state=bindparam("new"), updated=bindparam("at"))
)
_PUT_LEG: Final = put(LEG)
_LEG: Final = Statement(select(LEG, _l.id == bindparam("leg")))
_LEGS: Final = Statement(
    select(LEG, _l.ref == bindparam("ref"), _l.version == bindparam("version")).order_by(_l.n)
)
_LEGS_OF_MESSAGE: Final = Statement(select(LEG, _l.mid == bindparam("mid")).order_by(_l.n))
_INBOX: Final = Statement(
    select(LEG, tables.RECEIVED, _l.principal == bindparam("principal"), _l.id < bindparam("before"))
    .order_by(_l.id.desc())
    .limit(bindparam("limit"))
)
_HISTORY: Final = Statement(select(LEG_EVENT, _e.leg == bindparam("leg")).order_by(_e.n))
_APPEND_EVENT: Final = append(LEG_EVENT)


@lru_cache(maxsize=4)
def _list(*, by_side: bool, by_principal: bool) -> Statement:
    query = select(HANDOVER, _h.id < bindparam("before"))
    if by_side:
        query = query.where(_h.side == bindparam("side"))
    if by_principal:
        who: sa.BindParameter[str] = bindparam("principal")
        concerned = sa.exists().where(
            _l.ref == _h.ref, _l.version == _h.version, sa.or_(_l.principal == who, _l.counterpart == who)
        )
        query = query.where(sa.or_(_h.submitted_by == who, concerned))
    return Statement(query.order_by(_h.id.desc()).limit(bindparam("limit")))


@lru_cache(maxsize=64)  # 2 ** len(LEG_COLUMNS)
def _advance_leg(changes: frozenset[str]) -> Statement:
    check_leg_columns(changes)
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in sorted(changes)}
    return Statement(
        sa.update(tables.legs)
        .where(_l.id == bindparam("leg"), _l.state == bindparam("old"))
        .values(state=bindparam("new"), updated=bindparam("at"), **values)
    )


class HandoverPart(Part):
    """The part of a transaction that this file holds."""

    def put_handover(self, row: HandoverRow) -> bool:
        return self._session.change(_PUT, HANDOVER.dump(row)) == 1

    def handover(self, ref: str, version: int | None = None) -> HandoverRow | None:
        if version is None:
            found = self._session.one(_NEWEST, ref=ref)
        else:
            found = self._session.one(_OF_VERSION, ref=ref, version=version)
        return HANDOVER.load(found) if found else None

    def handovers(
        self, *, side: Side | None, principal: str | None, before: str, limit: int
    ) -> Sequence[HandoverRow]:
        values: dict[str, Any] = {"before": before or TOP, "limit": limit}
        if side is not None:
            values["side"] = side.value
        if principal is not None:
            values["principal"] = principal
        statement = _list(by_side=side is not None, by_principal=principal is not None)
        return HANDOVER.load_all(self._session.rows(statement, **values))

    def advance_handover(self, ref: str, version: int, before: str, after: str, at: int) -> bool:
        values = {"of": ref, "number": version, "old": before, "new": after, "at": at}
        return self._session.change(_ADVANCE, values) == 1

    def put_leg(self, row: LegRow) -> bool:
        return self._session.change(_PUT_LEG, LEG.dump(row)) == 1

    def leg(self, leg: str) -> LegRow | None:
        found = self._session.one(_LEG, leg=leg)
        return LEG.load(found) if found else None

    def legs(self, ref: str, version: int) -> Sequence[LegRow]:
        return LEG.load_all(self._session.rows(_LEGS, ref=ref, version=version))

    def legs_of_message(self, mid: str) -> Sequence[LegRow]:
        return LEG.load_all(self._session.rows(_LEGS_OF_MESSAGE, mid=mid))

    def inbox(self, principal: str, *, before: str, limit: int) -> Sequence[LegRow]:
        rows = self._session.rows(_INBOX, principal=principal, before=before or TOP, limit=limit)
        return LEG.load_all(rows)

    def advance_leg(self, leg: str, before: str, after: str, event: LegEvent, **changes: object) -> bool:
        values: dict[str, Any] = {f"new_{name}": value for name, value in changes.items()}
        values |= {"leg": leg, "old": before, "new": after, "at": event.at}
        if self._session.change(_advance_leg(frozenset(changes)), values) != 1:
            return False
        self._session.later(_APPEND_EVENT, LEG_EVENT.dump(event) | {"leg": leg})
        return True

    def history(self, leg: str) -> Sequence[LegEvent]:
        return LEG_EVENT.load_all(self._session.rows(_HISTORY, leg=leg))
