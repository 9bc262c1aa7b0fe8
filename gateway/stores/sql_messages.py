"""Envelopes, streams and the outbox, in SQL. The contract is :class:`gateway.ports.Transaction`.

Rules: an outbox row is claimed per lane and peer, so that a backlog of standard messages never stands in
front of an urgent one, nor a million for a peer that is away in front of another peer's, neither in the index
nor in a lock. ``settle_seen`` touches exactly the rows it settles: every message that arrives carries a
``seen`` (protocol 4.3).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.dialects import postgresql

from gateway.ports import EnvelopeRow, Lane, Outbound, OutboxRow, Side, StreamRow
from gateway.stores import tables
from gateway.stores.common import shared
from gateway.stores.database import Part
from gateway.stores.records import ENVELOPE, OUTBOX, STREAM
from gateway.stores.statements import Statement, at_attempt, fence, put, select

FEW = 4
"""Up to so many peers each may fill a whole claim; of more, each gives half of one at most, or a claim would
read a window of every peer to take one."""

MESSAGE: Final = 1  # the kind that only a receipt settles (protocol 4.1); 2 and 3 are settled by `seen`

_v, _s, _o = tables.envelopes.c, tables.streams.c, tables.outbox.c


def _place(column: sa.Column[Any]) -> sa.ScalarSelect[Any]:
    settled_by_seen = _v.kind != sa.literal_column(str(MESSAGE))
    return sa.select(column).where(_v.mid == bindparam("mid"), tables.SENT, settled_by_seen).scalar_subquery()


_PUT_ENVELOPE: Final = put(ENVELOPE)
_PLACE_OUTBOX: Final = Statement(
    sa.update(tables.outbox)
    .where(_o.mid == bindparam("of"))
    .values(stream=bindparam("in_stream"), seq=bindparam("at_seq"))
)
_ENVELOPE: Final = Statement(
    # Ours first: nobody who sends under an id of ours can put his bytes in the place of what we publish.
    select(ENVELOPE, _v.mid == bindparam("mid")).order_by(_v.side.desc()).limit(sa.literal_column("1"))
)
_IN_STREAM = (tables.RECEIVED, _v.peer == bindparam("peer"), _v.stream == bindparam("stream"))
_ENVELOPE_AT: Final = Statement(select(ENVELOPE, *_IN_STREAM, _v.seq == bindparam("seq")))
_RECEIVED_AFTER: Final = Statement(
    sa.select(_v.seq, _v.statement)
    .where(*_IN_STREAM, _v.seq > bindparam("seq"))
    .order_by(_v.seq)
    .limit(bindparam("limit"))
)
_SENT_BETWEEN: Final = Statement(
    sa.select(_v.seq, _v.mid, _v.expires)
    .where(
        tables.SENT,
        _v.peer == bindparam("peer"),
        _v.stream == bindparam("stream"),
        _v.seq >= bindparam("first"),
        _v.seq <= bindparam("last"),
    )
    .order_by(_v.seq)
    .limit(bindparam("limit"))
)
_END = select(STREAM, _s.peer == bindparam("peer"), _s.outgoing == bindparam("outgoing"))
_STREAM: Final = Statement(_END)
_STREAM_LOCKED: Final = Statement(_END.with_for_update())
_LOCK_NEW_STREAM: Final = Statement(
    sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(bindparam("key"))))
)
_insert_stream = postgresql.insert(tables.streams).values({n: bindparam(n) for n in STREAM.names})
_PUT_STREAM: Final = Statement(
    _insert_stream.on_conflict_do_update(
        index_elements=["peer", "outgoing"],
        set_={name: _insert_stream.excluded[name] for name in STREAM.names[2:]},
    )
)
_PUT_OUTBOX: Final = put(OUTBOX, stream=_place(_v.stream), seq=_place(_v.seq))
_OUTBOX_OF: Final = Statement(select(OUTBOX, _o.mid == bindparam("mid")))
# From one peer to the next in the index: as many steps as there are peers, however many rows wait for each.
_PEERS: Final = Statement(
    sa.text(
        """WITH RECURSIVE waited(peer) AS (
    SELECT (SELECT peer FROM outbox WHERE state <> 'settled' AND lane = :lane ORDER BY peer LIMIT 1)
    UNION ALL
    SELECT (SELECT outbox.peer FROM outbox WHERE outbox.state <> 'settled' AND outbox.lane = :lane
            AND outbox.peer > waited.peer ORDER BY outbox.peer LIMIT 1)
    FROM waited WHERE waited.peer IS NOT NULL
) SELECT peer FROM waited WHERE peer IS NOT NULL"""
    )
)
_DUE: Final = Statement(
    select(
        OUTBOX,
        tables.UNSETTLED,
        _o.lane == bindparam("lane"),
        _o.peer == bindparam("peer"),
        _o.due <= bindparam("now"),
    )
    .order_by(_o.due, _o.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_CLAIM: Final = Statement(
    sa.update(tables.outbox)
    .where(_o.id == bindparam("row"))
    .values(
        due=bindparam("until"), attempts=_o.attempts + sa.literal_column("1"), worker=bindparam("claimant")
    )
)
_RELEASE: Final = Statement(
    sa.update(tables.outbox)
    .where(_o.state == sa.literal_column(f"'{Outbound.WAITING.value}'"), _o.due > bindparam("now"))
    .values(due=bindparam("now", type_=_o.due.type), worker=sa.null())
)
_RELEASE_OF: Final = Statement(
    sa.update(tables.outbox)
    .where(tables.UNSETTLED, _o.due > bindparam("now"), _o.worker == bindparam("claimant"))
    .values(due=bindparam("now", type_=_o.due.type), worker=sa.null())
)
_ADVANCE: Final = Statement(
    sa.update(tables.outbox)
    .where(
        _o.id == bindparam("row"),
        sa.or_(*(_o.state == bindparam(f"old{place}") for place in range(len(Outbound)))),
        at_attempt(_o.attempts),
    )
    .values(state=bindparam("new"), due=bindparam("at"), error=bindparam("why"), worker=sa.null())
)
_SETTLE_MESSAGE: Final = Statement(
    sa.update(tables.outbox)
    .where(tables.UNSETTLED, _o.mid == bindparam("of"))
    .values(state=sa.literal_column("'settled'"), due=sa.literal_column("0"), error=sa.literal_column("''"))
)
_SETTLE_SEEN: Final = Statement(
    sa.update(tables.outbox)
    .where(
        sa.text("state <> 'settled' AND seq IS NOT NULL"),
        _o.peer == bindparam("to"),
        _o.stream == bindparam("of"),
        _o.seq <= bindparam("up_to"),
        _o.expires > bindparam("alive"),
    )
    .values(state=sa.literal_column("'settled'"))
)


class MessagePart(Part):
    """The part of a transaction that this file holds."""

    def put_envelope(self, row: EnvelopeRow) -> bool:
        if self._session.change(_PUT_ENVELOPE, ENVELOPE.dump(row)) != 1:
            return False
        if row.side is Side.ORIGIN and row.kind != MESSAGE:
            # Its outbox row usually comes after it and copies the place; this is for the other order.
            place = {"of": row.mid, "in_stream": row.stream, "at_seq": row.seq}
            self._session.change(_PLACE_OUTBOX, place)
        return True

    def envelope(self, mid: str) -> EnvelopeRow | None:
        """The one we sent, should there be one of each side."""
        found = self._session.one(_ENVELOPE, mid=mid)
        return ENVELOPE.load(found) if found else None

    def envelope_at(self, peer: str, stream: str, seq: int) -> EnvelopeRow | None:
        found = self._session.one(_ENVELOPE_AT, peer=peer, stream=stream, seq=seq)
        return ENVELOPE.load(found) if found else None

    def received_after(self, peer: str, stream: str, seq: int, limit: int) -> Sequence[tuple[int, bytes]]:
        rows = self._session.rows(_RECEIVED_AFTER, peer=peer, stream=stream, seq=seq, limit=limit)
        return [(row[0], row[1]) for row in rows]

    def sent_between(
        self, peer: str, stream: str, first: int, last: int, limit: int
    ) -> Sequence[tuple[int, str, int]]:
        rows = self._session.rows(
            _SENT_BETWEEN, peer=peer, stream=stream, first=first, last=last, limit=limit
        )
        return [(row[0], row[1], row[2]) for row in rows]

    def stream(self, peer: str, *, outgoing: bool, lock: bool = True) -> StreamRow | None:
        if not (lock and self._session.writable):
            found = self._session.one(_STREAM, peer=peer, outgoing=outgoing)
        else:
            found = self._locked_stream(peer, outgoing=outgoing)
        return STREAM.load(found) if found else None

    def _locked_stream(self, peer: str, *, outgoing: bool) -> tuple[Any, ...] | None:
        found = self._session.one(_STREAM_LOCKED, peer=peer, outgoing=outgoing)
        if found or not self._session.postgres:  # SQLite: the transaction already holds the only write lock
            return found
        # There is no row to lock yet: two processes would both start the stream, and one number would be
        # used twice. The second look sees the row of whoever held this lock before us.
        self._session.one(_LOCK_NEW_STREAM, key=f"gateway stream {peer} {outgoing}")
        return self._session.one(_STREAM_LOCKED, peer=peer, outgoing=outgoing)

    def put_stream(self, row: StreamRow) -> None:
        self._session.change(_PUT_STREAM, STREAM.dump(row))

    def put_outbox(self, row: OutboxRow) -> bool:
        return self._session.change(_PUT_OUTBOX, OUTBOX.dump(row)) == 1

    def claim_outbox(
        self,
        now: int,
        limit: int,
        lease: int,
        lanes: Sequence[Lane],
        *,
        worker: str = "",
        resting: Collection[tuple[str, Lane]] = (),
    ) -> Sequence[OutboxRow]:
        self._session.must_write()
        places = [
            (peer, lane)
            for lane in dict.fromkeys(lanes)
            for (peer,) in self._session.rows(_PEERS, lane=lane.value)
            if (peer, lane) not in resting
        ]
        most = limit if len(places) <= FEW else (limit + 1) // 2
        due = [self._due(peer, lane, now, most) for peer, lane in places]
        claimed = [replace(row, due=now + lease, attempts=row.attempts + 1) for row in shared(due, limit)]
        who = worker or None
        self._session.change_many(
            _CLAIM, [{"row": row.id, "until": row.due, "claimant": who} for row in claimed]
        )
        return claimed

    def _due(self, peer: str, lane: Lane, now: int, limit: int) -> Sequence[OutboxRow]:
        return OUTBOX.load_all(self._session.rows(_DUE, peer=peer, lane=lane.value, now=now, limit=limit))

    def advance_outbox(
        self,
        row: str,
        before: Iterable[Outbound],
        after: Outbound,
        *,
        due: int = 0,
        error: str = "",
        attempt: int | None = None,
    ) -> bool:
        states = [state.value for state in before] or [""]
        old = {f"old{place}": states[min(place, len(states) - 1)] for place in range(len(Outbound))}
        values = {"row": row, "new": after.value, "at": due, "why": error, "attempt": fence(attempt)}
        return self._session.change(_ADVANCE, old | values) == 1

    def release_outbox(self, now: int, worker: str = "") -> int:
        if worker:
            return self._session.change(_RELEASE_OF, {"now": now, "claimant": worker})
        return self._session.change(_RELEASE, {"now": now})

    def outbox_of(self, mid: str) -> OutboxRow | None:
        found = self._session.one(_OUTBOX_OF, mid=mid)
        return OUTBOX.load(found) if found else None

    def settle_message(self, mid: str) -> bool:
        return self._session.change(_SETTLE_MESSAGE, {"of": mid}) == 1

    def settle_seen(self, peer: str, stream: str, seq: int, now: int) -> int:
        return self._session.change(_SETTLE_SEEN, {"to": peer, "of": stream, "up_to": seq, "alive": now})
