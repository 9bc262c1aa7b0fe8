"""Out: what waits for an area without a gateway, as files, and the word of who delivered them.

Duty: write the file of each message that waits, seal one again whose life is over, and take down that the
contact has it. It leaves out who may be written to at all (:mod:`gateway.flows.bridge`).

Rules: every export is a disclosure on record before the file exists (s.62 DPA 2018). The documents that go
into a file are kept with it, so that it can be written again byte for byte. Legs move when delivery is
confirmed: a file on somebody's desk is not transmitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gateway.core.bridge import file_name, pack_file
from gateway.core.deadlines import deadlines
from gateway.core.encoding import Json, JsonObject, b64, decode_object, encode
from gateway.core.envelope import SKEW, Kind
from gateway.core.states import LegState, advance_leg
from gateway.errors import Conflict, NotAllowed, NotFound
from gateway.flows import accounts, bridge, outgoing, reseal
from gateway.flows.accounts import access
from gateway.flows.carrying import CARRIED, EXPORTED, MARKS
from gateway.flows.node import Caller, Node
from gateway.flows.timers import set_timer
from gateway.flows.undelivered import may_go_again
from gateway.ports import (
    BridgeFileRow,
    EnvelopeRow,
    LegEvent,
    LegRow,
    Outbound,
    OutboxRow,
    Side,
    Transaction,
)

OPEN = (Outbound.WAITING, Outbound.PUBLISHED)


@dataclass(frozen=True, slots=True)
class Carried:
    """One message for an area without a gateway. ``until``: to be opened before (unix seconds)."""

    mid: str
    area: str
    ref: str
    version: int
    until: int
    name: str
    exported: int
    delivered: int
    data: bytes = field(repr=False, default=b"")


# --- what waits ---------------------------------------------------------------------------------------


def waiting(tx: Transaction, node: Node, ref: str) -> Sequence[EnvelopeRow]:
    """Messages of a handover that somebody must carry, or may carry again, oldest first. Those that were
    sealed again, or answered, are not among them. Raises NotFound when there never was any."""
    sent = [row for row in tx.envelopes_of(ref) if row.side is Side.ORIGIN and row.kind == Kind.MESSAGE]
    ours = [row for row in sent if node.network.external(row.peer)]
    if not ours:
        raise NotFound(
            "nothing of this handover goes to an area without a gateway",
            code="no_handover",
            remedy="check the reference; `gateway handover why` says where it is",
        )
    return [row for row in ours if _outstanding(tx, row)]


def _outstanding(tx: Transaction, row: EnvelopeRow) -> bool:
    outbox = tx.outbox_of(row.mid)
    if outbox is None or outbox.error not in MARKS:
        return False
    legs = tx.legs_of_message(row.mid)
    moved = [leg for leg in legs if leg.state not in (LegState.QUEUED, LegState.TRANSMITTED)]
    return outbox.error == CARRIED if not legs else len(moved) < len(legs)


def listed(tx: Transaction, node: Node, ref: str) -> Sequence[Carried]:
    return [_carried(tx, node, row) for row in waiting(tx, node, ref)]


def everything(tx: Transaction, node: Node, limit: int) -> Sequence[Carried]:
    """Of the newest handovers to areas without a gateway."""
    rows = tx.handovers(side=Side.ORIGIN, principal=None, before="", limit=limit)
    refs = dict.fromkeys(row.ref for row in rows if node.network.external(row.destination))
    return [one for ref in refs for one in listed(tx, node, ref)]


def _carried(tx: Transaction, node: Node, row: EnvelopeRow, data: bytes = b"") -> Carried:
    file = tx.bridge_file(row.mid)
    exported, delivered = (file.exported, file.delivered) if file else (0, 0)
    name = file_name(node.area, row.peer, row.mid)
    return Carried(row.mid, row.peer, row.ref, row.version, row.expires, name, exported, delivered, data)


# --- export -------------------------------------------------------------------------------------------


async def export(node: Node, caller: Caller, ref: str, *, area: str = "") -> Sequence[Carried]:
    """The files of a handover that wait to be carried, to ``area`` alone or to all.

    One whose life is over is sealed again first, under today's keys. Raises NotFound, NotAllowed (a contact
    that is not verified now), Conflict when nothing waits (any more), UnknownRecipient, Unavailable.
    """
    bridge.check_reference(caller.actor)
    now = node.clock.now()
    found = await node.store.read(lambda tx: waiting(tx, node, ref))
    rows = [row for row in found if area in ("", row.peer)]
    if not rows:
        raise Conflict(
            "nothing of this handover waits to be carried",
            code="bridge_nothing",
            remedy="`gateway handover why` says who has it; a further version goes out as a new handover",
        )
    outgoing.check_sendable(node.network, now, sender=node.principal)
    fresh = [row if row.expires > now + outgoing.MARGIN else await _again(node, row, now) for row in rows]
    return await node.store.write(lambda tx: [_write(tx, node, caller, row, now) for row in fresh])


async def _again(node: Node, row: EnvelopeRow, now: int) -> EnvelopeRow:
    """The same parts in a new message: what its contact could not open in time."""
    outbox, handover = await node.store.read(
        lambda tx: (tx.outbox_of(row.mid), tx.handover(row.ref, row.version))
    )
    if outbox is None:
        raise NotFound("the message is gone", code="no_message")
    if not may_go_again(handover, now):
        raise Conflict(
            "the content of this handover may not be sent any more",
            code="bridge_over",
            remedy="verify it again and send a further version",
        )
    sending = reseal.sending_again(node, row, outbox, now)

    def work(tx: Transaction) -> EnvelopeRow:
        return _replace(tx, node, row, outbox, sending, now)

    return await node.store.write(work)


def _replace(
    tx: Transaction,
    node: Node,
    row: EnvelopeRow,
    outbox: OutboxRow,
    sending: outgoing.Sending,
    now: int,
) -> EnvelopeRow:
    """Sealed again once, also when two people export at a time."""
    if not tx.advance_outbox(outbox.id, [outbox.state], Outbound.SETTLED, error="expired"):
        raise Conflict("somebody else exports this now", code="bridge_busy", remedy="try again")
    legs = tx.legs_of_message(row.mid)
    sealed = outgoing.store(tx, node, sending, now)
    for leg in legs:
        event = LegEvent(leg.id, now, "resealed", leg.state, leg.state, node.principal)
        tx.advance_leg(leg.id, leg.state, leg.state, event, mid=sealed.mid)
    stored = tx.envelope(sealed.mid)
    if stored is None:
        raise NotFound("the message is gone", code="no_message")
    return stored


def _write(tx: Transaction, node: Node, caller: Caller, row: EnvelopeRow, now: int) -> Carried:
    bridge.require_contact(tx, node, row.peer, now)
    for leg in tx.legs_of_message(row.mid):
        _record(tx, caller, leg, now)
    documents = encode(_documents(tx, node))
    tx.put_bridge_file(BridgeFileRow(row.mid, row.peer, row.ref, row.version, now, documents))
    file = tx.bridge_file(row.mid)
    kept = decode_object(file.documents if file else documents)
    return _carried(tx, node, row, pack_file(kept, [row.body]))


def _documents(tx: Transaction, node: Node) -> JsonObject:
    """What the other side verifies this message and seals its answer with: all of them public."""
    cards = [row.note for row in tx.trust("keycard") if row.subject.startswith(f"{node.area}/")]
    return {
        "roots": _texts([row.note for row in tx.trust("root")]),
        "directory": b64(tx.trust("directory")[-1].note),
        "cards": _texts(cards),
        "suspensions": _texts([row.note for row in tx.trust("suspension")]),
    }


def _texts(notes: Sequence[bytes]) -> list[Json]:
    return [b64(note) for note in notes]


def _record(tx: Transaction, caller: Caller, leg: LegRow, now: int) -> None:
    row = access(caller, leg, "DISCLOSURE", "BRIDGE_EXPORT", now)
    accounts.record(tx, replace(row, recipients=(leg.principal,)))


# --- delivery -----------------------------------------------------------------------------------------


async def confirm(node: Node, caller: Caller, ref: str, *, at: int, area: str = "") -> Sequence[Carried]:
    """A person says that the contact has the exported files of a handover since ``at`` (unix seconds).

    Raises NotAllowed for a time before the export or in the future, Conflict when nothing exported waits for
    that word.
    """
    bridge.check_reference(caller.actor)
    now = node.clock.now()

    def work(tx: Transaction) -> Sequence[Carried]:
        rows = [row for row in waiting(tx, node, ref) if area in ("", row.peer)]
        files = [file for row in rows if (file := tx.bridge_file(row.mid)) and not file.delivered]
        if not files:
            raise Conflict(
                "no exported file of this handover waits to be confirmed",
                code="bridge_nothing",
                remedy="`gateway bridge list` shows what waits for what",
            )
        for file in files:
            _confirm(tx, node, caller, file, at, now)
        return [_carried(tx, node, row) for row in rows]

    return await node.store.write(work)


def _confirm(tx: Transaction, node: Node, caller: Caller, file: BridgeFileRow, at: int, now: int) -> None:
    if not file.exported - SKEW <= at <= now + SKEW:
        raise NotAllowed(
            "delivered before the file was made, or in the future",
            code="bridge_delivered_at",
            remedy="give the time at which the contact said that it is there",
        )
    tx.confirm_bridge_file(file.mid, at, caller.actor)
    outbox = tx.outbox_of(file.mid)
    if outbox is not None:
        tx.advance_outbox(outbox.id, OPEN, Outbound.SETTLED, error=EXPORTED)
    for leg in tx.legs_of_message(file.mid):
        if leg.state == LegState.QUEUED:
            _left(tx, node, leg, at)


def _left(tx: Transaction, node: Node, leg: LegRow, at: int) -> None:
    after = advance_leg(LegState(leg.state), "transmitted")
    event = LegEvent(leg.id, at, "transmitted", leg.state, after, node.principal, "CARRIED")
    tx.advance_leg(leg.id, leg.state, after, event)
    set_timer(tx, bridge.TIMER, leg.id, deadlines(leg.urgency, at).acknowledge_by, bridge.UNANSWERED)
