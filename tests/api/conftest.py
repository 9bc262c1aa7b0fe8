"""Two boroughs in one process for the tests of the API: Hackney hands over, Bexley fetches and answers.

Real flows, stores, envelopes and pumps; the keys are in memory and the network is made here. Every agency
pulls, so that a parcel moves only when the API moves it.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import secrets
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from io import BytesIO
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from adapters.inbox import Adapter
from gateway.api.app import build
from gateway.api.routes import Options
from gateway.core.ceremony import (
    Member,
    Roles,
    add_member,
    empty_directory,
    make_card,
    make_directory,
    make_request,
    make_root,
    open_request,
)
from gateway.core.entitlements import ENTITLEMENTS
from gateway.core.keys import IdentityKey, KemKey, SubkeyOpener
from gateway.core.root import network_id
from gateway.core.trust import Network
from gateway.flows.metrics import Metrics
from gateway.flows.node import Node, Pace, Trust, Wake
from gateway.flows.runtime import running
from gateway.flows.tokens import create
from gateway.ports import AgencyBinding, Transaction
from gateway.stores.memory import MemoryStore
from gateway.transports.memory import MemoryBroker, MemoryTransport
from schemas.samples import minimal_example

HACKNEY, BEXLEY = "E09000012", "E09000004"
NOW = int(datetime.fromisoformat("2026-11-24T10:06:00+00:00").timestamp())
AGENCIES = {
    "community_safety": ("COMMUNITY_SAFETY", ""),
    "police": ("POLICE", ""),
    "probation": ("PROBATION", ""),
    "leaving_care": ("LEAVING_CARE", ""),
    "housing": ("HOUSING", ""),
    "dwp": ("DWP", ""),
    "st_giles": ("VOLUNTARY_SECTOR", "St Giles"),
}
ACTOR = {"Gateway-Actor": 'k-4711;role="duty officer"'}
CANARY = "CanaryZebulonQuux"


@dataclass
class FixedClock:
    at: int = NOW

    def now(self) -> int:
        return self.at

    async def sleep_until(self, when: float) -> None:
        raise AssertionError("nothing in the API waits for the wall clock")


@dataclass
class MemoryKeys:
    """``gateway.ports.Keys`` without files."""

    signers: dict[str, IdentityKey] = field(default_factory=dict)
    kems: dict[str, KemKey] = field(default_factory=dict)
    others: dict[str, bytes] = field(default_factory=dict)

    def principals(self) -> Collection[str]:
        return self.signers.keys() & self.kems.keys()

    def signer(self, principal: str) -> IdentityKey:
        return self.signers[principal]

    def opener(self, principal: str) -> SubkeyOpener:
        return SubkeyOpener(principal, [self.kems[principal]])

    def epoch(self, month: str) -> bytes:
        return self.secret(f"epoch {month}")

    def secret(self, name: str) -> bytes:
        return self.others.setdefault(name, secrets.token_bytes(32))


@cache
def network() -> tuple[Network, Mapping[str, MemoryKeys]]:
    """One network of both areas, made once: the keys do not change between tests."""
    root_key, directory_key = IdentityKey.generate("r1"), IdentityKey.generate("d1")
    roles = Roles({"r1": root_key.public}, 1, {"d1": directory_key.public}, 1)
    root = make_root("demo", roles, created=NOW - 100, expires=NOW + 10**7, signers=[root_key])
    net, body, keys, cards = network_id(root), empty_directory(root, ENTITLEMENTS), {}, []
    for area, name in ((HACKNEY, "Hackney"), (BEXLEY, "Bexley")):
        keys[area], members, mine = _borough(area, net)
        body = add_member(body, open_request(make_request(area, name, members, mine)))
        cards += mine
    directory = make_directory(body, now=NOW - 50, signers=[directory_key])
    return Network.build([root], directory, cards, now=NOW), keys


def _borough(area: str, net: bytes) -> tuple[MemoryKeys, list[Member], list[bytes]]:
    keys, members, cards = MemoryKeys(), [], []
    for role, (agency, organisation) in {"node": ("NODE", ""), **AGENCIES}.items():
        name = f"{area}/{role}"
        signer, kem = IdentityKey.generate(name), KemKey.generate(NOW - 10, NOW + 10**6)
        keys.signers[name], keys.kems[name] = signer, kem
        log = IdentityKey.generate(name) if role == "node" else None
        members.append(Member(name, agency, signer, log=log, organisation=organisation))
        cards.append(make_card(signer, [kem], net=net, version=1))
    return keys, members, cards


def make_node(area: str, broker: MemoryBroker, **changes: Any) -> Node:
    trusted, keys = network()
    agencies = {
        f"{area}/{role}": AgencyBinding(
            f"{area}/{role}",
            Adapter(f"{area}/{role}", {}),
            importlib.import_module(f"adapters.agencies.{agency.lower()}").PROFILE,
            "STANDING_ADAPTER",
        )
        for role, (agency, _) in AGENCIES.items()
    }
    made: dict[str, Any] = {
        "area": area,
        "store": MemoryStore(),
        "transport": MemoryTransport(broker, area),
        "clock": FixedClock(),
        "keys": keys[area],
        "trust": Trust(trusted),
        "agencies": agencies,
        "pace": Pace(poll=0.05),
        "wake": Wake(tasks={principal: asyncio.Event() for principal in agencies}),
    }
    return Node(**{**made, **changes})


@dataclass
class Desk:
    """One node with its API, and a client that calls it as one agency or another."""

    node: Node
    client: TestClient
    metrics: Metrics
    tokens: dict[str, str]

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        role: str | None = "community_safety",
        headers: Mapping[str, str] | None = None,
        actor: bool = True,
    ) -> tuple[int, Any, Mapping[str, str]]:
        """(status, JSON or bytes, headers). ``body``: bytes as they are, anything else as JSON."""
        sent: dict[str, str] = {} if body is None else {"Content-Type": "application/json"}
        if role:
            sent["Authorization"] = f"Bearer {await self.token(role)}"
        sent |= ACTOR if actor else {}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        async with self.client.request(
            method, path, data=None if data is None else BytesIO(data), headers={**sent, **(headers or {})}
        ) as response:
            content = await response.read()
            is_json = "json" in response.content_type and content
            return response.status, json.loads(content) if is_json else content, response.headers

    async def submit(self, document: object, key: str = "k1", **more: Any) -> tuple[int, Any, Any]:
        return await self.call("POST", "/v1/handovers", document, headers={"Idempotency-Key": key}, **more)

    async def token(self, role: str) -> str:
        if role not in self.tokens:
            principal = f"{self.node.area}/{role}"
            made = await self.node.store.write(lambda tx: create(tx, principal, "case system", NOW))
            self.tokens[role] = made[0]
        return self.tokens[role]

    async def read(self, work: Callable[[Transaction], Any]) -> Any:
        return await self.node.store.read(work)

    async def inbox(self, role: str, **params: int) -> list[dict[str, Any]]:
        query = "&".join(f"{name}={value}" for name, value in params.items())
        status, answer, _ = await self.call("GET", f"/v1/inbox?{query}", role=role)
        assert status == 200, answer
        return answer["entries"]


async def _desk(stack: AsyncExitStack, node: Node, options: Options | None = None) -> Desk:
    metrics = Metrics()
    await node.store.start()
    server = TestServer(build(node, metrics=metrics, options=options))
    client = await stack.enter_async_context(TestClient(server))
    return Desk(node, client, metrics, {})


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker([HACKNEY, BEXLEY])


@pytest.fixture
async def desk(broker: MemoryBroker) -> AsyncIterator[Desk]:
    """Hackney alone, without pumps: nothing moves but by the test's own calls."""
    async with AsyncExitStack() as stack:
        yield await _desk(stack, make_node(HACKNEY, broker))


@pytest.fixture
async def make_desk(broker: MemoryBroker) -> AsyncIterator[Callable[..., Any]]:
    """Hackney alone with changed parts of its node, or other options."""
    async with AsyncExitStack() as stack:

        async def make(options: Options | None = None, **changes: Any) -> Desk:
            return await _desk(stack, make_node(HACKNEY, broker, **changes), options)

        yield make


@pytest.fixture
async def boroughs(broker: MemoryBroker) -> AsyncIterator[tuple[Desk, Desk]]:
    """Hackney and Bexley with all their pumps running."""
    async with AsyncExitStack() as stack:
        desks = []
        for area in (HACKNEY, BEXLEY):
            node = make_node(area, broker)
            desk = await _desk(stack, node)
            await node.transport.start()
            await stack.enter_async_context(running(node, accept=lambda _: None))
            desks.append(desk)
        yield desks[0], desks[1]


@pytest.fixture
def document() -> dict[str, Any]:
    """Example 1 as it ships; the clock of the tests stands a minute after it was issued."""
    loaded: dict[str, Any] = json.loads(minimal_example())
    return loaded
