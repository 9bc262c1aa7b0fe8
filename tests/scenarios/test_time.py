"""What happens while somebody is away or says nothing: a correction off-line, a withdrawal after opening, a
leg that nobody answers. Two whole nodes, their clocks, and what is left of it all."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.evidence import unpack
from gateway.core.examination import judge_evidence
from gateway.core.judgement import Verdict
from gateway.errors import GatewayError
from gateway.flows import attest
from gateway.flows.evidence import Unanswered, gather
from gateway.ports import Parcel
from gateway.testing.boroughs import BEXLEY, HACKNEY, START, World, two_boroughs
from gateway.testing.pager import hang
from schemas.samples import minimal_example
from tests.scenarios.story import (
    DAY,
    HOUR,
    absent,
    accesses,
    alarms,
    answer_all,
    answer_notice,
    ask,
    check_history,
    given,
    news,
    page,
    read,
    rest,
    say,
    text_of,
    until,
    why,
)

REF = "HO-E09000012-2026-000417"
WRONG, RIGHT = "A firearm was discharged at his home address.", "A window was broken at his home address."


def example() -> dict[str, Any]:
    return dict(json.loads(minimal_example()))


def corrected() -> dict[str, Any]:
    document = example()
    document["message"] |= {
        "version": 2,
        "supersedes": document["message"]["message_id"],
        "message_id": "00000002-80a7-5d63-a0c1-aaf074b86cc2",
        "issued_at": "2026-11-24T12:05:00+00:00",
    }
    document["data_quality"]["verified_at"] = "2026-11-24T12:00:00+00:00"
    (one,) = [one for one in document["history"] if one["statement"] == WRONG]
    one["statement"] = RIGHT
    return document


async def alone(world: World) -> None:
    """The sender's pumps; the other borough is switched off."""
    for _ in range(20):
        if not await world.hackney.turn():
            return
    raise RuntimeError


# --- a correction while the receiver is off-line ----------------------------------------------------------


async def test_corrected_off_line_the_notice_is_read_first_and_the_wrong_version_by_nobody() -> None:
    """Hackney sends, finds the error and corrects it while Bexley is switched off. When Bexley comes back it
    reads its urgent lane first."""
    async with two_boroughs() as world:
        await world.hackney.submit(example())
        await alone(world)
        world.clock.advance(2 * HOUR)
        await world.hackney.submit(corrected(), key="k2", reason="DATA_INACCURATE")
        await alone(world)
        before = await page(world.hackney, "community_safety", REF)
        assert (before["version"], before["summary"][:8]) == (2, "0 of 7 a")
        listed = await ask(world.hackney, "community_safety", f"/v1/handovers/{REF}/notices")
        assert {one["principal"] for one in listed["unresolved"]} == {
            f"{BEXLEY}/{role}" for role in world.bexley.desks
        }, "who does not know yet is known by name"
        await world.settle()
        for role, desk in world.bexley.desks.items():
            kinds = [view.kind for _, view in desk.given]
            assert kinds[0] is Parcel.NOTICE, role
            assert [view.version for view in given(world.bexley, role)] == [2], role
            absent(text_of(world.bexley, role), ["firearm"])
        assert RIGHT in text_of(world.bexley, "police")
        notice = given(world.bexley, "police", Parcel.NOTICE)[0].content["view"]["notice"]
        assert notice["kind"] == "CORRECTION"
        assert "/history/2/statement" in notice["changes"]
        told = given(world.bexley, "dwp", Parcel.NOTICE)[0].content["view"]["notice"]
        absent(json.dumps(told), ["history"])
        for role in world.bexley.desks:
            await answer_notice(world.bexley, role, notice["id"])
        await world.settle()
        listed = await ask(world.hackney, "community_safety", f"/v1/handovers/{REF}/notices")
        assert listed["unresolved"] == []
        await answer_all(world.bexley, REF, version=2)
        await world.settle()
        assert (await page(world.hackney, "police", REF))["responsible"]["POLICE"] == f"{BEXLEY}/police"
        assert (await page(world.bexley, "police", REF, version=1))["state"] == "PURGED", "nobody reads it"
        await check_history(world, REF)
        await check_history(world, REF, version=2)


# --- withdrawal after opening -----------------------------------------------------------------------------


async def test_withdrawn_after_opening_what_was_read_is_known_and_every_copy_is_attested_gone() -> None:
    async with two_boroughs(pulling=["dwp"]) as world:
        await world.hackney.submit(example())
        await world.settle()
        police = (await world.bexley.legs(REF))["police"]
        await world.bexley.answer("police", police.id, "RECEIVED")
        await world.settle()
        withdrawal = {"kind": "WITHDRAWAL", "reason_code": "SENT_IN_ERROR"}
        notice = await say(world.hackney, "community_safety", REF, withdrawal)
        await rest(world)
        for borough in world.boroughs:
            seen = await page(borough, "police", REF)
            assert seen["state"] == "WITHDRAWN"
            assert {leg["state"] for leg in seen["legs"]} == {"PURGED"}
            assert all(who.startswith(HACKNEY) for who in seen["responsible"].values())
        seen = await page(world.hackney, "community_safety", REF)
        assert "ended without an answer" in seen["summary"]
        assert "waiting" not in seen["summary"]
        # The police had it on their screen; the job centre had not: it never will.
        assert ("DISCLOSURE", "STANDING_ADAPTER") in await accesses(world.bexley, REF, f"{BEXLEY}/police")
        assert given(world.bexley, "dwp") == []
        for role in ("police", "housing"):
            assert given(world.bexley, role, Parcel.NOTICE)[0].content["kind"] == "WITHDRAWAL"
            assert await answer_notice(world.bexley, role, notice, "COMPLETED") == "COMPLETED"
        await world.settle()
        signed = await read(world.hackney, lambda tx: tx.purges(REF, area=BEXLEY))
        assert [(row.why, bool(row.note)) for row in signed] == [("WITHDRAWAL", True)]
        assert all(found == [] for _, found in await attest.audit(world.bexley.node))
        listed = await ask(world.hackney, "community_safety", f"/v1/handovers/{REF}/notices")
        assert f"{BEXLEY}/dwp" in {one["principal"] for one in listed["unresolved"]}
        assert f"{BEXLEY}/police" not in {one["principal"] for one in listed["unresolved"]}
        with pytest.raises(GatewayError):
            await world.bexley.answer("police", police.id, "ACCEPTED")
        await check_history(world, REF)


# --- a leg that nobody answers ----------------------------------------------------------------------------


async def silent(world: World) -> None:
    """All but housing accept; housing says nothing at all."""
    await world.hackney.submit(example())
    await world.settle()
    for role, leg in (await world.bexley.legs(REF)).items():
        if role != "housing":
            await world.bexley.answer(role, leg.id)
    await world.settle()


async def test_unanswered_both_sides_are_warned_then_late_and_people_are_called() -> None:
    async with two_boroughs() as world:
        bells = {borough.area: hang(borough) for borough in world.boroughs}
        await silent(world)
        leg = (await world.bexley.legs(REF))["housing"]
        line = (await why(world.hackney, "community_safety", REF))["HOUSING"]
        assert (line["where"], line["turn"]) == ("with the agency", f"{BEXLEY}/housing")
        await until(world, leg.decide_by + HOUR)
        for borough in world.boroughs:
            told = [one for one in news(borough, "housing") if one.endswith(("acknowledge", "decide"))]
            assert told[:3] == ["due50_acknowledge", "due80_acknowledge", "overdue_acknowledge"]
            assert told[-1] == "overdue_decide"
            legs = {leg["agency"]: leg for leg in (await page(borough, "housing", REF))["legs"]}
            assert legs["HOUSING"]["overdue"] == ["acknowledge", "decide"]
            called = {page.agency for page in bells[borough.area].rung}
            assert called == {"HOUSING"}, "nobody else is called"
        seen = await page(world.hackney, "community_safety", REF)
        assert seen["summary"].endswith("waiting for HOUSING, of which 1 late.")
        assert seen["responsible"]["HOUSING"] == f"{HACKNEY}/housing", "still Hackney's"
        assert (await why(world.hackney, "community_safety", REF))["HOUSING"]["turn"] == f"{BEXLEY}/housing"
        await until(world, leg.decide_by + 7 * DAY, 6 * HOUR)
        for borough in world.boroughs:
            assert "escalation_exhausted" in await alarms(borough)
            roles = bells[borough.area].roles
            assert roles[:3] == ["duty_officer", "manager", "director"]
            assert set(roles[3:]) == {"director"}
        await check_history(world, REF)


async def test_unanswered_that_nobody_acknowledged_it_can_be_proven_offline() -> None:
    async with two_boroughs() as world:
        await silent(world)
        fingerprint = world.hackney.node.network.fingerprint
        world.clock.advance(3 * DAY)
        await world.bexley.answer("police", (await world.bexley.legs(REF))["police"].id, "IN_PROGRESS")
        await world.settle()
        caller = world.hackney.caller("community_safety")
        proof = await gather(
            world.hackney.node, caller, REF, None, (), "", Unanswered(f"{BEXLEY}/housing", START + 2 * DAY)
        )
        text = proof.evidence.pack()
        assert unpack(text).silence is not None
        finding = judge_evidence(text, fingerprint)
        assert finding.verdict is Verdict.VALID
        assert "acknowledged" not in [receipt.state for receipt in finding.legs[f"{BEXLEY}/housing"]]
        assert "EXAMPLE" not in text.decode()
        spoken = await gather(
            world.hackney.node, caller, REF, None, (), "", Unanswered(f"{BEXLEY}/police", START + 2 * DAY)
        )
        assert judge_evidence(spoken.evidence.pack(), fingerprint).verdict is not Verdict.VALID


async def test_unanswered_after_ninety_days_the_content_is_gone_and_the_origin_is_told_of_it() -> None:
    async with two_boroughs() as world:
        await silent(world)
        await until(world, START + 91 * DAY, DAY)
        await rest(world)
        for borough in world.boroughs:
            seen = await page(borough, "housing", REF)
            assert seen["state"] == "PURGED"
            assert "HOUSING ended without an answer" in seen["summary"]
            assert (await why(borough, "housing", REF))["HOUSING"]["where"] == "this version is PURGED"
            assert seen["responsible"]["HOUSING"] == f"{HACKNEY}/housing"
            if borough is world.hackney:
                states = {leg["agency"]: leg["state"] for leg in seen["legs"]}
                assert states["POLICE"] == "ACCEPTED", "what was taken on stays taken on"
            assert "purged_unanswered" in await alarms(borough)
            (purged,) = await read(borough, lambda tx, area=borough.area: tx.purges(REF, area=area))
            assert purged.unanswered == 1
        assert "purged_unanswered" in news(world.hackney, "housing")
        assert all(found == [] for _, found in await attest.audit(world.bexley.node))
        await check_history(world, REF)
