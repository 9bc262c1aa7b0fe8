"""What an agency was given against what its type may ever read."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.core.audience import Reader, cut, merge
from gateway.core.disclosure import undue
from gateway.core.entitlements import ENTITLEMENTS, ROWS

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"
DOCUMENTS = {path.stem: json.loads(path.read_text()) for path in sorted(EXAMPLES.glob("[12]_*.json"))}


def views(document: Any) -> dict[str, Any]:
    """Agency type -> what it gets of the document, as our own sender cuts it."""
    entries = document["routing"]["recipients"]
    readers = [Reader(f"E09000004/r{n}", entry["agency"], n) for n, entry in enumerate(entries)]
    parts = cut(document, readers, ENTITLEMENTS)
    return {
        reader.agency: merge([part.sections for part in parts if reader.principal in part.readers])
        for reader in readers
    }


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_our_own_sender_cuts_holds_nothing_undue(name):
    found = views(DOCUMENTS[name])
    assert len(found) > 5
    assert {agency: undue(view, agency, ENTITLEMENTS) for agency, view in found.items()} == dict.fromkeys(
        found, frozenset()
    )


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_whole_document_is_undue_to_every_agency_for_every_group_that_is_not_its_own(name):
    document = DOCUMENTS[name]
    for agency in views(document):
        found = undue(document, agency, ENTITLEMENTS)
        assert found
        assert not {group for group in found if agency in ENTITLEMENTS.get(group, ())}


SOME_ITEMS = ("roles", "actions")  # of these some items go to some: see below
WHOLE = [row for row in ROWS if row.fields and row.group not in SOME_ITEMS]


@pytest.mark.parametrize("row", WHOLE, ids=lambda row: row.group)
def test_each_group_is_undue_to_exactly_those_whom_its_row_does_not_list(row):
    path = row.fields[0].split(".")
    value: Any = {"some_field": "x"}
    for name in reversed(path):
        value = {name: value}
    for agency in ENTITLEMENTS["core"]:
        expected = set() if agency in ENTITLEMENTS[row.group] else {row.group}
        assert undue(value, agency, ENTITLEMENTS) == expected


def test_of_roles_victim_services_may_be_given_victims_alone():
    victim, suspect = {"role": "VICTIM", "since": "2026"}, {"role": "SUSPECT", "since": "2026"}
    assert undue({"roles": [victim]}, "VICTIM_SUPPORT", ENTITLEMENTS) == set()
    assert undue({"roles": [victim, suspect]}, "VICTIM_SUPPORT", ENTITLEMENTS) == {"roles"}
    assert undue({"roles": [{"role": "SUSPECT"}]}, "VICTIM_SUPPORT", ENTITLEMENTS) == {"roles"}
    assert undue({"roles": [victim, suspect]}, "POLICE", ENTITLEMENTS) == set()


def test_of_actions_an_agency_may_be_given_its_own_and_a_coordinator_the_titles():
    own = {"action_id": "A1", "agency": "HOUSING", "title": "x", "detail": {"due": "y"}}
    title = {"action_id": "A2", "agency": "POLICE", "title": "x"}
    assert undue({"actions": [own]}, "HOUSING", ENTITLEMENTS) == set()
    assert undue({"actions": [own, title]}, "HOUSING", ENTITLEMENTS) == {"actions.titles"}
    assert undue({"actions": [title]}, "SPOC", ENTITLEMENTS) == set()
    assert undue({"actions": [own]}, "SPOC", ENTITLEMENTS) == {"actions of others"}


def test_the_identity_of_an_item_is_no_disclosure_but_its_content_is():
    view = {"orders": [{"order_id": "O1", "conditions": [{"no": 1, "minimal_view": {"text": "x"}}]}]}
    assert undue(view, "DWP", ENTITLEMENTS) == set()
    told = copy.deepcopy(view)
    told["orders"][0]["court"] = "x"
    assert undue(told, "DWP", ENTITLEMENTS) == {"orders"}


def test_a_field_of_no_group_is_undue_under_the_name_of_its_section():
    assert undue({"horoscope": {"sign": "x"}}, "POLICE", ENTITLEMENTS) == {"horoscope"}


def test_a_narrower_directory_is_the_measure():
    narrowed = ENTITLEMENTS | {"core": frozenset({"POLICE"})}
    view = {"core": {"family_name": "x"}}
    assert undue(view, "HOUSING", narrowed) == {"core"}
    assert undue(view, "POLICE", narrowed) == set()
