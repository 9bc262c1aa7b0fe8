"""The access log as an auditor reads it, and restrictions of a person's rights, in the reference store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.ports import AccessRow, RestrictionRow
from gateway.stores.common import numbered
from gateway.stores.memory_tables import MemoryPart


class MemoryAudit(MemoryPart):
    """See :class:`gateway.ports.Transaction`."""

    def find_accesses(
        self, *, ref: str, principal: str, since: int, until: int, after: int, limit: int
    ) -> Sequence[tuple[int, AccessRow]]:
        found = [
            (n, row)
            for n, row in enumerate(self._t.accesses, 1)
            if n > after
            and ref in {"", row.ref}
            and principal in {"", row.principal}
            and since <= row.at < until
        ]
        return found[:limit]

    def put_restriction(self, row: RestrictionRow) -> bool:
        row = numbered(row)
        return self._put(self._t.restrictions, row.id, row)

    def restrictions(self, ref: str = "") -> Sequence[RestrictionRow]:
        rows = (row for row in self._t.restrictions.values() if ref in {"", row.ref})
        return sorted(rows, key=lambda row: row.id)

    def end_restriction(self, restriction: str, at: int) -> bool:
        row = self._change().restrictions.get(restriction)
        if row is None or row.ended:
            return False
        self._t.restrictions[restriction] = replace(row, ended=at)
        return True
