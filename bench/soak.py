"""A soak: two real nodes as processes under mixed load and faults, and whether anything of theirs grows.

    make soak MINUTES=60                          # or: .venv/bin/python bench/soak.py --help

Hackney (SQLite) hands over to Bexley (PostgreSQL) over a RabbitMQ of its own; Bexley's agencies answer by
themselves. Standard handovers for one agency and for seven, urgent ones, some with a file, notices about
earlier ones, and reads of the API go on all the time.

Faults come from a seed. In the first half what kills: kill -9 of a node, of the broker. In both halves what
does not: connections closed by the broker, a node or the broker frozen for some seconds. So in the second
half every process is one that ran through, and a straight line through its figures says whether it grows
(``_fit``). A database grows with what it keeps: it is reported by handover, and not judged.

At the end every handover that was accepted must have ended in an answer or a report, or the run has failed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from _fit import Fit, fit
from _report import RESULTS, machine, publish, table
from aiohttp import ClientError, ClientSession, ClientTimeout

from gateway.clock import SystemClock
from gateway.demo import boroughs
from gateway.demo.processes import Client, NodeProcess, documents, nodes
from gateway.demo.story import ACTOR, SETTLED, fresh
from gateway.errors import GatewayError, Unavailable
from gateway.testing.broker import PrivateBroker
from gateway.testing.postgres import Postgres, start_postgres
from schemas.samples import minimal_example

EVERY: Final = 10.0
"""Seconds between two samples."""

BROKER_EVERY: Final = 3
"""Samples between two looks at the broker: each starts an Erlang of its own."""

WARM: Final = 60.0
"""Seconds after a start that are not judged: caches fill, statements are compiled."""

SETTLE: Final = 600.0
FROZEN: Final = (3.0, 8.0)

FLOORS: Final[Mapping[str, float]] = {
    "rss_mb": 8,
    "files": 12,
    "threads": 2,
    "tasks": 16,
    "connections": 3,
    "channels": 3,
    "wal_mb": 64,
    "broker_mb": 512,
}
"""A rise under which nothing counts as growth. A store opens its four readers when they are first needed,
two descriptors each on SQLite; a broker keeps what its quorum queues wrote in memory until it is 512 MiB
(``raft.wal_max_size_bytes``)."""

JUDGED: Final = ("rss_mb", "files", "threads", "tasks")
_COUNTS: Final = (
    "{length(rabbit_networking:connections()), length(rabbit_channel:list()), erlang:memory(total)}."
)


@dataclass(slots=True)
class Run:
    """What is under load, and what was seen."""

    options: argparse.Namespace
    broker: PrivateBroker
    hackney: NodeProcess
    bexley: NodeProcess
    databases: Mapping[str, str]
    client: Client
    http: ClientSession
    dice: random.Random
    began: float = 0.0
    over: asyncio.Event = field(default_factory=asyncio.Event)
    restarted: dict[str, float] = field(default_factory=dict)
    samples: list[dict[str, Any]] = field(default_factory=list)
    faults: list[tuple[float, str]] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)

    @property
    def at(self) -> float:
        return time.monotonic() - self.began

    @property
    def nodes(self) -> Mapping[str, NodeProcess]:
        return {"hackney": self.hackney, "bexley": self.bexley}


# --- load -------------------------------------------------------------------------------------------------


async def _paced(run: Run, rate: float, work: Callable[[], Awaitable[str]]) -> None:
    """``work`` about ``rate`` times a second; one at a time, so a node that is away is not hammered."""
    while not run.over.is_set():
        began = time.monotonic()
        try:
            run.done[await work()] += 1
        except GatewayError as error:
            run.done[f"refused: {error.code}"] += 1
        except (ClientError, TimeoutError):
            run.done["no answer"] += 1
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, run.dice.expovariate(rate) - (time.monotonic() - began))):
                await run.over.wait()


def load(run: Run) -> list[asyncio.Task[None]]:
    now = SystemClock().now
    plain, urgent = documents(now() - 5), documents(now() - 5, urgent=True, first=500_000)

    async def one() -> str:
        await run.client.send(_reissued(plain, now()))
        return "handovers to one agency"

    async def pressing() -> str:
        await run.client.send(_reissued(urgent, now()))
        return "urgent handovers"

    async def seven() -> str:
        document = fresh(json.loads(minimal_example()), now() - 5)
        if run.dice.random() < 0.5:
            document["orders"][0]["attachments"] = [{**await _upload(run), "name": "order.txt"}]
        await run.client.send(document)
        return "handovers to seven agencies" + (
            ", with a file" if "attachments" in document["orders"][0] else ""
        )

    async def notice() -> str:
        ref = run.dice.choice(list(run.client.accepted) or [""])
        key = f"n{run.done['notices']}-{run.dice.random()}"
        words = {"kind": "CORRECTION", "role": "Team leader", "reason_code": "DATA_INACCURATE"}
        await _call(run, "POST", f"/v1/handovers/{ref}/notices", json.dumps(words), {"Idempotency-Key": key})
        return "notices"

    async def look() -> str:
        ref = run.dice.choice(list(run.client.accepted) or [""])
        path = run.dice.choice(
            [
                f"/v1/handovers/{ref}",
                f"/v1/handovers/{ref}/events",
                "/v1/handovers?limit=50",
                "/v1/me",
                "/readyz",
            ]
        )
        await _call(run, "GET", path)
        return "reads"

    rates = run.options.rate
    made = [(0.8 * rates, one), (0.1 * rates, pressing), (0.05 * rates, seven), (0.05 * rates, notice)]
    return [asyncio.create_task(_paced(run, rate, work)) for rate, work in [*made, (rates, look)]]


def _reissued(sheets: Iterator[dict[str, Any]], now: int) -> dict[str, Any]:
    """The number of the next sheet on a document of this moment: an hour-old one would be refused."""
    sheet = next(sheets)
    urgent = sheet["message"].get("urgency") == "URGENT"
    number = int(sheet["message"]["handover_id"][-6:])
    return next(documents(now - 5, urgent=urgent, first=number))


async def _upload(run: Run) -> dict[str, Any]:
    size = run.dice.randrange(1_000, 3_000_000)
    headers = {"Content-Type": "text/plain"}
    answer: dict[str, Any] = await _call(
        run, "POST", "/v1/attachments", b"fictional. " * (size // 11), headers
    )
    return answer


async def _call(
    run: Run,
    method: str,
    path: str,
    body: bytes | str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Any:
    """As the agency that sends. Raises GatewayError for a refusal, Unavailable for no answer."""
    sent = {
        "Authorization": f"Bearer {run.hackney.borough.token}",
        "Gateway-Actor": ACTOR,
        "Content-Type": "application/json",
        **(headers or {}),
    }
    try:
        async with run.http.request(method, run.hackney.url + path, headers=sent, data=body) as response:
            answer = await response.json(content_type=None)
    except (ClientError, TimeoutError, ValueError) as error:
        raise Unavailable("no answer") from error
    if not response.ok:
        raise GatewayError("refused", code=str(answer.get("code", response.status)))
    return answer


# --- faults -----------------------------------------------------------------------------------------------


async def faults(run: Run) -> None:
    """One every ``--pause`` seconds or so; the killing ones in the first half alone."""
    gentle = [_connections_closed, _node_frozen, _broker_frozen]
    harsh = [_node_killed, _node_killed, _broker_killed]
    while not run.over.is_set():
        await asyncio.sleep(run.dice.uniform(0.7, 1.3) * run.options.pause)
        first_half = run.at < 0.45 * run.options.minutes * 60
        if run.at > run.options.minutes * 60 - 15:
            return
        began = run.at
        name = await run.dice.choice([*gentle, *harsh] if first_half else gentle)(run)
        run.faults.append((round(began, 1), name))
        print(f"{began:7.0f} s  {name} ({run.at - began:.1f} s)", file=sys.stderr, flush=True)


async def _node_killed(run: Run) -> str:
    name = run.dice.choice(sorted(run.nodes))
    node = run.nodes[name]
    await node.kill()
    await asyncio.sleep(run.dice.uniform(0, 5))
    await node.start()
    run.restarted[name] = run.at
    return f"{name} killed, ready {node.took:.1f} s after its start"


async def _node_frozen(run: Run) -> str:
    name = run.dice.choice(sorted(run.nodes))
    run.nodes[name].signal(signal.SIGSTOP)
    await asyncio.sleep(run.dice.uniform(*FROZEN))
    run.nodes[name].signal(signal.SIGCONT)
    return f"{name} frozen"


async def _broker_killed(run: Run) -> str:
    await asyncio.to_thread(run.broker.kill)
    await asyncio.to_thread(run.broker.restart)
    run.restarted["broker"] = run.at
    return "broker killed"


async def _broker_frozen(run: Run) -> str:
    await asyncio.to_thread(run.broker.pause)
    await asyncio.sleep(run.dice.uniform(*FROZEN))
    await asyncio.to_thread(run.broker.resume)
    return "broker frozen"


async def _connections_closed(run: Run) -> str:
    await asyncio.to_thread(run.broker.ctl, "close_all_connections", "soak")
    return "connections closed by the broker"


# --- samples ----------------------------------------------------------------------------------------------


async def watch(run: Run) -> None:
    for number in range(1 << 30):
        if run.over.is_set():
            return
        sample: dict[str, Any] = {"at": round(run.at, 1), "accepted": len(run.client.accepted)}
        for name, node in run.nodes.items():
            sample[name] = await _process(run, node)
        if number % BROKER_EVERY == 0 and run.broker.alive and not run.broker.frozen:
            sample["broker"] = await _broker(run)
        sample["bytes"] = _sizes(run)
        run.samples.append(sample)
        with suppress(TimeoutError):
            async with asyncio.timeout(EVERY - (run.at - sample["at"]) % EVERY):
                await run.over.wait()


async def _process(run: Run, node: NodeProcess) -> dict[str, float]:
    try:
        usage = node.usage()
    except (OSError, KeyError):  # it is being started again
        return {}
    found = {"rss_mb": usage.rss / 2**20, "files": usage.files, "threads": usage.threads}
    with suppress(ClientError, TimeoutError):
        async with run.http.get(node.metrics, timeout=ClientTimeout(total=5)) as response:
            tasks = re.search(r"^gateway_asyncio_tasks (\S+)$", await response.text(), re.MULTILINE)
        if tasks:
            found["tasks"] = float(tasks[1])
    return found


async def _broker(run: Run) -> dict[str, float]:
    try:
        said = await asyncio.to_thread(run.broker.ctl, "eval", _COUNTS)
    except Unavailable:
        return {}
    connections, channels, memory = (int(part) for part in re.findall(r"\d+", said)[:3])
    return {"connections": connections, "channels": channels, "broker_mb": memory / 2**20}


def _sizes(run: Run) -> dict[str, int]:
    folder = run.hackney.borough.folder
    files = {"hackney": folder / "gateway.db", "hackney_wal": folder / "gateway.db-wal"}
    return {name: file.stat().st_size if file.exists() else 0 for name, file in files.items()}


# --- the end ----------------------------------------------------------------------------------------------


def unsettled(database: str) -> tuple[int, int]:
    """(legs of ours without an answer or a report, legs) in the origin's database."""
    engine = sa.create_engine(database)
    states = ", ".join(f"'{state}'" for state in sorted(SETTLED))
    try:
        with engine.connect() as connection:
            row = connection.execute(
                sa.text(
                    f"SELECT count(*) FILTER (WHERE state NOT IN ({states})), count(*)"
                    " FROM legs WHERE side = 'origin'"
                )
            ).one()
            return int(row[0]), int(row[1])
    finally:
        engine.dispose()


def missing(run: Run) -> list[str]:
    """References that were accepted and are not in the origin's database, or have no leg at the other end."""
    found = []
    for area in (boroughs.HACKNEY, boroughs.BEXLEY):
        engine = sa.create_engine(run.databases[area])
        with engine.connect() as connection:
            found.append({row[0] for row in connection.execute(sa.text("SELECT ref FROM handovers"))})
        engine.dispose()
    return sorted(ref for ref in run.client.accepted if not all(ref in refs for refs in found))


def repeated(database: str) -> int:
    """Steps of a leg that happened twice: a duplicate that was not told apart."""
    engine = sa.create_engine(database)
    try:
        with engine.connect() as connection:
            twice = "SELECT leg FROM leg_events WHERE before <> after GROUP BY leg, event HAVING count(*) > 1"
            return len(connection.execute(sa.text(twice)).all())
    finally:
        engine.dispose()


async def until_settled(run: Run) -> dict[str, Any]:
    origin = run.databases[boroughs.HACKNEY]
    began = run.at
    left, legs = await asyncio.to_thread(unsettled, origin)
    while left and run.at - began < SETTLE:
        print(f"{run.at:7.0f} s  {left} of {legs} legs wait for an answer", file=sys.stderr, flush=True)
        await asyncio.sleep(2)
        left, legs = await asyncio.to_thread(unsettled, origin)
    return {
        "accepted": len(run.client.accepted),
        "legs": legs,
        "without an answer or a report": left,
        "missing": missing(run),
        "repeated steps": sum(repeated(url) for url in run.databases.values()),
        "seconds until the last was answered": round(run.at - began, 1),
    }


def judged(run: Run) -> dict[str, dict[str, Fit]]:
    """The second half of every process, from a minute after its last start."""
    end = run.samples[-1]["at"] if run.samples else 0.0
    found: dict[str, dict[str, Fit]] = {}
    for name in (*run.nodes, "broker"):
        start = max(end / 2, run.restarted.get(name, 0.0) + WARM if end > 4 * WARM else 0.0)
        kinds = ("connections", "channels", "broker_mb") if name == "broker" else JUDGED
        found[name] = {kind: fit(_points(run, name, kind, start), floor=FLOORS[kind]) for kind in kinds}
    wal = [(s["at"], s["bytes"]["hackney_wal"] / 2**20) for s in run.samples if s["at"] >= end / 2]
    found["hackney"]["wal_mb"] = fit(wal, floor=FLOORS["wal_mb"])
    return found


def _points(run: Run, name: str, kind: str, start: float) -> list[tuple[float, float]]:
    return [
        (sample["at"], sample[name][kind])
        for sample in run.samples
        if sample["at"] >= start and kind in sample.get(name, {})
    ]


def report(run: Run, ledger: Mapping[str, Any], options: argparse.Namespace) -> bool:
    """Whether nothing was lost and nothing grows."""
    fits = judged(run)
    rows = [
        [f"{name} {kind}", one.mean, one.least, one.most, one.rise, one.per_hour, one.samples, one.verdict]
        for name, kinds in fits.items()
        for kind, one in kinds.items()
    ]
    heads = ["second half", "mean", "least", "most", "rise", "per hour", "samples", "verdict"]
    grown = run.samples[-1]["bytes"]["hackney"] - run.samples[0]["bytes"]["hackney"]
    each = grown / max(1, len(run.client.accepted)) / 1024
    lines = [
        table(f"soak of {options.minutes:g} min, seed {options.seed}, {len(run.faults)} faults", heads, rows),
        "",
        *(f"{name}: {value}" for name, value in ledger.items()),
        f"SQLite of the origin: {each:.1f} KiB a handover",
        f"faults: {dict(Counter(re.sub(r', ready .*', '', name) for _, name in run.faults))}",
        f"done: {dict(run.done)}; repeated after no answer: {dict(Counter(run.client.refused))}",
    ]
    lost = ledger["missing"] or ledger["without an answer or a report"] or ledger["repeated steps"]
    good = not lost and all(one.verdict != "grows" for kinds in fits.values() for one in kinds.values())
    lines.append(f"verdict: {'nothing lost, nothing grows' if good else 'LOOK AT IT'}")
    figures = {
        "measure": "soak: growth of every process under mixed load and faults",
        "machine": machine(),
        "options": {name: value for name, value in vars(options).items() if name not in {"keep", "logs"}},
        "ledger": dict(ledger),
        "fits": {name: {kind: asdict(one) for kind, one in kinds.items()} for name, kinds in fits.items()},
        "faults": run.faults,
        "done": dict(run.done),
        "samples": run.samples,
    }
    publish("soak", "\n".join(lines), figures, options.keep)
    return good


async def soak(folder: Path, broker: PrivateBroker, server: Postgres, options: argparse.Namespace) -> bool:
    database = {boroughs.BEXLEY: server.create("bexley")}
    pair = await boroughs.prepare(folder, SystemClock().now(), broker_urls=[broker.url], database=database)
    databases = {one.area: one.settings.database_url for one in pair}
    dice = random.Random(options.seed)
    async with (
        nodes(pair) as (hackney, bexley),
        Client(hackney) as client,
        ClientSession(timeout=ClientTimeout(total=20)) as http,
    ):
        run = Run(options, broker, hackney, bexley, databases, client, http, dice, began=time.monotonic())
        busy = [*load(run), asyncio.create_task(watch(run))]
        faulty = asyncio.create_task(faults(run))
        while run.at < options.minutes * 60:
            await asyncio.sleep(0.5)
            for task in (*busy, faulty):
                if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                    raise error
        await faulty
        run.over.set()
        await asyncio.gather(*busy)
        return report(run, await until_settled(run), options)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument(
        "--rate", type=float, default=6.0, help="handovers and notices a second; as many reads"
    )
    parser.add_argument("--pause", type=float, default=45.0, help="seconds from one fault to the next")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help=f"folder for the figures, such as {RESULTS}")
    parser.add_argument("--logs", type=Path, help="where the nodes' logs are copied to")
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-soak-")))
        broker = PrivateBroker()
        (folder / "broker").mkdir()
        broker.start(folder / "broker")
        stack.callback(broker.close)
        server = stack.enter_context(start_postgres(durable=True))
        try:
            good = asyncio.run(soak(folder, broker, server, options))
        finally:
            _keep_logs(folder, options.logs)
    raise SystemExit(0 if good else 1)


def _keep_logs(folder: Path, place: Path | None) -> None:
    if place is not None:
        place.mkdir(parents=True, exist_ok=True)
        for log in folder.glob("*/node.log"):
            (place / f"soak-{log.parent.name}.log").write_bytes(log.read_bytes())


if __name__ == "__main__":
    main()
