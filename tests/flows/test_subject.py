"""A person asks: every disclosure, the agency's own content without others, restrictions on record."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.errors import NotAllowed, NotFound
from gateway.flows import accounts, audit_export, deliver, shred, subject
from gateway.flows.audit import Use, Wanted
from gateway.flows.node import Caller
from gateway.flows.shred import Person
from gateway.flows.subject import Ground, Withhold
from gateway.flows.tokens import AUDITOR, auditor_of
from gateway.ports import AccessRow
from gateway.testing.boroughs import START, Borough, World, two_boroughs

REF = "HO-E09000012-2026-000417"
DAY = 86_400


@pytest.fixture
async def sent(document: Any) -> Any:
    async with two_boroughs(pulling=["housing"]) as world:
        await world.hackney.submit(document)
        await world.settle()
        world.clock.advance(1)
        yield world


def rows(borough: Borough, operation: str) -> list[AccessRow]:
    found = borough.node.store.memory.tables.accesses  # type: ignore[attr-defined]  # the memory store's own
    return [row for row in found if row.operation == operation]


async def asked(borough: Borough, role: str, withhold: Withhold | None = None) -> Any:
    return await subject.access(borough.node, borough.caller(role, actor="dpo-1"), REF, withhold)


async def test_the_origin_lists_every_disclosure_of_every_version(sent: World, document: Any) -> None:
    first = document["message"]["message_id"]
    document["message"] |= {"version": 2, "message_id": first[:-1] + "9", "supersedes": first}
    await sent.hackney.submit(document, key="two")
    await sent.settle()
    found = await asked(sent.hackney, "community_safety")
    assert len(found["disclosures"]) == 14
    assert {one["version"] for one in found["disclosures"]} == {1, 2}
    assert {one["to"][0] for one in found["disclosures"]} == {
        f"E09000004/{role}" for role in sent.bexley.desks
    }
    assert all(one["at"] and one["basis"] and one["sections"] for one in found["disclosures"])
    assert [one["version"] for one in found["versions"]] == [1, 2]
    assert found["restricted"] is False
    assert "Commissioner" in found["your_rights"]


async def test_lines_of_the_log_for_the_commissioner_are_no_disclosure_of_it(sent: World) -> None:
    auditor = Caller(auditor_of("E09000012"), AUDITOR, actor="aud-3", role="auditor")
    await audit_export.export(
        sent.hackney.node,
        auditor,
        Wanted(ref=REF),
        use=Use.COMMISSIONER_REQUEST,
        reference="ICO-1",
    )
    assert len((await asked(sent.hackney, "community_safety"))["disclosures"]) == 7


async def test_who_handed_it_in_gives_its_content_without_others(sent: World, document: Any) -> None:
    found = await asked(sent.hackney, "community_safety")
    (one,) = found["versions"]
    assert one["content"]["core"]["family_name"] == document["core"]["family_name"]
    assert set(one["content"]) >= {"core", "orders", "history", "move", "routing"}
    assert "Fictional Associate" not in json.dumps(found)
    assert document["risk_to"]["who_is_the_threat"] not in json.dumps(found)
    assert {place["whose"] for place in one["redacted"]} == {"another person", "a source"}
    assert "/history/0/statement" in one["read_before_giving"]


async def test_an_agency_gives_its_own_view_and_knows_of_no_other(sent: World) -> None:
    found = await asked(sent.bexley, "dwp")
    (one,) = found["versions"]
    assert one["content"]["core"]["family_name"] == "EXAMPLE"
    assert not {"history", "associates", "risk_from"} & set(one["content"])
    assert {to for line in found["disclosures"] for to in line["to"]} == {"E09000004/dwp"}
    assert {leg["principal"] for leg in one["legs"]} == {"E09000004/dwp"}
    assert "police" not in json.dumps(found["disclosures"])


async def test_another_agency_of_the_origin_gives_the_facts_and_no_content(sent: World) -> None:
    found = await asked(sent.hackney, "police")
    (one,) = found["versions"]
    assert (one["content"], one["why_no_content"]) == (None, "not_submitter")
    assert len(found["disclosures"]) == 7


async def test_it_is_on_record_before_it_is_opened(sent: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("nothing is opened")

    monkeypatch.setattr(subject, "_opened", fails)
    with pytest.raises(RuntimeError):
        await asked(sent.bexley, "dwp")
    (row,) = rows(sent.bexley, "CONSULTATION")
    assert (row.actor, row.justification, row.purpose) == ("dpo-1", "SUBJECT_ACCESS", "ACCOUNTABILITY")
    (read,) = rows(sent.bexley, "AUDIT")
    assert (read.justification, read.ref) == ("SUBJECT_ACCESS", REF)
    assert (await accounts.check(sent.bexley.node)).good


async def test_who_has_nothing_to_do_with_it_gets_nothing(sent: World) -> None:
    with pytest.raises(NotFound):
        await subject.access(sent.bexley.node, sent.bexley.caller("housing"), "HO-E09000012-2026-000999")
    assert not rows(sent.bexley, "CONSULTATION")


async def test_a_restriction_withholds_says_so_and_stays(sent: World) -> None:
    withhold = Withhold(Ground.PREJUDICE_TO_PREVENTION, ("history", "orders"), START + 90 * DAY)
    found = await asked(sent.hackney, "community_safety", withhold)
    (one,) = found["versions"]
    assert not {"history", "orders"} & set(one["content"])
    assert one["withheld"] == ["history", "orders"]
    assert found["restricted"] is True
    (said,) = found["restrictions"]
    assert said["ground"] == "PREJUDICE_TO_PREVENTION"
    assert said["review"].startswith("2027-02-22")
    again = await asked(sent.hackney, "community_safety")
    assert again["versions"][0]["withheld"] == ["history", "orders"]
    (row,) = await sent.hackney.node.store.read(lambda tx: tx.restrictions(REF))
    assert (row.actor, row.principal) == ("dpo-1", "E09000012/community_safety")
    await sent.hackney.node.store.write(lambda tx: tx.end_restriction(row.id, START + DAY))
    lifted = await asked(sent.hackney, "community_safety")
    assert "history" in lifted["versions"][0]["content"]


async def test_all_may_be_withheld_and_the_answer_is_never_neither_yes_nor_no(sent: World) -> None:
    withhold = Withhold(Ground.OFFICIAL_INQUIRY, ("content",), START + DAY)
    found = await asked(sent.hackney, "community_safety", withhold)
    assert found["versions"][0]["content"] is None
    assert found["versions"][0]["why_no_content"] == "withheld"
    assert found["restricted"] is True
    assert len(found["disclosures"]) == 7


async def test_one_agencys_restriction_is_not_anothers(sent: World) -> None:
    withhold = Withhold(Ground.OFFICIAL_INQUIRY, ("content",), START + DAY)
    await asked(sent.bexley, "police", withhold)
    assert (await asked(sent.bexley, "dwp"))["versions"][0]["content"]


@pytest.mark.parametrize(
    ("ground", "review", "code"),
    [
        ("NEITHER_CONFIRM_NOR_DENY", START + DAY, "restriction_ground"),
        ("", START + DAY, "restriction_ground"),
        (Ground.PUBLIC_SECURITY, 0, "restriction_review"),
        (Ground.PUBLIC_SECURITY, START, "restriction_review"),
        (Ground.PUBLIC_SECURITY, START + 1, "restriction_review"),  # now
        (Ground.PUBLIC_SECURITY, START + 400 * DAY, "restriction_review"),
    ],
)
async def test_nothing_is_withheld_without_ground_and_review(
    sent: World, ground: str, review: int, code: str
) -> None:
    with pytest.raises(NotAllowed) as error:
        await asked(sent.hackney, "community_safety", Withhold(ground, ("content",), review))
    assert (error.value.code, error.value.rule) == (code, "s.45(4)")
    assert not rows(sent.hackney, "CONSULTATION")


async def test_what_was_destroyed_is_gone_for_the_person_too(sent: World, answer_all: Any) -> None:
    leg = (await sent.bexley.legs(REF))["housing"].id
    await deliver.open_parked(
        sent.bexley.node, sent.bexley.caller("housing"), f"notification-{leg}", justification="DUTY"
    )
    await answer_all(sent, REF)
    await sent.settle()
    await shred.shred(
        sent.hackney.node, Person("op-1"), REF, 1, others=True, force=True, justification="RETENTION_END"
    )
    found = await asked(sent.hackney, "community_safety")
    assert found["versions"][0]["content"] is None
    assert found["versions"][0]["why_no_content"] == "shredded"
    away = [one for one in found["disclosures"] if one["to"][0].startswith("E09000004/")]
    assert len(away) == 7
