"""What an agency with its own key signed and sealed on its side: receipts, words of an answer, key cards.

The node cannot sign for such an agency. What it brings is held to what the node's own hosted agencies are
held to, and then treated like theirs: same chain, same table of states, same log, same way out.

Rules: a receipt is taken only from the agency that signed it, about the message that was relayed to it, after
its own last one, and where the table allows the step. All of one call are taken, or none. The same again is
no error: an agency that lost our answer asks again. The node holds no key to the words and sees none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.core.directory import Card, open_card
from gateway.core.encoding import Json
from gateway.core.envelope import SKEW, Kind, split
from gateway.core.presealed import Presealed, open_presealed
from gateway.core.receipts import ZERO, Receipt, open_receipt
from gateway.core.recipients import ROUTING
from gateway.core.states import RECEIPT_OF, LegState, advance_leg
from gateway.errors import Conflict, NotAllowed, NotFound, Refused
from gateway.flows import accounts, actions, asked, outgoing, parcels, receipts, spoc
from gateway.flows.accounts import access
from gateway.flows.acknowledge import NEEDS_OPENING
from gateway.flows.asked import Said
from gateway.flows.node import PRIORITY, Caller, Node, area_of, lane_for
from gateway.flows.opening import read_routing
from gateway.flows.relay import agent, check_own_key
from gateway.flows.submit import routing_part
from gateway.flows.vault import read_sections
from gateway.ports import ActionRow, EnvelopeRow, LegEvent, LegRow, Parcel, Side, Task, Transaction, TrustRow
from schemas.acknowledgement import REASONS_FOR

REPLY_PARTS = 3
"""Statement, routing table, the words."""

_REASONS = {
    RECEIPT_OF[state.value]: frozenset(code.value for code in codes) for state, codes in REASONS_FOR.items()
}


@dataclass(frozen=True, slots=True)
class Taken:
    """``repeated``: every receipt was on record already."""

    leg: str
    state: str
    repeated: bool


# --- in: receipts -----------------------------------------------------------------------------------


async def take(node: Node, caller: Caller, leg_id: str, notes: Sequence[str]) -> Taken:
    """Receipts of an agency about its leg, in the order of their chain: stored, applied and on their way to
    the origin when this returns; or nothing is.

    Raises NotAllowed (not this agency's signature, another message, another time, a reason that does not
    fit), Conflict (out of chain, a step that the table does not allow), NotFound (not this agency's leg).
    """
    check_own_key(node, caller)
    now = node.clock.now()
    given = [verified(node, caller, note, now) for note in notes]
    taken = await node.store.write(lambda tx: _take(tx, node, caller, leg_id, given, now))
    node.wake.signed()
    return taken


def verified(node: Node, caller: Caller, note: str, now: int) -> Receipt:
    """A receipt that this very agency signed. Raises NotAllowed."""
    try:
        receipt = open_receipt(note.encode(), net=node.network.net, keyring=node.network.keyring_at(now))
    except Refused as error:
        raise NotAllowed(error.message, code=error.code, field=error.field) from None
    if receipt.by != caller.principal:
        raise NotAllowed("a receipt by another than the agency that brings it", code="receipt_by")
    return receipt


def _leg(tx: Transaction, caller: Caller, leg_id: str) -> LegRow:
    leg = tx.leg(leg_id)
    if leg is None or leg.side is not Side.DESTINATION or leg.principal != caller.principal:
        raise NotFound("no such leg for this agency", code="no_leg", remedy="list yours with GET /v1/relay")
    return leg


def _take(
    tx: Transaction, node: Node, caller: Caller, leg_id: str, given: Sequence[Receipt], now: int
) -> Taken:
    receipts.chain_lock(tx, area_of(_leg(tx, caller, leg_id).counterpart))
    leg = _leg(tx, caller, leg_id)  # as it stands under the lock
    envelope = tx.envelope(leg.mid)
    if envelope is None:
        raise NotFound("the message of this leg is gone", code="no_message")
    fresh = [receipt for receipt in given if tx.receipt(receipt.hash) is None]
    for receipt in fresh:
        leg = _apply(tx, node, leg, envelope, receipt, now)
    if fresh:
        _check_read(leg, fresh[-1])
        answered = f"ANSWER_{fresh[-1].state.upper()}"
        accounts.record(tx, access(agent(caller), leg, "ALTERATION", answered, now))
        receipts.settle_handover(tx, leg.ref, leg.version, now)
    return Taken(leg.id, leg.state, not fresh)


def _apply(
    tx: Transaction, node: Node, leg: LegRow, envelope: EnvelopeRow, receipt: Receipt, now: int
) -> LegRow:
    """One receipt, kept and applied as if the node had signed it. Returns the leg as it stands then."""
    _check(tx, leg, envelope, receipt, now)
    after = advance_leg(LegState(leg.state), receipt.state)
    event = LegEvent(leg.id, receipt.at, receipt.state, leg.state, after, leg.principal, receipt.code)
    opened = receipt.at if receipt.state == "opened" else leg.opened
    tx.advance_leg(leg.id, leg.state, after, event, opened=opened)
    receipts.keep(tx, receipt, envelope, leg, now)
    if receipt.state == "opened":
        for task in tx.tasks_of(leg.id):
            if task.kind is Parcel.NOTIFICATION:
                tx.advance_task(task.id, task.state, Task.DONE)
        parcels.opened(tx, leg, now)
    moved = replace(leg, state=after, opened=opened, updated=receipt.at)
    spoc.taken_on(tx, moved, receipt.state, now)
    return actions.follow(tx, moved, receipt.state, receipt.at, now, tailoring=node.tailoring)


def check_chain(tx: Transaction, envelope: EnvelopeRow, receipt: Receipt, now: int) -> None:
    """That it is about this message, of our time, and after its agency's own last one. Raises NotAllowed,
    Conflict."""
    if receipt.about != receipts.about(envelope):
        raise NotAllowed("a receipt for another message than this one", code="receipt_about")
    if not envelope.created - SKEW <= receipt.at <= now + SKEW:
        raise NotAllowed(
            "a receipt dated before its message or in the future",
            code="receipt_date",
            remedy="compare this machine's clock with the node's",
        )
    earlier = tx.receipts(mid=envelope.mid, by=receipt.by)
    if receipt.prev != (earlier[-1].hash if earlier else ZERO):
        raise Conflict(
            "this receipt does not follow the last one",
            code="receipt_chain",
            remedy="take up the chain that GET /v1/relay/{parcel} shows",
        )


def _check(tx: Transaction, leg: LegRow, envelope: EnvelopeRow, receipt: Receipt, now: int) -> None:
    """What the origin would refuse is not sent to it: the agency would take itself for heard."""
    check_chain(tx, envelope, receipt, now)
    if receipt.state == "opened" and leg.opened:
        raise Conflict("this handover was opened before", code="receipt_twice")
    allowed = _REASONS.get(receipt.state, frozenset())
    if (receipt.code not in allowed) if allowed else receipt.code:
        raise NotAllowed("a reason that does not fit this answer", code="reason_code", field="/code")
    if receipt.state == "completed":
        actions.check_decided(tx.actions(leg.id), _brought(tx, leg, receipt))
    if any(number not in range(ROUTING + 1, len(split(envelope.body).parts)) for number in receipt.parts):
        raise NotAllowed("a receipt for parts that an agency cannot have", code="recipient_parts")


def _brought(tx: Transaction, leg: LegRow, receipt: Receipt) -> list[Said]:
    """The results in the message that a receipt names: the agency brings that message first."""
    return [
        Said(one.action, one.result, one.code) for one in tx.results(leg.id) if one.statement == receipt.reply
    ]


def _check_read(leg: LegRow, last: Receipt) -> None:
    if last.state in NEEDS_OPENING and not leg.opened:
        raise Conflict(
            "this handover has not been opened yet",
            code="not_opened",
            remedy="sign `opened` first; it can be returned or declined unread",
        )


# --- in: the words of an answer ---------------------------------------------------------------------


async def reply(node: Node, caller: Caller, leg_id: str, sealed: Json) -> tuple[str, bytes]:
    """Sign and queue the words of an answer, which the agency sealed to its counterpart itself.

    The node reads the routing table in it and no more. Returns (message id, statement hash: what the
    receipt names as its ``reply``). The same sealed words again give the same.
    """
    check_own_key(node, caller)
    now = node.clock.now()
    leg, rows = await node.store.read(lambda tx: (_leg(tx, caller, leg_id), tx.actions(leg_id)))
    outgoing.check_sendable(node.network, now)
    handed, said = _reply(node, leg, rows, sealed, now)

    def work(tx: Transaction) -> bytes:
        known = tx.envelope(handed.draft.mid)
        if known is None:
            statement = outgoing.store(tx, node, _sending(leg, handed), now).statement
            actions.keep(tx, leg, statement, said)
            return statement
        if known.side is not Side.ORIGIN or split(known.body).slots != handed.parsed.slots:
            raise Conflict("another message has this id", code="mid", remedy="seal the words again")
        return known.statement

    statement = await node.store.write(work)
    node.wake.outbox[lane_for(leg.urgency)].set()
    return handed.draft.mid, statement


def _reply(
    node: Node, leg: LegRow, rows: Sequence[ActionRow], sealed: Json, now: int
) -> tuple[Presealed, Sequence[Said]]:
    """The message, and what it says of actions. Raises NotAllowed for anything but a reply about this leg to
    its counterpart: under our signature an agency could otherwise send handovers that no rule has judged."""
    try:
        handed = open_presealed(sealed, net=node.network.net)
    except Refused as error:
        raise NotAllowed(error.message, code=error.code, field=error.field) from None
    parsed = handed.parsed
    addressed = replace(leg, principal=leg.counterpart, counterpart=leg.principal)
    said = _results(handed, rows)
    results = {leg.id: asked.result_members(said)}
    expected = (
        routing_part(leg.ref, leg.version, leg.urgency, [addressed], kind="REPLY", more=results),
        (Kind.MESSAGE, PRIORITY[leg.urgency], area_of(leg.counterpart), 2, REPLY_PARTS),
    )
    outside = (parsed.kind, parsed.priority, parsed.to, len(parsed.slots), len(parsed.parts))
    if (handed.routing, outside) != expected:
        raise NotAllowed("this is no reply about this leg to its counterpart", code="reply_to")
    if not now + outgoing.MARGIN < parsed.expires <= now + node.pace.life:
        raise NotAllowed(
            "a reply lives for 72 hours at most",
            code="life",
            remedy="compare this machine's clock with the node's",
        )
    return handed, said


def _results(handed: Presealed, rows: Sequence[ActionRow]) -> Sequence[Said]:
    """Raises NotAllowed for one that does not fit what this leg is asked."""
    try:
        entries = read_routing(read_sections(handed.routing).get("routing")).entries
    except Refused as error:
        raise NotAllowed(error.message, code="reply_to", field=error.field) from None
    said = entries[0].said
    held = {row.action: row for row in rows if not row.local}
    for one in said:
        row = held.get(one.action)
        if row is None or not actions.fits(row, one.result, one.code):
            raise NotAllowed(
                "what is said of an action does not fit it",
                code="action_answer",
                field="/actions",
                remedy="name an action of this leg, with an answer or a reason that it takes",
            )
    return said


def _sending(leg: LegRow, handed: Presealed) -> outgoing.Sending:
    """No record key: this node holds no key to the words, so there is nothing to wrap."""
    return outgoing.Sending(
        handed.draft,
        Kind.MESSAGE,
        area_of(leg.counterpart),
        lane_for(leg.urgency),
        handed.draft.expires,
        None,
        {},
        leg.ref,
        leg.version,
    )


# --- in: key cards ----------------------------------------------------------------------------------


async def card(node: Node, caller: Caller, note: bytes) -> int:
    """Keep the key card that an agency signed for its new subkeys; returns its version.

    Raises NotAllowed for one that is not this agency's own, or of another time, Conflict for one that is not
    newer than the newest known.
    """
    check_own_key(node, caller)
    found = _card(node, caller, note, node.clock.now())

    def work(tx: Transaction) -> int:
        known = tx.trust("keycard", caller.principal)
        same = bool(known) and (known[-1].version, known[-1].note) == (found.version, note)
        if known and not same and known[-1].version >= found.version:
            raise Conflict("a newer key card of this agency is known", code="card_rollback")
        tx.put_trust(TrustRow("keycard", found.principal, found.version, note))
        return found.version

    version = await node.store.write(work)
    node.wake.trust.set()
    return version


def _card(node: Node, caller: Caller, note: bytes, now: int) -> Card:
    network = node.network
    try:
        found = open_card(note, net=network.net, min_suite=network.min_suite, keyring=network.keyring_at(now))
    except Refused as error:
        raise NotAllowed(error.message, code=error.code, field=error.field) from None
    if found.principal != caller.principal:
        raise NotAllowed("a key card of somebody else", code="card_principal")
    usable = any(key.start <= now + SKEW and now < key.until for key in found.subkeys)
    if found.version > now + SKEW or not usable:
        raise NotAllowed(
            "a key card from the future, or without a subkey that can be sealed to",
            code="card_time",
            remedy="compare this machine's clock with the node's",
        )
    return found
