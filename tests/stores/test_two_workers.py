"""Two workers of one area on one PostgreSQL: what is due is done by one of them.

Every clock of a node is a row, so this one compare-and-set is what keeps a purge, a cascade, a call and the
destruction of a draft from running twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from uuid import uuid4

import pytest

from gateway.errors import Unavailable
from gateway.ports import EVERY_BELL, Store, TimerRow, Transaction
from gateway.stores import open_store, siblings_pg
from gateway.stores.siblings import open_siblings
from gateway.testing.postgres import Postgres

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


async def test_a_lock_on_postgresql_ends_with_its_connection_and_a_bell_is_heard(postgres_url: str) -> None:
    first, second = open_siblings(postgres_url), open_siblings(postgres_url)
    one, other = uuid4().hex, uuid4().hex
    try:
        await first.start(one)
        await second.start(other)
        assert await first.gone([one, other]) == set()
        bells = second.bells()
        assert await asyncio.wait_for(anext(bells), 5) == EVERY_BELL
        await first.ring("urgent")
        assert await asyncio.wait_for(anext(bells), 5) == "urgent"
        await bells.aclose()  # type: ignore[attr-defined]  # it is a generator
        await first.close()
        async with asyncio.timeout(5):
            while not (gone := await second.gone([one, other])):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)  # the server ends a session in its own time
        assert gone == {one}
    finally:
        await first.close()
        await second.close()


async def test_whose_connection_was_cut_judges_nobody_until_all_can_have_come_back(
    postgres: Postgres, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a restart of the server does to all of them at once, however long it takes."""
    first, second = open_siblings(postgres_url), open_siblings(postgres_url)
    one, other = uuid4().hex, uuid4().hex
    try:
        await first.start(one)
        await second.start(other)
        postgres.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gateway worker'"
        )
        with pytest.raises(Unavailable) as lost:
            await first.gone([other])
        assert lost.value.code == "siblings_lost"
        loop = asyncio.get_running_loop()
        real, away = loop.time, 600.0
        monkeypatch.setattr(loop, "time", lambda: real() + away)
        assert await first.gone([other]) == set(), "the other has not come back yet, and is not dead"
        away += siblings_pg.GRACE
        assert await first.gone([other]) == {other}, "it has had its time"
        third = open_siblings(postgres_url)
        await third.start(uuid4().hex)
        assert await third.gone([one]) == set(), "the first one holds its lock again"
        await third.close()
    finally:
        await first.close()
        await second.close()
