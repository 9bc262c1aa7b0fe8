"""A version that takes the place of another: announced with what changed, in any order, and then shredded."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from gateway.core.envelope import unbundle
from gateway.errors import GatewayError, Unavailable
from gateway.flows import attest, holds, notices, shred
from gateway.flows.receive import accept
from gateway.flows.slots import view_for
from gateway.ports import Lane, Parcel
from gateway.testing.boroughs import BEXLEY, Borough, World, with_recipients

REF = "HO-E09000012-2026-000417"
ROLES = ("community_safety", "police", "probation", "leaving_care", "housing", "dwp", "st_giles")
DAY = 86_400


def second(document: dict[str, Any]) -> dict[str, Any]:
    """Version 2: another name to call him by, and another condition of his order."""
    newer = copy.deepcopy(document)
    newer["message"] |= {
        "version": 2,
        "supersedes": document["message"]["message_id"],
        "message_id": "11111111-2222-4333-8444-555555555555",
    }
    newer["core"]["known_as"] = ["JJ"]
    newer["risk_from"]["assessor_role"] = "Senior Probation Practitioner"
    return newer


async def read(borough: Borough, work: Any) -> Any:
    return await borough.node.store.read(work)


async def states(borough: Borough) -> dict[int, str]:
    rows = [await read(borough, lambda tx, v=v: tx.handover(REF, v)) for v in (1, 2)]
    return {row.version: row.state for row in rows if row is not None}


async def tidy(world: World) -> None:
    for _ in range(3):
        await world.settle()
        for borough in world.boroughs:
            await shred.take_up(borough.node)
            await attest.sign_waiting(borough.node)
    await world.settle()


async def readable(borough: Borough, role: str, version: int) -> bool:
    leg = (await borough.legs(REF, version))[role]
    envelope = await read(borough, lambda tx: tx.envelope(leg.mid))
    try:
        return bool(view_for(borough.node, envelope, leg.principal))
    except Exception:  # noqa: BLE001 - whatever stops it, it does not open
        return False


def kinds(world: World, role: str) -> list[tuple[Parcel, int]]:
    return [(view.kind, view.version) for _, view in world.bexley.desks[role].given]


async def test_each_reader_is_told_what_changed_in_what_it_may_read(
    world: World, document: dict[str, Any]
) -> None:
    await world.hackney.submit(document)
    await world.settle()
    await world.hackney.submit(second(document), key="k2", reason="DATA_INACCURATE")
    await world.settle()

    def told(role: str) -> Any:
        (view,) = [v for _, v in world.bexley.desks[role].given if v.kind is Parcel.NOTICE]
        return view.content

    assert told("police")["kind"] == "CORRECTION"
    assert told("police")["view"]["notice"]["changes"] == ["/core/known_as", "/risk_from/assessor_role"]
    assert told("housing")["view"]["notice"]["changes"] == ["/core/known_as"]
    assert told("police")["view"]["notice"]["facts"] == {"new_version": 2}
    for role in ROLES:
        assert kinds(world, role)[1:] == [(Parcel.NOTICE, 2), (Parcel.NOTIFICATION, 2)], role


async def test_without_a_reason_it_is_an_update(world: World, document: dict[str, Any]) -> None:
    await world.hackney.submit(document)
    await world.hackney.submit(second(document), key="k2")
    (row,) = await read(world.hackney, lambda tx: tx.notices(ref=REF))
    assert (row.kind, row.code, row.version) == ("UPDATE", "NEW_INFORMATION", 2)


async def test_whoever_the_new_version_leaves_out_learns_that_the_old_one_counts_no_more(
    world: World, document: dict[str, Any]
) -> None:
    await world.hackney.submit(document)
    await world.settle()
    kept = [
        entry["agency"] for entry in document["routing"]["recipients"] if "VOLUNTARY" not in entry["agency"]
    ]
    newer = with_recipients(second(document), *kept)
    for condition in newer["orders"][0]["conditions"]:
        for named in (condition, condition.get("minimal_view") or {}):
            for field in ("visible_to", "agencies"):
                if field in named:
                    named[field] = [agency for agency in named[field] if agency in kept]
    await world.hackney.submit(newer, key="k2")
    await world.settle()
    assert kinds(world, "st_giles") == [(Parcel.NOTIFICATION, 1), (Parcel.NOTICE, 1)]
    notice = world.bexley.desks["st_giles"].given[-1][1].content["view"]["notice"]
    assert notice["left_out"] is True
    assert "changes" not in notice


async def test_what_was_shredded_cannot_be_compared_and_that_is_said(
    world: World, document: dict[str, Any]
) -> None:
    await world.hackney.submit(document)
    await world.settle()
    by = shred.Person("dpo-1")
    await shred.shred(world.hackney.node, by, REF, force=True, justification="ERASURE_REQUEST")
    await world.hackney.submit(second(document), key="k2")
    await world.settle()
    notice = world.bexley.desks["police"].given[-2][1].content["view"]["notice"]
    assert notice["compared"] is False
    assert "changes" not in notice


@pytest.mark.parametrize("first", [1, 2], ids=["in order", "version 2 first"])
async def test_an_older_version_is_superseded_in_whatever_order_they_come(
    world: World, document: dict[str, Any], first: int
) -> None:
    """One on the standard lane, one urgent; the second overtakes the first or not."""
    await world.hackney.submit(document)
    await world.hackney.submit(second(document), key="k2")
    await world.hackney.turn()
    waiting = []
    while delivery := await world.next_delivery(world.bexley, Lane.STANDARD):
        waiting.append(delivery)
    bodies = [one.body for one in waiting]
    assert bodies
    await world.deliver_mail(world.bexley)
    envelopes = [one for body in bodies for one in unbundle(body)]
    for envelope in envelopes if first == 1 else reversed(envelopes):
        await accept(world.bexley.node, envelope)
    assert (await states(world.bexley))[1] == "SUPERSEDED"
    await tidy(world)
    for role in ROLES:
        assert kinds(world, role) == [(Parcel.NOTICE, 2), (Parcel.NOTIFICATION, 2)], role


async def test_superseded_content_goes_once_all_have_opened_the_newer_and_not_before(
    world: World, document: dict[str, Any]
) -> None:
    await world.hackney.submit(document)
    await tidy(world)
    desk = world.bexley.desks["dwp"]
    desk.fail = [_away()] * 1000
    await world.hackney.submit(second(document), key="k2")
    await tidy(world)
    assert await readable(world.bexley, "police", 1)
    assert await states(world.bexley) == {1: "SUPERSEDED", 2: "ISSUED"}
    desk.fail = []
    world.clock.advance(3600)
    await tidy(world)
    assert not await readable(world.bexley, "police", 1)
    assert await readable(world.bexley, "police", 2)
    assert await states(world.bexley) == {1: "PURGED", 2: "ISSUED"}
    signed = await read(world.hackney, lambda tx: tx.purges(REF, area=BEXLEY))
    assert [(row.version, row.why) for row in signed] == [(1, "SUPERSEDED")]
    assert await readable(world.hackney, "police", 1), "the origin keeps the evidence of what it sent"


async def test_superseded_content_goes_after_a_week_at_the_latest(
    world: World, document: dict[str, Any]
) -> None:
    await world.hackney.submit(document)
    await tidy(world)
    world.bexley.desks["dwp"].fail = [_away()] * 100_000
    await world.hackney.submit(second(document), key="k2")
    world.clock.advance(6 * DAY)
    await world.hackney.turn()
    await world.deliver_mail(world.bexley)
    await tidy(world)
    world.clock.advance(6 * DAY)
    await tidy(world)
    assert await readable(world.bexley, "police", 1)
    world.clock.advance(DAY + 1)
    await tidy(world)
    assert not await readable(world.bexley, "police", 1)


async def test_a_hold_and_a_restriction_keep_what_is_superseded(
    world: World, document: dict[str, Any]
) -> None:
    await world.hackney.submit(document)
    await tidy(world)
    review = world.clock.now() + 30 * DAY
    hold = await holds.place(world.bexley.node, REF, "LITIGATION", role="DPO", actor="dpo-1", review=review)
    await world.hackney.submit(second(document), key="k2")
    await tidy(world)
    assert await readable(world.bexley, "police", 1)
    await holds.lift(world.bexley.node, hold.id, role="DPO", actor="dpo-1")
    world.clock.advance(DAY)
    await tidy(world)
    assert not await readable(world.bexley, "police", 1)


async def test_a_restriction_keeps_what_is_superseded_until_it_is_lifted(
    world: World, document: dict[str, Any]
) -> None:
    await world.hackney.submit(document)
    await tidy(world)
    contested = await issue(world, {"kind": "RESTRICTION", "reason_code": "ACCURACY_CONTESTED"})
    await world.hackney.submit(second(document), key="k2")
    await tidy(world)
    world.clock.advance(10 * DAY)
    await tidy(world)
    assert await readable(world.bexley, "police", 1)
    await issue(
        world, {"kind": "RESTRICTION_LIFTED", "reason_code": "ACCURACY_VERIFIED", "about": contested.id}
    )
    await tidy(world)
    world.clock.advance(DAY)
    await tidy(world)
    assert not await readable(world.bexley, "police", 1)
    assert await readable(world.bexley, "police", 2)


async def issue(world: World, notice: dict[str, Any]) -> notices.Issued:
    words = notices.read(json.dumps({"role": "DPO", **notice}).encode())
    caller = world.hackney.caller("community_safety")
    return await notices.issue(world.hackney.node, caller, REF, words, key=notice["kind"])


def _away() -> GatewayError:
    return Unavailable("away", code="away")
