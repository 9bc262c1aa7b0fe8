"""From JSON bytes to a document, or to the full list of what is wrong with them.

Duty: :func:`read`. Bytes are looked at twice: once as JSON alone, for what pydantic's parser lets pass
(repeated keys, floats, prohibited names), once against the model. It leaves out the models and all rules
about content.

Rules
-----
- All problems are reported together, in document order, at most :data:`MAX_PROBLEMS`.
- No value out of the document is ever in an error, in its causes, or in what either library says: they
  quote their input, so their messages are replaced and their exceptions are gone before ours is raised.
- A field's name is part of a pointer only if it looks like a field's name; else the pointer ends above it.
- A repeated key is refused: two readers could each take another of the two (attack: one checks, one acts).

>>> from schemas.acknowledgement import parse_opening
>>> from schemas.base import ShapeError
>>> try:
...     parse_opening(b'{"justification": "CURIOSITY", "more": {}}')
... except ShapeError as error:
...     print(error)
/justification: this is not one of the words allowed here; /more: this field is not known
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from schemas.base import FORMS, Section, ShapeError, ShapeProblem
from schemas.denied import Path, prohibited_name, prohibited_text

M = TypeVar("M", bound=Section)

MAX_DOCUMENT = 256 * 1024
"""Bytes of one document. The largest example has 20 KiB; sealed for many audiences it must fit into 1 MiB."""
MAX_NESTING = 12
"""Lists and objects inside one another on input. The shape has 6; what is deeper is not even looked at."""
MAX_MEMBERS = 300
"""Items of one list, or fields of one object, on input. The longest list of the shape has 100. Beyond it the
document is not held against the model at all: 50,000 wrong items take pydantic seconds to describe."""
MAX_PROBLEMS = 50
"""More than a person corrects at a time, and a bound on what hostile input can make us write."""
MAX_INTEGER = 2**53 - 1
"""RFC 8785: beyond it readers that use doubles disagree."""

_MAX_DIGITS = len(str(MAX_INTEGER))
_SURROGATE = re.compile("[\ud800-\udfff]")
_NAME_LIKE = re.compile(r"[A-Za-z_][A-Za-z0-9_./~-]{0,63}")


@dataclass(frozen=True, slots=True)
class _Flaw:
    path: Path
    message: str
    remedy: str
    hostile: bool = False
    """Nobody writes this by mistake, and looking any further would be work for nothing."""


def read(model: type[M], body: bytes, *, name: str, limit: int = MAX_DOCUMENT) -> M:
    """A document of ``model`` out of its JSON bytes (UTF-8, at most ``limit`` bytes).

    ``name`` is what ``gateway schema show`` calls the document. Raises ShapeError.
    """
    tree = _parse(body, limit)
    if isinstance(tree, _Flaw):
        raise ShapeError([_problem(tree)])
    flaws = list(_inspect(tree))
    found = [] if any(flaw.hostile for flaw in flaws) else _validate(model, body)
    if isinstance(found, list):
        flaws = _join(flaws, [_translate(details, name) for details in _telling(found)])
    elif not flaws:
        return found
    raise ShapeError(_report(flaws))


# --- As JSON --------------------------------------------------------------------------------------------


class _Object(dict[str, Any]):
    """A JSON object that remembers which of its keys came twice."""

    repeated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Unfit:
    """Stands in the tree for a number that the wire cannot carry."""

    message: str
    remedy: str


_FLOAT = _Unfit("this number is not an integer", "give a whole number, or a string where one is asked for")
_LARGE = _Unfit("this integer is too large", "give an integer between -(2^53 - 1) and 2^53 - 1")


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    made = _Object(pairs)
    if len(made) < len(pairs):
        counted = Counter(name for name, _ in pairs)
        made.repeated = tuple(sorted(name for name, times in counted.items() if times > 1))
    return made


def _integer(digits: str) -> int | _Unfit:
    # Counted before it is converted: int() takes quadratic time and refuses 4,300 digits with another error.
    if len(digits.lstrip("-")) > _MAX_DIGITS or abs(int(digits)) > MAX_INTEGER:
        return _LARGE
    return int(digits)


def _parse(body: bytes, limit: int) -> Any:
    """The JSON tree, or a _Flaw. json's own errors carry the whole text: they end here."""
    if len(body) > limit:
        return _Flaw(
            (), f"the document is larger than {limit} bytes", "send references in place of case files"
        )
    try:
        return json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_float=lambda _: _FLOAT,
            parse_constant=lambda _: _FLOAT,
            parse_int=_integer,
        )
    except UnicodeDecodeError as error:
        return _Flaw((), f"byte {error.start} is not UTF-8", "encode the document in UTF-8")
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        return _Flaw((), f"this is not JSON: {where}", "correct the JSON there")
    except RecursionError:
        return _too_deep(())


def _too_deep(path: Path) -> _Flaw:
    message = f"lists and objects are nested deeper than {MAX_NESTING}"
    return _Flaw(path, message, "remove what is nested here", hostile=True)


def _inspect(tree: Any, path: Path = ()) -> Iterator[_Flaw]:
    """What is wrong whatever the model: see the module's rules."""
    if isinstance(tree, _Unfit):
        yield _Flaw(path, tree.message, tree.remedy)
    elif isinstance(tree, str):
        yield from _inspect_text(tree, path)
    elif isinstance(tree, (dict, list)) and len(path) >= MAX_NESTING:
        yield _too_deep(path)
    elif isinstance(tree, (dict, list)) and len(tree) > MAX_MEMBERS:
        message = f"this has more than {MAX_MEMBERS} members"
        yield _Flaw(path, message, "leave out what is not needed", hostile=True)
    elif isinstance(tree, _Object):
        yield from _inspect_names(tree, path)
        for name, value in tree.items():
            yield from _inspect(value, (*path, name))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from _inspect(value, (*path, index))


def _inspect_text(text: str, path: Path) -> Iterator[_Flaw]:
    if _SURROGATE.search(text):
        yield _Flaw(
            path, "half of a surrogate pair is no character", "escape the whole character, or none of it"
        )
    elif found := prohibited_text(path, text):
        yield _Flaw(path, found.message, found.remedy)


def _inspect_names(tree: _Object, path: Path) -> Iterator[_Flaw]:
    for name in tree.repeated:
        yield _Flaw((*path, name), "this field is given more than once", "give it once")
    for name in tree:
        if _SURROGATE.search(name):
            yield _Flaw((*path, name), "half of a surrogate pair is no character", "remove this field")
        elif found := prohibited_name(name):
            yield _Flaw((*path, name), found.message, found.remedy)


# --- Against the model ----------------------------------------------------------------------------------


def _validate(model: type[M], body: bytes) -> M | list[ErrorDetails]:
    """The document, or what pydantic found, without the values: its exception holds them, and ends here."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        return error.errors(include_url=False, include_input=False)


def _telling(found: list[ErrorDetails]) -> list[ErrorDetails]:
    """pydantic counts only the items that are right: one wrong item in a list of one is also "too short"."""
    above = {details["loc"][:length] for details in found for length in range(len(details["loc"]))}
    return [details for details in found if details["type"] != "too_short" or details["loc"] not in above]


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


def _translate(details: ErrorDetails, name: str) -> _Flaw:
    kind, told = details["type"], details.get("ctx", {})
    message, remedy = _TOLD[kind](told) if kind in _TOLD else _PLAIN.get(kind, _OTHERWISE)
    place = (*details["loc"], *told.get("at", ()))
    path = tuple(step for step in place if not (isinstance(step, str) and step.startswith("=")))
    return _Flaw(path, message, remedy.replace("{name}", name))


# --- Reporting ------------------------------------------------------------------------------------------


def _join(inspected: list[_Flaw], modelled: list[_Flaw]) -> list[_Flaw]:
    """Both, but at one place what the first look found says more. pydantic, when it cannot parse at all, only
    repeats for the whole document what has been found at its place."""
    places = {flaw.path for flaw in inspected}
    if inspected:
        places.add(())
    return inspected + [flaw for flaw in modelled if flaw.path not in places]


def _report(flaws: list[_Flaw]) -> list[ShapeProblem]:
    ordered = sorted({_problem(flaw): None for flaw in flaws}, key=_order)
    if len(ordered) > MAX_PROBLEMS:
        more = ShapeProblem("", "there are more problems than are listed", "correct these and try again")
        return [*ordered[:MAX_PROBLEMS], more]
    return ordered


def _order(problem: ShapeProblem) -> tuple[list[tuple[bool, int, str]], str]:
    """By place, /x/2 before /x/10; independent of how libraries order what they find."""
    steps = problem.pointer.split("/")
    return [(not s.isdigit(), int(s) if s.isdigit() else 0, s) for s in steps], problem.message


def _problem(flaw: _Flaw) -> ShapeProblem:
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
