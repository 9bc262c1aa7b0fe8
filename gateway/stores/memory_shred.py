"""What is to be destroyed, in the reference store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.ports import EnvelopeRow, PunctureRow, Side
from gateway.stores.memory_tables import MemoryPart


class MemoryShred(MemoryPart):
    """See :class:`gateway.ports.Transaction`."""

    def envelopes_of(self, ref: str, version: int | None = None) -> Sequence[EnvelopeRow]:
        rows = (row for row in self._t.envelopes.values() if ref and row.ref == ref)
        found = [row for row in rows if version in {None, row.version}]
        return sorted(found, key=lambda row: (row.created, row.mid))

    def envelopes_in(self, epoch: str) -> Sequence[tuple[str, Side]]:
        return sorted(key for key, row in self._t.envelopes.items() if epoch and row.epoch == epoch)

    def change_secrets(self, mid: str, side: Side, before: bytes, after: bytes) -> bool:
        row = self._change().envelopes.get((mid, side))
        if row is None or row.secrets != before:
            return False
        self._t.envelopes[mid, side] = replace(row, secrets=after)
        return True

    def strip_envelope(self, mid: str, side: Side, note: bytes) -> bool:
        row = self._change().envelopes.get((mid, side))
        if row is None:
            return False
        self._t.envelopes[mid, side] = replace(row, body=note, secrets=b"")
        return True

    def put_puncture(self, row: PunctureRow) -> bool:
        return self._put(self._t.punctures, (row.epoch, row.path), row)

    def punctures(self) -> Sequence[PunctureRow]:
        return sorted(self._t.punctures.values(), key=lambda row: (row.epoch, row.path))

    def drop_puncture(self, row: PunctureRow) -> None:
        self._change().punctures.pop((row.epoch, row.path), None)
