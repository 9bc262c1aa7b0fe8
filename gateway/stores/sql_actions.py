"""Actions and what was said of them, in SQL. The contract is :class:`gateway.ports.Transaction`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from gateway.ports import ActionRow, ResultRow
from gateway.stores import tables
from gateway.stores.database import Part
from gateway.stores.records import ACTION, RESULT
from gateway.stores.statements import Statement, put, select

_a, _r = tables.actions.c, tables.action_results.c

MOVING: Final = ("started", "due", "target", "state", "reason", "late", "updated")
"""Columns of an action that change. A change is made only to the row as it was seen."""

_PUT: Final = put(ACTION)
_ACTIONS: Final = Statement(select(ACTION, _a.leg == bindparam("leg")).order_by(_a.place, _a.action))
_CHANGE: Final = Statement(
    sa.update(tables.actions)
    .where(
        _a.leg == bindparam("of"),
        _a.action == bindparam("which"),
        *(_a[name] == bindparam(f"was_{name}") for name in MOVING),
    )
    .values({name: bindparam(f"new_{name}") for name in MOVING})
)
_PUT_RESULT: Final = put(RESULT)
_RESULTS: Final = Statement(select(RESULT, _r.leg == bindparam("leg")).order_by(_r.statement, _r.action))


class ActionPart(Part):
    """The part of a transaction that this file holds."""

    def put_action(self, row: ActionRow) -> bool:
        return self._session.change(_PUT, ACTION.dump(row)) == 1

    def actions(self, leg: str) -> Sequence[ActionRow]:
        return ACTION.load_all(self._session.rows(_ACTIONS, leg=leg))

    def change_action(self, before: ActionRow, after: ActionRow) -> bool:
        was, new = ACTION.dump(before), ACTION.dump(after)
        values = {f"was_{name}": was[name] for name in MOVING} | {f"new_{name}": new[name] for name in MOVING}
        return self._session.change(_CHANGE, values | {"of": before.leg, "which": before.action}) == 1

    def put_result(self, row: ResultRow) -> bool:
        return self._session.change(_PUT_RESULT, RESULT.dump(row)) == 1

    def results(self, leg: str) -> Sequence[ResultRow]:
        return RESULT.load_all(self._session.rows(_RESULTS, leg=leg))
