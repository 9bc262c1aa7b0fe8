# ruff: noqa: S101 - a suite is made of assertions
"""Streams and their gaps, cosignatures, and alarms that stand until somebody clears them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from gateway.ports import AlarmRow, CosignatureRow, GapRow, Store, StreamRow
from gateway.testing.store_cases.rows import NOW, PEER, STREAM, digest

OTHER = "E09000005"
LOG = "bx/1/log/00000000/E09000012"


class WatchCases:
    async def test_streams_are_listed_by_peer_and_direction_whole(self, store: Store) -> None:
        rows = [
            StreamRow(OTHER, outgoing=True, stream=STREAM, seq=1, head=digest("1"), top=4, at=NOW),
            StreamRow(
                PEER,
                outgoing=True,
                stream=STREAM,
                seq=2,
                head=digest("2"),
                top=2,
                at=NOW + 1,
                busy=NOW + 2,
                asks=3,
            ),
            StreamRow(PEER, outgoing=False, stream=STREAM, seq=3, head=digest("3")),
        ]
        await store.write(lambda tx: [tx.put_stream(row) for row in rows])
        assert await store.read(lambda tx: tx.streams(outgoing=True)) == [rows[1], rows[0]]
        assert await store.read(lambda tx: tx.streams(outgoing=False)) == [rows[2]]
        await store.write(lambda tx: tx.put_stream(replace(rows[2], top=9, at=NOW + 9)))
        assert await store.read(lambda tx: tx.streams(outgoing=False)) == [
            replace(rows[2], top=9, at=NOW + 9)
        ]

    async def test_a_gap_is_kept_replaced_and_dropped_by_where_it_begins(self, store: Store) -> None:
        rows = [
            GapRow(PEER, STREAM, 9, 11, NOW, asked=NOW + 60),
            GapRow(PEER, STREAM, 3, 4, NOW),
            GapRow(PEER, "6" * 32, 3, 3, NOW, alarmed=NOW + 300, prev=digest("4")),
            GapRow(OTHER, STREAM, 3, 3, NOW),
        ]
        await store.write(lambda tx: [tx.put_gap(row) for row in rows])
        assert await store.read(lambda tx: tx.gaps()) == [rows[1], rows[0], rows[2], rows[3]]
        assert await store.read(lambda tx: tx.gaps(peer=PEER, stream=STREAM)) == [rows[1], rows[0]]
        assert await store.read(lambda tx: tx.gaps(stream="6" * 32)) == [rows[2]]
        for seq, gap in {2: None, 3: rows[1], 4: rows[1], 5: None, 9: rows[0], 11: rows[0], 12: None}.items():
            assert await store.read(lambda tx, seq=seq: tx.gap_at(PEER, STREAM, seq)) == gap
        assert await store.read(lambda tx: tx.first_gap(PEER, STREAM)) == rows[1]
        assert await store.read(lambda tx: tx.first_gap(OTHER, "6" * 32)) is None
        assert await store.read(lambda tx: tx.count_gaps(PEER, STREAM)) == len(rows[:2])
        assert await store.read(lambda tx: tx.count_gaps(OTHER, "6" * 32)) == 0
        changed = replace(rows[1], last=3, asked=NOW + 1, alarmed=NOW + 2, noticed=NOW + 3, prev=digest("9"))
        await store.write(lambda tx: tx.put_gap(changed))
        await store.write(lambda tx: tx.drop_gap(PEER, STREAM, 9))
        assert await store.read(lambda tx: tx.gaps(peer=PEER, stream=STREAM)) == [changed]
        assert await store.read(lambda tx: tx.gaps(peer=OTHER)) == [rows[3]]

    async def test_a_peer_cosigns_one_checkpoint_once(self, store: Store) -> None:
        row = CosignatureRow(LOG, 7, digest("root"), PEER, NOW, b"line")
        others = [replace(row, size=8), replace(row, by=OTHER), replace(row, origin="bx/1/log/1/x")]
        assert await store.write(lambda tx: [tx.put_cosignature(r) for r in (row, *others)]) == [True] * 4
        assert not await store.write(lambda tx: tx.put_cosignature(replace(row, line=b"other")))
        assert await store.read(lambda tx: tx.cosignatures(LOG)) == [row, others[1], others[0]]
        assert await store.read(lambda tx: tx.cosignatures(LOG, size=7)) == [row, others[1]]
        assert await store.read(lambda tx: tx.cosignatures(LOG, size=0)) == []

    async def test_one_alarm_of_a_kind_stands_at_a_time(self, store: Store) -> None:
        row = AlarmRow(NOW, "gap", PEER, "5", b"evidence", id="a1")
        assert await store.write(lambda tx: tx.put_alarm(row))
        assert not await store.write(lambda tx: tx.put_alarm(replace(row, id="a2", at=NOW + 1)))
        others = [replace(row, id="a3", subject="6"), replace(row, id="a4", peer=OTHER)]
        others += [replace(row, id="a5", code="prev")]
        assert await store.write(lambda tx: [tx.put_alarm(other) for other in others]) == [True] * 3
        assert await store.read(lambda tx: tx.alarms()) == [*others[::-1], row]
        assert await store.read(lambda tx: tx.alarms(limit=1)) == [others[2]]
        assert await store.read(lambda tx: tx.alarms(cleared=True)) == []
        assert (await store.read(lambda tx: tx.counts()))["alarm"] == len(others) + 1

    async def test_an_alarm_is_cleared_once_and_may_sound_again(self, store: Store) -> None:
        row = AlarmRow(NOW, "gap", PEER, "5", id="a1")
        await store.write(lambda tx: tx.put_alarm(row))
        assert await store.write(lambda tx: tx.clear_alarm("a1", NOW + 5, "dpo-7"))
        assert not await store.write(lambda tx: tx.clear_alarm("a1", NOW + 6, "dpo-8"))
        assert not await store.write(lambda tx: tx.clear_alarm("nobody", NOW + 6, "dpo-8"))
        assert await store.read(lambda tx: tx.alarms()) == []
        cleared = replace(row, cleared=NOW + 5, cleared_by="dpo-7")
        assert await store.read(lambda tx: tx.alarms(cleared=True)) == [cleared]
        assert await store.write(lambda tx: tx.put_alarm(replace(row, id="a2")))
        assert [found.id for found in await store.read(lambda tx: tx.alarms())] == ["a2"]

    async def test_alarms_are_found_by_id_and_those_that_stand_by_code_and_peer(self, store: Store) -> None:
        rows = [
            AlarmRow(NOW, "gap", PEER, "6", b"e", id="a1"),
            AlarmRow(NOW, "gap", PEER, "5", id="a2"),
            AlarmRow(NOW, "gap", OTHER, "7", id="a3"),
            AlarmRow(NOW, "prev", PEER, "5", id="a4"),
            AlarmRow(NOW, "gap", PEER, "4", id="a5"),
        ]
        await store.write(lambda tx: [tx.put_alarm(row) for row in rows])
        await store.write(lambda tx: tx.clear_alarm("a5", NOW + 1, "x"))
        assert await store.read(lambda tx: tx.alarm("a1")) == rows[0]
        cleared = replace(rows[4], cleared=NOW + 1, cleared_by="x")
        assert await store.read(lambda tx: tx.alarm("a5")) == cleared
        assert await store.read(lambda tx: tx.alarm("a9")) is None
        assert await store.read(lambda tx: tx.standing_alarms("gap", peer=PEER)) == [rows[1], rows[0]]
        assert await store.read(lambda tx: tx.standing_alarms("gap")) == [rows[1], rows[0], rows[2]]
        assert await store.read(lambda tx: tx.standing_alarms("gap", limit=1)) == [rows[1]]

    async def test_two_that_sound_one_alarm_at_once_make_one(
        self, store: Store, peer: Callable[[], Store]
    ) -> None:
        other = peer()
        await other.start()
        try:
            row = AlarmRow(NOW, "gap", PEER, "5")
            made = await asyncio.gather(*(s.write(lambda tx: tx.put_alarm(row)) for s in (store, other) * 4))
        finally:
            await other.close()
        assert sorted(made) == [False] * 7 + [True]
