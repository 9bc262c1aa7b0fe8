"""An agency answers for its leg: its state moves, signed with the agency's own key, in one transaction.

Responsibility moves only here, and only on ACCEPTED. The words of the person who answers (role, text,
suggested area) travel sealed to the agency at the origin; the receipts carry codes and the hash of that
reply. An answer that implies earlier steps signs them too: accepting is also having taken it on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import structlog

from gateway.core import shred
from gateway.core.encoding import JsonObject
from gateway.core.envelope import Kind
from gateway.core.receipts import Receipt
from gateway.core.states import RECEIPT_OF, LegState, advance_leg, path
from gateway.errors import Conflict, InvalidDocument, NotFound, Problem, Unavailable, UnknownRecipient
from gateway.flows import accounts, actions, asked, outgoing, receipts, spoc
from gateway.flows.accounts import access
from gateway.flows.node import PRIORITY, Caller, Node, area_of, lane_for
from gateway.flows.slots import check_hosted
from gateway.flows.submit import routing_part
from gateway.flows.vault import ROUTING, write_sections
from gateway.ports import (
    ActionRow,
    EnvelopeRow,
    IdempotencyRow,
    LegEvent,
    LegRow,
    Parcel,
    Side,
    Task,
    TaskRow,
    Transaction,
)
from schemas.acknowledgement import Acknowledgement, ActionAnswer, parse_acknowledgement, parse_action
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


def read_action(body: bytes) -> ActionAnswer:
    """The same for what is said of one action."""
    try:
        return parse_action(body)
    except ShapeError as error:
        raise InvalidDocument(
            "this says nothing of an action",
            problems=[Problem(p.pointer, p.message, p.remedy) for p in error.problems],
            remedy="`gateway schema show action` prints the shape",
        ) from None


async def answer_action(
    node: Node, caller: Caller, leg_id: str, action: str, answer: ActionAnswer
) -> Recorded:
    """Record what became of ONE action of a leg that the agency has taken on. The same again is no error;
    another result takes the place of the first, signed like it.

    Raises NotFound for an action that this leg is not asked, and what :func:`acknowledge` raises; problems
    name the fields of ``answer``.
    """
    _, rows = await node.store.read(lambda tx: _asked(tx, caller, leg_id))
    if action not in {row.action for row in rows}:
        raise NotFound(
            "this leg is not asked such an action", code="no_action", remedy="list them with GET /v1/inbox"
        )
    try:
        return await acknowledge(node, caller, leg_id, answer.of(action))
    except InvalidDocument as error:
        raise _of_one(error) from None


def _of_one(error: InvalidDocument) -> InvalidDocument:
    """The same problems, where they stand in a document about one action."""
    told = [Problem("/" + p.field.rpartition("/")[2], p.message, p.remedy, p.rule) for p in error.problems]
    return InvalidDocument(error.message, code=error.code, problems=told, remedy=error.remedy)


@dataclass(frozen=True, slots=True)
class Prepared:
    """An answer that fits what is asked, its words sealed. ``leg``: as it stood then."""

    caller: Caller
    leg: LegRow
    answer: Acknowledgement
    sending: outgoing.Sending | None = field(repr=False)


async def acknowledge(node: Node, caller: Caller, leg_id: str, answer: Acknowledgement) -> Recorded:
    """Record what ``caller``'s agency answers about one of its legs.

    Raises NotFound when the leg is not this agency's, Conflict when the table allows no such step from
    where the leg stands, or when the step was taken before with other words.
    """
    check_hosted(node, caller.principal)
    now = node.clock.now()
    leg, rows = await node.store.read(lambda tx: _asked(tx, caller, leg_id))
    prepared = prepare(node, caller, leg, rows, answer, now)
    recorded = await node.store.write(lambda tx: record(tx, node, prepared, now))
    ring(node, leg)
    return recorded


def prepare(
    node: Node, caller: Caller, leg: LegRow, rows: Sequence[ActionRow], answer: Acknowledgement, now: int
) -> Prepared:
    """What is done of an answer before its transaction. ``rows``: the actions of ``leg``. Raises NotAllowed,
    InvalidDocument, Unavailable."""
    check_hosted(node, caller.principal)
    actions.check(rows, answer)
    sending = _seal_reply(node, leg, actions.without_local(rows, answer), now)
    return Prepared(caller, leg, answer, sending)


def record(tx: Transaction, node: Node, prepared: Prepared, now: int) -> Recorded:
    """The rest of it, within ``tx``. Raises NotFound, Conflict."""
    return _record(tx, node, prepared.caller, prepared.leg.id, prepared.answer, prepared.sending, now)


def ring(node: Node, leg: LegRow) -> None:
    """Wake what sends an answer, once it is committed."""
    lane = lane_for(leg.urgency)
    node.wake.signed(lane)
    node.wake.outbox[lane].set()


def _asked(tx: Transaction, caller: Caller, leg_id: str) -> tuple[LegRow, Sequence[ActionRow]]:
    leg = _leg(tx, caller, leg_id)
    return leg, tx.actions(leg.id)


def _leg(tx: Transaction, caller: Caller, leg_id: str) -> LegRow:
    leg = tx.leg(leg_id)
    if leg is None or leg.side is not Side.DESTINATION or leg.principal != caller.principal:
        raise NotFound("no such leg for this agency", code="no_leg", remedy="list yours with GET /v1/inbox")
    return leg


def _seal_reply(node: Node, leg: LegRow, answer: Acknowledgement, now: int) -> outgoing.Sending | None:
    """The words, sealed to the agency at the origin; None when it has no key (the codes still go). Raises
    Unavailable for results of actions, which have no other way."""
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
            contents=[reply_routing(addressed, answer), reply],
            now=now,
            ref=leg.ref,
            version=leg.version,
        )
    except UnknownRecipient as error:
        log.error("the words of an answer cannot be sealed", to=leg.counterpart, code=error.code)
        if answer.actions:
            raise Unavailable(
                "the agency at the origin has no valid key, so results of actions cannot travel now",
                code="counterpart_key",
                remedy="try again when its key card has been renewed",
            ) from None
        return None


def reply_routing(addressed: LegRow, answer: Acknowledgement) -> bytes:
    """Part 1 of an answer: to whom it goes, and what became of actions, as codes. ``addressed``: the leg with
    its two ends exchanged."""
    leg, results = addressed, asked.result_members(asked.said_of(answer))
    return routing_part(leg.ref, leg.version, leg.urgency, [leg], kind="REPLY", more={leg.id: results})


def steps_of(state: LegState, answer: Acknowledgement) -> tuple[str, ...]:
    """The receipts that an answer takes, in order. One that accepts and tells what became of actions says
    that work has begun, too. Raises Conflict when the table has no such step from ``state``."""
    steps = path(state, RECEIPT_OF[answer.state])
    if final_of(answer) != steps[-1]:
        return (*steps, final_of(answer))
    if steps == ("in_progress",) and state is not LegState.ACCEPTED and not answer.actions:
        raise Conflict(
            "work on this leg has begun already",
            code="illegal_transition",
            remedy="say what became of an action, or that all of it is COMPLETED",
        )
    return steps


def final_of(answer: Acknowledgement) -> str:
    """The last receipt of an answer."""
    target = RECEIPT_OF[answer.state]
    return "in_progress" if answer.actions and target == "accepted" else target


def names_words(step: str, answer: Acknowledgement) -> bool:
    """Whether this receipt of an answer names the message with its words."""
    return step in (RECEIPT_OF[answer.state], final_of(answer))


def reply_section(leg: LegRow, answer: Acknowledgement) -> JsonObject:
    """The sealed section ``reply`` (protocol 5): the answer as given, and what it is about."""
    words: JsonObject = answer.model_dump(mode="json", exclude_none=True)
    return {
        "about": {"handover": leg.ref, "version": leg.version, "leg": leg.id, "agency": leg.agency},
        **words,
    }


def record_now(
    tx: Transaction, node: Node, caller: Caller, leg: LegRow, answer: Acknowledgement, now: int
) -> Recorded:
    """The same within ``tx``, for what the node answers at the wish of an agency. Raises Conflict,
    Unavailable."""
    return _record(tx, node, caller, leg.id, answer, _seal_reply(node, leg, answer, now), now)


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
    target, rows = RECEIPT_OF[answer.state], tx.actions(leg.id)
    said = asked.said_of(answer)
    if _said_before(tx, node, leg, rows, answer):
        return Recorded(leg.id, leg.state, (), repeated=True)
    given = [row for row in tx.receipts(mid=leg.mid, by=leg.principal) if row.state != "opened"]
    repeats = final_of(answer) != "in_progress" or not answer.actions
    if given and given[-1].state == target and repeats:  # "opened" may follow: the adapter was still at it
        _check_same(tx, node, given[-1].hash, answer)
        return Recorded(leg.id, leg.state, (), repeated=True)
    steps = steps_of(LegState(leg.state), answer)
    _check_opened(tx, leg, target)
    if target == "completed":
        actions.check_decided(rows, said)
    actions.keep_local(tx, leg, said, now)
    if said and not actions.told(rows, said) and steps == ("in_progress",):
        return Recorded(leg.id, leg.state, ())  # all of it is this area's own: nobody else hears of it
    spoc.name_owners(tx, node, caller, leg, answer, now)
    envelope = tx.envelope(leg.mid)
    if envelope is None:
        raise NotFound("the message of this leg is gone", code="no_message")
    reply = outgoing.store(tx, node, sending, now).statement if sending else None
    accounts.record(tx, access(caller, leg, "ALTERATION", f"ANSWER_{answer.state}", now))
    if sending and (answer.reason_text or answer.suggested_area or answer.suggested_agency):
        told = access(caller, leg, "DISCLOSURE", f"ANSWER_{answer.state}", now, sections=["reply"])
        accounts.record(tx, replace(told, recipients=(leg.counterpart,)))
    signed = [
        _step(tx, node, leg, envelope, step, answer, reply if names_words(step, answer) else None, now)
        for step in steps
    ]
    if reply is not None:
        actions.keep(tx, leg, reply, actions.told(rows, said))
    for step in steps:
        leg = actions.follow(tx, tx.leg(leg.id) or leg, step, now, now, tailoring=node.tailoring)
        spoc.taken_on(tx, leg, step, now)
    key, words = _fingerprints(node, signed[-1].hash, answer)
    tx.put_idempotency(IdempotencyRow(key, words, leg.ref, leg.version, now))
    if said:
        again = _of_results(node, leg, answer)
        tx.put_idempotency(IdempotencyRow(again, words, leg.ref, leg.version, now))
    receipts.settle_handover(tx, leg.ref, leg.version, now)
    moved = tx.leg(leg.id)
    return Recorded(leg.id, moved.state if moved else leg.state, tuple(steps))


def _said_before(
    tx: Transaction, node: Node, leg: LegRow, rows: Sequence[ActionRow], answer: Acknowledgement
) -> bool:
    """The very same was said of actions before, and still stands: a call whose answer was lost."""
    if not answer.actions or tx.idempotency(_of_results(node, leg, answer)) is None:
        return False
    standing = {row.action: (row.state.value, row.reason) for row in rows}
    return all(standing.get(one.action) == (one.result, one.code) for one in asked.said_of(answer))


def _of_results(node: Node, leg: LegRow, answer: Acknowledgement) -> bytes:
    secret = node.keys.secret("idempotency")
    return shred.keyed_hash(secret, leg.id.encode() + answer.model_dump_json().encode(), purpose="said")


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
    unread = any(_unread(task, leg) for task in tx.tasks_of(leg.id))
    if unread and target in NEEDS_OPENING:
        raise Conflict(
            "this handover has not been opened yet",
            code="not_opened",
            remedy="open it first, with a justification; it can be returned or declined unread",
        )


def _unread(task: TaskRow, leg: LegRow) -> bool:
    """Waiting to be fetched; or not even tried with the adapter; or over before anybody was given it (it was
    superseded first): whoever answers then answers for another version."""
    if task.kind is not Parcel.NOTIFICATION or leg.opened:
        return False
    return task.state in (Task.PARKED, Task.DONE) or not task.attempts


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
