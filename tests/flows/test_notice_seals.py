"""A notice is a message like any: sealed again when its life ends or a key is gone, refused, listed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.keys import KemKey
from gateway.flows import (
    dispatch,
    documents,
    notice_answer,
    notice_out,
    notices,
    opening,
    outgoing,
    rekey,
    stale,
)
from gateway.flows.trust import refresh_trust
from gateway.ports import Lane, Parcel
from gateway.testing.boroughs import BEXLEY, START, Borough, World

REF = "HO-E09000012-2026-000417"
DAY = 86_400
LIFE = 3 * DAY
CORRECTION = {"kind": "CORRECTION", "role": "Team leader", "reason_code": "DATA_INACCURATE"}


@pytest.fixture
async def sent(world: World, document: dict[str, Any]) -> World:
    await world.hackney.submit(document)
    await world.settle()
    return world


async def issue(world: World) -> str:
    words = notices.read(json.dumps(CORRECTION).encode())
    caller = world.hackney.caller("community_safety")
    return (await notices.issue(world.hackney.node, caller, REF, words, key="n")).id


async def acknowledge(world: World, notice: str, role: str = "police") -> None:
    body = b'{"state": "ACKNOWLEDGED", "role": "Duty officer"}'
    bexley = world.bexley
    await notice_answer.answer(bexley.node, bexley.caller(role), notice, notice_answer.read(body))


async def row_of(borough: Borough, notice: str) -> Any:
    return await borough.node.store.read(lambda tx: tx.notice(notice))


async def states(borough: Borough, notice: str) -> dict[str, str]:
    legs = await borough.node.store.read(lambda tx: tx.notice_legs(notice))
    return {leg.principal.partition("/")[2]: leg.state for leg in legs}


async def test_a_notice_that_nobody_took_in_its_life_is_sealed_again_and_answered_under_its_new_message(
    sent: World,
) -> None:
    notice = await issue(sent)
    old = (await row_of(sent.hackney, notice)).mid
    await dispatch.dispatch(sent.hackney.node, dispatch.URGENT)
    lost = await sent.next_delivery(sent.bexley, Lane.URGENT)
    assert lost is not None
    await lost.ack()
    sent.clock.advance(LIFE - outgoing.MARGIN)
    await sent.settle()
    fresh = (await row_of(sent.hackney, notice)).mid
    assert fresh != old
    assert (await row_of(sent.bexley, notice)).mid == fresh
    await acknowledge(sent, notice)
    await sent.settle()
    assert (await states(sent.hackney, notice))["police"] == "ACKNOWLEDGED"
    given = [view for _, view in sent.bexley.desks["police"].given if view.kind is Parcel.NOTICE]
    assert len(given) == 1


async def test_an_answer_about_the_message_before_counts_after_it_was_sealed_again(sent: World) -> None:
    """The first arrived after all; its receipts are about the old message."""
    notice = await issue(sent)
    old = (await row_of(sent.hackney, notice)).mid
    await dispatch.dispatch(sent.hackney.node, dispatch.URGENT)
    await sent.deliver_mail(sent.bexley)
    await sent.bexley.turn()
    await acknowledge(sent, notice)
    late = []
    await sent.bexley.turn()
    while delivery := await sent.next_delivery(sent.hackney, Lane.RECEIPTS):
        late.append(delivery)
    sent.clock.advance(LIFE - outgoing.MARGIN)
    await sent.hackney.turn()
    assert (await row_of(sent.hackney, notice)).mid != old
    await sent.settle()
    assert (await row_of(sent.bexley, notice)).mid == old, "made once"
    for delivery in late:
        await delivery.release()
    await sent.settle()
    assert (await states(sent.hackney, notice))["police"] == "ACKNOWLEDGED"


async def look(*boroughs: Borough) -> None:
    for borough in boroughs:
        await refresh_trust(borough.node, lambda network: None)
        await rekey.turn(borough.node)
        await refresh_trust(borough.node, lambda network: None)
        await documents.spread(borough.node)


async def test_a_notice_to_a_key_that_is_gone_is_refused_and_sealed_again(sent: World) -> None:
    notice = await issue(sent)
    old = (await row_of(sent.hackney, notice)).mid
    terms: Any = sent.bexley.node.keys
    terms.terms[f"{BEXLEY}/police"] = [KemKey.generate(START - DAY, START - 1)]
    await look(sent.bexley)
    await dispatch.dispatch(sent.hackney.node, dispatch.URGENT)
    await sent.deliver_mail(sent.bexley)
    signed = await sent.bexley.node.store.read(lambda tx: tx.receipts(mid=old))
    assert [(one.state, one.code) for one in signed] == [("refused", "rekey")]
    await sent.settle()
    assert set((await states(sent.hackney, notice)).values()) == {"QUEUED"}, "on its way, to whoever looks"
    await look(sent.hackney)
    sent.clock.advance(stale.FIRST)
    await sent.settle()
    assert (await row_of(sent.hackney, notice)).mid != old
    assert set((await states(sent.hackney, notice)).values()) == {"OPENED"}


async def test_a_notice_that_the_peer_refuses_for_good_is_undeliverable(
    sent: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node of an older release knows no notices; people have to be told by telephone."""
    notice = await issue(sent)
    mid = (await row_of(sent.hackney, notice)).mid
    monkeypatch.setattr(opening, "NOTICE", "SOMETHING_ELSE")
    await sent.settle()
    signed = await sent.hackney.node.store.read(lambda tx: tx.receipts(mid=mid))
    assert [(one.state, one.code) for one in signed] == [("refused", "message_type")]
    assert set((await states(sent.hackney, notice)).values()) == {"UNDELIVERABLE"}
    assert (await sent.hackney.legs(REF))["police"].state == "DELIVERED"


async def test_a_reader_without_a_key_stands_on_the_list_and_the_others_hear(
    sent: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = notice_out._has_key
    monkeypatch.setattr(
        notice_out, "_has_key", lambda node, name, now: not name.endswith("/dwp") and real(node, name, now)
    )
    notice = await issue(sent)
    await sent.settle()
    told = await states(sent.hackney, notice)
    assert told.pop("dwp") == "UNDELIVERABLE"
    assert set(told.values()) == {"OPENED"}


async def test_the_refusal_of_a_message_that_was_replaced_says_nothing_about_its_readers(sent: World) -> None:
    """Stuck at the broker for nearly its whole life, refused when it arrives; the fresh one is on its way."""
    notice = await issue(sent)
    old = (await row_of(sent.hackney, notice)).mid
    await dispatch.dispatch(sent.hackney.node, dispatch.URGENT)
    stuck = await sent.next_delivery(sent.bexley, Lane.URGENT)
    assert stuck is not None
    sent.clock.advance(LIFE - outgoing.MARGIN)
    await sent.hackney.turn()
    assert (await row_of(sent.hackney, notice)).mid != old
    terms: Any = sent.bexley.node.keys
    terms.terms[f"{BEXLEY}/police"] = [KemKey.generate(START - DAY, START - 1)]
    await stuck.release()
    await sent.settle()
    signed = await sent.hackney.node.store.read(lambda tx: tx.receipts(mid=old))
    assert [(one.state, one.code) for one in signed] == [("refused", "rekey")]
    assert set((await states(sent.hackney, notice)).values()) == {"QUEUED"}
