"""An integrated unit: one team, one token, several agencies; each part is opened and answered by itself."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.flows import tokens
from gateway.testing.boroughs import BEXLEY

POLICE, PROBATION, HOUSING = (f"{BEXLEY}/{role}" for role in ("police", "probation", "housing"))


@pytest.fixture
async def unit(pair: Any, document: Any) -> Any:
    """A token of Bexley's police with which its team answers for probation, too; the handover has come."""
    assert (await pair.hackney.submit(document))[0] == 202
    await pair.world.settle()
    node = pair.bexley.node
    now = pair.world.clock.now()
    text, _ = await node.store.write(lambda tx: tokens.create(tx, POLICE, "unit", now, also=(PROBATION,)))
    legs = await pair.world.bexley.legs("HO-E09000012-2026-000417")

    async def call(method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        sent = {
            "Authorization": f"Bearer {text}",
            "Gateway-Actor": '4711;role="Unit officer"',
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        async with pair.bexley.client.request(method, path, json=body, headers=sent) as response:
            return response.status, await response.json()

    return call, legs, pair


async def test_the_token_says_for_whom_its_team_answers(unit: Any) -> None:
    call, _, _ = unit
    assert (await call("GET", "/v1/me"))[1]["acts_for"] == [POLICE, PROBATION]
    assert (await call("GET", "/v1/me", Gateway_Agency="probation"))[1]["principal"] == PROBATION
    status, problem = await call("GET", "/v1/me", Gateway_Agency="housing")
    assert (status, problem["code"]) == (403, "token_agency")


async def test_each_part_is_answered_by_its_own_agency_and_signed_with_its_key(unit: Any) -> None:
    call, legs, pair = unit
    answer = {"state": "ACCEPTED", "role": "Unit officer"}
    listed = (await call("GET", "/v1/inbox"))[1]["entries"]
    assert {entry["agency"] for entry in listed} == {"POLICE", "PROBATION"}
    for role in ("police", "probation"):
        opening = {"justification": "ALLOCATED_CASE"}
        status, shown = await call("POST", f"/v1/inbox/{legs[role].id}/open", opening)
        assert (status, shown["principal"]) == (200, f"{BEXLEY}/{role}")
        status, made = await call("POST", f"/v1/inbox/{legs[role].id}/acknowledgements", answer)
        assert (status, made["state"]) == (200, "ACCEPTED")
    assert (await call("POST", f"/v1/inbox/{legs['housing'].id}/acknowledgements", answer))[0] == 404
    rows = await pair.bexley.read(lambda tx: tx.receipts(ref="HO-E09000012-2026-000417"))
    assert {row.by for row in rows if row.state == "accepted"} == {POLICE, PROBATION}
    accesses = await pair.bexley.read(lambda tx: tx.accesses(ref="HO-E09000012-2026-000417"))
    opened = {(row.principal, row.actor) for row in accesses if row.operation == "CONSULTATION"}
    assert opened == {(POLICE, "4711"), (PROBATION, "4711")}
    answered = {(row.principal, row.actor) for row in accesses if row.justification == "ANSWER_ACCEPTED"}
    assert answered == {(POLICE, "4711"), (PROBATION, "4711")}


async def test_a_named_agency_opens_nothing_of_the_other(unit: Any) -> None:
    call, legs, _ = unit
    status, _ = await call(
        "POST",
        f"/v1/inbox/{legs['probation'].id}/open",
        {"justification": "ALLOCATED_CASE"},
        Gateway_Agency="police",
    )
    assert status == 404


async def test_an_agency_that_leaves_takes_the_token_with_it(unit: Any) -> None:
    _, _, pair = unit
    now = pair.world.clock.now()
    text, _ = await pair.bexley.node.store.write(
        lambda tx: tokens.create(tx, POLICE, "unit", now, also=(f"{BEXLEY}/nobody",))
    )
    async with pair.bexley.client.request(
        "GET", "/v1/me", headers={"Authorization": f"Bearer {text}"}
    ) as response:
        assert response.status == 401
