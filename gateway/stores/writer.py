"""Group commit: one thread writes, and all who wait meanwhile share its next commit.

Duty: the way of a unit of work from the event loop to the writing thread and of its outcome back. What a
group is run against is none of its business: it is given a function that runs a group and returns the
outcomes, once they are durable.

Why: a durable commit costs a disk flush. Under load a hundred units of work share one, and nobody waits for
a timer: a group is simply what arrived while the group before it was being written. The loop hands over once
a turn, not once a work: woken by the first, the writing thread would take the interpreter from the loop that
is about to bring it twenty more.

Rules:

* What was accepted is carried out: cancelling the task that waits does not take its work back, and a work of
  a cancelled task may be committed.
* Room for :data:`WAITING` works; who comes after waits for room, so a slow disk slows the callers down
  instead of filling the memory.
* One wake-up of the event loop for a whole group, not one for each work.
* ``close`` waits for what was accepted and refuses what comes after.

Example::

    writer = Writer(run_group, group=64)
    writer.start()
    result = await writer.submit(lambda tx: tx.setting("name"))
    await writer.close()
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from gateway.errors import Unavailable
from gateway.ports import Transaction

T = TypeVar("T")
Work = Callable[[Transaction], Any]

WAITING: Final = 4_096  # works; each is a closure over one message of at most 1 MiB


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one work: its result, or what it raised."""

    result: Any = None
    error: BaseException | None = None


RunGroup = Callable[[Sequence[Work]], Sequence[Outcome]]
_Item = tuple[Work, "asyncio.Future[Any]"]


class Writer:
    """``group`` bounds the works of one commit: what fails or is started again is not longer than that."""

    def __init__(self, run: RunGroup, *, group: int, waiting: int = WAITING) -> None:
        self._run = run
        self._group = group
        self._gathered: dict[asyncio.AbstractEventLoop, list[_Item]] = {}  # in this turn of each loop
        self._queue: SimpleQueue[list[_Item] | None] = SimpleQueue()
        self._ready: list[_Item] = []  # out of the queue; only the thread touches these two
        self._ended = False
        self._room = asyncio.Semaphore(waiting)
        self._open = False
        # A daemon: a process that forgot to close ends all the same, and a commit cut off is rolled back.
        self._thread = threading.Thread(target=self._write, name="store-writer", daemon=True)

    def start(self) -> None:
        self._open = True
        self._thread.start()

    async def submit(self, work: Callable[[Transaction], T]) -> T:
        """Returns when the work is durable. Raises Unavailable when closed, or what the work raised."""
        await self._room.acquire()
        if not self._open:
            self._room.release()
            raise closed()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if loop not in self._gathered:
            self._gathered[loop] = []
            loop.call_soon(self._hand_over, loop)
        self._gathered[loop].append((work, future))
        return await future

    async def close(self) -> None:
        """Wait for what was accepted; refuse the rest. May be called again."""
        if self._open:
            self._open = False
            for loop in list(self._gathered):
                self._hand_over(loop)
            self._queue.put(None)
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join)

    def _write(self) -> None:
        while (items := self._next_group()) is not None:
            try:
                outcomes = self._run([work for work, _ in items])
            except Exception as error:  # noqa: BLE001 - a fault of ours: without this its callers wait for ever
                outcomes = [Outcome(error=error)] * len(items)
            self._answer(items, outcomes)

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        if items := self._gathered.pop(loop, None):
            self._queue.put(items)

    def _next_group(self) -> list[_Item] | None:
        """Waits for the first; then takes whoever is there already. None: closed and everything is done."""
        while len(self._ready) < self._group and not self._ended:
            try:
                items = self._queue.get(block=not self._ready)
            except Empty:
                break
            if items is None:
                self._ended = True
            else:
                self._ready += items
        group, self._ready = self._ready[: self._group], self._ready[self._group :]
        return group or None

    def _answer(self, items: Sequence[_Item], outcomes: Sequence[Outcome]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Outcome]]]
        by_loop = defaultdict(list)
        for (_, future), outcome in zip(items, outcomes, strict=True):
            by_loop[future.get_loop()].append((future, outcome))
        for loop, answers in by_loop.items():
            # A loop that was closed meanwhile has nobody left who waits.
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._resolve, answers)

    def _resolve(self, answers: Sequence[tuple[asyncio.Future[Any], Outcome]]) -> None:
        for future, outcome in answers:
            self._room.release()
            if future.done():  # cancelled while it was being written
                continue
            if outcome.error is None:
                future.set_result(outcome.result)
            else:
                future.set_exception(_raisable(outcome.error))


def closed() -> Unavailable:
    return Unavailable("the store is closed", code="store_closed", remedy="start it first; on shutdown: wait")


def _raisable(error: BaseException) -> BaseException:
    """A future refuses StopIteration, and a caller that is never answered waits for ever."""
    if isinstance(error, StopIteration):
        replacement = RuntimeError("a unit of work raised StopIteration")
        replacement.__cause__ = error
        return replacement
    return error
