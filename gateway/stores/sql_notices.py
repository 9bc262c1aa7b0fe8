"""Notices and who has taken them in, in SQL. The contract is :class:`gateway.ports.Transaction`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.dialects import postgresql

from gateway.ports import HandoverRow, NoticeLegRow, NoticeRow
from gateway.stores import tables
from gateway.stores.database import Part
from gateway.stores.records import HANDOVER, NOTICE, NOTICE_LEG
from gateway.stores.statements import Statement, put, select

_n, _l, _m = tables.notices.c, tables.notice_legs.c, tables.notice_messages.c

_PUT: Final = put(NOTICE)
_ONE: Final = Statement(select(NOTICE, _n.id == bindparam("notice")))
_OF: Final = Statement(select(NOTICE, _n.id == _m.notice, _m.mid == bindparam("mid")))
_PUT_MESSAGE: Final = Statement(
    postgresql.insert(tables.notice_messages)
    .values(mid=bindparam("mid"), notice=bindparam("notice"))
    .on_conflict_do_nothing()
)
_by_age = (_n.created, _n.id)
_REQUESTS: Final = Statement(
    select(NOTICE, _n.ref == sa.literal_column("''"))
    .order_by(_n.created.desc(), _n.id.desc())
    .limit(bindparam("limit"))
)
_OF_REF: Final = Statement(select(NOTICE, _n.ref == bindparam("ref")).order_by(*_by_age))
_OF_PARENT: Final = Statement(
    select(NOTICE, tables.FOLLOWS, _n.parent == bindparam("parent")).order_by(*_by_age)
)
_OPEN: Final = Statement(
    select(
        NOTICE,
        _l.principal == bindparam("principal"),
        _n.id == _l.notice,
        tables.OPEN_NOTICE,
        tables.RECEIVED,
    )
    .order_by(*_by_age)
    .limit(bindparam("limit"))
)
_from_there = (
    _n.ref == bindparam("ref"),
    _n.peer == bindparam("peer"),
    tables.RECEIVED,
    sa.or_(_n.ref != sa.literal_column("''"), tables.OPEN_NOTICE),
)
_COUNT: Final = Statement(sa.select(sa.func.count()).select_from(tables.notices).where(*_from_there))
_CHANGE: Final = Statement(
    sa.update(tables.notices)
    .where(
        _n.id == bindparam("notice"),
        _n.state == bindparam("was"),
        _n.mid == bindparam("was_in"),
    )
    .values(state=bindparam("becomes"), mid=bindparam("is_in"))
)
_ONWARD: Final = Statement(
    select(HANDOVER, tables.ONWARD, tables.handovers.c.onward_of == bindparam("ref")).order_by(
        tables.handovers.c.id
    )
)
_ANSWERING: Final = Statement(
    select(HANDOVER, tables.ANSWERS, tables.handovers.c.answers == bindparam("ref")).order_by(
        tables.handovers.c.id
    )
)
_PUT_LEG: Final = put(NOTICE_LEG)
_LEGS: Final = Statement(select(NOTICE_LEG, _l.notice == bindparam("notice")).order_by(_l.principal))
_ADVANCE_LEG: Final = Statement(
    sa.update(tables.notice_legs)
    .where(
        _l.notice == bindparam("of"),
        _l.principal == bindparam("reader"),
        _l.state == bindparam("old"),
    )
    .values(state=bindparam("new"), updated=bindparam("at"), code=bindparam("why"))
)


class NoticePart(Part):
    """The part of a transaction that this file holds."""

    def put_notice(self, row: NoticeRow) -> bool:
        return self._session.change(_PUT, NOTICE.dump(row)) == 1

    def notice(self, notice: str) -> NoticeRow | None:
        found = self._session.one(_ONE, notice=notice)
        return NOTICE.load(found) if found else None

    def notice_of(self, mid: str) -> NoticeRow | None:
        found = self._session.one(_OF, mid=mid)
        return NOTICE.load(found) if found else None

    def put_notice_message(self, mid: str, notice: str) -> bool:
        return self._session.change(_PUT_MESSAGE, {"mid": mid, "notice": notice}) == 1

    def notices(self, *, ref: str = "", parent: str = "") -> Sequence[NoticeRow]:
        if parent:
            rows = NOTICE.load_all(self._session.rows(_OF_PARENT, parent=parent))
            return [row for row in rows if ref in {"", row.ref}]
        return NOTICE.load_all(self._session.rows(_OF_REF, ref=ref)) if ref else []

    def requests(self, limit: int) -> Sequence[NoticeRow]:
        return NOTICE.load_all(self._session.rows(_REQUESTS, limit=limit))

    def open_notices(self, principal: str, limit: int) -> Sequence[NoticeRow]:
        return NOTICE.load_all(self._session.rows(_OPEN, principal=principal, limit=limit))

    def count_notices(self, peer: str, ref: str) -> int:
        found = self._session.one(_COUNT, peer=peer, ref=ref)
        return int(found[0]) if found else 0

    def change_notice(self, before: NoticeRow, after: NoticeRow) -> bool:
        values = {
            "notice": before.id,
            "was": before.state,
            "was_in": before.mid,
            "becomes": after.state,
            "is_in": after.mid,
        }
        return self._session.change(_CHANGE, values) == 1

    def put_notice_leg(self, row: NoticeLegRow) -> bool:
        return self._session.change(_PUT_LEG, NOTICE_LEG.dump(row)) == 1

    def notice_legs(self, notice: str) -> Sequence[NoticeLegRow]:
        return NOTICE_LEG.load_all(self._session.rows(_LEGS, notice=notice))

    def advance_notice_leg(
        self, notice: str, principal: str, before: str, after: str, at: int, *, code: str = ""
    ) -> bool:
        values = {"of": notice, "reader": principal, "old": before, "new": after, "at": at, "why": code}
        return self._session.change(_ADVANCE_LEG, values) == 1

    def answering(self, request: str) -> Sequence[HandoverRow]:
        return HANDOVER.load_all(self._session.rows(_ANSWERING, ref=request)) if request else []

    def onward_from(self, ref: str) -> Sequence[HandoverRow]:
        return HANDOVER.load_all(self._session.rows(_ONWARD, ref=ref)) if ref else []
