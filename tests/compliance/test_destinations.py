"""Where a handover may go, through whole nodes and desks: a single point of contact, areas without a node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.core.bridge import open_file
from gateway.core.envelope import open_part, open_slot, split
from gateway.errors import NotAllowed, NotForUs
from gateway.flows import acknowledge
from gateway.flows.vault import secrets_of
from gateway.testing.anywhere import SeededKeys, boroughs
from gateway.testing.boroughs import BEXLEY, HACKNEY, START
from gateway.testing.counties import DARTFORD, KENT, for_areas_without_a_node, hackney_and_kent
from keys_example import AGENCIES, DAY
from schemas.samples import example_text, minimal_example

NEWHAM = "E09000025"
SATURDAY_2240 = 1_796_510_400
ROLES = {**AGENCIES, "spoc": ("SPOC", "")}
SEALED = ("history", "associates", "orders", "identifiers", "risk_from", "risk_to", "support")


def spoc_document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(minimal_example())
    routing = document["routing"]
    others = [
        {**entry, "via": "SPOC"} for entry in routing["recipients"] if entry["agency"] != "COMMUNITY_SAFETY"
    ]
    safety = [entry for entry in routing["recipients"] if entry["agency"] == "COMMUNITY_SAFETY"]
    desk = {"agency": "SPOC", "sections": ["core", "move", "contacts", "actions"], "lawful_basis": ["LB1"]}
    routing["recipients"] = [desk, *safety, *others]
    routing["destination"] |= {
        "profile": "SINGLE_POINT_OF_CONTACT",
        "spoc": {
            "role": "Duty desk",
            "deputy_required": True,
            "may_open_sections": ["core", "contacts", "actions"],
            "relays_sealed": sorted({entry["agency"] for entry in others}),
        },
    }
    return document


@pytest.mark.row("SPOC")
async def test_a_spocs_key_opens_core_contacts_and_actions_and_cannot_open_history() -> None:
    """Every slot and every part of the sealed bytes, tried with the key itself and not with a view of it."""
    async with boroughs(HACKNEY, BEXLEY, roles={HACKNEY: ROLES, BEXLEY: ROLES}) as world:
        ref = (await world.of(HACKNEY).submit(spoc_document())).ref
        await world.settle()
        borough = world.of(BEXLEY)
        leg = (await borough.legs(ref))["spoc"]
        row = await borough.node.store.read(lambda tx: tx.envelope(leg.mid))
        assert row is not None
        parsed, net = split(row.body), borough.node.network.net
        opener = SeededKeys(BEXLEY, ROLES, START - DAY).opener(leg.principal)
        bags = []
        for index in range(len(parsed.slots)):
            try:
                bags.append(open_slot(parsed, index, net=net, opener=opener))
            except NotForUs:
                continue
        (bag,) = bags
        seen: set[str] = set()
        for number, key in enumerate(bag.keys):
            if key is not None and number > 1:
                seen |= set(json.loads(open_part(parsed, number, key, net=net))["sections"])
        assert {"core", "contacts", "actions"} <= seen
        assert not seen & set(SEALED)
        # The parts are there, and with their own keys they say so: nothing was merely left out.
        keys, everything = secrets_of(borough.node, row).keys, set[str]()
        for number in range(2, len(parsed.parts)):
            if number in keys:
                everything |= set(json.loads(open_part(parsed, number, keys[number], net=net))["sections"])
        assert {"history", "associates", "orders"} <= everything


@pytest.mark.row("SPOC")
async def test_a_spoc_that_would_open_more_is_refused_at_the_sender() -> None:
    async with boroughs(HACKNEY, BEXLEY, roles={HACKNEY: ROLES, BEXLEY: ROLES}) as world:
        for section in ("history", "orders", "identifiers", "risk_to"):
            document = spoc_document()
            document["routing"]["recipients"][0]["sections"].append(section)
            with pytest.raises(NotAllowed) as caught:
                await world.of(HACKNEY).submit(document, key=section)
            assert {problem.rule for problem in caught.value.problems} & {"R4", "R22"}


@pytest.mark.row("NON_LONDON")
async def test_nothing_leaves_for_an_area_outside_london_before_its_contact_was_rung_back(
    tmp_path: Path,
) -> None:
    async with hackney_and_kent(tmp_path) as world:
        document = for_areas_without_a_node(json.loads(minimal_example()))
        with pytest.raises(NotAllowed) as caught:
            await world.borough.submit(document)
        assert caught.value.code == "bridge_no_contact"
        await world.verify(KENT)
        ref = (await world.borough.submit(document)).ref
        world.clock.advance(91 * DAY)
        with pytest.raises(Exception) as late:  # noqa: PT011 - the old directory, or the old call-back
            await world.export(ref)
        assert getattr(late.value, "code", "") in {"bridge_verification_over", "directory_expired"}


@pytest.mark.row("NON_LONDON")
async def test_no_queue_stands_for_an_area_outside_london_and_nothing_is_published_to_it(
    tmp_path: Path,
) -> None:
    """The broker of this world has a queue for the borough alone: whatever was sent elsewhere would fail."""
    async with hackney_and_kent(tmp_path) as world:
        await world.verify(KENT)
        ref = (await world.borough.submit(for_areas_without_a_node(json.loads(minimal_example())))).ref
        for _ in range(6):
            await world.borough.turn()
            world.clock.advance(600)
        leg = (await world.borough.legs(ref))["police"]
        row = await world.node.store.read(lambda tx: tx.outbox_of(leg.mid))
        assert row is not None
        assert (leg.state, row.attempts, row.error) == ("QUEUED", 0, "carried")
        (carried,) = await world.export(ref)
        assert len(open_file(carried.data).envelopes) == 1
        assert ref not in carried.name


@pytest.mark.row("NON_LONDON")
async def test_of_a_county_with_a_two_tier_split_housing_is_the_districts_and_children_the_countys(
    tmp_path: Path,
) -> None:
    """An urgent move of a child: each tier its own file, its own contact, and no word of the other's part."""
    async with hackney_and_kent(tmp_path, at=SATURDAY_2240, origin=NEWHAM) as world:
        await world.verify(KENT, DARTFORD)
        document = json.loads(example_text("urgent"))
        routing = document["routing"]
        agencies = [entry["agency"] for entry in routing["recipients"]]
        going = for_areas_without_a_node(document, verified_on="2026-12-05", district=DARTFORD)
        assert "CHILDRENS_SOCIAL_CARE" in agencies
        ref = (await world.borough.submit(going, role="childrens_social_care")).ref
        files = {one.area: one for one in await world.export(ref)}
        await world.confirm(ref)
        assert set(files) == {KENT, DARTFORD}
        county = await world.desk(KENT).open(files[KENT].data)
        district = await world.desk(DARTFORD).open(files[DARTFORD].data)
        assert set(district.opened) == {f"{DARTFORD}/housing"}
        assert f"{KENT}/housing" not in county.opened
        assert "safeguarding" in county.opened[f"{KENT}/childrens_social_care"].sections
        assert not {"safeguarding", "history"} & set(district.opened[f"{DARTFORD}/housing"].sections)
        with pytest.raises(NotForUs):
            await world.desk(DARTFORD).open(files[KENT].data)
        said = acknowledge.read(b'{"state": "ACCEPTED", "role": "Emergency duty team"}')
        answer = await world.desk(KENT).answer(files[KENT].data, f"{KENT}/childrens_social_care", said)
        await world.bring(answer)
        legs = await world.borough.legs(ref)
        assert legs["childrens_social_care"].state == "ACCEPTED"
        assert legs["housing"].state == "TRANSMITTED"
        assert legs["police"].acknowledge_by == SATURDAY_2240 + 7200  # from the county's own signed receipt
        assert legs["housing"].acknowledge_by == 0
