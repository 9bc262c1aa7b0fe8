"""``gateway handover checklist``: recipients and actions out of a document or a few facts, without a node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from schemas.samples import example_text

PATH = ("handover", "checklist")


def test_a_documents_recipients_and_their_actions(gateway) -> None:
    Path("adult.json").write_text(example_text("adult"))
    ran = gateway(*PATH, "adult.json", "--json")
    assert ran.code == 0
    told = json.loads(ran.out)
    assert {one["agency"] for one in told["recipients"]} == {
        entry["agency"] for entry in json.loads(example_text("adult"))["routing"]["recipients"]
    }
    police = next(one for one in told["recipients"] if one["agency"] == "POLICE")
    assert [one["code"] for one in police["actions"]] == ["PO-01", "PO-02", "PO-03"]
    assert len(told["recipients"]) + len(told["not_relevant"]) == 14
    assert "EXAMPLE" not in ran.out, "no name of a person"


def test_a_few_facts_instead(gateway) -> None:
    ran = gateway(*PATH, "--age", "17", "--order", "bail", "--role", "victim", "--agreed", "Victim Support")
    assert ran.code == 0
    assert "YOUTH_JUSTICE          ORDER_OR_BAIL" in ran.out
    assert "VICTIM_SUPPORT         AGREED" in ran.out
    assert "PROBATION              NOT_RELEVANT: OUT_OF_AGE_RANGE" in ran.out


def test_older_names_are_understood(gateway) -> None:
    ran = gateway(
        *PATH, "--age", "30", "--need", "caseworker", "--agreed", "safer-london-foundation", "--json"
    )
    assert {one["agency"] for one in json.loads(ran.out)["recipients"]} >= {"VOLUNTARY_SECTOR"}


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--age", "20", "--order", "TAG"),
        ("--age", "20", "--need", "luck"),
        ("--age", "20", "--role", "X"),
    ],
)
def test_what_is_not_known_is_named(gateway, options) -> None:
    assert gateway(*PATH, *options).code == 2
