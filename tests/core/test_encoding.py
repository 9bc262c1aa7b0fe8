"""Canonical JSON against an independent encoder, and every other spelling refused."""

from __future__ import annotations

import enum
import json
import string

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import encoding
from gateway.core.encoding import MAX_INTEGER, b64, decode, decode_object, encode, fields, unb64
from gateway.errors import Malformed, Unsupported

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | TEXT
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(string.printable), inner, max_size=4),
    max_leaves=12,
).filter(lambda value: _depth(value) <= 8)


def _depth(value):
    if not isinstance(value, dict | list):
        return 0
    return 1 + max(map(_depth, value.values() if isinstance(value, dict) else value), default=0)


def _nested(depth):
    return json.loads("[" * depth + "]" * depth)


@given(VALUES)
def test_same_bytes_as_rfc8785_and_back(value):
    data = encode(value)

    assert data == rfc8785.dumps(value)
    assert decode(data) == value


@given(VALUES, st.data())
def test_any_changed_byte_is_refused_or_is_another_value(value, data):
    good = encode(value)
    at = data.draw(st.integers(0, len(good) - 1))
    bad = good[:at] + bytes([data.draw(st.integers(0, 255))]) + good[at + 1 :]
    try:
        decoded = decode(bad)
    except Malformed:
        return
    assert encode(decoded) == bad


@given(st.binary(max_size=64))
def test_no_bytes_let_another_error_escape(data):
    try:
        value = decode(data)
    except Malformed:
        return
    assert encode(value) == data


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"a":1,"a":1}', "json_canonical"),
        (b'{"b":1,"a":1}', "json_canonical"),
        (b'{"a": 1}', "json_canonical"),
        (b'{"a":1}\n', "json_canonical"),
        (b' {"a":1}', "json_canonical"),
        (b'{"a":1}x', "json_syntax"),
        (b'\xef\xbb\xbf{"a":1}', "json_syntax"),
        ('{"a":1}'.encode("utf-16"), "json_syntax"),
        (b"1.0", "json_type"),
        (b"1e3", "json_type"),
        (b"-0", "json_canonical"),
        (b"NaN", "json_type"),
        (b"Infinity", "json_type"),
        (b"9007199254740992", "json_number"),
        (b"-9007199254740992", "json_number"),
        (b"1" * 5000, "json_syntax"),
        (b'"\\u0041"', "json_canonical"),
        (b'"\\/"', "json_canonical"),
        (b'"\\u001F"', "json_canonical"),
        (b'"\\ud800"', "json_surrogate"),
        (b'"\xed\xa0\x80"', "json_syntax"),
        (b'"\xc0\xaf"', "json_syntax"),
        (b'"\xff"', "json_syntax"),
        ('{"é":1}'.encode(), "json_key"),
        (b"[" * 9 + b"]" * 9, "json_depth"),
        (b"[" * 10 + b"]" * 10, "json_depth"),
        (b"[" * 5000 + b"]" * 5000, "json_syntax"),
        (b'{"a":' * 9 + b"1" + b"}" * 9, "json_depth"),
        (b"", "json_syntax"),
    ],
)
def test_every_other_spelling_is_refused(kit, data, code):
    with kit.refused(Malformed, code):
        decode(data)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (1.0, "json_type"),
        (float("nan"), "json_type"),
        ((1, 2), "json_type"),
        (b"bytes", "json_type"),
        ({"a": {1}}, "json_type"),
        ({1: "a"}, "json_key"),
        ({"é": "a"}, "json_key"),
        (2**53, "json_number"),
        (-(2**53), "json_number"),
        ("\ud800", "json_surrogate"),
        (_nested(9), "json_depth"),
    ],
)
def test_what_json_would_coerce_or_lose_is_not_encoded(kit, value, code):
    with kit.refused(Malformed, code):
        encode(value)


def test_a_value_that_contains_itself_is_refused(kit):
    value = []
    value.append(value)
    with kit.refused(Malformed, "json_depth"):
        encode(value)


def test_limits_are_inclusive():
    assert encode(MAX_INTEGER) == b"9007199254740991"
    assert decode(b"-9007199254740991") == -MAX_INTEGER
    assert decode(encode(_nested(8))) == _nested(8)
    assert decode(encode(_nested(9), depth=9), depth=9) == _nested(9)


def test_a_string_enum_is_its_text():
    kind = enum.StrEnum("kind", {"A": "a"})
    assert encode({"k": kind.A}) == b'{"k":"a"}'


def test_an_object_is_asked_for(kit):
    assert decode_object(b'{"a":[]}') == {"a": []}
    with kit.refused(Malformed, "json_object"):
        decode_object(b"[]")
    with kit.refused(Malformed, "json_depth"):
        decode_object(b'{"a":[]}', depth=1)


@given(st.binary(max_size=80))
def test_base64_and_back(data):
    assert unb64(b64(data)) == data
    assert unb64(b64(data), len(data)) == data


@pytest.mark.parametrize(
    "text",
    [
        "YQ",
        "YQ=",
        "YQ==\n",
        " YQ==",
        "Y Q==",
        "YR==",
        "YWE",
        "YWF=",
        "-_8=",
        "YQ==YQ==",
        "é",
        "=",
        "Y",
        "YQ===",
    ],
)
def test_base64_has_one_spelling(kit, text):
    with kit.refused(Malformed, "base64") as caught:
        unb64(text, field="/here")
    assert caught.value.field == "/here"


@pytest.mark.parametrize("size", [0, 31, 33])
def test_base64_of_another_size(kit, size):
    with kit.refused(Malformed, "base64_size") as caught:
        unb64(b64(bytes(32)), size, field="/here")
    assert caught.value.field == "/here"


SPEC = {"n": int, "s": (str, type(None)), "o": dict}


def test_a_closed_set_of_fields():
    assert fields({"n": 1, "s": None, "o": {}}, SPEC) == {"n": 1, "s": None, "o": {}}
    assert fields({"n": 1, "s": ""}, SPEC, optional=["o"]) == {"n": 1, "s": ""}


@pytest.mark.parametrize(
    ("value", "code", "place"),
    [
        ([], "json_object", ""),
        ({"n": 1, "s": ""}, "field_missing", "/o"),
        ({"n": 1, "s": "", "o": {}, "canary": 1}, "field_unknown", ""),
        ({"n": True, "s": "", "o": {}}, "field_type", "/n"),
        ({"n": "1", "s": "", "o": {}}, "field_type", "/n"),
        ({"n": 1, "s": 1, "o": {}}, "field_type", "/s"),
        ({"n": 1, "s": "", "o": None}, "field_type", "/o"),
    ],
)
def test_fields_name_what_is_wrong_and_repeat_nothing_of_the_document(kit, value, code, place):
    with kit.refused(Malformed, code) as caught:
        fields(value, SPEC)
    assert caught.value.field == place
    assert "canary" not in str(caught.value)


def test_an_optional_field_may_be_absent_but_not_null(kit):
    with kit.refused(Malformed, "field_type"):
        fields({"n": 1, "s": "", "o": None}, SPEC, optional=["o"])


@pytest.mark.parametrize(("value", "low", "high"), [(0, 1, 9), (10, 1, 9), (True, 0, 9), ("1", 0, 9)])
def test_integers_have_a_range(kit, value, low, high):
    with kit.refused(Malformed, "field_value") as caught:
        encoding.integer({"n": value}, "n", low=low, high=high)
    assert caught.value.field == "/n"


def test_integers_at_both_ends_of_the_range():
    assert encoding.integer({"n": 1}, "n", low=1, high=2) == 1
    assert encoding.integer({"n": 2}, "n", low=1, high=2) == 2


@pytest.mark.parametrize(
    "value", ["e09000012", "E09000012\n", " E09000012", "E0900001", "E٠٩٠٠٠٠١٢", "", 9, None]
)
def test_text_is_matched_whole(kit, value):
    with kit.refused(Malformed, "field_value") as caught:
        encoding.text({"a": value}, "a", encoding.AREA)
    assert caught.value.field == "/a"


@pytest.mark.parametrize(
    "name",
    [
        "E09000012/Police",
        "E09000012/",
        "E09000012/p",
        "E09000012/police/x",
        "E09000012/police\n",
        "E09000012",
        "E09000012/" + "p" * 32,
        "E09000012/pоlice",
    ],
)
def test_principals_have_one_form(name):
    assert encoding.PRINCIPAL.match("E09000012/st_giles")
    assert not encoding.PRINCIPAL.match(name)


def test_octets_name_their_place(kit):
    good = b64(bytes(32))
    assert encoding.octets({"h": good}, "h") == bytes(32)
    assert encoding.octets_list({"l": [good, good]}, "l", 2) == (bytes(32), bytes(32))
    with kit.refused(Malformed, "field_type") as caught:
        encoding.octets({"h": 1}, "h")
    assert caught.value.field == "/h"
    for bad, code, place in (
        ([good, 1], "field_type", "/l/1"),
        (["!", good], "base64", "/l/0"),
        ([good, b64(bytes(31))], "base64_size", "/l/1"),
        ([good], "field_value", "/l"),
        (good, "field_value", "/l"),
        ({good: 1, b64(b"\1" * 32): 1}, "field_value", "/l"),
    ):
        with kit.refused(Malformed, code) as caught:
            encoding.octets_list({"l": bad}, "l", 2)
        assert caught.value.field == place


def test_a_later_version_is_told_from_a_broken_one(kit):
    encoding.check_version({"v": 1})
    encoding.check_version({})  # that it is missing is for `fields` to say
    encoding.check_version({"v": True})
    for later in (0, 2):
        with kit.refused(Unsupported, "version"):
            encoding.check_version({"v": later})
