"""The fault wrapper does what its plan says, once, and nothing that the contract of a transport forbids."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import Unavailable
from gateway.ports import Lane
from gateway.testing.faults import DeliveryFault, FaultPlan, FaultyTransport, PublishFault
from gateway.testing.transport_suite import HERE, THERE, message, take, take_all
from gateway.transports.memory import MemoryBroker, MemoryTransport


@pytest.fixture
def memory() -> MemoryBroker:
    return MemoryBroker([HERE, THERE])


async def pair(memory: MemoryBroker, plan: FaultPlan) -> tuple[FaultyTransport, FaultyTransport]:
    here = FaultyTransport(MemoryTransport(memory, HERE), plan)
    there = FaultyTransport(MemoryTransport(memory, THERE), plan)
    await here.start()
    await there.start()
    return here, there


@pytest.mark.parametrize(
    ("fault", "arrives"), [(PublishFault.REFUSE, 0), (PublishFault.LOSE_CONFIRM, 1)], ids=str
)
async def test_unavailable_leaves_open_whether_it_was_sent(
    memory: MemoryBroker, fault: PublishFault, arrives: int
) -> None:
    plan = FaultPlan(publishes={0: fault})
    here, _ = await pair(memory, plan)
    with pytest.raises(Unavailable):
        await here.publish(message(b"one"))
    assert memory.waiting(THERE, Lane.STANDARD) == arrives
    await here.publish(message(b"one"))
    assert memory.waiting(THERE, Lane.STANDARD) == arrives + 1
    assert plan.done


async def test_a_duplicate_is_published_twice(memory: MemoryBroker) -> None:
    here, there = await pair(memory, FaultPlan(publishes={0: PublishFault.DUPLICATE}))
    await here.publish(message(b"one"))
    assert await take_all(there.deliveries(Lane.STANDARD), 2) == [b"one", b"one"]


async def test_reorder_lets_the_next_one_pass(memory: MemoryBroker) -> None:
    here, there = await pair(memory, FaultPlan(publishes={0: PublishFault.REORDER}, delay=30))
    await asyncio.gather(here.publish(message(b"first")), here.publish(message(b"second")))
    assert await take_all(there.deliveries(Lane.STANDARD), 2) == [b"second", b"first"]


async def test_reorder_with_nobody_behind_goes_on_its_own(memory: MemoryBroker) -> None:
    here, there = await pair(memory, FaultPlan(publishes={0: PublishFault.REORDER}, delay=0.01))
    await here.publish(message(b"alone"))
    assert await take_all(there.deliveries(Lane.STANDARD), 1) == [b"alone"]


async def test_a_delayed_one_is_overtaken(memory: MemoryBroker) -> None:
    here, there = await pair(memory, FaultPlan(publishes={0: PublishFault.DELAY}, delay=0.05))
    await asyncio.gather(*(here.publish(message(body)) for body in (b"slow", b"fast")))
    assert await take_all(there.deliveries(Lane.STANDARD), 2) == [b"fast", b"slow"]


@pytest.mark.parametrize("how", ["ack", "quarantine", "release"])
async def test_after_a_drop_nothing_settled_is_heard(memory: MemoryBroker, how: str) -> None:
    plan = FaultPlan(deliveries={0: DeliveryFault.DROP})
    here, there = await pair(memory, plan)
    await here.publish(message(b"one"))
    deliveries = there.deliveries(Lane.STANDARD)
    first = await take(deliveries)
    assert (first.body, first.lane, first.sender) == (b"one", Lane.STANDARD, HERE)
    await (first.quarantine("test") if how == "quarantine" else getattr(first, how)())
    assert await take_all(deliveries, 1) == [b"one"]
    assert memory.waiting(THERE, Lane.STANDARD) == 0
    assert not memory.quarantined(THERE)
    assert plan.done


async def test_a_duplicated_delivery_is_handed_out_twice_and_settled_once(memory: MemoryBroker) -> None:
    here, there = await pair(memory, FaultPlan(deliveries={0: DeliveryFault.DUPLICATE}))
    await here.publish(message(b"one"))
    await here.publish(message(b"two"))
    assert await take_all(there.deliveries(Lane.STANDARD), 3) == [b"one", b"one", b"two"]
    await there.close()
    assert memory.waiting(THERE, Lane.STANDARD) == 0


def test_a_seeded_plan_is_the_same_each_time() -> None:
    def faults(seed: int) -> list[object]:
        plan = FaultPlan.seeded(seed, length=200, rate=0.3)
        return [plan.publishing() for _ in range(200)] + [plan.delivering() for _ in range(200)]

    assert faults(1) == faults(1)
    assert faults(1) != faults(2)
    assert 60 < sum(fault is not None for fault in faults(1)) < 180


async def test_a_dropped_memory_connection_brings_all_back_in_order(memory: MemoryBroker) -> None:
    here, there = MemoryTransport(memory, HERE), MemoryTransport(memory, THERE)
    await here.start()
    await there.start()
    for body in (b"1", b"2", b"3"):
        await here.publish(message(body))
    deliveries = there.deliveries(Lane.STANDARD)
    first, _ = await take(deliveries), await take(deliveries)
    there.drop()
    await first.ack()
    assert await take_all(deliveries, 3) == [b"1", b"2", b"3"]


async def test_an_area_added_later_is_reached(memory: MemoryBroker) -> None:
    here = MemoryTransport(memory, HERE)
    await here.start()
    memory.add("E09000099")
    await here.publish(message(b"new", to="E09000099"))
    assert memory.waiting("E09000099", Lane.STANDARD) == 1
