"""A log with two histories: found, proven, told to everybody once.

Two checkpoints of one size with two roots, both signed by the log's own key, prove a fork to anybody, for
ever, without believing whoever shows them. So both notes are kept as evidence and told to all peers, who
verify them themselves and tell on. Nothing else is told on: that a proof was missing or did not hold is the
word of one node, and only that node's people are alarmed (:mod:`gateway.flows.witness`).

Rules: once a log key, whoever finds it and however often, so that a bad key cannot make boroughs write to
each other without end. A key that has forked is cosigned no more; a new key in the directory mends it.
"""

from __future__ import annotations

from typing import Final

import structlog

from gateway.core.encoding import Json, fields
from gateway.core.log import Checkpoint, compose, peek_origin
from gateway.core.trust import Network
from gateway.core.witness import Fork, prove_fork
from gateway.flows.alarms import exhibits, sound
from gateway.flows.control import Came, tell
from gateway.flows.node import Node
from gateway.ports import Transaction

SECTION: Final = "fork"

log = structlog.get_logger("witness")


def hear(tx: Transaction, node: Node, came: Came, value: Json) -> None:
    """A peer's proof that some log has forked. Raises Refused for what proves nothing."""
    said = fields(value, {"a": str, "b": str})
    a, b = (str(said[name]).encode(errors="surrogatepass") for name in ("a", "b"))
    proven(tx, node, prove_fork(a, b, peek_origin(a), node.network), now=came.now, teller=came.peer)


def clash(tx: Transaction, node: Node, new: Checkpoint, *, now: int) -> bool:
    """Hold a verified checkpoint against every other of its size that we know of. True when it is a fork."""
    for size, root, note in _known(tx, new):
        if size == new.size and root != new.root:
            proven(tx, node, prove_fork(note, new.note, new.origin, node.network), now=now)
            return True
    return False


def _known(tx: Transaction, new: Checkpoint) -> list[tuple[int, bytes, bytes]]:
    """(size, root, note signed by the log): its newest, that of this size which we know, what peers saw."""
    newest = tx.checkpoint(new.origin)
    found = [(newest.size, newest.root, newest.note)] if newest else []
    own = [row for row in tx.cosignatures(new.origin, size=new.size) if row.by == area_of_log(new.origin)]
    found += [(r.size, r.root, compose(r.origin, r.size, r.root, [r.line.decode()])) for r in own]
    return found + [(row.size, row.root, row.note) for row in tx.loose(new.origin)]


def proven(tx: Transaction, node: Node, fork: Fork, *, now: int, teller: str = "") -> None:
    """Alarm, keep and tell on, once for the key that signed both."""
    name, area = fork.a.origin, area_of_log(fork.a.origin)
    first, second = sorted((fork.a, fork.b), key=lambda one: one.root)
    notes: dict[str, Json] = {"a": first.note.decode(), "b": second.note.decode()}
    if not tx.put_setting(_name(node.network, name), b"%d" % now):
        return
    log.critical("a log has two histories", area=area, code="log_fork", size=first.size)
    sound(tx, "log_fork", peer=area, at=now, subject=name, evidence=exhibits(first.note, second.note))
    for peer in sorted(node.network.areas.keys() - {node.area, teller}):
        tell(tx, node, peer, {SECTION: notes}, now)


def is_forked(tx: Transaction, network: Network, name: str) -> bool:
    """Whether the key that the directory has for this log now has signed two histories."""
    return tx.setting(_name(network, name)) is not None


def area_of_log(name: str) -> str:
    return name.rpartition("/")[2]


def _name(network: Network, name: str) -> str:
    key = network.node(area_of_log(name)).log or b""
    return f"fork {name} {key.hex()}"
