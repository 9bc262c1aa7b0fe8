"""What can go wrong in a history, each with its end: one small class a kind, in one table by name.

Duty: do it, and undo it. It leaves out when and to whom (:mod:`gateway.testing.chaos.schedule`) and what must
hold in spite of it (:mod:`gateway.testing.chaos.oracles`).

Rules
-----
- ``begin`` returns at once where it can; what lasts, lasts until ``end``. ``end`` leaves everything well,
  also when ``begin`` failed half-way.
- ``target`` says what it needs for itself: two faults of one target never overlap, faults of different
  targets do, which is the point.
- What this machine cannot do says so (``missing``), and the summary repeats it.

Example::

    fault = FAULTS["node_kill"](world, BEXLEY, chance)
    await fault.begin()
    await asyncio.sleep(2)
    await fault.end()
"""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Final

from gateway.testing.boroughs import BEXLEY
from gateway.testing.chaos import disks, wire
from gateway.testing.chaos.agencies import Trouble
from gateway.testing.chaos.world import World
from gateway.testing.restoring import back_up
from keys_example import AGENCIES


class Fault(ABC):
    """``area``: the node whose part is hit; faults of the broker pass it over."""

    name: ClassVar[str] = ""
    needs: ClassVar[str] = "node"
    """node, line, broker, desk or wire: with the area, the target that it has for itself."""
    longest: ClassVar[float] = 2.5
    patience: ClassVar[float] = 60.0
    """Seconds that a network may take to come to rest after it."""

    def __init__(self, world: World, area: str, chance: random.Random) -> None:
        self.world, self.area, self.chance = world, area, chance

    @classmethod
    def missing(cls) -> str:
        """Why it cannot be done here; "" when it can."""
        return ""

    @property
    def target(self) -> str:
        return "broker" if self.needs == "broker" else f"{self.needs} {self.area}"

    @abstractmethod
    async def begin(self) -> None: ...

    async def end(self) -> None:  # noqa: B027 - most have something to undo, not all
        """Nothing, for what is over as soon as it has happened."""


class NodeKill(Fault):
    name = "node_kill"

    async def begin(self) -> None:
        await self.world.nodes[self.area].kill()

    async def end(self) -> None:
        await self.world.revive(self.area)


class NodeRestart(Fault):
    """SIGTERM, as every deployment does."""

    name = "node_restart"

    async def begin(self) -> None:
        await self.world.nodes[self.area].stop()

    async def end(self) -> None:
        await self.world.revive(self.area)


class NodeFreeze(Fault):
    name = "node_freeze"

    async def begin(self) -> None:
        self.world.nodes[self.area].freeze()

    async def end(self) -> None:
        self.world.nodes[self.area].thaw()


class ClockJump(Fault):
    """A time server that is wrong by less than what two honest clocks may differ."""

    name = "clock_jump"
    reach: ClassVar[tuple[int, int]] = (-100, 100)

    async def begin(self) -> None:
        self.world.set_clock(self.area, self.chance.randint(*self.reach))

    async def end(self) -> None:
        self.world.set_clock(self.area, 0)


class ClockWrong(Fault):
    """An hour or two ahead: beyond what honest clocks may differ, so peers refuse what it says. What was
    dated ahead has to wait until its time has come: in a history that time is made to pass, for both
    nodes."""

    name = "clock_hours_ahead"

    def __init__(self, world: World, area: str, chance: random.Random) -> None:
        super().__init__(world, area, chance)
        self._seconds = chance.randint(3_000, 7_200)

    async def begin(self) -> None:
        self.world.set_clock(self.area, self._seconds)

    async def end(self) -> None:
        self.world.pass_time(self._seconds)


class DiskFull(Fault):
    """Not a byte more on the disk of the database, and then there is room again."""

    name = "disk_full"

    @classmethod
    def missing(cls) -> str:
        return disks.missing()

    async def begin(self) -> None:
        file = self.world.file(self.area)
        if file is None:
            raise RuntimeError("another database than a file")
        await asyncio.to_thread(disks.fill, file.parent)

    async def end(self) -> None:
        file = self.world.file(self.area)
        if file is not None:
            await asyncio.to_thread(disks.empty, file.parent)


class BackupRestored(Fault):
    """The database as it was some seconds ago is put back, by somebody who says nothing to the node."""

    name = "backup_restored"
    patience: ClassVar[float] = 300.0

    def __init__(self, world: World, area: str, chance: random.Random) -> None:
        del area  # what an origin loses its agencies hand in again: that is no node's to mend
        super().__init__(world, BEXLEY, chance)

    async def begin(self) -> None:
        file = self.world.file(self.area)
        if file is None:
            raise RuntimeError("another database than a file")
        await asyncio.to_thread(back_up, file, file.with_name("copy.db"))

    async def end(self) -> None:
        file = self.world.file(self.area)
        if file is None or not file.with_name("copy.db").exists():
            return
        await self.world.nodes[self.area].kill()
        for name in (file.name, f"{file.name}-wal", f"{file.name}-shm"):
            file.with_name(name).unlink(missing_ok=True)
        file.with_name("copy.db").rename(file)
        self.world.restored.add(self.area)
        self.world.answered.clear()
        await self.world.revive(self.area)


class BrokerKill(Fault):
    name = "broker_kill"
    needs = "broker"

    async def begin(self) -> None:
        await asyncio.to_thread(self.world.hub.broker.kill)

    async def end(self) -> None:
        await asyncio.to_thread(self.world.hub.broker.restart)


class BrokerFreeze(Fault):
    name = "broker_freeze"
    needs = "broker"

    async def begin(self) -> None:
        await asyncio.to_thread(self.world.hub.broker.pause)

    async def end(self) -> None:
        await asyncio.to_thread(self.world.hub.broker.resume)


class _Control(Fault):
    """By the operator's own command."""

    needs = "broker"
    first: ClassVar[tuple[str, ...]] = ()
    then: ClassVar[tuple[str, ...]] = ()

    async def begin(self) -> None:
        await asyncio.to_thread(self.world.hub.broker.ctl, *self.first)

    async def end(self) -> None:
        if self.then:
            await asyncio.to_thread(self.world.hub.broker.ctl, *self.then)


class BrokerStopApp(_Control):
    name = "broker_stop_app"
    first, then = ("stop_app",), ("start_app",)


class BrokerCloses(_Control):
    name = "broker_closes_connections"
    first = ("close_all_connections", "--global", "chaos")


class MemoryAlarm(_Control):
    name = "memory_alarm"
    first = ("set_vm_memory_high_watermark", "0.00001")
    then = ("set_vm_memory_high_watermark", "0.4")


class DiskAlarm(_Control):
    name = "disk_alarm"
    first, then = ("set_disk_free_limit", "900000GB"), ("set_disk_free_limit", "50MB")


class PermissionRevoked(Fault):
    """Its connections are closed, too: a broker remembers what a channel in use was permitted."""

    name = "permission_revoked"
    needs = "broker"

    async def begin(self) -> None:
        await asyncio.to_thread(self.world.hub.run, self.world.hub.permit(self.area, nothing=True))
        await asyncio.to_thread(self.world.hub.broker.ctl, "close_all_connections", "--global", "chaos")

    async def end(self) -> None:
        await asyncio.to_thread(self.world.hub.run, self.world.hub.permit(self.area))


class CertificateExpired(Fault):
    """The broker shows a certificate that is out of date, to everybody anew."""

    name = "tls_expired"
    needs = "broker"

    async def begin(self) -> None:
        self.world.hub.authority.expire()
        await asyncio.to_thread(self.world.hub.run, "ssl:clear_pem_cache()")
        await asyncio.to_thread(self.world.hub.broker.ctl, "close_all_connections", "--global", "chaos")

    async def end(self) -> None:
        self.world.hub.authority.renew()
        await asyncio.to_thread(self.world.hub.run, "ssl:clear_pem_cache()")


class LineCut(Fault):
    name = "line_cut"
    needs = "line"

    async def begin(self) -> None:
        self.world.lines[self.area].cut()

    async def end(self) -> None:
        self.world.lines[self.area].heal()


class QueueFull(LineCut):
    """The intakes of an area take one message and refuse the next (``reject-publish``). Its node is cut off
    meanwhile: what a reader has in hand fills no queue, so with a reader none would ever be full."""

    name = "queue_full"

    def _policy(self) -> str:
        return f"chaos-{self.area}"

    async def begin(self) -> None:
        await asyncio.to_thread(
            self.world.hub.broker.ctl,
            *("set_policy", "-p", self.world.hub.vhost, "--apply-to", "queues"),
            *(self._policy(), rf"^gw\.in\.{self.area}"),
            '{"max-length": 0, "overflow": "reject-publish"}',
        )
        await super().begin()

    async def end(self) -> None:
        await super().end()
        # Not by `rabbitmqctl clear_policy`, which fails where a beginning that failed left no policy.
        where = f'<<"{self.world.hub.vhost}">>, <<"{self._policy()}">>, <<"chaos">>'
        await asyncio.to_thread(self.world.hub.run, f"rabbit_policy:delete({where})")


class LineHeld(LineCut):
    """A partition that drops packets: nothing is closed, nothing arrives."""

    name = "line_held"

    async def begin(self) -> None:
        self.world.lines[self.area].hold()


class LineHalf(LineCut):
    """Half open: what one side says still arrives."""

    name = "line_half_open"

    async def begin(self) -> None:
        line = self.world.lines[self.area]
        self.chance.choice([line.to, line.back]).open.clear()


class LineDelay(LineCut):
    name = "line_delay"

    async def begin(self) -> None:
        line = self.world.lines[self.area]
        line.to.delay = line.back.delay = self.chance.uniform(0.1, 0.6)


class LineSlow(LineCut):
    name = "line_slow"

    async def begin(self) -> None:
        line = self.world.lines[self.area]
        line.to.rate = line.back.rate = self.chance.randint(4_000, 20_000)


class LineReset(Fault):
    name = "line_reset"
    needs = "line"
    longest = 0.2

    async def begin(self) -> None:
        self.world.lines[self.area].reset()


class _Desk(Fault):
    needs = "desk"
    trouble: ClassVar[Trouble]

    def __init__(self, world: World, area: str, chance: random.Random) -> None:
        super().__init__(world, area, chance)
        roles = sorted(AGENCIES)
        self._roles = chance.sample(roles, chance.randint(1, len(roles)))

    async def begin(self) -> None:
        for role in self._roles:
            self.world.agencies.trouble(f"{self.area}/{role}", self.trouble)

    async def end(self) -> None:
        for role in self._roles:
            self.world.agencies.trouble(f"{self.area}/{role}", None)


class DeskFails(_Desk):
    name, trouble = "adapter_fails", Trouble.FAIL


class DeskBusy(_Desk):
    name, trouble = "adapter_busy", Trouble.BUSY


class DeskHangs(_Desk):
    name, trouble = "adapter_hangs", Trouble.HANG


class DeskSlow(_Desk):
    name, trouble = "adapter_slow", Trouble.SLOW


class DeskForgets(_Desk):
    """It has the parcel and its answer is lost: the call must be repeated, with the same key."""

    name, trouble = "adapter_answer_lost", Trouble.FORGET


class Duplicates(Fault):
    """Everything that an area sent in this history once more, by its own account."""

    name = "duplicated"
    needs = "wire"

    async def begin(self) -> None:
        await wire.again(self.world, self.area, self.chance, wire.same)


class Reordered(Fault):
    """What waits for an area is taken out and put back in another order, with pauses."""

    name = "reordered"
    needs = "line"

    def __init__(self, world: World, area: str, chance: random.Random) -> None:
        super().__init__(world, area, chance)
        self._taken: list[wire.Seen] = []

    async def begin(self) -> None:
        self.world.lines[self.area].cut()
        await wire.take(self.world, self.area, self._taken)

    async def end(self) -> None:
        try:
            await wire.put_back(self.world, self._taken, self.chance)
        finally:
            self.world.lines[self.area].heal()


class Corrupted(Fault):
    """Copies with flipped bytes, cut short or run together, beside the good ones."""

    name = "corrupted"
    needs = "wire"

    async def begin(self) -> None:
        await wire.again(self.world, self.area, self.chance, wire.spoilt)


class Garbage(Fault):
    name = "garbage"
    needs = "wire"

    async def begin(self) -> None:
        await wire.garbage(self.world, self.area, self.chance)


FAULTS: Final[Mapping[str, type[Fault]]] = {
    kind.name: kind
    for kind in (
        NodeKill, NodeRestart, NodeFreeze, ClockJump, ClockWrong, DiskFull, BackupRestored,
        BrokerKill, BrokerFreeze, BrokerStopApp, BrokerCloses, MemoryAlarm, DiskAlarm,
        PermissionRevoked, CertificateExpired, QueueFull,
        LineCut, LineHeld, LineHalf, LineDelay, LineSlow, LineReset,
        DeskFails, DeskBusy, DeskHangs, DeskSlow, DeskForgets,
        Duplicates, Reordered, Corrupted, Garbage,
    )
}  # fmt: skip
