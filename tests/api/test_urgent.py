"""Second persons, calls, reviews and drills over HTTP."""

from __future__ import annotations

from typing import Any

import pytest


def urgent(document: dict[str, Any]) -> dict[str, Any]:
    document["message"]["urgency"] = "URGENT"
    document["urgent"] = {"trigger": "CREDIBLE_THREAT", "evidence_ref": "CRIME-0000001/26"}
    document["move"]["new_address"]["visible_to"] = ["POLICE"]
    return document


def unreliable(document: dict[str, Any]) -> dict[str, Any]:
    [item] = [item for item in document["history"] if item.get("grading")]
    item["grading"]["source"] = 3
    return document


OTHER = {"Gateway-Actor": 'k-9999;role="Head of service"'}


async def held(pair: Any, document: Any) -> str:
    body = unreliable(document)
    status, answer, _ = await pair.hackney.call(
        "POST", "/v1/handovers?hold=true", body, headers={"Idempotency-Key": "h1"}
    )
    assert (status, answer["state"]) == (202, "DRAFT")
    return str(answer["handover"])


async def test_a_draft_is_listed_read_and_authorised(pair: Any, document: Any) -> None:
    ref = await held(pair, document)
    _, listed, _ = await pair.hackney.call("GET", "/v1/drafts", role="police")
    assert [draft["handover"] for draft in listed["drafts"]] == [ref]
    status, read, _ = await pair.hackney.call("GET", f"/v1/drafts/{ref}?justification=SUPERVISION_OVERSIGHT")
    assert (status, read["content"]["core"]["family_name"]) == (200, "EXAMPLE")
    for role, query, expected in (
        ("police", "?justification=SUPERVISION_OVERSIGHT", 404),
        ("community_safety", "", 400),
        ("community_safety", "?justification=BECAUSE", 400),
    ):
        status, _, _ = await pair.hackney.call("GET", f"/v1/drafts/{ref}{query}", role=role)
        assert status == expected
    status, refused, _ = await pair.hackney.call("POST", f"/v1/handovers/{ref}/authorisations")
    assert (status, refused["code"]) == (403, "same_person")
    status, made, _ = await pair.hackney.call(
        "POST", f"/v1/handovers/{ref}/authorisations", actor=False, headers=OTHER
    )
    assert (status, made["state"]) == (200, "ISSUED")


async def test_without_hold_it_is_refused_as_ever(pair: Any, document: Any) -> None:
    status, answer, _ = await pair.hackney.submit(unreliable(document))
    assert (status, answer["code"]) == (403, "not_allowed")
    status, answer, _ = await pair.hackney.call(
        "POST", "/v1/handovers?hold=maybe", document, headers={"Idempotency-Key": "k"}
    )
    assert (status, answer["code"]) == (400, "query")


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("review", {"outcome": "KEEP"}, "invalid_document"),
        ("review", {"outcome": "DOWNGRADE", "reason": "THREAT_CONTINUES"}, "invalid_document"),
        ("review", {"outcome": "KEEP", "reason": "A long story"}, "invalid_document"),
        ("verbal", {"at": "2026-11-24T10:06:00Z", "from_role": "a"}, "invalid_document"),
        (
            "verbal",
            {"at": "2026-11-24T10:06:00Z", "from_role": "a", "to_role": "b", "callback_verified": False},
            "callback",
        ),
    ],
)
async def test_what_is_said_of_an_urgent_move_has_its_form(
    pair: Any, document: Any, path: str, body: dict[str, Any], code: str
) -> None:
    _, made, _ = await pair.hackney.submit(urgent(document))
    status, answer, _ = await pair.hackney.call("POST", f"/v1/handovers/{made['handover']}/{path}", body)
    assert (status, answer["code"]) == (422, code)


async def test_a_review_and_a_call_over_http(pair: Any, document: Any) -> None:
    _, made, _ = await pair.hackney.submit(urgent(document))
    ref = made["handover"]
    call = {"at": "2026-11-24T10:05:30Z", "from_role": "Duty", "to_role": "Inspector"}
    said = await pair.hackney.call("POST", f"/v1/handovers/{ref}/verbal", {**call, "callback_verified": True})
    assert (said[0], said[1]["called"]) == (200, "2026-11-24T10:05:30Z")
    keep = {"outcome": "KEEP", "reason": "SUSPECTS_AT_LARGE"}
    status, kept, _ = await pair.hackney.call("POST", f"/v1/handovers/{ref}/review", keep)
    assert (status, kept["urgent"], kept["review_by"]) == (200, True, "2026-11-27T10:06:00Z")
    calm = await pair.hackney.call("POST", f"/v1/handovers/{ref}/review", {"outcome": "DOWNGRADE"})
    assert (calm[0], calm[1]["urgent"], calm[1]["review_by"]) == (200, False, None)


async def test_the_inbox_says_drill_first_and_a_report_shows_a_receiver_its_own_line(
    pair: Any, document: Any
) -> None:
    document["message"]["drill"] = True
    _, made, _ = await pair.hackney.submit(document)
    await pair.world.settle()
    [entry] = await pair.bexley.inbox("police")
    assert next(iter(entry.items())) == ("drill", True)
    ref = made["handover"]
    _, sent, _ = await pair.hackney.call("GET", f"/v1/drills/{ref}")
    _, got, _ = await pair.bexley.call("GET", f"/v1/drills/{ref}", role="police")
    assert len(sent["legs"]) == len(document["routing"]["recipients"])
    assert [leg["agency"] for leg in got["legs"]] == ["POLICE"]
    _, listed, _ = await pair.bexley.call("GET", "/v1/drills", role="police")
    assert [drill["handover"] for drill in listed["drills"]] == [ref]
    status, refused, _ = await pair.bexley.call("POST", f"/v1/drills/{ref}/end", role="police")
    assert (status, refused["code"]) == (403, "not_ours")
    status, over, _ = await pair.hackney.call("POST", f"/v1/drills/{ref}/end")
    assert (status, over["handover"]) == (200, ref)
