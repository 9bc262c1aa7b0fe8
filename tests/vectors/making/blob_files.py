"""Attachments (4.7): what a section says of one, and its sealed bytes.

The sealed bytes of a long file stand in no vector: a case says with which key, header and id the file is
sealed, and in which order its pieces are then read. libsodium gives a sender no choice of the header; but the
state that `init_pull` makes out of a given header is the one that `init_push` would have made.
"""

from __future__ import annotations

import hashlib
from typing import Any

from nacl import bindings

from .network import random
from .plain import b64, sha256
from .vector import File, Files, case, either, file, octets

CHUNK = 65_536
KEY, HEADER = random("blob key"), random("blob header", 24)
BLOB = random("blob id", 16).hex()
SMALL = b"EXAMPLE, a file of one line.\n"
START = b"%PDF-1.7\n"


def pieces(data: bytes, blob: str = BLOB, key: bytes = KEY) -> list[bytes]:
    state = bindings.crypto_secretstream_xchacha20poly1305_state()
    bindings.crypto_secretstream_xchacha20poly1305_init_pull(state, HEADER, key)
    cut = [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]
    tags = [0] * (len(cut) - 1) + [3]
    push = bindings.crypto_secretstream_xchacha20poly1305_push
    return [HEADER, *(push(state, one, bytes.fromhex(blob), tag) for one, tag in zip(cut, tags, strict=True))]


def item(data: bytes, **changes: Any) -> dict[str, Any]:
    sealed = b"".join(pieces(data)) if data else b""
    return {
        "blob": BLOB,
        "name": "note.txt",
        "media_type": "text/plain",
        "size": len(data),
        "key": b64(KEY),
        "hash": b64(hashlib.blake2b(sealed, digest_size=32).digest()),
        **changes,
    }


def sealed_with(blob: str = BLOB, key: bytes = KEY) -> dict[str, Any]:
    return {"blob": blob, "key_b64": b64(key), "header_b64": b64(HEADER)}


def pdf(size: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what makes the file, its item): a PDF's first line, and zeros."""
    data = START.ljust(size, b"\0")
    return {"file_b64": b64(START), "file_filled": size}, item(
        data, name="a.pdf", media_type="application/pdf"
    )


def files() -> Files:
    yield _items_good()
    yield _items_bad()
    yield _sealing()
    yield from _opening()


def _items_good() -> File:
    names = [
        "note.txt",
        "a.TXT",
        "Übersicht 2027.txt",
        "1.txt",
        "x" * 96 + ".txt",
        "a (2).txt",
        "consent.txt",
    ]
    cases = [
        case("good", "a name", gives={"blob": BLOB, "size": len(SMALL)}, item=item(SMALL, name=name))
        for name in names
    ]
    largest = item(SMALL, name="a.csv", media_type="text/csv", size=26_214_400)
    cases.append(case("good", "the largest", gives={"blob": BLOB, "size": 26_214_400}, item=largest))
    return file("attachments/items-good", "blob_item", "What a section says of a file (4.7)", cases)


def _items_bad() -> File:
    names = [
        ("a path", "../note.txt"),
        ("an absolute path", "/note.txt"),
        ("a backslash", "a\\note.txt"),
        ("a stream of Windows", "a:note.txt"),
        ("hidden", ".note.txt"),
        ("an option", "-note.txt"),
        ("a formula", "=note.txt"),
        ("a blank first", " note.txt"),
        ("empty", ""),
        ("a device", "con.txt"),
        ("a device in capitals", "COM1.txt"),
        ("101 characters", "x" * 97 + ".txt"),
        ("another ending", "note.exe"),
        ("an ending of another type", "note.pdf"),
        ("no ending", "note"),
        ("not NFC", "U\u0308bersicht.txt"),
        ("a line feed", "no\nte.txt"),
        ("turned round", "note\u202etxt.txt"),
        ("zero width", "no\u200bte.txt"),
    ]
    cases = [case("blob_name", why, item=item(SMALL, name=name)) for why, name in names]
    cases += [
        case(
            "blob_type",
            "a type that is not taken",
            item=item(SMALL, media_type="application/zip", name="a.zip"),
        ),
        case("blob_type", "an image", item=item(SMALL, media_type="image/png", name="a.png")),
        case("field_value", "without a byte", item=item(SMALL, size=0)),
        case("blob_size", "a byte over the limit", item=item(SMALL, size=26_214_401)),
        case("field_type", "a size as text", item=item(SMALL, size="29")),
        case("field_value", "an id in capitals", item=item(SMALL, blob="AB" * 16)),
        case("base64_size", "a key of 31 bytes", item=item(SMALL, key=b64(bytes(31)))),
        case("base64_size", "a hash of 16 bytes", item=item(SMALL, hash=b64(bytes(16)))),
        case("field_unknown", "a field that nobody knows", item=item(SMALL, path="x")),
    ]
    missing = {name: value for name, value in item(SMALL).items() if name != "hash"}
    cases.append(case("field_missing", "without its hash", item=missing))
    return file("attachments/items-bad", "blob_item", "What it may not say", cases, [72, 77, 79])


def _sealing() -> File:
    cases = []
    for size in (9, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1):
        made, said = pdf(size)
        sealed = b"".join(pieces(START.ljust(size, b"\0")))
        told = {"size": len(sealed), "hash_b64": b64(hashlib.blake2b(sealed, digest_size=32).digest())}
        cases.append(case("good", f"{size} bytes", gives=told, item=said, **made))
    return file(
        "attachments/sealing",
        "blob_seal",
        "Sealed size and hash of files of one to three chunks",
        cases,
        sealed_with=sealed_with(),
    )


def _opening() -> Files:
    def opened(folder: str, name: str, comment: str, cases: list[dict[str, Any]], attacks: list[int]) -> File:
        shared = {"more_b64": "", "order": [0, 1], "sealed_with": sealed_with()}
        return file(f"attachments/{folder}/{name}", "blob", comment, cases, attacks, **shared)

    def told(data: bytes) -> dict[str, Any]:
        return {"file_sha256_b64": b64(sha256(data))}

    small = {"item": item(SMALL), **octets("file", SMALL)}
    made, said = pdf(2 * CHUNK + 1)
    three = {"item": said, **made}
    whole = START.ljust(2 * CHUNK + 1, b"\0")
    yield opened(
        "good",
        "opened",
        "Files that open",
        [
            case("good", "one chunk", gives=told(SMALL), **small),
            case("good", "three chunks", gives=told(whole), order=[0, 1, 2, 3], **three),
        ],
        [],
    )
    yield opened(
        "bad",
        "pieces",
        "Chunks left out, twice, out of order",
        [
            case("blob_truncated", "the last chunk is missing", order=[0, 1, 2], **three),
            either("blob_chunk", "the first chunk is missing", order=[0, 2, 3], **three),
            case("blob_trailing", "a chunk twice", order=[0, 1, 1, 2, 3], **three),
            case("blob_chunk", "two swapped", order=[0, 2, 1, 3], **three),
            case("blob_truncated", "the header alone", order=[0], **small),
            case("blob_truncated", "nothing", order=[], **small),
            case("blob_trailing", "a byte more", more_b64=b64(b"\0"), **small),
        ],
        [75],
    )
    other = random("another blob", 16).hex()
    yield opened(
        "bad",
        "another",
        "Bytes that belong to something else",
        [
            case(
                "blob_chunk", "a chunk of another blob", **{**small, "sealed_with": sealed_with(blob=other)}
            ),
            case(
                "blob_chunk",
                "under another key",
                **{**small, "sealed_with": sealed_with(key=random("other"))},
            ),
            case(
                "blob_hash",
                "sealed anew, with another header",
                **{**small, "sealed_with": {**sealed_with(), "header_b64": b64(bytes(24))}},
            ),
            case("blob_hash", "another hash", **{**small, "item": item(SMALL, hash=b64(bytes(32)))}),
            case("blob_truncated", "a larger size", **{**small, "item": item(SMALL, size=len(SMALL) + 1)}),
            case("blob_trailing", "a smaller size", **{**small, "item": item(SMALL, size=len(SMALL) - 1)}),
            # The first 64 KiB of a longer file, whose last chunk is cut off: its tag says that it goes on.
            case(
                "blob_end",
                "an end before the end",
                order=[0, 1],
                **{**three, "item": {**said, "size": CHUNK}},
            ),
        ],
        [75, 76, 77],
    )
    contents = [
        ("blob_compressed", "a zip under another name", b"PK\x03\x04" + bytes(30)),
        ("blob_compressed", "gzip", b"\x1f\x8b" + bytes(30)),
        ("blob_content", "no UTF-8", b"\xff\xfe"),
        ("blob_content", "a control character", b"EX\x00AMPLE"),
        ("blob_content", "an escape of a terminal", b"\x1b[2J"),
    ]
    cases = [case(code, why, item=item(data), **octets("file", data)) for code, why, data in contents]
    text = item(SMALL, name="a.pdf", media_type="application/pdf")
    cases.append(case("blob_content", "text that says it is a PDF", item=text, **octets("file", SMALL)))
    yield opened("bad", "content", "Bytes that do not bear their type out", cases, [72])
