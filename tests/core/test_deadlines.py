"""Working days in London, bank holidays, and the two clocks of a leg."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.core.deadlines import (
    LONDON,
    Deadlines,
    add_working_days,
    deadlines,
    is_working_day,
    london_day,
    part_of_way,
)
from gateway.core.holidays import BANK_HOLIDAYS, holidays_end_soon, holidays_known_until
from gateway.errors import Malformed


def at(text: str) -> int:
    """Local time in London -> unix seconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=LONDON).timestamp())


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        ("2026-11-24", 10, "2026-12-08"),
        ("2026-11-24", 20, "2026-12-22"),
        ("2026-12-14", 10, "2026-12-30"),
        ("2026-12-14", 20, "2027-01-14"),
        ("2026-12-24", 1, "2026-12-29"),
        ("2026-12-31", 1, "2027-01-04"),
        ("2026-11-28", 1, "2026-11-30"),
        ("2026-11-29", 1, "2026-11-30"),
        ("2026-11-27", 1, "2026-11-30"),
        ("2026-12-14", 15, "2027-01-07"),
    ],
)
@pytest.mark.parametrize("hour", ["00:00:00", "10:05:00", "16:59:59", "17:00:01", "23:59:59"])
def test_working_days(start: str, days: int, end: str, hour: str) -> None:
    assert add_working_days(at(f"{start}T{hour}"), days) == at(f"{end}T17:00:00")


def test_the_day_is_that_of_london() -> None:
    """23:30 UTC in July is half past midnight in London: the next day, which is not counted."""
    assert london_day(utc("2026-07-06T23:30:00")) == date(2026, 7, 7)
    assert add_working_days(utc("2026-07-06T23:30:00"), 1) == at("2026-07-08T17:00:00")
    assert add_working_days(utc("2026-07-06T22:30:00"), 1) == at("2026-07-07T17:00:00")


@pytest.mark.parametrize(
    ("start", "end"),
    [("2026-03-27T12:00:00", "2026-03-30T16:00:00"), ("2026-10-23T12:00:00", "2026-10-26T17:00:00")],
)
def test_five_o_clock_stays_five_o_clock_when_the_clocks_change(start: str, end: str) -> None:
    assert add_working_days(utc(start), 1) == utc(end)


@pytest.mark.parametrize("days", [0, -1])
def test_no_days_are_no_deadline(days: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        add_working_days(at("2026-11-24T10:00:00"), days)


@pytest.mark.parametrize(
    ("start", "acknowledge", "decide"),
    [
        ("2026-12-05T22:40:00", "2026-12-06T00:40:00", "2026-12-06T02:40:00"),
        ("2026-12-25T23:00:00", "2026-12-26T01:00:00", "2026-12-26T03:00:00"),
    ],
)
def test_urgent_runs_in_hours_through_the_night(start: str, acknowledge: str, decide: str) -> None:
    assert deadlines("URGENT", at(start)) == Deadlines(at(acknowledge), at(decide))


@pytest.mark.parametrize("start", ["2026-03-29T00:30:00", "2026-10-25T00:30:00"])
def test_urgent_hours_are_elapsed_hours_when_the_clocks_change(start: str) -> None:
    assert deadlines("URGENT", utc(start)) == Deadlines(utc(start) + 7200, utc(start) + 14400)


@pytest.mark.parametrize("urgency", ["STANDARD", "PRIORITY"])
def test_standard_and_priority_run_in_working_days(urgency: str) -> None:
    expected = Deadlines(at("2026-11-25T17:00:00"), at("2026-12-01T17:00:00"))
    assert deadlines(urgency, at("2026-11-24T10:05:00")) == expected


def test_an_unknown_urgency_has_no_clock() -> None:
    with pytest.raises(Malformed) as caught:
        deadlines("urgent", 0)
    assert caught.value.code == "urgency"


# --- Holidays ---------------------------------------------------------------------------------------


def easter(year: int) -> date:
    """Sunday, by the anonymous Gregorian computus."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    h = (19 * a + b - d - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = h + m - 7 * ((a + 11 * h + 22 * m) // 451) + 114
    return date(year, n // 31, n % 31 + 1)


def monday(day: date, step: int) -> date:
    while day.weekday() != 0:
        day += timedelta(days=step)
    return day


def by_rule(year: int) -> set[date]:
    """Banking and Financial Dealings Act 1971, Sch 1, with substitute days."""
    days = {easter(year) - timedelta(days=2), easter(year) + timedelta(days=1)}
    days |= {monday(date(year, 5, 1), 1), monday(date(year, 5, 31), -1), monday(date(year, 8, 31), -1)}
    for fixed in (date(year, 1, 1), date(year, 12, 25), date(year, 12, 26)):
        day = fixed
        while day.weekday() > 4 or day in days:
            day += timedelta(days=1)
        days.add(day)
    return days


@pytest.mark.parametrize("year", [2026, 2027, 2028])
def test_the_list_is_what_the_rules_give(year: int) -> None:
    listed = {day for day in BANK_HOLIDAYS if day.year == year}
    assert listed == by_rule(year)
    assert len(listed) == 8


def test_how_far_the_list_reaches() -> None:
    assert holidays_known_until() == date(2028, 12, 31)


def test_beyond_the_list_only_weekends_are_left_out() -> None:
    assert is_working_day(date(2029, 12, 25))
    assert not is_working_day(date(2029, 12, 29))
    assert add_working_days(at("2029-12-24T10:00:00"), 1) == at("2029-12-25T17:00:00")


@pytest.mark.parametrize(
    ("day", "soon"),
    [("2026-11-24", False), ("2028-07-01", False), ("2028-07-02", True), ("2029-03-01", True)],
)
def test_a_warning_comes_half_a_year_before_the_list_ends(day: str, soon: bool) -> None:
    assert holidays_end_soon(date.fromisoformat(day)) is soon


@pytest.mark.parametrize(
    ("started", "due", "percent", "moment"),
    [
        (1000, 2000, 50, 1500),
        (1000, 2000, 80, 1800),
        (1000, 2000, 100, 2000),
        (1000, 1001, 50, 1000),
        (1000, 900, 50, 900),  # moved to before its clock: at once
        (1000, 900, 100, 900),
    ],
)
def test_a_part_of_the_way(started: int, due: int, percent: int, moment: int) -> None:
    assert part_of_way(started, due, percent) == moment


def test_a_warning_of_working_days_counts_nights_and_days_off() -> None:
    """From Friday 10:00 to Monday 17:00 are 79 hours: half of them end on Sunday at 01:30."""
    due = deadlines("STANDARD", at("2026-11-27T10:00:00")).acknowledge_by
    assert part_of_way(at("2026-11-27T10:00:00"), due, 50) == at("2026-11-29T01:30:00")
