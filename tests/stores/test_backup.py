"""PostgreSQL's whole copy and its way back, by its own tools; what a killed restore leaves of SQLite."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from gateway.errors import Conflict, Misconfigured
from gateway.ports import StreamRow, Transaction
from gateway.stores import backup, backup_pg, migrations, open_store
from gateway.stores.database import parse
from gateway.stores.examine import examine
from gateway.stores.manifest import beside, digest
from gateway.stores.siblings import open_siblings
from gateway.testing.postgres import Postgres

AREA, PEER, NOW = "E09000012", "E09000004", 1_795_000_000


async def written(url: str, work: Callable[[Transaction], Any]) -> Any:
    store = open_store(url)
    await store.start()
    try:
        return await store.write(work)
    finally:
        await store.close()


def _leaves(tx: Transaction, count: int) -> None:
    for number in range(count):
        tx.append_log(b"%d" % number, mid=f"m{number}")
    tx.put_stream(StreamRow(PEER, True, "5" * 32, 3, b"h" * 32))


def _nothing(_: str) -> None:
    """No stream to begin here."""


async def test_postgresql_is_copied_at_one_moment_and_put_back_beside_what_was_there(
    postgres: Postgres, postgres_url: str, tmp_path: Path
) -> None:
    await written(postgres_url, lambda tx: _leaves(tx, 5))
    copy, marked = tmp_path / "copy", list[str]()
    made = backup.take(postgres_url, copy, area=AREA, now=NOW)
    assert (made.kind, made.leaves, made.revision) == ("postgresql", 5, migrations.HEAD)
    assert [path.stat().st_mode & 0o777 for path in (copy, beside(copy))] == [0o600, 0o600]
    await written(postgres_url, lambda tx: _leaves(tx, 2))
    with pytest.raises(Conflict) as more:
        backup.put_back(postgres_url, copy, area=AREA, stamp="20261123T013000Z", mark=marked.append)
    assert (more.value.code, marked) == ("database_holds_more", [])
    done = backup.put_back(
        postgres_url, copy, area=AREA, stamp="20261123T013000Z", mark=marked.append, force=True
    )
    assert (done.kept, done.lost, marked) == ("schema before_restore_20261123t013000z", 2, [postgres_url])
    assert await written(postgres_url, lambda tx: tx.log_size()) == 5
    assert {one.check: one.ok for one in examine(postgres_url, area=AREA) if one.ok is not True} == {
        "integrity": None  # amcheck is its superuser's to install
    }
    name = str(parse(postgres_url).database)
    kept = postgres.run("SELECT count(*) FROM before_restore_20261123t013000z.log", database=name)
    assert kept == [(7,)]
    again = backup.take(postgres_url, tmp_path / "again", area=AREA, now=NOW)
    assert (again.leaves, again.root) == (made.leaves, made.root), "what was kept aside is not copied along"
    postgres.run("CREATE EXTENSION amcheck", database=name)
    looked = {one.check: one for one in examine(postgres_url, area=AREA)}
    assert looked["integrity"].ok is True


async def test_what_a_plain_user_may_not_see_hides_nothing_else_and_is_no_reason_to_restore(
    postgres: Postgres, postgres_url: str
) -> None:
    """The superuser has installed amcheck, and granted it to nobody; then a table is taken away as well."""
    await written(postgres_url, lambda tx: _leaves(tx, 5))
    name = str(parse(postgres_url).database)
    postgres.run("CREATE EXTENSION amcheck", database=name)
    postgres.run(f"CREATE ROLE plain_{name} LOGIN")
    plain = postgres_url.replace("gateway@", f"plain_{name}@")
    try:
        postgres.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO plain_{name}", database=name)
        looked = {one.check: one for one in examine(plain, area=AREA)}
        assert {one.check for one in looked.values() if one.ok is not True} == {"integrity"}
        assert (looked["integrity"].ok, "GRANT EXECUTE" in looked["integrity"].remedy) == (None, True)
        postgres.run(f"REVOKE SELECT ON log FROM plain_{name}", database=name)
        looked = {one.check: one for one in examine(plain, area=AREA)}
        assert {one.check for one in looked.values() if one.ok is False} == {"log"}
        assert "GRANT" in looked["log"].remedy
        assert "restore" not in looked["log"].remedy
    finally:
        postgres.run(f"DROP OWNED BY plain_{name}", database=name)
        postgres.run(f"DROP ROLE plain_{name}")


async def test_a_node_on_postgresql_keeps_a_restore_away(postgres_url: str, tmp_path: Path) -> None:
    backup.take(postgres_url, tmp_path / "copy", area=AREA, now=NOW)
    store = open_store(postgres_url)
    await store.start()
    try:
        await store.read(lambda tx: tx.log_size())
        with pytest.raises(Conflict) as used:
            backup.put_back(postgres_url, tmp_path / "copy", area=AREA, stamp="s", mark=_nothing, force=True)
    finally:
        await store.close()
    assert used.value.code == "database_in_use"


async def test_what_does_not_come_in_whole_leaves_what_was_there(postgres_url: str, tmp_path: Path) -> None:
    await written(postgres_url, lambda tx: _leaves(tx, 5))
    copy = tmp_path / "copy"
    made = backup.take(postgres_url, copy, area=AREA, now=NOW)
    copy.write_bytes(copy.read_bytes()[:-400])
    sha256, count = digest(copy)
    told = json.loads(beside(copy).read_bytes()) | {"sha256": sha256, "bytes": count}
    beside(copy).write_text(json.dumps(told, sort_keys=True, separators=(",", ":")))
    with pytest.raises(Misconfigured) as failed:
        backup.put_back(postgres_url, copy, area=AREA, stamp="s", mark=_nothing, force=True)
    assert failed.value.code == "pg_tool_failed"
    assert await written(postgres_url, lambda tx: tx.log_size()) == made.leaves


async def test_what_is_broken_off_leaves_what_was_there(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while pg_restore runs."""
    await written(postgres_url, lambda tx: _leaves(tx, 5))
    backup.take(postgres_url, tmp_path / "copy", area=AREA, now=NOW)

    def broken_off(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(backup_pg, "_run", broken_off)
    with pytest.raises(KeyboardInterrupt):
        backup.put_back(postgres_url, tmp_path / "copy", area=AREA, stamp="s", mark=_nothing)
    assert await written(postgres_url, lambda tx: tx.log_size()) == 5


def test_without_its_tools_the_exact_command_is_told(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_pg, "_version", lambda tool: 9)
    with pytest.raises(Misconfigured) as missing:
        backup.take(postgres_url, tmp_path / "copy", area=AREA, now=NOW)
    assert missing.value.code == "no_pg_tools"
    assert "pg_dump --format=custom" in missing.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_no_password_stands_on_a_command_line() -> None:
    url = "postgresql+psycopg://gateway:hunter2@db.example:5433/gateway?sslmode=verify-full"
    place = backup_pg._place(url)
    assert place == "postgresql://gateway@db.example:5433/gateway?sslmode=verify-full"
    assert backup_pg._environment(url)["PGPASSWORD"] == "hunter2"
    url = "postgresql+psycopg://gateway@/gateway?password=hunter2&host=db.example"
    assert "hunter2" not in backup_pg._place(url)
    assert backup_pg._environment(url)["PGPASSWORD"] == "hunter2"


async def test_its_tools_go_to_the_server_that_the_node_uses(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libpq reads where the server is from the environment, too."""
    parsed = parse(postgres_url)
    monkeypatch.setenv("PGHOST", str(parsed.query["host"]))
    monkeypatch.setenv("GATEWAY__KEYS__SECRET", "nothing of theirs")
    bare = f"postgresql+psycopg://gateway@/{parsed.database}"
    assert backup.take(bare, tmp_path / "copy", area=AREA, now=NOW).revision == migrations.HEAD
    assert "GATEWAY__KEYS__SECRET" not in backup_pg._environment(bare)


async def test_a_process_that_shows_no_more_than_its_lock_keeps_a_restore_away(
    postgres_url: str, tmp_path: Path
) -> None:
    backup.take(postgres_url, tmp_path / "copy", area=AREA, now=NOW)
    siblings = open_siblings(postgres_url)
    await siblings.start(uuid4().hex)
    try:
        with pytest.raises(Conflict) as used:
            backup.put_back(postgres_url, tmp_path / "copy", area=AREA, stamp="s", mark=_nothing, force=True)
    finally:
        await siblings.close()
    assert used.value.code == "database_in_use"


HOLD = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1])
held.execute("PRAGMA journal_mode=WAL").fetchall()
held.execute("SELECT count(*) FROM log").fetchall()
print("open", flush=True)
sys.stdin.read()
"""


async def test_a_node_that_starts_while_the_copy_is_made_ready_keeps_its_database(tmp_path: Path) -> None:
    place, copy = tmp_path / "gateway.db", tmp_path / "copy"
    url = f"sqlite:///{place}"
    await written(url, lambda tx: _leaves(tx, 3))
    backup.take(url, copy, area=AREA, now=NOW)
    await written(url, lambda tx: _leaves(tx, 1))
    nodes = list[subprocess.Popen[bytes]]()

    def starts(_: str) -> None:
        told = [sys.executable, "-c", HOLD, str(place)]
        nodes.append(subprocess.Popen(told, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        assert nodes[0].stdout is not None
        assert nodes[0].stdout.readline() == b"open\n"

    with pytest.raises(Conflict) as used:
        backup.put_back(url, copy, area=AREA, stamp="s", mark=starts, force=True)
    nodes[0].communicate(b"")
    assert used.value.code == "database_in_use"
    assert await written(url, lambda tx: tx.log_size()) == 4


@pytest.mark.parametrize("dies", ["upgrade", "mark", "fold", "aside", "replace"])
async def test_killed_at_any_moment_there_is_the_old_or_the_new_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies: str
) -> None:
    place, copy = tmp_path / "gateway.db", tmp_path / "copy"
    url = f"sqlite:///{place}"
    await written(url, lambda tx: _leaves(tx, 3))
    backup.take(url, copy, area=AREA, now=NOW)
    await written(url, lambda tx: _leaves(tx, 1))

    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    names = {
        "upgrade": (backup.migrations, "upgrade"),
        "fold": (backup, "_fold"),
        "replace": (Path, "replace"),
    }
    if dies in names:
        monkeypatch.setattr(*names[dies], die)
    if dies == "aside":
        monkeypatch.setattr(backup.os, "link", die)
    mark = die if dies == "mark" else _nothing
    with pytest.raises(KeyboardInterrupt):
        backup.put_back(url, copy, area=AREA, stamp="s", mark=mark, force=True)
    monkeypatch.undo()
    with closing(sqlite3.connect(place)) as connection:
        assert connection.execute("SELECT count(*) FROM log").fetchone() == (4,)
    (tmp_path / "gateway.db.before-s").unlink(missing_ok=True)
    backup.put_back(url, copy, area=AREA, stamp="s", mark=_nothing, force=True)
    assert await written(url, lambda tx: tx.log_size()) == 3
