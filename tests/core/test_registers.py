"""What a node has on file, against what a document claims: agreements, policies, powers, narrowing (R5)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from gateway.core.entitlements import ENTITLEMENTS
from gateway.core.policy import check
from gateway.core.powers import POWERS
from gateway.core.registers import (
    ALWAYS,
    FICTIONAL,
    NONE,
    Agreement,
    Registers,
    Term,
    check_narrowing,
    narrowed,
    registers,
)
from gateway.errors import Misconfigured, NotAllowed
from gateway.testing.boroughs import START
from schemas.handover import parse_notification
from schemas.samples import example_text

TODAY = date(2026, 11, 24)
DSA, APD = "DSA-LDN-GANGS-07", "APD-HACK-2026-02"


def problems(held: Registers | None, document: dict[str, Any] | None = None) -> list[tuple[str, str]]:
    text = example_text("adult") if document is None else json.dumps(document)
    try:
        check(parse_notification(text.encode()), now=START, registers=held)
    except NotAllowed as error:
        return [(problem.rule, problem.field) for problem in error.problems]
    return []


def agreement(**changes: Any) -> Registers:
    """The fictional registers with one agreement changed."""
    changed = replace(FICTIONAL.agreements[DSA], **changes)
    return replace(FICTIONAL, agreements={**FICTIONAL.agreements, DSA: changed})


def test_the_examples_rest_on_what_the_demo_has_on_file() -> None:
    assert problems(FICTIONAL) == []
    assert problems(None) == []


def test_a_node_with_nothing_on_file_sends_nothing() -> None:
    assert problems(NONE) == [
        ("R5", "/lawful_basis/0/dsa_ref"),
        ("R5", "/lawful_basis/0/apd_ref"),
        ("R5", "/lawful_basis/1/dsa_ref"),
        ("R5", "/lawful_basis/2/dsa_ref"),
    ]


@pytest.mark.parametrize(
    ("begins", "ends", "stands"),
    [
        (TODAY, TODAY, True),
        (date(2026, 11, 25), date(2027, 1, 1), False),
        (date(2026, 1, 1), date(2026, 11, 23), False),
    ],
)
def test_both_days_of_a_term_count(begins: date, ends: date, *, stands: bool) -> None:
    held = agreement(begins=begins, ends=ends)
    refused = [("R5", "/lawful_basis/0/dsa_ref"), ("R5", "/lawful_basis/1/dsa_ref")]
    assert problems(held) == ([] if stands else refused)
    policy = replace(FICTIONAL, policies={APD: Term(APD, begins, ends)})
    assert problems(policy) == ([] if stands else [("R5", "/lawful_basis/0/apd_ref")])


@pytest.mark.parametrize(
    ("areas", "refused"),
    [
        ({"E09000012", "E09000004"}, False),
        ({"E09000012"}, True),
        ({"E09000004", "E09000025"}, True),
    ],
)
def test_an_agreement_is_between_both_areas(areas: set[str], *, refused: bool) -> None:
    legs = [(("R5", f"/routing/recipients/{index}/lawful_basis/0")) for index in range(5)]
    assert problems(agreement(areas=frozenset(areas))) == (legs if refused else [])


def test_an_agreement_is_with_the_agencies_that_it_names() -> None:
    held = agreement(agencies=frozenset({"POLICE", "PROBATION", "COMMUNITY_SAFETY", "HOUSING"}))
    assert problems(held) == [("R5", "/routing/recipients/3/lawful_basis/0")]


def test_a_one_off_decision_stands_in_the_place_of_an_agreement() -> None:
    document = json.loads(example_text("adult"))
    del document["lawful_basis"][2]["dsa_ref"]
    document["lawful_basis"][2]["one_off"] = {"justification": "first of its kind", "dpo_ref": "DPO-7"}
    held = replace(FICTIONAL, agreements={DSA: FICTIONAL.agreements[DSA]})
    assert problems(held, document) == []
    del document["lawful_basis"][2]["one_off"]["dpo_ref"]
    with pytest.raises(ValueError, match="dpo_ref"):
        problems(held, document)


def test_a_power_that_is_not_in_force_is_refused_until_the_node_says_that_it_is() -> None:
    document = json.loads(example_text("urgent"))
    document["lawful_basis"][0]["powers"].append("CWSA2026_S4")
    now = 1_796_510_400
    for held, refused in (
        (FICTIONAL, True),
        (replace(FICTIONAL, commenced=frozenset({"CWSA2026_S4"})), False),
    ):
        notification = parse_notification(json.dumps(document).encode())
        if not refused:
            check(notification, now=now, registers=held)
            continue
        with pytest.raises(NotAllowed) as caught:
            check(notification, now=now, registers=held)
        assert caught.value.field == "/lawful_basis/0/powers/4"


def test_every_power_says_whom_it_reaches() -> None:
    for code, power in POWERS.items():
        assert code == power.code
        assert power.reaches
        assert power.words
    assert not POWERS["CDA1998_S115"].reaches & {"DWP", "VOLUNTARY_SECTOR", "VICTIM_SUPPORT"}
    assert not POWERS["AGREEMENT"].reaches & {"POLICE", "PROBATION", "YOUTH_JUSTICE"}


# --- narrowing --------------------------------------------------------------------------------------------


def test_a_narrowing_takes_away_and_never_gives() -> None:
    less = narrowed(ENTITLEMENTS, {"history": frozenset({"POLICE"})})
    assert less["history"] == {"POLICE"}
    assert {group: told for group, told in less.items() if group != "history"} == {
        group: told for group, told in ENTITLEMENTS.items() if group != "history"
    }
    # the directory has narrowed since: what it lists no more does not come back
    later = dict(ENTITLEMENTS) | {"history": frozenset({"PROBATION"})}
    assert narrowed(later, {"history": frozenset({"POLICE"})})["history"] == set()
    assert narrowed(ENTITLEMENTS, {}) is ENTITLEMENTS


@pytest.mark.parametrize(
    ("group", "told"),
    [
        ("history", {"POLICE", "HOUSING"}),
        ("whatever", {"POLICE"}),
        *[(group, {"POLICE"}) for group in sorted(ALWAYS)],
    ],
)
def test_what_would_widen_or_take_the_quality_block_away_is_refused(group: str, told: set[str]) -> None:
    with pytest.raises(Misconfigured) as caught:
        check_narrowing(ENTITLEMENTS, {group: told})
    assert caught.value.code == "entitlements_widen"
    assert caught.value.field == f"/governance/entitlements/{group}"


def test_an_honest_narrowing_is_taken() -> None:
    check_narrowing(ENTITLEMENTS, {"history": {"POLICE"}, "move.new_address": set()})


def test_a_leg_without_the_quality_block_is_refused() -> None:
    """Also under a directory that somebody has signed so."""
    signed = dict(ENTITLEMENTS) | {"data_quality": ENTITLEMENTS["data_quality"] - {"DWP"}}
    with pytest.raises(NotAllowed) as caught:
        check(parse_notification(example_text("adult").encode()), now=START, entitlements=signed)
    assert [(p.rule, p.field) for p in caught.value.problems] == [("R3", "/routing/recipients/5")]


def test_two_entries_of_one_reference_are_refused() -> None:
    entry = Agreement("D", TODAY, TODAY)
    with pytest.raises(Misconfigured) as caught:
        registers([entry, replace(entry, ends=date(2030, 1, 1))])
    assert caught.value.field == "/governance/agreements/1/ref"
