"""``gateway demo`` as a process: what it started goes with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ENDED = 128 + signal.SIGTERM


def _of(folder: Path) -> list[str]:
    """The command lines of processes that were started below ``folder``."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = place.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended meanwhile
            continue
        if str(folder) in line:
            found.append(line)
    return found


def test_a_demo_that_is_told_to_stop_takes_its_nodes_and_its_broker_along(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "demo", "--keep", "--once"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as started:
        assert started.stderr is not None
        for line in started.stderr:
            if "folder:" in line:
                break
        assert len([line for line in _of(tmp_path) if "gateway run" in line]) == 2, "two nodes"
        started.send_signal(signal.SIGTERM)
        started.stderr.read()
    assert started.returncode == ENDED
    assert _of(tmp_path) == []
    assert list(tmp_path.iterdir()) == [], "the demo's folder is gone, and the keys in it"
