"""Opening many envelopes leaves room for everybody else: the event loop goes round between them."""

from __future__ import annotations

import asyncio
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.core.envelope import bundle
from gateway.flows import receive, turns
from gateway.ports import Lane

MANY = 60


def delivery(lane: Lane, bodies: list[bytes]) -> Any:
    async def ack() -> None: ...

    return SimpleNamespace(body=bundle(bodies), lane=lane, sender=None, ack=ack)


async def opened(monkeypatch: pytest.MonkeyPatch, *deliveries: Any) -> list[tuple[bytes, int]]:
    """Each envelope, and in which turn of the event loop it was opened."""
    monkeypatch.setattr(turns, "AT_ONCE", 1)
    node: Any = SimpleNamespace(turns={lane: turns.Turns() for lane in Lane})
    seen: list[tuple[bytes, int]] = []
    count = 0

    async def accept(_: Any, envelope: bytes, **__: Any) -> None:
        seen.append((envelope, count))

    async def tick() -> None:
        nonlocal count
        while True:
            count += 1
            await asyncio.sleep(0)

    monkeypatch.setattr(receive, "accept", accept)
    ticking = asyncio.create_task(tick())
    await asyncio.gather(*(receive.receive(node, one) for one in deliveries))
    ticking.cancel()
    return seen


async def test_the_envelopes_of_a_bundle_and_of_many_messages_are_opened_in_turns_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = delivery(Lane.STANDARD, [b"%d" % number for number in range(MANY)])
    single = [delivery(Lane.STANDARD, [b"one"]) for _ in range(MANY)]
    seen = await opened(monkeypatch, whole, *single)
    assert len(seen) == 2 * MANY
    assert max(Counter(turn for _, turn in seen).values()) == 1


async def test_an_urgent_envelope_has_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    bulk = delivery(Lane.STANDARD, [b"%d" % number for number in range(MANY)])
    seen = await opened(monkeypatch, bulk, delivery(Lane.URGENT, [b"urgent"]))
    assert [envelope for envelope, _ in seen].index(b"urgent") < 4


async def test_so_many_go_on_at_once_and_the_rest_after_a_look_at_the_sockets() -> None:
    line, done = turns.Turns(), list[int]()

    async def one(number: int) -> None:
        await line.wait()
        done.append(number)

    tasks = [asyncio.create_task(one(number)) for number in range(3 * turns.AT_ONCE)]
    await asyncio.sleep(0)
    assert done == list(range(turns.AT_ONCE)), "without waiting for anything"
    for _ in range(2):
        await asyncio.sleep(0)
    assert done == list(range(2 * turns.AT_ONCE))
    await asyncio.gather(*tasks)
    assert done == list(range(3 * turns.AT_ONCE)), "in order"
    await one(-1)


async def test_whoever_goes_away_takes_nobodys_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "AT_ONCE", 1)
    line = turns.Turns()
    goes, gone, stays = (asyncio.create_task(line.wait()) for _ in range(3))
    await asyncio.sleep(0)
    assert goes.done()
    gone.cancel()
    await asyncio.wait_for(stays, 5)
    assert gone.cancelled()
