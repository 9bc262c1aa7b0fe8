from __future__ import annotations

import copy
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.handover import parse_notification
from schemas.samples import EXAMPLES, example_text, minimal_example, restamp

ORIGINALS = Path(__file__).parents[3] / "shared" / "examples"
DOCUMENTS = {name: json.loads(example_text(name)) for name in ("adult", "urgent")}
MOMENTS = st.integers(
    min_value=int(datetime(2020, 1, 1, tzinfo=UTC).timestamp()),
    max_value=int(datetime(2090, 1, 1, tzinfo=UTC).timestamp()),
)
LONDON = ZoneInfo("Europe/London")


def leaves(value, path=()):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    else:
        yield path, value


def day_of(document):
    return datetime.fromisoformat(document["message"]["issued_at"]).astimezone(LONDON).date()


@pytest.mark.parametrize("name", DOCUMENTS)
@given(moment=MOMENTS)
def test_every_date_moves_by_one_distance(name, moment):
    document = DOCUMENTS[name]
    untouched = copy.deepcopy(document)
    moved = restamp(document, moment)
    assert document == untouched
    assert datetime.fromisoformat(moved["message"]["issued_at"]).timestamp() == moment
    distance = datetime.fromisoformat(moved["message"]["issued_at"]) - datetime.fromisoformat(
        document["message"]["issued_at"]
    )
    days = day_of(moved) - day_of(document)
    before, after = dict(leaves(document)), dict(leaves(moved))
    assert before.keys() == after.keys()
    for path, value in before.items():
        assert after[path] == expected(path, value, distance, days, moved), path


def expected(path, value, distance: timedelta, days: timedelta, moved):
    if path == ("core", "age_at_issue"):
        born, today = date.fromisoformat(moved["core"]["date_of_birth"]), day_of(moved)
        birthdays = [
            y for y in range(born.year + 1, today.year + 1) if date(y, born.month, born.day) <= today
        ]
        return len(birthdays) if today > born else today.year - born.year - 1
    if path[-1] == "date_of_birth" or not isinstance(value, str):
        return value
    if len(value) == 25 and value[10] == "T":
        return (datetime.fromisoformat(value) + distance).isoformat()
    if len(value) == 10 and value[4] == value[7] == "-":
        return (date.fromisoformat(value) + days).isoformat()
    return value


@pytest.mark.parametrize("name", DOCUMENTS)
@given(moment=MOMENTS.filter(lambda moment: moment > 1_600_000_000))
def test_a_moved_example_is_still_a_handover(name, moment):
    notification = parse_notification(json.dumps(restamp(DOCUMENTS[name], moment)).encode())
    assert int(notification.message.issued_at.timestamp()) == moment


@pytest.mark.parametrize("name", DOCUMENTS)
def test_moving_to_its_own_moment_changes_nothing(name):
    issued = datetime.fromisoformat(DOCUMENTS[name]["message"]["issued_at"])
    assert restamp(DOCUMENTS[name], int(issued.timestamp())) == DOCUMENTS[name]


def test_the_day_is_the_day_in_london():
    moment = int(datetime(2027, 5, 13, 23, 30, tzinfo=UTC).timestamp())
    moved = restamp(DOCUMENTS["adult"], moment)
    assert moved["core"]["age_at_issue"] == 24
    assert moved["move"]["moved_on"] == "2027-05-20"


@pytest.mark.parametrize("document", [{}, {"message": 5}, {"message": {}}, {"message": {"issued_at": 5}}])
def test_a_document_without_a_time_of_issue_cannot_be_moved(document):
    with pytest.raises(KeyError):
        restamp(document, 1_800_000_000)


def test_the_example_to_start_from_is_a_handover():
    assert parse_notification(minimal_example().encode()).routing.destination.area_code == "E09000004"


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_shipped_examples_are_the_agreed_ones(name):
    shipped = example_text(name)
    assert json.loads(shipped)["fictional"] is True
    original = ORIGINALS / EXAMPLES[name]
    if original.exists():
        assert shipped == original.read_text(encoding="utf-8")


def test_there_is_no_example_of_another_name():
    with pytest.raises(KeyError):
        example_text("../base")
