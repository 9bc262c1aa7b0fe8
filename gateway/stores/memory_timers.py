"""Clocks, in the reference store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.ports import TimerRow
from gateway.stores.memory_tables import MemoryPart


class MemoryTimers(MemoryPart):
    """See :class:`gateway.ports.Transaction`."""

    def put_timer(self, row: TimerRow) -> bool:
        return self._put(self._t.timers, (row.subject, row.kind, row.step), row)

    def add_timer(self, row: TimerRow) -> None:
        self.put_timer(row)

    def due_timers(self, now: int, limit: int, *, since: int = 0) -> Sequence[TimerRow]:
        rows = (row for row in self._t.timers.values() if not row.fired and since <= row.due <= now)
        return sorted(rows, key=lambda row: (row.due, row.subject, row.kind, row.step))[:limit]

    def fire_timer(self, row: TimerRow, at: int) -> bool:
        return self._change_timer(row, replace(row, fired=at))

    def delay_timer(self, row: TimerRow, due: int) -> bool:
        return self._change_timer(row, replace(row, due=due))

    def drop_timers(self, kind: str, subject: str) -> None:
        timers = self._change().timers
        for key, row in list(timers.items()):
            if (row.kind, row.subject, row.fired) == (kind, subject, 0):
                del timers[key]

    def timers(self, subject: str) -> Sequence[TimerRow]:
        rows = (row for row in self._t.timers.values() if row.subject == subject)
        return sorted(rows, key=lambda row: (row.kind, row.step))

    def _change_timer(self, before: TimerRow, after: TimerRow) -> bool:
        timers, key = self._change().timers, (before.subject, before.kind, before.step)
        found = timers.get(key)
        if found is None or found.fired or found.due != before.due:
            return False
        timers[key] = after
        return True
