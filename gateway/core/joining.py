"""Joining the parts that one reader opened into the view it reads (protocol 4.3).

Duty: know which lists are joined by id, and merge. Cutting is :mod:`gateway.core.audience`, which is also
where users import :func:`merge` from. What comes in here may come from a peer: nothing is trusted.

Rules
-----
- Objects are joined key by key, items of the lists in :data:`ITEM_IDS` by their id; any other list is one
  value.
- Items stand in natural order of their id, whatever the order of the parts.
- Two values for one place, an item without an id and an id that comes twice in one part are refused.

>>> merge([{"actions": [{"action_id": "AC10"}]}, {"actions": [{"action_id": "AC2"}]}])
{'actions': [{'action_id': 'AC2'}, {'action_id': 'AC10'}]}
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from gateway.core.encoding import Json, JsonObject
from gateway.errors import Malformed

ITEM_IDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "routing.recipients": ("agency", "organisation"),
        "lawful_basis": ("id",),
        "roles": ("role", "assertion"),
        "orders": ("order_id",),
        "orders.conditions": ("no",),
        "history": ("assertion_id",),
        "associates": ("third_party_id",),
        "actions": ("action_id",),
    }
)
"""Lists whose items are joined by id -> the fields that make the id. An absent field counts as null."""

_ON_THE_WAY = frozenset({""} | {place for path in ITEM_IDS for place in (path.partition(".")[0], path)})
"""Places at or below which a list is joined by id. Elsewhere what one part alone has stands as it is."""


Identity = tuple[str | int | None, ...]
"""The values of the fields that make an item's id."""


def merge(parts: Iterable[JsonObject]) -> JsonObject:
    """One reader's view: objects joined key by key, items by their id and in natural order of it (AC2 before
    AC10).

    Raises Malformed when two parts give one place different values, or an item has no id of its own: an
    honest sender cannot have cut that (protocol 4.3).
    """
    merged = _join(list(parts), "", "")
    return merged if isinstance(merged, dict) else {}


def identity(item: JsonObject, path: str) -> Identity | None:
    """The item's id; None when a field of it is no id. Only ``organisation`` may be absent."""
    found: list[str | int | None] = []
    for name in ITEM_IDS[path]:
        value = item.get(name)
        if isinstance(value, bool) or not isinstance(value, str | int | None):
            return None
        if value is None and name != "organisation":
            return None
        found.append(value)
    return tuple(found)


def _natural(key: Identity) -> list[tuple[int, str]]:
    """Sorts AC2 before AC10: a run of digits by length, then digits. Never ``int(...)``: ids come from a peer
    and may be thousands of digits long."""
    runs = (run for field in key for run in re.split("([0-9]+)", str(field)))
    return [(len(run.lstrip("0")), run.lstrip("0")) if run.isdigit() else (0, run) for run in runs]


def _join(values: list[Json], path: str, pointer: str) -> Json:
    """What stands at one place, from all parts that have something there."""
    if len(values) == 1 and path not in _ON_THE_WAY:
        return values[0]
    objects = [value for value in values if isinstance(value, dict)]
    lists = [value for value in values if isinstance(value, list)]
    if len(objects) == len(values):
        keys = dict.fromkeys(key for value in objects for key in value)
        return {
            key: _join([o[key] for o in objects if key in o], f"{path}.{key}".lstrip("."), f"{pointer}/{key}")
            for key in keys
        }
    if len(lists) == len(values) and path in ITEM_IDS:
        return _join_items(lists, path, pointer)
    if len({json.dumps(value, sort_keys=True) for value in values}) > 1:
        raise Malformed("two parts give one place different values", code="part_conflict", field=pointer)
    return values[0]


def _join_items(lists: list[list[Json]], path: str, pointer: str) -> list[Json]:
    indexed = [_indexed(items, path, pointer) for items in lists]
    ids = sorted({key for items in indexed for key in items}, key=lambda i: (_natural(i), repr(i)))
    return [
        _join([items[key] for items in indexed if key in items], path, f"{pointer}/{index}")
        for index, key in enumerate(ids)
    ]


def _indexed(items: list[Json], path: str, pointer: str) -> dict[Identity, JsonObject]:
    indexed: dict[Identity, JsonObject] = {}
    for item in items:
        key = identity(item, path) if isinstance(item, dict) else None
        if not isinstance(item, dict) or key is None or key in indexed:
            raise Malformed("an item of a part has no id of its own", code="part_item", field=pointer)
        indexed[key] = item
    return indexed
