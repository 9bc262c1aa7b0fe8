# ruff: noqa: S101 - a suite is made of assertions
"""Calls to people: made by one worker, kept until the channel has them; and who stands in for whom."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gateway.ports import CoverRow, PageRow, Paging, Store
from gateway.testing.store_cases.rows import NOW, PEER, POLICE


def page(name: str, **more: Any) -> PageRow:
    values: dict[str, Any] = {
        "role": "duty",
        "code": "acknowledge",
        "principal": POLICE,
        "agency": "POLICE",
        "area": PEER,
        "ref": "HO-1",
        "leg": "l1",
        "urgent": True,
        "since": NOW,
        "state": Paging.WAITING,
        "due": NOW,
        "created": NOW,
    }
    return PageRow(id=name, **values | more)


class PagingCases:
    async def test_a_call_is_put_once_and_listed_newest_first(self, store: Store) -> None:
        rows = [page("p1"), page("p2", created=NOW + 1, urgent=False), page("p3", ref="HO-2", error="x")]
        assert await store.write(lambda tx: [tx.put_page(row) for row in rows]) == [True] * 3
        assert not await store.write(lambda tx: tx.put_page(replace(rows[0], role="other")))
        assert list(await store.read(lambda tx: tx.pages())) == [rows[1], rows[2], rows[0]]
        assert list(await store.read(lambda tx: tx.pages(ref="HO-1"))) == [rows[1], rows[0]]
        assert list(await store.read(lambda tx: tx.pages(limit=1))) == [rows[1]]

    async def test_a_call_is_claimed_for_a_while_and_moved_once(self, store: Store) -> None:
        rows = [page("p2", due=NOW - 1), page("p1"), page("p3", due=NOW + 1), page("p4", state=Paging.SENT)]
        await store.write(lambda tx: [tx.put_page(row) for row in rows])
        claimed = await store.write(lambda tx: tx.claim_pages(NOW, 9, 60))
        assert claimed == [replace(row, due=NOW + 60, attempts=1) for row in rows[:2]]
        assert await store.write(lambda tx: tx.claim_pages(NOW, 9, 60)) == []
        sent = await store.write(
            lambda tx: [
                tx.advance_page("p1", Paging.WAITING, Paging.SENT),
                tx.advance_page("p1", Paging.WAITING, Paging.DROPPED),
                tx.advance_page("p2", Paging.WAITING, Paging.WAITING, due=NOW + 90, error="busy"),
                tx.advance_page("p9", Paging.WAITING, Paging.SENT),
            ]
        )
        assert sent == [True, False, True, False]
        found = {row.id: row for row in await store.read(lambda tx: tx.pages())}
        assert (found["p1"].state, found["p1"].error) == (Paging.SENT, "")
        assert (found["p2"].due, found["p2"].error, found["p2"].attempts) == (NOW + 90, "busy", 1)
        assert [row.id for row in await store.write(lambda tx: tx.claim_pages(NOW + 1, 1, 60))] == ["p3"]

    async def test_a_node_that_starts_takes_up_what_was_claimed(self, store: Store) -> None:
        rows = [page("p1", due=NOW + 9), page("p2"), page("p3", due=NOW + 9, state=Paging.SENT)]
        await store.write(lambda tx: [tx.put_page(row) for row in rows])
        assert await store.write(lambda tx: tx.release_pages(NOW)) == 1
        assert [row.id for row in await store.write(lambda tx: tx.claim_pages(NOW, 9, 60))] == ["p1", "p2"]

    async def test_two_workers_never_claim_the_same_call(
        self, store: Store, peer: Callable[[], Store]
    ) -> None:
        await store.write(lambda tx: [tx.put_page(page(f"p{n}")) for n in range(30)])
        other = peer()
        await other.start()
        try:
            claims = await asyncio.gather(
                *((store, other)[n % 2].write(lambda tx: tx.claim_pages(NOW, 3, 60)) for n in range(20))
            )
        finally:
            await other.close()
        assert Counter(row.id for claim in claims for row in claim) == Counter(f"p{n}" for n in range(30))

    async def test_who_stands_in_is_replaced_and_ends(self, store: Store) -> None:
        rows = [CoverRow("inspector", NOW + 5, NOW, "ops"), CoverRow("duty", NOW + 9, NOW, "ops")]
        await store.write(lambda tx: [tx.put_cover(row) for row in rows])
        later = replace(rows[0], until=NOW + 99, by="other")
        await store.write(lambda tx: tx.put_cover(later))
        assert list(await store.read(lambda tx: tx.covers())) == [rows[1], later]
        assert await store.write(lambda tx: [tx.drop_cover("duty"), tx.drop_cover("duty")]) == [True, False]
        assert list(await store.read(lambda tx: tx.covers())) == [later]
