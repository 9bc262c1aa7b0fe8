"""Fuzz every parser that takes bytes from outside: only the one error escapes (attack case 118).

    make fuzz N=10000000                                       # or: .venv/bin/python bench/fuzz.py --help
    .venv/bin/python bench/fuzz.py --only receipt --seed 7 --number 100000

One process; inputs are made from good ones by a seeded generator (fuzzing/changes.py), the parsers stand in
fuzzing/. What else escapes is kept as a file with the seed that made it, and the exit code is 1.
Memory and the longest time of one input are kept too: a parser that needs a second for one input is a hole.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import resource
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import perf_counter
from traceback import extract_tb
from typing import Any

import structlog
from _report import RESULTS, machine, publish, table
from fuzzing import Target, changes_for, targets

sys.path.insert(0, str(Path(__file__).parent.parent))

ROUND = 2000
"""Inputs of one parser before the next has its turn: what stops early has been everywhere."""

TELL = 60
"""Seconds between two words on how far it is."""


@dataclass(slots=True)
class Tally:
    """One parser's inputs: how many were taken, refused by code, and what escaped (place -> first input)."""

    inputs: int = 0
    taken: int = 0
    seconds: float = 0.0
    longest: float = 0.0
    refused: Counter[str] = field(default_factory=Counter)
    escaped: dict[str, str] = field(default_factory=dict)


def run(name: str, target: Target, seed: int, number: int, tally: Tally) -> None:
    """``number`` inputs, the same for the same name and seed."""
    random = Random(f"{name} {seed}")
    changes, make, read, allowed = changes_for(target, random), target.make, target.read, target.raises
    began = perf_counter()
    for _ in range(number):
        made = make(changes)
        start = perf_counter()
        try:
            read(made)
            tally.taken += 1
        except allowed as error:
            tally.refused[getattr(error, "code", "") or type(error).__name__] += 1
        except (KeyboardInterrupt, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - what escapes is what is looked for
            _keep(name, seed, made, error, tally)
        took = perf_counter() - start
        tally.longest = max(tally.longest, took)
    tally.inputs += number
    tally.seconds += perf_counter() - began


def _keep(name: str, seed: int, made: Any, error: Exception, tally: Tally) -> None:
    last = extract_tb(error.__traceback__)[-1]
    place = f"{type(error).__name__} at {Path(last.filename).name}:{last.name}"
    if place not in tally.escaped:
        shown = made if isinstance(made, bytes) else repr(made).encode(errors="backslashreplace")
        file = Path("fuzz-found") / f"{name.replace(' ', '_')}-{hashlib.sha256(shown).hexdigest()[:12]}"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(shown)
        tally.escaped[place] = str(file)
        print(f"ESCAPED from {name}, seed {seed}: {place}; input in {file}", file=sys.stderr)


def fuzz(number: int, seed: int, chosen: Mapping[str, Target]) -> dict[str, Tally]:
    """About ``number`` inputs over all of ``chosen``, by their weights, in rounds."""
    tallies = {name: Tally() for name in chosen}
    whole = sum(target.weight for target in chosen.values())
    due = {name: max(1, round(number * target.weight / whole)) for name, target in chosen.items()}
    turn, told = 0, perf_counter()
    while any(tally.inputs < due[name] for name, tally in tallies.items()):
        for name, target in chosen.items():
            left = due[name] - tallies[name].inputs
            if left > 0:
                size = min(left, max(1, round(ROUND * target.weight)))
                run(name, target, seed + turn, size, tallies[name])
        turn += 1
        if perf_counter() - told > TELL:
            told = perf_counter()
            print(
                f"{sum(one.inputs for one in tallies.values()):,} of {number:,}", file=sys.stderr, flush=True
            )
    return tallies


def report(tallies: Mapping[str, Tally], seed: int, keep: Path | None) -> None:
    rows = [
        [name, one.inputs, one.taken, len(one.refused), round(one.inputs / max(one.seconds, 1e-9)),
         f"{one.longest * 1000:.1f}", len(one.escaped)]
        for name, one in tallies.items()
    ]  # fmt: skip
    total = sum(one.inputs for one in tallies.values())
    taken, escaped = (
        sum(column) for column in zip(*((t.taken, len(t.escaped)) for t in tallies.values()), strict=True)
    )
    rows.append(["all", total, taken, "", "", "", escaped])
    heads = ["parser", "inputs", "taken", "codes", "a second", "longest ms", "escaped"]
    figures = {
        "measure": "attack case 118: inputs to parsers, and what escaped",
        "machine": machine(),
        "seed": seed,
        "inputs": total,
        "memory MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "parsers": {
            name: {
                "inputs": one.inputs, "taken": one.taken, "seconds": round(one.seconds, 1),
                "longest ms": round(one.longest * 1000, 1), "refused": dict(one.refused.most_common()),
                "escaped": one.escaped,
            }
            for name, one in tallies.items()
        },
    }  # fmt: skip
    publish("fuzz", table(f"{total:,} inputs, seed {seed}", heads, rows), figures, keep)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--number", "-n", type=int, default=100_000, help="inputs over all parsers")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", help="one parser by its name; may be repeated")
    parser.add_argument("--list", action="store_true", help="the names of the parsers")
    parser.add_argument("--keep", type=Path, help=f"folder for the figures, such as {RESULTS}")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    every = targets()
    if options.list:
        print(json.dumps(list(every), indent=1))
        return
    chosen = {name: every[name] for name in options.only or every}
    tallies = fuzz(options.number, options.seed, chosen)
    report(tallies, options.seed, options.keep)
    sys.exit(1 if any(one.escaped for one in tallies.values()) else 0)


if __name__ == "__main__":
    main()
