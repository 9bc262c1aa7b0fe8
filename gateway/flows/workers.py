"""Several processes of one area side by side: who lives, who is gone, who leads (docs/decisions/0031).

Duty: every process has a row, gives signs of life, and looks after the others. What one that is gone had in
hand is made due again within seconds; one of them at a time does what one alone has to do. It leaves out how
a death is seen (:class:`gateway.ports.Siblings`) and what is claimed (``claim_*`` of the store).

Rules
-----
- Gone is whose lock is free (killed: seen at the next look), or who gave no sign for :data:`TERM` seconds
  (stopped, cut off, without power). Signs are counted, and waited for by our own event loop's clock: no wall
  clock, here or there, decides anything.
- Who is taken for gone may live. So a claim is no right to the end: what it puts off or aside counts only at
  the attempt at which it claimed, and what it says is done ("published", "delivered") is true whoever says
  it. It sees at its next beat that its row is gone, and registers again.
- Whoever leads does so for half a term after its last beat and no longer: one that was stopped for a minute
  finds its time over before it does anything.
- A process that starts and finds nobody takes everything up, also what no name stands on (an older release
  claims without one), and tries again what was held for a person: that one has restarted the node.

Example::

    await join(node, take_up)             # before the pumps
    await keep(node)                      # a pump of its own, for ever
    await leave(node)                     # after the pumps
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog

from gateway.errors import GatewayError, Unavailable
from gateway.flows.node import Node, Seat
from gateway.ports import EVERY_BELL, Lane, Role, Transaction, WorkerRow

BEAT: Final = 2.0
"""Seconds between two signs of life, and between two looks at the others."""

TERM: Final = 20.0
"""Seconds without a sign after which a process whose lock is held is taken for gone."""

PATIENCE: Final = 60.0
"""Seconds for which whoever starts waits for another one that still reads its urgent lane."""

SHORT: Final = 0.1

log = structlog.get_logger("workers")


# --- coming and going


async def join(node: Node, everything: Callable[[Transaction], None]) -> None:
    """Register, and take up what those that are gone had in hand; ``everything`` where nobody is left. Before
    the pumps run."""
    seat, now = node.seat, node.clock.now()
    if seat is None:
        await node.store.write(everything)
        return
    await seat.siblings.start(seat.worker)
    rows = await node.store.read(lambda tx: tx.workers())
    gone = await seat.siblings.gone([row.id for row in rows])

    def work(tx: Transaction) -> None:
        for row in rows:
            if row.id in gone:
                _bury(tx, row, now)
        # Asked again: one that started beside us may have claimed since.
        if seat.role is not Role.API and all(row.role is Role.API for row in tx.workers()):
            everything(tx)
        tx.register_worker(_row(seat, now))

    await node.store.write(work)


def _bury(tx: Transaction, row: WorkerRow, now: int) -> int:
    """Forget a worker, unless it has beaten since, and give back what it had. -1: it lives."""
    if not tx.drop_worker(row.id, row.beats):
        return -1
    return _give_back(tx, row.id, now)


def _give_back(tx: Transaction, worker: str, now: int) -> int:
    return tx.release_outbox(now, worker) + tx.release_tasks(now, worker) + tx.release_pages(now, worker)


def _row(seat: Seat, now: int) -> WorkerRow:
    return WorkerRow(seat.worker, seat.role, seat.version, seat.place, now, 0, now, seat.ready)


async def leave(node: Node) -> None:
    """What is still in hand is due at once, for whoever is left. A database that does not answer is left to
    those that look after us."""
    seat, now = node.seat, node.clock.now()
    if seat is None:
        return

    def work(tx: Transaction) -> None:
        _give_back(tx, seat.worker, now)
        tx.drop_worker(seat.worker)

    try:
        await node.store.write(work)
    except GatewayError as error:
        log.warning("could not be told that this process stops", code=error.code)
    await seat.siblings.close()


# --- signs of life


@dataclass(slots=True)
class Watch:
    """What this process has seen of the others: by worker its beats, and when they last grew."""

    seen: dict[str, tuple[int, float]] = field(default_factory=dict)

    def silent(self, rows: Sequence[WorkerRow], at: float) -> AbstractSet[str]:
        """Those that have not beaten for TERM seconds of looking."""
        for row in rows:
            if self.seen.get(row.id, (-1, at))[0] != row.beats:
                self.seen[row.id] = row.beats, at
        self.seen = {row.id: self.seen[row.id] for row in rows}
        return {worker for worker, (_, since) in self.seen.items() if since + TERM <= at}


async def keep(node: Node) -> None:
    """Beat and look, for ever."""
    watch = Watch()
    while True:
        try:
            await turn(node, watch)
        except Unavailable as error:
            log.warning("paused", code=error.code)
        await asyncio.sleep(BEAT)


async def turn(node: Node, watch: Watch) -> int:
    """One sign of life and one look. Returns how many others were found gone."""
    seat = node.seat
    if seat is None:
        return 0
    rows = await beat(node, seat)
    others = [row for row in rows if row.id != seat.worker]
    # The rows first: who registers has its lock by then.
    gone = await seat.siblings.gone([row.id for row in others])
    gone |= watch.silent(others, asyncio.get_running_loop().time())
    buried = 0
    for row in others:
        if row.id in gone:
            buried += await _take_over(node, row)
    return buried


async def beat(node: Node, seat: Seat) -> Sequence[WorkerRow]:
    """Everybody's rows, ours among them."""
    now, began = node.clock.now(), asyncio.get_running_loop().time()
    rows, leading = await node.store.write(partial(_beat, seat=seat, now=now))
    seat.leads_until = began + TERM / 2 if leading else 0.0
    return rows


def _beat(tx: Transaction, *, seat: Seat, now: int) -> tuple[Sequence[WorkerRow], bool]:
    if not tx.beat_worker(seat.worker, now, ready=seat.ready):
        log.warning("this process was taken for gone", worker=seat.worker)
        tx.register_worker(_row(seat, now))
    return tx.workers(), seat.role is not Role.API and tx.lead(seat.worker)


async def _take_over(node: Node, row: WorkerRow) -> int:
    released = await node.store.write(partial(_bury, row=row, now=node.clock.now()))
    if released < 0:
        return 0
    log.warning("a process is gone", worker=row.id, role=row.role.value, released=released)
    for event in bells(node).values():
        event.set()
    return 1


# --- what one alone does


def leads(node: Node) -> bool:
    """Whether this process does now what one alone has to do."""
    return node.seat is None or asyncio.get_running_loop().time() < node.seat.leads_until


async def while_leading(node: Node, start: Callable[[], asyncio.Task[None]]) -> None:
    """Have it run as long as this process leads, and again whenever it does. What ends it ends us."""
    while True:
        while not leads(node):  # noqa: ASYNC110 - what ends a leadership is time, and no event
            await asyncio.sleep(BEAT / 2)
        task = start()
        try:
            while leads(node):
                await asyncio.wait([task], timeout=BEAT / 2)
                if task.done():
                    return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


# --- urgent first, all of us


async def wait_for_others(node: Node) -> None:
    """Until none of the others still reads its urgent lane: what it has in hand is missing in the queue that
    we saw empty, and may be about what we would hand out now."""
    seat = node.seat
    if seat is None:
        return
    try:
        async with asyncio.timeout(PATIENCE):
            while not await _all_ready(node, seat):  # noqa: ASYNC110 - another process
                await asyncio.sleep(SHORT)
    except TimeoutError:
        log.error("another process still reads its urgent messages; this one goes on")


async def _all_ready(node: Node, seat: Seat) -> bool:
    """Not while the database does not say."""
    try:
        rows = await node.store.read(lambda tx: tx.workers())
    except Unavailable:
        return False
    return all(row.ready or row.role is Role.API or row.id == seat.worker for row in rows)


async def say_ready(node: Node) -> None:
    """At once, not with the next beat: others wait for it."""
    seat = node.seat
    if seat is None:
        return
    seat.ready, now = True, node.clock.now()
    try:
        await node.store.write(lambda tx: tx.beat_worker(seat.worker, now, ready=True))
    except Unavailable as error:
        log.warning("told with the next beat", code=error.code)


# --- wake-up calls between processes


def bells(node: Node) -> Mapping[str, asyncio.Event]:
    """The wake-up calls that others answer, by name."""
    wake = node.wake
    named = {
        "urgent": wake.outbox[Lane.URGENT],
        "bulk": wake.outbox[Lane.STANDARD],
        "receipts": wake.receipts,
        "urgent receipts": wake.urgent_receipts,
        "attachments": wake.attachments,
        "pages": wake.pages,
    }
    named |= {f"task {principal}": event for principal, event in wake.tasks.items()}
    return named | {f"urgent {principal}": event for principal, event in wake.urgent_tasks.items()}


async def hear(node: Node) -> None:
    """Wake our pumps when a sibling that has none makes work for them."""
    events = bells(node)
    if node.seat is not None:
        async for bell in node.seat.siblings.bells():
            for name, event in events.items():
                if bell in (name, EVERY_BELL):
                    event.set()
    await asyncio.Event().wait()


async def pass_on(node: Node, bell: str) -> None:
    """In a process without pumps: what would have woken one rings for those that have it."""
    event = bells(node)[bell]
    while node.seat is not None:
        await event.wait()
        event.clear()
        try:
            await node.seat.siblings.ring(bell)
        except Unavailable as error:
            log.warning("not rung; they look by themselves", code=error.code)
