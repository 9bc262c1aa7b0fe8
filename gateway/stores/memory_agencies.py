"""Tasks for agencies, and the callers that come with a token, in the reference store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.ports import PARCELS, IdempotencyRow, Lane, Task, TaskRow, TokenRow
from gateway.stores.common import numbered
from gateway.stores.memory_tables import MemoryPart


class MemoryAgencies(MemoryPart):
    """See :class:`gateway.ports.Transaction`."""

    def put_task(self, row: TaskRow) -> bool:
        row = numbered(row)
        return self._put(self._t.tasks, row.id, row)

    def task(self, task: str) -> TaskRow | None:
        return self._t.tasks.get(task)

    def tasks_of(self, leg: str) -> Sequence[TaskRow]:
        rows = (row for row in self._t.tasks.values() if row.leg == leg)
        return sorted(rows, key=lambda row: (row.created, row.id))

    def claim_tasks(
        self,
        principal: str,
        now: int,
        limit: int,
        lease: int,
        *,
        lanes: Sequence[Lane] = PARCELS,
        worker: str = "",
    ) -> Sequence[TaskRow]:
        tables = self._change()
        due = [
            row
            for row in tables.tasks.values()
            if row.state is Task.WAITING and row.principal == principal
            if row.lane in lanes and row.due <= now
        ]
        due.sort(key=lambda row: (lanes.index(row.lane), row.due, row.id))
        claimed = [replace(row, due=now + lease, attempts=row.attempts + 1) for row in due[:limit]]
        tables.tasks.update({row.id: row for row in claimed})
        self._claim("tasks", (row.id for row in claimed), worker)
        return claimed

    def release_tasks(self, now: int, worker: str = "") -> int:
        tables = self._change()
        again = [
            row
            for row in tables.tasks.values()
            if (row.state is Task.WAITING and row.due > now and self._is_theirs(row, worker))
            or (row.state is Task.HELD and not worker)
        ]
        self._claim("tasks", (row.id for row in again), "")
        tables.tasks.update({row.id: replace(row, state=Task.WAITING, due=now) for row in again})
        return len(again)

    def _is_theirs(self, row: TaskRow, worker: str) -> bool:
        return not worker or self._is_claim("tasks", row.id, worker)

    def advance_task(
        self,
        task: str,
        before: Task,
        after: Task,
        *,
        due: int = 0,
        error: str = "",
        attempt: int | None = None,
    ) -> bool:
        tables = self._change()
        row = tables.tasks.get(task)
        if row is None or row.state is not before or attempt not in {None, row.attempts}:
            return False
        self._claim("tasks", [task], "")
        tables.tasks[task] = replace(row, state=after, due=due, error=error)
        return True

    def parked_tasks(self, principal: str, limit: int) -> Sequence[TaskRow]:
        rows = [
            row for row in self._t.tasks.values() if row.state is Task.PARKED and row.principal == principal
        ]
        return sorted(rows, key=lambda row: (row.created, row.id))[:limit]

    def put_token(self, row: TokenRow) -> bool:
        row = numbered(row)
        return self._put(self._t.tokens, row.id, row, taken=self.token(row.digest) is not None)

    def token(self, digest: bytes) -> TokenRow | None:
        return next((row for row in self._t.tokens.values() if row.digest == digest), None)

    def tokens(self) -> Sequence[TokenRow]:
        return sorted(self._t.tokens.values(), key=lambda row: (row.created, row.id))

    def revoke_token(self, token: str, at: int) -> bool:
        tables = self._change()
        row = tables.tokens.get(token)
        if row is None or row.revoked:
            return False
        tables.tokens[token] = replace(row, revoked=at)
        return True

    def put_idempotency(self, row: IdempotencyRow) -> bool:
        return self._put(self._t.idempotency, row.key, row)

    def idempotency(self, key: bytes) -> IdempotencyRow | None:
        return self._t.idempotency.get(key)
