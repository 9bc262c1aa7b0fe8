from __future__ import annotations

import copy
import json
import traceback

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.base import ShapeError
from schemas.flaws import MAX_PROBLEMS
from schemas.handover import parse_notification
from schemas.reading import MAX_DOCUMENT, MAX_NESTING
from schemas.samples import example_text

DOCUMENTS = {name: json.loads(example_text(name)) for name in ("adult", "urgent")}
CANARY = "Zebedee-Q7"


def places(value, path=()):
    """Every place below a value, lists by their first two items."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in inner:
        if isinstance(value, dict) or step < 2:
            yield (*path, step)
            yield from places(item, (*path, step))


def at(document, path):
    for step in path:
        document = document[step]
    return document


def put(document, path, value):
    changed = copy.deepcopy(document)
    at(changed, path[:-1])[path[-1]] = value
    return changed


def pointer(path):
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def everything_said(error):
    """All text that somebody who logs this error could write down."""
    said = ["".join(traceback.format_exception(error)), repr(error), str(error), repr(error.args)]
    said += [repr(problem) for problem in error.problems]
    while error := (error.__cause__ or error.__context__):
        said += [repr(error), str(error), repr(vars(error))]
    return "\n".join(said)


def refusal(document):
    try:
        parse_notification(json.dumps(document).encode())
    except ShapeError as error:
        return error
    return None


PLACES = [(name, path) for name, document in DOCUMENTS.items() for path in places(document)]
OBJECTS = [(name, ()) for name in DOCUMENTS] + [
    (name, path) for name, path in PLACES if isinstance(at(DOCUMENTS[name], path), dict)
]
KNOWN = {step for _, path in PLACES for step in path}


# --- Unknown fields ---------------------------------------------------------------------------------------


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    where=st.sampled_from(OBJECTS),
    name=st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_./~-]{0,30}\Z").filter(lambda name: name not in KNOWN),
    value=st.sampled_from([None, True, 3, "text", [], {}, [{"a": 1}]]),
)
def test_an_unknown_field_is_refused_at_its_place(where, name, value, refused):
    document, path = where
    problems = refused(put(DOCUMENTS[document], (*path, name), value))
    assert pointer((*path, name)) in {problem.pointer for problem in problems}
    assert all(problem.remedy.startswith(("remove", "add", "give", "put")) for problem in problems)


@pytest.mark.parametrize("name", ["Jordan Example", "020 7946 0123", "x" * 65, "\x1b[31m", "0712", "ä", ""])
def test_a_name_that_is_no_field_name_is_not_repeated(adult, refused, name):
    adult["core"][name] = 1
    (problem,) = refused(adult)
    assert problem.pointer == "/core"
    assert problem.message == "a field inside this has a name that no field has"


# --- Nothing leaks ------------------------------------------------------------------------------------------

SPOILED = {
    "string": CANARY,
    "long string": CANARY * 500,
    "control character": CANARY + "\x07",
    "list": [CANARY],
    "object": {"family_name": CANARY},
    "number": 1.5,
    "score": f"{CANARY}: GVM score 14",
}


@pytest.mark.parametrize("how", SPOILED)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_value_is_ever_in_an_error(name, how):
    refusals = 0
    for path in places(DOCUMENTS[name]):
        error = refusal(put(DOCUMENTS[name], path, SPOILED[how]))
        if error is None:
            continue
        refusals += 1
        assert CANARY not in everything_said(error), path
        pointers = [problem.pointer for problem in error.problems]
        assert pointer(path) in pointers + [told.rpartition("/")[0] for told in pointers], path
    # Free text takes the plain canary; everything else takes nothing of this.
    assert refusals > 100


@pytest.mark.parametrize(
    "body",
    [
        b'{"core": "' + CANARY.encode(),
        b'{"core": "' + CANARY.encode() + b'\xff"}',
        b'{"core": "' + CANARY.encode() + b'\\ud800"}',
        b'{"core": "' + CANARY.encode() + b'\\x"}',
        b"[" * 100_000 + CANARY.encode(),
        CANARY.encode() * 40_000,
        b'"' + CANARY.encode() + b'"',
        b'{"core": 1, "core": "' + CANARY.encode() + b'"}',
    ],
    ids=["cut off", "not UTF-8", "surrogate", "escape", "deep", "large", "no object", "twice"],
)
def test_no_value_is_in_an_error_about_bytes(body):
    with pytest.raises(ShapeError) as caught:
        parse_notification(body)
    assert CANARY not in everything_said(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


# --- Bytes and JSON -------------------------------------------------------------------------------------


def test_invalid_json_is_told_by_line_and_column(refused):
    (problem,) = refused(b'{\n  "schema_version": "1.0",\n  oops\n}')
    assert problem == ("", "this is not JSON: line 3, column 3", "correct the JSON there")


@pytest.mark.parametrize("body", [b"", b" ", b"{}{}", b'\xef\xbb\xbf{"a":1}', '{"a":1}'.encode("utf-16")])
def test_what_is_not_one_json_text_in_utf8_is_refused(refused, body):
    (problem,) = refused(body)
    assert problem.pointer == ""


@pytest.mark.parametrize("body", [b"[]", b"null", b"5", b'"x"', b"true"])
def test_a_document_is_an_object(refused, body):
    (problem,) = refused(body)
    assert problem.pointer == ""
    assert problem.message == "this must be an object"


def test_the_size_has_a_limit(adult, refused):
    body = json.dumps(adult).encode()
    largest = body + b" " * (MAX_DOCUMENT - len(body))
    assert parse_notification(largest)
    (problem,) = refused(largest + b" ")
    assert problem.message == "the document is larger than 262144 bytes"


def test_a_repeated_key_is_refused_at_every_depth(adult, refused):
    text = json.dumps(adult)
    top = text.replace('"schema_version": "1.0"', '"schema_version": "1.0", "schema_version": "1.0"')
    deep = text.replace('"uprn":', '"uprn": "1", "uprn":')
    assert [p.pointer for p in refused(top.encode())] == ["/schema_version"]
    (problem,) = refused(deep.encode())
    assert problem.pointer == "/move/new_address/uprn"
    assert problem.message == "this field is given more than once"


def test_a_key_that_is_the_same_only_after_unescaping_is_repeated(adult, refused):
    text = json.dumps(adult).replace('"uprn":', '"\\u0075prn": "1", "uprn":')
    assert [p.pointer for p in refused(text.encode())] == ["/move/new_address/uprn"]


@pytest.mark.parametrize("number", ["1.0", "1e0", "-0.0", "NaN", "Infinity", "-Infinity"])
def test_there_are_no_floats(adult, refused, number):
    text = json.dumps(adult).replace('"version": 1,', f'"version": {number},')
    (problem,) = refused(text.encode())
    assert problem[:2] == ("/message/version", "this number is not an integer")


@pytest.mark.parametrize("number", [str(2**53), str(-(2**53)), "9" * 5000])
def test_an_integer_has_a_limit(adult, refused, number):
    text = json.dumps(adult).replace('"version": 1,', f'"version": {number},')
    (problem,) = refused(text.encode())
    assert problem[:2] == ("/message/version", "this integer is too large")


def test_the_largest_integer_is_a_number_like_any_other(adult, refused):
    adult["message"]["version"] = 2**53 - 1
    assert [p.message for p in refused(adult)] == ["this number is too large"]


def test_a_lone_surrogate_is_found_at_its_place(adult, refused):
    text = json.dumps(adult).replace('"EXAMPLE"', '"\\ud83d"')
    (problem,) = refused(text.encode())
    assert problem.pointer == "/core/family_name"
    whole = json.dumps(adult).replace('"EXAMPLE"', '"\\ud83d\\ude00"')
    assert parse_notification(whole.encode()).core.family_name == "\U0001f600"


def test_a_lone_surrogate_in_a_name_is_refused(adult, refused):
    text = json.dumps(adult).replace('"family_name"', '"\\udc00": 1, "family_name"')
    assert [p.pointer for p in refused(text.encode())] == ["/core"]


@pytest.mark.parametrize("depth", [MAX_NESTING, 100, 50_000])
def test_deep_nesting_is_not_followed(adult, refused, depth):
    body = json.dumps(adult)[:-1].encode() + b', "x": ' + b"[" * depth + b"]" * depth + b"}"
    messages = {problem.message for problem in refused(body)}
    assert f"lists and objects are nested deeper than {MAX_NESTING}" in messages


@pytest.mark.parametrize(
    ("field", "value"),
    [("roles", [{}] * 301), ("core", {f"a{n}": 1 for n in range(301)}), ("x", [1] * 50_000)],
)
def test_a_long_list_or_object_is_not_looked_into(adult, refused, field, value):
    del adult["retention"]
    adult[field] = value
    (problem,) = refused(adult)
    assert problem[:2] == (f"/{field}", "this has more than 300 members")


def test_the_longest_list_of_the_shape_is_looked_into(adult, refused):
    adult["contacts"] *= 60
    (problem,) = refused(adult)
    assert problem.message == "this list has more than 100 items"


def test_every_repeated_key_is_named(refused):
    body = b'{"core": {"a": 1, "b": 2, "a": 3, "b": 4, "c": 5}}'
    twice = [p.pointer for p in refused(body) if p.message == "this field is given more than once"]
    assert twice == ["/core/a", "/core/b"]


# --- The report -----------------------------------------------------------------------------------------


def test_all_problems_are_reported_together_in_order(adult, refused):
    adult["core"]["family_name"] = 5
    adult["core"]["surprise"] = 1
    adult["ethnicity"] = "x"
    del adult["retention"]
    for index in (2, 10):
        adult["associates"][index]["label"] = None
    adult["message"]["version"] = 0
    problems = refused(adult)
    assert [p.pointer for p in problems] == [
        "/associates/2/label",
        "/associates/10/label",
        "/core/family_name",
        "/core/surprise",
        "/ethnicity",
        "/message/version",
        "/retention",
    ]
    assert refused(dict(reversed(adult.items()))) == problems


def test_a_prohibited_field_is_reported_once_and_with_its_reason(adult, refused):
    adult["core"]["ethnicity"] = "x"
    (problem,) = refused(adult)
    assert problem.pointer == "/core/ethnicity"
    assert "DPA 2018" in problem.message


def test_a_report_has_an_end(adult, refused):
    adult |= {f"unknown{index}": 1 for index in range(MAX_PROBLEMS + 5)}
    problems = refused(adult)
    assert len(problems) == MAX_PROBLEMS + 1
    assert problems[-1].message == "there are more problems than are listed"
    for index in range(5):
        del adult[f"unknown{index}"]
    assert len(refused(adult)) == MAX_PROBLEMS


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("core",), [], "this must be an object"),
        (("roles",), {}, "this must be a list"),
        (("core", "family_name"), 5, "this must be a string"),
        (("message", "version"), "1", "this must be an integer"),
        (("message", "version"), True, "this must be an integer"),
        (("fictional",), 1, "this must be true or false"),
        (("fictional",), "true", "this must be true or false"),
        (("core", "date_of_birth"), 20030514, "this must be a date"),
        (("message", "issued_at"), 1795514700, "this must be a time"),
        (("message", "message_id"), 5, "this must be a UUID"),
        (("identifiers", "pnc_id"), "2099/0000001H", "the check character does not fit"),
        (("core", "family_name"), "x" * 101, "this is longer than 100 characters"),
        (("core", "known_as"), ["x"] * 21, "this list has more than 20 items"),
        (("message", "version"), 10_000, "this number is too large"),
        (("core", "age_at_issue"), -1, "this number is too small"),
        (("move", "to_area"), "Bexley", "this does not have the form asked for"),
        (("schema_version",), "2.0", "this is not one of the words allowed here"),
        (("message", "issued_at"), "2026-11-24T10:05:00", "this does not have the form asked for"),
    ],
)
def test_a_problem_says_what_is_wrong(refused, path, value, message):
    (problem,) = refused(put(DOCUMENTS["adult"], path, value))
    assert problem.pointer == pointer(path)
    assert problem.message == message
    assert problem.remedy
    assert "{" not in problem.remedy


def test_a_form_is_told_in_words(refused):
    (problem,) = refused(put(DOCUMENTS["adult"], ("move", "to_area"), "Bexley"))
    assert problem.remedy == "give an ONS GSS code: one letter and 8 digits"
    (problem,) = refused(put(DOCUMENTS["adult"], ("message", "issued_at"), "now"))
    assert problem.remedy == "give a time with an offset, 2026-11-24T10:05:00+00:00"
