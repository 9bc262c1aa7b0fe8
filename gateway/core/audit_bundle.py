"""Lines of a node's access log for somebody who trusts nobody: the Commissioner, a court (s.62(5) DPA 2018).

Duty: the hash that binds a line to the node's log, the file that carries lines with their proofs, and the
judgement of such a file by the network's fingerprint alone. It leaves out where lines come from
(:mod:`gateway.flows.audit_export`).

::

    {"v":1, "audit": note, "checkpoint": note, "roots": [b64], "directory": b64,
     "lines": [{"row": {...}, "salt": b64, "text": words, "index": n, "proof": [b64, ...]}, ...]}

Rules: the note (context ``bx/1/audit``, signed by the node) says what was asked for, how many lines there are
and the hash of all of them, so that none is taken out of the file. Each line hashes to a leaf of the log, and
the proof shows that leaf under the checkpoint that the log key signed: so none was changed since it was
written, and all stand in the order in which they were written. What a proof cannot show is that the node left
nothing out: compare the number of lines with the ``access`` leaves of ``gateway log export`` for the time.

>>> row_hash({"id": "a", "purpose": ""}, bytes(32)) == row_hash({"id": "a"}, bytes(32))
True
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from gateway.core.encoding import (
    AREA,
    Json,
    JsonObject,
    b64,
    decode_object,
    encode,
    fields,
    integer,
    octets,
    text,
    unb64,
)
from gateway.core.judgement import Verdict
from gateway.core.log import Checkpoint, log_keyring, open_checkpoint, origin
from gateway.core.merkle import HASH, leaf_hash, verify_inclusion
from gateway.core.notes import open_note, peek_body
from gateway.core.trust import Network
from gateway.errors import Forged, GatewayError, Malformed, Unsupported, Untrusted

CONTEXT: Final = "bx/1/audit"
LEAF: Final = "access"
LATER: Final = ("purpose", "sealed")
"""Fields that rows of older releases did not have: empty they are left out of the hash."""

MAX_AUDIT_LINES: Final = 5_000  # lines of one file, under 16 MiB

_FORM: Final = {"v": int, "audit": str, "checkpoint": str, "roots": list, "directory": str, "lines": list}
_LINE: Final = {"row": dict, "salt": str, "text": str, "index": int, "proof": list}


@dataclass(frozen=True, slots=True)
class Line:
    """One entry of the log with its place. ``row``: its fields without the salt; ``words``: what the acting
    person wrote."""

    row: JsonObject
    salt: bytes = field(repr=False)
    words: str = field(repr=False)
    index: int
    proof: tuple[bytes, ...]

    @property
    def leaf(self) -> bytes:
        """The leaf that this line must have in the log."""
        digest = b64(row_hash(self.row, self.salt))
        return encode({"t": LEAF, "at": self.row.get("at"), "id": self.row.get("id"), "h": digest})

    def body(self) -> JsonObject:
        return {
            "row": self.row,
            "salt": b64(self.salt),
            "text": self.words,
            "index": self.index,
            "proof": [b64(one) for one in self.proof],
        }


@dataclass(frozen=True, slots=True)
class Bundle:
    audit: bytes
    checkpoint: bytes
    roots: Sequence[bytes]
    directory: bytes
    lines: Sequence[Line]

    def pack(self) -> bytes:
        return encode(
            {
                "v": 1,
                "audit": self.audit.decode(),
                "checkpoint": self.checkpoint.decode(),
                "roots": [b64(root) for root in self.roots],
                "directory": b64(self.directory),
                "lines": [line.body() for line in self.lines],
            }
        )


@dataclass(frozen=True, slots=True)
class Judged:
    """``said``: what the node signed about the file, only when that much holds; ``lines``: those proven."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    said: JsonObject = field(default_factory=dict)
    lines: Sequence[Line] = field(default=(), repr=False)


def row_hash(row: Mapping[str, Json], salt: bytes) -> bytes:
    """SHA-256(salt || canonical JSON of the row's fields without it)."""
    kept: JsonObject = {name: value for name, value in row.items() if value or name not in LATER}
    return sha256(salt + encode(kept)).digest()


def lines_hash(lines: Sequence[Line]) -> bytes:
    listed: list[Json] = [line.body() for line in lines]
    return sha256(encode(listed)).digest()


def is_bundle(data: bytes) -> bool:
    """Whether a file is meant to be one. Says nothing of what it is worth."""
    return data.startswith(b'{"audit":')


def judge(data: bytes, fingerprint: str) -> Judged:
    """Judge a file by nothing but the network's ``fingerprint``. Never raises for what it holds."""
    try:
        return _judge(_unpack(data), fingerprint)
    except GatewayError as error:
        unknown = isinstance(error, Untrusted | Unsupported) and error.code != "fingerprint"
        return Judged(Verdict.CANNOT_TELL if unknown else Verdict.INVALID, (error.message,))


def _unpack(data: bytes) -> Bundle:
    body = fields(decode_object(data), _FORM)
    lines, roots = body["lines"], body["roots"]
    if body["v"] != 1 or not isinstance(lines, list) or not isinstance(roots, list):
        raise Malformed("not lines of an access log", code="audit_form")
    if len(lines) > MAX_AUDIT_LINES:
        raise Malformed("more lines than one file holds", code="audit_lines")
    return Bundle(
        str(body["audit"]).encode(),
        str(body["checkpoint"]).encode(),
        [unb64(str(root)) for root in roots],
        unb64(str(body["directory"])),
        [_line(one) for one in lines],
    )


def _line(value: Json) -> Line:
    body = fields(value, _LINE)
    row, proof = body["row"], body["proof"]
    if not isinstance(row, dict) or not isinstance(proof, list):
        raise Malformed("a line without its form", code="audit_form")
    hashes = tuple(unb64(str(one), HASH) for one in proof)
    return Line(row, octets(body, "salt"), str(body["text"]), integer(body, "index"), hashes)


def _judge(bundle: Bundle, fingerprint: str) -> Judged:
    created = peek_body(bundle.directory).get("created")
    moment = created if isinstance(created, int) else 0
    network = Network.build(bundle.roots, bundle.directory, (), now=moment, expect=fingerprint)
    note = open_note(bundle.audit, CONTEXT, network.keyring, single=True)
    area = text(note.body, "area", AREA)
    if note.signer != f"{area}/node":
        raise Forged("not signed by the node whose log it is", code="audit_signer")
    if note.body.get("lines") != len(bundle.lines) or note.body.get("hash") != b64(lines_hash(bundle.lines)):
        raise Forged("the lines are not those that the node signed for", code="audit_hash")
    signed = open_checkpoint(bundle.checkpoint, origin(network.net, area), log_keyring(network))
    for before, line in zip((None, *bundle.lines), bundle.lines, strict=False):
        _check_line(line, signed, before)
        _check_asked(line, note.body)
    return Judged(Verdict.VALID, (), note.body, bundle.lines)


def _check_line(line: Line, signed: Checkpoint, before: Line | None) -> None:
    if before is not None and line.index <= before.index:
        raise Forged("the lines do not stand in the order of the log", code="audit_order")
    verify_inclusion(leaf_hash(line.leaf), line.index, signed.size, line.proof, signed.root)


def _check_asked(line: Line, said: JsonObject) -> None:
    at, since, until = line.row.get("at"), said.get("from"), said.get("to")
    named = said.get("handover")
    if not (isinstance(at, int) and isinstance(since, int) and isinstance(until, int)):
        raise Malformed("a time without its form", code="audit_form")
    if not since <= at < until or (named and line.row.get("ref") != named):
        raise Forged("a line that was not asked for", code="audit_asked")
