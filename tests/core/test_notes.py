"""The signed note: what it gives, and everything that can be done to it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_core_ed25519_is_valid_point
from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from gateway.core import notes
from gateway.core.notes import VerifiedKey, cosign, open_note, peek_body, sign_note
from gateway.errors import Forged, Malformed, Refused, Untrusted

EDGE_CASES = Path(__file__).parents[3] / "shared" / "vectors" / "ed25519-edge-cases.json"
CONTEXT = "bx/1/receipt"
BODY = {"state": "opened", "v": 1}


@pytest.fixture
def alice(kit):
    return kit.Signer("E09000012/node")


@pytest.fixture
def bob(kit):
    return kit.Signer("E09000004/node")


@pytest.fixture
def ring(kit, alice, bob):
    return kit.keyring(alice, bob)


@pytest.fixture
def signed(alice):
    return sign_note(CONTEXT, BODY, [alice])


def test_the_bytes_are_those_of_the_protocol(kit, alice, signed):
    text = b'bx/1/receipt\n{"state":"opened","v":1}\n'

    assert signed == text + b"\n" + kit.line(alice, text) == kit.note(CONTEXT, BODY, alice)


def test_opening_gives_body_signer_and_hash(alice, ring, signed):
    opened = open_note(signed, CONTEXT, ring, single=True)

    assert (opened.body, opened.signer, opened.context, opened.raw) == (BODY, alice.name, CONTEXT, signed)
    assert opened.keys == {VerifiedKey(alice.name, alice.public)}
    assert opened.hash == hashlib.sha256(opened.text).digest() == notes.text_hash(signed)
    assert opened.text == signed[: signed.index(b"\n\n") + 1]


def test_cosigning_keeps_the_text_and_adds_a_verified_key(alice, bob, ring, signed):
    both = cosign(signed, bob)
    opened = open_note(both, CONTEXT, ring)

    assert both.startswith(signed)
    assert both == sign_note(CONTEXT, BODY, [alice, bob])
    assert {key.name for key in opened.keys} == {alice.name, bob.name}
    assert opened.hash == notes.text_hash(signed)


def test_several_signers_are_no_single_signer(kit, bob, ring, signed):
    both = cosign(signed, bob)
    with kit.refused(Malformed, "note_single"):
        open_note(both, CONTEXT, ring, single=True)
    with kit.refused(Malformed, "note_single"):
        _ = open_note(both, CONTEXT, ring).signer


def test_thresholds_count_keys_not_names(kit):
    first, second = kit.Signer("root", bytes(32)), kit.Signer("root", b"\x01" * 32)
    opened = open_note(sign_note("bx/1/root", BODY, [first, second]), "bx/1/root", kit.keyring(first, second))

    assert opened.keys == {VerifiedKey("root", first.public), VerifiedKey("root", second.public)}


def test_a_line_of_an_unknown_key_is_ignored_and_never_counted(kit, alice, bob, signed):
    opened = open_note(cosign(signed, bob), CONTEXT, kit.keyring(alice))

    assert opened.keys == {VerifiedKey(alice.name, alice.public)}


def test_only_unknown_keys_is_no_signer_at_all(kit, bob, signed):
    with kit.refused(Untrusted, "unknown_key"):
        open_note(signed, CONTEXT, kit.keyring(bob))


def test_a_decoy_line_of_a_known_name_does_not_make_it_a_signer(kit, alice, bob, ring, signed):
    stranger = kit.Signer(bob.name, bytes(32))
    opened = open_note(cosign(signed, stranger), CONTEXT, ring)
    assert {key.name for key in opened.keys} == {alice.name}

    with kit.refused(Malformed, "note_single"):
        open_note(cosign(signed, stranger), CONTEXT, ring, single=True)


def test_a_known_key_with_a_bad_signature_refuses_even_a_note_others_signed(kit, alice, bob, ring, signed):
    class Liar:
        name, public = bob.name, bob.public

        def sign(self, text):
            return bob.sign(text + b"x")

    with kit.refused(Forged, "signature"):
        open_note(cosign(signed, Liar()), CONTEXT, ring)


def test_a_signature_under_another_name_is_of_no_known_key(kit, alice, bob, ring):
    text = CONTEXT.encode() + b"\n" + kit.canonical(BODY) + b"\n"
    with kit.refused(Untrusted, "unknown_key"):
        open_note(text + b"\n" + kit.line(alice, text, name=bob.name), CONTEXT, ring)


def test_two_keys_of_one_name_that_share_the_hint_are_both_tried(kit, alice, signed, monkeypatch):
    monkeypatch.setattr(notes, "key_id", lambda name, public: bytes(4))
    other = kit.Signer(alice.name, bytes(32))
    for ring in (kit.keyring(other, alice), kit.keyring(alice, other)):
        opened = open_note(sign_note(CONTEXT, BODY, [alice]), CONTEXT, ring)
        assert opened.keys == {VerifiedKey(alice.name, alice.public)}


@pytest.mark.parametrize("context", ["bx/1/message", "bx/1/receipts", "bx/1/rec", "bx/1/receipt "])
def test_a_note_of_another_context_is_refused(kit, ring, signed, context):
    with kit.refused(Forged, "note_context"):
        open_note(signed, context, ring)


@given(st.data())
def test_every_changed_byte_is_refused_or_only_unties_nothing(kit, data):
    alice = kit.Signer("E09000012/node")
    signed = sign_note(CONTEXT, BODY, [alice])
    at = data.draw(st.integers(0, len(signed) - 1))
    changed = bytearray(signed)
    changed[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Refused):
        open_note(bytes(changed), CONTEXT, kit.keyring(alice), single=True)


def test_every_single_flip_and_every_truncation_is_refused(kit, ring, signed):
    for at in range(len(signed)):
        flipped = bytearray(signed)
        flipped[at] ^= 1
        for bad in (bytes(flipped), signed[:at]):
            with pytest.raises(Refused):
                open_note(bad, CONTEXT, ring, single=True)


def _edits(signed):
    text, tail = signed.split(b"\n\n")
    name, stamp = tail.removeprefix("— ".encode()).removesuffix(b"\n").split(b" ")
    return {
        "no_lines": (text + b"\n\n", "note_unsigned"),
        "no_separator": (text + b"\n" + tail, "note_form"),
        "no_last_newline": (signed[:-1], "note_unsigned"),
        "same_line_twice": (signed + tail, "note_repeated"),
        "empty_last_line": (signed + b"\n", "note_unsigned"),
        "text_after": (signed + b"x\n", "note_line"),
        "crlf_lines": (signed.replace(tail, tail[:-1] + b"\r\n"), "note_line"),
        "crlf_everywhere": (signed.replace(b"\n", b"\r\n"), "note_form"),
        "no_dash": (signed.replace("— ".encode(), b""), "note_line"),
        "hyphen_for_dash": (signed.replace("— ".encode(), b"- "), "note_line"),
        "no_space_after_dash": (signed.replace("— ".encode(), "—".encode()), "note_line"),
        "two_dashes": (signed.replace("— ".encode(), "— — ".encode()), "note_line"),
        "two_spaces": (signed.replace(name + b" ", name + b"  "), "note_line"),
        "trailing_space": (signed[:-1] + b" \n", "note_line"),
        "no_name": (signed.replace(name + b" ", b" "), "note_line"),
        "plus_in_name": (signed.replace(name, name + b"+1"), "note_line"),
        "cyrillic_name": (signed.replace(name, "E09000012/nоde".encode()), "note_line"),
        "not_utf8": (signed.replace(name, name + b"\xff"), "note_line"),
        "long_name": (signed.replace(name, b"n" * 129), "note_line"),
        "short_signature": (signed.replace(stamp, stamp[:88]), "note_line"),
        "url_safe": (signed[:-1].replace(b"+", b"-").replace(b"/", b"_") + b"\n", "note_line"),
        "empty": (b"", "note_form"),
    }


@pytest.mark.parametrize("edit", _edits(b"a\n{}\n\n" + "— n ".encode() + b"A" * 92 + b"\n"))
def test_every_other_form_is_refused(kit, ring, signed, edit):
    bad, code = _edits(signed)[edit]
    for read in (lambda: open_note(bad, CONTEXT, ring), lambda: peek_body(bad)):
        with kit.refused(Malformed, code):
            read()


@pytest.mark.parametrize("text", ["bx/1/receipt\n\n{}\n", "bx/1/receipt\n{}\n{}\n", "bx/1/receipt\n{ }\n"])
def test_a_signed_text_must_still_be_one_canonical_line(kit, alice, ring, text):
    with pytest.raises(Malformed) as caught:
        open_note(text.encode() + b"\n" + kit.line(alice, text.encode()), CONTEXT, ring)
    assert caught.value.code.startswith("json_")


def test_a_signed_body_that_is_no_object_is_refused(kit, alice, ring):
    with kit.refused(Malformed, "json_object"):
        open_note(kit.note(CONTEXT, [], alice), CONTEXT, ring)


def test_the_signature_is_checked_before_the_body_is_read(kit, ring, alice):
    text = b"bx/1/receipt\nnot json\n"
    forged = text + b"\n" + kit.line(alice, text + b"x")
    with kit.refused(Forged, "signature"):
        open_note(forged, CONTEXT, ring)


def test_sixteen_lines_and_no_more(kit):
    signers = [kit.Signer(f"s{n}") for n in range(17)]
    full = sign_note(CONTEXT, BODY, signers[:16])
    assert len(open_note(full, CONTEXT, kit.keyring(*signers)).keys) == 16

    text = full[: full.index(b"\n\n") + 1]
    with kit.refused(Malformed, "note_lines"):
        open_note(full + kit.line(signers[16], text), CONTEXT, kit.keyring(*signers))
    with kit.refused(Malformed, "note_lines"):
        cosign(full, signers[16])
    with kit.refused(Malformed, "note_lines"):
        sign_note(CONTEXT, BODY, signers)


def test_nobody_signs_twice_or_without_a_signer(kit, alice, signed):
    with kit.refused(Malformed, "note_repeated"):
        cosign(signed, alice)
    with kit.refused(Malformed, "note_repeated"):
        sign_note(CONTEXT, BODY, [alice, alice])
    with kit.refused(Malformed, "note_unsigned"):
        sign_note(CONTEXT, BODY, [])


@pytest.mark.parametrize("context", ["", "bx/1\nx", "bx 1", "bх/1", "c" * 129])
def test_a_context_has_a_form(kit, alice, context):
    with kit.refused(Malformed, "note_context_form"):
        sign_note(context, BODY, [alice])


def test_a_signer_whose_name_has_no_form_signs_nothing(kit):
    with kit.refused(Malformed, "note_line"):
        sign_note(CONTEXT, BODY, [kit.Signer("two words")])


def test_peeking_reads_without_verifying(kit, ring, signed):
    forged = signed.replace(b"opened", b"closed")
    assert peek_body(forged) == {"state": "closed", "v": 1}
    with kit.refused(Forged, "signature"):
        open_note(forged, CONTEXT, ring)


def test_repr_shows_nothing_of_the_content(ring, signed):
    shown = repr(open_note(signed, CONTEXT, ring))
    assert "opened" not in shown
    assert "state" not in shown


def _verdict(case):
    """libsodium's verification and the check of the key, by themselves."""
    key, signature, message = bytes.fromhex(case["key"]), bytes.fromhex(case["sig"]), case["msg"].encode()
    if not crypto_core_ed25519_is_valid_point(key):
        return "weak_key"
    try:
        VerifyKey(key).verify(message, signature)
    except CryptoError:
        return "signature"
    return "good"


class Replayer:
    """Signs the same bytes whatever the text: puts a published signature on a line."""

    name = "edge"

    def __init__(self, public, signature):
        self.public, self._signature = public, signature

    def sign(self, text):
        return self._signature


def _through_a_note(case):
    """The verdict of open_note's own verification on the vector's key, signature and message."""
    public, signature = bytes.fromhex(case["key"]), bytes.fromhex(case["sig"])
    line = notes._Line("edge", notes.key_id("edge", public), signature)
    try:
        notes._verify(case["msg"].encode(), line, lambda name: [public])
    except Refused as error:
        return error.code
    return "good"


def test_the_edge_cases_get_one_verdict_everywhere():
    cases = json.loads(EDGE_CASES.read_text()) if EDGE_CASES.exists() else []
    for case in cases:
        assert _through_a_note(case) == _verdict(case), case["number"]
        flags = set(case["flags"] or [])
        if flags & {"low_order_A", "non_canonical_A", "low_order_component_A"}:
            assert _verdict(case) == "weak_key", case["number"]


WEAK = {
    "identity": "0100000000000000000000000000000000000000000000000000000000000000",
    "zero": "0000000000000000000000000000000000000000000000000000000000000000",
    "mixed_order": "10eb7c3acfb2bed3e0d6ab89bf5a3d6afddd1176ce4812e38d9fd485058fdb1f",
    "non_canonical": "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "short": "00" * 31,
    "long": "00" * 33,
}


@pytest.mark.parametrize("public", WEAK.values(), ids=WEAK)
def test_a_weak_key_signs_nothing_even_when_the_keyring_holds_it(kit, public):
    weak = bytes.fromhex(public)
    signed = sign_note(CONTEXT, BODY, [Replayer(weak, bytes(64))])

    with kit.refused(Untrusted, "weak_key"):
        open_note(signed, CONTEXT, lambda name: [weak])
    with kit.refused(Untrusted, "weak_key"):
        notes.check_verification_key(weak)


def test_a_signature_with_the_order_added_is_refused(kit, alice, ring):
    order = 2**252 + 27742317777372353535851937790883648493

    class Malleable:
        name, public = alice.name, alice.public

        def sign(self, text):
            good = alice.sign(text)
            scalar = int.from_bytes(good[32:], "little") + order
            return good[:32] + scalar.to_bytes(32, "little")

    with kit.refused(Forged, "signature"):
        open_note(sign_note(CONTEXT, BODY, [Malleable()]), CONTEXT, ring)
