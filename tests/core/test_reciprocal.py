"""A housing reciprocal request: a reference in the place of the person (domain 1.2, 6.4)."""

from __future__ import annotations

import json
from typing import Any

from gateway.core.audience import Reader, cut, merge
from gateway.core.disclosure import undue
from gateway.core.entitlements import ENTITLEMENTS
from schemas.samples import example_text

REFERENCE = "ARC-01-16"
WITHHELD = ("EXAMPLE", "Jordan", "2003-05-14", "020 7946 0123", "999999000001", "ZZ99 3CZ")


def views(*, reciprocal: bool) -> dict[str, Any]:
    """By agency type."""
    document = json.loads(example_text("adult"))
    if reciprocal:
        document["routing"]["recipients"][4]["reciprocal_ref"] = REFERENCE
    entries = document["routing"]["recipients"]
    readers = [Reader(entry["agency"], entry["agency"], index) for index, entry in enumerate(entries)]
    parts = cut(document, readers, ENTITLEMENTS)
    return {r.principal: merge([p.sections for p in parts if r.principal in p.readers]) for r in readers}


def test_housing_gets_the_reference_and_not_the_name() -> None:
    view = views(reciprocal=True)["HOUSING"]
    text = json.dumps(view)
    assert view["routing"]["recipients"][0]["reciprocal_ref"] == REFERENCE
    assert not [word for word in WITHHELD if word in text]
    assert view["core"] == {"age_at_issue": 23, "interpreter_needed": False, "reasonable_adjustments": None}
    assert view["move"]["unsafe_areas"] == ["E09000012"]
    assert view["actions"][0]["code"] == "HO-01"


def test_everybody_else_gets_what_they_would_get_anyway() -> None:
    with_it, without = views(reciprocal=True), views(reciprocal=False)
    for agency in without:
        if agency != "HOUSING":
            assert with_it[agency] == without[agency]
            assert REFERENCE not in json.dumps(with_it[agency])
    assert all(word in json.dumps(without["HOUSING"]) for word in WITHHELD)


def test_a_receiver_sees_a_name_that_came_beside_the_reference() -> None:
    view = views(reciprocal=True)["HOUSING"]
    assert undue(view, "HOUSING", ENTITLEMENTS) == set()
    named = {**view, "core": {**view["core"], "family_name": "EXAMPLE"}}
    assert undue(named, "HOUSING", ENTITLEMENTS) == {"core"}
