"""Attacks 1 to 12: the bytes that the broker sees. All are refused before the sender is known."""

from __future__ import annotations

import pytest

from gateway.core.envelope import MAX_ENVELOPE, open_statement, split
from gateway.errors import Malformed, NotForUs, Refused, Unsupported
from gateway.flows import receive

SUITE, KIND, PRIORITY, NSLOTS, NPARTS, EXPIRES = 4, 5, 6, 7, 8, 25
"""Offsets of protocol 4.1."""


def put(envelope, place, *values):
    changed = bytearray(envelope)
    changed[place : place + len(values)] = bytes(values)
    return bytes(changed)


async def test_000_without_an_attack_it_is_taken(attack):
    await attack.welcome(attack.insider().seal())
    assert len(attack.handed()) == 1


@pytest.mark.row("SIGNATURE")
async def test_001_every_byte_flipped_as_node_and_as_agency(attack):
    node, envelope = attack.node, attack.insider().seal()
    police, before = node.keys.opener(attack.POLICE), attack.dump()
    for place in range(len(envelope)):
        flipped = put(envelope, place, envelope[place] ^ 1 << place % 8)
        with pytest.raises(Refused) as caught:
            await receive.accept(node, flipped)
        assert type(caught.value) is not Refused, place
        with pytest.raises(Refused):
            open_statement(
                split(flipped), net=node.network.net, opener=police, area=node.area, index=1,
                keyring=node.network.keyring, now=node.clock.now(),
            )  # fmt: skip
    assert attack.dump() == before
    await attack.welcome(envelope)


async def test_002_truncated_at_every_length(attack):
    envelope, before = attack.insider().seal(), attack.dump()
    for size in range(len(envelope)):
        with attack.refused(Malformed, "truncated"):
            await receive.accept(attack.node, envelope[:size])
    assert attack.dump() == before
    await attack.garbage(envelope[:-1], Malformed, "truncated")


@pytest.mark.parametrize("tail", [b"\0", b"BXE1", b"x" * 1000])
async def test_003_bytes_appended(attack, tail):
    await attack.garbage(attack.insider().seal() + tail, Malformed, "trailing")


async def test_004_oversize_is_refused_before_any_cryptography(attack, monkeypatch):
    asked = []
    monkeypatch.setattr(attack.node.keys, "opener", asked.append)
    envelope = attack.insider().seal()
    await attack.garbage(envelope.ljust(MAX_ENVELOPE + 1, b"\0"), Malformed, "envelope_size")
    await attack.garbage(envelope.ljust(MAX_ENVELOPE, b"\0"), Malformed, "trailing")
    assert not asked


@pytest.mark.parametrize("count", [0, 17, 255])
async def test_005_slots_0_and_255(attack, count):
    await attack.garbage(put(attack.insider().seal(), NSLOTS, count), Malformed, "slots")


@pytest.mark.parametrize("count", [0, 65, 255])
async def test_006_parts_0_and_255(attack, count):
    await attack.garbage(put(attack.insider().seal(), NPARTS, count), Malformed, "parts")


async def test_007_part_length_of_4_gib(attack):
    insider = attack.insider()
    envelope, lengths = insider.seal(), len(insider.head_bytes) + sum(map(len, insider.slots))
    await attack.garbage(put(envelope, lengths, *b"\xff" * 4), Malformed, "truncated")
    await attack.garbage(put(envelope, lengths, *bytes(4)), Malformed, "part_size")


@pytest.mark.parametrize(
    ("place", "value", "error", "code"),
    [
        (3, ord("2"), Unsupported, "magic"),
        (SUITE, 3, Unsupported, "suite"),
        (KIND, 0, Unsupported, "kind"),
        (KIND, 4, Unsupported, "kind"),
        (PRIORITY, 10, Malformed, "priority"),
        (PRIORITY, 255, Malformed, "priority"),
        (EXPIRES, 255, Malformed, "expires"),
    ],
)
async def test_008_unknown_magic_suite_kind_priority(attack, place, value, error, code):
    """Signed for by the sender, so that only the parser can refuse it."""
    insider = attack.insider(header=lambda header: put(header, place, value))
    await attack.garbage(insider.seal(), error, code)


@pytest.mark.parametrize(
    "to",
    ["e09000004", "E0900000 ", "Е09000004", "../E09000", "E09000004\n", "", "E" * 200, "E09000004/node",
     "E0900000٤"],
)  # fmt: skip
async def test_009_a_destination_that_is_no_area(attack, to):
    await attack.garbage(attack.insider(to=to.encode()).seal(), Malformed, "to")


@pytest.mark.row("PQC")
async def test_010_suite_downgraded(attack):
    await attack.garbage(put(attack.insider().seal(), SUITE, 1), Unsupported, "suite")
    insider = attack.insider(header=lambda header: put(header, SUITE, 1))
    await attack.garbage(insider.seal(), Unsupported, "suite")


@pytest.mark.parametrize("kind", [2, 3])
async def test_011_kind_swapped(attack, kind):
    await attack.garbage(put(attack.insider().seal(), KIND, kind), NotForUs, "slot")


async def test_012_priority_raised_and_expiry_extended(attack):
    envelope = attack.insider().seal()
    await attack.garbage(put(envelope, PRIORITY, 9), NotForUs, "slot")
    await attack.garbage(put(envelope, EXPIRES + 7, envelope[EXPIRES + 7] ^ 0xFF), NotForUs, "slot")
