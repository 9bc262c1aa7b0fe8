"""Who looked at what, shown to whoever has to ask: findings 8, 10, 15, s.62, purpose, figures, algorithms."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.api.auth import check_access
from gateway.api.routes import Access
from gateway.api.table import TABLE
from gateway.cli import accesses
from gateway.core import audit_bundle, kem
from gateway.core.directory import SUITE, parse_card
from gateway.core.encoding import encode
from gateway.core.inventory import USES, Quantum
from gateway.core.judgement import Verdict
from gateway.core.redaction import redact
from gateway.core.suppression import LEAST, suppress
from gateway.errors import GatewayError, NotAllowed, Unsupported
from gateway.flows import accounts, audit, audit_export, deliver, logbook, report, shred, subject
from gateway.flows.audit import Use, Wanted
from gateway.flows.node import Caller
from gateway.flows.shred import Person
from gateway.flows.subject import Ground, Withhold
from gateway.flows.tokens import AUDITOR, auditor_of, create, find
from gateway.ports import AccessRow, Transaction
from gateway.stores import open_store
from gateway.testing.boroughs import BEXLEY, START, World, two_boroughs
from schemas.acknowledgement import parse_opening
from schemas.base import ShapeError
from schemas.samples import minimal_example

REF = "HO-E09000012-2026-000417"
OPERATIONS = {"COLLECTION", "ALTERATION", "CONSULTATION", "DISCLOSURE", "COMBINATION", "ERASURE"}


@pytest.fixture
def document() -> Any:
    return json.loads(minimal_example())


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Bexley on a database file; its housing office fetches and so is asked for a justification."""
    file = f"sqlite:///{tmp_path / 'bexley.db'}"
    async with two_boroughs(stores={BEXLEY: lambda: open_store(file)}, pulling=["housing"]) as opened:
        yield opened


async def handed_over(world: World, document: Any) -> str:
    """The parcel of Bexley's housing office."""
    await world.hackney.submit(document)
    await world.settle()
    return f"notification-{(await world.bexley.legs(REF))['housing'].id}"


async def opened(world: World, parcel: str, **more: Any) -> Any:
    caller = world.bexley.caller("housing", actor="h-77")
    return await deliver.open_parked(
        world.bexley.node, caller, parcel, **{"justification": "ALLOCATED_CASE", **more}
    )


async def lines(world: World, side: str = "bexley") -> list[AccessRow]:
    store = getattr(world, side).node.store
    return [row for _, row in await store.read(lambda tx: tx.access_rows(0, 10_000))]


def auditor(world: World) -> Caller:
    return Caller(auditor_of(BEXLEY), AUDITOR, actor="aud-3", role="data protection officer")


# --- finding 8 --------------------------------------------------------------------------------------

TAMPERING: dict[str, str] = {
    "removed": "DELETE FROM accesses WHERE n = (SELECT n FROM accesses ORDER BY n LIMIT 1 OFFSET 2)",
    "edited": "UPDATE accesses SET actor = 'somebody-else' WHERE n = (SELECT max(n) FROM accesses)",
    "reordered": "UPDATE accesses SET n = -n",
    "cut off": "DELETE FROM accesses WHERE n > (SELECT min(n) FROM accesses)",
    "leaves edited": "UPDATE log SET leaf = CAST(replace(CAST(leaf AS TEXT), 'access', 'acceSs') AS BLOB)",
    "leaves cut off": 'DELETE FROM log WHERE "index" > 3',
}


@pytest.mark.row("F8")
@pytest.mark.parametrize("how", TAMPERING)
async def test_f8_what_is_removed_edited_reordered_or_cut_off_is_found(
    world: World, document: Any, tmp_path: Path, how: str
) -> None:
    parcel = await handed_over(world, document)
    world.clock.advance(120)
    await opened(world, parcel)
    world.clock.advance(1)
    await logbook.checkpoint(world.bexley.node)
    assert (await accounts.check(world.bexley.node)).good
    with sqlite3.connect(tmp_path / "bexley.db") as database:
        database.execute(TAMPERING[how])
    try:
        found = await accounts.check(world.bexley.node)
    except GatewayError as error:
        assert error.code in {"log_broken", "log_shrunk", "log_forked"}  # noqa: PT017 - one of two ways out
        assert how.startswith("leaves")
    else:
        assert not found.good
        assert not how.startswith("leaves")


# --- finding 10 -------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.row("F10")
async def test_f10_opening_without_a_justification_fails(world: World, document: Any) -> None:
    parcel = await handed_over(world, document)
    for body in (
        b"{}",
        b'{"justification":""}',
        b'{"justification":"BECAUSE"}',
        b'{"justification":"OTHER"}',
    ):
        with pytest.raises(ShapeError):
            parse_opening(body)
    assert not [row for row in await lines(world) if row.operation == "CONSULTATION"]
    assert parcel


@pytest.mark.row("F10")
async def test_f10_the_entry_is_on_disk_before_the_plaintext_exists(
    world: World, document: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parcel = await handed_over(world, document)

    def killed(*_: object) -> None:
        shutil.copytree(tmp_path, tmp_path.with_name("found"))
        raise Killed

    monkeypatch.setattr(deliver, "opened", killed)
    with pytest.raises(Killed):
        await opened(world, parcel, purpose="SAFEGUARDING")
    left = open_store(f"sqlite:///{tmp_path.with_name('found') / 'bexley.db'}")
    await left.start()
    try:
        found = await left.read(lambda tx: tx.accesses(ref=REF))
    finally:
        await left.close()
    (row,) = [row for row in found if row.operation == "CONSULTATION"]
    assert (row.actor, row.justification, row.purpose) == ("h-77", "ALLOCATED_CASE", "SAFEGUARDING")


@pytest.mark.row("F10")
async def test_f10_nothing_is_opened_when_the_entry_could_not_be_written(
    world: World, document: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    parcel = await handed_over(world, document)
    shown: list[object] = []

    def full(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(accounts, "record", full)
    monkeypatch.setattr(deliver, "opened", lambda *_: shown.append(1))
    with pytest.raises(Killed):
        await opened(world, parcel)
    assert not shown


@pytest.mark.row("F10")
async def test_f10_all_six_operations_are_on_record(world: World, document: Any) -> None:
    parcel = await handed_over(world, document)
    await opened(world, parcel)
    legs = await world.bexley.legs(REF)
    await world.bexley.answer("housing", legs["housing"].id)
    await world.settle()
    first = document["message"]["message_id"]
    document["message"] |= {"version": 2, "message_id": first[:-1] + "9", "supersedes": first}
    await world.hackney.submit(document, key="two")
    await world.settle()
    await shred.shred(
        world.bexley.node, Person("op-1"), REF, 1, others=True, force=True, justification="RETENTION_END"
    )
    assert {row.operation for row in await lines(world)} == OPERATIONS
    assert all(row.at and row.actor and row.justification for row in await lines(world))


@pytest.mark.row("F10")
def test_f10_whoever_opens_or_answers_is_named() -> None:
    acting = re.compile(r"open|acknowledge|attachments/\{blob\}|actions|authoris|subject-access|notices")
    for route in TABLE:
        if acting.search(route.path) and not route.path.startswith("/v1/relay") and route.method == "POST":
            assert route.access.by_a_person, route.path


# --- s.62 -------------------------------------------------------------------------------------------


def _strings(value: Any) -> set[str]:
    match value:
        case dict():
            return {text for below in value.values() for text in _strings(below)}
        case list():
            return {text for below in value for text in _strings(below)}
        case str():
            return {value}
    return set()


@pytest.mark.row("S62_ERASURE")
async def test_s62_the_log_of_erasure_holds_nothing_of_what_was_erased(world: World, document: Any) -> None:
    parcel = await handed_over(world, document)
    await opened(world, parcel, note="the landlord rang")
    for side in world.boroughs:
        await shred.shred(
            side.node, Person("op-1"), REF, 1, others=True, force=True, justification="RETENTION_END"
        )
        rows = [row for _, row in await side.node.store.read(lambda tx: tx.access_rows(0, 10_000))]
        assert "ERASURE" in {row.operation for row in rows}
        leaves = b"\n".join(leaf for _, leaf in await logbook.leaves(side.node, 0, 999))
        told = (repr(rows) + leaves.decode()).lower()
        personal = ("core", "move", "orders", "history", "associates", "aspirations", "support")
        texts = {text for name in personal for text in _strings(document.get(name))}
        sentences = {text.lower() for text in texts if len(text) > 12 and not text.startswith("E0")}
        assert len(sentences) > 30
        codes = {text for text in sentences if re.fullmatch(r"[a-z0-9_]+", text)}
        assert not [text for text in sentences - codes if text in told]
        assert "landlord" not in told
        for name in ("family_name", "given_names", "date_of_birth"):
            assert document["core"][name].lower() not in told


@pytest.mark.row("S62_4")
async def test_s62_4_a_role_of_its_own_reads_the_log_and_each_reading_is_logged(
    world: World, document: Any
) -> None:
    await handed_over(world, document)
    node, now = world.bexley.node, world.clock.now()

    def token(name: str) -> Callable[[Transaction], str]:
        return lambda tx: create(tx, name, "a system", now)[0]

    for name in ("police", "community_safety", "node"):
        text = await node.store.write(token(f"{BEXLEY}/{name}"))
        holder = await node.store.read(lambda tx, text=text: find(tx, text, node, now))
        with pytest.raises(NotAllowed):
            check_access(Access.AUDITOR, holder.caller)
    text = await node.store.write(token(auditor_of(BEXLEY)))
    holder = await node.store.read(lambda tx: find(tx, text, node, now))
    check_access(Access.AUDITOR, holder.caller)
    for other in (Access.AGENCY, Access.STAFF, Access.OPERATOR):
        with pytest.raises(NotAllowed):
            check_access(other, holder.caller)
    before = len(await lines(world))
    page = await audit.read(node, auditor(world), Wanted(ref=REF), use=Use.LAWFULNESS_CHECK)
    (row,) = (await lines(world))[before:]
    assert (row.operation, row.actor, row.ref) == ("AUDIT", "aud-3", REF)
    assert f"lines={len(page.lines)}" in row.sections
    with pytest.raises(NotAllowed):
        await audit.read(node, auditor(world), Wanted(), use="CURIOSITY")


@pytest.mark.row("S62_5")
async def test_s62_5_one_command_makes_a_signed_file_that_a_stranger_verifies(
    world: World, document: Any, tmp_path: Path
) -> None:
    parcel = await handed_over(world, document)
    await opened(world, parcel, note="asked by the duty manager")
    world.clock.advance(1)
    given = [row.id for row in await lines(world)]
    made = await audit_export.export(
        world.bexley.node, auditor(world), Wanted(), use=Use.COMMISSIONER_REQUEST, reference="ICO-1"
    )
    file, fingerprint = tmp_path / "ico.json", world.bexley.node.network.fingerprint
    file.write_bytes(made)
    found = accesses.check(file, fingerprint, None, None)
    assert found["verdict"] == "VALID"
    assert [line["id"] for line in found["lines"]] == given
    leaves = tmp_path / "leaves"
    leaves.write_bytes(b"".join(leaf + b"\n" for _, leaf in await logbook.leaves(world.bexley.node, 0, 999)))
    whole = accesses.check(file, fingerprint, leaves, None)
    assert whole["verdict"] == "INVALID"  # the giving out itself, which came after
    assert whole["reasons"] == ["1 lines of that time in the log are not in this file"]
    body = json.loads(made)
    body["lines"][0]["row"]["actor"] = "nobody"
    assert audit_bundle.judge(encode(body), fingerprint).verdict is Verdict.INVALID
    assert [row.recipients for row in await lines(world)][-1] == ("COMMISSIONER",)


# --- finding 15 -------------------------------------------------------------------------------------


@pytest.mark.row("F15")
async def test_f15_a_person_learns_of_every_disclosure_and_of_nobody_else(
    world: World, document: Any
) -> None:
    await handed_over(world, document)
    caller = world.hackney.caller("community_safety", actor="dpo-1")
    found: Any = await subject.access(world.hackney.node, caller, REF)
    assert {line["to"][0] for line in found["disclosures"]} == {
        f"{BEXLEY}/{role}" for role in world.bexley.desks
    }
    assert "Fictional Associate" in json.dumps(document)
    assert "Fictional Associate" not in json.dumps(found)
    assert redact(document).places
    withhold = Withhold(Ground.PREJUDICE_TO_PREVENTION, ("history",), START + 30 * 86_400)
    restricted: Any = await subject.access(world.hackney.node, caller, REF, withhold)
    assert restricted["restricted"] is True
    assert restricted["restrictions"][0]["ground"] == "PREJUDICE_TO_PREVENTION"
    (row,) = await world.hackney.node.store.read(lambda tx: tx.restrictions(REF))
    assert (row.ground, row.review) == ("PREJUDICE_TO_PREVENTION", START + 30 * 86_400)
    with pytest.raises(NotAllowed):
        await subject.access(
            world.hackney.node, caller, REF, Withhold("NEITHER_CONFIRM_NOR_DENY", ("content",), START + 9)
        )


# --- purpose ----------------------------------------------------------------------------------------


@pytest.mark.row("ART5_1B")
@pytest.mark.parametrize("purpose", ["IMMIGRATION", "REFUSE_SERVICE", "RESEARCH", "ENFORCEMENT"])
async def test_art_5_1_b_opening_for_another_purpose_is_refused(
    world: World, document: Any, purpose: str
) -> None:
    parcel = await handed_over(world, document)
    with pytest.raises(NotAllowed) as error:
        await opened(world, parcel, purpose=purpose)
    assert (error.value.rule, error.value.field) == ("Art5(1)(b)", "/purpose")
    assert error.value.remedy
    assert not (await world.bexley.legs(REF))["housing"].opened
    assert (await opened(world, parcel, purpose="SAFEGUARDING")).content


# --- figures ----------------------------------------------------------------------------------------


@pytest.mark.row("F7_STATS")
async def test_s149_no_count_under_five_is_printed_nor_given_away(world: World, document: Any) -> None:
    parcel = await handed_over(world, document)
    await opened(world, parcel)
    by = Caller(f"{BEXLEY}/node", "NODE", actor="an-1", role="analyst")
    counts = {"ethnic group": {"A": 31, "B": 4, "C": 9, "D": 0}}
    found = await report.quarter(world.bexley.node, by, "2026Q4", equality=counts)

    def numbers(value: Any) -> list[int]:
        match value:
            case dict():
                return [one for below in value.values() for one in numbers(below)]
            case int():
                return [value]
        return []

    counted = {name: value for name, value in found.items() if name not in {"threshold", "quarter"}}
    assert all(number == 0 or number >= LEAST for number in numbers(counted))
    assert found["equality"] == {
        "ethnic group": {"cells": {"A": 31, "B": None, "C": None, "D": 0}, "total": 44}
    }
    assert suppress({"a": 4, "b": 60}).cells == {"a": None, "b": None}


# --- algorithms -------------------------------------------------------------------------------------


@pytest.mark.row("PQC")
def test_pqc_the_inventory_names_every_algorithm_and_sealing_is_hybrid() -> None:
    by = {use.use.partition(" ")[0]: use for use in USES}
    assert by["keys"].quantum is Quantum.HYBRID
    assert "ML-KEM-768" in by["keys"].algorithm
    assert kem.PUBLIC == 1184 + 32  # ML-KEM-768 and X25519, both
    assert all(use.plan and use.standard and use.life for use in USES)
    named = " ".join(use.algorithm for use in USES).lower()
    source = "".join(path.read_text() for path in (Path(kem.__file__).parent).glob("*.py"))
    imported = set(re.findall(r"^from (?:nacl|cryptography)[\w.]* import (.+)$", source, re.MULTILINE))
    assert imported
    for called, name in {
        "MLKEM768": "ml-kem-768",
        "crypto_scalarmult": "x25519",
        "xchacha20poly1305": "xchacha20-poly1305",
        "VerifyKey": "ed25519",
        "pwhash": "argon2id",
        "blake2b": "blake2b",
        "sha3_256": "sha3-256",
        "shake_256": "shake-256",
        "sha256": "sha-256",
    }.items():
        assert called in source
        assert name in named


@pytest.mark.row("PQC")
@pytest.mark.parametrize("suite", [1])
def test_pqc_a_subkey_of_a_weaker_suite_is_refused(suite: int) -> None:
    net = bytes(32)
    card = {
        "v": 1,
        "net": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "principal": "E09000004/police",
        "version": 1,
        "subkeys": [{"suite": suite, "pk": "AAAA", "from": 1, "until": 2}],
    }
    with pytest.raises(Unsupported) as error:
        parse_card(card, net=net, min_suite=SUITE)
    assert error.value.code == "card_suite"
