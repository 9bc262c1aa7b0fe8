# ruff: noqa: S101 - a suite is made of assertions
"""Several workers on one database: nothing is handed out twice, nothing is numbered twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from gateway.ports import Lane, Store, StreamRow, Task, Transaction
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
