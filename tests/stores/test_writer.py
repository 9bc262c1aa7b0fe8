"""The way of a unit of work to the writing thread and back, without any database."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest

from gateway.errors import Unavailable
from gateway.ports import Transaction
from gateway.stores.writer import Outcome, Work, Writer


class Groups:
    """Runs groups when let, and remembers them."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.begun = threading.Event()
        self.go = threading.Event()
        self.go.set()

    def __call__(self, works: Sequence[Work], enough: Callable[[], bool]) -> Sequence[Outcome]:
        self.begun.set()
        assert self.go.wait(30)
        outcomes = []
        for work in works:
            outcomes.append(Outcome(work(None)))  # type: ignore[arg-type] # the works here need no transaction
            if enough():
                break
        self.sizes.append(len(outcomes))
        return outcomes


def value(number: int) -> Callable[[Transaction], int]:
    return lambda _: number


async def begun(groups: Groups) -> None:
    assert await asyncio.to_thread(groups.begun.wait, 30)


async def test_who_waits_meanwhile_shares_the_next_group_up_to_its_bound() -> None:
    groups = Groups()
    groups.go.clear()
    writer = Writer(groups, group=10)
    writer.start()
    first = asyncio.create_task(writer.submit(value(-1)))
    await begun(groups)
    rest = [asyncio.create_task(writer.submit(value(n))) for n in range(25)]
    await asyncio.sleep(0)
    groups.go.set()
    assert await asyncio.gather(first, *rest) == [-1, *range(25)]
    assert groups.sizes == [1, 10, 10, 5]
    await writer.close()


class Line:
    """Works that write down when they were done, and hold the thread while ``go`` is not set."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def work(self, name: str, then: Callable[[], None] = lambda: None) -> Callable[[Transaction], None]:
        def run(_: Transaction) -> None:
            self.done.append(name)
            then()

        return run


async def test_what_goes_first_passes_what_waits_and_ends_the_group_in_hand() -> None:
    groups, line, waiting = Groups(), Line(), threading.Event()
    writer = Writer(groups, group=10)
    writer.start()
    loop, urgent = asyncio.get_running_loop(), []

    def press() -> None:
        """In the thread, in the middle of a group: one more comes that goes first."""
        call = partial(writer.submit, line.work("urgent"), first=True)
        loop.call_soon_threadsafe(lambda: urgent.append(asyncio.ensure_future(call())))
        loop.call_soon_threadsafe(lambda: loop.call_soon(loop.call_soon, waiting.set))
        assert waiting.wait(30)

    names = ["a", "b", "c", "d"]
    works = [line.work(name, press if name == "b" else lambda: None) for name in names]
    await asyncio.gather(*(writer.submit(work) for work in works))
    await asyncio.gather(*urgent)
    assert line.done == ["a", "b", "urgent", "c", "d"]
    assert groups.sizes == [2, 1, 2]
    await writer.close()


async def test_a_flood_of_what_goes_first_leaves_the_rest_a_place() -> None:
    groups, line = Groups(), Line()
    groups.go.clear()
    writer = Writer(groups, group=2)
    writer.start()
    tasks = [asyncio.create_task(writer.submit(line.work("begun")))]
    await begun(groups)
    tasks += [asyncio.create_task(writer.submit(line.work(f"n{n}"))) for n in range(3)]
    tasks += [asyncio.create_task(writer.submit(line.work(f"u{n}"), first=True)) for n in range(6)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    groups.go.set()
    await asyncio.gather(*tasks)
    assert line.done == ["begun", "u0", "u1", "n0", "u2", "u3", "n1", "u4", "u5", "n2"]
    await writer.close()


async def test_a_group_wakes_the_loop_once(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = Groups()
    groups.go.clear()
    writer = Writer(groups, group=64)
    writer.start()
    loop, wakes = asyncio.get_running_loop(), []
    original = loop.call_soon_threadsafe

    def counted(callback: Callable[..., object], *args: Any, **kwargs: Any) -> asyncio.Handle:
        if threading.current_thread().name == "store-writer":
            wakes.append(callback)
        return original(callback, *args, **kwargs)

    monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
    first = asyncio.create_task(writer.submit(value(0)))
    await begun(groups)
    rest = [asyncio.create_task(writer.submit(value(n))) for n in range(50)]
    await asyncio.sleep(0)
    groups.go.set()
    await asyncio.gather(first, *rest)
    assert (groups.sizes, len(wakes)) == ([1, 50], 2)
    await writer.close()


async def test_there_is_room_for_so_many_and_who_comes_after_waits() -> None:
    groups = Groups()
    groups.go.clear()
    writer = Writer(groups, group=64, waiting=3)
    writer.start()
    tasks = [asyncio.create_task(writer.submit(value(n))) for n in range(5)]
    await begun(groups)
    groups.go.set()
    assert await asyncio.gather(*tasks) == list(range(5))
    assert max(groups.sizes) <= 3
    assert sum(groups.sizes) == 5
    await writer.close()


async def test_who_waits_for_room_while_it_closes_is_refused_and_what_was_accepted_is_done() -> None:
    groups = Groups()
    groups.go.clear()
    writer = Writer(groups, group=64, waiting=2)
    writer.start()
    accepted = [asyncio.create_task(writer.submit(value(n))) for n in range(2)]
    await begun(groups)
    late = asyncio.create_task(writer.submit(value(9)))
    await asyncio.sleep(0)
    closing = asyncio.create_task(writer.close())
    await asyncio.sleep(0)
    groups.go.set()
    assert await asyncio.gather(*accepted) == [0, 1]
    with pytest.raises(Unavailable) as refused:
        await late
    assert refused.value.code == "store_closed"
    await closing
    assert sum(groups.sizes) == 2


async def test_a_cancelled_caller_gives_its_room_back_and_its_work_is_still_done() -> None:
    groups = Groups()
    groups.go.clear()
    writer = Writer(groups, group=1, waiting=1)
    writer.start()
    done = threading.Event()
    going = asyncio.create_task(writer.submit(lambda _: done.set()))
    await begun(groups)
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going
    groups.go.set()
    assert await writer.submit(value(1)) == 1
    assert done.is_set()
    await writer.close()


async def test_a_fault_of_the_runner_reaches_every_caller_and_the_thread_lives_on() -> None:
    faults = [ValueError("first"), None]

    def run(works: Sequence[Work], _: Callable[[], bool]) -> Sequence[Outcome]:
        if error := faults.pop(0):
            raise error
        return [Outcome("fine")] * len(works)

    writer = Writer(run, group=8)
    writer.start()
    with pytest.raises(ValueError, match="first"):
        await writer.submit(value(0))
    assert await writer.submit(value(0)) == "fine"
    await writer.close()


async def test_before_the_start_it_refuses_and_closing_is_harmless() -> None:
    writer = Writer(Groups(), group=8)
    with pytest.raises(Unavailable):
        await writer.submit(value(0))
    await writer.close()


def test_a_loop_that_is_gone_does_not_stop_the_thread() -> None:
    groups = Groups()
    groups.go.clear()
    writer = Writer(groups, group=8)
    writer.start()

    async def leave() -> None:
        task = asyncio.create_task(writer.submit(value(0)))
        await begun(groups)
        task.cancel()

    asyncio.run(leave())
    groups.go.set()

    async def again() -> int:
        result = await writer.submit(value(7))
        await writer.close()
        return result

    assert asyncio.run(again()) == 7
