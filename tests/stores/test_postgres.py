"""What is particular to PostgreSQL: connections that die, deadlocks, and a COMMIT whose answer is lost."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import GatewayError, Misconfigured, Unavailable
from gateway.ports import Lane, StreamRow, Transaction
from gateway.stores import faults, migrations, sql_records
from gateway.stores.database import Database, Session
from gateway.stores.sql import READERS, SqlStore, SqlTransaction
from gateway.testing import postgres as starter
from gateway.testing.postgres import Postgres, start_postgres
from gateway.testing.store_cases.rows import NOW, PEER, POLICE, STREAM, handover, outbox, receipt, task

QUICK = (0.0, 0.0, 0.05)
TERMINATE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND pid <> pg_backend_pid()"
)


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[SqlStore]:
    store = SqlStore(postgres_url, pauses=QUICK)
    await store.start()
    yield store
    await store.close()


@pytest.fixture
def cut(postgres: Postgres, postgres_url: str) -> Callable[[], object]:
    """Ends every connection to this test's database."""
    name = postgres_url.split("?", maxsplit=1)[0].rsplit("/", 1)[1]
    return lambda: postgres.run(TERMINATE.format(name))


def leaf(runs: list[int]) -> Callable[[Transaction], None]:
    def work(tx: Transaction) -> None:
        runs.append(1)
        tx.put_setting(f"s{len(runs)}", b"1")
        tx.append_log(b"leaf")

    return work


@pytest.mark.parametrize("first", ["read", "write"])
async def test_connections_that_died_while_idle_are_replaced(
    store: SqlStore, cut: Callable[[], object], first: str
) -> None:
    await store.write(lambda tx: tx.put_setting("before", b"1"))
    together = threading.Barrier(READERS)
    await asyncio.gather(*(store.read(lambda _: together.wait(30)) for _ in range(READERS)))
    cut()  # more of them lie idle than there are runs of one read or one group
    assert len(QUICK) < READERS
    if first == "read":
        assert await store.read(lambda tx: tx.setting("before")) == b"1"
    assert await store.write(lambda tx: tx.put_setting("after", b"1"))
    assert await store.read(lambda tx: tx.setting("after")) == b"1"
    await store.check()


async def test_a_connection_that_dies_in_the_middle_of_a_group_starts_it_again(
    store: SqlStore, cut: Callable[[], object]
) -> None:
    runs: list[int] = []

    def work(tx: Transaction) -> None:
        tx.append_log(b"leaf")
        tx.put_setting("s", b"1")
        runs.append(1)
        if len(runs) == 1:
            cut()

    await asyncio.gather(*(store.write(leaf([])) for _ in range(3)), store.write(work))
    assert len(runs) == 2
    assert [index for index, _ in await store.read(lambda tx: tx.log(0, 99))] == [0, 1, 2, 3]


async def test_a_commit_that_took_but_was_never_answered_is_not_applied_twice(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = Session.commit

    def lose_the_answer(session: Session) -> None:
        commit(session)
        monkeypatch.setattr(Session, "commit", commit)
        raise faults.lost()

    runs: list[int] = []
    monkeypatch.setattr(Session, "commit", lose_the_answer)
    await store.write(leaf(runs))
    assert len(runs) == 1
    assert await store.read(lambda tx: tx.log(0, 9)) == [(0, b"leaf")]


async def test_a_commit_that_never_arrived_is_run_again(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch, cut: Callable[[], object]
) -> None:
    commit = Session.commit

    def cut_before(session: Session) -> None:
        monkeypatch.setattr(Session, "commit", commit)
        cut()
        commit(session)

    runs: list[int] = []
    monkeypatch.setattr(Session, "commit", cut_before)
    await store.write(leaf(runs))
    assert len(runs) == 2
    assert await store.read(lambda tx: (tx.setting("s1"), tx.setting("s2"), tx.log(0, 9))) == (
        None,
        b"1",
        [(0, b"leaf")],
    )


async def test_where_nobody_can_say_what_became_of_a_commit_the_caller_is_told_so(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = Session.commit

    def lose_everything(session: Session) -> None:
        commit(session)
        monkeypatch.setattr(store, "_pauses", ())  # as if the server never came back to be asked
        raise faults.lost()

    runs: list[int] = []
    monkeypatch.setattr(Session, "commit", lose_everything)
    with pytest.raises(Unavailable) as doubt:
        await store.write(leaf(runs))
    assert (doubt.value.code, len(runs)) == ("store_in_doubt", 1)


async def test_a_deadlock_of_two_processes_is_run_again(postgres: Postgres, postgres_url: str) -> None:
    name = postgres_url.split("?", maxsplit=1)[0].rsplit("/", 1)[1]
    postgres.run(f"ALTER DATABASE {name} SET deadlock_timeout = '50ms'")
    stores = [SqlStore(postgres_url, pauses=QUICK) for _ in range(2)]
    for store in stores:
        await store.start()
    peers = ["E09000004", "E09000005"]
    await stores[0].write(
        lambda tx: [tx.put_stream(StreamRow(peer, True, STREAM, 0, bytes(32))) for peer in peers]
    )
    both = threading.Barrier(2)
    runs: list[str] = []

    def cross(first: str, second: str) -> Callable[[Transaction], None]:
        def work(tx: Transaction) -> None:
            runs.append(first)
            tx.stream(first, outgoing=True)
            if runs.count(first) == 1:
                both.wait(30)
            row = tx.stream(second, outgoing=True)
            assert row is not None
            tx.put_stream(StreamRow(second, True, STREAM, row.seq + 1, bytes(32)))

        return work

    await asyncio.gather(stores[0].write(cross(*peers)), stores[1].write(cross(*peers[::-1])))
    assert len(runs) == 3
    rows = await stores[0].read(lambda tx: [tx.stream(peer, outgoing=True) for peer in peers])
    assert [row and row.seq for row in rows] == [1, 1]
    for store in stores:
        await store.close()


async def test_a_work_that_hides_a_refused_statement_is_not_committed(store: SqlStore) -> None:
    """PostgreSQL answers the COMMIT of a failed transaction with a silent rollback."""

    def hide(tx: Transaction) -> str:
        tx.put_setting("hidden", b"1")
        try:
            tx.put_handover(handover(origin=None))
        except GatewayError:
            return "never mind"
        return "not refused"

    alone = await asyncio.gather(store.write(hide), return_exceptions=True)
    grouped = await asyncio.gather(
        store.write(hide),
        store.write(hide),
        store.write(lambda tx: tx.put_setting("ok", b"1")),
        return_exceptions=True,
    )
    assert [type(result) for result in [*alone, *grouped]] == [GatewayError] * 3 + [bool]
    assert await store.read(lambda tx: (tx.setting("hidden"), tx.setting("ok"))) == (None, b"1")


async def test_a_row_the_database_refuses_names_the_column_and_no_value(store: SqlStore) -> None:
    with pytest.raises(GatewayError, match="SQLSTATE 23502 origin") as refused:
        await store.write(lambda tx: tx.put_handover(handover(state="secret-word", origin=None)))
    assert "secret-word" not in f"{refused.value!r} {refused.value.__cause__!r}"


async def test_a_server_that_only_reads_is_unavailable_to_writers_alone(
    postgres: Postgres, postgres_url: str
) -> None:
    name = postgres_url.split("?", maxsplit=1)[0].rsplit("/", 1)[1]
    postgres.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    store = SqlStore(postgres_url, pauses=QUICK)
    await store.start()
    with pytest.raises(Unavailable, match="read-only"):
        await store.write(lambda tx: tx.put_setting("s", b"1"))
    assert await store.read(lambda tx: tx.setting("s")) is None
    await store.close()


async def test_a_read_only_transaction_is_refused_by_the_server_too(store: SqlStore) -> None:
    """The second line behind the check in Python: what reaches the server in a read cannot write."""
    session = store._database.open(writable=False)
    session.begin()
    session.writable = True
    with pytest.raises(faults.TransactionError, match="read-only"):
        session.change(sql_records._PUT_SETTING, {"name": "s", "value": b"1"})
    session.close(broken=True)


@pytest.mark.parametrize("kind", ["outbox", "tasks", "receipts"])
def test_what_one_process_has_taken_another_passes_over_without_waiting(postgres_url: str, kind: str) -> None:
    database = Database(postgres_url)
    with database.session(writable=True) as first, database.session(writable=True) as second:
        first.begin()
        tx = SqlTransaction(first)
        for number in range(5):
            tx.put_outbox(outbox(f"m{number}", NOW + number))
            tx.put_task(task(f"t{number}", NOW + number))
            tx.put_receipt(receipt(f"r{number}"))
        first.commit()
        first.begin()
        second.begin()
        mine = TAKE[kind](SqlTransaction(first), 2)
        theirs = TAKE[kind](SqlTransaction(second), 9)
        assert (len(mine), len(theirs)) == (2, 3)
        assert {row.id for row in mine}.isdisjoint(row.id for row in theirs)
    database.engine.dispose()


TAKE: dict[str, Callable[[Transaction, int], Sequence[Any]]] = {
    "outbox": lambda tx, limit: tx.claim_outbox(NOW + 9, limit, 60, list(Lane)),
    "tasks": lambda tx, limit: tx.claim_tasks(POLICE, NOW + 9, limit, 60),
    "receipts": lambda tx, limit: tx.unsent_receipts(limit),
}


def test_a_server_that_stops_is_unavailable_after_a_bounded_time() -> None:
    async def use(url: str, stop: Callable[[], None]) -> list[str]:
        store = SqlStore(url, pauses=QUICK)
        await store.start()
        await store.write(lambda tx: tx.put_setting("s", b"1"))
        stop()
        errors = await asyncio.gather(
            store.write(lambda tx: tx.put_setting("t", b"1")),
            store.read(lambda tx: tx.setting("s")),
            store.check(),
            return_exceptions=True,
        )
        await store.close()
        return [error.code if isinstance(error, Unavailable) else repr(error) for error in errors]

    with start_postgres() as server:
        url = server.create("store")
        migrations.upgrade(url)
        begun = time.monotonic()
        codes = asyncio.run(use(url, lambda: os.kill(server.pid, signal.SIGQUIT)))
        assert codes == ["store_lost"] * 3
        assert time.monotonic() - begun < 20
    assert not server.folder.exists()


_PARENT = """
import sys, time
from gateway.testing.postgres import start_postgres
with start_postgres() as server:
    print(server.pid, server.folder, flush=True)
    sys.stdin.read()
"""


def test_a_killed_parent_takes_the_server_with_it() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    assert parent.stdin is not None
    pid, folder = parent.stdout.readline().split()
    # The server's end of this pipe closes when it ends: no need to ask again and again.
    server = os.pidfd_open(int(pid))
    parent.kill()
    parent.wait(30)
    parent.stdout.close()
    parent.stdin.close()
    assert select.select([server], [], [], 30)[0] == [server]
    os.close(server)
    subprocess.run(["rm", "-rf", folder], check=True)


def test_where_it_is_not_installed_the_line_to_run_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "glob", lambda *_: [])
    monkeypatch.setattr(starter.shutil, "which", lambda _: None)
    with pytest.raises(Misconfigured) as missing, start_postgres():
        pass
    assert "apt-get install" in missing.value.remedy
    assert "postgresql" in missing.value.remedy


async def test_a_stream_that_is_read_takes_no_lock(store: SqlStore) -> None:
    """Or a page that shows the streams would wait for whoever sends."""
    await store.write(lambda tx: tx.put_stream(StreamRow(PEER, True, STREAM, 1, bytes(32))))
    loop = asyncio.get_running_loop()

    async def look() -> int:
        row = await store.read(lambda tx: tx.stream(PEER, outgoing=True))
        return row.seq if row else 0

    def work(tx: Transaction) -> int:
        tx.stream(PEER, outgoing=True)
        return asyncio.run_coroutine_threadsafe(look(), loop).result(30)

    assert await store.write(work) == 1
