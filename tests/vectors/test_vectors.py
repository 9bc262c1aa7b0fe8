"""The published vectors: made again to the same bytes, and judged alike by two implementations."""

from __future__ import annotations

import ast
import json
import re
import sys
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import generate
import product
import pytest
import reader
from making import good_envelopes, network, pool
from making.sealing import Sealing
from reading import judge, xwing
from reading.judge import cases_of
from reading.text import unb64

from gateway.core import envelope as gateway_envelope
from gateway.core import kem
from gateway.core.envelope import Kind, Position, Recipient, Seen, prepare
from gateway.core.keys import IdentityKey

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FILES = [path.relative_to(HERE).as_posix() for path in reader.files()]
GOOD = {"good", "duplicate", "VALID"}
BESIDE = GOOD | {"INVALID", "CANNOT_TELL"}
"""What `expect` may be beside the codes of section 10."""

ABOUT_STATE = {53: "an alarm", 60: "a restored database", 61: "a heartbeat that stays away"}
ABOUT_SENDING = {32: "policy at the sender"}
ABOUT_ATTACHMENTS = {72: "a file's type"}
"""The attacks of 1 to 73 that no bytes by themselves show."""


def load(name):
    return json.loads((HERE / name).read_text(encoding="utf-8"))


def every_case():
    for name in FILES:
        for case in cases_of(load(name)):
            yield name, case


def codes():
    page = (ROOT / "docs" / "protocol.md").read_text()
    table = page[page.index("## 10.") : page.index("## 11.")]
    return set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))


# --- made again -------------------------------------------------------------------------------------


def test_all_that_is_not_frozen_is_made_again_to_the_same_bytes() -> None:
    assert [path.name for path, _ in generate.changed()] == []


def test_what_is_frozen_is_written_only_when_that_is_asked_for(tmp_path, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(pool, "renew", asked.append)
    monkeypatch.setattr(generate, "changed", list)
    monkeypatch.setattr(generate, "HERE", tmp_path)
    monkeypatch.setattr(reader, "frozen_verdicts", lambda: "{}")
    generate.main([])
    assert not asked
    generate.main(["--renew"])
    assert len(asked) == 1
    assert pool.FILE not in {path for path, _ in generate.made()}


def test_every_frozen_encapsulation_opens_with_both_implementations() -> None:
    held = pool.load()
    subkeys = {one.label: one for one in (*network.SUBKEYS.values(), network.DUMMY)}
    assert held.keys() == subkeys.keys()
    for label, found in held.items():
        assert len({one["ciphertext_b64"] for one in found}) == pool.EACH
        for one in found:
            ciphertext, shared = unb64(one["ciphertext_b64"]), unb64(one["shared_b64"])
            assert xwing.Key(subkeys[label].seed).decapsulate(ciphertext) == shared
            assert kem.decapsulate(subkeys[label].seed, ciphertext) == shared


SEALED = [
    good_envelopes.four(),
    good_envelopes.pair("two readers"),
    good_envelopes.pair(
        "three and a dummy",
        readers=(*good_envelopes.READERS[:2], (network.B_HOUSING, ())),
        nslots=4,
        contents=good_envelopes.FOUR[:4],
    ),
    good_envelopes.receipts_envelope("no receipts"),
]


@pytest.mark.parametrize("made", SEALED, ids=lambda made: made.name)
def test_the_gateway_seals_to_the_bytes_of_the_second_sealer(made: Sealing, monkeypatch) -> None:
    """With the same chance: message id, part keys, encapsulations, commitments of the dummies."""
    dummies = made.to_commitments[len(made.readers) :]
    chance = BytesIO(b"".join([made.mid, *made.keys, *dummies]))
    readers = iter([principal for principal, _ in made.readers] + [""] * len(dummies))
    slots = iter(range(made.nslots))
    monkeypatch.setattr(gateway_envelope, "secrets", SimpleNamespace(token_bytes=chance.read))
    monkeypatch.setattr(gateway_envelope, "_throw_away", lambda: network.DUMMY.public)
    monkeypatch.setattr(kem, "encapsulate", lambda _: made.encapsulation(next(slots), next(readers)))
    draft = prepare(
        net=made.net,
        kind=Kind(made.kind),
        priority=made.priority,
        to=made.to.decode(),
        expires=made.expires,
        recipients=[
            Recipient(name, network.SUBKEYS[name, made.subkey].public, frozenset(numbers))
            for name, numbers in made.readers
        ],
        contents=made.contents,
    )
    sealed = draft.finish(
        IdentityKey(made.signer.name, made.signer.seed),
        created=made.created,
        directory=made.directory,
        position=Position(made.stream, made.seq, made.prev),
        seen=Seen(made.seen["stream"], made.seen["seq"]),
    )
    assert sealed.envelope == made.envelope
    assert chance.read() == b""


# --- judged -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
async def test_the_gateway_comes_to_the_expected_verdict(name) -> None:
    judged, memory = product.Product(HERE), {}
    for at, case in enumerate(cases_of(load(name))):
        found, gives = await product.outcome(judged, case, memory)
        assert reader.right(case, found, gives), (at, case["expect"], found, gives)


def test_the_second_reader_comes_to_the_same_verdicts() -> None:
    wrong = [
        (place, case["expect"], found)
        for place, case, found, gives in reader.verdicts()
        if not reader.right(case, found, gives)
    ]
    assert wrong == []


def test_a_wrong_verdict_is_seen() -> None:
    case = {"expect": "slot", "gives": {}}
    assert reader.right(case, "slot", {})
    assert not reader.right(case, "good", {})
    assert not reader.right(case, "area", {})
    assert reader.right({**case, "exact": False}, "area", {})
    assert not reader.right({**case, "exact": False}, "good", {})
    assert not reader.right({"expect": "good", "gives": {"a": 1}}, "good", {"a": 2})


def test_the_second_reader_and_the_makers_know_nothing_of_the_gateway() -> None:
    allowed = {"nacl", "cryptography", "making", "reading", "reader", *sys.stdlib_module_names}
    ours = [*HERE.glob("reading/*.py"), *HERE.glob("making/*.py"), HERE / "reader.py", HERE / "generate.py"]
    for path in ours:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert {name.partition(".")[0] for name in names} <= allowed, path.name


# --- the form of the files --------------------------------------------------------------------------


def test_every_expectation_is_of_the_closed_list() -> None:
    known = codes() | BESIDE
    for name, case in every_case():
        assert case["expect"] in known, name


def test_every_format_is_in_the_page_and_every_format_of_the_page_is_used() -> None:
    page = (HERE / "README.md").read_text()
    told = set(
        re.findall(r"^\| `(\w+)` \|", page[page.index("## Formats") : page.index("## Files")], re.MULTILINE)
    )
    assert {load(name)["format"] for name in FILES} == told
    assert {name.rstrip("_") for name in judge.PLAIN} <= told


def test_every_folder_is_in_the_page_with_its_count() -> None:
    page = (HERE / "README.md").read_text()
    listed = page[page.index("## Files") :]
    told = {
        found[0]: int(found[1]) for found in re.findall(r"^\| `([\w/-]+)/` \| (\d+) \|", listed, re.MULTILINE)
    }
    found: dict[str, int] = {}
    for name in FILES:
        folder = name.rpartition("/")[0]
        found[folder] = found.get(folder, 0) + 1
    assert told == found


def test_files_are_small_sorted_and_written_one_way() -> None:
    total = 0
    for path in HERE.rglob("*.json"):
        text = path.read_text(encoding="utf-8")
        assert path.name == "verdicts.json" or text == pool.spelled(json.loads(text)), path.name
        total += len(text.encode())
    assert total < 3_000_000


def test_a_bad_file_has_no_good_case_and_says_which_attack_it_is() -> None:
    for name in FILES:
        if "/bad/" in name:
            file = load(name)
            assert file["attacks"], name
            assert not GOOD & {case["expect"] for case in file["cases"]}, name


def test_eighty_bad_envelopes_and_more() -> None:
    envelopes = [load(name) for name in FILES if name.startswith("envelopes/bad/")]
    assert len({file["envelope_b64"] for file in envelopes}) >= 80
    assert len(envelopes) >= 80


def test_every_attack_that_is_about_bytes_has_a_vector() -> None:
    told = {number for name in FILES for number in load(name).get("attacks", ())}
    assert set(range(1, 74)) - told == {*ABOUT_STATE, *ABOUT_SENDING, *ABOUT_ATTACHMENTS} - told


def test_the_good_envelope_has_four_readers_who_see_different_things() -> None:
    file = load("envelopes/good/four-readers.json")
    seen = [frozenset(case["gives"]["parts"]) for case in file["cases"]]
    assert len(seen) == 4 == len(set(seen))
