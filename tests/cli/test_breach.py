"""``gateway breach``: docs/misdirected.md, command by command, beside a node's database and key files."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import shredding
from gateway.keystore import KeyStore
from gateway.stores import open_store
from gateway.testing.boroughs import START, ManualClock, World, two_boroughs
from schemas.samples import minimal_example, restamp

REF = "HO-E09000012-2026-000417"
HOUR = 3600
WHY = "Opened by one officer; the address is on the page."
CONFIG = ("--config", "hackney/gateway.toml", "--json")
PAGE = (Path(__file__).parents[2] / "docs" / "misdirected.md").read_text()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    ticking = ManualClock()
    monkeypatch.setattr(shredding, "SystemClock", lambda: ticking)
    return ticking


@asynccontextmanager
async def running(clock: ManualClock) -> AsyncIterator[World]:
    """The two nodes, Hackney's on the database that the command works on."""
    url = "sqlite:///hackney/gateway.db"
    async with two_boroughs(stores={"E09000012": lambda: open_store(url)}, clock=clock) as world:
        store = key_store()
        for name in ("epoch", "puncture", "secret"):
            setattr(world.hackney.node.keys, name, getattr(store, name))
        yield world


def key_store() -> KeyStore:
    return KeyStore.open(Path("hackney/keys"), Path("pass").read_bytes().strip(), "demo")


async def given_back(clock: ManualClock) -> None:
    async with running(clock) as world:
        await world.hackney.submit(restamp(json.loads(minimal_example()), START))
        await world.settle()
        leg = (await world.bexley.legs(REF))["housing"]
        await world.bexley.answer("housing", leg.id, "RETURNED", reason_code="WRONG_AREA")
        await world.settle()


@pytest.fixture
def hackney(gateway: Any, clock: ManualClock) -> Any:
    made = gateway(
        "init", "--area", "hackney", "--broker", "amqp://127.0.0.1:1/none", "--environment", "demo",
        "--generate-passphrase", "pass", "--agency", "police",
    )  # fmt: skip
    assert made.code == 0, made.err
    asyncio.run(given_back(clock))
    Path("why.txt").write_text(WHY)
    return gateway


def test_every_command_of_the_page_runs_as_it_is_written(hackney: Any, clock: ManualClock) -> None:
    [record] = hackney("breach", "list", *CONFIG).json["breaches"]
    assert (record["kind"], record["state"], record["code"]) == ("BREACH", "OPEN", "WRONG_AREA")
    lines = [shlex.split(line)[1:] for line in re.findall(r"^    gateway .*$", PAGE, re.MULTILINE)]
    assert [line[1] for line in lines] == ["list", "show", "decide", "decide", "report", "open"]
    clock.advance(HOUR)
    owed = []
    for line in lines:
        done = hackney(*(record["id"] if word == "ID" else word for word in line), *CONFIG)
        assert done.code == 0, (line, done.out, done.err)
        assert WHY not in done.out
        owed += [done.json["subject_owed"]] if line[1] == "decide" else []
    assert owed == [True, False]
    report = Path("breach.json").read_text()
    assert WHY in report
    assert json.loads(report)["contact"].startswith("Data Protection Officer")
    found = hackney("breach", "list", *CONFIG).json["breaches"]
    assert [(one["source"], one["state"]) for one in found] == [("RETURNED", "DECIDED"), ("BY_HAND", "OPEN")]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("show", "0" * 32), 3),
        (("decide", "0" * 32, "NOTIFY_ICO", "--by", "DPO"), 3),
        (("decide", "0" * 32, "NOTIFY_ICO", "--by", "DPO", "--at", "yesterday"), 2),
        (("decide", "0" * 32, "FORGET_IT", "--by", "DPO"), 2),
        (("open", "HO-E09000012-2026-999999", "--area", "E09000004", "--code", "LOST", "--by", "DPO"), 3),
    ],
)
def test_words_that_are_not_understood(hackney: Any, words: tuple[str, ...], code: int) -> None:
    assert hackney("breach", *words, *CONFIG).code == code


def test_later_than_72_hours_the_command_asks_why(hackney: Any, clock: ManualClock) -> None:
    [record] = hackney("breach", "list", *CONFIG).json["breaches"]
    clock.advance(73 * HOUR)
    words = ("breach", "decide", record["id"], "NOTIFY_ICO", "--by", "DPO")
    refused = hackney(*words, *CONFIG)
    assert refused.code != 0
    assert "/delay" in refused.out + refused.err
    assert hackney(*words, "--delay", "FACTS_NOT_KNOWN", *CONFIG).code == 0
