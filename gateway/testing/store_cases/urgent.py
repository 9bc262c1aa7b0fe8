# ruff: noqa: S101 - a suite is made of assertions
"""Urgent moves, and documents that wait for a second person."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.ports import DraftRow, Store, UrgentRow
from gateway.testing.store_cases.rows import NOW

REF, OTHER = "HO-E09000012-2026-000001", "HO-E09000012-2026-000002"

DRAFT = DraftRow(
    id="d1",
    ref=REF,
    version=1,
    owner="E09000012/police",
    actor="staff-1",
    role="Inspector",
    destination="E09000004",
    urgency="STANDARD",
    legs=9,
    created=NOW,
    expires=NOW + 9,
    body=b"sealed",
    secrets=b"wrapped",
    epoch="2026-11",
)


class UrgentCases:
    async def test_an_urgent_move_is_kept_once_and_changed_whole(self, store: Store) -> None:
        row = UrgentRow(REF, NOW, other=True, drill=True, review_by=NOW + 5, actor="staff-1")
        assert await store.write(lambda tx: tx.put_urgent(row))
        assert not await store.write(lambda tx: tx.put_urgent(replace(row, issued=NOW + 1)))
        assert await store.read(lambda tx: tx.urgent(REF)) == row
        assert await store.read(lambda tx: tx.urgent(OTHER)) is None
        after = replace(
            row,
            issued=NOW - 1,
            other=False,
            drill=False,
            called=1,
            authorised=2,
            reviewed=3,
            kept=4,
            review_by=5,
            downgraded=6,
            actor="",
        )
        assert await store.write(lambda tx: tx.change_urgent(after))
        assert await store.read(lambda tx: tx.urgent(REF)) == after
        assert not await store.write(lambda tx: tx.change_urgent(replace(after, ref=OTHER)))
        assert await store.read(lambda tx: tx.urgent(OTHER)) is None

    async def test_urgent_moves_are_found_by_when_they_were_issued(self, store: Store) -> None:
        rows = [UrgentRow(OTHER, NOW + 1), UrgentRow(REF, NOW), UrgentRow("HO-3", NOW + 1)]
        await store.write(lambda tx: [tx.put_urgent(row) for row in rows])
        found = await store.read(lambda tx: tx.urgent_moves(NOW, NOW + 2))
        assert list(found) == [rows[1], rows[2], rows[0]] if OTHER > "HO-3" else [rows[1], rows[0], rows[2]]
        assert list(await store.read(lambda tx: tx.urgent_moves(NOW, NOW + 1))) == [rows[1]]
        assert list(await store.read(lambda tx: tx.urgent_moves(NOW + 2, NOW + 9))) == []

    async def test_one_draft_of_one_version_and_the_newest_is_found(self, store: Store) -> None:
        second = replace(DRAFT, id="d0", version=2, created=NOW - 1)
        assert await store.write(lambda tx: tx.put_draft(DRAFT))
        assert not await store.write(lambda tx: tx.put_draft(replace(DRAFT, id="d9")))
        assert not await store.write(lambda tx: tx.put_draft(replace(DRAFT, ref=OTHER)))
        assert await store.write(lambda tx: tx.put_draft(second))
        assert await store.read(lambda tx: tx.draft(REF)) == second
        assert await store.read(lambda tx: tx.draft(OTHER)) is None
        assert list(await store.read(lambda tx: tx.drafts())) == [second, DRAFT]
        assert await store.write(lambda tx: tx.drop_draft("d0"))
        assert not await store.write(lambda tx: tx.drop_draft("d0"))
        assert await store.read(lambda tx: tx.draft(REF)) == DRAFT

    async def test_a_read_changes_neither(self, store: Store) -> None:
        for work in (
            lambda tx: tx.put_urgent(UrgentRow(REF, NOW)),
            lambda tx: tx.change_urgent(UrgentRow(REF, NOW)),
            lambda tx: tx.put_draft(DRAFT),
            lambda tx: tx.drop_draft("d1"),
        ):
            with pytest.raises(RuntimeError):
                await store.read(work)
