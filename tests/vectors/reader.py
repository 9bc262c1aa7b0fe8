"""Judge the published vectors with the second reader, and say where it disagrees.

    python tests/vectors/reader.py               every file
    python tests/vectors/reader.py --plain       only what needs nothing but the standard library
    python tests/vectors/reader.py --verdicts    one line a case, to be compared between Python versions
    python tests/vectors/reader.py --frozen      verdicts.json, as this Python would write it

It needs PyNaCl and pyca/cryptography (48 or later), and nothing of the gateway.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from reading.judge import PLAIN, Judge, cases_of, outcome  # noqa: E402


def files(folder: Path = HERE) -> list[Path]:
    """What stands beside this file is no vector; what lies in a folder is."""
    return sorted(folder.glob("*/**/*.json"))


def verdicts(*, plain: bool = False) -> Iterator[tuple[str, dict[str, Any], str, dict[str, Any]]]:
    """(place, case, code or good, what it gives) of every case."""
    judge = Judge(HERE)
    for path in files():
        file, memory = json.loads(path.read_text(encoding="utf-8")), dict[Any, Any]()
        if plain and file["format"] not in PLAIN:
            continue
        for at, case in enumerate(cases_of(file)):
            found, gives = outcome(lambda case=case, memory=memory: judge(case, memory))
            yield f"{path.relative_to(HERE).as_posix()}#{at}", dict(case), found, gives


def right(case: dict[str, Any], found: str, gives: dict[str, Any]) -> bool:
    """The verdict, the code where it is exact, and everything that the case says it gives."""
    wanted = case["expect"]
    if not case.get("exact", True) and wanted != "good":
        return found != "good"
    return found == wanted and all(gives.get(name) == value for name, value in case.get("gives", {}).items())


def line(place: str, found: str, gives: dict[str, Any]) -> str:
    """The same text under every version of every interpreter that reads the vectors alike."""
    told = json.dumps(gives, sort_keys=True, ensure_ascii=True).encode()
    return f"{place} {found} {hashlib.sha256(told).hexdigest()[:16]}"


def frozen_verdicts() -> str:
    """verdicts.json: by file, one digest over the lines of its cases."""
    told: dict[str, list[str]] = {}
    for place, case, found, gives in verdicts():
        said = line(place, found if case.get("exact", True) else "bad", gives)
        told.setdefault(place.partition("#")[0], []).append(said)
    digests = {
        name: hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32] for name, lines in told.items()
    }
    comment = "What reader.py makes of each file, the same under every version of Python. See README.md."
    return json.dumps({"comment": comment, "verdicts": digests}, indent=1, sort_keys=True) + "\n"


def main(arguments: list[str]) -> int:
    if "--frozen" in arguments:
        print(frozen_verdicts(), end="")
        return 0
    wrong = count = 0
    for place, case, found, gives in verdicts(plain="--plain" in arguments):
        count += 1
        if "--verdicts" in arguments:
            print(line(place, found if case.get("exact", True) else "bad", gives))
        elif not right(case, found, gives):
            wrong += 1
            print(f"WRONG {place}: expected {case['expect']}, found {found}")
    if "--verdicts" not in arguments:
        print(f"{count - wrong} of {count} as expected, Python {sys.version.split()[0]}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
