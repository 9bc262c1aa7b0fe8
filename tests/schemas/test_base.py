from __future__ import annotations

import json
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas import base


def accepts(kind, value):
    try:
        TypeAdapter(kind).validate_json(json.dumps(value), strict=True)
    except ValidationError:
        return False
    return True


GOOD = {
    "AreaCode": ["E09000012", "E10000016", "W06000015", "S12000033", "N09000003"],
    "HandoverRef": ["HO-E09000012-2026-000417"],
    "Uprn": ["1", "999999000001"],
    "Postcode": ["ZZ99 3CZ", "E8 1EA", "SW1A 2AA", "M1 1AE"],
    "PncId": ["2099/0000001G", "2099/0000002H", "2099/0000003J"],
    "CroNumber": ["1/26A", "123456/99Z"],
    "Crn": ["X000001"],
    "NomisNumber": ["A0001AA"],
    "NhsNumber": ["9990000018", "9990000026", "9990000034"],
    "Nino": ["AB123456C"],
    "ItemId": ["AS1", "A", "LB-1_x"],
    "Code": ["CDA1998_S115", "A"],
    "Mailbox": ["igu@hackney.example"],
    "Phone": ["020 7946 0123", "07700 900123", "+44 20 7946 0123", "(020) 7946-0123 ext 12"],
    "Line": ["a", "Gangs sergeant, Central East BCU", "Renée O’Neill", "\u4e2d"],
    "Text": ["a", "two\nlines\tand a tab"],
    "UtcTime": ["2026-11-24T10:05:00Z", "2026-11-24T10:05:00.123456+05:30", "1900-01-01T00:00:00+23:59"],
    "Day": ["2026-11-24", "2028-02-29"],
    "MessageId": ["f96dfd0d-80a7-5d63-a0c1-aaf074b86cc2"],
}
BAD = {
    "AreaCode": ["E0900001", "E090000122", "e09000012", "X09000012", "E0900001\u0662", "Hackney", ""],
    "HandoverRef": ["HO-E09000012-2026-00041", "HO-E09000012-26-000417", "ho-E09000012-2026-000417"],
    "Uprn": ["", "1234567890123", "12a", "\u0661"],
    "Postcode": ["ZZ993CZ", "zz99 3cz", "Z 3CZ"],
    "PncId": ["2099/0000001H", "2099/1G", "2099/0000001I", "2098/0000001G", "2099/0000004G"],
    "CroNumber": ["1234567/26A", "1/2026A", "1/26"],
    "Crn": ["X00001", "x000001", "XX00001"],
    "NomisNumber": ["A001AA", "A0001A"],
    "NhsNumber": ["9990000017", "999000001", "999 000 0018", "99900000180", "9990000000"],
    "Nino": ["DA123456C", "AO123456C", "AB123456E", "AB12345C", "AB 12 34 56 C"],
    "ItemId": ["1A", "", "A" * 33, "A B", "Ä"],
    "Code": ["a", "1A", "A" * 65, "A-B", ""],
    "Mailbox": ["igu", "@x", "a@", "a b@c", "a@b@c", "a@" + "b" * 253],
    "Phone": ["", "ring the bell", "12", "020 7946 0123 x", "0" * 50],
    "Line": ["", " ", "\u00a0", "a\nb", "a\tb", "a\x00", "a\x7f", "a\x85", "a\u2028b", "\u2029a", "x" * 201],
    "Text": ["", "\n \t", "a\rb", "a\x00", "a\x1b[31m", "a\x9b", "x" * 2001],
    "UtcTime": [
        "2026-11-24T10:05:00",
        "2026-11-24 10:05:00Z",
        "2026-11-24T10:05Z",
        "2026-11-24t10:05:00z",
        "2026-11-24T10:05:60Z",
        "2026-02-30T10:05:00Z",
        "2026-11-24T24:01:00Z",
        "2026-11-24T10:05:00+24:00",
        "2026-11-24T10:05:00.1234567Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "1795514700",
        "2026-W48-2T10:05:00Z",
        1795514700,
    ],
    "Day": [
        "2026-02-29",
        "2026-1-2",
        "20261124",
        "2026-11-24T00:00:00Z",
        "86400",
        "1899-12-31",
        "2200-01-01",
        0,
    ],
    "MessageId": [
        "{f96dfd0d-80a7-5d63-a0c1-aaf074b86cc2}",
        "f96dfd0d80a75d63a0c1aaf074b86cc2",
        "urn:uuid:f96dfd0d-80a7-5d63-a0c1-aaf074b86cc2",
        "g96dfd0d-80a7-5d63-a0c1-aaf074b86cc2",
    ],
}


@pytest.mark.parametrize(("kind", "value"), [(k, v) for k, values in GOOD.items() for v in values])
def test_a_well_formed_value_is_taken(kind, value):
    assert accepts(getattr(base, kind), value)


@pytest.mark.parametrize(("kind", "value"), [(k, v) for k, values in BAD.items() for v in values])
def test_any_other_form_is_refused(kind, value):
    assert not accepts(getattr(base, kind), value)


@pytest.mark.parametrize(("kind", "value"), [(k, v) for k, values in GOOD.items() for v in values])
def test_a_pattern_matches_the_whole_string(kind, value):
    if kind != "Text":
        assert not accepts(getattr(base, kind), value + "\n")
    assert not accepts(getattr(base, kind), "\x00" + value)


@given(st.text(max_size=40))
def test_lines_hold_exactly_what_is_printable_and_not_blank(text):
    control = any(ord(c) < 0x20 or 0x7F <= ord(c) <= 0x9F or c in "\u2028\u2029" for c in text)
    blank = not text.strip(" \u00a0")
    assert accepts(base.Line, text) is not (control or blank)


@given(st.text(max_size=40))
def test_text_may_have_tabs_and_newlines(text):
    control = any((ord(c) < 0x20 and c not in "\t\n") or 0x7F <= ord(c) <= 0x9F for c in text)
    blank = not text.strip(" \u00a0\t\n")
    assert accepts(base.Text, text) is not (control or blank)


@pytest.mark.parametrize(
    ("kind", "limit"), [("Name", 100), ("Line", 200), ("Reference", 100), ("Text", 2000)]
)
def test_text_has_a_limit(kind, limit):
    assert accepts(getattr(base, kind), "x" * limit)
    assert not accepts(getattr(base, kind), "x" * (limit + 1))


def test_a_version_is_a_small_counter():
    assert all(accepts(base.Version, value) for value in (1, 9_999))
    assert not any(accepts(base.Version, value) for value in (0, 10_000, True, "1", None))


def test_a_time_has_an_offset_however_it_came_about():
    with pytest.raises(ValidationError):
        TypeAdapter(base.UtcTime).validate_python(datetime(2026, 11, 24, 10, 5))  # noqa: DTZ001 - what is refused


def test_every_pattern_has_words_for_it():
    patterns = {
        value
        for name, value in vars(base).items()
        if name.isupper() and isinstance(value, str) and value.startswith("^")
    }
    assert patterns == set(base.FORMS)


def test_an_error_tells_where_and_what():
    error = base.ShapeError([base.ShapeProblem("/a", "wrong", "mend it"), base.ShapeProblem("", "bad", "x")])
    assert str(error) == "/a: wrong; the document: bad"
    assert error.problems[0].remedy == "mend it"
