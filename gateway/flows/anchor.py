"""How a node knows that its database is older than what it has sent (protocol 4.5).

Beside the keys, outside the database and its backups, lies the size of the node's log and the hash of its
last leaf. Every message sent is a leaf of it. A database whose log is shorter, or holds another leaf in that
place, was put back from a backup, or lost its last commits to a fail-over. Found at a start: new streams are
begun to everybody before anything is sent. Found by a node that runs: it ends before anything more is sent,
and is started again.

It is written before anything is published, so nobody has seen what it does not cover. Then it is with the
system and not on disk: every ``pace.sweep`` seconds and when the node stops it is written through. So what is
left to the first peer that has seen more (:mod:`gateway.flows.seen`) is a machine that lost its power, and
then a backup of its last seconds. An anchor that cannot be read counts as an older database: a new stream too
many costs an alarm, one too few a message.
"""

from __future__ import annotations

import asyncio
from functools import partial
from hashlib import sha256

import structlog

from gateway.core.encoding import JsonObject, b64, decode_object, encode, fields, integer
from gateway.errors import GatewayError, Refused
from gateway.flows import restart
from gateway.flows.alarms import sound
from gateway.flows.node import Node
from gateway.ports import Anchor, Transaction

log = structlog.get_logger("anchor")


async def weigh(node: Node) -> bool:
    """Called before the pumps run. True when the database is an older one, and new streams were begun."""
    if node.anchor is None:
        return False
    known = await asyncio.to_thread(node.anchor.read)
    older = known is not None and not await node.store.read(partial(_holds, known=known))
    if older:
        now = node.clock.now()
        await node.store.write(partial(_begin, node=node, now=now))
    # After the commit: a crash between the two begins them once more.
    await _drop(node, node.anchor, known, anyway=True)
    return older


async def drop(node: Node) -> None:
    """Write where the log stands now, unless that is behind what was sent. A place that cannot be written
    stops no message."""
    if node.anchor is not None:
        await _drop(node, node.anchor, held(node))


async def _drop(node: Node, place: Anchor, known: bytes | None, *, anyway: bool = False) -> None:
    def look(tx: Transaction) -> bytes:
        if not anyway:
            check(tx, known)
        return content_of(tx)

    def put(content: bytes) -> None:
        if place.read() == known:  # else something was published meanwhile, and it stands further on
            place.write(content)

    try:
        await asyncio.to_thread(put, await node.store.read(look))
    except GatewayError as error:
        log.error("the anchor is not written", code=error.code)


def held(node: Node) -> bytes | None:
    """What to :func:`check` a transaction against: read before it begins."""
    if node.anchor is None:
        return None
    try:
        return node.anchor.read()
    except GatewayError as error:
        log.error("the anchor cannot be read", code=error.code)
        return None


def check(tx: Transaction, known: bytes | None) -> None:
    """Raises GatewayError when the database has gone back behind what was sent: that ends this process."""
    if known is not None and not _holds(tx, known):
        raise GatewayError(
            "the database is older than what this node has sent: put back, or a fail-over lost commits",
            code="database_older",
            remedy="start the node again: it begins new streams and says so; nothing was sent meanwhile",
        )


def note(node: Node, content: bytes) -> None:
    """Before what stands there is published. Another pump may have been here with more since it was read."""
    if node.anchor is None or _size(held(node)) >= _size(content):
        return
    try:
        node.anchor.write(content, durable=False)
    except GatewayError as error:
        log.error("the anchor is not written", code=error.code)


def _begin(tx: Transaction, *, node: Node, now: int) -> None:
    restart.begin_all(tx, now)
    sound(tx, "restored", peer=node.area, at=now, subject=f"leaves {tx.log_size()}")


def _size(content: bytes | None) -> int:
    """-1 for none, and for one that cannot be read."""
    try:
        return integer(_read(content or b""), "size")
    except Refused:
        return -1


def _read(content: bytes) -> JsonObject:
    return fields(decode_object(content), {"leaf": str, "size": int, "v": int})


def _holds(tx: Transaction, known: bytes) -> bool:
    """The log goes on from where it stood."""
    try:
        body = _read(known)
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
