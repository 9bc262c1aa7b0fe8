"""An agency hands in a handover: judge it, seal it per agency, and own it durably before saying so.

Order: judged (:mod:`gateway.flows.judging`) -> seal -> ONE transaction (handover, legs, envelope, outbox,
log) -> 202. A document that fails anywhere leaves no trace. The plaintext lives in this
call and nowhere else; what is stored is the envelope.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

from uuid_utils.compat import uuid7

from gateway.core import shred
from gateway.core.audience import merge
from gateway.core.custody import Link
from gateway.core.duty import duty_of
from gateway.core.encoding import JsonObject
from gateway.core.envelope import Kind
from gateway.core.places import AddressCheck
from gateway.core.retention import first_review
from gateway.core.states import HandoverState, LegState, advance_handover
from gateway.core.trust import Principal
from gateway.errors import Conflict, GatewayError, NotAllowed
from gateway.flows import (
    actions,
    asked,
    attachments,
    bridge,
    custody,
    facts,
    moves,
    operations,
    outgoing,
    purge_clock,
    requests,
    succession,
    undelivered,
    urgent,
)
from gateway.flows.judging import Judged, judge
from gateway.flows.node import PRIORITY, Caller, Node, area_of, lane_for
from gateway.flows.vault import ROUTING, write_sections
from gateway.ports import HandoverRow, IdempotencyRow, Lane, LegRow, Side, Transaction
from schemas.handover import to_document


@dataclass(frozen=True, slots=True)
class Submitted:
    """What the agency is told. ``repeated``: the same key and body came before; nothing was done again."""

    ref: str
    version: int
    state: str
    repeated: bool = False


async def submit(
    node: Node,
    caller: Caller,
    body: bytes,
    *,
    key: str,
    then: Callable[[Transaction], None] = lambda _: None,
    reason: str = succession.NEWS,
) -> Submitted:
    """Accept a handover for sending. ``key`` is the caller's Idempotency-Key; ``then`` is done in the same
    transaction, when it is issued and not repeated; ``reason``: why there is a further version.

    Raises Rejected of any kind with field and remedy; Conflict when the same key came with another body or
    the version is already there; Unavailable when it cannot be stored now (then nothing was).
    """
    now = node.clock.now()
    await node.turns[_line(body)].wait()
    repeat = fingerprints(node, caller, key, body)
    try:
        judged = judge(node, body, now=now, caller=caller)
        named = await _attached(node, caller, judged) if attachments.mentioned(body) else None
        if named:
            _check_carried(node, judged)
            judged = replace(judged, parts=attachments.fill(judged.parts, named))
        legs = _legs(node, judged, caller, now)
        past = await _past(node, judged)
        sendings = [
            _seal(node, one, [leg for leg in legs if one.reads(leg)], past, now) for one in judged.messages
        ]
    except GatewayError:
        # What was accepted under this key stays accepted, also when it would not be today. Only looked up
        # here and in the transaction: a look before the work would cost every new handover another wait.
        if stored := await node.store.read(lambda tx: earlier(tx, repeat)):
            return stored
        raise

    def work(tx: Transaction) -> Submitted:
        if done := earlier(tx, repeat):
            return done
        before = tx.handover(judged.document.message.handover_id)
        moves.check(tx, judged.document, before)
        requests.check(tx, judged.document, caller)
        _record(tx, judged, legs, caller, before, now)
        urgent.issued(tx, node, judged.document, caller, before, now)
        if named:
            message = judged.document.message
            attachments.carry(tx, named, message.handover_id, message.version, judged.destination)
        _send(tx, node, judged, legs, sendings, now)
        message = judged.document.message
        if before is not None and before.state != HandoverState.DRAFT:
            view, role = partial(_view, judged), message.authorised_by.role
            change = succession.Change(before, legs, view, role, reason)
            succession.announce(tx, node, caller, change, now)
        moves.tell(tx, node, judged.document, caller, now)
        requests.answered(tx, node, judged.document, caller, now)
        tx.put_idempotency(repeat.row(message.handover_id, message.version, now))
        then(tx)
        return Submitted(message.handover_id, message.version, HandoverState.ISSUED)

    submitted = await node.store.write(work, first=sendings[0].lane is Lane.URGENT)
    if named:
        node.wake.attachments.set()
    for lane in {sendings[0].lane, Lane.URGENT}:
        node.wake.outbox[lane].set()
    return submitted


def _line(body: bytes) -> Lane:
    """In which line a document waits to be read. What only looks urgent gains a place in a short line."""
    return Lane.URGENT if b'"URGENT"' in body else Lane.STANDARD


async def _past(node: Node, judged: Judged) -> Sequence[Link]:
    """Who had an earlier version by mistake: recipients of this one are told."""
    message = judged.document.message
    if message.version == 1:
        return ()
    return await node.store.read(lambda tx: custody.told(tx, message.handover_id, message.version))


def _view(judged: Judged, principal: str) -> JsonObject:
    """PLAINTEXT: what is being sealed to one agency."""
    return merge(
        [part.sections for one in judged.messages for part in one.parts if principal in part.readers]
    )


def _send(
    tx: Transaction,
    node: Node,
    judged: Judged,
    legs: Sequence[LegRow],
    sendings: Sequence[outgoing.Sending],
    now: int,
) -> None:
    """Every message of the handover, with its legs."""
    undelivered.watch(tx, node, judged.document.message, now)
    for sending in sendings:
        bridge.check_contact(tx, node, judged.document, sending.peer, now)
        sealed = outgoing.store(tx, node, sending, now)
        for leg in legs:
            if area_of(leg.principal) == sending.peer:
                tx.put_leg(replace(leg, mid=sealed.mid))
                actions.ask(tx, leg, asked.asks_of(judged.document, leg.agency))
                bridge.watch(tx, node, leg, now)


def _check_carried(node: Node, judged: Judged) -> None:
    """Raises NotAllowed: a file of 25 MB does not travel in a person's hands as a handover does, and segments
    go to one area."""
    if judged.tiers or node.network.external(judged.destination):
        raise NotAllowed(
            "attachments do not go to an area without a gateway, nor to two tiers",
            code="bridge_attachment",
            field="/routing/destination/transport",
            remedy="leave them out, and say in an action how the agency is to get them",
        )


async def _attached(node: Node, caller: Caller, judged: Judged) -> attachments.Named | None:
    """The uploads that the document names; None when it names none."""
    named = await attachments.find(node, caller, to_document(judged.document))
    return named if named.rows else None


@dataclass(frozen=True, slots=True)
class Repeat:
    """By what a hand-in is known again."""

    key: bytes
    request: bytes

    def row(self, ref: str, version: int, now: int) -> IdempotencyRow:
        return IdempotencyRow(self.key, self.request, ref, version, now)


def fingerprints(node: Node, caller: Caller, key: str, body: bytes) -> Repeat:
    """Keyed: a plain hash of a document full of personal data would itself be personal data (protocol 7)."""
    secret = node.keys.secret("idempotency")
    named = f"{caller.principal}\n{key}".encode()
    return Repeat(
        shred.keyed_hash(secret, named, purpose="key"), shred.keyed_hash(secret, body, purpose="body")
    )


def earlier(tx: Transaction, repeat: Repeat) -> Submitted | None:
    row = tx.idempotency(repeat.key)
    if row is None:
        return None
    if row.request != repeat.request:
        raise Conflict(
            "this Idempotency-Key was used with another document",
            code="idempotency_key_reused",
            remedy="use a fresh key for a new document, or send the same document again",
        )
    handover = tx.handover(row.ref, row.version)
    return Submitted(row.ref, row.version, handover.state if handover else HandoverState.DRAFT, repeated=True)


def _legs(node: Node, judged: Judged, caller: Caller, now: int) -> Sequence[LegRow]:
    message = judged.document.message
    return [
        LegRow(
            id=uuid7().hex,
            ref=message.handover_id,
            version=message.version,
            side=Side.ORIGIN,
            principal=principal.name,
            agency=principal.agency,
            counterpart=_counterpart(node, principal, caller),
            state=LegState.QUEUED,
            urgency=message.urgency,
            mid="",
            updated=now,
            via=judged.document.routing.recipients[reader.index].via or "",
            duty=duty_of(judged.document, principal.agency),
        )
        for reader, principal in judged.readers
    ]


def _counterpart(node: Node, principal: Principal, caller: Caller) -> str:
    """Who at the origin stays responsible until this agency accepts: the same agency here, or the sender. A
    county force's counterpart is the police here, whatever its name; one charity is not another's."""
    own = principal.agency == "VOLUNTARY_SECTOR"
    for organisation in (principal.organisation,) if own else (principal.organisation, None):
        try:
            return node.network.find(node.area, principal.agency, organisation).name
        except GatewayError:
            continue
    return caller.principal


def _seal(
    node: Node, judged: Judged, legs: Sequence[LegRow], past: Sequence[Link], now: int
) -> outgoing.Sending:
    message = judged.document.message
    more = {leg.id: asked.members(judged.document, leg.agency) for leg in legs}
    told = replace(facts.of(judged.document), custody=tuple(past))
    part = routing_part(message.handover_id, message.version, message.urgency, legs, told=told, more=more)
    contents = [part]
    contents += [write_sections(part.sections) for part in judged.parts]
    readers = {
        leg.principal: tuple(
            number
            for number, part in enumerate(judged.parts, start=ROUTING + 1)
            if leg.principal in part.readers
        )
        for leg in legs
    }
    return outgoing.seal(
        node,
        kind=Kind.MESSAGE,
        to=judged.destination,
        lane=lane_for(message.urgency),
        priority=PRIORITY[message.urgency],
        readers=readers,
        contents=contents,
        now=now,
        ref=message.handover_id,
        version=message.version,
    )


def routing_part(
    ref: str,
    version: int,
    urgency: str,
    legs: Sequence[LegRow],
    *,
    kind: str = "HANDOVER_NOTIFICATION",
    told: facts.Facts = facts.NONE,
    more: Mapping[str, JsonObject] = MappingProxyType({}),
) -> bytes:
    """Part 1 (protocol 4.4): which slot is whose, which leg it is, to whom its answer goes, and what both
    nodes must know of the handover. ``more``: further members of a leg's entry, by its id."""
    return write_sections(
        {
            "routing": {
                "type": kind,
                "handover": ref,
                "version": version,
                "urgency": urgency,
                "legs": [
                    _routed(slot, leg, kind) | more.get(leg.id, {}) for slot, leg in enumerate(legs, start=1)
                ],
                **facts.write(told),
            }
        }
    )


def _routed(slot: int, leg: LegRow, kind: str) -> JsonObject:
    """One line of the routing table. ``via`` is for the node that a handover comes to, and no answer's."""
    line: JsonObject = {"slot": slot, "principal": leg.principal, "leg": leg.id, "reply_to": leg.counterpart}
    return {**line, "via": leg.via} if leg.via and kind == "HANDOVER_NOTIFICATION" else line


def _record(
    tx: Transaction,
    judged: Judged,
    legs: Sequence[LegRow],
    caller: Caller,
    newest: HandoverRow | None,
    now: int,
) -> None:
    message = judged.document.message
    ref, version = message.handover_id, message.version
    if newest and newest.version >= version:
        raise Conflict(
            f"version {newest.version} of this handover is already issued",
            code="version_exists",
            field="/message/version",
            remedy=f"send version {newest.version + 1}, naming the message it supersedes",
        )
    if newest and newest.state != HandoverState.DRAFT and newest.drill != bool(message.drill):
        raise Conflict(
            "a handover becomes no drill, and a drill no handover",
            code="drill_changed",
            field="/message/drill",
            remedy="a rehearsal has a reference of its own",
        )
    row = HandoverRow(
        ref=ref,
        version=version,
        side=Side.ORIGIN,
        origin=judged.document.routing.origin.area_code,
        destination=judged.destination,
        urgency=message.urgency,
        state=HandoverState.ISSUED,
        submitted_by=caller.principal,
        created=now,
        updated=now,
        **facts.of(judged.document).columns(),
        review_by=facts.end_of_day(first_review(judged.document)),
        issued=now,
        address_check=judged.address.value,
    )
    tx.put_handover(row)
    purge_clock.start(tx, row, now)
    if newest and newest.state not in (HandoverState.PURGED, HandoverState.WITHDRAWN):
        after = advance_handover(HandoverState(newest.state), "superseded", ())
        tx.advance_handover(ref, newest.version, newest.state, after, now)
    _account(tx, judged, legs, caller, newest.version if newest else 0, now)


def _account(
    tx: Transaction, judged: Judged, legs: Sequence[LegRow], caller: Caller, before: int, now: int
) -> None:
    """s.62 DPA 2018: collection, what it is joined with, and one disclosure a leg with its recipient."""
    message, recipients = judged.document.message, judged.document.routing.recipients
    powers = {basis.id: basis.powers for basis in judged.document.lawful_basis}
    sent = [
        operations.Sent(
            leg,
            tuple(str(name) for name in recipient.sections),
            tuple(sorted({power for basis in recipient.lawful_basis for power in powers[basis]})),
        )
        for leg, recipient in zip(legs, recipients, strict=True)
    ]
    told = facts.of(judged.document)
    step = operations.Step(message.handover_id, message.version, told, before, now)
    operations.handed_in(tx, step, caller, sent)
    if judged.address is AddressCheck.OVERRIDDEN:
        operations.address_overridden(tx, step, caller)
