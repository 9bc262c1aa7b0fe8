"""Whoever has no part in a handover learns nothing of it, by any address: every route of the table, called by
an agency of the same area with the true ids of what another one holds.

The ids are not guessed: an agency that has overheard them must fare no better than one that made them up.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from gateway.api.routes import Access
from gateway.api.table import TABLE
from tests.api.conftest import BEXLEY, Desk, Pair
from tests.properties.conftest import narrowed

REF = "HO-E09000012-2026-000417"
STRANGER = "housing"
OPENING = {"justification": "ALLOCATED_CASE"}
BODIES: dict[str, Any] = {
    "opening": OPENING,
    "notice": {"kind": "CORRECTION", "role": "Lead", "reason_code": "DATA_INACCURATE"},
    "notice_answer": {"state": "ACKNOWLEDGED", "role": "Lead"},
    "acknowledgement": {"state": "RECEIVED", "role": "Lead", "contact": "020 7946 0000"},
    "action": {"result": "COMPLETED", "role": "Lead"},
    "call": {"from_role": "Duty lead", "to_role": "Duty inspector", "at": "2026-11-24T10:00:00Z"},
    "review": {"outcome": "KEEP", "role": "Lead", "reason_code": "THREAT_CONTINUES"},
}
ABOUT = [
    route
    for route in TABLE
    if re.search(r"{(ref|leg|parcel|notice)}", route.path) and route.access in {Access.AGENCY, Access.STAFF}
]
LISTS = ["/v1/handovers", "/v1/inbox", "/v1/requests", "/v1/drills", "/v1/relay", "/v1/spoc"]
QUERY = {
    "/v1/handovers/{ref}/evidence": "?justification=ALLOCATED_CASE",
    "/v1/inbox/{leg}/attachments/{blob}": "?justification=ALLOCATED_CASE",
    "/v1/drafts/{ref}": "?justification=ALLOCATED_CASE",
    "/v1/relay/{parcel}/attachments/{blob}": "?segment=0",
}
ANY_COLLEAGUE = "/v1/handovers/{ref}/authorisations"
"""The second person may be of any agency of the origin (decision 0027): whether one is awaited is told."""


def name(route: Any) -> str:
    return f"{route.method} {route.path}"


@pytest.fixture
async def others(pair: Pair, document: dict[str, Any]) -> dict[str, str]:
    """Police and DWP have a handover and a notice about it, unopened; the ids of the police's."""
    small = narrowed(document, "POLICE", "DWP")
    status, answer, _ = await pair.hackney.submit(small)
    assert status == 202, answer
    await pair.world.settle()
    at = f"/v1/handovers/{REF}/notices"
    status, answer, _ = await pair.hackney.call(
        "POST", at, BODIES["notice"], headers={"Idempotency-Key": "n"}, role="community_safety"
    )
    assert status == 202, answer
    await pair.world.settle()
    leg = (await pair.world.bexley.legs(REF))["police"].id
    rows = await pair.bexley.read(lambda tx: tx.actions(leg))
    return {
        "ref": REF,
        "leg": leg,
        "parcel": f"notification-{leg}",
        "notice": answer["notice"],
        "action": rows[0].action,
        "blob": "0" * 32,
    }


async def _call(desk: Desk, route: Any, ids: dict[str, str], role: str) -> tuple[int, Any]:
    path = route.path.format(**ids) + QUERY.get(route.path, "")
    body = BODIES.get(route.body.schema, {}) if route.body else None
    status, answer, _ = await desk.call(
        route.method, path, body, role=role, headers={"Idempotency-Key": "stranger"}
    )
    return status, answer


@pytest.mark.parametrize("route", ABOUT, ids=name)
@pytest.mark.parametrize("side", ["hackney", "bexley"])
async def test_an_agency_without_a_part_in_it_is_told_that_there_is_nothing(
    pair: Pair, others: dict[str, str], route: Any, side: str
) -> None:
    desk: Desk = getattr(pair, side)
    before = await desk.read(lambda tx: (tx.accesses(limit=999), tx.handover(REF), tx.notices(ref=REF)))
    status, answer = await _call(desk, route, others, STRANGER)
    assert status in {403, 404, 409, 422}, (status, answer)
    if (
        status in {409, 422} and route.path != ANY_COLLEAGUE
    ):  # judged before it is looked up: then a made-up id is answered alike
        made_up = {**others, "ref": "HO-E09000012-2026-999999", "leg": "ab" * 16, "notice": "ab" * 16}
        made_up["parcel"] = f"notification-{'ab' * 16}"
        again, same = await _call(desk, route, made_up, STRANGER)
        assert (again, same["code"]) == (status, answer["code"])
    after = await desk.read(lambda tx: (tx.accesses(limit=999), tx.handover(REF), tx.notices(ref=REF)))
    assert after == before


@pytest.mark.parametrize("path", LISTS)
async def test_its_lists_hold_nothing_of_it(pair: Pair, others: dict[str, str], path: str) -> None:
    status, answer, _ = await pair.bexley.call("GET", path, role=STRANGER)
    assert status in {200, 403}
    for told in (REF, others["leg"], others["notice"]):
        assert told not in repr(answer)


@pytest.mark.parametrize(
    "route", [one for one in TABLE if one.access in {Access.AGENCY, Access.STAFF}], ids=name
)
async def test_the_operators_token_is_no_agencys(pair: Pair, others: dict[str, str], route: Any) -> None:
    ids = {**others, "name": "handover", "alarm": "0" * 32, "breach": "0" * 32}
    status, answer = await _call(pair.bexley, route, ids, "node")
    assert (status, answer["code"]) == (403, "token_kind")


@pytest.mark.parametrize("route", [one for one in TABLE if one.access is Access.OPERATOR], ids=name)
@pytest.mark.parametrize("role", ["police", "AUDITOR"])
async def test_what_operators_see_no_agency_and_no_auditor_does(pair: Pair, route: Any, role: str) -> None:
    ids = {"alarm": "0" * 32, "breach": "0" * 32}
    status, answer = await _call(pair.bexley, route, ids, role)
    assert (status, answer["code"]) == (403, "token_kind")


async def test_another_areas_token_is_no_token_here(pair: Pair) -> None:
    text = await pair.hackney.token("police")
    headers = {"Authorization": f"Bearer {text}"}
    status, answer, _ = await pair.bexley.call("GET", "/v1/inbox", role=None, headers=headers)
    assert (status, answer["code"]) == (401, "unauthenticated")
    assert BEXLEY not in repr(answer)
