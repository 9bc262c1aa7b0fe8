"""What is said when nothing else is: how often, to whom, that it ends, and what silence means."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any, cast

import pytest

from gateway.core.envelope import split
from gateway.errors import Unavailable
from gateway.flows import heartbeat, restart
from gateway.flows.dispatch import BULK, dispatch
from gateway.flows.heartbeat import ACTIVE, ANSWER
from gateway.flows.node import Pace
from gateway.flows.outgoing import MARGIN, ONCE
from gateway.ports import Outbound, OutboxRow, Side
from gateway.testing.boroughs import BEXLEY, HACKNEY, START, Borough, World, two_boroughs
from gateway.testing.restoring import Taps, passes, pulse

DAY = 86_400


def counted(taps: Taps) -> dict[str, list[int]]:
    """The kinds of the envelopes that went to each area."""
    return {area: [split(one).kind for one in taps.envelopes(area)] for area in (HACKNEY, BEXLEY)}


async def rows(borough: Borough) -> list[OutboxRow]:
    store: Any = borough.node.store
    return list(store.memory.tables.outbox.values())


async def unsettled(borough: Borough) -> list[OutboxRow]:
    return [row for row in await rows(borough) if row.state is not Outbound.SETTLED]


async def alarms(borough: Borough) -> list[tuple[str, str]]:
    found = await borough.node.store.read(lambda tx: tx.alarms())
    return [(row.code, row.peer) for row in found]


async def test_receipts_are_answered_once_and_then_it_is_quiet(document: Any) -> None:
    """Their sender stops repeating them at once, not at the next heartbeat."""
    taps = Taps()
    async with two_boroughs(wrap=taps.wrap) as world:
        await world.hackney.submit(document)
        await world.settle()
        assert [row.lane.value for row in await unsettled(world.bexley)] == ["r", "r"]
        taps.published.clear()
        await passes(world, ANSWER - 1, 1)
        assert counted(taps) == {HACKNEY: [], BEXLEY: []}
        await passes(world, 580)
        assert counted(taps) == {HACKNEY: [], BEXLEY: [3]}
        for borough in world.boroughs:
            assert await unsettled(borough) == []


async def test_two_idle_nodes_say_one_thing_each_in_the_time_of_a_heartbeat(document: Any) -> None:
    """They never answer each other's heartbeats: six an hour, each way, and nothing beside them."""
    taps = Taps()
    async with two_boroughs(wrap=taps.wrap) as world:
        await world.hackney.submit(document)
        await world.settle()
        await passes(world, 600)
        taps.published.clear()
        await passes(world, 6 * 3600, 30)
        for kinds in counted(taps).values():
            assert set(kinds) == {3}
            assert 34 <= len(kinds) <= 36
        assert [await alarms(borough) for borough in world.boroughs] == [[], []]


async def test_a_busy_pair_says_nothing_more(document: Any) -> None:
    """What is sent anyway says it: no heartbeat goes to whom something was sent within its time."""
    taps = Taps()
    async with two_boroughs(wrap=taps.wrap) as world:
        for number in range(4):
            await world.hackney.submit(_renamed(document, number), key=f"k{number}")
            await passes(world, 300)
        kinds = counted(taps)
        assert kinds[BEXLEY].count(1) == 4
        assert kinds[BEXLEY].count(3) == 4  # each an answer to receipts
        assert 3 not in kinds[HACKNEY]


def _renamed(document: Any, number: int) -> Any:
    reference = document["message"]["handover_id"]
    return json.loads(json.dumps(document).replace(reference, f"{reference[:-1]}{number}"))


async def test_a_pair_that_has_nothing_to_say_for_a_week_falls_silent_without_an_alarm(document: Any) -> None:
    taps = Taps()
    async with two_boroughs(wrap=taps.wrap) as world:
        await world.hackney.submit(document)
        await world.settle()
        await passes(world, 60)
        store = world.bexley.node.store  # the two need not count the week from the same message
        (mine,) = await store.read(lambda tx: tx.streams(outgoing=True))
        await store.write(lambda tx: tx.put_stream(replace(mine, busy=mine.busy + DAY // 2)))
        await passes(world, ACTIVE + DAY, 600)
        taps.published.clear()
        await passes(world, DAY, 600)
        assert counted(taps) == {HACKNEY: [], BEXLEY: []}
        codes = {code for borough in world.boroughs for code, _ in await alarms(borough)}
        assert codes.isdisjoint({"silent", "gap", "lost", "peer_unreachable"})


async def test_a_lost_heartbeat_is_asked_for_once_and_is_not_repeated_for_ever(document: Any) -> None:
    taps = Taps()
    async with two_boroughs(wrap=taps.wrap) as world:
        await world.hackney.submit(document)
        await world.settle()
        await passes(world, 500)
        taps.withhold = lambda message: message.to == BEXLEY
        await passes(world, 300)
        taps.withhold = lambda message: False
        taps.published.clear()
        await passes(world, 1300)
        (lost, *rest) = taps.envelopes(BEXLEY)
        sent = list(taps.envelopes(BEXLEY))
        assert len(sent) - len(set(sent)) <= 1
        (row,) = await world.bexley.node.store.read(lambda tx: tx.streams(outgoing=False))
        assert (row.seq, await alarms(world.bexley)) == (row.top, [])
        for borough in world.boroughs:
            assert await unsettled(borough) == []
        assert lost
        assert rest


async def test_one_that_is_not_heard_is_alarmed_once_until_it_speaks_again(document: Any) -> None:
    taps = Taps()
    async with two_boroughs(wrap=taps.wrap) as world:
        await world.hackney.submit(document)
        await world.settle()
        await passes(world, 100)
        taps.withhold = lambda message: message.to == BEXLEY
        (row,) = await world.bexley.node.store.read(lambda tx: tx.streams(outgoing=False))
        await passes(world, row.at + 3 * 600 - world.clock.now() - 5)
        assert await alarms(world.bexley) == []
        await passes(world, 5)
        assert await alarms(world.bexley) == [("silent", HACKNEY)]
        await passes(world, 3600, 60)
        assert await alarms(world.bexley) == [("silent", HACKNEY)]
        assert await alarms(world.hackney) == []
        taps.withhold = lambda message: False
        await passes(world, 900)
        assert ("silent", HACKNEY) not in await alarms(world.bexley)
        found = await world.bexley.node.store.read(lambda tx: tx.alarms(cleared=True))
        assert "heard again" in {one.cleared_by for one in found if one.code == "silent"}


async def test_after_a_night_switched_off_nobody_is_called_silent(world: World, document: Any) -> None:
    await world.hackney.submit(document)
    await world.settle()
    world.clock.advance(10 * 3600)
    woken = world.clock.now()
    await heartbeat.beat(world.bexley.node, woken)
    assert await alarms(world.bexley) == []
    world.clock.advance(1799)
    await heartbeat.beat(world.bexley.node, woken)
    assert await alarms(world.bexley) == []
    world.clock.advance(1)
    await heartbeat.beat(world.bexley.node, woken)
    assert await alarms(world.bexley) == [("silent", HACKNEY)]


async def test_of_several_processes_one_speaks(world: World, document: Any) -> None:
    await world.hackney.submit(document)
    await world.settle()
    world.clock.advance(600)
    node = world.hackney.node
    assert sum(await asyncio.gather(*(heartbeat.beat(replace(node), START) for _ in range(4)))) == 1


async def test_the_time_between_heartbeats_is_a_setting(document: Any) -> None:
    taps = Taps()
    async with two_boroughs(wrap=taps.wrap, pace=Pace(heartbeat=60)) as world:
        await world.hackney.submit(document)
        await world.settle()
        await passes(world, 60)
        taps.published.clear()
        await passes(world, 600, 5)
        assert {len(kinds) for kinds in counted(taps).values()} == {10}


async def test_a_peer_without_a_valid_key_is_tried_again_at_the_next_time_only(
    world: World, document: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.hackney.submit(document)
    await world.settle()
    tries = 0

    def refuse(*_: object, **__: object) -> bool:
        nonlocal tries
        tries += 1
        return False

    monkeypatch.setattr(heartbeat, "tell", refuse)
    await world.settle()
    for _ in range(130):
        world.clock.advance(10)
        await heartbeat.beat(world.hackney.node, world.clock.now())
    assert 1 <= tries <= 3


async def test_a_heartbeat_that_the_broker_did_not_take_stays_one_that_is_sent_once(
    world: World, document: Any
) -> None:
    await world.hackney.submit(document)
    await world.settle()
    world.clock.advance(600)
    node = world.hackney.node
    await heartbeat.beat(node, START)
    publish = node.transport.publish

    async def away(_: object) -> None:
        raise Unavailable("away", code="broker_lost")

    node.transport.publish = away  # type: ignore[method-assign]  # a broker that is away
    await dispatch(node, BULK)
    (row,) = [row for row in await rows(world.hackney) if row.error == ONCE]
    assert row.state is Outbound.WAITING
    node.transport.publish = publish  # type: ignore[method-assign]
    world.clock.advance(60)
    await dispatch(node, BULK)
    (row,) = [row for row in await rows(world.hackney) if row.error == ONCE]
    assert (row.state, row.due) == (Outbound.SETTLED, world.clock.now())


async def test_a_heartbeat_that_died_before_it_left_is_let_go(world: World, document: Any) -> None:
    await world.hackney.submit(document)
    await world.settle()
    world.clock.advance(600)
    node = world.hackney.node
    await heartbeat.beat(node, START)
    world.clock.advance(node.pace.life - MARGIN)
    await dispatch(node, BULK)
    (row,) = [
        row for row in await rows(world.hackney) if row.created == START + 600 and row.lane.value == "r"
    ]
    assert (row.state, row.error) == (Outbound.SETTLED, "expired")


async def test_a_new_stream_is_announced_before_anything_else_is_sent(world: World, document: Any) -> None:
    await world.hackney.submit(document)
    await world.settle()
    await passes(world, 40)
    node = world.bexley.node
    (before,) = await node.store.read(lambda tx: tx.streams(outgoing=True))
    assert await node.store.write(lambda tx: restart.begin_all(tx, world.clock.now())) == [HACKNEY]
    (begun,) = await node.store.read(lambda tx: tx.streams(outgoing=True))
    assert (begun.seq, begun.at, begun.stream != before.stream) == (0, 0, True)
    await pulse(world)
    (row,) = await world.hackney.node.store.read(lambda tx: tx.streams(outgoing=False))
    assert (row.stream, row.seq) == (begun.stream, 2)
    assert await alarms(world.hackney) == [("new_stream_announced", BEXLEY)]
    first = await world.hackney.node.store.read(lambda tx: tx.envelope_at(BEXLEY, begun.stream, 1))
    assert cast("Any", first).side is Side.DESTINATION
    await passes(world, 60)
    for borough in world.boroughs:
        assert await unsettled(borough) == []
