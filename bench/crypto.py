"""P2: seal + open + receipt + verify, beside the sum of the raw library calls that they are made of.

    .venv/bin/python bench/crypto.py --help

One process, taking turns. The raw side makes the calls of PyNaCl, cryptography and hashlib that the protocol
needs, on bytes of the same lengths, and nothing else: no encoding, no checks, no objects of ours.
"""

from __future__ import annotations

import argparse
import hashlib
import secrets
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from _report import RESULTS, machine, publish, ratios, spread, table
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from nacl import bindings as sodium

from gateway.core.envelope import (
    Kind,
    Position,
    Recipient,
    Seen,
    check_slot,
    open_part,
    open_slot,
    open_statement,
    prepare,
    split,
)
from gateway.core.keys import IdentityKey, KemKey, SubkeyOpener
from gateway.core.receipts import ZERO, About, make_receipt, open_receipt
from gateway.core.recipients import padded_count

HERE, THERE = "E09000012", "E09000004"
NET, NOW, LIFE = bytes(32), 1_795_514_700, 72 * 3600
CONTENT, ROUTING, NOTE = secrets.token_bytes(4096), secrets.token_bytes(300), 700
REPEAT = 20
"""Cycles in one turn: long enough to time, short enough that both sides meet the same noise."""

Cycle = Callable[[], None]


def subkey(principal: str) -> SubkeyOpener:
    return SubkeyOpener(principal, [KemKey.generate(NOW - 1, NOW + LIFE)])


def ours(agencies: int) -> Cycle:
    """Seal for a node and its agencies; the node opens all that is theirs and signs; the origin verifies."""
    sender, receiver = IdentityKey.generate(f"{HERE}/node"), IdentityKey.generate(f"{THERE}/node")
    node = subkey(receiver.name)
    readers = [subkey(f"{THERE}/agency_{number}") for number in range(agencies)]
    known = {key.name: [key.public] for key in (sender, receiver)}

    def keyring(name: str) -> list[bytes]:
        return known.get(name, [])

    def cycle() -> None:
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
            open_part(parsed, 2, theirs.keys[2] or b"", net=NET)
        about = About(parsed.digest, statement.sender, statement.mid, statement.hash)
        receipt = make_receipt(receiver, net=NET, about=about, at=NOW, state="received")
        open_receipt(receipt.note, net=NET, keyring=keyring)

    return cycle


def raw(agencies: int) -> Cycle:
    """The same cryptography by the libraries' own calls."""
    slots = 1 + agencies
    padded = padded_count(Kind.MESSAGE, [Recipient("", b"")] * slots)
    lattice = MLKEM768PrivateKey.generate()
    public = lattice.public_key()
    curve_public, curve_secret = sodium.crypto_box_keypair()
    verifying, signing = sodium.crypto_sign_keypair()
    bag, note, key, nonce = bytes(96), bytes(NOTE), bytes(32), bytes(24)
    encrypt = sodium.crypto_aead_xchacha20poly1305_ietf_encrypt
    decrypt = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt

    def sign_and_verify() -> None:
        sodium.crypto_sign_open(sodium.crypto_sign(note, signing), verifying)

    def cycle() -> None:
        wrapped = []
        for _ in range(padded):
            _, ciphertext = public.encapsulate()
            ephemeral = secrets.token_bytes(32)
            sodium.crypto_scalarmult_base(ephemeral)
            sodium.crypto_scalarmult(ephemeral, curve_public)
            wrapped.append((ciphertext, encrypt(bag, None, nonce, key)))
        parts = [encrypt(content, None, nonce, key) for content in (bytes(1024), ROUTING, CONTENT)]
        sign_and_verify()
        hashlib.sha256(b"".join(parts)).digest()
        for ciphertext, sealed in wrapped[:slots]:
            lattice.decapsulate(ciphertext)
            sodium.crypto_scalarmult(curve_secret, curve_public)
            decrypt(sealed, None, nonce, key)
        for part in [parts[0], parts[1], *[parts[2]] * agencies]:
            decrypt(part, None, nonce, key)
        sign_and_verify()

    return cycle


def timed(cycle: Cycle) -> float:
    """Microseconds a cycle."""
    began = perf_counter()
    for _ in range(REPEAT):
        cycle()
    return (perf_counter() - began) / REPEAT * 1e6


def measure(agencies: int, rounds: int) -> tuple[list[float], list[float]]:
    mine, theirs = ours(agencies), raw(agencies)
    timed(mine), timed(theirs)
    pairs = [(timed(mine), timed(theirs)) for _ in range(rounds)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--keep", type=Path, help=f"folder for the figures, such as {RESULTS}")
    options = parser.parse_args()
    figures: dict[str, Any] = {"measure": "P2: core / raw library calls, us a cycle", "machine": machine()}
    rows = []
    for agencies in (1, 8):
        mine, theirs = measure(agencies, options.rounds)
        ratio = ratios(mine, theirs)
        figures[f"{agencies} agencies"] = {"core": spread(mine), "raw": spread(theirs), "ratio": ratio}
        rows.append([agencies, spread(mine)["median"], spread(theirs)["median"], *ratio.values()])
    heads = ["agencies", "core us", "raw us", "core / raw", "min", "max"]
    publish("crypto", table(f"{options.rounds} rounds of {REPEAT}", heads, rows), figures, options.keep)


if __name__ == "__main__":
    main()
