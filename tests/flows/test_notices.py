"""Notices: who hears them, what each side records, and who has not acknowledged yet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.errors import Conflict, NotAllowed, NotFound
from gateway.flows import dispatch, notice_answer, notice_view, notices, show
from gateway.flows.deliver import open_parked
from gateway.ports import Parcel, Side
from gateway.testing.boroughs import BEXLEY, HACKNEY, Borough, World, two_boroughs
from schemas.notice import REASONS_OF, NoticeName

REF = "HO-E09000012-2026-000417"
ROLES = ("community_safety", "police", "probation", "leaving_care", "housing", "dwp", "st_giles")
CORRECTION = {
    "kind": "CORRECTION",
    "role": "Integrated gangs team leader",
    "reason_code": "DATA_INACCURATE",
    "text": "The flat number is another one.",
    "changes": ["/core/family_name", "/orders/0/terms"],
}


async def issue(
    borough: Borough, notice: Mapping[str, Any], *, role: str = "community_safety", key: str = "n1"
) -> notices.Issued:
    words = notices.read(json.dumps(notice).encode())
    return await notices.issue(borough.node, borough.caller(role), REF, words, key=key)


async def answer(
    borough: Borough, role: str, notice: str, state: str = "ACKNOWLEDGED", **more: Any
) -> notice_answer.Answered:
    words = notice_answer.read(json.dumps({"state": state, "role": "Duty officer", **more}).encode())
    return await notice_answer.answer(borough.node, borough.caller(role), notice, words)


async def listing(borough: Borough, role: str | None = "community_safety") -> Any:
    principal = f"{borough.area}/{role}" if role else None
    return await borough.node.store.read(
        lambda tx: notice_view.listing(tx, show.find(tx, REF, principal), principal)
    )


def given(borough: Borough, role: str, kind: Parcel = Parcel.NOTICE) -> list[Any]:
    return [view for _, view in borough.desks[role].given if view.kind is kind]


@pytest.fixture
async def sent(world: World, document: dict[str, Any]) -> World:
    """Example 1, delivered to all."""
    await world.hackney.submit(document)
    await world.settle()
    return world


async def test_a_correction_reaches_every_agency_and_is_acknowledged_with_its_own_key(sent: World) -> None:
    issued = await issue(sent.hackney, CORRECTION)
    await sent.settle()
    for role in ROLES:
        (view,) = given(sent.bexley, role)
        assert (view.handover, view.content["kind"]) == (REF, "CORRECTION")
        assert view.content["view"]["notice"]["text"] == CORRECTION["text"]
    told = await listing(sent.hackney)
    assert {one["state"] for one in told["unresolved"]} == {"OPENED"}
    assert {one["principal"] for one in told["unresolved"]} == {f"{BEXLEY}/{role}" for role in ROLES}

    for role in ROLES[:-1]:
        made = await answer(sent.bexley, role, issued.id)
        assert (made.state, tuple(made.receipts)) == ("ACKNOWLEDGED", ("acknowledged",))
    await sent.settle()
    told = await listing(sent.hackney)
    assert [one["principal"] for one in told["unresolved"]] == [f"{BEXLEY}/st_giles"]
    assert told["notices"][0]["state"] == "OPEN"
    row = await sent.hackney.node.store.read(lambda tx: tx.notice(issued.id))
    signed = await sent.hackney.node.store.read(lambda tx: tx.receipts(mid=row.mid, by=f"{BEXLEY}/police"))
    assert [(one.state, one.applied) for one in signed] == [("opened", True), ("acknowledged", True)]

    await answer(sent.bexley, "st_giles", issued.id)
    await sent.settle()
    for borough in sent.boroughs:
        told = await listing(borough)
        assert (told["notices"][0]["state"], told["unresolved"]) == ("DONE", [])


async def test_no_answer_to_a_notice_moves_a_leg(sent: World) -> None:
    before = {role: leg.state for role, leg in (await sent.hackney.legs(REF)).items()}
    issued = await issue(sent.hackney, CORRECTION)
    await sent.settle()
    for role in ROLES:
        await answer(sent.bexley, role, issued.id)
    await sent.settle()
    for borough in sent.boroughs:
        assert {role: leg.state for role, leg in (await borough.legs(REF)).items()} == before


async def test_an_agency_is_told_only_of_changes_in_what_it_may_read(sent: World) -> None:
    paths = ["/core/family_name", "/history/0/what", "/orders/0/terms"]
    await issue(sent.hackney, CORRECTION | {"changes": paths})
    await sent.settle()

    def changes(role: str) -> Any:
        return given(sent.bexley, role)[0].content["view"]["notice"]["changes"]

    assert changes("police") == paths
    assert changes("dwp") == ["/core/family_name", "/orders/0/terms"]


async def test_a_receiving_agency_sees_itself_and_no_other_reader(sent: World) -> None:
    await issue(sent.hackney, CORRECTION)
    await sent.settle()
    told = await listing(sent.bexley, "housing")
    (notice,) = told["notices"]
    assert [one["principal"] for one in notice["readers"]] == [f"{BEXLEY}/housing"]
    assert not notice["sent"]
    assert notice["peer"] == HACKNEY


async def test_the_same_key_brings_the_same_notice_and_other_words_are_refused(sent: World) -> None:
    first = await issue(sent.hackney, CORRECTION)
    again = await issue(sent.hackney, CORRECTION)
    assert (again.ids, again.repeated) == (first.ids, True)
    with pytest.raises(Conflict) as caught:
        await issue(sent.hackney, CORRECTION | {"text": "Something else."})
    assert caught.value.code == "idempotency_key_reused"
    await sent.settle()
    assert len(given(sent.bexley, "police")) == 1


@pytest.mark.parametrize("kind", ["WITHDRAWAL", "UNLAWFUL_DISCLOSURE", "CLOSURE"])
async def test_a_counterpart_does_not_end_what_another_agency_handed_in(sent: World, kind: str) -> None:
    reason = min(REASONS_OF[NoticeName(kind)])
    ended = {"kind": kind, "role": "Sergeant", "reason_code": reason}
    with pytest.raises(NotAllowed) as caught:
        await issue(sent.hackney, ended, role="police")
    assert (caught.value.code, caught.value.field) == ("notice_submitter", "/kind")
    assert "community_safety" in caught.value.remedy
    assert (await listing(sent.hackney))["notices"] == []
    assert (await issue(sent.hackney, CORRECTION, role="police")).ids, "it corrects what is its own"


async def test_who_handed_it_in_sees_a_question_that_is_put_to_a_counterpart(sent: World) -> None:
    asked = {
        "kind": "INFORMATION_REQUEST",
        "role": "Sergeant",
        "reason_code": "INFORMATION_MISSING",
        "asks": ["/support/pathway_plan_ref"],
    }
    await issue(sent.bexley, asked, role="police")
    await sent.settle()
    for role in ("community_safety", "police"):
        (seen,) = (await listing(sent.hackney, role))["notices"]
        assert seen["kind"] == "INFORMATION_REQUEST"
    assert (await listing(sent.hackney, "housing"))["notices"] == []


async def test_only_the_origin_corrects_and_only_its_own(sent: World) -> None:
    with pytest.raises(NotAllowed) as caught:
        await issue(sent.bexley, CORRECTION)
    assert caught.value.code == "notice_side"
    with pytest.raises(NotFound):
        await notices.issue(
            sent.hackney.node,
            sent.hackney.caller("community_safety"),
            "HO-E09000012-2026-000999",
            notices.read(json.dumps(CORRECTION).encode()),
            key="n1",
        )
    with pytest.raises(NotAllowed) as caught:
        await issue(sent.hackney, CORRECTION | {"to": ["POLICE"]})
    assert caught.value.code == "notice_audience"


async def test_what_is_done_is_on_record_at_both_sides(sent: World) -> None:
    issued = await issue(sent.hackney, CORRECTION)
    ours = await sent.hackney.node.store.read(lambda tx: tx.accesses(ref=REF))
    told = [row for row in ours if row.justification == "NOTICE_CORRECTION"]
    assert {row.recipients for row in told if row.operation == "DISCLOSURE"} == {
        (f"{BEXLEY}/{role}",) for role in ROLES
    }
    assert [row.operation for row in told].count("ALTERATION") == 1
    await sent.settle()
    await answer(sent.bexley, "police", issued.id)
    theirs = await sent.bexley.node.store.read(lambda tx: tx.accesses(ref=REF))
    mine = [row for row in theirs if row.principal == f"{BEXLEY}/police"]
    assert [row.operation for row in mine] == ["ALTERATION", "DISCLOSURE", "DISCLOSURE"]


async def test_a_repeated_answer_signs_nothing_again(sent: World) -> None:
    issued = await issue(sent.hackney, CORRECTION)
    await sent.settle()
    await answer(sent.bexley, "police", issued.id)
    made = await answer(sent.bexley, "police", issued.id)
    assert (made.repeated, tuple(made.receipts)) == (True, ())


async def test_a_notice_is_not_acknowledged_unread_and_not_by_another(document: dict[str, Any]) -> None:
    async with two_boroughs(pulling=["police"]) as world:
        await world.hackney.submit(document)
        await world.settle()
        issued = await issue(world.hackney, CORRECTION)
        await world.settle()
        with pytest.raises(Conflict) as caught:
            await answer(world.bexley, "police", issued.id)
        assert caught.value.code == "not_opened"
        leg = (await world.bexley.legs(REF))["police"]
        caller = world.bexley.caller("police")
        with pytest.raises(Conflict) as caught:
            await open_parked(
                world.bexley.node, caller, f"notification-{leg.id}", justification="ALLOCATED_CASE"
            )
        assert caught.value.code == "notice_first"
        parcel = f"notice-{issued.id}-{leg.id}"
        view = await open_parked(world.bexley.node, caller, parcel, justification="ALLOCATED_CASE")
        assert view.content["heading"] == "Something in this handover is wrong"
        await answer(world.bexley, "police", issued.id)
        await open_parked(world.bexley.node, caller, f"notification-{leg.id}", justification="ALLOCATED_CASE")
        with pytest.raises(NotFound):
            await answer(world.bexley, "police", "0" * 32)


async def test_the_adapter_never_sees_the_handover_before_its_correction(
    world: World, document: dict[str, Any]
) -> None:
    """Both come while the agencies' systems are away: whatever order the pumps take, the notice is first."""
    await world.hackney.submit(document)
    await issue(world.hackney, CORRECTION)
    await world.hackney.turn()
    await world.deliver_mail(world.bexley)
    await world.settle()
    for role in ROLES:
        kinds = [view.kind for _, view in world.bexley.desks[role].given]
        assert kinds == [Parcel.NOTICE, Parcel.NOTIFICATION], role


async def test_a_notice_that_overtakes_its_handover_is_kept_and_shown_first(
    world: World, document: dict[str, Any]
) -> None:
    await world.hackney.submit(document)
    await issue(world.hackney, CORRECTION)
    await dispatch.dispatch(world.hackney.node, dispatch.URGENT)
    await world.deliver_mail(world.bexley)
    assert await world.bexley.node.store.read(lambda tx: tx.handover(REF)) is None
    rows = await world.bexley.node.store.read(lambda tx: tx.notices(ref=REF))
    assert [(row.kind, row.side) for row in rows] == [("CORRECTION", Side.DESTINATION)]
    await world.settle()
    for role in ROLES:
        kinds = [view.kind for _, view in world.bexley.desks[role].given]
        assert kinds == [Parcel.NOTICE, Parcel.NOTIFICATION], role
