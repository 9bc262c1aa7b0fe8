"""What notices do: content destroyed and attested, restricted, superseded, closed, asked for; each at both
sides, through two real nodes."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.errors import Conflict, InvalidDocument, NotAllowed, NotFound
from gateway.flows import attest, holds, notice_answer, notices, shred, sweep
from gateway.flows.deliver import open_parked
from gateway.flows.destruction import opens
from gateway.flows.slots import view_for
from gateway.ports import AlarmRow, Parcel, Side
from gateway.testing.boroughs import BEXLEY, Borough, World, two_boroughs

REF = "HO-E09000012-2026-000417"
ROLES = ("community_safety", "police", "probation", "leaving_care", "housing", "dwp", "st_giles")
DAY = 86_400
DONE = {"copies_destroyed": True, "onward_disclosure": False, "log_contains_payload": False}
WITHDRAWAL = {"kind": "WITHDRAWAL", "role": "Team leader", "reason_code": "SENT_IN_ERROR"}
ERASURE = {"kind": "ERASURE", "role": "Team leader", "reason_code": "SUBJECT_REQUEST"}
RESTRICTION = {"kind": "RESTRICTION", "role": "Team leader", "reason_code": "ACCURACY_CONTESTED"}


async def issue(
    borough: Borough, notice: Mapping[str, Any], *, role: str = "community_safety", key: str = ""
) -> notices.Issued:
    words = notices.read(json.dumps(notice).encode())
    made = key or json.dumps(notice)[:200]
    return await notices.issue(borough.node, borough.caller(role), REF, words, key=made)


async def answer(borough: Borough, role: str, notice: str, state: str = "ACKNOWLEDGED", **more: Any) -> str:
    words = notice_answer.read(json.dumps({"state": state, "role": "Duty officer", **more}).encode())
    return (await notice_answer.answer(borough.node, borough.caller(role), notice, words)).state


async def rest(world: World) -> None:
    """Until nothing moves, key stores and attestations included."""
    for _ in range(3):
        await world.settle()
        for borough in world.boroughs:
            await shred.take_up(borough.node)
            await attest.sign_waiting(borough.node)
        world.clock.advance(61)
    await world.settle()


async def read(borough: Borough, work: Any) -> Any:
    return await borough.node.store.read(work)


async def alarms(borough: Borough, code: str) -> list[AlarmRow]:
    return list(await read(borough, lambda tx: tx.standing_alarms(code)))


async def readable(borough: Borough, role: str, version: int = 1) -> bool:
    """Whether this node still opens what it holds for an agency."""
    leg = (await borough.legs(REF, version))[role]
    envelope = await read(borough, lambda tx: tx.envelope(leg.mid))
    try:
        return bool(view_for(borough.node, envelope, leg.principal))
    except Exception:  # noqa: BLE001 - whatever stops it, it does not open
        return False


def given(borough: Borough, role: str, kind: Parcel) -> list[Any]:
    return [view for _, view in borough.desks[role].given if view.kind is kind]


@pytest.fixture
async def sent(world: World, document: dict[str, Any]) -> World:
    await world.hackney.submit(document)
    await world.settle()
    return world


# --- withdrawal -------------------------------------------------------------------------------------


async def test_what_is_withdrawn_goes_at_once_and_each_node_and_agency_attests(sent: World) -> None:
    issued = await issue(sent.hackney, WITHDRAWAL)
    await rest(sent)
    for borough in sent.boroughs:
        assert (await read(borough, lambda tx: tx.handover(REF))).state == "WITHDRAWN"
    assert not await readable(sent.bexley, "police")
    signed = await read(sent.hackney, lambda tx: tx.purges(REF, area=BEXLEY))
    assert [(row.why, bool(row.note)) for row in signed] == [("WITHDRAWAL", True)]
    said = await read(sent.hackney, lambda tx: tx.notices(parent=issued.id))
    assert [(row.kind, row.side, row.peer) for row in said] == [
        ("PURGE_ATTESTATION", Side.DESTINATION, BEXLEY)
    ]
    assert all(found == [] for _, found in await attest.audit(sent.bexley.node))

    for role in ROLES:
        assert await answer(sent.bexley, role, issued.id, "COMPLETED", attestation=DONE) == "COMPLETED"
    await sent.settle()
    row = await read(sent.hackney, lambda tx: tx.notice(issued.id))
    assert row.state == "DONE"
    receipts = await read(sent.hackney, lambda tx: tx.receipts(mid=row.mid, by=f"{BEXLEY}/police"))
    assert [(one.state, one.code) for one in receipts] == [
        ("opened", ""),
        ("acknowledged", ""),
        ("completed", "COPIES_DESTROYED"),
    ]


async def test_what_was_not_opened_is_never_delivered(document: dict[str, Any]) -> None:
    async with two_boroughs(pulling=["police"]) as world:
        await world.hackney.submit(document)
        await world.settle()
        leg = (await world.bexley.legs(REF))["police"]
        issued = await issue(world.hackney, WITHDRAWAL)
        await world.settle()
        caller = world.bexley.caller("police")
        parcel = f"notice-{issued.id}-{leg.id}"
        await open_parked(world.bexley.node, caller, parcel, justification="ALLOCATED_CASE")
        with pytest.raises(NotAllowed) as caught:
            await open_parked(
                world.bexley.node, caller, f"notification-{leg.id}", justification="LEGAL_CLAIM"
            )
        assert caught.value.code == "withdrawn"
        assert (await world.bexley.legs(REF))["police"].state == "PURGED"


async def test_a_handover_that_comes_after_its_withdrawal_reaches_nobody(
    world: World, document: dict[str, Any]
) -> None:
    await world.hackney.submit(document)
    await issue(world.hackney, WITHDRAWAL)
    await rest(world)
    for role in ROLES:
        assert given(world.bexley, role, Parcel.NOTIFICATION) == []
        assert not await readable(world.bexley, role)
        assert len(given(world.bexley, role, Parcel.NOTICE)) == 1
    for borough in world.boroughs:
        assert (await read(borough, lambda tx: tx.handover(REF))).state == "WITHDRAWN"
        assert {leg.state for leg in (await borough.legs(REF)).values()} == {"PURGED"}


async def test_the_legs_that_nobody_took_on_end_at_both_sides_and_what_was_taken_on_stays(
    sent: World,
) -> None:
    leg = (await sent.bexley.legs(REF))["police"]
    await sent.bexley.answer("police", leg.id)
    await issue(sent.hackney, WITHDRAWAL)
    await rest(sent)
    for borough in sent.boroughs:
        states = {role: leg.state for role, leg in (await borough.legs(REF)).items()}
        assert states.pop("police") == "ACCEPTED"
        assert set(states.values()) == {"PURGED"}


async def test_an_agency_cannot_attest_before_its_own_node_has_destroyed_its_keys(sent: World) -> None:
    issued = await issue(sent.hackney, WITHDRAWAL)
    await sent.hackney.turn()
    await sent.deliver_mail(sent.bexley)
    await sent.bexley.turn()
    with pytest.raises(Conflict) as caught:
        await answer(sent.bexley, "police", issued.id, "COMPLETED", attestation=DONE)
    assert caught.value.code == "not_destroyed"
    await rest(sent)
    assert await answer(sent.bexley, "police", issued.id, "COMPLETED", attestation=DONE) == "COMPLETED"


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"attestation": DONE | {"copies_destroyed": False}},
        {"attestation": DONE | {"log_contains_payload": True}},
    ],
    ids=["none", "kept", "in a log"],
)
async def test_nobody_completes_without_destroying(sent: World, more: dict[str, Any]) -> None:
    issued = await issue(sent.hackney, WITHDRAWAL)
    await rest(sent)
    with pytest.raises(InvalidDocument) as caught:
        await answer(sent.bexley, "police", issued.id, "COMPLETED", **more)
    assert caught.value.code == "attestation"


async def test_a_withdrawn_agreement_ends_only_the_legs_that_rested_on_nothing_else(
    world: World, document: dict[str, Any]
) -> None:
    await world.hackney.submit(document)
    await world.settle()
    rows = await read(world.hackney, lambda tx: tx.accesses(ref=REF))
    powers = {
        row.recipients[0].partition("/")[2]: row.justification
        for row in rows
        if row.operation == "DISCLOSURE"
    }
    alone = {role for role, code in powers.items() if code == "AGREEMENT"}
    assert alone, "the example must have a leg that rests on agreement alone"
    issued = await issue(world.hackney, WITHDRAWAL | {"reason_code": "AGREEMENT_WITHDRAWN"})
    await rest(world)
    readers = await read(world.hackney, lambda tx: tx.notice_legs(issued.id))
    assert {one.principal for one in readers} == {f"{BEXLEY}/{role}" for role in alone}
    for role in ROLES:
        assert bool(given(world.bexley, role, Parcel.NOTICE)) == (role in alone)
        state = (await world.bexley.legs(REF))[role].state
        assert (state == "PURGED") == (role in alone), role
        if role not in alone:
            assert await readable(world.bexley, role), role
    assert (await read(world.bexley, lambda tx: tx.handover(REF))).state not in {"WITHDRAWN", "PURGED"}
    assert not await read(world.bexley, lambda tx: opens(tx, world.bexley.node, tx.notice(issued.id)))


async def test_a_leg_that_another_power_carries_too_goes_on(world: World, document: dict[str, Any]) -> None:
    (one,) = [one for one in document["routing"]["recipients"] if one["agency"] == "LEAVING_CARE"]
    one["lawful_basis"].append("LB3")
    await world.hackney.submit(document)
    await rest(world)
    issued = await issue(world.hackney, WITHDRAWAL | {"reason_code": "AGREEMENT_WITHDRAWN"})
    readers = await read(world.hackney, lambda tx: tx.notice_legs(issued.id))
    assert f"{BEXLEY}/dwp" in {reader.principal for reader in readers}
    assert f"{BEXLEY}/leaving_care" not in {reader.principal for reader in readers}


async def test_what_is_sent_anew_after_a_withdrawal_stands(sent: World, document: dict[str, Any]) -> None:
    """A late look at the old notice destroys and bars nothing of it."""
    await issue(sent.hackney, WITHDRAWAL)
    anew = copy.deepcopy(document)
    anew["message"] |= {
        "version": 2,
        "supersedes": document["message"]["message_id"],
        "message_id": "11111111-2222-4333-8444-555555555555",
    }
    await sent.hackney.submit(anew, key="k2")
    await rest(sent)
    assert not await readable(sent.bexley, "police", 1)
    assert await readable(sent.bexley, "police", 2)
    assert [view.version for view in given(sent.bexley, "police", Parcel.NOTIFICATION)] == [1, 2]


async def test_a_legal_hold_stands_against_a_withdrawal_and_is_told(sent: World) -> None:
    node = sent.bexley.node
    await holds.place(node, REF, "LITIGATION", role="DPO", actor="dpo-1", review=sent.clock.now() + 30 * DAY)
    issued = await issue(sent.hackney, WITHDRAWAL)
    await rest(sent)
    assert [row.subject for row in await alarms(sent.bexley, "erasure_held")] == [issued.id]
    assert await readable(sent.bexley, "police")
    with pytest.raises(Conflict) as caught:
        await answer(sent.bexley, "police", issued.id, "COMPLETED", attestation=DONE)
    assert "hold" in caught.value.remedy
    assert await answer(sent.bexley, "police", issued.id, "REJECTED", reason_code="LEGAL_HOLD") == "REJECTED"
    (hold,) = await holds.listed(node)
    await holds.lift(node, hold.id, role="DPO", actor="dpo-1")
    sent.clock.advance(DAY)
    await rest(sent)
    assert not await readable(sent.bexley, "police")
    assert await alarms(sent.bexley, "erasure_held") == []
    assert await answer(sent.bexley, "police", issued.id, "COMPLETED", attestation=DONE) == "COMPLETED"


async def test_an_agency_that_does_not_purge_in_time_is_an_alarm_at_both_sides(sent: World) -> None:
    due = "2026-11-25T12:00:00Z"
    issued = await issue(
        sent.hackney,
        {"kind": "PURGE_ORDER", "role": "DPO", "reason_code": "RETENTION_ENDED", "due": due},
    )
    await rest(sent)
    for role in ROLES[1:]:
        await answer(sent.bexley, role, issued.id, "COMPLETED", attestation=DONE)
    await sent.settle()
    for borough in sent.boroughs:
        assert await alarms(borough, "purge_overdue") == []
    sent.clock.advance(2 * DAY)
    await rest(sent)
    for borough in sent.boroughs:
        late = await alarms(borough, "purge_overdue")
        assert [row.subject for row in late] == [f"{issued.id} {BEXLEY}/community_safety"]
        assert (await read(borough, lambda tx: tx.handover(REF))).state in {"PURGED", "ISSUED"}
    assert (await read(sent.bexley, lambda tx: tx.handover(REF))).state == "PURGED"


async def test_an_unlawful_disclosure_is_purged_like_a_withdrawal(sent: World) -> None:
    issued = await issue(
        sent.hackney,
        {"kind": "UNLAWFUL_DISCLOSURE", "role": "DPO", "reason_code": "NO_LAWFUL_BASIS"},
    )
    await rest(sent)
    assert not await readable(sent.bexley, "police")
    assert (await read(sent.bexley, lambda tx: tx.handover(REF))).state == "WITHDRAWN"
    (view,) = given(sent.bexley, "police", Parcel.NOTICE)
    assert view.content["heading"] == "This should not have been disclosed to you"
    assert issued.id == view.content["notice"]


# --- erase, restrict, rectify -----------------------------------------------------------------------


async def test_an_erasure_destroys_at_both_sides_and_the_log_keeps_metadata(sent: World) -> None:
    await issue(sent.hackney, ERASURE)
    await rest(sent)
    for borough in sent.boroughs:
        assert not await readable(borough, "police")
        assert (await read(borough, lambda tx: tx.handover(REF))).state == "PURGED"
        rows = await read(borough, lambda tx: tx.accesses(ref=REF, limit=1000))
        erased = [row for row in rows if row.operation == "ERASURE"]
        assert {row.justification for row in erased} == {"RETENTION_END:ERASURE"}
        assert not any(row.note for row in erased)


async def test_an_erasure_of_one_section_leaves_the_others(sent: World) -> None:
    issued = await issue(sent.hackney, ERASURE | {"section": "history"})
    await rest(sent)
    leg = (await sent.bexley.legs(REF))["police"]
    envelope = await read(sent.bexley, lambda tx: tx.envelope(leg.mid))
    left = view_for(sent.bexley.node, envelope, leg.principal)
    assert "history" not in left
    assert "core" in left
    assert await readable(sent.bexley, "housing")
    said = await read(sent.hackney, lambda tx: tx.notices(parent=issued.id))
    assert [row.kind for row in said] == ["PURGE_ATTESTATION"]


@pytest.mark.parametrize(
    ("flag", "code"), [("evidence", "NEEDED_AS_EVIDENCE"), ("contested", "ACCURACY_CONTESTED")]
)
async def test_evidence_and_contested_accuracy_are_restricted_in_place_of_erased(
    sent: World, flag: str, code: str
) -> None:
    issued = await issue(sent.hackney, ERASURE | {flag: True})
    await rest(sent)
    row = await read(sent.bexley, lambda tx: tx.notice(issued.id))
    assert (row.kind, row.code) == ("RESTRICTION", code)
    assert await readable(sent.bexley, "police")


async def test_what_a_hold_keeps_here_is_restricted_and_not_erased(sent: World) -> None:
    review = sent.clock.now() + DAY
    await holds.place(sent.hackney.node, REF, "LITIGATION", role="DPO", actor="dpo-1", review=review)
    issued = await issue(sent.hackney, ERASURE)
    assert (await read(sent.hackney, lambda tx: tx.notice(issued.id))).kind == "RESTRICTION"


async def test_what_is_restricted_is_opened_on_the_listed_grounds_alone_until_it_is_lifted(
    document: dict[str, Any],
) -> None:
    async with two_boroughs(pulling=["police"]) as world:
        await world.hackney.submit(document)
        await world.settle()
        issued = await issue(world.hackney, RESTRICTION)
        await world.settle()
        leg = (await world.bexley.legs(REF))["police"]
        caller, parcel = world.bexley.caller("police"), f"notification-{leg.id}"
        await open_parked(
            world.bexley.node, caller, f"notice-{issued.id}-{leg.id}", justification="ALLOCATED_CASE"
        )
        before = len(await read(world.bexley, lambda tx: tx.accesses(ref=REF)))
        for refused in ("ALLOCATED_CASE", "STANDING_ADAPTER", "DUTY_OFFICER"):
            with pytest.raises(NotAllowed) as caught:
                await open_parked(world.bexley.node, caller, parcel, justification=refused)
            assert caught.value.code == "restricted"
        assert len(await read(world.bexley, lambda tx: tx.accesses(ref=REF))) == before
        view = await open_parked(world.bexley.node, caller, parcel, justification="LEGAL_CLAIM")
        assert view.content["view"]["core"]
        await issue(
            world.hackney,
            {
                "kind": "RESTRICTION_LIFTED",
                "role": "DPO",
                "reason_code": "ACCURACY_VERIFIED",
                "about": issued.id,
            },
        )
        await world.settle()
        for borough in world.boroughs:
            assert (await read(borough, lambda tx: tx.notice(issued.id))).state == "LIFTED"
        lifted = (await read(world.bexley, lambda tx: tx.notices(parent=issued.id)))[0]
        await open_parked(
            world.bexley.node, caller, f"notice-{lifted.id}-{leg.id}", justification="ALLOCATED_CASE"
        )
        await open_parked(world.bexley.node, caller, parcel, justification="ALLOCATED_CASE")


async def test_an_adapter_gets_what_was_restricted_when_it_is_lifted(
    world: World, document: dict[str, Any]
) -> None:
    await world.hackney.submit(document)
    issued = await issue(world.hackney, RESTRICTION)
    await world.settle()
    assert [view.kind for _, view in world.bexley.desks["police"].given] == [Parcel.NOTICE]
    lift = {"kind": "RESTRICTION_LIFTED", "role": "DPO", "reason_code": "ACCURACY_VERIFIED"}
    await issue(world.hackney, lift | {"about": issued.id})
    await world.settle()
    kinds = [view.kind for _, view in world.bexley.desks["police"].given]
    assert kinds == [Parcel.NOTICE, Parcel.NOTICE, Parcel.NOTIFICATION]


async def test_a_restricted_section_is_left_out_and_the_rest_is_shown(document: dict[str, Any]) -> None:
    async with two_boroughs(pulling=["police"]) as world:
        await world.hackney.submit(document)
        await world.settle()
        issued = await issue(world.hackney, RESTRICTION | {"section": "history"})
        await world.settle()
        leg = (await world.bexley.legs(REF))["police"]
        caller = world.bexley.caller("police")
        for parcel in (f"notice-{issued.id}-{leg.id}", f"notification-{leg.id}"):
            view = await open_parked(world.bexley.node, caller, parcel, justification="ALLOCATED_CASE")
        assert "history" not in view.content["view"]
        assert view.content["view"]["core"]
        assert view.content["restricted_sections"] == ["history"]


async def test_a_subjects_request_from_the_receiving_side_is_answered_within_a_month(sent: World) -> None:
    asked = await issue(
        sent.bexley,
        {
            "kind": "RECTIFICATION",
            "role": "Caseworker",
            "reason_code": "SUBJECT_REQUEST",
            "statement": "I never lived there.",
            "changes": ["/move/placement"],
        },
        role="police",
    )
    await sent.settle()
    (view,) = given(sent.hackney, "police", Parcel.NOTICE)
    assert view.content["view"]["notice"]["statement"] == "I never lived there."
    sent.clock.advance(24 * DAY)
    await rest(sent)
    for borough in sent.boroughs:
        assert [row.subject for row in await alarms(borough, "rectification_due")] == [asked.id]
        assert await alarms(borough, "rectification_overdue") == []
    sent.clock.advance(7 * DAY)
    await rest(sent)
    for borough in sent.boroughs:
        assert [row.subject for row in await alarms(borough, "rectification_overdue")] == [asked.id]


async def test_a_refusal_answers_the_request_and_stops_its_clock(sent: World) -> None:
    asked = await issue(
        sent.bexley,
        {"kind": "RECTIFICATION", "role": "Caseworker", "reason_code": "SUBJECT_REQUEST"},
        role="police",
    )
    await sent.settle()
    refusal = {
        "kind": "REFUSAL",
        "role": "DPO",
        "reason_code": "NOT_FOUNDED",
        "about": asked.id,
        "text": "The record is right; you can complain to the Commissioner.",
    }
    await issue(sent.hackney, refusal)
    await sent.settle()
    assert len(given(sent.bexley, "police", Parcel.NOTICE)) == 1
    assert given(sent.bexley, "housing", Parcel.NOTICE) == []
    sent.clock.advance(40 * DAY)
    await rest(sent)
    for borough in sent.boroughs:
        assert await alarms(borough, "rectification_overdue") == []


async def test_a_correction_that_answers_a_request_is_owed_no_answer_itself(sent: World) -> None:
    asked = await issue(
        sent.bexley,
        {"kind": "RECTIFICATION", "role": "Caseworker", "reason_code": "SUBJECT_REQUEST"},
        role="police",
    )
    await sent.settle()
    told = {"kind": "RECTIFICATION", "role": "DPO", "reason_code": "SUBJECT_REQUEST", "about": asked.id}
    await issue(sent.hackney, told)
    await sent.settle()
    sent.clock.advance(40 * DAY)
    await rest(sent)
    for borough in sent.boroughs:
        assert await alarms(borough, "rectification_overdue") == []


async def test_the_subjects_statement_travels_with_the_data(document: dict[str, Any]) -> None:
    async with two_boroughs(pulling=["police"]) as world:
        await world.hackney.submit(document)
        await world.settle()
        issued = await issue(
            world.hackney,
            {
                "kind": "RECTIFICATION",
                "role": "DPO",
                "reason_code": "SUBJECT_REQUEST",
                "statement": "I never lived there.",
            },
        )
        await world.settle()
        leg = (await world.bexley.legs(REF))["police"]
        caller = world.bexley.caller("police")
        for parcel in (f"notice-{issued.id}-{leg.id}", f"notification-{leg.id}"):
            view = await open_parked(world.bexley.node, caller, parcel, justification="ALLOCATED_CASE")
        assert view.content["supplementary_statements"] == ["I never lived there."]
        world.clock.advance(40 * DAY)
        await rest(world)
        assert await alarms(world.bexley, "rectification_overdue") == [], "the origin owes the reply"
        assert [row.subject for row in await alarms(world.hackney, "rectification_overdue")] == [issued.id]


# --- closure ----------------------------------------------------------------------------------------

CLOSURE = {"kind": "CLOSURE", "role": "Coordinator", "reason_code": "WORK_COMPLETED"}


async def test_nothing_is_closed_with_an_unanswered_leg(sent: World) -> None:
    for borough in sent.boroughs:
        with pytest.raises(Conflict):
            await issue(borough, CLOSURE)
        assert await read(borough, lambda tx: tx.notices(ref=REF)) == []


async def test_with_every_answer_here_either_side_closes_both(sent: World) -> None:
    for role, leg in (await sent.bexley.legs(REF)).items():
        rows = await read(sent.bexley, lambda tx, leg=leg: tx.actions(leg.id))
        await sent.bexley.answer(role, leg.id)
        done = [
            {"action_id": row.action, "result": "NOT_DONE", "reason_code": "NOT_MOVED"}
            for row in rows
            if not row.local
        ]
        await sent.bexley.answer(role, leg.id, state="COMPLETED", actions=done)
    await rest(sent)
    issued = await issue(sent.bexley, CLOSURE)
    await rest(sent)
    for borough in sent.boroughs:
        assert (await read(borough, lambda tx: tx.handover(REF))).state == "CLOSED"
    assert await readable(sent.bexley, "police"), "closed is not destroyed"
    row = await read(sent.hackney, lambda tx: tx.notice(issued.id))
    assert (row.side, row.kind) == (Side.DESTINATION, "CLOSURE")
    with pytest.raises(Conflict):
        await issue(sent.hackney, CLOSURE)


# --- the sweep of a stopped node ---------------------------------------------------------------------


async def test_a_node_that_stopped_between_catches_up(sent: World) -> None:
    """The notice is stored, the node dies before its clocks fire: the next look finds them."""
    issued = await issue(sent.hackney, WITHDRAWAL)
    await sent.hackney.turn()
    await sent.deliver_mail(sent.bexley)
    assert await readable(sent.bexley, "police")
    sent.clock.advance(3 * DAY)
    await sweep.sweep(sent.bexley.node)
    assert not await readable(sent.bexley, "police")
    await rest(sent)
    said = await read(sent.hackney, lambda tx: tx.notices(parent=issued.id))
    assert [row.kind for row in said] == ["PURGE_ATTESTATION"]


async def test_a_lift_of_a_restriction_that_is_not_there_is_refused(sent: World) -> None:
    lift = {"kind": "RESTRICTION_LIFTED", "role": "DPO", "reason_code": "ACCURACY_VERIFIED"}
    with pytest.raises(NotFound):
        await issue(sent.hackney, lift | {"about": "0" * 32})
    issued = await issue(sent.hackney, WITHDRAWAL)
    with pytest.raises(NotFound):
        await issue(sent.hackney, lift | {"about": issued.id})
