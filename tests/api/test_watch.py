"""What operators are shown: alarms with their evidence, and peers. No agency is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.flows.alarms import exhibits, sound
from gateway.flows.tokens import holder_of
from tests.api.conftest import BEXLEY, HACKNEY, NOW, Desk, Pair

CLEAR = "/v1/ops/alarms/{}/clear?reason=checked_with_peer"


async def alarmed(desk: Desk, **more: Any) -> None:
    await desk.node.store.write(lambda tx: sound(tx, "gap", peer=BEXLEY, at=NOW, subject="5-7", **more))


async def alarms(desk: Desk, query: str = "") -> Any:
    status, answer, _ = await desk.call("GET", f"/v1/ops/alarms{query}", role="node")
    assert status == 200
    return answer["alarms"]


async def test_an_operator_sees_an_alarm_takes_its_evidence_and_clears_it(desk: Desk) -> None:
    await alarmed(desk, evidence=exhibits(b"a note\n", b"another\n"))
    (row,) = await alarms(desk)
    assert (row["code"], row["peer"], row["subject"], row["evidence"]) == ("gap", BEXLEY, "5-7", True)
    status, proof, _ = await desk.call("GET", f"/v1/ops/alarms/{row['id']}/evidence", role="node")
    assert (status, proof) == (200, {"notes": ["a note\n", "another\n"]})
    status, cleared, _ = await desk.call("POST", CLEAR.format(row["id"]), role="node")
    assert (status, cleared["cleared_by"]) == (200, "k-4711 checked_with_peer")
    assert await alarms(desk) == []
    assert await alarms(desk, "?cleared=true&limit=1") == [cleared]
    status, body, _ = await desk.call("POST", CLEAR.format(row["id"]), role="node")
    assert (status, body["code"]) == (404, "no_alarm")
    leaves = [json.loads(leaf) for _, leaf in await desk.read(lambda tx: tx.log(0, 999))]
    said = [leaf for leaf in leaves if leaf["t"] == "alarm_cleared"]
    assert [(leaf["alarm"], leaf["reason"]) for leaf in said] == [(row["id"], "checked_with_peer")]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/ops/alarms"),
        ("GET", f"/v1/ops/alarms/{'0' * 32}/evidence"),
        ("POST", CLEAR.format("0" * 32)),
        ("GET", "/v1/ops/peers"),
        ("GET", "/v1/ops/breaches"),
        ("GET", f"/v1/ops/breaches/{'0' * 32}"),
    ],
)
async def test_no_agency_is_shown_anything(desk: Desk, method: str, path: str) -> None:
    await alarmed(desk)
    status, body, _ = await desk.call(method, path, role="police")
    assert (status, body["code"]) == (403, "token_kind")


@pytest.mark.parametrize("path", ["/v1/handovers", "/v1/inbox", "/v1/me"])
async def test_an_operator_is_shown_nothing_of_an_agency(desk: Desk, path: str) -> None:
    status, body, _ = await desk.call("GET", path, role="node")
    assert (status, body["code"]) == (403, "token_kind")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/ops/alarms?cleared=perhaps", 400, "query"),
        ("GET", "/v1/ops/alarms?limit=0", 400, "query"),
        ("GET", "/v1/ops/alarms?name=Jordan", 400, "query"),
        ("GET", "/v1/ops/alarms/x/evidence", 404, "no_alarm"),
        ("GET", f"/v1/ops/alarms/{'0' * 32}/evidence", 404, "no_alarm"),
        ("POST", f"/v1/ops/alarms/{'0' * 32}/clear", 400, "query"),
        ("POST", f"/v1/ops/alarms/{'0' * 32}/clear?reason=Mr+Jordan+rang", 400, "query"),
        ("POST", CLEAR.format("0" * 32), 404, "no_alarm"),
    ],
)
async def test_what_cannot_be_read_changes_nothing(
    desk: Desk, method: str, path: str, status: int, code: str
) -> None:
    await alarmed(desk)
    found, body, _ = await desk.call(method, path, role="node")
    assert (found, body["code"]) == (status, code)
    assert len(await alarms(desk)) == 1


async def test_an_alarm_without_evidence_says_so(desk: Desk) -> None:
    await alarmed(desk)
    (row,) = await alarms(desk)
    assert row["evidence"] is False
    status, body, _ = await desk.call("GET", f"/v1/ops/alarms/{row['id']}/evidence", role="node")
    assert (status, body["code"]) == (404, "no_evidence")


async def test_peers_are_shown_with_what_is_missing(pair: Pair, document: dict[str, Any]) -> None:
    await pair.hackney.submit(document)
    await pair.world.settle()
    status, answer, _ = await pair.bexley.call("GET", "/v1/ops/peers", role="node")
    (peer,) = answer["peers"]
    assert (status, peer["area"], peer["received"], peer["seen"], peer["gaps"]) == (200, HACKNEY, 1, 1, [])
    assert peer["sent"] >= 1


def test_the_token_of_another_areas_node_is_none_of_ours(desk: Desk) -> None:
    assert holder_of(desk.node.network, HACKNEY, f"{HACKNEY}/node").agency == "NODE"
    with pytest.raises(Exception, match="agencies of this area"):
        holder_of(desk.node.network, HACKNEY, f"{BEXLEY}/node")
