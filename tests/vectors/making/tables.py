"""Canonical JSON, base64, identifiers, padding, the key schedule, X-Wing, bundles, merging: a table each."""

from __future__ import annotations

from typing import Any

from . import network as net
from .plain import b64, fingerprint, pad, padme, sha256, signed, text_of
from .sealing import Sealing, blake, frozen, unb64
from .vector import Files, case, either, file, octets

LOW_ORDER = {
    "zero": bytes(32),
    "one": b"\1" + bytes(31),
    "order 8": bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    "order 8, the other": bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    "p - 1": bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    "p": bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    "p + 1": bytes.fromhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
}


def files() -> Files:
    yield file("encoding/json-good", "json", "Canonical JSON (2)", [_good(*one) for one in GOOD_JSON])
    yield file(
        "encoding/json-bad",
        "json",
        "Every other spelling, and what the restriction leaves out (2)",
        [_bad(*one) for one in BAD_JSON],
        range(64, 70),
    )
    yield file("encoding/base64", "base64", "Standard base64, padded, one spelling (2)", BASE64, [70])
    yield file(
        "encoding/identifiers", "identifier", "Areas, principals and ids match whole (1)", list(_names())
    )
    yield _fingerprints()
    yield _network_id()
    yield from _padding()
    yield from _schedule()
    yield from _xwing()
    yield file("envelope-parts/merging", "merge", "How one reader's parts become its view (4.4)", MERGING)
    yield _bundles()


# --- encoding ---------------------------------------------------------------------------------------


def deep(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


GOOD_JSON: list[tuple[str, bytes]] = [
    ("the empty object", b"{}"),
    ("the empty list", b"[]"),
    ("a scalar has depth 0", b"null"),
    ("true and false", b"[true,false]"),
    ("fields are sorted", b'{"a":1,"aa":2,"b":3}'),
    ("capitals sort before small letters, digits before both", b'{"0":0,"A":1,"_":2,"a":3}'),
    ("the empty name is a name", b'{"":0}'),
    ("largest whole number", b"9007199254740991"),
    ("smallest whole number", b"-9007199254740991"),
    ("zero", b"0"),
    ("other letters stand as themselves", '"Zoë Łukasz 李 🏠"'.encode()),
    ("a name may be ASCII only, a value not", '{"name":"Ž"}'.encode()),
    ("the short escapes", b'"\\"\\\\\\b\\f\\n\\r\\t"'),
    ("other controls as \\u00xx in small letters", b'"\\u0000\\u001f"'),
    ("DEL and the slash are not escaped", b'"/\x7f"'),
    ("line separators are not escaped", '"\u2028\u2029"'.encode()),
    ("depth 8", deep(8)),
    ("depth 8 in objects", b'{"a":' * 8 + b"0" + b"}" * 8),
]
BAD_JSON: list[tuple[str, bytes, str]] = [
    ("a field twice", b'{"a":1,"a":1}', "json_canonical"),
    ("a field twice, with different values", b'{"a":1,"a":2}', "json_canonical"),
    ("fields in another order", b'{"b":1,"a":2}', "json_canonical"),
    ("a blank after the colon", b'{"a": 1}', "json_canonical"),
    ("a line feed at the end", b"{}\n", "json_canonical"),
    ("a blank at the front", b" {}", "json_canonical"),
    ("something after the value", b"{}{}", "json_syntax"),
    ("a byte order mark", b"\xef\xbb\xbf{}", "json_syntax"),
    ("UTF-16", "{}".encode("utf-16"), "json_syntax"),
    ("a fraction", b"1.0", "json_type"),
    ("an exponent", b"1e3", "json_type"),
    ("minus zero", b"-0", "json_canonical"),
    ("a plus sign", b"+1", "json_syntax"),
    ("a leading zero", b"01", "json_syntax"),
    ("not a number", b"NaN", "?json_type"),
    ("infinity", b"Infinity", "?json_type"),
    ("minus infinity", b"-Infinity", "?json_type"),
    ("one more than the largest", b"9007199254740992", "json_number"),
    ("one less than the smallest", b"-9007199254740992", "json_number"),
    ("a fraction beyond what a double holds", b"1e999", "?json_type"),
    ("5,000 digits", b"9" * 5000, "?json_syntax"),
    ("an escape where none is needed", b'"\\u0041"', "json_canonical"),
    ("an escaped slash", b'"\\/"', "json_canonical"),
    ("a capital in an escape", b'"\\u001F"', "json_canonical"),
    ("a short escape written long", b'"\\u000a"', "json_canonical"),
    ("a pair of surrogates written as escapes", b'"\\ud83c\\udfe0"', "json_canonical"),
    ("the first half of a surrogate pair", b'"\\ud800"', "json_surrogate"),
    ("the second half of a surrogate pair", b'"\\udc00"', "json_surrogate"),
    ("half of a surrogate pair in UTF-8", b'"\xed\xa0\x80"', "json_syntax"),
    ("UTF-8 that ends early", b'"\xc3"', "json_syntax"),
    ("overlong UTF-8", b'"\xc0\xaf"', "json_syntax"),
    ("beyond Unicode", b'"\xf4\x90\x80\x80"', "json_syntax"),
    ("a raw control character", b'"\n"', "json_syntax"),
    ("a field name that is not ASCII", '{"é":1}'.encode(), "json_key"),
    ("a field name that looks like another", '{"а":1}'.encode(), "json_key"),
    ("depth 9", deep(9), "json_depth"),
    ("depth 9 in objects", b'{"a":' * 9 + b"0" + b"}" * 9, "json_depth"),
    ("depth 200", deep(200), "json_depth"),
    ("depth 5,000", deep(5000), "?json_depth"),
    ("a comment", b"{}/**/", "json_syntax"),
    ("a comma at the end", b"[1,]", "json_syntax"),
    ("single quotes", b"'a'", "json_syntax"),
    ("cut short", b'{"a":', "json_syntax"),
    ("nothing", b"", "json_syntax"),
]


def _good(comment: str, data: bytes) -> dict[str, Any]:
    import json  # noqa: PLC0415

    return case("good", comment, gives={"value": json.loads(data)}, **octets("json", data))


def _bad(comment: str, data: bytes, code: str) -> dict[str, Any]:
    make = either if code.startswith("?") else case
    return make(code.lstrip("?"), comment, **octets("json", data))


BASE64 = [
    case("good", "nothing", gives={"hex": ""}, base64=""),
    case("good", "one byte", gives={"hex": "00"}, base64="AA=="),
    case("good", "two bytes", gives={"hex": "fbff"}, base64="+/8="),
    case("good", "three bytes", gives={"hex": "fbffbf"}, base64="+/+/"),
    case("good", "32 bytes where 32 are asked for", gives={"hex": "00" * 32}, base64=b64(bytes(32)), size=32),
    case("base64_size", "31 bytes where 32 are asked for", base64=b64(bytes(31)), size=32),
    case("base64_size", "33 bytes where 32 are asked for", base64=b64(bytes(33)), size=32),
    case("base64", "without padding", base64="AA"),
    case("base64", "too much padding", base64="AA==="),
    case("base64", "the URL-safe alphabet", base64="-_8="),
    case("base64", "an unused bit is set", base64="AB=="),
    case("base64", "unused bits are set, two bytes", base64="AAB="),
    case("base64", "a line feed at the end", base64="AA==\n"),
    case("base64", "a blank inside", base64="AA ==", attack=70),
    case("base64", "a foreign character inside", base64="AA*=="),
    case("base64", "padding in the middle", base64="AA==AA=="),
    case("base64", "letters that are not ASCII", base64="ＡＡ=="),
]


def _names() -> Any:
    for what, text in (
        ("area", "E09000012"),
        ("principal", "E09000012/node"),
        ("principal", "E09000012/st_giles"),
        ("principal", "E09000012/" + "a" * 31),
        ("id", "0123456789abcdef" * 2),
    ):
        yield case("good", f"{what} of its form", gives={}, what=what, identifier=text)
    for what, text, why in (
        ("area", "e09000012", "a small letter"),
        ("area", "E0900001", "too short"),
        ("area", "E09000012\n", "a line feed at the end"),
        ("area", "Е09000012", "a Cyrillic E"),
        ("area", "E0900001٢", "an Arabic digit"),
        ("principal", "E09000012/Node", "a capital"),
        ("principal", "E09000012/a", "a role of one letter"),
        ("principal", "E09000012/" + "a" * 32, "too long"),
        ("principal", "E09000012/1node", "a digit first"),
        ("principal", "E09000012/no-de", "a dash"),
        ("principal", "E09000012", "no role"),
        ("principal", "E09000012/node/x", "two slashes"),
        ("id", "0123456789ABCDEF" * 2, "capitals"),
        ("id", "0" * 31, "too short"),
        ("id", "0" * 33, "too long"),
    ):
        yield case("field_value", f"{what}: {why}", what=what, identifier=text)


def _fingerprints() -> Any:
    found = [bytes(32), b"\xff" * 32, bytes(range(32)), sha256(b"abc"), net.NET]
    comment = "The first 20 bytes in base32, lower case, 8 groups of 4 (1)"
    cases = [
        case("good", "a hash", gives={"fingerprint": fingerprint(one)}, hash_b64=b64(one)) for one in found
    ]
    return file("encoding/fingerprints", "fingerprint", comment, cases)


def _network_id() -> Any:
    gives = {"net_b64": b64(net.NET), "fingerprint": fingerprint(net.NET)}
    more = net.ROOT + signed(text_of(net.ROOT), net.ROOTS["r3"]).partition(b"\n\n")[2]
    cases = [
        case("good", "root version 1", gives=gives, root=net.ROOT.decode()),
        case(
            "good", "with another signature: signature lines do not enter it", gives=gives, root=more.decode()
        ),
    ]
    return file("encoding/network-id", "network_id", "The network id, from root version 1 (1)", cases)


# --- padding and key schedule -----------------------------------------------------------------------


def _padding() -> Files:
    sizes = [
        2,
        3,
        4,
        5,
        8,
        9,
        15,
        16,
        17,
        100,
        511,
        512,
        513,
        528,
        529,
        544,
        545,
        1000,
        1023,
        1024,
        1025,
        1056,
    ]
    sizes += [1057, 4096, 4097, 65536, 65537, 1_000_000]
    yield file(
        "envelope-parts/padme",
        "padme",
        "Padme lengths (4.2)",
        [case("good", f"{one} bytes", gives={"padme": padme(one)}, length=one) for one in sizes],
    )
    contents = [
        b"",
        b"a",
        b"a" * 508,
        b"a" * 509,
        b"a" * 524,
        b"a" * 525,
        b"a" * 1020,
        b"a" * 1021,
        "ü".encode(),
    ]
    yield file(
        "envelope-parts/pad",
        "pad",
        "What a content is padded to: its size and SHA-256 (4.2)",
        [
            case(
                "good",
                f"{len(one)} bytes",
                gives={"size": len(pad(one)), "sha256_b64": b64(sha256(pad(one)))},
                **octets("content", one),
            )
            for one in contents
        ],
    )
    padded = pad(b"EXAMPLE")
    cases = [
        case("good", "7 bytes", gives={"content_b64": b64(b"EXAMPLE")}, padded_b64=b64(padded)),
        case("good", "nothing", gives={"content_b64": ""}, padded_b64=b64(pad(b""))),
        case(
            "good",
            "the largest content of 512",
            gives={"content_b64": b64(bytes(508))},
            padded_b64=b64(pad(bytes(508))),
        ),
        case("padding", "the last byte of the fill is not zero", padded_b64=b64(padded[:-1] + b"\1")),
        case(
            "padding",
            "the first byte of the fill is not zero",
            padded_b64=b64(padded[:11] + b"\1" + padded[12:]),
        ),
        case("padding", "a step more than the size asks for", padded_b64=b64(padded + bytes(32))),
        case("padding", "not padded at all", padded_b64=b64(padded[:11])),
        case("padding", "the length is one short", padded_b64=b64(b"\0\0\0\6" + padded[4:])),
        case("padding", "the length is beyond the end", padded_b64=b64(b"\0\0\2\0" + padded[4:])),
        case("padding", "a length of 4 GiB", padded_b64=b64(b"\xff" * 4 + padded[4:])),
    ]
    yield file("envelope-parts/unpad", "unpad", "The one padding of a content, and others (4.2)", cases, [71])


def _schedule() -> Files:
    sealing = Sealing("schedule")
    net_b64, head_b64 = b64(net.NET), b64(sealing.head)
    yield file(
        "envelope-parts/head",
        "head",
        "H, the hash of the header (4.2)",
        [case("good", "a header", gives={"head_b64": head_b64}, header_b64=b64(sealing.head_bytes))],
    )
    wraps, commitments = [], []
    for index, who in ((0, net.B_NODE), (1, net.B_POLICE), (15, net.B_HOUSING)):
        shared, public = sha256(f"shared {index}".encode()), net.SUBKEYS[who, 2].public
        data = net.NET + sealing.head + bytes((index,)) + sha256(public)
        wrapping = blake(32, shared, b"bx/1/slot", data)
        wraps.append(
            case(
                "good",
                f"slot {index}",
                gives={"wrapping_key_b64": b64(wrapping)},
                slot=index,
                shared_b64=b64(shared),
                public_b64=b64(public),
                net_b64=net_b64,
                head_b64=head_b64,
            )
        )
        made = blake(32, wrapping, b"bx/1/to", who.encode())
        commitments.append(
            case(
                "good",
                f"c_{index}",
                gives={"commitment_b64": b64(made)},
                principal=who,
                wrapping_key_b64=b64(wrapping),
            )
        )
    yield file("envelope-parts/wrapping-keys", "wrapping_key", "wk_i of a slot (4.2)", wraps)
    yield file(
        "envelope-parts/commitments", "commitment", "c_i: who is meant, to who holds wk_i (4.3)", commitments
    )
    yield file(
        "envelope-parts/part-keys",
        "part_keys",
        "ek and com of a part (4.2)",
        [_part_key(j) for j in (0, 1, 63)],
    )


def _part_key(number: int) -> dict[str, Any]:
    key, head = sha256(f"part {number}".encode()), Sealing("schedule").head
    both = blake(64, key, b"bx/1/part", net.NET + head + bytes((number,)))
    return case(
        "good",
        f"part {number}",
        gives={"ek_b64": b64(both[:32]), "com_b64": b64(both[32:])},
        part=number,
        key_b64=b64(key),
        net_b64=b64(net.NET),
        head_b64=b64(head),
    )


def _xwing() -> Files:
    one = net.SUBKEYS[net.B_POLICE, 2]
    public = b64(sha256(one.public))
    held = frozen()[one.label]
    seed, ciphertext = b64(one.seed), unb64(held[0]["ciphertext_b64"])
    cases = [case("good", "the public key of a seed", gives={"public_sha256_b64": public}, seed_b64=seed)]
    cases += [
        case(
            "good",
            "a ciphertext",
            gives={"public_sha256_b64": public, "shared_b64": found["shared_b64"]},
            seed_b64=seed,
            ciphertext_b64=found["ciphertext_b64"],
        )
        for found in held
    ]
    cases += [
        case("kem_seed", "a seed of 31 bytes", seed_b64=b64(one.seed[:31])),
        case(
            "kem_ciphertext", "a ciphertext of 1119 bytes", seed_b64=seed, ciphertext_b64=b64(ciphertext[:-1])
        ),
    ]
    cases += [
        case(
            "kem_low_order",
            f"the X25519 half is of low order: {name}",
            seed_b64=seed,
            ciphertext_b64=b64(ciphertext[:1088] + point),
        )
        for name, point in LOW_ORDER.items()
    ]
    yield file(
        "envelope-parts/xwing",
        "xwing",
        "X-Wing: seed, public key, ciphertext, shared secret (4.2)",
        cases,
        [44, 45],
    )
    publics = [case("good", "both halves are good", gives={}, public_b64=b64(one.public))]
    publics += [
        case(
            "kem_low_order",
            f"the X25519 half is of low order: {name}",
            public_b64=b64(one.public[:1184] + point),
        )
        for name, point in list(LOW_ORDER.items())[:3]
    ]
    wrong = b"\xff\xff\xff" + one.public[3:]
    publics.append(case("kem_public", "a coefficient over the modulus", public_b64=b64(wrong)))
    publics.append(case("kem_public", "a byte short", public_b64=b64(one.public[:-1])))
    yield file(
        "envelope-parts/xwing-public", "xwing_public", "What a key card may hold (4.2, 6)", publics, [44, 45]
    )


# --- bundles and merging ----------------------------------------------------------------------------


def _bundles() -> Any:
    one, two = Sealing("bundle 1").envelope[:600], Sealing("bundle 2").envelope[:700]

    def body(*found: bytes, count: int | None = None) -> bytes:
        framed = b"".join(len(each).to_bytes(4, "big") + each for each in found)
        return b"BXB1" + (len(found) if count is None else count).to_bytes(2, "big") + framed

    def gives(*found: bytes) -> dict[str, Any]:
        return {"envelopes": [b64(sha256(each)) for each in found]}

    cases = [
        case("good", "a bare envelope", gives=gives(one), body_b64=b64(one)),
        case("good", "a bundle of one", gives=gives(one), body_b64=b64(body(one))),
        case(
            "good",
            "a bundle of two: each is looked at by itself",
            gives=gives(one, two),
            body_b64=b64(body(one, two)),
        ),
        case("good", "64, each empty", gives=gives(*[b""] * 64), body_b64=b64(body(*[b""] * 64))),
        case("good", "not a bundle: an envelope to be refused", gives=gives(b"BXB2"), body_b64=b64(b"BXB2")),
        case("bundle_count", "a count of 0", body_b64=b64(body(count=0))),
        case("bundle_count", "a count of 65", body_b64=b64(body(*[b""] * 65))),
        case("bundle_size", "over 4 MiB", body_b64=b64(body(one)), body_filled=(4 << 20) + 1),
        case("truncated", "the count says one more", body_b64=b64(body(one, count=2))),
        case("trailing", "the count says one less", body_b64=b64(body(one, two, count=1))),
        case("truncated", "a length of 4 GiB", body_b64=b64(b"BXB1\0\1" + b"\xff" * 4 + one)),
        case("truncated", "no count", body_b64=b64(b"BXB1")),
    ]
    return file(
        "envelope-parts/bundles", "bundle", "AMQP bodies (4.6): the SHA-256 of each envelope in them", cases
    )


def _merged(comment: str, view: Any, *parts: Any) -> dict[str, Any]:
    return case("good", comment, gives={"view": view}, parts=list(parts))


MERGING = [
    _merged("no part", {}),
    _merged("one part", {"core": {"a": 1}}, {"core": {"a": 1}}),
    _merged("objects field by field", {"core": {"a": 1, "b": 2}}, {"core": {"a": 1}}, {"core": {"b": 2}}),
    _merged(
        "items by their id, in natural order of it",
        {"actions": [{"action_id": "AC2", "x": 1, "y": 2}, {"action_id": "AC10"}]},
        {"actions": [{"action_id": "AC10"}, {"action_id": "AC2", "x": 1}]},
        {"actions": [{"action_id": "AC2", "y": 2}]},
    ),
    _merged(
        "an id of two fields, one of which may be absent",
        {"routing": {"recipients": [{"agency": "HOUSING", "organisation": "B"}, {"agency": "HOUSING"}]}},
        {"routing": {"recipients": [{"agency": "HOUSING"}]}},
        {"routing": {"recipients": [{"agency": "HOUSING", "organisation": "B"}]}},
    ),
    _merged(
        "items inside items",
        {"orders": [{"order_id": "O1", "conditions": [{"no": 1, "a": 1, "b": 2}]}]},
        {"orders": [{"order_id": "O1", "conditions": [{"no": 1, "a": 1}]}]},
        {"orders": [{"order_id": "O1", "conditions": [{"no": 1, "b": 2}]}]},
    ),
    _merged(
        "another list is one value",
        {"core": {"names": ["b", "a"]}},
        {"core": {"names": ["b", "a"]}},
        {"core": {}},
    ),
    _merged("the same value twice", {"core": {"a": 1}}, {"core": {"a": 1}}, {"core": {"a": 1}}),
    case("part_conflict", "two values for one place", parts=[{"core": {"a": 1}}, {"core": {"a": 2}}]),
    case(
        "part_conflict",
        "a number and the same number as text",
        parts=[{"core": {"a": 1}}, {"core": {"a": "1"}}],
    ),
    case("part_conflict", "a value and an object", parts=[{"core": 1}, {"core": {}}]),
    case("part_conflict", "true and 1", parts=[{"core": {"a": True}}, {"core": {"a": 1}}]),
    case("part_conflict", "a list that is not joined", parts=[{"core": {"n": [1]}}, {"core": {"n": [2]}}]),
    case("part_item", "an item without its id", parts=[{"actions": [{"x": 1}]}]),
    case(
        "part_item", "one id twice in one part", parts=[{"actions": [{"action_id": "A"}, {"action_id": "A"}]}]
    ),
    case("part_item", "an id that is no text or number", parts=[{"actions": [{"action_id": True}]}]),
    case("part_item", "an item that is no object", parts=[{"actions": ["A"]}]),
]
