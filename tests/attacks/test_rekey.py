"""Attack 115: subkeys destroyed on time, messages sealed to one that is gone, and what cannot be mended."""

from __future__ import annotations

from gateway.core.keys import KemKey
from gateway.core.rotation import GRACE
from gateway.flows import dispatch, documents, receive, rekey, stale
from gateway.flows.trust import refresh_trust
from gateway.ports import Lane
from gateway.testing.boroughs import BEXLEY, HACKNEY, START

DAY = 86_400
POLICE = f"{BEXLEY}/police"


async def look(*boroughs):
    for borough in boroughs:
        await refresh_trust(borough.node, lambda network: None)
        await rekey.turn(borough.node)
        await refresh_trust(borough.node, lambda network: None)
        await documents.spread(borough.node)


def lose(borough, principal=POLICE):
    """Its subkeys are gone before their time, as after a folder was put back; the next look makes another."""
    borough.node.keys.terms[principal] = [KemKey.generate(START - DAY, START - 1)]


async def codes(borough):
    return [(row.code, row.peer) for row in await borough.node.store.read(lambda tx: tx.alarms())]


async def history(borough, leg):
    return [(e.event, e.code) for e in await borough.node.store.read(lambda tx: tx.history(leg))]


async def test_115_a_message_to_a_destroyed_subkey_is_sealed_again(attack):
    world = attack.world
    ref = (await world.hackney.submit(attack.example())).ref
    first = (await world.hackney.legs(ref))["police"]
    lose(world.bexley)
    await look(world.bexley)
    await dispatch.dispatch(world.hackney.node, dispatch.BULK)
    await dispatch.dispatch(world.hackney.node, dispatch.URGENT)
    await world.deliver_mail(world.bexley)
    assert await attack.answers(first.mid) == [("refused", "rekey")]
    assert not await world.bexley.legs(ref)
    await world.settle()
    assert {leg.state for leg in (await world.hackney.legs(ref)).values()} == {"TRANSMITTED"}
    await look(world.hackney)
    world.clock.advance(stale.FIRST)
    await world.settle()
    legs = await world.hackney.legs(ref)
    assert {leg.state for leg in legs.values()} == {"DELIVERED"}
    assert legs["police"].mid != first.mid
    assert await attack.answers(legs["police"].mid) == [("received", "")]
    events = await history(world.hackney, first.id)
    assert ("ignored:refused", "rekey") in events
    assert ("resealed", "rekey") in events
    assert len(world.bexley.desks["police"].given) == 1
    assert await codes(world.hackney) == []


async def test_115_the_cards_come_with_the_refusal_or_are_asked_for(attack):
    """Whether or not the refusing node sends them: who was refused asks."""
    world = attack.world
    await world.hackney.submit(attack.example())
    lose(world.bexley)
    await refresh_trust(world.bexley.node, lambda network: None)
    await rekey.turn(world.bexley.node)  # a new card, told to nobody
    world.bexley.node.told[f"rekey {HACKNEY}"] = world.clock.now()
    await world.settle()
    assert f"ask {BEXLEY} ['cards']" in world.hackney.node.told
    before = world.hackney.node.network.cards[POLICE].version
    await look(world.hackney)
    assert world.hackney.node.network.cards[POLICE].version > before


async def test_115_what_never_opens_fails_with_an_alarm(attack):
    """A node that signs cards for keys it has not got: five seals more, and no sixth."""
    world = attack.world
    ref = (await world.hackney.submit(attack.example())).ref
    leg = (await world.hackney.legs(ref))["police"]
    lose(world.bexley)
    for _ in range(stale.TRIES + 2):
        await world.settle()
        world.clock.advance(stale.FIRST * 4**stale.TRIES)
    assert {leg.state for leg in (await world.hackney.legs(ref)).values()} == {"UNDELIVERABLE"}
    events = await history(world.hackney, leg.id)
    assert events.count(("resealed", "rekey")) == stale.TRIES
    assert events[-1] == ("refused", "rekey")
    assert ("rekey_failed", BEXLEY) in await codes(world.hackney)
    assert not world.bexley.desks["police"].given


async def test_115_a_mark_that_a_publisher_overwrote_is_set_again(attack):
    world = attack.world
    ref = (await world.hackney.submit(attack.example())).ref
    mid = (await world.hackney.legs(ref))["police"].mid
    lose(world.bexley)
    await look(world.bexley)
    await world.settle()
    node = world.hackney.node
    row = await node.store.read(lambda tx: tx.outbox_of(mid))
    assert row.error == "rekey"
    due = world.clock.now() + 1
    await node.store.write(lambda tx: tx.advance_outbox(row.id, [row.state], row.state, due=due))
    await look(world.hackney)
    world.clock.advance(1)
    await world.settle()  # published once more, and refused with the stored receipt
    world.clock.advance(stale.FIRST)
    await world.settle()
    assert {leg.state for leg in (await world.hackney.legs(ref)).values()} == {"DELIVERED"}


async def test_115_a_queue_that_stood_still_for_three_weeks(attack):
    """What lay in it is expired and its keys are destroyed; what was sealed again meanwhile is taken."""
    world = attack.world
    ref = (await world.hackney.submit(attack.example())).ref
    before = {key.public for key in world.bexley.node.keys.subkeys(POLICE)}
    lose(world.bexley)
    for _ in range(22):
        await look(*world.boroughs)
        for borough in world.boroughs:
            await borough.turn()
        await world.deliver_mail(world.hackney)
        while delivery := await world.next_delivery(world.bexley, Lane.RECEIPTS):
            await receive.receive(world.bexley.node, delivery)
        world.clock.advance(DAY)
    now = world.clock.now()
    held = world.bexley.node.keys.subkeys(POLICE)
    assert not before & {key.public for key in held}
    assert all(now < key.until + GRACE for key in held)
    assert world.broker.waiting(BEXLEY, Lane.STANDARD) > 1
    await look(*world.boroughs)
    await world.settle()
    assert world.broker.quarantined(BEXLEY)  # as expired
    assert {leg.state for leg in (await world.hackney.legs(ref)).values()} == {"DELIVERED"}
    assert len(world.bexley.desks["police"].given) == 1
