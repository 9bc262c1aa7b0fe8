"""What has not arrived: its sender is told when, and what to do; and what may not be sent any more ends."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway.flows import dispatch, outgoing, show
from gateway.flows.undelivered import may_go_again
from gateway.ports import HandoverRow, LegEvent, Outbound, Parcel, Side, Transaction
from gateway.testing.anywhere import boroughs
from gateway.testing.boroughs import BEXLEY, START, Borough, World
from gateway.testing.pager import LADDERS, hang
from schemas.samples import example_text

MINUTE, HOUR, DAY = 60, 3600, 86_400
LIFE = 72 * HOUR
NEWHAM, HILLINGDON = "E09000025", "E09000017"
SATURDAY = 1_796_510_400
"""2026-12-05 22:40 in London."""


@pytest.fixture
async def night() -> AsyncIterator[World]:
    async with boroughs(NEWHAM, HILLINGDON, at=SATURDAY) as opened:
        yield opened


async def sent(world: World, document: Any, role: str = "community_safety") -> str:
    """Handed in and published; the other side is switched off."""
    ref = (await world.hackney.submit(document, role=role)).ref
    await alone(world)
    return ref


async def alone(world: World) -> None:
    """The sender's pumps, until nothing moves."""
    for _ in range(20):
        if not await world.hackney.turn():
            return
    raise RuntimeError


async def passes(world: World, seconds: int, step: int = 0) -> None:
    end = world.clock.now() + seconds
    while world.clock.now() < end:
        world.clock.advance(min(step or seconds, end - world.clock.now()))
        await alone(world)


def news(borough: Borough, role: str = "housing") -> list[dict[str, Any]]:
    return [dict(view.content) for _, view in borough.desks[role].given if view.kind is Parcel.STATUS]


async def alarms(borough: Borough) -> list[tuple[str, str, str]]:
    rows = await borough.node.store.read(lambda tx: tx.alarms())
    codes = {"peer_unreachable", "undelivered"}
    return [(row.code, row.peer, row.subject) for row in rows if row.code in codes]


async def test_after_four_hours_the_sender_is_told_when_and_what_next_and_it_ends_when_heard_again(
    world: World, document: Any
) -> None:
    ref = await sent(world, document)
    await passes(world, 4 * HOUR - 1)
    assert (news(world.hackney), await alarms(world.hackney)) == ([], [])
    await passes(world, 1)
    (told,) = news(world.hackney)
    assert (told["event"], told["state"], told["at"]) == ("undelivered", "TRANSMITTED", START + 4 * HOUR)
    assert "telephone" in told["next_step"]
    assert await alarms(world.hackney) == [("peer_unreachable", BEXLEY, "")]
    await passes(world, HOUR, 600)
    assert len(news(world.hackney)) == 1

    await world.settle()  # Bexley is switched on again
    assert [one["event"] for one in news(world.hackney)][1:] == ["received", "opened"]
    world.clock.advance(1)
    await world.bexley.answer("housing", (await world.bexley.legs(ref))["housing"].id, "RECEIVED")
    await world.settle()
    assert await alarms(world.hackney) == []


async def test_an_urgent_one_after_ten_minutes_with_a_call_every_half_hour(night: World) -> None:
    ladder = LADDERS.ladders[""]
    bell = hang(night.hackney, replace(LADDERS, ladders={"housing": ladder}))
    await sent(night, json.loads(example_text("urgent")), "childrens_social_care")
    await passes(night, 10 * MINUTE - 1)
    assert news(night.hackney) == []
    await passes(night, 1)
    assert [one["event"] for one in news(night.hackney)] == ["undelivered"]
    await passes(night, HOUR, 10 * MINUTE)
    assert [page.role for page in bell.rung if page.code == "deliver"] == [*ladder]
    await night.settle()
    rung = len(bell.rung)
    await passes(night, 30 * MINUTE, 10 * MINUTE)
    assert [page.code for page in bell.rung[rung:]].count("deliver") == 0


async def test_many_legs_of_one_handover_are_one_call(world: World, document: Any) -> None:
    bell = hang(world.hackney)
    await sent(world, document)
    await passes(world, 4 * HOUR)
    assert [page.role for page in bell.rung] == ["duty_officer"]
    assert len(news(world.hackney, "police")) == len(news(world.hackney, "dwp")) == 1


async def test_a_peer_that_speaks_and_does_not_take_it_is_another_alarm(world: World, document: Any) -> None:
    """Its heartbeats come, so it is not unreachable; this handover has not arrived all the same."""
    ref = await sent(world, document)
    await passes(world, 4 * HOUR - 1)

    def heard(tx: Transaction) -> None:
        row = tx.stream(BEXLEY, outgoing=True)
        assert row is not None
        tx.put_stream(replace(row, outgoing=False, at=START + HOUR))

    await world.hackney.node.store.write(heard)
    await passes(world, 1)
    assert await alarms(world.hackney) == [("undelivered", BEXLEY, f"{ref} 1")]
    legs = await world.hackney.legs(ref)

    def arrived(tx: Transaction) -> None:
        for leg in legs.values():
            line = LegEvent(leg.id, START, "received", leg.state, "DELIVERED", leg.principal)
            tx.advance_leg(leg.id, leg.state, "DELIVERED", line)

    elsewhere = replace(legs["housing"], id="f" * 32, principal="E09000033/housing")  # another tier's
    await world.hackney.node.store.write(lambda tx: tx.put_leg(elsewhere))
    await alone(world)
    assert await alarms(world.hackney) == [("undelivered", BEXLEY, f"{ref} 1")]
    await world.hackney.node.store.write(arrived)
    await alone(world)
    assert await alarms(world.hackney) == []


async def test_a_peer_that_fell_silent_before_it_was_sent_is_unreachable_until_its_next_word(
    world: World, document: Any
) -> None:
    ref = await sent(world, document)

    def heard(moment: int) -> Callable[[Transaction], None]:
        def work(tx: Transaction) -> None:
            row = tx.stream(BEXLEY, outgoing=True)
            assert row is not None
            tx.put_stream(replace(row, outgoing=False, at=moment))

        return work

    await world.hackney.node.store.write(heard(START - HOUR))
    await passes(world, 5 * HOUR, HOUR)
    assert await alarms(world.hackney) == [("peer_unreachable", BEXLEY, "")]
    await world.hackney.node.store.write(heard(world.clock.now()))
    await alone(world)
    assert await alarms(world.hackney) == []
    assert (await world.hackney.legs(ref))["housing"].state == "TRANSMITTED"


async def test_what_has_arrived_in_time_is_not_spoken_of(world: World, document: Any) -> None:
    await world.hackney.submit(document)
    await world.settle()
    await passes(world, 5 * HOUR, HOUR)
    assert "undelivered" not in {one["event"] for one in news(world.hackney)}
    assert await alarms(world.hackney) == []


async def test_why_says_since_when_what_is_tried_next_and_whom_to_telephone(
    world: World, document: Any
) -> None:
    ref = await sent(world, document)
    await passes(world, HOUR, 60)
    contacts = {BEXLEY: "020 7946 0000, operators' desk"}
    found = await world.hackney.node.store.read(lambda tx: show.why(tx, show.find(tx, ref, None), contacts))
    await passes(world, 5 * HOUR, HOUR)  # told of in between, which moves nothing
    found = await world.hackney.node.store.read(lambda tx: show.why(tx, show.find(tx, ref, None), contacts))
    leg: Any = found[0]
    assert (leg["since"], leg["heard"]) == ("2026-11-24T10:05:00Z", None)
    assert leg["next_try"] > show.when(world.clock.now())
    assert leg["telephone"] == contacts[BEXLEY]
    await world.settle()
    found = await world.hackney.node.store.read(lambda tx: show.why(tx, show.find(tx, ref, None)))
    assert found[0]["heard"] == show.when(world.clock.now())  # type: ignore[index,call-overload]  # JSON


# --- the end of a message's life ------------------------------------------------------------------------


async def test_after_72_hours_it_is_sealed_again_and_its_sender_is_told_each_time(
    world: World, document: Any
) -> None:
    await sent(world, document)
    await passes(world, 2 * LIFE, HOUR)
    events = [one["event"] for one in news(world.hackney)]
    assert events == ["undelivered", "resealed", "resealed"]


@pytest.mark.parametrize("column", ["purge_after", "review_by"])
async def test_what_may_not_be_sent_any_more_expires_and_stays_with_the_origin(
    world: World, document: Any, column: str
) -> None:
    """R16, R17: its purge date, or a review in it, comes before its life ends."""
    ref = await sent(world, document)
    row = await world.hackney.node.store.read(lambda tx: tx.handover(ref))
    assert row is not None
    tables = world.hackney.node.store.memory.tables  # type: ignore[attr-defined]  # the memory store's own
    others = {"purge_after": 0, "review_by": 0}
    tables.handovers[row.id] = replace(row, **others | {column: START + LIFE - 2 * outgoing.MARGIN})
    old = (await world.hackney.legs(ref))["housing"].mid
    await passes(world, LIFE)
    leg = (await world.hackney.legs(ref))["housing"]
    assert (leg.state, leg.mid) == ("EXPIRED", old)
    assert show.who(leg) == leg.counterpart
    outbox = await world.hackney.node.store.read(lambda tx: tx.outbox_of(old))
    assert outbox is not None
    assert (outbox.state, outbox.error) == (Outbound.SETTLED, "expired")
    assert news(world.hackney)[-1]["event"] == "expired"
    (line, *_) = await world.hackney.node.store.read(lambda tx: show.why(tx, show.find(tx, ref, None)))
    assert "not sent again" in line["where"]  # type: ignore[index,call-overload]  # JSON
    await passes(world, LIFE, DAY)
    assert [one["event"] for one in news(world.hackney)].count("expired") == 1


def test_what_is_kept_until_a_second_may_not_be_sent_in_it(handover: HandoverRow) -> None:
    for end in ("purge_after", "review_by"):
        row = replace(handover, **{end: 100})
        assert [may_go_again(row, now) for now in (99, 100)] == [True, False]
    assert may_go_again(handover, 2**40)
    assert may_go_again(None, 2**40)


@pytest.fixture
def handover() -> HandoverRow:
    return HandoverRow("HO-1", 1, Side.ORIGIN, "", "", "STANDARD", "ISSUED", "", 1, 1)


async def test_what_no_key_is_left_for_is_undeliverable(world: World, document: Any) -> None:
    ref = await sent(world, document)
    old = (await world.hackney.legs(ref))["housing"].mid
    envelope = await world.hackney.node.store.read(lambda tx: tx.envelope(old))
    assert envelope is not None
    await world.hackney.node.store.write(
        lambda tx: tx.change_secrets(old, envelope.side, envelope.secrets, b"")
    )
    await passes(world, LIFE)
    assert {leg.state for leg in (await world.hackney.legs(ref)).values()} == {"UNDELIVERABLE"}
    assert news(world.hackney)[-1]["event"] == "undeliverable"


async def test_a_receipt_that_comes_as_it_is_given_up_wins(world: World, document: Any) -> None:
    """The outbox row was settled by the receipt: nothing of the leg is ended."""
    ref = await sent(world, document)
    row = await world.hackney.node.store.read(lambda tx: tx.handover(ref))
    assert row is not None
    mid = (await world.hackney.legs(ref))["housing"].mid
    outbox = await world.hackney.node.store.read(lambda tx: tx.outbox_of(mid))
    assert outbox is not None
    await world.settle()
    tables = world.hackney.node.store.memory.tables  # type: ignore[attr-defined]  # the memory store's own
    tables.handovers[row.id] = replace(row, purge_after=START)
    await dispatch.reseal.reseal(world.hackney.node, outbox)
    assert (await world.hackney.legs(ref))["housing"].state == "DELIVERED"


async def test_the_bounds_are_settings(world: World, document: Any) -> None:
    world.hackney.node = replace(
        world.hackney.node, ladders=replace(world.hackney.node.ladders, undelivered=60)
    )
    await sent(world, document)
    await passes(world, 60)
    assert [one["event"] for one in news(world.hackney)] == ["undelivered"]
