"""docs/notices.md is run as it is written: at a sending agency, then at one that got the handover."""

from __future__ import annotations

import asyncio
import copy
import json
import re
import shlex
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from gateway.api.app import build
from gateway.clock import SystemClock
from gateway.flows import shred
from gateway.flows.metrics import Metrics
from gateway.flows.tokens import create
from gateway.testing.anywhere import boroughs
from gateway.testing.boroughs import World
from keys_example import AGENCIES
from schemas.samples import minimal_example, restamp

PAGE = (Path(__file__).parents[2] / "docs" / "notices.md").read_text()
HACKNEY, BEXLEY = "E09000012", "E09000004"
REF = "HO-E09000012-2026-000123"
WHO = ("--actor", "4711", "--role", "Team leader")
PATIENCE = 30
"""Seconds until what was sent has to be there."""


class Live:
    """Two boroughs in a thread of their own. ``sides``: (address, token) of an agency at each."""

    def __init__(self) -> None:
        self.ready, self.over = threading.Event(), threading.Event()
        self.sides: list[tuple[str, str]] = []
        self.thread = threading.Thread(target=lambda: asyncio.run(self._live()))

    async def _live(self) -> None:
        clock: Any = SystemClock()
        areas, roles = (HACKNEY, BEXLEY), dict.fromkeys((HACKNEY, BEXLEY), AGENCIES)
        async with boroughs(*areas, roles=roles, at=clock.now(), clock=clock, pulling=["police"]) as world:
            hackney, bexley = world.boroughs
            async with (
                TestServer(build(hackney.node, metrics=Metrics())) as sending,
                TestServer(build(bexley.node, metrics=Metrics())) as receiving,
            ):
                for borough, role, server in (
                    (hackney, "community_safety", sending),
                    (bexley, "police", receiving),
                ):
                    name = f"{borough.area}/{role}"
                    made = await borough.node.store.write(
                        lambda tx, name=name: create(tx, name, "walk", clock.now())
                    )
                    self.sides.append((str(server.make_url("")).rstrip("/"), made[0]))
                self.ready.set()
                await self._pump(world)

    async def _pump(self, world: World) -> None:
        while not self.over.is_set():
            await world.settle()
            for borough in world.boroughs:
                await shred.take_up(borough.node)
            await asyncio.sleep(0.02)


@pytest.fixture
def live() -> Iterator[Live]:
    found = Live()
    found.thread.start()
    assert found.ready.wait(PATIENCE)
    yield found
    found.over.set()
    found.thread.join(PATIENCE)


@pytest.fixture
def at(live: Live, gateway: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``at(0)`` runs what follows as the sender, ``at(1)`` as the police of the other borough."""

    def choose(side: int) -> Any:
        url, token = live.sides[side]
        file = Path(f"token-{side}")
        file.touch(mode=0o600)
        file.write_text(token)
        monkeypatch.setenv("GATEWAY_API", url)
        monkeypatch.setenv("GATEWAY_TOKEN_FILE", str(file))
        return gateway

    return choose


@pytest.fixture
def sent(at: Any) -> Any:
    """Version 1 is away; version 2 lies in the folder."""
    first = restamp(json.loads(minimal_example()), SystemClock().now())
    first["message"]["handover_id"] = REF
    second = copy.deepcopy(first)
    second["message"] |= {
        "version": 2,
        "supersedes": first["message"]["message_id"],
        "message_id": "11111111-2222-4333-8444-555555555555",
    }
    second["core"]["known_as"] = ["JJ"]
    Path("version-1.json").write_text(json.dumps(first))
    Path("version-2.json").write_text(json.dumps(second))
    done = at(0)("handover", "send", "version-1.json", *WHO)
    assert done.code == 0, done.err
    return at


def until(look: Any) -> Any:
    """What ``look`` finds, once it finds something."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError("it never came")


def lines() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    return [shlex.split(line, comments=True)[1:] for block in blocks for line in block.strip().splitlines()]


def test_the_page_as_it_is_written(sent: Any) -> None:
    correct, listed, withdraw, inbox, show, acknowledge, complete = lines()
    sender = sent(0)
    assert f"{REF} version 2 and its correction" in sender(*correct).out
    assert f"not yet: {BEXLEY}/police" in sender(*listed).out
    done = sender(*withdraw)
    assert "is on its way" in done.out, done.err

    police = sent(1)
    assert until(lambda: "WITHDRAWAL" in police(*inbox).out)
    waiting = police(*inbox, "--json").json["entries"]
    (notice,) = [one["notice"] for one in waiting if one["notice_kind"] == "WITHDRAWAL"]
    show, acknowledge, complete = (
        [notice if word == "NOTICE" else word for word in words] for words in (show, acknowledge, complete)
    )
    assert "destroy" in police(*show).out.lower()
    assert "is ACKNOWLEDGED" in police(*acknowledge).out
    assert until(lambda: "is COMPLETED" in police(*complete).out)

    told = until(lambda: _completed(sent(0)(*listed, "--json").json, notice))
    assert f"{BEXLEY}/dwp" in {one["principal"] for one in told["unresolved"]}


def _completed(told: Any, notice: str) -> Any:
    """The list, once the police are no more among those who have to destroy it."""
    left = {one["principal"] for one in told["unresolved"] if one["notice"] == notice}
    return None if f"{BEXLEY}/police" in left else told


def test_a_notice_from_a_file_twice_is_two_and_with_a_key_one(sent: Any) -> None:
    sender = sent(0)
    said = {"kind": "RESTRICTION", "role": "DPO", "reason_code": "ACCURACY_CONTESTED", "text": "He says so."}
    Path("notice.json").write_text(json.dumps(said))
    names = [
        sender("handover", "notice", REF, "notice.json", *WHO, *key, "--json").json["notice"]
        for key in ((), (), ("--key", "mine"), ("--key", "mine"))
    ]
    assert len(set(names)) == 3
    assert names[2] == names[3]


def test_what_is_no_notice_is_refused_with_the_field(sent: Any) -> None:
    sender = sent(0)
    Path("notice.json").write_text("{")
    assert sender("handover", "notice", REF, "notice.json", *WHO, "--json").code != 0
    done = sender("handover", "withdraw", REF, "--reason", "BECAUSE", *WHO, "--json")
    assert (done.code != 0, done.json["error"]["problems"][0]["field"]) == (True, "/reason_code"), done.out
    words = Path("words")
    words.write_text("Sent to the wrong borough.\n")
    done = sender("handover", "withdraw", REF, "--text-file", str(words), "--due", "soon", *WHO, "--json")
    assert "/due" in done.out
