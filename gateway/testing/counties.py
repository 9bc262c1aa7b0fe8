"""A borough with its node, and areas without one: a county's desk and a district's, in one process.

Their keys come out of a fixed text (:mod:`gateway.testing.anywhere`). Files pass from hand to hand.

Example::

    async with hackney_and_kent(tmp_path) as world:
        await world.verify(KENT)
        (carried,) = await world.export(ref)
        view = await world.desk(KENT).open(carried.data)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.client.desk import Desk as CountyDesk
from gateway.core.bridge import keys_fingerprint
from gateway.core.ceremony import Bundle, directory_body, make_directory
from gateway.flows import bridge, bridge_in, bridge_out
from gateway.flows.node import Caller, Node, Pace
from gateway.stores import MEMORY, open_store
from gateway.testing.anywhere import ALL, Roles, SeededKeys, bundle_of
from gateway.testing.boroughs import (
    HACKNEY,
    START,
    Borough,
    Desk,
    ManualClock,
    _Memory,
    assemble,
)
from gateway.transports.memory import MemoryBroker, MemoryTransport
from keys_example import AGENCIES, DAY, SIGNER, unlocked

KENT, DARTFORD, ESSEX = "E10000016", "E07000107", "E10000012"

ROLES: Mapping[str, Roles] = {
    HACKNEY: AGENCIES,
    KENT: {
        **{role: kind for role, kind in ALL.items() if role != "voluntary_sector"},
        **AGENCIES,
        "police": ("POLICE", "Kent Police"),
    },
    DARTFORD: {"housing": ("HOUSING", "Dartford Borough Council")},
    ESSEX: {"police": ("POLICE", "Essex Police")},
}
"""Who is where; an area that is not here has one agency of each type."""


def external_bundle(at: int, *areas: str, version: int = 1, origin: str = HACKNEY) -> Bundle:
    """A borough with a node, and these areas without one."""
    named = {area: ROLES.get(area, ALL) for area in (origin, *areas)}
    plain = bundle_of(named, at, version=version)
    body: Any = directory_body(plain.directory)
    for area in areas:
        for entry in body["members"][area]["principals"].values():
            entry["hosted"] = False
    signer = unlocked("network").named_signer(SIGNER, "directory")
    directory = make_directory({**body, "version": version - 1}, now=at, signers=[signer])
    return Bundle(plain.roots, directory, plain.cards)


@dataclass(slots=True)
class Counties:
    clock: ManualClock
    borough: Borough
    broker: MemoryBroker
    desks: Mapping[str, CountyDesk]

    @property
    def node(self) -> Node:
        return self.borough.node

    @property
    def operator(self) -> Caller:
        return Caller(self.node.principal, "NODE", "ops-7", "operator")

    def desk(self, area: str) -> CountyDesk:
        return self.desks[area]

    async def verify(self, *areas: str) -> None:
        """The contacts are put down, and what their desks read back is what the directory lists."""
        now, node = self.clock.now(), self.node
        for area in areas:
            told = keys_fingerprint(node.network.directory, area)
            await node.store.write(lambda tx, area=area: bridge.add_contact(tx, node, area, now))  # type: ignore[misc]
            await node.store.write(
                lambda tx, area=area, told=told: bridge.verify_contact(  # type: ignore[misc]
                    tx, node, area, read_back=told, by="ops-7", number_from="SWITCHBOARD", now=now
                )
            )

    async def export(self, ref: str, *, area: str = "") -> Sequence[bridge_out.Carried]:
        return await bridge_out.export(self.node, self.operator, ref, area=area)

    async def confirm(self, ref: str, *, at: int = 0) -> Sequence[bridge_out.Carried]:
        return await bridge_out.confirm(self.node, self.operator, ref, at=at or self.clock.now())

    async def bring(self, data: bytes) -> bridge_in.Brought:
        return await bridge_in.bring(self.node, data)


@asynccontextmanager
async def hackney_and_kent(
    folder: Path, *areas: str, at: int = START, origin: str = HACKNEY
) -> AsyncIterator[Counties]:
    """Hackney's node (or another ``origin``'s), and the desks of ``areas``: Kent and Dartford when none are
    named. The broker has a queue for the borough alone."""
    external, roles = areas or (KENT, DARTFORD), ROLES.get(origin, ALL)
    clock, bundle = ManualClock(at), external_bundle(at - DAY, *external, origin=origin)
    broker = MemoryBroker([origin])
    store, transport = open_store(MEMORY), MemoryTransport(broker, origin)
    await store.start()
    await transport.start()
    kept: Any = _Memory(SeededKeys(origin, roles, at - DAY))
    mine = {role: Desk() for role in roles}
    borough = await assemble(origin, store, transport, clock, mine, Pace(), kept, bundle)
    desks = {
        area: desk_of(folder / area, area, borough.node.network.fingerprint, clock, at=at)
        for area in external
    }
    try:
        yield Counties(clock, borough, broker, desks)
    finally:
        await transport.close()
        await store.close()


def desk_of(
    folder: Path,
    area: str,
    fingerprint: str,
    clock: ManualClock,
    *,
    roles: Sequence[str] | None = None,
    at: int = START,
) -> CountyDesk:
    """``roles``: of which the key lies at the desk; all when None."""
    chosen = {role: kind for role, kind in ROLES[area].items() if roles is None or role in roles}
    keys: Any = _Memory(SeededKeys(area, chosen, at - DAY))
    return CountyDesk(area, keys, folder, b"s" * 32, fingerprint, clock.now)


def for_areas_without_a_node(
    document: Mapping[str, Any], *, verified_on: str = "2026-11-24", district: str = ""
) -> dict[str, Any]:
    """Example 1 as a move to Kent; ``district``: its housing is that area's."""
    destination: dict[str, Any] = {
        "area_code": KENT,
        "area_name": "Kent",
        "profile": "EXTERNAL_NON_LONDON",
        "transport": "EXTERNAL_BRIDGE",
        "bridge": {
            "contact_verified_by": "Duty manager",
            "verified_on": verified_on,
            "delivery": "carried file, secure mailbox of the county's desk",
        },
    }
    routing = document["routing"]
    if district:
        agencies = [entry["agency"] for entry in routing["recipients"]]
        destination["two_tier"] = {
            "county": KENT,
            "district": district,
            "county_agencies": [agency for agency in agencies if agency != "HOUSING"],
            "district_agencies": ["HOUSING"],
        }
    return {**document, "routing": {**routing, "destination": destination}}
