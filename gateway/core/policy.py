"""Whether one document may be sent, judged at one moment (domain 6.9).

Duty: the table of rules, and :func:`check`, which collects every problem of every rule into one refusal, so
that a sender mends a document once. The rules are in :mod:`gateway.core.rules`.

It leaves out the rules that one document cannot answer; :mod:`gateway.core.rulebook` lists all thirty, and
what keeps each of them.

The moment is a parameter: a document that was lawful when it was issued may be overdue for review now.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from types import MappingProxyType

from gateway.core.audience import refusal
from gateway.core.duty import r28_caretaking_ends
from gateway.core.encoding import JsonObject
from gateway.core.entitlements import ENTITLEMENTS
from gateway.core.places import Lookup
from gateway.core.registers import Registers
from gateway.core.rules import Case, Rule, basis, concerned, orders, places, sharing, subject
from gateway.core.urgent import r14_urgent_move
from schemas.handover import HandoverNotification, to_document

__all__ = ["ENTITLEMENTS", "RULES", "check"]

RULES: Mapping[str, tuple[Rule, ...]] = MappingProxyType(
    {
        "R1": (subject.r1_role_per_assertion,),
        "R2": (subject.r2_grounds,),
        "R3": (sharing.r3_verified,),
        "R4": (sharing.r4_matrix, sharing.r4_reciprocal),
        "R5": (basis.r5_lawful_basis,),
        "R6": (subject.r6_victim_only,),
        "R7": (orders.r7_terms_to_order_legs, orders.r7_minimal_views),
        "R8": (orders.r8_third_parties,),
        "R9": (orders.r9_conflicting_terms,),
        "R10": (orders.r10_injunction_length,),
        "R11": (places.r11_address,),
        "R12": (subject.r12_ages, concerned.r12_nobody_left_out),
        "R13": (sharing.r13_no_bulk,),
        "R14": (r14_urgent_move,),
        "R16": (subject.r16_review,),
        "R17": (sharing.r17_purge,),
        "R19": (sharing.r19_marking,),
        "R22": (sharing.r22_spoc,),
        "R27": (sharing.r27_versions,),
        "R28": (r28_caretaking_ends,),
        "": (sharing.required_in_some_cases,),
    }
)
"""Number -> what keeps it; ``""`` is the matter of shape that depends on values."""


def check(
    document: HandoverNotification,
    *,
    now: int,
    entitlements: Mapping[str, AbstractSet[str]] = ENTITLEMENTS,
    content: JsonObject | None = None,
    registers: Registers | None = None,
    lookup: Lookup | None = None,
) -> None:
    """Return when the document may be sent at ``now`` (unix seconds) under ``entitlements`` (the
    directory's, narrowed by the area). ``content`` is ``to_document(document)``, of a caller that needs it
    anyway. ``registers`` and ``lookup`` are the node's; a caller that is no node has none.

    Raises NotAllowed with every problem of every rule: number, JSON Pointer and remedy, and no value out of
    the document.
    """
    held = to_document(document) if content is None else content
    case = Case(document, held, now, entitlements, registers, lookup)
    problems = [problem for rules in RULES.values() for rule in rules for problem in rule(case)]
    if problems:
        raise refusal(problems)
