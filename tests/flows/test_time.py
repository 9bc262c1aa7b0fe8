"""What time does: deadlines, messages whose life ends unanswered, and a node that was away for days."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from gateway.core.deadlines import deadlines
from gateway.core.envelope import Kind
from gateway.core.receipts import make_receipt
from gateway.errors import Unavailable, UnknownRecipient
from gateway.flows import deliver, dispatch, outgoing, receive
from gateway.flows.receipts import about
from gateway.flows.vault import write_sections
from gateway.ports import Lane, Outbound, Parcel, ReceiptRow
from gateway.testing.boroughs import BEXLEY, HACKNEY, START, Borough, ManualClock, World, two_boroughs

HOUR, DAY = 3600, 86_400
LIFE = 72 * HOUR


def news(world: World, side: str, role: str) -> list[str]:
    desk = getattr(world, side).desks[role]
    told = [str(view.content["event"]) for _, view in desk.given if view.kind is Parcel.STATUS]
    return [event for event in told if event.startswith("overdue")]


async def test_a_deadline_fires_once_on_both_sides_and_tells_who_must_chase(
    world: World, document: Any, check_histories: Any
) -> None:
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    due = deadlines("STANDARD", START)
    leg = (await world.bexley.legs(ref))["dwp"]
    await world.bexley.answer("dwp", leg.id)  # it has answered: nothing of it is ever late
    police = (await world.bexley.legs(ref))["police"]
    await world.bexley.answer("police", police.id, "RECEIVED")  # in time, but it has not decided
    await world.settle()

    world.clock.advance(due.acknowledge_by - 1 - START)
    await world.settle()
    assert news(world, "hackney", "housing") == []
    world.clock.advance(1)
    for _ in range(3):
        await world.settle()
    assert news(world, "hackney", "housing") == ["overdue_acknowledge"]
    assert news(world, "bexley", "housing") == ["overdue_acknowledge"]

    world.clock.advance(due.decide_by - due.acknowledge_by)
    for _ in range(3):
        await world.settle()
    for side in ("hackney", "bexley"):
        assert news(world, side, "housing") == ["overdue_acknowledge", "overdue_decide"]
        assert news(world, side, "police") == ["overdue_decide"]
        assert news(world, side, "dwp") == []
        borough = getattr(world, side)
        assert (await borough.legs(ref))["housing"].overdue == "acknowledge,decide"
        await check_histories(borough, ref)


async def test_urgent_deadlines_run_in_hours(world: World, document: Any) -> None:
    """The clock of the leg, not of the office: two hours, at night as well."""
    assert deadlines("URGENT", START) == (START + 2 * HOUR, START + 4 * HOUR)
    assert Lane.URGENT in dispatch.URGENT
    assert Lane.URGENT not in dispatch.BULK


async def test_a_node_that_was_stopped_for_days_catches_up(
    world: World, document: Any, check_histories: Any
) -> None:
    """Both deadlines passed while nothing ran: each fires once, and an answer is still taken."""
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    world.clock.advance(13 * DAY)
    await world.settle()
    assert news(world, "hackney", "housing") == ["overdue_acknowledge", "overdue_decide"]
    leg = (await world.bexley.legs(ref))["housing"]
    await world.bexley.answer("housing", leg.id)
    await world.settle()
    after = (await world.hackney.legs(ref))["housing"]
    assert (after.state, after.overdue) == ("ACCEPTED", "acknowledge,decide")
    assert news(world, "hackney", "housing") == ["overdue_acknowledge", "overdue_decide"]
    for borough in world.boroughs:
        await check_histories(borough, ref)


async def test_deadlines_run_from_the_receiving_nodes_receipt_whatever_overtook_it(
    world: World, document: Any, answer_all: Any, check_all_accepted: Any
) -> None:
    """The agency's receipt comes an hour younger and first; both sides end with the same deadlines."""
    ref = (await world.hackney.submit(document)).ref
    await world.hackney.turn()
    await world.deliver_mail(world.bexley)
    await dispatch.pack(world.bexley.node)  # "received", in an envelope of its own
    await dispatch.dispatch(world.bexley.node, dispatch.BULK)
    first = await world.next_delivery(world.hackney, Lane.RECEIPTS)
    assert first is not None
    world.clock.advance(15 * HOUR)  # the next day in London: another working day to count from
    for binding in world.bexley.node.agencies.values():
        await deliver.deliver(world.bexley.node, binding)
    await dispatch.pack(world.bexley.node)
    store, police = world.bexley.node.store, f"{BEXLEY}/police"
    (opened,) = await store.read(lambda tx: tx.receipts(by=police))
    carrier = await store.read(lambda tx: tx.envelope(opened.sent_in))
    assert carrier is not None
    await receive.accept(world.hackney.node, carrier.body)  # it alone: what waits in the queue comes later
    early = (await world.hackney.legs(ref))["police"]
    assert early.delivered == early.opened == START + 15 * HOUR
    await first.release()
    await world.settle()
    legs = [(await borough.legs(ref))["police"] for borough in world.boroughs]
    clocks = [
        await borough.node.store.read(lambda tx, leg=leg: tx.timers(leg.id))
        for borough, leg in zip(world.boroughs, legs, strict=True)
    ]
    unfired = [{(row.kind, row.step, row.due) for row in rows if not row.fired} for rows in clocks]
    assert unfired[0] == unfired[1] != set()
    await answer_all(world, ref)
    await world.settle()
    await check_all_accepted(world, ref)


# --- messages whose life ends -----------------------------------------------------------------------


async def _undelivered(world: World, document: Any) -> tuple[str, Any]:
    """Published, and the broker loses it: Bexley never sees the first message."""
    ref = (await world.hackney.submit(document)).ref
    await world.hackney.turn()
    lost = await world.next_delivery(world.bexley, Lane.STANDARD)
    assert lost is not None
    return ref, lost


async def test_unanswered_to_the_end_of_its_life_it_is_sealed_again(
    document: Any, answer_all: Any, check_all_accepted: Any
) -> None:
    async with two_boroughs() as world:
        ref, lost = await _undelivered(world, document)
        old = (await world.hackney.legs(ref))["police"].mid
        await lost.ack()
        world.clock.advance(LIFE - outgoing.MARGIN)
        await world.hackney.turn()
        fresh = (await world.hackney.legs(ref))["police"].mid
        assert fresh != old
        before, after = await world.hackney.node.store.read(lambda tx: (tx.envelope(old), tx.envelope(fresh)))
        assert before is not None
        assert after is not None
        assert (after.stream, after.seq) == (before.stream, before.seq + 1)
        assert (after.ref, after.version, after.peer) == (before.ref, before.version, before.peer)
        assert after.expires == world.clock.now() + LIFE
        settled = await world.hackney.node.store.read(lambda tx: tx.outbox_of(old))
        assert settled is not None
        assert (settled.state, settled.error) == (Outbound.SETTLED, "expired")
        await world.settle()
        await answer_all(world, ref)
        await world.settle()
        await check_all_accepted(world, ref)


async def test_what_both_lives_brought_is_one_task_and_all_receipts_count(
    document: Any, answer_all: Any, check_all_accepted: Any
) -> None:
    """Bexley had the first all along; only its receipts were lost. It answers about both."""
    async with two_boroughs() as world:
        ref, first = await _undelivered(world, document)
        await first.release()
        await world.deliver_mail(world.bexley)
        world.clock.advance(LIFE - outgoing.MARGIN)  # nothing has come back until now
        await world.hackney.turn()
        assert (await world.hackney.legs(ref))["police"].mid != (await world.bexley.legs(ref))["police"].mid
        await world.settle()
        await answer_all(world, ref)
        await world.settle()
        await check_all_accepted(world, ref)


async def test_receipts_are_settled_by_what_the_peer_says_it_has_seen(
    world: World, document: Any, answer_all: Any
) -> None:
    """Receipts are never receipted: Hackney's next words say how far it has read, and Bexley falls silent."""
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    assert (await world.bexley.node.store.read(lambda tx: tx.counts()))["outbox.published"] > 0
    await answer_all(world, ref)
    await world.settle()
    counts = await world.bexley.node.store.read(lambda tx: tx.counts())
    assert (counts["outbox.waiting"], counts["outbox.published"]) == (0, 0)


async def test_receipts_whose_envelope_died_are_packed_again(
    document: Any, answer_all: Any, check_all_accepted: Any
) -> None:
    async with two_boroughs() as world:
        ref = (await world.hackney.submit(document)).ref
        await world.hackney.turn()
        await world.deliver_mail(world.bexley)
        for _ in range(3):
            await world.bexley.turn()
        while lost := await world.next_delivery(world.hackney, Lane.RECEIPTS):
            await lost.ack()
        world.clock.advance(LIFE)
        await world.settle()
        assert (await world.hackney.legs(ref))["police"].opened
        await answer_all(world, ref)
        await world.settle()
        await check_all_accepted(world, ref)


async def test_a_late_refusal_of_the_first_life_does_not_undo_the_second(world: World, document: Any) -> None:
    """Bexley refuses the old message (its key was gone for a while) after it took the new one."""
    ref, first = await _undelivered(world, document)
    await first.ack()
    old = (await world.hackney.legs(ref))["police"].mid
    world.clock.advance(LIFE - outgoing.MARGIN)
    await world.settle()
    row = await world.hackney.node.store.read(lambda tx: tx.envelope(old))
    assert row is not None
    told = replace(about(row), sender=f"{HACKNEY}/node")
    node = world.bexley.node
    note = make_receipt(
        node.keys.signer(node.principal),
        net=node.network.net,
        about=told,
        at=world.clock.now(),
        state="refused",
        code="not_hosted",
    ).note
    body = write_sections({"receipts": [note.decode()]})
    sending = outgoing.seal(
        node,
        kind=Kind.RECEIPTS,
        to=HACKNEY,
        lane=Lane.RECEIPTS,
        priority=0,
        readers={},
        contents=[body],
        now=world.clock.now(),
    )
    await node.store.write(lambda tx: outgoing.store(tx, node, sending, world.clock.now()))
    await world.settle()
    assert {leg.state for leg in (await world.hackney.legs(ref)).values()} == {"DELIVERED"}


@pytest.mark.parametrize("why", ["no key", "directory"])
async def test_what_cannot_be_sealed_again_waits_and_stops_nobody(document: Any, why: str) -> None:
    """One peer's card ran out, or our directory did: the pump goes on, and the row is tried again."""
    clock = ManualClock()
    async with two_boroughs(clock=clock) as world:
        ref, lost = await _undelivered(world, document)
        await lost.ack()
        real = outgoing.seal

        def without(node: Any, **kwargs: Any) -> Any:
            if why == "directory":
                raise Unavailable("expired", code="directory_expired")
            raise UnknownRecipient("no key", code="no_valid_key")

        clock.advance(LIFE - outgoing.MARGIN)
        outgoing.seal = without
        try:
            await dispatch.dispatch(world.hackney.node, dispatch.BULK)
        finally:
            outgoing.seal = real
        mid = (await world.hackney.legs(ref))["police"].mid
        row = await world.hackney.node.store.read(lambda tx: tx.outbox_of(mid))
        assert row is not None
        assert row.error in {"no_valid_key", "directory_expired"}
        assert row.due > clock.now()
        clock.advance(row.due - clock.now())
        await world.settle()
        assert {leg.state for leg in (await world.bexley.legs(ref)).values()} == {"DELIVERED"}


@asynccontextmanager
async def one_signed(document: Any) -> AsyncIterator[tuple[World, ReceiptRow]]:
    """Bexley has received a handover, and its one receipt for that waits to be packed."""
    async with two_boroughs() as world:
        await world.hackney.submit(document)
        await world.hackney.turn()
        await world.deliver_mail(world.bexley)
        (good,) = await world.bexley.node.store.read(lambda tx: tx.unsent_receipts(9))
        yield world, good


async def test_receipts_for_a_peer_without_a_key_hold_up_no_other(document: Any) -> None:
    """More than one pack of unsealable receipts is older than the one that can go."""
    async with one_signed(document) as (world, good):
        store = world.bexley.node.store

        def flood(tx: Any) -> None:
            for number in range(dispatch.PACK * 2):
                other = replace(good, id=f"{number:032x}", hash=number.to_bytes(32), peer="E09000033")
                tx.put_receipt(other)

        tables = store.memory.tables  # type: ignore[attr-defined]  # the memory store's own
        tables.receipts.clear()
        await store.write(flood)
        await store.write(lambda tx: tx.put_receipt(good))
        assert await dispatch.pack(world.bexley.node) == 1
        unsent = await store.read(lambda tx: tx.unsent_receipts(999))
        assert {row.peer for row in unsent} == {"E09000033"}
        assert good.peer == HACKNEY
        assert world.bexley.area == BEXLEY


async def test_it_looks_past_those_that_cannot_go_until_a_pack_is_full(
    document: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer than a pack says that there are no more; the pump waits then."""
    monkeypatch.setattr(dispatch, "PACK", 2)
    async with one_signed(document) as (world, good):
        store = world.bexley.node.store
        other = "E09000033"

        def line(tx: Any) -> None:
            for number, peer in enumerate([other, HACKNEY, other, other, other, other, HACKNEY, HACKNEY]):
                tx.put_receipt(replace(good, id=f"{number:032x}", hash=number.to_bytes(32), peer=peer))

        store.memory.tables.receipts.clear()  # type: ignore[attr-defined]  # the memory store's own
        await store.write(line)
        assert await dispatch.pack(world.bexley.node) >= 2
        await dispatch.pack(world.bexley.node)
        assert await dispatch.pack(world.bexley.node) == 0
        unsent = await store.read(lambda tx: tx.unsent_receipts(99))
        assert {row.peer for row in unsent} == {other}


class Wrong(ManualClock):
    """One node's own clock: the world's, and ``by`` seconds wrong."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world, self.by = world, 0

    def now(self) -> int:
        return self.world.clock.now() + self.by


async def _signed_ahead(world: World, document: Any) -> tuple[str, str]:
    """Bexley's clock is two hours ahead while the police open their part, and right again before that has
    left. Returns the handover and the police's leg."""
    clock = Wrong(world)
    world.bexley = Borough(replace(world.bexley.node, clock=clock), world.bexley.desks)
    ref = (await world.hackney.submit(document)).ref
    await world.hackney.turn()
    await world.deliver_mail(world.bexley)
    clock.by = 2 * HOUR
    police = f"{BEXLEY}/police"
    assert await deliver.deliver(world.bexley.node, world.bexley.node.agencies[police])
    clock.by = 0
    return ref, (await world.bexley.legs(ref))["police"].id


async def test_what_was_signed_while_a_clock_was_ahead_arrives_when_its_time_has_come(
    document: Any, check_histories: Any
) -> None:
    """Sent at once it would be refused, alone, out of an envelope that is answered, and never come again."""
    async with two_boroughs() as world:
        ref, leg = await _signed_ahead(world, document)
        await world.bexley.answer("police", leg)
        await world.settle()
        assert not (await world.hackney.legs(ref))["police"].opened
        assert (await world.hackney.legs(ref))["dwp"].opened, "nobody else waits for it"

        world.clock.advance(2 * HOUR)
        await world.settle()
        assert (await world.hackney.legs(ref))["police"].state == "ACCEPTED"
        mid = (await world.hackney.legs(ref))["police"].mid
        signed = await world.bexley.node.store.read(lambda tx: tx.receipts(mid=mid, by=f"{BEXLEY}/police"))
        taken = await world.hackney.node.store.read(lambda tx: tx.receipts(mid=mid, by=f"{BEXLEY}/police"))
        assert {row.hash for row in taken if row.applied} == {row.hash for row in signed}
        await check_histories(world.hackney, ref)


async def test_what_was_sent_while_a_clock_was_ahead_is_taken_when_its_time_has_come(
    document: Any, answer_all: Any, check_all_accepted: Any
) -> None:
    """Put aside as from the future, the last of its stream too: nobody has to ask, it is published again."""
    async with two_boroughs() as world:
        clock = Wrong(world)
        world.bexley = Borough(replace(world.bexley.node, clock=clock), world.bexley.desks)
        ref = (await world.hackney.submit(document)).ref
        await world.hackney.turn()
        await world.deliver_mail(world.bexley)
        clock.by = 2 * HOUR
        await world.bexley.turn()
        await answer_all(world, ref)
        for _ in range(3):
            await world.bexley.turn()
            await world.deliver_mail(world.hackney)
        assert world.broker.quarantined(HACKNEY)
        assert not (await world.hackney.legs(ref))["police"].delivered

        clock.by = 0
        world.clock.advance(2 * HOUR)
        for _ in range(2):
            world.clock.advance(world.bexley.node.pace.resend)
            await world.settle()
        await check_all_accepted(world, ref)
        assert not await world.hackney.node.store.read(lambda tx: tx.gaps())


async def test_an_envelope_is_never_older_than_the_receipts_that_it_carries(document: Any) -> None:
    """A clock that jumps between the signing and the packing: what is in one envelope is taken as one."""
    async with two_boroughs() as world:
        await _signed_ahead(world, document)
        await dispatch.pack(world.bexley.node)
        waiting = await world.bexley.node.store.read(lambda tx: tx.unsent_receipts(100))
        assert [(row.by, row.state) for row in waiting] == [(f"{BEXLEY}/police", "opened")]
        world.clock.advance(2 * HOUR - 1)
        assert not await dispatch.pack(world.bexley.node)
        world.clock.advance(1)
        assert await dispatch.pack(world.bexley.node) == 1


async def test_no_receipt_is_dated_before_its_message_when_a_clock_goes_back(
    document: Any, answer_all: Any, check_all_accepted: Any
) -> None:
    """By more than two honest clocks may differ: the peer would refuse it, and never have an answer."""
    async with two_boroughs() as world:
        clock = Wrong(world)
        world.bexley = Borough(replace(world.bexley.node, clock=clock), world.bexley.desks)
        ref = (await world.hackney.submit(document)).ref
        await world.hackney.turn()
        await world.deliver_mail(world.bexley)
        await world.bexley.turn()
        clock.by = -HOUR
        await answer_all(world, ref)
        await world.settle()
        clock.by = 0
        for _ in range(2):
            world.clock.advance(world.bexley.node.pace.resend)
            await world.settle()
        await check_all_accepted(world, ref)
