"""The anchor as a file, and a node that starts on an older database."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.anchor import NAME, AnchorFile
from gateway.core.encoding import decode_object
from gateway.errors import GatewayError, Misconfigured, Unavailable
from gateway.flows import anchor
from gateway.flows.dispatch import BULK, dispatch, pack
from gateway.flows.node import Node, Pace
from gateway.flows.runtime import running
from gateway.ports import Outgoing
from gateway.stores import open_store
from gateway.testing.boroughs import BEXLEY, Borough, World, two_boroughs
from gateway.testing.restoring import MemoryAnchor, Taps, back_up, restored


def held(node: Node, content: bytes | None) -> Mapping[str, Any]:
    assert content is not None
    return decode_object(content)


def test_the_file_is_private_replaced_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    place = AnchorFile(tmp_path / NAME)
    assert place.read() is None
    for content in (b"first", b"second"):
        place.write(content)
        assert place.read() == content
        assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600
        assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_file_that_others_can_read_is_not_believed(tmp_path: Path) -> None:
    AnchorFile(tmp_path / NAME).write(b"x")
    (tmp_path / NAME).chmod(0o644)
    with pytest.raises(Misconfigured) as refused:
        AnchorFile(tmp_path / NAME).read()
    assert refused.value.code == "key_mode"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as refused:
        AnchorFile(tmp_path / "gone" / NAME).write(b"x")
    assert (refused.value.code, bool(refused.value.remedy)) == ("anchor_unwritable", True)


async def test_it_follows_the_log_and_a_place_that_cannot_be_written_stops_nothing(
    world: World, document: Any
) -> None:
    place = MemoryAnchor()
    node = replace(world.hackney.node, anchor=place)
    assert not await anchor.weigh(node)
    assert held(node, place.content) == {"v": 1, "size": 0, "leaf": ""}
    await world.hackney.submit(document)
    await anchor.drop(node)
    size = await node.store.read(lambda tx: tx.log_size())
    assert size > 0
    assert held(node, place.content)["size"] == size
    assert not await anchor.weigh(node)
    before = place.content

    def full(_: bytes, **__: bool) -> None:
        raise Misconfigured("full", code="anchor_unwritable")

    place.write = full  # type: ignore[method-assign]  # a disk that is full
    await world.settle()
    await anchor.drop(node)
    assert place.content == before
    node.store.read = _away  # type: ignore[method-assign]  # a database that is away
    await anchor.drop(node)


async def _away(_: object) -> Any:
    raise Unavailable("away", code="store_lost")


async def test_a_log_of_the_same_length_with_another_leaf_is_an_older_one(
    world: World, document: Any
) -> None:
    place = MemoryAnchor()
    node = replace(world.hackney.node, anchor=place)
    await world.hackney.submit(document)
    await world.settle()
    size = await node.store.read(lambda tx: tx.log_size())
    place.content = b'{"leaf":"%s","size":%d,"v":1}' % (b"A" * 43 + b"=", size)
    (before,) = await node.store.read(lambda tx: tx.streams(outgoing=True))
    assert await anchor.weigh(node)
    (after,) = await node.store.read(lambda tx: tx.streams(outgoing=True))
    assert (after.seq, after.stream != before.stream) == (0, True)
    assert not await anchor.weigh(node)  # the anchor is where the log stands now


async def test_a_node_that_stops_leaves_its_anchor_where_the_log_ended(document: Any) -> None:
    place = MemoryAnchor()
    async with two_boroughs() as world:
        node = replace(world.bexley.node, anchor=place)
        async with running(node, accept=lambda _: None):
            first = held(node, place.content)["size"]
            await node.store.write(lambda tx: tx.append_log(b'{"at":1,"t":"x"}'))
            size = await node.store.read(lambda tx: tx.log_size())
        assert first < size <= held(node, place.content)["size"]


async def test_what_is_published_is_covered_before_anybody_can_have_seen_it(
    document: Any, tmp_path: Path
) -> None:
    """No sweep comes between: the node is killed in the moment in which its message is with the broker, and
    the backup of a moment before is put back."""
    path, copy, taps, place = tmp_path / "b.db", tmp_path / "copy.db", Taps(), AnchorFile(tmp_path / NAME)
    stores = {BEXLEY: lambda: open_store(f"sqlite:///{path}")}
    async with two_boroughs(stores=stores, wrap=taps.wrap) as world:
        await world.hackney.submit(document)
        await world.settle()
        back_up(path, copy)
        leg = (await world.bexley.legs(document["message"]["handover_id"]))["police"]
        await world.bexley.answer("police", leg.id)
        node = replace(world.bexley.node, anchor=place)
        await pack(node)
        assert await dispatch(node, BULK) > 0
        size = await node.store.read(lambda tx: tx.log_size())
        assert held(node, place.read())["size"] == size
        async with restored(world, path, copy, taps, place) as bexley:
            (row,) = await bexley.node.store.read(lambda tx: tx.streams(outgoing=True))
            (alarm,) = await bexley.node.store.read(lambda tx: tx.alarms())
            assert (row.seq, alarm.code) == (0, "restored")


async def test_a_database_that_goes_back_under_a_running_node_ends_it_before_it_sends(
    document: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fail-over to a copy that lacks the last commits: nobody restarts the node for it."""
    async with two_boroughs(pace=Pace(poll=0.01, sweep=60)) as world:
        node = replace(world.hackney.node, anchor=MemoryAnchor())
        world.hackney = Borough(node, world.hackney.desks)
        memory, published = node.store.memory, list[str]()  # type: ignore[attr-defined]  # the memory store's own
        real = node.transport.publish

        async def publish(message: Outgoing) -> None:
            await real(message)
            published.append(message.message_id)

        monkeypatch.setattr(node.transport, "publish", publish)
        before, went = memory.tables.copy(), list[str]()

        async def go_back() -> None:
            nonlocal went
            async with running(node, accept=lambda _: None):
                await world.hackney.submit(document, key="a")
                async with asyncio.timeout(20):
                    while not published:  # noqa: ASYNC110 - a broker tells nobody
                        await asyncio.sleep(0.005)
                await asyncio.sleep(0.1)  # whatever else a start has to say is out
                memory.tables, went = before, [*published]
                await world.hackney.submit(document, key="b")
                await asyncio.sleep(20)

        with pytest.raises(GatewayError) as ended:
            await go_back()
        assert ended.value.code == "pump_ended"
        assert getattr(ended.value.__cause__, "code", "") == "database_older"
        assert went == published
        assert went
        await node.store.start()
        assert await anchor.weigh(node), "and the next start begins new streams"


async def test_of_two_pumps_the_slower_takes_nothing_back(world: World, document: Any) -> None:
    place = MemoryAnchor()
    node = replace(world.hackney.node, anchor=place)
    early = await node.store.read(anchor.content_of)
    await world.hackney.submit(document)
    late = await node.store.read(anchor.content_of)
    for content, stands in ((early, early), (late, late), (early, late)):
        anchor.note(node, content)
        assert place.content == stands


async def test_an_anchor_that_cannot_be_read_stops_no_message(world: World, document: Any) -> None:
    place = MemoryAnchor()
    node = replace(world.hackney.node, anchor=place)
    await world.hackney.submit(document)

    def away() -> bytes:
        raise Misconfigured("away", code="key_mode")

    place.read = away  # type: ignore[method-assign]  # somebody has changed its mode
    assert await dispatch(node, BULK) == 1


async def test_a_node_that_starts_on_a_backup_begins_new_streams_before_anything_is_sent(
    document: Any, tmp_path: Path
) -> None:
    path, copy, taps, place = tmp_path / "b.db", tmp_path / "copy.db", Taps(), AnchorFile(tmp_path / NAME)
    stores = {BEXLEY: lambda: open_store(f"sqlite:///{path}")}
    async with two_boroughs(stores=stores, wrap=taps.wrap) as world:
        await world.hackney.submit(document)
        await world.settle()
        back_up(path, copy)
        ref = document["message"]["handover_id"]
        for role, leg in (await world.bexley.legs(ref)).items():
            await world.bexley.answer(role, leg.id)
        await world.settle()
        await anchor.drop(replace(world.bexley.node, anchor=place))
        async with restored(world, path, copy, taps, place) as bexley:
            (row,) = await bexley.node.store.read(lambda tx: tx.streams(outgoing=True))
            assert row.seq == 0
            (alarm,) = await bexley.node.store.read(lambda tx: tx.alarms())
            assert (alarm.code, alarm.peer) == ("restored", BEXLEY)
