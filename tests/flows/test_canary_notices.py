"""Canaries in everything that people can write beside a handover, and a search for them where none may be.

Notices, questions, permissions, requests, drafts, answers, attestations, the words of an opening and of a
decision about a breach: each field has a canary of its own. The agencies they are for must have been given
them (or this test searches in vain); no file of either database, no row, queue, header, log line, call,
report, export, metric or exception may hold a byte of one.
"""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.core.breach import What
from gateway.errors import GatewayError
from gateway.flows import (
    audit,
    audit_export,
    breaches,
    drafts,
    holds,
    notice_answer,
    notice_view,
    notices,
    opening,
    report,
    requests,
    show,
    shred,
)
from gateway.flows.deliver import open_parked
from gateway.flows.metrics import Metrics
from gateway.flows.node import Caller
from gateway.ports import Lane, Outgoing, Parcel
from gateway.stores import open_store
from gateway.testing.boroughs import BEXLEY, HACKNEY, Borough, World, two_boroughs
from gateway.testing.pager import hang

MARK = "xq7z"
REF = "HO-E09000012-2026-000417"
WHERE = "2026-12-03T09:00:00+00:00", "2026-12-03T17:00:00+00:00"


def mark(name: str) -> str:
    return f"{MARK}-{name}-{MARK}"


def said(kind: str, code: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "role": mark(f"role {kind}"), "reason_code": code, **more}


def order_of(text: str) -> dict[str, Any]:
    return said("PURGE_ORDER", "RETENTION_ENDED", text=text, due="2027-01-15T12:00:00+00:00")


GIVEN = (
    "role CORRECTION", "text of a correction", "statement", "text of a question", "role INFORMATION_REQUEST",
    "text of an answer", "where", "along", "text of a wish", "sought", "also known as", "purpose",
    "text of a request", "text of a restriction", "text of an order",
)  # fmt: skip
"""Canaries that somebody was entitled to and must have been given."""


class Letters:
    """Every message at the broker, with what the broker sees of it."""

    def __init__(self) -> None:
        self.seen: list[Outgoing] = []

    def wrap(self, transport: Any) -> Any:
        publish = transport.publish

        async def keeping(message: Outgoing) -> None:
            self.seen.append(message)
            await publish(message)

        transport.publish = keeping
        return transport


async def say(world: World, borough: Borough, notice: dict[str, Any], role: str = "community_safety") -> str:
    words = notices.read(json.dumps(notice).encode())
    key = mark(f"key {notice['kind']} {notice['reason_code']}")
    made = await notices.issue(borough.node, borough.caller(role), REF, words, key=key)
    await world.settle()
    return made.id


async def answer(borough: Borough, role: str, notice: str, state: str, **more: Any) -> None:
    words = {"state": state, "role": mark("role of an answer"), **more}
    found = notice_answer.read(json.dumps(words).encode())
    await notice_answer.answer(borough.node, borough.caller(role), notice, found)


async def _notices(world: World) -> None:
    hackney, bexley = world.hackney, world.bexley
    text = mark("text of a correction")
    made = await say(world, hackney, said("CORRECTION", "DATA_INACCURATE", text=text))
    parked = await bexley.node.store.read(lambda tx: tx.parked_tasks(f"{BEXLEY}/housing", 9))
    for task in parked:
        if task.kind is Parcel.NOTICE:
            why = mark("words of an opening")
            await open_parked(bexley.node, bexley.caller("housing"), task.id, justification="DUTY", note=why)
    await answer(bexley, "housing", made, "ACKNOWLEDGED")
    subject = said("RECTIFICATION", "SUBJECT_REQUEST", statement=mark("statement"))
    await say(world, hackney, subject)
    restriction = said("RESTRICTION", "ACCURACY_CONTESTED", section="support")
    restriction["text"] = mark("text of a restriction")
    await say(world, hackney, restriction)


async def _questions(world: World) -> None:
    hackney, bexley = world.hackney, world.bexley
    question = said("INFORMATION_REQUEST", "INFORMATION_MISSING", asks=["/support/pathway_plan_ref"])
    asked = await say(world, bexley, question | {"text": mark("text of a question")}, "probation")
    told = said("INFORMATION", "ASKED_FOR", about=asked, text=mark("text of an answer"))
    await say(world, hackney, told, "probation")
    place = {"area": HACKNEY, "where": mark("where"), "accompanied_by": mark("along")}
    wish = said("PERMISSION_REQUEST", "COURT_OR_SOLICITOR", text=mark("text of a wish"))
    wish["permission"] = {**place, "starts": WHERE[0], "ends": WHERE[1]}
    await say(world, bexley, wish, "probation")


async def _request(world: World) -> str:
    body = {
        "to_area": HACKNEY,
        "role": mark("role of a request"),
        "reason_code": "ARRESTED_HERE",
        "agencies": ["COMMUNITY_SAFETY", "PROBATION"],
        "subject": {
            "family_name": mark("sought"),
            "given_names": "Jordan",
            "known_as": [mark("also known as")],
            "date_of_birth": "2003-05-14",
        },
        "lawful_basis": {"powers": ["CDA1998_S115"], "purpose": mark("purpose")},
        "text": mark("text of a request"),
    }
    caller, found = world.bexley.caller("community_safety"), requests.read(json.dumps(body).encode())
    made = await requests.ask(world.bexley.node, caller, found, key=mark("key of a request"))
    await world.settle()
    return made.id


async def _draft(world: World, document: dict[str, Any]) -> None:
    """It rests while the search is made."""
    other = copy.deepcopy(document)
    other["message"]["handover_id"] = "HO-E09000012-2026-000999"
    other["move"]["reason"] = mark("a draft")
    for item in other["history"]:
        if item.get("grading"):
            item["grading"]["source"] = 3
            item["statement"] = mark("a statement in a draft")
            break
    caller = world.hackney.caller("community_safety", "staff-1")
    held = await drafts.hold(
        world.hackney.node, caller, json.dumps(other).encode(), key=mark("key of a draft")
    )
    assert held.state == "DRAFT"


async def _misdirected(world: World) -> str:
    hackney, bexley = world.hackney, world.bexley
    leg = (await bexley.legs(REF))["dwp"]
    back = {"reason_code": "WRONG_AREA", "reason_text": mark("why it came back")}
    await bexley.answer("dwp", leg.id, "RETURNED", **back)
    await world.settle()
    world.clock.advance(120)
    await world.settle()
    (row,) = await hackney.node.store.read(lambda tx: tx.breaches(REF))
    step = breaches.Step(What.NOTIFY_ICO, role="DPO", actor="dpo-1", rationale=mark("rationale"))
    await breaches.decide(hackney.node, row.id, step)
    (order,) = [
        one
        for one in await bexley.node.store.read(lambda tx: tx.notices(ref=REF))
        if one.kind == "PURGE_ORDER"
    ]
    await shred.resume(bexley.node)
    attested = {"copies_destroyed": True, "onward_disclosure": False, "log_contains_payload": False}
    await answer(bexley, "dwp", order.id, "COMPLETED", attestation=attested)
    await holds.place(
        bexley.node, REF, "LITIGATION", role="DPO", actor="dpo-1", review=world.clock.now() + 9 * 86_400
    )
    text = mark("text of an order")
    await say(world, hackney, order_of(text))
    await world.settle()
    return str(row.id)


async def _wrong(world: World, document: dict[str, Any]) -> list[BaseException]:
    """What is raised for words that are wrong in some way."""
    hackney, bexley = world.hackney, world.bexley
    tries = [
        lambda: notices.read(json.dumps(said("CORRECTION", mark("code"))).encode()),
        lambda: notices.read(json.dumps(said(mark("kind"), "DATA_INACCURATE")).encode()),
        lambda: notices.read(mark("no json").encode()),
        lambda: requests.read(json.dumps({"subject": mark("a subject")}).encode()),
        lambda: notice_answer.read(json.dumps({"state": mark("state")}).encode()),
        lambda: say(world, hackney, said("CORRECTION", "DATA_INACCURATE", text="x" * 20, to=["POLICE"])),
        lambda: say(world, bexley, said("ERASURE", "SUBJECT_REQUEST", text=mark("not theirs"))),
        lambda: answer(bexley, "dwp", "ab" * 16, "ACKNOWLEDGED"),
    ]
    raised: list[BaseException] = []
    for attempt in tries:
        try:
            found = attempt()
            if found is not None and hasattr(found, "__await__"):
                await found
        except GatewayError as error:
            raised.append(error)
    assert len(raised) == len(tries)
    return raised


def _chain(errors: list[BaseException]) -> Iterator[str]:
    for error in errors:
        at: BaseException | None = error
        while at is not None:
            yield from (repr(at), str(at), repr(vars(at)))
            at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)


async def _outputs(world: World, record: str, request: str) -> Iterator[tuple[str, str]]:
    """What is shown to people who are not the readers: operators, auditors, analysts, the Commissioner."""
    found: list[tuple[str, str]] = []
    auditor = lambda area: Caller(f"{area}/auditor", "AUDITOR", "a-1", "auditor")  # noqa: E731
    for one in world.boroughs:
        node, area = one.node, one.area
        found.append(("metrics", (await Metrics().page(node)).decode()))
        found.append(("quarter", json.dumps(await report.quarter(node, auditor(area), "2026Q4"))))
        exported = await audit_export.export(
            node, auditor(area), audit.Wanted(), use="SELF_MONITORING", reference="ICO-1"
        )
        # The words of an opening are the Commissioner's to read (s.62(5)), and nothing else of this is.
        lines = exported.decode(errors="replace").replace(mark("words of an opening"), "")
        found.append(("audit export", lines))
        standing = await node.store.read(lambda tx: show.find(tx, REF, None))
        listed = await node.store.read(lambda tx, s=standing: notice_view.listing(tx, s, None))
        found.append(("notices", json.dumps(listed)))
        why = await node.store.read(lambda tx, s=standing: show.why(tx, s))
        found.append(("why", repr(why)))
        found.append(("alarms", repr(await node.store.read(lambda tx: tx.alarms(cleared=False, limit=999)))))
        principal = f"{area}/community_safety"
        asked = await node.store.read(lambda tx, p=principal: requests.one(tx, request, p))
        found.append(("checklist", json.dumps(asked)))
    hackney = world.hackney.node
    row = await hackney.store.read(lambda tx: breaches.find(tx, record))
    shown = await hackney.store.read(lambda tx: breaches.shown(tx, row))
    found.append(("breach", json.dumps(shown, default=str)))
    return iter(found)


def _bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


async def test_what_people_write_beside_a_handover_is_with_its_readers_and_nowhere_else(
    document: dict[str, Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    for_nodes, opened = [], opening._node_part

    def keeping(*taken: Any) -> Any:
        """What the receiving NODE opens of a message: codes, references and times alone (protocol 4.4)."""
        for_nodes.append(repr(found := opened(*taken)))
        return found

    monkeypatch.setattr(opening, "_node_part", keeping)
    paths = {area: tmp_path / f"{area}.db" for area in (HACKNEY, BEXLEY)}
    stores = {area: lambda path=path: open_store(f"sqlite:///{path}") for area, path in paths.items()}
    letters = Letters()
    with capture_logs() as logs:
        async with two_boroughs(stores=stores, pulling=("housing",), wrap=letters.wrap) as world:
            bells = [hang(borough) for borough in world.boroughs]
            await world.hackney.submit(document)
            await world.settle()
            await _notices(world)
            await _questions(world)
            request = await _request(world)
            await _draft(world, document)
            record = await _misdirected(world)
            errors = await _wrong(world, document)
            world.clock.advance(8 * 86_400)  # everything that can be late is, and is called about
            await world.settle()
            outputs = list(await _outputs(world, record, request))
            living = _bytes_of(tmp_path)
            objects = repr(
                [vars(one.node) if hasattr(one.node, "__dict__") else one.node for one in world.boroughs]
            )
            given = "\n".join(
                json.dumps(dict(view.content), default=str)
                for borough in world.boroughs
                for desk in borough.desks.values()
                for _, view in desk.given
            )
            views = repr(
                [view for b in world.boroughs for desk in b.desks.values() for _, view in desk.given]
            )
    left = _bytes_of(tmp_path)

    assert [name for name in GIVEN if mark(name) not in given] == []
    assert REF.encode() in living
    for stored in (living, left):
        assert MARK.encode() not in stored
    calls = repr([bell.rung for bell in bells])
    assert any(bell.rung for bell in bells), "nobody was called: the search of calls is in vain"
    for letter in letters.seen:
        assert MARK.encode() not in letter.body
        assert MARK not in repr((letter.to, letter.lane, letter.message_id))
    assert {letter.lane for letter in letters.seen} >= {Lane.URGENT, Lane.STANDARD, Lane.RECEIPTS}
    for name, told in [
        *outputs,
        ("logs", repr(logs)),
        ("library logs", caplog.text),
        ("objects", objects),
        ("views", views),
        ("calls", calls),
        ("part 1", "\n".join(for_nodes)),
        ("errors", "\n".join(_chain(errors))),
    ]:
        assert MARK not in told, name
    assert logs
    for kind in ("CORRECTION", "PERMISSION_REQUEST", "HANDOVER_REQUEST", "PURGE_ATTESTATION"):
        assert any(kind in told for told in for_nodes), "the search of part 1 is in vain"
