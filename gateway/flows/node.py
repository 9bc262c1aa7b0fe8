"""What every flow is given: one area's node, made of the seams and nothing concrete.

Also the two small things that all flows share: the wake-up calls between pumps (a pump also polls, so a
call lost to a crash costs a moment and no message) and the leaf of the log. It decides nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from gateway.core.encoding import Json, JsonObject, encode
from gateway.core.ladder import Ladders
from gateway.core.registers import NONE as NO_REGISTERS
from gateway.core.registers import Registers, narrowed
from gateway.core.rotation import PACE as WEEKLY
from gateway.core.rotation import Pace as Rotation
from gateway.core.tailoring import NONE as UNTAILORED
from gateway.core.tailoring import Tailoring
from gateway.core.trust import Network
from gateway.errors import Misconfigured
from gateway.flows.rests import Rests
from gateway.flows.turns import Turns
from gateway.ports import (
    AgencyBinding,
    Anchor,
    Clock,
    Keys,
    Lane,
    Pager,
    Places,
    Role,
    Room,
    Siblings,
    Store,
    Transaction,
    Transport,
)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often and how long, in seconds. Set from the configuration's ``timing`` section."""

    poll: float = 1.0
    resend: int = 30
    resend_cap: int = 900
    sweep: float = 5.0
    adapter_timeout: int = 30
    life: int = 72 * 3600
    heartbeat: int = 600
    subkeys: Rotation = WEEKLY

    def again(self, attempts: int) -> int:
        """Seconds until the next try after ``attempts`` tries: doubling, capped."""
        return int(min(self.resend * 2 ** min(max(attempts - 1, 0), 16), self.resend_cap))


def _events() -> Mapping[Lane, asyncio.Event]:
    """STANDARD and RECEIPTS leave by one pump, so they share one event."""
    bulk = asyncio.Event()
    return {Lane.URGENT: asyncio.Event(), Lane.STANDARD: bulk, Lane.RECEIPTS: bulk}


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass(frozen=True, slots=True)
class Wake:
    """One event a pump: set by whoever made work for it, after the commit."""

    outbox: Mapping[Lane, asyncio.Event] = field(default_factory=_events)
    receipts: asyncio.Event = field(default_factory=asyncio.Event)
    urgent_receipts: asyncio.Event = field(default_factory=asyncio.Event)
    attachments: asyncio.Event = field(default_factory=asyncio.Event)
    trust: asyncio.Event = field(default_factory=asyncio.Event)
    pages: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: Mapping[str, asyncio.Event] = field(default_factory=dict)
    """By agency: something is there for it, or it is urgent. Two pumps, so that what is urgent waits for no
    batch of the others."""
    urgent_tasks: Mapping[str, asyncio.Event] = field(default_factory=dict)
    drained: asyncio.Event = field(default_factory=_set)
    """Not set while a node that has started reads what waited on its urgent lane (``flows.catch_up``)."""

    @classmethod
    def of(cls, principals: Iterable[str]) -> Wake:
        named = tuple(principals)
        return cls(
            tasks={name: asyncio.Event() for name in named},
            urgent_tasks={name: asyncio.Event() for name in named},
        )

    def agency(self, principal: str, lane: Lane = Lane.STANDARD) -> None:
        for events in (self.tasks, self.urgent_tasks) if lane is Lane.URGENT else (self.tasks,):
            if event := events.get(principal):
                event.set()

    def signed(self, lane: Lane = Lane.STANDARD) -> None:
        """There are receipts of ours to pack."""
        (self.urgent_receipts if lane is Lane.URGENT else self.receipts).set()

    def agencies(self) -> None:
        """Everybody, for what is urgent too."""
        for principal in self.tasks:
            self.agency(principal, Lane.URGENT)


@dataclass(slots=True)
class Seat:
    """This process among those of its area (:mod:`gateway.flows.workers`). ``worker``: new at every start."""

    worker: str
    role: Role
    version: str
    place: str
    siblings: Siblings
    leads_until: float = 0.0
    """By the event loop's clock, which no change of the wall clock moves."""
    ready: bool = False
    """It has read what waited on its urgent lane."""


@dataclass(slots=True)
class Trust:
    """The verified network as it stands. Replaced whole when a newer directory or card is stored."""

    network: Network
    marks: tuple[tuple[str, str, int], ...] = ()
    glass: bytes = b""
    """The note by which we go on sending under an expired directory (:mod:`gateway.flows.glass`)."""


@dataclass(frozen=True, slots=True)
class Node:
    area: str
    store: Store
    transport: Transport
    clock: Clock
    keys: Keys
    trust: Trust
    agencies: Mapping[str, AgencyBinding]
    pace: Pace
    wake: Wake
    anchor: Anchor | None = None
    registers: Registers = NO_REGISTERS
    """What is on file here: without it no handover rests on a sharing agreement."""
    places: Places | None = None
    """Where an address lies; None: no table, and every check is recorded as not made."""
    tailoring: Tailoring = UNTAILORED
    ladders: Ladders = field(default_factory=Ladders)
    pagers: Mapping[str, Pager] = field(default_factory=dict)
    """By the name of the channel."""
    used: dict[str, tuple[str, int]] = field(default_factory=dict)
    """By peer: our stream, and a number of it that this process knows to be used. It only saves looking."""
    told: dict[str, int] = field(default_factory=dict)
    """When this process last asked or answered what (:mod:`gateway.flows.documents`)."""
    certificates: Callable[[], Mapping[str, int]] = dict
    """When those of the line to the broker end, by whose they are ("node", "broker")."""
    room: Room | None = None
    """None: nobody has said how much disk must stay free."""
    turns: Mapping[Lane, Turns] = field(default_factory=lambda: {lane: Turns() for lane in Lane})
    """Whose envelope is opened next."""
    rests: Rests = field(default_factory=Rests)
    """For whom nothing is published at the moment."""
    seat: Seat | None = None
    """None: alone, as a test or a command is; whoever was here before is gone."""

    def check_room(self) -> None:
        """Before new work is taken, from an agency or a peer. Raises Unavailable ``disk_low``."""
        if self.room is not None:
            self.room.check()

    @property
    def worker(self) -> str:
        """Whose claims ours are."""
        return self.seat.worker if self.seat else ""

    @property
    def principal(self) -> str:
        return f"{self.area}/node"

    @property
    def network(self) -> Network:
        return self.trust.network

    @property
    def entitlements(self) -> Mapping[str, AbstractSet[str]]:
        """The signed ones, less what this area keeps from some agencies."""
        return narrowed(self.network.entitlements, self.registers.narrowing)

    def binding(self, principal: str) -> AgencyBinding:
        """Raises Misconfigured when the directory lists an agency that this node has no adapter for."""
        if principal not in self.agencies:
            role = principal.partition("/")[2]
            raise Misconfigured(
                f"no adapter is configured for {principal}",
                code="no_adapter",
                field=f"/agencies/{role}",
                remedy=f"add a section [agencies.{role}] to the configuration",
            )
        return self.agencies[principal]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who acts: an agency of this area, and the member of staff by a pseudonymous reference and a role."""

    principal: str
    agency: str
    actor: str = ""
    role: str = ""


def area_of(principal: str) -> str:
    return principal.partition("/")[0]


def log_leaf(tx: Transaction, kind: str, at: int, *, mid: str = "", **facts: Json) -> None:
    """Append one leaf of hashes, codes and times (protocol 8). Never a name, never free text.

    ``mid``: the message that it is about, by which it is found again; it stands in the leaf, too.
    """
    named: JsonObject = {"mid": mid} if mid else {}
    tx.append_log(encode({"t": kind, "at": at, **named, **facts}), mid=mid)


def lane_for(urgency: str) -> Lane:
    return Lane.URGENT if urgency == "URGENT" else Lane.STANDARD


PRIORITY: Mapping[str, int] = {"STANDARD": 0, "PRIORITY": 4, "URGENT": 9}
"""The envelope's priority byte (protocol 4.1)."""
