"""Run the pumps of one node and stop them cleanly.

A pump works until nothing is due, then waits for its wake-up call or the poll interval. Unavailable (a
broker, a database, a peer) makes it pause and try again; anything else it did not foresee ends the whole
process, which is safe: every state is resumable from the database, and a supervisor starts it again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import structlog

from gateway.core.trust import Network
from gateway.errors import GatewayError, Unavailable
from gateway.flows import acknowledge, submit
from gateway.flows.deliver import deliver
from gateway.flows.dispatch import BULK, URGENT, dispatch, pack
from gateway.flows.node import Caller, Node
from gateway.flows.receive import receive
from gateway.flows.sweep import sweep
from gateway.flows.trust import refresh_trust
from gateway.ports import AgencyBinding, Answer, Delivery, Lane, Submission

IN_FLIGHT = 128
"""Deliveries of one lane in work at once: enough to fill a group commit, bounded in memory (1 MiB each)."""

PAUSE = 1.0
"""Seconds after an Unavailable before a pump looks again."""

log = structlog.get_logger("runtime")

Pump = Callable[[], Awaitable[None]]


@asynccontextmanager
async def running(node: Node, *, accept: Callable[[Network], None]) -> AsyncIterator[None]:
    """Start adapters and pumps; on leaving, stop them, let work in hand finish, and close every seam.

    ``accept`` judges a newer network before it is taken up (environment, fingerprint).
    """
    for binding in node.agencies.values():
        await binding.adapter.start()
    tasks = [asyncio.create_task(_run(pump), name=name) for name, pump in pumps(node, accept)]
    watch = asyncio.create_task(_fail_together(tasks, asyncio.current_task()))
    try:
        yield
    finally:
        watch.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(watch, *tasks, return_exceptions=True)
        for binding in node.agencies.values():
            await binding.adapter.close()
        await node.transport.close()
        await node.store.close()


async def _run(pump: Pump) -> None:
    await pump()


async def _fail_together(tasks: list[asyncio.Task[None]], owner: asyncio.Task[object] | None) -> None:
    """A pump that ends has met what it did not foresee: end the process with it, loudly."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        error = None if task.cancelled() else task.exception()
        log.critical("a pump ended", pump=task.get_name(), error=type(error).__name__)
    if owner is not None:
        owner.cancel()


def pumps(node: Node, accept: Callable[[Network], None]) -> list[tuple[str, Pump]]:
    """Every pump of a node by name."""
    wake, poll = node.wake, node.pace.poll
    named: list[tuple[str, Pump]] = [
        ("dispatch-urgent", lambda: _repeat(lambda: dispatch(node, URGENT), wake.outbox[Lane.URGENT], poll)),
        ("dispatch-bulk", lambda: _repeat(lambda: dispatch(node, BULK), wake.outbox[Lane.STANDARD], poll)),
        ("pack", lambda: _repeat(lambda: pack(node), wake.receipts, poll)),
        ("sweep", lambda: _repeat(lambda: _housekeeping(node, accept), asyncio.Event(), node.pace.sweep)),
    ]
    named += [(f"receive-{lane.name.lower()}", partial(_consume, node, lane)) for lane in Lane]
    for binding in node.agencies.values():
        named += _agency_pumps(node, binding)
    return named


def _agency_pumps(node: Node, binding: AgencyBinding) -> list[tuple[str, Pump]]:
    name, event = binding.principal, node.wake.tasks[binding.principal]
    return [
        (f"deliver {name}", lambda: _repeat(lambda: deliver(node, binding), event, node.pace.poll)),
        (f"answers {name}", lambda: _answers(node, binding)),
        (f"submissions {name}", lambda: _submissions(node, binding)),
    ]


async def _repeat(work: Callable[[], Awaitable[int]], event: asyncio.Event, poll: float) -> None:
    while True:
        event.clear()
        try:
            busy = await work()
        except Unavailable as error:
            log.warning("paused", code=error.code)
            await asyncio.sleep(PAUSE)
            continue
        if not busy:
            # Not wait_for: before Python 3.12 it loses a cancellation that meets the wake-up call, and the
            # node never stops.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(poll):
                    await event.wait()


async def _housekeeping(node: Node, accept: Callable[[Network], None]) -> int:
    try:
        await refresh_trust(node, accept)
    except GatewayError as error:
        if error.retryable:
            raise
        log.error("newer trust documents are not acceptable", code=error.code)
    return await sweep(node)


async def _consume(node: Node, lane: Lane) -> None:
    """Take deliveries concurrently, so that many share one commit. Order does not matter (protocol 4.5)."""
    room = asyncio.Semaphore(IN_FLIGHT)
    async with asyncio.TaskGroup() as group:
        async for delivery in node.transport.deliveries(lane):
            await room.acquire()
            group.create_task(_take(node, delivery, room))


async def _take(node: Node, delivery: Delivery, room: asyncio.Semaphore) -> None:
    try:
        await receive(node, delivery)
    except Unavailable as error:
        log.warning("not stored, given back", code=error.code)
        await asyncio.sleep(PAUSE)
        await delivery.release()
    finally:
        room.release()


async def _answers(node: Node, binding: AgencyBinding) -> None:
    async for answer in binding.adapter.acknowledgements():
        await _until_stored(partial(_answer, node, binding, answer))
    await asyncio.Event().wait()  # an adapter that brings none has ended at once; the pump stays


async def _answer(node: Node, binding: AgencyBinding, answer: Answer) -> None:
    try:
        words = acknowledge.read(answer.body)
        await acknowledge.acknowledge(node, _standing(node, binding, words.role), answer.leg, words)
    except Unavailable:
        raise
    except GatewayError as error:
        log.warning("an answer was refused", principal=binding.principal, code=error.code)
        await answer.refuse(error)
    else:
        await answer.done()


async def _submissions(node: Node, binding: AgencyBinding) -> None:
    async for submission in binding.adapter.submissions():
        await _until_stored(partial(_submission, node, binding, submission))
    await asyncio.Event().wait()


async def _submission(node: Node, binding: AgencyBinding, submission: Submission) -> None:
    try:
        caller = _standing(node, binding, "")
        submitted = await submit.submit(node, caller, submission.body, key=submission.key)
    except Unavailable:
        raise
    except GatewayError as error:
        log.warning("a handover was refused", principal=binding.principal, code=error.code)
        await submission.refuse(error)
    else:
        await submission.done(submitted.ref)


def _standing(node: Node, binding: AgencyBinding, role: str) -> Caller:
    agency = node.network.principal(binding.principal).agency
    return Caller(binding.principal, agency, actor="adapter", role=role)


async def _until_stored(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            return await work()
        except Unavailable as error:
            log.warning("paused", code=error.code)
            await asyncio.sleep(PAUSE)
