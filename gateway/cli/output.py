"""What every command shares: data on stdout, talk on stderr, ``--json``, and one table of exit codes.

A problem names the place and the remedy; with ``--json`` it is one object on stdout, so that a script reads
outcome and error alike.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.core.rulebook import source_of
from gateway.errors import (
    Conflict,
    GatewayError,
    Misconfigured,
    NotFound,
    Refused,
    Rejected,
    Unavailable,
)


class Exit(IntEnum):
    """Stable and documented in docs/cli.md."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    VERIFICATION_FAILED = 4
    UNREACHABLE = 5
    CONFLICT = 6
    REFUSED = 7
    NOT_READY = 8
    CANNOT_TELL = 9
    INTERRUPTED = 130


class Usage(GatewayError):
    """The command line itself is not complete; said like every other error, and so with ``--json`` too."""

    code = "usage"


_BY_FAULT: tuple[tuple[type[GatewayError], Exit], ...] = (
    (Usage, Exit.USAGE),
    (NotFound, Exit.NOT_FOUND),
    (Conflict, Exit.CONFLICT),
    (Rejected, Exit.REFUSED),
    (Refused, Exit.VERIFICATION_FAILED),
    (Unavailable, Exit.UNREACHABLE),
    (Misconfigured, Exit.NOT_READY),
)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="The node's gateway.toml.", show_default=False)
]


def exit_code(error: GatewayError) -> Exit:
    return next((code for kind, code in _BY_FAULT if isinstance(error, kind)), Exit.FAILED)


def emit(value: Mapping[str, Any], *, as_json: bool, text: str = "") -> None:
    """The command's data. ``text`` is what a person reads; without it the JSON is indented."""
    if as_json:
        told = json.dumps(value, ensure_ascii=False)
    else:
        told = text or json.dumps(value, indent=2, ensure_ascii=False)
    sys.stdout.write(visible(told) + "\n")
    sys.stdout.flush()


def visible(text: str) -> str:
    """``text`` with every character that a terminal obeys or hides written as JSON's own escape.

    Others wrote what is shown here. A control sequence can repaint the screen, a bidirectional override can
    turn a name or a number round, and a zero-width character makes two references look like one. What is JSON
    means the same with the escape in it.
    """
    return "".join(char if _harmless(char) else json.dumps(char)[1:-1] for char in text)


def _harmless(char: str) -> bool:
    return char == "\n" or char.isprintable()


def next_step(command: str) -> None:
    """Name the next useful command."""
    say(f"next: {command}")


def say(text: str) -> None:
    """Talk: to stderr, never mixed with data."""
    sys.stderr.write(visible(text) + "\n")
    sys.stderr.flush()


def colours() -> bool:
    return sys.stderr.isatty() and "NO_COLOR" not in os.environ


@contextmanager
def errors(*, as_json: bool) -> Iterator[None]:
    """Turn an error of ours into words and an exit code; anything else is a bug and shows as one."""
    try:
        yield
    except GatewayError as error:
        if as_json:
            emit({"error": problem(error)}, as_json=True)
        else:
            say(words(error))
        raise typer.Exit(exit_code(error)) from None
    except (KeyboardInterrupt, EOFError):  # the second: Ctrl-D at a question
        raise typer.Exit(Exit.INTERRUPTED) from None


def problem(error: GatewayError) -> dict[str, Any]:
    return {
        "code": error.code,
        "message": error.message,
        "field": error.field,
        "rule": error.rule,
        "remedy": error.remedy,
        "problems": [
            {
                "field": p.field,
                "rule": p.rule,
                "source": source_of(p.rule),
                "message": p.message,
                "remedy": p.remedy,
            }
            for p in error.problems
        ],
    }


def _ground(rule: str) -> str:
    source = source_of(rule)
    return f" ({rule}: {source})" if source else ""


def words(error: GatewayError) -> str:
    single = "" if error.problems else f"{f' [{error.rule}]' if error.rule else ''}{_ground(error.rule)}"
    lines = [f"{error.code}: {error.message}" + (f" ({error.field})" if error.field else "") + single]
    lines += [
        f"  {p.field or '/'}{f' [{p.rule}]' if p.rule else ''}: {p.message} - {p.remedy}{_ground(p.rule)}"
        for p in error.problems
    ]
    if error.remedy:
        lines.append(f"  what to do: {error.remedy}")
    return "\n".join(lines)
