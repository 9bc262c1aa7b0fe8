"""``gateway run`` whose clock is the machine's plus what a file says: for faults of clocks alone.

usage: python -m gateway.testing.chaos.node OFFSETFILE run --config FILE --json

The product has no setting and no variable for this: a node's clock is replaced here from outside, as a
hypervisor or a bad time server would set it. The file holds seconds, and is read again at every look.
"""

from __future__ import annotations

import runpy
import sys
import time
from pathlib import Path

import gateway.bootstrap
from gateway.clock import SystemClock


def offset(path: Path) -> float:
    """Seconds; 0 while the file is not there or is being written."""
    try:
        return float(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0.0


def shifted(path: Path) -> SystemClock:
    return SystemClock(wall=lambda: time.time() + offset(path))  # noqa: TID251 - the clock that is set wrong


def main() -> None:
    path = Path(sys.argv[1])
    vars(gateway.bootstrap)["SystemClock"] = lambda: shifted(path)
    sys.argv = ["gateway", *sys.argv[2:]]
    runpy.run_module("gateway", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
