"""A notice at an agency that keeps its own key: verified, shown, receipted; and answered, signed on its side.

The node hands a notice out like any sealed parcel. Its receipts have a chain of their own, about the notice's
message; they are kept under the notice's id as those of a handover are under its leg's
(:mod:`gateway.client.records`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from gateway.client.ledger import Ledger
from gateway.client.opening import Opened
from gateway.client.records import Record, Signed
from gateway.client.signing import sign
from gateway.core.encoding import JsonObject
from gateway.core.notices import NoticeKind, advance_reader
from gateway.errors import GatewayError, Malformed, NotFound
from gateway.flows.notice_answer import RECEIPT_OF, code_of
from gateway.flows.notice_view import shown_words
from schemas.notice import NoticeAnswer

PREFIX: Final = "notice-"


def view_of(opened: Opened) -> JsonObject:
    """PLAINTEXT, with its heading and what is asked. Raises Malformed for a kind that is not known here."""
    words: Any = opened.sections["notice"]
    kind = words.get("kind")
    if kind not in set(NoticeKind):
        raise Malformed("a kind of notice that this release does not know", code="notice_kind")
    leg = opened.sealed.leg
    return shown_words(
        NoticeKind(kind), str(words.get("id")), (leg.ref, leg.version), opened.sections, relayed=True
    )


def known(ledger: Ledger, name: str) -> bool:
    """Whether an id is that of a notice that was delivered here."""
    try:
        record = ledger.records.find(name)
    except GatewayError:  # no id at all
        return False
    return record is not None and record.parcel.startswith(PREFIX)


async def opened(ledger: Ledger, record: Record) -> Record:
    """Sign that this agency's system has it, once, and bring what is signed."""
    if not record.opened:
        note = ledger.signed(record, "opened", parts=record.parts)
        record = ledger.keep(replace(record, signed=(*record.signed, note)))
    return await ledger.bring(record)


async def answer(ledger: Ledger, notice: str, words: NoticeAnswer) -> None:
    """Sign an answer, with the step it implies, and bring it to the node.

    Raises NotFound for a notice that was not delivered here, Conflict for a step that is not possible,
    InvalidDocument where an attestation is missing.
    """
    async with ledger.alone(notice):
        record = ledger.records.find(notice)
        if record is None or not record.opened:
            raise NotFound("no such notice for this agency", code="no_notice")
        record = await ledger.bring(record)
        kind, target = NoticeKind(record.leg.state), RECEIPT_OF[words.state]
        code = code_of(kind, words)
        if record.signed[-1].state == target:
            return
        state = _state(record)
        implied = ("acknowledged",) if target != "acknowledged" and state == "OPENED" else ()
        for step in (*implied, target):
            state = advance_reader(state, step)
            record = _signed(ledger, record, step, code if step == target else "")
        await ledger.bring(ledger.keep(record))


def _state(record: Record) -> str:
    state = "DELIVERED"
    for one in record.signed:
        state = advance_reader(state, one.state)
    return state


def _signed(ledger: Ledger, record: Record, step: str, code: str) -> Record:
    client = ledger.client
    made = sign(
        client.keys,
        client.network.net,
        record.about,
        step,
        at=ledger.now(),
        prev=record.signed[-1],
        code=code,
    )
    return replace(record, signed=(*record.signed, Signed(made.state, made.hash, made.note)))
