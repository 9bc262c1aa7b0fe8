"""What a person is not shown of what is held about them: other people, and sources (s.45(4)(e) DPA 2018).

Duty: take the sections an agency holds and give them back without what is somebody else's, saying of each
place that something was taken out and why. It leaves out what is withheld for another ground, which is a
person's decision (:mod:`gateway.flows.subject`).

Rules: redacted by field, never by guess. What stands in these fields is another person's, or would lead to a
source, whatever it says. A name that somebody wrote into a field of free text is found by no machine: so
every such field is listed for whoever reads the export before it is given away.

>>> redact({"risk_to": {"rating": "HIGH", "who_is_the_threat": "his cousin"}}).sections
{'risk_to': {'rating': 'HIGH', 'who_is_the_threat': '[withheld: another person]'}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.core.encoding import Json, JsonObject

PERSON, SOURCE = "another person", "a source"

WHOLE: Final[Mapping[str, str]] = {
    "associates": PERSON,
    "risk_to.who_is_the_threat": PERSON,
    "move.evidence_of_threat_ref": SOURCE,
    "urgent.evidence_ref": SOURCE,
    "urgent.threat_to_life_ref": SOURCE,
    "history.evidence_ref": SOURCE,
    "history.corroboration_sources": SOURCE,
    "gang_association.evidence_ref": SOURCE,
    "gang_association.corroboration_sources": SOURCE,
}
"""Field -> whose it is, whatever it says."""

INTELLIGENCE: Final = frozenset({"statement", "source_agency", "grading", "assessor"})
"""Of an assertion that is intelligence: each of them narrows down who told it."""

FREE_TEXT: Final = frozenset(
    {"statement", "text", "reason", "supplementary_statement", "use_instead", "why_included", "why", "note"}
    | {"in_subject_words", "reliability_note", "subject_statement", "conditions", "title", "best_time"}
)
"""Names of fields in which people write sentences, where another person may be named."""


@dataclass(frozen=True, slots=True)
class Redacted:
    """``places``: JSON Pointer -> whose it was. ``to_read``: pointers of the free text that is left."""

    sections: JsonObject
    places: Mapping[str, str]
    to_read: tuple[str, ...]


def redact(sections: Mapping[str, Json]) -> Redacted:
    places: dict[str, str] = {}
    to_read: list[str] = []
    shown = {
        name: _redacted(value, name, f"/{name}", {}, places, to_read) for name, value in sections.items()
    }
    return Redacted(shown, places, tuple(to_read))


def _redacted(
    value: Json, path: str, pointer: str, item: JsonObject, places: dict[str, str], to_read: list[str]
) -> Json:
    whose = _whose(path, item)
    if whose and value not in (None, [], {}):
        places[pointer] = whose
        return f"[withheld: {whose}]"
    if isinstance(value, dict):
        return {
            name: _redacted(below, f"{path}.{name}", f"{pointer}/{name}", value, places, to_read)
            for name, below in value.items()
        }
    if isinstance(value, list):
        return [
            _redacted(below, path, f"{pointer}/{place}", item, places, to_read)
            for place, below in enumerate(value)
        ]
    if isinstance(value, str) and path.rpartition(".")[2] in FREE_TEXT:
        to_read.append(pointer)
    return value


def _whose(path: str, item: JsonObject) -> str:
    """``item``: the object that the field stands in."""
    if path in WHOLE:
        return WHOLE[path]
    above, _, name = path.rpartition(".")
    if above in {"history", "gang_association"} and name in INTELLIGENCE:
        return SOURCE if item.get("kind") == "INTELLIGENCE" else ""
    if above == "orders.conditions" and name == "text":
        return PERSON if item.get("third_party_list") or item.get("third_party_count") else ""
    if above.endswith("attachments") and name == "name":
        return PERSON  # a file may be called after anybody
    return ""
