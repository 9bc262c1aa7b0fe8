"""Trust documents as the database holds them: taken up when newer, never when older, and the node goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.core.ceremony import Bundle, directory_body, make_card, make_directory
from gateway.core.encoding import b64
from gateway.core.entitlements import ENTITLEMENTS
from gateway.core.keys import IdentityKey, KemKey
from gateway.core.suspension import make_suspension
from gateway.core.trust import Network
from gateway.errors import Forged, Misconfigured, Refused, UnknownRecipient, Untrusted
from gateway.flows.trust import join, refresh_trust, take_suspension, trust_of
from gateway.stores import MEMORY, open_store
from gateway.testing.boroughs import START, World
from keys_example import SIGNER, demo_network, unlocked


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


# --- a key that is replaced, a key that is stopped --------------------------------------------------

DWP = "E09000004/dwp"
DAY = 86_400


def rekeyed(new: IdentityKey, until: int) -> Bundle:
    """The demo network a version later: DWP has another key, the one before goes on until ``until``."""
    before = bundle(START - 3600)
    body: Any = directory_body(before.directory)
    entry = body["members"]["E09000004"]["principals"][DWP]
    entry["retiring"] = [{"key": entry["sign"], "until": until}]
    entry["sign"] = b64(new.public)
    signer = unlocked("network").named_signer(SIGNER, "directory")
    return Bundle(before.roots, make_directory(body, now=START, signers=[signer]), ())


def card(by: Any, net: bytes, version: int) -> tuple[bytes, bytes]:
    subkey = KemKey(bytes([version % 251]) * 32, START, START + 14 * DAY)
    return make_card(by, [subkey], net=net, version=version), subkey.public


async def test_a_card_with_an_unreachable_version_by_a_replaced_key_hides_nothing(world: World) -> None:
    """Whoever had the old key signed one before it was replaced; the store's newest card is that one."""
    node, new = world.hackney.node, IdentityKey.generate(DWP)
    net, end = node.network.net, START + 5 * DAY
    outbid, stolen = card(unlocked("E09000004").signer(DWP), net, 2**50)
    good = bundle(START - 3600)
    await node.store.write(lambda tx: join(tx, Bundle(good.roots, good.directory, (outbid,)), START))
    await node.store.write(lambda tx: join(tx, rekeyed(new, end), START))
    assert await refresh_trust(node, anything)
    assert node.network.sealing_key(DWP, START) == stolen
    fresh, wanted = card(new, net, START)
    shown = Bundle(good.roots, rekeyed(new, end).directory, (fresh,))
    await node.store.write(lambda tx: join(tx, shown, START))
    assert await refresh_trust(node, anything)
    for now in (START, end):
        assert node.network.sealing_key(DWP, now) == wanted
    assert not await refresh_trust(node, anything)


async def test_an_overlap_ends_without_a_restart(world: World) -> None:
    node, new = world.hackney.node, IdentityKey.generate(DWP)
    await node.store.write(lambda tx: join(tx, rekeyed(new, START + DAY), START))
    await refresh_trust(node, anything)
    old = unlocked("E09000004").signer(DWP).public
    assert list(node.network.keyring_at(START + DAY - 1)(DWP)) == [new.public, old]
    assert list(node.network.keyring_at(START + DAY)(DWP)) == [new.public]
    assert node.network.sealing_key(DWP, START + DAY - 1)
    with pytest.raises(UnknownRecipient):
        node.network.sealing_key(DWP, START + DAY)


def stopping(network: Network, *, hours: int = 1, at: int = START) -> bytes:
    return make_suspension(
        unlocked("network").named_signer(SIGNER, "directory"),
        net=network.net,
        key=network.principal(DWP).sign,
        created=at,
        until=at + hours * 3600,
        reason="lost",
    )


async def test_a_suspension_is_kept_taken_up_and_told_once(world: World) -> None:
    node = world.hackney.node
    note = stopping(node.network)
    for _ in range(2):
        await node.store.write(lambda tx: take_suspension(tx, note, START))
    rows = await node.store.read(lambda tx: tx.trust("suspension"))
    key = node.network.principal(DWP).sign
    assert [(row.subject, row.version, row.note) for row in rows] == [(key.hex(), START + 3600, note)]
    alarms = await node.store.read(lambda tx: tx.alarms())
    assert [(row.code, row.peer, row.evidence) for row in alarms] == [("key_suspended", "E09000004", note)]
    assert await refresh_trust(node, anything)
    assert not await refresh_trust(node, anything)
    assert [node.network.suspended(DWP, START + more) for more in (0, 3599, 3600)] == [True, True, False]
    world.clock.advance(2 * DAY)
    found = await node.store.read(lambda tx: trust_of(tx, START + 2 * DAY))
    assert found is not None  # one that is over spoils nothing
    assert found.network.sealing_key(DWP, START + 2 * DAY)


async def test_the_longest_suspension_stays_whatever_comes_after(world: World) -> None:
    node = world.hackney.node
    await node.store.write(lambda tx: take_suspension(tx, stopping(node.network, hours=48), START))
    await node.store.write(lambda tx: take_suspension(tx, stopping(node.network, at=START + 60), START))
    await refresh_trust(node, anything)
    assert node.network.suspended(DWP, START + 47 * 3600)


async def test_a_card_that_comes_while_its_owner_is_suspended_is_not_kept(world: World) -> None:
    node = world.hackney.node
    await node.store.write(lambda tx: take_suspension(tx, stopping(node.network), START))
    note, _ = card(unlocked("E09000004").signer(DWP), node.network.net, 2**50)
    good = bundle(START - 3600)
    shown = Bundle(good.roots, good.directory, (note,))
    for now, kept in ((START, False), (START + 3600, True)):
        await node.store.write(lambda tx, at=now: join(tx, shown, at))
        rows = await node.store.read(lambda tx: tx.trust("keycard", DWP))
        assert (2**50 in [row.version for row in rows]) is kept


async def test_without_a_network_there_is_nothing_to_judge_by(world: World) -> None:
    store = open_store(MEMORY)
    await store.start()
    note = stopping(world.hackney.node.network)
    with pytest.raises(Misconfigured) as caught:
        await store.write(lambda tx: take_suspension(tx, note, START))
    assert caught.value.code == "not_joined"
    await store.close()
