"""Who can open what, tried with every key on the stored envelope itself, against a table written by hand.

The table is domain 6.4 read for example 1: sections with their fields, then what is cut inside a list. A part
that a key opens and the table does not give, or the other way round, fails here whatever the code believes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from gateway.core.audience import merge
from gateway.core.encoding import decode_object
from gateway.core.envelope import Slot, open_part, open_slot, split
from gateway.errors import Forged, NotForUs, Refused
from gateway.testing.boroughs import Borough, World, sections

EVERYONE = (
    "schema_version",
    "fictional",
    "message",
    "routing",
    "lawful_basis",
    "data_quality",
    "transparency",
)
CORE = "family_name given_names known_as date_of_birth age_at_issue safe_contact interpreter_needed"
CORE += " reasonable_adjustments"
ASPIRATIONS = "in_subject_words goals recorded_by recorded_on"
RISK_FROM = "rating assessed_on assessor_role tool review_by"
RISK_TO = "rating assessed_on assessor_role who_is_the_threat review_by"
SUPPORT = (
    "care_status responsible_authority pathway_plan_ref education_training benefit caseworker_continuity"
)
MOVE = "kind from_area to_area reason moved_on"
SAFETY = "unsafe_areas safe_areas area_safety_check_requested"

FIELDS: Mapping[str, Mapping[str, str]] = {
    "community_safety": {
        "core": CORE,
        "move": f"{MOVE} {SAFETY} evidence_of_threat_ref",
        "risk_from": RISK_FROM,
        "risk_to": RISK_TO,
        "aspirations": ASPIRATIONS,
    },
    "police": {
        "core": CORE,
        "identifiers": "pnc_id crn",
        "move": f"{MOVE} {SAFETY} evidence_of_threat_ref new_address address_known_to_threat",
        "risk_from": RISK_FROM,
        "risk_to": RISK_TO,
        "aspirations": ASPIRATIONS,
    },
    "probation": {
        "core": CORE,
        "identifiers": "pnc_id crn",
        "move": f"{MOVE} {SAFETY} new_address",
        "risk_from": RISK_FROM,
        "risk_to": RISK_TO,
        "support": SUPPORT,
        "aspirations": ASPIRATIONS,
    },
    "leaving_care": {
        "core": CORE,
        "move": f"{MOVE} new_address",
        "risk_to": RISK_TO,
        "support": SUPPORT,
        "aspirations": ASPIRATIONS,
    },
    "housing": {
        "core": CORE,
        "move": f"{MOVE} {SAFETY} new_address address_known_to_threat",
        "risk_to": RISK_TO,
    },
    "dwp": {"core": CORE, "move": f"{MOVE} new_address", "support": SUPPORT},
    "st_giles": {
        "core": CORE,
        "move": f"{MOVE} new_address",
        "risk_to": "rating",
        "support": SUPPORT,
        "aspirations": ASPIRATIONS,
    },
}

ALL_FOUR = ["AT_RISK", "CONVICTED", "SUSPECTED", "VICTIM"]
ASSERTIONS = ["AS1", "AS2", "AS3", "AS4"]
NAMED = [f"TP{number:02}" for number in range(1, 21)]
FULL, MINIMAL = "text", "minimal_view"

LISTS: Mapping[str, tuple[list[str], list[str], list[str], list[str], Mapping[int, str]]] = {
    # roles, assertions, associates, own actions, conditions of the order: in full or the minimal view
    "community_safety": (ALL_FOUR, [], [], ["AC1", "AC2"], dict.fromkeys((1, 2, 3, 5, 6), FULL)),
    "police": (ALL_FOUR, ASSERTIONS, NAMED, ["AC3", "AC4"], dict.fromkeys((1, 2, 3, 4, 5, 6), FULL)),
    "probation": (
        ALL_FOUR,
        ASSERTIONS,
        NAMED,
        ["AC5", "AC6", "AC7"],
        dict.fromkeys((1, 2, 3, 4, 5, 6), FULL),
    ),
    "leaving_care": ([], [], [], ["AC8"], {1: MINIMAL}),
    "housing": ([], [], [], ["AC9"], {1: MINIMAL}),
    "dwp": ([], [], [], ["AC10"], {1: MINIMAL, 6: MINIMAL}),
    "st_giles": ([], [], [], ["AC11"], {1: MINIMAL, 5: FULL, 6: FULL}),
}


def _bag(borough: Borough, principal: str, body: bytes) -> list[Slot]:
    """Every slot of the envelope that this principal's keys open."""
    parsed, found = split(body), []
    for index in range(len(parsed.slots)):
        try:
            opener = borough.node.keys.opener(principal)
            found.append(open_slot(parsed, index, net=borough.node.network.net, opener=opener))
        except NotForUs:
            continue
    return found


async def _envelope(borough: Borough, ref: str) -> bytes:
    legs = await borough.legs(ref)
    mid = next(iter(legs.values())).mid
    row = await borough.node.store.read(lambda tx: tx.envelope(mid))
    assert row is not None
    return row.body


@pytest.fixture
async def sealed(world: World, document: Any) -> bytes:
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    return await _envelope(world.bexley, ref)


def _check(role: str, view: Mapping[str, Any]) -> None:
    """The view is the table's line, field for field."""
    objects, (roles, assertions, associates, actions, conditions) = FIELDS[role], LISTS[role]
    lists = {
        "roles": (roles, lambda item: item["role"]),
        "history": (assertions, lambda item: item["assertion_id"]),
        "associates": (associates, lambda item: item["third_party_id"]),
        "actions": (actions, lambda item: item["action_id"] if "due_at" in item else None),
    }
    names = {name for name, (expected, _) in lists.items() if expected}
    assert set(view) == {*EVERYONE, "retention", "contacts", "orders", *objects, *names}
    for name, fields in objects.items():
        assert sorted(view[name]) == sorted(fields.split()), (role, name)
    for name, (expected, key) in lists.items():
        assert sorted(filter(None, map(key, view.get(name, ())))) == sorted(expected), (role, name)
    (order,) = view["orders"]
    told = {
        c["no"]: FULL if "text" in c else MINIMAL
        for c in order["conditions"]
        if ("text" in c) != ("minimal_view" in c)
    }
    assert told == conditions
    assert ("court" in order) == (role in {"community_safety", "police", "probation"})
    (own,) = view["routing"]["recipients"]
    assert own["lawful_basis"] == [basis["id"] for basis in view["lawful_basis"]]


@pytest.mark.parametrize("role", FIELDS)
async def test_a_key_opens_its_own_parts_and_no_others(world: World, sealed: bytes, role: str) -> None:
    parsed, net = split(sealed), world.bexley.node.network.net
    (slot,) = _bag(world.bexley, f"E09000004/{role}", sealed)
    opened: dict[int, bytes] = {}
    for number in range(len(parsed.parts)):
        for held in filter(None, slot.keys):
            try:
                content = open_part(parsed, number, held, net=net)
            except Refused:
                continue
            opened[number] = content
    assert set(opened) == {number for number, key in enumerate(slot.keys) if key is not None}
    assert 1 not in opened  # the routing table is the node's
    _check(role, merge([decode_object(opened[number])["sections"] for number in sorted(opened) if number]))


@pytest.mark.parametrize("role", FIELDS)
async def test_the_adapter_is_given_that_very_view(world: World, sealed: bytes, role: str) -> None:
    ((_, view),) = world.bexley.desks[role].given
    _check(role, sections(view))
    if role != "community_safety":
        assert {action["agency"] for action in sections(view)["actions"]} == {view.content["agency"]}


async def test_the_coordinator_sees_of_others_actions_what_they_are_called(
    world: World, sealed: bytes
) -> None:
    ((_, view),) = world.bexley.desks["community_safety"].given
    others = [a for a in sections(view)["actions"] if a["agency"] != "COMMUNITY_SAFETY"]
    assert len(others) == 9
    assert {tuple(sorted(action)) for action in others} == {("action_id", "agency", "code", "title")}


async def test_the_node_opens_the_statement_and_the_routing_table_alone(world: World, sealed: bytes) -> None:
    (slot,) = _bag(world.bexley, "E09000004/node", sealed)
    assert [number for number, key in enumerate(slot.keys) if key is not None] == [0, 1]


async def test_no_key_of_the_origin_opens_a_slot(world: World, sealed: bytes) -> None:
    for role in ("node", *FIELDS):
        assert not _bag(world.hackney, f"E09000012/{role}", sealed), role


async def test_a_stolen_part_key_is_worth_its_own_part(world: World, sealed: bytes) -> None:
    """Seven agencies pooling everything they hold still cannot read the node's part, nor one part more."""
    parsed, net = split(sealed), world.bexley.node.network.net
    pooled = {
        key
        for role in FIELDS
        for slot in _bag(world.bexley, f"E09000004/{role}", sealed)
        for key in slot.keys[1:]
        if key is not None
    }
    for key in pooled:
        with pytest.raises(Forged):
            open_part(parsed, 1, key, net=net)
    assert len(pooled) == len(parsed.parts) - 2  # every part but the statement and the routing table, once
