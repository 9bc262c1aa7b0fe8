# ruff: noqa: S101 - a suite is made of assertions
"""What grows is cut back: the old, the settled, in batches, and nothing else."""

from __future__ import annotations

import pytest

from gateway.core.durations import DAY
from gateway.ports import (
    AlarmRow,
    CosignatureRow,
    HeldRow,
    Holding,
    IdempotencyRow,
    Lane,
    Outbound,
    OutboxRow,
    Side,
    Store,
    Task,
    TaskRow,
    TimerRow,
)
from gateway.ports.rows import Parcel
from gateway.testing.store_cases.rows import digest, envelope

LOG, OWN, PEER = "bx/1/log/1/E09000012", "E09000012", "E09000004"


def task(name: str, state: Task, created: int) -> TaskRow:
    return TaskRow(name, Parcel.STATUS, "n/police", "leg", "", state, due=0, created=created)


def outbox(mid: str) -> OutboxRow:
    return OutboxRow(f"o-{mid}", PEER, Lane.RECEIPTS, mid, Outbound.WAITING, due=0)


class PruneCases:
    async def test_rows_go_when_they_are_old_and_over_in_batches(self, store: Store) -> None:
        def fill(tx):  # type: ignore[no-untyped-def] # every kind of row
            for at in (5, 6, 7):
                tx.put_idempotency(IdempotencyRow(digest(f"k{at}"), b"r", "HO-1", 1, at))
                tx.put_timer(TimerRow("deadline", f"s{at}", due=1))
                tx.fire_timer(TimerRow("deadline", f"s{at}", due=1), at)
                tx.put_task(task(f"t{at}", Task.DONE, at))
                tx.put_held(HeldRow(f"h{at}", at, "code", Lane.URGENT, PEER, digest(str(at)), b"x"))
                tx.put_held(HeldRow(f"s{at}", 1, "code", Lane.URGENT, PEER, digest(f"s{at}"), b"x"))
                tx.settle_held(f"s{at}", Holding.DISCARDED, at, "me")
                tx.put_alarm(AlarmRow(1, "gap", PEER, str(at), id=f"a{at}"))
                tx.clear_alarm(f"a{at}", at, "x")
            tx.put_task(task("waits", Task.WAITING, 5))
            tx.put_timer(TimerRow("deadline", "unfired", due=1))
            tx.put_alarm(AlarmRow(1, "gap", PEER, "stands", id="stands"))

        await store.write(fill)
        assert await store.write(lambda tx: tx.prune("held", 7, 3)) == 3  # noqa: PLR2004 - of four
        assert await store.write(lambda tx: tx.prune("held", 7, 9)) == 1
        for what in ("idempotency", "timers", "tasks", "alarms"):
            assert await store.write(lambda tx, what=what: tx.prune(what, 7, 1)) == 1, what
            assert await store.write(lambda tx, what=what: tx.prune(what, 7, 9)) == 1, what
            assert await store.write(lambda tx, what=what: tx.prune(what, 7, 9)) == 0, what
        assert await store.read(lambda tx: tx.idempotency(digest("k7")))
        assert await store.read(lambda tx: tx.task("t7"))
        assert await store.read(lambda tx: tx.task("waits"))
        assert [row.subject for row in await store.read(lambda tx: tx.due_timers(9, 9))] == ["unfired"]
        assert [row.id for row in await store.read(lambda tx: tx.held(9))] == ["h7", "s7"]
        assert [row.id for row in await store.read(lambda tx: tx.alarms(cleared=True))] == ["a7"]
        assert [row.id for row in await store.read(lambda tx: tx.alarms())] == ["stands"]
        with pytest.raises(KeyError):
            await store.write(lambda tx: tx.prune("accesses", 9, 9))

    async def test_of_envelopes_only_those_about_no_handover_go(self, store: Store) -> None:
        rows = [
            envelope("s2", Side.ORIGIN, seq=1, kind=2, expires=5),
            envelope("s3", Side.ORIGIN, seq=2, kind=3, expires=8),
            envelope("s1", Side.ORIGIN, seq=3, kind=1, expires=5, ref="HO-1", version=1),
            envelope("r2", Side.DESTINATION, seq=1, kind=2, expires=5),
            envelope("r3", Side.DESTINATION, seq=2, kind=3, expires=5),
            envelope("r1", Side.DESTINATION, seq=3, kind=1, expires=5),
            envelope("r9", Side.DESTINATION, seq=4, kind=1, expires=5, ref="HO-1", version=1),
        ]
        await store.write(lambda tx: [tx.put_envelope(row) for row in rows])
        await store.write(lambda tx: [tx.put_outbox(outbox(mid)) for mid in ("s2", "s3", "s1")])
        assert await store.write(lambda tx: tx.prune("sent", 7, 9)) == 1
        assert await store.read(lambda tx: [bool(tx.outbox_of(mid)) for mid in ("s2", "s3", "s1")]) == [
            False,
            True,
            True,
        ]
        assert await store.write(lambda tx: tx.prune("heard", 5, 9)) == 0
        assert await store.write(lambda tx: tx.prune("heard", 7, 1)) == 1
        assert await store.write(lambda tx: tx.prune("heard", 7, 9)) == 1
        assert await store.write(lambda tx: tx.prune("files", 7, 9)) == 1
        left = await store.read(lambda tx: [row.mid for row in rows if tx.envelope(row.mid)])
        assert left == ["s3", "s1", "r9"]

    async def test_old_control_envelopes_are_stripped_but_the_first_of_a_stream(self, store: Store) -> None:
        rows = [
            envelope("c1", seq=1, kind=3, expires=5, secrets=b"s"),
            envelope("c2", seq=2, kind=3, expires=6, secrets=b"s"),
            envelope("c3", seq=3, kind=3, expires=5, secrets=b"s"),
            envelope("c4", seq=4, kind=2, expires=5, secrets=b"s"),
            envelope("c5", seq=5, kind=3, expires=9, secrets=b"s"),
            envelope("c6", Side.ORIGIN, seq=6, kind=3, expires=5, secrets=b"s"),
        ]
        await store.write(lambda tx: [tx.put_envelope(row) for row in rows])
        assert [row.mid for row in await store.read(lambda tx: tx.unstripped(7, 9))] == ["c3", "c2"]
        assert [row.mid for row in await store.read(lambda tx: tx.unstripped(7, 1))] == ["c3"]
        await store.write(lambda tx: tx.strip_envelope("c3", Side.DESTINATION, b"n"))
        assert [row.mid for row in await store.read(lambda tx: tx.unstripped(7, 9))] == ["c2"]

    async def test_cosignatures_are_thinned_to_one_checkpoint_a_day(self, store: Store) -> None:
        def row(size: int, at: int, by: str = PEER) -> CosignatureRow:
            return CosignatureRow(LOG, size, b"r", by, at, b"line")

        rows = [
            *(row(size, size * 1000, OWN) for size in (1, 2, 3, 90, 91, 200)),
            *(row(size, size * 1000) for size in (2, 3, 90, 91)),
            row(200, 500 * DAY),
        ]
        await store.write(lambda tx: [tx.put_cosignature(one) for one in rows])
        spare = await store.read(lambda tx: tx.spare_cosignatures(3 * DAY, 9))
        assert spare == [(LOG, 1), (LOG, 3), (LOG, 91)], "2 and 90 are the first of their days; 200 the last"
        assert await store.read(lambda tx: tx.spare_cosignatures(3000, 9)) == [(LOG, 1)]
        assert await store.read(lambda tx: tx.spare_cosignatures(3 * DAY, 1)) == [(LOG, 1)]
        assert await store.write(lambda tx: tx.drop_cosignatures(LOG, 3)) == len({OWN, PEER})
        assert await store.write(lambda tx: tx.drop_cosignatures(LOG, 3)) == 0
        assert await store.read(lambda tx: tx.cosignatures(LOG, size=3)) == []
