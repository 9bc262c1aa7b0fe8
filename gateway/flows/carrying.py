"""Where a leg stands that leaves in a person's hands: what is to be done next, in words (`handover why`).

Duty: two marks of an outbox row, and what they mean to whoever asks. It decides nothing:
:mod:`gateway.flows.bridge_out` moves the rows.
"""

from __future__ import annotations

from typing import Final

from gateway.core.states import LegState
from gateway.ports import BridgeFileRow, LegRow, OutboxRow

CARRIED: Final = "carried"
"""In the place of an outbox row's error: no broker takes it, it leaves as a file."""

EXPORTED: Final = "exported"
"""In the place of a settled row's error: a person says that the contact has the file."""

MARKS: Final = frozenset({CARRIED, EXPORTED})


def turn(leg: LegRow, outbox: OutboxRow | None, file: BridgeFileRow | None) -> tuple[str, str, str] | None:
    """(where it is, whose turn, what to do); None for a leg that travels by itself, or has arrived."""
    if outbox is None or outbox.error not in MARKS:
        return None
    state, area = LegState(leg.state), leg.principal.partition("/")[0]
    if state is LegState.TRANSMITTED:
        return (
            f"with the contact of {area}",
            f"the desk of {area}",
            "telephone the contact; take what it brings back in with `gateway bridge import FILE`",
        )
    if state is LegState.UNDELIVERABLE:
        return ("here: nobody confirmed its delivery", "the sending agency", "send a further version")
    if state is not LegState.QUEUED:
        return None
    if file is None:
        fix = f"`gateway bridge export {leg.ref} --out FOLDER --by REFERENCE`, and carry the file"
        return (f"here, to be carried to {area}", "this node's operator", fix)
    fix = f"`gateway bridge confirm {leg.ref} --delivered-at now --delivered-by REFERENCE`, once it is there"
    return (f"in a file for {area}", "this node's operator", fix)
