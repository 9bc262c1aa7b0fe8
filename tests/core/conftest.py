"""Two boroughs' keys, and a second sealer written from protocol.md alone.

`Forger` shares no code with gateway.core above the libraries: it seals what an honest sender cannot, and
an honest envelope of its making must open, so it is also the second implementation of the format.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as aead
from nacl.signing import SigningKey

from gateway.core import kem
from gateway.errors import GatewayError

NET = hashlib.sha256(b"a test network").digest()
NOW = 1_800_000_000
HACKNEY, BEXLEY = "E09000012", "E09000004"


class Signer:
    """An Ed25519 key and its name; deterministic, so that a failing test fails again."""

    def __init__(self, name: str, seed: bytes | None = None) -> None:
        self.name = name
        self._key = SigningKey(seed or hashlib.sha256(b"sign " + name.encode()).digest())
        self.public = bytes(self._key.verify_key)

    def sign(self, text: bytes) -> bytes:
        return self._key.sign(text).signature


class Opener:
    """A principal with one or more X-Wing subkeys."""

    def __init__(self, principal: str, count: int = 1) -> None:
        self.principal = principal
        seeds = [hashlib.sha256(f"kem {principal} {n}".encode()).digest() for n in range(count)]
        self._keys = {key.public: key for key in map(kem.DecapsulationKey, seeds)}

    def publics(self) -> Sequence[bytes]:
        return list(self._keys)

    def decapsulate(self, public: bytes, ciphertext: bytes) -> bytes:
        return self._keys[public].decapsulate(ciphertext)


def keyring(*signers: Signer) -> Callable[[str], Collection[bytes]]:
    known: dict[str, list[bytes]] = {}
    for signer in signers:
        known.setdefault(signer.name, []).append(signer.public)
    return lambda name: known.get(name, [])


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def canonical(body: object) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def line(signer: Signer, text: bytes, *, name: str | None = None) -> bytes:
    key_id = hashlib.sha256(signer.name.encode() + b"\n\x01" + signer.public).digest()[:4]
    return f"— {name or signer.name} {b64(key_id + signer.sign(text))}\n".encode()


def note(context: str, body: object, *signers: Signer) -> bytes:
    text = context.encode() + b"\n" + canonical(body) + b"\n"
    return text + b"\n" + b"".join(line(signer, text) for signer in signers)


def padding(content: bytes) -> bytes:
    size = max(4 + len(content), 512)
    power = size.bit_length() - 1
    step = 1 << (power - power.bit_length())
    return (len(content).to_bytes(4, "big") + content).ljust(-(-size // step) * step, b"\0")


@dataclass
class Forger:
    """Seals as protocol 4 says, but for what a test overrides. Readers: (principal, public, part numbers)."""

    signer: Signer
    to: str = BEXLEY
    net: bytes = NET
    kind: int = 1
    suite: int = 2
    context: str = "bx/1/message"
    created: int = NOW
    life: int = 72 * 3600
    nslots: int = 2
    change: Callable[[dict[str, Any]], object] = lambda body: None
    make_note: Callable[[str, dict[str, Any]], bytes] | None = None
    pad: Callable[[bytes], bytes] = padding
    bag: Callable[[bytes], bytes] = lambda bag: bag
    keys: list[bytes] = field(default_factory=list)
    named: dict[int, str] = field(default_factory=dict)  # slot -> the principal its commitment names instead
    mid: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    finish_slots: Callable[[list[bytes]], list[bytes]] = lambda slots: slots
    part_change: Callable[[list[bytes]], list[bytes]] = lambda parts: parts

    def seal(self, readers: Sequence[tuple[str, bytes, Collection[int]]], contents: Sequence[bytes]) -> bytes:
        nparts = 1 + len(contents)
        expires = self.created + self.life
        header = b"BXE1" + bytes((self.suite, self.kind, 4, self.nslots, nparts)) + self.mid
        header += expires.to_bytes(8, "big") + bytes((len(self.to),)) + self.to.encode()
        self.head = hashlib.sha256(b"bx/1/head" + header).digest()
        self.keys = [secrets.token_bytes(32) for _ in range(nparts)]
        slots, to = [], []
        for index in range(self.nslots):
            slot, commitment = self._slot(index, readers)
            slots.append(slot)
            to.append(commitment)
        parts = [self.part(number, content) for number, content in enumerate(contents, start=1)]
        body = self._body(expires, slots, parts, to)
        self.change(body)
        if self.make_note:
            statement = self.make_note(self.context, body)
        else:
            statement = note(self.context, body, self.signer)
        parts = self.part_change([self.part(0, statement), *parts])
        slots = self.finish_slots(slots)
        lengths = b"".join(len(part).to_bytes(4, "big") for part in parts)
        return header + b"".join(slots) + lengths + b"".join(parts)

    def _slot(self, index: int, readers: Sequence[tuple[str, bytes, Collection[int]]]) -> tuple[bytes, bytes]:
        if index >= len(readers):
            size = 1120 + 32 * len(self.keys) + 16
            return secrets.token_bytes(size), secrets.token_bytes(32)
        principal, public, numbers = readers[index]
        bag = b"".join(key if j in {0, *numbers} else bytes(32) for j, key in enumerate(self.keys))
        shared, ciphertext = kem.encapsulate(public)
        data = self.net + self.head + bytes((index,)) + hashlib.sha256(public).digest()
        wrap = hashlib.blake2b(data, digest_size=32, key=shared, person=b"bx/1/slot").digest()
        who = self.named.get(index, principal).encode()
        commitment = hashlib.blake2b(who, digest_size=32, key=wrap, person=b"bx/1/to").digest()
        return ciphertext + aead(self.bag(bag), b"", bytes(24), wrap), commitment

    def part(self, number: int, content: bytes, key: bytes = b"") -> bytes:
        data = self.net + self.head + bytes((number,))
        key = key or self.keys[number]
        both = hashlib.blake2b(data, digest_size=64, key=key, person=b"bx/1/part").digest()
        return both[32:] + aead(self.pad(content), b"", bytes(24), both[:32])

    def _body(self, expires: int, slots: list[bytes], parts: list[bytes], to: list[bytes]) -> dict[str, Any]:
        return {
            "created": self.created,
            "dir": 7,
            "expires": expires,
            "from": self.signer.name,
            "head": b64(self.head),
            "mid": self.mid.hex(),
            "net": b64(self.net),
            "parts": [b64(hashlib.sha256(part).digest()) for part in parts],
            "prev": b64(bytes(32)),
            "seen": {"seq": 0, "stream": ""},
            "seq": 1,
            "slots": b64(hashlib.sha256(b"".join(slots)).digest()),
            "stream": "ab" * 16,
            "to": [b64(commitment) for commitment in to],
            "v": 1,
        }


def refused(error: type[GatewayError], code: str) -> Any:
    """``pytest.raises`` of exactly this class with exactly this code."""
    return pytest.raises(error, check=lambda caught: type(caught) is error and caught.code == code)


@pytest.fixture(scope="session")
def kit() -> SimpleNamespace:
    """What the tests of this folder share: with importmode=importlib a conftest cannot be imported."""
    return SimpleNamespace(
        NET=NET,
        NOW=NOW,
        HACKNEY=HACKNEY,
        BEXLEY=BEXLEY,
        Signer=Signer,
        Opener=Opener,
        Forger=Forger,
        keyring=keyring,
        refused=refused,
        note=note,
        line=line,
        canonical=canonical,
        b64=b64,
        padding=padding,
    )
