"""Seal one envelope as section 4 says, but for whatever a vector changes on the way."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as aead

from . import pool
from .network import B_NODE, B_POLICE, BEXLEY, DUMMY, H_NODE, HACKNEY, NET, NOW, SIGNERS, SUBKEYS, random
from .plain import Signer, b64, canonical, note, pad, sha256

Reader = tuple[str, Collection[int]]
frozen = cache(pool.load)


def blake(size: int, key: bytes, person: bytes, data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=size, key=key, person=person).digest()


def sections(**found: Any) -> bytes:
    return canonical({"v": 1, "sections": found})


def leg(slot: int, principal: str, **changes: Any) -> dict[str, Any]:
    found = {"slot": slot, "principal": principal, "reply_to": f"{HACKNEY}/police"}
    return {**found, "leg": random(f"leg {principal}", 16).hex(), **changes}


def routing(*legs: dict[str, Any], **changes: Any) -> bytes:
    """Part 1: by default one leg, the police's in slot 1."""
    table = {
        "type": "HANDOVER_NOTIFICATION", "handover": f"HO-{HACKNEY}-2027-000001", "version": 1,
        "urgency": "STANDARD", "legs": list(legs) or [leg(1, B_POLICE)], **changes,
    }  # fmt: skip
    return sections(routing=table)


@dataclass
class Sealing:
    """One envelope. ``name`` names all that would be random: message id, part keys, the choice of
    encapsulations. The callables are given what an honest sender would use and give what is used instead."""

    name: str
    signer: Signer = SIGNERS[H_NODE]
    net: bytes = NET
    readers: Sequence[Reader] = ((B_NODE, (1,)), (B_POLICE, (2,)))
    contents: Sequence[bytes] = field(default_factory=lambda: (routing(), sections(core={"note": "EXAMPLE"})))
    context: str = "bx/1/message"
    kind: int = 1
    priority: int = 0
    to: bytes = BEXLEY.encode()
    nslots: int = 2
    created: int = NOW - 60
    life: int = 3600
    directory: int = 7
    seq: int = 1
    stream: str = random("stream", 16).hex()
    prev: bytes = bytes(32)
    seen: dict[str, Any] = field(default_factory=lambda: {"seq": 0, "stream": ""})
    mid: bytes = b""
    subkey: int = 2
    named: Mapping[int, str] = field(default_factory=dict)
    header: Callable[[bytes], bytes] = lambda header: header
    ciphertext: Callable[[int, bytes], bytes] = lambda index, ciphertext: ciphertext
    bag: Callable[[int, bytes], bytes] = lambda index, bag: bag
    body: Callable[[dict[str, Any]], Any] = lambda body: body
    note: Callable[[str, Any], bytes] | None = None
    pad: Callable[[int, bytes], bytes] = lambda number, content: pad(content)

    def __post_init__(self) -> None:
        count = 1 + len(self.contents)
        self.mid = self.mid or random(f"mid {self.name}", 16)
        self.expires = self.created + self.life
        fixed = b"BXE1" + bytes((2, self.kind, self.priority, self.nslots, count)) + self.mid
        fixed += self.expires.to_bytes(8, "big") + bytes((len(self.to),)) + self.to
        self.head_bytes = self.header(fixed)
        self.head = sha256(b"bx/1/head" + self.head_bytes)
        self.keys = [random(f"part {self.name} {number}") for number in range(count)]
        pairs = [self._slot(index) for index in range(self.nslots)]
        self.slots, self.to_commitments = [slot for slot, _ in pairs], [named for _, named in pairs]
        self.later = [self.part(number, content) for number, content in enumerate(self.contents, start=1)]
        said = self.body(self._statement())
        write = self.note or (lambda context, body: note(context, body, self.signer))
        self.statement = write(self.context, said)
        self.parts = [self.part(0, self.statement), *self.later]

    @property
    def envelope(self) -> bytes:
        return glue(self.head_bytes, self.slots, self.parts)

    @property
    def stmt(self) -> bytes:
        return sha256(self.statement[: self.statement.rfind(b"\n\n") + 1])

    def encapsulation(self, index: int, principal: str) -> tuple[bytes, bytes]:
        """(shared secret, ciphertext): one of the reader's frozen ones, chosen by the envelope's name."""
        held = frozen()[self._subkey(principal).label]
        chosen = held[random(f"choice {self.name} {index}", 1)[0] % len(held)]
        return unb64(chosen["shared_b64"]), unb64(chosen["ciphertext_b64"])

    def wrapping(self, index: int, principal: str) -> tuple[bytes, bytes]:
        """(ciphertext, wk) for a reader in a slot."""
        shared, ciphertext = self.encapsulation(index, principal)
        data = self.net + self.head + bytes((index,)) + sha256(self._subkey(principal).public)
        return ciphertext, blake(32, shared, b"bx/1/slot", data)

    def _subkey(self, principal: str) -> pool.Subkey:
        return SUBKEYS[principal, self.subkey] if principal else DUMMY

    def slot(self, index: int, principal: str, bag: bytes) -> tuple[bytes, bytes]:
        ciphertext, wrapping = self.wrapping(index, principal)
        who = self.named.get(index, principal).encode()
        sealed = self.ciphertext(index, ciphertext) + aead(bag, None, bytes(24), wrapping)
        return sealed, blake(32, wrapping, b"bx/1/to", who)

    def part(self, number: int, content: bytes, key: bytes = b"") -> bytes:
        both = blake(64, key or self.keys[number], b"bx/1/part", self.net + self.head + bytes((number,)))
        return both[32:] + aead(self.pad(number, content), None, bytes(24), both[:32])

    def _slot(self, index: int) -> tuple[bytes, bytes]:
        if index >= len(self.readers):
            slot, _ = self.slot(index, "", bytes(32 * len(self.keys)))
            return slot, random(f"dummy {self.name} {index}")
        principal, numbers = self.readers[index]
        bag = b"".join(key if j in {0, *numbers} else bytes(32) for j, key in enumerate(self.keys))
        return self.slot(index, principal, self.bag(index, bag))

    def _statement(self) -> dict[str, Any]:
        return {
            "created": self.created,
            "dir": self.directory,
            "expires": self.expires,
            "from": self.signer.name,
            "head": b64(self.head),
            "mid": self.mid.hex(),
            "net": b64(self.net),
            "parts": [b64(sha256(part)) for part in self.later],
            "prev": b64(self.prev),
            "seen": self.seen,
            "seq": self.seq,
            "slots": b64(sha256(b"".join(self.slots))),
            "stream": self.stream,
            "to": [b64(named) for named in self.to_commitments],
            "v": 1,
        }


def glue(header: bytes, slots: Sequence[bytes], parts: Sequence[bytes]) -> bytes:
    lengths = b"".join(len(part).to_bytes(4, "big") for part in parts)
    return header + b"".join(slots) + lengths + b"".join(parts)


def unb64(text: str) -> bytes:
    return base64.b64decode(text)
