"""What a node has on file before it may share: agreements, policy documents, assessments (finding F6, F7).

Duty: :class:`Registers`, the answer to what no document can say of itself: whether the sharing agreement that
it names exists, covers these areas and agencies, and is in date; the same for the appropriate policy document
(s.42 DPA 2018); and what the area has narrowed of the signed entitlements.

It leaves out where they come from (``[governance]`` of the settings, read in :mod:`gateway.bootstrap`) and
the rules that ask them (:mod:`gateway.core.rules.basis`).

Rules
-----
- Deny by default: :data:`NONE` knows no agreement, so nothing can be sent on one.
- Both days of a term count.
- A narrowing takes agencies away from a field group. It can name none that the directory does not, and never
  touches the blocks by which a reader judges what it was sent (s.38(5)(b) DPA 2018).

>>> Term("DSA-1", date(2026, 1, 1), date(2026, 12, 31)).on(date(2026, 12, 31))
True
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Final, TypeVar

from gateway.errors import Misconfigured, Problem

ALWAYS: Final = frozenset(
    {"message", "routing", "routing.recipients", "lawful_basis", "data_quality", "transparency", "retention"}
)
"""Blocks of every leg. Without the quality block a leg breaks s.38(5)(b), without the rest nobody could say
whose it is and how long it stays."""


@dataclass(frozen=True, slots=True)
class Term:
    """A document with a reference, and the days on which it is in force."""

    ref: str
    begins: date
    ends: date

    def on(self, day: date) -> bool:
        return self.begins <= day <= self.ends


@dataclass(frozen=True, slots=True)
class Agreement(Term):
    """A data sharing agreement. No ``areas``: all of the network; no ``agencies``: any type."""

    areas: frozenset[str] = frozenset()
    agencies: frozenset[str] = frozenset()

    def covers(self, area: str, agency: str) -> bool:
        return (not self.areas or area in self.areas) and (not self.agencies or agency in self.agencies)


_T = TypeVar("_T", bound=Term)

Narrowing = Mapping[str, AbstractSet[str]]
"""Field group -> the agency types that may read it in this area, out of those that the directory lists."""


@dataclass(frozen=True, slots=True)
class Registers:
    """``commenced``: codes of powers that have come into force since this release."""

    agreements: Mapping[str, Agreement] = field(default_factory=dict)
    policies: Mapping[str, Term] = field(default_factory=dict)
    narrowing: Narrowing = field(default_factory=dict)
    commenced: frozenset[str] = frozenset()


NONE: Final = Registers()


def registers(
    agreements: Iterable[Agreement] = (),
    policies: Iterable[Term] = (),
    narrowing: Narrowing = MappingProxyType({}),
    commenced: Iterable[str] = (),
) -> Registers:
    """Raises Misconfigured for two entries of one reference: which of them is in force, nobody could say."""
    return Registers(
        _by_ref("agreements", agreements),
        _by_ref("policies", policies),
        MappingProxyType({group: frozenset(told) for group, told in narrowing.items()}),
        frozenset(commenced),
    )


def narrowed(
    entitlements: Mapping[str, AbstractSet[str]], narrowing: Narrowing
) -> Mapping[str, AbstractSet[str]]:
    """The signed entitlements less what this area keeps from some agencies. It cannot widen: what the
    directory does not list, or lists no more, stays out."""
    if not narrowing:
        return entitlements
    return {group: told & narrowing.get(group, told) for group, told in entitlements.items()}


def check_narrowing(entitlements: Mapping[str, AbstractSet[str]], narrowing: Narrowing) -> None:
    """Raises Misconfigured with every entry that is not a narrowing of ``entitlements``."""
    problems = [
        Problem(f"/governance/entitlements/{group}", *wrong)
        for group, told in narrowing.items()
        if (wrong := _widens(entitlements, group, told))
    ]
    if problems:
        raise Misconfigured(
            "the local entitlements do not narrow the signed ones: "
            + "; ".join(f"{p.field}: {p.message}" for p in problems),
            code="entitlements_widen",
            field=problems[0].field,
            remedy=problems[0].remedy,
            problems=problems,
        )


def _widens(
    entitlements: Mapping[str, AbstractSet[str]], group: str, told: AbstractSet[str]
) -> tuple[str, str] | None:
    if group not in entitlements:
        return "there is no field group of this name", "`gateway directory show` lists the groups"
    if group in ALWAYS:
        return "every recipient gets this block", "remove the entry"
    if not told <= entitlements[group]:
        return "names an agency that the directory does not list here", "remove it: it may never read it"
    return None


def _by_ref(name: str, terms: Iterable[_T]) -> Mapping[str, _T]:
    held: dict[str, _T] = {}
    for index, term in enumerate(terms):
        if term.ref in held:
            raise Misconfigured(
                f"two entries of [governance] {name} have one reference",
                code="governance",
                field=f"/governance/{name}/{index}/ref",
                remedy="keep the one that is in force",
            )
        held[term.ref] = term
    return MappingProxyType(held)


def _fictional() -> Registers:
    begins, ends = date(2020, 1, 1), date(2099, 12, 31)
    agreements = ("DSA-LDN-GANGS-07", "DSA-LDN-SAFEG-01", "DSA-HACK-DWP-01", "DSA-LVWS-01")
    policies = ("APD-HACK-2026-02", "APD-MPS-2026-01")
    return registers(
        (Agreement(ref, begins, ends) for ref in agreements), (Term(ref, begins, ends) for ref in policies)
    )


FICTIONAL: Final = _fictional()
"""What the fictional examples refer to. For the demo network alone; a production node has its own."""
