"""P12: how long `gateway --help` and `gateway run` to ready take, as whole processes.

    .venv/bin/python bench/startup.py --help

"Ready" is the line that the node prints when its API listens: keys unlocked, store open, broker connected. A
bare interpreter takes its turn in between, so that a slow moment of the machine shows.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from typing import Any

from _report import RESULTS, machine, publish, spread, table

from gateway.clock import SystemClock
from gateway.demo.boroughs import prepare
from gateway.testing.broker import PrivateBroker
from gateway.transports.rabbit import declare
from keys_example import AREAS

Run = Callable[[], float]


def finished(*arguments: str) -> float:
    """Seconds until the process has ended well."""
    began = perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return perf_counter() - began


def ready(config: Path) -> float:
    """Seconds until ``gateway run`` says where it listens; then it is stopped."""
    began = perf_counter()
    command = [sys.executable, "-m", "gateway", "run", "--config", str(config), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        line = process.stdout.readline() if process.stdout else b""
        took = perf_counter() - began
        process.send_signal(signal.SIGTERM)
        process.wait()
    if b'"api"' not in line:
        raise SystemExit("the node did not start: no figures")
    return took


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--keep", type=Path, help=f"folder for the figures, such as {RESULTS}")
    options = parser.parse_args()
    times: dict[str, list[float]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-bench-")))
        broker = PrivateBroker()
        (folder / "broker").mkdir()
        broker.start(folder / "broker")
        stack.callback(broker.close)
        asyncio.run(declare(broker.url, AREAS))
        hackney, _ = asyncio.run(prepare(folder, SystemClock().now(), broker_urls=[broker.url]))
        runs: dict[str, Run] = {
            "python -c pass": lambda: finished("-c", "pass"),
            "gateway --help": lambda: finished("-m", "gateway", "--help"),
            "gateway run, to ready": lambda: ready(hackney.config),
        }
        for _ in range(options.rounds):
            for name, run in runs.items():
                times.setdefault(name, []).append(run())
    figures: dict[str, Any] = {"measure": "P12: seconds, whole processes", "machine": machine()}
    figures["seconds"] = {name: spread(values) for name, values in times.items()}
    rows = [[name, *spread(values).values()] for name, values in times.items()]
    shown = table(f"{options.rounds} runs each, seconds", ["", "median", "min", "max"], rows)
    publish("startup", shown, figures, options.keep)


if __name__ == "__main__":
    main()
