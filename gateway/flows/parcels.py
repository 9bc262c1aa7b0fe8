"""Parcels and notices: what an agency must see before a handover, and what it may not open any more.

Rules
-----
- A notice that says that something is wrong is shown before what it is about, to an adapter and to a person
  alike (s.38(5)(c) DPA 2018): until it has been handed over, the handover waits.
- What is withdrawn, unlawful, ordered to be purged or erased is opened by nobody from the moment at which
  this node knows, whether its keys are gone already or not.
- What is restricted is opened on the grounds of :data:`GROUNDS` alone (s.46(4), s.47 DPA 2018; Art 18(2) UK
  GDPR), so never by an adapter. A restriction of one section leaves that section out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.core.encoding import JsonObject, decode_object
from gateway.core.notices import HELD_BACK, TYPES, NoticeKind
from gateway.errors import Conflict, NotAllowed
from gateway.flows.timers import set_again
from gateway.ports import EnvelopeRow, LegRow, NoticeRow, Parcel, Side, Task, TaskRow, Transaction

NOTICE_FIRST: Final = "notice_first"
"""Why a parcel waits: a notice about it has to be seen before."""

LONG: Final = 3600
"""Seconds until a parcel that waits for a notice is looked at without being called."""


def leg_of(tx: Transaction, task: TaskRow) -> LegRow | None:
    """A notice may have come before its handover, or be about none: then a leg that says what is known."""
    leg = tx.leg(task.leg)
    row = tx.notice(task.subject) if leg is None and task.kind is Parcel.NOTICE else None
    if row is None:
        return leg
    reader = next((one for one in tx.notice_legs(row.id) if one.leg == task.leg), None)
    return LegRow(
        id=task.leg,
        ref=row.ref,
        version=row.version,
        side=row.side,
        principal=task.principal,
        agency=task.principal.partition("/")[2].upper(),
        counterpart=reader.counterpart if reader else row.by,
        state="DELIVERED",
        urgency=row.urgency,
        mid=row.mid,
    )


def notice_waits(tx: Transaction, leg: LegRow) -> bool:
    """Whether this leg's agency has to see a notice before its handover."""
    for row in tx.notices(ref=leg.ref):
        if row.side is Side.DESTINATION and NoticeKind(row.kind) in HELD_BACK:
            task = tx.task(task_id(row.id, next(_legs(tx, row.id, leg.principal), "")))
            if task is not None and task.state is not Task.DONE:
                return True
    return False


def check_notice_seen(tx: Transaction, leg: LegRow) -> None:
    """Raises Conflict while it has not."""
    if notice_waits(tx, leg):
        raise Conflict(
            "a notice about this handover has to be read first",
            code=NOTICE_FIRST,
            remedy="GET /v1/inbox lists it as a parcel of kind notice: open that one, then this",
        )


def _legs(tx: Transaction, notice: str, principal: str) -> Iterator[str]:
    return (reader.leg for reader in tx.notice_legs(notice) if reader.principal == principal)


def task_id(notice: str, leg: str) -> str:
    return f"notice-{notice}-{leg}"


def set_back(tx: Transaction, task: TaskRow, now: int) -> None:
    """A handover that was claimed and may not be shown yet."""
    tx.advance_task(task.id, Task.WAITING, Task.WAITING, due=now + LONG, error=NOTICE_FIRST)


def let_on(tx: Transaction, ref: str, principal: str, now: int) -> None:
    """What waited for a notice of this agency, or for the end of a restriction, is due."""
    newest = tx.handover(ref) if ref else None
    for version in range(1, newest.version + 1 if newest else 1):
        for leg in tx.legs(ref, version):
            if leg.principal == principal:
                _due(tx, leg.id, now)


def _due(tx: Transaction, leg: str, now: int) -> None:
    for task in tx.tasks_of(leg):
        if task.error in (NOTICE_FIRST, RESTRICTED):
            tx.advance_task(task.id, Task.WAITING, Task.WAITING, due=now)


# --- what may not be opened -------------------------------------------------------------------------

WITHDRAWN: Final = "withdrawn"
RESTRICTED: Final = "restricted"
OVER: Final = "past_purge"
"""Its last day has passed, and the purge has not come by yet, or a legal hold stands."""
IN_ERROR: Final = "SENT_IN_ERROR"
"""The code of the correction that whoever had a handover by mistake is sent (`gateway.flows.custody`)."""

LIFTED: Final = "LIFTED"
"""The state of a restriction that has ended."""

GROUNDS: Final = frozenset({"LEGAL_CLAIM", "SUBJECT_AGREES", "SAFEGUARDING_CHECK", "AUDIT"})
"""Justifications on which what is restricted is opened: a legal claim or evidence, the person's agreement,
the protection of somebody, a check on the handling itself."""


@dataclass(frozen=True, slots=True)
class Bar:
    """What stands against opening a handover. ``code``: WITHDRAWN, RESTRICTED or "" for nothing.
    ``sections``: those that are left out."""

    code: str = ""
    sections: frozenset[str] = frozenset()


def bar(tx: Transaction, leg: LegRow) -> Bar:
    """Out of every notice about this handover that concerns the leg's agency."""
    code, sections = "", set[str]()
    for row in tx.notices(ref=leg.ref):
        kind, section = NoticeKind(row.kind), str(facts(row).get("section", ""))
        restricts = kind is NoticeKind.RESTRICTION and row.state != LIFTED
        # What the origin has destroyed elsewhere bars nobody there from what is answered about it.
        ends = TYPES[kind].destroys and row.side is Side.DESTINATION
        if row.version < leg.version or not (restricts or ends):
            continue  # what is sent anew after it is another matter
        if not concerns(tx, row, leg.principal):
            continue
        if section:
            sections.add(section)
        elif not restricts:
            return Bar(WITHDRAWN)
        else:
            code = RESTRICTED
    return Bar(code, frozenset(sections))


def facts(row: NoticeRow) -> JsonObject:
    return decode_object(row.facts.encode())


def concerns(tx: Transaction, row: NoticeRow, principal: str) -> bool:
    """Whether a notice is for this agency; one that was sent to this node about no agency is for all."""
    readers = [reader.principal for reader in tx.notice_legs(row.id) if not reader.onward]
    return principal in readers


def check_open(tx: Transaction, leg: LegRow, justification: str) -> Bar:
    """What an opening has to leave out. Raises NotAllowed for what is withdrawn, and for what is restricted
    and asked for on no ground that counts then."""
    found = bar(tx, leg)
    if found.code == WITHDRAWN:
        raise NotAllowed(
            "this handover was withdrawn: nobody opens it any more",
            code=WITHDRAWN,
            remedy="read the notice in your inbox; destroy what you hold, and say so",
        )
    if found.code == RESTRICTED and justification not in GROUNDS:
        raise NotAllowed(
            "this handover is restricted: it is kept and not used",
            code=RESTRICTED,
            rule="s.46-48",
            field="/justification",
            remedy=f"it is opened for {', '.join(sorted(GROUNDS))} alone; GET /notices says why",
        )
    return found


@dataclass(frozen=True, slots=True)
class Beside:
    """What changes the view of a handover. ``kept_out``: sections that are restricted; ``statements``: the
    messages with the subject's own."""

    kept_out: frozenset[str] = frozenset()
    statements: Sequence[EnvelopeRow] = ()

    def left_out(self, sections: JsonObject) -> JsonObject:
        return {name: value for name, value in sections.items() if name not in self.kept_out}


NOTHING: Final = Beside()


def beside(tx: Transaction, leg: LegRow, found: Bar) -> Beside:
    """``found``: what :func:`bar` said."""
    said = [
        envelope
        for row in tx.notices(ref=leg.ref)
        if row.kind == NoticeKind.RECTIFICATION and row.side is Side.DESTINATION
        if concerns(tx, row, leg.principal) and (envelope := tx.envelope(row.mid)) is not None
    ]
    return Beside(found.sections, said)


def put_aside(tx: Transaction, task: TaskRow, code: str, now: int) -> None:
    """A claimed parcel that nobody may open: over, or waiting for a restriction to end, or for the purge."""
    if code == WITHDRAWN:
        tx.advance_task(task.id, Task.WAITING, Task.DONE, error=WITHDRAWN)
    else:
        tx.advance_task(task.id, Task.WAITING, Task.WAITING, due=now + LONG, error=code)


def check_relayed(tx: Transaction, task: TaskRow, leg: LegRow) -> None:
    """The same for sealed bytes, out of which nothing can be left: a restriction of one section stops them
    all, and so does a notice that its agency has not taken. Raises Conflict, NotAllowed."""
    if task.kind not in (Parcel.NOTIFICATION, Parcel.REPLY):
        return
    if check_open(tx, leg, "").sections:
        raise NotAllowed(
            "a section of this handover is restricted, and nothing can be left out of sealed bytes",
            code=RESTRICTED,
            rule="s.46-48",
            remedy="GET /v1/handovers/{ref}/notices says which, and why",
        )
    if task.kind is Parcel.NOTIFICATION:
        check_notice_seen(tx, leg)


def spared(tx: Transaction, mid: str) -> bool:
    """Whether a message carries a notice that stays when it has content destroyed: the one that asks for it,
    an answer to one, and what the node itself says of a handover that went to the wrong place: a breach
    record, or that it was sent in error. These hold nothing of the handover, and may come after the order."""
    row = tx.notice_of(mid)
    if row is None:
        return False
    what = TYPES[NoticeKind(row.kind)]
    return what.destroys or what.about or row.kind == NoticeKind.BREACH_RECORD or row.code == IN_ERROR


# --- versions ---------------------------------------------------------------------------------------

SUPERSEDED: Final = "superseded"
"""The timer of :mod:`gateway.flows.versions`."""


def opened(tx: Transaction, leg: LegRow, now: int) -> None:
    """An agency has opened a version: once all of them have, those before it go at once."""
    newest = tx.handover(leg.ref) if leg.version > 1 else None
    if newest is None or newest.version != leg.version:
        return
    if all(one.opened or one.id == leg.id for one in tx.legs(leg.ref, leg.version)):
        for version in range(1, newest.version):
            if tx.handover(leg.ref, version) is not None:  # a peer may leave thousands of numbers out
                set_again(tx, SUPERSEDED, f"{leg.ref}/{version}", now)
