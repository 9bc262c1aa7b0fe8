"""Attack 91, after expiry: only by a broken glass, which everybody sees; notes that do not hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.core.breakglass import make_break_glass
from gateway.core.encoding import decode_object
from gateway.errors import Unavailable
from gateway.flows import glass
from gateway.flows.vault import write_sections
from gateway.testing.boroughs import BEXLEY, HACKNEY
from keys_example import unlocked

HOUR = 3600


@pytest.fixture
def late(attack):
    """Both boroughs' directory has ended this second."""
    for borough in attack.world.boroughs:
        network, now = borough.node.network, borough.node.clock.now()
        borough.node.trust.network = replace(network, directory=replace(network.directory, expires=now))
    return attack


async def broken(borough, hours=8):
    """Somebody decides, and the node takes it up."""
    node, now = borough.node, borough.node.clock.now()
    found = await node.store.write(
        lambda tx: glass.break_glass(
            tx, node.keys, node.network, node.area, hours=hours, reason="signer_away", by="duty", now=now
        )
    )
    own = await node.store.read(lambda tx: glass.stored(tx, node.network, node.area, now))
    node.trust.network, node.trust.glass = replace(node.network, glass=own[0]), own[1]
    return found


async def alarms(borough):
    rows = await borough.node.store.read(lambda tx: tx.alarms())
    return [(row.code, row.peer, row.subject, row.evidence) for row in rows]


async def leaves(borough):
    rows = await borough.node.store.read(lambda tx: tx.log(0, 999))
    return [body for _, leaf in rows if (body := decode_object(leaf))["t"] == "break_glass"]


async def test_091_without_a_glass_nothing_is_sent_and_the_remedy_is_named(late):
    with late.refused(Unavailable, "directory_expired") as caught:
        await late.world.hackney.submit(late.example())
    assert "gateway break-glass" in caught.value.remedy
    assert not late.dump(late.world.hackney)["outbox"]


async def test_091_a_broken_glass_sends_and_everybody_sees_it(late):
    world = late.world
    found = await broken(world.hackney)
    ref = (await world.hackney.submit(late.example())).ref
    await world.settle()
    assert len(world.bexley.desks["police"].given) == 1
    note = world.hackney.node.trust.glass
    version = str(world.hackney.node.network.version)
    assert await alarms(world.bexley) == [("break_glass", HACKNEY, version, note)]
    mid = (await world.hackney.legs(ref))["police"].mid
    assert mid in {leaf.get("mid") for leaf in await leaves(world.bexley)}
    assert [leaf["area"] for leaf in await leaves(world.hackney)] == [HACKNEY]
    assert found.reason == "signer_away"
    # Bexley has broken none: its receipts wait for its own, or for the renewed directory.
    assert {leg.state for leg in (await world.hackney.legs(ref)).values()} == {"TRANSMITTED"}
    await broken(world.bexley)
    await world.settle()
    assert {leg.state for leg in (await world.hackney.legs(ref)).values()} == {"DELIVERED"}
    assert [row[:2] for row in await alarms(world.hackney)] == [("break_glass", BEXLEY)]


async def test_091_it_ends_by_itself_and_with_a_new_directory(late):
    world = late.world
    await broken(world.hackney, hours=1)
    world.clock.advance(HOUR)
    with late.refused(Unavailable, "directory_expired"):
        await world.hackney.submit(late.example())
    await broken(world.hackney, hours=1)
    network = world.hackney.node.network
    newer = replace(network.directory, version=network.version + 1)
    world.hackney.node.trust.network = replace(network, directory=newer)
    with late.refused(Unavailable, "directory_expired"):
        await world.hackney.submit(late.example())


async def test_091_under_a_directory_in_date_no_note_travels(attack):
    world = attack.world
    await broken(world.hackney)
    await world.hackney.submit(attack.example())
    await world.settle()
    assert await alarms(world.bexley) == []
    note = world.hackney.node.trust.glass
    first = write_sections({"routing": {}, "break_glass": note.decode()})
    assert glass.beside(world.hackney.node, first, world.clock.now()) == write_sections({"routing": {}})


@pytest.mark.parametrize(
    ("signer", "area", "change", "code"),
    [
        (f"{BEXLEY}/node", BEXLEY, {}, "break_glass_area"),
        (f"{HACKNEY}/node", HACKNEY, {"directory": 999}, "break_glass_covers"),
        (f"{HACKNEY}/node", HACKNEY, {"created": -3 * HOUR, "until": -HOUR}, "break_glass_covers"),
    ],
)
async def test_091_a_note_that_does_not_hold_refuses_its_message(attack, signer, area, change, code):
    node, now = attack.node, attack.world.clock.now()
    note = make_break_glass(
        unlocked(area).signer(signer),
        net=node.network.net,
        directory=change.get("directory", node.network.version),
        created=now + change.get("created", 0),
        until=now + change.get("until", HOUR),
        reason="signer_away",
        by="duty",
    )
    routing = decode_object(attack.routing())["sections"]["routing"]
    first = write_sections({"routing": routing, "break_glass": note.decode()})
    await attack.told(attack.insider(contents=(first, attack.section())).seal(), code)
    assert await alarms(attack.world.bexley) == []


async def test_091_people_are_warned_once_a_version(attack):
    node = attack.world.hackney.node
    assert not await glass.warn(node)
    attack.world.clock.advance(node.network.expires - 14 * 86_400 - attack.world.clock.now())
    assert await glass.warn(node)
    assert not await glass.warn(node)
    assert [row[:3] for row in await alarms(attack.world.hackney)] == [
        ("directory_expires", HACKNEY, f"directory {node.network.version}")
    ]
