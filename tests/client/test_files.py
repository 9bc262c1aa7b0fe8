"""Files that came with a relayed handover: sealed at the node, opened on the agency's side."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from gateway.core.blob import SEGMENT
from gateway.errors import NotFound, Refused, Unavailable
from gateway.flows import uploads
from gateway.ports import Parcel

DATA = b"".join(b"Fictional court order, page %d.\n" % page for page in range(SEGMENT // 20))


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), 100_000):
        yield data[at : at + 100_000]


async def attached(side: Any, document: Any, data: bytes = DATA) -> str:
    """A handover whose orders, which the police read, name one file. Returns the blob's id."""
    hackney = side.world.hackney
    row = await uploads.upload(hackney.node, hackney.caller("community_safety"), "text/plain", pieces(data))
    item = {"blob": row.blob, "name": "order.txt", "media_type": row.media_type, "size": row.size}
    document["orders"][0]["attachments"] = [item]
    await side.send(document)
    return str(row.blob)


async def test_the_adapter_is_given_the_file_and_no_key(side: Any, document: Any) -> None:
    agent = await side.ready()
    blob = await attached(side, document)
    await agent.turn()
    (view,) = [view for _, view in side.desk.given if view.kind is Parcel.NOTIFICATION]
    (file,) = view.attachments
    assert (file.blob, file.name, file.media_type, file.size) == (blob, "order.txt", "text/plain", len(DATA))
    assert b"".join([piece async for piece in file.pieces()]) == DATA
    (order,) = view.content["view"]["orders"]
    assert set(order["attachments"][0]) == {"blob", "name", "media_type", "size"}


async def test_bytes_that_the_node_altered_are_given_to_nobody(side: Any, document: Any) -> None:
    agent = await side.ready()
    await attached(side, document)
    await agent.turn()
    ((_, view),) = [given for given in side.desk.given if given[1].kind is Parcel.NOTIFICATION]
    (file,) = view.attachments
    real = file._fetch

    async def altered(blob: str, no: int) -> bytes:
        data = await real(blob, no)
        return data[:-1] + bytes([data[-1] ^ 1]) if no else data

    object.__setattr__(file, "_fetch", altered)
    with pytest.raises(Refused):
        await anext(file.pieces())  # before the first piece


async def test_what_has_not_come_is_asked_for_again_and_what_is_not_its_own_is_not_there(
    side: Any, document: Any
) -> None:
    agent = await side.ready()
    blob = await attached(side, document)
    client, leg = agent.client, (await side.leg(document["message"]["handover_id"])).id
    parcel = f"notification-{leg}"
    assert await client.segment(parcel, blob, 0)
    for name, no in (("ab" * 16, 0), (blob, 7)):
        with pytest.raises(Unavailable) as missing:
            await client.segment(parcel, name, no)
        assert missing.value.code == "attachment_missing"
    with pytest.raises(NotFound):
        await client.segment("notification-" + "ab" * 16, blob, 0)
    row = await side.node.store.read(lambda tx: tx.leg(leg))
    await side.node.store.write(lambda tx: _of_another(tx, row, blob))
    with pytest.raises(NotFound) as foreign:
        await client.segment(parcel, blob, 0)
    assert foreign.value.code == "no_attachment"


def _of_another(tx: Any, leg: Any, blob: str) -> None:
    """The same blob, as if it belonged to another version."""
    row = tx.blob(leg.counterpart.partition("/")[0], blob)
    assert tx.advance_blob(row, replace(row, version=2))


async def test_a_file_that_is_missing_holds_back_the_receipt_and_not_the_agent(
    side: Any, document: Any
) -> None:
    """As `file_drop` does: it raises Unavailable until the file is there."""
    agent = await side.ready()
    blob = await attached(side, document)
    real = side.desk.deliver

    async def carrying(view: Any, *, key: str) -> Any:
        for file in view.attachments:
            await file.check()
        return await real(view, key=key)

    side.desk.deliver = carrying
    fetch, missing = agent.client.segment, [Unavailable("not yet", code="attachment_missing")]

    async def late(parcel: str, name: str, no: int) -> bytes:
        if missing:
            raise missing.pop()
        return await fetch(parcel, name, no)

    agent.client.segment = late
    await agent.turn()
    assert not side.desk.given
    await agent.turn()
    assert len(side.desk.given) == 1
    assert blob
