"""How one vector file is put together; README.md is the format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .plain import b64

Files = Iterator["File"]


@dataclass(frozen=True)
class File:
    path: str
    body: Mapping[str, Any]


def file(
    path: str,
    kind: str,
    comment: str,
    cases: Sequence[Mapping[str, Any]],
    attacks: Sequence[int] = (),
    **shared: Any,
) -> File:
    body = {"format": kind, "comment": comment, "cases": list(cases), **shared}
    return File(f"{path}.json", {**body, "attacks": list(attacks)} if attacks else body)


def case(
    expect: str, comment: str, /, gives: Mapping[str, Any] | None = None, **inputs: Any
) -> dict[str, Any]:
    found = {"expect": expect, "comment": comment, **inputs}
    return {**found, "gives": dict(gives)} if gives is not None else found


def either(expect: str, comment: str, /, **inputs: Any) -> dict[str, Any]:
    """Refused for sure; which code depends on how a reader is built."""
    return {**case(expect, comment, **inputs), "exact": False}


def octets(name: str, data: bytes) -> dict[str, Any]:
    """As text where it can be read as text and nothing in it is invisible; else as base64."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return {f"{name}_b64": b64(data)}
    shown = text.replace("\n", "").isprintable()
    return {name: text} if shown else {f"{name}_b64": b64(data)}
