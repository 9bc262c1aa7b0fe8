"""One command's answer to the Commissioner: lines of the access log that prove themselves (s.62(5) DPA 2018).

Rules: the giving out is on record as a disclosure, with recipient and reference of the request, before the
file exists; it stands in the log after the lines that are given. Every line is proven to be what was
written, and a log that is not what was signed gives no file (``log_broken``): then a person must look.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from gateway.core.audit_bundle import CONTEXT, MAX_AUDIT_LINES, Bundle, Line, lines_hash
from gateway.core.encoding import JsonObject, b64, decode_object
from gateway.core.log import Checkpoint
from gateway.core.notes import sign_note
from gateway.errors import GatewayError, Malformed, NotAllowed
from gateway.flows import accounts, audit, logbook
from gateway.flows.audit import LOG, Wanted
from gateway.flows.node import Caller
from gateway.ports import AccessRow, Keys, Transaction

RECIPIENT: Final = "COMMISSIONER"
REFERENCE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,39}\Z")
"""The Commissioner's own reference of the request; a name has no place in it."""


class Exporter(logbook.Keeper, Protocol):
    """A running node, or a command beside it, with the keys of the node."""

    @property
    def keys(self) -> Keys: ...


async def export(node: Exporter, auditor: Caller, wanted: Wanted, *, use: str, reference: str) -> bytes:
    """The file. Raises NotAllowed for a use or reference without its form, or more than one file holds."""
    audit.check_use(use)
    if not REFERENCE.match(reference):
        raise NotAllowed(
            "the giving out is put on record with the reference of the request",
            code="audit_reference",
            field="reference",
            remedy="give the Commissioner's reference: 1 to 40 letters, digits, . _ / -",
        )
    found = await node.store.read(lambda tx: wanted.rows(tx, MAX_AUDIT_LINES + 1))
    if len(found) > MAX_AUDIT_LINES:
        raise NotAllowed(
            f"more than {MAX_AUDIT_LINES} lines", code="audit_lines", remedy="ask for a shorter time"
        )
    rows = [row for _, row in found]
    await node.store.write(lambda tx: _account(tx, node, auditor, wanted, use, reference, len(rows)))
    signed = await logbook.checkpoint(node)
    lines = await node.store.read(lambda tx: _lines(tx, node, rows, signed))
    roots, directory = await node.store.read(_documents)
    note = sign_note(
        CONTEXT,
        _said(node, auditor, wanted, reference, lines),
        [node.keys.signer(f"{node.area}/node")],
    )
    return Bundle(note, signed.note, roots, directory, lines).pack()


def _account(
    tx: Transaction, node: Exporter, auditor: Caller, wanted: Wanted, use: str, reference: str, lines: int
) -> None:
    row = AccessRow(
        at=node.clock.now(),
        operation="DISCLOSURE",
        principal=auditor.principal,
        actor=auditor.actor,
        role=auditor.role,
        ref=wanted.ref,
        version=0,
        leg="",
        sections=(LOG, *wanted.told(), f"reference={reference}", f"lines={lines}"),
        recipients=(RECIPIENT,),
        justification=use,
    )
    accounts.record(tx, row)


def _lines(tx: Transaction, node: Exporter, rows: Sequence[AccessRow], signed: Checkpoint) -> Sequence[Line]:
    places = _places(tx, {row.id for row in rows})
    lines = [_line(tx, node, row, places.get(row.id, -1), signed) for row in rows]
    return sorted(lines, key=lambda line: line.index)


def _line(tx: Transaction, node: Exporter, row: AccessRow, index: int, signed: Checkpoint) -> Line:
    if index < 0:
        raise _altered()
    proven = logbook.prove_one(tx, signed, index)
    made = Line(accounts.fields_of(row), row.salt, accounts.words(node.keys, row), index, proven.proof)
    if made.leaf != proven.leaf:
        raise _altered()
    return made


def _places(tx: Transaction, wanted: set[str]) -> Mapping[str, int]:
    """Where the leaves about these rows stand. Reads the log from its beginning: asked once a year."""
    found: dict[str, int] = {}
    start = 0
    while wanted - found.keys() and (page := tx.log(start, accounts.PAGE)):
        start = page[-1][0] + 1
        for index, leaf in page:
            if (name := _about(leaf)) in wanted:
                found[name] = index
    return found


def _about(leaf: bytes) -> str:
    try:
        body = decode_object(leaf)
    except Malformed:
        return ""
    return str(body.get("id")) if body.get("t") == accounts.LEAF else ""


def _documents(tx: Transaction) -> tuple[Sequence[bytes], bytes]:
    return [row.note for row in tx.trust("root")], tx.trust("directory")[-1].note


def _said(
    node: Exporter, auditor: Caller, wanted: Wanted, reference: str, lines: Sequence[Line]
) -> JsonObject:
    return {
        "v": 1,
        "area": node.area,
        "at": node.clock.now(),
        "from": wanted.since,
        "to": wanted.until if wanted.until != audit.END else node.clock.now() + 1,
        "handover": wanted.ref,
        "principal": wanted.principal,
        "to_whom": RECIPIENT,
        "reference": reference,
        "by": auditor.actor,
        "role": auditor.role,
        "lines": len(lines),
        "hash": b64(lines_hash(lines)),
    }


def _altered() -> GatewayError:
    return GatewayError(
        "a line of the access log is not what was put on record",
        code="log_broken",
        remedy="`gateway audit verify` names what was altered; keep the database as evidence",
    )
