"""Sealed messages as files, for areas that have no gateway (domain 6.2: EXTERNAL_NON_LONDON; protocol 4.8).

Duty: the frame of a file that a person carries, its name, and the fingerprint by which an area's keys are
read back on a telephone. Nothing in the frame is believed: documents and envelopes carry their own signatures
and seals. It leaves out who may carry what where (:mod:`gateway.flows.bridge`).

    file = "BXF1"(4) || u32 length || documents || u32 length || envelopes || zeros, up to Padme(all of it)

``documents``: canonical JSON of public, signed notes, or ``{}``. ``envelopes``: one AMQP body (4.6).

Rules: the size tells no more than an envelope's does; two different files never stand for one content; the
name says the marking, two areas and a message id, never a person.

Example::

    data = pack_file(documents, [envelope])
    open_file(data).envelopes
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.core.directory import Directory
from gateway.core.encoding import Json, JsonObject, b64, decode_object, encode
from gateway.core.keys import fingerprint
from gateway.core.layout import bundle, padme, unbundle
from gateway.errors import Malformed, TooLarge, UnknownRecipient, Unsupported

MAGIC: Final = b"BXF1"
MARKING: Final = "OFFICIAL-SENSITIVE"
SUFFIX: Final = ".handover"

MAX_FILE: Final = 8 << 20
"""Bytes: the documents of a network of all London, and a bundle."""

_LENGTH: Final = 4


@dataclass(frozen=True, slots=True)
class CarriedFile:
    """What a file holds; nothing of it is proven."""

    documents: JsonObject
    envelopes: Sequence[bytes] = field(repr=False)


def pack_file(documents: JsonObject, envelopes: Sequence[bytes]) -> bytes:
    """The same bytes for the same content. Raises TooLarge, Malformed for no envelope."""
    pieces = (encode(documents), bundle(envelopes))
    framed = MAGIC + b"".join(len(piece).to_bytes(_LENGTH, "big") + piece for piece in pieces)
    if padme(len(framed)) > MAX_FILE:
        raise TooLarge(f"a file over {MAX_FILE} bytes", code="file_size")
    return framed.ljust(padme(len(framed)), b"\0")


def open_file(data: bytes) -> CarriedFile:
    """Raises Unsupported for something else, Malformed for what no honest sender wrote."""
    if data[: len(MAGIC)] != MAGIC:
        raise Unsupported(
            "this is not a sealed handover file",
            code="file_magic",
            remedy="name the file as it came; mail systems sometimes wrap or rename attachments",
        )
    if len(data) > MAX_FILE:
        raise Malformed(f"a file over {MAX_FILE} bytes", code="file_size")
    documents, rest = _piece(data, len(MAGIC))
    body, end = _piece(data, rest)
    if len(data) != padme(end) or data.count(0, end) != len(data) - end:
        raise Malformed("padding that no honest sender makes", code="file_padding")
    return CarriedFile(decode_object(documents), unbundle(body))


def _piece(data: bytes, at: int) -> tuple[bytes, int]:
    """The piece that begins at ``at``, and where the next one does."""
    begin = at + _LENGTH
    end = begin + int.from_bytes(data[at:begin], "big")
    if begin > len(data) or end > len(data):
        raise Malformed("bytes are missing", code="file_form")
    return data[begin:end], end


def file_name(sender: str, to: str, mid: str) -> str:
    """``OFFICIAL-SENSITIVE_E09000012_E10000016_<mid>.handover``: a person reads where it goes, and not about
    whom it is."""
    return f"{MARKING}_{sender}_{to}_{mid}{SUFFIX}"


def keys_fingerprint(directory: Directory, area: str) -> str:
    """Over every identity key that the directory lists for an area: what its contact reads back. Another
    key, another agency or another network is another fingerprint.

    Raises UnknownRecipient for an area that the directory does not hold.
    """
    listed = sorted((p for p in directory.principals.values() if p.area == area), key=lambda p: p.name)
    if not listed:
        raise UnknownRecipient("the directory holds no such area", code="unknown_area")
    keys: list[Json] = [[principal.name, b64(principal.sign)] for principal in listed]
    told: JsonObject = {"area": area, "keys": keys, "net": b64(directory.net)}
    return fingerprint(hashlib.sha256(b"bx/1/bridge\n" + encode(told)).digest())
