"""Many histories, one after the other, until enough faults were injected; their summary as text and JSON.

Duty: choose seeds, run, add up, write down. It leaves out one history (:mod:`gateway.testing.chaos.history`).

Rules
-----
- ``number`` counts INJECTED FAULTS, not histories: a history draws about ten.
- A failure ends nothing: the campaign goes on, and the folder of that history is kept with its plan, its
  events and everything that any party wrote. The folders of good ones go.
- What could not be done on this machine stands in the summary, by name and reason.

Example::

    python -m gateway.testing.chaos --number 1000 --seed 1 --keep bench/results
"""

from __future__ import annotations

import asyncio
import json
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.errors import GatewayError, Misconfigured
from gateway.testing.boroughs import BEXLEY
from gateway.testing.chaos import history
from gateway.testing.chaos.faults import FAULTS
from gateway.testing.chaos.history import Outcome
from gateway.testing.chaos.schedule import draw
from gateway.testing.chaos.world import PrivateHub, discard
from gateway.testing.postgres import Postgres, start_postgres

HUB_LIFE: Final = 20
"""Histories that one broker serves: deleted virtual hosts leave traces, and a broker slows down with them."""

IN_VAIN: Final = 3
"""Histories without one fault, after which a campaign gives up."""

POSTGRES_EVERY: Final = 3
"""Every third history has the destination on PostgreSQL."""


@dataclass(slots=True)
class Campaign:
    """``left_out``: fault -> why it was not tried here."""

    number: int
    seed: int
    outcomes: list[Outcome] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def injected(self) -> int:
        return sum(len(one.injected) for one in self.outcomes)

    @property
    def worthwhile(self) -> bool:
        """False when nothing can be injected: then it is the suite, or the machine, that is broken."""
        return any(one.injected for one in self.outcomes[-IN_VAIN:]) or len(self.outcomes) < IN_VAIN

    @property
    def never(self) -> list[str]:
        """Tried and never once done: a fault of the suite itself, which would look like success."""
        done = {name for one in self.outcomes for name in one.injected}
        return sorted({text.partition(":")[0] for one in self.outcomes for text in one.failed} - done)

    @property
    def bad(self) -> list[Outcome]:
        return [one for one in self.outcomes if not one.good]


def kinds(only: Collection[str] = ()) -> tuple[list[str], dict[str, str]]:
    """(the faults that can be done here, the others with the reason). Raises Misconfigured."""
    if unknown := set(only) - FAULTS.keys():
        raise Misconfigured(
            f"no fault is called {', '.join(sorted(unknown))}",
            remedy=f"one or several of: {', '.join(FAULTS)}",
        )
    chosen = {name: kind for name, kind in FAULTS.items() if not only or name in only}
    left_out = {name: why for name, kind in chosen.items() if (why := kind.missing())}
    return [name for name in chosen if name not in left_out], left_out


def conduct(
    number: int, seed: int, folder: Path, only: Collection[str] = (), *, say: bool = True
) -> Campaign:
    """Histories of seed, seed + 1, ... until ``number`` faults were injected."""
    names, left_out = kinds(only)
    campaign = Campaign(number, seed, left_out=left_out)
    began = time.monotonic()
    with ExitStack() as stack:
        postgres = _postgres(stack, campaign)
        while campaign.injected < number and campaign.worthwhile:
            first = seed + len(campaign.outcomes)
            with PrivateHub(Path(tempfile.mkdtemp(prefix="broker-", dir=folder)) / "b") as hub:
                for one in range(first, first + HUB_LIFE):
                    campaign.outcomes.append(_one(one, names, folder, hub, postgres))
                    campaign.seconds = time.monotonic() - began
                    if say:
                        print(_line(campaign), flush=True)
                    if campaign.injected >= number or campaign.outcomes[-1].error:
                        break  # after an error the broker itself may be what is broken
            discard(hub.folder.parent)
    return campaign


def _postgres(stack: ExitStack, campaign: Campaign) -> Postgres | None:
    try:
        return stack.enter_context(start_postgres())
    except GatewayError as error:
        campaign.left_out["(PostgreSQL)"] = error.message
        return None


def _one(
    seed: int, names: Sequence[str], folder: Path, hub: PrivateHub, postgres: Postgres | None
) -> Outcome:
    place = folder / f"history-{seed}"
    discard(place)
    urls, beside = {}, []
    if postgres is not None and seed % POSTGRES_EVERY == 0:
        postgres.drop(f"h{seed}")
        urls[BEXLEY] = postgres.create(f"h{seed}")
        beside = [postgres.folder]
    # In turn, so that each kind comes up again and again: chance alone would leave some out for long.
    first = [names[(seed * 3 + step) % len(names)] for step in range(3)]
    outcome = asyncio.run(history.run(draw(seed, names, first=first), place, hub, urls, beside))
    if outcome.good:
        discard(place)
        if urls and postgres is not None:
            postgres.drop(f"h{seed}")
    else:
        (place / "outcome.json").write_text(json.dumps(told(outcome), indent=1), encoding="utf-8")
    return outcome


def told(one: Outcome) -> dict[str, Any]:
    return {
        "seed": one.seed,
        "injected": one.injected,
        "not injected": one.failed,
        "recovery": one.recovery,
        "wrong": {name: found for name, found in one.wrong.items() if found},
        "refused": one.refused,
        "figures": one.figures,
        "error": one.error,
    }


def _line(campaign: Campaign) -> str:
    one = campaign.outcomes[-1]
    verdict = "good" if one.good else f"FAILED {sorted(k for k, v in one.wrong.items() if v) or 'error'}"
    return (
        f"seed {one.seed}: {len(one.injected)} faults, recovery {one.recovery:.1f} s, {verdict}"
        f" ({campaign.injected}/{campaign.number}, {campaign.seconds:.0f} s)"
    )


def summary(campaign: Campaign) -> dict[str, Any]:
    """Everything as plain values, for JSON."""
    injected = Counter(name for one in campaign.outcomes for name in one.injected)
    missed = Counter(text.partition(":")[0] for one in campaign.outcomes for text in one.failed)
    figures = Counter[str]()
    for one in campaign.outcomes:
        figures.update(one.figures)
    recovery = sorted(one.recovery for one in campaign.outcomes if one.recovery >= 0)
    names = sorted({name for one in campaign.outcomes for name in one.wrong})
    return {
        "asked for": campaign.number,
        "injected": campaign.injected,
        "histories": len(campaign.outcomes),
        "failed": [told(one) for one in campaign.bad],
        "seconds": round(campaign.seconds),
        "first seed": campaign.seed,
        "faults": {
            name: {
                "injected": injected[name],
                "histories": sum(name in one.injected for one in campaign.outcomes),
                "not possible at that moment": missed[name],
            }
            for name in FAULTS
        },
        "never done": campaign.never,
        "left out": campaign.left_out,
        "oracles": {
            name: {
                "held": sum(not one.wrong[name] for one in campaign.outcomes if name in one.wrong),
                "broken": sum(bool(one.wrong.get(name)) for one in campaign.outcomes),
            }
            for name in names
        },
        "figures": dict(figures),
        "recovery": {
            "p50": statistics.median(recovery) if recovery else None,
            "max": recovery[-1] if recovery else None,
        },
        "machine": f"{platform.platform()}, Python {platform.python_version()}",
    }


def text(found: dict[str, Any]) -> str:
    """The same as a table for people."""
    seeds = [one["seed"] for one in found["failed"]]
    lines = [
        f"{found['injected']} faults in {found['histories']} histories, {found['seconds']} s;"
        f" seeds from {found['first seed']}",
        f"failed histories: {len(seeds)}" + (f", seeds {' '.join(map(str, seeds))}" if seeds else ""),
        "",
        f"{'fault':30} {'injected':>9} {'histories':>10} {'not possible':>13}",
    ]
    for name, row in found["faults"].items():
        lines.append(
            f"{name:30} {row['injected']:9} {row['histories']:10} {row['not possible at that moment']:13}"
        )
    lines += [f"tried and never done: {name}" for name in found["never done"]]
    lines += [f"left out: {name}: {why}" for name, why in found["left out"].items()]
    lines += ["", f"{'oracle':30} {'held':>9} {'broken':>10}"]
    lines += [f"{name:30} {row['held']:9} {row['broken']:10}" for name, row in found["oracles"].items()]
    lines += ["", *(f"{name:34} {value:9}" for name, value in found["figures"].items())]
    lines += [
        "",
        f"recovery after the last fault: p50 {found['recovery']['p50']} s, max {found['recovery']['max']} s",
        found["machine"],
    ]
    for one in found["failed"]:
        lines.append(f"\nseed {one['seed']}: {json.dumps(one['wrong'], indent=1)} {one['error']}")
    return "\n".join(lines) + "\n"


def keep(campaign: Campaign, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    found = summary(campaign)
    (folder / "faults.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (folder / "faults.txt").write_text(text(found), encoding="utf-8")


def scratch() -> Path:
    return Path(tempfile.mkdtemp(prefix="gateway-faults-"))


def finish(campaign: Campaign, folder: Path, results: Path | None) -> int:
    """Print, keep, tidy up. 1 when anything failed, or a fault was tried and never done."""
    if results is not None:
        keep(campaign, results)
    sys.stdout.write("\n" + text(summary(campaign)))
    if campaign.bad:
        sys.stdout.write(f"\nfolders of the failed histories: {folder}\n")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 1 if campaign.never else 0
