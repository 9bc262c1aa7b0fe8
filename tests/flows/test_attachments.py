"""An attachment's way from one agency's upload to another's desk, and everything that keeps it sealed."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.core.blob import CHUNK, MAX_BLOB, SEGMENT, sealed_size, segment_count
from gateway.core.encoding import b64
from gateway.core.notes import Keyring
from gateway.core.receipts import open_receipt
from gateway.errors import Conflict, GatewayError, InvalidDocument, NotFound, TooLarge, Unavailable
from gateway.flows import attachments, consult, judging, retrieve, shred, uploads
from gateway.ports import Attachment, Blob, Outbound, Outgoing, Side, Store, Task, Transport
from gateway.stores import open_store
from gateway.testing.boroughs import BEXLEY, HACKNEY, Borough, World, sections, two_boroughs
from schemas.samples import minimal_example

REF: str = json.loads(minimal_example())["message"]["handover_id"]
TEXT = "text/plain"


def content(size: int, line: bytes = b"Fictional court order, page %d.\n") -> bytes:
    return b"".join(line % page for page in range(size // 20 + 1))[:size]


async def pieces(data: bytes, step: int = 100_000) -> AsyncIterator[bytes]:
    for at in range(0, len(data), step):
        yield data[at : at + step]


async def put(
    borough: Borough, data: bytes, *, role: str = "community_safety", kind: str = TEXT
) -> dict[str, Any]:
    """Upload, and the item to write into a document."""
    row = await uploads.upload(borough.node, borough.caller(role), kind, pieces(data))
    return {"blob": row.blob, "name": "order.txt", "media_type": row.media_type, "size": row.size}


def attach(document: dict[str, Any], *items: Mapping[str, Any], section: str = "orders") -> dict[str, Any]:
    place = document[section][0] if isinstance(document[section], list) else document[section]
    place["attachments"] = list(items)
    return document


async def read(file: Attachment) -> bytes:
    return b"".join([piece async for piece in file.pieces()])


def keyring_of(world: World) -> Keyring:
    return world.hackney.node.network.keyring_at(world.clock.now())


def everything(borough: Borough) -> bytes:
    """All bytes and words that the memory store holds."""
    tables = borough.node.store.memory.tables  # type: ignore[attr-defined]  # the memory store's own
    told: list[bytes] = []

    def walk(value: Any) -> None:
        if isinstance(value, bytes):
            told.append(value)
        elif isinstance(value, dict):
            for one in (*value, *value.values()):
                walk(one)
        elif isinstance(value, list | tuple):
            for one in value:
                walk(one)
        elif dataclasses.is_dataclass(value):
            for field in dataclasses.fields(value):
                walk(getattr(value, field.name))
        else:
            told.append(str(value).encode())

    walk(tables)
    return b"\n".join(told)


def view_of(world: World, role: str) -> Any:
    return next(view for key, view in world.bexley.desks[role].given if key.startswith("notification-"))


@pytest.mark.parametrize("size", [1, CHUNK, SEGMENT, 3 * SEGMENT + 11])
async def test_who_reads_the_section_reads_the_file_and_nobody_else(
    world: World, document: dict[str, Any], size: int
) -> None:
    data = content(size)
    item = await put(world.hackney, data)
    await world.hackney.submit(attach(document, item))
    await world.settle()
    stored = await world.bexley.node.store.read(lambda tx: tx.segments("E09000012", item["blob"]))
    assert len(stored) == segment_count(sealed_size(size))
    readers = {
        role: view_of(world, role).attachments for role in world.bexley.desks if role in ("police", "housing")
    }
    (file,) = readers["police"]
    assert (file.name, file.media_type, file.size) == ("order.txt", TEXT, size)
    assert await read(file) == data
    assert readers["housing"] == ()
    states = {role: leg.state for role, leg in (await world.bexley.legs(REF)).items()}
    assert set(states.values()) == {"DELIVERED"}


async def test_the_agency_is_shown_what_the_sender_wrote_and_no_key(
    world: World, document: dict[str, Any]
) -> None:
    item = await put(world.hackney, content(99))
    await world.hackney.submit(attach(document, item))
    await world.settle()
    (order,) = sections(view_of(world, "police"))["orders"]
    assert order["attachments"] == [item]


async def test_key_and_hash_stand_in_no_table_and_the_upload_forgets_its_key(
    world: World, document: dict[str, Any]
) -> None:
    item = await put(world.hackney, content(99))
    row = await world.hackney.node.store.read(lambda tx: tx.blob("", item["blob"]))
    assert row is not None
    key = uploads.key_of(world.hackney.node, row)
    assert key not in everything(world.hackney)
    await world.hackney.submit(attach(document, item))
    await world.settle()
    assert key not in everything(world.hackney) + everything(world.bexley)
    sent = await world.hackney.node.store.read(lambda tx: tx.blob("", item["blob"]))
    assert sent == replace(row, state=Blob.SENT, key=b"", ref=REF, version=1, destination="E09000004", sent=1)
    assert (await world.bexley.node.store.read(lambda tx: tx.blob("E09000012", item["blob"]))).hash == b""


def contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.iterdir() if path.is_file()]


async def test_plaintext_is_in_no_store_and_on_no_broker(
    document: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor is the file's name; neither in the files of a database on disk nor in a log."""
    canary, seen = b"the canary sings in this attachment", list[bytes]()

    def database(area: str) -> Callable[[], Store]:
        return lambda: open_store(f"sqlite:///{tmp_path}/{area}.db")

    class Watched:
        def __init__(self, inner: Transport) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

        async def publish(self, message: Outgoing) -> None:
            seen.append(message.body)
            await self._inner.publish(message)

    stores = {area: database(area) for area in (HACKNEY, BEXLEY)}
    async with two_boroughs(stores=stores, wrap=Watched) as world:  # type: ignore[arg-type] # the rest is the inner's
        item = await put(world.hackney, canary + content(SEGMENT))
        item["name"] = "canary name.txt"
        await world.hackney.submit(attach(document, item))
        await world.settle()
        assert canary in await read(view_of(world, "police").attachments[0])
        files = contents(tmp_path)
        assert sum(map(len, files)) > 4 * SEGMENT
        told = capsys.readouterr()
        assert sum(map(len, seen)) > SEGMENT
        for where in (*files, *seen, (told.out + told.err).encode()):
            for word in (canary, b"canary name", b64(canary[:30]).encode()):
                assert word not in where


# --- Uploading --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "data", "code"),
    [
        (TEXT, b"", "blob_empty"),
        (TEXT, b"PK\x03\x04", "blob_compressed"),
        ("application/pdf", b"\x1f\x8b\x08", "blob_compressed"),
        ("application/pdf", b"no pdf", "blob_content"),
        ("application/zip", b"x", "blob_type"),
        ("image/png", b"x", "blob_type"),
    ],
)
async def test_what_may_not_be_sent_is_refused_and_nothing_of_it_kept(
    world: World, dump: Any, kind: str, data: bytes, code: str
) -> None:
    before = dump(world.hackney)
    with pytest.raises(InvalidDocument) as caught:
        await put(world.hackney, data, kind=kind)
    assert caught.value.code == code
    assert caught.value.remedy
    assert dump(world.hackney) == before


async def test_a_file_over_the_limit_is_refused_while_it_comes_and_nothing_of_it_kept(
    world: World, dump: Any
) -> None:
    before, taken = dump(world.hackney), 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1 << 20
            yield b"a" * (1 << 20)

    with pytest.raises(TooLarge) as caught:
        await uploads.upload(world.hackney.node, world.hackney.caller("police"), TEXT, endless())
    assert caught.value.code == "blob_size"
    assert taken == MAX_BLOB + (1 << 20)
    assert dump(world.hackney) == before


async def test_a_caller_who_goes_away_leaves_nothing(world: World, dump: Any) -> None:
    before, begun = dump(world.hackney), asyncio.Event()

    async def stalls() -> AsyncIterator[bytes]:
        yield content(2 * SEGMENT)
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(
        uploads.upload(world.hackney.node, world.hackney.caller("police"), TEXT, stalls())
    )
    await begun.wait()
    assert dump(world.hackney) != before
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert dump(world.hackney) == before


async def test_an_agency_has_so_many_uploads_waiting_and_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_UPLOADS", 2)
    for _ in range(2):
        await put(world.hackney, b"x")
    with pytest.raises(Conflict) as caught:
        await put(world.hackney, b"x")
    assert caught.value.code == "uploads_waiting"
    await put(world.hackney, b"x", role="police")


async def test_an_upload_that_no_handover_names_is_gone_after_a_day(
    world: World, document: dict[str, Any], dump: Any
) -> None:
    before = dump(world.hackney)
    left = await put(world.hackney, content(2 * SEGMENT))
    world.clock.advance(uploads.KEEP)
    assert await uploads.sweep(world.hackney.node) == 0
    fresh = await put(world.hackney, b"x")
    world.clock.advance(1)
    assert await uploads.sweep(world.hackney.node) == 1
    blobs = dump(world.hackney)["blobs"]
    assert list(blobs) == [("", fresh["blob"])]
    with pytest.raises(InvalidDocument):
        await world.hackney.submit(attach(document, left))
    world.clock.advance(uploads.KEEP + 1)
    await uploads.sweep(world.hackney.node)
    assert {name: dump(world.hackney)[name] for name in ("blobs", "segments")} == {
        name: before[name] for name in ("blobs", "segments")
    }


async def test_what_a_handover_names_is_not_swept(world: World, document: dict[str, Any]) -> None:
    item = await put(world.hackney, content(SEGMENT))
    await world.hackney.submit(attach(document, item))
    world.clock.advance(uploads.KEEP + 1)
    assert await uploads.sweep(world.hackney.node) == 0
    assert await world.hackney.node.store.read(lambda tx: tx.segments("", item["blob"])) == [0, 1]


# --- Naming -----------------------------------------------------------------------------------------------


async def refusal(world: World, document: dict[str, Any], key: str = "k1") -> GatewayError:
    with pytest.raises(InvalidDocument) as caught:
        await world.hackney.submit(document, key=key)
    return caught.value


async def test_only_the_agency_that_uploaded_it_may_name_it(world: World, document: dict[str, Any]) -> None:
    item = await put(world.hackney, b"x", role="police")
    error = await refusal(world, attach(document, item))
    assert (error.code, error.field) == ("attachment", "/orders/0/attachments/0/blob")
    unknown = await refusal(world, attach(document, {**item, "blob": "0" * 32}))
    assert (unknown.message, unknown.problems[0].message) == (error.message, error.problems[0].message)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"size": 2}, "/orders/0/attachments/0/size"),
        ({"media_type": "text/csv", "name": "a.csv"}, "/orders/0/attachments/0/media_type"),
    ],
)
async def test_what_is_written_is_what_was_uploaded(
    world: World, document: dict[str, Any], change: dict[str, Any], pointer: str
) -> None:
    item = await put(world.hackney, b"x")
    error = await refusal(world, attach(document, {**item, **change}))
    assert [problem.field for problem in error.problems] == [pointer]


async def test_a_half_finished_upload_cannot_be_named(world: World, document: dict[str, Any]) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"x"
        begun.set()
        await go_on.wait()

    caller = world.hackney.caller("community_safety")
    task = asyncio.create_task(uploads.upload(world.hackney.node, caller, TEXT, slow()))
    await begun.wait()
    ((_, blob),) = world.hackney.node.store.memory.tables.blobs  # type: ignore[attr-defined]  # the memory store's own
    item = {"blob": blob, "name": "a.txt", "media_type": TEXT, "size": 1}
    error = await refusal(world, attach(document, item))
    assert error.problems[0].message == "there is no such upload of this agency"
    go_on.set()
    assert (await task).blob == blob
    await world.hackney.submit(document)


async def test_an_upload_goes_with_one_handover_and_a_repeat_is_answered_again(
    world: World, document: dict[str, Any]
) -> None:
    item = await put(world.hackney, b"x")
    body = json.dumps(attach(document, item)).encode()
    first = await world.hackney.submit(body)
    again = await world.hackney.submit(body)
    assert (first.ref, again.ref, again.repeated) == (REF, REF, True)
    document["message"]["handover_id"] = "HO-E09000012-2026-000124"
    error = await refusal(world, document, "k2")
    assert error.problems[0].message == "this upload went with a handover"


async def test_of_two_handovers_at_once_one_has_the_file(world: World, document: dict[str, Any]) -> None:
    item = await put(world.hackney, b"x")
    attach(document, item)
    bodies = [json.dumps(document).replace(REF, f"HO-E09000012-2026-00{n:04}").encode() for n in range(4)]
    outcomes = await asyncio.gather(
        *(world.hackney.submit(body, key=str(n)) for n, body in enumerate(bodies)), return_exceptions=True
    )
    lost = [outcome for outcome in outcomes if isinstance(outcome, GatewayError)]
    assert len(lost) == 3
    assert {error.code for error in lost} <= {"attachment_used", "attachment"}
    handovers = await world.hackney.node.store.read(
        lambda tx: tx.handovers(side=Side.ORIGIN, principal=None, before="", limit=9)
    )
    assert len(handovers) == 1


async def test_a_handover_brings_so_many_files_and_no_more(
    world: World, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments, "MAX_OF_HANDOVER", 1)
    items = [await put(world.hackney, b"x") for _ in range(2)]
    assert (await refusal(world, attach(document, *items))).code == "attachments"


async def test_a_name_spelt_with_escapes_is_found_too(world: World, document: dict[str, Any]) -> None:
    item = await put(world.hackney, b"x")
    body = json.dumps(attach(document, item)).replace('"attachments"', '"\\u0061ttachments"').encode()
    await world.hackney.submit(body)
    await world.settle()
    assert await read(view_of(world, "police").attachments[0]) == b"x"


async def test_judging_a_document_touches_no_upload(
    world: World, document: dict[str, Any], dump: Any
) -> None:
    item = await put(world.hackney, b"x")
    before = dump(world.hackney)
    body = json.dumps(attach(document, item)).encode()
    judging.judge(world.hackney.node, body, now=world.clock.now())
    assert dump(world.hackney) == before


# --- On the way ---------------------------------------------------------------------------------------------


async def test_segments_wait_for_receipts_so_that_messages_stay_free(
    world: World, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments, "IN_FLIGHT", 2)
    item = await put(world.hackney, content(5 * SEGMENT))
    await world.hackney.submit(attach(document, item))
    assert await attachments.send(world.hackney.node) == 2
    assert await attachments.send(world.hackney.node) == 0
    await world.settle()
    blob = await world.hackney.node.store.read(lambda tx: tx.blob("", item["blob"]))
    assert (blob.state, blob.sent) == (Blob.SENT, 6)
    assert await read(view_of(world, "police").attachments[0]) == content(5 * SEGMENT)
    held = world.hackney.node.store.memory.tables.segments  # type: ignore[attr-defined]  # the memory store's own
    assert {row.data for row in held.values()} == {b""}


async def test_a_segment_that_nobody_answered_is_sealed_again_and_counted_once(
    world: World, document: dict[str, Any]
) -> None:
    data = content(2 * SEGMENT)
    item = await put(world.hackney, data)
    await world.hackney.submit(attach(document, item))
    await attachments.send(world.hackney.node)
    world.clock.advance(72 * 3600)
    await world.settle()
    assert await read(view_of(world, "police").attachments[0]) == data
    row = await world.bexley.node.store.read(lambda tx: tx.segment("E09000012", item["blob"], 0))
    first = await world.hackney.node.store.read(lambda tx: tx.segment("", item["blob"], 0))
    assert row.mid != first.mid


async def test_the_receipts_of_segments_move_no_leg(world: World, document: dict[str, Any]) -> None:
    """They come in while the handover itself is still on its way."""
    item = await put(world.hackney, content(99))
    await world.hackney.submit(attach(document, item))
    rows = list(world.hackney.node.store.memory.tables.outbox.values())  # type: ignore[attr-defined]  # as above
    (message,) = rows
    await world.hackney.node.store.write(
        lambda tx: tx.advance_outbox(message.id, [Outbound.WAITING], Outbound.WAITING, due=2**40)
    )
    await world.settle()
    assert await world.hackney.node.store.read(lambda tx: tx.segment("", item["blob"], 0))
    states = {leg.state for leg in (await world.hackney.legs(REF)).values()}
    assert states == {"QUEUED"}
    assert await world.bexley.node.store.read(lambda tx: tx.segments("E09000012", item["blob"])) == [0]
    await world.hackney.node.store.write(
        lambda tx: tx.advance_outbox(message.id, [Outbound.WAITING], Outbound.WAITING, due=1)
    )
    await world.settle()
    assert await read(view_of(world, "police").attachments[0]) == content(99)
    ours = await world.bexley.node.store.read(lambda tx: tx.receipts(ref=REF, by=world.bexley.node.principal))
    assert [receipt.state for receipt in ours] == ["received"]


async def test_a_segment_that_the_peer_refuses_is_alarmed(
    world: World, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    item = await put(world.hackney, content(2 * SEGMENT))
    await world.hackney.submit(attach(document, item))
    monkeypatch.setattr(attachments, "MAX_OF_PEER", SEGMENT)
    await world.settle()
    alarms = await world.hackney.node.store.read(lambda tx: tx.alarms())
    (alarm,) = alarms  # one, however many segments
    assert (alarm.code, alarm.peer, alarm.subject) == ("attachment_refused", BEXLEY, "blob_quota")
    refusal = open_receipt(alarm.evidence, net=world.hackney.node.network.net, keyring=keyring_of(world))
    assert (refusal.state, refusal.by) == ("refused", f"{BEXLEY}/node")
    assert {leg.state for leg in (await world.hackney.legs(REF)).values()} == {"DELIVERED"}


async def test_a_node_without_a_key_for_one_peer_serves_the_others(
    world: World, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    item = await put(world.hackney, content(99))
    await world.hackney.submit(attach(document, item))
    world.clock.advance(15 * 24 * 3600)  # every key card has run out
    assert await attachments.send(world.hackney.node) == 0
    row = await world.hackney.node.store.read(lambda tx: tx.blob("", item["blob"]))
    assert (row.state, row.sent) == (Blob.SENDING, 0)


async def test_two_workers_send_each_segment_once(world: World, document: dict[str, Any]) -> None:
    item = await put(world.hackney, content(3 * SEGMENT))
    await world.hackney.submit(attach(document, item))
    done = await asyncio.gather(*(attachments.send(world.hackney.node) for _ in range(3)))
    assert sum(done) == 4
    outbox = world.hackney.node.store.memory.tables.outbox  # type: ignore[attr-defined]  # the memory store's own
    assert len(outbox) == 5


# --- Reading ------------------------------------------------------------------------------------------------


async def begun(file: Attachment) -> tuple[str, list[bytes]]:
    """The code of the refusal, and what had been given out by then."""
    given: list[bytes] = []
    try:
        async for piece in file.pieces():
            given += [piece]
    except GatewayError as error:
        return error.code, given
    return "", given


async def test_a_file_that_has_not_come_whole_is_not_begun(world: World, document: dict[str, Any]) -> None:
    item = await put(world.hackney, content(2 * SEGMENT))
    await world.hackney.submit(attach(document, item))
    await world.settle()
    file = view_of(world, "police").attachments[0]
    tables = world.bexley.node.store.memory.tables  # type: ignore[attr-defined]  # the memory store's own
    tables.segments.pop(("E09000012", item["blob"], 2))
    assert await begun(file) == (attachments.MISSING, [])


async def test_a_changed_byte_at_the_very_end_keeps_the_beginning_back(
    world: World, document: dict[str, Any]
) -> None:
    item = await put(world.hackney, content(2 * SEGMENT))
    await world.hackney.submit(attach(document, item))
    await world.settle()
    file = view_of(world, "police").attachments[0]
    tables = world.bexley.node.store.memory.tables  # type: ignore[attr-defined]  # the memory store's own
    place = ("E09000012", item["blob"], 2)
    row = tables.segments[place]
    tables.segments[place] = replace(row, data=row.data[:-1] + bytes([row.data[-1] ^ 1]))
    assert await begun(file) == ("blob_chunk", [])


async def test_a_delivery_that_waited_for_a_file_goes_on_when_it_is_whole(document: dict[str, Any]) -> None:
    async with two_boroughs() as world:
        desk = world.bexley.desks["police"]
        give = desk.deliver

        async def careful(view: Any, *, key: str) -> Any:
            for file in view.attachments:
                await file.check()
            return await give(view, key=key)

        desk.deliver = careful  # type: ignore[method-assign]
        item = await put(world.hackney, content(99))
        await world.hackney.submit(attach(document, item))
        rows = await world.hackney.node.store.read(lambda tx: tx.sending_blobs(9))
        await world.hackney.node.store.write(
            lambda tx: tx.advance_blob(rows[0], replace(rows[0], state=Blob.READY))
        )
        await world.settle()
        task = await world.bexley.node.store.read(
            lambda tx: next(
                t for leg in tx.legs(REF, 1) if leg.agency == "POLICE" for t in tx.tasks_of(leg.id)
            )
        )
        assert (task.state, task.error) == (Task.WAITING, attachments.MISSING)
        assert task.due > world.clock.now()
        assert "notification-" not in "".join(desk.keys)
        await world.hackney.node.store.write(
            lambda tx: tx.advance_blob(replace(rows[0], state=Blob.READY), rows[0])
        )
        await world.settle()
        assert any(key.startswith("notification-") for key in desk.keys)
        assert (await world.bexley.legs(REF))["police"].opened


async def test_opening_a_file_is_on_record_before_it_is_opened(document: dict[str, Any]) -> None:
    async with two_boroughs(pulling=["police"]) as world:
        data = content(99)
        item = await put(world.hackney, data)
        await world.hackney.submit(attach(document, item))
        await world.settle()
        leg = (await world.bexley.legs(REF))["police"].id
        caller = world.bexley.caller("police")
        file = await consult.open_attachment(
            world.bexley.node, caller, leg, item["blob"], justification="HANDOVER"
        )
        assert await read(file) == data
        (line,) = await world.bexley.node.store.read(
            lambda tx: [row for row in tx.accesses(ref=REF) if row.operation == "CONSULTATION"]
        )
        assert (line.actor, line.justification, line.leg) == ("staff-0001", "HANDOVER", leg)
        assert line.sections == (f"attachment/{item['blob']}",)


async def test_only_the_readers_of_the_section_open_it(document: dict[str, Any]) -> None:
    async with two_boroughs() as world:
        item = await put(world.hackney, content(99))
        await world.hackney.submit(attach(document, item))
        await world.settle()
        legs = await world.bexley.legs(REF)
        for role, leg, blob, code in (
            ("housing", legs["housing"].id, item["blob"], "no_attachment"),
            ("housing", legs["police"].id, item["blob"], "no_leg"),
            ("police", legs["police"].id, "0" * 32, "no_attachment"),
            ("police", "0" * 32, item["blob"], "no_leg"),
        ):
            with pytest.raises(NotFound) as caught:
                await consult.open_attachment(
                    world.bexley.node, world.bexley.caller(role), leg, blob, justification="HANDOVER"
                )
            assert caught.value.code == code
        with pytest.raises(NotFound):  # a leg of ours at the origin is no leg to read
            await consult.open_attachment(
                world.hackney.node,
                world.hackney.caller("police"),
                legs["police"].id,
                item["blob"],
                justification="HANDOVER",
            )


async def test_a_handover_that_is_shredded_takes_its_files_with_it(
    world: World, document: dict[str, Any], answer_all: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = await put(world.hackney, content(99))
    await world.hackney.submit(attach(document, item))
    monkeypatch.setattr(attachments, "AT_ONCE", 0)
    await world.settle()
    await answer_all(world, REF)
    await world.settle()
    by = shred.Person("dpo-7")
    with pytest.raises(Conflict) as caught:  # its file is not on its way yet
        await shred.shred(world.hackney.node, by, REF, justification="ERASURE_REQUEST")
    assert caught.value.code == "not_settled"
    monkeypatch.undo()
    await world.settle()
    file = view_of(world, "police").attachments[0]
    assert await read(file) == content(99)
    for borough in world.boroughs:
        await shred.shred(borough.node, by, REF, justification="ERASURE_REQUEST")
        tables = borough.node.store.memory.tables  # type: ignore[attr-defined]  # the memory store's own
        assert (tables.blobs, tables.segments) == ({}, {})
    leg = (await world.bexley.legs(REF))["police"].id
    with pytest.raises(NotFound) as gone:
        await consult.open_attachment(
            world.bexley.node, world.bexley.caller("police"), leg, item["blob"], justification="AUDIT"
        )
    assert gone.value.code == "shredded"


async def test_a_section_that_is_shredded_alone_takes_the_key_of_its_files(
    world: World, document: dict[str, Any], answer_all: Any
) -> None:
    item = await put(world.hackney, content(99))
    await world.hackney.submit(attach(document, item))
    await world.settle()
    await answer_all(world, REF)
    await world.settle()
    await shred.shred(
        world.bexley.node, shred.Person("dpo-7"), REF, section="orders", others=True, justification="AUDIT"
    )
    assert await world.bexley.node.store.read(lambda tx: tx.segments("E09000012", item["blob"])) == [0]
    leg = (await world.bexley.legs(REF))["police"].id
    with pytest.raises(NotFound) as gone:
        await consult.open_attachment(
            world.bexley.node, world.bexley.caller("police"), leg, item["blob"], justification="AUDIT"
        )
    assert gone.value.code in {"no_attachment", "shredded"}


async def test_what_is_forgotten_is_gone_on_both_sides(world: World, document: dict[str, Any]) -> None:
    item = await put(world.hackney, content(99))
    await world.hackney.submit(attach(document, item))
    await world.settle()
    for borough in world.boroughs:
        assert await borough.node.store.write(lambda tx: attachments.forget(tx, REF, 1)) == 1
        assert await borough.node.store.write(lambda tx: attachments.forget(tx, REF, 1)) == 0
    with pytest.raises(Unavailable):
        await read(view_of(world, "police").attachments[0])


def test_the_example_names_no_attachment() -> None:
    assert not attachments.mentioned(minimal_example().encode())
    assert {"blob", "name", "media_type", "size"} == retrieve.SHOWN
