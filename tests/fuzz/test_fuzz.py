"""A few thousand inputs to every parser of foreign bytes (attack case 118), so that the fuzzer cannot rot.

The long run is `make fuzz N=10000000`; its figures are kept in bench/results/fuzz.txt.
"""

from __future__ import annotations

import ast
from pathlib import Path
from random import Random

import pytest
from fuzz import Tally, fuzz, run
from fuzzing import Target, targets
from fuzzing.changes import Changes
from fuzzing.said import UNKNOWN
from fuzzing.seeds import raw

from gateway.core import encoding
from gateway.errors import Refused

TARGETS = targets()
ROOT = Path(__file__).parents[2]
SEED = 20261122
ELSEWHERE = {"notes", "encoding", "amend"}
"""The primitives, of which every reader is made; and `amend`, which decodes what it has encoded itself."""

FIRST_LOOK = {"slot"}
"""Parsers with one way to say no, and no changed input that is good."""


@pytest.fixture(autouse=True)
def _scratch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # what escapes is written beside whoever looks for it


@pytest.mark.parametrize("name", TARGETS)
def test_118_only_the_one_error_escapes(name) -> None:
    tally, target = Tally(), TARGETS[name]
    run(name, target, SEED, max(60, round(500 * target.weight)), tally)
    assert tally.escaped == {}
    assert tally.longest < 2  # seconds: no input may hold a node up
    if target.raises and name not in FIRST_LOOK:
        assert len(tally.refused) + bool(tally.taken) > 1


def test_the_same_seed_makes_the_same_inputs_and_another_others() -> None:
    def codes(seed: int) -> Tally:
        tally = Tally()
        run("envelope", TARGETS["envelope"], seed, 300, tally)
        return tally

    assert codes(1).refused == codes(1).refused != codes(2).refused


def test_what_escapes_is_told_and_kept(capsys) -> None:
    def broken(data: bytes) -> None:
        if len(data) % 2:
            raise ValueError(data[0])
        raise Refused("even")

    tally = fuzz(400, 3, {"broken": Target(raw([b"abcd"]), broken, [b"abcd"])})["broken"]
    (place,) = tally.escaped
    assert place == "ValueError at test_fuzz.py:broken"
    assert Path(tally.escaped[place]).read_bytes()
    assert "ESCAPED from broken, seed" in capsys.readouterr().err
    assert tally.inputs == 400
    assert 0 < tally.refused["refused"] < 400


def test_changes_reach_canonical_json_and_good_envelopes() -> None:
    changes = Changes(Random(5), [b"BXE1"])
    seen = set()
    for _ in range(3000):
        made = changes.canonical(changes.json({"a": [1, {"b": "AAAA" * 8}], "v": 1}))
        try:
            seen.add(type(encoding.decode(made)).__name__)
        except Refused as error:
            seen.add(error.code)
    assert seen >= {"dict", "json_canonical", "json_depth", "json_number", "json_syntax", "json_key"}
    tally = Tally()
    run("envelope", TARGETS["envelope"], 1, 1500, tally)
    assert set(tally.refused) >= {"magic", "kind", "priority", "slots", "truncated", "trailing", "to"}
    assert tally.taken > 100


def test_every_section_of_a_peer_has_a_good_input() -> None:
    assert set() == UNKNOWN, "give it one in bench/fuzzing/said.py"


def test_every_reader_of_the_core_is_fuzzed() -> None:
    """A module of the core that decodes or opens notes is reached from bench/fuzzing."""
    named = "".join(path.read_text() for path in (ROOT / "bench" / "fuzzing").glob("*.py"))
    words = {node.attr for node in ast.walk(ast.parse(named)) if isinstance(node, ast.Attribute)}
    words |= {node.id for node in ast.walk(ast.parse(named)) if isinstance(node, ast.Name)}
    readers = set()
    for path in sorted((ROOT / "gateway" / "core").glob("*.py")):
        source = path.read_text()
        if path.stem in ELSEWHERE or not any(
            call in source for call in ("decode_object(", "open_note(", "open_lines(")
        ):
            continue
        public = {
            node.name for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        }  # fmt: skip
        if not public & words:
            readers.add(path.stem)
    assert readers == set()
