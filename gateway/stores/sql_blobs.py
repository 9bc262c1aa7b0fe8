"""Attachments, in SQL: what is known of each, and the segments of its sealed bytes. The contract is
:class:`gateway.ports.Transaction`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from gateway.ports import BlobRow, SegmentRow
from gateway.stores import tables
from gateway.stores.database import Part
from gateway.stores.records import BLOB, SEGMENT
from gateway.stores.statements import Statement, put, select

_b, _s = tables.blobs.c, tables.blob_segments.c

_THIS = (_b.peer == bindparam("of_peer"), _b.blob == bindparam("of_blob"))
_OF_THIS = (_s.peer == bindparam("of_peer"), _s.blob == bindparam("of_blob"))
_KEPT: Final = [name for name in BLOB.names if name not in {"peer", "blob"}]

_PUT: Final = put(BLOB)
_BLOB: Final = Statement(select(BLOB, *_THIS))
_BLOBS: Final = Statement(
    select(
        BLOB,
        _b.peer == bindparam("peer"),
        _b.ref == bindparam("ref"),
        _b.version == bindparam("version"),
    ).order_by(_b.blob)
)
_ADVANCE: Final = Statement(
    sa.update(tables.blobs)
    .where(*_THIS, _b.state == bindparam("was_state"), _b.sent == bindparam("was_sent"))
    .values({name: bindparam(name) for name in _KEPT})
)
_DROP: Final = Statement(sa.delete(tables.blobs).where(*_THIS))
_SENDING: Final = Statement(
    select(BLOB, tables.SENDING).order_by(_b.created, _b.blob).limit(bindparam("limit"))
)
_UNNAMED: Final = Statement(
    select(BLOB, tables.UNNAMED, _b.created < bindparam("before"))
    .order_by(_b.created, _b.blob)
    .limit(bindparam("limit"))
)
_total: sa.Select[Any] = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(_b.sealed), 0))
_STORED: Final = Statement(_total.where(_b.peer == bindparam("peer")))
_UPLOADED: Final = Statement(
    _total.where(tables.UNNAMED, _b.peer == bindparam("peer"), _b.owner == bindparam("owner"))
)
_PUT_SEGMENT: Final = put(SEGMENT)
_SEGMENT: Final = Statement(select(SEGMENT, *_OF_THIS, _s.no == bindparam("of_no")))
_SPEND: Final = Statement(
    sa.update(tables.blob_segments)
    .where(*_OF_THIS, _s.no == bindparam("of_no"))
    .values(data=bindparam("left"), mid=bindparam("carrier"))
)
_SEGMENTS: Final = Statement(sa.select(_s.no).where(*_OF_THIS).order_by(_s.no))
_DROP_SEGMENTS: Final = Statement(sa.delete(tables.blob_segments).where(*_OF_THIS))


class BlobPart(Part):
    """The part of a transaction that this file holds."""

    def put_blob(self, row: BlobRow) -> bool:
        return self._session.change(_PUT, BLOB.dump(row)) == 1

    def blob(self, peer: str, blob: str) -> BlobRow | None:
        found = self._session.one(_BLOB, of_peer=peer, of_blob=blob)
        return BLOB.load(found) if found else None

    def blobs(self, *, peer: str, ref: str, version: int) -> Sequence[BlobRow]:
        return BLOB.load_all(self._session.rows(_BLOBS, peer=peer, ref=ref, version=version))

    def advance_blob(self, before: BlobRow, after: BlobRow) -> bool:
        was = {"was_state": before.state.value, "was_sent": before.sent}
        values = {name: value for name, value in BLOB.dump(after).items() if name in _KEPT}
        return self._session.change(_ADVANCE, {**values, **was, **_this(before.peer, before.blob)}) == 1

    def drop_blob(self, peer: str, blob: str) -> bool:
        self._session.change(_DROP_SEGMENTS, _this(peer, blob))
        return self._session.change(_DROP, _this(peer, blob)) == 1

    def sending_blobs(self, limit: int) -> Sequence[BlobRow]:
        return BLOB.load_all(self._session.rows(_SENDING, limit=limit))

    def unnamed_blobs(self, before: int, limit: int) -> Sequence[BlobRow]:
        return BLOB.load_all(self._session.rows(_UNNAMED, before=before, limit=limit))

    def blobs_stored(self, *, peer: str, owner: str = "") -> tuple[int, int]:
        named = {"owner": owner} if owner else {}
        found = self._session.one(_UPLOADED if owner else _STORED, peer=peer, **named)
        return (int(found[0]), int(found[1])) if found else (0, 0)

    def put_segment(self, row: SegmentRow) -> bool:
        return self._session.change(_PUT_SEGMENT, SEGMENT.dump(row)) == 1

    def segment(self, peer: str, blob: str, no: int) -> SegmentRow | None:
        found = self._session.one(_SEGMENT, of_no=no, **_this(peer, blob))
        return SEGMENT.load(found) if found else None

    def segments(self, peer: str, blob: str) -> Sequence[int]:
        return [int(no) for (no,) in self._session.rows(_SEGMENTS, **_this(peer, blob))]

    def spend_segment(self, blob: str, no: int, mid: str) -> bool:
        spent = {"of_no": no, "left": b"", "carrier": mid}
        return self._session.change(_SPEND, {**spent, **_this("", blob)}) == 1


def _this(peer: str, blob: str) -> dict[str, str]:
    return {"of_peer": peer, "of_blob": blob}
