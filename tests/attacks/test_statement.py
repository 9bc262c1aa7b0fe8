"""Attacks 47 to 63: what a sender with a good key signs about its message, and where in its stream it stands.

Most are refused before the sender counts as proven: a statement is believed as a whole or not at all.
"""

from __future__ import annotations

import secrets
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from gateway.core.envelope import MAX_LIFE, SKEW, split
from gateway.errors import Expired, Forged, Malformed, NotForUs, Unsupported
from gateway.flows import receive
from gateway.flows.node import Wake
from gateway.ports import Lane, Outgoing
from gateway.testing.boroughs import HACKNEY

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


async def stream_of(attack):
    return await attack.node.store.read(lambda tx: tx.stream(HACKNEY, outgoing=False))


def numbered(attack, seq, **more):
    """A message of its own at a place of the stream."""
    one = attack.leg(leg=secrets.token_hex(16))
    contents = (attack.routing(one, handover=f"HO-{HACKNEY}-2026-{seq:06}"), attack.section())
    return attack.insider(seq=seq, contents=contents, **more)


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


async def test_056_a_gap_is_delivered_and_remembered(attack):
    """The alarm and the request to send again belong to the next release; the hole is not skipped."""
    await attack.welcome(numbered(attack, 1).seal())
    await attack.welcome(numbered(attack, 4).seal())
    assert len(attack.handed()) == 2
    assert (await stream_of(attack)).seq == 1


async def test_057_a_statement_that_does_not_follow_its_predecessor(attack):
    await attack.welcome(numbered(attack, 1).seal())
    with capture_logs() as logs:
        await attack.welcome(numbered(attack, 2, prev=b"\x05" * 32).seal())
    assert [line["code"] for line in logs if line.get("code") == "prev"] == ["prev"]
    assert len(attack.handed()) == 2


async def test_058_a_new_stream_that_nobody_announced(attack):
    await attack.welcome(numbered(attack, 1).seal())
    with capture_logs() as logs:
        await attack.welcome(numbered(attack, 2, stream="ee" * 16).seal())
    assert [line["code"] for line in logs if line.get("code") == "new_stream"] == ["new_stream"]


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
