"""P2: seal + open + receipt + verify, beside the sum of the raw library calls that they are made of.

    .venv/bin/python bench/crypto.py --help

One process, a cycle of each side in turn. The measured side makes the core's own calls as the product does
(flows/outgoing.py, opening.py, vault.py, receipts.py), for a part of 4 KB that one agency or eight may read.
The raw side makes every encapsulation, AEAD, signature, hash and draw of randomness of that path, once for
once, on bytes of the lengths found in a real envelope, by the calls of PyNaCl, cryptography and hashlib that
the core itself ends in, and nothing else: no encoding, no checks, no objects of ours. Both sides' calls are
counted before anything is timed: the raw side may make none that the core does not make.
"""

from __future__ import annotations

import argparse
import hashlib
import secrets
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from types import FrameType
from typing import Any

from _report import RESULTS, machine, publish, ratios, spread, table
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from nacl import bindings as sodium

from gateway.bootstrap import spare_collections
from gateway.core import kem
from gateway.core.envelope import (
    Kind,
    Parsed,
    Position,
    Recipient,
    Seen,
    Statement,
    check_key,
    check_slot,
    open_part,
    open_slot,
    open_statement,
    prepare,
    split,
)
from gateway.core.keys import IdentityKey, KemKey, SubkeyOpener
from gateway.core.layout import padded_size
from gateway.core.receipts import ZERO, About, Receipt, make_receipt, open_receipt

HERE, THERE = "E09000012", "E09000004"
NET, NOW, LIFE = bytes(32), 1_795_514_700, 72 * 3600
CONTENT, ROUTING = secrets.token_bytes(4096), secrets.token_bytes(300)
SCOPE = 64
"""Bytes of ``net || H``, which every derivation takes in."""

Cycle = Callable[[], object]


@dataclass(frozen=True)
class Exchange:
    """What one cycle made: the raw side takes its lengths from here."""

    parsed: Parsed
    statement: Statement
    receipt: Receipt


def subkey(principal: str) -> SubkeyOpener:
    return SubkeyOpener(principal, [KemKey.generate(NOW - 1, NOW + LIFE)])


def ours(agencies: int) -> Callable[[], Exchange]:
    """Seal for a node and its agencies; the node opens all that is theirs and signs; the origin verifies."""
    sender, receiver = IdentityKey.generate(f"{HERE}/node"), IdentityKey.generate(f"{THERE}/node")
    node = subkey(receiver.name)
    readers = [subkey(f"{THERE}/agency_{number}") for number in range(agencies)]
    known = {key.name: [key.public] for key in (sender, receiver)}

    def keyring(name: str) -> list[bytes]:
        return known.get(name, [])

    def cycle() -> Exchange:
        recipients = [Recipient(node.principal, node.publics()[0], frozenset({1}))]
        recipients += [Recipient(one.principal, one.publics()[0], frozenset({2})) for one in readers]
        draft = prepare(
            net=NET, kind=Kind.MESSAGE, priority=0, to=THERE, expires=NOW + LIFE,
            recipients=recipients, contents=[ROUTING, CONTENT],
        )  # fmt: skip
        sealed = draft.finish(
            sender, created=NOW, directory=1, position=Position("0" * 32, 1, ZERO), seen=Seen()
        )
        parsed = split(sealed.envelope)
        statement, slot = open_statement(parsed, net=NET, opener=node, area=THERE, keyring=keyring, now=NOW)
        open_part(parsed, 1, slot.keys[1] or b"", net=NET)
        for index, reader in enumerate(readers, start=1):
            theirs = open_slot(parsed, index, net=NET, opener=reader)
            check_slot(statement, theirs)
            check_key(parsed, 2, theirs.keys[2] or b"", net=NET)  # on arrival, before "received" is signed
            open_part(parsed, 2, theirs.keys[2] or b"", net=NET)  # for the adapter
        about = About(parsed.digest, statement.sender, statement.mid, statement.hash)
        receipt = make_receipt(receiver, net=NET, about=about, at=NOW, state="received")
        return Exchange(parsed, statement, open_receipt(receipt.note, net=NET, keyring=keyring))

    return cycle


def raw(agencies: int, like: Exchange) -> Cycle:  # noqa: C901, PLR0915 - the steps of a cycle, in their order
    """The same cryptography by the libraries' own calls, on the lengths of ``like``."""
    slots, readers = len(like.parsed.slots), 1 + agencies
    lattice = MLKEM768PrivateKey.generate()
    public = lattice.public_key()
    curve_public, curve_secret = sodium.crypto_box_keypair()
    verifying, signing = sodium.crypto_sign_keypair()
    encrypt = sodium.crypto_aead_xchacha20poly1305_ietf_encrypt
    decrypt = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt
    key, nonce, scope = bytes(32), bytes(24), bytes(SCOPE)
    bag = bytes(32 * len(like.parsed.parts))
    note, contents = like.statement.note, [bytes(padded_size(len(one))) for one in (ROUTING, CONTENT)]
    padded_note = bytes(padded_size(len(note)))
    statement_text, receipt_text = signed_text(note), signed_text(like.receipt.note)
    name, principal = bytes(len(HERE) + 39), bytes(len(HERE) + 5)
    recipient_key, header = bytes(kem.PUBLIC), bytes(len("bx/1/head") + 43)
    kem_secrets = bytes(4 * 32 + 6)
    slot_bytes, envelope = b"".join(like.parsed.slots), like.parsed.raw

    def derive(size: int, data: bytes) -> None:
        hashlib.blake2b(data, digest_size=size, key=key, person=b"bx/1/part").digest()

    def sign(text: bytes) -> None:
        hashlib.sha256(name).digest()  # the key id on the line
        signed.append(sodium.crypto_sign(text, signing))
        hashlib.sha256(text).digest()

    def verify() -> None:
        hashlib.sha256(name).digest()
        hashlib.sha256(sodium.crypto_sign_open(signed.pop(), verifying)).digest()

    def wrapping_key() -> None:
        hashlib.sha3_256(kem_secrets).digest()
        hashlib.sha256(recipient_key).digest()
        derive(32, scope)

    def encapsulate() -> bytes:
        ephemeral = secrets.token_bytes(32)
        _, ciphertext = public.encapsulate()
        sodium.crypto_scalarmult_base(ephemeral)
        sodium.crypto_scalarmult(ephemeral, curve_public)
        wrapping_key()
        return ciphertext

    def decapsulate(ciphertext: bytes, sealed: bytes) -> None:
        lattice.decapsulate(ciphertext)
        sodium.crypto_scalarmult(curve_secret, curve_public)
        wrapping_key()
        decrypt(sealed, None, nonce, key)
        derive(32, principal)

    def seal_part(content: bytes) -> bytes:
        derive(64, scope)
        return encrypt(content, None, nonce, key)

    def open_one(part: bytes) -> None:
        derive(64, scope)
        decrypt(part, None, nonce, key)

    def hash_all(parts: list[bytes]) -> None:
        for data in (slot_bytes, *parts, envelope):
            hashlib.sha256(data).digest()

    signed: list[bytes] = []

    def cycle() -> None:
        secrets.token_bytes(16 + len(bag))  # message id and part keys
        hashlib.sha256(header).digest()
        wrapped = [(encapsulate(), encrypt(bag, None, nonce, key)) for _ in range(slots)]
        for _ in range(readers):
            derive(32, principal)
        parts = [seal_part(content) for content in contents]
        sign(statement_text)
        part = seal_part(padded_note)
        hash_all(parts)
        hashlib.sha256(header).digest()
        decapsulate(*wrapped[0])
        open_one(part)
        verify()
        hash_all(parts)
        open_one(parts[0])
        for ciphertext, sealed in wrapped[1:readers]:
            decapsulate(ciphertext, sealed)
            derive(64, scope)
            open_one(parts[1])
        sign(receipt_text)
        verify()

    return cycle


def signed_text(note: bytes) -> bytes:
    return note[: note.rindex(b"\n\n") + 1]


def calls(cycle: Cycle) -> Counter[str]:
    """How often one cycle ends in each call of the cryptographic libraries."""
    counted: Counter[str] = Counter()

    def count(_: FrameType, event: str, called: Any) -> None:
        if event == "c_call":
            owner = getattr(called, "__self__", None)
            name = called.__name__
            if name.startswith("crypto_") or name in {"encapsulate", "decapsulate"}:
                counted[name] += 1
            elif name == "digest":
                counted[owner.name] += 1

    cycle()
    sys.setprofile(count)
    try:
        cycle()
    finally:
        sys.setprofile(None)
    return counted


def check_floor(mine: Counter[str], floor: Counter[str]) -> None:
    """The raw side stands for what the core cannot do without: it may not be padded."""
    if more := floor - mine:
        raise SystemExit(f"the raw side makes calls that the core does not make: {dict(more)}")


def timed(cycle: Cycle) -> float:
    """Microseconds of one cycle. One, not many in a row: both sides then meet the caches as the other left
    them, as a cycle in a working node does."""
    began = perf_counter()
    cycle()
    return (perf_counter() - began) * 1e6


def measure(agencies: int, rounds: int) -> tuple[list[float], list[float], Counter[str]]:
    mine = ours(agencies)
    floor = raw(agencies, mine())
    counted = calls(floor)
    check_floor(calls(mine), counted)
    for _ in range(20):
        timed(mine), timed(floor)
    pairs = [(timed(mine), timed(floor)) for _ in range(rounds)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs], counted


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--keep", type=Path, help=f"folder for the figures, such as {RESULTS}")
    options = parser.parse_args()
    spare_collections()
    figures: dict[str, Any] = {"measure": "P2: core / raw library calls, us a cycle", "machine": machine()}
    rows = []
    for agencies in (1, 8):
        mine, floor, counted = measure(agencies, options.rounds)
        ratio = ratios(mine, floor)
        figures[f"{agencies} agencies"] = {
            "core": spread(mine), "raw": spread(floor), "ratio": ratio, "raw calls a cycle": dict(counted),
        }  # fmt: skip
        rows.append([agencies, spread(mine)["median"], spread(floor)["median"], *ratio.values()])
    heads = ["agencies", "core us", "raw us", "core / raw", "min", "max"]
    publish("crypto", table(f"{options.rounds} rounds", heads, rows), figures, options.keep)


if __name__ == "__main__":
    main()
