"""What grows is cut back, in the reference store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, Final

from gateway.core.durations import DAY
from gateway.ports import EnvelopeRow, Side, Task
from gateway.stores.memory_tables import MemoryPart, Tables

CONTROL: Final = 3
MESSAGE: Final = 1

_Ended = Callable[[Any, int], bool]


def _passing(side: Side, *kinds: int) -> _Ended:
    return lambda row, before: row.side is side and not row.ref and row.kind in kinds and row.expires < before


_RULES: Final[Mapping[str, tuple[Callable[[Tables], MutableMapping[Any, Any]], _Ended]]] = {
    "idempotency": (lambda t: t.idempotency, lambda row, before: row.created < before),
    "timers": (lambda t: t.timers, lambda row, before: 0 < row.fired < before),
    "tasks": (lambda t: t.tasks, lambda row, before: row.state is Task.DONE and row.created < before),
    "pages": (lambda t: t.pages, lambda row, before: row.state != "waiting" and row.created < before),
    "held": (lambda t: t.held, lambda row, before: (row.settled or row.at) < before),
    "alarms": (lambda t: t.alarms, lambda row, before: 0 < row.cleared < before),
    "sent": (lambda t: t.envelopes, _passing(Side.ORIGIN, 1, 2, 3)),
    "heard": (lambda t: t.envelopes, _passing(Side.DESTINATION, 2, 3)),
    "files": (lambda t: t.envelopes, _passing(Side.DESTINATION, MESSAGE)),
}


class MemoryPrune(MemoryPart):
    """See :class:`gateway.ports.Transaction`."""

    def prune(self, what: str, before: int, limit: int) -> int:
        table, ended = _RULES[what]
        rows = table(self._change())
        gone = [key for key, row in rows.items() if ended(row, before)][:limit]
        for key in gone:
            del rows[key]
        if what == "sent":
            mids = {key[0] for key in gone}
            for name in [name for name, row in self._t.outbox.items() if row.mid in mids]:
                del self._t.outbox[name]
        return len(gone)

    def unstripped(self, before: int, limit: int) -> Sequence[EnvelopeRow]:
        found = [
            row
            for row in self._t.envelopes.values()
            if row.kind == CONTROL
            and row.side is Side.DESTINATION
            and row.seq > 1
            and row.secrets
            and row.expires < before
        ]
        return sorted(found, key=lambda row: (row.expires, row.mid))[:limit]

    def spare_cosignatures(self, before: int, limit: int) -> Sequence[tuple[str, int]]:
        rows = self._t.cosignatures.values()
        newest: dict[tuple[str, int], int] = defaultdict(int)
        kept: dict[tuple[str, int], int] = {}
        top: dict[str, int] = defaultdict(int)
        for row in rows:
            place = (row.origin, row.size)
            newest[place] = max(newest[place], row.at)
            top[row.origin] = max(top[row.origin], row.size)
            if not row.origin.endswith(f"/{row.by}"):
                day = (row.origin, row.at // DAY)
                kept[day] = min(kept.get(day, row.size), row.size)
        keep = {(origin, size) for (origin, _), size in kept.items()} | set(top.items())
        return sorted(place for place, at in newest.items() if at < before and place not in keep)[:limit]

    def drop_cosignatures(self, origin: str, size: int) -> int:
        table = self._change().cosignatures
        gone = [key for key in table if key[:2] == (origin, size)]
        for key in gone:
            del table[key]
        return len(gone)
