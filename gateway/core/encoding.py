"""Canonical JSON and base64 (protocol 2). Placeholder types first; see the core package."""

from __future__ import annotations

from typing import TypeAlias, Union

Json: TypeAlias = Union[None, bool, int, str, list["Json"], dict[str, "Json"]]
