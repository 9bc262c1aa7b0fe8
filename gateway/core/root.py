"""The root: who may sign the directory, and who may change that (protocol 6).

Duty: verify a chain of root notes from version 1 to the newest. What it leaves out: the directory itself
(directory.py), where the notes are kept, and writing new ones (ceremony.py).

Rules:

- The chain starts at version 1 and grows by exactly 1. Version 1 is self-signed and trusted by its
  fingerprint, which people read aloud to each other; the network id is its hash.
- A successor carries the thresholds of the OLD root and of its own: neither the old keepers alone nor the new
  ones alone can take the network over. ``env`` and ``net`` never change.
- Thresholds count distinct keys. A key has one name and one role: a root key signs no directory.
- Only the newest root must be in date: an old one is history that leads to it.
- A node that has a root takes no chain that does not run through it (`Root.follows`): the keepers of version
  1, replaced because their keys were stolen, can sign another version 2 and 3 for ever.

Example::

    root = verify_roots(notes, now=now, expect="abcd-efgh-...")
    root.net, root.env, root.directory.threshold
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from gateway.core.durations import DAY
from gateway.core.encoding import (
    Json,
    JsonObject,
    check_version,
    fields,
    integer,
    octets,
    text,
    within,
)
from gateway.core.keys import ENVIRONMENT, KEY_NAME, PUBLIC, check_public, fingerprint
from gateway.core.notes import MAX_SIGNATURES, Note, open_note, peek_body
from gateway.errors import Expired, Forged, Malformed, Untrusted

CONTEXT: Final = "bx/1/root"
SKEW: Final = 120  # seconds two honest clocks may differ (protocol 4.3, rule R26)
# Seconds. A root is renewed every year (protocol 6); that of a demo is public anyway and lives for ten.
ROOT_LIFE: Final = {"prod": 366 * DAY, "demo": 3660 * DAY}

_FIELDS: Final = {
    "v": int, "version": int, "created": int, "expires": int, "env": str, "net": str, "roles": dict,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Role:
    """Who may act in a role: ``threshold`` different ones of ``keys`` (name -> Ed25519 public key)."""

    threshold: int
    keys: Mapping[str, bytes]

    def keyring(self, name: str) -> Collection[bytes]:
        """`notes.Keyring` of this role alone."""
        return (self.keys[name],) if name in self.keys else ()

    def open(self, note: bytes, context: str, code: str) -> Note:
        """The note, signed by the threshold of this role.

        Raises Malformed, Forged, or Untrusted (``unknown_key``: by nobody of this role; ``code``: by too
        few).
        """
        opened = open_note(note, context, self.keyring)
        if len({key.public for key in opened.keys}) < self.threshold:
            raise Untrusted(f"fewer than {self.threshold} signatures of this role", code=code)
        return opened


@dataclass(frozen=True, slots=True)
class Root:
    """One verified root. Times are unix seconds; ``hash`` is the hash of its signed text, ``before`` those of
    the roots that led to it, from version 1 on."""

    net: bytes
    env: str
    version: int
    created: int
    expires: int
    root: Role
    directory: Role
    hash: bytes
    before: tuple[bytes, ...] = ()

    def follows(self, older: Root) -> bool:
        """Whether the chain of this root runs through ``older``: the same one, or an ancestor."""
        return (*self.before, self.hash)[older.version - 1 : older.version] == (older.hash,)

    def keys(self) -> frozenset[bytes]:
        """Every public key of both roles: none of them may be anything else in the network."""
        return frozenset(self.root.keys.values()) | frozenset(self.directory.keys.values())

    def check_current(self, now: int) -> None:
        """Raise Expired when this root is from the future, or over."""
        if self.created > now + SKEW:
            raise Expired("the root is from the future", code="root_future")
        if now >= self.expires:
            raise Expired(
                "the root has expired", code="root_expired", remedy="its keepers must sign the next version"
            )


def network_id(note: bytes) -> bytes:
    """``net`` of the network that root version 1 founds: 32 bytes (protocol 1). Verifies nothing."""
    signed = note[: note.rfind(b"\n\n") + 1]
    return hashlib.sha256(b"bx/1/network" + signed).digest()


def verify_roots(notes: Sequence[bytes], *, now: int, expect: str | None = None) -> Root:
    """The newest root of a chain that starts at version 1.

    ``expect``: the fingerprint of the network, as read aloud; None only for a chain this node has accepted
    before. Raises Untrusted (fingerprint, too few or unknown signers, a gap), Forged, Malformed, Expired.
    """
    if not notes:
        raise Untrusted("no root to start from", code="root_none")
    root = _first(notes[0], expect)
    for note in notes[1:]:
        root = _next(root, note)
    root.check_current(now)
    return root


def parse_root(body: JsonObject, net: bytes, digest: bytes) -> Root:
    """The root that a body describes, checked for everything but its signatures. Raises Malformed, Expired,
    Forged (another network)."""
    check_version(body)
    fields(body, _FIELDS, optional=("net",))
    version = integer(body, "version", low=1)
    if ("net" in body) != (version > 1):
        raise Malformed("net stands in every root but the first", code="root_net_form", field="/net")
    if version > 1 and octets(body, "net") != net:
        raise Forged("a root of another network", code="root_net")
    with within("roles"):
        roles = fields(body["roles"], {"root": dict, "directory": dict})
        root, directory = _role(roles, "root"), _role(roles, "directory")
    env, created, expires = text(body, "env", ENVIRONMENT), integer(body, "created"), integer(body, "expires")
    _check_life(created, expires, env)
    _check_distinct(root, directory)
    return Root(net, env, version, created, expires, root, directory, digest)


def _first(note: bytes, expect: str | None) -> Root:
    net = network_id(note)
    if expect is not None and fingerprint(net) != expect.strip().lower():
        raise Untrusted(
            "the fingerprint of this network is not the one expected",
            code="fingerprint",
            remedy="ask two directory signers to read it out again; do not join until it is the same",
        )
    # The first root introduces its own keys, so they are read before they are verified; the fingerprint, not
    # this signature, is what makes it the right one. The signature proves that its keys are held.
    unproven = parse_root(peek_body(note), net, b"")
    opened = unproven.root.open(note, CONTEXT, "root_threshold")
    if unproven.version != 1:
        raise Untrusted("the chain does not start at version 1", code="root_version")
    return parse_root(opened.body, net, opened.hash)


def _next(old: Root, note: bytes) -> Root:
    opened = old.root.open(note, CONTEXT, "root_threshold_old")
    new = parse_root(opened.body, old.net, opened.hash)
    if new.version != old.version + 1:
        raise Untrusted("a root follows its predecessor by exactly 1", code="root_version")
    if new.env != old.env:
        raise Forged("a root changes the environment", code="root_env")
    new.root.open(note, CONTEXT, "root_threshold_new")
    return replace(new, before=(*old.before, old.hash))


def _role(roles: JsonObject, name: str) -> Role:
    with within(name):
        body = fields(roles[name], {"threshold": int, "keys": dict})
        keys = _keys(body["keys"])
        # No more keys than a note has lines, or a threshold could be asked for that no note can reach.
        return Role(integer(body, "threshold", low=1, high=min(len(keys), MAX_SIGNATURES)), keys)


def _keys(value: Json) -> Mapping[str, bytes]:
    with within("keys"):
        body = fields(value, dict.fromkeys(value if isinstance(value, dict) else (), str))
        for name in body:
            if not KEY_NAME.match(name):
                raise Malformed("a key name does not have its form", code="field_value")
            check_public(octets(body, name, PUBLIC), field=f"/{name}")
        return MappingProxyType({name: octets(body, name, PUBLIC) for name in body})


def _check_life(created: int, expires: int, env: str) -> None:
    if expires <= created:
        raise Malformed("it expires before it begins", code="root_time", field="/expires")
    if expires - created > ROOT_LIFE[env]:
        raise Expired("the root would live too long", code="root_life", field="/expires")


def _check_distinct(root: Role, directory: Role) -> None:
    keys = [*root.keys.values(), *directory.keys.values()]
    if len(set(keys)) != len(keys):
        raise Malformed("a key has two names or two roles", code="key_twice", field="/roles")
