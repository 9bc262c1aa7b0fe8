"""X-Wing against its published vectors, an independent implementation, and hostile keys."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from gateway.core import kem
from gateway.errors import Malformed

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "xwing.json"
LOW_ORDER = [  # every X25519 point of order 1, 2, 4 or 8 that libsodium's list names, in one form each
    bytes(32),
    b"\x01" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
]


# The first vector of the X-Wing draft, appendix C, by its hashes: a clone without the folder has this one.
def test_first_published_vector_stands_in_the_clone() -> None:
    seed = bytes.fromhex("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26")

    assert hashlib.sha256(kem.public_key(seed)).hexdigest() == FIRST_PUBLIC_SHA256


FIRST_PUBLIC_SHA256 = "2e816deebcd76c5c80d0cd2d174478871658e8e2ff42bc9d4a6e486372e856bb"


def test_published_vectors() -> None:
    for vector in json.loads(VECTORS.read_text()) if VECTORS.exists() else []:
        seed, public, ciphertext, shared = (bytes.fromhex(vector[k]) for k in ("sk", "pk", "ct", "ss"))
        key = kem.DecapsulationKey(seed)

        assert key.public == public == kem.public_key(seed)
        assert key.decapsulate(ciphertext) == shared == kem.decapsulate(seed, ciphertext)


def test_round_trip_has_the_stated_sizes_and_a_fresh_secret_each_time() -> None:
    seed = secrets.token_bytes(kem.SEED)
    public = kem.public_key(seed)
    (first, first_ct), (second, second_ct) = kem.encapsulate(public), kem.encapsulate(public)

    assert (len(public), len(first_ct), len(first)) == (kem.PUBLIC, kem.CIPHERTEXT, 32) == (1216, 1120, 32)
    assert kem.decapsulate(seed, first_ct) == first
    assert kem.decapsulate(seed, second_ct) == second
    assert first != second
    assert first_ct[1088:] != second_ct[1088:]


def _labeled(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def _expanded(suite: bytes, prk: bytes, label: bytes, info: bytes, size: int) -> bytes:
    labeled = size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(prk, labeled + b"\x01", "sha256")[:size]


def _hpke_key(shared: bytes) -> tuple[bytes, bytes]:
    """RFC 9180 5.1, base mode, empty info, KEM 0x647a (X-Wing), HKDF-SHA256, ChaCha20-Poly1305."""
    suite = b"HPKE" + bytes.fromhex("647a") + bytes.fromhex("0001") + bytes.fromhex("0003")
    context = b"\x00" + _labeled(suite, b"", b"psk_id_hash", b"") + _labeled(suite, b"", b"info_hash", b"")
    secret = _labeled(suite, shared, b"secret", b"")
    return _expanded(suite, secret, b"key", context, 32), _expanded(suite, secret, b"base_nonce", context, 12)


def _pyca_suite() -> hpke.Suite:
    return hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)


def test_opens_what_an_independent_x_wing_sealed() -> None:
    seed = secrets.token_bytes(kem.SEED)
    public = kem.public_key(seed)
    theirs = hpke.MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(public[:1184]), X25519PublicKey.from_public_bytes(public[1184:])
    )
    sealed = _pyca_suite().encrypt(b"words", theirs)
    key, nonce = _hpke_key(kem.decapsulate(seed, sealed[: kem.CIPHERTEXT]))

    assert ChaCha20Poly1305(key).decrypt(nonce, sealed[kem.CIPHERTEXT :], b"") == b"words"


def test_an_independent_x_wing_opens_what_it_sealed() -> None:
    seed = secrets.token_bytes(kem.SEED)
    expanded = hashlib.shake_256(seed).digest(96)
    theirs = hpke.MLKEM768X25519PrivateKey(
        MLKEM768PrivateKey.from_seed_bytes(expanded[:64]), X25519PrivateKey.from_private_bytes(expanded[64:])
    )
    shared, ciphertext = kem.encapsulate(kem.public_key(seed))
    key, nonce = _hpke_key(shared)

    sealed = ciphertext + ChaCha20Poly1305(key).encrypt(nonce, b"words", b"")
    assert _pyca_suite().decrypt(sealed, theirs) == b"words"


@pytest.mark.parametrize("point", LOW_ORDER, ids=lambda point: point.hex()[:8])
def test_low_order_points_are_refused_in_a_card_when_sealing_and_in_a_slot(point: bytes) -> None:
    seed = secrets.token_bytes(kem.SEED)
    public = kem.public_key(seed)[:1184] + point
    ciphertext = kem.encapsulate(kem.public_key(seed))[1][:1088] + point

    for refused in (
        lambda: kem.check_public(public),
        lambda: kem.encapsulate(public),
        lambda: kem.decapsulate(seed, ciphertext),
    ):
        with pytest.raises(Malformed) as caught:
            refused()
        assert caught.value.code == "kem_low_order"


def test_an_ml_kem_key_with_a_coefficient_over_the_modulus_is_refused() -> None:
    public = b"\xff\xff\xff" + kem.public_key(bytes(32))[3:]

    for refused in (lambda: kem.check_public(public), lambda: kem.encapsulate(public)):
        with pytest.raises(Malformed) as caught:
            refused()
        assert caught.value.code == "kem_public"


def test_a_good_key_passes_the_check() -> None:
    kem.check_public(kem.public_key(secrets.token_bytes(32)))


@pytest.mark.parametrize("change", [-1, 1])
def test_wrong_lengths_are_refused_before_any_library_reads_them(change: int) -> None:
    def sized(size: int) -> bytes:
        return bytes(size + change)

    for refused, code in (
        (lambda: kem.public_key(sized(kem.SEED)), "kem_seed"),
        (lambda: kem.decapsulate(sized(kem.SEED), bytes(kem.CIPHERTEXT)), "kem_seed"),
        (lambda: kem.decapsulate(bytes(kem.SEED), sized(kem.CIPHERTEXT)), "kem_ciphertext"),
        (lambda: kem.encapsulate(sized(kem.PUBLIC)), "kem_public"),
        (lambda: kem.check_public(sized(kem.PUBLIC)), "kem_public"),
    ):
        with pytest.raises(Malformed) as caught:
            refused()
        assert caught.value.code == code


@pytest.mark.parametrize("at", [0, 1087, 1088, 1119])
def test_a_changed_ciphertext_gives_another_secret(at: int) -> None:
    seed = secrets.token_bytes(kem.SEED)
    shared, ciphertext = kem.encapsulate(kem.public_key(seed))
    changed = bytearray(ciphertext)
    changed[at] ^= 1

    assert kem.decapsulate(seed, bytes(changed)) != shared


def test_every_input_of_the_combiner_counts() -> None:
    parts = [b"a" * 32, b"b" * 32, b"c" * 32, b"d" * 32]

    assert kem._combine(*parts) == hashlib.sha3_256(b"".join(parts) + bytes.fromhex("5c2e2f2f5e5c")).digest()


def test_repr_shows_no_secret() -> None:
    seed = bytes(range(32))

    shown = repr(kem.DecapsulationKey(seed))

    assert shown == "DecapsulationKey(<redacted>)"
