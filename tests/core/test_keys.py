"""Private keys in memory and key files as bytes (protocol 1, 7; attack cases 112-114)."""

from __future__ import annotations

import copy
import json
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from gateway.core import kem
from gateway.core.encoding import decode_object, encode
from gateway.core.keys import (
    CHEAP,
    MODERATE,
    Cost,
    Derivation,
    IdentityKey,
    KemKey,
    KeyFile,
    SubkeyOpener,
    check_cost,
    check_public,
    derivation_of,
    derive,
    fingerprint,
    open_key_file,
    seal_key_file,
)
from gateway.errors import Forged, GatewayError, Malformed, Misconfigured, Unsupported

SECRET = bytes(range(100, 132))
DERIVATION = Derivation(b"s" * 16, CHEAP)
KEY = derive(b"a passphrase", DERIVATION)
FILE = KeyFile("E09000012/police", "identity", "demo", SECRET, 5, 9)


def opened(data: bytes, passphrase: bytes = b"a passphrase", env: str = "demo") -> KeyFile:
    return open_key_file(data, derive(passphrase, derivation_of(data, env)))


# --- keys -------------------------------------------------------------------------------------------


def test_an_identity_key_signs():
    key = IdentityKey("E09000012/police", SECRET)
    VerifyKey(key.public).verify(b"text", key.sign(b"text"))
    with pytest.raises(BadSignatureError):
        VerifyKey(key.public).verify(b"other", key.sign(b"text"))
    assert key.seed == SECRET
    assert IdentityKey(key.name, key.seed).public == key.public


def test_generated_keys_differ():
    assert IdentityKey.generate("a").public != IdentityKey.generate("a").public
    assert KemKey.generate(0, 1).public != KemKey.generate(0, 1).public


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_seed_has_one_size(size):
    with pytest.raises(Malformed):
        IdentityKey("a", bytes(size))
    with pytest.raises(Malformed):
        KemKey(bytes(size), 0, 1)


def test_an_opener_opens_with_every_subkey_and_offers_the_newest_first():
    old, new = KemKey.generate(10, 20), KemKey.generate(15, 25)
    for order in ([old, new], [new, old]):
        opener = SubkeyOpener("E09000012/police", order)
        assert list(opener.publics()) == [new.public, old.public]
        for key in order:
            secret, ciphertext = kem.encapsulate(key.public)
            assert opener.decapsulate(key.public, ciphertext) == secret == key.decapsulate(ciphertext)


@pytest.mark.parametrize("holder", [
    IdentityKey("E09000012/police", SECRET),
    KemKey(SECRET, 0, 1),
    SubkeyOpener("E09000012/police", [KemKey(SECRET, 0, 1)]),
    FILE,
], ids=lambda holder: type(holder).__name__)  # fmt: skip
def test_a_secret_is_neither_shown_nor_serialised(holder):
    assert type(holder).__name__ in repr(holder)
    for shown in (repr(holder), str(holder), f"{holder}", f"{[holder]!r}"):
        assert SECRET.hex() not in shown
        assert repr(SECRET)[2:-1] not in shown
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError):
            pickle.dumps(holder, protocol)
    for duplicate in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            duplicate(holder)


def test_check_public_names_the_field():
    check_public(IdentityKey("a", SECRET).public)
    for weak in (bytes(32), b"\x01" + bytes(31), b"\xff" * 32, bytes(31)):
        with pytest.raises(Malformed) as caught:
            check_public(weak, field="/sign")
        assert (caught.value.code, caught.value.field) == ("weak_key", "/sign")


def test_fingerprint_by_the_letter():
    assert fingerprint(bytes(32)) == "-".join(["aaaa"] * 8)
    # RFC 4648: 20 bytes are 32 letters; of b"f" * 20 every 5 bytes give the same 8.
    assert fingerprint(b"f" * 20 + bytes(12)) == "-".join(["mztg", "mztg"] * 4)


@given(st.binary(min_size=32, max_size=32))
def test_a_fingerprint_is_of_the_first_twenty_bytes(data):
    assert fingerprint(data) == fingerprint(data[:20] + bytes(12))
    assert [len(group) for group in fingerprint(data).split("-")] == [4] * 8
    other = bytes([data[19] ^ 1])
    assert fingerprint(data) != fingerprint(data[:19] + other + data[20:])


# --- key files --------------------------------------------------------------------------------------


def test_a_key_file_opens_again():
    found = opened(seal_key_file(FILE, KEY, DERIVATION))
    assert found == FILE
    assert found.secret == SECRET


def test_two_sealings_differ_and_hold_no_secret():
    one, two = seal_key_file(FILE, KEY, DERIVATION), seal_key_file(FILE, KEY, DERIVATION)
    assert one != two
    assert SECRET not in one
    assert decode_object(one)["nonce"] != decode_object(two)["nonce"]


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("name", "E09000012/housing", Forged),
        ("purpose", "log", Forged),
        ("since", 6, Forged),
        ("until", 10, Forged),
        ("salt", "c3Nzc3Nzc3Nzc3Nzc3Nzcw==", None),
        ("salt", "dHR0dHR0dHR0dHR0dHR0dA==", Forged),
        ("ops", 2, Forged),
        ("mem", CHEAP.mem * 2, Forged),
        ("v", 2, Malformed),
        ("kdf", "scrypt", Malformed),
        ("kdf", "argon2i", Malformed),
        ("env", "prod", Misconfigured),
        ("ops", 0, Misconfigured),
        ("ops", 21, Misconfigured),
        ("mem", CHEAP.mem - 1, Misconfigured),
        ("mem", 2**40, Misconfigured),
        ("mem", "1", Malformed),
        ("extra", 1, Malformed),
    ],
)
def test_each_header_field_is_held(field, value, kind):
    body = json.loads(seal_key_file(FILE, KEY, DERIVATION))
    changed = encode(body | {field: value})
    if kind is None:
        assert opened(changed) == FILE
        return
    with pytest.raises(kind):
        opened(changed)


@given(st.data())
def test_every_flipped_bit_is_refused(data):
    sealed = bytearray(seal_key_file(FILE, KEY, DERIVATION))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises((Forged, Malformed, Misconfigured, Unsupported)):
        open_key_file(bytes(sealed), KEY)


@given(st.binary(max_size=64))
def test_garbage_is_refused_with_a_typed_error(data):
    with pytest.raises(GatewayError):
        derivation_of(data, "demo")


def test_a_wrong_passphrase_tells_nothing():
    with pytest.raises(Forged) as caught:
        opened(seal_key_file(FILE, KEY, DERIVATION), b"another passphrase")
    shown = "".join(traceback.format_exception(caught.value))
    assert "another passphrase" not in str(caught.value)
    assert SECRET.hex() not in shown
    assert caught.value.__cause__ is None


def test_an_empty_passphrase_is_no_passphrase():
    with pytest.raises(Misconfigured) as caught:
        derive(b"", DERIVATION)
    assert caught.value.code == "no_passphrase"


@pytest.mark.parametrize(("asked", "configured"), [("demo", "prod"), ("prod", "demo")])
def test_environments_do_not_mix(asked, configured):
    data = seal_key_file(KeyFile("a", "root", asked, SECRET), KEY, DERIVATION)
    with pytest.raises(Misconfigured) as caught:
        derivation_of(data, configured)
    assert caught.value.code == "key_environment"
    assert "gateway init" in caught.value.remedy


def test_a_production_file_costs_what_production_costs():
    data = seal_key_file(KeyFile("a", "root", "prod", SECRET), KEY, DERIVATION)
    with pytest.raises(Misconfigured) as caught:
        derivation_of(data, "prod")
    assert caught.value.code == "key_cost"


@pytest.mark.parametrize("env", ["demo", "prod"])
def test_the_bounds_of_the_cost(env):
    low = CHEAP if env == "demo" else MODERATE
    for cost in (low, Cost(20, low.mem), Cost(low.ops, 4 * 1024**3)):
        check_cost(cost, env)
    for cost in (
        Cost(low.ops - 1, low.mem),
        Cost(low.ops, low.mem - 1),
        Cost(21, low.mem),
        Cost(low.ops, 4 * 1024**3 + 1),
    ):
        with pytest.raises(Misconfigured):
            check_cost(cost, env)


@pytest.mark.parametrize("file", [
    KeyFile("a", "signing", "demo", SECRET),
    KeyFile("a", "root", "test", SECRET),
    KeyFile("a", "root", "prod\n", SECRET),
], ids=lambda file: f"{file.purpose}-{file.env!r}")  # fmt: skip
def test_no_file_of_an_unknown_purpose_or_environment_is_made(file):
    with pytest.raises(Malformed):
        seal_key_file(file, KEY, DERIVATION)


def test_the_wanted_purpose_is_asked_for():
    data = seal_key_file(FILE, KEY, DERIVATION)
    assert open_key_file(data, KEY, purpose="identity") == FILE
    with pytest.raises(Forged) as caught:
        open_key_file(data, KEY, purpose="log")
    assert caught.value.code == "key_purpose"


def test_one_derivation_depends_on_all_three():
    keys = {
        KEY,
        derive(b"a passphrase", Derivation(b"t" * 16, CHEAP)),
        derive(b"a passphrase", Derivation(b"s" * 16, Cost(2, CHEAP.mem))),
        derive(b"a passphrasE", DERIVATION),
    }
    assert len(keys) == 4
    assert derive(b"a passphrase", DERIVATION) == KEY


def test_the_costs_by_the_number():
    assert Cost(3, 256 * 1024**2) == MODERATE, "libsodium's MODERATE (protocol 7)"
    assert Cost(1, 8 * 1024**2) == CHEAP
    assert KeyFile("a", "root", "demo", SECRET) == KeyFile("a", "root", "demo", SECRET, 0, 0)
