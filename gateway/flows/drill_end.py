"""The end of a drill: withdrawn and purged at once, here and there. What it measured stays.

Rules: only the agency that sent a drill ends it, and only a drill ends so: a real handover is withdrawn by a
notice and purged on its date, and no peer can have one destroyed by a word. Nobody attests: there was nobody
in it. It leaves out the figures (:mod:`gateway.flows.drills`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gateway.core.encoding import Json, JsonObject, fields, text
from gateway.core.retention import Why
from gateway.core.states import HandoverState, advance_handover
from gateway.errors import Conflict, Forged, NotAllowed, Unavailable
from gateway.flows import accounts, control, retention, shred
from gateway.flows.control import Came
from gateway.flows.drills import find, report
from gateway.flows.facts import HANDOVER
from gateway.flows.node import Caller, Node, area_of, log_leaf
from gateway.flows.shred import Person
from gateway.flows.waiting import UNDER_WAY
from gateway.ports import AccessRow, HandoverRow, Side, Transaction

SECTION: Final = "drill_end"
"""The section of a control envelope."""

OVER: Final = (HandoverState.WITHDRAWN, HandoverState.PURGED)


async def end(node: Node, caller: Caller, ref: str) -> JsonObject:
    """Withdraw a drill and destroy it, here and there. What was measured stays, and is returned.

    Raises NotFound, NotAllowed where it was not sent from here, Conflict when it has ended, Unavailable when
    the peer cannot be told now.
    """
    now = node.clock.now()

    def work(tx: Transaction) -> JsonObject:
        row = find(tx, ref)
        if row.side is not Side.ORIGIN or row.submitted_by != caller.principal:
            raise NotAllowed(
                "a drill is ended by the agency that sent it",
                code="not_ours",
                remedy="ask the sender; it ends by itself as every handover does",
            )
        if row.state in OVER:
            raise Conflict("this drill has ended", code="drill_ended", remedy="nothing is left to do")
        told: JsonObject = {SECTION: {"handover": ref}}
        legs = tx.legs(row.ref, row.version)
        areas = {area for leg in legs if not node.network.external(area := area_of(leg.principal))}
        heard = [control.tell(tx, node, area, told, now) for area in sorted(areas)]
        if not all(heard):
            raise Unavailable(
                "the other node cannot be told now",
                code="drill_untold",
                remedy="try again when its keys and our directory are in date: `gateway doctor`",
            )
        measured = report(tx, row)
        _account(tx, caller, row, now)
        over(tx, node, ref, Person(caller.actor, caller.role), now)
        return measured

    measured = await node.store.write(work)
    await shred.resume(node)
    return measured


def _account(tx: Transaction, caller: Caller, row: HandoverRow, now: int) -> None:
    access = AccessRow(
        at=now,
        operation="ALTERATION",
        principal=caller.principal,
        actor=caller.actor,
        role=caller.role,
        ref=row.ref,
        version=row.version,
        leg="",
        sections=(),
        recipients=(),
        justification="DRILL_ENDED",
    )
    accounts.record(tx, access)


def over(tx: Transaction, node: Node, ref: str, by: Person, now: int) -> None:
    """Every version withdrawn and purged; the key store forgets the keys with this node's next look."""
    newest = find(tx, ref)
    for version in range(1, newest.version + 1):
        row = tx.handover(ref, version)
        if row is None or not row.drill:
            continue
        if HandoverState(row.state) in UNDER_WAY:
            after = advance_handover(HandoverState(row.state), "withdrawn", ())
            tx.advance_handover(ref, version, row.state, after, now)
            row = replace(row, state=after)
        retention.purge(tx, node, row, Why.DRILL, by, now)
    log_leaf(tx, "drill_ended", now, ref=ref)


def hear(tx: Transaction, node: Node, came: Came, value: Json) -> None:
    """At the destination: the sender has ended its drill. Raises Forged for another area's, or for a handover
    that is no drill: a real one is not destroyed by a word."""
    ref = text(fields(value, {"handover": str}), "handover", HANDOVER)
    row = tx.handover(ref)
    if row is None:
        return
    if row.side is not Side.DESTINATION or row.origin != came.peer or not row.drill:
        raise Forged("no drill of this peer", code="drill_end")
    if row.state not in OVER:
        over(tx, node, ref, Person("drill", "node"), came.now)
