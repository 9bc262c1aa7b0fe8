"""What is another person's is taken out by its field; what a machine cannot judge is named for a reader."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.redaction import FREE_TEXT, INTELLIGENCE, WHOLE, redact
from schemas.catalogue import DOCUMENTS
from schemas.samples import minimal_example


@pytest.fixture
def document() -> Any:
    return json.loads(minimal_example())


def _properties(schema: Any, root: Any) -> dict[str, Any]:
    """Fields of a schema, through references, alternatives and lists."""
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    found = dict(schema.get("properties", {}))
    for key in ("anyOf", "oneOf", "allOf"):
        for one in schema.get(key, ()):
            found |= _properties(one, root)
    if "items" in schema:
        found |= _properties(schema["items"], root)
    return found


@pytest.mark.parametrize("path", sorted(WHOLE))
def test_every_field_in_the_table_is_one_of_the_document(path: str) -> None:
    root = DOCUMENTS["handover"].model_json_schema()
    schema: Any = root
    for name in path.split("."):
        fields = _properties(schema, root)
        assert name in fields, path
        schema = fields[name]


@pytest.mark.parametrize("name", sorted(INTELLIGENCE | FREE_TEXT))
def test_every_name_in_the_lists_is_a_field_of_the_document(name: str) -> None:
    assert f'"{name}"' in json.dumps(DOCUMENTS["handover"].model_json_schema())


def test_no_other_person_is_left_of_example_one(document: Any) -> None:
    text = json.dumps(redact(document).sections)
    assert "Fictional Associate" in json.dumps(document)
    assert "Fictional Associate" not in text
    assert document["risk_to"]["who_is_the_threat"] not in text
    assert document["move"]["evidence_of_threat_ref"] not in text
    for one in document["history"]:
        assert not one.get("evidence_ref") or one["evidence_ref"] not in text
    assert document["core"]["family_name"] in text
    assert document["history"][0]["statement"] in text


def test_a_term_that_names_people_is_taken_out_and_others_stay(document: Any) -> None:
    terms = document["orders"][0]["conditions"]
    naming = next(at for at, one in enumerate(terms) if one.get("third_party_list"))
    shown = redact(document)
    left = shown.sections["orders"][0]["conditions"]
    assert left[naming]["text"] == "[withheld: another person]"
    assert [one["text"] for at, one in enumerate(left) if at != naming] == [
        one["text"] for at, one in enumerate(terms) if at != naming
    ]
    assert shown.places[f"/orders/0/conditions/{naming}/text"] == "another person"


@pytest.mark.parametrize("naming", [{"third_party_list": "associates"}, {"third_party_count": 20}])
def test_either_sign_of_named_people_takes_the_term_out(naming: Any) -> None:
    shown = redact({"orders": [{"conditions": [{"text": "not to meet A and B", **naming}]}]})
    assert "A and B" not in json.dumps(shown.sections)


def test_intelligence_is_withheld_with_all_that_leads_to_its_source() -> None:
    item = {
        "kind": "INTELLIGENCE",
        "statement": "said to carry a knife",
        "source_agency": "POLICE",
        "grading": {"source": 2},
        "assessor": "sergeant",
        "evidence_ref": "INT/1",
        "corroboration_sources": ["police", "school"],
        "as_of": "2026-11-18",
    }
    shown = redact({"history": [item], "gang_association": item})
    for left in (shown.sections["history"][0], shown.sections["gang_association"]):
        assert left == dict.fromkeys(item, "[withheld: a source]") | {
            "kind": "INTELLIGENCE",
            "as_of": "2026-11-18",
        }
    assert len(shown.places) == 12


def test_the_free_text_that_is_left_is_listed_for_a_reader(document: Any) -> None:
    shown = redact(document)
    assert "/history/0/statement" in shown.to_read
    assert "/move/reason" in shown.to_read
    assert not set(shown.to_read) & set(shown.places)


def test_what_is_not_there_is_not_said_to_be_withheld() -> None:
    shown = redact({"associates": [], "risk_to": {"rating": "HIGH"}, "gang_association": "NOT_ASSERTED"})
    assert shown.places == {}
    assert shown.sections == {
        "associates": [],
        "risk_to": {"rating": "HIGH"},
        "gang_association": "NOT_ASSERTED",
    }
