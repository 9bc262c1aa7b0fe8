"""Privacy is the product: what is told in confidence stands nowhere but with the agencies entitled to it.

A canary is put into every free-text field of example 1; the handover runs through two real nodes; then every
byte that broker, databases, logs, metrics and refusals have left is searched for it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from gateway.clock import SystemClock
from gateway.core import policy
from gateway.core.registers import FICTIONAL
from gateway.demo.boroughs import AGENCIES
from gateway.errors import GatewayError
from gateway.testing.broker import PrivateBroker
from gateway.testing.postgres import start_postgres
from schemas.base import ShapeError
from schemas.handover import parse_notification
from tests.e2e.conftest import Pair, pair

CANARY = "KANARIENVOGEL"

SECTIONS_OF: Mapping[str, str] = {
    "community_safety": "core move risk_from risk_to orders aspirations contacts actions",
    "police": "core move risk_from risk_to orders history associates aspirations contacts actions",
    "probation": "core move risk_from risk_to orders history associates support aspirations contacts actions",
    "leaving_care": "core move risk_to orders support aspirations contacts actions",
    "housing": "core move risk_to orders contacts actions",
    "dwp": "core move orders support contacts actions",
    "st_giles": "core move orders support aspirations contacts actions",
}
"""Whose folder may hold which section's canary (domain 6.4, by hand). Of risk_to the voluntary sector reads
the rating alone, so its words are not in that folder; roles and identifiers take no free text."""

ORDERS_OF: Mapping[str, set[str]] = {
    "dwp": {"orders.0.conditions.0.minimal_view.text", "orders.0.conditions.5.minimal_view.text"},
    "housing": {"orders.0.conditions.0.minimal_view.text"},
    "leaving_care": {"orders.0.conditions.0.minimal_view.text"},
    "st_giles": {
        "orders.0.conditions.0.minimal_view.text",
        "orders.0.conditions.4.text",
        "orders.0.conditions.5.text",
    },
}
"""Of the order these four read no more than this: an instruction, never its reason (domain 6.4)."""

EVERYBODY = {"message", "routing", "data_quality", "transparency", "retention", "lawful_basis"}
NAMES_AN_AGENCY = ("routing", "recipients", 6, "organisation")

Place = tuple[str | int, ...]


def leaves(value: Any, path: Place = ()) -> Iterator[Place]:
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, (*path, name))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from leaves(inner, (*path, place))


def mark(path: Place) -> str:
    return f"{CANARY}:{'.'.join(str(step) for step in path)}:"


def put(document: Any, path: Place, value: Any) -> Any:
    """A copy with another value in one place."""
    copy = json.loads(json.dumps(document))
    place = copy
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return copy


def at(document: Any, path: Place) -> Any:
    for step in path:
        document = document[step]
    return document


def marked(document: Mapping[str, Any]) -> tuple[Any, list[Place]]:
    """The document with its own canary in every place that takes free text, and those places.

    Free text is what validates with a canary in it; nobody has to remember to list a new field here.
    """
    free: list[Place] = []
    copy: Any = document
    for path in leaves(document):
        if path == NAMES_AN_AGENCY:
            continue
        tried = put(copy, path, f"{at(copy, path)} {mark(path)}")
        try:
            notification = parse_notification(json.dumps(tried).encode())
            policy.check(notification, now=SystemClock().now(), registers=FICTIONAL)
        except (ShapeError, GatewayError):
            continue
        copy = tried
        free.append(path)
    return copy, free


def files_below(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def holders(paths: Iterator[Path], needle: bytes) -> list[Path]:
    return [path for path in paths if needle in path.read_bytes()]


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[PrivateBroker]:
    """One of this test's own, so that its data directory holds this test's messages and no other's."""
    broker = PrivateBroker()
    (tmp_path / "broker").mkdir()
    broker.start(tmp_path / "broker")
    yield broker
    broker.close()


async def metrics(both: Pair) -> str:
    pages = []
    async with ClientSession() as client:
        for node in (both.hackney, both.bexley):
            async with client.get(node.metrics) as response:
                assert response.status == 200
                pages.append(await response.text())
    return "".join(pages)


async def refusals(both: Pair, document: Any, places: Sequence[Place]) -> str:
    """What the API says of documents that are wrong in the marked places."""
    said = []
    headers = {
        "Authorization": f"Bearer {both.hackney.borough.token}",
        "Gateway-Actor": 'staff-1;role="Officer"',
        "Content-Type": "application/json",
    }
    async with ClientSession() as client:
        for number, path in enumerate(places):
            wrong = put(document, path, {CANARY: [at(document, path)]})
            async with client.post(
                f"{both.hackney.url}/v1/handovers",
                data=json.dumps(wrong),
                headers={**headers, "Idempotency-Key": f"wrong-{number}"},
            ) as response:
                assert response.status == 422, await response.text()
                said.append(await response.text() + str(response.headers))
    return "".join(said)


@pytest.mark.row("F9")
@pytest.mark.timeout(240)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_the_canary_is_nowhere_but_with_those_entitled(
    tmp_path: Path, own_broker: PrivateBroker, document: Mapping[str, Any], database: str
) -> None:
    server = start_postgres() if database == "postgresql" else None
    urls = {}
    stores = [tmp_path / "p"]
    if server is not None:
        running = server.__enter__()
        stores.append(running.folder)
        for area in ("E09000012", "E09000004"):
            running.create(f"node_{area.lower()}")
            urls[area] = running.url(f"node_{area.lower()}")
    try:
        async with pair(tmp_path / "p", own_broker.url, **urls) as both:
            for node in (both.hackney, both.bexley):
                await node.start()
                assert await node.ready()
            told, places = marked(document)
            assert len(places) > 100
            ref = await both.send(told)
            await both.all_accepted(ref)
            said = await refusals(both, told, places[::4]) + await metrics(both)
            for node in (both.hackney, both.bexley):
                assert await node.stop() == 0
            await asyncio.to_thread(own_broker.kill)  # as it lies on the disk, nothing tidied away
            assert CANARY not in said
            agencies = both.bexley.borough.folder / "agencies"
            found = holders(files_below(*stores, own_broker.folder), CANARY.encode())
            assert found, "the canary must be somewhere, or this test searches in vain"
            assert all(path.is_relative_to(agencies) for path in found), [
                str(path) for path in found if not path.is_relative_to(agencies)
            ]
            for role in AGENCIES:
                check_told(agencies / role, role, places)
    finally:
        if server is not None:
            server.__exit__(None, None, None)


def check_told(folder: Path, role: str, places: Sequence[Place]) -> None:
    """Everything this agency is entitled to reached it, and nothing else did."""
    given = b"".join(path.read_bytes() for path in files_below(folder))
    held = {path for path in places if mark(path).encode() in given}
    assert {path[0] for path in held} == {*SECTIONS_OF[role].split(), *EVERYBODY}, role
    if role in ORDERS_OF:
        assert {".".join(map(str, path)) for path in held if path[0] == "orders"} == ORDERS_OF[role]
    own = {path for path in held if path[0] == "actions"}
    if role != "community_safety":  # the co-ordinator reads everybody's titles
        assert len(own) <= 3
