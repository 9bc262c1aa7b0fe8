"""What is particular to SQLite: the file, its locks, its faults, and a process that is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from gateway.errors import GatewayError, Misconfigured, Unavailable
from gateway.ports import Store, TimerRow, Transaction
from gateway.stores import migrations, open_store
from gateway.stores.database import Database
from gateway.stores.sql import SqlStore
from gateway.testing.store_cases.rows import envelope, handover


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqlStore]:
    store = SqlStore(f"sqlite:///{path}", pauses=(0.0,))
    await store.start()
    yield store
    await store.close()


async def test_the_file_and_its_journals_are_for_the_owner_alone(store: Store, path: Path) -> None:
    await store.write(lambda tx: tx.put_setting("s", b"1"))
    files = sorted(path.parent.glob("store.db*"))
    assert [file.name for file in files] == ["store.db", "store.db-shm", "store.db-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_an_upgrade_makes_the_file_for_the_owner_alone(path: Path) -> None:
    migrations.upgrade(f"sqlite:///{path}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_is_not_followed(path: Path) -> None:
    """Or whoever may write the folder makes us write the database through it to a file of his choice."""
    path.symlink_to(path.parent / "elsewhere")
    with pytest.raises(Misconfigured):
        migrations.upgrade(f"sqlite:///{path}")
    assert not (path.parent / "elsewhere").exists()


@pytest.mark.parametrize("writable", [True, False])
def test_every_connection_is_durable_and_checks_its_references(path: Path, *, writable: bool) -> None:
    database = Database(f"sqlite:///{path}")
    session = database.open(writable=writable)
    pragmas = {
        name: session._driver.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
    session.close()
    database.engine.dispose()


_CHILD = """
import asyncio, sys
from gateway.stores import open_store

async def main():
    store = open_store(sys.argv[1])
    await store.start()
    async def one(number):
        await store.write(lambda tx: (tx.put_setting(f"s{number}", b"x"), tx.append_log(b"%d" % number)))
        print(number, flush=True)
    number = 0
    while True:
        await asyncio.gather(*(one(number + n) for n in range(8)))
        number += 8

asyncio.run(main())
"""


async def test_what_was_told_committed_survives_kill_9(path: Path) -> None:
    child = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs in this loop
        [sys.executable, "-c", _CHILD, f"sqlite:///{path}"], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    told = [int(child.stdout.readline()) for _ in range(40)]
    os.kill(child.pid, signal.SIGKILL)
    told += [int(line) for line in child.stdout if line.endswith("\n")]
    child.stdout.close()
    assert child.wait(30) == -signal.SIGKILL
    store = open_store(f"sqlite:///{path}")
    await store.start()
    leaves = await store.read(lambda tx: tx.log(0, 1_000_000))
    assert [index for index, _ in leaves] == list(range(len(leaves)))
    logged = {int(leaf) for _, leaf in leaves}
    assert logged >= set(told)
    # All or nothing: whatever is in the log has its setting, and nothing else has.
    assert {n for n in range(max(logged) + 9) if await _setting(store, n)} == logged
    await store.close()


async def _setting(store: Store, number: int) -> bool:
    return await store.read(lambda tx: tx.setting(f"s{number}")) is not None


async def test_a_lock_of_another_process_is_waited_for_and_then_unavailable(
    store: SqlStore, path: Path
) -> None:
    await store.write(lambda tx: tx.put_setting("before", b"1"))
    assert store._session is not None
    store._session._driver.execute("PRAGMA busy_timeout=10")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable) as locked:
        await store.write(lambda tx: tx.put_setting("during", b"1"))
    assert (locked.value.code, locked.value.retryable) == ("store_locked", True)
    with pytest.raises(Unavailable):
        await store.check()
    assert await store.read(lambda tx: tx.setting("before")) == b"1"  # a read does not wait for it
    other.execute("ROLLBACK")
    other.close()
    assert await store.write(lambda tx: tx.put_setting("after", b"1"))
    assert await store.read(lambda tx: tx.setting("during")) is None


async def test_a_full_disk_is_unavailable_and_leaves_no_trace(store: SqlStore) -> None:
    await store.write(lambda tx: tx.put_setting("before", b"1"))
    assert store._session is not None
    driver = store._session._driver
    pages = driver.execute("PRAGMA page_count").fetchone()[0]
    driver.execute(f"PRAGMA max_page_count={pages}")  # SQLite's own way to be full

    def big(tx: Transaction) -> None:
        tx.put_setting("during", b"1")
        tx.put_envelope(envelope("m", body=bytes(500_000)))

    with pytest.raises(Unavailable, match="disk of the database is full") as full:
        await store.write(big)
    assert full.value.remedy
    assert await store.read(lambda tx: (tx.setting("during"), tx.envelope("m"))) == (None, None)
    assert await store.write(lambda tx: tx.put_setting("after", b"1"))


async def test_a_read_only_database_is_unavailable(store: SqlStore) -> None:
    await store.write(lambda tx: tx.put_setting("before", b"1"))
    assert store._session is not None
    store._session._driver.execute("PRAGMA query_only=ON")
    with pytest.raises(Unavailable, match="read-only"):
        await store.write(lambda tx: tx.put_setting("during", b"1"))


async def test_a_table_that_is_gone_names_the_command(store: SqlStore, path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("DROP TABLE settings")
    other.close()
    with pytest.raises(Misconfigured) as wrong:
        await store.read(lambda tx: tx.setting("s"))
    assert wrong.value.remedy == "run: gateway db upgrade"


async def test_a_row_the_database_refuses_aborts_alone_and_no_value_is_told(store: SqlStore) -> None:
    row = handover(id="h", state="secret-word", origin=None)
    with pytest.raises(GatewayError, match=r"NOT NULL constraint failed: handovers\.origin") as refused:
        await store.write(lambda tx: tx.put_handover(row))
    assert refused.value.code == "store_refused"
    assert "secret-word" not in f"{refused.value!r} {refused.value.remedy} {refused.value.__cause__!r}"
    assert await store.write(lambda tx: tx.put_setting("after", b"1"))


async def test_a_row_left_for_later_that_is_refused_fails_its_own_work_and_no_other(store: SqlStore) -> None:
    """It is refused when the group ends, or in the middle of somebody else's work who looks at its table."""

    def add(name: str, due: int, tx: Transaction) -> None:
        tx.add_timer(TimerRow("decide", name, due))

    def look(tx: Transaction) -> int:
        return len(tx.timers("before"))

    works: list[Callable[[Transaction], object]]
    works = [partial(add, "before", 1), partial(add, "too far", 2**70), look, partial(add, "after", 1)]
    for order in (works, works[:2] + works[3:]):
        done = await asyncio.gather(*(store.write(work) for work in order), return_exceptions=True)
        assert [isinstance(one, Exception) for one in done] == [work is works[1] for work in order]
    with pytest.raises(OverflowError):
        await store.write(works[1])
    due = await store.read(lambda tx: tx.due_timers(9, 9))
    assert {row.subject for row in due} == {"before", "after"}


async def test_a_file_that_is_no_database_is_misconfigured(path: Path) -> None:
    await asyncio.to_thread(path.write_bytes, b"these are not the bytes you are looking for" * 50)
    store = open_store(f"sqlite:///{path}")
    with pytest.raises(Misconfigured, match="none of SQLite"):
        await store.start()
    await store.close()


async def test_a_missing_folder_is_misconfigured_with_a_remedy(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/missing/store.db")
    with pytest.raises(Misconfigured, match="No such file") as wrong:
        await store.start()
    assert "create its folder" in wrong.value.remedy
    await store.close()


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "mysql://u:secret@h/d", "secret", "sqlite+aiosqlite:///x", ""]
)
def test_a_url_nobody_can_open_is_misconfigured_and_not_repeated(url: str) -> None:
    with pytest.raises(Misconfigured) as wrong:
        open_store(url)
    assert wrong.value.field == "/store/url"
    assert "secret" not in f"{wrong.value!r} {wrong.value.remedy}"
