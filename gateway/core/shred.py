"""Keys that are made to be destroyed: epochs, what lies under their leaves, and keyed hashes (protocol 7).

Duty: authenticated wrapping under a 32-byte key; the tree of keys of one month, out of which single leaves
can be taken for good; and hashes that tell nobody anything without their key. It leaves out where keys live
(:mod:`gateway.keystore`) and when they are destroyed (:mod:`gateway.flows.shred`).

An epoch is a puncturable pseudo-random function (the tree of Goldreich, Goldwasser and Micali, 1986). While
it is whole it is one root of 32 bytes, and every key below it is derived. To destroy one key the root is
given up for the nodes beside the way to that key: everything else is derived from them as before, and that
key by nobody any more.

Rules:

- A key under a leaf stands nowhere but in the epoch, so the epoch alone decides what a copy of a database can
  still open. Whoever keeps an epoch keeps it where the copies of the database are not.
- The place of a record is a KEYED hash of its name: a peer chooses message ids, and must not be able to
  choose two that share a leaf.
- A leaf hides one part key and no other thing, ever; so its bytes may be the pad itself.

>>> key = new_key()
>>> unwrap(key, wrap(key, b"part keys", context="bx/1/parts/mid"), context="bx/1/parts/mid")
b'part keys'
>>> whole = Epoch.new()
>>> left = whole.puncture(["00"])
>>> left.key("01") == whole.key("01"), left.keys(["00"])
(True, {})
"""

from __future__ import annotations

import re
import secrets
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NoReturn

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from gateway.core.encoding import b64, decode_object, encode, fields, octets, unb64
from gateway.errors import Forged, Malformed, NotFound

KEY: Final = 32  # bytes
RECORD: Final = 16  # hex digits of a record's path: 64 bits, so that two records share one by no chance
_DIGITS: Final = "0123456789abcdef"
_BELOW: Final = {digit: digit.encode() for digit in _DIGITS}
_PATH: Final = re.compile(r"[0-9a-f]{0,32}\Z")
_NONCE: Final = 24  # bytes; random, for one key may wrap many things


def new_key() -> bytes:
    """32 random bytes."""
    return secrets.token_bytes(KEY)


def wrap(key: bytes, content: bytes, *, context: str) -> bytes:
    """``nonce || ciphertext || tag``. ``context`` is authenticated: what was wrapped for one place opens in
    no other."""
    nonce = secrets.token_bytes(_NONCE)
    return nonce + crypto_aead_xchacha20poly1305_ietf_encrypt(content, context.encode(), nonce, key)


def unwrap(key: bytes, sealed: bytes, *, context: str) -> bytes:
    """Raises Forged for another key, another context or a changed byte."""
    nonce, body = sealed[:_NONCE], sealed[_NONCE:]
    try:
        return crypto_aead_xchacha20poly1305_ietf_decrypt(body, context.encode(), nonce, key)
    except (CryptoError, ValueError):
        raise Forged("stored key material does not open", code="unwrap") from None


def keyed_hash(key: bytes, content: bytes, *, purpose: str) -> bytes:
    """BLAKE2b-256 under ``key``: a plain hash of personal data is personal data (protocol 7).

    ``purpose``: at most 16 bytes, keeps hashes of different kinds apart.
    """
    return blake2b(content, key=key, person=purpose.encode(), digest_size=KEY).digest()


def leaf(record: str, number: int) -> str:
    """The path of one part below its record's."""
    return f"{record}{number:02x}"


def blind(pads: Iterable[bytes], keys: Iterable[bytes]) -> list[bytes]:
    """Keys hidden each under a leaf, or shown again: their exclusive or.

    A one-time pad. It says nothing of who changed it; what it stands in is authenticated, and every part
    commits to its key. Both hold 32 bytes an item.
    """
    pad, key = b"".join(pads), b"".join(keys)
    mixed = (int.from_bytes(pad, "big") ^ int.from_bytes(key, "big")).to_bytes(len(key), "big")
    return [mixed[at : at + KEY] for at in range(0, len(mixed), KEY)]


@dataclass(frozen=True, slots=True, repr=False)
class Epoch:
    """The tree of keys of one month. ``nodes``: path in hex digits -> the key there, and everything below it.

    No stored path is the beginning of another. ``index`` keys the places of records; it opens nothing. An
    epoch without nodes and index was destroyed: it stays as that, so that nobody makes its month anew.
    """

    index: bytes
    nodes: Mapping[str, bytes]

    @classmethod
    def new(cls) -> Epoch:
        return cls(new_key(), {"": new_key()})

    @classmethod
    def gone(cls) -> Epoch:
        """What is left of a destroyed one."""
        return cls(b"", {})

    @property
    def destroyed(self) -> bool:
        return not self.index

    def record(self, name: str) -> str:
        """The path of one record, whose parts lie below it. Raises NotFound ``shredded`` when the epoch was
        destroyed."""
        if self.destroyed:
            raise _shredded()
        name_hash = keyed_hash(self.index, name.encode(), purpose="bx/1/record")
        return name_hash.hex()[:RECORD]

    def leaves(self, name: str, numbers: Collection[int]) -> Mapping[int, bytes]:
        """The leaves of these parts of a record, those that can still be derived; none when it was
        destroyed."""
        if self.destroyed:
            return {}
        record = self.record(name)
        if (top := self._derive(record, {})) is not None:  # nothing of it was destroyed: the usual case
            return _below(top, numbers)
        paths = {number: leaf(record, number) for number in numbers}
        found = self.keys(paths.values())
        return {number: found[path] for number, path in paths.items() if path in found}

    def key(self, path: str) -> bytes:
        """The key at ``path``. Raises NotFound ``shredded`` when it can be derived no more."""
        found = self.keys([path])
        if path not in found:
            raise _shredded()
        return found[path]

    def keys(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        """Those of these keys that can still be derived; what their ways share is derived once."""
        known: dict[str, bytes] = {}
        found = {path: self._derive(_checked(path), known) for path in paths}
        return {path: key for path, key in found.items() if key is not None}

    def _derive(self, path: str, known: dict[str, bytes]) -> bytes | None:
        """From the nearest key above that is there. ``known``: those on the ways of others."""
        end = 0 if not known and "" in self.nodes else len(path)  # a whole epoch has no other node
        while (node := known.get(path[:end]) or self.nodes.get(path[:end])) is None:
            if not end:
                return None
            end -= 1
        for place in range(end, len(path)):
            node = known[path[: place + 1]] = _child(node, path[place])
        return node

    def puncture(self, paths: Iterable[str]) -> Epoch:
        """This epoch without these keys and everything below them. What is gone already stays gone."""
        nodes = dict(self.nodes)
        for path in paths:
            _puncture(nodes, _checked(path))
        return Epoch(self.index, nodes)

    def keep(self, paths: Iterable[str]) -> Epoch:
        """This epoch without the nodes that none of these keys needs: neither one below nor one above it.

        For a month that has ended: most of what lies beside a destroyed key was never used, and now never
        will be.
        """
        live = sorted({_checked(path) for path in paths})
        return Epoch(self.index, {path: key for path, key in self.nodes.items() if _needed(path, live)})

    def encode(self) -> bytes:
        """Canonical JSON, the content of a key file."""
        return encode(
            {"v": 1, "index": b64(self.index), "nodes": {path: b64(key) for path, key in self.nodes.items()}}
        )

    @classmethod
    def decode(cls, data: bytes) -> Epoch:
        """Raises Malformed."""
        body = fields(decode_object(data), {"v": int, "index": str, "nodes": dict})
        nodes = body["nodes"]
        if body["v"] != 1 or not isinstance(nodes, dict) or any(not _PATH.match(path) for path in nodes):
            raise Malformed("an epoch without its form", code="epoch_form")
        index = octets(body, "index") if body["index"] else b""
        return cls(index, {path: unb64(str(key), KEY) for path, key in nodes.items()})

    def __repr__(self) -> str:
        return "<Epoch redacted>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an epoch is not serialised")


def _child(node: bytes, digit: str) -> bytes:
    return blake2b(_BELOW[digit], key=node, person=b"bx/1/epoch", digest_size=KEY).digest()


def _below(record: bytes, numbers: Collection[int]) -> Mapping[int, bytes]:
    """The leaves of a record by its key."""
    tens = {high: _child(record, _DIGITS[high]) for high in {number >> 4 for number in numbers}}
    return {number: _child(tens[number >> 4], _DIGITS[number & 15]) for number in numbers}


def _puncture(nodes: dict[str, bytes], path: str) -> None:
    above = next((path[:end] for end in range(len(path) + 1) if path[:end] in nodes), None)
    if above is None:
        for below in [one for one in nodes if one.startswith(path)]:
            del nodes[below]
        return
    node = nodes.pop(above)
    for end in range(len(above), len(path)):
        beside = (digit for digit in _DIGITS if digit != path[end])
        nodes.update((path[:end] + digit, _child(node, digit)) for digit in beside)
        node = _child(node, path[end])


def _needed(node: str, live: list[str]) -> bool:
    place = bisect_left(live, node)
    if place < len(live) and live[place].startswith(node):
        return True
    return any(_among(node[:end], live) for end in range(len(node)))


def _among(path: str, live: list[str]) -> bool:
    place = bisect_left(live, path)
    return place < len(live) and live[place] == path


def _checked(path: str) -> str:
    if not _PATH.match(path):
        raise Malformed("not a path in a tree of keys", code="epoch_path")
    return path


def _shredded() -> NotFound:
    return NotFound(
        "the content is no longer held",
        code="shredded",
        remedy="ask the origin to send it again",
    )
