"""What is said about a handover after it was sent: corrected, withdrawn, rectified, erased, restricted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from gateway.errors import Conflict, NotAllowed
from gateway.flows import attest, dispatch, notice_answer, notice_view, notices, shred
from gateway.flows.deliver import open_parked
from gateway.flows.node import Pace
from gateway.flows.runtime import running
from gateway.flows.slots import view_for
from gateway.ports import Parcel
from gateway.stores import MEMORY, open_store
from gateway.testing.boroughs import (
    BEXLEY,
    HACKNEY,
    Borough,
    Desk,
    ManualClock,
    World,
    assemble,
    two_boroughs,
)
from gateway.testing.people import adult
from gateway.transports.rabbit import RabbitTransport, declare
from keys_example import AGENCIES

REF = "HO-E09000012-2026-000417"
DONE = {"copies_destroyed": True, "onward_disclosure": False, "log_contains_payload": False}
SOON = 60.0


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with two_boroughs() as opened:
        yield opened


async def issue(borough: Borough, role: str = "community_safety", **said: Any) -> str:
    words = notices.read(json.dumps({"role": "Team leader", **said}).encode())
    made = await notices.issue(borough.node, borough.caller(role), REF, words, key=json.dumps(said)[:200])
    return made.id


async def answer(borough: Borough, role: str, notice: str, state: str, **more: Any) -> None:
    body = json.dumps({"state": state, "role": "Duty officer", **more}).encode()
    await notice_answer.answer(borough.node, borough.caller(role), notice, notice_answer.read(body))


async def unresolved(borough: Borough) -> Mapping[str, str]:
    """Who has not taken it in, since when."""
    principal = f"{borough.area}/community_safety"
    told: Any = await borough.node.store.read(
        lambda tx: notice_view.listing(tx, notice_view.find(tx, REF, principal), principal)
    )
    return {one["principal"]: one["since"] for one in told["unresolved"]}


async def rest(world: World) -> None:
    for _ in range(3):
        await world.settle()
        for borough in world.boroughs:
            await shred.take_up(borough.node)
            await attest.sign_waiting(borough.node)
        world.clock.advance(61)
    await world.settle()


async def readable(borough: Borough, role: str = "police") -> bool:
    leg = (await borough.legs(REF))[role]
    envelope = await borough.node.store.read(lambda tx: tx.envelope(leg.mid))
    try:
        return bool(view_for(borough.node, envelope, leg.principal))
    except Exception:  # noqa: BLE001 - whatever stops it, it does not open
        return False


# --- s.38(5)(c) -------------------------------------------------------------------------------------


@pytest.mark.row("S38_5C")
async def test_s38_5c_all_seven_are_told_and_whoever_is_away_hears_it_before_any_other_traffic(
    broker_url: str,
) -> None:
    """A real broker. Seven legs; Bexley's node is away while the handover and then its correction come in.
    Whatever else waits there, the first thing that each of its agencies is shown is the correction."""
    await declare(broker_url, [HACKNEY, BEXLEY])
    clock, pace = ManualClock(), Pace(poll=0.01, sweep=0.01)

    async def node(area: str) -> Borough:
        store, transport = open_store(MEMORY), RabbitTransport(broker_url, area)
        await store.start()
        await transport.start()
        return await assemble(area, store, transport, clock, {role: Desk() for role in AGENCIES}, pace)

    hackney = await node(HACKNEY)
    await hackney.submit(adult())
    await dispatch.dispatch(hackney.node, dispatch.BULK)
    notice = await issue(hackney, kind="CORRECTION", reason_code="DATA_INACCURATE")
    await dispatch.dispatch(hackney.node, dispatch.URGENT)
    left = await unresolved(hackney)
    assert set(left) == {f"{BEXLEY}/{role}" for role in AGENCIES}
    assert set(left.values()) == {"2026-11-24T10:05:00Z"}, "since it was issued"

    bexley = await node(BEXLEY)
    async with running(hackney.node, accept=lambda _: None), running(bexley.node, accept=lambda _: None):
        async with asyncio.timeout(SOON):
            while not all(len(desk.given) >= 2 for desk in bexley.desks.values()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        for role, desk in bexley.desks.items():
            assert [view.kind for _, view in desk.given] == [Parcel.NOTICE, Parcel.NOTIFICATION], role
        for role in list(AGENCIES)[1:]:
            await answer(bexley, role, notice, "ACKNOWLEDGED")
        async with asyncio.timeout(SOON):
            while set(await unresolved(hackney)) != {f"{BEXLEY}/{next(iter(AGENCIES))}"}:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@pytest.mark.row("S38_5C")
async def test_s38_5c_nobody_opens_the_handover_before_its_correction() -> None:
    """Agencies that fetch, too: the handover stays shut until the notice has been opened."""
    async with two_boroughs(pulling=list(AGENCIES)) as world:
        await world.hackney.submit(adult())
        await world.settle()
        notice = await issue(world.hackney, kind="CORRECTION", reason_code="DATA_INACCURATE")
        await world.settle()
        for role, leg in (await world.bexley.legs(REF)).items():
            caller, why = world.bexley.caller(role), "ALLOCATED_CASE"
            with pytest.raises(Conflict):
                await open_parked(world.bexley.node, caller, f"notification-{leg.id}", justification=why)
            for parcel in (f"notice-{notice}-{leg.id}", f"notification-{leg.id}"):
                await open_parked(world.bexley.node, caller, parcel, justification=why)


# --- finding 3 --------------------------------------------------------------------------------------


@pytest.mark.row("F3")
async def test_f3_what_is_withdrawn_is_destroyed_by_each_node_and_attested_by_each_agency(
    world: World,
) -> None:
    await world.hackney.submit(adult())
    await world.settle()
    notice = await issue(world.hackney, kind="WITHDRAWAL", reason_code="SENT_IN_ERROR")
    await world.settle()
    with pytest.raises(Conflict):  # nobody says "destroyed" while a key of his is left
        await answer(world.bexley, "police", notice, "COMPLETED", attestation=DONE)
    await rest(world)
    assert not await readable(world.bexley)
    for role in AGENCIES:
        await answer(world.bexley, role, notice, "COMPLETED", attestation=DONE)
    await world.settle()
    assert await unresolved(world.hackney) == {}
    row = await world.hackney.node.store.read(lambda tx: tx.notice(notice))
    for role in AGENCIES:
        signed = await world.hackney.node.store.read(
            lambda tx, role=role: tx.receipts(mid=row.mid, by=f"{BEXLEY}/{role}")
        )
        assert [one.code for one in signed if one.state == "completed"] == ["COPIES_DESTROYED"], role
    said = await world.hackney.node.store.read(lambda tx: tx.notices(parent=notice))
    assert [one.kind for one in said] == ["PURGE_ATTESTATION"]


@pytest.mark.row("F3")
async def test_f3_a_node_that_keeps_a_copy_of_what_was_withdrawn_fails_the_audit(world: World) -> None:
    """Its key folder is put back as it was: the probe opens what it has attested to be gone."""
    await world.hackney.submit(adult())
    await world.settle()
    node = world.bexley.node
    kept = dict(node.keys.epochs)  # type: ignore[attr-defined]  # the keys of the tests' node
    mid = (await world.bexley.legs(REF))["police"].mid
    copy = await node.store.read(lambda tx: tx.envelope(mid))
    world.clock.advance(1)
    await issue(world.hackney, kind="WITHDRAWAL", reason_code="SENT_IN_ERROR")
    await rest(world)
    assert all(found == [] for _, found in await attest.audit(node))
    node.keys.epochs.update(kept)  # type: ignore[attr-defined]
    ((_, found),) = await attest.audit(node)
    assert copy is not None
    assert copy.mid in found
    alarms = await node.store.read(lambda tx: tx.standing_alarms("purge_readable"))
    assert [row.subject for row in alarms] == [f"{REF}/1"]


# --- s.46 to 48 -------------------------------------------------------------------------------------


@pytest.mark.row("S46_48")
async def test_s47_what_is_erased_is_gone_at_every_recipient_and_each_confirms(world: World) -> None:
    await world.hackney.submit(adult())
    await world.settle()
    notice = await issue(world.hackney, kind="ERASURE", reason_code="NO_LAWFUL_BASIS")
    await rest(world)
    for borough in world.boroughs:
        assert not await readable(borough)
    for role in AGENCIES:
        await answer(world.bexley, role, notice, "COMPLETED", attestation=DONE)
    await world.settle()
    assert await unresolved(world.hackney) == {}


@pytest.mark.row("S46_48")
@pytest.mark.parametrize(
    ("flag", "reason"), [("evidence", "NEEDED_AS_EVIDENCE"), ("contested", "ACCURACY_CONTESTED")]
)
async def test_s46_evidence_and_contested_accuracy_are_restricted_and_not_erased(
    flag: str, reason: str
) -> None:
    async with two_boroughs(pulling=["police"]) as world:
        await world.hackney.submit(adult())
        await world.settle()
        asked = {"kind": "ERASURE", "reason_code": "SUBJECT_REQUEST", flag: True}
        notice = await issue(world.hackney, **asked)
        await rest(world)
        row = await world.bexley.node.store.read(lambda tx: tx.notice(notice))
        assert (row.kind, row.code) == ("RESTRICTION", reason)
        assert await readable(world.bexley), "it is kept"
        leg, caller = (await world.bexley.legs(REF))["police"], world.bexley.caller("police")
        parcel = f"notice-{notice}-{leg.id}"
        await open_parked(world.bexley.node, caller, parcel, justification="ALLOCATED_CASE")
        parcel = f"notification-{leg.id}"
        with pytest.raises(NotAllowed):  # and not used
            await open_parked(world.bexley.node, caller, parcel, justification="ALLOCATED_CASE")
        await open_parked(world.bexley.node, caller, parcel, justification="LEGAL_CLAIM")


@pytest.mark.row("S46_48")
async def test_s48_a_request_for_rectification_is_answered_within_a_month_or_both_sides_hear_of_it(
    world: World,
) -> None:
    await world.hackney.submit(adult())
    await world.settle()
    asked = await issue(
        world.bexley, "police", kind="RECTIFICATION", reason_code="SUBJECT_REQUEST", statement="Not I."
    )
    await world.settle()
    row = await world.hackney.node.store.read(lambda tx: tx.notice(asked))
    assert row.by == f"{BEXLEY}/police"
    world.clock.advance(29 * 86_400)
    await world.settle()
    for borough in world.boroughs:
        late = await borough.node.store.read(lambda tx: tx.standing_alarms("rectification_overdue"))
        assert late == []
    world.clock.advance(86_400)
    await world.settle()
    for borough in world.boroughs:
        late = await borough.node.store.read(lambda tx: tx.standing_alarms("rectification_overdue"))
        assert [one.subject for one in late] == [asked]


@pytest.mark.row("S46_48")
async def test_s46_a_supplementary_statement_travels_with_the_data() -> None:
    async with two_boroughs(pulling=["police"]) as world:
        await world.hackney.submit(adult())
        await world.settle()
        said = "I never lived there."
        notice = await issue(
            world.hackney, kind="RECTIFICATION", reason_code="SUBJECT_REQUEST", statement=said
        )
        await world.settle()
        leg, caller = (await world.bexley.legs(REF))["police"], world.bexley.caller("police")
        for parcel in (f"notice-{notice}-{leg.id}", f"notification-{leg.id}"):
            view = await open_parked(world.bexley.node, caller, parcel, justification="ALLOCATED_CASE")
        assert view.content["supplementary_statements"] == [said]
