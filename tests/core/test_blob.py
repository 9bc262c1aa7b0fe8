"""Attachments as sealed bytes (protocol 4.7): one encoding of a file, and no other opens."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_init_push,
    crypto_secretstream_xchacha20poly1305_push,
    crypto_secretstream_xchacha20poly1305_state,
)

from gateway.core import blob
from gateway.core.blob import CHUNK, HEADER, MAX_BLOB, SEALED_CHUNK, Item, Look, Sealer, Unsealer
from gateway.core.encoding import b64
from gateway.errors import Forged, Malformed, Refused

BLOB, OTHER, KEY = "ab" * 16, "cd" * 16, b"k" * 32
TEXT = "text/plain"
SIZES = (1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 7)
MESSAGE, PUSH, REKEY, FINAL = 0, 1, 2, 3


def plain(size: int) -> bytes:
    return (b"All of it is fictional. " * (size // 24 + 1))[:size]


def seal(content: bytes, name: str = BLOB, key: bytes = KEY) -> tuple[Item, bytes]:
    sealer = Sealer(name, key, TEXT)
    sealed = sealer.push(content) + sealer.finish()
    return Item(name, "note.txt", TEXT, len(content), key, sealer.hash), sealed


def unseal(item: Item, sealed: bytes, step: int = 10_000) -> bytes:
    unsealer = Unsealer(item)
    opened = [unsealer.push(sealed[at : at + step]) for at in range(0, len(sealed), step)]
    return b"".join(opened) + unsealer.finish()


def by_hand(
    chunks: list[tuple[bytes, int]], aad: bytes = bytes.fromhex(BLOB), key: bytes = KEY
) -> tuple[Item, bytes]:
    """Sealed as nobody honest seals, with the right hash: what a member could send."""
    state = crypto_secretstream_xchacha20poly1305_state()
    sealed = crypto_secretstream_xchacha20poly1305_init_push(state, key)
    sealed += b"".join(crypto_secretstream_xchacha20poly1305_push(state, c, aad, tag) for c, tag in chunks)
    size = sum(len(chunk) for chunk, _ in chunks)
    return Item(BLOB, "note.txt", TEXT, size, key, hash_of(sealed)), sealed


def hash_of(sealed: bytes) -> bytes:
    return hashlib.blake2b(sealed, digest_size=32).digest()


@pytest.mark.parametrize("size", SIZES)
def test_what_is_sealed_opens_and_its_size_follows_from_the_size(size: int) -> None:
    item, sealed = seal(plain(size))
    assert len(sealed) == blob.sealed_size(size)
    assert unseal(item, sealed) == plain(size)
    assert item.hash == hash_of(sealed)


@given(st.integers(1, 3 * CHUNK), st.integers(999, CHUNK + 99), st.integers(999, CHUNK + 99))
@example(300, 1, 1)
@settings(deadline=None)  # a shared machine
def test_the_pieces_in_which_it_comes_change_nothing(size: int, pushed: int, opened: int) -> None:
    content, sealer = plain(size), Sealer(BLOB, KEY, TEXT)
    sealed = b"".join(sealer.push(content[at : at + pushed]) for at in range(0, size, pushed))
    sealed += sealer.finish()
    assert sealer.size == size
    item = Item(BLOB, "note.txt", TEXT, size, KEY, sealer.hash)
    assert unseal(item, sealed, opened) == content


def test_the_bytes_are_those_of_the_page() -> None:
    """Another sealer, from protocol 4.7 alone: chunks of 64 KiB, tag FINAL on the last, aad = blob id."""
    content = plain(2 * CHUNK + 5)
    item, sealed = by_hand(
        [(content[:CHUNK], MESSAGE), (content[CHUNK : 2 * CHUNK], MESSAGE), (content[2 * CHUNK :], FINAL)]
    )
    assert unseal(item, sealed) == content


def test_two_seals_of_one_file_have_nothing_in_common() -> None:
    assert seal(plain(99))[1][:HEADER] != seal(plain(99))[1][:HEADER]


def refused(item: Item, sealed: bytes) -> str:
    with pytest.raises(Refused) as caught:
        unseal(item, sealed)
    return caught.value.code


def test_every_truncation_is_refused() -> None:
    item, sealed = seal(plain(CHUNK + 50))
    lengths = [*range(HEADER + 60), *range(len(sealed) - 120, len(sealed))]
    assert {refused(item, sealed[:length]) for length in lengths} == {"blob_truncated"}


@pytest.mark.parametrize("size", [40, CHUNK])
def test_every_flipped_byte_is_refused(size: int) -> None:
    item, sealed = seal(plain(size))
    for at in range(0, len(sealed), max(1, size // 200)):
        changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        assert refused(item, changed) in {"blob_chunk", "blob_end"}
        assert refused(replace(item, hash=hash_of(changed)), changed) in {"blob_chunk", "blob_end"}


def test_only_the_last_chunk_may_be_short_and_it_is_never_empty() -> None:
    half, whole = plain(CHUNK // 2), plain(CHUNK)
    assert refused(*by_hand([(half, MESSAGE), (half, FINAL)])) == "blob_trailing"
    assert refused(*by_hand([(whole, MESSAGE), (b"", FINAL)])) == "blob_trailing"
    item, sealed = by_hand([(half, MESSAGE), (whole, FINAL)])
    assert refused(item, sealed) == "blob_chunk"


@pytest.mark.parametrize("tag", [MESSAGE, PUSH, REKEY])
def test_the_last_chunk_is_marked_final(tag: int) -> None:
    assert refused(*by_hand([(plain(9), tag)])) == "blob_end"
    assert refused(*by_hand([(plain(CHUNK), tag)])) == "blob_end"


@pytest.mark.parametrize("tag", [PUSH, REKEY, FINAL])
def test_no_other_chunk_is_marked(tag: int) -> None:
    assert refused(*by_hand([(plain(CHUNK), tag), (plain(9), FINAL)])) == "blob_end"


def test_what_opens_under_another_hash_is_refused_at_the_end_alone() -> None:
    item, sealed = seal(plain(50))
    with pytest.raises(Forged, match="another hash") as caught:
        unseal(replace(item, hash=bytes(32)), sealed)
    assert caught.value.code == "blob_hash"


def test_another_key_and_another_blob_open_nothing() -> None:
    item, sealed = seal(plain(50))
    assert refused(replace(item, key=bytes(32)), sealed) == "blob_chunk"
    assert refused(replace(item, blob=OTHER), sealed) == "blob_chunk"


def test_a_file_over_the_limit_ends_where_it_passes_it() -> None:
    sealer, step = Sealer(BLOB, KEY, TEXT), plain(1 << 20)
    for _ in range(MAX_BLOB >> 20):
        sealer.push(step)
    with pytest.raises(Malformed) as caught:
        sealer.push(b"x")
    assert caught.value.code == "blob_size"


def test_a_file_of_the_limit_is_taken() -> None:
    sealer, step = Sealer(BLOB, KEY, TEXT), plain(1 << 20)
    length = sum(len(sealer.push(step)) for _ in range(MAX_BLOB >> 20)) + len(sealer.finish())
    assert length == blob.MAX_SEALED


def test_a_file_without_a_byte_is_refused() -> None:
    with pytest.raises(Malformed) as caught:
        Sealer(BLOB, KEY, TEXT).finish()
    assert caught.value.code == "blob_empty"


# --- What a file may be -------------------------------------------------------------------------------------


def look(media_type: str, content: bytes, step: int = 1) -> str:
    try:
        seen = Look(media_type)
        for at in range(0, len(content), step):
            seen.push(content[at : at + step])
        seen.finish()
    except Malformed as error:
        return error.code
    return ""


@pytest.mark.parametrize("magic", blob.ARCHIVES, ids=lambda magic: magic.hex())
@pytest.mark.parametrize("media_type", ["application/pdf", TEXT, "text/csv"])
def test_an_archive_is_refused_under_any_type_whatever_the_pieces(magic: bytes, media_type: str) -> None:
    assert look(media_type, magic + b"and more of it") in {"blob_compressed", "blob_content"}
    assert look(media_type, magic + b"and more of it", step=99) == "blob_compressed"


@pytest.mark.parametrize("media_type", ["application/zip", "image/jpeg", "text/html", "", "TEXT/PLAIN"])
def test_a_type_that_is_not_in_the_list_is_refused(media_type: str) -> None:
    assert look(media_type, b"x") == "blob_type"


@pytest.mark.parametrize(
    ("media_type", "content", "code"),
    [
        ("application/pdf", b"%PDF-1.7\n\x00\xff", ""),
        ("application/pdf", b"%PDF", "blob_content"),
        ("application/pdf", b" %PDF-1.7", "blob_content"),
        (TEXT, "Übergabe\tund\r\nmehr\f".encode(), ""),
        (TEXT, b"half a letter \xc3", "blob_content"),
        (TEXT, b"\xff\xfeU\x00T\x00F\x00", "blob_content"),
        (TEXT, b"a\x00b", "blob_content"),
        (TEXT, b"a\x1bb", "blob_content"),
        (TEXT, b"a\x7fb", "blob_content"),
        ("text/csv", b"%PDF-1.7\x00", "blob_content"),
    ],
)
def test_the_bytes_bear_the_type_out(media_type: str, content: bytes, code: str) -> None:
    assert look(media_type, content) == look(media_type, content, step=99) == code


def test_the_sealer_and_the_unsealer_look(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Malformed) as caught:
        Sealer(BLOB, KEY, TEXT).push(b"PK\x03\x04")
    assert caught.value.code == "blob_compressed"
    assert refused(*by_hand([(b"PK\x03\x04 and more", FINAL)])) == "blob_compressed"
    item, sealed = by_hand([(b"no pdf at all", FINAL)])
    assert refused(replace(item, media_type="application/pdf"), sealed) == "blob_content"


# --- What a section says ------------------------------------------------------------------------------------


def said(**changes: object) -> dict[str, object]:
    item = {
        "blob": BLOB,
        "name": "order.pdf",
        "media_type": "application/pdf",
        "size": 9,
        "key": b64(KEY),
        "hash": b64(bytes(32)),
    }
    return {**item, **changes}


def test_an_item_is_read() -> None:
    found = blob.read_item(said())  # type: ignore[arg-type] # JSON by construction
    assert (found.blob, found.name, found.media_type, found.size) == (BLOB, "order.pdf", "application/pdf", 9)
    assert (found.key, found.hash) == (KEY, bytes(32))
    assert blob.sealed_fields(KEY, bytes(32)) == {"key": b64(KEY), "hash": b64(bytes(32))}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"blob": BLOB.upper()}, "field_value"),
        ({"blob": BLOB + "\n"}, "field_value"),
        ({"size": 0}, "field_value"),
        ({"size": True}, "field_type"),
        ({"size": MAX_BLOB + 1}, "blob_size"),
        ({"key": b64(b"k" * 31)}, "base64_size"),
        ({"hash": b64(b"h" * 33)}, "base64_size"),
        ({"media_type": "application/zip"}, "blob_type"),
        ({"name": "../order.pdf"}, "blob_name"),
        ({"extra": 1}, "field_unknown"),
    ],
)
def test_an_item_of_another_form_is_refused(changes: dict[str, object], code: str) -> None:
    with pytest.raises(Malformed) as caught:
        blob.read_item(said(**changes))  # type: ignore[arg-type] # JSON by construction
    assert caught.value.code == code


def test_a_name_and_a_key_are_in_no_repr() -> None:
    shown = repr(blob.read_item(said(name="secret name.pdf")))  # type: ignore[arg-type] # as above
    assert "secret" not in shown
    assert "kkkk" not in shown
    assert SEALED_CHUNK == CHUNK + 17
