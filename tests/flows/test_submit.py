"""Handing in: what is accepted once, what is refused with field and remedy and leaves nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.errors import (
    Conflict,
    GatewayError,
    InvalidDocument,
    NotAllowed,
    Unavailable,
    UnknownRecipient,
)
from gateway.testing.boroughs import Borough, ManualClock, World, two_boroughs

Dump = Callable[[Borough], Mapping[str, Any]]
CANARY = "xq7canary"
DAY = 86_400


async def test_a_handover_is_accepted_with_a_leg_for_every_recipient(world: World, document: Any) -> None:
    submitted = await world.hackney.submit(document)
    assert (submitted.ref, submitted.version, submitted.repeated) == ("HO-E09000012-2026-000417", 1, False)
    legs = await world.hackney.legs(submitted.ref)
    assert [leg.agency for leg in legs.values()] == [r["agency"] for r in document["routing"]["recipients"]]
    assert {leg.state for leg in legs.values()} == {"QUEUED"}
    assert {leg.counterpart for leg in legs.values()} == {f"E09000012/{role}" for role in legs}


async def test_the_same_key_and_body_again_is_answered_and_nothing_is_done(
    world: World, document: Any, dump: Dump
) -> None:
    first = await world.hackney.submit(document)
    before = dump(world.hackney)
    again = await world.hackney.submit(document)
    assert (again.ref, again.version, again.repeated) == (first.ref, first.version, True)
    assert dump(world.hackney) == before


async def test_the_same_key_with_another_body_contradicts(world: World, document: Any, dump: Dump) -> None:
    await world.hackney.submit(document)
    before = dump(world.hackney)
    document["message"]["version"] = 2
    with pytest.raises(Conflict) as refused:
        await world.hackney.submit(document)
    assert refused.value.code == "idempotency_key_reused"
    assert dump(world.hackney) == before


async def test_one_agencys_key_is_not_anothers(world: World, document: Any) -> None:
    """The key is the caller's: another agency that uses it is not shown the first one's handover."""
    await world.hackney.submit(document, key="same")
    document["message"]["authorised_by"]["agency"] = "POLICE"
    with pytest.raises(Conflict) as refused:
        await world.hackney.submit(document, role="police", key="same")
    assert refused.value.code == "version_exists"


async def test_two_hand_ins_at_once_are_one(world: World, document: Any) -> None:
    first, second = await asyncio.gather(world.hackney.submit(document), world.hackney.submit(document))
    assert {first.repeated, second.repeated} == {False, True}
    counts = await world.hackney.node.store.read(lambda tx: tx.counts())
    assert (counts["outbox.waiting"], counts["leg.QUEUED"]) == (1, 7)


async def test_a_version_once_issued_stands_and_the_next_supersedes_it(world: World, document: Any) -> None:
    ref = (await world.hackney.submit(document, key="v1")).ref
    with pytest.raises(Conflict) as refused:
        await world.hackney.submit(document, key="v1 again")
    assert (refused.value.code, refused.value.field) == ("version_exists", "/message/version")
    document["message"] |= {"version": 2, "supersedes": document["message"]["message_id"]}
    document["message"]["message_id"] = "00000000-0000-4000-8000-000000000002"
    await world.hackney.submit(document, key="v2")
    states = await world.hackney.node.store.read(
        lambda tx: [row.state for version in (1, 2) if (row := tx.handover(ref, version))]
    )
    assert states == ["SUPERSEDED", "ISSUED"]
    await world.settle()
    assert {leg.state for leg in (await world.bexley.legs(ref, 2)).values()} == {"DELIVERED"}


def _set(document: dict[str, Any], pointer: str, value: Any) -> None:
    *way, last = pointer.strip("/").split("/")
    at: Any = document
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at[step]
    if isinstance(at, list):
        at[int(last)] = value
    else:
        at[last] = value


@pytest.mark.parametrize(
    ("pointer", "value", "kind", "field"),
    [
        ("/routing/origin/area_code", "E09000004", NotAllowed, "/routing/origin/area_code"),
        ("/message/authorised_by/area", "E09000004", NotAllowed, "/message/authorised_by/area"),
        ("/message/authorised_by/agency", "POLICE", NotAllowed, "/message/authorised_by/agency"),
        ("/message/handover_id", "HO-E09000004-2026-000417", NotAllowed, "/message/handover_id"),
        ("/routing/destination/area_code", "E09000012", NotAllowed, "/routing/destination/area_code"),
        ("/routing/destination/area_code", "E09000033", UnknownRecipient, "/routing/destination/area_code"),
        ("/routing/recipients/1/agency", "HEALTH", UnknownRecipient, "/routing/recipients/1/agency"),
        ("/gang_score", CANARY, InvalidDocument, "/gang_score"),
        ("/core/ethnicity", CANARY, InvalidDocument, "/core/ethnicity"),
        ("/core/date_of_birth", CANARY, InvalidDocument, "/core/date_of_birth"),
        ("/core/family_name", {"x": CANARY}, InvalidDocument, "/core/family_name"),
        ("/message/urgency", "URGENT", NotAllowed, ""),
    ],
)
async def test_what_may_not_be_sent_is_named_and_leaves_nothing(
    world: World, document: Any, dump: Dump, pointer: str, value: Any, kind: type[GatewayError], field: str
) -> None:
    document["core"]["given_names"] = CANARY
    document["move"]["reason"] = f"{CANARY} moves"
    _set(document, pointer, value)
    before = dump(world.hackney)
    with capture_logs() as logs, pytest.raises(kind) as refused:
        await world.hackney.submit(document)
    error = refused.value
    places = [error.field, *(problem.field for problem in error.problems)]
    assert not field or field in places
    assert error.remedy or all(problem.remedy for problem in error.problems)
    told = repr([error, error.args, error.message, error.remedy, error.problems, logs])
    assert CANARY not in told
    assert error.__cause__ is None  # what the parser quotes must not hang on the error we raise
    assert dump(world.hackney) == before
    await world.settle()
    assert not (await world.bexley.node.store.read(lambda tx: tx.counts())).get("leg.DELIVERED")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"a":1,"a":2}', b"{" * 5000, CANARY.encode()]
)
async def test_what_is_no_document_leaves_nothing(world: World, dump: Dump, body: bytes) -> None:
    before = dump(world.hackney)
    with pytest.raises(InvalidDocument) as refused:
        await world.hackney.submit(body)
    assert CANARY not in repr([refused.value.message, refused.value.problems])
    assert dump(world.hackney) == before


async def test_an_agency_named_twice_in_two_spellings_is_refused(
    world: World, document: Any, dump: Dump
) -> None:
    """Both entries come to one principal with one slot: the second leg could never be delivered."""
    twin = json.loads(json.dumps(document["routing"]["recipients"][6])) | {"organisation": "ST GILES"}
    document["routing"]["recipients"].append(twin)
    before = dump(world.hackney)
    with pytest.raises(NotAllowed) as refused:
        await world.hackney.submit(document)
    assert (refused.value.code, refused.value.field) == ("recipient_twice", "/routing/recipients/7")
    assert dump(world.hackney) == before


async def _without_key(world: World, principal: str) -> None:
    """As the network looks when a principal's card has run out: the directory still lists it."""
    network = world.hackney.node.network
    cards = {name: card for name, card in network.cards.items() if name != principal}
    world.hackney.node.trust.network = type(network)(network.root, network.directory, cards)


@pytest.mark.parametrize(
    ("principal", "field"),
    [
        ("E09000004/dwp", "/routing/recipients/5/agency"),
        ("E09000004/node", "/routing/destination/area_code"),
    ],
)
async def test_a_recipient_without_a_key_is_named(
    world: World, document: Any, dump: Dump, principal: str, field: str
) -> None:
    await _without_key(world, principal)
    before = dump(world.hackney)
    with pytest.raises(UnknownRecipient) as refused:
        await world.hackney.submit(document)
    assert (refused.value.code, refused.value.field) == ("no_valid_key", field)
    assert refused.value.remedy
    assert dump(world.hackney) == before


async def test_cards_that_ran_out_are_no_keys(document: Any, dump: Dump) -> None:
    clock = ManualClock()
    async with two_boroughs(clock=clock) as world:
        clock.advance(14 * DAY)
        document["data_quality"]["verified_at"] = "2026-12-08T09:00:00+00:00"
        with pytest.raises(UnknownRecipient) as refused:
            await world.hackney.submit(document)
        assert refused.value.field == "/routing/destination/area_code"


async def test_an_expired_directory_stops_sending_and_is_nobodys_fault(document: Any, dump: Dump) -> None:
    """Retryable: an adapter keeps the document and hands it in again, and is not told off."""
    clock = ManualClock()
    async with two_boroughs(clock=clock) as world:
        clock.advance(31 * DAY)
        before = dump(world.hackney)
        with pytest.raises(Unavailable) as refused:
            await world.hackney.submit(document)
        assert (refused.value.code, refused.value.retryable) == ("directory_expired", True)
        assert dump(world.hackney) == before
