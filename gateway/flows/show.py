"""Where a handover stands, for people: who has taken what on, who is late, what happens next.

Read only, codes and times only. An agency sees a handover that it sent, is counterpart in, or received; a
receiving agency sees its own leg and no other (readers do not learn of each other, protocol 4.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from gateway.core.duty import responsible
from gateway.core.encoding import Json, JsonObject, b64
from gateway.core.states import ANSWERED, TAKEN_ON, TERMINAL, LegState
from gateway.errors import NotFound
from gateway.flows import carrying, parcels, reasons
from gateway.flows.checklist import Rows, checklist
from gateway.flows.node import Node, area_of
from gateway.flows.waiting import UNDER_WAY
from gateway.ports import HandoverRow, LegRow, OutboxRow, Parcel, ReceiptRow, Side, Task, TaskRow, Transaction

NO_ROWS: Final[Rows] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Standing:
    """One handover with the legs that the reader may see."""

    handover: HandoverRow
    legs: Sequence[LegRow]
    restricted: frozenset[str] = frozenset()
    """The agencies for which it, or a section of it, is kept and not used."""


def find(tx: Transaction, ref: str, principal: str | None, version: int | None = None) -> Standing:
    """``principal`` None: the operator, who may see every leg. Raises NotFound for what is not yours, too."""
    row = tx.handover(ref, version)
    legs = tx.legs(row.ref, row.version) if row else ()
    if row is None or (principal is not None and not _concerns(row, legs, principal)):
        raise NotFound(
            "no such handover for this agency",
            code="no_handover",
            remedy="check the reference: HO-<area>-<year>-<6 digits>",
        )
    if principal is not None and row.side is Side.DESTINATION:
        legs = [leg for leg in legs if leg.principal == principal]
    return Standing(row, legs, _restricted(tx, legs))


def _restricted(tx: Transaction, legs: Sequence[LegRow]) -> frozenset[str]:
    bars = {leg.principal: parcels.bar(tx, leg) for leg in legs}
    return frozenset(name for name, bar in bars.items() if bar.code == parcels.RESTRICTED or bar.sections)


def _concerns(row: HandoverRow, legs: Sequence[LegRow], principal: str) -> bool:
    mine = {leg.counterpart if row.side is Side.ORIGIN else leg.principal for leg in legs}
    return principal in mine or principal == row.submitted_by


def line(row: HandoverRow) -> JsonObject:
    """One handover in a list: references, codes and times."""
    return {
        "drill": row.drill,
        "handover": row.ref,
        "version": row.version,
        "side": row.side.value,
        "origin": row.origin,
        "destination": row.destination,
        "urgency": row.urgency,
        "state": row.state,
        "created": when(row.created),
        "updated": when(row.updated),
    }


def summary(node: Node, standing: Standing, rows: Rows = NO_ROWS) -> JsonObject:
    row = standing.handover
    return {
        **line(row),
        "summary": sentence(node, standing),
        "responsible": responsibilities(standing.legs),
        "address_check": row.address_check,
        "legs": [
            {**leg_facts(leg), "restricted": leg.principal in standing.restricted} for leg in standing.legs
        ],
        "checklist": checklist(standing.legs, rows, node.tailoring, node.clock.now()),
        "updated": when(max([row.updated, *(leg.updated for leg in standing.legs)])),
    }


def leg_facts(leg: LegRow) -> JsonObject:
    return {
        "leg": leg.id,
        "agency": leg.agency,
        "principal": leg.principal,
        "state": leg.state,
        "responsible": who(leg),
        "duty": leg.duty,
        "acknowledge_by": when(leg.acknowledge_by),
        "decide_by": when(leg.decide_by),
        "delivered": when(leg.delivered),
        "opened": when(leg.opened),
        "overdue": [name for name in leg.overdue.split(",") if name],
    }


def who(leg: LegRow) -> str:
    """Never empty: the origin's agency until the receiving one has accepted, and for some functions longer
    (R28)."""
    return responsible(leg.duty, LegState(leg.state), leg.counterpart, leg.principal)


def responsibilities(legs: Sequence[LegRow]) -> JsonObject:
    """By function; two organisations of one type are told apart by their own names."""
    agencies = [leg.agency for leg in legs]
    return {
        leg.agency if agencies.count(leg.agency) == 1 else leg.principal.partition("/")[2].upper(): who(leg)
        for leg in legs
    }


def sentence(node: Node, standing: Standing) -> str:
    """One sentence that a co-ordinator can act on. A drill says so first."""
    return f"DRILL: {_sentence(node, standing)}" if standing.handover.drill else _sentence(node, standing)


def _sentence(node: Node, standing: Standing) -> str:
    legs, row = standing.legs, standing.handover
    place, home = (node.network.areas.get(area, area) for area in (row.destination, row.origin))
    groups: dict[str, list[LegRow]] = {name: [] for name in ("taken", "stays", "refused", "ended", "waiting")}
    for leg in legs:
        groups[_group(leg, row)].append(leg)
    told = [f"{len(groups['taken'])} of {len(legs)} agencies of {place} have taken this on"]
    if stays := groups["stays"]:
        told.append(f"{_names(stays)} work{'s' * (len(stays) == 1)} with you, the duty stays with {home}")
    if refused := groups["refused"]:
        told.append(f"{_names(refused)} did not: see why, and what to do")
    if ended := groups["ended"]:
        told.append(f"{_names(ended)} ended without an answer")
    if waiting := groups["waiting"]:
        late = sum(bool(leg.overdue) for leg in waiting)
        told.append(f"waiting for {_names(waiting)}" + (f", of which {late} late" if late else ""))
        if away := [leg for leg in waiting if leg.state in ON_ITS_WAY]:
            told.append(f"not there yet for {_names(away)}: see why")
    else:
        told.append("nobody is left to answer")
    return "; ".join(told) + "."


def _group(leg: LegRow, row: HandoverRow) -> str:
    """Nobody is waited for in a version that has ended."""
    state = LegState(leg.state)
    if state in TAKEN_ON:
        return "taken" if who(leg) == leg.principal else "stays"
    if state in ANSWERED:
        return "refused"
    return "ended" if state in TERMINAL or row.state not in UNDER_WAY else "waiting"


def _names(legs: Sequence[LegRow]) -> str:
    return ", ".join(sorted(leg.agency for leg in legs))


def events(tx: Transaction, standing: Standing) -> list[Json]:
    """The history of every leg the reader may see, oldest first."""
    lines = [(event, leg) for leg in standing.legs for event in tx.history(leg.id)]
    lines.sort(key=lambda line: (line[0].at, line[0].id))
    return [
        {
            "at": when(event.at),
            "leg": leg.id,
            "agency": leg.agency,
            "event": event.event,
            "before": event.before,
            "after": event.after,
            "by": event.by,
            "code": event.code,
        }
        for event, leg in lines
    ]


def receipts(tx: Transaction, standing: Standing) -> list[Json]:
    """The signed receipts themselves: each note verifies offline against the network's directory."""
    mine = {leg.principal for leg in standing.legs}
    rows = tx.receipts(ref=standing.handover.ref)
    return [
        receipt_facts(row)
        for row in rows
        if row.version == standing.handover.version and (row.by in mine or row.by.endswith("/node"))
    ]


def receipt_facts(row: ReceiptRow) -> JsonObject:
    return {
        "by": row.by,
        "state": row.state,
        "code": row.code,
        "at": when(row.at),
        "about": row.mid,
        "hash": b64(row.hash),
        "note": row.note.decode(),
    }


def why(
    tx: Transaction, standing: Standing, contacts: Mapping[str, str] = MappingProxyType({})
) -> list[Json]:
    """Leg by leg: where it is and since when, whose turn it is, what went wrong last, when it is tried again,
    what to do, when the other area was last heard, and whom to telephone there (``contacts``, by area)."""
    found = [_why(tx, leg, contacts) for leg in standing.legs]
    if standing.handover.state in UNDER_WAY:
        return [*found]
    over: JsonObject = {
        "where": f"this version is {standing.handover.state}",
        "turn": "nobody",
        "fix": "nothing",
    }
    return [
        {**one, **over} if leg.state in UNANSWERED else one
        for leg, one in zip(standing.legs, found, strict=True)
    ]


def _why(tx: Transaction, leg: LegRow, contacts: Mapping[str, str]) -> JsonObject:
    outbox = tx.outbox_of(leg.mid) if leg.side is Side.ORIGIN else None
    task = next((t for t in tx.tasks_of(leg.id) if t.id.startswith("notification-")), None)
    by_hand = carrying.turn(leg, outbox, tx.bridge_file(leg.mid))
    where, turn, fix = by_hand or _turn(leg, outbox, task)
    area = area_of(leg.principal if leg.side is Side.ORIGIN else leg.counterpart)
    heard = tx.stream(area, outgoing=False, lock=False)
    last: OutboxRow | TaskRow | None = None if outbox and outbox.error in carrying.MARKS else outbox or task
    return {
        "agency": leg.agency,
        "state": leg.state,
        "where": where,
        "turn": turn,
        "last_error": last.error if last else "",
        "next_try": when(last.due) if last and (last.error or leg.state in ON_ITS_WAY) else None,
        "fix": fix,
        "since": when(_since(tx, leg)),
        "heard": when(heard.at) if heard else None,
        "telephone": contacts.get(area, ""),
    }


def _since(tx: Transaction, leg: LegRow) -> int:
    """When it came to where it is. A line that moved nothing (late, called about) is not that."""
    moves = [event.at for event in tx.history(leg.id) if event.before != event.after]
    row = tx.handover(leg.ref, leg.version)
    return moves[-1] if moves else row.created if row else leg.updated


ON_ITS_WAY = frozenset({LegState.QUEUED, LegState.TRANSMITTED})
UNANSWERED = frozenset(LegState) - ANSWERED - TERMINAL


def _turn(leg: LegRow, outbox: OutboxRow | None, task: TaskRow | None) -> tuple[str, str, str]:
    """(where it is, whose turn, what to do)"""
    state, area = LegState(leg.state), leg.principal.partition("/")[0]
    if state is LegState.QUEUED:
        return reasons.words(outbox.error if outbox else "", area)
    if state is LegState.TRANSMITTED:
        return (
            "with the broker",
            f"the node of {area}",
            reasons.again(outbox.error if outbox else "", area),
        )
    if state in (LegState.EXPIRED, LegState.UNDELIVERABLE):
        return (
            "it never arrived, and is not sent again",
            leg.counterpart,
            f"telephone {area}; then hand in a new version, reviewed, or hand it over another way",
        )
    return _at_the_agency(leg, task)


def _at_the_agency(leg: LegRow, task: TaskRow | None) -> tuple[str, str, str]:
    if task is not None and task.state is Task.HELD:
        return (
            "held here",
            "this node's operator",
            "mend the adapter named in the log, then restart this node: it tries again",
        )
    if task is not None and task.state is Task.WAITING and not leg.opened:
        return "on its way to the agency's system", "this node", "nothing, unless an error is shown"
    if leg.state in TAKEN_ON:
        return "answered", "nobody", "nothing"
    if leg.state in ANSWERED:
        return (
            "not taken on",
            leg.counterpart,
            f"read the answer of {leg.principal}: it says why, and may name the right agency or area; then "
            "hand in a new version to that one",
        )
    return "with the agency", leg.principal, f"ask {leg.principal} for an answer before {when(leg.decide_by)}"


def inbox_entry(leg: LegRow, task: TaskRow, actions: Sequence[Json] = (), said: str = "") -> JsonObject:
    """``said``: the kind of a notice, a code that the node reads. What is to be destroyed at once must not
    look like what can wait."""
    return {
        "parcel": task.id,
        "kind": task.kind.value,
        "notice": task.subject if task.kind is Parcel.NOTICE else "",
        "notice_kind": said,
        "handover": leg.ref,
        "version": leg.version,
        "leg": leg.id,
        "agency": leg.agency,
        "state": leg.state,
        "urgency": leg.urgency,
        "waiting": task.state is Task.PARKED,
        "acknowledge_by": when(leg.acknowledge_by),
        "decide_by": when(leg.decide_by),
        "overdue": [name for name in leg.overdue.split(",") if name],
        "actions": [*actions],
    }


def when(at: int) -> str | None:
    """RFC 3339 in UTC; None for "not yet"."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else None
