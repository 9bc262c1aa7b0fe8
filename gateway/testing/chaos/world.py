"""Everything that takes part in a history: two nodes as processes, their lines, a broker, agencies, a client.

Duty: make them in one folder, start them, bring everything back to health, stop them. Each node has an
account of its own on the broker, with the permissions of ``gateway broker definitions`` and no more, and
reaches it through a line that can be cut (:mod:`gateway.testing.chaos.proxy`). It leaves out what goes wrong
and when (:mod:`gateway.testing.chaos.faults`) and what must hold then (:mod:`gateway.testing.chaos.oracles`).

Example::

    with PrivateHub() as hub:
        async with world(folder, hub, seed=1) as there:
            await there.client.hand_in(body, key="h1", agencies=["POLICE"])
            await there.quiet(60)
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import tomli_w

from gateway.clock import SystemClock
from gateway.config import load
from gateway.core.ceremony import Bundle
from gateway.core.entitlements import ENTITLEMENTS
from gateway.flows.tokens import issue
from gateway.flows.trust import join
from gateway.ports import Transaction
from gateway.stores import open_store
from gateway.stores.migrations import upgrade
from gateway.testing.boroughs import BEXLEY, HACKNEY
from gateway.testing.chaos import disks
from gateway.testing.chaos.agencies import Agencies
from gateway.testing.chaos.authority import Authority
from gateway.testing.chaos.load import Client
from gateway.testing.chaos.process import NodeProcess
from gateway.testing.chaos.proxy import Proxy
from gateway.transports import definitions
from gateway.transports.private_broker import Membership, PrivateBroker, free_ports
from gateway.transports.rabbit import declare
from keys_example import AGENCIES, PASSPHRASE, demo_network, install

AREAS: Final = (HACKNEY, BEXLEY)
SENDER: Final = f"{HACKNEY}/community_safety"
ROLES: Final[Mapping[str, str]] = {agency: role for role, (agency, _) in AGENCIES.items()}
"""Agency type -> role."""

TIMING: Final = {
    "poll": 0.25, "sweep": 1.0, "resend": 1, "resend_cap": 3, "adapter_timeout": 3, "heartbeat": 60,
}  # fmt: skip
"""Seconds: quick enough that a history of seconds sees what a day of operation would."""

WEBHOOK: Final = 2.0
FLOOR: Final = 2
"""MiB: the small disk of a history has less than a node usually wants to be free."""


class PrivateHub:
    """A broker for many histories, one virtual host each, with an account for each area."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder.with_name(f"{folder.name}-tls"))
        (self.secured,) = free_ports(1)
        self.broker = PrivateBroker(member=Membership(settings=self._tls()))
        self.password = secrets.token_hex(16)
        self.vhost = ""

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        self.broker.start(self.folder)
        self._eval(
            *(
                f'rabbit_auth_backend_internal:add_user(<<"{area}">>, <<"{self.password}">>, <<"chaos">>)'
                for area in AREAS
            )
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.broker.close()

    def _tls(self) -> tuple[str, ...]:
        return (
            f"listeners.ssl.1 = 127.0.0.1:{self.secured}",
            f"ssl_options.cacertfile = {self.authority.ca}",
            f"ssl_options.certfile = {self.authority.chain}",
            f"ssl_options.keyfile = {self.authority.key}",
            "ssl_options.verify = verify_none",
        )

    @property
    def port(self) -> int:
        """Without TLS: for the hands in the wire."""
        return int(self.broker.url.rpartition("@")[2].partition("/")[0].rpartition(":")[2])

    def fresh(self) -> None:
        """A new virtual host; the one before goes, with everything that lay in it."""
        if self.vhost:
            self.broker.discard_vhost(f"/{self.vhost}")
        self.vhost = self.broker.fresh_vhost().rpartition("/")[2]
        self._eval(*(self.permit(area) for area in AREAS))

    def permit(self, area: str, *, nothing: bool = False) -> str:
        """The call that gives an account what it needs, or takes it."""
        told = definitions.permission(area, self.vhost)
        rights = ["^$"] * 3 if nothing else [told[what] for what in ("configure", "write", "read")]
        quoted = ", ".join(f"<<{json.dumps(right)}>>" for right in rights)
        return (
            f'rabbit_auth_backend_internal:set_permissions(<<"{area}">>, <<"{self.vhost}">>, {quoted}, '
            '<<"chaos">>)'
        )

    def url(self, area: str = "", port: int = 0) -> str:
        """``area`` "": the operator's account. ``port``: of a line, with TLS; 0: the broker's own."""
        own = self.broker.url.rpartition("/")[0]
        if area:
            own = f"amqp://{area}:{self.password}@127.0.0.1:{self.port}"
        if port:
            place = f"{area}:{self.password}@127.0.0.1:{port}/{self.vhost}"
            return f"amqps://{place}"
        return f"{own}/{self.vhost}"

    def _eval(self, *calls: str) -> None:
        self.broker.ctl("eval", ", ".join(calls) + ".")

    def run(self, *calls: str) -> None:
        """Erlang calls in the broker. Blocks; each takes a second."""
        self._eval(*calls)


@dataclass(slots=True)
class World:
    """``nodes`` and ``lines`` by area. ``events``: what happened when, for the report."""

    folder: Path
    seed: int
    hub: PrivateHub
    agencies: Agencies
    nodes: dict[str, NodeProcess]
    lines: dict[str, Proxy]
    tokens: dict[str, str]
    client: Client
    seen: list[tuple[str, int, bytes]] = field(default_factory=list)
    """Checkpoints that were fetched: origin, size, root."""
    answered: set[tuple[str, str]] = field(default_factory=set)
    events: list[tuple[float, str]] = field(default_factory=list)
    locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    restored: set[str] = field(default_factory=set)
    """Areas whose database was put back."""
    extra: dict[str, Any] = field(default_factory=dict)
    began: float = 0.0
    passed: float = 0.0
    """Seconds by which everybody is ahead of this machine's clock."""

    def lock(self, what: str) -> asyncio.Lock:
        """One fault at a time for one thing: a killed node cannot be frozen."""
        return self.locks.setdefault(what, asyncio.Lock())

    def tell(self, what: str) -> None:
        at = asyncio.get_running_loop().time() - self.began
        self.events.append((at, what))
        with (self.folder / "events.txt").open("a", encoding="utf-8") as file:
            file.write(f"{at:7.2f}  {what}\n")

    def file(self, area: str) -> Path | None:
        """The SQLite file of an area; None where it has another database."""
        url = self.database(area)
        return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:") else None

    def set_clock(self, area: str, seconds: float) -> None:
        """By how much the clock of a node is wrong from now on; 0: right."""
        path = self.nodes[area].folder / "clock"
        fresh = path.with_suffix(".new")
        fresh.write_text(str(self.passed + seconds), encoding="ascii")
        fresh.replace(path)

    def pass_time(self, seconds: float) -> None:
        """So long goes by, for everybody."""
        self.passed += seconds
        for area in AREAS:
            self.set_clock(area, 0)

    def now(self) -> int:
        """Unix seconds by a clock that is right."""
        return int(SystemClock().now() + self.passed)

    def database(self, area: str) -> str:
        return load(self.nodes[area].config).database_url

    async def start(self) -> None:
        for node in self.nodes.values():
            await node.start()
        for node in self.nodes.values():
            if not await node.ready():
                raise RuntimeError(f"the node of {node.name} did not start; see {node.log}")

    async def revive(self, area: str, tries: int = 5) -> None:
        """Whatever became of it: it runs."""
        node = self.nodes[area]
        node.thaw()
        for _ in range(tries):
            if node.alive:
                return
            await node.start()
            if not await node.ready():
                await node.kill()
        raise RuntimeError(f"the node of {node.name} does not start any more; see {node.log}")

    async def stop(self) -> None:
        for node in self.nodes.values():
            await node.stop()

    async def close(self) -> None:
        for node in self.nodes.values():
            await node.kill()
        for line in self.lines.values():
            await line.close()
        await self.agencies.close()


@asynccontextmanager
async def world(
    folder: Path,
    hub: PrivateHub,
    seed: int,
    databases: Mapping[str, str] | None = None,
    small: Collection[str] = (),
) -> AsyncIterator[World]:
    """Made and started. ``databases``: the URL for an area that shall not have a SQLite file. ``small``: the
    areas whose data lie on a small disk of their own."""
    folder.mkdir(parents=True, mode=0o700)
    places = [folder / area / "data" for area in small]
    for place in places:
        place.mkdir(parents=True, mode=0o700)
        await asyncio.to_thread(disks.mount, place)
    try:
        async with _made(folder, hub, seed, databases or {}) as there:
            yield there
    finally:
        for place in places:
            await asyncio.to_thread(disks.save, place)
            await asyncio.to_thread(disks.unmount, place)


@asynccontextmanager
async def _made(
    folder: Path, hub: PrivateHub, seed: int, databases: Mapping[str, str]
) -> AsyncIterator[World]:
    await asyncio.to_thread(hub.fresh)
    await declare(hub.url(), AREAS)
    await asyncio.to_thread(hub.broker.sync)
    agencies = Agencies(folder / "agencies", seed)
    await agencies.start()
    lines = {area: Proxy("127.0.0.1", hub.secured) for area in AREAS}
    for line in lines.values():
        await line.start()
    nodes: dict[str, NodeProcess] = {}
    tokens: dict[str, str] = {}
    for area in AREAS:
        told = {"urls": [hub.url(area, lines[area].port)], "cafile": str(hub.authority.ca)}
        nodes[area] = await asyncio.to_thread(_configure, folder, area, told, agencies, databases)
        tokens |= await _join(nodes[area].config, area)
    client = Client(lambda: nodes[HACKNEY].url, tokens[SENDER], folder)
    made = World(folder, seed, hub, agencies, nodes, lines, tokens, client)
    made.began = asyncio.get_running_loop().time()
    try:
        await made.start()
        yield made
    finally:
        await made.close()


def _configure(
    folder: Path, area: str, broker: Mapping[str, Any], agencies: Agencies, databases: Mapping[str, str]
) -> NodeProcess:
    home = folder / area
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "data").mkdir(mode=0o700, exist_ok=True)
    install(area, home / "keys")
    _private(home / "passphrase", PASSPHRASE)
    _private(home / "webhook", b"whsec_" + b"Y2hhb3Mtc2VjcmV0LW9mLXRoaXJ0eS10d28tYnl0ZXMh")
    table: dict[str, Any] = {
        "environment": "demo",
        "area": area,
        "data": str(home / "data"),
        "broker": dict(broker),
        "api": {"host": "127.0.0.1", "port": 0},
        "metrics": {"port": 0},
        "database": {"floor": FLOOR, **({"url": databases[area]} if area in databases else {})},
        "keys": {"folder": str(home / "keys"), "passphrase_file": str(home / "passphrase")},
        "timing": TIMING,
        "agencies": {role: _agency(home, f"{area}/{role}", agencies) for role in AGENCIES},
    }
    _private(home / "gateway.toml", tomli_w.dumps(table).encode())
    upgrade(load(home / "gateway.toml").database_url)
    return NodeProcess(area, home, home / "gateway.toml", clock=home / "clock")


def _agency(home: Path, principal: str, agencies: Agencies) -> dict[str, Any]:
    options = {"url": agencies.url(principal), "secret_file": str(home / "webhook"), "timeout": WEBHOOK}
    return {"adapter": "webhook", "options": options}


async def _join(config: Path, area: str) -> dict[str, str]:
    """Principal -> token."""
    settings, now = load(config), SystemClock().now()
    network = demo_network(now, ENTITLEMENTS)
    bundle = Bundle(network.roots, network.directory, tuple(network.cards.values()))
    store = open_store(settings.database_url)
    await store.start()
    try:
        await store.write(lambda tx: join(tx, bundle, now))
        names = [f"{area}/{role}" for role in AGENCIES]
        return {name: await store.write(partial(_token, name, now)) for name in names}
    finally:
        await store.close()


def _token(principal: str, now: int, tx: Transaction) -> str:
    return issue(tx, principal, "chaos", now, expires=0)


def _private(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)


def discard(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
