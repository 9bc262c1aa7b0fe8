"""A stolen key: what it opens of what is stored here, who has taken that on; and it stops itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.errors import Conflict, UnknownRecipient
from gateway.flows import compromise, documents
from gateway.flows.shred import Person, shred
from gateway.flows.trust import refresh_trust
from gateway.testing.boroughs import BEXLEY, HACKNEY, START, World, sections, two_boroughs
from schemas.samples import minimal_example, restamp

REF = "HO-E09000012-2026-000417"
POLICE, HOUSING = f"{BEXLEY}/police", f"{BEXLEY}/housing"


@pytest.fixture
async def world() -> Any:
    async with two_boroughs() as opened:
        await opened.hackney.submit(restamp(json.loads(minimal_example()), START))
        await opened.settle()
        opened.clock.advance(60)
        leg = (await opened.bexley.legs(REF))["police"]
        await opened.bexley.answer("police", leg.id, "RECEIVED", reason_text="words of the police")
        await opened.settle()
        yield opened


async def report(world: World, principal: str, *, at: str = "hackney") -> Any:
    borough = world.hackney if at == "hackney" else world.bexley
    return await compromise.report(borough.node, principal, actor="dpo-7", justification="KEY_STOLEN")


def of_handover(found: Any) -> Any:
    (one,) = [one for one in found if one.sections != ("reply",)]
    return one


@pytest.mark.parametrize("at", ["hackney", "bexley"])
async def test_it_lists_every_section_that_the_key_opens_at_either_end(world: World, at: str) -> None:
    found = of_handover(await report(world, POLICE, at=at))
    given = next(view for _, view in world.bexley.desks["police"].given)
    assert set(found.sections) == set(sections(given))
    assert (found.ref, found.version, found.sent) == (REF, 1, at == "hackney")
    assert [answer.state for answer in found.answers] == ["opened", "acknowledged"]
    assert (found.acknowledged, found.state) == (START + 60, "RECEIVED")


async def test_agencies_that_nobody_has_answered_for_are_told_apart(world: World) -> None:
    found = of_handover(await report(world, HOUSING))
    assert found.acknowledged == 0
    assert [answer.state for answer in found.answers] == ["opened"]
    assert set(found.sections) != set(of_handover(await report(world, POLICE)).sections)


async def test_what_came_back_as_words_is_exposed_too(world: World) -> None:
    """The reply is sealed to the counterpart at the origin; its key opens nothing of the handover itself."""
    legs = await world.hackney.legs(REF)
    counterpart = legs["police"].counterpart
    (found,) = await report(world, counterpart)
    assert (found.sections, found.sent) == (("reply",), False)
    (sent,) = await report(world, counterpart, at="bexley")
    assert (sent.sections, sent.sent) == (("reply",), True)


async def test_what_was_shredded_is_counted_and_not_named(world: World) -> None:
    before = of_handover(await report(world, POLICE))
    person, why = Person("dpo-7"), "ERASURE_REQUEST"
    await shred(
        world.hackney.node, person, REF, section="associates", others=True, force=True, justification=why
    )
    after = of_handover(await report(world, POLICE))
    assert "associates" in before.sections
    assert "associates" not in after.sections
    assert (before.shredded, after.shredded > 0) == (0, True)


async def test_the_report_is_on_record_with_its_sections(world: World) -> None:
    found = of_handover(await report(world, POLICE))
    newest = (await world.hackney.node.store.read(lambda tx: tx.accesses(ref=REF)))[0]
    assert (newest.operation, newest.actor, newest.justification) == ("CONSULTATION", "dpo-7", "KEY_STOLEN")
    assert set(found.sections) <= set(newest.sections)
    assert newest.recipients == (POLICE,)


async def test_nobody_and_who_has_nothing(world: World) -> None:
    with pytest.raises(UnknownRecipient):
        await report(world, f"{BEXLEY}/nobody")
    assert await report(world, f"{HACKNEY}/dwp") == []


async def test_the_key_stops_itself_and_everybody_hears_of_it(world: World) -> None:
    stopped = await compromise.stop(world.bexley.node, POLICE, reason="stolen", seconds=10**9)
    now = world.clock.now()
    assert (stopped.until - now, stopped.by) == (72 * 3600, POLICE)
    await documents.spread(world.bexley.node)
    await world.settle()
    await refresh_trust(world.hackney.node, lambda network: None)
    assert world.hackney.node.network.suspended(POLICE, now)


async def test_a_key_that_is_not_here_cannot_stop_itself(world: World) -> None:
    with pytest.raises(Conflict) as refused:
        await compromise.stop(world.hackney.node, POLICE, reason="stolen", seconds=3600)
    assert "gateway directory suspend E09000004/police" in refused.value.remedy
