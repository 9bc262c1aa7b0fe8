"""Wrapping, epochs that lose single keys, keyed hashes (protocol 7; attack case 120)."""

from __future__ import annotations

import copy
import hashlib
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.encoding import b64, decode_object, encode
from gateway.core.shred import KEY, RECORD, Epoch, blind, keyed_hash, leaf, new_key, unwrap, wrap
from gateway.errors import Forged, Malformed, NotFound

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


# --- epochs -----------------------------------------------------------------------------------------

PATHS = st.text(alphabet="0123456789abcdef", min_size=0, max_size=6)
SETS = st.lists(PATHS, max_size=6)
WHOLE = Epoch(ONE, {"": TWO})


def below(path, tops):
    return any(path.startswith(top) for top in tops)


def derived(root, path):
    """The tree of protocol 7, once more and from its words."""
    for digit in path:
        root = hashlib.blake2b(digit.encode(), key=root, person=b"bx/1/epoch", digest_size=32).digest()
    return root


@given(PATHS)
def test_a_key_is_derived_digit_by_digit(path):
    assert WHOLE.key(path) == derived(TWO, path)


@given(SETS, st.lists(PATHS, max_size=20))
def test_a_punctured_epoch_derives_every_other_key_identically_and_no_punctured_one(gone, asked):
    left = WHOLE.puncture(gone)
    expected = {path: derived(TWO, path) for path in asked if not below(path, gone)}
    above = {path for path in expected if below_any(gone, path)}
    assert left.keys(asked) == {path: key for path, key in expected.items() if path not in above}
    for path in gone:
        with pytest.raises(NotFound) as caught:
            left.key(path)
        assert caught.value.code == "shredded"


def below_any(paths, top):
    return any(path.startswith(top) for path in paths)


@given(SETS)
def test_no_stored_node_is_above_at_or_below_a_punctured_path_nor_above_another_node(gone):
    left = WHOLE.puncture(gone).nodes
    for node, key in left.items():
        assert key == derived(TWO, node)
        assert not any(path.startswith(node) or node.startswith(path) for path in gone)
        assert not any(other != node and other.startswith(node) for other in left)


@given(SETS, SETS)
def test_the_order_of_punctures_and_repetition_change_nothing(one, two):
    both = WHOLE.puncture(one + two)
    assert WHOLE.puncture(one).puncture(two) == both == WHOLE.puncture(two).puncture(one)
    assert both.puncture(one) == both


@given(SETS, st.lists(st.text(alphabet="0123456789abcdef", min_size=3, max_size=3), max_size=8), PATHS)
def test_keeping_forgets_what_no_live_record_needs_and_brings_nothing_back(gone, live, asked):
    left = WHOLE.puncture(gone)
    kept = left.keep(live)
    assert set(kept.nodes.items()) <= set(left.nodes.items())
    assert left.keys(live) == kept.keys(live)
    for leaf_ in [f"{path}{part}" for path in live for part in ("00", "ff")]:
        assert left.keys([leaf_]) == kept.keys([leaf_])
    assert kept.keys([asked]) in (left.keys([asked]), {})
    assert all(below_any(live, node) or below(node, live) for node in kept.nodes)


def test_a_puncture_costs_fifteen_nodes_a_digit():
    assert len(WHOLE.puncture(["0123456789abcdef"]).nodes) == 15 * RECORD
    assert len(WHOLE.puncture(["0123456789abcdef", "0123456789abcdee"]).nodes) == 15 * RECORD - 1


@given(SETS)
def test_an_epoch_is_read_back_as_it_was_written(gone):
    left = WHOLE.puncture(gone)
    assert Epoch.decode(left.encode()) == left
    assert decode_object(left.encode())["v"] == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.pop("index"),
        lambda body: body.update(more=1),
        lambda body: body.update(v=2),
        lambda body: body.update(nodes=[]),
        lambda body: body.update(index="AAAA"),
        lambda body: body.update(nodes={"0": "AAAA"}),
        lambda body: body.update(nodes={"0": 7}),
        lambda body: body.update(nodes={"G": b64(ONE)}),
        lambda body: body.update(nodes={"0" * 33: b64(ONE)}),
    ],
)
def test_an_epoch_of_another_form_is_not_read(change):
    body = decode_object(WHOLE.encode())
    change(body)
    with pytest.raises(Malformed):
        Epoch.decode(encode(body))
    for data in (b"", ONE, b"[]"):
        with pytest.raises(Malformed):
            Epoch.decode(data)


@pytest.mark.parametrize("path", ["G", "0 ", "\n", "A", "0\n", "٣", "0" * 33])
def test_a_path_is_hex_digits(path):
    for call in (WHOLE.key, lambda one: WHOLE.puncture([one]), lambda one: WHOLE.keep([one])):
        with pytest.raises(Malformed) as caught:
            call(path)
        assert caught.value.code == "epoch_path"


def test_a_record_has_its_place_by_a_keyed_hash_of_its_name():
    expected = hashlib.blake2b(b"mid/origin", key=ONE, person=b"bx/1/record", digest_size=32).hexdigest()
    assert WHOLE.record("mid/origin") == expected[:16]
    places = {
        WHOLE.record("mid/origin"),
        WHOLE.record("mid/destination"),
        WHOLE.record("mie/origin"),
        Epoch(TWO, {"": TWO}).record("mid/origin"),
    }
    assert len(places) == 4
    assert WHOLE.puncture(["0"]).record("mid/origin") == expected[:16], "also when keys are gone"


def test_the_leaves_of_a_record():
    record = WHOLE.record("name")
    assert leaf(record, 29) == f"{record}1d"
    found = WHOLE.leaves("name", [2, 29])
    assert found == {2: derived(TWO, f"{record}02"), 29: derived(TWO, f"{record}1d")}
    assert set(WHOLE.puncture([leaf(record, 2)]).leaves("name", [2, 29])) == {29}
    assert WHOLE.puncture([record]).leaves("name", [2, 29]) == {}


def test_what_is_destroyed_gives_nothing():
    gone = Epoch.gone()
    assert gone.destroyed
    assert not Epoch.new().destroyed
    assert not WHOLE.puncture([""]).destroyed, "punctured whole, and still not the empty file"
    assert gone.leaves("name", [2]) == gone.keys(["", "00"]) == WHOLE.puncture([""]).keys(["", "00"]) == {}
    assert Epoch.decode(gone.encode()) == gone
    for call in (lambda: gone.record("name"), lambda: gone.key("")):
        with pytest.raises(NotFound) as caught:
            call()
        assert caught.value.code == "shredded"


def test_epochs_are_random_and_show_nothing():
    one, two = Epoch.new(), Epoch.new()
    assert len({one.index, two.index, one.key(""), two.key("")}) == 4
    assert repr(one) == str(one) == "<Epoch redacted>"
    with pytest.raises(TypeError):
        pickle.dumps(one)
    with pytest.raises(TypeError):
        copy.copy(one)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_blinding_is_its_own_inverse_and_a_one_time_pad(pad, key):
    assert blind([pad, ONE], blind([pad, ONE], [key, TWO])) == [key, TWO]
    assert blind([pad], [key]) == [bytes(a ^ b for a, b in zip(pad, key, strict=True))]
    assert blind([], []) == []
