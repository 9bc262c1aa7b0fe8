"""The s.62 access log (DPA 2018: who, when, why), bound to the tree so that it cannot be changed unseen.

The rows are private: they name acting persons and hold what those wrote. Each enters the log as a hash over
32 random bytes and the row, so the public leaf says that somebody looked at something at that time and no
more: without the salt, which stands in the private row, nobody can try out who it was.

Rules: every access is put on record here and nowhere else, row and leaf in one transaction. Whoever checks
reads every leaf again and holds them against the checkpoint that the log key signed: with the database alone
neither row nor leaf can be changed to fit the other.

Example::

    record(tx, access(caller, leg, "DISCLOSURE", justification, now))
    found = await check(keeper)                 # found.altered, found.removed, found.added: ids
"""

from __future__ import annotations

import secrets as entropy
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from typing import Final

from uuid_utils import uuid7

from gateway.core.encoding import Json, JsonObject, b64, decode_object, encode
from gateway.core.log import Checkpoint
from gateway.core.merkle import Head, leaf_hash
from gateway.errors import GatewayError, Malformed
from gateway.flows import logbook
from gateway.flows.logbook import Keeper
from gateway.flows.node import log_leaf
from gateway.ports import AccessRow, Transaction

LEAF: Final = "access"
SALT: Final = 32  # bytes
PAGE: Final = 1_000  # rows and leaves in memory at once


@dataclass(frozen=True, slots=True)
class Checked:
    """What the tree says of the access log. ``older``: rows of releases before there were leaves for them; no
    leaf speaks for or against these. The others are ids of rows, ``removed`` of those that are gone."""

    rows: int
    older: int
    altered: tuple[str, ...]
    removed: tuple[str, ...]
    added: tuple[str, ...]

    @property
    def good(self) -> bool:
        return not (self.altered or self.removed or self.added)


@dataclass(slots=True)
class _Leaves:
    """The leaves about accesses by the id of their row, and since when there are any."""

    hashes: dict[str, str] = field(default_factory=dict)
    since: int | None = None


def record(tx: Transaction, row: AccessRow) -> None:
    """Put one access on record, in the table and in the tree."""
    salted = replace(row, id=row.id or uuid7().hex, salt=entropy.token_bytes(SALT))
    tx.put_access(salted)
    log_leaf(tx, LEAF, salted.at, id=salted.id, h=digest(salted))


def digest(row: AccessRow) -> str:
    """base64 of SHA-256(salt || canonical JSON of every other field)."""
    fields: JsonObject = {name: _json(value) for name, value in asdict(row).items() if name != "salt"}
    return b64(sha256(row.salt + encode(fields)).digest())


def _json(value: Json | tuple[str, ...]) -> Json:
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
    altered, added, older, rows, after = [], [], 0, 0, 0
    missing = dict(leaves.hashes)
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
    return Checked(rows, older, tuple(altered), tuple(missing), tuple(added))


def _is_older(row: AccessRow, leaves: _Leaves) -> bool:
    """Only a row without a salt, and from before the first leaf: later ones all have theirs."""
    return not row.salt and row.id not in leaves.hashes and (leaves.since is None or row.at <= leaves.since)


def _broken() -> GatewayError:
    return GatewayError(
        "the leaves of the log are not those that were signed, so they prove nothing about the access log",
        code="log_broken",
        remedy="keep the database as evidence and tell the peers: docs/operations.md, under Log",
    )
