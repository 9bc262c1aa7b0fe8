"""docs/urgent.md and docs/drills.md are run as they are written, against two boroughs that are alive."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from gateway.api.app import build
from gateway.cli.drilling import ADULTS_ONLY, CHILDREN_ONLY, NEVER
from gateway.clock import SystemClock
from gateway.flows.metrics import Metrics
from gateway.flows.tokens import create
from gateway.testing.anywhere import boroughs
from gateway.testing.boroughs import World
from schemas.samples import example_text, restamp

DOCS = Path(__file__).parents[2] / "docs"
HACKNEY, BEXLEY = "E09000012", "E09000004"
SENDER = "childrens_social_care"
REF = re.compile(r"HO-[A-Z0-9]{9}-\d{4}-\d{6}")


def lines(page: str) -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.strip().splitlines()]


class Live:
    """Two boroughs in a thread of their own; ``url`` and ``token`` are those of an agency of Hackney."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.over = threading.Event()
        self.url = self.token = ""
        self.thread = threading.Thread(target=lambda: asyncio.run(self._live()))

    async def _live(self) -> None:
        clock: Any = SystemClock()
        async with boroughs(HACKNEY, BEXLEY, at=clock.now(), clock=clock) as world:
            node = world.of(HACKNEY).node
            made = await node.store.write(lambda tx: create(tx, f"{HACKNEY}/{SENDER}", "walk", clock.now()))
            self.token = made[0]
            async with TestServer(build(node, metrics=Metrics())) as server:
                self.url = str(server.make_url("")).rstrip("/")
                self.ready.set()
                await self._pump(world)

    async def _pump(self, world: World) -> None:
        while not self.over.is_set():
            await world.settle()
            await asyncio.sleep(0.02)


@pytest.fixture
def live() -> Iterator[Live]:
    found = Live()
    found.thread.start()
    assert found.ready.wait(30)
    yield found
    found.over.set()
    found.thread.join(30)


@pytest.fixture
def run(live: Live, gateway: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    Path("token").write_text(live.token)
    Path("token").chmod(0o600)
    monkeypatch.setenv("GATEWAY_API", live.url)
    monkeypatch.setenv("GATEWAY_TOKEN_FILE", "token")
    return gateway


def moved(change: Any) -> str:
    """Example 2 from Hackney to Bexley, now."""
    now = SystemClock().now()
    document = restamp(json.loads(example_text("urgent")), now)
    text = json.dumps(document).replace("E09000025", HACKNEY).replace("E09000017", BEXLEY)
    document = json.loads(text)
    document["lawful_basis"][2]["agreement"]["at"] = datetime.fromtimestamp(now - 60, UTC).isoformat()
    change(document)
    return json.dumps(document)


def silent(document: dict[str, Any]) -> None:
    del document["urgent"]["verbal_handover"]


def many(document: dict[str, Any]) -> None:
    document["message"]["handover_id"] = f"HO-{HACKNEY}-2026-000903"
    for agency in ("VOLUNTARY_SECTOR", "YOUTH_JUSTICE"):
        entry: dict[str, Any] = {"agency": agency, "sections": ["core", "contacts"], "lawful_basis": ["LB3"]}
        if agency == "YOUTH_JUSTICE":
            entry |= {"lawful_basis": ["LB1"], "victim_inclusion_justification": "prevention"}
        document["routing"]["recipients"].append(entry)


def test_the_evening_of_an_urgent_move_as_it_is_written(run: Any) -> None:
    Path("urgent.json").write_text(moved(silent))
    Path("many.json").write_text(moved(many))
    said: list[str] = []
    ref = draft = ""
    for words in lines("urgent.md"):
        assert words[0] == "gateway"
        filled = [{"REF": ref, "DRAFT": draft}.get(word, word) for word in words[1:]]
        done = run(*filled)
        assert done.code == 0, (words, done.out, done.err)
        said.append(done.out)
        if words[2] == "send":
            found = REF.search(done.out)
            assert found
            ref, draft = (ref, found.group()) if "--hold" in words else (found.group(), draft)
    sent, why, verbal, agreed, kept, calm, held, waiting, read, issued = said
    assert "is accepted for sending" in sent
    assert "partial, full version owed by" in why
    assert "the telephone call is to be on record by" in why
    assert "a second person is to agree by" in why
    assert "called through" in verbal
    assert "ISSUED" in agreed
    assert "stays urgent" in kept
    assert "STANDARD" in calm
    assert "waits for a second person" in held
    assert draft in waiting
    assert '"family_name": "SAMPLE"' in read
    assert "ISSUED" in issued
    assert run("handover", "drafts").out.strip() == "nothing waits"


def test_nobody_agrees_with_himself_and_a_review_is_one_of_two(run: Any) -> None:
    Path("many.json").write_text(moved(many))
    by = ("--actor", "staff-1", "--role", "Head of unit")
    held = run("handover", "send", "many.json", "--hold", "--json", *by).json
    assert held["state"] == "DRAFT"
    assert run("handover", "authorise", held["handover"], "--json", *by).error == "same_person"
    again = run("handover", "send", "many.json", "--json", *by)
    assert again.json["state"] == "DRAFT"  # the same file again: it waits still
    for extra in ((), ("--keep", "THREAT_CONTINUES", "--downgrade")):
        assert run("handover", "review", held["handover"], "--json", *extra, *by).error == "usage"
    refused = run("handover", "review", held["handover"], "--keep", "BECAUSE", "--json", *by)
    assert refused.error == "invalid_document"
    uncalled = run("handover", "verbal", held["handover"], "--to-role", "Inspector", "--json", *by)
    assert uncalled.error == "callback"


def test_a_drill_as_it_is_written(run: Any) -> None:
    ref = ""
    for words in lines("drills.md"):
        done = run(*[ref if word == "REF" else word for word in words[1:]])
        assert done.code == 0, (words, done.out, done.err)
        assert done.out.startswith("DRILL ")
        if words[2] == "run":
            found = REF.search(done.out)
            assert found
            ref = found.group()
            assert run("handover", "show", ref).out.splitlines()[1].startswith("DRILL: ")
            assert run("handover", "why", ref).out.startswith("DRILL\n")
    assert "PURGED" in run("drill", "report", ref).out
    assert run("drill", "end", ref, "--actor", "a", "--role", "b", "--json").error == "drill_ended"


def test_an_urgent_drill_goes_at_any_hour_to_who_is_there(run: Any) -> None:
    by = ("--actor", "staff-1", "--role", "Drill organiser")
    made = run("drill", "run", "--to", BEXLEY, "--urgent", "--json", *by).json
    assert made["drill"] is True
    assert not {*made["agencies"]} & (NEVER | ADULTS_ONLY)
    adult = run("drill", "run", "--to", BEXLEY, "--json", *by).json
    assert not {*adult["agencies"]} & (NEVER | CHILDREN_ONLY)
    assert run("drill", "run", "--to", "E09000099", "--json", *by).error == "unknown_area"
