"""An evidence bundle, judged by the network's fingerprint alone (8)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .documents import View, body_of, open_network, take_apart
from .envelope import open_part, read_statement
from .joining import sections_of
from .receipts import SKEW, Receipt, chain, open_receipt
from .shapes import Envelope, split
from .text import Bad, closed, need, parse_object, sha256, unb64

FIELDS = {"v": int, "roots": list, "directory": str, "envelope": str, "keys": dict, "receipts": list}
NUMBER = re.compile(r"(?:0|[1-9][0-9]?)\Z")

NOT_KNOWN = {
    "unknown_key", "root_threshold", "root_threshold_old", "root_threshold_new", "directory_threshold",
    "root_version", "root_none", "no_statement_key", "directory_version", "receipt_gap", "version", "suite",
    "kind", "magic", "min_suite",
}  # fmt: skip
"""Somebody with more documents, or a later release, may be able to tell: no contradiction."""


def judge(data: bytes, fingerprint: str) -> str:
    found: list[str] = []
    try:
        _judge(data, fingerprint, found)
    except Bad as refused:
        found.append(_verdict(refused.code))
    return next((one for one in ("INVALID", "CANNOT_TELL") if one in found), "VALID")


def _verdict(code: str) -> str:
    return "CANNOT_TELL" if code in NOT_KNOWN else "INVALID"


def _try(found: list[str], work: Callable[[], Any]) -> Any:
    try:
        return work()
    except Bad as refused:
        found.append(_verdict(refused.code))
        return None


def _judge(data: bytes, fingerprint: str, found: list[str]) -> None:
    body = closed(parse_object(data), FIELDS)
    roots, listed = [unb64(one) for one in body["roots"]], unb64(body["directory"])
    raw, notes = unb64(body["envelope"]), [str(one).encode() for one in body["receipts"]]
    need(all(NUMBER.match(name) for name in body["keys"]), "evidence_form")
    keys = {int(name): unb64(key, 32) for name, key in body["keys"].items()}
    day = body_of(take_apart(listed)[0]).get("created", 0)
    directory = open_network(roots, listed, [], day, fingerprint).view(day)
    envelope = split(raw)
    need(0 in keys, "no_statement_key")
    note = read_statement(envelope, keys[0], directory)
    _try(found, lambda: _of_its_day(note.body, directory))
    for number in sorted(set(keys) - {0}):
        _try(found, lambda number=number: _part(envelope, number, keys[number], directory.net))
    by: dict[str, list[Receipt]] = {}
    for one in notes:
        receipt = _try(found, lambda one=one: _receipt(one, envelope, note.hash, note.body, directory))
        if receipt:
            by.setdefault(receipt.by, []).append(receipt)
    for receipts in by.values():
        _try(found, lambda receipts=receipts: chain(receipts))


def _of_its_day(statement: dict[str, Any], directory: View) -> None:
    listed = directory.directory
    need(statement["dir"] == listed.version, "directory_version")
    need(listed.created - SKEW <= statement["created"] < listed.expires, "directory_time")


def _part(envelope: Envelope, number: int, key: bytes, net: bytes) -> None:
    sections_of(open_part(envelope, number, key, net))


def _receipt(
    note: bytes, envelope: Envelope, stmt: bytes, statement: dict[str, Any], directory: View
) -> Receipt:
    receipt = open_receipt(note, directory)
    about = receipt.about
    said = (unb64(about["env"]), unb64(about["stmt"]), about["mid"])
    need(said == (sha256(envelope.raw), stmt, envelope.mid), "receipt_about")
    need(about["from"] == statement["from"] and receipt.by.startswith(f"{envelope.to}/"), "receipt_by")
    need(receipt.at >= statement["created"] - SKEW, "receipt_date")
    return receipt
