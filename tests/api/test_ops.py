"""Health, readiness and metrics: right answers, one for each part, and nothing personal in any."""

from __future__ import annotations

import asyncio
import re
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from gateway.api import ops, shapes
from gateway.api.routes import Options
from gateway.errors import GatewayError, Unavailable
from gateway.flows.metrics import Metrics, families
from gateway.ports import Store, Transaction
from gateway.testing.boroughs import ManualClock
from keys_example import CARD_LIFE
from tests.api.conftest import HACKNEY, Desk

USAGE = namedtuple("USAGE", "total used free")


async def _ready(desk: Desk) -> tuple[int, dict[str, Any]]:
    status, body, _ = await desk.call("GET", "/readyz", role=None)
    shapes.Ready.model_validate(body)
    assert body["ready"] is (status == 200)
    return status, {check["check"]: check for check in body["checks"]}


async def _whole(make_desk: Callable[..., Any], folder: Path | None = None) -> Desk:
    desk: Desk = await make_desk(Options(data=folder))
    await desk.node.transport.start()
    return desk


async def test_alive_needs_nothing(desk: Desk) -> None:
    assert (await desk.call("GET", "/healthz", role=None))[:2] == (200, {"alive": True})


async def test_ready_when_every_part_is(make_desk: Callable[..., Any], tmp_path: Path) -> None:
    status, checks = await _ready(await _whole(make_desk, tmp_path))
    assert status == 200, checks
    assert set(checks) == {"database", "broker", "keys", "directory", "clock", "disk"}
    assert all(check["ok"] for check in checks.values())


async def test_one_broken_part_is_named_and_the_others_still_asked(
    make_desk: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(self: object) -> None:
        raise Unavailable("no broker answers", code="broker_down", remedy="start it")

    desk = await _whole(make_desk)
    monkeypatch.setattr(type(desk.node.transport), "check", down)
    status, checks = await _ready(desk)
    assert status == 503
    assert checks["broker"] == {
        "check": "broker",
        "ok": False,
        "code": "broker_down",
        "reason": "no broker answers",
        "remedy": "start it",
    }
    assert checks["database"] == {"check": "database", "ok": True}


async def test_a_part_that_hangs_is_not_waited_for(
    make_desk: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs(self: object) -> None:
        await asyncio.Event().wait()

    desk = await _whole(make_desk)
    monkeypatch.setattr(ops, "PATIENCE", 0.05)
    monkeypatch.setattr(type(desk.node.store), "check", hangs)
    status, checks = await _ready(desk)
    assert (status, checks["database"]["code"]) == (503, "timeout")


async def test_an_expired_directory_is_not_ready(make_desk: Callable[..., Any], clock: ManualClock) -> None:
    desk = await _whole(make_desk)
    clock.advance(desk.node.network.expires - clock.now() + 1)
    status, checks = await _ready(desk)
    assert (status, checks["directory"]["ok"]) == (503, False)


async def test_a_key_card_that_has_run_out_is_not_ready(
    make_desk: Callable[..., Any], clock: ManualClock
) -> None:
    desk = await _whole(make_desk)
    clock.advance(CARD_LIFE)
    status, checks = await _ready(desk)
    assert (status, checks["keys"]["ok"], checks["directory"]["ok"]) == (503, False, True)


async def test_a_private_key_that_is_missing_is_not_ready(
    make_desk: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = await _whole(make_desk)
    held = set(desk.node.keys.principals()) - {f"{HACKNEY}/dwp"}
    monkeypatch.setattr(type(desk.node.keys), "principals", lambda self: held)
    status, checks = await _ready(desk)
    assert (status, checks["keys"]["code"]) == (503, "no_key")
    assert f"{HACKNEY}/dwp" in checks["keys"]["reason"]


def test_a_clock_before_the_directory_is_wrong() -> None:
    ops.check_clock(1000 - ops.SKEW, 1000)
    with pytest.raises(GatewayError) as caught:
        ops.check_clock(1000 - ops.SKEW - 1, 1000)
    assert caught.value.code == "clock"


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ops.check_disk(tmp_path)
    monkeypatch.setattr(ops.shutil, "disk_usage", lambda _: USAGE(1, 1, ops.FREE))
    ops.check_disk(tmp_path)
    monkeypatch.setattr(ops.shutil, "disk_usage", lambda _: USAGE(1, 1, ops.FREE - 1))
    with pytest.raises(Unavailable) as caught:
        ops.check_disk(tmp_path)
    assert caught.value.code == "disk_full"


def test_a_disk_that_is_gone_is_told_without_its_path(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        ops.check_disk(tmp_path / "gone")
    assert "gone" not in caught.value.message


async def _metrics(desk: Desk) -> str:
    app = ops.build_metrics(desk.node, desk.metrics)
    async with TestClient(TestServer(app)) as client, client.get("/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return await response.text()


async def test_metrics_show_what_lies_where(desk: Desk, document: dict[str, Any]) -> None:
    await desk.submit(document)
    await desk.submit({}, key="k2")
    await desk.call("GET", "/nowhere")
    page = await _metrics(desk)
    for line in (
        'gateway_outbox_messages{state="waiting"} 1.0',
        'gateway_legs{state="QUEUED"} 7.0',
        'gateway_api_answers_total{status="202"} 1.0',
        'gateway_api_answers_total{status="404"} 1.0',
        'gateway_api_problems_total{code="no_route"} 1.0',
        'gateway_api_problems_total{code="invalid_document"} 1.0',
        "gateway_store_up 1.0",
        f"gateway_directory_version {float(desk.node.network.version)}",
    ):
        assert line in page, page
    expires = re.search(r"^gateway_directory_expires (\S+)$", page, re.MULTILINE)
    assert expires is not None
    assert float(expires[1]) == desk.node.network.expires


async def test_labels_hold_codes_and_states_alone(desk: Desk, document: dict[str, Any]) -> None:
    await desk.submit(document)
    await desk.call("GET", "/v1/handovers/HO-E09000012-2026-000417")
    page = await _metrics(desk)
    labels = re.findall(r"\{(.*?)\}", page)
    assert labels
    assert all(re.fullmatch(r'(status|state|code)="[A-Za-z0-9_]+"', label) for label in labels), labels
    for word in ("000417", HACKNEY, "police", "k-4711"):
        assert word not in page


async def test_metrics_without_a_store_show_that(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def down(self: object, work: object) -> None:
        raise Unavailable("gone")

    monkeypatch.setattr(type(desk.node.store), "read", down)
    page = await _metrics(desk)
    assert "gateway_store_up 0.0" in page
    assert "gateway_outbox_messages" not in page
    assert "gateway_directory_version" in page


async def test_metrics_are_not_on_the_api(desk: Desk) -> None:
    assert (await desk.call("GET", "/metrics"))[0] == 404


async def test_two_nodes_in_one_process_do_not_share_counters() -> None:
    one, other = Metrics(), Metrics()
    one.answered(200)
    other.answered(404, "no_route")


def test_counts_that_are_not_known_are_not_shown() -> None:
    counts = {"leg.ACCEPTED": 2, "leg.REJECTED": 1, "held": 3, "held_by.intake.magic": 3, "secret.table": 9}
    made = families(counts)
    shown = {(sample.name, *sample.labels.values()): sample.value for one in made for sample in one.samples}
    assert shown == {
        ("gateway_legs", "ACCEPTED"): 2,
        ("gateway_legs", "REJECTED"): 1,
        ("gateway_held_messages",): 3,
        ("gateway_held", "intake", "magic"): 3,
    }


async def test_a_count_that_takes_long_is_not_made_at_every_scrape(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million rows take a second to count: a scrape must not be what the database does all day."""
    made: list[int] = []
    read = type(desk.node.store).read

    async def slow(self: Store, work: Callable[[Transaction], object]) -> object:
        before = len(made)
        result = await read(self, lambda tx: work(Counting(tx, made)))
        await asyncio.sleep(0.12 if len(made) > before else 0)
        return result

    monkeypatch.setattr(type(desk.node.store), "read", slow)
    metrics = Metrics()
    for _ in range(4):
        assert b"gateway_outbox_messages" in await metrics.page(desk.node)
    assert len(made) == 1


class Counting:
    """A transaction that notes when somebody counts."""

    def __init__(self, tx: Transaction, made: list[int]) -> None:
        self._tx, self._made = tx, made

    def counts(self) -> object:
        self._made.append(1)
        return self._tx.counts()

    def __getattr__(self, name: str) -> object:
        return getattr(self._tx, name)
