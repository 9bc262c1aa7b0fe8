"""Files over HTTP: uploaded piece by piece, named by a handover, read after it is on record and verified."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest
from aiohttp import ClientError

from gateway.api.attachments import MEDIA
from gateway.core.blob import MAX_BLOB, SEGMENT
from gateway.flows import attachments, uploads
from gateway.flows.deliver import deliver
from gateway.ports import Blob
from gateway.stores.memory_blobs import MemoryBlobs
from schemas.attachments import MediaType
from tests.api.conftest import ACTOR, CANARY, Desk, Pair

TEXT = {"Content-Type": "text/plain"}
PLAIN = f"{CANARY} in a fictional court order.\n".encode()


async def upload(desk: Desk, data: bytes, *, role: str = "community_safety") -> dict[str, Any]:
    status, answer, _ = await desk.call("POST", "/v1/attachments", data, role=role, headers=TEXT)
    assert status == 201, answer
    return dict(answer)


def attached(document: dict[str, Any], *answers: dict[str, Any]) -> dict[str, Any]:
    document["orders"][0]["attachments"] = [{**answer, "name": "order.txt"} for answer in answers]
    return document


async def test_a_file_is_uploaded_named_and_read_at_the_other_end(
    pair: Pair, document: dict[str, Any]
) -> None:
    data = PLAIN * 40_000
    answer = await upload(pair.hackney, data)
    assert answer == {"blob": answer["blob"], "size": len(data), "media_type": "text/plain"}
    status, accepted, _ = await pair.hackney.submit(attached(document, answer))
    assert status == 202, accepted
    assert set(accepted) == {"handover", "version", "state"}
    await pair.world.settle()
    entry = (await pair.bexley.inbox("police"))[0]
    opening = {"justification": "ALLOCATED_CASE"}
    status, opened, _ = await pair.bexley.call(
        "POST", f"/v1/inbox/{entry['leg']}/open", opening, role="police"
    )
    assert status == 200
    (item,) = opened["content"]["view"]["orders"][0]["attachments"]
    assert item == {**answer, "name": "order.txt"}
    path = f"/v1/inbox/{entry['leg']}/attachments/{item['blob']}?justification=ALLOCATED_CASE"
    status, content, headers = await pair.bexley.call("GET", path, role="police")
    assert (status, content) == (200, data)
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Length"] == str(len(data))
    assert headers["Content-Disposition"] == f'attachment; filename="{item["blob"]}.txt"'
    assert (headers["X-Content-Type-Options"], headers["Cache-Control"]) == ("nosniff", "no-store")
    rows = await pair.bexley.read(lambda tx: tx.accesses(ref=entry["handover"]))
    assert [(row.operation, row.actor) for row in rows if row.sections] == [("CONSULTATION", "k-4711")]


async def test_what_was_judged_and_answered_holds_no_key(pair: Pair, document: dict[str, Any]) -> None:
    answer = await upload(pair.hackney, PLAIN)
    row = await pair.hackney.read(lambda tx: tx.blob("", answer["blob"]))
    key = uploads.key_of(pair.hackney.node, row)
    status, judged, _ = await pair.hackney.call("POST", "/v1/handovers/validate", attached(document, answer))
    assert status == 200
    status, accepted, headers = await pair.hackney.submit(document)
    ref = accepted["handover"]
    told = json.dumps([answer, judged, accepted, dict(headers)])
    for view in ("", "/events", "/receipts", "/why"):
        told += json.dumps((await pair.hackney.call("GET", f"/v1/handovers/{ref}{view}"))[1])
    for secret in (key, row.hash):
        for spelt in (secret.hex(), json.dumps(attachments.sealed_fields(secret, secret))[9:50]):
            assert spelt not in told


async def test_a_file_that_is_still_on_its_way_is_asked_for_again(
    pair: Pair, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = await upload(pair.hackney, PLAIN)
    monkeypatch.setattr(attachments, "AT_ONCE", 0)
    await pair.hackney.submit(attached(document, answer))
    await pair.world.settle()
    entry = (await pair.bexley.inbox("police"))[0]
    path = f"/v1/inbox/{entry['leg']}/attachments/{answer['blob']}?justification=ALLOCATED_CASE"
    status, problem, headers = await pair.bexley.call("GET", path, role="police")
    assert (status, problem["code"]) == (409, "attachment_missing")
    assert int(headers["Retry-After"]) > 0
    monkeypatch.undo()
    await pair.world.settle()
    assert (await pair.bexley.call("GET", path, role="police"))[:2] == (200, PLAIN)
    rows = await pair.bexley.read(lambda tx: tx.accesses(ref=entry["handover"]))
    assert len([row for row in rows if row.sections]) == 2  # the try that gave nothing is on record too


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("", 400, "justification"),
        ("?justification=CURIOSITY", 400, "justification"),
        ("?justification=ALLOCATED_CASE&name=x", 400, "query"),
    ],
)
async def test_without_a_reason_nothing_is_read(
    pair: Pair, document: dict[str, Any], query: str, status: int, code: str
) -> None:
    answer = await upload(pair.hackney, PLAIN)
    await pair.hackney.submit(attached(document, answer))
    await pair.world.settle()
    entry = (await pair.bexley.inbox("police"))[0]
    path = f"/v1/inbox/{entry['leg']}/attachments/{answer['blob']}{query}"
    got, problem, _ = await pair.bexley.call("GET", path, role="police")
    assert (got, problem["code"]) == (status, code)
    assert not [
        r for r in await pair.bexley.read(lambda tx: tx.accesses(ref=entry["handover"])) if r.sections
    ]


async def test_another_agency_and_another_blob_are_not_there(pair: Pair, document: dict[str, Any]) -> None:
    answer = await upload(pair.hackney, PLAIN)
    await pair.hackney.submit(attached(document, answer))
    await pair.world.settle()
    legs = {role: (await pair.bexley.inbox(role))[0]["leg"] for role in ("police", "housing")}
    for role, leg, blob, code in (
        ("housing", legs["housing"], answer["blob"], "no_attachment"),
        ("housing", legs["police"], answer["blob"], "no_leg"),
        ("police", legs["police"], "0" * 32, "no_attachment"),
        ("police", legs["police"], "..%2f..%2fetc", "no_attachment"),
        ("police", legs["police"], answer["blob"].upper(), "no_attachment"),
    ):
        path = f"/v1/inbox/{leg}/attachments/{blob}?justification=ALLOCATED_CASE"
        status, problem, _ = await pair.bexley.call("GET", path, role=role)
        assert (status, problem["code"]) == (404, code)


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ({"Content-Type": "application/zip"}, b"PK", 415, "unsupported_media_type"),
        ({"Content-Type": "image/jpeg"}, b"x", 415, "unsupported_media_type"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"x", 415, "unsupported_media_type"),
        ({**TEXT, "Content-Encoding": "gzip"}, gzip.compress(PLAIN, mtime=0), 415, "unsupported_media_type"),
        (TEXT, b"", 422, "blob_empty"),
        (TEXT, gzip.compress(PLAIN, mtime=0), 422, "blob_compressed"),
        (TEXT, b"a\x00b", 422, "blob_content"),
        ({"Content-Type": "application/pdf"}, PLAIN, 422, "blob_content"),
    ],
)
async def test_what_may_not_be_sent_is_refused_and_nothing_of_it_kept(
    desk: Desk, headers: dict[str, str], body: bytes, status: int, code: str
) -> None:
    got, problem, _ = await desk.call("POST", "/v1/attachments", body, headers=headers)
    assert (got, problem["code"]) == (status, code)
    assert CANARY not in json.dumps(problem)
    assert await desk.read(lambda tx: tx.blobs_stored(peer="")) == (0, 0)


async def test_a_file_that_says_it_is_too_large_is_not_read(desk: Desk) -> None:
    sent = {**TEXT, **ACTOR, "Authorization": f"Bearer {await desk.token('police')}"}

    async def endless() -> Any:
        yield b"x"
        await asyncio.Event().wait()

    headers = {**sent, "Content-Length": str(MAX_BLOB + 1)}
    async with (
        asyncio.timeout(5),
        desk.client.post("/v1/attachments", data=endless(), headers=headers) as response,
    ):
        assert response.status == 413
        assert (await response.json())["code"] == "blob_size"


async def test_a_file_that_grows_too_large_is_refused_while_it_comes(desk: Desk) -> None:
    sent = {**TEXT, **ACTOR, "Authorization": f"Bearer {await desk.token('police')}"}

    async def growing() -> Any:
        for _ in range(MAX_BLOB // (1 << 20) + 1):
            yield b"x" * (1 << 20)

    try:
        async with desk.client.post("/v1/attachments", data=growing(), headers=sent) as response:
            assert (response.status, (await response.json())["code"]) == (413, "blob_size")
    except ClientError:  # the answer came while it was still writing
        pass
    assert await desk.read(lambda tx: tx.blobs_stored(peer="")) == (0, 0)


async def test_a_broken_connection_leaves_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = {**TEXT, **ACTOR, "Authorization": f"Bearer {await desk.token('police')}"}
    kept, dropped = asyncio.Event(), asyncio.Event()
    drop, put = MemoryBlobs.drop_blob, MemoryBlobs.put_segment
    monkeypatch.setattr(MemoryBlobs, "put_segment", lambda *args: kept.set() or put(*args))
    monkeypatch.setattr(MemoryBlobs, "drop_blob", lambda *args: dropped.set() or drop(*args))

    async def stalls() -> Any:
        yield b"x" * (SEGMENT + 100_000)
        await asyncio.Event().wait()

    async def call() -> None:
        async with desk.client.post("/v1/attachments", data=stalls(), headers=sent):
            pass

    task = asyncio.create_task(call())
    async with asyncio.timeout(5):
        await kept.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await dropped.wait()
    assert await desk.read(lambda tx: tx.blobs_stored(peer="")) == (0, 0)


async def test_an_upload_may_be_larger_than_any_other_body(desk: Desk) -> None:
    answer = await upload(desk, b"x" * (2 << 20))
    row = await desk.read(lambda tx: tx.blob("", answer["blob"]))
    assert (row.state, row.size, row.owner) == (Blob.READY, 2 << 20, "E09000012/community_safety")
    assert await desk.read(lambda tx: tx.segments("", answer["blob"])) == [0, 1, 2]


async def test_an_adapter_and_a_person_read_the_same_file(pair: Pair, document: dict[str, Any]) -> None:
    """The list of media types is the schema's own."""
    assert tuple(MediaType) == MEDIA
    answer = await upload(pair.hackney, PLAIN)
    await pair.hackney.submit(attached(document, answer))
    await pair.world.settle()
    assert await deliver(pair.bexley.node, pair.bexley.node.binding("E09000004/police")) == 0
