"""Trust documents by gossip: asked for, answered, taken up, spread once. Attack 104 is among the attacks."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.core.ceremony import Bundle, make_card
from gateway.core.keys import KemKey
from gateway.core.notes import peek_body, sign_note
from gateway.core.root import network_id
from gateway.core.suspension import make_suspension
from gateway.flows import documents, heard
from gateway.flows.control import tell
from gateway.flows.trust import join, refresh_trust, take_suspension
from gateway.ports import TrustRow
from gateway.testing.boroughs import BEXLEY, HACKNEY, START, Borough, World, two_boroughs
from keys_example import HERE, SIGNER, unlocked

DAY = 86_400
POLICE = f"{HACKNEY}/police"
NET = network_id((HERE / "root.note").read_bytes())


@pytest.fixture
async def world() -> Any:
    async with two_boroughs() as opened:
        yield opened


def directory(borough: Borough, **changes: Any) -> bytes:
    """The one it holds, changed and signed anew."""
    body = dict(peek_body(stored(borough, "directory")[-1].note))
    signer = unlocked("network").named_signer(SIGNER, "directory")
    return sign_note("bx/1/directory", {**body, **changes}, [signer])


def stored(borough: Borough, kind: str) -> list[TrustRow]:
    tables = borough.node.store.memory.tables  # type: ignore[attr-defined] # the memory store of these worlds
    return sorted((row for row in tables.trust.values() if row.kind == kind), key=lambda row: row.version)


async def hold(borough: Borough, note: bytes) -> None:
    """A person brings this directory to one node."""
    roots = [row.note for row in stored(borough, "root")]
    now = borough.node.clock.now()
    await borough.node.store.write(lambda tx: join(tx, Bundle(roots, note, ()), now))
    await refresh(borough)


async def refresh(borough: Borough) -> bool:
    return await refresh_trust(borough.node, lambda network: None)


async def speak(world: World, borough: Borough, to: str, sections: Any = None) -> None:
    node, now = borough.node, borough.node.clock.now()
    said = documents.ride(None, node, to, now) if sections is None else sections  # type: ignore[arg-type]
    await node.store.write(lambda tx: tell(tx, node, to, said, now))
    await world.settle()


async def codes(borough: Borough) -> list[str]:
    return sorted(row.code for row in await borough.node.store.read(lambda tx: tx.alarms()))


def card(version: int) -> bytes:
    key = KemKey(bytes([7]) * 32, START, START + 14 * DAY)
    return make_card(unlocked(HACKNEY).signer(POLICE), [key], net=NET, version=version)


# --- a newer directory ------------------------------------------------------------------------------


async def test_whoever_hears_of_a_newer_directory_asks_for_it_and_takes_it_up(world: World) -> None:
    hackney, bexley = world.boroughs[:2]
    version = hackney.node.network.version
    await hold(hackney, directory(hackney, version=version + 1))
    await speak(world, hackney, BEXLEY)
    assert stored(bexley, "directory")[-1].note == stored(hackney, "directory")[-1].note
    assert bexley.node.network.version == version
    assert await refresh(bexley)
    assert bexley.node.network.version == version + 1
    assert await codes(bexley) == []


async def test_any_statement_that_names_a_newer_one_is_enough(world: World) -> None:
    hackney, bexley = world.boroughs[:2]
    await hold(hackney, directory(hackney, version=hackney.node.network.version + 1))
    await speak(world, hackney, BEXLEY, {"of_a_later_release": {}})
    assert stored(bexley, "directory")[-1].version == hackney.node.network.version


async def test_an_older_or_an_equal_one_is_not_asked_for(world: World) -> None:
    hackney, bexley = world.boroughs[:2]
    await hold(bexley, directory(bexley, version=bexley.node.network.version + 1))
    before = len(world.hackney.node.store.memory.tables.envelopes)  # type: ignore[attr-defined]
    await speak(world, hackney, BEXLEY)
    sent = bexley.node.store.memory.tables.outbox  # type: ignore[attr-defined]
    assert not sent
    assert len(hackney.node.store.memory.tables.envelopes) == before + 1  # type: ignore[attr-defined]


async def test_a_question_is_put_once_a_minute_and_answered_as_often(world: World) -> None:
    hackney, bexley = world.boroughs[:2]
    await hold(hackney, directory(hackney, version=hackney.node.network.version + 1))
    for _ in range(3):
        await speak(world, bexley, HACKNEY, {"want": {"directory": 1}})
    assert answers(hackney) == 1
    world.clock.advance(documents.ASK - 1)
    await speak(world, bexley, HACKNEY, {"want": {"directory": 1}})
    assert answers(hackney) == 1
    world.clock.advance(1)
    await speak(world, bexley, HACKNEY, {"want": {"directory": 1}})
    assert answers(hackney) == 2


def answers(borough: Borough) -> int:
    return len(borough.node.store.memory.tables.outbox)  # type: ignore[attr-defined]


async def test_a_directory_that_may_not_follow_is_refused_and_nothing_of_it_kept(world: World) -> None:
    hackney, bexley = world.boroughs[:2]
    version, before = bexley.node.network.version, bexley.node.store.memory.tables.trust.copy()  # type: ignore[attr-defined]
    wrong = {
        "directory_rollback": directory(bexley, version=version - 1),
        "directory_jump": directory(bexley, version=version + 10_001),
        "signature": directory(bexley, version=version + 1)[:-9] + b"AAAAAAA=\n",
    }
    for code, note in wrong.items():
        with capture_logs() as logs:
            await speak(world, hackney, BEXLEY, {"documents": [note.decode()]})
        refused = [line["code"] for line in logs if line["event"] == "a section was refused"]
        assert refused, code
        if code != "signature":
            assert refused == [code]
        assert bexley.node.store.memory.tables.trust == before  # type: ignore[attr-defined]


@pytest.mark.parametrize("garbage", [{}, "x", [1], ["bx/1/directory\n{}\n"], ["bx/1/keycard\nx"], [[]], None])
async def test_garbage_harms_nobody(world: World, garbage: Any) -> None:
    before = world.bexley.node.store.memory.tables.trust.copy()  # type: ignore[attr-defined]
    for name in ("documents", "trust", "want"):
        await speak(world, world.hackney, BEXLEY, {name: garbage})
    assert world.bexley.node.store.memory.tables.trust == before  # type: ignore[attr-defined]


# --- cards ------------------------------------------------------------------------------------------


async def test_who_lacks_a_peers_newest_card_asks_for_it(world: World) -> None:
    hackney, bexley = world.boroughs[:2]
    new = card(START + 100)
    await hackney.node.store.write(lambda tx: tx.put_trust(TrustRow("keycard", POLICE, START + 100, new)))
    await refresh(hackney)
    await speak(world, hackney, BEXLEY)
    assert await refresh(bexley)
    assert bexley.node.network.cards[POLICE].version == START + 100
    sent = answers(bexley)
    world.clock.advance(documents.ASK)
    await speak(world, hackney, BEXLEY)
    assert answers(bexley) == sent  # nothing lacks any more, so nothing is asked


async def test_a_card_by_another_key_than_its_principals_is_not_kept(world: World) -> None:
    forged = make_card(
        unlocked(HACKNEY).signer(POLICE),
        [KemKey(bytes([7]) * 32, START, START + DAY)],
        net=NET,
        version=START + 100,
    ).replace(b"E09000012/police", b"E09000004/police")
    await speak(world, world.hackney, BEXLEY, {"documents": [forged.decode()]})
    assert not [row for row in stored(world.bexley, "keycard") if row.version == START + 100]


async def test_what_is_new_here_is_told_to_everybody_once(world: World) -> None:
    hackney, bexley = world.boroughs[:2]
    assert await documents.spread(hackney.node) == len(stored(hackney, "keycard")) // 2
    await world.settle()
    assert await documents.spread(hackney.node) == 0
    new = card(START + 100)
    await hackney.node.store.write(lambda tx: tx.put_trust(TrustRow("keycard", POLICE, START + 100, new)))
    assert await documents.spread(hackney.node) == 1
    await world.settle()
    await refresh(bexley)
    assert bexley.node.network.cards[POLICE].version == START + 100


def test_documents_travel_in_envelopes_well_under_a_mebibyte() -> None:
    notes = [b"x" * 150_000] * 5 + [b"y" * 500_000]
    batches = list(documents._batches(notes))
    assert [len(batch) for batch in batches] == [2, 2, 1, 1]
    assert [note for batch in batches for note in batch] == notes


# --- suspensions ------------------------------------------------------------------------------------


async def test_a_suspension_reaches_everybody_whichever_way_it_came(world: World) -> None:
    hackney, bexley = world.boroughs[:2]
    key = hackney.node.network.principal(POLICE).sign
    note = make_suspension(
        unlocked("network").named_signer(SIGNER, "directory"),
        net=hackney.node.network.net,
        key=key,
        created=START,
        until=START + DAY,
        reason="lost",
    )
    await hackney.node.store.write(lambda tx: take_suspension(tx, note, START))
    await documents.spread(hackney.node)
    await world.settle()
    await refresh(bexley)
    assert bexley.node.network.suspended(POLICE, START)
    assert not bexley.node.network.suspended(POLICE, START + DAY)
    assert await codes(bexley) == ["key_suspended"]
    assert await documents.spread(bexley.node) > 0  # and is told on, once
    await world.settle()
    assert await documents.spread(bexley.node) == 0


def test_every_section_has_its_handler() -> None:
    assert {"documents", "trust", "want"} <= heard.HANDLERS.keys()
