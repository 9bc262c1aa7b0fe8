"""The benchmarks: each says how it is used, and a run is summed up without a gap being filled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

BENCH = Path(__file__).parents[2] / "bench"
TOOLS = {"fuzz", "guided", "mutate"}
SCRIPTS = sorted(path.stem for path in BENCH.glob("[a-z]*.py") if path.stem not in TOOLS)
PEERS = sorted(path.parent.name for path in BENCH.glob("peers/*/peer.py"))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=BENCH.parent, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_says_how_it_is_used(name: str) -> None:
    said = run(f"bench/{name}.py", "--help")
    assert said.returncode == 0, said.stderr
    assert "--" in said.stdout


@pytest.mark.parametrize("name", PEERS)
def test_each_peer_has_every_version_pinned(name: str) -> None:
    lines = (BENCH / "peers" / name / "requirements.txt").read_text().splitlines()
    assert lines
    assert all("==" in line for line in lines)


def sample(folder: Path) -> None:
    """Figures of three benchmarks; the machine's are the summary's own."""
    against = {
        "rates": {"ours": {"median": 500.0}, "pyas2lib": {"median": 40.0}},
        "ratios": {"pyas2lib": {"median": 12.5, "min": 11.0, "max": 13.0}},
        "titles": {"pyas2lib": "pyas2lib (AS2)", "as4": "as4"},
        "what": {"pyas2lib": "a cycle", "as4": "a cycle"},
        "absent": {"as4": "cannot be installed"},
        "P3": {"median": 12.5, "min": 11.0, "max": 13.0},
    }
    urgent = {"P5": {"median": 4.5, "min": 4.0, "max": 5.0}, "P6": {"median": 2.0, "min": 1.5, "max": 3.5}}
    stored = {"P7": {"median": 1.1, "min": 1.0, "max": 1.3}, "options": {"records": 100_000}}
    for name, figures in (("against", against), ("urgent_sqlite", urgent), ("stored", stored)):
        (folder / f"{name}.json").write_text(json.dumps(figures))


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    sample(tmp_path)
    done = run("bench/all.py", "--summary", "--keep", str(tmp_path))
    assert done.returncode == 0, done.stderr
    return tmp_path


def measures(folder: Path) -> dict[str, Any]:
    listed = json.loads((folder / "summary.json").read_text())["measures"]
    return {row["number"]: row for row in listed}


def test_the_summary_says_what_reached_its_goal(kept: Path) -> None:
    rows = measures(kept)
    assert {name: rows[name]["reached"] for name in ("P3", "P5", "P6", "P7")} == {
        "P3": True,
        "P5": False,
        "P6": True,
        "P7": True,
    }
    assert rows["P7"]["note"] == "100,000 stored"


def test_what_was_not_measured_has_no_figure(kept: Path) -> None:
    rows = measures(kept)
    assert [rows["P1a"]["value"], rows["P1a"]["reached"], rows["P1a"]["note"]] == [None, None, "not measured"]
    assert rows["P4"]["note"] == "the file does not hold it"


def test_the_table_for_a_readme_names_peers_and_those_that_are_missing(kept: Path) -> None:
    shown = (kept / "summary.md").read_text()
    assert "| P3 exchanges/s / pyas2lib cycles/s | >= 10 | 12.5 | 11 | 13 | yes |" in shown
    assert "| pyas2lib (AS2) | 40 | 12.5 (11 to 13) | a cycle |" in shown
    assert "Not measured: as4 (cannot be installed)." in shown


def test_the_picture_is_well_formed_and_shows_each_measure(kept: Path) -> None:
    drawn = "".join(ElementTree.parse(kept / "summary.svg").getroot().itertext())
    assert all(f"{name} " in drawn for name in ("P1a", "P3", "P12b"))
    assert "pyas2lib (AS2)" in drawn


def test_a_benchmark_that_fails_is_named_and_its_old_figure_is_not_shown(tmp_path: Path) -> None:
    sample(tmp_path)
    (tmp_path / "wire.json").write_text(json.dumps({"bytes": {"x": {"value": 1, "goal": 2}}}))
    (tmp_path / "wire.txt").mkdir()  # what it cannot write over
    done = run("bench/all.py", "--only", "wire", "--keep", str(tmp_path))
    assert done.returncode == 1
    assert "FAILED: wire: ended with 1" in done.stderr
    assert measures(tmp_path)["P11a"]["value"] is None


@pytest.mark.parametrize(
    ("age", "note"), [pytest.param(0.0, "", id="of this run"), pytest.param(60.0, "not measured", id="older")]
)
def test_a_figure_of_another_run_fills_no_gap(tmp_path: Path, age: float, note: str) -> None:
    sample(tmp_path)
    path = tmp_path / "urgent_sqlite.json"
    written = path.stat().st_mtime
    os.utime(path, (written - age, written - age))
    code = (
        "import sys; sys.path.insert(0, 'bench'); from pathlib import Path; import _summary;"
        f"found = _summary.collect(Path({str(tmp_path)!r}), {{}}, {written - 30});"
        "print([one.note for one in found if one.measure.number == 'P5'][0])"
    )
    assert run("-c", code).stdout.strip() == note
