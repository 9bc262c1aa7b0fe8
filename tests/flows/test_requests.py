"""Somebody is here already: one area asks, the agencies of the other answer with a handover or a reason."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import Conflict, GatewayError, InvalidDocument, NotAllowed, NotFound, UnknownRecipient
from gateway.flows import notice_answer, requests
from gateway.flows.deliver import open_parked
from gateway.ports import Parcel
from gateway.testing.anywhere import boroughs
from gateway.testing.boroughs import Borough, World
from gateway.testing.people import adult
from keys_example import AGENCIES as ROLES

A, B, C = "E09000012", "E09000004", "E09000007"
ASK = {
    "to_area": A,
    "role": "Community safety manager",
    "reason_code": "ARRESTED_HERE",
    "agencies": ["COMMUNITY_SAFETY", "PROBATION"],
    "subject": {"family_name": "ZZCANARY", "given_names": "Jordan", "date_of_birth": "2003-05-14"},
    "lawful_basis": {"powers": ["CDA1998_S115"], "purpose": "Continuity of supervision after a move"},
    "text": "Says that an injunction is in force.",
}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with boroughs(A, B, C, roles=dict.fromkeys((A, B, C), ROLES), pulling=["probation"]) as opened:
        yield opened


async def ask(borough: Borough, change: Any = None, *, key: str = "r1") -> requests.Asked:
    body = json.dumps({**ASK, **(change or {})}).encode()
    caller = borough.caller("community_safety")
    return await requests.ask(borough.node, caller, requests.read(body), key=key)


async def seen(borough: Borough, request: str, role: str = "community_safety") -> Any:
    principal = f"{borough.area}/{role}"
    return await borough.node.store.read(lambda tx: requests.one(tx, request, principal))


def states(found: Any) -> dict[str, str]:
    return {one["principal"].partition("/")[2]: one["state"] for one in found["agencies"]}


def given(borough: Borough, role: str) -> list[Any]:
    return [view.content for _, view in borough.desks[role].given if view.kind is Parcel.NOTICE]


async def open_it(borough: Borough, role: str) -> Any:
    parked = await borough.node.store.read(lambda tx: tx.parked_tasks(f"{borough.area}/{role}", 10))
    (task,) = [one for one in parked if one.kind is Parcel.NOTICE]
    caller = borough.caller(role)
    return await open_parked(borough.node, caller, task.id, justification="ALLOCATED_CASE")


def answering(request: str) -> dict[str, Any]:
    document = adult()
    document["message"]["answers"] = request
    return document


async def test_the_whole_way_from_the_question_to_the_handover(world: World) -> None:
    made = await ask(world.of(B))
    await world.settle()
    (told,) = given(world.of(A), "community_safety")
    assert told["view"]["notice"]["subject"] == ASK["subject"]
    assert given(world.of(A), "police") == []
    assert states(await seen(world.of(B), made.id)) == {"community_safety": "READ", "probation": "ASKED"}

    await world.of(A).submit(answering(made.id))
    await world.settle()
    found = await seen(world.of(B), made.id)
    assert states(found) == {"community_safety": "HANDED_OVER", "probation": "ASKED"}
    assert found["handovers"] == ["HO-E09000012-2026-000417"]
    assert found["waiting"] == [f"{A}/probation"]

    await open_it(world.of(A), "probation")
    no = notice_answer.read(b'{"state": "REJECTED", "role": "Officer", "reason_code": "NOT_KNOWN"}')
    await notice_answer.answer(world.of(A).node, world.of(A).caller("probation"), made.id, no)
    await world.settle()
    found = await seen(world.of(B), made.id)
    assert (states(found)["probation"], found["waiting"]) == ("DECLINED", [])
    row = await world.of(B).node.store.read(lambda tx: tx.notice(made.id))
    assert row.state == "DONE"
    signed = await world.of(B).node.store.read(
        lambda tx: tx.receipts(mid=row.mid, by=f"{A}/community_safety")
    )
    assert [one.state for one in signed] == ["opened", "acknowledged", "completed"]
    handover = await world.of(B).node.store.read(lambda tx: tx.handover("HO-E09000012-2026-000417"))
    assert handover.answers == made.id


async def test_a_third_areas_handover_that_names_a_request_answers_nothing(world: World) -> None:
    """It would tell whoever asked that somebody has handed over, under a reference of another area."""
    made = await ask(world.of(B))
    await world.settle()
    await world.of(A).submit(answering(made.id))
    await world.settle()
    store = world.of(B).node.store
    real = await store.read(lambda tx: tx.handover("HO-E09000012-2026-000417"))
    foreign = replace(real, ref=f"HO-{C}-2026-000001", origin=C)
    assert foreign.answers == made.id
    await store.write(lambda tx: tx.put_handover(foreign))
    assert (await seen(world.of(B), made.id))["handovers"] == [real.ref]
    assert (await seen(world.of(A), made.id))["handovers"] == [real.ref]
    await world.of(A).node.store.write(lambda tx: tx.put_handover(foreign))
    assert (await seen(world.of(A), made.id))["handovers"] == [real.ref]


async def test_the_name_is_with_the_agencies_asked_and_nowhere_else(world: World, dump: Any) -> None:
    made = await ask(world.of(B))
    await world.settle()
    for borough in world.boroughs:
        assert "ZZCANARY" not in repr(dump(borough))
    assert "ZZCANARY" not in json.dumps(await seen(world.of(B), made.id))
    assert await world.of(C).node.store.read(lambda tx: tx.notice(made.id)) is None


async def test_who_was_told_is_on_record(world: World) -> None:
    made = await ask(world.of(B))
    rows = await world.of(B).node.store.read(lambda tx: tx.accesses(ref=f"request:{made.id}", limit=9))
    assert sorted(row.recipients for row in rows) == [(f"{A}/community_safety",), (f"{A}/probation",)]
    assert {(row.operation, row.justification) for row in rows} == {("DISCLOSURE", "CDA1998_S115")}


async def test_the_same_key_asks_once(world: World) -> None:
    first, again = await ask(world.of(B)), await ask(world.of(B))
    assert (again.id, again.repeated) == (first.id, True)
    with pytest.raises(Conflict) as refused:
        await ask(world.of(B), {"reason_code": "MOVED_HERE"})
    assert refused.value.code == "idempotency_key_reused"
    await world.settle()
    assert len(given(world.of(A), "community_safety")) == 1


async def test_a_request_that_nobody_answers_is_called_about(world: World) -> None:
    made = await ask(world.of(B), {"urgency": "URGENT"})
    await world.settle()
    due = (await world.of(B).node.store.read(lambda tx: tx.notice(made.id))).answer_by
    assert due == world.clock.now() + 4 * 3600
    world.clock.advance(4 * 3600)
    await world.settle()
    rows = await world.of(B).node.store.read(lambda tx: tx.alarms())
    assert [(row.code, row.peer) for row in rows if row.code == "question_overdue"] == [
        ("question_overdue", A)
    ]


@pytest.mark.parametrize(
    ("change", "error", "field"),
    [
        ({"to_area": "E09000099"}, UnknownRecipient, "/agencies/0"),
        ({"to_area": B}, NotAllowed, "/to_area"),
        ({"agencies": ["COMMUNITY_SAFETY", "DWP"]}, NotAllowed, "/lawful_basis/powers/0"),
        ({"lawful_basis": {"powers": ["MADE_UP"], "purpose": "x"}}, NotAllowed, "/lawful_basis/powers/0"),
        ({"lawful_basis": {"powers": ["CWSA2026_S4"], "purpose": "x"}}, NotAllowed, "/lawful_basis/powers/0"),
        ({"agencies": ["HEALTH"]}, UnknownRecipient, "/agencies/0"),
    ],
)
async def test_what_may_not_be_asked(
    world: World, change: Any, error: type[GatewayError], field: str
) -> None:
    with pytest.raises(error) as refused:
        await ask(world.of(B), change)
    assert refused.value.field == field
    assert await world.of(B).node.store.read(lambda tx: tx.requests(9)) == []


@pytest.mark.parametrize(
    "change", [{"agencies": []}, {"ethnicity": "x"}, {"subject": {}}, {"reason_code": "?"}]
)
async def test_a_request_of_another_shape_is_refused(world: World, change: Any) -> None:
    with pytest.raises(InvalidDocument):
        await ask(world.of(B), change)


async def test_nobody_answers_what_nobody_asked_or_read(world: World) -> None:
    with pytest.raises(NotFound) as unasked:
        await world.of(A).submit(answering("a" * 32))
    assert unasked.value.field == "/message/answers"
    made = await ask(world.of(B), {"agencies": ["PROBATION"]})
    await world.settle()
    with pytest.raises(NotFound):  # it was put to another agency
        await world.of(A).submit(answering(made.id))
    document = answering(made.id)
    document["message"]["authorised_by"]["agency"] = "PROBATION"
    with pytest.raises(Conflict) as unread:
        await world.of(A).submit(document, role="probation")
    assert unread.value.code == "not_opened"
    await open_it(world.of(A), "probation")
    await world.of(A).submit(document, role="probation")
    await world.settle()
    assert (await seen(world.of(B), made.id))["waiting"] == []


async def test_a_request_of_one_area_is_not_answered_to_another(world: World) -> None:
    made = await ask(world.of(C))
    await world.settle()
    with pytest.raises(NotFound) as refused:
        await world.of(A).submit(answering(made.id))  # this handover goes to Bexley
    assert refused.value.code == "no_request"


async def test_each_sees_its_own_requests_alone(world: World) -> None:
    made = await ask(world.of(B))
    await world.settle()
    for area, role, many in (
        (B, "community_safety", 1),
        (B, "police", 0),
        (A, "probation", 1),
        (C, "police", 0),
    ):
        who = f"{area}/{role}"
        found = await world.of(area).node.store.read(lambda tx, who=who: requests.listing(tx, who))
        assert len(found) == many, who
    with pytest.raises(NotFound):
        await seen(world.of(B), made.id, "police")
    mine = await seen(world.of(A), made.id, "probation")
    assert list(states(mine)) == ["probation"], "readers do not learn of each other"
