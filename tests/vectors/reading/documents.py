"""Roots, directories and key cards (6)."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from .notes import Note, Stopped, body_of, open_note, take_apart, weak
from .text import (
    AREA,
    PRINCIPAL,
    Bad,
    closed,
    fingerprint,
    need,
    number,
    sha256,
    unb64,
    version,
    word,
)
from .xwing import check_public

SKEW = 120
DAY = 86_400
ROOT_LIFE = {"prod": 366 * DAY, "demo": 3660 * DAY}
DIRECTORY_LIFE = 30 * DAY
JUMP = 10_000

KEY_NAME = re.compile(r"[a-z][a-z0-9_-]{0,40}\Z")
AGENCY = re.compile(r"[A-Z][A-Z_]{1,40}\Z")
GROUP = re.compile(r"[a-z][a-z0-9_.]{0,80}\Z")
REASON = re.compile(r"[a-z][a-z0-9_]{0,40}\Z")

ROOT = {"v": int, "version": int, "created": int, "expires": int, "env": str, "net": str, "roles": dict}
DIRECTORY = {
    "v": int, "net": str, "version": int, "created": int, "expires": int, "min_suite": int, "members": dict,
    "entitlements": dict, "revoked": list,
}  # fmt: skip
ENTRY = {"agency": str, "hosted": bool, "sign": str, "log": str, "organisation": str, "retiring": list}
SUSPENSION = {"v": int, "net": str, "key": str, "created": int, "until": int, "reason": str}
OVERLAP = 30 * DAY
LONGEST_SUSPENSION = 72 * 3600
CARD = {"v": int, "net": str, "principal": str, "version": int, "subkeys": list}


@dataclass
class Role:
    threshold: int
    keys: dict[str, bytes]

    def keyring(self, name: str) -> Collection[bytes]:
        return [self.keys[name]] if name in self.keys else []

    def open(self, note: bytes, context: str, code: str) -> Note:
        opened = open_note(note, context, self.keyring)
        need(len({public for _, public in opened.keys}) >= self.threshold, code)
        return opened


@dataclass
class Root:
    before: list[bytes]  # the hashes of its ancestors
    net: bytes
    version: int
    env: str
    created: int
    expires: int
    root: Role
    directory: Role
    hash: bytes

    @property
    def keys(self) -> set[bytes]:
        return {*self.root.keys.values(), *self.directory.keys.values()}


@dataclass
class Directory:
    net: bytes
    version: int
    created: int
    expires: int
    min_suite: int
    principals: dict[str, dict[str, Any]]
    revoked_at: dict[bytes, int]
    hash: bytes

    @property
    def revoked(self) -> set[bytes]:
        return set(self.revoked_at)

    def signing(self, name: str, now: int) -> list[bytes]:
        """The identity keys that count: the one listed, a retiring one until its end; none revoked."""
        entry = self.principals.get(name)
        if entry is None:
            return []
        retiring = [one["key"] for one in entry.get("retiring", ()) if now < one["until"]]
        return [key for key in [entry["sign"], *retiring] if key not in self.revoked]

    def log_keys(self, area: str) -> list[bytes]:
        entry = self.principals.get(f"{area}/node")
        return [entry["log"]] if entry and entry["log"] not in self.revoked else []

    @property
    def listed(self) -> set[bytes]:
        return {key for entry in self.principals.values() for key in listed(entry)}


@dataclass
class View:
    """A directory and what is suspended, at one moment."""

    root: Root
    directory: Directory
    suspended: dict[bytes, int]  # key -> until
    now: int

    @property
    def net(self) -> bytes:
        return self.root.net

    @property
    def principals(self) -> dict[str, dict[str, Any]]:
        return self.directory.principals

    def keyring(self, name: str) -> Collection[bytes]:
        return self._marked(self.directory.signing(name, self.now))

    def log_keyring(self, origin: str) -> Collection[bytes]:
        prefix, _, area = origin.rpartition("/")
        ours = prefix == f"bx/1/log/{self.net.hex()[:8]}"
        return self._marked(self.directory.log_keys(area)) if ours else []

    def _marked(self, keys: list[bytes]) -> list[bytes]:
        return [Stopped(key) if self.now < self.suspended.get(key, 0) else key for key in keys]


@dataclass
class Card:
    principal: str
    version: int
    subkeys: list[tuple[int, int, bytes]]  # (from, until, public)
    hash: bytes
    by: bytes  # the key that signed it

    def sealing_key(self, now: int) -> bytes:
        valid = [(start, public) for start, until, public in self.subkeys if start <= now < until]
        need(valid, "no_valid_key")
        return max(valid)[1]


@dataclass
class Network:
    root: Root
    directory: Directory
    cards: dict[str, Card]

    def view(self, now: int, suspensions: Sequence[bytes] = ()) -> View:
        suspended: dict[bytes, int] = {}
        for note in suspensions:
            key, until = read_suspension(note, self.root, self.directory)[:2]
            suspended[key] = max(until, suspended.get(key, 0))
        return View(self.root, self.directory, suspended, now)


def network_id(note: bytes) -> bytes:
    return sha256(b"bx/1/network" + note[: note.rfind(b"\n\n") + 1])


def open_network(
    roots: Sequence[bytes], directory: bytes, cards: Sequence[bytes], now: int, expect: str | None = None
) -> Network:
    root = open_roots(roots, now, expect)
    listed = open_directory(directory, root, now)
    return Network(root, listed, newest(cards, listed, now))


def check_successor(old: Network, new: Network) -> None:
    need(new.root.net == old.root.net, "other_network")
    need(new.root.version >= old.root.version, "root_rollback")
    ancestors = [*new.root.before, new.root.hash]
    need(ancestors[old.root.version - 1] == old.root.hash, "root_equivocation")
    before, after = old.directory, new.directory
    need(after.version >= before.version, "directory_rollback")
    need(after.version > before.version or after.hash == before.hash, "directory_equivocation")
    need(new.directory.version <= old.directory.version + JUMP, "directory_jump")


# --- root -------------------------------------------------------------------------------------------


def open_roots(notes: Sequence[bytes], now: int, expect: str | None) -> Root:
    need(notes, "root_none")
    root = _first(notes[0], expect)
    for note in notes[1:]:
        root = _next(root, note)
    need(root.created <= now + SKEW, "root_future")
    need(now < root.expires, "root_expired")
    return root


def _first(note: bytes, expect: str | None) -> Root:
    net = network_id(note)
    need(expect is None or expect == fingerprint(net), "fingerprint")
    text, _ = take_apart(note)
    root = _root(body_of(text), net, sha256(text), [])
    root.root.open(note, "bx/1/root", "root_threshold")
    need(root.version == 1, "root_version")
    return root


def _next(old: Root, note: bytes) -> Root:
    opened = old.root.open(note, "bx/1/root", "root_threshold_old")
    new = _root(opened.body, old.net, opened.hash, [*old.before, old.hash])
    need(new.version == old.version + 1, "root_version")
    need(new.env == old.env, "root_env")
    new.root.open(note, "bx/1/root", "root_threshold_new")
    return new


def _root(body: dict[str, Any], net: bytes, digest: bytes, before: list[bytes]) -> Root:
    version(body)
    closed(body, ROOT, optional=("net",))
    number(body["version"], 1)
    need(("net" in body) == (body["version"] > 1), "root_net_form")
    need(body["version"] == 1 or unb64(body["net"], 32) == net, "root_net")
    roles = closed(body["roles"], {"root": dict, "directory": dict})
    root, directory = _role(roles["root"]), _role(roles["directory"])
    need(body["env"] in ("prod", "demo"), "field_value")
    created, expires = number(body["created"]), number(body["expires"])
    need(created < expires, "root_time")
    need(expires - created <= ROOT_LIFE[body["env"]], "root_life")
    keys = [*root.keys.values(), *directory.keys.values()]
    need(len(set(keys)) == len(keys), "key_twice")
    return Root(before, net, body["version"], body["env"], created, expires, root, directory, digest)


def _role(value: Any) -> Role:
    body = closed(value, {"threshold": int, "keys": dict})
    keys = {}
    for name, key in body["keys"].items():
        word(name, KEY_NAME)
        keys[name] = _public(key)
    number(body["threshold"], 1, min(len(keys), 16))
    return Role(body["threshold"], keys)


def _public(value: Any) -> bytes:
    public = unb64(value, 32)
    need(not weak(public), "weak_key")
    return public


# --- directory --------------------------------------------------------------------------------------


def open_directory(note: bytes, root: Root, now: int) -> Directory:
    opened = root.directory.open(note, "bx/1/directory", "directory_threshold")
    found = _directory(opened.body, opened.hash)
    need(found.net == root.net, "directory_net")
    need(not root.keys & found.listed, "key_twice")
    need(found.created <= now + SKEW, "directory_future")
    return found


def _directory(body: dict[str, Any], digest: bytes) -> Directory:
    version(body)
    closed(body, DIRECTORY)
    created, expires = number(body["created"]), number(body["expires"])
    need(created < expires, "directory_time")
    need(expires - created <= DIRECTORY_LIFE, "directory_life")
    principals: dict[str, dict[str, Any]] = {}
    for area, member in body["members"].items():
        word(area, AREA)
        closed(member, {"name": str, "principals": dict})
        _shown(member["name"])
        principals |= _entries(area, member["principals"])
    every = [key for entry in principals.values() for key in listed(entry)]
    need(len(set(every)) == len(every), "key_twice")
    ends = [one["until"] for entry in principals.values() for one in entry.get("retiring", ())]
    need(all(end <= created + OVERLAP for end in ends), "retiring_life")
    number(body["version"], 1)
    number(body["min_suite"], 1)
    need(body["min_suite"] <= 2, "min_suite")
    _entitlements(body["entitlements"])
    revoked = _revoked(body["revoked"])
    net = unb64(body["net"], 32)
    return Directory(net, body["version"], created, expires, body["min_suite"], principals, revoked, digest)


def _entries(area: str, value: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {}
    for name, entry in value.items():
        need(PRINCIPAL.match(name) and name.startswith(f"{area}/"), "foreign_principal")
        found[name] = _entry(name, entry)
    need(f"{area}/node" in found, "node_missing")
    return found


def _entry(name: str, value: Any) -> dict[str, Any]:
    body = closed(value, ENTRY, optional=("log", "organisation", "retiring"))
    word(body["agency"], AGENCY)
    node = name.endswith("/node")
    need(node == (body["agency"] == "NODE") == ("log" in body), "node_entry")
    if "organisation" in body:
        _shown(body["organisation"])
    keys = {field: _public(body[field]) for field in ("sign", "log") if field in body}
    if "retiring" not in body:
        return {**body, **keys}
    need(len(body["retiring"]) == 1, "field_value")
    retiring = closed(body["retiring"][0], {"key": str, "until": int})
    number(retiring["until"])
    return {**body, **keys, "retiring": [{"key": _public(retiring["key"]), "until": retiring["until"]}]}


def listed(entry: dict[str, Any]) -> list[bytes]:
    """Every public key in an entry."""
    found = [entry["sign"], entry.get("log"), *(one["key"] for one in entry.get("retiring", ()))]
    return [key for key in found if key]


def _shown(text: str) -> None:
    need(0 < len(text) <= 80 and text.isprintable() and text == text.strip(), "field_value")


def _entitlements(value: dict[str, Any]) -> None:
    for group, agencies in value.items():
        word(group, GROUP)
        need(isinstance(agencies, list), "field_type")
        for agency in agencies:
            word(agency, AGENCY)
        need(agencies == sorted(set(agencies)), "field_value")


def _revoked(value: list[Any]) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for item in value:
        closed(item, {"key": str, "at": int, "reason": str})
        word(item["reason"], REASON)
        key = unb64(item["key"], 32)
        need(key not in found, "key_twice")
        found[key] = number(item["at"])
    return found


# --- key cards --------------------------------------------------------------------------------------


def newest(notes: Sequence[bytes], directory: Directory, now: int) -> dict[str, Card]:
    """The newest card of each principal. One by the listed key goes before any by a retiring one."""
    found: dict[str, Card] = {}

    def rank(card: Card) -> tuple[bool, int]:
        return card.by == directory.principals[card.principal]["sign"], card.version

    for note in notes:
        try:
            card = open_card(note, directory, now)
        except Bad as refused:
            if refused.code in ("unknown_key", "weak_key", "card_suite", "version"):
                continue  # left behind by a newer directory: not forged
            raise
        known = found.get(card.principal)
        need(not known or rank(known) != rank(card) or known.hash == card.hash, "card_equivocation")
        if not known or rank(card) > rank(known):
            found[card.principal] = card
    return found


def open_card(note: bytes, directory: Directory, now: int) -> Card:
    opened = open_note(note, "bx/1/keycard", lambda name: directory.signing(name, now), single=True)
    body = opened.body
    version(body)
    closed(body, CARD)
    need(unb64(body["net"], 32) == directory.net, "card_net")
    need(1 <= len(body["subkeys"]) <= 16, "field_value")
    subkeys = [key for item in body["subkeys"] if (key := _subkey(item, directory.min_suite))]
    need(len({public for _, _, public in subkeys}) == len(subkeys), "key_twice")
    word(body["principal"], PRINCIPAL)
    number(body["version"], 1)
    need(opened.signer == body["principal"], "card_principal")
    ((_, by),) = opened.keys
    return Card(body["principal"], body["version"], subkeys, opened.hash, by)


def _subkey(value: Any, min_suite: int) -> tuple[int, int, bytes] | None:
    body = closed(value, {"suite": int, "pk": str, "from": int, "until": int})
    number(body["suite"], 1, 255)
    need(body["suite"] >= min_suite, "card_suite")
    start, until = number(body["from"]), number(body["until"])
    need(start < until, "subkey_time")
    if body["suite"] != 2:
        return None
    public = unb64(body["pk"], 1216)
    check_public(public)
    return start, until, public


# --- suspensions ------------------------------------------------------------------------------------


def open_suspension(note: bytes, root: Root, directory: Directory, now: int) -> tuple[bytes, int]:
    """One that has just come: (key, until)."""
    key, until, created = read_suspension(note, root, directory)
    need(created <= now + SKEW, "suspension_future")
    need(now < until, "suspension_over")
    return key, until


def read_suspension(note: bytes, root: Root, directory: Directory) -> tuple[bytes, int, int]:
    """(key, until, created) of one that is held, over or not. By any one directory signer, or by the key
    itself under its principal's name."""

    def keyring(name: str) -> list[bytes]:
        entry = directory.principals.get(name)
        known = listed(entry) if entry else list(root.directory.keyring(name))
        return [key for key in known if key not in directory.revoked]

    opened = open_note(note, "bx/1/suspend", keyring, single=True)
    body = opened.body
    version(body)
    closed(body, SUSPENSION)
    need(unb64(body["net"], 32) == root.net, "suspension_net")
    created, until = number(body["created"]), number(body["until"])
    need(created < until, "suspension_time")
    need(until - created <= LONGEST_SUSPENSION, "suspension_life")
    key = unb64(body["key"], 32)
    word(body["reason"], REASON)
    ((name, by),) = opened.keys
    need(name in root.directory.keys or by == key, "suspension_signer")
    need(key in directory.listed, "suspension_key")
    return key, until, created
