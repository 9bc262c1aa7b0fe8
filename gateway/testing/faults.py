"""Faults on the transport seam: what a broker may do to us, done on purpose and in a known order.

Duty: :class:`FaultyTransport` wraps any transport and misbehaves as its :class:`FaultPlan` says. Everything
it does is allowed by the contract of ``gateway.ports.Transport`` (duplicates, another order, an error that
leaves open whether the message went out, a delivery that comes again), so correct flows must bear all of it.
Left out: faults of a real broker process (see ``PrivateBroker.kill`` and ``pause``).

Example::

    plan = FaultPlan(publishes={0: PublishFault.REFUSE, 2: PublishFault.DUPLICATE},
                     deliveries={1: DeliveryFault.DROP})
    transport = FaultyTransport(MemoryTransport(broker, area), plan)
    ...
    assert plan.done                     # every planned fault has happened
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from enum import StrEnum
from random import Random

from gateway.errors import Unavailable
from gateway.ports import Aside, Delivery, Lane, Outgoing, Shelf, Transport


class PublishFault(StrEnum):
    """REFUSE: it is not sent, Unavailable. LOSE_CONFIRM: it is sent, Unavailable all the same. DUPLICATE:
    it is sent twice. DELAY: it is sent after ``FaultPlan.delay`` seconds. REORDER: it is sent only after the
    next publish has gone through, or after ``delay`` seconds when there is none."""

    REFUSE = "refuse"
    LOSE_CONFIRM = "lose_confirm"
    DUPLICATE = "duplicate"
    DELAY = "delay"
    REORDER = "reorder"


class DeliveryFault(StrEnum):
    """DROP: the connection breaks while the reader holds the message: what it settles is not heard, and the
    message comes again. DUPLICATE: the reader is handed the same message twice."""

    DROP = "drop"
    DUPLICATE = "duplicate"


class FaultPlan:
    """Which publish and which delivery (counted from 0, over all lanes) goes wrong, and how."""

    def __init__(
        self,
        *,
        publishes: Mapping[int, PublishFault] | None = None,
        deliveries: Mapping[int, DeliveryFault] | None = None,
        delay: float = 0.05,
    ) -> None:
        self._publishes = dict(publishes or {})
        self._deliveries = dict(deliveries or {})
        self._published = self._delivered = -1
        self.delay = delay

    @classmethod
    def seeded(cls, seed: int, *, length: int, rate: float, delay: float = 0.01) -> FaultPlan:
        """A random plan that is the same for the same ``seed``: each of the first ``length`` publishes and
        deliveries goes wrong with probability ``rate``."""
        dice = Random(seed)  # noqa: S311 - repeatable is the point; nothing secret comes of it
        return cls(
            publishes={n: dice.choice(list(PublishFault)) for n in range(length) if dice.random() < rate},
            deliveries={n: dice.choice(list(DeliveryFault)) for n in range(length) if dice.random() < rate},
            delay=delay,
        )

    @property
    def done(self) -> bool:
        """True when nothing planned is left."""
        return not self._publishes and not self._deliveries

    def publishing(self) -> PublishFault | None:
        self._published += 1
        return self._publishes.pop(self._published, None)

    def delivering(self) -> DeliveryFault | None:
        self._delivered += 1
        return self._deliveries.pop(self._delivered, None)


class FaultyTransport:
    """``gateway.ports.Transport`` that goes wrong as planned and is otherwise the one it wraps."""

    def __init__(self, inner: Transport, plan: FaultPlan) -> None:
        self._inner = inner
        self._plan = plan
        self._passed = asyncio.Event()

    async def start(self) -> None:
        await self._inner.start()

    async def publish(self, message: Outgoing) -> None:
        fault = self._plan.publishing()
        if fault is PublishFault.REFUSE:
            raise Unavailable("the planned fault: refused", code="fault_refuse")
        if fault is PublishFault.DELAY:
            await asyncio.sleep(self._plan.delay)
        if fault is PublishFault.REORDER:
            await self._let_one_pass()
        await self._inner.publish(message)
        self._passed.set()
        if fault is PublishFault.DUPLICATE:
            await self._inner.publish(replace(message, message_id=message.message_id + "-again"))
        if fault is PublishFault.LOSE_CONFIRM:
            raise Unavailable("the planned fault: confirm lost", code="fault_confirm")

    async def _let_one_pass(self) -> None:
        self._passed = passed = asyncio.Event()
        try:
            async with asyncio.timeout(self._plan.delay):
                await passed.wait()
        except TimeoutError:
            return  # nobody came: it goes on its own

    def deliveries(self, lane: Lane) -> AsyncIterator[Delivery]:
        return _FaultyDeliveries(self._inner.deliveries(lane), self._plan)

    async def waiting(self, lane: Lane) -> int:
        return await self._inner.waiting(lane)

    async def aside(self, shelf: Shelf) -> Aside | None:
        return await self._inner.aside(shelf)

    async def check(self) -> None:
        await self._inner.check()

    async def close(self) -> None:
        await self._inner.close()


class _FaultyDeliveries:
    def __init__(self, inner: AsyncIterator[Delivery], plan: FaultPlan) -> None:
        self._inner = inner
        self._plan = plan
        self._again: Delivery | None = None

    def __aiter__(self) -> AsyncIterator[Delivery]:
        return self

    async def __anext__(self) -> Delivery:
        if self._again is not None:
            delivery, self._again = self._again, None
            return delivery
        delivery = await anext(self._inner)
        fault = self._plan.delivering()
        if fault is DeliveryFault.DROP:
            await delivery.release()
            return _Unheard(delivery)
        if fault is DeliveryFault.DUPLICATE:
            self._again = delivery
            return _Unheard(delivery)
        return delivery


class _Unheard:
    """A delivery whose settling never reaches the broker."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    @property
    def body(self) -> bytes:
        return self._delivery.body

    @property
    def lane(self) -> Lane:
        return self._delivery.lane

    @property
    def sender(self) -> str | None:
        return self._delivery.sender

    async def ack(self) -> None: ...

    async def quarantine(self, code: str) -> None: ...

    async def release(self) -> None: ...
