"""Tasks for agencies, and the callers that come with a token, in SQL. See :class:`gateway.ports.Transaction`.

Rules: tasks are claimed for one agency at a time, so that a slow one holds up no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from gateway.ports import PARCELS, IdempotencyRow, Lane, Task, TaskRow, TokenRow
from gateway.stores import tables
from gateway.stores.database import Part
from gateway.stores.records import IDEMPOTENCY, TASK, TOKEN
from gateway.stores.statements import Statement, at_attempt, fence, put, select

_t, _k, _i = tables.tasks.c, tables.tokens.c, tables.idempotency.c

_PUT_TASK: Final = put(TASK)
_TASK: Final = Statement(select(TASK, _t.id == bindparam("task")))
_TASKS_OF: Final = Statement(select(TASK, _t.leg == bindparam("leg")).order_by(_t.created, _t.id))
_DUE: Final = Statement(
    select(
        TASK,
        tables.DUE_TASK,
        _t.principal == bindparam("principal"),
        _t.lane == bindparam("lane"),
        _t.due <= bindparam("now"),
    )
    .order_by(_t.due, _t.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_CLAIM: Final = Statement(
    sa.update(tables.tasks)
    .where(_t.id == bindparam("task"))
    .values(
        due=bindparam("until"), attempts=_t.attempts + sa.literal_column("1"), worker=bindparam("claimant")
    )
)
_ADVANCE: Final = Statement(
    sa.update(tables.tasks)
    .where(_t.id == bindparam("task"), _t.state == bindparam("old"), at_attempt(_t.attempts))
    .values(state=bindparam("new"), due=bindparam("at"), error=bindparam("why"), worker=sa.null())
)
_RELEASE: Final = Statement(
    sa.update(tables.tasks)
    .where(sa.or_(sa.and_(tables.DUE_TASK, _t.due > bindparam("now")), sa.text("state = 'held'")))
    .values(state=Task.WAITING.value, due=bindparam("now", type_=_t.due.type), worker=sa.null())
)
_RELEASE_OF: Final = Statement(
    sa.update(tables.tasks)
    .where(tables.DUE_TASK, _t.due > bindparam("now"), _t.worker == bindparam("claimant"))
    .values(due=bindparam("now", type_=_t.due.type), worker=sa.null())
)
_PARKED: Final = Statement(
    select(TASK, tables.PARKED_TASK, _t.principal == bindparam("principal"))
    .order_by(_t.created, _t.id)
    .limit(bindparam("limit"))
)
_PUT_TOKEN: Final = put(TOKEN)
_TOKEN: Final = Statement(select(TOKEN, _k.digest == bindparam("digest")))
_TOKENS: Final = Statement(select(TOKEN).order_by(_k.created, _k.id))
_REVOKE: Final = Statement(
    sa.update(tables.tokens)
    .where(_k.id == bindparam("token"), _k.revoked == sa.literal_column("0"))
    .values(revoked=bindparam("at"))
)
_PUT_IDEMPOTENCY: Final = put(IDEMPOTENCY)
_IDEMPOTENCY: Final = Statement(select(IDEMPOTENCY, _i.key == bindparam("key")))


class AgencyPart(Part):
    """The part of a transaction that this file holds."""

    def put_task(self, row: TaskRow) -> bool:
        return self._session.change(_PUT_TASK, TASK.dump(row)) == 1

    def task(self, task: str) -> TaskRow | None:
        found = self._session.one(_TASK, task=task)
        return TASK.load(found) if found else None

    def tasks_of(self, leg: str) -> Sequence[TaskRow]:
        return TASK.load_all(self._session.rows(_TASKS_OF, leg=leg))

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
        self._session.must_write()
        due = list[TaskRow]()
        for lane in lanes:
            about = {"principal": principal, "lane": lane.value, "now": now, "limit": limit - len(due)}
            due += TASK.load_all(self._session.rows(_DUE, **about))
        claimed = [replace(row, due=now + lease, attempts=row.attempts + 1) for row in due]
        who = worker or None
        self._session.change_many(
            _CLAIM, [{"task": row.id, "until": row.due, "claimant": who} for row in claimed]
        )
        return claimed

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
        states = {"old": before.value, "new": after.value}
        values = {"task": task, "at": due, "why": error, "attempt": fence(attempt)}
        return self._session.change(_ADVANCE, states | values) == 1

    def release_tasks(self, now: int, worker: str = "") -> int:
        if worker:
            return self._session.change(_RELEASE_OF, {"now": now, "claimant": worker})
        return self._session.change(_RELEASE, {"now": now})

    def parked_tasks(self, principal: str, limit: int) -> Sequence[TaskRow]:
        return TASK.load_all(self._session.rows(_PARKED, principal=principal, limit=limit))

    def put_token(self, row: TokenRow) -> bool:
        return self._session.change(_PUT_TOKEN, TOKEN.dump(row)) == 1

    def token(self, digest: bytes) -> TokenRow | None:
        found = self._session.one(_TOKEN, digest=digest)
        return TOKEN.load(found) if found else None

    def tokens(self) -> Sequence[TokenRow]:
        return TOKEN.load_all(self._session.rows(_TOKENS))

    def revoke_token(self, token: str, at: int) -> bool:
        return self._session.change(_REVOKE, {"token": token, "at": at}) == 1

    def put_idempotency(self, row: IdempotencyRow) -> bool:
        return self._session.change(_PUT_IDEMPOTENCY, IDEMPOTENCY.dump(row)) == 1

    def idempotency(self, key: bytes) -> IdempotencyRow | None:
        found = self._session.one(_IDEMPOTENCY, key=key)
        return IDEMPOTENCY.load(found) if found else None
