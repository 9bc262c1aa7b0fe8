"""Several workers of one area over one PostgreSQL and one broker, as processes: restarted under load, killed,
and beside the release before (docs/decisions/0031)."""

from __future__ import annotations

import asyncio
import io
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path

import pytest

from gateway.flows.workers import TERM
from gateway.ports import Outbound, Role
from gateway.stores import migrations
from gateway.testing.boroughs import BEXLEY, HACKNEY
from gateway.testing.postgres import Postgres, start_postgres
from tests.e2e.siblings import ROOT, Siblings, siblings

BEFORE = "954ba6d"
"""The release before the one that knows workers."""

_numbers = count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with start_postgres() as running:
        yield running


@pytest.fixture
def databases(server: Postgres) -> Iterator[Mapping[str, str]]:
    number = next(_numbers)
    names = {HACKNEY: f"origin_{number}", BEXLEY: f"destination_{number}"}
    yield {area: server.create(name) for area, name in names.items()}
    for name in names.values():
        server.drop(name)


@pytest.fixture(scope="module")
def release_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its code, out of the history of this repository."""
    if not (ROOT / ".git").exists():
        pytest.skip("the release before is in the repository's history, which is not here")
    folder = tmp_path_factory.mktemp("before")
    done = subprocess.run(
        ["git", "archive", BEFORE, "gateway", "adapters", "schemas", "keys_example"],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def calls_at(area: str, there: Siblings) -> int:
    """Of this area's agencies: the origin's hear of it in their own time."""
    return sum(call["principal"].startswith(area) for call in there.agencies.journal)


async def test_restarted_one_after_another_under_load_nothing_is_lost(
    tmp_path: Path, broker_url: str, databases: Mapping[str, str]
) -> None:
    async with siblings(tmp_path, broker_url, databases) as there:
        await there.start(HACKNEY, "api")
        sending, first, second = await asyncio.gather(
            there.start(HACKNEY, "worker"), there.start(BEXLEY, "worker"), there.start(BEXLEY)
        )
        load = asyncio.create_task(there.hand_in(40, 0.25, ("POLICE", "HOUSING")))
        await asyncio.sleep(1)
        assert await first.stop() == 0
        await there.start(BEXLEY, "worker")
        await second.kill()
        await there.start(BEXLEY)
        await sending.kill()
        await there.start(HACKNEY, "worker")
        await load
        await there.check()
        await asyncio.sleep(2.5)  # a look later
        rows = await there.workers(BEXLEY)
        assert sorted(row.role for row in rows) == [Role.ALL, Role.WORKER], "who is gone is in no list"
        assert all(row.ready for row in rows)
        assert await there.read(BEXLEY, lambda tx: tx.leader()) in {row.id for row in rows}


async def test_handed_in_at_an_api_process_it_is_with_a_worker_at_once(
    tmp_path: Path, broker_url: str, databases: Mapping[str, str]
) -> None:
    """They look by themselves once in 30 s here: what comes sooner was rung for."""
    async with siblings(tmp_path, broker_url, databases, poll=30.0) as there:
        await there.start(HACKNEY, "api")
        await asyncio.gather(there.start(HACKNEY, "worker"), there.start(BEXLEY))
        await asyncio.sleep(2)
        began = time.monotonic()
        await there.hand_in(3, 0.1)
        await there.all_opened(10)
        assert time.monotonic() - began < 10


async def test_what_a_killed_worker_had_in_hand_is_taken_over_in_seconds(
    tmp_path: Path, broker_url: str, databases: Mapping[str, str]
) -> None:
    """It dies with a parcel at an agency that hangs; the claim would stand for minutes."""
    async with siblings(tmp_path, broker_url, databases, adapter_timeout=30, resend=2) as there:
        await asyncio.gather(there.start(HACKNEY), there.start(BEXLEY))
        doomed = there.processes[BEXLEY][0]
        held = asyncio.Event()
        reply = there.agencies._reply

        def hang(found: Mapping[str, object]) -> dict[str, object]:
            held.set()
            doomed.send(9)
            return reply(found)

        there.agencies._reply = hang  # type: ignore[method-assign,assignment]  # killed before it hears the answer
        await there.hand_in(1)
        await asyncio.wait_for(held.wait(), 20)
        there.agencies._reply = reply  # type: ignore[method-assign]
        await doomed.kill()
        began = time.monotonic()
        await there.start(BEXLEY, "worker")
        await there.all_accepted(15)
        assert time.monotonic() - began < TERM
        await there.check()
        assert calls_at(BEXLEY, there) >= 2, "it was told again, under the same key"


@pytest.mark.timeout(300)
async def test_what_a_stopped_worker_had_in_hand_is_taken_over_and_awake_it_says_nothing_again(
    tmp_path: Path, broker_url: str, databases: Mapping[str, str]
) -> None:
    """SIGSTOP while an agency answers it: its lock is held, and its beats stay away."""
    async with siblings(tmp_path, broker_url, databases, adapter_timeout=60, resend=2) as there:
        await asyncio.gather(there.start(HACKNEY), there.start(BEXLEY))
        stopped = there.processes[BEXLEY][0]
        reply = there.agencies._reply

        def stop(found: Mapping[str, object]) -> dict[str, object]:
            there.agencies._reply = reply  # type: ignore[method-assign]
            stopped.send(signal.SIGSTOP)
            return reply(found)

        there.agencies._reply = stop  # type: ignore[method-assign,assignment]
        await there.hand_in(1)
        await there.start(BEXLEY, "worker")
        await there.all_accepted(2 * TERM)
        told = calls_at(BEXLEY, there)
        assert told >= 2, "by the other, under the same key"
        stopped.send(signal.SIGCONT)
        await asyncio.sleep(3)
        rows = await there.workers(BEXLEY)
        assert sorted(row.role for row in rows) == [Role.ALL, Role.WORKER], "it has registered again"
        assert calls_at(BEXLEY, there) == told
        await there.check()


async def test_the_release_before_runs_beside_this_one_on_the_new_tables(
    tmp_path: Path, broker_url: str, databases: Mapping[str, str], release_before: Path
) -> None:
    async with siblings(tmp_path, broker_url, databases, old=release_before) as there:
        await there.start(HACKNEY, code=release_before)
        old, leaving = await asyncio.gather(
            there.start(BEXLEY, code=release_before), there.start(BEXLEY, code=release_before)
        )
        load = asyncio.create_task(there.hand_in(30, 0.4, ("POLICE", "HOUSING")))
        await asyncio.sleep(1)
        for url in databases.values():
            await asyncio.to_thread(migrations.upgrade, url)  # all of them go on
        await asyncio.sleep(1)
        assert old.alive
        assert leaving.alive
        new = await there.start(BEXLEY, "worker")
        await leaving.kill()
        await asyncio.sleep(2)
        await new.stop()  # what the old one does now it does alone, on the new tables
        only_old = len(there.given())
        await load
        assert old.alive
        await there.all_opened()
        assert len(there.given()) > only_old
        await there.start(BEXLEY, "worker")
        await old.kill()
        await there.hand_in(3)
        await there.check(answers=False)
        settled = await there.read(BEXLEY, lambda tx: tx.counts())
        assert settled.get(f"outbox.{Outbound.WAITING.value}", 0) == 0
