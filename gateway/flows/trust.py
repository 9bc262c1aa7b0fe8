"""The network's documents as this node holds them: joining, and taking up newer ones while running.

What is stored has been verified, and is verified again whenever it is read: the database is no root of trust.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import structlog

from gateway.core.ceremony import Bundle
from gateway.core.directory import Card, open_card
from gateway.core.suspension import Suspension
from gateway.core.trust import Network
from gateway.errors import Misconfigured, Unsupported, Untrusted
from gateway.flows import alarms, glass
from gateway.flows.node import Node, Trust
from gateway.ports import Transaction, TrustRow

log = structlog.get_logger("trust")


def trust_of(tx: Transaction, now: int, expect: str | None = None) -> Trust | None:
    """The newest verified network out of the stored documents; None before the node has joined one."""
    roots, directories = tx.trust("root"), tx.trust("directory")[-1:]
    if not roots or not directories:
        return None
    cards, stops = tx.trust("keycard"), tx.trust("suspension")
    build = partial(_build, roots, directories[0], stops, now=now, expect=expect)
    network = build(cards)
    if hidden := _hidden(tx, network):
        cards = [*cards, *hidden]
        network = build(cards)
    broken = tx.trust("break_glass")
    rows = (*roots, *directories, *stops, *cards, *broken)
    marks = tuple((row.kind, row.subject, row.version) for row in rows)
    own = glass.stored(tx, network, broken[-1].subject, now) if broken else None  # a store keeps its own only
    return Trust(replace(network, glass=own[0]), marks, own[1]) if own else Trust(network, marks)


def _build(
    roots: Sequence[TrustRow],
    directory: TrustRow,
    stops: Sequence[TrustRow],
    cards: Sequence[TrustRow],
    *,
    now: int,
    expect: str | None,
) -> Network:
    chain, stopping = [row.note for row in roots], [row.note for row in stops]
    told = [row.note for row in cards]
    return Network.build(chain, directory.note, told, now=now, expect=expect, suspensions=stopping)


def _hidden(tx: Transaction, network: Network) -> Sequence[TrustRow]:
    """The earlier cards of everybody whose newest is not by the key that is listed now: whoever had the key
    before, a thief perhaps, may have signed one with a version that no other reaches."""
    found: list[TrustRow] = []
    for principal in network.directory.principals.values():
        card = network.cards.get(principal.name)
        if card is None or card.by != principal.sign:
            found += tx.trust("keycard", principal.name)[:-1]
    return found


def join(tx: Transaction, bundle: Bundle, now: int, expect: str | None = None) -> Network:
    """Verify a published bundle and keep its documents. Raises Refused of any kind; then nothing is kept.

    A node that has joined before takes up only what may follow what it has (protocol 6).
    """
    stops = [row.note for row in tx.trust("suspension")]
    network = Network.build(
        bundle.roots, bundle.directory, bundle.cards, now=now, expect=expect, suspensions=stops
    )
    before = trust_of(tx, now)
    if before is not None:
        before.network.check_successor(network)
    for version, note in enumerate(bundle.roots, start=1):
        tx.put_trust(TrustRow("root", "", version, note))
    tx.put_trust(TrustRow("directory", "", network.version, bundle.directory))
    for card, note in _current(network, bundle.cards, now):
        tx.put_trust(TrustRow("keycard", card.principal, card.version, note))
    return network


def take_suspension(tx: Transaction, note: bytes, now: int) -> Suspension:
    """Verify a suspension that has come, and keep it: the key is stopped from the next look at the store on.

    Raises Refused of any kind, Misconfigured for a node that has not joined. People are told once. The row's
    version is the second it ends: the newest row of a key is the one that stops it longest.
    """
    trust = trust_of(tx, now)
    if trust is None:
        raise Misconfigured("no directory is stored", code="not_joined", remedy="`gateway join BUNDLE`")
    found = trust.network.open_suspension(note, now)
    if tx.put_trust(TrustRow("suspension", found.key.hex(), found.until, note)):
        area = trust.network.owner(found.key).area
        alarms.sound(tx, "key_suspended", peer=area, at=now, subject=found.key.hex(), evidence=note)
    return found


def _current(network: Network, notes: Sequence[bytes], now: int) -> Iterator[tuple[Card, bytes]]:
    """The cards that this directory vouches for; one that it has left behind does not spoil the rest."""
    keyring = network.keyring_at(now)
    for note in notes:
        try:
            yield open_card(note, net=network.net, min_suite=network.min_suite, keyring=keyring), note
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
    node.trust.network, node.trust.marks, node.trust.glass = newer.network, newer.marks, newer.glass
    log.info("trust refreshed", directory=newer.network.version, suspensions=len(newer.network.suspensions))
    return True
