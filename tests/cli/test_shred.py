"""``gateway shred``: beside a node that runs, on its real database and its real key files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import shredding
from gateway.flows.vault import secrets_of
from gateway.keystore import KeyStore
from gateway.stores import open_store
from gateway.testing.boroughs import START, ManualClock, World, two_boroughs
from schemas.samples import minimal_example, restamp

REF, OTHER = "HO-E09000012-2026-000417", "HO-E09000012-2026-000418"
DAY = 86_400
WHY = ("--justification", "ERASURE_REQUEST", "--actor", "dpo-0007")

Shred = Callable[..., Any]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    ticking = ManualClock()
    monkeypatch.setattr(shredding, "SystemClock", lambda: ticking)
    return ticking


@pytest.fixture
def shred(gateway: Any, clock: ManualClock) -> Shred:
    """Hackney, set up with keys of its own, and two handovers that were answered."""
    made = gateway(
        "init", "--area", "hackney", "--broker", "amqp://127.0.0.1:1/none", "--environment", "demo",
        "--generate-passphrase", "pass", "--agency", "police",
    )  # fmt: skip
    assert made.code == 0, made.err
    asyncio.run(answered(clock))
    return lambda *words: gateway("shred", *words, "--config", "hackney/gateway.toml", "--json")


@asynccontextmanager
async def running(clock: ManualClock) -> AsyncIterator[World]:
    """The two nodes, Hackney's on the database and the epochs that the command works on."""
    url = "sqlite:///hackney/gateway.db"
    async with two_boroughs(stores={"E09000012": lambda: open_store(url)}, clock=clock) as world:
        store, keys = key_store(), world.hackney.node.keys
        for name in ("epoch", "puncture", "secret"):
            setattr(keys, name, getattr(store, name))
        yield world


def key_store() -> KeyStore:
    file = Path("pass")
    return KeyStore.open(Path("hackney/keys"), file.read_bytes().strip(), "demo")


async def answered(clock: ManualClock, *, answer: bool = True) -> None:
    async with running(clock) as world:
        for ref in (REF, OTHER):
            document = restamp(json.loads(minimal_example()), START)
            document["message"]["handover_id"] = ref
            await world.hackney.submit(document, key=ref)
            await world.settle()
            for role, leg in (await world.bexley.legs(ref)).items():
                await world.bexley.answer(role, leg.id)
            await world.settle()


async def held(clock: ManualClock, ref: str) -> set[int]:
    """Content keys that a node started now still has, of all messages about a handover."""
    async with running(clock) as world:
        rows = await world.hackney.node.store.read(lambda tx: tx.envelopes_of(ref))
        return {n for row in rows for n in secrets_of(world.hackney.node, row).keys if n > 1}


def test_a_handover_is_looked_at_then_destroyed_and_no_other(shred: Shred, clock: ManualClock) -> None:
    looked = shred("handover", REF, "--preview")
    assert (looked.code, looked.json["done"], looked.json["against"]) == (0, False, [])
    assert "gateway shred handover" in looked.err
    assert len(looked.json["messages"]) == 8
    assert all(one["parts"] for one in looked.json["messages"])
    assert asyncio.run(held(clock, REF))
    done = shred("handover", REF, *WHY)
    assert (done.code, done.json["done"]) == (0, True)
    strip = lambda found: {**found, "done": None}  # noqa: E731
    assert strip(done.json) == strip(looked.json)
    assert asyncio.run(held(clock, REF)) == set()
    assert asyncio.run(held(clock, OTHER))
    again = shred("handover", REF, *WHY)
    assert again.code == 0
    assert all(one["parts"] == [] and one["already"] for one in again.json["messages"])


def test_it_works_beside_a_node_that_runs_which_sees_it_at_once(gateway: Any, clock: ManualClock) -> None:
    gateway(
        "init", "--area", "hackney", "--broker", "amqp://127.0.0.1:1/none", "--environment", "demo",
        "--generate-passphrase", "pass", "--agency", "police",
    )  # fmt: skip
    asyncio.run(answered(clock))

    async def beside() -> None:
        async with running(clock) as world:
            node = world.hackney.node
            before = await node.store.read(lambda tx: tx.envelopes_of(REF))
            assert all({n for n in secrets_of(node, row).keys if n > 1} for row in before)
            command = ("shred", "handover", REF, *WHY, "--config", "hackney/gateway.toml", "--json")
            done = await asyncio.to_thread(gateway, *command)
            assert done.code == 0, done.err
            for row in before:  # even from the rows as they were: the leaves are gone
                assert set(secrets_of(node, row).keys) == {0, 1}

    asyncio.run(beside())


def test_a_section_that_stands_alone_and_one_that_does_not(shred: Shred, clock: ManualClock) -> None:
    done = shred("handover", REF, "--section", "support", *WHY)
    assert (done.code, done.json["sections"]) == (0, ["support"])
    shared = shred("handover", REF, "--section", "history", *WHY)
    assert (shared.code, shared.error) == (6, "section_shared")
    looked = shred("handover", REF, "--section", "history", "--preview")
    assert any(one["shared"] for one in looked.json["messages"])
    both = shred("handover", REF, "--section", "history", "--with-others", *WHY)
    assert both.code == 0
    assert {"history", "associates"} <= set(both.json["sections"])
    assert asyncio.run(held(clock, REF))
    assert shred("handover", REF, "--section", "history", *WHY).error == "no_section"


def test_it_is_told_in_words(shred: Shred, gateway: Any) -> None:
    def say(*words: str) -> str:
        return str(gateway("shred", *words, "--config", "hackney/gateway.toml").out)

    assert "would be destroyed: actions, " in say("handover", REF, "--preview")
    assert "holds associates, history" in say("handover", REF, "--section", "history", "--preview")
    assert "subkeys of agencies" not in say("handover", REF, "--preview"), "Hackney's own keys open no slot"
    assert "of 8 messages destroyed" in say("handover", REF, *WHY)
    assert "against it" not in say("epoch", "2026-11", "--preview")


def test_a_month(shred: Shred, clock: ManualClock) -> None:
    running_ = shred("epoch", "2026-11", *WHY)
    assert (running_.code, running_.error) == (6, "epoch_running")
    looked = shred("epoch", "2026-11", "--preview")
    assert (looked.code, looked.json["messages"], looked.json["destroyed"]) == (0, 16, False)
    clock.advance(10 * DAY)
    done = shred("epoch", "2026-11", *WHY)
    assert (done.code, done.json["done"]) == (0, True)
    assert asyncio.run(held(clock, REF)) == asyncio.run(held(clock, OTHER)) == set()
    assert shred("epoch", "2026-11", *WHY).json["destroyed"]
    assert key_store().epoch("2026-11", make=True).destroyed


WRONG = (
    (("handover", REF), 2, "justification"),
    (("handover", REF, "--justification", "because he asked"), 2, "justification"),
    (("handover", "HO-E09000012-2026-999999", *WHY), 3, "no_handover"),
    (("handover", REF, "--version", "2", *WHY), 3, "no_handover"),
    (("handover", REF, "--section", "nonsense", *WHY), 3, "no_section"),
    (("epoch", "2026-11"), 2, "justification"),
    (("epoch", "2026-13", *WHY), 2, "month"),
    (("epoch", "november", "--preview"), 2, "month"),
    (("epoch", "2020-01", *WHY), 3, "no_epoch"),
)


def test_what_cannot_be_done_says_why_and_changes_nothing(shred: Shred, clock: ManualClock) -> None:
    before = asyncio.run(held(clock, REF))
    for words, code, error in WRONG:
        done = shred(*words)
        assert (done.code, done.error) == (code, error), words
        assert done.json["error"]["remedy"]
    assert asyncio.run(held(clock, REF)) == before


def test_what_is_on_its_way_is_refused_unless_it_is_forced(gateway: Any, clock: ManualClock) -> None:
    gateway(
        "init", "--area", "hackney", "--broker", "amqp://127.0.0.1:1/none", "--environment", "demo",
        "--generate-passphrase", "pass", "--agency", "police",
    )  # fmt: skip

    async def submitted() -> None:
        async with running(clock) as world:
            await world.hackney.submit(restamp(json.loads(minimal_example()), START))

    asyncio.run(submitted())
    command = ("shred", "handover", REF, "--config", "hackney/gateway.toml")
    assert "against it: unsettled" in gateway(*command, "--preview").out
    refused = gateway(*command, *WHY, "--json")
    assert (refused.code, refused.error) == (6, "not_settled")
    assert asyncio.run(held(clock, REF))
    forced = gateway(*command, *WHY, "--force")
    assert forced.code == 0
    assert "lost, for it was unsettled" in forced.out
    assert asyncio.run(held(clock, REF)) == set()
