"""Whole handovers made up by hypothesis: any person, agencies, orders and history, lawful or not.

Public, for tests that must not lean on the two examples. :func:`documents` draws one that is mostly lawful;
:func:`disturbed` takes parts of it away, or puts those of another in their place, without a thought to which
rule that breaks: whoever tests a rule judges the result for himself. It leaves out the judging.

Every drawing is issued at :data:`ISSUED`. Words about offenders stand only in what offenders have (risk FROM,
orders, group links and their like), each with :data:`OFFENDER_WORD` in it, so that a view can be searched.

Example::

    @given(documents())
    def test_something(document): ...
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

from gateway.core.entitlements import AGENCIES, ENTITLEMENTS, reads
from schemas.vocabulary import SectionName

Document = dict[str, Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]

DAY = date(2026, 11, 24)
ISSUED = "2026-11-24T10:05:00+00:00"
NOW = 1_795_514_700
"""ISSUED in unix seconds."""

OFFENDER_WORD = "OFFENDING"
ORIGIN, DESTINATION = "E09000012", "E09000004"
AREAS = (ORIGIN, DESTINATION, "E09000025")
PERSONS = ("VICTIM", "AT_RISK", "WITNESS", "SUSPECTED", "CONVICTED")
OFFENDERS = frozenset({"SUSPECTED", "CONVICTED"})
SECTIONS = tuple(name.value for name in SectionName)

_AGENCY = st.sampled_from(sorted(AGENCIES))
_FLAG = st.booleans()
_SELDOM = st.integers(0, 9).map(lambda one: one == 0)


def _some(values: Any, least: int = 0) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(sorted(values)), unique=True, min_size=least)


def _day(low: int, high: int) -> st.SearchStrategy[str]:
    return st.integers(low, high).map(lambda days: (DAY + timedelta(days=days)).isoformat())


@st.composite
def documents(draw: Draw, roles: tuple[str, ...] = PERSONS, most: int = 15) -> Document:
    """One handover. ``roles``: those that the person may have; ``most``: recipients at most."""
    chosen = draw(st.lists(st.sampled_from(roles), unique=True, min_size=1))
    history = [_assertion(draw, number, role) for number, role in enumerate(chosen)]
    offender = bool(OFFENDERS & set(chosen))
    made = _frame(draw)
    made |= {
        "roles": [{"role": one["subject_role"], "assertion": one["assertion_id"]} for one in history],
        "history": history,
        "move": _move(draw),
        "safeguarding": {"s47_enquiry": "NONE", "child_protection_plan": False},
        "support": draw(st.sampled_from([{"housing_need": "a room"}, {"education_training": "a course"}])),
    }
    if offender:
        made["risk_from"] = _risk(draw, f"{OFFENDER_WORD} Practitioner")
        made["orders"] = [_order(draw)] if draw(_FLAG) else []
        _name_associates(draw, made)
    _address_to(draw, made, most)
    return made


@st.composite
def disturbed(draw: Draw, base: st.SearchStrategy[Document] | None = None) -> Document:
    """A drawing of which up to three parts are gone, or are those of another drawing."""
    source = documents() if base is None else base
    other = draw(source)
    document: Document = copy.deepcopy(draw(source))
    for _ in range(draw(st.integers(0, 3))):
        places = list(_places(document))
        way = places[draw(st.integers(0, len(places) - 1))]
        _disturb(document, way, other, remove=draw(_FLAG))
    return document


def body(document: Document) -> bytes:
    return json.dumps(document).encode()


# --- the parts ------------------------------------------------------------------------------------------


def _frame(draw: Draw) -> Document:
    years = draw(st.integers(10, 40))
    born = date(DAY.year - years, draw(st.integers(1, 12)), draw(st.integers(1, 28)))
    return {
        "schema_version": "1.0",
        "fictional": True,
        "message": _message(draw),
        "core": {
            "family_name": "EXAMPLE",
            "given_names": "Sam (fictional)",
            "date_of_birth": born.isoformat(),
            "safe_contact": {"safe_to_call": False},
            "parent_or_carer_informed": draw(_FLAG),
        },
        "risk_to": _risk(draw, "Duty sergeant") | {"who_is_the_threat": "unknown"},
        "aspirations": {"in_subject_words": "peace", "recorded_by": "Worker", "recorded_on": "2026-11-20"},
        "contacts": [{"agency": "COMMUNITY_SAFETY", "area": ORIGIN, "role": "Lead"}],
        "actions": [],
        "data_quality": {
            "verified_by": "Officer",
            "verified_at": f"{draw(_day(-6, 0))}T09:00:00+00:00",
            "completeness": "COMPLETE_FOR_PURPOSE",
            "reliability_note": "n",
            "currency": "c",
            "omitted": [],
        },
        "transparency": {"subject_informed": True},
        "retention": {"gateway_payload_purge_after": draw(_day(0, 92)), "review_date": draw(_day(0, 60))},
    }


def _message(draw: Draw) -> Document:
    authority = {"role": "Lead", "agency": draw(_AGENCY), "area": ORIGIN}
    marking = {"classification": "OFFICIAL", "sensitive": True, "text": "OFFICIAL-SENSITIVE"}
    if draw(_SELDOM):
        marking |= draw(st.sampled_from([{"classification": "SECRET"}, {"text": "RESTRICTED"}]))
    message: Document = {
        "message_id": "f96dfd0d-80a7-5d63-a0c1-aaf074b86cc2",
        "handover_id": f"HO-{ORIGIN}-2026-000417",
        "version": draw(st.sampled_from([1, 1, 1, 1, 1, 1, 1, 2])),
        "supersedes": None,
        "type": "HANDOVER_NOTIFICATION",
        "urgency": draw(st.sampled_from(["STANDARD", "PRIORITY"])),
        "created_at": ISSUED,
        "issued_at": ISSUED,
        "authorised_by": authority,
        "marking": marking,
    }
    return message | ({"authorisations": [authority]} if draw(_FLAG) else {})


def _risk(draw: Draw, assessor: str) -> Document:
    rating = draw(st.sampled_from(["RED", "AMBER", "GREEN"]))
    reviewed = draw(_day(-1, 90))
    return {"rating": rating, "assessed_on": "2026-11-18", "assessor_role": assessor, "review_by": reviewed}


def _move(draw: Draw) -> Document:
    move: Document = {
        "kind": draw(st.sampled_from(["PLANNED", "TEMPORARY", "DISCOVERED", "RETURN"])),
        "reason": "a new place",
        "moved_on": "2026-11-30",
        "from_area": ORIGIN,
        "to_area": DESTINATION,
        "address_known_to_threat": False,
    }
    if draw(_FLAG):
        move["evidence_of_threat_ref"] = "CRIME-1"
    if draw(_FLAG):
        readers = _some(("POLICE", "PROBATION", "HOUSING", "DWP", "VOLUNTARY_SECTOR"))
        move["new_address"] = {"uprn": "999999000001", "tenure": "SOCIAL_RENT", "visible_to": draw(readers)}
    return move


def _assertion(draw: Draw, number: int, role: str) -> Document:
    """A statement with the ground that its kind brings, most of the time."""
    kind = draw(st.sampled_from(["FACT", "ASSESSMENT", "INTELLIGENCE", "SELF_REPORT"]))
    said: Document = {
        "assertion_id": f"AS{number}",
        "kind": kind,
        "category": draw(st.sampled_from(["OTHER", "CARE_NEEDS", "INJURY", "GROUP_LINK"]))
        if role in OFFENDERS
        else "OTHER",
        "statement": OFFENDER_WORD if role in OFFENDERS else "was harmed",
        "as_of": "2026-11-01",
        "source_agency": draw(_AGENCY),
        "subject_role": role,
        "review_by": draw(_day(-1, 90)),
    }
    if draw(_FLAG):
        said["visible_to"] = draw(_some(("POLICE", "PROBATION", "YOUTH_JUSTICE")))
    return said | _ground(draw, kind)


def _ground(draw: Draw, kind: str) -> Document:
    if kind == "FACT":
        types = st.sampled_from([None, "POLICE_RECORD", "SOCIAL_MEDIA"])
        return {
            "evidence_ref": "E-1",
            "evidence_type": draw(types),
            "authorisation_ref": draw(st.sampled_from([None, "RIPA-1"])),
            "corroboration_sources": draw(_some(("social media", "police", "school"))),
        }
    if kind == "ASSESSMENT":
        return {"assessor": "Duty sergeant"}
    if kind == "SELF_REPORT":
        return {}
    grading = {
        "source": draw(st.integers(1, 3)),
        "assessment": draw(st.sampled_from("ABCE")),
        "handling": draw(st.sampled_from("PC")),
        "conditions": "no onward sharing",
    }
    return {"grading": grading, "corroboration_sources": draw(_some(("police", "Police", "school"), 1))}


def _order(draw: Draw) -> Document:
    return {
        "order_id": "ORD1",
        "type": draw(st.sampled_from(["GANG_INJUNCTION", "COMMUNITY_ORDER", "REFERRAL_ORDER", "BAIL"])),
        "granted_on": "2026-10-12",
        "expires_on": draw(st.sampled_from(["2027-10-12", "2028-10-12", "2028-10-13"])),
        "review_hearing_window": {
            "from": "2027-09-14",
            "to": draw(st.sampled_from(["2027-10-12", "2027-10-13"])),
        },
        "court": f"{OFFENDER_WORD} Court",
        "order_ref": "FCC/26/1",
        "power_of_arrest": False,
        "variation_contact": "Head",
        "conditions": [_term(draw, number) for number in range(1, draw(st.integers(2, 4)))],
    }


def _term(draw: Draw, number: int) -> Document:
    term: Document = {
        "no": number,
        "type": draw(st.sampled_from(["PROHIBITION", "REQUIREMENT"])),
        "text": OFFENDER_WORD,
        "visible_to": draw(_some(("POLICE", "PROBATION", "COMMUNITY_SAFETY", "DWP"))),
        "area_codes": draw(_some(AREAS)),
        "provider_area": draw(st.sampled_from(AREAS)),
        "place_rule": draw(st.sampled_from([None, "NOT_IN_EXCLUDED_AREA"])),
    }
    if draw(_FLAG):
        agencies = draw(_some(("DWP", "HOUSING", "VOLUNTARY_SECTOR"), 1))
        term["minimal_view"] = {"agencies": agencies, "text": "no appointment there"}
    return term


def _name_associates(draw: Draw, made: Document) -> None:
    """A third party, in an order of this document most of the time."""
    if made["orders"] and draw(_FLAG):
        if not draw(_SELDOM):
            made["orders"][0]["conditions"][0]["third_party_list"] = "associates"
        made["associates"] = [
            {
                "third_party_id": "TP1",
                "label": f"{OFFENDER_WORD} One",
                "in_order": draw(st.sampled_from(["ORD1", "ORD1", "ORD2"])),
                "why_included": "named in the order",
                "visible_to": draw(_some(("POLICE", "PROBATION"))),
            }
        ]


# --- to whom ----------------------------------------------------------------------------------------------


_BASES: tuple[Document, ...] = (
    {
        "id": "LB1",
        "regime": "DPA2018_PART3",
        "powers": ["CDA1998_S115"],
        "sch8_condition": "1",
        "apd_ref": "APD-HACK-2026-02",
        "dsa_ref": "DSA-LDN-GANGS-07",
    },
    {
        "id": "LB2",
        "regime": "UK_GDPR",
        "powers": ["AGREEMENT"],
        "article6": "6(1)(e)",
        "dsa_ref": "DSA-HACK-DWP-01",
        "agreement": {"given": True, "at": "2026-11-20T14:00:00+00:00", "recorded_by": "Worker"},
    },
    {
        "id": "LB3",
        "regime": "UK_GDPR",
        "powers": ["PCSC2022_S16"],
        "article6": "6(1)(e)",
        "one_off": {"justification": "j", "dpo_ref": "DPO-1"},
    },
    {
        "id": "LB4",
        "regime": "UK_GDPR",
        "powers": ["CA1989_S47", "ECHR_ART2"],
        "article6": "6(1)(d)",
        "dsa_ref": "DSA-LDN-SAFEG-01",
    },
)
_WORDS = {"power": "in words", "purpose": "safety", "necessity": "needed"}
_NO_AUTHORITY = frozenset({"DWP", "VOLUNTARY_SECTOR", "VICTIM_SUPPORT"})


def _address_to(draw: Draw, made: Document, most: int) -> None:
    told = draw(st.lists(_AGENCY, unique=True, min_size=1, max_size=most))
    legs = [_leg(draw, made, agency) for agency in told]
    used = {name for leg in legs for name in leg["lawful_basis"]}
    made["lawful_basis"] = [copy.deepcopy(basis) | _WORDS for basis in _BASES if basis["id"] in used]
    left = sorted(AGENCIES - set(told))
    ruled_out = [one for one in left if not draw(_SELDOM)]
    profile = {"profile": "STANDARD"}
    made["routing"] = {
        "origin": {"area_code": ORIGIN} | profile,
        "destination": {"area_code": DESTINATION} | profile,
        "recipients": legs,
        "not_relevant": [{"agency": one, "reason": "OTHER"} for one in ruled_out],
    }
    made["actions"] = [
        {
            "action_id": f"AC{number}",
            "agency": agency,
            "code": "ZZ-01",
            "title": "Do what is asked",
            "due_at": "2026-12-08T17:00:00+00:00",
            "blocks_closure": False,
        }
        for number, agency in enumerate(told)
    ]


def _leg(draw: Draw, made: Document, agency: str) -> Document:
    """What the agency may read of what there is, less what is left out; seldom something else."""
    may = [name for name in SECTIONS if name in made and made[name] and reads(agency, name, ENTITLEMENTS)]
    left_out = draw(_some(may)) if draw(_FLAG) else []
    sections = ["core", *(name for name in may if name not in left_out and name != "core")]
    if draw(_SELDOM):
        sections.append(draw(st.sampled_from(["risk_from", "associates", "identifiers", "move"])))
    basis = "LB2" if agency in _NO_AUTHORITY else "LB1"
    leg: Document = {"agency": agency, "sections": list(dict.fromkeys(sections)), "lawful_basis": [basis]}
    if draw(_SELDOM):
        leg["lawful_basis"] = draw(_some(("LB1", "LB2", "LB3", "LB4"), 1))
    if draw(_FLAG):
        leg["victim_inclusion_justification"] = "to protect the person"
    if draw(_FLAG):
        leg["relevant_because"] = "knows the person"
    if draw(_SELDOM):
        leg["reciprocal_ref"] = draw(st.sampled_from(["ARC-01-16", "Example 1"]))
    return leg


# --- disturbing ---------------------------------------------------------------------------------------------


def _places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if way:
        yield way
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield from _places(below, (*way, key))


def _disturb(document: Document, way: tuple[Any, ...], other: Document, *, remove: bool) -> None:
    *above, last = way
    place, twin = _at(document, above), _at(other, above)
    has = (isinstance(twin, dict) and last in twin) or (
        isinstance(twin, list) and isinstance(last, int) and last < len(twin)
    )
    if remove or not has:
        del place[last]
    else:
        place[last] = copy.deepcopy(twin[last])


def _at(value: Any, way: list[Any]) -> Any:
    for step in way:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


__all__ = [
    "DESTINATION",
    "ISSUED",
    "NOW",
    "OFFENDER_WORD",
    "ORIGIN",
    "PERSONS",
    "body",
    "disturbed",
    "documents",
]
