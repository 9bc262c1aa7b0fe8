"""gateway db backup, restore, check, upgrade: what is copied, what is refused, what is found."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command

from gateway.core.encoding import encode
from gateway.ports import EnvelopeRow, Lane, Outbound, OutboxRow, Side, StreamRow, Transaction
from gateway.stores import migrations, open_store
from gateway.stores.database import Database
from gateway.stores.manifest import Manifest, digest
from gateway.stores.manifest import write as write_manifest

SETTINGS = 'environment = "demo"\narea = "E09000012"\ndata = "hackney"\n'
CONFIG = ("--config", "hackney/gateway.toml", "--json")
PEER, STREAM, AT = "E09000004", "5" * 32, 1_795_000_000
ORIGIN = "bx/1/log/x/E09000012"
SHREDDED = b"the sealed bytes of what was purged" * 400


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database at this release that holds seven leaves, a message and a stream. No keys: none
    of these commands needs one."""
    folder = tmp_path_factory.mktemp("db") / "hackney"
    make(folder)
    write(_filled, folder)
    return folder


@pytest.fixture
def node(gateway: Any, prepared: Path) -> Path:
    """A copy of it as the folder ``hackney``."""
    shutil.copytree(prepared, "hackney")
    return Path("hackney")


def make(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / "keys").mkdir(mode=0o700)
    (folder / "gateway.toml").write_text(SETTINGS)


def _filled(tx: Transaction) -> None:
    for number in range(7):
        tx.append_log(encode({"n": number}), mid=f"m{number}")
    tx.put_stream(StreamRow(PEER, True, STREAM, 3, b"h" * 32, at=AT))
    tx.put_envelope(_envelope())
    tx.put_outbox(_outbox("m1"))


def _envelope() -> EnvelopeRow:
    return EnvelopeRow(
        "m1", Side.ORIGIN, 2, PEER, STREAM, 3, b"s" * 32, b"d" * 32, AT, b"body", b"", created=AT
    )


def _outbox(mid: str) -> OutboxRow:
    return OutboxRow(f"o{mid}", PEER, Lane.STANDARD, mid, Outbound.WAITING, AT, 0, AT, AT + 9)


def write(work: Callable[[Transaction], object], folder: Path = Path("hackney")) -> None:
    async def run() -> None:
        store = open_store(f"sqlite:///{folder}/gateway.db")
        await store.start()
        try:
            await store.write(work)
        finally:
            await store.close()

    asyncio.run(run())


def change(*statements: str) -> None:
    with closing(sqlite3.connect("hackney/gateway.db")) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def leaves() -> int:
    with closing(sqlite3.connect("hackney/gateway.db")) as connection:
        return int(connection.execute("SELECT count(*) FROM log").fetchone()[0])


def found(done: Any) -> dict[str, Any]:
    return {one["check"]: one for one in done.json["checks"]}


def test_a_backup_is_private_whole_and_says_what_is_in_it(gateway: Any, node: Path) -> None:
    done = gateway("db", "backup", "copy", *CONFIG)
    assert (done.json["area"], done.json["revision"], done.json["leaves"]) == ("E09000012", "0011", 7)
    assert json.loads(Path("copy.manifest.json").read_bytes())["sha256"] == done.json["sha256"]
    assert {path.name for path in Path().glob("*copy*")} == {"copy", "copy.manifest.json"}
    for path in Path().glob("copy*"):
        assert path.stat().st_mode & 0o777 == 0o600
    assert "keys are not in it" in done.err
    again = gateway("db", "backup", "copy", *CONFIG)
    assert (again.code, again.error) == (6, "backup_exists")


def test_what_was_deleted_is_in_no_page_of_a_backup(gateway: Any, node: Path) -> None:
    write(lambda tx: tx.put_setting("shredded", SHREDDED))
    change("PRAGMA secure_delete=OFF", "DELETE FROM settings WHERE name = 'shredded'")
    change("PRAGMA wal_checkpoint(TRUNCATE)")
    assert SHREDDED[:64] in (node / "gateway.db").read_bytes(), "the page is free, and still there"
    assert gateway("db", "backup", "copy", *CONFIG).code == 0
    assert SHREDDED[:64] not in Path("copy").read_bytes()


def test_a_backup_of_nothing_makes_no_database(gateway: Any) -> None:
    make(Path("hackney"))
    done = gateway("db", "backup", "copy", *CONFIG)
    assert (done.code, done.error) == (8, "no_database")
    assert not Path("hackney/gateway.db").exists()
    assert list(Path().glob("*copy*")) == []


def test_restored_it_begins_a_new_stream_alarms_and_keeps_what_was_there(gateway: Any, node: Path) -> None:
    gateway("db", "backup", "copy", *CONFIG)
    write(lambda tx: tx.append_log(b"since", mid="m9"))
    refused = gateway("db", "restore", "copy", *CONFIG)
    assert (refused.code, refused.error) == (6, "database_holds_more")
    assert leaves() == 8
    done = gateway("db", "restore", "copy", "--force", *CONFIG)
    assert done.json["leaves_lost"] == 1
    assert leaves() == 7
    kept = Path(done.json["kept"])
    with closing(sqlite3.connect(kept)) as old:
        assert old.execute("SELECT count(*) FROM log").fetchone() == (8,)
    (peer,) = gateway("peer", "list", *CONFIG).json["peers"]
    assert (peer["sent"], peer["sent_stream"] != STREAM) == (0, True)
    (alarm,) = gateway("alarms", "list", *CONFIG).json["alarms"]
    assert (alarm["code"], alarm["subject"]) == ("restored", "leaves 7")
    assert json.loads((node / "keys/streams.anchor").read_bytes())["size"] == 7
    assert [path.name for path in node.glob(".*restoring*")] == []
    assert "telephone" in done.err


def test_a_database_that_is_gone_or_damaged_is_restored_without_force(gateway: Any, node: Path) -> None:
    gateway("db", "backup", "copy", *CONFIG)
    place = node / "gateway.db"
    content = bytearray(place.read_bytes())
    content[:100] = bytes(100)
    place.write_bytes(content)
    (node / "gateway.db-wal").write_bytes(b"a journal of the old file")
    done = gateway("db", "restore", "copy", *CONFIG)
    assert (done.code, done.json["leaves_lost"]) == (0, -1)
    assert Path(done.json["kept"]).read_bytes() == content
    assert Path(f"{done.json['kept']}-wal").read_bytes() == b"a journal of the old file"
    assert leaves() == 7
    place.unlink()
    assert gateway("db", "restore", "copy", *CONFIG).json["kept"] == ""
    assert leaves() == 7


def test_no_database_in_use_is_replaced(gateway: Any, node: Path) -> None:
    gateway("db", "backup", "copy", *CONFIG)
    hold = (
        "import sqlite3, sys; c = sqlite3.connect('hackney/gateway.db');"
        "c.execute('PRAGMA journal_mode=WAL');"
        "c.execute('select count(*) from log').fetchall(); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        done = gateway("db", "restore", "copy", "--force", *CONFIG)
        assert (done.code, done.error) == (6, "database_in_use")
        other.communicate(b"")
    assert gateway("db", "restore", "copy", *CONFIG).code == 0


@pytest.mark.parametrize(
    ("spoil", "code", "word"),
    [
        (lambda body: body.update(sha256="0" * 64), 4, "backup_damaged"),
        (lambda body: body.update(area="E09000004"), 6, "backup_area"),
        (lambda body: body.update(kind="postgresql"), 6, "backup_kind"),
        (lambda body: body.update(revision="9999"), 4, "backup_newer"),
        (lambda body: body.update(v=2), 4, "backup_newer"),
        (lambda body: body.pop("root"), 4, "field_missing"),
    ],
    ids=["hash", "area", "kind", "revision", "form", "field"],
)
def test_a_backup_that_does_not_fit_changes_nothing(
    gateway: Any, node: Path, spoil: Callable[[dict[str, Any]], Any], code: int, word: str
) -> None:
    gateway("db", "backup", "copy", *CONFIG)
    manifest = Path("copy.manifest.json")
    body = json.loads(manifest.read_bytes())
    spoil(body)
    manifest.write_bytes(encode(body))
    before = (node / "gateway.db").read_bytes()
    done = gateway("db", "restore", "copy", "--force", *CONFIG)
    assert (done.code, done.error) == (code, word)
    assert (node / "gateway.db").read_bytes() == before
    assert gateway("db", "restore", "no such file", *CONFIG).error == "no_backup"


def test_an_older_backup_is_brought_to_this_release(gateway: Any, node: Path) -> None:
    """Made by the steps of the release before, and backed up by it."""
    older = Path("older.db")
    engine = Database(f"sqlite:///{older}").engine
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        command.upgrade(migrations.configuration(connection), "0009")
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA journal_mode=DELETE")
    engine.dispose()
    sha256, count = digest(older)
    write_manifest(older, Manifest("sqlite", "E09000012", "0009", 0, "0" * 64, AT, sha256, count))
    assert gateway("db", "restore", "older.db", "--force", *CONFIG).code == 0
    assert gateway("db", "upgrade", "--dry-run", *CONFIG).json["revision"] == "0011"
    assert found(gateway("db", "check", *CONFIG))["schema"]["ok"] is True


def test_a_dry_run_says_the_steps_and_makes_nothing(gateway: Any, node: Path) -> None:
    done = gateway("db", "upgrade", "--dry-run", *CONFIG)
    assert done.json == {"revision": "0011", "head": "0011", "steps": []}
    (node / "gateway.db").unlink()
    done = gateway("db", "upgrade", "--dry-run", *CONFIG)
    assert (done.json["steps"][0], done.json["steps"][-1]) == ("0001", "0011")
    assert not (node / "gateway.db").exists()


def test_a_database_that_is_right_is_found_right(gateway: Any, node: Path) -> None:
    done = gateway("db", "check", *CONFIG)
    assert (done.code, done.json["good"]) == (0, True), done.out
    assert set(found(done)) == {
        "integrity", "schema", "log", "messages", "legs", "receipts", "attachments", "keys", "permissions",
        "disk",
    }  # fmt: skip
    assert "7 leaves" in found(done)["log"]["message"]


LEG = (
    "INSERT INTO legs (id, ref, version, side, principal, agency, counterpart, state, urgency, mid, "
    "delivered, opened, acknowledge_by, decide_by, overdue, updated, via, duty) "
    "VALUES ('l1', 'R', 1, 'origin', '', '', '', '{state}', 'STANDARD', '', 0, 0, 0, 0, '', 0, '', '')"
)
EVENT = (
    'INSERT INTO leg_events (id, leg, at, event, "before", "after", by, code) '
    "VALUES ('e{n}', 'l1', 1, '{event}', '{before}', '{after}', '', '')"
)
RECEIPT = (
    "INSERT INTO receipts (id, hash, mid, by, state, code, at, prev, note, peer, ours, leg, ref, version, "
    "sent_in, applied, urgent) "
    "VALUES ('r1', x'01', 'm', 'p', 'opened', '', 1, x'77', x'', '', 0, '', '', 0, '', 1, 0)"
)


@pytest.mark.parametrize(
    ("check", "statements", "words"),
    [
        ("log", ["DELETE FROM log WHERE n = 3"], "leaf 3 is missing"),
        ("log", ["UPDATE log SET leaf = x'00' WHERE n = 5"], "leaf 5 is not"),
        ("log", ["UPDATE log SET nodes = x'' WHERE n = 3"], "leaf 3 is not"),
        (
            "log",
            [f"INSERT INTO checkpoints VALUES ('{ORIGIN}', 9, x'00', 1, x'00')"],
            "9 are signed for",
        ),
        (
            "log",
            [f"INSERT INTO cosignatures VALUES ('{ORIGIN}', 4, 'E09000012', x'00', 1, x'00')"],
            "root at 4 leaves",
        ),
        ("messages", ["DELETE FROM envelopes"], "outbox without their message: om1"),
        ("legs", [LEG.format(state="ACCEPTED"), EVENT.format(n=1, event="transmitted", before="QUEUED",
                                                             after="TRANSMITTED")], "where its history ends"),
        ("legs", [LEG.format(state="ACCEPTED"), EVENT.format(n=1, event="transmitted", before="QUEUED",
                                                             after="ACCEPTED")], "not allowed"),
        ("receipts", [RECEIPT], "a hole"),
        ("attachments", ["INSERT INTO blob_segments VALUES ('p', 'b', 0, x'00', 'm')"], "1 segments"),
        ("schema", ["CREATE TABLE of_nobody (x INTEGER)"], "1 tables, columns or indexes"),
        (
            "integrity",
            ["PRAGMA foreign_keys=OFF", EVENT.format(n=1, event="x", before="a", after="b")],
            "events",
        ),
        ("keys", ["UPDATE envelopes SET epoch = '2026-01'"], "2026-01"),
    ],
    ids=["leaf-gone", "leaf-changed", "tree", "shrunk", "forked", "message", "state", "move", "receipt",
         "segment",
         "table", "foreign", "epoch"],
)  # fmt: skip
def test_what_is_wrong_is_found_and_has_a_remedy(
    gateway: Any, node: Path, check: str, statements: list[str], words: str
) -> None:
    change(*statements)
    done = gateway("db", "check", *CONFIG)
    assert (done.code, done.json["good"]) == (4, False)
    wrong = found(done)[check]
    assert wrong["ok"] is False
    assert words in wrong["message"]
    assert wrong["remedy"]
    assert "NOT OK  " + check in gateway("db", "check", "--config", "hackney/gateway.toml").out


def test_damaged_pages_and_open_permissions_are_found(gateway: Any, node: Path) -> None:
    place = node / "gateway.db"
    change("PRAGMA wal_checkpoint(TRUNCATE)")
    place.chmod(0o644)
    content = bytearray(place.read_bytes())
    shutil.copy(place, "whole")
    with closing(sqlite3.connect("whole")) as copy:
        root = copy.execute("SELECT rootpage FROM sqlite_master WHERE name = 'legs'").fetchone()[0]
    content[(root - 1) * 4096 : root * 4096] = b"\xff" * 4096
    place.write_bytes(content)
    done = gateway("db", "check", *CONFIG)
    assert done.code == 4
    assert found(done)["integrity"]["ok"] is False
    assert found(done)["permissions"]["ok"] is False
