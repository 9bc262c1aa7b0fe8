"""What every transport must do, as runnable cases: the behavioural half of ``gateway.ports.Transport``.

Duty: :data:`CASES`, each an async function of a :class:`World`. A transport passes when no case raises. Left
out: faults of one particular broker (its own tests), and a test runner: nothing here imports pytest.

Rules: every wait has an end; no case sleeps; each case runs in a fresh world with two areas, ``HERE`` and
``THERE``, whose queues are empty.

Example::

    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
    async def test_contract(case, world):
        await case(world)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import chain, count
from typing import Protocol

from gateway.errors import GatewayError, TooLarge, Unavailable, UnknownRecipient
from gateway.ports import Aside, Delivery, Lane, Outgoing, Shelf, Transport

HERE, THERE, NOWHERE = "E09000012", "E09000004", "E09000099"

PATIENCE = 30.0
"""Seconds for something that must happen; a transport that is well needs milliseconds."""

QUIET = 0.3
"""Seconds without a message that count as "none is coming"."""

MIB = 1024 * 1024

_ids = count()


class World(Protocol):
    """What the case is run in. ``transport`` gives a new one each time, not started."""

    def transport(self, area: str) -> Transport: ...

    async def quarantined(self, area: str, expected: int) -> Sequence[bytes]:
        """The bodies in the area's quarantine, once there are ``expected`` or patience has ended."""
        ...


Case = Callable[[World], Awaitable[None]]


def expect(condition: bool, what: str) -> None:
    """Raises AssertionError: an ``assert`` would be gone under ``python -O``."""
    if not condition:
        raise AssertionError(what)


@asynccontextmanager
async def started(world: World, area: str) -> AsyncIterator[Transport]:
    transport = world.transport(area)
    try:
        await transport.start()
        yield transport
    finally:
        await transport.close()


def message(body: bytes, *, to: str = THERE, lane: Lane = Lane.STANDARD, urgent: bool = False) -> Outgoing:
    return Outgoing(to=to, lane=lane, body=body, message_id=f"attempt-{next(_ids)}", urgent=urgent)


async def take(deliveries: AsyncIterator[Delivery]) -> Delivery:
    """The next delivery, within the patience of a test."""
    async with asyncio.timeout(PATIENCE):
        return await anext(deliveries)


async def take_all(deliveries: AsyncIterator[Delivery], number: int) -> list[bytes]:
    """Take and acknowledge ``number`` messages."""
    bodies = []
    for _ in range(number):
        delivery = await take(deliveries)
        bodies.append(delivery.body)
        await delivery.ack()
    return bodies


async def expect_silence(deliveries: AsyncIterator[Delivery], what: str) -> None:
    # wait, not wait_for: cancelling a take that has just succeeded would lose what it took.
    waiting = asyncio.ensure_future(take(deliveries))
    done, _ = await asyncio.wait({waiting}, timeout=QUIET)
    if not done:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    expect(not done, what)


async def expect_error(awaitable: Awaitable[None], kind: type[GatewayError], what: str) -> GatewayError:
    try:
        await awaitable
    except kind as error:
        return error
    raise AssertionError(what)


async def each_lane_arrives_in_its_own_queue(world: World) -> None:
    async with started(world, HERE) as here, started(world, THERE) as there:
        for lane in Lane:
            await here.publish(message(lane.name.encode(), lane=lane))
        for lane in reversed(Lane):
            delivery = await take(there.deliveries(lane))
            expect(delivery.body == lane.name.encode(), f"lane {lane.name} gave another lane's message")
            expect(delivery.lane is lane, f"a delivery of lane {lane.name} says {delivery.lane.name}")
            expect(delivery.sender == HERE, "the broker's word on the sender is missing or wrong")
            await delivery.ack()


async def both_directions_at_once(world: World) -> None:
    async with started(world, HERE) as here, started(world, THERE) as there:
        await asyncio.gather(here.publish(message(b"out")), there.publish(message(b"back", to=HERE)))
        expect(await take_all(there.deliveries(Lane.STANDARD), 1) == [b"out"], "out did not arrive")
        expect(await take_all(here.deliveries(Lane.STANDARD), 1) == [b"back"], "back did not arrive")


async def an_urgent_receipt_comes_in_the_receipts_lane(world: World) -> None:
    async with started(world, HERE) as here, started(world, THERE) as there:
        await here.publish(message(b"receipt", lane=Lane.RECEIPTS, urgent=True))
        expect(await take_all(there.deliveries(Lane.RECEIPTS), 1) == [b"receipt"], "it went elsewhere")


async def a_quiet_queue_keeps_its_order(world: World) -> None:
    async with started(world, HERE) as here, started(world, THERE) as there:
        sent = [b"%d" % number for number in range(100)]
        for body in sent:
            await here.publish(message(body))
        expect(await take_all(there.deliveries(Lane.STANDARD), 100) == sent, "the order has changed")


async def what_was_published_before_a_reader_waits_for_it(world: World) -> None:
    async with started(world, HERE) as here:
        await here.publish(message(b"early"))
    async with started(world, THERE) as there:
        expect(await take_all(there.deliveries(Lane.STANDARD), 1) == [b"early"], "it did not wait")


async def an_acknowledged_message_is_gone(world: World) -> None:
    async with started(world, HERE) as here, started(world, THERE) as there:
        await here.publish(message(b"once"))
        await take_all(there.deliveries(Lane.STANDARD), 1)
    async with started(world, THERE) as there:
        await expect_silence(there.deliveries(Lane.STANDARD), "it came again after its ack")


async def an_unsettled_message_comes_again_after_a_close(world: World) -> None:
    async with started(world, HERE) as here, started(world, THERE) as there:
        await here.publish(message(b"first"))
        await here.publish(message(b"second"))
        await take(there.deliveries(Lane.STANDARD))
    async with started(world, THERE) as there:
        again = await take_all(there.deliveries(Lane.STANDARD), 2)
        expect(sorted(again) == [b"first", b"second"], "an unsettled message was lost")


async def a_released_message_comes_again(world: World) -> None:
    async with started(world, HERE) as here, started(world, THERE) as there:
        await here.publish(message(b"not now"))
        deliveries = there.deliveries(Lane.STANDARD)
        await (await take(deliveries)).release()
        expect(await take_all(deliveries, 1) == [b"not now"], "a released message was lost")
        await expect_silence(deliveries, "a released message came twice")


async def a_quarantined_message_is_kept_and_never_comes_again(world: World) -> None:
    async with started(world, HERE) as here, started(world, THERE) as there:
        for lane in Lane:
            await here.publish(message(b"bad " + lane.name.encode(), lane=lane))
            await (await take(there.deliveries(lane))).quarantine("test")
            await expect_silence(there.deliveries(lane), "a quarantined message came again")
    async with started(world, THERE) as there:
        await expect_silence(there.deliveries(Lane.STANDARD), "a quarantined message came after a restart")
    kept = sorted(await world.quarantined(THERE, 3))
    expect(kept == [b"bad RECEIPTS", b"bad STANDARD", b"bad URGENT"], f"{len(kept)} of 3 are in quarantine")
    expect(not await world.quarantined(HERE, 0), "the sender's quarantine got it")


async def what_was_put_aside_lies_on_its_shelf_until_it_is_settled(world: World) -> None:
    async with started(world, HERE) as here, started(world, THERE) as there:
        expect(await there.aside(Shelf.QUARANTINE) is None, "an empty shelf gave something")
        for lane in Lane:
            await here.publish(message(lane.name.encode(), lane=lane))
            await (await take(there.deliveries(lane))).quarantine("test")
        for lane in Lane:
            one = await shelved(there)
            expect(one.body == lane.name.encode(), "a shelf does not give its oldest first")
            expect(one.lane is lane, f"what came on lane {lane.name} says {one.lane.name}")
            expect(one.sender == HERE, "the broker's word on the sender is missing or wrong")
            expect(one.reason == "rejected", f"it says {one.reason!r} of what was rejected")
            await (one.ack() if lane is not Lane.RECEIPTS else one.release())
        again = await shelved(there)
        expect(again.body == b"RECEIPTS", "what was given back to its shelf is not there")
        expect(await there.aside(Shelf.RETURNED) is None, "the other shelf has it, too")
    async with started(world, THERE) as there:
        again = await shelved(there)
        expect(again.body == b"RECEIPTS", "what nobody settled is not there after a close")
        await again.ack()
        await again.release()
        expect(await there.aside(Shelf.QUARANTINE) is None, "what was settled lies there still")
    await expect_error(unshelve(there), Unavailable, "a closed transport has a shelf")


async def unshelve(transport: Transport) -> None:
    await transport.aside(Shelf.QUARANTINE)


async def shelved(transport: Transport) -> Aside:
    """A broker may put it there a moment late."""
    async with asyncio.timeout(PATIENCE):
        while (one := await transport.aside(Shelf.QUARANTINE)) is None:  # noqa: ASYNC110 - nobody rings
            await asyncio.sleep(0.02)
        return one


async def only_the_first_settling_counts(world: World) -> None:
    async with started(world, HERE) as here, started(world, THERE) as there:
        deliveries = there.deliveries(Lane.STANDARD)
        await here.publish(message(b"done"))
        delivery = await take(deliveries)
        await delivery.ack()
        await delivery.release()
        await delivery.quarantine("test")
        await here.publish(message(b"next"))
        expect(await take_all(deliveries, 1) == [b"next"], "settling twice disturbed the queue")
    expect(not await world.quarantined(THERE, 0), "an acknowledged message is in quarantine")


async def settling_after_a_close_does_nothing(world: World) -> None:
    async with started(world, HERE) as here, started(world, THERE) as there:
        await here.publish(message(b"kept"))
        delivery = await take(there.deliveries(Lane.STANDARD))
    await delivery.ack()
    await delivery.quarantine("test")
    await delivery.release()
    async with started(world, THERE) as there:
        expect(await take_all(there.deliveries(Lane.STANDARD), 1) == [b"kept"], "a late ack was obeyed")


async def an_unknown_area_is_refused(world: World) -> None:
    async with started(world, HERE) as here, started(world, THERE) as there:
        for lane in Lane:
            error = await expect_error(
                here.publish(message(b"lost", to=NOWHERE, lane=lane)),
                UnknownRecipient,
                "an unroutable message was accepted",
            )
            expect(bool(error.remedy), "the error does not say what to do")
        await here.publish(message(b"fine"))
        expect(await take_all(there.deliveries(Lane.STANDARD), 1) == [b"fine"], "publishing broke after it")


async def an_unroutable_one_does_not_spoil_its_neighbours(world: World) -> None:
    async with started(world, HERE) as here, started(world, THERE) as there:
        outcomes = await asyncio.gather(
            *(here.publish(message(b"%d" % n, to=NOWHERE if n % 5 == 0 else THERE)) for n in range(50)),
            return_exceptions=True,
        )
        refused = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, UnknownRecipient)]
        expect(refused == list(range(0, 50, 5)), "the wrong ones were refused")
        arrived = await take_all(there.deliveries(Lane.STANDARD), 40)
        expect(sorted(map(int, arrived)) == [n for n in range(50) if n % 5], "the wrong ones arrived")


async def publishing_to_oneself_is_refused(world: World) -> None:
    async with started(world, HERE) as here:
        await expect_error(
            here.publish(message(b"echo", to=HERE)), UnknownRecipient, "a message to oneself was accepted"
        )
        await expect_silence(here.deliveries(Lane.STANDARD), "a message to oneself arrived")


async def large_bodies_arrive_whole(world: World) -> None:
    bodies = [b"", b"\x00", b"\xce" * MIB, bytes(range(256)) * (4 * MIB // 256)]
    async with started(world, HERE) as here, started(world, THERE) as there:
        for body in bodies:
            await here.publish(message(body))
        arrived = await take_all(there.deliveries(Lane.STANDARD), len(bodies))
        expect(arrived == bodies, "a body was changed on the way")


async def a_body_over_the_limit_is_refused_and_breaks_nothing(world: World) -> None:
    async with started(world, HERE) as here:
        await expect_error(
            here.publish(message(bytes(4 * MIB + 1))), TooLarge, "a body over 4 MiB was accepted"
        )
        await here.publish(message(b"fine"))


async def a_thousand_in_flight_arrive_exactly_once(world: World) -> None:
    async with started(world, HERE) as here, started(world, THERE) as there:
        deliveries = there.deliveries(Lane.STANDARD)
        reading = asyncio.ensure_future(take_all(deliveries, 1000))
        await asyncio.gather(*(here.publish(message(b"%d" % number)) for number in range(1000)))
        arrived = await reading
        expect(sorted(map(int, arrived)) == list(range(1000)), "lost or duplicated")
        await expect_silence(deliveries, "more came than was sent")


async def two_readers_share_a_lane(world: World) -> None:
    async with started(world, HERE) as here, started(world, THERE) as there:
        await asyncio.gather(*(here.publish(message(b"%d" % number)) for number in range(100)))
        one, other = there.deliveries(Lane.STANDARD), there.deliveries(Lane.STANDARD)
        taken = await asyncio.gather(take_all(one, 50), take_all(other, 50))
        arrived = sorted(map(int, chain(*taken)))
        expect(arrived == list(range(100)), "a message went to both, or to none")


async def check_tells_open_from_closed(world: World) -> None:
    async with started(world, HERE) as here:
        here.deliveries(Lane.STANDARD)
        await here.check()
    await expect_error(here.check(), Unavailable, "a closed transport says that it is well")
    await expect_error(here.publish(message(b"late")), Unavailable, "a closed transport took a message")


async def close_ends_every_reader(world: World) -> None:
    async with started(world, HERE) as here:
        readers = [asyncio.ensure_future(_drain(here.deliveries(lane))) for lane in Lane]
        await here.check()
        await here.close()
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*readers)
        await here.close()
        await expect_end(here.deliveries(Lane.STANDARD))


async def _drain(deliveries: AsyncIterator[Delivery]) -> None:
    async for delivery in deliveries:
        await delivery.ack()


async def expect_end(deliveries: AsyncIterator[Delivery]) -> None:
    async with asyncio.timeout(PATIENCE):
        expect(await anext(deliveries, None) is None, "a closed transport still delivers")


async def what_waits_is_counted(world: World) -> None:
    async with started(world, HERE) as here, started(world, THERE) as there:
        expect(await there.waiting(Lane.URGENT) == 0, "an empty lane has something waiting")
        bodies = (b"one", b"two")
        for body in bodies:
            await here.publish(message(body, lane=Lane.URGENT))
        await here.publish(message(b"other"))
        waiting = await counted(there, Lane.URGENT, len(bodies))
        expect(waiting == len(bodies), "what waits is not counted")
        await take_all(there.deliveries(Lane.URGENT), waiting)
        expect(await counted(there, Lane.URGENT, 0) == 0, "what was taken still waits")
    try:
        await there.waiting(Lane.URGENT)
    except Unavailable:
        return
    raise AssertionError("a closed transport counts")


async def counted(transport: Transport, lane: Lane, expected: int) -> int:
    """How many wait; a broker may say so a moment late."""
    found = await transport.waiting(lane)
    for _ in range(100):
        if found == expected:
            break
        await asyncio.sleep(0.05)
        found = await transport.waiting(lane)
    return found


async def close_leaves_nothing_running(world: World) -> None:
    before = asyncio.all_tasks()
    async with started(world, HERE) as here, started(world, THERE) as there:
        await here.publish(message(b"unread"))
        await take(there.deliveries(Lane.STANDARD))
        for lane in Lane:
            here.deliveries(lane)
        await here.check()
    left = asyncio.all_tasks() - before
    expect(not left, f"{len(left)} tasks outlive the transport")


async def a_cancelled_publish_harms_nobody(world: World) -> None:
    async with started(world, HERE) as here, started(world, THERE) as there:
        publishing = [asyncio.ensure_future(here.publish(message(b"maybe"))) for _ in range(20)]
        await asyncio.sleep(0)
        for task in publishing:
            task.cancel()
        outcomes = await asyncio.gather(*publishing, return_exceptions=True)
        expect(
            all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes),
            "a real cancellation was turned into something else",
        )
        await here.publish(message(b"sure"))
        deliveries = there.deliveries(Lane.STANDARD)
        while (await take_all(deliveries, 1)) != [b"sure"]:
            pass  # cancelling does not un-publish: some of the others may be there


CASES: tuple[Case, ...] = (
    each_lane_arrives_in_its_own_queue,
    both_directions_at_once,
    an_urgent_receipt_comes_in_the_receipts_lane,
    a_quiet_queue_keeps_its_order,
    what_was_published_before_a_reader_waits_for_it,
    an_acknowledged_message_is_gone,
    an_unsettled_message_comes_again_after_a_close,
    a_released_message_comes_again,
    a_quarantined_message_is_kept_and_never_comes_again,
    what_was_put_aside_lies_on_its_shelf_until_it_is_settled,
    only_the_first_settling_counts,
    settling_after_a_close_does_nothing,
    an_unknown_area_is_refused,
    an_unroutable_one_does_not_spoil_its_neighbours,
    publishing_to_oneself_is_refused,
    large_bodies_arrive_whole,
    a_body_over_the_limit_is_refused_and_breaks_nothing,
    a_thousand_in_flight_arrive_exactly_once,
    two_readers_share_a_lane,
    check_tells_open_from_closed,
    close_ends_every_reader,
    what_waits_is_counted,
    close_leaves_nothing_running,
    a_cancelled_publish_harms_nobody,
)
