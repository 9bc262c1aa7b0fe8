"""Tokens: made once, found by digest, and one answer for everything that is not valid."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any

import pytest

from gateway.errors import GatewayError, NotAllowed, Unauthenticated, UnknownRecipient
from gateway.flows import tokens
from gateway.ports import TokenRow
from tests.api.conftest import ACTOR, BEXLEY, HACKNEY, NOW, Desk

POLICE = f"{HACKNEY}/police"


def test_a_token_is_opaque_and_its_digest_is_that_of_its_text() -> None:
    text, digest = tokens.new_token()
    assert re.fullmatch(r"bhg_[A-Za-z0-9_-]{43}", text)
    assert digest == sha256(text.encode()).digest()
    assert tokens.new_token()[0] != text


async def test_the_text_is_not_stored(desk: Desk) -> None:
    text, row = await desk.node.store.write(lambda tx: tokens.create(tx, POLICE, "records", NOW))
    stored = await desk.read(lambda tx: tx.tokens())
    assert stored == [row]
    assert text not in repr(stored)
    assert (row.principal, row.label, row.created, row.expires) == (POLICE, "records", NOW, 0)


async def test_issue_gives_the_text_of_a_stored_token(desk: Desk) -> None:
    text = await desk.node.store.write(lambda tx: tokens.issue(tx, POLICE, "records", NOW))
    found = await desk.read(lambda tx: tokens.find(tx, text, desk.node, NOW))
    assert (found.caller.principal, found.caller.agency, found.label) == (POLICE, "POLICE", "records")


@pytest.mark.parametrize("label", ["", "x" * 101, "line\nbreak"])
async def test_a_label_is_one_short_line(desk: Desk, label: str) -> None:
    with pytest.raises(NotAllowed):
        await desk.node.store.write(lambda tx: tokens.create(tx, POLICE, label, NOW))
    assert await desk.read(lambda tx: tx.tokens()) == []


async def test_a_token_cannot_be_made_already_expired(desk: Desk) -> None:
    with pytest.raises(NotAllowed):
        await desk.node.store.write(lambda tx: tokens.create(tx, POLICE, "records", NOW, expires=NOW))
    await desk.node.store.write(lambda tx: tokens.create(tx, POLICE, "records", NOW, expires=NOW + 1))


async def test_it_is_valid_until_the_second_it_expires(desk: Desk) -> None:
    text = await desk.node.store.write(lambda tx: tokens.issue(tx, POLICE, "x", NOW, expires=NOW + 10))
    await desk.read(lambda tx: tokens.find(tx, text, desk.node, NOW + 9))
    with pytest.raises(Unauthenticated):
        await desk.read(lambda tx: tokens.find(tx, text, desk.node, NOW + 10))


@pytest.mark.parametrize(
    ("name", "error"),
    [
        (f"{HACKNEY}/node", NotAllowed),
        (f"{BEXLEY}/police", NotAllowed),
        (f"{HACKNEY}/nobody", UnknownRecipient),
    ],
)
def test_only_agencies_of_this_area_hold_tokens(desk: Desk, name: str, error: type[GatewayError]) -> None:
    with pytest.raises(error):
        tokens.agency_of(desk.node.network, HACKNEY, name)
    assert tokens.agency_of(desk.node.network, HACKNEY, POLICE).agency == "POLICE"


async def _stored(desk: Desk, **changes: Any) -> str:
    text, digest = tokens.new_token()
    row: dict[str, Any] = {
        "id": text[4:36],
        "digest": digest,
        "principal": POLICE,
        "label": "x",
        "created": NOW,
    }
    await desk.node.store.write(lambda tx: tx.put_token(TokenRow(**{**row, **changes})))
    return text


async def test_every_invalid_token_gets_the_same_answer(desk: Desk) -> None:
    unknown = tokens.new_token()[0]
    invalid = {
        "unknown": unknown,
        "revoked": await _stored(desk, revoked=NOW - 1),
        "expired": await _stored(desk, expires=NOW - 1),
        "another area": await _stored(desk, principal=f"{BEXLEY}/police"),
        "another node": await _stored(desk, principal=f"{BEXLEY}/node"),
        "departed": await _stored(desk, principal=f"{HACKNEY}/departed"),
        "short": unknown[:-1],
        "long": unknown + "A",
        "other prefix": "xxx_" + unknown[4:],
        "empty": "",
    }
    answers = {}
    for name, text in invalid.items():
        status, body, headers = await desk.call(
            "GET", "/v1/me", role=None, headers={"Authorization": f"Bearer {text}"}
        )
        body.pop("instance")
        answers[name] = (status, body, headers["WWW-Authenticate"])
    assert set(map(repr, answers.values())) == {repr(answers["unknown"])}, answers
    assert answers["unknown"][0] == 401
    assert answers["unknown"][2] == 'Bearer realm="gateway"'


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Basic cG9saWNlOng="}, {"Authorization": "Bearer"}, {"Authorization": "bhg_x"}],
)
async def test_without_a_bearer_token_the_answer_is_401(desk: Desk, headers: dict[str, str]) -> None:
    status, body, _ = await desk.call("GET", "/v1/me", role=None, headers=headers)
    assert (status, body["code"]) == (401, "unauthenticated")


async def test_a_revoked_token_stops_working_at_once(desk: Desk) -> None:
    assert (await desk.call("GET", "/v1/me"))[0] == 200
    row = (await desk.read(lambda tx: tx.tokens()))[0]
    await desk.node.store.write(lambda tx: tx.revoke_token(row.id, NOW))
    assert (await desk.call("GET", "/v1/me"))[0] == 401


async def test_the_scheme_is_case_insensitive(desk: Desk) -> None:
    text = await desk.token("police")
    status, body, _ = await desk.call("GET", "/v1/me", role=None, headers={"Authorization": f"bearer {text}"})
    assert status == 200
    told = {"principal": POLICE, "agency": "POLICE", "area": HACKNEY, "label": "case system"}
    assert body == {**told, "acts_for": [POLICE]}


async def test_two_tokens_in_one_request_are_refused(desk: Desk) -> None:
    text = await desk.token("police")
    headers = [("Authorization", f"Bearer {text}"), ("Authorization", f"Bearer {text}")]
    async with desk.client.get("/v1/me", headers=headers) as response:
        assert response.status == 400
        assert (await response.json())["code"] == "repeated_header"


ACTING = "/v1/inbox/" + "0" * 32 + "/open"


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "k-4711",
        "k-4711;",
        "k-4711;role=",
        'k-4711;role=""',
        'k-4711;role="  "',
        "k-4711;role=duty officer",
        'k-4711;role="duty',
        'k-4711;role="duty" officer"',
        'k-4711;role="' + "x" * 101 + '"',
        'k-4711;role="sergeant";more=1',
        'k-4711;role="dave@police.example"',
        'Jane Doe;role="sergeant"',
        'jane.doe@police.example;role="sergeant"',
        ';role="sergeant"',
        "x" * 65 + ';role="sergeant"',
        'k-4711;role="sergéant"',
    ],
)
async def test_the_acting_person_is_a_reference_and_a_role(desk: Desk, value: str | None) -> None:
    headers = {} if value is None else {"Gateway-Actor": value}
    status, body, _ = await desk.call(
        "POST", ACTING, {"justification": "AUDIT"}, headers=headers, actor=False
    )
    assert (status, body["code"], body["field"]) == (400, "actor", "Gateway-Actor")
    assert "Gateway-Actor: " in body["remedy"]
    for word in ("Jane", "jane", "dave", "4711"):
        assert word not in str(body)


@pytest.mark.parametrize(
    "value",
    [
        *ACTOR.values(),
        "k.4_7-11;role=sergeant",
        'K; role="x"',
        'k;role="Head of \\"Op\\\\\\" unit"',
        "x" * 64 + ';role="' + "y" * 100 + '"',
    ],
)
async def test_well_formed_actors_pass(desk: Desk, value: str) -> None:
    status, body, _ = await desk.call(
        "POST", ACTING, {"justification": "AUDIT"}, headers={"Gateway-Actor": value}, actor=False
    )
    assert (status, body["code"]) == (404, "no_leg")
