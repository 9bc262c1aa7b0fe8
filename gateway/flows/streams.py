"""In: where a message stands in its sender's stream, and what that says of messages we do not have.

Every message is delivered at once, whatever is said here. What is kept is the highest number that came
(``top``), what is missing below it (a :class:`GapRow` each), and from these the number up to which we have
everything: our ``seen``. A message that follows the highest costs no query of its own. Asking for what is
missing, telling people and giving up are a matter of time: :mod:`gateway.flows.heartbeat`.

Rules: a message is judged by what its sender SIGNED, its number, its predecessor's hash and its time, never
by the order in which a broker handed it over. What contradicts is delivered and alarmed with the statements
that prove it. The current stream of a peer is the one with the newest signed time, so that a late message of
a stream that has ended changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from gateway.core.encoding import HEX_ID, ZERO, Json, JsonObject, fields, integer, text
from gateway.core.envelope import SKEW, Kind, Statement, open_part, split
from gateway.errors import GatewayError, Malformed, Refused
from gateway.flows import restart
from gateway.flows.alarms import exhibits, settle, sound
from gateway.flows.control import Came
from gateway.flows.node import Node
from gateway.flows.opening import Opened
from gateway.flows.vault import Holder, secrets_of, stripped
from gateway.ports import EnvelopeRow, GapRow, StreamRow, Transaction

MAX_GAPS: Final = 4_096
"""Gaps of one stream: a peer that skips every second number makes one with every message. One stream runs
over all lanes, so a lane that waits while another is read makes one with every message, too: as many as are
read before its turn. The oldest is given up for the next, with the alarm ``lost``."""

WINDOW: Final = 1_000
"""Numbers looked at again when a stream that had ended goes on."""

LIGHT: Final = frozenset({"heartbeat", "resend"})
"""Control sections whose envelope is published once and asks for no answer."""

_BROKEN = -1


def advance(tx: Transaction, node: Node, opened: Opened, now: int) -> None:
    """Take the place of a message, stored a moment ago, into the peer's stream."""
    statement = opened.statement
    row = tx.stream(opened.peer, outgoing=False)
    if row is None:
        row = StreamRow(opened.peer, False, statement.stream, 0, ZERO)
    elif row.stream != statement.stream:
        other = _other_stream(tx, opened, row, now)
        if other is None:
            return
        row = other
    after = (
        _ahead(tx, node, opened, row, now) if statement.seq > row.top else _late(tx, node, opened, row, now)
    )
    after = replace(after, at=max(row.at, statement.created))
    if statement.kind is not Kind.CONTROL or LIGHT.isdisjoint(opened.sections):
        after = replace(after, busy=now, asks=max(row.asks, statement.seq))
    tx.put_stream(after)


def _ahead(tx: Transaction, node: Node, opened: Opened, row: StreamRow, now: int) -> StreamRow:
    """Beyond everything that came: the next one, or one that leaves a gap."""
    statement, whole = opened.statement, row.seq == row.top
    if statement.created < row.at - SKEW:
        _alarm(tx, node, "created", opened, now, before=row.top)
    if statement.seq > row.top + 1:
        if not whole:
            _make_room(tx, row, now)
        gap = GapRow(row.peer, row.stream, row.top + 1, statement.seq - 1, now, prev=statement.prev)
        tx.put_gap(gap)
        return replace(row if whole else _settled(tx, row), top=statement.seq)
    head = row.head if whole else _hash_at(tx, row, row.top)
    if head and statement.prev != head:
        _alarm(tx, node, "prev", opened, now, before=row.top)
    if whole:
        return replace(row, seq=statement.seq, head=statement.hash, top=statement.seq)
    return replace(row, top=statement.seq)


def _make_room(tx: Transaction, row: StreamRow, now: int) -> None:
    for _ in range(tx.count_gaps(row.peer, row.stream) - MAX_GAPS + 1):
        if (oldest := tx.first_gap(row.peer, row.stream)) is not None:
            give_up(tx, oldest, now)


def give_up(tx: Transaction, gap: GapRow, now: int) -> None:
    """Count what is missing as lost for good. The number line goes on: :func:`settled` says where."""
    tx.drop_gap(gap.peer, gap.stream, gap.first)
    sound(tx, "lost", peer=gap.peer, at=now, subject=subject_of(gap))
    if gap.alarmed and not any(one.alarmed for one in tx.gaps(peer=gap.peer, stream=gap.stream)):
        settle(tx, "gap", peer=gap.peer, at=now, why="lost", about=gap.stream)


def subject_of(gap: GapRow) -> str:
    return f"{gap.stream} {gap.first}-{gap.last}"


def _late(tx: Transaction, node: Node, opened: Opened, row: StreamRow, now: int) -> StreamRow:
    """At or below the highest that came: in a gap, unless that was given up."""
    gap = fill(tx, opened.statement, row.peer, now)
    if gap is None:
        return row
    _check_neighbours(tx, node, opened, row, gap, now)
    return _settled(tx, row)


def fill(tx: Transaction, statement: Statement, peer: str, now: int) -> GapRow | None:
    """Take a number out of the gap that it is in, and return that gap as it was; None when it is in none."""
    gap = tx.gap_at(peer, statement.stream, statement.seq)
    if gap is None:
        return None
    tx.drop_gap(peer, gap.stream, gap.first)
    # It was asked for and comes: the rest is asked for at once, not after the pauses of what nobody has.
    left = replace(gap, asked=0)
    if gap.first < statement.seq:
        tx.put_gap(replace(left, last=statement.seq - 1, prev=statement.prev))
    if statement.seq < gap.last:
        tx.put_gap(replace(left, first=statement.seq + 1))
    if (
        gap.alarmed
        and gap.first == gap.last
        and not any(one.alarmed for one in tx.gaps(peer=peer, stream=gap.stream))
    ):
        settle(tx, "gap", peer=peer, at=now, why="filled", about=gap.stream)
    return gap


def _check_neighbours(
    tx: Transaction, node: Node, opened: Opened, row: StreamRow, gap: GapRow, now: int
) -> None:
    """A late one follows the message before it, and the message after it, which came earlier, follows it."""
    statement = opened.statement
    if statement.seq == gap.first:
        head = row.head if row.seq == gap.first - 1 else _hash_at(tx, row, gap.first - 1)
        if head and statement.prev != head:
            _alarm(tx, node, "prev", opened, now, before=statement.seq - 1)
    if statement.seq == gap.last and gap.prev and gap.prev != statement.hash:
        _alarm(tx, node, "prev", opened, now, before=statement.seq + 1)


def _settled(tx: Transaction, row: StreamRow) -> StreamRow:
    """The row with ``seq`` where its gaps let it be."""
    gap = tx.first_gap(row.peer, row.stream)
    first = gap.first if gap else row.top + 1
    if first - 1 == row.seq:
        return row
    return replace(row, seq=first - 1, head=_hash_at(tx, row, first - 1))


def settled(tx: Transaction, peer: str) -> None:
    """:func:`_settled`, for who has given a gap up."""
    row = tx.stream(peer, outgoing=False)
    if row is not None:
        tx.put_stream(_settled(tx, row))


def _hash_at(tx: Transaction, row: StreamRow, seq: int) -> bytes:
    """The statement hash of a message that came; empty when it did not, or was given up."""
    if seq == 0:
        return ZERO
    found = tx.received_after(row.peer, row.stream, seq - 1, 1)
    return found[0][1] if found and found[0][0] == seq else b""


# --- another stream than the one we follow


def _other_stream(tx: Transaction, opened: Opened, row: StreamRow, now: int) -> StreamRow | None:
    """The row to go on with when the message is newer than everything in the stream ``row``; None when it is
    a late one of a stream that has ended."""
    statement = opened.statement
    known = any(seq != statement.seq for seq, _ in tx.received_after(opened.peer, statement.stream, 0, 2))
    code = "stream_again" if known else "new_stream"
    later = statement.created > row.at or (statement.created == row.at and not known)
    if later if known else announced_in(opened.sections) is None:
        sound(
            tx,
            code,
            peer=opened.peer,
            at=now,
            subject=statement.stream,
            evidence=exhibits(statement.note),
        )
    if not later:
        fill(tx, statement, opened.peer, now)
        return None
    _note_end(tx, opened, row, now)
    mine = tx.stream(opened.peer, outgoing=True)
    if mine is not None:
        tx.put_stream(replace(mine, top=0))  # of the other stream we have said nothing yet
    fresh = replace(row, stream=statement.stream, seq=0, head=ZERO, top=0, asks=0)
    return _again(tx, fresh, statement, now) if known else fresh


def _note_end(tx: Transaction, opened: Opened, row: StreamRow, now: int) -> None:
    """An announcement says how far the old stream went as its sender remembers: so much may be asked for."""
    previous = announced_in(opened.sections)
    if previous is not None and previous.stream == row.stream and previous.seq > row.top:
        tx.put_gap(GapRow(row.peer, row.stream, row.top + 1, previous.seq, now))


def _again(tx: Transaction, row: StreamRow, statement: Statement, now: int) -> StreamRow:
    """A stream that had ended goes on. Its gaps are still there; which of the last :data:`WINDOW` numbers
    came since, unaccounted, is looked up."""
    base = max(0, statement.seq - 1 - WINDOW)
    held = [seq for seq, _ in tx.received_after(row.peer, row.stream, base, WINDOW) if seq < statement.seq]
    known = tx.gaps(peer=row.peer, stream=row.stream)
    top = base
    for seq in held:
        if seq > top + 1 and not any(gap.first <= top + 1 and seq - 1 <= gap.last for gap in known):
            tx.put_gap(GapRow(row.peer, row.stream, top + 1, seq - 1, now))
        top = seq
    return _settled(tx, replace(row, seq=_BROKEN, top=top))


@dataclass(frozen=True, slots=True)
class Previous:
    """What an announcement says of the stream before: its id, and the last number its sender remembers."""

    stream: str
    seq: int


def announced_in(sections: JsonObject) -> Previous | None:
    """None when there is no announcement, or none of the right form."""
    try:
        return read_announcement(sections["stream"]) if "stream" in sections else None
    except Refused:
        return None


def read_announcement(value: Json) -> Previous:
    """``{"previous":{"stream","seq"},"reason"}``. Raises Malformed."""
    body = fields(value, {"previous": dict, "reason": str})
    previous = fields(body["previous"], {"stream": str, "seq": int})
    stream = text(previous, "stream", HEX_ID) if previous["stream"] else ""
    if body["reason"] != restart.RESTORED:
        raise Malformed("a stream is begun for a reason that this release does not know", code="stream")
    return Previous(stream, integer(previous, "seq"))


def announced(tx: Transaction, node: Node, came: Came, value: Json) -> None:
    """Section ``stream``: the peer says that this stream follows another. Raises Malformed.

    People are told all the same: whoever can make a peer start anew can make it forget.
    """
    read_announcement(value)
    stream = came.statement.stream
    settle(tx, "new_stream", peer=came.peer, at=came.now, why="announced", about=stream)
    proof = exhibits(came.statement.note)
    sound(tx, "new_stream_announced", peer=came.peer, at=came.now, subject=stream, evidence=proof)


def repeated(tx: Transaction, opened: Opened, now: int) -> None:
    """A duplicate. Should its number be called missing (a stream that went on, a database of the release
    before), it is no longer."""
    if fill(tx, opened.statement, opened.peer, now) is not None:
        settled(tx, opened.peer)


def equivocated(tx: Transaction, node: Node, opened: Opened, now: int) -> None:
    """Two different messages in one place of a stream: both statements, for whoever has to judge."""
    statement = opened.statement
    known = tx.envelope_at(opened.peer, statement.stream, statement.seq)
    proof = exhibits(*([stored_note(node, known)] if known else []), statement.note)
    subject = f"{statement.stream} {statement.seq}"
    sound(tx, "equivocation", peer=opened.peer, at=now, subject=subject, evidence=proof)


def _alarm(tx: Transaction, node: Node, code: str, opened: Opened, now: int, *, before: int) -> None:
    """``before``: the number of the other statement that proves it."""
    statement = opened.statement
    other = tx.envelope_at(opened.peer, statement.stream, before)
    proof = exhibits(*([stored_note(node, other)] if other else []), statement.note)
    subject = f"{statement.stream} {statement.seq}"
    sound(tx, code, peer=opened.peer, at=now, subject=subject, evidence=proof)


def stored_note(node: Holder, row: EnvelopeRow) -> bytes:
    """The signed statement of a message that we hold; empty when its key is not here (it was refused)."""
    if stripped(row):
        return row.body
    try:
        return open_part(split(row.body), 0, secrets_of(node, row).keys[0], net=node.network.net)
    except (GatewayError, KeyError):
        return b""
