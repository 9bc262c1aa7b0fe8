"""Two workers of one area on one PostgreSQL: what is due is done by one of them.

Every clock of a node is a row, so this one compare-and-set is what keeps a purge, a cascade, a call and the
destruction of a draft from running twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from gateway.ports import Store, TimerRow, Transaction
from gateway.stores import open_store

KINDS = ("purge", "notice_cascade", "notice_destroy", "draft", "returned")
NOW = 1_000


def _set(tx: Transaction) -> None:
    for number in range(40):
        tx.put_timer(TimerRow(KINDS[number % len(KINDS)], f"subject-{number}", NOW - 1))


def _fire(tx: Transaction, row: TimerRow) -> bool:
    """As the sweep does: marked, and what it does, in one transaction."""
    if not tx.fire_timer(row, NOW):
        return False
    tx.put_timer(TimerRow("done", row.subject, NOW + 1_000, step=len(tx.timers(row.subject))))
    return True


async def _sweep(store: Store) -> Sequence[bool]:
    due = await store.read(lambda tx: tx.due_timers(NOW, 64))
    return await asyncio.gather(*(store.write(partial(_fire, row=row)) for row in due))


async def test_of_two_workers_one_fires_each_timer_and_does_what_it_does(postgres_url: str) -> None:
    workers = [open_store(postgres_url) for _ in range(2)]
    for worker in workers:
        await worker.start()
    try:
        await workers[0].write(_set)
        fired = await asyncio.gather(*(_sweep(worker) for worker in workers))
        assert sum(sum(one) for one in fired) == 40
        assert sum(len(one) for one in fired) > 40, "they did not meet: the race is not in this test"
        for number in range(40):
            rows = await workers[1].read(lambda tx, n=number: tx.timers(f"subject-{n}"))
            assert [row.kind for row in rows].count("done") == 1
        assert await workers[0].read(lambda tx: tx.due_timers(NOW, 64)) == []
    finally:
        for worker in workers:
            await worker.close()
