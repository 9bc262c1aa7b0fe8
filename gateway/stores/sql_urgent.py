"""Urgent moves and drafts, in SQL. The contract is :class:`gateway.ports.Transaction`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from gateway.ports import DraftRow, UrgentRow
from gateway.stores import tables
from gateway.stores.database import Part
from gateway.stores.records import DRAFT, URGENT
from gateway.stores.statements import Statement, put, select

_u, _d = tables.urgent.c, tables.drafts.c

_PUT_URGENT: Final = put(URGENT)
_URGENT: Final = Statement(select(URGENT, _u.ref == bindparam("ref")))
_CHANGE_URGENT: Final = Statement(
    sa.update(tables.urgent)
    .where(_u.ref == bindparam("of"))
    .values({name: bindparam(f"new_{name}") for name in URGENT.names if name != "ref"})
)
_MOVES: Final = Statement(
    select(URGENT, _u.issued >= bindparam("since"), _u.issued < bindparam("until")).order_by(
        _u.issued, _u.ref
    )
)
_PUT_DRAFT: Final = put(DRAFT)
_DRAFT: Final = Statement(
    select(DRAFT, _d.ref == bindparam("ref")).order_by(_d.version.desc()).limit(sa.literal_column("1"))
)
_DRAFTS: Final = Statement(select(DRAFT).order_by(_d.created, _d.id))
_DROP_DRAFT: Final = Statement(sa.delete(tables.drafts).where(_d.id == bindparam("draft")))


class UrgentPart(Part):
    """The part of a transaction that this file holds."""

    def put_urgent(self, row: UrgentRow) -> bool:
        return self._session.change(_PUT_URGENT, URGENT.dump(row)) == 1

    def urgent(self, ref: str) -> UrgentRow | None:
        found = self._session.one(_URGENT, ref=ref)
        return URGENT.load(found) if found else None

    def change_urgent(self, row: UrgentRow) -> bool:
        values = {f"new_{name}": value for name, value in URGENT.dump(row).items() if name != "ref"}
        return self._session.change(_CHANGE_URGENT, {"of": row.ref, **values}) == 1

    def urgent_moves(self, since: int, until: int) -> Sequence[UrgentRow]:
        return URGENT.load_all(self._session.rows(_MOVES, since=since, until=until))

    def put_draft(self, row: DraftRow) -> bool:
        return self._session.change(_PUT_DRAFT, DRAFT.dump(row)) == 1

    def draft(self, ref: str) -> DraftRow | None:
        found = self._session.one(_DRAFT, ref=ref)
        return DRAFT.load(found) if found else None

    def drafts(self) -> Sequence[DraftRow]:
        return DRAFT.load_all(self._session.rows(_DRAFTS))

    def drop_draft(self, draft: str) -> bool:
        return self._session.change(_DROP_DRAFT, {"draft": draft}) == 1
