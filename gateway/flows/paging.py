"""Calls to people: queued with what made them necessary, made by a pump of their own, repeated until taken.

Duty: from a role and a matter to the channel that reaches it (:mod:`gateway.pagers`). It leaves out whom to
call and when (:mod:`gateway.flows.escalation`).

Rules
-----
- A call is a row before anybody is called, so a crash forgets none. A channel that fails is tried again with
  growing pauses under the same key: at least once, and told apart by whoever is called.
- It holds references, codes, times and a link, never content: a pager lies on a table in a café.
- Before it is made we look again: what has come in between is not called about.
- A channel that fails :data:`PATIENCE` times, or refuses, is the alarm ``page_failed``, cleared by the next
  call that it takes. A call that is a day old is dropped: later ones about the same matter are under way.

Example::

    page(tx, node, "breach_48h", ref=breach.ref, area=breach.area, step=2, now=now)
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Final

import structlog

from gateway.errors import GatewayError, Misconfigured, Unavailable
from gateway.flows.alarms import sound
from gateway.flows.clocks import ACKNOWLEDGE, DECIDE, deadline
from gateway.flows.node import Node
from gateway.flows.show import when
from gateway.flows.waiting import DELIVER, OPEN, awaits, ours, theirs
from gateway.ports import LegRow, Page, PageRow, Paging, Transaction

BATCH: Final = 16
"""Calls made at once."""

LEASE: Final = 120
"""Seconds a claimed call is ours alone; longer than any channel may take."""

PATIENCE: Final = 3
"""Tries after which people are told that a channel fails."""

OLD: Final = 86_400
"""Seconds after which a call is not made any more."""

FAILED: Final = "page_failed"

WORDS: Final[Mapping[str, str]] = {
    DELIVER: "a handover could not be delivered",
    ACKNOWLEDGE: "nobody has acknowledged a handover",
    DECIDE: "a handover has been neither accepted nor declined",
    "test": "a test: nothing is late",
}

log = structlog.get_logger("paging")


def page(
    tx: Transaction,
    node: Node,
    code: str,
    *,
    leg: LegRow | None = None,
    ref: str = "",
    area: str = "",
    step: int = 0,
    now: int,
) -> bool:
    """Queue a call to the role whose turn it is at ``step`` of the ladder of our agency that has to act, the
    ladder of the whole area where there is no leg. ``code`` says what is late; code, leg or ref, and step
    tell calls apart. False when it was queued before, or nobody is named."""
    principal = ours(leg) if leg else f"{node.area}/"
    name = node.ladders.rung(principal, step)
    if not name:
        return False
    absent = {row.role for row in tx.covers() if row.until > now}
    queued = tx.put_page(
        PageRow(
            id=f"{node.area}-{code}-{leg.id if leg else ref}-{step}",
            role=node.ladders.called(name, absent).name,
            code=code,
            principal=principal,
            agency=leg.agency if leg else "",
            area=theirs(leg) if leg else area,
            ref=leg.ref if leg else ref,
            leg=leg.id if leg else "",
            urgent=leg is not None and leg.urgency == "URGENT",
            since=deadline(leg, code) if leg and code in (ACKNOWLEDGE, DECIDE) else 0,
            state=Paging.WAITING,
            due=now,
            created=now,
        )
    )
    if queued:
        node.wake.pages.set()
    return queued


async def send(node: Node) -> int:
    """Make the calls that are due. Returns how many were taken up."""
    now = node.clock.now()
    rows = await node.store.write(lambda tx: tx.claim_pages(now, BATCH, LEASE, worker=node.worker))
    await asyncio.gather(*(_send(node, row, now) for row in rows))
    return len(rows)


async def _send(node: Node, row: PageRow, now: int) -> None:
    told = await node.store.read(lambda tx: _compose(tx, node, row, now))
    if told is None:
        await node.store.write(lambda tx: tx.advance_page(row.id, Paging.WAITING, Paging.DROPPED))
        return
    channel = ""
    try:
        role = node.ladders.roles.get(row.role)
        channel = role.channel if role else row.role
        if role is None or channel not in node.pagers:
            raise _nowhere()
        await node.pagers[channel].send(told)
    except GatewayError as error:
        log.warning("a call was not taken", channel=channel, code=error.code)
        await node.store.write(partial(_failed, node=node, row=row, channel=channel, error=error, now=now))
    else:
        log.info("called", role=row.role, code=row.code, leg=row.leg)
        await node.store.write(partial(_taken, node=node, row=row, channel=channel, now=now))


def _nowhere() -> Misconfigured:
    return Misconfigured(
        "a role that is to be called is not in the settings any more",
        code="no_role",
        field="/escalation/roles",
        remedy="name the role and its channel, then restart the node",
    )


def _compose(tx: Transaction, node: Node, row: PageRow, now: int) -> Page | None:
    """What the channel tells; None when there is nothing to call about any more."""
    leg = tx.leg(row.leg) if row.leg else None
    if row.created + OLD <= now or (leg and row.code in OPEN and not awaits(tx, leg, row.code)):
        return None
    handover, role = tx.handover(row.ref) if row.ref else None, node.ladders.roles.get(row.role)
    return Page(
        key=row.id,
        role=row.role,
        to=role.to if role else "",
        code=row.code,
        late=WORDS.get(row.code, row.code.replace("_", " ")),
        handover=row.ref,
        agency=row.agency,
        area=node.network.areas.get(row.area, row.area),
        urgent=row.urgent,
        drill=bool(handover and handover.drill),
        since=when(row.since) or "",
        link=where(node.ladders.link, row.ref),
    )


def where(link: str, ref: str) -> str:
    """Where to look: an address, or the command where the settings name none."""
    if not ref:
        return link
    return f"{link}/v1/handovers/{ref}" if link else f"gateway handover why {ref}"


def _taken(tx: Transaction, *, node: Node, row: PageRow, channel: str, now: int) -> None:
    tx.advance_page(row.id, Paging.WAITING, Paging.SENT, due=now)
    for alarm in tx.standing_alarms(FAILED, peer=node.area):
        if alarm.subject == channel:
            tx.clear_alarm(alarm.id, now, "it took a call")


def _failed(
    tx: Transaction, *, node: Node, row: PageRow, channel: str, error: GatewayError, now: int
) -> None:
    again = now + node.pace.again(row.attempts)
    tx.advance_page(row.id, Paging.WAITING, Paging.WAITING, due=again, error=error.code, attempt=row.attempts)
    if row.attempts >= PATIENCE or not isinstance(error, Unavailable):
        sound(tx, FAILED, peer=node.area, at=now, subject=channel)
