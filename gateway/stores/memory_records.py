"""The node's log, the access log, trust documents, settings and counts in the
reference store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from gateway.core.merkle import Place, leaf_hash, root_of
from gateway.ports import AccessRow, CheckpointRow, Outbound, Task, TrustRow
from gateway.stores.common import SUBJECTED, broken_log, numbered
from gateway.stores.memory_held import held_counts
from gateway.stores.memory_tables import MemoryPart, Tables


class MemoryRecords(MemoryPart):
    """See :class:`gateway.ports.Transaction`."""

    def __init__(self, tables: Tables, *, writable: bool) -> None:
        super().__init__(tables, writable=writable)
        self._committed = len(tables.log)

    def append_log(self, leaf: bytes, *, mid: str = "") -> None:
        self._change().log.append((leaf, mid))

    def log(self, start: int, limit: int) -> Sequence[tuple[int, bytes]]:
        return [(index, leaf) for index, (leaf, _) in enumerate(self._t.log)][start : start + limit]

    def log_of(self, mid: str) -> Sequence[tuple[int, bytes]]:
        rows = enumerate(self._t.log[: self._committed])
        return [(index, leaf) for index, (leaf, about) in rows if mid and about == mid]

    def log_size(self) -> int:
        return self._committed

    def log_nodes(self, places: Sequence[Place]) -> Sequence[bytes]:
        return [self._node(level, index << level, (index + 1) << level) for level, index in places]

    def _node(self, level: int, low: int, high: int) -> bytes:
        if min(level, low) < 0 or high > self._committed:
            raise broken_log()
        return root_of(leaf_hash(leaf) for leaf, _ in self._t.log[low:high])

    def checkpoint(self, origin: str) -> CheckpointRow | None:
        return self._t.checkpoints.get(origin)

    def put_checkpoint(self, row: CheckpointRow, *, after: int | None) -> bool:
        before = self._change().checkpoints.get(row.origin)
        if (before.size if before else None) != after:
            return False
        self._t.checkpoints[row.origin] = row
        return True

    def put_access(self, row: AccessRow) -> None:
        self._change().accesses.append(numbered(row))

    def accesses(self, *, ref: str = "", limit: int = 100) -> Sequence[AccessRow]:
        return [row for row in reversed(self._t.accesses) if ref in {"", row.ref}][:limit]

    def access_rows(self, after: int, limit: int) -> Sequence[tuple[int, AccessRow]]:
        return [(n, row) for n, row in enumerate(self._t.accesses, 1) if n > after][:limit]

    def put_trust(self, row: TrustRow) -> bool:
        return self._put(self._t.trust, (row.kind, row.subject, row.version), row)

    def trust(self, kind: str, subject: str = "") -> Sequence[TrustRow]:
        rows = sorted(
            (row for row in self._t.trust.values() if row.kind == kind), key=lambda row: row.version
        )
        if kind in SUBJECTED and not subject:
            newest = {row.subject: row for row in rows}
            return [newest[name] for name in sorted(newest)]
        return [row for row in rows if row.subject == subject]

    def setting(self, name: str) -> bytes | None:
        return self._t.settings.get(name)

    def put_setting(self, name: str, value: bytes) -> bool:
        return self._put(self._t.settings, name, value)

    def counts(self) -> Mapping[str, int]:
        counts = Counter({**held_counts(self._t), "log": len(self._t.log)})
        counts["alarm"] = sum(not row.cleared for row in self._t.alarms.values())
        counts.update({f"outbox.{state.value}": 0 for state in Outbound if state is not Outbound.SETTLED})
        counts.update({f"task.{state.value}": 0 for state in Task if state is not Task.DONE})
        counts.update(f"outbox.{row.state.value}" for row in self._t.outbox.values())
        counts.update(f"task.{row.state.value}" for row in self._t.tasks.values())
        counts.update(f"leg.{row.state}" for row in self._t.legs.values())
        return {name: count for name, count in counts.items() if name not in {"outbox.settled", "task.done"}}
