"""Destroy content so that no copy of the database opens it: a section, a handover, or a whole month.

Order: ONE transaction {who, when and why (s.62), the leaf of the log, the row without these keys, and a
reminder of what is to be punctured} -> the key store forgets the leaves -> the reminder goes. After the first
step nothing of it is opened here; a crash before the second leaves the reminder, which every start and sweep
of the node takes up (:func:`take_up`). So what the log calls destroyed is destroyed, and nothing unrecorded.

While a legal hold stands (:mod:`gateway.flows.holds`) nothing of its handover goes, whoever asks.

What stays: the envelope as it was sent, its statement and routing table, receipts, log. What was sent to
whom, and who answered, can be proven as before.

It cannot reach: what agencies were given, the peer's copy, copies of the KEY FOLDER, blocks that a disk has
not overwritten yet, memory of a process that runs (docs/operations.md).

Example::

    found = await preview(node, ref, section="history")      # found.against: what forbids it
    await shred(node, Person("dpo-7"), ref, section="history", justification="ERASURE_REQUEST")
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from gateway.core.durations import DAY
from gateway.core.shred import leaf
from gateway.errors import Conflict, GatewayError, NotFound
from gateway.flows import accounts, attachments, holds
from gateway.flows.node import log_leaf
from gateway.flows.shred_plan import HELD, REMEDIES, Piece, Plan, Shredder, against, ended, make
from gateway.flows.vault import record_name, without
from gateway.ports import AccessRow, PunctureRow, Side, Transaction

OPERATION = "ERASURE"
"""As s.62 DPA 2018 calls it."""

log = structlog.get_logger("shred")


@dataclass(frozen=True, slots=True)
class Person:
    """Who has it done: a pseudonymous reference, and a role."""

    actor: str
    role: str = "operator"


@dataclass(frozen=True, slots=True)
class Month:
    """An epoch as it stands: how many messages are stored under it, and how many of them something stands
    against (see `shred_plan.REMEDIES`)."""

    month: str
    messages: int
    against: dict[str, int]
    destroyed: bool


async def preview(
    node: Shredder, ref: str, version: int | None = None, *, section: str | None = None, others: bool = False
) -> Plan:
    """What :func:`shred` would do with the same words. ``version`` None: every version. Raises NotFound."""
    return await node.store.read(lambda tx: make(tx, node, ref, version, section, others=others))


async def shred(
    node: Shredder,
    by: Person,
    ref: str,
    version: int | None = None,
    *,
    section: str | None = None,
    others: bool = False,
    force: bool = False,
    justification: str,
) -> Plan:
    """Destroy the content of a handover, or one section of it, in every message about it that is stored here:
    each version (or ``version``), each sealed again, each reply. May be repeated.

    ``others``: also parts that hold the section together with others. ``force``: also what has not reached
    whoever it is for, and is lost then. Raises NotFound, Conflict; and Misconfigured when the key store could
    not forget yet: it is on record then, and done when the key store is mended.
    """
    plan = await preview(node, ref, version, section=section, others=others)
    _check_alone(plan)
    if not force:
        _check(plan.against)
    now = node.clock.now()
    await node.store.write(lambda tx: destroy(tx, node, by, plan, justification, now, force=force))
    await resume(node)
    return plan


def _check_alone(plan: Plan) -> None:
    if any(piece.shared for piece in plan.pieces) and not any(piece.parts for piece in plan.pieces):
        raise Conflict(
            "this section stands only in parts together with others",
            code="section_shared",
            remedy="look with --preview which; --with-others destroys them too",
        )


def _check(reasons: frozenset[str]) -> None:
    if HELD in reasons:
        raise Conflict("a legal hold stands on it", code=HELD, remedy=REMEDIES[HELD])
    if reasons:
        raise Conflict(
            f"it is not at its end: {', '.join(sorted(reasons))}",
            code="not_settled",
            remedy="; ".join(REMEDIES[reason] for reason in sorted(reasons)) + "; --force loses it for good",
        )


def destroy(
    tx: Transaction, node: Shredder, by: Person, plan: Plan, justification: str, now: int, *, force: bool
) -> None:
    """The first step: on record, and the rows without these keys. :func:`resume` has to follow the commit.

    Raises Conflict: while a legal hold stands, whoever asks; and what :func:`shred` says.
    """
    holds.check(tx, plan.ref)
    pieces = [piece for piece in plan.pieces if piece.parts]
    for piece in pieces:
        row = piece.row
        if not force:
            _check(against(tx, row.mid, row.side))
        left = without(node, row, piece.secrets, piece.closed)
        if not tx.change_secrets(row.mid, row.side, row.secrets, left):
            raise Conflict("it has changed meanwhile", code="shred_raced", remedy="look again, and repeat")
        if force and row.side is Side.ORIGIN:
            tx.settle_message(row.mid)  # it cannot be sealed again, so it would be tried for ever
        log_leaf(tx, "shredded", now, mid=row.mid, parts=[*piece.parts])
        for path in _paths(node, piece):
            tx.put_puncture(PunctureRow(row.epoch, path))
    for version in sorted({piece.row.version for piece in pieces}):
        if plan.section is None:
            _drop_files(tx, plan.ref, version, force=force)
        sections = {name for p in pieces if p.row.version == version for name in p.sections}
        accounts.record(tx, _access(node, by, plan.ref, version, sorted(sections), justification, now))


def _drop_files(tx: Transaction, ref: str, version: int, *, force: bool) -> None:
    """The sealed bytes of its attachments: their keys went with the sections, so this frees space only."""
    if not force and attachments.unsent(tx, ref, version):
        _check(frozenset({"unsettled"}))
    attachments.forget(tx, ref, version)


def _paths(node: Shredder, piece: Piece) -> Sequence[str]:
    """Leaf by leaf; or the whole record, whatever else its place could ever hold."""
    epoch = node.keys.epoch(piece.row.epoch)
    record = epoch.record(record_name(piece.row.mid, piece.row.side))
    return [record] if piece.whole else [leaf(record, number) for number in piece.parts]


def _access(
    node: Shredder, by: Person, ref: str, version: int, sections: Sequence[str], justification: str, now: int
) -> AccessRow:
    return AccessRow(
        at=now,
        operation=OPERATION,
        principal=f"{node.area}/node",
        actor=by.actor,
        role=by.role,
        ref=ref,
        version=version,
        leg="",
        sections=tuple(sections),
        recipients=(),
        justification=justification,
    )


# --- a month ----------------------------------------------------------------------------------------


async def preview_epoch(node: Shredder, month: str) -> Month:
    """Raises NotFound for a month of which nothing is here."""
    ended(month)
    return await node.store.read(lambda tx: _month(tx, node, month))


async def shred_epoch(
    node: Shredder, by: Person, month: str, *, force: bool = False, justification: str
) -> Month:
    """Destroy the content of every message stored in a month: all its keys at once. May be repeated.

    Raises NotFound; Conflict for a month that has not been over for a day, also with ``force``: nothing could
    be stored in it any more.
    """
    now = node.clock.now()
    if now < ended(month) + DAY:
        raise Conflict(
            "this month has not been over for a day",
            code="epoch_running",
            remedy="shred its handovers one by one, or wait",
        )
    found = await preview_epoch(node, month)
    if not force or HELD in found.against:
        _check(frozenset(found.against))
    if not found.destroyed:
        await node.store.write(lambda tx: _record_epoch(tx, node, by, found, justification, now))
    await resume(node)
    return found


def _month(tx: Transaction, node: Shredder, month: str) -> Month:
    rows = tx.envelopes_in(month)
    counts: dict[str, int] = {}
    for mid, side in rows:
        for reason in against(tx, mid, side):
            counts[reason] = counts.get(reason, 0) + 1
    try:
        destroyed = node.keys.epoch(month).destroyed
    except GatewayError:
        if not rows:
            raise NotFound(
                "nothing is stored under this month",
                code="no_epoch",
                remedy="`gateway keys list` shows the epochs that are there",
            ) from None
        destroyed = False
    return Month(month, len(rows), counts, destroyed)


def _record_epoch(
    tx: Transaction, node: Shredder, by: Person, found: Month, justification: str, now: int
) -> None:
    if any(HELD in against(tx, mid, side) for mid, side in tx.envelopes_in(found.month)):
        _check(frozenset({HELD}))
    accounts.record(tx, _access(node, by, found.month, 0, (), justification, now))
    log_leaf(tx, "shredded", now, epoch=found.month, messages=found.messages)
    tx.put_puncture(PunctureRow(found.month, ""))


# --- the key store ----------------------------------------------------------------------------------


async def resume(node: Shredder) -> int:
    """Let the key store forget what is recorded as destroyed. Returns how much there was; for most calls
    nothing. Raises Misconfigured when it cannot: the reminder stays."""
    waiting = await node.store.read(lambda tx: tx.punctures())
    for month in dict.fromkeys(row.epoch for row in waiting):
        rows = [row for row in waiting if row.epoch == month]
        await asyncio.to_thread(_forget, node, month, [row.path for row in rows])
        await node.store.write(partial(_drop, rows=rows))
        log.info("shredded", epoch=month, keys=len(rows))
        await _compact(node, month)
    return len(waiting)


async def take_up(node: Shredder) -> None:
    """:func:`resume` for a node that runs: what its operator must mend is logged and stops nothing else."""
    try:
        await resume(node)
    except GatewayError as error:
        if error.retryable and error.code != "key_unwritable":
            raise
        log.error("recorded as destroyed, and the key store cannot forget it yet", code=error.code)


def _drop(tx: Transaction, rows: Sequence[PunctureRow]) -> None:
    for row in rows:
        tx.drop_puncture(row)


def _forget(node: Shredder, month: str, paths: Sequence[str]) -> None:
    if "" in paths:
        node.keys.destroy_epoch(month)
    else:
        node.keys.puncture(month, paths)


async def _compact(node: Shredder, month: str) -> None:
    """While a month runs, what lies beside a destroyed key may still be used. After it most never will be."""
    epoch = node.keys.epoch(month)
    if epoch.destroyed or node.clock.now() < ended(month) + DAY:
        return
    stored = await node.store.read(lambda tx: [*tx.envelopes_in(month), *_drafts_in(tx, month)])
    live = [epoch.record(record_name(mid, side)) for mid, side in stored]
    await asyncio.to_thread(node.keys.compact_epoch, month, live)


def _drafts_in(tx: Transaction, month: str) -> list[tuple[str, Side]]:
    """Documents that wait for a second person have their keys there, too."""
    return [(draft.id, Side.ORIGIN) for draft in tx.drafts() if draft.epoch == month]
