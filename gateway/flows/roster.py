"""Who would be called now, who is away until when, and what was called lately: for the operator's commands.

A running node reads absences at every call, so nothing has to be restarted.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Final

from gateway.core.deadlines import LONDON
from gateway.core.encoding import Json, JsonObject
from gateway.core.ladder import DEFAULT, Ladders, Role
from gateway.errors import Misconfigured, NotAllowed, NotFound
from gateway.flows.paging import WORDS
from gateway.flows.show import when
from gateway.ports import CoverRow, Page, PageRow, Transaction

LATELY: Final = 20
LONGEST: Final = 366 * 86_400
"""Seconds for which somebody can be away: a role that stays empty is taken out of the ladder instead."""


def shown(tx: Transaction, ladders: Ladders, now: int) -> JsonObject:
    """The ladders with who is called on each rung, absences, and the latest calls."""
    away = _away(tx, now)
    return {
        "ladders": [
            {"agency": agency or "default", "roles": [_rung(ladders, name, away) for name in ladder]}
            for agency, ladder in sorted(ladders.ladders.items(), key=lambda item: item[0] != DEFAULT)
        ],
        "absent": [{"role": row.role, "until": when(row.until), "by": row.by} for row in away.values()],
        "calls": [_call(row) for row in tx.pages(limit=LATELY)],
    }


def absent(tx: Transaction, ladders: Ladders, role: str, *, until: int, by: str, now: int) -> Role:
    """From now on its deputy is called. Returns who that is. Raises NotFound, Misconfigured, NotAllowed."""
    known(ladders, role)
    if not ladders.roles[role].deputy:
        raise Misconfigured(
            "this role has no deputy, so it is called all the same",
            code="no_deputy",
            field=f"/escalation/roles/{role}/deputy",
            remedy="name a deputy, then restart the node",
        )
    if not now < until <= now + LONGEST:
        raise NotAllowed(
            "an absence ends in the future, within a year",
            code="until",
            field="--until",
            remedy="give a date, its last day: 2026-12-24",
        )
    tx.put_cover(CoverRow(role, until, now, by))
    return ladders.called(role, _away(tx, now))


def back(tx: Transaction, ladders: Ladders, role: str) -> bool:
    """It is called again. False when it was not away. Raises NotFound."""
    known(ladders, role)
    return tx.drop_cover(role)


def rehearsal(tx: Transaction, ladders: Ladders, role: str, *, area: str, now: int) -> tuple[Role, Page]:
    """Who answers for a role now, and a call to them that says that it is a test. Raises NotFound."""
    known(ladders, role)
    called = ladders.called(role, _away(tx, now))
    told = Page(
        key=f"{area}-test-{role}-{now}",
        role=called.name,
        to=called.to,
        code="test",
        late=WORDS["test"],
        handover="",
        agency="",
        area="",
        urgent=False,
        drill=False,
        since=when(now) or "",
        link=ladders.link,
    )
    return called, told


def known(ladders: Ladders, role: str) -> None:
    if role not in ladders.roles:
        raise NotFound(
            "no such role in the settings", code="no_role", remedy="`gateway escalation show` lists them"
        )


def end_of(day: str) -> int:
    """The end of a day in London (unix seconds). Raises NotAllowed."""
    try:
        last = date.fromisoformat(day)
    except ValueError:
        raise NotAllowed(
            "not a date", code="until", field="--until", remedy="give its last day: 2026-12-24"
        ) from None
    return int(datetime.combine(last + timedelta(days=1), time(), LONDON).timestamp())


def _away(tx: Transaction, now: int) -> dict[str, CoverRow]:
    return {row.role: row for row in tx.covers() if row.until > now}


def _rung(ladders: Ladders, name: str, away: dict[str, CoverRow]) -> Json:
    role, called = ladders.roles[name], ladders.called(name, away)
    return {
        "role": name,
        "channel": called.channel,
        "deputy": role.deputy,
        "called": called.name,
        "minutes": role.minutes,
        "days": role.days,
    }


def _call(row: PageRow) -> Json:
    return {
        "at": when(row.created),
        "role": row.role,
        "code": row.code,
        "handover": row.ref,
        "agency": row.agency,
        "area": row.area,
        "state": row.state.value,
        "tries": row.attempts,
        "error": row.error,
    }
