"""Breach records and what was decided of them, in the reference store."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.ports import BreachRow, BreachStepRow
from gateway.stores.memory_tables import MemoryPart


class MemoryBreaches(MemoryPart):
    """See :class:`gateway.ports.Transaction`."""

    def put_breach(self, row: BreachRow) -> bool:
        place = (row.source, row.about)
        taken = any((old.source, old.about) == place for old in self._t.breaches.values())
        return self._put(self._t.breaches, row.id, row, taken=taken)

    def breach(self, breach: str) -> BreachRow | None:
        return self._t.breaches.get(breach)

    def breach_about(self, source: str, about: str) -> BreachRow | None:
        rows = self._t.breaches.values()
        return next((row for row in rows if (row.source, row.about) == (source, about)), None)

    def breaches(self, ref: str = "") -> Sequence[BreachRow]:
        rows = (row for row in self._t.breaches.values() if ref in {"", row.ref})
        return sorted(rows, key=lambda row: (row.created, row.id))

    def change_breach(self, before: BreachRow, after: BreachRow) -> bool:
        if self._change().breaches.get(before.id) != before:
            return False
        self._t.breaches[before.id] = after
        return True

    def put_breach_step(self, row: BreachStepRow) -> bool:
        return self._put(self._t.breach_steps, (row.breach, row.n), row)

    def breach_steps(self, breach: str) -> Sequence[BreachStepRow]:
        rows = (row for row in self._t.breach_steps.values() if row.breach == breach)
        return sorted(rows, key=lambda row: row.n)
