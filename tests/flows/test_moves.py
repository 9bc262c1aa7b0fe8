"""The person moves on or comes back: who may hand the person on, and who hears of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.errors import Conflict, NotAllowed, NotFound
from gateway.ports import Parcel
from gateway.testing.anywhere import boroughs
from gateway.testing.boroughs import Borough, World
from gateway.testing.people import adult, handed_on
from keys_example import AGENCIES as ROLES

A, B, C = "E09000012", "E09000004", "E09000007"
FIRST = "HO-E09000012-2026-000417"


def onward(origin: str, destination: str, of: str = FIRST, **message: Any) -> dict[str, Any]:
    """The same person, handed on by ``origin``."""
    return handed_on(of, origin, destination, **message)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Hackney to Bexley, delivered."""
    async with boroughs(A, B, C, roles=dict.fromkeys((A, B, C), ROLES)) as opened:
        await opened.of(A).submit(adult())
        await opened.settle()
        yield opened


async def accept(borough: Borough, ref: str = FIRST) -> None:
    await borough.answer("community_safety", (await borough.legs(ref))["community_safety"].id)


async def state(borough: Borough, ref: str = FIRST) -> str:
    row = await borough.node.store.read(lambda tx: tx.handover(ref))
    return str(row.state)


def told(borough: Borough, role: str) -> list[Any]:
    return [view.content for _, view in borough.desks[role].given if view.kind is Parcel.NOTICE]


async def test_the_first_origin_hears_where_the_person_went_and_nothing_else(world: World) -> None:
    await accept(world.of(B))
    await world.settle()
    await world.of(B).submit(onward(B, C))
    await world.settle()
    for role in ROLES:
        (notice,) = told(world.of(A), role)
        assert notice["kind"] == "ONWARD_MOVE"
        assert notice["view"]["notice"]["facts"] == {"area": C, "handover": f"HO-{B}-2026-000001"}
        assert "EXAMPLE" not in json.dumps(notice)
        assert told(world.of(C), role) == []
    assert await state(world.of(A)) == await state(world.of(B)) == "ONWARD_MOVED"
    legs = await world.of(A).legs(FIRST)
    assert legs["community_safety"].state == "ACCEPTED"  # nobody's acceptance is undone


async def test_the_person_comes_back(world: World) -> None:
    await accept(world.of(B))
    await world.settle()
    await world.of(B).submit(onward(B, A))
    await world.settle()
    (notice,) = told(world.of(A), "police")
    assert notice["kind"] == "RETURN_MOVE"
    assert (await world.of(A).legs(f"HO-{B}-2026-000001"))["police"].state == "DELIVERED"


async def test_a_further_version_of_the_onward_handover_is_not_told_again(world: World) -> None:
    await accept(world.of(B))
    await world.settle()
    await world.of(B).submit(onward(B, C))
    await world.settle()
    first = "00000100-2222-4333-8444-009000004111"
    again = onward(B, C, version=2, supersedes=first, message_id=first.replace("0100", "0200"))
    await world.of(B).submit(again, key="k2")
    await world.settle()
    assert len(told(world.of(A), "police")) == 1


async def test_nobody_hands_on_whom_nobody_has_taken_on(world: World) -> None:
    with pytest.raises(Conflict) as refused:
        await world.of(B).submit(onward(B, C))
    assert (refused.value.code, refused.value.rule, refused.value.field) == (
        "not_taken_on", "R28", "/message/onward_of",
    )  # fmt: skip
    assert await state(world.of(B)) == "ISSUED"


@pytest.mark.parametrize("of", ["HO-E09000012-2026-999999", f"HO-{B}-2026-000009"])
async def test_a_handover_that_did_not_come_here_is_not_drawn_on(world: World, of: str) -> None:
    await accept(world.of(B))
    with pytest.raises(NotFound) as refused:
        await world.of(B).submit(onward(B, C, of=of))
    assert refused.value.field == "/message/onward_of"


async def test_ones_own_handover_is_not_received(world: World) -> None:
    own = onward(A, C)
    own["message"]["handover_id"] = f"HO-{A}-2026-000777"
    with pytest.raises(NotFound):
        await world.of(A).submit(own, key="k7")


async def test_what_was_received_is_verified_again_before_it_goes_on(world: World) -> None:
    await accept(world.of(B))
    stale = onward(B, C)
    stale["data_quality"]["verified_at"] = "2026-11-24T10:04:59+00:00"
    with pytest.raises(NotAllowed) as refused:
        await world.of(B).submit(stale)
    assert (refused.value.code, refused.value.rule) == ("not_reverified", "R20")
    assert refused.value.field == "/data_quality/verified_at"


async def test_a_third_area_cannot_say_that_the_person_moved_on(world: World) -> None:
    """Camden has no part in it: its notice would end somebody else's handover."""
    await accept(world.of(B))
    await world.settle()
    await world.of(B).submit(onward(B, C))
    await world.settle()
    assert await state(world.of(C), f"HO-{B}-2026-000001") == "ISSUED"
    assert await world.of(C).node.store.read(lambda tx: tx.handover(FIRST)) is None


async def test_two_handovers_cannot_come_of_each_other(world: World) -> None:
    """There and back: a further version of the first that names the second would send corrections round."""
    await accept(world.of(B))
    await world.settle()
    back = f"HO-{B}-2026-000001"
    await world.of(B).submit(onward(B, A))
    await world.settle()
    await accept(world.of(A), back)
    again = adult()
    again["message"] |= {
        "version": 2,
        "supersedes": again["message"]["message_id"],
        "message_id": "00000300-2222-4333-8444-009000012111",
        "onward_of": back,
    }
    with pytest.raises(Conflict) as refused:
        await world.of(A).submit(again, key="k2")
    assert (refused.value.code, refused.value.field) == ("onward_changed", "/message/onward_of")
