# ruff: noqa: S101 - a suite is made of assertions
"""Breach records: once for what they are about, changed only from what they were; steps never change."""

from __future__ import annotations

from dataclasses import replace

from gateway.ports import BreachRow, BreachStepRow, Store


def breach(name: str, about: str = "leg", ref: str = "HO-1", created: int = 5) -> BreachRow:
    return BreachRow(name, "RETURNED", about, ref, 1, "s", "HOUSING", True, 4, created, code="WRONG_AREA")


def step(n: int, what: str = "NOTIFY_ICO") -> BreachStepRow:
    return BreachStepRow("b1", n, what, 7, 8, "DPO", "dpo-1", "HIGH_RISK", b"\x00sealed")


class BreachCases:
    async def test_a_breach_is_recorded_once_for_what_it_is_about(self, store: Store) -> None:
        rows = [breach("b2", created=6), breach("b1", "other"), breach("b3", "third", "HO-2")]
        assert await store.write(lambda tx: [tx.put_breach(row) for row in rows]) == [True] * 3
        assert not await store.write(lambda tx: tx.put_breach(breach("b9")))
        assert not await store.write(lambda tx: tx.put_breach(breach("b1", "fourth")))
        assert await store.write(lambda tx: tx.put_breach(replace(breach("b4"), source="BY_HAND")))
        assert await store.read(lambda tx: tx.breach("b2")) == rows[0]
        assert await store.read(lambda tx: tx.breach("b9")) is None
        assert await store.read(lambda tx: tx.breach_about("RETURNED", "other")) == rows[1]
        assert await store.read(lambda tx: tx.breach_about("BY_HAND", "other")) is None
        found = await store.read(lambda tx: tx.breaches("HO-1"))
        assert [row.id for row in found] == ["b1", "b4", "b2"]
        assert [row.id for row in await store.read(lambda tx: tx.breaches())] == ["b1", "b3", "b4", "b2"]

    async def test_a_near_miss_becomes_a_breach_once(self, store: Store) -> None:
        row = breach("b1")
        await store.write(lambda tx: [tx.put_breach(one) for one in (row, breach("b2", "other"))])
        opened = replace(row, near_miss=False, aware=9, opened=8, parts=3)
        changed = await store.write(lambda tx: [tx.change_breach(row, opened) for _ in "ab"])
        assert changed == [True, False]
        assert await store.read(lambda tx: tx.breach("b1")) == opened
        assert await store.read(lambda tx: tx.breach("b2")) == breach("b2", "other")

    async def test_the_steps_of_a_breach_stay_in_their_order(self, store: Store) -> None:
        rows = [step(2), step(1, "SUBJECT_TOLD")]
        assert await store.write(lambda tx: [tx.put_breach_step(row) for row in rows]) == [True, True]
        assert not await store.write(lambda tx: tx.put_breach_step(step(1)))
        assert list(await store.read(lambda tx: tx.breach_steps("b1"))) == [rows[1], rows[0]]
        assert list(await store.read(lambda tx: tx.breach_steps("b2"))) == []
