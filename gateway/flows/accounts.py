"""The s.62 access log (DPA 2018: who, when, why), bound to the tree so that it cannot be changed unseen.

The rows are private: they name acting persons. What such a person wrote in words is sealed under a secret of
the key store, so that no table holds free text. Each row enters the log as a hash over 32 random bytes and
the row, so the public leaf says that somebody looked at something at that time and no more: without the
salt, which stands in the private row, nobody can try out who it was.

Rules: every access is put on record here and nowhere else, row and leaf in one transaction. Whoever checks
reads every leaf again and holds them against the checkpoint that the log key signed: with the database alone
neither row nor leaf can be changed to fit the other. Who may read the log is :mod:`gateway.flows.audit`'s.

Example::

    record(tx, noted(node.keys, access(caller, leg, "DISCLOSURE", justification, now), text))
    found = await check(keeper)                 # found.altered, found.removed, found.added: ids
"""

from __future__ import annotations

import secrets as entropy
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Final, Protocol

from uuid_utils import uuid7

from gateway.core import shred
from gateway.core.audit_bundle import row_hash
from gateway.core.encoding import Json, JsonObject, b64, decode_object
from gateway.core.log import Checkpoint
from gateway.core.merkle import Head, leaf_hash
from gateway.errors import GatewayError, Malformed
from gateway.flows import logbook
from gateway.flows.logbook import Keeper
from gateway.flows.node import Caller, log_leaf
from gateway.ports import AccessRow, LegRow, Transaction

LEAF: Final = "access"
WORDS: Final = "access-words"
"""The secret of the key store over what acting persons wrote."""

LATER: Final = ("purpose", "sealed")
"""Columns that rows of older releases did not have; empty they are left out of the hash, which then is what
it was."""

HASHED: Final = tuple(column.name for column in fields(AccessRow) if column.name != "salt")

SALT: Final = 32  # bytes
TURN: Final = 60
"""Seconds within which two processes of a node may put rows and leaves in different order."""

PAGE: Final = 1_000  # rows and leaves in memory at once


class Secret(Protocol):
    """As much of ``ports.Keys`` as words need."""

    def secret(self, name: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Checked:
    """What the tree says of the access log. ``older``: rows of releases before there were leaves for them; no
    leaf speaks for or against these. The others are ids of rows: ``removed`` of those that are gone,
    ``reordered`` of those that stand after one which the log has over a minute later."""

    rows: int
    older: int
    altered: tuple[str, ...]
    removed: tuple[str, ...]
    added: tuple[str, ...]
    reordered: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        return not (self.altered or self.removed or self.added or self.reordered)


@dataclass(slots=True)
class _Leaves:
    """The leaves about accesses by the id of their row, and since when there are any."""

    hashes: dict[str, str] = field(default_factory=dict)
    since: int | None = None


def access(
    caller: Caller,
    leg: LegRow,
    operation: str,
    justification: str,
    now: int,
    *,
    sections: Sequence[str] = (),
    purpose: str = "",
) -> AccessRow:
    """The row of one access by ``caller`` to what came with ``leg``, to be put on record."""
    return AccessRow(
        at=now,
        operation=operation,
        principal=caller.principal,
        actor=caller.actor,
        role=caller.role,
        ref=leg.ref,
        version=leg.version,
        leg=leg.id,
        sections=tuple(sections),
        recipients=(caller.principal,),
        justification=justification,
        purpose=purpose,
    )


def noted(keys: Secret, row: AccessRow, text: str) -> AccessRow:
    """The row with the words of the person who acts, sealed for the auditor's role."""
    if not text:
        return row
    named = replace(row, id=row.id or uuid7().hex)
    return replace(named, sealed=shred.wrap(keys.secret(WORDS), text.encode(), context=_context(named)))


def words(keys: Secret, row: AccessRow) -> str:
    """PLAINTEXT of what the acting person wrote, "" for nothing. Raises Forged for a row of another id."""
    if not row.sealed:
        return row.note
    return shred.unwrap(keys.secret(WORDS), row.sealed, context=_context(row)).decode()


def _context(row: AccessRow) -> str:
    return f"bx/1/access/{row.id}"


def record(tx: Transaction, row: AccessRow) -> None:
    """Put one access on record, in the table and in the tree."""
    if row.note:
        raise ValueError("free text is sealed before it is put on record: see `noted`")
    salted = replace(row, id=row.id or uuid7().hex, salt=entropy.token_bytes(SALT))
    tx.put_access(salted)
    log_leaf(tx, LEAF, salted.at, id=salted.id, h=digest(salted))


def digest(row: AccessRow) -> str:
    """base64 of SHA-256(salt || canonical JSON of every other field): see `audit_bundle.row_hash`."""
    return b64(row_hash(fields_of(row), row.salt))


def fields_of(row: AccessRow) -> JsonObject:
    """The row without its salt, as it is hashed."""
    return {name: _json(getattr(row, name)) for name in HASHED}


def _json(value: Json | bytes | tuple[str, ...]) -> Json:
    if isinstance(value, bytes):
        return b64(value)
    return list(value) if isinstance(value, tuple) else value


async def check(keeper: Keeper) -> Checked:
    """Recompute every row against the tree, and the tree against its newest checkpoint.

    Raises GatewayError ``log_broken`` when the leaves are not those that were signed: then they prove nothing
    about the rows, and what `logbook.checkpoint` raises.
    """
    signed = await logbook.checkpoint(keeper)
    return await keeper.store.read(lambda tx: _compare(tx, _leaves(tx, signed)))


def _leaves(tx: Transaction, signed: Checkpoint) -> _Leaves:
    found, head = _Leaves(), Head()
    while page := tx.log(head.size, PAGE):
        for _, leaf in page:
            _note(found, leaf)
            head.append(leaf_hash(leaf))
            if head.size == signed.size and head.root != signed.root:
                raise _broken()
    if head.size < signed.size:
        raise _broken()
    return found


def _note(found: _Leaves, leaf: bytes) -> None:
    try:
        body = decode_object(leaf)
    except Malformed:
        return
    if body.get("t") == LEAF:
        found.hashes[str(body.get("id"))] = str(body.get("h"))
        at = body.get("at")
        found.since = found.since if found.since is not None or not isinstance(at, int) else at


def _compare(tx: Transaction, leaves: _Leaves) -> Checked:
    altered, added, moved, older, rows, after = [], [], [], 0, 0, 0
    missing = dict(leaves.hashes)
    places = {name: place for place, name in enumerate(leaves.hashes)}
    last, when = -1, 0
    while page := tx.access_rows(after, PAGE):
        after = page[-1][0]
        for _, row in page:
            rows += 1
            expected = missing.pop(row.id, None)
            if expected is None and _is_older(row, leaves):
                older += 1
            elif expected is None:
                added.append(row.id)
            elif expected != digest(row):
                altered.append(row.id)
            elif places[row.id] < last and when - row.at > TURN:
                moved.append(row.id)
            else:
                last, when = max((last, when), (places[row.id], row.at))
    return Checked(rows, older, tuple(altered), tuple(missing), tuple(added), tuple(moved))


def _is_older(row: AccessRow, leaves: _Leaves) -> bool:
    """Only a row without a salt, and from before the first leaf: later ones all have theirs."""
    return not row.salt and row.id not in leaves.hashes and (leaves.since is None or row.at <= leaves.since)


def _broken() -> GatewayError:
    return GatewayError(
        "the leaves of the log are not those that were signed, so they prove nothing about the access log",
        code="log_broken",
        remedy="keep the database as evidence and tell the peers: docs/operations.md, under Log",
    )
