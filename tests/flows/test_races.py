"""Two workers on one PostgreSQL see each other's commits in the middle of a transaction (READ COMMITTED).

A transaction that plays the other worker: at the first conditional move of a leg it has already moved it.
"""

from __future__ import annotations

from typing import Any

from gateway.core.deadlines import deadlines
from gateway.flows import late, receipts
from gateway.ports import LegEvent, TimerRow, Transaction
from gateway.testing.boroughs import START, World


class Overtaken:
    """A transaction whose first ``advance_leg`` finds the leg moved by ``event`` a moment ago."""

    def __init__(self, tx: Transaction, event: LegEvent) -> None:
        self._tx, self._event = tx, event
        self.overtaken = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)

    def advance_leg(self, leg: str, before: str, after: str, event: LegEvent, **changes: object) -> bool:
        if not self.overtaken:
            self.overtaken = True
            assert self._tx.advance_leg(leg, self._event.before, self._event.after, self._event)
        return self._tx.advance_leg(leg, before, after, event, **changes)


async def test_a_receipt_is_applied_to_where_the_leg_stands_by_then(world: World, document: Any) -> None:
    """It is marked as applied in the same transaction, so it would never be looked at again."""
    ref = (await world.hackney.submit(document)).ref
    await world.hackney.turn()
    await world.deliver_mail(world.bexley)
    mid = (await world.bexley.legs(ref))["police"].mid
    (row,) = await world.bexley.node.store.read(lambda tx: tx.receipts(mid=mid))
    queued = (await world.hackney.legs(ref))["police"]
    await world.hackney.node.store.write(lambda tx: _back_to_queued(tx, queued.id))

    def work(tx: Transaction) -> bool:
        leg = tx.leg(queued.id)
        assert leg is not None
        other = LegEvent(leg.id, START, "transmitted", "QUEUED", "TRANSMITTED", "E09000012/node")
        race = Overtaken(tx, other)
        receipts.move(race, world.hackney.node, leg, row, START)  # type: ignore[arg-type]  # it plays one
        return race.overtaken

    assert await world.hackney.node.store.write(work)
    after = (await world.hackney.legs(ref))["police"]
    assert (after.state, after.delivered) == ("DELIVERED", START)


def _back_to_queued(tx: Transaction, leg: str) -> None:
    tx.advance_leg(
        leg, "TRANSMITTED", "QUEUED", LegEvent(leg, START, "test", "TRANSMITTED", "QUEUED", "test")
    )


async def test_an_answer_that_comes_while_the_deadline_fires_is_no_delay(world: World, document: Any) -> None:
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    leg = (await world.hackney.legs(ref))["police"]
    due = deadlines("STANDARD", START).acknowledge_by
    timer = TimerRow("acknowledge", leg.id, due, 100)

    def work(tx: Transaction) -> Any:
        other = LegEvent(leg.id, START, "acknowledged", "DELIVERED", "RECEIVED", leg.principal)
        return late.fire(Overtaken(tx, other), world.hackney.node, timer, due)  # type: ignore[arg-type]  # plays one

    assert await world.hackney.node.store.write(work) == ()
    after = (await world.hackney.legs(ref))["police"]
    assert (after.state, after.overdue) == ("RECEIVED", "")
    tasks = await world.hackney.node.store.read(lambda tx: tx.tasks_of(leg.id))
    assert not [task for task in tasks if task.id.startswith("overdue")]


async def test_a_decision_falls_due_while_somebody_acknowledges_and_is_late_all_the_same(
    world: World, document: Any
) -> None:
    """The timer fires once: what it finds moved it looks at again, in the same transaction."""
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    leg = (await world.hackney.legs(ref))["police"]
    due = deadlines("STANDARD", START).decide_by
    timer = TimerRow("decide", leg.id, due, 100)

    def work(tx: Transaction) -> Any:
        other = LegEvent(leg.id, START, "acknowledged", "DELIVERED", "RECEIVED", leg.principal)
        return late.fire(Overtaken(tx, other), world.hackney.node, timer, due)  # type: ignore[arg-type]  # plays one

    (told,) = await world.hackney.node.store.write(work)
    assert told.subject == "overdue_decide"
    after = (await world.hackney.legs(ref))["police"]
    assert (after.state, after.overdue) == ("RECEIVED", "decide")
