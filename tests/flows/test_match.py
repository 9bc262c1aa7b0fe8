"""What the table of addresses says lies elsewhere is given back before anybody opens it, where asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.ports import Parcel
from gateway.testing.boroughs import BEXLEY, Borough, World, two_boroughs

REF = "HO-E09000012-2026-000417"
LEWISHAM = "E09000023"


class Table:
    def __init__(self, area: str | None) -> None:
        self.area = area
        self.asked: list[str] = []

    def area_of(self, uprn: str) -> str | None:
        self.asked.append(uprn)
        return self.area


async def read(borough: Borough, work: Any) -> Any:
    return await borough.node.store.read(work)


def checking(world: World, area: str | None, *roles: str) -> Table:
    """Bexley with a table that says ``area`` of every address, for these agencies."""
    node, table = world.bexley.node, Table(area)
    names = [f"{BEXLEY}/{role}" for role in roles]
    bindings = {name: replace(one, checks_address=name in names) for name, one in node.agencies.items()}
    world.bexley = replace(world.bexley, node=replace(node, places=table, agencies=bindings))
    return table


def given(borough: Borough, role: str) -> list[Parcel]:
    return [view.kind for _, view in borough.desks[role].given]


@pytest.mark.parametrize("pulling", [(), ("housing",)])
async def test_what_lies_elsewhere_is_given_back_and_nobody_is_shown_anything(
    document: dict[str, Any], pulling: tuple[str, ...]
) -> None:
    async with two_boroughs(pulling=pulling) as world:
        table = checking(world, LEWISHAM, "housing")
        await world.hackney.submit(document)
        await world.settle()
        leg = (await world.hackney.legs(REF))["housing"]
        receipts = await read(world.hackney, lambda tx: tx.receipts(mid=leg.mid, by=leg.principal))
        assert [(row.state, row.code) for row in receipts] == [
            ("acknowledged", ""),
            ("returned", "WRONG_AREA"),
        ]
        assert table.asked == [document["move"]["new_address"]["uprn"]]
        assert Parcel.NOTIFICATION not in given(world.bexley, "housing")
        accesses = await read(world.bexley, lambda tx: tx.accesses(ref=REF, limit=99))
        assert not [
            row for row in accesses if row.principal == leg.principal and row.operation == "CONSULTATION"
        ]
        [record] = await read(world.hackney, lambda tx: tx.breaches(REF))
        assert record.near_miss, "what nobody opened is no breach"
        [order] = await read(world.bexley, lambda tx: tx.notices(ref=REF))
        assert order.kind == "PURGE_ORDER"
        assert given(world.bexley, "police") == [Parcel.NOTIFICATION], "the others did not ask for it"


@pytest.mark.parametrize("area", [BEXLEY, None])
async def test_what_is_ours_or_not_known_goes_to_a_person(
    world: World, document: dict[str, Any], area: str | None
) -> None:
    table = checking(world, area, "housing")
    await world.hackney.submit(document)
    await world.settle()
    assert given(world.bexley, "housing") == [Parcel.NOTIFICATION]
    assert len(table.asked) == 1
    assert (await world.hackney.legs(REF))["housing"].state == "DELIVERED"


async def test_nobody_is_checked_who_has_not_asked_for_it(world: World, document: dict[str, Any]) -> None:
    table = checking(world, LEWISHAM)
    await world.hackney.submit(document)
    await world.settle()
    assert table.asked == []
    assert (await read(world.hackney, lambda tx: tx.breaches(REF))) == []
