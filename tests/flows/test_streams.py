"""Where messages stand in a peer's stream: gaps, chains, new streams, questions, and numbers used once."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.encoding import ZERO, Json
from gateway.core.envelope import Kind, Seen, Statement
from gateway.errors import Malformed
from gateway.flows import heartbeat, outgoing, resend, restart, seen, streams
from gateway.flows.alarms import MAX_STANDING, MORE, sound
from gateway.flows.control import Came, tell
from gateway.flows.heartbeat import LOST
from gateway.flows.node import Pace, Wake
from gateway.flows.opening import Opened
from gateway.flows.resend import MAX_QUESTIONS, MAX_RESENT
from gateway.flows.streams import MAX_GAPS
from gateway.ports import AlarmRow, EnvelopeRow, GapRow, Outbound, Side, Store, Transaction
from gateway.stores import MEMORY, open_store
from gateway.testing.boroughs import BEXLEY, HACKNEY, START, Borough, World, two_boroughs, with_recipients
from gateway.testing.restoring import (
    MemoryAnchor,
    Taps,
    back_up,
    passes,
    proven,
    pulse,
    restored,
)

STREAM, OTHER = "5" * 32, "6" * 32
WRONG = b"\x05" * 32


def hash_of(seq: int, stream: str = STREAM) -> bytes:
    return hashlib.sha256(f"{stream} {seq}".encode()).digest() if seq else ZERO


def message(
    seq: int, *, stream: str = STREAM, prev: bytes = b"", at: int = START, **sections: Json
) -> Opened:
    """A proven message as the stream sees it: its statement, and what a control message says."""
    kind = Kind.CONTROL if sections else Kind.MESSAGE
    statement = Statement(
        sender=f"{HACKNEY}/node",
        mid=hashlib.sha256(f"mid {stream} {seq}".encode()).hexdigest()[:32],
        kind=kind,
        stream=stream,
        seq=seq,
        prev=prev or hash_of(seq - 1, stream),
        seen=Seen(),
        created=at,
        expires=at + 3600,
        directory=1,
        to=(),
        parts=(),
        hash=hash_of(seq, stream),
        note=b"note",
    )
    return Opened(cast("Any", None), statement, HACKNEY, sections=sections)


def arrive(tx: Transaction, node: Any, opened: Opened, now: int = START) -> None:
    """As `arrival` does: stored, then taken into the stream; a duplicate only looked at."""
    said = opened.statement
    row = EnvelopeRow(
        said.mid, Side.DESTINATION, int(said.kind), HACKNEY, said.stream, said.seq, said.hash, b"", 0, b""
    )
    if tx.put_envelope(row):
        streams.advance(tx, node, opened, now)
    else:
        streams.repeated(tx, opened, now)


async def stand(store: Store) -> tuple[Any, Sequence[GapRow], Sequence[AlarmRow]]:
    """(our end of the stream, its gaps, the alarms that stand, oldest first)."""
    return await store.read(
        lambda tx: (
            tx.stream(HACKNEY, outgoing=False),
            tx.gaps(peer=HACKNEY),
            tx.alarms(limit=1000)[::-1],
        )
    )


@pytest.fixture
async def store() -> Any:
    opened = open_store(MEMORY)
    await opened.start()
    yield opened
    await opened.close()


# --- the rows, against a plain set


def expected(order: Sequence[int], lies: set[int]) -> tuple[Any, list[tuple[int, int]], set[int]]:
    """The slow oracle: ((seq, top, head), gaps, numbers alarmed), out of what came and in which order."""
    came = list(dict.fromkeys(order))
    top = max(came)
    seq = next(n for n in range(top + 1) if n + 1 not in came)
    missing = [n for n in range(1, top) if n not in came]
    gaps: list[tuple[int, int]] = []
    for n in missing:
        if gaps and gaps[-1][1] == n - 1:
            gaps[-1] = (gaps[-1][0], n)
        else:
            gaps.append((n, n))
    place = {0: -1} | {n: at for at, n in enumerate(came)}
    broken = {max((n - 1, n), key=lambda one: place[one]) for n in came if n in lies and n - 1 in place}
    return (seq, top, hash_of(seq)), gaps, broken


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(1, 24), min_size=1, max_size=60),
    st.sets(st.integers(1, 24), max_size=4),
)
def test_any_order_with_duplicates_and_losses_gives_the_rows_of_a_plain_set(
    order: list[int], lies: set[int]
) -> None:
    async def run() -> None:
        store = open_store(MEMORY)
        await store.start()
        for at, seq in enumerate(order):
            opened = message(seq, prev=WRONG if seq in lies else b"")
            await store.write(lambda tx, opened=opened, at=at: arrive(tx, None, opened, START + at))
            row, gaps, alarms = await stand(store)
            state, holes, broken = expected(order[: at + 1], lies)
            assert (row.seq, row.top, row.head) == state
            assert [(gap.first, gap.last) for gap in gaps] == holes
            assert {int(alarm.subject.split()[1]) for alarm in alarms} == broken
            assert {alarm.code for alarm in alarms} <= {"prev"}
        await store.close()

    asyncio.run(run())


# --- limits


async def test_a_peer_that_punches_holes_gets_no_more_than_so_many(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest is given up for the next; everything is delivered, and `seen` goes on."""
    most = 100
    assert most < MAX_GAPS
    monkeypatch.setattr(streams, "MAX_GAPS", most)
    many = most + 40
    for seq in range(2, 2 * many + 2, 2):
        await store.write(lambda tx, seq=seq: arrive(tx, None, message(seq)))
    row, gaps, alarms = await stand(store)
    assert len(gaps) == most
    assert row.top == 2 * many
    assert row.seq == gaps[0].first - 1 == 2 * 40
    assert row.head == hash_of(row.seq)
    assert [alarm.code for alarm in alarms] == ["lost"] * (MAX_STANDING + 1)
    assert alarms[0].subject == f"{STREAM} 1-1"
    assert alarms[-1].subject == MORE


async def test_a_lane_that_waits_while_another_is_read_loses_nothing(store: Store) -> None:
    """A node that was off: every second message is a receipt, and that lane is read to its end first."""
    waiting = 300
    for seq in (*range(2, 2 * waiting + 1, 2), *range(1, 2 * waiting, 2)):
        await store.write(lambda tx, seq=seq: arrive(tx, None, message(seq)))
    row, gaps, alarms = await stand(store)
    assert (row.seq, row.top, gaps, alarms) == (2 * waiting, 2 * waiting, [], [])


async def test_a_jump_over_every_number_there_is_costs_one_row(store: Store) -> None:
    far = 2**53 - 2
    await store.write(lambda tx: arrive(tx, None, message(1)))
    await store.write(lambda tx: arrive(tx, None, message(far)))
    await store.write(lambda tx: arrive(tx, None, message(far + 1)))
    row, gaps, _ = await stand(store)
    assert (row.seq, row.top, [(gap.first, gap.last) for gap in gaps]) == (1, far + 1, [(2, far - 1)])


async def test_one_that_misbehaves_with_every_message_does_not_bury_the_others(store: Store) -> None:
    for n in range(MAX_STANDING + 30):
        await store.write(lambda tx, n=n: sound(tx, "prev", peer=HACKNEY, at=START, subject=str(n)))
    assert await store.write(lambda tx: sound(tx, "prev", peer=BEXLEY, at=START, subject="1"))
    assert await store.write(lambda tx: sound(tx, "gap", peer=HACKNEY, at=START, subject="1"))
    found = await store.read(lambda tx: tx.alarms(limit=1000))
    assert len(found) == MAX_STANDING + 3
    subjects = [alarm.subject for alarm in found if (alarm.peer, alarm.code) == (HACKNEY, "prev")]
    assert subjects.count(MORE) == 1


# --- new streams


async def test_a_message_that_overtakes_the_announcement_of_its_stream(store: Store) -> None:
    """For a moment the stream is an unannounced one."""
    said: Json = {"previous": {"stream": STREAM, "seq": 1}, "reason": "restored"}
    first = message(1, stream=OTHER, at=START + 9, stream_=said)
    first = replace(first, sections={"stream": said})
    await store.write(lambda tx: arrive(tx, None, message(1)))
    await store.write(lambda tx: arrive(tx, None, message(2, stream=OTHER, at=START + 9)))
    assert [alarm.code for alarm in (await stand(store))[2]] == ["new_stream"]

    def late(tx: Transaction) -> None:
        arrive(tx, None, first)
        streams.announced(tx, cast("Any", None), Came(HACKNEY, first.statement, START + 9), said)

    await store.write(late)
    row, gaps, alarms = await stand(store)
    assert (row.stream, row.seq, gaps) == (OTHER, 2, [])
    assert [(alarm.code, alarm.subject) for alarm in alarms] == [("new_stream_announced", OTHER)]


async def test_an_announcement_shows_what_was_withheld_at_the_end_of_the_old_stream(store: Store) -> None:
    said: Json = {"previous": {"stream": STREAM, "seq": 5}, "reason": "restored"}
    for seq in (1, 2):
        await store.write(lambda tx, seq=seq: arrive(tx, None, message(seq)))
    first = replace(message(1, stream=OTHER, at=START + 9, x=1), sections={"stream": said})
    await store.write(lambda tx: arrive(tx, None, first))
    _, gaps, alarms = await stand(store)
    assert [(gap.stream, gap.first, gap.last) for gap in gaps] == [(STREAM, 3, 5)]
    assert alarms == []
    for seq in (4, 3, 5):
        await store.write(lambda tx, seq=seq: arrive(tx, None, message(seq)))
    row, gaps, _ = await stand(store)
    assert (row.stream, row.seq, gaps) == (OTHER, 1, [])


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"previous": {"stream": STREAM, "seq": 5}, "reason": "bored"},
        {"previous": {"stream": "x", "seq": 5}, "reason": "restored"},
        {"previous": {"stream": STREAM, "seq": -1}, "reason": "restored"},
        {"previous": {"stream": STREAM}, "reason": "restored"},
    ],
)
async def test_an_announcement_without_its_form_announces_nothing(store: Store, value: Json) -> None:
    with pytest.raises(Malformed):
        streams.read_announcement(value)
    await store.write(lambda tx: arrive(tx, None, message(1)))
    first = replace(message(1, stream=OTHER, at=START + 9, x=1), sections={"stream": value})
    await store.write(lambda tx: arrive(tx, None, first))
    assert [alarm.code for alarm in (await stand(store))[2]] == ["new_stream"]


async def test_a_stream_that_goes_on_is_looked_up_where_it_was_left(store: Store) -> None:
    for seq in (1, 2, 5):
        await store.write(lambda tx, seq=seq: arrive(tx, None, message(seq)))
    await store.write(lambda tx: arrive(tx, None, message(1, stream=OTHER, at=START + 5)))
    for seq in (6, 9):  # late ones: they came while the other stream was the current one
        await store.write(lambda tx, seq=seq: arrive(tx, None, message(seq)))
    await store.write(lambda tx: arrive(tx, None, message(11, at=START + 6)))
    row, gaps, alarms = await stand(store)
    assert (row.stream, row.seq, row.top, row.head) == (STREAM, 2, 11, hash_of(2))
    assert [(gap.first, gap.last) for gap in gaps if gap.stream == STREAM] == [(3, 4), (7, 8), (10, 10)]
    assert [alarm.code for alarm in alarms] == ["new_stream", "stream_again"]


# --- questions


async def published(world: World, document: Any, taps: Taps) -> list[tuple[int, str, int]]:
    """One handover there and back, everything settled; what Hackney sent."""
    await world.hackney.submit(document)
    await world.settle()
    await passes(world, 40)
    taps.published.clear()
    return await sent(world.hackney)


async def sent(borough: Borough) -> list[tuple[int, str, int]]:
    def look(tx: Transaction) -> list[tuple[int, str, int]]:
        (row,) = tx.streams(outgoing=True)
        return list(tx.sent_between(row.peer, row.stream, 1, row.seq, 999))

    return await borough.node.store.read(look)


async def ask(world: World, *ranges: tuple[int, int], stream: str = "") -> None:
    """Bexley asks Hackney."""
    (row,) = await world.bexley.node.store.read(lambda tx: tx.streams(outgoing=False))
    asked: list[Json] = [{"stream": stream or row.stream, "first": a, "last": b} for a, b in ranges]
    node = world.bexley.node
    await node.store.write(lambda tx: tell(tx, node, HACKNEY, {"resend": asked}, node.clock.now(), once=True))
    await world.settle()


async def test_what_a_peer_asks_for_is_published_again_byte_for_byte_and_once(document: Any) -> None:
    taps = Taps()
    async with two_boroughs(wrap=taps.wrap) as world:
        rows = await published(world, document, taps)
        state = await world.hackney.node.store.read(lambda tx: [tx.outbox_of(mid) for _, mid, _ in rows])
        assert {row.state for row in state} == {Outbound.SETTLED}
        await ask(world, (1, 999))
        bodies = await world.hackney.node.store.read(
            lambda tx: [cast("EnvelopeRow", tx.envelope(mid)).body for _, mid, _ in rows]
        )
        # The last is the heartbeat with which it answered the receipts, seconds ago: it need not come again.
        assert list(taps.envelopes(BEXLEY)) == bodies[:-1]
        taps.published.clear()
        await ask(world, (1, 999))
        await passes(world, 55)
        assert not [one for one in taps.envelopes(BEXLEY) if one in bodies]
        await passes(world, 10)
        await ask(world, (1, 1), (2, 2))
        assert [one for one in taps.envelopes(BEXLEY) if one in bodies] == bodies[:2]
        taps.published.clear()
        await passes(world, 3600, 60)  # settled again: nothing goes on for ever
        assert not [one for one in taps.envelopes(BEXLEY) if one in bodies]
        state = await world.hackney.node.store.read(lambda tx: [tx.outbox_of(mid) for _, mid, _ in rows])
        assert {row.state for row in state} == {Outbound.SETTLED}
        assert len(world.bexley.desks["police"].keys) == len(set(world.bexley.desks["police"].keys))


async def test_nobody_is_given_what_was_sent_to_another_nor_what_has_died(document: Any) -> None:
    taps = Taps()
    async with two_boroughs(wrap=taps.wrap) as world:
        rows = await published(world, document, taps)
        node, barnet = world.hackney.node, "E09000003"
        (mine,) = await node.store.read(lambda tx: tx.streams(outgoing=True))
        first = await node.store.read(lambda tx: tx.envelope(rows[0][1]))
        theirs = replace(cast("EnvelopeRow", first), mid="b" * 32, peer=barnet)
        await node.store.write(lambda tx: tx.put_envelope(theirs))
        state = await node.store.read(lambda tx: tx.outbox_of(rows[0][1]))
        row = replace(cast("Any", state), id="", mid="b" * 32, peer=barnet)
        await node.store.write(lambda tx: tx.put_outbox(row))
        await ask(world, (1, 1), stream=mine.stream)
        assert len(list(taps.envelopes(BEXLEY))) == 1
        assert (await node.store.read(lambda tx: tx.outbox_of("b" * 32))).state is Outbound.SETTLED  # type: ignore[union-attr]
        await ask(world, (1, 99), stream=OTHER)
        taps.published.clear()
        world.clock.advance(rows[0][2] - world.clock.now() - outgoing.MARGIN)
        came = Came(BEXLEY, message(1).statement, world.clock.now())
        question: Json = [{"stream": mine.stream, "first": 1, "last": len(rows)}]
        await node.store.write(lambda tx: resend.resend(tx, node, came, question))
        state = await node.store.read(lambda tx: tx.outbox_of(rows[0][1]))
        assert cast("Any", state).state is Outbound.SETTLED


async def test_what_is_not_answered_yet_is_published_again_once_a_minute_too(document: Any) -> None:
    taps = Taps()
    async with two_boroughs(wrap=taps.wrap, pace=Pace(resend=900)) as world:
        node = world.hackney.node
        taps.withhold = lambda message: message.to == BEXLEY
        await world.hackney.submit(document)
        await world.settle()
        (mine,) = await node.store.read(lambda tx: tx.streams(outgoing=True))
        question: Json = [{"stream": mine.stream, "first": 1, "last": 9}]
        published_at = []
        for second in range(0, 130, 10):
            came = Came(BEXLEY, message(1).statement, world.clock.now())
            await node.store.write(lambda tx, came=came: resend.resend(tx, node, came, question))
            taps.published.clear()
            await world.settle()
            published_at += [second for _ in taps.envelopes(BEXLEY)]
            world.clock.advance(10)
        assert published_at == [60, 120]


async def test_many_that_are_missing_come_in_rounds_not_in_hours(document: Any) -> None:
    """One question brings 128; that some come makes the rest be asked for at once."""
    taps = Taps()
    async with two_boroughs(wrap=taps.wrap) as world:
        await world.hackney.submit(document)
        await world.settle()
        node, many = world.hackney.node, 300
        taps.withhold = lambda message: message.to == BEXLEY
        for _ in range(many):
            now = world.clock.now()
            await node.store.write(lambda tx, now=now: tell(tx, node, BEXLEY, {"x": 1}, now, once=True))
        await world.settle()
        taps.withhold = lambda message: False
        await node.store.write(lambda tx: tell(tx, node, BEXLEY, {"x": 1}, world.clock.now()))
        await world.settle()
        (gap,) = await world.bexley.node.store.read(lambda tx: tx.gaps())
        assert gap.last - gap.first + 1 == many
        left = []
        for seconds in (59, 5, 5, 5, 5):
            world.clock.advance(seconds)
            await pulse(world)
            gaps = await world.bexley.node.store.read(lambda tx: tx.gaps())
            left.append(sum(gap.last - gap.first + 1 for gap in gaps))
        assert left == [many, many - MAX_RESENT, many - 2 * MAX_RESENT, 0, 0]
        row = await world.bexley.node.store.read(lambda tx: tx.stream(HACKNEY, outgoing=False))
        assert cast("Any", row).seq == cast("Any", row).top
        assert await codes(world.bexley) == []
        await passes(world, 80, 20)  # until what waited for an answer has it
        old, _ = set(taps.envelopes(BEXLEY)), taps.published.clear()
        await ask(world, (1, 100), (101, 200), (201, many))
        assert len(old.intersection(taps.envelopes(BEXLEY))) == MAX_RESENT


async def test_a_duplicate_of_what_is_called_missing_fills_the_gap(store: Store) -> None:
    for seq in (1, 2, 3):
        await store.write(lambda tx, seq=seq: arrive(tx, None, message(seq)))

    def forget(tx: Transaction) -> None:
        row = tx.stream(HACKNEY, outgoing=False)
        tx.put_stream(replace(cast("Any", row), seq=1, head=hash_of(1)))
        tx.put_gap(GapRow(HACKNEY, STREAM, 2, 2, START, alarmed=START))

    await store.write(forget)
    await store.write(lambda tx: arrive(tx, None, message(2)))
    row, gaps, _ = await stand(store)
    assert (row.seq, row.head, gaps) == (3, hash_of(3), [])


async def test_an_alarm_of_a_gap_stands_until_the_last_of_it_has_come(store: Store) -> None:
    for seq in (1, 5, 9):
        await store.write(lambda tx, seq=seq: arrive(tx, None, message(seq)))

    def alarm(tx: Transaction) -> None:
        for gap in tx.gaps():
            tx.put_gap(replace(gap, alarmed=START))
            sound(tx, "gap", peer=HACKNEY, at=START, subject=streams.subject_of(gap))

    await store.write(alarm)
    for seq, standing in ((3, 2), (2, 2), (4, 2), (7, 2), (6, 2), (8, 0)):
        await store.write(lambda tx, seq=seq: arrive(tx, None, message(seq)))
        assert len((await stand(store))[2]) == standing, seq


async def test_what_was_asked_for_and_could_not_leave_while_it_lived_is_not_sealed_again(
    document: Any,
) -> None:
    """It had been settled: the peer has answered for it."""
    taps = Taps()
    async with two_boroughs(wrap=taps.wrap) as world:
        rows = await published(world, document, taps)
        node = world.hackney.node
        (mine,) = await node.store.read(lambda tx: tx.streams(outgoing=True))
        came = Came(BEXLEY, message(1).statement, world.clock.now())
        question: Json = [{"stream": mine.stream, "first": 1, "last": 1}]
        await node.store.write(lambda tx: resend.resend(tx, node, came, question))
        row = cast("Any", await node.store.read(lambda tx: tx.outbox_of(rows[0][1])))
        assert (row.state, row.error) == (Outbound.WAITING, outgoing.ONCE)
        world.clock.advance(rows[0][2] - outgoing.MARGIN - world.clock.now())
        await world.settle()
        row = cast("Any", await node.store.read(lambda tx: tx.outbox_of(rows[0][1])))
        assert (row.state, row.error) == (Outbound.SETTLED, "expired")
        assert [seq for seq, _, _ in await sent(world.hackney)] == [seq for seq, _, _ in rows]


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        [{"stream": STREAM, "first": 1}],
        [{"stream": "x", "first": 1, "last": 2}],
        [{"stream": STREAM, "first": 0, "last": 2}],
        [{"stream": STREAM, "first": 1, "last": 2}] * (MAX_QUESTIONS + 1),
    ],
)
async def test_a_question_without_its_form_is_refused_and_answers_nothing(world: World, value: Json) -> None:
    came = Came(BEXLEY, message(1).statement, START)
    with pytest.raises(Malformed):
        await world.hackney.node.store.write(lambda tx: resend.resend(tx, world.hackney.node, came, value))


async def test_a_question_is_asked_with_growing_pauses_until_it_is_given_up(document: Any) -> None:
    """And then the number line goes on: `seen` is not stuck for ever."""
    taps = Taps()
    async with two_boroughs(wrap=taps.wrap) as world:
        await world.hackney.submit(document)
        await world.settle()
        node = world.bexley.node
        (row,) = await node.store.read(lambda tx: tx.streams(outgoing=False))
        gap = GapRow(HACKNEY, row.stream, row.top + 1, row.top + 3, world.clock.now())
        await node.store.write(lambda tx: (tx.put_gap(gap), tx.put_stream(replace(row, top=row.top + 4))))
        asked: list[int] = []
        while world.clock.now() < START + 20_000:
            world.clock.advance(20)
            await heartbeat.beat(node, START)
            (left,) = await node.store.read(lambda tx: tx.gaps())
            if left.asked and left.asked - START not in asked:
                asked.append(left.asked - START)
        assert asked == [60, 120, 240, 480, 960, 1920, 3840, 7440, 11040, 14640, 18240]
        alarms = await node.store.read(lambda tx: tx.alarms())
        (alarm,) = [alarm for alarm in alarms if alarm.peer == HACKNEY and alarm.code == "gap"]
        await node.store.write(lambda tx: tx.clear_alarm(alarm.id, world.clock.now(), "dpo-7 known"))
        await heartbeat.beat(node, START)
        assert "gap" not in await codes(world.bexley)  # who has cleared it is not told again
        world.clock.advance(START + LOST - 1 - world.clock.now())
        await heartbeat.beat(node, world.clock.now())
        assert (await node.store.read(lambda tx: tx.stream(HACKNEY, outgoing=False))).seq == row.seq  # type: ignore[union-attr]
        world.clock.advance(1)
        await heartbeat.beat(node, world.clock.now())
        after = await node.store.read(lambda tx: tx.stream(HACKNEY, outgoing=False))
        alarms = await node.store.read(lambda tx: tx.alarms())
        assert (cast("Any", after).seq, await node.store.read(lambda tx: tx.gaps())) == (row.top + 4, [])
        assert [(alarm.code, alarm.subject) for alarm in alarms if alarm.code in {"gap", "lost"}] == [
            ("lost", f"{row.stream} {gap.first}-{gap.last}")
        ]


# --- restored databases, and numbers used once


async def codes(borough: Borough) -> list[str]:
    rows = await borough.node.store.read(lambda tx: tx.alarms(limit=1000))
    return [row.code for row in rows][::-1]


def second(document: Any) -> Any:
    reference = document["message"]["handover_id"]
    return json.loads(json.dumps(document).replace(reference, reference[:-1] + "9"))


def numbers(world: World, taps: Taps) -> dict[tuple[str, str, int], set[bytes]]:
    """Every place of every stream that was ever published in, with the statements that stood there."""
    found: dict[tuple[str, str, int], set[bytes]] = {}
    for reader in world.boroughs:
        for envelope in taps.envelopes(reader.area):
            said = proven(reader, envelope).statement
            found.setdefault((said.sender, said.stream, said.seq), set()).add(said.hash)
    return found


async def test_a_peer_that_has_seen_more_tells_a_restored_node_that_it_is_one(
    document: Any, tmp_path: Path
) -> None:
    """Without an anchor: the first statement of the peer is enough, before anything of ours is sent."""
    path, copy, taps = tmp_path / "b.db", tmp_path / "copy.db", Taps()
    async with two_boroughs(
        stores={BEXLEY: lambda: open_store(f"sqlite:///{path}")}, wrap=taps.wrap
    ) as world:
        ref = (await world.hackney.submit(document)).ref
        await world.settle()
        back_up(path, copy)
        for role, leg in (await world.bexley.legs(ref)).items():
            await world.bexley.answer(role, leg.id)
        await world.settle()
        async with restored(world, path, copy, taps) as bexley:
            await world.hackney.submit(second(document), key="k2")
            await world.settle()
            assert await codes(bexley) == ["restored"]
            await passes(world, 900, 20)
            assert await codes(world.hackney) == ["new_stream_announced"]
            assert await codes(bexley) == ["restored"]
            (row,) = await world.hackney.node.store.read(lambda tx: tx.streams(outgoing=False))
            (mine,) = await bexley.node.store.read(lambda tx: tx.streams(outgoing=True))
            assert (row.stream, row.seq) == (mine.stream, row.top)
            assert all(len(said) == 1 for said in numbers(world, taps).values())
            legs = await world.hackney.legs(second(document)["message"]["handover_id"])
            assert {leg.state for leg in legs.values()} == {"DELIVERED"}


async def test_what_was_opened_before_a_restore_and_decided_after_it_arrives(
    document: Any, tmp_path: Path
) -> None:
    """The restored node signs "opened" again, beside the one that only its peer still has: the decision after
    it follows that, and not the one that the peer had first."""
    path, copy, taps = tmp_path / "b.db", tmp_path / "copy.db", Taps()
    async with two_boroughs(
        stores={BEXLEY: lambda: open_store(f"sqlite:///{path}")}, wrap=taps.wrap
    ) as world:
        back_up(path, copy)
        ref = (await world.hackney.submit(document)).ref
        await world.settle()
        assert all(leg.opened for leg in (await world.hackney.legs(ref)).values())
        police = (await world.bexley.legs(ref))["police"]
        await world.bexley.answer("police", police.id, "REJECTED", reason_code="EXCESSIVE_DATA")
        await world.settle()
        async with restored(world, path, copy, taps) as bexley:
            await passes(world, 900, 20)
            for role, leg in (await bexley.legs(ref)).items():
                await bexley.answer(role, leg.id)
            await world.settle()
            states = {role: leg.state for role, leg in (await world.hackney.legs(ref)).items()}
            assert {state for role, state in states.items() if role != "police"} == {"ACCEPTED"}
            assert states["police"] == "REJECTED", "what was decided before stands"


async def test_a_backup_from_before_the_first_contact(document: Any, tmp_path: Path) -> None:
    """The peer names a stream that this database has never heard of."""
    path, copy, taps = tmp_path / "b.db", tmp_path / "copy.db", Taps()
    async with two_boroughs(
        stores={BEXLEY: lambda: open_store(f"sqlite:///{path}")}, wrap=taps.wrap
    ) as world:
        back_up(path, copy)
        await world.hackney.submit(document)
        await world.settle()
        keys = set(world.bexley.desks["police"].keys)
        async with restored(world, path, copy, taps) as bexley:
            await world.hackney.submit(second(document), key="k2")
            await passes(world, 900, 20)
            assert (await codes(bexley), await codes(world.hackney)) == (
                ["restored"],
                ["new_stream_announced"],
            )
            assert keys < set(world.bexley.desks["police"].keys)
            assert all(len(said) == 1 for said in numbers(world, taps).values())


async def test_a_database_that_is_its_own_is_not_taken_for_an_old_one(document: Any, tmp_path: Path) -> None:
    path, copy, taps, anchor = tmp_path / "b.db", tmp_path / "copy.db", Taps(), MemoryAnchor()
    async with two_boroughs(
        stores={BEXLEY: lambda: open_store(f"sqlite:///{path}")}, wrap=taps.wrap
    ) as world:
        await world.hackney.submit(document)
        await world.settle()
        back_up(path, copy)
        for _ in range(2):
            async with restored(world, path, copy, taps, anchor) as bexley:
                await world.settle()
                assert (await codes(bexley), await codes(world.hackney)) == ([], [])


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"leaf":"","size":1,"v":1}', b'{"leaf":"","size":-1,"v":1}']
)
async def test_an_anchor_that_cannot_be_read_counts_as_an_older_database(
    document: Any, tmp_path: Path, content: bytes
) -> None:
    path, copy, taps, anchor = tmp_path / "b.db", tmp_path / "copy.db", Taps(), MemoryAnchor()
    anchor.content = content
    async with two_boroughs(
        stores={BEXLEY: lambda: open_store(f"sqlite:///{path}")}, wrap=taps.wrap
    ) as world:
        await world.hackney.submit(document)
        await world.settle()
        back_up(path, copy)
        async with restored(world, path, copy, taps, anchor) as bexley:
            assert await codes(bexley) == ["restored"]
            assert anchor.content != content


async def test_a_peer_that_lies_about_what_it_has_seen_costs_one_new_stream(
    world: World, document: Any
) -> None:
    """A new number line is harmless; the lie stands in the alarm, signed."""
    await world.hackney.submit(document)
    await world.settle()
    node, barnet = world.hackney.node, "E09000003"
    await node.store.write(lambda tx: restart.begin(tx, barnet, START))
    other = await node.store.read(lambda tx: tx.stream(barnet, outgoing=True))
    others = [cast("Any", other).stream]
    for seq in (10**6, 10**6):
        row = cast("Any", await node.store.read(lambda tx: tx.stream(BEXLEY, outgoing=True)))
        honest = replace(message(1).statement, seen=Seen(row.stream, row.seq))
        lie = replace(honest, seen=Seen(row.stream, seq))
        for said in (honest, lie):
            opened = replace(message(1), peer=BEXLEY, statement=said)
            await node.store.write(lambda tx, opened=opened: seen.heed(tx, node, opened, START))
        after = cast("Any", await node.store.read(lambda tx: tx.stream(BEXLEY, outgoing=True)))
        assert after.stream != row.stream
        told = await node.store.read(lambda tx: tx.stream(barnet, outgoing=True))
        others.append(cast("Any", told).stream)
    assert await codes(world.hackney) == ["restored", "restored"]
    # To the others the first time, when it might have been true of them too; not for the second lie.
    assert (others[0] != others[1], others[1] == others[2]) == (True, True)


class Killed(RuntimeError):
    """The process is gone: no line of it runs after this one."""


STEPS = (
    "put_stream",
    "put_envelope",
    "put_outbox",
    "append_log",
    "put_setting",
    "advance_outbox",
    "mark_sent",
)


class Reaper:
    """Kills a node at its n-th step: in the midst of a transaction, after its commit, around a publish."""

    def __init__(self, at: int) -> None:
        self.at, self.count = at, 0

    def step(self) -> None:
        self.count += 1
        if self.count == self.at:
            raise Killed

    def hold(self, borough: Borough) -> None:
        store, transport = borough.node.store, borough.node.transport
        write, publish = store.write, transport.publish

        async def killing_write(work: Callable[[Transaction], Any], *, first: bool = False) -> Any:
            outcome = await write(lambda tx: work(cast("Transaction", _Killing(tx, self))), first=first)
            self.step()  # committed, and nobody was told
            return outcome

        async def killing_publish(out: Any) -> None:
            self.step()
            await publish(out)
            self.step()

        store.write, transport.publish = killing_write, killing_publish  # type: ignore[method-assign]
        self._undo = (store, write, transport, publish)

    def let_go(self) -> None:
        store, write, transport, publish = self._undo
        store.write, transport.publish = write, publish  # type: ignore[method-assign]


class _Killing:
    def __init__(self, tx: Transaction, reaper: Reaper) -> None:
        self._tx, self._reaper = tx, reaper

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._tx, name)
        if name not in STEPS:
            return real

        def call(*args: Any, **more: Any) -> Any:
            self._reaper.step()
            return real(*args, **more)

        return call


KEPT = (
    *("schema_version", "fictional", "message", "routing", "core", "move", "risk_to", "aspirations"),
    *("transparency", "retention", "data_quality", "actions"),
)


def slim(whole: Any) -> Any:
    """For housing alone, so that there are few steps and none of them is slow."""
    narrow = with_recipients(whole, "HOUSING")
    kept = {name: narrow[name] for name in KEPT}
    recipient = {**kept["routing"]["recipients"][0], "sections": ["core", "move", "risk_to", "actions"]}
    kept["routing"] = {**kept["routing"], "recipients": [recipient]}
    kept["lawful_basis"] = [basis for basis in whole["lawful_basis"] if basis["id"] == "LB2"]
    kept["roles"] = [role for role in whole["roles"] if role["role"] == "AT_RISK"]
    said = kept["roles"][0]["assertion"]
    kept["history"] = [fact for fact in whole["history"] if fact["assertion_id"] == said]
    return {**kept, "contacts": whole["contacts"][:1]}


async def story(world: World, document: Any) -> None:
    """Every way in which Hackney uses a number: a handover, receipts, a heartbeat, a new stream."""
    hackney = world.hackney
    await hackney.submit(document)
    await hackney.turn()
    await world.settle()
    await passes(world, 620, 620)
    await hackney.node.store.write(lambda tx: restart.begin_all(tx, world.clock.now()))
    await pulse(world)
    await hackney.submit(second(document), key="k2")
    await world.settle()


async def test_no_number_is_used_twice_wherever_a_process_is_killed(document: Any) -> None:
    """Every third moment, from a random one on: three runs try them all."""
    document = slim(document)
    at, ends = -random.randrange(3), False
    while not ends:
        at += 3
        taps, reaper = Taps(), Reaper(at)
        async with two_boroughs(wrap=taps.wrap) as world:
            reaper.hold(world.hackney)
            with suppress(Killed):
                await story(world, document)
                ends = True
            reaper.let_go()
            node = world.hackney.node
            world.hackney = Borough(
                replace(node, wake=Wake.of(node.wake.tasks), used={}), world.hackney.desks
            )
            world.clock.advance(61)  # the leases of the dead
            await story(world, document)
            await passes(world, 120, 20)
            found = numbers(world, taps)
            assert all(len(said) == 1 for said in found.values()), at
            assert "equivocation" not in await codes(world.bexley), at
            for ref in (document["message"]["handover_id"], second(document)["message"]["handover_id"]):
                assert {leg.state for leg in (await world.hackney.legs(ref)).values()} == {"DELIVERED"}, at
            (row,) = await world.bexley.node.store.read(lambda tx: tx.streams(outgoing=False))
            assert row.seq == row.top, at
    assert at > 40
