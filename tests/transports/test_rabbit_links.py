"""How the connections are used and judged: what each carries, when it is given up, how it is tried."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from yarl import URL

from gateway.errors import Unavailable
from gateway.ports import Lane, Outgoing
from gateway.testing.broker import PrivateBroker
from gateway.testing.transport_suite import HERE, THERE, expect_silence, message, take, take_all
from gateway.transports import _link, _session, topology
from gateway.transports._consume import _Delivery
from gateway.transports._errors import LOST, REFUSED, TIMEOUT
from gateway.transports._publish import NACKS, Publisher
from gateway.transports._session import Session, Timeouts, open_session
from gateway.transports.rabbit import RabbitTransport, declare


async def test_each_lane_and_each_direction_has_its_own_connection(broker: PrivateBroker, url: str) -> None:
    here = RabbitTransport(url, HERE)
    try:
        await here.start()
        for lane in Lane:
            here.deliveries(lane)
        await here.check()
        open_now = await asyncio.to_thread(broker.ctl, "list_connections", "client_properties")
    finally:
        await here.close()
    for use in ("publish", "publish urgent", "consume standard", "consume urgent", "consume receipts"):
        assert open_now.count(f'"gateway {HERE} {use}"') == 1


@pytest.mark.parametrize(
    ("lane", "urgent", "bulk"),
    [
        (Lane.STANDARD, False, True),
        (Lane.RECEIPTS, False, True),
        (Lane.URGENT, False, False),
        (Lane.RECEIPTS, True, False),
        (Lane.STANDARD, True, False),
    ],
)
async def test_urgent_traffic_does_not_wait_behind_the_rest(
    url: str, monkeypatch: pytest.MonkeyPatch, lane: Lane, urgent: bool, bulk: bool
) -> None:
    here = RabbitTransport(url, HERE)

    async def busy(message: object) -> None:
        raise Unavailable("the bulk connection is busy")

    monkeypatch.setattr(here._bulk, "publish", busy)
    try:
        await here.start()
        if bulk:
            with pytest.raises(Unavailable, match="busy"):
                await here.publish(message(b"x", lane=lane, urgent=urgent))
        else:
            await here.publish(message(b"x", lane=lane, urgent=urgent))
    finally:
        await here.close()


async def test_a_lane_holds_no_more_than_its_prefetch(broker: PrivateBroker, url: str) -> None:
    here, there = RabbitTransport(url, HERE), RabbitTransport(url, THERE, prefetch=5)
    try:
        await here.start()
        await there.start()
        for number in range(20):
            await here.publish(message(b"%d" % number))
        deliveries = there.deliveries(Lane.STANDARD)
        held = [await take(deliveries) for _ in range(5)]
        await expect_silence(deliveries, "more than the prefetch count was handed out")
        await held[0].ack()
        assert (await take(deliveries)).body == b"5"
    finally:
        await here.close()
        await there.close()


async def test_a_health_check_that_is_cancelled_does_not_cost_the_connection(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = RabbitTransport(url, HERE)
    asking, asked = asyncio.Event(), asyncio.Event()
    probe = here._bulk.probe

    async def slow(session: Session) -> None:
        asking.set()
        await probe(session)
        asked.set()

    monkeypatch.setattr(here._bulk, "probe", slow)
    try:
        await here.start()
        before = await here._bulk.link.session()
        checking = [asyncio.create_task(here.check()) for _ in range(3)]
        await asking.wait()
        for task in checking:
            task.cancel()
        outcomes = await asyncio.gather(*checking, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
        await asked.wait()
        await here.publish(message(b"fine"))
        assert await here._bulk.link.session() is before
    finally:
        await here.close()


async def test_a_failed_heartbeat_is_unavailable_and_no_cancellation(broker: PrivateBroker, url: str) -> None:
    here = RabbitTransport(str(URL(url).update_query(heartbeat=1)), HERE, timeouts=Timeouts(confirm=60))
    try:
        await here.start()
        broker.pause()
        try:
            async with asyncio.timeout(20):
                with pytest.raises(Unavailable) as caught:
                    await here.publish(message(b"frozen"))
        finally:
            broker.resume()
        assert caught.value.code == LOST
        async with asyncio.timeout(20):
            while True:
                try:
                    await here.publish(message(b"after"))
                except Unavailable:
                    continue
                break
    finally:
        await here.close()


async def test_an_idle_subscription_notices_a_frozen_broker_by_its_silence(
    broker: PrivateBroker, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its heartbeats keep it; a node that was itself too busy to listen does not take that for silence."""
    monkeypatch.setattr(_session, "LEAST", 2.6)
    monkeypatch.setattr(_session, "SILENCE", 0.1)
    there = RabbitTransport(str(URL(url).update_query(heartbeat=3)), THERE)
    try:
        there.deliveries(Lane.STANDARD)
        link = there._intakes[Lane.STANDARD].link
        session = await link.session()
        await asyncio.sleep(0.5)
        time.sleep(3)  # noqa: ASYNC251 - the node stands still
        await asyncio.sleep(1.5)
        assert not session.lost.is_set()
        broker.pause()
        try:
            async with asyncio.timeout(7):  # aiormq: twelve at least
                await session.lost.wait()
        finally:
            broker.resume()
        assert await link.session(20) is not session
    finally:
        await there.close()


async def test_a_dead_address_is_tried_with_growing_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[float] = []
    five = asyncio.Event()

    async def refuse(*_: object, **__: object) -> None:
        tried.append(asyncio.get_running_loop().time())
        if len(tried) == 5:
            five.set()
        raise Unavailable("nobody there", code=LOST)

    monkeypatch.setattr(_link, "open_session", refuse)
    here = RabbitTransport("amqp://127.0.0.1:1/", HERE, timeouts=Timeouts(connect=0.01))
    try:
        with pytest.raises(Unavailable):
            await here.start()
        await here._urgent.link.close()
        tried.clear()
        async with asyncio.timeout(20):
            await five.wait()
    finally:
        await here.close()
    pauses = [after - before for before, after in pairwise(tried)]
    for number, pause in enumerate(pauses[1:], start=1):
        assert pause > pauses[number - 1] * 0.9, pauses


async def test_the_default_virtual_host(broker: PrivateBroker) -> None:
    session = await open_session(broker.url, name="test", timeouts=Timeouts())
    await session.channel.queue_declare("here", exclusive=True)
    await session.close(1)
    assert session.lost.is_set()


async def test_a_session_that_is_closed_by_the_broker_is_lost(broker: PrivateBroker, broker_url: str) -> None:
    session = await open_session(broker_url, name="test", timeouts=Timeouts())
    try:
        name = URL(broker_url).path[1:]
        await asyncio.to_thread(broker.ctl, "close_all_connections", "--vhost", name, "test")
        async with asyncio.timeout(10):
            await session.lost.wait()
    finally:
        await session.close(1)


async def test_a_subscription_that_the_broker_cancels_is_made_anew(broker: PrivateBroker, url: str) -> None:
    there = RabbitTransport(url, THERE)
    try:
        there.deliveries(Lane.STANDARD)
        session = await there._intakes[Lane.STANDARD].link.session()
        queue, name = topology.intake(THERE, Lane.STANDARD), URL(url).path[1:]
        await asyncio.to_thread(broker.ctl, "delete_queue", "--vhost", name, queue)
        async with asyncio.timeout(10):
            await session.lost.wait()
    finally:
        await there.close()


async def test_a_quiet_subscription_is_made_anew_and_a_busy_one_is_not(url: str) -> None:
    here, there = RabbitTransport(url, HERE), RabbitTransport(url, THERE, timeouts=Timeouts(quiet=0.5))
    try:
        await here.start()
        deliveries = there.deliveries(Lane.STANDARD)
        session = await there._intakes[Lane.STANDARD].link.session()
        loop = asyncio.get_running_loop()
        busy_until = loop.time() + 1.5
        while loop.time() < busy_until:
            await here.publish(message(b"busy"))
            await take_all(deliveries, 1)
        assert not session.lost.is_set()
        async with asyncio.timeout(10):
            await session.lost.wait()
        await here.publish(message(b"after"))
        assert await take_all(deliveries, 1) == [b"after"]
    finally:
        await here.close()
        await there.close()


class _Judged:
    """A publisher's judgement on its own, with a session that only notes what is thought of it."""

    def __init__(self) -> None:
        self.publisher = Publisher(HERE, lambda _: SimpleNamespace(), 1.0)  # type: ignore[arg-type, return-value]  # no link is used
        self.session: Any = SimpleNamespace(heard=0.0, doubt=self._doubt)
        self.doubts = 0

    def _doubt(self) -> None:
        self.doubts += 1

    def fails(self, code: str, *, to: str = THERE, began: float = 0.0) -> None:
        self.publisher._judge(self.session, to, code, began)

    def succeeds(self, to: str = THERE) -> None:
        self.publisher._heard(self.session, to)


async def test_a_time_out_of_one_while_others_are_confirmed_is_no_doubt() -> None:
    judged = _Judged()
    began = asyncio.get_running_loop().time()
    judged.succeeds()
    judged.fails(TIMEOUT, began=began - 1)
    assert judged.doubts == 0
    judged.fails(TIMEOUT, began=asyncio.get_running_loop().time() + 1)
    assert judged.doubts == 1


async def test_any_other_failure_is_a_doubt() -> None:
    judged = _Judged()
    judged.succeeds()
    judged.fails(LOST)
    assert judged.doubts == 1


async def test_refusals_in_a_row_for_one_area_renew_the_connection_once() -> None:
    judged = _Judged()
    for _ in range(NACKS - 1):
        judged.fails(REFUSED)
    assert judged.doubts == 0
    judged.fails(REFUSED)
    assert judged.doubts == 1
    for _ in range(10 * NACKS):
        judged.fails(REFUSED)
    assert judged.doubts == 1  # a queue that is full refuses for long: the others keep their connection


async def test_what_an_area_takes_on_one_lane_does_not_hide_that_another_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each lane's queue has a leader of its own, and the channel may be ill for one of them alone."""
    judged = _Judged()

    async def session() -> Any:
        return judged.session

    async def send(_: Any, message: Outgoing) -> None:
        if message.lane is Lane.STANDARD:
            raise Unavailable("nack", code=REFUSED)

    monkeypatch.setattr(judged.publisher, "link", SimpleNamespace(session=session))
    monkeypatch.setattr(judged.publisher, "_send", send)
    for _ in range(NACKS):
        with pytest.raises(Unavailable):
            await judged.publisher.publish(message(b"", lane=Lane.STANDARD))
        await judged.publisher.publish(message(b"", lane=Lane.RECEIPTS))
    assert judged.doubts == 1


async def test_a_confirm_for_the_same_area_starts_the_count_anew_and_one_for_another_does_not() -> None:
    judged = _Judged()
    for _ in range(NACKS - 1):
        judged.fails(REFUSED)
    judged.succeeds(THERE)
    for _ in range(NACKS - 1):
        judged.fails(REFUSED)
        judged.succeeds("E09000099")
    assert judged.doubts == 0
    judged.fails(REFUSED)
    assert judged.doubts == 1


async def test_what_was_declared_survives_a_kill_after_a_sync(broker: PrivateBroker, broker_url: str) -> None:
    await declare(broker_url, [HERE, THERE])
    await asyncio.to_thread(broker.sync)
    here, there = RabbitTransport(broker_url, HERE), RabbitTransport(broker_url, THERE)
    try:
        await here.start()
        await here.publish(message(b"kept"))
        await asyncio.to_thread(broker.restart)
        await there.start()
        assert await take_all(there.deliveries(Lane.STANDARD), 1) == [b"kept"]
        assert topology.intake(THERE, Lane.STANDARD) in broker.ctl(
            "list_queues", "--vhost", URL(broker_url).path[1:], "name"
        )
    finally:
        await here.close()
        await there.close()


def _held(settle: Callable[..., Awaitable[None]]) -> tuple[_Delivery, asyncio.Event]:
    """A delivery of a session that settles as told, and the event that says that the session is doubted."""
    lost = asyncio.Event()
    channel = SimpleNamespace(basic_ack=settle, basic_reject=settle, basic_nack=settle)
    session: Any = SimpleNamespace(channel=channel, lost=lost, doubt=lost.set)
    received: Any = SimpleNamespace(body=b"x", delivery_tag=7, exchange=topology.outgoing(HERE))
    return _Delivery(received, Lane.STANDARD, session, 0.05), lost


@pytest.mark.parametrize("how", ["ack", "release", "quarantine"])
async def test_settling_that_nobody_answers_gives_up_the_session_and_raises_nothing(how: str) -> None:
    async def hang(tag: int, **_: object) -> None:
        await asyncio.Event().wait()

    delivery, lost = _held(hang)
    await (delivery.quarantine("test") if how == "quarantine" else getattr(delivery, how)())
    assert lost.is_set()


async def test_settling_that_is_cancelled_half_way_gives_up_the_session() -> None:
    begun = asyncio.Event()

    async def hang(tag: int) -> None:
        begun.set()
        await asyncio.Event().wait()

    delivery, lost = _held(hang)
    settling = asyncio.create_task(delivery.ack())
    await begun.wait()
    settling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await settling
    assert lost.is_set()


async def test_only_the_first_settling_is_sent() -> None:
    tags: list[int] = []

    async def note(tag: int, **_: object) -> None:
        tags.append(tag)

    delivery, lost = _held(note)
    await delivery.ack()
    await delivery.release()
    await delivery.quarantine("test")
    assert tags == [7]
    assert not lost.is_set()


async def test_several_addresses_are_tried_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    enough = asyncio.Event()

    async def refuse(address: str, **_: object) -> None:
        tried.append(address)
        if len(tried) == 6:
            enough.set()
        raise Unavailable("nobody there", code=LOST)

    monkeypatch.setattr(_link, "open_session", refuse)
    monkeypatch.setattr(_link, "LONGEST_PAUSE", 0.01)
    link = _link.Link(["amqp://a", "amqp://b", "amqp://c"], name="x", timeouts=Timeouts(), prepare=_nothing)
    link.start()
    async with asyncio.timeout(5):
        await enough.wait()
    await link.close()
    assert tried[:6] == ["amqp://a", "amqp://b", "amqp://c"] * 2


async def test_a_connection_in_doubt_is_followed_by_one_to_another_node(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What several refusals in a row end in (see above): a node whose channels are ill is left."""
    opened: list[str] = []

    async def accept(address: str, **_: object) -> Any:
        opened.append(address)
        return Session(_Quiet(), _Quiet(), _Quiet())  # type: ignore[arg-type]

    monkeypatch.setattr(_link, "open_session", accept)
    link = _link.Link(["amqp://a", "amqp://b"], name="x", timeouts=Timeouts(close=0.1), prepare=_nothing)
    link.start()
    try:
        first = await link.session(2)
        first.doubt()
        second = await link.session(2)
        assert second is not first
        assert opened == ["amqp://a", "amqp://b"]
    finally:
        await link.close()


async def _nothing(_: Session) -> None: ...


class _Quiet:
    """In the place of a connection, its socket and its channel."""

    def __init__(self) -> None:
        self.closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.on_consumer_cancel_callbacks: set[object] = set()
        self.consumers: dict[str, object] = {}
        self.confirmations: dict[int, object] = {}

    @property
    def connection(self) -> _Quiet:
        return self

    async def close(self) -> None: ...

    def cut(self) -> None: ...
