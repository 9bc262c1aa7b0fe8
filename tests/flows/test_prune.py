"""What grows is cut back, and what evidence needs stays."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.core.durations import DAY
from gateway.core.encoding import b64
from gateway.core.examination import judge_evidence
from gateway.core.judgement import Verdict
from gateway.core.retention import TABLE
from gateway.flows import prune, witness
from gateway.flows.evidence import Unanswered, gather
from gateway.flows.heartbeat import beat
from gateway.flows.vault import stripped
from gateway.ports import EnvelopeRow, Side
from gateway.testing.boroughs import START, Borough, World, two_boroughs
from schemas.samples import minimal_example, restamp

REF = "HO-E09000012-2026-000417"


def document(ref: str = REF, now: int = START) -> dict[str, Any]:
    found = restamp(json.loads(minimal_example()), now)
    return {**found, "message": {**found["message"], "handover_id": ref}}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Two nodes that have spoken: heartbeats go on in a stream that there is."""
    async with two_boroughs() as opened:
        await opened.hackney.submit(document("HO-E09000012-2026-000001"), key="first")
        await opened.settle()
        yield opened


async def hours(world: World, count: int, step: int = 6) -> None:
    """Time passes; both nodes say every few hours that they are there, as they do while they have business:
    a handover every five days. The network is signed anew once a day, and at the end."""
    since = world.clock.now()
    last, daily = since, max(1, 24 // step)
    for turn in range(count // step, 0, -1):
        world.clock.advance(step * 3600)
        now = world.clock.now()
        if now - last >= 5 * DAY:
            last = now
            ref = f"HO-E09000012-2026-{now // DAY % 10**6:06}"
            await world.hackney.submit(document(ref, now), key=ref)
        if turn % daily == 1 % daily:
            await world.renew()
        for borough in world.boroughs:
            await witness.sign(borough.node)
            await beat(borough.node, since)
        await world.settle()


async def rows(borough: Borough, side: Side) -> list[EnvelopeRow]:
    """What is stored of the streams with the other borough."""
    found = []
    peer = next(area for area in ("E09000012", "E09000004") if area != borough.area)

    def look(tx: Any) -> None:
        for stream in {row.stream for row in tx.streams(outgoing=side is Side.ORIGIN)}:
            if side is Side.ORIGIN:
                mids = [mid for _, mid, _ in tx.sent_between(peer, stream, 0, 10**9, 10**9)]
                found.extend(row for mid in mids if (row := tx.envelope(mid)))
            else:
                places = [seq for seq, _ in tx.received_after(peer, stream, 0, 10**9)]
                found.extend(row for seq in places if (row := tx.envelope_at(peer, stream, seq)))

    await borough.node.store.read(look)
    return found


async def test_what_was_sent_goes_a_fortnight_after_its_life_and_what_was_heard_is_stripped(
    world: World,
) -> None:
    node = world.hackney.node
    await hours(world, 24)
    first = {row.mid for row in await rows(world.hackney, Side.ORIGIN) if row.kind != 1}
    heard = {row.mid for row in await rows(world.hackney, Side.DESTINATION) if row.kind == 3 and row.seq > 1}
    assert first
    assert heard
    await hours(world, 16 * 24, step=24)
    assert not {"sent", "control"} & (await prune.prune(node)).keys()
    await hours(world, 3 * 24, step=24)
    done = await prune.prune(node)
    assert done["sent"] >= len(first)
    assert done["control"] >= len(heard)
    left = {row.mid: row for row in await rows(world.hackney, Side.ORIGIN)}
    assert not first & left.keys()
    assert left, "what may still be asked for stays"
    kept = {row.mid: row for row in await rows(world.hackney, Side.DESTINATION)}
    assert all(stripped(kept[mid]) for mid in heard)
    assert all(len(kept[mid].body) < 2000 for mid in heard)
    assert not all(stripped(row) for row in kept.values())
    assert await prune.prune(node) == {}, "once"


async def test_a_peers_silence_is_shown_after_its_envelopes_were_stripped(world: World) -> None:
    await hours(world, 12)
    await world.hackney.submit(document(now=world.clock.now()))
    await world.settle()
    until = world.clock.now() + 10 * DAY
    await hours(world, 40 * 24, step=12)
    node, caller = world.hackney.node, world.hackney.caller("community_safety")
    assert (await prune.prune(node))["control"]
    asked = Unanswered("E09000004/housing", until)
    gathered = await gather(node, caller, REF, None, (), "AUDIT", asked)
    found = judge_evidence(gathered.evidence.pack(), node.network.fingerprint)
    assert found.silent == ("E09000004/housing", until), found.checks
    assert not [check for check in found.checks if check.verdict is Verdict.INVALID]


async def test_a_stream_goes_on_over_what_was_pruned(world: World) -> None:
    await hours(world, 24)
    await hours(world, 150 * 24, step=48)
    for borough in world.boroughs:
        await prune.prune(borough.node)
    await world.hackney.submit(document(now=world.clock.now()))
    await world.settle()
    assert len(await world.bexley.legs(REF)) == 7
    for borough in world.boroughs:
        standing = await borough.node.store.read(lambda tx: tx.alarms())
        torn = {"gap", "prev", "lost", "equivocation", "new_stream", "stream_again"}
        assert not torn & {row.code for row in standing}
        assert list(await borough.node.store.read(lambda tx: tx.gaps())) == []


async def test_cosignatures_are_thinned_and_a_proof_still_says_the_day(world: World) -> None:
    await world.hackney.submit(document())
    await hours(world, 30 * 24)
    node, caller = world.hackney.node, world.hackney.caller("community_safety")
    log = f"bx/1/log/{node.network.net.hex()[:8]}/E09000012"
    before = await node.store.read(lambda tx: tx.cosignatures(log))
    done = await prune.prune(node)
    after = await node.store.read(lambda tx: tx.cosignatures(log))
    assert done["cosignatures"] >= len(before) - len(after) > 0
    old = world.clock.now() - TABLE["cosignatures"].seconds - DAY
    days = [row.at // DAY for row in after if row.at < old and row.by == "E09000004"]
    assert len(days) == len(set(days)), "one a day"
    gathered = await gather(node, caller, REF, None, (), "AUDIT")
    found = judge_evidence(gathered.evidence.pack(), node.network.fingerprint)
    assert START <= found.witnesses["E09000004"] <= START + DAY
    row = await node.store.read(lambda tx: tx.envelope(tx.legs(REF, 1)[0].mid))
    assert row is not None
    assert b64(row.statement), "the message itself is not touched"
    assert row.body.startswith(b"BXE1")


async def test_it_is_done_once_an_hour(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = []

    async def counted(_: object) -> dict[str, int]:
        turns.append(world.clock.now())
        return {}

    monkeypatch.setattr(prune, "prune", counted)
    for _ in range(7):
        await prune.turn(world.hackney.node)
        world.clock.advance(1200)
    assert turns == [START, START + 3600, START + 7200]


def test_the_pump_follows_the_table() -> None:
    lines = set(prune.DELETED.values()) | {"control", "cosignatures"}
    assert lines == {name for name, kept in TABLE.items() if kept.pruned}
    assert {name for name, kept in TABLE.items() if not kept.pruned} == {"metadata", "log"}
