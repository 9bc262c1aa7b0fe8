"""The access log over HTTP: the auditor's token and no other, every reading on record, nothing by name."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.api import shapes
from gateway.api.routes import Access
from gateway.api.table import TABLE
from gateway.core import audit_bundle
from gateway.core.judgement import Verdict

REF = "HO-E09000012-2026-000417"
LOG = "/v1/audit/log?justification=SELF_MONITORING"
ROUTES = [route for route in TABLE if route.access is Access.AUDITOR]


@pytest.fixture
async def bexley(pair: Any, document: Any) -> Any:
    """Bexley after police opened a handover, with a note."""
    await pair.hackney.submit(document)
    await pair.world.settle()
    (entry,) = await pair.bexley.inbox("police")
    status, answer, _ = await pair.bexley.call(
        "POST",
        f"/v1/inbox/{entry['leg']}/open",
        {"justification": "OTHER", "purpose": "SAFEGUARDING", "text": "a call at night"},
        role="police",
    )
    assert status == 200, answer
    pair.world.clock.advance(1)
    return pair.bexley


async def test_the_auditor_reads_it_with_the_words(bexley: Any) -> None:
    status, page, _ = await bexley.call("GET", f"{LOG}&handover={REF}", role="AUDITOR")
    assert status == 200
    shapes.AuditPage.model_validate(page)
    (opened,) = [line for line in page["lines"] if line["operation"] == "CONSULTATION"]
    assert (opened["principal"], opened["actor"], opened["role"]) == (
        "E09000004/police",
        "k-4711",
        "duty officer",
    )
    assert (opened["justification"], opened["purpose"]) == ("OTHER", "SAFEGUARDING")
    assert opened["text"] == "a call at night"
    assert page["next"] is None
    status, again, _ = await bexley.call("GET", LOG, role="AUDITOR")
    (read,) = [line for line in again["lines"] if line["operation"] == "AUDIT"]
    assert (read["actor"], read["justification"], read["handover"]) == ("k-4711", "SELF_MONITORING", REF)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
@pytest.mark.parametrize("role", ["police", "community_safety", "node"])
async def test_no_other_token_reads_it(bexley: Any, route: Any, role: str) -> None:
    before = await bexley.read(lambda tx: tx.accesses(limit=999))
    path = f"{route.path}?justification=SELF_MONITORING&reference=X"
    status, answer, _ = await bexley.call("GET", path, role=role)
    assert (status, answer["code"]) == (403, "token_kind")
    assert "auditor" in answer["remedy"]
    assert await bexley.read(lambda tx: tx.accesses(limit=999)) == before


@pytest.mark.parametrize(
    "route", [r for r in TABLE if r.access in {Access.AGENCY, Access.STAFF, Access.OPERATOR}],
    ids=lambda route: f"{route.method} {route.path}",
)  # fmt: skip
async def test_the_auditors_token_opens_nothing_else(desk: Any, route: Any) -> None:
    path = route.path
    for name in re.findall(r"{(\w+)}", route.path):
        path = path.replace(f"{{{name}}}", REF if name == "ref" else "0" * 32)
    status, answer, _ = await desk.call(route.method, path, role="AUDITOR")
    assert (status, answer["code"]) == (403, "token_kind")


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("", 403, "log_use"),
        ("justification=CURIOSITY", 403, "log_use"),
        ("justification=SELF_MONITORING&name=Smith", 400, "query"),
        ("justification=SELF_MONITORING&handover=Smith", 400, "query"),
        ("justification=SELF_MONITORING&principal=Smith", 400, "query"),
        ("justification=SELF_MONITORING&from=yesterday", 400, "query"),
        ("justification=SELF_MONITORING&limit=9999", 400, "query"),
    ],
)
async def test_it_is_asked_by_reference_and_for_a_use_of_the_law(
    bexley: Any, query: str, status: int, code: str
) -> None:
    got, answer, _ = await bexley.call("GET", f"/v1/audit/log?{query}", role="AUDITOR")
    assert (got, answer["code"]) == (status, code)
    if code == "log_use":
        assert answer["rule"] == "s.62(4)"
    assert not [
        row for row in await bexley.read(lambda tx: tx.accesses(limit=999)) if row.operation == "AUDIT"
    ]


async def test_who_reads_it_is_named(bexley: Any) -> None:
    status, answer, _ = await bexley.call("GET", LOG, role="AUDITOR", actor=False)
    assert (status, answer["code"]) == (400, "actor")


async def test_pages_and_filters(bexley: Any) -> None:
    whole = (await bexley.call("GET", LOG, role="AUDITOR"))[1]["lines"]
    page: Mapping[str, Any] = (await bexley.call("GET", f"{LOG}&limit=2", role="AUDITOR"))[1]
    assert [line["id"] for line in page["lines"]] == [line["id"] for line in whole[:2]]
    following = (await bexley.call("GET", f"{LOG}&limit=2&cursor={page['next']}", role="AUDITOR"))[1]
    assert following["lines"][0]["id"] == whole[2]["id"] if len(whole) > 2 else True
    by = (await bexley.call("GET", f"{LOG}&principal=E09000004/police", role="AUDITOR"))[1]["lines"]
    assert {line["principal"] for line in by} == {"E09000004/police"}
    late = (await bexley.call("GET", f"{LOG}&from=2027-01-01T00:00:00Z", role="AUDITOR"))[1]["lines"]
    assert late == []


async def test_the_file_for_the_commissioner_verifies_and_is_on_record(bexley: Any) -> None:
    path = f"/v1/audit/export?justification=COMMISSIONER_REQUEST&reference=ICO/1&handover={REF}"
    status, made, _ = await bexley.call("GET", path, role="AUDITOR")
    assert status == 200
    data = json.dumps(made, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    found = audit_bundle.judge(data, bexley.node.network.fingerprint)
    assert (found.verdict, found.said["reference"]) == (Verdict.VALID, "ICO/1")
    rows = await bexley.read(lambda tx: tx.accesses(limit=9))
    assert ("DISCLOSURE", ("COMMISSIONER",)) in {(row.operation, row.recipients) for row in rows}


async def test_an_opening_for_another_purpose_is_refused_with_rule_and_remedy(
    pair: Any, document: Any
) -> None:
    await pair.hackney.submit(document)
    await pair.world.settle()
    (entry,) = await pair.bexley.inbox("dwp")
    status, answer, _ = await pair.bexley.call(
        "POST",
        f"/v1/inbox/{entry['leg']}/open",
        {"justification": "ALLOCATED_CASE", "purpose": "REFUSE_SERVICE"},
        role="dwp",
    )
    assert (status, answer["code"], answer["rule"]) == (403, "purpose", "Art5(1)(b)")
    assert "CONTINUITY_OF_SUPPORT" in answer["remedy"]


async def test_a_person_is_answered_by_reference(pair: Any, document: Any) -> None:
    await pair.hackney.submit(document)
    await pair.world.settle()
    path = f"/v1/handovers/{REF}/subject-access"
    status, found, _ = await pair.hackney.call("POST", path)
    assert status == 200
    assert len(found["disclosures"]) == 7
    assert "Fictional Associate" not in json.dumps(found)
    query = "ground=PUBLIC_SECURITY&review=2027-01-01T00:00:00Z&withhold=history"
    status, found, _ = await pair.hackney.call("POST", f"{path}?{query}")
    assert (status, found["versions"][0]["withheld"]) == (200, ["history"])
    for wrong in ("ground=PUBLIC_SECURITY", "ground=x y&review=2027-01-01T00:00:00Z", "withhold=history"):
        status, answer, _ = await pair.hackney.call("POST", f"{path}?{wrong}")
        assert status in {400, 403}, wrong
        assert answer["code"] in {"query", "restriction_review", "restriction_ground"}
    status, _, _ = await pair.hackney.call("POST", path, actor=False)
    assert status == 400
