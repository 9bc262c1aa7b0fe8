"""What an area adds to the core, and that nothing in it can weaken the core."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config import build
from gateway.core.tailoring import NONE, tailor
from gateway.errors import Misconfigured
from schemas.actions import ACTIONS, EVERY_LEG, ORIGIN, Term, Unit

TUESDAY = 1_795_514_700
EXTRA = {"code": "PO-L1", "agency": "POLICE", "title": "Tell the gangs desk", "standard": "3 working days"}


def fields(**told: Any) -> list[str]:
    with pytest.raises(Misconfigured) as refused:
        tailor(**told)
    assert all(problem.field in refused.value.message for problem in refused.value.problems)
    return [problem.field for problem in refused.value.problems]


def test_an_extra_action_has_its_own_code_and_two_terms():
    made = tailor(actions=[EXTRA | {"urgent": "6 hours", "blocks": True}])
    [one] = made.extras("POLICE")
    assert (one.code, one.title, one.blocks) == ("PO-L1", "Tell the gangs desk", True)
    assert one.term("URGENT") == Term(6, Unit.HOURS)
    assert one.term("PRIORITY") == one.term("STANDARD") == Term(3, Unit.WORKING_DAYS)
    assert made.extras("HOUSING") == ()
    assert tailor(actions=[EXTRA]).extras("POLICE")[0].term("URGENT") == Term(3, Unit.WORKING_DAYS)


def test_older_names_of_agencies_are_understood():
    made = tailor(actions=[EXTRA | {"agency": "yot"}], guidance={"NPS": ["Ring first."], "crc": ["Twice."]})
    assert made.extras("YOUTH_JUSTICE")
    assert made.guidance == {"PROBATION": ("Ring first.", "Twice.")}


@pytest.mark.parametrize(
    ("code", "column", "text"),
    [
        ("PR-02", "standard", "9 working days"),
        ("PR-02", "standard", "24 hours"),
        ("PR-02", "urgent", "1 working days"),
        ("PO-02", "urgent", "1 hours"),
        ("YJ-04", "standard", "2 months"),
        ("YJ-04", "standard", "60 working days"),
        ("DW-02", "standard", "20 working days"),
    ],
)
def test_a_deadline_may_be_shorter(code, column, text):
    made = tailor(deadlines={code: {column: text}})
    urgency = column.upper()
    assert made.target(code, urgency, TUESDAY) > TUESDAY
    assert made.target(code, "URGENT" if column == "standard" else "STANDARD", TUESDAY) == 0
    assert made.target("PO-01", urgency, TUESDAY) == 0
    assert made.target(code, urgency, 0) == 0


@pytest.mark.parametrize(
    ("code", "column", "text"),
    [
        ("PR-02", "standard", "11 working days"),
        ("PR-02", "standard", "10 working days"),  # the core's own
        ("PR-02", "standard", "10 months"),
        ("PO-02", "standard", "72 hours"),  # longer than two working days when it comes on a Tuesday
        ("PO-02", "urgent", "1 working days"),
        ("PO-02", "urgent", "3 hours"),
        ("YJ-04", "urgent", "4 months"),
        ("YJ-04", "standard", "66 working days"),
        ("PO-04", "standard", "1 hours"),  # the core asks it of urgent handovers alone
    ],
)
def test_a_deadline_is_never_longer(code, column, text):
    assert fields(deadlines={code: {column: text}}) == [f"/tailoring/deadlines/{code}/{column}"]


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"actions": [EXTRA | {"code": "PO-01"}]}, "/tailoring/actions/0/code"),
        ({"actions": [EXTRA | {"code": "po 1"}]}, "/tailoring/actions/0/code"),
        ({"actions": [EXTRA, EXTRA]}, "/tailoring/actions/1/code"),
        ({"actions": [EXTRA | {"agency": "FIRE"}]}, "/tailoring/actions/0/agency"),
        ({"actions": [EXTRA | {"standard": "soon"}]}, "/tailoring/actions/0/standard"),
        ({"actions": [EXTRA | {"standard": "0 hours"}]}, "/tailoring/actions/0/standard"),
        ({"actions": [EXTRA | {"urgent": "2 days"}]}, "/tailoring/actions/0/urgent"),
        ({"deadlines": {"PR-99": {"standard": "1 hours"}}}, "/tailoring/deadlines/PR-99"),
        ({"deadlines": {"ALL-A": {"standard": "1 hours"}}}, "/tailoring/deadlines/ALL-A"),
        ({"deadlines": {"OR-01": {"standard": "1 hours"}}}, "/tailoring/deadlines/OR-01"),
        ({"deadlines": {"PR-02": {"priority": "1 hours"}}}, "/tailoring/deadlines/PR-02/priority"),
        ({"guidance": {"FIRE": ["x"]}}, "/tailoring/guidance/FIRE"),
        ({"titles": {"PR-99": "x"}}, "/tailoring/titles/PR-99"),
    ],
)
def test_what_is_not_known_is_refused_with_the_setting_named(told, field):
    assert field in fields(**told)


def test_every_problem_is_told_at_once():
    assert len(fields(deadlines={"PR-02": {"standard": "11 working days", "urgent": "x"}, "X": {}})) == 3


def test_nothing_said_is_nothing_changed():
    assert tailor() == NONE
    for code, action in ACTIONS.items():
        assert action.agency in (EVERY_LEG, ORIGIN) or NONE.target(code, "STANDARD", TUESDAY) == 0


def test_the_configuration_has_no_word_that_takes_anything_away():
    for word in ("remove", "without", "longer", "disable"):
        with pytest.raises(Misconfigured):
            build({"area": "E09000012", "data": "/tmp/x", "tailoring": {word: ["PR-02"]}})
