"""Legal holds: while one stands, nothing of a handover is destroyed, in any version (domain 3.5, s.47(2)).

A purge, an erasure, a shredding and a correction all ask :func:`held` in the transaction that would destroy,
so that a hold placed a moment before wins. What may not be destroyed is restricted instead: it stays sealed
and is given to nobody who has not been given it. Who placed it, why and until when is in the s.62 log.

Rules:

- Every hold has a day by which a person looks at it again: one without would be a way to keep things for
  ever. When that day has passed it goes on standing, and the alarm ``hold_review`` stands beside it.
- ``until`` ends a hold by itself. Nothing is destroyed by that alone: the purge comes at its own time.

Example::

    await place(node, by, ref, "LITIGATION", until=0, review=review)     # -> HoldRow
    if holds.held(tx, ref): ...                                          # in whatever would destroy
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from uuid_utils import uuid7

from gateway.errors import Conflict, NotAllowed, NotFound, Problem
from gateway.flows import accounts
from gateway.flows.alarms import settle, sound
from gateway.flows.node import log_leaf
from gateway.flows.shred_plan import Shredder
from gateway.ports import AccessRow, HoldRow, Transaction

OPERATION: Final = "ALTERATION"
"""As s.62 DPA 2018 calls what changes the treatment of a record and not its end."""

PLACED: Final = "HOLD_PLACED"
LIFTED: Final = "HOLD_LIFTED"
ENDED: Final = "HOLD_ENDED"

REVIEW: Final = "hold_review"
"""The alarm about a hold whose day of review has passed."""

LONGEST: Final = 366 * 24 * 3600
"""Seconds until a hold is looked at: nobody forgets one for more than a year."""

_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{1,39}\Z")
_ROLE: Final = re.compile(r"[A-Za-z][A-Za-z0-9 _-]{0,63}\Z")


def held(tx: Transaction, ref: str) -> HoldRow | None:
    """The hold that forbids to destroy anything of this handover; None while there is none."""
    standing = tx.holds(ref)
    return standing[0] if standing else None


def check(tx: Transaction, ref: str) -> None:
    """Raises Conflict ``held`` while a hold stands on this handover."""
    if found := held(tx, ref):
        raise Conflict(
            f"a legal hold stands on this handover ({found.code})",
            code="held",
            remedy="restrict it instead; `gateway retention hold list` shows the hold and who can lift it",
        )


async def place(
    node: Shredder, ref: str, code: str, *, role: str, actor: str, until: int = 0, review: int = 0
) -> HoldRow:
    """A hold on every version of a handover. Raises NotFound, NotAllowed with every field named."""
    now = node.clock.now()
    row = HoldRow(ref, code, role, actor, now, until, review or until, id=uuid7().hex)
    _check(row, now)

    def work(tx: Transaction) -> HoldRow:
        newest = tx.handover(ref)
        if newest is None:
            raise NotFound("no such handover here", code="no_handover", remedy="check the reference")
        if newest.state == "PURGED":
            raise Conflict("its content is purged already", code="purged", remedy="nothing is left to hold")
        tx.put_hold(row)
        _account(tx, node, row, PLACED, actor, role, now)
        return row

    return await node.store.write(work)


def _check(row: HoldRow, now: int) -> None:
    wrong = []
    if not _CODE.match(row.code):
        wrong.append(Problem("--reason", "is not a code", "for example LITIGATION or COMPLAINT"))
    if not _ROLE.match(row.role):
        wrong.append(Problem("--by", "is not a role", 'for example "Data protection officer"; never a name'))
    if row.until and row.until <= now:
        wrong.append(Problem("--until", "has passed", "name a day to come"))
    if not now < row.review <= now + LONGEST:
        wrong.append(
            Problem("--review", "a hold is looked at again within a year", "name a day within 366 days")
        )
    if wrong:
        raise NotAllowed("this hold cannot be placed", code="hold", problems=wrong)


async def lift(node: Shredder, hold: str, *, role: str, actor: str) -> HoldRow:
    """Raises NotFound when none of this id stands. Nothing is destroyed by it: a purge comes when due."""
    now = node.clock.now()

    def work(tx: Transaction) -> HoldRow:
        row = next((row for row in tx.holds() if row.id == hold), None)
        if row is None or not tx.lift_hold(hold, now, role):
            raise NotFound(
                "no hold of this id stands", code="no_hold", remedy="`gateway retention hold list` shows them"
            )
        _after(tx, node, row, LIFTED, actor, role, now)
        return replace(row, lifted=now, lifted_by=role)

    return await node.store.write(work)


async def listed(node: Shredder, ref: str = "", *, all_: bool = False) -> Sequence[HoldRow]:
    """Those that stand; ``all_``: those that were lifted as well."""
    return await node.store.read(lambda tx: tx.holds(ref, standing=not all_))


async def look(node: Shredder) -> None:
    """End the holds whose time is up, and sound an alarm about those that nobody has looked at again."""
    now = node.clock.now()
    standing = await node.store.read(lambda tx: tx.holds())
    if any(row.review <= now or 0 < row.until <= now for row in standing):
        await node.store.write(lambda tx: _look(tx, node, now))


def _look(tx: Transaction, node: Shredder, now: int) -> None:
    for row in tx.holds():
        if 0 < row.until <= now:
            if tx.lift_hold(row.id, now, "until"):
                _after(tx, node, row, ENDED, "node", "node", now)
        elif row.review <= now:
            sound(tx, REVIEW, peer=node.area, at=now, subject=row.id)


def _after(tx: Transaction, node: Shredder, row: HoldRow, why: str, actor: str, role: str, now: int) -> None:
    settle(tx, REVIEW, peer=node.area, at=now, why=why.lower(), about=row.id)
    _account(tx, node, row, why, actor, role, now)


def _account(
    tx: Transaction, node: Shredder, row: HoldRow, why: str, actor: str, role: str, now: int
) -> None:
    """In the s.62 log with the reference; in the tree, which anybody may read, without it."""
    log_leaf(tx, why.lower(), now, hold=row.id, code=row.code)
    accounts.record(
        tx,
        AccessRow(
            at=now,
            operation=OPERATION,
            principal=f"{node.area}/node",
            actor=actor,
            role=role,
            ref=row.ref,
            version=0,
            leg="",
            sections=(),
            recipients=(),
            justification=f"{why}:{row.code}",
        ),
    )
