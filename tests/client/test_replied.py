"""What the agency's system answers in its reply to a parcel: signed on its side, whatever dies in between."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.errors import Unavailable
from gateway.flows import notices
from gateway.ports import Parcel, Task
from gateway.testing.boroughs import HACKNEY

SECRET = "CanaryZebulonQuux"


def said(state: str, **more: str) -> bytes:
    return json.dumps({"state": state, "role": "Duty inspector", **more}).encode()


class Killed(BaseException):
    """The process is gone here."""


class Moments:
    """Dies at one of the moments around what is kept and what is brought; ``at`` None counts them."""

    def __init__(self, at: int | None = None) -> None:
        self.at, self.count = at, 0

    def passes(self) -> None:
        self.count += 1
        if self.count == self.at:
            raise Killed

    def around(self, agent: Any, side: Any) -> None:
        keep = agent.records.keep

        def kept(record: Any) -> None:
            self.passes()
            keep(record)
            self.passes()

        agent.records.keep = kept
        for owner, name in (
            (agent.client, "bring_receipts"),
            (agent.client, "bring_words"),
            (side.desk, "deliver"),
        ):
            setattr(owner, name, self._dying(getattr(owner, name)))

    def _dying(self, real: Any) -> Any:
        async def called(*args: Any, **named: Any) -> Any:
            self.passes()
            result = await real(*args, **named)
            self.passes()
            return result

        return called


async def tell(side: Any, ref: str) -> str:
    told = {"kind": "CORRECTION", "role": "Lead", "reason_code": "DATA_INACCURATE", "text": "Another."}
    words = notices.read(json.dumps(told).encode())
    hackney = side.world.hackney
    made = await notices.issue(hackney.node, hackney.caller("community_safety"), ref, words, key="n1")
    await side.world.settle()
    return made.id


async def on_record(side: Any, ref: str, notice: str) -> None:
    """Accepted and acknowledged at the origin, each receipt signed once, each key its own parcel."""
    await side.world.settle()
    ours = await side.leg(ref, side.world.hackney)
    assert ours.state == "ACCEPTED"
    about = [row.state for row in await side.receipts(ref) if row.mid == ours.mid]
    assert sorted(about) == ["accepted", "acknowledged", "opened"]
    told = side.world.hackney.desks["police"].given
    (words,) = {view.content["reply"]["reason_text"] for _, view in told if view.kind is Parcel.REPLY}
    assert words == SECRET
    legs = await side.world.hackney.node.store.read(lambda tx: tx.notice_legs(notice))
    assert next(leg.state for leg in legs if leg.principal.endswith("/police")) == "ACKNOWLEDGED"
    written = b"".join(path.read_bytes() for path in side.folder.iterdir() if path.name != "network.json")
    assert SECRET.encode() not in written
    assert b"Duty" not in written


MOMENTS = 40
EVERY = int(os.environ.get("CRASH_EVERY", "3"))
"""Of the moments every third is tried in the suite. All of them: CRASH_EVERY=1."""


@pytest.mark.parametrize("at", [*range(1, MOMENTS + 1, EVERY), None])
async def test_a_death_at_any_moment_loses_no_answer(side: Any, at: int | None) -> None:
    agent = await side.ready()
    side.desk.replies = {
        Parcel.NOTIFICATION: said("ACCEPTED", reason_text=SECRET),
        Parcel.NOTICE: said("ACKNOWLEDGED"),
    }
    ref = await side.send()
    notice = await tell(side, ref)
    moments = Moments(at)
    moments.around(agent, side)
    try:
        for _ in range(3):
            await agent.turn()
    except Killed:
        agent = side.another()
        await agent.upkeep()
        await agent.resume()
    assert moments.count == (at or MOMENTS)
    side.desk.__dict__.pop("deliver", None)
    for _ in range(2):
        await agent.turn()
    await on_record(side, ref, notice)
    assert len(set(side.desk.keys)) == 2
    assert max(side.desk.keys.count(key) for key in side.desk.keys) <= (2 if at else 1)
    assert agent.records.unanswered() == []


async def test_nothing_is_signed_before_the_parcel_is_opened(side: Any) -> None:
    """It died between the two, and the node has nothing to list for the moment: refused now, it was lost."""
    agent = await side.ready()
    side.desk.replies = {Parcel.NOTIFICATION: said("ACCEPTED")}
    ref = await side.send()
    Moments(at=4).around(agent, side)  # after it is kept that the parcel was given
    with pytest.raises(Killed):
        await agent.turn()
    side.desk.__dict__.pop("deliver", None)
    agent = side.another()
    await agent.resume()
    real = agent.client.parcels

    async def nothing(*_: Any) -> Any:
        return ()

    agent.client.parcels = nothing
    await agent.turn()
    agent.client.parcels = real
    await agent.turn()
    await side.world.settle()
    assert (await side.leg(ref, side.world.hackney)).state == "ACCEPTED"
    assert len(side.desk.keys) == 1


async def test_a_refused_answer_does_not_hold_the_parcel(side: Any) -> None:
    agent = await side.ready()
    side.desk.replies = {Parcel.NOTIFICATION: said("NO SUCH STATE", reason_text=SECRET)}
    with capture_logs() as logs:
        ref = await side.send()
        await agent.turn()
        await side.world.settle()
    assert (await side.leg(ref, side.world.hackney)).opened
    tasks = await side.node.store.read(lambda tx: tx.tasks_of(f"{side.desk.given[0][1].leg}"))
    assert {task.state for task in tasks} == {Task.DONE}
    assert [line["event"] for line in logs].count("an answer was refused") == 1
    assert SECRET not in repr(logs)
    assert agent.records.unanswered() == []
    assert await agent.turn() == 0


async def test_an_answer_that_cannot_be_signed_now_is_signed_later(side: Any) -> None:
    agent = await side.ready()
    side.desk.replies = {Parcel.NOTIFICATION: said("ACCEPTED", reason_text=SECRET)}
    real = agent.client.bring_words

    async def away(*_: Any) -> Any:
        raise Unavailable("away", code="away")

    agent.client.bring_words = away
    ref = await side.send()
    await agent.turn()
    await side.world.settle()
    ours = await side.leg(ref, side.world.hackney)
    assert (ours.state, bool(ours.opened)) == ("DELIVERED", True)
    agent.client.bring_words = real
    await agent.turn()
    await side.world.settle()
    assert (await side.leg(ref, side.world.hackney)).state == "ACCEPTED"
    assert len(side.desk.keys) == 1
    assert ours.principal.partition("/")[0] != HACKNEY
