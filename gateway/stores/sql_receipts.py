"""Receipts, in SQL. The contract is :class:`gateway.ports.Transaction`.

Rules: a receipt's identity is its hash; rows are never deleted; the order of ``n`` is the order of arrival.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from gateway.ports import ReceiptRow
from gateway.stores import tables
from gateway.stores.database import Part
from gateway.stores.records import RECEIPT
from gateway.stores.statements import Statement, put, select

_r = tables.receipts.c

_PUT: Final = put(RECEIPT)
_FIND: Final = Statement(select(RECEIPT, _r.hash == bindparam("hash")))
_WAITING = (
    select(RECEIPT, tables.UNSENT, _r.urgent == bindparam("urgent")).order_by(_r.n).limit(bindparam("limit"))
)
_UNSENT: Final = Statement(_WAITING)
_UNSENT_LOCKED: Final = Statement(_WAITING.with_for_update(skip_locked=True))
_MARK_SENT: Final = Statement(
    sa.update(tables.receipts).where(_r.hash == bindparam("of")).values(sent_in=bindparam("envelope"))
)
_MARK_APPLIED: Final = Statement(
    sa.update(tables.receipts).where(_r.hash == bindparam("of")).values(applied=sa.true())
)


@lru_cache(maxsize=16)
def _matching(filters: tuple[str, ...]) -> Statement:
    query = select(RECEIPT, *(_r[name] == bindparam(name) for name in filters))
    if "ref" in filters:
        query = query.where(sa.text("ref <> ''"))  # the condition of the index, word for word
    if "sent_in" in filters:
        query = query.where(sa.text("sent_in <> ''"))
    return Statement(query.order_by(_r.n))


class ReceiptPart(Part):
    """The part of a transaction that this file holds."""

    def put_receipt(self, row: ReceiptRow) -> bool:
        return self._session.change(_PUT, RECEIPT.dump(row)) == 1

    def receipt(self, receipt: bytes) -> ReceiptRow | None:
        found = self._session.one(_FIND, hash=receipt)
        return RECEIPT.load(found) if found else None

    def receipts(
        self, *, mid: str = "", ref: str = "", by: str = "", sent_in: str = ""
    ) -> Sequence[ReceiptRow]:
        given = {"mid": mid, "ref": ref, "by": by, "sent_in": sent_in}
        filters = {name: value for name, value in given.items() if value}
        return RECEIPT.load_all(self._session.rows(_matching(tuple(filters)), **filters))

    def unsent_receipts(self, limit: int, *, urgent: bool = False) -> Sequence[ReceiptRow]:
        statement = _UNSENT_LOCKED if self._session.writable else _UNSENT
        return RECEIPT.load_all(self._session.rows(statement, limit=limit, urgent=urgent))

    def mark_sent(self, hashes: Sequence[bytes], sent_in: str) -> None:
        rows = [{"of": receipt, "envelope": sent_in} for receipt in hashes]
        self._session.change_many(_MARK_SENT, rows)

    def mark_applied(self, receipt: bytes) -> None:
        self._session.change(_MARK_APPLIED, {"of": receipt})
