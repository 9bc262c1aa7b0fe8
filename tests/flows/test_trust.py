"""Joining a network and taking up newer documents: what may be kept, and what leaves everything as it was."""

from __future__ import annotations

import pytest

from gateway.core.ceremony import Bundle, directory_body, make_card, make_directory
from gateway.core.entitlements import ENTITLEMENTS
from gateway.core.keys import IdentityKey, KemKey
from gateway.errors import Refused, Untrusted
from gateway.flows.trust import join, refresh_trust, trust_of
from gateway.ports import Store
from gateway.stores import MEMORY, open_store
from gateway.testing.boroughs import START, two_boroughs
from keys_example import SIGNER, demo_network, unlocked

DAY = 86_400


def bundle(now: int = START) -> Bundle:
    demo = demo_network(now, ENTITLEMENTS)
    return Bundle(demo.roots, demo.directory, tuple(demo.cards.values()))


def next_directory(of: Bundle, now: int) -> bytes:
    signer = unlocked("network").named_signer(SIGNER, "directory")
    return make_directory(directory_body(of.directory), now=now, signers=[signer])


async def opened() -> Store:
    store = open_store(MEMORY)
    await store.start()
    return store


async def test_what_was_joined_is_verified_again_whenever_it_is_read() -> None:
    store = await opened()
    network = await store.write(lambda tx: join(tx, bundle(), START))
    again = await store.read(lambda tx: trust_of(tx, START))
    assert again is not None
    assert again.network.fingerprint == network.fingerprint
    assert again.network.sealing_key("E09000004/police", START) == network.sealing_key(
        "E09000004/police", START
    )


async def test_a_card_that_the_directory_does_not_vouch_for_leaves_the_others_standing() -> None:
    store, good = await opened(), bundle()
    stranger = IdentityKey.generate("E09000004/police")
    network = await store.write(lambda tx: join(tx, good, START))
    subkey = KemKey.generate(START - DAY, START + DAY)
    foreign = make_card(stranger, [subkey], net=network.net, version=START + 1)
    await store.write(lambda tx: join(tx, Bundle(good.roots, good.directory, (*good.cards, foreign)), START))
    kept = await store.read(lambda tx: tx.trust("keycard"))
    assert len(kept) == len(good.cards)
    again = await store.read(lambda tx: trust_of(tx, START))
    assert again is not None
    assert again.network.sealing_key("E09000004/police", START) != subkey.public


async def test_another_fingerprint_keeps_nothing() -> None:
    store = await opened()
    with pytest.raises(Untrusted):
        await store.write(lambda tx: join(tx, bundle(), START, expect="aaaa-" * 7 + "aaaa"))
    assert await store.read(lambda tx: trust_of(tx, START)) is None


async def test_an_older_directory_does_not_replace_a_newer_one() -> None:
    store, old = await opened(), bundle()
    newer = Bundle(old.roots, next_directory(old, START), old.cards)
    await store.write(lambda tx: join(tx, newer, START))
    with pytest.raises(Refused) as refused:
        await store.write(lambda tx: join(tx, old, START))
    assert refused.value.code == "directory_rollback"
    again = await store.read(lambda tx: trust_of(tx, START))
    assert again is not None
    assert again.network.version == directory_body(newer.directory)["version"]


async def test_a_running_node_takes_up_a_newer_directory_and_says_whether_it_did() -> None:
    async with two_boroughs() as world:
        node = world.hackney.node
        held = await node.store.read(lambda tx: tx.trust("directory"))
        cards = await node.store.read(lambda tx: tx.trust("keycard"))
        roots = await node.store.read(lambda tx: tx.trust("root"))
        before = node.network.version
        joined = Bundle([r.note for r in roots], held[-1].note, [c.note for c in cards])
        later = Bundle(joined.roots, next_directory(joined, world.clock.now()), joined.cards)
        seen: list[int] = []
        await refresh_trust(node, lambda network: seen.append(network.version))
        await node.store.write(lambda tx: join(tx, later, world.clock.now()))
        assert await refresh_trust(node, lambda network: seen.append(network.version))
        assert node.network.version == before + 1 == seen[-1]
        assert not await refresh_trust(node, lambda network: seen.append(network.version))
