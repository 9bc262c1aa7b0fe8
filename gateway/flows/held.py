"""What could not be taken in stands in one place: the table ``held``, for a person (issue 5, broker.md).

Duty: :func:`keep` puts bytes there; the pump :func:`collect` fetches what the broker has put aside for us;
:func:`body_of` gives the bytes back. It leaves out what a person sees of it and does with it
(:mod:`gateway.flows.held_acts`).

Order of one look: room left? -> some messages of each shelf -> judged -> ONE transaction -> acknowledged.

Rules
-----
- One row for each different message: the same bytes, come again, are counted in it.
- There is an end: :data:`ROWS` rows and :data:`BYTES` bytes that nobody has settled. Beyond it nothing is
  fetched, and the rest waits on the broker's shelf, oldest first. A flood fills neither memory nor disk.
- What has stopped its reader too often (``delivery_limit``) is not looked into here: it would stop this
  process as it has stopped others. A person's ``retry`` does, in a process of its own.
- What came back unread proves nothing. If it is ours, the outbox knows, sends it again and tells its sender
  by itself (:mod:`gateway.flows.undelivered`): a message from the broker moves nothing there.
- Nobody knows what somebody else's garbage holds, so the bytes are sealed under a secret of the key store,
  and told apart by a keyed hash. A copy of the database alone opens none of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from gateway.core import shred
from gateway.core.envelope import Slot, split, unbundle
from gateway.errors import Forged, GatewayError, Refused
from gateway.flows.accounts import Secret
from gateway.flows.alarms import settle, sound
from gateway.flows.node import Node
from gateway.flows.opening import Opened, prove, read
from gateway.ports import Aside, HeldRow, Lane, Place, Shelf, Side, Transaction

UNDER: Final = "held"
"""The secret of the key store over the bytes and in their hash."""

ROWS: Final = 2_000
BYTES: Final = 64 * 1024 * 1024
"""What may stand unsettled; more than a person can look through."""

AT_ONCE: Final = 64
"""Messages of one shelf in one look, and in memory at once."""

MANY_BYTES: Final = 8 * 1024 * 1024
"""In memory at once: the look ends with the message that reaches it."""

DELIVERY_LIMIT: Final = "delivery_limit"
UNFORESEEN: Final = "unforeseen"
NOT_OURS: Final = "not_ours"
UNROUTED: Final = "unrouted"
GOOD: Final = "good_now"
"""It was rejected, and is good now: the directory or a key has come meanwhile. ``retry`` takes it in."""

POISON: Final = "poison"
FULL: Final = "held_full"
"""Alarms: a message that has stopped its reader again and again; no room left for what is put aside."""

log = structlog.get_logger("held")


@dataclass(frozen=True, slots=True)
class Found:
    """Bytes with what is known of them."""

    place: Place
    code: str
    lane: Lane
    peer: str
    body: bytes = field(repr=False)


def row_of(keys: Secret, found: Found, now: int) -> HeldRow:
    secret = keys.secret(UNDER)
    digest = shred.keyed_hash(secret, found.body, purpose="bx/1/held")
    return HeldRow(
        id="",
        at=now,
        code=found.code,
        lane=found.lane,
        peer=found.peer,
        digest=digest,
        body=shred.wrap(secret, found.body, context=_context(digest)),
        place=found.place,
        size=len(found.body),
        seen=now,
    )


def body_of(keys: Secret, row: HeldRow) -> bytes:
    """The bytes as they came. Raises Forged when the row was changed, or was settled and has none."""
    if hashlib.sha256(row.body).digest() == row.digest:
        return row.body  # put by the release before, which kept them as they were
    return shred.unwrap(keys.secret(UNDER), row.body, context=_context(row.digest))


def _context(digest: bytes) -> str:
    return f"bx/1/held/{digest.hex()}"


def keep(tx: Transaction, row: HeldRow) -> bool:
    """Put it there, or count it. False when there is no room: it has to stay where it is."""
    if not _room(tx):
        return False
    tx.put_held(row)
    return True


def _room(tx: Transaction) -> bool:
    rows, size = tx.held_load()
    return rows < ROWS and size < BYTES


# --- the pump -----------------------------------------------------------------------------------------


async def collect(node: Node) -> int:
    """One look at both shelves. Returns how many messages were taken from them. Raises Unavailable."""
    if not await node.store.read(_room):
        await _full(node)
        return 0
    taken = 0
    for shelf in Shelf:
        taken += await _shelf(node, shelf)
    return taken


async def _shelf(node: Node, shelf: Shelf) -> int:
    """Whatever happens on the way, what was not committed lies on its shelf again."""
    held: list[Aside] = []
    try:
        while len(held) < AT_ONCE and sum(len(one.body) for one in held) < MANY_BYTES:
            one = await node.transport.aside(shelf)
            if one is None:
                break
            held.append(one)
        if held:
            await _store(node, shelf, held)
    finally:
        for one in reversed(held):  # the oldest last, so that it lies in front again
            await one.release()  # settled ones stay settled
    return len(held)


async def _store(node: Node, shelf: Shelf, held: Sequence[Aside]) -> None:
    now = node.clock.now()
    look = _returned if shelf is Shelf.RETURNED else _rejected
    pairs = [(one, look(node, one, now)) for one in held]
    rows = [(one, found, row_of(node.keys, found, now)) for one, found in pairs]

    def work(tx: Transaction) -> list[Aside]:
        done = []
        for one, found, row in rows:
            ours = found.place is Place.RETURNED and _ours(tx, found.body)
            if ours or keep(tx, row):
                done.append(one)
            if found.code == DELIVERY_LIMIT:
                sound(tx, POISON, peer=found.peer, at=now, subject=found.lane.name.lower())
        settle(tx, FULL, peer=node.area, at=now, why="there is room")
        return done

    for one in await node.store.write(work):
        await one.ack()
    log.warning("put aside", shelf=shelf.value, count=len(held))


def _rejected(node: Node, one: Aside, now: int) -> Found:
    code = one.reason or UNROUTED
    if code == "rejected":
        code = judge(node, one.body, one.sender, now) or GOOD
    return Found(Place.QUARANTINE, code, one.lane, one.sender or "", one.body)


def _returned(_node: Node, one: Aside, _now: int) -> Found:
    return Found(Place.RETURNED, NOT_OURS, one.lane, one.sender or "", one.body)


def judge(node: Node, body: bytes, via: str | None, now: int) -> str:
    """The code with which :func:`gateway.flows.receive.accept` would refuse these bytes before it asks the
    store; "" for none. Of a bundle the first. Touches no store."""
    try:
        for envelope in unbundle(body):
            proven, slot = prove_via(node, envelope, via, now)
            read(node, proven, slot, now)
    except GatewayError as error:
        return error.code
    except Exception as error:  # noqa: BLE001 - what is put aside must never stop the node
        log.error("a fault in judging what was put aside", error=type(error).__name__)
        return UNFORESEEN
    return ""


def prove_via(node: Node, envelope: bytes, via: str | None, now: int) -> tuple[Opened, Slot]:
    """:func:`gateway.flows.opening.prove`, and that the broker says the same of its sender."""
    proven, slot = prove(node, envelope, now)
    if via is not None and via != proven.peer:
        raise Forged("the broker says another area sent this", code="via")
    return proven, slot


def _ours(tx: Transaction, body: bytes) -> bool:
    """Whether every envelope in it is one that this node sent, byte for byte: then nobody has to look."""
    try:
        parsed = [split(envelope) for envelope in unbundle(body)]
    except Refused:
        return False
    for one in parsed:
        row = tx.envelope(one.mid)
        if row is None or row.side is not Side.ORIGIN or row.digest != one.digest:
            return False
    return True


async def _full(node: Node) -> None:
    now = node.clock.now()
    await node.store.write(lambda tx: sound(tx, FULL, peer=node.area, at=now))
