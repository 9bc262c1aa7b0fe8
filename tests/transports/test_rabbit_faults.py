"""What a real broker does to us: each fault by the broker's own hand, each with the one oracle: what was
confirmed is a subset of what was received."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import aio_pika
import pytest
from yarl import URL

from gateway.errors import Misconfigured, Unavailable, UnknownRecipient
from gateway.ports import Delivery, Lane, Outgoing, Transport
from gateway.testing.broker import PrivateBroker
from gateway.testing.transport_suite import HERE, MIB, THERE, message, take, take_all
from gateway.transports import topology
from gateway.transports.rabbit import RabbitTransport, Timeouts, declare

QUICK = Timeouts(connect=2, confirm=2, settle=1, close=1)
RECOVERY = 40.0
Read = Callable[[str, str, int], Awaitable[list[aio_pika.abc.AbstractIncomingMessage]]]
INTAKE = topology.intake(THERE, Lane.STANDARD)


@asynccontextmanager
async def running(*transports: RabbitTransport) -> AsyncIterator[None]:
    try:
        for transport in transports:
            await transport.start()
        yield
    finally:
        for transport in transports:
            await transport.close()


async def insist(transport: Transport, make: Callable[[], Outgoing]) -> None:
    """Publish as the outbox does: again until it is confirmed."""
    async with asyncio.timeout(RECOVERY):
        while True:
            try:
                await transport.publish(make())
            except Unavailable:
                await asyncio.sleep(0.05)
            else:
                return


async def told(transport: Transport, code: str) -> Unavailable:
    """What a check says once it says ``code``; it may say something else for a moment before."""
    async with asyncio.timeout(RECOVERY):
        while True:
            try:
                await transport.check()
            except Unavailable as error:
                if error.code == code:
                    return error
            await asyncio.sleep(0.05)


async def drain(deliveries: AsyncIterator[Delivery], into: set[bytes]) -> None:
    async for delivery in deliveries:
        into.add(delivery.body)
        await delivery.ack()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(RECOVERY):
        while not condition():  # noqa: ASYNC110 - what is awaited happens in a broker, which sets no event
            await asyncio.sleep(0.02)


def vhost(url: str) -> str:
    return URL(url).path[1:]


async def ctl(broker: PrivateBroker, *arguments: str) -> str:
    return await asyncio.to_thread(broker.ctl, *arguments)


async def flood(url: str, fault: Callable[[], None]) -> tuple[set[bytes], set[bytes]]:
    """Publish 2,000 messages, 50 at a time, with ``fault`` in the middle: (confirmed, received)."""
    here, there = RabbitTransport(url, HERE, timeouts=QUICK), RabbitTransport(url, THERE, timeouts=QUICK)
    confirmed: set[bytes] = set()
    received: set[bytes] = set()
    halfway = asyncio.Event()

    async def publish(start: int) -> None:
        for number in range(start, 2000, 50):
            body = b"%d" % number
            await insist(here, lambda body=body: message(body))
            confirmed.add(body)
            if len(confirmed) == 700:
                halfway.set()

    async def misfortune() -> None:
        await halfway.wait()
        await asyncio.to_thread(fault)

    async with running(here, there):
        reader = asyncio.create_task(drain(there.deliveries(Lane.STANDARD), received))
        await asyncio.gather(misfortune(), *(publish(start) for start in range(50)))
        await until(lambda: confirmed <= received)
        await there.close()
        await reader
    return confirmed, received


async def test_the_broker_closes_every_connection(broker: PrivateBroker, url: str) -> None:
    confirmed, received = await flood(
        url, lambda: broker.ctl("close_all_connections", "--vhost", vhost(url), "the test says so")
    )
    assert len(confirmed) == 2000
    assert received == confirmed


async def test_the_broker_is_killed_and_comes_back(broker: PrivateBroker, safe_url: str) -> None:
    confirmed, received = await flood(safe_url, broker.restart)
    assert len(confirmed) == 2000
    assert received == confirmed


async def test_a_frozen_broker(broker: PrivateBroker, url: str) -> None:
    here, there = RabbitTransport(url, HERE, timeouts=QUICK), RabbitTransport(url, THERE, timeouts=QUICK)
    async with running(here, there):
        deliveries = there.deliveries(Lane.STANDARD)
        await here.publish(message(b"before"))
        held = await take(deliveries)
        broker.pause()
        try:
            async with asyncio.timeout(QUICK.confirm + 2):
                with pytest.raises(Unavailable) as caught:
                    await here.publish(message(b"frozen"))
            assert caught.value.code == "broker_timeout"
            async with asyncio.timeout(QUICK.connect + 2):
                with pytest.raises(Unavailable):
                    await there.check()
            async with asyncio.timeout(QUICK.settle + 2):
                await held.ack()
            late = RabbitTransport(url, HERE, timeouts=QUICK)
            async with asyncio.timeout(QUICK.connect + 3):
                with pytest.raises(Unavailable):
                    await late.start()
            async with asyncio.timeout(10):
                await late.close()
        finally:
            broker.resume()
        await insist(here, lambda: message(b"after"))
        received: set[bytes] = set()
        reader = asyncio.create_task(drain(deliveries, received))
        await until(lambda: b"after" in received)
        await there.close()
        await reader


async def test_a_frozen_broker_does_not_hold_up_a_close(broker: PrivateBroker, url: str) -> None:
    before = asyncio.all_tasks()
    here = RabbitTransport(url, HERE, timeouts=QUICK)
    async with running(here):
        deliveries = here.deliveries(Lane.URGENT)
        await here.check()
        broker.pause()
        try:
            # More than the sockets hold: an orderly close would wait until the broker has read it all.
            publishing = [asyncio.create_task(here.publish(message(bytes(4 * MIB)))) for _ in range(10)]
            outcomes = await asyncio.gather(*publishing, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {Unavailable}
            async with asyncio.timeout(2 * QUICK.close + 2):
                await here.close()
            assert asyncio.all_tasks() == before
        finally:
            broker.resume()
        assert await anext(deliveries, None) is None


async def test_what_is_unsettled_when_the_connection_breaks_comes_again(
    broker: PrivateBroker, url: str
) -> None:
    here, there = RabbitTransport(url, HERE), RabbitTransport(url, THERE)
    async with running(here, there):
        deliveries = there.deliveries(Lane.STANDARD)
        for body in (b"held", b"waiting"):
            await here.publish(message(body))
        held = await take(deliveries)
        await ctl(broker, "close_all_connections", "--vhost", vhost(url), "the test says so")
        again = await take_all(deliveries, 2)
        assert sorted(again) == [b"held", b"waiting"]
        await held.ack()
        await held.quarantine("late")
        await insist(here, lambda: message(b"next"))
        assert await take_all(deliveries, 1) == [b"next"]


async def test_a_deleted_queue(broker: PrivateBroker, url: str) -> None:
    here, there = RabbitTransport(url, HERE, timeouts=QUICK), RabbitTransport(url, THERE, timeouts=QUICK)
    async with running(here, there):
        deliveries = there.deliveries(Lane.STANDARD)
        await there.check()
        await ctl(broker, "delete_queue", "--vhost", vhost(url), INTAKE)
        with pytest.raises(UnknownRecipient):
            await here.publish(message(b"nowhere"))
        # The broker ends the subscription first: until the link has looked again, it counts as lost.
        caught = await told(there, "broker_topology")
        assert "gateway broker definitions" in caught.remedy
        await declare(url, [HERE, THERE])
        await here.publish(message(b"back"))
        assert await take_all(deliveries, 1) == [b"back"]
        await there.check()


async def test_a_queue_that_is_deleted_and_made_anew_is_read_again(broker: PrivateBroker, url: str) -> None:
    here = RabbitTransport(url, HERE, timeouts=QUICK)
    there = RabbitTransport(url, THERE, timeouts=replace(QUICK, quiet=2))
    async with running(here, there):
        deliveries = there.deliveries(Lane.STANDARD)
        await here.publish(message(b"old"))
        assert await take_all(deliveries, 1) == [b"old"]
        await ctl(broker, "delete_queue", "--vhost", vhost(url), INTAKE)
        await declare(url, [HERE, THERE])
        await here.publish(message(b"new"))
        # RabbitMQ 3.10 mostly leaves the subscription deaf and says nothing: only quiet tells.
        assert await take_all(deliveries, 1) == [b"new"]


async def test_no_topology_yet(broker_url: str) -> None:
    here, there = (RabbitTransport(broker_url, area, timeouts=QUICK) for area in (HERE, THERE))
    try:
        with pytest.raises(Misconfigured) as refused:
            await here.start()
        assert refused.value.code == "broker_topology"
        assert "gateway broker definitions" in refused.value.remedy
        with pytest.raises(Unavailable) as unpublished:
            await here.publish(message(b"early"))
        assert unpublished.value.code == "broker_topology"
        deliveries = there.deliveries(Lane.STANDARD)
        await declare(broker_url, [HERE, THERE])
        await insist(here, lambda: message(b"now"))
        assert await take_all(deliveries, 1) == [b"now"]
    finally:
        await here.close()
        await there.close()


async def test_an_exchange_deleted_under_way(url: str) -> None:
    here, there = RabbitTransport(url, HERE, timeouts=QUICK), RabbitTransport(url, THERE, timeouts=QUICK)
    async with running(here, there):
        connection = await aio_pika.connect(url)
        async with connection, connection.channel() as channel:
            await channel.exchange_delete(topology.outgoing(HERE))
        with pytest.raises(Unavailable) as caught:
            await here.publish(message(b"nowhere"))
        assert caught.value.code == "broker_topology"
        await declare(url, [HERE, THERE])
        await insist(here, lambda: message(b"again"))
        assert await take_all(there.deliveries(Lane.STANDARD), 1) == [b"again"]


@pytest.mark.parametrize(
    ("spoil", "kind", "code"),
    [
        (lambda url: url.with_password("wrong"), Misconfigured, "broker_account"),
        (lambda url: url.with_path("/nowhere"), Unavailable, "broker_vhost"),
        (lambda url: url.with_port(1), Unavailable, "broker_lost"),
    ],
    ids=["password", "vhost", "port"],
)
async def test_a_wrong_url(url: str, spoil: Callable[[URL], URL], kind: type[Exception], code: str) -> None:
    transport = RabbitTransport(str(spoil(URL(url))), HERE, timeouts=QUICK)
    with pytest.raises(kind) as caught:
        await transport.start()
    await transport.close()
    assert caught.value.code == code
    assert "wrong" not in f"{caught.value} {caught.value.remedy}"


async def test_the_next_address_is_tried(url: str) -> None:
    dead = str(URL(url).with_port(1))
    here, there = RabbitTransport([dead, url], HERE), RabbitTransport([url, dead], THERE)
    async with running(here, there):
        await here.publish(message(b"found"))
        assert await take_all(there.deliveries(Lane.STANDARD), 1) == [b"found"]


async def test_an_account_that_may_do_only_what_an_area_needs(broker: PrivateBroker, url: str) -> None:
    await ctl(broker, "add_user", "hackney", "hackney-password")
    await ctl(
        broker,
        "set_permissions",
        "--vhost",
        vhost(url),
        "hackney",
        "^$",
        rf"^gw\.out\.{HERE}$",
        rf"^gw\.(in\.{HERE}(\..*)?|returned\.{HERE}|quarantine\.{HERE})$",
    )
    own = str(URL(url).with_user("hackney").with_password("hackney-password"))
    here, there = RabbitTransport(own, HERE, timeouts=QUICK), RabbitTransport(url, THERE, timeouts=QUICK)
    false = RabbitTransport(own, THERE, timeouts=QUICK)
    async with running(here, there, false):
        await here.publish(message(b"out"))
        await there.publish(message(b"in", to=HERE))
        for transport, body in ((there, b"out"), (here, b"in")):
            assert await take_all(transport.deliveries(Lane.STANDARD), 1) == [body]
        with pytest.raises(Unavailable) as caught:
            await false.publish(message(b"false", to=HERE))
        assert caught.value.code == "broker_permission"
        false.deliveries(Lane.STANDARD)
        with pytest.raises(Unavailable) as caught:
            await false.check()
        assert caught.value.code == "broker_permission"


async def test_a_full_queue_refuses_and_does_not_cost_the_others_their_connection(
    broker: PrivateBroker, url: str
) -> None:
    await ctl(broker, "set_policy", "--vhost", vhost(url), "full", rf"^gw\.in\.{THERE}$", '{"max-length": 1}')
    here, there = RabbitTransport(url, HERE, timeouts=QUICK), RabbitTransport(url, THERE, timeouts=QUICK)
    async with running(here, there):
        outcomes = [
            await asyncio.gather(here.publish(message(b"%d" % number)), return_exceptions=True)
            for number in range(30)
        ]
        refused = [error for (error,) in outcomes if error is not None]
        assert len(refused) >= 20
        assert {type(error) for error in refused} == {Unavailable}
        codes = [error.code for error in refused]
        assert set(codes) <= {"queue_full", "broker_lost"}
        assert codes.count("broker_lost") <= 1  # renewed once, not every third time
        await here.publish(message(b"other lane", lane=Lane.URGENT))
        received: set[bytes] = set()
        reader = asyncio.create_task(drain(there.deliveries(Lane.STANDARD), received))
        await insist(here, lambda: message(b"room"))
        await until(lambda: b"room" in received)
        await there.close()
        await reader


async def test_a_memory_alarm_stops_publishing_and_not_consuming(broker: PrivateBroker, url: str) -> None:
    here, there = RabbitTransport(url, HERE, timeouts=QUICK), RabbitTransport(url, THERE, timeouts=QUICK)
    async with running(here, there):
        await here.publish(message(b"before"))
        await ctl(broker, "set_vm_memory_high_watermark", "0.0001")
        try:
            with pytest.raises(Unavailable):
                await here.publish(message(b"during"))
            assert await take_all(there.deliveries(Lane.STANDARD), 1) == [b"before"]
        finally:
            await ctl(broker, "set_vm_memory_high_watermark", "0.4")
        await insist(here, lambda: message(b"after"))
        received: set[bytes] = set()
        reader = asyncio.create_task(drain(there.deliveries(Lane.STANDARD), received))
        await until(lambda: b"after" in received)
        await there.close()
        await reader


async def test_what_expires_goes_back_to_its_sender(broker: PrivateBroker, url: str, read: Read) -> None:
    here = RabbitTransport(url, HERE)
    async with running(here):
        # A quorum queue gives a message its time when it arrives: the policy first.
        await ctl(
            broker, "set_policy", "--vhost", vhost(url), "soon", rf"^gw\.in\.{THERE}$", '{"message-ttl": 1}'
        )
        await here.publish(message(b"nobody came"))
        returned = await read(url, topology.returned(HERE), 1)
    assert [message.body for message in returned] == [b"nobody came"]


async def test_nothing_outside_but_what_the_envelope_says_itself(url: str, read: Read) -> None:
    here = RabbitTransport(url, HERE)
    async with running(here):
        sent = message(b"sealed")
        await here.publish(sent)
    (raw,) = await read(url, INTAKE, 1)
    assert raw.message_id == sent.message_id
    assert raw.content_type == "application/octet-stream"
    assert raw.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert raw.exchange == topology.outgoing(HERE)
    assert set(raw.headers) <= {"x-delivery-count"}  # the broker's own
    outside = ("user_id", "app_id", "timestamp", "type", "expiration", "correlation_id", "reply_to")
    assert [getattr(raw, name) for name in outside] == [None] * len(outside)


async def test_declare_refuses_what_is_there_with_other_properties(broker_url: str) -> None:
    connection = await aio_pika.connect(broker_url)
    async with connection, connection.channel() as channel:
        await channel.declare_queue(INTAKE, durable=True)
    with pytest.raises(Misconfigured) as caught:
        await declare(broker_url, [HERE, THERE])
    assert caught.value.code == "broker_mismatch"


async def test_declare_twice_is_as_good_as_once(url: str) -> None:
    await declare(url, [THERE, HERE])


def test_at_least_one_address_is_needed() -> None:
    with pytest.raises(Misconfigured) as caught:
        RabbitTransport([], HERE)
    assert caught.value.field == "/broker/urls"
