"""A reader of a notice answers: its state moves, signed with the agency's own key, in one transaction.

The receipts are about the notice's own message, in a chain of their own (protocol 5): no answer to a notice
moves a leg of the handover. An attestation of destroyed copies is the code of the signed receipt
``completed``, so that it is the agency's own word and not its node's.

Rules
-----
- Nobody acknowledges unread: the parcel was opened, or its adapter has it.
- COMPLETED for what has content destroyed needs the attestation, and comes after this node's own keys to the
  content are gone: an agency cannot say "destroyed" while its own node could still open it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.core.notices import TYPES, NoticeKind, advance_reader
from gateway.errors import Conflict, InvalidDocument, NotFound, Problem
from gateway.flows import accounts, effects, receipts, returned
from gateway.flows.accounts import access
from gateway.flows.node import Caller, Node
from gateway.flows.notice_sign import sign
from gateway.flows.notices import ring
from gateway.flows.parcels import leg_of, task_id
from gateway.flows.slots import check_hosted
from gateway.ports import EnvelopeRow, NoticeLegRow, NoticeRow, Side, Task, TaskRow, Transaction
from schemas.base import ShapeError
from schemas.notice import Attestation, NoticeAnswer, NoticeState, parse_notice_answer

RECEIPT_OF: Final = {
    NoticeState.ACKNOWLEDGED: "acknowledged",
    NoticeState.COMPLETED: "completed",
    NoticeState.REJECTED: "rejected",
}

DESTROYED: Final = "COPIES_DESTROYED"
PASSED_ON: Final = "COPIES_DESTROYED_PASSED_ON"
"""Codes of the receipt ``completed``: destroyed, and destroyed but disclosed onward before."""
ATTESTED: Final = frozenset({DESTROYED, PASSED_ON})


@dataclass(frozen=True, slots=True)
class Answered:
    """``repeated``: this very answer was on record already; nothing was signed again."""

    notice: str
    state: str
    receipts: Sequence[str]
    repeated: bool = False


def read(body: bytes) -> NoticeAnswer:
    """Raises InvalidDocument naming the fields, never their values."""
    try:
        return parse_notice_answer(body)
    except ShapeError as error:
        raise InvalidDocument(
            "this is not an answer to a notice",
            problems=[Problem(p.pointer, p.message, p.remedy) for p in error.problems],
            remedy="`gateway schema show notice_answer` prints the shape",
        ) from None


async def answer(node: Node, caller: Caller, notice: str, words: NoticeAnswer) -> Answered:
    """Record what ``caller``'s agency says of a notice.

    Raises NotFound when the notice is not this agency's, Conflict when it has not been opened, the table
    allows no such step, or this node still holds keys that the answer says are destroyed.
    """
    check_hosted(node, caller.principal)
    now = node.clock.now()
    answered = await node.store.write(lambda tx: record(tx, node, caller, notice, words, now))
    ring(node)
    return answered


def find(tx: Transaction, caller: Caller, notice: str) -> tuple[NoticeRow, NoticeLegRow, EnvelopeRow]:
    """Raises NotFound."""
    row = tx.notice(notice)
    legs = tx.notice_legs(notice) if row is not None and row.side is Side.DESTINATION else ()
    leg = next((leg for leg in legs if leg.principal == caller.principal), None)
    envelope = tx.envelope(row.mid) if row is not None else None
    if row is None or leg is None or envelope is None:
        raise NotFound("no such notice for this agency", code="no_notice", remedy="list yours: GET /v1/inbox")
    return row, leg, envelope


def record(
    tx: Transaction, node: Node, caller: Caller, notice: str, words: NoticeAnswer, now: int
) -> Answered:
    """The same within ``tx``."""
    row = find(tx, caller, notice)[0]
    receipts.chain_lock(tx, row.peer)
    row, leg, envelope = find(tx, caller, notice)  # as it stands under the lock
    target, code = RECEIPT_OF[words.state], code_of(NoticeKind(row.kind), words)
    given = [one for one in tx.receipts(mid=envelope.mid, by=leg.principal) if one.state != "opened"]
    if given and (given[-1].state, given[-1].code) == (target, code):
        return Answered(notice, leg.state, (), repeated=True)
    _check_opened(tx, row, leg)
    if code in ATTESTED:
        effects.check_destroyed(tx, node, row)
    task = _task(tx, row, leg)
    if task is not None and (about := leg_of(tx, task)) is not None:
        accounts.record(tx, access(caller, about, "ALTERATION", f"NOTICE_{words.state}", now))
    steps = _steps(leg.state, target)
    for step in steps:
        leg = sign(tx, node, leg, envelope, step, now, code=code if step == target else "")
    returned.attest(tx, node, row, leg, words, now)
    return Answered(notice, leg.state, steps)


def _task(tx: Transaction, row: NoticeRow, leg: NoticeLegRow) -> TaskRow | None:
    return tx.task(task_id(row.id, leg.leg))


def code_of(kind: NoticeKind, words: NoticeAnswer) -> str:
    """The code of the receipt. Raises InvalidDocument where an attestation is missing or has no place."""
    if words.reason_code is not None:
        return words.reason_code.value
    destroys = TYPES[kind].destroys and words.state is NoticeState.COMPLETED
    if destroys != (words.attestation is not None):
        raise InvalidDocument(
            "this notice is completed with an attestation" if destroys else "nothing is attested here",
            code="attestation",
            field="/attestation",
            remedy="add attestation, once every copy is destroyed (`gateway inbox notice ... --destroyed`)"
            if destroys
            else "remove it",
        )
    return _attested(words.attestation) if words.attestation else ""


def _attested(said: Attestation) -> str:
    if not said.copies_destroyed or said.log_contains_payload:
        raise InvalidDocument(
            "what is not destroyed is not completed",
            code="attestation",
            field="/attestation",
            remedy="destroy the copies, also in logs; or answer REJECTED with the reason",
        )
    return PASSED_ON if said.onward_disclosure else DESTROYED


def _check_opened(tx: Transaction, row: NoticeRow, leg: NoticeLegRow) -> None:
    task = _task(tx, row, leg)
    if task is not None and task.state is Task.PARKED:
        raise Conflict(
            "this notice has not been opened yet",
            code="not_opened",
            remedy="open it first, with a justification",
        )


def _steps(state: str, target: str) -> tuple[str, ...]:
    """Completing is also having acknowledged. Raises Conflict."""
    if target != "acknowledged" and state in {"DELIVERED", "OPENED"}:
        return ("acknowledged", target)
    advance_reader(state, target)
    return (target,)
