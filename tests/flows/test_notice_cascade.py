"""Notices that go on to whoever got the person from a recipient, and who knows of it: four boroughs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from gateway.flows import attest, notice_answer, notice_legs, notice_view, notices, show, shred
from gateway.flows import onward as onward_readers
from gateway.flows.timers import set_again
from gateway.ports import Parcel, Transaction
from gateway.testing.anywhere import boroughs
from gateway.testing.boroughs import Borough, World
from gateway.testing.people import adult, handed_on
from keys_example import AGENCIES as ROLES

A, B, C, D = "E09000012", "E09000004", "E09000007", "E09000025"
FIRST, SECOND, THIRD = "HO-E09000012-2026-000417", f"HO-{B}-2026-000001", f"HO-{C}-2026-000001"
CORRECTION = {"kind": "CORRECTION", "role": "Team leader", "reason_code": "DATA_INACCURATE"}
WITHDRAWAL = {"kind": "WITHDRAWAL", "role": "Team leader", "reason_code": "SENT_IN_ERROR"}
DONE = {"copies_destroyed": True, "onward_disclosure": False, "log_contains_payload": False}


def onward(ref: str, of: str, origin: str, destination: str) -> dict[str, Any]:
    """The same person, handed on."""
    return handed_on(of, origin, destination, ref)


async def taken_on(world: World, borough: Borough, ref: str) -> None:
    """Its co-ordinator has the person now, so that it may hand the person on."""
    await world.settle()
    await borough.answer("community_safety", (await borough.legs(ref))["community_safety"].id)


@pytest.fixture
async def chain() -> AsyncIterator[World]:
    """Hackney to Bexley, Bexley to Camden, Camden to Newham, all delivered."""
    roles = dict.fromkeys((A, B, C, D), ROLES)
    async with boroughs(A, B, C, D, roles=roles) as world:
        await world.of(A).submit(adult())
        await taken_on(world, world.of(B), FIRST)
        await world.of(B).submit(onward(SECOND, FIRST, B, C))
        await taken_on(world, world.of(C), SECOND)
        await world.of(C).submit(onward(THIRD, SECOND, C, D))
        await world.settle()
        yield world


async def issue(borough: Borough, ref: str, notice: Mapping[str, Any]) -> notices.Issued:
    words = notices.read(json.dumps(notice).encode())
    return await notices.issue(borough.node, borough.caller("community_safety"), ref, words, key="n1")


async def answer_all(borough: Borough, ref: str, kind: str, state: str = "ACKNOWLEDGED") -> None:
    more = {"attestation": DONE} if state == "COMPLETED" else {}
    body = json.dumps({"state": state, "role": "Duty officer", **more}).encode()
    rows = await borough.node.store.read(lambda tx: tx.notices(ref=ref))
    for row in (
        row for row in rows if row.kind == kind and row.peer != borough.area and row.side == "destination"
    ):
        for leg in await borough.node.store.read(lambda tx, row=row: tx.notice_legs(row.id)):
            if not leg.onward:
                role = leg.principal.partition("/")[2]
                await notice_answer.answer(
                    borough.node, borough.caller(role), row.id, notice_answer.read(body)
                )


async def unresolved(borough: Borough, ref: str) -> list[tuple[str, bool]]:
    told: Any = await borough.node.store.read(
        lambda tx: notice_view.listing(tx, show.find(tx, ref, None), None)
    )
    # That the person moved on was told, too: nobody has acknowledged it in this story.
    mine = [one for one in told["unresolved"] if one["kind"] != "ONWARD_MOVE"]
    return sorted((one["principal"], one["onward"]) for one in mine)


async def rest(world: World) -> None:
    for _ in range(3):
        await world.settle()
        for borough in world.boroughs:
            await shred.take_up(borough.node)
            await attest.sign_waiting(borough.node)
        world.clock.advance(61)
    await world.settle()


async def test_a_correction_goes_on_by_itself_to_whoever_got_the_person_later(chain: World) -> None:
    issued = await issue(chain.of(A), FIRST, CORRECTION | {"text": "Only for the first borough's agencies."})
    await chain.settle()
    for area, ref in ((C, SECOND), (D, THIRD)):
        for role, desk in chain.of(area).desks.items():
            views = [view for _, view in desk.given if view.kind is Parcel.NOTICE and view.handover == ref]
            (mine,) = [view for view in views if view.content["answer_at"]]
            assert "Only for" not in json.dumps(mine.content), (area, role)
    rows = await chain.of(B).node.store.read(lambda tx: tx.notices(parent=issued.id))
    assert [(row.kind, row.ref, row.peer) for row in rows if row.kind == "CORRECTION"] == [
        ("CORRECTION", SECOND, C)
    ]


async def test_our_own_agencies_are_asked_to_verify_what_they_had_passed_on(chain: World) -> None:
    await issue(chain.of(A), FIRST, CORRECTION)
    await chain.settle()
    tasks = [
        view.content
        for _, view in chain.of(B).desks["police"].given
        if view.kind is Parcel.NOTICE and view.handover == SECOND and view.content["kind"] != "ONWARD_MOVE"
    ]
    assert [(one["kind"], one["may_answer"]) for one in tasks] == [("CORRECTION", [])]


async def test_nobody_is_reported_done_before_the_last_reader_of_the_chain(chain: World) -> None:
    await issue(chain.of(A), FIRST, CORRECTION)
    await chain.settle()
    await answer_all(chain.of(B), FIRST, "CORRECTION")
    await chain.settle()
    assert await unresolved(chain.of(A), FIRST) == [(f"{C}/node", True)]
    await answer_all(chain.of(C), SECOND, "CORRECTION")
    await chain.settle()
    assert await unresolved(chain.of(A), FIRST) == [(f"{C}/node", True)], "Newham has not answered yet"
    assert await unresolved(chain.of(B), SECOND) == [(f"{D}/node", True)]
    await answer_all(chain.of(D), THIRD, "CORRECTION")
    await chain.settle()
    for area, ref in ((A, FIRST), (B, SECOND), (C, THIRD)):
        left = [one for one in await unresolved(chain.of(area), ref) if one[1]]
        assert left == [], area
        rows = await chain.of(area).node.store.read(lambda tx, ref=ref: tx.notices(ref=ref))
        mine = [row for row in rows if row.kind == "CORRECTION" and row.side == "origin"]
        assert [row.state for row in mine] == ["DONE"], area


async def test_a_withdrawal_is_carried_out_at_every_node_of_the_chain(chain: World) -> None:
    await issue(chain.of(A), FIRST, WITHDRAWAL)
    await rest(chain)
    ends = {FIRST: "ONWARD_MOVED", SECOND: "ONWARD_MOVED", THIRD: "WITHDRAWN"}
    for area, ref in ((A, FIRST), (B, FIRST), (B, SECOND), (C, SECOND), (C, THIRD), (D, THIRD)):
        row = await chain.of(area).node.store.read(lambda tx, ref=ref: tx.handover(ref))
        assert row.state == ends[ref], (area, ref)
    for area, ref in ((B, FIRST), (C, SECOND), (D, THIRD)):
        signed = await chain.of(area).node.store.read(lambda tx, a=area, r=ref: tx.purges(r, area=a))
        assert [row.why for row in signed] == ["WITHDRAWAL"], area
        assert all(found == [] for _, found in await attest.audit(chain.of(area).node))


async def test_an_update_does_not_go_on(chain: World) -> None:
    update = {"kind": "UPDATE", "role": "Team leader", "reason_code": "NEW_INFORMATION"}
    await issue(chain.of(A), FIRST, update)
    await chain.settle()
    rows = await chain.of(C).node.store.read(lambda tx: tx.notices(ref=SECOND))
    assert [row.kind for row in rows] == ["ONWARD_MOVE"]  # its own, and no update


async def test_what_was_passed_on_is_not_passed_on_again(chain: World) -> None:
    issued = await issue(chain.of(A), FIRST, CORRECTION)
    await chain.settle()
    node = chain.of(B).node
    await node.store.write(lambda tx: set_again(tx, notice_legs.CASCADE, issued.id, chain.clock.now()))
    await chain.settle()
    passed = await node.store.read(lambda tx: tx.notices(parent=issued.id))
    assert [row.ref for row in passed if row.kind == "CORRECTION"] == [SECOND]


async def test_a_settled_notice_is_open_again_when_somebody_further_on_turns_up(chain: World) -> None:
    issued = await issue(chain.of(A), FIRST, CORRECTION)
    await chain.settle()
    for area, ref in ((D, THIRD), (C, SECOND), (B, FIRST)):
        await answer_all(chain.of(area), ref, "CORRECTION")
        await chain.settle()
    store, node = chain.of(A).node.store, chain.of(A).node

    async def row() -> Any:
        return await store.read(lambda tx: tx.notice(issued.id))

    assert (await row()).state == "DONE"
    rows: Any = await store.read(lambda tx: tx.notices(parent=issued.id))
    report = next(one for one in rows if one.kind == "CASCADE_REPORT")
    for left, then in ((2, "OPEN"), (0, "DONE")):
        told: Any = {"area": C, "unresolved": left}

        def hear(tx: Transaction, told: Any = told) -> None:
            onward_readers.heard(tx, node, report, told, chain.clock.now())

        await store.write(hear)
        assert (await row()).state == then
