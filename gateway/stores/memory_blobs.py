"""Attachments in the reference store: what is known of each, and the segments of its sealed bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.ports import Blob, BlobRow, SegmentRow
from gateway.stores.memory_tables import MemoryPart

UNNAMED = frozenset({Blob.UPLOADING, Blob.READY})


class MemoryBlobs(MemoryPart):
    """See :class:`gateway.ports.Transaction`."""

    def put_blob(self, row: BlobRow) -> bool:
        return self._put(self._t.blobs, (row.peer, row.blob), row)

    def blob(self, peer: str, blob: str) -> BlobRow | None:
        return self._t.blobs.get((peer, blob))

    def blobs(self, *, peer: str, ref: str, version: int) -> Sequence[BlobRow]:
        rows = (
            row for row in self._t.blobs.values() if (row.peer, row.ref, row.version) == (peer, ref, version)
        )
        return sorted(rows, key=lambda row: row.blob)

    def advance_blob(self, before: BlobRow, after: BlobRow) -> bool:
        blobs = self._change().blobs
        found = blobs.get((before.peer, before.blob))
        if found is None or (found.state, found.sent) != (before.state, before.sent):
            return False
        blobs[before.peer, before.blob] = after
        return True

    def drop_blob(self, peer: str, blob: str) -> bool:
        segments = self._change().segments
        for no in self.segments(peer, blob):
            del segments[peer, blob, no]
        return self._t.blobs.pop((peer, blob), None) is not None

    def sending_blobs(self, limit: int) -> Sequence[BlobRow]:
        return self._oldest([row for row in self._t.blobs.values() if row.state is Blob.SENDING], limit)

    def unnamed_blobs(self, before: int, limit: int) -> Sequence[BlobRow]:
        rows = [row for row in self._t.blobs.values() if row.state in UNNAMED and row.created < before]
        return self._oldest(rows, limit)

    def _oldest(self, rows: list[BlobRow], limit: int) -> Sequence[BlobRow]:
        return sorted(rows, key=lambda row: (row.created, row.blob))[:limit]

    def blobs_stored(self, *, peer: str, owner: str = "") -> tuple[int, int]:
        rows = [
            row
            for row in self._t.blobs.values()
            if row.peer == peer and (not owner or (row.owner == owner and row.state in UNNAMED))
        ]
        return len(rows), sum(row.sealed for row in rows)

    def put_segment(self, row: SegmentRow) -> bool:
        return self._put(self._t.segments, (row.peer, row.blob, row.no), row)

    def segment(self, peer: str, blob: str, no: int) -> SegmentRow | None:
        return self._t.segments.get((peer, blob, no))

    def segments(self, peer: str, blob: str) -> Sequence[int]:
        return sorted(no for area, name, no in self._t.segments if (area, name) == (peer, blob))

    def spend_segment(self, blob: str, no: int, mid: str) -> bool:
        segments, place = self._change().segments, ("", blob, no)
        if place not in segments:
            return False
        segments[place] = replace(segments[place], data=b"", mid=mid)
        return True
