"""docs/operations.md says of every alarm that the source can sound what it means and what to do."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()
ROW = re.compile(r"^\| (`\w+`.*?) \| .{20,} \|$", re.MULTILINE)

PASSED_ON: Mapping[tuple[str, str], frozenset[str]] = {
    ("breaches", "code"): frozenset({"breach_24h", "breach_48h", "breach_60h", "breach_overdue"}),
    ("documents", "error.code"): frozenset({"directory_equivocation"}),
    ("effects", "code"): frozenset({"rectification_due", "rectification_overdue"}),
    ("streams", "code"): frozenset({"prev", "created", "new_stream", "stream_again"}),
    ("urgent", "ALARMS[timer.kind]"): frozenset(
        {"partial_overdue", "urgent_call_missing", "urgent_unauthorised", "urgent_unreviewed"}
    ),
    ("witness", "code"): frozenset({"log_proof", "log_shrunk", "log_forked", "log_broken"}),
}
"""Codes that are a parameter where they are sounded: (module, expression) -> what it can be."""


def calls(path: Path) -> Iterator[ast.expr]:
    """What stands for the code in every call of ``alarms.sound``."""
    for call in ast.walk(ast.parse(path.read_text())):
        if isinstance(call, ast.Call) and len(call.args) > 1:
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if name == "sound":
                yield call.args[1]


def codes(path: Path) -> Iterator[str]:
    for code in calls(path):
        if isinstance(code, ast.Constant):
            yield str(code.value)
        elif isinstance(code, ast.Name) and code.id.isupper():
            yield getattr(importlib.import_module(f"gateway.flows.{path.stem}"), code.id)
        else:
            yield from PASSED_ON.get((path.stem, ast.unparse(code)), {f"{path.stem}: {ast.unparse(code)}"})


def test_every_alarm_that_can_sound_is_explained() -> None:
    sounded = {code for path in (ROOT / "gateway").rglob("*.py") for code in codes(path)}
    explained = {name for cell in ROW.findall(PAGE) for name in re.findall(r"`(\w+)`", cell)}
    assert len(sounded) > 10
    assert sorted(sounded - explained) == []
