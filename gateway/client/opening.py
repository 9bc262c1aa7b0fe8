"""Open one relayed parcel with the agency's own key, believing the node nothing (protocol 9, steps 1 to 8).

Duty: what came over the line -> a verified sender, this agency as the reader it meant, and the parts that it
may open, merged. What it leaves out: getting it (client.py), the words it is shown in (adapters).

The time is judged as of the node's own signed receipt for these bytes: an agency that was away for a week
still opens what its node received in time. A node could date that receipt back; it would be held to it, and
a leg is delivered once whatever its date. What the node says about the leg (reference, version, urgency) is
held against what the sender wrote into the parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.core.audience import merge
from gateway.core.blob import Item
from gateway.core.encoding import HEX_ID, PRINCIPAL, JsonObject, unb64
from gateway.core.envelope import SKEW, Kind, Opener, Parsed, Slot, open_part, open_statement, split
from gateway.core.notes import Signer
from gateway.core.receipts import About, Receipt, open_receipt
from gateway.core.recipients import ROUTING
from gateway.core.trust import Network
from gateway.errors import Expired, Forged, Malformed
from gateway.flows.node import area_of
from gateway.flows.retrieve import split_items
from gateway.flows.vault import read_sections
from gateway.ports import LegRow, Parcel, Side


@dataclass(frozen=True, slots=True)
class AgencyKeys:
    """The agency's identity key and its subkeys, wherever they are held (``core.notes.Signer``,
    ``core.envelope.Opener``)."""

    signer: Signer
    opener: Opener

    @property
    def principal(self) -> str:
        return self.signer.name


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of what waits, as the node tells it."""

    parcel: str
    kind: Parcel
    leg: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """One parcel as the node hands it out; nothing of it is proven. ``leg`` is filled with what the node
    says. ``content`` is all there is of news about a leg."""

    parcel: str
    kind: Parcel
    leg: LegRow
    envelope: bytes = field(repr=False)
    slot: int
    received: str
    chain: Sequence[str]
    content: JsonObject

    @property
    def notice(self) -> str:
        """The id of the notice that it is; what the sender sealed must say the same."""
        return self.parcel.split("-")[1] if self.kind is Parcel.NOTICE else ""


@dataclass(frozen=True, slots=True)
class Opened:
    """Proven: who sent it, that it was meant for this agency, and PLAINTEXT of the parts it may open.
    ``chain``: receipts that this agency has signed about it before, oldest first. ``items``: the files that
    came with it; ``sections`` says what they are, the keys are here."""

    sealed: Sealed
    about: About
    parts: tuple[int, ...]
    chain: tuple[Receipt, ...]
    sections: JsonObject = field(repr=False)
    items: Sequence[Item] = ()


def read_entry(told: Mapping[str, Any]) -> Entry:
    """Raises Malformed."""
    try:
        return Entry(str(told["parcel"]), Parcel(told["kind"]), _leg_id(told["leg"]))
    except (KeyError, ValueError):
        raise Malformed("the node's list has another shape", code="relay_form") from None


def read_sealed(told: Mapping[str, Any], keys: AgencyKeys) -> Sealed:
    """Raises Malformed for another shape, Forged for a parcel of somebody else."""
    try:
        entry = read_entry(told)
        incoming = entry.kind is Parcel.NOTIFICATION or told["principal"] == keys.principal
        row = LegRow(
            id=entry.leg,
            ref=str(told["handover"]),
            version=int(told["version"]),
            side=Side.DESTINATION if incoming else Side.ORIGIN,
            principal=_principal(told["principal"]),
            agency=str(told["agency"]),
            counterpart=_principal(told["counterpart"]),
            state=str(told["state"]),
            urgency=str(told["urgency"]),
            mid="",
            acknowledge_by=int(told["acknowledge_by"]),
            decide_by=int(told["decide_by"]),
        )
        content = told["content"]
        sealed = Sealed(
            entry.parcel,
            entry.kind,
            row,
            unb64(str(told["envelope"])),
            int(told["slot"]),
            str(told["received"]),
            [str(note) for note in told["chain"]],
            content if isinstance(content, dict) else {},
        )
    except (KeyError, TypeError, ValueError):
        raise Malformed("the node's parcel has another shape", code="relay_form") from None
    mine = {Parcel.NOTIFICATION: {row.principal}, Parcel.REPLY: {row.counterpart}}
    if keys.principal not in mine.get(sealed.kind, {row.principal, row.counterpart}):
        raise Forged("a parcel of another agency", code="relay_agency")
    return sealed


def open_parcel(sealed: Sealed, network: Network, keys: AgencyKeys, now: int) -> Opened:
    """PLAINTEXT, after everything has been verified. Raises Refused of any kind."""
    received = _received(sealed, network, keys, now)
    parsed = split(sealed.envelope)
    if parsed.kind is not Kind.MESSAGE or sealed.slot < 1:
        raise Malformed("no message, or the node's own slot", code="slot_number")
    statement, slot = open_statement(
        parsed,
        net=network.net,
        opener=keys.opener,
        area=area_of(keys.principal),
        keyring=network.keyring_at(now),
        now=received.at,
        index=sealed.slot,
    )
    about = About(parsed.digest, statement.sender, statement.mid, statement.hash)
    if received.about != about:
        raise Forged("the node received other bytes than it hands over", code="receipt_hash")
    numbers = tuple(n for n, key in enumerate(slot.keys) if key is not None and n > ROUTING)
    sections = merge([_sections(parsed, network.net, slot, number) for number in numbers])
    _check_told(sealed, about, sections)
    shown, items = split_items(sections)
    return Opened(sealed, about, numbers, _chain(sealed, about, network, keys, now), shown, items)


def _received(sealed: Sealed, network: Network, keys: AgencyKeys, now: int) -> Receipt:
    """The node's signed receipt for these bytes, which says when they came."""
    node = f"{area_of(keys.principal)}/node"
    receipt = open_receipt(sealed.received.encode(), net=network.net, keyring=network.keyring)
    if (receipt.by, receipt.state) != (node, "received"):
        raise Forged("the node's own receipt is by another, or says something else", code="receipt_role")
    if receipt.at > now + SKEW:
        raise Expired("the node's receipt is from the future", code="future")
    return receipt


def _sections(parsed: Parsed, net: bytes, slot: Slot, number: int) -> JsonObject:
    key = slot.keys[number]
    if key is None:
        raise Forged("a part without its key", code="part_key")
    return read_sections(open_part(parsed, number, key, net=net))


def _check_told(sealed: Sealed, about: About, sections: JsonObject) -> None:
    """What the node says of the leg against what the sender sealed. Raises Forged."""
    leg = sealed.leg
    peer = leg.counterpart if leg.side is Side.DESTINATION else leg.principal
    if area_of(about.sender) != area_of(peer):
        raise Forged("the node names another counterpart than the sender", code="relay_facts")
    if sealed.kind is Parcel.NOTICE:
        notice = sections.get("notice")
        words = notice if isinstance(notice, dict) else {}
        about_it = words.get("about")
        said = {**(about_it if isinstance(about_it, dict) else {}), "id": words.get("id")}
        wanted: JsonObject = {"handover": leg.ref, "id": sealed.notice}
    elif sealed.kind is Parcel.NOTIFICATION:
        message = sections.get("message")
        said = message if isinstance(message, dict) else {}
        wanted = {"handover_id": leg.ref, "version": leg.version, "urgency": leg.urgency}
    else:
        answer = sections.get("reply")
        told = answer.get("about") if isinstance(answer, dict) else None
        said = told if isinstance(told, dict) else {}
        wanted = {"handover": leg.ref, "version": leg.version, "leg": leg.id}
    if any(said.get(name) != value for name, value in wanted.items()):
        raise Forged("the node says another handover than the sender", code="relay_facts")


def _chain(sealed: Sealed, about: About, network: Network, keys: AgencyKeys, now: int) -> tuple[Receipt, ...]:
    """What this agency has signed before, as the node kept it. Raises Forged: it may not put words in."""
    found = tuple(
        open_receipt(note.encode(), net=network.net, keyring=network.keyring_at(now)) for note in sealed.chain
    )
    if any(receipt.by != keys.principal or receipt.about != about for receipt in found):
        raise Forged("a receipt that this agency never signed about this", code="receipt_by")
    return found


def _leg_id(value: object) -> str:
    if not isinstance(value, str) or not HEX_ID.match(value):
        raise ValueError
    return value


def _principal(value: object) -> str:
    if not isinstance(value, str) or not PRINCIPAL.match(value):
        raise ValueError
    return value
