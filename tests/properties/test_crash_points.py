"""kill -9 in one process: at every commit, publish, ack and adapter call, before it and after it.

What survives is what would survive: both databases, the broker with its unsettled messages, the agencies'
systems. Then both nodes start again and the story is told from its beginning, as its tellers would.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

TWO = {"police", "dwp"}


async def _run(kit: Any, document: Any, *, at: int | None, folder: Path | None = None) -> Any:
    """One story with one death in it. Returns the moment (how many there were, which one it was)."""
    machines, moment = kit.machines(folder=folder), kit.moment(at=at)
    try:
        world = await machines.world(moment)
        try:
            ref = await kit.story(world, document)
        except kit.crash:
            await kit.bury()
            machines.clock.advance(kit.leases)
            world = await machines.world(kit.moment())
            ref = await kit.story(world, document)
        roles = set(TWO) if len(document["routing"]["recipients"]) == 2 else set(world.bexley.desks)
        await kit.check(world, ref, roles, calls=2 if moment.dead else 1)
    finally:
        await machines.down()
    return moment


async def test_a_death_at_any_moment_loses_nothing(kit: Any, document: Any) -> None:
    small = kit.narrowed(document, "POLICE", "DWP")
    whole = await _run(kit, small, at=None)
    seen = set()
    for at in range(1, whole.count + 1):
        moment = await _run(kit, small, at=at)
        assert moment.dead, at
        seen.add(moment.what)
    kinds = {f"{side} {what}" for side in ("before", "after") for what in ("a commit", "a publish", "an ack")}
    assert seen >= kinds | {"before an adapter", "after an adapter"}
    assert whole.count > 60


@pytest.mark.parametrize("step", [4])
async def test_the_same_over_database_files_with_seven_agencies(
    kit: Any, document: Any, tmp_path: Path, step: int
) -> None:
    (tmp_path / "whole").mkdir()
    whole = await _run(kit, document, at=None, folder=tmp_path / "whole")
    for number in range(step):
        folder = tmp_path / str(number)
        folder.mkdir()
        at = 1 + number * (whole.count - 1) // (step - 1)
        assert (await _run(kit, document, at=at, folder=folder)).dead
