"""No longer than necessary (finding 4, s.39 DPA 2018), and no informal copy (finding 3): two nodes on real
databases and real key files, their clocks frozen beyond the date."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.core import attestation
from gateway.core.ceremony import Bundle
from gateway.core.durations import DAY
from gateway.core.entitlements import ENTITLEMENTS
from gateway.core.envelope import open_slot, split
from gateway.core.examination import judge_evidence
from gateway.core.judgement import Verdict
from gateway.errors import GatewayError, NotAllowed
from gateway.flows import accounts, attest, documents, holds, rekey, shred
from gateway.flows.evidence import gather
from gateway.flows.slots import view_for
from gateway.flows.trust import join, refresh_trust
from gateway.flows.vault import ROUTING, secrets_of
from gateway.keystore import KeyStore
from gateway.ports import EnvelopeRow
from gateway.stores import open_store
from gateway.testing.boroughs import BEXLEY, HACKNEY, START, Borough, World, two_boroughs
from keys_example import ENVIRONMENT, PASSPHRASE, demo_network, install
from schemas.samples import minimal_example, restamp

REF = "HO-E09000012-2026-000417"
EARLIER = "f96dfd0d-80a7-5d63-a0c1-aaf074b86cc3"


def document() -> dict[str, Any]:
    found = restamp(json.loads(minimal_example()), START)
    dates = {**found["retention"], "gateway_payload_purge_after": "2027-02-22", "review_date": "2027-06-30"}
    return {**found, "retention": dates, "message": {**found["message"], "handover_id": REF}}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Databases and keys as in the field: in files."""
    stores = {
        area: (lambda area=area: open_store(f"sqlite:///{tmp_path}/{area}.db")) for area in (HACKNEY, BEXLEY)
    }
    async with two_boroughs(stores=stores) as opened:
        folders = {borough.area: tmp_path / "keys" / borough.area for borough in opened.boroughs}
        for borough in opened.boroughs:
            install(borough.area, folders[borough.area])
            hold_keys(borough, folders[borough.area])
            for principal in borough.node.keys.principals():
                await rekey.rotate(borough.node, principal)
        await tend(opened)
        await tend(opened)
        for borough in opened.boroughs:  # the demo's own subkeys last ten years; those of the field, weeks
            for file in folders[borough.area].glob("*.kem.1.key"):
                file.unlink()
            hold_keys(borough, folders[borough.area])
        yield opened


def hold_keys(borough: Borough, folder: Path) -> None:
    object.__setattr__(borough.node, "keys", KeyStore.open(folder, PASSPHRASE, ENVIRONMENT))


async def tend(world: World) -> None:
    """What the housekeeping of a running node does, on both sides."""
    await world.settle()
    for borough in world.boroughs:
        await refresh_trust(borough.node, lambda _: None)
        await rekey.turn(borough.node)
        await refresh_trust(borough.node, lambda _: None)
        await documents.spread(borough.node)
        await holds.look(borough.node)
        await shred.take_up(borough.node)
        await attest.sign_waiting(borough.node)
    await world.settle()


async def pass_days(world: World, days: int) -> None:
    """Time passes in steps of less than a subkey's week; the directory is renewed before it ends."""
    left = days * DAY
    while left > 0:
        step = min(left, 6 * DAY)
        world.clock.advance(step)
        left -= step
        now = world.clock.now()
        demo = demo_network(now, ENTITLEMENTS)
        for borough in world.boroughs:
            bundle = Bundle(demo.roots, demo.directory, ())
            await borough.node.store.write(lambda tx, bundle=bundle, now=now: join(tx, bundle, now))
        await tend(world)
        await tend(world)


async def handed_over(world: World, *, answered: bool = True) -> None:
    await world.hackney.submit(document())
    await world.settle()
    for role, leg in (await world.bexley.legs(REF)).items() if answered else ():
        await world.bexley.answer(role, leg.id)
    await world.settle()


def backup(tmp_path: Path, area: str, name: str) -> Path:
    """A copy of the database alone, as an operator makes one every night."""
    copy = tmp_path / f"{area}.{name}.db"
    with sqlite3.connect(tmp_path / f"{area}.db") as source, sqlite3.connect(copy) as target:
        source.backup(target)
    return copy


async def messages(url: str) -> list[EnvelopeRow]:
    store = open_store(url)
    await store.start()
    try:
        return list(await store.read(lambda tx: tx.envelopes_of(REF)))
    finally:
        await store.close()


def opens(borough: Borough, row: EnvelopeRow) -> list[str]:
    """Every way to the content of one row with the keys that this node holds: who or what opens it."""
    node, ways = borough.node, []
    with suppress(GatewayError):
        ways += [f"part {n}" for n in secrets_of(node, row).keys if n > ROUTING]
    principals = [name for name in node.keys.principals() if not name.endswith("/node")]
    for reader in principals:
        with suppress(GatewayError):
            ways += [reader] if view_for(node, row, reader) else []
    try:
        slots = range(1, len(split(row.body).slots))
    except GatewayError:
        return ways
    for reader in principals:
        for slot in slots:
            try:
                open_slot(split(row.body), slot, net=node.network.net, opener=node.keys.opener(reader))
                ways.append(f"{reader} slot {slot}")
            except GatewayError:
                continue
    return ways


@pytest.mark.row("F4")
async def test_s39_what_is_past_its_purge_date_cannot_be_read_from_an_old_backup(
    world: World, tmp_path: Path
) -> None:
    """The databases of the first day, with the key folders of today, on both sides: nothing opens."""
    await handed_over(world)
    copies = {borough.area: backup(tmp_path, borough.area, "first-day") for borough in world.boroughs}
    for borough in world.boroughs:
        rows = await messages(f"sqlite:///{copies[borough.area]}")
        assert len(rows) == 8
        assert all(opens(borough, row) for row in rows), "the backup is a good one"
    await pass_days(world, 31)
    for borough in world.boroughs:
        for row in await messages(f"sqlite:///{copies[borough.area]}"):
            assert opens(borough, row) == [], f"{borough.area}: an old backup still opens"
        for row in await messages(f"sqlite:///{tmp_path}/{borough.area}.db"):
            assert opens(borough, row) == []
            if row.side.value == "destination":
                assert not row.body.startswith(b"BXE1"), "of what was received the sealed bytes went, too"


@pytest.mark.row("F4")
async def test_s39_ninety_days_after_issue_it_is_gone_whoever_has_not_answered(
    world: World, tmp_path: Path
) -> None:
    await handed_over(world, answered=False)
    copies = {borough.area: backup(tmp_path, borough.area, "first-day") for borough in world.boroughs}
    await pass_days(world, 89)
    for borough in world.boroughs:
        rows = await messages(f"sqlite:///{tmp_path}/{borough.area}.db")
        assert any(opens(borough, row) for row in rows), "not before its date"
    await pass_days(world, 2)
    for borough in world.boroughs:
        for row in await messages(f"sqlite:///{copies[borough.area]}"):
            assert opens(borough, row) == []
        standing = await borough.node.store.read(lambda tx: tx.alarms())
        assert [row.subject for row in standing if row.code == "purged_unanswered"] == [f"{REF}/1"]
    told = [view.content.get("event") for _, view in world.hackney.desks["police"].given]
    assert "purged_unanswered" in told


@pytest.mark.row("F4")
async def test_s39_what_was_shared_with_whom_is_proven_after_the_content_has_gone(world: World) -> None:
    await handed_over(world)
    await pass_days(world, 31)
    node, caller = world.hackney.node, world.hackney.caller("community_safety")
    gathered = await gather(node, caller, REF, None, ("core", "history"), "AUDIT")
    assert set(gathered.evidence.keys) == {0, 1}, "no key to content is left to show"
    assert gathered.shredded == ["core", "history"]
    found = judge_evidence(gathered.evidence.pack(), node.network.fingerprint)
    assert found.verdict is not Verdict.INVALID, found.checks
    assert found.statement is not None
    assert len(found.legs) == 8, "seven agencies and the node"
    for borough in world.boroughs:
        assert (await accounts.check(borough.node)).good
        newest = await borough.node.store.read(lambda tx: tx.accesses(ref=REF, limit=99))
        assert "ERASURE" in {row.operation for row in newest}


@pytest.mark.row("F4")
async def test_s39_what_is_past_its_review_is_not_sent_again(world: World) -> None:
    stale = document()
    stale["history"][0]["review_by"] = "2026-11-30"
    await world.hackney.submit(stale)
    await pass_days(world, 12)
    told = [view.content.get("event") for _, view in world.hackney.desks["community_safety"].given]
    assert told.count("review_overdue") == 1, "the agency that sent it hears of it"
    again = restamp(
        {**stale, "message": {**stale["message"], "version": 2, "supersedes": EARLIER}}, world.clock.now()
    )
    again["history"][0]["review_by"] = "2026-11-30"
    with pytest.raises(NotAllowed) as refused:
        await world.hackney.submit(again, key="again")
    assert "R16" in {problem.rule for problem in refused.value.problems}


@pytest.mark.row("F3", "F4")
async def test_f3_every_node_attests_its_purge_and_one_that_keeps_a_copy_fails_the_audit(
    world: World, tmp_path: Path
) -> None:
    await handed_over(world)
    kept = tmp_path / "informal-copy"
    shutil.copytree(tmp_path / "keys" / BEXLEY, kept)  # somebody keeps the keys "in case"
    await pass_days(world, 35)
    network = world.hackney.node.network
    notes = {row.area: row.note for row in await world.hackney.node.store.read(lambda tx: tx.purges(REF))}
    assert set(notes) == {HACKNEY, BEXLEY}, "the origin holds the word of every node that got it"
    for area, note in notes.items():
        told = attestation.read(note, net=network.net, keyring=network.keyring)
        assert (told.by, told.ref, told.messages) == (f"{area}/node", REF, 8)
    assert all(not open_ for _, open_ in await attest.audit(world.bexley.node))
    hold_keys(world.bexley, kept)
    [(row, open_)] = await attest.audit(world.bexley.node)
    assert (row.ref, len(open_)) == (REF, 8)
    standing = await world.bexley.node.store.read(lambda tx: tx.standing_alarms(attest.READABLE))
    assert [alarm.subject for alarm in standing] == [f"{REF}/1"]


@pytest.mark.row("F3")
async def test_f3_a_node_that_does_not_attest_is_known_by_name(world: World) -> None:
    await handed_over(world)
    node = world.bexley.node
    hold = await holds.place(node, REF, "LITIGATION", role="Legal", actor="a", review=START + 200 * DAY)
    await pass_days(world, 36)
    late = await world.hackney.node.store.read(lambda tx: tx.standing_alarms(attest.OVERDUE))
    assert [(row.peer, row.subject) for row in late] == [(BEXLEY, f"{REF}/1")]
    await holds.lift(node, hold.id, role="Legal", actor="a")
    await pass_days(world, 3)
    assert await world.hackney.node.store.read(lambda tx: tx.standing_alarms(attest.OVERDUE)) == []
