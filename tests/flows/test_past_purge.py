"""A handover whose last day is over while the node was off: its sweep has not purged it yet, and nobody who
has not seen it is shown it now, in whatever way its agency gets its parcels."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.core.states import LegState
from gateway.errors import NotAllowed, Unavailable
from gateway.flows import deliver, relay
from gateway.flows.purge_clock import due_of
from gateway.ports import LegEvent, Task, Transaction
from gateway.testing.boroughs import World, two_boroughs
from gateway.testing.own_key import keep_own_key

REF = "HO-E09000012-2026-000417"
OVER = 100 * 86_400


async def fetch(world: World, parcel: str) -> object:
    caller = world.bexley.caller("police", actor="")
    return await relay.fetch(world.bexley.node, caller, parcel)


async def open_it(world: World, parcel: str) -> object:
    caller = world.bexley.caller("police")
    return await deliver.open_parked(world.bexley.node, caller, parcel, justification="ALLOCATED_CASE")


@pytest.mark.parametrize(("own_key", "take"), [(True, fetch), (False, open_it)])
async def test_an_agency_that_fetches_is_given_nothing_after_the_last_day(
    document: Any, own_key: bool, take: Callable[[World, str], Awaitable[object]]
) -> None:
    async with two_boroughs(pulling=() if own_key else ("police",)) as world:
        if own_key:
            await keep_own_key(world, "police")
        await world.hackney.submit(document)
        await world.settle()
        parcel = f"notification-{(await world.bexley.legs(REF))['police'].id}"
        world.clock.advance(OVER)
        seen = len(await world.bexley.node.store.read(lambda tx: tx.accesses(ref=REF)))
        with pytest.raises(NotAllowed) as refused:
            await take(world, parcel)
        assert (refused.value.code, refused.value.rule) == ("past_purge", "s.39")
        assert len(await world.bexley.node.store.read(lambda tx: tx.accesses(ref=REF))) == seen


async def test_an_adapter_is_given_nothing_after_the_last_day(document: Any) -> None:
    async with two_boroughs() as world:
        desk = world.bexley.desks["police"]
        desk.fail = [Unavailable("closed for the night")]
        await world.hackney.submit(document)
        await world.settle()
        world.clock.advance(OVER)
        await deliver.deliver(world.bexley.node, world.bexley.node.binding("E09000004/police"))
        assert desk.given == []
        leg = (await world.bexley.legs(REF))["police"]
        (task,) = [
            one
            for one in await world.bexley.node.store.read(lambda tx: tx.tasks_of(leg.id))
            if one.id.startswith("notification")
        ]
        assert (task.state, task.error) == (Task.WAITING, "past_purge"), "the purge ends it"


async def test_the_date_is_the_same_by_whichever_leg_it_is_asked(document: Any) -> None:
    async with two_boroughs() as world:
        await world.hackney.submit(document)
        await world.settle()
        now = world.clock.now()

        def end_one_by_one(tx: Transaction) -> list[int]:
            row = tx.handover(REF)
            assert row is not None
            dates = []
            for leg in tx.legs(REF, row.version):
                event = LegEvent(leg.id, now, "accepted", leg.state, LegState.ACCEPTED, leg.principal)
                assert tx.advance_leg(leg.id, leg.state, LegState.ACCEPTED, event)
                due = due_of(tx, row)
                assert {due_of(tx, row, one) for one in tx.legs(REF, row.version)} == {due}
                dates.append(due.at)
            return dates

        *before, last = await world.bexley.node.store.write(end_one_by_one)
        assert before
        assert all(last < date for date in before)
