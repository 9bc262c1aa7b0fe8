from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

import schemas
from schemas.actions import ACTIONS, EVERY_LEG, ORIGIN, Start, Term, Unit
from schemas.areas import AREAS, EXTERNAL, LONDON, display_name, find
from schemas.base import ShapeError
from schemas.catalogue import DOCUMENTS, SECTIONS, json_schema, main, schema_text
from schemas.handover import HandoverNotification, parse_notification
from schemas.message import ACTION_CODE
from schemas.samples import example_text
from schemas.vocabulary import Agency

FOLDER = Path(schemas.__file__).parent
NO_SECTIONS = {"schema_version", "fictional"}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_shipped_schema_is_the_generated_one(name):
    shipped = (FOLDER / "json" / f"{name}.schema.json").read_text(encoding="utf-8")
    assert shipped == schema_text(name), (
        f"python -m schemas.catalogue {name} > schemas/json/{name}.schema.json"
    )


def test_no_other_schema_is_shipped():
    assert {p.name for p in (FOLDER / "json").iterdir()} == {f"{name}.schema.json" for name in DOCUMENTS}


@pytest.mark.parametrize("name", [*DOCUMENTS, *SECTIONS])
def test_a_schema_is_one_and_is_closed(name):
    schema = json_schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$id"].endswith(f":{name}:1.0")
    for model in (schema, *schema.get("$defs", {}).values()):
        if model.get("type") == "object":
            assert model["additionalProperties"] is False
            assert model["description"]


@pytest.mark.parametrize("name", ["adult", "urgent"])
def test_the_schema_takes_the_examples(name):
    Draft202012Validator(json_schema("handover")).validate(json.loads(example_text(name)))


def _places(value, path=()):
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in inner:
        yield (*path, step)
        yield from _places(item, (*path, step))


@pytest.mark.parametrize("name", ["adult", "urgent"])
def test_the_schema_and_the_model_agree_on_what_may_be_left_out(name):
    document, validator = json.loads(example_text(name)), Draft202012Validator(json_schema("handover"))
    for path in _places(document):
        if sum(isinstance(step, int) and step > 0 for step in path):
            continue
        shorter = copy.deepcopy(document)
        target = shorter
        for step in path[:-1]:
            target = target[step]
        del target[path[-1]]
        try:
            parse_notification(json.dumps(shorter).encode())
            taken = True
        except ShapeError:
            taken = False
        assert validator.is_valid(shorter) is taken, path


def test_every_section_of_the_handover_is_in_the_catalogue():
    assert set(SECTIONS) == set(HandoverNotification.model_fields) - NO_SECTIONS


def _models(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _models(inner)


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_is_read_by_the_model_that_the_catalogue_names(name):
    assert list(_models(HandoverNotification.model_fields[name].annotation)) == [SECTIONS[name]]


def test_the_command_writes_a_schema(capsys):
    assert main(["opening"]) == 0
    assert capsys.readouterr().out == schema_text("opening")
    done = subprocess.run(
        [sys.executable, "-m", "schemas.catalogue", "opening"],
        capture_output=True,
        check=True,
        cwd=FOLDER.parent,
    )
    assert done.stdout.decode() == schema_text("opening")


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["handover", "reply"]])
def test_the_command_names_what_there_is(arguments, capsys):
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "handover|acknowledgement" in told.err


def test_an_unknown_name_has_no_schema():
    with pytest.raises(KeyError):
        json_schema("nothing")


# --- Areas ------------------------------------------------------------------------------------------------


def test_london_has_33_areas_in_alphabetical_order():
    assert [area.code for area in LONDON] == [f"E090000{n:02}" for n in range(1, 34)]
    names = [area.name for area in LONDON]
    assert names[0] == "City of London"
    assert names[1:] == sorted(names[1:])
    assert len(set(names)) == 33
    assert not any(area.external for area in LONDON)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("E09000004", "Bexley"),
        ("E09000012", "Hackney"),
        ("E09000022", "Lambeth"),
        ("E09000033", "Westminster"),
        ("E10000016", "Kent"),
    ],
)
def test_an_area_has_a_name(code, name):
    assert display_name(code) == name
    assert AREAS[code].name == name
    assert find(f" {name.upper()} ") is AREAS[code]
    assert find(code.lower()) is AREAS[code]


def test_what_is_not_known_is_shown_by_its_code():
    assert display_name("E07000108") == "E07000108"
    assert find("Atlantis") is None
    assert [area.name for area in EXTERNAL if area.external] == ["Kent"]


# --- Actions ------------------------------------------------------------------------------------------------


def test_the_catalogue_holds_the_actions_of_the_domain():
    assert " ".join(ACTIONS) == (
        "ALL-A ALL-B CS-01 CS-02 CS-03 CS-04 PO-01 PO-02 PO-03 PO-04 PR-01 PR-02 PR-03 PR-04 "
        "YJ-01 YJ-02 YJ-03 YJ-04 CC-01 CC-02 CC-U1 CC-U2 CC-U3 LC-01 LC-02 HO-01 HO-02 HO-03 "
        "DW-01 DW-02 VC-01 VS-01 ED-01 HE-01 SP-01 SP-02 OR-01 OR-02"
    )


@pytest.mark.parametrize(
    ("code", "standard", "urgent"),
    [
        ("ALL-A", (1, "WORKING_DAYS"), (2, "HOURS")),
        ("ALL-B", (5, "WORKING_DAYS"), (4, "HOURS")),
        ("CS-03", (10, "WORKING_DAYS"), (3, "WORKING_DAYS")),
        ("PO-03", (5, "WORKING_DAYS"), (24, "HOURS")),
        ("PO-04", None, (4, "HOURS")),
        ("PR-02", (10, "WORKING_DAYS"), (2, "WORKING_DAYS")),
        ("PR-03", (20, "WORKING_DAYS"), (5, "WORKING_DAYS")),
        ("YJ-04", (3, "MONTHS"), (3, "MONTHS")),
        ("CC-01", (15, "WORKING_DAYS"), (15, "WORKING_DAYS")),
        ("CC-U2", None, (24, "HOURS")),
        ("DW-02", (0, "STANDING"), (0, "STANDING")),
        ("OR-01", (0, "UNTIL_ACCEPTED"), (0, "UNTIL_ACCEPTED")),
        ("SP-02", (2, "WORKING_DAYS"), (4, "HOURS")),
    ],
)
def test_an_action_has_its_clocks(code, standard, urgent):
    action = ACTIONS[code]
    assert (action.standard and (action.standard.amount, action.standard.unit)) == standard
    assert (action.urgent.amount, action.urgent.unit) == urgent


def test_two_clocks_are_out_of_the_ordinary():
    assert ACTIONS["PR-04"].standard == Term(5, Unit.WORKING_DAYS, Start.ACCEPTANCE)
    assert ACTIONS["CC-01"].interim == Term(24, Unit.HOURS)
    assert [a.code for a in ACTIONS.values() if a.interim] == ["CC-01"]
    assert [a.code for a in ACTIONS.values() if a.standard and a.standard.starts is Start.ACCEPTANCE] == [
        "PR-04"
    ]


def test_the_codes_of_the_examples_and_of_the_catalogue_have_one_form():
    codes = set(ACTIONS) | {
        action["code"] for name in ("adult", "urgent") for action in json.loads(example_text(name))["actions"]
    }
    assert all(re.fullmatch(ACTION_CODE, code) for code in codes)
    assert {action.agency for action in ACTIONS.values()} <= {*Agency, ORIGIN, EVERY_LEG}
