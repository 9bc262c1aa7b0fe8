"""Drills: an invented handover travels every step and enters no case system.

Duty: whose system must not be given one, how it is headed, and what it measured. It leaves out what a drill
may hold (:mod:`gateway.core.drills`) and its end (:mod:`gateway.flows.drill_end`); sealing, receipts,
deadlines, warnings and calls are those of any handover, or it would rehearse nothing.

Rules
-----
- A drill measures people: where the agency's adapter does not declare ``drills = True`` its parcels are
  parked, and a person opens and answers them at the HTTP API, as at a single point of contact. No adapter
  answers "opened" for them, and no case system sees one.
- Whatever shows a drill says so first.
- What was measured is codes and times out of the legs' histories, and stays when the drill is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.core.audience import Reader
from gateway.core.encoding import Json, JsonObject
from gateway.core.trust import Principal
from gateway.errors import NotAllowed, NotFound
from gateway.flows.show import when
from gateway.ports import AgencyBinding, HandoverRow, LegRow, Transaction

HEADING: Final = "DRILL: a rehearsal with an invented person. Look for nobody, put nothing on file."
PAGE: Final = 200

STEPS: Final = ("received", "opened", "acknowledged", "accepted")
"""What is measured of each leg, in seconds from the issue."""


def is_drill(tx: Transaction, leg: LegRow) -> bool:
    row = tx.handover(leg.ref, leg.version)
    return row is not None and row.drill


def kept_out(binding: AgencyBinding) -> bool:
    """Whether this agency's system must not see a drill: unless its adapter says that it may."""
    return not getattr(binding.adapter, "drills", False)


def headed(content: JsonObject) -> JsonObject:
    """What an agency is shown, with the warning before everything else."""
    return {"drill": HEADING, **content}


def check_readers(content: JsonObject, readers: Sequence[tuple[Reader, Principal]]) -> None:
    """Raises NotAllowed for a drill to an agency that keeps its own key: its agent hands everything that it
    opens to its case system, and this network's nodes cannot stop it there."""
    message = content.get("message")
    if not (isinstance(message, dict) and message.get("drill")):
        return
    for reader, principal in readers:
        if not principal.hosted:
            raise NotAllowed(
                "an agency that keeps its own key takes part in no drill",
                code="drill_own_key",
                field=f"/routing/recipients/{reader.index}",
                remedy="leave the recipient out of the drill, with its actions",
            )


# --- what was measured ------------------------------------------------------------------------------


def report(tx: Transaction, row: HandoverRow, legs: Sequence[LegRow] | None = None) -> JsonObject:
    """Codes and times of one drill, whichever side this is. ``legs``: those that the reader may see."""
    start = row.issued or row.created
    seen = tx.legs(row.ref, row.version) if legs is None else legs
    measured: list[Json] = [_measured(tx, leg, start) for leg in seen]
    return {
        "drill": True,
        "handover": row.ref,
        "version": row.version,
        "destination": row.destination,
        "urgency": row.urgency,
        "state": row.state,
        "issued": when(start),
        "legs": measured,
    }


def _measured(tx: Transaction, leg: LegRow, start: int) -> JsonObject:
    at = _times(tx, leg)
    return {
        "agency": leg.agency,
        "principal": leg.principal,
        "state": leg.state,
        **{name: at[name] - start if name in at else None for name in STEPS},
        "acknowledge_by": when(leg.acknowledge_by),
        "decide_by": when(leg.decide_by),
        "acknowledged_in_time": _in_time(at.get("acknowledged"), leg.acknowledge_by),
        "decided_in_time": _in_time(_decided(at), leg.decide_by),
    }


def _times(tx: Transaction, leg: LegRow) -> dict[str, int]:
    """The first of each event: a state may be said again."""
    found = {"received": leg.delivered} if leg.delivered else {}
    if leg.opened:
        found["opened"] = leg.opened
    for event in tx.history(leg.id):
        found.setdefault(event.event, event.at)
    return found


def _decided(at: dict[str, int]) -> int | None:
    said = [at[name] for name in ("accepted", "rejected", "returned", "declined") if name in at]
    return min(said, default=None)


def _in_time(at: int | None, due: int) -> bool | None:
    """None while it has not happened, or no clock has started."""
    return None if at is None or not due else at <= due


def listed(tx: Transaction, principal: str | None) -> Sequence[HandoverRow]:
    """The drills among the newest handovers, for the operator or one agency."""
    rows = tx.handovers(side=None, principal=principal, before="", limit=PAGE)
    return [row for row in rows if row.drill]


def find(tx: Transaction, ref: str) -> HandoverRow:
    """Raises NotFound, also for a handover that is no drill."""
    row = tx.handover(ref)
    if row is None or not row.drill:
        raise NotFound("no such drill", code="no_drill", remedy="`gateway drill report` lists them")
    return row
