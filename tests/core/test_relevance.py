"""Which agencies a handover concerns (domain 6.3): every row, both sides of every age, and the examples."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from gateway.core.relevance import Facts, facts_of, headline, judge, relevant, ruled_out
from schemas.handover import parse_notification
from schemas.samples import example_text, restamp
from schemas.vocabulary import Agency, OrderType, SubjectRole

VICTIM, CONVICTED = SubjectRole.VICTIM, SubjectRole.CONVICTED


def agencies(**facts: object) -> set[Agency]:
    return set(judge(Facts(**facts)).relevant)


ROWS = [
    ("POLICE", {"age": 5}, "ALWAYS"),
    ("PROBATION", {"age": 18, "orders": frozenset({OrderType.LICENCE})}, "SUPERVISION"),
    ("PROBATION", {"age": 40, "supervised": True}, "SUPERVISION"),
    ("PROBATION", {"age": 40, "providers": frozenset({Agency.PROBATION})}, "SUPERVISION"),
    ("YOUTH_JUSTICE", {"age": 10, "orders": frozenset({OrderType.BAIL})}, "ORDER_OR_BAIL"),
    ("YOUTH_JUSTICE", {"age": 17, "roles": frozenset({CONVICTED})}, "PREVENTION"),
    (
        "YOUTH_JUSTICE",
        {"age": 18, "orders": frozenset({OrderType.YOUTH_REHABILITATION_ORDER})},
        "FINISHING_YOUTH_ORDER",
    ),
    ("COMMUNITY_SAFETY", {"age": 30}, "ALWAYS"),
    ("SPOC", {"age": 30, "single_point": True}, "ALWAYS"),
    ("CHILDRENS_SOCIAL_CARE", {"age": 17}, "UNDER_18"),
    ("LEAVING_CARE", {"age": 16, "care_leaver": True}, "CARE_STATUS"),
    ("LEAVING_CARE", {"age": 24, "care_leaver": True}, "CARE_STATUS"),
    ("ADULT_SOCIAL_CARE", {"age": 18, "care_needs": True}, "CARE_NEEDS"),
    ("HOUSING", {"age": 30, "tenure": "SOCIAL_RENT"}, "TENANCY_OR_NEED"),
    ("HOUSING", {"age": 30, "housing_need": True}, "TENANCY_OR_NEED"),
    ("DWP", {"age": 18, "claim": True}, "CLAIM_OR_ORDER_TERM"),
    ("DWP", {"age": 16, "claim": True}, "CLAIM_OR_ORDER_TERM"),
    ("DWP", {"age": 17, "providers": frozenset({Agency.DWP})}, "CLAIM_OR_ORDER_TERM"),
    ("EDUCATION", {"age": 17}, "UNDER_18"),
    ("EDUCATION", {"age": 24, "ehc_plan": True}, "EHC_PLAN"),
    ("HEALTH", {"age": 30, "health_need": True}, "HEALTH_NEED"),
    (
        "VICTIM_SUPPORT",
        {"age": 30, "roles": frozenset({VICTIM}), "agreed": frozenset({Agency.VICTIM_SUPPORT})},
        "AGREED",
    ),
    (
        "VOLUNTARY_SECTOR",
        {"age": 30, "caseworker": True, "agreed": frozenset({Agency.VOLUNTARY_SECTOR})},
        "AGREED",
    ),
]

OUT = [
    ("PROBATION", {"age": 17, "orders": frozenset({OrderType.LICENCE})}, "OUT_OF_AGE_RANGE"),
    ("PROBATION", {"age": 18}, "NOT_SUPERVISED"),
    ("PROBATION", {"age": 30, "orders": frozenset({OrderType.GANG_INJUNCTION})}, "NOT_SUPERVISED"),
    ("YOUTH_JUSTICE", {"age": 9, "orders": frozenset({OrderType.BAIL})}, "OUT_OF_AGE_RANGE"),
    ("YOUTH_JUSTICE", {"age": 18, "orders": frozenset({OrderType.BAIL})}, "OUT_OF_AGE_RANGE"),
    (
        "YOUTH_JUSTICE",
        {"age": 19, "orders": frozenset({OrderType.YOUTH_REHABILITATION_ORDER})},
        "OUT_OF_AGE_RANGE",
    ),
    ("YOUTH_JUSTICE", {"age": 16, "roles": frozenset({VICTIM})}, "NO_ORDER"),
    ("COMMUNITY_SAFETY", {"age": 30, "single_point": True}, "SINGLE_POINT_OF_CONTACT"),
    ("SPOC", {"age": 30}, "NO_SINGLE_POINT_OF_CONTACT"),
    ("CHILDRENS_SOCIAL_CARE", {"age": 18}, "OUT_OF_AGE_RANGE"),
    ("LEAVING_CARE", {"age": 15, "care_leaver": True}, "OUT_OF_AGE_RANGE"),
    ("LEAVING_CARE", {"age": 25, "care_leaver": True}, "OUT_OF_AGE_RANGE"),
    ("LEAVING_CARE", {"age": 20}, "NO_CARE_STATUS"),
    ("ADULT_SOCIAL_CARE", {"age": 17, "care_needs": True}, "OUT_OF_AGE_RANGE"),
    ("ADULT_SOCIAL_CARE", {"age": 18}, "NO_CARE_NEEDS"),
    ("HOUSING", {"age": 30}, "NO_HOUSING_NEED"),
    ("HOUSING", {"age": 30, "tenure": "OWNER_OCCUPIED"}, "NO_HOUSING_NEED"),
    ("DWP", {"age": 15, "claim": True}, "OUT_OF_AGE_RANGE"),
    ("DWP", {"age": 17}, "OUT_OF_AGE_RANGE"),
    ("DWP", {"age": 18}, "NO_CLAIM"),
    ("EDUCATION", {"age": 18}, "OUT_OF_AGE_RANGE"),
    ("EDUCATION", {"age": 25, "ehc_plan": True}, "OUT_OF_AGE_RANGE"),
    ("HEALTH", {"age": 30}, "NO_HEALTH_NEED"),
    (
        "VICTIM_SUPPORT",
        {"age": 30, "roles": frozenset({CONVICTED}), "agreed": frozenset({Agency.VICTIM_SUPPORT})},
        "NOT_A_VICTIM_OR_WITNESS",
    ),
    ("VICTIM_SUPPORT", {"age": 30, "roles": frozenset({VICTIM})}, "NOT_AGREED"),
    ("VOLUNTARY_SECTOR", {"age": 30, "agreed": frozenset({Agency.VOLUNTARY_SECTOR})}, "NO_CASEWORKER"),
    ("VOLUNTARY_SECTOR", {"age": 30, "caseworker": True}, "NOT_AGREED"),
]


@pytest.mark.parametrize(("agency", "facts", "code"), ROWS)
def test_who_is_concerned(agency, facts, code):
    judgement = judge(Facts(**facts))
    assert judgement.relevant[Agency(agency)].code == code
    assert Agency(agency) not in judgement.ruled_out


@pytest.mark.parametrize(("agency", "facts", "code"), OUT)
def test_who_is_not(agency, facts, code):
    judgement = judge(Facts(**facts))
    assert judgement.ruled_out[Agency(agency)].code == code
    assert Agency(agency) not in judgement.relevant


def test_every_agency_type_is_in_one_of_the_two():
    for age in (0, 9, 10, 15, 16, 17, 18, 19, 24, 25, 60):
        judgement = judge(Facts(age=age))
        assert sorted([*judgement.relevant, *judgement.ruled_out]) == sorted(Agency)


def test_there_is_always_one_co_ordinator():
    for single in (True, False):
        both = {Agency.SPOC, Agency.COMMUNITY_SAFETY} & agencies(age=20, single_point=single)
        assert len(both) == 1


@pytest.mark.parametrize("name", ["adult", "urgent"])
def test_in_the_examples_nobody_concerned_is_left_out(name):
    document = parse_notification(example_text(name).encode())
    routing = document.routing
    listed = {leg.agency for leg in routing.recipients} | {one.agency for one in routing.not_relevant}
    assert set(relevant(document)) <= listed
    assert set(relevant(document)) == {leg.agency for leg in routing.recipients}
    for one in routing.not_relevant:
        assert ruled_out(document)[one.agency].code == one.reason


@pytest.mark.parametrize(
    ("issued", "age"),
    [
        ("2028-06-02T22:30:00+00:00", 17),  # half past eleven in the evening in London
        ("2028-06-02T23:30:00+00:00", 18),  # half past midnight of the birthday
    ],
)
def test_the_age_is_that_of_the_day_of_issue_in_london(issued, age):
    text = json.loads(example_text("urgent"))
    text["core"]["date_of_birth"] = "2010-06-03"
    moved = restamp(text, int(datetime.fromisoformat(issued).timestamp()))
    assert facts_of(parse_notification(json.dumps(moved).encode())).age == age


def test_urgent_actions_only_in_urgent_handovers_and_plans_only_where_there_is_one():
    child = Facts(age=16)
    assert headline(child, Agency.CHILDRENS_SOCIAL_CARE) == ("CC-02",)
    urgent = Facts(age=16, urgent=True, protection_plan=True)
    assert headline(urgent, Agency.CHILDRENS_SOCIAL_CARE) == ("CC-01", "CC-02", "CC-U1", "CC-U2", "CC-U3")
    assert "PO-04" not in headline(urgent, Agency.POLICE)
    assert "PO-04" in headline(Facts(age=16, urgent=True, threat_to_life=True), Agency.POLICE)
    assert "PO-04" not in headline(Facts(age=16, threat_to_life=True), Agency.POLICE)


def test_a_withdrawn_agreement_is_none():
    text = json.loads(example_text("adult"))
    assert Agency.VOLUNTARY_SECTOR in relevant(parse_notification(json.dumps(text).encode()))
    text["lawful_basis"][2]["agreement"]["withdrawn_at"] = "2026-11-23T10:00:00+00:00"
    document = parse_notification(json.dumps(text).encode())
    assert ruled_out(document)[Agency.VOLUNTARY_SECTOR].code == "NOT_AGREED"


def test_a_category_says_what_no_field_says():
    text = json.loads(example_text("adult"))
    assert Agency.ADULT_SOCIAL_CARE not in relevant(parse_notification(json.dumps(text).encode()))
    text["history"][3]["category"] = "CARE_NEEDS"
    assert (
        relevant(parse_notification(json.dumps(text).encode()))[Agency.ADULT_SOCIAL_CARE].code == "CARE_NEEDS"
    )
