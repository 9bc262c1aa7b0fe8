"""Calls to people and who stands in for whom, in SQL. The contract is :class:`gateway.ports.Transaction`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from gateway.ports import CoverRow, PageRow, Paging
from gateway.stores import tables
from gateway.stores.database import Part
from gateway.stores.records import COVER, PAGE
from gateway.stores.statements import Statement, at_attempt, fence, put, replacing, select

_p, _c = tables.pages.c, tables.covers.c

_PUT: Final = put(PAGE)
_newest = select(PAGE).order_by(_p.created.desc(), _p.id.desc()).limit(bindparam("limit"))
_NEWEST: Final = Statement(_newest)
_OF_REF: Final = Statement(_newest.where(_p.ref == bindparam("ref")))
_DUE: Final = Statement(
    select(PAGE, tables.DUE_PAGE, _p.due <= bindparam("now"))
    .order_by(_p.due, _p.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_CLAIM: Final = Statement(
    sa.update(tables.pages)
    .where(_p.id == bindparam("page"))
    .values(
        due=bindparam("until"), attempts=_p.attempts + sa.literal_column("1"), worker=bindparam("claimant")
    )
)
_ADVANCE: Final = Statement(
    sa.update(tables.pages)
    .where(_p.id == bindparam("page"), _p.state == bindparam("old"), at_attempt(_p.attempts))
    .values(state=bindparam("new"), due=bindparam("at"), error=bindparam("why"), worker=sa.null())
)
_RELEASE: Final = Statement(
    sa.update(tables.pages)
    .where(tables.DUE_PAGE, _p.due > bindparam("now"))
    .values(due=bindparam("now", type_=_p.due.type), worker=sa.null())
)
_RELEASE_OF: Final = Statement(
    sa.update(tables.pages)
    .where(tables.DUE_PAGE, _p.due > bindparam("now"), _p.worker == bindparam("claimant"))
    .values(due=bindparam("now", type_=_p.due.type), worker=sa.null())
)
_PUT_COVER: Final = replacing(COVER, "role")
_DROP_COVER: Final = Statement(sa.delete(tables.covers).where(_c.role == bindparam("role")))
_COVERS: Final = Statement(select(COVER).order_by(_c.role))


class PagingPart(Part):
    """The part of a transaction that this file holds."""

    def put_page(self, row: PageRow) -> bool:
        return self._session.change(_PUT, PAGE.dump(row)) == 1

    def pages(self, *, ref: str = "", limit: int = 100) -> Sequence[PageRow]:
        if ref:
            return PAGE.load_all(self._session.rows(_OF_REF, ref=ref, limit=limit))
        return PAGE.load_all(self._session.rows(_NEWEST, limit=limit))

    def claim_pages(self, now: int, limit: int, lease: int, *, worker: str = "") -> Sequence[PageRow]:
        self._session.must_write()
        due = PAGE.load_all(self._session.rows(_DUE, now=now, limit=limit))
        claimed = [replace(row, due=now + lease, attempts=row.attempts + 1) for row in due]
        who = worker or None
        self._session.change_many(
            _CLAIM, [{"page": row.id, "until": row.due, "claimant": who} for row in claimed]
        )
        return claimed

    def advance_page(
        self,
        page: str,
        before: Paging,
        after: Paging,
        *,
        due: int = 0,
        error: str = "",
        attempt: int | None = None,
    ) -> bool:
        states = {"old": before.value, "new": after.value}
        values = {"page": page, "at": due, "why": error, "attempt": fence(attempt)}
        return self._session.change(_ADVANCE, states | values) == 1

    def release_pages(self, now: int, worker: str = "") -> int:
        if worker:
            return self._session.change(_RELEASE_OF, {"now": now, "claimant": worker})
        return self._session.change(_RELEASE, {"now": now})

    def put_cover(self, row: CoverRow) -> None:
        self._session.change(_PUT_COVER, COVER.dump(row))

    def drop_cover(self, role: str) -> bool:
        return self._session.change(_DROP_COVER, {"role": role}) == 1

    def covers(self) -> Sequence[CoverRow]:
        return COVER.load_all(self._session.rows(_COVERS))
