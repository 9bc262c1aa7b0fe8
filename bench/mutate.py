"""Faults put into gateway/core, one at a time, and whether a test sees them: mutation testing, by mutmut 3.

    make mutate N=300 SEED=1
    .venv/bin/python bench/mutate.py --only encoding --only notes --number 150 --work /tmp/mutate

The last commit is cloned to a folder of its own with an environment of its own, for mutmut writes into the
tree that it works on and is not among the project's dependencies. It makes every fault of its operators in
every function (another comparison, constant, argument, operator, a dropped value), and runs the tests that
reach that function, until one fails. ``--number`` of them are drawn by ``--seed``.

Left out of the draw are faults that only change words: what an error says to people, its remedy, and names
that only the type checker reads. Not made at all by mutmut: faults in what stands outside functions
(constants, expressions, field sets; tests hold the limits among them to docs/protocol.md) and in functions
with a decorator.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

from _report import RESULTS, machine, publish, table

ROOT = Path(__file__).parent.parent
MUTMUT = "mutmut==3.8.1"
TESTS = ("tests/core", "tests/vectors")
"""They say what the core does. tests/attacks take minutes for every fault that they do not see."""
SOURCE_READERS = ("test_protocol_page.py", "test_threat_model.py", "test_table.py")
"""Tests that read the source or the documents: of a tree full of faults they say nothing."""
IDS = """
import zlib
def pytest_make_parametrize_id(val):
    if isinstance(val, (str, bytes)):
        return f"{zlib.crc32(repr(val).encode()):08x}"
"""
"""A plugin: mutmut asks for tests by their names, and pytest does not find odd characters in them again."""

SEEN = {"killed", "timeout", "suspicious", "segfault"}
"""What mutmut calls a fault that a test has seen. One that never ends is seen by its time-out."""
WORDS = {"remedy", "message"}

SETTINGS = """
[tool.mutmut]
source_paths = ["gateway/core"]
also_copy = {copied}
pytest_add_cli_args = ["-p", "no:randomly", "-p", "plain_ids", {ignored}]
pytest_add_cli_args_test_selection = {tests}
"""


def prepare(work: Path, tests: Sequence[str]) -> Path:
    """A clone with its environment; what is there from an earlier run is taken as it is."""
    tree = work / "tree"
    if (tree / ".venv").exists():
        return tree
    _run("git", "clone", "--quiet", str(ROOT), str(tree), cwd=ROOT)
    wanted = _run(_uv(), "export", "--quiet", "--frozen", "--no-emit-project", cwd=tree)
    (work / "requirements.txt").write_text(wanted)
    _run(_uv(), "venv", "--quiet", ".venv", "--python", sys.executable, cwd=tree)
    pip = [_uv(), "pip", "install", "--quiet", "--python", ".venv/bin/python"]
    _run(*pip, "-r", str(work / "requirements.txt"), MUTMUT, "-e", ".", cwd=tree)
    (tree / "plain_ids.py").write_text(IDS)
    copied = sorted(
        one.name for one in tree.iterdir() if one.name not in {".git", ".venv", "mutants", "pyproject.toml"}
    )
    ignored = ", ".join(f'"--ignore-glob=*{name}"' for name in SOURCE_READERS)
    with (tree / "pyproject.toml").open("a") as file:
        file.write(SETTINGS.format(copied=json.dumps(copied), ignored=ignored, tests=json.dumps(list(tests))))
    return tree


def _uv() -> str:
    found = ROOT / ".venv" / "bin" / "uv"
    return str(found) if found.exists() else shutil.which("uv") or "uv"


def _run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:4])}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def mutmut(tree: Path, *arguments: str) -> str:
    """Its own progress goes to our stderr; what it prints is given back."""
    command = [str(tree / ".venv/bin/mutmut"), *arguments]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, cwd=tree, stdout=subprocess.PIPE, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"mutmut {arguments[0]}: {done.stdout[-3000:]}")
    return done.stdout


# --- which faults there are ---------------------------------------------------------------------------------


def faults(tree: Path) -> Iterator[str]:
    """The names of all faults but those of words alone."""
    for path in sorted((tree / "mutants" / "gateway" / "core").rglob("*.py")):
        module = ".".join(path.relative_to(tree / "mutants").with_suffix("").parts)
        functions = {
            one.name: one for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.FunctionDef)
        }
        for name, function in functions.items():
            start, mark, number = name.rpartition("__mutmut_")
            if mark and number.isdigit() and _shape(function) != _shape(functions[f"{start}__mutmut_orig"]):
                yield f"{module}.{name}"


def _shape(function: ast.FunctionDef) -> str:
    """The function without the words that it says to people and what only the type checker reads."""
    copy = ast.parse(ast.unparse(function)).body[0]
    assert isinstance(copy, ast.FunctionDef)
    copy.name = ""
    return ast.dump(_Wordless().visit(copy))


class _Wordless(ast.NodeTransformer):
    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call):
            node.exc.args = [ast.Constant(0) for _ in node.exc.args[:1]] + node.exc.args[1:]
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        for keyword in node.keywords:
            if keyword.arg in WORDS:
                keyword.value = ast.Constant(0)
        if isinstance(node.func, ast.Name) and node.func.id == "cast":
            node.args[0] = ast.Constant(0)
        return self.generic_visit(node)


def drawn(names: Sequence[str], number: int, seed: int, only: Sequence[str]) -> list[str]:
    chosen = [name for name in names if not only or name.split(".")[2] in only]
    return Random(seed).sample(chosen, min(number, len(chosen)))


# --- what came of them --------------------------------------------------------------------------------------


def verdicts(tree: Path, names: Sequence[str]) -> dict[str, str]:
    lines = (line.strip().partition(": ") for line in mutmut(tree, "results", "--all", "true").splitlines())
    found = {name: verdict for name, _, verdict in lines}
    return {name: found.get(name, "not checked") for name in names}


def shown(tree: Path, name: str) -> str:
    """The changed lines."""
    lines = mutmut(tree, "show", name).splitlines()
    return "\n".join(line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---"))


def report(tree: Path, found: dict[str, str], options: argparse.Namespace, took: float, every: int) -> None:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for name, verdict in found.items():
        counts[name.split(".")[2]]["seen" if verdict in SEEN else verdict] += 1
    rows: list[list[Any]] = [_row(module, counts[module]) for module in sorted(counts)]
    rows.append(_row("all", sum(counts.values(), Counter())))
    survivors = {name: shown(tree, name) for name, verdict in sorted(found.items()) if verdict not in SEEN}
    pace = took / max(len(found), 1) * 100 / 60
    title = f"{len(found)} of {every:,} faults, seed {options.seed}, {pace:.1f} minutes a hundred"
    kept = table(title, ["module", "faults", "seen", "survived", "no test", "% seen"], rows)
    if survivors:
        kept += "\n\n" + "\n\n".join(f"{name}: {found[name]}\n{lines}" for name, lines in survivors.items())
    figures = {
        "measure": "mutation testing of gateway/core", "tool": MUTMUT, "machine": machine(),
        "seed": options.seed, "faults there are": every, "minutes": round(took / 60, 1),
        "tests": list(options.tests),
        "modules": {module: dict(count) for module, count in counts.items()},
        "survivors": survivors,
    }  # fmt: skip
    publish("mutate", kept, figures, options.keep)


def _row(module: str, count: Counter[str]) -> list[Any]:
    whole, none = count.total(), count["no tests"]
    percent = f"{100 * count['seen'] / max(whole, 1):.1f}"
    return [module, whole, count["seen"], whole - count["seen"] - none, none, percent]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--number", "-n", type=int, default=100, help="faults to try")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--only", action="append", default=[], help="a module of gateway/core; may be repeated"
    )
    parser.add_argument(
        "--tests", action="append", help=f"a folder of tests; {', '.join(TESTS)} if none is given"
    )
    parser.add_argument("--children", type=int, default=1, help="tests at a time")
    parser.add_argument("--work", type=Path, help="a folder to keep the copy in, for another run on it")
    parser.add_argument("--keep", type=Path, help=f"folder for the figures, such as {RESULTS}")
    options = parser.parse_args()
    options.tests = options.tests or list(TESTS)
    with tempfile.TemporaryDirectory() as scratch:
        work = options.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        tree = prepare(work, options.tests)
        mutmut(
            tree, "run", "--max-children", "1", "gateway.core.schedule.x_scope_of__mutmut_1"
        )  # makes all, tries one
        every = list(faults(tree))
        chosen = drawn(every, options.number, options.seed, options.only)
        began = perf_counter()
        mutmut(tree, "run", "--max-children", str(options.children), *chosen)
        report(tree, verdicts(tree, chosen), options, perf_counter() - began, len(every))


if __name__ == "__main__":
    main()
