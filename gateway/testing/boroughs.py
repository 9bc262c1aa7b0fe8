"""Two boroughs in one process, for tests and trials: real flows, real cryptography, a clock in your hand.

Each has its own store; they meet on one in-process broker. Nothing runs by itself: a test turns each pump by
hand (:meth:`World.settle` turns them all until nothing moves), so every interleaving can be told exactly. The
keys are those of ``keys_example``.

Example::

    async with two_boroughs() as world:
        await world.hackney.submit(document)
        await world.settle()
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

from gateway.bootstrap import named
from gateway.core.ceremony import Bundle
from gateway.core.encoding import Json
from gateway.core.entitlements import ENTITLEMENTS
from gateway.core.keys import KemKey, SubkeyOpener
from gateway.core.registers import FICTIONAL
from gateway.core.rotation import Pace as Rotation
from gateway.core.rotation import due, next_term, to_destroy
from gateway.core.shred import Epoch
from gateway.core.trust import Network
from gateway.errors import GatewayError, Misconfigured
from gateway.flows import (
    acknowledge,
    attachments,
    deliver,
    dispatch,
    paging,
    receive,
    submit,
    succession,
    sweep,
    uploads,
)
from gateway.flows.node import Caller, Node, Pace, Trust, Wake
from gateway.flows.trust import join, refresh_trust
from gateway.ports import (
    AgencyBinding,
    Answer,
    Delivered,
    Delivery,
    Keys,
    Lane,
    Parcel,
    Profile,
    Store,
    Submission,
    Transport,
    View,
)
from gateway.stores import MEMORY, open_store
from gateway.transports.memory import MemoryBroker, MemoryTransport
from keys_example import AGENCIES, demo_network, unlocked

HACKNEY, BEXLEY = "E09000012", "E09000004"

START = 1_795_514_700
"""2026-11-24T10:05:00Z: the moment at which example 1 was issued."""


class ManualClock:
    """Time that moves when told to."""

    def __init__(self, at: int = START) -> None:
        self._at = at

    def now(self) -> int:
        return self._at

    def advance(self, seconds: int) -> None:
        if seconds < 0:
            raise ValueError("a clock never goes backwards within one process")
        self._at += seconds

    async def sleep_until(self, when: float) -> None:
        self._at = max(self._at, int(when))


class Desk:
    """An agency that keeps what it is given and answers when told to. ``fail`` makes the next calls fail."""

    pulls: ClassVar[bool] = False

    def __init__(self) -> None:
        self.given: list[tuple[str, View]] = []
        self.fail: list[GatewayError] = []
        self.replies: dict[Parcel, bytes] = {}
        """What it answers at once, to the first call of a key and to every repeat."""

    @property
    def keys(self) -> list[str]:
        return [key for key, _ in self.given]

    async def start(self) -> None: ...

    async def deliver(self, view: View, *, key: str) -> Delivered:
        if self.fail:
            raise self.fail.pop(0)
        self.given.append((key, view))
        return Delivered(answer=self.replies.get(view.kind, b""))

    async def acknowledgements(self) -> AsyncIterator[Answer]:
        for answer in tuple[Answer, ...]():
            yield answer

    async def submissions(self) -> AsyncIterator[Submission]:
        for submission in tuple[Submission, ...]():
            yield submission

    async def check(self) -> None: ...

    async def close(self) -> None: ...


class Counter(Desk):
    """An agency that fetches its parcels itself."""

    pulls: ClassVar[bool] = True


@dataclass(slots=True)
class Borough:
    """One node and its agencies' desks, by role."""

    node: Node
    desks: Mapping[str, Desk]

    @property
    def area(self) -> str:
        return self.node.area

    def caller(self, role: str, actor: str = "staff-0001") -> Caller:
        principal = self.node.network.principal(f"{self.area}/{role}")
        return Caller(principal.name, principal.agency, actor=actor, role="Duty officer")

    async def submit(
        self,
        document: Mapping[str, Any] | bytes,
        *,
        role: str = "community_safety",
        key: str = "k1",
        reason: str = succession.NEWS,
    ) -> submit.Submitted:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return await submit.submit(self.node, self.caller(role), body, key=key, reason=reason)

    async def answer(
        self, role: str, leg: str, state: str = "ACCEPTED", **more: Json
    ) -> acknowledge.Recorded:
        words = acknowledge.read(json.dumps({"state": state, "role": "Duty officer", **more}).encode())
        return await acknowledge.acknowledge(self.node, self.caller(role), leg, words)

    async def legs(self, ref: str, version: int = 1) -> Mapping[str, Any]:
        """By role."""
        rows = await self.node.store.read(lambda tx: tx.legs(ref, version))
        return {row.principal.partition("/")[2]: row for row in rows}

    async def turn(self) -> int:
        """Every pump but ``receive``, once. Returns how much there was to do."""
        done = await dispatch.pack(self.node) + await attachments.send(self.node)
        done += await dispatch.dispatch(self.node, dispatch.URGENT)
        done += await dispatch.dispatch(self.node, dispatch.BULK)
        for binding in self.node.agencies.values():
            done += await deliver.deliver(self.node, binding)
        done += await paging.send(self.node)
        return done + await uploads.sweep(self.node) + await sweep.sweep(self.node)


@dataclass(slots=True)
class World:
    clock: ManualClock
    broker: MemoryBroker
    hackney: Borough
    bexley: Borough
    taken: dict[tuple[str, Lane], AsyncIterator[Delivery]] = field(default_factory=dict)
    others: tuple[Borough, ...] = ()

    @property
    def boroughs(self) -> tuple[Borough, ...]:
        return self.hackney, self.bexley, *self.others

    def of(self, area: str) -> Borough:
        """The borough of this area."""
        return next(borough for borough in self.boroughs if borough.area == area)

    async def next_delivery(self, borough: Borough, lane: Lane) -> Delivery | None:
        """The next message waiting on a lane, taken but not settled; None when there is none."""
        if not self.broker.waiting(borough.area, lane):
            return None
        stream = self.taken.setdefault((borough.area, lane), borough.node.transport.deliveries(lane))
        return await anext(stream)

    async def deliver_mail(self, borough: Borough) -> int:
        """Receive everything that waits for one borough."""
        count = 0
        for lane in (Lane.URGENT, Lane.RECEIPTS, Lane.STANDARD):
            while delivery := await self.next_delivery(borough, lane):
                await receive.receive(borough.node, delivery)
                count += 1
        return count

    async def settle(self, rounds: int = 50) -> None:
        """Turn every pump until nothing moves. Raises RuntimeError when it does not come to rest."""
        for _ in range(rounds):
            moved = [await borough.turn() + await self.deliver_mail(borough) for borough in self.boroughs]
            if not any(moved):
                return
        raise RuntimeError("the pumps do not come to rest")

    async def renew(self) -> None:
        """Every node hears of the demo network's directory and cards, signed anew; cards live a fortnight."""
        now = self.clock.now()
        bundle = demo_bundle(now)
        for borough in self.boroughs:
            await borough.node.store.write(lambda tx: join(tx, bundle, now))
            await refresh_trust(borough.node, lambda _: None)


def sections(view: View) -> Mapping[str, Any]:
    """The merged sections inside what an agency was given."""
    inner = view.content.get("view")
    return inner if isinstance(inner, dict) else {}


@asynccontextmanager
async def two_boroughs(
    *,
    clock: ManualClock | None = None,
    stores: Mapping[str, Callable[[], Store]] | None = None,
    wrap: Callable[[Transport], Transport] = lambda transport: transport,
    pulling: Sequence[str] = (),
    pace: Pace | None = None,
) -> AsyncIterator[World]:
    """Hackney and Bexley with the seven agencies of the case study. ``stores``: another store for an area;
    ``wrap``: a transport with faults; ``pulling``: roles of Bexley that fetch their parcels themselves."""
    ticking = clock or ManualClock()
    broker = MemoryBroker([HACKNEY, BEXLEY])
    opened: list[Borough] = []
    for area in (HACKNEY, BEXLEY):
        store = (stores or {}).get(area, lambda: open_store(MEMORY))()
        await store.start()
        transport = wrap(MemoryTransport(broker, area))
        await transport.start()
        desks = {role: Counter() if area == BEXLEY and role in pulling else Desk() for role in AGENCIES}
        opened.append(await assemble(area, store, transport, ticking, desks, pace or Pace()))
    try:
        yield World(ticking, broker, opened[0], opened[1])
    finally:
        for borough in opened:
            await borough.node.transport.close()
            await borough.node.store.close()


async def assemble(
    area: str,
    store: Store,
    transport: Transport,
    clock: ManualClock,
    desks: Mapping[str, Desk],
    pace: Pace,
    keys: Keys | None = None,
    bundle: Bundle | None = None,
) -> Borough:
    """A node of the demo network out of the parts given; joins the network when the store has not yet.
    ``bundle``: another network than the demo's own."""
    joining = bundle or demo_bundle()
    network: Network = await store.write(lambda tx: join(tx, joining, clock.now()))
    bindings = {f"{area}/{role}": _binding(network, f"{area}/{role}", desk) for role, desk in desks.items()}
    node = Node(
        area=area,
        store=store,
        transport=transport,
        clock=clock,
        keys=keys or _Memory(unlocked(area)),
        trust=Trust(network),
        agencies=bindings,
        pace=pace,
        wake=Wake.of(bindings),
        registers=FICTIONAL,
    )
    return Borough(node, desks)


def demo_bundle(now: int = START - 3600) -> Bundle:
    """The demo network as of the story's beginning, or of another second."""
    demo = demo_network(now, ENTITLEMENTS)
    return Bundle(demo.roots, demo.directory, tuple(demo.cards.values()))


def _binding(network: Network, principal: str, desk: Desk) -> AgencyBinding:
    agency = network.principal(principal).agency
    profile: Profile = named(agency.lower(), "adapters.agencies", "PROFILE", "/profile")
    return AgencyBinding(principal, desk, profile, "STANDING_ADAPTER")


class _Memory:
    """The demo keys with epoch and secrets in memory, so that no test writes into the committed folder."""

    def __init__(self, store: Any) -> None:
        """``store``: a ``keystore.KeyStore``, or what answers like one."""
        self._store = store
        self.made: dict[str, bytes] = {}
        self.epochs: dict[str, Epoch] = {}
        self.terms: dict[str, list[KemKey]] = {}

    def principals(self) -> Any:
        return self._store.principals()

    def signer(self, principal: str) -> Any:
        return self._store.signer(principal)

    def opener(self, principal: str) -> Any:
        held = self.terms.get(principal)
        return self._store.opener(principal) if held is None else SubkeyOpener(principal, held)

    def subkeys(self, principal: str) -> Sequence[KemKey]:
        held = self.terms.get(principal)
        return list(self._store.subkeys(principal) if held is None else held)

    def renew(self, principal: str, now: int, pace: Rotation, *, force: bool = False) -> bool:
        if not force and not due(self.subkeys(principal), now, pace):
            return False
        fresh = KemKey.generate(*next_term(now, pace))
        self.terms[principal] = [*self.subkeys(principal), fresh]
        return True

    def destroy_subkeys(self, principal: str, now: int, pace: Rotation) -> int:
        over = {key.public for key in to_destroy(self.subkeys(principal), now, pace)}
        self.terms[principal] = [key for key in self.subkeys(principal) if key.public not in over]
        return len(over)

    def log_signer(self, area: str) -> Any:
        return self._store.log_signer(area)

    def epoch(self, month: str, *, make: bool = False) -> Epoch:
        if month not in self.epochs and not make:
            raise Misconfigured("no such epoch", code="epoch_missing")
        root = month.encode().ljust(32, b".")
        return self.epochs.setdefault(month, Epoch(root[::-1], {"": root}))

    def puncture(self, month: str, paths: Sequence[str]) -> None:
        self.epochs[month] = self.epoch(month).puncture(paths)

    def destroy_epoch(self, month: str) -> None:
        self.epochs[month] = Epoch.gone()

    def compact_epoch(self, month: str, live: Sequence[str]) -> None:
        self.epochs[month] = self.epoch(month).keep(live)

    def secret(self, name: str) -> bytes:
        return self.made.setdefault(f"secret {name}", name.encode().ljust(32, b"."))


def with_recipients(document: Mapping[str, Any], *agencies: str) -> dict[str, Any]:
    """A handover for some of its agencies only, with the actions that are theirs; the origin rules out the
    others."""
    routing = document["routing"]
    chosen = [entry for entry in routing["recipients"] if entry["agency"] in agencies]
    left = {entry["agency"] for entry in routing["recipients"]} - set(agencies)
    ruled_out = [*routing.get("not_relevant", ()), *({"agency": a, "reason": "OTHER"} for a in sorted(left))]
    actions = [action for action in document["actions"] if action["agency"] in agencies]
    less = {**routing, "recipients": chosen, "not_relevant": ruled_out}
    return {**document, "routing": less, "actions": actions}


__all__ = [
    "BEXLEY",
    "HACKNEY",
    "START",
    "Borough",
    "Counter",
    "Desk",
    "ManualClock",
    "World",
    "assemble",
    "sections",
    "two_boroughs",
    "with_recipients",
]
