"""The published vectors: made again to the same bytes, and judged alike by two implementations."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import generate
import product
import pytest
import reader
from reading.judge import cases_of

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FILES = [path.relative_to(HERE).as_posix() for path in reader.files()]
BESIDE = {"good", "duplicate", "VALID", "INVALID", "CANNOT_TELL"}
"""What `expect` may be beside the codes of section 10."""


def load(name):
    return json.loads((HERE / name).read_text(encoding="utf-8"))


def codes():
    page = (ROOT / "docs" / "protocol.md").read_text()
    table = page[page.index("## 10.") : page.index("## 11.")]
    return set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))


def test_all_that_is_not_frozen_is_made_again_to_the_same_bytes() -> None:
    assert [path.name for path, _ in generate.changed()] == []


@pytest.mark.parametrize("name", FILES)
async def test_the_gateway_comes_to_the_expected_verdict(name) -> None:
    judge, memory = product.Product(HERE), {}
    for at, case in enumerate(cases_of(load(name))):
        found, gives = await product.outcome(judge, case, memory)
        assert reader.right(case, found, gives), (at, case["expect"], found, gives)


def test_the_second_reader_comes_to_the_same_verdicts() -> None:
    wrong = [
        (place, case["expect"], found)
        for place, case, found, gives in reader.verdicts()
        if not reader.right(case, found, gives)
    ]
    assert wrong == []


def test_the_second_reader_and_the_makers_know_nothing_of_the_gateway() -> None:
    allowed = {"nacl", "cryptography", "making", "reading", "reader"}
    for path in [
        *HERE.glob("reading/*.py"),
        *HERE.glob("making/*.py"),
        HERE / "reader.py",
        HERE / "generate.py",
    ]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            for name in names:
                top = str(name).partition(".")[0]
                assert top in allowed or top in __import__("sys").stdlib_module_names, (path.name, name)
