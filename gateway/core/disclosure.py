"""What an agency was given, against what its type may ever read: over-disclosure, seen by the receiver.

Duty: name the field groups (domain 6.4) in a reader's view that the signed directory does not list for it.
A sender of ours refuses to seal them (:mod:`gateway.core.audience`); this is for the one who does not, so
that a receiver flags what a borough should not have sent (protocol 6). It leaves out what a document narrows
further: only its sender knows what it meant to withhold.

Rules: a field that no group names is undue under the name of its section. The identity of an item says where
the rest belongs and is nobody's secret. Of roles and actions some types may read some items only.

>>> undue({"risk_from": {"rating": "HIGH"}}, "HOUSING", {"risk_from": {"POLICE"}})
frozenset({'risk_from'})
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Final

from gateway.core.audience import ACTION_TITLE
from gateway.core.encoding import Json, JsonObject
from gateway.core.entitlements import group_of, says_who
from gateway.core.joining import ITEM_IDS

Entitlements = Mapping[str, Container[str]]

_IDENTITIES: Final = {path: names for path, names in ITEM_IDS.items() if path != "roles"}
"""What tells items apart. A role's identity is the role itself: that somebody is a suspect is content."""


def undue(sections: JsonObject, agency: str, entitlements: Entitlements) -> frozenset[str]:
    """Groups in ``sections`` (a merged view) that agencies of this type may not read. Names, no values."""
    found = frozenset(
        group
        for name, value in sections.items()
        for path, item in _leaves(name, value)
        if (group := _group(path, item, agency)) not in entitlements or agency not in entitlements[group]
    )
    return found | _named_all_the_same(sections)


def _named_all_the_same(sections: JsonObject) -> frozenset[str]:
    """Groups that say who a person is for whom this reader's own entry has a reference."""
    routing = sections.get("routing")
    entries = routing.get("recipients") if isinstance(routing, dict) else None
    if not isinstance(entries, list) or not any(
        isinstance(e, dict) and "reciprocal_ref" in e for e in entries
    ):
        return frozenset()
    paths = (path for name, value in sections.items() for path, _ in _leaves(name, value))
    return frozenset(group_of(path) or path for path in paths if says_who(path))


def _group(path: str, item: JsonObject, agency: str) -> str:
    """The group that one field is read under by this agency; the section's name when it has none."""
    group = group_of(path)
    if group == "roles" and item.get("role") == "VICTIM":
        return "roles.victim"
    if group == "actions" and item.get("agency") != agency:
        return "actions.titles" if path.rpartition(".")[2] in ACTION_TITLE else "actions of others"
    return group or path.partition(".")[0]


def _leaves(name: str, value: Json) -> list[tuple[str, JsonObject]]:
    """Every field's path without list places, with the item of roles or actions that it stands in."""
    found: list[tuple[str, JsonObject]] = []
    _collect(name, value, {}, found)
    return found


def _collect(path: str, value: Json, item: JsonObject, found: list[tuple[str, JsonObject]]) -> None:
    if isinstance(value, dict):
        passed = _IDENTITIES.get(path, ())
        for name, below in value.items():
            if name not in passed:
                _collect(f"{path}.{name}", below, item, found)
    elif isinstance(value, list):
        for below in value:
            own = below if path in ("roles", "actions") and isinstance(below, dict) else item
            _collect(path, below, own, found)
    else:
        found.append((path, item))
