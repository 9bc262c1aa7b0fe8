"""Identifiers, canonical JSON and base64 (1, 2), and the one way to refuse."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from typing import Any

AREA = re.compile(r"[A-Z][0-9]{8}\Z")
PRINCIPAL = re.compile(r"[A-Z][0-9]{8}/[a-z][a-z0-9_]{1,30}\Z")
NODE = re.compile(r"[A-Z][0-9]{8}/node\Z")
HEX_ID = re.compile(r"[0-9a-f]{32}\Z")
HEX_ID_OR_NONE = re.compile(r"(?:[0-9a-f]{32})?\Z")

MOST = 2**53 - 1
DEPTH = 8
ZERO = bytes(32)

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


class Bad(Exception):
    """Refused; ``code`` is one of the closed list of section 10."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def need(holds: object, code: str) -> None:
    if not holds:
        raise Bad(code)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def canonical(value: Any, depth: int = DEPTH) -> bytes:
    """RFC 8785 as section 2 narrows it, by hand: json.dumps is what the gateway uses."""
    try:
        return _spell(value, depth).encode()
    except UnicodeEncodeError:
        raise Bad("json_surrogate") from None


def _spell(value: Any, depth: int) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, int):
        need(abs(value) <= MOST, "json_number")
        return str(value)
    need(isinstance(value, dict | list), "json_type")
    need(depth > 0, "json_depth")
    if isinstance(value, list):
        return "[" + ",".join(_spell(item, depth - 1) for item in value) + "]"
    need(all(name.isascii() for name in value), "json_key")
    fields = (f"{_quoted(name)}:{_spell(value[name], depth - 1)}" for name in sorted(value))
    return "{" + ",".join(fields) + "}"


def _quoted(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(c) or (c if c >= " " else f"\\u{ord(c):04x}") for c in text) + '"'


def parse(data: bytes) -> Any:
    """The value of canonical bytes: parsed, written again, compared."""
    try:
        value = json.loads(data.decode())
    except (ValueError, RecursionError):
        raise Bad("json_syntax") from None
    need(canonical(value) == data, "json_canonical")
    return value


def parse_object(data: bytes) -> dict[str, Any]:
    value = parse(data)
    need(isinstance(value, dict), "json_object")
    return value  # type: ignore[no-any-return]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def unb64(text: Any, size: int | None = None) -> bytes:
    """Standard, padded, one spelling; exactly ``size`` bytes where that is given."""
    need(isinstance(text, str), "field_type")
    try:
        data = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise Bad("base64") from None
    need(b64(data) == text, "base64")
    need(size is None or len(data) == size, "base64_size")
    return data


def version(body: dict[str, Any]) -> None:
    """A later version is said to be one before its fields are looked at."""
    need(type(body.get("v")) is not int or body["v"] == 1, "version")


def closed(value: Any, kinds: dict[str, type], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """Exactly these fields, exactly of these types; ``true`` is no number."""
    need(isinstance(value, dict), "json_object")
    need(set(value) <= set(kinds), "field_unknown")
    for name, kind in kinds.items():
        if name in value:
            need(type(value[name]) is kind, "field_type")
        else:
            need(name in optional, "field_missing")
    return value  # type: ignore[no-any-return]


def number(value: Any, low: int = 0, high: int = MOST) -> int:
    need(type(value) is int and low <= value <= high, "field_value")
    return value  # type: ignore[no-any-return]


def word(value: Any, form: re.Pattern[str]) -> str:
    need(isinstance(value, str) and form.match(value), "field_value")
    return value  # type: ignore[no-any-return]


def hashes(value: Any, count: int) -> list[bytes]:
    need(isinstance(value, list) and len(value) == count, "field_value")
    return [unb64(item, 32) for item in value]


def fingerprint(digest: bytes) -> str:
    """20 bytes in base32, lower case, 8 groups of 4 (1)."""
    letters = base64.b32encode(digest[:20]).decode().lower()
    return "-".join(letters[at : at + 4] for at in range(0, 32, 4))
