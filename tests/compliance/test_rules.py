"""What may be said of whom to whom: the findings about the matrix, the powers and their limits, the orders.

A handover that breaks a duty is handed in at a whole node and refused: nothing of it is left there, nothing
went out. One that keeps it travels to the other borough, and what each agency could open is looked at.
"""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import governance
from gateway.bootstrap import compose
from gateway.config import build
from gateway.core.audience import Reader, cut, merge
from gateway.core.encoding import decode_object
from gateway.core.entitlements import AGENCIES, ENTITLEMENTS
from gateway.core.envelope import open_part, open_slot, split
from gateway.core.policy import check
from gateway.core.registers import FICTIONAL
from gateway.errors import InvalidDocument, Misconfigured, NotAllowed, NotForUs, Refused
from gateway.flows import show
from gateway.testing.anywhere import boroughs
from gateway.testing.boroughs import BEXLEY, HACKNEY, START, World, sections, two_boroughs
from gateway.testing.documents import (
    NOW,
    OFFENDER_WORD,
    OFFENDERS,
    PERSONS,
    Document,
    body,
    documents,
)
from gateway.testing.people import told, young_person
from gateway.transports.memory import MemoryBroker, MemoryTransport
from schemas.areas import AREAS
from schemas.base import ShapeError
from schemas.handover import parse_notification
from schemas.samples import example_text, minimal_example

NEWHAM, HILLINGDON = "E09000025", "E09000017"
NIGHT = 1_796_510_400
"""Saturday 5 December 2026, 22:40: example 2."""

MANY = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def adult() -> Document:
    return dict(json.loads(minimal_example()))


def child() -> Document:
    return dict(json.loads(example_text("urgent")))


async def refused(world: World, document: Document) -> set[tuple[str, str]]:
    """``(rule, field)`` of what the sending node finds; it keeps nothing of it and sends nothing."""
    with pytest.raises(NotAllowed) as caught:
        await world.boroughs[0].submit(document, role=document["message"]["authorised_by"]["agency"].lower())
    await world.settle()
    assert not await world.boroughs[0].node.store.read(
        lambda tx: tx.handover(document["message"]["handover_id"]) or tx.accesses(limit=1)
    )
    assert not any(desk.given for borough in world.boroughs for desk in borough.desks.values())
    assert all(problem.remedy for problem in caught.value.problems)
    return {(problem.rule, problem.field) for problem in caught.value.problems}


async def views(world: World, document: Document) -> dict[str, Any]:
    """What each agency of the destination was given, by role."""
    agency = document["message"]["authorised_by"]["agency"]
    await world.boroughs[0].submit(document, role=agency.lower())
    await world.settle()
    desks = world.boroughs[1].desks
    return {role: sections(desk.given[0][1]) for role, desk in desks.items() if desk.given}


@asynccontextmanager
async def at_night() -> AsyncIterator[World]:
    async with boroughs(NEWHAM, HILLINGDON, at=NIGHT) as world:
        yield world


def unsaid(view: Any) -> Any:
    """A view without the blocks that domain 6.4 gives to everybody: staff roles, and what was left out."""
    return {name: view[name] for name in view if name not in {"message", "contacts", "data_quality"}}


def cut_for_all(document: Document) -> dict[str, Any]:
    """Agency type -> its merged view."""
    entries = document["routing"]["recipients"]
    readers = [Reader(entry["agency"], entry["agency"], index) for index, entry in enumerate(entries)]
    parts = cut(document, readers, ENTITLEMENTS)
    return {r.agency: merge([p.sections for p in parts if r.principal in p.readers]) for r in readers}


# --- F1: victims and perpetrators -----------------------------------------------------------------------


NO_OFFENDERS = tuple(role for role in PERSONS if role not in OFFENDERS)
OF_AN_OFFENDER = ("/risk_from", "/orders", "/history", "/gang_association")


def victim_rule(document: Document) -> set[str]:
    """Where R6 finds something of an offender's, whatever other rules say."""
    try:
        check(parse_notification(body(document)), now=NOW, registers=FICTIONAL)
    except NotAllowed as error:
        found = {problem.field for problem in error.problems if problem.rule == "R6"}
        return {place for place in OF_AN_OFFENDER if any(field.startswith(place) for field in found)}
    return set()


def _with_risk(document: Document, donor: Document) -> str:
    document["risk_from"] = donor["risk_from"]
    return "/risk_from"


def _with_orders(document: Document, donor: Document) -> str:
    document["orders"] = adult()["orders"]
    return "/orders"


def _with_statement(document: Document, donor: Document) -> str:
    document["history"].append(donor["history"][0] | {"assertion_id": "AS99"})
    return "/history"


def _with_group_link(document: Document, donor: Document) -> str:
    document["history"][0]["category"] = "GROUP_LINK"
    return "/history"


def _with_gang(document: Document, donor: Document) -> str:
    document["gang_association"] = document["history"][0] | {"assertion_id": "AS99"}
    return "/gang_association"


@pytest.mark.row("F1")
@settings(MANY, max_examples=60)
@given(
    documents(roles=NO_OFFENDERS, most=8),
    documents(roles=tuple(OFFENDERS), most=1),
    st.sampled_from((_with_risk, _with_orders, _with_statement, _with_group_link, _with_gang)),
)
def test_f1_whoever_is_only_a_victim_is_sent_with_nothing_of_an_offenders(
    document: Document, donor: Document, add: Callable[[Document, Document], str]
) -> None:
    """Whatever else stands in the handover: a risk from the person, an order, a statement about an offender
    or a link to a group is found and refused, and nothing is found where there is none."""
    assert victim_rule(document) == set()
    place = add(document, donor)
    assert victim_rule(document) == {place}


@pytest.mark.row("F1")
@MANY
@given(documents(most=14))
def test_f1_victim_services_see_no_offender_word_of_any_handover(document: Document) -> None:
    """Also of a convicted person's, whatever else stands in it: the view is cut before any rule is asked."""
    leg = {"agency": "VICTIM_SUPPORT", "sections": ["core", "move", "roles", "contacts", "actions"]}
    entries = [one for one in document["routing"]["recipients"] if one["agency"] != "VICTIM_SUPPORT"]
    document["routing"]["recipients"] = [leg | {"lawful_basis": ["LB2"]}, *entries]
    try:
        view = cut_for_all(document)["VICTIM_SUPPORT"]
    except NotAllowed:  # another leg was promised what it may not read
        return
    text = json.dumps(view)
    assert not [word for word in (OFFENDER_WORD, "SUSPECTED", "CONVICTED", "risk_from") if word in text]


@pytest.mark.row("F1")
async def test_f1_the_victims_view_of_the_shooting_holds_no_offender_word() -> None:
    async with at_night() as world:
        view = (await views(world, child()))["victim_support"]
    assert set(view["core"]) >= {"family_name", "safe_contact"}
    assert view["roles"] == [{"role": "VICTIM", "assertion": "AS1"}]
    found = json.dumps(unsaid(view)).lower()
    for word in (
        "suspect",
        "convict",
        "offend",
        "gang",
        "associate",
        "arrest",
        "risk_from",
        "shot",
        "999999000002",
    ):
        assert word not in found


@pytest.mark.row("F1")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        (
            "risk_from",
            {"rating": "RED", "assessed_on": "2026-12-05", "assessor_role": "r", "review_by": "2026-12-08"},
        ),
        ("history", [{"subject_role": "SUSPECTED"}]),
    ],
)
async def test_f1_what_belongs_to_an_offender_is_refused_for_a_victim(name: str, value: Any) -> None:
    document = child()
    if name == "history":
        document["history"].append(document["history"][0] | {"assertion_id": "AS9"} | value[0])
    else:
        document[name] = value
    async with at_night() as world:
        assert {rule for rule, _ in await refused(world, document)} == {"R6"}


# --- s.38: fact and opinion, verified, with what a reader needs -----------------------------------------


@pytest.mark.row("S38_2")
@pytest.mark.parametrize(
    ("index", "missing"), [(0, "evidence_ref"), (3, "assessor"), (1, "grading"), (1, "corroboration_sources")]
)
async def test_s38_2_each_kind_of_knowledge_brings_its_ground(index: int, missing: str) -> None:
    document = adult()
    del document["history"][index][missing]
    async with two_boroughs() as world:
        assert await refused(world, document) == {("R2", f"/history/{index}/{missing}")}


@pytest.mark.row("S38_2")
async def test_s38_2_the_reader_is_told_fact_from_assessment_and_by_whom() -> None:
    async with two_boroughs() as world:
        seen = (await views(world, adult()))["police"]["history"]
        ((_, view),) = world.bexley.desks["police"].given
    kinds = {one["assertion_id"]: one["kind"] for one in seen}
    assert kinds == {"AS1": "FACT", "AS2": "INTELLIGENCE", "AS3": "FACT", "AS4": "ASSESSMENT"}
    shown = json.dumps(view.content)
    assert "Assessment by Probation Practitioner" in shown


@pytest.mark.row("S38_5A")
@pytest.mark.parametrize(
    ("verified", "sent"), [(0, True), (5 * 86_400, True), (5 * 86_400 + 1, False), (-1, False)]
)
async def test_s38_5a_nothing_is_sent_that_was_not_verified_within_five_days(
    verified: int, *, sent: bool
) -> None:
    document = adult()
    document["data_quality"]["verified_at"] = datetime.fromtimestamp(START - verified, UTC).isoformat()
    async with two_boroughs() as world:
        if sent:
            assert len(await views(world, document)) == 7
        else:
            assert await refused(world, document) == {("R3", "/data_quality/verified_at")}


@pytest.mark.row("S38_5B")
async def test_s38_5b_every_leg_carries_the_quality_block_also_of_a_partial_urgent_one() -> None:
    document = child()
    async with at_night() as world:
        given = await views(world, document)
    assert len(given) == 7
    assert document["data_quality"]["completeness"] == "PARTIAL_URGENT"
    for view in given.values():
        assert view["data_quality"] == document["data_quality"] | {"verified_at": "2026-12-05T22:30:00+00:00"}


@pytest.mark.row("S38_5B")
@MANY
@given(documents())
def test_s38_5b_whatever_the_document_and_its_recipients(document: Document) -> None:
    try:
        found = cut_for_all(document)
    except NotAllowed:
        return
    assert {json.dumps(view["data_quality"]) for view in found.values()} == {
        json.dumps(document["data_quality"])
    }


# --- F5: per section, per agency ------------------------------------------------------------------------

MAY_OPEN = {
    "core": AGENCIES,
    "identifiers": {"POLICE", "PROBATION", "YOUTH_JUSTICE", "HEALTH", "CHILDRENS_SOCIAL_CARE", "DWP"},
    "move": AGENCIES - {"EDUCATION"},
    "roles": {
        "POLICE", "PROBATION", "YOUTH_JUSTICE", "CHILDRENS_SOCIAL_CARE", "COMMUNITY_SAFETY", "VICTIM_SUPPORT",
    },
    "risk_to": {
        "POLICE", "PROBATION", "YOUTH_JUSTICE", "CHILDRENS_SOCIAL_CARE", "LEAVING_CARE", "HOUSING",
        "COMMUNITY_SAFETY", "VOLUNTARY_SECTOR",
    },
    "risk_from": {"POLICE", "PROBATION", "YOUTH_JUSTICE", "COMMUNITY_SAFETY"},
    "history": {"POLICE", "PROBATION", "YOUTH_JUSTICE", "CHILDRENS_SOCIAL_CARE"},
    "associates": {"POLICE", "PROBATION", "YOUTH_JUSTICE"},
    "safeguarding": {"CHILDRENS_SOCIAL_CARE", "POLICE", "HEALTH", "YOUTH_JUSTICE"},
    "aspirations": {
        "COMMUNITY_SAFETY", "POLICE", "PROBATION", "YOUTH_JUSTICE", "LEAVING_CARE", "VOLUNTARY_SECTOR",
        "CHILDRENS_SOCIAL_CARE",
    },
}  # fmt: skip
"""Domain 6.4, read once more by hand: who may open anything of a section."""


def for_all_fourteen() -> Document:
    """Everything there can be, to an agency of each type, each asking for all that it may have."""
    document = adult()
    document["safeguarding"] = {"s47_enquiry": "NONE"}
    document["identifiers"] |= {"nhs_number": "9990000018", "nino": "AB123456C", "cro": "1/26A"}
    document["support"].pop("visible_to", None)
    entries = []
    for agency in sorted(AGENCIES):
        wanted = [name for name, may in MAY_OPEN.items() if agency in may]
        entries.append(
            {"agency": agency, "sections": [*wanted, "contacts", "actions"], "lawful_basis": ["LB1"]}
        )
    document["routing"]["recipients"] = entries
    return document


@pytest.mark.row("F5")
@pytest.mark.parametrize("area", sorted(code for code in AREAS if code.startswith("E09")))
def test_f5_no_agency_of_any_borough_is_given_a_part_with_a_section_that_is_not_its_own(area: str) -> None:
    """33 areas x 14 agencies x every part of the document as it is sealed."""
    document = for_all_fourteen()
    document["routing"]["destination"]["area_code"] = area
    entries = document["routing"]["recipients"]
    readers = [
        Reader(f"{area}/{entry['agency'].lower()}", entry["agency"], i) for i, entry in enumerate(entries)
    ]
    parts = cut(document, readers, ENTITLEMENTS)
    assert {name for part in parts for name in part.readers} == {reader.principal for reader in readers}
    for part in parts:
        types = {reader.agency for reader in readers if reader.principal in part.readers}
        for name in part.sections:
            if name in MAY_OPEN:
                assert types <= MAY_OPEN[name], name


def test_the_areas_of_the_matrix_are_all_of_london() -> None:
    assert len([code for code in AREAS if code.startswith("E09")]) == 33


@pytest.mark.row("F5")
async def test_f5_with_its_real_key_an_agency_opens_its_own_parts_and_no_other() -> None:
    """A young person's handover to six agencies of a borough with all fourteen: each of the fourteen keys is
    tried on every slot, and each key found in a slot on every part."""
    document = told("HEALTH", of=young_person())
    recipients = {entry["agency"].lower() for entry in document["routing"]["recipients"]}
    async with boroughs(HACKNEY, BEXLEY) as world:
        ref = (await world.hackney.submit(document)).ref
        await world.settle()
        legs = await world.bexley.legs(ref)
        mid = next(iter(legs.values())).mid
        row = await world.bexley.node.store.read(lambda tx: tx.envelope(mid))
        envelope = bytes(row.body)
        net = world.bexley.node.network.net
        opened = {role: _opened(world, role, envelope, net) for role in world.bexley.desks}
    assert {role for role, found in opened.items() if found} == recipients
    numbers = {role: set(found) for role, found in opened.items()}
    for role in recipients:
        text = json.dumps(list(opened[role].values()))
        for section, may in MAY_OPEN.items():
            if role.upper() not in may:
                assert f'"{section}":' not in text
    assert numbers["education"] < numbers["police"] | numbers["education"]
    assert not any(1 in found for found in numbers.values())  # the routing table is the node's


def _opened(world: World, role: str, envelope: bytes, net: bytes) -> dict[int, Any]:
    """Part number -> content, of all that the key of this agency opens."""
    parsed, opener = split(envelope), world.bexley.node.keys.opener(f"{BEXLEY}/{role}")
    held: set[bytes] = set()
    for index in range(len(parsed.slots)):
        try:
            slot = open_slot(parsed, index, opener=opener, net=net)
        except (Refused, NotForUs):
            continue
        held |= {key for key in slot.keys[1:] if key is not None}
    found = {}
    for number in range(1, len(parsed.parts)):
        for key in held:
            try:
                found[number] = decode_object(open_part(parsed, number, key, net=net))["sections"]
            except Refused:
                continue
    return found


@pytest.mark.row("F5")
async def test_f5_the_job_centre_sees_no_associate_and_no_reason() -> None:
    async with two_boroughs() as world:
        view = (await views(world, adult()))["dwp"]
    text = json.dumps(unsaid(view))
    assert "Associate" not in text
    for word in ("injunction", "convict", "gang", "risk", "prohibit"):
        assert word not in text.lower()
    minimal = [term["minimal_view"]["text"] for order in view["orders"] for term in order["conditions"]]
    assert minimal[0] == "Do not ask this person to attend any place in the London Borough of Hackney."
    assert all(
        set(term) == {"no", "minimal_view"} for order in view["orders"] for term in order["conditions"]
    )


@pytest.mark.row("F5")
async def test_f5_education_learns_no_address_and_nothing_of_the_move() -> None:
    async with at_night() as world:
        view = (await views(world, child()))["education"]
    assert not {"move", "risk_to", "roles", "history", "safeguarding", "urgent"} & set(view)
    assert not [
        word for word in ("999999000002", "ZZ99", "shot", "SHOOTING", "EMERGENCY") if word in json.dumps(view)
    ]


# --- F6, F7, S42: what is on file -----------------------------------------------------------------------


@pytest.mark.row("F6")
async def test_f6_sharing_rests_on_an_agreement_in_date_or_a_decision_of_the_data_protection_officer() -> (
    None
):
    document = adult()
    async with two_boroughs() as world:
        held = world.hackney.node.registers
        expired = replace(held.agreements["DSA-HACK-DWP-01"], ends=date(2026, 11, 23))
        late = replace(held, agreements={**held.agreements, "DSA-HACK-DWP-01": expired})
        world.hackney.node = replace(world.hackney.node, registers=late)
        assert await refused(world, document) == {("R5", "/lawful_basis/2/dsa_ref")}
        del document["lawful_basis"][2]["dsa_ref"]
        assert await refused(world, document) == {("R5", "/lawful_basis/2/dsa_ref")}
        document["lawful_basis"][2]["one_off"] = {"justification": "the claim would break"}
        with pytest.raises(InvalidDocument) as caught:
            await world.hackney.submit(document)
        assert caught.value.problems[0].field == "/lawful_basis/2/one_off/dpo_ref"
        document["lawful_basis"][2]["one_off"]["dpo_ref"] = "DPO-2026-031"
        assert len(await views(world, document)) == 7


@pytest.mark.row("F7")
@pytest.mark.parametrize("missing", ["dpia_ref", "eia_ref", "policies", "dpo"])
async def test_f7_a_production_node_does_not_start_without_its_assessments(
    missing: str, tmp_path: Path
) -> None:
    """The same call that `gateway run` makes; it stops before it opens a key, a store or a broker."""
    held = tomllib.loads(governance.EXAMPLE)["governance"]
    del held[missing]
    told_off = build({"area": HACKNEY, "data": str(tmp_path), "governance": held})
    transport = MemoryTransport(MemoryBroker([HACKNEY]), HACKNEY)
    async with two_boroughs() as world:
        with pytest.raises(Misconfigured) as caught:
            await compose(told_off, store=world.hackney.node.store, transport=transport, clock=world.clock)
    assert (caught.value.rule, caught.value.field) == ("R25", f"/governance/{missing}")


@pytest.mark.row("S42")
@pytest.mark.parametrize("missing", ["apd_ref", "sch8_condition"])
async def test_s42_a_part_3_leg_names_its_condition_and_an_appropriate_policy_in_date(missing: str) -> None:
    document = adult()
    del document["lawful_basis"][0][missing]
    async with two_boroughs() as world:
        assert await refused(world, document) == {("R5", f"/lawful_basis/0/{missing}")}
        document = adult()
        node = world.hackney.node
        world.hackney.node = replace(node, registers=replace(node.registers, policies={}))
        assert await refused(world, document) == {("R5", "/lawful_basis/0/apd_ref")}


# --- the powers and their limits ------------------------------------------------------------------------


@pytest.mark.row("S115")
@pytest.mark.parametrize("index", [5, 6])
async def test_s115_does_not_reach_the_job_centre_nor_a_charity_acting_for_itself(index: int) -> None:
    document = adult()
    leg = document["routing"]["recipients"][index]
    leg["lawful_basis"] = ["LB1"]
    async with two_boroughs() as world:
        place = f"/routing/recipients/{index}/lawful_basis/0"
        assert await refused(world, document) == {("R5", place)}
        leg["acting_on_behalf_of"] = {"authority": "VOLUNTARY_SECTOR", "contract_ref": "C-1"}
        assert await refused(world, document) == {("R5", place)}
        leg["acting_on_behalf_of"] = {"authority": "COMMUNITY_SAFETY", "area": BEXLEY, "contract_ref": "C-1"}
        assert len(await views(world, document)) == 7


@pytest.mark.row("S16_4")
@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        ("support", "mental_health", "x"),
        ("support", "substance", "x"),
        ("support", "care_status", "RELEVANT"),
    ],
)
async def test_s16_4_carries_no_patient_and_no_social_care_information(
    section: str, field: str, value: str
) -> None:
    document = adult()
    document["lawful_basis"][0]["powers"] = ["PCSC2022_S16"]
    for name in ("care_status", "pathway_plan_ref"):
        del document["support"][name]
    async with two_boroughs() as world:
        document[section][field] = value
        assert ("R5", "/routing/recipients/2/lawful_basis/0") in await refused(world, document)
        del document[section][field]
        extra = {"routing": document["routing"] | {"not_relevant": [{"agency": "HEALTH", "reason": "OTHER"}]}}
        assert len(await views(world, document | extra)) == 7


@pytest.mark.row("S16_4")
async def test_s16_4_carries_nothing_that_a_health_or_care_authority_says() -> None:
    document = adult()
    document["lawful_basis"][0]["powers"] = ["PCSC2022_S16"]
    for name in ("care_status", "pathway_plan_ref"):
        del document["support"][name]
    document["history"][3]["source_agency"] = "ADULT_SOCIAL_CARE"
    async with two_boroughs() as world:
        both = {("R5", f"/routing/recipients/{index}/lawful_basis/0") for index in (1, 2)}
        assert await refused(world, document) == both


# --- thresholds, caps, orders ---------------------------------------------------------------------------


@pytest.mark.row("F11")
@pytest.mark.parametrize("sources", [["police"], ["police", "Police "], ["police", "POLICE", "po-lice"][:2]])
async def test_f11_a_group_link_needs_two_independent_sources(sources: Sequence[str]) -> None:
    document = adult()
    document["history"][1]["corroboration_sources"] = list(sources)
    async with two_boroughs() as world:
        assert await refused(world, document) == {("R2", "/history/1/corroboration_sources")}


@pytest.mark.row("F12")
async def test_f12_an_enforcement_agency_is_told_of_a_victim_with_a_reason_or_not_at_all() -> None:
    document = child()
    reason = document["routing"]["recipients"][1].pop("victim_inclusion_justification")
    async with at_night() as world:
        assert await refused(world, document) == {
            ("R6", "/routing/recipients/1/victim_inclusion_justification")
        }
        document["routing"]["recipients"][1]["victim_inclusion_justification"] = reason
        view = (await views(world, document))["police"]
    assert view["routing"]["recipients"][0]["victim_inclusion_justification"] == reason


@pytest.mark.row("F14_CAP")
async def test_f14_more_than_eight_recipients_need_a_second_person() -> None:
    document = told(
        "HEALTH", "COMMUNITY_SAFETY", "HOUSING", "VICTIM_SUPPORT", "VOLUNTARY_SECTOR", of=young_person()
    )
    async with boroughs(HACKNEY, BEXLEY) as world:
        assert len(document["routing"]["recipients"]) == 9
        assert await refused(world, document) == {("R13", "/message/authorisations")}
        document["message"]["authorisations"] = [
            {"role": "Head", "agency": "COMMUNITY_SAFETY", "area": HACKNEY}
        ]
        assert len(await views(world, document)) == 9


@pytest.mark.row("F14_CAP")
async def test_f14_a_recipient_cannot_forward_what_it_was_given() -> None:
    """As it stands the document is another area's; and its envelope opens with no key of a third node."""
    document = adult()
    async with boroughs(HACKNEY, BEXLEY, NEWHAM, roles=None) as world:
        document["routing"]["recipients"][6].pop("organisation")
        ref = (await world.hackney.submit(document)).ref
        await world.settle()
        with pytest.raises(NotAllowed) as caught:
            await world.bexley.submit(document)
        assert caught.value.code == "not_ours"
        mid = next(iter((await world.bexley.legs(ref)).values())).mid
        row = await world.bexley.node.store.read(lambda tx: tx.envelope(mid))
        parsed, net = split(bytes(row.body)), world.bexley.node.network.net
        newham = world.of(NEWHAM)
        for role in ("node", *newham.desks):
            opener = newham.node.keys.opener(f"{NEWHAM}/{role}")
            for index in range(len(parsed.slots)):
                with pytest.raises((Refused, NotForUs)):
                    open_slot(parsed, index, opener=opener, net=net)


@pytest.mark.row("F14_CAP")
def test_f14_the_shape_has_room_for_one_person_alone() -> None:
    two = adult()
    two["core"] = [two["core"], two["core"]]
    for wrong in (two, [adult(), adult()]):
        with pytest.raises(ShapeError):
            parse_notification(json.dumps(wrong).encode())


def _order(**changes: Any) -> Document:
    document = adult()
    document["orders"][0] |= changes
    return document


@pytest.mark.row("INJUNCTION")
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"expires_on": "2028-10-13"}, "expires_on"),
        ({"review_hearing_window": None}, "review_hearing_window"),
        ({"review_hearing_window": {"from": "2027-10-01", "to": "2027-10-13"}}, "review_hearing_window"),
    ],
)
async def test_injunction_two_years_at_most_and_a_review_hearing_in_the_first(
    changes: dict[str, Any], field: str
) -> None:
    async with two_boroughs() as world:
        assert await refused(world, _order(**changes)) == {("R10", f"/orders/0/{field}")}


@pytest.mark.row("INJUNCTION")
async def test_injunction_of_two_years_travels_with_its_review_window() -> None:
    async with two_boroughs() as world:
        (order,) = (await views(world, _order(expires_on="2028-10-12")))["probation"]["orders"]
    assert order["review_hearing_window"]["to"] == "2027-10-11"


@pytest.mark.row("R9")
async def test_r9_the_order_that_forbids_what_it_demands_is_refused_until_somebody_says_where() -> None:
    """Case study J: not to enter Hackney, and to meet a worker of the Hackney unit."""
    document = adult()
    term = document["orders"][0]["conditions"][4]
    del term["place_rule"]
    async with two_boroughs() as world:
        place = {("R9", "/orders/0/conditions/4/place_rule")}
        assert await refused(world, document) == place
        permission = {
            "ref": "P-1",
            "granted_by": "Head",
            "granted_on": "2026-11-01",
            "expires_on": "2026-11-23",
        }
        term["permission"] = permission
        assert await refused(world, document) == place
        permission["expires_on"] = "2026-11-24"
        assert len(await views(world, document)) == 7


# --- the wrong area -------------------------------------------------------------------------------------


class Table:
    """A table of one address."""

    def __init__(self, area: str) -> None:
        self._area = area

    def area_of(self, uprn: str) -> str | None:
        return self._area if uprn == "999999000001" else None


@pytest.mark.row("R11")
async def test_r11_an_address_outside_the_destination_is_refused_and_an_override_is_on_record() -> None:
    document = adult()
    async with two_boroughs() as world:
        world.hackney.node = replace(world.hackney.node, places=Table(NEWHAM))
        assert await refused(world, document) == {("R11", "/move/new_address/uprn")}
        document["move"]["new_address"]["outside_area_reason"] = "the estate straddles the boundary"
        assert {rule for rule, _ in await refused(world, document)} == {"R11"}
        document["message"]["authorisations"] = [
            {"role": "Head", "agency": "COMMUNITY_SAFETY", "area": HACKNEY}
        ]
        assert len(await views(world, document)) == 7
        rows = await world.hackney.node.store.read(lambda tx: tx.accesses(limit=100))
        (override,) = [row for row in rows if row.justification == "ADDRESS_OVERRIDE"]
        assert (override.actor, override.ref) == ("staff-0001", document["message"]["handover_id"])
        assert await _address_check(world, override.ref) == "OVERRIDDEN"


@pytest.mark.row("R11")
async def test_r11_without_a_table_the_check_is_on_record_as_not_made() -> None:
    async with two_boroughs() as world:
        ref = (await world.hackney.submit(adult())).ref
        assert await _address_check(world, ref) == "NOT_MADE"


async def _address_check(world: World, ref: str) -> str:
    def look(tx: Any) -> Any:
        return show.summary(world.hackney.node, show.find(tx, ref, None))["address_check"]

    return str(await world.hackney.node.store.read(look))


# --- marking, names, scores -----------------------------------------------------------------------------


@pytest.mark.row("GSC")
@pytest.mark.parametrize("tier", ["SECRET", "TOP_SECRET"])
async def test_gsc_above_official_nothing_travels_and_the_marking_does(tier: str) -> None:
    document = adult()
    async with two_boroughs() as world:
        document["message"]["marking"]["classification"] = tier
        assert await refused(world, document) == {("R19", "/message/marking/classification")}
        given = await views(world, adult())
        assert {view["message"]["marking"]["text"] for view in given.values()} == {"OFFICIAL-SENSITIVE"}
        for desk in world.bexley.desks.values():
            ((_, view),) = desk.given
            assert "OFFICIAL-SENSITIVE" in json.dumps({**view.content, "view": None})


@pytest.mark.row("LEGACY")
@pytest.mark.parametrize(("index", "before", "today"), [(2, "NPS", "PROBATION"), (2, "CRC", "PROBATION")])
async def test_legacy_a_name_of_2017_reaches_the_agency_of_today(index: int, before: str, today: str) -> None:
    document = adult()
    document["routing"]["recipients"][index]["agency"] = before
    document["actions"] = [
        action | {"agency": before} if action["agency"] == today else action for action in document["actions"]
    ]
    async with two_boroughs() as world:
        view = (await views(world, document))[today.lower()]
    assert view["routing"]["recipients"][0]["agency"] == today
    assert {action["agency"] for action in view["actions"]} == {today}
    assert before not in json.dumps(view)


@pytest.mark.row("LEGACY")
@pytest.mark.parametrize("before", ["YOT", "YOS"])
async def test_legacy_the_youth_offending_team_is_the_youth_justice_service(before: str) -> None:
    document = young_person()
    for entry in document["routing"]["recipients"]:
        entry["agency"] = before if entry["agency"] == "YOUTH_JUSTICE" else entry["agency"]
    async with boroughs(HACKNEY, BEXLEY) as world:
        view = (await views(world, document))["youth_justice"]
    assert view["routing"]["recipients"][0]["agency"] == "YOUTH_JUSTICE"


def _statement(words: str) -> Callable[[Document], Any]:
    return lambda document: document["history"][0].__setitem__("statement", words)


@pytest.mark.row("GVM")
@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["core"].__setitem__("gvm_score", 7),
        lambda document: document["risk_from"].__setitem__("matrixRag", "RED"),
        lambda document: document.__setitem__("violence_harm_assessment", {"score": 3}),
        lambda document: document["risk_from"].__setitem__("tool", "Violence Harm Assessment"),
        _statement("Scored red on the Gangs Violence Matrix."),
        _statement("VHA band 4"),
    ],
)
async def test_gvm_its_scores_and_its_successors_are_refused_wherever_they_stand(
    change: Callable[[Document], Any],
) -> None:
    document = adult()
    change(document)
    async with two_boroughs() as world:
        with pytest.raises(InvalidDocument) as caught:
            await world.hackney.submit(document)
        assert any("R18" in problem.message for problem in caught.value.problems)
        assert not await world.hackney.node.store.read(lambda tx: tx.accesses(limit=1))


@pytest.mark.row("GVM")
@MANY
@given(
    st.sampled_from(["history", "risk_to", "support"]),
    st.sampled_from(["gvm", "VHA score", "gangs-matrix_RAG"]),
)
def test_gvm_no_field_of_that_name_stands_anywhere(section: str, name: str) -> None:
    document = copy.deepcopy(adult())
    place = document[section][0] if section == "history" else document[section]
    place[name] = 5
    with pytest.raises(ShapeError):
        parse_notification(json.dumps(document).encode())
