"""X-Wing, the reading side (4.2)."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base
from nacl.exceptions import RuntimeError as LowOrder

from .text import Bad, need

LABEL = bytes.fromhex("5c2e2f2f5e5c")


class Key:
    """A seed of 32 bytes, expanded once."""

    def __init__(self, seed: bytes) -> None:
        need(len(seed) == 32, "kem_seed")
        wide = hashlib.shake_256(seed).digest(96)
        self.ml_kem, self.scalar = MLKEM768PrivateKey.from_seed_bytes(wide[:64]), wide[64:]
        self.point = crypto_scalarmult_base(self.scalar)
        self.public = self.ml_kem.public_key().public_bytes_raw() + self.point

    def decapsulate(self, ciphertext: bytes) -> bytes:
        need(len(ciphertext) == 1120, "kem_ciphertext")
        theirs = ciphertext[1088:]
        first = self.ml_kem.decapsulate(ciphertext[:1088])
        return hashlib.sha3_256(first + exchange(self.scalar, theirs) + theirs + self.point + LABEL).digest()


def exchange(scalar: bytes, point: bytes) -> bytes:
    try:
        return crypto_scalarmult(scalar, point)
    except LowOrder:
        raise Bad("kem_low_order") from None


def check_public(public: bytes) -> None:
    """Both halves, as on loading a key card (6)."""
    need(len(public) == 1216, "kem_public")
    try:
        MLKEM768PublicKey.from_public_bytes(public[:1184])
    except ValueError:
        raise Bad("kem_public") from None
    exchange(b"\x42" * 32, public[1184:])
