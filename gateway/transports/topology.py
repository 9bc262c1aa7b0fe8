"""Exchanges, queues and bindings of a network, as a pure function of its area codes.

Rules:

- An area writes to its own exchange ``gw.out.<me>`` only. That exchange is bound to every OTHER area's
  intake, so a message to oneself, or to an area nobody knows, is unroutable and comes back. (One shared
  topic exchange with topic permissions is not enough: on RabbitMQ 3.10 CC and BCC headers slip past them.)
- Names hold area codes and nothing else: no agency, no person, no kind of business.
- A rejected message goes to its RECEIVER's quarantine, an expired one back to its SENDER, both through the
  internal headers exchange ``gw.dlx``, which matches on what the broker itself recorded at the first death.
- What an operator may want to change (time to live, delivery limit) is a :class:`Policy`, no part of a queue.

Left out: talking to a broker (``rabbit.declare`` applies a topology), permissions, shovels between brokers.

Example::

    plan = topology(["E09000012", "E09000004"])
    [queue.name for queue in plan.queues]
    plan.bindings[0].source                       # 'gw.out.E09000004'
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import permutations
from types import MappingProxyType

from gateway.ports import Lane

MAX_BODY = 4 * 1024 * 1024
"""Bytes in one AMQP message: the largest bundle of protocol 4.6. RabbitMQ 4 takes 16 MiB and closes the
connection, with everything in flight on it, on more."""

MAX_WAITING = 2_000_000
"""Messages that may wait for one lane of one area; beyond it the broker refuses, and the sender keeps them.
Twice the backlog that a node is tried with."""

MAX_WAITING_BYTES = 32 * 1024**3
"""Their bytes: 32 GiB."""

DEAD_LETTERS = "gw.dlx"
OUTGOING = "gw.out."
FROM = "gw.from."
"""In a mesh: where the shovel that fetches from one peer's broker puts what it brought."""
UNROUTED = "gw.unrouted"
"""In a mesh: what a shovel brought for no lane of ours. A shovel itself would lose it without a word."""

_SUFFIX: Mapping[Lane, str] = MappingProxyType(
    {Lane.STANDARD: "", Lane.URGENT: ".urgent", Lane.RECEIPTS: ".receipts"}
)
_NONE: Mapping[str, str | int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Exchange:
    """``kind``: "direct", "fanout" or "headers". ``internal``: no client may publish to it. ``alternate``:
    where it sends what it cannot route. Always durable."""

    name: str
    kind: str
    internal: bool = False
    alternate: str = ""


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable quorum queue. ``intake``: the policy of :func:`intake_policy` is meant for it."""

    name: str
    intake: bool


@dataclass(frozen=True, slots=True)
class Binding:
    """``key`` for a direct exchange; ``arguments`` for a headers exchange."""

    source: str
    queue: str
    key: str = ""
    arguments: Mapping[str, str | int] = field(default_factory=lambda: _NONE)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the broker is told about every queue whose name matches ``pattern`` (a regular expression)."""

    name: str
    pattern: str
    definition: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Topology:
    exchanges: tuple[Exchange, ...]
    queues: tuple[Queue, ...]
    bindings: tuple[Binding, ...]
    policies: tuple[Policy, ...]


def outgoing(area: str) -> str:
    """The exchange that ``area`` alone may publish to."""
    return OUTGOING + area


def intake(area: str, lane: Lane) -> str:
    """The queue that ``area`` alone may read ``lane`` from."""
    return f"gw.in.{area}{_SUFFIX[lane]}"


def quarantine(area: str) -> str:
    """Where what ``area`` rejected waits for a person."""
    return f"gw.quarantine.{area}"


def returned(area: str) -> str:
    """Where what ``area`` sent and nobody fetched in time comes back to."""
    return f"gw.returned.{area}"


def routing_key(area: str, lane: Lane) -> str:
    return f"{area}.{lane.value}"


def relay(area: str, lane: Lane) -> str:
    """In a mesh: what waits on our broker for ``area``'s shovel to fetch it."""
    return f"gw.relay.{area}{_SUFFIX[lane]}"


def arriving(area: str) -> str:
    """In a mesh: the exchange that only the shovel from ``area``'s broker writes to."""
    return FROM + area


def sender(exchange: str | None) -> str | None:
    """The area whose exchange this is: the broker lets nobody else publish to it. None: not an area's."""
    for prefix in (OUTGOING, FROM):
        if exchange is not None and exchange.startswith(prefix):
            return exchange.removeprefix(prefix) or None
    return None


def intake_policy() -> Policy:
    """The rules of every intake queue.

    ``at-least-once`` needs ``reject-publish``: a dead letter is kept at its source until the target queue
    has confirmed it. Time to live: an hour over the protocol's longest life of 72 h, so that the deadline
    in the envelope always comes first; the broker's is hygiene. Delivery limit: each crash of a node counts
    one against every message it held, so a node that dies in a loop must not empty its own intake into
    quarantine, while a message that kills its reader still ends there; without one RabbitMQ 4 takes 20, and
    3.10 none. Lengths: so that one area that fetches nothing cannot fill the broker for all.
    """
    return Policy(
        name="gw-intake",
        pattern=r"^gw\.(in|relay)\.",
        definition=MappingProxyType(
            {
                "dead-letter-exchange": DEAD_LETTERS,
                "dead-letter-strategy": "at-least-once",
                "overflow": "reject-publish",
                "delivery-limit": 100,
                "max-length": MAX_WAITING,
                "max-length-bytes": MAX_WAITING_BYTES,
                "message-ttl": 73 * 3600 * 1000,
            }
        ),
    )


def topology(areas: Iterable[str]) -> Topology:
    """Everything a broker must hold for these areas, in the order in which it can be created.

    ``areas``: codes as in the signed directory (they contain no dots, so names cannot meet). The order given
    does not matter: equal sets give equal topologies.
    """
    codes = sorted(set(areas))
    return Topology(
        exchanges=(Exchange(DEAD_LETTERS, "headers", internal=True), *map(_exchange, codes)),
        queues=tuple(queue for area in codes for queue in _queues(area)),
        bindings=(
            *(binding for pair in permutations(codes, 2) for binding in _delivery(*pair)),
            *(binding for area in codes for binding in _dead_letters(area)),
        ),
        policies=(intake_policy(),),
    )


def mesh(me: str, areas: Iterable[str]) -> Topology:
    """Everything that the broker of ``me`` must hold where every area has its own: its node publishes and
    reads here, peers fetch what waits for them, and our shovels bring what waits for us on theirs."""
    peers = sorted(set(areas) - {me})
    return Topology(
        exchanges=(
            Exchange(DEAD_LETTERS, "headers", internal=True),
            Exchange(UNROUTED, "fanout", internal=True),
            _exchange(me),
            *(Exchange(arriving(peer), "direct", alternate=UNROUTED) for peer in peers),
        ),
        queues=(
            *_queues(me),
            *(Queue(relay(peer, lane), intake=True) for peer in peers for lane in Lane),
        ),
        bindings=(
            *(binding for peer in peers for binding in _exchanged(me, peer)),
            *_dead_letters(me),
            *(binding for peer in peers for binding in _stranded(me, peer)),
            Binding(UNROUTED, quarantine(me)),
        ),
        policies=(intake_policy(),),
    )


def _exchanged(me: str, peer: str) -> Iterable[Binding]:
    for lane in Lane:
        yield Binding(outgoing(me), relay(peer, lane), key=routing_key(peer, lane))
        yield Binding(arriving(peer), intake(me, lane), key=routing_key(me, lane))


def _stranded(me: str, peer: str) -> Iterable[Binding]:
    """What cannot go on in a mesh, and has no way back to its sender: a person looks. Without a target it
    would stay at the head of its queue for ever (dead-lettering is at least once)."""
    yield _death(quarantine(me), "expired", "exchange", arriving(peer))
    for lane in Lane:
        for reason in ("rejected", "delivery_limit"):
            yield _death(quarantine(me), reason, "queue", relay(peer, lane))


def _exchange(area: str) -> Exchange:
    return Exchange(outgoing(area), "direct")


def _queues(area: str) -> Iterable[Queue]:
    # The places for dead letters first: an intake queue must never be there without them.
    yield Queue(quarantine(area), intake=False)
    yield Queue(returned(area), intake=False)
    for lane in Lane:
        yield Queue(intake(area, lane), intake=True)


def _delivery(source: str, target: str) -> Iterable[Binding]:
    for lane in Lane:
        yield Binding(outgoing(source), intake(target, lane), key=routing_key(target, lane))


def _dead_letters(area: str) -> Iterable[Binding]:
    yield _death(returned(area), "expired", "exchange", outgoing(area))
    for lane in Lane:
        for reason in ("rejected", "delivery_limit"):
            yield _death(quarantine(area), reason, "queue", intake(area, lane))


def _death(target: str, reason: str, where: str, name: str) -> Binding:
    # "all" ignores headers that begin with "x-", and so would match everything here (RabbitMQ 3.10 added
    # "all-with-x" for this).
    match: dict[str, str | int] = {
        "x-match": "all-with-x",
        "x-first-death-reason": reason,
        f"x-first-death-{where}": name,
    }
    return Binding(DEAD_LETTERS, target, arguments=MappingProxyType(match))
