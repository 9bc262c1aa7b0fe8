"""The shape of a notice and of an answer to one: blocks where they belong, reasons that fit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.base import ShapeError
from schemas.notice import parse_notice, parse_notice_answer

ROLE = {"role": "Team leader"}
ID = "7e" * 16
DONE = {"copies_destroyed": True, "onward_disclosure": False, "log_contains_payload": False}


def notice(kind: str, reason: str, **more: Any) -> Any:
    return parse_notice(json.dumps({"kind": kind, "reason_code": reason, **ROLE, **more}).encode())


def wrong(kind: str, reason: str, **more: Any) -> str:
    with pytest.raises(ShapeError) as caught:
        notice(kind, reason, **more)
    return caught.value.problems[0].pointer


@pytest.mark.parametrize(
    ("kind", "reason", "more"),
    [
        ("CORRECTION", "DATA_INACCURATE", {"changes": ["/core/family_name"], "new_version": 2}),
        ("RECTIFICATION", "SUBJECT_REQUEST", {"statement": "Not I."}),
        ("ERASURE", "NO_LAWFUL_BASIS", {"section": "history", "evidence": True}),
        ("WITHDRAWAL", "AGREEMENT_WITHDRAWN", {"due": "2026-12-01T12:00:00+00:00"}),
        ("RESTRICTION_LIFTED", "ACCURACY_VERIFIED", {"about": ID}),
        ("REFUSAL", "NOT_FOUNDED", {"about": ID, "text": "It is right."}),
        ("PURGE_ORDER", "RETENTION_ENDED", {"due": "2026-12-01T12:00:00+00:00"}),
        ("PURGE_ATTESTATION", "ORDERED", {"about": ID, "attestation": DONE}),
        ("CLOSURE", "WORK_COMPLETED", {"to": ["YOT"]}),
    ],
)
def test_what_fits(kind: str, reason: str, more: dict[str, Any]) -> None:
    assert notice(kind, reason, **more).kind == kind


@pytest.mark.parametrize(
    ("kind", "reason", "more", "pointer"),
    [
        ("CORRECTION", "SENT_IN_ERROR", {}, "/reason_code"),
        ("CORRECTION", "DATA_INACCURATE", {"section": "history"}, "/section"),
        ("CORRECTION", "DATA_INACCURATE", {"changes": ["core"]}, "/changes/0"),
        ("CORRECTION", "DATA_INACCURATE", {"changes": ["/core/x y"]}, "/changes/0"),
        ("WITHDRAWAL", "SENT_IN_ERROR", {"statement": "x"}, "/statement"),
        ("RESTRICTION_LIFTED", "ACCURACY_VERIFIED", {}, "/about"),
        ("REFUSAL", "NOT_FOUNDED", {"about": ID}, "/text"),
        ("PURGE_ORDER", "RETENTION_ENDED", {}, "/due"),
        ("PURGE_ATTESTATION", "ORDERED", {"about": ID}, "/attestation"),
        ("CASCADE_REPORT", "ORDERED", {"about": ID}, "/kind"),
    ],
)
def test_what_does_not_is_named(kind: str, reason: str, more: dict[str, Any], pointer: str) -> None:
    assert wrong(kind, reason, **more) == pointer


@pytest.mark.parametrize(
    ("said", "fits"),
    [
        ({"state": "ACKNOWLEDGED"}, True),
        ({"state": "COMPLETED", "attestation": DONE}, True),
        ({"state": "REJECTED", "reason_code": "LEGAL_HOLD"}, True),
        ({"state": "REJECTED"}, False),
        ({"state": "ACKNOWLEDGED", "reason_code": "LEGAL_HOLD"}, False),
        ({"state": "ACKNOWLEDGED", "attestation": DONE}, False),
        ({"state": "ACCEPTED"}, False),
        ({"state": "ACKNOWLEDGED", "name": "Somebody"}, False),
    ],
)
def test_an_answer(said: dict[str, Any], fits: bool) -> None:
    body = json.dumps({**ROLE, **said}).encode()
    if fits:
        assert parse_notice_answer(body).state == said["state"]
    else:
        with pytest.raises(ShapeError):
            parse_notice_answer(body)
