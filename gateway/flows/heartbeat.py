"""Out: what is said to a peer when nothing else is, and what time makes of gaps and silence (protocol 4.5).

A heartbeat is a control envelope whose statement says it all: our stream and number, and what we have seen of
the peer's. So a withheld LAST message is missed within minutes, and whoever waits for our ``seen`` gets it.

Who gets one, by our clock: a peer with which something other than heartbeats passed in the last
:data:`ACTIVE` seconds, when nothing was sent to it for ``pace.heartbeat`` seconds; or :data:`ANSWER` seconds
after something came that is repeated until it is seen (receipts), when nothing was sent since. A heartbeat is
published once and asks for no answer, so two idle nodes send one each in that time and no more.

Rules: what is due stands in the database (StreamRow, GapRow) and is judged again under the stream's lock, so
that of several processes one acts, and one that was stopped goes on. Only ``silent`` needs to know since when
this process listens: after a night switched off every peer would seem to be away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from gateway.core.encoding import Json
from gateway.core.envelope import MAX_LIFE, SKEW
from gateway.flows import streams
from gateway.flows.alarms import settle, sound
from gateway.flows.control import tell
from gateway.flows.node import Node
from gateway.flows.resend import MAX_QUESTIONS
from gateway.flows.riders import riders
from gateway.flows.streams import subject_of
from gateway.ports import AlarmRow, GapRow, Lane, StreamRow, Transaction

ACTIVE: Final = 7 * 86_400
"""Seconds after the last message or receipts for which a pair is active."""

ANSWER: Final = 20
"""Seconds after which receipts are answered by a heartbeat: before their sender repeats them (30)."""

ASK: Final = 60
"""Seconds a gap may stand before its sender is asked: what is only out of order fills it in less."""

ASK_CAP: Final = 3600
"""Seconds between two questions at most; the pause is as long as the gap is old."""

ALARM: Final = 300
"""Seconds a gap may stand before people are told."""

LOST: Final = MAX_LIFE + 2 * SKEW
"""Seconds after which whatever was in a gap can be valid no more."""

SILENT: Final = 3
"""Heartbeats that may fail to come before people are told."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What one look at the database gives."""

    out: dict[str, StreamRow]
    into: dict[str, StreamRow]
    gaps: Sequence[GapRow]
    silent: Sequence[AlarmRow]

    @property
    def peers(self) -> Sequence[str]:
        return sorted(self.out.keys() | self.into.keys())


async def beat(node: Node, since: int) -> int:
    """Send what is due, ask and tell about gaps, tell about silence. ``since``: when this process began to
    listen. Returns how many messages that made."""
    now = node.clock.now()
    look = await node.store.read(_look)
    due = [peer for peer in look.peers if _due(node, look.out.get(peer), look.into.get(peer), now)]
    torn = sorted({gap.peer for gap in look.gaps if _ripe(gap, now)})
    sent = sum([await node.store.write(partial(_send, node=node, peer=peer, now=now)) for peer in due])
    sent += sum([await node.store.write(partial(_mend, node=node, peer=peer, now=now)) for peer in torn])
    await _listen(node, look, since, now)
    if sent:
        node.wake.outbox[Lane.RECEIPTS].set()
    return sent


def _look(tx: Transaction) -> _Look:
    return _Look(
        {row.peer: row for row in tx.streams(outgoing=True)},
        {row.peer: row for row in tx.streams(outgoing=False)},
        tx.gaps(),
        tx.standing_alarms("silent"),
    )


# --- heartbeats


def _due(node: Node, mine: StreamRow | None, theirs: StreamRow | None, now: int) -> bool:
    if not _active(mine, theirs, now, ACTIVE):
        return False
    if mine is None or mine.at + node.pace.heartbeat <= now:
        return True
    return theirs is not None and _unanswered(mine, theirs) and mine.at < theirs.busy + ANSWER <= now


def _active(mine: StreamRow | None, theirs: StreamRow | None, now: int, within: int) -> bool:
    """Something other than heartbeats passed lately. A pair that never spoke is none."""
    return max(row.busy for row in (mine, theirs) if row is not None) + within > now


def _unanswered(mine: StreamRow, theirs: StreamRow) -> bool:
    """The peer waits to read in a ``seen`` that we have what it sent; none says so of what is past a gap."""
    return mine.top < theirs.asks <= theirs.seq


def _send(tx: Transaction, *, node: Node, peer: str, now: int) -> bool:
    theirs = tx.stream(peer, outgoing=False, lock=False)
    mine = tx.stream(peer, outgoing=True)
    if not _due(node, mine, theirs, now):
        return False  # another process was here
    if tell(tx, node, peer, {"heartbeat": {"at": now}, **riders(tx, node, peer, now)}, now, once=True):
        return True
    if mine is not None:  # no valid key: looked at again after the usual time, not at every round
        tx.put_stream(replace(mine, at=now))
    return False


# --- gaps


def _ripe(gap: GapRow, now: int) -> bool:
    return _to_ask(gap, now) or _to_tell(gap, now) or _is_lost(gap, now)


def _to_ask(gap: GapRow, now: int) -> bool:
    if not gap.asked:
        return gap.noticed + ASK <= now
    return gap.asked + min(max(ASK, gap.asked - gap.noticed), ASK_CAP) <= now


def _to_tell(gap: GapRow, now: int) -> bool:
    return not gap.alarmed and gap.noticed + ALARM <= now


def _is_lost(gap: GapRow, now: int) -> bool:
    return gap.noticed + LOST <= now


def _mend(tx: Transaction, *, node: Node, peer: str, now: int) -> bool:
    """Give up, tell people, ask; all of one peer's gaps under the lock of its stream."""
    tx.stream(peer, outgoing=False)
    found = tx.gaps(peer=peer)
    lost = [gap for gap in found if _is_lost(gap, now)]
    for gap in lost:
        streams.give_up(tx, gap, now)
    if lost:
        streams.settled(tx, peer)
    left = [_tell(tx, gap, now) for gap in found if gap not in lost]
    return _ask(tx, node, peer, [gap for gap in left if _to_ask(gap, now)][:MAX_QUESTIONS], now)


def _tell(tx: Transaction, gap: GapRow, now: int) -> GapRow:
    if not _to_tell(gap, now):
        return gap
    sound(tx, "gap", peer=gap.peer, at=now, subject=subject_of(gap))
    told = replace(gap, alarmed=now)
    tx.put_gap(told)
    return told


def _ask(tx: Transaction, node: Node, peer: str, gaps: Sequence[GapRow], now: int) -> bool:
    questions: list[Json] = [{"stream": gap.stream, "first": gap.first, "last": gap.last} for gap in gaps]
    if not questions or not tell(tx, node, peer, {"resend": questions}, now, once=True):
        return False
    for gap in gaps:
        tx.put_gap(replace(gap, asked=now))
    return True


# --- silence


async def _listen(node: Node, look: _Look, since: int, now: int) -> None:
    patience = SILENT * node.pace.heartbeat
    quiet = [peer for peer, row in look.into.items() if max(row.at, since) + patience <= now]
    known = {row.peer for row in look.silent}
    gone = [peer for peer in quiet if peer not in known and _expected(look, peer, now)]
    back = sorted(known.difference(quiet))
    if gone or back:
        await node.store.write(partial(_tell_silence, gone=gone, back=back, now=now))


def _expected(look: _Look, peer: str, now: int) -> bool:
    """A day less than we speak ourselves: the peer may count the days of the pair from another message."""
    return _active(look.out.get(peer), look.into.get(peer), now, ACTIVE - 86_400)


def _tell_silence(tx: Transaction, *, gone: Sequence[str], back: Sequence[str], now: int) -> None:
    for peer in gone:
        sound(tx, "silent", peer=peer, at=now)
    for peer in back:
        settle(tx, "silent", peer=peer, at=now, why="heard again")
