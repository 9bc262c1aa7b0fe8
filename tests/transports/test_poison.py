"""A message that kills its reader ends in quarantine, alone, and those behind it get through."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from yarl import URL

from gateway.ports import Lane, Shelf
from gateway.testing.broker import PrivateBroker
from gateway.testing.transport_suite import HERE, THERE, message, shelved
from gateway.transports._consume import SUSPECT, Intake
from gateway.transports.rabbit import RabbitTransport

READER = Path(__file__).with_name("deadly_reader.py")
LIMIT = 20
GOOD = [b"good %d" % number for number in range(5)]


async def test_a_message_that_kills_its_reader_ends_alone_in_quarantine(
    broker: PrivateBroker, url: str
) -> None:
    policy = f'{{"delivery-limit": {LIMIT}}}'
    vhost = URL(url).path[1:]
    await asyncio.to_thread(
        broker.ctl, "set_policy", "--vhost", vhost, "deadly", r"^gw\.in\.", policy, "--apply-to", "queues"
    )
    here, there = RabbitTransport(url, HERE), RabbitTransport(url, THERE)
    await here.start()
    for body in (b"poison", *GOOD):
        await here.publish(message(body))
    await here.close()
    read, starts = await _until_quiet(url)
    assert sorted(read) == GOOD  # each once, and none of them beside the poison
    assert SUSPECT <= starts <= LIMIT + 1
    await there.start()
    try:
        held = await shelved(there)
        assert (held.body, held.reason) == (b"poison", "delivery_limit")
        assert (held.lane, held.sender) == (Lane.STANDARD, HERE)
        await held.ack()
        assert await there.aside(Shelf.QUARANTINE) is None
    finally:
        await there.close()


async def _until_quiet(url: str) -> tuple[list[bytes], int]:
    """What the reader has acknowledged, and how often it died."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(READER),
        url,
        THERE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, err.decode()
    return out.split(b"\n")[:-1], int(err)


# --- whose turn it is -----------------------------------------------------------------------------------


class _Fake:
    """An intake whose messages are put there by hand."""

    def __init__(self, prefetch: int = 4) -> None:
        self.link: Any = SimpleNamespace()
        self.session: Any = SimpleNamespace(
            lost=asyncio.Event(), heard=0.0, doubt=lambda: None, channel=SimpleNamespace(basic_ack=self._ack)
        )
        self.session.channel.queue_declare = self.session.channel.basic_qos = self._nothing
        self.session.channel.basic_consume = self._consume
        self.intake = Intake("q", Lane.STANDARD, self._link, prefetch=prefetch, timeout=1)

    def _link(self, prepare: Any) -> Any:
        self._prepare = prepare
        return self.link

    async def start(self) -> None:
        await self._prepare(self.session)

    async def _nothing(self, *_: Any, **__: Any) -> None: ...

    async def _ack(self, tag: int) -> None: ...

    async def _consume(self, _: str, arrive: Any) -> None:
        self._arrive = arrive

    async def put(self, body: bytes, before: int = 0) -> None:
        headers = {"x-delivery-count": before} if before else {}
        received: Any = SimpleNamespace(
            body=body,
            delivery_tag=1,
            exchange="",
            header=SimpleNamespace(properties=SimpleNamespace(headers=headers)),
        )
        await self._arrive(received)

    async def take(self) -> Any:
        """The next, or None when nobody may have one now."""
        waiting = asyncio.ensure_future(anext(self.intake))
        for _ in range(5):
            await asyncio.sleep(0)
        if waiting.done():
            return waiting.result()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        return None


async def test_a_suspect_is_handed_out_when_nothing_else_is_in_hand_and_nothing_beside_it() -> None:
    fake = _Fake()
    await fake.start()
    await fake.put(b"suspect", SUSPECT)
    await fake.put(b"again", SUSPECT - 1)
    await fake.put(b"new")
    again, new = await fake.take(), await fake.take()
    assert (again.body, new.body) == (b"again", b"new")
    assert await fake.take() is None
    await again.ack()
    assert await fake.take() is None
    await new.ack()
    suspect = await fake.take()
    assert suspect.body == b"suspect"
    await fake.put(b"later")
    assert await fake.take() is None
    await suspect.ack()
    assert (await fake.take()).body == b"later"


async def test_a_stream_that_never_rests_does_not_keep_a_suspect_waiting() -> None:
    fake = _Fake(prefetch=4)
    await fake.start()
    await fake.put(b"suspect", SUSPECT)
    for number in range(9):
        await fake.put(b"%d" % number)
    taken = []
    while (delivery := await fake.take()) is not None:
        taken.append(delivery.body)
        await delivery.ack()
    assert taken.index(b"suspect") == 4
    assert len(taken) == 10


async def test_what_a_lost_session_left_behind_keeps_no_suspect_waiting() -> None:
    fake = _Fake()
    await fake.start()
    await fake.put(b"first")
    lost = await fake.take()
    fake.session.lost.set()
    fake.session = SimpleNamespace(**{**vars(fake.session), "lost": asyncio.Event()})
    await fake.start()
    await fake.put(b"first", SUSPECT)
    assert (await fake.take()).body == b"first"
    await lost.ack()  # of the session before: it changes nothing
    await fake.put(b"next")
    assert await fake.take() is None


async def test_suspects_come_in_no_order_that_one_of_them_could_choose() -> None:
    firsts = set()
    for _ in range(64):
        fake = _Fake()
        await fake.start()
        for name in (b"a", b"b"):
            await fake.put(name, SUSPECT)
        firsts.add((await fake.take()).body)
    assert firsts == {b"a", b"b"}
