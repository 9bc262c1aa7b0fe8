"""The access log: all six operations, sealed words, its own role, every reading on record, files that prove
themselves to a stranger."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from gateway.core import audit_bundle
from gateway.core.encoding import b64, encode
from gateway.core.judgement import Verdict
from gateway.core.notes import peek_body, sign_note
from gateway.errors import Forged, GatewayError, NotAllowed
from gateway.flows import accounts, audit, audit_export, deliver, requests
from gateway.flows.audit import Use, Wanted
from gateway.flows.node import Caller, Node
from gateway.flows.tokens import AUDITOR, auditor_of
from gateway.ports import AccessRow, Parcel
from gateway.testing.boroughs import BEXLEY, HACKNEY, Borough, World, two_boroughs
from gateway.testing.people import handed_on

REF = "HO-E09000012-2026-000417"
WORDS = "xq7z the family moved on Sunday"


def auditor(node: Node) -> Caller:
    return Caller(auditor_of(node.area), AUDITOR, actor="aud-3", role="data protection officer")


def rows(borough: Borough, operation: str = "") -> list[AccessRow]:
    found = borough.node.store.memory.tables.accesses  # type: ignore[attr-defined]  # the memory store's own
    return [row for row in found if operation in {"", row.operation}]


@pytest.fixture
async def fetching(document: Any) -> Any:
    """Bexley's housing office fetches; the handover has come."""
    async with two_boroughs(pulling=["housing"]) as world:
        await world.hackney.submit(document)
        await world.settle()
        yield world


async def parcel(world: World, role: str = "housing") -> str:
    leg = (await world.bexley.legs(REF))[role].id
    tasks = await world.bexley.node.store.read(lambda tx: tx.tasks_of(leg))
    return next(task.id for task in tasks if task.kind is Parcel.NOTIFICATION)


async def opened(world: World, purpose: str = "SAFEGUARDING", role: str = "housing") -> Any:
    return await deliver.open_parked(
        world.bexley.node,
        world.bexley.caller(role, actor="h-77"),
        await parcel(world, role),
        justification="DUTY_OFFICER",
        note=WORDS,
        purpose=purpose,
    )


async def test_each_side_has_its_operations(fetching: World) -> None:
    await opened(fetching)
    (collected,) = rows(fetching.hackney, "COLLECTION")
    assert len(collected.recipients) == 7
    sent = rows(fetching.hackney, "DISCLOSURE")
    assert {row.recipients[0].partition("/")[2] for row in sent} == set(fetching.bexley.desks)
    assert all(row.justification not in {"", "HANDOVER"} for row in sent)  # codes of powers
    (arrived,) = rows(fetching.bexley, "COLLECTION")
    assert (arrived.principal, arrived.actor, arrived.ref) == ("E09000004/node", "gateway", REF)
    assert set(arrived.recipients) == {f"E09000004/{role}" for role in fetching.bexley.desks}
    assert not rows(fetching.bexley, "COMBINATION")
    (seen,) = rows(fetching.bexley, "CONSULTATION")
    assert (seen.actor, seen.purpose, seen.justification) == ("h-77", "SAFEGUARDING", "DUTY_OFFICER")
    given = rows(fetching.bexley, "DISCLOSURE")
    assert {row.purpose for row in given} == {"CONTINUITY_OF_SUPPORT"}


async def test_a_further_version_alters_and_is_combined_with_the_one_before(
    world: World, document: Any
) -> None:
    await world.hackney.submit(document)
    await world.settle()
    first = document["message"]["message_id"]
    document["message"] |= {"version": 2, "message_id": first[:-1] + "9", "supersedes": first}
    await world.hackney.submit(document, key="two")
    await world.settle()
    for side in world.boroughs:
        (altered,), (combined,) = rows(side, "ALTERATION"), rows(side, "COMBINATION")
        assert (altered.version, altered.justification) == (2, "SUPERSEDES")
        assert (combined.version, combined.sections) == (2, ("version:1",))
        assert len(rows(side, "COLLECTION")) == 2


async def test_an_onward_move_and_an_answer_are_combinations_on_both_sides(
    world: World, document: Any
) -> None:
    """Bexley, where somebody took the person on, hands the person back and answers a request."""
    await world.hackney.submit(document)
    await world.settle()
    await world.bexley.answer("community_safety", (await world.bexley.legs(REF))["community_safety"].id)
    await world.settle()
    asking = {
        "to_area": BEXLEY,
        "role": "Community safety manager",
        "reason_code": "MOVED_HERE",
        "agencies": ["COMMUNITY_SAFETY"],
        "subject": {"family_name": "EXAMPLE", "given_names": "J", "date_of_birth": "2003-05-14"},
        "lawful_basis": {"powers": ["CDA1998_S115"], "purpose": "Continuity of supervision after a move"},
    }
    asked = await requests.ask(
        world.hackney.node,
        world.hackney.caller("community_safety"),
        requests.read(json.dumps(asking).encode()),
        key="r1",
    )
    await world.settle()
    await world.bexley.submit(handed_on(REF, BEXLEY, HACKNEY, answers=asked.id))
    await world.settle()
    for side in world.boroughs:
        found = {row.justification: row.sections for row in rows(side, "COMBINATION")}
        assert found == {"ONWARD_MOVE": (f"handover:{REF}",), "HANDOVER_REQUEST": (f"request:{asked.id}",)}


async def test_a_handover_that_comes_again_is_collected_once(fetching: World) -> None:
    before = len(rows(fetching.bexley))
    fetching.clock.advance(3600)
    await fetching.settle()
    assert len(rows(fetching.bexley)) == before


async def test_words_of_a_person_are_sealed_and_opened_for_the_auditor_alone(fetching: World) -> None:
    await opened(fetching)
    node = fetching.bexley.node
    (row,) = rows(fetching.bexley, "CONSULTATION")
    assert row.note == ""
    assert b"xq7z" not in repr(rows(fetching.bexley)).encode()
    assert b"xq7z" not in row.sealed
    page = await audit.read(node, auditor(node), Wanted(ref=REF), use="SELF_MONITORING")
    assert [one["text"] for one in page.lines if one["text"]] == [WORDS]
    other = dataclasses.replace(row, id="f" * 32)
    with pytest.raises(Forged):
        accounts.words(node.keys, other)


async def test_free_text_is_never_put_in_a_row(fetching: World) -> None:
    row = dataclasses.replace(rows(fetching.bexley)[0], id="", note="in the clear")
    with pytest.raises(ValueError, match="sealed"):
        await fetching.bexley.node.store.write(lambda tx: accounts.record(tx, row))


@pytest.mark.parametrize("purpose", ["IMMIGRATION", "REFUSE_SERVICE", "ENFORCEMENT", "", "safeguarding"])
async def test_another_purpose_is_refused_before_anything_is_opened(fetching: World, purpose: str) -> None:
    before = len(rows(fetching.bexley))
    with pytest.raises(NotAllowed) as error:
        await opened(fetching, purpose)
    assert (error.value.code, error.value.rule) == ("purpose", "Art5(1)(b)")
    assert "SAFEGUARDING" in error.value.remedy
    assert len(rows(fetching.bexley)) == before
    assert not (await fetching.bexley.legs(REF))["housing"].opened


async def test_a_reading_is_on_record_before_a_line_is_shown(fetching: World) -> None:
    node = fetching.bexley.node
    wanted = Wanted(ref=REF, principal="E09000004/housing", since=5)
    page = await audit.read(node, auditor(node), wanted, use="LAWFULNESS_CHECK")
    (row,) = rows(fetching.bexley, "AUDIT")
    assert (row.actor, row.role, row.ref) == ("aud-3", "data protection officer", REF)
    assert row.justification == "LAWFULNESS_CHECK"
    told = ("principal=E09000004/housing", "from=1970-01-01T00:00:05Z", f"lines={len(page.lines)}")
    assert row.sections == ("access_log", *told)
    assert not any(line["operation"] == "AUDIT" for line in page.lines)
    again = await audit.read(node, auditor(node), Wanted(), use="LAWFULNESS_CHECK")
    assert again.lines[-1]["operation"] == "AUDIT"
    assert (await accounts.check(node)).good


async def test_nothing_is_shown_when_the_reading_cannot_be_put_on_record(
    fetching: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("full")

    monkeypatch.setattr(accounts, "record", full)
    node = fetching.bexley.node
    with pytest.raises(OSError, match="full"):
        await audit.read(node, auditor(node), Wanted(), use="SELF_MONITORING")


async def test_the_log_is_read_for_what_the_law_names_and_no_more(fetching: World) -> None:
    node = fetching.bexley.node
    for use in ("CURIOSITY", "", "AUDIT"):
        with pytest.raises(NotAllowed) as error:
            await audit.read(node, auditor(node), Wanted(), use=use)
        assert (error.value.code, error.value.rule) == ("log_use", "s.62(4)")
    assert not rows(fetching.bexley, "AUDIT")


async def test_pages_follow_one_another(fetching: World) -> None:
    node = fetching.bexley.node
    whole = [row.id for row in rows(fetching.bexley)]
    seen: list[Any] = []
    last = 0
    for _ in range(9):
        page = await audit.read(node, auditor(node), Wanted(after=last), use="SELF_MONITORING", limit=3)
        seen += [line["id"] for line in page.lines]
        last = page.last
        if not last:
            break
    assert seen[: len(whole)] == whole
    assert len(seen) == len(set(seen))


# --- the file for the Commissioner ------------------------------------------------------------------


async def exported(world: World, **wanted: Any) -> bytes:
    node = world.bexley.node
    world.clock.advance(1)
    made = await audit_export.export(
        node,
        auditor(node),
        Wanted(**wanted),
        use=Use.COMMISSIONER_REQUEST,
        reference="ICO-2026/77",
    )
    world.clock.advance(1)
    return made


def judged(world: World, data: bytes) -> audit_bundle.Judged:
    return audit_bundle.judge(data, world.bexley.node.network.fingerprint)


async def test_a_stranger_verifies_the_file_with_the_fingerprint_alone(fetching: World) -> None:
    await opened(fetching)
    before = [row.id for row in rows(fetching.bexley)]
    found = judged(fetching, await exported(fetching, ref=REF))
    assert (found.verdict, found.reasons) == (Verdict.VALID, ())
    assert [line.row["id"] for line in found.lines] == before
    assert found.said["reference"] == "ICO-2026/77"
    assert found.said["lines"] == len(before)
    assert [line.words for line in found.lines if line.words] == [WORDS]
    (given,) = [row for row in rows(fetching.bexley, "DISCLOSURE") if row.recipients == ("COMMISSIONER",)]
    assert (given.justification, given.actor) == ("COMMISSIONER_REQUEST", "aud-3")
    assert "reference=ICO-2026/77" in given.sections
    assert f"lines={len(before)}" in given.sections


@pytest.mark.parametrize(
    "fault",
    [
        "removed",
        "edited",
        "words",
        "reordered",
        "resigned",
        "in disorder",
        "checkpoint",
        "fingerprint",
        "other day",
    ],
)
async def test_a_file_that_was_changed_is_invalid(fetching: World, fault: str) -> None:
    await opened(fetching)
    data = await exported(fetching, ref=REF)
    body = json.loads(data)
    fingerprint = fetching.bexley.node.network.fingerprint
    if fault == "removed":
        del body["lines"][1]
    if fault == "edited":
        body["lines"][1]["row"]["actor"] = "somebody-else"
    if fault == "words":
        body["lines"][-1]["text"] = "nothing"
    if fault == "reordered":
        body["lines"].reverse()
    if fault in {"resigned", "in disorder", "other day"}:
        body = _signed_anew(fetching, body, fault)
    if fault == "checkpoint":
        body["checkpoint"] = body["checkpoint"].replace("\n", "\n1", 1)
    if fault == "fingerprint":
        fingerprint = ("b" if fingerprint[0] != "b" else "c") + fingerprint[1:]
    found = audit_bundle.judge(encode(body), fingerprint)
    assert found.verdict is Verdict.INVALID
    assert found.reasons
    assert not found.lines


def _signed_anew(world: World, body: Any, fault: str) -> Any:
    """The node itself edits a line and signs again: the log's own checkpoint does not know that line."""
    said = peek_body(body["audit"].encode())
    if fault != "other day":
        if fault == "resigned":
            body["lines"][1]["row"]["actor"] = "somebody-else"
        else:
            body["lines"].reverse()
        lines = [audit_bundle._line(one) for one in body["lines"]]
        said["hash"] = b64(audit_bundle.lines_hash(lines))
    else:
        said["to"] = body["lines"][-1]["row"]["at"]
    signer = world.bexley.node.keys.signer("E09000004/node")
    body["audit"] = sign_note(audit_bundle.CONTEXT, said, [signer]).decode()
    return body


async def test_another_signature_of_the_network_is_not_the_nodes(fetching: World) -> None:
    body = json.loads(await exported(fetching, ref=REF))
    said = peek_body(body["audit"].encode())
    police = fetching.bexley.node.keys.signer("E09000004/police")
    body["audit"] = sign_note(audit_bundle.CONTEXT, said, [police]).decode()
    assert judged(fetching, encode(body)).verdict is Verdict.INVALID


async def test_a_log_that_was_altered_gives_no_file(fetching: World) -> None:
    await opened(fetching)
    table = fetching.bexley.node.store.memory.tables.accesses  # type: ignore[attr-defined]  # as above
    table[0] = dataclasses.replace(table[0], actor="somebody-else")
    with pytest.raises(GatewayError) as error:
        await exported(fetching, ref=REF)
    assert error.value.code == "log_broken"


@pytest.mark.parametrize("reference", ["", "a b", "x" * 41, "name@ico.org.uk"])
async def test_the_reference_of_the_request_is_a_reference(fetching: World, reference: str) -> None:
    node = fetching.bexley.node
    with pytest.raises(NotAllowed) as error:
        await audit_export.export(
            node, auditor(node), Wanted(), use=Use.COMMISSIONER_REQUEST, reference=reference
        )
    assert error.value.code == "audit_reference"
    assert not [row for row in rows(fetching.bexley) if row.recipients == ("COMMISSIONER",)]


async def test_more_lines_than_one_file_holds_are_refused(
    fetching: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_export, "MAX_AUDIT_LINES", 2)
    with pytest.raises(NotAllowed) as error:
        await exported(fetching)
    assert error.value.code == "audit_lines"


# --- the order of the table ------------------------------------------------------------------------


async def test_rows_that_were_put_in_another_order_are_named(fetching: World) -> None:
    fetching.clock.advance(120)
    await opened(fetching)
    table = fetching.bexley.node.store.memory.tables.accesses  # type: ignore[attr-defined]  # as above
    fetching.clock.advance(1)
    early = table[0].id
    table.insert(0, table.pop())
    found = await accounts.check(fetching.bexley.node)
    assert not found.good
    assert early in found.reordered
    assert (found.altered, found.removed, found.added) == ((), (), ())
