"""Handing in, and seeing where it stands: over two real boroughs where the way matters."""

from __future__ import annotations

import asyncio
import copy
import json
import re
from typing import Any

import pytest

from gateway.api import shapes
from gateway.core.examination import judge_evidence
from gateway.core.judgement import Verdict
from gateway.flows import judging
from gateway.ports import Side
from gateway.testing.boroughs import ManualClock
from keys_example import AGENCIES
from tests.api.conftest import ACTOR, BEXLEY, CANARY, HACKNEY, NOW, Desk, Pair

REF = "HO-E09000012-2026-000417"
Document = dict[str, Any]


def _numbered(document: Document, number: int) -> Document:
    made = copy.deepcopy(document)
    made["message"]["handover_id"] = f"HO-E09000012-2026-{number:06}"
    return made


def _leave_out(document: Document, agency: str) -> None:
    """The same handover without one agency: its leg, its actions, and every mention of it in a condition."""
    document["routing"]["recipients"] = [
        entry for entry in document["routing"]["recipients"] if entry["agency"] != agency
    ]
    document["actions"] = [action for action in document["actions"] if action["agency"] != agency]
    for condition in document["orders"][0]["conditions"]:
        for readers in (condition["visible_to"], condition.get("minimal_view", {}).get("agencies", [])):
            readers[:] = [name for name in readers if name != agency]


async def test_a_handover_is_accepted_and_owned(desk: Desk, document: Document) -> None:
    status, body, headers = await desk.submit(document)
    assert (status, body) == (202, {"handover": REF, "version": 1, "state": "ISSUED"})
    assert headers["Location"] == f"/v1/handovers/{REF}"
    assert "Idempotency-Replayed" not in headers
    shapes.Accepted.model_validate(body)
    assert (await desk.call("GET", headers["Location"]))[0] == 200


async def test_the_acting_person_is_in_the_access_log(desk: Desk, document: Document) -> None:
    await desk.submit(document)
    rows = await desk.read(lambda tx: tx.accesses(ref=REF))
    assert {(row.actor, row.role) for row in rows} == {("k-4711", "duty officer")}
    assert {row.operation for row in rows} == {"COLLECTION", "DISCLOSURE"}


async def test_the_same_key_and_body_get_the_same_answer(desk: Desk, document: Document) -> None:
    first = await desk.submit(document)
    counts = await desk.read(lambda tx: dict(tx.counts()))
    again = await desk.submit(document)
    assert again[:2] == first[:2]
    assert again[2]["Idempotency-Replayed"] == "true"
    assert again[2]["Location"] == first[2]["Location"]
    assert await desk.read(lambda tx: dict(tx.counts())) == counts


async def test_the_same_key_with_another_body_is_refused(desk: Desk, document: Document) -> None:
    await desk.submit(document)
    status, body, _ = await desk.submit(_numbered(document, 418))
    assert (status, body["code"]) == (422, "idempotency_key_reused")
    assert body["remedy"]
    assert not await desk.read(lambda tx: tx.handover("HO-E09000012-2026-000418"))


async def test_a_key_belongs_to_its_agency(desk: Desk, document: Document) -> None:
    """Another agency's use of the same key says nothing about the first one's."""
    await desk.submit(document)
    status, body, _ = await desk.submit(document, role="police")
    assert (status, body["code"]) == (403, "not_ours")


async def test_the_same_document_under_another_key_is_a_conflict(desk: Desk, document: Document) -> None:
    await desk.submit(document)
    status, body, _ = await desk.submit(document, key="k2")
    assert (status, body["code"], body["field"]) == (409, "version_exists", "/message/version")


async def test_concurrent_calls_with_one_key_make_one_handover(desk: Desk, document: Document) -> None:
    await desk.token("community_safety")
    answers = await asyncio.gather(*(desk.submit(document) for _ in range(8)))
    assert [status for status, _, _ in answers] == [202] * 8
    assert len({json.dumps(body) for _, body, _ in answers}) == 1
    assert sum("Idempotency-Replayed" not in headers for _, _, headers in answers) == 1
    legs = await desk.read(lambda tx: tx.legs(REF, 1))
    assert len(legs) == 7
    assert (await desk.read(lambda tx: tx.counts()))["outbox.waiting"] == 1


async def test_two_different_handovers_racing_for_one_key(desk: Desk, document: Document) -> None:
    """Both may pass the first look at the key; the transaction decides, and the loser stores nothing."""
    await desk.token("community_safety")
    both = [document, _numbered(document, 418)]
    answers = await asyncio.gather(*(desk.submit(one) for one in both))
    assert sorted(status for status, _, _ in answers) == [202, 422]
    rows = await desk.read(lambda tx: tx.handovers(side=None, principal=None, before="", limit=9))
    assert len(rows) == 1


async def test_validating_tells_what_would_be_sent_and_keeps_nothing(desk: Desk, document: Document) -> None:
    await desk.token("community_safety")
    before = await desk.read(lambda tx: (dict(tx.counts()), list(tx.accesses())))
    status, body, _ = await desk.call("POST", "/v1/handovers/validate", document, actor=False)
    assert status == 200, body
    shapes.Validated.model_validate(body)
    assert body["valid"] is True
    assert body["legs"][0] == {
        "agency": "COMMUNITY_SAFETY",
        "principal": f"{BEXLEY}/community_safety",
        "sections": document["routing"]["recipients"][0]["sections"],
    }
    assert [leg["agency"] for leg in body["legs"]] == [r["agency"] for r in document["routing"]["recipients"]]
    judged = judging.judge(desk.node, json.dumps(document).encode(), now=NOW)
    assert body["audiences"] == len(judged.parts) > 1
    assert await desk.read(lambda tx: (dict(tx.counts()), list(tx.accesses()))) == before


@pytest.mark.parametrize(
    "as_of", ["2026-11-24T10:06:00Z", "2026-11-24T10:06:00+00:00", "2026-11-24T10:06:00.5%2B00:00"]
)
async def test_it_is_judged_at_the_moment_asked_for(
    desk: Desk, document: Document, clock: ManualClock, as_of: str
) -> None:
    clock.advance(400 * 86_400)
    status, body, _ = await desk.call("POST", "/v1/handovers/validate", document)
    assert (status, body["code"]) == (503, "directory_expired")
    assert body["remedy"]
    status, body, _ = await desk.call("POST", f"/v1/handovers/validate?as_of={as_of}", document)
    assert status == 200, body


@pytest.mark.parametrize(
    "as_of",
    [
        "",
        "now",
        "2026-11-24",
        "2026-11-24T10:06:00",
        "1795514760",
        "2026-02-31T10:06:00Z",
        "0001-01-01T00:00:00%2B23:59",
    ],
)
async def test_a_moment_is_rfc_3339(desk: Desk, document: Document, as_of: str) -> None:
    status, body, _ = await desk.call("POST", f"/v1/handovers/validate?as_of={as_of}", document)
    assert (status, body["code"], body["field"]) == (400, "query", "as_of")


async def test_pages_follow_each_other_without_gap_or_repeat(desk: Desk, document: Document) -> None:
    refs = []
    for number in range(5):
        _, body, _ = await desk.submit(_numbered(document, number), key=f"k{number}")
        refs.append(body["handover"])
    path, found, pages = "/v1/handovers?limit=2", [], 0
    while path:
        _, body, headers = await desk.call("GET", path)
        shapes.Page.model_validate(body)
        found += [line["handover"] for line in body["handovers"]]
        pages += 1
        link = re.fullmatch(
            r'<(/v1/handovers\?limit=2&cursor=[0-9a-f]{32})>; rel="next"', headers.get("Link", "")
        )
        path = link[1] if link else ""
    assert found == refs[::-1]
    assert pages == 3


async def test_a_full_last_page_names_no_next_one(desk: Desk, document: Document) -> None:
    for number in range(2):
        await desk.submit(_numbered(document, number), key=f"k{number}")
    _, body, headers = await desk.call("GET", "/v1/handovers?limit=2")
    assert len(body["handovers"]) == 2
    assert "Link" not in headers


async def test_what_is_not_yours_is_not_there(desk: Desk, document: Document) -> None:
    """A handover that St Giles gets no part of does not concern St Giles at the origin either."""
    _leave_out(document, "VOLUNTARY_SECTOR")
    status, body, _ = await desk.submit(document)
    assert status == 202, body
    for tail in ("", "/events", "/receipts", "/why"):
        for role, expected in (("community_safety", 200), ("police", 200), ("st_giles", 404)):
            status, body, _ = await desk.call("GET", f"/v1/handovers/{REF}{tail}", role=role)
            assert status == expected, (role, tail, body)
    assert (await desk.call("GET", "/v1/handovers", role="st_giles"))[1] == {"handovers": []}
    unknown = await desk.call("GET", "/v1/handovers/HO-E09000012-2026-000999", role="st_giles")
    hidden = await desk.call("GET", f"/v1/handovers/{REF}", role="st_giles")
    assert {k: v for k, v in hidden[1].items() if k != "instance"} == {
        k: v for k, v in unknown[1].items() if k != "instance"
    }


async def test_the_views_have_their_shapes_and_no_word_of_the_document(
    desk: Desk, document: Document
) -> None:
    document["core"]["family_name"] = CANARY
    await desk.submit(document)
    for tail, shape in (
        ("", shapes.Handover),
        ("/events", shapes.Events),
        ("/receipts", shapes.Receipts),
        ("/why", shapes.Reasons),
        ("?version=1", shapes.Handover),
    ):
        status, body, _ = await desk.call("GET", f"/v1/handovers/{REF}{tail}")
        assert status == 200
        shape.model_validate(body)
        assert (body["handover"], body["version"]) == (REF, 1)
        assert CANARY not in json.dumps(body)
    assert (await desk.call("GET", f"/v1/handovers/{REF}?version=2"))[0] == 404
    assert len((await desk.call("GET", f"/v1/handovers/{REF}"))[1]["legs"]) == 7


async def test_the_whole_way_there_and_back(pair: Pair, document: Document) -> None:
    """Seven agencies open, accept, and the origin sees who is responsible: over the API alone."""
    hackney, bexley = pair.hackney, pair.bexley
    document["core"]["family_name"] = CANARY
    assert (await hackney.submit(document))[0] == 202
    await pair.world.settle()
    for role in AGENCIES:
        entry = (await bexley.inbox(role))[0]
        path = f"/v1/inbox/{entry['leg']}"
        status, opened, _ = await bexley.call(
            "POST", f"{path}/open", {"justification": "DUTY_OFFICER"}, role=role
        )
        assert status == 200, opened
        shapes.Opened.model_validate(opened)
        assert CANARY in json.dumps(opened["content"])
        answer = {"state": "ACCEPTED", "role": "Duty officer"}
        status, made, _ = await bexley.call("POST", f"{path}/acknowledgements", answer, role=role)
        assert status == 200, made
        shapes.Recorded.model_validate(made)
        assert (made["leg"], made["state"], made["repeated"]) == (entry["leg"], "ACCEPTED", False)
        assert made["receipts"] == ["acknowledged", "accepted"]
    await pair.world.settle()
    standing = (await hackney.call("GET", f"/v1/handovers/{REF}"))[1]
    assert {leg["state"] for leg in standing["legs"]} == {"ACCEPTED"}
    moved = {f"{BEXLEY}/{role}" for role in AGENCIES if role != "leaving_care"}
    assert {leg["responsible"] for leg in standing["legs"]} == moved | {f"{HACKNEY}/leaving_care"}
    assert len(standing["checklist"]) == 11
    receipts = (await hackney.call("GET", f"/v1/handovers/{REF}/receipts"))[1]
    shapes.Receipts.model_validate(receipts)
    signed = {(receipt["by"], receipt["state"]) for receipt in receipts["receipts"]}
    for role in AGENCIES:
        assert {state for by, state in signed if by == f"{BEXLEY}/{role}"} == {
            "opened",
            "acknowledged",
            "accepted",
        }
    shapes.Events.model_validate((await hackney.call("GET", f"/v1/handovers/{REF}/events"))[1])


async def test_a_receiving_agency_sees_its_own_leg_alone(pair: Pair, document: Document) -> None:
    hackney, bexley = pair.hackney, pair.bexley
    await hackney.submit(document)
    await pair.world.settle()
    _, body, _ = await bexley.call("GET", f"/v1/handovers/{REF}", role="dwp")
    assert (body["side"], [leg["principal"] for leg in body["legs"]]) == ("destination", [f"{BEXLEY}/dwp"])
    for tail, name in (("/events", "events"), ("/why", "legs")):
        _, body, _ = await bexley.call("GET", f"/v1/handovers/{REF}{tail}", role="dwp")
        assert {line["agency"] for line in body[name]} <= {"DWP"}
    _, body, _ = await bexley.call("GET", f"/v1/handovers/{REF}/receipts", role="dwp")
    assert {receipt["by"] for receipt in body["receipts"]} <= {f"{BEXLEY}/dwp", f"{BEXLEY}/node"}
    rows = await bexley.read(
        lambda tx: tx.handovers(side=Side.DESTINATION, principal=None, before="", limit=9)
    )
    assert [row.origin for row in rows] == [HACKNEY]


async def test_evidence_proves_the_handover_and_discloses_only_with_a_justification(
    desk: Desk, document: Document
) -> None:
    await desk.submit(document)
    status, body, _ = await desk.call("GET", f"/v1/handovers/{REF}/evidence", headers=ACTOR)
    assert status == 200
    shapes.Evidence.model_validate(body)
    finding = judge_evidence(body["evidence"].encode(), desk.node.network.fingerprint)
    assert finding.verdict is Verdict.VALID
    assert {name for part in finding.sections for name in part} == {"routing"}
    status, body, _ = await desk.call("GET", f"/v1/handovers/{REF}/evidence?disclose=core", headers=ACTOR)
    assert (status, body["code"]) == (400, "justification")
    status, body, _ = await desk.call(
        "GET", f"/v1/handovers/{REF}/evidence?disclose=support&justification=AUDIT", headers=ACTOR
    )
    assert status == 200
    (row,) = [row for row in await desk.read(lambda tx: tx.accesses(ref=REF)) if row.justification == "AUDIT"]
    assert row.operation == "DISCLOSURE"
