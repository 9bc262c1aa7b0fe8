"""Making the documents of trust: root, directory, key card, and the bundle that is published.

Duty: pure builders; each returns bytes that :mod:`gateway.core.trust` verifies, and signs nothing that would
be refused there. A borough's request to join is :mod:`gateway.core.request`. Who carries the bytes from
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

from gateway.core import notes
from gateway.core.directory import (
    DIRECTORY,
    DIRECTORY_LIFE,
    KEYCARD,
    SUITE,
    parse_card,
    parse_directory,
)
from gateway.core.durations import DAY
from gateway.core.encoding import Json, JsonObject, b64, decode_object, encode, fields, unb64
from gateway.core.keys import KemKey
from gateway.core.notes import Signer, peek_body, sign_note
from gateway.core.request import Member, Request, make_request, open_request
from gateway.core.root import CONTEXT as ROOT
from gateway.core.root import Root, network_id, parse_root
from gateway.errors import Forged, Malformed

ROOT_LIFE: Final = 365 * DAY
SUBKEY_LIFE: Final = 14 * DAY


@dataclass(frozen=True, slots=True)
class Roles:
    """The public keys of the root and of the directory, by name, and how many must sign."""

    root: Mapping[str, bytes]
    root_threshold: int
    directory: Mapping[str, bytes]
    directory_threshold: int


def make_root(env: str, roles: Roles, *, created: int, expires: int, signers: Sequence[Signer]) -> bytes:
    """Root version 1. Its signed text is the network's identity (protocol 1).

    Further keepers :func:`cosign` it. Raises Malformed or Expired for a root that nobody would accept.
    """
    body = _root_body(1, env, roles, created, expires)
    parse_root(body, b"", b"")
    return sign_note(ROOT, body, signers)


def make_next_root(
    old: Root, roles: Roles, *, created: int, expires: int, signers: Sequence[Signer]
) -> bytes:
    """The root after ``old``: other keepers, other thresholds, or the same for another year.

    Keepers of both the old and the new one sign, each with its threshold; further ones :func:`cosign` it.
    Raises Malformed or Expired for a root that nobody would accept.
    """
    body = {**_root_body(old.version + 1, old.env, roles, created, expires), "net": b64(old.net)}
    parse_root(body, old.net, b"")
    return sign_note(ROOT, body, signers)


def _root_body(version: int, env: str, roles: Roles, created: int, expires: int) -> JsonObject:
    return {
        "v": 1,
        "version": version,
        "created": created,
        "expires": expires,
        "env": env,
        "roles": {
            "root": _role(roles.root, roles.root_threshold),
            "directory": _role(roles.directory, roles.directory_threshold),
        },
    }


def cosign(note: bytes, signer: Signer) -> bytes:
    """A root or directory with one more signature, its content checked first: nobody signs what is broken.

    The signatures already there are not verified; ``Network.build`` does that when it is published. Raises
    Malformed, Expired, Unsupported, and Forged for a note of any other kind.
    """
    body = peek_body(note)
    if note.startswith(f"{DIRECTORY}\n".encode()):
        parse_directory(body)
    elif note.startswith(f"{ROOT}\n".encode()):
        parse_root(body, unb64(str(body.get("net", ""))), b"")
    else:
        raise Forged("neither a root nor a directory", code="note_context")
    return notes.cosign(note, signer)


def _role(keys: Mapping[str, bytes], threshold: int) -> JsonObject:
    return {"threshold": threshold, "keys": {name: b64(key) for name, key in keys.items()}}


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
        "entitlements": {group: list[Json](sorted(set(readers))) for group, readers in entitlements.items()},
        "revoked": [],
    }


def directory_body(note: bytes) -> JsonObject:
    """The body of an existing directory note, to be changed and signed anew. NOT verified here."""
    return peek_body(note)


def add_member(body: JsonObject, request: Request) -> JsonObject:
    """The directory's body with this area in it; an area that is there already is replaced whole."""
    members = body["members"]
    if not isinstance(members, dict):
        raise Malformed("a directory without members", code="directory_form")
    entry: JsonObject = {"name": request.name, "principals": request.principals}
    return {**body, "members": {**members, request.area: entry}}


def make_directory(body: JsonObject, *, now: int, signers: Sequence[Signer]) -> bytes:
    """The next version of the directory, signed; further signers :func:`cosign` it.

    Raises Malformed, Unsupported: what would be refused is never signed.
    """
    version = body["version"]
    if not isinstance(version, int):
        raise Malformed("a directory without a version", code="directory_form")
    fresh: JsonObject = {"version": version + 1, "created": now, "expires": now + DIRECTORY_LIFE}
    parse_directory({**body, **fresh})
    return sign_note(DIRECTORY, {**body, **fresh}, signers)


def make_card(signer: Signer, subkeys: Sequence[KemKey], *, net: bytes, version: int) -> bytes:
    """A principal's key card, by its own identity key. Raises Malformed for one that would be refused."""
    body: JsonObject = {
        "v": 1,
        "net": b64(net),
        "principal": signer.name,
        "version": version,
        "subkeys": _subkeys(subkeys),
    }
    parse_card(body, net=net, min_suite=SUITE)
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


def pack_cards(cards: Sequence[bytes]) -> bytes:
    """Key cards alone, for peers that know the directory already."""
    return encode({"cards": [b64(note) for note in cards]})


def unpack_cards(data: bytes) -> Sequence[bytes] | None:
    """The cards of :func:`pack_cards`; None for anything else that is an object. Raises Malformed."""
    body = decode_object(data)
    return _blobs(body["cards"]) if set(body) == {"cards"} else None


def _blobs(value: Json) -> Sequence[bytes]:
    texts = [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
    if texts != value:
        raise Malformed("a list of notes in base64 is expected", code="bundle_form")
    return [unb64(item) for item in texts]


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
    "make_next_root",
    "make_request",
    "make_root",
    "open_request",
    "pack",
    "pack_cards",
    "unpack",
    "unpack_cards",
]
