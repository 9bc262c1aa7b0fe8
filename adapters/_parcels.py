"""The bytes an adapter hands to an agency and takes from one: strict JSON, safe keys.

Leaves out what a document means: the flows and ``schemas`` judge that. Rules: what an agency wrote is read
once, strictly, so that no two readers can see two documents in it; no error quotes it.

Example::

    parse_object(b'{"leg": "0192", "state": "RECEIVED", "role": "Duty officer"}')
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NoReturn

from gateway.errors import GatewayError, InvalidDocument, Rejected
from gateway.ports import Json

MAX_ANSWER = 64 * 1024
"""Bytes of one acknowledgement. A full one, every action answered, is under 8 KiB."""

MAX_DOCUMENT = 1024 * 1024
"""Bytes of one handover document: one envelope holds no more (protocol 4.1)."""

MAX_KEY = 128

_KEY = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_:-]{{0,{MAX_KEY - 1}}}")


def safe_key(key: str) -> str:
    """``key`` if it may stand in a file name and in an HTTP header: no separator, no dot, no line break.

    Raises Rejected (``bad_key``). Keys are minted by the node; this stops a future mistake from becoming a
    path outside the folder or a second header.
    """
    if not _KEY.fullmatch(key):
        raise Rejected("this key cannot name a parcel", code="bad_key", remedy="Report it; nothing was sent.")
    return key


def encode_json(value: Mapping[str, Json], *, indent: int | None = None) -> bytes:
    """UTF-8 JSON in the order given: a profile puts handling conditions before what they govern.

    Raises Rejected (``not_json``) without naming what could not be written.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent).encode()
    except (TypeError, ValueError):
        pass  # the library's message quotes the content
    raise Rejected("the content is not JSON", code="not_json", remedy="Correct the profile of this agency.")


def parse_object(data: bytes) -> dict[str, Json]:
    """One JSON object (RFC 8259) that can be written again as UTF-8: no name twice, no NaN.

    Whether its fields are right is the flow's to say.
    Raises InvalidDocument, which holds nothing of the document.
    """
    try:
        value = json.loads(data.decode(), object_pairs_hook=_no_repeats, parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()  # half a surrogate pair, 1e999
    except (ValueError, RecursionError):
        value = None  # the library's message may quote a name or a number
    if not isinstance(value, dict):
        raise InvalidDocument(
            "this is not one JSON object",
            code="not_json",
            remedy="Write one JSON object in UTF-8, each name once.",
        )
    return value


def problem_document(error: GatewayError) -> dict[str, Json]:
    """An error as the agency reads it (RFC 9457). ``problems`` names every place with its remedy."""
    document: dict[str, Json] = {
        "type": f"urn:borough-handover:problem:{error.code}",
        "title": error.code.replace("_", " ").capitalize(),
        "status": error.status,
        "detail": error.message,
        "code": error.code,
        "field": error.field,
        "remedy": error.remedy,
        "rule": error.rule,
    }
    if error.problems:
        document["problems"] = [
            {"field": p.field, "detail": p.message, "remedy": p.remedy, "rule": p.rule}
            for p in error.problems
        ]
    return {name: value for name, value in document.items() if value != ""}


class Nothing:
    """The iterator of an adapter that never brings anything: ends at once."""

    def __aiter__(self) -> Nothing:
        return self

    async def __anext__(self) -> NoReturn:
        raise StopAsyncIteration


def _no_repeats(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a name stands twice")
    return table


def _refuse(_text: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")
