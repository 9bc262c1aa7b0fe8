"""Counts that may be printed: none that points at a few people, directly or by subtraction.

Duty: take a table of counts with its total, and say which of them are shown. It leaves out what is counted
(:mod:`gateway.flows.report`). The threshold is five: a count of 1 to 4 in a borough's quarter is a handful of
people whom a reader may know.

Rules:

- A count from 1 to 4 is withheld; so is a total from 1 to 4. A zero is shown: it is nobody.
- What is withheld must not come back by subtraction: with every count under five the smallest one over it is
  withheld too, so that of none of them a reader who knows these rules can tell its value, and the withheld
  ones together are so many that each could be five or more.
- Where nothing is left to withhold, the whole table is: then also its zeros, and the total alone stays.
- A rate is shown only where the count and what is left of the whole are both shown.

>>> suppress({"a": 3, "b": 20, "c": 40}).cells
{'a': None, 'b': None, 'c': 40}
>>> suppress({"a": 0, "b": 20, "c": 40}).cells
{'a': 0, 'b': 20, 'c': 40}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

LEAST: Final = 5
"""The smallest count of people that is printed."""

WITHHELD: Final = "under 5 or withheld"


@dataclass(frozen=True, slots=True)
class Table:
    """None: not shown. ``total`` is the sum of all cells, shown or not."""

    cells: dict[str, int | None]
    total: int | None


def suppress(counts: Mapping[str, int]) -> Table:
    """The table as it may be printed. Categories keep their order."""
    withheld = {name for name, count in counts.items() if 0 < count < LEAST}
    while withheld and not _safe(counts, withheld):
        shown = {name: count for name, count in counts.items() if name not in withheld and count}
        if not shown:
            withheld = set(counts)
            break
        least = min(shown.values())  # all of one value: which of them was taken would tell something
        withheld |= {name for name, count in shown.items() if count == least}
    total = sum(counts.values())
    cells = {name: None if name in withheld else count for name, count in counts.items()}
    return Table(cells, None if 0 < total < LEAST else total)


def _safe(counts: Mapping[str, int], withheld: set[str]) -> bool:
    """One of them is no small count, and nobody can tell which; each is at least one, so the most that one
    can be is what the others leave of their sum."""
    found = [counts[name] for name in withheld]
    return max(found) >= LEAST and sum(found) - (len(found) - 1) >= LEAST


def part(count: int, whole: int) -> int | None:
    """A count out of a whole that is printed too; None where it, or the rest, is 1 to 4."""
    rest = whole - count
    return None if 0 < count < LEAST or 0 < rest < LEAST else count


def rate(count: int, whole: int) -> int | None:
    """Per cent of the whole, rounded; None where there is none, or where the count may not be printed."""
    return None if not whole or part(count, whole) is None else (200 * count + whole) // (2 * whole)


def enough(values: int) -> bool:
    """Whether so many measurements may be summed up in a median."""
    return values >= LEAST
