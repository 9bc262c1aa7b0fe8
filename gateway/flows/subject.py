"""What an agency gives a person who asks what is held and to whom it was told (s.45 DPA 2018, Art 15 GDPR).

By the reference of a handover, never by a name: the agency that is asked knows which of its cases it is. The
answer lists every disclosure that the agency may know of, over all versions, with time, recipient, sections
and basis; the notices and the answers; and the content that THIS agency holds: what it sent, or its own view
of what came. What is another person's is taken out (:mod:`gateway.core.redaction`); what is to be withheld on
a ground of the law is withheld only by a recorded decision with a review date (s.45(4)-(7)), and the answer
says that, and on which ground. It never says neither yes nor no.

Rules: on record before it is opened, as a consultation for the person's own access and as a reading of the
log. Content that was shredded is gone for this, too. Another agency's view is never shown: it is another
controller's to give.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.core import purposes
from gateway.core.audience import merge
from gateway.core.encoding import Json, JsonObject
from gateway.core.redaction import redact
from gateway.errors import GatewayError, NotAllowed, NotFound
from gateway.flows import accounts, audit, show
from gateway.flows.audit import Wanted
from gateway.flows.node import Caller, Node
from gateway.flows.retrieve import split_items
from gateway.flows.show import when
from gateway.flows.slots import keeps_own_key, view_for
from gateway.flows.vault import open_parts, read_sections
from gateway.ports import AccessRow, EnvelopeRow, HandoverRow, LegRow, RestrictionRow, Side, Transaction

JUSTIFICATION: Final = "SUBJECT_ACCESS"
EVERYTHING: Final = "content"
"""In place of names of sections: all of it."""

YEAR: Final = 366 * 86_400
MANY: Final = 10_000
"""Entries of one handover's access log that are looked through."""


class Ground(StrEnum):
    """On what something may be withheld from the person it is about (s.45(4) DPA 2018)."""

    OFFICIAL_INQUIRY = "OFFICIAL_INQUIRY"
    PREJUDICE_TO_PREVENTION = "PREJUDICE_TO_PREVENTION"
    PUBLIC_SECURITY = "PUBLIC_SECURITY"
    NATIONAL_SECURITY = "NATIONAL_SECURITY"
    RIGHTS_OF_OTHERS = "RIGHTS_OF_OTHERS"


MEANING: Final = {
    Ground.OFFICIAL_INQUIRY: "not to obstruct an inquiry, investigation or procedure (s.45(4)(a))",
    Ground.PREJUDICE_TO_PREVENTION: "not to prejudice the prevention or detection of offences (s.45(4)(b))",
    Ground.PUBLIC_SECURITY: "to protect public security (s.45(4)(c))",
    Ground.NATIONAL_SECURITY: "to protect national security (s.45(4)(d))",
    Ground.RIGHTS_OF_OTHERS: "to protect the rights and freedoms of others (s.45(4)(e))",
}

COMPLAINT: Final = (
    "You may ask the Information Commissioner to check that this is lawful, complain to the Commissioner, or "
    "apply to a court (s.45(5), s.51, s.167 DPA 2018)."
)


@dataclass(frozen=True, slots=True)
class Withhold:
    """A decision to withhold: ``sections`` by name, or ``content`` for all; ``review`` in unix seconds."""

    ground: str
    sections: tuple[str, ...]
    review: int


@dataclass(frozen=True, slots=True)
class _Held:
    """One version with what may be told of it, and the message that holds its content for this agency."""

    handover: HandoverRow
    legs: Sequence[LegRow]
    envelope: EnvelopeRow | None


async def access(node: Node, caller: Caller, ref: str, withhold: Withhold | None = None) -> JsonObject:
    """The answer. Raises NotFound for a handover that is not this agency's, NotAllowed for a restriction
    without its ground or date."""
    now = node.clock.now()
    if withhold is not None:
        check(withhold, now)

    def record(tx: Transaction) -> tuple[Sequence[_Held], Sequence[AccessRow], Sequence[RestrictionRow]]:
        held = _held(tx, ref, caller)
        told = [row for row in tx.accesses(ref=ref, limit=MANY) if _may_know(row, held, caller)]
        if withhold is not None:
            tx.put_restriction(_restriction(ref, caller, withhold, now))
        _account(tx, node, caller, held, len(told), now)
        return held, told, [row for row in tx.restrictions(ref) if _stands(row, caller)]

    held, told, restrictions = await node.store.write(record)
    notices = await node.store.read(lambda tx: _notices(tx, ref, held))
    return {
        "marking": "OFFICIAL-SENSITIVE",
        "handover": ref,
        "made": when(now),
        "by": caller.principal,
        "disclosures": _disclosures(told),
        "notices": notices,
        "versions": [_version(node, one, caller, restrictions) for one in held],
        "restrictions": [_facts(row) for row in restrictions],
        "restricted": bool(restrictions),
        "your_rights": COMPLAINT,
    }


def check(withhold: Withhold, now: int) -> None:
    """Raises NotAllowed: without ground or review date nothing is withheld from anybody."""
    if withhold.ground not in set(Ground):
        raise NotAllowed(
            "nothing is withheld without a ground of the law",
            code="restriction_ground",
            field="ground",
            rule="s.45(4)",
            remedy=f"give one of {', '.join(Ground)}",
        )
    if not now < withhold.review <= now + YEAR:
        raise NotAllowed(
            "a restriction is looked at again within a year",
            code="restriction_review",
            field="review",
            rule="s.45(4)",
            remedy="give a date from tomorrow on, at most a year away",
        )


# --- what is held -----------------------------------------------------------------------------------


def _held(tx: Transaction, ref: str, caller: Caller) -> Sequence[_Held]:
    """Every version, oldest first. Raises NotFound as `show.find` does."""
    newest = show.find(tx, ref, caller.principal).handover.version
    found = []
    for version in range(1, newest + 1):
        try:
            standing = show.find(tx, ref, caller.principal, version)
        except NotFound:
            continue  # a version that was not for this agency, or never came
        mid = standing.legs[0].mid if standing.legs else ""
        found.append(_Held(standing.handover, standing.legs, tx.envelope(mid) if mid else None))
    return found


def _may_know(row: AccessRow, held: Sequence[_Held], caller: Caller) -> bool:
    """The origin's agencies know of every disclosure; a recipient of those to itself. Lines of the log that
    the Commissioner was given are no disclosure of the handover."""
    if audit.LOG in row.sections:
        return False
    sent = any(one.handover.side is Side.ORIGIN for one in held)
    return row.operation == "DISCLOSURE" and (sent or caller.principal in row.recipients)


def _stands(row: RestrictionRow, caller: Caller) -> bool:
    return not row.ended and row.principal == caller.principal


def _account(
    tx: Transaction, node: Node, caller: Caller, held: Sequence[_Held], lines: int, now: int
) -> None:
    ref = held[0].handover.ref
    seen = AccessRow(
        at=now,
        operation="CONSULTATION",
        principal=caller.principal,
        actor=caller.actor,
        role=caller.role,
        ref=ref,
        version=held[-1].handover.version,
        leg="",
        sections=(),
        recipients=(caller.principal,),
        justification=JUSTIFICATION,
        purpose=purposes.Purpose.ACCOUNTABILITY,
    )
    accounts.record(tx, seen)
    audit.note_reading(tx, node, caller, Wanted(ref=ref), audit.Use.SUBJECT_ACCESS, lines)


# --- what is told -----------------------------------------------------------------------------------


def _disclosures(rows: Sequence[AccessRow]) -> list[Json]:
    return [
        {
            "version": row.version,
            "at": when(row.at),
            "by": row.principal,
            "to": list(row.recipients),
            "sections": list(row.sections),
            "basis": row.justification,
        }
        for row in sorted(rows, key=lambda row: (row.at, row.id))
    ]


def _notices(tx: Transaction, ref: str, held: Sequence[_Held]) -> list[Json]:
    """Codes and times; the agencies of a notice only where this agency may know them."""
    sent = any(one.handover.side is Side.ORIGIN for one in held)
    return [
        {
            "kind": row.kind,
            "by": row.by,
            "code": row.code,
            "at": when(row.created),
            "state": row.state,
            "answers": [
                {"agency": leg.principal, "state": leg.state, "at": when(leg.updated)}
                for leg in tx.notice_legs(row.id)
                if sent
            ],
        }
        for row in tx.notices(ref=ref)
    ]


def _version(node: Node, one: _Held, caller: Caller, restrictions: Sequence[RestrictionRow]) -> JsonObject:
    row = one.handover
    return {
        "version": row.version,
        "side": row.side.value,
        "issued": when(row.issued or row.created),
        "state": row.state,
        "legs": [*(show.leg_facts(leg) for leg in one.legs)],
        **_content(node, one, caller, restrictions),
    }


def _content(node: Node, one: _Held, caller: Caller, restrictions: Sequence[RestrictionRow]) -> JsonObject:
    """PLAINTEXT for the person who asks: without others, and without what a decision withholds."""
    withheld = {name for row in restrictions for name in row.withheld}
    if EVERYTHING in withheld:
        return _without("withheld")
    try:
        sections = _opened(node, one, caller)
    except GatewayError as error:
        return _without(error.code)
    left = {name: value for name, value in sections.items() if name not in withheld}
    shown = redact(left)
    return {
        "content": shown.sections,
        "why_no_content": None,
        "withheld": [*sorted(withheld.intersection(sections))],
        "redacted": [{"field": place, "whose": whose} for place, whose in sorted(shown.places.items())],
        "read_before_giving": [*shown.to_read],
    }


def _without(why: str) -> JsonObject:
    return {
        "content": None,
        "why_no_content": why,
        "withheld": [EVERYTHING] if why == "withheld" else [],
        "redacted": [],
        "read_before_giving": [],
    }


def _opened(node: Node, one: _Held, caller: Caller) -> JsonObject:
    """What this agency wrote, or its own view of what came. Raises GatewayError of any kind."""
    if one.envelope is None:
        raise NotFound("the message is gone", code="no_message")
    if one.handover.side is Side.DESTINATION:
        if keeps_own_key(node, caller.principal):
            raise NotAllowed("held by the agency itself", code="own_key")
        return split_items(view_for(node, one.envelope, caller.principal))[0]
    if one.handover.submitted_by != caller.principal:
        raise NotAllowed("held by the agency that handed it in", code="not_submitter")
    _, (_, *contents) = open_parts(node, one.envelope)  # part 1 is the nodes' table
    return split_items(merge([read_sections(content) for content in contents]))[0]


def _restriction(ref: str, caller: Caller, withhold: Withhold, now: int) -> RestrictionRow:
    return RestrictionRow(
        ref=ref,
        principal=caller.principal,
        ground=withhold.ground,
        withheld=withhold.sections,
        review=withhold.review,
        made=now,
        actor=caller.actor,
        role=caller.role,
    )


def _facts(row: RestrictionRow) -> JsonObject:
    return {
        "id": row.id,
        "ground": row.ground,
        "meaning": MEANING[Ground(row.ground)],
        "withheld": list(row.withheld),
        "since": when(row.made),
        "review": when(row.review),
    }
