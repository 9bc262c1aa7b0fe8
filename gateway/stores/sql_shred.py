"""What is to be destroyed, in SQL: the messages of a handover or an epoch, and punctures still to be made.
The contract is :class:`gateway.ports.Transaction`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from gateway.ports import EnvelopeRow, PunctureRow, Side
from gateway.stores import tables
from gateway.stores.database import Part
from gateway.stores.records import ENVELOPE, PUNCTURE
from gateway.stores.statements import Statement, put, select

_v, _p = tables.envelopes.c, tables.punctures.c

_of_ref = select(ENVELOPE, sa.text("ref <> ''"), _v.ref == bindparam("ref")).order_by(_v.created, _v.mid)
_OF_REF: Final = Statement(_of_ref)
_OF_VERSION: Final = Statement(_of_ref.where(_v.version == bindparam("version")))
_IN_EPOCH: Final = Statement(
    sa.select(_v.mid, _v.side).where(sa.text("epoch <> ''"), _v.epoch == bindparam("epoch"))
)
_CHANGE: Final = Statement(
    sa.update(tables.envelopes)
    .where(_v.mid == bindparam("of"), _v.side == bindparam("on"), _v.secrets == bindparam("old"))
    .values(secrets=bindparam("new"))
)
_STRIP: Final = Statement(
    sa.update(tables.envelopes)
    .where(_v.mid == bindparam("of"), _v.side == bindparam("on"))
    .values(body=bindparam("note"), secrets=bindparam("none"))
)
_PUT_PUNCTURE: Final = put(PUNCTURE)
_PUNCTURES: Final = Statement(select(PUNCTURE).order_by(_p.epoch, _p.path))
_DROP_PUNCTURE: Final = Statement(
    sa.delete(tables.punctures).where(_p.epoch == bindparam("epoch"), _p.path == bindparam("path"))
)


class ShredPart(Part):
    """The part of a transaction that this file holds."""

    def envelopes_of(self, ref: str, version: int | None = None) -> Sequence[EnvelopeRow]:
        if version is None:
            return ENVELOPE.load_all(self._session.rows(_OF_REF, ref=ref))
        return ENVELOPE.load_all(self._session.rows(_OF_VERSION, ref=ref, version=version))

    def envelopes_in(self, epoch: str) -> Sequence[tuple[str, Side]]:
        return sorted((row[0], Side(row[1])) for row in self._session.rows(_IN_EPOCH, epoch=epoch))

    def change_secrets(self, mid: str, side: Side, before: bytes, after: bytes) -> bool:
        values = {"of": mid, "on": side.value, "old": before, "new": after}
        return self._session.change(_CHANGE, values) == 1

    def strip_envelope(self, mid: str, side: Side, note: bytes) -> bool:
        values = {"of": mid, "on": side.value, "note": note, "none": b""}
        return self._session.change(_STRIP, values) == 1

    def put_puncture(self, row: PunctureRow) -> bool:
        return self._session.change(_PUT_PUNCTURE, PUNCTURE.dump(row)) == 1

    def punctures(self) -> Sequence[PunctureRow]:
        return PUNCTURE.load_all(self._session.rows(_PUNCTURES))

    def drop_puncture(self, row: PunctureRow) -> None:
        self._session.change(_DROP_PUNCTURE, PUNCTURE.dump(row))
