"""What a person has to look at: kept until somebody clears it, with the bytes that prove it.

A log line scrolls away and a counter says no more than how often. An alarm names what, about which area and
which message or number, never a person's data, and stands once while it goes on happening. Operators see
them with ``gateway alarms`` and in the gauge ``gateway_alarms``; docs/operations.md says what to do about
each. Two clear themselves, because what they say is over: ``gap`` when it is filled, ``silent`` when the peer
is heard again. They stay in the list of those that were cleared.
"""

from __future__ import annotations

from typing import Final

import structlog

from gateway.core.encoding import Json, encode
from gateway.ports import AlarmRow, Transaction

MAX_STANDING: Final = 20
"""Alarms of one code about one peer that stand at once: one that misbehaves with every message must not bury
what the others did. What comes after them is counted in one that says "more"."""

MORE: Final = "more"

log = structlog.get_logger("alarm")


def sound(
    tx: Transaction, code: str, *, peer: str, at: int, subject: str = "", evidence: bytes = b""
) -> bool:
    """Keep and log an alarm; False while the same one stands already. ``subject``: an id or a number.

    The log line is written before the commit: one too many beats one that was lost.
    """
    if len(tx.standing_alarms(code, peer=peer, limit=MAX_STANDING)) == MAX_STANDING:
        subject, evidence = MORE, b""
    if not tx.put_alarm(AlarmRow(at, code, peer, subject, evidence)):
        return False
    log.warning("alarm", code=code, peer=peer, subject=subject)
    return True


def settle(tx: Transaction, code: str, *, peer: str, at: int, why: str, about: str = "") -> None:
    """Clear alarms of ``code`` about ``peer`` whose subject begins with ``about``: what they say is over."""
    for row in tx.standing_alarms(code, peer=peer):
        if row.subject.startswith(about):
            tx.clear_alarm(row.id, at, why)


def exhibits(*notes: bytes) -> bytes:
    """Signed notes as the evidence of an alarm: canonical JSON ``{"notes":[...]}``."""
    shown: list[Json] = [note.decode() for note in notes if note]
    return encode({"notes": shown})
