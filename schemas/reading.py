"""From JSON bytes to a document, or to the full list of what is wrong with them.

Duty: :func:`read`. Bytes are looked at twice: once as JSON alone, for what pydantic's parser lets pass
(repeated keys, floats, prohibited names), once against the model. It leaves out the models and all rules
about content.

Rules
-----
- All problems are reported together, by place (:mod:`schemas.flaws`).
- No value out of the document is ever in an error, in its causes, or in what either library says: they
  quote their input, so their messages are replaced and their exceptions are gone before ours is raised.
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
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from schemas.base import Section, ShapeError
from schemas.denied import Path, prohibited_name, prohibited_text
from schemas.flaws import Flaw, describe, report

M = TypeVar("M", bound=Section)

MAX_DOCUMENT = 256 * 1024
"""Bytes of one document. The largest example has 20 KiB; sealed for many audiences it must fit into 1 MiB."""
MAX_NESTING = 12
"""Lists and objects inside one another on input. The shape has 6; what is deeper is not even looked at."""
MAX_MEMBERS = 300
"""Items of one list, or fields of one object, on input. The longest list of the shape has 100. Beyond it the
document is not held against the model at all: 50,000 wrong items take pydantic seconds to describe."""
MAX_INTEGER = 2**53 - 1
"""RFC 8785: beyond it readers that use doubles disagree."""

_MAX_DIGITS = len(str(MAX_INTEGER))
_SURROGATE = re.compile("[\ud800-\udfff]")


def read(model: type[M], body: bytes, *, name: str, limit: int = MAX_DOCUMENT) -> M:
    """A document of ``model`` out of its JSON bytes (UTF-8, at most ``limit`` bytes).

    ``name`` is what ``gateway schema show`` calls the document. Raises ShapeError.
    """
    tree = _parse(body, limit)
    if isinstance(tree, Flaw):
        raise ShapeError(report([tree]))
    flaws: list[Flaw] = []
    _inspect(tree, (), flaws)
    found = [] if any(flaw.hostile for flaw in flaws) else _validate(model, body)
    if isinstance(found, list):
        flaws = _join(flaws, describe(found, name))
    elif not flaws:
        return found
    raise ShapeError(report(flaws))


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
    """The JSON tree, or a Flaw. json's own errors carry the whole text: they end here."""
    if len(body) > limit:
        return Flaw(
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
        return Flaw((), f"byte {error.start} is not UTF-8", "encode the document in UTF-8")
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        return Flaw((), f"this is not JSON: {where}", "correct the JSON there")
    except RecursionError:
        return _too_deep(())


def _too_deep(path: Path) -> Flaw:
    message = f"lists and objects are nested deeper than {MAX_NESTING}"
    return Flaw(path, message, "remove what is nested here", hostile=True)


def _inspect(tree: Any, path: Path, flaws: list[Flaw]) -> None:
    """Add to ``flaws`` what is wrong whatever the model: see the module's rules."""
    if isinstance(tree, str):
        _inspect_text(tree, path, flaws)
    elif isinstance(tree, _Unfit):
        flaws.append(Flaw(path, tree.message, tree.remedy))
    elif isinstance(tree, (_Object, list)):
        if len(path) >= MAX_NESTING:
            flaws.append(_too_deep(path))
        elif len(tree) > MAX_MEMBERS:
            message = f"this has more than {MAX_MEMBERS} members"
            flaws.append(Flaw(path, message, "leave out what is not needed", hostile=True))
        else:
            _inspect_members(tree, path, flaws)


def _inspect_members(tree: _Object | list[Any], path: Path, flaws: list[Flaw]) -> None:
    if isinstance(tree, list):
        for index, value in enumerate(tree):
            _inspect(value, (*path, index), flaws)
        return
    twice = "this field is given more than once"
    flaws += [Flaw((*path, name), twice, "give it once") for name in tree.repeated]
    for name, value in tree.items():
        if not name.isascii() and _SURROGATE.search(name):
            flaws.append(Flaw((*path, name), "half of a surrogate pair is no character", "remove this field"))
        elif found := prohibited_name(name):
            flaws.append(Flaw((*path, name), found.message, found.remedy))
        _inspect(value, (*path, name), flaws)


def _inspect_text(text: str, path: Path, flaws: list[Flaw]) -> None:
    if not text.isascii() and _SURROGATE.search(text):
        message = "half of a surrogate pair is no character"
        flaws.append(Flaw(path, message, "escape the whole character, or none of it"))
    elif found := prohibited_text(path, text):
        flaws.append(Flaw(path, found.message, found.remedy))


# --- Against the model ----------------------------------------------------------------------------------


def _validate(model: type[M], body: bytes) -> M | list[ErrorDetails]:
    """The document, or what pydantic found, without the values: its exception holds them, and ends here."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        return error.errors(include_url=False, include_input=False)


def _join(inspected: list[Flaw], modelled: list[Flaw]) -> list[Flaw]:
    """Both, but at one place what the first look found says more. pydantic, when it cannot parse at all, only
    repeats for the whole document what has been found at its place."""
    places = {flaw.path for flaw in inspected}
    if inspected:
        places.add(())
    return inspected + [flaw for flaw in modelled if flaw.path not in places]
