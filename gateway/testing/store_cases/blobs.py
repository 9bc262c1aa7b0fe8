# ruff: noqa: S101 - a suite is made of assertions
"""Attachments: what is known of each, and the segments of its sealed bytes."""

from __future__ import annotations

from dataclasses import replace

from gateway.ports import Blob, BlobRow, SegmentRow, Store, Transaction
from gateway.testing.store_cases.rows import NOW, PEER
from gateway.testing.store_cases.units import raised

OWNER = "E09000012/police"


def blob(name: str = "b1", **more: object) -> BlobRow:
    row = BlobRow("", name, Blob.UPLOADING, 0, NOW, owner=OWNER, media_type="text/plain", key=b"wrapped")
    return replace(row, **more)


class BlobCases:
    async def test_a_blob_is_put_once_for_each_peer(self, store: Store) -> None:
        rows = [blob(), blob(peer=PEER, state=Blob.ARRIVING)]
        assert await store.write(lambda tx: [tx.put_blob(row) for row in rows]) == [True, True]
        assert not await store.write(lambda tx: tx.put_blob(blob(owner="other")))
        assert await store.read(lambda tx: tx.blob("", "b1")) == rows[0]
        assert await store.read(lambda tx: tx.blob(PEER, "b1")) == rows[1]
        assert await store.read(lambda tx: tx.blob(PEER, "b2")) is None

    async def test_a_blob_advances_only_from_where_it_was_seen(self, store: Store) -> None:
        first = blob()
        ready = replace(first, state=Blob.READY, sealed=41, size=9, hash=b"\x00h", key=b"")
        await store.write(lambda tx: tx.put_blob(first))
        assert await store.write(lambda tx: tx.advance_blob(first, ready))
        assert not await store.write(lambda tx: tx.advance_blob(first, ready))
        assert await store.read(lambda tx: tx.blob("", "b1")) == ready
        sent = replace(ready, sent=1)
        assert await store.write(lambda tx: tx.advance_blob(ready, sent))
        assert not await store.write(lambda tx: tx.advance_blob(ready, replace(ready, sent=2)))
        assert await store.read(lambda tx: tx.blob("", "b1")) == sent
        assert not await store.write(lambda tx: tx.advance_blob(blob("none"), sent))

    async def test_those_of_one_handover_are_found(self, store: Store) -> None:
        rows = [
            blob("b2", ref="HO-1", version=1),
            blob("b1", ref="HO-1", version=1),
            blob("b3", ref="HO-1", version=2),
            blob("b4", ref="HO-1", version=1, peer=PEER),
        ]
        await store.write(lambda tx: [tx.put_blob(row) for row in rows])
        assert await store.read(lambda tx: tx.blobs(peer="", ref="HO-1", version=1)) == [rows[1], rows[0]]
        assert await store.read(lambda tx: tx.blobs(peer=PEER, ref="HO-1", version=1)) == [rows[3]]

    async def test_what_is_on_its_way_and_what_nobody_named_come_oldest_first(self, store: Store) -> None:
        states = (Blob.UPLOADING, Blob.READY, Blob.SENDING, Blob.SENT, Blob.ARRIVING)
        rows = [blob(f"b{n}", state=state, created=NOW - n) for n, state in enumerate(states)]
        more = [
            blob("c1", state=Blob.SENDING, created=NOW - 9),
            blob("c2", state=Blob.READY, created=NOW - 9),
        ]
        await store.write(lambda tx: [tx.put_blob(row) for row in (*rows, *more)])
        found = await store.read(lambda tx: (tx.sending_blobs(9), tx.sending_blobs(1)))
        assert [[row.blob for row in one] for one in found] == [["c1", "b2"], ["c1"]]
        seen = await store.read(lambda tx: (tx.unnamed_blobs(NOW + 1, 9), tx.unnamed_blobs(NOW, 9)))
        assert [[row.blob for row in one] for one in seen] == [["c2", "b1", "b0"], ["c2", "b1"]]
        assert [row.blob for row in await store.read(lambda tx: tx.unnamed_blobs(NOW, 1))] == ["c2"]

    async def test_what_is_stored_is_counted_for_a_peer_and_for_an_owner(self, store: Store) -> None:
        rows = [
            blob("b1", sealed=10),
            blob("b2", sealed=5, state=Blob.READY),
            blob("b3", sealed=7, state=Blob.SENDING),
            blob("b4", sealed=3, owner="E09000012/housing"),
            blob("b5", sealed=100, peer=PEER, owner="", state=Blob.ARRIVING),
            blob("b6", sealed=200, peer=PEER, owner="", state=Blob.ARRIVING),
        ]
        assert await store.read(lambda tx: tx.blobs_stored(peer=PEER)) == (0, 0)
        await store.write(lambda tx: [tx.put_blob(row) for row in rows])
        assert await store.read(lambda tx: tx.blobs_stored(peer=PEER)) == (2, 300)
        assert await store.read(lambda tx: tx.blobs_stored(peer="", owner=OWNER)) == (2, 15)
        assert await store.read(lambda tx: tx.blobs_stored(peer="", owner="E09000012/dwp")) == (0, 0)

    async def test_a_segment_is_put_once_and_comes_back_byte_for_byte(self, store: Store) -> None:
        row = SegmentRow(PEER, "b1", 1, bytes(range(256)) * 2816, "m1")
        ours = SegmentRow("", "b1", 1, b"ours")
        assert await store.write(lambda tx: tx.put_segment(row))
        assert not await store.write(lambda tx: tx.put_segment(replace(row, data=b"other")))
        assert await store.write(lambda tx: tx.put_segment(ours))
        assert await store.write(lambda tx: tx.put_segment(SegmentRow(PEER, "b1", 0, b"")))
        assert await store.read(lambda tx: tx.segment(PEER, "b1", 1)) == row
        assert await store.read(lambda tx: tx.segment("", "b1", 1)) == ours
        assert await store.read(lambda tx: tx.segment(PEER, "b1", 2)) is None
        assert await store.read(lambda tx: tx.segments(PEER, "b1")) == [0, 1]
        assert await store.read(lambda tx: tx.segments(PEER, "b2")) == []

    async def test_a_segment_of_ours_that_was_sent_is_named_and_empty(self, store: Store) -> None:
        rows = [
            SegmentRow("", "b1", 0, b"first"),
            SegmentRow("", "b1", 1, b"second"),
            SegmentRow(PEER, "b1", 0, b"x"),
        ]
        await store.write(lambda tx: [tx.put_segment(row) for row in rows])
        assert await store.write(lambda tx: tx.spend_segment("b1", 0, "m1"))
        assert not await store.write(lambda tx: tx.spend_segment("b1", 7, "m1"))
        found = await store.read(lambda tx: [tx.segment(row.peer, row.blob, row.no) for row in rows])
        assert found == [SegmentRow("", "b1", 0, b"", "m1"), rows[1], rows[2]]

    async def test_a_blob_is_dropped_with_its_segments_and_no_other_is(self, store: Store) -> None:
        def work(tx: Transaction) -> None:
            for peer, name in (("", "b1"), ("", "b2"), (PEER, "b1")):
                tx.put_blob(blob(name, peer=peer))
                for no in range(2):
                    tx.put_segment(SegmentRow(peer, name, no, b"x"))

        await store.write(work)
        assert await store.write(lambda tx: tx.drop_blob("", "b1"))
        assert not await store.write(lambda tx: tx.drop_blob("", "b1"))
        left = await store.read(
            lambda tx: [tx.segments(*key) for key in (("", "b1"), ("", "b2"), (PEER, "b1"))]
        )
        assert left == [[], [0, 1], [0, 1]]
        assert await store.read(lambda tx: tx.blob("", "b2")) is not None

    async def test_a_read_changes_no_blob(self, store: Store) -> None:
        row = blob()
        await store.write(lambda tx: tx.put_blob(row))
        for change in (
            lambda tx: tx.put_blob(blob("b2")),
            lambda tx: tx.advance_blob(row, replace(row, state=Blob.READY)),
            lambda tx: tx.drop_blob("", "b1"),
            lambda tx: tx.put_segment(SegmentRow("", "b1", 0, b"x")),
            lambda tx: tx.spend_segment("b1", 0, "m1"),
        ):
            assert isinstance(await raised(store.read(change)), RuntimeError)
        assert await store.read(lambda tx: tx.blob("", "b1")) == row
