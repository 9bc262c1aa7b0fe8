"""The frozen encapsulations: X-Wing ciphertexts to the vectors' subkeys, with their shared secrets (4.2).

An honest sender encapsulates afresh for every slot and keeps no shared secret. Here a small pool is used
again and again, which would be a fault in a sender. Every wrapping key still takes in H and the slot's
number, so none encrypts twice.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base

from .plain import b64, derive

FILE = Path(__file__).resolve().parents[1] / "encapsulations.json"
EACH = 3
"""Encapsulations for each subkey."""


class Subkey:
    """One X-Wing subkey of a principal: seed from the phrase, public key from the seed."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.seed = derive(f"kem {label}")
        wide = hashlib.shake_256(self.seed).digest(96)
        self._ml_kem = MLKEM768PrivateKey.from_seed_bytes(wide[:64])
        self.point = crypto_scalarmult_base(wide[64:])
        self.public = self._ml_kem.public_key().public_bytes_raw() + self.point

    def encapsulate(self) -> dict[str, str]:
        """A fresh one. The only chance in all of the vectors."""
        scalar = secrets.token_bytes(32)
        first, ciphertext = self._ml_kem.public_key().encapsulate()
        sent = crypto_scalarmult_base(scalar)
        secret = first + crypto_scalarmult(scalar, self.point) + sent + self.point + rb"\.//^" + b"\\"
        shared = hashlib.sha3_256(secret).digest()
        return {"ciphertext_b64": b64(ciphertext + sent), "shared_b64": b64(shared)}


def renew(subkeys: list[Subkey]) -> None:
    """Throws every frozen encapsulation away: all envelopes are other bytes after it."""
    pool = {one.label: [one.encapsulate() for _ in range(EACH)] for one in subkeys}
    comment = (
        "FROZEN. Encapsulations to the vectors' subkeys; nothing makes these bytes again. See README.md."
    )
    FILE.write_text(spelled({"comment": comment, "pool": pool}), encoding="utf-8")


def load() -> dict[str, list[dict[str, str]]]:
    pool: dict[str, list[dict[str, str]]] = json.loads(FILE.read_text(encoding="utf-8"))["pool"]
    return pool


def spelled(value: Any) -> str:
    """How every file of the vectors is written."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
