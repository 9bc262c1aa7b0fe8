"""Areas without a gateway: their contacts, and the files that people carry to them (domain 6.2, 6.4).

A county's or a district's keys stand in the signed directory like everybody's, its node as ``hosted: false``:
no queue stands for it, and what is sealed to it waits here until a person has carried it. What comes back is
judged in :mod:`gateway.flows.bridge_in`; the other side is :mod:`gateway.client.desk`.

Rules

- Nothing is taken in for such an area, and nothing leaves, unless its contact was verified: somebody rang a
  number found independently and had the fingerprint of the area's keys read back. That counts for 90 days,
  and for these keys: when the directory lists others, it counts no more.
- The document's own word about the call (``routing.destination.bridge``) must be the register's.
- The same export is the same file, byte for byte, as long as the message lives. A message has left when a
  person says that the contact has it, and not before.
- What nobody has confirmed by the time a leg is to be acknowledged is told to people; by the time it is to be
  decided it counts as undeliverable: somebody would wait for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from gateway.core.bridge import keys_fingerprint
from gateway.core.deadlines import deadlines, london_day
from gateway.core.states import LegState, advance_leg
from gateway.errors import NotAllowed, NotFound, Problem, UnknownRecipient, Untrusted
from gateway.flows import escalation
from gateway.flows.alarms import settle, sound
from gateway.flows.node import Node, log_leaf
from gateway.flows.timers import set_timer
from gateway.flows.waiting import DELIVER, awaits, tell, theirs
from gateway.ports import BridgeContactRow, LegEvent, LegRow, TaskRow, TimerRow, Transaction
from schemas.handover import HandoverNotification

VERIFIED_FOR: Final = 90 * 86_400
"""Seconds that a call-back counts."""

FOUND: Final = frozenset({"PUBLISHED_DIRECTORY", "SWITCHBOARD", "EARLIER_DEALINGS", "PARTNER_REGISTER"})
"""Ways to find a number independently of whoever sent the keys."""

TIMER: Final = "bridge"
UNCONFIRMED, GIVEN_UP, UNANSWERED = 0, 1, 2
"""Steps of the timer: nobody confirmed delivery, nobody did for too long, nobody answered."""

_REFERENCE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_FIELD: Final = "/routing/destination/bridge"


# --- contacts ---------------------------------------------------------------------------------------


def add_contact(tx: Transaction, node: Node, area: str, now: int) -> BridgeContactRow:
    """Put down the contact of an area with the keys that the directory lists now; not verified yet.

    Raises UnknownRecipient for an area that is not in the directory, NotAllowed for one with a gateway.
    """
    row = BridgeContactRow(area, _fingerprint(node, area), now)
    tx.put_bridge_contact(row)
    return row


def verify_contact(
    tx: Transaction, node: Node, area: str, *, read_back: str, by: str, number_from: str, now: int
) -> BridgeContactRow:
    """The fingerprint was read back on a call to a number found independently.

    Raises NotFound before :func:`add_contact`, Untrusted when what was read back is not the fingerprint of
    the keys that the directory lists, NotAllowed for a name instead of a reference.
    """
    row = tx.bridge_contact(area)
    if row is None:
        raise NotFound(
            "no contact of this area is put down",
            code="bridge_contact",
            remedy="`gateway bridge contact add` first: it shows what has to be read back",
        )
    check_reference(by)
    if number_from not in FOUND:
        raise NotAllowed(
            "a call-back goes to a number found independently of who sent the keys",
            code="bridge_number",
            remedy="one of " + ", ".join(sorted(FOUND)),
        )
    listed = _fingerprint(node, area)
    if read_back.strip().lower() != listed:
        raise Untrusted(
            "what was read back is not the fingerprint of the keys in the directory",
            code="bridge_fingerprint",
            remedy="send nothing; have both sides read the directory's version, then ask its signers",
        )
    verified = replace(
        row, fingerprint=listed, verified=now, until=now + VERIFIED_FOR, by=by, number_from=number_from
    )
    tx.put_bridge_contact(verified)
    log_leaf(tx, "contact", now, area=area, fingerprint=listed, until=verified.until)
    return verified


def check_reference(by: str) -> None:
    """Raises NotAllowed: a name or an address would stand in a table for years."""
    if not _REFERENCE.match(by):
        raise NotAllowed(
            "a reference, not a name or an address, says who did it",
            code="actor",
            remedy="letters, digits, . _ -",
        )


def _fingerprint(node: Node, area: str) -> str:
    if area not in node.network.areas:
        raise UnknownRecipient(
            "the directory holds no such area",
            code="unknown_area",
            remedy="have its request added by the directory's signers, then `gateway join`",
        )
    if not node.network.external(area):
        raise NotAllowed(
            "this area has a gateway: it needs no contact here", code="bridge_transport", field="AREA"
        )
    return keys_fingerprint(node.network.directory, area)


@dataclass(frozen=True, slots=True)
class Standing:
    """A contact as it counts now: ``why`` it does not, a code, or "" where it does."""

    row: BridgeContactRow = field()
    why: str = ""


def standing(node: Node, row: BridgeContactRow, now: int) -> Standing:
    if not row.verified:
        return Standing(row, "not_verified")
    if now >= row.until:
        return Standing(row, "verification_over")
    if row.area not in node.network.areas or row.fingerprint != _fingerprint(node, row.area):
        return Standing(row, "keys_changed")
    return Standing(row)


def require_contact(tx: Transaction, node: Node, area: str, now: int) -> BridgeContactRow:
    """The verified contact of an area without a gateway. Raises NotAllowed: nothing leaves before."""
    row = tx.bridge_contact(area)
    why = standing(node, row, now).why if row else "no_contact"
    if row is None or why:
        raise NotAllowed(
            _WHY[why],
            code=f"bridge_{why}",
            field=_FIELD,
            remedy=f"`gateway bridge contact verify {area}`: ring a number found independently",
            problems=[Problem(_FIELD, _WHY[why], "verify the contact by call-back first")],
        )
    return row


_WHY: Final = {
    "no_contact": "no contact of this area is put down here",
    "not_verified": "the contact of this area was never verified by call-back",
    "verification_over": "the contact of this area was verified too long ago",
    "keys_changed": "the keys of this area have changed since its contact was verified",
}


def check_contact(tx: Transaction, node: Node, document: HandoverNotification, area: str, now: int) -> None:
    """Before a handover is taken in for an area without a gateway. Raises NotAllowed."""
    if not node.network.external(area):
        return
    row, told = require_contact(tx, node, area, now), document.routing.destination.bridge
    day = london_day(row.verified)
    if told is None or told.verified_on != day:
        raise NotAllowed(
            "the document and the register name different days of the call-back",
            code="bridge_verified_on",
            field=f"{_FIELD}/verified_on",
            remedy=f"the register says {day.isoformat()}",
        )


# --- clocks -----------------------------------------------------------------------------------------


def watch(tx: Transaction, node: Node, leg: LegRow, now: int) -> None:
    """Start the clock of a leg that leaves in a person's hands."""
    if node.network.external(leg.principal.partition("/")[0]):
        due = deadlines(leg.urgency, now)
        set_timer(tx, TIMER, leg.id, due.acknowledge_by, UNCONFIRMED)
        set_timer(tx, TIMER, leg.id, due.decide_by, GIVEN_UP)


def fire(tx: Transaction, node: Node, timer: TimerRow, now: int) -> Sequence[TaskRow]:
    """Tell people; at the end call it undeliverable. Nothing for a leg that has gone on meanwhile."""
    leg = tx.leg(timer.subject)
    late = LegState.TRANSMITTED if timer.step == UNANSWERED else LegState.QUEUED
    if leg is None or leg.state != late or not awaits(tx, leg, DELIVER):
        return ()
    if timer.step == GIVEN_UP:
        sound(tx, "bridge_undeliverable", peer=theirs(leg), at=now, subject=leg.ref)
        return _give_up(tx, node, leg, now)
    if timer.step == UNANSWERED:
        sound(tx, "bridge_unanswered", peer=theirs(leg), at=now, subject=leg.ref)
    else:
        sound(tx, "bridge_unconfirmed", peer=theirs(leg), at=now, subject=leg.ref)
    escalation.begin(tx, leg, DELIVER, now)
    return (tell(tx, node, leg, _NEWS[timer.step], now),)


_NEWS: Final = {UNCONFIRMED: "bridge_unconfirmed", UNANSWERED: "bridge_unanswered"}


def _give_up(tx: Transaction, node: Node, leg: LegRow, now: int) -> Sequence[TaskRow]:
    event, after = "undeliverable", advance_leg(LegState(leg.state), "undeliverable")
    line = LegEvent(leg.id, now, event, leg.state, after, node.principal, "NOT_CONFIRMED")
    if not tx.advance_leg(leg.id, leg.state, after, line):
        return ()  # delivery was confirmed since we looked
    settle(tx, escalation.EXHAUSTED, peer=theirs(leg), at=now, why=event, about=leg.id)
    return (tell(tx, node, leg, event, now),)
