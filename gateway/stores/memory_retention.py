"""How long things are kept, in the reference store: holds, purges and what has not been purged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.ports import HandoverRow, HoldRow, PurgeRow
from gateway.stores.common import numbered
from gateway.stores.memory_tables import MemoryPart


class MemoryRetention(MemoryPart):
    """See :class:`gateway.ports.Transaction`."""

    def put_hold(self, row: HoldRow) -> bool:
        row = numbered(row)
        return self._put(self._t.holds, row.id, row)

    def holds(self, ref: str = "", *, standing: bool = True) -> Sequence[HoldRow]:
        rows = (row for row in self._t.holds.values() if ref in {"", row.ref})
        return sorted((row for row in rows if not (standing and row.lifted)), key=lambda row: row.id)

    def lift_hold(self, hold: str, at: int, by: str) -> bool:
        row = self._change().holds.get(hold)
        if row is None or row.lifted:
            return False
        self._t.holds[hold] = replace(row, lifted=at, lifted_by=by)
        return True

    def unpurged(self, after: str, limit: int) -> Sequence[HandoverRow]:
        rows = (row for row in self._t.handovers.values() if row.state != "PURGED" and row.id > after)
        return sorted(rows, key=lambda row: row.id)[:limit]

    def put_purge(self, row: PurgeRow) -> bool:
        row = numbered(row)
        place = (row.ref, row.version, row.area, row.at)
        taken = any((old.ref, old.version, old.area, old.at) == place for old in self._t.purges.values())
        return self._put(self._t.purges, row.id, row, taken=taken)

    def purges(self, ref: str = "", *, area: str = "") -> Sequence[PurgeRow]:
        rows = (row for row in self._t.purges.values() if ref in {"", row.ref} and area in {"", row.area})
        return sorted(rows, key=lambda row: row.id)

    def unattested(self, area: str, limit: int) -> Sequence[PurgeRow]:
        return [row for row in self.purges(area=area) if not row.note][:limit]

    def attest_purge(self, purge: str, note: bytes) -> bool:
        row = self._change().purges.get(purge)
        if row is None or row.note:
            return False
        self._t.purges[purge] = replace(row, note=note)
        return True
