"""What a document itself says about who reads it, within what its entitlements allow (domain 6.4).

Duty: read ``visible_to``, ``minimal_view.agencies`` and a leg's ``sections``; say what counts where they are
silent; report each place where they name an agency that may never read what stands there (rule R4). Such a
place is refused and never quietly narrowed: the sender believes that the agency will be told.

It leaves out the cutting itself (:mod:`gateway.core.audience`) and all rules about content
(:mod:`gateway.core.policy`).

Rules
-----
- A document narrows, it never widens (protocol 6).
- An address in an urgent move goes to police, children's social care and housing alone; DWP and the
  voluntary sector learn an address only of a planned move.
- ``visible_to`` absent: the default of the table below; ``[]``: nobody. Intelligence reaches beyond police
  and probation only where ``visible_to`` says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType

from gateway.core.deadlines import LONDON
from gateway.core.encoding import Json, JsonObject
from gateway.core.entitlements import SECTIONS, agencies, reach, reads
from gateway.errors import Problem

ADULT_AGE = 18

URGENT_ADDRESS = agencies("C P H")
PLANNED_ONLY = agencies("D T")
UNDER_18 = agencies("Y")

DEFAULTS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "move.new_address": agencies("P B C L H"),
        # Domain 6.4 gives conditions no default of their own: those who enforce or supervise the order.
        "orders.conditions": agencies("P B Y S"),
        "history": agencies("P B"),
        "associates": agencies("P B"),
        "gang_association": agencies("P B"),
    }
)
"""Place -> who reads it when ``visible_to`` is absent; youth justice joins them for a subject under 18. A
place that is not here is not narrowed by silence."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """The three facts of a document that change who may read what."""

    urgent: bool
    planned: bool
    minor: bool


def age_on(born: date, day: date) -> int:
    """Completed years; somebody born on 29 February comes of age on 1 March in a common year."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def circumstances(document: JsonObject) -> Circumstances:
    """Read them from a document in JSON. Without a date of birth it is read as an adult's: fewer read it."""
    message, move, core = (_child(document, name) for name in ("message", "move", "core"))
    born, issued = core.get("date_of_birth"), message.get("issued_at") or message.get("created_at")
    return Circumstances(
        urgent="URGENT" in (message.get("urgency"), move.get("kind")),
        planned=move.get("kind") == "PLANNED",
        minor=isinstance(born, str) and isinstance(issued, str) and _age_at(born, issued) < ADULT_AGE,
    )


def may_read(place: str, facts: Circumstances, entitlements: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """Agency types that ``visible_to`` may name at a place of this document."""
    return _suited(reach(place, entitlements), place, facts)


def named(value: Json, place: str, facts: Circumstances) -> frozenset[str] | None:
    """Agency types that the document lets read ``value`` at ``place``; None when it does not narrow there.

    A plain word (``gang_association: NOT_ASSERTED``) has nothing to narrow it by.
    """
    told = value.get("visible_to") if isinstance(value, dict) else None
    if isinstance(told, list):
        return frozenset(name for name in told if isinstance(name, str))
    default = DEFAULTS.get(place)
    if default is None or isinstance(value, str):
        return None
    if facts.minor and not _graded(value):
        default = default | UNDER_18
    return _suited(default, place, facts)


def _graded(value: Json) -> bool:
    """Intelligence goes to youth justice and social care by explicit decision alone (domain 4.5)."""
    return isinstance(value, dict) and value.get("kind") == "INTELLIGENCE"


def widenings(document: JsonObject, entitlements: Mapping[str, AbstractSet[str]]) -> Iterator[Problem]:
    """Every entry of ``sections``, ``visible_to`` and ``minimal_view.agencies`` that names an agency, or is
    named for an agency, that may never read what stands there (R4, domain 6.4)."""
    yield from _section_problems(document, entitlements)
    facts = circumstances(document)
    for pointer, place, names in _instructions(document):
        allowed = may_read(place, facts, entitlements)
        for index, name in enumerate(names):
            if not isinstance(name, str) or name not in allowed:
                yield Problem(
                    field=f"{pointer}/{index}",
                    message=f"this agency may not read {place} of this document",
                    remedy="remove the agency here; tell it what to do in an action or a minimal view",
                    rule="R4",
                )


def _suited(readers: frozenset[str], place: str, facts: Circumstances) -> frozenset[str]:
    """Less those who do not learn of an address in a move of this kind."""
    if place != "move.new_address":
        return readers
    if facts.urgent:
        return readers & URGENT_ADDRESS
    return readers if facts.planned else readers - PLANNED_ONLY


def _section_problems(
    document: JsonObject, entitlements: Mapping[str, AbstractSet[str]]
) -> Iterator[Problem]:
    for index, entry in enumerate(_list(_child(document, "routing"), "recipients")):
        agency = entry.get("agency") if isinstance(entry, dict) else None
        for at, section in enumerate(_list(entry, "sections")):
            pointer = f"/routing/recipients/{index}/sections/{at}"
            if not isinstance(section, str) or section not in SECTIONS:
                yield Problem(
                    pointer, "there is no section of this name", "see domain 6.4 for the names", "R4"
                )
            elif not isinstance(agency, str) or not reads(agency, section, entitlements):
                yield Problem(
                    field=pointer,
                    message=f"this agency may read nothing of the section {section}",
                    remedy="remove the section from this recipient",
                    rule="R4",
                )


def _instructions(document: JsonObject) -> list[tuple[str, str, list[Json]]]:
    """``(pointer to the list, place it governs, names)`` of every instruction in a document."""
    found: list[tuple[str, str, list[Json]]] = []
    _look_for_instructions(document, "", "", found)
    return found


def _look_for_instructions(
    value: Json, place: str, pointer: str, found: list[tuple[str, str, list[Json]]]
) -> None:
    if isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict | list):
                _look_for_instructions(item, place, f"{pointer}/{index}", found)
    elif isinstance(value, dict):
        for key, child in value.items():
            if not isinstance(child, dict | list) and key != "minimal_view":
                continue  # most are leaves, which instruct nobody
            below, at = f"{place}.{key}" if place else key, f"{pointer}/{key}"
            if key == "visible_to" and isinstance(child, list):
                found.append((at, place, child))
            elif below == "orders.conditions.minimal_view":
                found.append((f"{at}/agencies", "orders.minimal_view", _list(child, "agencies")))
            else:
                _look_for_instructions(child, below, at, found)


def _age_at(born: str, issued: str) -> int:
    return age_on(date.fromisoformat(born), datetime.fromisoformat(issued).astimezone(LONDON).date())


def _child(value: JsonObject, name: str) -> JsonObject:
    child = value.get(name)
    return child if isinstance(child, dict) else {}


def _list(value: Json, name: str) -> list[Json]:
    child = value.get(name) if isinstance(value, dict) else None
    return child if isinstance(child, list) else []
