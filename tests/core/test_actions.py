"""When an action is due: every row of the catalogue in both columns, Christmas, midnight, summer time."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.core.actions import Clock, deadline, ends, interim_of, share, term_of
from schemas.acknowledgement import NODE_REASONS, REASONS_FOR, AcknowledgementState, ReasonCode
from schemas.actions import ACTIONS, EVERY_LEG, ORIGIN, Term, Unit, may_answer
from schemas.vocabulary import Agency

LONDON = ZoneInfo("Europe/London")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=LONDON).timestamp())


TUESDAY = at("2026-11-24T10:05:00")
MONDAY = at("2026-12-14T09:00:00")
SATURDAY_NIGHT = at("2026-12-05T22:40:00")

STANDARD = [
    ("PO-01", TUESDAY, "2026-11-26T17:00:00"),
    ("PR-01", TUESDAY, "2026-12-01T17:00:00"),
    ("PR-02", TUESDAY, "2026-12-08T17:00:00"),
    ("PR-03", TUESDAY, "2026-12-22T17:00:00"),
    ("PR-02", MONDAY, "2026-12-30T17:00:00"),
    ("PR-03", MONDAY, "2027-01-14T17:00:00"),
    ("CC-01", TUESDAY, "2026-12-15T17:00:00"),
    ("CC-01", MONDAY, "2027-01-07T17:00:00"),
    ("YJ-04", TUESDAY, "2027-02-24T17:00:00"),
    ("YJ-04", at("2026-11-30T10:00:00"), "2027-02-28T17:00:00"),
    ("YJ-04", at("2026-12-31T23:30:00"), "2027-03-31T17:00:00"),
    ("CS-04", TUESDAY, "2027-02-19T17:00:00"),
]

URGENT = [
    ("PO-02", SATURDAY_NIGHT, "2026-12-06T00:40:00"),
    ("PO-01", SATURDAY_NIGHT, "2026-12-06T02:40:00"),
    ("CC-U1", SATURDAY_NIGHT, "2026-12-06T00:40:00"),
    ("CC-U2", SATURDAY_NIGHT, "2026-12-06T22:40:00"),
    ("CC-U3", SATURDAY_NIGHT, "2026-12-07T17:00:00"),
    ("CC-01", SATURDAY_NIGHT, "2026-12-29T17:00:00"),
    ("YJ-04", SATURDAY_NIGHT, "2027-03-05T17:00:00"),
    ("PO-02", at("2027-03-27T23:30:00"), "2027-03-28T02:30:00"),  # an hour is skipped at one
]


@pytest.mark.parametrize(("code", "received", "due"), STANDARD)
def test_a_standard_action_ends_at_five_on_a_working_day(code, received, due):
    for urgency in ("STANDARD", "PRIORITY"):
        assert deadline(code, urgency, received=received) == Clock(received, at(due))


@pytest.mark.parametrize(("code", "received", "due"), URGENT)
def test_an_urgent_action_runs_through_the_night(code, received, due):
    assert deadline(code, "URGENT", received=received) == Clock(received, at(due))


def test_the_first_appointment_runs_from_acceptance_and_only_in_the_standard_column():
    assert deadline("PR-04", "STANDARD", received=TUESDAY) == Clock(0, 0)
    accepted = at("2026-11-27T16:00:00")
    assert deadline("PR-04", "STANDARD", received=TUESDAY, accepted=accepted) == Clock(
        accepted, at("2026-12-04T17:00:00")
    )
    assert deadline("PR-04", "URGENT", received=TUESDAY).due == at("2026-11-25T17:00:00")


def test_a_standing_duty_has_a_beginning_and_no_end():
    for urgency in ("STANDARD", "URGENT"):
        assert deadline("DW-02", urgency, received=TUESDAY) == Clock(TUESDAY, 0)
    assert ends(Term(0, Unit.UNTIL_ACCEPTED), TUESDAY) == 0


def test_a_code_of_the_origins_own_is_due_when_the_origin_planned_it():
    plan = TUESDAY + 7777
    assert deadline("PO-U1", "URGENT", received=TUESDAY, planned=plan) == Clock(TUESDAY, plan)
    assert deadline("PO-U1", "URGENT", planned=plan) == Clock(0, 0), "no clock before the receipt"
    assert deadline("PO-01", "STANDARD", received=TUESDAY, planned=plan).due != plan
    assert term_of("PO-04", "STANDARD") is None, "only urgent handovers ask it"


def test_before_the_receipt_no_clock_runs():
    for code in ACTIONS:
        assert deadline(code, "URGENT") == Clock(0, 0)


def test_an_interim_is_due_first_and_only_in_urgent_handovers():
    assert interim_of("CC-01", "STANDARD") is None
    interim = interim_of("CC-01", "URGENT")
    assert interim is not None
    assert ends(interim, SATURDAY_NIGHT) == at("2026-12-06T22:40:00")
    assert {code for code in ACTIONS if interim_of(code, "URGENT")} == {"CC-01"}


def test_shares_of_the_time():
    clock = Clock(1000, 2001)
    assert [share(clock, percent) for percent in (0, 50, 80, 100)] == [1000, 1500, 1800, 2001]


# --- what may be answered ----------------------------------------------------------------------------------


def test_the_area_check_is_answered_clear_or_concern():
    assert may_answer("PO-02").answers == ("CLEAR", "CONCERN")
    assert may_answer("PO-01").answers == ()


def test_every_action_of_an_agency_takes_some_reason_of_not_done_and_no_other():
    allowed = REASONS_FOR[AcknowledgementState.NOT_DONE]
    for action in ACTIONS.values():
        reasons = may_answer(action.code).reasons
        assert reasons, action.code
        assert reasons <= allowed
        assert not reasons & NODE_REASONS
    assert may_answer("XX-U9").reasons == allowed, "a code of the origin's own"


def test_what_a_person_cannot_decline_has_no_such_reason():
    declined = ReasonCode.SUBJECT_DECLINED
    assert declined in may_answer("VC-01").reasons
    for code in ("PO-01", "PO-02", "PR-01", "PR-03", "YJ-03", "CC-U2", "DW-01"):
        assert declined not in may_answer(code).reasons, code


def test_every_agency_but_one_has_a_headline_action():
    """Domain 6.5 asks nothing of adult social care: it answers for its leg, and local profiles may add."""
    asked = {action.agency for action in ACTIONS.values()} - {EVERY_LEG, ORIGIN}
    assert {agency.value for agency in Agency} - asked == {"ADULT_SOCIAL_CARE"}
