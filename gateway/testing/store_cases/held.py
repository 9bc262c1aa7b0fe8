# ruff: noqa: S101 - a suite is made of assertions
"""What could not be taken in: lists without bodies, and one settlement each."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from gateway.ports import Holding, Place, Store, Task
from gateway.testing.store_cases.rows import NOW, held, task


class HeldCases:
    async def test_held_rows_are_listed_by_place_and_code_without_their_bodies(self, store: Store) -> None:
        rows = [
            held(b"a", id="h1", size=1, place=Place.QUARANTINE, code="magic"),
            held(b"bb", id="h2", size=2, at=NOW + 1, place=Place.QUARANTINE, code="truncated"),
            held(b"ccc", id="h3", size=3, at=NOW + 2, place=Place.RETURNED, code="magic"),
        ]
        await store.write(lambda tx: [tx.put_held(row) for row in rows])
        assert await store.read(lambda tx: tx.held_heads(9)) == [replace(r, body=b"") for r in rows[::-1]]
        assert [r.id for r in await store.read(lambda tx: tx.held_heads(9, place="quarantine"))] == [
            "h2",
            "h1",
        ]
        assert [r.id for r in await store.read(lambda tx: tx.held_heads(9, code="magic"))] == ["h3", "h1"]
        assert [r.id for r in await store.read(lambda tx: tx.held_heads(1))] == ["h3"]
        assert await store.read(lambda tx: tx.held_heads(9, settled=True)) == []
        assert await store.read(lambda tx: tx.held_row("h2")) == rows[1]
        assert await store.read(lambda tx: tx.held_row("h9")) is None
        assert await store.read(lambda tx: tx.held_load()) == (3, 6)

    async def test_a_held_row_is_settled_once_and_its_bytes_go(self, store: Store) -> None:
        row = held(b"a", id="h1", size=1)
        await store.write(lambda tx: tx.put_held(row))
        assert await store.write(lambda tx: tx.recode_held("h1", "expired"))
        both = await asyncio.gather(
            store.write(lambda tx: tx.settle_held("h1", Holding.DISCARDED, NOW + 5, "me")),
            store.write(lambda tx: tx.settle_held("h1", Holding.TAKEN, NOW + 6, "you")),
        )
        assert sorted(both) == [False, True]
        assert not await store.write(lambda tx: tx.recode_held("h1", "late"))
        assert not await store.write(lambda tx: tx.settle_held("none", Holding.TAKEN, NOW, "me"))
        found = await store.read(lambda tx: tx.held_row("h1"))
        assert found is not None
        assert (found.code, found.body, found.size) == ("expired", b"", 1)
        assert (found.state, found.settled, found.by) in {
            (Holding.DISCARDED, NOW + 5, "me"),
            (Holding.TAKEN, NOW + 6, "you"),
        }
        assert await store.read(lambda tx: tx.held_load()) == (0, 0)
        assert await store.read(lambda tx: tx.held_heads(9)) == []
        assert await store.read(lambda tx: tx.held_heads(9, settled=True)) == [found]
        assert (await store.read(lambda tx: tx.counts()))["held"] == 0

    async def test_the_same_bytes_come_again_after_they_were_settled(self, store: Store) -> None:
        row = held(b"a", id="h1", size=1)
        await store.write(lambda tx: tx.put_held(row))
        await store.write(lambda tx: tx.settle_held("h1", Holding.DISCARDED, NOW, "me"))
        assert not await store.write(lambda tx: tx.put_held(replace(row, id="", seen=NOW + 9)))
        found = await store.read(lambda tx: tx.held_row("h1"))
        assert found is not None
        assert (found.state, found.count, found.seen) == (Holding.DISCARDED, 2, NOW + 9)

    async def test_held_parcels_are_listed_oldest_first(self, store: Store) -> None:
        rows = [
            task("late", state=Task.HELD, created=NOW + 1),
            task("early", state=Task.HELD, created=NOW),
            task("due", state=Task.WAITING),
        ]
        await store.write(lambda tx: [tx.put_task(row) for row in rows])
        assert [row.id for row in await store.read(lambda tx: tx.held_tasks(9))] == ["early", "late"]
        assert [row.id for row in await store.read(lambda tx: tx.held_tasks(1))] == ["early"]
