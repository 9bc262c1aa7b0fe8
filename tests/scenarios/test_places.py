"""Where somebody goes: a county whose district houses, and a borough with one desk for all."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.client.desk import Desk as CountyDesk
from gateway.errors import NotAllowed, NotForUs
from gateway.flows import acknowledge
from gateway.ports import Parcel
from gateway.testing.anywhere import boroughs
from gateway.testing.boroughs import World
from gateway.testing.counties import DARTFORD, KENT, Counties, hackney_and_kent
from tests.scenarios.story import (
    DAY,
    HOUR,
    absent,
    accesses,
    alarms,
    ask,
    check_history,
    fixture,
    given,
    issued_at,
    page,
    read,
    text_of,
    until,
    why,
)

LEWISHAM, LAMBETH, HAVERING = "E09000023", "E09000022", "E09000016"
REF = "HO-E09000023-2026-000031"
ACCEPTED = acknowledge.read(b'{"state": "ACCEPTED", "role": "Duty desk"}')


# --- a county with two tiers ----------------------------------------------------------------------------


async def carried(world: Counties) -> dict[str, bytes]:
    """Handed in, put into one file for each tier, and told to have left the house."""
    await world.verify(KENT, DARTFORD)
    assert (await world.borough.submit(fixture("county_two_tier"))).ref == REF
    files = {one.area: one.data for one in await world.export(REF)}
    await world.confirm(REF)
    return files


async def answer(world: Counties, desk: CountyDesk, file: bytes, principal: str) -> None:
    await world.bring(await desk.answer(file, principal, ACCEPTED))


async def test_county_housing_is_the_districts_and_the_rest_the_countys(tmp_path: Path) -> None:
    document = fixture("county_two_tier")
    async with hackney_and_kent(tmp_path, at=issued_at(document), origin=LEWISHAM) as world:
        files = await carried(world)
        assert set(files) == {KENT, DARTFORD}
        county = await world.desk(KENT).open(files[KENT])
        district = await world.desk(DARTFORD).open(files[DARTFORD])
        assert set(district.opened) == {f"{DARTFORD}/housing"}
        assert set(county.opened) == {
            f"{KENT}/{role}" for role in ("community_safety", "police", "probation", "leaving_care", "dwp")
        }
        home = str(district.opened[f"{DARTFORD}/housing"].sections)
        assert "Kit (fictional)" in home
        absent(
            home, ["Fictional Associate", "2099/", "X000031", "stabbed", "OASys", "gardening", "SUSPECTED"]
        )
        for area, file in ((KENT, files[DARTFORD]), (DARTFORD, files[KENT])):
            with pytest.raises(NotForUs):
                await world.desk(area).open(file)


async def test_county_each_tier_answers_for_itself_and_until_then_it_is_lewishams(tmp_path: Path) -> None:
    document = fixture("county_two_tier")
    async with hackney_and_kent(tmp_path, at=issued_at(document), origin=LEWISHAM) as world:
        files = await carried(world)
        seen = await page(world.borough, "community_safety", REF)
        assert all(who.startswith(LEWISHAM) for who in seen["responsible"].values())
        assert {leg["acknowledge_by"] for leg in seen["legs"]} == {None}, (
            "no clock before the county's receipt"
        )
        line = (await why(world.borough, "housing", REF))["HOUSING"]
        assert (line["turn"], "telephone" in line["fix"]) == (f"the desk of {DARTFORD}", True)
        await world.desk(KENT).open(files[KENT])
        await answer(world, world.desk(KENT), files[KENT], f"{KENT}/police")
        seen = await page(world.borough, "community_safety", REF)
        legs = {leg["agency"]: leg for leg in seen["legs"]}
        assert seen["responsible"]["POLICE"] == f"{KENT}/police"
        assert seen["responsible"]["HOUSING"] == f"{LEWISHAM}/housing"
        assert (legs["POLICE"]["state"], legs["HOUSING"]["state"]) == ("ACCEPTED", "TRANSMITTED")
        assert legs["POLICE"]["acknowledge_by"]
        assert legs["HOUSING"]["acknowledge_by"] is None
        await world.desk(DARTFORD).open(files[DARTFORD])
        await answer(world, world.desk(DARTFORD), files[DARTFORD], f"{DARTFORD}/housing")
        seen = await page(world.borough, "community_safety", REF)
        assert seen["responsible"]["HOUSING"] == f"{DARTFORD}/housing"
        log = [one for one, _ in await accesses(world.borough, REF, f"{LEWISHAM}/community_safety")]
        assert log.count("DISCLOSURE") >= 6


async def test_county_nothing_leaves_before_both_contacts_were_rung_back(tmp_path: Path) -> None:
    document = fixture("county_two_tier")
    async with hackney_and_kent(tmp_path, at=issued_at(document), origin=LEWISHAM) as world:
        await world.verify(KENT)  # the county alone
        with pytest.raises(NotAllowed) as caught:
            await world.borough.submit(document)
        assert caught.value.code == "bridge_no_contact"


# --- a single point of contact --------------------------------------------------------------------------

SPOC_REF = "HO-E09000022-2026-000044"
BEHIND = ("police", "probation", "housing", "dwp")


async def arrived(world: World) -> None:
    assert (await world.of(LAMBETH).submit(fixture("single_point"))).ref == SPOC_REF
    await world.settle()


async def test_single_point_it_knows_what_it_passes_on_and_not_what_is_in_it() -> None:
    document = fixture("single_point")
    async with boroughs(LAMBETH, HAVERING, at=issued_at(document)) as world:
        await arrived(world)
        havering = world.of(HAVERING)
        desk = text_of(havering, "spoc")
        assert "Dana (fictional)" in desk
        absent(
            desk, ["Associate", "2099/", "X000044", "firearm", "OASys", "injunction", "front door", "999999"]
        )
        for role in BEHIND:
            assert len(given(havering, role)) == 1, role
        behind = (await ask(havering, "spoc", "/v1/spoc"))["legs"]
        assert {one["agency"] for one in behind} == {"POLICE", "PROBATION", "HOUSING", "DWP"}
        absent(str(behind), ["Dana", "EXAMPLE", "2004-08-21"])
        with pytest.raises(AssertionError):  # 403: nobody else has such a list
            await ask(havering, "police", "/v1/spoc")


async def test_single_point_an_owner_is_named_for_each_agency_or_somebody_is_told() -> None:
    document = fixture("single_point")
    async with boroughs(LAMBETH, HAVERING, at=issued_at(document)) as world:
        await arrived(world)
        lambeth, havering = world.boroughs
        legs = await havering.legs(SPOC_REF)
        owners = [{"agency": "POLICE", "role": "Inspector"}, {"agency": "HOUSING", "role": "Lettings"}]
        await havering.answer("spoc", legs["spoc"].id, "ACCEPTED", owners=owners)
        await world.settle()
        (reply,) = given(lambeth, "spoc", Parcel.REPLY)
        assert [one["agency"] for one in reply.content["reply"]["owners"]] == ["POLICE", "HOUSING"]
        await until(world, issued_at(document) + 2 * DAY, 6 * HOUR)
        rows = await read(havering, lambda tx: tx.standing_alarms("no_owner"))
        assert {row.subject for row in rows} == {legs["probation"].id, legs["dwp"].id}
        seen = await page(lambeth, "community_safety", SPOC_REF)
        # It took on its own part; the parts behind it are nobody's but Lambeth's yet.
        assert seen["responsible"]["SPOC"] == f"{HAVERING}/spoc"
        assert seen["responsible"]["POLICE"] == f"{LAMBETH}/police"
        for role in BEHIND:
            await havering.answer(role, legs[role].id)
        await havering.answer("community_safety", legs["community_safety"].id)
        await world.settle()
        seen = await page(lambeth, "community_safety", SPOC_REF)
        assert seen["summary"] == "6 of 6 agencies of Havering have taken this on; nobody is left to answer."
        await until(world, issued_at(document) + 3 * DAY, 6 * HOUR)
        assert "no_owner" not in await alarms(havering), "who has taken it on needs no owner any more"
        await check_history(world, SPOC_REF)
