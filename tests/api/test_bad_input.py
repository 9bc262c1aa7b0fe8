"""Bad input: a problem that names the field and the remedy, leaks nothing, and leaves nothing behind."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from gateway.core.trust import Network
from gateway.errors import UnknownRecipient
from gateway.testing.boroughs import ManualClock
from tests.api.conftest import CANARY, Desk

Document = dict[str, Any]
Change = Callable[[Document], object]


def _with(path: str, value: object) -> Change:
    """Sets the value at a JSON Pointer; a new key is added, a list's index must exist."""

    def change(document: Document) -> None:
        *steps, last = path.strip("/").split("/")
        place: Any = document
        for step in steps:
            place = place[int(step)] if isinstance(place, list) else place[step]
        place[int(last) if isinstance(place, list) else last] = value

    return change


def _without(name: str) -> Change:
    return lambda document: document.pop(name)


CASES: dict[str, tuple[Change, int, str]] = {
    "unknown field": (_with("/core/favourite_colour", CANARY), 422, "/core/favourite_colour"),
    "prohibited field": (_with("/core/ethnicity", CANARY), 422, "/core/ethnicity"),
    "missing section": (_without("retention"), 422, "/retention"),
    "wrong type": (_with("/core/family_name", {CANARY: 1}), 422, "/core/family_name"),
    "unknown area": (
        _with("/routing/destination/area_code", "E09000033"),
        422,
        "/routing/destination/area_code",
    ),
    "an origin that is not this node": (
        _with("/routing/origin/area_code", "E09000033"),
        403,
        "/routing/origin/area_code",
    ),
    "another agency's document": (
        _with("/message/authorised_by/agency", "POLICE"),
        403,
        "/message/authorised_by/agency",
    ),
}


async def _counts(desk: Desk) -> tuple[object, ...]:
    """Everything a submission could leave behind."""
    return await desk.read(  # type: ignore[no-any-return] # tests are not type-checked strictly here
        lambda tx: (
            dict(tx.counts()),
            tuple(tx.handovers(side=None, principal=None, before="", limit=10)),
            tuple(tx.accesses()),
            tuple(tx.log(0, 100)),
            tx.handover("HO-E09000012-2026-000417"),
        )
    )


def _marked(document: Document) -> Document:
    """The canary in free text, so that whatever quotes the document shows it."""
    document["transparency"]["subject_statement"] = f"{CANARY} says hello"
    document["core"]["family_name"] = CANARY
    return document


async def _refused(desk: Desk, sent: object, caplog: pytest.LogCaptureFixture) -> tuple[int, Document]:
    await desk.token("community_safety")
    before = await _counts(desk)
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as logged:
        status, body, headers = await desk.submit(sent)
    assert await _counts(desk) == before
    assert headers["Content-Type"] == "application/problem+json"
    for told in (json.dumps(body), str(dict(headers)), str(logged), caplog.text):
        assert CANARY not in told
    assert body["remedy"], body
    assert set(body) <= {
        "type", "title", "status", "code", "detail", "field", "remedy", "rule", "errors", "instance"
    }  # fmt: skip
    return status, body


def _places(body: Document) -> dict[str, str]:
    """Pointer -> remedy, of everything that the problem names."""
    named = {fault["pointer"]: fault["remedy"] for fault in body.get("errors", [])}
    return {**named, body.get("field", ""): body["remedy"]}


@pytest.mark.parametrize("name", CASES)
async def test_a_bad_document_is_refused_by_field_and_remedy(
    name: str, desk: Desk, document: Document, caplog: pytest.LogCaptureFixture
) -> None:
    change, expected, pointer = CASES[name]
    change(_marked(document))
    status, body = await _refused(desk, document, caplog)
    assert status == expected == body["status"], body
    assert _places(body)[pointer], body


async def test_a_wrong_role_for_risk_from_names_the_rule(
    desk: Desk, document: Document, caplog: pytest.LogCaptureFixture
) -> None:
    """Risk FROM somebody whom nobody suspects of anything is refused (domain 6.4, R6)."""
    for role in _marked(document)["roles"]:
        role["role"] = "AT_RISK"
    status, body = await _refused(desk, document, caplog)
    assert status == 403
    faults = [fault for fault in body["errors"] if fault["pointer"].startswith("/risk_from")]
    assert faults, body
    assert all(fault["rule"] == "R6" and fault["remedy"] for fault in faults)


async def test_an_agency_without_a_key_is_named(
    make_desk: Callable[..., Any],
    document: Document,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def without_dwp(self: Network, principal: str, now: int) -> bytes:
        if principal.endswith("/dwp"):
            raise UnknownRecipient("no valid key", code="no_key", remedy="ask its area for a key card")
        return whole(self, principal, now)

    whole = Network.sealing_key
    monkeypatch.setattr(Network, "sealing_key", without_dwp)
    desk = await make_desk()
    status, body = await _refused(desk, _marked(document), caplog)
    index = [r["agency"] for r in document["routing"]["recipients"]].index("DWP")
    assert (status, body["field"]) == (422, f"/routing/recipients/{index}/agency")


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"' + CANARY.encode() + b'"',
        b'{"a": ' + CANARY.encode() + b"}",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"core": 1, "core": 2}',
        b'{"v": 1e400}',
        b'{"v": NaN}',
    ],
    ids=range(11),
)
async def test_what_is_no_document_at_all(sent: bytes, desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    status, body = await _refused(desk, sent, caplog)
    assert (status, body["code"]) == (422, "invalid_document")
    assert body["errors"]


async def test_a_body_of_two_mebibytes(
    desk: Desk, document: Document, caplog: pytest.LogCaptureFixture
) -> None:
    document["core"]["family_name"] = CANARY * (2 * 1024 * 1024 // len(CANARY))
    status, body = await _refused(desk, document, caplog)
    assert (status, body["code"]) == (413, "too_large")
    assert str(1 << 20) in body["detail"]


async def test_a_body_of_two_mebibytes_that_does_not_say_its_length(desk: Desk) -> None:
    async def pieces() -> Any:
        for _ in range(2048):
            yield b"x" * 1024

    headers = {
        "Authorization": f"Bearer {await desk.token('police')}",
        "Content-Type": "application/json",
        "Gateway-Actor": "k;role=x",
        "Idempotency-Key": "k",
    }
    before = await _counts(desk)
    async with desk.client.post("/v1/handovers", data=pieces(), headers=headers) as response:
        assert response.status == 413
        assert (await response.json())["code"] == "too_large"
    assert await _counts(desk) == before


@pytest.mark.parametrize("media", ["text/plain", "application/octet-stream", "application/xml", ""])
async def test_other_types_of_body(desk: Desk, media: str) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": media}
    status, body, _ = await desk.call("POST", "/v1/handovers", b"{}", headers=headers)
    assert (status, body["code"], body["field"]) == (415, "unsupported_media_type", "Content-Type")
    assert "application/json" in body["remedy"]


@pytest.mark.parametrize("key", [None, "", "with blank", "x" * 256, "kéy", "tab\there"])
async def test_a_submission_needs_a_usable_key(desk: Desk, document: Document, key: str | None) -> None:
    headers = {} if key is None else {"Idempotency-Key": key}
    status, body, _ = await desk.call("POST", "/v1/handovers", document, headers=headers)
    assert (status, body["code"], body["field"]) == (400, "idempotency_key", "Idempotency-Key")
    assert "255" in body["remedy"]
    assert not await desk.read(lambda tx: tx.handover("HO-E09000012-2026-000417"))


async def test_a_submission_needs_the_acting_person(desk: Desk, document: Document) -> None:
    status, body, _ = await desk.submit(document, actor=False)
    assert (status, body["code"]) == (400, "actor")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/handovers?limit=0", "limit"),
        ("/v1/handovers?limit=201", "limit"),
        ("/v1/handovers?limit=x", "limit"),
        ("/v1/handovers?limit=1e1", "limit"),
        ("/v1/handovers?cursor=CanaryZebulonQuux", "cursor"),
        ("/v1/handovers/HO-E09000012-2026-000417?version=0", "version"),
        ("/v1/handovers/HO-E09000012-2026-000417?version=-1", "version"),
        ("/v1/handovers/HO-E09000012-2026-000417?version=10000", "version"),
        ("/v1/inbox?wait=61", "wait"),
        ("/v1/inbox?wait=-1", "wait"),
        ("/v1/inbox?wait=CanaryZebulonQuux", "wait"),
    ],
)
async def test_query_parameters_are_checked_and_not_repeated(desk: Desk, path: str, field: str) -> None:
    status, body, _ = await desk.call("GET", path)
    assert (status, body["code"], body["field"]) == (400, "query", field)
    assert CANARY not in str(body)


@pytest.mark.parametrize("path", ["/v1/handovers?name=x", "/v1/me?x", "/v1/inbox?wait=1&wait=2"])
async def test_a_query_that_is_not_known_is_not_ignored(desk: Desk, path: str) -> None:
    status, body, _ = await desk.call("GET", path)
    assert (status, body["code"]) == (400, "query")


@pytest.mark.parametrize(
    "ref",
    [
        "HO-E09000012-2026-000999",
        CANARY,
        "HO-E09000012-2026-0004170",
        "HO-E09000012-2026-00041%37%0a",
        "HO-E0900001%C2%B2-2026-000417",
        "..%2f..%2fetc",
    ],
)
@pytest.mark.parametrize("tail", ["", "/events", "/receipts", "/why"])
async def test_what_cannot_be_a_reference_is_not_found(desk: Desk, ref: str, tail: str) -> None:
    status, body, _ = await desk.call("GET", f"/v1/handovers/{ref}{tail}")
    assert (status, body["code"]) == (404, "no_handover")
    assert CANARY not in str(body)


async def test_an_expired_directory_sends_nothing(desk: Desk, document: Document, clock: ManualClock) -> None:
    clock.advance(desk.node.network.expires - clock.now() + 1)
    before = await _counts(desk)
    status, body, _ = await desk.submit(document)
    assert (status, body["code"]) == (503, "directory_expired")
    assert await _counts(desk) == before
