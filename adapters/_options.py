"""Options of an adapter: a closed, frozen model, and an error that names the option.

Leaves out what the options mean. Rule: no error holds the value of an option, which may be a secret pasted
into the wrong line.

Example::

    class Options(AdapterOptions):
        folder: Path

    options = parse_options(Options, "file_drop", {"folder": "/srv/police"})
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from gateway.errors import Misconfigured, Problem


class AdapterOptions(BaseModel):
    """Base of every options model. Lax about types: options also come from the environment, as text."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


M = TypeVar("M", bound=AdapterOptions)

_TROUBLE = {"missing": "is missing", "extra_forbidden": "is not an option of this adapter"}


def parse_options(model: type[M], adapter: str, options: Mapping[str, object]) -> M:
    """The options as ``model``. Raises Misconfigured with one problem for each option that is missing, wrong
    or unknown; ``field`` is the JSON Pointer of the first."""
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
    known = ", ".join(model.model_fields) or "none"
    problems = tuple(_problem(detail, known) for detail in details)
    # raised outside the handler: the library's own error keeps the refused values within reach
    raise Misconfigured(
        f"adapter {adapter}: option {problems[0].field} {problems[0].message}",
        field=problems[0].field,
        remedy=problems[0].remedy,
        problems=problems,
    )


def option_error(adapter: str, option: str, message: str, remedy: str) -> Misconfigured:
    """A Misconfigured for an option that has the right shape and cannot work, such as an unreadable file."""
    return Misconfigured(f"adapter {adapter}: option /{option} {message}", field=f"/{option}", remedy=remedy)


def _problem(detail: ErrorDetails, known: str) -> Problem:
    pointer = "/" + "/".join(str(step) for step in detail["loc"])
    trouble = _TROUBLE.get(detail["type"], "is wrong: " + detail["msg"].removeprefix("Value error, "))
    return Problem(pointer, trouble, f"Set {pointer[1:]} in the adapter's options. Options: {known}.")
