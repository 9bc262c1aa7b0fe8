"""docs/protocol.md against the code: every refusal with its class, every limit with its value."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway import errors
from gateway.core.durations import DAY
from gateway.core.keys import CHEAP, MODERATE
from gateway.core.root import ROOT_LIFE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "protocol.md").read_text()

RECEIVING = (
    "opening",
    "arrival",
    "receipts",
    "receive",
    "resend",
    "streams",
    "vault",
    "attachments",
    "glass",
    "held",
)
"""The flows that judge what a peer sent; everything in core is on the page."""

CLASSES = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.GatewayError)
}

DYNAMIC: Mapping[tuple[str, str], frozenset[str]] = {
    ("kem", "code"): frozenset({"kem_seed", "kem_ciphertext", "kem_public"}),
    ("keys", "error.code"): frozenset({"weak_key"}),
    ("root", "code"): frozenset(
        {"root_threshold", "root_threshold_old", "root_threshold_new", "directory_threshold"}
    ),
    ("statement", "name"): frozenset({"net", "head", "mid", "slots"}),
    ("trust", "f'{kind}_rollback'"): frozenset({"root_rollback", "directory_rollback"}),
    ("trust", "f'{kind}_equivocation'"): frozenset({"root_equivocation", "directory_equivocation"}),
}
"""Codes that are no literal where they are raised: (module, expression) -> what it can be."""


def sources() -> list[Path]:
    flows = [ROOT / "gateway" / "flows" / f"{name}.py" for name in RECEIVING]
    return [*sorted((ROOT / "gateway" / "core").rglob("*.py")), *flows]


def raised(path: Path) -> Iterator[tuple[str, str]]:
    """(code, class) of every error made in a module."""
    for call in ast.walk(ast.parse(path.read_text())):
        if (
            not isinstance(call, ast.Call)
            or not isinstance(call.func, ast.Name)
            or call.func.id not in CLASSES
        ):
            continue
        given = next((word.value for word in call.keywords if word.arg == "code"), None)
        if given is None:
            yield CLASSES[call.func.id].code, call.func.id
        elif isinstance(given, ast.Constant):
            yield str(given.value), call.func.id
        else:
            for code in DYNAMIC[path.stem, ast.unparse(given)]:
                yield code, call.func.id


def table(heading: str) -> list[list[str]]:
    """The cells of the first table after a heading, without its two head lines."""
    lines = PAGE[PAGE.index(heading) :].splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("|---"))
    rows = []
    for line in lines[start + 1 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def test_every_refusal_is_in_the_table_with_its_class_and_no_other_is() -> None:
    made: dict[str, set[str]] = {}
    for path in sources():
        for code, kind in raised(path):
            made.setdefault(code, set()).add(kind)
    written = {cells[0].strip("`"): set(cells[1].split(", ")) for cells in table("## 10.")}
    assert written == made


def test_the_table_is_sorted_and_says_something_of_each() -> None:
    rows = table("## 10.")
    codes = [cells[0] for cells in rows]
    assert codes == sorted(set(codes))
    assert all(len(cells) == 3 and len(cells[2]) > 3 for cells in rows)


def test_every_limit_has_the_value_of_its_constant() -> None:
    for name, value, unit, reason in table("## 12."):
        module, _, constant = name.strip("`").rpartition(".")
        found = getattr(importlib.import_module(f"gateway.{module}"), constant)
        assert int(value.replace(",", "")) == found, name
        assert unit
        assert reason


LIMIT = re.compile(
    r"^((?:MAX|MIN)_[A-Z_]+|SKEW|JUMP|WARN|DIRECTORY_LIFE|SUBKEY_LIFE|MARGIN|PACK)\b", re.MULTILINE
)


def test_every_limit_of_the_core_is_in_the_table() -> None:
    named = {cells[0].strip("`") for cells in table("## 12.")}
    for path in (ROOT / "gateway" / "core").glob("*.py"):
        for constant in LIMIT.findall(path.read_text()):
            assert f"core.{path.stem}.{constant}" in named, (path.name, constant)


def test_the_lives_and_costs_given_in_words_are_those_of_the_code() -> None:
    assert f"prod {ROOT_LIFE['prod'] // DAY} days, demo {ROOT_LIFE['demo'] // DAY} days" in PAGE
    for name, cost in (("prod", MODERATE), ("demo", CHEAP)):
        assert f"{name} {cost.ops} passes and {cost.mem // 2**20} MiB" in PAGE
