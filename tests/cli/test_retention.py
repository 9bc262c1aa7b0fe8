"""``gateway retention``: beside a node, on its real database and its real key files."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import shredding
from gateway.core.durations import DAY
from gateway.core.entitlements import ENTITLEMENTS
from gateway.core.retention import TABLE, Why
from gateway.core.trust import Network
from gateway.flows import attest
from gateway.flows.vault import secrets_of
from gateway.keystore import KeyStore
from gateway.stores import open_store
from gateway.testing.boroughs import START, ManualClock, World, two_boroughs
from keys_example import demo_network
from schemas.samples import minimal_example, restamp

REF, OTHER = "HO-E09000012-2026-000417", "HO-E09000012-2026-000418"
NOBODY = "HO-E09000012-2026-999999"

Retention = Callable[..., Any]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    ticking = ManualClock()
    monkeypatch.setattr(shredding, "SystemClock", lambda: ticking)
    return ticking


@pytest.fixture
def retention(gateway: Any, clock: ManualClock) -> Retention:
    """Hackney, set up with keys of its own, and two handovers, one of them answered."""
    made = gateway(
        "init", "--area", "hackney", "--broker", "amqp://127.0.0.1:1/none", "--environment", "demo",
        "--generate-passphrase", "pass", "--agency", "police",
    )  # fmt: skip
    assert made.code == 0, made.err
    asyncio.run(handed_over(clock))
    return lambda *words: gateway("retention", *words, "--config", "hackney/gateway.toml", "--json")


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
    return KeyStore.open(Path("hackney/keys"), Path("pass").read_bytes().strip(), "demo")


async def handed_over(clock: ManualClock) -> None:
    async with running(clock) as world:
        for ref in (REF, OTHER):
            document = restamp(json.loads(minimal_example()), START)
            document["message"]["handover_id"] = ref
            document["retention"]["gateway_payload_purge_after"] = "2027-02-22"
            await world.hackney.submit(document, key=ref)
            await world.settle()
        for role, leg in (await world.bexley.legs(REF)).items():
            await world.bexley.answer(role, leg.id)
        await world.settle()


async def signed(clock: ManualClock) -> None:
    """What the node does when it runs again."""
    async with running(clock) as world:
        await attest.sign_waiting(world.hackney.node)


async def held(clock: ManualClock, ref: str) -> set[int]:
    async with running(clock) as world:
        rows = await world.hackney.node.store.read(lambda tx: tx.envelopes_of(ref))
        found = [row for row in rows if row.secrets]
        return {n for row in found for n in secrets_of(world.hackney.node, row).keys if n > 1}


def test_the_walk_from_preview_to_a_proof_that_verifies_offline(
    gateway: Any, retention: Retention, clock: ManualClock
) -> None:
    assert retention("preview").json == {"done": False, "coming": []}
    looked = retention("preview", "--until", "2026-12-31")
    [coming] = looked.json["coming"]
    assert (coming["handover"], coming["why"], coming["held"]) == (REF, "ALL_ACKNOWLEDGED", "")
    assert coming["messages"] == 8
    assert "gateway retention run" in looked.err
    shown = retention("show", REF).json["versions"][0]
    assert shown["purge"]["why"] == "ALL_ACKNOWLEDGED"
    clock.advance(30 * DAY)
    assert asyncio.run(held(clock, REF))
    done = retention("run", "--actor", "dpo-0007", "--by", "Data protection officer")
    assert done.code == 0, done.err
    assert [one["handover"] for one in done.json["coming"]] == [REF]
    assert asyncio.run(held(clock, REF)) == set()
    assert asyncio.run(held(clock, OTHER))
    assert retention("run").json["coming"] == []
    assert retention("attest", REF, "--out", "purge.json").code == 3, "signed when the node runs"
    asyncio.run(signed(clock))
    assert retention("attest", REF, "--out", "purge.json").code == 0
    shown = retention("show", REF).json["versions"][0]
    assert shown["state"] == "PURGED"
    assert [(one["area"], one["attested"]) for one in shown["purged"]] == [("E09000012", True)]
    assert shown["not_attested"] == ["E09000004"]
    network = fingerprint()
    judged = gateway("receipt", "verify", "purge.json", "--network", network, "--json")
    assert judged.code == 0, judged.out
    [one] = judged.json["attestations"]
    assert (one["by"], one["handover"], one["why"]) == ("E09000012/node", REF, "ALL_ACKNOWLEDGED")
    assert retention("audit").json == {"good": True, "purges": 1, "faults": []}
    Path("network.bundle").write_bytes(b"a file, as for a receipt")
    by_file = ("receipt", "verify", "purge.json", "--network", "network.bundle", "--expect")
    assert gateway(*by_file, network).code == 0
    assert gateway(*by_file, network[::-1]).code != 0


def fingerprint() -> str:
    demo = demo_network(START - 3600, ENTITLEMENTS)
    return Network.build(demo.roots, demo.directory, (), now=START).fingerprint


@pytest.mark.parametrize("change", ["note", "network", "form"])
def test_a_changed_attestation_is_told_apart(
    gateway: Any, retention: Retention, clock: ManualClock, change: str
) -> None:
    clock.advance(30 * DAY)
    assert retention("run").code == 0
    asyncio.run(signed(clock))
    assert retention("attest", REF, "--out", "purge.json").code == 0
    content, network = json.loads(Path("purge.json").read_text()), fingerprint()
    if change == "note":
        content["notes"][0] = content["notes"][0].replace('"files":0', '"files":1')
    if change == "form":
        content["notes"] = []
    if change == "network":
        network = "-".join(["abcd"] * 16)
    Path("purge.json").write_text(json.dumps(content, separators=(",", ":"), sort_keys=True))
    assert gateway("receipt", "verify", "purge.json", "--network", network, "--json").code == 4


def test_a_hold_is_placed_seen_and_lifted(retention: Retention, clock: ManualClock) -> None:
    placed = retention(
        "hold", "add", REF, "--reason", "LITIGATION", "--by", "Legal", "--review", "2027-06-01"
    )
    assert placed.code == 0, placed.err
    clock.advance(31 * DAY)
    [coming] = retention("run").json["coming"]
    assert coming["held"] == "LITIGATION"
    assert asyncio.run(held(clock, REF))
    assert [one["handover"] for one in retention("hold", "list").json["holds"]] == [REF]
    assert retention("hold", "remove", placed.json["id"], "--by", "Legal").code == 0
    assert retention("hold", "list").json == {"holds": []}
    assert len(retention("hold", "list", "--all").json["holds"]) == 1
    assert retention("hold", "remove", placed.json["id"], "--by", "Legal").code == 3
    assert len(retention("run").json["coming"]) == 1
    assert asyncio.run(held(clock, REF)) == set()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("hold", "add", REF, "--reason", "LITIGATION", "--by", "Legal"), 2),
        (("hold", "add", REF, "--reason", "LITIGATION", "--by", "Legal", "--review", "soon"), 2),
        (("hold", "add", REF, "--reason", "for J", "--by", "Legal", "--review", "2027-01-01"), 7),
        (("hold", "add", NOBODY, "--reason", "LITIGATION", "--by", "Legal", "--review", "2027-01-01"), 3),
        (("preview", "--until", "31.12.2026"), 2),
        (("show", NOBODY), 3),
    ],
)  # fmt: skip
def test_words_that_are_not_understood(retention: Retention, words: tuple[str, ...], code: int) -> None:
    assert retention(*words).code == code


def test_the_whole_node_shows_its_table_and_what_is_overdue(retention: Retention, clock: ManualClock) -> None:
    clock.advance(28 * DAY)
    found = retention("show").json
    assert (found["with_content"], found["due_in_a_week"], found["holds"]) == (2, 1, 0)
    assert {one["what"] for one in found["kept"]} >= {"sent", "control", "metadata", "log"}


PAGE = (Path(__file__).parents[2] / "docs" / "retention.md").read_text()


def test_the_page_shows_the_table_as_the_node_has_it() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (.+) \|$", PAGE, re.MULTILINE)
    told = {what: (int(days) * DAY, why) for what, days, why in rows}
    assert told == {what: (kept.seconds, kept.why) for what, kept in TABLE.items()}
    dates = {Why.DOCUMENT, Why.ACKNOWLEDGED, Why.ISSUED}
    assert dates == set(re.findall(r"`([A-Z_]+)` \|$", PAGE, re.MULTILINE))


def test_every_command_of_the_page_runs_as_it_is_written(
    gateway: Any, retention: Retention, clock: ManualClock
) -> None:
    blocks = re.findall(r"(?:^    gateway .*\n)+", PAGE, re.MULTILINE)
    lines = [shlex.split(line)[1:] for block in blocks for line in block.splitlines()]
    assert len(lines) == 10
    words = {"FINGERPRINT": fingerprint(), "ID": ""}
    clock.advance(30 * DAY)
    for line in lines:
        if line[:2] == ["retention", "attest"]:
            asyncio.run(signed(clock))
        config = () if line[0] == "receipt" else ("--config", "hackney/gateway.toml")
        done = gateway(*(words.get(word, word) for word in line), *config, "--json")
        purged = line[:3] == ["retention", "hold", "add"]
        assert done.code == (6 if purged else 0), (line, done.out, done.err)
        if purged:  # the page goes on with another handover
            other = [OTHER if word == REF else word for word in line]
            words["ID"] = gateway(*other, *config, "--json").json["id"]
