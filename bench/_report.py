"""What every benchmark here shares: describing the machine, medians of pairs, a table and a JSON file.

Rules: a shared machine is noisy, so contenders take turns (A B A B ...) within one run, and what counts is
the ratio of neighbours, its median, and how far it ranged. A figure by itself is never compared with a
figure of another run.
"""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

RESULTS = Path(__file__).parent / "results"
LIBRARIES = ("aio-pika", "aiormq", "cryptography", "pydantic", "pynacl", "sqlalchemy", "uvloop")


def machine() -> dict[str, Any]:
    """Where a figure was taken: it means nothing without."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%dT%H:%MZ}",
        "commit": _output("git", "describe", "--always", "--dirty"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "system": platform.platform(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "rabbitmq": _output("dpkg-query", "-W", "-f", "${Version}", "rabbitmq-server"),
        "libraries": {name: _version(name) for name in LIBRARIES},
    }


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and greatest."""
    return {"median": median(values), "min": min(values), "max": max(values)}


def ratios(above: Sequence[float], below: Sequence[float]) -> dict[str, float]:
    """Pair by pair: what ran side by side met the same noise."""
    if not all(below):
        raise SystemExit("a round counted nothing: longer rounds, or a quieter machine")
    return spread([a / b for a, b in zip(above, below, strict=True)])


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Plain text in columns; numbers to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(heads), *cells]) for i in range(len(heads))]
    lines = [
        "  ".join(
            text.ljust(width) if place == 0 else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in [list(heads), ["-" * width for width in widths], *cells]
    ]
    return "\n".join([title, *lines])


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def publish(name: str, shown: str, figures: Mapping[str, Any], folder: Path | None) -> None:
    """Print the table; keep it and the figures as ``name``.txt and .json in ``folder``, if one is given."""
    print(shown)
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.txt").write_text(shown + "\n", encoding="utf-8")
    (folder / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(f"kept in {folder / name}.json", file=sys.stderr)
