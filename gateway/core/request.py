"""A borough's request to join a network (protocol 6, onboarding).

Duty: make and verify it. What it leaves out: taking it into the directory (ceremony.py), and the telephone
call in which its fingerprint is read aloud to two directory signers: that is what ties it to a borough.

Rules:

- It is signed by EVERY key it lists, each under the name it is listed by: nobody can list a key that is not
  theirs to use, or one key under two names.
- An agency that keeps its key away from the node signs a part of its own instead (`core.agency_part`):
  exactly the entry that the request lists for it, and the card.
- A note has 16 lines at most and an area up to 30 keys: the request is several notes of one text.

Example::

    data = make_request("E09000012", "Hackney", [Member("E09000012/node", "NODE", node, log), ...], cards=[])
    open_request(data).fingerprint      # 'abcd-efgh-...', the same at both ends of the telephone
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.core.agency_part import AgencyPart, read_part
from gateway.core.directory import display_name, parse_principal
from gateway.core.encoding import (
    AREA,
    PRINCIPAL,
    Json,
    JsonObject,
    b64,
    check_version,
    decode_object,
    encode,
    fields,
    text,
    within,
)
from gateway.core.keys import fingerprint
from gateway.core.notes import Keyring, Note, Signer, VerifiedKey, open_note, peek_body, sign_note
from gateway.errors import Forged, Malformed, Untrusted

REQUEST: Final = "bx/1/request"

_DOZEN: Final = 12  # signatures in one note, of the 16 that fit
_MOST_PARTS: Final = 32  # agencies with a key of their own, in one area
_MOST_NOTES: Final = 8  # of a dozen signatures each: three times what an area with every agency needs


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


def make_request(
    area: str,
    name: str,
    members: Sequence[Member],
    cards: Sequence[bytes],
    *,
    parts: Sequence[AgencyPart] = (),
) -> bytes:
    """What a borough carries to the directory's signers: its principals, and their first key cards.

    Signed by EVERY key in it, so that nobody lists a key that is not theirs to use; ``parts`` are those of
    agencies that have signed elsewhere. Raises Malformed for one that :func:`open_request` would refuse.
    """
    listed = {member.principal: _entry(member) for member in members}
    if listed.keys() & {part.principal for part in parts}:
        raise Malformed("an agency stands in the request twice", code="request_part")
    body: JsonObject = {
        "v": 1,
        "area": area,
        "name": name,
        "principals": {**listed, **{part.principal: part.entry for part in parts}},
        "cards": [card.decode() for card in (*cards, *(part.card for part in parts))],
    }
    signers = [member.signer for member in members]
    signers += [member.log for member in members if member.log is not None]
    _check_request(body)
    return _signed_by_all(body, signers, parts)


def _signed_by_all(body: JsonObject, signers: Sequence[Signer], parts: Sequence[AgencyPart]) -> bytes:
    notes = [sign_note(REQUEST, body, signers[at : at + _DOZEN]) for at in range(0, len(signers), _DOZEN)]
    beside: JsonObject = {"parts": [part.note.decode() for part in parts]} if parts else {}
    return encode({"request": [note.decode() for note in notes], **beside})


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
    """The request, signed by every key that it lists, each under the name it is listed by.

    Raises Malformed, Forged, Unsupported, or Untrusted when a key in it has not signed it.
    """
    body = fields(decode_object(data), {"request": list, "parts": list}, optional=("parts",))
    found = _notes(body["request"])
    if not 0 < len(found) <= _MOST_NOTES:
        raise Malformed("not a join request", code="request_form")
    # Who has to sign stands in the request itself: read unproven, then held against who has signed.
    listed = _check_request(peek_body(found[0]))
    opened = [open_note(note, REQUEST, _keyring(listed)) for note in found]
    if any(note.text != opened[0].text for note in opened):
        raise Forged("a request whose notes differ", code="request_notes")
    elsewhere = _elsewhere(_notes(body.get("parts", [])), opened[0].body)
    if frozenset().union(*(note.keys for note in opened), elsewhere) != listed:
        raise Untrusted("a request that not every key in it has signed", code="request_unsigned")
    return _request(opened[0])


def _elsewhere(notes: Sequence[bytes], body: JsonObject) -> frozenset[VerifiedKey]:
    """The keys that have signed parts of their own, each exactly as the request lists it. Raises Untrusted
    where the request says something else in an agency's name than the agency has signed."""
    if len(notes) > _MOST_PARTS:
        raise Malformed("a request with too many parts", code="request_form")
    entries, cards = _object(body["principals"]), _notes(body["cards"])
    found = set[VerifiedKey]()
    for part in map(read_part, notes):
        if entries.get(part.principal) != part.entry or part.card not in cards:
            raise Untrusted("an agency has signed something else than the request lists", code="request_part")
        found.add(part.key)
    return frozenset(found)


def _keyring(listed: Iterable[VerifiedKey]) -> Keyring:
    return lambda name: [key.public for key in listed if key.name == name]


def _check_request(body: JsonObject) -> frozenset[VerifiedKey]:
    """Every key that a request lists, with its name; the request is checked but for its signatures."""
    check_version(body)
    fields(body, {"v": int, "area": str, "name": str, "principals": dict, "cards": list})
    area = text(body, "area", AREA)
    if not display_name(str(body["name"])):
        raise Malformed("a name that cannot be shown", code="field_value", field="/name")
    listed: set[VerifiedKey] = set()
    for name, entry in _object(body["principals"]).items():
        if not PRINCIPAL.match(name) or not name.startswith(f"{area}/"):
            raise Malformed("an area lists its own principals only", code="foreign_principal")
        with within(f"principals/{name.replace('/', '~1')}"):  # RFC 6901 section 3
            principal = parse_principal(name, entry)
            if principal.retiring is not None:  # how long an old key lasts is for the directory's signers
                raise Malformed("a request retires no key", code="field_unknown", field="/retiring")
        listed |= {VerifiedKey(name, key) for key in (principal.sign, principal.log) if key is not None}
    if not listed:
        raise Malformed("a request that lists nobody", code="request_form", field="/principals")
    _notes(body["cards"])
    return frozenset(listed)


def _request(note: Note) -> Request:
    body = note.body
    principals, cards = _object(body["principals"]), _notes(body["cards"])
    return Request(str(body["area"]), str(body["name"]), principals, cards, fingerprint(note.hash))


def _notes(value: Json) -> Sequence[bytes]:
    texts = [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
    if texts != value:
        raise Malformed("a list of notes is expected", code="request_form")
    return [item.encode() for item in texts]


def _object(value: Json) -> JsonObject:
    if not isinstance(value, dict):
        raise Malformed("an object is expected", code="json_object")
    return value
