"""What could not be taken in, in the reference store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gateway.ports import HeldRow, Holding, Task, TaskRow
from gateway.stores.common import numbered
from gateway.stores.memory_tables import MemoryPart, Tables


def held_counts(tables: Tables) -> Mapping[str, int]:
    rows = [row for row in tables.held.values() if row.state is Holding.HELD]
    return {"held": len(rows), **Counter(f"held_by.{row.place.value}.{row.code}" for row in rows)}


class MemoryHeld(MemoryPart):
    """See :class:`gateway.ports.Transaction`."""

    def put_held(self, row: HeldRow) -> bool:
        table, row = self._change().held, numbered(row)
        old = next((old for old in table.values() if old.digest == row.digest), None)
        if old is not None:
            table[old.id] = replace(old, count=old.count + 1, seen=row.seen)
            return False
        return self._put(table, row.id, row)

    def held(self, limit: int) -> Sequence[HeldRow]:
        return sorted(self._t.held.values(), key=lambda row: (row.at, row.id), reverse=True)[:limit]

    def held_heads(
        self, limit: int, *, place: str = "", code: str = "", settled: bool = False
    ) -> Sequence[HeldRow]:
        found = [
            replace(row, body=b"")
            for row in self.held(len(self._t.held))
            if (row.state is not Holding.HELD) == settled
            and place in {"", row.place.value}
            and code in {"", row.code}
        ]
        return found[:limit]

    def held_row(self, identity: str) -> HeldRow | None:
        return self._t.held.get(identity)

    def held_load(self) -> tuple[int, int]:
        sizes = [row.size for row in self._t.held.values() if row.state is Holding.HELD]
        return len(sizes), sum(sizes)

    def recode_held(self, identity: str, code: str) -> bool:
        table = self._change().held
        row = table.get(identity)
        if row is None or row.state is not Holding.HELD:
            return False
        table[identity] = replace(row, code=code)
        return True

    def settle_held(self, identity: str, after: Holding, now: int, by: str) -> bool:
        table = self._change().held
        row = table.get(identity)
        if row is None or row.state is not Holding.HELD:
            return False
        table[identity] = replace(row, state=after, settled=now, by=by, body=b"")
        return True

    def held_tasks(self, limit: int) -> Sequence[TaskRow]:
        rows = [row for row in self._t.tasks.values() if row.state is Task.HELD]
        return sorted(rows, key=lambda row: (row.created, row.id))[:limit]
