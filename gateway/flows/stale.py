"""A message sealed to a subkey that is gone: refused with ``rekey``, and sealed again (attack 115).

Who receives it cannot open an agency's slot with any key held, and has keys: one was destroyed on time, or
lost with its folder. It says so in a signed receipt ``refused`` with the code ``rekey``, and sends its newest
cards along. Who sent it asks for cards, too, and seals the same parts again under what it knows by then.

Rules:

- The same message is sealed again :data:`TRIES` times at most, with pauses that double; then its legs fail as
  with any refusal, with an alarm. Nothing goes round for ever, and nothing is lost without a word.
- How often stands in the database under the message's id, as does that it is due: a crash forgets neither.
- The refusal moves no leg: to an agency the handover is on its way. Its history says what happened.
"""

from __future__ import annotations

from typing import Final

import structlog

from gateway.core.envelope import Kind
from gateway.flows import documents
from gateway.flows.alarms import sound
from gateway.flows.node import Node
from gateway.flows.opening import REKEY
from gateway.ports import EnvelopeRow, LegEvent, LegRow, Outbound, ReceiptRow, Transaction

TRIES: Final = 5
"""Times that one message is sealed again for a missing key."""

FIRST: Final = 10
"""Seconds until it is: the newer card comes with the refusal and is taken up before."""

OPEN: Final = (Outbound.WAITING, Outbound.PUBLISHED)

log = structlog.get_logger("stale")


def send_cards(tx: Transaction, node: Node, peer: str, now: int) -> None:
    """The newest cards of our area, to a peer that sealed to an older one."""
    last = node.told.get(f"rekey {peer}")
    if last is not None and 0 <= now - last < documents.ASK:
        return
    node.told[f"rekey {peer}"] = now
    mine = [row.note for row in tx.trust("keycard") if row.subject.startswith(f"{node.area}/")]
    documents.send(tx, node, peer, mine, now)


def again(tx: Transaction, node: Node, receipt: ReceiptRow, envelope: EnvelopeRow, now: int) -> bool:
    """Whether a refusal means that the message is sealed again, and then see that it is. May be repeated."""
    if (receipt.state, receipt.code) != ("refused", REKEY) or envelope.kind != Kind.MESSAGE:
        return False
    row = tx.outbox_of(envelope.mid)
    if row is None or row.state not in OPEN:
        return False
    tried = tries(tx, envelope.mid)
    if tried >= TRIES:
        sound(tx, "rekey_failed", peer=envelope.peer, at=now, subject=envelope.mid, evidence=receipt.note)
        return False
    if row.error != REKEY:
        tx.advance_outbox(row.id, [row.state], row.state, due=now + FIRST * 4**tried, error=REKEY)
    documents.ask_for_cards(tx, node, envelope.peer, now)
    return True


def note_refusal(tx: Transaction, leg: LegRow, receipt: ReceiptRow, now: int) -> None:
    """In the leg's history: refused, and why it stays where it is."""
    event = LegEvent(leg.id, now, "ignored:refused", leg.state, leg.state, receipt.by, REKEY)
    tx.advance_leg(leg.id, leg.state, leg.state, event)


def tries(tx: Transaction, mid: str) -> int:
    """How often the message that ``mid`` took the place of was sealed again for a missing key."""
    return int(tx.setting(f"rekey/{mid}") or b"0")


def count(tx: Transaction, before: str, after: str) -> None:
    tx.put_setting(f"rekey/{after}", b"%d" % (tries(tx, before) + 1))
