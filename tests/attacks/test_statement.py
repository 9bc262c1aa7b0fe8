"""Attacks 47 to 63: what a sender with a good key signs about its message, and where in its stream it stands.

Most are refused before the sender counts as proven: a statement is believed as a whole or not at all.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import replace

import pytest

from gateway.core.envelope import MAX_LIFE, SKEW, open_part, split
from gateway.core.notes import open_note
from gateway.errors import Expired, Forged, Malformed, NotForUs, Unsupported
from gateway.flows import heartbeat, receive
from gateway.flows.anchor import drop
from gateway.flows.node import Wake
from gateway.flows.vault import read_sections, secrets_of
from gateway.ports import Lane, Outgoing
from gateway.stores import open_store
from gateway.testing.boroughs import BEXLEY, HACKNEY, START, two_boroughs
from gateway.testing.restoring import MemoryAnchor, Taps, back_up, passes, proven, restored

FIELDS = ["created", "dir", "expires", "from", "head", "mid", "net", "parts", "prev", "seen", "seq", "slots",
          "stream", "to", "v"]  # fmt: skip


def changed(attack, change, **more):
    return attack.insider(statement=change, **more).seal()


@pytest.mark.parametrize("name", FIELDS)
async def test_047_each_field_missing_null_and_of_another_type(attack, name):
    await attack.garbage(changed(attack, lambda body: body.pop(name)), Malformed, "field_missing")
    for value in (None, True, {} if name != "seen" else []):
        await attack.garbage(
            changed(attack, lambda body, value=value: body.update({name: value})), Malformed, "field_type"
        )


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"seq": 0}, "field_value"),
        ({"created": -1}, "field_value"),
        ({"mid": "AB" * 16}, "field_value"),
        ({"stream": ""}, "field_value"),
        ({"from": "E09000012/node\n"}, "field_value"),
        ({"to": []}, "field_value"),
        ({"parts": []}, "field_value"),
        ({"seen": {"seq": 4, "stream": ""}}, "field_value"),
        ({"seen": {"seq": 0}}, "field_missing"),
        ({"head": "AA=="}, "base64_size"),
    ],
)
async def test_047_a_value_without_its_form(attack, values, code):
    await attack.garbage(changed(attack, lambda body: body.update(values)), Malformed, code)


async def test_047_a_statement_about_other_bytes(attack):
    for name in ("head", "slots"):
        await attack.garbage(
            changed(attack, lambda body, name=name: body.update({name: body["prev"]})), Forged, name
        )
    for name, value in (("mid", "00" * 16), ("expires", attack.world.clock.now() + 3601)):
        await attack.garbage(
            changed(attack, lambda body, pair={name: value}: body.update(pair)), Forged, name
        )


async def test_048_an_unknown_field_and_a_later_version(attack):
    await attack.garbage(changed(attack, lambda body: body.update(extra=1)), Malformed, "field_unknown")
    await attack.garbage(changed(attack, lambda body: body.update(v=2, extra=1)), Unsupported, "version")


async def test_049_expired(attack):
    now = attack.world.clock.now()
    late = attack.insider(created=now - 3600 - SKEW)
    await attack.garbage(late.seal(), Expired, "expired")


@pytest.mark.row("SIGNATURE")
async def test_050_from_the_future(attack):
    await attack.garbage(attack.insider(created=attack.world.clock.now() + 3600).seal(), Expired, "future")


@pytest.mark.parametrize("life", [MAX_LIFE + 1, 0, -1, 10 * MAX_LIFE])
async def test_051_a_life_over_72_hours_or_none(attack, life):
    await attack.garbage(attack.insider(life=life).seal(), Expired, "life")


async def test_052_a_skew_of_119_s_is_taken_and_of_121_s_refused(attack):
    now = attack.world.clock.now()
    await attack.garbage(attack.insider(created=now + 121).seal(), Expired, "future")
    await attack.garbage(attack.insider(created=now - 3600 - 121).seal(), Expired, "expired")
    await attack.welcome(attack.insider(created=now + 119).seal())
    await attack.welcome(numbered(attack, 2, created=now - 3600 - 119).seal())


# --- streams ----------------------------------------------------------------------------------------


STREAM = "cd" * 16
"""The stream that an insider speaks in."""


async def stream_of(attack):
    return await attack.node.store.read(lambda tx: tx.stream(HACKNEY, outgoing=False))


async def alarms(attack):
    return await attack.node.store.read(lambda tx: tx.alarms())


def statements(attack, alarm):
    """The bodies of the signed statements in an alarm's evidence, each verified as Hackney's."""
    keyring = attack.world.hackney.node.network.keyring
    notes = [note.encode() for note in json.loads(alarm.evidence)["notes"]]
    opened = [open_note(note, "bx/1/message", keyring, single=True) for note in notes]
    assert {note.signer for note in opened} == {f"{HACKNEY}/node"}
    return [note.body for note in opened]


async def bexley_looks(attack):
    """What time has made due at Bexley. Hackney does not look: told of a stream that it never began
    it takes itself for restored, and would begin one of its own."""
    await heartbeat.beat(attack.node, START)
    await attack.world.settle()


async def questions(attack):
    """The sections ``resend`` that Hackney was sent."""
    node = attack.world.hackney.node
    rows = [row for row in attack.dump(attack.world.hackney)["envelopes"].values() if row.kind == 3]
    told = [
        read_sections(open_part(split(row.body), 1, secrets_of(node, row).keys[1], net=node.network.net))
        for row in rows
        if row.side == "destination"
    ]
    return [sections["resend"] for sections in told if "resend" in sections]


async def after(attack, seq, stream=STREAM, **more):
    """A message that names its predecessor as it came."""
    before = await attack.node.store.read(lambda tx: tx.envelope_at(HACKNEY, stream, seq - 1))
    prev = before.statement if before else bytes(32)
    return numbered(attack, seq, stream=stream, prev=prev, **more)


def second(document):
    """The same handover under another reference."""
    reference = document["message"]["handover_id"][:-1] + "9"
    return json.loads(json.dumps(document).replace(document["message"]["handover_id"], reference))


def numbered(attack, seq, stream=STREAM, **more):
    """A message of its own at a place of the stream."""
    one, reference = attack.leg(leg=secrets.token_hex(16)), f"HO-{HACKNEY}-2026-{stream[:2]}{seq:04}"
    reference = reference.translate(str.maketrans("abcdef", "456789"))
    contents = (attack.routing(one, handover=reference), attack.section())
    return attack.insider(seq=seq, stream=stream, contents=contents, **more)


async def test_054_a_place_repeated_with_the_same_statement_gets_the_same_receipt(attack):
    envelope = attack.insider().seal()
    await attack.welcome(envelope)
    mid = split(envelope).mid
    first = await attack.node.store.read(lambda tx: tx.receipts(mid=mid, by=attack.NODE))
    handed, settled = len(attack.handed()), attack.dump()
    for _ in range(3):
        await attack.publish(envelope)
    again = await attack.node.store.read(lambda tx: tx.receipts(mid=mid, by=attack.NODE))
    assert [row.note for row in again] == [row.note for row in first]
    assert len(attack.handed()) == handed
    after = attack.dump()
    for table in ("legs", "tasks", "events", "accesses", "held", "handovers"):
        assert after[table] == settled[table], table
    # The stored receipt left again in an envelope of its own, once for each time it was asked.
    ours = [row for row in after["envelopes"].values() if row.kind == 2 and row.side == "origin"]
    before = [row for row in settled["envelopes"].values() if row.kind == 2 and row.side == "origin"]
    assert len(ours) == len(before) + 3


async def test_055_a_place_repeated_with_another_statement(attack):
    await attack.welcome(attack.insider().seal())
    await attack.evidence(numbered(attack, 1).seal(), "equivocation")


async def test_053_created_goes_backwards_in_a_stream(attack):
    """Within the skew of clocks it is no news; beyond it people are told, and the message stands."""
    now = attack.world.clock.now()
    await attack.welcome(numbered(attack, 1, created=now + 60).seal())
    await attack.welcome((await after(attack, 2, created=now + 60 - SKEW)).seal())
    assert await alarms(attack) == []
    await attack.welcome((await after(attack, 3, created=now + 60 - SKEW - 1)).seal())
    (alarm,) = await alarms(attack)
    assert (alarm.code, alarm.peer, alarm.subject) == ("created", HACKNEY, f"{STREAM} 3")
    assert [signed["created"] for signed in statements(attack, alarm)] == [now - 60, now - 61]
    assert len(attack.handed()) == 3


async def test_056_a_gap_is_delivered_asked_for_and_alarmed(attack):
    await attack.welcome(numbered(attack, 1).seal())
    await attack.welcome(numbered(attack, 4).seal())
    assert len(attack.handed()) == 2
    assert (await stream_of(attack)).seq == 1
    since = attack.world.clock.now()
    attack.world.clock.advance(59)
    await bexley_looks(attack)
    assert await questions(attack) == []
    attack.world.clock.advance(1)
    await bexley_looks(attack)
    assert await questions(attack) == [[{"stream": STREAM, "first": 2, "last": 3}]]
    assert await alarms(attack) == []
    attack.world.clock.advance(since + 300 - attack.world.clock.now())
    await bexley_looks(attack)
    assert [(one.code, one.subject) for one in await alarms(attack)] == [("gap", f"{STREAM} 2-3")]
    assert (await stream_of(attack)).seq == 1
    for seq in (2, 3):
        await attack.welcome(numbered(attack, seq).seal())
    assert (await stream_of(attack)).seq == 4
    assert [one.code for one in await alarms(attack)] == ["prev"] * 2  # an insider names no predecessor
    (cleared,) = [row for row in attack.dump()["alarms"].values() if row.cleared]
    assert (cleared.code, cleared.cleared_by) == ("gap", "filled")


async def test_057_a_statement_that_does_not_follow_its_predecessor(attack):
    await attack.welcome(numbered(attack, 1).seal())
    await attack.welcome(numbered(attack, 2, prev=b"\x05" * 32).seal())
    (alarm,) = await alarms(attack)
    assert (alarm.code, alarm.peer, alarm.subject) == ("prev", HACKNEY, f"{STREAM} 2")
    assert [signed["seq"] for signed in statements(attack, alarm)] == [1, 2]
    assert len(attack.handed()) == 2


async def test_057_a_statement_that_its_successor_did_not_follow(attack):
    """The successor came first: what it names is kept with the gap, and held against the one that comes."""
    await attack.welcome(numbered(attack, 1).seal())
    await attack.welcome(numbered(attack, 3, prev=b"\x05" * 32).seal())
    assert await alarms(attack) == []
    await attack.welcome((await after(attack, 2)).seal())
    (alarm,) = await alarms(attack)
    assert (alarm.code, alarm.subject) == ("prev", f"{STREAM} 2")
    assert [signed["seq"] for signed in statements(attack, alarm)] == [3, 2]
    assert (await stream_of(attack)).seq == 3


async def test_058_a_new_stream_that_nobody_announced(attack):
    await attack.welcome(numbered(attack, 1).seal())
    other = "ee" * 16
    await attack.welcome(numbered(attack, 1, stream=other).seal())
    (alarm,) = await alarms(attack)
    assert (alarm.code, alarm.peer, alarm.subject) == ("new_stream", HACKNEY, other)
    assert [signed["stream"] for signed in statements(attack, alarm)] == [other]
    assert (await stream_of(attack)).stream == other


async def test_058_a_late_message_of_the_old_stream_does_not_bring_it_back(attack):
    """Neither one of a stream that is known nor one of a stream of which nothing had come."""
    await attack.welcome(numbered(attack, 1).seal())
    late, withheld = (await after(attack, 2)).seal(), numbered(attack, 1, stream="aa" * 16).seal()
    attack.world.clock.advance(60)
    other = "ee" * 16
    await attack.welcome(numbered(attack, 1, stream=other).seal())
    await attack.welcome(late)
    await attack.welcome(withheld)
    row = await stream_of(attack)
    assert (row.stream, row.seq) == (other, 1)
    assert len(attack.handed()) == 4


async def test_058_two_nodes_under_one_key(attack):
    """Two streams by turns: each goes on, and people are told that a stream which had ended is back."""
    for turn in range(1, 4):
        for stream in (STREAM, "ee" * 16):
            attack.world.clock.advance(1)
            await attack.welcome((await after(attack, turn, stream=stream)).seal())
            row = await stream_of(attack)
            assert (row.stream, row.seq, row.top) == (stream, turn, turn)
    assert sorted(one.code for one in await alarms(attack)) == ["new_stream", "stream_again", "stream_again"]


@pytest.mark.row("SIGNATURE")
async def test_059_a_replay_after_a_restart(attack):
    """What is known of a stream is in the store, not in the process."""
    envelope = attack.insider().seal()
    await attack.welcome(envelope)
    before = attack.dump()
    restarted = replace(attack.node, wake=Wake())
    assert await receive.accept(restarted, envelope) is None
    after = attack.dump()
    assert {**after, "receipts": None} == {**before, "receipts": None}
    assert after["receipts"].keys() == before["receipts"].keys()


async def test_060_a_replay_after_a_database_restore(attack, tmp_path):
    """An old copy of the receiver's database, put back: what was handed over since comes again under the same
    keys, what the copy lacks is asked for, and no number of its own is used twice."""
    path, copy, taps, anchor = tmp_path / "b.db", tmp_path / "copy.db", Taps(), MemoryAnchor()
    stores = {BEXLEY: lambda: open_store(f"sqlite:///{path}")}
    async with two_boroughs(stores=stores, wrap=taps.wrap) as world:
        await world.hackney.submit(attack.example())
        await world.settle()
        back_up(path, copy)
        await world.hackney.submit(second(attack.example()), key="k2")
        await world.settle()
        await drop(replace(world.bexley.node, anchor=anchor))
        desk = world.bexley.desks["police"]
        given, replayed = set(desk.keys), list(taps.envelopes(BEXLEY))
        async with restored(world, path, copy, taps, anchor) as bexley:
            for envelope in replayed:
                await world.hackney.node.transport.publish(Outgoing(BEXLEY, Lane.STANDARD, envelope, "x"))
            await passes(world, 900, 20)
            assert set(desk.keys) == given
            (row,) = await bexley.node.store.read(lambda tx: tx.streams(outgoing=False))
            assert row.seq == row.top
            here, there = [
                [one.code for one in await borough.node.store.read(lambda tx: tx.alarms())]
                for borough in (bexley, world.hackney)
            ]
            assert (here, there) == (["restored"], ["new_stream_announced"])
            places = [place(proven(world.hackney, envelope)) for envelope in taps.envelopes(HACKNEY)]
            assert len({stream for (stream, _), _ in places}) == 2
            assert len(dict(places)) == len(set(places))


def place(opened):
    statement = opened.statement
    return (statement.stream, statement.seq), statement.hash


async def test_061_a_withheld_last_message(attack):
    """Nothing comes after it, so nothing shows that it is missing but its sender's next heartbeat."""
    taps = Taps()
    async with two_boroughs(wrap=taps.wrap) as world:
        await world.hackney.submit(attack.example())
        await world.settle()
        await passes(world, 100, 20)
        node = world.bexley.node
        before = await node.store.read(lambda tx: tx.stream(HACKNEY, outgoing=False))
        await world.hackney.submit(second(attack.example()), key="k2")
        taps.withhold = lambda message: message.to == BEXLEY and message.lane is Lane.STANDARD
        await world.settle()
        assert await node.store.read(lambda tx: tx.stream(HACKNEY, outgoing=False)) == before
        await passes(world, 600, 20)
        row = await node.store.read(lambda tx: tx.stream(HACKNEY, outgoing=False))
        (gap,) = await node.store.read(lambda tx: tx.gaps())
        assert (row.seq, gap.first, gap.last) == (before.top, before.top + 1, before.top + 1)
        await passes(world, 320, 20)
        (alarm,) = await node.store.read(lambda tx: tx.alarms())
        assert (alarm.code, alarm.subject) == ("gap", f"{row.stream} {gap.first}-{gap.last}")
        taps.withhold = lambda message: False
        await passes(world, 900, 20)
        row = await node.store.read(lambda tx: tx.stream(HACKNEY, outgoing=False))
        assert (row.seq, await node.store.read(lambda tx: tx.alarms())) == (row.top, [])
        assert len([key for key in world.bexley.desks["police"].keys if key.startswith("notif")]) == 2


async def test_062_reordered_messages_are_delivered_at_once(attack):
    first = numbered(attack, 1)
    first.seal()
    for seq in (3, 2):
        await attack.welcome(numbered(attack, seq).seal())
    assert len(attack.handed()) == 2
    assert (await stream_of(attack)).seq == 0
    await attack.welcome(attack.glue(first.head_bytes, first.slots, first.parts))
    assert (await stream_of(attack)).seq == 3


async def test_063_replayed_to_another_queue_or_node(attack):
    """Another lane of ours: the same place in the stream. Another exchange, another node: refused."""
    envelope = attack.insider().seal()
    await attack.welcome(envelope)
    handed = len(attack.handed())
    for lane in (Lane.URGENT, Lane.RECEIPTS):
        await attack.publish(envelope, lane)
    assert len(attack.handed()) == handed
    fresh, before = numbered(attack, 2).seal(), attack.dump()
    with attack.refused(Forged, "via"):
        await receive.accept(attack.node, fresh, via="E09000033")
    assert attack.dump() == before
    hackney = attack.world.hackney
    before = attack.dump(hackney)
    with attack.refused(NotForUs, "area"):
        await receive.accept(hackney.node, fresh)
    await attack.node.transport.publish(Outgoing(HACKNEY, Lane.STANDARD, fresh, "x"))
    await attack.world.deliver_mail(hackney)
    assert attack.world.broker.quarantined(HACKNEY) == [fresh]
    assert attack.dump(hackney) == before
