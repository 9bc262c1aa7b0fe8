"""What a node says and keeps when its storage fails, and that it goes on by itself: as real processes.

Where Bexley's database fails, what Hackney sends waits with the broker, unsettled. Where Hackney's fails,
what agencies hand in is refused with 503 and a reason, and what was accepted before comes through.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.story import ACTOR, session
from gateway.testing.postgres import Postgres, start_postgres
from tests.e2e.conftest import Pair, Process, check_legal, pair

PATIENCE = 40.0
BEXLEY = "E09000004"


# --- what is asked of a node ------------------------------------------------------------------------


async def readiness(node: Process) -> Mapping[str, str]:
    """Check -> code; "" for one that is well."""
    async with session() as client, client.get(f"{node.url}/readyz") as answer:
        body = await answer.json()
    return {one["check"]: one.get("code", "") for one in body["checks"]}


async def hand_in(both: Pair, document: Mapping[str, Any], key: str) -> tuple[int, Mapping[str, Any], str]:
    """Status, body and Retry-After of one POST, whatever comes of it."""
    sender = both.hackney
    headers = {
        "Authorization": f"Bearer {sender.borough.token}",
        "Gateway-Actor": ACTOR,
        "Idempotency-Key": key,
    }
    async with (
        session() as client,
        client.post(f"{sender.url}/v1/handovers", json=document, headers=headers) as answer,
    ):
        return answer.status, await answer.json(), answer.headers.get("Retry-After", "")


async def until(reached: Callable[[], Awaitable[bool]], what: str, within: float = PATIENCE) -> float:
    """How long it took."""
    begun = time.monotonic()
    while not await reached():
        assert time.monotonic() - begun < within, what
        await asyncio.sleep(0.1)
    return time.monotonic() - begun


async def refused(both: Pair, document: Mapping[str, Any], codes: set[str]) -> list[str]:
    """New handovers are refused, in words and with when to try again. Returns those that still found room: a
    journal that has grown before takes some more, and what got a 202 counts."""
    taken: list[str] = []
    for number in range(100, 160):
        status, body, again = await hand_in(both, another(document, number), f"while-{number}")
        if status == 202:
            taken.append(body["handover"])
            continue
        assert status == 503, body
        assert body["code"] in codes, body
        assert body["detail"]
        assert body["remedy"]
        assert int(again) > 0
        return taken
    raise AssertionError("nothing is refused")


async def check_failing(node: Process, part: str, codes: set[str]) -> None:
    async def told() -> bool:
        return (await readiness(node))[part] in codes

    await until(told, f"/readyz does not tell of {part} {codes}")


async def check_resumed(node: Process) -> None:
    async def well() -> bool:
        return not any((await readiness(node)).values())

    assert await until(well, "it does not go on by itself") < 20


def processor(node: Process) -> float:
    assert node.process is not None
    after = Path(f"/proc/{node.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(after[11]) + int(after[12])) / os.sysconf("SC_CLK_TCK")


async def running(both: Pair) -> None:
    for node in (both.hackney, both.bexley):
        await node.start()
    for node in (both.hackney, both.bexley):
        assert await node.ready()


def given_once(both: Pair, handovers: int = 1) -> None:
    for role in ("police", "housing", "probation"):
        assert len(both.given(role)) == handovers, role
    assert both.hackney.starts == both.bexley.starts == 1, "nobody died of it"


# --- SQLite on a disk of its own ----------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path, *, size: str) -> Iterator[Path]:
    """A tmpfs. Needs root, as in a container."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "none", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> Path:
    """Every free byte, but for what a page takes."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        try:
            while True:
                os.write(file.fileno(), bytes(4096))
        except OSError:
            pass
    return ballast


async def test_a_full_disk_refuses_new_work_and_loses_none(
    tmp_path: Path, broker_url: str, document: Mapping[str, Any]
) -> None:
    with small_disk(tmp_path / "disk", size="48m") as disk:
        urls = {"E09000012": f"sqlite:///{disk}/hackney.db", BEXLEY: f"sqlite:///{disk}/bexley.db"}
        async with pair(tmp_path / "p", broker_url, **urls) as both:
            await running(both)
            await both.bexley.kill()
            status, accepted, _ = await hand_in(both, document, "e2e-1")
            assert status == 202
            await both.bexley.start()
            both.bexley.starts -= 1
            assert await both.bexley.ready()
            ballast = await asyncio.to_thread(fill, disk)
            more = await refused(both, document, {"store_full"})
            async with session() as client:
                assert (await both.sender(client).look(accepted["handover"]))["legs"], "reading goes on"
            before = processor(both.hackney) + processor(both.bexley)
            await asyncio.sleep(3)
            assert processor(both.hackney) + processor(both.bexley) - before < 3, "it spins"
            ballast.unlink()
            await check_resumed(both.hackney)
            for ref in (accepted["handover"], *more):
                await both.all_accepted(ref)
            given_once(both, 1 + len(more))
            for node in (both.hackney, both.bexley):
                assert await node.stop() == 0
            for area in ("hackney", "bexley"):
                check_legal(disk / f"{area}.db")


async def test_below_the_floor_nothing_new_is_taken_and_what_was_taken_is_answered(
    tmp_path: Path, broker_url: str, document: Mapping[str, Any]
) -> None:
    """The data folder's disk, with room left: the handover that was accepted before ends."""
    with small_disk(tmp_path / "disk", size="96m") as disk:
        async with pair(disk / "p", broker_url) as both:
            await running(both)
            status, accepted, _ = await hand_in(both, document, "e2e-1")
            assert status == 202

            async def delivered() -> bool:
                return len(both.given("police")) == 1

            await until(delivered, "it did not arrive")
            with (disk / "ballast").open("wb") as ballast:
                os.posix_fallocate(ballast.fileno(), 0, shutil.disk_usage(disk).free - (40 << 20))
            await refused(both, document, {"disk_low"})
            await check_failing(both.hackney, "disk", {"disk_low"})
            await both.all_accepted(accepted["handover"])
            (disk / "ballast").unlink()
            status, body, _ = await hand_in(both, document, "e2e-1")
            assert (status, body["handover"]) == (202, accepted["handover"])


async def test_a_locked_database_is_told_and_waited_for(
    tmp_path: Path, broker_url: str, document: Mapping[str, Any]
) -> None:
    async with pair(tmp_path / "p", broker_url) as both:
        await running(both)
        place = both.bexley.borough.folder / "gateway.db"
        with closing(sqlite3.connect(place, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            status, accepted, _ = await hand_in(both, document, "e2e-1")
            assert status == 202
            await check_failing(both.bexley, "database", {"store_locked", "timeout"})
            await asyncio.sleep(1)
            other.execute("COMMIT")
        await both.all_accepted(accepted["handover"])
        await check_resumed(both.bexley)
        given_once(both)
        assert both.bexley.alive


async def test_a_file_that_may_not_grow_is_told_and_goes_on_when_it_may(
    tmp_path: Path, broker_url: str, document: Mapping[str, Any]
) -> None:
    """A quota, as a limit of the process: every write past the size of now fails."""
    async with pair(tmp_path / "p", broker_url) as both:
        await running(both)
        assert both.hackney.process is not None
        pid = both.hackney.process.pid
        usual = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (8192, usual[1]))
        more = await refused(both, document, {"store_full", "store_io"})
        resource.prlimit(pid, resource.RLIMIT_FSIZE, usual)
        await check_resumed(both.hackney)
        for ref in (await accepted(both, document, 0), *more):
            await both.all_accepted(ref)
        given_once(both, 1 + len(more))


# --- PostgreSQL ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with start_postgres() as server:
        yield server


@asynccontextmanager
async def on_postgres(folder: Path, broker_url: str, server: Postgres, name: str) -> AsyncIterator[Pair]:
    """Bexley keeps its rows there; Hackney in a file."""
    async with pair(folder, broker_url, **{BEXLEY: server.create(name)}) as both:
        await running(both)
        yield both


def sessions(server: Postgres, name: str) -> None:
    """End every one, as a fail-over or an administrator does."""
    server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")


def another(document: Mapping[str, Any], number: int) -> dict[str, Any]:
    """A handover of its own, about the same fictional person."""
    copy: dict[str, Any] = json.loads(json.dumps(document))
    copy["message"] |= {
        "message_id": f"{number:08d}-80a7-5d63-a0c1-aaf074b86cc2",
        "handover_id": f"HO-E09000012-2026-{500 + number:06d}",
    }
    return copy


async def accepted(both: Pair, document: Mapping[str, Any], number: int) -> str:
    status, body, _ = await hand_in(both, another(document, number), f"e2e-{number}")
    assert status == 202, body
    return str(body["handover"])


async def test_postgresql_is_read_only_closed_and_frozen_and_nothing_is_lost(
    tmp_path: Path, broker_url: str, document: Mapping[str, Any], postgres: Postgres
) -> None:
    async with on_postgres(tmp_path / "p", broker_url, postgres, "faulty") as both:
        refs = []
        for number, (begin, end, codes) in enumerate(
            [
                (_read_only, _writable, {"store_read_only"}),
                (_closed, _opened, {"store_lost"}),
                (_frozen, _thawed, {"store_lost", "store_busy", "timeout"}),
            ]
        ):
            begin(postgres)
            try:
                refs.append(await accepted(both, document, number))
                await check_failing(both.bexley, "database", codes)
            finally:
                end(postgres)
            await check_resumed(both.bexley)
            await both.all_accepted(refs[-1])
        for role in ("police", "housing"):
            assert len(both.given(role)) == len(refs)
        assert both.bexley.starts == 1, "nobody died of it"
        assert await both.bexley.stop() == 0


def _read_only(server: Postgres) -> None:
    """As a standby that somebody fails over to too early."""
    server.run("ALTER DATABASE faulty SET default_transaction_read_only = on")
    sessions(server, "faulty")


def _writable(server: Postgres) -> None:
    server.run("ALTER DATABASE faulty SET default_transaction_read_only = off")
    sessions(server, "faulty")


def _closed(server: Postgres) -> None:
    """Every session ended, and no new one let in: as a server that is stopped, or has none left."""
    server.run("ALTER DATABASE faulty WITH ALLOW_CONNECTIONS false")
    sessions(server, "faulty")


def _opened(server: Postgres) -> None:
    server.run("ALTER DATABASE faulty WITH ALLOW_CONNECTIONS true")


def _frozen(server: Postgres) -> None:
    """A server that neither answers nor hangs up."""
    for pid in (*_children(server.pid), server.pid):
        os.kill(pid, signal.SIGSTOP)


def _thawed(server: Postgres) -> None:
    for pid in (*_children(server.pid), server.pid):
        os.kill(pid, signal.SIGCONT)


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
