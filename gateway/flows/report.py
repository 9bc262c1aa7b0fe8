"""The figures of one quarter for the board that oversees this gateway (findings 7 and 8), in aggregate alone.

Duty: count what happened to the handovers of a quarter, on both sides, and print no count that points at a
few people (:mod:`gateway.core.suppression`). It leaves out how it is printed (:mod:`gateway.cli.report`).

Rules: codes and counts, no reference, no free text. Drills are counted nowhere. A quarter is one of the
calendar year in London time. Openings are counted out of the access log, which is a use that the law names
(self-monitoring, s.62(4)(b)), so the report is on record there as a reading. Ethnicity is nowhere in this
gateway (it may not be sent): for the monitoring that s.149 Equality Act asks for, the borough brings counts
of its own, and they are suppressed with the same rules.

Example::

    figures = await quarter(node, Caller("E09000012/node", "NODE", "d-2", "analyst"), "2026Q4")
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from gateway.core.deadlines import LONDON
from gateway.core.encoding import Json, JsonObject
from gateway.core.suppression import LEAST, enough, part, rate, suppress
from gateway.errors import NotAllowed
from gateway.flows import audit
from gateway.flows.audit import Reader, Wanted
from gateway.flows.node import Caller
from gateway.flows.urgent import Misuse, misuse
from gateway.ports import AccessRow, HandoverRow, LegEvent, LegRow, Side, Transaction

_QUARTER: Final = re.compile(r"(20[0-9]{2})Q([1-4])\Z")
PAGE: Final = 200
BREACH: Final = "BREACH_RECORD"
MANY: Final = 10
"""Measurements from which on a 90th percentile says something."""

Tables = dict[str, Counter[str]]


@dataclass(frozen=True, slots=True)
class Period:
    """``since`` to before ``until``, unix seconds."""

    name: str
    since: int
    until: int


@dataclass(slots=True)
class _Side:
    """What was counted of one direction."""

    handovers: int = 0
    files: int = 0
    moves: Counter[str] = field(default_factory=Counter)
    agencies: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    legs: int = 0
    overdue: int = 0
    escalated: int = 0
    times: list[int] = field(default_factory=list)
    notices: Counter[str] = field(default_factory=Counter)


def period_of(name: str) -> Period:
    """Raises NotAllowed for what is no quarter."""
    found = _QUARTER.match(name)
    if found is None:
        raise NotAllowed("not a quarter", code="quarter", remedy="write 2026Q4")
    year, number = int(found[1]), int(found[2])
    following = (year + number // 4, number % 4 + 1)
    return Period(name, _start(year, number), _start(*following))


def _start(year: int, number: int) -> int:
    return int(datetime(year, 3 * number - 2, 1, tzinfo=LONDON).timestamp())


async def quarter(
    node: Reader,
    by: Caller,
    name: str,
    *,
    equality: Mapping[str, Mapping[str, int]] | None = None,
) -> JsonObject:
    """The figures, as they may be printed. Raises NotAllowed for what is no quarter or no counts."""
    period = period_of(name)
    monitored = _equality(equality or {})
    openings, lines = await node.store.read(lambda tx: _openings(tx, period))
    wanted = Wanted(since=period.since, until=period.until)
    use = audit.Use.SELF_MONITORING
    await node.store.write(
        lambda tx: audit.note_reading(tx, node, by, wanted, use, lines, f"report={period.name}")
    )
    sides = await node.store.read(lambda tx: {side: _count(tx, side, period) for side in Side})
    urgent = await node.store.read(lambda tx: misuse(tx, period.since, period.until))
    return {
        "quarter": period.name,
        "threshold": LEAST,
        "sent": _facts(sides[Side.ORIGIN]),
        "received": _facts(sides[Side.DESTINATION]),
        "urgent": _urgent(sides[Side.ORIGIN], urgent),
        "openings": _table(openings),
        "equality": monitored,
    }


# --- counting ---------------------------------------------------------------------------------------


def _openings(tx: Transaction, period: Period) -> tuple[Counter[str], int]:
    """Openings by their justification, and how many lines were read for it."""
    found: Counter[str] = Counter()
    lines = 0
    for row in _accesses(tx, period):
        lines += 1
        if row.operation == "CONSULTATION":
            found[row.justification] += 1
    return found, lines


def _accesses(tx: Transaction, period: Period) -> Iterator[AccessRow]:
    after = 0
    while page := Wanted(since=period.since, until=period.until, after=after).rows(tx, PAGE):
        after = page[-1][0]
        yield from (row for _, row in page)


def _handovers(tx: Transaction, side: Side, period: Period) -> Iterator[tuple[HandoverRow, str]]:
    """The newest version of each that first came or went in this time, and how urgent it was then: what was
    downgraded since must not show as the difference of two counts. Drills are none."""
    before = ""
    seen: set[str] = set()
    while page := tx.handovers(side=side, principal=None, before=before, limit=PAGE):
        before = page[-1].id
        for row in page:
            first = tx.handover(row.ref, 1) or row
            if row.ref not in seen and not row.drill and period.since <= first.created < period.until:
                yield row, first.urgency
            seen.add(row.ref)
        if page[-1].created < period.since:
            return


def _first(tx: Transaction, row: HandoverRow) -> int:
    first = tx.handover(row.ref, 1)
    return first.created if first else row.created


def _count(tx: Transaction, side: Side, period: Period) -> _Side:
    found = _Side()
    for row, urgency in _handovers(tx, side, period):
        found.handovers += 1
        found.moves[urgency] += 1
        kinds = {notice.kind for notice in tx.notices(ref=row.ref)}
        found.notices.update(kinds)
        peer = "" if side is Side.ORIGIN else row.origin
        found.files += bool(tx.blobs(peer=peer, ref=row.ref, version=row.version))
        for leg in tx.legs(row.ref, row.version):
            _count_leg(found, leg, tx.history(leg.id))
    return found


def _count_leg(found: _Side, leg: LegRow, history: Sequence[LegEvent]) -> None:
    names = [event.event for event in history]
    found.legs += 1
    found.agencies[leg.agency] += 1
    found.answers[leg.state] += 1
    found.overdue += bool(leg.overdue) or _any(names, "overdue")
    found.escalated += _any(names, "escalated")
    taken = [event.at for event in history if event.event == "acknowledged"]
    if taken and leg.delivered:
        found.times.append(max(taken[0] - leg.delivered, 0))


def _any(names: Collection[str], kind: str) -> bool:
    return any(name == kind or name.startswith(f"{kind}:") for name in names)


# --- printing ---------------------------------------------------------------------------------------


def _facts(side: _Side) -> JsonObject:
    whole = side.handovers
    return {
        "handovers": part(whole, whole),
        "by_urgency": _table(side.moves),
        "legs_by_agency": _table(side.agencies),
        "legs_by_state": _table(side.answers),
        "acknowledged_after_minutes": _times(side.times),
        "legs_overdue": part(side.overdue, side.legs),
        "legs_escalated": _within(side.escalated, side.overdue, side.legs),
        "with_correction": part(side.notices["CORRECTION"], whole),
        "withdrawn": part(side.notices["WITHDRAWAL"], whole),
        "with_breach": part(side.notices[BREACH], whole),
        "with_attachments": part(side.files, whole),
    }


def _within(count: int, outer: int, whole: int) -> int | None:
    """A count nested in another one that is printed: neither it nor any difference is small."""
    return count if None not in (part(count, whole), part(count, outer)) else None


def _urgent(sent: _Side, found: Misuse) -> JsonObject:
    """Rates, and each only where its count and what it is a part of may both be printed: one that is nested
    in another would else give the rest away."""
    shown = suppress(sent.moves)
    printed = shown.total is not None and shown.cells.get("URGENT", 0) is not None
    nested = part(found.downgraded, found.suspect) is not None
    return {
        "share_percent": rate(sent.moves["URGENT"], sent.handovers) if printed else None,
        "misuse_percent": rate(found.suspect, found.moves) if printed else None,
        "downgraded_percent": rate(found.downgraded, found.moves) if printed and nested else None,
    }


def _times(found: Sequence[int]) -> JsonObject:
    """Whole minutes. Of fewer than five legs nothing is said: a median of two is one of them."""
    ordered = sorted(found)
    count = len(ordered)
    middle = ordered[(count - 1) // 2] // 60 if enough(count) else None
    late = ordered[(9 * count + 9) // 10 - 1] // 60 if count >= MANY else None
    return {"median": middle, "percentile_90": late}


def _table(counts: Mapping[str, int]) -> JsonObject:
    shown = suppress({name: counts[name] for name in sorted(counts)})
    cells: dict[str, Json] = dict(shown.cells)
    return {"cells": cells, "total": shown.total}


def _equality(counts: Mapping[str, Mapping[str, int]]) -> JsonObject:
    found: dict[str, Json] = {}
    for name, table in counts.items():
        if not _is_table(table):
            raise NotAllowed(
                "monitoring counts are whole numbers by category",
                code="equality_counts",
                remedy='{"ethnic group": {"Asian": 12, "Black": 30, ...}}',
            )
        found[str(name)] = _table(table)
    return found


def _is_table(table: object) -> bool:
    """It comes out of a file that people wrote."""
    return isinstance(table, Mapping) and all(_is_count(count) for count in table.values())


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
