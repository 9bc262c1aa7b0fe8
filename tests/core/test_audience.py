"""Who reads what: the table of domain 6.4, the cut into audiences, and the join of a reader's parts."""

from __future__ import annotations

import copy
import json
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from gateway.core import audience
from gateway.core.audience import MAX_AUDIENCES, Part, Reader, cut, merge
from gateway.core.entitlements import (
    AGENCIES,
    ENTITLEMENTS,
    GATED,
    GROUP_OF,
    ROWS,
    SECTIONS,
    agencies,
    group_of,
    reach,
)
from gateway.core.narrowing import DEFAULTS, circumstances, may_read
from gateway.errors import Malformed, NotAllowed, TooLarge
from schemas.handover import HandoverNotification, parse_notification, to_document
from schemas.vocabulary import Agency, SectionName

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"
Document = dict[str, Any]


def load(name: str) -> Document:
    [path] = EXAMPLES.glob(f"{name}_*.json")
    return to_document(parse_notification(path.read_bytes()))


def readers_of(document: Document) -> list[Reader]:
    entries = document["routing"]["recipients"]
    return [Reader(f"X/{entry['agency']}", entry["agency"], index) for index, entry in enumerate(entries)]


def view_of(agency: str, parts: tuple[Part, ...]) -> Document:
    return merge(part.sections for part in parts if f"X/{agency}" in part.readers)


def refused(document: Document, readers: list[Reader] | None = None) -> list[tuple[str, str]]:
    with pytest.raises(NotAllowed) as caught:
        cut(document, readers_of(document) if readers is None else readers, ENTITLEMENTS)
    assert all(problem.remedy and problem.message for problem in caught.value.problems)
    return [(problem.field, problem.rule) for problem in caught.value.problems]


# --- The table --------------------------------------------------------------------------------------


def leaves(model: type[BaseModel], path: str) -> Iterator[tuple[str, str]]:
    """``(path, field name)`` of every leaf of a schema model, in the names of the wire."""
    for name, field in model.model_fields.items():
        below = f"{path}.{field.alias or name}".lstrip(".")
        nested = list(models(field.annotation))
        if not nested:
            yield below, name
        for inner in nested:
            yield from leaves(inner, below)


def models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from models(inner)


def test_every_leaf_of_the_schema_has_a_group() -> None:
    found = {path for path, name in leaves(HandoverNotification, "") if name != "visible_to"}
    assert len(found) > 150
    assert {path for path in found if group_of(path) is None} == set()


def test_every_named_field_exists_and_belongs_to_one_group() -> None:
    named = [path for row in ROWS for path in row.fields]
    assert len(named) == len(set(named))
    found = [path for path, _ in leaves(HandoverNotification, "")]
    assert [p for p in named if not any(f == p or f.startswith(p + ".") for f in found)] == [
        "risk_to.tool"
    ] * ("risk_to.tool" not in found)


def test_visible_to_stands_only_where_the_cut_obeys_it() -> None:
    """Deeper inside a value it would be sent along instead of obeyed."""
    places = {
        path.rpartition(".")[0] for path, name in leaves(HandoverNotification, "") if name == "visible_to"
    }
    assert places == {
        "move.new_address",
        "orders.conditions",
        "history",
        "gang_association",
        "associates",
        "safeguarding",
        "support",
    }
    assert set(DEFAULTS) <= places


def test_sections_and_agencies_are_those_of_the_schema() -> None:
    assert {str(name) for name in SectionName} == SECTIONS
    assert {str(agency) for agency in Agency} == AGENCIES
    assert set(GROUP_OF.values()) <= set(ENTITLEMENTS)


def test_a_group_is_named_after_its_section() -> None:
    """``reach`` goes by names: a group named otherwise would be out of its sight."""
    for path, group in GROUP_OF.items():
        if group != "message":
            assert path.split(".")[0] == group.split(".")[0]


@pytest.mark.parametrize(
    ("group", "letters"),
    [
        ("identifiers.police", "P B Y"),
        ("identifiers.supervision", "P B"),
        ("identifiers.nhs_number", "N C"),
        ("identifiers.nino", "D"),
        ("core.parent_or_carer_informed", "S C Y P E N X"),
        ("move.areas", "P B Y C L H D V T N S X"),
        ("move.detail", "P B Y C L H D V T N S"),
        ("move.new_address", "P B Y C L H D T"),
        ("move.safety", "P C H B Y S"),
        ("move.address_known_to_threat", "P C H"),
        ("move.evidence_of_threat_ref", "P C S"),
        ("roles", "P B Y C S"),
        ("roles.victim", "P B Y C S V"),
        ("risk_to", "P B Y C L H S"),
        ("risk_to.rating", "P B Y C L H S T"),
        ("risk_from", "P B Y S"),
        ("orders", "P B Y S"),
        ("orders.conditions", "P B Y C L H D T S"),
        ("orders.minimal_view", "P B Y C L H D T S"),
        ("history", "P B Y C"),
        ("gang_association", "P B Y"),
        ("associates", "P B Y"),
        ("safeguarding", "C P N Y"),
        ("support", "B Y C L H D T"),
        ("support.education_training", "B Y C L H D T E"),
        ("support.health", "N C B"),
        ("aspirations", "S P B Y L T C"),
        ("actions.titles", "S X"),
        ("urgent", "P C S"),
        ("transparency.subject_statement", "S C P B Y"),
        ("routing.not_relevant", "S"),
        ("routing.arrangements", "S X"),
    ],
)
def test_groups_by_letter(group: str, letters: str) -> None:
    adult_social_care = {"ADULT_SOCIAL_CARE"} if group in {"move.areas", "move.detail"} else set()
    assert ENTITLEMENTS[group] == agencies(letters) | adult_social_care


def test_groups_that_go_to_all() -> None:
    to_all = {group for group, readers in ENTITLEMENTS.items() if readers == AGENCIES}
    assert to_all == {
        "message",
        "routing",
        "routing.recipients",
        "lawful_basis",
        "data_quality",
        "transparency",
        "retention",
        "core",
        "contacts",
        "actions",
    }


# --- What each agency of the examples sees, by hand from domain 6.4 ------------------------------------

BASIC_MOVE = ("kind", "reason", "moved_on", "from_area", "to_area")
ADDRESS = {"uprn", "postcode", "tenure"}


def pick(section: Mapping[str, Any], *fields: str) -> Document:
    return {name: section[name] for name in fields}


def plain(value: Any) -> Any:
    """Without the sender's instructions and the minimal views."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k not in {"visible_to", "minimal_view"}}
    return [plain(item) for item in value] if isinstance(value, list) else value


def titles(document: Document, own: set[str]) -> list[Document]:
    by_number = sorted(document["actions"], key=lambda a: (len(a["action_id"]) > 3, a["action_id"]))
    return [
        action if action["action_id"] in own else pick(action, "action_id", "agency", "code", "title")
        for action in by_number
    ]


def expected_1(document: Document) -> dict[str, Document]:
    move, order = document["move"], plain(document["orders"][0])
    address = {k: v for k, v in move["new_address"].items() if k in ADDRESS}
    terms = {term["no"]: term for term in order["conditions"]}
    lesser = {
        term["no"]: {"no": term["no"], "minimal_view": {"text": term["minimal_view"]["text"]}}
        for term in document["orders"][0]["conditions"]
        if "minimal_view" in term
    }
    actions = {action["action_id"]: action for action in document["actions"]}
    whole = {name: plain(document[name]) for name in SECTIONS if name in document}
    to_all = pick(whole, "core", "contacts")
    enforcing = to_all | pick(whole, "roles", "risk_to", "risk_from", "aspirations")
    welfare = to_all | {"move": pick(move, *BASIC_MOVE) | {"new_address": address}}

    def orders(*conditions: Document, full: bool = False) -> list[Document]:
        return [(order if full else {"order_id": "ORD1"}) | {"conditions": list(conditions)}]

    return {
        "COMMUNITY_SAFETY": enforcing
        | {
            "move": pick(
                move,
                *BASIC_MOVE,
                "evidence_of_threat_ref",
                "safe_areas",
                "unsafe_areas",
                "area_safety_check_requested",
            ),
            "orders": orders(terms[1], terms[2], terms[3], terms[5], terms[6], full=True),
            "actions": titles(document, {"AC1", "AC2"}),
        },
        "POLICE": enforcing
        | pick(whole, "history", "associates", "orders")
        | {
            "identifiers": pick(document["identifiers"], "pnc_id", "crn"),
            "move": move | {"new_address": address},
            "actions": [actions["AC3"], actions["AC4"]],
        },
        "PROBATION": enforcing
        | pick(whole, "history", "associates", "orders", "support")
        | {
            "identifiers": pick(document["identifiers"], "pnc_id", "crn"),
            "move": pick(move, *BASIC_MOVE, "safe_areas", "unsafe_areas", "area_safety_check_requested")
            | {"new_address": address},
            "actions": [actions["AC5"], actions["AC6"], actions["AC7"]],
        },
        "LEAVING_CARE": welfare
        | pick(whole, "risk_to", "support", "aspirations")
        | {"orders": orders(lesser[1]), "actions": [actions["AC8"]]},
        "HOUSING": to_all
        | pick(whole, "risk_to")
        | {
            "move": pick(
                move,
                *BASIC_MOVE,
                "safe_areas",
                "unsafe_areas",
                "area_safety_check_requested",
                "address_known_to_threat",
            )
            | {"new_address": address},
            "orders": orders(lesser[1]),
            "actions": [actions["AC9"]],
        },
        "DWP": welfare
        | pick(whole, "support")
        | {"orders": orders(lesser[1], lesser[6]), "actions": [actions["AC10"]]},
        "VOLUNTARY_SECTOR": welfare
        | pick(whole, "support", "aspirations")
        | {
            "risk_to": {"rating": "AMBER"},
            "orders": orders(lesser[1], terms[5], terms[6]),
            "actions": [actions["AC11"]],
        },
    }


def expected_2(document: Document) -> dict[str, Document]:
    move, core = document["move"], document["core"]
    address = {k: v for k, v in move["new_address"].items() if k in ADDRESS}
    actions = {action["action_id"]: action for action in document["actions"]}
    whole = {name: plain(document[name]) for name in SECTIONS if name in document}
    child = pick(whole, "core", "contacts")
    adult_facts = {"core": {k: v for k, v in core.items() if k != "parent_or_carer_informed"}}
    protecting = child | pick(whole, "roles", "risk_to", "history", "safeguarding") | {"move": plain(move)}
    basic = pick(move, *BASIC_MOVE, "temporary", "unsafe_areas", "area_safety_check_requested")
    return {
        "CHILDRENS_SOCIAL_CARE": protecting | {"actions": [actions["AC1"], actions["AC2"], actions["AC3"]]},
        "POLICE": protecting
        | {"gang_association": "NOT_ASSERTED", "actions": [actions["AC4"], actions["AC5"]]},
        "HOUSING": adult_facts
        | pick(whole, "contacts", "risk_to")
        | {
            "move": basic | pick(move, "address_known_to_threat") | {"new_address": address},
            "actions": [actions["AC6"]],
        },
        "EDUCATION": child | {"actions": [actions["AC7"]]},
        "HEALTH": child | pick(whole, "safeguarding") | {"actions": [actions["AC8"]]},
        "VICTIM_SUPPORT": adult_facts
        | pick(whole, "contacts")
        | {"roles": [{"role": "VICTIM", "assertion": "AS1"}], "actions": [actions["AC9"]]},
        "COMMUNITY_SAFETY": child
        | pick(whole, "roles", "risk_to")
        | {
            "move": basic | pick(move, "evidence_of_threat_ref"),
            "actions": sorted(titles(document, {"A10"}), key=lambda a: a["action_id"]),
        },
    }


def by_item(sections: Document) -> Document:
    """Identified lists as mappings, so that their order does not matter here."""
    keys = {"actions": "action_id", "roles": "assertion"}
    return {
        name: {item[keys[name]]: item for item in value} if name in keys else value
        for name, value in sections.items()
    }


@pytest.mark.parametrize(("name", "expected"), [("1", expected_1), ("2", expected_2)])
def test_each_agency_of_the_examples_opens_exactly_its_sections(name: str, expected: Any) -> None:
    document = load(name)
    parts = cut(document, readers_of(document), ENTITLEMENTS)
    table = expected(document)
    assert set(table) == {entry["agency"] for entry in document["routing"]["recipients"]}
    for agency, sections in table.items():
        view = view_of(agency, parts)
        gated = {name: view[name] for name in view if name in GATED}
        assert by_item(gated) == by_item(sections), agency


@pytest.mark.parametrize(
    ("name", "statement", "urgent", "bases"),
    [
        (
            "1",
            {"COMMUNITY_SAFETY", "POLICE", "PROBATION"},
            set(),
            {
                "LB1": "COMMUNITY_SAFETY POLICE PROBATION",
                "LB2": "LEAVING_CARE HOUSING",
                "LB3": "DWP VOLUNTARY_SECTOR",
            },
        ),
        (
            "2",
            {"COMMUNITY_SAFETY", "POLICE", "CHILDRENS_SOCIAL_CARE"},
            {"COMMUNITY_SAFETY", "POLICE", "CHILDRENS_SOCIAL_CARE"},
            {
                "LB1": "CHILDRENS_SOCIAL_CARE POLICE HOUSING EDUCATION HEALTH COMMUNITY_SAFETY",
                "LB2": "POLICE",
                "LB3": "VICTIM_SUPPORT",
            },
        ),
    ],
)
def test_blocks_that_go_with_every_leg(
    name: str, statement: set[str], urgent: set[str], bases: dict[str, str]
) -> None:
    document = load(name)
    parts = cut(document, readers_of(document), ENTITLEMENTS)
    for entry in document["routing"]["recipients"]:
        agency = entry["agency"]
        view = view_of(agency, parts)
        for block in ("schema_version", "fictional", "message", "data_quality", "retention"):
            assert view[block] == document[block]
        assert view["routing"]["origin"] == document["routing"]["origin"]
        assert view["routing"]["destination"] == document["routing"]["destination"]
        assert view["routing"]["recipients"] == [entry]
        assert ("not_relevant" in view["routing"]) == (agency == "COMMUNITY_SAFETY" and name == "2")
        held = {basis["id"] for basis in view["lawful_basis"]}
        assert held == {basis for basis, told in bases.items() if agency in told.split()}
        assert all(basis in document["lawful_basis"] for basis in view["lawful_basis"])
        assert ("subject_statement" in view["transparency"]) == (agency in statement)
        assert view.get("urgent") == (document["urgent"] if agency in urgent else None)


def test_no_instruction_of_the_sender_is_ever_sent() -> None:
    for name in ("1", "2"):
        document = load(name)
        text = json.dumps([part.sections for part in cut(document, readers_of(document), ENTITLEMENTS)])
        assert '"visible_to"' not in text
        assert '"agencies"' not in text


def test_dwp_reads_no_name_of_an_associate() -> None:
    document = load("1")
    parts = cut(document, readers_of(document), ENTITLEMENTS)
    for agency in ("DWP", "HOUSING", "LEAVING_CARE", "VOLUNTARY_SECTOR", "COMMUNITY_SAFETY"):
        assert "Fictional Associate" not in json.dumps(view_of(agency, parts))
    assert json.dumps(view_of("POLICE", parts)).count("Fictional Associate") == 20


# --- The cut against a slow oracle --------------------------------------------------------------------

IDS = {
    "routing.recipients": ("agency", "organisation"),
    "lawful_basis": ("id",),
    "roles": ("role", "assertion"),
    "orders": ("order_id",),
    "orders.conditions": ("no",),
    "history": ("assertion_id",),
    "associates": ("third_party_id",),
    "actions": ("action_id",),
}
BLOCKS = {
    "schema_version",
    "fictional",
    "message",
    "urgent",
    "routing",
    "lawful_basis",
    "data_quality",
    "transparency",
    "retention",
}
SILENT = {
    "move.new_address": "P B C L H",
    "orders.conditions": "P B Y S",
    "history": "P B",
    "associates": "P B",
    "gang_association": "P B",
}
Path_ = tuple[str | int, ...]


def oracle_leaves(value: Any, at: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from oracle_leaves(child, (*at, key))
    elif isinstance(value, list) and value and dotted(at) in IDS:
        for index, child in enumerate(value):
            yield from oracle_leaves(child, (*at, index))
    else:
        yield at, value


def dotted(at: Path_) -> str:
    return ".".join(step for step in at if isinstance(step, str))


def oracle_reads(  # noqa: C901, PLR0911, PLR0912 - one flat walk down domain 6.4, to be read beside it
    document: Document, reader: Reader, at: Path_, entitlements: Mapping[str, frozenset[str]]
) -> bool:
    """Whether one reader reads one leaf, by walking domain 6.4 step by step."""
    entry, agency = document["routing"]["recipients"][reader.index], reader.agency
    names = [step for step in at if isinstance(step, str)]
    section = "history" if names[0] == "gang_association" else names[0]
    if section not in BLOCKS and section not in entry["sections"]:
        return False
    if names[-1] == "visible_to" or names[-2:] == ["minimal_view", "agencies"]:
        return False
    minor = document["core"]["date_of_birth"] > "2008-11-24"
    objects, value = [], document
    for depth, step in enumerate(at):
        value = value[step]
        objects.append((dotted(at[: depth + 1]), value))
    condition = next((v for p, v in objects if p == "orders.conditions" and isinstance(v, dict)), None)
    minimal = condition is not None and agency in condition.get("minimal_view", {}).get("agencies", ())
    if "minimal_view" in names:
        return minimal and agency in entitlements["orders.minimal_view"]
    if minimal:
        return False
    for place, inside in objects:
        if isinstance(inside, dict) and "visible_to" in inside:
            if agency not in inside["visible_to"]:
                return False
        elif place in SILENT and (isinstance(inside, dict) or inside in (None, [])):
            told = agencies(SILENT[place]) | (agencies("Y") if minor else frozenset())
            urgent = "URGENT" in (document["message"]["urgency"], document["move"]["kind"])
            if place == "move.new_address" and urgent:
                told &= agencies("P C H")
            if agency not in told:
                return False
    if names[:2] == ["routing", "recipients"]:
        return at[2] == reader.index and agency in entitlements["routing.recipients"]
    if names[0] == "lawful_basis":
        mine = document["lawful_basis"][at[1]]["id"] in entry["lawful_basis"]
        return mine and agency in entitlements["lawful_basis"]
    if names[0] == "roles" and len(at) > 1 and document["roles"][at[1]]["role"] == "VICTIM":
        return agency in entitlements["roles.victim"]
    if names[0] == "actions" and len(at) > 1:
        own = document["actions"][at[1]]["agency"] == agency and agency in entitlements["actions"]
        titled = names[-1] in ("action_id", "agency", "code", "title")
        return own or (titled and agency in entitlements["actions.titles"])
    named = [".".join(names[:depth]) for depth in range(len(names), 0, -1)]
    group = next((GROUP_OF[path] for path in named if path in GROUP_OF), None)
    if group is None:
        assert value in (None, [], {})
        return any(agency in told for g, told in entitlements.items() if g.split(".")[0] == names[0])
    return agency in entitlements[group]


def oracle_view(document: Document, reader: Reader, entitlements: Mapping[str, frozenset[str]]) -> Any:
    """What is left of a document for one reader; items keep their ids while anything of them is left."""
    readable = {at for at, _ in oracle_leaves(document) if oracle_reads(document, reader, at, entitlements)}

    def keep(value: Any, at: Path_) -> Any:
        if at in readable:
            return value
        if isinstance(value, dict):
            kept = {
                k: keep(v, (*at, k))
                for k, v in value.items()
                if any(r[: len(at) + 1] == (*at, k) for r in readable)
            }
            ids = IDS[dotted(at)] if at and isinstance(at[-1], int) else ()
            return {name: value[name] for name in ids if name in value} | kept
        return [
            keep(v, (*at, i))
            for i, v in enumerate(value)
            if any(r[: len(at) + 1] == (*at, i) for r in readable)
        ]

    return keep(document, ())


def in_any_order(value: Any) -> Any:
    """Lists of objects sorted by their text: order is another test's."""
    if isinstance(value, dict):
        return {key: in_any_order(child) for key, child in value.items()}
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return sorted(
            (in_any_order(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True)
        )
    return value


SHAPE: dict[str, list[str]] = {
    "core": ["family_name", "known_as", "parent_or_carer_informed", "reasonable_adjustments"],
    "identifiers": ["pnc_id", "crn", "nhs_number", "nino"],
    "move": ["reason", "from_area", "unsafe_areas", "address_known_to_threat", "evidence_of_threat_ref"],
    "risk_to": ["rating", "tool", "who_is_the_threat"],
    "risk_from": ["rating"],
    "safeguarding": ["looked_after"],
    "support": ["care_status", "education_training", "substance", "mental_health"],
    "aspirations": ["in_subject_words"],
    "data_quality": ["verified_by"],
    "transparency": ["by", "subject_statement"],
    "retention": ["review_date"],
    "urgent": ["trigger"],
}


@st.composite
def cases(  # noqa: C901 - one section after the other
    draw: st.DrawFn,
) -> tuple[Document, list[Reader], dict[str, frozenset[str]]]:
    """A document in the shape of 6.4 with another value in every leaf, readers, narrowed entitlements."""
    count = iter(range(10_000))
    removed = draw(
        st.sets(
            st.tuples(st.sampled_from(sorted(ENTITLEMENTS)), st.sampled_from(sorted(AGENCIES))), max_size=12
        )
    )
    entitlements = {
        g: frozenset(a for a in told if (g, a) not in removed) for g, told in ENTITLEMENTS.items()
    }

    def token() -> str | list[str] | None:
        kind = draw(st.sampled_from(["text", "text", "text", "list", "null"]))
        return None if kind == "null" else [f"<{next(count)}>"] if kind == "list" else f"<{next(count)}>"

    def fields(*names: str) -> Document:
        return {name: token() for name in names}

    def told(value: Document, place: str) -> Document:
        allowed = sorted(may_read(place, facts, entitlements))
        how = draw(st.sampled_from(["absent", "some", "some"]))
        if how == "absent" or not allowed:
            return value
        return value | {"visible_to": draw(st.lists(st.sampled_from(allowed), unique=True, max_size=8))}

    legs = draw(
        st.lists(
            st.tuples(st.sampled_from(sorted(AGENCIES)), st.sampled_from([None, "A", "B"])),
            unique=True,
            min_size=1,
            max_size=8,
        )
    )
    document: Document = {
        "schema_version": "1.0",
        "message": fields("message_id")
        | {
            "urgency": draw(st.sampled_from(["STANDARD", "URGENT"])),
            "issued_at": "2026-11-24T10:05:00+00:00",
        },
        "core": {"date_of_birth": draw(st.sampled_from(["2003-05-14", "2010-02-03"]))},
        "move": {"kind": draw(st.sampled_from(["PLANNED", "URGENT", "TEMPORARY"]))},
    }
    facts = circumstances(document)
    entries = []
    for agency, organisation in legs:
        allowed = [s for s in sorted(SECTIONS) if agency in reach(s, entitlements)]
        entry = {
            "agency": agency,
            "sections": draw(st.lists(st.sampled_from(allowed), unique=True)) if allowed else [],
            "lawful_basis": draw(st.lists(st.sampled_from(["LB1", "LB2"]), unique=True)),
        }
        entries.append(entry if organisation is None else entry | {"organisation": organisation})
    document["routing"] = {
        "origin": fields("area_code"),
        "destination": fields("area_code") | {"spoc": fields("role")},
        "recipients": entries,
        "not_relevant": [{"agency": "DWP"}],
    }
    document["lawful_basis"] = [fields("power") | {"id": name} for name in ("LB1", "LB2")]
    for section, names in SHAPE.items():
        if section in ("core", "move"):
            document[section] |= fields(*names)
        elif draw(st.integers(0, 3)):
            value = fields(*names)
            document[section] = told(value, section) if section in ("support", "safeguarding") else value
        elif draw(st.booleans()):
            document[section] = None
    document["move"]["new_address"] = (
        told(fields("uprn"), "move.new_address") if draw(st.booleans()) else None
    )
    document["roles"] = [
        {"role": role, "assertion": f"AS{number}"}
        for number, role in enumerate(
            draw(st.lists(st.sampled_from(["VICTIM", "SUSPECTED", "AT_RISK"]), max_size=3))
        )
    ]
    document["gang_association"] = draw(st.sampled_from(["NOT_ASSERTED", None])) or told(
        fields("statement"), "gang_association"
    )
    document["orders"] = [
        fields("court", "type")
        | {
            "order_id": f"ORD{number}",
            "conditions": [term(draw, told, fields, facts, entitlements, no) for no in range(1, 3)],
        }
        for number in range(draw(st.integers(0, 2)))
    ]
    for section, name in (("history", "assertion_id"), ("associates", "third_party_id")):
        document[section] = [
            told({name: f"{name}{number}"} | fields("statement"), section)
            for number in range(draw(st.integers(0, 3)))
        ]
    document["actions"] = [
        fields("title", "due_at")
        | {"action_id": f"AC{number}", "agency": draw(st.sampled_from(sorted(AGENCIES)))}
        for number in range(draw(st.integers(0, 11)))
    ]
    readers = [Reader(f"X/{a}/{o}", a, index) for index, (a, o) in enumerate(legs)]
    return document, draw(st.lists(st.sampled_from(readers), unique=True)), entitlements


def term(draw: Any, told: Any, fields: Any, facts: Any, entitlements: Any, no: int) -> Document:
    condition = told(fields("text", "type") | {"no": no}, "orders.conditions")
    allowed = sorted(may_read("orders.minimal_view", facts, entitlements))
    if allowed and draw(st.booleans()):
        agencies_ = draw(st.lists(st.sampled_from(allowed), unique=True, min_size=1, max_size=4))
        condition["minimal_view"] = fields("text") | {"agencies": agencies_}
    return condition


def tokens(value: Any) -> set[str]:
    text = json.dumps(value)
    return {piece.split(">")[0] for piece in text.split("<")[1:]}


@settings(max_examples=250, deadline=None)
@given(cases())
def test_the_cut_is_what_the_oracle_says(
    case: tuple[Document, list[Reader], dict[str, frozenset[str]]],
) -> None:
    document, readers, entitlements = case
    before = copy.deepcopy(document)
    try:
        parts = cut(document, readers, entitlements)
    except TooLarge:
        return
    assert document == before
    for reader in readers:
        view = merge(part.sections for part in parts if reader.principal in part.readers)
        assert in_any_order(view) == in_any_order(oracle_view(document, reader, entitlements))
    assert len({part.readers for part in parts}) == len(parts)
    assert all(part.readers and part.sections for part in parts)
    for at, value in oracle_leaves(document):
        told = {r.principal for r in readers if oracle_reads(document, r, at, entitlements)}
        for name in tokens(value):
            assert [part.readers for part in parts if name in tokens(part.sections)] == [told] * bool(told)


def test_the_order_of_fields_and_readers_changes_nothing() -> None:
    document = load("1")
    turned = dict(reversed(document.items())) | {"move": dict(reversed(document["move"].items()))}
    readers = readers_of(document)
    parts = cut(document, readers, ENTITLEMENTS)
    assert cut(turned, readers[::-1], ENTITLEMENTS) == parts
    assert [len(part.readers) for part in parts] == sorted((len(p.readers) for p in parts), reverse=True)


def test_only_the_readers_given_are_served() -> None:
    document = load("1")
    readers = readers_of(document)
    assert cut(document, [], ENTITLEMENTS) == ()
    [part] = cut(document, readers[5:6], ENTITLEMENTS)
    assert part.readers == {"X/DWP"}
    assert in_any_order(part.sections) == in_any_order(view_of("DWP", cut(document, readers, ENTITLEMENTS)))


def test_what_is_in_a_part_stays_out_of_its_repr() -> None:
    document = load("1")
    assert "EXAMPLE" not in repr(cut(document, readers_of(document), ENTITLEMENTS))


# --- Refusals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "index"),
    [
        (("move", "new_address"), 6),
        (("orders", 0, "conditions", 1), 3),
        (("history", 2), 2),
        (("associates", 19), 2),
        (("support",), 4),
    ],
)
def test_a_document_cannot_widen(path: Path_, index: int) -> None:
    document = load("1")
    place = document
    for step in path:
        place = place[step]
    place["visible_to"].append("VICTIM_SUPPORT")
    assert refused(document) == [("/" + "/".join(map(str, path)) + f"/visible_to/{index}", "R4")]


def test_a_minimal_view_cannot_widen() -> None:
    document = load("1")
    document["orders"][0]["conditions"][0]["minimal_view"]["agencies"][1] = "EDUCATION"
    assert refused(document) == [("/orders/0/conditions/0/minimal_view/agencies/1", "R4")]


@pytest.mark.parametrize(
    ("leg", "section"),
    [(5, "associates"), (5, "history"), (5, "risk_to"), (4, "support"), (0, "identifiers"), (3, "core2")],
)
def test_a_section_that_an_agency_may_not_read_at_all(leg: int, section: str) -> None:
    document = load("1")
    sections = document["routing"]["recipients"][leg]["sections"]
    if leg == 4:
        document["routing"]["recipients"][leg]["agency"] = "POLICE"
        document["routing"]["recipients"][leg]["organisation"] = "other"
    sections.append(section)
    assert (f"/routing/recipients/{leg}/sections/{len(sections) - 1}", "R4") in refused(document)


@pytest.mark.parametrize("agency", ["PROBATION", "LEAVING_CARE", "DWP", "VOLUNTARY_SECTOR", "YOUTH_JUSTICE"])
def test_an_address_in_an_urgent_move_goes_to_three_agencies(agency: str) -> None:
    document = load("2")
    document["move"]["new_address"]["visible_to"] = ["HOUSING", agency]
    assert refused(document) == [("/move/new_address/visible_to/1", "R4")]


@pytest.mark.parametrize(("field", "value"), [("move", "PLANNED"), ("message", "STANDARD")])
def test_urgent_by_message_or_by_move(field: str, value: str) -> None:
    document = load("2")
    document[field]["kind" if field == "move" else "urgency"] = value
    document["move"]["new_address"]["visible_to"] = ["PROBATION"]
    assert refused(document) == [("/move/new_address/visible_to/0", "R4")]


@pytest.mark.parametrize("agency", ["DWP", "VOLUNTARY_SECTOR"])
def test_some_learn_an_address_of_a_planned_move_only(agency: str) -> None:
    document = load("1")
    document["move"]["new_address"]["visible_to"] = [agency]
    cut(document, readers_of(document), ENTITLEMENTS)
    document["move"]["kind"] = "TEMPORARY"
    assert refused(document) == [("/move/new_address/visible_to/0", "R4")]


@pytest.mark.parametrize(
    ("kind", "born", "told"),
    [
        ("PLANNED", "2003-05-14", "P B C L H"),
        ("PLANNED", "2008-11-25", "P B C L H Y"),
        ("PLANNED", "2008-11-24", "P B C L H"),
        ("URGENT", "2008-11-25", "P C H"),
    ],
)
def test_who_reads_an_address_when_the_document_is_silent(kind: str, born: str, told: str) -> None:
    document = load("1")
    everybody = [a for a in sorted(AGENCIES) if a in ENTITLEMENTS["move.areas"]]
    document["routing"]["recipients"] = [
        {"agency": a, "sections": ["move"], "lawful_basis": []} for a in everybody
    ]
    del document["move"]["new_address"]["visible_to"]
    document["move"]["kind"] = kind
    document["core"]["date_of_birth"] = born
    parts = cut(document, readers_of(document), ENTITLEMENTS)
    seen = {a for a in everybody if "new_address" in view_of(a, parts)["move"]}
    assert seen == agencies(told)


def test_narrower_entitlements_of_a_directory_count() -> None:
    document = load("1")
    narrower = dict(ENTITLEMENTS) | {"associates": frozenset({"POLICE"})}
    with pytest.raises(NotAllowed) as caught:
        cut(document, readers_of(document), narrower)
    fields = [problem.field for problem in caught.value.problems]
    assert fields == ["/routing/recipients/2/sections/8"] + [
        f"/associates/{i}/visible_to/1" for i in range(20)
    ]


def test_a_group_that_the_directory_does_not_have_is_read_by_nobody() -> None:
    document = load("1")
    without = {group: told for group, told in ENTITLEMENTS.items() if group != "data_quality"}
    parts = cut(document, readers_of(document), without)
    assert all("data_quality" not in part.sections for part in parts)


@pytest.mark.parametrize(
    ("section", "name", "pointer"),
    [
        ("core", "nickname", "/core/nickname"),
        ("support", "a/b~c", "/support/a~1b~0c"),
        (None, "extra", "/extra"),
    ],
)
def test_a_field_without_a_group_is_refused(section: str | None, name: str, pointer: str) -> None:
    document = load("1")
    (document if section is None else document[section])[name] = "SECRET VALUE"
    with pytest.raises(NotAllowed) as caught:
        cut(document, readers_of(document), ENTITLEMENTS)
    assert (caught.value.field, caught.value.rule) == (pointer, "R4")
    assert "SECRET" not in str(caught.value) + repr(caught.value.problems)


@pytest.mark.parametrize("value", ["words", 1, False, ["words"]])
def test_a_value_in_the_place_of_a_section_is_refused(value: object) -> None:
    document = load("1")
    document["support"] = value
    assert refused(document) == [("/support", "R4")]


def test_names_that_are_no_names() -> None:
    document = load("1")
    document["routing"]["recipients"][0]["sections"].append(["core"])
    document["history"][0]["visible_to"].append(["POLICE"])
    assert refused(document) == [
        ("/routing/recipients/0/sections/9", "R4"),
        ("/history/0/visible_to/2", "R4"),
    ]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda actions: actions.append(actions[0]),
        lambda actions: actions[0].pop("action_id"),
        lambda actions: actions.append("AC12"),
        lambda actions: actions[0].update(action_id=True),
    ],
)
def test_items_without_an_id_of_their_own(spoil: Any) -> None:
    document = load("1")
    spoil(document["actions"])
    assert refused(document) == [("/actions", "R4")]


@pytest.mark.parametrize(
    "reader",
    [
        Reader("X/A", "DWP", 4),
        Reader("X/A", "DWP", 7),
        Reader("X/A", "DWP", -2),
        Reader("X/POLICE", "DWP", 5),
    ],
)
def test_a_reader_that_does_not_fit_its_entry(reader: Reader) -> None:
    document = load("1")
    assert refused(document, [readers_of(document)[1], reader]) == [
        (f"/routing/recipients/{reader.index}", "R4")
    ]


def test_more_audiences_than_an_envelope_holds() -> None:
    document = load("1")
    six = sorted(agencies("P B Y C L H"))
    document["routing"]["recipients"] = [
        {"agency": agency, "sections": ["orders"], "lawful_basis": []} for agency in six
    ]
    document["orders"][0]["conditions"] = [
        {"no": mask, "visible_to": [a for bit, a in enumerate(six) if mask >> bit & 1]}
        for mask in range(1, 63)
    ]
    bare = {name: document[name] for name in ("message", "move", "core", "orders")}
    bare["routing"] = {"recipients": document["routing"]["recipients"][:]}
    del bare["orders"][0]["data_controller_for_order"]
    with pytest.raises(TooLarge) as caught:
        cut(bare, readers_of(bare), ENTITLEMENTS)
    assert caught.value.field == "/routing/recipients"
    assert MAX_AUDIENCES == 62
    # the last one was "everybody", from `message`
    del bare["message"]
    assert len(cut(bare, readers_of(bare), ENTITLEMENTS)) == MAX_AUDIENCES


# --- Merging ----------------------------------------------------------------------------------------


def test_items_are_joined_by_id_in_natural_order() -> None:
    ids = ["AC10", "AC2", "B1", "AC02", "AC1"]
    merged = merge(
        [
            {"actions": [{"action_id": i, "title": "t"} for i in ids]},
            {"actions": [{"action_id": i, "due_at": "d"} for i in reversed(ids)], "core": {"known_as": []}},
        ]
    )
    assert [item["action_id"] for item in merged["actions"]] == ["AC1", "AC02", "AC2", "AC10", "B1"]
    assert all(
        item == {"action_id": item["action_id"], "title": "t", "due_at": "d"} for item in merged["actions"]
    )
    assert merged["core"] == {"known_as": []}


def test_conditions_are_joined_by_number() -> None:
    terms = [{"no": 10, "text": "a"}, {"no": 9, "text": "b"}]
    order = {"order_id": "O", "conditions": terms}
    assert merge([{"orders": [order]}])["orders"][0]["conditions"] == terms[::-1]


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ([{"core": {"a": "1"}}, {"core": {"a": "2"}}], "/core/a"),
        ([{"core": {"a": 1}}, {"core": {"a": True}}], "/core/a"),
        ([{"core": {"a": None}}, {"core": {"a": "x"}}], "/core/a"),
        ([{"core": {"a": ["x"]}}, {"core": {"a": ["x", "y"]}}], "/core/a"),
        ([{"core": {}}, {"core": "x"}], "/core"),
        (
            [{"actions": [{"action_id": "A", "t": 1}]}, {"actions": [{"action_id": "A", "t": 2}]}],
            "/actions/0/t",
        ),
        ([{"actions": [{"action_id": "A"}, {"action_id": "A"}]}], "/actions"),
        ([{"actions": [{"title": "A"}]}], "/actions"),
        ([{"actions": [{"action_id": None}]}], "/actions"),
        ([{"actions": [{"action_id": True}]}], "/actions"),
        ([{"actions": [{"action_id": ["A"]}]}], "/actions"),
        ([{"actions": ["A"]}], "/actions"),
        ([{"actions": [{"action_id": "A"}]}, {"actions": "A"}], "/actions"),
    ],
)
def test_parts_that_contradict_each_other(parts: list[Document], field: str) -> None:
    with pytest.raises(Malformed) as caught:
        merge(parts)
    assert caught.value.field == field


def test_equal_values_and_one_text_and_one_number_are_no_conflict() -> None:
    assert merge([{"core": {"a": {"b": 1}}}, {"core": {"a": {"b": 1}}}]) == {"core": {"a": {"b": 1}}}
    both = merge([{"orders": [{"order_id": "1"}, {"order_id": 1}]}])
    assert len(both["orders"]) == 2
    assert merge([]) == {}


def test_an_id_of_many_digits_is_no_attack() -> None:
    """``int()`` refuses more than 4,300 digits with an error that is none of ours."""
    ids = ["A" + "9" * 5000, "A1"]
    assert [i["action_id"] for i in merge([{"actions": [{"action_id": i} for i in ids]}])["actions"]] == ids[
        ::-1
    ]


def test_recipients_of_one_type_are_told_apart_by_organisation() -> None:
    parts = [{"routing": {"recipients": [{"agency": "T", "organisation": o}]}} for o in ("B", "A")]
    parts.append({"routing": {"recipients": [{"agency": "T"}]}})
    merged = merge(parts)
    assert len(merged["routing"]["recipients"]) == 3
    assert audience.merge is merge


# --- Attachments ------------------------------------------------------------------------------------


def _attached(document: dict[str, Any]) -> dict[str, str]:
    """One attachment in every place that takes any: place -> blob id."""
    places = {
        "orders": document["orders"][0],
        "history": document["history"][0],
        "risk_to": document["risk_to"],
        "risk_from": document["risk_from"],
        "support": document["support"],
        "actions": next(a for a in document["actions"] if a["agency"] == "HOUSING"),
    }
    for number, (name, section) in enumerate(places.items(), start=1):
        facts = {"name": f"{name}.pdf", "media_type": "application/pdf", "size": 9}
        section["attachments"] = [{"blob": f"{number:032x}", **facts}]
    return {name: f"{number:032x}" for number, name in enumerate(places, start=1)}


def test_an_attachment_goes_to_the_readers_of_its_section_and_to_nobody_else() -> None:
    document = load("1")
    blobs = _attached(document)
    document["history"][0]["visible_to"] = ["PROBATION"]
    document["support"]["visible_to"] = ["LEAVING_CARE"]
    wanted = ("orders", "history", "risk_to", "risk_from", "support")
    for entry in document["routing"]["recipients"]:
        more = [name for name in wanted if entry["agency"] in reach(name, ENTITLEMENTS)]
        entry["sections"] = list(dict.fromkeys([*entry["sections"], *more]))
    parts = cut(document, readers_of(document), ENTITLEMENTS)

    def holders(name: str) -> set[str]:
        found = [part.readers for part in parts if blobs[name] in json.dumps(part.sections)]
        return {reader.removeprefix("X/") for readers in found for reader in readers}

    told = {entry["agency"] for entry in document["routing"]["recipients"]}
    assert holders("orders") == told & ENTITLEMENTS["orders"]
    assert holders("history") == {"PROBATION"}
    assert holders("risk_to") == told & ENTITLEMENTS["risk_to"]
    assert holders("risk_from") == told & ENTITLEMENTS["risk_from"]
    assert holders("support") == {"LEAVING_CARE"}
    assert holders("actions") == {"HOUSING"}


@pytest.mark.parametrize(("kind", "told"), [("INTELLIGENCE", {"P", "B"}), ("FACT", {"P", "B", "Y"})])
def test_intelligence_of_a_child_goes_to_youth_justice_by_decision_alone(kind: str, told: set[str]) -> None:
    """Domain 4.5: what no ``visible_to`` names for it stays with police and probation."""
    assertion = {"assertion_id": "A1", "kind": kind, "statement": "x"}
    document = {
        "message": {"issued_at": "2026-11-24T10:05:00+00:00"},
        "core": {"date_of_birth": "2010-02-03"},
        "routing": {
            "recipients": [
                {"agency": name, "sections": ["core", "history"]}
                for name in ("POLICE", "PROBATION", "YOUTH_JUSTICE")
            ]
        },
        "history": [assertion],
    }
    names = {"P": "POLICE", "B": "PROBATION", "Y": "YOUTH_JUSTICE"}
    readers = [Reader(letter, agency, index) for index, (letter, agency) in enumerate(names.items())]
    parts = cut(document, readers, ENTITLEMENTS)
    assert {name for part in parts if "history" in part.sections for name in part.readers} == told
    document["history"] = [{**assertion, "visible_to": ["YOUTH_JUSTICE"]}]
    parts = cut(document, readers, ENTITLEMENTS)
    assert {name for part in parts if "history" in part.sections for name in part.readers} == {"Y"}
