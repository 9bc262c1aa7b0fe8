"""P5 and P6: how soon an urgent handover is answered, alone and while the node is full of others.

    .venv/bin/python bench/urgent.py --help

P5: one urgent handover at a time, from the hand-in to the commit of the agency's signed receipt at the
origin, beside one raw echo of the same bytes at a time; they take turns one by one.

P6: an urgent handover every ``--every`` seconds, come what may (a slow answer delays no later question, so
that a stall counts for everybody it would have met), on idle nodes and then beside ``--in-flight`` ordinary
ones; phases take turns. The ratio is of p99s: of neighbouring rounds, and of all rounds together ("pooled").

Both nodes, and both ends of the echo, run in this one process: an urgent handover shares its event loop with
the bulk of both ends and with whoever makes that bulk.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import math
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import structlog
from _case import Documents, Exchange, exchange
from _echo import Echo, echo
from _place import Place
from _report import RESULTS, machine, publish, ratios, spread, table
from exchange import STALLED, Load
from exchange import WARM as FILL

from gateway.bootstrap import spare_collections
from gateway.flows.submit import submit
from gateway.ports import Transaction

ECHO, ALONE, IDLE, LOADED = "raw echo, alone", "urgent, alone", "urgent, idle nodes", "urgent, full load"
BULK = "bulk exchanges a second"

WARM = 20
"""Turns that are not counted: connections, statements and caches."""

TURNS = 100
"""Of P5 at a time: a ratio of medians each."""


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that ``share`` of all do not exceed."""
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


class Watch:
    """Urgent handovers under way, by leg; everything else that ends belongs to the load."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._waiting: dict[str, asyncio.Future[float]] = {}
        self._documents = Documents("URGENT", first=500_000)

    def ended(self, _: int) -> None:
        """Which ones counts (:meth:`which`), not how many."""

    def which(self, legs: list[str]) -> None:
        now = asyncio.get_running_loop().time()
        urgent = [self._waiting.pop(leg) for leg in legs if leg in self._waiting]
        for future in urgent:
            future.set_result(now)
        if len(urgent) < len(legs):
            self._load.end(len(legs) - len(urgent))

    async def once(self, ours: Exchange) -> float:
        """Seconds of one urgent handover. Raises TimeoutError when it is not answered."""
        loop = asyncio.get_running_loop()
        (body, key), ref = self._documents.next(), self._documents.newest
        done: asyncio.Future[float] = loop.create_future()

        def remember(tx: Transaction) -> None:
            self._waiting[tx.legs(ref, 1)[0].id] = done

        began = loop.time()
        await submit(ours.origin, ours.caller, body, key=f"urgent {key}", then=remember)
        async with asyncio.timeout(STALLED):
            return await done - began


class Pings:
    """The raw echo, one at a time."""

    def __init__(self) -> None:
        self._done = asyncio.Event()

    def ended(self, _: int) -> None:
        self._done.set()

    async def once(self, raw: Echo) -> float:
        loop = asyncio.get_running_loop()
        self._done.clear()
        began = loop.time()
        await raw.send()
        async with asyncio.timeout(STALLED):
            await self._done.wait()
        return loop.time() - began


async def alone(
    ours: Exchange, raw: Echo, watch: Watch, pings: Pings, turns: int
) -> tuple[list[float], list[float]]:
    """P5: seconds of ours and of the echo, turn by turn."""
    mine, echoes = list[float](), list[float]()
    for _ in range(WARM + turns):
        echoes.append(await pings.once(raw))
        mine.append(await watch.once(ours))
    return mine[WARM:], echoes[WARM:]


async def paced(ours: Exchange, watch: Watch, options: argparse.Namespace) -> list[float]:
    """Seconds of each urgent handover, one begun every ``--every`` seconds whatever became of the last."""
    loop, tasks = asyncio.get_running_loop(), list[asyncio.Task[float]]()
    gc.collect()
    began = loop.time()
    for number in range(int(options.seconds / options.every)):
        await asyncio.sleep(max(began + number * options.every - loop.time(), 0))
        due = began + number * options.every
        tasks.append(asyncio.create_task(_since(due, ours, watch)))
    return list(await asyncio.gather(*tasks))


async def _since(due: float, ours: Exchange, watch: Watch) -> float:
    """From the moment at which it should have begun: a loop too busy to begin it is part of the delay."""
    late = asyncio.get_running_loop().time() - due
    return late + await watch.once(ours)


async def run(broker: str, stores: tuple[str, str], options: argparse.Namespace) -> dict[str, Any]:
    load, pings = Load(options.in_flight), Pings()
    watch = Watch(load)
    found: dict[str, Any] = {IDLE: [], LOADED: [], BULK: []}
    async with exchange(broker, stores, watch.ended, watch.which) as ours:
        await load.round(ours, 0.0)
        async with echo(broker, await ours.envelope(), pings.ended) as raw:
            found[ALONE], found[ECHO] = await alone(ours, raw, watch, pings, options.turns)
        for _ in range(options.rounds):
            found[IDLE].append(await paced(ours, watch, options))
            bulk = asyncio.create_task(load.round(ours, options.seconds))
            await asyncio.sleep(FILL)
            found[LOADED].append(await paced(ours, watch, options))
            found[BULK].append(await bulk)
    return found


def milliseconds(values: Sequence[float]) -> dict[str, float]:
    """What a person asks about a series of waits."""
    named = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "most": 1.0}
    return {name: round(percentile(values, share) * 1000, 3) for name, share in named.items()}


def report(found: dict[str, Any], options: argparse.Namespace) -> None:
    chunks = range(0, len(found[ALONE]), TURNS)
    alone_p50 = [percentile(found[ALONE][at : at + TURNS], 0.5) for at in chunks]
    echo_p50 = [percentile(found[ECHO][at : at + TURNS], 0.5) for at in chunks]
    idle_p99 = [percentile(values, 0.99) for values in found[IDLE]]
    loaded_p99 = [percentile(values, 0.99) for values in found[LOADED]]
    series = {name: found[name] for name in (ECHO, ALONE)}
    series |= {name: [wait for values in found[name] for wait in values] for name in (IDLE, LOADED)}
    p6 = ratios(loaded_p99, idle_p99)
    p6["pooled"] = percentile(series[LOADED], 0.99) / percentile(series[IDLE], 0.99)
    figures: dict[str, Any] = {
        "measure": "P5: urgent p50 / echo p50, alone; P6: urgent p99 under full load / idle",
        "machine": machine(),
        "options": {name: value for name, value in vars(options).items() if name != "keep"},
        "milliseconds": {name: {"number": len(v), **milliseconds(v)} for name, v in series.items()},
        BULK: spread(found[BULK]),
        "P5": ratios(alone_p50, echo_p50),
        "P6": p6,
    }
    rows = [[name, len(values), *milliseconds(values).values()] for name, values in series.items()]
    bulk = f"{options.in_flight} in flight, {figures[BULK]['median']:.0f} of them a second"
    title = f"milliseconds, {options.store}; full load: {bulk}"
    heads = ["", "number", "p50", "p90", "p99", "most"]
    rates = [
        ["P5: alone p50 / echo p50", *(figures["P5"][name] for name in ("median", "min", "max")), ""],
        ["P6: loaded p99 / idle p99", *(p6[name] for name in ("median", "min", "max", "pooled"))],
    ]
    shown = table(title, heads, rows)
    shown += "\n\n" + table("of rounds, and of all together", ["", "median", "min", "max", "pooled"], rates)
    publish(f"urgent_{options.store}", shown, figures, options.keep)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=500, help=f"of P5, a multiple of {TURNS}")
    parser.add_argument("--rounds", type=int, default=4, help="of P6: one idle and one loaded phase each")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each phase of P6")
    parser.add_argument("--every", type=float, default=0.05, help="seconds from one urgent to the next")
    parser.add_argument("--in-flight", type=int, default=256, help="ordinary ones under way in P6")
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--keep", type=Path, help=f"folder for the figures, such as {RESULTS}")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with ExitStack() as stack:
        place = Place(stack, options.store)
        spare_collections()
        found = asyncio.run(
            run(place.broker, (place.database("origin"), place.database("destination")), options)
        )
    report(found, options)


if __name__ == "__main__":
    main()
