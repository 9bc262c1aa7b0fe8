"""A household of two children, a young person who comes of age on the way, an agency that is not the right
one: scenarios about who somebody is, through two whole nodes."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from gateway.errors import GatewayError, InvalidDocument, NotAllowed
from gateway.flows.deliver import open_parked
from gateway.ports import Parcel
from gateway.testing.anywhere import boroughs
from gateway.testing.boroughs import World
from tests.scenarios.story import (
    DAY,
    absent,
    answer_all,
    ask,
    chain,
    check_history,
    fixture,
    given,
    issued_at,
    page,
    ref_of,
    text_of,
    told,
    why,
)

CROYDON, ENFIELD = "E09000008", "E09000010"
BARNET, SUTTON = "E09000003", "E09000029"
HARINGEY, MERTON = "E09000014", "E09000024"
CARE = "childrens_social_care"


# --- a sibling household as two handovers ---------------------------------------------------------------


async def test_siblings_are_two_handovers_and_no_word_of_one_stands_in_the_others() -> None:
    elder, younger = fixture("sibling_elder"), fixture("sibling_younger")
    async with boroughs(CROYDON, ENFIELD, at=issued_at(elder)) as world:
        croydon, enfield = world.boroughs
        for key, document in (("k1", elder), ("k2", younger)):
            await croydon.submit(document, role=CARE, key=key)
        await world.settle()
        for mine, other in ((elder, younger), (younger, elder)):
            only = (other["core"]["given_names"].split()[0], *other["core"]["known_as"], ref_of(other))
            only = (*only, other["core"]["date_of_birth"], other["support"]["education_training"])
            for agency in told(mine):
                text = text_of(enfield, agency.lower(), ref=ref_of(mine))
                assert mine["core"]["given_names"] in text, agency
                absent(text, only)
        for role in ("housing", "police", CARE):
            assert len(given(enfield, role)) == 2, "two parcels, each its own record and its own clock"


async def test_siblings_each_is_taken_on_by_itself() -> None:
    """The desk answers for one child; the other stays the first borough's until it is answered for, too."""
    elder, younger = fixture("sibling_elder"), fixture("sibling_younger")
    async with boroughs(CROYDON, ENFIELD, at=issued_at(elder)) as world:
        croydon, enfield = world.boroughs
        for key, document in (("k1", elder), ("k2", younger)):
            await croydon.submit(document, role=CARE, key=key)
        await world.settle()
        await answer_all(enfield, ref_of(elder))
        await world.settle()
        seen = {name: await page(croydon, CARE, ref_of(d)) for name, d in (("e", elder), ("y", younger))}
        assert seen["e"]["responsible"]["CHILDRENS_SOCIAL_CARE"] == f"{ENFIELD}/{CARE}"
        assert seen["y"]["responsible"]["CHILDRENS_SOCIAL_CARE"] == f"{CROYDON}/{CARE}"
        assert seen["y"]["summary"].startswith("0 of 5 agencies of Enfield")
        for document in (elder, younger):
            await check_history(world, ref_of(document))
        entries = (await ask(enfield, CARE, "/v1/handovers"))["handovers"]
        absent(json.dumps(entries), ["Robin", "Charlie", "SAMPLE", elder["core"]["date_of_birth"]])


async def test_siblings_in_one_document_are_refused() -> None:
    """A second person does not fit the shape, wherever somebody would put one."""
    elder, younger = fixture("sibling_elder"), fixture("sibling_younger")
    both: list[Any] = [elder | {name: [younger["core"]]} for name in ("siblings", "subjects", "household")]
    for section in ("core", "support", "safeguarding"):
        both.append(copy.deepcopy(elder))
        both[-1][section]["siblings"] = [younger["core"]]
    both.append(copy.deepcopy(elder) | {"core": [elder["core"], younger["core"]]})
    both.append([elder, younger])
    async with boroughs(CROYDON, ENFIELD, at=issued_at(elder)) as world:
        for number, document in enumerate(both):
            with pytest.raises(InvalidDocument):
                await world.of(CROYDON).submit(json.dumps(document).encode(), role=CARE, key=f"k{number}")
        naming = copy.deepcopy(elder)
        naming["associates"] = [
            {
                "third_party_id": "TP01",
                "label": "Charlie",
                "in_order": "ORD1",
                "why_included": "sister",
                "visible_to": ["POLICE"],
            }
        ]
        with pytest.raises(NotAllowed) as caught:
            await world.of(CROYDON).submit(naming, role=CARE, key="k99")
        assert "R8" in {problem.rule for problem in caught.value.problems}


# --- a young person turns 18 between issue and acceptance -------------------------------------------------


async def test_turning_18_every_agency_that_was_told_is_told_of_the_birthday_and_answers_as_before() -> None:
    """Issued on 24 November, 18 on 1 December, opened on 2 December."""
    document = fixture("turning_18")
    waiting = [agency.lower() for agency in told(document)]
    async with boroughs(BARNET, SUTTON, at=issued_at(document), pulling=waiting) as world:
        barnet, sutton = world.boroughs
        ref = (await barnet.submit(document)).ref
        await world.settle()
        world.clock.advance(8 * DAY)
        for role in waiting:
            caller = sutton.caller(role)
            leg = (await sutton.legs(ref))[role]
            view = await open_parked(
                sutton.node, caller, f"notification-{leg.id}", justification="ALLOCATED_CASE"
            )
            assert "turned 18" in str(view.content["since_issue"]), role
            await sutton.answer(role, leg.id)
        await world.settle()
        seen = await page(barnet, "community_safety", ref)
        who = seen["responsible"]
        assert who["YOUTH_JUSTICE"] == f"{BARNET}/youth_justice", "caretaking: home, until the review"
        assert who["LEAVING_CARE"] == f"{BARNET}/leaving_care", "the responsible authority does not change"
        assert who["CHILDRENS_SOCIAL_CARE"] == f"{SUTTON}/{CARE}"
        assert who["EDUCATION"] == f"{SUTTON}/education"
        assert "CHILDRENS_SOCIAL_CARE" in told(document)
        await check_history(world, ref)


async def test_turning_18_a_childrens_service_may_say_that_the_person_is_no_longer_theirs() -> None:
    document = fixture("turning_18")
    async with boroughs(BARNET, SUTTON, at=issued_at(document)) as world:
        barnet, sutton = world.boroughs
        ref = (await barnet.submit(document)).ref
        await world.settle()
        world.clock.advance(8 * DAY)
        for role, state in (
            (CARE, "DECLINED_NOT_RELEVANT"),
            ("education", "DECLINED_NOT_RELEVANT"),
            ("leaving_care", "ACCEPTED"),
            ("youth_justice", "ACCEPTED"),
        ):
            leg = (await sutton.legs(ref))[role]
            more = {"reason_code": "OUT_OF_AGE_RANGE"} if state != "ACCEPTED" else {}
            await sutton.answer(role, leg.id, state, **more)
        await world.settle()
        seen = await page(barnet, CARE, ref)
        states = {leg["agency"]: leg["state"] for leg in seen["legs"]}
        assert states["CHILDRENS_SOCIAL_CARE"] == "DECLINED_NOT_RELEVANT"
        # Nobody at the other end has the child's case: whoever sent it still has it.
        assert seen["responsible"]["CHILDRENS_SOCIAL_CARE"] == f"{BARNET}/{CARE}"
        assert seen["responsible"]["LEAVING_CARE"] == f"{BARNET}/leaving_care"
        replies = [view.content for view in given(barnet, CARE, Parcel.REPLY)]
        assert [reply["reply"]["reason_code"] for reply in replies] == ["OUT_OF_AGE_RANGE"]  # type: ignore[index]


async def test_turning_18_the_next_version_is_judged_on_its_own_day() -> None:
    """An adult now: children's social care and school are refused, probation and a claim are possible."""
    document = fixture("turning_18")
    async with boroughs(BARNET, SUTTON, at=issued_at(document)) as world:
        barnet, sutton = world.boroughs
        ref = (await barnet.submit(document)).ref
        await world.settle()
        world.clock.advance(8 * DAY)
        again = copy.deepcopy(document)
        again["message"] |= {
            "version": 2,
            "supersedes": document["message"]["message_id"],
            "message_id": "00000062-1111-4222-8333-444455556666",
            "issued_at": "2026-12-02T10:05:00+00:00",
        }
        again["data_quality"]["verified_at"] = "2026-12-02T09:30:00+00:00"
        again["core"]["age_at_issue"] = 18
        with pytest.raises(NotAllowed) as caught:
            await barnet.submit(again, key="k2")
        assert {problem.rule for problem in caught.value.problems} == {"R12", "R5"}
        for agency in ("CHILDRENS_SOCIAL_CARE", "EDUCATION"):
            again["routing"]["recipients"] = [
                one for one in again["routing"]["recipients"] if one["agency"] != agency
            ]
            again["actions"] = [one for one in again["actions"] if one["agency"] != agency]
            again["routing"]["not_relevant"].append({"agency": agency, "reason": "OUT_OF_AGE_RANGE"})
        again["lawful_basis"] = [one for one in again["lawful_basis"] if one["id"] != "LBC"]
        del again["safeguarding"], again["core"]["parent_or_carer_informed"]
        await barnet.submit(again, key="k2")
        await world.settle()
        seen = await page(barnet, "community_safety", ref)
        assert {leg["agency"] for leg in seen["legs"]} == set(told(again))
        assert given(sutton, CARE, Parcel.NOTICE)[0].content["view"]["notice"]["left_out"] is True


# --- an agency that declines and names the right one ------------------------------------------------------


def second_version() -> dict[str, Any]:
    """To probation in place of youth justice."""
    document = fixture("wrong_agency")
    document["message"] |= {
        "version": 2,
        "supersedes": document["message"]["message_id"],
        "message_id": "00000072-1111-4222-8333-444455556666",
        "issued_at": "2026-11-25T10:05:00+00:00",
    }
    document["data_quality"]["verified_at"] = "2026-11-25T09:30:00+00:00"
    routing = document["routing"]
    for entry in routing["recipients"]:
        if entry["agency"] == "YOUTH_JUSTICE":
            entry["agency"] = "PROBATION"
    routing["not_relevant"] = [{"agency": "YOUTH_JUSTICE", "reason": "OUT_OF_AGE_RANGE"}]
    document["actions"] = [one for one in document["actions"] if one["agency"] != "YOUTH_JUSTICE"]
    document["actions"].append(
        {
            "action_id": "T90", "agency": "PROBATION", "code": "PR-01", "title": "Name the practitioner",
            "due_at": "2026-12-02T17:00:00+00:00", "blocks_closure": True,
        }
    )  # fmt: skip
    for assertion in document["history"]:
        assertion["visible_to"] = ["POLICE", "PROBATION"]
    for order in document["orders"]:
        for term in order["conditions"]:
            term["visible_to"] = ["COMMUNITY_SAFETY", "POLICE", "PROBATION"]
    return document


async def decline(world: World, ref: str) -> None:
    merton = world.of(MERTON)
    leg = (await merton.legs(ref))["youth_justice"]
    await merton.answer(
        "youth_justice",
        leg.id,
        "DECLINED_NOT_RELEVANT",
        reason_code="OUT_OF_AGE_RANGE",
        reason_text="Over 18: probation supervises the order here.",
        suggested_agency="PROBATION",
    )
    await world.settle()


async def test_declined_the_sender_is_told_which_agency_is_the_right_one_and_what_to_do() -> None:
    document = fixture("wrong_agency")
    async with boroughs(HARINGEY, MERTON, at=issued_at(document)) as world:
        haringey, merton = world.boroughs
        ref = (await haringey.submit(document)).ref
        await world.settle()
        await decline(world, ref)
        for role in ("community_safety", "police"):
            await merton.answer(role, (await merton.legs(ref))[role].id)
        await world.settle()
        seen = await page(haringey, "youth_justice", ref)
        assert seen["summary"] == (
            "2 of 3 agencies of Merton have taken this on; YOUTH_JUSTICE did not: see why, and what to do; "
            "nobody is left to answer."
        )
        assert seen["responsible"]["YOUTH_JUSTICE"] == f"{HARINGEY}/youth_justice"
        (reply,) = given(haringey, "youth_justice", Parcel.REPLY)
        assert reply.content["reply"]["suggested_agency"] == "PROBATION"
        line = (await why(haringey, "youth_justice", ref))["YOUTH_JUSTICE"]
        assert (line["where"], line["turn"]) == ("not taken on", f"{HARINGEY}/youth_justice")
        assert "hand in a new version" in line["fix"]
        # The words are the two youth justice services' alone.
        for role in ("police", "community_safety"):
            assert given(haringey, role, Parcel.REPLY) == [] or "probation" not in json.dumps(
                [dict(one.content) for one in given(haringey, role, Parcel.REPLY)]
            )
        await check_history(world, ref)


async def test_declined_version_2_goes_to_the_right_one_and_at_no_moment_is_it_nobodys() -> None:
    document = fixture("wrong_agency")
    async with boroughs(HARINGEY, MERTON, at=issued_at(document)) as world:
        haringey, merton = world.boroughs
        ref = (await haringey.submit(document)).ref
        await world.settle()
        await decline(world, ref)
        world.clock.advance(DAY)
        await haringey.submit(second_version(), key="k2")
        moments = []
        for _ in range(6):
            moments.append((await page(haringey, "community_safety", ref))["responsible"])
            await haringey.turn()
            await world.deliver_mail(merton)
            await merton.turn()
            await world.deliver_mail(haringey)
        await answer_all(merton, ref, version=2)
        moments.append((await page(haringey, "community_safety", ref))["responsible"])
        await world.settle()
        seen = await page(haringey, "community_safety", ref)
        assert all(who for moment in moments for who in moment.values())
        assert {moment["PROBATION"] for moment in moments} == {f"{HARINGEY}/probation"}
        assert seen["responsible"]["PROBATION"] == f"{MERTON}/probation"
        assert seen["version"] == 2
        first = await page(haringey, "youth_justice", ref, version=1)
        assert first["state"] == "SUPERSEDED"
        assert {leg["agency"]: leg["state"] for leg in first["legs"]}[
            "YOUTH_JUSTICE"
        ] == "DECLINED_NOT_RELEVANT"
        assert await chain(haringey, ref, f"{MERTON}/youth_justice") == ["opened", "acknowledged", "declined"]
        assert len(given(merton, "youth_justice")) == 1, "it is not told the second version"
        notice = given(merton, "youth_justice", Parcel.NOTICE)[0].content
        assert notice["view"]["notice"]["left_out"] is True
        assert "counts no more" in notice["asked"]
        assert "Read the new version" in given(merton, "police", Parcel.NOTICE)[0].content["asked"]
        assert len(given(merton, "probation")) == 1
        await check_history(world, ref)
        await check_history(world, ref, version=2)


async def test_declined_nobody_names_an_agency_with_a_plain_yes() -> None:
    """A suggestion stands with an answer that turns the handover away, and with no other."""
    document = fixture("wrong_agency")
    async with boroughs(HARINGEY, MERTON, at=issued_at(document)) as world:
        ref = (await world.of(HARINGEY).submit(document)).ref
        await world.settle()
        leg = (await world.of(MERTON).legs(ref))["youth_justice"]
        with pytest.raises(GatewayError):
            await world.of(MERTON).answer("youth_justice", leg.id, "ACCEPTED", suggested_agency="PROBATION")
