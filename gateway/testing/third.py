"""A third borough beside the two of ``keys_example``, for what only shows when peers compare.

Its keys come out of a fixed text and exist nowhere but here; the demo's own signer lists it in the directory
of one version later. It has a node and a police.

Example::

    async with three_boroughs() as world:
        (camden,) = world.others
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

from gateway.core.ceremony import Bundle, Member, add_member, directory_body, make_card, make_directory
from gateway.core.keys import IdentityKey, KemKey, SubkeyOpener
from gateway.core.request import make_request, open_request
from gateway.core.root import network_id
from gateway.errors import Misconfigured
from gateway.flows.node import Pace
from gateway.stores import MEMORY, open_store
from gateway.testing.boroughs import (
    BEXLEY,
    HACKNEY,
    START,
    Borough,
    Desk,
    ManualClock,
    World,
    _Memory,
    assemble,
    demo_bundle,
)
from gateway.transports.memory import MemoryBroker, MemoryTransport
from keys_example import AGENCIES, CARD_LIFE, SIGNER, unlocked

CAMDEN = "E09000007"
NODE, POLICE = f"{CAMDEN}/node", f"{CAMDEN}/police"


class _Keys:
    """What ``keystore.KeyStore`` is asked for, without files."""

    def principals(self) -> list[str]:
        return [NODE, POLICE]

    def signer(self, principal: str) -> IdentityKey:
        self._check(principal)
        return IdentityKey(principal, _seed(f"identity {principal}"))

    def log_signer(self, area: str) -> IdentityKey:
        if area != CAMDEN:
            raise Misconfigured("no log key of this area is here", code="no_key")
        return IdentityKey(NODE, _seed("log"))

    def opener(self, principal: str) -> SubkeyOpener:
        self._check(principal)
        return SubkeyOpener(principal, [self.subkey(principal)])

    def subkeys(self, principal: str) -> list[KemKey]:
        return [self.subkey(principal)]

    def subkey(self, principal: str) -> KemKey:
        return KemKey(_seed(f"kem {principal}"), START - 3600, START - 3600 + CARD_LIFE)

    def _check(self, principal: str) -> None:
        if principal not in self.principals():
            raise Misconfigured("no key of this principal is here", code="no_key")


def three_bundle() -> Bundle:
    """The demo network with Camden in it."""
    two, keys = demo_bundle(), _Keys()
    net = network_id(two.roots[0])
    members = [
        Member(NODE, "NODE", keys.signer(NODE), keys.log_signer(CAMDEN)),
        Member(POLICE, "POLICE", keys.signer(POLICE)),
    ]
    cards = [
        make_card(keys.signer(name), [keys.subkey(name)], net=net, version=START - 3600)
        for name in keys.principals()
    ]
    body = add_member(
        directory_body(two.directory), open_request(make_request(CAMDEN, "Camden", members, ()))
    )
    signer = unlocked("network").named_signer(SIGNER, "directory")
    directory = make_directory(body, now=START - 3600, signers=[signer])
    return Bundle(two.roots, directory, (*two.cards, *cards))


@asynccontextmanager
async def three_boroughs(*, clock: ManualClock | None = None) -> AsyncIterator[World]:
    """Hackney, Bexley and, as ``world.others``, Camden, in one network over one in-process broker."""
    ticking, bundle = clock or ManualClock(), three_bundle()
    broker = MemoryBroker([HACKNEY, BEXLEY, CAMDEN])
    opened: list[Borough] = []
    for area in (HACKNEY, BEXLEY, CAMDEN):
        store, transport = open_store(MEMORY), MemoryTransport(broker, area)
        await store.start()
        await transport.start()
        keys: Any = _Memory(_Keys() if area == CAMDEN else unlocked(area))
        roles = ["police"] if area == CAMDEN else list(AGENCIES)
        desks = {role: Desk() for role in roles}
        opened.append(await assemble(area, store, transport, ticking, desks, Pace(), keys, bundle))
    try:
        yield World(ticking, broker, opened[0], opened[1], others=(opened[2],))
    finally:
        for borough in opened:
            await borough.node.transport.close()
            await borough.node.store.close()


def _seed(text: str) -> bytes:
    return sha256(f"gateway testing, third borough: {text}".encode()).digest()
