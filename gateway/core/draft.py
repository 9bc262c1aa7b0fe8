"""A directory while it is being agreed on: founded, added to, signed by one after the other, finished.

Duty: the pure steps between people, each from a draft to a draft; who carries the file from machine to
machine is the ceremony itself (docs/onboarding.md). It leaves out the documents' own forms
(:mod:`gateway.core.ceremony`) and how a node verifies them (:mod:`gateway.core.trust`).

Rules:

- A draft proves nothing: every step verifies what it builds on. A body is only ever taken from a directory
  that carries its threshold of signatures, or from a draft that nobody has signed yet.
- An area is added under the fingerprint that was read aloud, and replaced only when that is meant.
- A published bundle is a draft with nothing left to do, so the next round starts from it.

Example::

    draft = found(root, ENTITLEMENTS)
    draft = admit(draft, open_request(data), expect="abcd-...", now=now)
    draft = sign(draft, signer, now=now)              # the first signature fixes the text
    draft = sign(draft, second, now=now)              # further ones cosign it
    bundle = finish(draft, now=now)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from gateway.core.ceremony import (
    Bundle,
    Request,
    add_member,
    cosign,
    directory_body,
    empty_directory,
    make_directory,
    pack,
)
from gateway.core.directory import (
    DIRECTORY,
    DIRECTORY_LIFE,
    Directory,
    open_card,
    open_directory,
    parse_directory,
)
from gateway.core.encoding import Json, JsonObject, b64, decode_object, encode, fields, unb64
from gateway.core.keys import fingerprint
from gateway.core.notes import Signer, open_note, peek_body, text_hash
from gateway.core.root import CONTEXT as ROOT
from gateway.core.root import Role, Root, network_id, parse_root, verify_roots
from gateway.core.trust import Network
from gateway.errors import Conflict, Malformed, NotAllowed, Untrusted

_DRAFT: Final = {"roots": list, "directory": str, "cards": list, "next": str}


@dataclass(frozen=True, slots=True)
class Draft:
    """``body``: what the next signature will fix, None once ``directory`` (a note) carries one."""

    roots: tuple[bytes, ...]
    directory: bytes
    cards: tuple[bytes, ...]
    body: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """How far one document is: who has signed it, how many must. ``owed``: signatures still due from the
    keepers of the root before, whom only a further root asks."""

    names: tuple[str, ...]
    threshold: int
    owed: int = 0

    @property
    def complete(self) -> bool:
        return len(self.names) >= self.threshold and not self.owed


def found(root: bytes, entitlements: Mapping[str, Iterable[str]]) -> Draft:
    """A network that nobody has joined: its first root, which may still lack signatures."""
    return Draft((root,), b"", (), empty_directory(root, entitlements))


def net_of(draft: Draft) -> bytes:
    """The 32-byte id of the network that the draft is for."""
    if not draft.roots:
        raise Malformed("a draft without a root", code="draft_form")
    return network_id(draft.roots[0])


def root_of(draft: Draft) -> Root:
    """The newest root as it describes itself. Its signatures are NOT verified: it may be waiting for some."""
    net = net_of(draft)
    return parse_root(peek_body(draft.roots[-1]), net, b"")


def check_network(draft: Draft, expect: str) -> None:
    """Raise Untrusted unless this is the network whose fingerprint was read aloud."""
    if fingerprint(net_of(draft)) != expect.strip().lower():
        raise Untrusted(
            "the fingerprint of this network is not the one expected",
            code="fingerprint",
            remedy="ask a signer to read it out again; go no further until it is the same",
        )


def admit(draft: Draft, request: Request, *, expect: str, now: int, replacing: bool = False) -> Draft:
    """The draft with this area in it, and its key cards.

    ``expect``: the request's fingerprint as its borough read it aloud. Raises Untrusted when it differs or a
    card is not its principal's, Conflict for an area that is there already unless ``replacing``, Malformed
    for a request that no directory could hold.
    """
    if request.fingerprint != expect.strip().lower():
        raise Untrusted(
            "the fingerprint of this request is not the one that was read aloud",
            code="request_fingerprint",
            remedy="ask the borough to read it out again; do not add the request until it is the same",
        )
    before = open_for_change(draft, now)
    members = before["members"]
    if isinstance(members, dict) and request.area in members and not replacing:
        raise Conflict(
            "this area is in the directory already",
            code="area_listed",
            remedy="say --replace to put this request in the place of what is there",
        )
    body = add_member(before, request)
    listed = _preview(body, now)
    cards = tuple(card for card in draft.cards if not _of_area(card, request.area))
    for card in request.cards:
        opened = open_card(card, net=listed.net, min_suite=listed.min_suite, keyring=listed.keyring)
        if not opened.principal.startswith(f"{request.area}/"):
            raise Untrusted("a request with a key card of another area", code="request_card")
    return replace(draft, directory=b"", cards=(*cards, *request.cards), body=body)


def open_for_change(draft: Draft, now: int) -> JsonObject:
    """The body to change. Raises Conflict for a draft that is being signed: a change would throw away
    signatures that people gave to another text."""
    if draft.body is not None:
        return draft.body
    if not progress(draft)[1].complete:
        raise Conflict(
            "this draft is being signed",
            code="draft_signed",
            remedy="collect the missing signatures first, or begin again from what was published last",
        )
    open_directory(draft.directory, verify_roots(draft.roots, now=now), now=now)
    return directory_body(draft.directory)


def renew(draft: Draft, *, now: int) -> Draft:
    """The same directory once more, unsigned: its next version gets a fresh term when it is signed."""
    return replace(draft, body=open_for_change(draft, now), directory=b"")


def sign(draft: Draft, signer: Signer, *, now: int) -> Draft:
    """The draft with one more signature: of a root key on the root, of a directory key on the directory.

    The first on a directory fixes its version and its term of 30 days; further ones sign that same text.
    Raises NotAllowed for a key that the root does not list, Malformed when it has signed already.
    """
    root = root_of(draft)
    if any(keepers.keys.get(signer.name) == signer.public for keepers in _keepers(draft)):
        return replace(draft, roots=(*draft.roots[:-1], cosign(draft.roots[-1], signer)))
    if root.directory.keys.get(signer.name) != signer.public:
        raise NotAllowed(
            "the root lists no such key",
            code="not_a_signer",
            remedy="`gateway directory show` lists the signers of this network",
        )
    if draft.body is None:
        return replace(draft, directory=cosign(draft.directory, signer))
    return replace(draft, directory=make_directory(draft.body, now=now, signers=[signer]), body=None)


def progress(draft: Draft) -> tuple[Signed, Signed]:
    """How far the root and the directory are. Raises Forged when a signature on one does not hold."""
    root = root_of(draft)
    signed, *before = (_signed(draft.roots[-1], ROOT, keepers) for keepers in _keepers(draft))
    owed = max((step.threshold - len(step.names) for step in before), default=0)
    return (
        replace(signed, owed=max(owed, 0)),
        _signed(b"" if draft.body is not None else draft.directory, DIRECTORY, root.directory),
    )


def _signed(note: bytes, context: str, role: Role) -> Signed:
    if not note:
        return Signed((), role.threshold)
    try:
        opened = open_note(note, context, role.keyring)
    except Untrusted:
        return Signed((), role.threshold)
    return Signed(tuple(sorted(key.name for key in opened.keys)), role.threshold)


def _keepers(draft: Draft) -> tuple[Role, ...]:
    """Those of the newest root, and those of the one before, who must sign it too. Not verified here."""
    before = [parse_root(peek_body(note), net_of(draft), b"") for note in draft.roots[-2:-1]]
    return (root_of(draft).root, *(root.root for root in before))


def root_fingerprint(draft: Draft) -> str:
    """Of the newest root's text: its keepers read it aloud, to know that they sign the same one."""
    return fingerprint(text_hash(draft.roots[-1]))


def text_fingerprint(draft: Draft) -> str:
    """Of the directory's signed text: signers read it aloud, to know that they sign the same one. "" before
    the first signature."""
    if draft.body is not None or not draft.directory:
        return ""
    root = root_of(draft)
    return fingerprint(open_note(draft.directory, DIRECTORY, root.directory.keyring).hash)


def listed(draft: Draft, now: int) -> Directory:
    """What the draft says, for showing: checked for its form, NOT for its signatures."""
    if draft.body is not None:
        return _preview(draft.body, now)
    return parse_directory(directory_body(draft.directory))


def _preview(body: JsonObject, now: int) -> Directory:
    """The directory that a signature would make now; refuses what no node would accept."""
    version = body.get("version")
    next_version = version + 1 if isinstance(version, int) else 0
    return parse_directory({**body, "version": next_version, "created": now, "expires": now + DIRECTORY_LIFE})


def finish(draft: Draft, *, now: int) -> Bundle:
    """What is published: verified as every node will verify it. Raises Untrusted while signatures lack."""
    if draft.body is not None:
        raise Untrusted(
            "the directory is not signed yet",
            code="draft_unsigned",
            remedy="each directory signer runs `gateway directory sign`",
        )
    Network.build(draft.roots, draft.directory, draft.cards, now=now)
    return Bundle(draft.roots, draft.directory, draft.cards)


def _of_area(card: bytes, area: str) -> bool:
    return str(peek_body(card).get("principal", "")).startswith(f"{area}/")


# --- bytes ------------------------------------------------------------------------------------------


def pack_draft(draft: Draft) -> bytes:
    """Canonical JSON; a draft with nothing left to do has the bytes of the published bundle."""
    if draft.body is None:
        return pack(Bundle(draft.roots, draft.directory, draft.cards))
    return encode(
        {
            "roots": [b64(note) for note in draft.roots],
            "directory": b64(draft.directory),
            "cards": [b64(note) for note in draft.cards],
            "next": b64(encode(draft.body)),
        }
    )


def unpack_draft(data: bytes) -> Draft:
    """A draft or a published bundle. Raises Malformed. Nothing in it is verified."""
    body = fields(decode_object(data), _DRAFT, optional=("next",))
    following = decode_object(unb64(str(body["next"]))) if "next" in body else None
    return Draft(_notes(body["roots"]), unb64(str(body["directory"])), _notes(body["cards"]), following)


def _notes(value: Json) -> tuple[bytes, ...]:
    return tuple(unb64(str(item)) for item in value) if isinstance(value, list) else ()
