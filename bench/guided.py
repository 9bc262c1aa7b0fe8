"""One parser fuzzed with coverage to lead it, by atheris (libFuzzer). By hand, in an environment of its own:

    uv venv /tmp/atheris --python .venv/bin/python
    uv pip install --python /tmp/atheris/bin/python atheris tomli-w -e .
    /tmp/atheris/bin/python bench/guided.py "routing table" -max_total_time=60

The bytes that libFuzzer finds go to the parser as they are where it takes bytes; where it takes a value they
are decoded first. The good inputs of bench/fuzzing are the corpus to begin from; the rest of the command line
is libFuzzer's. Only the one error may escape: anything else ends the run with the input in a file.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["gateway", "schemas", "adapters"]):
    from fuzzing import Target, changes_for, targets

    from gateway.core import encoding
    from gateway.errors import Refused

SEEDS = 200


def corpus(target: Target, folder: Path) -> None:
    changes = changes_for(target, Random(1))
    made = [target.make(changes) for _ in range(SEEDS)]
    for number, one in enumerate([*target.seeds, *made]):
        data = one if isinstance(one, bytes) else changes.canonical(one)
        (folder / str(number)).write_bytes(data)


def once(target: Target) -> Callable[[bytes], None]:
    by_value = not isinstance(target.make(changes_for(target, Random(1))), bytes)

    def read(data: bytes) -> None:
        try:
            target.read(encoding.decode(data) if by_value else data)
        except (Refused, *target.raises):
            return

    return read


def main() -> None:
    name, *options = sys.argv[1:]
    target = targets()[name]
    with tempfile.TemporaryDirectory() as folder:
        corpus(target, Path(folder))
        atheris.Setup([sys.argv[0], *options, folder], once(target))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
