"""Questions between the two sides: what is missing, and who may enter an excluded area."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.errors import Conflict, GatewayError, NotFound
from gateway.flows import notice_answer, notice_view, notices, show
from gateway.flows.deliver import open_parked
from gateway.ports import Parcel
from gateway.testing.boroughs import BEXLEY, HACKNEY, Borough, World, two_boroughs

REF = "HO-E09000012-2026-000417"
QUESTION = {
    "kind": "INFORMATION_REQUEST",
    "role": "Probation officer",
    "reason_code": "INFORMATION_MISSING",
    "asks": ["/support/pathway_plan_ref"],
    "text": "Which plan is in force?",
}
WISH = {
    "kind": "PERMISSION_REQUEST",
    "role": "Probation officer",
    "reason_code": "COURT_OR_SOLICITOR",
    "text": "A hearing at which he is a witness.",
    "permission": {
        "area": "E09000012",
        "where": "Thames Magistrates' Court",
        "accompanied_by": "Probation officer",
        "starts": "2026-12-03T09:00:00+00:00",
        "ends": "2026-12-03T17:00:00+00:00",
    },
}


async def say(borough: Borough, notice: Mapping[str, Any], role: str, key: str) -> notices.Issued:
    words = notices.read(json.dumps(notice).encode())
    return await notices.issue(borough.node, borough.caller(role), REF, words, key=key)


async def row(borough: Borough, notice: str) -> Any:
    return await borough.node.store.read(lambda tx: tx.notice(notice))


def given(borough: Borough, role: str) -> list[Any]:
    return [view for _, view in borough.desks[role].given if view.kind is Parcel.NOTICE]


@pytest.fixture
async def sent(world: World, document: dict[str, Any]) -> World:
    await world.hackney.submit(document)
    await world.settle()
    return world


async def test_what_is_missing_is_asked_and_its_answer_completes_the_question(
    sent: World,
) -> None:
    asked = await say(sent.bexley, QUESTION, "probation", "q1")
    await sent.settle()
    (question,) = given(sent.hackney, "probation")
    words = question.content["view"]["notice"]
    assert (words["asks"], words["text"]) == (QUESTION["asks"], QUESTION["text"])
    assert (await row(sent.bexley, asked.id)).state == "OPEN"

    answer = {
        "kind": "INFORMATION",
        "role": "Probation officer",
        "reason_code": "ASKED_FOR",
        "about": asked.id,
        "text": "The plan of June.",
        "to": ["PROBATION"],
    }
    told = await say(sent.hackney, answer, "probation", "a1")
    await sent.settle()
    (view,) = given(sent.bexley, "probation")
    assert view.content["view"]["notice"]["text"] == answer["text"]
    assert given(sent.bexley, "police") == []
    question_row = await row(sent.bexley, asked.id)
    assert question_row.state == "DONE"
    signed = await sent.bexley.node.store.read(
        lambda tx: tx.receipts(mid=question_row.mid, by=f"{HACKNEY}/probation")
    )
    assert [(one.state, one.applied) for one in signed] == [
        ("opened", True),
        ("acknowledged", True),
        ("completed", True),
    ]
    assert (await row(sent.hackney, told.id)).parent == asked.id


async def test_nothing_of_the_words_is_told_to_the_nodes(sent: World) -> None:
    asked = await say(sent.bexley, WISH, "probation", "w1")
    await sent.settle()
    facts = json.loads((await row(sent.hackney, asked.id)).facts)
    assert facts == {"area": "E09000012", "since": 1_796_288_400, "until": 1_796_317_200}
    assert "Thames" in json.dumps(given(sent.hackney, "probation")[0].content)


async def test_a_permission_is_granted_to_whoever_needs_to_know(sent: World) -> None:
    asked = await say(sent.bexley, WISH, "probation", "w1")
    await sent.settle()
    grant = {
        "kind": "PERMISSION_GRANT",
        "role": "Head of Integrated Gangs Unit",
        "reason_code": "ASKED_FOR",
        "about": asked.id,
        "permission": WISH["permission"],
        "to": ["PROBATION", "POLICE"],
    }
    with pytest.raises(NotFound) as refused:  # the question was put to another agency
        await say(sent.hackney, grant, "community_safety", "g0")
    assert refused.value.field == "/about"
    await say(sent.hackney, grant, "probation", "g1")
    await sent.settle()
    for role in ("probation", "police"):
        (view,) = given(sent.bexley, role)
        assert view.content["kind"] == "PERMISSION_GRANT"
        assert view.content["view"]["notice"]["permission"]["where"] == "Thames Magistrates' Court"
    assert given(sent.bexley, "housing") == []
    assert (await row(sent.bexley, asked.id)).state == "DONE"


async def test_nobody_answers_what_nobody_has_read(document: dict[str, Any]) -> None:
    async with two_boroughs(pulling=["probation"]) as world:
        await world.hackney.submit(document)
        await world.settle()
        # Bexley's probation fetches: a question to it lies unread.
        asked = await say(world.hackney, {**QUESTION, "to": ["PROBATION"]}, "probation", "q1")
        await world.settle()
        answer = {
            "kind": "INFORMATION",
            "role": "Probation officer",
            "reason_code": "ASKED_FOR",
            "about": asked.id,
            "text": "Yes.",
        }
        with pytest.raises(Conflict) as refused:
            await say(world.bexley, answer, "probation", "a1")
        assert refused.value.code == "not_opened"
        parked = await world.bexley.node.store.read(lambda tx: tx.parked_tasks(f"{BEXLEY}/probation", 10))
        (task,) = [one for one in parked if one.kind is Parcel.NOTICE]
        await open_parked(
            world.bexley.node, world.bexley.caller("probation"), task.id, justification="ALLOCATED_CASE"
        )
        await say(world.bexley, answer, "probation", "a2")
        await world.settle()
        assert (await row(world.hackney, asked.id)).state == "DONE"


async def test_a_question_that_nobody_answers_is_an_alarm_after_five_working_days(sent: World) -> None:
    asked = await say(sent.bexley, QUESTION, "probation", "q1")
    await sent.settle()
    due = (await row(sent.bexley, asked.id)).answer_by
    assert due == 1_796_144_400  # Tuesday 1 December 2026, 17:00
    sent.clock.advance(due - sent.clock.now() - 1)
    await sent.settle()
    assert "question_overdue" not in await alarms(sent.bexley)
    sent.clock.advance(2)
    await sent.settle()
    assert await alarms(sent.bexley) == {"question_overdue"}
    assert "question_overdue" not in await alarms(sent.hackney)


async def alarms(borough: Borough) -> set[str]:
    rows = await borough.node.store.read(lambda tx: tx.alarms())
    return {one.code for one in rows if one.code.startswith("question")}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"asks": []}, "/asks"),
        ({"reason_code": "SENT_IN_ERROR"}, "/reason_code"),
        ({"permission": WISH["permission"]}, "/permission"),
        ({"asks": ["support"]}, "/asks/0"),
    ],
)
async def test_a_question_without_its_parts_is_refused(sent: World, change: Any, field: str) -> None:
    with pytest.raises(GatewayError) as refused:
        await say(sent.bexley, {**QUESTION, **change}, "probation", "q1")
    assert [one.field for one in refused.value.problems] == [field]


async def test_a_permission_ends_after_it_starts(sent: World) -> None:
    for ends in ("2026-12-03T09:00:00+00:00", "2027-03-06T09:00:00+00:00"):
        wrong = {**WISH, "permission": {**WISH["permission"], "ends": ends}}
        with pytest.raises(GatewayError) as refused:
            await say(sent.bexley, wrong, "probation", "w1")
        assert [one.field for one in refused.value.problems] == ["/permission/ends"]


async def test_both_sides_list_what_is_not_answered(sent: World) -> None:
    asked = await say(sent.bexley, QUESTION, "probation", "q1")
    await sent.settle()
    for borough in sent.boroughs:
        principal = f"{borough.area}/probation"
        told: Any = await borough.node.store.read(
            lambda tx, who=principal: notice_view.listing(tx, show.find(tx, REF, who), who)
        )
        assert [one["notice"] for one in told["unresolved"]] == [asked.id]
    words = notice_answer.read(b'{"state": "REJECTED", "role": "Officer", "reason_code": "NOT_HELD"}')
    await notice_answer.answer(sent.hackney.node, sent.hackney.caller("probation"), asked.id, words)
    await sent.settle()
    assert (await row(sent.bexley, asked.id)).state == "OPEN"  # a person has to settle a refusal
