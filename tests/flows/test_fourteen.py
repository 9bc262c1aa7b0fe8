"""Each of the fourteen agencies, through two real nodes: its view, its actions and dates, its answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core import audience
from gateway.core.actions import deadline
from gateway.core.entitlements import ENTITLEMENTS
from gateway.errors import InvalidDocument, NotAllowed
from gateway.flows import acknowledge, deliver
from gateway.ports import ActionState, Parcel
from gateway.testing.anywhere import boroughs
from gateway.testing.boroughs import BEXLEY, HACKNEY, World, sections
from gateway.testing.people import adult, everything, numbered, single_point, told, young_person
from schemas.acknowledgement import REASONS_FOR, AcknowledgementState, ReasonCode
from schemas.actions import ACTIONS, may_answer
from schemas.handover import parse_notification, to_document
from schemas.vocabulary import LEGACY_AGENCIES, Agency

CHILDS = ("YOUTH_JUSTICE", "CHILDRENS_SOCIAL_CARE", "EDUCATION")
TURNED_AWAY = ("REJECTED", "RETURNED", "DECLINED_NOT_RELEVANT", "INFO_REQUESTED")
EVERY = [agency.value for agency in Agency]


def document_for(agency: str) -> dict[str, Any]:
    """A lawful handover in which this agency has a part, asked everything that the catalogue knows of it."""
    if agency in CHILDS:
        return everything(young_person())
    return everything(single_point(adult()) if agency == "SPOC" else told(agency, of=adult()))


def without_organisations(document: dict[str, Any]) -> dict[str, Any]:
    for entry in document["routing"]["recipients"]:
        entry.pop("organisation", None)
    return document


async def sent(world: World, document: dict[str, Any], number: int = 1) -> str:
    body = numbered(without_organisations(document), number)
    ref = (await world.hackney.submit(body, key=f"k{number}")).ref
    await world.settle()
    return ref


async def actions_of(world: World, agency: str, ref: str) -> Any:
    leg = (await world.hackney.legs(ref))[agency.lower()]
    return {row.action: row for row in await world.hackney.node.store.read(lambda tx: tx.actions(leg.id))}


async def say(world: World, agency: str, leg: str, action: str, **more: Any) -> None:
    answer = acknowledge.read_action(json.dumps({"role": "Duty officer", **more}).encode())
    caller = world.bexley.caller(agency.lower())
    await acknowledge.answer_action(world.bexley.node, caller, leg, action, answer)


@pytest.mark.parametrize("agency", EVERY)
async def test_it_is_shown_exactly_its_own_view_with_its_actions_and_their_dates(agency: str) -> None:
    document = without_organisations(document_for(agency))
    async with boroughs(HACKNEY, BEXLEY) as world:
        ref = await sent(world, document)
        [(_, view)] = world.bexley.desks[agency.lower()].given
        content = to_document(parse_notification(json.dumps(numbered(document, 1)).encode()))
        named = [entry["agency"] for entry in document["routing"]["recipients"]]
        readers = [audience.Reader(f"{BEXLEY}/{one.lower()}", one, at) for at, one in enumerate(named)]
        mine = f"{BEXLEY}/{agency.lower()}"
        parts = audience.cut(content, readers, ENTITLEMENTS)
        assert sections(view) == audience.merge([part.sections for part in parts if mine in part.readers])
        leg = (await world.bexley.legs(ref))[agency.lower()]
        wanted = [one for one in document["actions"] if one["agency"] == agency]
        asked: Any = view.content.get("asked", [])
        assert [(one["action_id"], one["code"], one["title"]) for one in asked] == [
            (one["action_id"], one["code"], one["title"]) for one in wanted
        ]
        for one in asked:
            due = deadline(one["code"], "STANDARD", received=leg.delivered).due
            assert (one["due"] is None) == (not due)
        rows = await actions_of(world, agency, ref)
        assert list(rows) == [one["action_id"] for one in wanted]
        for row in rows.values():
            assert row.due == deadline(row.code, "STANDARD", received=leg.delivered).due
        assert {ACTIONS[row.code].agency for row in rows.values()} <= {agency}


@pytest.mark.parametrize("agency", EVERY)
async def test_it_takes_each_answer_that_it_may_give_about_each_action_and_refuses_every_other(
    agency: str,
) -> None:
    async with boroughs(HACKNEY, BEXLEY) as world:
        ref = await sent(world, document_for(agency))
        leg = (await world.bexley.legs(ref))[agency.lower()]
        await world.bexley.answer(agency.lower(), leg.id, "ACCEPTED")
        for row in (await actions_of(world, agency, ref)).values():
            may = may_answer(row.code)
            for reason in ReasonCode:
                say_it = say(world, agency, leg.id, row.action, result="NOT_DONE", reason_code=reason.value)
                if reason in may.reasons:
                    await say_it
                    continue
                with pytest.raises(InvalidDocument) as refused:
                    await say_it
                assert "/reason_code" in {problem.field for problem in refused.value.problems}
            with pytest.raises(InvalidDocument):
                await say(world, agency, leg.id, row.action, result="COMPLETED", answer="SOMETHING_ELSE")
            for answer in may.answers:
                await say(world, agency, leg.id, row.action, result="COMPLETED", answer=answer)
            if not may.answers:
                await say(world, agency, leg.id, row.action, result="COMPLETED")
        await world.bexley.answer(
            agency.lower(), leg.id, "IN_PROGRESS" if agency == "ADULT_SOCIAL_CARE" else "COMPLETED"
        )
        await world.settle()
        for row in (await actions_of(world, agency, ref)).values():
            assert (row.state, row.reason) == (
                ActionState.COMPLETED,
                (may_answer(row.code).answers or ("",))[-1],
            )


@pytest.mark.parametrize("agency", EVERY)
async def test_it_answers_for_its_leg_with_every_reason_that_fits_and_no_other(agency: str) -> None:
    async with boroughs(HACKNEY, BEXLEY) as world:
        document, role = document_for(agency), agency.lower()
        for number, state in enumerate(TURNED_AWAY, start=1):
            ref = await sent(world, document, number)
            leg = (await world.bexley.legs(ref))[role]
            fitting = REASONS_FOR[AcknowledgementState(state)]
            for reason in set(ReasonCode) - fitting:
                with pytest.raises(InvalidDocument):
                    await world.bexley.answer(role, leg.id, state, reason_code=reason.value)
            await world.bexley.answer(role, leg.id, state, reason_code=min(fitting).value)
            await world.settle()
            found = (await world.hackney.legs(ref))[role]
            assert found.state == state
            news = [
                view.content["event"]
                for _, view in world.hackney.desks[role].given
                if view.kind is Parcel.STATUS and view.leg == leg.id
            ]
            assert len(news) == len(set(news))


@pytest.mark.parametrize(("old", "today"), [(old, now.value) for old, now in LEGACY_AGENCIES.items()])
async def test_an_older_name_is_understood_and_todays_is_shown(old: str, today: str) -> None:
    """In the document, in what the agency is shown, and in the checklist of both sides."""
    text = json.dumps(without_organisations(document_for(today)))
    async with boroughs(HACKNEY, BEXLEY) as world:
        document = json.loads(text.replace(f'"agency": "{today}"', f'"agency": "{old}"'))
        ref = await sent(world, document)
        leg = (await world.bexley.legs(ref))[today.lower()]
        assert leg.agency == today
        [(_, view)] = world.bexley.desks[today.lower()].given
        assert view.content["agency"] == today
        assert f'"{old}"' not in json.dumps(dict(view.content))
        assert world.hackney.node.network.find(BEXLEY, old.lower().replace("_", "-")).agency == today


def view_of(world: World, role: str) -> Any:
    return next(
        view.content for _, view in world.bexley.desks[role].given if view.kind is Parcel.NOTIFICATION
    )


async def test_who_opens_it_after_the_birthday_is_told_so() -> None:
    async with boroughs(HACKNEY, BEXLEY, pulling=["education"]) as world:
        await sent(world, without_organisations(young_person(born="2008-11-26", age=17)))
        caller = world.bexley.caller("education")
        parked = await world.bexley.node.store.read(lambda tx: tx.parked_tasks(caller.principal, 9))
        opened = []
        for days in (1, 1):  # the day before, and the birthday
            world.clock.advance(days * 86_400)
            view = await deliver.open_parked(
                world.bexley.node, caller, parked[0].id, justification="ALLOCATED_CASE"
            )
            opened.append(view.content.get("since_issue"))
        assert opened[0] is None
        assert "has turned 18 since" in str(opened[1])


async def test_who_turns_18_before_it_is_accepted_keeps_the_legs_that_the_day_of_issue_gave() -> None:
    """Relevance is judged on issue: the leg stays, and the receiver can say what has changed."""
    async with boroughs(HACKNEY, BEXLEY) as world:
        document = without_organisations(young_person(born="2008-11-26", age=17))
        ref = await sent(world, document)
        world.clock.advance(3 * 86_400)
        await world.settle()
        leg = (await world.bexley.legs(ref))["childrens_social_care"]
        await world.bexley.answer("childrens_social_care", leg.id, "ACCEPTED")
        await world.settle()
        assert (await world.hackney.legs(ref))["childrens_social_care"].state == "ACCEPTED"
        other = (await world.bexley.legs(ref))["education"]
        assert view_of(world, "childrens_social_care").get("since_issue") is None, "given on the first day"
        told_off = {"reason_code": "OUT_OF_AGE_RANGE"}
        await world.bexley.answer("education", other.id, "DECLINED_NOT_RELEVANT", **told_off)
        again = numbered(document, 9)
        again["message"]["issued_at"] = "2026-11-27T10:05:00+00:00"
        with pytest.raises(NotAllowed) as refused:
            await world.hackney.submit(again, key="k9")
        assert {problem.rule for problem in refused.value.problems} >= {"R12"}, (
            "issued anew, it is an adult's"
        )
