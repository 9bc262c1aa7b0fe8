"""Actions and what was said of them, in the reference store."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.ports import ActionRow, ResultRow
from gateway.stores.memory_tables import MemoryPart


class MemoryActions(MemoryPart):
    """See :class:`gateway.ports.Transaction`."""

    def put_action(self, row: ActionRow) -> bool:
        return self._put(self._t.actions, (row.leg, row.action), row)

    def actions(self, leg: str) -> Sequence[ActionRow]:
        rows = (row for row in self._t.actions.values() if row.leg == leg)
        return sorted(rows, key=lambda row: (row.place, row.action))

    def change_action(self, before: ActionRow, after: ActionRow) -> bool:
        actions, key = self._change().actions, (before.leg, before.action)
        if actions.get(key) != before:
            return False
        actions[key] = after
        return True

    def put_result(self, row: ResultRow) -> bool:
        return self._put(self._t.action_results, (row.leg, row.statement, row.action), row)

    def results(self, leg: str) -> Sequence[ResultRow]:
        rows = (row for row in self._t.action_results.values() if row.leg == leg)
        return sorted(rows, key=lambda row: (row.statement, row.action))
