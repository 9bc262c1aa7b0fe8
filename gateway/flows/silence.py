"""Gather what a peer's node said from before a message was sent until after a given time: its silence."""

from __future__ import annotations

from gateway.core.envelope import Statement, open_part, read_statement, split
from gateway.core.layout import Kind
from gateway.core.silence import MAX_LINKS, Link, Silence
from gateway.core.statement import read_alone
from gateway.errors import Conflict, NotFound, TooLarge
from gateway.flows.node import Node, area_of
from gateway.flows.vault import ROUTING, secrets_of, stripped
from gateway.ports import EnvelopeRow, StreamRow, Transaction

_STATEMENT = 0


async def silence(node: Node, *, by: str, sent: int, until: int) -> Silence:
    """Every statement of the node of ``by``'s area around the time from ``sent`` to ``until``.

    Raises NotFound while that area has said nothing since ``until`` (a heartbeat comes every 10 minutes),
    Conflict when the stream has a hole or was begun anew in between, TooLarge over MAX_LINKS statements.
    """
    return await node.store.read(lambda tx: Silence(by, until, _links(tx, node, area_of(by), sent, until)))


def _links(tx: Transaction, node: Node, peer: str, sent: int, until: int) -> list[Link]:
    stream = tx.stream(peer, outgoing=False)
    if stream is None:
        raise _not_yet()
    links: list[Link] = []
    seq, reached = stream.seq, False
    while seq:
        row = _row(tx, stream, seq)
        link, statement = _link(node, row)
        reached |= statement.created >= until
        if statement.created >= until:
            links = []  # an earlier word is enough: the shortest chain that reaches
        links.append(link)
        if statement.created <= sent or statement.seq == 1:
            break
        if len(links) > MAX_LINKS:
            raise TooLarge(
                "too much was said between these two times for one proof",
                code="silence_links",
                remedy="ask for an earlier time",
            )
        seq -= 1
    if not reached:
        raise _not_yet()
    return links[::-1]


def _row(tx: Transaction, stream: StreamRow, seq: int) -> EnvelopeRow:
    row = tx.envelope_at(stream.peer, stream.stream, seq)
    if row is None:
        raise Conflict(
            "a message of that area is missing in between, so its silence cannot be shown",
            code="silence_gap",
            remedy="`gateway peer list` shows the gap; the peer is asked to send it again",
        )
    return row


def _link(node: Node, row: EnvelopeRow) -> tuple[Link, Statement]:
    if stripped(row):
        return _stripped(node, row)
    keys, parsed = secrets_of(node, row).keys, split(row.body)
    statement = read_statement(parsed, keys[_STATEMENT], net=node.network.net, keyring=node.network.keyring)
    note = open_part(parsed, _STATEMENT, keys[_STATEMENT], net=node.network.net)
    begins = statement.kind is Kind.CONTROL and statement.seq == 1
    if statement.kind is not Kind.RECEIPTS and not begins:
        return Link(note), statement
    return Link(note, parsed.parts[ROUTING], keys[ROUTING]), statement


def _stripped(node: Node, row: EnvelopeRow) -> tuple[Link, Statement]:
    """A message or control envelope that went long ago: its statement stands. One that carried receipts is
    never stripped, for without them it shows nothing; neither is the first of a stream."""
    statement, _ = read_alone(row.body, net=node.network.net, keyring=node.network.keyring)
    return Link(row.body), statement


def _not_yet() -> NotFound:
    return NotFound(
        "that area has said nothing since the time in question",
        code="silence_end",
        remedy="try again when its node has been heard: a heartbeat comes every 10 minutes",
    )
