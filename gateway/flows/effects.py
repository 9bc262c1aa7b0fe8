"""What each kind of notice does to what is stored: at the node that sends it, and at the node that gets it.

Duty: one function a kind and side, in :data:`ON_ISSUE` and :data:`ON_ARRIVAL`, run inside the transaction
that keeps the notice; and :func:`before`, what the law makes of a notice before it is sent. What destroys
keys is :mod:`gateway.flows.destruction`, passing on :mod:`gateway.flows.cascade`: clocks that are set here.

It leaves out who may send what (:mod:`gateway.core.notices`) and everything about envelopes.

Rules
-----
- Needed as evidence, or of contested accuracy, or under a legal hold: restricted in place of erased (s.46(4),
  s.47(2), (3) DPA 2018).
- A withdrawn agreement ends the legs that rested on nothing else. Which those are stands in the s.62 log of
  what was disclosed: the codes of the powers of each leg.
- R15: nothing is closed while a leg is unanswered, or an action that blocks it undecided.
- A leg ends at the origin when the other node has attested, not before: until then an acceptance that is on
  its way still counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from gateway.core.durations import DAY
from gateway.core.encoding import Json, JsonObject
from gateway.core.notices import TYPES, NoticeKind, answerable, one_month
from gateway.core.states import TAKEN_ON, TERMINAL, HandoverState, LegState, advance_handover, advance_leg
from gateway.errors import Conflict, NotFound
from gateway.flows import actions, breaches, closing, destruction, holds, moves, onward, parcels, questions
from gateway.flows.alarms import sound
from gateway.flows.destruction import check_destroyed, versions
from gateway.flows.node import Node, log_leaf
from gateway.flows.notice_legs import CASCADE
from gateway.flows.notice_out import Drawn
from gateway.flows.timers import set_again, set_timer
from gateway.ports import HandoverRow, LegEvent, LegRow, NoticeRow, Side, TaskRow, TimerRow, Transaction
from schemas.notice import Notice

__all__ = ["ON_ARRIVAL", "ON_ISSUE", "before", "check_destroyed", "facts_of", "on_arrival", "on_issue"]

Effect = Callable[[Transaction, Node, NoticeRow, JsonObject, int], Sequence[TaskRow]]
"""``(tx, node, notice, facts, now)`` -> parcels for agencies, not put yet."""

_K = NoticeKind

REPLY_DUE: Final = "rectification_due"
"""The timer until a subject's request is answered, and its alarm (R29)."""

WARN: Final = 7 * 86_400
"""Seconds before that at which people hear of it."""

AGREEMENT: Final = "AGREEMENT"
"""The power of a leg that rests on the subject's agreement."""

MANY: Final = 10_000

ANSWERS: Final = frozenset({_K.CORRECTION, _K.RECTIFICATION, _K.RESTRICTION, _K.ERASURE, _K.REFUSAL})
"""Kinds that answer a subject's request."""


def facts_of(tx: Transaction, handover: HandoverRow, notice: Notice) -> JsonObject:
    """The codes that both nodes act on, out of what an agency handed in."""
    facts: JsonObject = {}
    for name in ("new_version", "section", "about", "evidence", "contested"):
        if (value := getattr(notice, name)) is not None:
            facts[name] = value
    if notice.due is not None:
        facts["due"] = int(notice.due.timestamp())
    if notice.attestation is not None:
        facts |= notice.attestation.model_dump()
    if notice.permission is not None:
        facts |= questions.facts_of(notice.permission)
    return facts


# --- before it is sent ------------------------------------------------------------------------------


def before(tx: Transaction, node: Node, drawn: Drawn, handover: HandoverRow, now: int) -> Drawn:
    """What the law makes of a notice before it is sent. Raises NotFound, Conflict."""
    if about := drawn.facts.get("about"):
        _check_about(tx, drawn, str(about))
    new = drawn.facts.get("new_version")
    if isinstance(new, int) and tx.handover(drawn.ref, new) is None:
        raise NotFound(
            "there is no such version", code="no_version", field="/new_version", remedy="submit it first"
        )
    ready = _BEFORE.get(drawn.kind)
    return ready(tx, node, drawn, handover, now) if ready else drawn


Before = Callable[[Transaction, Node, Drawn, HandoverRow, int], Drawn]


def _check_about(tx: Transaction, drawn: Drawn, about: str) -> None:
    """Raises NotFound for a notice of another handover, or one that this kind does not answer."""
    row = tx.notice(about)
    fits = answerable(drawn.kind)
    if row is None or row.ref != drawn.ref or NoticeKind(row.kind) not in fits:
        raise NotFound(
            "no such notice about this handover, or none that this one answers",
            code="no_notice",
            field="/about",
            remedy=f"about names a notice of kind {', '.join(sorted(fits))}; GET /notices lists them",
        )


def _erase(tx: Transaction, node: Node, drawn: Drawn, handover: HandoverRow, now: int) -> Drawn:
    hold = holds.held(tx, drawn.ref)
    if drawn.facts.get("evidence") or hold:
        return replace(drawn, kind=_K.RESTRICTION, code="NEEDED_AS_EVIDENCE")
    if drawn.facts.get("contested"):
        return replace(drawn, kind=_K.RESTRICTION, code="ACCURACY_CONTESTED")
    return drawn


def _withdraw(tx: Transaction, node: Node, drawn: Drawn, handover: HandoverRow, now: int) -> Drawn:
    if drawn.code != "AGREEMENT_WITHDRAWN":
        return drawn
    rested = _on_agreement(tx, drawn.ref)
    legs: list[Json] = [
        leg.id
        for row in versions(tx, drawn.ref)
        for leg in tx.legs(row.ref, row.version)
        if leg.principal in rested
    ]
    if not legs:
        raise Conflict(
            "no leg of this handover rests on agreement alone",
            code="no_agreement",
            field="/reason_code",
            remedy="what another power carries goes on; tell the subject which (GET /v1/handovers/{ref})",
        )
    return replace(drawn, facts={**drawn.facts, "legs": legs})


def _on_agreement(tx: Transaction, ref: str) -> frozenset[str]:
    """The agencies to which every disclosure rested on agreement and on no other power."""
    powers: dict[str, set[str]] = {}
    for row in tx.accesses(ref=ref, limit=MANY):
        if row.operation == "DISCLOSURE" and row.leg and not row.justification.startswith("NOTICE_"):
            for principal in row.recipients:
                powers.setdefault(principal, set()).update(row.justification.split("+"))
    return frozenset(principal for principal, codes in powers.items() if codes == {AGREEMENT})


def _close(tx: Transaction, node: Node, drawn: Drawn, handover: HandoverRow, now: int) -> Drawn:
    """Raises Conflict (R15)."""
    legs = [LegState(leg.state) for leg in tx.legs(handover.ref, handover.version)]
    advance_handover(HandoverState(handover.state), "closed", legs)
    if undecided := actions.undecided_of(tx, handover.ref, handover.version):
        raise Conflict(
            f"undecided: {', '.join(sorted({row.code for row in undecided}))}",
            code="undecided_action",
            rule="R15",
            remedy="each agency says COMPLETED or NOT_DONE of its actions first",
        )
    return drawn


def _attest(tx: Transaction, node: Node, drawn: Drawn, handover: HandoverRow, now: int) -> Drawn:
    """Raises NotFound for what was not asked of this agency, Conflict while keys are here."""
    row = tx.notice(drawn.parent)
    if row is None or not parcels.concerns(tx, row, drawn.by):
        raise NotFound("this was not asked of this agency", code="no_notice", field="/about")
    check_destroyed(tx, node, row)
    return drawn


def _rectify(tx: Transaction, node: Node, drawn: Drawn, handover: HandoverRow, now: int) -> Drawn:
    return drawn if drawn.parent else replace(drawn, answer_by=one_month(now))


_BEFORE: Final[Mapping[NoticeKind, Before]] = {
    _K.ERASURE: _erase,
    _K.WITHDRAWAL: _withdraw,
    _K.CLOSURE: _close,
    _K.PURGE_ATTESTATION: _attest,
    _K.RECTIFICATION: _rectify,
    **dict.fromkeys(questions.QUESTIONS, questions.ask),
    **dict.fromkeys(questions.ANSWERS, questions.before_answer),
}


# --- effects ----------------------------------------------------------------------------------------


def _ended(tx: Transaction, node: Node, row: NoticeRow, told: JsonObject, now: int) -> Sequence[TaskRow]:
    """What is withdrawn, unlawful, erased or to be purged, at the node that gets the notice."""
    end_legs(tx, node, row, now)
    return destruction.begin(tx, node, row, told, now)


def end_legs(tx: Transaction, node: Node, row: NoticeRow, now: int) -> None:
    """The legs that nobody has taken on are asked no more. What was taken on stays with who took it on: a
    notice gives no responsibility back."""
    if "section" in parcels.facts(row):
        return
    for version in destruction.about(tx, row):
        for leg in tx.legs(version.ref, version.version):
            if parcels.concerns(tx, row, leg.principal):
                _purged(tx, node, leg, row.kind, now)


def _purged(tx: Transaction, node: Node, leg: LegRow, code: str, now: int) -> None:
    if LegState(leg.state) in TAKEN_ON | TERMINAL:
        return
    after = advance_leg(LegState(leg.state), "purged")
    event = LegEvent(leg.id, now, "purged", leg.state, after, node.principal, code)
    tx.advance_leg(leg.id, leg.state, after, event)


def _withdrawn(tx: Transaction, node: Node, row: NoticeRow, told: JsonObject, now: int) -> Sequence[TaskRow]:
    """WITHDRAWAL and UNLAWFUL_DISCLOSURE, at the node that sends it."""
    if row.kind == _K.UNLAWFUL_DISCLOSURE:
        breaches.of_notice(tx, node, row, now)
    if "legs" not in told:
        destruction.withdraw(tx, row, now)
    destruction.watch(tx, row, told, now)
    return ()


def _erased(tx: Transaction, node: Node, row: NoticeRow, told: JsonObject, now: int) -> Sequence[TaskRow]:
    """ERASURE at the origin: its own copy goes, too."""
    set_again(tx, destruction.DESTROY, row.id, now)
    destruction.watch(tx, row, told, now)
    return ()


def _ordered(tx: Transaction, node: Node, row: NoticeRow, told: JsonObject, now: int) -> Sequence[TaskRow]:
    destruction.watch(tx, row, told, now)
    return ()


def _restrict(tx: Transaction, node: Node, row: NoticeRow, told: JsonObject, now: int) -> Sequence[TaskRow]:
    """Its end may have overtaken it."""
    log_leaf(tx, "restricted", now, mid=row.mid, notice=row.id)
    if any(one.kind == _K.RESTRICTION_LIFTED for one in tx.notices(parent=row.id)):
        tx.change_notice(row, replace(row, state=parcels.LIFTED))
    return ()


def _lift(tx: Transaction, node: Node, row: NoticeRow, told: JsonObject, now: int) -> Sequence[TaskRow]:
    about = tx.notice(str(told.get("about", "")))
    if about is None or about.kind != _K.RESTRICTION or about.state == parcels.LIFTED:
        return ()
    tx.change_notice(about, replace(about, state=parcels.LIFTED))
    log_leaf(tx, "restriction_lifted", now, mid=row.mid, notice=about.id)
    for reader in tx.notice_legs(about.id):
        parcels.let_on(tx, row.ref, reader.principal, now)
    return ()


def _closed(tx: Transaction, node: Node, row: NoticeRow, told: JsonObject, now: int) -> Sequence[TaskRow]:
    """Where this side has not heard of every answer yet it is closed with the last of them (never before:
    R15): the receipts are on their way."""
    handover = tx.handover(row.ref)
    if handover is not None:
        closing.when_ready(tx, handover, now)
    return ()


def _asked(tx: Transaction, node: Node, row: NoticeRow, told: JsonObject, now: int) -> Sequence[TaskRow]:
    """A subject's request: the clock of one month for the written reply (R29), where it has to be given and
    where the person asked."""
    ours = row.ref.startswith(f"HO-{node.area}-")
    if row.parent or not (ours or row.side is Side.ORIGIN):
        return ()  # it answers a request, or tells us of one that its sender answers
    due = one_month(row.created)
    set_timer(tx, REPLY_DUE, row.id, due - WARN, step=0)
    set_timer(tx, REPLY_DUE, row.id, due, step=1)
    return ()


def reply_due(tx: Transaction, node: Node, timer: TimerRow, now: int) -> Sequence[TaskRow]:
    """A week before the month is over, and every day from its end: nobody has answered the person."""
    row = tx.notice(timer.subject)
    if row is None or any(NoticeKind(one.kind) in ANSWERS for one in tx.notices(parent=row.id)):
        return ()
    code = REPLY_DUE if timer.step == 0 else "rectification_overdue"
    sound(tx, code, peer=row.peer, at=now, subject=row.id)
    if timer.step:
        set_again(tx, REPLY_DUE, row.id, now + DAY)
    return ()


def _gone(tx: Transaction, node: Node, row: NoticeRow, told: JsonObject, now: int) -> Sequence[TaskRow]:
    """The other node has destroyed it: the legs that nobody there took on have ended here, too."""
    about = tx.notice(row.parent)
    if about is not None and told.get("copies_destroyed") is True:
        end_legs(tx, node, about, now)
    return ()


ON_ISSUE: Final[Mapping[NoticeKind, Effect]] = {
    _K.WITHDRAWAL: _withdrawn,
    _K.UNLAWFUL_DISCLOSURE: _withdrawn,
    _K.ERASURE: _erased,
    _K.PURGE_ORDER: _ordered,
    _K.RESTRICTION: _restrict,
    _K.RESTRICTION_LIFTED: _lift,
    _K.CLOSURE: _closed,
    _K.RECTIFICATION: _asked,
    **dict.fromkeys(questions.QUESTIONS, questions.watch),
    **dict.fromkeys(questions.ANSWERS, questions.answered),
}
"""Kind -> what the node that sends it does besides."""

ON_ARRIVAL: Final[Mapping[NoticeKind, Effect]] = {
    _K.WITHDRAWAL: _ended,
    _K.UNLAWFUL_DISCLOSURE: _ended,
    _K.ERASURE: _ended,
    _K.PURGE_ORDER: _ended,
    _K.RESTRICTION: _restrict,
    _K.RESTRICTION_LIFTED: _lift,
    _K.CLOSURE: _closed,
    _K.RECTIFICATION: _asked,
    _K.PURGE_ATTESTATION: _gone,
    _K.CASCADE_REPORT: onward.heard,
    _K.ONWARD_MOVE: moves.heard,
    _K.RETURN_MOVE: moves.heard,
}
"""Kind -> what the node that gets it does at once."""


def on_issue(tx: Transaction, node: Node, row: NoticeRow, now: int) -> Sequence[TaskRow]:
    effect = ON_ISSUE.get(NoticeKind(row.kind))
    return effect(tx, node, row, parcels.facts(row), now) if effect else ()


def on_arrival(tx: Transaction, node: Node, row: NoticeRow, now: int) -> Sequence[TaskRow]:
    kind = NoticeKind(row.kind)
    if TYPES[kind].cascades and row.ref.startswith(f"HO-{row.peer}-"):
        set_timer(tx, CASCADE, row.id, now)
    effect = ON_ARRIVAL.get(kind)
    return effect(tx, node, row, parcels.facts(row), now) if effect else ()


def on_handover(tx: Transaction, node: Node, ref: str, version: int, now: int) -> None:
    """A handover came after a notice about it: what is withdrawn or to be purged goes at once."""
    for row in tx.notices(ref=ref):
        kind = NoticeKind(row.kind)
        if row.side is Side.DESTINATION and TYPES[kind].destroys and version <= row.version:
            if destruction.whole(row) and kind not in destruction.ENDS:
                destruction.withdraw(tx, row, now)
            end_legs(tx, node, row, now)
            set_again(tx, destruction.DESTROY, row.id, now)
