"""Trust documents from node to node: who hears of a newer one asks, who has a new one tells (protocol 6).

Sections of receipts, heartbeats and control envelopes::

    trust      {"directory": {"version", "hash"}, "cards": hash of the newest cards of the SENDER's own area}
    want       {"directory": the version that one has, "cards": [areas]}   one of the two, or both
    documents  [notes]: roots, directory, key cards, suspensions, in any order

Duty: hear of a newer directory, of cards that we lack, of two directories under one version; ask, answer, and
spread what is new here. What a document is worth is judged by :mod:`gateway.flows.trust` as if a person had
brought it: every note carries its own signatures, so it does not matter which peer handed it on.

Rules:

- A running node takes up what was stored at its next look (:func:`gateway.flows.trust.refresh_trust`).
- A question to one peer is put at most every :data:`ASK` seconds, and one peer is answered as often. That is
  remembered in memory alone: whoever forgets it asks once more.
- What is new here (our own cards, a suspension) is told to every area of the directory once, whichever way it
  came; that it was told stands in the database.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

import structlog

from gateway.core.ceremony import Bundle
from gateway.core.directory import DIRECTORY, KEYCARD
from gateway.core.encoding import AREA, Json, JsonObject, b64, encode, fields, integer, octets
from gateway.core.root import CONTEXT as ROOT
from gateway.core.suspension import SUSPEND
from gateway.core.trust import Network
from gateway.errors import Malformed, Refused
from gateway.flows import trust
from gateway.flows.alarms import sound
from gateway.flows.control import Came, tell
from gateway.flows.node import Node
from gateway.ports import Transaction, TrustRow

ASK: Final = 60
"""Seconds between two questions to one peer, and between two answers to one."""

BATCH: Final = 400_000
"""Bytes of notes in one envelope: well under its 1 MiB, whatever padding adds."""

MAX_AREAS: Final = 64
"""Areas whose cards may be asked for at once: London has 33."""

log = structlog.get_logger("documents")


# --- what rides along, and what is asked for ---------------------------------------------------------


def ride(_tx: Transaction, node: Node, _peer: str, _now: int) -> JsonObject:
    """What we hold: the directory, and our own area's cards."""
    network = node.network
    directory: JsonObject = {"version": network.version, "hash": b64(network.directory.hash)}
    return {"trust": {"directory": directory, "cards": b64(_cards(network, node.area))}}


def hear(tx: Transaction, node: Node, came: Came, value: Json) -> None:
    """What a peer holds. Asks for what is newer; alarms another directory of one version (attack 104)."""
    body = fields(value, {"directory": dict, "cards": str})
    told = fields(body["directory"], {"version": int, "hash": str})
    version, digest = integer(told, "version", low=1), octets(told, "hash")
    wanted: JsonObject = {}
    network = node.network
    if version > network.version:
        wanted["directory"] = network.version
    elif version == network.version and digest != network.directory.hash:
        sound(tx, "directory_differs", peer=came.peer, at=came.now, subject=str(version))
        wanted["directory"] = version - 1
    if octets(body, "cards") != _cards(network, came.peer):
        wanted["cards"] = [came.peer]
    _ask(tx, node, came.peer, wanted, came.now)


def heed(tx: Transaction, node: Node, came: Came) -> None:
    """Every statement names the directory that its sender holds."""
    if came.statement.directory > node.network.version:
        _ask(tx, node, came.peer, {"directory": node.network.version}, came.now)


def ask_for_cards(tx: Transaction, node: Node, area: str, now: int) -> None:
    """Something sealed to an area came back: its keys are others by now."""
    _ask(tx, node, area, {"cards": [area]}, now)


def _ask(tx: Transaction, node: Node, peer: str, wanted: JsonObject, now: int) -> None:
    if wanted and _may(node, f"ask {peer} {sorted(wanted)}", now):
        tell(tx, node, peer, {"want": wanted}, now)


def _may(node: Node, what: str, now: int) -> bool:
    """Whether ASK seconds have passed since this was done last, as far as this process remembers."""
    last = node.told.get(what)
    if last is not None and 0 <= now - last < ASK:
        return False
    node.told[what] = now
    return True


@lru_cache(maxsize=256)  # a view is replaced when a card is; several areas ask for each of them
def _cards(network: Network, area: str) -> bytes:
    """SHA-256 over the newest card of every principal of an area."""
    cards = sorted(
        (c for c in network.cards.values() if c.principal.startswith(f"{area}/")), key=lambda c: c.principal
    )
    lines: list[Json] = [[card.principal, card.version, b64(card.hash)] for card in cards]
    return hashlib.sha256(encode({"cards": lines})).digest()


# --- answering ----------------------------------------------------------------------------------------


def answer(tx: Transaction, node: Node, came: Came, value: Json) -> None:
    """Send a peer what it asked for, of what is stored here."""
    body = fields(value, {"directory": int, "cards": list}, optional=("directory", "cards"))
    if not _may(node, f"answer {came.peer} {sorted(body)}", came.now):
        return
    notes: list[bytes] = []
    if "directory" in body:
        notes += _newer(tx, integer(body, "directory"))
    if "cards" in body:
        notes += _cards_of(tx, body["cards"])
    send(tx, node, came.peer, notes, came.now)


def _newer(tx: Transaction, version: int) -> Sequence[bytes]:
    """Our directory with the roots it stands on, and every suspension; nothing if ours is no newer."""
    newest = tx.trust("directory")[-1:]
    if not newest or newest[0].version <= version:
        return ()
    rows = (*tx.trust("root"), *newest, *tx.trust("suspension"))
    return [row.note for row in rows]


def _cards_of(tx: Transaction, areas: Json) -> Sequence[bytes]:
    named = [area for area in areas if isinstance(area, str)] if isinstance(areas, list) else []
    if len(named) > MAX_AREAS or not all(map(AREA.match, named)):
        raise Malformed(f"at most {MAX_AREAS} area codes are expected", code="field_value", field="/cards")
    return [row.note for row in tx.trust("keycard") if row.subject.partition("/")[0] in named]


def send(tx: Transaction, node: Node, peer: str, notes: Sequence[bytes], now: int) -> bool:
    """Tell a peer these documents, in as many envelopes as they need. False when it cannot be told now."""
    batches = [[note.decode() for note in batch] for batch in _batches(notes)]
    return all(tell(tx, node, peer, {"documents": list[Json](batch)}, now) for batch in batches)


def _batches(notes: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    batch: list[bytes] = []
    for note in notes:
        if batch and sum(map(len, batch)) + len(note) > BATCH:
            yield batch
            batch = []
        batch.append(note)
    if batch:
        yield batch


# --- taking -------------------------------------------------------------------------------------------


def take(tx: Transaction, node: Node, came: Came, value: Json) -> None:
    """Keep what a peer sent, each kind as if a person had brought it. Raises Refused: nothing of it is kept
    but suspensions, which stand by themselves."""
    notes = [str(item).encode() for item in value] if isinstance(value, list) else []
    kinds: dict[str, list[bytes]] = {}
    for note in notes:
        kinds.setdefault(note.partition(b"\n")[0].decode("ascii", errors="replace"), []).append(note)
    failed = _take_bundle(tx, node, came, kinds)
    for note in kinds.get(SUSPEND, ()):
        try:
            trust.take_suspension(tx, note, came.now)
        except Refused as error:
            log.warning("a suspension was refused", peer=came.peer, code=error.code)
    if failed:
        raise failed


def _take_bundle(tx: Transaction, node: Node, came: Came, kinds: dict[str, list[bytes]]) -> Refused | None:
    """Roots, directory and cards, together with what is stored of the others. What was refused, if it was."""
    roots, directories, cards = (kinds.get(name, []) for name in (ROOT, DIRECTORY, KEYCARD))
    if not (roots or directories or cards):
        return None
    known, mine = tx.trust("root"), tx.trust("directory")[-1]
    chain = [row.note for row in known]
    chain += [note for note in roots if note not in chain]
    directory = directories[-1] if directories else mine.note
    try:
        trust.join(tx, Bundle(chain, directory, cards), came.now)
    except Refused as error:
        if error.code == "directory_equivocation":
            evidence = encode({"notes": [mine.note.decode(), directory.decode()]})
            subject = str(node.network.version)
            sound(tx, error.code, peer=came.peer, at=came.now, subject=subject, evidence=evidence)
        return error
    return None


# --- spreading ----------------------------------------------------------------------------------------


async def spread(node: Node) -> int:
    """Tell every area what is new here and was not told yet. Returns how many documents were."""
    now = node.clock.now()
    fresh = await node.store.read(lambda tx: _untold(tx, node))
    if not fresh:
        return 0
    return await node.store.write(lambda tx: _spread(tx, node, now))


def _spread(tx: Transaction, node: Node, now: int) -> int:
    fresh = [row for row in _untold(tx, node) if tx.put_setting(_told(row), b"%d" % now)]
    for area in sorted(node.network.areas):
        if fresh and area != node.area:
            send(tx, node, area, [row.note for row in fresh], now)
    return len(fresh)


def _untold(tx: Transaction, node: Node) -> Sequence[TrustRow]:
    """Our own area's newest cards and every suspension."""
    own = [row for row in tx.trust("keycard") if row.subject.startswith(f"{node.area}/")]
    return [row for row in (*own, *tx.trust("suspension")) if tx.setting(_told(row)) is None]


def _told(row: TrustRow) -> str:
    return f"told/{row.kind}/{row.subject}/{row.version}"
