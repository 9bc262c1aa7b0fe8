"""The outer bytes of an envelope and of a bundle: all that the broker sees (protocol 4.1, 4.2, 4.6).

Duty: bytes <-> the places in them, every limit, and padding. What it leaves out: all cryptography, but for
the hashes that name bytes; whoever calls `split` has spent nothing on garbage yet.

::

    header = "BXE1" suite kind priority nslots nparts message-id(16) expires(8) len(to) to
    slots  = nslots x [ KEM ciphertext | encrypted key bag ]
    lens   = nparts x u32 big-endian
    parts  = concatenated

Rules: parsing consumes every byte exactly; a length is compared with what is there before it is used.

Example::

    parsed = split(delivery.body)
    parsed.to, parsed.kind, len(parsed.slots)     # ('E09000004', <Kind.MESSAGE: 1>, 8)
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from typing import Final

from gateway.core import kem
from gateway.core.encoding import AREA, MAX_INTEGER
from gateway.errors import Malformed, TooLarge, Unsupported

MAX_ENVELOPE: Final = 1 << 20  # bytes; what a node holds in memory many times over
MAX_BUNDLE: Final = 4 << 20  # bytes; one AMQP message
MAX_BUNDLE_COUNT: Final = 64  # envelopes; the transactions one AMQP message can cost
MAX_SLOTS: Final = 16  # recipients and dummies; the decapsulations one envelope can cost
MAX_PARTS: Final = 64  # the statement, the routing table and 62 audiences
MAX_PRIORITY: Final = 9  # AMQP's own scale ends there
SLOT_STEPS: Final = (2, 4, 8, 12, MAX_SLOTS)  # padded counts: how many were told stays unknown
MESSAGE_ID: Final = 16  # bytes
TAG: Final = 16  # bytes of Poly1305
KEY: Final = 32  # bytes of a part key, a wrapping key and a commitment alike
MIN_PADDED: Final = 512  # bytes; under it a padded length would tell short contents apart

_MAGIC: Final = b"BXE1"
_SUITE: Final = 2
_BUNDLE_MAGIC: Final = b"BXB1"
_HEADER: Final = struct.Struct(">4sBBBBB16sQB")
_LENGTH: Final = struct.Struct(">I")
_COUNT: Final = struct.Struct(">H")
MAX_HEADER: Final = _HEADER.size + 9  # bytes; an area code has 9
_MIN_PART: Final = KEY + MIN_PADDED + TAG


class Kind(IntEnum):
    """What an envelope carries. Receipts and control messages have one reader, the destination node."""

    MESSAGE = 1
    RECEIPTS = 2
    CONTROL = 3


@dataclass(frozen=True)
class Parsed:
    """An envelope taken apart; nothing of it is proven. ``mid`` is 32 hex digits, ``expires`` unix seconds.

    ``head`` is H of protocol 4.2, 32 bytes; it enters every key, so it speaks for the whole header.
    """

    kind: Kind
    priority: int
    to: str
    mid: str
    expires: int
    head: bytes = field(repr=False)
    slots: tuple[bytes, ...] = field(repr=False)
    parts: tuple[bytes, ...] = field(repr=False)
    raw: bytes = field(repr=False)

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the envelope, 32 bytes: ``env`` of a receipt (protocol 5)."""
        return hashlib.sha256(self.raw).digest()


def pack_header(
    *, kind: Kind, priority: int, slots: int, parts: int, mid: bytes, expires: int, to: str
) -> bytes:
    """The header bytes of protocol 4.1. Raises Malformed or TooLarge for what `split` would refuse."""
    if not 1 <= slots <= MAX_SLOTS:
        raise TooLarge(f"1 to {MAX_SLOTS} recipients are possible", code="slots")
    if not 1 <= parts <= MAX_PARTS:
        raise TooLarge(f"at most {MAX_PARTS} parts are possible", code="parts")
    _check_values(priority, expires)
    if not AREA.match(to):
        raise Malformed("the destination is no area code", code="to")
    return _HEADER.pack(_MAGIC, _SUITE, kind, priority, slots, parts, mid, expires, len(to)) + to.encode()


def join(header: bytes, slots: bytes, parts: Sequence[bytes]) -> bytes:
    """The envelope."""
    return b"".join((header, slots, *(_LENGTH.pack(len(part)) for part in parts), *parts))


def head_of(header: bytes) -> bytes:
    """H of protocol 4.2, 32 bytes."""
    return hashlib.sha256(b"bx/1/head" + header).digest()


def slot_size(parts: int) -> int:
    """Bytes of one slot in an envelope of so many parts."""
    return kem.CIPHERTEXT + KEY * parts + TAG


def framed_part_size(content: int) -> int:
    """Bytes that a content of so many bytes takes in an envelope, its length field included."""
    return _LENGTH.size + KEY + padded_size(content) + TAG


def split(envelope: bytes) -> Parsed:
    """The places in an envelope, before any cryptography. Raises Malformed or Unsupported.

    Every refusal carries a code: envelope_size, magic, suite, kind, priority, slots, parts, to, expires,
    part_size, truncated, trailing.
    """
    if len(envelope) > MAX_ENVELOPE:
        raise Malformed(f"an envelope over {MAX_ENVELOPE} bytes", code="envelope_size")
    cursor = _Cursor(envelope)
    magic, suite, kind, priority, nslots, nparts, mid, expires, to_size = _HEADER.unpack(
        cursor.take(_HEADER.size)
    )
    known = _check_known(magic, suite, kind)
    _check_values(priority, expires)
    _check_counts(known, nslots, nparts)
    to = _area(cursor.take(to_size))
    head = head_of(envelope[: cursor.at])
    size = slot_size(nparts)
    block = cursor.take(size * nslots)
    slots = tuple([block[at : at + size] for at in range(0, len(block), size)])
    sizes = struct.unpack(f">{nparts}I", cursor.take(_LENGTH.size * nparts))
    parts = tuple([_take_part(cursor, size) for size in sizes])
    cursor.end()
    return Parsed(known, priority, to, mid.hex(), expires, head, slots, parts, envelope)


class _Cursor:
    """A place in bytes that only moves forward and never past the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        if size > len(self._data) - self.at:
            raise Malformed("bytes are missing", code="truncated")
        self.at += size
        return self._data[self.at - size : self.at]

    def end(self) -> None:
        if self.at != len(self._data):
            raise Malformed("bytes are left over", code="trailing")


def _check_known(magic: bytes, suite: int, kind: int) -> Kind:
    if magic != _MAGIC:
        raise Unsupported("not an envelope of this protocol", code="magic")
    if suite != _SUITE:
        raise Unsupported("a suite that this release does not speak", code="suite")
    try:
        return Kind(kind)
    except ValueError:
        raise Unsupported("a kind that this release does not know", code="kind") from None


def _check_values(priority: int, expires: int) -> None:
    if not 0 <= priority <= MAX_PRIORITY:
        raise Malformed(f"a priority beyond 0 to {MAX_PRIORITY}", code="priority")
    if not 0 <= expires <= MAX_INTEGER:
        raise Malformed("an expiry that the statement could not repeat", code="expires")


def _check_counts(kind: Kind, slots: int, parts: int) -> None:
    if not 1 <= slots <= MAX_SLOTS:
        raise Malformed(f"slots are not 1 to {MAX_SLOTS}", code="slots")
    if kind is not Kind.MESSAGE and slots != SLOT_STEPS[0]:
        raise Malformed("receipts and control messages have one reader", code="slots")
    if not 1 <= parts <= MAX_PARTS:
        raise Malformed(f"parts are not 1 to {MAX_PARTS}", code="parts")


def _area(to: bytes) -> str:
    try:
        text = to.decode("ascii")
    except UnicodeDecodeError:
        raise Malformed("the destination is no area code", code="to") from None
    if not AREA.match(text):
        raise Malformed("the destination is no area code", code="to")
    return text


def _take_part(cursor: _Cursor, size: int) -> bytes:
    if size < _MIN_PART:
        raise Malformed("a part shorter than an empty one", code="part_size")
    return cursor.take(size)


# --- Padding (protocol 4.2) ---------------------------------------------------------------------------


def padme(size: int) -> int:
    """The Padmé length of ``size`` >= 2 (PURBs, 2019): at most 12 % more, and O(log log) bits are told."""
    exponent = size.bit_length() - 1
    free = exponent - exponent.bit_length()
    return (size + (1 << free) - 1) >> free << free


def padded_size(size: int) -> int:
    """Bytes of ``pad(content)`` for a content of ``size`` bytes."""
    return padme(max(_LENGTH.size + size, MIN_PADDED))


def pad(content: bytes) -> bytes:
    """u32 length || content || zeros."""
    return (_LENGTH.pack(len(content)) + content).ljust(padded_size(len(content)), b"\0")


def unpad(padded: bytes) -> bytes:
    """The content. Malformed for any size or fill but the one that `pad` makes: no room for a second
    message, and nothing to tell two encodings of one content apart."""
    (size,) = _LENGTH.unpack_from(padded)
    end = _LENGTH.size + size
    if len(padded) != padded_size(size) or padded.count(0, end) != len(padded) - end:
        raise Malformed("padding that no honest sender makes", code="padding")
    return padded[_LENGTH.size : end]


# --- Bundles (protocol 4.6) ---------------------------------------------------------------------------


def bundle(envelopes: Sequence[bytes]) -> bytes:
    """One AMQP body of 1..64 envelopes for one node and queue; a single one travels bare.

    Raises TooLarge over 64 envelopes or 4 MiB, Malformed for none.
    """
    if not envelopes:
        raise Malformed("a bundle of nothing", code="bundle_count")
    if len(envelopes) == 1:
        return envelopes[0]
    if len(envelopes) > MAX_BUNDLE_COUNT:
        raise TooLarge(f"more than {MAX_BUNDLE_COUNT} envelopes in a bundle", code="bundle_count")
    framed = (piece for one in envelopes for piece in (_LENGTH.pack(len(one)), one))
    body = b"".join((_BUNDLE_MAGIC, _COUNT.pack(len(envelopes)), *framed))
    if len(body) > MAX_BUNDLE:
        raise TooLarge(f"a bundle over {MAX_BUNDLE} bytes", code="bundle_size")
    return body


def unbundle(body: bytes) -> tuple[bytes, ...]:
    """The envelopes of an AMQP body, none of them looked at: a bad one is refused alone, by `split`.

    What does not begin as a bundle is taken for one bare envelope. Raises Malformed when the frame itself
    is broken, for then nobody can say where an envelope ends.
    """
    if len(body) > MAX_BUNDLE:
        raise Malformed(f"a bundle over {MAX_BUNDLE} bytes", code="bundle_size")
    if not body.startswith(_BUNDLE_MAGIC):
        return (body,)
    cursor = _Cursor(body)
    cursor.take(len(_BUNDLE_MAGIC))
    (count,) = _COUNT.unpack(cursor.take(_COUNT.size))
    if not 1 <= count <= MAX_BUNDLE_COUNT:
        raise Malformed(f"a bundle of other than 1 to {MAX_BUNDLE_COUNT}", code="bundle_count")
    envelopes = tuple(cursor.take(_LENGTH.unpack(cursor.take(_LENGTH.size))[0]) for _ in range(count))
    cursor.end()
    return envelopes
