# ruff: noqa: S101 - a suite is made of assertions
"""How far peers have followed which log, checkpoints not yet joined, and the access log read as a whole."""

from __future__ import annotations

from dataclasses import replace

from gateway.ports import LooseRow, Store, WitnessRow
from gateway.testing.store_cases.rows import NOW, PEER, STREAM, access, digest

OTHER = "E09000005"
PAGE = 2
LOG, OTHER_LOG = "bx/1/log/00000000/E09000012", "bx/1/log/00000000/E09000033"


class WitnessCases:
    async def test_a_peer_has_one_row_and_it_is_replaced_whole(self, store: Store) -> None:
        row = WitnessRow(PEER, 7, (3, 5), STREAM, 6, 9, "6" * 32, 4, NOW + 1)
        assert await store.read(lambda tx: (tx.witness(PEER), tx.witnesses())) == (None, [])
        await store.write(lambda tx: [tx.put_witness(row), tx.put_witness(WitnessRow(OTHER))])
        assert await store.read(lambda tx: tx.witness(PEER)) == row
        assert await store.read(lambda tx: tx.witness(OTHER)) == WitnessRow(OTHER)
        assert await store.read(lambda tx: tx.witnesses()) == [row, WitnessRow(OTHER)]
        less = WitnessRow(PEER, size=2, told=1)
        await store.write(lambda tx: tx.put_witness(less))
        assert await store.read(lambda tx: tx.witnesses()) == [less, WitnessRow(OTHER)]

    async def test_loose_checkpoints_are_kept_by_log_and_peer_until_dropped(self, store: Store) -> None:
        row = LooseRow(LOG, PEER, 7, digest("r"), b"note", NOW, NOW + 1, STREAM, 4)
        others = [replace(row, via=OTHER), replace(row, origin=OTHER_LOG)]
        await store.write(lambda tx: [tx.put_loose(one) for one in (row, *others)])
        assert await store.read(lambda tx: tx.loose(LOG)) == [row, others[0]]
        assert await store.read(lambda tx: tx.loose()) == [row, *others]
        newer = replace(row, size=8, root=digest("s"), note=b"more", at=NOW + 9, asked=0, stream="", seq=0)
        await store.write(lambda tx: [tx.put_loose(newer), tx.drop_loose(LOG, OTHER)])
        assert await store.read(lambda tx: tx.loose()) == [newer, others[1]]
        await store.write(lambda tx: tx.drop_loose(LOG, OTHER))
        assert await store.read(lambda tx: tx.loose()) == [newer, others[1]]

    async def test_the_access_log_is_read_whole_in_its_order_page_by_page(self, store: Store) -> None:
        rows = [access(f"HO-{number}", id=f"a{9 - number}", salt=b"\x00" * number) for number in range(5)]
        await store.write(lambda tx: [tx.put_access(row) for row in rows])
        found, after = [], 0
        while page := await store.read(lambda tx, at=after: tx.access_rows(at, PAGE)):
            assert len(page) <= PAGE
            found += [row for _, row in page]
            after = page[-1][0]
        assert found == rows
