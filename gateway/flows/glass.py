"""Breaking the glass: a note that lets one borough go on sending, and is seen by all (protocol 6).

Duty: make and keep our own note, put it beside what is sent while it counts, judge and flag a peer's, and
warn before a directory or root ends. What it leaves out: the note itself (core/breakglass.py) and whether it
carries (`Network.check_sendable`).

Rules:

- The note goes in part 1 of EVERY envelope sent under an expired directory, as the section ``break_glass``: a
  receiver needs no other message to know under what this one came.
- The receiver delivers, logs a leaf and sounds the alarm ``break_glass`` for the sender's area. A note that
  does not hold, or is about another directory than the statement names, refuses the message.
- What comes under an expired directory WITHOUT a note is taken as ever: clocks differ, and it was perhaps
  sent in time. Not sending is the sender's duty.
"""

from __future__ import annotations

from typing import Final

from gateway.core.breakglass import BreakGlass, make_break_glass, open_break_glass
from gateway.core.encoding import JsonObject, b64
from gateway.core.envelope import Statement
from gateway.core.trust import Network
from gateway.errors import Forged, Refused
from gateway.flows.alarms import sound
from gateway.flows.node import Node, area_of, log_leaf
from gateway.flows.vault import read_sections, write_sections
from gateway.ports import Keys, Transaction, TrustRow

SECTION: Final = "break_glass"


def break_glass(
    tx: Transaction, keys: Keys, network: Network, area: str, *, hours: int, reason: str, by: str, now: int
) -> BreakGlass:
    """Sign and keep our note; the running node takes it up at its next look. Raises Malformed, Expired."""
    note = make_break_glass(
        keys.signer(f"{area}/node"),
        net=network.net,
        directory=network.version,
        created=now,
        until=now + hours * 3600,
        reason=reason,
        by=by,
    )
    found = open_break_glass(note, net=network.net, keyring=network.keyring_at(now), now=now)
    tx.put_trust(TrustRow(SECTION, area, found.until, note))
    log_leaf(tx, SECTION, now, note=b64(found.hash), area=area, directory=found.directory)
    return found


def beside(node: Node, first: bytes, now: int) -> bytes:
    """Part 1 with our note in it where only the note lets us send, and without any otherwise: what is sealed
    again under a renewed directory still has the one of that night."""
    carried = node.trust.glass if now >= node.network.directory.expires else b""
    if not carried and f'"{SECTION}"'.encode() not in first:
        return first
    sections = {name: value for name, value in read_sections(first).items() if name != SECTION}
    return write_sections({**sections, SECTION: carried.decode()} if carried else sections)


def judge(node: Node, sections: JsonObject, statement: Statement, now: int) -> BreakGlass | None:
    """The note that came with a message. Raises Refused of any kind."""
    if SECTION not in sections:
        return None
    note = str(sections[SECTION]).encode()
    network = node.network
    found = open_break_glass(note, net=network.net, keyring=network.keyring_at(now), now=now)
    if found.area != area_of(statement.sender):
        raise Forged("a node breaks the glass for its own area only", code="break_glass_area")
    if not found.covers(statement.directory, statement.created):
        raise Forged("the note is about another directory or time", code="break_glass_covers")
    return found


def flag(tx: Transaction, found: BreakGlass, note: bytes, mid: str, now: int) -> None:
    """On record, and told to people: once for each note."""
    log_leaf(tx, SECTION, now, mid=mid, note=b64(found.hash), area=found.area, directory=found.directory)
    if tx.put_setting(f"glass/{found.hash.hex()}", b"%d" % now):
        sound(tx, SECTION, peer=found.area, at=now, subject=str(found.directory), evidence=note)


async def warn(node: Node) -> bool:
    """Tell people once that the directory, or the root, has 14 days or less left."""
    now, network = node.clock.now(), node.network
    if not network.expires_soon(now):
        return False
    root = network.root.expires <= network.directory.expires
    subject = f"root {network.root.version}" if root else f"directory {network.version}"
    name = f"warned/{subject}"
    if await node.store.read(lambda tx: tx.setting(name)) is not None:
        return False

    def work(tx: Transaction) -> bool:
        return tx.put_setting(name, b"%d" % now) and sound(
            tx, "directory_expires", peer=node.area, at=now, subject=subject
        )

    return await node.store.write(work)


def stored(tx: Transaction, network: Network, area: str, now: int) -> tuple[BreakGlass, bytes] | None:
    """Our own newest note, if it holds still."""
    rows = tx.trust(SECTION, area)
    try:
        note = rows[-1].note if rows else b""
        found = open_break_glass(note, net=network.net, keyring=network.keyring_at(now), now=now)
    except Refused:
        return None
    return found, note
