"""X-Wing: the one key encapsulation (protocol 4.2, draft-connolly-cfrg-xwing-kem).

Duty: turn a recipient's public key into a fresh shared secret and its ciphertext, and back. X25519 is
libsodium's (PyNaCl), ML-KEM-768 is pyca/cryptography's; the secret holds as long as either does. What it
leaves out: what is derived from the secret (envelope.py) and where seeds live (keys.py).

Rules:

- seed (32) -> SHAKE-256 -> d || z of ML-KEM (64) || X25519 secret (32).
- public (1216) = ML-KEM (1184) || X25519 (32); ciphertext (1120) = ML-KEM (1088) || X25519 (32).
- shared secret = SHA3-256(ss_mlkem || ss_x25519 || ct_x25519 || pk_x25519 || label).
- A low-order X25519 point is refused: its "shared" secret is zero for everybody.
- A changed ML-KEM ciphertext does NOT fail here (implicit rejection, FIPS 203 6.3); it gives another secret.

Example::

    key = DecapsulationKey(seed)
    secret, ciphertext = encapsulate(key.public)
    key.decapsulate(ciphertext) == secret
"""

from __future__ import annotations

import hashlib
import secrets
from functools import lru_cache
from typing import Final

import nacl.exceptions
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base

from gateway.errors import Malformed

SEED: Final = 32  # bytes
PUBLIC: Final = 1216  # bytes
CIPHERTEXT: Final = 1120  # bytes

_X25519: Final = 32  # bytes of a secret, a point and a shared secret alike
_ML_KEM_SEED: Final = 64  # bytes: d || z
_ML_KEM_PUBLIC: Final = PUBLIC - _X25519
_ML_KEM_CIPHERTEXT: Final = CIPHERTEXT - _X25519
_LABEL: Final = rb"\.//^" + b"\\"  # the draft's drawing of an X-wing; last in the combiner
_PROBE: Final = b"\x42" * _X25519  # any scalar finds a low-order point: clamping makes it a multiple of 8


class DecapsulationKey:
    """A seed, expanded once. For an Opener that decapsulates again and again with the same subkey.

    Holds secrets: the repr shows none, and it is neither copied nor pickled by anything here.
    """

    __slots__ = ("_ml_kem", "_x25519", "public")

    def __init__(self, seed: bytes) -> None:
        """``seed``: 32 bytes. Raises Malformed for any other length."""
        _check_size(seed, SEED, "kem_seed")
        expanded = hashlib.shake_256(seed).digest(_ML_KEM_SEED + _X25519)
        self._ml_kem = MLKEM768PrivateKey.from_seed_bytes(expanded[:_ML_KEM_SEED])
        self._x25519 = expanded[_ML_KEM_SEED:]
        self.public = self._ml_kem.public_key().public_bytes_raw() + crypto_scalarmult_base(self._x25519)

    def decapsulate(self, ciphertext: bytes) -> bytes:
        """The 32-byte shared secret. Raises Malformed on a wrong length or a low-order point."""
        _check_size(ciphertext, CIPHERTEXT, "kem_ciphertext")
        point = ciphertext[_ML_KEM_CIPHERTEXT:]
        secret_m = self._ml_kem.decapsulate(ciphertext[:_ML_KEM_CIPHERTEXT])
        return _combine(secret_m, _exchange(self._x25519, point), point, self.public[_ML_KEM_PUBLIC:])

    def __repr__(self) -> str:
        return "DecapsulationKey(<redacted>)"


def public_key(seed: bytes) -> bytes:
    """The 1216-byte public key of a 32-byte seed. Raises Malformed."""
    return DecapsulationKey(seed).public


def encapsulate(public: bytes) -> tuple[bytes, bytes]:
    """A fresh (shared secret of 32 bytes, ciphertext of 1120). Raises Malformed on an invalid key."""
    ml_kem = _ml_kem_public(public)
    point = public[_ML_KEM_PUBLIC:]
    ephemeral = secrets.token_bytes(_X25519)
    secret_x = _exchange(ephemeral, point)
    sent = crypto_scalarmult_base(ephemeral)
    secret_m, ciphertext_m = ml_kem.encapsulate()
    return _combine(secret_m, secret_x, sent, point), ciphertext_m + sent


def decapsulate(seed: bytes, ciphertext: bytes) -> bytes:
    """The 32-byte shared secret. Raises Malformed on a wrong length or a low-order point.

    Expands the seed each time; `DecapsulationKey` does so once.
    """
    return DecapsulationKey(seed).decapsulate(ciphertext)


def check_public(public: bytes) -> None:
    """Raise Malformed unless both halves of a public key can be used. For a key card when it is loaded."""
    _ml_kem_public(public)
    _exchange(_PROBE, public[_ML_KEM_PUBLIC:])


# Public keys only. A node seals to the same few dozen subkeys all week, and FIPS 203 7.2 has the key
# decoded and checked before each use; the decoded key object is immutable.
@lru_cache(maxsize=256)
def _ml_kem_public(public: bytes) -> MLKEM768PublicKey:
    _check_size(public, PUBLIC, "kem_public")
    try:
        return MLKEM768PublicKey.from_public_bytes(public[:_ML_KEM_PUBLIC])
    except ValueError:
        raise Malformed("an ML-KEM public key that is not reduced", code="kem_public") from None


def _exchange(secret: bytes, point: bytes) -> bytes:
    """X25519. libsodium refuses a result of zero, which is what every low-order point gives."""
    try:
        return crypto_scalarmult(secret, point)
    except nacl.exceptions.RuntimeError:
        raise Malformed("a low-order X25519 point", code="kem_low_order") from None


def _combine(secret_m: bytes, secret_x: bytes, sent: bytes, point: bytes) -> bytes:
    return hashlib.sha3_256(secret_m + secret_x + sent + point + _LABEL).digest()


def _check_size(data: bytes, size: int, code: str) -> None:
    # Checked here because crypto_scalarmult reads past the end of a short buffer (it checks no length).
    if len(data) != size:
        raise Malformed(f"{size} bytes are expected", code=code)
