"""The single point of contact of a borough: who stands behind it, named owners, sealed parts passed on (R22).

A borough may answer through one team (domain 6.2: SINGLE_POINT_OF_CONTACT). It opens its own leg like any
agency, which by the matrix is core, contacts and actions; the other legs come ``via`` it and stay sealed to
their agencies. It sees that there is a leg, for whom, and how late it is; it names an owner for each (SP-01),
hands the sealed part to an agency without a system as a package (SP-02), and brings back what that signed.

Duty: which legs these are, whom their point of contact may act for at the relay, what it says of owners, and
the clock of that. It leaves out HTTP and the package itself (:mod:`gateway.client.carried`).

Rules: ``via`` comes in the routing table, from whoever sent the handover; nobody here can set it. The key of
the point of contact opens nothing of such a leg. Passing a part on is a disclosure on record (s.62 DPA 2018).
An owner is a role and a mailbox: they travel sealed in the answer, and no table here holds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from gateway.core.deadlines import deadlines
from gateway.core.encoding import Json, JsonObject
from gateway.core.states import SETTLED, TAKEN_ON, LegState
from gateway.errors import InvalidDocument, NotAllowed, NotFound, Problem
from gateway.flows import accounts
from gateway.flows.accounts import access
from gateway.flows.alarms import settle, sound
from gateway.flows.node import Caller, Node
from gateway.flows.opening import VIA
from gateway.flows.show import when
from gateway.flows.slots import keeps_own_key
from gateway.flows.timers import set_timer
from gateway.flows.waiting import tell, theirs
from gateway.ports import LegEvent, LegRow, Parcel, Side, TaskRow, TimerRow, Transaction
from schemas.acknowledgement import Acknowledgement

AGENCY: Final = "SPOC"
TIMER: Final = "spoc_owner"
NAMED: Final = "owner_named"
"""The event in the history of a leg whose owner was named."""

MOST: Final = 200
"""Legs of one agency that are looked through."""


def check(caller: Caller) -> None:
    """Raises NotAllowed for anybody but a single point of contact."""
    if caller.agency != AGENCY:
        raise NotAllowed(
            "only a single point of contact passes parts on",
            code="not_spoc",
            remedy="use the token of the agency of type SPOC",
        )


def behind(tx: Transaction, node: Node, limit: int = MOST) -> Sequence[LegRow]:
    """Every leg that comes by way of the single point of contact and is not done with, newest first."""
    rows = [
        row for one in node.network.agencies(node.area) for row in tx.inbox(one.name, before="", limit=limit)
    ]
    found = [row for row in rows if row.via == VIA and LegState(row.state) not in SETTLED]
    return sorted(found, key=lambda row: row.id, reverse=True)


def line(tx: Transaction, node: Node, leg: LegRow) -> JsonObject:
    """What its point of contact may know of a leg: not a word of its content."""
    named = [event.at for event in tx.history(leg.id) if event.event == NAMED]
    late: list[Json] = [name for name in leg.overdue.split(",") if name]
    return {
        "leg": leg.id,
        "handover": leg.ref,
        "version": leg.version,
        "agency": leg.agency,
        "principal": leg.principal,
        "urgency": leg.urgency,
        "state": leg.state,
        "own_key": keeps_own_key(node, leg.principal),
        "owner_named": when(named[-1]) if named else None,
        "owner_by": when(deadlines(leg.urgency, leg.delivered).acknowledge_by),
        "acknowledge_by": when(leg.acknowledge_by),
        "decide_by": when(leg.decide_by),
        "overdue": late,
    }


# --- passing on ---------------------------------------------------------------------------------------


async def acting(node: Node, caller: Caller, leg_id: str) -> Caller:
    """Whose part a call at the relay is about: the caller's own, or that of the agency behind it.

    For a single point of contact that passes a leg on: on record before anything is handed out. Raises
    NotFound for a leg that does not come by way of it, NotAllowed where the agency's key is hosted here.
    """
    if caller.agency != AGENCY:
        return caller
    now = node.clock.now()

    def work(tx: Transaction) -> Caller:
        leg = tx.leg(leg_id)
        if leg is None or leg.side is not Side.DESTINATION or leg.via != VIA:
            raise NotFound(
                "no such leg behind this point of contact", code="no_leg", remedy="`gateway inbox behind`"
            )
        if not keeps_own_key(node, leg.principal):
            raise NotAllowed(
                "this agency's key is hosted here: it opens its part at this node, with a token of its own",
                code="hosted",
                remedy="`gateway agency token create` makes one for it",
            )
        row = access(caller, leg, "DISCLOSURE", "SPOC_RELAY", now)
        accounts.record(tx, replace(row, recipients=(leg.principal,)))
        return Caller(leg.principal, leg.agency, actor=caller.actor, role=caller.role)

    return await node.store.write(work)


def leg_of(parcel: str) -> str:
    """The leg of a notification's parcel; "" for another kind, which nobody passes on."""
    kind, _, leg = parcel.partition("-")
    return leg if kind == Parcel.NOTIFICATION.value else ""


# --- owners -------------------------------------------------------------------------------------------


def name_owners(
    tx: Transaction, node: Node, caller: Caller, leg: LegRow, answer: Acknowledgement, now: int
) -> None:
    """Take down for which legs an answer names an owner. Raises InvalidDocument for an answer by another than
    the single point of contact, or about an agency that does not stand behind it."""
    if not answer.owners:
        return
    if caller.agency != AGENCY:
        raise _unfit("/owners", "only a single point of contact names owners", "leave them out")
    others = [row for row in tx.legs(leg.ref, leg.version) if row.via == VIA]
    for at, owner in enumerate(answer.owners):
        found = [row for row in others if row.agency == owner.agency and _same(node, row, owner.organisation)]
        if not found:
            raise _unfit(f"/owners/{at}", "no part of this handover is passed on to this agency", "remove it")
        for row in found:
            event = LegEvent(row.id, now, NAMED, row.state, row.state, caller.principal)
            tx.advance_leg(row.id, row.state, row.state, event)
            tx.drop_timers(TIMER, row.id)
            settle(tx, "no_owner", peer=theirs(row), at=now, why="named", about=row.id)


def _same(node: Node, leg: LegRow, organisation: str | None) -> bool:
    return organisation is None or node.network.principal(leg.principal).organisation == organisation


def _unfit(field: str, message: str, remedy: str) -> InvalidDocument:
    return InvalidDocument(
        message, code="owners", field=field, remedy=remedy, problems=[Problem(field, message, remedy, "R22")]
    )


def watch(tx: Transaction, leg: LegRow, now: int) -> None:
    """SP-01: an owner within a working day, within two hours when it is urgent."""
    if leg.via == VIA:
        set_timer(tx, TIMER, leg.id, deadlines(leg.urgency, now).acknowledge_by)


def taken_on(tx: Transaction, leg: LegRow, receipt: str, now: int) -> None:
    """An agency that accepts is the owner of its part: nobody has to name one any more."""
    if leg.via == VIA and receipt == "accepted":
        tx.drop_timers(TIMER, leg.id)
        settle(tx, "no_owner", peer=theirs(leg), at=now, why="taken_on", about=leg.id)


def fire(tx: Transaction, node: Node, timer: TimerRow, now: int) -> Sequence[TaskRow]:
    """Nobody was named: an alarm, and word to the point of contact."""
    leg = tx.leg(timer.subject)
    if leg is None or LegState(leg.state) in SETTLED | TAKEN_ON:
        return ()
    sound(tx, "no_owner", peer=theirs(leg), at=now, subject=leg.id)
    own = [row for row in tx.legs(leg.ref, leg.version) if row.agency == AGENCY]
    return [tell(tx, node, row, "no_owner", now, again=leg.id) for row in own]
