"""The frame around every call: problems for everything, headers on everything, nothing quoted anywhere."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from gateway.api import problems
from gateway.api.routes import Options
from gateway.errors import (
    Conflict,
    Expired,
    Forged,
    GatewayError,
    InvalidDocument,
    Misconfigured,
    NotAllowed,
    Problem,
    Unavailable,
)
from tests.api.conftest import CANARY, Desk

SECURITY = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Server": "gateway",
}


@pytest.mark.parametrize(
    "path",
    ["/v1/me", "/healthz", "/readyz", "/openapi.json", "/nowhere", "/v1/handovers/x", "/v1/schemas/handover"],
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_the_same_headers_on_every_answer(desk: Desk, method: str, path: str) -> None:
    _, _, headers = await desk.call(method, path)
    assert {name: headers.get(name) for name in SECURITY} == SECURITY
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", headers["X-Request-Id"])


async def test_no_two_requests_have_one_id(desk: Desk) -> None:
    ids = {(await desk.call("GET", "/v1/me"))[2]["X-Request-Id"] for _ in range(5)}
    assert len(ids) == 5


async def test_a_problem_bears_the_id_of_its_request(desk: Desk) -> None:
    _, body, headers = await desk.call("GET", "/nowhere")
    assert body["instance"] == f"urn:uuid:{headers['X-Request-Id']}"


async def test_no_route_is_a_problem_that_quotes_nothing(desk: Desk) -> None:
    with structlog.testing.capture_logs() as logged:
        status, body, _ = await desk.call("GET", f"/v1/{CANARY}?q={CANARY}")
    assert (status, body["code"]) == (404, "no_route")
    assert CANARY not in str(body) + str(logged)
    assert logged[-1]["route"] == "none"


async def test_a_wrong_method_says_which_are_right(desk: Desk) -> None:
    status, body, headers = await desk.call("DELETE", "/v1/handovers")
    assert (status, body["code"]) == (405, "method_not_allowed")
    assert set(headers["Allow"].split(",")) == {"GET", "HEAD", "POST"}
    assert body["remedy"] == "use one of: GET, HEAD, POST"


async def test_a_made_up_method_is_not_written_down(desk: Desk) -> None:
    with structlog.testing.capture_logs() as logged:
        await desk.call("PROPFIND", "/v1/me")
    assert "PROPFIND" not in str(logged)
    assert logged[-1]["method"] == "other"


@pytest.mark.parametrize("path", ["/v1/me", "/v1/handovers", "/v1/inbox", "/healthz", "/openapi.json"])
async def test_head_is_get_without_a_body(desk: Desk, path: str) -> None:
    status, content, headers = await desk.call("HEAD", path)
    full = await desk.call("GET", path)
    assert (status, content) == (200, b"")
    assert headers["Content-Type"] == full[2]["Content-Type"]


class _Surprise(Exception):
    """Somebody's text in an exception, as libraries do it."""


@pytest.mark.parametrize(
    "error", [_Surprise(CANARY), ValueError(CANARY), Misconfigured(CANARY), Forged(CANARY)]
)
async def test_what_is_our_fault_says_only_the_id(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    async def broken(_: object) -> None:
        raise error

    await desk.token("police")
    monkeypatch.setattr(type(desk.node.store), "read", lambda self, work: broken(work))
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as logged:
        status, body, headers = await desk.call("GET", "/v1/me", role="police")
    assert status == 500
    assert CANARY not in str(body) + str(dict(headers)) + str(logged) + caplog.text
    if not isinstance(error, GatewayError):
        unforeseen = [line for line in logged if line["event"] == "unforeseen"]
        assert [line["error"] for line in unforeseen] == [type(error).__name__]
        assert unforeseen[0]["id"] == headers["X-Request-Id"]
        assert body["code"] == "internal"


async def test_unavailable_says_when_to_come_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def down(_: object) -> None:
        raise Unavailable("the database does not answer", code="database")

    await desk.token("police")
    monkeypatch.setattr(type(desk.node.store), "read", lambda self, work: down(work))
    status, body, headers = await desk.call("GET", "/v1/me", role="police")
    assert (status, body["code"], headers["Retry-After"]) == (503, "database", str(problems.TRY_AGAIN))


async def test_a_call_that_hangs_is_ended(
    make_desk: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs(_: object) -> None:
        await asyncio.Event().wait()

    desk = await make_desk(Options(timeout=0.05))
    await desk.token("police")
    monkeypatch.setattr(type(desk.node.store), "read", lambda self, work: hangs(work))
    status, body, headers = await desk.call("GET", "/v1/me", role="police")
    assert (status, body["code"]) == (503, "timeout")
    assert "Retry-After" in headers


async def test_each_token_has_its_own_allowance(make_desk: Callable[..., Any]) -> None:
    desk = await make_desk(Options(rate=0.01, burst=2))
    assert [(await desk.call("GET", "/v1/me", role="police"))[0] for _ in range(3)] == [200, 200, 429]
    status, body, headers = await desk.call("GET", "/v1/me", role="police")
    assert (status, body["code"]) == (429, "too_many_requests")
    assert 0 < int(headers["Retry-After"]) <= 100
    assert (await desk.call("GET", "/v1/me", role="dwp"))[0] == 200
    assert (await desk.call("GET", "/healthz", role=None))[0] == 200


async def test_calls_without_a_token_are_limited_too(make_desk: Callable[..., Any]) -> None:
    desk = await make_desk(Options(rate=0.01, burst=1))
    assert [(await desk.call("GET", "/openapi.json", role=None))[0] for _ in range(2)] == [200, 429]


async def test_the_log_names_the_route_and_no_reference(desk: Desk) -> None:
    with structlog.testing.capture_logs() as logged:
        await desk.call("GET", "/v1/handovers/HO-E09000012-2026-000417")
    line = next(line for line in logged if line["event"] == "answered")
    assert (line["route"], line["status"], line["code"]) == ("/v1/handovers/{ref}", 404, "no_handover")
    assert "000417" not in str(logged)


def test_the_shape_of_a_problem() -> None:
    error = InvalidDocument(
        "not usable",
        field="/core",
        remedy="mend it",
        rule="R6",
        problems=[Problem("/core/x", "is wrong", "correct it", "R7")],
    )
    response = problems.answer(error, "00000000-0000-0000-0000-000000000000")
    assert json.loads(response.body) == {  # type: ignore[arg-type] # a plain response's body is bytes
        "type": "urn:borough-handover:problem:invalid_document",
        "title": "Invalid document",
        "status": 422,
        "code": "invalid_document",
        "detail": "not usable",
        "field": "/core",
        "remedy": "mend it",
        "rule": "R6",
        "errors": [
            {
                "pointer": "/core/x",
                "rule": "R7",
                "source": "s.37 DPA 2018; domain 6.4",
                "message": "is wrong",
                "remedy": "correct it",
            }
        ],
        "instance": "urn:uuid:00000000-0000-0000-0000-000000000000",
    }


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Conflict("x"), 409),
        (Conflict("x", code="idempotency_key_reused"), 422),
        (NotAllowed("x"), 403),
        (Forged("x"), 500),
        (Expired("x"), 503),
        (Misconfigured("x"), 500),
        (problems.too_large(), 413),
        (problems.overdue(), 503),
    ],
)
def test_statuses(error: GatewayError, status: int) -> None:
    assert problems.status_of(error) == status
