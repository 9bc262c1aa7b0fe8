"""What third logs have shown to others: told to peers, compared, and joined to what they have shown to us.

A borough that shows one history to Bexley and another to Camden is found when these two compare. Checkpoints
of one size compare by themselves (:mod:`gateway.flows.forks`); a careful liar shows sizes that never meet. So
what a peer was shown is kept as *loose* until the log itself proves that it belongs to what it has shown us:
we ask it for that proof, and one that cannot give it has told two stories.

Rules: a few checkpoints at a time, every ten minutes, and one loose one for each log and peer, the oldest:
what was asked about stays on the table. A proof that does not hold alarms at once; one that does not come,
a day after the log has seen the question. Both are our own word, so nobody else is told: whoever doubts it
asks the log itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import structlog

from gateway.core.encoding import Json, JsonObject, fields, integer, unb64
from gateway.core.log import Checkpoint, log_keyring, open_checkpoint, origin, peek_origin
from gateway.core.merkle import HASH, verify_consistency
from gateway.errors import Malformed, Refused
from gateway.flows import forks
from gateway.flows.alarms import exhibits, sound
from gateway.flows.control import Came
from gateway.flows.node import Node
from gateway.ports import CheckpointRow, LooseRow, StreamRow, Transaction

EVERY: Final = 600
"""Seconds between two rounds to one peer."""

MOST: Final = 4
"""Checkpoints of others in one message, and sizes that a proof is asked from."""

PATIENCE: Final = 86_400
"""Seconds that a log has to join two of its checkpoints, once it has seen that it is asked to."""

MAX_PROOF: Final = 64
"""Hashes: no tree of fewer than 2^64 leaves has a longer one."""

log = structlog.get_logger("witness")


def others(tx: Transaction, node: Node, peer: str, now: int) -> list[Json]:
    """Newest checkpoints that we cosigned of logs other than the peer's and ours, in turn."""
    areas = sorted(node.network.areas.keys() - {node.area, peer})
    start = now // EVERY * MOST % max(len(areas), 1)
    found: list[Json] = []
    for area in areas[start:] + areas[:start]:
        row = tx.checkpoint(origin(node.network.net, area))
        if row is not None and len(found) < MOST:
            found.append(row.note.decode())
    return found


def compare(tx: Transaction, node: Node, came: Came, notes: Sequence[Json]) -> None:
    """What a peer was shown by others. Each stands by itself. Raises Malformed for too many."""
    if len(notes) > MOST:
        raise Malformed("too many checkpoints of others at once", code="field_value", field="/others")
    for note in notes:
        try:
            _compare(tx, node, came, str(note).encode(errors="surrogatepass"))
        except Refused as error:
            log.warning("a checkpoint of another log was refused", peer=came.peer, code=error.code)


def _compare(tx: Transaction, node: Node, came: Came, note: bytes) -> None:
    name = peek_origin(note)
    shown = open_checkpoint(note, name, log_keyring(node.network))
    if forks.area_of_log(name) in {node.area, came.peer} or forks.clash(tx, node, shown, now=came.now):
        return  # these two speak for themselves
    row = LooseRow(name, came.peer, shown.size, shown.root, shown.note, came.now)
    waiting = {one.via for one in tx.loose(name)}
    if shown.size and came.peer not in waiting and not _is_known(tx, shown):
        tx.put_loose(row)


def _is_known(tx: Transaction, shown: Checkpoint) -> bool:
    """We have cosigned this very checkpoint, or the log has joined it to one that we have."""
    return any(row.root == shown.root for row in tx.cosignatures(shown.origin, size=shown.size))


def wanted(tx: Transaction, node: Node, peer: str, place: StreamRow | None, now: int) -> list[Json]:
    """Sizes from which the peer is asked to prove that its newest follows; remembers when it was asked."""
    name = origin(node.network.net, peer)
    newest = tx.checkpoint(name)
    rows = [row for row in tx.loose(name) if newest and row.size < newest.size][:MOST]
    for row in rows:
        if not row.asked and place:
            tx.put_loose(replace(row, asked=now, stream=place.stream, seq=place.seq + 1))
    return [*sorted({row.size for row in rows})]


def join(tx: Transaction, came: Came, newest: CheckpointRow, proofs: Mapping[int, Json]) -> None:
    """Settle what is loose of the peer's log with its newest checkpoint and the proofs that came with it."""
    for row in tx.loose(newest.origin):
        if row.size == newest.size:  # another root would have clashed
            tx.drop_loose(row.origin, row.via)
        elif row.size < newest.size and row.size in proofs:
            _settle(tx, came, newest, row, proofs[row.size])


def remind(tx: Transaction, node: Node, came: Came) -> None:
    """Alarm what the peer's log was asked a day ago, has seen, and has not joined."""
    newest = tx.checkpoint(origin(node.network.net, came.peer))
    for row in tx.loose(newest.origin) if newest else ():
        if newest and _overdue(row, came):
            _alarm(tx, came, newest, row)


def _settle(tx: Transaction, came: Came, newest: CheckpointRow, row: LooseRow, proof: Json) -> None:
    try:
        verify_consistency(row.size, row.root, newest.size, newest.root, hashes(proof))
    except Refused:
        _alarm(tx, came, newest, row)
    else:
        tx.drop_loose(row.origin, row.via)


def _overdue(row: LooseRow, came: Came) -> bool:
    seen = came.statement.seen
    has_seen = seen.stream == row.stream and seen.seq >= row.seq
    return bool(row.asked) and has_seen and came.now - row.asked > PATIENCE


def _alarm(tx: Transaction, came: Came, newest: CheckpointRow, row: LooseRow) -> None:
    both = exhibits(row.note, newest.note)
    sound(tx, "log_split", peer=came.peer, at=came.now, subject=f"{row.size} by {row.via}", evidence=both)


def proofs_of(value: Json) -> Mapping[int, Json]:
    """Size -> proof, of what a peer answered. Raises Malformed."""
    if not isinstance(value, list) or len(value) > MOST:
        raise Malformed("too many proofs at once", code="field_value", field="/proofs")
    found = [fields(one, {"size": int, "proof": list}) for one in value]
    return {integer(one, "size", low=1): one["proof"] for one in found}


def hashes(proof: Json) -> Sequence[bytes]:
    """Raises Malformed, before anything is decoded for a proof longer than any tree's."""
    if not isinstance(proof, list) or len(proof) > MAX_PROOF:
        raise Malformed("a proof of another length than any tree asks for", code="log_proof", field="/proof")
    return [unb64(str(one), HASH) for one in proof]


def sizes_of(value: Json) -> tuple[int, ...]:
    """Raises Malformed."""
    if not isinstance(value, list) or len(value) > MOST:
        raise Malformed("too many sizes at once", code="field_value", field="/wanted")
    listed: JsonObject = {str(place): size for place, size in enumerate(value)}
    return tuple(integer(listed, place, low=1) for place in listed)
