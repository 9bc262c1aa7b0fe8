"""What each agency is shown: its own words first, nothing added, nothing that breaks when a part is gone."""

from __future__ import annotations

import copy
import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import schemas
from adapters.agencies import _lines, _reading, _record
from adapters.agencies._base import MARKING, may_answer
from gateway.core import audience
from gateway.core.entitlements import ENTITLEMENTS
from gateway.ports import LegRow, Profile, Side
from schemas.acknowledgement import NODE_REASONS, REASONS_FOR, AcknowledgementState, parse_acknowledgement
from schemas.vocabulary import Agency

EXAMPLES = Path(schemas.__file__).parent / "examples"
J = json.loads((EXAMPLES / "1_case_study_J_adult_23.json").read_text())
CHILD = json.loads((EXAMPLES / "2_urgent_16_victim_after_shooting.json").read_text())

ROLES = [agency.value.lower() for agency in Agency]
MINIMAL = ["DWP", "HOUSING", "LEAVING_CARE", "VOLUNTARY_SECTOR", "VICTIM_SUPPORT", "EDUCATION", "HEALTH"]
OFFENDER_WORDS = re.compile(
    r"offend|convict|crim|gang|suspect|nominal|perpetrat|injunction|arrest|prohibit|probation|intelligence"
    r"|associate|police|court|prison|licence|sentence|violen|weapon|drug|risk from",
    re.IGNORECASE,
)


def profile_of(agency: str) -> Profile:
    return import_module(f"adapters.agencies.{agency.lower()}").PROFILE


def leg_of(agency: str, **changes: Any) -> LegRow:
    fields: dict[str, Any] = {
        "id": "0192f0c0",
        "ref": "HO-E09000012-2026-000417",
        "version": 1,
        "side": Side.DESTINATION,
        "principal": f"E09000004/{agency.lower()}",
        "agency": agency,
        "counterpart": "E09000012/community_safety",
        "state": "DELIVERED",
        "urgency": "STANDARD",
        "mid": "",
    }
    return LegRow(**(fields | changes))


def views_of(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Agency -> its view, cut and merged as the gateway does it."""
    readers = [
        audience.Reader(f"E09000004/{entry['agency'].lower()}", entry["agency"], index)
        for index, entry in enumerate(document["routing"]["recipients"])
    ]
    parts = audience.cut(document, readers, ENTITLEMENTS)
    return {
        reader.agency: audience.merge([part.sections for part in parts if reader.principal in part.readers])
        for reader in readers
    }


J_VIEWS, CHILD_VIEWS = views_of(J), views_of(CHILD)
EVERY = [(agency, view) for views in (J_VIEWS, CHILD_VIEWS) for agency, view in views.items()]


def shown(agency: str, view: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return profile_of(agency).present(view, leg_of(agency, **changes))


def summary(agency: str, views: dict[str, dict[str, Any]] = J_VIEWS) -> list[str]:
    return shown(agency, views[agency])["summary"]


def place(lines: list[str], start: str) -> int:
    return next(number for number, line in enumerate(lines) if line.startswith(start))


# --- The form -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_every_agency_has_a_profile_under_its_role(role):
    profile = profile_of(role)
    assert profile.agency == role.upper()
    assert profile.heading
    assert len(profile.lines) == len(set(profile.lines)), "no sentence twice"


def test_the_frame_is_the_legs():
    frame = shown("POLICE", {}, acknowledge_by=1_795_514_400, urgency="URGENT", version=3)
    assert frame["handover"] == "HO-E09000012-2026-000417"
    assert frame["version"] == 3
    assert frame["leg"] == "0192f0c0"
    assert frame["agency"] == "POLICE"
    assert frame["urgency"] == "URGENT"
    assert frame["answer_by"] == {"acknowledge_by": "2026-11-24T10:00:00Z", "decide_by": None}


@pytest.mark.parametrize(("agency", "view"), EVERY)
def test_handling_is_read_first_and_the_sections_last(agency, view):
    names = list(shown(agency, view))
    assert names[:2] == ["marking", "handling"]
    assert names[-1] == "view"


def test_marking_and_handling_are_the_documents():
    handling = shown("HOUSING", J_VIEWS["HOUSING"])
    assert handling["marking"] == "OFFICIAL-SENSITIVE"
    assert handling["handling"] == {
        "instruction": "RECIPIENTS ONLY",
        "onward_sharing": "ORIGINATOR_CONSENT_REQUIRED",
        "conditions": [],
    }
    assert shown("HOUSING", {})["marking"] == MARKING
    assert shown("HOUSING", {"message": {"marking": {"text": "OFFICIAL"}}})["marking"] == "OFFICIAL"


@pytest.mark.parametrize(("agency", "view"), EVERY)
def test_the_sections_are_shown_as_they_were_opened(agency, view):
    before = copy.deepcopy(view)
    assert shown(agency, view)["view"] == before
    assert view == before


@pytest.mark.parametrize(("agency", "view"), EVERY)
def test_it_is_json_and_says_the_same_twice(agency, view):
    assert json.dumps(shown(agency, view)) == json.dumps(shown(agency, copy.deepcopy(view)))


def test_what_may_be_answered_is_what_the_schema_takes():
    for entry in may_answer():
        for reason in entry["reasons"] or [None]:
            answer = {"state": entry["state"], "role": "Duty officer"}
            parse_acknowledgement(json.dumps(answer | ({"reason_code": reason} if reason else {})).encode())
    assert {entry["state"] for entry in may_answer()} == {state.value for state in AcknowledgementState}
    given = {reason for entry in may_answer() for reason in entry["reasons"]}
    assert given == {code.value for codes in REASONS_FOR.values() for code in codes}
    assert not given & {code.value for code in NODE_REASONS}


# --- What each is asked ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("agency", "view"), EVERY)
def test_an_agency_is_asked_its_own_actions(agency, view):
    document = J if view is J_VIEWS.get(agency) else CHILD
    expected = [action["action_id"] for action in document["actions"] if action["agency"] == agency]
    assert [action["action_id"] for action in shown(agency, view)["asked"]] == expected


def test_an_action_says_what_and_by_when():
    assert shown("DWP", J_VIEWS["DWP"])["asked"] == [
        {
            "action_id": "AC10",
            "code": "DW-01",
            "title": "Move claim without break in payment; name work coach",
            "due_at": "2026-12-01T17:00:00+00:00",
            "blocks_closure": True,
        }
    ]
    assert "blocks_closure" not in shown("HOUSING", J_VIEWS["HOUSING"])["asked"][0]


def test_the_coordinator_sees_what_others_are_asked_and_nobody_else_does():
    others = shown("COMMUNITY_SAFETY", J_VIEWS["COMMUNITY_SAFETY"])["asked_of_others"]
    assert {"agency": "DWP", "title": "Move claim without break in payment; name work coach"} in others
    assert all(set(entry) == {"agency", "title"} for entry in others)
    assert "COMMUNITY_SAFETY" not in {entry["agency"] for entry in others}
    for role in ROLES:
        has = "asked_of_others" in shown(role.upper(), {})
        assert has == (role in ("community_safety", "spoc"))


# --- In its own words -----------------------------------------------------------------------------------


def test_dwp_is_told_where_not_to_call_him_in_and_to_keep_the_claim_open():
    assert summary("DWP")[:4] == [
        "Do not ask this person to attend any place in the London Borough of Hackney.",
        "Keeping this claim open is required of the claimant; "
        "tell the named contact before any sanction or closure.",
        "Benefit claim to move with the person: JSA, in payment, from Fictional Jobcentre (Hackney), "
        "to Fictional Jobcentre (Bexley).",
        "No break in payment from 2026-11-30.",
    ]


def test_housing_begins_with_the_address_and_whether_it_is_safe():
    assert summary("HOUSING")[:4] == [
        "New address: UPRN 999999000001, ZZ99 3CZ, tenure leaving care supported.",
        "Areas that are not safe for this person: Hackney (E09000012).",
        "The new address is not known to the source of the threat.",
        "A safety check of the area is asked for.",
    ]


def test_a_charity_begins_with_the_caseworker_and_the_place_to_meet():
    lines = summary("VOLUNTARY_SECTOR")
    assert lines[0] == "The same caseworker continues: St Giles, until 2027-05-30."
    assert "Meet outside the areas this person must keep out of." in lines


def test_leaving_care_is_told_who_stays_responsible():
    assert "Responsible authority: Hackney (E09000012)." in summary("LEAVING_CARE")


def test_a_victim_service_begins_with_the_safe_route_and_never_shows_the_unsafe_number():
    lines = summary("VICTIM_SUPPORT", CHILD_VIEWS)
    assert lines[:3] == [
        "Do not call this person's own number: it is not safe.",
        "Use instead: mother, 07700 900124, voice only.",
        "Never make contact through: social media, school friends, previous address.",
    ]
    assert not any("900123" in line for line in lines)


@pytest.mark.parametrize(("agency", "view"), EVERY)
def test_no_summary_repeats_a_number_that_is_not_safe(agency, view):
    if view["core"]["safe_contact"]["safe_to_call"] is False:
        assert view["core"]["safe_contact"]["phone"] not in json.dumps(shown(agency, view)["summary"])


@pytest.mark.parametrize("agency", ["POLICE", "PROBATION", "COMMUNITY_SAFETY"])
def test_those_who_enforce_see_the_order_in_full(agency):
    lines = summary(agency)
    assert "The order carries a power of arrest." in lines
    assert "The review hearing must be held from 2027-09-14 to 2027-10-11." in lines
    assert (
        "Prohibition 1: Not to enter the London Borough of Hackney without written permission of the Head of "
        "the Hackney Gangs Unit." in lines
    )


def test_names_of_third_parties_are_in_no_summary():
    for agency, view in EVERY:
        assert "Fictional Associate" not in json.dumps(shown(agency, view)["summary"])
    assert "20 other persons are named in an order; their names are for enforcing it only." in summary(
        "POLICE"
    )


# --- Fact, opinion, intelligence ------------------------------------------------------------------------


@pytest.mark.parametrize("agency", ["POLICE", "PROBATION"])
def test_opinion_and_intelligence_are_labelled_and_conditions_come_first(agency):
    lines = summary(agency)
    conditions = place(lines, "Handling conditions of AS2, read first: Partner use for handover only")
    assert conditions + 1 == place(lines, "Intelligence, graded 1 B C (AS2, ")
    assert place(lines, "Assessment by Probation Practitioner (AS4, role AT_RISK, ") >= 0
    assert place(lines, "Fact (AS3, role VICTIM, ") >= 0
    whole = json.dumps(shown(agency, J_VIEWS[agency]))
    assert whole.index("not to be put to the subject") < whole.index("Linked to a street group")


def test_conditions_are_listed_once_each():
    item = {"kind": "INTELLIGENCE", "statement": "s", "grading": {"conditions": "Named officers only"}}
    assert shown("POLICE", {"history": [item, item, {}]})["handling"]["conditions"] == ["Named officers only"]


def test_a_risk_is_somebodys_opinion():
    assert (
        "Risk to this person: AMBER. Assessment by IGU police sergeant on 2026-11-18; "
        "an opinion, not a fact." in summary("HOUSING")
    )


def test_a_role_whose_ground_is_not_visible_is_held_by_another_agency():
    assert "Role: SUSPECTED, resting on AS2, held by an agency that may see it." in summary(
        "COMMUNITY_SAFETY"
    )
    assert "Role: SUSPECTED, resting on AS2." in summary("POLICE")


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"kind": "SELF_REPORT"}, "In the person's own words (A1): s"),
        ({"kind": "ASSESSMENT"}, "Assessment by an assessor not shown (A1): s"),
        ({"kind": "INTELLIGENCE"}, "Intelligence, grade not shown (A1): s"),
        ({}, "Statement of no stated kind (A1): s"),
    ],
)
def test_a_label_never_claims_what_is_not_shown(item, expected):
    view = {"history": [{"assertion_id": "A1", "statement": "s"} | item]}
    assert list(_record.history(view)) == [expected]


def test_a_dispute_and_a_supplementary_statement_travel_with_it():
    item = {
        "assertion_id": "A1",
        "kind": "FACT",
        "statement": "s",
        "disputed_by_subject": True,
        "supplementary_statement": "not so",
    }
    assert list(_record.history({"history": [item]})) == [
        "Fact (A1): s",
        "The person disputes A1.",
        "Supplementary statement to A1: not so",
    ]


# --- Nothing added --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("agency", "view"), [(a, v) for a, v in EVERY if a in MINIMAL])
def test_no_word_of_offending_that_the_view_did_not_hold(agency, view):
    held = {word.lower() for word in OFFENDER_WORDS.findall(json.dumps(view))}
    presentation = shown(agency, view)
    del presentation["view"], presentation["may_answer"]
    assert {word.lower() for word in OFFENDER_WORDS.findall(json.dumps(presentation))} <= held


@pytest.mark.parametrize("role", ROLES)
def test_an_empty_view_says_nothing_about_anybody(role):
    presentation = shown(role.upper(), {})
    assert presentation["summary"] == []
    assert presentation["asked"] == []
    assert not OFFENDER_WORDS.search(profile_of(role).heading)


FRAME = re.compile(r"[A-Za-z0-9]+")


@pytest.mark.parametrize(("agency", "view"), EVERY)
def test_every_number_and_code_shown_stands_in_the_view(agency, view):
    """Digits are what a wrong sentence would invent first: dates, ages, references, telephone numbers."""
    held = set(FRAME.findall(json.dumps(view)))
    said = {
        token
        for line in shown(agency, view)["summary"]
        for token in FRAME.findall(line)
        if any(character.isdigit() for character in token)
    }
    counted = {str(len(view.get("associates", [])))}
    assert said - held <= counted


# --- Whatever is missing --------------------------------------------------------------------------------


@st.composite
def torn(draw: st.DrawFn) -> dict[str, Any]:
    """A document with parts missing and parts replaced by something else."""
    document = copy.deepcopy(draw(st.sampled_from([J, CHILD])))

    def tear(value: Any) -> Any:
        fate = draw(st.integers(0, 29))
        if fate == 0:
            return draw(
                st.sampled_from([None, True, False, 0, 7, "", "x", [], {}, [None], [{}], {"a": None}])
            )
        if isinstance(value, dict):
            return {name: tear(item) for name, item in value.items() if draw(st.integers(0, 19))}
        if isinstance(value, list):
            return [tear(item) for item in value[:4]]
        return value

    kept = draw(st.sets(st.sampled_from(sorted(document))))
    return {name: tear(document[name]) for name in sorted(kept)}


@given(view=torn(), role=st.sampled_from(ROLES))
@settings(max_examples=150, deadline=None)
def test_a_torn_view_is_presented_all_the_same(view, role):
    presentation = shown(role.upper(), view)
    assert presentation["view"] == view
    assert all(isinstance(line, str) and line for line in presentation["summary"])
    json.dumps(presentation)


@given(sections=st.sets(st.sampled_from(sorted(J))), role=st.sampled_from(ROLES))
@settings(max_examples=100, deadline=None)
def test_less_in_the_view_is_never_more_in_the_summary(sections, role):
    whole = set(shown(role.upper(), J)["summary"])
    part = shown(
        role.upper(), {name: J[name] for name in sections if name != "routing"} | {"routing": J["routing"]}
    )
    changed = {line for line in part["summary"] if line not in whole}
    # a role whose assertion went away is said differently: held by an agency that may see it
    assert all(line.endswith("held by an agency that may see it.") for line in changed)


# --- Sentences and readings, one by one -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("contact", "expected"),
    [
        ({"phone": "1", "safe_to_call": True}, ["Safe contact: call 1."]),
        ({"phone": "1", "safe_to_call": True, "best_time": "noon"}, ["Safe contact: call 1, noon."]),
        ({"phone": "1", "safe_to_call": False}, ["Do not call this person's own number: it is not safe."]),
        ({"phone": "1"}, ["It is not stated that calling is safe: ask a contact below first."]),
        ({"safe_to_call": True}, ["It is not stated that calling is safe: ask a contact below first."]),
        ({}, []),
    ],
)
def test_a_number_is_safe_only_when_it_is_said_to_be(contact, expected):
    assert list(_lines.safe_contact({"core": {"safe_contact": contact}})) == expected


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        ({"core": {"interpreter_needed": True}}, ["An interpreter is needed."]),
        ({"core": {"interpreter_needed": False}}, []),
        ({"core": {"reasonable_adjustments": "large print"}}, ["Reasonable adjustments: large print"]),
        ({"core": {"parent_or_carer_informed": False}}, ["A parent or carer has not been informed."]),
        ({"core": {"parent_or_carer_informed": True}}, ["A parent or carer has been informed."]),
    ],
)
def test_about_the_person(view, expected):
    assert list(_lines.person(view)) == expected


def test_about_the_move():
    moved = {"kind": "URGENT", "temporary": True, "to_area": "E09000017"}
    assert list(_lines.move({"move": moved})) == ["Move (urgent, temporary): to E09000017."]
    assert list(_lines.move({"move": {"to_area": "X"}})) == ["Move (kind not stated): to X."]
    assert list(_lines.safety_of_place({"move": {"address_known_to_threat": True}})) == [
        "The new address is known to the source of the threat."
    ]


def test_about_an_urgent_move():
    assert list(_lines.urgent(CHILD)) == [
        "Urgent: shooting, evidence CRIME-0000002/26, threat-to-life record TTL-0000001/26.",
        "If nobody answers: EDT duty, then Police duty inspector, then Head of Safeguarding.",
    ]


def test_about_a_child():
    assert list(_lines.safeguarding(CHILD)) == [
        "S47 enquiry: open.",
        "Looked after: not yet decided.",
        "Nrm referral: consider.",
        "There is no child protection plan.",
        "Wound care is needed.",
    ]


def test_about_casework():
    assert list(_lines.casework({"support": {"caseworker_continuity": {"organisation": "X"}}})) == [
        "Casework: X."
    ]


def test_about_being_told():
    assert list(_lines.transparency({"transparency": {"subject_informed": False}})) == [
        "The person has not been told of this handover."
    ]
    assert (
        list(_lines.transparency(CHILD))[1] == "The person says: I do not want my school to know where I am."
    )


def test_a_minimal_wording_is_all_its_reader_is_told():
    both = {"text": "the order's text", "minimal_view": {"text": "the minimal text"}}
    view = {"orders": [{"type": "GANG_INJUNCTION", "conditions": [both]}]}
    assert list(_lines.bounds(view)) == ["the minimal text"]
    assert list(_record.orders(view)) == ["Order (gang injunction).", "Condition: the order's text"]
    assert _lines.minimal({"minimal_view": "as text"}) == "as text"


def test_an_order_without_power_of_arrest_says_so():
    view = {"orders": [{"power_of_arrest": False, "conditions": [{"third_party_count": 20}]}]}
    assert list(_record.orders(view)) == [
        "The order carries no power of arrest.",
        "Condition lists 20 persons.",
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a\nb\tc", "a b c"),
        ("\x1b[2Jx\u202e", "[2Jx"),
        (7, "7"),
        (True, ""),
        (None, ""),
        (["x"], ""),
        ("  ", ""),
    ],
)
def test_a_value_is_one_clean_line(value, expected):
    assert _reading.text({"a": value}, "a") == expected


def test_one_full_stop():
    view = {"move": {"reason": "flat sold."}}
    assert "Reason for the move: flat sold." in shown("DWP", view)["summary"]
