"""What one area adds to the core: extra actions, shorter deadlines, guidance; never anything weaker. Pure.

Duty: the ``[tailoring]`` section of the configuration as values that the flows use, judged against the
catalogue when the node starts. It leaves out the reading of the file (:mod:`gateway.config`).

The language is one sentence: ``NUMBER hours|working days|months``.

Rules
-----
- A deadline may be shorter than the catalogue's and nothing else: the binding one stays, for both nodes
  reckon it alike; the shorter is this area's own aim, by which its own agencies are reminded.
- Which of two terms is shorter is judged over the worst of a year: hours against working days would else be
  shorter on a Friday and longer on a Monday.
- An extra action has a code that the catalogue does not know. Its result stays here: the origin never asked.
- Nothing can be taken away or renamed: there is no word for it.

Example::

    made = tailor(deadlines={"PR-02": {"standard": "8 working days"}})
    made.target("PR-02", "STANDARD", started)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.core.actions import ends
from gateway.errors import Misconfigured, Problem
from schemas.actions import ACTIONS, EVERY_LEG, ORIGIN, Term, Unit
from schemas.message import ACTION_CODE
from schemas.vocabulary import Agency, agency_type

UNITS: Final[Mapping[str, Unit]] = {
    "hours": Unit.HOURS,
    "working days": Unit.WORKING_DAYS,
    "months": Unit.MONTHS,
}
_TERM: Final = re.compile(r"([1-9][0-9]{0,2}) (hours|working days|months)\Z")
_CODE: Final = re.compile(ACTION_CODE.removesuffix("$") + r"\Z")
_DAY: Final = 86_400
_YEAR: Final = range(1_798_761_600, 1_798_761_600 + 366 * _DAY, _DAY // 2)
"""Moments of 2027, noon and midnight: two Christmases, both changes of the clock, every weekday."""


@dataclass(frozen=True, slots=True)
class Extra:
    """An action of this area's own. ``agency``: a type of :class:`schemas.vocabulary.Agency`."""

    code: str
    agency: str
    title: str
    standard: Term
    urgent: Term
    blocks: bool = False

    def term(self, urgency: str) -> Term:
        return self.urgent if urgency == "URGENT" else self.standard


@dataclass(frozen=True, slots=True)
class Tailoring:
    """``shorter``: code -> (standard, urgent), None where it is the catalogue's. ``guidance``: agency ->
    sentences. ``titles``: code -> what this area's staff know the action as, beside its own title."""

    extra: tuple[Extra, ...] = ()
    shorter: Mapping[str, tuple[Term | None, Term | None]] = field(default_factory=dict)
    guidance: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)

    def extras(self, agency: str) -> tuple[Extra, ...]:
        return tuple(one for one in self.extra if one.agency == agency)

    def target(self, code: str, urgency: str, started: int) -> int:
        """This area's own, earlier moment for an action; 0 where it has none."""
        standard, urgent = self.shorter.get(code, (None, None))
        term = urgent if urgency == "URGENT" else standard
        return ends(term, started) if term and started else 0


NONE: Final = Tailoring()


def tailor(
    *,
    actions: Sequence[Mapping[str, object]] = (),
    deadlines: Mapping[str, Mapping[str, str]] | None = None,
    guidance: Mapping[str, Sequence[str]] | None = None,
    titles: Mapping[str, str] | None = None,
) -> Tailoring:
    """Raises Misconfigured with one problem for each setting that is unknown or weaker than the core."""
    problems: list[Problem] = []
    extra = [
        made
        for number, told in enumerate(actions)
        if (made := _extra(told, f"/tailoring/actions/{number}", problems))
    ]
    codes = [one.code for one in extra]
    for number, code in enumerate(codes):
        if code in codes[:number]:
            at = f"/tailoring/actions/{number}/code"
            problems.append(Problem(at, "this code stands there twice", "give each its own"))
    shorter = {code: _shorter(code, told, problems) for code, told in (deadlines or {}).items()}
    advice: dict[str, tuple[str, ...]] = {}
    for name, lines in (guidance or {}).items():
        agency = _agency(name, f"/tailoring/guidance/{name}", problems)
        advice[agency] = (*advice.get(agency, ()), *lines)
    for code in titles or {}:
        _known(code, f"/tailoring/titles/{code}", problems, also=codes)
    if problems:
        raise Misconfigured(
            "the local tailoring is not usable: " + "; ".join(f"{p.field}: {p.message}" for p in problems),
            code="bad_tailoring",
            problems=problems,
            remedy="correct the settings named; a local rule may add to the core and never weaken it",
        )
    return Tailoring(tuple(extra), shorter, advice, dict(titles or {}))


def _extra(told: Mapping[str, object], at: str, problems: list[Problem]) -> Extra | None:
    before = len(problems)
    code, agency = str(told.get("code")), _agency(str(told.get("agency")), f"{at}/agency", problems)
    if not _CODE.match(code) or code in ACTIONS:
        problems.append(Problem(f"{at}/code", "no code of your own", "use one like PO-L1, not a core code"))
    standard = _term(str(told.get("standard")), f"{at}/standard", problems)
    urgent = _term(str(told.get("urgent") or told.get("standard")), f"{at}/urgent", problems)
    if len(problems) > before or standard is None or urgent is None:
        return None
    return Extra(code, agency, str(told.get("title")), standard, urgent, told.get("blocks") is True)


def _shorter(code: str, told: Mapping[str, str], problems: list[Problem]) -> tuple[Term | None, Term | None]:
    at = f"/tailoring/deadlines/{code}"
    if not _known(code, at, problems):
        return None, None
    core = {"standard": ACTIONS[code].standard, "urgent": ACTIONS[code].urgent}
    found: dict[str, Term | None] = {}
    for column, text in told.items():
        place = f"{at}/{column}"
        if column not in core:
            problems.append(Problem(place, "no such column", "use standard or urgent"))
        elif (term := _term(text, place, problems)) is not None:
            if not _is_shorter(term, core[column]):
                problems.append(Problem(place, "not shorter than the core's", "shorten it, or leave it out"))
            found[column] = term
    return found.get("standard"), found.get("urgent")


def _is_shorter(term: Term, core: Term | None) -> bool:
    """Never later, on whatever day it starts. Where the core sets no end, an end is an addition."""
    if core is None:
        return False
    if not core.amount:
        return True
    return all(ends(term, moment) <= ends(core, moment) for moment in _YEAR) and term != core


def _known(code: str, at: str, problems: list[Problem], *, also: Sequence[str] = ()) -> bool:
    action = ACTIONS.get(code)
    known = code in also or (action is not None and action.agency not in (EVERY_LEG, ORIGIN))
    if not known:
        problems.append(Problem(at, "no action of an agency has this code", "see `gateway schema actions`"))
    return known


def _agency(name: str, at: str, problems: list[Problem]) -> str:
    agency = agency_type(name)
    if agency not in Agency.__members__:
        problems.append(Problem(at, "no such agency type", f"use one of {', '.join(Agency.__members__)}"))
    return agency


def _term(text: str, at: str, problems: list[Problem]) -> Term | None:
    found = _TERM.match(text)
    if found is None:
        problems.append(Problem(at, "no length of time", 'write it as "5 working days" or "4 hours"'))
        return None
    return Term(int(found[1]), UNITS[found[2]])
