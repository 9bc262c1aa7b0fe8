"""gateway alarms, peer and db restored: beside a node that runs, or without one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.flows.alarms import exhibits, sound
from gateway.ports import GapRow, StreamRow, Transaction
from gateway.stores import open_store

INIT = ("init", "--area", "hackney", "--broker", "amqp://127.0.0.1:1/none", "--environment", "demo")
CONFIG = ("--config", "hackney/gateway.toml", "--json")
PEER, STREAM, AT = "E09000004", "5" * 32, 1_795_000_000


@pytest.fixture
def node(gateway: Any) -> Path:
    """Hackney's folder, with a database."""
    assert gateway(*INIT, "--generate-passphrase", "pass", "--agency", "police").code == 0
    assert gateway("db", "upgrade", *CONFIG).code == 0
    return Path("hackney")


def write(node: Path, work: Callable[[Transaction], object]) -> None:
    async def run() -> None:
        store = open_store(f"sqlite:///{(node / 'gateway.db').absolute()}")
        await store.start()
        await store.write(work)
        await store.close()

    asyncio.run(run())


def test_an_alarm_is_listed_shown_with_its_evidence_and_cleared(gateway: Any, node: Path) -> None:
    proof = exhibits(b"a signed note\n")
    write(node, lambda tx: sound(tx, "prev", peer=PEER, at=AT, subject=f"{STREAM} 7", evidence=proof))
    (row,) = gateway("alarms", "list", *CONFIG).json["alarms"]
    assert (row["code"], row["peer"], row["subject"], row["cleared"]) == ("prev", PEER, f"{STREAM} 7", None)
    assert "prev" in gateway("alarms", "list", "--config", "hackney/gateway.toml").out
    shown = gateway("alarms", "show", row["id"], "--evidence", "proof.json", *CONFIG)
    assert shown.json == row
    assert json.loads(Path("proof.json").read_bytes()) == {"notes": ["a signed note\n"]}
    cleared = gateway("alarms", "clear", row["id"], "--reason", "checked_with_peer", *CONFIG)
    assert cleared.json["cleared_by"].endswith(" checked_with_peer")
    assert gateway("alarms", "list", *CONFIG).json == {"alarms": []}
    assert gateway("alarms", "list", "--cleared", *CONFIG).json == {"alarms": [cleared.json]}


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("show", "0" * 32), 3, "no_alarm"),
        (("clear", "0" * 32, "--reason", "looked"), 3, "no_alarm"),
        (("clear", "0" * 32, "--reason", "Mr Jordan rang"), 7, "reason"),
        (("clear", "0" * 32, "--reason", ""), 7, "reason"),
        (("clear", "0" * 32, "--reason", "x" * 41), 7, "reason"),
    ],
)
def test_what_is_not_there_or_no_word_is_refused(
    gateway: Any, node: Path, arguments: tuple[str, ...], code: int, word: str
) -> None:
    done = gateway("alarms", *arguments, *CONFIG)
    assert (done.code, done.error) == (code, word)


def test_peers_are_listed_with_what_is_missing(gateway: Any, node: Path) -> None:
    assert gateway("peer", "list", *CONFIG).json == {"peers": []}
    write(
        node,
        lambda tx: (
            tx.put_stream(StreamRow(PEER, True, STREAM, 3, b"h", at=AT)),
            tx.put_stream(StreamRow(PEER, False, "6" * 32, 4, b"h", top=9, at=AT + 1)),
            tx.put_gap(GapRow(PEER, "6" * 32, 5, 6, AT)),
        ),
    )
    (peer,) = gateway("peer", "list", *CONFIG).json["peers"]
    assert (peer["area"], peer["sent"], peer["seen"], peer["received"]) == (PEER, 3, 4, 9)
    assert [(gap["first"], gap["last"]) for gap in peer["gaps"]] == [(5, 6)]
    assert "missing 5-6" in gateway("peer", "list", "--config", "hackney/gateway.toml").out


def test_after_a_restore_the_next_message_to_everybody_begins_a_stream(gateway: Any, node: Path) -> None:
    assert gateway("db", "restored", *CONFIG).json == {"peers": []}
    write(node, lambda tx: tx.put_stream(StreamRow(PEER, True, STREAM, 3, b"h", at=AT)))
    done = gateway("db", "restored", *CONFIG)
    assert done.json == {"peers": [PEER]}
    assert "gateway run" in done.err
    (peer,) = gateway("peer", "list", *CONFIG).json["peers"]
    assert (peer["sent"], peer["sent_stream"] != STREAM) == (0, True)
