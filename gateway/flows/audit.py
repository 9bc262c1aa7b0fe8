"""Reading the access log (s.62 DPA 2018): by the auditor's role alone, by reference, and itself on record.

The log may be used to verify lawfulness, to monitor oneself, for integrity and security, and in criminal
proceedings, and for nothing else (s.62(4)). So it has a role of its own: a token of the auditor, which opens
no handover, as no agency's and no operator's token opens the log. Each reading says which of these uses it
is, and stands in the same log with who, what was asked for and how many lines were shown.

It leaves out the bundle for the Commissioner (:mod:`gateway.flows.audit_export`) and the tree
(:mod:`gateway.flows.accounts`). Rules: found by reference, agency and time; there is no search by a person,
because the log names none. The row about a reading is committed before the first line leaves. What acting
persons wrote is opened here and nowhere else.

Example::

    page = await read(node, auditor, Wanted(ref="HO-E09000012-2026-000417"), use="LAWFULNESS_CHECK")
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from gateway.core.encoding import Json, JsonObject
from gateway.errors import NotAllowed
from gateway.flows import accounts
from gateway.flows.node import Caller
from gateway.flows.show import when
from gateway.ports import AccessRow, Clock, Keys, Store, Transaction

OPERATION: Final = "AUDIT"
LOG: Final = "access_log"
MOST: Final = 200
"""Lines of one answer."""

END: Final = 1 << 53


class Use(StrEnum):
    """What the law lets the log be used for (s.62(4), (5))."""

    LAWFULNESS_CHECK = "LAWFULNESS_CHECK"
    SELF_MONITORING = "SELF_MONITORING"
    INTEGRITY_AND_SECURITY = "INTEGRITY_AND_SECURITY"
    CRIMINAL_PROCEEDINGS = "CRIMINAL_PROCEEDINGS"
    COMMISSIONER_REQUEST = "COMMISSIONER_REQUEST"
    SUBJECT_ACCESS = "SUBJECT_ACCESS"


class Reader(Protocol):
    """Where the log is read: a running node, or a command beside it."""

    @property
    def store(self) -> Store: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def keys(self) -> Keys: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines: of one handover, of one agency, from ``since`` to before ``until``; all where not said.
    ``after``: the number of the last line that was seen."""

    ref: str = ""
    principal: str = ""
    since: int = 0
    until: int = END
    after: int = 0

    def rows(self, tx: Transaction, limit: int) -> Sequence[tuple[int, AccessRow]]:
        return tx.find_accesses(
            ref=self.ref,
            principal=self.principal,
            since=self.since,
            until=self.until,
            after=self.after,
            limit=limit,
        )

    def told(self) -> tuple[str, ...]:
        """The filter as codes, for the row about the reading."""
        said = {
            "principal": self.principal,
            "from": when(self.since),
            "to": when(self.until) if self.until != END else None,
            "after": str(self.after) if self.after else "",
        }
        return tuple(f"{name}={value}" for name, value in said.items() if value)


@dataclass(frozen=True, slots=True)
class Page:
    """``lines``: oldest first, with the words of those who acted. ``last``: where the next page goes on, 0
    for the end."""

    lines: Sequence[JsonObject]
    last: int


async def read(node: Reader, auditor: Caller, wanted: Wanted, *, use: str, limit: int = MOST) -> Page:
    """One page of the log, oldest first; the reading itself is on record first. Raises NotAllowed for a use
    that the law does not name."""
    check_use(use)
    found = await node.store.read(lambda tx: wanted.rows(tx, limit))
    await node.store.write(lambda tx: note_reading(tx, node, auditor, wanted, use, len(found)))
    more = len(found) == limit
    return Page([line(node.keys, number, row) for number, row in found], found[-1][0] if more else 0)


def check_use(use: str) -> None:
    if use not in set(Use):
        raise NotAllowed(
            "the log of accesses is not read for this",
            code="log_use",
            field="justification",
            rule="s.62(4)",
            remedy=f"give one of {', '.join(Use)}",
        )


def note_reading(
    tx: Transaction, node: Reader, auditor: Caller, wanted: Wanted, use: str, lines: int, *more: str
) -> None:
    """Who read what of the log. ``more``: further codes, such as the name of a report."""
    row = AccessRow(
        at=node.clock.now(),
        operation=OPERATION,
        principal=auditor.principal,
        actor=auditor.actor,
        role=auditor.role,
        ref=wanted.ref,
        version=0,
        leg="",
        sections=(LOG, *wanted.told(), *more, f"lines={lines}"),
        recipients=(auditor.principal,),
        justification=use,
    )
    accounts.record(tx, row)


def line(keys: Keys, number: int, row: AccessRow) -> JsonObject:
    """One entry for people: references, codes, times, and the words of who acted."""
    return {"number": number, "text": accounts.words(keys, row), **facts(row)}


def facts(row: AccessRow) -> dict[str, Json]:
    return {
        "id": row.id,
        "at": when(row.at),
        "operation": row.operation,
        "principal": row.principal,
        "actor": row.actor,
        "role": row.role,
        "handover": row.ref,
        "version": row.version,
        "leg": row.leg,
        "sections": list(row.sections),
        "recipients": list(row.recipients),
        "justification": row.justification,
        "purpose": row.purpose,
    }
