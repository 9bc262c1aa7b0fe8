"""Several processes of one area on one PostgreSQL, and their peer, for tests that restart them under load."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from gateway.clock import SystemClock
from gateway.core.merkle import leaf_hash, root_at, root_of
from gateway.core.states import LEG, LegState
from gateway.demo import boroughs
from gateway.demo.processes import configure
from gateway.ports import HandoverRow, LegEvent, Transaction, WorkerRow
from gateway.stores import open_store
from gateway.testing.boroughs import BEXLEY, HACKNEY
from gateway.testing.chaos.agencies import Agencies
from gateway.testing.chaos.load import Client, document
from gateway.testing.histories import OVERLAY
from gateway.transports.rabbit import declare
from keys_example import AGENCIES

ROOT = Path(__file__).parents[2]
READY = 60.0
SECRET = b"whsec_" + b"Y2hhb3Mtc2VjcmV0LW9mLXRoaXJ0eS10d28tYnl0ZXMh"
PACE = {"poll": 0.5, "sweep": 1.0, "resend": 2, "resend_cap": 4, "adapter_timeout": 3}


class Obliging(Agencies):
    """Each agency accepts at once, and writes every call down."""

    def decision(self, leg: str) -> tuple[str, bool]:
        return "ACCEPTED", True


@dataclass(slots=True)
class Process:
    """One ``gateway run`` of an area. ``code``: another release's tree than the one under test."""

    config: Path
    role: str = "all"
    code: Path | None = None
    url: str = ""
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> Process:
        role = [] if self.code else ["--role", self.role]  # the release before has no such option
        with (self.config.parent / "node.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway", "run", "--config", str(self.config), "--json", *role),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
                cwd=self.code or ROOT,
                env=environment(self.code),
            )
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), READY)
        assert line, (self.config.parent / "node.log").read_text()[-3000:]
        said = json.loads(line)
        assert "api" in said, said
        self.url = said["api"]
        return self

    def send(self, number: int) -> None:
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    async def kill(self) -> None:
        self.send(signal.SIGKILL)
        if self.process is not None:
            await self.process.wait()

    async def stop(self) -> int:
        """As a supervisor does. Returns the exit code."""
        self.send(signal.SIGTERM)
        assert self.process is not None
        return await asyncio.wait_for(self.process.wait(), 30)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.returncode is None


def environment(code: Path | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GATEWAY", "PYTHON"))}
    return kept | ({"PYTHONPATH": str(code)} if code else {})


@dataclass
class Siblings:
    """``processes``: everything that runs, by area. ``agencies``: Bexley's, with their journal."""

    configs: Mapping[str, Path]
    databases: Mapping[str, str]
    agencies: Agencies
    client: Client
    processes: dict[str, list[Process]] = field(default_factory=lambda: defaultdict(list))
    sent: int = 0

    async def start(self, area: str, role: str = "all", code: Path | None = None) -> Process:
        process = await Process(self.configs[area], role, code).start()
        self.processes[area].append(process)
        return process

    async def hand_in(self, count: int, every: float = 0.2, agencies: Sequence[str] = ("POLICE",)) -> None:
        """``count`` handovers, each until the node has said yes."""
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                self.sent += 1
                body = document(7, self.sent, agencies, SystemClock().now() - 5)
                group.create_task(self.client.hand_in(body, f"w{self.sent}", agencies))
                await asyncio.sleep(every)
        assert self.client.refused == []

    async def all_opened(self, within: float = 40.0) -> None:
        """Every leg of everything that was said yes to: the agency's signed receipt is with the origin."""
        await self._none_left(_unopened, within)

    async def all_accepted(self, within: float = 40.0) -> None:
        """The same, and what each agency said in its reply to the parcel is there, too."""
        await self._none_left(_unaccepted, within)

    async def _none_left(self, look: Callable[[set[str], Transaction], set[str]], within: float) -> None:
        left = set(self.client.accepted)
        try:
            async with asyncio.timeout(within):
                while left := await self.read(HACKNEY, partial(look, left)):  # noqa: ASYNC110 - processes
                    await asyncio.sleep(0.3)
        except TimeoutError:
            told = [f"{area}: {await self.read(area, _standing)}" for area in self.configs]
            raise AssertionError(f"{len(left)} are not settled: {sorted(left)}; {told}") from None

    async def read(self, area: str, work: Any) -> Any:
        store = open_store(self.databases[area], readers=1)
        await store.start()
        try:
            return await store.read(work)
        finally:
            await store.close()

    async def workers(self, area: str) -> Sequence[WorkerRow]:
        found: Sequence[WorkerRow] = await self.read(area, lambda tx: tx.workers())
        return found

    async def close(self) -> None:
        for process in (one for found in self.processes.values() for one in found):
            process.send(signal.SIGCONT)
            await process.kill()
        await self.agencies.close()

    def given(self) -> Mapping[str, set[str]]:
        """Leg -> the keys under which its agency was given the handover."""
        keys: dict[str, set[str]] = defaultdict(set)
        for call in self.agencies.journal:
            if call["kind"] == "handover.notification":
                keys[call["leg"]].add(call["key"])
        return keys

    async def check(self, *, answers: bool = True) -> None:
        """What must hold after every history: nothing lost, nothing told twice under two names, every history
        a path of the table, each log one tree, and nobody was alarmed. ``answers`` False: a release that
        loses what it is told in a reply took part, and was killed."""
        await (self.all_accepted() if answers else self.all_opened())
        given = self.given()
        expected = sum(len(made.agencies) for made in self.client.accepted.values())
        assert len(given) == expected
        assert {len(keys) for keys in given.values()} == {1}, "an adapter was called again under another key"
        for area in self.configs:
            await self.read(area, _consistent)


def _unopened(refs: set[str], tx: Transaction) -> set[str]:
    return {ref for ref in refs if not all(leg.opened for leg in tx.legs(ref, 1))}


def _unaccepted(refs: set[str], tx: Transaction) -> set[str]:
    return {ref for ref in refs if not all(leg.state == "ACCEPTED" for leg in tx.legs(ref, 1))}


def _standing(tx: Transaction) -> tuple[object, ...]:
    return tx.counts(), tx.workers(), tx.leader(), tx.alarms(), tx.gaps()


def _consistent(tx: Transaction) -> None:
    assert [alarm.code for alarm in tx.alarms()] == []
    leaves = tx.log(0, tx.log_size() + 1)
    assert [index for index, _ in leaves] == list(range(tx.log_size()))
    assert root_of(leaf_hash(leaf) for _, leaf in leaves) == root_at(tx.log_size(), tx.log_nodes)
    rows: Sequence[HandoverRow] = tx.handovers(side=None, principal=None, before="", limit=1000)
    assert rows
    for row in rows:
        for leg in tx.legs(row.ref, row.version):
            _legal(tx.history(leg.id))


def _legal(steps: Sequence[LegEvent]) -> None:
    for step in steps:
        if OVERLAY.match(step.event):
            assert step.before == step.after
        else:
            assert LEG[LegState(step.before), step.event] == step.after
    for first, second in pairwise(steps):
        assert first.after == second.before


@asynccontextmanager
async def siblings(
    folder: Path, broker: str, databases: Mapping[str, str], *, old: Path | None = None, **timing: float
) -> AsyncIterator[Siblings]:
    """Prepared, not started. ``old``: by the release in that tree, so that its tables are that release's."""
    home = folder / "areas"
    if old is None:
        made = await boroughs.prepare(home, SystemClock().now(), broker_urls=[broker], database=databases)
        token = made[0].token
    else:
        token = await asyncio.to_thread(_prepare_old, old, home, broker, databases)
    agencies = Obliging(folder / "agencies", seed=7)
    await agencies.start()
    configs = {HACKNEY: home / "hackney" / "gateway.toml", BEXLEY: home / "bexley" / "gateway.toml"}
    (folder / "webhook").write_bytes(SECRET)
    (folder / "webhook").chmod(0o600)
    for area, config in configs.items():
        borough = boroughs.Borough(area, area, config.parent, token)
        desks = _agencies(area, agencies, folder / "webhook")
        configure(borough, timing=PACE | timing, agencies=desks, broker={"create": False})
    await declare(broker, [HACKNEY, BEXLEY])  # an operator's, as in production: releases differ in theirs
    made_ = Siblings(configs, databases, agencies, Client(lambda: "", token, folder))
    made_.client.address = lambda: next(one.url for one in made_.processes[HACKNEY] if one.alive and one.url)
    try:
        yield made_
    finally:
        await made_.close()


def _agencies(area: str, agencies: Agencies, secret: Path) -> Mapping[str, Any]:
    return {
        role: {
            "adapter": "webhook",
            "options": {"url": agencies.url(f"{area}/{role}"), "secret_file": str(secret), "timeout": 2.0},
        }
        for role in AGENCIES
    }


_OLD = """
import asyncio, json, sys
from pathlib import Path
from gateway.clock import SystemClock
from gateway.demo import boroughs
folder, broker, databases = sys.argv[1:]
made = asyncio.run(boroughs.prepare(
    Path(folder), SystemClock().now(), broker_urls=[broker], database=json.loads(databases)))
print(made[0].token)
"""


def _prepare_old(code: Path, folder: Path, broker: str, databases: Mapping[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _OLD, str(folder), broker, json.dumps(databases)],
        cwd=code, env=environment(code), capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout.split()[-1]
