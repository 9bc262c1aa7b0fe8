"""P7: what an exchange costs beside many stored ones, over what it costs beside a thousand.

    .venv/bin/python bench/stored.py --records 1000000

Two pairs of nodes, with their own databases, take turns in one process over one broker. Their history is made
of real rows: some exchanges are carried out, and every row that they left at either end is copied under other
ids, in SQL, until there are as many handovers as asked for. Ids keep their shape (time-ordered ones their
order, random ones their scatter), the log is a real tree with real hashes, and what was waiting for an agency
counts as fetched. Bodies of copied envelopes are cut to ``--body`` bytes: SQLite keeps about that much of a
longer one in the tree, and the rest in pages that nobody reads here.

Not held: what a purge would have removed; PostgreSQL.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, closing
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import structlog
from _case import Documents, Exchange, exchange
from _place import Place
from _report import RESULTS, machine, publish, ratios, spread, table
from exchange import Load

from gateway.bootstrap import spare_collections
from gateway.core.merkle import Head, leaf_hash

TEMPLATES = 100
"""Exchanges carried out; the rest of the history are copies of them."""

FEW = 1_000

# How a value becomes that of copy k. Consistent over all tables, so that rows still belong together.
ID = "printf('%08x', 26214400 + k.k) || substr({0}, 9)"  # months before the first real one, in order
RANDOM = "printf('%08x', (k.k * 2654435761) & 4294967295) || substr({0}, 9)"
REF = "substr({0}, 1, 13) || printf('%07x', k.k) || substr({0}, -7)"
SUBJECT = f"CASE WHEN {{0}} LIKE 'HO-%' THEN {REF.replace('-7', '-9')} ELSE {ID} END"
STAMPED = "stamp({0}, k.k)"
RULES = {
    "id": ID, "leg": ID, "mid": RANDOM, "sent_in": RANDOM, "stream": RANDOM, "ref": REF,
    "hash": STAMPED, "key": STAMPED, "subject": SUBJECT,
}  # fmt: skip
SPECIAL = {
    ("tasks", "id"): f"replace({{0}}, t.leg, {ID.format('t.leg')})",
    ("tasks", "subject"): "{0}",
    ("tasks", "state"): "'done'",
    ("envelopes", "body"): "substr({0}, 1, ?)",
}
COPIED = (
    "handovers", "legs", "leg_events", "envelopes", "outbox", "receipts", "tasks", "idempotency", "timers",
    "actions", "accesses",
)  # fmt: skip
"""Tables with rows of each exchange. The rest (trust, settings, streams) does not grow with them."""


def stamp(value: bytes, k: int) -> bytes:
    return k.to_bytes(4, "big")[::-1] + value[4:]


def grow(path: Path, copies: int, body: int) -> None:
    """Copy the history in ``path`` so many times over, in place."""
    with closing(sqlite3.connect(path, isolation_level=None)) as base:
        base.create_function("stamp", 2, stamp, deterministic=True)
        base.execute("PRAGMA synchronous = OFF")
        base.execute("PRAGMA cache_size = -400000")
        base.execute("BEGIN")
        base.execute("CREATE TEMP TABLE k (k INTEGER PRIMARY KEY)")
        base.executemany("INSERT INTO temp.k VALUES (?)", ((number,) for number in range(1, copies + 1)))
        for name in COPIED:
            _copy(base, name, body)
        _lengthen(base, copies)
        base.execute("COMMIT")
        base.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _copy(base: sqlite3.Connection, name: str, body: int) -> None:
    """Copy by copy, as they would have come, so that a tree by time grows at its end."""
    columns = [row[1] for row in base.execute(f"PRAGMA table_info({name})") if row[1] != "n"]
    values = [_value(name, column) for column in columns]
    base.execute(f"CREATE TEMP TABLE t AS SELECT * FROM main.{name}")
    listed = ", ".join(f'"{column}"' for column in columns)
    bound = (body,) * sum(value.count("?") for value in values)
    taken = f"SELECT {', '.join(values)} FROM temp.k k CROSS JOIN temp.t t"
    base.execute(f"INSERT INTO main.{name} ({listed}) {taken}", bound)
    base.execute("DROP TABLE temp.t")


def _value(name: str, column: str) -> str:
    own = f't."{column}"'
    rule = SPECIAL.get((name, column)) or RULES.get(column)
    if rule is None:
        return own
    return f"CASE WHEN {own} IS NULL OR length({own}) = 0 THEN {own} ELSE {rule.format(own)} END"


def _lengthen(base: sqlite3.Connection, copies: int) -> None:
    """More leaves for the log, as many for each copy as there are, and its tree over them."""
    found = base.execute("SELECT leaf, about FROM log ORDER BY n").fetchall()
    head = Head()
    for leaf, _ in found:
        head.append(leaf_hash(leaf))
    chance = random.Random(1)

    def rows() -> Iterator[tuple[int, bytes, bytes, int]]:
        leaves = islice(cycle(found), len(found) * copies)
        for number, (leaf, about) in enumerate(leaves, len(found)):
            scattered = chance.getrandbits(56) if about else 0
            yield number, leaf, b"".join(head.append(leaf_hash(leaf))), scattered

    base.executemany("INSERT INTO log (n, leaf, nodes, about) VALUES (?, ?, ?, ?)", rows())


@dataclass(slots=True)
class Pair:
    """Two nodes with ``records`` handovers behind them, and what their exchanges cost."""

    records: int
    ours: Exchange
    load: Load

    async def round(self, seconds: float) -> tuple[float, float]:
        """(exchanges a second, microseconds of processor each)."""
        before, began = self.load.ended, time.process_time()
        rate = await self.load.round(self.ours, seconds)
        spent = time.process_time() - began
        return rate, spent / (self.load.ended - before) * 1e6


async def templates(place: Place, stores: tuple[str, str]) -> int:
    """How many exchanges the history is made of."""
    done = asyncio.Event()
    left = TEMPLATES

    def ended(number: int) -> None:
        nonlocal left
        left -= number
        if left <= 0:
            done.set()

    async with exchange(place.fresh(), stores, ended) as ours:
        for _ in range(TEMPLATES):
            await ours.send()
        await asyncio.wait_for(done.wait(), 60)
    return TEMPLATES


def history(place: Place, name: str, records: int, body: int) -> tuple[str, str]:
    """Databases of two nodes that have ``records`` handovers behind them."""
    urls = place.database(f"{name}-origin"), place.database(f"{name}-destination")
    began = time.perf_counter()
    for url, end in zip(urls, ("origin", "destination"), strict=True):
        path = Path(url.removeprefix("sqlite:///"))
        shutil.copy(place.folder / f"template-{end}.db", path)
        grow(path, records // TEMPLATES - 1, body)
    print(f"{records:,} handovers at each end: {time.perf_counter() - began:.0f} s", flush=True)
    return urls


async def run(place: Place, options: argparse.Namespace) -> dict[int, list[tuple[float, float]]]:
    await templates(place, (place.database("template-origin"), place.database("template-destination")))
    found: dict[int, list[tuple[float, float]]] = {}
    async with AsyncExitStack() as stack:
        pairs = []
        for records in (FEW, options.records):
            load = Load(options.in_flight)
            stores = await asyncio.to_thread(history, place, str(records), records, options.body)
            ours = await stack.enter_async_context(exchange(place.fresh(), stores, load.end))
            ours.documents = Documents(first=TEMPLATES + 1)
            pairs.append(Pair(records, ours, load))
            await pairs[-1].round(0.0)
        for _ in range(options.rounds):
            for pair in pairs:
                found.setdefault(pair.records, []).append(await pair.round(options.seconds))
    return found


def report(found: dict[int, list[tuple[float, float]]], options: argparse.Namespace) -> None:
    few, many = found[FEW], found[options.records]
    figures: dict[str, Any] = {
        "measure": "P7: what an exchange costs beside many stored handovers, over beside a thousand",
        "machine": machine(),
        "options": {name: value for name, value in vars(options).items() if name != "keep"},
        "a second": {count: spread([rate for rate, _ in rounds]) for count, rounds in found.items()},
        "us of processor": {count: spread([cost for _, cost in rounds]) for count, rounds in found.items()},
        "P7": ratios([rate for rate, _ in few], [rate for rate, _ in many]),
        "P7 processor": ratios([cost for _, cost in many], [cost for _, cost in few]),
    }
    rows = [
        [f"{count:,}", *figures["a second"][count].values(), *figures["us of processor"][count].values()]
        for count in found
    ]
    heads = ["handovers stored", "a second", "min", "max", "us of processor", "min", "max"]
    rows.append(["cost, times", *figures["P7"].values(), *figures["P7 processor"].values()])
    shown = table(f"{options.rounds} rounds of {options.seconds:g} s, sqlite, by turns", heads, rows)
    publish("stored", shown, figures, options.keep)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=100_000, help="handovers stored at each end")
    parser.add_argument("--body", type=int, default=512, help="bytes kept of a copied envelope")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--keep", type=Path, help=f"folder for the figures, such as {RESULTS}")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with ExitStack() as stack:
        place = Place(stack)
        spare_collections()
        found = asyncio.run(run(place, options))
    report(found, options)


if __name__ == "__main__":
    main()
