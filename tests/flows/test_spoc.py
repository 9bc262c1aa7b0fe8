"""A borough with a single point of contact: what it opens, what it passes on, and whom it names (R22)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.client.carried import Package, Reader, open_answer, open_package, pack_answer, pack_package
from gateway.client.opening import AgencyKeys
from gateway.core.ceremony import Bundle, directory_body, make_directory
from gateway.core.encoding import JsonObject, b64
from gateway.core.envelope import open_part, open_slot, split
from gateway.errors import GatewayError, InvalidDocument, NotAllowed, NotForUs, NotFound
from gateway.flows import acknowledge, relay, relay_in, spoc
from gateway.flows.node import Trust
from gateway.flows.slots import view_for
from gateway.flows.trust import join, trust_of
from gateway.flows.vault import secrets_of
from gateway.ports import Transaction
from gateway.testing.anywhere import SeededKeys, boroughs, bundle_of
from gateway.testing.boroughs import BEXLEY, HACKNEY, START, Borough, World
from gateway.testing.own_key import _forget
from keys_example import AGENCIES, DAY, SIGNER, unlocked

REF = "HO-E09000012-2026-000417"
SPOC = f"{BEXLEY}/spoc"
HOUSING = f"{BEXLEY}/housing"
ROLES = {**AGENCIES, "spoc": ("SPOC", "")}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with boroughs(HACKNEY, BEXLEY, roles={HACKNEY: ROLES, BEXLEY: ROLES}) as opened:
        await _own_key(opened)
        yield opened


async def _own_key(world: World) -> None:
    """Bexley's housing has no system and keeps its key itself."""
    plain = bundle_of({HACKNEY: ROLES, BEXLEY: ROLES}, START - DAY)
    body: Any = directory_body(plain.directory)
    body["members"][BEXLEY]["principals"][HOUSING]["hosted"] = False
    signer = unlocked("network").named_signer(SIGNER, "directory")
    newer = Bundle(plain.roots, make_directory(body, now=START - DAY, signers=[signer]), plain.cards)

    def work(tx: Transaction) -> Trust | None:
        join(tx, newer, world.clock.now())
        return trust_of(tx, world.clock.now())

    for borough in world.boroughs:
        found = await borough.node.store.write(work)
        assert found is not None
        borough.node.trust.network, borough.node.trust.marks = found.network, found.marks
    _forget(world.of(BEXLEY), HOUSING)


def by_way_of_spoc(document: JsonObject) -> dict[str, Any]:
    """Example 1 to a borough whose point of contact opens its own leg and passes on everybody's."""
    routing: Any = document["routing"]
    others = [
        {**entry, "via": "SPOC"} for entry in routing["recipients"] if entry["agency"] != "COMMUNITY_SAFETY"
    ]
    own = {"agency": "SPOC", "sections": ["core", "move", "contacts", "actions"], "lawful_basis": ["LB1"]}
    safety = [entry for entry in routing["recipients"] if entry["agency"] == "COMMUNITY_SAFETY"]
    destination = {
        **routing["destination"],
        "profile": "SINGLE_POINT_OF_CONTACT",
        "spoc": {
            "role": "Community safety duty desk",
            "deputy_required": True,
            "may_open_sections": ["core", "contacts", "actions"],
            "relays_sealed": sorted({entry["agency"] for entry in others}),
        },
    }
    changed = {**routing, "destination": destination, "recipients": [own, *safety, *others]}
    return {**document, "routing": changed}


async def sent(world: World, document: JsonObject) -> Borough:
    await world.of(HACKNEY).submit(by_way_of_spoc(document))
    await world.settle()
    return world.of(BEXLEY)


async def answered(borough: Borough, role: str, **words: Any) -> acknowledge.Recorded:
    leg = (await borough.legs(REF))[role]
    given = acknowledge.read(json.dumps({"role": "Duty desk", **words}).encode())
    return await acknowledge.acknowledge(borough.node, borough.caller(role), leg.id, given)


async def test_a_points_of_contact_key_opens_its_own_leg_and_nothing_of_the_others(
    world: World, document: JsonObject
) -> None:
    borough = await sent(world, document)
    legs, node = await borough.legs(REF), borough.node
    row = await node.store.read(lambda tx: tx.envelope(legs["spoc"].mid))
    assert row is not None
    seen = view_for(node, row, SPOC)
    assert "history" not in seen
    assert "orders" not in seen
    assert "identifiers" not in seen
    assert set(seen["move"]) == {"kind", "from_area", "to_area"}  # type: ignore[arg-type]
    # By real decryption: its key opens no other slot, and its bag holds no key to history.
    parsed, net = split(row.body), node.network.net
    opener = SeededKeys(BEXLEY, ROLES, START - DAY).opener(SPOC)
    opened = []
    for index in range(len(parsed.slots)):
        try:
            opened.append(open_slot(parsed, index, net=net, opener=opener))
        except NotForUs:
            continue
    assert len(opened) == 1
    texts = [
        open_part(parsed, number, key, net=net)
        for number, key in enumerate(opened[0].keys)
        if key is not None and number > 1
    ]
    assert texts
    assert not any(b'"history"' in text or b'"associates"' in text for text in texts)
    everything = [
        open_part(parsed, number, key, net=net)
        for number, key in enumerate(_keys(node, row))
        if key is not None and number > 1
    ]
    assert any(b'"history"' in text for text in everything)


def _keys(node: Any, row: Any) -> list[bytes | None]:

    secrets = secrets_of(node, row)
    return [secrets.keys.get(number) for number in range(len(split(row.body).parts))]


async def test_it_sees_that_there_is_a_leg_and_no_word_of_it(world: World, document: JsonObject) -> None:
    borough = await sent(world, document)
    lines = await borough.node.store.read(
        lambda tx: [spoc.line(tx, borough.node, leg) for leg in spoc.behind(tx, borough.node)]
    )
    assert {line["agency"] for line in lines} == {
        "POLICE", "PROBATION", "LEAVING_CARE", "HOUSING", "DWP", "VOLUNTARY_SECTOR"
    }  # fmt: skip
    assert {line["principal"] for line in lines if line["own_key"]} == {HOUSING}
    assert "EXAMPLE" not in json.dumps(lines)
    assert {line["owner_named"] for line in lines} == {None}
    with pytest.raises(NotAllowed):
        spoc.check(borough.caller("police"))


async def test_it_names_owners_which_travel_sealed_and_stand_in_no_table(
    world: World, document: JsonObject, dump: Any
) -> None:
    borough = await sent(world, document)
    owners = [
        {"agency": "HOUSING", "role": "Lettings duty officer", "mailbox": "lettings@bexley.example"},
        {"agency": "VOLUNTARY_SECTOR", "organisation": "St Giles", "role": "Caseworker"},
    ]
    await answered(borough, "spoc", state="RECEIVED", owners=owners)
    legs = await borough.legs(REF)
    lines = await borough.node.store.read(
        lambda tx: {line["principal"]: line["owner_named"] for line in
                    (spoc.line(tx, borough.node, leg) for leg in spoc.behind(tx, borough.node))}
    )  # fmt: skip
    assert lines[HOUSING] is not None
    assert lines[f"{BEXLEY}/st_giles"] is not None
    assert lines[f"{BEXLEY}/police"] is None
    timers = await borough.node.store.read(lambda tx: [row.kind for row in tx.timers(legs["housing"].id)])
    assert spoc.TIMER not in timers
    await world.settle()
    stored = repr({name: rows for name, rows in dump(borough).items() if name != "envelopes"})
    assert "lettings" not in stored.lower()
    replies = [
        view.content["reply"] for _, view in world.of(HACKNEY).desks["spoc"].given if view.kind == "reply"
    ]
    assert [reply["owners"][0]["mailbox"] for reply in replies] == ["lettings@bexley.example"]  # type: ignore[index,call-overload]


async def test_only_it_names_owners_and_only_of_parts_that_it_passes_on(
    world: World, document: JsonObject
) -> None:
    borough = await sent(world, document)
    for role, owner in (("police", "HOUSING"), ("spoc", "COMMUNITY_SAFETY"), ("spoc", "EDUCATION")):
        with pytest.raises(InvalidDocument) as caught:
            await answered(borough, role, state="RECEIVED", owners=[{"agency": owner, "role": "Desk"}])
        assert caught.value.code == "owners"
    assert (await borough.legs(REF))["spoc"].state == "DELIVERED"


async def test_an_owner_who_is_not_named_in_a_working_day_is_an_alarm_once(
    world: World, document: JsonObject
) -> None:
    borough = await sent(world, document)
    await answered(borough, "spoc", state="RECEIVED", owners=[{"agency": "POLICE", "role": "Inspector"}])
    legs = await borough.legs(REF)
    world.clock.advance(2 * DAY)
    await world.settle()
    alarms = await borough.node.store.read(lambda tx: tx.standing_alarms("no_owner"))
    behind = {leg.id for role, leg in legs.items() if role not in {"spoc", "community_safety"}}
    assert {row.subject for row in alarms} == behind - {legs["police"].id}
    owners = [{"agency": "HOUSING", "role": "Lettings"}]
    await answered(borough, "spoc", state="ACCEPTED", owners=owners)
    alarms = await borough.node.store.read(lambda tx: tx.standing_alarms("no_owner"))
    assert legs["housing"].id not in {row.subject for row in alarms}


async def test_a_sealed_part_is_passed_on_opened_by_its_agency_and_its_answer_brought_back(
    world: World, document: JsonObject, tmp_path: Path
) -> None:
    borough = await sent(world, document)
    node, leg = borough.node, (await borough.legs(REF))["housing"]
    desk = borough.caller("spoc")
    package = await packed(borough, leg.id)
    rows = await node.store.read(lambda tx: tx.accesses(ref=REF))
    passed = [row for row in rows if row.justification == "SPOC_RELAY"]
    assert [(row.operation, row.principal, row.recipients) for row in passed] == [
        ("DISCLOSURE", SPOC, (HOUSING,))
    ]
    keys = SeededKeys(BEXLEY, ROLES, START - DAY)
    fingerprint = node.network.fingerprint

    def reader(principal: str) -> Reader:
        own = AgencyKeys(keys.signer(principal), keys.opener(principal))
        return Reader(own, tmp_path / principal, b"r" * 32, fingerprint, world.clock.now)

    with pytest.raises(GatewayError):  # not even the hand that carries it
        await reader(SPOC).open(package)
    opened = await reader(HOUSING).open(package)
    assert opened.sealed.leg.ref == REF
    assert "history" not in opened.sections
    words = acknowledge.read(b'{"state": "ACCEPTED", "role": "Lettings", "reason_text": null}')
    answer = open_answer(pack_answer(await reader(HOUSING).answer(package, words)))
    acting = await spoc.acting(node, desk, answer.leg)
    await relay_in.reply(node, acting, answer.leg, answer.words)
    acting = await spoc.acting(node, desk, answer.leg)
    taken = await relay_in.take(node, acting, answer.leg, [note.decode() for note in answer.receipts])
    assert taken.state == "ACCEPTED"
    await world.settle()
    assert (await world.of(HACKNEY).legs(REF))["housing"].state == "ACCEPTED"


async def packed(borough: Borough, leg: str) -> Package:
    """What `gateway inbox relay` writes, read again."""
    node = borough.node
    acting = await spoc.acting(node, borough.caller("spoc"), leg)
    found = await relay.fetch(node, acting, f"notification-{leg}")
    told = await relay.documents(node)
    row = found.leg
    documents: JsonObject = {
        "roots": [b64(note) for note in told.roots],
        "directory": b64(told.directory),
        "cards": [b64(note) for note in told.cards],
        "suspensions": [],
    }
    parcel: JsonObject = {
        "parcel": found.task.id, "kind": "notification", "handover": row.ref, "version": row.version,
        "leg": row.id, "state": row.state, "urgency": row.urgency, "agency": row.agency,
        "principal": row.principal, "counterpart": row.counterpart, "acknowledge_by": row.acknowledge_by,
        "decide_by": row.decide_by, "envelope": b64(found.envelope), "slot": found.slot,
        "received": found.received, "chain": [*found.chain], "content": {},
    }  # fmt: skip
    return open_package(pack_package(documents, parcel))


async def test_nobody_is_handed_a_part_that_does_not_come_by_way_of_it(
    world: World, document: JsonObject
) -> None:
    borough = await sent(world, document)
    legs, node = await borough.legs(REF), borough.node
    desk = borough.caller("spoc")
    with pytest.raises(NotFound):
        await spoc.acting(node, desk, legs["community_safety"].id)
    with pytest.raises(NotAllowed) as caught:  # its key is hosted: it opens its part at the node
        await spoc.acting(node, desk, legs["police"].id)
    assert caught.value.code == "hosted"
    assert (await spoc.acting(node, borough.caller("police"), legs["housing"].id)).principal.endswith(
        "/police"
    )
    with pytest.raises(NotAllowed):
        await relay.fetch(node, borough.caller("police"), f"notification-{legs['housing'].id}")


async def test_who_relays_is_the_senders_word_and_none_that_a_table_can_be_made_to_say(
    world: World, document: JsonObject
) -> None:
    await world.of(HACKNEY).submit(document | {})
    await world.settle()
    legs = await world.of(BEXLEY).legs(REF)
    assert {leg.via for leg in legs.values()} == {""}
    assert not await world.of(BEXLEY).node.store.read(lambda tx: spoc.behind(tx, world.of(BEXLEY).node))
