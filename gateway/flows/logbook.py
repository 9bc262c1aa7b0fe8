"""The node's log, as it is shown: the signed checkpoint, and proofs that anybody can check offline.

It decides when a checkpoint may be signed; the arithmetic is in :mod:`gateway.core.merkle`. Rules (protocol
8):

- Never two histories. Before it signs, the node proves to itself, from its own stored hashes, that the tree
  continues the one that it signed last. Where it does not, it refuses: the database was changed or an older
  one put in its place, and a signature would make the node itself the author of the fork.
- What was signed is stored before it is shown. Of two processes that sign at once one is kept, and both show
  that one; so what was shown never shrinks, whatever crashes in between.
- At most one a second. Proofs are made for the checkpoint last signed, or for a smaller tree.

Example::

    signed = await checkpoint(node)
    found = await prove(node, signed, await places_of(node, mid=mid))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from gateway.core.encoding import b64, decode_object
from gateway.core.log import Checkpoint, log_keyring, make_checkpoint, open_checkpoint, origin
from gateway.core.merkle import (
    Head,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    peaks,
    verify_consistency,
    verify_inclusion,
)
from gateway.core.notes import Signer
from gateway.core.trust import Network
from gateway.errors import Forged, GatewayError, Malformed, Misconfigured, NotFound, Refused
from gateway.ports import CheckpointRow, Clock, Store, Transaction

log = structlog.get_logger("logbook")

MAX_LEAVES = 1_000
"""Leaves in one answer: some 300 KB."""


class LogKeys(Protocol):
    """The one key that is asked for here, and only when something is to be signed."""

    def log_signer(self, area: str) -> Signer: ...


class Keeper(Protocol):
    """Whoever keeps a log: a running node (``flows.node.Node``), or a command beside it."""

    @property
    def area(self) -> str: ...
    @property
    def network(self) -> Network: ...
    @property
    def store(self) -> Store: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def keys(self) -> LogKeys: ...


@dataclass(frozen=True, slots=True)
class Proven:
    """One leaf with the proof that it is in the tree of a checkpoint."""

    index: int
    leaf: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class _Seen:
    """One moment of the log: its tree, what was signed last, and that the one continues the other."""

    head: Head
    last: CheckpointRow | None


async def checkpoint(keeper: Keeper) -> Checkpoint:
    """The newest checkpoint; signed now when leaves were added and a second has passed.

    Raises GatewayError ``log_shrunk``, ``log_forked`` or ``log_broken``: nothing is signed, and a person must
    look. Misconfigured when this node does not hold the log key that the directory has for it.
    """
    name = origin(keeper.network.net, keeper.area)
    seen = await keeper.store.read(lambda tx: _look(tx, name))
    now = keeper.clock.now()
    if seen.last is not None and (seen.last.size == seen.head.size or now == seen.last.at):
        return _shown(keeper, seen.last)
    made = _sign(keeper, seen.head)
    row = CheckpointRow(name, made.size, made.root, now, made.note)
    after = seen.last.size if seen.last else None
    return _shown(keeper, await keeper.store.write(lambda tx: _keep(tx, row, after)))


def _look(tx: Transaction, name: str) -> _Seen:
    size = tx.log_size()
    try:
        head = Head(size, tx.log_nodes(peaks(size)))
        last = tx.checkpoint(name)
        if last is not None:
            _check_continues(tx, last, head)
    except GatewayError as error:
        log.critical("the log is not what was signed", code=error.code)
        raise
    return _Seen(head, last)


def _check_continues(tx: Transaction, last: CheckpointRow, head: Head) -> None:
    if head.size < last.size:
        raise _alarm("the log has fewer leaves than this node has signed for", "log_shrunk")
    try:
        if last.size:  # every tree continues one without leaves
            proof = consistency_proof(last.size, head.size, tx.log_nodes)
            verify_consistency(last.size, last.root, head.size, head.root, proof)
    except Forged:
        raise _alarm("the log is another one than this node has signed for", "log_forked") from None


def _alarm(message: str, code: str) -> GatewayError:
    return GatewayError(
        message,
        code=code,
        remedy="keep the database as evidence and tell the peers: docs/operations.md, under Log",
    )


def _sign(keeper: Keeper, head: Head) -> Checkpoint:
    """Raises Misconfigured rather than sign what no peer could verify."""
    signer = keeper.keys.log_signer(keeper.area)
    if signer.public != keeper.network.node(keeper.area).log:
        raise Misconfigured(
            "the log key in the key store is not the one that the directory has",
            code="log_key",
            remedy="restore the log key from its backup, or publish the new one in the directory",
        )
    return make_checkpoint(signer, net=keeper.network.net, area=keeper.area, size=head.size, root=head.root)


def _keep(tx: Transaction, row: CheckpointRow, after: int | None) -> CheckpointRow:
    """The row that stands: ours, or that of another process which was quicker."""
    if tx.put_checkpoint(row, after=after):
        return row
    other = tx.checkpoint(row.origin)
    if other is None:
        raise _alarm("the checkpoint signed last has gone", "log_broken")
    return other


def _shown(keeper: Keeper, row: CheckpointRow) -> Checkpoint:
    """The stored note, verified again: the database is no root of trust. Raises GatewayError."""
    return opened(keeper, row.note)


def opened(keeper: Keeper, note: bytes) -> Checkpoint:
    """A checkpoint of this log, verified under the key that the directory has. Raises Misconfigured."""
    try:
        return open_checkpoint(note, origin(keeper.network.net, keeper.area), log_keyring(keeper.network))
    except Refused as error:
        log.critical("the stored checkpoint does not verify", code=error.code)
        raise Misconfigured(
            "the stored checkpoint does not verify under the log key that the directory has",
            code="log_key",
            remedy="was the log key replaced or revoked? `gateway directory show` lists the one in use",
        ) from None


# --- proofs -----------------------------------------------------------------------------------------


async def prove(keeper: Keeper, signed: Checkpoint, indexes: Sequence[int]) -> Sequence[Proven]:
    """The leaves at these places, each with its proof. Raises NotFound for one that the checkpoint has not.

    A leaf that does not verify under its own tree was changed in the database: GatewayError ``log_broken``.
    """
    return await keeper.store.read(lambda tx: [prove_one(tx, signed, index) for index in indexes])


def prove_one(tx: Transaction, signed: Checkpoint, index: int) -> Proven:
    """See :func:`prove`."""
    if not 0 <= index < signed.size:
        raise NotFound(
            "the log has no such leaf yet",
            code="no_leaf",
            field="index",
            remedy="leaves are counted from 0; a new one is in the next checkpoint, a second later",
        )
    found = tx.log(index, 1)
    if not found or found[0][0] != index:
        raise _alarm("a leaf of the log has gone", "log_broken")
    leaf = found[0][1]
    proof = inclusion_proof(index, signed.size, tx.log_nodes)
    try:
        verify_inclusion(leaf_hash(leaf), index, signed.size, proof, signed.root)
    except Forged:
        log.critical("a leaf of the log was changed", index=index)
        raise _alarm("a leaf of the log is not what it was", "log_broken") from None
    return Proven(index, leaf, proof)


async def consistency(keeper: Keeper, first: int, second: int) -> tuple[bytes, ...]:
    """That the tree of ``second`` leaves continues the one of ``first``. Raises NotFound, Malformed."""

    def work(tx: Transaction) -> tuple[bytes, ...]:
        last = tx.checkpoint(origin(keeper.network.net, keeper.area))
        if last is None or second > last.size:
            raise NotFound(
                "the log has not signed for as many leaves yet",
                code="no_leaf",
                field="second",
                remedy="ask for the size of a checkpoint",
            )
        return consistency_proof(first, second, tx.log_nodes)

    return await keeper.store.read(work)


async def places_of(keeper: Keeper, *, mid: str = "", receipt: bytes = b"") -> Sequence[int]:
    """Where the leaves about a message stand, or those of one receipt (its hash). Raises NotFound."""
    found = await keeper.store.read(lambda tx: find_places(tx, mid=mid, receipt=receipt))
    if not found:
        raise NotFound(
            "the log has no leaf about it",
            code="no_leaf",
            remedy="a message id has 32 hex digits; a receipt is found by the hash of its signed text",
        )
    return found


def find_places(tx: Transaction, *, mid: str = "", receipt: bytes = b"") -> Sequence[int]:
    """See :func:`places_of`; none when there are none."""
    if receipt:
        row = tx.receipt(receipt)
        wanted, name = ("receipt", b64(receipt)), row.mid if row else ""
    else:
        wanted, name = ("mid", mid), mid
    return [index for index, leaf in tx.log_of(name) if _says(leaf, *wanted)]


def _says(leaf: bytes, field: str, value: str) -> bool:
    try:
        return decode_object(leaf).get(field) == value
    except Malformed:
        return False


async def leaves(keeper: Keeper, start: int, limit: int) -> Sequence[tuple[int, bytes]]:
    """(index, leaf), from ``start``; at most :data:`MAX_LEAVES`."""
    return await keeper.store.read(lambda tx: tx.log(start, min(limit, MAX_LEAVES)))
