"""Any history of the whole lifecycle, drawn by hypothesis: people, pumps, faults, crashes and jumps of time.

Three boroughs with real stores, keys and flows. After every step: every leg's history is a path of the table,
responsibility is somebody's and has moved on a recorded acceptance alone, no clock has fired twice or early,
nothing was given twice, given while restricted, after it was withdrawn, after its last day, or before it
was on record (s.62 DPA 2018).
After every rest: both nodes and the diary (:mod:`tests.properties.model_lifecycle`)
say the same, what is over cannot be opened and what is not over can, and every deadline that has passed has
fired once.

The flows are asyncio and the machine is not: an ``asyncio.Runner`` a history carries them over.
``LIFECYCLE=2000`` (`make lifecycle N=2000`) draws that many histories at random; without it a few, the same
ones every time.
"""

from __future__ import annotations

import asyncio
import copy
import json
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.core.states import LEG, LegState
from gateway.errors import GatewayError
from gateway.flows import (
    accounts,
    attest,
    deliver,
    dispatch,
    heartbeat,
    holds,
    notice_answer,
    notices,
    receive,
    shred,
    sweep,
)
from gateway.flows.slots import view_for
from gateway.flows.vault import secrets_of
from gateway.ports import Lane, Parcel, Side, Task, View
from gateway.testing.boroughs import Borough
from gateway.testing.histories import OVERLAY
from schemas.actions import may_answer
from schemas.areas import display_name
from schemas.samples import minimal_example, restamp
from tests.properties.model_lifecycle import (
    DAY,
    HOUR,
    MINE,
    SHOWN,
    Handover,
    Leg,
    Said,
    Version,
    acknowledge_by,
    decide_by,
)
from tests.properties.model_world import AREAS, Crash, Machines

AGENCY = {"police": "POLICE", "dwp": "DWP", "housing": "HOUSING"}
REASON = {
    "REJECTED": "IDENTITY_MISMATCH",
    "RETURNED": "NOT_AT_ADDRESS",
    "DECLINED_NOT_RELEVANT": "NOT_MOVED",
    "INFO_REQUESTED": "INSUFFICIENT_INFORMATION",
    "NOT_DONE": "SUBJECT_NOT_REACHED",
}
ANSWERS = (
    "ACCEPTED", "ACCEPTED", "ACCEPTED", "RECEIVED", "REJECTED", "RETURNED", "DECLINED_NOT_RELEVANT",
    "INFO_REQUESTED", "IN_PROGRESS", "COMPLETED", "COMPLETED", "NOT_DONE", "CLOSED",
)  # fmt: skip
NOTICES = {
    "WITHDRAWAL": "SENT_IN_ERROR",
    "UNLAWFUL_DISCLOSURE": "NO_LAWFUL_BASIS",
    "ERASURE": "SUBJECT_REQUEST",
    "PURGE_ORDER": "RETENTION_ENDED",
    "RESTRICTION": "ACCURACY_CONTESTED",
    "CORRECTION": "DATA_INACCURATE",
    "UPDATE": "NEW_INFORMATION",
    "CLOSURE": "WORK_COMPLETED",
}
JUMPS = (60, 400, HOUR, 3 * HOUR, 14 * HOUR, DAY, 3 * DAY, 8 * DAY, 31 * DAY, 100 * DAY)
FAULTS = frozenset({"timer_failed", "timer_unknown", "purge_readable", "log_broken", "equivocation"})
"""Alarms that no honest history may sound."""
DONE = {"copies_destroyed": True, "onward_disclosure": False, "log_contains_payload": False}
SEEN: Counter[str] = Counter()
"""What all histories together have met: that a rule is drawn is no proof that it does something."""

areas = st.sampled_from(AREAS)
which = st.integers(0, 5)
Narrow = Callable[..., dict[str, Any]]


class Lifecycle(RuleBasedStateMachine):
    """One history."""

    narrow: Narrow
    """Example 1 for some of its agencies."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.machines = Machines(look=self.given)
        self.handovers: list[Handover] = []
        self.kept: list[tuple[str, Any]] = []
        self.streams: dict[tuple[str, Lane], Any] = {}
        self.since = self.machines.clock.now()
        self.parcels: Counter[tuple[str, str, str]] = Counter()
        self.fired: dict[tuple[str, str, str, int], int] = {}
        self.read = dict.fromkeys(AREAS, 0)
        self.at: dict[tuple[str, str], str] = {}
        self.number = self.steps = self.rests = 0
        self.wrong: list[Exception] = []
        for area in AREAS:
            self.run(self.start(area))
        SEEN["histories"] += 1

    # --- helpers --------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        return self.machines.clock.now()

    def run(self, work: Awaitable[Any]) -> Any:
        async def whole() -> Any:
            return await work

        return self.runner.run(whole())

    def tables(self, area: str) -> Any:
        return self.machines.memories[area].tables

    async def start(self, area: str) -> None:
        borough = await self.machines.up(area)
        await self._took_up(borough)

    async def _took_up(self, borough: Borough) -> None:
        """As ``flows.runtime`` does when it starts: what the dead process had claimed is due."""
        now = self.now

        def work(tx: Any) -> None:
            tx.release_outbox(now)
            tx.release_tasks(now)
            tx.release_pages(now)

        await borough.node.store.write(work)
        for lane in Lane:
            self.streams.pop((borough.area, lane), None)
        self.kept = [(area, one) for area, one in self.kept if area != borough.area]

    async def safely(self, area: str, work: Callable[[Borough], Awaitable[Any]]) -> Any:
        """Do it; and again after a crash, as whoever waits for an answer does."""
        while True:
            try:
                return await work(self.machines.built[area])
            except Crash:
                SEEN["crash"] += 1
                await self._took_up(await self.machines.again(area))

    def up(self, area: str) -> bool:
        return area in self.machines.built

    def pick(self, number: int) -> Handover | None:
        return self.handovers[number % len(self.handovers)] if self.handovers else None

    def refused(self, error: GatewayError) -> None:
        SEEN[f"refused {error.code}"] += 1

    # --- what agencies are given, looked at in the very moment ----------------------------------------

    def given(self, area: str, role: str, view: View, key: str) -> None:
        """Called inside the adapter, whose exceptions the node survives: so what is wrong is kept."""
        try:
            self._given(area, role, view, key)
        except Exception as error:
            self.wrong.append(error)
            raise

    def _given(self, area: str, role: str, view: View, key: str) -> None:
        self.parcels[area, role, key] += 1
        assert self.parcels[area, role, key] <= 1 + self.machines.crashes[area], f"{key} again and again"
        if view.kind is Parcel.STATUS:
            return
        assert any(
            one.principal == f"{area}/{role}" and one.operation == "DISCLOSURE" and one.ref == view.handover
            for one in self.tables(area).accesses
        ), "given before it was on record"
        if view.kind is Parcel.NOTIFICATION:
            self._handed_over(area, role, view, key)

    def _handed_over(self, area: str, role: str, view: View, key: str) -> None:
        handover = next(one for one in self.handovers if one.ref == view.handover)
        version = handover.versions[view.version - 1]
        assert not version.drill, "a drill in a case system"
        assert handover.destination == area
        assert key == f"notification-{view.leg}"
        known = set(self.tables(area).notices)
        for said in handover.destroying(version):
            assert said.id not in known, f"given after {said.kind}"
        for said in handover.said:
            restricts = said.kind == "RESTRICTION" and not said.lifted and said.version >= version.number
            assert not (restricts and said.id in known), "given while restricted"
        assert self.now < version.purge_by, "given after its last day"
        leg = version.legs[role]
        leg.given = leg.given or self.now
        SEEN["given"] += 1

    # --- rules: people --------------------------------------------------------------------------------

    @precondition(lambda self: len(self.handovers) < 3)
    @rule(
        origin=areas,
        to=st.integers(0, 1),
        roles=st.sets(st.sampled_from(sorted(AGENCY)), max_size=1),
        urgency=st.sampled_from(("STANDARD", "PRIORITY")),
        drill=st.sampled_from((False, False, False, True)),
    )
    def submit(self, origin: str, to: int, roles: set[str], urgency: str, drill: bool) -> None:
        if self.up(origin):
            destination = [area for area in AREAS if area != origin][to]
            self._submit(origin, destination, {"police", *roles}, urgency, drill)

    @initialize(roles=st.sets(st.sampled_from(sorted(AGENCY)), max_size=1), there=st.booleans())
    def begin(self, roles: set[str], there: bool) -> None:
        """No history without a handover; in half of them it is there."""
        self._submit(AREAS[0], AREAS[1], {"police", *roles}, "STANDARD", False)
        if there:
            self.bustle(3)

    @rule(rounds=st.integers(1, 3))
    def bustle(self, rounds: int) -> None:
        """Everybody who is up does what there is to do; some of it only in the next round."""
        for _ in range(rounds):
            for area in AREAS:
                if self.up(area):
                    self.run(self.safely(area, self._move))

    @rule(rounds=st.integers(2, 3))
    def bustle_again(self, rounds: int) -> None:
        self.bustle(rounds)

    def _submit(
        self, origin: str, destination: str, roles: set[str], urgency: str, drill: bool, onward_of: str = ""
    ) -> None:
        self.number += 1
        year = datetime.fromtimestamp(self.now, UTC).year
        handover = Handover(f"HO-{origin}-{year}-{self.number:06d}", origin, destination, onward_of=onward_of)
        version = Version(1, self.now, urgency, drill, {role: Leg(role) for role in roles})
        handover.versions.append(version)
        self.handovers.append(handover)
        body = self._document(handover, version)
        key = f"submit {handover.ref}"
        try:
            self.run(self.safely(origin, lambda borough: borough.submit(body, key=key)))
        except GatewayError as error:
            self.handovers.pop()
            self.refused(error)
            if not onward_of:
                raise
            return
        SEEN["submitted"] += 1

    def _document(self, handover: Handover, version: Version) -> dict[str, Any]:
        document = copy.deepcopy(_document(self.narrow, tuple(sorted(version.legs))))
        document = restamp(document, self.now)
        origin, destination = handover.origin, handover.destination
        message = document["message"]
        message |= {"handover_id": handover.ref, "version": version.number, "urgency": version.urgency}
        ids = [f"{int(handover.ref[-6:]):08d}-00c2-59aa-b088-{number:012d}" for number in (1, 2, 3, 4, 5)]
        message["message_id"] = ids[version.number - 1]
        if version.number > 1:
            message["supersedes"] = ids[version.number - 2]
        if version.drill:
            message["drill"] = True
        if handover.onward_of:
            message["onward_of"] = handover.onward_of
        message["authorised_by"]["area"] = origin
        document["routing"]["origin"] |= {"area_code": origin, "area_name": display_name(origin)}
        document["routing"]["destination"] |= {
            "area_code": destination,
            "area_name": display_name(destination),
        }
        document["move"] |= {
            "from_area": origin,
            "to_area": destination,
            "safe_areas": [destination],
            "unsafe_areas": [origin],
        }
        verified = datetime.fromtimestamp(self.now, UTC)
        document["data_quality"]["verified_at"] = verified.isoformat()
        day = datetime.fromtimestamp(self.now, UTC).date()
        document["retention"]["gateway_payload_purge_after"] = (day + timedelta(days=PURGE_AFTER)).isoformat()
        return document

    @rule(number=which, to=st.sampled_from(AREAS))
    def onward(self, number: int, to: str) -> None:
        handover = self.pick(number)
        if handover is None or len(self.handovers) > 3 or not self.up(handover.destination):
            return
        if to == handover.destination or handover.newest.drill:
            return
        before = len(self.handovers)
        self._submit(handover.destination, to, {"police"}, "STANDARD", False, handover.ref)
        if len(self.handovers) > before:
            taken = any(leg.stage in MINE for _, leg in handover.legs())
            assert taken, "handed on by an area of which nobody has taken the person on"
            handover.moved_on = True
            SEEN["onward"] += 1

    @rule(number=which, roles=st.sets(st.sampled_from(sorted(AGENCY)), max_size=1))
    def new_version(self, number: int, roles: set[str]) -> None:
        handover = self.pick(number)
        if handover is None or not self.up(handover.origin) or len(handover.versions) > 2:
            return
        before = handover.newest
        version = Version(
            before.number + 1,
            self.now,
            before.urgency,
            before.drill,
            {role: Leg(role) for role in {"police", *roles}},
        )
        handover.versions.append(version)
        body, key = self._document(handover, version), f"version {handover.ref} {version.number}"
        try:
            self.run(self.safely(handover.origin, lambda borough: borough.submit(body, key=key)))
        except GatewayError as error:
            handover.versions.pop()
            self.refused(error)
            return
        SEEN["new version"] += 1

    @rule(number=which, old=st.booleans(), role=which, state=st.integers(0, 20), single=st.booleans())
    def answer(self, number: int, old: bool, role: int, state: int, single: bool) -> None:
        """Mostly something that may be said now, sometimes anything."""
        handover = self.pick(number)
        if handover is None or not self.up(handover.destination):
            return
        version = handover.versions[0] if old else handover.newest
        leg = version.legs[sorted(version.legs)[role % len(version.legs)]]
        fit = [one for one in ANSWERS if leg.may(one)]
        chosen = fit if fit and state > 3 else ANSWERS
        self._answer(handover, version, leg, chosen[state % len(chosen)], single)

    @rule(number=which, role=which, state=st.integers(4, 20))
    def answer_again(self, number: int, role: int, state: int) -> None:
        self.answer(number, False, role, state, True)

    def _answer(self, handover: Handover, version: Version, leg: Leg, state: str, single: bool) -> None:
        area = handover.destination
        row = self._row(area, handover.ref, version.number, leg.role)
        if row is None:
            return
        more: dict[str, Any] = {"reason_code": REASON[state]} if state in REASON else {}
        if state == "COMPLETED" or (state == "IN_PROGRESS" and single):
            more["actions"] = [
                self._result(one) for one in self.tables(area).actions.values() if one.leg == row.id
            ]
        stands = leg.stage
        try:
            done = self.run(
                self.safely(area, lambda borough: borough.answer(leg.role, row.id, state, **more))
            )
        except GatewayError as error:
            self.refused(error)
            over = leg.ended or handover.destroying(version) or version.drill
            again = state == "IN_PROGRESS" and stands in {"working", "done"}
            if not over and not again and leg.may(state):
                pytest.fail(f"{state} refused ({error.code}) of a leg that stands at {stands}")
            return
        if not done.receipts and done.repeated:
            return
        if state in {"RECEIVED", "ACCEPTED"}:
            assert leg.given, "taken on and never given"
        leg.say(state, self.now)
        SEEN[f"answer {state}"] += 1

    def _row(self, area: str, ref: str, version: int, role: str) -> Any:
        rows = [
            one
            for one in self.tables(area).legs.values()
            if (one.ref, one.version, one.principal.partition("/")[2]) == (ref, version, role)
        ]
        assert len(rows) <= 1
        return rows[0] if rows else None

    def _result(self, row: Any) -> dict[str, Any]:
        may = may_answer(row.code)
        answered = {"answer": min(may.answers)} if may.answers else {}
        return {"action_id": row.action, "result": "COMPLETED", **answered}

    @rule(number=which, kind=st.sampled_from(sorted(NOTICES)))
    def notice(self, number: int, kind: str) -> None:
        handover = self.pick(number)
        if handover is None or not self.up(handover.origin):
            return
        words = {"kind": kind, "role": "Team leader", "reason_code": NOTICES[kind]}
        if kind == "PURGE_ORDER":
            words["due"] = datetime.fromtimestamp(self.now + 7 * DAY, UTC).isoformat()
        self._issue(handover, words)

    def _issue(self, handover: Handover, words: dict[str, Any]) -> Said | None:
        read = notices.read(json.dumps(words).encode())
        self.number += 1
        key = f"notice {self.number}"
        area, kind = handover.origin, str(words["kind"])
        try:
            issued = self.run(
                self.safely(
                    area,
                    lambda borough: notices.issue(
                        borough.node, borough.caller("community_safety"), handover.ref, read, key=key
                    ),
                )
            )
        except GatewayError as error:
            self.refused(error)
            return None
        if kind == "ERASURE" and handover.holds.get(area):
            kind = "RESTRICTION"
        said = Said(issued.id, kind, handover.newest.number, self.now)
        assert self.tables(area).notices[said.id].kind == kind
        handover.said.append(said)
        SEEN[f"notice {kind}"] += 1
        if kind == "CLOSURE":
            self._closed(handover)
        return said

    def _closed(self, handover: Handover) -> None:
        for leg in handover.newest.legs.values():
            assert leg.answered or leg.ended, "closed with an unanswered leg"
        handover.closed = True

    @rule(number=which)
    def lift(self, number: int) -> None:
        handover = self.pick(number)
        if handover is None or not self.up(handover.origin):
            return
        for said in handover.said:
            if said.kind == "RESTRICTION" and not said.lifted:
                words = {"kind": "RESTRICTION_LIFTED", "role": "DPO", "about": said.id}
                if self._issue(handover, words | {"reason_code": "ACCURACY_VERIFIED"}):
                    self._lifting(said)
                return

    def _lifting(self, said: Said) -> None:
        said.lifted = True

    @rule(number=which, role=st.sampled_from(sorted(AGENCY)), done=st.booleans())
    def take_in_a_notice(self, number: int, role: str, done: bool) -> None:
        handover = self.pick(number)
        if handover is None or not handover.said or not self.up(handover.destination):
            return
        said = handover.said[-1]
        body: dict[str, Any] = {"state": "ACKNOWLEDGED", "role": "Duty officer"}
        if done and said in handover.destroying(handover.versions[0]):
            body |= {"state": "COMPLETED", "attestation": DONE}
        words, area = notice_answer.read(json.dumps(body).encode()), handover.destination
        try:
            self.run(
                self.safely(
                    area,
                    lambda borough: notice_answer.answer(borough.node, borough.caller(role), said.id, words),
                )
            )
        except GatewayError as error:
            self.refused(error)
            return
        SEEN["notice answered"] += 1
        if body["state"] == "COMPLETED":
            assert not handover.holds.get(area), "attested while a hold stands"

    @rule(number=which, here=st.booleans())
    def hold(self, number: int, here: bool) -> None:
        handover = self.pick(number)
        if handover is None:
            return
        area = handover.origin if here else handover.destination
        if not self.up(area) or handover.holds.get(area):
            return
        review = self.now + 300 * DAY
        try:
            row = self.run(
                self.machines.built[area].node.store.read(lambda tx: tx.handover(handover.ref))
            ) and self.run(self._hold(area, handover.ref, review))
        except GatewayError as error:
            self.refused(error)
            return
        if row:
            handover.holds.setdefault(area, []).append(row.id)
            SEEN["hold"] += 1

    async def _hold(self, area: str, ref: str, review: int) -> Any:
        left, self.machines.fuses[area].left = self.machines.fuses[area].left, None
        try:  # a person at the command line: another process, which does not die with the node
            return await holds.place(
                self.machines.built[area].node, ref, "LITIGATION", role="DPO", actor="dpo-1", review=review
            )
        finally:
            self.machines.fuses[area].left = left

    @rule(number=which, here=st.booleans())
    def let_go(self, number: int, here: bool) -> None:
        handover = self.pick(number)
        if handover is None:
            return
        area = handover.origin if here else handover.destination
        if self.up(area) and handover.holds.get(area):
            self.run(self._let_go(handover, area))

    async def _let_go(self, handover: Handover, area: str) -> None:
        fuse = self.machines.fuses[area]
        left, fuse.left = fuse.left, None
        await holds.lift(
            self.machines.built[area].node, handover.holds[area].pop(), role="DPO", actor="dpo-1"
        )
        fuse.left = left
        handover.freed[area] = self.now

    # --- rules: machines ------------------------------------------------------------------------------

    @rule(
        area=areas,
        what=st.sampled_from(("turn", "turn", "pack", "bulk", "urgent", "deliver", "sweep", "tend")),
    )
    def pump(self, area: str, what: str) -> None:
        if self.up(area):
            self.run(self.safely(area, lambda borough: self._pump(borough, what)))

    async def _pump(self, borough: Borough, what: str) -> None:
        node = borough.node
        match what:
            case "turn":
                await borough.turn()
            case "pack":
                await dispatch.pack(node)
            case "bulk":
                await dispatch.dispatch(node, dispatch.BULK)
            case "urgent":
                await dispatch.dispatch(node, dispatch.URGENT)
            case "deliver":
                for binding in node.agencies.values():
                    await deliver.deliver(node, binding)
            case "sweep":
                await sweep.sweep(node)
            case _:
                await self._tend(borough)

    async def _tend(self, borough: Borough) -> None:
        await holds.look(borough.node)
        await shred.take_up(borough.node)
        await attest.sign_waiting(borough.node)
        await heartbeat.beat(borough.node, self.since)

    @rule(
        area=areas,
        lane=st.sampled_from(tuple(Lane)),
        how=st.sampled_from(("take", "take", "all", "all", "twice", "keep", "kept", "lose", "give back")),
    )
    def mail(self, area: str, lane: Lane, how: str) -> None:
        if self.up(area):
            self.run(self.safely(area, lambda borough: self._mail(borough, lane, how)))

    async def _next(self, borough: Borough, lane: Lane) -> Any:
        if not self.machines.broker.waiting(borough.area, lane):
            return None
        stream = self.streams.get((borough.area, lane))
        if stream is None:
            stream = self.streams[borough.area, lane] = borough.node.transport.deliveries(lane)
        return await anext(stream)

    async def _mail(self, borough: Borough, lane: Lane, how: str) -> None:
        if how == "kept":
            mine = [one for one in self.kept if one[0] == borough.area]
            if mine:
                self.kept.remove(mine[-1])
                await receive.receive(borough.node, mine[-1][1])
            return
        while (taken := await self._next(borough, lane)) is not None:
            SEEN[f"mail {how}"] += 1
            match how:
                case "keep":
                    self.kept.append((borough.area, taken))
                case "give back":
                    await taken.release()
                case "lose":
                    await taken.ack()
                case "twice":
                    await receive.accept(borough.node, taken.body, via=taken.sender)
                    await receive.receive(borough.node, taken)
                case _:
                    await receive.receive(borough.node, taken)
            if how != "all":
                return

    @rule(seconds=st.sampled_from(JUMPS))
    def time(self, seconds: int) -> None:
        self.machines.clock.advance(seconds)
        self.run(self._renewed())

    async def _renewed(self) -> None:
        fuses = {area: fuse.left for area, fuse in self.machines.fuses.items()}
        for fuse in self.machines.fuses.values():
            fuse.left = None
        await self.machines.renew()
        for area, left in fuses.items():
            self.machines.fuses[area].left = left

    @rule(area=areas, commits=st.integers(0, 12), after=st.booleans())
    def dies_soon(self, area: str, commits: int, after: bool) -> None:
        if self.up(area):
            fuse = self.machines.fuses[area]
            fuse.left, fuse.after = commits, after

    @rule(area=areas)
    def stops(self, area: str) -> None:
        if self.up(area):
            SEEN["stopped"] += 1
            self.run(self.machines.down(area))
            for lane in Lane:
                self.streams.pop((area, lane), None)
            self.kept = [one for one in self.kept if one[0] != area]

    @rule(area=areas)
    def starts(self, area: str) -> None:
        if not self.up(area):
            self.run(self.start(area))

    # --- rest -----------------------------------------------------------------------------------------

    @precondition(lambda self: self.steps > 8 and self.rests < 3)
    @rule()
    def rest(self) -> None:
        """Everything works from here on; what is left comes to its end by itself."""
        self.rests, self.steps = self.rests + 1, 0
        self.run(self._rest())
        self.check_rest()

    async def _rest(self) -> None:
        for area in AREAS:
            if not self.up(area):
                await self.start(area)
            self.machines.fuses[area].left = None
        await self.machines.renew()
        for area, late in self.kept:
            await receive.receive(self.machines.built[area].node, late)
        self.kept = []
        for _ in range(4):
            for _ in range(60):
                if not sum([await self._move(borough) for borough in self.machines.built.values()]):
                    break
            else:
                raise AssertionError("the pumps do not come to rest")
            for borough in self.machines.built.values():
                await self._tend(borough)
            self.legal()
            self.machines.clock.advance(451)
        for _ in range(3):
            for borough in self.machines.built.values():
                await self._move(borough)
        self.legal()

    async def _move(self, borough: Borough) -> int:
        count = await borough.turn()
        for lane in (Lane.URGENT, Lane.RECEIPTS, Lane.STANDARD):
            while (taken := await self._next(borough, lane)) is not None:
                await receive.receive(borough.node, taken)
                count += 1
        return count

    def teardown(self) -> None:
        try:
            if self.handovers:
                self.run(self._rest())
                self.legal()
                self.check_rest()
                for borough in self.machines.built.values():
                    self.run(_checked(borough))
        finally:
            self.run(self.machines.close())
            self.runner.close()

    # --- what must hold after every step --------------------------------------------------------------

    @invariant()
    def legal(self) -> None:
        SEEN["steps"] += 1
        self.steps += 1
        if self.wrong:
            raise self.wrong[0]
        for area in AREAS:
            tables = self.tables(area)
            self._histories(area, tables)
            self._clocks(area, tables)
            held = [row for row in tables.held.values() if row.code != "expired"]
            assert not held, held
            assert not [task for task in tables.tasks.values() if task.state is Task.HELD]
            wrong = [row for row in tables.alarms.values() if row.code in FAULTS]
            assert not wrong, wrong

    def _histories(self, area: str, tables: Any) -> None:
        for event in tables.events[self.read[area] :]:
            leg = tables.legs[event.leg]
            at = self.at.get((area, leg.id), event.before)
            assert event.before == at, (event, at)
            overlay = OVERLAY.match(event.event) is not None
            assert event.after == (at if overlay else LEG[LegState(at), event.event]), event
            if event.after in TAKEN and event.before not in TAKEN:
                assert event.event == "accepted", event
            self.at[area, leg.id] = event.after
        self.read[area] = len(tables.events)
        self._arrived(area, tables)

    def _arrived(self, area: str, tables: Any) -> None:
        for row in tables.legs.values():
            handover = next((one for one in self.handovers if one.ref == row.ref), None)
            if handover is None:
                continue
            version = handover.versions[row.version - 1]
            role = row.principal.partition("/")[2]
            leg = version.legs[role]
            if row.side is Side.DESTINATION:
                leg.came = leg.came or self.now
                mine = row.state in TAKEN
                assert mine == (leg.stage in MINE), (row.state, leg.stage)
            elif row.state in TAKEN:
                assert leg.stage in MINE, "responsibility moved and nobody has said yes"

    def _clocks(self, area: str, tables: Any) -> None:
        seen = set()
        for timer in tables.timers.values():
            name = (area, timer.kind, timer.subject, timer.step)
            assert name not in seen
            seen.add(name)
            before = self.fired.get(name, 0)
            assert not before or timer.fired == before, f"{name} fired again"
            if timer.fired:
                assert timer.due <= timer.fired <= self.now, name
                self.fired[name] = timer.fired
        gone = {name for name in self.fired if name[0] == area} - seen
        assert not gone, gone

    # --- what must hold when nothing moves any more ---------------------------------------------------

    def check_rest(self) -> None:
        SEEN["rests"] += 1
        for handover in self.handovers:
            for version, leg in handover.legs():
                self._agree(handover, version, leg)
                self._late(handover, version, leg)
                self._content(handover, version, leg)
            self._states(handover)
        for area in AREAS:
            due = [
                one
                for one in self.tables(area).timers.values()
                if not one.fired and one.due <= self.now - 700
            ]
            assert not due, due

    def _agree(self, handover: Handover, version: Version, leg: Leg) -> None:
        ours = self._row(handover.origin, handover.ref, version.number, leg.role)
        theirs = self._row(handover.destination, handover.ref, version.number, leg.role)
        assert ours is not None
        if theirs is None:
            assert leg.stage == "new"
            assert ours.state not in TAKEN
            SEEN["never came"] += 1
            return
        if theirs.state == "PURGED" and self._held_up(handover, handover.destination):
            return  # asked to be destroyed, and a hold forbids it: the origin waits for the attestation
        assert ours.state == theirs.state, (leg, ours.state, theirs.state)
        if leg.stage != "new" and ours.state != "PURGED":
            assert ours.state in SHOWN[leg.stage], (leg.stage, ours.state)
        assert ours.delivered == theirs.delivered == leg.came
        if not version.drill:
            assert (ours.acknowledge_by, ours.decide_by) == (
                acknowledge_by(version.urgency, leg.came),
                decide_by(version.urgency, leg.came),
            )

    def _late(self, handover: Handover, version: Version, leg: Leg) -> None:
        if not leg.came:
            return
        for kind, by, done in (
            ("acknowledge", acknowledge_by(version.urgency, leg.came), leg.taken),
            ("decide", decide_by(version.urgency, leg.came), leg.decided),
        ):
            for area in (handover.origin, handover.destination):
                row = self._row(area, handover.ref, version.number, leg.role)
                told = [
                    one.at
                    for one in self.tables(area).events
                    if one.leg == row.id and one.event == f"overdue:{kind}"
                ]
                assert len(told) <= 1, "late twice"
                assert all(at >= by for at in told), "late before its time"
                SEEN["overdue"] += len(told)
                if area == handover.destination and done and done < by:
                    assert not told, "late though it was answered in time"
                if not done and by <= self.now - 700 and self._awaited(handover, version, leg):
                    assert told, f"{kind} was due at {by}, and nobody was told at {area}"

    def _awaited(self, handover: Handover, version: Version, leg: Leg) -> bool:
        live = version is handover.newest and not handover.over() and not leg.ended
        return live and self._first_purge(handover, version) > self.now

    def _first_purge(self, handover: Handover, version: Version) -> int:
        taken = [leg.taken for leg in version.legs.values()]
        dates = [version.named(PURGE_AFTER), version.purge_by]
        return min([*dates, max(taken) + 30 * DAY] if all(taken) else dates)

    def _content(self, handover: Handover, version: Version, leg: Leg) -> None:
        for area in (handover.origin, handover.destination):
            row = self._row(area, handover.ref, version.number, leg.role)
            if row is None:
                continue
            opens = self._opens(area, row)
            settled = not self._held_up(handover, area)
            ends = [
                one.kind
                for one in handover.destroying(version)
                if one.id in self.tables(area).notices
                and (area == handover.destination or one.kind == "ERASURE")
            ]
            purge = self._first_purge(handover, version)
            if settled and (ends or purge <= self.now - DAY):
                assert not opens, f"what is over opens at {area}: {ends} {handover} {version.number}"
                SEEN["gone"] += 1
            superseded = version is not handover.newest and area == handover.destination
            returned = any(one.returned for one in version.legs.values())
            if not (ends or superseded or version.drill or returned) and self.now < purge:
                others = [one for one in handover.said if one.kind == "ERASURE"]
                if not others:
                    assert opens, (
                        f"what is not over does not open at {area}: {handover} {version.number} {leg.role}"
                    )
                    SEEN["opens"] += 1

    def _held_up(self, handover: Handover, area: str) -> bool:
        """A hold stands, or stood a day ago: what it kept is looked at again once a day."""
        return bool(handover.holds.get(area)) or self.now - handover.freed.get(area, 0) < 2 * DAY

    def _opens(self, area: str, row: Any) -> bool:
        node = self.machines.built[area].node
        envelope = self.run(node.store.read(lambda tx: tx.envelope(row.mid)))
        if envelope is None or not envelope.secrets:
            return False
        if row.side is Side.ORIGIN:
            return any(number > 1 for number in secrets_of(node, envelope).keys)
        try:
            return bool(view_for(node, envelope, row.principal))
        except GatewayError:
            return False

    def _states(self, handover: Handover) -> None:
        for area in (handover.origin, handover.destination):
            for version in handover.versions:
                rows = [
                    one
                    for one in self.tables(area).handovers.values()
                    if (one.ref, one.version) == (handover.ref, version.number)
                ]
                for row in rows:
                    if row.state == "CLOSED":
                        assert all(leg.answered or leg.ended for leg in version.legs.values())


async def _checked(borough: Borough) -> None:
    checked = await accounts.check(borough.node)
    assert checked.good, checked


TAKEN = frozenset({"ACCEPTED", "IN_PROGRESS", "COMPLETED", "CLOSED"})
PURGE_AFTER = 88
"""Days after issue that the documents name."""


PHASES = tuple(Phase) if os.environ.get("LIFECYCLE_SHRINK") else (Phase.explicit, Phase.generate)
"""Shrinking a history takes minutes: whoever wants one shorter says so."""

_DOCUMENTS: dict[tuple[str, ...], dict[str, Any]] = {}


def _document(narrow: Narrow, roles: tuple[str, ...]) -> dict[str, Any]:
    if roles not in _DOCUMENTS:
        _DOCUMENTS[roles] = narrow(json.loads(minimal_example()), *(AGENCY[role] for role in roles))
    return _DOCUMENTS[roles]


def _settings() -> settings:
    number = int(os.environ.get("LIFECYCLE", "0"))
    return settings(
        max_examples=number or 12,
        stateful_step_count=60 if number else 35,
        derandomize=not number,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
        phases=PHASES,
    )


@pytest.mark.timeout(0)
def test_any_history_of_three_boroughs_keeps_every_promise(kit: Any) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    machine = type("Machine", (Lifecycle,), {"narrow": staticmethod(kit.narrowed)})
    try:
        run_state_machine_as_test(machine, settings=_settings())
    finally:
        structlog.reset_defaults()
        print(json.dumps(dict(sorted(SEEN.items())), indent=1))
