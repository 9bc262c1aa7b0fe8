"""How a node that starts knows that its database is older than what it has sent (protocol 4.5).

Beside the keys, outside the database and its backups, lies the size of the node's log and the hash of its
last leaf. Every message sent is a leaf of it. A database whose log is shorter, or holds another leaf in that
place, was put back from a backup: new streams are begun to everybody before anything is sent.

The window, said openly: it is written every ``pace.sweep`` seconds and when the node stops. What was sent
after it was written last and before the node was killed is not covered: a backup of just these seconds would
not be noticed here, but by the first peer that has seen more (:mod:`gateway.flows.seen`). An anchor that
cannot be read counts as an older database: a new stream too many costs an alarm, one too few a message.
"""

from __future__ import annotations

import asyncio
from functools import partial
from hashlib import sha256

import structlog

from gateway.core.encoding import b64, decode_object, encode, fields, integer
from gateway.errors import GatewayError, Refused
from gateway.flows import restart
from gateway.flows.alarms import sound
from gateway.flows.node import Node
from gateway.ports import Transaction

log = structlog.get_logger("anchor")


async def weigh(node: Node) -> bool:
    """Called before the pumps run. True when the database is an older one, and new streams were begun."""
    if node.anchor is None:
        return False
    held = await asyncio.to_thread(node.anchor.read)
    older = held is not None and not await node.store.read(partial(_holds, held=held))
    if older:
        now = node.clock.now()
        await node.store.write(partial(_begin, node=node, now=now))
    await drop(node)  # after the commit: a crash between the two begins them once more
    return older


async def drop(node: Node) -> None:
    """Write where the log stands now. A place that cannot be written stops no message."""
    if node.anchor is None:
        return
    try:
        content = await node.store.read(content_of)
        if await asyncio.to_thread(node.anchor.read) != content:
            await asyncio.to_thread(node.anchor.write, content)
    except GatewayError as error:
        log.error("the anchor cannot be written", code=error.code)


def _begin(tx: Transaction, *, node: Node, now: int) -> None:
    restart.begin_all(tx, now)
    sound(tx, "restored", peer=node.area, at=now, subject=f"leaves {tx.log_size()}")


def _holds(tx: Transaction, *, held: bytes) -> bool:
    """The log goes on from where it stood."""
    try:
        body = fields(decode_object(held), {"leaf": str, "size": int, "v": int})
        size = integer(body, "size")
    except Refused:
        return False
    return size <= tx.log_size() and _leaf(tx, size) == body["leaf"]


def content_of(tx: Transaction) -> bytes:
    """Where the log stands. ``leaf``: base64 of the SHA-256 of the last one; "" for an empty log."""
    size = tx.log_size()
    return encode({"leaf": _leaf(tx, size), "size": size, "v": 1})


def _leaf(tx: Transaction, size: int) -> str:
    return b64(sha256(tx.log(size - 1, 1)[0][1]).digest()) if size else ""
