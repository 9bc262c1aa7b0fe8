"""Notices over HTTP: handed in, listed at both sides, opened with a justification, answered."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from gateway.api import shapes
from tests.api.conftest import BEXLEY, CANARY, Desk, Pair

Document = dict[str, Any]
REF = "HO-E09000012-2026-000417"
AT = f"/v1/handovers/{REF}/notices"
WHY = {"justification": "ALLOCATED_CASE"}
CORRECTION = {
    "kind": "CORRECTION",
    "role": "Team leader",
    "reason_code": "DATA_INACCURATE",
    "text": CANARY,
}


@pytest.fixture
async def sent(pair: Pair, document: Document) -> Pair:
    assert (await pair.hackney.submit(document))[0] == 202
    await pair.world.settle()
    return pair


async def issue(desk: Desk, notice: Any = CORRECTION, key: str = "n1", **more: Any) -> tuple[int, Any, Any]:
    return await desk.call("POST", AT, notice, headers={"Idempotency-Key": key}, **more)


async def test_the_whole_way_there_and_back(sent: Pair) -> None:
    status, body, headers = await issue(sent.hackney)
    assert (status, headers["Location"]) == (202, AT)
    shapes.NoticeAccepted.model_validate(body)
    notice = body["notice"]
    await sent.world.settle()

    (first, *_) = await sent.bexley.inbox("police")
    assert (first["kind"], first["notice"], first["waiting"]) == ("notice", notice, True)
    status, body, _ = await sent.bexley.call("POST", f"/v1/inbox/notices/{notice}/open", WHY, role="police")
    assert (status, body["kind"]) == (200, "notice")
    assert body["content"]["view"]["notice"]["text"] == CANARY
    (open_one,) = [entry for entry in await sent.bexley.inbox("police") if entry["kind"] == "notice"]
    assert (open_one["notice"], open_one["waiting"]) == (notice, False), "opened, and still to be answered"

    said = {"state": "ACKNOWLEDGED", "role": "Duty inspector"}
    status, body, _ = await sent.bexley.call(
        "POST", f"/v1/inbox/notices/{notice}/acknowledgements", said, role="police"
    )
    assert (status, body["state"], body["receipts"]) == (200, "ACKNOWLEDGED", ["acknowledged"])
    shapes.NoticeAnswered.model_validate(body)
    assert all(entry["kind"] != "notice" for entry in await sent.bexley.inbox("police"))
    await sent.world.settle()
    status, body, _ = await sent.hackney.call("GET", AT)
    shapes.Notices.model_validate(body)
    left = {one["principal"] for one in body["unresolved"]}
    assert f"{BEXLEY}/police" not in left
    assert f"{BEXLEY}/dwp" in left
    assert CANARY not in str(body)


async def test_a_repeated_notice_says_so(sent: Pair) -> None:
    _, first, _ = await issue(sent.hackney)
    status, again, headers = await issue(sent.hackney)
    assert (status, again, headers["Idempotency-Replayed"]) == (202, first, "true")


@pytest.mark.parametrize(
    ("notice", "status", "code", "field"),
    [
        ({"kind": "CORRECTION"}, 422, "invalid_document", ""),
        (CORRECTION | {"reason_code": "SENT_IN_ERROR"}, 422, "invalid_document", "/reason_code"),
        (CORRECTION | {"due": "2026-12-01T12:00:00Z"}, 422, "invalid_document", "/due"),
        (CORRECTION | {"to": ["POLICE"]}, 403, "notice_audience", "/to"),
        (CORRECTION | {"new_version": 7}, 404, "no_version", "/new_version"),
        (CORRECTION | {"about": "0" * 32}, 404, "no_notice", "/about"),
    ],
)
async def test_what_does_not_fit_is_refused_with_its_field(
    sent: Pair, notice: Any, status: int, code: str, field: str
) -> None:
    got, body, _ = await issue(sent.hackney, notice)
    assert (got, body["code"]) == (status, code)
    fields = {one["pointer"] for one in body.get("errors", [])} | {body.get("field", "")}
    assert not field or field in fields
    assert CANARY not in str(body)


async def test_a_correction_with_a_new_version_is_one_call(sent: Pair, document: Document) -> None:
    newer = copy.deepcopy(document)
    newer["message"] |= {
        "version": 2,
        "supersedes": document["message"]["message_id"],
        "message_id": "11111111-2222-4333-8444-555555555555",
    }
    newer["core"]["known_as"] = ["JJ"]
    status, body, _ = await sent.hackney.call(
        "POST", "/v1/handovers?reason=DATA_INACCURATE", newer, headers={"Idempotency-Key": "k2"}
    )
    assert (status, body["version"]) == (202, 2)
    _, body, _ = await sent.hackney.call("GET", AT)
    assert [(one["kind"], one["facts"]) for one in body["notices"]] == [("CORRECTION", {"new_version": 2})]


@pytest.mark.parametrize("query", ["reason=OTHER", "reason=DATA_INACCURATE&hold=true"])
async def test_a_reason_that_is_none_is_refused(pair: Pair, document: Document, query: str) -> None:
    status, body, _ = await pair.hackney.call(
        "POST", f"/v1/handovers?{query}", document, headers={"Idempotency-Key": "k2"}
    )
    assert (status, body["field"]) == (400, "reason")


async def test_another_agencys_notice_is_not_there(sent: Pair) -> None:
    _, body, _ = await issue(
        sent.hackney,
        {"kind": "CLOSURE", "role": "Lead", "reason_code": "WORK_COMPLETED"},
    )
    assert body["status"] == 409, "R15: nobody has answered"
    status, _, _ = await sent.bexley.call("POST", f"/v1/inbox/notices/{'0' * 32}/open", WHY, role="police")
    assert status == 404
