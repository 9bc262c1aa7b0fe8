"""Signed notes (3): one file a scenario, good and bad."""

from __future__ import annotations

from typing import Any

from .network import B_POLICE, H_NODE, SIGNERS
from .plain import Signer, b64, canonical, derive, line, note, sha256, signed
from .vector import File, Files, case, either, file, octets

CONTEXT = "bx/1/example"
BODY = {"at": 1, "note": "Zoë", "v": 1}
NODE, POLICE = SIGNERS[H_NODE], SIGNERS[B_POLICE]
TEXT = f"{CONTEXT}\n".encode() + canonical(BODY) + b"\n"
GOOD = signed(TEXT, NODE)

L = 2**252 + 27742317777372353535851937790883648493
P = 2**255 - 19
SMALL = {
    "of order 1": b"\1" + bytes(31),
    "of order 2": bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    "of order 4": bytes(32),
    "of order 8": bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    "of order 1, not canonical": bytes.fromhex(
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
    ),
    "no point of the curve": b"\2" + bytes(31),
}


def key(signer: Signer, name: str = "", public: bytes = b"") -> dict[str, str]:
    return {"name": name or signer.name, "public_b64": b64(public or signer.public)}


def files() -> Files:
    yield from _good()
    yield from _form()
    yield from _identity()
    yield from _arithmetic()


def one(
    name: str,
    expect: str,
    comment: str,
    data: bytes,
    attacks: list[int],
    *,
    either_way: bool = False,
    **more: Any,
) -> File:
    inputs = {"keys": [key(NODE)], "context": CONTEXT, "single": False, **more}
    make = either if either_way else case
    return file(
        f"notes/bad/{name}", "note", comment, [make(expect, "", **octets("note", data))], attacks, **inputs
    )


def _good() -> Files:
    def good(name: str, comment: str, data: bytes, signers: list[str], **more: Any) -> File:
        gives = {"signers": signers, "hash_b64": b64(sha256(data[: data.rfind(b"\n\n") + 1]))}
        inputs = {"keys": [key(NODE), key(POLICE)], "context": CONTEXT, "single": False, **more}
        cases = [case("good", "", gives=gives, **octets("note", data))]
        return file(f"notes/good/{name}", "note", comment, cases, **inputs)

    yield good("one-line", "One signature", GOOD, [H_NODE], single=True)
    both = signed(TEXT, NODE, POLICE)
    yield good("two-lines", "Two signatures; the hash is that of one", both, sorted([H_NODE, B_POLICE]))
    yield good(
        "unknown-line",
        "A line of an unknown key is ignored",
        signed(TEXT, NODE, POLICE),
        [H_NODE],
        keys=[key(NODE)],
    )
    garbage = GOOD + line("E09000002/node", bytes(32), bytes(64))
    yield good("unknown-garbage", "An unknown line's signature is never looked at", garbage, [H_NODE])
    old = Signer(H_NODE, "identity of before")
    yield good(
        "two-keys", "A name with two keys: the key id says which", GOOD, [H_NODE], keys=[key(old), key(NODE)]
    )
    many = GOOD + b"".join(line(f"n{n}", bytes(32), bytes(64)) for n in range(15))
    yield good("sixteen-lines", "16 lines, the most", many, [H_NODE])
    yield good("empty-body", "The least body", note(CONTEXT, {}, NODE), [H_NODE], single=True)


def _form() -> Files:
    stamp = GOOD.rpartition(b" ")[2]
    yield one("no-lines", "note_unsigned", "No signature line", TEXT + b"\n", [41])
    yield one("text-alone", "note_form", "No empty line at all", TEXT, [41])
    yield one("nothing", "note_form", "No bytes", b"", [41])
    yield one("last-line-open", "note_unsigned", "The last line does not end", GOOD[:-1], [41])
    yield one(
        "same-line-twice", "note_repeated", "One line twice", GOOD + GOOD.partition(b"\n\n")[2], [41, 94]
    )
    yield one(
        "same-key-twice",
        "note_repeated",
        "A name and key id twice, with another signature",
        GOOD + line(NODE.name, NODE.public, bytes(64)),
        [41, 94],
    )
    many = GOOD + b"".join(line(f"n{n}", bytes(32), bytes(64)) for n in range(16))
    yield one("seventeen-lines", "note_lines", "17 lines", many, [41])
    yield one("crlf", "note_form", "Lines end in CR LF", GOOD.replace(b"\n", b"\r\n"), [41])
    yield one("crlf-in-line", "note_line", "The signature line ends in CR LF", GOOD[:-1] + b"\r\n", [41])
    empty = signed(TEXT[:-1] + b"\n\n", NODE)
    yield one(
        "empty-line-in-text",
        "json_canonical",
        "An empty line more before the lines, signed as it is",
        empty,
        [41],
    )
    yield one("text-after-lines", "note_line", "Something after the lines", GOOD + b"more\n", [41])
    yield one("hyphen", "note_line", "A hyphen for the dash", GOOD.replace("\u2014".encode(), b"-"), [41])
    yield one("no-dash", "note_line", "No dash", GOOD.replace("\u2014 ".encode(), b""), [41])
    yield one(
        "two-blanks",
        "note_line",
        "Two blanks before the name",
        GOOD.replace("\u2014 ".encode(), "\u2014  ".encode()),
        [41],
    )
    yield one(
        "name-with-plus", "note_line", "A plus in a name", GOOD + line("a+b", bytes(32), bytes(64)), [41]
    )
    yield one(
        "name-not-ascii",
        "note_line",
        "A look-alike in a name",
        GOOD + line("Е09000012/node", bytes(32), bytes(64)),
        [41, 99],
    )
    yield one("line-not-utf8", "note_line", "A line that is not UTF-8", GOOD + b"\xff\n", [41])
    yield one(
        "short-signature",
        "note_line",
        "A signature of 63 bytes",
        GOOD[: -len(stamp)] + b64(bytes(67)).encode() + b"\n",
        [41],
    )
    yield one(
        "long-signature",
        "note_line",
        "A signature of 65 bytes",
        GOOD[: -len(stamp)] + b64(bytes(69)).encode() + b"\n",
        [41],
    )
    urlsafe = GOOD[: -len(stamp)] + stamp.replace(b"/", b"_").replace(b"+", b"-")
    yield one("url-safe-signature", "note_line", "The signature in URL-safe base64", urlsafe, [41, 70])
    yield one(
        "single-of-two",
        "note_single",
        "One signer is asked for and two have signed",
        signed(TEXT, NODE, POLICE),
        [35],
        single=True,
    )
    decoy = GOOD + line("E09000002/node", bytes(32), bytes(64))
    yield one(
        "single-with-decoy",
        "note_single",
        "One signer is asked for; the other line is of nobody known",
        decoy,
        [35],
        single=True,
    )


def _identity() -> Files:
    yield one(
        "other-context", "note_context", "A note of another context", note("bx/1/receipt", BODY, NODE), [40]
    )
    yield one("longer-context", "note_context", "The context goes on", note(f"{CONTEXT}s", BODY, NODE), [40])
    yield one("unknown-key", "unknown_key", "Nobody known has signed", signed(TEXT, POLICE), [36])
    stolen = TEXT + b"\n" + line(NODE.name, POLICE.public, POLICE.sign(TEXT))
    yield one("own-key-other-name", "unknown_key", "A member's key under another's name", stolen, [34])
    hint = TEXT + b"\n" + line(NODE.name, NODE.public, POLICE.sign(TEXT))
    yield one("borrowed-key-id", "signature", "And with the other's key id", hint, [34])
    yield one("changed-text", "signature", "The text was changed", GOOD.replace(b'"at":1', b'"at":2'), [1])
    added = signed(TEXT, POLICE) + line(NODE.name, NODE.public, bytes(64))
    yield one(
        "one-good-one-bad",
        "signature",
        "A good line beside a bad one of a known key",
        added,
        [35],
        keys=[key(NODE), key(POLICE)],
    )
    yield one(
        "body-not-canonical",
        "json_canonical",
        "Signed, with a blank in the JSON",
        note(CONTEXT, b'{"v": 1}', NODE),
        [65],
    )
    yield one("body-no-object", "json_object", "Signed, and a list", note(CONTEXT, b"[]", NODE), [65])
    yield one(
        "body-field-twice",
        "json_canonical",
        "Signed, a field twice",
        note(CONTEXT, b'{"v":1,"v":1}', NODE),
        [64],
    )


def _arithmetic() -> Files:
    """Where Ed25519 libraries differ, this protocol has one verdict: libsodium's."""
    signature = NODE.sign(TEXT)
    more = int.from_bytes(signature[32:], "little") + L
    malleable = signature[:32] + more.to_bytes(32, "little")
    yield one(
        "s-plus-l", "signature", "S + L for S", TEXT + b"\n" + line(NODE.name, NODE.public, malleable), [43]
    )
    high = signature[:63] + bytes((signature[63] | 0x80,))
    yield one(
        "s-high-bit",
        "signature",
        "The top bit of S is set",
        TEXT + b"\n" + line(NODE.name, NODE.public, high),
        [43],
    )
    zero = TEXT + b"\n" + line(NODE.name, NODE.public, bytes(64))
    yield one("zero-signature", "signature", "A signature of zeros", zero, [43])
    small_r = SMALL["of order 1"] + signature[32:]
    yield one(
        "r-of-small-order",
        "signature",
        "R of order 1",
        TEXT + b"\n" + line(NODE.name, NODE.public, small_r),
        [46],
    )
    for name, public in SMALL.items():
        # With A of order 1 and R = S*B any S makes an equation that holds for every message.
        forged = TEXT + b"\n" + line(NODE.name, public, _for_anything())
        yield one(
            f"weak-key-{name.replace(' ', '-').replace(',', '')}",
            "weak_key",
            f"A public key {name}",
            forged,
            [42],
            keys=[key(NODE, public=public)],
        )
    mixed = mixed_order()
    forged = TEXT + b"\n" + line(NODE.name, mixed, signature)
    yield one(
        "weak-key-mixed-order",
        "weak_key",
        "A public key of mixed order",
        forged,
        [42],
        keys=[key(NODE, public=mixed)],
    )
    short = TEXT + b"\n" + line(NODE.name, NODE.public[:31], signature)
    yield one(
        "weak-key-short",
        "weak_key",
        "A public key of 31 bytes",
        short,
        [42],
        keys=[key(NODE, public=NODE.public[:31])],
    )


def _for_anything() -> bytes:
    """R = s*B and S = s: holds under a key of order 1, whatever was signed."""
    scalar = int.from_bytes(derive("for anything", 64), "little") % L
    return _encode(_multiply(scalar, BASE)) + scalar.to_bytes(32, "little")


# --- a point of mixed order, by the curve's own arithmetic (RFC 8032 section 5.1.4) -----------------

D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)
Point = tuple[int, int]


def _add(one: Point, other: Point) -> Point:
    (a, b), (c, d) = one, other
    product = D * a * b * c * d % P
    x = (a * d + b * c) * pow(1 + product, P - 2, P)
    y = (b * d + a * c) * pow(1 - product, P - 2, P)
    return x % P, y % P


def _multiply(scalar: int, point: Point) -> Point:
    total: Point = (0, 1)
    while scalar:
        if scalar & 1:
            total = _add(total, point)
        point, scalar = _add(point, point), scalar >> 1
    return total


def _encode(point: Point) -> bytes:
    x, y = point
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _decode(data: bytes) -> Point:
    both = int.from_bytes(data, "little")
    y, sign = both & (1 << 255) - 1, both >> 255
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_1 % P
    return (P - x if x & 1 != sign else x), y


BASE = _decode(bytes.fromhex("58" + "66" * 31))


def mixed_order() -> bytes:
    """A good key with a point of order 2 added."""
    return _encode(_add(_decode(NODE.public), (0, P - 1)))
