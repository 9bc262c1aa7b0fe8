"""Two boroughs in one process for the tests of the API: Hackney hands over, Bexley fetches and answers.

Every agency pulls, so that a parcel moves only when the API moves it; the pumps are turned by hand.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from gateway.api.app import build
from gateway.api.routes import Options
from gateway.flows.metrics import Metrics
from gateway.flows.node import Node, Pace
from gateway.flows.tokens import create
from gateway.ports import Transaction
from gateway.stores import MEMORY, open_store
from gateway.testing.boroughs import (
    BEXLEY,
    HACKNEY,
    START,
    Borough,
    Counter,
    ManualClock,
    World,
    assemble,
)
from gateway.transports.memory import MemoryBroker, MemoryTransport
from keys_example import AGENCIES
from schemas.samples import minimal_example

NOW = START + 60
ACTOR = {"Gateway-Actor": 'k-4711;role="duty officer"'}
CANARY = "CanaryZebulonQuux"
POLL = 0.05
"""Seconds; the long poll looks as often as a pump does."""


@dataclass
class Desk:
    """One node with its API, and a client that calls it as one agency or another."""

    node: Node
    client: TestClient
    metrics: Metrics
    tokens: dict[str, str] = field(default_factory=dict, repr=False)

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

    async def inbox(self, role: str, wait: int = 0) -> list[dict[str, Any]]:
        status, answer, _ = await self.call("GET", f"/v1/inbox?wait={wait}", role=role)
        assert status == 200, answer
        return list(answer["entries"])


@dataclass
class Pair:
    """Both boroughs' APIs, and their pumps (``world.settle``)."""

    hackney: Desk
    bexley: Desk
    world: World


async def _borough(stack: AsyncExitStack, area: str, broker: MemoryBroker, clock: ManualClock) -> Borough:
    store, transport = open_store(MEMORY), MemoryTransport(broker, area)
    await store.start()
    await transport.start()
    stack.push_async_callback(store.close)
    stack.push_async_callback(transport.close)
    desks = {role: Counter() for role in AGENCIES}
    return await assemble(area, store, transport, clock, desks, Pace(poll=POLL))


async def _desk(stack: AsyncExitStack, node: Node, options: Options | None = None) -> Desk:
    metrics = Metrics()
    server = TestServer(build(node, metrics=metrics, options=options))
    client = await stack.enter_async_context(TestClient(server))
    return Desk(node, client, metrics)


@pytest.fixture
def clock() -> ManualClock:
    """A minute after example 1 was issued."""
    return ManualClock(NOW)


@pytest.fixture
async def desk(make_desk: Callable[..., Any]) -> Desk:
    """Hackney alone."""
    made: Desk = await make_desk()
    return made


@pytest.fixture
async def make_desk(clock: ManualClock) -> AsyncIterator[Callable[..., Any]]:
    """Hackney alone with other options, or with parts of its node changed."""
    async with AsyncExitStack() as stack:

        async def make(options: Options | None = None, **changes: Any) -> Desk:
            borough = await _borough(stack, HACKNEY, MemoryBroker([HACKNEY, BEXLEY]), clock)
            return await _desk(stack, dataclasses.replace(borough.node, **changes), options)

        yield make


@pytest.fixture
async def pair(clock: ManualClock) -> AsyncIterator[Pair]:
    """Hackney and Bexley over one broker."""
    broker = MemoryBroker([HACKNEY, BEXLEY])
    async with AsyncExitStack() as stack:
        hackney, bexley = [await _borough(stack, area, broker, clock) for area in (HACKNEY, BEXLEY)]
        world = World(clock, broker, hackney, bexley)
        yield Pair(await _desk(stack, hackney.node), await _desk(stack, bexley.node), world)


@pytest.fixture
def document() -> dict[str, Any]:
    """Example 1 as it ships."""
    loaded: dict[str, Any] = json.loads(minimal_example())
    return loaded
