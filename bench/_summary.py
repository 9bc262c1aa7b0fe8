"""P1 to P12 of the design in one table and one picture, out of the JSON that each benchmark keeps.

Duty: where each figure stands, whether it reaches its goal, and rendering: text, Markdown, SVG. Nothing runs
here (``all.py`` does that), and what was not measured is said to be so: an old figure never fills a gap.

Example::

    found = collect(RESULTS, since=began)
    print(as_text(found, about))
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _report import table

Figures = Mapping[str, Any]
Spread = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Measure:
    """One row. ``file``: of which benchmark; ``pick`` finds the figure in it. ``more``: more is better."""

    number: str
    what: str
    file: str
    pick: Callable[[Figures], Spread]
    goal: float
    more: bool = True
    unit: str = ""
    note: Callable[[Figures], str] = lambda _: ""


@dataclass(frozen=True, slots=True)
class Found:
    """``value`` None: not measured, ``note`` says why."""

    measure: Measure
    value: Spread | None
    note: str = ""

    @property
    def reached(self) -> bool:
        if self.value is None:
            return False
        median = self.value["median"]
        return median >= self.measure.goal if self.measure.more else median <= self.measure.goal

    @property
    def share(self) -> float:
        """1.0 is the goal, more is better, whichever way the measure counts."""
        if self.value is None:
            return 0.0
        median = self.value["median"]
        return median / self.measure.goal if self.measure.more else self.measure.goal / max(median, 1e-9)


def at(*path: str) -> Callable[[Figures], Spread]:
    def pick(figures: Figures) -> Spread:
        found: Any = figures
        for name in path:
            found = found[name]
        return found if isinstance(found, Mapping) else one(float(found))

    return pick


def one(value: float) -> Spread:
    return {"median": value, "min": value, "max": value}


def _memory(figures: Figures) -> Spread:
    return one(max(row["peak MB"] for row in figures["outbox"]))


def _waiting(figures: Figures) -> str:
    return f"{max(row['waiting'] for row in figures['outbox']):,} waiting"


def _stored(figures: Figures) -> str:
    return f"{figures['options']['records']:,} stored"


def _bytes(number: int) -> Callable[[Figures], Spread]:
    return lambda figures: one(list(figures["bytes"].values())[number]["value"])


def _limit(figures: Figures) -> Spread:
    last = list(figures["bytes"].values())[2]
    return one(last["value"] / last["goal"])


def _plain(figures: Figures) -> Spread:
    """P10 as its script calls it: the ratio itself, or the one ratio that it keeps."""
    found = figures.get("P10") or figures.get("ratio") or next(iter(figures["ratios"].values()))
    return found if isinstance(found, Mapping) else one(float(found))


LESS = False
READY = "gateway run, to ready"
ONE, MANY = "gateway, one envelope a message", "gateway, bundled"
MEASURES: Sequence[Measure] = (
    Measure("P1a", "exchanges/s / raw echo, one a message", "exchange_sqlite", at("ratios", ONE), 0.5),
    Measure("P1b", "exchanges/s / raw echo, bundled", "exchange_sqlite", at("ratios", MANY), 1.0),
    Measure("P2a", "core / its raw calls, 1 agency", "crypto", at("1 agencies", "ratio"), 1.4, LESS),
    Measure("P2b", "core / its raw calls, 8 agencies", "crypto", at("8 agencies", "ratio"), 1.4, LESS),
    Measure("P3", "exchanges/s / pyas2lib cycles/s", "against", at("P3"), 10),
    Measure("P4", "exchanges/s / NHS mesh-sandbox cycles/s", "against", at("P4"), 20),
    Measure("P5", "lone urgent p50 / raw echo p50", "urgent_sqlite", at("P5"), 4, LESS),
    Measure("P6", "urgent p99, full load / idle", "urgent_sqlite", at("P6"), 3, LESS),
    Measure("P7", "cost beside many stored / beside 1,000", "stored", at("P7"), 1.2, LESS, note=_stored),
    Measure("P8", "33 areas all to all / one pair", "areas", at("P8"), 0.9),
    Measure("P9", "memory of a node with a backlog", "backlog", _memory, 200, LESS, "MB", note=_waiting),
    Measure("P10", "two worker processes / one", "workers", _plain, 1.7),
    Measure("P11a", "4 KB for 1 agency", "wire", _bytes(0), 9 * 1024, LESS, "bytes"),
    Measure("P11b", "4 KB for 8 agencies", "wire", _bytes(1), 21 * 1024, LESS, "bytes"),
    Measure("P11c", "example 1 / (2.5 JSON + 1.3 KB a slot)", "wire", _limit, 1, LESS),
    Measure("P12a", "gateway --help", "startup", at("seconds", "gateway --help"), 0.3, LESS, "s"),
    Measure("P12b", "gateway run, to ready", "startup", at("seconds", READY), 1.5, LESS, "s"),
)  # fmt: skip


def collect(folder: Path, failed: Mapping[str, str], since: float = 0.0) -> Sequence[Found]:
    """Each measure with its figure. ``failed``: why, by file; a file older than ``since`` (unix seconds) is
    another run's."""
    found = []
    for measure in MEASURES:
        path = folder / f"{measure.file}.json"
        if measure.file in failed:
            found.append(Found(measure, None, failed[measure.file]))
        elif not path.is_file() or path.stat().st_mtime < since:
            found.append(Found(measure, None, "not measured"))
        else:
            found.append(_found(measure, json.loads(path.read_text(encoding="utf-8"))))
    return found


def _found(measure: Measure, figures: Figures) -> Found:
    try:
        return Found(measure, measure.pick(figures), measure.note(figures))
    except (KeyError, IndexError, StopIteration, TypeError, ValueError):
        return Found(measure, None, "the file does not hold it")


def as_rows(found: Sequence[Found]) -> list[list[str]]:
    rows = []
    for one_found in found:
        measure, value = one_found.measure, one_found.value
        goal = f"{'>=' if measure.more else '<='} {number(measure.goal)} {measure.unit}".strip()
        shown = [number(value[name]) for name in ("median", "min", "max")] if value else ["-", "-", "-"]
        reached = ("yes" if one_found.reached else "no") if value else "-"
        rows.append([f"{measure.number} {measure.what}", goal, *shown, reached, one_found.note])
    return rows


def as_json(found: Sequence[Found]) -> list[dict[str, Any]]:
    return [
        {
            "number": row.measure.number,
            "measure": row.measure.what,
            "goal": row.measure.goal,
            "more is better": row.measure.more,
            "unit": row.measure.unit,
            "value": dict(row.value) if row.value else None,
            "reached": row.reached if row.value else None,
            "note": row.note,
        }
        for row in found
    ]


HEADS = ("measure", "goal", "median", "min", "max", "reached", "")


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def as_text(found: Sequence[Found], about: Figures) -> str:
    return table(described(about), HEADS, as_rows(found))


def as_markdown(found: Sequence[Found], about: Figures, peers: Figures | None) -> str:
    """For a README: the table of measures and, when they were measured, that of peers."""
    lines = [f"{described(about)}.", "", *_grid(HEADS, as_rows(found))]
    if peers:
        rates, over, titles = peers["rates"], peers["ratios"], peers["titles"]
        ours = next(name for name in rates if name not in titles)
        rows = [
            [f"**{ours}**", number(rates[ours]["median"]), "", "durable, brokered, to the signed receipt"]
        ]
        for name in sorted(over, key=lambda one_name: rates[one_name]["median"]):
            spread = over[name]
            ratio = f"{number(spread['median'])} ({number(spread['min'])} to {number(spread['max'])})"
            rows.append([titles[name], number(rates[name]["median"]), ratio, peers["what"][name]])
        lines += ["", *_grid(("", "cycles a second", "ours over it", "what a cycle is"), rows)]
        lines += [f"\nNot measured: {titles[name]} ({why})." for name, why in peers["absent"].items()]
    return "\n".join(lines) + "\n"


def _grid(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    safe = [[cell.replace("|", "/") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *safe)]


def described(about: Figures) -> str:
    """The machine and the day, in a line."""
    load = about["load"][0] if about.get("load") else "?"
    parts = [about["date"], about["processor"], f"{about['cores']} cores", f"Python {about['python']}"]
    parts += [f"RabbitMQ {about['rabbitmq']}", f"SQLite {about['sqlite']}", f"commit {about['commit']}"]
    return ", ".join([*(str(part) for part in parts), f"load {load} at the start"])
