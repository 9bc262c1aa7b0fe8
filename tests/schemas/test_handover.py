from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest
from pydantic import ValidationError

from schemas.assertions import Assertion
from schemas.handover import DEPTH, HandoverNotification, parse_notification, to_document
from schemas.samples import example_text
from schemas.vocabulary import LEGACY_AGENCIES, Agency, SectionName

EXAMPLES = ("adult", "urgent")


def at(document, *path):
    for step in path:
        document = document[step]
    return document


def depth(value):
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_read_and_written_unchanged(name):
    text = example_text(name)
    assert to_document(parse_notification(text.encode())) == json.loads(text)


@pytest.mark.parametrize("name", EXAMPLES)
def test_reading_what_was_written_is_stable(name):
    first = parse_notification(example_text(name).encode())
    again = parse_notification(json.dumps(to_document(first)).encode())
    assert again == first
    assert to_document(again) == to_document(first)
    whole = HandoverNotification.model_validate_json(first.model_dump_json())
    assert whole == first
    assert whole.model_dump_json() == first.model_dump_json()


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_document_fits_the_wire(name):
    document = to_document(parse_notification(example_text(name).encode()))
    assert depth({"v": 1, "sections": document}) <= DEPTH
    assert "." not in json.dumps([v for v in _scalars(document) if isinstance(v, (int, float))])


def _scalars(value):
    if isinstance(value, dict):
        return [s for v in value.values() for s in _scalars(v)]
    if isinstance(value, list):
        return [s for v in value for s in _scalars(v)]
    return [value]


def test_absent_stays_absent_and_null_stays_null(adult):
    document = to_document(parse_notification(json.dumps(adult).encode()))
    assert document["core"]["reasonable_adjustments"] is None
    assert "dob_certainty" not in document["core"]
    assert document["identifiers"] == adult["identifiers"]


def test_times_are_kept_in_utc(adult):
    adult["message"]["issued_at"] = "2026-11-24T11:05:00.25+01:00"
    notification = parse_notification(json.dumps(adult).encode())
    assert notification.message.issued_at == datetime(2026, 11, 24, 10, 5, 0, 250000, tzinfo=UTC)
    assert to_document(notification)["message"]["issued_at"] == "2026-11-24T10:05:00.250000+00:00"
    assert notification.core.date_of_birth == date(2003, 5, 14)


@pytest.mark.parametrize("name", EXAMPLES)
def test_nothing_of_a_document_is_in_its_repr(name):
    notification = parse_notification(example_text(name).encode())
    for shown in (repr(notification), str(notification), f"{notification.core!r}", f"{notification.history}"):
        assert "EXAMPLE" not in shown
        assert "SAMPLE" not in shown
        assert "shooting" not in shown
    assert repr(notification) == "HandoverNotification()"


def test_a_document_cannot_be_changed(adult):
    notification = parse_notification(json.dumps(adult).encode())
    with pytest.raises(ValidationError):
        notification.core.family_name = "OTHER"


# --- What is required (domain 6.4) ----------------------------------------------------------------------

REQUIRED = [
    "schema_version",
    "message",
    "message/message_id",
    "message/handover_id",
    "message/version",
    "message/supersedes",
    "message/type",
    "message/urgency",
    "message/created_at",
    "message/issued_at",
    "message/authorised_by",
    "message/authorised_by/role",
    "message/authorised_by/agency",
    "message/authorised_by/area",
    "message/marking",
    "routing",
    "routing/origin",
    "routing/origin/area_code",
    "routing/origin/profile",
    "routing/destination",
    "routing/recipients",
    "routing/recipients/0/agency",
    "routing/recipients/0/sections",
    "routing/recipients/0/lawful_basis",
    "lawful_basis",
    "lawful_basis/0/id",
    "lawful_basis/0/regime",
    "lawful_basis/0/power",
    "lawful_basis/0/powers",
    "lawful_basis/0/purpose",
    "lawful_basis/0/necessity",
    "core",
    "core/family_name",
    "core/given_names",
    "core/date_of_birth",
    "core/safe_contact",
    "core/safe_contact/safe_to_call",
    "move",
    "move/kind",
    "move/reason",
    "move/moved_on",
    "move/from_area",
    "move/to_area",
    "move/address_known_to_threat",
    "roles",
    "roles/0/role",
    "roles/0/assertion",
    "risk_to",
    "risk_to/rating",
    "risk_to/assessed_on",
    "risk_to/assessor_role",
    "risk_to/who_is_the_threat",
    "risk_to/review_by",
    "orders/0/conditions",
    "orders/0/conditions/0/no",
    "orders/0/conditions/0/type",
    "orders/0/conditions/0/text",
    "orders/0/conditions/0/visible_to",
    "orders/0/expires_on",
    "orders/0/power_of_arrest",
    "orders/0/variation_contact",
    "orders/0/court",
    "orders/0/order_ref",
    "history/0/assertion_id",
    "history/0/kind",
    "history/0/category",
    "history/0/statement",
    "history/0/as_of",
    "history/0/source_agency",
    "history/0/subject_role",
    "history/0/review_by",
    "history/1/grading/source",
    "history/1/grading/assessment",
    "history/1/grading/handling",
    "associates/0/third_party_id",
    "associates/0/label",
    "associates/0/in_order",
    "associates/0/why_included",
    "aspirations/in_subject_words",
    "aspirations/recorded_by",
    "aspirations/recorded_on",
    "contacts/0/agency",
    "contacts/0/area",
    "contacts/0/role",
    "actions",
    "actions/0/action_id",
    "actions/0/agency",
    "actions/0/code",
    "actions/0/title",
    "actions/0/due_at",
    "actions/0/blocks_closure",
    "data_quality",
    "data_quality/verified_by",
    "data_quality/verified_at",
    "data_quality/completeness",
    "data_quality/reliability_note",
    "data_quality/currency",
    "data_quality/omitted",
    "transparency/subject_informed",
    "retention",
    "retention/gateway_payload_purge_after",
    "retention/review_date",
]


@pytest.mark.parametrize("field", REQUIRED)
def test_a_required_field_is_missed_by_name(adult, refused, field):
    *above, last = (int(step) if step.isdigit() else step for step in field.split("/"))
    del at(adult, *above)[last]
    (problem,) = refused(adult)
    assert problem.pointer == f"/{field}"
    assert problem.message == "this field is missing"
    assert "gateway schema show handover" in problem.remedy


@pytest.mark.parametrize("field", ["roles", "actions", "lawful_basis"])
def test_a_required_list_is_not_empty(adult, refused, field):
    adult[field] = []
    (problem,) = refused(adult)
    assert problem.pointer == f"/{field}"


@pytest.mark.parametrize(
    "field",
    ["identifiers", "risk_from", "orders", "history", "associates", "support", "aspirations", "fictional"],
)
def test_what_only_some_handovers_need_may_be_absent(adult, field):
    del adult[field]
    assert field not in to_document(parse_notification(json.dumps(adult).encode()))


# --- Fields that the examples do not carry ---------------------------------------------------------------


def test_the_further_fields_have_their_place(adult):
    adult["message"]["supersedes"] = "F96DFD0D-80a7-5d63-a0c1-aaf074b86cc3"
    adult["message"]["authorisations"] = [
        {"role": "Detective inspector", "agency": "POLICE", "area": "E09000012", "why": "source 3"}
    ]
    adult["routing"]["destination"] |= {
        "area_code": "E07000108",
        "profile": "EXTERNAL_NON_LONDON",
        "transport": "EXTERNAL_BRIDGE",
        "bridge": {"contact_verified_by": "IGU", "verified_on": "2026-11-20", "delivery": "by courier"},
        "two_tier": {
            "county": "E10000016",
            "district": "E07000108",
            "county_agencies": ["LEAVING_CARE"],
            "district_agencies": ["HOUSING"],
        },
        "spoc": {
            "role": "Community safety manager",
            "deputy_required": True,
            "may_open_sections": ["core", "contacts", "actions"],
            "relays_sealed": ["HOUSING"],
        },
    }
    adult["routing"]["recipients"][4] |= {"via": "SPOC", "organisation": "A District", "endpoint": "front"}
    adult["routing"]["recipients"][6]["acting_on_behalf_of"] = {
        "authority": "COMMUNITY_SAFETY",
        "area": "E09000004",
        "contract_ref": "C-1",
    }
    adult["lawful_basis"][2]["one_off"] = {"justification": "no agreement yet", "dpo_ref": "DPO-7"}
    adult["core"]["dob_certainty"] = "VERIFIED"
    adult["identifiers"] |= {
        "cro": "000001/26Y",
        "nomis": "A0001AA",
        "nhs_number": "9990000018",
        "nino": "AB123456C",
    }
    adult["orders"][0] |= {
        "responsible_officer_area": "E09000012",
        "home_service": "E09000012",
        "host_service": "E09000004",
        "caretaking": {"rule": "three months", "from": "2026-11-30", "review_on": "2027-02-28"},
        "court_amendment_needed": False,
    }
    adult["orders"][0]["conditions"][0]["permission"] = {
        "ref": "P-1",
        "granted_by": "Head of unit",
        "granted_on": "2026-11-20",
        "expires_on": "2026-12-20",
    }
    adult["history"][0]["supplementary_statement"] = "He says that one of them was quashed."
    adult["history"][1]["grading"]["scheme"] = "3x5x2"
    adult["gang_association"] = dict(adult["history"][1], assertion_id="AS9")
    adult["support"] |= {"housing_need": "one room", "substance": "none known", "mental_health": "low mood"}
    adult["contacts"][0]["out_of_hours"] = "020 7946 0009"
    notification = parse_notification(json.dumps(adult).encode())
    adult["message"]["supersedes"] = adult["message"]["supersedes"].lower()
    assert to_document(notification) == adult
    assert isinstance(notification.gang_association, Assertion)
    assert notification.orders[0].caretaking.from_ == date(2026, 11, 30)
    assert depth({"v": 1, "sections": adult}) <= DEPTH


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        (True, "/gang_association"),
        ("ASSERTED", "/gang_association"),
        (None, None),
        ({"assertion_id": "AS1"}, "/gang_association/as_of"),
    ],
)
def test_gang_association_is_never_a_boolean(urgent, refused, value, pointer):
    urgent["gang_association"] = value
    if pointer is None:
        assert parse_notification(json.dumps(urgent).encode()).gang_association is None
    else:
        assert refused(urgent)[0].pointer == pointer


def test_a_field_name_that_python_reserves_is_not_known_by_another(adult, refused):
    window = adult["orders"][0]["review_hearing_window"]
    window["from_"] = window.pop("from")
    assert [p.pointer for p in refused(adult)] == [
        "/orders/0/review_hearing_window/from",
        "/orders/0/review_hearing_window/from_",
    ]


# --- Names, words, ids ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "today"),
    [("NPS", "PROBATION"), ("CRC", "PROBATION"), ("YOT", "YOUTH_JUSTICE"), ("YOS", "YOUTH_JUSTICE")]
    + [(old, today.value) for old, today in LEGACY_AGENCIES.items()],
)
def test_an_older_agency_name_becomes_todays(adult, old, today):
    adult["contacts"][0]["agency"] = old
    adult["actions"][0]["agency"] = old
    adult["history"][0]["visible_to"] = [old, today, "POLICE"]
    document = to_document(parse_notification(json.dumps(adult).encode()))
    assert document["contacts"][0]["agency"] == today
    assert document["actions"][0]["agency"] == today
    assert document["history"][0]["visible_to"] == [today, "POLICE"]


def test_two_older_names_of_one_agency_are_one_recipient(adult, refused):
    adult["routing"]["recipients"][2]["agency"] = "NPS"
    adult["routing"]["recipients"][3]["agency"] = "CRC"
    (problem,) = refused(adult)
    assert problem.pointer == "/routing/recipients/3/agency"


def test_an_organisation_tells_two_recipients_apart(adult, refused):
    recipients = adult["routing"]["recipients"]
    recipients.append(dict(recipients[6], organisation="Safer London"))
    assert len(parse_notification(json.dumps(adult).encode()).routing.recipients) == 8
    recipients[7]["organisation"] = "St Giles"
    assert [p.pointer for p in refused(adult)] == ["/routing/recipients/7/agency"]


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        (("lawful_basis",), "/lawful_basis/1/id"),
        (("orders", 0, "conditions"), "/orders/0/conditions/1/no"),
        (("orders",), "/orders/1/order_id"),
        (("history",), "/history/1/assertion_id"),
        (("associates",), "/associates/1/third_party_id"),
        (("actions",), "/actions/1/action_id"),
        (("roles",), "/roles/1/role"),
        (("routing", "not_relevant"), "/routing/not_relevant/1/agency"),
    ],
)
def test_ids_by_which_parts_are_joined_are_given_once(adult, refused, path, pointer):
    adult["routing"]["not_relevant"] = [{"agency": "EDUCATION", "reason": "OUT_OF_AGE_RANGE"}]
    items = at(adult, *path)
    items.insert(1, dict(items[0]))
    assert [p.pointer for p in refused(adult)] == [pointer]


def test_the_words_of_the_domain():
    assert {a.value for a in Agency} == {
        "POLICE",
        "PROBATION",
        "YOUTH_JUSTICE",
        "COMMUNITY_SAFETY",
        "CHILDRENS_SOCIAL_CARE",
        "LEAVING_CARE",
        "HOUSING",
        "DWP",
        "VICTIM_SUPPORT",
        "VOLUNTARY_SECTOR",
        "EDUCATION",
        "HEALTH",
        "ADULT_SOCIAL_CARE",
        "SPOC",
    }


def test_every_section_that_a_leg_may_name_is_a_field():
    assert {name.value for name in SectionName} <= set(HandoverNotification.model_fields)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (("message", "urgency"), ["STANDARD", "PRIORITY", "URGENT"]),
        (
            ("move", "kind"),
            ["PLANNED", "URGENT", "TEMPORARY", "RELEASE_FROM_CUSTODY", "ONWARD", "RETURN", "DISCOVERED"],
        ),
        (
            ("routing", "destination", "profile"),
            ["INTEGRATED_UNIT", "STANDARD", "SINGLE_POINT_OF_CONTACT", "EXTERNAL_NON_LONDON"],
        ),
        (
            ("orders", 0, "type"),
            [
                "GANG_INJUNCTION",
                "ANTISOCIAL_INJUNCTION",
                "CRIMINAL_BEHAVIOUR_ORDER",
                "KCPO",
                "SVRO",
                "LICENCE",
                "COMMUNITY_ORDER",
                "SUSPENDED_SENTENCE",
                "YOUTH_REHABILITATION_ORDER",
                "REFERRAL_ORDER",
                "DTO_OR_CUSTODY",
                "BAIL",
                "RESTRAINING",
                "OTHER",
            ],
        ),
        (("history", 0, "kind"), ["FACT", "ASSESSMENT", "INTELLIGENCE", "SELF_REPORT"]),
        (
            ("roles", 0, "role"),
            ["VICTIM", "AT_RISK", "SUSPECTED", "CONVICTED", "WITNESS", "ASSOCIATE"],
        ),
        (("risk_to", "rating"), ["RED", "AMBER", "GREEN"]),
        (("lawful_basis", 0, "regime"), ["DPA2018_PART3", "UK_GDPR"]),
    ],
)
def test_a_closed_list_takes_its_words_and_no_other(adult, refused, path, words):
    *above, last = path
    adult["roles"] = adult["roles"][:1]
    for word in words:
        at(adult, *above)[last] = word
        assert parse_notification(json.dumps(adult).encode())
    for other in (words[0].lower(), words[0] + " ", "NO_SUCH_WORD"):
        at(adult, *above)[last] = other
        (problem,) = refused(adult)
        assert problem.pointer == "/" + "/".join(map(str, path))
        assert all(word in problem.remedy for word in words)
