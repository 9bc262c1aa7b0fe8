"""The checklist of a handover for people and their systems: each action, who owes it, by when, what became
of it.

Duty: rows of actions as JSON, and the binding dates put beside the origin's plan in what an agency is shown.
Codes, ids and times, and the catalogue's own titles; the title that the origin wrote stands in the sealed
document alone. It leaves out how the rows came to be (:mod:`gateway.flows.actions`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from gateway.core.encoding import Json, JsonObject
from gateway.core.narrowing import circumstances
from gateway.core.tailoring import Tailoring
from gateway.flows.actions import is_interim
from gateway.ports import ActionRow, ActionState, LegRow, Transaction
from schemas.actions import ACTIONS, may_answer

Rows = Mapping[str, Sequence[ActionRow]]
"""By leg."""


def rows_of(tx: Transaction, legs: Sequence[LegRow]) -> Rows:
    return {leg.id: tx.actions(leg.id) for leg in legs}


def checklist(legs: Sequence[LegRow], rows: Rows, tailoring: Tailoring, now: int) -> list[Json]:
    """Every action of the legs that the reader may see."""
    return [line(leg, row, tailoring, now) for leg in legs for row in rows.get(leg.id, ())]


def line(leg: LegRow, row: ActionRow, tailoring: Tailoring, now: int) -> JsonObject:
    """One action: what, whose, by when, where it stands. ``owner`` owes it, ``chases`` asks after it."""
    done = row.state is ActionState.COMPLETED
    return {
        "leg": leg.id,
        "action": row.action,
        "code": row.code,
        "title": title(row, tailoring),
        "agency": leg.agency,
        "owner": leg.principal,
        "chases": leg.principal if row.local else leg.counterpart,
        "blocks_closure": row.blocks,
        "due": _when(row.due),
        "planned": _when(row.planned),
        "target": _when(row.target),
        "state": row.state.value,
        "answer": row.reason if done else "",
        "reason_code": "" if done else row.reason,
        "late": is_late(row, now),
        "local": row.local,
    }


def is_late(row: ActionRow, now: int) -> bool:
    return row.state is ActionState.OPEN and 0 < row.due <= now


def title(row: ActionRow, tailoring: Tailoring) -> str:
    """The catalogue's, or this area's own; "" for an action of the origin's own making."""
    if row.local:
        return next((one.title for one in tailoring.extra if one.code == row.code), "")
    named = ACTIONS[row.code].title if row.code in ACTIONS else ""
    return f"Interim plan: {named}" if named and is_interim(row) else named


def shown(
    content: JsonObject, leg: LegRow, rows: Sequence[ActionRow], tailoring: Tailoring, now: int
) -> JsonObject:
    """What an agency is shown, with the binding date of each action and what may be answered; and what this
    area adds: extra actions, its own earlier dates, guidance. ``due_at`` stays: it is the origin's plan."""
    asked = content.get("asked")
    words = {
        str(one.get("action_id")): one
        for one in (asked if isinstance(asked, list) else ())
        if isinstance(one, dict)
    }
    lines: list[Json] = [{**words.get(row.action, {}), **_told(leg, row, tailoring, now)} for row in rows]
    local = of_age(content, now)
    if advice := tailoring.guidance.get(leg.agency):
        local["guidance"] = [*advice]
    if lines:
        local["asked"] = lines
    view = content.get("view")
    rest = {name: value for name, value in content.items() if name != "view"}
    return {**rest, **local, **({"view": view} if "view" in content else {})}


def of_age(content: JsonObject, now: int) -> JsonObject:
    """Who is told was judged on the day of issue (domain 6.3): somebody who has come of age since keeps the
    legs, and the reader is told so."""
    view = content.get("view")
    if not isinstance(view, dict):
        return {}
    day = datetime.fromtimestamp(now, UTC).isoformat()
    message = view.get("message")
    later: JsonObject = {
        **view,
        "message": {**(message if isinstance(message, dict) else {}), "issued_at": day},
    }
    if not (circumstances(view).minor and not circumstances(later).minor):
        return {}
    return {
        "since_issue": "This person has turned 18 since the handover was issued. Who is asked was judged on "
        "the day of issue: say what is no longer yours with the reason OUT_OF_AGE_RANGE."
    }


def _told(leg: LegRow, row: ActionRow, tailoring: Tailoring, now: int) -> JsonObject:
    """Of one action, for its own agency: :func:`line` without what it knows, and with what it may answer."""
    may = may_answer(row.code)
    facts = line(leg, row, tailoring, now)
    told: JsonObject = {
        "action_id": row.action,
        "code": row.code,
        "due": facts["due"],
        "state": facts["state"],
        "late": facts["late"],
        "may_answer": {
            "COMPLETED": [] if is_interim(row) else [*may.answers],
            "NOT_DONE": [*sorted(reason.value for reason in may.reasons)],
        },
    }
    if row.local or is_interim(row):
        told |= {"title": facts["title"]}
    if row.local:
        told |= {"local": True}
    if row.target:
        told |= {"target": facts["target"]}
    if known := tailoring.titles.get(row.code):
        told |= {"known_here_as": known}
    return told


def _when(at: int) -> str | None:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else None
