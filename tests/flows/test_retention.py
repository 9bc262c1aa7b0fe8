"""Purges: on the date and not before, on both sides, answered or not; held while a hold stands; attested."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.core import attestation
from gateway.core.durations import DAY
from gateway.core.encoding import b64, decode_object
from gateway.core.notes import text_hash
from gateway.errors import Conflict, Forged, NotAllowed, NotFound
from gateway.flows import attest, holds, retention, shred, vault
from gateway.flows.runtime import running
from gateway.flows.shred import Person
from gateway.flows.vault import secrets_of
from gateway.ports import AlarmRow, EnvelopeRow, PurgeRow, Side, Task
from gateway.testing.boroughs import START, Borough, World, two_boroughs
from schemas.samples import minimal_example, restamp

REF = "HO-E09000012-2026-000417"
BY = Person("dpo-0007", "Data protection officer")


def document(ref: str = REF, version: int = 1, **retention_: str) -> dict[str, Any]:
    found = restamp(json.loads(minimal_example()), START)
    earlier = "f96dfd0d-80a7-5d63-a0c1-aaf074b86cc3" if version > 1 else None
    dates = {"gateway_payload_purge_after": "2027-02-22", "review_date": "2027-06-30", **retention_}
    return {
        **found,
        "message": {**found["message"], "handover_id": ref, "version": version, "supersedes": earlier},
        "retention": {**found["retention"], **dates},
    }


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with two_boroughs() as opened:
        yield opened


async def answered(world: World, ref: str = REF, *, but: str = "") -> None:
    await world.hackney.submit(document(ref), key=ref)
    await world.settle()
    for role, leg in (await world.bexley.legs(ref)).items():
        if role != but:
            await world.bexley.answer(role, leg.id)
    await world.settle()


async def tend(world: World) -> None:
    """What the housekeeping of both nodes does, until nothing moves."""
    for _ in range(3):
        await world.settle()
        for borough in world.boroughs:
            await holds.look(borough.node)
            await shred.take_up(borough.node)
            await attest.sign_waiting(borough.node)
    await world.settle()


async def days(world: World, count: int) -> None:
    """Days pass, and both nodes live through each; the network is signed anew every week, and at the end."""
    for day in range(count, 0, -1):
        world.clock.advance(DAY)
        if day % 7 == 1:
            await world.renew()
        await tend(world)


async def messages(borough: Borough, ref: str = REF) -> list[EnvelopeRow]:
    return list(await borough.node.store.read(lambda tx: tx.envelopes_of(ref)))


async def readable(borough: Borough, ref: str = REF) -> set[str]:
    """Messages of which something opens."""
    found = set()
    for row in await messages(borough, ref):
        if row.secrets and any(number > vault.ROUTING for number in secrets_of(borough.node, row).keys):
            found.add(row.mid)
    return found


async def state(borough: Borough, ref: str = REF, version: int | None = None) -> str:
    row = await borough.node.store.read(lambda tx: tx.handover(ref, version))
    assert row is not None
    return row.state


async def purges(borough: Borough, ref: str = REF) -> list[PurgeRow]:
    return list(await borough.node.store.read(lambda tx: tx.purges(ref)))


async def alarms(borough: Borough, code: str) -> list[AlarmRow]:
    return list(await borough.node.store.read(lambda tx: tx.standing_alarms(code)))


# --- the date ---------------------------------------------------------------------------------------


async def test_answers_that_come_late_count_from_when_they_were_signed(world: World) -> None:
    """The origin looked at the date before they came; the next look would have been a month later."""
    await world.hackney.submit(document())
    await world.settle()
    world.clock.advance(DAY)
    for role, leg in (await world.bexley.legs(REF)).items():
        await world.bexley.answer(role, leg.id)
    world.clock.advance(29 * DAY + 1)
    await world.hackney.turn()
    assert await state(world.hackney) == "ISSUED"
    await world.renew()
    await world.settle()
    assert await state(world.hackney) == "ACTIVE"
    world.clock.advance(DAY)
    await tend(world)
    assert await state(world.hackney) == "PURGED"


async def test_thirty_days_after_every_leg_was_acknowledged_it_is_gone_on_both_sides(world: World) -> None:
    await answered(world)
    await days(world, 29)
    for borough in world.boroughs:
        assert await state(borough) == "ACTIVE"
        assert len(await readable(borough)) == 8, "the handover, and the words of seven answers"
    legs = {role: leg.state for role, leg in (await world.hackney.legs(REF)).items()}
    await days(world, 1)
    for borough in world.boroughs:
        assert await state(borough) == "PURGED"
        assert await readable(borough) == set()
        newest = (await borough.node.store.read(lambda tx: tx.accesses(ref=REF)))[0]
        assert (newest.operation, newest.actor) == ("ERASURE", "retention")
        assert newest.justification == "RETENTION_END:ALL_ACKNOWLEDGED"
    assert {role: leg.state for role, leg in (await world.hackney.legs(REF)).items()} == legs


async def test_ninety_days_after_issue_it_goes_though_a_leg_is_not_answered(world: World) -> None:
    await answered(world, but="housing")
    await days(world, 89)
    for borough in world.boroughs:
        assert await state(borough) == "PARTLY_ACKNOWLEDGED"
    await days(world, 2)
    for borough in world.boroughs:
        assert await state(borough) == "PURGED"
        assert await readable(borough) == set()
        [sounded] = await alarms(borough, retention.UNANSWERED)
        assert sounded.subject == f"{REF}/1"
        told = [view for _, view in borough.desks["housing"].given if view.kind.value == "status"]
        assert [view.content["event"] for view in told][-1] == retention.UNANSWERED
        assert told[-1].content["responsible"] == "E09000012/housing", "nobody took it over"
        assert [row.unanswered for row in await purges(borough) if row.area == borough.area] == [1]
    assert (await world.hackney.legs(REF))["housing"].state == "DELIVERED"


async def test_the_date_of_the_document_comes_first_where_it_is_earlier(world: World) -> None:
    await world.hackney.submit(document(gateway_payload_purge_after="2026-11-29"))
    await world.settle()
    end = int(datetime(2026, 11, 30, tzinfo=UTC).timestamp())
    world.clock.advance(end - 1 - world.clock.now())
    await tend(world)
    assert len(await readable(world.bexley)) == 1
    world.clock.advance(1)
    await tend(world)
    for borough in world.boroughs:
        assert await state(borough) == "PURGED"
        assert [row.why for row in await purges(borough)] == ["DOCUMENT_DATE"] * len(await purges(borough))


async def test_a_node_that_was_off_for_half_a_year_purges_when_it_starts(world: World) -> None:
    await answered(world)
    world.clock.advance(180 * DAY)
    await tend(world)
    for borough in world.boroughs:
        assert await state(borough) == "PURGED"
        assert await readable(borough) == set()


async def test_the_running_node_does_all_of_it_by_itself() -> None:
    async with two_boroughs() as world:
        await answered(world)
        world.clock.advance(31 * DAY)
        node = world.bexley.node
        async with running(node, accept=lambda _: None), asyncio.timeout(20):
            while not [row for row in await purges(world.bexley) if row.note]:  # noqa: ASYNC110 - a row
                await asyncio.sleep(0.02)
            assert await readable(world.bexley) == set()


async def test_what_is_delivered_to_nobody_is_tried_no_more(world: World) -> None:
    async with two_boroughs(pulling=["police"]) as opened:
        await opened.hackney.submit(document())
        await opened.settle()
        await days(opened, 91)
        legs = await opened.bexley.legs(REF)
        tasks = await opened.bexley.node.store.read(lambda tx: tx.tasks_of(legs["police"].id))
        content = [task for task in tasks if task.kind.value == "notification"]
        assert [(task.state, task.error) for task in content] == [(Task.DONE, "purged")]


async def test_a_handover_that_never_left_is_purged_and_leaves_no_more(world: World) -> None:
    await world.hackney.submit(document())
    world.clock.advance(91 * DAY)
    await retention.run(world.hackney.node, BY)
    assert await readable(world.hackney) == set()
    await world.settle()
    assert await messages(world.bexley) == []


async def test_words_that_come_after_the_purge_are_purged_in_their_turn(world: World) -> None:
    await answered(world)
    await days(world, 31)
    leg = (await world.bexley.legs(REF))["housing"]
    await world.bexley.answer("housing", leg.id, "COMPLETED")
    await world.settle()
    for borough in world.boroughs:
        assert len(await readable(borough)) == 1, "the agency still gets them"
    await days(world, 31)
    for borough in world.boroughs:
        assert await readable(borough) == set()
        mine = [row for row in await purges(borough) if row.area == borough.area]
        assert [row.why for row in mine] == ["ALL_ACKNOWLEDGED", "CAME_AFTER_PURGE"]
        assert all(row.note for row in mine)
    assert (await world.hackney.legs(REF))["housing"].state == "COMPLETED"


async def test_each_version_has_a_date_of_its_own(world: World) -> None:
    await answered(world)
    await days(world, 20)
    renewed = restamp(document(version=2), world.clock.now())
    await world.hackney.submit(renewed, key="two")
    await world.settle()
    for role, leg in (await world.bexley.legs(REF, 2)).items():
        await world.bexley.answer(role, leg.id)
    await days(world, 11)
    for borough in world.boroughs:
        assert await state(borough, REF, 1) == "PURGED"
        assert await state(borough, REF, 2) == "ACTIVE"
        assert {row.version for row in await messages(borough) if row.mid in await readable(borough)} == {2}


# --- preview and run --------------------------------------------------------------------------------


async def test_a_preview_says_what_goes_when_and_why_and_changes_nothing(world: World) -> None:
    await answered(world)
    node = world.hackney.node
    before = await node.store.read(lambda tx: (tx.counts(), tx.log_size()))
    assert await retention.preview(node) == []
    [coming] = await retention.preview(node, START + 31 * DAY)
    assert (coming.ref, coming.version, coming.side, coming.peer) == (REF, 1, Side.ORIGIN, "E09000004")
    assert (coming.due, coming.why.value) == (START + 30 * DAY, "ALL_ACKNOWLEDGED")
    assert (coming.messages, coming.unanswered, coming.held) == (8, 0, "")
    rows = await messages(world.hackney)
    assert coming.bytes == sum(len(row.body) for row in rows)
    assert await retention.preview(node, START + 30 * DAY - 1) == []
    assert await node.store.read(lambda tx: (tx.counts(), tx.log_size())) == before


async def test_a_run_by_hand_does_what_the_preview_said_once(world: World) -> None:
    await answered(world)
    node = world.hackney.node
    world.clock.advance(30 * DAY)
    coming = await retention.preview(node)
    assert await retention.run(node, BY) == coming
    newest = (await node.store.read(lambda tx: tx.accesses(ref=REF)))[0]
    assert (newest.actor, newest.role) == (BY.actor, BY.role)
    size = await node.store.read(lambda tx: tx.log_size())
    assert await retention.run(node, BY) == []
    assert await node.store.read(lambda tx: tx.log_size()) == size
    await tend(world)
    assert [row.area for row in await purges(world.hackney)].count("E09000012") == 1


# --- holds ------------------------------------------------------------------------------------------


async def test_nothing_of_a_handover_goes_while_a_hold_stands(world: World) -> None:
    await answered(world)
    node, review = world.bexley.node, START + 200 * DAY
    hold = await holds.place(node, REF, "LITIGATION", role="Legal", actor="legal-1", review=review)
    await days(world, 95)
    assert await state(world.hackney) == "PURGED"
    assert await state(world.bexley) == "ACTIVE"
    assert len(await readable(world.bexley)) == 8
    [coming] = await retention.run(node, BY)
    assert coming.held == "LITIGATION"
    for force in (False, True):
        with pytest.raises(Conflict) as held:
            await shred.shred(node, BY, REF, force=force, justification="ERASURE_REQUEST")
        assert held.value.code == "held"
        with pytest.raises(Conflict) as month:
            await shred.shred_epoch(node, BY, "2026-11", force=force, justification="ERASURE_REQUEST")
        assert month.value.code == "held"
    assert len(await readable(world.bexley)) == 8
    await holds.lift(node, hold.id, role="Legal", actor="legal-2")
    await days(world, 2)
    assert await state(world.bexley) == "PURGED"
    told = await node.store.read(lambda tx: tx.accesses(ref=REF, limit=999))
    assert [(row.actor, row.justification) for row in told if row.operation == "ALTERATION"][:2] == [
        ("legal-2", "HOLD_LIFTED:LITIGATION"),
        ("legal-1", "HOLD_PLACED:LITIGATION"),
    ]


async def test_one_of_two_holds_is_enough(world: World) -> None:
    await answered(world)
    node = world.bexley.node
    first = await holds.place(node, REF, "LITIGATION", role="Legal", actor="a", review=START + 300 * DAY)
    await holds.place(node, REF, "COMPLAINT", role="DPO", actor="b", review=START + 300 * DAY)
    await holds.lift(node, first.id, role="Legal", actor="a")
    await days(world, 31)
    assert await state(world.bexley) == "ACTIVE"


async def test_a_hold_ends_by_itself_and_one_that_nobody_looks_at_sounds(world: World) -> None:
    await answered(world)
    node = world.bexley.node
    await holds.place(node, REF, "COMPLAINT", role="DPO", actor="a", until=START + 40 * DAY)
    kept = await holds.place(node, REF, "LITIGATION", role="Legal", actor="b", review=START + 35 * DAY)
    await days(world, 36)
    [sounded] = await alarms(world.bexley, holds.REVIEW)
    assert sounded.subject == kept.id
    assert await state(world.bexley) == "ACTIVE"
    await days(world, 5)
    assert [row.id for row in await holds.listed(node)] == [kept.id]
    assert {row.lifted_by for row in await holds.listed(node, all_=True)} == {"until", ""}
    await holds.lift(node, kept.id, role="Legal", actor="b")
    assert await alarms(world.bexley, holds.REVIEW) == []


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"code": "because of J."}, "--reason"),
        ({"role": "<J>"}, "--by"),
        ({"until": START}, "--until"),
        ({"review": 0}, "--review"),
        ({"review": START + 400 * DAY}, "--review"),
    ],
)
async def test_a_hold_has_a_reason_a_role_and_a_day_within_a_year(
    world: World, words: dict[str, Any], field: str
) -> None:
    await world.hackney.submit(document())
    good: dict[str, Any] = {"code": "LITIGATION", "role": "Legal", "until": 0, "review": START + DAY}
    asked = good | words
    with pytest.raises(NotAllowed) as refused:
        await holds.place(
            world.hackney.node,
            REF,
            asked["code"],
            role=asked["role"],
            actor="a",
            until=asked["until"],
            review=asked["review"],
        )
    assert field in {problem.field for problem in refused.value.problems}
    assert await holds.listed(world.hackney.node, all_=True) == []


async def test_a_hold_needs_something_to_hold(world: World) -> None:
    await answered(world)
    node = world.bexley.node
    with pytest.raises(NotFound):
        await holds.place(node, "HO-E09000012-2026-000999", "XX", role="Legal", actor="a", review=START + DAY)
    with pytest.raises(NotFound):
        await holds.lift(node, "0" * 32, role="Legal", actor="a")
    await days(world, 31)
    with pytest.raises(Conflict) as late:
        await holds.place(node, REF, "XX", role="Legal", actor="a", review=world.clock.now() + DAY)
    assert late.value.code == "purged"


# --- review dates -----------------------------------------------------------------------------------


async def test_the_submitting_agency_is_told_of_an_overdue_review_once(world: World) -> None:
    await world.hackney.submit(document(review_date="2026-12-01"))
    await world.settle()
    row = await world.hackney.node.store.read(lambda tx: tx.handover(REF))
    assert row is not None
    assert row.review_by == int(datetime(2026, 12, 2, tzinfo=UTC).timestamp())
    there = await world.bexley.node.store.read(lambda tx: tx.handover(REF))
    assert there is not None
    assert there.review_by == 0, "the date of a review is the origin's"
    await days(world, 12)
    told = [view.content["event"] for _, view in world.hackney.desks["community_safety"].given]
    assert told.count(retention.OVERDUE) == 1


async def test_the_earliest_review_in_the_document_counts(world: World) -> None:
    early = document()
    early["history"][0]["review_by"] = "2026-11-30"
    await world.hackney.submit(early)
    row = await world.hackney.node.store.read(lambda tx: tx.handover(REF))
    assert row is not None
    assert row.review_by == int(datetime(2026, 12, 1, tzinfo=UTC).timestamp())


# --- attestations -----------------------------------------------------------------------------------


async def test_each_node_attests_and_the_origin_has_both(world: World) -> None:
    await answered(world)
    await days(world, 31)
    network = world.hackney.node.network
    kept = await purges(world.hackney)
    assert {row.area for row in kept} == {"E09000012", "E09000004"}
    for row in kept:
        told = attestation.read(row.note, net=network.net, keyring=network.keyring)
        assert (told.by, told.ref, told.version) == (f"{row.area}/node", REF, 1)
        assert (told.messages, told.files, told.unanswered) == (8, 0, 0)
        assert dict(told.epochs) == {"2026-11": 8}
    bexley = next(row for row in kept if row.area == "E09000004")
    here = [row for row in await purges(world.bexley) if row.area == "E09000004"]
    assert [row.note for row in here] == [bexley.note]
    for borough in world.boroughs:
        leaves = await borough.node.store.read(lambda tx: tx.log(0, 9999))
        bodies = [decode_object(leaf) for _, leaf in leaves]
        hashes = [body["note"] for body in bodies if body["t"] == attest.ATTESTED]
        assert b64(text_hash(bexley.note)) in hashes
        assert REF not in "".join(leaf.decode() for _, leaf in leaves), "anybody may read the log"


async def test_a_peer_that_does_not_attest_is_asked_and_named(world: World) -> None:
    await answered(world)
    hold = await holds.place(
        world.bexley.node, REF, "LITIGATION", role="Legal", actor="a", review=START + 300 * DAY
    )
    await days(world, 31)
    row = await world.hackney.node.store.read(lambda tx: tx.handover(REF))
    assert row is not None
    assert await world.hackney.node.store.read(lambda tx: attest.missing(tx, row)) == ["E09000004"]
    assert await alarms(world.hackney, attest.OVERDUE) == []
    await days(world, 4)
    [sounded] = await alarms(world.hackney, attest.OVERDUE)
    assert (sounded.peer, sounded.subject) == ("E09000004", f"{REF}/1")
    await holds.lift(world.bexley.node, hold.id, role="Legal", actor="a")
    await days(world, 2)
    assert await alarms(world.hackney, attest.OVERDUE) == []
    assert await world.hackney.node.store.read(lambda tx: attest.missing(tx, row)) == []


async def test_an_attestation_that_was_lost_is_given_again_when_asked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await answered(world)
    await days(world, 29)
    monkeypatch.setattr(attest.control, "tell", lambda *_, **__: False)
    await days(world, 1)
    monkeypatch.undo()
    assert {row.area for row in await purges(world.hackney)} == {"E09000012"}
    await days(world, 5)
    assert {row.area for row in await purges(world.hackney)} == {"E09000012", "E09000004"}


async def test_a_key_put_back_is_not_attested_and_fails_the_audit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await answered(world)
    node = world.bexley.node
    monkeypatch.setattr(node.keys, "puncture", lambda *_: None)  # a key store that only says so
    await days(world, 31)
    assert [row for row in await purges(world.bexley) if row.note] == []
    [sounded] = await alarms(world.bexley, attest.READABLE)
    assert sounded.subject == f"{REF}/1"
    [(row, open_)] = await attest.audit(node)
    assert (row.ref, len(open_)) == (REF, 8)
    monkeypatch.undo()
    for message in await messages(world.bexley):
        path = node.keys.epoch(message.epoch).record(vault.record_name(message.mid, message.side))
        node.keys.puncture(message.epoch, [path])
    await tend(world)
    assert [bool(row.note) for row in await purges(world.bexley)] == [True]
    assert await alarms(world.bexley, attest.READABLE) == []
    assert [open_ for _, open_ in await attest.audit(node)] == [[]]


@pytest.mark.parametrize("change", ["signer", "area", "twice", "unknown"])
async def test_an_attestation_is_taken_from_the_node_that_signed_it_about_what_it_got(
    world: World, change: str
) -> None:
    await answered(world)
    await days(world, 31)
    node = world.hackney.node
    theirs = next(row for row in await purges(world.bexley) if row.note)
    note, peer = theirs.note, "E09000004"
    signer = world.bexley.node.keys.signer("E09000004/node")
    told = attestation.read(note, net=node.network.net, keyring=node.network.keyring)
    if change == "signer":
        note = attestation.make(world.bexley.node.keys.signer("E09000004/police"), told, net=node.network.net)
    if change == "area":
        peer = "E09000033"
    if change == "unknown":
        strange = told.__class__(**{**{f: getattr(told, f) for f in told.__slots__}, "ref": REF[:-1] + "9"})
        note = attestation.make(signer, strange, net=node.network.net)
    before = len(await purges(world.hackney))

    def work(tx: Any) -> bool:
        return attest.take(tx, node, peer, note, world.clock.now())

    if change == "twice":
        assert await node.store.write(work) is False
    else:
        with pytest.raises(Forged) as refused:
            await node.store.write(work)
        assert refused.value.code == ("attested_ref" if change == "unknown" else "attested_by")
    assert len(await purges(world.hackney)) == before


# --- crashes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["puncture", "drop_puncture", "attest"])
async def test_a_death_after_the_record_is_made_good(
    world: World, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    await answered(world)
    node = world.bexley.node
    world.clock.advance(30 * DAY)

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    if at == "puncture":
        monkeypatch.setattr(node.keys, "puncture", dies)
    elif at == "drop_puncture":
        monkeypatch.setattr(shred, "_drop", dies)
    else:
        monkeypatch.setattr(attest.attestation, "make", dies)

    async def purge() -> None:
        await retention.run(node, BY)
        await attest.sign_waiting(node)

    with pytest.raises(KeyboardInterrupt):
        await purge()
    monkeypatch.undo()
    assert await state(world.bexley) == "PURGED"
    await tend(world)
    assert await readable(world.bexley) == set()
    mine = [row for row in await purges(world.bexley) if row.area == "E09000004"]
    assert [bool(row.note) for row in mine] == [True]
    assert [open_ for _, open_ in await attest.audit(node)] == [[]]
