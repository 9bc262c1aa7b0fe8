# ruff: noqa: S101 - a suite is made of assertions
"""Clocks: found when due, fired once, whoever else looks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from gateway.ports import Store, TimerRow, Transaction
from gateway.testing.store_cases.rows import NOW


class TimerCases:
    async def test_timers_are_due_when_their_time_has_come_oldest_first(self, store: Store) -> None:
        rows = [
            TimerRow("decide", "l2", NOW),
            TimerRow("decide", "l1", NOW - 5),
            TimerRow("acknowledge", "l1", NOW),
            TimerRow("decide", "l1", NOW, step=2),
            TimerRow("decide", "l1", NOW, step=1),
            TimerRow("decide", "l3", NOW + 1),
            TimerRow("decide", "l4", NOW, fired=NOW),
        ]
        assert await store.write(lambda tx: [tx.put_timer(row) for row in rows]) == [True] * 7
        found = await store.read(lambda tx: tx.due_timers(NOW, 9))
        assert list(found) == [rows[1], rows[2], rows[4], rows[3], rows[0]]
        assert list(await store.read(lambda tx: tx.due_timers(NOW, 2))) == [rows[1], rows[2]]
        assert list(await store.read(lambda tx: tx.due_timers(NOW - 5, 9))) == [rows[1]]
        assert list(await store.read(lambda tx: tx.due_timers(NOW - 6, 9))) == []
        assert list(await store.read(lambda tx: tx.due_timers(NOW, 9, since=NOW))) == list(found[1:])
        assert list(await store.read(lambda tx: tx.due_timers(NOW, 2, since=NOW - 5))) == list(found[:2])

    async def test_a_timer_is_set_once_and_stays_as_it_was_set(self, store: Store) -> None:
        row = TimerRow("decide", "l1", NOW)
        assert await store.write(lambda tx: tx.put_timer(row))
        assert not await store.write(lambda tx: tx.put_timer(replace(row, due=NOW + 9)))
        assert list(await store.read(lambda tx: tx.timers("l1"))) == [row]

    async def test_timers_added_without_asking_are_there_for_whoever_looks_next(self, store: Store) -> None:
        rows = [TimerRow("decide", "l1", NOW, step=step) for step in range(3)]

        def work(tx: Transaction) -> list[list[TimerRow]]:
            seen = []
            for row in (*rows, rows[0]):
                tx.add_timer(row)
                seen.append(list(tx.timers("l1")))
            tx.drop_timers("decide", "l1")
            tx.add_timer(rows[2])
            return seen

        seen = await store.write(work)
        assert seen == [rows[:1], rows[:2], rows, rows]
        assert list(await store.read(lambda tx: tx.timers("l1"))) == [rows[2]]

    async def test_one_that_fails_takes_back_its_own_and_not_what_was_left_to_do_for_others(
        self, store: Store
    ) -> None:
        def add(name: str, tx: Transaction) -> None:
            tx.add_timer(TimerRow("decide", name, NOW))

        def fail(tx: Transaction) -> None:
            add("mine", tx)
            assert [len(tx.timers(name)) for name in ("before", "mine", "after")] == [1, 1, 0]
            add("mine too", tx)
            raise KeyError

        works: list[Callable[[Transaction], object]]
        works = [partial(add, "before"), fail, partial(add, "after"), lambda tx: len(tx.timers("before"))]
        done = await asyncio.gather(*(store.write(work) for work in works), return_exceptions=True)
        assert [type(one) for one in done] == [type(None), KeyError, type(None), int]
        assert done[3] == 1
        due = await store.read(lambda tx: tx.due_timers(NOW, 9))
        assert {row.subject for row in due} == {"before", "after"}

    async def test_a_timer_fires_once_and_only_as_it_was_seen(self, store: Store) -> None:
        row = TimerRow("decide", "l1", NOW, step=1)
        others = [replace(row, step=2), replace(row, kind="x"), replace(row, subject="l2")]
        await store.write(lambda tx: [tx.put_timer(one) for one in (row, *others)])
        assert not await store.write(lambda tx: tx.fire_timer(replace(row, due=NOW - 1), NOW))
        assert await store.write(lambda tx: tx.fire_timer(row, NOW + 3))
        assert not await store.write(lambda tx: tx.fire_timer(row, NOW + 4))
        assert not await store.write(lambda tx: tx.fire_timer(TimerRow("decide", "l9", NOW), NOW))
        assert list(await store.read(lambda tx: tx.timers("l1"))) == [
            replace(row, fired=NOW + 3),
            others[0],
            others[1],
        ]
        assert row.subject not in {
            one.subject
            for one in await store.read(lambda tx: tx.due_timers(NOW, 9))
            if one.step == 1 and one.kind == "decide"
        } - {"l2"}

    async def test_what_a_transaction_that_fails_has_fired_is_due_again(self, store: Store) -> None:
        row = TimerRow("decide", "l1", NOW)
        await store.write(lambda tx: tx.put_timer(row))

        def work(tx: Transaction) -> None:
            assert tx.fire_timer(row, NOW)
            raise KeyError

        with pytest.raises(KeyError):
            await store.write(work)
        assert list(await store.read(lambda tx: tx.due_timers(NOW, 9))) == [row]

    async def test_a_timer_is_delayed_only_as_it_was_seen_and_not_once_it_fired(self, store: Store) -> None:
        row = TimerRow("decide", "l1", NOW)
        await store.write(lambda tx: tx.put_timer(row))
        assert not await store.write(lambda tx: tx.delay_timer(replace(row, due=NOW + 1), NOW + 9))
        assert await store.write(lambda tx: tx.delay_timer(row, NOW + 60))
        later = replace(row, due=NOW + 60)
        assert list(await store.read(lambda tx: tx.timers("l1"))) == [later]
        assert await store.write(lambda tx: tx.fire_timer(later, NOW + 61))
        assert not await store.write(lambda tx: tx.delay_timer(later, NOW + 90))

    async def test_what_has_fired_is_not_dropped_and_so_cannot_be_set_again(self, store: Store) -> None:
        gone, fired = TimerRow("decide", "l1", NOW, step=2), TimerRow("decide", "l1", NOW, step=1)
        others = [TimerRow("acknowledge", "l1", NOW), TimerRow("decide", "l2", NOW)]
        await store.write(lambda tx: [tx.put_timer(row) for row in (gone, fired, *others)])
        await store.write(lambda tx: tx.fire_timer(fired, NOW))
        await store.write(lambda tx: tx.drop_timers("decide", "l1"))
        assert list(await store.read(lambda tx: tx.timers("l1"))) == [others[0], replace(fired, fired=NOW)]
        assert list(await store.read(lambda tx: tx.timers("l2"))) == [others[1]]
        assert not await store.write(lambda tx: tx.put_timer(fired))
        assert await store.write(lambda tx: tx.put_timer(gone))

    async def test_of_two_workers_one_fires_a_timer(self, store: Store, peer: Callable[[], Store]) -> None:
        rows = [TimerRow("decide", f"l{number}", NOW) for number in range(8)]
        await store.write(lambda tx: [tx.put_timer(row) for row in rows])
        other = peer()
        await other.start()
        try:
            fired = await asyncio.gather(
                *(
                    one.write(lambda tx, row=row: tx.fire_timer(row, NOW))
                    for row in rows
                    for one in (store, other) * 2
                )
            )
        finally:
            await other.close()
        assert sum(fired) == len(rows)
