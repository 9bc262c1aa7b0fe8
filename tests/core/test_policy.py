"""Every rule of domain 6.9 that reads one document: broken alone, it is refused with its number and place."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from gateway.core.policy import ENTITLEMENTS, RULES, check
from gateway.core.rules import years_after
from gateway.errors import NotAllowed, Problem
from schemas.handover import parse_notification

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"
ISSUED = {"1": "2026-11-24T10:05:00+00:00", "2": "2026-12-05T22:40:00+00:00"}
Document = dict[str, Any]
Change = Callable[[Document], object]
DAY = 86400


def load(name: str) -> Document:
    [path] = EXAMPLES.glob(f"{name}_*.json")
    return json.loads(path.read_bytes())


def judge(
    document: Document, at: str, later: int = 0, entitlements: Any = ENTITLEMENTS
) -> list[tuple[str, str]]:
    """``(rule, field)`` of every problem; none when it may be sent."""
    notification = parse_notification(json.dumps(document).encode())
    problems: tuple[Problem, ...] = ()
    try:
        check(
            notification, now=int(datetime.fromisoformat(at).timestamp()) + later, entitlements=entitlements
        )
    except NotAllowed as error:
        problems = error.problems
        first = (error.field, error.rule, error.remedy)
    if problems:
        assert first == (problems[0].field, problems[0].rule, problems[0].remedy)
    assert all(problem.message and problem.remedy for problem in problems)
    return [(problem.rule, problem.field) for problem in problems]


def put(path: str, value: object) -> Change:
    """Set what stands at a JSON Pointer; a list grows by one when the pointer ends in ``-``."""

    def change(document: Document) -> None:
        *way, last = [int(s) if s.isdigit() else s for s in path.strip("/").split("/")]
        place: Any = reduce(lambda at, step: at[step], way, document)
        if last == "-":
            place.append(copy.deepcopy(value))
        else:
            place[last] = copy.deepcopy(value)

    return change


def drop(path: str) -> Change:
    def change(document: Document) -> None:
        *way, last = [int(s) if s.isdigit() else s for s in path.strip("/").split("/")]
        place: Any = reduce(lambda at, step: at[step], way, document)
        del place[last]

    return change


FULL = put("/data_quality/completeness", "COMPLETE_FOR_PURPOSE")
"""Example 2 is partial, and what a partial handover may lack is asked of a full one only."""


def changed(name: str, *changes: Change) -> Document:
    document = load(name)
    for change in changes:
        change(document)
    return document


LEG = {"sections": ["core", "contacts", "actions"], "lawful_basis": ["LB1"]}
ASSERTION = {
    "assertion_id": "AS9",
    "kind": "SELF_REPORT",
    "category": "OTHER",
    "statement": "CANARY",
    "as_of": "2026-11-01",
    "source_agency": "POLICE",
    "subject_role": "VICTIM",
    "review_by": "2027-11-01",
}
RISK_FROM = {
    "rating": "AMBER",
    "assessed_on": "2026-11-18",
    "assessor_role": "CANARY",
    "review_by": "2027-02-18",
}
ORDER = {
    "order_id": "ORD1",
    "type": "OTHER",
    "expires_on": "2027-10-11",
    "court": "CANARY",
    "order_ref": "X",
    "power_of_arrest": False,
    "variation_contact": "Head",
    "conditions": [{"no": 1, "type": "PROHIBITION", "text": "x", "visible_to": []}],
}
NO_YOUTH_ORDER = {"agency": "YOUTH_JUSTICE", "reason": "OTHER"}
BRIDGE = {"contact_verified_by": "Head", "verified_on": "2026-11-20", "delivery": "by hand"}
SPOC = {
    "role": "Single point",
    "deputy_required": True,
    "may_open_sections": ["core", "contacts", "actions"],
    "relays_sealed": ["POLICE"],
}
TIERS = {
    "county": "E10000016",
    "district": "E07000106",
    "county_agencies": ["LEAVING_CARE"],
    "district_agencies": ["HOUSING"],
}


def leg(agency: str) -> Change:
    """One more recipient, no longer ruled out, with the sections that any agency may read, on a basis that
    reaches it."""

    def change(document: Document) -> None:
        basis = ["LB3"] if agency in {"DWP", "VICTIM_SUPPORT", "VOLUNTARY_SECTOR"} else ["LB1"]
        document["routing"]["recipients"].append(LEG | {"agency": agency, "lawful_basis": basis})
        ruled_out = document["routing"].get("not_relevant", [])
        document["routing"]["not_relevant"] = [entry for entry in ruled_out if entry["agency"] != agency]

    return change


def ruled_out(*agencies: str) -> Change:
    """The origin leaves these out, with a reason."""
    return put("/routing/not_relevant", [{"agency": one, "reason": "OTHER"} for one in agencies])


def NO_SOCIAL_CARE(document: Document) -> None:  # noqa: N802 - a change, like those that are values
    """Example 1 without what a social care authority said of the subject."""
    for field in ("care_status", "pathway_plan_ref"):
        del document["support"][field]


CHILD_OF_14: list[Change] = [
    put("/core/age_at_issue", 14),
    put("/core/parent_or_carer_informed", True),
    put("/safeguarding", {}),
    put("/routing/recipients", load("1")["routing"]["recipients"][:1]),
    ruled_out("POLICE", "YOUTH_JUSTICE", "CHILDRENS_SOCIAL_CARE", "EDUCATION", "HOUSING"),
    *[put(f"/orders/0/conditions/{n}/visible_to", ["COMMUNITY_SAFETY"]) for n in range(6)],
    *[drop(f"/orders/0/conditions/{n}/minimal_view") for n in (0, 5)],
]
"""The subject of example 1 as a child of 14 on the day of issue, told to community safety alone."""

SOCIAL = ASSERTION | {
    "evidence_type": "SOCIAL_MEDIA",
    "authorisation_ref": "RIPA-1",
    "corroboration_sources": ["Social_Media", "school"],
}
SECOND = [{"role": "r", "agency": "POLICE", "area": "E09000012"}]
PURGE = "/retention/gateway_payload_purge_after"
WITHOUT_DWP: list[Change] = [
    drop("/routing/recipients/5"),
    drop("/orders/0/conditions/5"),
    put("/orders/0/conditions/0/visible_to", ["POLICE"]),
    put("/orders/0/conditions/0/minimal_view/agencies", ["LEAVING_CARE"]),
    put("/support/visible_to", ["LEAVING_CARE"]),
    put("/move/new_address/visible_to", ["POLICE"]),
]

MORE_BROKEN: list[tuple[str, str, str, list[Change]]] = [
    ("1", "R2", "/history/1/visible_to", [drop("/history/1/visible_to")]),
    ("1", "R2", "/history/4/authorisation_ref", [put("/history/-", SOCIAL | {"authorisation_ref": None})]),
    (
        "1",
        "R2",
        "/history/4/corroboration_sources",
        [put("/history/-", SOCIAL | {"corroboration_sources": ["social media", "SOCIAL-MEDIA video"]})],
    ),
    (
        "1",
        "R4",
        "/routing/recipients/3/reciprocal_ref",
        [put("/routing/recipients/3/reciprocal_ref", "ARC-01-16")],
    ),
    (
        "1",
        "R4",
        "/routing/recipients/4/reciprocal_ref",
        [put("/routing/recipients/4/reciprocal_ref", "ARC-01-16 (Example)")],
    ),
    ("1", "R5", "/lawful_basis/0/powers/1", [put("/lawful_basis/0/powers/-", "CDA1998_S15")]),
    ("1", "R5", "/lawful_basis/1/powers/2", [put("/lawful_basis/1/powers/-", "CA1989_S47")]),
    (
        "1",
        "R5",
        "/lawful_basis/0/powers/1",
        [put("/lawful_basis/0/powers/-", "ECHR_ART2"), put("/move/evidence_of_threat_ref", None)],
    ),
    (
        "1",
        "R5",
        "/routing/recipients/4/lawful_basis/0",
        [
            put("/lawful_basis/1/powers", ["OMA2007_S14"]),
            *[put("/routing/recipients/3/lawful_basis", ["LB3"])],
        ],
    ),
    ("1", "R5", "/routing/recipients/1/lawful_basis/1", [put("/routing/recipients/1/lawful_basis/-", "LB3")]),
    (
        "1",
        "R7",
        "/orders/0/conditions/5/visible_to/3",
        [put("/orders/0/conditions/5/minimal_view/agencies", ["HOUSING"])],
    ),
    (
        "1",
        "R11",
        "/move/new_address/outside_area_reason",
        [put("/move/new_address/outside_area_reason", "x")],
    ),
    ("1", "R12", "/routing/not_relevant", WITHOUT_DWP),
    ("1", "R12", "/routing/not_relevant/0/agency", [ruled_out("DWP")]),
    ("1", "R16", "/retention/review_date", [put("/retention/review_date", "2026-11-23")]),
    ("1", "R17", PURGE, [put(PURGE, "2027-02-23")]),
    ("1", "R17", PURGE, [put(PURGE, "2026-11-23")]),
]

AGENT = {"authority": "COMMUNITY_SAFETY", "contract_ref": "C"}
MORE_BROKEN += [
    (
        # who acts for an authority is reached by s.115, which says so; not by s.16, which does not
        "1",
        "R5",
        "/routing/recipients/6/lawful_basis/0",
        [
            put("/lawful_basis/2/powers", ["PCSC2022_S16"]),
            put("/routing/recipients/5/lawful_basis", ["LB4"]),
            put("/lawful_basis/-", load("1")["lawful_basis"][2] | {"id": "LB4"}),
            put("/routing/recipients/6/acting_on_behalf_of", AGENT),
            drop("/support/care_status"),
            drop("/support/pathway_plan_ref"),
            put("/support/visible_to", ["LEAVING_CARE"]),
        ],
    ),
]

MORE_LAWFUL: list[tuple[str, list[Change]]] = [
    ("1", [put("/history/-", SOCIAL)]),
    ("1", [put("/routing/recipients/4/reciprocal_ref", "ARC-01-16")]),
    ("1", [put("/lawful_basis/0/powers/-", "ECHR_ART2")]),
    (
        "1",
        [put("/move/new_address/outside_area_reason", "x"), put("/message/authorisations", SECOND)],
    ),
    ("1", [*WITHOUT_DWP, ruled_out("DWP")]),
    ("1", [put(PURGE, "2027-02-22"), put("/retention/review_date", "2026-11-24")]),
    ("1", [put(PURGE, "2026-11-24")]),
    (
        "2",
        [
            leg("PROBATION"),
            put("/routing/recipients/7/relevant_because", "turns 18 in a month"),
            *[put("/routing/recipients/7/victim_inclusion_justification", "j")],
        ],
    ),
]

# One line per document: its example, the rule and the place it is refused with, what is changed.
BROKEN: list[tuple[str, str, str, list[Change]]] = [
    ("1", "R1", "/roles/2/assertion", [put("/roles/2/assertion", "AS8")]),
    ("1", "R1", "/roles/3/role", [put("/roles/3/role", "WITNESS")]),
    (
        "1",
        "R1",
        "/roles",
        [
            put("/roles", [{"role": "ASSOCIATE", "assertion": "AS9"}]),
            put("/history", [ASSERTION | {"subject_role": "ASSOCIATE"}]),
            *[drop("/risk_from"), drop("/orders"), drop("/associates")],
            *[put("/routing/recipients", [LEG | {"agency": "COMMUNITY_SAFETY"}])],
            ruled_out("POLICE", "PROBATION", "LEAVING_CARE", "HOUSING", "DWP"),
        ],
    ),
    ("1", "R2", "/history/0/evidence_ref", [drop("/history/0/evidence_ref")]),
    ("1", "R2", "/history/3/assessor", [drop("/history/3/assessor")]),
    ("1", "R2", "/history/1/grading", [drop("/history/1/grading")]),
    ("1", "R2", "/history/1/grading/assessment", [put("/history/1/grading/assessment", "E")]),
    ("1", "R2", "/history/1/grading/source", [put("/history/1/grading/source", 3)]),
    ("1", "R2", "/history/1/grading/conditions", [drop("/history/1/grading/conditions")]),
    ("1", "R2", "/history/1/corroboration_sources", [put("/history/1/corroboration_sources", ["police"])]),
    (
        "1",
        "R2",
        "/history/1/corroboration_sources",
        [put("/history/1/corroboration_sources", ["police", "Police", "POLICE"])],
    ),
    ("1", "R2", "/gang_association/corroboration_sources", [put("/gang_association", ASSERTION)]),
    ("1", "R3", "/data_quality/verified_at", [put("/data_quality/verified_at", "2026-11-24T10:05:01Z")]),
    ("1", "R3", "/data_quality/verified_at", [put("/data_quality/verified_at", "2026-11-19T10:04:59Z")]),
    ("1", "R4", "/routing/recipients/5/sections/6", [put("/routing/recipients/5/sections/-", "associates")]),
    (
        "1",
        "R4",
        "/routing/recipients/1/sections/12",
        [put("/routing/recipients/1/sections/-", "safeguarding")],
    ),
    ("1", "R4", "/history/0/visible_to/2", [put("/history/0/visible_to/-", "HOUSING")]),
    ("1", "R4", "/move/new_address/visible_to/6", [put("/move/new_address/visible_to/-", "EDUCATION")]),
    ("2", "R4", "/move/new_address/visible_to/3", [put("/move/new_address/visible_to/-", "PROBATION")]),
    ("1", "R5", "/routing/recipients/3/lawful_basis/0", [put("/routing/recipients/3/lawful_basis/0", "LB9")]),
    ("1", "R5", "/routing/recipients/5/lawful_basis/1", [put("/routing/recipients/5/lawful_basis/-", "LB1")]),
    ("1", "R5", "/routing/recipients/6/lawful_basis/0", [put("/routing/recipients/6/lawful_basis", ["LB1"])]),
    ("2", "R5", "/routing/recipients/5/lawful_basis/0", [put("/lawful_basis/2/powers/-", "CDA1998_S115")]),
    ("1", "R5", "/lawful_basis/0/sch8_condition", [drop("/lawful_basis/0/sch8_condition")]),
    ("1", "R5", "/lawful_basis/0/apd_ref", [drop("/lawful_basis/0/apd_ref")]),
    ("1", "R5", "/lawful_basis/1/article6", [drop("/lawful_basis/1/article6")]),
    ("1", "R5", "/lawful_basis/1/dsa_ref", [drop("/lawful_basis/1/dsa_ref")]),
    ("1", "R5", "/lawful_basis/1/powers/2", [put("/lawful_basis/1/powers/-", "CWSA2026_S4")]),
    ("1", "R5", "/lawful_basis/2/agreement", [drop("/lawful_basis/2/agreement")]),
    ("1", "R5", "/lawful_basis/2/agreement", [put("/lawful_basis/2/agreement/given", False)]),
    ("1", "R5", "/lawful_basis/2/agreement", [put("/lawful_basis/2/agreement/at", "2026-11-24T10:06:00Z")]),
    (
        "1",
        "R5",
        "/lawful_basis/2/agreement",
        [put("/lawful_basis/2/agreement/withdrawn_at", "2026-11-24T10:05:00Z")],
    ),
    (
        "2",
        "R5",
        "/routing/recipients/1/lawful_basis/1",
        # children's social care authorised it: personal information of a social care authority
        [put("/lawful_basis/1/powers/-", "PCSC2022_S16")],
    ),
    (
        "2",
        "R5",
        "/routing/recipients/1/lawful_basis/1",
        # the police authorised it, but the leg has safeguarding: what the hospital says
        [put("/lawful_basis/1/powers/-", "PCSC2022_S16"), put("/message/authorised_by/agency", "POLICE")],
    ),
    (
        "1",
        "R5",
        "/routing/recipients/6/lawful_basis/1",
        [
            put("/lawful_basis/-", load("1")["lawful_basis"][0] | {"id": "LB4", "powers": ["PCSC2022_S16"]}),
            put("/routing/recipients/6/lawful_basis/-", "LB4"),
        ],
    ),
    ("2", "R6", "/risk_from", [put("/risk_from", RISK_FROM)]),
    (
        "1",
        "R6",
        "/risk_from",
        [
            drop("/risk_from"),
            *[drop("/routing/recipients/0/sections/3")],
            *[drop("/routing/recipients/1/sections/4")],
            *[drop("/routing/recipients/2/sections/4")],
        ],
    ),
    ("2", "R6", "/orders", [put("/orders", [ORDER]), put("/routing/not_relevant/-", NO_YOUTH_ORDER)]),
    ("2", "R6", "/history/2", [put("/history/-", ASSERTION | {"category": "GROUP_LINK"})]),
    (
        "2",
        "R6",
        "/gang_association",
        [put("/gang_association", ASSERTION | {"corroboration_sources": ["a", "b"]})],
    ),
    ("2", "R6", "/history/2/subject_role", [put("/history/-", ASSERTION | {"subject_role": "SUSPECTED"})]),
    (
        "2",
        "R6",
        "/routing/recipients/1/victim_inclusion_justification",
        [drop("/routing/recipients/1/victim_inclusion_justification")],
    ),
    (
        "1",
        "R7",
        "/orders/0/conditions/1/visible_to/3",
        [put("/orders/0/conditions/1/visible_to/-", "YOUTH_JUSTICE")],
    ),
    (
        "1",
        "R7",
        "/orders/0/conditions/0/minimal_view/agencies/4",
        [put("/orders/0/conditions/0/minimal_view/agencies/-", "YOUTH_JUSTICE")],
    ),
    ("1", "R8", "/associates/7/in_order", [put("/associates/7/in_order", "ORD2")]),
    ("1", "R10", "/orders/0/expires_on", [put("/orders/0/expires_on", "2028-10-13")]),
    ("1", "R10", "/orders/0/granted_on", [drop("/orders/0/granted_on")]),
    ("1", "R10", "/orders/0/review_hearing_window", [drop("/orders/0/review_hearing_window")]),
    (
        "1",
        "R10",
        "/orders/0/review_hearing_window",
        [put("/orders/0/review_hearing_window/to", "2027-10-13")],
    ),
    (
        "1",
        "R10",
        "/orders/0/review_hearing_window",
        [put("/orders/0/review_hearing_window/from", "2027-10-12")],
    ),
    (
        "1",
        "R10",
        "/orders/0/review_hearing_window",
        [put("/orders/0/review_hearing_window/from", "2026-10-11")],
    ),
    ("1", "R9", "/orders/0/conditions/4/place_rule", [drop("/orders/0/conditions/4/place_rule")]),
    (
        "1",
        "R9",
        "/orders/0/conditions/4/place_rule",
        [put("/orders/0/conditions/4/place_rule", "WITH_WRITTEN_PERMISSION")],
    ),
    (
        "1",
        "R9",
        "/orders/0/conditions/4/place_rule",
        [
            drop("/orders/0/conditions/4/place_rule"),
            put(
                "/orders/0/conditions/4/permission",
                {"ref": "P", "granted_by": "Head", "granted_on": "2026-10-12", "expires_on": "2026-11-23"},
            ),
        ],
    ),
    ("2", "R12", "/routing/recipients/7/agency", [leg("ADULT_SOCIAL_CARE")]),
    ("2", "R12", "/routing/recipients/7/agency", [leg("DWP")]),
    ("1", "R12", "/routing/recipients/7/agency", [leg("CHILDRENS_SOCIAL_CARE")]),
    ("1", "R12", "/routing/recipients/7/agency", [leg("YOUTH_JUSTICE")]),
    (
        "1",
        "R12",
        "/routing/recipients/7/agency",
        # 18 without a youth order
        [
            put("/core/date_of_birth", "2008-11-24"),
            put("/core/age_at_issue", 18),
            leg("YOUTH_JUSTICE"),
        ],
    ),
    (
        "1",
        "R12",
        "/routing/recipients/3/agency",
        [put("/core/date_of_birth", "2001-11-24"), put("/core/age_at_issue", 25)],
    ),
    ("1", "R12", "/core/age_at_issue", [put("/core/age_at_issue", 22)]),
    ("2", "R12", "/core/parent_or_carer_informed", [FULL, drop("/core/parent_or_carer_informed")]),
    (
        "1",
        "R12",
        "/orders/0/type",
        [*CHILD_OF_14, put("/core/date_of_birth", "2012-10-13")],
    ),
    (
        "1",
        "R12",
        "/routing/recipients/7/agency",
        # 19 with a youth order
        [
            put("/core/date_of_birth", "2007-11-24"),
            put("/core/age_at_issue", 19),
            put("/orders/0/type", "REFERRAL_ORDER"),
            leg("YOUTH_JUSTICE"),
        ],
    ),
    (
        "2",
        "R12",
        "/routing/recipients/7/agency",
        # 15 with a claim
        [
            put("/core/date_of_birth", "2010-12-06"),
            put("/core/age_at_issue", 15),
            put("/support", {"benefit": {"type": "OTHER", "status": "CLAIMED"}}),
            leg("DWP"),
        ],
    ),
    (
        "1",
        "R13",
        "/message/authorisations",
        [leg("HEALTH"), leg("EDUCATION")],
    ),
    ("2", "R14", "/urgent", [drop("/urgent")]),
    *MORE_BROKEN,
    ("2", "R14", "/urgent/evidence_ref", [drop("/urgent/evidence_ref")]),
    ("2", "R14", "/move/evidence_of_threat_ref", [drop("/move/evidence_of_threat_ref")]),
    (
        "1",
        "R14",
        "/urgent",
        [put("/message/urgency", "URGENT"), put("/move/new_address/visible_to", ["POLICE"])],
    ),
    ("1", "R14", "/urgent", [put("/move/kind", "URGENT"), put("/move/new_address/visible_to", ["POLICE"])]),
    ("1", "R16", "/history/2/review_by", [put("/history/2/review_by", "2026-11-23")]),
    ("1", "R16", "/risk_to/review_by", [put("/risk_to/review_by", "2026-11-23")]),
    ("1", "R16", "/risk_from/review_by", [put("/risk_from/review_by", "2026-11-23")]),
    (
        "1",
        "R16",
        "/gang_association/review_by",
        [
            put(
                "/gang_association",
                ASSERTION | {"review_by": "2026-11-23", "corroboration_sources": ["a", "b"]},
            )
        ],
    ),
    ("1", "R19", "/message/marking/classification", [put("/message/marking/classification", "SECRET")]),
    ("1", "R19", "/message/marking/text", [put("/message/marking/text", "RESTRICTED")]),
    (
        "1",
        "R22",
        "/routing/destination/spoc/may_open_sections/3",
        [
            put(
                "/routing/destination/spoc",
                SPOC | {"may_open_sections": ["core", "contacts", "actions", "history"]},
            )
        ],
    ),
    (
        "1",
        "R22",
        "/routing/recipients/2/via",
        [put("/routing/destination/spoc", SPOC), put("/routing/recipients/2/via", "SPOC")],
    ),
    ("1", "R22", "/routing/recipients/1/via", [put("/routing/recipients/1/via", "SPOC")]),
    ("1", "R27", "/message/supersedes", [put("/message/version", 2)]),
    ("1", "R27", "/message/supersedes", [put("/message/supersedes", "f96dfd0d-80a7-5d63-a0c1-aaf074b86cc3")]),
    (
        "1",
        "R27",
        "/message/supersedes",
        [
            put("/message/version", 2),
            put("/message/message_id", "f96dfd0d-80a7-5d63-a0c1-aaf074b86cc3"),
            put("/message/supersedes", "f96dfd0d-80a7-5d63-a0c1-aaf074b86cc3"),
        ],
    ),
    (
        "1",
        "R28",
        "/actions",
        [
            *CHILD_OF_14,
            put("/core/date_of_birth", "2012-10-12"),
            put("/orders/0/caretaking", {"rule": "YJB", "from": "2026-11-30", "review_on": "2027-02-28"}),
            leg("YOUTH_JUSTICE"),
        ],
    ),
    ("1", "", "/transparency/not_informed_reason", [put("/transparency/subject_informed", False)]),
    ("1", "", "/routing/destination/spoc", [put("/routing/destination/profile", "SINGLE_POINT_OF_CONTACT")]),
    (
        "1",
        "",
        "/routing/destination/bridge",
        [
            put("/routing/destination/profile", "EXTERNAL_NON_LONDON"),
            put("/routing/destination/transport", "EXTERNAL_BRIDGE"),
        ],
    ),
    (
        "1",
        "",
        "/routing/destination/transport",
        [
            put("/routing/destination/profile", "EXTERNAL_NON_LONDON"),
            put("/routing/destination/bridge", BRIDGE),
        ],
    ),
    (
        "1",
        "",
        "/routing/destination/two_tier",
        [put("/routing/destination/two_tier", TIERS | {"district_agencies": ["HOUSING", "LEAVING_CARE"]})],
    ),
]


@pytest.mark.parametrize("name", ["1", "2"])
def test_the_examples_may_be_sent_when_they_were_issued(name: str) -> None:
    assert judge(load(name), ISSUED[name]) == []


@pytest.mark.parametrize(("name", "rule", "field", "changes"), BROKEN)
def test_one_rule_broken(name: str, rule: str, field: str, changes: list[Change]) -> None:
    assert judge(changed(name, *changes), ISSUED[name]) == [(rule, field)]


def test_every_rule_of_the_table_is_broken_above() -> None:
    assert {rule for _, rule, _, _ in BROKEN} == set(RULES)


# Documents close to a broken one that may be sent.
LAWFUL: list[tuple[str, list[Change]]] = [
    ("1", [put("/lawful_basis/2/agreement/at", ISSUED["1"])]),
    ("1", [put("/orders/0/review_hearing_window", {"from": "2026-10-12", "to": "2026-10-12"})]),
    ("1", [put("/orders/0/review_hearing_window", {"from": "2027-10-12", "to": "2027-10-12"})]),
    ("1", [*CHILD_OF_14, put("/core/date_of_birth", "2012-10-12")]),
    (
        "1",
        [
            put("/history/1/grading/source", 3),
            put("/message/authorisations", [{"role": "r", "agency": "POLICE", "area": "E09000012"}]),
        ],
    ),
    ("1", [put("/history/1/grading/handling", "P"), drop("/history/1/grading/conditions")]),
    ("1", [put("/history/0/kind", "SELF_REPORT"), drop("/history/0/evidence_ref")]),
    ("1", [put("/data_quality/verified_at", "2026-11-19T10:05:00Z")]),
    ("1", [put("/data_quality/verified_at", "2026-11-24T10:05:00Z")]),
    ("1", [put("/history/2/review_by", "2026-11-24")]),
    ("1", [put("/orders/0/expires_on", "2028-10-12")]),
    ("1", [put("/orders/0/expires_on", "2027-10-12"), drop("/orders/0/review_hearing_window")]),
    (
        "1",
        [
            put("/orders/0/type", "CRIMINAL_BEHAVIOUR_ORDER"),
            put("/orders/0/expires_on", "2031-10-12"),
            drop("/orders/0/granted_on"),
        ],
    ),
    ("1", [put("/lawful_basis/2/agreement/withdrawn_at", "2026-11-24T10:05:01Z")]),
    (
        "1",
        [
            drop("/lawful_basis/1/dsa_ref"),
            put("/lawful_basis/1/one_off", {"justification": "j", "dpo_ref": "D"}),
        ],
    ),
    (
        "1",
        [
            put("/routing/recipients/6/lawful_basis", ["LB1"]),
            put(
                "/routing/recipients/6/acting_on_behalf_of",
                {"authority": "COMMUNITY_SAFETY", "contract_ref": "C"},
            ),
        ],
    ),
    ("1", [put("/lawful_basis/0/powers/-", "PCSC2022_S16"), NO_SOCIAL_CARE]),
    (
        "1",
        [
            put("/orders/0/conditions/4/place_rule", "WITH_WRITTEN_PERMISSION"),
            put(
                "/orders/0/conditions/4/permission",
                {"ref": "P", "granted_by": "Head", "granted_on": "2026-10-12", "expires_on": "2026-11-24"},
            ),
        ],
    ),
    (
        "1",
        [drop("/orders/0/conditions/4/place_rule"), put("/orders/0/conditions/4/provider_area", "E09000004")],
    ),
    ("1", [put("/core/date_of_birth", "2001-11-25"), put("/core/age_at_issue", 24)]),
    ("1", [drop("/core/age_at_issue")]),
    (
        "1",
        [
            put("/core/date_of_birth", "2008-11-24"),
            put("/core/age_at_issue", 18),
            put("/orders/0/type", "REFERRAL_ORDER"),
            leg("YOUTH_JUSTICE"),
        ],
    ),
    ("2", [leg("DWP"), put("/support", {"benefit": {"type": "OTHER", "status": "CLAIMED"}})]),
    ("1", [leg("HEALTH")]),
    (
        "1",
        [
            leg("HEALTH"),
            leg("EDUCATION"),
            put("/message/authorisations", [{"role": "r", "agency": "POLICE", "area": "E09000012"}]),
        ],
    ),
    ("1", [put("/message/marking/text", "OFFICIAL"), put("/message/marking/sensitive", False)]),
    ("1", [put("/routing/destination/spoc", SPOC), put("/routing/recipients/1/via", "SPOC")]),
    (
        "1",
        [
            put("/routing/destination/profile", "SINGLE_POINT_OF_CONTACT"),
            put("/routing/destination/spoc", SPOC),
        ],
    ),
    (
        "1",
        [
            put("/routing/destination/profile", "EXTERNAL_NON_LONDON"),
            put("/routing/destination/transport", "EXTERNAL_BRIDGE"),
            put("/routing/destination/bridge", BRIDGE),
            put("/routing/destination/two_tier", TIERS),
        ],
    ),
    ("1", [put("/transparency/subject_informed", False), put("/transparency/not_informed_reason", "r")]),
    ("1", [put("/gang_association", ASSERTION | {"corroboration_sources": ["a", "b"]})]),
    *MORE_LAWFUL,
]


@pytest.mark.parametrize(("name", "changes"), LAWFUL)
def test_close_to_a_rule_but_lawful(name: str, changes: list[Change]) -> None:
    assert judge(changed(name, *changes), ISSUED[name]) == []


def test_a_document_is_judged_at_the_moment_given() -> None:
    document = load("1")
    assert judge(document, ISSUED["1"], later=5 * DAY - 2100) == []
    assert judge(document, ISSUED["1"], later=5 * DAY) == [("R3", "/data_quality/verified_at")]
    assert judge(document, ISSUED["1"], later=-2101) == [("R3", "/data_quality/verified_at")]
    # 23:30 UTC in summer is the next day in London
    late = changed("1", put("/risk_to/review_by", "2027-06-30"), put("/risk_from/review_by", "2027-06-30"))
    late["history"] = [item | {"review_by": "2027-06-30"} for item in late["history"]]
    late["data_quality"]["verified_at"] = "2027-06-30T20:00:00Z"
    late["message"]["issued_at"] = "2027-06-30T20:00:00Z"
    late["retention"] |= {"gateway_payload_purge_after": "2027-09-01", "review_date": "2027-06-30"}
    late["core"]["age_at_issue"] = 24
    assert judge(late, "2027-06-30T22:59:59+00:00") == []
    assert {rule for rule, _ in judge(late, "2027-06-30T23:00:00+00:00")} == {"R16"}


def test_third_parties_of_an_order_go_to_nobody_else() -> None:
    problems = judge(changed("1", put("/associates/3/visible_to/-", "LEAVING_CARE")), ISSUED["1"])
    assert problems == [("R4", "/associates/3/visible_to/2"), ("R8", "/associates/3/visible_to/2")]


def test_third_parties_need_a_term_that_lists_them() -> None:
    problems = judge(changed("1", drop("/orders/0/conditions/3/third_party_list")), ISSUED["1"])
    assert problems == [("R8", f"/associates/{index}/in_order") for index in range(20)]


def test_a_planned_move_says_what_the_subject_wants() -> None:
    problems = judge(changed("1", drop("/aspirations")), ISSUED["1"])
    assert ("", "/aspirations") in problems
    assert {rule for rule, _ in problems} == {"", "R4"}


def test_a_child_has_a_safeguarding_block() -> None:
    problems = judge(changed("2", FULL, drop("/safeguarding")), ISSUED["2"])
    assert ("R12", "/safeguarding") in problems
    assert {rule for rule, _ in problems} == {"R12", "R4"}


@pytest.mark.parametrize("role", ["VICTIM", "AT_RISK", "WITNESS"])
def test_risk_from_needs_a_suspected_or_convicted_person(role: str) -> None:
    document = changed("1", put("/roles", [{"role": role, "assertion": "AS9"}]))
    document["history"] = [ASSERTION | {"subject_role": role}]
    problems = judge(document, ISSUED["1"])
    assert ("R6", "/risk_from") in problems
    assert ("R6", "/orders") in problems
    assert {rule for rule, _ in problems} == {"R6"}


@pytest.mark.parametrize(
    ("discloser", "reaches"),
    [
        ("POLICE", True),
        ("COMMUNITY_SAFETY", True),
        ("HEALTH", False),
        ("CHILDRENS_SOCIAL_CARE", False),
        ("LEAVING_CARE", False),
        ("ADULT_SOCIAL_CARE", False),
    ],
)
def test_what_a_health_or_social_care_authority_holds_is_outside_section_16(
    discloser: str, *, reaches: bool
) -> None:
    document = changed("1", put("/lawful_basis/0/powers", ["PCSC2022_S16"]), NO_SOCIAL_CARE)
    document["message"]["authorised_by"]["agency"] = discloser
    legs = [] if reaches else [("R5", f"/routing/recipients/{index}/lawful_basis/0") for index in range(3)]
    assert judge(document, ISSUED["1"]) == legs


@pytest.mark.parametrize(
    ("section", "field", "value", "told"),
    [
        ("identifiers", "nhs_number", "9990000018", [7]),
        ("support", "substance", "x", [2, 7]),
        ("support", "mental_health", "x", [2, 7]),
        ("safeguarding", "hospital", {"discharged": True}, [7]),
    ],
)
def test_patient_information_is_outside_section_16(
    section: str, field: str, value: object, told: list[int]
) -> None:
    """Refused for the legs that would read it; police and probation do not read an NHS number."""
    document = changed("1", put("/lawful_basis/0/powers", ["PCSC2022_S16"]), leg("HEALTH"))
    NO_SOCIAL_CARE(document)
    document["routing"]["recipients"][7]["sections"] = ["core", "identifiers", "support", "safeguarding"]
    document.setdefault("safeguarding", {})
    assert judge(document, ISSUED["1"]) == []
    document[section][field] = value
    expected = [("R5", f"/routing/recipients/{index}/lawful_basis/0") for index in told]
    assert judge(document, ISSUED["1"]) == expected


def test_what_a_care_authority_says_is_outside_section_16_for_those_who_read_it() -> None:
    document = changed("1", put("/lawful_basis/0/powers", ["PCSC2022_S16"]), NO_SOCIAL_CARE)
    document["history"][3] |= {"source_agency": "CHILDRENS_SOCIAL_CARE", "visible_to": ["PROBATION"]}
    assert judge(document, ISSUED["1"]) == [("R5", "/routing/recipients/2/lawful_basis/0")]
    document["history"][3]["visible_to"] = []
    assert judge(document, ISSUED["1"]) == []


def test_what_is_past_its_purge_date_is_not_sent_again() -> None:
    document = changed("1", put(PURGE, "2026-11-25"))
    assert judge(document, ISSUED["1"], later=DAY) == []
    assert judge(document, ISSUED["1"], later=2 * DAY) == [("R17", PURGE)]


@pytest.mark.parametrize(
    ("found", "rules"),
    [
        ("E09000004", set()),
        (None, set()),
        ("E09000025", {"R11"}),
        ("E07000106", set()),
        ("E10000016", set()),
    ],
)
def test_the_address_lies_in_the_destination_or_in_one_of_its_tiers(
    found: str | None, rules: set[str]
) -> None:
    document = changed("1", put("/routing/destination/two_tier", TIERS))
    notification = parse_notification(json.dumps(document).encode())
    now = int(datetime.fromisoformat(ISSUED["1"]).timestamp())
    told: set[str] = set()
    try:
        check(notification, now=now, lookup={"999999000001": found}.get)
    except NotAllowed as error:
        told = {problem.rule for problem in error.problems}
    assert told == rules


def test_an_override_needs_the_reason_and_the_second_person() -> None:
    now = int(datetime.fromisoformat(ISSUED["1"]).timestamp())
    for changes, sent in (
        ([put("/message/authorisations", SECOND)], False),
        ([put("/move/new_address/outside_area_reason", "x")], False),
        ([put("/message/authorisations", SECOND), put("/move/new_address/outside_area_reason", "x")], True),
    ):
        notification = parse_notification(json.dumps(changed("1", *changes)).encode())
        if sent:
            check(notification, now=now, lookup=lambda uprn: "E09000025")
            continue
        with pytest.raises(NotAllowed) as caught:
            check(notification, now=now, lookup=lambda uprn: "E09000025")
        assert {problem.rule for problem in caught.value.problems} == {"R11"}


def test_probation_of_a_child() -> None:
    document = changed("2", leg("PROBATION"))
    document["routing"]["recipients"][-1]["victim_inclusion_justification"] = "j"
    assert judge(document, ISSUED["2"]) == [("R12", "/routing/recipients/7/agency")]


def test_all_problems_come_at_once_and_none_tells_a_value() -> None:
    document = load("1")
    document["history"][0] |= {"evidence_ref": None, "statement": "CANARY", "review_by": "2026-01-01"}
    document["roles"][0]["assertion"] = "CANARY"
    document["message"]["marking"]["text"] = "CANARY"
    document["lawful_basis"][0] |= {"apd_ref": None, "power": "CANARY"}
    document["routing"]["recipients"][3]["lawful_basis"] = ["CANARY"]
    notification = parse_notification(json.dumps(document).encode())
    with pytest.raises(NotAllowed) as caught:
        check(notification, now=int(datetime.fromisoformat(ISSUED["1"]).timestamp()))
    assert [p.rule for p in caught.value.problems] == ["R1", "R2", "R5", "R5", "R16", "R19"]
    assert "CANARY" not in repr(caught.value.problems) + str(caught.value) + caught.value.remedy


def test_the_entitlements_given_are_the_ones_that_count() -> None:
    narrower = dict(ENTITLEMENTS) | {
        "identifiers.police": frozenset(),
        "identifiers.supervision": frozenset(),
    }
    assert judge(load("1"), ISSUED["1"], entitlements=narrower) == [
        ("R4", "/routing/recipients/1/sections/1"),
        ("R4", "/routing/recipients/2/sections/1"),
    ]


@pytest.mark.parametrize(
    ("day", "years", "after"),
    [("2028-02-29", 1, "2029-03-01"), ("2028-02-29", 4, "2032-02-29"), ("2026-10-12", 2, "2028-10-12")],
)
def test_years(day: str, years: int, after: str) -> None:
    assert years_after(datetime.fromisoformat(day).date(), years).isoformat() == after


def pointers(value: Any, at: str = "") -> Iterator[str]:
    yield at
    if isinstance(value, dict):
        for key, child in value.items():
            yield from pointers(child, f"{at}/{key}")
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from pointers(child, f"{at}/{index}")


@pytest.mark.parametrize(("name", "rule", "field", "changes"), BROKEN)
def test_a_problem_points_into_the_document(name: str, rule: str, field: str, changes: list[Change]) -> None:
    """The place itself, or for something missing the object that lacks it."""
    assert rule in RULES
    there = set(pointers(changed(name, *changes)))
    assert field in there or field.rpartition("/")[0] in there
