"""Urgent moves through two whole nodes: what a partial payload still carries, and what missing it means."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.errors import NotAllowed
from gateway.flows.slots import view_for
from gateway.testing.anywhere import boroughs
from gateway.testing.boroughs import Borough, World
from schemas.samples import example_text

NEWHAM, HILLINGDON = "E09000025", "E09000017"
SATURDAY_2240 = 1_796_510_400
MONDAY_1700 = 1_796_662_800
EDT = "childrens_social_care"
DROPPED = ("history", "safeguarding", "transparency", "gang_association")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with boroughs(NEWHAM, HILLINGDON, at=SATURDAY_2240) as world:
        yield world


def minimum() -> dict[str, Any]:
    """Name, date of birth, safe contact, role, risk to, areas, actions: the minimum of domain 6.6."""
    document = json.loads(example_text("urgent"))
    for section in DROPPED:
        del document[section]
    for leg in document["routing"]["recipients"]:
        leg["sections"] = [name for name in leg["sections"] if name not in DROPPED]
    return document


async def opened(borough: Borough, ref: str) -> dict[str, Any]:
    """What each agency's own key opens of the newest message, by role."""
    found = {}
    for role, leg in (await borough.legs(ref)).items():
        envelope = await borough.node.store.read(lambda tx, leg=leg: tx.envelope(leg.mid))
        assert envelope is not None
        found[role] = view_for(borough.node, envelope, leg.principal)
    return found


@pytest.mark.row("S38_5B")
@pytest.mark.row("URGENT")
async def test_s38_5b_every_leg_of_a_partial_urgent_handover_carries_the_quality_block(world: World) -> None:
    """Decrypted leg by leg: what a reader needs to judge accuracy, completeness, reliability and currency."""
    ref = (await world.of(NEWHAM).submit(minimum(), role=EDT)).ref
    await world.settle()
    views = await opened(world.of(HILLINGDON), ref)
    assert len(views) == 7
    for role, view in views.items():
        quality = view["data_quality"]
        assert quality["completeness"] == "PARTIAL_URGENT", role
        for named in ("verified_by", "verified_at", "reliability_note", "currency", "omitted"):
            assert quality[named], (role, named)
        assert not set(DROPPED) & set(view), role


@pytest.mark.row("URGENT")
async def test_a_partial_payload_is_for_an_evidenced_urgent_move_and_for_nothing_else(world: World) -> None:
    """Whatever it is called: no evidence, no urgency; no urgency, nothing left out."""
    for urgency, kind in (("STANDARD", "URGENT"), ("PRIORITY", "URGENT"), ("STANDARD", "TEMPORARY")):
        document = minimum()
        document["message"]["urgency"], document["move"]["kind"] = urgency, kind
        with pytest.raises(NotAllowed) as caught:
            await world.of(NEWHAM).submit(document, role=EDT)
        assert "R14" in {problem.rule for problem in caught.value.problems}
    for urgency in ("STANDARD", "PRIORITY", "URGENT"):
        document = minimum()
        document["message"]["urgency"] = urgency
        del document["urgent"]["evidence_ref"]
        with pytest.raises(NotAllowed) as caught:
            await world.of(NEWHAM).submit(document, role=EDT)
        assert "/urgent/evidence_ref" in {problem.field for problem in caught.value.problems}


@pytest.mark.row("URGENT")
async def test_the_full_version_is_owed_on_monday_and_its_absence_is_an_alarm(world: World) -> None:
    newham = world.of(NEWHAM)
    ref = (await newham.submit(minimum(), role=EDT)).ref
    await world.settle()
    world.clock.advance(MONDAY_1700 - SATURDAY_2240 - 1)
    await world.settle()
    assert "partial_overdue" not in await alarms(newham)
    world.clock.advance(1)
    await world.settle()
    assert "partial_overdue" in await alarms(newham)
    events = [str(view.content.get("event")) for _, view in world.of(HILLINGDON).desks["police"].given]
    assert events.count("full_version_overdue") == 1
    full = json.loads(example_text("urgent"))
    full["message"].update(version=2, supersedes=full["message"]["message_id"])
    full["message"]["message_id"] = "00000002-00c2-59aa-b088-95b3c29e1261"
    full["data_quality"]["completeness"] = "COMPLETE_FOR_PURPOSE"
    assert (await newham.submit(full, role=EDT, key="k2")).ref == ref
    assert "partial_overdue" not in await alarms(newham)


async def alarms(borough: Borough) -> list[str]:
    rows = await borough.node.store.read(lambda tx: tx.alarms(cleared=False, limit=100))
    return [row.code for row in rows]
