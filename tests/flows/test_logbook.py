"""The node signs one history only; what it shows can be checked by anybody, offline."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.core.encoding import b64
from gateway.core.log import log_keyring, open_checkpoint, origin
from gateway.core.merkle import EMPTY, leaf_hash, root_of, verify_consistency, verify_inclusion
from gateway.errors import GatewayError, Malformed, Misconfigured, NotFound
from gateway.flows import logbook
from gateway.flows.node import Node
from gateway.testing.boroughs import Borough, World


@pytest.fixture
def node(world: World) -> Node:
    return world.hackney.node


async def append(node: Node, *leaves: bytes) -> None:
    await node.store.write(lambda tx: [tx.append_log(leaf) for leaf in leaves])


async def grow(world: World, count: int = 3) -> None:
    """Leaves, and time for a new checkpoint."""
    await append(world.hackney.node, *(b'{"n":%d}' % number for number in range(count)))
    world.clock.advance(1)


def rows(node: Node) -> list[tuple[bytes, str]]:
    """The memory store's own table, for whoever gets at the database."""
    table: list[tuple[bytes, str]] = node.store.memory.tables.log  # type: ignore[attr-defined]  # see above
    return table


async def refused(node: Node, code: str) -> None:
    """Nothing is signed, somebody is called, and what was signed before still stands."""
    name = origin(node.network.net, node.area)
    before = await node.store.read(lambda tx: tx.checkpoint(name))
    with capture_logs() as logs, pytest.raises(GatewayError) as error:
        await logbook.checkpoint(node)
    assert (error.value.code, type(error.value)) == (code, GatewayError)
    assert error.value.remedy
    assert [(line["log_level"], line["code"]) for line in logs] == [("critical", code)]
    assert await node.store.read(lambda tx: tx.checkpoint(name)) == before


# --- the checkpoint ---------------------------------------------------------------------------------


async def test_the_checkpoint_is_of_all_leaves_and_signed_by_the_log_key(world: World, node: Node) -> None:
    empty = await logbook.checkpoint(node)
    assert (empty.size, empty.root) == (0, EMPTY)
    await grow(world, 5)
    signed = await logbook.checkpoint(node)
    leaves = await logbook.leaves(node, 0, 99)
    assert (signed.size, signed.root) == (5, root_of(leaf_hash(leaf) for _, leaf in leaves))
    name = origin(node.network.net, node.area)
    assert open_checkpoint(signed.note, name, log_keyring(node.network)) == signed
    assert log_keyring(node.network)(name) == (node.network.node(node.area).log,)


async def test_at_most_one_a_second_and_none_without_news(world: World, node: Node) -> None:
    await append(node, b"0")
    first = await logbook.checkpoint(node)
    await append(node, b"1")
    assert await logbook.checkpoint(node) == first
    world.clock.advance(1)
    second = await logbook.checkpoint(node)
    assert second.size == 2
    world.clock.advance(1000)
    assert await logbook.checkpoint(node) == second


async def test_a_clock_that_was_set_back_does_not_stop_the_log(world: World, node: Node) -> None:
    await append(node, b"0")
    await logbook.checkpoint(node)
    await append(node, b"1")
    earlier = dataclasses.replace(node, clock=type(world.clock)(world.clock.now() - 86_400))
    assert (await logbook.checkpoint(earlier)).size == 2


async def test_a_node_that_starts_again_goes_on_from_what_it_signed(world: World, node: Node) -> None:
    await grow(world)
    before = await logbook.checkpoint(node)
    again = dataclasses.replace(node)  # nothing is kept but in the store
    assert await logbook.checkpoint(again) == before
    await grow(world)
    after = await logbook.checkpoint(again)
    proof = await logbook.consistency(again, before.size, after.size)
    verify_consistency(before.size, before.root, after.size, after.root, proof)


@pytest.mark.parametrize("left", [0, 2])
async def test_attack_106_a_log_that_shrank_is_not_signed_and_is_alarmed(
    world: World, node: Node, left: int
) -> None:
    await grow(world)
    await logbook.checkpoint(node)
    del rows(node)[left:]
    world.clock.advance(1)
    await refused(node, "log_shrunk")


@pytest.mark.parametrize("more", [0, 1, 5])
@pytest.mark.parametrize("change", ["edit", "swap", "insert", "remove"])
async def test_attack_106_another_history_is_not_signed_and_is_alarmed(
    world: World, node: Node, change: str, more: int
) -> None:
    await grow(world, 5)
    await logbook.checkpoint(node)
    table = rows(node)
    if change == "edit":
        table[2] = (b'{"n":9}', "")
    elif change == "swap":
        table[1], table[2] = table[2], table[1]
    elif change == "insert":
        table.insert(0, (b"{}", ""))
    else:
        del table[0]
        table.append((b"{}", ""))
    if more:
        await grow(world, more)
    world.clock.advance(1)
    await refused(node, "log_forked")
    world.clock.advance(1)
    await refused(node, "log_forked")  # it does not come right by asking again


async def test_attack_110_two_that_sign_at_once_show_one_and_never_roll_back(
    world: World, node: Node
) -> None:
    """The slower one looked at a smaller tree; what the quicker one signed stays."""
    await grow(world)
    await logbook.checkpoint(node)
    await grow(world)
    real, slow = node.store.write, asyncio.Event()

    async def write(work: Any, *, first: bool = False) -> Any:
        await slow.wait()
        return await real(work)

    behind = _Writes(node.store, write)
    held = dataclasses.replace(node, store=behind)  # type: ignore[arg-type]  # it reads and writes, no more
    waiting = asyncio.create_task(logbook.checkpoint(held))
    await behind.waiting.wait()
    await append(node, b"newer")
    quick = await logbook.checkpoint(node)
    slow.set()
    assert await waiting == quick
    assert quick.size == 7
    assert await logbook.checkpoint(node) == quick


class _Writes:
    """A store whose writes wait until they are let go."""

    def __init__(self, store: Any, write: Any) -> None:
        self.read, self._write, self.waiting = store.read, write, asyncio.Event()

    async def write(self, work: Any, *, first: bool = False) -> Any:
        self.waiting.set()
        return await self._write(work)


async def test_attack_111_a_log_key_that_the_directory_does_not_have_signs_nothing(
    world: World, node: Node
) -> None:
    await grow(world)

    class Mixed:
        """A key store in which the two keys were mixed up."""

        def log_signer(self, area: str) -> Any:
            return node.keys.signer(f"{area}/node")

    mixed = dataclasses.replace(node, keys=Mixed())  # type: ignore[arg-type]  # no other key is asked for
    with pytest.raises(Misconfigured) as error:
        await logbook.checkpoint(mixed)
    assert error.value.code == "log_key"
    assert error.value.remedy
    assert (await logbook.checkpoint(node)).size == 3


async def test_a_stored_checkpoint_that_does_not_verify_is_not_shown(world: World, node: Node) -> None:
    await grow(world)
    signed = await logbook.checkpoint(node)
    tables = node.store.memory.tables  # type: ignore[attr-defined]  # the memory store's own
    row = tables.checkpoints[signed.origin]
    tables.checkpoints[signed.origin] = dataclasses.replace(row, note=row.note.replace(b"\n3\n", b"\n4\n"))
    with capture_logs() as logs, pytest.raises(Misconfigured) as error:
        await logbook.checkpoint(node)
    assert (error.value.code, logs[0]["code"]) == ("log_key", "signature")


# --- proofs -----------------------------------------------------------------------------------------


async def test_every_leaf_is_proven_under_the_checkpoint(world: World, node: Node) -> None:
    await grow(world, 11)
    signed = await logbook.checkpoint(node)
    await append(node, b"later")
    for one in await logbook.prove(node, signed, range(11)):
        verify_inclusion(leaf_hash(one.leaf), one.index, signed.size, one.proof, signed.root)
    for index in (11, 12, -1):
        with pytest.raises(NotFound) as error:
            await logbook.prove(node, signed, [index])
        assert error.value.code == "no_leaf"


async def test_a_leaf_that_was_changed_is_not_proven(world: World, node: Node) -> None:
    await grow(world, 4)
    signed = await logbook.checkpoint(node)
    rows(node)[1] = (b'{"n":9}', "")
    with capture_logs() as logs, pytest.raises(GatewayError) as error:
        await logbook.prove(node, signed, [1])
    assert error.value.code == "log_broken"
    assert [(line["log_level"], line["index"]) for line in logs] == [("critical", 1)]


async def test_consistency_is_shown_up_to_the_checkpoint_and_no_further(world: World, node: Node) -> None:
    with pytest.raises(NotFound):
        await logbook.consistency(node, 1, 1)  # nothing was signed yet
    await grow(world, 6)
    signed = await logbook.checkpoint(node)
    await append(node, b"later")
    leaves = [leaf_hash(leaf) for _, leaf in await logbook.leaves(node, 0, 6)]
    for first in range(1, 7):
        proof = await logbook.consistency(node, first, 6)
        verify_consistency(first, root_of(leaves[:first]), 6, signed.root, proof)
    with pytest.raises(NotFound) as error:
        await logbook.consistency(node, 1, 7)
    assert error.value.field == "second"
    for first, second in ((0, 6), (4, 3)):
        with pytest.raises(Malformed):
            await logbook.consistency(node, first, second)


async def test_every_message_and_receipt_of_a_handover_is_found_and_proven(
    world: World, document: Any, answer_all: Any
) -> None:
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    await answer_all(world, ref)
    await world.settle()
    for borough in world.boroughs:
        await _all_found(borough, ref)


async def _all_found(borough: Borough, ref: str) -> None:
    node = borough.node
    signed = await logbook.checkpoint(node)
    receipts = await node.store.read(lambda tx: tx.receipts(ref=ref))
    assert len(receipts) > 20
    for row in receipts:
        (index,) = await logbook.places_of(node, receipt=row.hash)
        (one,) = await logbook.prove(node, signed, [index])
        leaf = json.loads(one.leaf)
        assert (leaf["t"], leaf["receipt"], leaf["by"]) == ("receipt", b64(row.hash), row.by)
        assert (leaf["mid"], leaf["state"]) == (row.mid, row.state)
    for mid in {row.mid for row in receipts}:
        indexes = await logbook.places_of(node, mid=mid)
        kinds = [json.loads(one.leaf)["t"] for one in await logbook.prove(node, signed, indexes)]
        assert kinds[0] in {"sent", "received"}
        assert kinds.count("receipt") == len([row for row in receipts if row.mid == mid])


async def test_what_is_not_in_the_log_is_not_found(world: World, node: Node, document: Any) -> None:
    await world.hackney.submit(document)
    await node.store.write(lambda tx: tx.append_log(b"no json", mid="f" * 32))
    for about in ({"mid": "0" * 32}, {"mid": "f" * 32}, {"mid": ""}, {"receipt": bytes(32)}, {}):
        with pytest.raises(NotFound) as error:
            await logbook.places_of(node, **about)  # type: ignore[arg-type]  # one of the two
        assert error.value.code == "no_leaf"


async def test_leaves_come_in_order_and_not_without_end(
    world: World, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    await grow(world, 5)
    assert [index for index, _ in await logbook.leaves(node, 2, 2)] == [2, 3]
    monkeypatch.setattr(logbook, "MAX_LEAVES", 3)
    assert [index for index, _ in await logbook.leaves(node, 0, 99)] == [0, 1, 2]
