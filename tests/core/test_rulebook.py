"""The table of rules and the code, held together both ways."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

from gateway.core import rulebook
from gateway.core.policy import RULES
from gateway.core.powers import POWERS
from gateway.core.rulebook import RULEBOOK, source_of

ROOT = Path(__file__).parents[2]
NUMBER = re.compile(r"R[0-9]{1,2}")


def raised() -> set[tuple[str, str]]:
    """``(number, file)`` for every string in the code that is nothing but the number of a rule."""
    found = set()
    for path in (*(ROOT / "gateway").rglob("*.py"), *(ROOT / "schemas").rglob("*.py")):
        if path.name != "rulebook.py":
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, ast.Constant)
                    and isinstance(node.value, str)
                    and NUMBER.fullmatch(node.value)
                ):
                    found.add((node.value, str(path.relative_to(ROOT))))
    return found


def test_thirty_rules_in_order() -> None:
    assert list(RULEBOOK) == [f"R{number}" for number in range(1, 31)]


@pytest.mark.parametrize("number", RULEBOOK)
def test_each_rule_says_what_on_which_ground_and_what_keeps_it(number: str) -> None:
    entry = RULEBOOK[number]
    assert entry.demands.endswith(".")
    assert re.search(r"DPA|Act|finding|[Dd]omain|protocol|Classifications", entry.source)
    assert entry.kept_by
    for name in entry.kept_by:
        module, _, attribute = name.partition(":")
        assert hasattr(importlib.import_module(module), attribute), name


def test_every_number_that_a_refusal_bears_has_its_row() -> None:
    numbers = raised()
    assert {number for number, _ in numbers} <= set(RULEBOOK)
    assert {number for number in RULES if number} <= set(RULEBOOK)
    assert {("R25", "gateway/governance.py"), ("R11", "gateway/core/rules/places.py")} <= numbers


@pytest.mark.parametrize("number", [number for number in RULES if number])
def test_the_row_of_a_rule_that_reads_documents_names_its_checks(number: str) -> None:
    kept_by = {name.partition(":")[2] for name in RULEBOOK[number].kept_by}
    assert {rule.__name__ for rule in RULES[number]} <= kept_by


def test_the_page_is_made_from_the_table() -> None:
    page = (ROOT / "docs" / "rules.md").read_text()
    assert page == rulebook.document(), "python -m gateway.core.rulebook > docs/rules.md"
    assert all(f"| `{code}` |" in page for code in POWERS)


def test_a_matter_of_shape_has_no_ground() -> None:
    assert source_of("") == ""
    assert "s.64 DPA 2018" in source_of("R25")
