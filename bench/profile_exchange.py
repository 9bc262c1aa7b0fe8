"""What one exchange costs, part by part, in CPU time: what wall clocks on a shared machine cannot tell.

    .venv/bin/python bench/profile_exchange.py                    # CPU a exchange, commits, statements
    .venv/bin/python bench/profile_exchange.py --by-part          # the same with where the time goes
    .venv/bin/python bench/profile_exchange.py --broker rabbit    # over RabbitMQ and aio-pika's connections

Both nodes run in this process, as in `exchange.py`; the figure is user and system time of this process (the
broker is another) divided by the exchanges that ended. `--by-part` measures with cProfile, which about
doubles everything: its shares count and not its sums. Time in C is given to the Python function that called
it.
"""

# ruff: noqa: SLF001 - it looks behind the store's curtain, on purpose

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import logging
import pstats
import resource
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import structlog
from _case import Exchange, exchange
from _report import publish, table
from exchange import Load, bundles

from gateway.bootstrap import spare_collections
from gateway.stores.database import Session
from gateway.stores.statements import Statement
from gateway.stores.writer import Writer
from gateway.testing.broker import PrivateBroker

PARTS: Mapping[str, tuple[str, ...]] = {
    "SQLite and its driver": ("gateway/stores/database",),
    "statements and records": ("gateway/stores/",),
    "shape of the document": ("schemas/", "pydantic"),
    "rules": ("core/policy", "core/rulebook", "core/entitlements", "core/purposes", "core/retention"),
    "cut by audience, relevance": ("core/audience", "core/relevance", "core/narrowing", "core/redaction"),
    "canonical JSON and ids": ("core/encoding", "json/", "uuid"),
    "copies of rows and documents": ("/copy.py", "/dataclasses.py"),
    "the raw cryptography": ("nacl/", "cryptography/", "hashlib", "hmac"),
    "envelope, slots, keys": ("core/envelope", "core/kem", "core/keys", "core/layout", "core/statement"),
    "signed notes and receipts": ("core/notes", "core/receipts", "core/trust"),
    "wrapped keys": ("core/shred", "flows/vault"),
    "log tree": ("core/merkle", "core/logged"),
    "the rest of core": ("gateway/core/",),
    "flows: submit": ("flows/submit", "flows/facts", "flows/outgoing", "flows/succession"),
    "flows: receive": ("flows/receive", "flows/opening", "flows/arrival", "flows/streams", "flows/seen"),
    "flows: deliver": ("flows/deliver", "flows/parcels", "flows/disclosed", "flows/checklist"),
    "flows: receipts": ("flows/receipts", "flows/dispatch", "flows/riders", "flows/witness"),
    "the rest of flows": ("gateway/flows/",),
    "transport and AMQP": ("gateway/transports", "aiormq", "aio_pika", "pamqp"),
    "asyncio and threads": ("asyncio/", "concurrent/", "threading", "selectors", "contextlib", "queue"),
    "logs": ("structlog", "logging"),
    "the benchmark": ("bench/", "testing/"),
}


class Tally:
    """Statements by text, and profiles by thread, while :attr:`on`."""

    def __init__(self, *, by_part: bool) -> None:
        self.on = False
        self.texts: Counter[str] = Counter()
        self.profiles: list[cProfile.Profile] = []
        self._by_part = by_part

    def profile(self) -> cProfile.Profile | None:
        """One for the calling thread. cProfile reads a wall clock, so a thread keeps the interpreter until it
        waits by itself: what another does meanwhile would be counted as its own."""
        if not self._by_part:
            return None
        sys.setswitchinterval(10)
        self.profiles.append(cProfile.Profile())
        return self.profiles[-1]

    def count(self, text: str) -> None:
        if self.on:
            self.texts[text] += 1


@contextmanager
def counted(tally: Tally) -> Iterator[None]:
    """Every statement of every session counted, and the writers' threads profiled."""
    run, many, plain, write = Session._run, Session.change_many, Session._plain, Writer._write

    def _run(self: Session, statement: Statement, values: Mapping[str, Any]) -> Any:
        tally.count(statement.text(self.dialect)[0])
        return run(self, statement, values)

    def _many(self: Session, statement: Statement, values: Any) -> None:
        tally.count("many: " + statement.text(self.dialect)[0])
        many(self, statement, values)

    def _plain(self: Session, text: str) -> None:
        tally.count(text)
        plain(self, text)

    def _write(self: Writer) -> None:
        profile = tally.profile()
        if profile is None:
            write(self)
        else:
            profile.runcall(write, self)

    Session._run, Session.change_many, Session._plain, Writer._write = _run, _many, _plain, _write  # type: ignore[method-assign]
    try:
        yield
    finally:
        Session._run, Session.change_many, Session._plain, Writer._write = run, many, plain, write  # type: ignore[method-assign]


async def run(
    broker: str, stores: tuple[str, str], tally: Tally, options: argparse.Namespace
) -> dict[str, Any]:
    load = Load(options.in_flight)
    async with exchange(broker, stores, load.end) as ours:
        await load.round(ours, 0.0)  # statements are compiled, caches are warm
        gc.collect()
        profile = tally.profile()
        for one in tally.profiles:
            one.clear()
        tally.on, began, before = True, _cpu(), load.ended
        if profile is not None:
            profile.enable()
        await _count(load, ours, options.count)
        if profile is not None:
            profile.disable()
        tally.on = False
        ended = load.ended - before
        user, system, loop = (b - a for a, b in zip(began, _cpu(), strict=True))
    return {
        "exchanges": ended,
        "user_ms": 1e3 * user / ended,
        "system_ms": 1e3 * system / ended,
        "loop_ms": 1e3 * loop / ended,
    }


async def _count(load: Load, ours: Exchange, count: int) -> None:
    """At least ``count`` exchanges under full load, and whatever is in flight then."""
    goal = load.ended + count
    await load.until(ours, lambda: load.ended >= goal)


def _cpu() -> tuple[float, float, float]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime, used.ru_stime, time.thread_time()


def by_part(profiles: list[cProfile.Profile], ended: int) -> tuple[list[list[object]], list[list[object]]]:
    """Self time by part, time in C with its callers; and the functions with most of it."""
    parts: defaultdict[str, float] = defaultdict(float)
    functions: defaultdict[str, float] = defaultdict(float)
    for profile in profiles:
        stats: Any = pstats.Stats(profile)
        for (file, line, name), (_, _, own, _, callers) in stats.stats.items():
            if file != "~":
                parts[part_of(file)] += own
                functions[f"{short(file)}:{line} {name}"] += own
                continue
            for (above, at, who), (_, _, under, _) in callers.items():
                where = "asyncio and threads" if "select" in name or "poll" in name else part_of(above)
                parts[where] += under
                functions[f"{short(above)}:{at} {who} > {name}"] += under
    return (
        [[name, 1e6 * spent / ended] for name, spent in sorted(parts.items(), key=lambda pair: -pair[1])],
        [[name, 1e6 * spent / ended] for name, spent in sorted(functions.items(), key=lambda p: -p[1])[:60]],
    )


def part_of(file: str) -> str:
    return next((name for name, marks in PARTS.items() if any(mark in file for mark in marks)), "other")


def short(file: str) -> str:
    return "/".join(file.split("/")[-2:])


def report(figures: dict[str, Any], tally: Tally, options: argparse.Namespace) -> None:
    ended = figures["exchanges"]
    commits = tally.texts["COMMIT"] / ended
    rows: list[list[object]] = [
        ["CPU ms", figures["user_ms"] + figures["system_ms"]],
        ["of it in the event loop's thread", figures["loop_ms"]],
        ["of it in the kernel", figures["system_ms"]],
        ["statements", sum(tally.texts.values()) / ended],
        ["commits (read and write)", commits],
    ]
    shown = table(
        f"one of {ended} exchanges, {options.broker}, {options.in_flight} in flight", ["", ""], rows
    )
    most = [
        [" ".join(text.split())[: options.width], count / ended]
        for text, count in tally.texts.most_common(options.statements)
    ]
    shown += "\n\n" + table("statements an exchange", ["", ""], most) if most else ""
    if tally.profiles:
        parts, functions = by_part(tally.profiles, ended)
        shown += "\n\n" + table("microseconds under the profiler", ["", ""], parts)
        shown += "\n\n" + table("functions", ["", ""], functions)
        figures["parts"] = dict(parts)  # type: ignore[arg-type]
    figures["statements"] = {text: count / ended for text, count in tally.texts.most_common()}
    publish("profile_exchange", shown, figures, options.keep)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--broker", choices=("memory", "rabbit"), default="memory")
    parser.add_argument("--single", action="store_true", help="one envelope a message")
    parser.add_argument("--by-part", action="store_true")
    parser.add_argument("--statements", type=int, default=0, metavar="N", help="show the N most frequent")
    parser.add_argument("--width", type=int, default=100)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    tally = Tally(by_part=options.by_part)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-profile-")))
        url = ""
        if options.broker == "rabbit":
            broker = PrivateBroker()
            (folder / "broker").mkdir()
            broker.start(folder / "broker")
            stack.callback(broker.close)
            url = broker.url
        stack.enter_context(counted(tally))
        stack.enter_context(bundles(allowed=not options.single))
        stores = (f"sqlite:///{folder}/origin.db", f"sqlite:///{folder}/destination.db")
        spare_collections()
        figures = asyncio.run(run(url, stores, tally, options))
    report(figures, tally, options)


if __name__ == "__main__":
    main()
