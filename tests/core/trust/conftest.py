"""A small network of two boroughs, built field by field so that a test can break any one of them.

Nothing here uses gateway.core.ceremony: what a test changes is signed as it stands, as an insider would.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from gateway.core.encoding import b64
from gateway.core.kem import public_key
from gateway.core.keys import IdentityKey
from gateway.core.notes import sign_note
from gateway.core.root import network_id
from gateway.core.trust import Network

NOW = 1_800_000_000
DAY = 86_400
HACKNEY, BEXLEY = "E09000012", "E09000004"

Change = Callable[[dict[str, Any]], object]


def key(name: str) -> IdentityKey:
    """Deterministic, so that a failing test fails again. ``name#2`` is another key under the same name."""
    return IdentityKey(name.partition("#")[0], hashlib.sha256(name.encode()).digest())


def subkey(label: str, start: int = NOW - DAY, until: int = NOW + 13 * DAY) -> dict[str, Any]:
    seed = hashlib.sha256(f"kem {label}".encode()).digest()
    return {"suite": 2, "pk": b64(public_key(seed)), "from": start, "until": until}


def entry(name: str, agency: str, **more: Any) -> dict[str, Any]:
    found = {"agency": agency, "hosted": True, "sign": b64(key(name).public)}
    if agency == "NODE":
        found["log"] = b64(key(f"{name}#log").public)
    return found | more


def area(code: str, name: str, **agencies: dict[str, Any]) -> dict[str, Any]:
    listed = {f"{code}/node": entry(f"{code}/node", "NODE")}
    listed |= {f"{code}/{role}": found for role, found in agencies.items()}
    return {"name": name, "principals": listed}


def setter(path: str, value: Any) -> Change:
    """Put ``value`` at a path such as "roles/root/threshold"; a slash inside a name is written "~"."""

    def change(body: dict[str, Any]) -> None:
        *steps, last = (step.replace("~", "/") for step in path.split("/"))
        place: Any = body
        for step in steps:
            place = place[int(step)] if isinstance(place, list) else place[step]
        place[int(last) if isinstance(place, list) else last] = copy.deepcopy(value)

    return change


def remover(path: str) -> Change:
    """Take away what stands at a path."""

    def change(body: dict[str, Any]) -> None:
        *steps, last = (step.replace("~", "/") for step in path.split("/"))
        place: Any = body
        for step in steps:
            place = place[int(step)] if isinstance(place, list) else place[step]
        del place[int(last) if isinstance(place, list) else last]

    return change


class Kit:
    """Documents that are right, and the same with one ``change`` made before they are signed."""

    NOW, DAY, HACKNEY, BEXLEY = NOW, DAY, HACKNEY, BEXLEY
    key, subkey, entry = staticmethod(key), staticmethod(subkey), staticmethod(entry)
    put, drop = staticmethod(setter), staticmethod(remover)
    roots = (key("root-1"), key("root-2"), key("root-3"))
    keepers = (key("dir-1"), key("dir-2"))

    def __init__(self) -> None:
        self.first = self.root()
        self.net = network_id(self.first)

    def root_body(self, version: int = 1) -> dict[str, Any]:
        body: dict[str, Any] = {
            "v": 1,
            "version": version,
            "created": NOW - 10 * DAY,
            "expires": NOW + 300 * DAY,
            "env": "prod",
            "roles": {
                "root": {"threshold": 2, "keys": {k.name: b64(k.public) for k in self.roots}},
                "directory": {"threshold": 2, "keys": {k.name: b64(k.public) for k in self.keepers}},
            },
        }
        return body if version == 1 else body | {"net": b64(self.net)}

    def root(
        self, change: Change = lambda _: None, version: int = 1, by: Sequence[IdentityKey] = roots[:2]
    ) -> bytes:
        body = self.root_body(version)
        change(body)
        return sign_note("bx/1/root", body, by)

    def directory_body(self) -> dict[str, Any]:
        police = {code: entry(f"{code}/police", "POLICE") for code in (HACKNEY, BEXLEY)}
        giles = entry(f"{BEXLEY}/st_giles", "VOLUNTARY_SECTOR", organisation="St Giles")
        safer = entry(f"{BEXLEY}/safer", "VOLUNTARY_SECTOR", organisation="Safer London", hosted=False)
        return {
            "v": 1,
            "net": b64(self.net),
            "version": 7,
            "created": NOW - DAY,
            "expires": NOW + 20 * DAY,
            "min_suite": 2,
            "members": {
                HACKNEY: area(HACKNEY, "Hackney", police=police[HACKNEY]),
                BEXLEY: area(BEXLEY, "Bexley", police=police[BEXLEY], st_giles=giles, safer=safer),
            },
            "entitlements": {"orders": ["POLICE", "PROBATION"], "move.new_address": ["POLICE"]},
            "revoked": [],
        }

    def directory(
        self,
        change: Change = lambda _: None,
        by: Sequence[IdentityKey] = keepers,
        context: str = "bx/1/directory",
    ) -> bytes:
        body = self.directory_body()
        change(body)
        return sign_note(context, body, by)

    def card(
        self,
        name: str = f"{BEXLEY}/police",
        change: Change = lambda _: None,
        by: Sequence[IdentityKey] | None = None,
        context: str = "bx/1/keycard",
    ) -> bytes:
        body = {
            "v": 1,
            "net": b64(self.net),
            "principal": name,
            "version": 3,
            "subkeys": [subkey(f"{name} new"), subkey(f"{name} old", NOW - 8 * DAY, NOW + 6 * DAY)],
        }
        change(body)
        return sign_note(context, body, by or [key(name)])

    def build(
        self,
        directory: bytes | None = None,
        cards: Sequence[bytes] = (),
        *,
        roots: Sequence[bytes] = (),
        now: int = NOW,
        expect: str | None = None,
    ) -> Network:
        return Network.build(
            roots or [self.first], directory or self.directory(), cards, now=now, expect=expect
        )


@pytest.fixture(scope="session")
def trust() -> Kit:
    return Kit()
