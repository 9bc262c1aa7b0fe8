"""Faults put into gateway/core, one at a time, and whether a test sees them: mutation testing.

    make mutate N=300 SEED=1
    .venv/bin/python bench/mutate.py --only encoding --only notes --number 150 --work /tmp/mutate

The last commit is cloned to a folder of its own with an environment of its own: mutmut 3, which makes the
faults, writes into the tree that it works on and is not among the project's dependencies. Each is a function
with one thing changed (a comparison, constant, operator, argument, a dropped value). ``--number`` of them are
drawn by ``--seed``. For each, the files of tests that reach the function, as one run with coverage has shown,
are run until one test fails: those of tests/core first, then those of the other folders.

mutmut's own runner is not used: it asks pytest for single tests by their names, and many of ours have
characters in their names that pytest does not find again.

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
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

from _report import RESULTS, machine, publish, table

ROOT = Path(__file__).parent.parent
MUTMUT = "mutmut==3.8.1"
FIRST, THEN = "tests/core", ("tests/vectors", "tests/attacks")
SOURCE_READERS = ("test_protocol_page.py", "test_threat_model.py", "test_table.py")
"""Tests that read the source or the documents: of a tree full of faults they say nothing."""

LONGEST = 300
"""Seconds for the tests of one fault. One that never ends is seen by that."""

MAKE = """
from mutmut.__main__ import copy_src_dir, create_mutants, setup_source_paths
from mutmut.utils.file_utils import copy_also_copy_files
from mutmut.mutation.trampoline import set_mutant_under_test
from pathlib import Path
set_mutant_under_test("mutant_generation")
Path("mutants").mkdir(exist_ok=True)
copy_src_dir(); copy_also_copy_files(); setup_source_paths(); create_mutants(1)
"""
SETTINGS = """
[tool.mutmut]
source_paths = ["gateway/core"]
also_copy = {copied}
"""
WORDS = {"remedy", "message"}
SEEN, MISSED, UNREACHED = "seen", "survived", "no test"


@dataclass(frozen=True, slots=True)
class Fault:
    """``name`` as mutmut has it; ``lines``: those of the function in the sound source."""

    name: str
    module: str
    lines: range


# --- a place to work in -------------------------------------------------------------------------------------


def prepare(work: Path) -> Path:
    """A clone with its environment and all faults; what is there from an earlier run is taken as it is."""
    tree = work / "tree"
    if (tree / "mutants" / "gateway").exists():
        return tree
    _run("git", "clone", "--quiet", str(ROOT), str(tree), cwd=ROOT)
    wanted = _run(_uv(), "export", "--quiet", "--frozen", "--no-emit-project", cwd=tree)
    (work / "requirements.txt").write_text(wanted)
    _run(_uv(), "venv", "--quiet", ".venv", "--python", sys.executable, cwd=tree)
    pip = [_uv(), "pip", "install", "--quiet", "--python", ".venv/bin/python"]
    _run(*pip, "-r", str(work / "requirements.txt"), MUTMUT, "-e", ".", cwd=tree)
    kept = {".git", ".venv", "mutants", "pyproject.toml"}
    copied = json.dumps(sorted(one.name for one in tree.iterdir() if one.name not in kept))
    with (tree / "pyproject.toml").open("a") as file:
        file.write(SETTINGS.format(copied=copied))
    _run(".venv/bin/python", "-W", "ignore", "-c", MAKE, cwd=tree)
    return tree


def _uv() -> str:
    found = ROOT / ".venv" / "bin" / "uv"
    return str(found) if found.exists() else shutil.which("uv") or "uv"


def _run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:4])}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


# --- which faults there are ---------------------------------------------------------------------------------


def faults(tree: Path) -> Iterator[Fault]:
    """All but those of words alone."""
    for path in sorted((tree / "mutants" / "gateway" / "core").rglob("*.py")):
        place = path.relative_to(tree / "mutants")
        functions = {one.name: one for one in _functions(path)}
        sound = {name: range(one.lineno, (one.end_lineno or 0) + 1) for name, one in _named(tree / place)}
        for name, function in functions.items():
            start, mark, number = name.rpartition("__mutmut_")
            if mark and number.isdigit() and _shape(function) != _shape(functions[f"{start}__mutmut_orig"]):
                yield Fault(f"{'.'.join(place.with_suffix('').parts)}.{name}", place.stem, sound[start])


def _functions(path: Path) -> list[ast.FunctionDef]:
    return [one for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.FunctionDef)]


def _named(path: Path) -> Iterator[tuple[str, ast.FunctionDef]]:
    """The functions of a module under the names that mutmut gives them."""
    for one in ast.parse(path.read_text()).body:
        if isinstance(one, ast.FunctionDef):
            yield f"x_{one.name}", one
        elif isinstance(one, ast.ClassDef):
            yield from (
                (f"xǁ{one.name}ǁ{own.name}", own) for own in one.body if isinstance(own, ast.FunctionDef)
            )


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


# --- which tests reach them ---------------------------------------------------------------------------------


Reached = Mapping[str, Mapping[int, set[str]]]
"""Module -> line -> files of tests."""


def reached(tree: Path, folders: Sequence[str]) -> tuple[Reached, list[str]]:
    """By one run of all of them over the sound source; and the files that are not green there, which are left
    out: they would see every fault."""
    kept = tree / "reached.json"
    if not kept.exists():
        command = [".venv/bin/python", "-m", "pytest", "-q", "-p", "no:randomly", "--cov=gateway.core",
                   "--cov-context=test", "--cov-report=", *_selected(folders)]  # fmt: skip
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
        failed = {line.split()[1].partition("::")[0] for line in done.stdout.splitlines()
                  if line.startswith(("FAILED ", "ERROR "))}  # fmt: skip
        if not (tree / ".coverage").exists():
            raise SystemExit(done.stdout[-2000:])
        kept.write_text(json.dumps({"lines": _lines(tree / ".coverage"), "failed": sorted(failed)}))
    held = json.loads(kept.read_text())
    failed = set(held["failed"])
    lines = {
        module: {int(line): set(files) - failed for line, files in found.items()}
        for module, found in held["lines"].items()
    }
    return lines, sorted(failed)


def _selected(folders: Sequence[str]) -> list[str]:
    return [*folders, *(f"--ignore-glob=*{name}" for name in SOURCE_READERS)]


def _lines(database: Path) -> dict[str, dict[int, list[str]]]:
    """Out of coverage's own database: an arc begins at each line that was run."""
    found: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    with sqlite3.connect(database) as connection:
        rows = connection.execute(
            "select f.path, c.context, a.fromno from arc a join file f on f.id = a.file_id"
            " join context c on c.id = a.context_id where a.fromno > 0 and c.context != ''"
        )
        for path, context, line in rows:
            found[Path(path).stem][line].add(context.partition("::")[0])
    return {module: {line: sorted(files) for line, files in lines.items()} for module, lines in found.items()}


# --- whether they see them ----------------------------------------------------------------------------------


def verdict(tree: Path, fault: Fault, files: set[str]) -> str:
    """Nearest first: a file named after the module, then the rest of tests/core, then everything else."""
    if not files:
        return UNREACHED
    near = {one for one in files if one.startswith(FIRST) and fault.module in Path(one).stem}
    core = {one for one in files if one.startswith(FIRST)} - near
    for stage in (near, core, files - near - core):
        if stage and not _passes(tree, fault, sorted(stage)):
            return SEEN
    return MISSED


def _passes(tree: Path, fault: Fault, files: Sequence[str]) -> bool:
    command = [
        "../.venv/bin/python",
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
        *files,
    ]
    environment = {**os.environ, "MUTANT_UNDER_TEST": fault.name, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=tree / "mutants", env=environment, capture_output=True, timeout=LONGEST, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def shown(tree: Path, fault: Fault) -> str:
    """The lines that differ from the sound function."""
    module, _, name = fault.name.rpartition(".")
    functions = {
        one.name: one for one in _functions(tree / "mutants" / Path(*module.split(".")).with_suffix(".py"))
    }
    sound = functions[f"{name.rpartition('__mutmut_')[0]}__mutmut_orig"]
    before, after = (ast.unparse(one).splitlines()[1:] for one in (sound, functions[name]))
    return "\n".join(
        [f"- {line}" for line in before if line not in after]
        + [f"+ {line}" for line in after if line not in before]
    )


def report(
    tree: Path,
    found: Mapping[Fault, str],
    options: argparse.Namespace,
    took: float,
    every: int,
    failed: list[str],
) -> None:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for fault, said in found.items():
        counts[fault.module][said] += 1
    rows = [_row(module, counts[module]) for module in sorted(counts)]
    rows.append(_row("all", sum(counts.values(), Counter())))
    survivors = {fault.name: shown(tree, fault) for fault, said in found.items() if said != SEEN}
    pace = took / max(len(found), 1) * 100 / 60
    kept = table(
        f"{len(found)} of {every:,} faults, seed {options.seed}, {pace:.1f} minutes a hundred",
        ["module", "faults", SEEN, MISSED, UNREACHED, "% seen"], rows,
    )  # fmt: skip
    kept += "".join(f"\n\n{name}\n{lines}" for name, lines in sorted(survivors.items()))
    figures = {
        "measure": "mutation testing of gateway/core", "tool": MUTMUT, "machine": machine(),
        "seed": options.seed, "faults there are": every, "minutes": round(took / 60, 1),
        "tests": [FIRST, *options.then], "left out, not green before": failed,
        "modules": {module: dict(count) for module, count in counts.items()}, "survivors": survivors,
    }  # fmt: skip
    publish("mutate", kept, figures, options.keep)


def _row(module: str, count: Counter[str]) -> list[Any]:
    whole = count.total()
    return [
        module,
        whole,
        count[SEEN],
        count[MISSED],
        count[UNREACHED],
        f"{100 * count[SEEN] / max(whole, 1):.1f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--number", "-n", type=int, default=100, help="faults to try")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--only", action="append", default=[], help="a module of gateway/core; may be repeated"
    )
    parser.add_argument("--then", nargs="*", default=list(THEN), help=f"folders of tests after {FIRST}")
    parser.add_argument("--work", type=Path, help="a folder to keep the copy in, for another run on it")
    parser.add_argument("--keep", type=Path, help=f"folder for the figures, such as {RESULTS}")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = (options.work or Path(scratch)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        tree = prepare(work)
        lines, failed = reached(tree, [FIRST, *options.then])
        every = [one for one in faults(tree) if not options.only or one.module in options.only]
        chosen = Random(options.seed).sample(every, min(options.number, len(every)))
        began, found = perf_counter(), {}
        for number, fault in enumerate(chosen, start=1):
            files = set().union(*(lines.get(fault.module, {}).get(line, set()) for line in fault.lines))
            found[fault] = verdict(tree, fault, files)
            print(f"{number}/{len(chosen)} {fault.name}: {found[fault]}", file=sys.stderr, flush=True)
        report(tree, found, options, perf_counter() - began, len(every), failed)


if __name__ == "__main__":
    main()
