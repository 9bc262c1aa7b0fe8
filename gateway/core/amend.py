"""Changing a network that stands: a key is replaced or revoked, the root is handed on (protocol 6).

Duty: pure steps from a draft to a draft, beside founding and adding (:mod:`gateway.core.draft`), which also
collects the signatures. What it leaves out: a suspension, which one person signs alone
(:mod:`gateway.core.suspension`).

Rules:

- Each step builds on what carries its threshold, and fixes nothing: the next signature does.
- A replaced key may go on counting for a while beside its successor. A key that was stolen must not:
  ``overlap`` 0, or `revoke`.
- A revoked key never comes back, not even in another entry.

Example::

    draft = replace_keys(draft, open_request(data), expect="abcd-...", now=now, overlap=7 * DAY)
    draft = revoke(draft, find_key(listed(draft, now), "E09000004/police"), "lost", now=now)
    draft = next_root(draft, roles, now=now, life=ROOT_LIFE, signers=[r1])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from gateway.core.ceremony import Request, Roles, make_next_root
from gateway.core.directory import MAX_OVERLAP, Directory, Retiring, open_directory, parse_principal
from gateway.core.draft import Draft, admit, listed, open_for_change, root_of
from gateway.core.encoding import Json, JsonObject, b64, decode_object, encode
from gateway.core.keys import fingerprint_of
from gateway.core.notes import Signer
from gateway.core.root import Root, verify_roots
from gateway.errors import Conflict, Malformed, NotAllowed, NotFound, UnknownRecipient, Untrusted

OVERLAP: Final = 7 * 86_400  # seconds: a week to put the new key to use everywhere


def find_key(directory: Directory, wanted: str) -> bytes:
    """The key that somebody means: a principal's (its identity key), or the one of a fingerprint as `gateway
    directory show` prints it, or in base64. Raises NotFound."""
    spoken = wanted.strip()
    entry = directory.principals.get(spoken)
    if entry is not None:
        return entry.sign
    for key in directory.listed:
        if spoken == b64(key) or spoken.lower() == fingerprint_of(key):
            return key
    raise NotFound(
        "the directory lists no such principal and no such key",
        code="no_such_key",
        remedy="`gateway directory show` lists every principal and the fingerprint of its key",
    )


def revoke(draft: Draft, key: bytes, reason: str, *, now: int) -> Draft:
    """The draft with this key among the revoked. Raises Conflict for one that is there already, or while the
    draft is being signed."""
    body = open_for_change(draft, now)
    revoked = body["revoked"]
    before = revoked if isinstance(revoked, list) else []
    if any(isinstance(item, dict) and item.get("key") == b64(key) for item in before):
        raise Conflict("this key is revoked already", code="key_revoked")
    item: JsonObject = {"key": b64(key), "at": now, "reason": reason}
    return _checked(replace(draft, body={**body, "revoked": [*before, item]}, directory=b""), now)


def replace_keys(draft: Draft, request: Request, *, expect: str, now: int, overlap: int = OVERLAP) -> Draft:
    """The draft with this area's request in the place of its entry; an identity key that differs retires.

    ``overlap``: seconds that a replaced key goes on counting, 0 for none. Raises what `admit` raises,
    UnknownRecipient for an area that is not listed, NotAllowed for a key that is revoked, too long an
    overlap, or a request that replaces nothing.
    """
    before = listed(replace(draft, body=open_for_change(draft, now)), now)
    if request.area not in before.areas:
        raise UnknownRecipient(
            "the directory lists no such area",
            code="unknown_area",
            remedy="a new one: `gateway directory add`",
        )
    if not 0 <= overlap <= MAX_OVERLAP:
        raise NotAllowed(
            "an old key counts for 30 days at most",
            code="retiring_life",
            remedy="say --overlap 0 to 30 (days)",
        )
    _check_alive(request, before)
    admitted = admit(draft, request, expect=expect, now=now, replacing=True)
    after = listed(admitted, now)
    retiring: dict[str, Retiring] = {}
    for name, entry in after.principals.items():
        former = before.principals.get(name, entry)
        if former.sign != entry.sign:
            retiring[name] = Retiring(former.sign, now + overlap)
        elif former.retiring is not None:
            retiring[name] = former.retiring
    if all(found.until != now + overlap for found in retiring.values()):
        raise NotAllowed(
            "the request replaces no identity key",
            code="nothing_replaced",
            remedy="make it where the new keys are: `gateway directory request` at that node",
        )
    lasting = {n: r for n, r in retiring.items() if r.until > now and r.key not in before.revoked}
    return _checked(_retire(admitted, lasting), now)


def _check_alive(request: Request, before: Directory) -> None:
    entries = [parse_principal(name, entry) for name, entry in request.principals.items()]
    if any(key in before.revoked for entry in entries for key in entry.listed):
        raise NotAllowed(
            "a revoked key does not come back",
            code="key_revoked",
            remedy="ask for another with fresh keys",
        )


def _retire(draft: Draft, retiring: Mapping[str, Retiring]) -> Draft:
    body = decode_object(encode(draft.body or {}))  # a copy: a step never changes the draft it was given
    for name, old in retiring.items():
        area = name.partition("/")[0]
        place = _object(_object(_object(_object(body["members"])[area])["principals"])[name])
        place["retiring"] = [{"key": b64(old.key), "until": old.until}]
    return replace(draft, body=body)


def _object(value: Json) -> JsonObject:
    if not isinstance(value, dict):
        raise Malformed("an object is expected", code="json_object")
    return value


def _checked(draft: Draft, now: int) -> Draft:
    listed(draft, now)
    return draft


# --- the root ---------------------------------------------------------------------------------------


def roles_of(root: Root) -> Roles:
    """Who may sign under a root, to be changed."""
    return Roles(root.root.keys, root.root.threshold, root.directory.keys, root.directory.threshold)


def next_root(draft: Draft, roles: Roles, *, now: int, life: int, signers: Sequence[Signer]) -> Draft:
    """The draft with a next root, signed by ``signers``: keepers of the old one, of the new one, or both.

    The directory stays as it is where the new signers vouch for it, or else waits to be signed anew. Raises
    Conflict while a root or the directory is being signed, NotAllowed when nobody of ``signers`` is a keeper.
    """
    old = accepted_root(draft, now)
    body = open_for_change(draft, now)
    keepers = {*old.root.keys.values(), *roles.root.values()}
    if not any(signer.public in keepers for signer in signers):
        raise NotAllowed(
            "none of the keys here is a keeper of the old or of the next root",
            code="not_a_signer",
            remedy="run it where a root key is; `gateway directory show` lists them",
        )
    note = make_next_root(old, roles, created=now, expires=now + life, signers=signers)
    grown = replace(draft, roots=(*draft.roots, note))
    return grown if draft.body is None and _vouched(grown, now) else replace(grown, directory=b"", body=body)


def accepted_root(draft: Draft, now: int) -> Root:
    """The newest root, with all its signatures. Raises Conflict while it still waits for some."""
    try:
        return verify_roots(draft.roots, now=now)
    except Untrusted:
        raise Conflict(
            "the newest root is still being signed",
            code="draft_signed",
            remedy="collect the missing signatures first: `gateway directory sign`",
        ) from None


def _vouched(draft: Draft, now: int) -> bool:
    try:
        open_directory(draft.directory, root_of(draft), now=now)
    except Untrusted:
        return False
    return True


__all__ = ["accepted_root", "find_key", "next_root", "replace_keys", "revoke", "roles_of"]
