"""The table in README.md, the tests that exist and the codes that the product knows say the same."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LAST = 120
"""The protocol numbers this many attacks."""

ROW = re.compile(r"\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]*) \|")
TEST = re.compile(r"def test_(\d{3})_")
RELEASE = "next release: "


def rows():
    lines = (HERE / "README.md").read_text().splitlines()
    return {int(found[1]): found.groups()[1:] for line in lines if (found := ROW.fullmatch(line))}


def existing():
    found = {}
    for path in sorted(HERE.glob("test_*.py")):
        for number in TEST.findall(path.read_text()):
            found.setdefault(int(number), set()).add(path.name)
    found.pop(0)  # the control: without an attack
    return found


def test_every_attack_has_its_row_and_every_row_its_test() -> None:
    found = existing()
    assert list(rows()) == list(range(1, LAST + 1))
    for number, (attack, _, where) in rows().items():
        assert attack.strip()
        assert {name for name in where.strip().split(", ") if name} == found.get(number, set()), number


def test_what_has_no_test_names_the_feature_it_waits_for() -> None:
    found = existing()
    waiting = {number for number, (_, outcome, _) in rows().items() if outcome.startswith(RELEASE)}
    assert waiting == set(range(1, LAST + 1)) - found.keys()
    for number in waiting:
        assert rows()[number][1].removeprefix(RELEASE).strip(), number


def test_every_code_named_in_the_table_is_one_that_its_tests_name() -> None:
    for number, (_, outcome, where) in rows().items():
        text = "".join((HERE / name).read_text() for name in where.split(", ") if name)
        for code in re.findall(r"`(\w+)`", outcome):
            assert f'"{code}"' in text, (number, code)
