"""Trust documents as the database holds them: taken up when newer, never when older, and the node goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.core.ceremony import Bundle
from gateway.core.entitlements import ENTITLEMENTS
from gateway.core.trust import Network
from gateway.errors import Forged, Refused, Untrusted
from gateway.flows.trust import join, refresh_trust, trust_of
from gateway.testing.boroughs import START, World
from keys_example import demo_network


def bundle(at: int, entitlements: Any = ENTITLEMENTS) -> Bundle:
    demo = demo_network(at, entitlements)
    return Bundle(demo.roots, demo.directory, tuple(demo.cards.values()))


def anything(_: Network) -> None:
    """No further condition."""


async def test_a_newer_card_is_taken_up_while_running(world: World) -> None:
    node = world.hackney.node
    assert not await refresh_trust(node, anything) or node.trust.marks  # the first look takes up the marks
    before = node.network.cards["E09000004/dwp"].version
    newer = bundle(START - 3600)
    later = Bundle(newer.roots, newer.directory, bundle(START + 60).cards)
    await node.store.write(lambda tx: join(tx, later, START + 120))
    assert await refresh_trust(node, anything)
    assert node.network.cards["E09000004/dwp"].version > before
    assert not await refresh_trust(node, anything)


async def test_two_directories_of_one_version_are_refused_and_nothing_is_kept(
    world: World, dump: Any
) -> None:
    before = dump(world.hackney)
    narrower = {**ENTITLEMENTS, "history": frozenset({"POLICE"})}
    with pytest.raises(Forged) as refused:
        await world.hackney.node.store.write(lambda tx: join(tx, bundle(START - 3600, narrower), START))
    assert refused.value.code == "directory_equivocation"
    assert dump(world.hackney) == before


async def test_an_old_card_does_not_come_back(world: World) -> None:
    """Stored again, or published again by whoever kept it: the newest one counts."""
    node = world.hackney.node
    newest = node.network.cards["E09000004/dwp"].version
    old = bundle(START - 7200)
    same = Bundle(old.roots, bundle(START - 3600).directory, old.cards)
    await node.store.write(lambda tx: join(tx, same, START))
    found = await node.store.read(lambda tx: trust_of(tx, START))
    assert found is not None
    assert found.network.cards["E09000004/dwp"].version == newest


@pytest.mark.parametrize("kind", ["older", "unwelcome"])
async def test_what_may_not_follow_is_not_taken_up(world: World, kind: str) -> None:
    node = world.hackney.node
    await refresh_trust(node, anything)
    before = node.network
    later = bundle(START + 60)
    fresh = Bundle(later.roots, bundle(START - 3600).directory, later.cards)
    await node.store.write(lambda tx: join(tx, fresh, START + 120))

    def check(_: Network) -> None:
        raise Untrusted("not this one", code="unwelcome")

    if kind == "unwelcome":
        with pytest.raises(Refused):
            await refresh_trust(node, check)
    else:
        held = replace(
            before.directory, version=before.version + 1
        )  # what is stored is older than what is held
        object.__setattr__(before, "directory", held)
        with pytest.raises(Untrusted) as refused:
            await refresh_trust(node, anything)
        assert refused.value.code == "directory_rollback"
    assert node.network is before
