"""Runs every test that is marked with a row and writes ``docs/compliance.md`` from them: ``make compliance``.

The page says what was tried and what became of it. Nothing on it is written by hand but the rows themselves.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
PAGE: Final = ROOT / "docs" / "compliance.md"

HEAD: Final = """\
# Findings and duties, and the tests that show how they are met

Made by `make compliance` from the tests that are marked with them: every finding of the Information
Commissioner, every duty of law and every rule of practice that this product answers to, what it does about
it, and the tests that try it, each with what became of it when this page was made. It is evidence, not legal
advice.

| finding or duty | what the gateway does | tests | result |
|---|---|---|---|
"""


class Results:
    """A pytest plugin: which test proves which rows, and what became of it."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[str, ...]] = {}
        self.outcome: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items: Sequence[pytest.Item]) -> None:
        for item in items:
            marked = [str(name) for mark in item.iter_markers("row") for name in mark.args]
            self.rows[item.nodeid] = tuple(marked)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self.outcome[report.nodeid] = report.outcome


def tests_of(results: Results) -> Mapping[str, Mapping[str, str]]:
    """Row -> test function -> the worst that became of any of its cases."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for node, rows in results.rows.items():
        test = node.partition("[")[0].removeprefix("tests/")
        became = results.outcome.get(node, "not run")
        for row in rows:
            if found[row].get(test, "passed") == "passed":
                found[row][test] = became
    return found


def page(rows: Mapping[str, tuple[str, str]], tests: Mapping[str, Mapping[str, str]]) -> str:
    lines = []
    for name, (duty, feature) in rows.items():
        mine = tests.get(name, {})
        said = sorted(set(mine.values())) or ["no test"]
        named = "<br>".join(f"`{test}`" for test in sorted(mine))
        lines.append(f"| {duty} | {feature} | {named} | {', '.join(said)} |\n")
    return HEAD + "".join(lines)


def main() -> int:
    sys.path.insert(0, str(HERE))
    from rows import ROWS  # noqa: PLC0415 - found once its folder is on the path

    results = Results()
    code = pytest.main(["-q", "-p", "no:randomly", "-m", "row", "tests"], plugins=[results])
    PAGE.write_text(page(ROWS, tests_of(results)), encoding="utf-8")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
