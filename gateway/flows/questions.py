"""Questions between the two sides of a handover: what is missing, and who may enter an excluded area.

Duty: INFORMATION_REQUEST and PERMISSION_REQUEST with their answers (domain 6.5 CS-02, OR-02; 6.8). The words
travel sealed; here are codes, the clock until an answer is due, and what an answer settles.

Rules
-----
- A question is read before it is answered, and its answer is its completion: one act, signed by the agency.
- An unanswered question is called about as a late leg is. It never expires by itself.
- A permission names the area, where, and from when until when; both nodes know the area and the times, so
  that it can be seen to have ended. The order itself is changed by a court and by nobody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from gateway.core.deadlines import add_working_days
from gateway.core.durations import DAY, HOUR
from gateway.core.encoding import JsonObject
from gateway.core.notices import NoticeKind, advance_reader
from gateway.errors import Conflict, NotFound
from gateway.flows.alarms import sound
from gateway.flows.node import Node
from gateway.flows.notice_out import Drawn
from gateway.flows.notice_sign import sign
from gateway.flows.paging import page
from gateway.flows.slots import keeps_own_key
from gateway.flows.timers import set_again, set_timer
from gateway.ports import HandoverRow, NoticeLegRow, NoticeRow, TaskRow, TimerRow, Transaction
from schemas.notice import Permission

QUESTIONS: Final = (NoticeKind.INFORMATION_REQUEST, NoticeKind.PERMISSION_REQUEST)
ANSWERS: Final = (NoticeKind.INFORMATION, NoticeKind.PERMISSION_GRANT)

TIMER: Final = "question_due"
OVERDUE: Final = "question_overdue"
"""The timer of a question, and the alarm when nobody has answered it."""

DAYS, HOURS = 5, 4
"""CS-02: five working days, four hours in an urgent handover."""


def facts_of(permission: Permission) -> JsonObject:
    """What both nodes know of a permission."""
    return {
        "area": permission.area,
        "since": int(permission.starts.timestamp()),
        "until": int(permission.ends.timestamp()),
    }


def due(urgency: str, now: int) -> int:
    """When a question asked ``now`` is to be answered, unix seconds."""
    return now + HOURS * HOUR if urgency == "URGENT" else add_working_days(now, DAYS)


def ask(tx: Transaction, node: Node, drawn: Drawn, handover: HandoverRow, now: int) -> Drawn:
    return replace(drawn, answer_by=due(handover.urgency, now))


def watch(tx: Transaction, node: Node, row: NoticeRow, told: JsonObject, now: int) -> Sequence[TaskRow]:
    """At the node that asks: the clock."""
    set_timer(tx, TIMER, row.id, row.answer_by)
    return ()


def overdue(tx: Transaction, node: Node, timer: TimerRow, now: int) -> Sequence[TaskRow]:
    """Nobody has answered: an alarm, a call to whoever has to chase, and again every day."""
    row = tx.notice(timer.subject)
    if row is None or row.state != "OPEN":
        return ()
    sound(tx, OVERDUE, peer=row.peer, at=now, subject=row.id)
    page(tx, node, OVERDUE, ref=row.ref, area=row.peer, step=timer.step, now=now)
    set_again(tx, TIMER, row.id, now + DAY)
    return ()


def before_answer(tx: Transaction, node: Node, drawn: Drawn, handover: HandoverRow, now: int) -> Drawn:
    """Raises NotFound for a question that was not put to this agency, Conflict for one not read yet."""
    _, reader = _question(tx, drawn.parent, drawn.by)
    if reader.state == "DELIVERED":
        raise Conflict(
            "this question has not been opened yet",
            code="not_opened",
            field="/about",
            remedy="open it first, with a justification: GET /v1/inbox lists it",
        )
    return drawn


def answered(tx: Transaction, node: Node, row: NoticeRow, told: JsonObject, now: int) -> Sequence[TaskRow]:
    """The answer completes the question, in the agency's own chain of receipts about it. An agency that keeps
    its own key says so itself."""
    question, reader = _question(tx, row.parent, row.by)
    envelope = tx.envelope(question.mid)
    if envelope is None or keeps_own_key(node, reader.principal):
        return ()
    for step in steps(reader):
        reader = sign(tx, node, reader, envelope, step, now)
    node.wake.signed()
    return ()


def steps(reader: NoticeLegRow) -> Sequence[str]:
    """The receipts by which a reader completes what it was asked, from where it stands. Raises Conflict."""
    if reader.state == "COMPLETED":
        return ()
    if reader.state == "OPENED":
        return ("acknowledged", "completed")
    advance_reader(reader.state, "completed")
    return ("completed",)


def _question(tx: Transaction, notice: str, principal: str) -> tuple[NoticeRow, NoticeLegRow]:
    row = tx.notice(notice)
    readers = tx.notice_legs(notice) if row is not None else ()
    reader = next((one for one in readers if one.principal == principal), None)
    if row is None or reader is None:
        raise NotFound(
            "no such question to this agency",
            code="no_notice",
            field="/about",
            remedy="GET /v1/handovers/{ref}/notices lists what was asked of it",
        )
    return row, reader
