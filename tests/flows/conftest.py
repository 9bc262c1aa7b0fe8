"""Two boroughs for every test, the story of example 1, and what must hold of any run of it.

The checks are fixtures that return functions: tests of this folder share them without importing each other.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest

from gateway.core.states import LEG, LegState, responsible
from gateway.ports import Parcel
from gateway.testing.boroughs import Borough, World, two_boroughs
from gateway.testing.histories import OVERLAY, OWN_CLOCK
from schemas.samples import minimal_example

ROLES = ("community_safety", "police", "probation", "leaving_care", "housing", "dwp", "st_giles")


@pytest.fixture
def document() -> dict[str, Any]:
    """A fresh copy of example 1, to change at will."""
    copy: dict[str, Any] = json.loads(minimal_example())
    return copy


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with two_boroughs() as opened:
        yield opened


@pytest.fixture
def dump() -> Callable[[Borough], Mapping[str, Any]]:
    """Everything a borough's memory store holds, to compare before and after."""

    def taken(borough: Borough) -> Mapping[str, Any]:
        tables = borough.node.store.memory.tables.copy()  # type: ignore[attr-defined]  # the memory store's own
        return {field.name: getattr(tables, field.name) for field in dataclasses.fields(tables)}

    return taken


@pytest.fixture
def answer_all() -> Callable[[World, str], Awaitable[None]]:
    """Every agency of Bexley that has its part accepts it, as often as the test likes to call this."""

    async def answered(world: World, ref: str) -> None:
        for role, leg in (await world.bexley.legs(ref)).items():
            if leg.opened:
                await world.bexley.answer(role, leg.id)

    return answered


@pytest.fixture
def check_histories() -> Callable[[Borough, str], Awaitable[None]]:
    """Every leg's history is a path of the table, its responsibility is somebody's at every step."""

    async def checked(borough: Borough, ref: str) -> None:
        for leg in (await borough.legs(ref)).values():
            events = await borough.node.store.read(lambda tx, leg=leg: tx.history(leg.id))
            at = events[0].before if events else leg.state
            for event in events:
                assert event.before == at, (leg.principal, [e.event for e in events])
                name = event.event
                overlay = OVERLAY.match(name) is not None
                after = event.before if overlay else LEG[LegState(event.before), name]
                assert event.after == after, (leg.principal, name, event.before, event.after)
                assert responsible(LegState(event.after), leg.counterpart, leg.principal)
                at = event.after
            assert at == leg.state

    return checked


@pytest.fixture
def check_all_accepted(
    check_histories: Callable[[Borough, str], Awaitable[None]],
) -> Callable[..., Awaitable[None]]:
    """The end of a good run: seven acceptances on both sides, nothing lost, nothing done twice.

    ``calls``: how often an adapter may at most have been given one key (1 without crashes).
    """

    async def checked(world: World, ref: str, *, calls: int = 1) -> None:
        for borough in world.boroughs:
            legs = await borough.legs(ref)
            assert {role: leg.state for role, leg in legs.items()} == dict.fromkeys(ROLES, "ACCEPTED")
            await check_histories(borough, ref)
        theirs = await world.bexley.legs(ref)
        for role, leg in (await world.hackney.legs(ref)).items():
            receipts = await world.hackney.node.store.read(
                lambda tx, leg=leg: tx.receipts(ref=leg.ref, by=leg.principal)
            )
            assert sorted(r.state for r in receipts) == ["accepted", "acknowledged", "opened"], role
            assert all(r.applied for r in receipts)
            ours = theirs[role]
            for column in ("id", "delivered", "acknowledge_by", "decide_by"):
                assert getattr(leg, column) == getattr(ours, column), (role, column)
            events = await world.hackney.node.store.read(lambda tx, leg=leg: tx.history(leg.id))
            for once in ("opened", "acknowledged", "accepted"):
                assert [e.event for e in events].count(once) == 1, (role, once)
            given = world.bexley.desks[role].given
            notifications = [key for key, view in given if view.kind is Parcel.NOTIFICATION]
            assert 1 <= len(notifications) <= calls, role
            assert set(notifications) == {f"notification-{leg.id}"}
            told = world.hackney.desks[role].given
            subjects = {(key, view.content.get("event")) for key, view in told if view.kind is Parcel.STATUS}
            counts = sorted(str(subject) for _, subject in subjects if not OWN_CLOCK.match(str(subject)))
            assert counts == ["accepted", "acknowledged", "opened", "received"], role
            replies = {key for key, view in told if view.kind is Parcel.REPLY}
            assert len(replies) == 1, role
            for keys in ([key for key, _ in given], [key for key, _ in told]):
                assert max(keys.count(key) for key in keys) <= calls, role

    return checked
