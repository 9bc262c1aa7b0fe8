# ruff: noqa: S101 - a suite is made of assertions
"""What is to be destroyed: found whole, changed by whom it was seen by, remembered until it is done."""

from __future__ import annotations

from dataclasses import replace

from gateway.ports import PunctureRow, Side, Store
from gateway.testing.store_cases.rows import envelope

NOVEMBER, DECEMBER = "2026-11", "2026-12"


class ShredCases:
    async def test_the_messages_of_a_handover_are_found_whole_and_oldest_first(self, store: Store) -> None:
        rows = [
            envelope("m2", Side.ORIGIN, seq=1, ref="HO-1", version=1, created=5),
            envelope("m3", Side.DESTINATION, seq=2, ref="HO-1", version=2, created=4),
            envelope("m1", Side.ORIGIN, seq=3, ref="HO-1", version=1, created=5),
            envelope("m4", Side.ORIGIN, seq=4, ref="HO-2", version=1, created=1),
            envelope("m5", Side.ORIGIN, seq=5, kind=2),
        ]
        await store.write(lambda tx: [tx.put_envelope(row) for row in rows])
        found = await store.read(lambda tx: tx.envelopes_of("HO-1"))
        assert list(found) == [rows[1], rows[2], rows[0]]
        assert list(await store.read(lambda tx: tx.envelopes_of("HO-1", 1))) == [rows[2], rows[0]]
        assert list(await store.read(lambda tx: tx.envelopes_of("HO-1", 3))) == []
        assert list(await store.read(lambda tx: tx.envelopes_of(""))) == []

    async def test_the_messages_of_an_epoch_are_found_by_id_and_side(self, store: Store) -> None:
        rows = [
            envelope("m2", Side.ORIGIN, seq=1, epoch=NOVEMBER),
            envelope("m2", Side.DESTINATION, seq=2, epoch=NOVEMBER),
            envelope("m1", Side.ORIGIN, seq=3, epoch=NOVEMBER),
            envelope("m3", Side.ORIGIN, seq=4, epoch=DECEMBER),
            envelope("m4", Side.ORIGIN, seq=5),
        ]
        await store.write(lambda tx: [tx.put_envelope(row) for row in rows])
        found = await store.read(lambda tx: tx.envelopes_in(NOVEMBER))
        assert list(found) == [("m1", Side.ORIGIN), ("m2", Side.DESTINATION), ("m2", Side.ORIGIN)]
        assert list(await store.read(lambda tx: tx.envelopes_in(""))) == []

    async def test_secrets_change_only_from_those_that_were_seen(self, store: Store) -> None:
        row = envelope("m1", secrets=b"\x00old", epoch=NOVEMBER)
        other = envelope("m1", Side.ORIGIN, secrets=b"\x00old", epoch=NOVEMBER)
        await store.write(lambda tx: [tx.put_envelope(row), tx.put_envelope(other)])
        for before, after, changed in ((b"else", b"new", False), (b"\x00old", b"", True)):
            done = await store.write(
                lambda tx, before=before, after=after: tx.change_secrets(
                    "m1", Side.DESTINATION, before, after
                )
            )
            assert done is changed
        assert not await store.write(lambda tx: tx.change_secrets("m9", Side.ORIGIN, b"", b"x"))
        found = await store.read(lambda tx: tx.envelope_at(row.peer, row.stream, row.seq))
        assert found == replace(row, secrets=b"")
        assert await store.read(lambda tx: tx.envelope("m1")) == other

    async def test_what_is_stripped_keeps_its_place_and_its_statement(self, store: Store) -> None:
        row = envelope("m1", secrets=b"\x00old", epoch=NOVEMBER, ref="HO-1", version=1)
        other = envelope("m1", Side.ORIGIN, secrets=b"\x00old", epoch=NOVEMBER)
        await store.write(lambda tx: [tx.put_envelope(row), tx.put_envelope(other)])
        assert await store.write(lambda tx: tx.strip_envelope("m1", Side.DESTINATION, b"bx/1/\x00"))
        assert not await store.write(lambda tx: tx.strip_envelope("m2", Side.DESTINATION, b"n"))
        found = await store.read(lambda tx: tx.envelope_at(row.peer, row.stream, row.seq))
        assert found == replace(row, body=b"bx/1/\x00", secrets=b"")
        assert await store.read(lambda tx: tx.envelope("m1")) == other

    async def test_a_puncture_is_remembered_until_it_is_dropped(self, store: Store) -> None:
        rows = [PunctureRow(DECEMBER, ""), PunctureRow(NOVEMBER, "0f"), PunctureRow(NOVEMBER, "0a")]
        assert await store.write(lambda tx: [tx.put_puncture(row) for row in rows]) == [True] * 3
        assert not await store.write(lambda tx: tx.put_puncture(rows[1]))
        assert list(await store.read(lambda tx: tx.punctures())) == [rows[2], rows[1], rows[0]]
        await store.write(lambda tx: [tx.drop_puncture(row) for row in (rows[0], rows[1], rows[1])])
        assert list(await store.read(lambda tx: tx.punctures())) == [rows[2]]
