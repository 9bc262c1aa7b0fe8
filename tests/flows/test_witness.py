"""Nodes follow each other's logs: what rides along, is cosigned, is kept, and is passed over."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.core.encoding import b64
from gateway.core.log import Checkpoint, compose, make_checkpoint, open_checkpoint, origin
from gateway.core.merkle import EMPTY, leaf_hash, root_of
from gateway.core.witness import Fork, attach, make_cosignature, open_cosigned
from gateway.errors import GatewayError
from gateway.flows import forks, gossip, logbook, standing, witness
from gateway.flows.control import tell
from gateway.flows.node import Node
from gateway.ports import CheckpointRow, LooseRow, Transaction, WitnessRow
from gateway.stores import open_store
from gateway.testing.boroughs import BEXLEY, HACKNEY, Borough, World, two_boroughs
from gateway.testing.third import CAMDEN, three_boroughs


async def grow(borough: Borough, world: World, count: int = 3) -> Checkpoint:
    """Leaves, a minute, and the checkpoint over them."""

    def append(tx: Transaction) -> None:
        for number in range(count):
            tx.append_log(b'{"n":%d}' % number)

    await borough.node.store.write(append)
    world.clock.advance(witness.EVERY)
    await witness.sign(borough.node)
    return await logbook.checkpoint(borough.node)


async def said(node: Node, peer: str) -> dict[str, Any]:
    """What would ride to a peer now; nothing is kept of it."""
    found: list[Any] = []

    def work(tx: Transaction) -> None:
        found.append(witness.ride(tx, node, peer, node.clock.now()))
        raise KeyError

    with pytest.raises(KeyError):
        await node.store.write(work)
    section = found[-1].get("log", {})
    assert isinstance(section, dict)
    return section


async def say(world: World, sender: Borough, to: str, section: dict[str, Any] | None = None) -> None:
    """One control envelope with the section (or what a test says in its place), delivered."""
    node, now = sender.node, sender.node.clock.now()

    def work(tx: Transaction) -> None:
        ridden = witness.ride(tx, node, to, now)
        assert tell(tx, node, to, ridden if section is None else {"log": section}, now)

    await node.store.write(work)
    await world.settle()


async def row_of(borough: Borough, area: str) -> CheckpointRow | None:
    """How far a borough follows an area's log."""
    node = borough.node
    return await node.store.read(lambda tx: tx.checkpoint(origin(node.network.net, area)))


async def state_of(borough: Borough, peer: str) -> WitnessRow:
    found = await borough.node.store.read(lambda tx: tx.witness(peer))
    return found or WitnessRow(peer)


async def alarms(borough: Borough) -> list[tuple[str, str]]:
    found = await borough.node.store.read(lambda tx: tx.alarms())
    return [(row.code, row.peer) for row in found]


async def cosigners(borough: Borough, signed: Checkpoint) -> set[str]:
    rows = await borough.node.store.read(lambda tx: tx.cosignatures(signed.origin, size=signed.size))
    return {row.by for row in rows if row.by != borough.area}


def tables(borough: Borough) -> Any:
    return borough.node.store.memory.tables  # type: ignore[attr-defined]  # the memory store's own


# --- the way of a cosignature -------------------------------------------------------------------------


async def test_a_checkpoint_is_followed_and_comes_back_cosigned(world: World) -> None:
    signed = await grow(world.hackney, world)
    await say(world, world.hackney, BEXLEY)
    row = await row_of(world.bexley, HACKNEY)
    assert row is not None
    assert (row.size, row.root, row.note) == (signed.size, signed.root, signed.note)
    seen_at = world.clock.now()
    world.clock.advance(5)
    await say(world, world.bexley, HACKNEY)
    assert await cosigners(world.hackney, signed) == {BEXLEY}
    rows = await world.hackney.node.store.read(lambda tx: tx.cosignatures(signed.origin, size=signed.size))
    note = compose(
        signed.origin, signed.size, signed.root, [r.line.decode() for r in rows if r.by == HACKNEY]
    )
    assert note == signed.note
    full = attach(note, [r.line.decode() for r in rows if r.by == BEXLEY])
    assert dict(open_cosigned(full, signed.origin, world.hackney.node.network).times) == {BEXLEY: seen_at}
    assert (await state_of(world.hackney, BEXLEY)).size == signed.size
    assert await alarms(world.hackney) == await alarms(world.bexley) == []


async def test_it_goes_on_from_what_the_peer_cosigned_last(world: World) -> None:
    """The first without a proof, every later one with it; what is cosigned is not shown again."""
    first = await grow(world.hackney, world)
    section = await said(world.hackney.node, BEXLEY)
    assert (section["since"], section["proof"]) == (0, [])
    await say(world, world.hackney, BEXLEY)
    await say(world, world.bexley, HACKNEY)
    assert "checkpoint" not in await said(world.hackney.node, BEXLEY)
    for _ in range(4):
        newer = await grow(world.hackney, world, 5)
        section = await said(world.hackney.node, BEXLEY)
        assert section["since"] == first.size
        assert section["proof"]
        assert section["checkpoint"] == newer.note.decode()
        await say(world, world.hackney, BEXLEY)
        await say(world, world.bexley, HACKNEY)
        row = await row_of(world.bexley, HACKNEY)
        assert row is not None
        assert (row.size, row.root) == (newer.size, newer.root)
        first = newer
    assert await alarms(world.bexley) == []


async def test_it_rides_with_receipts_and_costs_no_message(world: World, document: Any) -> None:
    for borough in world.boroughs:
        await grow(borough, world)
    before = len(tables(world.hackney).envelopes)
    await world.hackney.submit(document)
    await world.settle()
    carried = len(tables(world.hackney).envelopes) - before
    row = await row_of(world.hackney, BEXLEY)
    assert row is not None
    assert row.size > 0
    kinds = [row.kind for row in tables(world.hackney).envelopes.values()]
    assert 3 not in kinds
    assert carried == kinds.count(1) + kinds.count(2)


async def test_riding_never_signs(world: World) -> None:
    await grow(world.hackney, world)
    signed = await logbook.checkpoint(world.hackney.node)
    await world.hackney.node.store.write(lambda tx: tx.append_log(b"{}"))
    world.clock.advance(1000)
    assert (await said(world.hackney.node, BEXLEY))["checkpoint"] == signed.note.decode()


async def test_nothing_is_said_without_a_log(world: World) -> None:
    assert await said(world.hackney.node, BEXLEY) == {}
    await witness.sign(world.hackney.node)  # an empty log has nothing to witness
    assert await said(world.hackney.node, BEXLEY) == {}
    assert await row_of(world.hackney, HACKNEY) is None


async def test_housekeeping_signs_once_a_minute_and_only_what_is_new(world: World) -> None:
    node = world.hackney.node
    first = await grow(world.hackney, world)
    await node.store.write(lambda tx: tx.append_log(b"{}"))
    world.clock.advance(witness.EVERY - 1)
    await witness.sign(node)
    row = await row_of(world.hackney, HACKNEY)
    assert row is not None
    assert row.size == first.size
    world.clock.advance(1)
    await witness.sign(node)
    row = await row_of(world.hackney, HACKNEY)
    assert row is not None
    assert row.size == first.size + 1


async def test_a_log_that_may_not_be_signed_is_an_alarm_and_no_end(world: World) -> None:
    await grow(world.hackney, world)
    del tables(world.hackney).log[1:]
    world.clock.advance(witness.EVERY)
    for _ in range(2):
        await witness.sign(world.hackney.node)
    assert await alarms(world.hackney) == [("log_shrunk", HACKNEY)]


# --- messages that overtake each other ------------------------------------------------------------------


async def test_old_news_is_passed_over(world: World) -> None:
    """An older checkpoint in a message that was late, and a proof from further back, alarm nobody."""
    await grow(world.hackney, world)
    await say(world, world.hackney, BEXLEY)
    old = await said(world.hackney.node, BEXLEY)
    newer = await grow(world.hackney, world)
    await say(world, world.bexley, HACKNEY)
    await say(world, world.hackney, BEXLEY)
    await say(world, world.hackney, BEXLEY, {"checkpoint": old["checkpoint"], "since": 0, "proof": []})
    row = await row_of(world.bexley, HACKNEY)
    assert row is not None
    assert row.size == newer.size
    assert await alarms(world.bexley) == []


async def test_who_has_seen_our_word_is_dated_by_the_message_that_brought_it(world: World) -> None:
    """The first message that says so, by its true number; a later one with the same word is no news."""
    await grow(world.hackney, world)
    await say(world, world.hackney, BEXLEY)
    await say(world, world.bexley, HACKNEY)
    for _ in range(2):
        await say(world, world.bexley, HACKNEY)
    state = await state_of(world.bexley, HACKNEY)
    carried = [
        row
        for row in tables(world.bexley).envelopes.values()
        if (row.stream, row.seq) == (state.our_stream, state.our_seq)
    ]
    first, second, third = (row for row in tables(world.bexley).envelopes.values() if row.side == "origin")
    assert [row.mid for row in carried] == [
        second.mid
    ]  # the first began the stream: it had no id to be noted by
    assert third.seq == second.seq + 1 == first.seq + 2


@pytest.mark.parametrize(
    ("told", "stream", "seq", "knows"),
    [
        (9, "ours", 5, True),
        (9, "ours", 6, True),
        (9, "ours", 4, False),
        (9, "another", 5, False),
        (8, "ours", 5, False),
    ],
)
async def test_what_a_statement_has_seen_says_what_its_sender_knew(
    world: World, told: int, stream: str, seq: int, knows: bool
) -> None:
    seen = type("Seen", (), {"stream": stream, "seq": seq})()
    came: Any = type("Came", (), {"peer": HACKNEY, "statement": type("S", (), {"seen": seen})()})()
    known = CheckpointRow("origin", 9, bytes(32), 1, b"")
    row = WitnessRow(HACKNEY, told=told, our_stream="ours", our_seq=5)
    node = world.bexley.node
    assert not await node.store.read(lambda tx: witness._knows(tx, came, known))
    await node.store.write(lambda tx: tx.put_witness(row))
    assert await node.store.read(lambda tx: witness._knows(tx, came, known)) is knows


async def test_what_the_peer_said_last_counts_whatever_the_order(world: World) -> None:
    """The state goes by the number of the statement: a late one changes nothing."""
    await grow(world.hackney, world)
    await say(world, world.hackney, BEXLEY)
    await say(world, world.bexley, HACKNEY)
    before = await state_of(world.hackney, BEXLEY)
    assert before.size > 0
    node = world.hackney.node
    statement = type("Statement", (), {"stream": before.their_stream, "seq": before.their_seq - 1})()
    came = type("Came", (), {"peer": BEXLEY, "statement": statement, "now": node.clock.now()})()
    await node.store.write(lambda tx: witness._cosigned(tx, node, came, {}))
    assert await state_of(world.hackney, BEXLEY) == before
    statement.seq = before.their_seq + 1
    await node.store.write(lambda tx: witness._cosigned(tx, node, came, {}))
    assert (await state_of(world.hackney, BEXLEY)).size == 0


async def test_a_peer_that_lost_its_memory_is_shown_everything_again(world: World) -> None:
    await grow(world.hackney, world)
    await say(world, world.hackney, BEXLEY)
    await say(world, world.bexley, HACKNEY)
    for table in ("checkpoints", "cosignatures", "witnesses"):
        getattr(tables(world.bexley), table).clear()
    await grow(world.bexley, world)
    await say(world, world.bexley, HACKNEY)  # without a word about Hackney's log
    newer = await grow(world.hackney, world)
    assert (await said(world.hackney.node, BEXLEY))["since"] == 0
    await say(world, world.hackney, BEXLEY)
    row = await row_of(world.bexley, HACKNEY)
    assert row is not None
    assert row.size == newer.size
    assert await alarms(world.bexley) == []


# --- what is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "section",
    [
        {"more": 1},
        {"checkpoint": 1},
        {"since": "0"},
        {"others": "x"},
        {"proof": {}},
    ],
)
async def test_a_section_of_another_form_is_refused_whole(world: World, section: dict[str, Any]) -> None:
    await say(world, world.hackney, BEXLEY, section)
    assert await row_of(world.bexley, HACKNEY) is None
    assert tables(world.bexley).witnesses == {}


async def test_the_parts_stand_by_themselves(world: World) -> None:
    """A cosignature that is none does not take the checkpoint with it, nor the other way round."""
    signed = await grow(world.hackney, world)
    section = await said(world.hackney.node, BEXLEY)
    for bad in ("", "x", "\ud800".encode("utf-8", "replace").decode(), section["checkpoint"]):
        await say(world, world.hackney, BEXLEY, {**section, "cosigned": bad, "others": ["", bad]})
    row = await row_of(world.bexley, HACKNEY)
    assert row is not None
    assert row.size == signed.size
    await say(world, world.bexley, HACKNEY, {**await said(world.bexley.node, HACKNEY), "checkpoint": "x"})
    assert await cosigners(world.hackney, signed) == {BEXLEY}


@pytest.mark.parametrize("name", ["others", "wanted", "proofs"])
async def test_too_many_at_once_are_refused(world: World, name: str) -> None:
    one: Any = {"others": "x", "wanted": 1, "proofs": {"size": 1, "proof": []}}[name]
    await grow(world.hackney, world)
    section = await said(world.hackney.node, BEXLEY)
    await say(world, world.hackney, BEXLEY, {**section, name: [one] * 5})
    assert (await state_of(world.bexley, HACKNEY)).wanted == ()
    assert await alarms(world.bexley) == []


async def test_a_cosignature_from_the_future_is_refused(world: World) -> None:
    signed = await grow(world.hackney, world)
    await say(world, world.hackney, BEXLEY)
    bexley = world.bexley.node
    for late, kept in ((121, set()), (120, {BEXLEY})):
        line = make_cosignature(
            bexley.keys.log_signer(BEXLEY),
            signed,
            net=bexley.network.net,
            area=BEXLEY,
            at=world.clock.now() + late,
        ).line
        await say(world, world.bexley, HACKNEY, {"cosigned": attach(signed.note, [line]).decode()})
        assert await cosigners(world.hackney, signed) == kept


@pytest.mark.parametrize("key", ["none", "another"])
async def test_without_the_log_key_nothing_is_cosigned_and_everything_received(
    world: World, key: str
) -> None:
    class Without:
        def __getattr__(self, name: str) -> Any:
            return getattr(keys, name)

        def log_signer(self, area: str) -> Any:
            raise GatewayError("not here", code="no_key")

    class Mixed(Without):
        def log_signer(self, area: str) -> Any:
            return keys.signer(f"{area}/node")

    keys = world.bexley.node.keys
    broken = {"none": Without(), "another": Mixed()}[key]
    world.bexley.node = dataclasses.replace(world.bexley.node, keys=broken)
    signed = await grow(world.hackney, world)
    await say(world, world.hackney, BEXLEY)
    row = await row_of(world.bexley, HACKNEY)
    assert row is not None
    assert row.size == signed.size
    assert "cosigned" not in await said(world.bexley.node, HACKNEY)


# --- our own log, seen by others ------------------------------------------------------------------------


async def test_a_restored_database_learns_from_its_peers_that_it_is_old(world: World) -> None:
    """What our key signed stands: no other history is signed over it, and a person is called."""
    node = world.hackney.node
    backup = tables(world.hackney).copy()
    signed = await grow(world.hackney, world)
    await say(world, world.hackney, BEXLEY)
    await say(world, world.bexley, HACKNEY)
    kept = tables(world.hackney).streams
    node.store.memory.tables = backup  # type: ignore[attr-defined]  # the memory store's own
    tables(world.hackney).streams.update(kept)
    await say(world, world.bexley, HACKNEY)
    assert await alarms(world.hackney) == [("log_rollback", HACKNEY)]
    row = await row_of(world.hackney, HACKNEY)
    assert row is not None
    assert (row.size, row.root) == (signed.size, signed.root)
    world.clock.advance(100)
    with pytest.raises(GatewayError) as error:
        await logbook.checkpoint(node)
    assert error.value.code == "log_shrunk"
    assert "checkpoint" not in await said(node, BEXLEY)
    assert await cosigners(world.hackney, signed) == set()


async def test_a_restored_database_that_went_on_is_told_of_both_histories(world: World) -> None:
    """It has signed another history before it heard: called out on both sides, with what proves it."""
    node = world.hackney.node
    await grow(world.hackney, world, 2)
    backup = tables(world.hackney).copy()
    signed = await grow(world.hackney, world, 3)
    await say(world, world.hackney, BEXLEY)
    await say(world, world.bexley, HACKNEY)
    kept = tables(world.hackney).streams
    node.store.memory.tables = backup  # type: ignore[attr-defined]  # the memory store's own
    tables(world.hackney).streams.update(kept)
    await node.store.write(lambda tx: tx.append_log(b"another"))
    await grow(world.hackney, world, 8)
    await say(world, world.bexley, HACKNEY)
    assert await alarms(world.hackney) == [("log_rollback", HACKNEY)]
    assert await cosigners(world.hackney, signed) == set()
    row = await row_of(world.hackney, HACKNEY)
    assert row is not None
    assert row.size > signed.size
    await say(world, world.hackney, BEXLEY)
    assert await alarms(world.bexley) == [("log_proof", HACKNEY)]


async def test_a_peer_cannot_make_us_believe_that_we_signed_something(world: World) -> None:
    """Its own cosignature on any tree is nothing: our key's signature must be there, and be ours."""
    await grow(world.hackney, world)
    node = world.hackney.node
    name = origin(node.network.net, HACKNEY)
    bexley = world.bexley.node
    for signer in (bexley.keys.log_signer(BEXLEY), bexley.keys.signer(f"{BEXLEY}/node")):
        made = make_checkpoint(signer, net=node.network.net, area=HACKNEY, size=99, root=bytes(32))
        line = make_cosignature(
            bexley.keys.log_signer(BEXLEY),
            made,
            net=node.network.net,
            area=BEXLEY,
            at=world.clock.now(),
        ).line
        await say(world, world.bexley, HACKNEY, {"cosigned": attach(made.note, [line]).decode()})
    assert await alarms(world.hackney) == []
    assert (await node.store.read(lambda tx: tx.cosignatures(name, size=99))) == []


# --- what operators see -----------------------------------------------------------------------------


async def test_how_far_everybody_is(world: World) -> None:
    signed = await grow(world.hackney, world)
    await say(world, world.hackney, BEXLEY)
    await say(world, world.bexley, HACKNEY)
    now = world.clock.now()
    (one,) = await standing.standings(world.hackney.node)
    assert one == standing.Standing(BEXLEY, signed.size, now, 0, 0, loose=0, forked=False)
    (one,) = await standing.standings(world.bexley.node)
    assert one == standing.Standing(HACKNEY, 0, 0, signed.size, now, loose=0, forked=False)
    (note,) = await standing.cosigned(world.hackney.node)
    found = open_cosigned(note, signed.origin, world.hackney.node.network)
    assert (found.checkpoint, dict(found.times)) == (signed, {BEXLEY: now})
    assert await standing.cosigned(world.bexley.node) == []


# --- gossip -----------------------------------------------------------------------------------------


@pytest.fixture
async def three() -> AsyncIterator[World]:
    async with three_boroughs() as opened:
        yield opened


async def test_third_logs_are_told_every_ten_minutes_and_joined_when_asked(three: World) -> None:
    """Bexley follows Hackney to 3, Camden to 8: what Bexley saw is loose there until Hackney proves it."""
    (camden,) = three.others
    await grow(three.hackney, three, 3)
    await say(three, three.hackney, BEXLEY)
    await grow(three.hackney, three, 5)
    await say(three, three.hackney, CAMDEN)
    name = origin(camden.node.network.net, HACKNEY)
    await say(three, three.bexley, CAMDEN)
    (loose,) = await camden.node.store.read(lambda tx: tx.loose(name))
    assert (loose.via, loose.asked) == (BEXLEY, 0)
    assert "others" not in await said(three.bexley.node, CAMDEN)
    three.clock.advance(gossip.EVERY)
    assert len((await said(three.bexley.node, CAMDEN))["others"]) == 1
    await say(three, camden, HACKNEY)
    await say(three, camden, HACKNEY)  # once there is a stream, the question is dated
    assert (await said(camden.node, HACKNEY))["wanted"] == [loose.size]
    assert (await state_of(three.hackney, CAMDEN)).wanted == (loose.size,)
    section = await said(three.hackney.node, CAMDEN)
    assert [one["size"] for one in section["proofs"]] == [loose.size]
    await say(three, three.hackney, CAMDEN)
    assert await camden.node.store.read(lambda tx: tx.loose()) == []
    await say(three, camden, HACKNEY)
    assert (await state_of(three.hackney, CAMDEN)).wanted == ()
    for borough in three.boroughs:
        assert await alarms(borough) == []


async def test_of_one_log_and_peer_the_oldest_stays_on_the_table(three: World) -> None:
    """Else a log that grows would never have to answer; and the question keeps its date."""
    (camden,) = three.others
    await grow(three.hackney, three, 3)
    await say(three, three.hackney, BEXLEY)
    await say(three, three.bexley, CAMDEN)
    await grow(three.hackney, three, 3)
    await say(three, three.hackney, CAMDEN)  # now Camden follows it, further than Bexley
    await say(three, camden, HACKNEY)
    await say(three, camden, HACKNEY)
    (first,) = await camden.node.store.read(lambda tx: tx.loose())
    assert (first.size, bool(first.asked)) == (3, True)
    await grow(three.hackney, three, 1)
    await say(three, three.bexley, HACKNEY)
    await say(three, three.hackney, BEXLEY)
    three.clock.advance(gossip.EVERY)
    await say(three, three.bexley, CAMDEN)
    await say(three, camden, HACKNEY)
    assert await camden.node.store.read(lambda tx: tx.loose()) == [first]


async def test_what_lies_ahead_of_us_is_not_asked_for_yet(three: World) -> None:
    """No log can prove that its smaller tree continues a larger one."""
    (camden,) = three.others
    await grow(three.hackney, three, 3)
    await say(three, three.hackney, CAMDEN)
    await grow(three.hackney, three, 3)
    await say(three, three.hackney, BEXLEY)
    await say(three, three.bexley, CAMDEN)
    assert len(await camden.node.store.read(lambda tx: tx.loose())) == 1
    assert "wanted" not in await said(camden.node, HACKNEY)


async def test_who_speaks_of_its_own_log_or_of_ours_as_a_third_one_is_passed_over(three: World) -> None:
    (camden,) = three.others
    for borough in (three.bexley, camden):
        await grow(borough, three)
    notes = [(await logbook.checkpoint(one.node)).note.decode() for one in (three.bexley, camden)]
    await say(three, three.bexley, CAMDEN, {"others": notes})
    assert await camden.node.store.read(lambda tx: tx.loose()) == []


async def test_others_are_taken_a_few_at_a_time(three: World) -> None:
    (camden,) = three.others
    note = (await grow(three.hackney, three)).note.decode()
    await say(three, three.bexley, CAMDEN, {"others": [note] * 5})
    assert await camden.node.store.read(lambda tx: tx.loose()) == []
    await say(three, three.bexley, CAMDEN, {"others": [note] * 4})
    assert len(await camden.node.store.read(lambda tx: tx.loose())) == 1


@pytest.mark.parametrize(
    ("asked", "stream", "seq", "later", "due"),
    [
        (1, "ours", 5, gossip.PATIENCE + 1, True),
        (1, "ours", 5, gossip.PATIENCE, False),
        (1, "ours", 4, gossip.PATIENCE + 1, False),
        (1, "another", 5, gossip.PATIENCE + 1, False),
        (0, "ours", 5, gossip.PATIENCE + 1, False),
    ],
)
def test_a_question_is_overdue_a_day_after_it_was_seen(
    asked: int, stream: str, seq: int, later: int, due: bool
) -> None:
    seen = type("Seen", (), {"stream": stream, "seq": seq})()
    statement = type("Statement", (), {"seen": seen})()
    came: Any = type("Came", (), {"peer": HACKNEY, "statement": statement, "now": asked + later})()
    row = LooseRow("origin", BEXLEY, 3, bytes(32), b"", 1, asked, "ours", 5)
    assert gossip._overdue(row, came) is due


async def test_what_two_peers_were_shown_compares_before_we_follow_that_log(three: World) -> None:
    """Camden knows nothing of Hackney's log; Bexley and somebody else bring two roots of one size."""
    (camden,) = three.others
    node = camden.node
    hackney = three.hackney.node.keys.log_signer(HACKNEY)
    a, b = (make_checkpoint(hackney, net=node.network.net, area=HACKNEY, size=3, root=one) for one in ROOTS)
    await node.store.write(lambda tx: tx.put_loose(LooseRow(a.origin, "E09000033", 3, a.root, a.note, 1)))
    before = len(tables(camden).envelopes)
    await say(three, three.bexley, CAMDEN, {"others": [b.note.decode()]})
    assert await alarms(camden) == [("log_fork", HACKNEY)]
    assert len(tables(camden).envelopes) > before


async def test_who_told_of_a_fork_is_not_told_of_it(three: World) -> None:
    (camden,) = three.others
    node = three.bexley.node
    hackney = three.hackney.node.keys.log_signer(HACKNEY)
    a, b = (make_checkpoint(hackney, net=node.network.net, area=HACKNEY, size=3, root=one) for one in ROOTS)
    now = three.clock.now()
    await camden.node.store.write(lambda tx: forks.proven(tx, camden.node, Fork(a, b), now=now))
    rows = [row for row in tables(camden).envelopes.values() if row.side == "origin"]
    assert sorted(row.peer for row in rows) == [BEXLEY, HACKNEY]
    await three.deliver_mail(three.bexley)
    for _ in range(9):
        await camden.turn()
        await three.deliver_mail(three.bexley)
    told = {row.peer for row in tables(three.bexley).envelopes.values() if row.side == "origin"}
    assert told == {HACKNEY}


async def test_an_empty_log_is_not_followed(world: World) -> None:
    node = world.hackney.node
    empty = make_checkpoint(
        node.keys.log_signer(HACKNEY), net=node.network.net, area=HACKNEY, size=0, root=EMPTY
    )
    await say(world, world.hackney, BEXLEY, {"checkpoint": empty.note.decode()})
    assert await row_of(world.bexley, HACKNEY) is None


async def test_what_is_known_already_is_not_loose(three: World) -> None:
    (camden,) = three.others
    await grow(three.hackney, three, 3)
    for to in (BEXLEY, CAMDEN):
        await say(three, three.hackney, to)
    await say(three, three.bexley, CAMDEN)
    assert await camden.node.store.read(lambda tx: tx.loose()) == []


# --- two workers on one database --------------------------------------------------------------------


async def test_attack_110_two_workers_that_follow_at_once_never_roll_back(tmp_path: Path) -> None:
    """One database, two processes' stores: what is kept only grows, nothing is alarmed, and every cosignature
    that we gave is on a tree that the kept one continues."""
    url = f"sqlite:///{tmp_path}/bexley.db"
    async with two_boroughs(stores={BEXLEY: lambda: open_store(url)}) as world:
        other = open_store(url)
        await other.start()
        node, second = world.bexley.node, dataclasses.replace(world.bexley.node, store=other)
        name, net = origin(node.network.net, HACKNEY), node.network.net
        hashes = [leaf_hash(b"%d" % number) for number in range(40)]
        signer = world.hackney.node.keys.log_signer(HACKNEY)

        def at(size: int) -> Checkpoint:
            return make_checkpoint(signer, net=net, area=HACKNEY, size=size, root=root_of(hashes[:size]))

        def hear(size: int, since: int) -> Callable[[Transaction], None]:
            from gateway.core.merkle import consistency_proof  # noqa: PLC0415 - for this alone

            proof = consistency_proof(
                since,
                size,
                lambda places: [root_of(hashes[i << level : i + 1 << level]) for level, i in places],
            )
            section = {
                "checkpoint": at(size).note.decode(),
                "since": since,
                "proof": [b64(one) for one in proof],
            }
            seen = type("Seen", (), {"stream": "", "seq": 0})()
            statement = type("Statement", (), {"stream": "s", "seq": size, "seen": seen})()
            came = type("Came", (), {"peer": HACKNEY, "statement": statement, "now": node.clock.now()})()
            return lambda tx: witness.hear(tx, node, came, section)  # type: ignore[arg-type]  # what it reads

        await node.store.write(
            lambda tx: tx.put_checkpoint(CheckpointRow(name, 4, at(4).root, 1, at(4).note), after=None)
        )
        sizes = [4]
        while sizes[-1] < 32:
            since = sizes[-1]
            works = [hear(size, since) for size in (since + 1, since + 3)]
            stores = [node.store, second.store]
            await asyncio.gather(*(store.write(work) for store, work in zip(stores, works, strict=True)))
            row = await node.store.read(lambda tx: tx.checkpoint(name))
            assert row is not None
            assert row.size in {since + 1, since + 3}
            sizes.append(row.size)
        assert sizes == sorted(set(sizes))
        given = await node.store.read(lambda tx: tx.cosignatures(name))
        assert [row.size for row in given if row.by == BEXLEY] == sizes[1:]
        assert await alarms(world.bexley) == []
        await other.close()


async def test_a_forked_key_is_remembered_by_its_bytes(world: World) -> None:
    node = world.bexley.node
    name = origin(node.network.net, HACKNEY)
    hackney = world.hackney.node.keys.log_signer(HACKNEY)
    a, b = (make_checkpoint(hackney, net=node.network.net, area=HACKNEY, size=3, root=root) for root in ROOTS)
    fork = Fork(a, b)
    await node.store.write(lambda tx: forks.proven(tx, node, fork, now=1))
    assert await node.store.read(lambda tx: forks.is_forked(tx, node.network, name))
    assert not await node.store.read(
        lambda tx: forks.is_forked(tx, node.network, origin(node.network.net, BEXLEY))
    )
    assert open_checkpoint(a.note, name, lambda _: [hackney.public]).size == 3


ROOTS = (leaf_hash(b"a"), leaf_hash(b"b"))
