"""Attacks 13 to 24: honest pieces put together otherwise, by whoever holds the keys to some of them."""

from __future__ import annotations

import pytest

from gateway.core.envelope import open_slot, split
from gateway.errors import Forged, Malformed, NotForUs
from gateway.flows.vault import write_sections

NSLOTS, NPARTS = 7, 8


def counted(header, place, change):
    return header[:place] + bytes((header[place] + change,)) + header[place + 1 :]


@pytest.fixture
def three(attack):
    """A message with two agencies, so that something can be put in another's place, sealed."""
    insider = attack.insider(
        nslots=4,
        readers=((attack.NODE, (1,)), (attack.POLICE, (2,)), (attack.HOUSING, (3,))),
        contents=(attack.routing(), attack.section(), attack.section()),
    )
    insider.seal()
    return insider


async def test_013_section_of_another_message(attack):
    mine, other = attack.insider(), attack.insider(seq=2)
    mine.seal(), other.seal()
    await attack.garbage(
        attack.glue(mine.head_bytes, mine.slots, [*mine.parts[:2], other.parts[2]]), Forged, "part_hash"
    )


async def test_014_statement_of_another_message(attack):
    """As it stands, and sealed anew by an agency, which holds the key to part 0."""
    mine, other = attack.insider(), attack.insider(seq=2)
    mine.seal()
    opened = []
    other.note = lambda context, body: opened.append(other.sign(context, body)) or opened[0]
    other.seal()
    spliced = [other.parts[0], *mine.parts[1:]]
    await attack.garbage(attack.glue(mine.head_bytes, mine.slots, spliced), Forged, "commitment")
    resealed = [mine.part(0, opened[0]), *mine.parts[1:]]
    await attack.garbage(attack.glue(mine.head_bytes, mine.slots, resealed), Forged, "head")


async def test_015_slots_of_another_message(attack):
    mine, other = attack.insider(), attack.insider(seq=2)
    mine.seal(), other.seal()
    await attack.garbage(attack.glue(mine.head_bytes, other.slots, mine.parts), NotForUs, "slot")


async def test_016_parts_reordered(attack, three):
    first, routing, second, third = three.parts
    await attack.garbage(
        attack.glue(three.head_bytes, three.slots, [first, routing, third, second]), Forged, "part_hash"
    )
    await attack.garbage(
        attack.glue(three.head_bytes, three.slots, [routing, first, second, third]), Forged, "commitment"
    )


async def test_017_slots_reordered(attack, three):
    node, police, housing, dummy = three.slots
    await attack.garbage(
        attack.glue(three.head_bytes, [node, housing, police, dummy], three.parts), Forged, "slots"
    )
    await attack.garbage(
        attack.glue(three.head_bytes, [police, node, housing, dummy], three.parts), NotForUs, "slot"
    )


async def test_018_somebody_elses_slot(attack, three):
    """Housing cannot open the slot of the police, and a routing table that gives it to housing is refused."""
    parsed = split(attack.glue(three.head_bytes, three.slots, three.parts))
    housing = attack.node.keys.opener(attack.HOUSING)
    for index in (0, 1, 3):
        with attack.refused(NotForUs, "slot"):
            open_slot(parsed, index, net=three.net, opener=housing)
    lie = attack.routing(attack.leg(principal=attack.HOUSING))
    await attack.told(attack.insider(contents=(lie, attack.section())).seal(), "rekey")


async def test_019_section_stripped(attack):
    mine = attack.insider()
    mine.seal()
    shorter = [slot[:-32] for slot in mine.slots]  # a bag holds one key a part
    for slots in (mine.slots, shorter):
        header = counted(mine.head_bytes, NPARTS, -1)
        envelope = attack.glue(header, slots, mine.parts[:2])
        code, error = ("truncated", Malformed) if slots is mine.slots else ("slot", NotForUs)
        await attack.garbage(envelope, error, code)


async def test_020_slot_stripped(attack, three):
    header = counted(three.head_bytes, NSLOTS, -1)
    await attack.garbage(attack.glue(header, three.slots[:3], three.parts), NotForUs, "slot")


async def test_021_slot_added(attack, three):
    header = counted(three.head_bytes, NSLOTS, 1)
    await attack.garbage(attack.glue(header, [*three.slots, three.slots[1]], three.parts), NotForUs, "slot")


async def test_022_part_duplicated(attack, three):
    """In another's place, and behind the others, with the bags and the header made to fit."""
    first, routing, second, _ = three.parts
    await attack.garbage(
        attack.glue(three.head_bytes, three.slots, [first, routing, second, second]), Forged, "part_hash"
    )
    header = counted(three.head_bytes, NPARTS, 1)
    slots = [slot + bytes(32) for slot in three.slots]
    await attack.garbage(attack.glue(header, slots, [*three.parts, second]), NotForUs, "slot")


async def test_023_one_message_id_with_two_contents(attack):
    first = attack.insider()
    await attack.welcome(first.seal())
    again = attack.insider(mid=first.mid, seq=2, contents=(attack.routing(), attack.section("OTHER")))
    await attack.evidence(again.seal(), "mid")
    kept = await attack.node.store.read(lambda tx: tx.envelope(first.mid.hex()))
    assert kept.body == attack.glue(first.head_bytes, first.slots, first.parts)
    # And the id of a message that Bexley itself has sent.
    (sent, *_) = [mid for mid, side in attack.dump()["envelopes"] if side == "origin"]
    await attack.evidence(attack.insider(mid=bytes.fromhex(sent), seq=3).seal(), "mid")


@pytest.mark.parametrize("context", ["bx/1/receipts", "bx/1/control", "bx/1/receipt"])
async def test_024_receipts_body_under_kind_1(attack, context):
    receipts = write_sections({"receipts": []})
    insider = attack.insider(context=context, contents=(receipts,), readers=((attack.NODE, (1,)),))
    await attack.garbage(insider.seal(), Forged, "note_context")
