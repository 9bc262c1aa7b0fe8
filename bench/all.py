"""Every benchmark in turn, and their summary: one table P1 to P12, JSON, Markdown and a picture.

    make bench            # the short set, within ten minutes
    make bench-long       # the long one: a million stored, a million waiting, more rounds
    .venv/bin/python bench/all.py --summary    # only the summary, of whatever was measured last

One that fails or takes too long is named, and the others go on; the exit code then is 1. Its row of the table
stays empty: a figure of another day never fills it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _plot import picture
from _report import RESULTS, machine
from _summary import Found, as_json, as_markdown, as_text, collect, described

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Run:
    """A script. ``file``: what it keeps, without ".json". ``seconds``: after which the short one is ended."""

    script: str
    file: str
    short: Sequence[str] = ()
    long: Sequence[str] = ()
    seconds: int = 150


RUNS = (
    Run("startup", "startup", ("--rounds", "5"), ("--rounds", "15"), 60),
    Run("wire", "wire", seconds=60),
    Run("crypto", "crypto", ("--rounds", "1000"), ("--rounds", "5000"), 60),
    Run("exchange", "exchange_sqlite", ("--rounds", "3"), ("--rounds", "9")),
    Run("against", "against", ("--rounds", "2", "--seconds", "1.5"), ("--rounds", "7"), 240),
    Run("urgent", "urgent_sqlite", ("--turns", "300", "--rounds", "3"), ("--turns", "2000")),
    Run("areas", "areas", ("--rounds", "2", "--seconds", "3"), ("--rounds", "7"), 180),
    Run("stored", "stored", ("--rounds", "3", "--seconds", "2"), ("--records", "1000000"), 200),
    Run("workers", "workers", ("--rounds", "3"), ("--rounds", "9")),
    Run("backlog", "backlog", ("--only", "outbox"), ("--waiting", "1000000", "--intake", "1000000"), 180),
)  # fmt: skip
LONG = 3 * 3600


def perform(run: Run, folder: Path, *, long: bool) -> str:
    """ "" when it kept its figures, or why not. Its output goes to ours, line by line."""
    path = HERE / f"{run.script}.py"
    if not path.is_file():
        return "there is no such script"
    command = [sys.executable, str(path), *(run.long if long else run.short), "--keep", str(folder)]
    print(f"\n== {' '.join(command[1:])}", flush=True)
    process = subprocess.Popen(command, process_group=0)
    try:
        code = process.wait(LONG if long else run.seconds)
    except subprocess.TimeoutExpired:
        _end(process)
        return f"not done after {LONG if long else run.seconds} s"
    except BaseException:
        _end(process)
        raise
    return f"ended with {code}" if code else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    """By the signal that it clears up at; whatever it started goes with it."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def summarise(folder: Path, found: Sequence[Found], about: Mapping[str, Any]) -> str:
    """Write summary.txt, .json, .md and .svg; returns the table."""
    peers = _peers(folder, found)
    shown = as_text(found, about)
    (folder / "summary.txt").write_text(shown + "\n", encoding="utf-8")
    (folder / "summary.json").write_text(
        json.dumps({"machine": about, "measures": as_json(found)}, indent=2) + "\n", encoding="utf-8"
    )
    (folder / "summary.md").write_text(as_markdown(found, about, peers), encoding="utf-8")
    (folder / "summary.svg").write_text(picture(found, described(about), peers), encoding="utf-8")
    return shown


def _peers(folder: Path, found: Sequence[Found]) -> Mapping[str, Any] | None:
    """The figures of ``against.py``, when this run has them."""
    if not any(one.value for one in found if one.measure.file == "against"):
        return None
    figures: Mapping[str, Any] = json.loads((folder / "against.json").read_text(encoding="utf-8"))
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--long", action="store_true", help="the long set (hours)")
    parser.add_argument("--summary", action="store_true", help="run nothing; sum up what is there")
    parser.add_argument("--only", nargs="+", choices=[run.script for run in RUNS], help="these alone")
    parser.add_argument("--keep", type=Path, default=RESULTS, help="folder for the figures")
    options = parser.parse_args()
    options.keep.mkdir(parents=True, exist_ok=True)
    about, began, failed = machine(), time.time(), dict[str, str]()
    for run in () if options.summary else RUNS:
        if options.only and run.script not in options.only:
            continue
        at = time.monotonic()
        if why := perform(run, options.keep, long=options.long):
            failed[run.file] = why
            print(f"{run.script}: {why}", file=sys.stderr)
        print(f"({run.script}: {time.monotonic() - at:.0f} s)", flush=True)
    since = 0.0 if options.summary or options.only else began
    print("\n" + summarise(options.keep, collect(options.keep, failed, since), about))
    print(f"kept in {options.keep / 'summary.md'} and .svg; {time.time() - began:.0f} s", file=sys.stderr)
    for file, why in failed.items():
        print(f"FAILED: {file}: {why}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
