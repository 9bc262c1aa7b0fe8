"""A handover to an area without a gateway: out as a file, opened at its desk, answered, brought back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.client.carried import Reader, open_answer, open_package, pack_answer
from gateway.client.opening import AgencyKeys
from gateway.core.bridge import open_file, pack_file
from gateway.core.encoding import JsonObject
from gateway.core.envelope import Kind, Recipient, prepare
from gateway.errors import Conflict, Expired, Forged, GatewayError, Misconfigured, NotAllowed, NotForUs
from gateway.flows import (
    acknowledge,
    bridge,
    bridge_in,
    bridge_out,
    documents,
    heartbeat,
    notice_answer,
    notices,
    outgoing,
    show,
)
from gateway.flows.submit import routing_part
from gateway.flows.vault import write_sections
from gateway.ports import Lane, LegRow, Outbound, Side, Transaction, TrustRow
from gateway.testing.boroughs import two_boroughs
from gateway.testing.counties import (
    DARTFORD,
    ESSEX,
    KENT,
    Counties,
    desk_of,
    for_areas_without_a_node,
    hackney_and_kent,
)

DAY = 86_400
POLICE = f"{KENT}/police"
REF = "HO-E09000012-2026-000417"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Counties]:
    async with hackney_and_kent(tmp_path) as opened:
        yield opened


def words(state: str = "ACCEPTED", **more: object) -> Any:
    return acknowledge.read(json.dumps({"state": state, "role": "Duty inspector", **more}).encode())


async def sent(world: Counties, document: JsonObject) -> bytes:
    """Handed in, exported and delivered: the file as the county's desk has it."""
    await world.verify(KENT)
    await world.borough.submit(for_areas_without_a_node(document))
    (carried,) = await world.export(REF)
    await world.confirm(REF)
    return carried.data


async def states(world: Counties) -> dict[str, str]:
    """Of two agencies of the county and one that is a district's elsewhere."""
    legs = await world.borough.legs(REF)
    return {role: legs[role].state for role in ("police", "probation", "housing")}


# --- the way there and back


async def test_a_handover_goes_to_a_county_and_its_answer_comes_back(
    world: Counties, document: JsonObject
) -> None:
    data = await sent(world, document)
    assert set((await states(world)).values()) == {"TRANSMITTED"}
    world.clock.advance(600)
    view = await world.desk(KENT).open(data)
    assert view.elsewhere == []
    assert "associates" in view.opened[POLICE].sections
    opened_at = world.clock.now()
    world.clock.advance(3600)
    answer = await world.desk(KENT).answer(data, POLICE, words(reason_text=None))
    world.clock.advance(DAY)
    brought = await world.bring(answer)
    legs = await world.borough.legs(REF)
    assert (brought.receipts, brought.words, brought.refused, brought.repeated) == (1 + 7 + 2, 1, 0, False)
    assert {role for role, leg in legs.items() if leg.state == "ACCEPTED"} == {"police"}
    assert {leg.state for leg in legs.values()} == {"ACCEPTED", "DELIVERED"}
    # The clock starts at the desk's signed receipt, not when the file was carried.
    assert {leg.delivered for leg in legs.values()} == {opened_at}
    assert brought.moved == {leg.id: leg.state for leg in legs.values()}


async def test_the_words_of_an_answer_reach_the_counterpart_and_nobody_else(
    world: Counties, document: JsonObject
) -> None:
    data = await sent(world, document)
    answer = await world.desk(KENT).answer(
        data, POLICE, words("DECLINED_NOT_RELEVANT", reason_code="ALREADY_HELD", reason_text="ours since May")
    )
    await world.bring(answer)
    await world.borough.turn()
    given = {
        role: [view.content for _, view in desk.given if view.kind == "reply"]
        for role, desk in world.borough.desks.items()
    }
    assert [reply["reply"]["reason_text"] for reply in given.pop("police")] == ["ours since May"]  # type: ignore[index,call-overload]
    assert not any(given.values())


async def test_nothing_leaves_by_itself_and_no_queue_is_asked_for(
    world: Counties, document: JsonObject
) -> None:
    await world.verify(KENT)
    await world.borough.submit(for_areas_without_a_node(document))
    for _ in range(3):
        await world.borough.turn()
        world.clock.advance(3600)
    leg = (await world.borough.legs(REF))["police"]
    row = await world.node.store.read(lambda tx: tx.outbox_of(leg.mid))
    assert leg.state == "QUEUED"
    assert row is not None
    assert (row.state, row.error, row.attempts) == (Outbound.PUBLISHED, "carried", 0)
    await world.node.store.write(lambda tx: tx.release_outbox(world.clock.now()))
    assert (
        await world.node.store.write(lambda tx: tx.claim_outbox(world.clock.now(), 9, 1, ["n", "u", "r"]))
        == []
    )  # type: ignore[list-item]


async def test_the_same_export_is_the_same_file_and_its_name_tells_of_nobody(
    world: Counties, document: JsonObject
) -> None:
    await world.verify(KENT)
    await world.borough.submit(for_areas_without_a_node(document))
    (first,) = await world.export(REF)
    world.clock.advance(3600)
    (second,) = await world.export(REF)
    assert (first.data, first.name, first.mid) == (second.data, second.name, second.mid)
    assert first.name == f"OFFICIAL-SENSITIVE_E09000012_{KENT}_{first.mid}.handover"
    assert len(first.data) & 0xFF == 0  # padded
    assert b"EXAMPLE" not in first.data
    rows = await world.node.store.read(lambda tx: tx.accesses(ref=REF))
    exports = [row for row in rows if row.justification == "BRIDGE_EXPORT"]
    assert len(exports) == 2 * 7
    assert {(row.operation, row.actor) for row in exports} == {("DISCLOSURE", "ops-7")}
    assert len({row.recipients for row in exports}) == 7


async def test_what_could_not_be_opened_in_time_is_exported_anew_under_the_same_legs(
    world: Counties, document: JsonObject
) -> None:
    data = await sent(world, document)
    world.clock.advance(4 * DAY)
    with pytest.raises(Expired, match="time has passed"):
        await world.desk(KENT).open(data)
    (again,) = await world.export(REF)
    assert again.data != data
    leg = (await world.borough.legs(REF))["police"]
    assert leg.mid == again.mid
    events = await world.node.store.read(lambda tx: [event.event for event in tx.history(leg.id)])
    assert events == ["transmitted", "resealed"]
    await world.confirm(REF)
    answer = await world.desk(KENT).answer(again.data, POLICE, words())
    await world.bring(answer)
    assert (await states(world))["police"] == "ACCEPTED"


async def test_an_answer_is_brought_twice_and_changes_nothing_the_second_time(
    world: Counties, document: JsonObject, dump: Any
) -> None:
    data = await sent(world, document)
    answer = await world.desk(KENT).answer(data, POLICE, words())
    await world.bring(answer)
    before = dump(world.borough)
    again = await world.bring(answer)
    assert again.repeated
    assert (again.receipts, again.words) == (0, 0)
    assert dump(world.borough) == before


async def test_a_later_answer_file_holds_the_earlier_ones_so_a_lost_file_loses_nothing(
    world: Counties, document: JsonObject
) -> None:
    data = await sent(world, document)
    desk = world.desk(KENT)
    await desk.answer(data, POLICE, words())  # lost on the way
    answer = await desk.answer(data, f"{KENT}/probation", words())
    brought = await world.bring(answer)
    assert brought.words == 2
    assert await states(world) == {"police": "ACCEPTED", "probation": "ACCEPTED", "housing": "DELIVERED"}


async def test_two_officers_with_copies_of_one_folder_do_not_take_each_others_place(
    world: Counties, document: JsonObject, tmp_path: Path
) -> None:
    data = await sent(world, document)
    other = desk_of(tmp_path / "copy", KENT, world.node.network.fingerprint, world.clock)
    first = await world.desk(KENT).answer(data, POLICE, words())
    second = await other.answer(data, f"{KENT}/probation", words())
    await world.bring(first)
    await world.bring(second)
    assert await states(world) == {"police": "ACCEPTED", "probation": "ACCEPTED", "housing": "DELIVERED"}


async def test_an_agency_whose_key_is_elsewhere_reads_its_part_there_and_the_desk_brings_its_answer(
    world: Counties, document: JsonObject, tmp_path: Path
) -> None:
    data = await sent(world, document)
    fingerprint = world.node.network.fingerprint
    desk = desk_of(tmp_path / "part", KENT, fingerprint, world.clock, roles=["probation"])
    view = await desk.open(data)
    assert POLICE in view.elsewhere
    assert list(view.opened) == [f"{KENT}/probation"]
    keys = world.desk(KENT).keys
    own = AgencyKeys(keys.signer(POLICE), keys.opener(POLICE))
    reader = Reader(own, tmp_path / "police", b"p" * 32, fingerprint, world.clock.now)
    package = open_package(desk.package(data, POLICE))
    opened = await reader.open(package)
    assert "history" in opened.sections
    packed = open_answer(pack_answer(await reader.answer(package, words(reason_text=None))))
    assert packed.words is not None
    brought = await world.bring(desk.take_answer(data, packed))
    assert brought.words == 1
    assert await states(world) == {"police": "ACCEPTED", "probation": "DELIVERED", "housing": "DELIVERED"}
    stolen = open_package(desk.package(data, f"{KENT}/probation"))
    with pytest.raises(GatewayError):
        await reader.open(stolen)


# --- contacts


async def refused(world: Counties, document: JsonObject) -> str:
    with pytest.raises(NotAllowed) as caught:
        await world.borough.submit(document)
    assert await world.node.store.read(lambda tx: tx.handover(REF)) is None
    return caught.value.code if caught.value.code != "not_allowed" else str(caught.value.problems[:3])


async def test_nothing_is_taken_in_for_a_contact_that_nobody_rang_back(
    world: Counties, document: JsonObject
) -> None:
    going = for_areas_without_a_node(document)
    assert await refused(world, going) == "bridge_no_contact"
    now = world.clock.now()
    await world.node.store.write(lambda tx: bridge.add_contact(tx, world.node, KENT, now))
    assert await refused(world, going) == "bridge_not_verified"
    await world.verify(KENT)
    yesterday = for_areas_without_a_node(document, verified_on="2026-11-23")
    assert await refused(world, yesterday) == "bridge_verified_on"
    await world.borough.submit(going)


async def test_a_call_back_counts_ninety_days(world: Counties, document: JsonObject) -> None:
    await world.verify(KENT)
    await world.borough.submit(for_areas_without_a_node(document))
    row = await world.node.store.read(lambda tx: tx.bridge_contact(KENT))
    assert row is not None
    assert bridge.standing(world.node, row, row.verified + 90 * DAY - 1).why == ""
    assert bridge.standing(world.node, row, row.verified + 90 * DAY).why == "verification_over"
    await world.node.store.write(lambda tx: tx.drop_bridge_contact(KENT))
    with pytest.raises(NotAllowed) as caught:  # taken in before, and it does not leave either
        await world.export(REF)
    assert caught.value.code == "bridge_no_contact"
    assert await world.node.store.read(lambda tx: tx.bridge_file(row.area)) is None


async def test_a_contact_is_not_verified_by_another_fingerprint_or_an_unknown_number(world: Counties) -> None:
    node, now = world.node, world.clock.now()
    row = await node.store.write(lambda tx: bridge.add_contact(tx, node, KENT, now))

    async def tried(read_back: str, by: str = "ops-7", number_from: str = "SWITCHBOARD") -> str:
        with pytest.raises(GatewayError) as caught:
            await node.store.write(
                lambda tx: bridge.verify_contact(
                    tx, node, KENT, read_back=read_back, by=by, number_from=number_from, now=now
                )
            )
        return caught.value.code if caught.value.code != "not_allowed" else str(caught.value.problems[:3])

    dartford = await node.store.write(lambda tx: bridge.add_contact(tx, node, DARTFORD, now))
    assert await tried(dartford.fingerprint) == "bridge_fingerprint"
    assert await tried(row.fingerprint, number_from="THEIR_OWN_LETTER") == "bridge_number"
    assert await tried(row.fingerprint, by="jane.doe@kent.example") == "actor"
    stored = await node.store.read(lambda tx: tx.bridge_contact(KENT))
    assert stored is not None
    assert stored.verified == 0


async def test_other_keys_in_the_directory_end_a_verification(world: Counties) -> None:
    await world.verify(KENT)
    row = await world.node.store.read(lambda tx: tx.bridge_contact(KENT))
    assert row is not None

    assert (
        bridge.standing(world.node, replace(row, fingerprint="other"), world.clock.now()).why
        == "keys_changed"
    )


async def test_the_directory_says_where_a_gateway_stands_and_not_the_document(
    world: Counties, document: JsonObject
) -> None:
    await world.verify(KENT)
    going = for_areas_without_a_node(document)
    routing: Any = going["routing"]
    plain = {**routing["destination"], "transport": "BROKER", "profile": "STANDARD"}
    assert await refused(world, {**going, "routing": {**routing, "destination": plain}}) == "bridge_transport"


# --- two tiers


async def test_in_a_two_tier_area_each_tier_gets_its_own_file_and_learns_nothing_of_the_other(
    world: Counties, document: JsonObject
) -> None:
    await world.verify(KENT, DARTFORD)
    await world.borough.submit(for_areas_without_a_node(document, district=DARTFORD))
    county, district = sorted(await world.export(REF), key=lambda one: one.area, reverse=True)
    assert (county.area, district.area) == (KENT, DARTFORD)
    await world.confirm(REF)
    with pytest.raises(NotForUs):
        await world.desk(KENT).open(district.data)
    with pytest.raises(NotForUs):
        await world.desk(DARTFORD).open(county.data)
    view = await world.desk(DARTFORD).open(district.data)
    assert list(view.opened) == [f"{DARTFORD}/housing"]
    assert "associates" not in view.opened[f"{DARTFORD}/housing"].sections
    answer = await world.desk(DARTFORD).answer(district.data, f"{DARTFORD}/housing", words())
    await world.bring(answer)
    # The district's desk answers for the district's legs alone.
    assert await states(world) == {"police": "TRANSMITTED", "probation": "TRANSMITTED", "housing": "ACCEPTED"}


async def test_an_agency_that_no_tier_has_is_refused(world: Counties, document: JsonObject) -> None:
    await world.verify(KENT, DARTFORD)
    going = for_areas_without_a_node(document, district=DARTFORD)
    routing: Any = going["routing"]
    tiers = {**routing["destination"]["two_tier"], "county_agencies": ["PROBATION"]}
    destination = {**routing["destination"], "two_tier": tiers}
    assert (
        await refused(world, {**going, "routing": {**routing, "destination": destination}}) == "tier_missing"
    )


async def test_both_tiers_need_a_verified_contact(world: Counties, document: JsonObject) -> None:
    await world.verify(KENT)
    going = for_areas_without_a_node(document, district=DARTFORD)
    assert await refused(world, going) == "bridge_no_contact"


# --- time


async def test_a_file_that_nobody_confirms_is_told_and_then_undeliverable(
    world: Counties, document: JsonObject
) -> None:
    await world.verify(KENT)
    await world.borough.submit(for_areas_without_a_node(document))
    world.clock.advance(2 * DAY)  # Tuesday 10:05 -> after Wednesday 17:00
    await world.borough.turn()
    alarms = await world.node.store.read(lambda tx: [row.code for row in tx.alarms()])
    assert "bridge_unconfirmed" in alarms
    assert set((await states(world)).values()) == {"QUEUED"}
    world.clock.advance(7 * DAY)
    await world.borough.turn()
    assert set((await states(world)).values()) == {"UNDELIVERABLE"}
    leg = (await world.borough.legs(REF))["police"]
    events = await world.node.store.read(lambda tx: [(e.event, e.code) for e in tx.history(leg.id)])
    assert events == [("undeliverable", "NOT_CONFIRMED")]
    with pytest.raises(Conflict) as caught:
        await world.export(REF)
    assert caught.value.code == "bridge_nothing"


async def test_a_delivered_file_that_nobody_answers_is_told(world: Counties, document: JsonObject) -> None:
    await sent(world, document)
    world.clock.advance(9 * DAY)
    await world.borough.turn()
    alarms = await world.node.store.read(lambda tx: [row.code for row in tx.alarms()])
    assert "bridge_unanswered" in alarms
    assert "bridge_unconfirmed" not in alarms
    assert set((await states(world)).values()) == {"TRANSMITTED"}


async def test_a_delivery_is_confirmed_once_and_not_before_the_export(
    world: Counties, document: JsonObject
) -> None:
    await world.verify(KENT)
    await world.borough.submit(for_areas_without_a_node(document))
    with pytest.raises(Conflict):
        await world.confirm(REF)
    await world.export(REF)
    for at in (world.clock.now() - DAY, world.clock.now() + DAY):
        with pytest.raises(NotAllowed) as caught:
            await world.confirm(REF, at=at)
        assert caught.value.code == "bridge_delivered_at"
    assert set((await states(world)).values()) == {"QUEUED"}
    await world.confirm(REF)
    with pytest.raises(Conflict):
        await world.confirm(REF)
    leg = (await world.borough.legs(REF))["police"]
    row = await world.node.store.read(lambda tx: tx.outbox_of(leg.mid))
    assert row is not None
    assert (row.state, row.error) == (Outbound.SETTLED, "exported")


# --- attacks


async def test_a_file_for_another_area_opens_for_nobody(world: Counties, document: JsonObject) -> None:
    data = await sent(world, document)
    with pytest.raises(NotForUs):
        await world.desk(DARTFORD).open(data)
    assert not list((world.desk(DARTFORD).folder).glob("message.*"))


async def test_a_tampered_file_is_refused_and_nothing_is_signed_for_it(
    world: Counties, document: JsonObject
) -> None:
    data = await sent(world, document)
    file = open_file(data)
    envelope = bytearray(file.envelopes[0])
    envelope[-700] ^= 1
    with pytest.raises(GatewayError) as caught:
        await world.desk(KENT).open(pack_file(file.documents, [bytes(envelope)]))
    assert isinstance(caught.value, Forged | NotForUs)
    for changed in (data[:-1], data + b"\0", b"X" + data[1:], data[:100]):
        with pytest.raises(GatewayError) as caught:
            await world.desk(KENT).open(changed)
        assert caught.value.code in {"file_padding", "file_magic", "file_form"}
    assert not list((world.desk(KENT).folder).glob("message.*"))


async def test_a_tampered_answer_moves_nothing(world: Counties, document: JsonObject, dump: Any) -> None:
    data = await sent(world, document)
    answer = open_file(await world.desk(KENT).answer(data, POLICE, words()))
    before = dump(world.borough)
    for at in (60, 2000, len(answer.envelopes[0]) - 5):
        envelope = bytearray(answer.envelopes[0])
        envelope[at] ^= 1
        with pytest.raises(GatewayError):
            await world.bring(pack_file({}, [bytes(envelope)]))
    assert dump(world.borough) == before


async def test_an_answer_by_another_countys_key_moves_nothing(tmp_path: Path, document: JsonObject) -> None:
    async with hackney_and_kent(tmp_path, KENT, ESSEX) as world:
        data = await sent(world, document)
        kent, essex = world.desk(KENT), world.desk(ESSEX)
        taken = kent.take_in(data)
        # Essex seals Kent's own receipts, and its own receipt about Kent's message, as its own answer.
        essex.folder.mkdir(parents=True, exist_ok=True)
        essex._receive(taken.network, taken.about, world.clock.now())

        theirs = replace(taken, routing=replace(taken.routing, entries=[]))
        with pytest.raises(Conflict) as caught:
            await world.bring(essex.answers(theirs))
        assert caught.value.code == "bridge_answer"
        assert set((await states(world)).values()) == {"TRANSMITTED"}


async def test_an_answer_made_for_another_handover_moves_nothing(
    world: Counties, document: JsonObject
) -> None:
    data = await sent(world, document)
    answer = await world.desk(KENT).answer(data, POLICE, words())
    message: Any = document["message"]
    second = {**document, "message": {**message, "handover_id": "HO-E09000012-2026-000418"}}
    await world.borough.submit(for_areas_without_a_node(second), key="k2")
    await world.bring(answer)
    legs = await world.borough.legs("HO-E09000012-2026-000418")
    assert {leg.state for leg in legs.values()} == {"QUEUED"}


async def test_a_file_opened_twice_is_receipted_once(world: Counties, document: JsonObject) -> None:
    data = await sent(world, document)
    first = world.desk(KENT).take_in(data)
    await world.desk(KENT).open(data)
    world.clock.advance(3600)
    await world.desk(KENT).open(data)
    again = world.desk(KENT).take_in(data)
    assert (first.received, first.at) == (again.received, again.at)
    brought = await world.bring(world.desk(KENT).answers(again))
    assert brought.receipts == 1 + 7  # received, and opened by each agency


async def test_why_says_the_next_step_of_a_carried_leg(world: Counties, document: JsonObject) -> None:
    async def why() -> list[Any]:
        found = await world.node.store.read(lambda tx: show.why(tx, show.find(tx, REF, None)))
        return [(one["turn"], one["fix"], one["last_error"]) for one in found if one["agency"] == "POLICE"]  # type: ignore[index,call-overload]

    await world.verify(KENT)
    await world.borough.submit(for_areas_without_a_node(document))
    ((turn, fix, error),) = await why()
    assert (turn, error) == ("this node's operator", "")
    assert "gateway bridge export" in fix
    (carried,) = await world.export(REF)
    assert "gateway bridge confirm" in (await why())[0][1]
    await world.confirm(REF)
    turn, fix, error = (await why())[0]
    assert (turn, error) == (f"the desk of {KENT}", "")
    assert "telephone" in fix
    assert "gateway bridge import" in fix
    await world.bring(await world.desk(KENT).answer(carried.data, POLICE, words()))
    assert (await why())[0][0] == "nobody"


async def test_the_counterpart_is_told_of_a_file_that_stays_lying(
    world: Counties, document: JsonObject
) -> None:
    await world.verify(KENT)
    await world.borough.submit(for_areas_without_a_node(document))
    for days in (2, 7):
        world.clock.advance(days * DAY)
        await world.borough.turn()
        await world.borough.turn()
    told = [view.content["event"] for _, view in world.borough.desks["police"].given]
    assert told == ["bridge_unconfirmed", "undeliverable"]


# --- what only a liar, or chance, brings about


async def test_the_same_file_is_written_although_newer_documents_have_come(
    world: Counties, document: JsonObject
) -> None:
    await world.verify(KENT)
    await world.borough.submit(for_areas_without_a_node(document))
    (first,) = await world.export(REF)
    stop = TrustRow("suspension", "00" * 32, 1, b"a note that came since")
    await world.node.store.write(lambda tx: tx.put_trust(stop))
    (second,) = await world.export(REF)
    assert first.data == second.data


async def test_no_heartbeat_document_or_question_waits_for_an_area_without_a_gateway(
    world: Counties, document: JsonObject
) -> None:
    data = await sent(world, document)
    await world.bring(await world.desk(KENT).answer(data, POLICE, words()))
    node = world.node
    for _ in range(3):
        await documents.spread(node)
        await heartbeat.beat(node, 0)
        await world.borough.turn()
        world.clock.advance(700)
    numbers = await node.store.read(lambda tx: tx.sent_between(KENT, _stream(tx), 1, 99, 99))
    assert len(numbers) == 1


def _stream(tx: Transaction) -> str:
    mine = tx.stream(KENT, outgoing=True)
    assert mine is not None
    return mine.stream


async def test_a_peer_with_a_gateway_does_not_answer_by_file(document: JsonObject) -> None:
    async with two_boroughs() as two:
        await two.hackney.submit(document)
        await two.settle()
        rows = await two.bexley.node.store.read(
            lambda tx: [tx.envelope(receipt.sent_in) for receipt in tx.receipts(ref=REF) if receipt.sent_in]
        )
        with pytest.raises(NotAllowed) as caught:
            await bridge_in.bring(two.hackney.node, pack_file({}, [rows[0].body]))  # type: ignore[union-attr]
        assert caught.value.code == "bridge_transport"


async def test_one_file_holds_one_areas_answers(tmp_path: Path, document: JsonObject) -> None:
    async with hackney_and_kent(tmp_path, KENT, ESSEX) as world:
        data = await sent(world, document)
        kent, essex = world.desk(KENT), world.desk(ESSEX)
        taken = kent.take_in(data)
        essex.folder.mkdir(parents=True, exist_ok=True)
        essex._receive(taken.network, taken.about, world.clock.now())
        mine = open_file(kent.answers(taken)).envelopes
        theirs = open_file(
            essex.answers(replace(taken, routing=replace(taken.routing, entries=[])))
        ).envelopes
        with pytest.raises(Forged) as caught:
            await world.bring(pack_file({}, [*mine, *theirs]))
        assert caught.value.code == "bridge_area"
        assert set((await states(world)).values()) == {"TRANSMITTED"}


async def test_two_messages_under_one_id_are_not_taken_for_one(world: Counties, document: JsonObject) -> None:
    data = await sent(world, document)
    desk = world.desk(KENT)
    taken = desk.take_in(data)
    network, now = taken.network, world.clock.now()
    draft = prepare(
        net=network.net,
        kind=Kind.RECEIPTS,
        priority=0,
        to="E09000012",
        expires=now + DAY,
        recipients=[Recipient("E09000012/node", network.sealing_key("E09000012/node", now), {1})],
        contents=[write_sections({"receipts": [taken.received.decode()]})],
    )
    await world.bring(pack_file({}, [desk._finish(taken, draft)]))
    world.clock.advance(5)
    with pytest.raises(GatewayError) as caught:
        await world.bring(pack_file({}, [desk._finish(taken, draft)]))
    assert caught.value.code == "mid"


@pytest.mark.parametrize(
    ("leg", "handover", "code"),
    [
        ({"principal": f"{DARTFORD}/housing"}, REF, "leg_area"),
        ({"counterpart": f"{ESSEX}/police"}, REF, "reply_to"),
        ({}, f"HO-{ESSEX}-2026-000001", "handover_area"),
    ],
)
async def test_a_desk_refuses_what_a_node_would(
    world: Counties, leg: dict[str, str], handover: str, code: str
) -> None:
    await world.verify(KENT)
    row = LegRow(
        "ab" * 16, REF, 1, Side.ORIGIN, POLICE, "POLICE", "E09000012/police", "QUEUED", "STANDARD", ""
    )
    lying = replace(row, **leg)  # type: ignore[arg-type]
    now = world.clock.now()
    sending = outgoing.seal(
        world.node,
        kind=Kind.MESSAGE,
        to=KENT,
        lane=Lane.STANDARD,
        priority=0,
        readers={POLICE: (2,)},
        contents=[routing_part(handover, 1, "STANDARD", [lying]), write_sections({"core": {}})],
        now=now,
        ref=REF,
        version=1,
    )
    sealed = await world.node.store.write(lambda tx: outgoing.store(tx, world.node, sending, now))
    documents_of = await world.node.store.read(lambda tx: bridge_out._documents(tx, world.node))
    with pytest.raises(GatewayError) as caught:
        await world.desk(KENT).open(pack_file(documents_of, [sealed.envelope]))
    assert caught.value.code == code
    assert not list(world.desk(KENT).folder.glob("message.*"))


async def test_a_desk_takes_no_agencys_answer_for_anothers(
    world: Counties, document: JsonObject, tmp_path: Path
) -> None:
    data = await sent(world, document)
    desk = world.desk(KENT)
    keys = desk.keys
    own = AgencyKeys(keys.signer(POLICE), keys.opener(POLICE))
    reader = Reader(own, tmp_path / "police", b"p" * 32, world.node.network.fingerprint, world.clock.now)
    packed = await reader.answer(open_package(desk.package(data, POLICE)), words())
    legs = await world.borough.legs(REF)
    with pytest.raises(Forged) as caught:
        desk.take_answer(data, replace(packed, leg=legs["probation"].id, words=None))
    assert caught.value.code == "receipt_by"
    with pytest.raises(GatewayError) as caught:
        desk.take_answer(data, replace(packed, leg="cd" * 16))
    assert caught.value.code == "no_leg"


async def test_a_desk_that_the_directory_does_not_list_opens_nothing(
    world: Counties, document: JsonObject, tmp_path: Path
) -> None:
    data = await sent(world, document)
    stranger = desk_of(tmp_path / "x", ESSEX, world.node.network.fingerprint, world.clock)
    with pytest.raises(Misconfigured) as caught:
        await stranger.open(data)
    assert caught.value.code == "key_unlisted"


def test_a_file_has_one_spelling() -> None:
    made = pack_file({}, [b"x" * 4000])
    assert made.endswith(b"\0")
    with pytest.raises(GatewayError) as caught:
        open_file(made[:-1] + b"\1")
    assert caught.value.code == "file_padding"
    with pytest.raises(GatewayError) as caught:
        pack_file({"roots": ["x" * (9 << 20)]}, [b"x"])
    assert caught.value.code == "file_size"


async def test_a_tier_is_not_the_origin_itself(world: Counties, document: JsonObject) -> None:
    await world.verify(KENT)
    going = for_areas_without_a_node(document, district="E09000012")
    assert await refused(world, going) == "same_area"


# --- notices: what is said afterwards is carried, too


CORRECTION = {
    "kind": "CORRECTION",
    "role": "Team leader",
    "reason_code": "DATA_INACCURATE",
    "text": "Not so.",
}
WITHDRAWAL = {"kind": "WITHDRAWAL", "role": "Team leader", "reason_code": "SENT_IN_ERROR"}


async def notice_file(world: Counties, said: dict[str, str]) -> tuple[str, bytes]:
    """Handed in and exported: its id, and the file as the county's desk has it."""
    caller = world.borough.caller("community_safety")
    notice = notices.read(json.dumps(said).encode())
    issued = await notices.issue(world.node, caller, REF, notice, key="n1")
    waiting = [one for one in await world.export(REF) if one.area == KENT]
    row = await world.node.store.read(lambda tx: tx.notice(issued.id))
    (carried,) = [one for one in waiting if row is not None and one.mid == row.mid]
    return issued.id, carried.data


def answered(state: str, **more: object) -> Any:
    return notice_answer.read(json.dumps({"state": state, "role": "Duty inspector", **more}).encode())


async def readers(world: Counties, notice: str) -> dict[str, str]:
    legs = await world.node.store.read(lambda tx: tx.notice_legs(notice))
    return {leg.principal.partition("/")[2]: leg.state for leg in legs}


async def test_a_correction_is_carried_and_acknowledged_with_the_agencys_own_key(
    world: Counties, document: JsonObject
) -> None:
    await sent(world, document)
    notice, data = await notice_file(world, CORRECTION)
    view = await world.desk(KENT).open(data)
    assert view.taken.block is not None
    assert view.taken.block.id == notice
    told: Any = view.opened[POLICE].sections["notice"]
    assert (told["kind"], told["text"]) == ("CORRECTION", "Not so.")
    brought = await world.bring(await world.desk(KENT).answer_notice(data, POLICE, answered("ACKNOWLEDGED")))
    assert brought.refused == 0
    found = await readers(world, notice)
    assert found.pop("police") == "ACKNOWLEDGED"
    assert set(found.values()) == {"OPENED"}
    assert (await states(world))["police"] == "TRANSMITTED", "a notice moves no leg"


async def test_a_withdrawal_is_carried_and_attested(world: Counties, document: JsonObject) -> None:
    await sent(world, document)
    notice, data = await notice_file(world, WITHDRAWAL)
    desk = world.desk(KENT)
    with pytest.raises(GatewayError) as refused:
        await desk.answer_notice(data, POLICE, answered("COMPLETED"))
    assert refused.value.field == "/attestation"
    gone = {"copies_destroyed": True, "onward_disclosure": False, "log_contains_payload": False}
    await world.bring(await desk.answer_notice(data, POLICE, answered("COMPLETED", attestation=gone)))
    assert (await readers(world, notice))["police"] == "COMPLETED"
    row = await world.node.store.read(lambda tx: tx.notice(notice))
    assert row is not None
    signed = await world.node.store.read(lambda tx: tx.receipts(mid=row.mid, by=POLICE))
    assert [(one.state, one.code) for one in signed] == [
        ("opened", ""),
        ("acknowledged", ""),
        ("completed", "COPIES_DESTROYED"),
    ]


async def test_the_same_answer_to_a_notice_again_changes_nothing(
    world: Counties, document: JsonObject
) -> None:
    await sent(world, document)
    notice, data = await notice_file(world, CORRECTION)
    desk = world.desk(KENT)
    first = await desk.answer_notice(data, POLICE, answered("ACKNOWLEDGED"))
    again = await desk.answer_notice(data, POLICE, answered("ACKNOWLEDGED"))
    assert not (await world.bring(first)).repeated
    assert (await world.bring(again)).receipts == 0
    assert (await readers(world, notice))["police"] == "ACKNOWLEDGED"
