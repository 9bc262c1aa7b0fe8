"""Envelopes, streams, the outbox and receipts in the reference store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from gateway.ports import EnvelopeRow, Lane, Outbound, OutboxRow, ReceiptRow, Side, StreamRow
from gateway.stores.common import numbered, shared
from gateway.stores.memory_tables import MemoryPart


class MemoryMessages(MemoryPart):
    """See :class:`gateway.ports.Transaction`."""

    def put_envelope(self, row: EnvelopeRow) -> bool:
        place = (row.side, row.peer, row.stream, row.seq)
        taken = any(place == (o.side, o.peer, o.stream, o.seq) for o in self._t.envelopes.values())
        return self._put(self._t.envelopes, (row.mid, row.side), row, taken=taken)

    def envelope(self, mid: str) -> EnvelopeRow | None:
        sent = self._t.envelopes.get((mid, Side.ORIGIN))
        return sent or self._t.envelopes.get((mid, Side.DESTINATION))

    def envelope_at(self, peer: str, stream: str, seq: int) -> EnvelopeRow | None:
        rows = (row for row in self._received(peer, stream) if row.seq == seq)
        return next(rows, None)

    def _received(self, peer: str, stream: str) -> list[EnvelopeRow]:
        return [
            row
            for row in self._t.envelopes.values()
            if row.side is Side.DESTINATION and (row.peer, row.stream) == (peer, stream)
        ]

    def stream(self, peer: str, *, outgoing: bool, lock: bool = True) -> StreamRow | None:
        return self._t.streams.get((peer, outgoing))

    def put_stream(self, row: StreamRow) -> None:
        self._change().streams[row.peer, row.outgoing] = row

    def received_after(self, peer: str, stream: str, seq: int, limit: int) -> Sequence[tuple[int, bytes]]:
        rows = sorted((row.seq, row.statement) for row in self._received(peer, stream) if row.seq > seq)
        return rows[:limit]

    def sent_between(
        self, peer: str, stream: str, first: int, last: int, limit: int
    ) -> Sequence[tuple[int, str, int]]:
        rows = sorted(
            (row.seq, row.mid, row.expires)
            for row in self._t.envelopes.values()
            if (row.side, row.peer, row.stream) == (Side.ORIGIN, peer, stream) and first <= row.seq <= last
        )
        return rows[:limit]

    def put_outbox(self, row: OutboxRow) -> bool:
        row = numbered(row)
        return self._put(self._t.outbox, row.id, row, taken=self.outbox_of(row.mid) is not None)

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
        tables = self._change()
        due: dict[tuple[str, Lane], list[OutboxRow]] = {}
        for row in sorted(tables.outbox.values(), key=lambda row: (row.due, row.id)):
            place = row.peer, row.lane
            if row.state is not Outbound.SETTLED and row.due <= now and row.lane in lanes:
                due.setdefault(place, []).extend([] if place in resting else [row])
        chosen = shared(list(due.values()), limit)
        claimed = [replace(row, due=now + lease, attempts=row.attempts + 1) for row in chosen]
        tables.outbox.update({row.id: row for row in claimed})
        self._claim("outbox", (row.id for row in claimed), worker)
        return claimed

    def release_outbox(self, now: int, worker: str = "") -> int:
        tables = self._change()
        unsettled = [row for row in tables.outbox.values() if row.state is not Outbound.SETTLED]
        claimed = [row for row in unsettled if row.due > now and self._is_released(row, worker)]
        self._claim("outbox", (row.id for row in claimed), "")
        tables.outbox.update({row.id: replace(row, due=now) for row in claimed})
        return len(claimed)

    def _is_released(self, row: OutboxRow, worker: str) -> bool:
        return self._is_claim("outbox", row.id, worker) if worker else row.state is Outbound.WAITING

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
        tables = self._change()
        old = tables.outbox.get(row)
        if old is None or old.state not in set(before) or attempt not in {None, old.attempts}:
            return False
        self._claim("outbox", [row], "")
        tables.outbox[row] = replace(old, state=after, due=due, error=error)
        return True

    def outbox_of(self, mid: str) -> OutboxRow | None:
        return next((row for row in self._t.outbox.values() if row.mid == mid), None)

    def settle_message(self, mid: str) -> bool:
        row, open_states = self.outbox_of(mid), (Outbound.WAITING, Outbound.PUBLISHED)
        self._change()
        return row is not None and self.advance_outbox(row.id, open_states, Outbound.SETTLED)

    def settle_seen(self, peer: str, stream: str, seq: int, now: int) -> int:
        tables = self._change()
        seen = [
            row
            for row in tables.outbox.values()
            if row.state is not Outbound.SETTLED
            and row.peer == peer
            and row.expires > now
            and (sent := tables.envelopes.get((row.mid, Side.ORIGIN)))
            and sent.kind != 1
            and sent.stream == stream
            and sent.seq <= seq
        ]
        tables.outbox.update({row.id: replace(row, state=Outbound.SETTLED) for row in seen})
        return len(seen)

    def put_receipt(self, row: ReceiptRow) -> bool:
        return self._put(self._t.receipts, row.hash, numbered(row))

    def receipt(self, receipt: bytes) -> ReceiptRow | None:
        return self._t.receipts.get(receipt)

    def receipts(
        self, *, mid: str = "", ref: str = "", by: str = "", sent_in: str = ""
    ) -> Sequence[ReceiptRow]:
        return [
            row
            for row in self._t.receipts.values()
            if mid in {"", row.mid}
            and ref in {"", row.ref}
            and by in {"", row.by}
            and sent_in in {"", row.sent_in}
        ]

    def unsent_receipts(self, limit: int, *, urgent: bool = False) -> Sequence[ReceiptRow]:
        waiting = (row for row in self._t.receipts.values() if row.ours and not row.sent_in)
        return [row for row in waiting if row.urgent is urgent][:limit]

    def mark_sent(self, hashes: Sequence[bytes], sent_in: str) -> None:
        receipts = self._change().receipts
        receipts.update({h: replace(receipts[h], sent_in=sent_in) for h in hashes if h in receipts})

    def mark_applied(self, receipt: bytes) -> None:
        receipts = self._change().receipts
        if receipt in receipts:
            receipts[receipt] = replace(receipts[receipt], applied=True)
