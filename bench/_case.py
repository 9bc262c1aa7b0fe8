"""The work of one exchange: a 4 KB notification for one agency, and two nodes that carry it over a broker.

Duty: documents, nodes, and telling when an exchange has ended. The flows, stores, transport and pumps are the
product's own; only the agency is ours (it accepts at once and answers nothing), and the clock stands still,
so that nothing falls due and nothing is sent a second time.

An exchange ends when the origin has COMMITTED the agency's signed receipt "opened".
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar

from gateway.flows.node import Caller, Node, Pace
from gateway.flows.runtime import running
from gateway.flows.submit import submit
from gateway.ports import Store, TaskRow, Transaction, Transport
from gateway.stores import open_store
from gateway.testing.boroughs import BEXLEY, HACKNEY, Borough, Desk, ManualClock, assemble, with_recipients
from gateway.transports.memory import MemoryBroker, MemoryTransport
from gateway.transports.rabbit import RabbitTransport, declare
from schemas.samples import minimal_example

T = TypeVar("T")

KEPT = (
    "schema_version",
    "fictional",
    "message",
    "routing",
    "core",
    "move",
    "risk_to",
    "aspirations",
    "transparency",
    "retention",
    "data_quality",
    "actions",
)
"""Sections of the case study that a handover to HOUSING alone needs or may show."""

SENDER = "community_safety"
SIZE = 4096


URGENT = {
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


def document(urgency: str = "STANDARD") -> dict[str, Any]:
    """The case study, cut down to what HOUSING is sent: 4 KB of JSON."""
    whole = with_recipients(json.loads(minimal_example()), "HOUSING")
    slim = {name: whole[name] for name in KEPT}
    recipient = {**whole["routing"]["recipients"][0], "sections": ["core", "move", "risk_to", "actions"]}
    slim["routing"] = {**whole["routing"], "recipients": [recipient]}
    slim["lawful_basis"] = [basis for basis in whole["lawful_basis"] if basis["id"] == "LB2"]
    slim["roles"] = [role for role in whole["roles"] if role["role"] == "AT_RISK"]
    slim["history"] = [
        fact for fact in whole["history"] if fact["assertion_id"] == slim["roles"][0]["assertion"]
    ]
    slim["contacts"] = whole["contacts"][:1]
    if urgency == "URGENT":
        slim |= {"urgent": URGENT, "message": {**slim["message"], "urgency": urgency}}
        address = {**slim["move"]["new_address"], "visible_to": ["POLICE", "HOUSING"]}
        slim["move"] = {**slim["move"], "new_address": address}
    return _padded(slim)


def _padded(slim: dict[str, Any]) -> dict[str, Any]:
    short = SIZE - len(json.dumps(slim, separators=(",", ":")))
    reason = slim["move"]["reason"] + "." * max(short, 0)
    return {**slim, "move": {**slim["move"], "reason": reason}}


class Documents:
    """Documents that differ in their references alone. ``urgency``: of the handover, and so of its lane;
    ``first``: the number that references begin at, so that two series never meet."""

    def __init__(self, urgency: str = "STANDARD", first: int = 1) -> None:
        slim = document(urgency)
        self.newest = self._reference = slim["message"]["handover_id"]
        self._text = json.dumps(slim, separators=(",", ":"))
        self._numbers = count(first)

    def next(self) -> tuple[bytes, str]:
        """(document, idempotency key)."""
        number = next(self._numbers)
        self.newest = f"{self._reference[:-6]}{number:06d}"
        return self._text.replace(self._reference, self.newest).encode(), f"k{number}"


class Watched:
    """The origin's store, which also tells the end of an exchange: the commit that made the news "opened".
    ``ended`` is told how many, ``which`` the legs."""

    def __init__(
        self, store: Store, ended: Callable[[int], None], which: Callable[[list[str]], None] | None = None
    ) -> None:
        self._store = store
        self._ended = ended
        self._which = which

    async def write(self, work: Callable[[Transaction], T], *, first: bool = False) -> T:
        result = await self._store.write(work, first=first)
        if isinstance(result, list):
            opened = [row for row in result if isinstance(row, TaskRow) and row.subject == "opened"]
            if opened and self._which:
                self._which([row.leg for row in opened])
            if opened:
                self._ended(len(opened))
        return result

    async def read(self, work: Callable[[Transaction], T]) -> T:
        return await self._store.read(work)

    async def start(self) -> None:
        await self._store.start()

    async def check(self) -> None:
        await self._store.check()

    async def close(self) -> None:
        await self._store.close()


@dataclass(slots=True)
class Exchange:
    """Two nodes that are up. :meth:`send` starts one exchange; ``ended`` was given at the start."""

    origin: Node
    caller: Caller
    documents: Documents
    destination: Borough

    async def send(self) -> None:
        body, key = self.documents.next()
        await submit(self.origin, self.caller, body, key=key)

    async def envelope(self) -> bytes:
        """The newest envelope sent: the bytes that the raw echo carries too."""

        def newest(tx: Transaction) -> bytes:
            (handover,) = tx.handovers(side=None, principal=None, before="", limit=1)
            row = tx.envelope(tx.legs(handover.ref, handover.version)[0].mid)
            assert row is not None
            return row.body

        return await self.origin.store.read(newest)


@asynccontextmanager
async def exchange(
    broker: str,
    stores: tuple[str, str],
    ended: Callable[[int], None],
    which: Callable[[list[str]], None] | None = None,
) -> AsyncIterator[Exchange]:
    """``stores``: the URLs of the origin's and the destination's database, empty or new. ``broker``: its URL;
    empty: the in-process one. ``ended`` is told how many exchanges have ended, ``which`` the ids of their
    legs."""
    within = None if broker else MemoryBroker([HACKNEY, BEXLEY])
    if within is None:
        await declare(broker, [HACKNEY, BEXLEY])
    clock = ManualClock()
    opened = []
    async with AsyncExitStack() as stack:
        for area, url, desks in ((HACKNEY, stores[0], {}), (BEXLEY, stores[1], {"housing": Desk()})):
            store: Store = open_store(url)
            if area == HACKNEY:
                store = Watched(store, ended, which)
            await store.start()
            transport: Transport
            transport = RabbitTransport(broker, area) if within is None else MemoryTransport(within, area)
            await transport.start()
            borough = await assemble(area, store, transport, clock, desks, Pace())
            opened.append(borough)
            await stack.enter_async_context(running(borough.node, accept=lambda _: None))
        origin, destination = opened
        yield Exchange(origin.node, origin.caller(SENDER), Documents(), destination)
