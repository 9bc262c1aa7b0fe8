"""Canonical JSON, canonical base64 and the identifiers of the wire (protocol 1 and 2).

Duty: one byte string for one value, and the refusal of every other spelling of it. What it leaves out:
meaning. Which fields an object has is said by its reader, with `fields`.

Rules:

- RFC 8785 restricted to ASCII keys, whole numbers within ±(2^53-1), depth <= 8 and UTF-8 without lone
  surrogates. Depth counts arrays and objects; a bare scalar has depth 0, ``[]`` has depth 1.
- `decode` re-encodes what it parsed and requires the same bytes. That one comparison refuses duplicate
  keys, key order, white space, escapes, exponents, -0, a byte order mark and trailing bytes.
- A message never repeats a value or an unknown name out of a document: an unknown name may itself be
  somebody's data.

Example::

    encode({"b": 1, "a": "ü"})      # b'{"a":"\\xc3\\xbc","b":1}'
    decode(b'{"a": 1}')             # Malformed: white space
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Collection, Mapping
from typing import Any, Final, TypeAlias

from gateway.errors import Malformed, Unsupported

Json: TypeAlias = bool | int | str | list["Json"] | dict[str, "Json"] | None
JsonObject: TypeAlias = dict[str, Json]

MAX_TIME: Final = 7_258_118_399  # the last second of 2199: no arithmetic on a time leaves the calendar
MAX_INTEGER: Final = 2**53 - 1  # the largest whole number every JSON reader keeps exact (RFC 8785 3.2.2.3)
MAX_DEPTH: Final = 8  # arrays and objects inside one another; bounds the work and the stack of any reader

ZERO: Final = bytes(32)  # stands for "no hash" in a chain and for "no key" in a bag

AREA: Final = re.compile(r"[A-Z][0-9]{8}\Z")  # ONS GSS code; \Z because $ would let a newline pass
PRINCIPAL: Final = re.compile(r"[A-Z][0-9]{8}/[a-z][a-z0-9_]{1,30}\Z")
HEX_ID: Final = re.compile(r"[0-9a-f]{32}\Z")  # a message id or a stream id: 16 random bytes

# check_circular is off because `_check` has already bounded the depth, which no circle survives.
_canonical = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False
).encode
_parse = json.JSONDecoder().decode


def encode(value: Json, *, depth: int = MAX_DEPTH) -> bytes:
    """The canonical bytes of ``value``, UTF-8. Raises Malformed for a value outside protocol 2."""
    _check(value, depth)
    try:
        return _canonical(value).encode()
    except UnicodeEncodeError:
        raise Malformed("a string holds half of a surrogate pair", code="json_surrogate") from None


def decode(data: bytes, *, depth: int = MAX_DEPTH) -> Json:
    """The value of canonical bytes; Malformed when ``data`` is any other spelling, or not JSON at all.

    The caller bounds the size. Integers beyond Python's own digit limit and nesting beyond its stack are
    refused by the parser itself.
    """
    try:
        # Decoded here: json.loads would guess UTF-16 and UTF-32 from the first bytes.
        value: Json = _parse(data.decode())
    except (ValueError, RecursionError):
        raise Malformed("not JSON in UTF-8", code="json_syntax") from None
    if encode(value, depth=depth) != data:
        raise Malformed("JSON that is not canonical", code="json_canonical")
    return value


def decode_object(data: bytes, *, depth: int = MAX_DEPTH) -> JsonObject:
    """`decode`, where the outermost value must be an object. Raises Malformed."""
    value = decode(data, depth=depth)
    if not isinstance(value, dict):
        raise Malformed("an object is expected", code="json_object")
    return value


def _check(value: Any, depth: int) -> None:
    """Raise Malformed for what `json` would quietly accept, coerce, or lose."""
    named = isinstance(value, dict)
    if not named and not isinstance(value, list):
        _check_scalar(value)
        return
    if depth <= 0:
        raise Malformed("nested too deeply", code="json_depth")
    if named:
        _check_keys(value)
    for item in value.values() if named else value:
        kind = type(item)  # most are strings and small numbers, and not worth a call
        if kind is not str and not (kind is int and 0 <= item <= MAX_INTEGER):
            _check(item, depth - 1)


def _check_scalar(value: object) -> None:
    if isinstance(value, int):
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise Malformed("a number beyond 2^53-1", code="json_number")
    elif value is not None and not isinstance(value, str):
        raise Malformed("a value that is no string, whole number, list or object", code="json_type")


def _check_keys(value: dict[object, object]) -> None:
    # ASCII keys sort the same by code point and by UTF-16 unit, so Python's order is RFC 8785's.
    try:
        ascii_text = "".join(value).isascii()  # type: ignore[arg-type]
    except TypeError:
        ascii_text = False
    if not ascii_text:
        raise Malformed("a field name that is not ASCII text", code="json_key")


def b64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648 section 4)."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def unb64(text: str, size: int | None = None, *, field: str = "") -> bytes:
    """The bytes of canonical base64; exactly ``size`` of them when given.

    Malformed for white space, the URL-safe alphabet, missing padding or unused bits that are set: each
    would be a second spelling of the same bytes. ``field`` is the JSON Pointer to name in the error.
    """
    try:
        data = binascii.a2b_base64(text)
    except ValueError:
        raise Malformed("not base64", code="base64", field=field) from None
    if binascii.b2a_base64(data, newline=False).decode() != text:
        raise Malformed("base64 that is not canonical", code="base64", field=field)
    if size is not None and len(data) != size:
        raise Malformed(f"{size} bytes are expected", code="base64_size", field=field)
    return data


def fields(
    value: Json, spec: Mapping[str, type | tuple[type, ...]], optional: Collection[str] = ()
) -> JsonObject:
    """``value`` as an object with exactly the fields of ``spec``, each of (one of) the given types.

    Names in ``optional`` (which ``spec`` also types) may be absent, but not null. Types are compared
    exactly, so a bool is not an int. Raises Malformed with the field as a JSON Pointer.
    """
    if not isinstance(value, dict):
        raise Malformed("an object is expected", code="json_object")
    if not value.keys() <= spec.keys():
        raise Malformed("a field that this version does not know", code="field_unknown")
    for name, kinds in spec.items():
        if name not in value:
            if name not in optional:
                raise Malformed(f"{name} is missing", code="field_missing", field=f"/{name}")
        elif (kind := type(value[name])) is not kinds and (isinstance(kinds, type) or kind not in kinds):
            raise Malformed(f"{name} has the wrong type", code="field_type", field=f"/{name}")
    return value


def integer(body: JsonObject, name: str, *, low: int = 0, high: int = MAX_INTEGER) -> int:
    """The whole number ``body[name]``, ``low`` <= it <= ``high``; else Malformed naming the field."""
    value = body[name]
    if type(value) is not int or not low <= value <= high:
        raise Malformed(f"{name} is no number in its range", code="field_value", field=f"/{name}")
    return value


def text(body: JsonObject, name: str, pattern: re.Pattern[str]) -> str:
    """The string ``body[name]``, matched whole by ``pattern`` (which ends in ``\\Z``); else Malformed."""
    value = body[name]
    if not isinstance(value, str) or not pattern.match(value):
        raise Malformed(f"{name} does not have its form", code="field_value", field=f"/{name}")
    return value


def octets(body: JsonObject, name: str, size: int = 32) -> bytes:
    """The ``size`` bytes whose base64 is ``body[name]``; else Malformed naming the field."""
    return _octets(body[name], size, f"/{name}")


def octets_list(body: JsonObject, name: str, count: int, size: int = 32) -> tuple[bytes, ...]:
    """The list ``body[name]`` of exactly ``count`` base64 strings of ``size`` bytes; else Malformed."""
    value = body[name]
    if not isinstance(value, list) or len(value) != count:
        raise Malformed(f"{name} does not have {count} entries", code="field_value", field=f"/{name}")
    return tuple([_octets(item, size, f"/{name}/{place}") for place, item in enumerate(value)])


def _octets(value: Json, size: int, field: str) -> bytes:
    if not isinstance(value, str):
        raise Malformed("a field has the wrong type", code="field_type", field=field)
    return unb64(value, size, field=field)


def check_version(body: JsonObject) -> None:
    """Raise Unsupported for an object of a later version, before its unknown fields are held against it."""
    version = body.get("v")
    if type(version) is int and version != 1:
        raise Unsupported("a version that this release does not speak", code="version", field="/v")


class within:  # noqa: N801 - read as a word: `with within("seen"):`
    """Put ``/name`` before the JSON Pointer of a Malformed raised inside."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Malformed):
            error.field = f"/{self._name}{error.field}"
