"""P10: exchanges a second with two worker processes of both areas beside one, taking turns in one run.

    .venv/bin/python bench/workers.py             # --help for rounds and seconds

Each process runs the origin's and the destination's pumps, as one of the workers of its area: PostgreSQL
(durable) and RabbitMQ are shared, claims and deliveries go to whoever is free. Each contender has databases
and a virtual host of its own; the one whose turn it is not stands idle. As many exchanges are in flight with
two processes as with one.

Rule: the broker and the database work on the same cores. Where there are two cores, one process leaves them
the second, and two processes compete with them: the ratio says as much about the machine as of the gateway.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import multiprocessing
import os
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, replace
from itertools import count
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any
from uuid import uuid4

import structlog
from _case import SENDER, Documents, Watched
from _place import Place
from _report import RESULTS, machine, publish, ratios, spread, table

from gateway.bootstrap import spare_collections
from gateway.flows.node import Pace, Seat
from gateway.flows.runtime import running
from gateway.flows.submit import submit
from gateway.ports import Role, Store
from gateway.stores import migrations, open_store
from gateway.stores.siblings import open_siblings
from gateway.testing.boroughs import BEXLEY, HACKNEY, Borough, Desk, ManualClock, assemble
from gateway.transports.rabbit import RabbitTransport, declare

WARM = 1.5
"""Seconds of full load before a round is counted."""

STALLED = 60.0
"""Seconds in which what is in flight must end, or there are no figures."""

IDLE, LOADED, OVER = 0, 1, 2


@dataclass(slots=True)
class Shared:
    """What the processes of one contender and we count together."""

    begun: Synchronized[int]
    ended: Synchronized[int]
    ready: Synchronized[int]
    mode: Synchronized[int]


@dataclass(slots=True)
class Team:
    """``count`` processes on databases and a virtual host of their own."""

    name: str
    shared: Shared
    processes: list[multiprocessing.process.BaseProcess]

    def rate(self, seconds: float) -> float:
        self.shared.mode.value, before = LOADED, self.shared.ended.value
        self._wait(lambda: self.shared.ended.value > before)
        time.sleep(WARM)
        before, began = self.shared.ended.value, time.perf_counter()
        time.sleep(seconds)
        rate = (self.shared.ended.value - before) / (time.perf_counter() - began)
        self.shared.mode.value = IDLE
        self._drain()
        return rate

    def _drain(self) -> None:
        self._wait(lambda: self.shared.ended.value >= self.shared.begun.value)

    def _wait(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + STALLED
        while not done():
            if time.monotonic() > deadline or not all(process.is_alive() for process in self.processes):
                missing = self.shared.begun.value - self.shared.ended.value
                raise SystemExit(f"{self.name}: {missing} never ended: no figures")
            time.sleep(0.05)

    def close(self) -> None:
        self.shared.mode.value = OVER
        for process in self.processes:
            process.join(20)
            if process.is_alive():
                process.kill()


def team(size: int, place: Place, in_flight: int) -> Team:
    context = multiprocessing.get_context("spawn")
    shared = Shared(*(context.Value("q", 0) for _ in range(4)))
    stores = (place.database(f"origin_{size}"), place.database(f"destination_{size}"))
    for url in stores:
        migrations.upgrade(url)
    broker = place.fresh()
    asyncio.run(declare(broker, [HACKNEY, BEXLEY]))
    made = Team(f"{size} worker process{'es' if size > 1 else ''}", shared, [])
    for number in range(size):
        process = context.Process(target=work, args=(number, broker, stores, shared, in_flight), daemon=True)
        process.start()
        made.processes.append(process)
        while shared.ready.value <= number:  # one after another: the first one joins the network
            if not process.is_alive():
                raise SystemExit(f"{made.name}: a process did not start")
            time.sleep(0.05)
    return made


def work(number: int, broker: str, stores: tuple[str, str], shared: Shared, in_flight: int) -> None:
    """One process."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    spare_collections()
    asyncio.run(_work(number, broker, stores, shared, in_flight))


async def _work(number: int, broker: str, stores: tuple[str, str], shared: Shared, in_flight: int) -> None:
    def ended(many: int) -> None:
        with shared.ended.get_lock():
            shared.ended.value += many

    clock = ManualClock()
    async with AsyncExitStack() as stack:
        opened = []
        for area, url, desks in ((HACKNEY, stores[0], {}), (BEXLEY, stores[1], {"housing": Desk()})):
            store: Store = open_store(url)
            if area == HACKNEY:
                store = Watched(store, ended)
            await store.start()
            transport = RabbitTransport(broker, area)
            await transport.start()
            borough = await assemble(area, store, transport, clock, desks, Pace())
            seat = Seat(uuid4().hex, Role.ALL, "bench", str(os.getpid()), open_siblings(url))
            borough.node = replace(borough.node, seat=seat)
            await stack.enter_async_context(running(borough.node, accept=lambda _: None))
            opened.append(borough)
        with shared.ready.get_lock():
            shared.ready.value += 1
        await _load(opened[0], number, shared, in_flight)


async def _load(origin: Borough, number: int, shared: Shared, in_flight: int) -> None:
    """Begin one whenever there is room for one among all processes."""
    documents, caller = Documents(), origin.caller(SENDER)
    documents._numbers = count(number * 400_000 + 1)  # noqa: SLF001 - each process has references of its own
    sending: set[asyncio.Task[Any]] = set()
    while shared.mode.value != OVER:
        with shared.begun.get_lock():
            room = in_flight - (shared.begun.value - shared.ended.value) if shared.mode.value == LOADED else 0
            more = max(min(room, 16), 0)  # in handfuls, so that every process gets its share
            shared.begun.value += more
        for _ in range(more):
            body, key = documents.next()
            task = asyncio.create_task(submit(origin.node, caller, body, key=f"{number}-{key}"))
            sending.add(task)
            task.add_done_callback(sending.discard)
        await asyncio.sleep(0.002)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=4.0, help="counted in each round of each contender")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--keep", type=Path, help=f"folder for the figures, such as {RESULTS}")
    options = parser.parse_args()
    with ExitStack() as stack:
        place = Place(stack, "postgres")
        teams = []
        for size in (1, 2):
            teams.append(team(size, place, options.in_flight))
            stack.callback(teams[-1].close)
        rates: dict[str, list[float]] = {one.name: [] for one in teams}
        for _ in range(options.rounds):
            for one in teams:
                rates[one.name].append(one.rate(options.seconds))
        report(rates, options)


def report(rates: dict[str, list[float]], options: argparse.Namespace) -> None:
    (one, ones), (two, twos) = rates.items()
    ratio = ratios(twos, ones)
    figures: dict[str, Any] = {
        "measure": "P10: exchanges/s with two worker processes beside one, rounds interleaved",
        "machine": machine(),
        "options": {name: value for name, value in vars(options).items() if name != "keep"},
        "rates": {name: {"rounds": values, **spread(values)} for name, values in rates.items()},
        "ratio": ratio,
    }
    rows = [[one, *spread(ones).values(), "", "", ""], [two, *spread(twos).values(), *ratio.values()]]
    heads = ["", "per second", "min", "max", "of one", "min", "max"]
    title = f"{options.rounds} rounds of {options.seconds:g} s, {options.in_flight} in flight, PostgreSQL"
    publish("workers", table(title, heads, rows), figures, options.keep)


if __name__ == "__main__":
    main()
