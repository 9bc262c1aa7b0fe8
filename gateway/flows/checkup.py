"""A test message both ways: what ``gateway doctor`` sends through the running node (protocol 4.5).

Sections ``ping`` and ``pong`` of control envelopes, each ``{"nonce": 32 hex digits}``. Duty: queue a ping in
the node's own outbox, answer a peer's, remember that ours was answered. It leaves out every other check
(:mod:`gateway.cli.doctor`), and publishing: that the RUNNING node takes the row is part of what is tried.

Rules: both are published once and never again; one peer is answered at most once a second; a pong that nobody
asked this peer for is refused.
"""

from __future__ import annotations

import secrets as entropy
from dataclasses import dataclass
from typing import Final

from gateway.core.encoding import HEX_ID, Json, fields, text
from gateway.core.envelope import Kind
from gateway.errors import Forged
from gateway.flows import outgoing
from gateway.flows.control import Came, tell
from gateway.flows.node import Node
from gateway.flows.vault import write_sections
from gateway.ports import Lane, Outbound, Transaction

PING: Final = "ping"
PONG: Final = "pong"


@dataclass(frozen=True, slots=True)
class Ping:
    peer: str
    nonce: str
    mid: str


def ask(tx: Transaction, node: Node, peer: str, now: int) -> Ping:
    """Queue a ping. Raises what :func:`gateway.flows.outgoing.seal` raises: no valid key, not sendable."""
    nonce = entropy.token_hex(16)
    sending = outgoing.seal(
        node,
        kind=Kind.CONTROL,
        to=peer,
        lane=Lane.RECEIPTS,
        priority=0,
        readers={},
        contents=[write_sections({PING: {"nonce": nonce}})],
        now=now,
    )
    tx.put_setting(_asked(nonce), peer.encode())
    return Ping(peer, nonce, outgoing.store(tx, node, sending, now, once=True).mid)


def outcome(tx: Transaction, ping: Ping) -> str:
    """ "answered", "published" (on its way), or "waiting": nobody has taken it to the broker yet."""
    if tx.setting(_answered(ping.nonce)) is not None:
        return "answered"
    row = tx.outbox_of(ping.mid)
    return "published" if row is not None and row.state is Outbound.SETTLED else "waiting"


def hear_ping(tx: Transaction, node: Node, came: Came, value: Json) -> None:
    last = node.told.get(f"pong {came.peer}")
    if last is not None and last == came.now:
        return
    node.told[f"pong {came.peer}"] = came.now
    tell(tx, node, came.peer, {PONG: {"nonce": _nonce(value)}}, came.now, once=True)


def hear_pong(tx: Transaction, _node: Node, came: Came, value: Json) -> None:
    nonce = _nonce(value)
    if tx.setting(_asked(nonce)) != came.peer.encode():
        raise Forged("an answer to a question that was not put", code="pong")
    tx.put_setting(_answered(nonce), b"%d" % came.now)


def _nonce(value: Json) -> str:
    return text(fields(value, {"nonce": str}), "nonce", HEX_ID)


def _asked(nonce: str) -> str:
    return f"ping/{nonce}"


def _answered(nonce: str) -> str:
    return f"pong/{nonce}"
