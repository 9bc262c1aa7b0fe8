"""Making the documents of trust: root, join request, directory, key card, and the bundle that is published.

Duty: pure builders; each returns bytes that :mod:`gateway.core.trust` verifies. Who carries the bytes from
machine to machine, and who reads a fingerprint aloud, is the ceremony itself (docs/onboarding.md).

Example, the whole way::

    roles = Roles({"r1": r1.public}, 1, {"d1": d1.public}, 1)
    root = make_root("prod", roles, created=t, expires=t + ROOT_LIFE, signers=[r1])
    request = make_request("E09000012", "Hackney", members, cards)             # at the new borough
    body = add_member(empty_directory(root, entitlements), open_request(request))
    directory = make_directory(body, now=t, signers=[d1])                      # at a directory signer
    bundle = pack(Bundle([root], directory, cards))                            # published
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.core.directory import DIRECTORY, DIRECTORY_LIFE, KEYCARD, SUITE
from gateway.core.encoding import Json, JsonObject, b64, decode_object, encode, fields, octets, unb64
from gateway.core.keys import KemKey, fingerprint
from gateway.core.notes import Note, Signer, cosign, open_note, peek_body, sign_note
from gateway.core.root import CONTEXT as ROOT
from gateway.core.root import DAY, network_id
from gateway.errors import Forged, Malformed, Untrusted

REQUEST = "bx/1/request"

ROOT_LIFE: Final = 365 * DAY
SUBKEY_LIFE: Final = 14 * DAY


@dataclass(frozen=True, slots=True)
class Roles:
    """The public keys of the root and of the directory, by name, and how many must sign."""

    root: Mapping[str, bytes]
    root_threshold: int
    directory: Mapping[str, bytes]
    directory_threshold: int


@dataclass(frozen=True, slots=True)
class Member:
    """One principal as its area asks for it to be listed."""

    principal: str
    agency: str
    signer: Signer
    log: Signer | None = None
    organisation: str = ""
    hosted: bool = True


@dataclass(frozen=True, slots=True)
class Request:
    """A verified request to join: every key in it has signed it. ``fingerprint`` is read aloud."""

    area: str
    name: str
    principals: JsonObject
    cards: Sequence[bytes]
    fingerprint: str


def make_root(env: str, roles: Roles, *, created: int, expires: int, signers: Sequence[Signer]) -> bytes:
    """Root version 1. Its signed text is the network's identity (protocol 1)."""
    body: JsonObject = {
        "v": 1,
        "version": 1,
        "created": created,
        "expires": expires,
        "env": env,
        "roles": {
            "root": _role(roles.root, roles.root_threshold),
            "directory": _role(roles.directory, roles.directory_threshold),
        },
    }
    return sign_note(ROOT, body, signers)


def _role(keys: Mapping[str, bytes], threshold: int) -> JsonObject:
    return {"threshold": threshold, "keys": {name: b64(key) for name, key in keys.items()}}


def make_request(area: str, name: str, members: Sequence[Member], cards: Sequence[bytes]) -> bytes:
    """What a borough carries to the directory's signers: its principals, and their first key cards.

    Signed by EVERY key in it, so that nobody lists a key that is not theirs to use.
    """
    body: JsonObject = {
        "v": 1,
        "area": area,
        "name": name,
        "principals": {member.principal: _entry(member) for member in members},
        "cards": [card.decode() for card in cards],
    }
    signers = [member.signer for member in members]
    signers += [member.log for member in members if member.log is not None]
    return _signed_by_all(body, signers)


def _signed_by_all(body: JsonObject, signers: Sequence[Signer]) -> bytes:
    """A note has 16 lines at most, an area up to 30 keys: one note for each dozen keys, same text."""
    notes = [sign_note(REQUEST, body, signers[at : at + _DOZEN]) for at in range(0, len(signers), _DOZEN)]
    return encode({"request": [note.decode() for note in notes]})


_DOZEN: Final = 12


def _entry(member: Member) -> JsonObject:
    entry: JsonObject = {
        "agency": member.agency,
        "sign": b64(member.signer.public),
        "hosted": member.hosted,
    }
    if member.log is not None:
        entry["log"] = b64(member.log.public)
    if member.organisation:
        entry["organisation"] = member.organisation
    return entry


def open_request(data: bytes) -> Request:
    """Raises Malformed, Forged, or Untrusted when a key in it has not signed it."""
    notes = _notes(decode_object(data).get("request"))
    body = peek_body(notes[0])
    listed = _listed(body)
    opened = [open_note(note, REQUEST, lambda name: listed.get(name, ())) for note in notes]
    if any(note.text != opened[0].text for note in opened):
        raise Forged("a request whose notes differ", code="request_notes")
    signed = {key.public for note in opened for key in note.keys}
    if signed != {key for keys in listed.values() for key in keys}:
        raise Untrusted("a request that not every key in it has signed", code="request_unsigned")
    return _request(opened[0])


def _notes(value: Json) -> Sequence[bytes]:
    if not isinstance(value, list) or not value:
        raise Malformed("not a join request", code="request_form")
    return [str(note).encode() for note in value]


def _listed(body: JsonObject) -> Mapping[str, Sequence[bytes]]:
    principals = body.get("principals")
    if not isinstance(principals, dict):
        raise Malformed("a request without principals", code="request_form")
    keys: dict[str, Sequence[bytes]] = {}
    for name, entry in principals.items():
        if not isinstance(entry, dict):
            raise Malformed("a principal that is no object", code="request_form")
        keys[name] = [octets(entry, kind) for kind in ("sign", "log") if kind in entry]
    return keys


def _request(note: Note) -> Request:
    body = fields(note.body, {"v": int, "area": str, "name": str, "principals": dict, "cards": list})
    principals, cards = body["principals"], body["cards"]
    assert isinstance(principals, dict)  # noqa: S101 - `fields` checked both; this tells the type checker
    assert isinstance(cards, list)  # noqa: S101 - as above
    notes = [str(card).encode() for card in cards]
    return Request(str(body["area"]), str(body["name"]), principals, notes, fingerprint(note.hash))


def empty_directory(root: bytes, entitlements: Mapping[str, Iterable[str]]) -> JsonObject:
    """The body of a directory that nobody has joined yet, version 0."""
    return {
        "v": 1,
        "net": b64(network_id(root)),
        "version": 0,
        "created": 0,
        "expires": 0,
        "min_suite": SUITE,
        "members": {},
        "entitlements": {group: list[Json](sorted(readers)) for group, readers in entitlements.items()},
        "revoked": [],
    }


def directory_body(note: bytes) -> JsonObject:
    """The body of an existing directory note, to be changed and signed anew. NOT verified here."""
    return peek_body(note)


def add_member(body: JsonObject, request: Request) -> JsonObject:
    """The directory's body with this area in it; an area that is there already is replaced whole."""
    members = body["members"]
    assert isinstance(members, dict)  # noqa: S101 - a directory's body; tells the type checker
    entry: JsonObject = {"name": request.name, "principals": request.principals}
    return {**body, "members": {**members, request.area: entry}}


def make_directory(body: JsonObject, *, now: int, signers: Sequence[Signer]) -> bytes:
    """The next version of the directory, signed; further signers :func:`cosign` it."""
    version = body["version"]
    if not isinstance(version, int):
        raise Malformed("a directory without a version", code="directory_form")
    fresh: JsonObject = {"version": version + 1, "created": now, "expires": now + DIRECTORY_LIFE}
    return sign_note(DIRECTORY, {**body, **fresh}, signers)


def make_card(signer: Signer, subkeys: Sequence[KemKey], *, net: bytes, version: int) -> bytes:
    """A principal's key card, by its own identity key."""
    body: JsonObject = {
        "v": 1,
        "net": b64(net),
        "principal": signer.name,
        "version": version,
        "subkeys": _subkeys(subkeys),
    }
    return sign_note(KEYCARD, body, [signer])


def _subkeys(keys: Sequence[KemKey]) -> list[Json]:
    return [{"suite": SUITE, "pk": b64(k.public), "from": k.since, "until": k.until} for k in keys]


# --- the published bundle ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bundle:
    """Everything a node needs to join. Not signed itself: each document in it is."""

    roots: Sequence[bytes]
    directory: bytes
    cards: Sequence[bytes]


def pack(bundle: Bundle) -> bytes:
    return encode(
        {
            "roots": [b64(note) for note in bundle.roots],
            "directory": b64(bundle.directory),
            "cards": [b64(note) for note in bundle.cards],
        }
    )


def unpack(data: bytes) -> Bundle:
    """Raises Malformed. Nothing in it is verified: give it to ``Network.build``."""
    body = fields(decode_object(data), {"roots": list, "directory": str, "cards": list})
    return Bundle(_blobs(body["roots"]), unb64(str(body["directory"])), _blobs(body["cards"]))


def _blobs(value: Json) -> Sequence[bytes]:
    assert isinstance(value, list)  # noqa: S101 - `fields` checked it; this tells the type checker
    return [unb64(str(item)) for item in value]


__all__ = [
    "Bundle",
    "Member",
    "Request",
    "Roles",
    "add_member",
    "cosign",
    "directory_body",
    "empty_directory",
    "make_card",
    "make_directory",
    "make_request",
    "make_root",
    "open_request",
    "pack",
    "unpack",
]
