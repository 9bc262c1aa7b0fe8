"""Which fields of a document differ between two versions, as one reader sees them: paths, never values.

Duty: :func:`changes`. Lists whose items have an id (:data:`gateway.core.joining.ITEM_IDS`) are compared item
by item, any other list is one value. It leaves out whose view that is: what a reader may not read is in
neither of the two, so no path can tell of it.

>>> changes({"core": {"given_names": "A", "family_name": "B"}}, {"core": {"given_names": "A"}})
['/core/family_name']
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from gateway.core.encoding import Json, JsonObject
from gateway.core.joining import ITEM_IDS, Identity, identity

HEADER: Final = frozenset({"message", "routing"})
"""Sections that differ in every version: its number, its times, who gets it."""

MAX_CHANGES: Final = 100
"""Paths of one notice; where there are more, the sections are named instead."""


def changes(before: JsonObject, after: JsonObject) -> list[str]:
    """Paths in the newer view (of what is gone: in the older), sorted."""
    told = {name: value for name, value in before.items() if name not in HEADER}
    tells = {name: value for name, value in after.items() if name not in HEADER}
    found = sorted(set(_differ(told, tells, "", "")))
    if len(found) <= MAX_CHANGES:
        return found
    return sorted({"/" + path.split("/")[1] for path in found})


def _differ(old: Json, new: Json, path: str, pointer: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in old.keys() | new.keys():
            below = f"{path}.{name}".lstrip(".")
            if name not in old or name not in new:
                yield f"{pointer}/{name}"
            else:
                yield from _differ(old[name], new[name], below, f"{pointer}/{name}")
    elif isinstance(old, list) and isinstance(new, list) and path in ITEM_IDS:
        yield from _items(_by_id(old, path), _by_id(new, path), path, pointer)
    elif old != new:
        yield pointer


def _items(
    old: Mapping[Identity, tuple[int, Json]],
    new: Mapping[Identity, tuple[int, Json]],
    path: str,
    pointer: str,
) -> Iterator[str]:
    for key in old.keys() | new.keys():
        if key in old and key in new:
            place, item = new[key]
            yield from _differ(old[key][1], item, path, f"{pointer}/{place}")
        else:
            place, _ = new[key] if key in new else old[key]
            yield f"{pointer}/{place}"


def _by_id(items: list[Json], path: str) -> dict[Identity, tuple[int, Json]]:
    found: dict[Identity, tuple[int, Json]] = {}
    for place, item in enumerate(items):
        key = identity(item, path) if isinstance(item, dict) else None
        found[key or (place,)] = (place, item)
    return found
