"""Purge content on its date, by itself, and say beforehand what goes (domain 3.5; s.39 DPA 2018; R16, R17).

Order of a purge: ONE transaction {the keys out of every message about this version, sent and received,
replies and notices among them; who, when and why (s.62); the handover PURGED; its deliveries ended; who had
not answered} -> the key store forgets the leaves (:func:`gateway.flows.shred.resume`) -> the node tries
whether anything still opens, and signs what it has done (:mod:`gateway.flows.attest`). Each step is found
undone after a crash, and done then.

What stays: statements, routing, receipts, log, states. A leg keeps its state: the purge answers for nobody.

Rules:

- Nothing is purged while a legal hold stands; the clock looks again every day.
- A leg that nobody has answered is purged with the others, and its origin told: by an alarm here, and by a
  parcel to the agency that is responsible. 90 days after issue nobody waits for an answer any more.
- A message about what is purged that comes later (a reply, a notice) is purged 30 days after it came.
- One clock a version: it looks at every date at which something could be due, so nothing has to wake it.

Example::

    coming = await preview(node, until=now + 30 * DAY)     # coming[0].due, .why, .bytes, .held
    done = await run(node, Person("dpo-7"))
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from gateway.core.durations import DAY
from gateway.core.encoding import JsonObject, encode
from gateway.core.retention import Due, Why, look_again
from gateway.core.rotation import GRACE
from gateway.core.states import ANSWERED, TERMINAL, HandoverState, LegState, advance_handover
from gateway.errors import NotFound
from gateway.flows import attachments, holds, shred, streams
from gateway.flows.alarms import sound
from gateway.flows.node import Node
from gateway.flows.purge_clock import PURGE, due_of, name, named, times
from gateway.flows.shred import Person
from gateway.flows.shred_plan import Piece, Plan, Shredder, make
from gateway.flows.timers import set_timer
from gateway.ports import (
    BlobRow,
    EnvelopeRow,
    HandoverRow,
    LegRow,
    Parcel,
    PurgeRow,
    Side,
    Task,
    TaskRow,
    TimerRow,
    Transaction,
)

JUSTIFICATION: Final = "RETENTION_END"
UNANSWERED: Final = "purged_unanswered"
"""The alarm, and the event in the parcel: nobody had answered, and the content is gone."""

OVERDUE: Final = "review_overdue"

PURGED: Final = "purged"
"""The leaf of the log."""

SYSTEM: Final = Person("retention", "node")
PAGE: Final = 200

log = structlog.get_logger("retention")


@dataclass(frozen=True, slots=True)
class Coming:
    """One version of a handover that will be purged, or would be. ``bytes``: sealed, in the database.
    ``held``: the code of the legal hold that stands in the way, "" for none. ``unanswered``: legs nobody
    answered."""

    ref: str
    version: int
    side: Side
    peer: str
    state: str
    due: int
    why: Why
    messages: int
    bytes: int
    unanswered: int
    held: str


# --- clocks -----------------------------------------------------------------------------------------


def fire(tx: Transaction, node: Node, timer: TimerRow, now: int) -> Sequence[TaskRow]:
    """The clock of one version: purge it, or look again when it could be due."""
    row = tx.handover(*named(timer.subject))
    if row is None:
        return ()
    due = due_of(tx, row)
    if row.state == HandoverState.PURGED:
        due = Due(timer.due, Why.LATE)
    if now < due.at:
        again = look_again(due, times(tx, row), now)
    elif holds.held(tx, row.ref):
        again = now + DAY
    else:
        return purge(tx, node, row, due.why, SYSTEM, now)
    set_timer(tx, PURGE, timer.subject, again, timer.step + 1)
    return ()


def remind(tx: Transaction, node: Node, timer: TimerRow, now: int) -> Sequence[TaskRow]:
    """Something in it is past its review: the agency that submitted it is told, unless it is over."""
    row = tx.handover(*named(timer.subject))
    newest = tx.handover(row.ref) if row else None
    if row is None or newest is None or row.version != newest.version or row.state == HandoverState.PURGED:
        return ()
    legs = tx.legs(row.ref, row.version)
    return [_news(tx, legs[0], row.submitted_by, OVERDUE, now)] if legs and row.submitted_by else ()


# --- a purge ----------------------------------------------------------------------------------------


def purge(
    tx: Transaction, node: Shredder, row: HandoverRow, why: Why, by: Person, now: int
) -> Sequence[TaskRow]:
    """The first step, see above. Returns the parcels it put. Raises Conflict while a legal hold stands.

    May be repeated: what is purged already is destroyed no second time, and leaves no second record.
    """
    holds.check(tx, row.ref)
    plan = plan_of(tx, node, row)
    pieces = [piece for piece in plan.pieces if piece.parts]
    again = row.state == HandoverState.PURGED
    if again and not pieces:
        return ()
    legs = tx.legs(row.ref, row.version)
    _end_deliveries(tx, legs)
    if not again:
        after = advance_handover(HandoverState(row.state), "purged", [LegState(leg.state) for leg in legs])
        tx.advance_handover(row.ref, row.version, row.state, after, now)
    over = again or row.drill  # who has not answered a drill stands in its report
    waiting = [] if over else [leg for leg in legs if LegState(leg.state) not in ANSWERED | TERMINAL]
    destroy(tx, node, row, plan, why, by, now, unanswered=len(waiting))
    return _tell(tx, row, waiting, now)


def destroy(
    tx: Transaction,
    node: Shredder,
    row: HandoverRow,
    plan: Plan,
    why: Why,
    by: Person,
    now: int,
    *,
    unanswered: int = 0,
) -> None:
    """Keys, files and received bytes of one version, on record so that it is attested. The state of the
    handover and its deliveries are the caller's. Raises Conflict while a legal hold stands."""
    holds.check(tx, row.ref)
    pieces = [piece for piece in plan.pieces if piece.parts]
    files = attachments.forget(tx, row.ref, row.version)
    if pieces:
        shred.destroy(tx, node, by, plan, f"{JUSTIFICATION}:{why.value}", now, force=True)
    for piece in plan.pieces:
        _strip(tx, node, piece.row)
    _record(tx, node, row, why, pieces, files, unanswered, now)


def plan_of(tx: Transaction, node: Shredder, row: HandoverRow) -> Plan:
    """Everything of this version; nothing where no message of it is stored here with its keys."""
    try:
        return make(tx, node, row.ref, row.version, None, others=False)
    except NotFound:  # what came was refused, or is purged
        return Plan(row.ref, None, ())


def _strip(tx: Transaction, node: Shredder, row: EnvelopeRow) -> None:
    """Of what we received nothing stays but the sender's signed statement: with the sealed bytes go the slots
    that an agency's key might open one day. What we sent stays sealed, for it is evidence."""
    if row.side is Side.DESTINATION and (note := streams.stored_note(node, row)):
        tx.strip_envelope(row.mid, row.side, note)


def _end_deliveries(tx: Transaction, legs: Sequence[LegRow]) -> None:
    """What no agency has been given is not tried for ever."""
    for task in (task for leg in legs for task in tx.tasks_of(leg.id)):
        if task.kind is not Parcel.STATUS and task.state is not Task.DONE:
            tx.advance_task(task.id, task.state, Task.DONE, error="purged")


def _record(
    tx: Transaction,
    node: Shredder,
    row: HandoverRow,
    why: Why,
    pieces: Sequence[Piece],
    files: int,
    unanswered: int,
    now: int,
) -> None:
    parts = sum(len(piece.parts) for piece in pieces)
    months = Counter(piece.row.epoch for piece in pieces)
    told = " ".join(f"{month}:{count}" for month, count in sorted(months.items()))
    slots = _slots_until(node, pieces)
    done = PurgeRow(
        row.ref, row.version, node.area, now, why.value, len(pieces), parts, files, unanswered, told, slots
    )
    tx.put_purge(done)
    tx.append_log(leaf_of(tx, done), mid=main_message(tx, done))
    log.info("purged", ref=row.ref, version=row.version, why=why.value, messages=len(pieces))


def _slots_until(node: Shredder, pieces: Sequence[Piece]) -> int:
    """Until when a subkey in this key store opens a slot of something received. 0: none does."""
    return max(
        (
            key.until + GRACE
            for piece in pieces
            if piece.slots
            for reader in piece.secrets.readers
            for key in node.keys.subkeys(reader)
            if key.since <= piece.row.created
        ),
        default=0,
    )


def leaf_of(tx: Transaction, row: PurgeRow) -> bytes:
    """The leaf of the log about a purge: codes and counts, found by the message that brought the handover."""
    facts: JsonObject = {"t": PURGED, "at": row.at, "mid": main_message(tx, row), "why": row.why}
    facts |= {"messages": row.messages, "parts": row.parts, "files": row.files}
    return encode(facts)


def main_message(tx: Transaction, row: PurgeRow) -> str:
    """The message that carries the legs of a version; "" where there are none."""
    legs = tx.legs(row.ref, row.version)
    return legs[0].mid if legs else ""


def _tell(tx: Transaction, row: HandoverRow, waiting: Sequence[LegRow], now: int) -> Sequence[TaskRow]:
    """Nobody had answered these, and nobody can read them any more: whoever is responsible acts by other
    means, and people at both nodes hear of it."""
    if waiting:
        peer = row.destination if row.side is Side.ORIGIN else row.origin
        sound(tx, UNANSWERED, peer=peer, at=now, subject=name(row.ref, row.version))
    return [_news(tx, leg, _concerned(leg), UNANSWERED, now) for leg in waiting]


def _concerned(leg: LegRow) -> str:
    return leg.counterpart if leg.side is Side.ORIGIN else leg.principal


def _news(tx: Transaction, leg: LegRow, principal: str, event: str, now: int) -> TaskRow:
    """WAITING whatever the agency: its pump finds out whether it fetches."""
    task = TaskRow(
        id=f"{event}-{leg.id}",
        kind=Parcel.STATUS,
        principal=principal,
        leg=leg.id,
        mid="",
        state=Task.WAITING,
        due=now,
        created=now,
        subject=event,
    )
    tx.put_task(task)
    return task


# --- looking, and doing it now ----------------------------------------------------------------------


async def preview(node: Shredder, until: int | None = None) -> Sequence[Coming]:
    """What is due by ``until`` (unix seconds; None: now), soonest first. Nothing is changed. A leg that is
    acknowledged in the meantime may bring a date nearer."""
    limit = node.clock.now() if until is None else until
    found: list[Coming] = []
    after = ""
    while page := await node.store.read(partial(_page, after=after)):
        after = page[-1].id
        due = [await node.store.read(partial(_coming, row=row)) for row in page]
        found += [one for one in due if one.due <= limit]
    return sorted(found, key=lambda one: (one.due, one.ref, one.version))


def _page(tx: Transaction, *, after: str) -> Sequence[HandoverRow]:
    return tx.unpurged(after, PAGE)


def _coming(tx: Transaction, *, row: HandoverRow) -> Coming:
    due, legs = due_of(tx, row), tx.legs(row.ref, row.version)
    rows = [one for one in tx.envelopes_of(row.ref, row.version) if one.secrets]
    files = [blob.sealed for area in ("", row.origin) for blob in _blobs(tx, row, area)]
    hold = holds.held(tx, row.ref)
    return Coming(
        ref=row.ref,
        version=row.version,
        side=row.side,
        peer=row.destination if row.side is Side.ORIGIN else row.origin,
        state=row.state,
        due=due.at,
        why=due.why,
        messages=len(rows),
        bytes=sum(len(one.body) for one in rows) + sum(files),
        unanswered=sum(LegState(leg.state) not in ANSWERED | TERMINAL for leg in legs),
        held=hold.code if hold else "",
    )


def _blobs(tx: Transaction, row: HandoverRow, area: str) -> Sequence[BlobRow]:
    return tx.blobs(peer=area, ref=row.ref, version=row.version)


async def run(node: Shredder, by: Person) -> Sequence[Coming]:
    """Purge everything that is due now, as the node itself does. Returns what went, and what a hold keeps.

    Each version is a transaction of its own, so a crash loses nothing and the next run goes on. Raises
    Misconfigured when the key store could not forget yet: it is on record then.
    """
    found = await preview(node)
    for one in found:
        if not one.held:
            await node.store.write(partial(_due_now, node=node, one=one, by=by))
    await shred.resume(node)
    return found


def _due_now(tx: Transaction, *, node: Shredder, one: Coming, by: Person) -> None:
    """Looked at once more, in the transaction that destroys: a hold, or a purge, may have come first."""
    row, now = tx.handover(one.ref, one.version), node.clock.now()
    if row is None or row.state == HandoverState.PURGED or holds.held(tx, one.ref):
        return
    due = due_of(tx, row)
    if due.at <= now:
        purge(tx, node, row, due.why, by, now)
