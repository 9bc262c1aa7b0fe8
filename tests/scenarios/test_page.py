"""docs/scenarios.md names every scenario's test, and no test that is not there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from schemas.handover import parse_notification
from tests.scenarios.story import FIXTURES

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "scenarios.md").read_text(encoding="utf-8")
STORIES = ("test_examples.py", "test_people.py", "test_places.py", "test_time.py")


def named_in(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {
        node.name
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def test_every_scenario_is_told_and_every_test_that_is_named_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    there = {name for path in HERE.glob("test_*.py") for name in named_in(path)}
    assert named <= there, named - there
    stories = {name for file in STORIES for name in named_in(HERE / file)}
    assert stories <= named, stories - named


def test_every_fixture_is_used_and_is_a_fictional_persons_handover() -> None:
    told = "".join(path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py"))
    people = set()
    for path in sorted(FIXTURES.glob("*.json")):
        assert path.stem in told, path.name
        if path.stem == "offender_words":
            continue
        document = parse_notification(path.read_bytes())
        assert document.fictional
        assert "(fictional)" in document.core.given_names
        people.add(document.core.given_names)
        text = path.read_text(encoding="utf-8")
        for mailbox in re.findall(r"[\w.-]+@[\w.-]+", text):
            assert mailbox.endswith(".example"), path.name
        for phone in re.findall(r"0\d{2,4} \d{3,4} ?\d{3,4}", text):
            assert phone.startswith(("020 7946 0", "07700 900")), (path.name, phone)
    assert len(people) == 6
