"""Inputs for parsers, made from good ones by a seeded generator: the same seed gives the same inputs.

Bytes are flipped, cut, doubled, spliced, swapped and overwritten with edge numbers. JSON is changed as a tree
(fields dropped, added, swapped, nested, of other types, base64 changed inside) and written canonically, so
that a reader is reached and not only the comparison before it. A signed note gets a changed body and a good
signature, as somebody with a key could make.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from gateway.core.keys import IdentityKey
from gateway.core.notes import key_id

EDGES = (0, 1, 2, -1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 65535, 65536,
         2**31 - 1, 2**31, 2**32 - 1, 2**53 - 1, 2**53, -(2**53), 2**63, 2**64 - 1, 10**40)  # fmt: skip
TEXTS = ("", " ", "\0", "a", "/", "\n", "\n\n", "é", "\u202e", "\u200b", "\ufeff", "\ud800", "𝟙", "E09000012",
         "E09000012/node", "E09000004/police", "e09000012", "E0900001２", "../x", "=1+1", "AA==", "A" * 300,
         "true", "null", "bx/1/message", "— ", "0" * 32, base64.b64encode(bytes(32)).decode())  # fmt: skip
NAMES = ("", "v", "at", "é", "__class__", "net", "0", "parts", "a" * 200)
TOKENS = (
    b"BXE1", b"BXB1", b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\n\n", b"\r\n", b"\xe2\x80\x94 ",
    b"\xed\xa0\x80", b"\xc0\x80", b"\xef\xbb\xbf", b"[" * 200, b'{"a":' * 50, b"1e999", b"-0", b"NaN",
    b"9" * 400, b"\\u0000", b'"', b"}", b",", b"=", b"== ", b"\0" * 600,
)  # fmt: skip
_DEEPEST = 6


class Changes:
    """Every decision comes out of ``random``; ``pool`` are other good inputs, to splice from."""

    def __init__(self, random: Random, pool: Sequence[bytes]) -> None:
        self.random, self.pool = random, pool
        self._bytes: tuple[Callable[[bytearray], None], ...] = (
            self._flip, self._flip, self._overwrite, self._number, self._cut, self._end, self._double,
            self._insert, self._splice, self._swap,
        )  # fmt: skip

    def pick(self, things: Sequence[Any]) -> Any:
        return things[int(self.random.random() * len(things))]

    def below(self, limit: int) -> int:
        return int(self.random.random() * limit)

    # --- bytes

    def bytes(self, data: bytes) -> bytes:
        """One change mostly, up to four."""
        changed = bytearray(data)
        for _ in range(self.pick((1, 1, 1, 2, 3, 4))):
            self.pick(self._bytes)(changed)
        return bytes(changed)

    def _place(self, data: bytearray) -> tuple[int, int]:
        start = self.below(len(data) + 1)
        return start, min(len(data), start + self.pick((1, 2, 4, 8, 16, 32, 33, 64, 256, 1200)))

    def _flip(self, data: bytearray) -> None:
        if data:
            data[self.below(len(data))] ^= 1 << self.below(8)

    def _overwrite(self, data: bytearray) -> None:
        if data:
            data[self.below(len(data))] = self.pick((0, 1, 2, 16, 17, 64, 65, 127, 128, 255))

    def _number(self, data: bytearray) -> None:
        size = self.pick((1, 2, 4, 8))
        at = self.below(max(1, len(data) - size))
        data[at : at + size] = (self.pick(EDGES) % (1 << 8 * size)).to_bytes(size, "big")

    def _cut(self, data: bytearray) -> None:
        start, end = self._place(data)
        del data[start:end]

    def _end(self, data: bytearray) -> None:
        del data[self.below(len(data) + 1) :]

    def _double(self, data: bytearray) -> None:
        start, end = self._place(data)
        data[end:end] = data[start:end] * self.pick((1, 1, 2, 17))

    def _insert(self, data: bytearray) -> None:
        at = self.below(len(data) + 1)
        data[at:at] = self.pick(TOKENS)

    def _splice(self, data: bytearray) -> None:
        other = self.pick(self.pool)
        start, (theirs, end) = self.below(len(data) + 1), self._place(bytearray(other))
        data[start : start + (end - theirs)] = other[theirs:end]

    def _swap(self, data: bytearray) -> None:
        a, b = sorted((self.below(len(data) + 1), self.below(len(data) + 1)))
        size = min(self.pick((1, 4, 32, 700)), b - a, len(data) - b)
        data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]

    # --- JSON

    def json(self, value: Any) -> Any:
        """A copy of ``value`` with one to three changes; what is not changed is shared with it."""
        for _ in range(self.pick((1, 1, 1, 2, 3))):
            value = self._descend(value, 0)
        return value

    def _descend(self, value: Any, depth: int) -> Any:
        if isinstance(value, dict) and value and self.random.random() < 0.85:
            name = self.pick(list(value))
            if self.random.random() < 0.3:
                return self._object(dict(value), name)
            return {**value, name: self._descend(value[name], depth + 1)}
        if isinstance(value, list) and value and self.random.random() < 0.85:
            at, copy = self.below(len(value)), list(value)
            if self.random.random() < 0.3:
                return self._list(copy, at)
            copy[at] = self._descend(value[at], depth + 1)
            return copy
        return self._leaf(value, depth)

    def _object(self, copy: dict[str, Any], name: str) -> dict[str, Any]:
        match self.below(5):
            case 0:
                del copy[name]
            case 1:
                copy[self.pick(NAMES)] = copy[name]
            case 2:
                other = self.pick(list(copy))
                copy[name], copy[other] = copy[other], copy[name]
            case 3:
                copy[self.text(name)] = copy.pop(name)
            case _:
                copy[self.pick(NAMES)] = self.value()
        return copy

    def _list(self, copy: list[Any], at: int) -> list[Any]:
        match self.below(5):
            case 0:
                del copy[at]
            case 1:
                copy.insert(at, copy[self.below(len(copy))])
            case 2:
                copy.reverse()
            case 3:
                return copy * self.pick((2, 3, 17))
            case _:
                copy.insert(at, self.value())
        return copy

    def _leaf(self, value: Any, depth: int) -> Any:
        if isinstance(value, str) and self.random.random() < 0.6:
            return self.text(value)
        if type(value) is int and self.random.random() < 0.6:
            return (
                value + self.pick((1, -1, 60, -60, 10**6)) if self.random.random() < 0.5 else self.pick(EDGES)
            )
        if depth < _DEEPEST and self.random.random() < 0.1:
            return self.pick(([value], {"a": value}, [[[[[[[[value]]]]]]]]))
        return self.value()

    def value(self) -> Any:
        match self.below(8):
            case 0:
                return None
            case 1:
                return self.random.random() < 0.5
            case 2 | 3:
                return self.pick(EDGES)
            case 4 | 5:
                return self.pick(TEXTS)
            case 6:
                return self.pick(([], {}, [[]], [None], {"": 1}, {"v": 1}, [1, 1], 1.5))
            case _:
                return base64.b64encode(self.random.randbytes(self.pick((0, 1, 31, 32, 33, 64)))).decode()

    def text(self, text: str) -> str:
        """Another spelling, another base64 of nearly the same bytes, or another text."""
        choice = self.random.random()
        if choice < 0.4 and len(text) >= 8 and len(text) % 4 == 0:
            try:
                return base64.b64encode(self.bytes(binascii.a2b_base64(text))).decode()
            except ValueError:
                pass
        if choice < 0.7 and text:
            at = self.below(len(text))
            return (
                text[:at]
                + self.pick((*TEXTS, text[at:], chr(self.below(0x3000))))
                + text[at + self.below(3) :]
            )
        return str(self.pick(TEXTS))

    def canonical(self, value: Any) -> bytes:
        """The bytes of a JSON value; sometimes spelt in another way, or damaged as bytes."""
        if self.random.random() < 0.03:
            return json.dumps(value, sort_keys=self.random.random() < 0.5).encode()
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        data = text.encode(errors="surrogatepass")
        return self.bytes(data) if self.random.random() < 0.1 else data

    # --- notes

    def note(self, context: bytes, body: Any, signers: Sequence[IdentityKey]) -> bytes:
        """``body`` changed and signed, or the whole signed note damaged."""
        if self.random.random() < 0.2:
            return self.bytes(signed(context, self.canonical(body), signers))
        return signed(context, self.canonical(self.json(body)), signers)


def signed(context: bytes, body: bytes, signers: Sequence[IdentityKey]) -> bytes:
    """A note by hand: the product's own signing refuses what no peer should take."""
    text = context + b"\n" + body + b"\n"
    lines = (
        f"— {one.name} {base64.b64encode(key_id(one.name, one.public) + one.sign(text)).decode()}\n"
        for one in signers
    )
    return text + b"\n" + "".join(lines).encode()
