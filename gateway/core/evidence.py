"""One file that proves a handover to somebody who has no more than the network's fingerprint (protocol 5).

Duty: pack what proves who sent what to whom, when, and what each agency answered; and judge such a file
offline. It leaves out where the pieces come from (:mod:`gateway.flows.evidence`).

Rules:

- The envelope is shown as it was sent, with the keys of the disclosed parts only. Every part key commits to
  its content, and the statement to every part, so nothing else can be passed off for what was sent.
- A part is an audience and may hold fields of several sections. A part is disclosed only when every section
  in it was asked for, so that nothing is shown that was not.
- Documents of trust are judged as of the day of the statement: evidence outlives the directory it was made
  under. Whether a key has been revoked since is a question for today's directory.
- INVALID: something in the file contradicts itself or its signatures. CANNOT_TELL: the file may be good, but
  what would show it is not in it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from gateway.core.encoding import Json, JsonObject, b64, decode_object, encode, fields, unb64
from gateway.core.envelope import Statement, open_part, read_statement, split
from gateway.core.judgement import Verdict
from gateway.core.layout import Parsed
from gateway.core.notes import peek_body
from gateway.core.receipts import ZERO, Receipt, open_receipt
from gateway.core.root import SKEW
from gateway.core.states import LegState, advance_leg
from gateway.core.trust import Network
from gateway.errors import Forged, GatewayError, Malformed, Refused, Unsupported, Untrusted

T = TypeVar("T")

STATEMENT, ROUTING = 0, 1
_FIELDS: Final = {"v": int, "roots": list, "directory": str, "envelope": str, "keys": dict, "receipts": list}


@dataclass(frozen=True, slots=True)
class Evidence:
    """The pieces of one bundle. ``keys``: part number -> its key; parts 0 and 1 are always among them."""

    roots: Sequence[bytes]
    directory: bytes
    envelope: bytes
    keys: Mapping[int, bytes] = field(repr=False)
    receipts: Sequence[bytes]

    def pack(self) -> bytes:
        """Canonical JSON."""
        return encode(
            {
                "v": 1,
                "roots": [b64(root) for root in self.roots],
                "directory": b64(self.directory),
                "envelope": b64(self.envelope),
                "keys": {str(number): b64(key) for number, key in self.keys.items()},
                "receipts": [note.decode() for note in self.receipts],
            }
        )


def unpack(data: bytes) -> Evidence:
    """Raises Malformed. Nothing in it is verified yet."""
    body = fields(decode_object(data), _FIELDS)
    keys, receipts = body["keys"], body["receipts"]
    if not isinstance(keys, dict) or not isinstance(receipts, list):
        raise Malformed("not an evidence bundle", code="evidence_form")
    return Evidence(
        roots=_blobs(body["roots"]),
        directory=unb64(str(body["directory"])),
        envelope=unb64(str(body["envelope"])),
        keys={_number(name): unb64(str(key), 32) for name, key in keys.items()},
        receipts=[str(note).encode() for note in receipts],
    )


def disclosable(parts: Mapping[int, Collection[str]], asked: Collection[str]) -> tuple[int, ...]:
    """Which part numbers may be shown to somebody who asked for these sections: those that hold no other.

    ``parts``: part number -> the names of the sections it holds fields of.
    """
    wanted = set(asked)
    return tuple(number for number, names in sorted(parts.items()) if names and wanted.issuperset(names))


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. ``what`` and ``reason`` are for people and hold no value out of a document."""

    what: str
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """The judgement of a bundle. ``legs``: principal -> the states it signed, in order. ``sections`` is
    PLAINTEXT: what the bundle discloses, part by part."""

    checks: Sequence[Check]
    statement: Statement | None = None
    legs: Mapping[str, tuple[Receipt, ...]] = field(default_factory=dict)
    sections: Sequence[JsonObject] = field(default=(), repr=False)

    @property
    def verdict(self) -> Verdict:
        """The worst of all checks."""
        found = {check.verdict for check in self.checks}
        return next((v for v in (Verdict.INVALID, Verdict.CANNOT_TELL) if v in found), Verdict.VALID)


def judge_evidence(data: bytes, fingerprint: str) -> Finding:
    """Judge a bundle by nothing but the network's ``fingerprint``. Never raises for what the bundle holds."""
    checks: list[Check] = []
    try:
        return _judge(unpack(data), fingerprint, checks)
    except _Stop:
        return Finding(checks)
    except Refused as error:
        return Finding([_failed("the file is an evidence bundle", error)])


class _Stop(Exception):
    """Nothing after this check can be judged."""


def _judge(bundle: Evidence, fingerprint: str, checks: list[Check]) -> Finding:
    network = _need(checks, "the network is the one expected", lambda: _network(bundle, fingerprint))
    parsed = _need(checks, "the envelope is whole", lambda: split(bundle.envelope))
    statement = _need(checks, "its sender signed it", lambda: _statement(bundle, parsed, network))
    _try(checks, "the directory is of its day", lambda: _of_its_day(network, statement))
    sections = []
    for number in sorted(bundle.keys):
        if number == STATEMENT:
            continue
        content = _try(
            checks, f"part {number} is what was sent", partial(_part, bundle, parsed, network, number)
        )
        sections += [content] if content is not None else []
    legs = _receipts(checks, bundle, parsed, statement, network)
    return Finding(checks, statement, legs, sections)


def _need(checks: list[Check], what: str, work: Callable[[], T]) -> T:
    found = _try(checks, what, work)
    if found is None:
        raise _Stop
    return found


def _try(checks: list[Check], what: str, work: Callable[[], T]) -> T | None:
    try:
        found = work()
    except GatewayError as error:
        checks.append(_failed(what, error))
        return None
    checks.append(Check(what, Verdict.VALID))
    return found


def _failed(what: str, error: GatewayError) -> Check:
    """An unknown key or version is no contradiction: somebody with more documents may be able to tell."""
    unknown = isinstance(error, (Untrusted, Unsupported)) and error.code != "fingerprint"
    return Check(what, Verdict.CANNOT_TELL if unknown else Verdict.INVALID, error.message)


def _network(bundle: Evidence, fingerprint: str) -> Network:
    """As of the day the directory was signed: it may have run out long before somebody asks."""
    signed = peek_body(bundle.directory).get("created")
    moment = signed if isinstance(signed, int) else 0
    return Network.build(bundle.roots, bundle.directory, (), now=moment, expect=fingerprint)


def _statement(bundle: Evidence, parsed: Parsed, network: Network) -> Statement:
    if STATEMENT not in bundle.keys:
        raise Untrusted("the key to the statement is not in the bundle", code="no_statement_key")
    return read_statement(parsed, bundle.keys[STATEMENT], net=network.net, keyring=network.keyring)


def _of_its_day(network: Network, statement: Statement) -> bool:
    if statement.directory != network.version:
        raise Untrusted("the bundle holds another version of the directory", code="directory_version")
    if not network.created - SKEW <= statement.created < network.expires:
        raise Forged("sent when this directory was not in force", code="directory_time")
    return True


def _part(bundle: Evidence, parsed: Parsed, network: Network, number: int) -> JsonObject:
    body = decode_object(open_part(parsed, number, bundle.keys[number], net=network.net))
    sections = body.get("sections")
    if not isinstance(sections, dict):
        raise Malformed("a part without sections", code="part_form")
    return sections


def _receipts(
    checks: list[Check], bundle: Evidence, parsed: Parsed, statement: Statement, network: Network
) -> Mapping[str, tuple[Receipt, ...]]:
    """Every receipt by itself, then each signer's chain, then its way along the table of states."""
    found: dict[str, list[Receipt]] = {}
    for place, note in enumerate(bundle.receipts):
        what = f"receipt {place} is for this message"
        receipt = _try(checks, what, partial(_receipt, note, parsed, statement, network))
        if receipt is not None:
            found.setdefault(receipt.by, []).append(receipt)
    chains = {}
    for signer, receipts in found.items():
        chain = _try(checks, f"{signer} answered in one chain", partial(_chain, receipts))
        chains[signer] = chain or ()
    return chains


def _receipt(note: bytes, parsed: Parsed, statement: Statement, network: Network) -> Receipt:
    receipt = open_receipt(note, net=network.net, keyring=network.keyring)
    told = receipt.about
    if (told.env, told.stmt, told.mid) != (parsed.digest, statement.hash, statement.mid):
        raise Forged("a receipt for another message", code="receipt_about")
    if told.sender != statement.sender or not receipt.by.startswith(f"{parsed.to}/"):
        raise Forged("a receipt by somebody this message was not for", code="receipt_by")
    if receipt.at < statement.created - SKEW:
        raise Forged("a receipt dated before its message", code="receipt_date")
    return receipt


def _chain(receipts: Sequence[Receipt]) -> tuple[Receipt, ...]:
    """In the order of ``prev``, from the first; and a way that the table of states allows."""
    by_prev = {receipt.prev: receipt for receipt in receipts}
    if len(by_prev) != len(receipts):
        raise Forged("two receipts after one", code="receipt_fork")
    ordered, head = [], ZERO
    while head in by_prev:
        ordered.append(by_prev.pop(head))
        head = ordered[-1].hash
    if by_prev:
        raise Untrusted("a receipt whose predecessor is not in the bundle", code="receipt_gap")
    state = LegState.DELIVERED
    for receipt in ordered:
        state = advance_leg(state, receipt.state)
    return tuple(ordered)


def _blobs(value: Json) -> list[bytes]:
    if not isinstance(value, list):
        raise Malformed("a list is expected", code="evidence_form")
    return [unb64(str(item)) for item in value]


def _number(name: str) -> int:
    if not name.isascii() or not name.isdigit() or len(name) > 2 or str(int(name)) != name:  # noqa: PLR2004 - 64 parts
        raise Malformed("a part number does not have its form", code="evidence_form")
    return int(name)
