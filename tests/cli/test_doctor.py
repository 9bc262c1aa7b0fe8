"""``gateway doctor``: what it finds, what it says to do, and the test message through a node that runs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.cli import checking, checkup
from gateway.cli.doctor import code_of
from gateway.cli.output import Exit
from gateway.errors import Forged, Misconfigured
from gateway.flows import checkup as test_message
from gateway.flows.control import Came, tell
from gateway.testing.boroughs import BEXLEY, HACKNEY, two_boroughs


def found(**ok: bool) -> dict[str, Any]:
    checks = [
        {"check": name, "ok": good, "message": "", "field": "", "remedy": "do it"}
        for name, good in ok.items()
    ]
    return {"ready": all(ok.values()), "checks": checks}


def test_without_settings_it_says_where_to_begin(gateway):
    done = gateway("doctor", "--json")
    assert done.code == Exit.NOT_READY
    assert done.json["error"]["code"] == "no_config"
    assert "gateway init" in done.json["error"]["remedy"]


def test_a_fresh_node_is_told_everything_that_is_missing_and_sends_nothing(gateway):
    gateway(
        "init", "--area", HACKNEY, "--data", "node", "--broker", "amqp://127.0.0.1:1/none",
        "--environment", "demo",
        "--generate-passphrase", "pass", "--agency", "police", "--json",
    )  # fmt: skip
    done = gateway("doctor", "--config", "node/gateway.toml", "--json")
    assert done.code == Exit.NOT_READY
    codes = {one["check"]: one.get("code", "") for one in done.json["checks"]}
    assert codes["keys"] == codes["log key"] == codes["disk"] == ""
    assert codes["network"] == codes["dates"] == codes["cards"] == codes["adapters"] == "not_joined"
    assert codes["broker"]
    assert all(one["remedy"] for one in done.json["checks"] if not one["ok"])
    assert "peers" not in done.json


def test_the_keys_are_opened_once_for_all_who_ask_and_a_fault_is_told_to_each(monkeypatch):
    opened = []

    def opener(settings):
        opened.append(settings)
        if len(opened) == 1:
            raise Misconfigured("wrong", code="passphrase")
        return "the keys"

    monkeypatch.setattr(checking, "open_keys", opener)
    keys = checking.once("settings")
    with pytest.raises(Misconfigured):
        keys()
    assert [keys(), keys()] == ["the keys", "the keys"]
    assert opened == ["settings", "settings"]


@pytest.mark.parametrize(
    ("ready", "outcomes", "code"),
    [
        (True, ["answered", "answered"], Exit.OK),
        (True, ["answered", "published"], Exit.UNREACHABLE),
        (True, ["no_valid_key"], Exit.UNREACHABLE),
        (True, ["answered", "waiting"], Exit.NOT_READY),
        (False, ["answered"], Exit.NOT_READY),
    ],
)
def test_its_exit_code(ready, outcomes, code):
    said = {
        **found(one=ready),
        "peers": [{"area": HACKNEY, "outcome": one, "remedy": ""} for one in outcomes],
    }
    assert code_of(said) is code
    assert code_of(found(one=True)) is Exit.OK


def test_what_a_person_reads():
    peers = [
        {"area": HACKNEY, "outcome": "answered", "remedy": ""},
        {"area": BEXLEY, "outcome": "waiting", "remedy": checkup.REMEDY["waiting"]},
    ]
    told = checkup.text({**found(one=True, two=False), "peers": peers})
    assert "ok      one" in told
    assert "NOT OK  two" in told
    assert f"ok      there and back: {HACKNEY}" in told
    assert f"NOT OK  waiting: {BEXLEY}" in told
    assert "gateway run" in told


def test_a_full_disk_and_a_lost_clock(monkeypatch, tmp_path):
    def fails(*_: Any) -> Any:
        raise Misconfigured("no", code="x", remedy="y")

    assert checking.outcome("a", fails)["code"] == "x"

    class Settings:
        data = key_folder = tmp_path

    monkeypatch.setattr(checkup, "ROOM", 2**80)
    with pytest.raises(Misconfigured, match="less than"):
        checkup._disk(Settings())  # type: ignore[arg-type]
    monkeypatch.setattr(checkup, "SANE", 2**40)
    monkeypatch.setattr(checkup.database, "read", lambda *_: ())
    with pytest.raises(Misconfigured, match="clock"):
        checkup._clock(Settings())  # type: ignore[arg-type]


# --- the test message -------------------------------------------------------------------------------


async def test_there_and_back():
    async with two_boroughs() as world:
        node, now = world.hackney.node, world.clock.now()
        ping = await node.store.write(lambda tx: test_message.ask(tx, node, BEXLEY, now))
        assert await outcome(node, ping) == "waiting"  # nobody has published it: the node does not run
        await world.hackney.turn()
        assert await outcome(node, ping) == "published"
        await world.settle()
        assert await outcome(node, ping) == "answered"


async def outcome(node, ping):
    return await node.store.read(lambda tx: test_message.outcome(tx, ping))


async def test_it_waits_for_the_answer_and_tells_a_peer_without_a_key():
    async with two_boroughs() as world:
        waiting = asyncio.create_task(checkup._ping(world.hackney.node, BEXLEY, 30))
        await asyncio.sleep(0)
        while not waiting.done():
            await world.settle()
            await asyncio.sleep(0.01)
        assert waiting.result() == {"area": BEXLEY, "outcome": "answered", "remedy": ""}
        world.clock.advance(15 * 86_400)  # every card has ended
        failed = await checkup._ping(world.hackney.node, BEXLEY, 1)
        assert failed["outcome"] == "no_valid_key"
        assert failed["remedy"]


async def test_a_peer_is_answered_once_a_second_and_a_pong_unasked_is_refused():
    async with two_boroughs() as world:
        hackney, bexley, now = world.hackney.node, world.bexley.node, world.clock.now()
        for _ in range(3):
            await hackney.store.write(lambda tx: test_message.ask(tx, hackney, BEXLEY, now))
        await world.settle()
        assert len(bexley.store.memory.tables.outbox) == 1
        ping = await hackney.store.write(lambda tx: test_message.ask(tx, hackney, BEXLEY, now))
        came = Came(HACKNEY, STATEMENT, now)  # not the peer that was asked
        with pytest.raises(Forged) as caught:
            await hackney.store.write(
                lambda tx: test_message.hear_pong(tx, hackney, came, {"nonce": ping.nonce})
            )
        assert caught.value.code == "pong"
        await bexley.store.write(lambda tx: tell(tx, bexley, HACKNEY, {"pong": {"nonce": "0" * 32}}, now))
        await world.settle()
        assert await outcome(hackney, ping) != "answered"


STATEMENT: Any = None
