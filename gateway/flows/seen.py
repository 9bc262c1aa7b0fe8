"""In: a peer that has seen more of our stream than we remember having sent tells us that we were restored."""

from __future__ import annotations

from gateway.flows import restart
from gateway.flows.alarms import exhibits, sound
from gateway.flows.node import Node
from gateway.flows.opening import Opened
from gateway.ports import Transaction


def heed(tx: Transaction, node: Node, opened: Opened, now: int) -> None:
    """A peer that has seen more of our stream than we remember having sent: we were restored from a backup.

    ``node.used`` spares the look at our end of the stream: what was used once stays used while we run.
    """
    peer, seen = opened.peer, opened.statement.seen
    stream, seq = node.used.get(peer, ("", 0))
    if not seen.stream or (seen.stream == stream and seen.seq <= seq):
        return
    mine = tx.stream(peer, outgoing=True, lock=False)
    if mine is not None and mine.stream == seen.stream and seen.seq <= mine.seq:
        node.used[peer] = (mine.stream, mine.seq)
        return
    if not restart.has_ended(tx, peer, seen.stream):
        _restored(tx, opened, now)


def _restored(tx: Transaction, opened: Opened, now: int) -> None:
    """A new stream to that peer always. To the others too the first time, for their numbers are used up as
    well; not again while nobody has looked, for a peer's word alone proves nothing about them."""
    peer, seen = opened.peer, opened.statement.seen
    known = bool(tx.standing_alarms("restored", limit=1))
    proof = exhibits(opened.statement.note)
    sound(tx, "restored", peer=peer, at=now, subject=f"{seen.stream} {seen.seq}", evidence=proof)
    restart.begin(tx, peer, now, seen=seen.stream)
    if not known:
        for row in tx.streams(outgoing=True):
            if row.peer != peer:
                restart.begin(tx, row.peer, now)
