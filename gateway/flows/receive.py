"""The only way in from the broker: verify, store with its receipt in ONE transaction, then acknowledge.

Order of work as in protocol 4.5: nothing is done for a sender that is not proven, beyond one decapsulation,
one AEAD and one verification. Garbage is quarantined without an answer (no oracle). What a proven sender may
not send is answered with a signed refusal and held for a person. A duplicate gets its stored receipt again.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from gateway.core.envelope import Kind, unbundle
from gateway.errors import Refused, Replayed
from gateway.flows import arrival, held, streams
from gateway.flows.held import prove_via
from gateway.flows.node import Node
from gateway.flows.opening import Opened, read
from gateway.ports import Delivery, Lane, Place

EQUIVOCATION: Final = "equivocation"

log = structlog.get_logger("receive")


async def receive(node: Node, delivery: Delivery) -> None:
    """Settle one AMQP message: every envelope in it is stored, or put aside with its code.

    Raises Unavailable when the store cannot take it now; the delivery is then not settled.
    """
    try:
        envelopes = unbundle(delivery.body)
    except Refused as error:
        await _quarantine(delivery, error)
        return
    if len(envelopes) == 1:
        await _alone(node, delivery, envelopes[0])
        return
    # Side by side, so that the envelopes of a bundle share commits. What fails (the store) waits for the
    # others: the whole message comes again then, and whoever was stored is a duplicate.
    outcomes = await asyncio.gather(
        *(_bundled(node, delivery, envelope) for envelope in envelopes), return_exceptions=True
    )
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    await _end(delivery, settled=all(outcomes))


async def _bundled(node: Node, delivery: Delivery, envelope: bytes) -> bool:
    """One of several: what is wrong with it is its own affair. False: nobody has it yet."""
    await node.turns[delivery.lane].wait()
    try:
        refused = await accept(node, envelope, via=delivery.sender, lane=delivery.lane)
    except Refused as error:
        refused = error
    return refused is None or await _hold(node, delivery, envelope, refused)


async def _alone(node: Node, delivery: Delivery, envelope: bytes) -> None:
    """The message IS the envelope, so garbage goes to the broker's quarantine and never near our store."""
    await node.turns[delivery.lane].wait()
    try:
        refused = await accept(node, envelope, via=delivery.sender, lane=delivery.lane)
    except Refused as error:
        if not _for_a_person(error):
            await _quarantine(delivery, error)
            return
        refused = error
    settled = refused is None or await _hold(node, delivery, envelope, refused)
    await _end(delivery, settled=settled)


async def _end(delivery: Delivery, *, settled: bool) -> None:
    """What is to be held and finds no room stays with the broker, whole; what was stored of it is a duplicate
    when it comes back."""
    if settled:
        await delivery.ack()
    else:
        await delivery.quarantine(held.FULL)


def _for_a_person(error: Refused) -> bool:
    """Kept in our own store although nothing was stored of it: a proven equivocation is evidence, and what a
    suspended key has signed may turn out good. Its sender is not answered and sends it again meanwhile."""
    return isinstance(error, Replayed) or error.code == "suspended"


async def _quarantine(delivery: Delivery, error: Refused) -> None:
    log.warning("quarantined", lane=delivery.lane.value, via=delivery.sender, code=error.code)
    await delivery.quarantine(error.code)


async def _hold(node: Node, delivery: Delivery, envelope: bytes, error: Refused) -> bool:
    """False: there is no room."""
    log.warning("held", lane=delivery.lane.value, via=delivery.sender, code=error.code)
    found = held.Found(Place.INTAKE, error.code, delivery.lane, delivery.sender or "", envelope)
    row = held.row_of(node.keys, found, node.clock.now())
    return await node.store.write(lambda tx: held.keep(tx, row))


async def accept(
    node: Node, envelope: bytes, *, via: str | None = None, lane: Lane = Lane.STANDARD
) -> Refused | None:
    """Verify and store one envelope; it is committed when this returns.

    Returns the refusal that a proven sender was answered with, if there was one. Raises Refused of any kind
    for what nobody can be blamed for or what contradicts the stream (then nothing is stored), or Unavailable.
    """
    now = node.clock.now()
    proven, slot = prove_via(node, envelope, via, now)
    try:
        opened = read(node, proven, slot, now)
        first = lane is Lane.URGENT
        news = await node.store.write(lambda tx: arrival.store(tx, node, opened, now), first=first)
    except Replayed as error:
        if error.code == EQUIVOCATION:
            await node.store.write(lambda tx: streams.equivocated(tx, node, proven, now))
        raise
    except Refused as error:
        code = error.code
        await node.store.write(lambda tx: arrival.store_refused(tx, node, proven, code, now))
        _wake_for_receipts(node, proven)
        return error
    _wake_for_receipts(node, opened)
    if "documents" in opened.sections:  # a suspension counts from its receipt on
        node.wake.trust.set()
    for task in news:
        node.wake.agency(task.principal, task.lane)
    return None


def _wake_for_receipts(node: Node, opened: Opened) -> None:
    if opened.statement.kind is not Kind.RECEIPTS:  # those are never receipted
        node.wake.signed(Lane.URGENT if arrival.pressing(opened) else Lane.STANDARD)
