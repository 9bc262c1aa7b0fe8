"""kill -9 at every moment of a story in which the agencies answer in their reply to the parcel.

Nobody tells the node anything beside those replies: what they said is on record at the end, on both sides, or
it is lost. After a death each agency says to the repeat what it said before.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from gateway.flows import notices
from gateway.ports import Parcel
from gateway.testing.boroughs import BEXLEY, World

TWO = {"police", "dwp"}
ACCEPTED = json.dumps({"state": "ACCEPTED", "role": "Duty sergeant", "reason_text": "words"}).encode()
SEEN = json.dumps({"state": "ACKNOWLEDGED", "role": "Duty sergeant"}).encode()

EVERY = int(os.environ.get("CRASH_EVERY", "3"))
"""Of the moments of the story with a notice every third dies in the suite. All of them: CRASH_EVERY=1."""


async def handover(world: World, document: Any) -> str:
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    return ref


async def corrected(world: World, document: Any) -> str:
    ref = await handover(world, document)
    said = {"kind": "CORRECTION", "role": "Lead", "reason_code": "DATA_INACCURATE", "text": "Another flat."}
    words = notices.read(json.dumps(said).encode())
    await notices.issue(world.hackney.node, world.hackney.caller("community_safety"), ref, words, key="n1")
    await world.settle()
    return ref


async def _run(kit: Any, story: Any, document: Any, *, at: int | None, folder: Path | None = None) -> Any:
    """One story with one death in it. Returns the moment."""
    machines, moment = kit.machines(folder=folder), kit.moment(at=at)
    for desk in machines.desks[BEXLEY].values():
        desk.replies = {Parcel.NOTIFICATION: ACCEPTED, Parcel.NOTICE: SEEN}
    try:
        world = await machines.world(moment)
        try:
            ref = await story(world, document)
        except kit.crash:
            await kit.bury()
            machines.clock.advance(kit.leases)
            world = await machines.world(kit.moment())
            ref = await story(world, document)
        if story is handover:
            await kit.check(world, ref, TWO, calls=2 if moment.dead else 1)
        await _on_record(world, ref)
        assert _calls(world) <= (2 if moment.dead else 1)
    finally:
        await machines.down()
    return moment


async def _on_record(world: World, ref: str) -> None:
    """Each leg and each notice, on both sides; and what was said was signed and written down once."""
    for borough in world.boroughs:
        read = borough.node.store.read
        assert {role: leg.state for role, leg in (await borough.legs(ref)).items()} == dict.fromkeys(
            TWO, "ACCEPTED"
        )
        signed = [(row.mid, row.by, row.state) for row in await read(lambda tx: tx.receipts(ref=ref))]
        assert len(signed) == len(set(signed))
        for notice in await read(lambda tx: tx.notices(ref=ref)):
            readers = await read(lambda tx, notice=notice: tx.notice_legs(notice.id))
            assert {one.principal: one.state for one in readers} == {
                f"{BEXLEY}/{role}": "ACKNOWLEDGED" for role in TWO
            }
    rows = await world.bexley.node.store.read(lambda tx: tx.accesses(ref=ref, limit=999))
    answers = [(row.principal, row.justification) for row in rows if row.operation == "ALTERATION"]
    assert len(answers) == len(set(answers))
    assert {who for who, why in answers if why == "ANSWER_ACCEPTED"} == {f"{BEXLEY}/{role}" for role in TWO}


def _calls(world: World) -> int:
    """How often an agency was given one key at most."""
    return max(
        desk.keys.count(key) for side in world.boroughs for desk in side.desks.values() for key in desk.keys
    )


async def test_a_death_at_any_moment_loses_no_answer(kit: Any, document: Any) -> None:
    """From the first call of an agency; what can happen before it is test_crash_points' to try."""
    small, seen = kit.narrowed(document, "POLICE", "DWP"), set()
    whole = await _run(kit, handover, small, at=None)
    for at in range(1 + whole.passed.index("before an adapter"), whole.count + 1):
        moment = await _run(kit, handover, small, at=at)
        assert moment.dead, at
        seen.add(moment.what)
    assert seen >= {f"{side} {what}" for side in ("before", "after") for what in ("a commit", "an adapter")}


async def test_nor_one_to_a_notice(kit: Any, document: Any) -> None:
    small = kit.narrowed(document, "POLICE", "DWP")
    before = await _run(kit, handover, small, at=None)
    whole = await _run(kit, corrected, small, at=None)
    first = 1 + whole.passed.index("before an adapter", before.count)
    for at in range(first, whole.count + 1, EVERY):
        assert (await _run(kit, corrected, small, at=at)).dead, at


async def test_nor_over_database_files(kit: Any, document: Any, tmp_path: Path) -> None:
    """Before and after the commit that holds both: the first two after an agency was called."""
    small = kit.narrowed(document, "POLICE", "DWP")
    (tmp_path / "whole").mkdir()
    whole = await _run(kit, handover, small, at=None, folder=tmp_path / "whole")
    called = whole.passed.index("after an adapter")
    for what in ("before a commit", "after a commit"):
        folder = tmp_path / what.partition(" ")[0]
        folder.mkdir()
        at = 1 + whole.passed.index(what, called)
        assert (await _run(kit, handover, small, at=at, folder=folder)).dead
