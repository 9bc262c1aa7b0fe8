"""Who am I, which areas, the schemas, and judging a receipt."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.api import shapes
from gateway.core.entitlements import ENTITLEMENTS
from gateway.core.keys import IdentityKey
from gateway.core.receipts import About, make_receipt
from gateway.core.root import network_id
from gateway.testing.boroughs import START
from keys_example import AGENCIES, demo_network, unlocked
from schemas.catalogue import DOCUMENTS, SECTIONS, json_schema
from tests.api.conftest import BEXLEY, CANARY, HACKNEY, NOW, Desk

NETWORK = network_id(demo_network(START, ENTITLEMENTS).roots[0])
ABOUT = About(b"\x01" * 32, f"{HACKNEY}/node", "0" * 32, b"\x02" * 32)


async def test_me(desk: Desk) -> None:
    status, body, _ = await desk.call("GET", "/v1/me", role="st_giles", actor=False)
    assert status == 200
    shapes.Me.model_validate(body)
    assert (body["principal"], body["agency"]) == (f"{HACKNEY}/st_giles", "VOLUNTARY_SECTOR")


async def test_areas_and_their_agencies(desk: Desk) -> None:
    status, body, _ = await desk.call("GET", "/v1/areas")
    assert status == 200
    shapes.Areas.model_validate(body)
    assert [(area["area"], area["name"]) for area in body["areas"]] == [
        (BEXLEY, "Bexley"),
        (HACKNEY, "Hackney"),
    ]
    assert {agency["principal"] for agency in body["areas"][0]["agencies"]} == {
        f"{BEXLEY}/{role}" for role in AGENCIES
    }


async def test_schemas_are_listed_and_given(desk: Desk) -> None:
    _, body, _ = await desk.call("GET", "/v1/schemas")
    shapes.Schemas.model_validate(body)
    assert (body["documents"], body["sections"]) == (list(DOCUMENTS), list(SECTIONS))
    for name in (*body["documents"], *body["sections"]):
        status, schema, headers = await desk.call("GET", f"/v1/schemas/{name}")
        assert (status, headers["Content-Type"]) == (200, "application/schema+json")
        assert schema == json.loads(json.dumps(json_schema(name)))


@pytest.mark.parametrize("name", [CANARY, "..", "Handover", "handover.json"])
async def test_no_such_schema(desk: Desk, name: str) -> None:
    status, body, _ = await desk.call("GET", f"/v1/schemas/{name}")
    assert status == 404
    assert CANARY not in str(body)


def _receipt(by: str = f"{BEXLEY}/police", key: IdentityKey | None = None, net: bytes | None = None) -> bytes:
    signer = key or unlocked(BEXLEY).signer(by)
    return make_receipt(signer, net=net or NETWORK, about=ABOUT, at=NOW, state="accepted", code="DUTY").note


async def _judge(desk: Desk, note: bytes, *, as_json: bool) -> Any:
    body = json.dumps({"note": note.decode(), "state": "ignored"}).encode() if as_json else note
    headers = {} if as_json else {"Content-Type": "text/plain"}
    status, answer, _ = await desk.call(
        "POST", "/v1/receipts/verify", body, role=None, headers=headers, actor=False
    )
    assert status == 200
    shapes.Verdict.model_validate(answer)
    return answer


@pytest.mark.parametrize("as_json", [True, False])
async def test_a_true_receipt_is_valid_for_anybody(desk: Desk, as_json: bool) -> None:
    answer = await _judge(desk, _receipt(), as_json=as_json)
    assert (answer["verdict"], answer["by"], answer["state"]) == ("VALID", f"{BEXLEY}/police", "accepted")
    assert (answer["at"], answer["code"], answer["reasons"]) == ("2026-11-24T10:06:00Z", "DUTY", [])
    assert (answer["about"]["mid"], answer["about"]["sender"]) == ("0" * 32, f"{HACKNEY}/node")


@pytest.mark.parametrize("as_json", [True, False])
async def test_a_changed_receipt_is_invalid_and_not_repeated(desk: Desk, as_json: bool) -> None:
    answer = await _judge(desk, _receipt().replace(b"accepted", b"rejected"), as_json=as_json)
    assert (answer["verdict"], answer["by"], answer["about"]) == ("INVALID", None, None)
    assert answer["reasons"]


async def test_a_key_that_the_directory_does_not_hold_cannot_be_judged(desk: Desk) -> None:
    stranger = IdentityKey.generate("E09000033/police")
    answer = await _judge(desk, _receipt(key=stranger), as_json=False)
    assert (answer["verdict"], answer["by"], bool(answer["reasons"])) == ("CANNOT_TELL", None, True)


async def test_a_false_key_under_a_known_name_is_not_valid(desk: Desk) -> None:
    impostor = IdentityKey.generate(f"{BEXLEY}/police")
    answer = await _judge(desk, _receipt(key=impostor), as_json=False)
    assert answer["verdict"] != "VALID"


async def test_a_receipt_of_another_network_is_not_valid(desk: Desk) -> None:
    answer = await _judge(desk, _receipt(net=b"\x09" * 32), as_json=False)
    assert answer["verdict"] == "INVALID"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'{"note": 5}',
        b'{"note": "\\ud800"}',
        b'{"note": "CanaryZebulonQuux"}',
        b"[" * 99_999,
    ],
    ids=range(7),
)
async def test_what_is_no_receipt_is_invalid(desk: Desk, body: bytes) -> None:
    status, answer, _ = await desk.call("POST", "/v1/receipts/verify", body, role=None)
    assert (status, answer["verdict"]) == (200, "INVALID")
    assert CANARY not in str(answer)
