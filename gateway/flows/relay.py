"""Hand over to an agency that keeps its own key what is sealed to it, and never open it (protocol 4.3).

The node keeps such an agency's parcels (``hosted: false`` in the directory) as it keeps those of agencies
that fetch, and gives out the sealed bytes with the slot's number. What the agency signs comes back through
:mod:`gateway.flows.relay_in`. It leaves out HTTP (:mod:`gateway.api.relay`) and the agency's side
(:mod:`gateway.client`).

Rule: handing bytes out is a disclosure under s.62 DPA 2018, on record before they leave; who then reads them
is the agency's to record, for the node cannot know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import structlog

from gateway.core.encoding import JsonObject
from gateway.errors import Conflict, Misconfigured, NotAllowed, NotFound, Unavailable
from gateway.flows import accounts, drills, notice_view, parcels
from gateway.flows.accounts import access
from gateway.flows.alarms import sound
from gateway.flows.attachments import MISSING
from gateway.flows.catch_up import check_caught_up
from gateway.flows.deliver import check_in_time, status
from gateway.flows.node import Caller, Node, area_of
from gateway.flows.slots import entry_of, keeps_own_key
from gateway.ports import LegRow, Parcel, Side, Task, TaskRow, Transaction

MOST = 1000
"""Parcels of one agency that are parked at once when the node starts."""

REFUSED = "relay_refused"
"""The alarm for a parcel that the agency could not open or take."""

log = structlog.get_logger("relay")


@dataclass(frozen=True, slots=True)
class Relayed:
    """One parcel as the agency gets it. ``envelope``, ``slot`` and ``received`` (the node's signed receipt
    for the bytes) are empty for news about a leg, which is all in ``content``. ``chain``: the receipts that
    this agency has signed for the message already, oldest first."""

    task: TaskRow
    leg: LegRow
    envelope: bytes = field(repr=False)
    slot: int
    received: str
    chain: Sequence[str]
    content: JsonObject


def check_own_key(node: Node, caller: Caller) -> None:
    """Raises NotAllowed for an agency whose key the node holds: it has an adapter or the inbox."""
    if not keeps_own_key(node, caller.principal):
        raise NotAllowed(
            "the node holds this agency's key, so nothing is relayed to it",
            code="hosted",
            remedy="use the inbox, or have the directory list the agency with a key of its own",
        )


def waiting(tx: Transaction, principal: str, limit: int) -> Sequence[tuple[LegRow, TaskRow]]:
    """Parcels of one agency that it has not taken yet; none of a drill, which its agent would put on file."""
    found = [(parcels.leg_of(tx, task), task) for task in tx.parked_tasks(principal, limit)]
    return [(leg, task) for leg, task in found if leg is not None and not drills.is_drill(tx, leg)]


async def fetch(node: Node, caller: Caller, parcel: str) -> Relayed:
    """One parcel, as often as the agency likes; handing it out is on record first (s.62 DPA 2018).

    Raises NotFound when it is not this caller's, or when its content was shredded.
    """
    check_own_key(node, caller)
    check_caught_up(node)
    now = node.clock.now()

    def record(tx: Transaction) -> Relayed:
        task, leg = _parcel(tx, caller, parcel)
        if task.kind is Parcel.STATUS:
            return Relayed(task, leg, b"", 0, "", (), status(leg, task))
        if not task.mid and (notice := tx.notice(task.subject)) is not None:
            return Relayed(task, leg, b"", 0, "", (), notice_view.to_verify(notice, leg))
        parcels.check_relayed(tx, task, leg)
        if task.kind is Parcel.NOTIFICATION:
            check_in_time(tx, leg, now)
        envelope = tx.envelope(task.mid)
        if envelope is None:
            raise NotFound("the message of this parcel is gone", code="no_message")
        slot = entry_of(node, envelope, caller.principal).slot
        accounts.record(tx, access(agent(caller), leg, "DISCLOSURE", "STANDING_ADAPTER", now))
        ours = tx.receipts(mid=envelope.mid, by=node.principal)
        chain = tx.receipts(mid=envelope.mid, by=caller.principal)
        return Relayed(
            task,
            leg,
            envelope.body,
            slot,
            next((row.note.decode() for row in ours if row.state == "received"), ""),
            [row.note.decode() for row in chain],
            {},
        )

    return await node.store.write(record)


def _parcel(tx: Transaction, caller: Caller, parcel: str) -> tuple[TaskRow, LegRow]:
    task = tx.task(parcel)
    leg = parcels.leg_of(tx, task) if task else None
    if task is None or leg is None or task.principal != caller.principal or drills.is_drill(tx, leg):
        raise NotFound(
            "no such parcel for this agency", code="no_parcel", remedy="list them with GET /v1/relay"
        )
    return task, leg


def agent(caller: Caller) -> Caller:
    """The person who reads is the agency's own to record: the node sees its client."""
    return replace(caller, actor="agency-agent", role="own key")


async def segment(node: Node, caller: Caller, parcel: str, blob: str, no: int) -> bytes:
    """Sealed bytes of a file that came with the handover of a parcel: its key stands in the agency's section
    alone. Handing out the parcel is on record; which files it names only the agency can tell.

    Raises Unavailable while they have not come, NotFound for a file of another handover.
    """
    check_own_key(node, caller)

    def look(tx: Transaction) -> bytes:
        _, leg = _parcel(tx, caller, parcel)
        peer = area_of(leg.counterpart)
        row, found = tx.blob(peer, blob), tx.segment(peer, blob, no)
        if row is not None and (row.ref, row.version) != (leg.ref, leg.version):
            raise NotFound("no such attachment for this agency", code="no_attachment")
        if row is None or found is None:
            raise Unavailable(
                "this attachment has not come whole yet", code=MISSING, remedy="try again later"
            )
        return found.data

    return await node.store.read(look)


async def settle(node: Node, caller: Caller, parcel: str, code: str) -> None:
    """The agency's side has a parcel that takes no receipt (``code`` ""); or it cannot take it, which is
    held with an alarm for a person at the node.

    Raises Conflict for a handover that was neither refused nor receipted: only a signature says it is there.
    """
    check_own_key(node, caller)
    now = node.clock.now()

    def work(tx: Transaction) -> None:
        task, leg = _parcel(tx, caller, parcel)
        if code:
            tx.advance_task(task.id, task.state, Task.HELD, error=code)
            peer = area_of(leg.counterpart if leg.side is Side.DESTINATION else leg.principal)
            sound(tx, REFUSED, peer=peer, at=now, subject=task.id)
            log.error("an agency cannot take a parcel", principal=caller.principal, code=code)
        elif (task.kind is Parcel.NOTIFICATION and not leg.opened) or _unread(tx, task):
            raise Conflict(
                "a handover or notice is taken with a signed receipt",
                code="not_receipted",
                remedy="post the receipt `opened` to /v1/relay/{leg}/receipts",
            )
        else:
            tx.advance_task(task.id, task.state, Task.DONE)

    await node.store.write(work)


def _unread(tx: Transaction, task: TaskRow) -> bool:
    """A notice whose agency has not said with its signature that it has it."""
    if task.kind is not Parcel.NOTICE or not task.mid:
        return False
    readers = tx.notice_legs(task.subject)
    return any(one.principal == task.principal and one.state == "DELIVERED" for one in readers)


# --- the documents of trust -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Documents:
    """As stored: whoever asks verifies them against the network's fingerprint."""

    roots: Sequence[bytes]
    directory: bytes
    cards: Sequence[bytes]
    suspensions: Sequence[bytes]


async def documents(node: Node) -> Documents:
    def look(tx: Transaction) -> Documents:
        directories = tx.trust("directory")
        if not directories:
            raise Misconfigured("no directory is stored", code="not_joined", remedy="`gateway join BUNDLE`")
        roots, cards, stops = ([row.note for row in tx.trust(k)] for k in ("root", "keycard", "suspension"))
        return Documents(roots, directories[-1].note, cards, stops)

    return await node.store.read(look)


def park(tx: Transaction, node: Node, now: int) -> None:
    """What was held and is tried again is fetched by its agency: no pump of this node takes it."""
    for principal in node.network.agencies(node.area):
        if principal.hosted:
            continue
        for task in tx.claim_tasks(principal.name, now, MOST, 1):
            tx.advance_task(task.id, Task.WAITING, Task.PARKED)
