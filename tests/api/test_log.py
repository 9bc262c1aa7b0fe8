"""The log for anybody: every answer is checked here as a stranger would, with the directory alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.api import shapes
from gateway.core.encoding import b64, unb64
from gateway.core.log import Checkpoint, log_keyring, open_checkpoint, origin, own_line
from gateway.core.merkle import leaf_hash, root_of, verify_consistency, verify_inclusion
from gateway.core.witness import make_cosignature, open_cosigned
from gateway.flows import metrics
from gateway.flows.logbook import MAX_LEAVES
from gateway.ports import CosignatureRow, Transaction, WitnessRow
from keys_example import unlocked
from tests.api.conftest import CANARY, Desk

NAMED = ("mid", "stmt", "env", "receipt", "by", "state", "id", "h")
"""What a leaf may say beside its kind and its time: ids, hashes and codes."""


async def ask(desk: Desk, path: str) -> dict[str, Any]:
    """Without a token, as anybody."""
    status, body, headers = await desk.call("GET", path, role=None, actor=False)
    assert status == 200, body
    assert headers["Content-Type"].startswith("application/json")
    return dict(body)


async def checkpoint(desk: Desk) -> Checkpoint:
    body = await ask(desk, "/v1/log/checkpoint")
    shapes.Checkpoint.model_validate(body)
    opened = opened_by_a_stranger(desk, body["note"])
    assert (body["origin"], body["size"], body["root"]) == (opened.origin, opened.size, b64(opened.root))
    return opened


def opened_by_a_stranger(desk: Desk, note: str) -> Checkpoint:
    network = desk.node.network
    return open_checkpoint(note.encode(), origin(network.net, desk.node.area), log_keyring(network))


async def append(desk: Desk, *leaves: bytes) -> None:
    await desk.node.store.write(lambda tx: [tx.append_log(leaf) for leaf in leaves])


async def test_every_leaf_of_a_handover_is_read_and_proven_without_a_token(
    desk: Desk, document: dict[str, Any]
) -> None:
    document["core"]["family_name"] = CANARY
    assert (await desk.submit(document))[0] == 202
    signed = await checkpoint(desk)
    body = await ask(desk, "/v1/log/leaves")
    shapes.Leaves.model_validate(body)
    assert [one["index"] for one in body["leaves"]] == list(range(signed.size))
    assert signed.size > 0
    assert root_of(leaf_hash(one["leaf"].encode()) for one in body["leaves"]) == signed.root
    for one in body["leaves"]:
        proven = await ask(desk, f"/v1/log/proof/inclusion?index={one['index']}")
        shapes.Inclusion.model_validate(proven)
        assert proven["leaf"] == one["leaf"]
        assert opened_by_a_stranger(desk, proven["checkpoint"]) == signed
        verify_inclusion(
            leaf_hash(proven["leaf"].encode()),
            proven["index"],
            signed.size,
            [unb64(text) for text in proven["proof"]],
            signed.root,
        )
        assert set(json.loads(one["leaf"])) <= {"t", "at", *NAMED}
    assert CANARY not in json.dumps(body)


async def test_two_checkpoints_are_proven_to_be_one_history(desk: Desk, clock: Any) -> None:
    await append(desk, b"{}", b"[1]", b"[2]")
    before = await checkpoint(desk)
    await append(desk, b"[3]", b"[4]")
    clock.advance(1)
    after = await checkpoint(desk)
    assert (before.size, after.size) == (3, 5)
    body = await ask(desk, "/v1/log/proof/consistency?first=3&second=5")
    shapes.Consistency.model_validate(body)
    assert (body["first"], body["second"]) == (3, 5)
    verify_consistency(3, before.root, 5, after.root, [unb64(text) for text in body["proof"]])
    assert (await ask(desk, "/v1/log/proof/consistency?first=5&second=5"))["proof"] == []


async def test_leaves_come_in_pages_and_bytes_come_as_they_are(desk: Desk) -> None:
    await append(desk, *('{"ü":%d}'.encode() % number for number in range(120)))
    assert len((await ask(desk, "/v1/log/leaves"))["leaves"]) == 100
    body = await ask(desk, "/v1/log/leaves?start=118&limit=5")
    assert body["leaves"] == [{"index": 118, "leaf": '{"ü":118}'}, {"index": 119, "leaf": '{"ü":119}'}]
    assert (await ask(desk, "/v1/log/leaves?start=120"))["leaves"] == []
    assert (await ask(desk, f"/v1/log/leaves?limit={MAX_LEAVES}&start=999999999999999"))["leaves"] == []


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("proof/inclusion", 400, "index"),
        ("proof/inclusion?index=-1", 400, "index"),
        ("proof/inclusion?index=1.0", 400, "index"),
        ("proof/inclusion?index=1000000000000000", 400, "index"),
        ("proof/inclusion?index=3", 404, "index"),
        ("proof/inclusion?index=1&size=2", 400, ""),
        ("proof/consistency?first=1", 400, "second"),
        ("proof/consistency?second=3", 400, "first"),
        ("proof/consistency?first=0&second=3", 400, "first"),
        ("proof/consistency?first=3&second=2", 400, "first"),
        ("proof/consistency?first=0&second=0", 400, "second"),
        ("proof/consistency?first=1&second=4", 404, "second"),
        (f"leaves?limit={MAX_LEAVES + 1}", 400, "limit"),
        ("leaves?limit=0", 400, "limit"),
        ("leaves?start=x", 400, "start"),
        ("checkpoint?size=1", 400, ""),
    ],
)
async def test_attack_105_a_size_or_index_that_is_none_is_refused(
    desk: Desk, path: str, status: int, field: str
) -> None:
    await append(desk, b"{}", b"[1]", b"[2]")
    await checkpoint(desk)
    answered, body, _ = await desk.call("GET", f"/v1/log/{path}", role=None, actor=False)
    assert (answered, body.get("field", "")) == (status, field)
    assert body["remedy"]


async def test_attack_106_a_log_that_shrank_gives_no_checkpoint_and_says_nothing(
    desk: Desk, clock: Any
) -> None:
    await append(desk, b"{}", b"[1]")
    await checkpoint(desk)
    desk.node.store.memory.tables.log.pop()  # type: ignore[attr-defined]  # whoever gets at the database
    clock.advance(1)
    status, body, _ = await desk.call("GET", "/v1/log/checkpoint", role=None, actor=False)
    assert (status, body["code"]) == (500, "log_shrunk")
    assert "fewer" not in json.dumps(body)


async def test_what_peers_cosigned_is_shown_with_their_lines(desk: Desk, clock: Any) -> None:
    await append(desk, b"{}", b"[1]")
    signed = await checkpoint(desk)
    assert (await ask(desk, "/v1/log/checkpoint"))["cosigned"] == []
    network, own = desk.node.network, desk.node.area
    peer = next(area for area in network.areas if area != own)
    at = clock.now()
    line = make_cosignature(unlocked(peer).log_signer(peer), signed, net=network.net, area=peer, at=at).line

    def returned(tx: Transaction) -> None:
        for area, text in ((own, own_line(signed)), (peer, line)):
            row = CosignatureRow(signed.origin, signed.size, signed.root, area, at, text.encode())
            tx.put_cosignature(row)
        tx.put_witness(WitnessRow(peer, size=signed.size))

    await desk.node.store.write(returned)
    body = await ask(desk, "/v1/log/checkpoint")
    shapes.Checkpoint.model_validate(body)
    for note in (body["note"], *body["cosigned"]):
        found = open_cosigned(note.encode(), signed.origin, network)
        assert (found.checkpoint, dict(found.times)) == (signed, {peer: at})
    clock.advance(1)
    await append(desk, b"[2]")
    body = await ask(desk, "/v1/log/checkpoint")
    assert open_cosigned(body["note"].encode(), signed.origin, network).cosignatures == ()
    assert len(body["cosigned"]) == 1
    page = await metrics.Metrics().page(desk.node)
    assert f"gateway_log_cosigned_leaves {float(signed.size)}\n".encode() in page
