"""The processes of one area that work side by side, in the reference store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.ports import WorkerRow
from gateway.stores.memory_tables import MemoryPart

HOUSEKEEPING = "housekeeping"


class MemoryWorkers(MemoryPart):
    """See :class:`gateway.ports.Transaction`."""

    def register_worker(self, row: WorkerRow) -> None:
        self._change().workers[row.id] = row

    def beat_worker(self, worker: str, at: int, *, ready: bool) -> bool:
        workers = self._change().workers
        if worker not in workers:
            return False
        row = workers[worker]
        workers[worker] = replace(row, beats=row.beats + 1, at=at, ready=ready)
        return True

    def drop_worker(self, worker: str, beats: int | None = None) -> bool:
        workers = self._change().workers
        if worker not in workers or beats not in {None, workers[worker].beats}:
            return False
        del workers[worker]
        return True

    def workers(self) -> Sequence[WorkerRow]:
        return sorted(self._t.workers.values(), key=lambda row: (row.started, row.id))

    def lead(self, worker: str) -> bool:
        tables = self._change()
        last = tables.leaders.get(HOUSEKEEPING, worker)
        if last != worker and last in tables.workers:
            return False
        tables.leaders[HOUSEKEEPING] = worker
        return True

    def leader(self) -> str:
        return self._t.leaders.get(HOUSEKEEPING, "")
