"""The outer bytes: every limit, before any cryptography; padding and bundles."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import layout
from gateway.core.envelope import MAX_BUNDLE, MAX_BUNDLE_COUNT, MAX_ENVELOPE, Kind, bundle, split, unbundle
from gateway.errors import GatewayError, Malformed, Refused, TooLarge, Unsupported

MID = bytes(range(16))


def _outer(*, magic=b"BXE1", suite=2, kind=1, priority=0, nslots=2, nparts=1, expires=1, to=b"E09000004"):
    return (
        magic + bytes((suite, kind, priority, nslots, nparts)) + MID + expires.to_bytes(8, "big") + to_of(to)
    )


def to_of(to):
    return bytes((len(to),)) + to


def _envelope(*, slots=None, lengths=None, parts=None, **header):
    nslots, nparts = header.get("nslots", 2), header.get("nparts", 1)
    part = bytes(32 + 512 + 16)
    parts = [part] * nparts if parts is None else parts
    slots = bytes(nslots * (1120 + 32 * nparts + 16)) if slots is None else slots
    lengths = [len(part) for part in parts] if lengths is None else lengths
    return _outer(**header) + slots + b"".join(n.to_bytes(4, "big") for n in lengths) + b"".join(parts)


def test_every_place_is_found():
    slots, parts = [b"\1" * (1136 + 64), b"\2" * (1136 + 64)], [b"a" * 560, b"b" * 600]
    envelope = _envelope(kind=1, priority=9, nparts=2, expires=77, slots=b"".join(slots), parts=parts)
    parsed = split(envelope)

    assert (parsed.kind, parsed.priority, parsed.to, parsed.expires) == (Kind.MESSAGE, 9, "E09000004", 77)
    assert (parsed.mid, parsed.slots, parsed.parts) == (MID.hex(), tuple(slots), tuple(parts))
    header = _outer(kind=1, priority=9, nparts=2, expires=77)
    assert parsed.head == hashlib.sha256(b"bx/1/head" + header).digest()
    assert parsed.digest == hashlib.sha256(envelope).digest()
    assert parsed.raw == envelope


@pytest.mark.parametrize(
    ("error", "code", "change"),
    [
        (Unsupported, "magic", {"magic": b"BXE2"}),
        (Unsupported, "magic", {"magic": b"BXB1"}),
        (Unsupported, "suite", {"suite": 1}),
        (Unsupported, "suite", {"suite": 3}),
        (Unsupported, "kind", {"kind": 0}),
        (Unsupported, "kind", {"kind": 4}),
        (Malformed, "priority", {"priority": 10}),
        (Malformed, "priority", {"priority": 255}),
        (Malformed, "slots", {"nslots": 0}),
        (Malformed, "slots", {"nslots": 17}),
        (Malformed, "slots", {"nslots": 255}),
        (Malformed, "slots", {"nslots": 4, "kind": 2}),
        (Malformed, "slots", {"nslots": 1, "kind": 3}),
        (Malformed, "parts", {"nparts": 0}),
        (Malformed, "parts", {"nparts": 65}),
        (Malformed, "parts", {"nparts": 255}),
        (Malformed, "expires", {"expires": 2**53}),
        (Malformed, "expires", {"expires": 2**64 - 1}),
        (Malformed, "to", {"to": b"e09000004"}),
        (Malformed, "to", {"to": b"E0900000 "}),
        (Malformed, "to", {"to": "Е09000004".encode()}),
        (Malformed, "to", {"to": b"../E09000004"}),
        (Malformed, "to", {"to": b"E09000004\n"}),
        (Malformed, "to", {"to": b""}),
        (Malformed, "to", {"to": b"E" * 200}),
        (Malformed, "to", {"to": b"E0900/004"}),
        (Malformed, "part_size", {"lengths": [559]}),
        (Malformed, "part_size", {"lengths": [0]}),
        (Malformed, "truncated", {"lengths": [561]}),
        (Malformed, "truncated", {"lengths": [2**32 - 1]}),
        (Malformed, "trailing", {"lengths": [560], "parts": [bytes(561)]}),
    ],
)
def test_every_other_header_is_refused(kit, error, code, change):
    split(_envelope())
    with kit.refused(error, code):
        split(_envelope(**change))


def test_the_largest_counts_are_taken():
    parsed = split(_envelope(nslots=16, nparts=64, expires=2**53 - 1))
    assert (len(parsed.slots), len(parsed.parts)) == (16, 64)
    assert len(split(_envelope(nslots=1)).slots) == 1


def test_the_limits_are_the_protocols():
    assert (MAX_ENVELOPE, MAX_BUNDLE, MAX_BUNDLE_COUNT) == (1_048_576, 4_194_304, 64)
    assert (layout.MAX_SLOTS, layout.MAX_PARTS, layout.SLOT_STEPS) == (16, 64, (2, 4, 8, 12, 16))


def test_size_is_looked_at_first(kit):
    room = MAX_ENVELOPE - len(_envelope())
    assert split(_envelope(parts=[bytes(560 + room)])).parts
    with kit.refused(Malformed, "envelope_size"):
        split(_envelope(parts=[bytes(561 + room)]))
    with kit.refused(Malformed, "envelope_size"):
        split(bytes(MAX_ENVELOPE + 1))


def test_truncation_at_every_length_and_appending_are_refused(kit):
    envelope = _envelope(nparts=2)
    for size in range(len(envelope)):
        with kit.refused(Malformed, "truncated"):
            split(envelope[:size])
    with kit.refused(Malformed, "trailing"):
        split(envelope + b"\0")


@given(st.binary(max_size=200))
def test_garbage_lets_no_other_error_escape(data):
    for bad in (data, b"BXE1\x02\x01" + data):
        with pytest.raises(Refused):
            split(bad)


def test_the_header_is_packed_as_it_is_read():
    header = layout.pack_header(
        kind=Kind.CONTROL, priority=4, slots=2, parts=3, mid=MID, expires=9, to="E09000004"
    )
    assert header == _outer(kind=3, priority=4, nparts=3, expires=9)
    assert len(header) == layout.MAX_HEADER
    least = layout.pack_header(
        kind=Kind.MESSAGE, priority=0, slots=1, parts=1, mid=MID, expires=0, to="E09000004"
    )
    assert least == _outer(nslots=1, expires=0)
    assert layout.head_of(header) == hashlib.sha256(b"bx/1/head" + header).digest()


@pytest.mark.parametrize(
    ("error", "code", "change"),
    [
        (TooLarge, "slots", {"slots": 17}),
        (TooLarge, "slots", {"slots": 0}),
        (TooLarge, "parts", {"parts": 65}),
        (TooLarge, "parts", {"parts": 0}),
        (Malformed, "priority", {"priority": 10}),
        (Malformed, "priority", {"priority": -1}),
        (Malformed, "expires", {"expires": -1}),
        (Malformed, "expires", {"expires": 2**53}),
        (Malformed, "to", {"to": "E09000004\n"}),
    ],
)
def test_a_header_that_nobody_takes_is_not_packed(kit, error, code, change):
    good = {"kind": 1, "priority": 0, "slots": 2, "parts": 1, "mid": MID, "expires": 1, "to": "E09000004"}
    with kit.refused(error, code):
        layout.pack_header(**good | change)


# --- Padding


def _slow_padme(size):
    """As the paper states it: exponent E, S = floor(log2 E) + 1 bits kept, the last E - S bits zero."""
    exponent = len(bin(size)) - 3
    kept = len(bin(exponent)) - 2
    return next(n for n in range(size, 2 * size + 1) if n % (1 << (exponent - kept)) == 0)


@given(st.integers(2, 1 << 14) | st.integers(2, 1 << 20))
def test_padme_is_the_papers(size):
    assert layout.padme(size) == _slow_padme(size)
    assert layout.padme(layout.padme(size)) == layout.padme(size)
    assert size <= layout.padme(size) <= size * 1.12 + 1


@pytest.mark.parametrize(("size", "padded"), [(0, 512), (508, 512), (509, 544), (1020, 1024), (1021, 1088)])
def test_padded_sizes(size, padded):
    assert len(layout.pad(bytes(size))) == padded == layout.padded_size(size)
    assert layout.framed_part_size(size) == 4 + 32 + padded + 16


@given(st.binary(max_size=3000))
def test_padding_and_back(kit, content):
    assert layout.pad(content) == kit.padding(content)
    assert layout.unpad(layout.pad(content)) == content


@pytest.mark.parametrize(
    "padded",
    [
        (4).to_bytes(4, "big") + b"text" + bytes(503) + b"\1",
        (4).to_bytes(4, "big") + b"text\1" + bytes(503),
        (4).to_bytes(4, "big") + b"text" + bytes(504 + 32),
        (4).to_bytes(4, "big") + b"text" + bytes(505),
        (509).to_bytes(4, "big") + b"x" * 508,
        (2**32 - 1).to_bytes(4, "big") + bytes(508),
        (600).to_bytes(4, "big") + bytes(508),
    ],
    ids=[
        "last_byte",
        "first_byte",
        "larger_bucket",
        "no_bucket",
        "length_one_over",
        "length_max",
        "length_other",
    ],
)
def test_padding_of_any_other_size_or_fill_is_refused(kit, padded):
    with kit.refused(Malformed, "padding"):
        layout.unpad(padded)


# --- Bundles


def test_one_envelope_travels_bare():
    assert bundle([b"BXE1..."]) == b"BXE1..."
    assert unbundle(b"BXE1...") == (b"BXE1...",)
    assert unbundle(b"") == (b"",)


def test_a_bundle_has_the_bytes_of_the_protocol():
    body = bundle([b"one", b"", b"three"])
    assert body == b"BXB1\0\3" + b"\0\0\0\3one" + b"\0\0\0\0" + b"\0\0\0\5three"
    assert unbundle(body) == (b"one", b"", b"three")


@given(st.lists(st.binary(max_size=20), min_size=2, max_size=64))
def test_bundling_and_back(envelopes):
    assert unbundle(bundle(envelopes)) == tuple(envelopes)


def test_every_truncation_of_a_bundle_is_refused(kit):
    body = bundle([b"one", b"two"])
    for size in range(4, len(body)):
        with kit.refused(Malformed, "truncated"):
            unbundle(body[:size])
    with kit.refused(Malformed, "trailing"):
        unbundle(body + b"x")


@pytest.mark.parametrize("count", [0, 65, 65535])
def test_a_bundle_counts_one_to_sixty_four(kit, count):
    assert unbundle(b"BXB1\0\1" + b"\0\0\0\3one") == (b"one",)
    body = b"BXB1" + count.to_bytes(2, "big") + b"\0\0\0\0" * count
    with kit.refused(Malformed, "bundle_count"):
        unbundle(body)


def test_a_length_beyond_the_bundle_is_refused(kit):
    with kit.refused(Malformed, "truncated"):
        unbundle(b"BXB1\0\1\xff\xff\xff\xffone")


def test_limits_of_a_bundle(kit):
    assert len(unbundle(bundle([b"x"] * MAX_BUNDLE_COUNT))) == 64
    with kit.refused(TooLarge, "bundle_count"):
        bundle([b"x"] * 65)
    with kit.refused(Malformed, "bundle_count"):
        bundle([])
    full = [bytes(MAX_BUNDLE // 2 - 7)] * 2
    assert len(bundle(full)) == MAX_BUNDLE
    assert unbundle(bundle(full)) == tuple(full)
    with kit.refused(TooLarge, "bundle_size"):
        bundle([*full, b""])
    with kit.refused(Malformed, "bundle_size"):
        unbundle(bytes(MAX_BUNDLE + 1))
    assert issubclass(TooLarge, GatewayError)
