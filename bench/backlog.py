"""A backlog: a node with very many messages waiting, in its outbox or in its queue at the broker (P9).

    make backlog WAITING=1000000                  # or: .venv/bin/python bench/backlog.py --help

Two parts, each with real nodes as processes, SQLite (or ``--store postgres``) and a RabbitMQ of its own:

- ``outbox``: that many rows wait for a peer for which no broker takes anything. Measured without and with:
  start to ready, resident memory (the most the process ever held), one claim, a handover and an urgent one to
  another peer until its signed answer, reads of the API; then the peer gets its queue, and they drain.
- ``intake``: ``--queued`` messages wait in the queue of a node that was off. Measured: start to ready, an
  urgent handover that was sent last, reads of the API while it catches up, memory, messages a second.

What is real and what is not: the rows of the outbox are clones of one real handover's (its handover, leg,
envelope, outbox and timer), made by SQL under ids of their own, so each has the size of a real one. The
messages of the queue are ``--real`` sealed handovers, sent over and over: beyond those the node proves,
decrypts and tells apart a repeat, and stores nothing new.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import logging
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final

import psycopg
import structlog
from _report import RESULTS, machine, publish, table
from aiohttp import ClientSession
from aiormq import connect

from gateway.clock import SystemClock
from gateway.core.envelope import bundle
from gateway.demo import boroughs
from gateway.demo.processes import Client, NodeProcess, documents, nodes
from gateway.flows.dispatch import BULK, LEASE, URGENT, WINDOW
from gateway.ports import Lane, Outgoing
from gateway.stores import open_store
from gateway.testing.broker import PrivateBroker
from gateway.testing.postgres import start_postgres
from gateway.transports import topology
from gateway.transports.rabbit import RabbitTransport

AWAY: Final = "E09000033"
"""An area that no queue stands for: nothing is taken for it until :func:`_give_queue`."""

TRIES: Final = 10
PATIENCE: Final = 120.0
DRAIN: Final = 15.0
"""Seconds for which the outbox is watched while it drains: a rate does not need the whole million."""

EMPTY: Final = 300.0
"""Seconds for which a queue is watched while it drains, at most."""

WIDE: Final = 512
"""Messages on their way to the broker at once while a queue is filled."""

SQLITE: Final = "sqlite:///"

Figures = dict[str, Any]
Urls = Mapping[str, str]


def database(node: NodeProcess) -> str:
    return node.borough.settings.database_url


def ask(url: str, question: str, *values: object) -> list[tuple[Any, ...]]:
    if _lite(url):
        with closing(
            sqlite3.connect(f"file:{url.removeprefix(SQLITE)}?mode=ro", uri=True, timeout=10)
        ) as lite:
            return lite.execute(question, values).fetchall()
    with postgres(url) as connection:
        return connection.execute(question.replace("?", "%s"), values).fetchall()


def postgres(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    return psycopg.connect(url.replace("+psycopg", ""))


# --- rows that wait ---------------------------------------------------------------------------------------


def fill(url: str, ref: str, first: int, count: int, now: int) -> None:
    """Clones of the handover ``ref``, numbered from ``first`` on, for an area that is away."""
    ((mid,),) = ask(url, "SELECT mid FROM legs WHERE ref = ?", ref)
    with closing(sqlite3.connect(url.removeprefix(SQLITE)) if _lite(url) else postgres(url)) as connection:
        if _lite(url):
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute("PRAGMA cache_size=-200000")
            number, name = "printf('%032x', i)", "printf('HO-E09000012-2027-%07d', i)"
        else:
            number, name = "lpad(to_hex(i), 32, '0')", "'HO-E09000012-2027-' || lpad(i::text, 7, '0')"
        sealed = {"mid": number, "peer": f"'{AWAY}'", "stream": "'b'", "seq": "i", "ref": name}
        waits = {"id": number, "mid": number, "peer": f"'{AWAY}'", "state": "'waiting'", "attempts": "0"}
        _clone(connection, "envelopes", f"mid = '{mid}' AND side = 'origin'", sealed, first, count)
        _clone(connection, "outbox", f"mid = '{mid}'", {**waits, "due": str(now)}, first, count)
        _clone(connection, "handovers", f"ref = '{ref}'", {"id": number, "ref": name}, first, count)
        leg = {"id": number, "ref": name, "mid": number, "state": "'QUEUED'"}
        _clone(connection, "legs", f"ref = '{ref}'", leg, first, count)
        due = {"subject": name, "due": str(now + 4 * 3600)}
        _clone(connection, "timers", f"subject = '{ref}' AND kind = 'undelivered'", due, first, count)
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)" if _lite(url) else "ANALYZE")
        connection.commit()


def _lite(url: str) -> bool:
    return url.startswith(SQLITE)


def _clone(
    connection: Any,  # of either database
    name: str,
    where: str,
    changed: Mapping[str, str],
    first: int,
    count: int,
) -> None:
    head = connection.execute(f"SELECT * FROM {name} LIMIT 0").description
    columns = [column[0] for column in head if column[0] != "n"]
    values = ", ".join(changed.get(column, f"t.{column}") for column in columns)
    connection.execute(
        f"WITH RECURSIVE numbers(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM numbers"
        f" WHERE i < {first + count - 1}) INSERT INTO {name} ({', '.join(columns)})"
        f" SELECT {values} FROM numbers CROSS JOIN (SELECT * FROM {name} WHERE {where} LIMIT 1) AS t"
    )


# --- measures ---------------------------------------------------------------------------------------------


async def answered(client: Client, sheets: Iterator[dict[str, Any]], tries: int = TRIES) -> list[float]:
    """Milliseconds from handing in to the agency's signed answer stored here, one after the other."""
    file, took = database(client.node), []
    for _ in range(tries):
        began = time.perf_counter()
        ref = await client.send(next(sheets))
        async with asyncio.timeout(PATIENCE):
            while ask(file, "SELECT count(*) FROM legs WHERE ref = ? AND state = 'ACCEPTED'", ref) == [(0,)]:  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.005)
        took.append((time.perf_counter() - began) * 1000)
    return took


async def reads(node: NodeProcess, until: Callable[[], bool], pause: float = 0.1) -> list[float]:
    """Milliseconds of GETs, a few a second for as long as it takes."""
    took = []
    headers = {"Authorization": f"Bearer {node.borough.token}", "Gateway-Actor": 'bench;role="Bench"'}
    async with ClientSession(headers=headers) as session:
        for path in itertools.cycle(("/v1/me", "/v1/handovers?limit=20", "/v1/inbox?limit=20", "/readyz")):
            began = time.perf_counter()
            async with session.get(node.url + path) as response:
                await response.read()
            took.append((time.perf_counter() - began) * 1000)
            if until():
                return took
            await asyncio.sleep(pause)
    return took


async def scrape(node: NodeProcess) -> float:
    async with ClientSession() as session:
        began = time.perf_counter()
        async with session.get(node.metrics) as response:
            await response.read()
        return (time.perf_counter() - began) * 1000


async def claims(node: NodeProcess, lanes: Sequence[Lane]) -> list[float]:
    """Milliseconds of one claim, while the node is off. What is claimed here is taken up when it starts."""
    store = open_store(node.borough.settings.database_url)
    await store.start()
    took = []
    try:
        for _ in range(TRIES):
            began = time.perf_counter()
            await store.write(lambda tx: tx.claim_outbox(SystemClock().now(), WINDOW, LEASE, lanes))
            took.append((time.perf_counter() - began) * 1000)
    finally:
        await store.close()
    return took


def p99(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


def mb(size: float) -> float:
    return round(size / 2**20, 1)


async def settled(true: Callable[[], bool], patience: float = PATIENCE) -> None:
    async with asyncio.timeout(patience):
        while not true():  # noqa: ASYNC110 - what other processes do is looked at
            await asyncio.sleep(0.1)


# --- the outbox -------------------------------------------------------------------------------------------


async def outbox(
    folder: Path, broker: PrivateBroker, sizes: Sequence[int], urls: Mapping[str, str]
) -> list[Figures]:
    now = SystemClock().now()
    pair = await boroughs.prepare(folder, now, broker_urls=[broker.url], database=urls)
    plain, urgent = documents(now - 5), documents(now - 5, urgent=True, first=500_000)
    found: list[Figures] = []
    async with nodes(pair) as (hackney, _), Client(hackney) as client:
        await answered(client, plain, 3)  # statements are compiled
        ref = next(iter(client.accepted))
        there = 0
        for size in sizes:
            await hackney.stop()
            if size:
                tell(f"outbox: making {size - there:,} rows")
                await asyncio.to_thread(fill, database(hackney), ref, there + 1, size - there, now)
                there = size
            found.append(await _with(size, hackney, client, plain, urgent))
            tell(str(found[-1]))
        await _give_queue(broker)
        found[-1]["drained/s"] = await _drained(database(hackney))
        found[-1]["memory MB after draining"] = mb(hackney.usage().peak)
    return found


async def _with(
    size: int, hackney: NodeProcess, client: Client, plain: Iterator[Any], urgent: Iterator[Any]
) -> Figures:
    bulk_claims, urgent_claims = await claims(hackney, BULK), await claims(hackney, URGENT)
    await hackney.start()
    figures: Figures = {
        "waiting": size,
        "start s": round(hackney.took, 2),
        "claim ms": statistics.median(bulk_claims),
        "urgent claim ms": statistics.median(urgent_claims),
    }
    await asyncio.sleep(5)  # it tries what waits
    handovers, pressing = await answered(client, plain), await answered(client, urgent)
    figures["handover ms"] = statistics.median(handovers)
    figures["urgent ms"] = statistics.median(pressing)
    figures["urgent worst ms"] = max(pressing)
    stop = time.monotonic() + 5
    figures["read p99 ms"] = p99(await reads(hackney, lambda: time.monotonic() > stop))
    figures["metrics ms"] = await scrape(hackney)
    usage = hackney.usage()
    figures["memory MB"], figures["peak MB"] = mb(usage.rss), mb(usage.peak)
    figures["disk MB"] = _disk(database(hackney))
    return figures


def _disk(url: str) -> float:
    if _lite(url):
        return mb(Path(url.removeprefix(SQLITE)).stat().st_size)
    return mb(ask(url, "SELECT pg_database_size(current_database())")[0][0])


async def _give_queue(broker: PrivateBroker) -> None:
    connection = await connect(broker.url)
    try:
        channel = await connection.channel()
        queue, exchange = topology.intake(AWAY, Lane.STANDARD), topology.outgoing(boroughs.HACKNEY)
        await channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        await channel.queue_bind(queue, exchange, routing_key=topology.routing_key(AWAY, Lane.STANDARD))
    finally:
        await connection.close()


async def _drained(url: str) -> float:
    """Rows that left, a second, from the first on."""
    left = f"SELECT count(*) FROM outbox WHERE state <> 'settled' AND state = 'published' AND peer = '{AWAY}'"
    await settled(lambda: ask(url, left)[0][0] > 0)
    began, before = time.monotonic(), ask(url, left)[0][0]
    await asyncio.sleep(DRAIN)
    gone: int = ask(url, left)[0][0] - before
    return gone / (time.monotonic() - began)


# --- the intake -------------------------------------------------------------------------------------------


async def intake(
    folder: Path, broker: PrivateBroker, waiting: int, real: int, urls: Mapping[str, str]
) -> Figures:
    now = SystemClock().now()
    pair = await boroughs.prepare(folder, now, broker_urls=[broker.url], database=urls)
    plain, urgent = documents(now - 5), documents(now - 5, urgent=True, first=500_000)
    async with nodes(pair) as (hackney, bexley), Client(hackney) as client:
        await answered(client, plain, 1)
        await bexley.stop()
        for _ in range(real):
            await client.send(next(plain))
        await settled(lambda: _left(database(hackney)))
        bodies = [
            row[0] for row in ask(database(hackney), "SELECT body FROM envelopes WHERE side = 'origin'")
        ]
        tell(f"intake: {waiting:,} messages")
        began = time.monotonic()
        await _repeat(broker, [body for body in bodies if len(body) > 2000], waiting)
        filled = waiting / (time.monotonic() - began)
        last = await client.send(next(urgent))
        return {**await _caught_up(broker, bexley, last, waiting), "filled/s": filled}


def _left(file: Path) -> bool:
    return ask(file, "SELECT count(*) FROM outbox WHERE state = 'waiting'") == [(0,)]


async def _repeat(broker: PrivateBroker, bodies: Sequence[bytes], waiting: int) -> None:
    """One envelope a message, as a peer sends that has little to say."""
    transport = RabbitTransport(broker.url, boroughs.HACKNEY)
    await transport.start()
    room = asyncio.Semaphore(WIDE)
    endless = itertools.cycle(bodies)

    async def one(number: int) -> None:
        try:
            body = bundle([next(endless)])
            await transport.publish(
                Outgoing(to=boroughs.BEXLEY, lane=Lane.STANDARD, body=body, message_id=f"{number:032x}")
            )
        finally:
            room.release()

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(waiting):
                await room.acquire()
                group.create_task(one(number))
    finally:
        await transport.close()


async def _caught_up(broker: PrivateBroker, bexley: NodeProcess, last: str, waiting: int) -> Figures:
    began = time.monotonic()
    await bexley.start()
    figures: Figures = {"waiting": waiting, "start s": round(bexley.took, 2)}
    there = await asyncio.to_thread(_depth, broker)
    over = asyncio.Event()
    reading = asyncio.create_task(reads(bexley, over.is_set))
    arrived = "SELECT count(*) FROM handovers WHERE ref = ?"
    await settled(lambda: ask(database(bexley), arrived, last) == [(1,)])
    figures["urgent after s"] = round(time.monotonic() - began, 2)
    before, at = there, time.monotonic()
    await _empty(broker, at)
    left = await asyncio.to_thread(_depth, broker)
    figures["messages/s"] = (before - left) / (time.monotonic() - at)
    figures["left"] = left
    over.set()
    figures["read p99 ms"] = p99(await reading)
    usage = bexley.usage()
    figures["memory MB"], figures["peak MB"] = mb(usage.rss), mb(usage.peak)
    return figures


async def _empty(broker: PrivateBroker, began: float) -> None:
    while await asyncio.to_thread(_depth, broker) and time.monotonic() - began < EMPTY:  # noqa: ASYNC110 - a broker's queue
        await asyncio.sleep(1)


def _depth(broker: PrivateBroker) -> int:
    queue = topology.intake(boroughs.BEXLEY, Lane.STANDARD)
    rows = (row.split("\t") for row in broker.ctl("list_queues", "name", "messages").splitlines())
    return next((int(row[1]) for row in rows if row[0] == queue), 0)


# --- the report -------------------------------------------------------------------------------------------


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def report(found: Mapping[str, Sequence[Figures]], options: argparse.Namespace) -> None:
    shown = []
    for name, rows in found.items():
        heads = list(dict.fromkeys(head for row in rows for head in row))
        cells = [
            [f"{value:,}" if head == "waiting" else value for head, value in row.items()] for row in rows
        ]
        padded = [[*row, *[""] * (len(heads) - len(row))] for row in cells]
        shown.append(table(name, heads, padded))
    figures = {
        "measure": "P9: resident memory, start and latency with messages waiting",
        "machine": machine(),
        "options": {name: value for name, value in vars(options).items() if name != "keep"},
        **found,
    }
    publish("backlog", "\n\n".join(shown), figures, options.keep)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--waiting", type=int, default=20_000, help="rows in the outbox")
    parser.add_argument(
        "--queued", type=int, default=20_000, help="messages in the queue of a node that was off"
    )
    parser.add_argument("--real", type=int, default=100, help="of those, handovers that differ")
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--only", choices=("outbox", "intake"), nargs="+", default=("outbox", "intake"))
    parser.add_argument("--keep", type=Path, help=f"folder for the figures, such as {RESULTS}")
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-backlog-")))
        found: dict[str, Sequence[Figures]] = {}
        work: dict[str, Callable[[Path, PrivateBroker, Urls], Coroutine[Any, Any, Sequence[Figures]]]] = {
            "outbox": lambda place, broker, urls: outbox(place, broker, _sizes(options.waiting), urls),
            "intake": lambda place, broker, urls: _listed(
                intake(place, broker, options.queued, options.real, urls)
            ),
        }
        server = stack.enter_context(start_postgres(durable=True)) if options.store == "postgres" else None
        for name in options.only:
            broker = PrivateBroker()
            (folder / f"broker-{name}").mkdir()
            broker.start(folder / f"broker-{name}")
            try:
                urls = {
                    area: server.create(f"{name}_{area.lower()}")
                    for area in (boroughs.HACKNEY, boroughs.BEXLEY)
                    if server is not None
                }
                found[name] = asyncio.run(work[name](folder / name, broker, urls))
            finally:
                broker.close()
        report(found, options)


def _sizes(waiting: int) -> list[int]:
    return [0, *(size for size in (1_000, 100_000) if size < waiting), waiting]


async def _listed(one: Awaitable[Figures]) -> Sequence[Figures]:
    return [await one]


if __name__ == "__main__":
    main()
