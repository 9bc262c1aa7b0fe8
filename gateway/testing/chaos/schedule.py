"""When what goes wrong and what is asked meanwhile: drawn from a seed, printed as text, the same every time.

Duty: draw. It leaves out doing (:mod:`gateway.testing.chaos.history`). Rules: everything random of a history
comes from its seed, so a failure is run again with the seed alone; what the machine's timing adds, nobody can
repeat, and a run of the same seed may pass.

Example::

    plan = draw(seed=7, kinds=["node_kill", "line_cut"])
    print(plan.text())
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.testing.boroughs import BEXLEY, HACKNEY
from gateway.testing.chaos.load import NAMES

SECONDS: Final = 9.0
"""In which everything begins; what lasts goes on a little longer."""

FAULTS: Final = 10
HANDOVERS: Final = 6
CORRECTIONS: Final = 2
READS_HISTORY: Final = frozenset({"POLICE", "PROBATION"})


@dataclass(frozen=True, slots=True, order=True)
class Planned:
    """A fault: when it begins, how long it lasts, whose part it hits. ``seed``: of its own choices."""

    at: float
    name: str
    area: str
    lasts: float
    seed: int


@dataclass(frozen=True, slots=True, order=True)
class Asked:
    """A handover to ``agencies``, or with ``about`` the notice about the handover of that number."""

    at: float
    number: int
    agencies: tuple[str, ...]
    about: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int
    faults: tuple[Planned, ...]
    load: tuple[Asked, ...]

    def text(self) -> str:
        lines = [f"seed {self.seed}"]
        lines += [
            f"{f.at:6.2f}  fault  {f.name} {f.area} for {f.lasts:.2f} s ({f.seed})" for f in self.faults
        ]
        lines += [
            f"{a.at:6.2f}  asked  {f'notice about {a.about}' if a.about else f'handover {a.number}'}"
            f" {' '.join(a.agencies)}"
            for a in self.load
        ]
        return "\n".join(lines) + "\n"


def draw(
    seed: int,
    kinds: Collection[str],
    *,
    faults: int = FAULTS,
    seconds: float = SECONDS,
    first: Sequence[str] = (),
) -> Plan:
    """``kinds``: the names to draw from. ``first``: names that must be among them, whatever is drawn."""
    chance = random.Random(seed)
    names = [*first, *(chance.choice(sorted(kinds)) for _ in range(faults - len(first)))][:faults]
    planned = tuple(sorted(_fault(chance, name, seconds) for name in names))
    asked = [_handover(chance, number, seconds) for number in range(1, HANDOVERS + 1)]
    notices = [_notice(chance, 100 + number, seconds) for number in range(CORRECTIONS)]
    return Plan(seed, planned, tuple(sorted([*asked, *notices])))


def _fault(chance: random.Random, name: str, seconds: float) -> Planned:
    return Planned(
        at=round(chance.uniform(0.2, seconds), 2),
        name=name,
        area=chance.choice([HACKNEY, BEXLEY]),
        lasts=round(chance.uniform(0.3, 2.5), 2),
        seed=chance.randrange(2**31),
    )


def _handover(chance: random.Random, number: int, seconds: float) -> Asked:
    drawn = {*chance.sample(NAMES, chance.randint(1, len(NAMES)))}
    if not drawn & READS_HISTORY:  # the example's roles rest on its history: somebody has to read that
        drawn.add(chance.choice(sorted(READS_HISTORY)))
    chosen = tuple(name for name in NAMES if name in drawn)
    return Asked(round(chance.uniform(0.0, seconds), 2), number, chosen)


def _notice(chance: random.Random, number: int, seconds: float) -> Asked:
    return Asked(round(chance.uniform(seconds / 2, seconds), 2), number, (), chance.randint(1, HANDOVERS))
