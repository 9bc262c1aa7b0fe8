"""Weekly subkeys: made, told, destroyed on time, once, whatever crashes in between (protocol 7)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from gateway import keystore
from gateway.core.directory import Card, open_card
from gateway.core.rotation import EVERY, GRACE, TERM
from gateway.core.rotation import Pace as Rotation
from gateway.errors import Misconfigured, Unavailable
from gateway.flows import documents, rekey, runtime
from gateway.flows.node import Pace, Seat, Trust
from gateway.flows.trust import refresh_trust
from gateway.keystore import KeyStore
from gateway.ports import Role
from gateway.stores.siblings import Alone
from gateway.testing.boroughs import BEXLEY, START, Borough, World, assemble, two_boroughs
from keys_example import ENVIRONMENT, PASSPHRASE, install

DAY = 86_400
NODE, POLICE = f"{BEXLEY}/node", f"{BEXLEY}/police"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Bexley's keys lie in files, as they do in the field."""
    async with two_boroughs() as opened:
        object.__setattr__(opened.bexley.node, "keys", files(tmp_path / "keys"))
        yield opened


def files(folder: Path) -> KeyStore:
    if not folder.exists():
        install(BEXLEY, folder)
    return KeyStore.open(folder, PASSPHRASE, ENVIRONMENT)


async def cards(borough: Borough, principal: str = POLICE) -> list[Card]:
    network, rows = (
        borough.node.network,
        await borough.node.store.read(lambda tx: tx.trust("keycard", principal)),
    )
    return [
        open_card(row.note, net=network.net, min_suite=network.min_suite, keyring=network.keyring)
        for row in rows
    ]


async def look(borough: Borough) -> int:
    """What the housekeeping of a running node does about trust."""
    await refresh_trust(borough.node, lambda network: None)
    done = await rekey.turn(borough.node)
    await refresh_trust(borough.node, lambda network: None)
    await documents.spread(borough.node)
    return done


async def week(world: World, seconds: int = EVERY) -> None:
    world.clock.advance(seconds)
    for borough in world.boroughs:
        await look(borough)
    await world.settle()
    for borough in world.boroughs:
        await refresh_trust(borough.node, lambda network: None)


def publics(borough: Borough, principal: str = POLICE) -> set[bytes]:
    return {key.public for key in borough.node.keys.subkeys(principal)}


async def codes(borough: Borough) -> list[tuple[str, str]]:
    return [(row.code, row.subject) for row in await borough.node.store.read(lambda tx: tx.alarms())]


async def test_before_a_week_is_over_nothing_is_made(world: World) -> None:
    held = world.bexley.node.keys.subkeys(POLICE)[0]
    world.clock.advance(held.since + EVERY - START - 1)
    assert await look(world.bexley) == 0
    assert publics(world.bexley) == {held.public}
    world.clock.advance(1)
    assert await look(world.bexley) == 2 * 8  # the node and its seven agencies: a key and a card each
    assert await look(world.bexley) == 0


async def test_peers_seal_to_the_new_subkey_and_it_opens(
    world: World, document: Any, check_all_accepted: Any, answer_all: Any
) -> None:
    for borough in world.boroughs:
        object.__setattr__(borough.node, "pace", Pace(subkeys=Rotation(every=3 * DAY)))
    await week(world, DAY)
    (fresh,) = publics(world.bexley) - {world.bexley.node.keys.subkeys(POLICE)[0].public}
    assert world.hackney.node.network.sealing_key(POLICE, world.clock.now()) == fresh
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    await answer_all(world, ref)
    await world.settle()
    await check_all_accepted(world, ref)


async def test_a_card_shows_what_is_held_and_not_ended_and_counts_up(world: World) -> None:
    await week(world)
    first, second = await cards(world.bexley)
    assert second.version > first.version
    assert {key.public for key in second.subkeys} == publics(world.bexley)
    await week(world)
    await week(world)
    newest = (await cards(world.bexley))[-1]
    now = world.clock.now()
    assert {key.public for key in newest.subkeys} == {
        key.public for key in world.bexley.node.keys.subkeys(POLICE) if now < key.until
    }
    assert [card.version for card in await cards(world.hackney)] == [
        card.version for card in await cards(world.bexley)
    ]


async def test_a_seed_goes_at_its_time_and_leaves_no_file(world: World) -> None:
    await week(world)
    keys, made = world.bexley.node.keys, world.clock.now()
    (fresh,) = [key for key in keys.subkeys(POLICE) if key.since == made]
    folder = keys.folder  # type: ignore[attr-defined] # a key store in files
    (name,) = [name for name, file in keys.names().items() if file.name == POLICE and file.since == made]  # type: ignore[attr-defined]
    world.clock.advance(TERM + GRACE - 1)
    await look(world.bexley)
    assert fresh.public in publics(world.bexley)
    assert fresh.public in keys.opener(POLICE).publics()
    world.clock.advance(1)
    await look(world.bexley)
    assert fresh.public not in publics(world.bexley)
    assert fresh.public not in keys.opener(POLICE).publics()
    assert not (folder / name).exists()
    assert not list(folder.glob("*.gone"))
    assert fresh.public not in {key.public for key in files(folder).subkeys(POLICE)}


async def test_the_bytes_of_a_destroyed_seed_are_overwritten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await week(world)
    folder = world.bexley.node.keys.folder  # type: ignore[attr-defined] # a key store in files
    before = {path.name: path.read_bytes() for path in folder.glob("*.kem.2.key")}
    kept: dict[str, bytes] = {}
    unlink = Path.unlink

    def look_first(path: Path, missing_ok: bool = False) -> None:
        if path.name.endswith(keystore.GONE):
            kept[path.name.removeprefix(".").removesuffix(keystore.GONE)] = path.read_bytes()
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", look_first)
    world.clock.advance(TERM + GRACE)
    await look(world.bexley)
    assert kept.keys() == before.keys()
    for name, content in before.items():
        assert len(kept[name]) == len(content)
        assert b'"ct"' not in kept[name]


@pytest.mark.parametrize("step", ["rename", "fsync", "unlink"])
async def test_a_destruction_cut_short_is_finished(
    world: World, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    await week(world)
    folder = world.bexley.node.keys.folder  # type: ignore[attr-defined] # a key store in files
    world.clock.advance(TERM + GRACE - 1)
    await look(world.bexley)
    world.clock.advance(1)
    with monkeypatch.context() as broken:
        target: Any = os if step == "fsync" else Path
        real = getattr(target, step)

        def crash(*arguments: Any, **more: Any) -> None:
            if step == "fsync" or str(arguments[0]).endswith((".kem.2.key", keystore.GONE)):
                raise KeyboardInterrupt
            real(*arguments, **more)

        broken.setattr(target, step, crash)
        with pytest.raises(KeyboardInterrupt):
            await look(world.bexley)
    object.__setattr__(world.bexley.node, "keys", files(folder))  # the process starts again
    await look(world.bexley)
    await look(world.bexley)
    assert not [path.name for path in folder.iterdir() if ".kem.2." in path.name]
    assert world.bexley.node.keys.opener(POLICE).publics()


@pytest.mark.parametrize("commit", ["before", "after"])
async def test_a_crash_between_seed_and_card_is_made_good(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commit: str
) -> None:
    """``before``: the card was not stored. ``after``: it was, and nobody was told."""
    world.clock.advance(EVERY)
    store = world.bexley.node.store
    write = store.write

    async def dies(work: Callable[[Any], Any]) -> Any:
        if commit == "after":
            await write(work)
        raise Unavailable("gone", code="store_gone")

    with monkeypatch.context() as broken:
        broken.setattr(store, "write", dies)
        with pytest.raises(Unavailable):
            await rekey.turn(world.bexley.node)
    object.__setattr__(world.bexley.node, "keys", files(tmp_path / "keys"))
    await look(world.bexley)
    await world.settle()
    await refresh_trust(world.hackney.node, lambda network: None)
    for role in ("node", "police", "housing"):
        name, now = f"{BEXLEY}/{role}", world.clock.now()
        assert len(world.bexley.node.keys.subkeys(name)) == 2
        assert len(await cards(world.bexley, name)) == 2
        newest = max(world.bexley.node.keys.subkeys(name), key=lambda key: key.since)
        assert world.hackney.node.network.sealing_key(name, now) == newest.public


async def test_of_two_workers_one_makes_it_and_the_other_opens_with_it(world: World, tmp_path: Path) -> None:
    first = world.bexley
    second = await assemble(
        BEXLEY, first.node.store, first.node.transport, world.clock, {}, Pace(), files(tmp_path / "keys")
    )
    known = set(second.node.keys.opener(POLICE).publics())
    world.clock.advance(EVERY)
    await look(first)
    (fresh,) = publics(first) - known
    assert set(second.node.keys.opener(POLICE).publics()) == known | {fresh}
    assert await look(second) == 0
    assert len(await cards(first)) == 2
    world.clock.advance(TERM + GRACE)
    await look(first)
    await look(second)
    assert fresh not in second.node.keys.opener(POLICE).publics()


async def test_a_process_that_does_not_lead_forgets_a_seed_as_well(world: World, tmp_path: Path) -> None:
    first = world.bexley
    second = await assemble(
        BEXLEY, first.node.store, first.node.transport, world.clock, {}, Pace(), files(tmp_path / "keys")
    )
    follower = replace(second.node, seat=Seat("bb", Role.API, "1", "here:2", Alone()))
    known = set(follower.keys.opener(POLICE).publics())
    world.clock.advance(EVERY)
    await look(first)
    (fresh,) = set(publics(first)) & set(follower.keys.opener(POLICE).publics()) - known
    world.clock.advance(TERM + GRACE)
    await look(first)
    await runtime._housekeeping(follower, lambda network: None)
    names = follower.keys.names()  # type: ignore[attr-defined] # a key store in files
    assert names.keys() == first.node.keys.names().keys()  # type: ignore[attr-defined]
    assert fresh not in follower.keys.opener(POLICE).publics()


async def test_an_agency_with_its_own_key_and_a_suspended_one_are_left_alone(world: World) -> None:
    node = world.bexley.node
    entries = dict(node.network.directory.principals)
    world.clock.advance(EVERY)
    node.trust.network = _with(node.trust, POLICE, hosted=False)
    await rekey.turn(node)
    assert len(node.keys.subkeys(POLICE)) == 1
    assert len(node.keys.subkeys(f"{BEXLEY}/housing")) == 2
    assert entries[POLICE].hosted


def _with(trust: Trust, principal: str, **changes: Any) -> Any:
    directory = trust.network.directory
    entries = {**directory.principals, principal: replace(directory.principals[principal], **changes)}
    return replace(trust.network, directory=replace(directory, principals=MappingProxyType(entries)))


async def test_a_disk_that_refuses_is_alarmed_and_stops_nobody_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = world.bexley.node.keys
    renew = keys.renew

    def refuses(principal: str, *arguments: Any, **more: Any) -> bool:
        if principal == POLICE:
            raise Misconfigured("the disk is full", code="key_unwritable")
        return renew(principal, *arguments, **more)

    monkeypatch.setattr(keys, "renew", refuses)
    world.clock.advance(EVERY)
    await look(world.bexley)
    assert await codes(world.bexley) == [("subkey_failed", POLICE)]
    assert len(keys.subkeys(f"{BEXLEY}/housing")) == 2


async def test_a_folder_put_back_that_lacks_the_newest_is_told(world: World, tmp_path: Path) -> None:
    await week(world)
    for path in (tmp_path / "keys").glob("*.police.kem.2.key"):
        path.unlink()
    object.__setattr__(world.bexley.node, "keys", files(tmp_path / "keys"))
    world.clock.advance(60)
    await look(world.bexley)
    await world.settle()
    await refresh_trust(world.hackney.node, lambda network: None)
    assert world.hackney.node.network.sealing_key(POLICE, world.clock.now()) in publics(world.bexley)


async def test_rotate_makes_one_at_once(world: World) -> None:
    world.clock.advance(60)
    await rekey.rotate(world.bexley.node, POLICE)
    await refresh_trust(world.bexley.node, lambda network: None)
    newest = max(world.bexley.node.keys.subkeys(POLICE), key=lambda key: key.since)
    assert world.bexley.node.network.sealing_key(POLICE, world.clock.now()) == newest.public
    assert newest.since == world.clock.now()
