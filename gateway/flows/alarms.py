"""What a person has to look at: kept until somebody clears it, with the bytes that prove it.

A log line scrolls away and a counter says no more than how often. An alarm names what, about which area and
which message or number, never a person's data, and stands once while it goes on happening. Operators see
them with ``gateway alarms`` and in the gauge ``gateway_alarms``.
"""

from __future__ import annotations

import structlog

from gateway.ports import AlarmRow, Transaction

log = structlog.get_logger("alarm")


def sound(
    tx: Transaction, code: str, *, peer: str, at: int, subject: str = "", evidence: bytes = b""
) -> bool:
    """Keep and log an alarm; False while the same one stands already. ``subject``: an id or a number.

    The log line is written before the commit: one too many beats one that was lost.
    """
    if not tx.put_alarm(AlarmRow(at, code, peer, subject, evidence)):
        return False
    log.warning("alarm", code=code, peer=peer, subject=subject)
    return True
