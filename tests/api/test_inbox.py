"""The inbox: what waits, opening on the record, answering, and the long poll."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from adapters.agencies.police import PROFILE
from gateway.api import shapes
from gateway.flows import accounts
from gateway.ports import Parcel, Task, TaskRow
from tests.api.conftest import BEXLEY, CANARY, HACKNEY, NOW, POLL, Desk, Pair

Document = dict[str, Any]
REF = "HO-E09000012-2026-000417"
WHY = {"justification": "ALLOCATED_CASE"}


@pytest.fixture
async def bexley(pair: Pair, document: Document) -> Desk:
    """Bexley with example 1 in its inboxes, unopened."""
    document["core"]["family_name"] = CANARY
    assert (await pair.hackney.submit(document))[0] == 202
    await pair.world.settle()
    return pair.bexley


async def _leg(desk: Desk, role: str = "police") -> str:
    return str((await desk.inbox(role))[0]["leg"])


async def _accesses(desk: Desk, operation: str = "CONSULTATION") -> list[Any]:
    rows = await desk.read(lambda tx: tx.accesses(ref=REF))
    return [row for row in rows if row.operation == operation]


async def test_an_entry_says_what_waits_and_nothing_of_it(bexley: Desk) -> None:
    status, body, _ = await bexley.call("GET", "/v1/inbox", role="police")
    assert status == 200
    shapes.Inbox.model_validate(body)
    (entry,) = body["entries"]
    assert (entry["kind"], entry["handover"], entry["agency"]) == ("notification", REF, "POLICE")
    assert (entry["state"], entry["waiting"]) == ("DELIVERED", True)
    assert CANARY not in json.dumps(body)


async def test_opening_gives_the_agencys_own_view_after_it_is_on_record(bexley: Desk) -> None:
    status, body, _ = await bexley.call(
        "POST", f"/v1/inbox/{await _leg(bexley)}/open", {**WHY, "text": "new on my list"}, role="police"
    )
    assert status == 200, body
    shapes.Opened.model_validate(body)
    assert (body["principal"], body["content"]["agency"]) == (f"{BEXLEY}/police", "POLICE")
    assert CANARY in json.dumps(body["content"])
    (row,) = await _accesses(bexley)
    assert (row.principal, row.actor, row.role) == (f"{BEXLEY}/police", "k-4711", "duty officer")
    assert (row.justification, row.note, row.at) == ("ALLOCATED_CASE", "", NOW)
    assert accounts.words(bexley.node.keys, row) == "new on my list"


async def test_the_record_is_there_even_if_the_view_then_fails(
    bexley: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def fails(self: object, view: object, leg: object) -> None:
        seen.append([row.operation for row in bexley.node.store.memory.tables.accesses])
        raise RuntimeError(CANARY)

    leg = await _leg(bexley)
    monkeypatch.setattr(type(PROFILE), "present", fails)
    status, body, _ = await bexley.call("POST", f"/v1/inbox/{leg}/open", WHY, role="police")
    assert (status, body["code"]) == (500, "internal")
    assert CANARY not in json.dumps(body)
    assert "CONSULTATION" in seen[0]  # committed before a word of it was unsealed
    assert len(await _accesses(bexley)) == 1
    assert not (await bexley.read(lambda tx: tx.leg(leg))).opened


@pytest.mark.parametrize(
    "opening",
    [b"", b"{}", b'{"justification": ""}', b'{"justification": "BECAUSE"}', b'{"justification": "OTHER"}',
     b'{"justification": "AUDIT", "name": "CanaryZebulonQuux"}', b"CanaryZebulonQuux"],
)  # fmt: skip
async def test_no_opening_without_a_justification_and_no_line_in_the_log(
    bexley: Desk, opening: bytes
) -> None:
    status, body, _ = await bexley.call(
        "POST", f"/v1/inbox/{await _leg(bexley)}/open", opening, role="police"
    )
    assert (status, body["code"]) == (422, "justification")
    assert body["remedy"]
    assert CANARY not in json.dumps(body)
    assert await _accesses(bexley) == []


async def test_no_opening_without_the_acting_person(bexley: Desk) -> None:
    path = f"/v1/inbox/{await _leg(bexley)}/open"
    status, body, _ = await bexley.call("POST", path, WHY, role="police", actor=False)
    assert (status, body["code"]) == (400, "actor")
    assert await _accesses(bexley) == []


async def test_another_agencys_leg_is_not_there(bexley: Desk) -> None:
    leg = await _leg(bexley, "police")
    parcel = (await bexley.inbox("police"))[0]["parcel"]
    answer = {"state": "ACCEPTED", "role": "Work coach"}
    for path, sent, code in (
        (f"/v1/inbox/{leg}/open", WHY, "no_leg"),
        (f"/v1/inbox/{leg}/acknowledgements", answer, "no_leg"),
        (f"/v1/inbox/parcels/{parcel}/open", WHY, None),
    ):
        status, body, _ = await bexley.call("POST", path, sent, role="dwp")
        assert status == 404, body
        assert code in {body["code"], None}
    assert await _accesses(bexley) == []


@pytest.mark.parametrize("leg", ["0" * 32, "x", "0" * 31 + "Z", "0" * 33, "%00" * 8])
@pytest.mark.parametrize("action", ["open", "acknowledgements"])
async def test_a_leg_that_is_none(bexley: Desk, leg: str, action: str) -> None:
    sent = WHY if action == "open" else {"state": "ACCEPTED", "role": "Sergeant"}
    status, body, _ = await bexley.call("POST", f"/v1/inbox/{leg}/{action}", sent, role="police")
    assert (status, body["code"]) == (404, "no_leg")


@pytest.mark.parametrize(
    "parcel", ["x", "notification-", "NOTIFICATION-00", "notification-" + "0" * 101, "a-b%20c"]
)
async def test_a_parcel_that_is_none(bexley: Desk, parcel: str) -> None:
    status, body, _ = await bexley.call("POST", f"/v1/inbox/parcels/{parcel}/open", WHY, role="police")
    assert (status, body["code"]) == (404, "no_parcel")


async def test_an_opened_handover_stays_until_it_is_answered(bexley: Desk) -> None:
    leg = await _leg(bexley)
    await bexley.call("POST", f"/v1/inbox/{leg}/open", WHY, role="police")
    (entry,) = await bexley.inbox("police")
    assert (entry["leg"], entry["waiting"], entry["state"]) == (leg, False, "DELIVERED")
    answer = {"state": "ACCEPTED", "role": "Neighbourhood sergeant"}
    status, body, _ = await bexley.call("POST", f"/v1/inbox/{leg}/acknowledgements", answer, role="police")
    assert (status, body["state"]) == (200, "ACCEPTED")
    assert await bexley.inbox("police") == []


async def test_it_may_be_opened_again_and_every_time_is_on_record(bexley: Desk) -> None:
    path = f"/v1/inbox/{await _leg(bexley)}/open"
    for _ in range(2):
        assert (await bexley.call("POST", path, WHY, role="police"))[0] == 200
    assert len(await _accesses(bexley)) == 2
    opened = await bexley.read(lambda tx: [r for r in tx.receipts(ref=REF) if r.state == "opened"])
    assert len(opened) == 1


async def test_an_answer_needs_the_opening_first(bexley: Desk) -> None:
    path = f"/v1/inbox/{await _leg(bexley)}/acknowledgements"
    status, body, _ = await bexley.call(
        "POST", path, {"state": "ACCEPTED", "role": "Sergeant"}, role="police"
    )
    assert (status, body["code"]) == (409, "not_opened")
    assert body["remedy"]


async def test_the_same_answer_again_says_so(bexley: Desk) -> None:
    leg = await _leg(bexley)
    await bexley.call("POST", f"/v1/inbox/{leg}/open", WHY, role="police")
    answer = {"state": "ACCEPTED", "role": "Neighbourhood sergeant"}
    first = await bexley.call("POST", f"/v1/inbox/{leg}/acknowledgements", answer, role="police")
    again = await bexley.call("POST", f"/v1/inbox/{leg}/acknowledgements", answer, role="police")
    assert (first[1]["repeated"], again[1]["repeated"]) == (False, True)
    assert (again[0], again[1]["receipts"], again[1]["state"]) == (200, [], "ACCEPTED")


@pytest.mark.parametrize(
    ("answer", "pointer"),
    [
        ({"state": "ACCEPTED"}, "/role"),
        ({"state": "MAYBE", "role": "x"}, "/state"),
        ({"state": "REJECTED", "role": "x"}, "/reason_code"),
        ({"state": "ACCEPTED", "role": "x", "comment": CANARY}, "/comment"),
    ],
)
async def test_an_answer_that_is_none_names_the_field(bexley: Desk, answer: Document, pointer: str) -> None:
    path = f"/v1/inbox/{await _leg(bexley)}/acknowledgements"
    status, body, _ = await bexley.call("POST", path, answer, role="police")
    assert (status, body["code"]) == (422, "invalid_document")
    assert pointer in {fault["pointer"] for fault in body["errors"]}
    assert CANARY not in json.dumps(body)


async def test_the_words_come_back_as_a_parcel_that_its_agency_opens(pair: Pair, bexley: Desk) -> None:
    hackney = pair.hackney
    leg = await _leg(bexley)
    words = {
        "state": "RETURNED",
        "role": "Duty sergeant",
        "reason_code": "WRONG_AREA",
        "reason_text": CANARY,
    }
    assert (await bexley.call("POST", f"/v1/inbox/{leg}/acknowledgements", words, role="police"))[0] == 200
    await pair.world.settle()
    (reply,) = [entry for entry in await hackney.inbox("police") if entry["kind"] == "reply"]
    path = f"/v1/inbox/parcels/{reply['parcel']}/open"
    assert (await hackney.call("POST", path, {}, role="police"))[0] == 422
    status, body, _ = await hackney.call("POST", path, WHY, role="police")
    assert status == 200, body
    shapes.Opened.model_validate(body)
    assert (body["kind"], body["principal"]) == ("reply", f"{HACKNEY}/police")
    assert body["content"]["reply"]["reason_text"] == CANARY
    assert [row.actor for row in await _accesses(hackney)] == ["k-4711"]


# --- The long poll --------------------------------------------------------------------------------------


def _parked(name: str, leg: str) -> TaskRow:
    return TaskRow(
        id=name, kind=Parcel.STATUS, principal=f"{BEXLEY}/police", leg=leg, mid="", state=Task.PARKED, due=NOW
    )


async def test_without_waiting_an_empty_inbox_answers_at_once(desk: Desk) -> None:
    assert await desk.inbox("police") == []


async def test_a_wait_ends_with_what_is_there_when_nothing_comes(desk: Desk) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await desk.inbox("police", wait=1) == []
    assert 1 <= loop.time() - began < 5


async def test_a_waiting_call_wakes_when_something_arrives(pair: Pair, document: Document) -> None:
    waiting = asyncio.create_task(pair.bexley.inbox("police", wait=60))
    assert not (await asyncio.wait([waiting], timeout=3 * POLL))[0]
    await pair.hackney.submit(document)
    await pair.world.settle()
    entries = await asyncio.wait_for(waiting, 20)
    assert [entry["handover"] for entry in entries] == [REF]


async def test_who_has_seen_the_list_waits_for_another_one(bexley: Desk) -> None:
    _, body, headers = await bexley.call("GET", "/v1/inbox", role="police")
    seen = {"If-None-Match": headers["ETag"]}
    for spelling in (headers["ETag"], "W/" + headers["ETag"], f'"other", {headers["ETag"]}'):
        status, nothing, _ = await bexley.call(
            "GET", "/v1/inbox", role="police", headers={"If-None-Match": spelling}
        )
        assert (status, nothing) == (304, b"")
    other = {"If-None-Match": '"other"'}
    assert (await bexley.call("GET", "/v1/inbox?wait=60", role="police", headers=other))[0] == 200
    waiting = asyncio.create_task(bexley.call("GET", "/v1/inbox?wait=60", role="police", headers=seen))
    leg = body["entries"][0]["leg"]
    await bexley.node.store.write(lambda tx: tx.put_task(_parked("status-x", leg)))
    bexley.node.wake.agency(f"{BEXLEY}/police")
    status, changed, fresh = await asyncio.wait_for(waiting, 20)
    assert (status, len(changed["entries"])) == (200, 2)
    assert fresh["ETag"] != headers["ETag"]


async def test_a_bell_that_nobody_clears_is_no_busy_loop(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pump in the middle of its work leaves the bell ringing; the poll then looks once a poll interval."""
    await desk.token("police")
    desk.node.wake.agency(f"{HACKNEY}/police")
    looks = 0
    whole = type(desk.node.store).read

    async def counted(self: Any, work: Any) -> Any:
        nonlocal looks
        looks += 1
        return await whole(self, work)

    monkeypatch.setattr(type(desk.node.store), "read", counted)
    assert await desk.inbox("police", wait=1) == []
    assert looks <= 2 + 1 / desk.node.pace.poll


async def _taken_on(bexley: Desk) -> str:
    leg = await _leg(bexley)
    await bexley.call("POST", f"/v1/inbox/{leg}/open", WHY, role="police")
    answer = {"state": "ACCEPTED", "role": "Sergeant"}
    assert (await bexley.call("POST", f"/v1/inbox/{leg}/acknowledgements", answer, role="police"))[0] == 200
    return leg


async def test_one_action_is_answered_at_an_address_of_its_own(bexley: Desk) -> None:
    leg = await _taken_on(bexley)
    path = f"/v1/inbox/{leg}/actions/AC4"
    told = {"result": "COMPLETED", "answer": "CLEAR", "role": "Sergeant"}
    status, body, _ = await bexley.call("POST", path, told, role="police")
    assert (status, body["state"], body["receipts"]) == (200, "IN_PROGRESS", ["in_progress"])
    again = await bexley.call("POST", path, told, role="police")
    assert (again[0], again[1]["repeated"]) == (200, True)
    status, body, _ = await bexley.call("GET", f"/v1/handovers/{REF}", role="police")
    line = next(one for one in body["checklist"] if one["action"] == "AC4")
    assert (line["state"], line["answer"], line["agency"]) == ("COMPLETED", "CLEAR", "POLICE")
    assert {one["agency"] for one in body["checklist"]} == {"POLICE"}, "its own leg and no other"


@pytest.mark.parametrize(
    ("action", "told", "expected"),
    [
        ("AC4", {"result": "COMPLETED", "role": "x"}, (422, "action_answer", "/answer")),
        ("AC4", {"result": "COMPLETED", "role": "x", "answer": CANARY}, (422, "invalid_document", "/answer")),
        ("AC3", {"result": "NOT_DONE", "role": "x"}, (422, "invalid_document", "/reason_code")),
        ("AC9", {"result": "COMPLETED", "role": "x"}, (404, "no_action", "")),
    ],
)
async def test_what_is_said_of_an_action_is_refused_by_its_field(
    bexley: Desk, action: str, told: Document, expected: tuple[int, str, str]
) -> None:
    leg = await _taken_on(bexley)
    status, body, _ = await bexley.call("POST", f"/v1/inbox/{leg}/actions/{action}", told, role="police")
    assert (status, body["code"]) == expected[:2]
    if expected[2]:
        assert expected[2] in {fault["pointer"] for fault in body["errors"]}
    assert CANARY not in json.dumps(body)


async def test_the_inbox_lists_what_is_asked_and_by_when(bexley: Desk) -> None:
    _, body, _ = await bexley.call("GET", "/v1/inbox", role="police")
    [entry] = [one for one in body["entries"] if one["kind"] == "notification"]
    assert [(one["action"], one["code"], bool(one["due"])) for one in entry["actions"]] == [
        ("AC3", "PO-01", True),
        ("AC4", "PO-02", True),
    ]


async def test_news_of_a_late_action_can_be_opened_like_any_parcel(bexley: Desk) -> None:
    """Its id tells what it is about, so it has dots; an id with a slash is nobody's."""
    leg = await _leg(bexley)
    row = TaskRow(
        id=f"action_overdue.PO-01.AC3-{leg}",
        kind=Parcel.STATUS,
        principal=f"{BEXLEY}/police",
        leg=leg,
        mid="",
        state=Task.PARKED,
        due=NOW,
        created=NOW,
        subject="action_overdue.PO-01.AC3",
    )
    await bexley.node.store.write(lambda tx: tx.put_task(row))
    status, body, _ = await bexley.call("POST", f"/v1/inbox/parcels/{row.id}/open", WHY, role="police")
    assert status == 200
    told = body["content"]
    assert (told["event"], told["action"], told["code"]) == ("action_overdue", "AC3", "PO-01")
