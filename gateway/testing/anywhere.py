"""Any boroughs with any agencies, for scenarios that the two of ``keys_example`` cannot play.

Their keys come out of a fixed text and exist nowhere but here; the demo's signer lists them in a directory
signed for the moment at which the scenario begins. An area given no roles has all fourteen agency types.

Example::

    async with boroughs("E09000025", "E09000017", at=SATURDAY_NIGHT) as world:
        newham, hillingdon = world.of("E09000025"), world.of("E09000017")
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from typing import Any

from gateway.core.ceremony import Bundle, Member, add_member, empty_directory, make_card, make_directory
from gateway.core.entitlements import AGENCIES, ENTITLEMENTS
from gateway.core.keys import IdentityKey, KemKey, SubkeyOpener
from gateway.core.request import make_request, open_request
from gateway.core.root import network_id
from gateway.errors import Misconfigured
from gateway.flows.node import Pace
from gateway.ports import Store
from gateway.stores import MEMORY, open_store
from gateway.testing.boroughs import START, Borough, Counter, Desk, ManualClock, World, _Memory, assemble
from gateway.transports.memory import MemoryBroker, MemoryTransport
from keys_example import CARD_LIFE, DAY, HERE, SIGNER, unlocked
from schemas.areas import display_name

Roles = Mapping[str, tuple[str, str]]
"""role -> (agency type, organisation)."""

ALL: Roles = {agency.lower(): (agency, "") for agency in sorted(AGENCIES)}
"""One principal of each type."""


class SeededKeys:
    """What ``keystore.KeyStore`` is asked for, made out of the names of the principals."""

    def __init__(self, area: str, roles: Roles, at: int) -> None:
        self._area, self._at = area, at
        self._names = [f"{area}/node", *(f"{area}/{role}" for role in roles)]

    def principals(self) -> list[str]:
        return self._names

    def signer(self, principal: str) -> IdentityKey:
        self._check(principal)
        return IdentityKey(principal, _seed(f"identity {principal}"))

    def log_signer(self, area: str) -> IdentityKey:
        if area != self._area:
            raise Misconfigured("no log key of this area is here", code="no_key")
        return IdentityKey(f"{area}/node", _seed(f"log {area}"))

    def opener(self, principal: str) -> SubkeyOpener:
        return SubkeyOpener(principal, self.subkeys(principal))

    def subkeys(self, principal: str) -> list[KemKey]:
        self._check(principal)
        return [KemKey(_seed(f"kem {principal}"), self._at, self._at + CARD_LIFE)]

    def _check(self, principal: str) -> None:
        if principal not in self._names:
            raise Misconfigured("no key of this principal is here", code="no_key")


def bundle_of(areas: Mapping[str, Roles], at: int, *, version: int = 1) -> Bundle:
    """A network of these areas alone, signed at ``at`` (unix seconds); its directory lasts 30 days, its cards
    14. A later one of a higher ``version`` renews it."""
    root = (HERE / "root.note").read_bytes()
    body, cards = empty_directory(root, ENTITLEMENTS), list[bytes]()
    for area, roles in areas.items():
        keys = SeededKeys(area, roles, at)
        members = [Member(f"{area}/node", "NODE", keys.signer(f"{area}/node"), keys.log_signer(area))]
        members += [
            Member(f"{area}/{role}", agency, keys.signer(f"{area}/{role}"), organisation=organisation)
            for role, (agency, organisation) in roles.items()
        ]
        body = add_member(body, open_request(make_request(area, display_name(area), members, ())))
        cards += [
            make_card(member.signer, keys.subkeys(member.principal), net=network_id(root), version=at)
            for member in members
        ]
    signer = unlocked("network").named_signer(SIGNER, "directory")
    return Bundle((root,), make_directory({**body, "version": version - 1}, now=at, signers=[signer]), cards)


@asynccontextmanager
async def boroughs(
    *areas: str,
    roles: Mapping[str, Roles] | None = None,
    at: int = START,
    clock: ManualClock | None = None,
    pulling: Sequence[str] = (),
    store: Callable[[], Store] = lambda: open_store(MEMORY),
    pace: Pace | None = None,
) -> AsyncIterator[World]:
    """Two or more areas in one network over one in-process broker; ``world.of(area)`` finds each.

    ``roles``: who is there, by area, where it is not :data:`ALL`. ``at``: when the scenario begins, unix
    seconds; documents of trust are dated a day before. ``pulling``: roles that fetch their parcels.
    """
    those = {area: (roles or {}).get(area, ALL) for area in areas}
    ticking, bundle = clock or ManualClock(at), bundle_of(those, at - DAY)
    broker = MemoryBroker(list(areas))
    opened: list[Borough] = []
    async with AsyncExitStack() as stack:
        for area, mine in those.items():
            kept, transport = store(), MemoryTransport(broker, area)
            await kept.start()
            stack.push_async_callback(kept.close)
            await transport.start()
            stack.push_async_callback(transport.close)
            desks: Mapping[str, Desk] = {role: Counter() if role in pulling else Desk() for role in mine}
            keys: Any = _Memory(SeededKeys(area, mine, at - DAY))
            opened.append(await assemble(area, kept, transport, ticking, desks, pace or Pace(), keys, bundle))
        yield World(ticking, broker, opened[0], opened[1], others=tuple(opened[2:]))


def _seed(text: str) -> bytes:
    return sha256(f"gateway testing, anywhere: {text}".encode()).digest()
