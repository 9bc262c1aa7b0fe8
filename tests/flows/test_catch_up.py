"""A node that comes back reads its urgent lane first: no agency sees what is wrong before the notice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from gateway.errors import Unavailable
from gateway.flows import catch_up, dispatch, notices
from gateway.flows.deliver import open_parked
from gateway.flows.node import Pace
from gateway.flows.receive import receive
from gateway.flows.runtime import running
from gateway.ports import Lane, Outgoing, Parcel, Transport
from gateway.stores import MEMORY, open_store
from gateway.testing.boroughs import BEXLEY, HACKNEY, Borough, Desk, ManualClock, assemble
from gateway.transports.memory import MemoryBroker, MemoryTransport
from gateway.transports.rabbit import RabbitTransport, declare
from keys_example import AGENCIES

REF = "HO-E09000012-2026-000417"
CORRECTION = {"kind": "CORRECTION", "role": "Team leader", "reason_code": "DATA_INACCURATE"}
GARBAGE = 150
"""Urgent messages before the correction: without waiting for them the handover would be first."""

SOON = 60.0

Make = Callable[[str], Transport]


def accept(_: object) -> None:
    """Any newer network will do here."""


async def borough(area: str, make: Make, clock: ManualClock) -> Borough:
    store, transport = open_store(MEMORY), make(area)
    await store.start()
    await transport.start()
    desks = {role: Desk() for role in AGENCIES}
    return await assemble(area, store, transport, clock, desks, Pace(poll=0.01, sweep=0.01))


@asynccontextmanager
async def waiting_for(make: Make, document: Mapping[str, Any]) -> AsyncIterator[Borough]:
    """Bexley, which was away while Hackney sent a handover, then much that is urgent, then its correction."""
    clock = ManualClock()
    hackney = await borough(HACKNEY, make, clock)
    await hackney.submit(document)
    await dispatch.dispatch(hackney.node, dispatch.BULK)
    for _ in range(GARBAGE):
        await hackney.node.transport.publish(Outgoing(BEXLEY, Lane.URGENT, b"garbage", uuid4().hex, True))
    words = notices.read(json.dumps(CORRECTION).encode())
    await notices.issue(hackney.node, hackney.caller("community_safety"), REF, words, key="n1")
    await dispatch.dispatch(hackney.node, dispatch.URGENT)
    bexley = await borough(BEXLEY, make, clock)
    try:
        yield bexley
    finally:
        await hackney.node.transport.close()
        await hackney.node.store.close()


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON):
        while not what():  # noqa: ASYNC110 - what is looked at is what an adapter was given
            await asyncio.sleep(0.01)


async def check_order(make: Make, document: Mapping[str, Any]) -> None:
    async with waiting_for(make, document) as bexley, running(bexley.node, accept=accept):
        await until(lambda: all(len(desk.given) >= 2 for desk in bexley.desks.values()))
        for role, desk in bexley.desks.items():
            kinds = [view.kind for _, view in desk.given]
            assert kinds == [Parcel.NOTICE, Parcel.NOTIFICATION], role


async def test_a_correction_that_waited_is_read_before_the_handover_in_memory(
    document: dict[str, Any],
) -> None:
    broker = MemoryBroker([HACKNEY, BEXLEY])
    await check_order(lambda area: MemoryTransport(broker, area), document)


async def test_a_correction_that_waited_is_read_before_the_handover_on_rabbitmq(
    document: dict[str, Any], broker_url: str
) -> None:
    await declare(broker_url, [HACKNEY, BEXLEY])
    await check_order(lambda area: RabbitTransport(broker_url, area), document)


async def test_what_was_stored_before_the_node_stopped_waits_for_the_urgent_lane_too(
    document: dict[str, Any],
) -> None:
    """The handover is in the database already, undelivered, when the node is stopped."""
    broker = MemoryBroker([HACKNEY, BEXLEY])
    async with waiting_for(lambda area: MemoryTransport(broker, area), document) as bexley:
        stream = bexley.node.transport.deliveries(Lane.STANDARD)
        await receive(bexley.node, await anext(stream))
        async with running(bexley.node, accept=accept):
            await until(lambda: all(len(desk.given) >= 2 for desk in bexley.desks.values()))
            for role, desk in bexley.desks.items():
                assert desk.given[0][1].kind is Parcel.NOTICE, role


async def test_a_flood_of_urgent_messages_does_not_stop_the_others_for_ever(
    document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "PATIENCE", 0.3)
    broker = MemoryBroker([HACKNEY, BEXLEY])
    async with waiting_for(lambda area: MemoryTransport(broker, area), document) as bexley:
        monkeypatch.setattr(bexley.node.transport, "deliveries", _stuck(bexley.node.transport))
        async with running(bexley.node, accept=accept):
            await until(bexley.node.wake.drained.is_set)
            await until(lambda: all(desk.given for desk in bexley.desks.values()))


def _stuck(transport: Transport) -> Callable[[Lane], AsyncIterator[Any]]:
    inner = transport.deliveries

    async def never() -> AsyncIterator[Any]:
        await asyncio.Event().wait()
        yield None

    return lambda lane: never() if lane is Lane.URGENT else inner(lane)


async def test_nobody_opens_anything_meanwhile(document: dict[str, Any]) -> None:
    broker = MemoryBroker([HACKNEY, BEXLEY])
    async with waiting_for(lambda area: MemoryTransport(broker, area), document) as bexley:
        bexley.node.wake.drained.clear()
        with pytest.raises(Unavailable) as caught:
            await open_parked(bexley.node, bexley.caller("police"), "status-1", justification="AUDIT")
        assert caught.value.code == "catching_up"
        await bexley.node.transport.close()
        await bexley.node.store.close()


async def test_a_node_that_finds_nothing_urgent_goes_on_at_once(document: dict[str, Any]) -> None:
    broker = MemoryBroker([HACKNEY, BEXLEY])
    bexley = await borough(BEXLEY, lambda area: MemoryTransport(broker, area), ManualClock())
    async with running(bexley.node, accept=accept):
        async with asyncio.timeout(1):
            await bexley.node.wake.drained.wait()
