"""The person moves on, or back: the receiver becomes the origin of a handover of its own (domain 6.8).

Duty: what a document that names ``message.onward_of`` must satisfy here, and the codes by which the first
origin is told that the person has moved on, where to, under which reference. It leaves out passing
corrections on (:mod:`gateway.flows.cascade`), which follows the same references.

Rules
-----
- Nothing received is passed on as it is: the quality block was verified after the received handover was
  opened, and the rules ask for a lawful basis of the sender's own (R20, s.36(4) DPA 2018, finding F14).
- Only an area of which an agency took the person on hands the person on: until then the first origin is
  responsible, and decides.
- The received handover ends as ONWARD_MOVED on both sides; nobody's acceptance is undone by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import structlog

from gateway.core.encoding import JsonObject
from gateway.core.notices import NoticeKind
from gateway.core.states import TAKEN_ON, HandoverState, LegState, advance_handover
from gateway.errors import Conflict, GatewayError, NotAllowed, NotFound
from gateway.flows.node import Caller, Node, area_of
from gateway.flows.notice_out import Drawn, Reader, send_all, words_of
from gateway.ports import HandoverRow, LegRow, NoticeRow, Side, TaskRow, Transaction
from schemas.handover import HandoverNotification

FIELD: Final = "/message/onward_of"
CODE: Final = "NO_LONGER_RELEVANT"
"""The reason code of the notice: what was asked of the first receiver is over."""

log = structlog.get_logger("moves")


def check(tx: Transaction, document: HandoverNotification, before: HandoverRow | None) -> None:
    """Whether a document may draw on the received handover that it names. ``before``: the newest
    version until now.

    Raises NotFound for a reference that this node did not receive, Conflict while nobody here has taken the
    person on, NotAllowed when it was not verified since.
    """
    ref = document.message.onward_of
    if before is not None and before.onward_of != (ref or ""):
        # Two handovers that name each other would pass a correction round for ever.
        raise Conflict(
            "a further version draws on another handover than the version before it",
            code="onward_changed",
            field=FIELD,
            remedy="keep the field as it was; a further move is a handover of its own",
        )
    if ref is None:
        return
    received = tx.handover(ref)
    if received is None or received.side is not Side.DESTINATION:
        raise NotFound(
            "this node has received no such handover",
            code="no_handover",
            field=FIELD,
            remedy="name the handover by which the person came here, or leave the field out",
        )
    legs = [leg for n in range(1, received.version + 1) for leg in tx.legs(ref, n)]
    if not any(LegState(leg.state) in TAKEN_ON for leg in legs):
        raise Conflict(
            "nobody here has taken this person on: the first origin is still responsible",
            code="not_taken_on",
            rule="R28",
            field=FIELD,
            remedy="accept the handover first, or return it and let its origin send the person on",
        )
    _check_verified(document, legs)


def _check_verified(document: HandoverNotification, legs: Sequence[LegRow]) -> None:
    opened = max(leg.opened for leg in legs)
    if document.data_quality.verified_at.timestamp() < opened:
        raise NotAllowed(
            "what was received is not passed on without being verified again",
            code="not_reverified",
            rule="R20",
            field="/data_quality/verified_at",
            remedy="verify what you send; the time of it is after the received handover was opened",
        )


def tell(tx: Transaction, node: Node, document: HandoverNotification, caller: Caller, now: int) -> None:
    """The first origin's agencies hear of it, in codes, in the transaction that issues the new handover."""
    goes_to, ref = document.routing.destination.area_code, document.message.handover_id
    received = tx.handover(document.message.onward_of) if document.message.onward_of else None
    if received is None or document.message.version > 1:  # it was told of the first
        return
    back = goes_to == received.origin
    kind = NoticeKind.RETURN_MOVE if back else NoticeKind.ONWARD_MOVE
    told: JsonObject = {"area": goes_to, "handover": ref}
    drawn = Drawn(received.ref, received.version, kind, CODE, caller.principal, (), told)
    words = words_of(node, drawn, caller.agency)
    readers = [
        Reader(leg.counterpart, leg.id, leg.principal, words)
        for leg in _one_each(tx.legs(received.ref, received.version))
        if area_of(leg.counterpart) == received.origin
    ]
    try:
        send_all(tx, node, drawn, readers, now)
    except GatewayError as error:
        # Its node has no key now; the cascade of corrections does not depend on this.
        log.error("the first origin cannot be told of an onward move", peer=received.origin, code=error.code)
    _end(tx, received, now)


def _one_each(legs: Sequence[LegRow]) -> Sequence[LegRow]:
    """Of legs that answer to one agency the first: it needs to be told once."""
    return list({leg.counterpart: leg for leg in reversed(legs)}.values())


def heard(tx: Transaction, node: Node, row: NoticeRow, told: JsonObject, now: int) -> Sequence[TaskRow]:
    """At the first origin: the handover has ended."""
    handover = tx.handover(row.ref)
    if handover is not None:
        _end(tx, handover, now)
    return ()


def _end(tx: Transaction, row: HandoverRow, now: int) -> None:
    try:
        after = advance_handover(HandoverState(row.state), "onward_moved", ())
    except Conflict:
        return  # closed, withdrawn or purged already
    tx.advance_handover(row.ref, row.version, row.state, after, now)
