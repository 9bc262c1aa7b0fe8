"""Attacks 80 to 88: Bexley's node and agencies lie to Hackney about what became of its message.

A receipt that does not hold leaves the others of its envelope standing, so it is logged with its code and
dropped; the envelope that brought it is an honest node's place in its stream.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from gateway.core.envelope import Kind
from gateway.core.receipts import About, open_receipt
from gateway.errors import Forged, Malformed
from gateway.flows.receipts import about
from gateway.flows.vault import secrets_of
from gateway.testing.boroughs import BEXLEY

TABLES = ("legs", "events", "receipts", "tasks", "handovers", "outbox", "held", "accesses")


async def refused(attack, code, *notes):
    """Hackney's legs, history and receipts are as before, and its log says why."""
    hackney = attack.world.hackney
    before = attack.dump(hackney)
    with capture_logs() as logs:
        await attack.send_receipts(*notes)
    assert [line["code"] for line in logs if line["event"] == "receipt refused"] == [code] * len(notes)
    after = attack.dump(hackney)
    for table in TABLES:
        assert after[table] == before[table], table


async def chain(attack, row, role="police"):
    """The hash that the agency's next receipt has to follow."""
    rows = await attack.node.store.read(lambda tx: tx.receipts(mid=row.mid, by=f"{BEXLEY}/{role}"))
    return rows[-1].hash


async def test_080_without_an_attack_it_is_taken(attack):
    row = await attack.delivered()
    await attack.send_receipts(attack.receipt(row, prev=await chain(attack, row)))
    assert (await attack.world.hackney.legs(row.ref))["police"].state == "RECEIVED"


async def test_080_for_another_message(attack):
    """For one that was never sent; and for one of Bexley's own."""
    row = await attack.delivered()
    await refused(attack, "receipt_about", attack.receipt(replace(about(row), mid="00" * 16)))
    own = await attack.node.store.read(
        lambda tx: next(r for r in map(tx.envelope, mids(attack)) if r.side == "origin")
    )
    await refused(attack, "receipt_about", attack.receipt(replace(about(row), mid=own.mid)))


def mids(attack):
    return [mid for mid, _ in attack.dump()["envelopes"]]


@pytest.mark.parametrize(
    "change", [{"env": bytes(32)}, {"stmt": bytes(32)}, {"sender": f"{BEXLEY}/node"}], ids=str
)
async def test_081_with_other_hashes(attack, change):
    row = await attack.delivered()
    await refused(attack, "receipt_hash", attack.receipt(replace(about(row), **change)))


async def test_082_by_a_principal_that_was_no_recipient(attack):
    """An agency of Bexley that this message was not for; and an agency of another area."""
    row = await attack.delivered()
    hackney = attack.world.hackney
    police = hackney.node.keys.signer(f"{hackney.area}/police")
    await refused(attack, "receipt_by", attack.receipt(row, signer=police))
    _forget_leg(hackney, row, "housing")
    await refused(attack, "receipt_by", attack.receipt(row, by="housing"))


def _forget_leg(hackney, row, role):
    legs = hackney.node.store.memory.tables.legs
    gone = [key for key, leg in legs.items() if leg.principal == f"{BEXLEY}/{role}" and leg.ref == row.ref]
    for key in gone:
        del legs[key]


async def test_083_a_node_answers_for_its_agency(attack):
    """With its own key under the agency's name, and under its own; and an agency that signs "received"."""
    row = await attack.delivered()
    keys = attack.node.keys

    class Mask:
        name = f"{BEXLEY}/police"
        public = keys.signer(f"{BEXLEY}/node").public

        def sign(self, text):
            return keys.signer(f"{BEXLEY}/node").sign(text)

    await refused(attack, "unknown_key", attack.receipt(row, signer=Mask(), state="accepted"))
    for by, state in (("node", "accepted"), ("police", "received")):
        with attack.refused(Malformed, "receipt_role"):
            attack.receipt(row, by=by, state=state)
    good = attack.receipt(row, by="node", state="received")
    await refused(attack, "signature", good.replace(b'"received"', b'"refused"'))


async def test_084_a_message_replayed_as_a_receipt(attack):
    """A statement's note, signed by the same key, among the receipts."""
    insider = attack.insider()
    await attack.delivered()
    signer = attack.node.keys.signer(attack.NODE)
    insider.seal()
    note = replace(insider, signer=signer).sign("bx/1/message", insider.body(insider.parts[1:]))
    with attack.refused(Forged, "note_context"):
        open_receipt(note, net=insider.net, keyring=attack.node.network.keyring)
    await refused(attack, "note_context", note)


async def test_085_a_state_that_goes_backwards(attack):
    """Signed by the right key in the right chain: kept as evidence, and the leg stays where it is. A person
    is told, for the agency may believe what it said last."""
    row = await attack.delivered()
    leg = (await attack.world.bexley.legs(row.ref))["police"]
    await attack.world.bexley.answer("police", leg.id)
    await attack.world.settle()
    await attack.send_receipts(attack.receipt(row, state="rejected", prev=await chain(attack, row)))
    leg = (await attack.world.hackney.legs(row.ref))["police"]
    assert leg.state == "ACCEPTED"
    events = await attack.world.hackney.node.store.read(lambda tx: tx.history(leg.id))
    assert events[-1].event == "ignored:rejected"
    (alarm,) = await attack.world.hackney.node.store.read(lambda tx: tx.alarms(cleared=False, limit=9))
    assert (alarm.code, alarm.peer, alarm.subject) == ("decided_twice", attack.world.bexley.area, leg.id)


async def test_085_the_same_decision_twice_alarms_nobody(attack):
    """As after a restored database that asks the same agency once more."""
    row = await attack.delivered()
    leg = (await attack.world.bexley.legs(row.ref))["police"]
    await attack.world.bexley.answer("police", leg.id)
    await attack.world.settle()
    await attack.send_receipts(attack.receipt(row, state="accepted", prev=await chain(attack, row)))
    events = await attack.world.hackney.node.store.read(lambda tx: tx.history(leg.id))
    assert await attack.world.hackney.node.store.read(lambda tx: tx.alarms(cleared=False, limit=9)) == []
    assert events[-1].after == "ACCEPTED"


async def test_086_parts_that_it_was_never_given_keys_for(attack):
    """The receipt is signed and moves its leg; but whence does the agency have another's part?"""
    row = await attack.delivered()
    given = secrets_of(attack.node, row).readers
    own, others = set(given[f"{BEXLEY}/police"]), {part for parts in given.values() for part in parts}
    stray = min(others - own)
    before = await chain(attack, row)
    await attack.send_receipts(attack.receipt(row, prev=before, parts=sorted(own)))
    assert await stray_parts(attack) == []
    note = attack.receipt(row, by="housing", prev=await chain(attack, row, "housing"), parts=[0, stray])
    await attack.send_receipts(note)
    leg = (await attack.world.hackney.legs(row.ref))["housing"]
    allowed = set(given[f"{BEXLEY}/housing"])
    told = " ".join(str(part) for part in sorted({0, stray} - allowed))
    assert await stray_parts(attack) == [(BEXLEY, f"{leg.id} {told}", note)]
    assert leg.state == "RECEIVED"


async def stray_parts(attack):
    standing = await attack.world.hackney.node.store.read(lambda tx: tx.alarms())
    return [(row.peer, row.subject, row.evidence) for row in standing if row.code == "parts_not_given"]


@pytest.mark.parametrize("aside", [-100_000, 100_000])
async def test_087_dated_before_its_message_or_in_the_future(attack, aside):
    row = await attack.delivered()
    at = attack.world.clock.now() + aside
    await refused(attack, "receipt_date", attack.receipt(row, at=at))


async def test_088_a_storm_of_receipts_and_receipts_of_receipts(attack):
    """One receipt a thousand times is one row; a receipt for an envelope of receipts is about no message."""
    row = await attack.delivered()
    note = attack.receipt(row, prev=await chain(attack, row))
    rows = len(attack.dump(attack.world.hackney)["receipts"])
    for _ in range(16):
        await attack.send_receipts(*[note] * 64)
    after = attack.dump(attack.world.hackney)
    assert len(after["receipts"]) == rows + 1
    assert (await attack.world.hackney.legs(row.ref))["police"].state == "RECEIVED"
    assert not receipts_sent(after)  # receipts were never receipted
    # Hackney receipts the words of an answer; a receipt for that envelope is about no message.
    await attack.world.bexley.answer("dwp", (await attack.world.bexley.legs(row.ref))["dwp"].id)
    await attack.world.settle()
    await attack.send_receipts(*[note] * 65)
    held = attack.dump(attack.world.hackney)["held"]
    assert [row.code for row in held.values()] == ["receipts"]
    (own,) = receipts_sent(attack.dump(attack.world.hackney))
    told = About(own.digest, attack.world.hackney.node.principal, own.mid, own.statement)
    await refused(attack, "receipt_about", attack.receipt(told, by="node", state="received"))


def receipts_sent(stored):
    return [one for one in stored["envelopes"].values() if one.kind == Kind.RECEIPTS and one.side == "origin"]
