"""``gateway run``: one process of a node, until it is told to stop; ``gateway workers``: those that run."""

from __future__ import annotations

import asyncio
import importlib
import resource
import signal
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.output import ConfigOption, JsonFlag, colours, emit, errors, say

if TYPE_CHECKING:  # heavy: imported when a node really starts, so that --help stays quick
    from gateway.config import Settings
    from gateway.ports import Role, WorkerRow


RoleOption = Annotated[
    str,
    typer.Option(
        "--role",
        help="all, api (answers agencies and leaves the work to others) or worker (takes, sends, delivers).",
        metavar="all|api|worker",
    ),
]


def run(config: ConfigOption = None, role: RoleOption = "all", as_json: JsonFlag = False) -> None:
    """Run this area's node until SIGTERM or Ctrl-C. Prints where the API listens once it is ready.

    On PostgreSQL several run side by side, as one process or as API and workers: docs/operations.md.
    """
    from gateway.config import load
    from gateway.logs import configure

    with errors(as_json=as_json):
        configure(colours=colours())
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold every key in memory
        settings = load(config)
        _loop()(_serve(settings, as_json, _role(role)))


def _role(name: str) -> Role:
    from gateway.errors import Misconfigured
    from gateway.ports import Role

    try:
        return Role(name)
    except ValueError:
        raise Misconfigured(
            "there is no such role", code="role", field="--role", remedy="use all, api or worker"
        ) from None


async def _serve(settings: Settings, as_json: bool, role: Role) -> None:
    from gateway.bootstrap import serving

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    async with serving(settings, role=role) as served:
        ready = {"area": settings.area, "api": served.url, "metrics": served.metrics}
        where = f"at {served.url}" if served.url else "to work"
        emit(ready, as_json=as_json, text=f"{settings.area} is ready {where}")
        await stop.wait()
        say("stopping: finishing what is in hand")


def _loop() -> Callable[[Coroutine[Any, Any, None]], None]:
    """uvloop where it is installed (the extra ``fast``), else asyncio's own."""
    try:
        return importlib.import_module("uvloop").run  # type: ignore[no-any-return]  # it ships no types
    except ImportError:
        return asyncio.run


def workers(config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """The processes of this area: which run, what they do, their release, and when each gave a sign."""
    from gateway.cli import database
    from gateway.config import load
    from gateway.flows.show import when

    with errors(as_json=as_json):
        settings = load(config)
        rows, leader = database.read(settings, lambda tx: (tx.workers(), tx.leader()))
        listed = [
            {
                "worker": row.id,
                "role": row.role.value,
                "version": row.version,
                "place": row.place,
                "started": when(row.started),
                "beat": when(row.at),
                "ready": row.ready,
                "leads": row.id == leader,
            }
            for row in rows
        ]
        lines = [_line(row, leads=row.id == leader) for row in rows]
        emit({"workers": listed}, as_json=as_json, text="\n".join(lines) or "no process of this area runs")


def _line(row: WorkerRow, *, leads: bool) -> str:
    from gateway.flows.show import when

    said = [row.id[:8], f"{row.role.value:6}", row.version, row.place, f"last sign {when(row.at)}"]
    said += [] if row.ready else ["reads its urgent lane first"]
    return "  ".join([*said, "leads"] if leads else said)
