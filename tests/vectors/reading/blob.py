"""An attachment: the item of a section, and the sealed bytes (4.7)."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from typing import Any

from nacl import bindings

from .text import HEX_ID, Bad, closed, need, number, unb64, word

CHUNK, TAG, HEADER = 65_536, 17, 24
MOST = 26_214_400
ITEM = {"blob": str, "name": str, "media_type": str, "size": int, "key": str, "hash": str}
ENDING = {"application/pdf": ".pdf", "text/plain": ".txt", "text/csv": ".csv"}
FORBIDDEN = set('/\\:*?"<>|')
DEVICES = {"con", "prn", "aux", "nul", *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(10))}
ARCHIVES = tuple(
    bytes.fromhex(start)
    for start in (
        "504b0304", "504b0506", "504b0708", "1f8b", "1f9d", "1fa0", "fd377a585a00", "377abcaf271c",
        "526172211a07", "4d534346", "4c5a495001", "28b52ffd", "04224d18", "5d0000", "894c5a4f", "60ea",
        "213c617263683e", "d0cf11e0a1b11ae1", *(f"425a683{n}" for n in range(1, 10)),
    )
)  # fmt: skip
MESSAGE, FINAL = 0, 3


@dataclass
class Item:
    blob: bytes
    media_type: str
    size: int
    key: bytes
    hash: bytes


def read_item(value: Any) -> Item:
    body = closed(value, ITEM)
    need(body["media_type"] in ENDING, "blob_type")
    need(_named(body["name"], ENDING[body["media_type"]]), "blob_name")
    number(body["size"], 1)
    need(body["size"] <= MOST, "blob_size")
    blob = bytes.fromhex(word(body["blob"], HEX_ID))
    return Item(blob, body["media_type"], body["size"], unb64(body["key"], 32), unb64(body["hash"], 32))


def _named(name: str, ending: str) -> bool:
    """1 to 100 characters in NFC, all printable, beginning with a letter or digit, no device, no path."""
    shown = 0 < len(name) <= 100 and name.isprintable() and unicodedata.is_normalized("NFC", name)
    safe = not FORBIDDEN & set(name) and name[:1].isalnum() and name.lower().endswith(ending)
    return shown and safe and name.partition(".")[0].rstrip().lower() not in DEVICES


def sealed_size(size: int) -> int:
    return HEADER + size + TAG * -(-size // CHUNK)


def seal(file: bytes, key: bytes, header: bytes, blob: bytes) -> list[bytes]:
    """[header, chunk, ...]. With a given header: a sender's is random, made by the library."""
    state = bindings.crypto_secretstream_xchacha20poly1305_state()
    bindings.crypto_secretstream_xchacha20poly1305_init_pull(state, header, key)  # the state of init_push
    starts = range(0, len(file), CHUNK)
    tags = [MESSAGE] * (len(starts) - 1) + [FINAL]
    push = bindings.crypto_secretstream_xchacha20poly1305_push
    return [
        header,
        *(push(state, file[at : at + CHUNK], blob, tag) for at, tag in zip(starts, tags, strict=True)),
    ]


def unseal(sealed: bytes, item: Item) -> bytes:
    """The five steps of reading. Nothing is given out before the last of them."""
    need(len(sealed) >= sealed_size(item.size), "blob_truncated")
    need(len(sealed) <= sealed_size(item.size), "blob_trailing")
    file = _opened(sealed, item)
    need(hashlib.blake2b(sealed, digest_size=32).digest() == item.hash, "blob_hash")
    _look(file, item.media_type)
    return file


def _opened(sealed: bytes, item: Item) -> bytes:
    state = bindings.crypto_secretstream_xchacha20poly1305_state()
    bindings.crypto_secretstream_xchacha20poly1305_init_pull(state, sealed[:HEADER], item.key)
    file = b""
    for at in range(HEADER, len(sealed), CHUNK + TAG):
        try:
            opened, tag = bindings.crypto_secretstream_xchacha20poly1305_pull(
                state, sealed[at : at + CHUNK + TAG], item.blob
            )
        except (RuntimeError, ValueError):
            raise Bad("blob_chunk") from None
        file += opened
        need(tag == (FINAL if len(file) == item.size else MESSAGE), "blob_end")
    return file


def _look(file: bytes, media_type: str) -> None:
    need(not file.startswith(ARCHIVES), "blob_compressed")
    if media_type == "application/pdf":
        need(file.startswith(b"%PDF-"), "blob_content")
        return
    try:
        text = file.decode()
    except UnicodeDecodeError:
        raise Bad("blob_content") from None
    need(all((c >= " " and c != "\x7f") or c in "\t\r\n\f" for c in text), "blob_content")
