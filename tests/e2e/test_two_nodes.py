"""The mission on real input: two processes, two databases, a real broker, seven answers."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.boroughs import AGENCIES
from gateway.testing.broker import PrivateBroker
from tests.e2e.conftest import Pair, check_legal, keep_running, pair

KINDS = ("opened", "acknowledged", "accepted")


async def running(both: Pair) -> None:
    for node in (both.hackney, both.bexley):
        await node.start()
    for node in (both.hackney, both.bexley):
        assert await node.ready()


async def test_seven_agencies_accept_and_nobody_is_told_twice(
    tmp_path: Path, broker_url: str, document: Mapping[str, Any]
) -> None:
    async with pair(tmp_path / "p", broker_url) as both:
        await running(both)
        ref = await both.send(document)
        standing = await both.all_accepted(ref)
        assert [await node.stop() for node in (both.hackney, both.bexley)] == [0, 0]
        assert standing["responsible"] == {
            leg["agency"]: f"E09000004/{leg['principal'].partition('/')[2]}" for leg in standing["legs"]
        } | {"LEAVING_CARE": "E09000012/leaving_care"}, "the responsible authority does not change on a move"
        assert {leg["agency"] for leg in standing["legs"]} == {
            "COMMUNITY_SAFETY", "POLICE", "PROBATION", "LEAVING_CARE", "HOUSING", "DWP", "VOLUNTARY_SECTOR",
        }  # fmt: skip
        for role in AGENCIES:
            assert len(both.given(role)) == 1
        for node in (both.hackney, both.bexley):
            check_legal(node.borough.folder / "gateway.db")


DEATHS = [
    ("hackney", "before", 1), ("hackney", "after", 1), ("hackney", "before", 4), ("hackney", "after", 8),
    ("bexley", "before", 1), ("bexley", "after", 1), ("bexley", "after", 3), ("bexley", "before", 8),
]  # fmt: skip
"""Spread over a run's commits; every single one is tried, in one process, in tests/properties."""


@pytest.mark.parametrize(("victim", "when", "count"), DEATHS)
async def test_killed_at_a_commit_boundary(
    tmp_path: Path, broker_url: str, document: Mapping[str, Any], victim: str, when: str, count: int
) -> None:
    async with pair(tmp_path / "p", broker_url) as both:
        doomed: Any = getattr(both, victim)
        other = both.bexley if victim == "hackney" else both.hackney
        await doomed.start(when, str(count))
        await other.start()
        await asyncio.gather(doomed.ready(), other.ready())
        both.watched.append(asyncio.create_task(keep_running(doomed)))
        ref = await both.send(document)
        await both.all_accepted(ref)
        both.watched.pop().cancel()
        assert doomed.starts == 2, "the node was to die once"
        for node in (both.hackney, both.bexley):
            await node.stop()
            check_legal(node.borough.folder / "gateway.db")
        for role in AGENCIES:
            assert len(both.given(role)) == 1, "a repeat carries the same key, so it is the same file"


@pytest.mark.row("BROKER_CRASH")
async def test_the_broker_is_killed_in_the_middle(tmp_path: Path, document: Mapping[str, Any]) -> None:
    broker = PrivateBroker()
    (tmp_path / "broker").mkdir()
    await asyncio.to_thread(broker.start, tmp_path / "broker")
    try:
        async with pair(tmp_path / "p", broker.url) as both:
            await running(both)
            await both.bexley.kill()
            ref = await both.send(document)
            await asyncio.to_thread(broker.ctl, "eval", "[dets:sync(T) || T <- dets:all()].")
            await asyncio.to_thread(broker.kill)
            await both.bexley.start()
            await asyncio.to_thread(broker.restart)
            await both.all_accepted(ref)
            for role in AGENCIES:
                assert len(both.given(role)) == 1
    finally:
        await asyncio.to_thread(broker.close)


def test_demo_prints_one_object_and_exits_zero_over_a_broker_of_ones_own(broker_url: str) -> None:
    for _ in range(2):  # twice on one broker: its topology and leftovers must not disturb
        done = subprocess.run(
            [sys.executable, "-m", "gateway", "demo", "--once", "--json", "--broker", broker_url],
            capture_output=True,
            check=False,
            timeout=110,
            stdin=subprocess.DEVNULL,
            env={k: v for k, v in os.environ.items() if not k.startswith("GATEWAY")},
        )
        assert done.returncode == 0, done.stderr[-2000:]
        result = json.loads(done.stdout)
        assert result["broker"] == "rabbitmq"
        assert [leg["state"] for leg in result["legs"]] == ["ACCEPTED"] * 7
        for leg in result["legs"]:
            assert tuple(receipt["state"] for receipt in leg["receipts"]) == KINDS
        moved = {agency for agency, who in result["responsible"].items() if who.startswith("E09000004/")}
        assert set(result["responsible"]) - moved == {"LEAVING_CARE"}, "its authority does not change"


def test_demo_without_a_broker() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "demo", "--once", "--json", "--broker", "embedded"],
        capture_output=True,
        check=False,
        timeout=110,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout)["broker"] == "embedded"
