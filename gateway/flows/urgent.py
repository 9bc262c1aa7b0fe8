"""Urgent moves (domain 6.6): what is owed after one was sent, by when, and who is told that it is missing.

Duty: the record of one urgent move, its clocks on both sides, and the figures of misuse. It leaves out the
two answers of a person: the call and the review (:mod:`gateway.flows.urgent_review`), the second authoriser
(:mod:`gateway.flows.drafts`), and what a downgrade does to a leg's deadlines (:mod:`gateway.flows.urgency`).

======================= =============================== ===================================================
timer                   due                             then
======================= =============================== ===================================================
``full_version``        half of the way; 1 working day  parcel to the sender; alarm ``partial_overdue``
``full_owed``           1 working day, where it came    parcel to each agency that has the partial one
``urgent_call``         half of the way; 2 hours        parcel; alarm ``urgent_call_missing``
``urgent_authoriser``   half of the way; 1 working day  parcel; alarm ``urgent_unauthorised``
``urgent_review``       72 hours; 4 hours more          parcel; alarm ``urgent_unreviewed``
======================= =============================== ===================================================

Rules: a clock that runs is not started anew by a second partial version. What is settled clears its alarm;
while an alarm stands the area's ladder of roles is climbed, over a missing call every half hour.
No row holds a word of the document: of the trigger only whether it is OTHER_EVIDENCED.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.core.encoding import JsonObject
from gateway.core.states import ANSWERED, SETTLED, HandoverState, LegState
from gateway.core.urgent import GRACE, REVIEW, call_by, out_of_hours, owed_by
from gateway.flows import paging, receipts
from gateway.flows.alarms import settle, sound
from gateway.flows.facts import Facts
from gateway.flows.node import Caller, Node, lane_for
from gateway.flows.timers import set_timer
from gateway.ports import HandoverRow, LegRow, Parcel, Side, TaskRow, TimerRow, Transaction, UrgentRow
from schemas.handover import HandoverNotification
from schemas.message import Completeness, Trigger
from schemas.vocabulary import Urgency

FULL: Final = "full_version"
OWED: Final = "full_owed"
CALL: Final = "urgent_call"
AUTHORISER: Final = "urgent_authoriser"
REVIEWING: Final = "urgent_review"

ESCALATION: Final = "urgent_escalation"

ALARMS: Final = {
    FULL: "partial_overdue",
    CALL: "urgent_call_missing",
    AUTHORISER: "urgent_unauthorised",
    REVIEWING: "urgent_unreviewed",
}
"""Timer -> the alarm of its last step."""

_ENDED: Final = frozenset(
    {
        HandoverState.CLOSED,
        HandoverState.WITHDRAWN,
        HandoverState.ONWARD_MOVED,
        HandoverState.DIED_OR_NO_LONGER_RELEVANT,
        HandoverState.PURGED,
    }
)


# --- a handover goes out ----------------------------------------------------------------------------


def issued(
    tx: Transaction,
    node: Node,
    document: HandoverNotification,
    caller: Caller,
    before: HandoverRow | None,
    now: int,
) -> None:
    """At the origin, in the transaction that issues a version. ``before``: the newest version until now."""
    message = document.message
    _full_version(tx, node, document, before, now)
    row = tx.urgent(message.handover_id) if before is not None else None
    if message.urgency is not Urgency.URGENT:
        if row is not None and not row.downgraded:  # the new version says it is urgent no more
            tx.change_urgent(replace(row, downgraded=now))
            stop(tx, node, REVIEWING, row.ref, now)
        return
    if row is None:
        row = UrgentRow(
            message.handover_id, now, drill=bool(message.drill), review_by=now + REVIEW, actor=caller.actor
        )
        tx.put_urgent(row)
        _review_in(tx, row)
    elif row.downgraded:  # and now it is again
        row = replace(row, downgraded=0, kept=row.kept + 1, review_by=now + REVIEW)
        _review_in(tx, row)
    _owed(tx, node, document, row, now)


def _owed(tx: Transaction, node: Node, document: HandoverNotification, row: UrgentRow, now: int) -> None:
    """What this version brings along is settled; what it does not is asked for, once for all versions."""
    urgent = document.urgent
    called = bool(urgent and urgent.verbal_handover)
    authorised = bool(document.message.authorisations)
    other = urgent is not None and urgent.trigger is Trigger.OTHER_EVIDENCED
    row = replace(
        row,
        other=row.other or other,
        called=row.called or (now if called else 0),
        authorised=row.authorised or (now if authorised else 0),
    )
    tx.change_urgent(row)
    if row.called:
        stop(tx, node, CALL, row.ref, now)
    elif out_of_hours(document, now):
        _within(tx, CALL, row.ref, now, call_by(now))
    if row.authorised:
        stop(tx, node, AUTHORISER, row.ref, now)
    else:
        _within(tx, AUTHORISER, row.ref, now, owed_by(now))


def _full_version(
    tx: Transaction, node: Node, document: HandoverNotification, before: HandoverRow | None, now: int
) -> None:
    ref, version = document.message.handover_id, document.message.version
    if document.data_quality.completeness is not Completeness.PARTIAL_URGENT:
        if before is not None:
            stop(tx, node, FULL, ref, now)
    elif before is None or not before.partial:
        _within(tx, FULL, ref, now, owed_by(now), step=2 * (version - 1))


def _within(tx: Transaction, kind: str, ref: str, now: int, due: int, step: int = 0) -> None:
    """A warning half of the way, and the end of it."""
    set_timer(tx, kind, ref, now + (due - now) // 2, step)
    set_timer(tx, kind, ref, due, step + 1)


def _review_in(tx: Transaction, row: UrgentRow) -> None:
    set_timer(tx, REVIEWING, row.ref, row.review_by, 2 * row.kept)
    set_timer(tx, REVIEWING, row.ref, row.review_by + GRACE, 2 * row.kept + 1)


def review_again(tx: Transaction, node: Node, row: UrgentRow, now: int) -> None:
    """It stays urgent: the same clock once more. ``row`` as it stands after the review."""
    stop(tx, node, REVIEWING, row.ref, now)
    _review_in(tx, row)


def stop(tx: Transaction, node: Node, kind: str, ref: str, now: int) -> None:
    """It is settled: no timer of it fires any more, and what was said of it being missing is over."""
    tx.drop_timers(kind, ref)
    settle(tx, ALARMS[kind], peer=node.area, at=now, why="settled", about=ref)


# --- a handover comes in ----------------------------------------------------------------------------


def arrived(tx: Transaction, row: HandoverRow, told: Facts, signed: int, *, first: bool) -> None:
    """At the destination, in the receiving transaction. ``signed``: when the origin signed it, so that both
    nodes name the same moment for the full version. ``first``: no other version is here."""
    ref, version, urgency = row.ref, row.version, row.urgency
    if told.partial:
        if not any(row.kind == OWED and not row.fired for row in tx.timers(ref)):
            set_timer(tx, OWED, ref, owed_by(signed), version)
    elif not first:
        tx.drop_timers(OWED, ref)
    if urgency == Urgency.URGENT and not tx.put_urgent(UrgentRow(ref, signed, drill=told.drill)):
        was = tx.urgent(ref)
        if was is not None and was.downgraded and signed > was.downgraded:  # a newer version is urgent again
            tx.change_urgent(replace(was, downgraded=0))


def full_by(tx: Transaction, row: HandoverRow) -> int:
    """By when the full version of a partial handover is owed, for either side; 0 when it is not partial."""
    if not row.partial:
        return 0
    kind = FULL if row.side is Side.ORIGIN else OWED
    return max((timer.due for timer in tx.timers(row.ref) if timer.kind == kind), default=0)


# --- timers -----------------------------------------------------------------------------------------


def fire(tx: Transaction, node: Node, timer: TimerRow, now: int) -> Sequence[TaskRow]:
    """Any of the clocks at the origin: the sender is told at every step, everybody at the last."""
    row = tx.handover(timer.subject)
    if row is None or row.side is not Side.ORIGIN or HandoverState(row.state) in _ENDED:
        return ()
    last = bool(timer.step % 2)
    if last:
        sound(tx, ALARMS[timer.kind], peer=node.area, at=now, subject=row.ref)
        set_timer(tx, ESCALATION, f"{timer.kind}/{row.ref}/{timer.step}", now, 10 * (timer.step // 2))
    event = f"{timer.kind}_{'overdue' if last else 'due'}"
    return tell(tx, node, row, event, timer.step, now)


def escalate(tx: Transaction, node: Node, timer: TimerRow, now: int) -> Sequence[TaskRow]:
    """Call the next role of the area's ladder for as long as the alarm stands; past its end the last again,
    who is also the first to hear of what is missed for a second time."""
    kind, ref, _ = timer.subject.split("/")
    row, role = tx.handover(ref), node.ladders.rung(f"{node.area}/", timer.step)
    standing = any(alarm.subject == ref for alarm in tx.standing_alarms(ALARMS[kind], peer=node.area))
    if row is None or not standing or not role:
        return ()
    paging.page(tx, node, ALARMS[kind], ref=ref, area=row.destination, step=timer.step, now=now)
    pace = Urgency.URGENT if kind == CALL else Urgency.STANDARD
    set_timer(tx, ESCALATION, timer.subject, node.ladders.next_call(role, pace, now), timer.step + 1)
    return ()


def tell(tx: Transaction, node: Node, row: HandoverRow, event: str, step: int, now: int) -> Sequence[TaskRow]:
    """News of a handover for the agency that handed it in: a code and times, on its first leg."""
    legs = tx.legs(row.ref, row.version)
    if not legs:
        return ()
    task = replace(
        _parcel(node, legs[0], row.submitted_by, event, now), id=f"status-{legs[0].id}-{event}-{step}"
    )
    return (task,) if tx.put_task(task) else ()


def fire_owed(tx: Transaction, node: Node, timer: TimerRow, now: int) -> Sequence[TaskRow]:
    """At the destination: those who act on a partial handover learn that the rest has not come."""
    row = tx.handover(timer.subject)
    if row is None or not row.partial or HandoverState(row.state) in _ENDED:
        return ()
    legs = [leg for leg in tx.legs(row.ref, row.version) if LegState(leg.state) not in SETTLED]
    made = [_parcel(node, leg, leg.principal, "full_version_overdue", now) for leg in legs]
    return [task for task in made if tx.put_task(task)]


def _parcel(node: Node, leg: LegRow, to: str, event: str, now: int) -> TaskRow:
    return TaskRow(
        id=f"status-{leg.id}-{event}",
        kind=Parcel.STATUS,
        principal=to,
        leg=leg.id,
        mid="",
        state=receipts.parking(node, to),
        due=now,
        created=now,
        subject=event,
        lane=lane_for(leg.urgency),
    )


def unanswered(tx: Transaction, row: HandoverRow) -> list[LegRow]:
    """Legs of this version whose agency has not decided, and still may."""
    done = ANSWERED | SETTLED
    return [leg for leg in tx.legs(row.ref, row.version) if LegState(leg.state) not in done]


# --- figures ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Misuse:
    """Urgent moves of this area that were issued in a time, drills not among them. ``suspect``: downgraded
    later, or under OTHER_EVIDENCED, each move counted once: the numerator of the misuse rate."""

    moves: int
    downgraded: int
    other: int
    suspect: int
    kept: int
    unreviewed: int
    unauthorised: int
    drills: int

    def facts(self) -> JsonObject:
        return {name: getattr(self, name) for name in self.__slots__}


def misuse(tx: Transaction, since: int, until: int) -> Misuse:
    """For the quarterly report: moves issued from ``since`` to before ``until`` (unix seconds)."""
    rows = [row for row in tx.urgent_moves(since, until) if row.review_by]  # our own: the peer reviews its
    moves = [row for row in rows if not row.drill]
    live = [row for row in moves if not row.downgraded]
    return Misuse(
        moves=len(moves),
        downgraded=sum(bool(row.downgraded) for row in moves),
        other=sum(row.other for row in moves),
        suspect=sum(bool(row.downgraded or row.other) for row in moves),
        kept=sum(bool(row.kept) for row in moves),
        unreviewed=sum(row.review_by <= until for row in live),  # every review moves it on
        unauthorised=sum(not row.authorised for row in moves),
        drills=len(rows) - len(moves),
    )
