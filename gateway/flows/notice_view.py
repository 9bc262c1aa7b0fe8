"""What people see of notices: an agency in its own parcel, and both sides of what is not taken in yet.

Codes, references and times; the words of a notice are only in the parcel of the agency that they were sealed
to.
"""

from __future__ import annotations

from contextlib import suppress

from gateway.core.encoding import Json, JsonObject, decode_object
from gateway.core.notice_words import LEFT_OUT, SAYS
from gateway.core.notices import TYPES, NoticeKind, resolved
from gateway.errors import NotFound
from gateway.flows import parcels, show
from gateway.flows.show import Standing, when
from gateway.ports import LegRow, NoticeLegRow, NoticeRow, Side, Task, TaskRow, Transaction

MARKING = "OFFICIAL-SENSITIVE"


def shown(row: NoticeRow, words: JsonObject) -> JsonObject:
    """PLAINTEXT for one agency: the notice with its heading, what is asked and what it may answer."""
    return shown_words(NoticeKind(row.kind), row.id, (row.ref, row.version), words)


def shown_words(
    kind: NoticeKind, notice: str, about: tuple[str, int], words: JsonObject, *, relayed: bool = False
) -> JsonObject:
    """The same for a notice of which there is no row here. ``about``: handover and version; ``relayed``: the
    agency signs its answer itself."""
    said = words.get("notice")
    left_out = isinstance(said, dict) and said.get("left_out") is True
    heading, asked = LEFT_OUT if left_out else SAYS[kind]
    answers: list[Json] = ["ACKNOWLEDGED", *(["COMPLETED", "REJECTED"] if TYPES[kind].work else [])]
    return {
        "marking": MARKING,
        "heading": heading,
        "handover": about[0],
        "version": about[1],
        "notice": notice,
        "kind": kind.value,
        "asked": asked,
        "answer_at": "" if relayed else f"/v1/inbox/notices/{notice}/acknowledgements",
        "may_answer": answers,
        "view": words,
    }


def to_verify(row: NoticeRow, leg: LegRow) -> JsonObject:
    """For an agency of ours that had passed the person on: what it sent rests on what is wrong now. Codes
    only; there is nothing to acknowledge, its recipients were told by its node."""
    told: JsonObject = {"kind": row.kind, "reason_code": row.code, "about": row.ref}
    return {
        "marking": MARKING,
        "heading": "What you passed on rests on a handover that has changed",
        "handover": leg.ref,
        "version": leg.version,
        "notice": row.id,
        "kind": row.kind,
        "asked": "Verify what you sent in this handover; correct it with a new version where it is wrong.",
        "answer_at": "",
        "may_answer": [],
        "view": {"notice": told},
    }


def find(tx: Transaction, ref: str, principal: str) -> Standing:
    """The newest version that concerns this agency: a later one may have left it out. Raises NotFound."""
    newest = tx.handover(ref)
    for version in range(newest.version if newest else 0, 1, -1):
        with suppress(NotFound):
            return show.find(tx, ref, principal, version)
    return show.find(tx, ref, principal, 1 if newest else None)


def listing(tx: Transaction, standing: Standing, principal: str | None) -> JsonObject:
    """Every notice about a handover that the reader may see, and who has not taken what in, since when.

    The sending side sees all readers of its own notices, and the agency that handed the handover in sees
    every notice about it: a question about one leg is put to that leg's counterpart. A receiving agency sees
    itself and no other (readers do not learn of each other, protocol 4.3). ``principal`` None: the operator,
    who sees all.
    """
    handover = standing.handover
    handed_in = handover.side is Side.ORIGIN and handover.submitted_by == principal
    reader = None if handed_in else principal
    rows = [(row, legs) for row in tx.notices(ref=handover.ref) if (legs := _visible(tx, row, reader))]
    notices: list[Json] = [line(row, legs) for row, legs in rows]
    unresolved: list[Json] = [
        {
            "notice": row.id,
            "kind": row.kind,
            "principal": leg.principal,
            "state": leg.state,
            "since": when(row.created),
            "onward": leg.onward,
        }
        for row, legs in rows
        for leg in legs
        if not resolved(NoticeKind(row.kind), leg.state)
    ]
    return {"handover": handover.ref, "notices": notices, "unresolved": unresolved}


def unanswered(tx: Transaction, principal: str, limit: int) -> list[tuple[LegRow, TaskRow]]:
    """Notices that this agency has opened and not answered, as parcels of its inbox."""
    found = []
    for row in tx.open_notices(principal, limit):
        reader = next(one for one in tx.notice_legs(row.id) if one.principal == principal)
        task = tx.task(parcels.task_id(row.id, reader.leg))
        leg = parcels.leg_of(tx, task) if task is not None and task.state is Task.DONE else None
        if task is not None and leg is not None and not resolved(NoticeKind(row.kind), reader.state):
            found.append((leg, task))
    return found


def _visible(tx: Transaction, row: NoticeRow, principal: str | None) -> list[NoticeLegRow]:
    legs = list(tx.notice_legs(row.id))
    if principal is None or row.side is Side.ORIGIN:
        return legs
    return [leg for leg in legs if leg.principal == principal]


def line(row: NoticeRow, legs: list[NoticeLegRow]) -> JsonObject:
    readers: list[Json] = [
        {
            "principal": leg.principal,
            "state": leg.state,
            "updated": when(leg.updated),
            "code": leg.code,
            "onward": leg.onward,
        }
        for leg in legs
    ]
    return {
        "notice": row.id,
        "kind": row.kind,
        "reason_code": row.code,
        "sent": row.side is Side.ORIGIN,
        "peer": row.peer,
        "by": row.by,
        "version": row.version,
        "created": when(row.created),
        "answer_by": when(row.answer_by),
        "state": row.state,
        "about": row.parent,
        "facts": decode_object(row.facts.encode()),
        "legal": TYPES[NoticeKind(row.kind)].legal,
        "readers": readers,
    }
