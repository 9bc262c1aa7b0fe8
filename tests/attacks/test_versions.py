"""Attack 119: two versions of Python that read the same bytes differently.

The second reader's verdict on every published vector is frozen as a digest, so a Python that disagrees with
the one that wrote it fails here. Other interpreters on this machine are asked too: for all of it where they
have the two libraries, else for what needs the standard library alone, which is where versions have differed
(JSON, digits, recursion).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

VECTORS = Path(__file__).parents[1] / "vectors"
READER = VECTORS / "reader.py"
NEWEST = 20


def run(python: str, *arguments: str) -> str:
    done = subprocess.run(
        [python, "-B", str(READER), *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def others() -> list[str]:
    """Pythons from 3.11 on, by their names on PATH and among pyenv's; a name that does not run is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    named = [shutil.which(f"python3.{minor}") for minor in range(11, NEWEST)]
    found = [name for name in named if name] + [str(path) for path in pyenv.glob("3.*/bin/python3")]
    return [one for one in found if runs(one, "import sys; sys.exit(sys.version_info < (3, 11))")]


def runs(python: str, text: str) -> bool:
    return subprocess.run([python, "-c", text], capture_output=True, check=False).returncode == 0


def has_libraries(python: str) -> bool:
    return runs(python, "import nacl.bindings; import cryptography.hazmat.primitives.asymmetric.mlkem")


def test_119_the_verdict_on_every_vector_is_the_frozen_one() -> None:
    frozen = json.loads((VECTORS / "verdicts.json").read_text())["verdicts"]
    assert json.loads(run(sys.executable, "--frozen"))["verdicts"] == frozen
    assert len(frozen) > 500


def test_119_other_versions_of_python_say_the_same() -> None:
    whole, plain = run(sys.executable, "--verdicts"), run(sys.executable, "--plain", "--verdicts")
    assert 100 < plain.count("\n") < whole.count("\n")
    for python in others():
        said = run(python, "--verdicts") if has_libraries(python) else run(python, "--plain", "--verdicts")
        assert said == (whole if has_libraries(python) else plain), python


def test_119_a_version_that_disagrees_is_seen() -> None:
    """One case read otherwise is another line, and another digest of its file."""
    lines = run(sys.executable, "--plain", "--verdicts").splitlines()
    assert len(set(lines)) == len(lines)
    assert all(re.fullmatch(r"\S+\.json#\d+ \w+ [0-9a-f]{16}", line) for line in lines)
