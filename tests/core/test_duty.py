"""When responsibility moves, function by function (R28)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.duty import SENT, Duty, duty_of, r28_caretaking_ends, responsible, reviewed
from gateway.core.encoding import JsonObject
from gateway.core.entitlements import ENTITLEMENTS
from gateway.core.rules import Case
from gateway.core.states import TAKEN_ON, LegState
from schemas.handover import HandoverNotification, parse_notification
from schemas.samples import minimal_example

HOME, HOST = "E09000012/youth_justice", "E09000004/youth_justice"


def read(document: JsonObject) -> HandoverNotification:
    return parse_notification(json.dumps(document).encode())


@pytest.fixture
def document() -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(minimal_example())
    return copy


def caretaken(document: dict[str, Any]) -> dict[str, Any]:
    order = document["orders"][0]
    order["caretaking"] = {"rule": "YJB 2018", "from": "2026-11-30", "review_on": "2027-02-28"}
    document["routing"]["recipients"].append(
        {"agency": "YOUTH_JUSTICE", "sections": ["core", "actions"], "lawful_basis": ["LB1"]}
    )
    return document


def review(document: dict[str, Any]) -> dict[str, Any]:
    action = {**document["actions"][0], "action_id": "YR", "agency": "YOUTH_JUSTICE", "code": "YJ-04"}
    document["actions"].append(action)
    return document


def test_most_functions_move_on_acceptance(document):
    for entry in document["routing"]["recipients"]:
        expected = Duty.STAYS if entry["agency"] == "LEAVING_CARE" else Duty.MOVES
        assert duty_of(read(document), entry["agency"]) is expected
    for state in LegState:
        assert responsible("", state, HOME, HOST) == (HOST if state in TAKEN_ON else HOME)


def test_under_caretaking_home_stays_responsible_until_the_review(document):
    assert duty_of(read(document), "YOUTH_JUSTICE") is Duty.MOVES
    assert duty_of(read(review(document)), "YOUTH_JUSTICE") is Duty.CARETAKING
    for state in LegState:
        assert responsible(Duty.CARETAKING, state, HOME, HOST) == HOME
    after = reviewed(Duty.CARETAKING, completed=True)
    assert after == Duty.TRANSFERRED
    assert responsible(after, LegState.IN_PROGRESS, HOME, HOST) == HOST
    assert responsible(after, LegState.RECEIVED, HOME, HOST) == HOME, "only one that accepted can take it"
    assert reviewed(after, completed=False) == Duty.CARETAKING


def test_an_order_under_caretaking_says_so_itself(document):
    caretaken(document)
    assert duty_of(read(document), "YOUTH_JUSTICE") is Duty.CARETAKING
    assert duty_of(read(document), "POLICE") is Duty.MOVES


def test_a_review_changes_nothing_of_another_function():
    for duty in ("", Duty.STAYS):
        assert reviewed(duty, completed=True) == duty
        assert reviewed(duty, completed=False) == duty


def test_the_responsible_authority_of_a_care_leaver_does_not_change_on_a_move(document):
    for state in LegState:
        assert responsible(Duty.STAYS, state, HOME, HOST) == HOME
    document["support"]["responsible_authority"] = "E09000004"
    assert duty_of(read(document), "LEAVING_CARE") is Duty.MOVES, "back to the area that is responsible"
    del document["support"]
    assert duty_of(read(document), "LEAVING_CARE") is Duty.STAYS


def test_what_only_a_node_sets_is_never_sent():
    assert Duty.TRANSFERRED not in SENT
    assert Duty.MOVES not in SENT


def test_caretaking_without_the_review_that_ends_it_is_refused(document):
    def problems(document: dict[str, Any]) -> list[tuple[str, str]]:
        case = Case(read(document), document, 0, ENTITLEMENTS)
        return [(problem.rule, problem.field) for problem in r28_caretaking_ends(case)]

    assert problems(document) == []
    assert problems(caretaken(document)) == [("R28", "/actions")]
    assert problems(review(document)) == []
