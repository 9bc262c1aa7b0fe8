"""Each area with a broker of its own: two RabbitMQ as processes, joined by shovels that fetch."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import SystemClock
from gateway.demo import boroughs, processes
from gateway.demo.processes import Client, configure, documents
from gateway.errors import Unavailable
from gateway.ports import Lane, Outgoing
from gateway.testing.broker import PrivateBroker
from gateway.testing.transport_suite import take
from gateway.transports import topology
from gateway.transports.definitions import VHOST, mesh
from gateway.transports.inspection import differences
from gateway.transports.rabbit import RabbitTransport, Timeouts

HACKNEY, BEXLEY = "E09000012", "E09000004"
AREAS = (HACKNEY, BEXLEY)
PASSWORD = "test"
pytestmark = pytest.mark.timeout(300)
"""Two brokers start and restart here; on a loaded machine each takes half a minute."""

QUICK = Timeouts(connect=2, confirm=2, settle=1, close=1)
COUNT = 300


class Mesh:
    """Two brokers, each with the definitions of its area."""

    def __init__(self, folder: Path) -> None:
        self.brokers = {area: PrivateBroker("rabbitmq_shovel") for area in AREAS}
        for step in (self._start, self._load, self._fetch):
            with ThreadPoolExecutor(len(AREAS)) as pool:
                list(pool.map(lambda area, step=step: step(folder / area, area), AREAS))

    def _start(self, folder: Path, area: str) -> None:
        folder.mkdir()
        self.brokers[area].start(folder)

    def _load(self, _: Path, area: str) -> None:
        self.brokers[area].load({**self._made(area), "parameters": []}, VHOST, password=PASSWORD)

    def _fetch(self, folder: Path, area: str) -> None:
        """When all of them have their accounts: a shovel that is refused tries again seconds later."""
        file = folder / "shovels.json"
        file.write_text(json.dumps({"parameters": self._made(area)["parameters"]}))
        self.brokers[area].ctl("import_definitions", str(file))
        self.brokers[area].sync()

    def _made(self, area: str) -> Mapping[str, Any]:
        (peer,) = set(AREAS) - {area}
        # Their addresses are known once all of them run; the account there is ours, by its area.
        return mesh(area, {peer: self.address(peer, area)}, local=self.admin(area))

    def address(self, area: str, account: str) -> str:
        return f"amqp://{account}:{PASSWORD}@127.0.0.1:{self.port(area)}/{VHOST}"

    def admin(self, area: str) -> str:
        return self.brokers[area].url.removesuffix("%2F") + VHOST

    def port(self, area: str) -> str:
        return self.brokers[area].url.rpartition(":")[2].partition("/")[0]

    def waiting(self, area: str, queue: str) -> int:
        rows = self.brokers[area].ctl("list_queues", "-p", VHOST, "name", "messages").split("\n")
        return next(int(row.split("\t")[1]) for row in rows if row.startswith(f"{queue}\t"))

    def close(self) -> None:
        for broker in self.brokers.values():
            broker.close()


@pytest.fixture(scope="module")
def meshed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    made = Mesh(tmp_path_factory.mktemp("mesh"))
    yield made
    made.close()


@asynccontextmanager
async def nodes(meshed: Mesh) -> AsyncIterator[tuple[RabbitTransport, RabbitTransport]]:
    made = tuple(RabbitTransport(meshed.address(area, area), area, timeouts=QUICK) for area in AREAS)
    try:
        for one in made:
            await one.start()
        yield made[0], made[1]
    finally:
        for one in made:
            await one.close()


def message(number: int, lane: Lane = Lane.STANDARD) -> Outgoing:
    return Outgoing(to=BEXLEY, lane=lane, body=b"%d" % number, message_id=f"{number:032x}")


def test_the_export_of_a_live_mesh_is_found_as_it_should_be(meshed: Mesh, tmp_path: Path) -> None:
    """What RabbitMQ makes of the definitions when it writes them out again: shovels and their addresses too.
    Only the account that administers these brokers is beyond them."""
    file = tmp_path / "export.json"
    meshed.brokers[HACKNEY].ctl("export_definitions", str(file))
    found = differences(mesh(HACKNEY, {BEXLEY: ""}), json.loads(file.read_text()))
    assert [one.what for one in found if "gateway" not in one.what] == []


async def test_every_lane_reaches_the_peer_and_says_who_sent_it(meshed: Mesh) -> None:
    async with nodes(meshed) as (hackney, bexley):
        for number, lane in enumerate(Lane):
            await hackney.publish(message(number, lane))
            while (delivery := await take(bexley.deliveries(lane))).body != b"%d" % number:
                await delivery.ack()  # a repeat that the killed brokers of another test have left
            assert delivery.sender == HACKNEY
            await delivery.ack()


async def test_either_broker_is_killed_and_what_was_confirmed_arrives(meshed: Mesh) -> None:
    confirmed: set[bytes] = set()
    received: set[bytes] = set()

    async def publish(transport: RabbitTransport) -> None:
        for number in range(COUNT):
            body = message(1000 + number)
            while body.body not in confirmed:
                try:
                    await transport.publish(body)
                    confirmed.add(body.body)
                except Unavailable:
                    await asyncio.sleep(0.1)

    async def read(transport: RabbitTransport) -> None:
        async for delivery in transport.deliveries(Lane.STANDARD):
            received.add(delivery.body)
            await delivery.ack()

    async with nodes(meshed) as (hackney, bexley):
        reading, publishing = asyncio.create_task(read(bexley)), asyncio.create_task(publish(hackney))
        for area, share in ((BEXLEY, 0.25), (HACKNEY, 0.6)):
            while len(confirmed) < share * COUNT:  # noqa: ASYNC110 - counts what a broker confirms
                await asyncio.sleep(0.01)
            broker = meshed.brokers[area]
            await asyncio.to_thread(broker.kill)
            await asyncio.to_thread(broker.restart)
        async with asyncio.timeout(90):
            await publishing
            while not confirmed <= received:  # noqa: ASYNC110 - the same
                await asyncio.sleep(0.05)
        reading.cancel()
    assert len(confirmed) == COUNT


async def test_real_nodes_hand_over_while_either_broker_is_killed(meshed: Mesh, tmp_path: Path) -> None:
    """Handovers out, receipts and answers back: every one goes through both brokers and a shovel, twice. The
    second dies while the first is coming back."""
    pair = await boroughs.prepare(
        tmp_path, SystemClock().now(), broker_urls=[meshed.address(HACKNEY, HACKNEY)]
    )
    for borough in pair:
        address = meshed.address(borough.area, borough.area)
        configure(borough, broker={"urls": [address], "create": False})
    sheets = documents(SystemClock().now() - 5)
    async with processes.nodes(pair) as (hackney, bexley), Client(hackney) as client, asyncio.timeout(120):
        load = asyncio.create_task(_send(client, sheets, 30))
        await asyncio.gather(_cut(meshed, HACKNEY, after=0.5), _cut(meshed, BEXLEY, after=1.5))
        await load
        while _count(hackney, "legs where side = 'origin' and state = 'ACCEPTED'") < 30:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        assert len(client.accepted) == 30
        given = (bexley.borough.folder / "agencies" / "housing" / "in").glob("notification-*.json")
        assert len(list(given)) == 30
        assert _count(bexley, "(select 1 from leg_events group by leg, event having count(*) > 1)") == 0


async def _cut(meshed: Mesh, area: str, *, after: float) -> None:
    await asyncio.sleep(after)
    await asyncio.to_thread(meshed.brokers[area].kill)
    await asyncio.to_thread(meshed.brokers[area].restart)


async def _send(client: Client, sheets: Iterator[dict[str, Any]], count: int) -> None:
    for _ in range(count):
        await client.send(next(sheets))
        await asyncio.sleep(0.1)


def _count(node: processes.NodeProcess, what: str) -> int:
    file = node.borough.folder / "gateway.db"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return int(connection.execute(f"select count(*) from {what}").fetchone()[0])


async def test_what_is_for_no_lane_of_ours_waits_for_a_person(meshed: Mesh) -> None:
    """A shovel into an exchange without a binding for it would lose it and say nothing."""
    import aio_pika  # noqa: PLC0415 - for this attack alone

    before = meshed.waiting(BEXLEY, topology.quarantine(BEXLEY))
    connection = await aio_pika.connect(meshed.admin(HACKNEY))
    async with connection:
        channel = await connection.channel()
        queue = topology.relay(BEXLEY, Lane.STANDARD)
        # Past the node, with the rights of the broker's operator: another area's key.
        await channel.default_exchange.publish(aio_pika.Message(b"stray"), queue)
    async with asyncio.timeout(30):
        while await asyncio.to_thread(meshed.waiting, BEXLEY, topology.quarantine(BEXLEY)) == before:  # noqa: ASYNC110
            await asyncio.sleep(0.2)


def test_a_peer_fetches_what_waits_for_it_and_nothing_else(meshed: Mesh) -> None:
    rights = meshed.brokers[HACKNEY].ctl("list_permissions", "-p", VHOST).splitlines()
    (line,) = [row for row in rights if row.startswith(BEXLEY)]
    assert line.split("\t")[1:] == [
        "^$",
        "^$",
        rf"^(gw\.relay\.{BEXLEY}|gw\.relay\.{BEXLEY}\.urgent|gw\.relay\.{BEXLEY}\.receipts)$",
    ]
