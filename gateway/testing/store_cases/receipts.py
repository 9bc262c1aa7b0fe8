# ruff: noqa: S101 - a suite is made of assertions
"""Receipts: kept once, in order, packed once."""

from __future__ import annotations

from dataclasses import replace

from gateway.ports import Store
from gateway.testing.store_cases.rows import POLICE, digest, receipt


class ReceiptCases:
    async def test_a_receipt_is_kept_once_by_its_hash(self, store: Store) -> None:
        row = receipt("r", id="1", leg="l", ref="HO-1", version=2, sent_in="m", applied=True, urgent=True)
        assert await store.write(lambda tx: tx.put_receipt(row))
        assert not await store.write(lambda tx: tx.put_receipt(replace(row, id="2", state="accepted")))
        assert await store.read(lambda tx: tx.receipts(mid=row.mid)) == [row]

    async def test_receipts_match_every_filter_in_the_order_they_were_put(self, store: Store) -> None:
        rows = {
            "c": receipt("c", mid="m1", ref="HO-1", by=POLICE, sent_in="s1"),
            "a": receipt("a", mid="m1", ref="HO-2", by="E09000004/node"),
            "b": receipt("b", mid="m2", ref="HO-1", by="E09000004/node", sent_in="s1"),
        }
        await store.write(lambda tx: [tx.put_receipt(row) for row in rows.values()])

        async def notes(**filters: str) -> str:
            found = await store.read(lambda tx: tx.receipts(**filters))
            return b"".join(row.note for row in found).decode()

        assert await notes() == "cab"
        assert await notes(mid="m1") == "ca"
        assert await notes(ref="HO-1") == "cb"
        assert await notes(by="E09000004/node") == "ab"
        assert await notes(sent_in="s1") == "cb"
        assert await notes(mid="m1", ref="HO-1", by=POLICE, sent_in="s1") == "c"
        assert await notes(mid="m2", by=POLICE) == ""

    async def test_unsent_receipts_are_ours_that_wait_oldest_first(self, store: Store) -> None:
        rows = [
            receipt("z"),
            receipt("theirs", ours=False),
            receipt("sent", sent_in="m"),
            receipt("y", urgent=True),
            receipt("x"),
        ]
        await store.write(lambda tx: [tx.put_receipt(row) for row in rows])
        rows = [receipt("u", urgent=True), receipt("sent urgently", urgent=True, sent_in="m")]
        await store.write(lambda tx: [tx.put_receipt(row) for row in rows])
        assert [row.note for row in await store.read(lambda tx: tx.unsent_receipts(9))] == [b"z", b"x"]
        assert [row.note for row in await store.write(lambda tx: tx.unsent_receipts(1))] == [b"z"]
        waiting = await store.write(lambda tx: tx.unsent_receipts(9, urgent=True))
        assert [row.note for row in waiting] == [b"y", b"u"]

    async def test_marked_sent_they_are_not_unsent_and_can_be_made_to_wait_again(self, store: Store) -> None:
        await store.write(lambda tx: [tx.put_receipt(receipt(name)) for name in "abc"])
        await store.write(lambda tx: tx.mark_sent([digest("a"), digest("c"), digest("unknown")], "m9"))
        assert [row.note for row in await store.read(lambda tx: tx.unsent_receipts(9))] == [b"b"]
        assert [row.note for row in await store.read(lambda tx: tx.receipts(sent_in="m9"))] == [b"a", b"c"]
        await store.write(lambda tx: tx.mark_sent([digest("a")], ""))
        assert [row.note for row in await store.read(lambda tx: tx.unsent_receipts(9))] == [b"a", b"b"]

    async def test_marked_applied_one_is_and_no_other(self, store: Store) -> None:
        await store.write(lambda tx: [tx.put_receipt(receipt(name)) for name in "ab"])
        await store.write(lambda tx: [tx.mark_applied(digest("b")), tx.mark_applied(digest("unknown"))])
        assert [row.applied for row in await store.read(lambda tx: tx.receipts())] == [False, True]
