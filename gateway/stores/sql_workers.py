"""The processes of one area side by side, in SQL. The contract is :class:`gateway.ports.Transaction`.

Rules: a row is written every few seconds by its own process alone; who leads is one row, changed by one
statement that looks whether the last leader is still registered, so that of two that try one gets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.dialects import postgresql

from gateway.ports import WorkerRow
from gateway.stores import tables
from gateway.stores.database import Part
from gateway.stores.records import WORKER
from gateway.stores.statements import Statement, replacing, select

_w, _l = tables.workers.c, tables.leaders.c

_REGISTER: Final = replacing(WORKER, "id")
_BEAT: Final = Statement(
    sa.update(tables.workers)
    .where(_w.id == bindparam("worker"))
    .values(beats=_w.beats + sa.literal_column("1"), at=bindparam("now"), ready=bindparam("is_ready"))
)
_DROP: Final = Statement(sa.delete(tables.workers).where(_w.id == bindparam("worker")))
_DROP_SILENT: Final = Statement(
    sa.delete(tables.workers).where(_w.id == bindparam("worker"), _w.beats == bindparam("seen"))
)
_WORKERS: Final = Statement(select(WORKER).order_by(_w.started, _w.id))
_insert = postgresql.insert(tables.leaders).values(name=bindparam("name"), worker=bindparam("worker"))
_LEAD: Final = Statement(
    _insert.on_conflict_do_update(
        index_elements=["name"],
        set_={"worker": _insert.excluded.worker},
        where=sa.or_(_l.worker == _insert.excluded.worker, _l.worker.not_in(sa.select(_w.id))),
    )
)
_LEADER: Final = Statement(sa.select(_l.worker).where(_l.name == bindparam("name")))

HOUSEKEEPING: Final = "housekeeping"
"""The one thing there is to lead: whatever one process alone has to do."""


class WorkerPart(Part):
    """The part of a transaction that this file holds."""

    def register_worker(self, row: WorkerRow) -> None:
        self._session.change(_REGISTER, WORKER.dump(row))

    def beat_worker(self, worker: str, at: int, *, ready: bool) -> bool:
        return self._session.change(_BEAT, {"worker": worker, "now": at, "is_ready": ready}) == 1

    def drop_worker(self, worker: str, beats: int | None = None) -> bool:
        if beats is None:
            return self._session.change(_DROP, {"worker": worker}) == 1
        return self._session.change(_DROP_SILENT, {"worker": worker, "seen": beats}) == 1

    def workers(self) -> Sequence[WorkerRow]:
        return WORKER.load_all(self._session.rows(_WORKERS))

    def lead(self, worker: str) -> bool:
        return self._session.change(_LEAD, {"name": HOUSEKEEPING, "worker": worker}) == 1

    def leader(self) -> str:
        found = self._session.one(_LEADER, name=HOUSEKEEPING)
        return str(found[0]) if found else ""
