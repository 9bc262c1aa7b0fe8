# ruff: noqa: S101 - a suite is made of assertions
"""Actions of a leg, and what was said of them."""

from __future__ import annotations

from dataclasses import replace

from gateway.ports import ActionRow, ActionState, ResultRow, Store
from gateway.testing.store_cases.rows import NOW, digest

ROW = ActionRow("l1", "AC1", "PO-01", blocks=True, place=2, planned=NOW)


class ActionCases:
    async def test_an_action_comes_back_as_it_was_put_and_only_once(self, store: Store) -> None:
        full = ActionRow(
            "l1", "AC9", "PO-02", True, 1, NOW, NOW + 1, NOW + 2, NOW + 3,
            ActionState.COMPLETED, "CLEAR", NOW + 4, True, NOW + 5,
        )  # fmt: skip
        assert await store.write(lambda tx: tx.put_action(full))
        assert not await store.write(lambda tx: tx.put_action(replace(full, code="XX-01")))
        assert list(await store.read(lambda tx: tx.actions("l1"))) == [full]

    async def test_actions_are_one_legs_in_their_order(self, store: Store) -> None:
        rows = [ROW, replace(ROW, action="AC2", place=1), replace(ROW, leg="l2"), replace(ROW, action="AC0")]
        await store.write(lambda tx: [tx.put_action(row) for row in rows])
        assert list(await store.read(lambda tx: tx.actions("l1"))) == [rows[1], rows[3], rows[0]]
        assert list(await store.read(lambda tx: tx.actions("l2"))) == [rows[2]]

    async def test_an_action_changes_only_as_it_was_seen(self, store: Store) -> None:
        other = replace(ROW, action="AC2")
        await store.write(lambda tx: [tx.put_action(row) for row in (ROW, other)])
        done = replace(ROW, state=ActionState.NOT_DONE, reason="NOT_MOVED", due=NOW + 9, updated=NOW)
        late = replace(done, late=NOW + 9, started=NOW, target=NOW + 2)
        assert await store.write(lambda tx: tx.change_action(ROW, done))
        assert not await store.write(lambda tx: tx.change_action(ROW, late))
        assert await store.write(lambda tx: tx.change_action(done, late))
        assert list(await store.read(lambda tx: tx.actions("l1"))) == [late, other]

    async def test_what_one_message_said_of_one_action_is_kept_once(self, store: Store) -> None:
        row = ResultRow("l1", digest("a"), "AC1", "COMPLETED", "CLEAR")
        more = [replace(row, action="AC2"), replace(row, statement=digest("b")), replace(row, leg="l2")]
        assert await store.write(lambda tx: [tx.put_result(one) for one in (row, *more)]) == [True] * 4
        assert not await store.write(lambda tx: tx.put_result(replace(row, result="NOT_DONE")))
        found = await store.read(lambda tx: tx.results("l1"))
        assert list(found) == sorted([row, *more[:2]], key=lambda one: (one.statement, one.action))
