"""Example 2 through two whole nodes from Saturday 22:40 on: what is owed, by when, and who is told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from gateway.core.deadlines import add_working_days, deadlines
from gateway.core.ladder import Ladders, Role
from gateway.core.urgent import REVIEW, call_by, owed_by, softened
from gateway.errors import Conflict, NotFound
from gateway.flows import control, urgent, urgent_review
from gateway.flows.urgent_review import Call
from gateway.ports import Parcel
from gateway.testing.anywhere import boroughs
from gateway.testing.boroughs import World
from schemas.samples import example_text, restamp
from schemas.urgent import Keep

NEWHAM, HILLINGDON = "E09000025", "E09000017"
SATURDAY = 1_796_510_400
"""2026-12-05 22:40 in London."""
SUNDAY_0040 = SATURDAY + 2 * 3600
MONDAY_1700 = 1_796_662_800
HOUR, DAY = 3600, 86_400
EDT = "childrens_social_care"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with boroughs(NEWHAM, HILLINGDON, at=SATURDAY) as world:
        yield world


def example(version: int = 1, at: int = SATURDAY, **quality: str) -> dict[str, Any]:
    document = json.loads(example_text("urgent"))
    if at != SATURDAY:
        document = restamp(document, at)
        document["risk_to"]["review_by"] = "2027-03-01"
        for item in document["history"]:
            item["review_by"] = "2027-03-01"
    if version > 1:
        before = document["message"]["message_id"]
        document["message"].update(
            version=version, supersedes=before, message_id=f"{version:08}-00c2-59aa-b088-95b3c29e1261"
        )
    document["data_quality"].update(quality)
    return document


async def send(world: World, document: dict[str, Any], key: str = "k1") -> str:
    made = await world.of(NEWHAM).submit(document, role=EDT, key=key)
    await world.settle()
    return made.ref


def told(world: World, area: str, role: str) -> list[str]:
    given = world.of(area).desks[role].given
    return [str(view.content["event"]) for _, view in given if view.kind is Parcel.STATUS]


async def alarms(world: World, area: str) -> list[tuple[str, str]]:
    rows = await world.of(area).node.store.read(lambda tx: tx.alarms(cleared=False, limit=50))
    return [(row.code, row.subject) for row in rows]


async def until(world: World, at: int) -> None:
    world.clock.advance(at - world.clock.now())
    await world.settle()


async def test_on_saturday_at_2240_the_acknowledgement_is_due_on_sunday_at_0040(world: World) -> None:
    ref = await send(world, example())
    for area in (NEWHAM, HILLINGDON):
        legs = await world.of(area).legs(ref)
        assert {leg.acknowledge_by for leg in legs.values()} == {SUNDAY_0040}
        assert {leg.decide_by for leg in legs.values()} == {SATURDAY + 4 * HOUR}
    assert len(world.of(HILLINGDON).desks[EDT].given) == 1


async def test_the_full_version_is_owed_by_monday_and_both_nodes_say_so(world: World) -> None:
    ref = await send(world, example())
    for area in (NEWHAM, HILLINGDON):
        owed = await world.of(area).node.store.read(
            lambda tx: urgent.full_by(tx, tx.handover(ref))  # type: ignore[arg-type]
        )
        assert owed == MONDAY_1700 == owed_by(SATURDAY)


async def test_a_missed_full_version_is_warned_of_alarmed_and_told_to_the_receivers(world: World) -> None:
    ref = await send(world, example())
    await until(world, SATURDAY + (MONDAY_1700 - SATURDAY) // 2 - 1)
    assert "full_version_due" not in told(world, NEWHAM, EDT)
    await until(world, world.clock.now() + 1)
    assert told(world, NEWHAM, EDT).count("full_version_due") == 1
    assert ("partial_overdue", ref) not in await alarms(world, NEWHAM)
    await until(world, MONDAY_1700)
    for _ in range(3):
        await world.settle()
    assert told(world, NEWHAM, EDT).count("full_version_overdue") == 1
    assert ("partial_overdue", ref) in await alarms(world, NEWHAM)
    for role in (EDT, "police", "housing", "health"):
        assert told(world, HILLINGDON, role).count("full_version_overdue") == 1
    assert ("partial_overdue", ref) not in await alarms(world, HILLINGDON)


async def test_the_full_version_settles_what_was_owed_on_both_sides(world: World) -> None:
    ref = await send(world, example())
    await until(world, SATURDAY + HOUR)
    full = example(2, completeness="COMPLETE_FOR_PURPOSE")
    assert await send(world, full, "k2") == ref
    await until(world, MONDAY_1700 + DAY)
    for area in (NEWHAM, HILLINGDON):
        heard = [*told(world, area, EDT), *told(world, area, "police")]
        assert not any("full_version" in event for event in heard)
        row = await world.of(area).node.store.read(lambda tx: tx.handover(ref))
        assert row is not None
        assert row.version == 2
        owed = await world.of(area).node.store.read(lambda tx, row=row: urgent.full_by(tx, row))
        assert owed == 0
    assert ("partial_overdue", ref) not in await alarms(world, NEWHAM)


async def test_a_full_version_that_comes_late_clears_the_alarm(world: World) -> None:
    ref = await send(world, example())
    await until(world, MONDAY_1700)
    late = example(2, at=MONDAY_1700, completeness="COMPLETE_FOR_PURPOSE")
    await send(world, late, "k2")
    assert ("partial_overdue", ref) not in await alarms(world, NEWHAM)
    cleared = await world.of(NEWHAM).node.store.read(lambda tx: tx.alarms(cleared=True, limit=50))
    assert ("partial_overdue", ref) in [(row.code, row.subject) for row in cleared]


async def test_a_second_partial_version_does_not_start_the_clock_anew(world: World) -> None:
    ref = await send(world, example())
    await until(world, SATURDAY + 40 * HOUR)  # Monday 14:40
    await send(world, example(2, at=world.clock.now()), "k2")
    for area in (NEWHAM, HILLINGDON):
        row = await world.of(area).node.store.read(lambda tx: tx.handover(ref))
        assert row is not None
        owed = await world.of(area).node.store.read(lambda tx, row=row: urgent.full_by(tx, row))
        assert (row.version, owed) == (2, MONDAY_1700)
    await until(world, MONDAY_1700)
    assert ("partial_overdue", ref) in await alarms(world, NEWHAM)


async def test_without_a_second_person_within_a_working_day_there_is_an_alarm(world: World) -> None:
    ref = await send(world, example())
    await until(world, MONDAY_1700)
    assert ("urgent_unauthorised", ref) in await alarms(world, NEWHAM)


# --- the call -------------------------------------------------------------------------------------------


def silent(version: int = 1) -> dict[str, Any]:
    document = example(version)
    del document["urgent"]["verbal_handover"]
    return document


CALL = Call(SATURDAY + HOUR, "EDT manager", "Duty inspector")


async def test_a_call_that_is_missing_is_owed_within_two_hours(world: World) -> None:
    ref = await send(world, silent())
    await until(world, SATURDAY + HOUR)
    assert told(world, NEWHAM, EDT).count("urgent_call_due") == 1
    assert ("urgent_call_missing", ref) not in await alarms(world, NEWHAM)
    await until(world, call_by(SATURDAY))
    assert ("urgent_call_missing", ref) in await alarms(world, NEWHAM)
    newham = world.of(NEWHAM)
    await urgent_review.called(newham.node, newham.caller(EDT), ref, CALL)
    assert ("urgent_call_missing", ref) not in await alarms(world, NEWHAM)


async def test_a_call_on_record_is_an_access_a_leaf_and_a_line_of_every_leg(world: World) -> None:
    ref = await send(world, silent())
    world.clock.advance(HOUR)
    newham = world.of(NEWHAM)
    await urgent_review.called(newham.node, newham.caller(EDT, "staff-77"), ref, CALL)
    rows = await newham.node.store.read(lambda tx: tx.access_rows(0, 200))
    [row] = [row for _, row in rows if row.justification == "VERBAL_HANDOVER"]
    assert (row.operation, row.actor, row.ref) == ("DISCLOSURE", "staff-77", ref)
    assert b"Duty inspector" not in row.sealed
    leaves = await newham.node.store.read(lambda tx: tx.log(0, 500))
    assert any(b'"verbal_handover"' in leaf and ref.encode() in leaf for _, leaf in leaves)
    for leg in (await newham.legs(ref)).values():
        events = await newham.node.store.read(lambda tx, leg=leg: tx.history(leg.id))
        assert "verbal_handover" in [event.event for event in events]
    await until(world, SATURDAY + 5 * HOUR)
    assert ("urgent_call_missing", ref) not in await alarms(world, NEWHAM)


async def test_a_call_is_recorded_once_by_who_sent_it_and_not_from_the_future(world: World) -> None:
    ref = await send(world, silent())
    newham = world.of(NEWHAM)
    with pytest.raises(Conflict) as caught:
        await urgent_review.called(newham.node, newham.caller(EDT), ref, CALL)
    assert caught.value.code == "call_time"
    world.clock.advance(HOUR)
    with pytest.raises(NotFound):
        await urgent_review.called(newham.node, newham.caller("police"), ref, CALL)
    hillingdon = world.of(HILLINGDON)
    with pytest.raises(NotFound):
        await urgent_review.called(hillingdon.node, hillingdon.caller(EDT), ref, CALL)
    await urgent_review.called(newham.node, newham.caller(EDT), ref, CALL)
    with pytest.raises(Conflict) as caught:
        await urgent_review.called(newham.node, newham.caller(EDT), ref, CALL)
    assert caught.value.code == "called_already"


async def test_a_call_in_the_document_is_owed_no_more(world: World) -> None:
    ref = await send(world, example())
    await until(world, SATURDAY + 5 * HOUR)
    assert ("urgent_call_missing", ref) not in await alarms(world, NEWHAM)
    assert not any("urgent_call" in event for event in told(world, NEWHAM, EDT))


# --- the review -----------------------------------------------------------------------------------------


async def test_after_72_hours_the_sender_is_asked_and_four_hours_later_everybody(world: World) -> None:
    ref = await send(world, example())
    await until(world, SATURDAY + REVIEW - 1)
    assert "urgent_review_due" not in told(world, NEWHAM, EDT)
    await until(world, SATURDAY + REVIEW)
    assert told(world, NEWHAM, EDT).count("urgent_review_due") == 1
    assert ("urgent_unreviewed", ref) not in await alarms(world, NEWHAM)
    await until(world, SATURDAY + REVIEW + 4 * HOUR)
    assert told(world, NEWHAM, EDT).count("urgent_review_overdue") == 1
    assert ("urgent_unreviewed", ref) in await alarms(world, NEWHAM)
    newham = world.of(NEWHAM)
    await urgent_review.keep(newham.node, newham.caller(EDT), ref, Keep.THREAT_CONTINUES)
    assert ("urgent_unreviewed", ref) not in await alarms(world, NEWHAM)


async def test_a_missed_review_climbs_the_ladder_until_somebody_reviews(world: World) -> None:
    newham = world.of(NEWHAM)
    roles = {"duty": Role("duty", "test"), "head": Role("head", "test")}
    newham.node = replace(newham.node, ladders=Ladders(roles, {"": ("duty", "head")}))
    ref = await send(world, example())
    await until(world, SATURDAY + REVIEW + 4 * HOUR)

    async def called() -> list[tuple[str, str]]:
        rows = await newham.node.store.read(lambda tx: tx.pages(ref=ref))
        return sorted((row.code, row.role) for row in rows if row.code == "urgent_unreviewed")

    assert await called() == [("urgent_unreviewed", "duty")]
    await until(world, add_working_days(world.clock.now(), 1))
    assert await called() == [("urgent_unreviewed", "duty"), ("urgent_unreviewed", "head")]
    await urgent_review.keep(newham.node, newham.caller(EDT), ref, Keep.THREAT_CONTINUES)
    await until(world, add_working_days(world.clock.now(), 1))
    assert len(await called()) == 2


async def test_what_is_kept_urgent_is_reviewed_again_after_another_72_hours(world: World) -> None:
    ref = await send(world, example())
    newham = world.of(NEWHAM)
    world.clock.advance(10 * HOUR)
    kept = await urgent_review.keep(newham.node, newham.caller(EDT), ref, Keep.SUSPECTS_AT_LARGE)
    assert kept.review_by == SATURDAY + 10 * HOUR + REVIEW
    await until(world, kept.review_by - 1)
    assert "urgent_review_due" not in told(world, NEWHAM, EDT)
    await until(world, kept.review_by)
    assert told(world, NEWHAM, EDT).count("urgent_review_due") == 1
    rows = await newham.node.store.read(lambda tx: tx.access_rows(0, 500))
    assert "URGENT_KEPT_SUSPECTS_AT_LARGE" in [row.justification for _, row in rows]


async def both(world: World, ref: str) -> dict[str, set[tuple[str, int, int]]]:
    return {
        area: {
            (role, leg.acknowledge_by, leg.decide_by)
            for role, leg in (await world.of(area).legs(ref)).items()
        }
        for area in (NEWHAM, HILLINGDON)
    }


async def test_a_downgrade_moves_the_deadlines_of_both_nodes_alike(world: World) -> None:
    ref = await send(world, example())
    newham, hillingdon = world.of(NEWHAM), world.of(HILLINGDON)
    police = (await hillingdon.legs(ref))["police"]
    await hillingdon.answer("police", police.id)
    await until(world, SATURDAY + 3 * HOUR)  # every acknowledgement is late, no decision is
    at = world.clock.now()
    await urgent_review.downgrade(newham.node, newham.caller(EDT), ref)
    await world.settle()
    found = await both(world, ref)
    assert found[NEWHAM] == found[HILLINGDON]
    due, standard = softened(SATURDAY, at), deadlines("STANDARD", SATURDAY)
    assert (due.acknowledge_by, due.decide_by) == (SUNDAY_0040, standard.decide_by)
    for role, acknowledge_by, decide_by in found[NEWHAM]:
        urgent_decision = SATURDAY + 4 * HOUR
        assert acknowledge_by == SUNDAY_0040
        assert decide_by == (urgent_decision if role == "police" else standard.decide_by)
    assert told(world, HILLINGDON, "housing").count("downgraded") == 1
    assert told(world, HILLINGDON, "police").count("downgraded") == 0
    for area in (NEWHAM, HILLINGDON):
        legs = await world.of(area).legs(ref)
        rows = await world.of(area).node.store.read(lambda tx, legs=legs: tx.history(legs["housing"].id))
        assert [row.event for row in rows].count("downgraded") == 1


async def test_a_downgrade_that_overtakes_the_receipt_gives_the_same_deadlines(world: World) -> None:
    """The origin learns of the receipt after it has downgraded."""
    newham, hillingdon = world.of(NEWHAM), world.of(HILLINGDON)
    made = await newham.submit(example(), role=EDT)
    await newham.turn()
    world.clock.advance(60)
    await world.deliver_mail(hillingdon)  # received, and the receipt is not sent yet
    world.clock.advance(3 * HOUR)
    await urgent_review.downgrade(newham.node, newham.caller(EDT), made.ref)
    await world.settle()
    found = await both(world, made.ref)
    assert found[NEWHAM] == found[HILLINGDON]
    assert {line[1:] for line in found[NEWHAM]} == {tuple(softened(SATURDAY + 60, world.clock.now()))}


async def test_a_downgrade_that_arrives_before_the_handover_counts_for_it(world: World) -> None:
    newham, hillingdon = world.of(NEWHAM), world.of(HILLINGDON)
    made = await newham.submit(example(), role=EDT)
    ref = made.ref
    at = SATURDAY + HOUR
    world.clock.advance(HOUR)
    await newham.node.store.write(
        lambda tx: control.tell(tx, newham.node, HILLINGDON, {"downgrade": {"handover": ref, "at": at}}, at)
    )
    await hillingdon.node.store.write(
        lambda tx: urgent_review.hear(
            tx,
            hillingdon.node,
            control.Came(NEWHAM, _statement(at), at),
            {"handover": ref, "at": at},
        )
    )
    await world.settle()
    legs = await hillingdon.legs(ref)
    assert {leg.decide_by for leg in legs.values()} == {deadlines("STANDARD", at).decide_by}


class _statement:  # noqa: N801 - stands for a signed statement of that second
    def __init__(self, created: int) -> None:
        self.created = created


async def test_a_downgrade_is_said_again_to_a_node_that_was_away_for_a_week(world: World) -> None:
    ref = await send(world, example())
    newham, hillingdon = world.of(NEWHAM), world.of(HILLINGDON)
    world.clock.advance(HOUR)
    at = world.clock.now()
    await urgent_review.downgrade(newham.node, newham.caller(EDT), ref)
    for _ in range(7):  # Hillingdon takes nothing: what was said lives three days
        world.clock.advance(DAY)
        await newham.turn()
        world.broker.purge(HILLINGDON) if hasattr(world.broker, "purge") else None
    await world.settle()
    found = await both(world, ref)
    assert found[NEWHAM] == found[HILLINGDON]
    assert {line[1:] for line in found[HILLINGDON]} == {tuple(softened(SATURDAY, at))}
    row = await hillingdon.node.store.read(lambda tx: tx.urgent(ref))
    assert row is not None
    assert row.downgraded == at


async def test_nobody_else_downgrades_and_nobody_twice(world: World) -> None:
    ref = await send(world, example())
    newham, hillingdon = world.of(NEWHAM), world.of(HILLINGDON)
    for borough, role in ((newham, "police"), (hillingdon, EDT)):
        with pytest.raises(NotFound):
            await urgent_review.downgrade(borough.node, borough.caller(role), ref)
    await urgent_review.downgrade(newham.node, newham.caller(EDT), ref)
    with pytest.raises(Conflict) as caught:
        await urgent_review.keep(newham.node, newham.caller(EDT), ref, Keep.THREAT_CONTINUES)
    assert caught.value.code == "downgraded"


async def test_a_peer_downgrades_its_own_handovers_alone(world: World) -> None:
    ref = await send(world, example())
    hillingdon, newham = world.of(HILLINGDON), world.of(NEWHAM)
    before = await both(world, ref)
    now = world.clock.now()
    told_of = {"downgrade": {"handover": ref, "at": now}}
    await hillingdon.node.store.write(lambda tx: control.tell(tx, hillingdon.node, NEWHAM, told_of, now))
    future = {"downgrade": {"handover": ref, "at": now + DAY}}
    await newham.node.store.write(lambda tx: control.tell(tx, newham.node, HILLINGDON, future, now))
    await world.settle()
    assert await both(world, ref) == before
    for borough in (newham, hillingdon):
        row = await borough.node.store.read(lambda tx: tx.urgent(ref))
        assert row is not None
        assert row.downgraded == 0


async def test_a_new_version_that_is_not_urgent_is_a_downgrade_and_one_that_is_takes_it_back(
    world: World,
) -> None:
    ref = await send(world, example())
    calm = example(2, completeness="COMPLETE_FOR_PURPOSE")
    calm["message"]["urgency"] = "STANDARD"
    await send(world, calm, "k2")
    newham = world.of(NEWHAM)
    row = await newham.node.store.read(lambda tx: tx.urgent(ref))
    assert row is not None
    assert row.downgraded == SATURDAY
    world.clock.advance(60)
    await send(world, example(3, completeness="COMPLETE_FOR_PURPOSE"), "k3")
    row = await newham.node.store.read(lambda tx: tx.urgent(ref))
    assert row is not None
    assert (row.downgraded, row.review_by) == (0, SATURDAY + 60 + REVIEW)


# --- figures --------------------------------------------------------------------------------------------


async def test_misuse_counts_what_was_downgraded_or_had_no_named_trigger(world: World) -> None:
    newham = world.of(NEWHAM)
    refs = []
    for number, trigger in enumerate(("SHOOTING", "OTHER_EVIDENCED", "OTHER_EVIDENCED", "STABBING")):
        document = example()
        document["message"]["handover_id"] = f"HO-{NEWHAM}-2026-00100{number}"
        document["urgent"]["trigger"] = trigger
        refs.append(await send(world, document, f"k{number}"))
    for ref in refs[2:]:
        await urgent_review.downgrade(newham.node, newham.caller(EDT), ref)
    found = await newham.node.store.read(lambda tx: urgent.misuse(tx, SATURDAY, SATURDAY + 1))
    assert (found.moves, found.downgraded, found.other, found.suspect) == (4, 2, 2, 3)
    later = await newham.node.store.read(lambda tx: urgent.misuse(tx, SATURDAY, SATURDAY + REVIEW + 1))
    assert later.unreviewed == 2
    none = await newham.node.store.read(lambda tx: urgent.misuse(tx, 0, SATURDAY))
    assert none == replace(found, moves=0, downgraded=0, other=0, suspect=0, unauthorised=0)
    peer = await world.of(HILLINGDON).node.store.read(lambda tx: urgent.misuse(tx, 0, SATURDAY + DAY))
    assert peer.moves == 0
