"""The directory and the key cards: who is in the network, with which keys (protocol 6).

Duty: verify one directory under a root, and one key card under a directory. What it leaves out: choosing
among several (trust.py), writing them (ceremony.py).

Rules:

- A directory carries the threshold of directory signers that the root names; root keys do not count.
- An area lists only principals under its own code, exactly one of them ``node``, and no key stands in the
  network twice: neither in two entries, nor as identity and log key, nor with a root or directory signer.
- A key card is signed by the identity key that the directory gives its principal, by nobody else: a directory
  signer cannot slip an agency a key to be read with.
- Both halves of an X-Wing key are checked when a card is loaded. Subkeys of a suite this release does not
  know are left out; one below ``min_suite`` refuses the card (no downgrade).

Example::

    directory = open_directory(note, root, now=now)
    card = open_card(note, net=root.net, min_suite=directory.min_suite, keyring=directory.keyring)
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from gateway.core import kem
from gateway.core.durations import DAY
from gateway.core.encoding import (
    AREA,
    PRINCIPAL,
    Json,
    JsonObject,
    check_version,
    fields,
    integer,
    octets,
    text,
    within,
)
from gateway.core.keys import PUBLIC, check_public
from gateway.core.notes import Keyring, open_note
from gateway.core.root import SKEW, Root
from gateway.errors import Expired, Forged, Malformed, Unsupported

DIRECTORY: Final = "bx/1/directory"
KEYCARD: Final = "bx/1/keycard"

SUITE: Final = 2  # X-Wing with XChaCha20-Poly1305: the one suite of this release (protocol 0, 4.1)
DIRECTORY_LIFE: Final = 30 * DAY  # seconds (protocol 6): how long a stolen old directory can be believed
MAX_SUBKEYS: Final = 16  # in one card; two are usual, and each costs a check when it is loaded
MAX_NAME: Final = 80  # characters of a display name
MAX_OVERLAP: Final = 30 * DAY  # seconds that a key goes on counting beside its successor

NODE_AGENCY: Final = "NODE"
NODE_ROLE: Final = "node"

_AGENCY: Final = re.compile(r"[A-Z][A-Z_]{1,40}\Z")
_GROUP: Final = re.compile(r"[a-z][a-z0-9_.]{0,80}\Z")
REASON: Final = re.compile(r"[a-z][a-z0-9_]{0,40}\Z")  # a code: the directory is public and permanent

_FIELDS: Final = {
    "v": int, "net": str, "version": int, "created": int, "expires": int, "min_suite": int,
    "members": dict, "entitlements": dict, "revoked": list,
}  # fmt: skip
_PRINCIPAL: Final = {
    "agency": str, "hosted": bool, "sign": str, "log": str, "organisation": str, "retiring": list,
}  # fmt: skip
_RETIRING: Final = {"key": str, "until": int}
_CARD: Final = {"v": int, "net": str, "principal": str, "version": int, "subkeys": list}
_SUBKEY: Final = {"suite": int, "pk": str, "from": int, "until": int}


@dataclass(frozen=True, slots=True)
class Retiring:
    """The identity key before the one listed: what it signs counts until just before ``until``."""

    key: bytes
    until: int


@dataclass(frozen=True, slots=True)
class Principal:
    """One entry: ``name`` is area/role, ``agency`` its type ("POLICE"; "NODE" for the node itself).

    ``sign`` and ``log`` are Ed25519 public keys; only a node has a log. ``hosted``: the borough holds the
    agency's key for it, so its word is the borough's (protocol 11). ``organisation`` tells two agencies of
    one type in one area apart, or is "". ``retiring``: while a principal changes over to another key.
    """

    name: str
    area: str
    role: str
    agency: str
    hosted: bool
    sign: bytes
    log: bytes | None = None
    organisation: str = ""
    retiring: Retiring | None = None

    @property
    def listed(self) -> tuple[bytes, ...]:
        """Every public key that stands in the entry."""
        found = (self.sign, self.log, self.retiring.key if self.retiring else None)
        return tuple(key for key in found if key is not None)


@dataclass(frozen=True, slots=True)
class Directory:
    """One verified directory. ``areas``: code -> display name. ``revoked``: public key -> unix seconds."""

    net: bytes
    version: int
    created: int
    expires: int
    min_suite: int
    areas: Mapping[str, str]
    principals: Mapping[str, Principal]
    entitlements: Mapping[str, frozenset[str]]
    revoked: Mapping[bytes, int]
    hash: bytes

    def keyring(self, name: str) -> Collection[bytes]:
        """`notes.Keyring` of identity keys; a revoked key is nobody's from the moment that is known."""
        principal = self.principals.get(name)
        return () if principal is None or principal.sign in self.revoked else (principal.sign,)

    def signing(self, name: str, now: int) -> tuple[bytes, ...]:
        """The identity keys that count for a principal now: its own, and a retiring one while it may."""
        principal = self.principals.get(name)
        if principal is None:
            return ()
        retiring = principal.retiring
        found = (principal.sign, retiring.key) if retiring and now < retiring.until else (principal.sign,)
        return tuple(key for key in found if key not in self.revoked)

    @property
    def listed(self) -> frozenset[bytes]:
        """Every key of every principal, revoked or not."""
        return frozenset(key for principal in self.principals.values() for key in principal.listed)


@dataclass(frozen=True, slots=True)
class Subkey:
    """An X-Wing public key to seal to from ``start`` until just before ``until`` (unix seconds)."""

    public: bytes
    start: int
    until: int
    suite: int = SUITE


@dataclass(frozen=True, slots=True)
class Card:
    """One verified key card. ``hash`` is the hash of its signed text, ``by`` the key that signed it."""

    principal: str
    version: int
    subkeys: tuple[Subkey, ...]
    hash: bytes
    by: bytes = b""


def open_directory(note: bytes, root: Root, *, now: int) -> Directory:
    """The directory, signed by the threshold of ``root``, of its network, not from the future.

    One that has EXPIRED still opens: what was said under it can be read; `Network.check_sendable` refuses to
    send under it. Raises Malformed, Forged, Untrusted, Expired, Unsupported.
    """
    opened = root.directory.open(note, DIRECTORY, "directory_threshold")
    directory = parse_directory(opened.body, opened.hash)
    if directory.net != root.net:
        raise Forged("a directory of another network", code="directory_net")
    if directory.listed & root.keys():
        raise Malformed("a root or directory key is a principal's too", code="key_twice")
    if directory.created > now + SKEW:
        raise Expired("the directory is from the future", code="directory_future")
    return directory


def open_card(note: bytes, *, net: bytes, min_suite: int, keyring: Keyring) -> Card:
    """The card, signed by its principal's own identity key alone.

    Its dates are not judged: they matter when something is sealed to it. Raises Malformed, Forged,
    Untrusted (not the key that the directory gives), Unsupported (a weaker suite).
    """
    opened = open_note(note, KEYCARD, keyring, single=True)
    card = parse_card(opened.body, net=net, min_suite=min_suite, digest=opened.hash)
    if opened.signer != card.principal:
        raise Forged("a card for somebody else", code="card_principal")
    (signed,) = opened.keys
    return replace(card, by=signed.public)


def parse_directory(body: JsonObject, digest: bytes = b"") -> Directory:
    """The directory that a body describes, checked for everything but its signatures and its network."""
    check_version(body)
    fields(body, _FIELDS)
    created, expires = integer(body, "created"), integer(body, "expires")
    _check_life(created, expires)
    members = _areas(body["members"])
    principals = {p.name: p for area, member in members.items() for p in _principals(area, member)}
    _check_keys(principals, created)
    return Directory(
        net=octets(body, "net"),
        version=integer(body, "version", low=1),
        created=created,
        expires=expires,
        min_suite=_min_suite(body),
        areas=MappingProxyType({area: _name(member, area) for area, member in members.items()}),
        principals=MappingProxyType(principals),
        entitlements=_entitlements(body["entitlements"]),
        revoked=_revoked(body["revoked"]),
        hash=digest,
    )


def parse_card(body: JsonObject, *, net: bytes, min_suite: int, digest: bytes = b"") -> Card:
    """The card that a body describes, checked for everything but its signature."""
    check_version(body)
    fields(body, _CARD)
    if octets(body, "net") != net:
        raise Forged("a card of another network", code="card_net")
    items = body["subkeys"]
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_SUBKEYS:
        raise Malformed(f"1..{MAX_SUBKEYS} subkeys are expected", code="field_value", field="/subkeys")
    with within("subkeys"):
        found = [_subkey(item, place, min_suite) for place, item in enumerate(items)]
    subkeys = tuple(subkey for subkey in found if subkey.suite == SUITE)
    if len({subkey.public for subkey in subkeys}) != len(subkeys):
        raise Malformed("a subkey stands in the card twice", code="key_twice", field="/subkeys")
    return Card(text(body, "principal", PRINCIPAL), integer(body, "version", low=1), subkeys, digest)


def display_name(value: str) -> bool:
    """Whether a name can be shown as it is: printable (so no control, zero-width or bidirectional
    characters), no white space around it, not empty, at most 80 characters."""
    return 0 < len(value) <= MAX_NAME and value.isprintable() and value == value.strip()


def parse_principal(name: str, value: Json) -> Principal:
    """One entry of a directory or a join request. Raises Malformed."""
    body = fields(value, _PRINCIPAL, optional=("log", "organisation", "retiring"))
    area, _, role = name.partition("/")
    agency = text(body, "agency", _AGENCY)
    is_node = role == NODE_ROLE
    if is_node != (agency == NODE_AGENCY) or is_node != ("log" in body):
        raise Malformed("the node, and no agency, is of type NODE and has a log key", code="node_entry")
    sign, log = (octets(body, key, PUBLIC) if key in body else None for key in ("sign", "log"))
    for key, public in (("sign", sign), ("log", log)):
        if public is not None:
            check_public(public, field=f"/{key}")
    organisation = str(body.get("organisation", ""))
    if "organisation" in body and not display_name(organisation):
        raise Malformed("organisation cannot be shown", code="field_value", field="/organisation")
    retiring = _retiring(body["retiring"]) if "retiring" in body else None
    return Principal(
        name, area, role, agency, body["hosted"] is True, sign or b"", log, organisation, retiring
    )


def _retiring(value: Json) -> Retiring:
    if not isinstance(value, list) or len(value) != 1:
        raise Malformed("one key retires at a time", code="field_value", field="/retiring")
    with within("retiring/0"):
        body = fields(value[0], _RETIRING)
        key = octets(body, "key", PUBLIC)
        check_public(key, field="/key")
        return Retiring(key, integer(body, "until"))


def _areas(value: Json) -> dict[str, JsonObject]:
    with within("members"):
        body = fields(value, dict.fromkeys(value if isinstance(value, dict) else (), dict))
        areas: dict[str, JsonObject] = {}
        for code, member in body.items():
            if not AREA.match(code):
                raise Malformed("an area is an ONS code", code="field_value")
            with within(code):
                areas[code] = fields(member, {"name": str, "principals": dict})
        return areas


def _name(member: JsonObject, area: str) -> str:
    name = member["name"]
    if not isinstance(name, str) or not display_name(name):
        raise Malformed("a name that cannot be shown", code="field_value", field=f"/members/{area}/name")
    return name


def _principals(area: str, member: JsonObject) -> list[Principal]:
    entries = member["principals"]
    found = []
    with within(f"members/{area}/principals"):
        for name, entry in entries.items() if isinstance(entries, dict) else ():
            if not PRINCIPAL.match(name) or not name.startswith(f"{area}/"):
                raise Malformed("an area lists principals under its own code only", code="foreign_principal")
            with within(name.replace("/", "~1")):  # RFC 6901 section 3
                found.append(parse_principal(name, entry))
        if NODE_ROLE not in {principal.role for principal in found}:
            raise Malformed("every area has one node", code="node_missing")
    return found


def _check_keys(principals: Mapping[str, Principal], created: int) -> None:
    keys = [key for principal in principals.values() for key in principal.listed]
    if len(set(keys)) != len(keys):
        raise Malformed("a key stands in the directory twice", code="key_twice", field="/members")
    ends = [principal.retiring.until for principal in principals.values() if principal.retiring]
    if max(ends, default=0) > created + MAX_OVERLAP:
        raise Malformed("a key would retire too late", code="retiring_life", field="/members")


def _min_suite(body: JsonObject) -> int:
    wanted = integer(body, "min_suite", low=1)
    if wanted > SUITE:
        raise Unsupported("the network asks for a newer suite than this release has", code="min_suite")
    return wanted


def _entitlements(value: Json) -> Mapping[str, frozenset[str]]:
    with within("entitlements"):
        body = fields(value, dict.fromkeys(value if isinstance(value, dict) else (), list))
        return MappingProxyType({group: _agencies(group, agencies) for group, agencies in body.items()})


def _agencies(group: str, value: Json) -> frozenset[str]:
    """Sorted and without repeats, so that one policy has one spelling."""
    names = [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
    if not _GROUP.match(group) or not all(map(_AGENCY.match, names)):
        raise Malformed("a field group names agency types", code="field_value")
    if names != value or names != sorted(set(names)):
        raise Malformed("agency types are sorted and not repeated", code="field_value", field=f"/{group}")
    return frozenset(names)


def _revoked(value: Json) -> Mapping[bytes, int]:
    found: dict[bytes, int] = {}
    with within("revoked"):
        for place, item in enumerate(value if isinstance(value, list) else ()):
            with within(str(place)):
                body = fields(item, {"key": str, "at": int, "reason": str})
                text(body, "reason", REASON)
                key, at = octets(body, "key", PUBLIC), integer(body, "at")
                if key in found:
                    raise Malformed("a key is revoked twice", code="key_twice", field="/key")
                found[key] = at
    return MappingProxyType(found)


def _subkey(value: Json, place: int, min_suite: int) -> Subkey:
    with within(str(place)):
        body = fields(value, _SUBKEY)
        suite = integer(body, "suite", low=1, high=255)
        if suite < min_suite:
            raise Unsupported("a subkey of a weaker suite than the network allows", code="card_suite")
        start, until = integer(body, "from"), integer(body, "until")
        if until <= start:
            raise Malformed("a subkey ends before it begins", code="subkey_time", field="/until")
        if suite != SUITE:
            return Subkey(b"", start, until, suite)
        public = octets(body, "pk", kem.PUBLIC)
        kem.check_public(public)
        return Subkey(public, start, until, suite)


def _check_life(created: int, expires: int) -> None:
    if expires <= created:
        raise Malformed("it expires before it begins", code="directory_time", field="/expires")
    if expires - created > DIRECTORY_LIFE:
        raise Expired("the directory would live too long", code="directory_life", field="/expires")
