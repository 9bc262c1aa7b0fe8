"""The fictional examples that ship with the product, and moving one of them to another time.

Leaves out the demonstration itself. Rules: examples carry fixed dates, so every reading of one takes the
moment it is judged at; :func:`restamp` gives a copy that is valid at a moment of one's own. All names,
numbers and addresses are fictional (domain 4.2).

>>> restamp({"message": {"issued_at": "2026-11-24T10:05:00+00:00"}, "due": "2026-12-01"}, 1800000000)
{'message': {'issued_at': '2027-01-15T08:00:00+00:00'}, 'due': '2027-01-22'}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from types import MappingProxyType
from zoneinfo import ZoneInfo

from schemas.base import DATE, TIME, Json, JsonObject

LONDON = ZoneInfo("Europe/London")
"""A date is a day here: at half past eleven in the evening of a summer's day by UTC it is tomorrow."""

EXAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "adult": "1_case_study_J_adult_23.json",
        "urgent": "2_urgent_16_victim_after_shooting.json",
        "returned": "5_returned_misdirected.json",
    }
)
"""Name -> file. The first two are handover notifications; the third is a story told in messages."""


def example_text(name: str) -> str:
    """The text of an example. Raises KeyError for a name that is not in :data:`EXAMPLES`."""
    return files("schemas").joinpath("examples", EXAMPLES[name]).read_text(encoding="utf-8")


def minimal_example() -> str:
    """The example to start from: one adult, Hackney to Bexley, seven agencies."""
    return example_text("adult")


def restamp(document: JsonObject, issued_at: int) -> JsonObject:
    """A copy of a handover (JSON) as if it had been issued at ``issued_at`` (unix seconds).

    Every time moves by one number of seconds and every date by one number of days, those between the two days
    of issue, so that what was on the day of issue stays on it. The date of birth does not move;
    ``core.age_at_issue`` is reckoned again. Text is left alone, dates in prose too.
    Raises KeyError when the document has no ``message.issued_at``.
    """
    before, after = _issued(document), datetime.fromtimestamp(issued_at, UTC)
    today = after.astimezone(LONDON).date()
    shift = _shift(after - before, today - before.astimezone(LONDON).date())
    moved = {name: _map(value, shift, name) for name, value in document.items()}
    _set_age(moved, today)
    return moved


def _issued(document: JsonObject) -> datetime:
    message = document.get("message")
    issued = message.get("issued_at") if isinstance(message, dict) else None
    if not isinstance(issued, str):
        raise KeyError("message.issued_at")
    return datetime.fromisoformat(issued)


def _shift(time: timedelta, days: timedelta) -> Callable[[str, str], str]:
    def shift(name: str, text: str) -> str:
        if TIME.fullmatch(text):
            return (datetime.fromisoformat(text).astimezone(UTC) + time).isoformat()
        if DATE.fullmatch(text) and name != "date_of_birth":
            return (date.fromisoformat(text) + days).isoformat()
        return text

    return shift


def _map(value: Json, change: Callable[[str, str], str], name: str = "") -> Json:
    """A copy with every string changed; ``change`` gets the name of the field that it stands in."""
    if isinstance(value, dict):
        return {key: _map(inner, change, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_map(inner, change, name) for inner in value]
    return change(name, value) if isinstance(value, str) else value


def _set_age(document: JsonObject, day: date) -> None:
    core = document.get("core")
    if isinstance(core, dict) and "age_at_issue" in core and isinstance(core.get("date_of_birth"), str):
        born = date.fromisoformat(str(core["date_of_birth"]))
        core["age_at_issue"] = day.year - born.year - ((day.month, day.day) < (born.month, born.day))
