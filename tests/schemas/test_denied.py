from __future__ import annotations

import json

import pytest

from schemas.catalogue import DOCUMENTS, json_schema
from schemas.denied import prohibited_name, prohibited_text
from schemas.handover import parse_notification

NAMES = {
    "Gangs Violence Matrix": [
        "gvm",
        "gvm_score",
        "gvmScore",
        "GVM-RAG",
        "gvm_rag_status",
        "matrix_score",
        "gangs_matrix",
        "gang_violence_matrix",
        "gangsViolenceMatrixScore",
        "vha",
        "vha_score",
        "VHAScore",
        "violence_harm_assessment",
        "ViolenceHarmScore",
        "cambridge_harm_score",
    ],
    "ethnicity": ["ethnicity", "Ethnicity", "ethnic_group", "selfDefinedEthnicity", "race", "racial_origin"],
    "religion": ["religion", "RELIGION", "religious-belief", "faith"],
    "immigration": [
        "immigration_status",
        "immigrationStatus",
        "asylum",
        "visa_status",
        "leave_to_remain",
        "nrpf",
    ],
    "sexuality": ["sexuality", "sexual_orientation", "sexualOrientation"],
    "gang": [
        "gang_member",
        "gangMember",
        "gang-member",
        "is_gang_member",
        "GANG MEMBER",
        "GangMemberFlag",
        "gangmember",
        "gang_members",
        "gang_nominal",
        "gang_affiliated",
        "in_gang",
        "gang_name",
        "gang",
        "ｇａｎｇ＿ｍｅｍｂｅｒ",
    ],
    "source": ["source_identity", "sourceIdentity", "source_name", "informant", "CHIS", "chis_number"],
    "photograph": ["photo", "photograph", "photographs", "custody_image", "mugshot", "face.picture"],
    "lists of other people": [
        "known_associates",
        "knownAssociates",
        "family_members",
        "siblings",
        "linked_persons",
        "co_defendants",
        "coDefendants",
        "friends",
    ],
}
CASES = [(reason, name) for reason, names in NAMES.items() for name in names]
DEPTHS = [
    (),
    ("core",),
    ("move", "new_address"),
    ("history", 1, "grading"),
    ("orders", 0, "conditions", 0, "minimal_view"),
    ("unknown", "deeper"),
]


@pytest.mark.parametrize(("reason", "name"), CASES)
def test_a_prohibited_name_has_its_reason(reason, name):
    found = prohibited_name(name)
    assert found is not None
    assert reason.lower() in found.message.lower()
    assert found.remedy.startswith("remove it")


@pytest.mark.parametrize("path", DEPTHS, ids=lambda path: "/".join(map(str, path)) or "top")
@pytest.mark.parametrize("name", ["gang_member", "gvmScore", "ethnicity", "source-identity", "photo"])
def test_a_prohibited_field_is_refused_at_every_depth(adult, refused, path, name):
    target = adult
    for step in path:
        target = target.setdefault(step, {}) if isinstance(target, dict) else target[step]
    target[name] = True
    problems = {p.pointer: p.message for p in refused(adult)}
    assert problems["/" + "/".join(map(str, (*path, name)))] == prohibited_name(name).message


def _names(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from inner if key == "properties" else ()
            yield from _names(inner)
    if isinstance(value, list):
        for inner in value:
            yield from _names(inner)


def test_no_field_of_ours_looks_prohibited():
    names = {name for document in DOCUMENTS for name in _names(json_schema(document))}
    assert len(names) > 100
    assert [name for name in sorted(names) if prohibited_name(name)] == []


# --- Text ---------------------------------------------------------------------------------------------------

SCORES = [
    "GVM score 14",
    "gvm: RED",
    "Scored amber on the Gangs Matrix.",
    "His Gangs Violence Matrix harm score is 52.",
    "gang violence matrix\nrating\tamber",
    "VHA band 3",
    "Violence-Harm-Assessment: 71",
    "rated green by the Met matrix",
    "the matrix has him as red",
    "ＧＶＭ　ｓｃｏｒｅ　１４",
]
MENTIONS = ["Was on the GVM.", "Removed from the Gangs Violence Matrix.", "Known to the VHA"]
HARMLESS = [
    "Scored a goal for the local team; red card.",
    "Linked to a street group in the origin area.",
    "Assessed as raising risk to him.",
    "A matrix of agencies meets on the 3rd.",
]


@pytest.mark.parametrize("text", SCORES)
@pytest.mark.parametrize(
    "path", [("history", 0, "statement"), ("move", "reason"), ("aspirations", "in_subject_words")]
)
def test_a_score_in_text_is_refused(adult, refused, text, path):
    target = adult
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = text
    (problem,) = refused(adult)
    assert problem.pointer == "/" + "/".join(map(str, path))
    assert "(R18)" in problem.message


@pytest.mark.parametrize("text", MENTIONS)
@pytest.mark.parametrize(
    "path",
    [
        ("history", 3, "statement"),
        ("history", 3, "assessor"),
        ("gang_association", "statement"),
        ("risk_to", "tool"),
        ("risk_from", "tool"),
    ],
)
def test_an_assertion_or_a_tool_does_not_even_mention_it(path, text):
    assert prohibited_text(path, text) is not None


@pytest.mark.parametrize("text", MENTIONS + HARMLESS)
@pytest.mark.parametrize(
    "path", [("transparency", "subject_statement"), ("history", 0, "supplementary_statement")]
)
def test_the_subject_may_speak_of_it(path, text):
    assert prohibited_text(path, text) is None


@pytest.mark.parametrize("text", HARMLESS)
def test_other_text_is_left_alone(text):
    assert prohibited_text(("history", 0, "statement"), text) is None


@pytest.mark.parametrize("text", SCORES + MENTIONS)
def test_an_omission_may_be_named(adult, text):
    adult["data_quality"]["omitted"][0]["what"] = text.replace("\n", " ").replace("\t", " ")
    adult["data_quality"]["omitted"][0]["why"] = text
    assert parse_notification(json.dumps(adult).encode())


def test_the_quality_block_itself_gives_no_score(adult, refused):
    adult["data_quality"]["reliability_note"] = "GVM score 14"
    assert [p.pointer for p in refused(adult)] == ["/data_quality/reliability_note"]
