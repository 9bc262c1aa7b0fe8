"""The network of the vectors: demo, three boroughs, nobody real; and the directories that follow it (6)."""

from __future__ import annotations

from typing import Any

from .plain import DAY, NOW, PHRASE, Signer, b64, derive, fingerprint, note, sha256, text_of
from .pool import Subkey

HACKNEY, BEXLEY, BARKING = "E09000012", "E09000004", "E09000002"
H_NODE, B_NODE, X_NODE = f"{HACKNEY}/node", f"{BEXLEY}/node", f"{BARKING}/node"
H_POLICE, H_SAFETY = f"{HACKNEY}/police", f"{HACKNEY}/community_safety"
B_POLICE, B_HOUSING, B_PROBATION = f"{BEXLEY}/police", f"{BEXLEY}/housing", f"{BEXLEY}/probation"
NAMES = {HACKNEY: "Hackney (vectors)", BEXLEY: "Bexley (vectors)", BARKING: "Barking (vectors)"}
AGENCY = {
    H_NODE: "NODE", H_POLICE: "POLICE", H_SAFETY: "COMMUNITY_SAFETY",
    B_NODE: "NODE", B_POLICE: "POLICE", B_HOUSING: "HOUSING", B_PROBATION: "PROBATION",
    X_NODE: "NODE",
}  # fmt: skip
OWN_KEY = {B_PROBATION}
"""Keeps its key away from the node: `hosted` is false."""

TERM = {1: (NOW - 10 * DAY, NOW + 4 * DAY), 2: (NOW - 3 * DAY, NOW + 11 * DAY)}
"""The terms of the two subkeys that everybody has: weekly, each for two weeks."""

SIGNERS = {name: Signer(name) for name in AGENCY}
LOGS = {area: Signer(f"log {area}") for area in NAMES}
ROOTS = {name: Signer(name) for name in ("r1", "r2", "r3", "r4")}
KEEPERS = {name: Signer(name) for name in ("d1", "d2", "d3", "d4")}
SUBKEYS = {(name, n): Subkey(f"{name} {n}") for name in AGENCY for n in TERM}
DUMMY = Subkey("nobody")
CREATED = NOW - 20 * DAY


def role(signers: list[Signer], threshold: int = 2) -> dict[str, Any]:
    return {"threshold": threshold, "keys": {one.name: b64(one.public) for one in signers}}


def named(table: dict[str, Signer], *names: str) -> list[Signer]:
    return [table[name] for name in names]


def root_body(**changes: Any) -> dict[str, Any]:
    return {
        "v": 1, "version": 1, "created": CREATED, "expires": CREATED + 365 * DAY, "env": "demo",
        "roles": {
            "root": role(named(ROOTS, "r1", "r2", "r3")),
            "directory": role(named(KEEPERS, "d1", "d2", "d3")),
        },
        **changes,
    }  # fmt: skip


ROOT = note("bx/1/root", root_body(), ROOTS["r1"], ROOTS["r2"])
NET = sha256(b"bx/1/network" + text_of(ROOT))


def entry(name: str, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"agency": AGENCY[name], "hosted": name not in OWN_KEY}
    found["sign"] = b64(SIGNERS[name].public)
    if name.endswith("/node"):
        found["log"] = b64(LOGS[name.partition("/")[0]].public)
    return {**found, **changes}


def members(**changes: Any) -> dict[str, Any]:
    """Area -> its listing; ``changes``: principal -> another entry."""
    found: dict[str, Any] = {area: {"name": shown, "principals": {}} for area, shown in NAMES.items()}
    for name in AGENCY:
        found[name.partition("/")[0]]["principals"][name] = changes.get(name, entry(name))
    return found


def directory_body(**changes: Any) -> dict[str, Any]:
    """``...`` leaves a field out."""
    found = {
        "v": 1, "net": b64(NET), "version": 7, "created": NOW - DAY, "expires": NOW + 29 * DAY,
        "min_suite": 2, "members": members(), "revoked": [],
        "entitlements": {"core": ["HOUSING", "POLICE", "PROBATION"], "move.new_address": ["POLICE"]},
        **changes,
    }  # fmt: skip
    return {name: value for name, value in found.items() if value is not ...}


def directory(*signers: str, **changes: Any) -> bytes:
    return note("bx/1/directory", directory_body(**changes), *named(KEEPERS, *(signers or ("d1", "d2"))))


NEW_NODE = Signer(H_NODE, "identity E09000012/node, the next")
"""Hackney's node after its key was replaced."""

REVOKED = {"key": b64(SIGNERS[H_NODE].public), "at": NOW - 60, "reason": "key_compromise"}
DIRECTORIES = {
    "7": directory(),
    "8": directory(version=8, revoked=[REVOKED]),
    "10": directory(
        version=10,
        members=members(
            **{
                H_NODE: entry(
                    H_NODE,
                    sign=b64(NEW_NODE.public),
                    retiring=[{"key": b64(SIGNERS[H_NODE].public), "until": NOW + 3600}],
                )
            }
        ),
    ),
    "9": directory(
        version=9, revoked=[REVOKED], members=members(**{H_NODE: entry(H_NODE, sign=b64(NEW_NODE.public))})
    ),
}
WHY = {
    "7": "in force",
    "8": "the key of E09000012/node is revoked",
    "9": "and replaced by another",
    "10": "the key is being replaced: the one before counts for another hour",
}


def suspension(signer: Signer, key: bytes, **changes: Any) -> bytes:
    body = {
        "v": 1,
        "net": b64(NET),
        "key": b64(key),
        "created": NOW - 600,
        "until": NOW + 3000,
        "reason": "lost",
    }
    return note("bx/1/suspend", {**body, **changes}, signer)


SUSPENSIONS = {
    "node": suspension(KEEPERS["d1"], SIGNERS[H_NODE].public),
    "node, soon over": suspension(KEEPERS["d2"], SIGNERS[H_NODE].public, until=NOW + 60),
    "log": suspension(KEEPERS["d3"], LOGS[HACKNEY].public),
}
"""Of Hackney's identity key and of its log key."""


def subkey(name: str, n: int, **changes: Any) -> dict[str, Any]:
    start, until = TERM[n]
    return {"suite": 2, "pk": b64(SUBKEYS[name, n].public), "from": start, "until": until, **changes}


def card_body(name: str, **changes: Any) -> dict[str, Any]:
    subkeys = [subkey(name, n) for n in TERM]
    return {"v": 1, "net": b64(NET), "principal": name, "version": 2, "subkeys": subkeys, **changes}


def card(name: str, *, signer: Signer | None = None, **changes: Any) -> bytes:
    return note("bx/1/keycard", card_body(name, **changes), signer or SIGNERS[name])


def origin(area: str) -> str:
    return f"bx/1/log/{NET.hex()[:8]}/{area}"


def log_signer(area: str) -> Signer:
    """The log key, which signs under the origin."""
    return Signer(origin(area), f"identity log {area}")


def published() -> dict[str, Any]:
    """network.json."""
    principals = {}
    for name, signer in SIGNERS.items():
        subkeys = [
            {"seed_b64": b64(SUBKEYS[name, n].seed), "from": start, "until": until}
            for n, (start, until) in TERM.items()
        ]
        principals[name] = {
            "sign_seed_b64": b64(signer.seed), "sign_public_b64": b64(signer.public), "subkeys": subkeys,
        }  # fmt: skip
        if name.endswith("/node"):
            principals[name]["log_seed_b64"] = b64(LOGS[name.partition("/")[0]].seed)
    signers = {**ROOTS, **KEEPERS}
    return {
        "comment": "The network of the vectors. Its private seeds are public: it protects nothing, ever.",
        "phrase": PHRASE,
        "now": NOW,
        "net_b64": b64(NET),
        "fingerprint": fingerprint(NET),
        "roots": [ROOT.decode()],
        "directories": {version: found.decode() for version, found in DIRECTORIES.items()},
        "directories_are": WHY,
        "suspensions": {name: found.decode() for name, found in SUSPENSIONS.items()},
        "cards": [card(name).decode() for name in AGENCY],
        "principals": principals,
        "signers": {
            name: {"seed_b64": b64(one.seed), "public_b64": b64(one.public)} for name, one in signers.items()
        },
        "replaced": {H_NODE: {"seed_b64": b64(NEW_NODE.seed), "public_b64": b64(NEW_NODE.public)}},
    }


def random(label: str, size: int = 32) -> bytes:
    return derive(f"random {label}", size)
