"""What operators are shown of alarms and peers: ids, codes, numbers and times, the same on every surface."""

from __future__ import annotations

from typing import Final

from gateway.core.encoding import Json, JsonObject
from gateway.errors import NotAllowed, NotFound
from gateway.flows.node import log_leaf
from gateway.flows.show import when
from gateway.ports import AlarmRow, GapRow, StreamRow, Transaction

MAX_REASON: Final = 40


def alarms(tx: Transaction, *, cleared: bool, limit: int) -> list[Json]:
    return [alarm_facts(row) for row in tx.alarms(cleared=cleared, limit=limit)]


def alarm_facts(row: AlarmRow) -> JsonObject:
    """Without its evidence: that is fetched by itself, as the bytes it is."""
    return {
        "id": row.id,
        "at": when(row.at),
        "code": row.code,
        "peer": row.peer,
        "subject": row.subject,
        "evidence": bool(row.evidence),
        "cleared": when(row.cleared),
        "cleared_by": row.cleared_by,
    }


def alarm(tx: Transaction, identity: str) -> AlarmRow:
    """Raises NotFound."""
    found = tx.alarm(identity)
    if found is None:
        raise NotFound("no such alarm", code="no_alarm", remedy="`gateway alarms list` shows their ids")
    return found


def clear(tx: Transaction, identity: str, *, who: str, reason: str, now: int) -> AlarmRow:
    """``who``: a reference, never a name. ``reason``: a word for the log, never a sentence. Raises NotFound,
    also for one that was cleared already, and NotAllowed."""
    if not reason.isascii() or not reason.replace("_", "").isalnum() or len(reason) > MAX_REASON:
        raise NotAllowed(
            "a reason is one word",
            code="reason",
            remedy=f"up to {MAX_REASON} letters, digits and underscores: checked_with_peer",
        )
    alarm(tx, identity)
    if not tx.clear_alarm(identity, now, f"{who} {reason}"):
        raise NotFound("this alarm was cleared before", code="no_alarm", remedy="`gateway alarms list`")
    log_leaf(tx, "alarm_cleared", now, alarm=identity, reason=reason)
    return alarm(tx, identity)


def peers(tx: Transaction) -> list[Json]:
    """Every area that this node has spoken with: both streams, what is missing, when it was heard last."""
    out = {row.peer: row for row in tx.streams(outgoing=True)}
    into = {row.peer: row for row in tx.streams(outgoing=False)}
    gaps = tx.gaps()
    return [
        _peer(area, out.get(area), into.get(area), [gap for gap in gaps if gap.peer == area])
        for area in sorted(out.keys() | into.keys())
    ]


def _peer(area: str, mine: StreamRow | None, theirs: StreamRow | None, gaps: list[GapRow]) -> JsonObject:
    listed: list[Json] = [
        {"stream": gap.stream, "first": gap.first, "last": gap.last, "since": when(gap.noticed)}
        for gap in gaps
    ]
    return {
        "area": area,
        "sent": mine.seq if mine else 0,
        "sent_stream": mine.stream if mine else "",
        "sent_at": when(mine.at) if mine else None,
        "seen": theirs.seq if theirs else 0,
        "received": theirs.top if theirs else 0,
        "received_stream": theirs.stream if theirs else "",
        "heard_at": when(theirs.at) if theirs else None,
        "gaps": listed,
    }
