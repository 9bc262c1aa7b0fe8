"""kill -9 at every moment of what is said about a handover afterwards: a correction, a question and its
answer, a leg that comes back, a withdrawal with the destruction of keys, the closing of accounts.

The story is told again from its beginning after each death, as its tellers would, with the same
Idempotency-Keys. It must end as the story without a death does, and nothing may reach an agency under two
keys; what is destroyed stays destroyed.
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from gateway.flows import attest, notice_answer, notices, shred
from gateway.flows.slots import view_for
from gateway.ports import Parcel
from gateway.testing.boroughs import BEXLEY, Borough, World

REF = "HO-E09000012-2026-000417"
DONE = {"copies_destroyed": True, "onward_disclosure": False, "log_contains_payload": False}


async def rest(world: World) -> None:
    """Until nothing moves, key stores and attestations included."""
    for _ in range(3):
        await world.settle()
        for borough in world.boroughs:
            await shred.resume(borough.node)
            await attest.sign_waiting(borough.node)
        world.clock.advance(61)
    await world.settle()


async def say(borough: Borough, role: str, kind: str, code: str, **more: Any) -> str:
    said = {"kind": kind, "role": "Lead", "reason_code": code, **more}
    words = notices.read(json.dumps(said).encode())
    made = await notices.issue(borough.node, borough.caller(role), REF, words, key=f"{kind} {role}")
    return made.id


async def answer(borough: Borough, role: str, notice: str, state: str, **more: Any) -> None:
    words = notice_answer.read(json.dumps({"state": state, "role": "Duty officer", **more}).encode())
    await notice_answer.answer(borough.node, borough.caller(role), notice, words)


async def withdrawn(world: World, document: dict[str, Any]) -> None:
    """A correction that is acknowledged, then a withdrawal that is attested by node and agencies."""
    await world.hackney.submit(document)
    await world.settle()
    correction = await say(world.hackney, "community_safety", "CORRECTION", "DATA_INACCURATE", text="no")
    await world.settle()
    await answer(world.bexley, "police", correction, "ACKNOWLEDGED")
    await world.settle()
    order = await say(world.hackney, "community_safety", "WITHDRAWAL", "SENT_IN_ERROR")
    await rest(world)
    for role in ("police", "dwp"):
        await answer(world.bexley, role, order, "COMPLETED", attestation=DONE)
    await rest(world)


async def asked(world: World, document: dict[str, Any]) -> None:
    """A question and its answer; then a leg comes back, and what was sent to it is ordered to go."""
    await world.hackney.submit(document)
    await world.settle()
    told = {"asks": ["/core/known_as"], "text": "Which?"}
    question = await say(world.bexley, "police", "INFORMATION_REQUEST", "INFORMATION_MISSING", **told)
    await world.settle()
    await say(world.hackney, "police", "INFORMATION", "ASKED_FOR", about=question, text="This.")
    await world.settle()
    leg = (await world.bexley.legs(REF))["dwp"]
    await world.bexley.answer("dwp", leg.id, "RETURNED", reason_code="WRONG_AREA")
    await rest(world)
    rows = await world.bexley.node.store.read(lambda tx: tx.notices(ref=REF))
    for row in rows:
        if row.kind == "PURGE_ORDER":
            await answer(world.bexley, "dwp", row.id, "COMPLETED", attestation=DONE)
    await rest(world)


STORIES = {"withdrawn": withdrawn, "asked": asked}


EVERY = int(os.environ.get("CRASH_EVERY", "11"))
"""Of the moments every eleventh dies in the suite: some seconds. All of them: CRASH_EVERY=1."""
FIRST = {"withdrawn": 2, "asked": 1}


async def picture(world: World) -> dict[str, Any]:
    """How both sides stand at the end: codes only, so that two tellings can be compared."""
    found: dict[str, Any] = {}
    for borough in world.boroughs:
        read = borough.node.store.read
        legs = await borough.legs(REF)
        envelope = await read(lambda tx, leg=legs["dwp"]: tx.envelope(leg.mid))
        try:
            opens = bool(view_for(borough.node, envelope, legs["dwp"].principal))
        except Exception:  # noqa: BLE001 - whatever stops it, it does not open
            opens = False
        found[borough.area] = {
            "handover": (await read(lambda tx: tx.handover(REF))).state,
            "legs": {role: leg.state for role, leg in legs.items()},
            "notices": await read(standing),
            "breaches": sorted(row.source for row in await read(lambda tx: tx.breaches(REF))),
            "attested": sorted((row.why, bool(row.note)) for row in await read(lambda tx: tx.purges(REF))),
            "punctures": len(await read(lambda tx: tx.punctures())),
            "dwp opens": opens,
            "given": {role: keys(borough, role) for role in legs},
        }
    return found


def standing(tx: Any) -> list[Any]:
    """Each notice with how far its readers are."""
    rows = tx.notices(ref=REF)
    readers = {row.id: sorted((one.principal, one.state) for one in tx.notice_legs(row.id)) for row in rows}
    return sorted((row.kind, row.code, row.side, row.state, readers[row.id]) for row in rows)


def keys(borough: Borough, role: str) -> list[tuple[str, str]]:
    """What an agency was given, each key once."""
    views = dict(borough.desks[role].given).values()
    return sorted((one.kind, str(one.content.get("kind", ""))) for one in views if one.kind != Parcel.STATUS)


async def told(kit: Any, story: Any, document: Any, at: int | None) -> tuple[Any, dict[str, Any], int]:
    """One story with one death in it: the moment, how it ended, how often a parcel was given at most."""
    machines, moment = kit.machines(), kit.moment(at=at)
    try:
        world = await machines.world(moment)
        try:
            await story(world, document)
        except kit.crash:
            await kit.bury()
            machines.clock.advance(kit.leases)
            world = await machines.world(kit.moment())
            await story(world, document)
        ended = await picture(world)
        given = [
            [key for key, _ in desk.given].count(one)
            for borough in world.boroughs
            for desk in borough.desks.values()
            for one in {key for key, _ in desk.given}
        ]
        return moment, ended, max(given)
    finally:
        await machines.down()


@pytest.mark.timeout(0 if EVERY < 11 else 300)
@pytest.mark.parametrize("name", STORIES)
async def test_a_death_at_any_moment_changes_no_end(kit: Any, document: Any, name: str) -> None:
    small, story = kit.narrowed(document, "POLICE", "DWP"), STORIES[name]
    whole, wanted, _ = await told(kit, story, small, None)
    assert whole.count > 80
    for at in range(FIRST[name], whole.count + 1, EVERY):
        moment, ended, most = await told(kit, story, small, at)
        assert moment.dead, at
        assert ended == wanted, (at, moment.what)
        assert most <= 2, (at, moment.what)


async def test_the_story_without_a_death_is_the_one_that_is_meant(kit: Any, document: Any) -> None:
    """Otherwise all of them could end alike and be wrong."""
    small = kit.narrowed(document, "POLICE", "DWP")
    _, ended, most = await told(kit, withdrawn, small, None)
    assert most == 1
    theirs = ended[BEXLEY]
    assert (theirs["handover"], theirs["dwp opens"], theirs["punctures"]) == ("WITHDRAWN", False, 0)
    assert [(why, signed) for why, signed in theirs["attested"]] == [("WITHDRAWAL", True)]
    kinds = [row[0] for row in theirs["notices"]]
    assert kinds.count("PURGE_ATTESTATION") == 1
    _, ended, most = await told(kit, asked, small, None)
    assert most == 1
    assert ended["E09000012"]["breaches"] == ["RETURNED"]
    kinds = [row[0] for row in ended["E09000012"]["notices"]]
    assert kinds.count("PURGE_ORDER") == 1
    assert kinds.count("INFORMATION_REQUEST") == 1
