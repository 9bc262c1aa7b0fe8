"""One way out for every message of ours: seal outside, then take a place in the stream and store, inside.

Encapsulation and the parts are done before the transaction; only the statement (sequence number, previous
hash, what we have seen of the peer) is signed and sealed within it, under the lock of the stream's row
(protocol 4.5). Nothing here publishes: the outbox row does that, and stays until the peer has the message.
"""

from __future__ import annotations

import secrets as entropy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.core.encoding import JsonObject, b64
from gateway.core.envelope import Draft, Kind, Position, Recipient, Sealed, Seen, prepare
from gateway.core.receipts import ZERO
from gateway.core.trust import Network
from gateway.errors import Expired, GatewayError, Unavailable, Untrusted
from gateway.flows import glass, purge_clock, restart
from gateway.flows.carrying import CARRIED
from gateway.flows.node import Node, log_leaf
from gateway.flows.vault import ROUTING, RecordKey, Secrets, new_record_key, write_sections
from gateway.ports import EnvelopeRow, Lane, Outbound, OutboxRow, Side, StreamRow, Transaction

ONCE = "once"
"""In the place of an outbox row's error: it is published once and settled then. What is said again anyway
(heartbeats, questions), and what a peer has asked for again."""

NEVER = 1 << 53
"""When a row that no broker takes is due."""

MARGIN = 300
"""Seconds before its end of life at which a message is sealed afresh rather than published again: more
than the skew of protocol 4.3, so that it never arrives dead."""


@dataclass(frozen=True, slots=True)
class Sending:
    """A message sealed but for its statement. ``readers``: which part numbers each principal may open;
    None for a message whose content we need never open again (receipts are kept as receipts)."""

    draft: Draft
    kind: Kind
    peer: str
    lane: Lane
    expires: int
    record_key: RecordKey | None
    readers: Mapping[str, tuple[int, ...]]
    ref: str
    version: int


def seal(
    node: Node,
    *,
    kind: Kind,
    to: str,
    lane: Lane,
    priority: int,
    readers: Mapping[str, tuple[int, ...]],
    contents: Sequence[bytes],
    now: int,
    ref: str = "",
    version: int = 0,
) -> Sending:
    """``contents[0]`` is part 1, for the destination node alone. ``readers`` in slot order, the node's own
    slot 0 not among them. Raises UnknownRecipient when a reader has no valid key, Unavailable when the
    directory is too old to send under: once it is renewed the same call goes through."""
    network = node.network
    check_sendable(network, now, sender=node.principal)
    expires = now + node.pace.life
    peer_node = network.node(to).name
    recipients = [Recipient(peer_node, network.sealing_key(peer_node, now), frozenset({ROUTING}))]
    recipients += [
        Recipient(name, network.sealing_key(name, now), frozenset(parts)) for name, parts in readers.items()
    ]
    draft = prepare(
        net=network.net,
        kind=kind,
        priority=priority,
        to=to,
        expires=expires,
        recipients=recipients,
        contents=[glass.beside(node, contents[0], now), *contents[1:]],
    )
    record_key = new_record_key(node, draft.mid, Side.ORIGIN, now) if kind is Kind.MESSAGE else None
    return Sending(draft, kind, to, lane, expires, record_key, readers, ref, version)


def check_sendable(network: Network, now: int, *, sender: str = "") -> None:
    """Raises Unavailable while nothing may be sent: not the fault of the agency that asks. ``sender``: the
    node, whose own key may be suspended."""
    try:
        network.check_sendable(now, sender=sender)
    except (Expired, Untrusted) as error:
        raise Unavailable(error.message, code=error.code, remedy=error.remedy) from None


def store(tx: Transaction, node: Node, sending: Sending, now: int, *, once: bool = False) -> Sealed:
    """Give the message its place in the stream and store it with its outbox row, within ``tx``. ``once``: it
    asks for no answer and is published once. Raises what :func:`seal` raises when the stream is a new one
    that has to be announced first and cannot be."""
    mine = tx.stream(sending.peer, outgoing=True) or StreamRow(
        sending.peer, True, entropy.token_hex(16), 0, ZERO
    )
    carried = node.network.external(sending.peer)
    if not carried and (told := restart.announcement(tx, mine)) is not None:
        _, mine = _place(tx, node, _control(node, sending.peer, told, now), mine, now)
    return _place(tx, node, sending, mine, now, once=once)[0]


def _control(node: Node, peer: str, sections: JsonObject, now: int) -> Sending:
    return seal(
        node,
        kind=Kind.CONTROL,
        to=peer,
        lane=Lane.RECEIPTS,
        priority=0,
        readers={},
        contents=[write_sections(sections)],
        now=now,
    )


def _place(
    tx: Transaction, node: Node, sending: Sending, mine: StreamRow, now: int, *, once: bool = False
) -> tuple[Sealed, StreamRow]:
    """Sign the statement for the number after ``mine``, and store. Returns our end of the stream after it."""
    theirs = tx.stream(sending.peer, outgoing=False, lock=False)
    sealed = sending.draft.finish(
        node.keys.signer(node.principal),
        created=now,
        directory=node.network.version,
        position=Position(mine.stream, mine.seq + 1, mine.head),
        seen=Seen(theirs.stream, theirs.seq) if theirs else Seen(),
    )
    after = StreamRow(
        sending.peer,
        True,
        mine.stream,
        mine.seq + 1,
        sealed.statement,
        top=theirs.seq if theirs else 0,
        at=now,
        busy=mine.busy if once else now,
    )
    tx.put_stream(after)
    if not tx.put_envelope(_row(sending, sealed, mine, now)):
        raise GatewayError("a number of our own stream is used already", code="stream_number")
    if sending.ref:
        purge_clock.late(tx, sending.ref, sending.version, now)
    node.used[sending.peer] = (after.stream, after.seq)
    carried = node.network.external(sending.peer)
    tx.put_outbox(
        OutboxRow(
            id="",
            peer=sending.peer,
            lane=sending.lane,
            mid=sealed.mid,
            state=Outbound.PUBLISHED if carried else Outbound.WAITING,
            due=NEVER if carried else now,
            created=now,
            expires=sealed.expires,
            error=CARRIED if carried else ONCE if once else "",
        )
    )
    log_leaf(tx, "sent", now, mid=sealed.mid, stmt=b64(sealed.statement), env=b64(sealed.digest))
    return sealed, after


def _row(sending: Sending, sealed: Sealed, stream: StreamRow, now: int) -> EnvelopeRow:
    row = EnvelopeRow(
        mid=sealed.mid,
        side=Side.ORIGIN,
        kind=int(sending.kind),
        peer=sending.peer,
        stream=stream.stream,
        seq=stream.seq + 1,
        statement=sealed.statement,
        digest=sealed.digest,
        expires=sealed.expires,
        body=sealed.envelope,
        ref=sending.ref,
        version=sending.version,
        created=now,
    )
    if sending.record_key is None:
        return row
    keys = dict(enumerate(sealed.part_keys))
    wrapped = sending.record_key.wrap(Secrets(keys, sending.readers))
    return replace(row, secrets=wrapped.secrets, epoch=wrapped.epoch)
