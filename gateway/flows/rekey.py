"""Weekly X-Wing subkeys: made, told to the peers, destroyed on time (protocol 7).

Duty: for this node and every agency whose key it holds, make a subkey when one is due, sign the card that
shows it, destroy the seeds whose time is over. What it leaves out: the calendar (core/rotation.py), the files
(:mod:`gateway.keystore`), telling the cards (:mod:`gateway.flows.documents`), and messages sealed to a subkey
that is gone (:mod:`gateway.flows.stale`).

Rules:

- A seed is on disk before a card names it, and a card is stored before it is told. Whatever crashes in
  between, the next look finds a key that no card shows, or a card that was not told.
- A card shows exactly the subkeys held that have not ended. So a folder put back from a backup, which lacks
  the newest, is told to the peers, too.
- Seeds go on time whatever else fails: what was recorded on the wire must become unreadable.
- What goes wrong with one principal (a full disk, a replaced key) is alarmed and stops nobody else.

Example::

    await turn(node)                                 # at every sweep; most find nothing to do
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import structlog

from gateway.core.ceremony import make_card
from gateway.core.directory import MAX_SUBKEYS, NODE_AGENCY, Card, open_card
from gateway.core.keys import KemKey
from gateway.core.rotation import card_version, on_card
from gateway.errors import Misconfigured, Refused, Unavailable
from gateway.flows.alarms import sound
from gateway.flows.node import Node
from gateway.ports import Transaction, TrustRow

log = structlog.get_logger("rekey")


async def turn(node: Node) -> int:
    """One look at every subkey held. Returns how many were made or destroyed, and cards signed."""
    now, done = node.clock.now(), 0
    for principal in sorted(node.keys.principals()):
        for work in (_renew, _destroy):
            done += await _tried(work, node, principal, now)
    return done


async def forget(node: Node) -> int:
    """The destroying alone, for a process that does not lead: it has the seeds in its memory, too."""
    now = node.clock.now()
    return sum([await _tried(_destroy, node, name, now) for name in sorted(node.keys.principals())])


async def _tried(
    work: Callable[[Node, str, int], Awaitable[int]], node: Node, principal: str, now: int
) -> int:
    try:
        return await work(node, principal, now)
    except (Misconfigured, Refused, Unavailable) as error:  # the last: no room for a key; the rest goes on
        log.error("subkeys are not as they should be", principal=principal, code=error.code)
    await node.store.write(lambda tx: sound(tx, "subkey_failed", peer=node.area, at=now, subject=principal))
    return 0


async def rotate(node: Node, principal: str) -> None:
    """A new subkey now, whatever the calendar says, with its card."""
    now = node.clock.now()
    node.keys.renew(principal, now, node.pace.subkeys, force=True)
    await _publish(node, principal, now)


def _acts(node: Node, principal: str, now: int) -> bool:
    """Whether a card that we sign for it now would count: it is of our area, its key is with us by right, and
    is the one that the directory lists."""
    entry = node.network.directory.principals.get(principal)
    if entry is None or entry.area != node.area or not (entry.hosted or entry.agency == NODE_AGENCY):
        return False
    listed = node.network.directory.keyring(principal)  # none when it is revoked
    return node.keys.signer(principal).public in listed and not node.network.suspended(principal, now)


async def _renew(node: Node, principal: str, now: int) -> int:
    if not _acts(node, principal, now):
        return 0
    made = node.keys.renew(principal, now, node.pace.subkeys)
    if made:
        log.info("a subkey was made", principal=principal)
    if not made and not _differs(node, node.network.cards.get(principal), principal, now):
        return 0
    return int(made) + await _publish(node, principal, now)


async def _publish(node: Node, principal: str, now: int) -> int:
    stored = await node.store.write(lambda tx: _sign(tx, node, principal, now))
    if stored:
        node.wake.trust.set()
    return int(stored)


def _sign(tx: Transaction, node: Node, principal: str, now: int) -> bool:
    """Sign and keep the next card, unless another worker has. Raises Refused."""
    stored = tx.trust("keycard", principal)
    newest = stored[-1] if stored else None
    shown = _shown(node, principal, now)
    if not shown or (newest and not _differs(node, _judged(node, newest.note, now), principal, now)):
        return False
    version = card_version(newest.version if newest else 0, now)
    note = make_card(node.keys.signer(principal), shown, net=node.network.net, version=version)
    _open(node, note, now)
    if not tx.put_trust(TrustRow("keycard", principal, version, note)):
        return False
    log.info("a key card was signed", principal=principal, version=version)
    return True


def _shown(node: Node, principal: str, now: int) -> Sequence[KemKey]:
    return on_card(node.keys.subkeys(principal), now)[:MAX_SUBKEYS]


def _differs(node: Node, card: Card | None, principal: str, now: int) -> bool:
    """Whether the card shows other keys than those we hold. An ended one on it is nothing to send for."""
    told = {subkey.public for subkey in card.subkeys if now < subkey.until} if card else set()
    return told != {key.public for key in _shown(node, principal, now)}


def _judged(node: Node, note: bytes, now: int) -> Card | None:
    """The card; None for one that counts no more, by a key that was replaced."""
    try:
        return _open(node, note, now)
    except Refused:
        return None


def _open(node: Node, note: bytes, now: int) -> Card:
    network = node.network
    return open_card(note, net=network.net, min_suite=network.min_suite, keyring=network.keyring_at(now))


async def _destroy(node: Node, principal: str, now: int) -> int:
    gone = node.keys.destroy_subkeys(principal, now, node.pace.subkeys)
    if gone:
        log.info("subkeys were destroyed", principal=principal, count=gone)
    return gone
