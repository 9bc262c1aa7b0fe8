"""In: what a person brings back from an area without a gateway, judged as if a broker had brought it.

Duty: take a file apart, verify each envelope in it, and move the legs by the receipts. It leaves out
everything that :mod:`gateway.flows.opening` and :mod:`gateway.flows.receipts` know: there is one way to open
an envelope and one to judge a receipt.

Rules: a file is believed for nothing but the signatures in it. The clock of a leg starts at the signed
receipt of its area's desk, not when the file is brought. The same file again changes nothing. What is in it
about somebody else's legs, or by somebody else's key, moves nothing and is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from gateway.core.bridge import open_file
from gateway.core.ceremony import Bundle
from gateway.core.encoding import Json, JsonObject, unb64
from gateway.core.envelope import Kind
from gateway.errors import Conflict, Forged, NotAllowed, Refused
from gateway.flows import arrival, trust
from gateway.flows.node import Node
from gateway.flows.opening import REPLY, Opened, prove, read
from gateway.ports import TaskRow, Transaction

log = structlog.get_logger("bridge")


@dataclass(frozen=True, slots=True)
class Brought:
    """What a file did. ``moved``: leg id -> its state now, of every leg that a receipt in the file is about;
    ``receipts``: taken for the first time; ``words``: sealed answers passed on; ``refused``: receipts that do
    not hold here."""

    area: str
    receipts: int
    words: int
    refused: int
    repeated: bool
    moved: dict[str, str]


async def bring(node: Node, data: bytes) -> Brought:
    """Take an answer file in. It is committed when this returns, all of it or nothing.

    Raises Refused of any kind for a file that does not verify, NotAllowed for one from an area that has a
    gateway of its own, Conflict for one whose receipts are all about something else.
    """
    now, file = node.clock.now(), open_file(data)
    await _take_cards(node, file.documents, now)
    opened = [_opened(node, envelope, now) for envelope in file.envelopes]
    if len({one.peer for one in opened}) != 1:
        raise Forged("one file holds answers of several areas", code="bridge_area")
    brought, news = await node.store.write(lambda tx: _store(tx, node, opened, now))
    for task in news:
        node.wake.agency(task.principal, task.lane)
    return brought


async def _take_cards(node: Node, documents: JsonObject, now: int) -> None:
    """Fresh key cards of the area come with its answers: no peer could tell us of them. What does not hold is
    left out, for the answers in the file stand by themselves."""
    cards = _notes(documents.get("cards"))
    if not cards:
        return

    def work(tx: Transaction) -> None:
        roots = [row.note for row in tx.trust("root")]
        trust.join(tx, Bundle(roots, tx.trust("directory")[-1].note, cards), now)

    try:
        await node.store.write(work)
    except Refused as error:
        log.warning("key cards in a file were refused", code=error.code)
        return
    await trust.refresh_trust(node, lambda _: None)


def _notes(value: Json) -> tuple[bytes, ...]:
    return tuple(unb64(str(one)) for one in value) if isinstance(value, list) else ()


def _opened(node: Node, envelope: bytes, now: int) -> Opened:
    proven, slot = prove(node, envelope, now)
    if not node.network.external(proven.peer):
        raise NotAllowed(
            "this was made by an area that has a gateway of its own",
            code="bridge_transport",
            remedy="its answers come by themselves; ask its operators why somebody carries files",
        )
    opened = read(node, proven, slot, now)
    if opened.statement.kind is Kind.CONTROL or (opened.routing and opened.routing.kind != REPLY):
        raise Forged("an answer file holds something else than answers", code="bridge_answer")
    return opened


def _store(
    tx: Transaction, node: Node, opened: Sequence[Opened], now: int
) -> tuple[Brought, Sequence[TaskRow]]:
    notes = [receipt for one in opened for receipt in one.notes]
    before = {receipt.hash for receipt in notes if tx.receipt(receipt.hash)}
    news: list[TaskRow] = []
    fresh = 0
    # Receipts first: the words of an answer go to whoever the legs they are about belong to.
    for one in sorted(opened, key=lambda one: one.routing is not None):
        told = arrival.store_carried(tx, node, one, now)
        fresh += told is not None
        news += told or ()
    kept = [row for receipt in notes if (row := tx.receipt(receipt.hash))]
    if notes and not kept:
        raise Conflict(
            "no receipt in this file is about a handover of ours to this area",
            code="bridge_answer",
            remedy="is it the answer to a file of another borough, or of another area?",
        )
    legs = {row.leg: leg.state for row in kept if (leg := tx.leg(row.leg))}
    legs |= {leg.id: leg.state for row in kept if not row.leg for leg in tx.legs_of_message(row.mid)}
    brought = Brought(
        area=opened[0].peer,
        receipts=len({row.hash for row in kept} - before),
        words=sum(one.routing is not None for one in opened) if fresh else 0,
        refused=len(notes) - len(kept),
        repeated=not fresh,
        moved=legs,
    )
    return brought, news
