"""An agency with a key of its own in a world of two boroughs: the directory says so, its node has it no more.

For tests of what a node relays, and of the client that opens it. The keys are those of ``keys_example``,
taken out of the node's hands.

Example::

    async with two_boroughs() as world:
        keys = await keep_own_key(world, "police")             # of Bexley
        await world.hackney.submit(document)
"""

from __future__ import annotations

from typing import Any

from gateway.client import AgencyKeys
from gateway.core.ceremony import Bundle, directory_body, make_directory
from gateway.core.encoding import JsonObject
from gateway.core.entitlements import ENTITLEMENTS
from gateway.core.keys import IdentityKey, KemKey, SubkeyOpener
from gateway.errors import Misconfigured
from gateway.flows.node import Trust
from gateway.flows.trust import join, trust_of
from gateway.ports import Transaction
from gateway.testing.boroughs import BEXLEY, START, Borough, World
from keys_example import SIGNER, DemoNetwork, demo_network, unlocked


def network_with_own_keys(*principals: str, at: int = START - 3600) -> DemoNetwork:
    """The demo network in its next version, with these agencies listed as holding their own keys."""
    demo = demo_network(at, ENTITLEMENTS)
    body = _unhosted(directory_body(demo.directory), principals)
    signer = unlocked("network").named_signer(SIGNER, "directory")
    return DemoNetwork(demo.roots, make_directory(body, now=at, signers=[signer]), demo.cards)


def _unhosted(body: JsonObject, principals: tuple[str, ...]) -> JsonObject:
    members: Any = body["members"]
    for principal in principals:
        members[principal.partition("/")[0]]["principals"][principal]["hosted"] = False
    return body


async def keep_own_key(world: World, role: str, area: str = BEXLEY, *, forget: bool = True) -> AgencyKeys:
    """Both nodes learn that this agency keeps its own key, and its node forgets it; not ``forget``: copies
    lie in its key store still. Returns the keys."""
    principal = f"{area}/{role}"
    await take_up(world, network_with_own_keys(principal))
    borough = world.bexley if area == BEXLEY else world.hackney
    keys = AgencyKeys(signer_of(principal), opener_of(principal))
    if forget:
        _forget(borough, principal)
    return keys


async def take_up(world: World, network: DemoNetwork) -> None:
    bundle = Bundle(network.roots, network.directory, tuple(network.cards.values()))
    now = world.clock.now()

    def work(tx: Transaction) -> Trust | None:
        join(tx, bundle, now)
        return trust_of(tx, now)

    for borough in world.boroughs:
        newer = await borough.node.store.write(work)
        if newer is None:
            raise RuntimeError("the node has not joined")
        borough.node.trust.network, borough.node.trust.marks = newer.network, newer.marks


def signer_of(principal: str) -> IdentityKey:
    return unlocked(principal.partition("/")[0]).signer(principal)


def opener_of(principal: str, extra: tuple[KemKey, ...] = ()) -> SubkeyOpener:
    return SubkeyOpener(principal, [*unlocked(principal.partition("/")[0]).subkeys(principal), *extra])


def _forget(borough: Borough, principal: str) -> None:
    """The node's keys and bindings without this agency's."""
    node, agencies = borough.node, dict(borough.node.agencies)
    agencies.pop(principal, None)
    object.__setattr__(node, "agencies", agencies)
    object.__setattr__(node, "keys", _Without(node.keys, principal))


class _Without:
    """The keys of a node, without those of one agency: whoever asks for them is told so."""

    def __init__(self, keys: Any, principal: str) -> None:
        self._keys, self._principal = keys, principal

    def __getattr__(self, name: str) -> Any:
        return getattr(self._keys, name)

    def signer(self, principal: str) -> Any:
        return self._keys.signer(self._held(principal))

    def opener(self, principal: str) -> Any:
        return self._keys.opener(self._held(principal))

    def principals(self) -> Any:
        return {name for name in self._keys.principals() if name != self._principal}

    def _held(self, principal: str) -> str:
        if principal == self._principal:
            raise Misconfigured("this agency's key is not in the key store", code="key_missing")
        return principal
