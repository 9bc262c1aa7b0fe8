"""Whose turn it is to be called, who stands in, and when the next one is."""

from __future__ import annotations

from datetime import datetime

import pytest

from gateway.core.deadlines import LONDON
from gateway.core.ladder import DEFAULT, Ladders, Role

ROLES = {
    "duty": Role("duty", "bell", deputy="second", minutes=10),
    "second": Role("second", "bell", deputy="third"),
    "third": Role("third", "bell", deputy="duty", days=2),
    "alone": Role("alone", "bell", minutes=90),
}
LADDERS = Ladders(ROLES, {DEFAULT: ("alone",), "police": ("duty", "second"), "housing": ()})


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=LONDON).timestamp())


@pytest.mark.parametrize(
    ("agency", "step", "role"),
    [
        ("police", 0, "duty"),
        ("police", 1, "second"),
        ("police", 2, "second"),
        ("police", 99, "second"),
        ("dwp", 0, "alone"),
        ("housing", 3, "alone"),  # an empty ladder is none of its own
    ],
)
def test_the_rung_at_a_step(agency: str, step: int, role: str) -> None:
    assert LADDERS.rung(f"E09000012/{agency}", step) == role


def test_without_any_ladder_nobody_is_named() -> None:
    assert Ladders().rung("E09000012/police", 0) == ""


@pytest.mark.parametrize(
    ("absent", "called"),
    [
        (set(), "duty"),
        ({"second"}, "duty"),
        ({"duty"}, "second"),
        ({"duty", "second"}, "third"),
        ({"duty", "second", "third"}, "duty"),  # a ring of absences: better called in vain than not at all
    ],
)
def test_who_is_called_in_whose_place(absent: set[str], called: str) -> None:
    assert LADDERS.called("duty", absent).name == called


def test_an_absent_role_without_a_deputy_is_called_all_the_same() -> None:
    assert LADDERS.called("alone", {"alone"}).name == "alone"


def test_urgent_calls_are_half_an_hour_apart_at_most_whatever_the_hour() -> None:
    night = at("2026-12-26T03:00:00")
    assert LADDERS.next_call("duty", "URGENT", night) == night + 600
    assert LADDERS.next_call("alone", "URGENT", night) == night + 1800


def test_standard_calls_are_working_days_apart() -> None:
    late = at("2026-12-24T17:00:00")
    assert LADDERS.next_call("duty", "STANDARD", late) == at("2026-12-29T17:00:00")
    assert LADDERS.next_call("third", "PRIORITY", late) == at("2026-12-30T17:00:00")
