"""The signed word of a node that it has destroyed the content of a handover (domain 6.8, PURGE_ATTESTATION).

::

    bx/1/purge
    {"at":1803290700,"epochs":{"2026-11":8},"files":0,"leaf":"9f...","messages":8,"net":"...","parts":61,
     "ref":"HO-E09000012-2026-000417","slots":0,"unanswered":0,"v":1,"version":1,"why":"NINETY_DAYS"}

    — E09000004/node kFQ3...

Duty: make it, open it, and judge a file of such notes offline. It leaves out when a node may sign one
(:mod:`gateway.flows.attest`): after it has tried, and found that no key of its own opens anything of it.

Rules:

- It is signed by the node of the area that destroyed, by nobody else, and says counts, dates and codes.
- ``leaf`` is the hash of the leaf in that node's log; with the proof of that leaf a file shows that the node
  cannot take its word back. ``epochs``: the records destroyed in each month's tree of keys.
- ``slots``: until when (unix seconds) keys of agencies that this node holds still open a received copy out of
  an old backup; 0 when none does. A node that says 0 and keeps a copy has lied under its signature.

Example::

    note = make(signer, told, net=network.net)
    read(note, net=network.net, keyring=network.keyring).ref
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.core.encoding import Json, JsonObject, b64, decode_object, encode, fields, integer, text, unb64
from gateway.core.judgement import Verdict
from gateway.core.logged import Logged, check_logged, read_logged
from gateway.core.merkle import HASH, leaf_hash
from gateway.core.notes import Keyring, Signer, open_note, peek_body, sign_note
from gateway.core.trust import Network
from gateway.errors import Forged, Malformed, Refused, Unsupported, Untrusted

CONTEXT: Final = "bx/1/purge"

_REF: Final = re.compile(r"HO-[A-Z][0-9]{8}-[0-9]{4}-[0-9]{6}\Z")
_WHY: Final = re.compile(r"[A-Z][A-Z0-9_]{1,39}\Z")
_MONTH: Final = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])\Z")
_NUMBERS: Final = ("version", "at", "messages", "parts", "files", "unanswered", "slots")
_SPEC: Final = {
    "v": int,
    "net": str,
    "ref": str,
    "why": str,
    "leaf": str,
    "epochs": dict,
    **dict.fromkeys(_NUMBERS, int),
}
_FILE: Final = {"v": int, "roots": list, "directory": str, "notes": list, "log": dict}


@dataclass(frozen=True, slots=True)
class Attestation:
    """See above. ``by``: the principal that signed, "" for one not signed yet."""

    ref: str
    version: int
    at: int
    why: str
    messages: int
    parts: int
    files: int
    unanswered: int
    slots: int
    epochs: Mapping[str, int]
    leaf: bytes
    by: str = ""
    note: bytes = field(repr=False, default=b"")


def make(signer: Signer, told: Attestation, *, net: bytes) -> bytes:
    """The signed note."""
    body: JsonObject = {name: getattr(told, name) for name in _NUMBERS}
    body |= {"v": 1, "net": b64(net), "ref": told.ref, "why": told.why, "leaf": b64(told.leaf)}
    return sign_note(CONTEXT, {**body, "epochs": dict(told.epochs)}, [signer])


def read(note: bytes, *, net: bytes, keyring: Keyring) -> Attestation:
    """Verify, then parse. Raises Malformed, Forged, Untrusted, Unsupported."""
    opened = open_note(note, CONTEXT, keyring, single=True)
    body = fields(opened.body, _SPEC)
    if body["v"] != 1:
        raise Unsupported("an attestation of a version that this release does not know", code="version")
    if unb64(str(body["net"])) != net:
        raise Forged("an attestation of another network", code="net")
    signer = opened.signer
    if not signer.endswith("/node"):
        raise Forged("a purge attested by somebody who is no node", code="attested_by")
    return Attestation(
        ref=text(body, "ref", _REF),
        why=text(body, "why", _WHY),
        leaf=unb64(str(body["leaf"]), HASH),
        epochs=_epochs(body["epochs"]),
        by=signer,
        note=note,
        **{name: integer(body, name) for name in _NUMBERS},
    )


def _epochs(value: Json) -> Mapping[str, int]:
    if not isinstance(value, dict) or not all(_MONTH.match(month) for month in value):
        raise Malformed("epochs are months with the number of their records", code="attested_epochs")
    return {month: integer(value, month) for month in value}


# --- a file to show to somebody who has no node -----------------------------------------------------


def pack(
    roots: Sequence[bytes], directory: bytes, notes: Sequence[bytes], log: Logged | None = None
) -> bytes:
    """Everything that is needed to judge the notes but the network's fingerprint. ``log``: of the area that
    gives the file."""
    body: JsonObject = {
        "v": 1,
        "roots": [b64(root) for root in roots],
        "directory": b64(directory),
        "notes": [note.decode() for note in notes],
    }
    return encode(body | ({"log": log.body()} if log else {}))


@dataclass(frozen=True, slots=True)
class Judged:
    """One note of a file: ``told`` only when it verifies. ``logged``: its leaf is proven to be in the log of
    the node that signed it; ``seen``: the boroughs that have cosigned that log with it."""

    verdict: Verdict
    told: Attestation | None = None
    reason: str = ""
    logged: bool = False
    seen: tuple[str, ...] = ()


def judge(data: bytes, fingerprint: str) -> Sequence[Judged]:
    """Every note of a file, by nothing but the network's ``fingerprint``. Never raises for what it holds."""
    try:
        body = fields(decode_object(data), _FILE, optional=("log",))
        roots, notes = body["roots"], body["notes"]
        if not isinstance(roots, list) or not isinstance(notes, list) or not notes:
            raise Malformed("a file of attestations holds roots and notes", code="attested_form")
        network = _network([unb64(str(root)) for root in roots], unb64(str(body["directory"])), fingerprint)
        logged = read_logged(body["log"]) if "log" in body else None
    except Refused as error:
        return [_failed(error)]
    return [_judge(str(note).encode(), network, logged) for note in notes]


def _network(roots: Sequence[bytes], directory: bytes, fingerprint: str) -> Network:
    """As of the day the directory was signed: it may have run out long before somebody asks."""
    created = peek_body(directory).get("created")
    moment = created if isinstance(created, int) else 0
    return Network.build(roots, directory, (), now=moment, expect=fingerprint)


def _judge(note: bytes, network: Network, logged: Logged | None) -> Judged:
    try:
        told = read(note, net=network.net, keyring=network.keyring)
        seen = _seen(told, network, logged)
    except Refused as error:
        return _failed(error)
    return Judged(Verdict.VALID, told, logged=seen is not None, seen=tuple(sorted(seen or ())))


def _seen(told: Attestation, network: Network, logged: Logged | None) -> Mapping[str, int] | None:
    """Who has seen the leaf in the log of its signer; None where the file does not show that."""
    if logged is None or not any(leaf_hash(leaf.leaf) == told.leaf for leaf in logged.leaves):
        return None
    return check_logged(logged, told.by.partition("/")[0], network).seen


def _failed(error: Refused) -> Judged:
    """An unknown key or version is no contradiction: somebody with more documents may be able to tell."""
    unknown = isinstance(error, Untrusted | Unsupported) and error.code != "fingerprint"
    return Judged(Verdict.CANNOT_TELL if unknown else Verdict.INVALID, reason=error.message)
