"""Several processes of one area: who lives, who is gone, who leads, and what a stopped one may still do."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.errors import Unavailable
from gateway.flows import deliver, workers
from gateway.flows.node import Node, Seat, Wake
from gateway.ports import Lane, Role, Task
from gateway.stores.siblings import Alone, FileSiblings
from gateway.testing.boroughs import BEXLEY, World, two_boroughs
from schemas.samples import minimal_example

POLICE = f"{BEXLEY}/police"


class Locks(Alone):
    """Who holds a lock, told by the test."""

    def __init__(self, held: set[str]) -> None:
        self.held = held
        self.rung: list[str] = []

    async def start(self, worker: str) -> None:
        self.held.add(worker)

    async def gone(self, workers: Sequence[str]) -> AbstractSet[str]:
        return set(workers) - self.held

    async def ring(self, bell: str) -> None:
        self.rung.append(bell)


def seated(node: Node, name: str, held: set[str], role: Role = Role.ALL) -> Node:
    """Another process of this node: the same tables, wake-up calls of its own."""
    wake = Wake.of(node.wake.tasks)
    seat = Seat(name, role, "1", "here:1", Locks(held))
    return replace(node, seat=seat, wake=wake, used={})


async def delivered(world: World) -> None:
    """A handover that has come to Bexley, and is with no agency yet."""
    await world.hackney.submit(minimal_example().encode())
    await world.hackney.turn()
    await world.deliver_mail(world.bexley)


async def claim(node: Node) -> str:
    rows = await node.store.write(
        lambda tx: tx.claim_tasks(POLICE, node.clock.now(), 9, 300, worker=node.worker)
    )
    return rows[0].id if rows else ""


async def nothing(node: Node) -> None:
    await workers.join(node, lambda tx: None)


async def test_a_process_whose_lock_is_free_is_gone_at_the_next_look_and_a_living_one_is_left_alone() -> None:
    held: set[str] = set()
    async with two_boroughs() as world:
        await delivered(world)
        first, second = (seated(world.bexley.node, name, held) for name in ("aa", "bb"))
        await nothing(first)
        await nothing(second)
        had = await claim(first)
        watch = workers.Watch()
        assert await workers.turn(second, watch) == 0
        assert await claim(second) == "", "it is with the first"
        held.discard("aa")
        assert await workers.turn(second, watch) == 1
        assert await claim(second) == had
        assert [row.id for row in await second.store.read(lambda tx: tx.workers())] == ["bb"]
        assert second.wake.tasks[POLICE].is_set(), "its pumps look at once"


async def test_a_process_that_starts_beside_another_takes_nothing_of_it() -> None:
    held: set[str] = set()
    async with two_boroughs() as world:
        await delivered(world)
        first, second = (seated(world.bexley.node, name, held) for name in ("aa", "bb"))
        await nothing(first)
        await claim(first)
        took: list[str] = []
        await workers.join(second, lambda tx: took.append("everything"))
        assert took == []
        assert await claim(second) == ""
        held.clear()
        third = seated(world.bexley.node, "cc", held)
        await workers.join(third, lambda tx: took.append("everything"))
        assert took == ["everything"], "nobody else is here"
        assert await claim(third) != ""


async def test_an_api_process_alone_takes_up_nothing_and_never_leads() -> None:
    held: set[str] = set()
    async with two_boroughs() as world:
        api = seated(world.bexley.node, "aa", held, Role.API)
        took: list[str] = []
        await workers.join(api, lambda tx: took.append("everything"))
        await workers.turn(api, workers.Watch())
        assert took == []
        assert not workers.leads(api)
        worker = seated(world.bexley.node, "bb", held, Role.WORKER)
        await workers.join(worker, lambda tx: took.append("everything"))
        assert took == ["everything"], "one that only answers has nothing in hand"


async def test_one_whose_lock_seems_free_and_that_gives_a_sign_meanwhile_is_left_alone() -> None:
    """Its connection was lost and is back; or it woke up just now."""
    held: set[str] = set()
    async with two_boroughs() as world:
        first, second = (seated(world.bexley.node, name, held) for name in ("aa", "bb"))
        await nothing(first)
        await nothing(second)
        assert second.seat is not None

        class Late(Locks):
            async def gone(self, workers_: Sequence[str]) -> AbstractSet[str]:
                await workers.turn(first, workers.Watch())
                return set(workers_)

        second.seat.siblings = Late(held)
        assert await workers.turn(second, workers.Watch()) == 0
        rows = await second.store.read(lambda tx: tx.workers())
        assert {row.id for row in rows} == {"aa", "bb"}


async def test_a_stopped_process_is_gone_after_its_term_by_the_looks_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its lock is held, its beats stay away; no wall clock is asked."""
    held: set[str] = set()
    async with two_boroughs() as world:
        stopped, other = (seated(world.bexley.node, name, held) for name in ("aa", "bb"))
        await nothing(stopped)
        await nothing(other)
        watch, loop = workers.Watch(), asyncio.get_running_loop()
        at, real = 0.0, loop.time
        monkeypatch.setattr(loop, "time", lambda: real() + at)
        world.clock.advance(86_400)  # a wall clock that jumps kills nobody
        assert await workers.turn(other, watch) == 0
        at += workers.TERM - 1
        assert await workers.turn(other, watch) == 0
        await workers.turn(stopped, workers.Watch())  # it gives a sign just in time
        at += 2
        assert await workers.turn(other, watch) == 0
        at += workers.TERM + 1
        assert await workers.turn(other, watch) == 1
        assert await workers.turn(stopped, workers.Watch()) == 0, "it wakes up and registers again"
        rows = await other.store.read(lambda tx: tx.workers())
        assert {row.id for row in rows} == {"aa", "bb"}


async def test_one_leads_and_when_it_was_stopped_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    held: set[str] = set()
    async with two_boroughs() as world:
        first, second = (seated(world.bexley.node, name, held) for name in ("aa", "bb"))
        await nothing(first)
        await nothing(second)
        await workers.turn(first, workers.Watch())
        await workers.turn(second, workers.Watch())
        assert (workers.leads(first), workers.leads(second)) == (True, False)
        loop = asyncio.get_running_loop()
        real = loop.time
        monkeypatch.setattr(loop, "time", lambda: real() + workers.TERM / 2)
        assert not workers.leads(first), "before another one could have taken it for gone"
        monkeypatch.undo()
        held.discard("aa")
        await workers.turn(second, workers.Watch())
        await workers.turn(second, workers.Watch())
        assert workers.leads(second)
        await workers.turn(first, workers.Watch())
        assert not workers.leads(first)


async def test_a_parcel_that_another_has_handed_over_since_is_not_handed_over_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SIGSTOP between claim and call, for longer than the term."""
    held: set[str] = set()
    async with two_boroughs() as world:
        await delivered(world)
        node = world.bexley.node
        stopped, other = (seated(node, name, held) for name in ("aa", "bb"))
        await nothing(stopped)
        desk, binding = world.bexley.desks["police"], node.agencies[POLICE]
        looked = deliver._still_ours

        async def late(of: Node, task: object, since: float) -> bool:
            if of is stopped:
                held.discard("aa")
                await workers.join(other, lambda tx: None)
                await deliver.deliver(other, binding)
            return await looked(of, task, since - 60 if of is stopped else since)  # type: ignore[arg-type]  # a TaskRow

        monkeypatch.setattr(deliver, "_still_ours", late)
        await deliver.deliver(stopped, binding)
        assert len(desk.given) == 1


async def test_a_parcel_that_another_has_in_hand_by_now_is_left_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held: set[str] = set()
    async with two_boroughs() as world:
        await delivered(world)
        node = world.bexley.node
        stopped, other = (seated(node, name, held) for name in ("aa", "bb"))
        await nothing(stopped)
        looked = deliver._still_ours

        async def late(of: Node, task: object, since: float) -> bool:
            held.discard("aa")
            await workers.join(other, lambda tx: None)
            assert await claim(other)
            return await looked(of, task, since - 60)  # type: ignore[arg-type]  # a TaskRow

        monkeypatch.setattr(deliver, "_still_ours", late)
        await deliver.deliver(stopped, node.agencies[POLICE])
        assert world.bexley.desks["police"].given == []


async def test_whoever_stops_in_order_gives_back_what_it_has_in_hand() -> None:
    """Its row goes with it, so nobody would find it gone, and its claims would stand for minutes."""
    held: set[str] = set()
    async with two_boroughs() as world:
        await delivered(world)
        first, second = (seated(world.bexley.node, name, held) for name in ("aa", "bb"))
        await nothing(first)
        await nothing(second)
        task = await claim(first)
        assert task
        assert await claim(second) == ""
        await workers.leave(first)
        assert await claim(second) == task
        rows = await second.store.read(lambda tx: tx.workers())
        assert [row.id for row in rows] == ["bb"]


async def test_whoever_was_overtaken_holds_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its call fails when it wakes up: that is its affair, the parcel is another's."""
    held: set[str] = set()
    async with two_boroughs() as world:
        await delivered(world)
        node = world.bexley.node
        stopped, other = (seated(node, name, held) for name in ("aa", "bb"))
        await nothing(stopped)
        desk, binding = world.bexley.desks["police"], node.agencies[POLICE]
        real = desk.deliver

        async def overtaken(view: object, *, key: str) -> object:
            held.discard("aa")
            await workers.join(other, lambda tx: None)
            assert await claim(other) == key
            raise Unavailable("it woke up too late")

        monkeypatch.setattr(desk, "deliver", overtaken)
        await deliver.deliver(stopped, binding)
        monkeypatch.setattr(desk, "deliver", real)
        (task,) = [
            row
            for leg in (await world.bexley.legs(await reference(node))).values()
            for row in await node.store.read(lambda tx, leg=leg: tx.tasks_of(leg.id))  # type: ignore[misc]
            if row.principal == POLICE
        ]
        assert (task.state, task.attempts, task.error) == (Task.WAITING, 2, "")
        assert task.due >= node.clock.now() + 300, "as the other one claimed it"


async def reference(node: Node) -> str:
    rows = await node.store.read(lambda tx: tx.handovers(side=None, principal=None, before="", limit=1))
    return rows[0].ref


async def test_whoever_starts_waits_for_one_that_still_reads_its_urgent_lane() -> None:
    held: set[str] = set()
    async with two_boroughs() as world:
        first, second = (seated(world.bexley.node, name, held) for name in ("aa", "bb"))
        await nothing(first)
        await nothing(second)
        waiting = asyncio.create_task(workers.wait_for_others(second))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await workers.say_ready(first)
        await asyncio.wait_for(waiting, 2)


async def test_a_database_that_does_not_answer_says_of_nobody_that_it_has_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held: set[str] = set()
    async with two_boroughs() as world:
        first, second = (seated(world.bexley.node, name, held) for name in ("aa", "bb"))
        await nothing(first)
        await nothing(second)

        async def away(_: object) -> None:
            raise Unavailable("the database does not answer", code="store_lost")

        with monkeypatch.context() as patch:
            patch.setattr(second.store, "read", away)
            waiting = asyncio.create_task(workers.wait_for_others(second))
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await workers.say_ready(first)
        await asyncio.wait_for(waiting, 2)


async def test_of_two_that_start_at_once_one_takes_everything_up() -> None:
    """The second would make due again what the first has in hand by now."""
    held: set[str] = set()
    took: list[str] = []
    async with two_boroughs() as world:
        first, second = (seated(world.bexley.node, name, held) for name in ("aa", "bb"))
        assert second.seat is not None

        class Slow(Locks):
            async def gone(self, workers_: Sequence[str]) -> AbstractSet[str]:
                await workers.join(first, lambda tx: took.append("first"))
                return await super().gone(workers_)

        second.seat.siblings = Slow(held)
        await workers.join(second, lambda tx: took.append("second"))
        assert took == ["first"]


async def test_what_would_wake_a_pump_rings_where_there_is_none() -> None:
    held: set[str] = set()
    async with two_boroughs() as world:
        api = seated(world.bexley.node, "aa", held, Role.API)
        assert api.seat is not None
        passing = asyncio.create_task(workers.pass_on(api, "urgent"))
        api.wake.outbox[Lane.URGENT].set()
        await asyncio.sleep(0.05)
        passing.cancel()
        assert isinstance(api.seat.siblings, Locks)
        assert api.seat.siblings.rung == ["urgent"]


HOLDER = """
import asyncio, sys
from pathlib import Path
from gateway.stores.siblings import FileSiblings
async def hold():
    await FileSiblings(Path(sys.argv[1])).start("aa")
    print("held", flush=True)
    await asyncio.sleep(60)
asyncio.run(hold())
"""


def holder(database: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(database)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    process.stdout.close()
    return process


def left(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_beside_sqlite_a_lock_ends_with_its_process_and_not_before(tmp_path: Path) -> None:
    database = tmp_path / "store.db"
    ours, process = FileSiblings(database), holder(database)
    try:
        assert await ours.gone(["aa", "bb"]) == {"bb"}
        process.send_signal(signal.SIGSTOP)
        assert await ours.gone(["aa"]) == set(), "that it is stopped only its beats tell"
    finally:
        process.kill()
        process.wait()
    assert await ours.gone(["aa"]) == {"aa"}
    assert left(tmp_path) == [], "the file it left is taken away"
