"""Nodes as processes of the operating system, for tests and trials: started, killed, frozen and measured.

Duty: ``gateway run`` on a prepared folder (:mod:`gateway.demo.boroughs`), signals to it, what the kernel says
of it, and a patient client that hands over one document after another. Left out: brokers
(:mod:`gateway.transports.private_broker`), and what is expected of a run.

Rules: a client repeats the same body under the same key until the node has said yes, as the API asks of it;
so an answer that was lost never makes a second handover.

Example::

    async with nodes(await boroughs.prepare(folder, now, broker_urls=[url])) as (hackney, bexley):
        ref = await Client(hackney).send(documents.next())
        await hackney.kill(); await hackney.start()
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tomllib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

import tomli_w
from aiohttp import ClientSession, ClientTimeout

from gateway.demo.boroughs import Borough
from gateway.demo.story import SETTLED, Sender
from gateway.errors import GatewayError, Unavailable
from gateway.testing.boroughs import with_recipients
from schemas.samples import minimal_example, restamp

READY: Final = 60.0
"""Seconds from start to ready, on a machine that has much else to do."""

AGAIN: Final = 0.1
CALL: Final = 10.0
"""Seconds for one HTTP call: a frozen node answers none."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What the kernel says of one process. ``peak``: the most memory it ever held (VmHWM). Bytes."""

    rss: int
    peak: int
    files: int
    threads: int


def usage(pid: int) -> Usage:
    """Raises OSError when it has ended."""
    lines = (line.partition(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    said = {name: value.split() for name, _, value in lines}
    return Usage(
        int(said["VmRSS"][0]) << 10,
        int(said["VmHWM"][0]) << 10,
        len(list(Path(f"/proc/{pid}/fd").iterdir())),
        int(said["Threads"][0]),
    )


@dataclass(slots=True)
class NodeProcess:
    """One node's process, which can be killed and started again on the same folder."""

    borough: Borough
    process: asyncio.subprocess.Process | None = None
    url: str = ""
    metrics: str = ""
    starts: int = 0
    took: float = 0.0
    """Seconds from the last start to ready."""

    async def start(self) -> None:
        """Return when it is ready. Raises Unavailable when it ends before that or takes too long."""
        began = asyncio.get_running_loop().time()
        with (self.borough.folder / "node.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway", "run", "--config", str(self.borough.config), "--json"),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
            )
        self.starts += 1
        said = await self._first_line()
        self.url, self.metrics = str(said["api"]), str(said["metrics"])
        self.took = asyncio.get_running_loop().time() - began

    async def _first_line(self) -> Mapping[str, Any]:
        assert self.process is not None  # noqa: S101 - set a moment ago
        assert self.process.stdout is not None  # noqa: S101 - it was started with a pipe
        try:
            async with asyncio.timeout(READY):
                line = await self.process.stdout.readline()
        except TimeoutError:
            line = b""
        said: Mapping[str, Any] = json.loads(line) if line else {}
        if "api" not in said:
            await self.kill()
            reason = str(dict(said).get("error", "it said nothing in time"))
            raise Unavailable(
                f"the node of {self.borough.name} did not start: {reason}",
                code="node_process",
                remedy=f"its log is {self.borough.folder / 'node.log'}",
            )
        return said

    @property
    def pid(self) -> int:
        return self.process.pid if self.process is not None else 0

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.returncode is None

    def signal(self, number: int) -> None:
        if self.alive and self.process is not None:
            self.process.send_signal(number)

    async def kill(self) -> None:
        """kill -9. May be called on a dead one."""
        self.signal(signal.SIGKILL)
        if self.process is not None:
            await self.process.wait()

    async def stop(self) -> None:
        """In order: a frozen one hears the signal when it goes on."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        if self.process is not None:
            await self.process.wait()

    def usage(self) -> Usage:
        return usage(self.pid)


@asynccontextmanager
async def nodes(boroughs: Sequence[Borough]) -> AsyncIterator[list[NodeProcess]]:
    """Each a process of its own, started; killed on leaving."""
    made = [NodeProcess(borough) for borough in boroughs]
    try:
        await asyncio.gather(*(one.start() for one in made))
        yield made
    finally:
        for one in made:
            await one.kill()


def configure(borough: Borough, **sections: Mapping[str, Any]) -> None:
    """Change the configuration of a prepared borough, before it starts."""
    table = tomllib.loads(borough.config.read_text())
    for name, values in sections.items():
        table[name] = {**table.get(name, {}), **values}
    borough.config.write_text(tomli_w.dumps(table))


_KEPT: Final = (
    *("schema_version", "fictional", "message", "routing", "core", "move", "risk_to"),
    *("aspirations", "transparency", "retention", "data_quality", "actions"),
)
"""Sections of the case study that a handover to HOUSING alone needs or may show."""

_URGENT: Final = {
    "trigger": "SHOOTING",
    "evidence_ref": "CRIME-0000002/26",
    "verbal_handover": {
        "at": "2026-11-24T10:00:00+00:00",
        "from_role": "EDT manager",
        "to_role": "EDT social worker",
        "callback_verified": True,
    },
    "out_of_hours": False,
    "escalation_chain": ["EDT duty", "Police duty inspector"],
}


def documents(now: int, *, urgent: bool = False, first: int = 1) -> Iterator[dict[str, Any]]:
    """The case study cut down to what HOUSING is sent, issued at ``now``; each under a number of its own.
    Urgent: to the police, too, whom an urgent handover of the night has to name (R14)."""
    slim = restamp(_slim(urgent=urgent), now)
    reference = str(_slim(urgent=False)["message"]["handover_id"])
    text = json.dumps(slim)
    for number in count(first):
        yield json.loads(text.replace(reference, f"{reference[:-6]}{number:06d}"))


def _slim(*, urgent: bool) -> dict[str, Any]:
    agencies = ("HOUSING", "POLICE") if urgent else ("HOUSING",)
    whole = with_recipients(json.loads(minimal_example()), *agencies)
    slim = {name: whole[name] for name in _KEPT}
    shown = ["core", "move", "risk_to", "actions"]
    slim["routing"] = {
        **whole["routing"],
        "recipients": [{**entry, "sections": shown} for entry in whole["routing"]["recipients"]],
    }
    named = {basis for entry in whole["routing"]["recipients"] for basis in entry["lawful_basis"]}
    slim["lawful_basis"] = [basis for basis in whole["lawful_basis"] if basis["id"] in named]
    slim["roles"] = [role for role in whole["roles"] if role["role"] == "AT_RISK"]
    told = slim["roles"][0]["assertion"]
    slim["history"] = [fact for fact in whole["history"] if fact["assertion_id"] == told]
    slim["contacts"] = whole["contacts"][:1]
    if urgent:
        slim |= {"urgent": _URGENT, "message": {**slim["message"], "urgency": "URGENT"}}
        address = {**slim["move"]["new_address"], "visible_to": ["POLICE", "HOUSING"]}
        slim["move"] = {**slim["move"], "new_address": address}
        for entry in slim["routing"]["recipients"]:
            if entry["agency"] == "POLICE":
                entry["victim_inclusion_justification"] = "they answer the calls at the new address"
        slim["contacts"] = [{**one, "out_of_hours": "020 7946 0012"} for one in whole["contacts"]]
    return slim


@dataclass(slots=True)
class Client:
    """An agency at its node's API that does not give up. ``accepted``: reference -> when it was accepted."""

    node: NodeProcess
    accepted: dict[str, float] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    """Codes of answers that were no."""
    _session: ClientSession | None = None

    async def __aenter__(self) -> Client:
        self._session = ClientSession(timeout=ClientTimeout(total=CALL))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def sender(self) -> Sender:
        assert self._session is not None  # noqa: S101 - entered first
        return Sender(self._session, self.node.url, self.node.borough.token)

    async def send(self, document: Mapping[str, Any], *, within: float = 120.0) -> str:
        """Hand over under the reference as the key. Raises the last GatewayError when time is over."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within
        while True:
            try:
                ref = await self.sender.send(document, key=document["message"]["handover_id"])
            except GatewayError as error:
                self.refused.append(error.code)
                if loop.time() > deadline or not _again(error):
                    raise
                await asyncio.sleep(AGAIN)
            else:
                self.accepted.setdefault(ref, loop.time())
                return ref

    async def settled(self, ref: str) -> bool:
        """Whether every leg has ended in an answer or a report."""
        standing = await self.sender.look(ref)
        return all(leg["state"] in SETTLED for leg in standing["legs"])

    async def until_settled(self, ref: str, *, within: float) -> float:
        """Seconds it took from now. Raises TimeoutError."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.timeout(within):
            while True:
                try:
                    if await self.settled(ref):
                        return loop.time() - began
                except GatewayError as error:
                    self.refused.append(error.code)
                await asyncio.sleep(AGAIN)


def _again(error: GatewayError) -> bool:
    """No answer at all, or one that asks to come again. Its class does not travel, its code does."""
    return error.retryable or error.code in _LATER


_LATER: Final = frozenset({"unavailable", "catching_up", "store_unavailable", "disk_full", "too_busy"})
