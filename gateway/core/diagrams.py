"""Draws ``docs/states.md`` from the tables of :mod:`gateway.core.states`.

Run ``python -m gateway.core.diagrams > docs/states.md`` after a change of the tables; a test compares. Moves
that leave a state as it is are listed in words, not drawn.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from gateway.core.states import ACKNOWLEDGED, ANSWERED, HANDOVER, LEG, SETTLED, TAKEN_ON, LegState

_HEAD = """# States

Generated from the tables in `gateway/core/states.py` by `python -m gateway.core.diagrams > docs/states.md`.
Do not edit: change the tables.
"""


def mermaid(table: Mapping[tuple[str, str], str], start: str) -> str:
    """A Mermaid state diagram of ``{(state, event): state}``; events between the same two states share an
    arrow."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (before, event), after in table.items():
        if before != after:
            arrows.setdefault((before, after), []).append(event)
    lines = [f"    {a} --> {b}: {', '.join(events)}" for (a, b), events in arrows.items()]
    ends = sorted(set(table.values()) - {before for before, _ in arrows})
    lines += [f"    {end} --> [*]" for end in ends]
    return "\n".join(["```mermaid", "stateDiagram-v2", f"    [*] --> {start}", *lines, "```"])


def document() -> str:
    """The whole of ``docs/states.md``."""
    legs = {(str(state), event): str(after) for (state, event), after in LEG.items()}
    handovers = {(str(state), event): str(after) for (state, event), after in HANDOVER.items()}
    return "\n".join(
        [
            _HEAD,
            "## Leg: one agency's part",
            "",
            mermaid(legs, "QUEUED"),
            "",
            "Events that leave a leg where it is (receipts overtake each other):",
            "",
            "| event | in |",
            "|---|---|",
            *_stays(legs),
            "",
            "| set | states |",
            "|---|---|",
            *(
                f"| {name} | {_listed(states)} |"
                for name, states in (
                    ("acknowledged: a named role has it", ACKNOWLEDGED),
                    ("answered: the agency has decided", ANSWERED),
                    ("taken on: the receiving agency is responsible", TAKEN_ON),
                    ("settled: no further answer is awaited", SETTLED),
                )
            ),
            "",
            "## Handover: one version",
            "",
            mermaid(handovers, "DRAFT"),
            "",
        ]
    )


def _stays(table: Mapping[tuple[str, str], str]) -> list[str]:
    events = dict.fromkeys(event for (before, event), after in table.items() if before == after)
    return [
        f"| {event} | {_listed(s for (s, e), t in table.items() if e == event and s == t)} |"
        for event in events
    ]


def _listed(states: Iterable[str]) -> str:
    held = set(states)
    return ", ".join(state for state in LegState if state in held)


if __name__ == "__main__":
    sys.stdout.write(document())
