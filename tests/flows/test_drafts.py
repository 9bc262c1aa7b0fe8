"""A document that needs a second person: sealed until one agrees, issued then, or destroyed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.core.deadlines import add_working_days
from gateway.core.urgent import owed_by
from gateway.errors import Conflict, NotAllowed, NotFound
from gateway.flows import drafts, shred
from gateway.flows.submit import Submitted
from gateway.testing.anywhere import ALL, boroughs
from gateway.testing.boroughs import START, Borough, World
from keys_example import AGENCIES
from schemas.samples import example_text

HACKNEY, BEXLEY = "E09000012", "E09000004"
SENDER = "community_safety"
HOUR = 3600


@pytest.fixture
async def world() -> AsyncIterator[World]:
    roles = {BEXLEY: {**ALL, **AGENCIES}}
    async with boroughs(HACKNEY, BEXLEY, at=START, roles=roles) as world:
        yield world


def many() -> dict[str, Any]:
    """Nine recipients: one more than one person may decide."""
    document = json.loads(example_text("adult"))
    for agency, basis in (("HEALTH", "LB3"), ("VICTIM_SUPPORT", "LB3")):
        document["routing"]["recipients"].append(
            {"agency": agency, "sections": ["core", "contacts"], "lawful_basis": [basis]}
        )
    return document


def unreliable() -> dict[str, Any]:
    document = json.loads(example_text("adult"))
    graded = [item for item in document["history"] if item.get("grading")]
    graded[0]["grading"]["source"] = 3
    return document


async def hold(
    borough: Borough, document: dict[str, Any], actor: str = "staff-1", key: str = "k1"
) -> Submitted:
    body = json.dumps(document).encode()
    return await drafts.hold(borough.node, borough.caller(SENDER, actor), body, key=key)


async def agree(
    borough: Borough, ref: str, actor: str = "staff-2", role: str = "police"
) -> drafts.Authorised:
    return await drafts.authorise(borough.node, borough.caller(role, actor), ref)


@pytest.mark.parametrize("made", [many, unreliable])
async def test_only_the_second_person_is_missing_so_it_rests_as_a_draft(world: World, made: Any) -> None:
    hackney = world.of(HACKNEY)
    document = made()
    held = await hold(hackney, document)
    assert held.state == "DRAFT"
    await world.settle()
    assert await hackney.node.store.read(lambda tx: tx.handover(held.ref)) is None
    assert not world.of(BEXLEY).desks["police"].given
    done = await agree(hackney, held.ref)
    assert done.state == "ISSUED"
    await world.settle()
    assert world.of(BEXLEY).desks["police"].given
    assert await hackney.node.store.read(lambda tx: tx.draft(held.ref)) is None


async def test_the_document_carries_who_agreed_and_why(world: World) -> None:
    hackney = world.of(HACKNEY)
    held = await hold(hackney, many())
    world.clock.advance(HOUR)
    await agree(hackney, held.ref)
    await world.settle()
    [(_, view), *_] = world.of(BEXLEY).desks["police"].given
    [given] = view.content["view"]["message"]["authorisations"]  # type: ignore[index, call-overload]
    assert given == {
        "role": "Duty officer",
        "agency": "POLICE",
        "area": HACKNEY,
        "at": "2026-11-24T11:05:00+00:00",
        "why": "more than 8 recipients",
    }


async def test_a_draft_holds_no_word_of_the_document(world: World) -> None:
    hackney = world.of(HACKNEY)
    document = many()
    document["core"]["family_name"] = "ZEBULONQUUX"
    held = await hold(hackney, document)
    draft = await hackney.node.store.read(lambda tx: tx.draft(held.ref))
    assert draft is not None
    stored = repr(draft).encode() + draft.body + draft.secrets
    assert b"ZEBULONQUUX" not in stored
    assert b"family_name" not in stored


async def test_once_it_is_issued_no_copy_of_the_database_opens_the_draft(world: World) -> None:
    hackney = world.of(HACKNEY)
    held = await hold(hackney, many())
    copy = await hackney.node.store.read(lambda tx: tx.draft(held.ref))
    assert copy is not None
    assert b"Jordan" in drafts._unseal(hackney.node, copy)
    await agree(hackney, held.ref)
    await shred.resume(hackney.node)
    with pytest.raises(NotFound):
        drafts._unseal(hackney.node, copy)


async def test_a_draft_that_nobody_authorises_is_destroyed_after_five_working_days(world: World) -> None:
    hackney = world.of(HACKNEY)
    held = await hold(hackney, many())
    copy = await hackney.node.store.read(lambda tx: tx.draft(held.ref))
    assert copy is not None
    assert copy.expires == add_working_days(START, 5)
    world.clock.advance(copy.expires - START - 1)
    await world.settle()
    assert await hackney.node.store.read(lambda tx: tx.draft(held.ref)) == copy
    world.clock.advance(1)
    await world.settle()
    await shred.resume(hackney.node)
    assert await hackney.node.store.read(lambda tx: tx.draft(held.ref)) is None
    with pytest.raises(NotFound):
        drafts._unseal(hackney.node, copy)
    rows = await hackney.node.store.read(lambda tx: tx.access_rows(0, 100))
    assert ("ERASURE", "DRAFT_EXPIRED") in [(row.operation, row.justification) for _, row in rows]
    found = await hackney.node.store.read(lambda tx: tx.alarms(cleared=False, limit=50))
    assert ("draft_expired", held.ref) in [(row.code, row.subject) for row in found]
    with pytest.raises(NotFound):
        await agree(hackney, held.ref)


async def test_compaction_of_a_month_keeps_the_keys_of_its_drafts(world: World) -> None:
    """Handed in on the last day of a month, authorised after it."""
    hackney = world.of(HACKNEY)
    world.clock.advance(6 * 86_400)  # 30 November
    document = many()
    document["data_quality"]["verified_at"] = "2026-11-30T09:00:00+00:00"
    held = await hold(hackney, document)
    world.clock.advance(3 * 86_400)
    await shred._compact(hackney.node, "2026-11")
    draft = await hackney.node.store.read(lambda tx: tx.draft(held.ref))
    assert draft is not None
    assert drafts._unseal(hackney.node, draft)


async def test_nobody_authorises_what_the_same_person_handed_in(world: World) -> None:
    hackney = world.of(HACKNEY)
    held = await hold(hackney, many(), actor="staff-1")
    for role in (SENDER, "police"):
        with pytest.raises(NotAllowed) as caught:
            await agree(hackney, held.ref, actor="staff-1", role=role)
        assert caught.value.code == "same_person"
    with pytest.raises(NotAllowed):
        await agree(hackney, held.ref, actor="")
    assert await hackney.node.store.read(lambda tx: tx.handover(held.ref)) is None


async def test_both_persons_stand_in_the_log_and_the_opening_before_the_issue(world: World) -> None:
    hackney = world.of(HACKNEY)
    held = await hold(hackney, many())
    await agree(hackney, held.ref)
    rows = [row for _, row in await hackney.node.store.read(lambda tx: tx.access_rows(0, 100))]
    told = [(row.operation, row.justification, row.actor) for row in rows if row.ref == held.ref]
    assert told[0] == ("COLLECTION", "DRAFT", "staff-1")
    assert told[1] == ("CONSULTATION", "AUTHORISATION", "staff-2")
    assert told[2] == ("COLLECTION", "HANDOVER", "staff-1")
    assert ("ALTERATION", "AUTHORISED", "staff-2") in told
    leaves = b"".join(leaf for _, leaf in await hackney.node.store.read(lambda tx: tx.log(0, 100)))
    assert b'"t":"draft"' in leaves
    assert b'"t":"authorised"' in leaves


async def test_a_colleague_of_the_same_agency_reads_a_draft_on_record_and_nobody_else(world: World) -> None:
    hackney = world.of(HACKNEY)
    held = await hold(hackney, many())
    read = await drafts.show(
        hackney.node, hackney.caller(SENDER, "staff-2"), held.ref, justification="SUPERVISION"
    )
    assert read["core"]["family_name"] == "EXAMPLE"  # type: ignore[index, call-overload]
    rows = [row for _, row in await hackney.node.store.read(lambda tx: tx.access_rows(0, 100))]
    assert (rows[-1].operation, rows[-1].justification, rows[-1].actor) == (
        "CONSULTATION",
        "SUPERVISION",
        "staff-2",
    )
    with pytest.raises(NotFound):
        await drafts.show(hackney.node, hackney.caller("police"), held.ref, justification="SUPERVISION")
    assert len(await hackney.node.store.read(lambda tx: tx.access_rows(0, 100))) == len(rows)


async def test_another_fault_is_refused_and_leaves_no_draft(world: World) -> None:
    hackney = world.of(HACKNEY)
    document = many()
    document["lawful_basis"][0]["dsa_ref"] = None
    with pytest.raises(NotAllowed) as caught:
        await hold(hackney, document)
    assert [problem.rule for problem in caught.value.problems] == ["R5"]
    assert await hackney.node.store.read(lambda tx: tx.drafts()) == []


async def test_what_lacks_nobody_is_issued_at_once(world: World) -> None:
    hackney = world.of(HACKNEY)
    held = await hold(hackney, json.loads(example_text("adult")))
    assert held.state == "ISSUED"
    assert await hackney.node.store.read(lambda tx: tx.drafts()) == []


async def test_a_document_that_carries_its_second_person_goes_the_old_way(world: World) -> None:
    hackney = world.of(HACKNEY)
    document = many()
    document["message"]["authorisations"] = [
        {"role": "Head of service", "agency": "COMMUNITY_SAFETY", "area": HACKNEY}
    ]
    made = await hackney.submit(document)
    assert made.state == "ISSUED"


async def test_the_same_hand_in_again_is_the_same_draft(world: World) -> None:
    hackney = world.of(HACKNEY)
    first = await hold(hackney, many())
    again = await hold(hackney, many())
    assert (again.ref, again.state, again.repeated) == (first.ref, "DRAFT", True)
    assert len(await hackney.node.store.read(lambda tx: tx.drafts())) == 1
    with pytest.raises(Conflict) as caught:
        await hold(hackney, many(), key="k2")
    assert caught.value.code == "draft_exists"
    await agree(hackney, first.ref)
    issued = await hold(hackney, many())
    assert (issued.state, issued.repeated) == ("ISSUED", True)


async def test_it_is_judged_anew_when_it_is_authorised(world: World) -> None:
    """Verified more than five days ago by then."""
    hackney = world.of(HACKNEY)
    document = many()
    document["data_quality"]["verified_at"] = "2026-11-20T09:00:00+00:00"
    held = await hold(hackney, document)
    world.clock.advance(3 * 86_400)
    with pytest.raises(NotAllowed) as caught:
        await agree(hackney, held.ref)
    assert [problem.rule for problem in caught.value.problems] == ["R3"]
    assert await hackney.node.store.read(lambda tx: tx.draft(held.ref)) is not None


async def test_a_draft_is_not_authorised_in_another_area(world: World) -> None:
    held = await hold(world.of(HACKNEY), many())
    with pytest.raises(NotFound):
        await agree(world.of(BEXLEY), held.ref)


# --- URGENT after the event -----------------------------------------------------------------------------


def urgent() -> dict[str, Any]:
    document = json.loads(example_text("adult"))
    document["message"]["urgency"] = "URGENT"
    document["urgent"] = {"trigger": "CREDIBLE_THREAT", "evidence_ref": "CRIME-0000001/26"}
    document["move"]["new_address"]["visible_to"] = ["POLICE"]
    return document


async def test_an_urgent_handover_is_issued_at_once_and_agreed_to_after_the_event(world: World) -> None:
    hackney = world.of(HACKNEY)
    made = await hackney.submit(urgent())
    assert made.state == "ISSUED"
    row = await hackney.node.store.read(lambda tx: tx.urgent(made.ref))
    assert row is not None
    assert row.authorised == 0
    with pytest.raises(NotAllowed) as caught:
        await agree(hackney, made.ref, actor="staff-0001")
    assert caught.value.code == "same_person"
    world.clock.advance(HOUR)
    await agree(hackney, made.ref)
    row = await hackney.node.store.read(lambda tx: tx.urgent(made.ref))
    assert row is not None
    assert row.authorised == START + HOUR
    with pytest.raises(Conflict):
        await agree(hackney, made.ref, actor="staff-3")
    world.clock.advance(owed_by(START) - START)
    await world.settle()
    found = await hackney.node.store.read(lambda tx: tx.alarms(cleared=False, limit=50))
    assert "urgent_unauthorised" not in [row.code for row in found]


async def test_a_standard_handover_waits_for_nobody(world: World) -> None:
    made = await world.of(HACKNEY).submit(json.loads(example_text("adult")))
    with pytest.raises(Conflict) as caught:
        await agree(world.of(HACKNEY), made.ref)
    assert caught.value.code == "authorised"
