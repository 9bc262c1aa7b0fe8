"""What could not be taken in: from the broker's shelves into the table, and what a person does with it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from gateway.core.envelope import bundle
from gateway.errors import Conflict, Forged, Misconfigured, NotAllowed, NotFound, Refused, Unavailable
from gateway.flows import accounts, held, held_acts
from gateway.flows.held_acts import By
from gateway.ports import HeldRow, Holding, Lane, Outgoing, Place, Shelf, Task
from gateway.testing.boroughs import BEXLEY, HACKNEY, World, two_boroughs
from tests.flows.test_hostile import _raw

ME = By("operator-7", "told their operator on Monday")
Dump = Callable[[Any], Mapping[str, Any]]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with two_boroughs() as made:
        yield made


async def put(world: World, *bodies: bytes, lane: Lane = Lane.STANDARD) -> None:
    for body in bodies:
        await world.hackney.node.transport.publish(Outgoing(BEXLEY, lane, body, secrets.token_hex(8)))
    await world.deliver_mail(world.bexley)


async def rows(world: World) -> list[HeldRow]:
    return list(await world.bexley.node.store.read(lambda tx: tx.held(99)))


async def leaves(world: World) -> list[str]:
    found = await world.bexley.node.store.read(lambda tx: tx.log(0, 999))
    return [leaf.decode() for _, leaf in found if b'"t":"held"' in leaf]


async def test_garbage_stands_once_sealed_with_its_code_and_its_sender(world: World) -> None:
    await put(world, b"Jane Roe, 14 Dalston Lane", lane=Lane.URGENT)
    await put(world, b"Jane Roe, 14 Dalston Lane", lane=Lane.URGENT)
    assert await held.collect(world.bexley.node) == 2
    (row,) = await rows(world)
    assert (row.place, row.code, row.lane, row.peer) == (Place.QUARANTINE, "truncated", Lane.URGENT, HACKNEY)
    assert (row.size, row.count, row.state) == (25, 2, Holding.HELD)
    assert b"Jane" not in row.body
    assert held.body_of(world.bexley.node.keys, row) == b"Jane Roe, 14 Dalston Lane"
    assert await held.collect(world.bexley.node) == 0
    assert not world.broker.quarantined(BEXLEY)


async def test_what_is_not_committed_lies_on_its_shelf_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(world, b"one", b"two")

    async def full(_: Any) -> None:
        raise Unavailable("no", code="store_full")

    with monkeypatch.context() as broken:
        broken.setattr(world.bexley.node.store, "write", full)
        with pytest.raises(Unavailable):
            await held.collect(world.bexley.node)
    assert world.broker.quarantined(BEXLEY) == [b"one", b"two"]
    assert await held.collect(world.bexley.node) == 2
    assert len(await rows(world)) == 2


async def test_a_flood_stays_on_the_shelf_once_the_table_is_full(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "ROWS", 3)
    node = world.bexley.node
    await put(world, *(b"garbage %d" % number for number in range(9)))
    for _ in range(4):
        await held.collect(node)
    assert len(await rows(world)) == 3
    assert len(world.broker.quarantined(BEXLEY)) == 6
    alarms = await node.store.read(lambda tx: tx.alarms())
    assert [(row.code, row.peer) for row in alarms] == [(held.FULL, BEXLEY)]
    for row in await rows(world):
        await held_acts.discard(node, ME, row.id)
    while await held.collect(node):
        pass
    assert len([row for row in await rows(world) if row.state is Holding.HELD]) == 3
    assert len(world.broker.quarantined(BEXLEY)) == 3


async def test_too_many_bytes_are_full_as_well(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "BYTES", 100)
    await put(world, *(bytes([number]) * 60 for number in range(5)))
    while await held.collect(world.bexley.node):
        pass
    assert len(await rows(world)) == 2
    assert len(world.broker.quarantined(BEXLEY)) == 3


async def test_what_finds_no_room_in_a_bundle_stays_with_the_broker_and_the_good_ones_are_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = await _raw(world, seq=1)
    with monkeypatch.context() as small:
        small.setattr(held, "ROWS", 0)
        await put(world, bundle([good, b"garbage"]))
        assert not await rows(world)
        assert len(world.broker.quarantined(BEXLEY)) == 1
    await world.settle()
    assert len(world.bexley.desks["police"].given) == 1
    await held.collect(world.bexley.node)
    (row,) = await rows(world)
    assert (row.place, row.code) == (Place.QUARANTINE, "truncated")


async def test_poison_is_held_unopened_with_an_alarm(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    good = await _raw(world, seq=1)
    await world.hackney.node.transport.publish(Outgoing(BEXLEY, Lane.STANDARD, good, "x"))
    world.broker.stop(BEXLEY, Lane.STANDARD)

    def deadly(*_: Any) -> Any:
        raise AssertionError("it was looked into")

    node = world.bexley.node
    with monkeypatch.context() as poisoned:
        poisoned.setattr(held, "prove", deadly)
        poisoned.setattr(held, "split", deadly)
        await held.collect(node)
        (row,) = await rows(world)
        assert row.code == held.DELIVERY_LIMIT
        assert (await held_acts.show(node, row.id))["now"] == held_acts.NOT_TRIED
        assert await held_acts.retry_all(node, ME) == []
    assert [alarm.code for alarm in await node.store.read(lambda tx: tx.alarms())] == [held.POISON]
    assert (await held_acts.retry(node, ME, row.id)).code == held_acts.TAKEN
    await world.settle()
    assert len(world.bexley.desks["police"].given) == 1


async def test_a_fault_in_judging_is_a_code_and_no_end_of_the_node(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    await put(world, b"garbage")
    monkeypatch.setattr(held, "prove", broken)
    await held.collect(world.bexley.node)
    assert [row.code for row in await rows(world)] == [held.UNFORESEEN]


async def test_what_came_back_is_nobodys_proof_of_anything(
    world: World, document: Mapping[str, Any], dump: Dump
) -> None:
    """Ours: the outbox goes on by itself. Not ours, or one byte of it changed: held, and never taken in."""
    hackney = world.hackney.node
    await world.hackney.submit(document)
    await world.hackney.turn()
    lane = next(lane for lane in Lane if world.broker.waiting(BEXLEY, lane))
    world.broker.expire(BEXLEY, lane)
    shelf = world.broker.shelf(HACKNEY, Shelf.RETURNED)
    assert shelf
    ours = shelf[0]
    before = dump(world.hackney)
    assert await held.collect(hackney)
    assert dump(world.hackney) == before
    changed = ours.message.body[:-1] + bytes((ours.message.body[-1] ^ 1,))
    shelf.append(replace(ours, message=replace(ours.message, body=changed)))
    await held.collect(hackney)
    (forged,) = await hackney.store.read(lambda tx: tx.held(9))
    assert (forged.place, forged.code) == (Place.RETURNED, held.NOT_OURS)
    await held_acts.discard(hackney, ME, forged.id)
    body = await _raw(world, seq=1)
    await hackney.transport.publish(Outgoing(BEXLEY, Lane.STANDARD, body, "x"))
    world.broker.expire(BEXLEY, Lane.STANDARD)
    await held.collect(hackney)
    (row,) = await hackney.store.read(lambda tx: tx.held_heads(9))
    assert (row.place, row.code) == (Place.RETURNED, held.NOT_OURS)
    assert (await held_acts.show(hackney, row.id))["now"] == held.NOT_OURS
    assert (await held_acts.retry(hackney, ME, row.id)).code == held.NOT_OURS
    assert (await held_acts.discard(hackney, ME, row.id)).done


async def test_looking_changes_nothing_and_says_what_is_wrong_now(
    world: World, dump: Dump, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, good = world.bexley.node, await _raw(world, seq=1)
    with monkeypatch.context() as wrong:

        def unknown(*_: Any) -> Any:
            raise Refused("not now", code="unknown_key")

        wrong.setattr(held, "prove", unknown)
        await put(world, good)
        await held.collect(node)
        (row,) = await rows(world)
        assert row.code == "unknown_key"
        assert (await held_acts.show(node, row.id))["now"] == "unknown_key"
        assert not (await held_acts.retry(node, ME, row.id)).done
    before = dump(world.bexley)
    shown = await held_acts.show(node, row.id)
    assert (shown["code"], shown["now"]) == ("unknown_key", held.GOOD)
    assert len(await node.store.read(held_acts.listing)) == 1
    assert dump(world.bexley) == before
    assert not await leaves(world)


async def test_a_retry_takes_it_in_as_if_it_came_now_and_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, good = world.bexley.node, await _raw(world, seq=1)
    with monkeypatch.context() as wrong:

        def unknown(*_: Any) -> Any:
            raise Refused("not now", code="unknown_key")

        wrong.setattr(held, "prove", unknown)
        await put(world, good)
        await held.collect(node)
    (row,) = await rows(world)
    (outcome,) = await held_acts.retry_all(node, ME, code="unknown_key")
    assert (outcome.done, outcome.code) == (True, held_acts.TAKEN)
    await world.settle()
    assert len(world.bexley.desks["police"].given) == 1
    (row,) = await rows(world)
    assert (row.state, row.by, row.body) == (Holding.TAKEN, "operator-7", b"")
    assert len(await leaves(world)) == 1
    for act in (held_acts.retry, held_acts.discard):
        with pytest.raises(Conflict):
            await act(node, ME, row.id)
    with pytest.raises(Forged):
        held.body_of(node.keys, row)
    assert len(await leaves(world)) == 1


async def test_one_that_cannot_be_tried_stops_none_of_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = world.bexley.node
    await put(world, b"one", b"two", b"three")
    await held.collect(node)
    real, calls = held_acts.body_of, list[str]()

    def second_fails(keys: Any, row: HeldRow) -> bytes:
        calls.append(row.id)
        if len(calls) == 2:
            raise Misconfigured("its key is away", code="key_missing")
        return real(keys, row)

    monkeypatch.setattr(held_acts, "body_of", second_fails)
    done = await held_acts.retry_all(node, ME)
    assert [one.code for one in done] == ["truncated", "key_missing", "truncated"]
    assert done[1].facts["remedy"]
    assert [row.state for row in await rows(world)] == [Holding.HELD] * 3


async def test_what_was_refused_with_a_signature_is_not_taken_in_afterwards(world: World) -> None:
    """A second arrival would be a duplicate of what was refused, and only look like success."""
    node = world.bexley.node
    await put(world, await _raw(world, seq=1, area="E09000033"))
    (row,) = await rows(world)
    assert row.place is Place.INTAKE
    assert (await held_acts.show(node, row.id))["now"] == held_acts.ANSWERED
    outcome = await held_acts.retry(node, ME, row.id)
    assert (outcome.done, outcome.code) == (False, held_acts.ANSWERED)
    assert outcome.facts["remedy"]


async def test_a_discarded_message_is_on_record_with_sealed_words_and_stays_discarded(world: World) -> None:
    node = world.bexley.node
    await put(world, b"garbage")
    await held.collect(node)
    (row,) = await rows(world)
    with pytest.raises(NotAllowed):
        await held_acts.discard(node, By("operator-7"), row.id)
    with pytest.raises(NotAllowed) as refused:
        await held_acts.release(node, ME, row.id)
    assert refused.value.code == "held_release"
    assert (await rows(world))[0].state is Holding.HELD
    await held_acts.discard(node, ME, row.id)
    (access,) = await node.store.read(lambda tx: tx.accesses(ref=f"held:{row.id}"))
    assert (access.operation, access.actor, access.justification) == ("ERASURE", "operator-7", "DISCARDED")
    assert accounts.words(node.keys, access) == ME.words
    assert b"Monday" not in access.sealed
    (leaf,) = await leaves(world)
    assert '"act":"discarded"' in leaf
    assert (await accounts.check(node)).good
    await put(world, b"garbage")
    await held.collect(node)
    (row,) = await rows(world)
    assert (row.state, row.count) == (Holding.DISCARDED, 2)
    assert await node.store.read(held_acts.listing) == []
    (line,) = await node.store.read(lambda tx: held_acts.listing(tx, settled=True))
    assert isinstance(line, dict)
    assert (line["state"], line["by"]) == ("discarded", "operator-7")


async def test_a_parcel_that_an_adapter_refuses_is_retried_or_handed_over_by_hand(
    world: World, document: Mapping[str, Any]
) -> None:
    node, desk = world.bexley.node, world.bexley.desks["police"]
    desk.fail = [Refused("never", code="form_unknown")] * 2
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    (line,) = await node.store.read(lambda tx: held_acts.listing(tx, place="parcel"))
    assert isinstance(line, dict)
    task = str(line["id"])
    assert (line["code"], line["agency"], line["handover"]) == ("form_unknown", f"{BEXLEY}/police", ref)
    assert (await held_acts.show(node, task))["remedy"]
    with pytest.raises(NotAllowed) as refused:
        await held_acts.discard(node, ME, task)
    assert refused.value.code == "held_discard"
    assert (await held_acts.retry(node, ME, task)).code == held_acts.DUE
    await world.settle()
    assert not desk.given
    await held_acts.release(node, ME, task)
    found = await node.store.read(lambda tx: tx.task(task))
    assert found is not None
    assert (found.state, found.error) == (Task.DONE, held_acts.BY_HAND)
    found_rows = await node.store.read(lambda tx: tx.accesses(ref=ref))
    (access,) = [row for row in found_rows if row.justification == "BY_HAND"]
    assert (access.operation, access.recipients) == ("DISCLOSURE", (f"{BEXLEY}/police",))
    assert accounts.words(node.keys, access) == ME.words
    for act in (held_acts.retry, held_acts.release, held_acts.discard, held_acts.show):
        with pytest.raises(NotFound):
            await (act(node, task) if act is held_acts.show else act(node, ME, task))  # type: ignore[operator]
    await world.settle()
    assert not desk.given


async def test_bytes_of_the_release_before_are_read_as_they_were_kept(world: World) -> None:
    old = HeldRow("old", 1, "magic", Lane.STANDARD, HACKNEY, hashlib.sha256(b"as is").digest(), b"as is")
    assert held.body_of(world.bexley.node.keys, old) == b"as is"
