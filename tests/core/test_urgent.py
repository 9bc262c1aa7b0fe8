"""Urgent moves (domain 6.6): what URGENT demands at night, what it excuses, and its clocks."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.audience import Reader, cut
from gateway.core.deadlines import Deadlines, deadlines
from gateway.core.policy import ENTITLEMENTS, check
from gateway.core.urgent import REVIEW, call_by, in_office_hours, owed_by, softened
from gateway.errors import NotAllowed
from schemas.handover import parse_notification
from schemas.samples import example_text
from schemas.vocabulary import Agency

HOUR, DAY = 3600, 86_400
SATURDAY_2240 = int(datetime(2026, 12, 5, 22, 40, tzinfo=UTC).timestamp())
TUESDAY_1000 = int(datetime(2026, 12, 8, 10, 0, tzinfo=UTC).timestamp())


def example(name: str = "urgent") -> dict[str, Any]:
    return json.loads(example_text(name))


def judge(document: dict[str, Any], now: int = SATURDAY_2240) -> list[tuple[str, str]]:
    try:
        check(parse_notification(json.dumps(document).encode()), now=now)
    except NotAllowed as error:
        return [(problem.rule, problem.field) for problem in error.problems]
    return []


def weekday(document: dict[str, Any]) -> dict[str, Any]:
    """The same, issued in office hours."""
    document["message"]["issued_at"] = "2026-12-08T10:00:00+00:00"
    document["urgent"]["out_of_hours"] = False
    return document


def test_example_2_is_sent_on_saturday_night_unchanged() -> None:
    assert judge(example()) == []


@pytest.mark.parametrize(
    ("at", "within"),
    [
        ("2026-12-07T08:59:59+00:00", False),
        ("2026-12-07T09:00:00+00:00", True),
        ("2026-12-07T16:59:59+00:00", True),
        ("2026-12-07T17:00:00+00:00", False),
        ("2026-12-05T12:00:00+00:00", False),  # Saturday
        ("2026-12-06T12:00:00+00:00", False),  # Sunday
        ("2026-12-25T12:00:00+00:00", False),
        ("2026-12-28T12:00:00+00:00", False),  # the substitute day
        ("2026-07-07T08:00:00+00:00", True),  # nine o'clock of a summer's day
        ("2026-07-07T16:00:00+00:00", False),
    ],
)
def test_office_hours_are_those_of_london(at: str, within: bool) -> None:
    assert in_office_hours(int(datetime.fromisoformat(at).timestamp())) is within


# --- partial --------------------------------------------------------------------------------------------


def bare() -> dict[str, Any]:
    """Example 2 cut down to what domain 6.6 names: who, safe contact, role, risk to, placement, actions."""
    document = example()
    for section in ("history", "safeguarding", "transparency", "gang_association"):
        del document[section]
    del document["core"]["parent_or_carer_informed"]
    for leg in document["routing"]["recipients"]:
        leg["sections"] = [s for s in leg["sections"] if s not in ("history", "safeguarding")]
    return document


def test_a_partial_urgent_handover_carries_the_minimum_alone() -> None:
    assert judge(bare()) == []


def test_what_a_partial_handover_lacks_a_full_one_may_not() -> None:
    document = bare()
    document["data_quality"]["completeness"] = "COMPLETE_FOR_PURPOSE"
    assert set(judge(document)) == {
        ("R1", "/roles/0/assertion"),
        ("R1", "/roles/1/assertion"),
        ("R12", "/core/parent_or_carer_informed"),
        ("R12", "/safeguarding"),
        ("", "/transparency"),
    }


def test_a_partial_handover_of_a_convicted_person_owes_the_risk_from() -> None:
    document = bare()
    document["roles"] = [{"role": "CONVICTED", "assertion": "AS1"}]
    document["routing"].setdefault("not_relevant", []).append({"agency": "YOUTH_JUSTICE", "reason": "OTHER"})
    assert judge(document) == []
    document["data_quality"]["completeness"] = "PARTIAL"
    assert ("R6", "/risk_from") in judge(document)


def test_a_partial_handover_in_office_hours_may_lack_its_contacts() -> None:
    document = weekday(bare())
    del document["contacts"]
    for leg in document["routing"]["recipients"]:
        leg["sections"].remove("contacts")
    now = TUESDAY_1000
    document["data_quality"]["verified_at"] = "2026-12-08T09:00:00+00:00"
    assert judge(document, now) == []
    document["data_quality"]["completeness"] = "PARTIAL"
    assert ("", "/contacts") in judge(document, now)


@pytest.mark.parametrize("urgency", ["STANDARD", "PRIORITY"])
@pytest.mark.parametrize("kind", ["URGENT", "PLANNED", "TEMPORARY"])
def test_partial_is_for_urgent_alone_whatever_the_move_is_called(urgency: str, kind: str) -> None:
    document = bare()
    document["message"]["urgency"], document["move"]["kind"] = urgency, kind
    found = judge(document)
    assert ("R14", "/data_quality/completeness") in found
    assert ("R12", "/safeguarding") in found


@pytest.mark.parametrize("block", ["data_quality", "retention", "lawful_basis", "risk_to", "roles"])
def test_urgency_excuses_neither_quality_nor_basis(block: str) -> None:
    document = bare()
    del document[block]
    with pytest.raises(ValueError, match=f"/{block}"):
        parse_notification(json.dumps(document).encode())


def test_urgency_does_not_skip_the_lawful_basis() -> None:
    document = bare()
    document["lawful_basis"][0]["dsa_ref"] = None
    assert judge(document) == [("R5", "/lawful_basis/0/dsa_ref")]


# --- evidence -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("urgency", ["STANDARD", "PRIORITY", "URGENT"])
@pytest.mark.parametrize("kind", ["URGENT", "PLANNED", "DISCOVERED"])
def test_a_trigger_always_has_its_evidence(urgency: str, kind: str) -> None:
    document = example()
    document["message"]["urgency"], document["move"]["kind"] = urgency, kind
    del document["urgent"]["evidence_ref"]
    assert judge(document).count(("R14", "/urgent/evidence_ref")) == 1


# --- out of hours ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("agency", ["POLICE", "CHILDRENS_SOCIAL_CARE"])
def test_somebody_is_awake_at_both_ends(agency: str) -> None:
    document = example()
    recipients = document["routing"]["recipients"]
    document["routing"]["recipients"] = [leg for leg in recipients if leg["agency"] != agency]
    document["contacts"] = [c for c in document["contacts"] if c["agency"] != agency]
    document["routing"]["not_relevant"].append({"agency": agency, "reason": "OTHER"})
    assert set(judge(document)) == {("R14", "/routing/recipients"), ("R14", "/contacts")}


def test_an_adult_needs_police_alone_at_night() -> None:
    document = example("adult")
    document["message"].update(urgency="URGENT", issued_at="2026-11-24T18:30:00+00:00")
    document["urgent"] = {"trigger": "CREDIBLE_THREAT", "evidence_ref": "CRIME-0000001/26"}
    document["move"]["new_address"]["visible_to"] = ["POLICE"]
    now = int(datetime(2026, 11, 24, 18, 30, tzinfo=UTC).timestamp())
    assert judge(document, now) == [("R14", "/contacts")]
    document["contacts"][1]["out_of_hours"] = "duty inspector through 020 7946 0012"
    assert judge(document, now) == []


@pytest.mark.parametrize(
    "role", ["Duty inspector (24h)", "Duty inspector, 24 hours", "EDT 24/7", "EDT (24 h)"]
)
def test_a_staffed_role_with_a_telephone_answers_at_night(role: str) -> None:
    document = example()
    document["contacts"][1]["role"] = role
    assert judge(document) == []
    del document["contacts"][1]["phone"]
    assert judge(document) == [("R14", "/contacts")]


def test_a_number_in_a_role_is_no_night_desk() -> None:
    document = example()
    document["contacts"][1]["role"] = "Team 24 inspector"
    assert judge(document) == [("R14", "/contacts")]


def test_the_hour_counts_and_not_what_the_document_says_of_it() -> None:
    """Handed in at night, dated back into the afternoon."""
    document = weekday(example())
    document["message"]["issued_at"] = "2026-12-04T16:00:00+00:00"
    document["contacts"] = [c for c in document["contacts"] if c["agency"] != "POLICE"]
    assert judge(document) == [("R14", "/contacts")]
    friday = int(datetime(2026, 12, 4, 16, 5, tzinfo=UTC).timestamp())
    early = copy.deepcopy(document)
    early["data_quality"]["verified_at"] = "2026-12-04T15:00:00+00:00"
    early["lawful_basis"][2]["agreement"]["at"] = "2026-12-04T15:00:00+00:00"
    assert judge(early, friday) == []


def test_a_call_that_nobody_called_back_is_no_record() -> None:
    document = example()
    document["urgent"]["verbal_handover"]["callback_verified"] = False
    assert judge(document) == [("R14", "/urgent/verbal_handover/callback_verified")]
    del document["urgent"]["verbal_handover"]
    assert judge(document) == []  # owed: recorded by `gateway handover verbal`


# --- clocks ---------------------------------------------------------------------------------------------


def test_the_full_version_is_owed_within_one_working_day() -> None:
    assert owed_by(SATURDAY_2240) == int(datetime(2026, 12, 7, 17, 0, tzinfo=UTC).timestamp())
    before_christmas = int(datetime(2026, 12, 24, 18, 0, tzinfo=UTC).timestamp())
    assert owed_by(before_christmas) == int(datetime(2026, 12, 29, 17, 0, tzinfo=UTC).timestamp())


def test_the_call_is_owed_within_the_deadline_of_acknowledgement() -> None:
    assert call_by(SATURDAY_2240) == deadlines("URGENT", SATURDAY_2240).acknowledge_by
    assert REVIEW == 3 * DAY


def test_a_downgrade_moves_only_what_has_not_passed() -> None:
    started = SATURDAY_2240
    urgent, standard = deadlines("URGENT", started), deadlines("STANDARD", started)
    assert softened(started, started + HOUR) == standard
    assert softened(started, urgent.acknowledge_by) == Deadlines(urgent.acknowledge_by, standard.decide_by)
    assert softened(started, urgent.decide_by) == urgent
    assert softened(started, urgent.decide_by - 1).decide_by == standard.decide_by


@given(started=st.integers(1_790_000_000, 1_830_000_000), after=st.integers(0, 30 * DAY))
def test_a_downgrade_never_excuses_who_was_late(started: int, after: int) -> None:
    at = started + after
    urgent = deadlines("URGENT", started)
    for old, new in zip(urgent, softened(started, at), strict=True):
        assert new == old if old <= at else new >= old


# --- the address ----------------------------------------------------------------------------------------

ADDRESS = {"uprn": "999999000002", "postcode": "ZZ99 3CZ", "tenure": "EMERGENCY_PLACEMENT"}


@given(
    said=st.none() | st.lists(st.sampled_from(sorted(Agency)), unique=True),
    urgency=st.sampled_from(["STANDARD", "PRIORITY", "URGENT"]),
    kind=st.sampled_from(["URGENT", "PLANNED", "TEMPORARY", "RETURN"]),
    readers=st.lists(st.sampled_from(sorted(Agency)), unique=True, min_size=1),
)
def test_an_urgent_address_reaches_three_agencies_whatever_the_document_says(
    said: list[str] | None, urgency: str, kind: str, readers: list[str]
) -> None:
    """Property of the cut itself, which comes after the rules: also of a document that no rule has judged."""
    document = example()
    document["message"]["urgency"], document["move"]["kind"] = urgency, kind
    address: dict[str, Any] = dict(ADDRESS)
    if said is not None:
        address["visible_to"] = [str(name) for name in said]
    document["move"]["new_address"] = address
    document["routing"]["recipients"] = [
        {"agency": str(agency), "sections": ["core", "move"], "lawful_basis": ["LB1"]} for agency in readers
    ]
    named = [Reader(str(agency), str(agency), index) for index, agency in enumerate(readers)]
    urgent, allowed = "URGENT" in (urgency, kind), {"CHILDRENS_SOCIAL_CARE", "POLICE", "HOUSING"}
    try:
        parts = cut(document, named, ENTITLEMENTS)
    except NotAllowed:  # refused, never quietly narrowed: somebody was promised what they may not read
        return
    told = {name for part in parts if "999999000002" in str(part.sections) for name in part.readers}
    assert not urgent or told <= allowed
    assert not urgent or allowed.issuperset(said or ())
