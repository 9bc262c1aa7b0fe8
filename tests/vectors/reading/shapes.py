"""The outer bytes, the key schedule and padding (4.1, 4.2, 4.6): hashes and lengths, no library."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from .text import AREA, MOST, Bad, need, sha256

MOST_BYTES = 1 << 20
MOST_BUNDLE = 4 << 20
CIPHERTEXT = 1120
LEAST_PART = 32 + 512 + 16


@dataclass
class Envelope:
    kind: int
    priority: int
    mid: str
    expires: int
    to: str
    head: bytes
    slots: list[bytes]
    parts: list[bytes]
    raw: bytes


class Cursor:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        need(size <= len(self.data) - self.at, "truncated")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def end(self) -> None:
        need(self.at == len(self.data), "trailing")


def split(data: bytes) -> Envelope:
    """Step 1 of section 9, field by field in the order of the bytes' checks."""
    need(len(data) <= MOST_BYTES, "envelope_size")
    cursor = Cursor(data)
    fixed = Cursor(cursor.take(34))
    magic, suite, kind, priority = fixed.take(4), fixed.number(1), fixed.number(1), fixed.number(1)
    nslots, nparts, mid, expires = fixed.number(1), fixed.number(1), fixed.take(16).hex(), fixed.number(8)
    need(magic == b"BXE1", "magic")
    need(suite == 2, "suite")
    need(kind in (1, 2, 3), "kind")
    need(priority <= 9, "priority")
    need(expires <= MOST, "expires")
    need(1 <= nslots <= 16 and (kind == 1 or nslots == 2), "slots")
    need(1 <= nparts <= 64, "parts")
    to = _area(cursor.take(fixed.number(1)))
    head = head_hash(data[: cursor.at])
    slots = [cursor.take(CIPHERTEXT + 32 * nparts + 16) for _ in range(nslots)]
    sizes = [cursor.number(4) for _ in range(nparts)]
    parts = [_part(cursor, size) for size in sizes]
    cursor.end()
    return Envelope(kind, priority, mid, expires, to, head, slots, parts, data)


def _area(data: bytes) -> str:
    need(data.isascii() and AREA.match(data.decode("latin-1")), "to")
    return data.decode()


def _part(cursor: Cursor, size: int) -> bytes:
    need(size >= LEAST_PART, "part_size")
    return cursor.take(size)


def head_hash(header: bytes) -> bytes:
    return sha256(b"bx/1/head" + header)


def wrapping_key(shared: bytes, net: bytes, head: bytes, slot: int, public: bytes) -> bytes:
    data = net + head + bytes([slot]) + sha256(public)
    return hashlib.blake2b(data, digest_size=32, key=shared, person=b"bx/1/slot").digest()


def part_keys(key: bytes, net: bytes, head: bytes, part: int) -> tuple[bytes, bytes]:
    data = net + head + bytes([part])
    both = hashlib.blake2b(data, digest_size=64, key=key, person=b"bx/1/part").digest()
    return both[:32], both[32:]


def commitment(wrapping: bytes, principal: str) -> bytes:
    return hashlib.blake2b(principal.encode(), digest_size=32, key=wrapping, person=b"bx/1/to").digest()


def padme(size: int) -> int:
    power = size.bit_length() - 1  # floor(log2 L)
    kept = power.bit_length()  # floor(log2 E) + 1
    step = 1 << power - kept
    return -(-size // step) * step


def padded_size(length: int) -> int:
    return padme(max(4 + length, 512))


def pad(content: bytes) -> bytes:
    framed = len(content).to_bytes(4, "big") + content
    return framed + bytes(padded_size(len(content)) - len(framed))


def unpad(padded: bytes) -> bytes:
    length = int.from_bytes(padded[:4], "big")
    content = padded[4 : 4 + length]
    # Made again and compared: no other size and no other fill passes.
    need(len(content) == length and pad(content) == padded, "padding")
    return content


def unbundle(body: bytes) -> list[bytes]:
    """An AMQP body: a bundle, or one bare envelope (4.6)."""
    need(len(body) <= MOST_BUNDLE, "bundle_size")
    if not body.startswith(b"BXB1"):
        return [body]
    cursor = Cursor(body[4:])
    count = cursor.number(2)
    if not 1 <= count <= 64:
        raise Bad("bundle_count")
    found = [cursor.take(cursor.number(4)) for _ in range(count)]
    cursor.end()
    return found
