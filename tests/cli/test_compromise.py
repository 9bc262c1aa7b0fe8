"""``gateway keys revoke`` and ``gateway keys rotate``, on a real database and real key files."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import shredding
from gateway.keystore import KeyStore
from gateway.stores import open_store
from gateway.testing.boroughs import START, ManualClock, two_boroughs
from schemas.samples import minimal_example, restamp

POLICE = "E09000004/police"
CONFIG = ("--config", "hackney/gateway.toml")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    ticking = ManualClock()
    monkeypatch.setattr(shredding, "SystemClock", lambda: ticking)
    return ticking


@pytest.fixture
def keys(gateway: Any, clock: ManualClock) -> Any:
    """Hackney, set up with keys of its own, after one handover."""
    made = gateway(
        "init", "--area", "hackney", "--broker", "amqp://127.0.0.1:1/none", "--environment", "demo",
        "--generate-passphrase", "pass", "--agency", "police",
    )  # fmt: skip
    assert made.code == 0, made.err
    asyncio.run(sent(clock))
    return lambda *words: gateway("keys", *words, *CONFIG)


def key_store() -> KeyStore:
    return KeyStore.open(Path("hackney/keys"), Path("pass").read_bytes().strip(), "demo")


async def sent(clock: ManualClock) -> None:
    stores = {"E09000012": lambda: open_store("sqlite:///hackney/gateway.db")}
    async with two_boroughs(stores=stores, clock=clock) as world:
        for name in ("epoch", "puncture", "secret"):
            setattr(world.hackney.node.keys, name, getattr(key_store(), name))
        await world.hackney.submit(restamp(json.loads(minimal_example()), START))
        await world.settle()


def test_a_report_says_what_the_key_opens_and_what_to_do_next(keys: Any) -> None:
    told = keys("revoke", POLICE, "--reason", "stolen", "--actor", "dpo-7", "--report", "report.json")
    assert told.code == 0, told.err
    assert "acknowledged by nobody" in told.out
    assert "NOT suspended" in told.out
    assert "gateway directory suspend E09000004/police --reason stolen" in told.err
    assert "gateway directory revoke E09000004/police --reason stolen" in told.err
    report = json.loads(Path("report.json").read_text())
    assert stat.S_IMODE(Path("report.json").stat().st_mode) == 0o600
    (one,) = report["exposed"]
    assert one["direction"] == "sent"
    assert {"core", "risk_to"} <= set(one["sections"])
    assert [answer["state"] for answer in one["answers"]] == ["opened"]
    assert "EXAMPLE" not in Path("report.json").read_text()
    assert keys("revoke", POLICE, "--reason", "stolen", "--json", "--hours", "0").json["exposed"] == [one]


@pytest.mark.parametrize(
    ("words", "code"), [((POLICE, "--reason", "Stolen!"), 2), (("E09000004/nobody", "--reason", "lost"), 7)]
)
def test_what_cannot_be_meant_is_refused_with_what_to_do(
    keys: Any, words: tuple[str, ...], code: int
) -> None:
    refused = keys("revoke", *words)
    assert refused.code == code
    assert "what to do:" in refused.err


def test_rotating_makes_one_more_subkey(keys: Any) -> None:
    before = key_store().subkeys("E09000012/police")
    made = keys("rotate", "E09000012/police", "--json")
    assert made.code == 0, made.err
    after = key_store().subkeys("E09000012/police")
    assert len(after) == len(before) + 1
    assert keys("rotate", POLICE).code != 0
