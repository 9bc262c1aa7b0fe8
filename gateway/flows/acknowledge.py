"""An agency answers for its leg: its state moves, signed with the agency's own key, in one transaction.

Responsibility moves only here, and only on ACCEPTED. The words of the person who answers (role, text,
suggested area) travel sealed to the agency at the origin; the receipts carry codes and the hash of that
reply. An answer that implies earlier steps signs them too: accepting is also having taken it on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from gateway.core import shred
from gateway.core.encoding import JsonObject
from gateway.core.envelope import Kind
from gateway.core.receipts import Receipt
from gateway.core.states import RECEIPT_OF, LegState, advance_leg, path
from gateway.errors import Conflict, InvalidDocument, NotFound, Problem, UnknownRecipient
from gateway.flows import accounts, outgoing, receipts
from gateway.flows.deliver import access
from gateway.flows.node import PRIORITY, Caller, Node, area_of, lane_for
from gateway.flows.slots import check_hosted
from gateway.flows.submit import routing_part
from gateway.flows.vault import ROUTING, write_sections
from gateway.ports import EnvelopeRow, IdempotencyRow, LegEvent, LegRow, Parcel, Side, Task, Transaction
from schemas.acknowledgement import Acknowledgement, parse_acknowledgement
from schemas.base import ShapeError

log = structlog.get_logger("acknowledge")

NEEDS_OPENING = frozenset({"acknowledged", "accepted"})
"""Nobody takes on what nobody has read; refusing or returning unread is allowed."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """``repeated``: this very answer was on record already; nothing was signed again."""

    leg: str
    state: str
    receipts: Sequence[str]
    repeated: bool = False


def read(body: bytes) -> Acknowledgement:
    """Raises InvalidDocument naming the fields, never their values."""
    try:
        return parse_acknowledgement(body)
    except ShapeError as error:
        raise InvalidDocument(
            "this is not an acknowledgement",
            problems=[Problem(p.pointer, p.message, p.remedy) for p in error.problems],
            remedy="`gateway schema show acknowledgement` prints the shape",
        ) from None


async def acknowledge(node: Node, caller: Caller, leg_id: str, answer: Acknowledgement) -> Recorded:
    """Record what ``caller``'s agency answers about one of its legs.

    Raises NotFound when the leg is not this agency's, Conflict when the table allows no such step from
    where the leg stands, or when the step was taken before with other words.
    """
    check_hosted(node, caller.principal)
    now = node.clock.now()
    leg = await node.store.read(lambda tx: _leg(tx, caller, leg_id))
    sending = _seal_reply(node, leg, answer, now)
    recorded = await node.store.write(lambda tx: _record(tx, node, caller, leg_id, answer, sending, now))
    node.wake.receipts.set()
    node.wake.outbox[lane_for(leg.urgency)].set()
    return recorded


def _leg(tx: Transaction, caller: Caller, leg_id: str) -> LegRow:
    leg = tx.leg(leg_id)
    if leg is None or leg.side is not Side.DESTINATION or leg.principal != caller.principal:
        raise NotFound("no such leg for this agency", code="no_leg", remedy="list yours with GET /v1/inbox")
    return leg


def _seal_reply(node: Node, leg: LegRow, answer: Acknowledgement, now: int) -> outgoing.Sending | None:
    """The words, sealed to the agency at the origin; None when it has no key (the codes still go)."""
    reply = write_sections({"reply": reply_section(leg, answer)})
    readers = {leg.counterpart: (ROUTING + 1,)}
    addressed = replace(leg, principal=leg.counterpart, counterpart=leg.principal)
    try:
        return outgoing.seal(
            node,
            kind=Kind.MESSAGE,
            to=area_of(leg.counterpart),
            lane=lane_for(leg.urgency),
            priority=PRIORITY[leg.urgency],
            readers=readers,
            contents=[routing_part(leg.ref, leg.version, leg.urgency, [addressed], kind="REPLY"), reply],
            now=now,
            ref=leg.ref,
            version=leg.version,
        )
    except UnknownRecipient as error:
        log.error("the words of an answer cannot be sealed", to=leg.counterpart, code=error.code)
        return None


def reply_section(leg: LegRow, answer: Acknowledgement) -> JsonObject:
    """The sealed section ``reply`` (protocol 5): the answer as given, and what it is about."""
    words: JsonObject = answer.model_dump(mode="json", exclude_none=True)
    return {
        "about": {"handover": leg.ref, "version": leg.version, "leg": leg.id, "agency": leg.agency},
        **words,
    }


def _record(
    tx: Transaction,
    node: Node,
    caller: Caller,
    leg_id: str,
    answer: Acknowledgement,
    sending: outgoing.Sending | None,
    now: int,
) -> Recorded:
    leg = _leg(tx, caller, leg_id)
    receipts.chain_lock(tx, area_of(leg.counterpart))
    leg = _leg(tx, caller, leg_id)  # as it stands under the lock
    target = RECEIPT_OF[answer.state]
    given = [row for row in tx.receipts(mid=leg.mid, by=leg.principal) if row.state != "opened"]
    if given and given[-1].state == target:  # "opened" may follow: the adapter was still at it
        _check_same(tx, node, given[-1].hash, answer)
        return Recorded(leg.id, leg.state, (), repeated=True)
    steps = path(LegState(leg.state), target)
    _check_opened(tx, leg, target)
    envelope = tx.envelope(leg.mid)
    if envelope is None:
        raise NotFound("the message of this leg is gone", code="no_message")
    reply = outgoing.store(tx, node, sending, now).statement if sending else None
    accounts.record(tx, access(caller, leg, "ALTERATION", f"ANSWER_{answer.state}", now))
    if sending and (answer.reason_text or answer.suggested_area):
        told = access(caller, leg, "DISCLOSURE", f"ANSWER_{answer.state}", now, sections=["reply"])
        accounts.record(tx, replace(told, recipients=(leg.counterpart,)))
    signed = [
        _step(tx, node, leg, envelope, step, answer, reply if step == target else None, now) for step in steps
    ]
    key, words = _fingerprints(node, signed[-1].hash, answer)
    tx.put_idempotency(IdempotencyRow(key, words, leg.ref, leg.version, now))
    receipts.settle_handover(tx, leg.ref, leg.version, now)
    moved = tx.leg(leg.id)
    return Recorded(leg.id, moved.state if moved else leg.state, tuple(steps))


def _check_same(tx: Transaction, node: Node, receipt: bytes, answer: Acknowledgement) -> None:
    """Raises Conflict when the answer on record had other words: called a repetition, these would be lost."""
    key, words = _fingerprints(node, receipt, answer)
    on_record = tx.idempotency(key)
    if on_record and on_record.request != words:
        raise Conflict(
            "this leg was answered so before, with other words",
            code="answered_otherwise",
            remedy="the first answer stands; what is new needs a step of its own, or a telephone",
        )


def _fingerprints(node: Node, receipt: bytes, answer: Acknowledgement) -> tuple[bytes, bytes]:
    """Keyed, as those of submit: a plain hash of what a person wrote would be personal data (protocol 7)."""
    secret = node.keys.secret("idempotency")
    words = answer.model_dump_json().encode()
    return shred.keyed_hash(secret, receipt, purpose="answer"), shred.keyed_hash(
        secret, words, purpose="body"
    )


def _check_opened(tx: Transaction, leg: LegRow, target: str) -> None:
    parked = any(
        task.kind is Parcel.NOTIFICATION and task.state is Task.PARKED for task in tx.tasks_of(leg.id)
    )
    if parked and target in NEEDS_OPENING:
        raise Conflict(
            "this handover has not been opened yet",
            code="not_opened",
            remedy="open it first, with a justification; it can be returned or declined unread",
        )


def _step(
    tx: Transaction,
    node: Node,
    leg: LegRow,
    envelope: EnvelopeRow,
    step: str,
    answer: Acknowledgement,
    reply: bytes | None,
    now: int,
) -> Receipt:
    """One signed receipt and the move it stands for."""
    before = tx.leg(leg.id) or leg
    after = advance_leg(LegState(before.state), step)
    code = answer.reason_code.value if answer.reason_code and step == RECEIPT_OF[answer.state] else ""
    event = LegEvent(leg.id, now, step, before.state, after, leg.principal, code)
    tx.advance_leg(leg.id, before.state, after, event)
    return receipts.sign(
        tx, node, by=leg.principal, envelope=envelope, state=step, now=now, leg=leg, code=code, reply=reply
    )
