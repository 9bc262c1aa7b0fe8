"""A node that comes back takes its urgent lane first (s.38(5)(c) DPA 2018, R23).

What is wrong with a handover travels on the urgent lane. A node that was away may find both waiting: the
handover on one queue, its correction on another. So whoever starts reads the urgent queue empty, as it stood
when it was looked at, before anything is taken from the other queues and before any agency is given or opens
anything: :func:`drain` in the pump of that lane, ``node.wake.drained`` before the others.

Rules
-----
- It waits for what lay there at the start and for no more: a flood of urgent messages that goes on holds
  nothing up. At most :data:`MOST` messages, and at most :data:`PATIENCE` seconds, whatever the broker does.
- Where several processes of one area start, each waits for the others: what one of them has in hand is
  missing in the queue that another finds empty. One that only answers agencies waits for those that read.
- A broker that cannot be reached is waited for as long, and then passed over: what is here already must
  reach its agencies some time.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from gateway.errors import GatewayError, Unavailable
from gateway.flows import workers
from gateway.flows.node import Node
from gateway.ports import Lane

MOST: Final = 2_000
"""Messages that are waited for: some seconds of work."""

PATIENCE: Final = 60.0
"""Seconds after which the others go on all the same."""

SHORT: Final = 0.02
PAUSE: Final = 0.2
QUIET: Final = 1.0
"""Seconds for which nothing may wait or be under way, where another process of this node took some."""

log = structlog.get_logger("catch_up")


@dataclass(slots=True)
class Tally:
    """What the pump of the urgent lane has done since it started. ``first``: what waited then; None: not
    known yet."""

    first: int | None = None
    taken: int = 0
    under_way: int = 0


async def count(node: Node, tally: Tally) -> None:
    """Ask how many wait, before the first of them is taken. Returns when it is known or time is up."""
    try:
        async with asyncio.timeout(PATIENCE):
            while tally.first is None:
                try:
                    tally.first = min(await node.transport.waiting(Lane.URGENT), MOST)
                except Unavailable as error:
                    log.warning("paused", code=error.code)
                    await asyncio.sleep(PAUSE)
    except TimeoutError:
        tally.first = 0
    except GatewayError as error:
        log.error("nobody can tell what waits", code=error.code)
        tally.first = 0


async def drain(node: Node, tally: Tally) -> None:
    """Let the others go on once what waited has been taken."""
    try:
        async with asyncio.timeout(PATIENCE):
            await _until_taken(node, tally)
    except TimeoutError:
        log.error("urgent messages still wait; the others go on", taken=tally.taken, waited=tally.first)
    if tally.first:
        log.info("urgent first", taken=tally.taken)
    await workers.say_ready(node)
    await workers.wait_for_others(node)
    node.wake.drained.set()
    node.wake.agencies()


async def _until_taken(node: Node, tally: Tally) -> None:
    loop = asyncio.get_running_loop()
    quiet = loop.time()
    while tally.first is None or tally.taken < tally.first:
        await asyncio.sleep(SHORT if tally.first is None else PAUSE)
        if tally.first is None or tally.under_way or await _left(node):
            quiet = loop.time()
        elif loop.time() - quiet >= QUIET:
            return  # another process of this node has taken them


async def _left(node: Node) -> int:
    try:
        return await node.transport.waiting(Lane.URGENT)
    except Unavailable:
        return 1


def check_caught_up(node: Node) -> None:
    """Raises Unavailable while urgent messages that waited have not been read."""
    if not node.wake.drained.is_set():
        raise Unavailable(
            "this node has just started and reads its urgent messages first",
            code="catching_up",
            remedy="try again in a minute",
        )
