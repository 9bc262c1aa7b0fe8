"""The in-process broker: the embedded default of a demo, and the reference every other transport is held to.

Duty: the same promises as RabbitMQ for nodes that share one process: confirmed publishing, unroutable
messages coming back, order within a queue, one reader for each message, unsettled messages again after a
close, both shelves. Left out: durability beyond the process (the outbox holds everything until the peer's
signed receipt, so a restart loses time and no message), and faults (``gateway.testing.faults``).

Example::

    broker = MemoryBroker(["E09000012", "E09000004"])
    hackney, bexley = MemoryTransport(broker, "E09000012"), MemoryTransport(broker, "E09000004")
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field

from gateway.errors import TooLarge, Unavailable, UnknownRecipient
from gateway.ports import Aside, Delivery, Lane, Outgoing, Shelf
from gateway.transports.topology import MAX_BODY

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Message:
    number: int
    sender: str
    lane: Lane
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Shelved:
    message: _Message
    reason: str


class _Queue:
    """One lane of one area: waiting messages in order of arrival, and a bell for the readers."""

    def __init__(self) -> None:
        self.waiting: deque[_Message] = deque()
        self.bell = asyncio.Event()

    def put(self, message: _Message) -> None:
        self.waiting.append(message)
        self.bell.set()

    def put_back(self, messages: Iterable[_Message]) -> None:
        """Back to where they stood: a message that was taken and given up is again among the oldest."""
        self.waiting = deque(sorted((*messages, *self.waiting), key=lambda message: message.number))
        self.bell.set()


class MemoryBroker:
    """Queues for a set of areas. Not shared between processes or event loops."""

    def __init__(self, areas: Iterable[str]) -> None:
        self._areas = set(areas)
        self._queues: defaultdict[tuple[str, Lane], _Queue] = defaultdict(_Queue)
        self._shelves: defaultdict[tuple[str, Shelf], deque[_Shelved]] = defaultdict(deque)
        self._published = 0

    def add(self, area: str) -> None:
        """Create the queues of one more area."""
        self._areas.add(area)

    def quarantined(self, area: str) -> Sequence[bytes]:
        """The bodies that ``area`` put aside, oldest first."""
        return [one.message.body for one in self._shelves[area, Shelf.QUARANTINE]]

    def waiting(self, area: str, lane: Lane) -> int:
        """Messages that nobody holds."""
        return len(self._queues[area, lane].waiting)

    def route(self, sender: str, message: Outgoing) -> None:
        """Take a message from ``sender``. Raises UnknownRecipient for itself and for unknown areas."""
        if message.to == sender or message.to not in self._areas:
            raise UnknownRecipient(
                "the broker has no queue for this area",
                code="unroutable",
                remedy="check the recipient's area code",
            )
        self._published += 1
        taken = _Message(self._published, sender, message.lane, message.body)
        self._queues[message.to, message.lane].put(taken)

    def queue(self, area: str, lane: Lane) -> _Queue:
        return self._queues[area, lane]

    def put_aside(self, area: str, message: _Message, reason: str = "rejected") -> None:
        """``reason``: as a broker would say it; what has "expired" goes back to its sender's shelf."""
        expired = reason == "expired"
        where = (message.sender, Shelf.RETURNED) if expired else (area, Shelf.QUARANTINE)
        self._shelves[where].append(_Shelved(message, reason))

    def expire(self, area: str, lane: Lane) -> None:
        """Everything that waits there has lain too long."""
        queue = self._queues[area, lane]
        while queue.waiting:
            self.put_aside(area, queue.waiting.popleft(), "expired")

    def stop(self, area: str, lane: Lane) -> None:
        """The oldest message there has killed its reader too often."""
        self.put_aside(area, self._queues[area, lane].waiting.popleft(), "delivery_limit")

    def shelf(self, area: str, shelf: Shelf) -> deque[_Shelved]:
        return self._shelves[area, shelf]


class _Hands:
    """What one transport has taken from its queues and not settled yet."""

    def __init__(self, broker: MemoryBroker, area: str) -> None:
        self._broker = broker
        self._area = area
        self._unsettled: dict[int, _Message] = {}
        self._asides: list[_Aside] = []
        self._closed = False

    async def take(self, lane: Lane) -> _Message | None:
        """The next message of ``lane``, however long it takes; None once closed."""
        queue = self._broker.queue(self._area, lane)
        while not self._closed:
            if queue.waiting:
                message = queue.waiting.popleft()
                self._unsettled[message.number] = message
                return message
            queue.bell.clear()
            await queue.bell.wait()
        return None

    def settle(self, message: _Message) -> bool:
        """False when it is no longer ours: settled before, or given back."""
        return self._unsettled.pop(message.number, None) is not None

    def give_back(self, message: _Message) -> None:
        self._broker.queue(self._area, message.lane).put_back([message])

    def put_aside(self, message: _Message) -> None:
        self._broker.put_aside(self._area, message)

    def aside(self, shelf: Shelf) -> _Aside | None:
        waiting = self._broker.shelf(self._area, shelf)
        if not waiting:
            return None
        self._asides.append(_Aside(waiting.popleft(), waiting, self._asides))
        return self._asides[-1]

    def drop(self) -> None:
        for one in reversed(tuple(self._asides)):
            one.give_back()
        held, self._unsettled = self._unsettled, {}
        for lane in Lane:
            back = [message for message in held.values() if message.lane is lane]
            self._broker.queue(self._area, lane).put_back(back)

    def close(self) -> None:
        self._closed = True
        self.drop()  # rings every bell, so that every reader sees the end


class _Delivery:
    """One message in somebody's hands. Once it has been settled or given back, settling does nothing."""

    __slots__ = ("_hands", "_message")

    def __init__(self, message: _Message, hands: _Hands) -> None:
        self._message = message
        self._hands = hands

    @property
    def body(self) -> bytes:
        return self._message.body

    @property
    def lane(self) -> Lane:
        return self._message.lane

    @property
    def sender(self) -> str | None:
        return self._message.sender

    async def ack(self) -> None:
        self._hands.settle(self._message)

    async def quarantine(self, code: str) -> None:
        if self._hands.settle(self._message):
            _log.warning("a message of lane %s goes to quarantine: %s", self.lane.name, code)
            self._hands.put_aside(self._message)

    async def release(self) -> None:
        if self._hands.settle(self._message):
            self._hands.give_back(self._message)


class _Aside:
    """One message from a shelf, in somebody's hands."""

    __slots__ = ("_hands", "_shelf", "_shelved")

    def __init__(self, shelved: _Shelved, shelf: deque[_Shelved], hands: list[_Aside]) -> None:
        self._shelved = shelved
        self._shelf = shelf
        self._hands = hands

    @property
    def body(self) -> bytes:
        return self._shelved.message.body

    @property
    def lane(self) -> Lane:
        return self._shelved.message.lane

    @property
    def sender(self) -> str | None:
        return self._shelved.message.sender

    @property
    def reason(self) -> str:
        return self._shelved.reason

    async def ack(self) -> None:
        if self in self._hands:
            self._hands.remove(self)

    async def release(self) -> None:
        self.give_back()

    def give_back(self) -> None:
        if self in self._hands:
            self._hands.remove(self)
            self._shelf.appendleft(self._shelved)


class _Deliveries:
    """One lane's messages, one by one, until the transport is closed."""

    def __init__(self, hands: _Hands, lane: Lane) -> None:
        self._hands = hands
        self._lane = lane

    def __aiter__(self) -> AsyncIterator[Delivery]:
        return self

    async def __anext__(self) -> Delivery:
        message = await self._hands.take(self._lane)
        if message is None:
            raise StopAsyncIteration
        return _Delivery(message, self._hands)


class MemoryTransport:
    """``gateway.ports.Transport`` of one area on a :class:`MemoryBroker`."""

    def __init__(self, broker: MemoryBroker, area: str) -> None:
        self._broker = broker
        self._area = area
        self._hands = _Hands(broker, area)
        self._open = False

    async def start(self) -> None:
        self._open = True

    async def publish(self, message: Outgoing) -> None:
        """Raises Unavailable when not open, UnknownRecipient, TooLarge (over protocol 4.6's 4 MiB)."""
        await self.check()
        if len(message.body) > MAX_BODY:
            raise TooLarge("a message of the transport is at most 4 MiB", remedy="bundle fewer envelopes")
        # A confirm takes a turn of the loop on a real broker as well: callers must bear being overtaken.
        await asyncio.sleep(0)
        self._broker.route(self._area, message)

    def deliveries(self, lane: Lane) -> AsyncIterator[Delivery]:
        """This lane's messages. Several readers share them; all end with ``close``."""
        return _Deliveries(self._hands, lane)

    async def waiting(self, lane: Lane) -> int:
        await self.check()
        return self._broker.waiting(self._area, lane)

    async def aside(self, shelf: Shelf) -> Aside | None:
        await self.check()
        await asyncio.sleep(0)
        return self._hands.aside(shelf)

    async def check(self) -> None:
        if not self._open:
            raise Unavailable("the transport is not open", code="broker_lost")

    async def close(self) -> None:
        """End every iterator and give unsettled messages back. May be called twice."""
        self._open = False
        self._hands.close()

    def drop(self) -> None:
        """As if the connection broke: all that is unsettled goes back to its queue and comes again."""
        self._hands.drop()
