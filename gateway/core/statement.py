"""The statement: what the sending node signs about an envelope (protocol 4.3).

Duty: build the signed note that is part 0, and check on receipt that it speaks of exactly these bytes, now.
What it leaves out: opening part 0, and whether the recipient's own slot is meant (envelope.py); order and
gaps of a stream (flows).

Each binding stops an attack (protocol 4.4): recipients stop re-sealing to somebody unlisted, part hashes an
insider's rewriting, the slots hash re-wrapping, head and net a change or replay of the frame.

Example::

    body = build(draft, sender="E09000012/node", ...)
    statement = read(part0, parsed, net=net, keyring=network.keyring)
    check_time(statement, now)
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Final

from gateway.core.encoding import (
    HEX_ID,
    Json,
    JsonObject,
    b64,
    check_version,
    fields,
    integer,
    octets,
    octets_list,
    text,
    within,
)
from gateway.core.layout import Kind, Parsed
from gateway.core.notes import Keyring, Note, open_note
from gateway.errors import Expired, Forged, Malformed

SKEW: Final = 120  # seconds by which two honest clocks may differ
MAX_LIFE: Final = 72 * 3600  # seconds; bounds for how long a withheld message can still be played
CONTEXTS: Final = {
    Kind.MESSAGE: "bx/1/message",
    Kind.RECEIPTS: "bx/1/receipts",
    Kind.CONTROL: "bx/1/control",
}
NODE: Final = re.compile(r"[A-Z][0-9]{8}/node\Z")  # only a node seals; agencies sign receipts and sections

_SPEC: Final = {
    "created": int,
    "dir": int,
    "expires": int,
    "from": str,
    "head": str,
    "mid": str,
    "net": str,
    "parts": list,
    "prev": str,
    "seen": dict,
    "seq": int,
    "slots": str,
    "stream": str,
    "to": list,
    "v": int,
}
_SEEN: Final = {"seq": int, "stream": str}
_STREAM_OR_NONE: Final = re.compile(r"(?:[0-9a-f]{32})?\Z")


@dataclass(frozen=True, slots=True)
class Position:
    """Our place in the stream to a peer. ``stream``: 32 hex digits; ``seq`` from 1; ``prev``: the hash of
    the statement before, 32 zero bytes in the first."""

    stream: str
    seq: int
    prev: bytes


@dataclass(frozen=True, slots=True)
class Seen:
    """What we have of the peer's stream; the defaults while nothing was seen."""

    stream: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Statement:
    """A verified statement. ``sender`` is the principal whose key signed; times are unix seconds.

    ``to`` holds one recipient commitment a slot, ``parts`` the SHA-256 of parts 1.., ``hash`` is the
    statement hash that receipts name, ``note`` the signed bytes.
    """

    sender: str
    mid: str
    kind: Kind
    stream: str
    seq: int
    prev: bytes
    seen: Seen
    created: int
    expires: int
    directory: int
    to: tuple[bytes, ...] = field(repr=False)
    parts: tuple[bytes, ...] = field(repr=False)
    hash: bytes
    note: bytes = field(repr=False)


def build(
    *,
    sender: str,
    mid: str,
    net: bytes,
    head: bytes,
    slots: bytes,
    parts: Sequence[bytes],
    to: Sequence[bytes],
    created: int,
    expires: int,
    directory: int,
    position: Position,
    seen: Seen,
) -> JsonObject:
    """The body to sign; ``slots`` and ``parts`` are hashes, ``to`` commitments.

    Checked as a peer would, so that nothing leaves that it must refuse. Raises Malformed, Expired (life).
    """
    seen_body: JsonObject = {"seq": seen.seq, "stream": seen.stream}
    body: JsonObject = {
        "created": created,
        "dir": directory,
        "expires": expires,
        "from": sender,
        "head": b64(head),
        "mid": mid,
        "net": b64(net),
        "parts": [b64(part) for part in parts],
        "prev": b64(position.prev),
        "seen": seen_body,
        "seq": position.seq,
        "slots": b64(slots),
        "stream": position.stream,
        "to": [b64(commitment) for commitment in to],
        "v": 1,
    }
    text(body, "from", NODE)
    text(body, "stream", HEX_ID)
    octets(body, "prev")
    integer(body, "seq", low=1)
    integer(body, "created")
    integer(body, "dir")
    with within("seen"):
        _seen_of(seen_body)
    _check_life(created, expires)
    return body


def read(note: bytes, parsed: Parsed, *, net: bytes, keyring: Keyring) -> Statement:
    """Part 0, verified and bound to ``parsed``; time and the reader's own slot are not looked at.

    Raises Malformed (form), Forged (signature, or a binding that does not hold; the code names it),
    Untrusted (no known key), Unsupported (a later version).
    """
    opened = open_note(note, CONTEXTS[parsed.kind], keyring, single=True)
    check_version(opened.body)
    statement = _values(opened, parsed.kind, len(parsed.slots), len(parsed.parts) - 1)
    if opened.signer != statement.sender:
        raise Forged("signed by another than it says", code="signer", field="/from")
    _check_bindings(statement, opened.body, parsed, net)
    _check_life(statement.created, statement.expires)
    return statement


def read_alone(note: bytes, *, net: bytes, keyring: Keyring) -> tuple[Statement, bytes]:
    """A statement without its envelope, verified, and the head that it binds (H of protocol 4.2).

    For a chain of statements as evidence of what was sent, and in which order. That the envelope's bytes are
    those it speaks of is not looked at. Raises as `read` does; Malformed for a note of another kind.
    """
    context = note.partition(b"\n")[0].decode("ascii", errors="replace")
    kinds = {name: kind for kind, name in CONTEXTS.items()}
    if context not in kinds:
        raise Malformed("not a statement", code="note_context")
    opened = open_note(note, context, keyring, single=True)
    check_version(opened.body)
    body = fields(opened.body, _SPEC)
    slots, parts = (value if isinstance(value := body[name], list) else [] for name in ("to", "parts"))
    statement = _values(opened, kinds[context], len(slots), len(parts))
    if opened.signer != statement.sender:
        raise Forged("signed by another than it says", code="signer", field="/from")
    _check_equal(body, "net", net)
    _check_life(statement.created, statement.expires)
    return statement, octets(body, "head")


def check_time(statement: Statement, now: int) -> None:
    """Raise Expired unless ``now`` (unix seconds) lies within the statement's life, give or take SKEW."""
    if now < statement.created - SKEW:
        raise Expired("from the future; compare the clocks", code="future", field="/created")
    if now >= statement.expires + SKEW:
        raise Expired("its time has passed", code="expired", field="/expires")


def _values(opened: Note, kind: Kind, slots: int, parts: int) -> Statement:
    """The verified body as values of the right form, for so many slots and parts after part 0. Raises
    Malformed naming the field."""
    body = fields(opened.body, _SPEC)
    return Statement(
        sender=text(body, "from", NODE),
        mid=text(body, "mid", HEX_ID),
        kind=kind,
        stream=text(body, "stream", HEX_ID),
        seq=integer(body, "seq", low=1),
        prev=octets(body, "prev"),
        seen=_seen(body["seen"]),
        created=integer(body, "created"),
        expires=integer(body, "expires"),
        directory=integer(body, "dir"),
        to=octets_list(body, "to", slots),
        parts=octets_list(body, "parts", parts),
        hash=opened.hash,
        note=opened.raw,
    )


def _seen(value: Json) -> Seen:
    with within("seen"):
        return _seen_of(fields(value, _SEEN))


def _seen_of(body: JsonObject) -> Seen:
    seen = Seen(text(body, "stream", _STREAM_OR_NONE), integer(body, "seq"))
    if seen.seq and not seen.stream:
        raise Malformed("seen without a stream", code="field_value", field="/stream")
    return seen


def _check_bindings(statement: Statement, body: JsonObject, parsed: Parsed, net: bytes) -> None:
    """Raise Forged unless the statement speaks of these very bytes, in this network."""
    _check_equal(body, "net", net)
    _check_equal(body, "head", parsed.head)
    if statement.mid != parsed.mid:
        raise Forged("mid is not that of the envelope", code="mid", field="/mid")
    if statement.expires != parsed.expires:
        raise Forged("expires is not that of the envelope", code="expires", field="/expires")
    _check_equal(body, "slots", hashlib.sha256(b"".join(parsed.slots)).digest())
    for number, (part, promised) in enumerate(zip(parsed.parts[1:], statement.parts, strict=True)):
        if not compare_digest(hashlib.sha256(part).digest(), promised):
            raise Forged("a part that was not signed", code="part_hash", field=f"/parts/{number}")


def _check_equal(body: JsonObject, name: str, found: bytes) -> None:
    """Compared as it is written: what has another form is told first. Public bytes on both sides."""
    if body[name] != b64(found):
        octets(body, name)
        raise Forged(f"{name} is not that of the envelope", code=name, field=f"/{name}")


def _check_life(created: int, expires: int) -> None:
    if not 0 < expires - created <= MAX_LIFE:
        raise Expired(f"a life of other than 1 to {MAX_LIFE} seconds", code="life", field="/expires")
