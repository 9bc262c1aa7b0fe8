"""An agency's own part of its borough's request to join: its entry and first key card, signed by itself.

A request to join is signed by every key in it (:mod:`gateway.core.request`). The key of an agency that keeps
it away from the node cannot sign there, so it signs this part first, on its own machine: exactly the entry
that the directory is to hold, ``hosted: false`` included, and the card that is to go with it. The borough
puts the part into its request as it is. It leaves out who carries the file and who reads the fingerprint out.

Example::

    note = make_part(police, agency="POLICE", card=card, net=net)          # at the agency
    part = read_part(note)                                                # at its node, and at the signers
    make_request("E09000012", "Hackney", members, cards, parts=[part])
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from gateway.core.directory import NODE_AGENCY, SUITE, open_card, parse_principal
from gateway.core.encoding import PRINCIPAL, Json, JsonObject, b64, check_version, fields, octets, text
from gateway.core.keys import fingerprint
from gateway.core.notes import Keyring, Signer, VerifiedKey, open_note, peek_body, sign_note
from gateway.errors import Forged, Malformed

PART: Final = "bx/1/agency"

_SPEC: Final = {"v": int, "net": str, "principal": str, "entry": dict, "card": str}


@dataclass(frozen=True, slots=True)
class AgencyPart:
    """A verified part. ``key`` has signed it and is the one that ``entry`` lists; ``fingerprint`` is of the
    signed text, to be compared by voice between the agency and its borough."""

    principal: str
    entry: JsonObject
    card: bytes = field(repr=False)
    key: VerifiedKey
    fingerprint: str
    note: bytes = field(repr=False)


def make_part(signer: Signer, *, agency: str, card: bytes, net: bytes, organisation: str = "") -> bytes:
    """The part of ``signer``, whose name is its principal. Raises what :func:`read_part` would refuse."""
    entry: JsonObject = {"agency": agency, "hosted": False, "sign": b64(signer.public)}
    if organisation:
        entry["organisation"] = organisation
    body: JsonObject = {
        "v": 1,
        "net": b64(net),
        "principal": signer.name,
        "entry": entry,
        "card": card.decode(),
    }
    note = sign_note(PART, body, [signer])
    read_part(note)
    return note


def read_part(note: bytes) -> AgencyPart:
    """The part in ``note``: signed by the key that it lists, with a card of that key's own.

    Raises Malformed, Forged, Untrusted or Unsupported. Whether this agency is this borough's is for people:
    the fingerprint is what they compare.
    """
    body = peek_body(
        note
    )  # who must have signed stands in it: read unproven, then held against the signature
    check_version(body)
    fields(body, _SPEC)
    name, entry = text(body, "principal", PRINCIPAL), body["entry"]
    found = parse_principal(name, entry)
    if found.hosted or found.agency == NODE_AGENCY or "retiring" in _object(entry):
        raise Malformed("only an agency with one key of its own signs a part", code="part_entry")
    opened = open_note(note, PART, _only(name, found.sign), single=True)
    card, net = str(body["card"]).encode(), octets(body, "net")
    if open_card(card, net=net, min_suite=SUITE, keyring=_only(name, found.sign)).principal != name:
        raise Forged("a card for somebody else", code="card_principal")
    return AgencyPart(
        name, _object(entry), card, VerifiedKey(name, found.sign), fingerprint(opened.hash), note
    )


def _object(value: Json) -> JsonObject:
    return dict(value) if isinstance(value, dict) else {}


def _only(name: str, public: bytes) -> Keyring:
    return lambda asked: [public] if asked == name else []
