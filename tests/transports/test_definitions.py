"""What an operator loads, tried on a live broker: an area reaches its own and nothing else."""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aio_pika.exceptions import AMQPError, ChannelClosed
from aiormq.exceptions import ChannelAccessRefused
from typer.testing import CliRunner

from gateway.cli.app import app
from gateway.ports import Lane
from gateway.testing.broker import PrivateBroker
from gateway.testing.transport_suite import message, take
from gateway.transports import topology
from gateway.transports.definitions import hub, mesh
from gateway.transports.inspection import differences
from gateway.transports.rabbit import RabbitTransport

HACKNEY, BEXLEY, CAMDEN = "E09000012", "E09000004", "E09000007"
AREAS = [HACKNEY, BEXLEY, CAMDEN]
PASSWORD = "for this test alone"


@pytest.fixture
def loaded(broker: PrivateBroker, broker_url: str) -> Iterator[str]:
    """A virtual host made from the definitions, each area with a password; its name."""
    vhost = broker_url.rpartition("/")[2]
    broker.load(hub(AREAS, vhost=vhost), vhost, password=PASSWORD)
    yield vhost
    gone = ", ".join(f'rabbit_auth_backend_internal:delete_user(<<"{area}">>, <<"test">>)' for area in AREAS)
    broker.ctl("eval", f"{gone}.")


@pytest.fixture
def url(broker: PrivateBroker, loaded: str) -> Any:
    port = broker.url.rpartition(":")[2].partition("/")[0]
    return lambda area: f"amqp://{area}:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{port}/{loaded}"


def exported(broker: PrivateBroker, tmp_path: Path) -> Any:
    file = tmp_path / "export.json"
    broker.ctl("export_definitions", str(file))
    return json.loads(file.read_text())


@asynccontextmanager
async def channel(url: str) -> AsyncIterator[Any]:
    connection = await aio_pika.connect(url)
    async with connection:
        yield await connection.channel()


async def test_what_is_loaded_carries_messages_both_ways(url: Any) -> None:
    here, there = RabbitTransport(url(HACKNEY), HACKNEY), RabbitTransport(url(BEXLEY), BEXLEY)
    try:
        await here.start()
        await there.start()
        for lane in Lane:
            deliveries = there.deliveries(lane)
            sent = message(lane.name.encode())
            await here.publish(type(sent)(to=BEXLEY, lane=lane, body=sent.body, message_id=sent.message_id))
            delivery = await take(deliveries)
            assert (delivery.body, delivery.sender) == (lane.name.encode(), HACKNEY)
            await delivery.ack()
    finally:
        await here.close()
        await there.close()


async def test_the_account_is_shut_until_a_certificate_or_a_password_opens_it(
    broker: PrivateBroker, url: Any
) -> None:
    broker.ctl("clear_password", CAMDEN)
    for secret in ("", PASSWORD):
        with pytest.raises(AMQPError):
            await aio_pika.connect(url(CAMDEN).replace("for%20this%20test%20alone", secret))


async def take_one(queue: Any) -> Any:
    return await queue.get(fail=False)


async def subscribe(queue: Any) -> Any:
    return await queue.consume(nothing)


async def purge(queue: Any) -> Any:
    return await queue.purge()


async def nothing(_: Any) -> None: ...


@pytest.mark.parametrize("use", [take_one, subscribe, purge])
async def test_an_area_reads_no_queue_but_its_own(url: Any, use: Any) -> None:
    for name in (*_queues(HACKNEY), *_queues(CAMDEN)):
        async with channel(url(BEXLEY)) as opened:
            queue = await opened.get_queue(name, ensure=False)
            with pytest.raises(ChannelAccessRefused):
                await use(queue)
    for name in _queues(BEXLEY):
        async with channel(url(BEXLEY)) as opened:
            await use(await opened.get_queue(name, ensure=False))


async def test_an_area_writes_to_no_exchange_but_its_own(url: Any) -> None:
    theirs = [topology.outgoing(HACKNEY), topology.outgoing(CAMDEN)]
    for name in ("", "amq.direct", "amq.topic", topology.DEAD_LETTERS, *theirs):
        async with channel(url(BEXLEY)) as opened:
            exchange = await opened.get_exchange(name, ensure=False) if name else opened.default_exchange
            with pytest.raises(ChannelClosed):
                await exchange.publish(aio_pika.Message(b"forged"), topology.intake(HACKNEY, Lane.STANDARD))


async def test_copies_in_headers_reach_nobody_else(url: Any) -> None:
    """CC and BCC are routed without asking for a permission: what they can reach must be reachable anyway."""
    async with channel(url(BEXLEY)) as opened:
        exchange = await opened.get_exchange(topology.outgoing(BEXLEY), ensure=False)
        keys = [topology.routing_key(BEXLEY, Lane.STANDARD), topology.intake(BEXLEY, Lane.STANDARD)]
        body = aio_pika.Message(b"copied", headers={"CC": keys, "BCC": keys})
        await exchange.publish(body, topology.routing_key(HACKNEY, Lane.STANDARD))
    async with channel(url(HACKNEY)) as opened:
        got = await (await opened.get_queue(topology.intake(HACKNEY, Lane.STANDARD), ensure=False)).get()
        assert got.body == b"copied"
        assert "BCC" not in got.headers
        await got.ack()
    async with channel(url(BEXLEY)) as opened:
        queue = await opened.get_queue(topology.intake(BEXLEY, Lane.STANDARD), ensure=False)
        assert await queue.get(fail=False) is None


async def test_an_area_makes_changes_and_binds_nothing(url: Any) -> None:
    mine, theirs = topology.intake(BEXLEY, Lane.STANDARD), topology.outgoing(HACKNEY)
    async with channel(url(BEXLEY)) as opened:
        with pytest.raises(ChannelAccessRefused):
            await opened.declare_queue("gw.in.E09000004.more", durable=True)
    async with channel(url(BEXLEY)) as opened:
        with pytest.raises(ChannelAccessRefused):
            await opened.declare_exchange("gw.out.E09000099")
    for name in (mine, topology.intake(HACKNEY, Lane.URGENT)):
        async with channel(url(BEXLEY)) as opened:
            with pytest.raises(ChannelAccessRefused):
                await (await opened.get_queue(name, ensure=False)).bind(theirs, "E09000012.n")
        async with channel(url(BEXLEY)) as opened:
            with pytest.raises(ChannelAccessRefused):
                await (await opened.get_queue(name, ensure=False)).delete(if_unused=False, if_empty=False)


def test_a_broker_as_it_was_loaded_differs_in_nothing(
    broker: PrivateBroker, loaded: str, tmp_path: Path
) -> None:
    assert differences(hub(AREAS, vhost=loaded), exported(broker, tmp_path)) == []


def test_what_was_changed_on_a_live_broker_is_named_with_how_to_mend_it(
    broker: PrivateBroker, loaded: str, tmp_path: Path
) -> None:
    broker.ctl("set_permissions", "-p", loaded, BEXLEY, "^$", ".*", ".*")
    broker.ctl("set_user_tags", CAMDEN, "administrator")
    broker.ctl("clear_policy", "-p", loaded, "gw-intake")
    broker.ctl("delete_queue", "-p", loaded, topology.returned(HACKNEY))
    found = [one.what for one in differences(hub(AREAS, vhost=loaded), exported(broker, tmp_path))]
    assert found == [
        f"the account {BEXLEY} may write other than its own",
        f"the account {BEXLEY} may read other than its own",
        f"the account {CAMDEN} has tags",
        f"the queue {topology.returned(HACKNEY)} is missing",
        f"the binding gw.dlx -> {topology.returned(HACKNEY)} is missing",
        "the policy gw-intake is missing",
    ]
    (remedy,) = {
        one.remedy
        for one in differences(hub(AREAS, vhost=loaded), exported(broker, tmp_path))
        if one.what.startswith(f"the account {BEXLEY}")
    }
    command = remedy.replace("'", "").split()[1:]
    broker.ctl(*command)
    still = [one.what for one in differences(hub(AREAS, vhost=loaded), exported(broker, tmp_path))]
    assert not [what for what in still if BEXLEY in what]


def changed(change: Any) -> list[str]:
    found = copy.deepcopy(hub(AREAS))
    change(found)
    return [one.what for one in differences(hub(AREAS), found)]


def test_each_kind_of_difference_is_seen() -> None:
    assert changed(lambda found: None) == []
    assert changed(lambda found: found["vhosts"].clear())[0] == "the virtual host handover is missing"
    assert changed(lambda found: found["users"].pop(0)) == [f"the account {BEXLEY} is missing"]
    assert changed(lambda found: found["permissions"].pop(0)) == [
        f"the account {BEXLEY} has no permissions here"
    ]
    assert changed(lambda found: found["users"][0]["limits"].clear()) == [
        f"the account {BEXLEY} has no limit max-connections",
        f"the account {BEXLEY} has no limit max-channels",
    ]
    assert changed(lambda found: found["queues"][0]["arguments"].update({"x-queue-type": "classic"})) == [
        f"the queue gw.quarantine.{BEXLEY} has another type"
    ]
    assert changed(lambda found: found["exchanges"][1].update(type="fanout")) == [
        f"the exchange gw.out.{BEXLEY} has another type"
    ]
    assert changed(
        lambda found: found["queues"].append({**found["queues"][0], "name": "gw.in.E09000099"})
    ) == ["the queue gw.in.E09000099 is none of this network's"]
    assert (
        changed(lambda found: found["queues"].append({**found["queues"][0], "name": "somebody.else"})) == []
    )
    tap = {"source": f"gw.out.{HACKNEY}", "destination": "tap", "routing_key": "#", "arguments": {}}
    assert changed(lambda found: found["bindings"].append(tap)) == [
        f"the binding gw.out.{HACKNEY} -> tap # is none of this network's"
    ]
    assert changed(lambda found: found["policies"][0]["definition"].update({"message-ttl": 1})) == [
        "the policy gw-intake has lost a rule that messages depend on: message-ttl"
    ]
    for rule in ("delivery-limit", "max-length", "max-length-bytes"):
        assert changed(lambda found, rule=rule: found["policies"][0]["definition"].pop(rule)) == [
            f"the policy gw-intake has lost a rule that messages depend on: {rule}"
        ]
    assert changed(lambda found: found["policies"][0].update(pattern="^gw")) == [
        "the policy gw-intake has lost a rule that messages depend on: its pattern"
    ]
    assert changed(lambda found: found["policies"][0]["definition"].update({"delivery-limit": 7})) == []


def test_the_commands(tmp_path: Path) -> None:
    run = CliRunner()
    printed = run.invoke(app, ["broker", "definitions", "--area", "hackney", "--area", BEXLEY])
    assert printed.exit_code == 0
    made = json.loads(printed.stdout)
    assert made == hub([HACKNEY, BEXLEY])
    assert "password" not in printed.stdout.replace("password_hash", "").replace(
        "rabbit_password_hashing", ""
    )
    file = tmp_path / "export.json"
    file.write_text("Exporting definitions ...\n" + printed.stdout)
    areas = ["--area", "hackney", "--area", "bexley"]
    assert run.invoke(app, ["broker", "check", str(file), *areas]).exit_code == 0
    less = run.invoke(app, ["broker", "check", str(file), *areas, "--area", "camden", "--json"])
    assert less.exit_code == 8
    assert any(CAMDEN in one["what"] for one in json.loads(less.stdout)["differences"])
    file.write_text("no export")
    wrong = run.invoke(app, ["broker", "check", str(file), *areas, "--json"])
    assert json.loads(wrong.stdout)["error"]["code"] == "broker_export"
    unknown = run.invoke(app, ["broker", "definitions", "--area", "nowhere", "--json"])
    assert json.loads(unknown.stdout)["error"]["code"] == "unknown_area"


def _queues(area: str) -> list[str]:
    return [
        *(topology.intake(area, lane) for lane in Lane),
        topology.quarantine(area),
        topology.returned(area),
    ]


def test_the_command_for_a_mesh() -> None:
    run = CliRunner()
    address = "amqps://broker.bexley.example:5671/handover?auth_mechanism=external"
    printed = run.invoke(app, ["broker", "definitions", "--mesh", "hackney", "--peer", f"bexley={address}"])
    assert printed.exit_code == 0
    assert json.loads(printed.stdout) == mesh(HACKNEY, {BEXLEY: address})
    for wrong in ("bexley", f"nowhere={address}", "bexley=amqps://u:secret@h/v", "bexley=http://h/v"):
        said = run.invoke(app, ["broker", "definitions", "--mesh", "hackney", "--peer", wrong, "--json"])
        assert said.exit_code != 0
        assert "secret" not in said.output


def test_a_mesh_that_was_changed_is_told(tmp_path: Path) -> None:
    run, file = CliRunner(), tmp_path / "export.json"

    def checked(change: Callable[[dict[str, Any]], Any]) -> list[str]:
        found = mesh(HACKNEY, {BEXLEY: "amqps://u:secret@broker.bexley.example/handover"})
        change(found)
        file.write_text(json.dumps(found))
        said = run.invoke(
            app, ["broker", "check", str(file), "--mesh", "hackney", "--peer", "bexley", "--json"]
        )
        assert "secret" not in said.output
        told = [one["what"] for one in json.loads(said.stdout)["differences"]]
        assert said.exit_code == (8 if told else 0)
        return told

    assert checked(lambda found: None) == []
    name = f"gw.from.{BEXLEY}.n"
    assert checked(lambda found: found["parameters"].pop(0)) == [
        f"the shovel {name} is missing: nothing is fetched there"
    ]
    for fact, value in (("ack-mode", "on-publish"), ("src-queue", "gw.in.E09000007"), ("dest-exchange", "")):
        assert checked(
            lambda found, fact=fact, value=value: found["parameters"][0]["value"].update({fact: value})
        ) == [f"the shovel {name} has another {fact}"]
