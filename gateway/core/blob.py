"""An attachment as sealed bytes: chunks of 64 KiB, and a hash over all of them (protocol 4.7).

Duty: seal and unseal incrementally, bytes in and bytes out; the item of a section that describes a blob; the
look at a file's own bytes. What it leaves out: files, the store, messages, and who may read (an item is a
field of its section like any other).

::

    sealed  = header(24) || chunk ...        crypto_secretstream_xchacha20poly1305, a fresh key for each blob
    chunk   = 64 KiB sealed (65,553 bytes), tag MESSAGE; the last 1 byte to 64 KiB, tag FINAL; aad = blob id
    hash    = BLAKE2b-256(sealed)            stands with the key in the section, which is signed

Rules:

- One encoding of one file: every chunk but the last is full, the last is never empty. So the sealed size
  follows from the size, and what is missing shows before anything is opened.
- A chunk opens only in its place of its blob: the stream chains them, the aad names the blob.
- What :class:`Unsealer` gives out is not to be shown to anybody before :meth:`Unsealer.finish` has returned.
- The media type is believed only as far as the bytes bear it out. No compression in the open: a file that
  begins like an archive is refused under any type.

Example::

    sealer = Sealer(blob, key, "text/plain")
    sealed = sealer.push(b"first") + sealer.push(b" second") + sealer.finish()
    unsealer = Unsealer(Item(blob, "note.txt", "text/plain", sealer.size, key, sealer.hash))
    plain = unsealer.push(sealed) + unsealer.finish()
"""

from __future__ import annotations

import codecs
import hashlib
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Final

from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_ABYTES,
    crypto_secretstream_xchacha20poly1305_HEADERBYTES,
    crypto_secretstream_xchacha20poly1305_init_pull,
    crypto_secretstream_xchacha20poly1305_init_push,
    crypto_secretstream_xchacha20poly1305_pull,
    crypto_secretstream_xchacha20poly1305_push,
    crypto_secretstream_xchacha20poly1305_state,
    crypto_secretstream_xchacha20poly1305_TAG_FINAL,
    crypto_secretstream_xchacha20poly1305_TAG_MESSAGE,
)

from gateway.core.encoding import HEX_ID, Json, JsonObject, b64, fields, integer, text, unb64
from gateway.errors import Forged, Malformed
from schemas.attachments import MAX_FILE_NAME, MAX_SIZE, MediaType, name_flaw

MAX_BLOB: Final = MAX_SIZE  # bytes of a file
MAX_NAME: Final = MAX_FILE_NAME  # characters
CHUNK: Final = 64 * 1024  # bytes of the file in every chunk but the last
HEADER: Final = crypto_secretstream_xchacha20poly1305_HEADERBYTES  # 24
SEALED_CHUNK: Final = CHUNK + crypto_secretstream_xchacha20poly1305_ABYTES  # 17 more
KEY: Final = 32
HASH: Final = 32

_MESSAGE: Final = crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
_FINAL: Final = crypto_secretstream_xchacha20poly1305_TAG_FINAL


def sealed_size(size: int) -> int:
    """Bytes of the sealed form of a file of ``size`` >= 1 bytes."""
    chunks = (size + CHUNK - 1) // CHUNK
    return HEADER + size + chunks * (SEALED_CHUNK - CHUNK)


MAX_SEALED: Final = sealed_size(MAX_BLOB)  # bytes of what a peer may announce


# --- What a section says of a blob ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Item:
    """``blob``: 32 hex digits. ``key`` opens it, ``hash`` is over the sealed bytes. ``name`` is plaintext."""

    blob: str
    name: str = field(repr=False)
    media_type: str
    size: int
    key: bytes = field(repr=False)
    hash: bytes = field(repr=False)


_ITEM: Final = {"blob": str, "name": str, "media_type": str, "size": int, "key": str, "hash": str}


def read_item(value: Json) -> Item:
    """The item of a section that came from a peer. Raises Malformed, also for a name that is a path."""
    found = fields(value, _ITEM)
    media_type, name = str(found["media_type"]), str(found["name"])
    if media_type not in set(MediaType):
        raise Malformed("an attachment of a media type that is not taken", code="blob_type")
    if name_flaw(name, media_type):
        raise Malformed("an attachment under a name that is none", code="blob_name")
    size = integer(found, "size", low=1)
    if size > MAX_BLOB:
        raise Malformed(f"an attachment over {MAX_BLOB} bytes", code="blob_size")
    return Item(
        text(found, "blob", HEX_ID),
        name,
        media_type,
        size,
        unb64(str(found["key"]), KEY),
        unb64(str(found["hash"]), HASH),
    )


def sealed_fields(key: bytes, digest: bytes) -> JsonObject:
    """What the node adds to the item that its agency wrote; it stands in the sealed part and nowhere else."""
    return {"key": b64(key), "hash": b64(digest)}


# --- On the way ---------------------------------------------------------------------------------------------

SEGMENT: Final = 11 * CHUNK
"""Sealed bytes in one message. As base64 of JSON they take 940 KiB, with room in 1 MiB for padding."""

_SEGMENT: Final = {"blob": str, "no": int, "size": int, "data": str}


@dataclass(frozen=True, slots=True)
class Segment:
    """The sealed bytes of one message: the ``no``-th (from 0) of a blob of ``size`` sealed bytes."""

    blob: str
    no: int
    size: int
    data: bytes = field(repr=False)

    def write(self) -> JsonObject:
        """The section ``segment`` of part 1."""
        return {"blob": self.blob, "no": self.no, "size": self.size, "data": b64(self.data)}


def segment_count(sealed: int) -> int:
    """How many messages carry so many sealed bytes."""
    return (sealed + SEGMENT - 1) // SEGMENT


def read_segment(value: Json) -> Segment:
    """What a peer sent. Raises Malformed unless it is exactly the bytes that belong at its place."""
    found = fields(value, _SEGMENT)
    size = integer(found, "size", low=sealed_size(1), high=MAX_SEALED)
    number = integer(found, "no", high=segment_count(size) - 1)
    data = unb64(str(found["data"]))
    if len(data) != min(SEGMENT, size - number * SEGMENT):
        raise Malformed("a segment of another length than its place has", code="segment")
    return Segment(text(found, "blob", HEX_ID), number, size, data)


# --- What a file may be -----------------------------------------------------------------------------------

ARCHIVES: Final = (
    b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08",  # zip: also docx, xlsx, odt, jar
    b"\x1f\x8b", b"\x1f\x9d", b"\x1f\xa0",  # gzip, compress
    *(b"BZh%d" % level for level in range(1, 10)),  # bzip2
    b"\xfd7zXZ\x00", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"MSCF\x00", b"LZIP\x01",
    b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"\x5d\x00\x00", b"\x89LZO", b"\x60\xea",
    b"!<arch>", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",  # ar; OLE2: doc, xls, msi
)  # fmt: skip
"""First bytes of compressed formats and of containers that hold other files."""

_PDF: Final = b"%PDF-"
_HEAD: Final = max(len(magic) for magic in (*ARCHIVES, _PDF))
_UNSEEN: Final = bytes(set(range(0x20)) - set(b"\t\n\r\f")) + b"\x7f"
"""Control characters that no text has."""


class Look:
    """A look at a file's bytes as they pass by: whether they are what the media type says."""

    def __init__(self, media_type: str) -> None:
        if media_type not in set(MediaType):
            raise Malformed("an attachment of a media type that is not taken", code="blob_type")
        self._pdf = media_type == MediaType.PDF
        self._head = b""
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def push(self, data: bytes) -> None:
        """Raises Malformed."""
        if len(self._head) < _HEAD:
            self._head += data[: _HEAD - len(self._head)]
            if self._head.startswith(ARCHIVES):
                raise Malformed("an attachment that is compressed, or an archive", code="blob_compressed")
        if not self._pdf:
            self._text(data, final=False)

    def finish(self) -> None:
        """Raises Malformed."""
        if not self._pdf:
            self._text(b"", final=True)
        elif not self._head.startswith(_PDF):
            raise Malformed("an attachment that is no PDF", code="blob_content")

    def _text(self, data: bytes, *, final: bool) -> None:
        try:
            self._decoder.decode(data, final)
            plain = len(data.translate(None, _UNSEEN)) == len(data)
        except UnicodeDecodeError:
            plain = False
        if not plain:
            raise Malformed("an attachment that is no text in UTF-8", code="blob_content")


# --- Sealing ----------------------------------------------------------------------------------------------


class Sealer:
    """Seals one file. ``blob``: 32 hex digits; ``key``: 32 fresh random bytes, for this blob alone.

    After an error nothing of it may be used. ``size`` and ``hash`` are those of the file and of everything
    given out; they are final after :meth:`finish`.
    """

    def __init__(self, blob: str, key: bytes, media_type: str) -> None:
        self._look = Look(media_type)
        self._aad = bytes.fromhex(blob)
        self._state = crypto_secretstream_xchacha20poly1305_state()
        self._waiting = bytearray()
        self._hash = hashlib.blake2b(digest_size=HASH)
        self._begin = self._told(crypto_secretstream_xchacha20poly1305_init_push(self._state, key))
        self.size = 0

    @property
    def hash(self) -> bytes:
        return self._hash.digest()

    def push(self, data: bytes) -> bytes:
        """The sealed bytes that are ready. Raises Malformed: ``blob_size``, ``blob_compressed``,
        ``blob_content``."""
        self.size += len(data)
        if self.size > MAX_BLOB:
            raise Malformed(f"an attachment over {MAX_BLOB} bytes", code="blob_size")
        self._look.push(data)
        self._waiting += data
        ready = [self._started()]
        while len(self._waiting) > CHUNK:  # a full chunk waits: it may be the last, which is marked
            ready.append(self._seal(bytes(self._waiting[:CHUNK]), _MESSAGE))
            del self._waiting[:CHUNK]
        return b"".join(ready)

    def finish(self) -> bytes:
        """The last sealed bytes. Raises Malformed for a file without bytes, or not of its type."""
        if not self._waiting:
            raise Malformed("an attachment without a byte", code="blob_empty")
        self._look.finish()
        last = self._started() + self._seal(bytes(self._waiting), _FINAL)
        self._waiting.clear()
        return last

    def _started(self) -> bytes:
        begin, self._begin = self._begin, b""
        return begin

    def _seal(self, chunk: bytes, tag: int) -> bytes:
        return self._told(crypto_secretstream_xchacha20poly1305_push(self._state, chunk, self._aad, tag))

    def _told(self, sealed: bytes) -> bytes:
        self._hash.update(sealed)
        return sealed


# --- Unsealing --------------------------------------------------------------------------------------------


class Unsealer:
    """Opens the sealed bytes that ``item`` is about, in whatever pieces they come."""

    def __init__(self, item: Item) -> None:
        self._item = item
        self._look = Look(item.media_type)
        self._aad = bytes.fromhex(item.blob)
        self._state: crypto_secretstream_xchacha20poly1305_state | None = None
        self._waiting = bytearray()
        self._hash = hashlib.blake2b(digest_size=HASH)
        self._left = sealed_size(item.size)  # sealed bytes still to come
        self._opened = 0

    def push(self, sealed: bytes) -> bytes:
        """PLAINTEXT that is ready. Raises Forged for a chunk that was changed, is out of its place or is
        another blob's; Malformed for more bytes than the size allows, or an end before the end."""
        if len(sealed) > self._left:
            raise Malformed("more sealed bytes than the size of the attachment", code="blob_trailing")
        self._left -= len(sealed)
        self._hash.update(sealed)
        self._waiting += sealed
        if self._state is None and len(self._waiting) >= HEADER:
            self._state = crypto_secretstream_xchacha20poly1305_state()
            header = bytes(self._waiting[:HEADER])
            crypto_secretstream_xchacha20poly1305_init_pull(self._state, header, self._item.key)
            del self._waiting[:HEADER]
        opened = []
        while len(self._waiting) >= SEALED_CHUNK:
            opened.append(self._open(bytes(self._waiting[:SEALED_CHUNK])))
            del self._waiting[:SEALED_CHUNK]
        return b"".join(opened)

    def finish(self) -> bytes:
        """The last PLAINTEXT, when all that came is the whole blob. Raises Malformed, Forged."""
        if self._left:
            raise Malformed("sealed bytes are missing", code="blob_truncated")
        last = self._open(bytes(self._waiting)) if self._waiting else b""
        self._waiting.clear()
        self._look.finish()
        if not compare_digest(self._hash.digest(), self._item.hash):
            raise Forged("sealed bytes with another hash than the section says", code="blob_hash")
        return last

    def _open(self, chunk: bytes) -> bytes:
        if self._state is None:
            raise Malformed("sealed bytes are missing", code="blob_truncated")
        try:
            opened, tag = crypto_secretstream_xchacha20poly1305_pull(self._state, chunk, self._aad)
        except (RuntimeError, ValueError):
            raise Forged("a chunk that was changed, or is not in its place", code="blob_chunk") from None
        self._opened += len(opened)
        if tag != (_FINAL if self._opened == self._item.size else _MESSAGE):
            raise Malformed("an attachment that ends before its end, or does not end", code="blob_end")
        self._look.push(opened)
        return bytes(opened)
