"""Cut back what grows: envelopes nobody asks for any more, cosignatures, keys of requests, fired clocks.

What is kept how long, and why, stands in one table (:data:`gateway.core.retention.TABLE`); this module only
follows it. Once an hour, in batches that hold no lock for long; what one hour leaves the next takes up, and a
crash in between costs nothing.

Rules: evidence goes before space. A peer's silence is shown with the chain of its signed statements, so of a
received control envelope the statement stays when the body goes, and receipts envelopes stay whole; a log's
cosignatures are thinned to one checkpoint a day, so that a proof of when others saw it stays, to the day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import structlog

from gateway.core.retention import TABLE
from gateway.flows import streams
from gateway.flows.node import Node
from gateway.flows.shred_plan import Shredder
from gateway.ports import Transaction

EVERY: Final = 3600
"""Seconds between two looks of one process."""

BATCH: Final = 500
"""Rows of one transaction."""

BATCHES: Final = 40
"""Of one kind in one look: 20,000 rows an hour, ten times what 32 peers make."""

DELETED: Final[Mapping[str, str]] = {
    "sent": "sent",
    "heard": "stream",
    "files": "files",
    "idempotency": "idempotency",
    "timers": "timers",
    "tasks": "tasks",
    "pages": "pages",
    "held": "held",
    "alarms": "alarms",
}
"""What the store deletes -> the line of the table that says when."""

log = structlog.get_logger("prune")


async def turn(node: Node) -> None:
    """:func:`prune`, when an hour has passed since this process last did."""
    now, last = node.clock.now(), node.told.get("prune")
    if last is None or not 0 <= now - last < EVERY:
        node.told["prune"] = now
        await prune(node)


async def prune(node: Shredder) -> Mapping[str, int]:
    """Everything that is over. Returns how much of what."""
    now = node.clock.now()
    done = {"control": await _strip(node, now - TABLE["control"].seconds)}
    for what, line in DELETED.items():
        done[what] = await _batches(node, what, now - TABLE[line].seconds)
    done["cosignatures"] = await _thin(node, now - TABLE["cosignatures"].seconds)
    found = {what: count for what, count in done.items() if count}
    if found:
        log.info("pruned", **found)
    return found


async def _batches(node: Shredder, what: str, before: int) -> int:
    total = 0
    for _ in range(BATCHES):
        count = await node.store.write(lambda tx: tx.prune(what, before, BATCH))
        total += count
        if count < BATCH:
            break
    return total


async def _strip(node: Shredder, before: int) -> int:
    total = 0
    for _ in range(BATCHES):
        count = await node.store.write(partial(_strip_batch, node=node, before=before))
        total += count
        if count < BATCH:
            break
    return total


def _strip_batch(tx: Transaction, *, node: Shredder, before: int) -> int:
    """A row whose statement cannot be opened (its secrets were changed) is stripped to nothing: it proves
    nothing, and must not be looked at for ever."""
    rows = tx.unstripped(before, BATCH)
    for row in rows:
        tx.strip_envelope(row.mid, row.side, streams.stored_note(node, row))
    return len(rows)


async def _thin(node: Shredder, before: int) -> int:
    spare = await node.store.read(lambda tx: tx.spare_cosignatures(before, BATCH * BATCHES))
    total = 0
    for start in range(0, len(spare), BATCH):
        page = spare[start : start + BATCH]
        total += await node.store.write(partial(_drop, places=page))
    return total


def _drop(tx: Transaction, *, places: Sequence[tuple[str, int]]) -> int:
    return sum(tx.drop_cosignatures(origin, size) for origin, size in places)
