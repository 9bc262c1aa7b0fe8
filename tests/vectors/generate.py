"""Make the published vectors again, or say which files would change.

python tests/vectors/generate.py            write what has changed
python tests/vectors/generate.py --check    write nothing; 1 when a file would change
python tests/vectors/generate.py --renew    ALSO throw the frozen encapsulations away: every envelope is
                                            other bytes after it, and whoever tests against them must know
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import reader  # noqa: E402
from making import network, pool, scenarios  # noqa: E402

KEPT = {"encapsulations.json", "verdicts.json"}


def made() -> Iterator[tuple[Path, str]]:
    """(file, text) of everything but what is frozen. `verdicts.json` follows from the others."""
    yield HERE / "network.json", pool.spelled(network.published())
    for one in scenarios.files():
        yield HERE / one.path, pool.spelled(one.body)


def changed() -> list[tuple[Path, str | None]]:
    """Files that differ; None for one that nothing makes any more."""
    wanted = dict(made())
    found: list[tuple[Path, str | None]] = [
        (path, text)
        for path, text in wanted.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    known = {*wanted, *(HERE / name for name in KEPT)}
    return found + [(path, None) for path in sorted(HERE.rglob("*.json")) if path not in known]


def write(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def main(arguments: list[str]) -> int:
    if "--renew" in arguments:
        pool.renew([*network.SUBKEYS.values(), network.DUMMY])
    differing = changed()
    for path, text in differing:
        print(f"{'gone' if text is None else 'changed'}: {path.relative_to(HERE)}")
        if "--check" not in arguments:
            write(path, text)
    if "--check" not in arguments:
        write(HERE / "verdicts.json", reader.frozen_verdicts())
    return 1 if differing and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
