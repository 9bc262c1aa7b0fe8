"""A node killed and put back from a backup by the commands an operator runs: what is told, what comes again.

Two processes over a real broker. Bexley, which receives, is restored: what came since the backup comes again,
no agency is given anything under a second key, and no number of a stream is used twice. (That the log of a
restored node is behind what peers cosigned is found in tests/flows/test_witness.py: it takes minutes.)
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from gateway.demo.story import session
from tests.e2e.conftest import Pair, Process, check_legal, environment, pair

PATIENCE = 60.0


async def gateway(node: Process, *arguments: str) -> tuple[int, Mapping[str, Any]]:
    """A command as the operator runs it; its exit code and what it said."""
    done = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *arguments, "--config", str(node.borough.config), "--json",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, env=environment(),
    )  # fmt: skip
    out, _ = await asyncio.wait_for(done.communicate(), 60)
    assert done.returncode is not None
    return done.returncode, json.loads(out)


async def alarms(node: Process) -> set[str]:
    """Those that stand, by code."""
    return await column(node, "SELECT code FROM alarms WHERE cleared = 0")


async def column(node: Process, query: str) -> set[str]:
    place = f"file:{node.borough.folder / 'gateway.db'}?mode=ro"
    with closing(sqlite3.connect(place, uri=True)) as connection:
        return {row[0] for row in connection.execute(query)}


async def check_good(node: Process) -> None:
    code, said = await gateway(node, "db", "check")
    assert code == 0, [one for one in said["checks"] if one["ok"] is False]


def another(document: Mapping[str, Any], number: int) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(document))
    copy["message"] |= {
        "message_id": f"0000000{number}-80a7-5d63-a0c1-aaf074b86cc2",
        "handover_id": f"HO-E09000012-2026-00061{number}",
    }
    return copy


async def send(both: Pair, document: Mapping[str, Any], number: int) -> str:
    async with session() as client:
        return await both.sender(client).send(another(document, number), key=f"restore-{number}")


async def up(*nodes: Process) -> None:
    for node in nodes:
        await node.start()
    for node in nodes:
        assert await node.ready()


async def until_alarmed(node: Process, code: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while code not in await alarms(node):
        assert time.monotonic() < deadline, f"no alarm {code}: {await alarms(node)}"
        await asyncio.sleep(0.3)


async def test_what_came_since_the_backup_comes_again_and_nobody_is_given_it_twice(
    tmp_path: Path, broker_url: str, document: Mapping[str, Any]
) -> None:
    async with pair(tmp_path / "p", broker_url) as both:
        await up(both.hackney, both.bexley)
        first = await send(both, document, 1)
        await both.all_accepted(first)
        copy = str(tmp_path / "bexley.backup")
        code, made = await gateway(both.bexley, "db", "backup", copy)
        assert code == 0, made
        assert made["leaves"] > 0

        second = await send(both, document, 2)
        await both.all_accepted(second)
        await both.bexley.kill()
        given = {role: len(both.given(role)) for role in ("police", "housing", "dwp")}
        code, said = await gateway(both.bexley, "db", "restore", copy, "--force")
        assert code == 0, said
        assert said["leaves_lost"] > 0
        assert ".before-" in said["kept"]
        await check_good(both.bexley)

        await up(both.bexley)
        assert "restored" in await alarms(both.bexley)
        third = await send(both, document, 3)
        await both.all_accepted(third)
        await until_alarmed(both.hackney, "new_stream_announced")
        told = await alarms(both.hackney)
        assert "equivocation" not in told, "no number was used twice"
        for role, count in given.items():
            assert len(both.given(role)) == count + 1, "the same key, and so one file"
        a_minute_passes(both.bexley)
        await until_known(both.bexley, second)
        assert await states(both.hackney, second) == {"ACCEPTED"}, "what was agreed stays agreed"
        for role, count in given.items():
            assert len(both.given(role)) == count + 1
        for node in (both.hackney, both.bexley):
            assert await node.stop() == 0
            check_legal(node.borough.folder / "gateway.db")
        await check_good(both.hackney)


def a_minute_passes(node: Process) -> None:
    """What is missing is asked for after a minute (flows.heartbeat); the gap's row says since when."""
    with closing(sqlite3.connect(node.borough.folder / "gateway.db", timeout=20)) as connection, connection:
        changed = connection.execute("UPDATE gaps SET noticed = noticed - 60")
    assert changed.rowcount == 1, "the third message left a gap where the second had been"


async def until_known(node: Process, ref: str) -> None:
    """The lost handover is in its database again, as the peer sent it again, and its agencies were given it
    again. What they answered is not: their systems know the key, and say nothing twice."""
    deadline = time.monotonic() + PATIENCE
    while not (found := await states(node, ref)) or "RECEIVED" in found:
        assert time.monotonic() < deadline, f"it did not come again: {found}"
        await asyncio.sleep(0.3)


async def states(node: Process, ref: str) -> set[str]:
    return await column(node, f"SELECT state FROM legs WHERE ref = '{ref}'")
