"""One history: two nodes, a plan of faults and load, the healing, and the judgement of every oracle.

Duty: run a plan (:mod:`gateway.testing.chaos.schedule`) in a world, heal everything, wait until nothing
moves, stop, and judge. It leaves out the summary of many (:mod:`gateway.testing.chaos.campaign`).

Rules
-----
- A fault that cannot be begun (the one before took its target away) is counted as not injected and said.
- After the last fault agencies behave as they should: those that answer by the API do so. What was said in a
  reply is not said again, so that a lost one shows.
- Recovery is the time from the last healing until every leg at the origin is answered or ended. Beyond
  :data:`PATIENCE` nothing more is waited for, and the oracles say what is missing.
"""

from __future__ import annotations

import asyncio
import random
import traceback
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.clock import SystemClock
from gateway.core.ceremony import Bundle
from gateway.core.encoding import unb64
from gateway.core.entitlements import ENTITLEMENTS
from gateway.core.states import ANSWERED, TERMINAL
from gateway.core.trust import Network
from gateway.testing.chaos import oracles, records, wire
from gateway.testing.chaos.agencies import Way, answer
from gateway.testing.chaos.faults import FAULTS, DiskFull
from gateway.testing.chaos.load import CANARY, call, document, reference
from gateway.testing.chaos.schedule import Asked, Plan, Planned
from gateway.testing.chaos.world import AREAS, PrivateHub, World, world
from keys_example import demo_network

PATIENCE: Final = 60.0
"""Seconds that a healed network has to come to rest."""

SETTLED: Final = frozenset(state.value for state in ANSWERED | TERMINAL)
LOOK: Final = 0.5


@dataclass(slots=True)
class Outcome:
    """``wrong``: oracle -> what is wrong. ``recovery``: seconds; -1 when it did not come to rest."""

    seed: int
    injected: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    wrong: dict[str, list[str]] = field(default_factory=dict)
    recovery: float = -1.0
    figures: dict[str, int] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    error: str = ""

    @property
    def good(self) -> bool:
        return not self.error and not any(self.wrong.values())


async def run(
    plan: Plan,
    folder: Path,
    hub: PrivateHub,
    databases: Mapping[str, str] | None = None,
    beside: Collection[Path] = (),
) -> Outcome:
    """``beside``: where a server keeps ``databases``, for the canary must not be there either. Never raises
    for what goes wrong in the history: that is its outcome."""
    outcome = Outcome(plan.seed)
    small = {one.area for one in plan.faults if one.name == DiskFull.name}
    try:
        async with world(folder, hub, plan.seed, databases, small) as there:
            there.began = asyncio.get_running_loop().time()
            (folder / "plan.txt").write_text(plan.text(), encoding="utf-8")
            await wire.listen(there)
            await _happen(there, plan, outcome)
            patience = max([PATIENCE, *(FAULTS[name].patience for name in outcome.injected)])
            await _rest(there, outcome, patience)
            await _judge(there, outcome, patience, [folder, hub.folder, *beside])
    except Exception:  # noqa: BLE001 - a campaign goes on; what happened stands in the summary
        outcome.error = traceback.format_exc(limit=-6)
    return outcome


async def _happen(there: World, plan: Plan, outcome: Outcome) -> None:
    watching = asyncio.create_task(_watch(there))
    asked = [asyncio.create_task(_ask(there, one)) for one in plan.load]
    try:
        await asyncio.gather(*(_inject(there, one, outcome) for one in plan.faults))
        there.tell("the last fault is over")
        there.extra["healed"] = asyncio.get_running_loop().time()
        await _heal(there)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*asked)
    finally:
        for task in (watching, *asked):
            task.cancel()
        await asyncio.gather(watching, *asked, return_exceptions=True)


async def _inject(there: World, planned: Planned, outcome: Outcome) -> None:
    await asyncio.sleep(planned.at)
    fault = FAULTS[planned.name](there, planned.area, random.Random(planned.seed))
    async with there.lock(fault.target):
        there.tell(f"begin {planned.name} {planned.area}")
        try:
            await fault.begin()
            outcome.injected.append(planned.name)
            await asyncio.sleep(min(planned.lasts, fault.longest))
        except Exception as error:  # noqa: BLE001 - the broker it speaks to may be the one that is frozen
            outcome.failed.append(f"{planned.name}: {type(error).__name__}")
            there.tell(f"not done: {planned.name}: {type(error).__name__} {error}")
        finally:
            await _insist(there, planned, fault)
            there.tell(f"end {planned.name} {planned.area}")


async def _insist(there: World, planned: Planned, fault: Any) -> None:
    """What was begun must end: again while the broker cannot be told."""
    for _ in range(20):
        try:
            await fault.end()
        except Exception as error:  # noqa: BLE001 - what it speaks to may be hit by another fault
            there.tell(f"the end of {planned.name} is tried again: {type(error).__name__} {error}")
            await asyncio.sleep(1)
        else:
            return
    raise RuntimeError(f"{planned.name} could not be ended")


async def _ask(there: World, asked: Asked) -> None:
    await asyncio.sleep(asked.at)
    if not asked.about:
        made = document(there.seed, asked.number, asked.agencies, there.now() - 200)
        await there.client.hand_in(made, f"h{asked.number}", asked.agencies)
        return
    ref = reference(there.seed, asked.about)
    key = f"h{asked.about}"
    while ref not in there.client.accepted:
        if any(key == refused for refused, _, _ in there.client.refused):
            return
        await asyncio.sleep(LOOK)
    await there.client.correct(ref, f"n{asked.number}")


async def _watch(there: World) -> None:
    """Checkpoints, as a passer-by would fetch them."""
    while True:
        for area in AREAS:
            _, said = await call(
                there.nodes[area].url, there.tokens[f"{area}/police"], "GET", "/v1/log/checkpoint"
            )
            if "root" in said:
                there.seen.append((said["origin"], said["size"], unb64(said["root"], 32)))
        await asyncio.sleep(1)


async def _heal(there: World) -> None:
    for line in there.lines.values():
        line.heal()
    for area in AREAS:
        await there.revive(area)


async def _rest(there: World, outcome: Outcome, patience: float) -> None:
    """Until every leg is settled at the origin, or time is up. Agencies answer what they have not."""
    loop = asyncio.get_running_loop()
    end = loop.time() + patience
    with suppress(TimeoutError):
        async with asyncio.timeout_at(end):
            while not await _at_rest(there):
                await _answer(there)
                await asyncio.sleep(LOOK)
            outcome.recovery = round(loop.time() - there.extra["healed"], 2)
    there.tell("at rest" if outcome.recovery >= 0 else "not at rest")


async def _at_rest(there: World) -> bool:
    for ref in there.client.accepted:
        legs = (await there.client.get(f"/v1/handovers/{ref}")).get("legs")
        if legs is None or any(leg["state"] not in SETTLED for leg in legs):
            return False
    for notice in there.client.notices:
        found = await there.client.get(f"/v1/handovers/{notice.ref}/notices")
        if found.get("unresolved", ["?"]):
            return False
    return True


async def _answer(there: World) -> None:
    """By the API: what its agency answers later, and what some say a second time, as people do."""
    given = {
        (one["principal"], one["leg"])
        for one in there.agencies.journal
        if one["kind"].endswith("notification")
    }
    for principal, leg in sorted(given - there.answered):
        state, way = there.agencies.decision(leg)
        if way is Way.REPLY:
            continue
        node = there.nodes[principal.partition("/")[0]]
        status, _ = await call(
            node.url, there.tokens[principal], "POST", f"/v1/inbox/{leg}/acknowledgements", answer(state)
        )
        if status in {200, 409}:
            there.answered.add((principal, leg))


async def _judge(there: World, outcome: Outcome, patience: float, folders: Sequence[Path]) -> None:
    await there.stop()
    parties = [await asyncio.to_thread(records.read, area, there.database(area)) for area in AREAS]
    origin, destination = parties
    accepted, journal = list(there.client.accepted.values()), there.agencies.journal
    seen = [*there.seen, *oracles.checkpoints(parties)]
    outcome.wrong = {
        "accounted": oracles.accounted(accepted, origin, destination, there.restored),
        "decided": oracles.decided(
            accepted, origin, destination, lambda leg: there.agencies.decision(leg)[0]
        ),
        "noticed": oracles.noticed(there.client.notices, origin),
        "calls": oracles.calls(journal, there.restored),
        "given": oracles.given(accepted, journal, destination),
        "legal": [*oracles.legal(origin), *oracles.legal(destination)],
        "behind": [
            wrong
            for one, other in ((origin, destination), (destination, origin))
            if other.area not in there.restored  # what it signed since the backup is with its peers alone
            for wrong in oracles.behind(one, other)
        ],
        "logs": oracles.logs(parties, seen, there.restored),
        "receipts": await asyncio.to_thread(oracles.receipts, parties, network()),
        "sequences": oracles.sequences(parties),
        "canary": await asyncio.to_thread(oracles.canary, CANARY.encode(), folders, there.agencies.folder),
        "recovery": [] if outcome.recovery >= 0 else [f"not at rest {patience:.0f} s after the last fault"],
    }
    outcome.refused = [f"{key}: {status} {code}" for key, status, code in there.client.refused]
    legs = [row for row in origin.table("legs") if row["side"] == "origin"]
    outcome.figures = {
        "handovers accepted": len(accepted),
        "handovers refused": len(there.client.refused),
        "legs": len(legs),
        "legs answered": sum(row["state"] in {s.value for s in ANSWERED} for row in legs),
        "legs reported": sum(row["state"] in {s.value for s in TERMINAL} for row in legs),
        "notices accepted": len(there.client.notices),
        "client calls repeated": there.client.calls
        - len(accepted)
        - len(there.client.notices)
        - len(there.client.refused),
        "adapter calls": len(journal),
        "adapter calls repeated": oracles.repeated(journal),
        "copies put on the wire": there.extra.get("repeated", 0),
        "spoilt copies put on the wire": there.extra.get("changed", 0),
        "garbage put on the wire": there.extra.get("garbage", 0),
        "messages held back and reordered": there.extra.get("held back", 0),
        "checkpoints compared": len(seen),
        "receipts verified": sum(len(party.table("receipts")) for party in parties),
        "alarms": sum(len(party.table("alarms")) for party in parties),
        "node starts": sum(node.starts for node in there.nodes.values()),
    }


def network() -> Network:
    """The demo network's documents of today: what an auditor would have been given."""
    now = SystemClock().now()
    told = demo_network(now, ENTITLEMENTS)
    bundle = Bundle(told.roots, told.directory, tuple(told.cards.values()))
    return Network.build(bundle.roots, bundle.directory, bundle.cards, now=now)
