"""Run the pumps of one node and stop them cleanly.

A pump works until nothing is due, then waits for its wake-up call or the poll interval. Unavailable (a
broker, a database, a peer) makes it pause and try again; anything else it did not foresee ends the whole
process, which is safe: every state is resumable from the database, and a supervisor starts it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import structlog

from gateway.core.trust import Network
from gateway.errors import GatewayError, Unavailable
from gateway.flows import (
    acknowledge,
    anchor,
    attachments,
    attest,
    catch_up,
    certificates,
    documents,
    glass,
    held,
    holds,
    notice_answer,
    paging,
    prune,
    rekey,
    relay,
    submit,
    uploads,
    witness,
    workers,
)
from gateway.flows.deliver import BATCH, deliver
from gateway.flows.dispatch import BULK, FULL, PACK, PRESSING, URGENT, dispatch, pack
from gateway.flows.heartbeat import beat
from gateway.flows.node import Node
from gateway.flows.outage import Outage
from gateway.flows.receive import receive
from gateway.flows.replied import standing
from gateway.flows.shred import take_up
from gateway.flows.sweep import sweep
from gateway.flows.trust import refresh_trust
from gateway.ports import PARCELS, AgencyBinding, Answer, Delivery, Lane, Role, Submission, Transaction

IN_FLIGHT = 128
"""Deliveries of one lane in work at once: enough to fill a group commit, bounded in memory (1 MiB each)."""

PAUSE = 1.0
"""Seconds after an Unavailable before a pump looks again."""

log = structlog.get_logger("runtime")

Pump = Callable[[], Awaitable[None]]
T = TypeVar("T")


@asynccontextmanager
async def running(node: Node, *, accept: Callable[[Network], None]) -> AsyncIterator[None]:
    """Start adapters and pumps; on leaving, stop them and close every seam, whatever one of them raises.

    ``accept`` judges a newer network before it is taken up (environment, fingerprint). Raises GatewayError
    ``pump_ended`` when a pump ended by itself: the body is interrupted then.
    """
    async with AsyncExitStack() as stack:
        stack.push_async_callback(node.store.close)
        stack.push_async_callback(node.transport.close)
        if _role(node) is not Role.API:
            await _start_outside(node, stack)
        await anchor.weigh(node)
        stack.push_async_callback(anchor.drop, node)
        stack.push_async_callback(workers.leave, node)
        await workers.join(node, lambda tx: _take_up(tx, node, node.clock.now()))
        node.wake.drained.clear()
        tasks = [asyncio.create_task(_run(pump), name=name) for name, pump in pumps(node, accept)]
        stack.push_async_callback(_stop, tasks)
        async with _watched(tasks):
            yield


async def _start_outside(node: Node, stack: AsyncExitStack) -> None:
    """What speaks to agencies and to people. A process that only answers agencies has no use for it."""
    for binding in node.agencies.values():
        stack.push_async_callback(binding.adapter.close)
        await binding.adapter.start()
    for pager in node.pagers.values():
        stack.push_async_callback(pager.close)
        await pager.start()


def _role(node: Node) -> Role:
    return node.seat.role if node.seat else Role.ALL


def _take_up(tx: Transaction, node: Node, now: int) -> None:
    """Nobody else is here: what a killed process had claimed is taken up at once, not when its lease runs
    out; what was held for a person is tried again, for a person has restarted the node."""
    tx.release_outbox(now)
    tx.release_tasks(now)
    tx.release_pages(now)
    relay.park(tx, node, now)


async def _run(pump: Pump) -> None:
    await pump()


async def _stop(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Nothing is lost by cancelling: what was not committed comes again, what was is resumed."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _watched(tasks: Sequence[asyncio.Task[None]]) -> AsyncIterator[None]:
    """Interrupt the body when one of ``tasks`` ends, and say so instead of the cancellation that did it."""
    ended: list[asyncio.Task[None]] = []
    watch = asyncio.create_task(_interrupt(tasks, asyncio.current_task(), ended))
    try:
        yield
    except asyncio.CancelledError:
        owner = asyncio.current_task()
        if not ended or (owner is not None and owner.uncancel() > 0):
            raise  # somebody else wants us to stop, too
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
    if ended:
        raise GatewayError(
            f"the pump {ended[0].get_name()} of this node has ended",
            code="pump_ended",
            remedy="the log names the fault and its place; start the node again, nothing is lost",
        ) from _fault(ended[0])


async def _interrupt(
    tasks: Sequence[asyncio.Task[None]],
    owner: asyncio.Task[object] | None,
    ended: list[asyncio.Task[None]],
) -> None:
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        error = _fault(task)
        log.critical("a pump ended", pump=task.get_name(), error=type(error).__name__, where=_where(error))
    ended += done
    if owner is not None:
        owner.cancel()


def _fault(task: asyncio.Task[None]) -> BaseException | None:
    """The first fault inside whatever groups a task ended with."""
    error = None if task.cancelled() else task.exception()
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _where(error: BaseException | None) -> str:
    """File and line of every frame, and no values: an exception's text may hold what it was working on."""
    frames = traceback.extract_tb(error.__traceback__) if error else []
    return " > ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames)


def pumps(node: Node, accept: Callable[[Network], None]) -> list[tuple[str, Pump]]:
    """Every pump of this process by name."""
    tally = catch_up.Tally()
    named: list[tuple[str, Pump]] = [
        ("workers", lambda: workers.keep(node)),
        ("sweep", lambda: _repeat(lambda: _housekeeping(node, accept), node.wake.trust, node.pace.sweep)),
        ("catch-up", lambda: _catch_up(node, tally)),
    ]
    return named + (_api_pumps(node, tally) if _role(node) is Role.API else _work_pumps(node, tally))


def _api_pumps(node: Node, tally: catch_up.Tally) -> list[tuple[str, Pump]]:
    """Everything that would wake a pump rings for those that have it."""
    named: list[tuple[str, Pump]] = [("count", lambda: _count(node, tally))]
    return named + [(f"ring {bell}", partial(workers.pass_on, node, bell)) for bell in workers.bells(node)]


def _work_pumps(node: Node, tally: catch_up.Tally) -> list[tuple[str, Pump]]:
    wake, poll, since = node.wake, node.pace.poll, node.clock.now()
    named: list[tuple[str, Pump]] = [
        ("hear", lambda: workers.hear(node)),
        (
            "dispatch-urgent",
            lambda: _repeat(lambda: dispatch(node, URGENT), wake.outbox[Lane.URGENT], poll, FULL),
        ),
        (
            "dispatch-bulk",
            lambda: _repeat(lambda: dispatch(node, BULK), wake.outbox[Lane.STANDARD], poll, FULL),
        ),
        ("attachments", lambda: _repeat(lambda: attachments.send(node), wake.attachments, poll)),
        ("pack", lambda: _repeat(lambda: pack(node), wake.receipts, poll, PACK)),
        ("pack-urgent", lambda: _repeat(lambda: pack(node, PRESSING), wake.urgent_receipts, None, PACK)),
        ("page", lambda: _repeat(lambda: paging.send(node), wake.pages, poll)),
        ("held", lambda: _repeat(lambda: held.collect(node), asyncio.Event(), node.pace.sweep)),
        ("heartbeat", lambda: _repeat(lambda: _pulse(node, since), asyncio.Event(), node.pace.sweep)),
    ]
    named += [(f"receive-{lane.name.lower()}", partial(_consume, node, lane, tally)) for lane in Lane]
    for binding in node.agencies.values():
        named += _agency_pumps(node, binding)
    return named


def _agency_pumps(node: Node, binding: AgencyBinding) -> list[tuple[str, Pump]]:
    name = binding.principal
    event, urgent = node.wake.tasks[name], node.wake.urgent_tasks[name]
    return [
        (
            f"deliver {name}",
            lambda: _repeat(lambda: _deliver(node, binding, PARCELS), event, node.pace.poll, BATCH),
        ),
        (
            f"deliver-urgent {name}",
            lambda: _repeat(lambda: _deliver(node, binding, URGENT), urgent, None, BATCH),
        ),
        (f"answers {name}", lambda: _answers(node, binding)),
        (f"submissions {name}", lambda: _submissions(node, binding)),
    ]


async def _repeat(
    work: Callable[[], Awaitable[int]], event: asyncio.Event, poll: float | None, full: int = 1
) -> None:
    """``poll``: None where another pump looks for what a lost call would have brought. ``full``: how many
    done at once say that there may be more, so that it goes on without a call; after fewer, to look again
    would cost a transaction for nothing."""
    while True:
        event.clear()
        try:
            done = await work()
        except Unavailable as error:
            log.warning("paused", code=error.code)
            await asyncio.sleep(PAUSE)
            continue
        if done < full:
            # Not wait_for: before Python 3.12 it loses a cancellation that meets the wake-up call, and the
            # node never stops.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(poll):
                    await event.wait()


async def _pulse(node: Node, since: int) -> int:
    if not workers.leads(node):
        return 0
    sent = await beat(node, since)
    await anchor.drop(node)
    return sent


async def _housekeeping(node: Node, accept: Callable[[Network], None]) -> int:
    try:
        await refresh_trust(node, accept)
    except GatewayError as error:
        if error.retryable:
            raise
        log.error("newer trust documents are not acceptable", code=error.code)
    if not workers.leads(node):  # what follows is done by one of us; network and memory are everybody's
        await rekey.forget(node)
        return 0
    await glass.warn(node)
    await certificates.warn(node)
    await rekey.turn(node)
    await documents.spread(node)
    await witness.sign(node)
    await uploads.sweep(node)
    fired = await sweep(node)
    await holds.look(node)
    await take_up(node)
    await attest.sign_waiting(node)
    await prune.turn(node)
    return fired


async def _catch_up(node: Node, tally: catch_up.Tally) -> None:
    await catch_up.drain(node, tally)
    await asyncio.Event().wait()  # a pump never ends by itself


async def _count(node: Node, tally: catch_up.Tally) -> None:
    await catch_up.count(node, tally)
    await asyncio.Event().wait()


async def _deliver(node: Node, binding: AgencyBinding, lanes: Sequence[Lane]) -> int:
    await node.wake.drained.wait()
    return await deliver(node, binding, lanes)


async def _consume(node: Node, lane: Lane, tally: catch_up.Tally) -> None:
    """Take deliveries concurrently, so that many share one commit. Order does not matter (protocol 4.5), but
    for what waited on the urgent lane when the node started: that is read first."""
    room, outage = asyncio.Semaphore(IN_FLIGHT), Outage(pause=PAUSE)
    if lane is Lane.URGENT:
        await catch_up.count(node, tally)
    else:
        await node.wake.drained.wait()
    async with asyncio.TaskGroup() as group:
        async for delivery in node.transport.deliveries(lane):
            await room.acquire()
            mine = tally if lane is Lane.URGENT else catch_up.Tally()
            mine.under_way += 1
            group.create_task(_take(node, delivery, room, mine, outage))


async def _take(
    node: Node, delivery: Delivery, room: asyncio.Semaphore, tally: catch_up.Tally, outage: Outage
) -> None:
    try:
        await outage.until_stored(lambda: _store(node, delivery))
        tally.taken += 1
    finally:
        tally.under_way -= 1
        room.release()


async def _store(node: Node, delivery: Delivery) -> None:
    """New work of a peer waits with the broker while the disk runs out; what is urgent, and the receipts by
    which work ends, is taken for as long as it can be."""
    if delivery.lane is Lane.STANDARD:
        node.check_room()
    await receive(node, delivery)


async def _answers(node: Node, binding: AgencyBinding) -> None:
    source, handle = binding.adapter.acknowledgements, partial(_answer, node, binding)
    await _read(node, binding, lambda: _listen(source, handle))


async def _read(node: Node, binding: AgencyBinding, listen: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Each process reads what came to itself; of what lies in a place that all see, one process at a time."""
    if getattr(binding.adapter, "one_reader", False):
        await workers.while_leading(node, lambda: asyncio.create_task(listen()))
    else:
        await listen()


async def _listen(source: Callable[[], AsyncIterator[T]], handle: Callable[[T], Awaitable[None]]) -> None:
    """Everything an adapter brings, for as long as it is open. An agency's system that cannot be reached is
    looked at again; an adapter that brings none has ended at once, and the pump stays."""
    while True:
        try:
            async for thing in source():
                await _until_stored(partial(handle, thing))
            await asyncio.Event().wait()
        except Unavailable as error:
            log.warning("paused", code=error.code)
            await asyncio.sleep(PAUSE)


async def _answer(node: Node, binding: AgencyBinding, answer: Answer) -> None:
    try:
        if await node.store.read(lambda tx: tx.notice(answer.leg)) is not None:
            said = notice_answer.read(answer.body)
            await notice_answer.answer(node, standing(node, binding, said.role), answer.leg, said)
        else:
            words = acknowledge.read(answer.body)
            await acknowledge.acknowledge(node, standing(node, binding, words.role), answer.leg, words)
    except Unavailable:
        raise
    except GatewayError as error:
        log.warning("an answer was refused", principal=binding.principal, code=error.code)
        await answer.refuse(error)
    else:
        await answer.done()


async def _submissions(node: Node, binding: AgencyBinding) -> None:
    source, handle = binding.adapter.submissions, partial(_submission, node, binding)
    await _read(node, binding, lambda: _listen(source, handle))


async def _submission(node: Node, binding: AgencyBinding, submission: Submission) -> None:
    try:
        node.check_room()
        caller = standing(node, binding, "")
        submitted = await submit.submit(node, caller, submission.body, key=submission.key)
    except Unavailable:
        raise
    except GatewayError as error:
        log.warning("a handover was refused", principal=binding.principal, code=error.code)
        await submission.refuse(error)
    else:
        await submission.done(submitted.ref)


async def _until_stored(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            return await work()
        except Unavailable as error:
            log.warning("paused", code=error.code)
            await asyncio.sleep(PAUSE)
