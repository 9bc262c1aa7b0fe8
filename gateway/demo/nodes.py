"""Run the demo's two nodes: as two operating-system processes over RabbitMQ, or in this one, embedded."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from gateway.bootstrap import serving
from gateway.demo.boroughs import Borough
from gateway.errors import Misconfigured, Unavailable
from gateway.transports.memory import MemoryBroker, MemoryTransport
from gateway.transports.private_broker import PrivateBroker

READY = 30.0
"""Seconds a node may take from start to ready."""

UNREACHABLE = 5
"""The exit code of ``gateway run`` when the broker or the database does not answer."""


@asynccontextmanager
async def embedded(boroughs: Sequence[Borough]) -> AsyncIterator[list[str]]:
    """Both nodes in this process, over the in-process broker. Yields the addresses of their APIs."""
    broker = MemoryBroker([borough.area for borough in boroughs])
    async with AsyncExitStack() as stack:
        urls = []
        for borough in boroughs:
            transport = MemoryTransport(broker, borough.area)
            served = await stack.enter_async_context(serving(borough.settings, transport=transport))
            urls.append(served.url)
        yield urls


@asynccontextmanager
async def processes(boroughs: Sequence[Borough]) -> AsyncIterator[list[str]]:
    """Each node a ``gateway run`` of its own. Yields the addresses of their APIs."""
    async with AsyncExitStack() as stack:
        started = [await stack.enter_async_context(_process(borough)) for borough in boroughs]
        yield [await _address(borough, process) for borough, process in zip(boroughs, started, strict=True)]


@asynccontextmanager
async def _process(borough: Borough) -> AsyncIterator[asyncio.subprocess.Process]:
    with (borough.folder / "node.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway",
            "run",
            "--config",
            str(borough.config),
            "--json",
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            stdin=asyncio.subprocess.DEVNULL,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def _address(borough: Borough, process: asyncio.subprocess.Process) -> str:
    """The node says where it listens as its first line, once it is ready."""
    assert process.stdout is not None  # noqa: S101 - it was started with a pipe
    try:
        line = await asyncio.wait_for(process.stdout.readline(), READY)
    except TimeoutError:
        line = b""
    if not line:
        raise Misconfigured(
            f"the node of {borough.name} did not start",
            code="demo_node",
            remedy=f"its log is {borough.folder / 'node.log'}",
        )
    said = json.loads(line)
    if "error" in said:
        problem = said["error"]
        kind = Unavailable if await process.wait() == UNREACHABLE else Misconfigured
        raise kind(
            f"the node of {borough.name}: {problem['message']}",
            code=problem["code"],
            remedy=problem["remedy"],
        )
    return str(said["api"])


@asynccontextmanager
async def own_broker(folder: Path) -> AsyncIterator[str]:
    """A RabbitMQ of the demo's own, on free ports of this machine; never the machine's service."""
    folder.mkdir(mode=0o700)
    broker = PrivateBroker()
    await asyncio.to_thread(broker.start, folder)
    try:
        yield broker.url
    finally:
        await asyncio.to_thread(broker.stop)
