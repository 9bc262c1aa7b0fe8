"""Sections, and how one reader's parts become its view (4.4)."""

from __future__ import annotations

import re
from typing import Any

from .text import canonical, need, parse_object

IDS = {
    "routing.recipients": ("agency", "organisation"),
    "lawful_basis": ("id",),
    "roles": ("role", "assertion"),
    "orders": ("order_id",),
    "orders.conditions": ("no",),
    "history": ("assertion_id",),
    "associates": ("third_party_id",),
    "actions": ("action_id",),
}


def sections_of(content: bytes) -> dict[str, Any]:
    body = parse_object(content)
    need(set(body) == {"v", "sections"} and body["v"] == 1 and type(body["v"]) is int, "part_form")
    need(isinstance(body["sections"], dict), "part_form")
    return body["sections"]  # type: ignore[no-any-return]


def merge(parts: list[dict[str, Any]]) -> dict[str, Any]:
    view: dict[str, Any] = {}
    for sections in parts:
        view = _join(view, sections, "")
    return _ordered(view, "")  # type: ignore[no-any-return]


def _join(one: Any, other: Any, path: str) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        joined = dict(one)
        for name, value in other.items():
            inner = f"{path}.{name}".lstrip(".")
            joined[name] = _join(one[name], value, inner) if name in one else value
        return joined
    if isinstance(one, list) and isinstance(other, list) and path in IDS:
        items = _by_id(one, path)
        for key, item in _by_id(other, path).items():
            items[key] = _join(items[key], item, path) if key in items else item
        return list(items.values())
    need(canonical(one) == canonical(other), "part_conflict")
    return one


def _by_id(items: list[Any], path: str) -> dict[tuple[Any, ...], Any]:
    found: dict[tuple[Any, ...], Any] = {}
    for item in items:
        need(isinstance(item, dict), "part_item")
        key = tuple(item.get(name) for name in IDS[path])
        need(all(value is None or type(value) in (str, int) for value in key), "part_item")
        missing = [name for name, value in zip(IDS[path], key, strict=True) if value is None]
        need(missing in ([], ["organisation"]) and key not in found, "part_item")
        found[key] = item
    return found


def _ordered(value: Any, path: str) -> Any:
    """Every list that is joined by id, in natural order of the id; and its ids looked at even where one
    part alone had it."""
    if isinstance(value, dict):
        return {name: _ordered(inner, f"{path}.{name}".lstrip(".")) for name, inner in value.items()}
    if isinstance(value, list) and path in IDS:
        items = _by_id(value, path)
        return [_ordered(items[key], path) for key in sorted(items, key=_natural)]
    return value


def _natural(key: tuple[Any, ...]) -> Any:
    """AC2 before AC10: runs of digits by their length first."""
    runs = [run for field in key for run in re.split("([0-9]+)", str(field))]
    plain = [(len(run.lstrip("0")), run.lstrip("0")) if run.isdigit() else (0, run) for run in runs]
    return plain, repr(key)
