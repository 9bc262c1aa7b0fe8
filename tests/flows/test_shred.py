"""Shredding: what is destroyed opens nowhere any more, what was proven stays proven (protocol 7)."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.core.encoding import b64, decode_object
from gateway.core.envelope import split
from gateway.core.examination import judge_evidence
from gateway.core.judgement import Verdict
from gateway.core.receipts import open_receipt
from gateway.errors import Conflict, Forged, Misconfigured, NotFound, Unavailable
from gateway.flows import logbook, receive, shred, vault
from gateway.flows.evidence import gather
from gateway.flows.runtime import running
from gateway.flows.shred import Person
from gateway.flows.slots import view_for
from gateway.flows.vault import open_for, secrets_of
from gateway.keystore import KeyStore
from gateway.ports import EnvelopeRow, PunctureRow, Side
from gateway.stores import open_store
from gateway.testing.boroughs import START, Borough, World, two_boroughs
from schemas.samples import minimal_example, restamp

REF, OTHER = "HO-E09000012-2026-000417", "HO-E09000012-2026-000418"
BY, WHY = Person("dpo-0007", "Data protection officer"), "ERASURE_REQUEST"
MONTH, DAY = "2026-11", 86_400


def document(ref: str = REF, version: int = 1) -> dict[str, Any]:
    found = restamp(json.loads(minimal_example()), START)
    return {**found, "message": {**found["message"], "handover_id": ref, "version": version}}


async def run(world: World, *refs: str) -> None:
    """Each handover, answered by everybody: nothing stands against shredding it."""
    for ref in refs:
        await world.hackney.submit(document(ref), key=ref)
        await world.settle()
        for role, leg in (await world.bexley.legs(ref)).items():
            await world.bexley.answer(role, leg.id)
        await world.settle()


async def messages(borough: Borough, ref: str) -> list[EnvelopeRow]:
    return list(await borough.node.store.read(lambda tx: tx.envelopes_of(ref)))


async def main(borough: Borough, ref: str) -> EnvelopeRow:
    """The message that brought the handover."""
    side = Side.ORIGIN if borough.area == "E09000012" else Side.DESTINATION
    return next(row for row in await messages(borough, ref) if row.side is side)


async def leaves(borough: Borough) -> list[Mapping[str, Any]]:
    return [decode_object(leaf) for _, leaf in await borough.node.store.read(lambda tx: tx.log(0, 9999))]


def content(borough: Borough, row: EnvelopeRow) -> set[int]:
    return {number for number in secrets_of(borough.node, row).keys if number > vault.ROUTING}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with two_boroughs() as opened:
        yield opened


# --- a handover -------------------------------------------------------------------------------------


async def test_every_message_of_a_handover_goes_on_both_sides_and_no_other(world: World) -> None:
    await run(world, REF, OTHER)
    for borough in world.boroughs:
        before = {row.mid: content(borough, row) for row in await messages(borough, REF)}
        assert len(before) == 8, "the handover, and the words of seven answers"
        plan = await shred.shred(borough.node, BY, REF, justification=WHY)
        assert {piece.row.mid: set(piece.parts) for piece in plan.pieces} == before
        for row in await messages(borough, REF):
            assert content(borough, row) == set()
            for reader, numbers in secrets_of(borough.node, row).readers.items():
                assert numbers
                with pytest.raises(NotFound) as gone:
                    open_for(borough.node, row, reader)
                assert gone.value.code == "shredded"
        assert all(content(borough, row) for row in await messages(borough, OTHER))


async def test_it_is_on_record_who_and_why_and_in_the_log_which_parts(world: World) -> None:
    await run(world, REF)
    node = world.bexley.node
    plan = await shred.shred(node, BY, REF, justification=WHY)
    newest = (await node.store.read(lambda tx: tx.accesses(ref=REF)))[0]
    assert (newest.operation, newest.justification) == ("ERASURE", WHY)
    assert (newest.actor, newest.role, newest.principal) == (BY.actor, BY.role, "E09000004/node")
    assert {"core", "history", "reply"} <= set(newest.sections)
    told = {leaf["mid"]: leaf["parts"] for leaf in await leaves(world.bexley) if leaf["t"] == "shredded"}
    assert told == {piece.row.mid: list(piece.parts) for piece in plan.pieces}
    assert await node.store.read(lambda tx: tx.punctures()) == []


async def test_it_may_be_repeated_and_is_recorded_once(world: World) -> None:
    await run(world, REF)
    node = world.bexley.node
    await shred.shred(node, BY, REF, justification=WHY)
    before = await leaves(world.bexley)
    again = await shred.shred(node, BY, REF, justification=WHY)
    assert [piece.parts for piece in again.pieces] == [()] * 8
    assert all(piece.already for piece in again.pieces)
    assert await leaves(world.bexley) == before


async def test_a_message_that_was_sealed_again_goes_with_the_one_it_replaced(world: World) -> None:
    await world.hackney.submit(document())
    await world.hackney.turn()
    first = await main(world.hackney, REF)
    world.clock.advance(4 * DAY)
    await world.settle()
    for role, leg in (await world.bexley.legs(REF)).items():
        await world.bexley.answer(role, leg.id)
    await world.settle()
    sent = [row for row in await messages(world.hackney, REF) if row.side is Side.ORIGIN]
    assert len(sent) == 2
    assert first.mid in {row.mid for row in sent}
    plan = await shred.shred(world.hackney.node, BY, REF, justification=WHY)
    assert {row.mid for row in sent} <= {piece.row.mid for piece in plan.pieces}
    for row in await messages(world.hackney, REF):
        assert content(world.hackney, row) == set()


async def test_log_receipts_and_evidence_verify_as_before(world: World) -> None:
    await run(world, REF)
    node, caller = world.hackney.node, world.hackney.caller("community_safety")
    signed = await logbook.checkpoint(node)
    await shred.shred(node, BY, REF, justification=WHY)
    world.clock.advance(2)
    later = await logbook.checkpoint(node)
    assert later.size > signed.size, "it is in the tree, and the tree continues the one signed before"
    row = await main(world.hackney, REF)
    notes = await node.store.read(lambda tx: tx.receipts(mid=row.mid))
    assert len(notes) > 20
    for receipt in notes:
        opened = open_receipt(receipt.note, net=node.network.net, keyring=node.network.keyring)
        assert (opened.about.env, opened.about.stmt) == (row.digest, row.statement)
    gathered = await gather(node, caller, REF, None, ("core", "history"), "AUDIT")
    assert set(gathered.evidence.keys) == {0, 1}
    assert gathered.shredded == ["core", "history"]
    finding = judge_evidence(gathered.evidence.pack(), node.network.fingerprint)
    assert finding.verdict is Verdict.VALID, finding.checks
    assert finding.statement is not None
    assert finding.statement.mid == row.mid


# --- a section --------------------------------------------------------------------------------------


async def test_one_section_goes_and_the_others_are_read_as_before(world: World) -> None:
    await run(world, REF)
    node, row = world.bexley.node, await main(world.bexley, REF)
    readers = secrets_of(node, row).readers
    before = {reader: open_for(node, row, reader) for reader in readers}
    assert any("support" in view for view in before.values())
    plan = await shred.shred(node, BY, REF, section="support", justification=WHY)
    assert plan.sections == ("support",)
    row = await main(world.bexley, REF)
    for reader, view in before.items():
        expected = {name: value for name, value in view.items() if name != "support"}
        assert open_for(node, row, reader) == expected, reader
    gone = [piece for piece in plan.pieces if piece.parts]
    assert [piece.row.mid for piece in gone] == [row.mid]
    assert secrets_of(node, row).shredded == set(gone[0].parts)


async def test_a_section_that_stands_with_others_is_told_and_goes_only_when_that_is_wanted(
    world: World,
) -> None:
    """History and associates have the same readers, so they stand in one part (decision 0010)."""
    await run(world, REF)
    node, row = world.bexley.node, await main(world.bexley, REF)
    held = content(world.bexley, row)
    with pytest.raises(Conflict) as shared:
        await shred.shred(node, BY, REF, section="history", justification=WHY)
    assert shared.value.code == "section_shared"
    found = await shred.preview(node, REF, section="history")
    assert [set(names) for piece in found.pieces for names in piece.shared.values()]
    assert all("history" in n for piece in found.pieces for n in piece.shared.values())
    assert content(world.bexley, await main(world.bexley, REF)) == held
    plan = await shred.shred(node, BY, REF, section="history", others=True, justification=WHY)
    assert {"history", "associates"} <= set(plan.sections)
    row = await main(world.bexley, REF)
    views = [open_for(node, row, reader) for reader in secrets_of(node, row).readers]
    assert not any("history" in view for view in views)
    assert any("core" in view for view in views)


async def test_an_unknown_section_and_an_unknown_handover(world: World) -> None:
    await run(world, REF)
    for words, code in (((REF, "nonsense"), "no_section"), ((OTHER, None), "no_handover")):
        with pytest.raises(NotFound) as missing:
            await shred.shred(world.bexley.node, BY, words[0], section=words[1], justification=WHY)
        assert missing.value.code == code
        assert missing.value.remedy


async def test_one_version_alone(world: World) -> None:
    await run(world, REF)
    with pytest.raises(NotFound):
        await shred.preview(world.hackney.node, REF, 2)
    plan = await shred.shred(world.hackney.node, BY, REF, 1, justification=WHY)
    assert plan.pieces


# --- what stands against it -------------------------------------------------------------------------


async def test_what_has_not_arrived_is_not_lost_by_accident(world: World) -> None:
    await world.hackney.submit(document())
    node = world.hackney.node
    found = await shred.preview(node, REF)
    assert found.against == {"unsettled", "unanswered"}
    before = await leaves(world.hackney)
    with pytest.raises(Conflict) as against:
        await shred.shred(node, BY, REF, justification=WHY)
    assert against.value.code == "not_settled"
    assert "--force" in against.value.remedy
    assert await leaves(world.hackney) == before
    assert content(world.hackney, await main(world.hackney, REF))
    await shred.shred(node, BY, REF, force=True, justification=WHY)
    assert content(world.hackney, await main(world.hackney, REF)) == set()
    await world.settle()
    assert await messages(world.bexley, REF) == [], "and it leaves no more, nor is tried for ever"


@pytest.mark.parametrize("role", ["police"])
async def test_what_no_agency_has_been_given_yet(role: str) -> None:
    async with two_boroughs(pulling=[role]) as world:
        await world.hackney.submit(document())
        await world.settle()
        found = await shred.preview(world.bexley.node, REF)
        assert found.against == {"undelivered", "unanswered"}
        with pytest.raises(Conflict):
            await shred.shred(world.bexley.node, BY, REF, justification=WHY)


async def test_what_waits_for_an_answer(world: World) -> None:
    await world.hackney.submit(document())
    await world.settle()
    for borough in world.boroughs:
        assert (await shred.preview(borough.node, REF)).against == {"unanswered"}


async def test_words_that_came_back_and_wait_for_an_agency(world: World) -> None:
    await world.hackney.submit(document())
    await world.settle()
    world.hackney.desks["police"].fail = [Unavailable("down", code="down")] * 40
    for role, leg in (await world.bexley.legs(REF)).items():
        await world.bexley.answer(role, leg.id)
    await world.settle()
    found = await shred.preview(world.hackney.node, REF)
    assert found.against == {"undelivered"}
    waiting = [piece for piece in found.pieces if piece.against]
    assert [piece.row.side for piece in waiting] == [Side.DESTINATION]


async def test_what_changed_since_it_was_looked_at_is_looked_at_again(world: World) -> None:
    """A plan that somebody made of a settled handover is no licence for one that is not."""
    await world.hackney.submit(document())
    node = world.hackney.node
    plan = await shred.preview(node, REF)
    with pytest.raises(Conflict) as against:
        await node.store.write(
            lambda tx: shred.destroy(tx, node, BY, plan, WHY, world.clock.now(), force=False)
        )
    assert against.value.code == "not_settled"


async def test_what_is_shredded_is_not_sealed_again(world: World) -> None:
    await run(world, REF)
    node = world.hackney.node
    await shred.shred(node, BY, REF, section="support", justification=WHY)
    with pytest.raises(NotFound) as gone:
        vault.open_parts(node, await main(world.hackney, REF))
    assert gone.value.code == "shredded"


async def test_a_slot_that_was_shut_then_does_not_open_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key of one agency was missing; it is back after the handover was shredded."""
    node, real = world.bexley.node, world.bexley.node.keys.opener
    housing = "E09000004/housing"

    def without_housing(principal: str) -> Any:
        if principal == housing:
            raise Misconfigured("not here", code="key_missing")
        return real(principal)

    monkeypatch.setattr(node.keys, "opener", without_housing)
    await world.hackney.submit(document())
    await world.settle()
    row = await main(world.bexley, REF)
    assert housing not in secrets_of(node, row).readers
    await shred.shred(node, BY, REF, force=True, justification=WHY)
    monkeypatch.undo()
    assert view_for(node, row, housing), "the row as it was: the slot is in the envelope, and its key is back"
    with pytest.raises(NotFound) as gone:
        view_for(node, await main(world.bexley, REF), housing)
    assert gone.value.code == "shredded"


# --- crashes, races, repetitions --------------------------------------------------------------------


async def test_a_death_between_record_and_key_store_is_made_good(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(world, REF)
    node, row = world.bexley.node, await main(world.bexley, REF)
    keys = node.keys
    monkeypatch.setattr(keys, "puncture", _dies)
    with pytest.raises(KeyboardInterrupt):
        await shred.shred(node, BY, REF, justification=WHY)
    monkeypatch.undo()
    assert content(world.bexley, row), "the old row still opens: the leaves are there"
    assert content(world.bexley, await main(world.bexley, REF)) == set(), "but what is stored opens nothing"
    waiting = await node.store.read(lambda tx: tx.punctures())
    assert len(waiting) == 8
    await shred.take_up(node)
    assert await node.store.read(lambda tx: tx.punctures()) == []
    assert content(world.bexley, row) == set()
    await shred.take_up(node)


def _dies(*_: object) -> None:
    raise KeyboardInterrupt


async def test_a_key_store_that_cannot_forget_yet_is_reminded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(world, REF)
    node = world.bexley.node

    def full(*_: object) -> None:
        raise Misconfigured("no space", code="key_unwritable")

    monkeypatch.setattr(node.keys, "puncture", full)
    with pytest.raises(Misconfigured):
        await shred.shred(node, BY, REF, justification=WHY)
    await shred.take_up(node)  # a node that runs goes on
    assert await node.store.read(lambda tx: tx.punctures())
    monkeypatch.undo()
    await shred.take_up(node)
    assert not await node.store.read(lambda tx: tx.punctures())


async def test_a_node_that_starts_finishes_what_a_killed_command_began() -> None:
    async with two_boroughs() as world:
        await run(world, REF)
        node, row = world.bexley.node, await main(world.bexley, REF)
        path = node.keys.epoch(MONTH).record(vault.record_name(row.mid, row.side))
        await node.store.write(lambda tx: tx.put_puncture(PunctureRow(MONTH, path)))
        async with running(node, accept=lambda _: None), asyncio.timeout(10):
            while await node.store.read(lambda tx: tx.punctures()):  # noqa: ASYNC110 - a row, not an event
                await asyncio.sleep(0.01)
        assert content(world.bexley, row) == set()


async def test_of_two_at_once_one_gives_way_and_nothing_is_recorded_twice(world: World) -> None:
    await run(world, REF)
    node = world.bexley.node
    stale = await shred.preview(node, REF)
    await shred.shred(node, BY, REF, section="support", justification=WHY)
    before = await leaves(world.bexley)
    with pytest.raises(Conflict) as raced:
        await node.store.write(
            lambda tx: shred.destroy(tx, node, BY, stale, WHY, world.clock.now(), force=False)
        )
    assert raced.value.code == "shred_raced"
    assert await leaves(world.bexley) == before


async def test_a_duplicate_of_a_shredded_message_gets_its_receipt_and_brings_nothing_back(
    world: World,
) -> None:
    await run(world, REF)
    node = world.bexley.node
    await shred.shred(node, BY, REF, justification=WHY)
    row = await main(world.bexley, REF)
    before = await node.store.read(lambda tx: tx.counts())
    assert await receive.accept(node, row.body) is None
    assert (await main(world.bexley, REF)) == row
    assert (await node.store.read(lambda tx: tx.counts())).get("held", 0) == before.get("held", 0)
    assert content(world.bexley, await main(world.bexley, REF)) == set()


async def test_a_shredded_message_that_comes_after_a_restore_stays_shredded(world: World) -> None:
    """The database was put back to before it came; the peer publishes it again; the keys remember."""
    await world.hackney.submit(document())
    await world.hackney.turn()
    earlier = world.bexley.node.store.memory.tables.copy()  # type: ignore[attr-defined]  # the memory store's own
    await world.settle()
    for role, leg in (await world.bexley.legs(REF)).items():
        await world.bexley.answer(role, leg.id)
    await world.settle()
    row = await main(world.bexley, REF)
    await shred.shred(world.bexley.node, BY, REF, justification=WHY)
    world.bexley.node.store.memory.tables = earlier  # type: ignore[attr-defined]
    assert await messages(world.bexley, REF) == []
    await receive.accept(world.bexley.node, row.body)
    again = await main(world.bexley, REF)
    assert again.mid == row.mid
    assert content(world.bexley, again) == set()
    assert secrets_of(world.bexley.node, again).shredded == set(range(2, len(split(row.body).parts)))


async def test_a_clock_in_a_destroyed_month_stores_nothing_and_loses_nothing(world: World) -> None:
    world.hackney.node.keys.destroy_epoch(MONTH)
    with pytest.raises(Unavailable) as refused:
        await world.hackney.submit(document())
    assert refused.value.code == "epoch_destroyed"
    world.bexley.node.keys.destroy_epoch(MONTH)
    with pytest.raises(Unavailable):
        vault.new_record_key(world.bexley.node, "m", Side.DESTINATION, START)


# --- a month ----------------------------------------------------------------------------------------


async def test_a_month_goes_when_it_is_over(world: World) -> None:
    await run(world, REF, OTHER)
    node = world.bexley.node
    for now in (START, shred.ended(MONTH) + DAY - 1):
        world.clock.advance(now - world.clock.now())
        with pytest.raises(Conflict) as running:
            await shred.shred_epoch(node, BY, MONTH, force=True, justification=WHY)
        assert running.value.code == "epoch_running"
    world.clock.advance(1)
    rows = await messages(world.bexley, REF)
    done = await shred.shred_epoch(node, BY, MONTH, justification=WHY)
    assert (done.messages, done.against) == (16, {})
    for row in rows:
        secrets = secrets_of(node, row)
        assert set(secrets.keys) == {0, 1}
        assert secrets.shredded
    assert (await leaves(world.bexley))[-1] | {"at": 0} == {
        "t": "shredded", "at": 0, "epoch": MONTH, "messages": 16
    }  # fmt: skip
    newest = (await node.store.read(lambda tx: tx.accesses(ref=MONTH)))[0]
    assert (newest.operation, newest.actor) == ("ERASURE", BY.actor)
    before = await leaves(world.bexley)
    assert (await shred.shred_epoch(node, BY, MONTH, justification=WHY)).destroyed
    assert await leaves(world.bexley) == before


async def test_evidence_outlives_its_month(world: World) -> None:
    await run(world, REF)
    node, caller = world.hackney.node, world.hackney.caller("community_safety")
    world.clock.advance(40 * DAY)
    await shred.shred_epoch(node, BY, MONTH, justification=WHY)
    gathered = await gather(node, caller, REF, None, (), "")
    assert judge_evidence(gathered.evidence.pack(), node.network.fingerprint).verdict is Verdict.VALID


async def test_a_month_with_something_on_its_way(world: World) -> None:
    await world.hackney.submit(document())
    node = world.hackney.node
    world.clock.advance(40 * DAY)
    found = await shred.preview_epoch(node, MONTH)
    assert (found.messages, found.against) == (1, {"unsettled": 1, "unanswered": 1})
    with pytest.raises(Conflict) as against:
        await shred.shred_epoch(node, BY, MONTH, justification=WHY)
    assert against.value.code == "not_settled"
    await shred.shred_epoch(node, BY, MONTH, force=True, justification=WHY)
    assert node.keys.epoch(MONTH).destroyed


@pytest.mark.parametrize("month", ["2026-13", "2026-11-01", "nonsense", "", "2020-01"])
async def test_a_month_that_is_none_or_holds_nothing(world: World, month: str) -> None:
    with pytest.raises(NotFound) as missing:
        await shred.preview_epoch(world.hackney.node, month)
    assert missing.value.code == "no_epoch"


@pytest.mark.parametrize(("month", "over"), [("2026-11", "2026-12-01"), ("2026-12", "2027-01-01")])
def test_when_a_month_is_over(month: str, over: str) -> None:
    assert shred.ended(month) == datetime.fromisoformat(f"{over}T00:00:00+00:00").timestamp()


async def test_after_its_month_an_epoch_forgets_what_nobody_needs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(world, REF, OTHER)
    node = world.bexley.node
    monkeypatch.setattr("gateway.keystore.store.SHORT", 0)
    await shred.shred(node, BY, REF, section="support", justification=WHY)
    large = len(node.keys.epoch(MONTH).nodes)
    world.clock.advance(40 * DAY)
    await shred.shred(node, BY, REF, section="associates", others=True, justification=WHY)
    small = len(node.keys.epoch(MONTH).nodes)
    assert small < large / 4
    assert all(content(world.bexley, row) for row in await messages(world.bexley, OTHER))
    assert content(world.bexley, await main(world.bexley, REF))


# --- a copy of the database -------------------------------------------------------------------------


@asynccontextmanager
async def on_disk(folder: Path) -> AsyncIterator[World]:
    """Both boroughs with a real database file and real key files of epochs each."""
    stores = {
        area: lambda area=area: open_store(f"sqlite:///{folder}/{area}.db")
        for area in ("E09000012", "E09000004")
    }
    async with two_boroughs(stores=stores) as world:
        for borough in world.boroughs:
            keep_epochs(borough, KeyStore.create(folder / f"keys-{borough.area}", b"words", "demo"))
        yield world


def keep_epochs(borough: Borough, store: KeyStore) -> None:
    keys: Any = borough.node.keys
    for name in ("epoch", "puncture", "destroy_epoch", "compact_epoch", "secret"):
        setattr(keys, name, getattr(store, name))


@pytest.mark.parametrize("area", ["E09000012", "E09000004"])
@pytest.mark.parametrize("what", ["section", "handover", "epoch"])
async def test_a_copy_of_the_database_opens_nothing_that_was_shredded_after_it(
    tmp_path: Path, area: str, what: str
) -> None:
    """The real file, copied before, put back after; the key store has forgotten, the file has not."""
    async with on_disk(tmp_path) as world:
        await run(world, REF, OTHER)
        borough = next(one for one in world.boroughs if one.area == area)
        node, path = borough.node, tmp_path / f"{area}.db"
        before = {row.mid: row for row in await messages(borough, REF)}
        held = {mid: content(borough, row) for mid, row in before.items()}
        await _copy(path, tmp_path / "backup.db")
        if what == "epoch":
            world.clock.advance(40 * DAY)
            await shred.shred_epoch(node, BY, MONTH, justification=WHY)
            gone = held
        else:
            section = "support" if what == "section" else None
            plan = await shred.shred(node, BY, REF, section=section, justification=WHY)
            gone = {piece.row.mid: set(piece.parts) for piece in plan.pieces}
        assert any(gone.values())

        copy = open_store(f"sqlite:///{tmp_path}/backup.db")
        await copy.start()
        old = list(await copy.read(lambda tx: tx.envelopes_of(REF)))
        assert {row.mid: row for row in old} == before, "the copy is what was there: nothing is missing in it"
        store = KeyStore.open(tmp_path / f"keys-{area}", b"words", "demo")  # as another process sees it
        for keys in (node.keys, store):
            restored = replace(node, store=copy, keys=_Both(node.keys, keys))
            for row in old:
                secrets = secrets_of(restored, row)
                assert {n for n in secrets.keys if n > 1} == held[row.mid] - gone[row.mid]
                assert secrets.shredded == gone[row.mid]
                if what == "section":
                    assert all("support" not in open_for(restored, row, r) for r in secrets.readers)
            others = list(await copy.read(lambda tx: tx.envelopes_of(OTHER)))
            assert len(others) == len(old)
            for row in others:
                assert bool({n for n in secrets_of(restored, row).keys if n > 1}) is (what != "epoch")
        await copy.close()


class _Both:
    """Signing keys of the one, epochs and secrets of the other."""

    def __init__(self, keys: Any, epochs: Any) -> None:
        self.signer, self.opener, self.principals = keys.signer, keys.opener, keys.principals
        self.epoch, self.secret = epochs.epoch, epochs.secret


async def _copy(path: Path, to: Path) -> None:
    """As a backup takes it: the file and what SQLite keeps beside it."""
    for name in ("", "-wal", "-shm"):
        source = path.with_name(path.name + name)
        if source.exists():
            shutil.copy(source, to.with_name(to.name + name))


async def test_no_key_to_content_is_in_the_database_in_any_form(tmp_path: Path) -> None:
    """Neither the part keys, nor the leaves, nor the epoch's nodes: whoever has the file has none of them."""
    async with on_disk(tmp_path) as world:
        await run(world, REF)
        hidden: list[bytes] = []
        for borough in world.boroughs:
            epoch = borough.node.keys.epoch(MONTH)
            hidden += [epoch.index, *epoch.nodes.values()]
            for row in await messages(borough, REF):
                secrets = secrets_of(borough.node, row)
                numbers = [n for n in secrets.keys if n > 1]
                hidden += [secrets.keys[n] for n in numbers]
                hidden += epoch.leaves(vault.record_name(row.mid, row.side), numbers).values()
        data = _bytes(tmp_path)
        assert len(hidden) > 60
        for key in hidden:
            for spelling in (key, key.hex().encode(), b64(key).encode()):
                assert spelling not in data


def _bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("*.db*"))


async def test_a_row_put_in_another_rows_place_does_not_open(world: World) -> None:
    await run(world, REF, OTHER)
    one, two = await main(world.bexley, REF), await main(world.bexley, OTHER)
    for changed in (
        replace(one, secrets=two.secrets),
        replace(one, mid=two.mid),
        replace(one, side=Side.ORIGIN),
        replace(one, secrets=one.secrets[:-1] + bytes([one.secrets[-1] ^ 1])),
    ):
        with pytest.raises(Forged):
            secrets_of(world.bexley.node, changed)


async def test_the_subkeys_of_the_slots_are_said_to_be_there(world: World) -> None:
    """Until they are destroyed with their term, the received envelope itself opens with them."""
    await run(world, REF)
    found = await shred.preview(world.bexley.node, REF)
    assert {piece.slots for piece in found.pieces if piece.row.side is Side.DESTINATION} == {True}
    assert {piece.slots for piece in found.pieces if piece.row.side is Side.ORIGIN} == {False}
