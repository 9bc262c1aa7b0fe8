"""The anchor as a file, and a node that starts on an older database."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.anchor import NAME, AnchorFile
from gateway.core.encoding import decode_object
from gateway.errors import Misconfigured, Unavailable
from gateway.flows import anchor
from gateway.flows.node import Node
from gateway.flows.runtime import running
from gateway.stores import open_store
from gateway.testing.boroughs import BEXLEY, World, two_boroughs
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

    def full(_: bytes) -> None:
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
