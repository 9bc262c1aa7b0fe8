"""The relay over HTTP: who may call, and what a body must look like; and the network for anybody."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.core.encoding import unb64
from gateway.core.trust import Network
from gateway.testing.own_key import keep_own_key

LEG = "ab" * 16
POSTS = [
    (f"/v1/relay/notification-{LEG}/settled", {"code": ""}),
    (f"/v1/relay/{LEG}/receipts", {"receipts": ["x"]}),
    (f"/v1/relay/{LEG}/reply", {"v": 1, "header": "", "slots": "", "to": [], "parts": [], "keys": []}),
    ("/v1/relay/card", {"card": "x"}),
]


async def own(pair: Any) -> Any:
    await keep_own_key(pair.world, "police")
    return pair.bexley


async def test_anybody_gets_the_documents_that_verify_by_the_fingerprint(pair: Any) -> None:
    status, body, _ = await pair.bexley.call("GET", "/v1/network", role=None, actor=False)
    assert status == 200
    network = Network.build(
        [unb64(note) for note in body["roots"]],
        unb64(body["directory"]),
        [unb64(note) for note in body["cards"]],
        now=pair.world.clock.now(),
        expect=pair.bexley.node.network.fingerprint,
    )
    assert network.version == pair.bexley.node.network.version
    assert set(network.cards) == set(pair.bexley.node.network.cards)
    assert body["suspensions"] == []


async def test_the_parcel_as_it_is_listed_and_handed_out(pair: Any, document: Any) -> None:
    desk = await own(pair)
    assert (await pair.hackney.submit(document))[0] == 202
    await pair.world.settle()
    status, listed, _ = await desk.call("GET", "/v1/relay", role="police")
    (line,) = listed["parcels"]
    assert (status, line["kind"], line["state"]) == (200, "notification", "DELIVERED")
    status, parcel, _ = await desk.call("GET", f"/v1/relay/{line['parcel']}", role="police")
    assert status == 200
    row = await desk.read(lambda tx: tx.envelope(tx.leg(line["leg"]).mid))
    assert unb64(parcel["envelope"]) == row.body
    assert parcel["slot"] >= 1
    assert parcel["received"].startswith("bx/1/receipt\n")
    assert (parcel["chain"], parcel["content"]) == ([], {})
    status, answer, _ = await desk.call(
        "POST", f"/v1/relay/{line['parcel']}/settled", {"code": "slot"}, role="police"
    )
    assert (status, answer) == (200, {"parcel": line["parcel"]})
    assert (await desk.call("GET", "/v1/relay", role="police"))[1] == {"parcels": []}


async def test_a_waiting_call_returns_when_something_comes(pair: Any, document: Any) -> None:
    desk = await own(pair)
    waiting = asyncio.create_task(desk.call("GET", "/v1/relay?wait=20", role="police"))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await pair.hackney.submit(document)
    await pair.world.settle()
    status, listed, _ = await asyncio.wait_for(waiting, 5)
    assert (status, len(listed["parcels"])) == (200, 1)


async def test_a_waiting_call_ends_in_time_without_news(pair: Any) -> None:
    desk = await own(pair)
    status, listed, _ = await asyncio.wait_for(desk.call("GET", "/v1/relay?wait=1", role="police"), 5)
    assert (status, listed) == (200, {"parcels": []})


async def test_an_agency_whose_key_the_node_holds_is_told_so(pair: Any) -> None:
    for path in ("/v1/relay", f"/v1/relay/notification-{LEG}"):
        status, body, _ = await pair.bexley.call("GET", path, role="housing")
        assert (status, body["code"]) == (403, "hosted")
    for path, sent in POSTS:
        status, body, _ = await pair.bexley.call("POST", path, sent, role="housing")
        assert (status, body["code"]) == (403, "hosted"), path


async def test_an_agency_with_its_own_key_has_no_inbox_to_open(pair: Any, document: Any) -> None:
    desk = await own(pair)
    await pair.hackney.submit(document)
    await pair.world.settle()
    leg = (await desk.call("GET", "/v1/relay", role="police"))[1]["parcels"][0]["leg"]
    for path, sent in (
        (f"/v1/inbox/{leg}/open", {"justification": "DUTY_OFFICER"}),
        (f"/v1/inbox/{leg}/acknowledgements", {"state": "ACCEPTED", "role": "Sergeant"}),
    ):
        status, body, _ = await desk.call("POST", path, sent, role="police")
        assert (status, body["code"]) == (403, "own_key"), path


@pytest.mark.parametrize(("path", "good"), POSTS)
async def test_a_body_of_another_shape_names_its_fields_and_no_value(pair: Any, path: str, good: Any) -> None:
    desk = await own(pair)
    for sent in (
        b"CanaryZebulonQuux",
        b"[" * 5000,
        {},
        {**good, "CanaryZebulonQuux": 1},
        {key: {"a": "CanaryZebulonQuux"} for key in good},
        dict.fromkeys(good, 7),
    ):
        status, body, _ = await desk.call("POST", path, sent, role="police")
        assert (status, body["code"]) == (422, "invalid_document"), sent
        assert "CanaryZebulonQuux" not in repr(body)
        assert body["errors"]


@pytest.mark.parametrize(
    ("path", "sent", "status", "code"),
    [
        (f"/v1/relay/{LEG}/receipts", {"receipts": ["no note"]}, 403, "note_form"),
        (f"/v1/relay/{LEG}/reply", POSTS[2][1], 404, "no_leg"),
        ("/v1/relay/card", {"card": "no note"}, 403, "note_form"),
        (f"/v1/relay/notification-{LEG}/settled", {"code": ""}, 404, "no_parcel"),
        (f"/v1/relay/notification-{LEG}/settled", {"code": "Not A Code"}, 422, "invalid_document"),
        ("/v1/relay/NO/settled", {"code": ""}, 404, "no_parcel"),
        ("/v1/relay/NO/receipts", {"receipts": ["x"]}, 404, "no_leg"),
    ],
)
async def test_what_is_brought_and_cannot_be_taken_is_the_callers_fault(
    pair: Any, path: str, sent: Any, status: int, code: str
) -> None:
    """Never a 500: at another door the same bytes would be a peer's."""
    desk = await own(pair)
    found, body, _ = await desk.call("POST", path, sent, role="police")
    assert (found, body["code"]) == (status, code)


async def test_a_reply_that_is_no_envelope_is_refused_as_such(pair: Any, document: Any) -> None:
    desk = await own(pair)
    await pair.hackney.submit(document)
    await pair.world.settle()
    leg = (await desk.call("GET", "/v1/relay", role="police"))[1]["parcels"][0]["leg"]
    for sent in (POSTS[2][1], {**POSTS[2][1], "v": 2}, {**POSTS[2][1], "parts": ["!"]}):
        status, body, _ = await desk.call("POST", f"/v1/relay/{leg}/reply", sent, role="police")
        assert status == 403
        assert body["code"] in {"truncated", "version", "base64", "field_type"}
