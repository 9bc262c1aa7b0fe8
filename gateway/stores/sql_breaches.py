"""Breach records and what was decided of them, in SQL. The contract is :class:`gateway.ports.Transaction`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from gateway.ports import BreachRow, BreachStepRow
from gateway.stores import tables
from gateway.stores.database import Part
from gateway.stores.records import BREACH, BREACH_STEP
from gateway.stores.statements import Statement, put, select

_b, _s = tables.breaches.c, tables.breach_steps.c

_PUT: Final = put(BREACH)
_ONE: Final = Statement(select(BREACH, _b.id == bindparam("breach")))
_ABOUT: Final = Statement(select(BREACH, _b.source == bindparam("source"), _b.about == bindparam("about")))
_ALL: Final = Statement(select(BREACH).order_by(_b.created, _b.id))
_OF: Final = Statement(select(BREACH, _b.ref == bindparam("ref")).order_by(_b.created, _b.id))
_CHANGE: Final = Statement(
    sa.update(tables.breaches)
    .where(
        _b.id == bindparam("breach"),
        _b.near_miss == bindparam("was_near"),
        _b.opened == bindparam("was_opened"),
        _b.parts == bindparam("was_parts"),
        _b.aware == bindparam("was_aware"),
    )
    .values(
        near_miss=bindparam("near"), opened=bindparam("first"), parts=bindparam("many"), aware=bindparam("at")
    )
)
_PUT_STEP: Final = put(BREACH_STEP)
_STEPS: Final = Statement(select(BREACH_STEP, _s.breach == bindparam("breach")).order_by(_s.n))


class BreachPart(Part):
    """The part of a transaction that this file holds."""

    def put_breach(self, row: BreachRow) -> bool:
        return self._session.change(_PUT, BREACH.dump(row)) == 1

    def breach(self, breach: str) -> BreachRow | None:
        found = self._session.one(_ONE, breach=breach)
        return BREACH.load(found) if found else None

    def breach_about(self, source: str, about: str) -> BreachRow | None:
        found = self._session.one(_ABOUT, source=source, about=about)
        return BREACH.load(found) if found else None

    def breaches(self, ref: str = "") -> Sequence[BreachRow]:
        rows = self._session.rows(_OF, ref=ref) if ref else self._session.rows(_ALL)
        return BREACH.load_all(rows)

    def change_breach(self, before: BreachRow, after: BreachRow) -> bool:
        was = {
            "was_near": before.near_miss,
            "was_opened": before.opened,
            "was_parts": before.parts,
            "was_aware": before.aware,
        }
        now = {"near": after.near_miss, "first": after.opened, "many": after.parts, "at": after.aware}
        return self._session.change(_CHANGE, {"breach": before.id, **was, **now}) == 1

    def put_breach_step(self, row: BreachStepRow) -> bool:
        return self._session.change(_PUT_STEP, BREACH_STEP.dump(row)) == 1

    def breach_steps(self, breach: str) -> Sequence[BreachStepRow]:
        return BREACH_STEP.load_all(self._session.rows(_STEPS, breach=breach))
