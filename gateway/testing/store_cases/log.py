# ruff: noqa: S101 - a suite is made of assertions
"""The tree over the log, and the checkpoint that was signed last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from gateway.core.merkle import Head, Place, inclusion_proof, leaf_hash, peaks, root_of, verify_inclusion
from gateway.errors import GatewayError
from gateway.ports import CheckpointRow, Store, Transaction
from gateway.testing.store_cases.rows import NOW, digest, receipt
from gateway.testing.store_cases.units import raised

ROW = CheckpointRow("bx/1/log/00000000/E09000004", 5, digest("root"), NOW, b"note")


async def append(store: Store, *leaves: bytes) -> None:
    """All in one work."""
    await store.write(lambda tx: [tx.append_log(leaf) for leaf in leaves])


async def head(store: Store) -> Head:
    def work(tx: Transaction) -> Head:
        size = tx.log_size()
        return Head(size, tx.log_nodes(peaks(size)))

    return await store.read(work)


class LogCases:
    async def test_a_log_without_leaves_is_a_tree_without_leaves(self, store: Store) -> None:
        assert (await head(store)).size == 0
        assert await store.read(lambda tx: tx.log_nodes([])) == []

    async def test_every_complete_subtree_can_be_had_however_the_leaves_came(self, store: Store) -> None:
        leaves = [b"%d" % number for number in range(150)]
        start = 0
        for group in (1, 1, 2, 3, 5, 8, 13, 21, 34, 62):
            await append(store, *leaves[start : start + group])
            start += group
            hashes = [leaf_hash(leaf) for leaf in leaves[:start]]
            found = await head(store)
            assert (found.size, found.root) == (start, root_of(hashes))
        places = [(level, number) for level in range(8) for number in range(150 >> level)]
        assert await store.read(lambda tx: tx.log_nodes(places)) == [
            root_of(hashes[number << level : (number + 1) << level]) for level, number in places
        ]

    async def test_subtrees_come_in_the_order_asked_for_and_as_often(self, store: Store) -> None:
        await append(store, *(b"%d" % number for number in range(80)))
        places = [(0, number) for number in reversed(range(80))] + [(6, 0), (0, 3), (6, 0)]
        found = await store.read(lambda tx: tx.log_nodes(places))
        one_by_one = [await store.read(lambda tx, p=place: tx.log_nodes([p])) for place in places]
        assert [[one] for one in found] == one_by_one

    async def test_a_proof_holds_for_every_leaf(self, store: Store) -> None:
        leaves = [b"%d" % number for number in range(37)]
        await append(store, *leaves)
        root = (await head(store)).root
        for index, leaf in enumerate(leaves):
            proof = await store.read(lambda tx, i=index: inclusion_proof(i, 37, tx.log_nodes))
            verify_inclusion(leaf_hash(leaf), index, 37, proof, root)

    async def test_a_subtree_that_is_not_complete_is_refused(self, store: Store) -> None:
        await append(store, *(b"%d" % number for number in range(6)))
        places: tuple[Place, ...] = ((0, 6), (1, 3), (2, 1), (3, 0), (0, -1))
        for place in places:
            error = await raised(store.read(lambda tx, p=place: tx.log_nodes([(0, 0), p])))
            assert isinstance(error, GatewayError)
            assert error.code == "log_broken"

    async def test_leaves_of_an_open_work_are_in_no_tree(self, store: Store) -> None:
        await append(store, b"0", b"1")

        def work(tx: Transaction) -> tuple[int, object, object]:
            tx.append_log(b"2", mid="m")
            tx.append_log(b"3", mid="m")
            with suppress(GatewayError):
                tx.log_nodes([(2, 0)])
                raise AssertionError
            return tx.log_size(), tx.log_nodes([(1, 0)]), tx.log_of("m")

        size, nodes, about = await store.write(work)
        assert (size, nodes, about) == (2, [root_of([leaf_hash(b"0"), leaf_hash(b"1")])], [])
        assert (await head(store)).size == len(await store.read(lambda tx: tx.log(0, 9)))

    async def test_a_work_that_failed_is_in_no_tree(self, store: Store) -> None:
        def fail(tx: Transaction) -> None:
            tx.append_log(b"never", mid="m")
            raise KeyError

        await asyncio.gather(
            append(store, b"0"), store.write(fail), append(store, b"1"), return_exceptions=True
        )
        assert (await head(store)).root in {
            root_of([leaf_hash(b"0"), leaf_hash(b"1")]),
            root_of([leaf_hash(b"1"), leaf_hash(b"0")]),
        }
        assert await store.read(lambda tx: tx.log_of("m")) == []

    async def test_two_workers_grow_one_tree(self, store: Store, peer: Callable[[], Store]) -> None:
        other = peer()
        await other.start()
        try:
            await asyncio.gather(*(append((store, other)[n % 2], b"%d" % n) for n in range(60)))
        finally:
            await other.close()
        leaves = await store.read(lambda tx: tx.log(0, 99))
        assert (await head(store)).root == root_of(leaf_hash(leaf) for _, leaf in leaves)

    async def test_leaves_are_found_by_their_message(self, store: Store) -> None:
        for number, mid in enumerate(("a", "b", "", "a", "", "b", "a")):
            await store.write(lambda tx, n=number, m=mid: tx.append_log(b"%d" % n, mid=m))
        assert await store.read(lambda tx: tx.log_of("a")) == [(0, b"0"), (3, b"3"), (6, b"6")]
        assert await store.read(lambda tx: tx.log_of("b")) == [(1, b"1"), (5, b"5")]
        assert await store.read(lambda tx: (tx.log_of("c"), tx.log_of(""))) == ([], [])

    async def test_a_receipt_is_found_by_its_hash(self, store: Store) -> None:
        row = receipt("r1")
        await store.write(lambda tx: [tx.put_receipt(row), tx.put_receipt(receipt("r2"))])
        found = await store.read(lambda tx: tx.receipt(row.hash))
        assert found is not None
        assert (found.hash, found.mid, found.note) == (row.hash, row.mid, row.note)
        assert await store.read(lambda tx: tx.receipt(digest("r3"))) is None

    async def test_a_checkpoint_takes_the_place_of_the_one_it_names_and_no_other(self, store: Store) -> None:
        later = replace(ROW, size=9, root=digest("later"), at=NOW + 1, note=b"later")
        assert await store.read(lambda tx: tx.checkpoint(ROW.origin)) is None
        assert not await store.write(lambda tx: tx.put_checkpoint(ROW, after=4))
        assert await store.write(lambda tx: tx.put_checkpoint(ROW, after=None))
        assert not await store.write(lambda tx: tx.put_checkpoint(later, after=None))
        assert not await store.write(lambda tx: tx.put_checkpoint(later, after=4))
        assert await store.read(lambda tx: tx.checkpoint(ROW.origin)) == ROW
        assert await store.write(lambda tx: tx.put_checkpoint(later, after=5))
        assert await store.read(lambda tx: tx.checkpoint(ROW.origin)) == later
        other = replace(ROW, origin="bx/1/log/00000000/E09000012")
        assert await store.write(lambda tx: tx.put_checkpoint(other, after=None))
        assert await store.read(lambda tx: tx.checkpoint(ROW.origin)) == later

    async def test_attack_110_of_two_that_sign_at_once_one_is_kept(
        self, store: Store, peer: Callable[[], Store]
    ) -> None:
        await store.write(lambda tx: tx.put_checkpoint(ROW, after=None))
        rows = [replace(ROW, size=size, note=b"%d" % size) for size in range(6, 26)]
        other = peer()
        await other.start()
        try:
            kept = await asyncio.gather(
                *(
                    (store, other)[n % 2].write(lambda tx, r=row: tx.put_checkpoint(r, after=5))
                    for n, row in enumerate(rows)
                )
            )
        finally:
            await other.close()
        assert kept.count(True) == 1
        assert await store.read(lambda tx: tx.checkpoint(ROW.origin)) == rows[kept.index(True)]

    async def test_a_read_keeps_no_checkpoint(self, store: Store) -> None:
        error = await raised(store.read(lambda tx: tx.put_checkpoint(ROW, after=None)))
        assert isinstance(error, RuntimeError)
