"""Handovers, legs and their history in the reference store, in plain Python: where SQL has an index, this
looks at every row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from gateway.ports import HandoverRow, LegEvent, LegRow, Side
from gateway.stores.common import check_leg_columns, numbered
from gateway.stores.memory_tables import MemoryPart


def _newest(rows: Iterable[Any], before: str, limit: int) -> list[Any]:
    """One page: ids smaller than ``before``, descending."""
    page = [row for row in rows if not before or row.id < before]
    return sorted(page, key=lambda row: row.id, reverse=True)[:limit]


class MemoryHandovers(MemoryPart):
    """See :class:`gateway.ports.Transaction`."""

    def put_handover(self, row: HandoverRow) -> bool:
        row = numbered(row)
        taken = any((old.ref, old.version) == (row.ref, row.version) for old in self._t.handovers.values())
        return self._put(self._t.handovers, row.id, row, taken=taken)

    def handover(self, ref: str, version: int | None = None) -> HandoverRow | None:
        rows = [
            row for row in self._t.handovers.values() if row.ref == ref and version in {None, row.version}
        ]
        return max(rows, key=lambda row: row.version, default=None)

    def handovers(
        self, *, side: Side | None, principal: str | None, before: str, limit: int
    ) -> Sequence[HandoverRow]:
        rows = (
            row
            for row in self._t.handovers.values()
            if side in {None, row.side} and (principal is None or self._concerns(row, principal))
        )
        return _newest(rows, before, limit)

    def _concerns(self, row: HandoverRow, principal: str) -> bool:
        legs = self.legs(row.ref, row.version)
        return row.submitted_by == principal or any(
            principal in {leg.principal, leg.counterpart} for leg in legs
        )

    def advance_handover(self, ref: str, version: int, before: str, after: str, at: int) -> bool:
        tables = self._change()
        row = self.handover(ref, version)
        if row is None or row.state != before:
            return False
        tables.handovers[row.id] = replace(row, state=after, updated=at)
        return True

    def put_leg(self, row: LegRow) -> bool:
        row = numbered(row)
        taken = any(old.principal == row.principal for old in self.legs(row.ref, row.version))
        return self._put(self._t.legs, row.id, row, taken=taken)

    def leg(self, leg: str) -> LegRow | None:
        return self._t.legs.get(leg)

    def legs(self, ref: str, version: int) -> Sequence[LegRow]:
        return [row for row in self._t.legs.values() if (row.ref, row.version) == (ref, version)]

    def legs_of_message(self, mid: str) -> Sequence[LegRow]:
        return [row for row in self._t.legs.values() if row.mid == mid]

    def inbox(self, principal: str, *, before: str, limit: int) -> Sequence[LegRow]:
        rows = (
            row
            for row in self._t.legs.values()
            if row.side is Side.DESTINATION and row.principal == principal
        )
        return _newest(rows, before, limit)

    def advance_leg(self, leg: str, before: str, after: str, event: LegEvent, **changes: object) -> bool:
        tables = self._change()
        check_leg_columns(frozenset(changes))
        row = tables.legs.get(leg)
        if row is None or row.state != before:
            return False
        changed: dict[str, Any] = dict(changes)
        tables.legs[leg] = replace(row, state=after, updated=event.at, **changed)
        tables.events.append(replace(numbered(event), leg=leg))
        return True

    def history(self, leg: str) -> Sequence[LegEvent]:
        return [event for event in self._t.events if event.leg == leg]
