"""The OpenAPI document is valid, and says what is served: no more, no less."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openapi_spec_validator import validate

from gateway.api.openapi import document
from gateway.api.routes import Access
from gateway.api.table import TABLE
from tests.api.conftest import Desk


async def _served(desk: Desk) -> dict[str, Any]:
    status, body, headers = await desk.call("GET", "/openapi.json", role=None)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    return dict(body)


async def test_it_is_a_valid_openapi_3_1_document(desk: Desk) -> None:
    served = await _served(desk)
    assert served["openapi"].startswith("3.1")
    validate(served)


async def test_every_route_is_in_it_and_nothing_else(desk: Desk) -> None:
    served = await _served(desk)
    listed = {(path, method.upper()) for path, item in served["paths"].items() for method in item}
    routes = {(route.resource.canonical, route.method) for route in desk.client.server.app.router.routes()}
    assert {(path, method) for path, method in routes if method != "HEAD"} == listed
    assert {path for path, method in routes if method == "HEAD"} == {
        path for path, method in listed if method == "GET"
    }


def test_every_part_of_a_path_is_a_declared_parameter() -> None:
    for path, item in document(TABLE)["paths"].items():
        for operation in item.values():
            declared = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            assert declared == {part[1:-1] for part in path.split("/") if part.startswith("{")}


def test_references_lead_somewhere() -> None:
    made = document(TABLE)
    text = json.dumps(made)
    names = {piece.split('"')[0] for piece in text.split("#/components/schemas/")[1:]}
    assert names <= set(made["components"]["schemas"])
    assert "#/$defs/" not in text


def test_operations_have_names_of_their_own() -> None:
    names = [op["operationId"] for item in document(TABLE)["paths"].values() for op in item.values()]
    assert len(set(names)) == len(names) == len(TABLE)


@pytest.mark.parametrize("route", TABLE, ids=lambda route: f"{route.method} {route.path}")
async def test_the_document_says_who_may_call(desk: Desk, route: Any) -> None:
    """A route that asks for a token answers 401 without one; one that needs a person, 400 without one."""
    operation = (await _served(desk))["paths"][route.path][route.method.lower()]
    path = route.path.format(
        ref="HO-E09000012-2026-000417",
        leg="0" * 32,
        parcel="reply-0",
        name="handover",
        blob="0" * 32,
        action="AC1",
        alarm="0" * 32,
        notice="0" * 32,
        breach="0" * 32,
    )
    status, _, _ = await desk.call(route.method, path, role=None, actor=False)
    assert (status == 401) == (operation["security"] == [{"token": []}])
    asks = any(p["name"] == "Gateway-Actor" for p in operation.get("parameters", []))
    assert asks == route.access.by_a_person
    if asks:
        role = {Access.OPERATOR: "node", Access.AUDITOR: "AUDITOR"}.get(route.access, "community_safety")
        status, body, _ = await desk.call(route.method, path, role=role, actor=False)
        assert (status, body["code"]) == (400, "actor")


def test_only_the_routes_meant_for_everybody_are_open() -> None:
    assert {route.path for route in TABLE if route.access is Access.ANYONE} == {
        "/healthz", "/readyz", "/openapi.json", "/v1/receipts/verify",
        "/v1/log/checkpoint", "/v1/log/proof/inclusion", "/v1/log/proof/consistency", "/v1/log/leaves",
        "/v1/network",
    }  # fmt: skip


@pytest.mark.parametrize("route", TABLE, ids=lambda route: f"{route.method} {route.path}")
async def test_an_answer_that_was_not_announced_is_not_given(desk: Desk, route: Any) -> None:
    operation = (await _served(desk))["paths"][route.path][route.method.lower()]
    path = route.path.format(
        ref="HO-E09000012-2026-000417",
        leg="0" * 32,
        parcel="reply-0",
        name="handover",
        blob="0" * 32,
        action="AC1",
        alarm="0" * 32,
        notice="0" * 32,
        breach="0" * 32,
    )
    sent = [b"{}", b"CanaryZebulonQuux", None] if route.body else [None]
    for content in sent:
        for query in ("", "?surprise=1"):
            status, body, headers = await desk.call(
                route.method, path + query, content, headers={"Idempotency-Key": "k"}
            )
            announced = operation["responses"][str(status)]
            assert headers["Content-Type"].split(";")[0] in announced["content"], (status, body)
