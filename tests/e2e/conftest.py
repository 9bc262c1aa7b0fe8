"""Two real nodes as operating-system processes, over a real broker, with databases of their own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import SystemClock
from gateway.core.states import LEG, LegState
from gateway.demo import boroughs
from gateway.demo.story import Sender, session
from gateway.errors import GatewayError
from gateway.testing.histories import OVERLAY
from schemas.samples import minimal_example, restamp

CRASHING = Path(__file__).with_name("crashing_node.py")
READY = 40.0
ANSWERED = 60.0


@dataclass
class Process:
    """One node's process, which can be killed and started again on the same folder."""

    borough: boroughs.Borough
    process: asyncio.subprocess.Process | None = None
    url: str = ""
    metrics: str = ""
    starts: int = 0

    async def start(self, *crash: str) -> None:
        """``crash``: arguments of ``crashing_node.py``; without them the product's own ``gateway run``."""
        command = [str(CRASHING), *crash] if crash else ["-m", "gateway", "run"]
        with (self.borough.folder / "node.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                *command,
                "--config",
                str(self.borough.config),
                "--json",
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
            )
        self.starts += 1

    async def ready(self) -> bool:
        """Whether it came up; False when it died first."""
        assert self.process is not None
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), READY)
        if line:
            ready = json.loads(line)
            self.url, self.metrics = ready["api"], ready["metrics"]
        return bool(line)

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
            await self.process.wait()

    async def stop(self) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 30)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.returncode is None


@dataclass
class Pair:
    """Hackney and Bexley; ``folder`` holds everything that either writes."""

    folder: Path
    hackney: Process
    bexley: Process
    watched: list[asyncio.Task[None]] = field(default_factory=list)

    async def send(self, document: Mapping[str, Any], *, within: float = ANSWERED) -> str:
        """As a patient client: the same key and body again until the node has said yes."""
        deadline = time.monotonic() + within
        while True:
            try:
                async with session() as client:
                    return await self.sender(client).send(document, key="e2e-1")
            except GatewayError as error:
                if time.monotonic() > deadline:
                    raise AssertionError("the handover was never accepted") from error
            await asyncio.sleep(0.1)

    def sender(self, client: Any) -> Sender:
        return Sender(client, self.hackney.url, self.hackney.borough.token)

    async def all_accepted(self, ref: str, *, within: float = ANSWERED) -> Mapping[str, Any]:
        deadline = time.monotonic() + within
        standing: Mapping[str, Any] = {}
        while time.monotonic() < deadline:
            try:
                async with session() as client:
                    standing = await self.sender(client).look(ref)
            except GatewayError:
                standing = {}
            if standing and all(leg["state"] == "ACCEPTED" for leg in standing["legs"]):
                return standing
            await asyncio.sleep(0.1)
        raise AssertionError(f"not everybody accepted: {json.dumps(standing, indent=1)}")

    def given(self, role: str) -> list[Path]:
        """The notification files that Bexley's agency was given."""
        return sorted((self.bexley.borough.folder / "agencies" / role / "in").glob("notification-*.json"))


@pytest.fixture
def document() -> dict[str, Any]:
    """Example 1, issued a moment ago."""
    return restamp(json.loads(minimal_example()), SystemClock().now() - 5)


@asynccontextmanager
async def pair(folder: Path, broker_url: str, **databases: str) -> AsyncIterator[Pair]:
    """Prepared, not started."""
    hackney, bexley = await boroughs.prepare(
        folder, SystemClock().now(), broker_urls=[broker_url], database=databases
    )
    both = Pair(folder, Process(hackney), Process(bexley))
    try:
        yield both
    finally:
        for task in both.watched:
            task.cancel()
        for node in (both.hackney, both.bexley):
            await node.kill()


async def keep_running(node: Process) -> None:
    """A supervisor such as systemd: whenever the process is gone, start the product again."""
    while True:
        assert node.process is not None
        await node.process.wait()
        await node.start()
        await node.ready()


def histories(database: Path) -> Mapping[str, Sequence[tuple[str, str, str]]]:
    """leg -> (event, before, after) in commit order, read from a stopped node's database."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        rows = connection.execute("select leg, event, before, after from leg_events order by n").fetchall()
    found: dict[str, list[tuple[str, str, str]]] = {}
    for leg, event, before, after in rows:
        found.setdefault(leg, []).append((event, before, after))
    return found


def check_legal(database: Path) -> None:
    """Every history is a path of the table, each step from where the one before it ended."""
    for steps in histories(database).values():
        for event, before, after in steps:
            if OVERLAY.match(event):
                assert before == after
                continue
            assert LEG[LegState(before), event] == after, (event, before, after)
        for (_, _, ended), (_, begins, _) in pairwise(steps):
            assert ended == begins


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY")}
