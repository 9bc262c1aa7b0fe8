"""One cluster of three brokers, as processes, under two real nodes: a broker dies, and nothing is lost."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import SystemClock
from gateway.demo import boroughs
from gateway.demo.processes import Client, NodeProcess, configure, documents, nodes
from gateway.errors import Unavailable
from gateway.ports import Lane, Outgoing
from gateway.transports import topology
from gateway.transports.definitions import hub
from gateway.transports.private_cluster import PrivateCluster
from gateway.transports.rabbit import RabbitTransport, Timeouts

HACKNEY, BEXLEY = boroughs.HACKNEY, boroughs.BEXLEY
PASSWORD = "test"
INTAKE = topology.intake(BEXLEY, Lane.STANDARD)
COUNT = 400
pytestmark = pytest.mark.timeout(300)
"""Three brokers start and two restart here; on a loaded machine each takes half a minute."""

RECOVERY = 35.0
"""Seconds from a fault to the answer of a handover that was made after it."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateCluster]:
    made = PrivateCluster()
    made.start(tmp_path_factory.mktemp("cluster"))
    made.load(hub([HACKNEY, BEXLEY]), password=PASSWORD)
    yield made
    made.close()


@asynccontextmanager
async def transports(cluster: PrivateCluster) -> AsyncIterator[tuple[RabbitTransport, RabbitTransport]]:
    quick = Timeouts(connect=3, confirm=3, settle=2, close=1)
    made = [RabbitTransport(cluster.urls(area, PASSWORD), area, timeouts=quick) for area in (HACKNEY, BEXLEY)]
    try:
        for one in made:
            await one.start()
        yield made[0], made[1]
    finally:
        for one in made:
            await one.close()


def test_three_nodes_form_one_cluster_and_each_holds_every_queue(cluster: PrivateCluster) -> None:
    assert len(cluster.running()) == 3
    replicas = cluster.replicas()
    assert INTAKE in replicas
    assert {len(members) for members in replicas.values()} == {3}


async def test_the_leader_of_the_intake_is_killed_while_publishing(cluster: PrivateCluster) -> None:
    """What was confirmed is received, by a channel that was there before and by one that came after."""
    confirmed: set[bytes] = set()
    received: list[bytes] = []
    waits: list[float] = []

    async def publish(transport: RabbitTransport, numbers: range) -> None:
        loop = asyncio.get_running_loop()
        for number in numbers:
            message = Outgoing(
                to=BEXLEY, lane=Lane.STANDARD, body=b"%d" % number, message_id=f"{number:032x}"
            )
            began = loop.time()
            while message.body not in confirmed:
                try:
                    await transport.publish(message)
                    confirmed.add(message.body)
                except Unavailable:
                    await asyncio.sleep(0.05)
            waits.append(loop.time() - began)

    async def read(transport: RabbitTransport) -> None:
        async for delivery in transport.deliveries(Lane.STANDARD):
            received.append(delivery.body)
            await delivery.ack()

    leader = await asyncio.to_thread(cluster.leader, INTAKE)
    async with transports(cluster) as (hackney, bexley), asyncio.timeout(60):
        reading = asyncio.create_task(read(bexley))
        steady = asyncio.create_task(publish(hackney, range(COUNT)))
        while len(confirmed) < COUNT / 4:  # noqa: ASYNC110 - counts what a broker confirms
            await asyncio.sleep(0.01)
        await asyncio.to_thread(leader.kill)
        late = RabbitTransport(cluster.urls(HACKNEY, PASSWORD)[::-1], HACKNEY)
        await late.start()
        back = asyncio.to_thread(leader.restart)
        await asyncio.gather(steady, publish(late, range(COUNT, COUNT + 50)), back)
        while not confirmed <= set(received):  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.05)
        await late.close()
        reading.cancel()
    assert len(confirmed) == COUNT + 50
    print(f"\nworst confirm {max(waits):.1f} s, repeats {len(received) - len(set(received))}")
    assert max(waits) < RECOVERY


# --- two real nodes ---------------------------------------------------------------------------------------


async def prepared(folder: Path, cluster: PrivateCluster) -> tuple[boroughs.Borough, boroughs.Borough]:
    """Each with its own account, which may do what the definitions say and no more; each begins with another
    broker of the cluster."""
    pair = await boroughs.prepare(folder, SystemClock().now(), broker_urls=cluster.urls())
    for number, borough in enumerate(pair):
        urls = cluster.urls(borough.area, PASSWORD)
        configure(borough, broker={"urls": urls[number:] + urls[:number], "create": False})
    return pair


async def test_nothing_is_lost_while_brokers_of_the_cluster_die_and_freeze(
    cluster: PrivateCluster, tmp_path: Path
) -> None:
    pair = await prepared(tmp_path, cluster)
    sheets = documents(SystemClock().now() - 5)
    async with nodes(pair) as (hackney, bexley), Client(hackney) as client:
        over = asyncio.Event()
        load = asyncio.create_task(_steadily(client, sheets, over))
        await _until(lambda: len(client.accepted) >= 10)
        leader = await asyncio.to_thread(cluster.leader, INTAKE)
        took = {"leader killed": await _fault(client, sheets, leader.kill)}
        await asyncio.to_thread(leader.restart)
        await asyncio.to_thread(cluster.whole)
        second = await asyncio.to_thread(cluster.leader, INTAKE)
        took["leader frozen"] = await _fault(client, sheets, second.pause)
        await asyncio.to_thread(second.resume)
        over.set()
        await load
        await _until(lambda: _answered(hackney) == len(client.accepted))
        _each_arrived_once(client, bexley)
    # One that was frozen for longer than the tick is not always taken back by the others: operations.md.
    await asyncio.to_thread(second.restart)
    await asyncio.to_thread(cluster.whole)
    print({name: f"{seconds:.1f} s" for name, seconds in took.items()}, len(client.accepted))
    assert max(took.values()) < RECOVERY


async def _steadily(client: Client, sheets: Iterator[dict[str, Any]], over: asyncio.Event) -> None:
    while not over.is_set():
        await client.send(next(sheets))
        await asyncio.sleep(0.1)


async def _fault(client: Client, sheets: Iterator[dict[str, Any]], inflict: Callable[[], None]) -> float:
    """Seconds from the fault until a handover made after it is answered."""
    began = asyncio.get_running_loop().time()
    await asyncio.to_thread(inflict)
    ref = await client.send(next(sheets))
    await client.until_settled(ref, within=60)
    return asyncio.get_running_loop().time() - began


def _rows(node: NodeProcess, question: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{node.borough.folder}/gateway.db?mode=ro", uri=True)) as connection:
        return connection.execute(question).fetchall()


def _answered(node: NodeProcess) -> int:
    return int(_rows(node, "select count(*) from legs where side = 'origin' and state = 'ACCEPTED'")[0][0])


def _each_arrived_once(client: Client, bexley: NodeProcess) -> None:
    """The agency was given every handover that was accepted, each under one key; repeats were told apart."""
    files = (bexley.borough.folder / "agencies" / "housing" / "in").glob("notification-*.json")
    assert len(list(files)) == len(client.accepted)
    assert {ref for (ref,) in _rows(bexley, "select ref from handovers")} == set(client.accepted)
    assert _rows(bexley, "select leg from leg_events group by leg, event having count(*) > 1") == []


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - what another process does is looked at
            await asyncio.sleep(0.05)
