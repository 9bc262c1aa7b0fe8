"""What a node watches over, in the reference store: gaps in streams, cosignatures, and standing alarms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.ports import AlarmRow, CosignatureRow, GapRow, LooseRow, StreamRow, WitnessRow
from gateway.stores.common import numbered
from gateway.stores.memory_tables import MemoryPart


class MemoryWatch(MemoryPart):
    """See :class:`gateway.ports.Transaction`."""

    def streams(self, *, outgoing: bool) -> Sequence[StreamRow]:
        rows = (row for row in self._t.streams.values() if row.outgoing == outgoing)
        return sorted(rows, key=lambda row: row.peer)

    def put_gap(self, row: GapRow) -> None:
        self._change().gaps[row.peer, row.stream, row.first] = row

    def drop_gap(self, peer: str, stream: str, first: int) -> None:
        self._change().gaps.pop((peer, stream, first), None)

    def gaps(self, *, peer: str = "", stream: str = "") -> Sequence[GapRow]:
        rows = (row for row in self._t.gaps.values() if peer in {"", row.peer} and stream in {"", row.stream})
        return sorted(rows, key=lambda row: (row.peer, row.stream, row.first))

    def gap_at(self, peer: str, stream: str, seq: int) -> GapRow | None:
        return next(
            (gap for gap in self.gaps(peer=peer, stream=stream) if gap.first <= seq <= gap.last), None
        )

    def first_gap(self, peer: str, stream: str) -> GapRow | None:
        return next(iter(self.gaps(peer=peer, stream=stream)), None)

    def count_gaps(self, peer: str, stream: str) -> int:
        return len(self.gaps(peer=peer, stream=stream))

    def put_cosignature(self, row: CosignatureRow) -> bool:
        return self._put(self._t.cosignatures, (row.origin, row.size, row.by), row)

    def cosignatures(self, origin: str, *, size: int | None = None) -> Sequence[CosignatureRow]:
        rows = (row for row in self._t.cosignatures.values() if row.origin == origin)
        return sorted((row for row in rows if size in {None, row.size}), key=lambda row: (row.size, row.by))

    def witness(self, peer: str) -> WitnessRow | None:
        return self._t.witnesses.get(peer)

    def witnesses(self) -> Sequence[WitnessRow]:
        return sorted(self._t.witnesses.values(), key=lambda row: row.peer)

    def put_witness(self, row: WitnessRow) -> None:
        self._change().witnesses[row.peer] = row

    def loose(self, origin: str = "") -> Sequence[LooseRow]:
        rows = (row for row in self._t.loose.values() if origin in {"", row.origin})
        return sorted(rows, key=lambda row: (row.origin, row.via))

    def put_loose(self, row: LooseRow) -> None:
        self._change().loose[row.origin, row.via] = row

    def drop_loose(self, origin: str, via: str) -> None:
        self._change().loose.pop((origin, via), None)

    def put_alarm(self, row: AlarmRow) -> bool:
        row, known = numbered(row), (row.code, row.peer, row.subject)
        standing = (old for old in self._t.alarms.values() if not old.cleared)
        taken = not row.cleared and any((old.code, old.peer, old.subject) == known for old in standing)
        return self._put(self._t.alarms, row.id, row, taken=taken)

    def alarms(self, *, cleared: bool = False, limit: int = 100) -> Sequence[AlarmRow]:
        rows = (row for row in self._t.alarms.values() if bool(row.cleared) == cleared)
        return sorted(rows, key=lambda row: row.id, reverse=True)[:limit]

    def alarm(self, alarm: str) -> AlarmRow | None:
        return self._t.alarms.get(alarm)

    def standing_alarms(self, code: str, *, peer: str = "", limit: int = 100) -> Sequence[AlarmRow]:
        standing = (row for row in self._t.alarms.values() if not row.cleared and row.code == code)
        rows = (row for row in standing if peer in {"", row.peer})
        return sorted(rows, key=lambda row: (row.peer, row.subject))[:limit]

    def clear_alarm(self, alarm: str, at: int, by: str) -> bool:
        row = self._change().alarms.get(alarm)
        if row is None or row.cleared:
            return False
        self._t.alarms[alarm] = replace(row, cleared=at, cleared_by=by)
        return True
