# ruff: noqa: S101 - a suite is made of assertions
"""Several workers on one database: nothing is handed out twice, nothing is numbered twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from gateway.ports import Lane, Outbound, Role, Store, StreamRow, Task, Transaction, WorkerRow
from gateway.testing.store_cases.rows import (
    NOW,
    PEER,
    POLICE,
    STREAM,
    digest,
    event,
    leg,
    outbox,
    receipt,
    task,
)


def worker(name: str, *, started: int = NOW) -> WorkerRow:
    return WorkerRow(name, Role.WORKER, "1.0", "host:1", started, 0, started, ready=False)


@asynccontextmanager
async def pair(store: Store, peer: Callable[[], Store]) -> AsyncIterator[Sequence[Store]]:
    """The store and one more on the same tables."""
    other = peer()
    await other.start()
    try:
        yield store, other
    finally:
        await other.close()


class WorkerCases:
    async def test_two_workers_never_claim_the_same_outbox_row(
        self, store: Store, peer: Callable[[], Store]
    ) -> None:
        rows = [outbox(due=NOW + n % 7, lane=list(Lane)[n % 3]) for n in range(60)]
        await store.write(lambda tx: [tx.put_outbox(row) for row in rows])
        async with pair(store, peer) as stores:
            claims = await asyncio.gather(
                *(
                    stores[n % 2].write(lambda tx: tx.claim_outbox(NOW + 10, 3, 60, list(Lane)))
                    for n in range(30)
                )
            )
        claimed = Counter(row.mid for claim in claims for row in claim)
        assert claimed == Counter(row.mid for row in rows)

    async def test_two_workers_never_claim_the_same_task(
        self, store: Store, peer: Callable[[], Store]
    ) -> None:
        await store.write(lambda tx: [tx.put_task(task(f"t{n}")) for n in range(40)])
        async with pair(store, peer) as stores:
            claims = await asyncio.gather(
                *(stores[n % 2].write(lambda tx: tx.claim_tasks(POLICE, NOW, 3, 60)) for n in range(20))
            )
        assert Counter(row.id for claim in claims for row in claim) == Counter(f"t{n}" for n in range(40))

    async def test_two_workers_never_pack_the_same_receipt(
        self, store: Store, peer: Callable[[], Store]
    ) -> None:
        await store.write(lambda tx: [tx.put_receipt(receipt(f"r{n}")) for n in range(30)])

        def pack(mid: str) -> Callable[[Transaction], list[bytes]]:
            def work(tx: Transaction) -> list[bytes]:
                hashes = [row.hash for row in tx.unsent_receipts(4)]
                tx.mark_sent(hashes, mid)
                return hashes

            return work

        async with pair(store, peer) as stores:
            packed = await asyncio.gather(*(stores[n % 2].write(pack(f"m{n}")) for n in range(20)))
        assert Counter(one for pack_ in packed for one in pack_) == Counter(
            digest(f"r{n}") for n in range(30)
        )

    async def test_two_workers_number_the_log_without_a_hole(
        self, store: Store, peer: Callable[[], Store]
    ) -> None:
        def work(number: int) -> Callable[[Transaction], None]:
            def run(tx: Transaction) -> None:
                tx.append_log(b"%d" % number)
                if number % 5 == 0:
                    raise KeyError

            return run

        async with pair(store, peer) as stores:
            await asyncio.gather(*(stores[n % 2].write(work(n)) for n in range(100)), return_exceptions=True)
            leaves = await stores[1].read(lambda tx: tx.log(0, 200))
        assert [index for index, _ in leaves] == list(range(80))
        assert {int(leaf) for _, leaf in leaves} == {n for n in range(100) if n % 5}

    async def test_two_workers_that_start_a_stream_never_use_a_number_twice(
        self, store: Store, peer: Callable[[], Store]
    ) -> None:
        def take(tx: Transaction) -> int:
            row = tx.stream(PEER, outgoing=True)
            seq = row.seq + 1 if row else 1
            tx.put_stream(StreamRow(PEER, outgoing=True, stream=STREAM, seq=seq, head=bytes(32)))
            return seq

        async with pair(store, peer) as stores:
            numbers = await asyncio.gather(*(stores[n % 2].write(take) for n in range(40)))
        assert sorted(numbers) == list(range(1, 41))

    async def test_of_two_workers_one_moves_a_leg_and_its_history_has_one_line(
        self, store: Store, peer: Callable[[], Store]
    ) -> None:
        row = leg()
        await store.write(lambda tx: tx.put_leg(row))
        async with pair(store, peer) as stores:
            moved = await asyncio.gather(
                *(
                    stores[n % 2].write(
                        lambda tx: tx.advance_leg(row.id, "DELIVERED", "RECEIVED", event(row.id))
                    )
                    for n in range(10)
                )
            )
        assert sorted(moved) == [False] * 9 + [True]
        assert len(await store.read(lambda tx: tx.history(row.id))) == 1

    async def test_a_lease_that_runs_out_gives_the_row_to_another(
        self, store: Store, peer: Callable[[], Store]
    ) -> None:
        await store.write(lambda tx: tx.put_task(task("t")))
        async with pair(store, peer) as (first, second):
            assert [t.attempts for t in await first.write(lambda tx: tx.claim_tasks(POLICE, NOW, 9, 60))] == [
                1
            ]
            assert await second.write(lambda tx: tx.claim_tasks(POLICE, NOW + 59, 9, 60)) == []
            (again,) = await second.write(lambda tx: tx.claim_tasks(POLICE, NOW + 60, 9, 60))
            assert (again.attempts, again.due, again.state) == (2, NOW + 120, Task.WAITING)

    async def test_what_one_worker_claimed_is_released_and_what_another_claimed_is_not(
        self, store: Store
    ) -> None:
        await store.write(lambda tx: [tx.put_task(task(f"t{n}")) for n in range(4)])
        await store.write(lambda tx: [tx.put_outbox(outbox(due=NOW, lane=Lane.STANDARD)) for _ in range(4)])

        def claim(name: str) -> Callable[[Transaction], set[str]]:
            def work(tx: Transaction) -> set[str]:
                rows = {row.id for row in tx.claim_outbox(NOW, 2, 60, [Lane.STANDARD], worker=name)}
                return rows | {row.id for row in tx.claim_tasks(POLICE, NOW, 2, 60, worker=name)}

            return work

        dead, living = await store.write(claim("dead")), await store.write(claim("living"))
        assert (len(dead), len(living)) == (4, 4)
        assert await store.write(
            lambda tx: (tx.release_outbox(NOW, "dead"), tx.release_tasks(NOW, "dead"))
        ) == (
            2,
            2,
        )
        assert await store.write(claim("next")) == dead
        assert await store.write(lambda tx: tx.release_tasks(NOW, "dead")) == 0, "another has them now"

    async def test_what_a_worker_has_put_off_is_no_claim_of_its(self, store: Store) -> None:
        await store.write(lambda tx: tx.put_task(task("t")))
        await store.write(lambda tx: tx.put_outbox(outbox(due=NOW, lane=Lane.STANDARD)))
        await store.write(lambda tx: tx.claim_tasks(POLICE, NOW, 1, 60, worker="dead"))
        (row,) = await store.write(lambda tx: tx.claim_outbox(NOW, 1, 60, [Lane.STANDARD], worker="dead"))
        later = NOW + 500
        await store.write(lambda tx: tx.advance_task("t", Task.WAITING, Task.WAITING, due=later))
        await store.write(
            lambda tx: tx.advance_outbox(row.id, [Outbound.WAITING], Outbound.PUBLISHED, due=later)
        )
        assert await store.write(lambda tx: tx.release_tasks(NOW, "dead")) == 0
        assert await store.write(lambda tx: tx.release_outbox(NOW, "dead")) == 0

    async def test_a_claim_to_send_again_is_released_too(self, store: Store) -> None:
        await store.write(lambda tx: tx.put_outbox(outbox(due=NOW, lane=Lane.STANDARD)))
        (row,) = await store.write(lambda tx: tx.claim_outbox(NOW, 1, 60, [Lane.STANDARD]))
        await store.write(
            lambda tx: tx.advance_outbox(row.id, [Outbound.WAITING], Outbound.PUBLISHED, due=NOW + 1)
        )
        await store.write(lambda tx: tx.claim_outbox(NOW + 1, 1, 60, [Lane.STANDARD], worker="dead"))
        assert await store.write(lambda tx: tx.release_outbox(NOW + 2, "dead")) == 1
        assert await store.write(lambda tx: tx.claim_outbox(NOW + 2, 1, 60, [Lane.STANDARD]))

    async def test_held_parcels_are_tried_again_for_a_person_and_not_for_a_death(self, store: Store) -> None:
        await store.write(lambda tx: tx.put_task(task("t")))
        await store.write(lambda tx: tx.advance_task("t", Task.WAITING, Task.HELD))
        assert await store.write(lambda tx: tx.release_tasks(NOW, "dead")) == 0
        assert await store.write(lambda tx: tx.release_tasks(NOW)) == 1

    async def test_whoever_was_overtaken_puts_nothing_off(self, store: Store) -> None:
        await store.write(lambda tx: tx.put_task(task("t")))
        await store.write(lambda tx: tx.put_outbox(outbox(due=NOW, lane=Lane.STANDARD)))
        (stale,) = await store.write(lambda tx: tx.claim_tasks(POLICE, NOW, 1, 60, worker="stopped"))
        (row,) = await store.write(lambda tx: tx.claim_outbox(NOW, 1, 60, [Lane.STANDARD], worker="stopped"))
        await store.write(lambda tx: (tx.release_tasks(NOW, "stopped"), tx.release_outbox(NOW, "stopped")))
        (mine,) = await store.write(lambda tx: tx.claim_tasks(POLICE, NOW, 1, 60, worker="other"))
        (again,) = await store.write(lambda tx: tx.claim_outbox(NOW, 1, 60, [Lane.STANDARD], worker="other"))

        def held(attempt: int) -> Callable[[Transaction], bool]:
            return lambda tx: tx.advance_task("t", Task.WAITING, Task.HELD, attempt=attempt)

        def off(attempt: int) -> Callable[[Transaction], bool]:
            waiting = Outbound.WAITING
            return lambda tx: tx.advance_outbox(row.id, [waiting], waiting, due=NOW + 9, attempt=attempt)

        assert not await store.write(held(stale.attempts))
        assert not await store.write(off(row.attempts))
        assert await store.write(held(mine.attempts))
        assert await store.write(off(again.attempts))

    async def test_a_worker_is_registered_beats_and_is_dropped(self, store: Store) -> None:
        await store.write(lambda tx: tx.register_worker(worker("b", started=NOW + 1)))
        await store.write(lambda tx: tx.register_worker(worker("a")))
        assert await store.write(lambda tx: tx.beat_worker("a", NOW + 7, ready=True))
        first, second = await store.read(lambda tx: tx.workers())
        assert (first.id, first.beats, first.at, first.ready, first.role) == (
            "a",
            1,
            NOW + 7,
            True,
            Role.WORKER,
        )
        assert (second.id, second.beats, second.ready) == ("b", 0, False)
        assert not await store.write(lambda tx: tx.drop_worker("a", 0)), "it has beaten since"
        assert await store.write(lambda tx: tx.drop_worker("a", 1))
        assert not await store.write(lambda tx: tx.beat_worker("a", NOW + 8, ready=True))
        assert await store.write(lambda tx: tx.drop_worker("b"))
        assert await store.read(lambda tx: tx.workers()) == []

    async def test_of_two_workers_one_leads_until_it_is_gone(
        self, store: Store, peer: Callable[[], Store]
    ) -> None:
        assert await store.read(lambda tx: tx.leader()) == ""
        await store.write(lambda tx: [tx.register_worker(worker(name)) for name in ("w0", "w1")])
        async with pair(store, peer) as stores:
            for _ in range(5):
                led = await asyncio.gather(
                    *(stores[n % 2].write(lambda tx, n=n: tx.lead(f"w{n % 2}")) for n in range(8))
                )
                assert led in ([True, False] * 4, [False, True] * 4), "one of them, always the same one"
                leader = await stores[1].read(lambda tx: tx.leader())
                follower = "w1" if leader == "w0" else "w0"
                assert not await store.write(lambda tx, f=follower: tx.lead(f))
                await store.write(lambda tx, gone=leader: tx.drop_worker(gone))
                assert await store.write(lambda tx, f=follower: tx.lead(f))
                await store.write(lambda tx, gone=leader: tx.register_worker(worker(gone)))
