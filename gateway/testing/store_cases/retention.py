# ruff: noqa: S101 - a suite is made of assertions
"""How long things are kept: holds that stand, purges that wait for their attestation."""

from __future__ import annotations

from dataclasses import replace

from gateway.ports import HandoverRow, HoldRow, PurgeRow, Side, Store


def hold(name: str, ref: str = "HO-1") -> HoldRow:
    return HoldRow(ref, "LITIGATION", "DPO", "dpo-1", placed=5, until=0, review=90, id=name)


def purge(name: str, ref: str = "HO-1", area: str = "n", at: int = 7) -> PurgeRow:
    return PurgeRow(ref, 1, area, at, "NINETY_DAYS", 2, 9, files=1, unanswered=0, epochs="", id=name)


def handover(name: str, ref: str, state: str = "ISSUED") -> HandoverRow:
    return HandoverRow(ref, 1, Side.ORIGIN, "n", "s", "STANDARD", state, "n/police", 1, 1, id=name)


class RetentionCases:
    async def test_a_hold_stands_until_it_is_lifted_and_stays_on_record(self, store: Store) -> None:
        rows = [hold("h2"), hold("h1"), hold("h3", "HO-2")]
        assert await store.write(lambda tx: [tx.put_hold(row) for row in rows]) == [True] * 3
        assert not await store.write(lambda tx: tx.put_hold(hold("h1", "HO-9")))
        assert list(await store.read(lambda tx: tx.holds("HO-1"))) == [rows[1], rows[0]]
        assert list(await store.read(lambda tx: tx.holds())) == [rows[1], rows[0], rows[2]]
        assert await store.write(lambda tx: [tx.lift_hold("h1", 8, "DPO") for _ in "ab"]) == [True, False]
        assert not await store.write(lambda tx: tx.lift_hold("h9", 8, "DPO"))
        assert list(await store.read(lambda tx: tx.holds("HO-1"))) == [rows[0]]
        lifted = replace(rows[1], lifted=8, lifted_by="DPO")
        assert list(await store.read(lambda tx: tx.holds("HO-1", standing=False))) == [lifted, rows[0]]
        assert list(await store.read(lambda tx: tx.holds("HO-3"))) == []

    async def test_what_is_not_purged_is_paged_from_the_first(self, store: Store) -> None:
        rows = [handover("3", "HO-3"), handover("1", "HO-1"), handover("2", "HO-2", "PURGED")]
        await store.write(lambda tx: [tx.put_handover(row) for row in rows])
        assert list(await store.read(lambda tx: tx.unpurged("", 9))) == [rows[1], rows[0]]
        assert list(await store.read(lambda tx: tx.unpurged("", 1))) == [rows[1]]
        assert list(await store.read(lambda tx: tx.unpurged("1", 9))) == [rows[0]]

    async def test_a_purge_is_kept_once_and_attested_once(self, store: Store) -> None:
        rows = [purge("p2"), purge("p1", at=6), purge("p3", area="s"), purge("p4", "HO-2")]
        assert await store.write(lambda tx: [tx.put_purge(row) for row in rows]) == [True] * 4
        assert not await store.write(lambda tx: tx.put_purge(purge("p9"))), "the same place"
        assert list(await store.read(lambda tx: tx.purges("HO-1"))) == [rows[1], rows[0], rows[2]]
        assert list(await store.read(lambda tx: tx.purges("HO-1", area="n"))) == [rows[1], rows[0]]
        assert len(await store.read(lambda tx: tx.purges())) == len(rows)
        assert list(await store.read(lambda tx: tx.unattested("n", 2))) == [rows[1], rows[0]]
        done = await store.write(lambda tx: [tx.attest_purge("p1", note) for note in (b"\x00n", b"m")])
        assert done == [True, False]
        assert not await store.write(lambda tx: tx.attest_purge("p7", b"n"))
        assert list(await store.read(lambda tx: tx.unattested("n", 9))) == [rows[0], rows[3]]
        assert (await store.read(lambda tx: tx.purges("HO-1")))[0] == replace(rows[1], note=b"\x00n")
