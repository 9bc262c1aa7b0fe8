"""Timers: each fires once, whatever crashes and whoever looks at the same time, and stops no other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.errors import Conflict, Unavailable
from gateway.flows import fires, sweep
from gateway.flows.node import Node
from gateway.flows.timers import Fire, set_timer
from gateway.ports import TaskRow, TimerRow, Transaction
from gateway.stores import open_store
from gateway.testing.boroughs import HACKNEY, START, two_boroughs


def set_kinds(monkeypatch: pytest.MonkeyPatch, kinds: Mapping[str, Fire]) -> None:
    monkeypatch.setattr(sweep, "FIRES", {**fires.FIRES, **kinds})


def noting(tx: Transaction, node: Node, row: TimerRow, now: int) -> Sequence[TaskRow]:
    """What fired, in the same transaction: a second time would show."""
    assert tx.put_setting(f"{row.kind} {row.subject} {row.step}", b"%d" % now)
    return ()


async def standing(node: Node) -> list[tuple[str, str]]:
    rows = await node.store.read(lambda tx: tx.alarms())
    return [(row.code, row.subject) for row in rows]


async def test_a_node_that_was_stopped_fires_everything_once_when_it_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_kinds(monkeypatch, {"note": noting})
    async with two_boroughs() as world:
        store = world.hackney.node.store
        steps = range(sweep.BATCH + 6)  # more than one look
        await store.write(lambda tx: [set_timer(tx, "note", "s", START + n, n) for n in steps])
        assert await sweep.sweep(world.hackney.node) == 1
        world.clock.advance(86_400)
        assert await sweep.sweep(world.hackney.node) == sweep.BATCH
        assert await sweep.sweep(world.hackney.node) == 5
        assert await sweep.sweep(world.hackney.node) == 0
        fired = [row.fired for row in await store.read(lambda tx: tx.timers("s"))]
        assert fired == [START, *[START + 86_400] * (len(steps) - 1)]


async def test_thousands_that_are_due_are_fired_by_looks_and_keep_nothing_waiting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """After a week off: what falls due now is fired at the first look, however much is older; a flood of such
    does not stop the older ones; and others' transactions come in between."""
    set_kinds(monkeypatch, {"note": noting})
    url, old, new = f"sqlite:///{tmp_path}/store.db", 2000, 3 * sweep.BATCH
    async with two_boroughs(stores={HACKNEY: lambda: open_store(url)}) as world:
        node, store = world.hackney.node, world.hackney.node.store
        await store.write(lambda tx: [set_timer(tx, "note", f"old{n:04}", START + n) for n in range(old)])
        world.clock.advance(7 * 86_400)
        now = world.clock.now()
        await store.write(lambda tx: set_timer(tx, "note", "call", now))
        assert await sweep.sweep(node) == sweep.BATCH
        assert await store.read(lambda tx: tx.setting("note call 0")) is not None
        assert await store.read(lambda tx: tx.setting("note old0000 0")) is not None
        await store.write(lambda tx: [set_timer(tx, "note", f"new{n:04}", now) for n in range(new)])
        looks = [await sweep.sweep(node)]
        fired = [row.subject for row in await store.read(lambda tx: tx.due_timers(now, old + new))]
        assert sum(name.startswith("new") for name in fired) == new - sweep.BATCH // 2
        sweeping = asyncio.create_task(sweep.sweep(node))
        await store.write(lambda tx: tx.put_setting("other", b""))
        left = await store.read(lambda tx: len(tx.due_timers(now, old + new)))
        assert left >= old + new + 1 - 3 * sweep.BATCH  # it came in between, not behind them all
        looks.append(await sweeping)
        while looks[-1]:
            looks.append(await sweep.sweep(node))
        assert max(looks) == sweep.BATCH
        assert sum(looks) + sweep.BATCH == old + new + 1


async def test_a_crash_leaves_the_timer_due_and_nothing_of_what_it_did(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def dying(tx: Transaction, node: Node, row: TimerRow, now: int) -> Sequence[TaskRow]:
        noting(tx, node, row, now)
        raise Unavailable("the database is gone", code="store_unreachable")

    async with two_boroughs() as world:
        node = world.hackney.node
        await node.store.write(lambda tx: set_timer(tx, "note", "s", START))
        set_kinds(monkeypatch, {"note": dying})
        with pytest.raises(Unavailable):
            await sweep.sweep(node)
        assert await node.store.read(lambda tx: tx.setting("note s 0")) is None
        set_kinds(monkeypatch, {"note": noting})
        assert await sweep.sweep(node) == 1
        assert await node.store.read(lambda tx: tx.setting("note s 0")) == b"%d" % START


async def test_two_processes_on_one_database_fire_each_timer_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    set_kinds(monkeypatch, {"note": noting})
    url = f"sqlite:///{tmp_path}/store.db"
    async with two_boroughs(stores={HACKNEY: lambda: open_store(url)}) as world:
        node, other = world.hackney.node, open_store(url)
        await other.start()
        try:
            await node.store.write(lambda tx: [set_timer(tx, "note", f"s{n}", START) for n in range(20)])
            twin = replace(node, store=other)
            await asyncio.gather(*(sweep.sweep(one) for one in (node, twin) * 2))
            rows = [await other.read(lambda tx, n=n: tx.timers(f"s{n}")) for n in range(20)]
        finally:
            await other.close()
        assert [row.fired for (row,) in rows] == [START] * 20


async def test_a_clock_that_was_started_anew_does_not_fire_at_its_old_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_kinds(monkeypatch, {"note": noting})
    async with two_boroughs() as world:
        node = world.hackney.node
        await node.store.write(lambda tx: set_timer(tx, "note", "s", START))
        (seen,) = await node.store.read(lambda tx: tx.due_timers(START, 9))

        def anew(tx: Transaction) -> None:
            tx.drop_timers("note", "s")
            set_timer(tx, "note", "s", START + 60)

        await node.store.write(anew)
        assert list(await sweep._fire(node, seen, START)) == []
        assert await node.store.read(lambda tx: tx.setting("note s 0")) is None
        world.clock.advance(60)
        await sweep.sweep(node)
        assert await node.store.read(lambda tx: tx.setting("note s 0")) == b"%d" % (START + 60)


async def test_one_that_is_refused_stops_no_other_and_is_tried_again_with_an_alarm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusals = [Conflict("not now", code="illegal_transition")]

    def fussy(tx: Transaction, node: Node, row: TimerRow, now: int) -> Sequence[TaskRow]:
        if refusals:
            raise refusals.pop()
        return noting(tx, node, row, now)

    set_kinds(monkeypatch, {"fussy": fussy, "note": noting})
    async with two_boroughs() as world:
        node = world.hackney.node
        await node.store.write(
            lambda tx: [set_timer(tx, kind, "s", START) for kind in ("fussy", "note", "no such kind")]
        )
        assert await sweep.sweep(node) == 3
        assert await sweep.sweep(node) == 0
        rows = {row.kind: row for row in await node.store.read(lambda tx: tx.timers("s"))}
        assert {kind: bool(row.fired) for kind, row in rows.items()} == {
            "fussy": False,
            "no such kind": True,
            "note": True,
        }
        assert sorted(await standing(node)) == [
            ("timer_failed", "fussy s"),
            ("timer_unknown", "no such kind"),
        ]
        world.clock.advance(sweep.AGAIN)
        assert await sweep.sweep(node) == 1
        assert await node.store.read(lambda tx: tx.setting("fussy s 0")) == b"%d" % (START + sweep.AGAIN)
