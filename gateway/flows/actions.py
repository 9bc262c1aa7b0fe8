"""The actions of a leg: asked, their clocks started, and settled from the agency's signed chain.

Duty: the rows of either side. Both nodes make them from the same routing table, start their clocks at the
same signed seconds, and settle them from the same signed chain, so both show the same checklist. It leaves
out the forms on the wire (:mod:`gateway.flows.asked`), what time does (:mod:`gateway.flows.action_clock`) and
how an answer is signed (:mod:`gateway.flows.acknowledge`).

Rules
-----
- A result counts when the agency's receipt names the message that brought it: the receipt's ``reply`` is the
  statement hash of that message, so nobody between can add or change one. Receipts and replies overtake each
  other: :func:`settle` reads the whole chain anew whenever one of the two has come.
- The last result that the chain has of an action stands. ``not_done`` of the whole leg is NOT_DONE of every
  action that nobody has decided.
- What does not fit the catalogue (another answer, another reason) is refused where it is made, and passed
  over where it comes in.
- A row that is ``local`` is this node's own addition (``[tailoring]``): its result goes nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import structlog

from gateway.core.actions import INTERIM, Clock, deadline, ends, interim_of, term_of
from gateway.core.duty import REVIEW, reviewed
from gateway.core.encoding import unb64
from gateway.core.notes import peek_body
from gateway.core.receipts import ZERO
from gateway.core.tailoring import NONE, Tailoring
from gateway.errors import Conflict, InvalidDocument, Problem
from gateway.flows.asked import Ask, Said
from gateway.flows.timers import set_timer
from gateway.ports import ActionRow, ActionState, LegEvent, LegRow, ReceiptRow, ResultRow, Side, Transaction
from schemas.acknowledgement import Acknowledgement, ActionOutcome, ActionResult, ReasonCode
from schemas.actions import ACTIONS, Start, may_answer

TIMER: Final = "action"
WHOLE: Final = 100
STEPS: Final[Mapping[Side, tuple[int, ...]]] = {Side.DESTINATION: (50, 80, WHOLE), Side.ORIGIN: (WHOLE,)}
"""Per cent of an action's time: its own agency is reminded twice, the one that has to chase hears when it is
late."""

TELLING: Final = frozenset({"accepted", "in_progress", "completed", "not_done"})
"""Receipts that may name a message with results."""

LONGEST: Final = 32
"""Characters of an action's id (``schemas.base.ITEM_ID``)."""

log = structlog.get_logger("actions")


# --- moved by receipts ----------------------------------------------------------------------------------


def follow(
    tx: Transaction,
    leg: LegRow,
    state: str,
    at: int,
    now: int,
    *,
    started: bool = False,
    tailoring: Tailoring = NONE,
) -> LegRow:
    """What a receipt that moved a leg means for its actions. ``started``: it set the leg's clock."""
    if started:
        received(tx, leg, at, tailoring)
    if state == "accepted":
        accepted(tx, leg, at, tailoring)
    return settle(tx, leg, now) if state in TELLING else leg


# --- asked, and started ---------------------------------------------------------------------------------


def ask(tx: Transaction, leg: LegRow, asks: Sequence[Ask], tailoring: Tailoring = NONE) -> None:
    """Put the rows of a leg, in the document's order, then those that this area adds. Their clocks start
    with its receipt."""
    rows = [row for place, one in enumerate(asks, start=1) for row in _rows(leg, one, place)]
    for place, extra in enumerate(tailoring.extras(leg.agency), start=len(asks) + 1):
        rows.append(ActionRow(leg.id, f"local-{extra.code}", extra.code, extra.blocks, place, local=True))
    for row in rows:
        tx.put_action(row)


def _rows(leg: LegRow, one: Ask, place: int) -> Iterator[ActionRow]:
    """The action, after what is due of it before (CC-01: an interim plan)."""
    if interim_of(one.code, leg.urgency) is not None:
        name = f"{one.action[: LONGEST - len(INTERIM)]}{INTERIM}"
        yield ActionRow(leg.id, name, one.code, blocks=False, place=place)
    yield ActionRow(leg.id, one.action, one.code, blocks=one.blocks, place=place, planned=one.planned)


def received(tx: Transaction, leg: LegRow, at: int, tailoring: Tailoring = NONE) -> None:
    """The node's receipt was signed at ``at``. Called again when an earlier second proves to be the true one:
    what is open then runs from that."""
    extras = {one.code: one for one in tailoring.extras(leg.agency)}
    for row in tx.actions(leg.id):
        if row.local and row.code in extras:
            _run(tx, leg, row, Clock(at, ends(extras[row.code].term(leg.urgency), at)), tailoring)
        elif not row.local and _starts(row, leg) is Start.RECEIPT:
            _run(tx, leg, row, _clock(row, leg, received=at), tailoring)


def accepted(tx: Transaction, leg: LegRow, at: int, tailoring: Tailoring = NONE) -> None:
    """The agency accepted at ``at``: some clocks start only now."""
    for row in tx.actions(leg.id):
        if not row.local and _starts(row, leg) is Start.ACCEPTANCE:
            _run(tx, leg, row, _clock(row, leg, accepted=at), tailoring)


def _starts(row: ActionRow, leg: LegRow) -> Start:
    term = term_of(row.code, leg.urgency)
    return term.starts if term else Start.RECEIPT


def _clock(row: ActionRow, leg: LegRow, *, received: int = 0, accepted: int = 0) -> Clock:
    interim = interim_of(row.code, leg.urgency) if is_interim(row) else None
    if interim is not None:
        return Clock(received, ends(interim, received))
    return deadline(row.code, leg.urgency, received=received, accepted=accepted, planned=row.planned)


def _run(tx: Transaction, leg: LegRow, row: ActionRow, clock: Clock, tailoring: Tailoring) -> None:
    own = 0 if row.local or is_interim(row) else tailoring.target(row.code, leg.urgency, clock.started)
    after = replace(row, started=clock.started, due=clock.due, target=own)
    if row.state is not ActionState.OPEN or after == row or not tx.change_action(row, after):
        return
    if row.started:
        rewind(tx, leg, after)
    else:
        set_step(tx, after, STEPS[leg.side][0])


def rewind(tx: Transaction, leg: LegRow, row: ActionRow) -> None:
    """Set the first timer of an action's clock that has not fired."""
    tx.drop_timers(TIMER, subject(row))
    fired = {timer.step for timer in tx.timers(subject(row)) if timer.kind == TIMER and timer.fired}
    for step in STEPS[leg.side]:
        if step not in fired:
            set_step(tx, row, step)
            return


def set_step(tx: Transaction, row: ActionRow, step: int) -> int:
    """Set one timer; returns when it falls due, 0 for a clock without an end. Reminders run to the area's own
    earlier day where it has one, and lateness to the binding one."""
    end = row.due if step == WHOLE else row.target or row.due
    if not end:
        return 0
    due = min(end, row.started + (end - row.started) * step // WHOLE)
    set_timer(tx, TIMER, subject(row), due, step)
    return due


def subject(row: ActionRow) -> str:
    """What its timers are about."""
    return f"{row.leg}.{row.action}"


def of_subject(tx: Transaction, name: str) -> tuple[LegRow, ActionRow] | None:
    """The leg and the action that a timer is about."""
    leg_id, _, action = name.partition(".")
    leg = tx.leg(leg_id)
    row = next((one for one in tx.actions(leg_id) if one.action == action), None)
    return (leg, row) if leg and row else None


# --- what is answered -----------------------------------------------------------------------------------


def check(rows: Sequence[ActionRow], answer: Acknowledgement) -> None:
    """Whether each result of an answer fits its action. Raises InvalidDocument naming every field that does
    not."""
    held = {row.action: row for row in rows}
    problems = [
        problem
        for index, result in enumerate(answer.actions)
        for problem in _unfit(f"/actions/{index}", held.get(result.action_id), result)
    ]
    if problems:
        raise InvalidDocument(
            "the answer does not fit what is asked",
            code="action_answer",
            problems=problems,
            remedy="open the handover: each action lists what may be answered",
        )


def _unfit(pointer: str, row: ActionRow | None, result: ActionResult) -> Iterator[Problem]:
    if row is None:
        yield Problem(f"{pointer}/action_id", "no such action of this leg", "name one that it is asked")
        return
    may = may_answer(row.code)
    done = result.result is ActionOutcome.COMPLETED
    if done and may.answers and not is_interim(row) and result.answer not in may.answers:
        yield Problem(f"{pointer}/answer", "this action asks for an answer", _one_of(may.answers))
    elif result.answer is not None and (not may.answers or is_interim(row)):
        yield Problem(f"{pointer}/answer", "this action takes no answer", "remove it")
    if result.reason_code is not None and result.reason_code not in may.reasons:
        yield Problem(f"{pointer}/reason_code", "no reason for this action", _one_of(sorted(may.reasons)))


def _one_of(codes: Sequence[str]) -> str:
    return f"give one of {', '.join(codes)}"


def is_interim(row: ActionRow) -> bool:
    return row.action.endswith(INTERIM) and row.code in ACTIONS and ACTIONS[row.code].interim is not None


def fits(row: ActionRow, result: str, code: str) -> bool:
    """Whether what a peer's agency said of an action is something it may say."""
    may = may_answer(row.code)
    if result == ActionOutcome.COMPLETED:
        return code in may.answers if may.answers and not is_interim(row) else not code
    return code in {reason.value for reason in may.reasons}


def told(rows: Sequence[ActionRow], said: Sequence[Said]) -> tuple[Said, ...]:
    """Those that the origin is told: not of what is this area's own."""
    own = {row.action for row in rows if row.local}
    return tuple(one for one in said if one.action not in own)


def without_local(rows: Sequence[ActionRow], answer: Acknowledgement) -> Acknowledgement:
    """The answer as the origin gets it."""
    own = {row.action for row in rows if row.local}
    left = tuple(one for one in answer.actions if one.action_id not in own)
    return answer if len(left) == len(answer.actions) else answer.model_copy(update={"actions": left})


def keep(tx: Transaction, leg: LegRow, statement: bytes, said: Sequence[Said]) -> None:
    """What one message says. It counts once a receipt names the message."""
    for one in said:
        tx.put_result(ResultRow(leg.id, statement, one.action, one.result, one.code))


def keep_local(tx: Transaction, leg: LegRow, said: Sequence[Said], now: int) -> None:
    """Results of this area's own actions, which need no signature."""
    results = {one.action: one for one in said}
    for row in tx.actions(leg.id):
        if row.local and (one := results.get(row.action)):
            _set(tx, leg, row, ActionState(one.result), one.code, now, leg.principal)


def check_decided(rows: Sequence[ActionRow], said: Sequence[Said]) -> None:
    """R15: a leg is not completed while an action that blocks closure is undecided. Raises Conflict with the
    codes of those."""
    open_ones = undecided(rows, said)
    if open_ones:
        names = ", ".join(f"{row.code} ({row.action})" for row in open_ones)
        raise Conflict(
            f"undecided: {names}",
            code="undecided_action",
            rule="R15",
            field="/actions",
            remedy="say of each COMPLETED or NOT_DONE with a reason, in this answer or before it",
        )


def undecided(rows: Sequence[ActionRow], said: Sequence[Said] = ()) -> list[ActionRow]:
    """Actions that block closure and of which nobody has said, ``said`` included, what became of them."""
    decided = {one.action for one in said}
    return [row for row in rows if row.blocks and row.state is ActionState.OPEN and row.action not in decided]


def undecided_of(tx: Transaction, ref: str, version: int) -> list[ActionRow]:
    """R15 for a whole handover: of the legs that were taken on."""
    legs = [leg for leg in tx.legs(ref, version) if leg.state in ("ACCEPTED", "IN_PROGRESS", "COMPLETED")]
    return [row for leg in legs for row in undecided(tx.actions(leg.id))]


# --- settled from the signed chain ----------------------------------------------------------------------


def settle(tx: Transaction, leg: LegRow, now: int) -> LegRow:
    """Bring the actions of a leg to where its agency's signed chain has them. Safe to call again. Returns the
    leg, whose duty may have moved with a review."""
    rows = [row for row in tx.actions(leg.id) if not row.local]
    if not rows:
        return leg
    said = _chain_says(tx, leg, rows)
    for row in rows:
        state, code, at, by = said.get(row.action, (ActionState.OPEN, "", 0, ""))
        if (row.state, row.reason) != (state, code):
            _set(tx, leg, row, state, code, at or now, by or leg.principal)
    return _review(tx, leg, rows, said, now)


_Standing = tuple[ActionState, str, int, str]


def _chain_says(tx: Transaction, leg: LegRow, rows: Sequence[ActionRow]) -> Mapping[str, _Standing]:
    """By action: the last that the chain has of it."""
    brought: dict[bytes, list[ResultRow]] = {}
    for result in tx.results(leg.id):
        brought.setdefault(result.statement, []).append(result)
    held = {row.action: row for row in rows}
    said: dict[str, _Standing] = {}
    for receipt in _chain(tx, leg):
        for result in brought.get(_reply_of(receipt), ()):
            row = held.get(result.action)
            if row is None or not fits(row, result.result, result.code):
                log.warning("a result that does not fit", leg=leg.id, agency=leg.agency)
                continue
            said[row.action] = (ActionState(result.result), result.code, receipt.at, receipt.by)
        if receipt.state == "not_done":
            for row in rows:
                said.setdefault(row.action, (ActionState.NOT_DONE, receipt.code, receipt.at, receipt.by))
    return said


def _chain(tx: Transaction, leg: LegRow) -> Iterator[ReceiptRow]:
    """The agency's applied receipts about this leg, each after its predecessor."""
    mine = [row for row in tx.receipts(ref=leg.ref, by=leg.principal) if row.leg == leg.id and row.applied]
    for mid in dict.fromkeys(row.mid for row in mine):
        by_prev = {row.prev: row for row in mine if row.mid == mid}
        head = ZERO
        while head in by_prev:
            row = by_prev.pop(head)
            yield row
            head = row.hash


def _reply_of(receipt: ReceiptRow) -> bytes:
    """The statement that a receipt names; it was verified when it was stored."""
    named = peek_body(receipt.note).get("reply")
    return unb64(named) if isinstance(named, str) else b""


def _set(
    tx: Transaction, leg: LegRow, row: ActionRow, state: ActionState, code: str, at: int, by: str
) -> None:
    if not tx.change_action(row, replace(row, state=state, reason=code, updated=at)):
        return
    _note(tx, leg, f"action:{row.action}:{state.value}", at, by, code)
    if state is ActionState.OPEN:
        rewind(tx, leg, row)
    else:
        tx.drop_timers(TIMER, subject(row))


def _review(
    tx: Transaction, leg: LegRow, rows: Sequence[ActionRow], said: Mapping[str, _Standing], now: int
) -> LegRow:
    """Caretaking ends with the review (R28)."""
    done = any(
        row.code == REVIEW and said.get(row.action, (None,))[0] is ActionState.COMPLETED for row in rows
    )
    duty = reviewed(leg.duty, completed=done)
    if duty == leg.duty:
        return leg
    _note(tx, leg, f"duty:{duty}", now, leg.principal, duty=duty)
    return replace(leg, duty=duty)


def _note(tx: Transaction, leg: LegRow, name: str, at: int, by: str, code: str = "", **columns: str) -> None:
    """A line in the leg's history that moves nothing."""
    state = (tx.leg(leg.id) or leg).state
    tx.advance_leg(leg.id, state, state, LegEvent(leg.id, at, name, state, state, by, code), **columns)


def reason_of(code: str) -> ReasonCode | None:
    """The reason that a stored code is, None for an answer."""
    return ReasonCode(code) if code in ReasonCode.__members__ else None
