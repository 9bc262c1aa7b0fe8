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
* ``first``: before all that waits, and a group that is being written ends after the work in hand. An urgent
  handover otherwise waits for a whole group at each of its steps. What was cut off goes on next, one work at
  the least, so nothing starves.
* ``close`` waits for what was accepted and refuses what comes after.

Example::

    writer = Writer(run_group, group=64)
    writer.start()
    result = await writer.submit(lambda tx: tx.setting("name"), first=True)
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


RunGroup = Callable[[Sequence[Work], Callable[[], bool]], Sequence[Outcome]]
"""Given the works, and whether to end after the one in hand; returns the outcomes of those it did, in order,
at least one."""

_Item = tuple[Work, "asyncio.Future[Any]"]
_Turn = tuple[list[_Item], list[_Item]]
"""What one turn of a loop brings: what goes first, and the rest."""


class Writer:
    """``group`` bounds the works of one commit: what fails or is started again is not longer than that."""

    def __init__(self, run: RunGroup, *, group: int, waiting: int = WAITING) -> None:
        self._run = run
        self._group = group
        self._gathered: dict[asyncio.AbstractEventLoop, _Turn] = {}  # in this turn of each loop
        self._queue: SimpleQueue[_Turn | None] = SimpleQueue()
        self._first: list[_Item] = []  # out of the queue; only the thread touches these four
        self._ready: list[_Item] = []
        self._was_first = False
        self._ended = False
        self._pressed = False  # something that goes first lies in the queue; set after it was put there
        self._room = asyncio.Semaphore(waiting)
        self._open = False
        # A daemon: a process that forgot to close ends all the same, and a commit cut off is rolled back.
        self._thread = threading.Thread(target=self._write, name="store-writer", daemon=True)

    def start(self) -> None:
        self._open = True
        self._thread.start()

    async def submit(self, work: Callable[[Transaction], T], *, first: bool = False) -> T:
        """Returns when the work is durable. Raises Unavailable when closed, or what the work raised."""
        await self._room.acquire()
        if not self._open:
            self._room.release()
            raise closed()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if loop not in self._gathered:
            self._gathered[loop] = ([], [])
            loop.call_soon(self._hand_over, loop)
        self._gathered[loop][0 if first else 1].append((work, future))
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
                outcomes = self._run([work for work, _ in items], self._ends_early)
            except Exception as error:  # noqa: BLE001 - a fault of ours: without this its callers wait for ever
                outcomes = [Outcome(error=error)] * len(items)
            self._ready[:0] = items[len(outcomes) :]
            self._answer(items[: len(outcomes)], outcomes)

    def _ends_early(self) -> bool:
        """Whether the group in hand makes room: never one that itself went first."""
        return self._pressed and not self._was_first

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        if turn := self._gathered.pop(loop, None):
            self._queue.put(turn)
            if turn[0]:
                self._pressed = True

    def _next_group(self) -> list[_Item] | None:
        """Waits for some; then takes whoever is there already. None: closed and everything is done."""
        self._pressed = False  # before the queue is emptied: what comes from here on is seen here, or presses
        while not self._ended:
            try:
                turn = self._queue.get(block=not (self._first or self._ready))
            except Empty:
                break
            if turn is None:
                self._ended = True
            else:
                self._first += turn[0]
                self._ready += turn[1]
        # By turns, where both wait: a flood of what goes first is slower for it, and the rest goes on.
        self._was_first = bool(self._first) and not (self._was_first and self._ready)
        line = self._first if self._was_first else self._ready
        if self._first and not self._was_first:
            self._pressed = True
        group = line[: self._group]
        del line[: self._group]
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
