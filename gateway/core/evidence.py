"""One file that proves a handover to somebody who has no more than the network's fingerprint (protocol 5).

Duty: pack what proves who sent what to whom, when, and what each agency answered or did not. It leaves out
the judgement of such a file (:mod:`gateway.core.examination`) and where the pieces come from
(:mod:`gateway.flows.evidence`).

Rules:

- The envelope is shown as it was sent, with the keys of the disclosed parts only. Every part key commits to
  its content, and the statement to every part, so nothing else can be passed off for what was sent.
- A part is an audience and may hold fields of several sections. A part is disclosed only when every section
  in it was asked for, so that nothing is shown that was not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.core.encoding import Json, JsonObject, b64, decode_object, encode, fields, unb64
from gateway.core.logged import Logged, read_logged
from gateway.core.silence import Silence, read_silence
from gateway.errors import Malformed

STATEMENT, ROUTING = 0, 1
_FIELDS: Final = {
    "v": int,
    "roots": list,
    "directory": str,
    "envelope": str,
    "keys": dict,
    "receipts": list,
    "later": str,
    "log": dict,
    "silence": dict,
    "notices": list,
}
_OPTIONAL: Final = ("later", "log", "silence", "notices")
_EXHIBIT: Final = {"directory": str, "envelope": str, "keys": dict, "receipts": list}

MAX_NOTICES: Final = 256
"""Notices of one handover in a bundle."""


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A notice about the handover, as it was sent: its codes, and who took it in. ``keys``: of parts 0 and 1,
    never of its words. ``directory``: the version that its statement names."""

    directory: bytes
    envelope: bytes
    keys: Mapping[int, bytes] = field(repr=False)
    receipts: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Evidence:
    """The pieces of one bundle. ``keys``: part number -> its key; parts 0 and 1 are always among them.

    ``later``: the newest directory that the sender knows, if it is another; ``log``: leaves of the sender's
    log about the message; ``silence``: that an agency had not acknowledged it by a time; ``notices``: what
    was said about it afterwards.
    """

    roots: Sequence[bytes]
    directory: bytes
    envelope: bytes
    keys: Mapping[int, bytes] = field(repr=False)
    receipts: Sequence[bytes]
    later: bytes = b""
    log: Logged | None = None
    silence: Silence | None = None
    notices: Sequence[Exhibit] = ()

    def pack(self) -> bytes:
        """Canonical JSON."""
        body: JsonObject = {
            "v": 1,
            "roots": [b64(root) for root in self.roots],
            "directory": b64(self.directory),
            "envelope": b64(self.envelope),
            "keys": {str(number): b64(key) for number, key in self.keys.items()},
            "receipts": [note.decode() for note in self.receipts],
        }
        if self.later:
            body["later"] = b64(self.later)
        body |= {name: one.body() for name in ("log", "silence") if (one := getattr(self, name))}
        if self.notices:
            body["notices"] = [_exhibit(one) for one in self.notices]
        return encode(body)


def _exhibit(one: Exhibit) -> JsonObject:
    return {
        "directory": b64(one.directory),
        "envelope": b64(one.envelope),
        "keys": {str(number): b64(key) for number, key in one.keys.items()},
        "receipts": [note.decode() for note in one.receipts],
    }


def _read_exhibit(value: Json) -> Exhibit:
    body = fields(value, _EXHIBIT)
    return Exhibit(
        unb64(str(body["directory"])), unb64(str(body["envelope"])), _keys(body), _notes(body["receipts"])
    )


def _keys(body: JsonObject) -> dict[int, bytes]:
    keys = body["keys"]
    if not isinstance(keys, dict):
        raise Malformed("not an evidence bundle", code="evidence_form")
    return {_number(name): unb64(str(key), 32) for name, key in keys.items()}


def _notes(value: Json) -> list[bytes]:
    if not isinstance(value, list):
        raise Malformed("not an evidence bundle", code="evidence_form")
    return [str(note).encode() for note in value]


def unpack(data: bytes) -> Evidence:
    """Raises Malformed. Nothing in it is verified yet."""
    body = fields(decode_object(data), _FIELDS, optional=_OPTIONAL)
    notices = body.get("notices", [])
    if not isinstance(notices, list) or len(notices) > MAX_NOTICES:
        raise Malformed("not an evidence bundle", code="evidence_form")
    return Evidence(
        roots=_blobs(body["roots"]),
        directory=unb64(str(body["directory"])),
        envelope=unb64(str(body["envelope"])),
        keys=_keys(body),
        receipts=_notes(body["receipts"]),
        later=unb64(str(body["later"])) if "later" in body else b"",
        log=read_logged(body["log"]) if "log" in body else None,
        silence=read_silence(body["silence"]) if "silence" in body else None,
        notices=[_read_exhibit(one) for one in notices],
    )


def disclosable(parts: Mapping[int, Collection[str]], asked: Collection[str]) -> tuple[int, ...]:
    """Which part numbers may be shown to somebody who asked for these sections: those that hold no other.

    ``parts``: part number -> the names of the sections it holds fields of.
    """
    wanted = set(asked)
    return tuple(number for number, names in sorted(parts.items()) if names and wanted.issuperset(names))


def _blobs(value: Json) -> list[bytes]:
    if not isinstance(value, list):
        raise Malformed("a list is expected", code="evidence_form")
    return [unb64(str(item)) for item in value]


def _number(name: str) -> int:
    if not name.isascii() or not name.isdigit() or len(name) > 2 or str(int(name)) != name:  # noqa: PLR2004 - 64 parts
        raise Malformed("a part number does not have its form", code="evidence_form")
    return int(name)
