"""Bexley's police keeps its own key: two nodes in one process, Bexley's API on a real socket, the agent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from gateway.api.app import build
from gateway.bootstrap import named
from gateway.client import AgencyKeys, Client, Connection
from gateway.client.agent import Agent, Timing
from gateway.client.records import Records
from gateway.core.keys import KemKey, SubkeyOpener
from gateway.core.rotation import Pace, due, next_term, to_destroy
from gateway.errors import GatewayError
from gateway.flows.tokens import create
from gateway.testing.boroughs import BEXLEY, Desk, World, two_boroughs
from gateway.testing.own_key import keep_own_key, signer_of
from keys_example import unlocked
from schemas.samples import minimal_example

POLICE = f"{BEXLEY}/police"


class Folder:
    """The agency's key store, in memory."""

    def __init__(self, principal: str = POLICE, now: int = 0) -> None:
        self.principal = principal
        demo = unlocked(BEXLEY).subkeys(principal)
        self.made = [KemKey(key.seed, now - 3600, now - 3600 + 14 * 86_400) for key in demo]

    def signer(self, principal: str) -> Any:
        return signer_of(principal)

    def opener(self, principal: str) -> Any:
        return SubkeyOpener(principal, self.made)

    def subkeys(self, principal: str) -> Any:
        return tuple(self.made)

    def renew(self, principal: str, now: int, pace: Pace) -> bool:
        wanted = due(self.made, now, pace)
        if wanted:
            self.made.append(KemKey.generate(*next_term(now, pace)))
        return wanted

    def destroy_subkeys(self, principal: str, now: int, pace: Pace) -> int:
        gone = to_destroy(self.made, now, pace)
        self.made = [key for key in self.made if key not in gone]
        return len(gone)


@dataclass
class Reply:
    """An answer that the agency's system gives through its adapter."""

    leg: str
    body: bytes
    settled: int = 0
    refused: list[str] = field(default_factory=list)

    async def done(self) -> None:
        self.settled += 1

    async def refuse(self, error: GatewayError) -> None:
        self.refused.append(error.code)


def reply(leg: str, state: str = "ACCEPTED", **more: str) -> Reply:
    return Reply(leg, json.dumps({"state": state, "role": "Duty inspector", **more}).encode())


@dataclass
class Side:
    """The agency's side, and the world around it."""

    world: World
    keys: AgencyKeys
    folder: Path
    url: str
    token: str
    session: ClientSession
    desk: Desk
    store: Folder
    agent: Agent
    reply = staticmethod(reply)

    @property
    def node(self) -> Any:
        return self.world.bexley.node

    def client(self, **changes: Any) -> Client:
        line = Connection(self.session, self.url, changes.pop("token", self.token))
        fingerprint = changes.pop("fingerprint", self.node.network.fingerprint)
        return Client(line, changes.pop("keys", self.keys), fingerprint=fingerprint, now=self.world.clock.now)

    def another(self) -> Agent:
        """The agent after a restart: only its folder is left."""
        self.agent = agent_of(self, self.client())
        self.agent.records.start()
        self.agent.recall()
        return self.agent

    async def ready(self) -> Agent:
        self.agent.records.start()
        await self.agent.upkeep()
        return self.agent

    async def send(self, document: Any = None) -> str:
        ref = (await self.world.hackney.submit(document or json.loads(minimal_example()))).ref
        await self.world.settle()
        return ref

    async def leg(self, ref: str, borough: Any = None) -> Any:
        return (await (borough or self.world.bexley).legs(ref))["police"]

    async def receipts(self, ref: str) -> list[Any]:
        return list(await self.world.hackney.node.store.read(lambda tx: tx.receipts(ref=ref, by=POLICE)))


def agent_of(side: Any, client: Client) -> Agent:
    return Agent(
        client=client,
        adapter=side.desk,
        profile=named("police", "adapters.agencies", "PROFILE", "/profile"),
        records=Records(side.folder),
        keys=side.store,
        secret=bytes(32),
        now=side.world.clock.now,
        timing=Timing(wait=0, pause=0.0),
    )


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[Side]:
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(two_boroughs())
        keys = await keep_own_key(world, "police")
        node = world.bexley.node
        server = TestServer(build(node))
        await server.start_server()
        stack.push_async_callback(server.close)
        made = await node.store.write(lambda tx: create(tx, POLICE, "agent", world.clock.now()))
        session = await stack.enter_async_context(ClientSession())
        side = Side(
            world,
            keys,
            tmp_path / "state",
            str(server.make_url("/")).rstrip("/"),
            made[0],
            session,
            Desk(),
            Folder(now=world.clock.now()),
            None,  # type: ignore[arg-type]  # filled in below: it is made from the rest
        )
        side.agent = agent_of(side, side.client())
        yield side


@pytest.fixture
def document() -> dict[str, Any]:
    """A fresh copy of example 1."""
    copy: dict[str, Any] = json.loads(minimal_example())
    return copy
