"""What scenarios are told with: their people, what an agency is given, and what it sees on its page.

A page is asked for through the node's own API, as an agency's system would; nothing here looks past it but
:func:`read`, for what an agency cannot see (the log of accesses, alarms).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from gateway.api.app import build
from gateway.core.states import LEG, LegState, responsible
from gateway.flows import attest, notice_answer, notices, shred
from gateway.flows.metrics import Metrics
from gateway.flows.tokens import create
from gateway.ports import Parcel, Transaction
from gateway.testing.boroughs import Borough, World, sections
from gateway.testing.histories import OVERLAY

FIXTURES = Path(__file__).parent / "fixtures"
MINUTE, HOUR, DAY = 60, 3600, 86_400
DESTROYED = {"copies_destroyed": True, "onward_disclosure": False, "log_contains_payload": False}


def fixture(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    return document


def issued_at(document: Mapping[str, Any]) -> int:
    return int(datetime.fromisoformat(document["message"]["issued_at"]).timestamp())


def ref_of(document: Mapping[str, Any]) -> str:
    return str(document["message"]["handover_id"])


def told(document: Mapping[str, Any]) -> list[str]:
    """The agencies that it goes to."""
    return [entry["agency"] for entry in document["routing"]["recipients"]]


# --- what an agency sees ------------------------------------------------------------------------------


async def ask(borough: Borough, role: str, path: str) -> Any:
    """``GET path`` as one agency; the JSON of a 200."""
    principal, now = f"{borough.area}/{role}", borough.node.clock.now()
    token, _ = await borough.node.store.write(lambda tx: create(tx, principal, "scenario", now))
    headers = {"Authorization": f"Bearer {token}", "Gateway-Actor": 'k-1;role="Duty officer"'}
    async with TestClient(TestServer(build(borough.node, metrics=Metrics()))) as client:
        response = await client.get(path, headers=headers)
        assert response.status == 200, await response.text()
        return await response.json()


async def page(borough: Borough, role: str, ref: str, *, version: int = 0) -> dict[str, Any]:
    query = f"?version={version}" if version else ""
    found: dict[str, Any] = await ask(borough, role, f"/v1/handovers/{ref}{query}")
    return found


async def why(borough: Borough, role: str, ref: str) -> dict[str, Any]:
    """Of each agency, what it waits for and what to do."""
    told = await ask(borough, role, f"/v1/handovers/{ref}/why")
    return {leg["agency"]: leg for leg in told["legs"]}


def given(borough: Borough, role: str, kind: Parcel = Parcel.NOTIFICATION, *, ref: str = "") -> list[Any]:
    views = [view for _, view in borough.desks[role].given if view.kind is kind]
    return [view for view in views if not ref or view.handover == ref]


def text_of(borough: Borough, role: str, *, ref: str = "") -> str:
    """The sections of the handovers that an agency was given, as one text to search."""
    return json.dumps([sections(view) for view in given(borough, role, ref=ref)])


def news(borough: Borough, role: str) -> list[str]:
    return [str(view.content["event"]) for view in given(borough, role, Parcel.STATUS)]


async def read(borough: Borough, work: Callable[[Transaction], Any]) -> Any:
    return await borough.node.store.read(work)


async def alarms(borough: Borough) -> list[str]:
    rows = await read(borough, lambda tx: tx.alarms(cleared=False, limit=200))
    return [row.code for row in rows]


async def chain(borough: Borough, ref: str, principal: str) -> list[str]:
    """The states of an agency's signed receipts about the first version of a handover, oldest first."""
    (leg,) = [leg for leg in (await borough.legs(ref)).values() if leg.principal == principal]
    rows = await read(borough, lambda tx: tx.receipts(mid=leg.mid, by=principal))
    return [row.state for row in rows]


async def accesses(borough: Borough, ref: str, principal: str) -> list[tuple[str, str]]:
    """The s.62 log of one agency and handover, oldest first: (operation, justification)."""
    rows = await read(borough, lambda tx: tx.accesses(ref=ref, limit=1000))
    return [(row.operation, row.justification) for row in reversed(rows) if row.principal == principal]


# --- what must hold of any story ----------------------------------------------------------------------


async def check_history(world: World, ref: str, *, version: int = 1) -> None:
    """At both ends each leg moved by the table alone, and was somebody's at every step."""
    for borough in world.boroughs:
        for leg in (await borough.legs(ref, version)).values():
            at = ""
            for event in await read(borough, lambda tx, leg=leg: tx.history(leg.id)):
                assert at in ("", event.before), (leg.principal, event)
                at = (
                    event.before
                    if OVERLAY.match(event.event)
                    else LEG[LegState(at or event.before), event.event]
                )
                assert event.after == at, (leg.principal, event)
                assert responsible(LegState(at), leg.counterpart, leg.principal)


# --- what people do -----------------------------------------------------------------------------------


async def answer_all(borough: Borough, ref: str, state: str = "ACCEPTED", *, version: int = 1) -> None:
    for role, leg in (await borough.legs(ref, version)).items():
        await borough.answer(role, leg.id, state)


async def say(borough: Borough, role: str, ref: str, notice: Mapping[str, Any], *, key: str = "n1") -> str:
    """Hand a notice in; its id."""
    words = notices.read(json.dumps({"role": "Team leader", **notice}).encode())
    return (await notices.issue(borough.node, borough.caller(role), ref, words, key=key)).id


async def answer_notice(borough: Borough, role: str, notice: str, state: str = "ACKNOWLEDGED") -> str:
    more = {"attestation": DESTROYED} if state == "COMPLETED" else {}
    words = notice_answer.read(json.dumps({"state": state, "role": "Duty officer", **more}).encode())
    return (await notice_answer.answer(borough.node, borough.caller(role), notice, words)).state


async def until(world: World, moment: int, step: int = HOUR) -> None:
    """Both nodes run to ``moment``, with a look every ``step`` seconds."""
    while world.clock.now() < moment:
        world.clock.advance(min(step, moment - world.clock.now()))
        await world.settle()


async def rest(world: World) -> None:
    """Until nothing moves, destroyed keys and attestations included."""
    for _ in range(3):
        await world.settle()
        for borough in world.boroughs:
            await shred.take_up(borough.node)
            await attest.sign_waiting(borough.node)
        world.clock.advance(61)
    await world.settle()


def absent(text: str, words: Sequence[str]) -> None:
    found = [word for word in words if word.lower() in text.lower()]
    assert not found, found
