"""docs/threat-model.md names mitigations by file and proofs by test: all exist, and it is whole."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "threat-model.md").read_text()
NAMED = re.compile(r"`((?:gateway|adapters|schemas|tests)/[\w/]+\.py)(?:::(\w+))?`")
SECTION = re.compile(r"^## (.+)$", re.MULTILINE)


@cache
def functions_of(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text())
    return frozenset(
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def threats() -> list[str]:
    return [line for line in PAGE.splitlines() if line.startswith("- **")]


def test_every_file_and_test_named_exists() -> None:
    named = NAMED.findall(PAGE)
    assert len(named) > 80
    for path, test in named:
        assert (ROOT / path).is_file(), path
        if test:
            assert test in functions_of(ROOT / path), (path, test)


def test_every_threat_has_a_mitigation_in_a_file_and_a_test_that_shows_it() -> None:
    for line in threats():
        named = NAMED.findall(line)
        assert [path for path, test in named if not test and not path.startswith("tests/")], line
        assert [test for path, test in named if test.startswith("test_")], line


def test_every_section_says_what_is_not_mitigated() -> None:
    sections = SECTION.split(PAGE)[1:]
    for title, body in zip(sections[::2], sections[1::2], strict=True):
        if "- **" in body:
            assert "Not mitigated: " in body, title
