"""Receipts about notices: how far each reader of one is, and when all have taken it in.

The same signed chain as for a handover (protocol 5): a receipt is stored when it verifies and applied when
its predecessor has been. What a reader's table does not allow is kept as evidence and moves nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gateway.core.notices import NoticeKind, advance_reader, resolved
from gateway.errors import Conflict
from gateway.flows.node import area_of
from gateway.ports import NoticeLegRow, NoticeRow, ReceiptRow, Transaction

NODE_RECEIPTS: Final = frozenset({"received", "refused"})


CASCADE: Final = "notice_cascade"
"""The timer by which a notice that came is passed on."""

SETTLED: Final = "notice_settled"
"""The timer that is set when a notice of ours has been taken in by everybody."""


def apply(tx: Transaction, notice: NoticeRow, receipt: ReceiptRow) -> bool:
    """Move the readers that an applied receipt is by. Returns whether the notice is settled with it."""
    for leg in tx.notice_legs(notice.id):
        if _concerns(receipt, leg, notice):
            move(tx, leg, receipt.state, receipt.at, receipt.code)
    return settle(tx, notice.id)


def _concerns(receipt: ReceiptRow, leg: NoticeLegRow, notice: NoticeRow) -> bool:
    """A node answers for every reader of its area; but of a message that was sealed again and then refused,
    for none: its successor stands."""
    if receipt.state == "refused":
        return receipt.mid == notice.mid
    return receipt.by in {leg.principal, f"{area_of(leg.principal)}/node"}


def move(tx: Transaction, leg: NoticeLegRow, event: str, at: int, code: str = "") -> NoticeLegRow:
    """One reader by one event; left where it is when the table has no such step."""
    try:
        after = advance_reader(leg.state, event)
    except Conflict:
        return leg
    said = code or leg.code
    tx.advance_notice_leg(leg.notice, leg.principal, leg.state, after, at, code=said)
    return replace(leg, state=after, updated=at, code=said)


def settle(tx: Transaction, notice: str) -> bool:
    """Mark the notice DONE once nothing more is awaited from anybody. True when that happened now."""
    row = tx.notice(notice)
    if row is None or row.state != "OPEN" or outstanding(tx, row):
        return False
    return tx.change_notice(row, replace(row, state="DONE"))


def outstanding(tx: Transaction, row: NoticeRow) -> list[NoticeLegRow]:
    """The readers that have not taken it in yet."""
    kind = NoticeKind(row.kind)
    return [leg for leg in tx.notice_legs(row.id) if not resolved(kind, leg.state)]
