"""docs/compliance.md says what the tests say that are marked with a row, and every duty has one."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest
from rows import ROWS

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "compliance.md"


@cache
def marked() -> dict[str, set[str]]:
    """Row -> the tests that are marked with it."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                for row in rows_of(node):
                    found[row].add(f"{path.relative_to(TESTS)}::{node.name}")
    return found


def rows_of(test: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    calls = [mark for mark in test.decorator_list if isinstance(mark, ast.Call)]
    marks = [call for call in calls if ast.unparse(call.func) == "pytest.mark.row"]
    return [argument.value for call in marks for argument in call.args if isinstance(argument, ast.Constant)]


def lines() -> dict[str, tuple[str, set[str], str]]:
    """Duty -> what the page says: feature, tests, result."""
    table = [line.strip("| \n").split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines()]
    rows = [cells for cells in table if len(cells) == 4][1:]
    return {
        duty: (feature, {test.strip("`") for test in tests.split("<br>")}, result)
        for duty, feature, tests, result in rows
    }


@pytest.mark.parametrize("name", ROWS)
def test_every_duty_has_a_test_and_the_page_names_it(name: str) -> None:
    feature, tests, result = lines()[ROWS[name].duty]
    assert feature == ROWS[name].feature
    assert tests == marked()[name] != set(), "make compliance writes the page anew"
    assert result == "passed"


def test_the_page_has_no_other_rows() -> None:
    assert list(lines()) == [row.duty for row in ROWS.values()]
