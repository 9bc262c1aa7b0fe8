"""A correction while the receiver is off-line, as two processes over a real broker (docs/scenarios.md)."""

from __future__ import annotations

import asyncio
import copy
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from gateway.demo.boroughs import AGENCIES
from gateway.demo.story import session
from schemas.handover import parse_notification
from tests.e2e.conftest import Pair, check_legal, pair

WRONG, RIGHT = "A firearm was discharged at his home address.", "A window was broken at his home address."


def corrected(document: Mapping[str, Any]) -> dict[str, Any]:
    second = json.loads(json.dumps(copy.deepcopy(document)).replace(WRONG, RIGHT))
    issued = parse_notification(json.dumps(document).encode()).message.issued_at + timedelta(seconds=1)
    second["message"] |= {
        "version": 2,
        "supersedes": document["message"]["message_id"],
        "message_id": "00000002-80a7-5d63-a0c1-aaf074b86cc2",
        "issued_at": issued.isoformat(),
    }
    return dict(second)


async def correct(both: Pair, document: Mapping[str, Any]) -> None:
    body = json.dumps(document).encode()
    async with session() as client:
        await both.sender(client)._call(
            "POST", "/v1/handovers?reason=DATA_INACCURATE", {"Idempotency-Key": "e2e-2"}, body
        )


async def _published(database: Path) -> None:
    """Until everything that this node has to send is with the broker."""
    with closing(sqlite3.connect(database)) as store:
        async with asyncio.timeout(60):
            while store.execute("SELECT count(*) FROM outbox WHERE state = 'waiting'").fetchone()[0]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)


async def test_who_was_switched_off_reads_the_correction_and_never_what_was_wrong(
    tmp_path: Path, broker_url: str, document: dict[str, Any]
) -> None:
    async with pair(tmp_path / "p", broker_url) as both:
        for node in (both.hackney, both.bexley):
            await node.start()
        for node in (both.hackney, both.bexley):
            assert await node.ready()
        await both.bexley.kill()
        ref = await both.send(document)
        await correct(both, corrected(document))
        await _published(both.hackney.borough.folder / "gateway.db")
        await both.bexley.start()
        standing = await both.all_accepted(ref)
        assert standing["version"] == 2
        assert [await node.stop() for node in (both.hackney, both.bexley)] == [0, 0]
        for role in AGENCIES:
            folder = both.bexley.borough.folder / "agencies" / role
            texts = {path.name: path.read_text() for path in folder.rglob("*.json")}
            assert not [name for name, text in texts.items() if WRONG in text], role
            assert [name for name in texts if name.startswith("notice-")], role
            (only,) = both.given(role)
            assert json.loads(only.read_text())["version"] == 2, role
        (police,) = both.given("police")
        assert RIGHT in police.read_text()
        for node in (both.hackney, both.bexley):
            check_legal(node.borough.folder / "gateway.db")
