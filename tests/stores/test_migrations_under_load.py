"""An upgrade beside processes that go on writing: they wait a moment, nothing of theirs is lost or refused,
and what they write as the release before wrote it is still taken afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command

from gateway.errors import Unavailable
from gateway.stores import migrations
from gateway.stores.database import Database
from gateway.testing.postgres import Postgres

BEFORE = "0009"
ROWS = 5_000
WAIT = 8.0
"""Seconds that a write may take meanwhile: under the store's own patience with a lock."""

WRITES = (
    "INSERT INTO held (id, at, code, lane, peer, digest, body) VALUES (:id, 1, 'x', 'n', '', :bytes, :bytes)",
    "INSERT INTO settings (name, value) VALUES (:id, :bytes)",
    "INSERT INTO tasks (id, kind, principal, leg, mid, state, due, attempts, error, created, subject) "
    "VALUES (:id, 'k', 'p', '', '', 'waiting', 1, 0, '', 1, '')",
    "INSERT INTO outbox (id, peer, lane, mid, state, due, attempts, created, expires, error) "
    "VALUES (:id, 'p', 'n', :id, 'waiting', 1, 0, 1, 2, '')",
    "UPDATE outbox SET state = 'published', attempts = attempts + 1 WHERE id = :id",
)
"""As the release before this one writes, which knows no column of revision 0010."""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of the release before, with rows in it."""
    if request.param == "sqlite":
        made = f"sqlite:///{tmp_path}/before.db"
        _prepare(made)
        yield made
        return
    server: Postgres = request.getfixturevalue("postgres")
    made = server.create("under_load")
    _prepare(made)
    yield made
    server.drop("under_load")


def _prepare(url: str) -> None:
    engine = Database(url).engine
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        command.upgrade(migrations.configuration(connection), BEFORE)
        rows = [{"id": f"old{number}", "bytes": b"%d" % number} for number in range(ROWS)]
        for statement in WRITES[:4]:
            connection.execute(sa.text(statement), rows)
        connection.exec_driver_sql("COMMIT")
    engine.dispose()


class Writer(threading.Thread):
    """A process of the release before, as far as its statements go: one transaction after the other."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._database = Database(url)
        self.stop = threading.Event()
        self.written: list[str] = []
        self.slowest = 0.0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            with self._database.engine.connect() as connection:
                while not self.stop.wait(0.002):
                    self._write(connection, f"{self.name}-{len(self.written)}")
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            self.error = error
        finally:
            self._database.engine.dispose()

    def _write(self, connection: sa.Connection, one: str) -> None:
        begun = time.monotonic()
        connection.exec_driver_sql("BEGIN" if self._database.postgres else "BEGIN IMMEDIATE")
        for statement in WRITES:
            connection.execute(sa.text(statement), {"id": one, "bytes": one.encode()})
        connection.exec_driver_sql("COMMIT")
        self.slowest = max(self.slowest, time.monotonic() - begun)
        self.written.append(one)


@contextmanager
def load(url: str) -> Iterator[list[Writer]]:
    writers = [Writer(url, name) for name in ("one", "two")]
    for writer in writers:
        writer.start()
    try:
        _until(lambda: all(len(writer.written) > 20 for writer in writers))
        yield writers
        counts = [len(writer.written) for writer in writers]
        _until(lambda: all(len(w.written) > n + 20 for w, n in zip(writers, counts, strict=True)))
    finally:
        for writer in writers:
            writer.stop.set()
        for writer in writers:
            writer.join(30)


def _until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def check(url: str, writers: list[Writer]) -> None:
    assert [writer.error for writer in writers] == [None, None]
    assert max(writer.slowest for writer in writers) < WAIT
    written = {one for writer in writers for one in writer.written}
    engine = Database(url).engine
    with engine.connect() as connection:
        for table, column in (("held", "id"), ("settings", "name"), ("tasks", "id"), ("outbox", "id")):
            found: set[Any] = set(connection.exec_driver_sql(f"SELECT {column} FROM {table}").scalars())
            assert {one for one in found if not one.startswith("old")} == written
            assert len(found) == len(written) + ROWS
        states = connection.exec_driver_sql("SELECT count(*) FROM outbox WHERE state = 'published'").scalar()
        assert states == len(written)
    engine.dispose()
    migrations.check(url)


def test_others_write_on_while_the_tables_are_changed(url: str) -> None:
    with load(url) as writers:
        migrations.upgrade(url)
    check(url, writers)


def test_a_table_that_a_backup_reads_is_waited_for_and_nobody_waits_behind(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pg_dump holds every table for as long as it runs; what wants one for itself keeps all others out."""
    url = postgres.create("under_backup")
    _prepare(url)
    monkeypatch.setattr(migrations, "BREATH", 0.2)
    reading, done = threading.Event(), threading.Event()

    def read() -> None:
        engine = Database(url).engine
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            connection.exec_driver_sql("LOCK TABLE held IN ACCESS SHARE MODE")
            reading.set()
            done.wait(7)
            connection.exec_driver_sql("COMMIT")
        engine.dispose()

    backup = threading.Thread(target=read)
    with load(url) as writers:
        backup.start()
        reading.wait(10)
        for writer in writers:
            writer.slowest = 0.0
        begun = time.monotonic()
        migrations.upgrade(url)
        took = time.monotonic() - begun
        backup.join(10)
    assert took > 6
    assert max(writer.slowest for writer in writers) < migrations.LOCK_MS / 1000 + 3, (
        "nobody waits for all of it"
    )
    check(url, writers)
    postgres.drop("under_backup")


def test_what_cannot_be_had_in_time_is_told_and_changes_nothing(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.create("never")
    _prepare(url)
    monkeypatch.setattr(migrations, "PATIENCE", 0.1)
    monkeypatch.setattr(migrations, "BREATH", 0.1)
    monkeypatch.setattr(migrations, "_POSTGRES_STEPS", "SET LOCAL lock_timeout=200")
    engine = Database(url).engine
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("LOCK TABLE held IN ACCESS SHARE MODE")
        with pytest.raises(Unavailable) as locked:
            migrations.upgrade(url)
        connection.exec_driver_sql("ROLLBACK")
    engine.dispose()
    assert locked.value.code == "store_locked"
    assert migrations.revision(url) == BEFORE
    postgres.drop("never")
