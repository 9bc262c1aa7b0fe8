"""The network's documents as this node holds them: joining, and taking up newer ones while running.

What is stored has been verified, and is verified again whenever it is read: the database is no root of trust.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import structlog

from gateway.core.ceremony import Bundle
from gateway.core.directory import Card, open_card
from gateway.core.trust import Network
from gateway.errors import Unsupported, Untrusted
from gateway.flows.node import Node, Trust
from gateway.ports import Transaction, TrustRow

log = structlog.get_logger("trust")


def trust_of(tx: Transaction, now: int, expect: str | None = None) -> Trust | None:
    """The newest verified network out of the stored documents; None before the node has joined one."""
    roots, directories, cards = tx.trust("root"), tx.trust("directory"), tx.trust("keycard")
    if not roots or not directories:
        return None
    marks = tuple((row.kind, row.subject, row.version) for row in (*roots, directories[-1], *cards))
    network = Network.build(
        [row.note for row in roots],
        directories[-1].note,
        [row.note for row in cards],
        now=now,
        expect=expect,
    )
    return Trust(network, marks)


def join(tx: Transaction, bundle: Bundle, now: int, expect: str | None = None) -> Network:
    """Verify a published bundle and keep its documents. Raises Refused of any kind; then nothing is kept.

    A node that has joined before takes up only what may follow what it has (protocol 6).
    """
    network = Network.build(bundle.roots, bundle.directory, bundle.cards, now=now, expect=expect)
    before = trust_of(tx, now)
    if before is not None:
        before.network.check_successor(network)
    for version, note in enumerate(bundle.roots, start=1):
        tx.put_trust(TrustRow("root", "", version, note))
    tx.put_trust(TrustRow("directory", "", network.version, bundle.directory))
    for card, note in _current(network, bundle.cards):
        tx.put_trust(TrustRow("keycard", card.principal, card.version, note))
    return network


def _current(network: Network, notes: Sequence[bytes]) -> Iterator[tuple[Card, bytes]]:
    """The cards that this directory vouches for; one that it has left behind does not spoil the rest."""
    for note in notes:
        try:
            yield open_card(note, net=network.net, min_suite=network.min_suite, keyring=network.keyring), note
        except (Untrusted, Unsupported) as error:
            log.info("a key card of the bundle is not for this directory", code=error.code)


async def refresh_trust(node: Node, check: Callable[[Network], None]) -> bool:
    """Take up a newer directory or card that was stored since. Returns whether anything changed."""
    now = node.clock.now()
    newer = await node.store.read(lambda tx: trust_of(tx, now))
    if newer is None or newer.marks == node.trust.marks:
        return False
    check(newer.network)
    node.network.check_successor(newer.network)
    node.trust.network, node.trust.marks = newer.network, newer.marks
    log.info("trust refreshed", directory=newer.network.version)
    return True
