"""Notices and who has taken them in, in the reference store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.ports import HandoverRow, NoticeLegRow, NoticeRow, Side
from gateway.stores.memory_tables import MemoryPart


class MemoryNotices(MemoryPart):
    """See :class:`gateway.ports.Transaction`."""

    def put_notice(self, row: NoticeRow) -> bool:
        return self._put(self._t.notices, row.id, row)

    def notice(self, notice: str) -> NoticeRow | None:
        return self._t.notices.get(notice)

    def notice_of(self, mid: str) -> NoticeRow | None:
        return self._t.notices.get(self._t.notice_messages.get(mid, ""))

    def put_notice_message(self, mid: str, notice: str) -> bool:
        return self._put(self._t.notice_messages, mid, notice)

    def notices(self, *, ref: str = "", parent: str = "") -> Sequence[NoticeRow]:
        rows = [
            row
            for row in self._t.notices.values()
            if (ref or parent) and ref in {"", row.ref} and parent in {"", row.parent}
        ]
        return sorted(rows, key=lambda row: (row.created, row.id))

    def requests(self, limit: int) -> Sequence[NoticeRow]:
        rows = [row for row in self._t.notices.values() if not row.ref]
        return sorted(rows, key=lambda row: (row.created, row.id), reverse=True)[:limit]

    def open_notices(self, principal: str, limit: int) -> Sequence[NoticeRow]:
        mine = {row.notice for row in self._t.notice_legs.values() if row.principal == principal}
        rows = (self._t.notices[name] for name in mine if name in self._t.notices)
        found = [row for row in rows if row.side is Side.DESTINATION and row.state == "OPEN"]
        return sorted(found, key=lambda row: (row.created, row.id))[:limit]

    def count_notices(self, peer: str, ref: str) -> int:
        rows = (row for row in self._t.notices.values() if (row.peer, row.ref) == (peer, ref))
        return sum(row.side is Side.DESTINATION and (ref != "" or row.state == "OPEN") for row in rows)

    def change_notice(self, before: NoticeRow, after: NoticeRow) -> bool:
        notices = self._change().notices
        found = notices.get(before.id)
        if found is None or (found.state, found.mid) != (before.state, before.mid):
            return False
        notices[before.id] = replace(found, state=after.state, mid=after.mid)
        return True

    def put_notice_leg(self, row: NoticeLegRow) -> bool:
        return self._put(self._t.notice_legs, (row.notice, row.principal), row)

    def notice_legs(self, notice: str) -> Sequence[NoticeLegRow]:
        rows = (row for row in self._t.notice_legs.values() if row.notice == notice)
        return sorted(rows, key=lambda row: row.principal)

    def advance_notice_leg(
        self, notice: str, principal: str, before: str, after: str, at: int, *, code: str = ""
    ) -> bool:
        legs = self._change().notice_legs
        found = legs.get((notice, principal))
        if found is None or found.state != before:
            return False
        legs[notice, principal] = replace(found, state=after, updated=at, code=code)
        return True

    def answering(self, request: str) -> Sequence[HandoverRow]:
        rows = (row for row in self._t.handovers.values() if request and row.answers == request)
        return sorted(rows, key=lambda row: row.id)

    def onward_from(self, ref: str) -> Sequence[HandoverRow]:
        rows = (row for row in self._t.handovers.values() if ref and row.onward_of == ref)
        return sorted((row for row in rows if row.side is Side.ORIGIN), key=lambda row: row.id)
