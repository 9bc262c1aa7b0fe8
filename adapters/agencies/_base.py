"""The form that every agency's presentation has, and the order in which it is read.

Duty: marking and handling first, then who must answer by when, then the agency's own sentences, then what it
is asked to do and may answer, and last the sections as they were opened. Leaves out the sentences
(``_lines``) and which of them an agency gets (its own file).

Rules. Nothing is added: every value comes from the view or from the leg. The handling conditions of graded
intelligence stand in ``handling``, before any text they govern (domain 4.5). A view with a section missing
is presented without it. All of it is data for the agency's system to escape; nothing here is markup.

Example::

    PROFILE = AgencyProfile("DWP", "A claimant is moving into your district", (person, safe_contact))
    PROFILE.present({"core": {"family_name": "EXAMPLE"}}, leg)["summary"]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from adapters.agencies._reading import Table, at, tables, text
from gateway.ports import Json, LegRow
from schemas.acknowledgement import REASONS_FOR, AcknowledgementState

MARKING = "OFFICIAL-SENSITIVE"
"""Of a handover that names none: the default and the most that is carried (domain 4.4, R19)."""

_ANSWERS = tuple(
    (state.value, tuple(str(code) for code in sorted(REASONS_FOR.get(state, ()))))
    for state in AcknowledgementState
)

Line = Callable[[Table], Iterable[str]]
"""Sentences that one matter of a view gives; none when the view does not hold it."""


@dataclass(slots=True)
class AgencyProfile:
    """One agency's presentation (``gateway.ports.Profile``).

    ``lines`` make the summary in their order: what this agency must not miss comes first. ``coordinates``:
    it also sees what the other agencies are asked, where the view holds it (domain 6.4, actions).
    """

    agency: str
    heading: str
    lines: Sequence[Line]
    coordinates: bool = False

    def present(self, view: Table, leg: LegRow) -> dict[str, Json]:
        """What the agency is shown, in reading order. Raises nothing, whatever the view lacks."""
        shown: dict[str, Json] = {
            "marking": text(view, "message", "marking", "text") or MARKING,
            "handling": _handling(view),
            "handover": leg.ref,
            "version": leg.version,
            "leg": leg.id,
            "agency": self.agency,
            "heading": self.heading,
            "urgency": leg.urgency,
            "answer_by": {
                "acknowledge_by": _moment(leg.acknowledge_by),
                "decide_by": _moment(leg.decide_by),
            },
            "summary": [_closed(sentence) for line in self.lines for sentence in line(view)],
            "asked": [_asked(action) for action in tables(view, "actions") if self._is_ours(action)],
        }
        if self.coordinates:
            shown["asked_of_others"] = [
                {"agency": text(action, "agency"), "title": text(action, "title")}
                for action in tables(view, "actions")
                if not self._is_ours(action)
            ]
        return shown | {"may_answer": may_answer(), "view": dict(view)}

    def _is_ours(self, action: Table) -> bool:
        return text(action, "agency") in ("", self.agency)


def may_answer() -> list[Json]:
    """Every state an agency may answer, with the reason codes that a state asks for (domain 6.7)."""
    return [{"state": state, "reasons": list(reasons)} for state, reasons in _ANSWERS]


def _closed(sentence: str) -> str:
    """One full stop, also where the value brought its own."""
    return sentence.rstrip(".") + "."


def _handling(view: Table) -> dict[str, Json]:
    conditions: list[Json] = []
    for item in tables(view, "history"):
        stated = text(item, "grading", "conditions")
        if stated and stated not in conditions:
            conditions.append(stated)
    return {
        "instruction": text(view, "message", "marking", "handling_instruction"),
        "onward_sharing": text(view, "message", "marking", "onward_sharing"),
        "conditions": conditions,
    }


def _asked(action: Table) -> dict[str, Json]:
    wanted = ("action_id", "code", "title", "due_at")
    shown: dict[str, Json] = {name: text(action, name) for name in wanted if text(action, name)}
    if at(action, "blocks_closure") is True:
        shown["blocks_closure"] = True
    return shown


def _moment(seconds: int) -> str | None:
    """RFC 3339 in UTC; None while the clock has not started (0)."""
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else None
