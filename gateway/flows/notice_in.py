"""A notice comes in: who may send it about what, what this node does at once, and a parcel for every reader.

It is a message like any other (:mod:`gateway.flows.arrival` keeps it, signs "received" and calls here). A
notice overtakes the handover that it is about: it travels on the urgent lane, so it may come first.

Rules
-----
- A notice about a handover comes from one of its two sides: the area under whose reference it is, or the area
  that it was sent to. The kind says which of them. A third area is refused whatever it holds.
- Its leg is a leg of that handover and of that reader, where the leg is known here already.
- What came twice is made once: the origin sealed it again.
- There is an end to what one area may say of one handover: every notice costs a parcel for each reader, and
  stays as long as the handover does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.core.encoding import encode
from gateway.core.notices import TYPES, Block, NoticeKind, Sender, answerable
from gateway.errors import Forged, Refused
from gateway.flows import effects, receipts
from gateway.flows.node import Node, area_of
from gateway.flows.opening import Entry, Opened, Routing
from gateway.ports import Lane, NoticeLegRow, NoticeRow, Parcel, Side, TaskRow, Transaction

WITHOUT_HANDOVER: Final = frozenset({NoticeKind.HANDOVER_REQUEST})
"""Kinds that are about no handover yet."""

MAX_NOTICES: Final = 500
"""Different ones of one peer about one handover, or its requests that nobody has settled yet."""


def store(
    tx: Transaction, node: Node, opened: Opened, routing: Routing, block: Block, now: int
) -> Sequence[TaskRow]:
    """Keep a notice with what follows from it. Returns parcels for agencies, not put yet.

    Raises Forged, and Refused when there are too many."""
    sent_here = _check_party(tx, node, opened.peer, routing, block.kind)
    _check_about(tx, opened.peer, routing.handover, block)
    for entry in routing.entries:
        _check_entry(tx, node, opened.peer, routing, entry, sent_here=sent_here)
    row = _row(opened, routing, block, now)
    mid = opened.statement.mid
    if not tx.put_notice(row):
        _check_again(tx, row)
        tx.put_notice_message(mid, row.id)
        return ()
    if tx.count_notices(row.peer, row.ref) > MAX_NOTICES:
        raise Refused("more notices than one area may send about one handover", code="notice_many")
    tx.put_notice_message(mid, row.id)
    for entry in routing.entries:
        tx.put_notice_leg(NoticeLegRow(row.id, entry.principal, entry.leg, entry.reply_to, "DELIVERED", now))
    extra = effects.on_arrival(tx, node, row, now)
    if TYPES[block.kind].node:
        return extra  # for this node's own list: nobody has to read it
    return [*(_task(node, row, entry, now) for entry in routing.entries), *extra]


def _check_party(tx: Transaction, node: Node, peer: str, routing: Routing, kind: NoticeKind) -> bool:
    """Whether the handover was sent to us (True) or by us. Raises Forged for a third area's, or a kind that
    the other side sends."""
    if (kind in WITHOUT_HANDOVER) != (routing.handover == ""):
        raise Forged("a request names no handover, every other notice does", code="notice_party")
    if kind in WITHOUT_HANDOVER:
        return True
    sent_here = routing.handover.startswith(f"HO-{peer}-")
    if not sent_here:
        sent = tx.handover(routing.handover)
        reached = _areas(tx, sent.ref, sent.version) if sent and sent.side is Side.ORIGIN else ()
        if peer not in reached:
            raise Forged("a notice about a handover that this area has no part in", code="notice_party")
    allowed = TYPES[kind].sender
    if allowed is not Sender.EITHER and (allowed is Sender.ORIGIN) != sent_here:
        raise Forged("a notice that is the other side's to send", code="notice_side")
    return sent_here


def _check_about(tx: Transaction, peer: str, ref: str, block: Block) -> None:
    """What answers a notice answers one that we sent to this very peer about this very handover; or it ends
    one that came from there, and may overtake it. Raises Forged: an attestation of what nobody asked for, or
    about another area's notice, would settle somebody else's account."""
    about, what = block.facts.get("about"), TYPES[block.kind]
    if what.about and not isinstance(about, str):
        raise Forged("an answer to no notice", code="notice_about")
    row = tx.notice(about) if isinstance(about, str) else None
    ends = block.kind is NoticeKind.RESTRICTION_LIFTED
    if row is None and (ends or not what.about):
        return  # it has overtaken the other
    side = Side.DESTINATION if ends else Side.ORIGIN
    if row is None or (row.peer, row.ref) != (peer, ref) or (what.about and row.side is not side):
        raise Forged("an answer to a notice that was not sent there", code="notice_about")
    if NoticeKind(row.kind) not in answerable(block.kind):
        raise Forged("an answer to a notice that asked for something else", code="notice_about")


def _areas(tx: Transaction, ref: str, newest: int) -> frozenset[str]:
    """Where any version was sent to."""
    return frozenset(
        area_of(leg.principal) for version in range(1, newest + 1) for leg in tx.legs(ref, version)
    )


def _check_entry(
    tx: Transaction, node: Node, peer: str, routing: Routing, entry: Entry, *, sent_here: bool
) -> None:
    if area_of(entry.reply_to) != peer:
        raise Forged("answers would go to an area that did not send this", code="reply_to")
    leg = tx.leg(entry.leg)
    if leg is None and sent_here:
        return  # what it is about has not come yet, or it is about no handover
    ours = leg and (leg.principal if sent_here else leg.counterpart)
    if leg is None or (leg.ref, ours) != (routing.handover, entry.principal):
        raise Forged("a notice to another agency than the leg's", code="notice_leg")
    if (leg.side is Side.DESTINATION) != sent_here:
        raise Forged("a notice to another agency than the leg's", code="notice_leg")


def _row(opened: Opened, routing: Routing, block: Block, now: int) -> NoticeRow:
    about = block.facts.get("about")
    return NoticeRow(
        id=block.id,
        ref=routing.handover,
        version=routing.version,
        kind=block.kind.value,
        side=Side.DESTINATION,
        peer=opened.peer,
        by=routing.entries[0].reply_to,
        code=block.code,
        mid=opened.statement.mid,
        urgency=routing.urgency,
        created=now,
        parent=about if isinstance(about, str) else "",
        facts=encode(block.facts).decode(),
    )


def _check_again(tx: Transaction, row: NoticeRow) -> None:
    """The same notice, sealed again; or an id that another notice has. Raises Forged."""
    held = tx.notice(row.id)
    named = ("ref", "version", "kind", "side", "peer", "code", "facts")
    if held is None or any(getattr(held, name) != getattr(row, name) for name in named):
        raise Forged("a notice under another notice's id", code="notice_id")


def _task(node: Node, row: NoticeRow, entry: Entry, now: int) -> TaskRow:
    return TaskRow(
        id=f"notice-{row.id}-{entry.leg}",
        kind=Parcel.NOTICE,
        principal=entry.principal,
        leg=entry.leg,
        mid=row.mid,
        state=receipts.parking(node, entry.principal),
        due=now,
        created=now,
        subject=row.id,
        lane=Lane.URGENT,
    )
