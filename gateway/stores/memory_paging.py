"""Calls to people and who stands in for whom, in the reference store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.ports import CoverRow, PageRow, Paging
from gateway.stores.memory_tables import MemoryPart


class MemoryPaging(MemoryPart):
    """See :class:`gateway.ports.Transaction`."""

    def put_page(self, row: PageRow) -> bool:
        return self._put(self._t.pages, row.id, row)

    def pages(self, *, ref: str = "", limit: int = 100) -> Sequence[PageRow]:
        rows = (row for row in self._t.pages.values() if ref in {"", row.ref})
        return sorted(rows, key=lambda row: (row.created, row.id), reverse=True)[:limit]

    def claim_pages(self, now: int, limit: int, lease: int, *, worker: str = "") -> Sequence[PageRow]:
        pages = self._change().pages
        due = [row for row in pages.values() if row.state is Paging.WAITING and row.due <= now]
        due.sort(key=lambda row: (row.due, row.id))
        claimed = [replace(row, due=now + lease, attempts=row.attempts + 1) for row in due[:limit]]
        for row in claimed:
            pages[row.id] = row
        self._claim("pages", (row.id for row in claimed), worker)
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
        row = self._change().pages.get(page)
        if row is None or row.state is not before or attempt not in {None, row.attempts}:
            return False
        self._claim("pages", [page], "")
        self._t.pages[page] = replace(row, state=after, due=due, error=error)
        return True

    def release_pages(self, now: int, worker: str = "") -> int:
        pages, count = self._change().pages, 0
        for row in list(pages.values()):
            mine = not worker or self._is_claim("pages", row.id, worker)
            if row.state is Paging.WAITING and row.due > now and mine:
                pages[row.id] = replace(row, due=now)
                self._claim("pages", [row.id], "")
                count += 1
        return count

    def put_cover(self, row: CoverRow) -> None:
        self._change().covers[row.role] = row

    def drop_cover(self, role: str) -> bool:
        return self._change().covers.pop(role, None) is not None

    def covers(self) -> Sequence[CoverRow]:
        return sorted(self._t.covers.values(), key=lambda row: row.role)
