"""Bad envelopes, attacks 47 to 71: what the statement says, how it is spelled, and padding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .bad import BASE, bad
from .good_envelopes import lone, pair
from .network import (
    BARKING,
    BEXLEY,
    H_NODE,
    H_SAFETY,
    NOW,
    SIGNERS,
    random,
)
from .plain import b64, canonical, note, pad
from .vector import Files


def files() -> Files:
    yield from _statement()
    yield from _spelling()
    yield from _padding()


# --- 47 to 52, 63: the statement ---------------------------------------------------------------------

FIELDS = [
    "created",
    "dir",
    "expires",
    "from",
    "head",
    "mid",
    "net",
    "parts",
    "prev",
    "seen",
    "seq",
    "slots",
    "stream",
    "to",
    "v",
]


def _statement() -> Files:
    for name in FIELDS:
        missing = lone(f"missing {name}", body=_dropped(name))
        yield bad(47, f"{name}-missing", f"The statement lacks {name}", missing, "field_missing")
    for name, value, code, why in (
        ("created", None, "field_type", "null"),
        ("seq", "1", "field_type", "text"),
        ("seq", True, "field_type", "true, which is no number"),
        ("seq", 0, "field_value", "0"),
        ("dir", -1, "field_value", "negative"),
        ("from", "E09000012", "field_value", "an area"),
        ("from", H_SAFETY, "field_value", "an agency"),
        ("mid", "AB" * 16, "field_value", "capitals"),
        ("stream", "ab", "field_value", "too short"),
        ("prev", "", "base64_size", "empty"),
        ("prev", b64(bytes(31)), "base64_size", "31 bytes"),
        ("net", "-_-_", "base64", "URL-safe base64"),
        ("seen", {"seq": 1, "stream": ""}, "field_value", "a number without a stream"),
        ("seen", {"seq": 0}, "field_missing", "without its stream"),
        ("seen", {"seq": 0, "stream": "", "x": 1}, "field_unknown", "with another field"),
        ("to", [], "field_value", "empty"),
        ("to", [""], "base64_size", "not hashes"),
        ("parts", [], "field_value", "empty"),
        ("parts", {}, "field_type", "an object"),
        ("v", "1", "field_type", "text"),
    ):
        changed = lone(f"wrong {name} {why}", body=_set(name, value))
        slug = why.partition(",")[0].replace(" ", "-").lower()
        yield bad(47, f"{name}-{slug}", f"The statement's {name}: {why}", changed, code)
    for name, value, why in (
        ("head", b64(random("head")), "another header"),
        ("slots", b64(random("slots")), "other slots"),
        ("mid", "ab" * 16, "another message id"),
        ("expires", BASE.expires + 1, "another expiry"),
    ):
        yield bad(
            47,
            f"{name}-other",
            f"The statement is about {why}",
            pair(f"other {name}", body=_set(name, value)),
            name,
            police=name,
        )
    part = pair("other part", body=lambda body: {**body, "parts": [body["parts"][0], b64(random("part"))]})
    yield bad(47, "parts-other", "The statement is about another content", part, "part_hash")
    yield bad(
        48, "unknown-field", "A field that nobody knows", lone("field", body=_set("x", 1)), "field_unknown"
    )
    yield bad(48, "version-2", "Version 2", lone("v 2", body=_set("v", 2)), "version")
    yield bad(
        48,
        "version-2-field",
        "Version 2, with a field of its own: the version is said first",
        lone("v 2 x", body=lambda body: {**body, "v": 2, "x": 1}),
        "version",
    )
    yield bad(
        49,
        "expired",
        "Over since yesterday",
        pair("expired", created=NOW - 90_000),
        "expired",
        police="expired",
    )
    yield bad(50, "future", "From tomorrow", pair("future", created=NOW + 86_400), "future", police="future")
    yield bad(
        51,
        "life-too-long",
        "72 hours and a second",
        pair("too long", life=72 * 3600 + 1),
        "life",
        police="life",
    )
    yield bad(
        51, "life-of-nothing", "It expires when it is made", lone("nothing", created=NOW, life=0), "life"
    )
    yield bad(
        51,
        "life-backwards",
        "It expires before it is made",
        lone("backwards", created=NOW + 60, life=-60),
        "life",
    )
    yield bad(52, "skew-121-early", "Made in 121 seconds", lone("early 121", created=NOW + 121), "future")
    yield bad(
        52, "skew-120-late", "Over since 120 seconds", lone("late 120", created=NOW - 180, life=60), "expired"
    )
    yield bad(63, "via-another", "The broker names another area's exchange", BASE, "via", via=BARKING)
    yield bad(63, "via-ourselves", "The broker names the reader's own exchange", BASE, "via", via=BEXLEY)


def _dropped(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda body: {field: value for field, value in body.items() if field != name}


def _set(name: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda body: {**body, name: value}


# --- 64 to 71: spelling and padding ------------------------------------------------------------------


def _spelling() -> Files:
    """The statement's JSON in another spelling, signed as it stands."""
    for number, name, comment, change, code in (
        (64, "field-twice", "A field twice", lambda text: text[:-1] + b',"v":1}', "json_canonical"),
        (65, "blank", "A blank", lambda text: text.replace(b":", b": ", 1), "json_canonical"),
        (65, "order", "The last field first", lambda text: b'{"v":1,' + text[1:-7] + b"}", "json_canonical"),
        (65, "trailing", "Something after the object", lambda text: text + b"{}", "json_syntax"),
        (65, "bom", "A byte order mark", lambda text: b"\xef\xbb\xbf" + text, "json_syntax"),
        (65, "list", "A list around it", lambda text: b"[" + text + b"]", "json_object"),
        (66, "fraction", "1.0 for 1", lambda text: text.replace(b'"v":1}', b'"v":1.0}'), "json_type"),
        (66, "exponent", "1e0 for 1", lambda text: text.replace(b'"v":1}', b'"v":1e0}'), "json_type"),
        (66, "minus-zero", "-0 for 0", lambda text: text.replace(b'"seq":0', b'"seq":-0'), "json_canonical"),
        (66, "nan", "NaN", lambda text: text.replace(b'"v":1}', b'"v":NaN}'), "?json_type"),
        (
            66,
            "too-large",
            "2^53",
            lambda text: text.replace(b'"v":1}', b'"v":9007199254740992}'),
            "json_number",
        ),
        (
            67,
            "escape",
            "An escape",
            lambda text: text.replace(b'"from":"E', b'"from":"\\u0045'),
            "json_canonical",
        ),
        (
            67,
            "surrogate",
            "Half a surrogate pair",
            lambda text: text.replace(b'"from":"E', b'"from":"\\ud800'),
            "json_surrogate",
        ),
        (
            67,
            "overlong",
            "Overlong UTF-8",
            lambda text: text.replace(b'"from":"E', b'"from":"\xc0\x85'),
            "json_syntax",
        ),
        (67, "not-utf8", "No UTF-8", lambda text: text.replace(b'"from":"E', b'"from":"\xff'), "json_syntax"),
        (
            68,
            "non-ascii-name",
            "A field name that is not ASCII",
            lambda text: text[:-1] + ',"é":1}'.encode(),
            "json_key",
        ),
        (
            69,
            "depth-9",
            "Depth 9",
            lambda text: text.replace(b'"v":1}', b'"v":' + b"[" * 8 + b"]" * 8 + b"}"),
            "json_depth",
        ),
        (
            70,
            "base64-line-feed",
            "A line feed in base64",
            lambda text: text.replace(b'"head":"', b'"head":"\\n'),
            "base64",
        ),
        (70, "base64-unpadded", "base64 without padding", lambda text: text.replace(b'="', b'"'), "base64"),
    ):
        sealing = lone(f"spelled {name}", note=_spelled(change))
        yield bad(number, name, f"In the statement: {comment}", sealing, code)


def _spelled(change: Callable[[bytes], bytes]) -> Callable[[str, Any], bytes]:
    return lambda context, body: note(context, change(canonical(body)), SIGNERS[H_NODE])


def _padding() -> Files:
    for number, name in ((0, "statement"), (1, "routing"), (2, "content")):
        node, police = (
            ("padding", "padding") if number == 0 else ("padding", "") if number == 1 else ("", "padding")
        )
        for fault, change in (
            ("fill", lambda padded: padded[:-1] + b"\1"),
            ("bucket", lambda padded: padded + bytes(64)),
            ("length", lambda padded: b"\0\0\xff\xff" + padded[4:]),
            (
                "short-length",
                lambda padded: (int.from_bytes(padded[:4], "big") - 1).to_bytes(4, "big") + padded[4:],
            ),
        ):
            seal = pair if police else lone
            sealing = seal(f"padding {name} {fault}", pad=_padded(number, change))
            yield bad(
                71, f"{name}-{fault}", f"Padding of the {name} part: {fault}", sealing, node, police=police
            )


def _padded(number: int, change: Callable[[bytes], bytes]) -> Callable[[int, bytes], bytes]:
    return lambda part, content: change(pad(content)) if part == number else pad(content)
