"""A leg comes back as misdirected: ordered, destroyed, attested, recorded, by itself and once."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest

from gateway.errors import Conflict
from gateway.flows import attest, notice_answer, shred
from gateway.flows.parcels import bar
from gateway.flows.slots import view_for
from gateway.ports import NoticeRow, Parcel
from gateway.testing.boroughs import BEXLEY, Borough, World, two_boroughs

REF = "HO-E09000012-2026-000417"
DAY = 86_400
DONE = {"copies_destroyed": True, "onward_disclosure": False, "log_contains_payload": False}
WRONG = {"reason_code": "WRONG_AREA", "suggested_area": "E09000023"}


async def rest(world: World) -> None:
    """Until nothing moves, key stores and attestations included."""
    for _ in range(3):
        await world.settle()
        for borough in world.boroughs:
            await shred.take_up(borough.node)
            await attest.sign_waiting(borough.node)
        world.clock.advance(61)
    await world.settle()


async def read(borough: Borough, work: Any) -> Any:
    return await borough.node.store.read(work)


async def orders(borough: Borough) -> list[NoticeRow]:
    found = await read(borough, lambda tx: tx.notices(ref=REF))
    return [row for row in found if row.kind == "PURGE_ORDER"]


async def answer(borough: Borough, role: str, notice: str, state: str, **more: Any) -> str:
    words = notice_answer.read(json.dumps({"state": state, "role": "IG officer", **more}).encode())
    return (await notice_answer.answer(borough.node, borough.caller(role), notice, words)).state


async def readable(borough: Borough, role: str) -> set[str]:
    """The sections that this node still opens of what it holds for an agency."""
    leg = (await borough.legs(REF))[role]
    envelope = await read(borough, lambda tx: tx.envelope(leg.mid))
    try:
        return set(view_for(borough.node, envelope, leg.principal))
    except Exception:  # noqa: BLE001 - whatever stops it, it does not open
        return set()


@pytest.fixture
async def sent(world: World, document: dict[str, Any]) -> World:
    await world.hackney.submit(document)
    await world.settle()
    return world


async def give_back(world: World, role: str = "housing") -> None:
    leg = (await world.bexley.legs(REF))[role]
    await world.bexley.answer(role, leg.id, "RETURNED", **WRONG)


async def test_the_order_goes_out_by_itself_and_is_attested_by_node_and_agency(sent: World) -> None:
    came = sent.clock.now()
    before, others = await readable(sent.bexley, "housing"), await readable(sent.bexley, "police")
    await give_back(sent)
    await sent.settle()
    [order] = await orders(sent.bexley)
    assert (order.code, json.loads(order.facts)["due"]) == ("RETURNED", came + DAY)
    with pytest.raises(Conflict) as early:
        await answer(sent.bexley, "housing", order.id, "COMPLETED", attestation=DONE)
    assert early.value.code == "not_destroyed"
    await rest(sent)
    left = await readable(sent.bexley, "housing")
    assert left <= before
    assert await readable(sent.bexley, "police") == others, "another agency there still needs its own"
    leg = (await sent.bexley.legs(REF))["housing"]
    assert (await read(sent.bexley, lambda tx: bar(tx, leg))).code == "withdrawn"
    assert await answer(sent.bexley, "housing", order.id, "COMPLETED", attestation=DONE) == "COMPLETED"
    await sent.settle()
    assert (await read(sent.hackney, lambda tx: tx.notice(order.id))).state == "DONE"
    assert len(await read(sent.hackney, lambda tx: tx.notices(parent=order.id))) == 2
    said = await read(sent.bexley, lambda tx: tx.notices(parent=order.id))
    assert {(row.kind, row.by) for row in said} == {
        ("PURGE_ATTESTATION", f"{BEXLEY}/node"),
        ("PURGE_ATTESTATION", f"{BEXLEY}/housing"),
    }
    given = [view for _, view in sent.hackney.desks["housing"].given if view.kind is Parcel.NOTICE]
    told = json.dumps([view.content for view in given])
    assert "IG officer" in told, "over which role it is attested"
    sent.clock.advance(2 * DAY)
    await sent.settle()
    assert await read(sent.hackney, lambda tx: tx.standing_alarms("purge_overdue")) == []


async def test_who_has_not_attested_within_a_day_is_an_alarm_at_both_sides(sent: World) -> None:
    await give_back(sent)
    await rest(sent)
    sent.clock.advance(DAY - 400)
    await sent.settle()
    assert await read(sent.hackney, lambda tx: tx.standing_alarms("purge_overdue")) == []
    sent.clock.advance(400)
    await sent.settle()
    [order] = await orders(sent.hackney)
    for borough in sent.boroughs:
        [alarm] = await read(borough, lambda tx: tx.standing_alarms("purge_overdue"))
        assert alarm.subject == f"{order.id} {BEXLEY}/housing"


async def test_once_all_have_given_it_back_the_whole_version_goes(sent: World) -> None:
    roles = list(await sent.bexley.legs(REF))
    for role in roles[:-1]:
        await give_back(sent, role)
        await rest(sent)
    assert await readable(sent.bexley, roles[-1])
    assert (await read(sent.bexley, lambda tx: tx.handover(REF))).state != "PURGED"
    await give_back(sent, roles[-1])
    await rest(sent)
    assert not any([await readable(sent.bexley, role) for role in roles])
    assert (await read(sent.bexley, lambda tx: tx.handover(REF))).state == "PURGED"
    assert (await read(sent.hackney, lambda tx: tx.handover(REF))).state != "PURGED", "ours is the evidence"
    found = await orders(sent.hackney)
    assert ["legs" in json.loads(row.facts) for row in found] == [True] * (len(roles) - 1) + [False]
    assert all(open_ == [] for _, open_ in await attest.audit(sent.bexley.node))


async def test_a_leg_that_was_never_opened_is_a_near_miss_until_it_turns_out_otherwise(
    document: dict[str, Any],
) -> None:
    async with two_boroughs(pulling=["housing"]) as world:
        await world.hackney.submit(document)
        await world.settle()
        await give_back(world)
        await world.settle()
        [row] = await read(world.hackney, lambda tx: tx.breaches(REF))
        assert (row.near_miss, row.opened, row.code, row.agency) == (True, 0, "WRONG_AREA", "HOUSING")
        assert len(await orders(world.bexley)) == 1, "it is destroyed all the same"
        world.clock.advance(4 * DAY)
        await world.settle()
        assert await read(world.hackney, lambda tx: tx.standing_alarms("breach_overdue")) == []


class Killed(BaseException):
    """As kill -9: nothing that was going on in the process is finished or cleaned up."""


POINTS = ("put_breach", "put_notice", "put_notice_leg", "fire_timer", "add_timer", "append_log")
"""Where a node dies within the steps of a return, before what it was about to write."""


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("point", POINTS)
async def test_killed_anywhere_between_the_steps_it_is_finished_once(
    sent: World, point: str, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node of one side dies at each of its first five writes of one kind in turn and is started again."""
    await give_back(sent)
    for after in range(5):
        with monkeypatch.context() as patched:
            die(sent.boroughs[side], point, after, patched)
            with suppress(Killed):
                await rest(sent)
        broken: Any = sent.boroughs[side].node.transport
        broken.drop()  # the broker gives back what the dead process had not settled
    sent.clock.advance(3700)  # what was put off is tried again
    await rest(sent)
    await rest(sent)
    [order] = await orders(sent.bexley)
    assert len(await orders(sent.hackney)) == 1
    assert len(await read(sent.hackney, lambda tx: tx.breaches(REF))) == 1
    assert await answer(sent.bexley, "housing", order.id, "COMPLETED", attestation=DONE) == "COMPLETED"
    await rest(sent)
    assert (await read(sent.hackney, lambda tx: tx.notice(order.id))).state == "DONE"
    [record] = [
        row for row in await read(sent.bexley, lambda tx: tx.notices(ref=REF)) if row.kind == "BREACH_RECORD"
    ]
    assert record.code == "WRONG_AREA"


def die(borough: Borough, point: str, after: int, patched: pytest.MonkeyPatch) -> None:
    """Let ``after`` calls of a store method by this borough's node through, and die at the next."""
    store, left = borough.node.store, [after]
    write = store.write

    def killing(work: Any, *, first: bool = False) -> Any:
        def run(tx: Any) -> Any:
            real = getattr(tx, point)

            def wrapped(*args: Any, **named: Any) -> Any:
                if left[0] == 0:
                    left[0] = -1
                    raise Killed
                left[0] -= 1
                return real(*args, **named)

            setattr(tx, point, wrapped)
            return work(tx)

        return write(run, first=first)

    patched.setattr(store, "write", killing)
