"""What every peer speaks: a line in, a line out, so that whoever measures can let it and others take turns.

A peer is started as ``python peer.py DOCUMENT [BROKER]``: the file of the document that everybody carries,
and the broker's address for those that use one. It says "ready", and then for each "run SECONDS" it prints
how many cycles ended and how long that took. The end of its input ends it. What a library prints goes to
stderr.

Nothing but the standard library: this runs in the environments of the peers.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from time import perf_counter

WARM = 0.3
"""Seconds of a round that are not counted."""


def document() -> bytes:
    return Path(sys.argv[1]).read_bytes()


def broker() -> str:
    return sys.argv[2]


def rounds() -> Iterator[tuple[float, Callable[[int, float], None]]]:
    """(seconds, how to answer) for every line asked."""
    sys.stdout.flush()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def answer(cycles: int, seconds: float) -> None:
        print(cycles, seconds, file=answers)

    print("ready", file=answers)
    for line in sys.stdin:
        yield float(line.split()[1]), answer


def serve(cycle: Callable[[], None], fresh: Callable[[], None] = lambda: None) -> None:
    """``cycle`` again and again for as long as asked; ``fresh`` before each round."""
    for seconds, answer in rounds():
        fresh()
        _for(WARM, cycle)
        answer(*_for(seconds, cycle))


def _for(seconds: float, cycle: Callable[[], None]) -> tuple[int, float]:
    began, cycles = perf_counter(), 0
    while (took := perf_counter() - began) < seconds:
        cycle()
        cycles += 1
    return cycles, took


def serve_many(loop: asyncio.AbstractEventLoop, cycle: Callable[[], Awaitable[None]], in_flight: int) -> None:
    """``in_flight`` of ``cycle`` at any time: whenever one ends, the next begins."""
    for seconds, answer in rounds():
        loop.run_until_complete(_many(cycle, WARM, in_flight))
        answer(*loop.run_until_complete(_many(cycle, seconds, in_flight)))


async def _many(cycle: Callable[[], Awaitable[None]], seconds: float, in_flight: int) -> tuple[int, float]:
    """Counts what ends within ``seconds``; what is still under way then ends before this returns."""
    began, ended = perf_counter(), 0

    async def again() -> None:
        nonlocal ended
        while perf_counter() - began < seconds:
            await cycle()
            ended += perf_counter() - began < seconds

    await asyncio.gather(*(again() for _ in range(in_flight)))
    return ended, seconds
