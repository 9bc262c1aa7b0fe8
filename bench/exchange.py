"""P1: exchanges a second of the gateway beside a raw echo of the same bytes, taking turns in one run.

    make bench                                    # or: .venv/bin/python bench/exchange.py --help

One exchange is everything between a 4 KB handover for one agency and its signed receipt at the origin:
validate, seal (hybrid), durable outbox row, confirmed publish, consume, verify, open, durable inbox row,
adapter, receipts signed and stored, published, verified and stored. Both nodes, and both ends of the echo,
run in this one process.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import structlog
from _case import exchange
from _echo import echo
from _report import RESULTS, machine, publish, ratios, spread, table

from gateway.bootstrap import spare_collections
from gateway.flows import dispatch
from gateway.stores import migrations
from gateway.testing.broker import PrivateBroker
from gateway.testing.postgres import start_postgres

WARM = 1.0
"""Seconds of full load, and at least as many ends as are in flight, before a round is counted: pipelines
fill, statements are compiled."""

STALLED = 30.0
"""Seconds in which nothing ends before the run gives up: what loses something must not print a rate."""

LOOPS: Mapping[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": lambda: importlib.import_module("uvloop").new_event_loop(),
}
"""`gateway run` takes uvloop where it is installed; the echo runs on the same loop."""

ECHO, SINGLE, BUNDLED = "raw echo", "gateway, one envelope a message", "gateway, bundled"


class Contender(Protocol):
    async def send(self) -> None:
        """Begin one; its end is told to the :class:`Load`."""
        ...


class Load:
    """Keeps ``in_flight`` begun and not ended: whenever one ends, the next begins."""

    def __init__(self, in_flight: int) -> None:
        self.ended = 0
        self._last = 0.0
        self._in_flight = in_flight
        self._begun = 0
        self._contender: Contender | None = None
        self._sending: set[asyncio.Task[None]] = set()

    def end(self, number: int) -> None:
        self.ended += number
        self._last = asyncio.get_running_loop().time()
        self._begin(number)

    async def round(self, contender: Contender, seconds: float) -> float:
        """Ends a second under full load. Returns when nothing is in flight any more."""
        loop = asyncio.get_running_loop()
        gc.collect()
        self._contender = contender
        await self._warm()
        # From an end to an end: they come in waves, and a window that cuts one would tell chance.
        began, before = self._last, self.ended
        await asyncio.sleep(seconds)
        late = loop.time() + STALLED
        while self.ended == before and loop.time() < late:  # noqa: ASYNC110 - looking is cheap
            await asyncio.sleep(0.02)
        rate = (self.ended - before) / max(self._last - began, 1e-9)
        self._contender = None
        await self._drain()
        return rate

    async def _warm(self) -> None:
        """Begin, and let the first ones pass, which go in step, as one wave."""
        loop = asyncio.get_running_loop()
        wave, late = self.ended + self._in_flight, loop.time() + STALLED
        self._begin(self._in_flight)
        await asyncio.sleep(WARM)
        while self.ended < wave and loop.time() < late:  # noqa: ASYNC110 - looking costs nothing beside what it measures
            await asyncio.sleep(0.02)

    async def until(self, contender: Contender, enough: Callable[[], bool]) -> None:
        """Full load until there is ``enough``, and until nothing is in flight any more."""
        self._contender = contender
        self._begin(self._in_flight)
        while not enough():  # noqa: ASYNC110 - looking costs nothing beside what it measures
            await asyncio.sleep(0.02)
        self._contender = None
        await self._drain()

    def _begin(self, number: int) -> None:
        if self._contender is None:
            return
        self._begun += number
        for _ in range(number):
            task = asyncio.create_task(self._contender.send())
            self._sending.add(task)
            task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        task.result()  # what failed to begin is reported by the loop, and the drain finds it missing

    async def _drain(self) -> None:
        waited, before = 0.0, self.ended
        while self.ended < self._begun:
            await asyncio.sleep(0.05)
            waited = 0.0 if self.ended > before else waited + 0.05
            before = self.ended
            if waited > STALLED:
                raise SystemExit(f"{self._begun - self.ended} never ended: no figures")


@contextmanager
def bundles(*, allowed: bool) -> Iterator[None]:
    """The product always bundles what is due for one peer; the bar of P1 also asks for the other case."""
    kept = dispatch.MAX_BUNDLE_COUNT
    dispatch.MAX_BUNDLE_COUNT = kept if allowed else 1
    try:
        yield
    finally:
        dispatch.MAX_BUNDLE_COUNT = kept


async def run(broker: str, stores: tuple[str, str], options: argparse.Namespace) -> dict[str, list[float]]:
    """Rates by contender, one a round."""
    load = Load(options.in_flight)
    rates: dict[str, list[float]] = {}
    async with exchange(broker, stores, load.end) as ours:
        await load.round(ours, 0.0)  # makes the envelope whose bytes the echo carries
        async with echo(broker, await ours.envelope(), load.end) as raw:
            turns = [(ECHO, raw, True)] if "echo" in options.only else []
            turns += [(SINGLE, ours, False)] if "single" in options.only else []
            turns += [(BUNDLED, ours, True)] if "bundled" in options.only else []
            for _ in range(options.rounds):
                for name, contender, bundling in turns:
                    with bundles(allowed=bundling):
                        rates.setdefault(name, []).append(await load.round(contender, options.seconds))
    return rates


def report(rates: dict[str, list[float]], options: argparse.Namespace) -> None:
    figures: dict[str, Any] = {
        "measure": "P1: exchanges/s beside a raw confirmed echo of the same bytes, rounds interleaved",
        "machine": machine(),
        "options": {name: value for name, value in vars(options).items() if name != "keep"},
        "rates": {name: {"rounds": values, **spread(values)} for name, values in rates.items()},
        "ratios": {
            name: ratios(values, rates[ECHO])
            for name, values in rates.items()
            if name != ECHO and ECHO in rates
        },
    }
    rows = []
    for name, values in rates.items():
        of_echo = figures["ratios"].get(name)
        shown = spread(values)
        rows.append(
            [name, shown["median"], shown["min"], shown["max"]]
            + ([of_echo["median"], of_echo["min"], of_echo["max"]] if of_echo else ["", "", ""])
        )
    heads = ["", "per second", "min", "max", "of the echo", "min", "max"]
    title = (
        f"{options.rounds} rounds of {options.seconds:g} s, {options.in_flight} in flight,"
        f" {options.store}, {options.loop}"
    )
    publish(f"exchange_{options.store}", table(title, heads, rows), figures, options.keep)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="counted in each round of each contender")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument(
        "--only", nargs="+", choices=("echo", "single", "bundled"), default=("echo", "single", "bundled")
    )
    parser.add_argument(
        "--loop", choices=sorted(LOOPS), default="asyncio", help="uvloop is what the extra `fast` installs"
    )
    parser.add_argument("--keep", type=Path, help=f"folder for the figures, such as {RESULTS}")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-bench-")))
        broker = PrivateBroker()
        (folder / "broker").mkdir()
        broker.start(folder / "broker")
        stack.callback(broker.close)
        if options.store == "postgres":
            server = stack.enter_context(start_postgres(durable=True))
            stores = (server.create("origin"), server.create("destination"))
            for url in stores:
                migrations.upgrade(url)  # a PostgreSQL is its operator's: no node makes its tables
        else:
            stores = (f"sqlite:///{folder}/origin.db", f"sqlite:///{folder}/destination.db")
        spare_collections()  # as `gateway run` does; the echo gains by it, too
        with asyncio.Runner(loop_factory=LOOPS[options.loop]) as runner:
            rates = runner.run(run(broker.url, stores, options))
        report(rates, options)


if __name__ == "__main__":
    main()
