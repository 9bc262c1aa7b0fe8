"""A drill travels every step, measures people, and no case system sees it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters import echo, file_drop, inbox, webhook
from gateway.core.audience import Reader
from gateway.core.drills import check, refusals
from gateway.errors import Conflict, NotAllowed, NotFound
from gateway.flows import control, deliver, drill_end, drills, relay, urgent
from gateway.flows.drills import HEADING
from gateway.ports import Parcel, Task
from gateway.testing.anywhere import boroughs
from gateway.testing.boroughs import BEXLEY, HACKNEY, Borough, Desk, World, two_boroughs
from schemas.samples import example_text

DAY = 86_400
SENDER = "community_safety"


class Rehearsing(Desk):
    drills = True


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with two_boroughs() as world:
        yield world


def drill(name: str = "adult", **message: Any) -> dict[str, Any]:
    document = json.loads(example_text(name))
    document["message"].update(drill=True, **message)
    return document


async def send(world: World, document: dict[str, Any] | None = None) -> str:
    made = await world.hackney.submit(document or drill())
    await world.settle()
    return made.ref


def written(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("in/*")]


async def tasks(borough: Borough, ref: str) -> list[Any]:
    legs = await borough.legs(ref)
    return [
        task
        for leg in legs.values()
        for task in await borough.node.store.read(lambda tx, leg=leg: tx.tasks_of(leg.id))
    ]


# --- what a drill may hold ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("/fictional", False),
        ("/core/family_name", "SMITH"),
        ("/core/given_names", "Jordan"),
        ("/core/given_names", "Jordan (fictional) Smith"),
        ("/core/safe_contact/phone", "07700 800123"),
        ("/core/safe_contact/phone", "020 7946 01234"),
        ("/move/new_address/uprn", "100000000001"),
        ("/move/new_address/postcode", "E8 1EA"),
        ("/identifiers/pnc_id", "2001/0000001G"),
        ("/identifiers/nhs_number", "4505577104"),
        ("/identifiers/nino", "QQ123456C"),
        ("/identifiers/crn", "A123456"),
    ],
)
def test_a_drill_that_may_be_about_somebody_is_refused(place: str, value: Any) -> None:
    document = drill()
    document.setdefault("identifiers", {}).clear()
    at: Any = document
    *way, last = place.strip("/").split("/")
    for step in way:
        at = at[step]
    assert refusals(document) == []
    at[last] = value
    assert [problem.field for problem in refusals(document)] == [place]
    with pytest.raises(NotAllowed) as caught:
        check(document, "demo")
    assert caught.value.code == "drill"
    assert str(value) not in str(caught.value) + caught.value.remedy


def test_in_production_what_is_fictional_is_a_drill() -> None:
    document = json.loads(example_text("adult"))
    check(document, "demo")
    with pytest.raises(NotAllowed) as caught:
        check(document, "prod")
    assert caught.value.code == "fictional"
    check(drill(), "prod")
    document["fictional"] = False
    check(document, "prod")


async def test_the_node_refuses_a_drill_of_a_real_name(world: World) -> None:
    document = drill()
    document["core"]["family_name"] = "ADEYEMI"
    with pytest.raises(NotAllowed) as caught:
        await world.hackney.submit(document)
    assert caught.value.code == "drill"


# --- no case system -------------------------------------------------------------------------------------


async def test_no_agencys_system_is_given_any_parcel_of_a_drill_on_either_side(world: World) -> None:
    """Notification, news of every step, reply: all of it is parked for a person."""
    ref = await send(world)
    for leg in (await world.bexley.legs(ref)).values():
        task = next(t for t in await tasks(world.bexley, ref) if t.leg == leg.id)
        assert task.state is Task.PARKED
    leg = (await world.bexley.legs(ref))["police"]
    await open_it(world.bexley, "police", ref)
    await world.bexley.answer("police", leg.id)
    await world.settle()
    world.clock.advance(30 * 86_400)  # every warning and deadline
    await world.settle()
    for borough in world.boroughs:
        assert not [view for desk in borough.desks.values() for _, view in desk.given]
        assert {task.state for task in await tasks(borough, ref)} <= {Task.PARKED, Task.DONE}
    kinds = {task.kind for borough in world.boroughs for task in await tasks(borough, ref)}
    assert {Parcel.NOTIFICATION, Parcel.STATUS, Parcel.REPLY} <= kinds


async def open_it(borough: Borough, role: str, ref: str) -> Any:
    leg = (await borough.legs(ref))[role]
    found = await borough.node.store.read(lambda tx: tx.tasks_of(leg.id))
    [task] = [task for task in found if task.kind is Parcel.NOTIFICATION]
    return await deliver.open_parked(
        borough.node, borough.caller(role), task.id, justification="ALLOCATED_CASE"
    )


async def test_an_agency_with_its_own_key_takes_no_part_and_its_agent_sees_nothing(world: World) -> None:
    """Its agent would hand everything to its case system."""
    police = world.bexley.node.network.principal(f"{BEXLEY}/police")
    readers = [(Reader(police.name, police.agency, 1), replace(police, hosted=False))]
    with pytest.raises(NotAllowed) as caught:
        drills.check_readers(drill(), readers)
    assert (caught.value.code, caught.value.field) == ("drill_own_key", "/routing/recipients/1")
    drills.check_readers({"message": {}}, readers)
    ref = await send(world)
    shown = await world.bexley.node.store.read(lambda tx: relay.waiting(tx, police.name, 50))
    parked = await world.bexley.node.store.read(lambda tx: tx.parked_tasks(police.name, 50))
    assert (list(shown), len(parked)) == ([], 1)
    assert parked[0].leg in {leg.id for leg in (await world.bexley.legs(ref)).values()}


async def test_nobody_is_said_to_have_opened_what_no_person_opened(world: World) -> None:
    ref = await send(world)
    for borough in world.boroughs:
        assert {leg.opened for leg in (await borough.legs(ref)).values()} == {0}
        assert {leg.state for leg in (await borough.legs(ref)).values()} == {"DELIVERED"}


async def test_an_agency_that_declares_drills_is_given_them_headed(world: World) -> None:
    binding = world.bexley.node.agencies[f"{BEXLEY}/police"]
    desk = Rehearsing()
    agencies = {**world.bexley.node.agencies, binding.principal: replace(binding, adapter=desk)}
    world.bexley.node = replace(world.bexley.node, agencies=agencies)
    await send(world)
    [(_, view)] = desk.given
    assert next(iter(view.content.items())) == ("drill", HEADING)


async def test_what_a_person_opens_says_drill_before_everything_else(world: World) -> None:
    ref = await send(world)
    view = await open_it(world.bexley, "police", ref)
    assert next(iter(view.content.items())) == ("drill", HEADING)


async def test_a_handover_that_is_no_drill_is_delivered_as_ever(world: World) -> None:
    document = drill()
    del document["message"]["drill"]
    await send(world, document)
    [(_, view), *_] = world.bexley.desks["police"].given
    assert "drill" not in view.content


@pytest.mark.parametrize("kind", ["file_drop", "webhook"])
async def test_each_adapter_that_pushes_writes_and_posts_nothing_of_a_drill(
    world: World, kind: str, tmp_path: Path
) -> None:
    posted: list[str] = []

    async def take(request: web.Request) -> web.Response:
        posted.append(await request.text())
        return web.json_response({})

    app = web.Application()
    app.router.add_post("/", take)
    async with TestServer(app) as server:
        adapter: Any
        if kind == "file_drop":
            adapter = file_drop.Adapter(f"{BEXLEY}/police", {"folder": tmp_path, "poll": 0.02})
        else:
            secret = tmp_path / "secret"
            secret.write_text("whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" + "\n")
            secret.chmod(0o600)
            options = {"url": str(server.make_url("/")), "secret_file": secret}
            adapter = webhook.Adapter(f"{BEXLEY}/police", options)
        await adapter.start()
        try:
            binding = world.bexley.node.agencies[f"{BEXLEY}/police"]
            agencies = {**world.bexley.node.agencies, binding.principal: replace(binding, adapter=adapter)}
            world.bexley.node = replace(world.bexley.node, agencies=agencies)
            assert drills.kept_out(agencies[binding.principal])
            ref = await send(world)
            world.clock.advance(DAY)
            await world.settle()
            seen = posted + written(tmp_path)
            assert seen == []
            document = drill()  # and the same, in earnest, is written
            del document["message"]["drill"]
            document["message"]["handover_id"] = f"{ref[:-6]}999999"
            await world.hackney.submit(document, key="k2")
            await world.settle()
            assert len(posted + written(tmp_path)) == 1
        finally:
            await adapter.close()


@pytest.mark.parametrize(
    ("adapter", "given"),
    [(echo.Adapter, True), (inbox.Adapter, True), (file_drop.Adapter, False), (webhook.Adapter, False)],
)
def test_which_shipped_adapters_are_given_drills(adapter: Any, given: bool) -> None:
    """A new adapter is kept out until it says otherwise."""
    assert getattr(adapter, "drills", False) is given


# --- it travels every step ------------------------------------------------------------------------------


async def test_a_drill_is_signed_receipted_and_logged_as_any_handover(world: World) -> None:
    ref = await send(world)
    receipts = await world.hackney.node.store.read(lambda tx: tx.receipts(ref=ref))
    assert {row.state for row in receipts} == {"received"}
    rows = await world.hackney.node.store.read(lambda tx: tx.access_rows(0, 100))
    assert "DISCLOSURE" in {row.operation for _, row in rows}
    for borough in world.boroughs:
        row = await borough.node.store.read(lambda tx: tx.handover(ref))
        assert row is not None
        assert row.drill


async def test_a_report_measures_people_against_the_deadlines(world: World) -> None:
    ref = await send(world)
    police = (await world.bexley.legs(ref))["police"]
    world.clock.advance(600)
    await open_it(world.bexley, "police", ref)
    world.clock.advance(600)
    await world.bexley.answer("police", police.id)
    await world.settle()
    world.clock.advance(10 * 86_400)
    housing = (await world.bexley.legs(ref))["housing"]
    await open_it(world.bexley, "housing", ref)
    await world.bexley.answer("housing", housing.id)
    await world.settle()
    for borough in world.boroughs:
        found = await borough.node.store.read(lambda tx: drills.report(tx, drills.find(tx, ref)))
        assert next(iter(found)) == "drill"
        legs: Any = {str(leg["agency"]): leg for leg in found["legs"]}  # type: ignore[union-attr, index, call-overload]
        assert (legs["POLICE"]["received"], legs["POLICE"]["opened"]) == (0, 600)
        assert (legs["POLICE"]["acknowledged"], legs["POLICE"]["accepted"]) == (1200, 1200)
        assert (legs["POLICE"]["acknowledged_in_time"], legs["POLICE"]["decided_in_time"]) == (True, True)
        assert (legs["HOUSING"]["acknowledged_in_time"], legs["HOUSING"]["decided_in_time"]) == (False, False)
        assert (legs["DWP"]["acknowledged"], legs["DWP"]["acknowledged_in_time"]) == (None, None)


async def test_a_report_is_of_drills_alone(world: World) -> None:
    document = drill()
    del document["message"]["drill"]
    ref = await send(world, document)
    with pytest.raises(NotFound):
        await world.hackney.node.store.read(lambda tx: drills.find(tx, ref))
    assert await world.hackney.node.store.read(lambda tx: drills.listed(tx, None)) == []


async def test_an_urgent_drill_is_counted_apart_from_misuse() -> None:
    newham, hillingdon, at = "E09000025", "E09000017", 1_796_510_400
    async with boroughs(newham, hillingdon, at=at) as world:
        document = drill("urgent")
        document["urgent"]["trigger"] = "OTHER_EVIDENCED"
        await world.of(newham).submit(document, role="childrens_social_care")
        await world.settle()
        found = await world.of(newham).node.store.read(lambda tx: urgent.misuse(tx, at, at + 1))
        assert (found.moves, found.other, found.drills) == (0, 0, 1)


# --- its end --------------------------------------------------------------------------------------------


async def test_the_end_withdraws_and_purges_on_both_sides_and_keeps_the_figures(world: World) -> None:
    ref = await send(world)
    caller = world.hackney.caller(SENDER)
    measured = await drill_end.end(world.hackney.node, caller, ref)
    await world.settle()
    for borough in world.boroughs:
        row = await borough.node.store.read(lambda tx: tx.handover(ref))
        assert row is not None
        assert row.state == "PURGED"
        alarms = await borough.node.store.read(lambda tx: tx.alarms(cleared=False, limit=50))
        assert "purged_unanswered" not in [alarm.code for alarm in alarms]
        after = await borough.node.store.read(lambda tx: drills.report(tx, drills.find(tx, ref)))
        assert after["legs"] == measured["legs"]
    with pytest.raises((NotFound, Conflict)):
        await open_it(world.bexley, "police", ref)
    with pytest.raises(Conflict) as caught:
        await drill_end.end(world.hackney.node, caller, ref)
    assert caught.value.code == "drill_ended"


async def test_only_the_sender_ends_a_drill(world: World) -> None:
    ref = await send(world)
    for borough, role in ((world.hackney, "police"), (world.bexley, "police")):
        with pytest.raises(NotAllowed):
            await drill_end.end(borough.node, borough.caller(role), ref)


async def test_no_real_handover_is_destroyed_by_the_end_of_a_drill(world: World) -> None:
    """A peer says so of a handover that is no drill, and of one of ours."""
    document = drill()
    del document["message"]["drill"]
    ref = await send(world, document)
    now = world.clock.now()
    told = {"drill_end": {"handover": ref}}
    for borough, to in ((world.hackney, BEXLEY), (world.bexley, HACKNEY)):
        await borough.node.store.write(
            lambda tx, borough=borough, to=to: control.tell(tx, borough.node, to, told, now)
        )
    await world.settle()
    for borough in world.boroughs:
        row = await borough.node.store.read(lambda tx: tx.handover(ref))
        assert row is not None
        assert row.state == "ISSUED"
    with pytest.raises(NotFound):
        await drill_end.end(world.hackney.node, world.hackney.caller(SENDER), ref)


async def test_a_receiver_cannot_end_the_senders_drill(world: World) -> None:
    ref = await send(world)
    told, now = {"drill_end": {"handover": ref}}, world.clock.now()
    await world.bexley.node.store.write(lambda tx: control.tell(tx, world.bexley.node, HACKNEY, told, now))
    await world.settle()
    row = await world.hackney.node.store.read(lambda tx: tx.handover(ref))
    assert row is not None
    assert row.state == "ISSUED"
