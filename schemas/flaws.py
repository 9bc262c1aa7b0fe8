"""What is wrong with a document, in our own words.

Duty: :class:`Flaw`, :func:`describe` (what pydantic found), :func:`report` (the list a sender gets). It
leaves out the finding (:mod:`schemas.reading`). Rules: a library's own sentence may quote its input and is
never passed on; a field's name is part of a pointer only if it looks like one.

>>> report([Flaw(("core", "x/y"), "this field is not known", "remove it")])
[ShapeProblem(pointer='/core/x~1y', message='this field is not known', remedy='remove it')]
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic_core import ErrorDetails

from schemas.base import FORMS, ShapeProblem
from schemas.denied import Path

MAX_PROBLEMS = 50
"""More than a person corrects at a time, and a bound on what hostile input can make us write."""

_NAME_LIKE = re.compile(r"[A-Za-z_][A-Za-z0-9_./~-]{0,63}")


@dataclass(frozen=True, slots=True)
class Flaw:
    """One finding. ``path`` may hold names that the sender chose; :func:`report` lets none of those out."""

    path: Path
    message: str
    remedy: str
    hostile: bool = False
    """Nobody writes this by mistake, and looking any further would be work for nothing."""


# --- pydantic's findings --------------------------------------------------------------------------------

Words = tuple[str, str]
_SHOW = "remove it; `gateway schema show {name}` prints the shape"
_ADD = "add it; `gateway schema show {name}` prints the shape"

_PLAIN: Mapping[str, Words] = MappingProxyType(
    {
        "missing": ("this field is missing", _ADD),
        "extra_forbidden": ("this field is not known", _SHOW),
        "model_type": (
            "this must be an object",
            "give an object; `gateway schema show {name}` prints the shape",
        ),
        "tuple_type": ("this must be a list", "put it into [ ]"),
        "string_type": ("this must be a string", "put it into quotation marks, or leave out null"),
        "int_type": ("this must be an integer", "give a whole number without quotation marks"),
        "bool_type": ("this must be true or false", "give true or false without quotation marks"),
        "date_type": ("this must be a date", "give YYYY-MM-DD"),
        "datetime_type": ("this must be a time", "give a time with an offset, 2026-11-24T10:05:00+00:00"),
        "uuid_type": ("this must be a UUID", "give a UUID as a string"),
        "check_character": ("the check character does not fit", "compare the number with its source"),
        "repeated": (
            "this is the same as in an earlier item",
            "give each item an id of its own, or remove one",
        ),
    }
)
"""pydantic's name of an error -> what to tell, and what to do. Its own sentences may quote the input."""

_TOLD: Mapping[str, Callable[[Mapping[str, Any]], Words]] = MappingProxyType(
    {
        "enum": lambda told: ("this is not one of the words allowed here", f"use {told['expected']}"),
        "literal_error": lambda told: (
            "this is not one of the words allowed here",
            f"use {told['expected']}",
        ),
        "form": lambda told: ("this does not have the form asked for", f"give {told['form']}"),
        "string_pattern_mismatch": lambda told: (
            "this does not have the form asked for",
            f"give {FORMS.get(told['pattern'], 'the form that the schema shows')}",
        ),
        "string_too_long": lambda told: (
            f"this is longer than {told['max_length']} characters",
            "shorten it",
        ),
        "too_long": lambda told: (f"this list has more than {told['max_length']} items", "shorten it"),
        "too_short": lambda told: (
            f"this list has fewer than {told['min_length']} items",
            "add what is missing",
        ),
        "greater_than_equal": lambda told: ("this number is too small", f"give {told['ge']} or more"),
        "less_than_equal": lambda told: ("this number is too large", f"give {told['le']} or less"),
        "answer": lambda told: (str(told["message"]), str(told["remedy"])),
    }
)
"""The same for errors that say what is allowed. Everything in ``told`` comes out of our models."""

_OTHERWISE: Words = ("this is not acceptable here", "`gateway schema show {name}` prints the shape")


def describe(found: list[ErrorDetails], name: str) -> list[Flaw]:
    """pydantic's findings in our words. ``name`` is what ``gateway schema show`` calls the document."""
    return [_translate(details, name) for details in _telling(found)]


def _translate(details: ErrorDetails, name: str) -> Flaw:
    kind, told = details["type"], details.get("ctx", {})
    message, remedy = _TOLD[kind](told) if kind in _TOLD else _PLAIN.get(kind, _OTHERWISE)
    place = (*details["loc"], *told.get("at", ()))
    path = tuple(step for step in place if not (isinstance(step, str) and step.startswith("=")))
    return Flaw(path, message, remedy.replace("{name}", name))


def _telling(found: list[ErrorDetails]) -> list[ErrorDetails]:
    """pydantic counts only the items that are right: one wrong item in a list of one is also "too short"."""
    above = {details["loc"][:length] for details in found for length in range(len(details["loc"]))}
    return [details for details in found if details["type"] != "too_short" or details["loc"] not in above]


# --- The report -----------------------------------------------------------------------------------------


def report(flaws: Iterable[Flaw]) -> list[ShapeProblem]:
    """Each problem once, by place, at most :data:`MAX_PROBLEMS`; names that are no field names left out."""
    ordered = sorted({_problem(flaw): None for flaw in flaws}, key=_order)
    if len(ordered) > MAX_PROBLEMS:
        more = ShapeProblem("", "there are more problems than are listed", "correct these and try again")
        return [*ordered[:MAX_PROBLEMS], more]
    return ordered


def _order(problem: ShapeProblem) -> tuple[list[tuple[bool, int, str]], str]:
    """By place, /x/2 before /x/10; independent of how libraries order what they find."""
    steps = problem.pointer.split("/")
    return [(not s.isdigit(), int(s) if s.isdigit() else 0, s) for s in steps], problem.message


def _problem(flaw: Flaw) -> ShapeProblem:
    """``message`` and ``remedy`` are ours; so is the pointer, but for names that the sender chose."""
    steps: list[str] = []
    for step in flaw.path:
        if isinstance(step, str) and not _NAME_LIKE.fullmatch(step):
            message = "a field inside this has a name that no field has"
            return ShapeProblem(_pointer(steps), message, "remove it, or correct its name")
        steps.append(str(step))
    return ShapeProblem(_pointer(steps), flaw.message, flaw.remedy)


def _pointer(steps: list[str]) -> str:
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
