# ruff: noqa: S101, PLR2004 - a suite is made of assertions and of the numbers it put in itself
"""Units of work: all or nothing, alone or in a group, durable, read from a snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.errors import Conflict, Unavailable
from gateway.ports import Store, Transaction
from gateway.testing.store_cases.rows import NOW, event, handover, leg, receipt, token


async def raised(awaitable: object) -> BaseException | None:
    """What it raised, or None."""
    return (await asyncio.gather(awaitable, return_exceptions=True))[0]  # type: ignore[call-overload, no-any-return] # any awaitable


def everything(tx: Transaction) -> None:
    """Touch tables of every kind, the log among them."""
    tx.put_handover(handover())
    row = leg()
    tx.put_leg(row)
    tx.advance_leg(row.id, "DELIVERED", "RECEIVED", event(row.id))
    tx.put_receipt(receipt("r"))
    tx.put_setting("s", b"1")
    tx.append_log(b"leaf")


class UnitCases:
    async def test_what_a_work_returns_comes_back(self, store: Store) -> None:
        assert await store.write(lambda tx: (tx.put_setting("a", b"1"), "result")) == (True, "result")
        assert await store.read(lambda tx: tx.setting("a")) == b"1"

    async def test_a_work_that_raises_leaves_no_trace_and_its_error_reaches_the_caller(
        self, store: Store
    ) -> None:
        before = await store.read(lambda tx: tx.counts())
        error = Conflict("no")

        def fail(tx: Transaction) -> None:
            everything(tx)
            raise error

        assert await raised(store.write(fail)) is error
        assert await store.read(lambda tx: tx.counts()) == before
        assert await store.read(lambda tx: (tx.handover("HO-1"), tx.setting("s"), tx.log(0, 9))) == (
            None,
            None,
            [],
        )
        await store.write(everything)  # and nothing of it is in the way
        assert await store.read(lambda tx: tx.log(0, 9)) == [(0, b"leaf")]

    async def test_one_that_fails_takes_back_only_itself_in_a_group(self, store: Store) -> None:
        def work(number: int) -> Callable[[Transaction], int]:
            def run(tx: Transaction) -> int:
                tx.put_setting(f"s{number}", b"1")
                tx.append_log(b"%d" % number)
                if number % 3 == 0:
                    raise Conflict("every third")
                return number

            return run

        results = await asyncio.gather(
            *(store.write(work(number)) for number in range(30)), return_exceptions=True
        )
        for number, result in enumerate(results):
            assert isinstance(result, Conflict) if number % 3 == 0 else result == number
        kept = [number for number in range(30) if number % 3]
        settings = await store.read(lambda tx: [n for n in range(30) if tx.setting(f"s{n}")])
        assert settings == kept
        leaves = await store.read(lambda tx: tx.log(0, 100))
        assert [index for index, _ in leaves] == list(range(20))
        assert sorted(int(leaf) for _, leaf in leaves) == kept

    async def test_even_an_exit_or_a_stray_stop_iteration_reaches_its_caller_alone(
        self, store: Store
    ) -> None:
        def stray(tx: Transaction) -> None:
            tx.put_setting("stray", b"1")
            next(iter(()))

        first, second = await asyncio.gather(
            store.write(stray), store.write(lambda tx: tx.put_setting("ok", b"1")), return_exceptions=True
        )
        assert isinstance(first, RuntimeError)
        assert second is True
        assert await store.read(lambda tx: tx.setting("stray")) is None

    async def test_a_work_sees_what_it_wrote_itself(self, store: Store) -> None:
        def work(tx: Transaction) -> object:
            tx.append_log(b"0")
            tx.put_token(token())
            tx.append_log(b"1")
            return tx.log(0, 9), tx.log(1, 1), [row.label for row in tx.tokens()], tx.counts()["log"]

        assert await store.write(work) == ([(0, b"0"), (1, b"1")], [(1, b"1")], ["first"], 2)
        assert await store.write(work) == (
            [(0, b"0"), (1, b"1"), (2, b"0"), (3, b"1")],
            [(1, b"1")],
            ["first"],
            4,
        )

    async def test_a_read_sees_one_moment_however_long_it_takes(self, store: Store, peer: object) -> None:
        """What is committed while a read runs is not in it. (Where reads block the loop nothing can be.)"""
        await store.write(lambda tx: tx.put_setting("before", b"1"))
        loop = asyncio.get_running_loop()
        between = asyncio.Event()

        def look(tx: Transaction) -> tuple[object, object]:
            first = tx.setting("before"), tx.setting("during")
            loop.call_soon_threadsafe(between.set)
            if in_thread(loop):
                asyncio.run_coroutine_threadsafe(written.wait(), loop).result(30)
            return first, (tx.setting("before"), tx.setting("during"))

        written = asyncio.Event()
        reading = asyncio.create_task(store.read(look))
        await between.wait()
        await store.write(lambda tx: tx.put_setting("during", b"1"))
        written.set()
        assert await reading == ((b"1", None), (b"1", None))
        assert await store.read(lambda tx: tx.setting("during")) == b"1"

    async def test_a_read_does_not_see_what_is_not_committed_nor_wait_for_it(self, store: Store) -> None:
        loop = asyncio.get_running_loop()
        seen: list[bytes | None] = []

        async def look() -> None:
            seen.append(await store.read(lambda tx: tx.setting("s")))

        def work(tx: Transaction) -> None:
            tx.put_setting("s", b"1")
            if in_thread(loop):
                asyncio.run_coroutine_threadsafe(look(), loop).result(30)

        await store.write(work)
        await look()
        assert seen in ([None, b"1"], [b"1"])

    async def test_a_read_that_writes_is_a_fault_and_changes_nothing(self, store: Store) -> None:
        writes: tuple[Callable[[Transaction], object], ...] = (
            lambda tx: tx.put_setting("s", b"1"),
            lambda tx: tx.append_log(b"leaf"),
            lambda tx: tx.put_handover(handover()),
            lambda tx: tx.claim_tasks("E09000004/police", NOW, 1, 1),
            lambda tx: tx.claim_outbox(NOW, 1, 1, []),
            lambda tx: tx.mark_sent([], "m"),
            lambda tx: tx.advance_handover("HO-1", 1, "a", "b", NOW),
        )
        for write in writes:
            assert isinstance(await raised(store.read(write)), RuntimeError)
        assert await store.read(lambda tx: (tx.setting("s"), tx.log(0, 1))) == (None, [])

    async def test_what_a_read_raises_reaches_its_caller(self, store: Store) -> None:
        def fail(_: Transaction) -> None:
            raise Conflict("no")

        assert isinstance(await raised(store.read(fail)), Conflict)
        await store.check()

    async def test_what_was_committed_is_there_after_closing_and_opening_again(
        self, store: Store, peer: Callable[[], Store]
    ) -> None:
        await store.write(everything)
        expected = await store.read(lambda tx: tx.counts())
        await store.close()
        again = peer()
        await again.start()
        try:
            assert await again.read(lambda tx: tx.counts()) == expected
            assert await again.read(lambda tx: tx.log(0, 9)) == [(0, b"leaf")]
        finally:
            await again.close()

    async def test_closing_waits_for_what_was_accepted_and_refuses_the_rest(
        self, store: Store, peer: Callable[[], Store]
    ) -> None:
        writes = [
            asyncio.create_task(store.write(lambda tx, n=n: tx.put_setting(f"s{n}", b"1"))) for n in range(50)
        ]
        await asyncio.sleep(0)  # all of them are handed over now
        await store.close()
        assert await asyncio.gather(*writes) == [True] * 50
        assert isinstance(await raised(store.write(lambda tx: tx.setting("s0"))), Unavailable)
        assert isinstance(await raised(store.read(lambda tx: tx.setting("s0"))), Unavailable)
        await store.close()
        again = peer()
        await again.start()
        assert await again.read(lambda tx: all(tx.setting(f"s{n}") for n in range(50)))
        await again.close()

    async def test_a_caller_that_goes_away_harms_nobody(self, store: Store) -> None:
        going = [asyncio.create_task(store.write(lambda tx: tx.append_log(b"gone"))) for _ in range(5)]
        staying = [asyncio.create_task(store.write(lambda tx: tx.append_log(b"here"))) for _ in range(5)]
        await asyncio.sleep(0)
        for task in going:
            task.cancel()
        await asyncio.gather(*staying)
        leaves = await store.read(lambda tx: tx.log(0, 100))
        assert [index for index, _ in leaves] == list(range(len(leaves)))
        assert [leaf for _, leaf in leaves].count(b"here") == 5


def in_thread(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether this runs beside the loop, not in it: only then may it wait for something the loop does."""
    try:
        return asyncio.get_running_loop() is not loop
    except RuntimeError:
        return True
