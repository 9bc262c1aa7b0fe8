"""What a person says of an urgent move after it was sent: it was called through, it stays urgent, or it is
urgent no more.

Order of a downgrade: ONE transaction at the origin {record, deadlines of the legs that are not answered, news
for our agencies, a control envelope for the peer} -> the peer does the same to its own legs, by the same two
signed seconds. What is said in a control envelope lives three days, so it is said again until every leg is
answered; hearing it again changes nothing.

It leaves out the clocks that ask for all this (:mod:`gateway.flows.urgent`). Rules: the agency that handed
the move in answers for it; codes and roles only, and the person is a reference. Who was called, in which
role, is an access of s.62 DPA 2018 (a disclosure by telephone), sealed as every word of an acting person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.core.durations import HOUR
from gateway.core.encoding import Json, JsonObject, fields, integer, text
from gateway.core.urgent import REVIEW, softened
from gateway.errors import Conflict, Forged, NotFound, Unavailable
from gateway.flows import accounts, clocks, control, urgent
from gateway.flows.control import Came
from gateway.flows.facts import HANDOVER
from gateway.flows.node import Caller, Node, area_of, lane_for, log_leaf
from gateway.flows.receipts import parking
from gateway.flows.timers import set_timer
from gateway.ports import (
    AccessRow,
    HandoverRow,
    LegEvent,
    LegRow,
    Parcel,
    Side,
    TaskRow,
    TimerRow,
    Transaction,
    UrgentRow,
)
from schemas.urgent import Keep

SECTION: Final = "downgrade"
"""The section of a control envelope, and the timer that says it again."""

AGAIN: Final = 48 * HOUR
DOWNGRADED: Final = "downgraded"


@dataclass(frozen=True, slots=True)
class Reviewed:
    """Where the move stands after a review. ``review_by``: when the next is due, 0 for none."""

    ref: str
    urgent: bool
    review_by: int


@dataclass(frozen=True, slots=True)
class Call:
    """A telephone call that handed over: when, from which role to which. The number was called back."""

    at: int
    from_role: str
    to_role: str


async def keep(node: Node, caller: Caller, ref: str, reason: Keep) -> Reviewed:
    """Another 72 hours from now. Raises NotFound, Conflict."""
    now = node.clock.now()

    def work(tx: Transaction) -> Reviewed:
        row, handover = _open(tx, caller, ref)
        after = replace(row, kept=row.kept + 1, reviewed=now, review_by=now + REVIEW)
        tx.change_urgent(after)
        urgent.review_again(tx, node, after, now)
        _record(tx, caller, handover, f"URGENT_KEPT_{reason.value}", now)
        log_leaf(tx, "urgent_kept", now, ref=ref, reason=reason.value)
        return Reviewed(ref, urgent=True, review_by=after.review_by)

    return await node.store.write(work)


async def downgrade(node: Node, caller: Caller, ref: str) -> Reviewed:
    """It is STANDARD from now. No deadline that has passed moves. Raises NotFound, Conflict, Unavailable
    when the peer cannot be told: both nodes are to know the same."""
    now = node.clock.now()

    def work(tx: Transaction) -> tuple[Reviewed, Sequence[TaskRow]]:
        row, handover = _open(tx, caller, ref)
        tx.change_urgent(replace(row, reviewed=now, downgraded=now))
        urgent.stop(tx, node, urgent.REVIEWING, ref, now)
        if not _tell_peers(tx, node, handover, now, now):
            raise Unavailable(
                "the other node cannot be told now",
                code="downgrade_untold",
                remedy="try again when its keys and our directory are in date: `gateway doctor`",
            )
        set_timer(tx, SECTION, ref, now + AGAIN, row.kept)
        _record(tx, caller, handover, "URGENT_DOWNGRADED", now)
        log_leaf(tx, "urgent_downgraded", now, ref=ref)
        return Reviewed(ref, urgent=False, review_by=0), _soften(tx, node, handover, now)

    reviewed, news = await node.store.write(work)
    for task in news:
        node.wake.agency(task.principal, task.lane)
    node.wake.signed()
    return reviewed


async def called(node: Node, caller: Caller, ref: str, call: Call) -> None:
    """Put on record that a move was handed over by telephone, to a number that was called back.

    Raises NotFound, Conflict for a second call, or one from before the handover or from the future.
    """
    now = node.clock.now()

    def work(tx: Transaction) -> None:
        row, handover = _mine(tx, caller, ref)
        if row.called:
            raise Conflict("a call is on record already", code="called_already", remedy="nothing is owed")
        if not row.issued - REVIEW <= call.at <= now:
            raise Conflict(
                "the time of the call is in the future, or days before the handover",
                code="call_time",
                remedy="give when the call was made, with its offset",
            )
        tx.change_urgent(replace(row, called=now))
        urgent.stop(tx, node, urgent.CALL, ref, now)
        access = _access(caller, handover, "VERBAL_HANDOVER", now)
        told = f"{call.from_role} -> {call.to_role}; called back; at {call.at}"
        accounts.record(tx, accounts.noted(node.keys, replace(access, operation="DISCLOSURE"), told))
        log_leaf(tx, "verbal_handover", now, ref=ref, call=call.at)
        for leg in tx.legs(handover.ref, handover.version):
            event = LegEvent(leg.id, now, "verbal_handover", leg.state, leg.state, caller.principal)
            tx.advance_leg(leg.id, leg.state, leg.state, event)

    await node.store.write(work)


def _mine(tx: Transaction, caller: Caller, ref: str) -> tuple[UrgentRow, HandoverRow]:
    """Raises NotFound, also for what another agency handed in."""
    handover, row = tx.handover(ref), tx.urgent(ref)
    if handover is None or handover.side is not Side.ORIGIN or handover.submitted_by != caller.principal:
        raise NotFound(
            "no such handover handed in by this agency",
            code="no_handover",
            remedy="check the reference: HO-<area>-<year>-<6 digits>",
        )
    if row is None:
        raise Conflict("this handover is not urgent", code="not_urgent", remedy="nothing is owed")
    return row, handover


def _open(tx: Transaction, caller: Caller, ref: str) -> tuple[UrgentRow, HandoverRow]:
    row, handover = _mine(tx, caller, ref)
    if row.downgraded:
        raise Conflict(
            "it was downgraded already",
            code="downgraded",
            remedy="a new version with urgency URGENT and its evidence makes it urgent again",
        )
    return row, handover


def _record(tx: Transaction, caller: Caller, handover: HandoverRow, why: str, now: int) -> None:
    accounts.record(tx, _access(caller, handover, why, now))


def _access(caller: Caller, handover: HandoverRow, why: str, now: int) -> AccessRow:
    return AccessRow(
        at=now,
        operation="ALTERATION",
        principal=caller.principal,
        actor=caller.actor,
        role=caller.role,
        ref=handover.ref,
        version=handover.version,
        leg="",
        sections=(),
        recipients=(),
        justification=why,
    )


# --- both nodes -------------------------------------------------------------------------------------


def _soften(tx: Transaction, node: Node, handover: HandoverRow, at: int) -> Sequence[TaskRow]:
    """New deadlines for the legs that wait, by two signed seconds alone, and the news of it."""
    news = []
    for leg in urgent.unanswered(tx, handover):
        due = softened(leg.delivered, at) if leg.delivered else None
        changes = {"acknowledge_by": due.acknowledge_by, "decide_by": due.decide_by} if due else {}
        event = LegEvent(leg.id, at, DOWNGRADED, leg.state, leg.state, f"{handover.origin}/node")
        if not tx.advance_leg(leg.id, leg.state, leg.state, event, **changes):
            continue
        if due:
            clocks.restart(tx, replace(leg, acknowledge_by=due.acknowledge_by, decide_by=due.decide_by))
        task = _news(node, leg, at)
        news += [task] if tx.put_task(task) else []
    return news


def _news(node: Node, leg: LegRow, at: int) -> TaskRow:
    to = leg.counterpart if leg.side is Side.ORIGIN else leg.principal
    return TaskRow(
        id=f"status-{leg.id}-{DOWNGRADED}-{at}",
        kind=Parcel.STATUS,
        principal=to,
        leg=leg.id,
        mid="",
        state=parking(node, to),
        due=at,
        created=at,
        subject=DOWNGRADED,
        lane=lane_for(leg.urgency),
    )


def _tell_peers(tx: Transaction, node: Node, handover: HandoverRow, at: int, now: int) -> bool:
    told: JsonObject = {SECTION: {"handover": handover.ref, "at": at}}
    areas = {area_of(leg.principal) for leg in tx.legs(handover.ref, handover.version)}
    areas = {area for area in areas if not node.network.external(area)}  # a person carries what goes there
    heard = [control.tell(tx, node, area, told, now) for area in sorted(areas)]  # every one, whoever fails
    return all(heard)


def say_again(tx: Transaction, node: Node, timer: TimerRow, now: int) -> Sequence[TaskRow]:
    """At the origin, while a leg waits: a peer that was away for days must not go on by the old clock."""
    row, handover = tx.urgent(timer.subject), tx.handover(timer.subject)
    if row is None or handover is None or not row.downgraded or not urgent.unanswered(tx, handover):
        return ()
    _tell_peers(tx, node, handover, row.downgraded, now)
    set_timer(tx, SECTION, row.ref, now + AGAIN, timer.step + 1)
    return ()


def hear(tx: Transaction, node: Node, came: Came, value: Json) -> None:
    """At the destination: the origin's own urgency ends. It may come before the handover itself.

    Raises Forged for another area's handover, or a moment that the origin had not reached.
    """
    told = fields(value, {"handover": str, "at": int})
    ref, at = text(told, "handover", HANDOVER), integer(told, "at", low=1)
    if not ref.startswith(f"HO-{came.peer}-"):
        raise Forged("a downgrade of another area's handover", code="handover_area")
    if at > came.statement.created:
        raise Forged("a downgrade from the future", code="downgrade_date")
    row = tx.urgent(ref)
    if row is None:
        tx.put_urgent(UrgentRow(ref, at, downgraded=at))
        return
    if row.downgraded >= at or row.issued > at:
        return
    tx.change_urgent(replace(row, downgraded=at))
    handover = tx.handover(ref)
    if handover is not None and handover.side is Side.DESTINATION:
        for task in _soften(tx, node, handover, at):
            node.wake.agency(task.principal, task.lane)
