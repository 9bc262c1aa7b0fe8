"""Attacks 25 to 33: who is made a reader, and what one entitled reader does to another."""

from __future__ import annotations

import json
import secrets

import pytest

from gateway.core.envelope import open_part, open_slot, open_statement, split
from gateway.core.keys import KemKey, SubkeyOpener
from gateway.errors import Forged, Malformed, NotAllowed, NotForUs, NotFound
from gateway.flows import receive
from gateway.flows.vault import open_for, secrets_of, write_sections
from gateway.testing.boroughs import HACKNEY

BARKING = "E09000002"


def barking():
    """A member borough that Hackney did not write to."""
    return SubkeyOpener(f"{BARKING}/node", [KemKey(secrets.token_bytes(32), 0, 1)])


def opened_by(attack, envelope, opener, area, index=0):
    node = attack.node
    return open_statement(
        split(envelope), net=node.network.net, opener=opener, area=area, index=index,
        keyring=node.network.keyring, now=node.clock.now(),
    )  # fmt: skip


async def test_025_surreptitious_forwarding_to_another_borough(attack):
    """Bexley, which holds every key of Hackney's message, passes it off as written to Barking."""
    victim, mine, signed = barking(), attack.insider(), []
    mine.note = lambda context, body: signed.append(mine.sign(context, body)) or signed[0]
    mine.seal()
    keys = {f"{BARKING}/node": victim.publics()[0]}
    forward = attack.insider(
        to=BARKING.encode(),
        mid=mine.mid,
        keys_of=lambda name: keys.get(name) or mine.keys_of(name),
        readers=((f"{BARKING}/node", (1,)), (attack.POLICE, (2,))),
        note=lambda context, body: signed[0],
    )
    with attack.refused(Forged, "head"):
        opened_by(attack, forward.seal(), victim, BARKING)
    # The header kept, so that H and every part hold: then it says whom it is for.
    bag = b"".join((*mine.keys[:2], bytes(32)))
    rewrapped = [forward.slot(0, f"{BARKING}/node", bag)[0], mine.slots[1]]
    forward.scope = mine.scope
    same_header = attack.glue(mine.head_bytes, rewrapped, mine.parts)
    with attack.refused(NotForUs, "area"):
        opened_by(attack, same_header, victim, BARKING)
    # And what Hackney wrote to Bexley does not come back to Hackney as Bexley's.
    with attack.refused(NotForUs, "area"):
        await receive.accept(attack.world.hackney.node, attack.glue(mine.head_bytes, mine.slots, mine.parts))


async def test_026_to_an_unlisted_agency(attack):
    """The police give housing a slot; and the sender itself signs for another name than it sealed to."""
    mine = attack.insider(nslots=4)
    mine.seal()
    bag = b"".join((mine.keys[0], bytes(32), mine.keys[2]))
    added = [*mine.slots[:2], mine.slot(2, attack.HOUSING, bag)[0], mine.slots[3]]
    envelope = attack.glue(mine.head_bytes, added, mine.parts)
    housing = attack.node.keys.opener(attack.HOUSING)
    with attack.refused(Forged, "slots"):
        opened_by(attack, envelope, housing, attack.node.area, index=2)
    await attack.garbage(envelope, Forged, "slots")
    await attack.garbage(attack.insider(named={0: f"{BARKING}/node"}).seal(), Forged, "recipient")
    await attack.told(attack.insider(named={1: attack.HOUSING}).seal(), "recipient")


async def test_027_an_insider_rewrites_a_shared_section(attack):
    """The police hold the key of the section that housing reads too, and the key commits to any content."""
    mine = attack.insider()
    mine.seal()
    rewritten = [*mine.parts[:2], mine.part(2, attack.section("SOMEBODY ELSE"))]
    await attack.garbage(attack.glue(mine.head_bytes, mine.slots, rewritten), Forged, "part_hash")


async def test_028_an_insider_rewraps_anothers_slot(attack):
    """Housing's slot, made anew without the key to the section that it should have read."""
    mine = attack.insider(
        nslots=4, readers=((attack.NODE, (1,)), (attack.POLICE, (2,)), (attack.HOUSING, (2,)))
    )
    mine.seal()
    hidden = mine.slot(2, attack.HOUSING, mine.keys[0] + bytes(64))[0]
    slots = [*mine.slots[:2], hidden, mine.slots[3]]
    await attack.garbage(attack.glue(mine.head_bytes, slots, mine.parts), Forged, "slots")


async def test_029_two_keys_for_one_ciphertext(attack):
    """A part commits to its key. The other key is found out before "received" is signed for the message."""
    mine = attack.insider(
        nslots=4,
        readers=((attack.NODE, (1,)), (attack.POLICE, (2,)), (attack.HOUSING, (2,))),
        contents=(
            attack.routing(
                attack.leg(), attack.leg(slot=2, principal=attack.HOUSING, leg="ef" * 16)
            ),
            attack.section(),
        ),
        bag=lambda index, bag: bag[:64] + b"\x01" * 32 if index == 2 else bag,
    )  # fmt: skip
    envelope = mine.seal()
    with attack.refused(Forged, "commitment"):
        open_part(split(envelope), 2, b"\x01" * 32, net=mine.net)
    await attack.told(envelope, "commitment")


async def test_029_another_key_to_the_statement_in_an_agencys_bag(attack):
    """The node could open for the agency all the same; an agency with a key of its own could not."""
    mine = attack.insider(bag=lambda index, bag: b"\x01" * 32 + bag[32:] if index == 1 else bag)
    await attack.told(mine.seal(), "commitment")


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("change", [32, -32])
async def test_030_a_bag_longer_or_shorter(attack, index, change):
    def bag(at, honest):
        return honest if at != index else (honest + b"\x01" * 32)[: len(honest) + change]

    await attack.garbage(attack.insider(bag=bag).seal(), Malformed, "truncated")


async def test_031_a_section_that_is_not_in_the_bag(attack):
    mine = attack.insider(readers=((attack.NODE, (1,)), (attack.POLICE, ())))
    envelope = mine.seal()
    slot = open_slot(split(envelope), 1, net=mine.net, opener=attack.node.keys.opener(attack.POLICE))
    assert slot.keys[1:] == (None, None)
    for key in (bytes(32), slot.keys[0]):
        with attack.refused(Forged, "commitment"):
            open_part(split(envelope), 2, key, net=mine.net)
    await attack.welcome(envelope)
    row = await attack.node.store.read(lambda tx: tx.envelope(mine.mid.hex()))
    assert set(secrets_of(attack.node, row).keys) == {0, 1}
    assert open_for(attack.node, row, attack.POLICE) == {}
    with attack.refused(NotFound, "no_parts"):
        open_for(attack.node, row, attack.HOUSING)
    assert "EXAMPLE" not in repr(attack.handed())
    # Neither does a node learn the content parts that were sealed to its agencies' keys alone.
    node = open_slot(split(envelope), 0, net=mine.net, opener=attack.node.keys.opener(attack.NODE))
    assert node.keys[2] is None


async def test_032_sealing_against_the_entitlements_is_refused_at_the_sender(attack):
    """Housing may never read the licence conditions that the police do (entitlements, R4)."""
    before = attack.dump(attack.world.hackney)
    document = attack.example()
    document["move"]["new_address"]["visible_to"].append("EDUCATION")
    with pytest.raises(NotAllowed) as caught:
        await attack.world.hackney.submit(document)
    assert {problem.rule for problem in caught.value.problems} == {"R4"}
    assert attack.dump(attack.world.hackney) == before
    assert not attack.world.broker.waiting(attack.node.area, "n")


async def test_032_what_a_sender_sealed_against_them_is_delivered_and_flagged_at_the_receiver(attack):
    """Hackney's node gives Bexley's police what no police may read; what they may read flags nothing."""
    fair, unfair = (
        {"core": {"known_as": "x"}},
        {"core": {"known_as": "x"}, "support": {"benefit": {"x": 1}}},
    )
    for seq, (sections, groups) in enumerate(((fair, []), (unfair, ["support"])), start=1):
        leg = f"{seq:02}" * 16
        table = attack.routing(attack.leg(leg=leg), handover=f"HO-{HACKNEY}-2026-00090{seq}")
        sealed = attack.insider(seq=seq, contents=(table, write_sections(sections)))
        await attack.welcome(sealed.seal())
        assert len(attack.handed()) == seq
        standing = await attack.node.store.read(lambda tx: tx.alarms())
        told = [(row.code, row.peer, row.subject) for row in standing if row.code == "over_disclosure"]
        assert told == [("over_disclosure", HACKNEY, f"{leg} support")] * bool(groups)
        leaves = [json.loads(leaf) for _, leaf in await attack.node.store.read(lambda tx: tx.log(0, 99))]
        flagged = [leaf["groups"] for leaf in leaves if leaf["t"] == "over_disclosure"]
        assert flagged == [groups] * bool(groups)


async def test_033_a_dummy_slot_claimed_as_real(attack):
    """By the routing table: nobody's key opens it. And a real slot whose commitment is a dummy's."""
    dummy = attack.routing(attack.leg(slot=3))
    await attack.told(attack.insider(nslots=4, contents=(dummy, attack.section())).seal(), "rekey")
    random = attack.insider(seq=2)
    random.statement = lambda body: body["to"].__setitem__(1, body["head"])
    await attack.told(random.seal(), "recipient")
