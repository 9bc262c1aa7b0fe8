# ruff: noqa: S101 - a suite is made of assertions
"""The logs, what is held, trust documents, settings and counts."""

from __future__ import annotations

from dataclasses import replace

from gateway.ports import Outbound, Store, Task, Transaction, TrustRow
from gateway.testing.store_cases.rows import NOW, access, handover, held, leg, outbox, task
from gateway.testing.store_cases.units import raised


class RecordCases:
    async def test_the_log_counts_from_zero_across_works(self, store: Store) -> None:
        await store.write(lambda tx: [tx.append_log(leaf) for leaf in (b"0", b"1")])
        await store.write(lambda tx: tx.append_log(b"2"))
        assert await store.read(lambda tx: tx.log(0, 9)) == [(0, b"0"), (1, b"1"), (2, b"2")]
        assert await store.read(lambda tx: tx.log(1, 1)) == [(1, b"1")]
        assert await store.read(lambda tx: tx.log(3, 9)) == []

    async def test_a_work_that_failed_takes_no_number_of_the_log(self, store: Store) -> None:
        def fail(tx: Transaction) -> None:
            tx.append_log(b"never")
            assert tx.log(0, 9) == [(0, b"never")]
            raise KeyError

        assert isinstance(await raised(store.write(fail)), KeyError)
        await store.write(lambda tx: tx.append_log(b"first"))
        assert await store.read(lambda tx: tx.log(0, 9)) == [(0, b"first")]

    async def test_accesses_come_newest_first_whole_and_by_reference(self, store: Store) -> None:
        rows = [
            access("HO-1", id="a1", note="why", recipients=("E09000004/housing",)),
            access("HO-2", id="a2", at=NOW - 100),
            access("HO-1", id="a3", sections=()),
        ]
        for row in rows:
            await store.write(lambda tx, row=row: tx.put_access(row))
        assert await store.read(lambda tx: tx.accesses()) == rows[::-1]
        assert await store.read(lambda tx: tx.accesses(ref="HO-1")) == [rows[2], rows[0]]
        assert await store.read(lambda tx: tx.accesses(limit=1)) == [rows[2]]

    async def test_the_same_bytes_are_held_once(self, store: Store) -> None:
        row = held(b"\x00\xffgarbage", id="h1")
        assert await store.write(lambda tx: tx.put_held(row))
        assert not await store.write(lambda tx: tx.put_held(replace(row, id="", at=NOW + 1, seen=NOW + 1)))
        await store.write(lambda tx: tx.put_held(held(b"other", id="h2", at=NOW + 2)))
        found = await store.read(lambda tx: tx.held(9))
        assert [row.id for row in found] == ["h2", "h1"]
        assert found[1] == replace(row, count=2, seen=NOW + 1)
        assert len(await store.read(lambda tx: tx.held(1))) == 1

    async def test_every_version_of_a_trust_document_stays(self, store: Store) -> None:
        versions = [TrustRow("directory", "", n, b"v%d" % n) for n in (2, 1, 10)]
        assert await store.write(lambda tx: [tx.put_trust(row) for row in versions]) == [True] * 3
        assert not await store.write(lambda tx: tx.put_trust(replace(versions[0], note=b"other")))
        found = await store.read(lambda tx: tx.trust("directory"))
        assert [row.note for row in found] == [b"v1", b"v2", b"v10"]
        assert await store.read(lambda tx: tx.trust("root")) == []

    async def test_cards_without_a_subject_are_the_newest_of_everybody(self, store: Store) -> None:
        cards = [TrustRow("keycard", name, n, f"{name}{n}".encode()) for name in "ba" for n in (1, 3, 2)]
        await store.write(lambda tx: [tx.put_trust(row) for row in [*cards, TrustRow("root", "", 9, b"r")]])
        assert [row.note for row in await store.read(lambda tx: tx.trust("keycard"))] == [b"a3", b"b3"]
        assert [row.version for row in await store.read(lambda tx: tx.trust("keycard", "a"))] == [1, 2, 3]

    async def test_every_kind_that_has_subjects_is_listed_by_its_newest(self, store: Store) -> None:
        kinds = ("keycard", "suspension", "break_glass")
        rows = [TrustRow(k, who, n, f"{k} {who}{n}".encode()) for k in kinds for who in "ba" for n in (9, 2)]
        await store.write(lambda tx: [tx.put_trust(row) for row in rows])
        for kind in kinds:
            newest = [f"{kind} a9".encode(), f"{kind} b9".encode()]
            assert [row.note for row in await store.read(lambda tx, k=kind: tx.trust(k))] == newest
            found = await store.read(lambda tx, k=kind: tx.trust(k, "b"))
            assert [row.version for row in found] == [2, 9]

    async def test_a_setting_is_set_once(self, store: Store) -> None:
        assert await store.read(lambda tx: tx.setting("s")) is None
        assert await store.write(lambda tx: tx.put_setting("s", b"\x001"))
        assert not await store.write(lambda tx: tx.put_setting("s", b"2"))
        assert await store.read(lambda tx: tx.setting("s")) == b"\x001"

    async def test_counts_tell_what_waits_and_where_legs_stand(self, store: Store) -> None:
        empty = await store.read(lambda tx: tx.counts())
        assert empty == dict.fromkeys(
            (
                "outbox.waiting",
                "outbox.published",
                "task.waiting",
                "task.parked",
                "task.held",
                "held",
                "log",
                "alarm",
            ),
            0,
        )

        def work(tx: Transaction) -> None:
            tx.put_handover(handover())
            for state in [*Outbound, Outbound.WAITING]:
                tx.put_outbox(outbox(state=state))
            for task_state in [*Task, Task.HELD]:
                tx.put_task(task(state=task_state))
            for number, state in enumerate(("QUEUED", "ACCEPTED", "ACCEPTED")):
                tx.put_leg(leg(principal=f"E09000004/a{number}", state=state))
            tx.put_held(held())
            tx.append_log(b"leaf")

        await store.write(work)
        assert await store.read(lambda tx: tx.counts()) == {
            "outbox.waiting": 2,
            "outbox.published": 1,
            "task.waiting": 1,
            "task.parked": 1,
            "task.held": 2,
            "leg.QUEUED": 1,
            "leg.ACCEPTED": 2,
            "held": 1,
            "held_by.intake.malformed": 1,
            "log": 1,
            "alarm": 0,
        }
