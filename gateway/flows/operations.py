"""Which of the six operations of s.62 DPA 2018 a step of a handover is, and what is put on record of it.

======================= ==============================================================================
collection              a document is handed in here; one arrives from another area
alteration              a further version takes the place of an earlier one; an agency answers for its leg
combination             what is stored about one person out of several sources is joined: a further version
                        with those before it, an onward move with the handover it draws on, a handover with
                        the request that it answers
disclosure              each leg that is sent, each parcel that an adapter is given, words of an answer
consultation            each opening by a person, of a handover, a reply or a file
erasure                 keys destroyed (:mod:`gateway.flows.shred`)
======================= ==============================================================================

It leaves out openings (:mod:`gateway.flows.deliver`) and how a row is bound to the log
(:mod:`gateway.flows.accounts`). Rules: references, codes, names of sections and agencies, never what is in
them; a row is put in the transaction of the step itself, so that there is no step without its row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.flows import accounts
from gateway.flows.facts import Facts
from gateway.flows.node import Caller
from gateway.ports import AccessRow, LegRow, Transaction


@dataclass(frozen=True, slots=True)
class Step:
    """One version of one handover, at one moment. ``before``: the newest version so far, 0: none."""

    ref: str
    version: int
    facts: Facts
    before: int
    now: int


@dataclass(frozen=True, slots=True)
class Sent:
    """One leg: ``sections`` that it was sent, and the codes of the powers that carry it (``basis``)."""

    leg: LegRow
    sections: tuple[str, ...]
    basis: tuple[str, ...]


def handed_in(tx: Transaction, step: Step, caller: Caller, sent: Sequence[Sent]) -> None:
    """At the origin: the collection from our agency, what it was joined with, and one disclosure a leg."""
    everything = sorted({name for one in sent for name in one.sections})
    collection = _row(step, caller, "COLLECTION", "HANDOVER")
    collection = replace(
        collection, sections=tuple(everything), recipients=tuple(one.leg.principal for one in sent)
    )
    accounts.record(tx, collection)
    _joined(tx, step, caller)
    for one in sent:
        disclosure = replace(
            collection,
            operation="DISCLOSURE",
            leg=one.leg.id,
            sections=one.sections,
            recipients=(one.leg.principal,),
            justification="+".join(one.basis) or "HANDOVER",
        )
        accounts.record(tx, disclosure)


def arrived(tx: Transaction, step: Step, area: str, legs: Sequence[LegRow]) -> None:
    """At the destination: the node has collected it for these agencies, sealed; nobody has read it yet."""
    node = Caller(f"{area}/node", "NODE", actor="gateway", role="node")
    row = _row(step, node, "COLLECTION", "RECEIVED")
    accounts.record(tx, replace(row, recipients=tuple(leg.principal for leg in legs)))
    _joined(tx, step, node)


def address_overridden(tx: Transaction, step: Step, caller: Caller) -> None:
    """At the origin: sent to an area in which, by the table, the address does not lie (R11). Who agreed, and
    why, stands in the document."""
    accounts.record(tx, _combined(step, caller, "ADDRESS_OVERRIDE", "move.new_address"))


def _joined(tx: Transaction, step: Step, caller: Caller) -> None:
    if step.before:
        accounts.record(tx, _row(step, caller, "ALTERATION", "SUPERSEDES"))
        accounts.record(tx, _combined(step, caller, "SUPERSEDES", f"version:{step.before}"))
    if step.facts.onward_of:
        accounts.record(tx, _combined(step, caller, "ONWARD_MOVE", f"handover:{step.facts.onward_of}"))
    if step.facts.answers:
        accounts.record(tx, _combined(step, caller, "HANDOVER_REQUEST", f"request:{step.facts.answers}"))


def _combined(step: Step, caller: Caller, why: str, source: str) -> AccessRow:
    """``sections`` names what it was joined with, by reference."""
    return replace(_row(step, caller, "COMBINATION", why), sections=(source,))


def _row(step: Step, caller: Caller, operation: str, justification: str) -> AccessRow:
    return AccessRow(
        at=step.now,
        operation=operation,
        principal=caller.principal,
        actor=caller.actor,
        role=caller.role,
        ref=step.ref,
        version=step.version,
        leg="",
        sections=(),
        recipients=(),
        justification=justification,
    )
