from __future__ import annotations

import json

import pytest

from schemas.acknowledgement import (
    NODE_REASONS,
    REASONS,
    REASONS_FOR,
    AcknowledgementState,
    ActionOutcome,
    Justification,
    ReasonCode,
    Reply,
    parse_acknowledgement,
    parse_opening,
)
from schemas.base import ShapeError, to_json
from schemas.samples import example_text

NEED_A_REASON = {"REJECTED", "RETURNED", "DECLINED_NOT_RELEVANT", "INFO_REQUESTED", "NOT_DONE"}


def parse(document):
    return parse_acknowledgement(json.dumps(document).encode())


def problems(parser, document):
    with pytest.raises(ShapeError) as caught:
        parser(json.dumps(document).encode())
    assert caught.value.__context__ is None
    return caught.value.problems


@pytest.mark.parametrize("state", sorted(set(AcknowledgementState) - NEED_A_REASON))
def test_an_answer_that_takes_no_reason(state):
    assert parse({"state": state, "role": "Duty inspector"}).state == state
    (problem,) = problems(
        parse_acknowledgement, {"state": state, "role": "Duty inspector", "reason_code": "WRONG_AREA"}
    )
    assert problem == ("/reason_code", f"{state} takes no reason", "remove it")


@pytest.mark.parametrize("state", sorted(NEED_A_REASON))
@pytest.mark.parametrize("code", sorted(ReasonCode))
def test_an_answer_that_needs_a_reason_takes_only_those_that_fit(state, code):
    answer = {"state": state, "role": "Team leader", "reason_code": code}
    if code in REASONS_FOR[AcknowledgementState(state)]:
        assert parse(answer).reason_code == code
    else:
        (problem,) = problems(parse_acknowledgement, answer)
        assert problem.pointer == "/reason_code"
        assert problem.message == f"this is no reason for {state}"
        assert problem.remedy == "give one of " + ", ".join(sorted(REASONS_FOR[AcknowledgementState(state)]))


@pytest.mark.parametrize("state", sorted(NEED_A_REASON))
def test_a_reason_is_not_left_out(state):
    (problem,) = problems(parse_acknowledgement, {"state": state, "role": "Team leader"})
    assert problem[:2] == ("/reason_code", f"{state} needs a reason")


def test_refusal_has_grounds_of_risk_law_and_identity_alone():
    assert REASONS_FOR[AcknowledgementState.REJECTED] == {
        "AREA_UNSAFE_FOR_SUBJECT",
        "NO_LAWFUL_BASIS",
        "EXCESSIVE_DATA",
        "DSA_NOT_IN_FORCE",
        "IDENTITY_MISMATCH",
    }


def test_every_reason_has_a_sentence_and_a_use():
    assert set(REASONS) == set(ReasonCode)
    assert frozenset().union(*REASONS_FOR.values()) | NODE_REASONS == set(ReasonCode)
    assert not frozenset().union(*REASONS_FOR.values()) & NODE_REASONS
    assert set(REASONS_FOR) == NEED_A_REASON


def test_the_misdirected_answer_of_the_example_fits():
    story = json.loads(example_text("returned"))
    told = next(step for step in story["sequence"] if step.get("state") == "RETURNED")
    answer = parse(
        {
            "state": told["state"],
            "role": told["opened_by_role"],
            "reason_code": told["reason_code"],
            "reason_text": told["reason_text"],
            "suggested_area": told["suggested_area"],
        }
    )
    assert answer.suggested_area == "E09000023"


def test_actions_have_results():
    actions = [
        {"action_id": "AC1", "result": "COMPLETED"},
        {"action_id": "AC2", "result": "NOT_DONE", "reason_code": "SUBJECT_DECLINED"},
    ]
    answer = parse({"state": "COMPLETED", "role": "Sergeant", "actions": actions})
    assert [a.result for a in answer.actions] == list(ActionOutcome)
    assert to_json(answer)["actions"] == actions


@pytest.mark.parametrize(
    ("action", "pointer"),
    [
        ({"action_id": "AC2", "result": "NOT_DONE"}, "/actions/1/reason_code"),
        ({"action_id": "AC2", "result": "COMPLETED", "reason_code": "WRONG_AREA"}, "/actions/1/reason_code"),
        ({"action_id": "AC2", "result": "NOT_DONE", "reason_code": "WRONG_AREA"}, "/actions/1/reason_code"),
        ({"action_id": "AC1", "result": "COMPLETED"}, "/actions/1/action_id"),
        ({"action_id": "AC2", "result": "BEGUN"}, "/actions/1/result"),
    ],
)
def test_a_result_that_does_not_fit_is_refused(action, pointer):
    answer = {
        "state": "IN_PROGRESS",
        "role": "Sergeant",
        "actions": [{"action_id": "AC1", "result": "COMPLETED"}, action],
    }
    assert [p.pointer for p in problems(parse_acknowledgement, answer)] == [pointer]


@pytest.mark.parametrize(
    ("answer", "pointers"),
    [
        ({"state": "ACCEPTED"}, ["/role"]),
        ({"state": "ACCEPTED", "role": " "}, ["/role"]),
        ({"state": "DELIVERED", "role": "Sergeant"}, ["/state"]),
        ({"state": "ACCEPTED", "role": "Sergeant", "name": "x"}, ["/name"]),
        ({"state": "ACCEPTED", "role": "Sergeant", "suggested_area": "Bexley"}, ["/suggested_area"]),
        ({"role": 5, "reason_code": "BORED"}, ["/reason_code", "/role", "/state"]),
    ],
)
def test_an_answer_is_closed_and_strict(answer, pointers):
    assert [p.pointer for p in problems(parse_acknowledgement, answer)] == pointers


def test_an_answer_is_small():
    (problem,) = problems(parse_acknowledgement, "x" * 65_536)
    assert problem.message == "the document is larger than 65536 bytes"


def test_a_reply_says_what_it_is_about():
    reply = {
        "about": {"handover": "HO-E09000012-2026-000417", "version": 1, "leg": "leg-1", "agency": "YOT"},
        "state": "RETURNED",
        "role": "Manager",
        "reason_code": "WRONG_AREA",
        "reason_text": "two\nlines",
    }
    parsed = Reply.model_validate_json(json.dumps(reply))
    reply["about"]["agency"] = "YOUTH_JUSTICE"
    assert to_json(parsed) == reply
    assert repr(parsed) == "Reply()"


@pytest.mark.parametrize("code", sorted(set(Justification) - {"OTHER"}))
def test_an_opening_is_justified_by_a_code(code):
    assert parse_opening(json.dumps({"justification": code}).encode()).justification == code


def test_an_opening_for_another_reason_is_explained():
    assert parse_opening(b'{"justification": "OTHER", "text": "court asked"}').text == "court asked"
    for text in ({}, {"text": None}):
        (problem,) = problems(parse_opening, {"justification": "OTHER", **text})
        assert problem.pointer == "/text"
    assert [p.pointer for p in problems(parse_opening, {"text": "why not"})] == ["/justification"]
