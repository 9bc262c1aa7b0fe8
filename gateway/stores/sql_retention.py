"""How long things are kept, in SQL: holds, purges and what has not been purged. The contract is
:class:`gateway.ports.Transaction`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from gateway.ports import HandoverRow, HoldRow, PurgeRow
from gateway.stores import tables
from gateway.stores.database import Part
from gateway.stores.records import HANDOVER, HOLD, PURGE
from gateway.stores.statements import Statement, put, select

_h, _o, _p = tables.handovers.c, tables.holds.c, tables.purges.c

_PUT_HOLD: Final = put(HOLD)
_LIFT: Final = Statement(
    sa.update(tables.holds)
    .where(tables.HOLDING, _o.id == bindparam("hold"))
    .values(lifted=bindparam("at"), lifted_by=bindparam("who"))
)
_UNPURGED: Final = Statement(
    select(HANDOVER, tables.KEPT, _h.id > bindparam("after")).order_by(_h.id).limit(bindparam("limit"))
)
_PUT_PURGE: Final = put(PURGE)
_UNATTESTED: Final = Statement(
    select(PURGE, tables.UNATTESTED, _p.area == bindparam("area")).order_by(_p.id).limit(bindparam("limit"))
)
_ATTEST: Final = Statement(
    sa.update(tables.purges)
    .where(tables.UNATTESTED, _p.id == bindparam("purge"))
    .values(note=bindparam("signed"))
)


@lru_cache(maxsize=4)
def _holds(*, of_ref: bool, standing: bool) -> Statement:
    query = select(HOLD, *([tables.HOLDING] if standing else [])).order_by(_o.id)
    return Statement(query.where(_o.ref == bindparam("ref")) if of_ref else query)


@lru_cache(maxsize=4)
def _purges(*, of_ref: bool, of_area: bool) -> Statement:
    query = select(PURGE).order_by(_p.id)
    query = query.where(_p.ref == bindparam("ref")) if of_ref else query
    return Statement(query.where(_p.area == bindparam("area")) if of_area else query)


class RetentionPart(Part):
    """The part of a transaction that this file holds."""

    def put_hold(self, row: HoldRow) -> bool:
        return self._session.change(_PUT_HOLD, HOLD.dump(row)) == 1

    def holds(self, ref: str = "", *, standing: bool = True) -> Sequence[HoldRow]:
        named = {"ref": ref} if ref else {}
        return HOLD.load_all(self._session.rows(_holds(of_ref=bool(ref), standing=standing), **named))

    def lift_hold(self, hold: str, at: int, by: str) -> bool:
        return self._session.change(_LIFT, {"hold": hold, "at": at, "who": by}) == 1

    def unpurged(self, after: str, limit: int) -> Sequence[HandoverRow]:
        return HANDOVER.load_all(self._session.rows(_UNPURGED, after=after, limit=limit))

    def put_purge(self, row: PurgeRow) -> bool:
        return self._session.change(_PUT_PURGE, PURGE.dump(row)) == 1

    def purges(self, ref: str = "", *, area: str = "") -> Sequence[PurgeRow]:
        named = {name: value for name, value in (("ref", ref), ("area", area)) if value}
        return PURGE.load_all(self._session.rows(_purges(of_ref=bool(ref), of_area=bool(area)), **named))

    def unattested(self, area: str, limit: int) -> Sequence[PurgeRow]:
        return PURGE.load_all(self._session.rows(_UNATTESTED, area=area, limit=limit))

    def attest_purge(self, purge: str, note: bytes) -> bool:
        return self._session.change(_ATTEST, {"purge": purge, "signed": note}) == 1
