"""Wrapping and keyed hashes (protocol 7; attack case 120: an erased key erases what it opened)."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.shred import KEY, keyed_hash, new_key, unwrap, wrap
from gateway.errors import Forged

ONE, TWO = bytes(range(32)), bytes(range(1, 33))


def test_keys_are_random_and_of_one_size():
    made = {new_key() for _ in range(50)}
    assert len(made) == 50
    assert {len(key) for key in made} == {KEY} == {32}


@given(st.binary(max_size=200), st.text(max_size=40))
def test_what_is_wrapped_opens_again(content, context):
    sealed = wrap(ONE, content, context=context)
    assert unwrap(ONE, sealed, context=context) == content
    assert len(sealed) == len(content) + 24 + 16


def test_no_two_wrappings_are_alike():
    assert wrap(ONE, b"same", context="c") != wrap(ONE, b"same", context="c")


def test_another_key_or_context_opens_nothing():
    sealed = wrap(ONE, b"content", context="record/1")
    for key, context in ((TWO, "record/1"), (ONE, "record/2"), (ONE, "")):
        with pytest.raises(Forged) as caught:
            unwrap(key, sealed, context=context)
        assert caught.value.code == "unwrap"


@given(st.data())
def test_no_bit_can_be_changed(data):
    sealed = bytearray(wrap(ONE, b"some content", context="c"))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(Forged):
        unwrap(ONE, bytes(sealed), context="c")


@pytest.mark.parametrize("length", [*range(41), 45])
def test_no_truncation_opens(length):
    with pytest.raises(Forged):
        unwrap(ONE, wrap(ONE, b"content", context="c")[:length], context="c")


def test_a_keyed_hash_is_keyed_blake2b_with_its_purpose_as_person():
    expected = hashlib.blake2b(b"content", key=ONE, person=b"idempotency", digest_size=32).digest()
    assert keyed_hash(ONE, b"content", purpose="idempotency") == expected
    assert keyed_hash(ONE, b"content", purpose="idempotency") != hashlib.blake2b(b"content").digest()[:32]


def test_a_keyed_hash_depends_on_everything():
    hashes = {
        keyed_hash(ONE, b"content", purpose="body"),
        keyed_hash(TWO, b"content", purpose="body"),
        keyed_hash(ONE, b"Content", purpose="body"),
        keyed_hash(ONE, b"content", purpose="idempotency"),
    }
    assert len(hashes) == 4
