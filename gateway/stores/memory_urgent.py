"""Urgent moves and drafts, in the reference store."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.ports import DraftRow, UrgentRow
from gateway.stores.memory_tables import MemoryPart


class MemoryUrgent(MemoryPart):
    """See :class:`gateway.ports.Transaction`."""

    def put_urgent(self, row: UrgentRow) -> bool:
        return self._put(self._t.urgent, row.ref, row)

    def urgent(self, ref: str) -> UrgentRow | None:
        return self._t.urgent.get(ref)

    def change_urgent(self, row: UrgentRow) -> bool:
        if row.ref not in self._change().urgent:
            return False
        self._t.urgent[row.ref] = row
        return True

    def urgent_moves(self, since: int, until: int) -> Sequence[UrgentRow]:
        rows = [row for row in self._t.urgent.values() if since <= row.issued < until]
        return sorted(rows, key=lambda row: (row.issued, row.ref))

    def put_draft(self, row: DraftRow) -> bool:
        same = any((each.ref, each.version) == (row.ref, row.version) for each in self._t.drafts.values())
        return self._put(self._t.drafts, row.id, row, taken=same)

    def draft(self, ref: str) -> DraftRow | None:
        rows = [row for row in self._t.drafts.values() if row.ref == ref]
        return max(rows, key=lambda row: row.version, default=None)

    def drafts(self) -> Sequence[DraftRow]:
        return sorted(self._t.drafts.values(), key=lambda row: (row.created, row.id))

    def drop_draft(self, draft: str) -> bool:
        return self._change().drafts.pop(draft, None) is not None
