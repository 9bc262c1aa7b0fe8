"""gateway held: beside a node that runs, or without one; looking takes nothing, every act is on record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gateway.clock import SystemClock
from gateway.config import load
from gateway.demo import boroughs
from gateway.flows import accounts, held
from gateway.identity import open_keys
from gateway.ports import Lane, Parcel, Place, Task, TaskRow, Transaction
from gateway.stores import open_store
from gateway.testing.boroughs import BEXLEY, HACKNEY

T = TypeVar("T")
CONFIG = ("--config", "demo/bexley/gateway.toml", "--json")
REASON = ("--reason", "a broken test sender, told on Monday")


@pytest.fixture
def node(gateway: Any) -> Path:
    """Bexley's configuration; both boroughs are prepared, and nothing runs."""
    _, bexley = asyncio.run(
        boroughs.prepare(
            Path("demo").absolute(), SystemClock().now(), broker_urls=["amqp://127.0.0.1:1/none"]
        )
    )
    return bexley.config


def inside(config: Path, work: Callable[[Transaction], T]) -> T:
    async def run() -> T:
        store = open_store(load(config).database_url)
        await store.start()
        try:
            return await store.write(work)
        finally:
            await store.close()

    return asyncio.run(run())


def hold(config: Path, body: bytes, code: str = "magic", place: Place = Place.QUARANTINE) -> None:
    found = held.Found(place, code, Lane.URGENT, HACKNEY, body)
    row = held.row_of(open_keys(load(config)), found, 1_795_000_000)
    inside(config, lambda tx: held.keep(tx, row))


def test_what_is_held_is_listed_shown_and_discarded(gateway: Any, node: Path) -> None:
    assert gateway("held", "list", *CONFIG).json == {"held": []}
    assert gateway("held", "list", "--config", str(node)).out == "nothing is held\n"
    hold(node, b"Jane Roe, 14 Dalston Lane")
    hold(node, b"other", "truncated", Place.INTAKE)
    rows = {row["code"]: row for row in gateway("held", "list", *CONFIG).json["held"]}
    assert {(row["place"], row["peer"], row["lane"]) for row in rows.values()} == {
        ("quarantine", HACKNEY, "urgent"),
        ("intake", HACKNEY, "urgent"),
    }
    (only,) = gateway("held", "list", "--place", "quarantine", "--code", "magic", *CONFIG).json["held"]
    assert only == rows["magic"]
    assert only["size"] == 25
    shown = gateway("held", "show", only["id"], *CONFIG)
    assert shown.json == {**only, "now": "truncated", "remedy": shown.json["remedy"]}
    words = gateway("held", "show", only["id"], "--config", str(node)).out
    assert "now: truncated" in words
    assert "what to do" in words
    assert "Jane" not in words + shown.out
    done = gateway("held", "discard", only["id"], *REASON, *CONFIG)
    assert done.json == {"held": [{"id": only["id"], "done": True, "code": "discarded", "remedy": ""}]}
    (settled,) = gateway("held", "list", "--settled", *CONFIG).json["held"]
    assert (settled["id"], settled["state"], bool(settled["by"])) == (only["id"], "discarded", True)
    assert "discarded" in gateway("held", "show", only["id"], "--config", str(node)).out
    again = gateway("held", "discard", only["id"], *REASON, *CONFIG)
    assert (again.code, again.error) == (6, "held_settled")
    for file in node.parent.glob("gateway.db*"):
        assert b"Monday" not in file.read_bytes()
        assert b"Jane" not in file.read_bytes()


def test_the_words_may_come_from_standard_input(gateway: Any, node: Path) -> None:
    hold(node, b"garbage")
    (row,) = gateway("held", "list", *CONFIG).json["held"]
    assert gateway("held", "discard", row["id"], "--reason", "-", *CONFIG, stdin=" \n").error == "reason"
    done = gateway("held", "discard", row["id"], "--reason", "-", *CONFIG, stdin="told on Monday\n")
    assert done.json["held"][0]["code"] == "discarded"
    (access,) = inside(node, lambda tx: tx.accesses(ref=f"held:{row['id']}"))
    assert accounts.words(open_keys(load(node)), access) == "told on Monday"


def test_what_is_still_wrong_stays_held_and_the_exit_code_says_so(gateway: Any, node: Path) -> None:
    hold(node, b"garbage")
    hold(node, b"poison", held.DELIVERY_LIMIT)
    done = gateway("held", "retry", "--all", *CONFIG)
    assert done.code == 4
    assert [(one["done"], one["code"]) for one in done.json["held"]] == [(False, "truncated")]
    assert gateway("held", "retry", "--all", "--code", "nothing", *CONFIG).json == {"held": []}
    words = gateway("held", "retry", "--all", "--config", str(node))
    assert "still held, truncated" in words.out
    assert len(gateway("held", "list", *CONFIG).json["held"]) == 2


def test_a_parcel_is_due_again_or_was_handed_over_by_hand(gateway: Any, node: Path) -> None:
    parcel = TaskRow("t1", Parcel.STATUS, f"{BEXLEY}/police", "leg", "", Task.HELD, 0, error="form")
    inside(node, lambda tx: tx.put_task(parcel))
    (row,) = gateway("held", "list", "--place", "parcel", *CONFIG).json["held"]
    assert (row["id"], row["place"], row["code"], row["agency"]) == (
        "t1",
        "parcel",
        "form",
        f"{BEXLEY}/police",
    )
    assert "form" in gateway("held", "show", "t1", "--config", str(node)).out
    assert gateway("held", "discard", "t1", *REASON, *CONFIG).error == "held_discard"
    assert gateway("held", "retry", "t1", *CONFIG).json["held"][0]["code"] == "due"
    assert inside(node, lambda tx: tx.task("t1").state) is Task.WAITING  # type: ignore[union-attr]
    inside(node, lambda tx: tx.advance_task("t1", Task.WAITING, Task.HELD, error="form"))
    assert gateway("held", "release", "t1", *REASON, *CONFIG).json["held"][0]["code"] == "by_hand"
    assert inside(node, lambda tx: tx.task("t1").state) is Task.DONE  # type: ignore[union-attr]


def test_what_cannot_be_done_is_said_with_its_code(gateway: Any, node: Path) -> None:
    for arguments, code, word in (
        (("list", "--place", "attic"), 2, "place"),
        (("show", "0" * 32), 3, "not_held"),
        (("retry", "0" * 32), 3, "not_held"),
        (("retry",), 2, "which"),
        (("retry", "0" * 32, "--all"), 2, "which"),
        (("release", "0" * 32, *REASON), 3, "not_held"),
        (("discard", "0" * 32, *REASON), 3, "not_held"),
        (("discard", "0" * 32, "--reason", " "), 7, "reason"),
        (("release", "0" * 32, "--reason", "x" * 1001), 7, "reason"),
    ):
        done = gateway("held", *arguments, *CONFIG)
        assert (done.code, done.error) == (code, word), arguments
