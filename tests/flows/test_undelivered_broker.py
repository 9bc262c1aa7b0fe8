"""What a real broker does with what cannot arrive, and that the sender knows by its own clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from yarl import URL

from gateway.errors import Unavailable
from gateway.flows import show
from gateway.ports import Lane, Parcel
from gateway.testing.boroughs import BEXLEY, HACKNEY, Borough, World, two_boroughs
from gateway.testing.broker import PrivateBroker
from gateway.testing.transport_suite import message, take
from gateway.transports import topology
from gateway.transports.rabbit import RabbitTransport, Timeouts, declare

HOUR = 3600
INTAKE = topology.intake(BEXLEY, Lane.STANDARD)
QUICK = Timeouts(connect=5, confirm=5, settle=1, close=1)


@pytest.fixture
async def world(broker_url: str) -> AsyncIterator[World]:
    """Hackney with a real broker. Bexley's node does not run."""
    await declare(broker_url, [HACKNEY, BEXLEY])
    areas = iter((HACKNEY, BEXLEY))
    async with two_boroughs(
        wrap=lambda _: RabbitTransport(broker_url, next(areas), timeouts=QUICK)
    ) as opened:
        yield opened


async def policy(broker: PrivateBroker, url: str, rule: str) -> None:
    words = ("set_policy", "--vhost", URL(url).path[1:], "here", rf"^{INTAKE}$".replace(".", r"\."), rule)
    await asyncio.to_thread(broker.ctl, *words)


async def passes(world: World, seconds: int) -> None:
    world.clock.advance(seconds)
    for _ in range(20):
        if not await world.hackney.turn():
            return
    raise RuntimeError


async def fill(borough: Borough) -> None:
    for number in range(20):  # a quorum queue takes one or more beyond its length
        await borough.node.transport.publish(message(b"%d" % number, to=BEXLEY))


def news(borough: Borough) -> list[dict[str, Any]]:
    return [dict(view.content) for _, view in borough.desks["housing"].given if view.kind is Parcel.STATUS]


async def why(world: World, ref: str) -> dict[str, Any]:
    found = await world.hackney.node.store.read(lambda tx: show.why(tx, show.find(tx, ref, None)))
    return next(one for one in found if isinstance(one, dict) and one["agency"] == "HOUSING")


async def test_a_full_queue_is_said_in_words_and_gone_when_there_is_room(
    world: World, document: Any, broker: PrivateBroker, broker_url: str
) -> None:
    await policy(broker, broker_url, '{"max-length": 1}')
    with pytest.raises(Unavailable) as caught:
        await fill(world.hackney)
    assert caught.value.code == "queue_full"
    ref = (await world.hackney.submit(document)).ref
    await passes(world, 1)
    told = await why(world, ref)
    assert (told["state"], told["last_error"]) == ("QUEUED", "queue_full")
    assert "full" in told["where"]
    assert told["turn"] == f"the node of {BEXLEY}"
    assert f"telephone {BEXLEY}" in told["fix"]
    assert told["next_try"]
    seen = await world.hackney.node.store.read(
        lambda tx: show.summary(world.hackney.node, show.find(tx, ref, None))
    )
    assert "not there yet for" in str(seen["summary"])

    await passes(world, 4 * HOUR)
    (parcel,) = news(world.hackney)
    assert (parcel["event"], parcel["state"]) == ("undelivered", "QUEUED")
    assert "telephone" in parcel["next_step"]

    await policy(broker, broker_url, '{"max-length": 1000}')
    async with asyncio.timeout(40):
        while (await why(world, ref))["state"] == "QUEUED":
            await passes(world, 60)
    after = await why(world, ref)
    assert (after["state"], after["last_error"]) == ("TRANSMITTED", "")
    assert len(news(world.hackney)) == 1


async def test_whatever_the_broker_does_with_an_expired_message_the_senders_timer_decides(
    world: World, document: Any, broker: PrivateBroker, broker_url: str
) -> None:
    """A time to live looks at the head of a queue alone, and a reader that hangs holds the head."""
    await policy(broker, broker_url, '{"message-ttl": 1}')
    reader = RabbitTransport(broker_url, BEXLEY, prefetch=1, timeouts=QUICK)
    try:
        deliveries = reader.deliveries(Lane.STANDARD)
        await reader._intakes[Lane.STANDARD].link.session()
        await world.hackney.node.transport.publish(message(b"head", to=BEXLEY))
        held = await take(deliveries)
        ref = (await world.hackney.submit(document)).ref
        await passes(world, 1)
        assert (await why(world, ref))["where"] == "with the broker"
        await passes(world, 4 * HOUR)
        (parcel,) = news(world.hackney)
        assert (parcel["event"], parcel["state"]) == ("undelivered", "TRANSMITTED")
        assert "whether their node runs" in (await why(world, ref))["fix"]
        await held.ack()
    finally:
        await reader.close()


async def test_an_area_whose_queues_are_missing(
    world: World, document: Any, broker: PrivateBroker, broker_url: str
) -> None:
    await asyncio.to_thread(broker.ctl, "delete_queue", "--vhost", URL(broker_url).path[1:], INTAKE)
    ref = (await world.hackney.submit(document)).ref
    await passes(world, 1)
    told = await why(world, ref)
    assert (told["last_error"], told["turn"]) == ("unroutable", "the broker's operator")
    assert "gateway broker definitions" in told["fix"]
