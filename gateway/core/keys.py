"""Identity keys, KEM subkeys, fingerprints, and key files as bytes (protocol 1, 7).

Duty: hold a secret so that nothing shows it, and seal it under a passphrase. It leaves out folders and file
modes (:mod:`gateway.keystore`) and whose key it is (:mod:`gateway.core.trust`).

Rules:

- One key, one purpose. The purpose, the name and the environment are authenticated with the file.
- The cost of a key file is checked against its bounds BEFORE it is paid: a file that asks for 1 TiB of
  memory is an attack, one that asks for nothing was written by somebody who wants it guessed.
- Nothing that holds a secret shows it in its repr, and nothing of the kind can be pickled or copied.
- Key files of one store may share a salt, so that the slow derivation is done once; each has its own nonce.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NoReturn

from nacl import pwhash
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
    crypto_sign,
    crypto_sign_seed_keypair,
)
from nacl.exceptions import CryptoError

from gateway.core.encoding import JsonObject, b64, decode_object, encode, fields, integer, octets, unb64
from gateway.core.kem import DecapsulationKey
from gateway.core.notes import SIGNATURE, check_verification_key
from gateway.errors import Forged, Malformed, Misconfigured, Untrusted

SEED: Final = 32  # bytes of any secret in a key file
SALT: Final = pwhash.argon2id.SALTBYTES
_NONCE: Final = 24

PUBLIC: Final = 32  # bytes of an Ed25519 public key
KEY_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,40}\Z")  # of a root or directory key
ENVIRONMENT: Final = re.compile(r"(?:prod|demo)\Z")

PURPOSES: Final = frozenset({"identity", "log", "kem", "root", "directory", "epoch", "secret"})


@dataclass(frozen=True, slots=True)
class Cost:
    """Argon2id: passes, and bytes of memory."""

    ops: int
    mem: int


MODERATE: Final = Cost(pwhash.argon2id.OPSLIMIT_MODERATE, pwhash.argon2id.MEMLIMIT_MODERATE)
"""libsodium's MODERATE: for production."""

CHEAP: Final = Cost(1, 8 * 1024 * 1024)
"""For demo keys, whose passphrase is public: the least that a key file may ask for."""

_MOST: Final = Cost(20, 4 * 1024**3)
"""Over libsodium's SENSITIVE; more than this is an attempt to exhaust the machine."""


def least(env: str) -> Cost:
    """The least cost that a key file of this environment may carry."""
    return MODERATE if env == "prod" else CHEAP


class _Secret:
    """Neither shown nor serialised, by whatever way it is reached."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} redacted>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key is not serialised")


class IdentityKey(_Secret):
    """An Ed25519 key under a name; satisfies ``core.notes.Signer``."""

    __slots__ = ("_secret", "name", "public")

    def __init__(self, name: str, seed: bytes) -> None:
        """``seed``: 32 bytes. Raises Malformed for any other length."""
        if len(seed) != SEED:
            raise Malformed("an Ed25519 seed is 32 bytes", code="seed_size")
        self.public, self._secret = crypto_sign_seed_keypair(seed)
        self.name = name

    @classmethod
    def generate(cls, name: str) -> IdentityKey:
        return cls(name, secrets.token_bytes(SEED))

    @property
    def seed(self) -> bytes:
        """The secret itself, for a key file."""
        return self._secret[:SEED]

    def sign(self, text: bytes) -> bytes:
        return crypto_sign(text, self._secret)[:SIGNATURE]


class KemKey(_Secret):
    """One X-Wing subkey and the time it is for, unix seconds."""

    __slots__ = ("_key", "public", "seed", "since", "until")

    def __init__(self, seed: bytes, since: int, until: int) -> None:
        self._key = DecapsulationKey(seed)
        self.seed = seed
        self.public = self._key.public
        self.since = since
        self.until = until

    @classmethod
    def generate(cls, since: int, until: int) -> KemKey:
        return cls(secrets.token_bytes(SEED), since, until)

    def decapsulate(self, ciphertext: bytes) -> bytes:
        return self._key.decapsulate(ciphertext)


class SubkeyOpener(_Secret):
    """A principal's subkeys, newest first; satisfies ``core.envelope.Opener``."""

    __slots__ = ("_keys", "principal")

    def __init__(self, principal: str, keys: Sequence[KemKey]) -> None:
        self.principal = principal
        self._keys = {key.public: key for key in sorted(keys, key=lambda key: key.since, reverse=True)}

    def publics(self) -> Sequence[bytes]:
        return tuple(self._keys)

    def decapsulate(self, public: bytes, ciphertext: bytes) -> bytes:
        return self._keys[public].decapsulate(ciphertext)


def check_public(public: bytes, *, field: str = "") -> None:
    """Raise Malformed naming ``field`` unless this is a canonical Ed25519 point of the main subgroup."""
    try:
        check_verification_key(public)
    except Untrusted as error:
        raise Malformed(error.message, code=error.code, field=field) from None


def fingerprint(hash32: bytes) -> str:
    """For reading aloud: the first 20 bytes, base32, 8 groups of 4 (protocol 1)."""
    text = base64.b32encode(hash32[:20]).decode().lower()
    return "-".join(text[at : at + 4] for at in range(0, 32, 4))


def fingerprint_of(public: bytes) -> str:
    """:func:`fingerprint` of a public key, by its SHA-256."""
    return fingerprint(hashlib.sha256(public).digest())


# --- key files --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeyFile(_Secret):
    """What a key file holds. ``since`` and ``until`` are 0 for a key without a term."""

    name: str
    purpose: str
    env: str
    secret: bytes = field(repr=False)
    since: int = 0
    until: int = 0


@dataclass(frozen=True, slots=True)
class Derivation:
    """What the slow step depends on; two files with equal ones open with one derived key."""

    salt: bytes
    cost: Cost


def derive(passphrase: bytes, derivation: Derivation) -> bytes:
    """The 32-byte key behind a passphrase. Slow on purpose; the cost has been checked before.

    Raises Misconfigured for an empty passphrase: the keys would lie open to whoever copies the files.
    """
    if not passphrase:
        raise Misconfigured(
            "the passphrase of the key store is empty",
            code="no_passphrase",
            field="/keys/passphrase_file",
            remedy="put a passphrase into its file, on one line",
        )
    return pwhash.argon2id.kdf(
        SEED, passphrase, derivation.salt, opslimit=derivation.cost.ops, memlimit=derivation.cost.mem
    )


def seal_key_file(file: KeyFile, key: bytes, derivation: Derivation) -> bytes:
    """Canonical JSON: the header in clear and authenticated, the secret sealed under ``key``."""
    if file.purpose not in PURPOSES or not ENVIRONMENT.match(file.env):
        raise Malformed("a key file of no known purpose or environment", code="key_purpose")
    nonce = secrets.token_bytes(_NONCE)
    header: JsonObject = {
        "v": 1,
        "name": file.name,
        "purpose": file.purpose,
        "env": file.env,
        "since": file.since,
        "until": file.until,
        "kdf": "argon2id",
        "ops": derivation.cost.ops,
        "mem": derivation.cost.mem,
        "salt": b64(derivation.salt),
        "nonce": b64(nonce),
    }
    sealed = crypto_aead_xchacha20poly1305_ietf_encrypt(file.secret, encode(header), nonce, key)
    return encode({**header, "ct": b64(sealed)})


_HEADER = {
    "v": int,
    "name": str,
    "purpose": str,
    "env": str,
    "since": int,
    "until": int,
    "kdf": str,
    "ops": int,
    "mem": int,
    "salt": str,
    "nonce": str,
    "ct": str,
}


def derivation_of(data: bytes, env: str) -> Derivation:
    """What has to be derived to open this file. Raises Misconfigured before any cost is paid: another
    environment, or a cost out of bounds."""
    header = _header(data)
    if header["env"] != env:
        raise Misconfigured(
            f"a key file of environment {header['env']!r} in a {env!r} configuration",
            code="key_environment",
            remedy="use this environment's own keys: `gateway init`; demo keys are public",
        )
    cost = Cost(integer(header, "ops"), integer(header, "mem"))
    check_cost(cost, env)
    return Derivation(octets(header, "salt", SALT), cost)


def check_cost(cost: Cost, env: str) -> None:
    """Raise Misconfigured for a cost that is too low for this environment, or too high for any machine."""
    low = least(env)
    if not (low.ops <= cost.ops <= _MOST.ops and low.mem <= cost.mem <= _MOST.mem):
        raise Misconfigured(
            "a key file with a key-derivation cost out of bounds",
            code="key_cost",
            remedy="restore the file from its backup, or make the key again",
        )


def open_key_file(data: bytes, key: bytes, *, purpose: str | None = None) -> KeyFile:
    """Raises Forged for a wrong passphrase or a changed header, Malformed for anything else."""
    header = _header(data)
    sealed = unb64(str(header.pop("ct")))
    nonce = octets(header, "nonce", _NONCE)
    try:
        secret = crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, encode(header), nonce, key)
    except (CryptoError, ValueError):
        raise Forged("wrong passphrase, or the key file was changed", code="key_file") from None
    if purpose is not None and header["purpose"] != purpose:
        raise Forged("a key file of another purpose", code="key_purpose")
    return KeyFile(
        str(header["name"]),
        str(header["purpose"]),
        str(header["env"]),
        secret,
        integer(header, "since"),
        integer(header, "until"),
    )


def _header(data: bytes) -> JsonObject:
    header = dict(fields(decode_object(data), _HEADER))
    if header["v"] != 1 or header["kdf"] != "argon2id":
        raise Malformed("a key file of another version", code="key_version")
    return header
